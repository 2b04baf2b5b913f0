#include "model/network/conntrack_cleanup.h"

#include "sim/engine/vec.h"
#include "sim/netfilter/conntrack.h"

/* KEP-less change kubernetes/kubernetes#127318: the reconciler. */
#define RECONCILER_MINOR 32

typedef struct {
    const ServiceEntry *entry; /* Referenced. */
    uint32_t index;            /* Of the port. */
} UdpPort;

struct UdpState {
    uint32_t refs;
    VEC(UdpPort) ports;
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

UdpState *
udp_state_new(const ServiceMap *map)
{
    UdpState *state = g_new0(UdpState, 1);
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);

    state->refs = 1;
    for (size_t i = 0; i < n; i++) {
        const Service *service = service_entry_service(entries[i]);
        for (uint32_t p = 0; p < service->n_ports; p++)
            if (service->ports[p].proto == IPPROTO_UDP_)
                vec_push_tight(&state->ports, (UdpPort){service_entry_ref(entries[i]), p});
    }
    return state;
}

static const ProxyServicePort *
port_at(const UdpState *state, size_t i)
{
    return &service_entry_ports(state->ports.data[i].entry)[state->ports.data[i].index];
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
    for (size_t i = 0; i < state->ports.len; i++)
        service_entry_unref(state->ports.data[i].entry);
    vec_clear(&state->ports);
    g_free(state);
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
    CtTuple orig, reply;

    if (!is_udp_of(conn, r->family, &orig, &reply))
        return false;
    for (size_t i = 0; i < r->state->ports.len; i++) {
        const ProxyServicePort *port = port_at(r->state, i);
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
    for (size_t i = 0; state && i < state->ports.len; i++)
        if (strcmp(port_at(state, i)->text, text) == 0)
            return port_at(state, i);
    return NULL;
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
    size_t n = 0;

    for (size_t i = 0; i < after->ports.len; i++) {
        const ProxyServicePort *port = port_at(after, i), *old = find_port(before, port->text);
        if (has_any(port, EP_READY) && (!old || !has_any(old, EP_READY)))
            n += clean_activated(ct, port, family);
    }
    for (size_t i = 0; before && i < before->ports.len; i++) {
        const ProxyServicePort *old = port_at(before, i), *port = find_port(after, old->text);
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
