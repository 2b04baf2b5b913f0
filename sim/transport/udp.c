/* UDP, as net/ipv4/udp.c: datagrams, connected sockets, ICMP errors */

#include "sim/transport/socket_table.h"

typedef struct {
    Socket s;
    IpAddr last_from;
    uint16_t last_port;
    uint64_t last_flow;
} UdpSocket;

static bool is_hard_error(const Packet *pkt);

Socket *
udp_open(Host *host, const SocketOptions *options, const SocketCallbacks *callbacks, void *user, SocketError *ret_error)
{
    SocketTable *table = socket_table(host);
    UdpSocket *u = g_new0(UdpSocket, 1);
    SocketError error;

    socket_init(table, &u->s, SOCKET_UDP, IPPROTO_UDP_, options, callbacks, user);
    error = socket_bind(&u->s);
    if (error != SOCK_OK) {
        g_free(u);
        if (ret_error)
            *ret_error = error;
        return NULL;
    }
    return &u->s;
}

void
udp_connect(Socket *s, IpAddr to, uint16_t port)
{
    g_assert(s->kind == SOCKET_UDP);
    if (s->doomed)
        return;
    socket_unhash(s);
    s->key.remote = to;
    s->key.remote_port = port;
    if (ipaddr_is_any(&s->key.local) && !ip_source_for(s->table->host, to, &s->key.local))
        return; /* No route: each send will say so. */
    if (!socket_find(s->table, &s->key))
        socket_hash(s);
}

SocketError
udp_send(Socket *s, IpAddr to, uint16_t port, PayloadBuf *buf, uint32_t offset, uint32_t len)
{
    const UdpSocket *u = (const UdpSocket *)s;
    bool answer = u->last_flow && port == u->last_port && ipaddr_eq(to, u->last_from);

    return udp_send_flow(s, to, port, buf, offset, len, answer ? u->last_flow : s->flow);
}

SocketError
udp_send_flow(Socket *s, IpAddr to, uint16_t port, PayloadBuf *buf, uint32_t offset, uint32_t len, uint64_t flow)
{
    SocketKey key = s->key;
    Packet *pkt;

    g_assert(s->kind == SOCKET_UDP);
    if (s->doomed)
        return SOCK_HOST_DOWN;
    if (len > 65507)
        return SOCK_EMSGSIZE;
    key.remote = to;
    key.remote_port = port;
    if (ipaddr_is_any(&key.local) && !ip_source_for(s->table->host, to, &key.local))
        return SOCK_ENETUNREACH;
    pkt = socket_packet(s->table, &key, flow);
    pkt->tos = s->tos;
    pkt->dont_fragment = true;
    packet_set_payload(pkt, buf, offset, len);
    return socket_error_of_send(socket_ip_send(s->table, s, pkt));
}

uint64_t
udp_received_flow(const Socket *s)
{
    return ((const UdpSocket *)s)->last_flow;
}

void
udp_input(SocketTable *table, Packet *pkt)
{
    SocketKey key = {.local = pkt->dst,
                     .remote = pkt->src,
                     .local_port = pkt->dport,
                     .remote_port = pkt->sport,
                     .proto = IPPROTO_UDP_};
    Socket *s = socket_find(table, &key);
    UdpSocket *u;

    if (!s)
        s = socket_find_bound(table, IPPROTO_UDP_, pkt->dst, pkt->dport);
    if (!s) {
        socket_refuse(table, pkt);
        return;
    }
    u = (UdpSocket *)s;
    u->last_from = pkt->src;
    u->last_port = pkt->sport;
    u->last_flow = pkt->flow;
    socket_trace_deliver(table, s, pkt);
    socket_pin(s);
    if (s->callbacks && s->callbacks->received)
        s->callbacks->received(s, &pkt->payload, pkt->src, pkt->sport, s->user);
    socket_unpin(s);
    packet_free(table->sim, pkt);
}

/* Only a connected socket hears of errors, and only of hard ones (__udp4_lib_err()): net and host unreachable and
 * time exceeded pass unnoticed, the owner sees silence. */
void
udp_icmp_error(Socket *s, const Packet *pkt)
{
    SocketError error = socket_error_of_icmp(pkt);

    if (!s->hashed || error == SOCK_OK || !is_hard_error(pkt))
        return;
    socket_pin(s);
    socket_trace(s, "error", socket_error_code(error));
    if (s->callbacks && s->callbacks->error)
        s->callbacks->error(s, error, s->user);
    socket_unpin(s);
}

/* 'fatal' of icmp_err_convert[] and tab_unreach[]. */
static bool
is_hard_error(const Packet *pkt)
{
    if (pkt->proto == IPPROTO_ICMP_) {
        static const bool fatal[] = {0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1};
        return pkt->icmp.type == 3 && pkt->icmp.code < G_N_ELEMENTS(fatal) && fatal[pkt->icmp.code];
    }
    static const bool fatal6[] = {0, 1, 0, 0, 1, 1, 1};
    return pkt->icmp.type == 1 && pkt->icmp.code < G_N_ELEMENTS(fatal6) && fatal6[pkt->icmp.code];
}
