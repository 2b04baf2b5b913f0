#ifndef SIM_NET_FIB_H
#define SIM_NET_FIB_H

/* Routes: longest prefix match, local table first; a shared base with a per-host overlay
 *
 * The base (e.g. every node's pod CIDR -> node address) is one object for all hosts; a host's own table holds what
 * differs: its addresses (local), connected prefixes, its own pods.  The longest match of both wins; on equal length
 * the host's own. As in the kernel, the local table (types local and broadcast) is asked before everything else.
 * Equal-cost next hops are chosen by flow hash (fib_multipath_hash_policy 1), as a Chance-free stable function.
 *
 * Tables are sorted arrays; big ones get a hash index per prefix length, made at the first look-up after a change.  A
 * small cache of answers by address stands before both tables. */

#include "sim/packet/addr.h"
#include "sim/packet/packet.h"

typedef enum {
    ROUTE_UNICAST,
    ROUTE_LOCAL,
    ROUTE_BROADCAST,
    ROUTE_BLACKHOLE,
    ROUTE_UNREACHABLE,
    ROUTE_PROHIBIT
} RouteType;

typedef struct {
    IpPrefix prefix;
    IpAddr via;        /* Any: on link. */
    IpAddr src;        /* Preferred source, or any. */
    const NetDev *dev; /* NULL in the shared base: found by resolving 'via'. */
    RouteType type;
    uint32_t metric;
} Route;

typedef struct Fib Fib;         /* Of one host. */
typedef struct FibBase FibBase; /* Shared, reference counted. */

FibBase *fib_base_new(void);
FibBase *fib_base_ref(FibBase *base);
void fib_base_unref(FibBase *base);
void fib_base_add(FibBase *base, const Route *route);
void fib_base_remove(FibBase *base, const IpPrefix *prefix);

Fib *fib_new(uint64_t seed); /* Of the choice among equal next hops. */
void fib_free(Fib *fib);
void fib_set_base(Fib *fib, FibBase *base); /* Takes a reference; may be NULL. */
/* Called before an address is looked for whose answer is not at hand; may change the table.  NULL: nobody. */
void fib_set_before(Fib *fib, void (*before)(void *user, IpAddr dst), void *user);
void fib_add(Fib *fib, const Route *route); /* Replaces a route of equal prefix, type and metric. */
/* Adds one more next hop to the routes of equal prefix, type and metric (ECMP). */
void fib_add_nexthop(Fib *fib, const Route *route);
bool fib_remove(Fib *fib, const IpPrefix *prefix, const NetDev *dev);

/* Removes all routes over 'dev'. */
void fib_remove_dev(Fib *fib, const NetDev *dev);

/* The route for 'dst', or NULL.  The result lives until the table changes. */
const Route *fib_lookup(const Fib *fib, IpAddr dst);
/* The same, with one of several equal next hops chosen by a hash of the packet's 5-tuple and the seed; 'flow' may be
 * NULL (the first next hop). */
const Route *fib_lookup_flow(const Fib *fib, IpAddr dst, const Packet *flow);
/* The longest match among the host's own unicast routes over 'dev', or NULL: a walk of the table, for rare questions.
 */
const Route *fib_lookup_dev(const Fib *fib, IpAddr dst, const NetDev *dev);
/* The match in the local table only (types local and broadcast), or NULL. */
const Route *fib_lookup_local(const Fib *fib, IpAddr dst);
/* True if 'addr' is one of the host's own (type local), on 'dev' if not NULL. */
bool fib_is_local(const Fib *fib, IpAddr addr, const NetDev *dev);
/* Ask the caches for the table, and, when that is there, for the answer about 'dst'. */
void fib_prefetch(const Fib *fib);
void fib_prefetch_slot(const Fib *fib, const IpAddr *dst);
/* The route that fib_lookup() would give if it is known without work, else NULL. */
const Route *fib_peek(const Fib *fib, const IpAddr *dst);
size_t fib_bytes(const Fib *fib); /* Memory of the own table. */
/* Own routes in order of prefix length, for `ip route`. */
void fib_each(const Fib *fib, void (*each)(const Route *route, void *user), void *user);
/* Those of the base that count on this host: neither hidden by an own route of equal prefix nor by way of itself. */
void fib_each_base(const Fib *fib, void (*each)(const Route *route, void *user), void *user);

#endif
