/* Matches in the words of iptables -L: the print functions of the extensions of iptables 1.8.9.  What is not modelled
 * stands there as it was read.                                                                                       */

#include <string.h>

#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/ipt_print.h"

static void list_ports(const IptPrinter *p, const NfExpr *e, const char *name);
static void list_tcp_flags(const IptPrinter *p, const NfExpr *e, bool numeric);
static void list_icmp(const IptPrinter *p, const NfExpr *e, bool numeric);
static void list_multiport(const IptPrinter *p, const NfExpr *e);
static void list_conntrack(const IptPrinter *p, const NfExpr *e);
static void list_addrtype(GString *out, const NfExpr *e);
static void list_recent(const IptPrinter *p, const NfExpr *e);
static void list_hashlimit(const IptPrinter *p, const NfExpr *e);
static void list_physdev(const IptPrinter *p, const NfExpr *e);
static void list_owner(GString *out, const NfExpr *e);

void
ipt_list_match(const IptPrinter *p, const NfExpr *e, bool numeric)
{
    GString *out = p->out;
    const char *inv = e->neg ? " !" : "";
    char low[IPADDR_STR_SIZE], high[IPADDR_STR_SIZE];

    switch ((NfOp)e->op) {
    case NFX_SPORT:
        list_ports(p, e, "spt");
        break;
    case NFX_DPORT:
        list_ports(p, e, "dpt");
        break;
    case NFX_TCP_FLAGS:
        list_tcp_flags(p, e, numeric);
        break;
    case NFX_L4_MATCH:
        g_string_append_printf(out, " %s", ipt_match_module(p, e));
        break;
    case NFX_MULTIPORT:
        list_multiport(p, e);
        break;
    case NFX_ICMP_TYPE:
        list_icmp(p, e, numeric);
        break;
    case NFX_CT_STATE:
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
        list_conntrack(p, e);
        break;
    case NFX_MARK:
    case NFX_CONNMARK:
        g_string_append_printf(out, " %s match%s 0x%x", e->op == NFX_MARK ? "mark" : "connmark", inv, e->a);
        if (e->b != UINT32_MAX)
            g_string_append_printf(out, "/0x%x", e->b);
        break;
    case NFX_STATISTIC_RANDOM:
        g_string_append_printf(out, " statistic mode random%s probability %.11f", inv, e->a / 2147483648.0);
        break;
    case NFX_STATISTIC_NTH:
        g_string_append_printf(out, " statistic mode nth%s every %u", inv, e->a);
        if (e->b)
            g_string_append_printf(out, " packet %u", e->b);
        break;
    case NFX_ADDRTYPE:
        list_addrtype(out, e);
        break;
    case NFX_SET:
        g_string_append_printf(out, "%s match-set %s ", inv, nf_set_name(p->names, e->a));
        for (uint32_t i = 0; i < e->len; i++)
            g_string_append_printf(out, "%s%s", i ? "," : "", (e->b >> 2 * i & 3) == 1 ? "src" : "dst");
        break;
    case NFX_RECENT:
        list_recent(p, e);
        break;
    case NFX_LIMIT: {
        const NfLimit *limit = nf_chain_limit(p->chain, e->a);
        g_string_append(out, " limit: avg ");
        ipt_print_rate(out, limit);
        g_string_append_printf(out, " burst %u", limit->burst);
        break;
    }
    case NFX_HASHLIMIT:
        list_hashlimit(p, e);
        break;
    case NFX_NFACCT:
        g_string_append_printf(out, " nfacct-name  %s", nf_text(p->names, e->a));
        break;
    case NFX_COMMENT:
        g_string_append_printf(out, " /* %s */", nf_text(p->names, e->a));
        break;
    case NFX_PHYSDEV:
        list_physdev(p, e);
        break;
    case NFX_PKTTYPE:
        g_string_append_printf(out, " PKTTYPE %s %s", e->neg ? "!=" : "=", ipt_name_of(IPT_PACKET_TYPES, e->a));
        break;
    case NFX_LENGTH:
        g_string_append_printf(out, " length %s%u", e->neg ? "!" : "", e->a);
        if (e->a != e->b)
            g_string_append_printf(out, ":%u", e->b);
        break;
    case NFX_TTL: {
        const char *what = nf_ruleset_family(p->rs) == FAMILY_IPV6 ? "HL" : "TTL";
        const char *op = e->len == 1 ? "<" : e->len == 2 ? ">" : e->neg ? "!=" : "==";
        g_string_append_printf(out, " %s match %s %s %u", what, what, op, e->a);
        break;
    }
    case NFX_RPFILTER:
        g_string_append_printf(out, " rpfilter%s%s%s%s", e->a & 1 ? " loose" : "", e->a & 2 ? " validmark" : "",
                               e->a & 4 ? " accept-local" : "", e->neg ? " invert" : "");
        break;
    case NFX_IPRANGE: {
        const NfAddrRange *range = nf_chain_range(p->chain, e->a);
        g_string_append_printf(out, " %s IP range%s %s-%s", e->len ? "destination" : "source", inv,
                               ipaddr_format(range->low, low), ipaddr_format(range->high, high));
        break;
    }
    case NFX_OWNER:
        list_owner(out, e);
        break;
    case NFX_SOCKET:
        g_string_append_printf(out, " socket%s%s%s", e->a & 1 ? " --transparent" : "", e->a & 2 ? " --nowildcard" : "",
                               e->a & 4 ? " --restore-skmark" : "");
        break;
    case NFX_UNKNOWN_MATCH: {
        const char *text = nf_text(p->names, e->a);
        if (strcmp(text, "-f") != 0 && strcmp(text, "! -f") != 0)
            g_string_append_printf(out, " %s", text);
        break;
    }
    /* Not matches, or nft's. */
    case NFX_SADDR:
    case NFX_DADDR:
    case NFX_IIF:
    case NFX_OIF:
    case NFX_PROTO:
    case NFX_LOOKUP:
    case NFX_FIB_TYPE:
    case NFX_MARK_EQ0:
    case NFX_STATEMENTS:
        break;
    }
}

/* " tcp spt:1 dpts:2:3": the protocol stands once a match. */
static void
list_ports(const IptPrinter *p, const NfExpr *e, const char *name)
{
    if (!(e->c & NF_JOINED))
        g_string_append_printf(p->out, " %s", ipt_match_module(p, e));
    g_string_append_printf(p->out, " %s%s:%s%u", name, e->a != e->b ? "s" : "", e->neg ? "!" : "", e->a);
    if (e->a != e->b)
        g_string_append_printf(p->out, ":%u", e->b);
}

static void
list_tcp_flags(const IptPrinter *p, const NfExpr *e, bool numeric)
{
    if (!(e->c & NF_JOINED))
        g_string_append(p->out, " tcp");
    g_string_append_printf(p->out, " flags:%s", e->neg ? "!" : "");
    if (numeric) {
        g_string_append_printf(p->out, "0x%02X/0x%02X", e->a, e->b);
        return;
    }
    ipt_print_bits(p->out, IPT_TCP_FLAGS, e->a, ',', "NONE");
    g_string_append_c(p->out, '/');
    ipt_print_bits(p->out, IPT_TCP_FLAGS, e->b, ',', "NONE");
}

static void
list_icmp(const IptPrinter *p, const NfExpr *e, bool numeric)
{
    bool v6 = nf_ruleset_family(p->rs) == FAMILY_IPV6;
    const char *name = ipt_name_of(v6 ? IPT_ICMP6 : IPT_ICMP4, e->a << 16 | e->b);

    g_string_append(p->out, v6 ? " ipv6-icmp" : " icmp");
    if (!numeric && name) {
        g_string_append_printf(p->out, " %s%s", e->neg ? "!" : "", name);
        return;
    }
    g_string_append_printf(p->out, "%stype %u", e->neg ? " !" : "", e->a);
    if (e->b != 255)
        g_string_append_printf(p->out, " code %u", e->b >> 8);
}

static void
list_multiport(const IptPrinter *p, const NfExpr *e)
{
    static const char *const sides[] = {"sports", "dports", "ports"};
    const NfPortList *ports = nf_chain_ports(p->chain, e->a);

    g_string_append_printf(p->out, " multiport %s %s", sides[e->len], e->neg ? " !" : "");
    for (uint32_t i = 0; i < ports->n; i++) {
        g_string_append_printf(p->out, "%s%u", i ? "," : "", ports->v[i][0]);
        if (ports->v[i][0] != ports->v[i][1])
            g_string_append_printf(p->out, ":%u", ports->v[i][1]);
    }
}

static void
list_conntrack(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;
    char addr[IPADDR_STR_SIZE];

    g_string_append(out, e->neg ? " ! " : " ");
    switch ((int)e->op) {
    case NFX_CT_STATE:
        g_string_append(out, e->len ? "state " : "ctstate ");
        ipt_print_bits(out, IPT_CT_STATES, e->a, ',', "");
        break;
    case NFX_CT_STATUS:
        g_string_append(out, "ctstatus ");
        ipt_print_bits(out, IPT_CT_STATUSES, e->a, ',', "NONE");
        break;
    case NFX_CT_DIR:
        g_string_append_printf(out, "ctdir %s", e->a ? "REPLY" : "ORIGINAL");
        break;
    case NFX_CT_ORIG:
        g_string_append_printf(out, "ct%s %s", ipt_name_of(IPT_CT_SIDES, e->a), ipaddr_format(e->addr, addr));
        if (e->len != (ipaddr_family(&e->addr) == FAMILY_IPV6 ? 128 : 32))
            g_string_append_printf(out, "/%u", e->len);
        break;
    case NFX_CT_ORIG_PORT:
        g_string_append_printf(out, "ct%sport %u", ipt_name_of(IPT_CT_SIDES, e->a), e->b >> 16);
        if (e->b >> 16 != (e->b & 0xffff))
            g_string_append_printf(out, ":%u", e->b & 0xffff);
        break;
    }
}

static void
list_addrtype(GString *out, const NfExpr *e)
{
    g_string_append(out, " ADDRTYPE match");
    if (e->a >> 16) {
        g_string_append_printf(out, " src-type %s", e->b & 4 ? "!" : "");
        ipt_print_bits(out, IPT_ADDR_TYPES, e->a >> 16, ',', "");
    }
    if (e->a & 0xffff) {
        g_string_append_printf(out, " dst-type %s", e->b & 8 ? "!" : "");
        ipt_print_bits(out, IPT_ADDR_TYPES, e->a & 0xffff, ',', "");
    }
    if (e->b & 1)
        g_string_append(out, " limit-in");
    if (e->b & 2)
        g_string_append(out, " limit-out");
}

static void
list_recent(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;

    g_string_append_printf(out, "%s recent:%s%s%s%s", e->neg ? " !" : "", e->len & NF_RECENT_SET ? " SET" : "",
                           e->len & NF_RECENT_RCHECK ? " CHECK" : "", e->len & NF_RECENT_UPDATE ? " UPDATE" : "",
                           e->len & NF_RECENT_REMOVE ? " REMOVE" : "");
    if (e->b)
        g_string_append_printf(out, " seconds: %u", e->b);
    if (e->len & NF_RECENT_REAP)
        g_string_append(out, " reap");
    if (e->c)
        g_string_append_printf(out, " hit_count: %u", e->c);
    if (e->len & NF_RECENT_RTTL)
        g_string_append(out, " TTL-Match");
    g_string_append_printf(out, " name: %s side: %s mask: ", nf_text(p->names, e->a),
                           e->len & NF_RECENT_RDEST ? "dest" : "source");
    ipt_print_mask(out, nf_ruleset_family(p->rs), e->b2);
}

static void
list_hashlimit(const IptPrinter *p, const NfExpr *e)
{
    const NfLimit *limit = nf_chain_limit(p->chain, e->a);

    g_string_append(p->out, limit->mode >> 31 ? " limit: above " : " limit: up to ");
    ipt_print_rate(p->out, limit);
    g_string_append_printf(p->out, " burst %u", limit->burst);
    if (limit->mode & 0x7fffffff) {
        g_string_append(p->out, " mode ");
        ipt_print_bits(p->out, IPT_HASH_MODES, limit->mode & 0x7fffffff, '-', "");
    }
}

static void
list_physdev(const IptPrinter *p, const NfExpr *e)
{
    static const char *const options[] = {"in", "out", "is-bridged", "is-in", "is-out"};

    if (!(e->c & NF_JOINED))
        g_string_append(p->out, " PHYSDEV match");
    g_string_append_printf(p->out, "%s --physdev-%s", e->neg ? " !" : "", options[e->len]);
    if (e->len < 2)
        g_string_append_printf(p->out, " %s%s", nf_text(p->names, e->a), e->b ? "+" : "");
}

static void
list_owner(GString *out, const NfExpr *e)
{
    static const char *const kinds[] = {"UID match", "GID match", "socket exists"};

    g_string_append_printf(out, "%s owner %s", e->neg ? " !" : "", kinds[e->len]);
    if (e->len == 2)
        return;
    g_string_append_printf(out, " %u", e->a);
    if (e->a != e->b)
        g_string_append_printf(out, "-%u", e->b);
}
