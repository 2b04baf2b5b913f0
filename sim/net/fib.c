#include "sim/net/fib.h"

#include <glib.h>
#include <stdlib.h>

#include "sim/engine/prefetch.h"
#include "sim/engine/rng.h"
#include "sim/net/fib_table.h"
#include "sim/net/netdev.h"

/* The answers of one address; routes live until their table changes. */
typedef struct {
    IpAddr dst;
    uint64_t changes;   /* Of both tables, when it was asked. */
    const Route *local; /* Of the local table, or NULL. */
    const Route *main;  /* Of 'of', or NULL. */
    const FibTable *of;
} CacheSlot;

struct FibBase {
    uint32_t refs;
    FibTable table;
};

struct Fib {
    FibTable *table;
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

static const Route *lookup_main(const Fib *fib, const IpAddr *dst, IpFamily family, const FibTable **ret_table);
static uint64_t changes_of(const Fib *fib);
static CacheSlot *cache_slot(const Fib *fib, const IpAddr *dst);
static const CacheSlot *ask(Fib *fib, const IpAddr *dst);

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
fib_new(void)
{
    Fib *fib = g_new0(Fib, 1);
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
    return answer->main && flow ? fib_table_choose(answer->of, answer->main, flow, seed) : answer->main;
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
    slot->local = fib_table_lookup(fib->table, dst, ipaddr_family(dst), true);
    slot->of = NULL;
    /* What the main table says of an own address is never asked. */
    slot->main = slot->local ? NULL : lookup_main(fib, dst, ipaddr_family(dst), &slot->of);
    return slot;
}

/* The longest match of the own table and the base; the own one on equal length. */
static const Route *
lookup_main(const Fib *fib, const IpAddr *dst, IpFamily family, const FibTable **ret_table)
{
    const Route *own = fib_table_lookup(fib->table, dst, family, false);
    const Route *shared = fib->base ? fib_table_lookup(&fib->base->table, dst, family, false) : NULL;

    if (shared && (!own || shared->prefix.len > own->prefix.len)) {
        *ret_table = &fib->base->table;
        return shared;
    }
    *ret_table = fib->table;
    return own;
}
