/* Random iptables rules, as text after "-A CHAIN "
 *
 * Only what both sides take: targets stand in chains that are reached from the hooks that the kernel allows them in. */

#include "tests/kernel/fuzz/fuzz.h"

/* Numbers of families of chains that call each other. */
enum { ANY_HOOK, NAT_DST, NAT_SRC };

typedef struct {
    FuzzCase *c;
    Rng *rng;
    GString *text;
    const FuzzChain *chain;
    uint32_t index;
    uint8_t proto; /* That the rule asks for, or 0. */
} Gen;

static void add_table(FuzzCase *c, Rng *rng, const char *table);
static void make_rule(FuzzCase *c, Rng *rng, uint32_t chain);
static void add_header(Gen *g);
static void add_l4(Gen *g);
static void add_match(Gen *g);
static void add_target(Gen *g);
static void add_nat(Gen *g);
static void put(Gen *g, const char *format, ...) G_GNUC_PRINTF(2, 3);
static const char *neg(Gen *g);

static bool
is_table(const Gen *g, const char *table)
{
    return strcmp(g->chain->table, table) == 0;
}

void
fuzz_make_iptables(FuzzCase *c, Rng *rng)
{
    if (fuzz_one_in(rng, 3))
        add_table(c, rng, "raw");
    if (fuzz_one_in(rng, 2))
        add_table(c, rng, "mangle");
    if (!fuzz_one_in(rng, 4))
        add_table(c, rng, "nat");
    add_table(c, rng, "filter");
    for (uint32_t i = 0; i < c->n_chains; i++)
        for (uint32_t n = rng_below(rng, 6); n > 0; n--)
            make_rule(c, rng, i);
}

static void
add_table(FuzzCase *c, Rng *rng, const char *table)
{
    bool nat = strcmp(table, "nat") == 0, raw = strcmp(table, "raw") == 0, filter = strcmp(table, "filter") == 0;

    for (NfHook hook = NF_PREROUTING; hook < NF_N_HOOKS; hook++) {
        FuzzChain *chain;
        if ((nat && hook == NF_FORWARD) || (raw && hook != NF_PREROUTING && hook != NF_OUTPUT) ||
            (filter && (hook == NF_PREROUTING || hook == NF_POSTROUTING)))
            continue;
        chain = fuzz_add_chain(c, table, nf_hook_name(hook, true),
                               !nat                                         ? ANY_HOOK
                               : hook == NF_PREROUTING || hook == NF_OUTPUT ? NAT_DST
                                                                            : NAT_SRC);
        chain->is_base = true;
        chain->hook = hook;
        if (filter && fuzz_one_in(rng, 8))
            chain->policy = NF_DROP;
    }
    if (nat) {
        for (int i = 0; i < 3; i++) {
            const char *const dst[] = {"D0", "D1", "D2"}, *const src[] = {"S0", "S1", "S2"};
            fuzz_add_chain(c, table, dst[i], NAT_DST);
            fuzz_add_chain(c, table, src[i], NAT_SRC);
        }
    } else {
        for (uint32_t i = 0, n = 1 + rng_below(rng, 4); i < n; i++) {
            const char *const names[] = {"U0", "U1", "U2", "U3"};
            fuzz_add_chain(c, table, names[i], ANY_HOOK);
        }
    }
}

static void
make_rule(FuzzCase *c, Rng *rng, uint32_t chain)
{
    Gen g = {c, rng, g_string_new(NULL), &c->chains[chain], chain, 0};
    FuzzRule rule = {.chain = (uint8_t)chain};

    if (!fuzz_one_in(rng, 4))
        add_header(&g);
    if (g.proto)
        add_l4(&g);
    for (uint32_t n = rng_below(rng, 3); n > 0; n--)
        add_match(&g);
    add_target(&g);
    rule.text = g_strstrip(g_string_free(g.text, FALSE));
    g_array_append_val(c->rules, rule);
}

static void
put(Gen *g, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_c(g->text, ' ');
    g_string_append_vprintf(g->text, format, args);
    va_end(args);
}

static const char *
neg(Gen *g)
{
    return fuzz_one_in(g->rng, 4) ? "! " : "";
}

static void
add_header(Gen *g)
{
    static const char *const devs[] = {"c0", "s0", "t0", "lo", "c+", "s+", "+"};
    bool v6 = g->c->family == FAMILY_IPV6, base = g->chain->is_base;
    char text[IPPREFIX_STR_SIZE];

    if (fuzz_one_in(g->rng, 3))
        put(g, "%s-s %s", neg(g), ipprefix_format(fuzz_prefix(g->c->family, g->rng), text));
    if (fuzz_one_in(g->rng, 3))
        put(g, "%s-d %s", neg(g), ipprefix_format(fuzz_prefix(g->c->family, g->rng), text));
    if (fuzz_one_in(g->rng, 5) && (!base || (g->chain->hook != NF_OUTPUT && g->chain->hook != NF_POSTROUTING))) {
        uint32_t dev = rng_below(g->rng, 7);
        put(g, "%s-i %s", dev == 6 ? "" : neg(g), devs[dev]);
    }
    if (fuzz_one_in(g->rng, 5) && (!base || (g->chain->hook != NF_PREROUTING && g->chain->hook != NF_INPUT))) {
        uint32_t dev = rng_below(g->rng, 7);
        put(g, "%s-o %s", dev == 6 ? "" : neg(g), devs[dev]);
    }
    switch (rng_below(g->rng, 6)) {
    case 0:
    case 1:
        g->proto = 6;
        break;
    case 2:
        g->proto = 17;
        break;
    case 3:
        g->proto = v6 ? 58 : 1;
        break;
    case 4:
        put(g, "! -p %s", fuzz_one_in(g->rng, 2) ? "tcp" : "udp");
        return;
    default:
        return;
    }
    put(g, "-p %s", g->proto == 6 ? "tcp" : g->proto == 17 ? "udp" : v6 ? "ipv6-icmp" : "icmp");
}

static void
add_l4(Gen *g)
{
    static const char *const types4[] = {"8", "0", "3", "3/1", "3/3", "11", "11/0"};
    static const char *const types6[] = {"128", "129", "1", "1/3", "1/4", "3", "3/0"};
    static const char *const flags[] = {"FIN,SYN,RST,ACK SYN",          "SYN,ACK SYN,ACK", "RST RST", "FIN,ACK FIN,ACK",
                                        "FIN,SYN,RST,PSH,ACK,URG NONE", "ACK ACK"};
    const char *name = g->proto == 6 ? "tcp" : "udp";

    if (g->proto == 1 || g->proto == 58) {
        if (fuzz_one_in(g->rng, 2))
            put(g, g->proto == 1 ? "-m icmp %s--icmp-type %s" : "-m icmp6 %s--icmpv6-type %s", neg(g),
                g->proto == 1 ? types4[rng_below(g->rng, 7)] : types6[rng_below(g->rng, 7)]);
        return;
    }
    switch (rng_below(g->rng, 6)) {
    case 0:
        put(g, "-m %s %s--dport %u", name, neg(g), fuzz_port(g->rng));
        break;
    case 1:
        put(g, "-m %s %s--sport %u", name, neg(g), fuzz_port(g->rng));
        break;
    case 2:
        put(g, "-m %s --sport %u:%u %s--dport 1:%u", name, 11001, 11001 + rng_below(g->rng, 4), neg(g),
            fuzz_port(g->rng));
        break;
    case 3:
        put(g, "-m multiport %s--%s %u,%u:%u,%u", neg(g),
            fuzz_one_in(g->rng, 3)   ? "ports"
            : fuzz_one_in(g->rng, 2) ? "sports"
                                     : "dports",
            fuzz_port(g->rng), 11000, 11001 + rng_below(g->rng, 4), fuzz_port(g->rng));
        break;
    case 4:
        if (g->proto == 6)
            put(g, "-m tcp %s--tcp-flags %s", neg(g), flags[rng_below(g->rng, 6)]);
        break;
    default:
        break;
    }
}

static void
add_match(Gen *g)
{
    static const char *const states[] = {"NEW",  "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "UNTRACKED",
                                         "SNAT", "DNAT",        "NEW,RELATED",         "RELATED"};
    static const char *const types[] = {"LOCAL", "UNICAST", "UNREACHABLE", "LOCAL,UNICAST", "BROADCAST", "MULTICAST"};
    static const char *const statuses[] = {"SEEN_REPLY", "ASSURED", "CONFIRMED", "EXPECTED", "NONE"};
    static const char *const recent[] = {"--set",
                                         "--rcheck",
                                         "--update --seconds 300",
                                         "--rcheck --hitcount 2",
                                         "--update --hitcount 3",
                                         "--remove",
                                         "--rcheck --seconds 300 --reap",
                                         "--rcheck --rttl"};
    uint32_t mask = 1u << rng_below(g->rng, 4);
    char text[IPPREFIX_STR_SIZE], text2[IPADDR_STR_SIZE];
    const char *sides, *set;
    bool raw = is_table(g, "raw"), v6 = g->c->family == FAMILY_IPV6;

    switch (rng_below(g->rng, 16)) {
    case 0:
        put(g, "-m mark %s--mark 0x%x/0x%x", neg(g), fuzz_one_in(g->rng, 2) ? mask : 0, mask);
        break;
    case 1:
        if (!raw)
            put(g, "-m connmark %s--mark 0x%x/0x%x", neg(g), fuzz_one_in(g->rng, 2) ? mask : 0, mask);
        break;
    case 2:
    case 3:
        if (!raw || fuzz_one_in(g->rng, 4))
            put(g, "-m conntrack %s--ctstate %s", neg(g), states[rng_below(g->rng, 9)]);
        break;
    case 4:
        put(g, "-m statistic --mode nth %s--every %u --packet %u", neg(g), 2 + rng_below(g->rng, 3),
            rng_below(g->rng, 2));
        break;
    case 5:
        if (fuzz_one_in(g->rng, 4))
            put(g, "-m statistic --mode random %s--probability %s", neg(g), fuzz_one_in(g->rng, 2) ? "0" : "1");
        break;
    case 6:
        set = fuzz_ipset_pick(g->c->family, g->rng, &sides);
        put(g, "-m set %s--match-set %s %s", neg(g), set, sides);
        break;
    case 7:
        put(g, "-m addrtype %s--%s-type %s", neg(g), fuzz_one_in(g->rng, 3) ? "src" : "dst",
            types[rng_below(g->rng, v6 ? 4 : 6)]);
        if (fuzz_one_in(g->rng, 4) && g->chain->is_base &&
            (g->chain->hook == NF_PREROUTING || g->chain->hook == NF_INPUT))
            put(g, "--limit-iface-in");
        break;
    case 8:
        put(g, "-m limit --limit %u/day --limit-burst %u", 1 + rng_below(g->rng, 3), 1 + rng_below(g->rng, 6));
        break;
    case 9:
        put(g, "-m recent %s%s --name R%u --mask %s --r%s", neg(g), recent[rng_below(g->rng, 8)], rng_below(g->rng, 2),
            v6 ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "255.255.255.255",
            fuzz_one_in(g->rng, 3) ? "dest" : "source");
        break;
    case 10:
        if (!raw)
            put(g, "-m conntrack %s--ct%s %s", neg(g),
                fuzz_one_in(g->rng, 2)   ? "origdst"
                : fuzz_one_in(g->rng, 2) ? "replsrc"
                : fuzz_one_in(g->rng, 2) ? "origsrc"
                                         : "repldst",
                ipprefix_format(fuzz_prefix(g->c->family, g->rng), text));
        break;
    case 11:
        if (!raw)
            put(g, "-m conntrack --ctdir %s", fuzz_one_in(g->rng, 2) ? "ORIGINAL" : "REPLY");
        break;
    case 12:
        if (!raw)
            put(g, "-m conntrack %s--ctstatus %s", neg(g), statuses[rng_below(g->rng, 5)]);
        break;
    case 13:
        put(g, "-m length %s--length %u:%u", neg(g), 28 + rng_below(g->rng, 3) * 20, 70 + rng_below(g->rng, 3) * 20);
        break;
    case 14:
        if (v6)
            put(g, "-m hl --hl-%s %u", fuzz_one_in(g->rng, 2) ? "gt" : "lt", 60 + rng_below(g->rng, 6));
        else
            put(g, "-m ttl --ttl-%s %u", fuzz_one_in(g->rng, 2) ? "gt" : "lt", 60 + rng_below(g->rng, 6));
        break;
    default:
        put(g, "-m iprange %s--%s-range %s-%s", neg(g), fuzz_one_in(g->rng, 2) ? "src" : "dst",
            ipaddr_format(fuzz_addr(g->c->family, ADDR_CLIENT), text2),
            ipaddr_format(fuzz_addr(g->c->family, fuzz_one_in(g->rng, 2) ? ADDR_CLIENT3 : ADDR_SERVER), text));
        break;
    }
}

static void
add_target(Gen *g)
{
    static const char *const rejects4[] = {"icmp-port-unreachable",  "icmp-net-unreachable", "icmp-host-unreachable",
                                           "icmp-proto-unreachable", "icmp-net-prohibited",  "icmp-host-prohibited",
                                           "icmp-admin-prohibited"};
    static const char *const rejects6[] = {"icmp6-port-unreachable", "icmp6-no-route",    "icmp6-adm-prohibited",
                                           "icmp6-addr-unreachable", "icmp6-policy-fail", "icmp6-reject-route"};
    bool v6 = g->c->family == FAMILY_IPV6;
    const FuzzChain *callee = fuzz_callee(g->c, g->index, g->rng);
    uint32_t mask = 1u << rng_below(g->rng, 4);

    if (is_table(g, "nat") && fuzz_one_in(g->rng, 3)) {
        add_nat(g);
        return;
    }
    switch (rng_below(g->rng, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        if (callee)
            put(g, "-j %s", callee->name);
        break;
    case 5:
    case 6:
        if (callee)
            put(g, "-g %s", callee->name);
        break;
    case 7:
        put(g, "-j RETURN");
        break;
    case 8:
        put(g, "-j ACCEPT");
        break;
    case 9:
        if (!is_table(g, "nat") && fuzz_one_in(g->rng, 2))
            put(g, "-j DROP");
        break;
    case 10:
    case 11:
        if (is_table(g, "filter")) {
            if (g->proto == 6 && fuzz_one_in(g->rng, 2))
                put(g, "-j REJECT --reject-with tcp-reset");
            else
                put(g, "-j REJECT --reject-with %s",
                    v6 ? rejects6[rng_below(g->rng, 6)] : rejects4[rng_below(g->rng, 7)]);
        } else if (is_table(g, "raw")) {
            if (fuzz_one_in(g->rng, 2))
                put(g, "-j CT --notrack");
            else if (fuzz_one_in(g->rng, 3))
                put(g, "-j CT --zone %u", 1 + rng_below(g->rng, 2));
        }
        break;
    case 12:
    case 13:
        put(g, "-j MARK --set-xmark 0x%x/0x%x", fuzz_one_in(g->rng, 4) ? 0 : mask, fuzz_one_in(g->rng, 3) ? 0xf : mask);
        break;
    case 14:
        if (is_table(g, "raw"))
            break;
        if (fuzz_one_in(g->rng, 3))
            put(g, "-j CONNMARK --set-xmark 0x%x/0x%x", mask, mask);
        else
            put(g, "-j CONNMARK --%s-mark --nfmask 0x%x --ctmask 0x%x", fuzz_one_in(g->rng, 2) ? "save" : "restore",
                fuzz_one_in(g->rng, 2) ? UINT32_MAX : 0x7, fuzz_one_in(g->rng, 2) ? UINT32_MAX : 0x3);
        break;
    default:
        break;
    }
}

static void
add_nat(Gen *g)
{
    bool v6 = g->c->family == FAMILY_IPV6, ports = g->proto == 6 || g->proto == 17, dst = g->chain->family == NAT_DST;
    FuzzAddr to = dst ? ADDR_SERVER + rng_below(g->rng, 4) : ADDR_CLIENT2 + rng_below(g->rng, 7);
    char addr[IPADDR_STR_SIZE];
    const char *flags = fuzz_one_in(g->rng, 6) ? " --random" : "";
    bool with_port = ports && fuzz_one_in(g->rng, 2);

    if (dst && fuzz_one_in(g->rng, 4)) {
        put(g, "-j REDIRECT");
        if (with_port)
            put(g, "--to-ports %u", fuzz_port(g->rng));
        return;
    }
    if (!dst && g->chain->is_base && g->chain->hook == NF_POSTROUTING && fuzz_one_in(g->rng, 2)) {
        put(g, "-j MASQUERADE");
        if (with_port && fuzz_one_in(g->rng, 2))
            put(g, "--to-ports %u-%u", 20000, 20100);
        else if (fuzz_one_in(g->rng, 3))
            put(g, "--random-fully");
        return;
    }
    if (dst && fuzz_one_in(g->rng, 8))
        to = ADDR_LOOPBACK;
    ipaddr_format(fuzz_addr(g->c->family, to), addr);
    put(g, dst ? "-j DNAT --to-destination" : "-j SNAT --to-source");
    if (!with_port)
        put(g, "%s", addr);
    else if (dst || fuzz_one_in(g->rng, 2))
        put(g, v6 ? "[%s]:%u" : "%s:%u", addr, fuzz_port(g->rng));
    else
        put(g, v6 ? "[%s]:%u-%u" : "%s:%u-%u", addr, 20000, 20100);
    if (*flags && !dst)
        put(g, "%s", flags + 1);
}
