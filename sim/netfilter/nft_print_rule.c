/* Rules in nft's words: src/statement.c, src/expression.c, src/meta.c, src/ct.c of nftables 1.0.6; proxier.go of
 * kube-proxy 1.35 for the written style                                                                              */

#include <string.h>

#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/nf_text.h"
#include "sim/netfilter/nft_print.h"

typedef struct {
    GString *out;
    const NfRuleset *rs;
    const NfNames *names;
    const NfChain *chain;
    NftStyle style;
    const char *ip; /* "ip" or "ip6". */
} Printer;

static void print_expr(const Printer *p, const NfExpr *e);
static void print_address(const Printer *p, const NfExpr *e, const char *side);
static void print_interface(const Printer *p, const NfExpr *e);
static void print_ports(const Printer *p, const NfExpr *e, const char *side);
static void print_protocol(GString *out, uint32_t protocol);
static void print_mark_test(const Printer *p, const char *what, uint32_t value, uint32_t mask, bool neg);
static void print_set_mark(const Printer *p, const NfExpr *e);
static void print_keys(const Printer *p, uint32_t fields, uint32_t n);
static void print_lookup(const Printer *p, const NfExpr *e);
static void print_reject(const Printer *p, const NfExpr *e);
static void print_nat(const Printer *p, const NfExpr *e, const char *what);
static void print_nat_flags(GString *out, uint32_t flags);
static void print_numgen(const Printer *p, const NfExpr *e);
static const char *not_equal(const NfExpr *e);

/* In nft's order: by bit. */
static const IptName STATES[] = {
    {"invalid", NF_CT_INVALID}, {"established", NF_CT_ESTABLISHED}, {"related", NF_CT_RELATED},
    {"new", NF_CT_NEW},         {"untracked", NF_CT_UNTRACKED},     {NULL, 0},
};
static const IptName STATUSES[] = {
    {"expected", NF_STATUS_EXPECTED},
    {"seen-reply", NF_STATUS_SEEN_REPLY},
    {"assured", NF_STATUS_ASSURED},
    {"confirmed", NF_STATUS_CONFIRMED},
    {"snat", NF_STATUS_SNAT},
    {"dnat", NF_STATUS_DNAT},
    {NULL, 0},
};
static const IptName TYPES[] = {
    {"unspec", NF_TYPE_UNSPEC},       {"unicast", NF_TYPE_UNICAST},
    {"local", NF_TYPE_LOCAL},         {"broadcast", NF_TYPE_BROADCAST},
    {"anycast", NF_TYPE_ANYCAST},     {"multicast", NF_TYPE_MULTICAST},
    {"blackhole", NF_TYPE_BLACKHOLE}, {"unreachable", NF_TYPE_UNREACHABLE},
    {"prohibit", NF_TYPE_PROHIBIT},   {NULL, 0},
};
static const IptName REJECTS4[] = {
    {"net-unreachable", REJECT_NET_UNREACH},
    {"host-unreachable", REJECT_HOST_UNREACH},
    {"prot-unreachable", REJECT_PROTO_UNREACH},
    {"net-prohibited", REJECT_NET_PROHIBITED},
    {"host-prohibited", REJECT_HOST_PROHIBITED},
    {"admin-prohibited", REJECT_ADMIN_PROHIBITED},
    {NULL, 0},
};
static const IptName REJECTS6[] = {
    {"no-route", REJECT6_NO_ROUTE},
    {"admin-prohibited", REJECT6_ADM_PROHIBITED},
    {"addr-unreachable", REJECT6_ADDR_UNREACH},
    {"policy-fail", REJECT6_POLICY_FAIL},
    {"reject-route", REJECT6_REJECT_ROUTE},
    {NULL, 0},
};

void
nf_print_nft_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    nft_print_rule(out, rs, chain, index, NFT_LIST);
}

void
nft_print_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index, NftStyle style)
{
    const char *ip = nf_ruleset_family(rs) == FAMILY_IPV6 ? "ip6" : "ip";
    Printer p = {out, rs, nf_ruleset_names(rs), chain, style, ip};
    const NfRule *rule = nf_chain_rule(chain, index);
    const NfExpr *exprs = nf_chain_exprs(chain, index);
    const char *comment = NULL, *space = "";

    for (uint32_t i = 0; i < rule->n; i++) {
        if (exprs[i].op == NFX_COMMENT) {
            comment = nf_text(p.names, exprs[i].a);
        } else if (exprs[i].op != NFX_CONTINUE) {
            g_string_append(out, space);
            print_expr(&p, &exprs[i]);
            space = " ";
        }
    }
    if (comment)
        g_string_append_printf(out, "%scomment \"%s\"", space, comment);
}

static void
print_expr(const Printer *p, const NfExpr *e)
{
    GString *out = p->out;
    bool list = p->style == NFT_LIST;

    switch ((NfOp)e->op) {
    case NFX_SADDR:
        print_address(p, e, "saddr");
        break;
    case NFX_DADDR:
        print_address(p, e, "daddr");
        break;
    case NFX_IIF:
    case NFX_OIF:
        print_interface(p, e);
        break;
    case NFX_PROTO:
        g_string_append_printf(out, "meta l4proto %s", not_equal(e));
        print_protocol(out, e->a);
        break;
    case NFX_SPORT:
        print_ports(p, e, "sport");
        break;
    case NFX_DPORT:
        print_ports(p, e, "dport");
        break;
    case NFX_CT_STATE:
        g_string_append_printf(out, "ct state %s", e->neg ? "! " : ""); /* None of them. */
        ipt_print_bits(out, STATES, e->a, ',', "0x0");
        break;
    case NFX_CT_STATUS:
        g_string_append_printf(out, "ct status %s", e->neg ? "! " : "");
        ipt_print_bits(out, STATUSES, e->a, ',', "0x0");
        break;
    case NFX_CT_DIR:
        g_string_append_printf(out, "ct direction %s%s", not_equal(e), e->a ? "reply" : "original");
        break;
    case NFX_MARK:
        print_mark_test(p, list ? "meta mark" : "mark", e->a, e->b, e->neg);
        break;
    case NFX_CONNMARK:
        print_mark_test(p, "ct mark", e->a, e->b, e->neg);
        break;
    case NFX_MARK_EQ0:
        print_mark_test(p, list ? "meta mark" : "mark", 0, e->a, e->neg);
        break;
    case NFX_LOOKUP:
        print_lookup(p, e);
        break;
    case NFX_FIB_TYPE:
        g_string_append_printf(out, "fib %s type %s%s", e->len ? "daddr" : "saddr", not_equal(e),
                               ipt_name_of(TYPES, e->a));
        break;
    case NFX_SET_MARK:
        print_set_mark(p, e);
        break;
    case NFX_SET_UPDATE:
        g_string_append_printf(out, "update @%s { ", nf_set_name(p->names, e->a));
        print_keys(p, e->b, e->len);
        g_string_append(out, " }");
        break;
    case NFX_COUNTER:
        g_string_append(out, list ? "counter packets 0 bytes 0" : "counter");
        break;
    case NFX_LOG:
        g_string_append(out, "log");
        if (e->len == 0 && e->a != NF_NO_ID)
            g_string_append_printf(out, " prefix \"%s\"", nf_text(p->names, e->a));
        break;
    case NFX_TCPMSS:
        if (e->a)
            g_string_append_printf(out, "tcp option maxseg size set %u", e->a);
        else
            g_string_append(out, "tcp option maxseg size set rt mtu");
        break;
    case NFX_CT_ZONE:
        g_string_append_printf(out, "ct %szone set %u", e->len == 0 ? "" : e->len == 1 ? "original " : "reply ", e->a);
        break;
    case NFX_NOTRACK:
        g_string_append(out, "notrack");
        break;
    case NFX_ACCEPT:
        g_string_append(out, "accept");
        break;
    case NFX_DROP:
        g_string_append(out, "drop");
        break;
    case NFX_RETURN:
        g_string_append(out, "return");
        break;
    case NFX_REJECT:
        print_reject(p, e);
        break;
    case NFX_JUMP:
        g_string_append_printf(out, "jump %s", nf_chain_name(p->names, e->a));
        break;
    case NFX_GOTO:
        g_string_append_printf(out, "goto %s", nf_chain_name(p->names, e->a));
        break;
    case NFX_DNAT:
        print_nat(p, e, "dnat");
        break;
    case NFX_SNAT:
        print_nat(p, e, "snat");
        break;
    case NFX_MASQUERADE:
        print_nat(p, e, "masquerade");
        break;
    case NFX_REDIRECT:
        print_nat(p, e, "redirect");
        break;
    case NFX_VMAP:
        print_keys(p, e->b, e->len);
        g_string_append_printf(out, " vmap @%s", nf_set_name(p->names, e->a));
        break;
    case NFX_NUMGEN_VMAP:
    case NFX_NUMGEN_DNAT:
        print_numgen(p, e);
        break;
    /* Comments and what has no target are the caller's; the rest is iptables', which no nft rule holds. */
    case NFX_COMMENT:
    case NFX_CONTINUE:
    case NFX_MULTIPORT:
    case NFX_TCP_FLAGS:
    case NFX_L4_MATCH:
    case NFX_ICMP_TYPE:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
    case NFX_STATISTIC_RANDOM:
    case NFX_STATISTIC_NTH:
    case NFX_ADDRTYPE:
    case NFX_SET:
    case NFX_RECENT:
    case NFX_LIMIT:
    case NFX_HASHLIMIT:
    case NFX_NFACCT:
    case NFX_PHYSDEV:
    case NFX_PKTTYPE:
    case NFX_LENGTH:
    case NFX_TTL:
    case NFX_RPFILTER:
    case NFX_IPRANGE:
    case NFX_OWNER:
    case NFX_SOCKET:
    case NFX_UNKNOWN_MATCH:
    case NFX_SET_CONNMARK:
    case NFX_UNKNOWN_TARGET:
        g_string_append(out, "# no nft form");
        break;
    }
}

static void
print_address(const Printer *p, const NfExpr *e, const char *side)
{
    char text[IPADDR_STR_SIZE];
    uint32_t bits = ipaddr_family(&e->addr) == FAMILY_IPV6 ? 128 : 32;

    g_string_append_printf(p->out, "%s %s %s%s", p->ip, side, not_equal(e), ipaddr_format(e->addr, text));
    if (e->len != bits)
        g_string_append_printf(p->out, "/%u", e->len);
}

/* By name, as kube-proxy does since v1.35 and the last patch releases before it: an "iif" is an index, of an interface
 * that must be there, and no prefix. */
static void
print_interface(const Printer *p, const NfExpr *e)
{
    const char *quote = p->style == NFT_LIST ? "\"" : "";

    g_string_append_printf(p->out, "%s %s%s%s%s%s", e->op == NFX_IIF ? "iifname" : "oifname", not_equal(e), quote,
                           nf_text(p->names, e->a), e->len ? "*" : "", quote);
}

static void
print_ports(const Printer *p, const NfExpr *e, const char *side)
{
    if (e->len)
        print_protocol(p->out, e->len);
    else
        g_string_append(p->out, "th");
    g_string_append_printf(p->out, " %s %s%u", side, not_equal(e), e->a);
    if (e->a != e->b)
        g_string_append_printf(p->out, "-%u", e->b);
}

static void
print_protocol(GString *out, uint32_t protocol)
{
    const char *name = ipt_name_of(IPT_PROTOCOLS, protocol);

    if (name)
        g_string_append(out, name);
    else
        g_string_append_printf(out, "%u", protocol);
}

static void
print_mark_test(const Printer *p, const char *what, uint32_t value, uint32_t mask, bool neg)
{
    if (p->style == NFT_WRITTEN)
        g_string_append_printf(p->out, "%s and 0x%x %s %u", what, mask, neg ? "!=" : "==", value);
    else if (mask == UINT32_MAX)
        g_string_append_printf(p->out, "%s %s0x%08x", what, neg ? "!= " : "", value);
    else
        g_string_append_printf(p->out, "%s & 0x%08x %s 0x%08x", what, mask, neg ? "!=" : "==", value);
}

/* mark = (mark & ~b) ^ a. */
static void
print_set_mark(const Printer *p, const NfExpr *e)
{
    const char *mark = p->style == NFT_LIST ? "meta mark" : "mark";
    bool list = p->style == NFT_LIST;

    g_string_append_printf(p->out, "%s set ", mark);
    if (e->b == UINT32_MAX)
        g_string_append_printf(p->out, list ? "0x%08x" : "0x%x", e->a);
    else if (e->a == e->b)
        g_string_append_printf(p->out, list ? "meta mark | 0x%08x" : "mark or 0x%x", e->a);
    else if (e->b == 0)
        g_string_append_printf(p->out, list ? "meta mark ^ 0x%08x" : "mark xor 0x%x", e->a);
    else if (e->a == 0)
        g_string_append_printf(p->out, list ? "meta mark & 0x%08x" : "mark and 0x%x", ~e->b);
    else
        g_string_append_printf(p->out, list ? "meta mark & 0x%08x ^ 0x%08x" : "mark and 0x%x xor 0x%x", ~e->b, e->a);
}

static void
print_keys(const Printer *p, uint32_t fields, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        g_string_append(p->out, i ? " . " : "");
        switch ((NfKeyField)(fields >> 4 * i & 15)) {
        case NF_KEY_NONE:
            break;
        case NF_KEY_SADDR:
            g_string_append_printf(p->out, "%s saddr", p->ip);
            break;
        case NF_KEY_DADDR:
            g_string_append_printf(p->out, "%s daddr", p->ip);
            break;
        case NF_KEY_PROTO:
            g_string_append(p->out, "meta l4proto");
            break;
        case NF_KEY_SPORT:
            g_string_append(p->out, "th sport");
            break;
        case NF_KEY_DPORT:
            g_string_append(p->out, "th dport");
            break;
        case NF_KEY_IIF:
            g_string_append(p->out, "iifname");
            break;
        case NF_KEY_OIF:
            g_string_append(p->out, "oifname");
            break;
        case NF_KEY_MARK:
            g_string_append(p->out, p->style == NFT_LIST ? "meta mark" : "mark");
            break;
        }
    }
}

static void
print_lookup(const Printer *p, const NfExpr *e)
{
    const NfSet *set = nf_ruleset_set(p->rs, e->a);

    print_keys(p, e->b, e->len);
    g_string_append_printf(p->out, " %s", not_equal(e));
    if (set && nf_set_spec(set)->anonymous)
        nft_print_anonymous(p->out, p->rs, set, e->neg, p->style);
    else
        g_string_append_printf(p->out, "@%s", nf_set_name(p->names, e->a));
}

static void
print_reject(const Printer *p, const NfExpr *e)
{
    bool v6 = nf_ruleset_family(p->rs) == FAMILY_IPV6;
    const char *with = ipt_name_of(v6 ? REJECTS6 : REJECTS4, e->a);

    g_string_append(p->out, "reject");
    if (e->a == REJECT_TCP_RESET)
        g_string_append(p->out, " with tcp reset");
    else if (with)
        g_string_append_printf(p->out, " with %s %s%s", v6 ? "icmpv6" : "icmp", p->style == NFT_LIST ? "" : "type ",
                               with);
}

static void
print_nat(const Printer *p, const NfExpr *e, const char *what)
{
    bool has_addr = (e->op == NFX_DNAT || e->op == NFX_SNAT) && !ipaddr_is_any(&e->addr);
    bool brackets = has_addr && e->a && ipaddr_family(&e->addr) == FAMILY_IPV6;
    char low[IPADDR_STR_SIZE], high[IPADDR_STR_SIZE];

    g_string_append(p->out, what);
    if (has_addr || e->a)
        g_string_append_printf(p->out, " to %s", brackets ? "[" : "");
    if (has_addr && e->c) {
        const NfAddrRange *range = nf_chain_range(p->chain, e->c);
        g_string_append_printf(p->out, "%s%s%s", ipaddr_format(range->low, low), brackets ? "]-[" : "-",
                               ipaddr_format(range->high, high));
    } else if (has_addr) {
        g_string_append(p->out, ipaddr_format(e->addr, low));
    }
    if (e->a) {
        g_string_append_printf(p->out, "%s:%u", brackets ? "]" : "", e->a >> 16);
        if (e->a >> 16 != (e->a & 0xffff))
            g_string_append_printf(p->out, "-%u", e->a & 0xffff);
    }
    print_nat_flags(p->out, e->len);
}

static void
print_nat_flags(GString *out, uint32_t flags)
{
    static const IptName names[] = {
        {"random", NF_NAT_RANDOM}, {"fully-random", NF_NAT_RANDOM_FULLY}, {"persistent", NF_NAT_PERSISTENT}, {NULL, 0}};

    if (!flags)
        return;
    g_string_append_c(out, ' ');
    ipt_print_bits(out, names, flags, ',', "");
}

static void
print_numgen(const Printer *p, const NfExpr *e)
{
    const NfChoice *choices = nf_chain_choices(p->chain, e->a);
    const char *separator = p->style == NFT_LIST ? ", " : " , ";
    char addr[IPADDR_STR_SIZE];

    if (e->op == NFX_NUMGEN_DNAT)
        g_string_append_printf(p->out, "dnat %s %sto ", p->ip, p->style == NFT_LIST ? "" : "addr . port ");
    g_string_append_printf(p->out, "numgen random mod %u %smap { ", e->b, e->op == NFX_NUMGEN_VMAP ? "v" : "");
    for (uint32_t i = 0; i < e->b; i++) {
        g_string_append_printf(p->out, "%s%u : ", i ? separator : "", i);
        if (e->op == NFX_NUMGEN_VMAP)
            g_string_append_printf(p->out, "goto %s", nf_chain_name(p->names, choices[i].chain));
        else
            g_string_append_printf(p->out, "%s . %u", ipaddr_format(choices[i].addr, addr), choices[i].port);
    }
    g_string_append(p->out, " }");
}

static const char *
not_equal(const NfExpr *e)
{
    return e->neg ? "!= " : "";
}
