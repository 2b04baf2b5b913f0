#include "model/network/conntrack_cleanup.h"

#include "sim/engine/vec.h"
#include "sim/netfilter/conntrack.h"

/* KEP-less change kubernetes/kubernetes#127318: the reconciler. */
#define RECONCILER_MINOR 32

struct UdpState {
    uint32_t refs;
    VEC(const ServiceEntry *) entries; /* With some UDP port; referenced. */
};

typedef struct {
    const UdpState *state;
    IpFamily family;
} Reconcile;

/* One thing to delete: entries by original destination, or from a node port, and by who answers. */
typedef struct {
    IpAddr dst;         /* Any: do not care. */
    uint16_t node_port; /* 0: do not care. */
    IpAddr reply_src;   /* Any: do not care. */
    IpFamily family;
} Target;

static bool
has_udp_port(const Service *service)
{
    for (uint32_t i = 0; i < service->n_ports; i++)
        if (service->ports[i].proto == IPPROTO_UDP_)
            return true;
    return false;
}

UdpState *
udp_state_new(const ServiceMap *map)
{
    UdpState *state = g_new0(UdpState, 1);
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);

    state->refs = 1;
    for (size_t i = 0; i < n; i++)
        if (has_udp_port(service_entry_service(entries[i])))
            vec_push_tight(&state->entries, service_entry_ref(entries[i]));
    return state;
}

UdpState *
udp_state_ref(UdpState *state)
{
    state->refs++;
    return state;
}

void
udp_state_unref(UdpState *state)
{
    if (!state || --state->refs)
        return;
    for (size_t i = 0; i < state->entries.len; i++)
        service_entry_unref(state->entries.data[i]);
    vec_clear(&state->entries);
    g_free(state);
}

/* The UDP ports of a state, one after the other:
 *     for (UdpPorts at = {state}; (port = next_port(&at));) ... */
typedef struct {
    const UdpState *state; /* NULL: there are none. */
    size_t entry;
    uint32_t port;
} UdpPorts;

static const ProxyServicePort *
next_port(UdpPorts *at)
{
    for (; at->state && at->entry < at->state->entries.len; at->entry++, at->port = 0) {
        const ServiceEntry *entry = at->state->entries.data[at->entry];

        while (at->port < service_entry_n_ports(entry)) {
            const ProxyServicePort *port = &service_entry_ports(entry)[at->port++];
            if (port->proto == IPPROTO_UDP_)
                return port;
        }
    }
    return NULL;
}

/* The addresses that a port is reached by: clusterIP, external and load balancer IPs.  False: there is no i-th. */
static bool
get_addr(const ProxyServicePort *port, uint32_t i, IpAddr *ret_addr)
{
    if (i >= 1 + port->n_external_ips + port->n_lb_vips)
        return false;
    *ret_addr = i == 0                      ? port->cluster_ip
                : i <= port->n_external_ips ? port->external_ips[i - 1]
                                            : port->lb_vips[i - 1 - port->n_external_ips];
    return true;
}

static bool
is_reached_by(const ProxyServicePort *port, IpAddr addr)
{
    IpAddr own;

    for (uint32_t i = 0; get_addr(port, i, &own); i++)
        if (ipaddr_eq(own, addr))
            return true;
    return false;
}

/* Some endpoint that has the condition: EP_SERVING, or EP_READY, which makes a Service active. */
static bool
has_any(const ProxyServicePort *port, uint8_t condition)
{
    for (uint32_t i = 0; i < port->n_endpoints; i++)
        if (port->endpoints[i].from->conditions & condition)
            return true;
    return false;
}

static bool
serves(const ProxyServicePort *port, IpAddr addr)
{
    for (uint32_t i = 0; i < port->n_endpoints; i++)
        if (port->endpoints[i].from->conditions & EP_SERVING && ipaddr_eq(port->endpoints[i].from->addr, addr))
            return true;
    return false;
}

static bool
is_udp_of(const Conn *conn, IpFamily family, CtTuple *ret_orig, CtTuple *ret_reply)
{
    *ret_orig = conn_tuple(conn, CT_ORIG);
    *ret_reply = conn_tuple(conn, CT_REPLY);
    return ret_orig->proto == IPPROTO_UDP_ && ipaddr_family(&ret_orig->dst) == family;
}

/* --- From 1.32 --------------------------------------------------------------------------------------------------- */

static bool
is_stale(const Conn *conn, void *user)
{
    const Reconcile *r = user;
    const ProxyServicePort *port;
    CtTuple orig, reply;

    if (!is_udp_of(conn, r->family, &orig, &reply))
        return false;
    for (UdpPorts at = {.state = r->state}; (port = next_port(&at));) {
        bool by_addr = orig.dport == port->port && is_reached_by(port, orig.dst);
        bool by_node_port = port->node_port && orig.dport == port->node_port;
        if ((by_addr || by_node_port) && has_any(port, EP_SERVING))
            return !serves(port, reply.src);
    }
    return false;
}

/* --- Before 1.32 ------------------------------------------------------------------------------------------------- */

static bool
is_target(const Conn *conn, void *user)
{
    const Target *t = user;
    CtTuple orig, reply;

    if (!is_udp_of(conn, t->family, &orig, &reply))
        return false;
    if (!ipaddr_is_any(&t->dst) && !ipaddr_eq(orig.dst, t->dst))
        return false;
    if (t->node_port && orig.dport != t->node_port)
        return false;
    return ipaddr_is_any(&t->reply_src) || ipaddr_eq(reply.src, t->reply_src);
}

static size_t
delete_target(Conntrack *ct, Target target)
{
    return conntrack_delete(ct, is_target, &target);
}

static const ProxyServicePort *
find_port(const UdpState *state, const char *text)
{
    const ProxyServicePort *port;

    for (UdpPorts at = {.state = state}; (port = next_port(&at));)
        if (strcmp(port->text, text) == 0)
            break;
    return port;
}

/* A Service port that had no ready endpoint has one now: entries that lead nowhere go, so that clients that go on
 * sending are taken up. */
static size_t
clean_activated(Conntrack *ct, const ProxyServicePort *port, IpFamily family)
{
    IpAddr addr;
    size_t n = 0;

    for (uint32_t i = 0; get_addr(port, i, &addr); i++)
        n += delete_target(ct, (Target){.dst = addr, .family = family});
    if (port->node_port)
        n += delete_target(ct, (Target){.node_port = port->node_port, .family = family});
    return n;
}

static size_t
clean_endpoint(Conntrack *ct, const ProxyServicePort *port, IpAddr endpoint, IpFamily family)
{
    IpAddr addr;
    size_t n = 0;

    for (uint32_t i = 0; get_addr(port, i, &addr); i++)
        n += delete_target(ct, (Target){.dst = addr, .reply_src = endpoint, .family = family});
    if (port->node_port)
        n += delete_target(ct, (Target){.node_port = port->node_port, .reply_src = endpoint, .family = family});
    return n;
}

static size_t
clean_changes(Conntrack *ct, const UdpState *before, const UdpState *after, IpFamily family)
{
    const ProxyServicePort *port, *old;
    size_t n = 0;

    for (UdpPorts at = {.state = after}; (port = next_port(&at));) {
        old = find_port(before, port->text);
        if (has_any(port, EP_READY) && (!old || !has_any(old, EP_READY)))
            n += clean_activated(ct, port, family);
    }
    for (UdpPorts at = {.state = before}; (old = next_port(&at));) {
        port = find_port(after, old->text);
        if (!port)
            n += delete_target(ct, (Target){.dst = old->cluster_ip, .family = family});
        for (uint32_t k = 0; k < old->n_endpoints; k++) {
            const Endpoint *from = old->endpoints[k].from;
            if (from->conditions & EP_SERVING && (!port || !serves(port, from->addr)))
                n += clean_endpoint(ct, old, from->addr, family);
        }
    }
    return n;
}

size_t
conntrack_cleanup(Host *host, const UdpState *before, const UdpState *after, IpFamily family, KubeVersion version)
{
    NfStack *nf = host_netfilter_peek(host);
    Conntrack *ct = nf ? nf_stack_conntrack(nf) : NULL;

    if (!ct || conntrack_len(ct) == 0)
        return 0;
    if (version.minor >= RECONCILER_MINOR)
        return conntrack_delete(ct, is_stale, &(Reconcile){.state = after, .family = family});
    return clean_changes(ct, before, after, family);
}
