#include "sim/engine/rng.h"
#include "sim/net/fib.h"
#include "tests/unit/test.h"

/* A twin that scans a plain list, and the rules that the list alone does not show. */

#define N_MAX 400

typedef struct {
    Route routes[N_MAX];
    uint32_t n;
} Twin;

static bool
twin_is_local(const Route *route)
{
    return route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;
}

static const Route *
twin_scan(const Twin *twin, IpAddr dst, bool local)
{
    const Route *best = NULL;
    for (uint32_t i = 0; i < twin->n; i++) {
        const Route *route = &twin->routes[i];
        if (twin_is_local(route) != local || ipaddr_family(&route->prefix.addr) != ipaddr_family(&dst) ||
            !ipprefix_contains(&route->prefix, dst))
            continue;
        if (!best || route->prefix.len > best->prefix.len ||
            (route->prefix.len == best->prefix.len && route->metric < best->metric))
            best = route;
    }
    return best;
}

static const Route *
twin_lookup(const Twin *twin, IpAddr dst)
{
    const Route *local = twin_scan(twin, dst, true);
    return local ? local : twin_scan(twin, dst, false);
}

/* Addresses from a small space, so that prefixes nest and look-ups hit. */
static IpAddr
random_addr(Rng *rng)
{
    if (rng_below(rng, 2))
        return ipaddr_v4(10, (uint8_t)rng_below(rng, 3), (uint8_t)rng_below(rng, 4), (uint8_t)rng_below(rng, 8));
    IpAddr addr = {{0xfd}};
    addr.b[7] = (uint8_t)rng_below(rng, 4);
    addr.b[15] = (uint8_t)rng_below(rng, 8);
    return addr;
}

static Route
random_route(Rng *rng, uint32_t id)
{
    static const uint8_t len4[] = {0, 8, 16, 22, 24, 30, 32}, len6[] = {0, 8, 64, 120, 126, 128};
    Route route = {.type = rng_below(rng, 4) ? ROUTE_UNICAST : ROUTE_LOCAL};
    route.prefix.addr = random_addr(rng);
    route.prefix.len = ipaddr_is_v4(&route.prefix.addr) ? len4[rng_below(rng, 7)] : len6[rng_below(rng, 6)];
    route.prefix = ipprefix_network(route.prefix);
    route.metric = id; /* Unique: nothing is replaced, the lowest wins. */
    return route;
}

static void
check_against_twin(uint32_t n_routes, uint64_t seed)
{
    Rng rng = rng_stream(seed, "test", "fib");
    Fib *fib = fib_new(7);
    Twin *twin = g_new0(Twin, 1);

    for (uint32_t i = 0; i < n_routes; i++) {
        Route route = random_route(&rng, i);
        if (twin_is_local(&route) && rng_below(&rng, 2))
            route.prefix = ipprefix_host(route.prefix.addr);
        twin->routes[twin->n++] = route;
        fib_add(fib, &route);
        for (uint32_t k = 0; k < 20; k++) {
            IpAddr dst = random_addr(&rng);
            const Route *got = fib_lookup(fib, dst), *want = twin_lookup(twin, dst);
            if (!test_check(!got == !want, __LINE__, __FILE__, __func__, "seed %" PRIu64, seed))
                goto out;
            if (got)
                T_EQ_I64(got->metric, want->metric);
        }
    }
    /* Removal takes all routes of a prefix. */
    while (twin->n > 0) {
        IpPrefix prefix = twin->routes[rng_below(&rng, twin->n)].prefix;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < twin->n; i++)
            if (twin->routes[i].prefix.len != prefix.len || !ipaddr_eq(twin->routes[i].prefix.addr, prefix.addr))
                twin->routes[kept++] = twin->routes[i];
        twin->n = kept;
        T_TRUE(fib_remove(fib, &prefix, NULL));
        T_TRUE(!fib_remove(fib, &prefix, NULL));
        IpAddr dst = random_addr(&rng);
        const Route *got = fib_lookup(fib, dst), *want = twin_lookup(twin, dst);
        T_TRUE(!got == !want && (!got || got->metric == want->metric));
    }
out:
    g_free(twin);
    fib_free(fib);
}

static void
test_twin_small(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        check_against_twin(12, seed);
}

static void
test_twin_indexed(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        check_against_twin(N_MAX, seed);
}

/* More destinations than a host at the edge keeps answers for, each asked again and again, as both questions. */
static void
test_twin_driven_out(void)
{
    Rng rng = rng_stream(1, "test", "fib");
    Fib *fib = fib_new(7);
    Twin *twin = g_new0(Twin, 1);
    IpAddr dsts[40];

    for (uint32_t i = 0; i < 12; i++) {
        twin->routes[twin->n] = random_route(&rng, i);
        fib_add(fib, &twin->routes[twin->n++]);
    }
    for (uint32_t i = 0; i < G_N_ELEMENTS(dsts); i++)
        dsts[i] = random_addr(&rng);
    for (uint32_t k = 0; k < 4000; k++) {
        IpAddr dst = dsts[rng_below(&rng, G_N_ELEMENTS(dsts))];
        const Route *want = twin_lookup(twin, dst), *got = fib_lookup(fib, dst);
        T_TRUE(!got == !want && (!got || got->metric == want->metric));
        T_TRUE(fib_is_local(fib, dst, NULL) == (want && want->type == ROUTE_LOCAL));
    }
    g_free(twin);
    fib_free(fib);
}

static IpPrefix
prefix(const char *text)
{
    IpPrefix parsed;
    g_assert(ipprefix_parse(text, &parsed));
    return parsed;
}

static IpAddr
addr(const char *text)
{
    IpAddr parsed;
    g_assert(ipaddr_parse(text, &parsed));
    return parsed;
}

static void
test_base(void)
{
    FibBase *base = fib_base_new();
    Fib *fib = fib_new(7);

    fib_set_base(fib, base);
    fib_base_unref(base);
    fib_base_add(base, &(Route){.prefix = prefix("10.244.0.0/24"), .via = addr("192.168.49.2"), .metric = 1});
    fib_base_add(base, &(Route){.prefix = prefix("10.244.1.0/24"), .via = addr("192.168.49.3"), .metric = 2});
    fib_add(fib, &(Route){.prefix = prefix("10.244.0.0/24"), .metric = 10});
    fib_add(fib, &(Route){.prefix = prefix("10.0.0.0/8"), .metric = 11});
    fib_add(fib, &(Route){.prefix = prefix("10.244.0.1/32"), .type = ROUTE_LOCAL, .metric = 12});
    T_EQ_I64(fib_lookup(fib, addr("10.244.0.7"))->metric, 10); /* Own on equal length. */
    T_EQ_I64(fib_lookup(fib, addr("10.244.1.7"))->metric, 2);  /* The base when longer. */
    T_EQ_I64(fib_lookup(fib, addr("10.244.2.7"))->metric, 11);
    T_EQ_I64(fib_lookup(fib, addr("10.244.0.1"))->metric, 12);
    T_TRUE(fib_lookup(fib, addr("11.0.0.1")) == NULL);
    T_TRUE(fib_is_local(fib, addr("10.244.0.1"), NULL));
    T_TRUE(!fib_is_local(fib, addr("10.244.0.2"), NULL));
    IpPrefix gone = prefix("10.244.1.0/24");
    fib_base_remove(base, &gone);
    T_EQ_I64(fib_lookup(fib, addr("10.244.1.7"))->metric, 11);
    fib_free(fib);
}

static void
test_local_first(void)
{
    Fib *fib = fib_new(7);
    fib_add(fib, &(Route){.prefix = prefix("10.0.0.0/8"), .type = ROUTE_LOCAL, .metric = 1});
    fib_add(fib, &(Route){.prefix = prefix("10.1.2.3/32"), .metric = 2});
    /* A shorter match of the local table beats the longest of the main table. */
    T_EQ_I64(fib_lookup(fib, addr("10.1.2.3"))->metric, 1);
    fib_free(fib);
}

static void
test_multipath(void)
{
    Fib *fib = fib_new(7);
    uint32_t seen[3] = {0};

    for (uint8_t i = 0; i < 3; i++)
        fib_add_nexthop(fib, &(Route){.prefix = prefix("0.0.0.0/0"), .via = ipaddr_v4(192, 168, 0, i)});
    Packet flow = {.proto = IPPROTO_TCP_, .src = addr("10.0.0.1"), .dst = addr("10.9.0.1"), .dport = 80};
    for (uint32_t i = 0; i < 3000; i++) {
        flow.sport = (uint16_t)(1000 + i);
        const Route *route = fib_lookup_flow(fib, flow.dst, &flow);
        T_TRUE(fib_lookup_flow(fib, flow.dst, &flow) == route); /* One flow, one way. */
        seen[ipaddr_to_u32(route->via) & 3]++;
    }
    for (uint32_t i = 0; i < 3; i++)
        T_TRUE(seen[i] > 850 && seen[i] < 1150); /* 1000 +- 5.8 sigma. */
    T_EQ_U64(ipaddr_to_u32(fib_lookup(fib, flow.dst)->via) & 3, 0);
    fib_free(fib);
}

const TestSuite suite_fib = {"sim/fib",
                             {{"small tables look up as a linear scan", test_twin_small},
                              {"indexed tables look up as a linear scan", test_twin_indexed},
                              {"answers that drive each other out stay right", test_twin_driven_out},
                              {"the base fills in what the host's table lacks", test_base},
                              {"the local table is asked first", test_local_first},
                              {"equal routes share flows by hash", test_multipath}}};
