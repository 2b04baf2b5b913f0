/* The IP part and the targets of iptables rules as options (iptables 1.8.9: iptables/nft-shared.c, extensions/) */

#include "sim/engine/text_out.h"
#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/ipt_print.h"

static void print_address(const IptPrinter *p, const NfExpr *e, const char *option);
static void print_reject(const IptPrinter *p, const NfExpr *e);
static void print_log(const IptPrinter *p, const NfExpr *e);
static void print_mark(const IptPrinter *p, const NfExpr *e);
static void print_connmark(GString *out, const NfExpr *e);
static void print_nat_flags(GString *out, uint32_t flags);
static void print_nat_ports(GString *out, uint32_t ports);

IptPart
ipt_part(const NfExpr *e)
{
    if (e->op <= NFX_PROTO)
        return IPT_PART_IP;
    return e->op <= NFX_MARK_EQ0 ? IPT_PART_MATCH : IPT_PART_TARGET;
}

void
ipt_print_ip(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;
    const char *protocol;

    switch ((int)e->op) {
    case NFX_SADDR:
        print_address(p, e, "-s");
        break;
    case NFX_DADDR:
        print_address(p, e, "-d");
        break;
    case NFX_IIF:
    case NFX_OIF:
        g_string_append_printf(out, "%s -%c %s%s", e->neg ? " !" : "", e->op == NFX_IIF ? 'i' : 'o',
                               nf_text(p->names, e->a), e->len ? "+" : "");
        break;
    case NFX_PROTO:
        protocol = ipt_name_of(IPT_PROTOCOLS, e->a);
        if (e->neg)
            TEXT_LIT(out, " !");
        TEXT_LIT(out, " -p ");
        if (protocol)
            text_str(out, protocol);
        else
            text_u64(out, e->a);
        break;
    }
}

void
ipt_print_target(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;

    switch ((NfOp)e->op) {
    case NFX_SET_MARK:
        print_mark(p, e);
        break;
    case NFX_SET_CONNMARK:
        print_connmark(out, e);
        break;
    case NFX_LOG:
        print_log(p, e);
        break;
    case NFX_TCPMSS:
        if (e->a)
            g_string_append_printf(out, " -j TCPMSS --set-mss %u", e->a);
        else
            g_string_append(out, " -j TCPMSS --clamp-mss-to-pmtu");
        break;
    case NFX_CT_ZONE:
        g_string_append_printf(out, " -j CT --zone%s %u", e->len == 0 ? "" : e->len == 1 ? "-orig" : "-reply", e->a);
        break;
    case NFX_NOTRACK:
        g_string_append(out, e->len ? " -j NOTRACK" : " -j CT --notrack");
        break;
    case NFX_UNKNOWN_TARGET:
        g_string_append_printf(out, " -j %s", nf_text(p->names, e->a));
        break;
    case NFX_ACCEPT:
        g_string_append(out, " -j ACCEPT");
        break;
    case NFX_DROP:
        g_string_append(out, " -j DROP");
        break;
    case NFX_RETURN:
        g_string_append(out, " -j RETURN");
        break;
    case NFX_REJECT:
        print_reject(p, e);
        break;
    case NFX_JUMP:
        TEXT_LIT(out, " -j ");
        text_str(out, nf_chain_name(p->names, e->a));
        break;
    case NFX_GOTO:
        g_string_append_printf(out, " -g %s", nf_chain_name(p->names, e->a));
        break;
    case NFX_DNAT:
    case NFX_SNAT:
        g_string_append(out, e->op == NFX_DNAT ? " -j DNAT --to-destination " : " -j SNAT --to-source ");
        ipt_print_nat_range(out, p->chain, e);
        print_nat_flags(out, e->len);
        break;
    case NFX_MASQUERADE:
    case NFX_REDIRECT:
        g_string_append(out, e->op == NFX_MASQUERADE ? " -j MASQUERADE" : " -j REDIRECT");
        if (e->a) {
            g_string_append(out, " --to-ports ");
            print_nat_ports(out, e->a);
        }
        print_nat_flags(out, e->len);
        break;
    case NFX_CONTINUE:
    case NFX_COUNTER:
    case NFX_SET_UPDATE:
    case NFX_VMAP:
    case NFX_NUMGEN_VMAP:
    case NFX_NUMGEN_DNAT:
    case NFX_SADDR:
    case NFX_DADDR:
    case NFX_IIF:
    case NFX_OIF:
    case NFX_PROTO:
    case NFX_SPORT:
    case NFX_DPORT:
    case NFX_MULTIPORT:
    case NFX_TCP_FLAGS:
    case NFX_L4_MATCH:
    case NFX_ICMP_TYPE:
    case NFX_CT_STATE:
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
    case NFX_MARK:
    case NFX_CONNMARK:
    case NFX_STATISTIC_RANDOM:
    case NFX_STATISTIC_NTH:
    case NFX_ADDRTYPE:
    case NFX_SET:
    case NFX_RECENT:
    case NFX_LIMIT:
    case NFX_HASHLIMIT:
    case NFX_NFACCT:
    case NFX_COMMENT:
    case NFX_PHYSDEV:
    case NFX_PKTTYPE:
    case NFX_LENGTH:
    case NFX_TTL:
    case NFX_RPFILTER:
    case NFX_IPRANGE:
    case NFX_OWNER:
    case NFX_SOCKET:
    case NFX_UNKNOWN_MATCH:
    case NFX_LOOKUP:
    case NFX_FIB_TYPE:
    case NFX_MARK_EQ0:
        break;
    }
}

void
ipt_print_nat_range(GString *out, const NfChain *chain, const NfExpr *e)
{
    char low[IPADDR_STR_SIZE], high[IPADDR_STR_SIZE];
    bool has_addr = !ipaddr_is_any(&e->addr);
    bool brackets = has_addr && e->a && ipaddr_family(&e->addr) == FAMILY_IPV6;

    if (brackets)
        g_string_append_c(out, '[');
    if (e->c) {
        const NfAddrRange *range = nf_chain_range(chain, e->c);
        g_string_append_printf(out, "%s-%s", ipaddr_format(range->low, low), ipaddr_format(range->high, high));
    } else if (has_addr) {
        g_string_append(out, ipaddr_format(e->addr, low));
    }
    if (brackets)
        g_string_append_c(out, ']');
    if (e->a) {
        g_string_append_c(out, ':');
        print_nat_ports(out, e->a);
    }
}

static void
print_address(const IptPrinter *p, const NfExpr *e, const char *option)
{
    char addr[IPADDR_STR_SIZE];
    uint32_t bits = ipaddr_family(&e->addr) == FAMILY_IPV6 ? 128 : 32;

    /* The kernel keeps no match for "any address", so iptables-save cannot print one (nft_ipv4_add of 1.8.9). */
    if (p->form == IPT_SAVE && e->len == 0 && !e->neg)
        return;
    if (e->neg)
        TEXT_LIT(p->out, " !");
    TEXT_LIT(p->out, " ");
    text_str(p->out, option);
    TEXT_LIT(p->out, " ");
    text_str(p->out, ipaddr_format(e->addr, addr));
    /* kube-proxy writes single addresses bare; the one negated host that it writes (::1/128) is a prefix of its own. */
    if (p->form == IPT_SAVE || e->len != bits || e->neg) {
        TEXT_LIT(p->out, "/");
        text_u64(p->out, e->len);
    }
}

static void
print_reject(const IptPrinter *p, const NfExpr *e)
{
    const IptName *table = nf_ruleset_family(p->rs) == FAMILY_IPV6 ? IPT_REJECTS6 : IPT_REJECTS4;
    const char *with = ipt_name_of(table, e->a);

    g_string_append(p->out, " -j REJECT");
    if (with && (p->form == IPT_SAVE || e->a != REJECT_PORT_UNREACH))
        g_string_append_printf(p->out, " --reject-with %s", with);
}

static void
print_log(const IptPrinter *p, const NfExpr *e)
{
    if (e->len == 1) {
        g_string_append_printf(p->out, " -j %s", nf_text(p->names, e->a));
        return;
    }
    g_string_append(p->out, " -j LOG");
    if (e->a != NF_NO_ID) {
        g_string_append(p->out, " --log-prefix ");
        ipt_print_quoted(p->out, nf_text(p->names, e->a));
    }
    if (e->b != 4)
        g_string_append_printf(p->out, " --log-level %u", e->b);
    for (const IptName *flag = IPT_LOG_FLAGS; flag->name; flag++)
        if (e->c & flag->value)
            g_string_append_printf(p->out, " --log-%s", flag->name);
}

static void
print_mark(const IptPrinter *p, const NfExpr *e)
{
    if (p->form == IPT_WRITTEN && e->a == e->b)
        g_string_append_printf(p->out, " -j MARK --or-mark 0x%x", e->a);
    else if (p->form == IPT_WRITTEN && e->b == 0)
        g_string_append_printf(p->out, " -j MARK --xor-mark 0x%x", e->a);
    else
        g_string_append_printf(p->out, " -j MARK --set-xmark 0x%x/0x%x", e->a, e->b);
}

static void
print_connmark(GString *out, const NfExpr *e)
{
    if (e->len == 0)
        g_string_append_printf(out, " -j CONNMARK --set-xmark 0x%x/0x%x", e->a, e->b);
    else
        g_string_append_printf(out, " -j CONNMARK --%s-mark --nfmask 0x%x --ctmask 0x%x",
                               e->len == 1 ? "save" : "restore", e->b2, e->b);
}

static void
print_nat_flags(GString *out, uint32_t flags)
{
    if (flags & NF_NAT_RANDOM)
        g_string_append(out, " --random");
    if (flags & NF_NAT_RANDOM_FULLY)
        g_string_append(out, " --random-fully");
    if (flags & NF_NAT_PERSISTENT)
        g_string_append(out, " --persistent");
}

static void
print_nat_ports(GString *out, uint32_t ports)
{
    text_u64(out, ports >> 16);
    if (ports >> 16 != (ports & 0xffff)) {
        TEXT_LIT(out, "-");
        text_u64(out, ports & 0xffff);
    }
}
