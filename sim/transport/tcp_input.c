/* TCP: a segment arrives
 *
 * Read from tcp_input() down: connection, TIME_WAIT record, listener, nobody.  The order of checks is that of RFC 9293
 * 3.10.7 with the changes of RFC 5961, as tcp_rcv_state_process() and tcp_validate_incoming() do them.  The owner is
 * called last, when the connection's state is whole and the ACK has left. */

#include "sim/transport/tcp.h"

static void conn_input(TcpConn *c, Packet *pkt);
static bool accept_queue_full(const TcpConn *c);
static void listener_input(TcpListener *l, Packet *pkt, uint32_t lowest_iss);
static void send_answering_reset(TcpConn *c, const Packet *pkt);
static void syn_sent_input(TcpConn *c, const Packet *pkt);
static bool validate(TcpConn *c, const Packet *pkt);
static void ack_out_of_window(TcpConn *c, const Packet *pkt);
static void take_syn_options(TcpConn *c, const Packet *pkt);
static void established(TcpConn *c, const Packet *pkt);
static bool fin_acked(TcpConn *c);
static bool take_data(TcpConn *c, const Packet *pkt, Payload *ret_in_order);
static void queue_rx(TcpConn *c, uint32_t seq, const Payload *payload);
static void fin_arrived(TcpConn *c);
static void choose_ack(TcpConn *c, bool out_of_order, uint32_t len);
static void call_owner(TcpConn *c, const Payload *in_order, bool drained, bool fin);

void
tcp_input(SocketTable *table, Packet *pkt)
{
    SocketKey key = {.local = pkt->dst,
                     .remote = pkt->src,
                     .local_port = pkt->dport,
                     .remote_port = pkt->sport,
                     .proto = IPPROTO_TCP_};
    Socket *s = socket_find(table, &key);
    uint32_t lowest_iss = 0;

    if (s) {
        conn_input((TcpConn *)s, pkt);
        return;
    }
    if (tcp_time_wait_input(table, &key, pkt, &lowest_iss))
        return;
    s = socket_find_bound(table, IPPROTO_TCP_, pkt->dst, pkt->dport);
    if (s && s->kind == SOCKET_TCP_LISTEN)
        listener_input((TcpListener *)s, pkt, lowest_iss);
    else
        socket_refuse(table, pkt);
}

/* tcp_v4_err(), tcp_v6_err(): an error ends a connection attempt; later it is only remembered.
 *
 * The kernel loses the error if it comes while connect() still holds the socket (an answer over zero-latency veths or
 * from the host's own rules): the attempt then ends a second later, with the answer to the next SYN.  That is a matter
 * of the call's locking, not of the network; here the attempt ends at once. */
void
tcp_icmp_error(Socket *s, const Packet *pkt)
{
    TcpConn *c = (TcpConn *)s;
    const QuotedPacket *quote = &pkt->icmp.quote;
    bool too_big = pkt->proto == IPPROTO_ICMP_ ? pkt->icmp.type == 3 && pkt->icmp.code == 4 : pkt->icmp.type == 2;
    SocketError error = socket_error_of_icmp(pkt);

    if (seq_lt(quote->seq, c->snd_una) || seq_lt(c->snd_nxt, quote->seq))
        return;
    if (too_big) {
        uint32_t mtu = ip_path_mtu(s->table->host, s->key.remote);
        uint32_t mss = c->mss;
        if (pkt->icmp.mtu)
            mtu = MIN(mtu, pkt->icmp.mtu);
        tcp_sync_mss(c, mtu);
        if (c->mss >= mss || c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV)
            return;
        /* tcp_simple_retransmit(): what was too large goes again at once; no congestion is assumed. */
        c->ca = TCP_RECOVERY;
        c->ssthresh = MAX(c->cwnd, 2u);
        c->recover = c->rtx_end = c->snd_nxt;
        c->rtx_nxt = c->snd_una;
        tcp_output(c);
        tcp_timer_update(c);
        return;
    }
    if (error == SOCK_OK)
        return;
    if (c->state == TCP_SYN_SENT)
        tcp_fail(c, error);
    else if (c->state != TCP_SYN_RECV)
        c->soft_error = (uint8_t)error;
}

void
tcp_deliver(TcpConn *c)
{
    Payload none = {0};

    call_owner(c, &none, false, c->fin_done);
}

static void
conn_input(TcpConn *c, Packet *pkt)
{
    SocketTable *table = c->s.table;
    Sim *sim = table->sim;
    Payload in_order = {0};
    bool had_unacked, drained, fin_before, out_of_order = false;

    if (accept_queue_full(c)) {
        /* The ACK is forgotten; the SYN-ACK will come again. */
        host_drop(table->host, pkt, DROP_LISTEN_OVERFLOW);
        if (host_sysctls(table->host)->tcp_abort_on_overflow) {
            send_answering_reset(c, pkt);
            tcp_fail(c, SOCK_RST);
        }
        return;
    }
    socket_trace_deliver(table, &c->s, pkt);
    socket_pin(&c->s);
    if (c->state == TCP_SYN_SENT) {
        syn_sent_input(c, pkt);
        goto out;
    }
    if (!validate(c, pkt))
        goto out;
    if (c->state == TCP_SYN_RECV) {
        if (pkt->tcp.ack != c->snd_nxt) {
            send_answering_reset(c, pkt);
            goto out;
        }
        established(c, pkt);
    }
    had_unacked = seq_lt(c->snd_una, c->write_seq);
    if (!tcp_ack(c, pkt))
        goto out;
    drained = had_unacked && !seq_lt(c->snd_una, c->write_seq);
    if (c->closed_by_owner && seq_lt(c->rcv_nxt, pkt->tcp.seq + pkt->payload.len)) {
        /* Data for an owner that is gone (RFC 1122, 4.2.2.13). */
        send_answering_reset(c, pkt);
        socket_end(&c->s, SOCK_OK, "aborted");
        goto out;
    }
    if (fin_acked(c))
        goto out;
    fin_before = c->fin_done;
    if (pkt->payload.len || (pkt->tcp.flags & TCP_FIN))
        out_of_order = take_data(c, pkt, &in_order);
    tcp_output(c); /* What the ACK allows; may carry our ACK. */
    choose_ack(c, out_of_order, pkt->payload.len);
    if (c->accepted)
        call_owner(c, &in_order, drained, c->fin_done && !fin_before);
    else if (!c->listener->paused)
        tcp_accept(c);

out:
    if (!c->s.doomed) {
        if (c->keepalive || c->state == TCP_FIN_WAIT2)
            tcp_misc_restart(c);
        tcp_timer_update(c);
    }
    socket_unpin(&c->s);
    packet_free(sim, pkt);
}

static bool
accept_queue_full(const TcpConn *c)
{
    const TcpListener *l = c->listener;

    return c->state == TCP_SYN_RECV && l && l->paused && l->n_waiting > l->backlog;
}

static void
listener_input(TcpListener *l, Packet *pkt, uint32_t lowest_iss)
{
    SocketTable *table = l->s.table;
    SocketOptions options = {.local = pkt->dst, .local_port = pkt->dport, .flow = pkt->flow, .tos = l->s.tos};
    TcpConn *c;

    if (pkt->tcp.flags & TCP_RST) {
        host_drop(table->host, pkt, DROP_TCP_STATE);
        return;
    }
    if ((pkt->tcp.flags & (TCP_ACK | TCP_SYN)) != TCP_SYN) {
        socket_refuse(table, pkt);
        return;
    }
    if (l->paused && l->n_waiting > l->backlog) {
        host_drop(table->host, pkt, DROP_LISTEN_OVERFLOW);
        return;
    }
    c = tcp_conn_new(table, &options, NULL, NULL);
    c->listener = l;
    c->s.key.remote = pkt->src;
    c->s.key.remote_port = pkt->sport;
    tcp_init_sequence(c, lowest_iss);
    c->state = TCP_SYN_RECV;
    c->rcv_nxt = c->rcv_acked = pkt->tcp.seq + 1;
    take_syn_options(c, pkt);
    socket_hash(&c->s);
    socket_trace_deliver(table, &l->s, pkt);
    c->rtx_at = table->sim->now + TCP_RTO_INIT_US * SIMTIME_USEC;
    tcp_send_syn(c);
    tcp_timer_update(c);
    packet_free(table->sim, pkt);
}

static void
syn_sent_input(TcpConn *c, const Packet *pkt)
{
    bool acks = pkt->tcp.flags & TCP_ACK;

    if (acks && pkt->tcp.ack != c->iss + 1) {
        send_answering_reset(c, pkt);
        return;
    }
    if (pkt->tcp.flags & TCP_RST) {
        if (acks)
            tcp_fail(c, SOCK_RST);
        return;
    }
    if (!(pkt->tcp.flags & TCP_SYN))
        return;
    c->rcv_nxt = c->rcv_acked = pkt->tcp.seq + 1;
    c->rcv_edge += c->rcv_nxt; /* Was told relative to nothing. */
    take_syn_options(c, pkt);
    if (!acks) { /* Simultaneous open. */
        c->state = TCP_SYN_RECV;
        c->retries = 0;
        tcp_send_syn(c);
        return;
    }
    c->snd_una = c->iss + 1;
    if (c->rtt_timed)
        tcp_rtt_sample(c, tcp_sim(c)->now - c->rtt_at);
    else
        c->cwnd = 1; /* The SYN was lost: tcp_init_cwnd(). */
    c->rtt_timed = false;
    c->snd_wnd = pkt->tcp.window;
    c->snd_wl1 = pkt->tcp.seq;
    c->state = c->fin_queued ? TCP_FIN_WAIT1 : TCP_ESTABLISHED;
    c->rtx_at = SIMTIME_NEVER;
    c->misc_at = SIMTIME_NEVER;
    c->retries = c->backoff = 0;
    c->rtx_since = 0;
    c->rto_us = c->srtt_us ? c->rto_us : TCP_RTO_INIT_US;
    tcp_misc_restart(c);
    tcp_send_ack(c);
    c->connected = true;
    socket_trace(&c->s, "connected", NULL);
    if (c->s.callbacks && c->s.callbacks->connected)
        c->s.callbacks->connected(&c->s, c->s.user);
    if (!c->s.doomed)
        tcp_output(c);
}

static void
send_answering_reset(TcpConn *c, const Packet *pkt)
{
    Packet *reset = ip_make_tcp_reset(c->s.table->host, pkt);

    if (reset)
        socket_ip_send(c->s.table, &c->s, reset);
}

/* tcp_validate_incoming(). */
static bool
validate(TcpConn *c, const Packet *pkt)
{
    uint32_t seq = pkt->tcp.seq, end = seq + tcp_segment_len(pkt), edge = seq_max(c->rcv_edge, c->rcv_nxt);
    bool resets = pkt->tcp.flags & TCP_RST;

    if (c->ts_ok && pkt->tcp.has_ts && (int32_t)(pkt->tcp.ts_val - c->ts_recent) < 0 && !resets) {
        ack_out_of_window(c, pkt); /* PAWS, RFC 7323. */
        return false;
    }
    if (c->state == TCP_SYN_RECV && (pkt->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
        seq + 1 == c->rcv_nxt) {
        tcp_send_syn(c); /* Their SYN again: our answer was lost. */
        return false;
    }
    if (seq_lt(end, c->rcv_acked) || seq_lt(edge, seq)) {
        if (!resets)
            ack_out_of_window(c, pkt);
        return false;
    }
    if (resets) {
        if (seq == c->rcv_nxt)
            tcp_fail(c, SOCK_RST);
        else
            ack_out_of_window(c, pkt);
        return false;
    }
    if (pkt->tcp.flags & TCP_SYN) {
        if (c->state == TCP_SYN_RECV && (pkt->tcp.flags & TCP_ACK))
            return true; /* Simultaneous open. */
        ack_out_of_window(c, pkt);
        return false;
    }
    if (!(pkt->tcp.flags & TCP_ACK))
        return false;
    if (c->ts_ok && pkt->tcp.has_ts && seq_le(seq, c->rcv_acked))
        c->ts_recent = pkt->tcp.ts_val;
    return true;
}

/* At most two a second without data: two confused ends must not argue for ever (tcp_oow_rate_limited()). */
static void
ack_out_of_window(TcpConn *c, const Packet *pkt)
{
    uint32_t now_ms = (uint32_t)(tcp_sim(c)->now / SIMTIME_MSEC) + 1;

    if (c->state == TCP_SYN_RECV)
        return;
    if (pkt->payload.len == 0 && !(pkt->tcp.flags & TCP_FIN)) {
        if (c->oow_ms && now_ms - c->oow_ms < 500)
            return;
        c->oow_ms = now_ms;
    }
    tcp_send_ack(c);
}

static void
take_syn_options(TcpConn *c, const Packet *pkt)
{
    const HostSysctls *sysctls = host_sysctls(c->s.table->host);

    c->wscale_ok = pkt->tcp.wscale && sysctls->tcp_window_scaling;
    c->snd_wscale = c->wscale_ok ? (uint8_t)MIN(pkt->tcp.wscale - 1, 14) : 0;
    c->rcv_wscale = c->wscale_ok ? TCP_WSCALE : 0;
    c->sack_ok = pkt->tcp.sack_permitted && sysctls->tcp_sack;
    c->ts_ok = pkt->tcp.has_ts && sysctls->tcp_timestamps;
    c->ts_recent = c->ts_ok ? pkt->tcp.ts_val : 0;
    c->peer_mss = pkt->tcp.mss ? pkt->tcp.mss : 536;
    tcp_sync_mss(c, ip_path_mtu(c->s.table->host, c->s.key.remote));
}

/* The last ACK of a passive (or simultaneous) open. */
static void
established(TcpConn *c, const Packet *pkt)
{
    c->state = c->fin_queued ? TCP_FIN_WAIT1 : TCP_ESTABLISHED;
    c->snd_una = pkt->tcp.ack;
    c->snd_wl1 = pkt->tcp.seq;
    c->snd_wnd = (uint32_t)pkt->tcp.window << (c->wscale_ok ? c->snd_wscale : 0);
    if (c->rtt_timed)
        tcp_rtt_sample(c, tcp_sim(c)->now - c->rtt_at);
    c->rtt_timed = false;
    if (!c->srtt_us)
        c->rto_us = TCP_RTO_INIT_US;
    c->retries = c->backoff = 0;
    c->rtx_since = 0;
    c->rtx_at = SIMTIME_NEVER;
    c->connected = true;
    if (!c->listener) { /* Simultaneous open: our own attempt succeeded. */
        c->misc_at = SIMTIME_NEVER;
        socket_trace(&c->s, "connected", NULL);
        if (c->s.callbacks && c->s.callbacks->connected)
            c->s.callbacks->connected(&c->s, c->s.user);
    } else if (c->listener->paused) {
        c->listener->n_waiting++;
    }
}

/* State changes by the ACK of our FIN; true if the connection is over. */
static bool
fin_acked(TcpConn *c)
{
    if (!c->fin_sent || c->snd_una != c->write_seq + 1)
        return false;
    switch ((TcpState)c->state) {
    case TCP_FIN_WAIT1:
        c->state = TCP_FIN_WAIT2;
        tcp_misc_restart(c);
        return false;
    case TCP_CLOSING:
        tcp_time_wait_enter(c);
        return true;
    case TCP_LAST_ACK:
        tcp_finish(c);
        return true;
    case TCP_ESTABLISHED:
    case TCP_SYN_SENT:
    case TCP_SYN_RECV:
    case TCP_FIN_WAIT2:
    case TCP_CLOSE_WAIT:
    case TCP_TIME_WAIT:
    case TCP_CLOSED:
        return false;
    }
    return false;
}

/* Data and FIN in sequence space.  '*ret_in_order' is what may be handed over at once without a copy. */
static bool
take_data(TcpConn *c, const Packet *pkt, Payload *ret_in_order)
{
    Payload payload = pkt->payload;
    uint32_t seq = pkt->tcp.seq, before = c->rcv_nxt;
    bool out_of_order = false;

    if (pkt->tcp.flags & TCP_FIN) {
        c->fin_known = true;
        c->fin_seq = seq + payload.len;
    }
    if (seq_lt(seq, c->rcv_nxt)) {
        uint32_t old = MIN(c->rcv_nxt - seq, payload.len);
        out_of_order = payload.len > 0 || c->fin_done;
        payload.offset += old;
        payload.len -= old;
        seq += old;
    }
    if (payload.len && seq_lt(c->rcv_edge, seq + payload.len))
        payload.len = c->rcv_edge - seq;
    if (payload.len) {
        if (!c->rx_seen) {
            c->rx_seen = true;
            c->quick = TCP_MAX_QUICKACKS;
        }
        c->rcv_at = tcp_sim(c)->now;
        c->rcv_mss = (uint16_t)MAX(c->rcv_mss, MIN(payload.len, 65535u));
        if (seq == c->rcv_nxt && !c->rx_head && c->accepted) {
            *ret_in_order = payload;
            c->rcv_nxt += payload.len;
        } else {
            queue_rx(c, seq, &payload);
            for (const RxSlice *at = c->rx_head; at; at = at->next) {
                if (at->seq == c->rcv_nxt)
                    c->rcv_nxt += at->len;
            }
        }
        if (c->rcv_nxt == before)
            out_of_order = true;
        else
            c->rcv_limit = MIN(c->rcv_limit + 2 * (c->rcv_nxt - before), TCP_MAX_WINDOW);
    }
    if (c->fin_known && !c->fin_done && c->rcv_nxt == c->fin_seq)
        fin_arrived(c);
    else if ((pkt->tcp.flags & TCP_FIN) && !c->fin_done)
        out_of_order = true;
    return out_of_order || (c->rx_head && c->accepted && seq_lt(c->rcv_nxt, c->rx_head->seq));
}

/* Inserts what the list does not hold yet. */
static void
queue_rx(TcpConn *c, uint32_t seq, const Payload *payload)
{
    RxSlice **at = &c->rx_head;
    uint32_t end = seq + payload->len, offset = payload->offset;

    while (seq_lt(seq, end)) {
        uint32_t len;
        while (*at && seq_le((*at)->seq + (*at)->len, seq))
            at = &(*at)->next;
        if (*at && seq_le((*at)->seq, seq)) { /* Held already. */
            uint32_t skip = MIN((*at)->seq + (*at)->len - seq, end - seq);
            seq += skip;
            offset += skip;
            continue;
        }
        len = *at && seq_lt((*at)->seq, end) ? (*at)->seq - seq : end - seq;
        RxSlice *slice = pool_alloc(&c->s.table->rx_slices);
        *slice = (RxSlice){.next = *at, .buf = payload->buf, .offset = offset, .len = len, .seq = seq};
        if (slice->buf)
            payload_buf_ref(slice->buf);
        *at = slice;
        seq += len;
        offset += len;
    }
}

/* tcp_fin(). */
static void
fin_arrived(TcpConn *c)
{
    c->fin_done = true;
    c->rcv_nxt++;
    switch ((TcpState)c->state) {
    case TCP_ESTABLISHED:
        c->state = TCP_CLOSE_WAIT;
        c->pingpong = true; /* The ACK may ride on our own FIN. */
        return;
    case TCP_FIN_WAIT1:
        c->state = TCP_CLOSING;
        tcp_send_ack(c);
        return;
    case TCP_FIN_WAIT2:
        tcp_send_ack(c);
        c->misc_at = SIMTIME_NEVER;
        return; /* TIME_WAIT once the owner has its data: call_owner(). */
    case TCP_SYN_SENT:
    case TCP_SYN_RECV:
    case TCP_CLOSING:
    case TCP_CLOSE_WAIT:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
    case TCP_CLOSED:
        return;
    }
}

/* __tcp_ack_snd_check(). */
static void
choose_ack(TcpConn *c, bool out_of_order, uint32_t len)
{
    uint32_t unacked = c->rcv_nxt - c->rcv_acked;

    if (out_of_order) {
        tcp_send_ack(c);
        return;
    }
    if (!unacked)
        return;
    if ((unacked > c->rcv_mss && len) || (c->quick && !c->pingpong))
        tcp_send_ack(c);
    else if (c->delack_at == SIMTIME_NEVER)
        c->delack_at = tcp_sim(c)->now + (c->rx_seen ? TCP_DELACK : TCP_JIFFY);
}

static void
call_owner(TcpConn *c, const Payload *in_order, bool drained, bool fin)
{
    SocketTable *table = c->s.table;
    const Socket *s = &c->s;

    if (drained && s->callbacks && s->callbacks->drained)
        s->callbacks->drained(&c->s, s->user);
    if (in_order->len && !s->doomed && s->callbacks && s->callbacks->received)
        s->callbacks->received(&c->s, in_order, s->key.remote, s->key.remote_port, s->user);
    while (!s->doomed && c->accepted && c->rx_head && seq_lt(c->rx_head->seq, c->rcv_nxt)) {
        RxSlice *slice = c->rx_head;
        Payload payload = {slice->buf, slice->offset, slice->len};
        c->rx_head = slice->next;
        if (s->callbacks && s->callbacks->received)
            s->callbacks->received(&c->s, &payload, s->key.remote, s->key.remote_port, s->user);
        payload_buf_unref(slice->buf);
        pool_release(&table->rx_slices, slice);
    }
    if (fin && c->accepted && !s->doomed && s->callbacks && s->callbacks->eof)
        s->callbacks->eof(&c->s, s->user);
    if (c->fin_done && c->state == TCP_FIN_WAIT2 && !s->doomed)
        tcp_time_wait_enter(c);
}
