/* Ports: binding, ephemeral ports, look-up by port
 *
 * Linux gives a connecting TCP socket a port of ip_local_port_range for which the full tuple is free
 * (__inet_hash_connect): the same port serves many destinations.  To one destination the next connection takes the next
 * port but one, so that a port comes again only after half the range; where it starts depends on both addresses and the
 * host.  The other parity follows when no port of the first is free.  A bound port (listener, UDP) is exclusive unless
 * the addresses differ; the search for one starts at a place drawn from the seed, the host and the flow. */

#include "sim/transport/socket_table.h"

static uint32_t
port_key(uint8_t proto, uint16_t port)
{
    return (uint32_t)proto << 16 | port;
}

void
port_prefetch(const SocketTable *table, uint8_t proto, uint16_t port)
{
    uint32_t key = port_key(proto, port);

    htable_prefetch(&table->by_port, &key);
}

static Socket *
first_bound(const SocketTable *table, uint8_t proto, uint16_t port)
{
    uint32_t key = port_key(proto, port);
    Socket *const *found = htable_find(&table->by_port, &key);

    return found ? *found : NULL;
}

static bool
addrs_overlap(IpAddr a, IpAddr b)
{
    return ipaddr_is_any(&a) || ipaddr_is_any(&b) || ipaddr_eq(a, b);
}

static bool
port_is_bound(const SocketTable *table, uint8_t proto, IpAddr local, uint16_t port)
{
    for (const Socket *s = first_bound(table, proto, port); s; s = s->next) {
        if (addrs_overlap(s->key.local, local))
            return true;
    }
    return false;
}

static uint32_t
first_candidate(const Socket *s, uint32_t range)
{
    uint64_t draw = rng_mix(rng_hash_str(s->table->sim->seed, host_name(s->table->host)), s->flow);

    return (uint32_t)(rng_mix(draw, s->key.proto) % range);
}

SocketError
socket_bind(Socket *s)
{
    SocketTable *table = s->table;
    const HostSysctls *sysctls = host_sysctls(table->host);
    Socket **slot;
    uint32_t key;
    size_t at;

    if (s->key.local_port == 0) {
        uint32_t range = (uint32_t)(sysctls->port_range_max - sysctls->port_range_min) + 1;
        uint32_t start = first_candidate(s, range);
        uint32_t i = 0;

        for (; i < range; i++) {
            uint16_t port = (uint16_t)(sysctls->port_range_min + (start + i) % range);
            if (!port_is_bound(table, s->key.proto, s->key.local, port)) {
                s->key.local_port = port;
                break;
            }
        }
        if (i == range)
            return SOCK_NO_PORTS;
    } else if (port_is_bound(table, s->key.proto, s->key.local, s->key.local_port)) {
        return SOCK_ADDR_IN_USE;
    }

    key = port_key(s->key.proto, s->key.local_port);
    slot = htable_insert(&table->by_port, &key, NULL);
    s->next = *slot;
    *slot = s;
    at = table->bound.len;
    while (at > 0 && port_key(table->bound.data[at - 1]->key.proto, table->bound.data[at - 1]->key.local_port) > key)
        at--;
    vec_reserve(&table->bound, table->bound.len + 1);
    memmove(table->bound.data + at + 1, table->bound.data + at, (table->bound.len - at) * sizeof(Socket *));
    table->bound.data[at] = s;
    table->bound.len++;
    s->bound = true;
    return SOCK_OK;
}

void
socket_unbind(Socket *s)
{
    SocketTable *table = s->table;
    uint32_t key = port_key(s->key.proto, s->key.local_port);
    Socket **slot, **at;

    if (!s->bound)
        return;
    slot = at = htable_find(&table->by_port, &key);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (!*slot)
        htable_remove(&table->by_port, &key);
    for (size_t i = 0; i < table->bound.len; i++) {
        if (table->bound.data[i] == s) {
            vec_remove(&table->bound, i);
            break;
        }
    }
    s->next = NULL;
    s->bound = false;
}

static bool
tuple_is_free(SocketTable *table, const SocketKey *key)
{
    return !port_is_bound(table, key->proto, key->local, key->local_port) && !socket_find(table, key) &&
           !tcp_time_wait_blocks(table, key);
}

/* Of a TCP connection.  As in the kernel, one time in sixteen two steps are taken instead of one. */
static bool
next_port(Socket *s)
{
    SocketTable *table = s->table;
    const HostSysctls *sysctls = host_sysctls(table->host);
    uint32_t range = (uint32_t)(sysctls->port_range_max - sysctls->port_range_min) + 1;
    uint32_t n = range > 1 ? range & ~1u : range;
    uint64_t hash = rng_hash(table->secret, &s->key, sizeof s->key);
    uint32_t *taken = &table->ports_taken[hash % G_N_ELEMENTS(table->ports_taken)];
    uint32_t offset = (*taken + (uint32_t)(hash >> 32)) % n & ~1u;

    for (uint32_t parity = 0; parity < 2; parity++)
        for (uint32_t i = 0; i < n; i += 2) {
            s->key.local_port = (uint16_t)(sysctls->port_range_min + (offset + parity + i) % n);
            if (!tuple_is_free(table, &s->key))
                continue;
            *taken += i + 2 + (i == 0 && rng_mix(hash, s->flow) % 16 == 0 ? 2 : 0);
            return true;
        }
    return false;
}

static bool
drawn_port(Socket *s)
{
    const HostSysctls *sysctls = host_sysctls(s->table->host);
    uint32_t range = (uint32_t)(sysctls->port_range_max - sysctls->port_range_min) + 1;
    uint32_t start = first_candidate(s, range);

    for (uint32_t i = 0; i < range; i++) {
        s->key.local_port = (uint16_t)(sysctls->port_range_min + (start + i) % range);
        if (tuple_is_free(s->table, &s->key))
            return true;
    }
    return false;
}

SocketError
socket_connect(Socket *s)
{
    SocketTable *table = s->table;

    if (ipaddr_is_any(&s->key.local) && !ip_source_for(table->host, s->key.remote, &s->key.local))
        return SOCK_ENETUNREACH;
    if (s->key.local_port) {
        if (socket_find(table, &s->key) || tcp_time_wait_blocks(table, &s->key) ||
            (!s->bound && port_is_bound(table, s->key.proto, s->key.local, s->key.local_port)))
            return SOCK_ADDR_IN_USE;
        socket_hash(s);
        return SOCK_OK;
    }
    if (s->key.proto == IPPROTO_TCP_ ? next_port(s) : drawn_port(s)) {
        socket_hash(s);
        return SOCK_OK;
    }
    s->key.local_port = 0;
    return SOCK_NO_PORTS;
}

Socket *
socket_find_bound(SocketTable *table, uint8_t proto, IpAddr local, uint16_t port)
{
    Socket *wildcard = NULL;

    for (Socket *s = first_bound(table, proto, port); s; s = s->next) {
        if (s->hashed)
            continue; /* Connected UDP takes its peer's packets only. */
        if (ipaddr_eq(s->key.local, local))
            return s;
        if (ipaddr_is_any(&s->key.local))
            wildcard = s;
    }
    return wildcard;
}
