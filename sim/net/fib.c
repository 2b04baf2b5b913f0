#include "sim/net/fib.h"

#include <glib.h>
#include <stdlib.h>

#include "sim/engine/prefetch.h"
#include "sim/engine/rng.h"
#include "sim/net/fib_table.h"
#include "sim/net/netdev.h"

/* The answer about one address; routes live until their table changes. */
typedef struct {
    IpAddr dst;
    const Route *route; /* Of the local table, else of the main one, else NULL. */
    uint32_t changes;   /* Of both tables, when it was asked: the low half of changes_of(). */
    bool is_local;      /* 'route' is of the local table. */
    bool is_shared;     /* 'route' is of the base. */
    bool has_equals;    /* There are next hops to choose from. */
} CacheSlot;
_Static_assert(sizeof(CacheSlot) == 32, "the two slots of a set are a cache line");

struct FibBase {
    uint32_t refs;
    FibTable table;
};

struct Fib {
    FibTable *table;
    FibBase *base;
    CacheSlot *cache; /* 1 << cache_bits slots in sets of two, by hash of the address; NULL until the first look-up. */
    uint64_t seed;
    uint8_t cache_bits, cache_grown;
    uint32_t n_evicted; /* Answers that gave way to others though they were good, since the cache was made. */
    void (*before)(void *user, IpAddr dst); /* NULL: nobody wants to know. */
    void *before_user;
};

/* Few routes: a host at the edge, which talks to few others.  Else as many slots as routes of its own, within limits.
 */
#define CACHE_BITS_FEW  3
#define CACHE_BITS_MANY 7
#define CACHE_BITS_MAX  15
/* A cache that has lost as many good answers as it has slots gets twice the slots, so many times. */
#define CACHE_GROWTHS 2

static const Route *lookup_main(const Fib *fib, const IpAddr *dst, IpFamily family, const FibTable **ret_table);
static const CacheSlot *ask_tables(Fib *fib, const IpAddr *dst);

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
    fib_table_clear(&base->table);
    g_free(base);
}

void
fib_base_add(FibBase *base, const Route *route)
{
    fib_table_add(&base->table, route, true);
}

void
fib_base_remove(FibBase *base, const IpPrefix *prefix)
{
    fib_table_remove(&base->table, prefix, NULL, true);
}

Fib *
fib_new(uint64_t seed)
{
    Fib *fib = g_new0(Fib, 1);
    fib->seed = seed;
    fib->table = g_new0(FibTable, 1);
    return fib;
}

void
fib_free(Fib *fib)
{
    if (!fib)
        return;
    fib_table_clear(fib->table);
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
    fib_table_add(fib->table, route, true);
}

void
fib_add_nexthop(Fib *fib, const Route *route)
{
    fib_table_add(fib->table, route, false);
}

bool
fib_remove(Fib *fib, const IpPrefix *prefix, const NetDev *dev)
{
    return fib_table_remove(fib->table, prefix, dev, dev == NULL);
}

void
fib_remove_dev(Fib *fib, const NetDev *dev)
{
    FibTable *table = fib->table;
    size_t kept = 0;

    for (size_t i = 0; i < table->routes.len; i++)
        if (table->routes.data[i].dev != dev)
            table->routes.data[kept++] = table->routes.data[i];
    fib_table_changed(table, kept != table->routes.len);
    table->routes.len = kept;
}

static inline uint32_t
changes_of(const Fib *fib)
{
    return (uint32_t)(fib->table->changes + (fib->base ? fib->base->table.changes : 0) + 1);
}

/* The first slot of the set in which an address stands. */
static inline CacheSlot *
cache_set(const Fib *fib, const IpAddr *dst)
{
    /* The last bytes of an address are the highest of its words, and so are the hash's. */
    uint64_t hash = (dst->w[0] ^ dst->w[1]) * UINT64_C(0x9e3779b97f4a7c15);

    return &fib->cache[hash >> (64 - fib->cache_bits) & ~UINT64_C(1)];
}

static inline bool
slot_answers(const CacheSlot *slot, const IpAddr *dst, uint32_t changes)
{
    return ipaddr_eq(slot->dst, *dst) && slot->changes == changes;
}

/* The slot of the cache that knows the answer, or NULL. */
static inline const CacheSlot *
ask_cache(const Fib *fib, const IpAddr *dst)
{
    uint32_t changes = changes_of(fib);
    const CacheSlot *set;

    if (__builtin_expect(!fib->cache, 0))
        return NULL;
    set = cache_set(fib, dst);
    if (slot_answers(&set[0], dst, changes))
        return &set[0];
    return slot_answers(&set[1], dst, changes) ? &set[1] : NULL;
}

static inline const CacheSlot *
ask(const Fib *fib, const IpAddr *dst)
{
    const CacheSlot *slot = ask_cache(fib, dst);

    return slot ? slot : ask_tables((Fib *)fib, dst);
}

const Route *
fib_lookup(const Fib *fib, IpAddr dst)
{
    return ask(fib, &dst)->route;
}

const Route *
fib_lookup_flow(const Fib *fib, IpAddr dst, const Packet *flow)
{
    const CacheSlot *answer = ask(fib, &dst);

    if (__builtin_expect(answer->has_equals && flow, 0))
        return fib_table_choose(answer->is_shared ? &fib->base->table : fib->table, answer->route, flow, fib->seed);
    return answer->route;
}

const Route *
fib_lookup_local(const Fib *fib, IpAddr dst)
{
    const CacheSlot *answer = ask(fib, &dst);

    return answer->is_local ? answer->route : NULL;
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
    const CacheSlot *answer = ask(fib, &addr);

    return answer->is_local && answer->route->type == ROUTE_LOCAL && (!dev || answer->route->dev == dev);
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
        cache_prefetch(cache_set(fib, dst), 2 * sizeof(CacheSlot));
    cache_prefetch(fib->table, sizeof *fib->table);
}

const Route *
fib_peek(const Fib *fib, const IpAddr *dst)
{
    const CacheSlot *slot = ask_cache(fib, dst);

    return slot ? slot->route : NULL;
}

size_t
fib_bytes(const Fib *fib)
{
    const FibTable *table = fib->table;
    return sizeof *fib + (fib->cache ? sizeof(CacheSlot) << fib->cache_bits : 0) + sizeof *table +
           table->routes.cap * sizeof(Route) + table->groups.cap * sizeof(FibGroup) + htable_bytes(&table->index);
}

void
fib_each(const Fib *fib, void (*each)(const Route *route, void *user), void *user)
{
    fib_table_prepare(fib->table);
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
    fib_table_prepare(&fib->base->table);
    for (size_t i = 0; i < fib->base->table.routes.len; i++)
        if (!is_hidden(fib, &fib->base->table.routes.data[i]))
            each(&fib->base->table.routes.data[i], user);
}

static void
cache_fit(Fib *fib)
{
    size_t n = fib->table->routes.len;
    uint32_t bits = fib->base || n > FIB_INDEX_ABOVE ? CACHE_BITS_MANY : CACHE_BITS_FEW;

    while (bits >= CACHE_BITS_MANY && bits < CACHE_BITS_MAX && (size_t)1 << bits < n)
        bits++;
    if (fib->cache && fib->n_evicted >> fib->cache_bits > 0 && fib->cache_grown < CACHE_GROWTHS)
        fib->cache_grown++;
    bits = MIN(bits + fib->cache_grown, CACHE_BITS_MAX);

    if (fib->cache && fib->cache_bits == bits)
        return;
    g_free(fib->cache);
    fib->cache = g_new0(CacheSlot, (size_t)1 << bits);
    fib->cache_bits = (uint8_t)bits;
    fib->n_evicted = 0;
}

/* Asks the tables and keeps the answer. */
static const CacheSlot *
ask_tables(Fib *fib, const IpAddr *dst)
{
    IpFamily family = ipaddr_family(dst);
    const FibTable *of = fib->table;
    CacheSlot *set;

    if (fib->before)
        fib->before(fib->before_user, *dst);
    cache_fit(fib);
    set = cache_set(fib, dst);
    /* The older of the two gives way, unless the other is of no use any more. */
    if (set[0].changes == changes_of(fib)) {
        fib->n_evicted += set[1].changes == set[0].changes;
        set[1] = set[0];
    }
    set[0] = (CacheSlot){.dst = *dst, .route = fib_table_lookup(fib->table, dst, family, true)};
    set[0].is_local = set[0].route != NULL;
    /* What the main table says of an own address is never asked. */
    if (!set[0].is_local)
        set[0].route = lookup_main(fib, dst, family, &of);
    set[0].is_shared = of != fib->table;
    set[0].has_equals = set[0].route && !set[0].is_local && fib_table_has_equals(of, set[0].route);
    set[0].changes = changes_of(fib);
    return set;
}

/* The longest match of the own table and the base; the own one on equal length.  Sets 'ret_table' if it is the base's.
 */
static const Route *
lookup_main(const Fib *fib, const IpAddr *dst, IpFamily family, const FibTable **ret_table)
{
    const Route *own = fib_table_lookup(fib->table, dst, family, false);
    const Route *shared = fib->base ? fib_table_lookup(&fib->base->table, dst, family, false) : NULL;

    if (shared && (!own || shared->prefix.len > own->prefix.len)) {
        *ret_table = &fib->base->table;
        return shared;
    }
    return own;
}
