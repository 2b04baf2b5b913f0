/* UDP through proxying load balancers: a session for each client socket, as Envoy's udp_proxy keeps them
 *
 * A session is known by the client's address and port and the address and port that it called; it has a socket of its
 * own towards one target, and ends when nothing passed in either direction for idleTimeout.udp.  A target that is no
 * longer healthy keeps no sessions: the next datagram opens a new one to another target, and one that finds no target
 * is lost without an answer.  Source: envoyproxy.io, configuration/listeners/udp_filters/udp_proxy. */

#include "model/cloud/lb_private.h"
#include "sim/engine/dlist.h"

typedef struct {
    IpAddr client, local;
    uint16_t client_port, local_port;
    uint8_t zero[4];
} SessionKey;
_Static_assert(sizeof(SessionKey) == 40, "a hashed key has no padding");

struct UdpSession {
    Lb *lb;
    SessionKey key;
    LbTarget *target;
    UdpSession *prev, *next;
    Socket *listener, *server;
    Timer idle;
};

static void on_client_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_server_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_idle(Sim *sim, void *owner);

static const SocketCallbacks listener_callbacks = {.received = on_client_datagram};
static const SocketCallbacks server_callbacks = {.received = on_server_datagram};

/* --- Listening --------------------------------------------------------------------------------------------------- */

static bool
find_port(const Lb *lb, uint16_t port, uint32_t *ret_index)
{
    for (uint32_t i = 0; i < lb->service->n_ports; i++)
        if (lb->service->ports[i].port == port && lb->service->ports[i].proto == IPPROTO_UDP_) {
            *ret_index = i;
            return true;
        }
    return false;
}

static bool
listens_on(const Lb *lb, IpAddr addr, uint16_t port)
{
    for (size_t i = 0; i < lb->udp_listeners.len; i++) {
        uint16_t have;
        if (ipaddr_eq(socket_local(lb->udp_listeners.data[i], &have), addr) && have == port)
            return true;
    }
    return false;
}

static void
session_free(UdpSession *session)
{
    Lb *lb = session->lb;

    dlist_remove(lb->sessions, session);
    session->target->n_active--;
    htable_remove(&lb->by_client, &session->key);
    socket_close(session->server);
    timer_free(cluster_sim(lb->cloud->cluster), &session->idle);
    g_free(session);
}

static void
end_sessions(Lb *lb, const Socket *listener)
{
    UdpSession *next;

    for (UdpSession *s = lb->sessions; s; s = next) {
        next = s->next;
        if (!listener || s->listener == listener)
            session_free(s);
    }
}

void
proxy_udp_start(Lb *lb)
{
    if (!lb->by_client.key_size)
        htable_init(&lb->by_client, sizeof(SessionKey), sizeof(UdpSession *));
    for (size_t i = lb->udp_listeners.len; i-- > 0;) {
        uint16_t port;
        uint32_t ignored;
        socket_local(lb->udp_listeners.data[i], &port);
        if (find_port(lb, port, &ignored))
            continue;
        end_sessions(lb, lb->udp_listeners.data[i]);
        socket_close(lb->udp_listeners.data[i]);
        vec_remove(&lb->udp_listeners, i);
    }
    /* Bound to the address that clients call, so that answers come from there. */
    for (uint32_t i = 0; i < lb->service->n_ports; i++)
        for (uint32_t k = 0; k < lb->n_vips; k++) {
            SocketOptions options = {.local = lb->vips[k], .local_port = lb->service->ports[i].port};
            Socket *listener;
            SocketError error;
            if (lb->service->ports[i].proto != IPPROTO_UDP_ || listens_on(lb, options.local, options.local_port))
                continue;
            listener = udp_open(lb->host, &options, &listener_callbacks, lb, &error);
            if (listener)
                vec_push(&lb->udp_listeners, listener);
        }
}

void
proxy_udp_stop(Lb *lb)
{
    end_sessions(lb, NULL);
    for (size_t i = 0; i < lb->udp_listeners.len; i++)
        socket_close(lb->udp_listeners.data[i]);
    vec_clear(&lb->udp_listeners);
    htable_clear(&lb->by_client);
}

void
proxy_udp_flush(Lb *lb)
{
    end_sessions(lb, NULL);
}

void
proxy_udp_target_lost(LbTarget *t)
{
    UdpSession *next;

    for (UdpSession *s = t->lb->sessions; s; s = next) {
        next = s->next;
        if (s->target == t)
            session_free(s);
    }
}

/* --- Sessions ---------------------------------------------------------------------------------------------------- */

static void
touch(UdpSession *session)
{
    Sim *sim = cluster_sim(session->lb->cloud->cluster);

    if (session->lb->profile->idle_udp > 0)
        timer_arm(sim, session->idle, sim->now + session->lb->profile->idle_udp);
}

static UdpSession *
session_open(Lb *lb, Socket *listener, const SessionKey *key, uint32_t port)
{
    uint64_t flow = udp_received_flow(listener);
    IpFamily family = ipaddr_family(&key->client);
    SocketOptions options = {.flow = flow};
    LbTarget *target = lb_choose(lb, port, family, flow, key->client);
    SocketError error;
    IpAddr addr;
    Socket *server;
    UdpSession *session;

    if (!target || !target_addr(target, family, &addr)) {
        cluster_story(lb->cloud->cluster, "lb %s: no target for a datagram: dropped", lb->text);
        return NULL;
    }
    server = udp_open(lb->host, &options, &server_callbacks, NULL, &error);
    if (!server)
        return NULL;
    udp_connect(server, addr, target_port(target, port));
    session = g_new0(UdpSession, 1);
    *session = (UdpSession){.lb = lb, .key = *key, .target = target, .listener = listener, .server = server};
    session->idle = timer_new(cluster_sim(lb->cloud->cluster), "lb.udp-idle", &lb->entity, on_idle, session);
    socket_set_user(server, &server_callbacks, session);
    dlist_push(lb->sessions, session);
    *(UdpSession **)htable_insert(&lb->by_client, key, NULL) = session;
    target->n_flows++;
    target->n_active++;
    return session;
}

static void
on_client_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    Lb *lb = user;
    SessionKey key = {.client = from, .client_port = from_port};
    UdpSession **known, *session;
    uint32_t port;
    uint16_t server_port;
    IpAddr server;

    key.local = socket_local(s, &key.local_port);
    known = htable_find(&lb->by_client, &key);
    session = known ? *known : NULL;
    if (!session && find_port(lb, key.local_port, &port))
        session = session_open(lb, s, &key, port);
    if (!session)
        return;
    touch(session);
    server = socket_remote(session->server, &server_port);
    udp_send_flow(session->server, server, server_port, payload->buf, payload->offset, payload->len,
                  udp_received_flow(s));
}

static void
on_server_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    UdpSession *session = user;

    (void)from;
    (void)from_port;
    touch(session);
    udp_send_flow(session->listener, session->key.client, session->key.client_port, payload->buf, payload->offset,
                  payload->len, udp_received_flow(s));
}

static void
on_idle(Sim *sim, void *owner)
{
    (void)sim;
    session_free(owner);
}
