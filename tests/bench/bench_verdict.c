/* Nanoseconds of CPU per verdict: kube-proxy's iptables rules for 10,000 Services of 10 endpoints
 *
 * PREROUTING jumps to KUBE-SERVICES, which has a rule per Service, in pieces as the compiler makes them (all of them
 * made, as by packets to all Services); its chain chooses among ten endpoint chains.  The
 * endpoint's rule accepts instead of translating, so that conntrack stays out of the figures.  Per case: the first and
 * the last Service, with the index and linearly, hot (one Service) and over random Services.  Medians of some runs. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim/netfilter/nf_stack.h"

#define N_SERVICES  10000
#define N_ENDPOINTS 10
#define N_RUNS      7
#define N_IN_PIECE  32
#define N_PIECES    ((N_SERVICES + N_IN_PIECE - 1) / N_IN_PIECE)

static uint32_t
no_addr_type(Host *host, IpAddr addr, const NetDev *dev)
{
    (void)host;
    (void)addr;
    (void)dev;
    return NF_TYPE_UNICAST;
}

static const char *
no_name(const Host *host)
{
    (void)host;
    return "node";
}

static const NfHostOps ops = {.addr_type = no_addr_type, .host_name = no_name};

static IpAddr
service_addr(uint32_t i)
{
    return ipaddr_v4_u32(0x0a600000 + i);
}

static NfChainBuilder *
begin(NfNames *names, const char *name)
{
    NfChainSpec spec = {.id = nf_chain_id(names, "nat", name), .comment = NF_NO_ID};

    if (strcmp(name, "PREROUTING") == 0) {
        spec.is_base = true;
        spec.hook = NF_PREROUTING;
        spec.priority = NF_PRI_NAT_DST;
    }
    return nf_chain_builder_new(names, &spec);
}

static void
add(NfChainBuilder *b, const NfExpr *exprs, size_t n)
{
    nf_rule_begin(b, 0);
    for (size_t i = 0; i < n; i++)
        nf_rule_expr(b, exprs[i]);
    nf_rule_end(b);
}
#define ADD(b, ...) add((b), (NfExpr[]){__VA_ARGS__}, sizeof((NfExpr[]){__VA_ARGS__}) / sizeof(NfExpr))

/* The rule of KUBE-SERVICES. */
static void
add_service(NfNames *names, NfChainBuilder *services, uint32_t i)
{
    char svc[32];
    IpPrefix vip = {service_addr(i), 32};

    g_snprintf(svc, sizeof svc, "KUBE-SVC-%u", i);
    ADD(services, nfx_daddr(vip, false), nfx_proto(6), nfx_comment(names, svc), nfx_u32(NFX_L4_MATCH, 6, 0, 0, false),
        nfx_dport(6, 80, 80), nfx_jump(nf_chain_id(names, "nat", svc)));
}

/* Its own chains. */
static void
put_service(NfRuleset *rs, uint32_t i)
{
    NfNames *names = nf_ruleset_names(rs);
    char svc[32], sep[32];
    NfChainBuilder *b;
    IpPrefix vip = {service_addr(i), 32};

    g_snprintf(svc, sizeof svc, "KUBE-SVC-%u", i);
    b = begin(names, svc);
    ADD(b, nfx_saddr((IpPrefix){ipaddr_v4(10, 244, 0, 0), 16}, true), nfx_daddr(vip, false), nfx_proto(6),
        nfx_dport(6, 80, 80), nfx_u32(NFX_SET_MARK, 0x4000, 0x4000, 0, false));
    for (uint32_t e = 0; e < N_ENDPOINTS; e++) {
        NfChainBuilder *endpoint;

        g_snprintf(sep, sizeof sep, "KUBE-SEP-%u-%u", i, e);
        ADD(b, nfx_comment(names, svc), nfx_u32(NFX_STATISTIC_RANDOM, (1u << 31) / (N_ENDPOINTS - e), 0, 0, false),
            nfx_jump(nf_chain_id(names, "nat", sep)));
        endpoint = begin(names, sep);
        ADD(endpoint, nfx_saddr((IpPrefix){ipaddr_v4(10, 244, (uint8_t)(i >> 8), (uint8_t)i), 32}, false),
            nfx_u32(NFX_SET_MARK, 0x4000, 0x4000, 0, false));
        ADD(endpoint, nfx_proto(6), nfx_u32(NFX_ACCEPT, 0, 0, 0, false));
        nf_ruleset_put_chain(rs, nf_chain_seal(endpoint));
    }
    nf_ruleset_put_chain(rs, nf_chain_seal(b));
}

static double
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int
double_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
measure(const char *name, NfStack *nf, Packet *pkt, uint32_t first, uint32_t n_services, uint32_t n_packets)
{
    double runs[N_RUNS];

    for (int r = 0; r < N_RUNS; r++) {
        double start = cpu_ns();
        uint32_t at = 1;

        for (uint32_t i = 0; i < n_packets; i++) {
            at = at * 1664525 + 1013904223;
            pkt->dst = service_addr(first + (uint32_t)((uint64_t)at * n_services >> 32));
            pkt->flow = i;
            nf_stack_hook(nf, NF_PREROUTING, pkt);
        }
        runs[r] = (cpu_ns() - start) / n_packets;
    }
    qsort(runs, N_RUNS, sizeof *runs, double_cmp);
    printf("%-28s %10.1f ns  [%.1f..%.1f]\n", name, runs[N_RUNS / 2], runs[0], runs[N_RUNS - 1]);
}

/* Takes the pieces. */
static NfChain *
services_chain(NfNames *names, NfPiece *const *pieces)
{
    NfChainSpec spec = {.id = nf_chain_id(names, "nat", "KUBE-SERVICES"), .comment = NF_NO_ID};
    NfKeyIndex *index = nf_key_index_new(pieces, 1, N_PIECES);
    NfChain *chain = nf_chain_of_pieces(names, &spec, pieces, N_PIECES, index);

    nf_key_index_unref(index);
    for (uint32_t i = 0; i < N_PIECES; i++)
        nf_piece_unref(pieces[i]);
    return chain;
}

int
main(void)
{
    Sim *sim = sim_new(1);
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4), *over;
    NfStack *nf = nf_stack_new(sim, NULL, &ops);
    double start = cpu_ns();
    NfPiece *pieces[N_PIECES];
    NfChainBuilder *b;
    Packet *pkt;

    for (uint32_t p = 0; p < N_PIECES; p++) {
        b = begin(names, "KUBE-SERVICES");
        for (uint32_t i = p * N_IN_PIECE; i < (p + 1) * N_IN_PIECE && i < N_SERVICES; i++)
            add_service(names, b, i);
        pieces[p] = nf_piece_new_made(nf_chain_seal_piece(b));
    }
    nf_ruleset_put_chain(rs, services_chain(names, pieces));
    for (uint32_t i = 0; i < N_SERVICES; i++)
        put_service(rs, i);
    b = begin(names, "PREROUTING");
    ADD(b, nfx_jump(nf_chain_id(names, "nat", "KUBE-SERVICES")));
    nf_ruleset_put_chain(rs, nf_chain_seal(b));
    printf("%-28s %10.1f ms\n", "build", (cpu_ns() - start) / 1e6);
    start = cpu_ns();
    if (!nf_ruleset_seal(rs, NULL))
        return 1;
    printf("%-28s %10.1f ms\n", "seal", (cpu_ns() - start) / 1e6);
    printf("%-28s %10.1f MB\n", "memory", (double)nf_ruleset_own_bytes(rs) / 1e6);

    start = cpu_ns();
    for (int i = 0; i < 1000; i++) {
        over = nf_ruleset_derive(rs);
        b = begin(names, "KUBE-SVC-7");
        ADD(b, nfx_jump(nf_chain_id(names, "nat", "KUBE-SEP-9-9")));
        nf_ruleset_put_chain(over, nf_chain_seal(b));
        if (!nf_ruleset_seal(over, NULL))
            return 1;
        if (i == 0)
            printf("%-28s %10.1f kB\n", "memory of an overlay", (double)nf_ruleset_own_bytes(over) / 1e3);
        nf_ruleset_unref(over);
    }
    printf("%-28s %10.1f us\n", "derive, put one, seal", (cpu_ns() - start) / 1e6);

    nf_stack_set_ruleset(nf, FAMILY_IPV4, "iptables", rs);
    pkt = packet_new(sim);
    pkt->proto = IPPROTO_TCP_;
    pkt->src = ipaddr_v4(192, 0, 2, 1);
    pkt->sport = 1000;
    pkt->dport = 80;
    measure("indexed, first", nf, pkt, 0, 1, 1000000);
    measure("indexed, last", nf, pkt, N_SERVICES - 1, 1, 1000000);
    measure("indexed, random", nf, pkt, 0, N_SERVICES, 1000000);
    measure("indexed, none", nf, pkt, N_SERVICES, 1, 1000000);
    nf_stack_set_linear(nf, true);
    measure("linear, first", nf, pkt, 0, 1, 1000000);
    measure("linear, last (10,000 rules)", nf, pkt, N_SERVICES - 1, 1, 2000);
    packet_free(sim, pkt);
    nf_stack_free(nf);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
    sim_free(sim);
    return 0;
}
