#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

/* What all commands share: options, input files, output, exit status
 *
 * stdout carries the result, stderr diagnostics.  Exit status: 0 fine, 1 an expectation failed or a difference was
 * found, 2 bad usage or input, 3 our own error. */

#include <glib.h>

#include "model/input/loader.h"
#include "model/network/cluster.h"
#include "model/report/json_out.h"

enum { EXIT_FINE = 0, EXIT_DIFFERENT = 1, EXIT_USAGE = 2, EXIT_OURS = 3 };

typedef struct {
    const char *name;
    const char *group;   /* Heading under which --help lists it. */
    const char *summary; /* One line. */
    const char *usage;   /* "FILE… --node NODE [options]" */
    const char *example; /* One command line. */
    int (*run)(int argc, char **argv);
    const char *const *formats; /* NULL-terminated choice of -o, the default first; NULL: text and json. */
} Command;

extern const Command *const commands[]; /* NULL-terminated. */
extern const Command command_advise, command_diff_modes, command_matrix;
extern const Command command_check, command_conntrack, command_describe, command_get, command_ip, command_iptables,
    command_netstat;
extern const Command command_rules, command_run, command_tcpdump, command_trace, command_walk, command_whatif;

/* Options that every command has. */
typedef struct {
    char **files; /* What is left after the options. */
    char *format; /* text or json. */
    bool json;
    bool notes; /* --notes: also show notes about ignored fields. */
} CommonOptions;

/* Parses argv by 'entries' (may be NULL) and the common ones.  On failure prints why (with the nearest option), returns
 * false; the command then returns EXIT_USAGE.  --help prints and exits. */
bool cli_parse(const Command *command, int *argc, char ***argv, const GOptionEntry *entries, CommonOptions *ret_common);
void cli_common_clear(CommonOptions *common);

/* Loads the files and prints their diagnostics.  NULL if there were errors. */
Input *cli_load(const CommonOptions *common);
/* The same after the controllers filled the gaps. */
Input *cli_load_filled(const CommonOptions *common);
/* The same with overrides (NULL-terminated, or NULL) applied in between; a bad one is a usage error. */
Input *cli_load_set(const Command *command, const CommonOptions *common, char *const *overrides);

/* "svcsim COMMAND: message" on stderr; returns EXIT_USAGE. */
int cli_usage_error(const Command *command, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "no Node "x"; did you mean "y"?" */
int cli_no_such(const Command *command, const char *kind, const char *name, Store *store, ApiKind api_kind);

/* Writes to stdout; EXIT_FINE, or EXIT_OURS when the pipe or disk refuses. */
int cli_output(const GString *text);

/* The number that 'option' ("--seed") was given; *value stays where 'text' is NULL.  'high' G_MAXUINT64: any from 'low'
 * on. False after a message. */
bool cli_parse_number(const Command *command, const char *option, const char *text, uint64_t low, uint64_t high,
                      uint64_t *value);
/* --seed and --repeat of a command that runs the files several times: one seed after the other, by default from the
 * scenario's on; *n of them, which holds the default before.  NULL after a message; caller frees. */
uint64_t *cli_parse_seeds(const Command *command, const CommonOptions *common, const char *seed, const char *repeat,
                          size_t *n);
/* "10.0.0.1:80", "[fd00::1]:80", "10.0.0.1", with an optional "/tcp" behind; false if malformed. */
bool cli_parse_endpoint(const char *text, IpAddr *ret_addr, uint16_t *ret_port, uint8_t *ret_proto);
bool cli_parse_mode(const char *text, ProxyMode *ret_mode);
/* Puts --mode in use on all nodes; NULL changes nothing.  False after a message. */
bool cli_set_mode(const Command *command, Input *input, const char *mode);
/* Says on stderr on which nodes kube-proxy could not load its rules. */
void cli_warn_syncs(const Command *command, const Cluster *cluster);
bool cli_parse_family(const char *text, IpFamily *ret_family);

#endif
