#ifndef SIM_NET_FIB_TABLE_H
#define SIM_NET_FIB_TABLE_H

/* One table of routes: a sorted array with its prefix lengths, and a hash index where it is large
 *
 * Of fib.c, which puts a host's own table and a shared one together.  A change marks the table dirty; the next look-up
 * sorts it and makes the index.  Routes that were handed out live until then. */

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"
#include "sim/net/fib.h"

#define FIB_INDEX_ABOVE 16 /* Routes; below, a linear scan of the sorted array is faster. */

/* Routes of one prefix length, a run of the sorted array. */
typedef struct {
    uint8_t family, len;
    bool local;
    uint32_t start, end;
} FibGroup;

typedef struct {
    VEC(Route) routes; /* Sorted unless dirty: local table first, then IPv4, longest first, address, metric. */
    VEC(FibGroup) groups;
    HTable index; /* Prefix to position of the first route; only if there are many.  Of a dirty table no position
                     holds, and prefixes may stand there that are gone. */
    uint64_t changes;
    bool dirty, indexed;
} FibTable;

/* 'replace': in place of one of equal prefix, type and metric; else beside it (ECMP). */
void fib_table_add(FibTable *table, const Route *route, bool replace);
bool fib_table_remove(FibTable *table, const IpPrefix *prefix, const NetDev *dev, bool any_dev);
void fib_table_clear(FibTable *table);
/* Longest match among the local routes (types local and broadcast) or the others; the first of equal ones. */
const Route *fib_table_lookup(FibTable *table, const IpAddr *dst, IpFamily family, bool local);
/* Are there others equal to 'route', the first of them? */
bool fib_table_has_equals(const FibTable *table, const Route *route);
/* One of the routes equal to 'route', by the flow. */
const Route *fib_table_choose(const FibTable *table, const Route *route, const Packet *flow, uint64_t seed);
/* Sorts and indexes, if dirty. */
void fib_table_prepare(FibTable *table);
void fib_table_changed(FibTable *table, bool changed);

static inline bool
route_is_local_table(const Route *route)
{
    return route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;
}

#endif
