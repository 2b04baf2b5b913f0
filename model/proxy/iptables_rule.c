#include "model/proxy/iptables_rule.h"

#include <stdarg.h>
#include <stdio.h>

void
ipt_rule(NfChainBuilder *b, NfNames *names, uint32_t origin, const IptRule *rule, NfExpr target)
{
    nf_rule_begin(b, origin);
    if (rule->src)
        nf_rule_expr(b, nfx_saddr(*rule->src, rule->not_src));
    else if (rule->local && rule->local->op == NFX_SADDR)
        nf_rule_expr(b, *rule->local);
    if (rule->dst)
        nf_rule_expr(b, nfx_daddr(*rule->dst, rule->not_dst));
    if (rule->local && rule->local->op == NFX_IIF)
        nf_rule_expr(b, *rule->local);
    if (rule->proto)
        nf_rule_expr(b, nfx_proto(rule->proto));
    if (rule->comment != NF_NO_ID)
        nf_rule_expr(b, nfx_u32(NFX_COMMENT, rule->comment, 0, 0, false));
    if (rule->addrtype)
        nf_rule_expr(b, nfx_u32(NFX_ADDRTYPE, rule->addrtype, 0, 0, false));
    if (rule->match)
        nf_rule_expr(b, *rule->match);
    if (rule->proto && rule->dport)
        nf_rule_expr(b, nfx_dport(rule->proto, rule->dport, rule->dport));
    else if (rule->proto)
        nf_rule_expr(b, nfx_u32(NFX_L4_MATCH, rule->proto, 0, 0, false));
    if (rule->nfacct)
        nf_rule_expr(b, nfx_u32(NFX_NFACCT, nf_text_id(names, rule->nfacct), 0, 0, false));
    nf_rule_expr(b, target);
    nf_rule_end(b);
}

uint32_t
ipt_comment(NfNames *names, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return nf_text_id(names, text);
}

NfChainBuilder *
ipt_chain(NfNames *names, uint32_t chain_id)
{
    return nf_chain_builder_new(names, &(NfChainSpec){.id = chain_id, .comment = NF_NO_ID});
}
