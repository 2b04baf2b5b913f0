/* Rules as kube-proxy writes them for iptables-restore (pkg/proxy/iptables/proxier.go, v1.35)
 *
 * kube-proxy appends options in the order in which its code thinks of them, while expressions hold the order in which
 * the kernel tests them.  Its rules have few shapes, so the written order follows from the expressions:
 *
 *   - matches come in their order;
 *   - "-m tcp" is followed by "-p tcp", then -d, then the ports, then -s and -i;
 *   - without a "-m tcp", -d, -s and -i come after the leading comment and addrtype matches.
 *
 * A few rules (of the hooks) break none of these.                                                                    */

#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/ipt_print.h"
#include "sim/netfilter/nf_text.h"

static void print_ip_ops(const IptPrinter *p, const NfExpr *exprs, uint32_t n, NfOp op);
static void print_l4(const IptPrinter *p, const NfExpr *exprs, uint32_t n, uint32_t first);

void
nf_print_restore_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    IptPrinter p = {out, rs, nf_ruleset_names(rs), chain, IPT_WRITTEN};
    const NfRule *rule = nf_chain_rule(chain, index);
    const NfExpr *exprs = nf_chain_exprs(chain, index);
    bool has_l4 = false, ip_done = false;

    for (uint32_t i = 0; i < rule->n; i++)
        has_l4 |= ipt_is_l4(&exprs[i]) && exprs[i].op != NFX_TCP_FLAGS;

    g_string_append_printf(out, "-A %s", nf_chain_name(p.names, nf_chain_spec(chain)->id));
    for (uint32_t i = 0; i <= rule->n; i++) {
        const NfExpr *e = i < rule->n ? &exprs[i] : NULL;
        bool leading = e && (ipt_part(e) == IPT_PART_IP || e->op == NFX_COMMENT || e->op == NFX_ADDRTYPE);

        if (!has_l4 && !ip_done && !leading) {
            print_ip_ops(&p, exprs, rule->n, NFX_PROTO);
            print_ip_ops(&p, exprs, rule->n, NFX_DADDR);
            print_ip_ops(&p, exprs, rule->n, NFX_SADDR);
            print_ip_ops(&p, exprs, rule->n, NFX_IIF);
            print_ip_ops(&p, exprs, rule->n, NFX_OIF);
            ip_done = true;
        }
        if (!e || ipt_part(e) == IPT_PART_IP)
            continue;
        if (ipt_part(e) == IPT_PART_TARGET)
            ipt_print_target(&p, e);
        else if (has_l4 && ipt_is_l4(e) && !ip_done) {
            print_l4(&p, exprs, rule->n, i);
            ip_done = true;
        } else if (!(has_l4 && ipt_is_l4(e) && (e->c & NF_JOINED)))
            ipt_print_match(&p, e);
    }
}

/* The whole "-m tcp -p tcp -d IP --dport PORT ! -s CIDR", whose first expression is 'first'. */
static void
print_l4(const IptPrinter *p, const NfExpr *exprs, uint32_t n, uint32_t first)
{
    g_string_append_printf(p->out, " -m %s", ipt_match_module(p, &exprs[first]));
    print_ip_ops(p, exprs, n, NFX_PROTO);
    print_ip_ops(p, exprs, n, NFX_DADDR);
    for (uint32_t i = first; i < n && ipt_is_l4(&exprs[i]) && (i == first || (exprs[i].c & NF_JOINED)); i++) {
        NfExpr option = exprs[i];
        option.c |= NF_JOINED; /* Its -m stands already. */
        ipt_print_match(p, &option);
    }
    print_ip_ops(p, exprs, n, NFX_SADDR);
    print_ip_ops(p, exprs, n, NFX_IIF);
    print_ip_ops(p, exprs, n, NFX_OIF);
}

static void
print_ip_ops(const IptPrinter *p, const NfExpr *exprs, uint32_t n, NfOp op)
{
    for (uint32_t i = 0; i < n; i++)
        if (exprs[i].op == op)
            ipt_print_ip(p, &exprs[i]);
}
