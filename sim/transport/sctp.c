/* SCTP as far as Services carry it (RFC 9260): the four-way handshake, DATA in one packet, ABORT
 *
 * No streams, no SACK, no retransmission of DATA: what matters for routing is that INIT finds its way and which tuple
 * answers.  The state cookie is empty: an association begins with any COOKIE-ECHO, as if the cookie were good. */

#include "sim/transport/socket_table.h"

#define SCTP_RTO_INITIAL  (3 * SIMTIME_SEC)
#define SCTP_RTO_MAX      (60 * SIMTIME_SEC)
#define SCTP_INIT_RETRIES 8

typedef enum { SCTP_COOKIE_WAIT, SCTP_COOKIE_ECHOED, SCTP_ESTABLISHED } SctpState;

typedef struct {
    Socket s;
    Timer timer;
    SimTime rto;
    uint32_t own_tag, peer_tag;
    uint8_t state; /* SctpState. */
    uint8_t retries;
    uint8_t send_error; /* SocketError. */
} Association;

static void association_input(Association *a, const Packet *pkt);
static void listener_input(Socket *l, const Packet *pkt);
static void on_timer(Sim *sim, void *owner);
static void answer_out_of_the_blue(SocketTable *table, const SocketKey *key, const SctpHeader *header, uint64_t flow);
static IpSendResult send_chunk(SocketTable *table, Association *a, const SocketKey *key, uint64_t flow, uint8_t chunk,
                               uint32_t vtag, uint32_t init_tag, const Payload *payload);
static Association *association_new(SocketTable *table, const SocketOptions *options, const SocketCallbacks *callbacks,
                                    void *user);
static void established(Association *a);

Socket *
sctp_listen(Host *host, const SocketOptions *options, const SocketCallbacks *callbacks, void *user,
            SocketError *ret_error)
{
    Socket *s = g_new0(Socket, 1);
    SocketError error;

    socket_table(host)->sctp_loaded = true;
    socket_init(socket_table(host), s, SOCKET_SCTP_LISTEN, IPPROTO_SCTP_, options, callbacks, user);
    error = socket_bind(s);
    if (error != SOCK_OK) {
        g_free(s);
        if (ret_error)
            *ret_error = error;
        return NULL;
    }
    return s;
}

Socket *
sctp_connect(Host *host, IpAddr to, uint16_t port, const SocketOptions *options, const SocketCallbacks *callbacks,
             void *user, SocketError *ret_error)
{
    SocketTable *table = socket_table(host);
    Association *a = association_new(table, options, callbacks, user);
    SocketError error;
    IpSendResult sent = IP_ENETUNREACH;

    table->sctp_loaded = true;
    a->s.key.remote = to;
    a->s.key.remote_port = port;
    error = socket_connect(&a->s);
    if (error != SOCK_OK && error != SOCK_ENETUNREACH) {
        socket_doom(&a->s);
        if (ret_error)
            *ret_error = error;
        return NULL;
    }
    if (error == SOCK_OK)
        sent = send_chunk(table, a, &a->s.key, a->s.flow, SCTP_INIT, 0, a->own_tag, NULL);
    if (sent != IP_SENT && sent != IP_EPERM)
        a->send_error = (uint8_t)socket_error_of_send(sent);
    timer_arm(table->sim, a->timer, a->send_error ? table->sim->now : table->sim->now + a->rto);
    return &a->s;
}

void
sctp_send(Socket *s, PayloadBuf *buf, uint32_t offset, uint32_t len)
{
    Association *a = (Association *)s;
    Payload payload = {buf, offset, len};

    g_assert(s->kind == SOCKET_SCTP);
    if (!s->doomed && a->state == SCTP_ESTABLISHED)
        send_chunk(s->table, a, &s->key, s->flow, SCTP_DATA, a->peer_tag, 0, &payload);
}

/* The owner is gone at once; the peer's SHUTDOWN-ACK is answered without an association (RFC 9260, 8.4). */
void
sctp_close(Socket *s)
{
    Association *a = (Association *)s;

    if (!s->doomed && a->state == SCTP_ESTABLISHED)
        send_chunk(s->table, a, &s->key, s->flow, SCTP_SHUTDOWN, a->peer_tag, 0, NULL);
    socket_doom(s);
}

void
sctp_input(SocketTable *table, Packet *pkt)
{
    SocketKey key = {.local = pkt->dst,
                     .remote = pkt->src,
                     .local_port = pkt->dport,
                     .remote_port = pkt->sport,
                     .proto = IPPROTO_SCTP_};
    Socket *s = socket_find(table, &key);

    if (!s)
        s = socket_find_bound(table, IPPROTO_SCTP_, pkt->dst, pkt->dport);
    if (!s && !table->sctp_loaded) {
        socket_refuse(table, pkt);
        return;
    }
    if (pkt->cksum == CKSUM_BAD) {
        host_drop(table->host, pkt, DROP_CHECKSUM);
        return;
    }
    if (!s) {
        SctpHeader header = pkt->sctp;
        uint64_t flow = pkt->flow;
        host_drop(table->host, pkt, DROP_NO_SOCKET);
        answer_out_of_the_blue(table, &key, &header, flow);
        return;
    }
    socket_trace_deliver(table, s, pkt);
    socket_pin(s);
    if (s->kind == SOCKET_SCTP)
        association_input((Association *)s, pkt);
    else
        listener_input(s, pkt);
    socket_unpin(s);
    packet_free(table->sim, pkt);
}

/* RFC 9260 8.4: with the tag that an INIT brings along, else with its own reflected (the T bit). */
static void
answer_out_of_the_blue(SocketTable *table, const SocketKey *key, const SctpHeader *header, uint64_t flow)
{
    Packet *pkt;

    if (header->chunk == SCTP_ABORT || header->chunk == SCTP_SHUTDOWN_COMPLETE)
        return;
    pkt = socket_packet(table, key, flow);
    pkt->dont_fragment = true;
    pkt->sctp.chunk = header->chunk == SCTP_SHUTDOWN_ACK ? SCTP_SHUTDOWN_COMPLETE : SCTP_ABORT;
    pkt->sctp.t_bit = header->chunk != SCTP_INIT;
    pkt->sctp.vtag = pkt->sctp.t_bit ? header->vtag : header->init_tag;
    socket_ip_send(table, NULL, pkt);
}

void
sctp_icmp_error(Socket *s, const Packet *pkt)
{
    SocketError error = socket_error_of_icmp(pkt);

    if (error != SOCK_OK && ((Association *)s)->state == SCTP_COOKIE_WAIT)
        socket_end(s, error, "refused");
}

void
sctp_free(Socket *s)
{
    Association *a = (Association *)s;

    timer_free(s->table->sim, &a->timer);
    g_free(a);
}

const char *
sctp_state_name(const Socket *s)
{
    switch ((SctpState)((const Association *)s)->state) {
    case SCTP_COOKIE_WAIT:
        return "COOKIE_WAIT";
    case SCTP_COOKIE_ECHOED:
        return "COOKIE_ECHOED";
    case SCTP_ESTABLISHED:
        return "ESTABLISHED";
    }
    return "";
}

static void
association_input(Association *a, const Packet *pkt)
{
    SocketTable *table = a->s.table;
    Socket *s = &a->s;

    if (pkt->sctp.chunk != SCTP_INIT && pkt->sctp.vtag != a->own_tag)
        return;
    switch (pkt->sctp.chunk) {
    case SCTP_INIT_ACK:
        if (a->state != SCTP_COOKIE_WAIT)
            return;
        a->peer_tag = pkt->sctp.init_tag;
        a->state = SCTP_COOKIE_ECHOED;
        a->retries = 0;
        a->rto = SCTP_RTO_INITIAL;
        send_chunk(table, a, &s->key, s->flow, SCTP_COOKIE_ECHO, a->peer_tag, 0, NULL);
        timer_arm(table->sim, a->timer, table->sim->now + a->rto);
        return;
    case SCTP_COOKIE_ACK:
        if (a->state == SCTP_COOKIE_ECHOED)
            established(a);
        return;
    case SCTP_COOKIE_ECHO:
        send_chunk(table, a, &s->key, s->flow, SCTP_COOKIE_ACK, a->peer_tag, 0, NULL);
        return;
    case SCTP_ABORT:
        socket_end(s, SOCK_RST, a->state == SCTP_ESTABLISHED ? "reset" : "refused");
        return;
    case SCTP_SHUTDOWN:
        send_chunk(table, a, &s->key, s->flow, SCTP_SHUTDOWN_ACK, a->peer_tag, 0, NULL);
        socket_end(s, SOCK_OK, "closed");
        return;
    case SCTP_DATA:
        if (s->callbacks && s->callbacks->received)
            s->callbacks->received(s, &pkt->payload, pkt->src, pkt->sport, s->user);
        return;
    default:
        return;
    }
}

/* The tag that a listener gives is a function of the tuple and the peer's tag, so that INIT leaves no state: the peer
 * brings both back, ours as the verification tag, its own being kept from the INIT by that function's inverse. */
static void
listener_input(Socket *l, const Packet *pkt)
{
    SocketTable *table = l->table;
    SocketOptions options = {.local = pkt->dst, .local_port = pkt->dport, .flow = pkt->flow, .tos = l->tos};
    SocketKey key = {.local = pkt->dst,
                     .remote = pkt->src,
                     .local_port = pkt->dport,
                     .remote_port = pkt->sport,
                     .proto = IPPROTO_SCTP_};
    uint32_t secret = (uint32_t)rng_hash(table->sim->seed, &key, sizeof key) | 1;
    Association *a;

    if (pkt->sctp.chunk == SCTP_INIT) {
        send_chunk(table, NULL, &key, pkt->flow, SCTP_INIT_ACK, pkt->sctp.init_tag, pkt->sctp.init_tag ^ secret, NULL);
        return;
    }
    if (pkt->sctp.chunk != SCTP_COOKIE_ECHO)
        return;
    a = association_new(table, &options, NULL, NULL);
    a->own_tag = pkt->sctp.vtag;
    a->peer_tag = pkt->sctp.vtag ^ secret;
    a->s.key.remote = pkt->src;
    a->s.key.remote_port = pkt->sport;
    a->state = SCTP_ESTABLISHED;
    socket_hash(&a->s);
    send_chunk(table, a, &key, pkt->flow, SCTP_COOKIE_ACK, a->peer_tag, 0, NULL);
    socket_trace(&a->s, "accepted", NULL);
    if (l->callbacks && l->callbacks->accepted)
        l->callbacks->accepted(l, &a->s, l->user);
}

static void
on_timer(Sim *sim, void *owner)
{
    Association *a = owner;
    Socket *s = &a->s;

    if (a->send_error) {
        socket_end(s, (SocketError)a->send_error, "refused");
        return;
    }
    if (a->retries >= SCTP_INIT_RETRIES) {
        socket_end(s, SOCK_TIMEOUT, "timeout");
        return;
    }
    a->retries++;
    a->rto = MIN(a->rto * 2, SCTP_RTO_MAX);
    timer_arm(sim, a->timer, sim->now + a->rto);
    if (a->state == SCTP_COOKIE_WAIT)
        send_chunk(s->table, a, &s->key, s->flow, SCTP_INIT, 0, a->own_tag, NULL);
    else
        send_chunk(s->table, a, &s->key, s->flow, SCTP_COOKIE_ECHO, a->peer_tag, 0, NULL);
}

static IpSendResult
send_chunk(SocketTable *table, Association *a, const SocketKey *key, uint64_t flow, uint8_t chunk, uint32_t vtag,
           uint32_t init_tag, const Payload *payload)
{
    Packet *pkt = socket_packet(table, key, flow);

    pkt->dont_fragment = true;
    pkt->sctp.chunk = chunk;
    pkt->sctp.vtag = vtag;
    pkt->sctp.init_tag = init_tag;
    if (payload)
        packet_set_payload(pkt, payload->buf, payload->offset, payload->len);
    return socket_ip_send(table, a ? &a->s : NULL, pkt);
}

static Association *
association_new(SocketTable *table, const SocketOptions *options, const SocketCallbacks *callbacks, void *user)
{
    Association *a = g_new0(Association, 1);

    socket_init(table, &a->s, SOCKET_SCTP, IPPROTO_SCTP_, options, callbacks, user);
    a->own_tag = (uint32_t)rng_mix(table->secret, a->s.flow) | 1;
    a->rto = SCTP_RTO_INITIAL;
    a->timer = timer_new(table->sim, "sctp", host_entity(table->host), on_timer, a);
    return a;
}

static void
established(Association *a)
{
    a->state = SCTP_ESTABLISHED;
    timer_disarm(a->s.table->sim, a->timer);
    socket_trace(&a->s, "connected", NULL);
    if (a->s.callbacks && a->s.callbacks->connected)
        a->s.callbacks->connected(&a->s, a->s.user);
}
