/* Matches of iptables rules as options (extensions/libxt_*.c and libipt_*.c of iptables 1.8.9, their save functions) */

#include "sim/netfilter/ipt_print.h"

#include <math.h>

#include "sim/engine/text_out.h"
#include "sim/netfilter/ipt_names.h"

static void print_option(const IptPrinter *p, const NfExpr *e, const char *option);
static void print_ports(GString *out, uint32_t low, uint32_t high);
static void print_conntrack(const IptPrinter *p, const NfExpr *e);
static void print_addrtype(const IptPrinter *p, const NfExpr *e);
static void print_statistic(const IptPrinter *p, const NfExpr *e);
static void print_share(GString *out, uint32_t threshold);
static void print_recent(const IptPrinter *p, const NfExpr *e);
static void print_hashlimit(const IptPrinter *p, const NfExpr *e);
static void print_physdev(const IptPrinter *p, const NfExpr *e);
static void print_set(const IptPrinter *p, const NfExpr *e);
static void print_value_mask(GString *out, uint32_t value, uint32_t mask);
static void print_written_text(GString *out, const char *text);

bool
ipt_is_l4(const NfExpr *e)
{
    return e->op == NFX_SPORT || e->op == NFX_DPORT || e->op == NFX_TCP_FLAGS || e->op == NFX_L4_MATCH;
}

const char *
ipt_match_module(const IptPrinter *p, const NfExpr *e)
{
    bool v6 = nf_ruleset_family(p->rs) == FAMILY_IPV6;

    switch ((NfOp)e->op) {
    case NFX_SPORT:
    case NFX_DPORT:
        return ipt_name_of(IPT_PROTOCOLS, e->len);
    case NFX_L4_MATCH:
        return e->a == 1 ? "icmp" : e->a == 58 ? "icmp6" : ipt_name_of(IPT_PROTOCOLS, e->a);
    case NFX_TCP_FLAGS:
        return "tcp";
    case NFX_MULTIPORT:
        return "multiport";
    case NFX_ICMP_TYPE:
        return v6 ? "icmp6" : "icmp";
    case NFX_CT_STATE:
        return e->len ? "state" : "conntrack";
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
        return "conntrack";
    case NFX_MARK:
        return "mark";
    case NFX_CONNMARK:
        return "connmark";
    case NFX_STATISTIC_RANDOM:
    case NFX_STATISTIC_NTH:
        return "statistic";
    case NFX_ADDRTYPE:
        return "addrtype";
    case NFX_SET:
        return "set";
    case NFX_RECENT:
        return "recent";
    case NFX_LIMIT:
        return "limit";
    case NFX_HASHLIMIT:
        return "hashlimit";
    case NFX_NFACCT:
        return "nfacct";
    case NFX_COMMENT:
        return "comment";
    case NFX_PHYSDEV:
        return "physdev";
    case NFX_PKTTYPE:
        return "pkttype";
    case NFX_LENGTH:
        return "length";
    case NFX_TTL:
        return v6 ? "hl" : "ttl";
    case NFX_RPFILTER:
        return "rpfilter";
    case NFX_IPRANGE:
        return "iprange";
    case NFX_OWNER:
        return "owner";
    case NFX_SOCKET:
        return "socket";
    case NFX_SADDR:
    case NFX_DADDR:
    case NFX_IIF:
    case NFX_OIF:
    case NFX_PROTO:
    case NFX_UNKNOWN_MATCH:
    case NFX_LOOKUP:
    case NFX_FIB_TYPE:
    case NFX_MARK_EQ0:
    case NFX_STATEMENTS:
        break;
    }
    return NULL;
}

void
ipt_print_match(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;
    const char *module = ipt_match_module(p, e);
    char addr[2][IPADDR_STR_SIZE];

    /* 'c' of a recent match is its hit count; it never shares its -m. */
    if (module && (e->op == NFX_RECENT || !(e->c & NF_JOINED))) {
        TEXT_LIT(out, " -m ");
        text_str(out, module);
    }

    switch ((NfOp)e->op) {
    case NFX_SPORT:
        print_option(p, e, "--sport");
        print_ports(out, e->a, e->b);
        break;
    case NFX_DPORT:
        print_option(p, e, "--dport");
        print_ports(out, e->a, e->b);
        break;
    case NFX_MULTIPORT: {
        const NfPortList *ports = nf_chain_ports(p->chain, e->a);
        print_option(p, e, e->len == 0 ? "--sports" : e->len == 1 ? "--dports" : "--ports");
        for (uint32_t i = 0; i < ports->n; i++) {
            if (i)
                g_string_append_c(out, ',');
            print_ports(out, ports->v[i][0], ports->v[i][1]);
        }
        break;
    }
    case NFX_TCP_FLAGS:
        print_option(p, e, "--tcp-flags");
        ipt_print_bits(out, IPT_TCP_FLAGS, e->a, ',', "NONE");
        g_string_append_c(out, ' ');
        ipt_print_bits(out, IPT_TCP_FLAGS, e->b, ',', "NONE");
        break;
    case NFX_L4_MATCH:
        break;
    case NFX_ICMP_TYPE:
        print_option(p, e, nf_ruleset_family(p->rs) == FAMILY_IPV6 ? "--icmpv6-type" : "--icmp-type");
        if (e->a == 255 && nf_ruleset_family(p->rs) == FAMILY_IPV4)
            g_string_append(out, "any");
        else
            g_string_append_printf(out, "%u", e->a);
        if (e->b >> 8 || (e->b & 0xff) != 255)
            g_string_append_printf(out, "/%u", e->b >> 8);
        break;
    case NFX_CT_STATE:
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
        print_conntrack(p, e);
        break;
    case NFX_MARK:
    case NFX_CONNMARK:
        print_option(p, e, "--mark");
        print_value_mask(out, e->a, e->b);
        break;
    case NFX_STATISTIC_RANDOM:
    case NFX_STATISTIC_NTH:
        print_statistic(p, e);
        break;
    case NFX_ADDRTYPE:
        print_addrtype(p, e);
        break;
    case NFX_SET:
        print_set(p, e);
        break;
    case NFX_RECENT:
        print_recent(p, e);
        break;
    case NFX_LIMIT: {
        const NfLimit *limit = nf_chain_limit(p->chain, e->a);
        g_string_append(out, " --limit ");
        ipt_print_rate(out, limit);
        if (limit->burst != 5)
            g_string_append_printf(out, " --limit-burst %u", limit->burst);
        break;
    }
    case NFX_HASHLIMIT:
        print_hashlimit(p, e);
        break;
    case NFX_NFACCT:
        g_string_append(out, " --nfacct-name ");
        if (p->form == IPT_SAVE) {
            g_string_append_c(out, ' '); /* The extension prints two. */
            ipt_print_quoted(out, nf_text(p->names, e->a));
        } else {
            print_written_text(out, nf_text(p->names, e->a));
        }
        break;
    case NFX_COMMENT:
        TEXT_LIT(out, " --comment ");
        if (p->form == IPT_SAVE)
            ipt_print_quoted(out, nf_text(p->names, e->a));
        else
            print_written_text(out, nf_text(p->names, e->a));
        break;
    case NFX_PHYSDEV:
        print_physdev(p, e);
        break;
    case NFX_PKTTYPE:
        print_option(p, e, "--pkt-type");
        g_string_append(out, ipt_name_of(IPT_PACKET_TYPES, e->a));
        break;
    case NFX_LENGTH:
        print_option(p, e, "--length");
        print_ports(out, e->a, e->b);
        break;
    case NFX_TTL:
        g_string_append_printf(out, "%s --%s-%s %u", e->neg ? " !" : "", ipt_match_module(p, e),
                               e->len == 0   ? "eq"
                               : e->len == 1 ? "lt"
                                             : "gt",
                               e->a);
        break;
    case NFX_RPFILTER:
        g_string_append_printf(out, "%s%s%s%s", e->a & 1 ? " --loose" : "", e->a & 2 ? " --validmark" : "",
                               e->a & 4 ? " --accept-local" : "", e->neg ? " --invert" : "");
        break;
    case NFX_IPRANGE: {
        const NfAddrRange *range = nf_chain_range(p->chain, e->a);
        print_option(p, e, e->len ? "--dst-range" : "--src-range");
        g_string_append_printf(out, "%s-%s", ipaddr_format(range->low, addr[0]), ipaddr_format(range->high, addr[1]));
        break;
    }
    case NFX_OWNER:
        if (e->len == 2) {
            g_string_append_printf(out, "%s --socket-exists", e->neg ? " !" : "");
        } else {
            print_option(p, e, e->len ? "--gid-owner" : "--uid-owner");
            g_string_append_printf(out, "%u", e->a);
            if (e->a != e->b)
                g_string_append_printf(out, "-%u", e->b);
        }
        break;
    case NFX_SOCKET:
        g_string_append_printf(out, "%s%s%s", e->a & 1 ? " --transparent" : "", e->a & 2 ? " --nowildcard" : "",
                               e->a & 4 ? " --restore-skmark" : "");
        break;
    case NFX_UNKNOWN_MATCH:
        g_string_append_printf(out, " %s", nf_text(p->names, e->a));
        break;
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

void
ipt_print_rate(GString *out, const NfLimit *limit)
{
    const char *unit = limit->unit == 's' ? "sec" : limit->unit == 'm' ? "min" : limit->unit == 'h' ? "hour" : "day";

    g_string_append_printf(out, "%u/%s", limit->rate, unit);
}

void
ipt_print_written_probability(GString *out, const NfExpr *e)
{
    double probability = e->a / 2147483648.0;
    char text[32];

    if (e->b) {
        probability = 1.0 / e->b;
    } else if (e->a) {
        double inverse = 1.0 / round(1.0 / probability);
        g_snprintf(text, sizeof text, "%.10f", inverse);
        if ((uint32_t)lround(2147483648.0 * g_ascii_strtod(text, NULL)) == e->a)
            probability = inverse;
    }
    g_snprintf(text, sizeof text, "%.10f", probability);
    g_string_append(out, text);
}

void
ipt_print_mask(GString *out, IpFamily family, uint32_t cut)
{
    IpAddr mask = {.w = {0, 0}};
    uint32_t bits = family == FAMILY_IPV6 ? 128 : 32, keep = cut > bits ? 0 : bits - cut, first = 128 - bits;
    char text[IPADDR_STR_SIZE];

    if (family == FAMILY_IPV4)
        mask = IPADDR_ANY4;
    for (uint32_t i = first; i < first + keep; i++)
        mask.b[i / 8] |= (uint8_t)(0x80 >> i % 8);
    g_string_append(out, ipaddr_format(mask, text));
}

/* " [!] --option ". */
static void
print_option(const IptPrinter *p, const NfExpr *e, const char *option)
{
    if (e->neg)
        TEXT_LIT(p->out, " !");
    TEXT_LIT(p->out, " ");
    text_str(p->out, option);
    TEXT_LIT(p->out, " ");
}

static void
print_ports(GString *out, uint32_t low, uint32_t high)
{
    text_u64(out, low);
    if (high != low) {
        TEXT_LIT(out, ":");
        text_u64(out, high);
    }
}

static void
print_conntrack(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;
    char option[32], addr[IPADDR_STR_SIZE];
    uint32_t bits;

    switch ((int)e->op) {
    case NFX_CT_STATE:
        print_option(p, e, e->len ? "--state" : "--ctstate");
        ipt_print_bits(out, IPT_CT_STATES, e->a, ',', "");
        break;
    case NFX_CT_STATUS:
        print_option(p, e, "--ctstatus");
        ipt_print_bits(out, IPT_CT_STATUSES, e->a, ',', "NONE");
        break;
    case NFX_CT_DIR:
        print_option(p, e, "--ctdir");
        g_string_append(out, e->a ? "REPLY" : "ORIGINAL");
        break;
    case NFX_CT_ORIG:
        g_snprintf(option, sizeof option, "--ct%s", ipt_name_of(IPT_CT_SIDES, e->a));
        print_option(p, e, option);
        bits = nf_ruleset_family(p->rs) == FAMILY_IPV6 ? 128 : 32;
        g_string_append(out, ipaddr_format(e->addr, addr));
        if (e->len != bits)
            g_string_append_printf(out, "/%u", e->len);
        break;
    case NFX_CT_ORIG_PORT:
        g_snprintf(option, sizeof option, "--ct%sport", ipt_name_of(IPT_CT_SIDES, e->a));
        print_option(p, e, option);
        print_ports(out, e->b >> 16, e->b & 0xffff);
        break;
    }
}

static void
print_addrtype(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;

    if (e->a >> 16) {
        g_string_append_printf(out, "%s --src-type ", e->b & 4 ? " !" : "");
        ipt_print_bits(out, IPT_ADDR_TYPES, e->a >> 16, ',', "");
    }
    if (e->a & 0xffff) {
        g_string_append_printf(out, "%s --dst-type ", e->b & 8 ? " !" : "");
        ipt_print_bits(out, IPT_ADDR_TYPES, e->a & 0xffff, ',', "");
    }
    if (e->b & 1)
        g_string_append(out, " --limit-iface-in");
    if (e->b & 2)
        g_string_append(out, " --limit-iface-out");
}

static void
print_statistic(const IptPrinter *p, const NfExpr *e)
{
    if (e->op == NFX_STATISTIC_NTH) {
        g_string_append_printf(p->out, " --mode nth%s --every %u --packet %u", e->neg ? " !" : "", e->a, e->b);
        return;
    }
    TEXT_LIT(p->out, " --mode random");
    if (e->neg)
        TEXT_LIT(p->out, " !");
    TEXT_LIT(p->out, " --probability ");
    if (p->form == IPT_WRITTEN) {
        ipt_print_written_probability(p->out, e);
        return;
    }
    print_share(p->out, e->a);
}

/* The text of "%.11f" for threshold / 2^31: exact, so halves go to the even digit. */
static void
print_share(GString *out, uint32_t threshold)
{
    uint64_t scaled = (uint64_t)threshold * 48828125; /* 10^11 / 2^31 = 5^11 / 2^20. */
    uint64_t digits = scaled >> 20, rest = scaled & 0xfffff, half = 1 << 19;
    char text[13];

    if (rest > half || (rest == half && digits % 2))
        digits++;
    for (int i = 12; i > 1; i--, digits /= 10)
        text[i] = (char)('0' + digits % 10);
    text[0] = (char)('0' + digits);
    text[1] = '.';
    text_append(out, text, sizeof text);
}

static void
print_recent(const IptPrinter *p, const NfExpr *e)
{
    GString *out = p->out;

    /* kube-proxy names the list first and leaves the defaults out. */
    if (p->form == IPT_WRITTEN)
        g_string_append_printf(out, " --name %s", nf_text(p->names, e->a));
    if (e->neg)
        g_string_append(out, " !");
    if (e->len & NF_RECENT_SET)
        g_string_append(out, " --set");
    if (e->len & NF_RECENT_RCHECK)
        g_string_append(out, " --rcheck");
    if (e->len & NF_RECENT_UPDATE)
        g_string_append(out, " --update");
    if (e->len & NF_RECENT_REMOVE)
        g_string_append(out, " --remove");
    if (e->b)
        g_string_append_printf(out, " --seconds %u", e->b);
    if (e->len & NF_RECENT_REAP)
        g_string_append(out, " --reap");
    if (e->c)
        g_string_append_printf(out, " --hitcount %u", e->c);
    if (e->len & NF_RECENT_RTTL)
        g_string_append(out, " --rttl");
    if (p->form == IPT_WRITTEN)
        return;
    g_string_append_printf(out, " --name %s --mask ", nf_text(p->names, e->a));
    ipt_print_mask(out, nf_ruleset_family(p->rs), e->b2);
    g_string_append(out, e->len & NF_RECENT_RDEST ? " --rdest" : " --rsource");
}

static void
print_hashlimit(const IptPrinter *p, const NfExpr *e)
{
    const NfLimit *limit = nf_chain_limit(p->chain, e->a);
    uint32_t mode = limit->mode & 0x7fffffff;

    g_string_append_printf(p->out, " --hashlimit-%s ", limit->mode >> 31 ? "above" : "upto");
    ipt_print_rate(p->out, limit);
    g_string_append_printf(p->out, " --hashlimit-burst %u", limit->burst);
    if (mode) {
        g_string_append(p->out, " --hashlimit-mode ");
        ipt_print_bits(p->out, IPT_HASH_MODES, mode, ',', "");
    }
    g_string_append_printf(p->out, " --hashlimit-name %s", nf_text(p->names, limit->name));
}

static void
print_physdev(const IptPrinter *p, const NfExpr *e)
{
    static const char *const flags[] = {"", "", "--physdev-is-bridged", "--physdev-is-in", "--physdev-is-out"};

    if (e->len >= 2) {
        g_string_append_printf(p->out, "%s %s", e->neg ? " !" : "", flags[e->len]);
        return;
    }
    print_option(p, e, e->len ? "--physdev-out" : "--physdev-in");
    g_string_append_printf(p->out, "%s%s", nf_text(p->names, e->a), e->b ? "+" : "");
}

static void
print_set(const IptPrinter *p, const NfExpr *e)
{
    print_option(p, e, "--match-set");
    g_string_append_printf(p->out, "%s ", nf_set_name(p->names, e->a));
    for (uint32_t i = 0; i < e->len; i++)
        g_string_append_printf(p->out, "%s%s", i ? "," : "", (e->b >> 2 * i & 3) == 1 ? "src" : "dst");
}

static void
print_value_mask(GString *out, uint32_t value, uint32_t mask)
{
    g_string_append_printf(out, "0x%x", value);
    if (mask != UINT32_MAX)
        g_string_append_printf(out, "/0x%x", mask);
}

/* kube-proxy quotes what has a space, and nothing else. */
static void
print_written_text(GString *out, const char *text)
{
    if (strchr(text, ' '))
        g_string_append_printf(out, "\"%s\"", text);
    else
        g_string_append(out, text);
}
