#include "sim/net/fib_table.h"

#include <glib.h>
#include <stdlib.h>

#include "sim/engine/rng.h"
#include "sim/net/netdev.h"

#define SCANNED_AT_MOST 64 /* Routes that are searched one by one for one to replace. */
#define V4_OFFSET       96 /* Bits of the mapped prefix. */

typedef struct {
    IpAddr addr;
    uint8_t len, local, zero[6];
} IndexKey;
_Static_assert(sizeof(IndexKey) == 24, "no padding");

void
fib_table_changed(FibTable *table, bool changed)
{
    table->dirty = table->dirty || changed;
    table->changes += changed;
}

static inline uint64_t
word_be(const IpAddr *addr, int i)
{
    return GUINT64_FROM_BE(addr->w[i]);
}

/* Do the first 'bits' of the 16 bytes agree? */
static inline bool
bits_equal(const IpAddr *a, const IpAddr *b, uint32_t bits)
{
    uint64_t high = word_be(a, 0) ^ word_be(b, 0), low = word_be(a, 1) ^ word_be(b, 1);
    if (bits <= 64)
        return bits == 0 || high >> (64 - bits) == 0;
    return high == 0 && low >> (128 - bits) == 0;
}

static inline uint32_t
wire_bits(IpFamily family, uint32_t len)
{
    return family == FAMILY_IPV4 ? V4_OFFSET + len : len;
}

static IpAddr
masked(const IpAddr *addr, uint32_t bits)
{
    IpAddr out = *addr;
    if (bits < 128)
        out.w[1] = bits <= 64 ? 0 : GUINT64_TO_BE(word_be(addr, 1) & ~(UINT64_MAX >> (bits - 64)));
    if (bits < 64)
        out.w[0] = bits == 0 ? 0 : GUINT64_TO_BE(word_be(addr, 0) & ~(UINT64_MAX >> bits));
    return out;
}

static IndexKey
index_key(const IpAddr *addr, IpFamily family, uint32_t len, bool local)
{
    IndexKey key;
    memset(&key, 0, sizeof key);
    key.addr = masked(addr, wire_bits(family, len));
    key.len = (uint8_t)len;
    key.local = local;
    return key;
}

const Route *
fib_table_lookup(FibTable *table, const IpAddr *dst, IpFamily family, bool local)
{
    if (table->dirty)
        fib_table_prepare(table);
    for (size_t g = 0; g < table->groups.len; g++) {
        const FibGroup *group = &table->groups.data[g];
        if (group->local != local || group->family != family)
            continue;
        if (table->indexed) {
            IndexKey key = index_key(dst, family, group->len, local);
            const uint32_t *at = htable_find(&table->index, &key);
            if (at)
                return &table->routes.data[*at];
            continue;
        }
        uint32_t bits = wire_bits(family, group->len);
        for (uint32_t i = group->start; i < group->end; i++)
            if (bits_equal(dst, &table->routes.data[i].prefix.addr, bits))
                return &table->routes.data[i];
    }
    return NULL;
}

static bool
same_key(const Route *a, const Route *b)
{
    return a->prefix.len == b->prefix.len && a->metric == b->metric && a->type == b->type &&
           ipaddr_eq(a->prefix.addr, b->prefix.addr);
}

bool
fib_table_has_equals(const FibTable *table, const Route *route)
{
    return route + 1 < table->routes.data + table->routes.len && same_key(route, route + 1);
}

/* One of the equal routes from 'route' on, by the hash of the 5-tuple (fib_multipath_hash_policy 1). */
const Route *
fib_table_choose(const FibTable *table, const Route *route, const Packet *flow, uint64_t seed)
{
    const Route *end = table->routes.data + table->routes.len;
    uint32_t n = 1;

    while (route + n < end && same_key(route, route + n))
        n++;
    struct {
        IpAddr src, dst;
        uint16_t sport, dport;
        uint32_t proto;
    } key = {flow->src, flow->dst, 0, 0, flow->proto};
    if (packet_has_ports(flow)) {
        key.sport = flow->sport;
        key.dport = flow->dport;
    }
    return route + rng_hash(seed, &key, sizeof key) % n;
}

static IndexKey
route_key(const Route *route)
{
    return index_key(&route->prefix.addr, ipaddr_family(&route->prefix.addr), route->prefix.len,
                     route_is_local_table(route));
}

static void
index_route(FibTable *table, size_t at)
{
    IndexKey key = route_key(&table->routes.data[at]);
    bool is_new;
    uint32_t *first = htable_insert(&table->index, &key, &is_new);

    if (is_new)
        *first = (uint32_t)at; /* The best of its prefix comes first. */
}

static void
index_all(FibTable *table)
{
    htable_clear(&table->index);
    table->indexed = table->routes.len > FIB_INDEX_ABOVE;
    if (!table->indexed)
        return;
    htable_init(&table->index, sizeof(IndexKey), sizeof(uint32_t));
    for (size_t i = 0; i < table->routes.len; i++)
        index_route(table, i);
}

/* False: no route has this prefix.  What the index holds of a dirty table is more than its prefixes, never less. */
static bool
may_have(const FibTable *table, const IpPrefix *prefix, bool local)
{
    IndexKey key = index_key(&prefix->addr, ipaddr_family(&prefix->addr), prefix->len, local);

    return !table->indexed || htable_find(&table->index, &key);
}

void
fib_table_add(FibTable *table, const Route *route, bool replace)
{
    Route copy = *route;
    copy.prefix = ipprefix_network(route->prefix);

    if (replace && may_have(table, &copy.prefix, route_is_local_table(&copy))) {
        for (size_t i = 0; i < table->routes.len; i++) {
            /* Local routes of one address may stand on several interfaces. */
            if (!same_key(&table->routes.data[i], &copy) ||
                (route_is_local_table(&copy) && table->routes.data[i].dev != copy.dev))
                continue;
            table->routes.data[i] = copy;
            return;
        }
    }
    if (table->routes.len == table->routes.cap && table->routes.cap < FIB_INDEX_ABOVE) {
        /* Pods have few routes and are many: grow in small steps. */
        table->routes.cap += 2;
        table->routes.data = g_renew(Route, table->routes.data, table->routes.cap);
    }
    vec_push(&table->routes, copy);
    if (table->indexed)
        index_route(table, table->routes.len - 1);
    else if (table->routes.len > SCANNED_AT_MOST)
        index_all(table);
    fib_table_changed(table, true);
}

bool
fib_table_remove(FibTable *table, const IpPrefix *prefix, const NetDev *dev, bool any_dev)
{
    IpPrefix network = ipprefix_network(*prefix);
    size_t kept = 0, n = table->routes.len;

    if (!may_have(table, &network, false) && !may_have(table, &network, true))
        return false;
    for (size_t i = 0; i < n; i++) {
        const Route *route = &table->routes.data[i];
        bool gone = route->prefix.len == network.len && ipaddr_eq(route->prefix.addr, network.addr) &&
                    (any_dev || route->dev == dev);
        if (!gone)
            table->routes.data[kept++] = *route;
    }
    table->routes.len = kept;
    fib_table_changed(table, kept != n);
    return kept != n;
}

void
fib_table_clear(FibTable *table)
{
    vec_clear(&table->routes);
    vec_clear(&table->groups);
    htable_clear(&table->index);
}

static int
route_order(const Route *a, const Route *b)
{
    bool local_a = route_is_local_table(a), local_b = route_is_local_table(b);
    IpFamily family_a = ipaddr_family(&a->prefix.addr), family_b = ipaddr_family(&b->prefix.addr);

    if (local_a != local_b)
        return local_a ? -1 : 1;
    if (family_a != family_b)
        return family_a < family_b ? -1 : 1;
    if (a->prefix.len != b->prefix.len)
        return a->prefix.len > b->prefix.len ? -1 : 1;
    int cmp = ipaddr_cmp(&a->prefix.addr, &b->prefix.addr);
    if (cmp != 0)
        return cmp;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (!local_a || a->dev == b->dev)
        return 0;
    /* One address on several interfaces: the first interface, whenever it got the address. */
    return netdev_index(a->dev) < netdev_index(b->dev) ? -1 : 1;
}

/* Stable merge sort: equal routes (next hops) stay in order of insertion. */
static void
sort_routes(Route *routes, Route *scratch, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    sort_routes(routes, scratch, half);
    sort_routes(routes + half, scratch, n - half);
    if (route_order(&routes[half - 1], &routes[half]) <= 0)
        return;
    memcpy(scratch, routes, half * sizeof *routes);
    while (i < half && j < n)
        routes[k++] = route_order(&scratch[i], &routes[j]) <= 0 ? scratch[i++] : routes[j++];
    memcpy(&routes[k], &scratch[i], (half - i) * sizeof *routes);
}

/* Sorts, finds the groups and, if large, builds the index. */
void
fib_table_prepare(FibTable *table)
{
    if (!table->dirty)
        return;
    size_t n = table->routes.len;
    Route *scratch = g_new(Route, n / 2 + 1);
    sort_routes(table->routes.data, scratch, n);
    g_free(scratch);
    table->dirty = false;

    table->groups.len = 0;
    for (size_t i = 0; i < n; i++) {
        const Route *route = &table->routes.data[i];
        uint8_t family = (uint8_t)ipaddr_family(&route->prefix.addr);
        bool local = route_is_local_table(route);
        FibGroup *last = table->groups.len ? vec_last(&table->groups) : NULL;
        if (!last || last->family != family || last->len != route->prefix.len || last->local != local) {
            vec_push(&table->groups,
                     (FibGroup){.family = family, .len = route->prefix.len, .local = local, .start = (uint32_t)i});
            last = vec_last(&table->groups);
        }
        last->end = (uint32_t)i + 1;
    }

    index_all(table);
}
