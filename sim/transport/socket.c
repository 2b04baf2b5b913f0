/* Sockets: life, errors, what all kinds share; see socket_table.h.  Ports are in port.c, the host's side in
 * transport.c. */

#include "sim/transport/socket.h"

#include "sim/transport/socket_table.h"

#define ERROR_CODE(id, code, text) code,
#define ERROR_TEXT(id, code, text) text,
static const char *const error_codes[] = {SOCKET_ERRORS(ERROR_CODE)};
static const char *const error_texts[] = {SOCKET_ERRORS(ERROR_TEXT)};
#undef ERROR_CODE
#undef ERROR_TEXT

static void socket_free(Socket *s);

const char *
socket_error_code(SocketError error)
{
    g_assert(error < SOCK_N_ERRORS);
    return error_codes[error];
}

const char *
socket_error_text(SocketError error)
{
    g_assert(error < SOCK_N_ERRORS);
    return error_texts[error];
}

void
socket_close(Socket *s)
{
    if (s->kind == SOCKET_TCP) {
        tcp_close(s);
        return;
    }
    s->callbacks = NULL;
    if (s->kind == SOCKET_SCTP) {
        sctp_close(s);
        return;
    }
    if (s->kind == SOCKET_TCP_LISTEN)
        tcp_listener_dismiss(s);
    socket_doom(s);
}

void
socket_set_user(Socket *s, const SocketCallbacks *callbacks, void *user)
{
    s->callbacks = callbacks;
    s->user = user;
}

void *
socket_user(const Socket *s)
{
    return s->user;
}

Host *
socket_host(const Socket *s)
{
    return s->table->host;
}

uint8_t
socket_proto(const Socket *s)
{
    return s->key.proto;
}

uint64_t
socket_flow(const Socket *s)
{
    return s->flow;
}

IpAddr
socket_local(const Socket *s, uint16_t *ret_port)
{
    if (ret_port)
        *ret_port = s->key.local_port;
    return s->key.local;
}

IpAddr
socket_remote(const Socket *s, uint16_t *ret_port)
{
    if (ret_port)
        *ret_port = s->key.remote_port;
    return s->key.remote;
}

const char *
socket_state_name(const Socket *s)
{
    switch ((SocketKind)s->kind) {
    case SOCKET_TCP_LISTEN:
    case SOCKET_SCTP_LISTEN:
        return "LISTEN";
    case SOCKET_TCP:
        return tcp_state_name(s);
    case SOCKET_UDP:
        return s->hashed ? "ESTABLISHED" : "UNCONN";
    case SOCKET_SCTP:
        return sctp_state_name(s);
    }
    return "";
}

void
sockets_each(Host *host, void (*each)(const Socket *s, void *user), void *user)
{
    const SocketTable *table = host_transport(host);

    if (!table)
        return;
    for (size_t i = 0; i < table->bound.len; i++)
        each(table->bound.data[i], user);
    for (const Socket *s = table->first; s; s = s->next) {
        if (!s->bound)
            each(s, user);
    }
    tcp_time_wait_each(host_transport(host), each, user);
}

size_t
sockets_len(const Host *host)
{
    const SocketTable *table = host_transport(host);

    return table ? table->bound.len + table->n_connected + tcp_time_wait_len(table) : 0;
}

/* --- Private to the room ------------------------------------------------------------------------------------------ */

void
socket_init(SocketTable *table, Socket *s, SocketKind kind, uint8_t proto, const SocketOptions *options,
            const SocketCallbacks *callbacks, void *user)
{
    memset(s, 0, sizeof *s);
    s->table = table;
    s->callbacks = callbacks;
    s->user = user;
    s->kind = kind;
    s->key.proto = proto;
    if (options) {
        s->flow = options->flow;
        s->tos = options->tos;
        s->key.local = options->local;
        s->key.local_port = options->local_port;
    }
    if (!s->flow)
        s->flow = socket_new_flow(table);
}

uint64_t
socket_new_flow(SocketTable *table)
{
    return rng_mix(rng_hash_str(table->sim->seed, host_name(table->host)), ++table->n_flows);
}

Socket *
socket_find(SocketTable *table, const SocketKey *key)
{
    Socket *const *found = htable_find(&table->by_key, key);

    return found ? *found : NULL;
}

void
socket_hash(Socket *s)
{
    SocketTable *table = s->table;
    Socket **slot = htable_insert(&table->by_key, &s->key, NULL);

    g_assert(!*slot);
    *slot = s;
    s->hashed = true;
    if (s->bound)
        return; /* A connected UDP socket stays in the list of bound ones. */
    s->next = NULL;
    s->prev = table->last;
    if (table->last)
        table->last->next = s;
    else
        table->first = s;
    table->last = s;
    table->n_connected++;
}

void
socket_unhash(Socket *s)
{
    SocketTable *table = s->table;

    if (!s->hashed)
        return;
    htable_remove(&table->by_key, &s->key);
    s->hashed = false;
    if (s->bound)
        return;
    if (s->prev)
        s->prev->next = s->next;
    else
        table->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    else
        table->last = s->prev;
    s->prev = s->next = NULL;
    table->n_connected--;
}

void
socket_pin(Socket *s)
{
    g_assert(s->pins < UINT8_MAX);
    s->pins++;
}

void
socket_unpin(Socket *s)
{
    g_assert(s->pins > 0);
    if (--s->pins == 0 && s->doomed)
        socket_free(s);
}

void
socket_doom(Socket *s)
{
    if (s->doomed)
        return;
    socket_unhash(s);
    socket_unbind(s);
    s->callbacks = NULL;
    s->doomed = true;
    if (s->pins == 0)
        socket_free(s);
}

void
socket_end(Socket *s, SocketError error, const char *event)
{
    const SocketCallbacks *callbacks = s->callbacks;

    if (s->doomed)
        return;
    socket_pin(s);
    /* Off the tables first: the owner may want to use the port again. */
    socket_unhash(s);
    socket_unbind(s);
    s->callbacks = NULL;
    socket_trace(s, event, error == SOCK_OK ? NULL : socket_error_code(error));
    if (callbacks && callbacks->closed)
        callbacks->closed(s, error, s->user);
    socket_doom(s);
    socket_unpin(s);
}

Packet *
socket_packet(SocketTable *table, const SocketKey *key, uint64_t flow)
{
    Packet *pkt = packet_new(table->sim);

    pkt->flow = flow;
    pkt->src = key->local;
    pkt->dst = key->remote;
    pkt->sport = key->local_port;
    pkt->dport = key->remote_port;
    pkt->proto = key->proto;
    pkt->ttl = host_sysctls(table->host)->default_ttl;
    return pkt;
}

IpSendResult
socket_ip_send(SocketTable *table, Socket *s, Packet *pkt)
{
    IpSendResult result;

    pkt->meta.owner = s;
    table->sending++;
    result = ip_send(table->host, pkt);
    table->sending--;
    return result;
}

void
socket_refuse(SocketTable *table, Packet *pkt)
{
    table->sending++;
    ip_answer_no_socket(table->host, pkt);
    table->sending--;
}

SocketError
socket_error_of_send(IpSendResult result)
{
    switch (result) {
    case IP_SENT:
        return SOCK_OK;
    case IP_EPERM:
    case IP_EACCES:
        return SOCK_EPERM;
    case IP_ENETUNREACH:
    case IP_EINVAL:
        return SOCK_ENETUNREACH;
    case IP_EHOSTUNREACH:
        return SOCK_EHOSTUNREACH;
    case IP_EMSGSIZE:
        return SOCK_EMSGSIZE;
    }
    return SOCK_OK;
}

/* The kernel's icmp_err_convert[] (net/ipv4/icmp.c) and icmpv6_err_convert(), in our words; SOCK_OK: no error. */
SocketError
socket_error_of_icmp(const Packet *pkt)
{
    if (pkt->proto == IPPROTO_ICMP_) {
        static const SocketError unreach[] = {
            SOCK_NET_UNREACH,  SOCK_HOST_UNREACH, SOCK_PROTO_UNREACH, SOCK_PORT_UNREACH,
            SOCK_OK,           SOCK_OK,           SOCK_NET_UNREACH,   SOCK_HOST_UNREACH,
            SOCK_NET_UNREACH,  SOCK_PROHIBITED,   SOCK_PROHIBITED,    SOCK_NET_UNREACH,
            SOCK_HOST_UNREACH, SOCK_PROHIBITED,   SOCK_HOST_UNREACH,  SOCK_HOST_UNREACH};
        if (pkt->icmp.type == 3 && pkt->icmp.code < G_N_ELEMENTS(unreach))
            return unreach[pkt->icmp.code];
        return pkt->icmp.type == 11 ? SOCK_TTL_EXCEEDED : SOCK_OK;
    }
    if (pkt->icmp.type == 1) {
        static const SocketError unreach6[] = {SOCK_NET_UNREACH,  SOCK_PROHIBITED, SOCK_HOST_UNREACH, SOCK_HOST_UNREACH,
                                               SOCK_PORT_UNREACH, SOCK_PROHIBITED, SOCK_PROHIBITED};
        return pkt->icmp.code < G_N_ELEMENTS(unreach6) ? unreach6[pkt->icmp.code] : SOCK_OK;
    }
    if (pkt->icmp.type == 4)
        return SOCK_PROTO_UNREACH; /* Parameter problem, which is what a header that nobody knows is. */
    return pkt->icmp.type == 3 ? SOCK_TTL_EXCEEDED : SOCK_OK;
}

void
socket_trace(Socket *s, const char *event, const char *reason)
{
    Sim *sim = s->table->sim;

    if (event && trace_wants(sim, TRACE_SOCKET)) {
        TraceRecord record = {.kind = TRACE_SOCKET, .host = s->table->host};
        record.socket.socket = s;
        record.socket.event = event;
        record.socket.reason = reason;
        trace_emit(sim, &record);
    }
}

void
socket_trace_deliver(SocketTable *table, Socket *s, const Packet *pkt)
{
    if (trace_wants(table->sim, TRACE_DELIVER)) {
        TraceRecord record = {.kind = TRACE_DELIVER, .host = table->host, .dev = pkt->meta.in, .pkt = pkt};
        record.sock.socket = s;
        trace_emit(table->sim, &record);
    }
}

static void
socket_free(Socket *s)
{
    switch ((SocketKind)s->kind) {
    case SOCKET_TCP:
        tcp_free(s);
        return;
    case SOCKET_SCTP:
        sctp_free(s);
        return;
    case SOCKET_TCP_LISTEN:
    case SOCKET_UDP:
    case SOCKET_SCTP_LISTEN:
        g_free(s);
        return;
    }
}
