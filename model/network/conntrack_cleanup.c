#include "model/network/conntrack_cleanup.h"

#include "sim/engine/vec.h"
#include "sim/netfilter/conntrack.h"

/* KEP-less change kubernetes/kubernetes#127318: the reconciler. */
#define RECONCILER_MINOR 32

typedef struct {
    const char *text; /* "ns/name:port", owned. */
    IpAddr cluster_ip;
    uint16_t port, node_port;
    VEC(IpAddr) addrs;   /* All that it is reached by: clusterIP, external and load balancer IPs. */
    VEC(IpAddr) serving; /* Addresses of serving endpoints. */
    VEC(IpAddr) ready;   /* Of ready ones: what makes a Service active. */
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

/* Just enough: there are as many as UDP ports. */
static void
take_room(UdpPort *port, const ProxyServicePort *from)
{
    port->addrs.cap = 1 + from->n_external_ips + from->n_lb_vips;
    port->addrs.data = g_new(IpAddr, port->addrs.cap);
    port->serving.cap = port->ready.cap = from->n_endpoints;
    port->serving.data = g_new(IpAddr, from->n_endpoints);
    port->ready.data = g_new(IpAddr, from->n_endpoints);
}

UdpState *
udp_state_new(const ServiceMap *map)
{
    UdpState *state = g_new0(UdpState, 1);
    size_t n;
    const ProxyServicePort *ports = service_map_ports(map, &n);

    state->refs = 1;
    for (size_t i = 0; i < n; i++) {
        const ProxyServicePort *from = &ports[i];
        UdpPort port = {.cluster_ip = from->cluster_ip, .port = from->port, .node_port = from->node_port};
        if (from->proto != IPPROTO_UDP_)
            continue;
        port.text = g_strdup(from->text);
        take_room(&port, from);
        vec_push(&port.addrs, from->cluster_ip);
        for (uint32_t k = 0; k < from->n_external_ips; k++)
            vec_push(&port.addrs, from->external_ips[k]);
        for (uint32_t k = 0; k < from->n_lb_vips; k++)
            vec_push(&port.addrs, from->lb_vips[k]);
        for (uint32_t k = 0; k < from->n_endpoints; k++) {
            if (from->endpoints[k].from->conditions & EP_SERVING)
                vec_push(&port.serving, from->endpoints[k].from->addr);
            if (from->endpoints[k].from->conditions & EP_READY)
                vec_push(&port.ready, from->endpoints[k].from->addr);
        }
        vec_push(&state->ports, port);
    }
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
    for (size_t i = 0; i < state->ports.len; i++) {
        g_free((char *)state->ports.data[i].text);
        vec_clear(&state->ports.data[i].addrs);
        vec_clear(&state->ports.data[i].serving);
        vec_clear(&state->ports.data[i].ready);
    }
    vec_clear(&state->ports);
    g_free(state);
}

static bool
contains(const IpAddr *addrs, size_t n, IpAddr addr)
{
    for (size_t i = 0; i < n; i++)
        if (ipaddr_eq(addrs[i], addr))
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
        const UdpPort *port = &r->state->ports.data[i];
        bool by_addr = orig.dport == port->port && contains(port->addrs.data, port->addrs.len, orig.dst);
        bool by_node_port = port->node_port && orig.dport == port->node_port;
        if (port->serving.len > 0 && (by_addr || by_node_port))
            return !contains(port->serving.data, port->serving.len, reply.src);
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

static const UdpPort *
find_port(const UdpState *state, const char *text)
{
    for (size_t i = 0; state && i < state->ports.len; i++)
        if (strcmp(state->ports.data[i].text, text) == 0)
            return &state->ports.data[i];
    return NULL;
}

/* A Service port that had no ready endpoint has one now: entries that lead nowhere go, so that clients that go on
 * sending are taken up. */
static size_t
clean_activated(Conntrack *ct, const UdpPort *port, IpFamily family)
{
    size_t n = 0;

    for (size_t i = 0; i < port->addrs.len; i++)
        n += delete_target(ct, (Target){.dst = port->addrs.data[i], .family = family});
    if (port->node_port)
        n += delete_target(ct, (Target){.node_port = port->node_port, .family = family});
    return n;
}

static size_t
clean_endpoint(Conntrack *ct, const UdpPort *port, IpAddr endpoint, IpFamily family)
{
    size_t n = 0;

    for (size_t i = 0; i < port->addrs.len; i++)
        n += delete_target(ct, (Target){.dst = port->addrs.data[i], .reply_src = endpoint, .family = family});
    if (port->node_port)
        n += delete_target(ct, (Target){.node_port = port->node_port, .reply_src = endpoint, .family = family});
    return n;
}

static size_t
clean_changes(Conntrack *ct, const UdpState *before, const UdpState *after, IpFamily family)
{
    size_t n = 0;

    for (size_t i = 0; i < after->ports.len; i++) {
        const UdpPort *port = &after->ports.data[i], *old = find_port(before, port->text);
        if (port->ready.len > 0 && (!old || old->ready.len == 0))
            n += clean_activated(ct, port, family);
    }
    for (size_t i = 0; before && i < before->ports.len; i++) {
        const UdpPort *old = &before->ports.data[i], *port = find_port(after, old->text);
        if (!port)
            n += delete_target(ct, (Target){.dst = old->cluster_ip, .family = family});
        for (size_t k = 0; k < old->serving.len; k++)
            if (!port || !contains(port->serving.data, port->serving.len, old->serving.data[k]))
                n += clean_endpoint(ct, old, old->serving.data[k], family);
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
