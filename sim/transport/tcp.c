/* TCP: listeners, and the calls of a connection's owner; see tcp.h */

#include "sim/transport/tcp.h"

static void ensure_pools(SocketTable *table);
static void start_close(TcpConn *c);
static void free_queues(TcpConn *c);

/* As netstat says them. */
static const char *const state_names[] = {
    [TCP_ESTABLISHED] = "ESTABLISHED", [TCP_SYN_SENT] = "SYN_SENT",
    [TCP_SYN_RECV] = "SYN_RECV",       [TCP_FIN_WAIT1] = "FIN_WAIT1",
    [TCP_FIN_WAIT2] = "FIN_WAIT2",     [TCP_CLOSING] = "CLOSING",
    [TCP_CLOSE_WAIT] = "CLOSE_WAIT",   [TCP_LAST_ACK] = "LAST_ACK",
    [TCP_TIME_WAIT] = "TIME_WAIT",     [TCP_CLOSED] = "CLOSE",
};

Socket *
tcp_listen(Host *host, const SocketOptions *options, uint32_t backlog, const SocketCallbacks *callbacks, void *user,
           SocketError *ret_error)
{
    SocketTable *table = socket_table(host);
    TcpListener *l = g_new0(TcpListener, 1);
    SocketError error;

    ensure_pools(table);
    socket_init(table, &l->s, SOCKET_TCP_LISTEN, IPPROTO_TCP_, options, callbacks, user);
    l->backlog = MIN(backlog ? backlog : UINT32_MAX, host_sysctls(host)->somaxconn);
    error = socket_bind(&l->s);
    if (error != SOCK_OK) {
        g_free(l);
        if (ret_error)
            *ret_error = error;
        return NULL;
    }
    return &l->s;
}

void
tcp_listener_pause(Socket *s, bool paused)
{
    TcpListener *l = (TcpListener *)s;

    g_assert(s->kind == SOCKET_TCP_LISTEN);
    l->paused = paused;
    socket_pin(s);
    while (l->n_waiting && !l->paused && !s->doomed) {
        Socket *at = s->table->first; /* From the front each time: the owner may close any socket. */
        while (at->kind != SOCKET_TCP || ((TcpConn *)at)->listener != l || ((TcpConn *)at)->state == TCP_SYN_RECV)
            at = at->next;
        l->n_waiting--;
        tcp_accept((TcpConn *)at);
    }
    socket_unpin(s);
}

/* The owner closes the listener: the kernel resets what was never accepted. */
void
tcp_listener_dismiss(Socket *s)
{
    TcpListener *l = (TcpListener *)s;
    Socket *next;

    for (Socket *at = s->table->first; at; at = next) {
        TcpConn *c = (TcpConn *)at;
        next = at->next;
        if (at->kind != SOCKET_TCP || c->listener != l)
            continue;
        if (c->state != TCP_SYN_RECV)
            tcp_send_reset(c);
        c->listener = NULL;
        socket_doom(at);
    }
}

Socket *
tcp_connect(Host *host, IpAddr to, uint16_t port, const SocketOptions *options, const SocketCallbacks *callbacks,
            void *user, SocketError *ret_error)
{
    SocketTable *table = socket_table(host);
    TcpConn *c;
    SocketError error;
    IpSendResult sent;

    ensure_pools(table);
    c = tcp_conn_new(table, options, callbacks, user);
    c->accepted = true;
    c->keepalive = options && options->keepalive;
    c->s.key.remote = to;
    c->s.key.remote_port = port;
    error = socket_connect(&c->s);
    if (error != SOCK_OK && error != SOCK_ENETUNREACH) {
        socket_doom(&c->s);
        if (ret_error)
            *ret_error = error;
        return NULL;
    }
    c->state = TCP_SYN_SENT;
    if (error == SOCK_ENETUNREACH) {
        c->send_error = (uint8_t)error;
        c->misc_at = table->sim->now;
        tcp_timer_update(c);
        return &c->s;
    }
    if (options && options->connect_timeout)
        c->misc_at = table->sim->now + options->connect_timeout;
    tcp_init_sequence(c, 0);
    tcp_sync_mss(c, ip_path_mtu(host, to));
    c->rtx_since = table->sim->now;
    c->rtx_at = table->sim->now + TCP_RTO_INIT_US * SIMTIME_USEC;
    sent = tcp_send_syn(c);
    /* tcp_connect() of the kernel ignores EPERM: a SYN that an OUTPUT rule drops is tried again until the ladder ends
     * (seen: ETIMEDOUT after 131 s with iptables -A OUTPUT -j DROP). */
    if (sent == IP_ENETUNREACH || sent == IP_EHOSTUNREACH || sent == IP_EACCES || sent == IP_EINVAL) {
        c->send_error = (uint8_t)socket_error_of_send(sent);
        c->misc_at = table->sim->now;
    }
    tcp_timer_update(c);
    return &c->s;
}

void
tcp_send(Socket *s, PayloadBuf *buf, uint32_t offset, uint32_t len)
{
    TcpConn *c = (TcpConn *)s;
    TxSlice *slice;

    g_assert(s->kind == SOCKET_TCP);
    if (s->doomed || c->fin_queued || len == 0)
        return;
    slice = pool_alloc(&s->table->tx_slices);
    *slice = (TxSlice){.buf = buf, .offset = offset, .len = len};
    if (buf)
        payload_buf_ref(buf);
    if (c->tx_tail)
        c->tx_tail->next = slice;
    else
        c->tx_head = slice;
    c->tx_tail = slice;
    c->write_seq += len;
    if (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT) {
        tcp_output(c);
        tcp_timer_update(c);
    }
}

void
tcp_shutdown(Socket *s)
{
    TcpConn *c = (TcpConn *)s;

    if (s->doomed || c->fin_queued)
        return;
    start_close(c);
    tcp_timer_update(c);
}

void
tcp_abort(Socket *s)
{
    TcpConn *c = (TcpConn *)s;

    if (s->doomed)
        return;
    s->callbacks = NULL;
    if (c->state != TCP_SYN_SENT)
        tcp_send_reset(c);
    socket_trace(s, "aborted", NULL);
    socket_doom(s);
}

bool
tcp_position(Host *host, IpAddr local, uint16_t local_port, IpAddr remote, uint16_t remote_port,
             uint32_t *ret_send_next, uint32_t *ret_receive_next)
{
    const SocketKey key = {
        .local = local, .remote = remote, .local_port = local_port, .remote_port = remote_port, .proto = IPPROTO_TCP_};
    const Socket *s = socket_find(socket_table(host), &key);
    const TcpConn *conn = (const TcpConn *)s;

    if (!s || s->kind != SOCKET_TCP)
        return false;
    *ret_send_next = conn->snd_nxt;
    *ret_receive_next = conn->rcv_nxt;
    return true;
}

void
tcp_close(Socket *s)
{
    TcpConn *c = (TcpConn *)s;

    s->callbacks = NULL;
    if (s->doomed)
        return;
    c->closed_by_owner = true;
    if (c->state == TCP_SYN_SENT) {
        socket_doom(s);
        return;
    }
    if (!c->fin_queued)
        start_close(c);
    tcp_misc_restart(c);
    tcp_timer_update(c);
}

uint32_t
socket_retransmits(const Socket *s)
{
    return s->kind == SOCKET_TCP ? ((const TcpConn *)s)->n_retransmits : 0;
}

/* --- Private to the room ------------------------------------------------------------------------------------------ */

TcpConn *
tcp_conn_new(SocketTable *table, const SocketOptions *options, const SocketCallbacks *callbacks, void *user)
{
    TcpConn *c = pool_alloc(&table->tcp_conns);

    memset(c, 0, sizeof *c);
    socket_init(table, &c->s, SOCKET_TCP, IPPROTO_TCP_, options, callbacks, user);
    c->rtx_at = c->delack_at = c->misc_at = SIMTIME_NEVER;
    c->cwnd = TCP_INIT_CWND;
    c->ssthresh = UINT32_MAX;
    c->rto_us = TCP_RTO_INIT_US;
    c->rcv_limit = 65535;
    c->timer = timer_new(table->sim, "tcp", host_entity(table->host), tcp_timer_fire, c);
    return c;
}

/* secure_tcp_seq(), secure_tcp_ts_off(): both go up over the connections of a tuple and of a pair of addresses, which
 * is what lets a new SYN pass a record in TIME_WAIT. */
void
tcp_init_sequence(TcpConn *c, uint32_t lowest_iss)
{
    SocketTable *table = c->s.table;
    IpAddr pair[2] = {c->s.key.local, c->s.key.remote};
    uint64_t tuple = rng_hash(table->secret, &c->s.key, sizeof c->s.key);

    c->iss = (uint32_t)tuple + (uint32_t)(table->sim->now >> 6);
    if (lowest_iss && seq_lt(c->iss, lowest_iss))
        c->iss = lowest_iss;
    c->ts_offset = (uint32_t)rng_hash(table->secret, pair, sizeof pair);
    c->ip_id = (uint16_t)(tuple >> 32);
    c->snd_una = c->snd_nxt = c->iss;
    c->tx_seq = c->write_seq = c->iss + 1;
    c->rtx_nxt = c->rtx_end = c->recover = c->iss;
}

void
tcp_accept(TcpConn *c)
{
    TcpListener *l = c->listener;

    c->listener = NULL;
    c->accepted = true;
    socket_trace(&c->s, "accepted", NULL);
    socket_pin(&c->s);
    if (l->s.callbacks && l->s.callbacks->accepted)
        l->s.callbacks->accepted(&l->s, &c->s, l->s.user);
    if (!c->s.doomed)
        tcp_deliver(c);
    tcp_timer_update(c);
    socket_unpin(&c->s);
}

void
tcp_fail(TcpConn *c, SocketError error)
{
    const char *event = "reset";

    if (c->state == TCP_SYN_SENT)
        event = error == SOCK_TIMEOUT ? "timeout" : "refused";
    else if (error == SOCK_TIMEOUT)
        event = "timeout";
    if (c->listener) { /* Nobody knows of it yet. */
        if (c->state != TCP_SYN_RECV)
            c->listener->n_waiting--;
        c->listener = NULL;
        socket_doom(&c->s);
        return;
    }
    c->state = TCP_CLOSED;
    socket_end(&c->s, error, event);
}

void
tcp_finish(TcpConn *c)
{
    c->state = TCP_CLOSED;
    socket_end(&c->s, SOCK_OK, "closed");
}

void
tcp_host_gone(Socket *s)
{
    tcp_fail((TcpConn *)s, SOCK_HOST_DOWN);
}

void
tcp_free(Socket *s)
{
    TcpConn *c = (TcpConn *)s;

    timer_free(s->table->sim, &c->timer);
    free_queues(c);
    pool_release(&s->table->tcp_conns, c);
}

const char *
tcp_state_name(const Socket *s)
{
    return state_names[((const TcpConn *)s)->state];
}

static void
ensure_pools(SocketTable *table)
{
    if (table->tcp_conns.object_size)
        return;
    pool_init(&table->tcp_conns, sizeof(TcpConn), 8);
    pool_init(&table->tx_slices, sizeof(TxSlice), 16);
    pool_init(&table->rx_slices, sizeof(RxSlice), 16);
}

static void
start_close(TcpConn *c)
{
    c->fin_queued = true;
    if (c->state == TCP_ESTABLISHED || c->state == TCP_SYN_RECV)
        c->state = TCP_FIN_WAIT1;
    else if (c->state == TCP_CLOSE_WAIT)
        c->state = TCP_LAST_ACK;
    tcp_output(c);
}

static void
free_queues(TcpConn *c)
{
    SocketTable *table = c->s.table;

    while (c->tx_head) {
        TxSlice *slice = c->tx_head;
        c->tx_head = slice->next;
        payload_buf_unref(slice->buf);
        pool_release(&table->tx_slices, slice);
    }
    c->tx_tail = NULL;
    while (c->rx_head) {
        RxSlice *slice = c->rx_head;
        c->rx_head = slice->next;
        payload_buf_unref(slice->buf);
        pool_release(&table->rx_slices, slice);
    }
}
