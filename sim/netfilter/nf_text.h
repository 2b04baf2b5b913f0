#ifndef SIM_NETFILTER_NF_TEXT_H
#define SIM_NETFILTER_NF_TEXT_H

/* Rules as text: iptables-save, iptables-restore, iptables -L, nft list ruleset, nft -f; and iptables-save read back
 *
 * Text is printed from the same objects that the evaluator walks.  Forms differ as the real tools' do: 'save' prints as
 * iptables-save (addresses with /32, -s -d -i -o -p first, set-xmark), 'restore' as kube-proxy writes it.
 * Source of the forms: iptables 1.8.9 (extensions/), nftables 1.0.6 (src/), kube-proxy's writer.                     */

#include "sim/netfilter/nf_ruleset.h"
#include "sim/netfilter/nf_state.h"

/* All tables: "*mangle\n:PREROUTING ACCEPT [0:0]\n...COMMIT\n", in the order of nf_ruleset_tables(). */
void nf_print_iptables_save(GString *out, const NfRuleset *rs);
/* The same with counters, as `iptables-save -c`: "[packets:bytes] -A ...".  'state' NULL: without. */
void nf_print_iptables_save_counters(GString *out, const NfRuleset *rs, const NfState *state);
/* One rule "-A CHAIN ..." in save form, without newline: messages and walks. */
void nf_print_iptables_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index);
/* The same in the form that kube-proxy writes ("-m comment --comment ... -m tcp -p tcp -d IP --dport N -j T"). */
void nf_print_restore_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index);

typedef struct {
    bool numeric, verbose, line_numbers, exact; /* -n -v --line-numbers -x */
    const char *chain;                          /* NULL: all. */
} NfListOptions;
/* `iptables -t TABLE -L [CHAIN]`; false if there is no such chain. */
bool nf_print_iptables_list(GString *out, const NfRuleset *rs, const NfState *state, const char *table,
                            const NfListOptions *options);

/* `nft list ruleset`: sets and maps, then chains. */
void nf_print_nft_ruleset(GString *out, const NfRuleset *rs, const NfState *state);
/* One rule as nft lists it, without newline. */
void nf_print_nft_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index);
/* kube-proxy's transaction: "add table ip kube-proxy {...}\nadd chain ...", in the form of knftables' dump. */
void nf_print_nft_transaction(GString *out, const NfRuleset *rs);
/* Either dialect. */
void nf_print_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index);

/* What reading a dump has to say, by line. */
typedef struct {
    uint32_t line, column, length;
    bool error;    /* Else a warning: something not modelled, kept as NFX_UNKNOWN_*. */
    char *message; /* Owned. */
    char *hint;    /* Owned, or NULL. */
} NfParseNote;

/* Reads an iptables-save (or ip6tables-save) dump of any origin.  Errors do not stop the reading: all of the file's are
 * noted.  NULL if there was an error.  'ret_notes' is a GPtrArray of NfParseNote (caller unrefs). */
NfRuleset *nf_parse_iptables_save(NfNames *names, IpFamily family, const char *text, size_t size,
                                  GPtrArray **ret_notes);

#endif
