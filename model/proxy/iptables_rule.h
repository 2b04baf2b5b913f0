#ifndef MODEL_PROXY_IPTABLES_RULE_H
#define MODEL_PROXY_IPTABLES_RULE_H

/* An iptables rule as kube-proxy writes one, put into a chain in the order that iptables evaluates */

#include "sim/netfilter/nf_ruleset.h"

/* Chains are named within their table. */
#define IPT_NAT    "nat"
#define IPT_FILTER "filter"
#define IPT_MANGLE "mangle"

typedef struct {
    const IpPrefix *src, *dst;
    bool not_src, not_dst;
    const NfExpr *local; /* Instead of src: a detector's test. */
    uint8_t proto;       /* "-m P -p P"; 0: none. */
    uint16_t dport;      /* 0: none, a bare "-m P". */
    uint32_t comment;    /* Text id; NF_NO_ID: none. */
    uint32_t addrtype;   /* As NFX_ADDRTYPE's a; 0: none. */
    const NfExpr *match; /* recent or statistic, before "-m P". */
    const char *nfacct;  /* Counter, behind "-m P"; NULL: none. */
} IptRule;

void ipt_rule(NfChainBuilder *b, NfNames *names, uint32_t origin, const IptRule *rule, NfExpr target);
uint32_t ipt_comment(NfNames *names, const char *format, ...) G_GNUC_PRINTF(2, 3);
NfChainBuilder *ipt_chain(NfNames *names, uint32_t chain_id);

static inline NfExpr
ipt_target(NfOp op)
{
    return nfx_u32(op, 0, 0, 0, false);
}

#endif
