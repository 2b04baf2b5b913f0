#ifndef SIM_NETFILTER_IPT_PRINT_H
#define SIM_NETFILTER_IPT_PRINT_H

/* Options of iptables rules as text: what iptables-save, kube-proxy's writer and messages share (inside the room)
 *
 * A rule's expressions are, in order: the IP part (-s -d -i -o -p), the matches, the target.  Each printer appends its
 * options with a leading space.                                                                                      */

#include "sim/netfilter/nf_ruleset.h"

typedef enum {
    IPT_SAVE,    /* As iptables-save. */
    IPT_WRITTEN, /* As kube-proxy writes them for iptables-restore: no defaults, short addresses. */
} IptForm;

typedef struct {
    GString *out;
    const NfRuleset *rs;
    const NfNames *names;
    const NfChain *chain;
    IptForm form;
} IptPrinter;

typedef enum { IPT_PART_IP, IPT_PART_MATCH, IPT_PART_TARGET } IptPart;
IptPart ipt_part(const NfExpr *e);

void ipt_print_ip(const IptPrinter *p, const NfExpr *e);
void ipt_print_match(const IptPrinter *p, const NfExpr *e);
void ipt_print_target(const IptPrinter *p, const NfExpr *e);

typedef struct {
    const char *name;
    uint32_t id;
} IptChain;
/* Chains of a table as iptables lists them: built-in ones by hook, then the others by name.  Caller frees the array. */
IptChain *ipt_table_chains(const NfRuleset *rs, const char *table, size_t *ret_n);

/* The same options in the words of iptables -L. */
void ipt_list_match(const IptPrinter *p, const NfExpr *e, bool numeric);
void ipt_list_target(const IptPrinter *p, const NfExpr *e, bool numeric);
/* What the target column shows: a chain's or a target's name. */
const char *ipt_list_target_name(const IptPrinter *p, const NfExpr *e, char *buf, size_t size);

/* The module of a match ("tcp", "conntrack"). */
const char *ipt_match_module(const IptPrinter *p, const NfExpr *e);
/* "1.2.3.4:80-90", "[fd00::1]:80", "fd00::1-fd00::9" of DNAT and SNAT. */
void ipt_print_nat_range(GString *out, const NfChain *chain, const NfExpr *e);
/* "5/sec". */
void ipt_print_rate(GString *out, const NfLimit *limit);
/* 1/n if that is what the threshold was made of, else threshold / 2^31; as kube-proxy writes it. */
void ipt_print_written_probability(GString *out, const NfExpr *e);
/* "ffff:ffff::" of the --mask that cuts 'cut' bits off. */
void ipt_print_mask(GString *out, IpFamily family, uint32_t cut);
bool ipt_is_l4(const NfExpr *e); /* A match of -m tcp, udp, sctp, ...: it wants -p. */

#endif
