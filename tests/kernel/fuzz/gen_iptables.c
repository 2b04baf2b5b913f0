/* Random iptables rules, as text after "-A CHAIN "
 *
 * Only what both sides take: targets stand in chains that are reached from the hooks that the kernel allows them in. */

#include "tests/kernel/fuzz/gen_iptables.h"

static void add_table(FuzzCase *c, Rng *rng, const char *table);
static void make_rule(FuzzCase *c, Rng *rng, uint32_t chain);
static void add_header(Gen *g);
static void add_target(Gen *g);
static void add_mark(Gen *g, const char *target);
static void add_mss(Gen *g);
static void add_nat(Gen *g);

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
    Gen g = {c, rng, g_string_new(NULL), &c->chains[chain], chain, 0, false};
    FuzzRule rule = {.chain = (uint8_t)chain};

    if (!fuzz_one_in(rng, 4))
        add_header(&g);
    if (g.proto && !fuzz_one_in(rng, 5))
        gen_ipt_l4(&g);
    for (uint32_t n = rng_below(rng, 3); n > 0; n--)
        gen_ipt_match(&g);
    add_target(&g);
    rule.text = g_strstrip(g_string_free(g.text, FALSE));
    g_array_append_val(c->rules, rule);
}

static void
add_header(Gen *g)
{
    static const char *const devs[] = {"c0", "s0", "t0", "lo", "br0", "p0", "c+", "s+", "b+", "+"};
    bool v6 = g->c->family == FAMILY_IPV6, base = g->chain->is_base;
    char text[IPPREFIX_STR_SIZE];

    if (fuzz_one_in(g->rng, 3))
        gen_put(g, "%s-s %s", gen_neg(g), ipprefix_format(fuzz_prefix(g->c->family, g->rng), text));
    if (fuzz_one_in(g->rng, 3))
        gen_put(g, "%s-d %s", gen_neg(g), ipprefix_format(fuzz_prefix(g->c->family, g->rng), text));
    if (fuzz_one_in(g->rng, 5) && (!base || (g->chain->hook != NF_OUTPUT && g->chain->hook != NF_POSTROUTING))) {
        uint32_t dev = rng_below(g->rng, 10);
        gen_put(g, "%s-i %s", dev == 9 ? "" : gen_neg(g), devs[dev]);
    }
    if (fuzz_one_in(g->rng, 5) && (!base || (g->chain->hook != NF_PREROUTING && g->chain->hook != NF_INPUT))) {
        uint32_t dev = rng_below(g->rng, 10);
        gen_put(g, "%s-o %s", dev == 9 ? "" : gen_neg(g), devs[dev]);
    }
    switch (rng_below(g->rng, 7)) {
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
        g->proto = 132;
        break;
    case 5:
        gen_put(g, "! -p %s", fuzz_one_in(g->rng, 3) ? "sctp" : fuzz_one_in(g->rng, 2) ? "tcp" : "udp");
        return;
    default:
        return;
    }
    gen_put(g, "-p %s",
            g->proto == 6     ? "tcp"
            : g->proto == 17  ? "udp"
            : g->proto == 132 ? "sctp"
            : v6              ? "ipv6-icmp"
                              : "icmp");
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

    if (gen_in_table(g, "nat") && fuzz_one_in(g->rng, 3)) {
        add_nat(g);
        return;
    }
    switch (rng_below(g->rng, 18)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        if (callee)
            gen_put(g, "-j %s", callee->name);
        break;
    case 5:
    case 6:
        if (callee)
            gen_put(g, "-g %s", callee->name);
        break;
    case 7:
        gen_put(g, "-j RETURN");
        break;
    case 8:
        gen_put(g, "-j ACCEPT");
        break;
    case 9:
        if (!gen_in_table(g, "nat") && fuzz_one_in(g->rng, 2))
            gen_put(g, "-j DROP");
        break;
    case 10:
    case 11:
        if (gen_in_table(g, "filter")) {
            if (g->proto == 6 && fuzz_one_in(g->rng, 2))
                gen_put(g, "-j REJECT --reject-with tcp-reset");
            else
                gen_put(g, "-j REJECT --reject-with %s",
                        v6 ? rejects6[rng_below(g->rng, 6)] : rejects4[rng_below(g->rng, 7)]);
        } else if (gen_in_table(g, "raw")) {
            if (fuzz_one_in(g->rng, 2))
                gen_put(g, fuzz_one_in(g->rng, 3) ? "-j NOTRACK" : "-j CT --notrack");
            else if (fuzz_one_in(g->rng, 3))
                gen_put(g, "-j CT --zone%s %u",
                        fuzz_one_in(g->rng, 2)   ? ""
                        : fuzz_one_in(g->rng, 2) ? "-orig"
                                                 : "-reply",
                        1 + rng_below(g->rng, 2));
        }
        break;
    case 12:
    case 13:
        add_mark(g, "MARK");
        break;
    case 14:
        if (gen_in_table(g, "raw"))
            break;
        if (fuzz_one_in(g->rng, 3))
            add_mark(g, "CONNMARK");
        else
            gen_put(g, "-j CONNMARK --%s-mark --nfmask 0x%x --ctmask 0x%x", fuzz_one_in(g->rng, 2) ? "save" : "restore",
                    fuzz_one_in(g->rng, 2) ? UINT32_MAX : 0x7, fuzz_one_in(g->rng, 2) ? UINT32_MAX : 0x3);
        break;
    case 15:
        if (g->proto == 6 && gen_in_table(g, "mangle"))
            add_mss(g);
        break;
    case 16:
        gen_put(g, "-j LOG --log-prefix \"fuzz \" --log-level 7");
        break;
    default:
        break;
    }
}

static void
add_mark(Gen *g, const char *target)
{
    static const char *const ways[] = {"set-mark", "or-mark", "and-mark", "xor-mark"};
    uint32_t mask = 1u << rng_below(g->rng, 4);

    if (fuzz_one_in(g->rng, 2))
        gen_put(g, "-j %s --set-xmark 0x%x/0x%x", target, fuzz_one_in(g->rng, 4) ? 0 : mask,
                fuzz_one_in(g->rng, 3) ? 0xf : mask);
    else if (fuzz_one_in(g->rng, 3))
        gen_put(g, "-j %s --set-mark 0x%x/0x%x", target, mask, mask | 1);
    else
        gen_put(g, "-j %s --%s 0x%x", target, ways[rng_below(g->rng, 4)], mask | rng_below(g->rng, 4));
}

/* By the path only where the kernel knows it. */
static void
add_mss(Gen *g)
{
    if (!g->has_ports)
        gen_put(g, "-m tcp --tcp-flags SYN,RST SYN");
    if (g->chain->is_base && g->chain->hook != NF_PREROUTING && g->chain->hook != NF_INPUT && fuzz_one_in(g->rng, 2))
        gen_put(g, "-j TCPMSS --clamp-mss-to-pmtu");
    else
        gen_put(g, "-j TCPMSS --set-mss %u", 400 + rng_below(g->rng, 1100));
}

static void
add_nat(Gen *g)
{
    bool v6 = g->c->family == FAMILY_IPV6, ports = g->proto == 6 || g->proto == 17 || g->proto == 132;
    bool dst = g->chain->family == NAT_DST, with_port = ports && fuzz_one_in(g->rng, 2);
    FuzzAddr to = dst ? ADDR_SERVER + rng_below(g->rng, 6) : ADDR_CLIENT2 + rng_below(g->rng, 9);
    uint32_t first = 11001 + rng_below(g->rng, 2);
    char addr[2 * IPADDR_STR_SIZE], high[IPADDR_STR_SIZE];

    if (dst && fuzz_one_in(g->rng, 4)) {
        gen_put(g, "-j REDIRECT");
        if (with_port && fuzz_one_in(g->rng, 4))
            gen_put(g, "--to-ports %u-%u", first, first + 2);
        else if (with_port)
            gen_put(g, "--to-ports %u", fuzz_port(g->rng));
        return;
    }
    if (!dst && g->chain->is_base && g->chain->hook == NF_POSTROUTING && fuzz_one_in(g->rng, 2)) {
        gen_put(g, "-j MASQUERADE");
        if (with_port && fuzz_one_in(g->rng, 2))
            gen_put(g, "--to-ports %u-%u", 20000, 20100);
        if (fuzz_one_in(g->rng, 3))
            gen_put(g, fuzz_one_in(g->rng, 3) ? "--random" : "--random-fully");
        return;
    }
    if (dst && fuzz_one_in(g->rng, 8))
        to = ADDR_LOOPBACK;
    ipaddr_format(fuzz_addr(g->c->family, to), addr);
    /* Ranges of addresses: the kernel picks by a hash that the simulator knows. */
    if (fuzz_one_in(g->rng, 5) && to < ADDR_POD2 && to != ADDR_CLIENT2) {
        g_strlcat(addr, "-", sizeof addr);
        g_strlcat(addr, ipaddr_format(fuzz_addr(g->c->family, to + 1), high), sizeof addr);
    }
    gen_put(g, dst ? "-j DNAT --to-destination" : "-j SNAT --to-source");
    if (!with_port)
        gen_put(g, "%s", addr);
    else if (dst && fuzz_one_in(g->rng, 5))
        gen_put(g, v6 ? "[%s]:%u-%u" : "%s:%u-%u", addr, first, first + 2);
    else if (dst || fuzz_one_in(g->rng, 2))
        gen_put(g, v6 ? "[%s]:%u" : "%s:%u", addr, fuzz_port(g->rng));
    else
        gen_put(g, v6 ? "[%s]:%u-%u" : "%s:%u-%u", addr, 20000, 20100);
    if (!dst && fuzz_one_in(g->rng, 6))
        gen_put(g, fuzz_one_in(g->rng, 2) ? "--random" : "--random-fully");
    if (fuzz_one_in(g->rng, 6))
        gen_put(g, "--persistent");
}
