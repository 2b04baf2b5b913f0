#ifndef TOOLS_VIEW_H
#define TOOLS_VIEW_H

/* Views: commands that show the simulated world as it is at one moment
 *
 * The moment is --at; without it the end of the scenario, or time 0 if the input has none.  Files come first, words
 * (kinds, names, a chain, a filter) after them: an argument is a file if it is "-", exists, or ends as files of input
 * do. */

#include "model/scenario/run.h"
#include "tools/cli.h"

typedef struct {
    char *at, *seed;   /* --at, --seed. */
    char *node, *host; /* --node, --host. */
} ViewOptions;

/* Entries of an option table; the last two only where a host matters. */
#define VIEW_OPTION_ENTRIES(options)                                                                                   \
    {"at", 0, 0, G_OPTION_ARG_STRING, &(options).at, "when (default: at the end of the scenario)", "TIME"},            \
    {                                                                                                                  \
        "seed", 0, 0, G_OPTION_ARG_STRING, &(options).seed, "instead of the scenario's", "N"                           \
    }
#define VIEW_HOST_ENTRIES(options)                                                                                     \
    {"node", 0, 0, G_OPTION_ARG_STRING, &(options).node, "on which node", "NODE"},                                     \
    {                                                                                                                  \
        "host", 0, 0, G_OPTION_ARG_STRING, &(options).host,                                                            \
            "or in which other place: pod/[NS/]NAME, client/NAME, router", "HOST"                                      \
    }
void view_options_clear(ViewOptions *options);

/* Moves what is no file out of common->files; NULL-terminated, caller frees with g_strfreev(). */
char **view_take_words(CommonOptions *common);

typedef struct {
    const Command *command;
    Input *input;
    Cluster *cluster;
    ScenarioRun *run;
    SimTime at; /* SIMTIME_NEVER: the end. */
} View;

/* Builds the world at time 0.  False after telling why. */
bool view_open(const Command *command, const CommonOptions *common, const ViewOptions *options, View *ret_view);
/* The same for a view of objects alone: 'cluster' and 'run' stay NULL if no time is to pass. */
bool view_open_objects(const Command *command, const CommonOptions *common, const ViewOptions *options, View *ret_view);
/* Lets the time come. */
void view_advance(View *view);
SimTime view_now(const View *view);
void view_close(View *view);

/* What the run() of such a command does: reads options by 'entries', splits words from files, builds the world at time
 * 0 and shows what 'show' makes of it, with the command's own 'user'; 'options' are cleared.  Returns the exit status.
 */
typedef int (*ViewShow)(View *view, char *const *words, const void *user);
int view_main(const Command *command, int argc, char **argv, const GOptionEntry *entries, ViewOptions *options,
              ViewShow show, const void *user);

/* The host that --node or --host names; NULL after telling why.  Neither given: NULL, silently, if not 'required'. */
Host *view_host(const View *view, const ViewOptions *options, bool required);

#endif
