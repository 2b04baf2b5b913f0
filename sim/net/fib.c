#include "sim/net/fib.h"

#include <glib.h>
#include <stdlib.h>

#include "sim/engine/htable.h"
#include "sim/engine/prefetch.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"
#include "sim/net/netdev.h"

#define V4_OFFSET   96 /* Bits of the mapped prefix. */
#define INDEX_ABOVE 16 /* Routes; below, a linear scan of the sorted array is faster. */

/* Routes of one prefix length, a run of the sorted array. */
typedef struct {
    uint8_t family, len;
    bool local;
    uint32_t start, end;
} Group;

typedef struct {
    IpAddr addr;
    uint8_t len, local, zero[6];
} IndexKey;
_Static_assert(sizeof(IndexKey) == 24, "no padding");

typedef struct {
    VEC(Route) routes; /* Sorted unless dirty: local table first, then IPv4, longest first, address, metric. */
    VEC(Group) groups;
    HTable index; /* IndexKey to position of the first route; only if there are many. */
    uint64_t changes;
    bool dirty, indexed;
} Table;

/* The answers of one address; routes live until their table changes. */
typedef struct {
    IpAddr dst;
    uint64_t changes;   /* Of both tables, when it was asked. */
    const Route *local; /* Of the local table, or NULL. */
    const Route *main;  /* Of 'of', or NULL. */
    const Table *of;
} CacheSlot;

struct FibBase {
    uint32_t refs;
    Table table;
};

struct Fib {
    Table *table;
    FibBase *base;
    CacheSlot *cache; /* 1 << cache_bits slots, by hash of the address; NULL until the first look-up. */
    uint32_t cache_bits;
    void (*before)(void *user, IpAddr dst); /* NULL: nobody wants to know. */
    void *before_user;
};

/* Few routes: a host at the edge, which talks to few others.  Else as many slots as routes of its own, within limits.
 */
#define CACHE_BITS_FEW  3
#define CACHE_BITS_MANY 7
#define CACHE_BITS_MAX  15

static void table_add(Table *table, const Route *route, bool replace);
static bool table_remove(Table *table, const IpPrefix *prefix, const NetDev *dev, bool any_dev);
static void table_clear(Table *table);
static const Route *table_lookup(Table *table, const IpAddr *dst, IpFamily family, bool local);
static const Route *table_choose(const Table *table, const Route *route, const Packet *flow, uint64_t seed);
static void table_prepare(Table *table);
static void table_changed(Table *table, bool changed);
static const Route *lookup_main(const Fib *fib, const IpAddr *dst, IpFamily family, const Table **ret_table);
static uint64_t changes_of(const Fib *fib);
static CacheSlot *cache_slot(const Fib *fib, const IpAddr *dst);
static const CacheSlot *ask(Fib *fib, const IpAddr *dst);
static bool route_is_local_table(const Route *route);

FibBase *
fib_base_new(void)
{
    FibBase *base = g_new0(FibBase, 1);
    base->refs = 1;
    return base;
}

FibBase *
fib_base_ref(FibBase *base)
{
    base->refs++;
    return base;
}

void
fib_base_unref(FibBase *base)
{
    if (!base || --base->refs > 0)
        return;
    table_clear(&base->table);
    g_free(base);
}

void
fib_base_add(FibBase *base, const Route *route)
{
    table_add(&base->table, route, true);
}

void
fib_base_remove(FibBase *base, const IpPrefix *prefix)
{
    table_remove(&base->table, prefix, NULL, true);
}

Fib *
fib_new(void)
{
    Fib *fib = g_new0(Fib, 1);
    fib->table = g_new0(Table, 1);
    return fib;
}

void
fib_free(Fib *fib)
{
    if (!fib)
        return;
    table_clear(fib->table);
    g_free(fib->table);
    g_free(fib->cache);
    fib_base_unref(fib->base);
    g_free(fib);
}

void
fib_set_base(Fib *fib, FibBase *base)
{
    if (base)
        fib_base_ref(base);
    fib_base_unref(fib->base);
    fib->base = base;
    g_clear_pointer(&fib->cache, g_free);
}

void
fib_set_before(Fib *fib, void (*before)(void *user, IpAddr dst), void *user)
{
    fib->before = before;
    fib->before_user = user;
}

void
fib_add(Fib *fib, const Route *route)
{
    table_add(fib->table, route, true);
}

void
fib_add_nexthop(Fib *fib, const Route *route)
{
    table_add(fib->table, route, false);
}

bool
fib_remove(Fib *fib, const IpPrefix *prefix, const NetDev *dev)
{
    return table_remove(fib->table, prefix, dev, dev == NULL);
}

void
fib_remove_dev(Fib *fib, const NetDev *dev)
{
    Table *table = fib->table;
    size_t kept = 0;

    for (size_t i = 0; i < table->routes.len; i++)
        if (table->routes.data[i].dev != dev)
            table->routes.data[kept++] = table->routes.data[i];
    table_changed(table, kept != table->routes.len);
    table->routes.len = kept;
}

const Route *
fib_lookup(const Fib *fib, IpAddr dst)
{
    return fib_lookup_flow(fib, dst, NULL, 0);
}

const Route *
fib_lookup_flow(const Fib *fib, IpAddr dst, const Packet *flow, uint64_t seed)
{
    const CacheSlot *answer = ask((Fib *)fib, &dst);

    if (answer->local)
        return answer->local;
    return answer->main && flow ? table_choose(answer->of, answer->main, flow, seed) : answer->main;
}

const Route *
fib_lookup_local(const Fib *fib, IpAddr dst)
{
    return ask((Fib *)fib, &dst)->local;
}

const Route *
fib_lookup_dev(const Fib *fib, IpAddr dst, const NetDev *dev)
{
    const Route *best = NULL;

    for (size_t i = 0; i < fib->table->routes.len; i++) {
        const Route *route = &fib->table->routes.data[i];
        if (route->type == ROUTE_UNICAST && route->dev == dev && ipprefix_contains(&route->prefix, dst) &&
            (!best || route->prefix.len > best->prefix.len))
            best = route;
    }
    return best;
}

bool
fib_is_local(const Fib *fib, IpAddr addr, const NetDev *dev)
{
    const Route *route = fib_lookup_local(fib, addr);
    return route && route->type == ROUTE_LOCAL && (!dev || route->dev == dev);
}

void
fib_prefetch(const Fib *fib)
{
    cache_prefetch(fib, sizeof *fib);
}

void
fib_prefetch_slot(const Fib *fib, const IpAddr *dst)
{
    if (fib->cache)
        cache_prefetch(cache_slot(fib, dst), sizeof(CacheSlot));
    cache_prefetch(fib->table, sizeof *fib->table);
}

const Route *
fib_peek(const Fib *fib, const IpAddr *dst)
{
    const CacheSlot *slot = fib->cache ? cache_slot(fib, dst) : NULL;

    if (!slot || slot->changes != changes_of(fib) || !ipaddr_eq(slot->dst, *dst))
        return NULL;
    return slot->local ? slot->local : slot->main;
}

size_t
fib_bytes(const Fib *fib)
{
    const Table *table = fib->table;
    return sizeof *fib + (fib->cache ? sizeof(CacheSlot) << fib->cache_bits : 0) + sizeof *table +
           table->routes.cap * sizeof(Route) + table->groups.cap * sizeof(Group) + htable_bytes(&table->index);
}

void
fib_each(const Fib *fib, void (*each)(const Route *route, void *user), void *user)
{
    table_prepare(fib->table);
    for (size_t i = 0; i < fib->table->routes.len; i++)
        each(&fib->table->routes.data[i], user);
}

static bool
is_hidden(const Fib *fib, const Route *shared)
{
    for (size_t i = 0; i < fib->table->routes.len; i++) {
        const Route *own = &fib->table->routes.data[i];
        if (!route_is_local_table(own) && own->prefix.len == shared->prefix.len &&
            ipaddr_eq(own->prefix.addr, shared->prefix.addr))
            return true;
    }
    return fib_is_local(fib, shared->via, NULL);
}

void
fib_each_base(const Fib *fib, void (*each)(const Route *route, void *user), void *user)
{
    if (!fib->base)
        return;
    table_prepare(&fib->base->table);
    for (size_t i = 0; i < fib->base->table.routes.len; i++)
        if (!is_hidden(fib, &fib->base->table.routes.data[i]))
            each(&fib->base->table.routes.data[i], user);
}

static void
table_changed(Table *table, bool changed)
{
    table->dirty = table->dirty || changed;
    table->changes += changed;
}

static void
cache_fit(Fib *fib)
{
    size_t n = fib->table->routes.len;
    uint32_t bits = fib->base || n > INDEX_ABOVE ? CACHE_BITS_MANY : CACHE_BITS_FEW;

    while (bits >= CACHE_BITS_MANY && bits < CACHE_BITS_MAX && (size_t)1 << bits < n)
        bits++;

    if (fib->cache && fib->cache_bits == bits)
        return;
    g_free(fib->cache);
    fib->cache = g_new0(CacheSlot, (size_t)1 << bits);
    fib->cache_bits = bits;
}

/* Never 0. */
static uint64_t
changes_of(const Fib *fib)
{
    return fib->table->changes + (fib->base ? fib->base->table.changes : 0) + 1;
}

static CacheSlot *
cache_slot(const Fib *fib, const IpAddr *dst)
{
    /* The last bytes of an address are the highest of its words, and so are the hash's. */
    uint64_t hash = (dst->w[0] ^ dst->w[1]) * UINT64_C(0x9e3779b97f4a7c15);

    return &fib->cache[hash >> (64 - fib->cache_bits)];
}

/* Both answers of an address, from the cache if it has them. */
static const CacheSlot *
ask(Fib *fib, const IpAddr *dst)
{
    uint64_t changes = changes_of(fib);
    CacheSlot *slot;

    if (fib->cache) {
        slot = cache_slot(fib, dst);
        if (slot->changes == changes && ipaddr_eq(slot->dst, *dst))
            return slot;
    }
    if (fib->before) {
        fib->before(fib->before_user, *dst);
        changes = changes_of(fib);
    }
    cache_fit(fib);
    slot = cache_slot(fib, dst);
    slot->dst = *dst;
    slot->changes = changes;
    slot->local = table_lookup(fib->table, dst, ipaddr_family(dst), true);
    slot->of = NULL;
    /* What the main table says of an own address is never asked. */
    slot->main = slot->local ? NULL : lookup_main(fib, dst, ipaddr_family(dst), &slot->of);
    return slot;
}

/* The longest match of the own table and the base; the own one on equal length. */
static const Route *
lookup_main(const Fib *fib, const IpAddr *dst, IpFamily family, const Table **ret_table)
{
    const Route *own = table_lookup(fib->table, dst, family, false);
    const Route *shared = fib->base ? table_lookup(&fib->base->table, dst, family, false) : NULL;

    if (shared && (!own || shared->prefix.len > own->prefix.len)) {
        *ret_table = &fib->base->table;
        return shared;
    }
    *ret_table = fib->table;
    return own;
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

static const Route *
table_lookup(Table *table, const IpAddr *dst, IpFamily family, bool local)
{
    if (table->dirty)
        table_prepare(table);
    for (size_t g = 0; g < table->groups.len; g++) {
        const Group *group = &table->groups.data[g];
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

/* One of the equal routes from 'route' on, by the hash of the 5-tuple (fib_multipath_hash_policy 1). */
static const Route *
table_choose(const Table *table, const Route *route, const Packet *flow, uint64_t seed)
{
    const Route *end = table->routes.data + table->routes.len;
    uint32_t n = 1;

    while (route + n < end && same_key(route, route + n))
        n++;
    if (n == 1)
        return route;
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

static void
table_add(Table *table, const Route *route, bool replace)
{
    Route copy = *route;
    copy.prefix = ipprefix_network(route->prefix);

    if (replace) {
        for (size_t i = 0; i < table->routes.len; i++) {
            /* Local routes of one address may stand on several interfaces. */
            if (!same_key(&table->routes.data[i], &copy) ||
                (route_is_local_table(&copy) && table->routes.data[i].dev != copy.dev))
                continue;
            table->routes.data[i] = copy;
            return;
        }
    }
    if (table->routes.len == table->routes.cap && table->routes.cap < INDEX_ABOVE) {
        /* Pods have few routes and are many: grow in small steps. */
        table->routes.cap += 2;
        table->routes.data = g_renew(Route, table->routes.data, table->routes.cap);
    }
    vec_push(&table->routes, copy);
    table_changed(table, true);
}

static bool
table_remove(Table *table, const IpPrefix *prefix, const NetDev *dev, bool any_dev)
{
    IpPrefix network = ipprefix_network(*prefix);
    size_t kept = 0, n = table->routes.len;

    for (size_t i = 0; i < n; i++) {
        const Route *route = &table->routes.data[i];
        bool gone = route->prefix.len == network.len && ipaddr_eq(route->prefix.addr, network.addr) &&
                    (any_dev || route->dev == dev);
        if (!gone)
            table->routes.data[kept++] = *route;
    }
    table->routes.len = kept;
    table_changed(table, kept != n);
    return kept != n;
}

static void
table_clear(Table *table)
{
    vec_clear(&table->routes);
    vec_clear(&table->groups);
    htable_clear(&table->index);
}

static bool
route_is_local_table(const Route *route)
{
    return route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;
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
static void
table_prepare(Table *table)
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
        Group *last = table->groups.len ? vec_last(&table->groups) : NULL;
        if (!last || last->family != family || last->len != route->prefix.len || last->local != local) {
            vec_push(&table->groups,
                     (Group){.family = family, .len = route->prefix.len, .local = local, .start = (uint32_t)i});
            last = vec_last(&table->groups);
        }
        last->end = (uint32_t)i + 1;
    }

    htable_clear(&table->index);
    table->indexed = n > INDEX_ABOVE;
    if (!table->indexed)
        return;
    htable_init(&table->index, sizeof(IndexKey), sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) {
        const Route *route = &table->routes.data[i];
        IndexKey key = index_key(&route->prefix.addr, ipaddr_family(&route->prefix.addr), route->prefix.len,
                                 route_is_local_table(route));
        bool is_new;
        uint32_t *at = htable_insert(&table->index, &key, &is_new);
        if (is_new)
            *at = (uint32_t)i; /* The best of its prefix comes first. */
    }
}
