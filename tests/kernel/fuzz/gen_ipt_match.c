/* Random matches of iptables rules: all that the simulator models, but nfacct (counts by objects of its own) and socket
 */

#include "tests/kernel/fuzz/gen_iptables.h"

#define PICK(g, array) ((array)[rng_below((g)->rng, G_N_ELEMENTS(array))])

static void match_ports(Gen *g);
static void match_conntrack(Gen *g);
static void match_packet(Gen *g);
static void match_memory(Gen *g);
static void match_place(Gen *g);
static void match_physdev(Gen *g);

bool
gen_in_table(const Gen *g, const char *table)
{
    return strcmp(g->chain->table, table) == 0;
}

bool
gen_at_hook(const Gen *g, NfHook hook)
{
    return g->chain->is_base && g->chain->hook == hook;
}

void
gen_put(Gen *g, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_c(g->text, ' ');
    g_string_append_vprintf(g->text, format, args);
    va_end(args);
}

const char *
gen_neg(Gen *g)
{
    return fuzz_one_in(g->rng, 4) ? "! " : "";
}

void
gen_ipt_l4(Gen *g)
{
    static const char *const types4[] = {"8",  "0",    "3",   "3/1",          "3/3",
                                         "11", "11/0", "any", "echo-request", "destination-unreachable"};
    static const char *const types6[] = {"128", "129", "1", "1/3", "1/4", "3", "3/0", "echo-request", "time-exceeded"};

    if (g->proto != 1 && g->proto != 58)
        match_ports(g);
    else if (fuzz_one_in(g->rng, 2) && g->proto == 1)
        gen_put(g, "-m icmp %s--icmp-type %s", gen_neg(g), PICK(g, types4));
    else if (fuzz_one_in(g->rng, 2) && g->proto == 58)
        gen_put(g, "-m icmp6 %s--icmpv6-type %s", gen_neg(g), PICK(g, types6));
}

static void
match_ports(Gen *g)
{
    static const char *const flags[] = {"--tcp-flags FIN,SYN,RST,ACK SYN",
                                        "--tcp-flags SYN,ACK SYN,ACK",
                                        "--tcp-flags RST RST",
                                        "--tcp-flags FIN,ACK FIN,ACK",
                                        "--tcp-flags ALL NONE",
                                        "--tcp-flags ACK ACK",
                                        "--syn"};
    const char *name = g->proto == 6 ? "tcp" : g->proto == 17 ? "udp" : "sctp";
    uint32_t port;

    g->has_ports = true;
    switch (rng_below(g->rng, 7)) {
    case 0:
        gen_put(g, "-m %s %s--dport %u", name, gen_neg(g), fuzz_port(g->rng));
        break;
    case 1:
        gen_put(g, "-m %s %s--sport %u", name, gen_neg(g), fuzz_port(g->rng));
        break;
    case 2:
        /* Short ranges: a port drawn at random must hardly ever lie in one. */
        port = fuzz_port(g->rng);
        gen_put(g, "-m %s --sport %u:%u %s--dport %u:%u", name, 11001, 11001 + rng_below(g->rng, 4), gen_neg(g), port,
                port + 28);
        break;
    case 3:
        gen_put(g, "-m multiport %s--%s %u,%u:%u,%u", gen_neg(g),
                fuzz_one_in(g->rng, 3)   ? "ports"
                : fuzz_one_in(g->rng, 2) ? "sports"
                                         : "dports",
                fuzz_port(g->rng), 11000, 11001 + rng_below(g->rng, 4), fuzz_port(g->rng));
        break;
    case 4:
        if (g->proto == 6)
            gen_put(g, "-m tcp %s%s", gen_neg(g), PICK(g, flags));
        break;
    case 5:
        gen_put(g, "-m %s", name);
        break;
    default:
        break;
    }
}

void
gen_ipt_match(Gen *g)
{
    switch (rng_below(g->rng, 5)) {
    case 0:
        match_conntrack(g);
        break;
    case 1:
    case 2:
        match_packet(g);
        break;
    case 3:
        match_memory(g);
        break;
    default:
        match_place(g);
        break;
    }
}

static void
match_conntrack(Gen *g)
{
    static const char *const states[] = {"NEW",  "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "UNTRACKED",
                                         "SNAT", "DNAT",        "NEW,RELATED",         "RELATED"};
    static const char *const statuses[] = {"SEEN_REPLY", "ASSURED", "CONFIRMED",
                                           "EXPECTED",   "NONE",    "SEEN_REPLY,ASSURED"};
    static const char *const sides[] = {"origdst", "replsrc", "origsrc", "repldst"};
    char text[IPPREFIX_STR_SIZE];
    uint32_t port;

    if (gen_in_table(g, "raw") && !fuzz_one_in(g->rng, 4)) /* It comes before the tracking. */
        return;
    switch (rng_below(g->rng, 8)) {
    case 0:
    case 1:
        gen_put(g, "-m conntrack %s--ctstate %s", gen_neg(g), PICK(g, states));
        if (fuzz_one_in(g->rng, 3))
            gen_put(g, "--ctdir %s", fuzz_one_in(g->rng, 2) ? "ORIGINAL" : "REPLY");
        break;
    case 2:
        gen_put(g, "-m state %s--state %s", gen_neg(g), states[rng_below(g->rng, 5)]);
        break;
    case 3:
        gen_put(g, "-m conntrack %s--ct%s %s", gen_neg(g), PICK(g, sides),
                ipprefix_format(fuzz_prefix(g->c->family, g->rng), text));
        break;
    case 4:
        port = fuzz_port(g->rng);
        gen_put(g, "-m conntrack %s--ct%sport %u", gen_neg(g), PICK(g, sides), port);
        if (fuzz_one_in(g->rng, 2))
            g_string_append_printf(g->text, ":%u", port + 28);
        break;
    case 5:
        gen_put(g, "-m conntrack --ctdir %s", fuzz_one_in(g->rng, 2) ? "ORIGINAL" : "REPLY");
        break;
    case 6:
        gen_put(g, "-m conntrack %s--ctstatus %s", gen_neg(g), PICK(g, statuses));
        break;
    default:
        gen_put(g, "-m connmark %s--mark 0x%x/0x%x", gen_neg(g), rng_below(g->rng, 4), 1 + rng_below(g->rng, 4));
        break;
    }
}

static void
match_packet(Gen *g)
{
    static const char *const types[] = {"unicast", "broadcast", "multicast"};
    uint32_t mask = 1u << rng_below(g->rng, 4);
    char text[IPADDR_STR_SIZE], text2[IPADDR_STR_SIZE];
    const char *sides, *set;
    bool v6 = g->c->family == FAMILY_IPV6;

    switch (rng_below(g->rng, 7)) {
    case 0:
        gen_put(g, "-m mark %s--mark 0x%x/0x%x", gen_neg(g), fuzz_one_in(g->rng, 2) ? mask : 0, mask);
        break;
    case 1:
        set = fuzz_ipset_pick(g->c->family, g->rng, &sides);
        gen_put(g, "-m set %s--match-set %s %s", gen_neg(g), set, sides);
        break;
    case 2:
        gen_put(g, "-m length %s--length %u:%u", gen_neg(g), 28 + rng_below(g->rng, 3) * 20,
                70 + rng_below(g->rng, 3) * 20);
        break;
    case 3:
        gen_put(g, "-m %s --%s-%s %u", v6 ? "hl" : "ttl", v6 ? "hl" : "ttl",
                fuzz_one_in(g->rng, 3)   ? "eq"
                : fuzz_one_in(g->rng, 2) ? "gt"
                                         : "lt",
                60 + rng_below(g->rng, 6));
        break;
    case 4:
        gen_put(g, "-m pkttype %s--pkt-type %s", gen_neg(g), PICK(g, types));
        break;
    case 5:
        gen_put(g, "-m comment --comment \"it's %u, \\\"so to say\\\"\"", rng_below(g->rng, 9));
        break;
    default:
        gen_put(g, "-m iprange %s--%s-range %s-%s", gen_neg(g), fuzz_one_in(g->rng, 2) ? "src" : "dst",
                ipaddr_format(fuzz_addr(g->c->family, ADDR_CLIENT), text2),
                ipaddr_format(fuzz_addr(g->c->family, fuzz_one_in(g->rng, 2) ? ADDR_CLIENT3 : ADDR_SERVER), text));
        break;
    }
}

/* What rules remember.  Rates are so low that nothing is refilled within a case. */
static void
match_memory(Gen *g)
{
    static const char *const recent[] = {"--set",
                                         "--rcheck",
                                         "--update --seconds 300",
                                         "--rcheck --hitcount 2",
                                         "--update --hitcount 3",
                                         "--remove",
                                         "--rcheck --seconds 300 --reap",
                                         "--rcheck --rttl"};
    static const char *const modes[] = {"srcip",   "dstip",         "srcip,dstip",
                                        "srcport", "dstip,dstport", "srcip,srcport,dstip,dstport"};
    static const char *const masks4[] = {"255.255.255.255", "255.255.255.0"};
    static const char *const masks6[] = {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::"};
    bool v6 = g->c->family == FAMILY_IPV6;

    switch (rng_below(g->rng, 7)) {
    case 0:
        gen_put(g, "-m statistic --mode nth %s--every %u --packet %u", gen_neg(g), 2 + rng_below(g->rng, 3),
                rng_below(g->rng, 2));
        break;
    case 1:
        if (fuzz_one_in(g->rng, 4))
            gen_put(g, "-m statistic --mode random %s--probability %s", gen_neg(g), fuzz_one_in(g->rng, 2) ? "0" : "1");
        break;
    case 2:
        gen_put(g, "-m limit --limit %u/day --limit-burst %u", 1 + rng_below(g->rng, 3), 1 + rng_below(g->rng, 6));
        break;
    case 3:
    case 4:
        gen_put(g, "-m recent %s%s --name R%u --mask %s --r%s", gen_neg(g), PICK(g, recent), rng_below(g->rng, 3),
                v6 ? PICK(g, masks6) : PICK(g, masks4), fuzz_one_in(g->rng, 3) ? "dest" : "source");
        break;
    default:
        gen_put(g, "-m hashlimit --hashlimit-%s %u/hour --hashlimit-burst %u",
                fuzz_one_in(g->rng, 2) ? "upto" : "above", 1 + rng_below(g->rng, 3), 1 + rng_below(g->rng, 4));
        if (!fuzz_one_in(g->rng, 6))
            gen_put(g, "--hashlimit-mode %s", PICK(g, modes));
        gen_put(g, "--hashlimit-name h%u", rng_below(g->rng, 4));
        break;
    }
}

static void
match_place(Gen *g)
{
    static const char *const types[] = {"LOCAL", "UNICAST", "UNREACHABLE", "LOCAL,UNICAST", "BROADCAST", "MULTICAST"};
    static const char *const ways[] = {"", " --loose", " --accept-local", " --loose --accept-local", " --validmark"};
    static const char *const owners[] = {"--uid-owner 0", "--uid-owner 1000", "--gid-owner 0-10", "--socket-exists"};
    bool v6 = g->c->family == FAMILY_IPV6;

    if (gen_at_hook(g, NF_PREROUTING) && !gen_in_table(g, "nat") && fuzz_one_in(g->rng, 2)) {
        gen_put(g, "-m rpfilter%s%s", PICK(g, ways), fuzz_one_in(g->rng, 3) ? " --invert" : "");
        return;
    }
    switch (rng_below(g->rng, 5)) {
    case 0:
    case 1:
        gen_put(g, "-m addrtype %s--%s-type %s", gen_neg(g), fuzz_one_in(g->rng, 3) ? "src" : "dst",
                types[rng_below(g->rng, v6 ? 4 : 6)]);
        if (fuzz_one_in(g->rng, 4) && (gen_at_hook(g, NF_PREROUTING) || gen_at_hook(g, NF_INPUT)))
            gen_put(g, "--limit-iface-in");
        else if (fuzz_one_in(g->rng, 6) && gen_at_hook(g, NF_POSTROUTING))
            gen_put(g, "--limit-iface-out");
        break;
    case 2:
    case 3:
        match_physdev(g);
        break;
    default:
        if (gen_at_hook(g, NF_OUTPUT) || gen_at_hook(g, NF_POSTROUTING))
            gen_put(g, "-m owner %s%s", gen_neg(g), PICK(g, owners));
        break;
    }
}

/* The kernel refuses questions about a port to leave by where they make no sense. */
static void
match_physdev(Gen *g)
{
    bool out = gen_at_hook(g, NF_FORWARD) || gen_at_hook(g, NF_POSTROUTING);
    const char *dev = fuzz_one_in(g->rng, 3) ? "p+" : fuzz_one_in(g->rng, 2) ? "p0" : "p1";

    switch (rng_below(g->rng, 5)) {
    case 0:
        gen_put(g, "-m physdev %s--physdev-is-bridged", gen_neg(g));
        break;
    case 1:
        gen_put(g, "-m physdev %s--physdev-is-in", gen_neg(g));
        break;
    case 2:
        if (out)
            gen_put(g, "-m physdev %s--physdev-is-out", gen_neg(g));
        break;
    case 3:
        if (out)
            gen_put(g, "-m physdev %s--physdev-out %s", gen_neg(g), dev);
        break;
    default:
        gen_put(g, "-m physdev %s--physdev-in %s", gen_neg(g), dev);
        break;
    }
}
