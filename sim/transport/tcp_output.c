/* TCP: segments leave
 *
 * Like net/ipv4/tcp_output.c: options in the order and number that Linux sends, windows announced as there, PSH at the
 * end of each message of the owner. */

#include "sim/transport/tcp.h"

static Packet *new_segment(TcpConn *c, uint32_t seq, uint8_t flags);
static IpSendResult transmit(TcpConn *c, Packet *pkt);
static uint16_t window_to_offer(TcpConn *c);
static void add_sacks(const TcpConn *c, Packet *pkt);
static uint32_t send_data(TcpConn *c, uint32_t seq, uint32_t max_len);
static bool retransmit_next(TcpConn *c);
static bool send_new(TcpConn *c);
static uint32_t unsacked_between(const TcpConn *c, uint32_t from, uint32_t to);

void
tcp_sync_mss(TcpConn *c, uint32_t mtu)
{
    uint32_t headers = ipaddr_is_v4(&c->s.key.remote) ? 40 : 60;
    uint32_t mss = mtu > headers + 88 ? mtu - headers : 88;

    if (c->peer_mss)
        mss = MIN(mss, c->peer_mss);
    c->mss = (uint16_t)(MIN(mss, 65495u) - (c->ts_ok ? 12 : 0));
}

uint32_t
tcp_advertised_mss(const SocketTable *table, IpAddr remote)
{
    uint32_t mtu = ip_path_mtu(table->host, remote);
    uint32_t headers = ipaddr_is_v4(&remote) ? 40 : 60;

    return MIN(mtu > headers + 88 ? mtu - headers : 88, 65495u);
}

uint32_t
tcp_timestamp(const TcpConn *c)
{
    return (uint32_t)(tcp_sim(c)->now / SIMTIME_MSEC) + c->ts_offset;
}

IpSendResult
tcp_send_syn(TcpConn *c)
{
    const HostSysctls *sysctls = host_sysctls(c->s.table->host);
    bool reply = c->state == TCP_SYN_RECV;
    Packet *pkt = new_segment(c, c->iss, reply ? TCP_SYN | TCP_ACK : TCP_SYN);
    uint32_t unit;

    pkt->tcp.mss = (uint16_t)tcp_advertised_mss(c->s.table, c->s.key.remote);
    pkt->tcp.n_sacks = 0;
    pkt->tcp.has_ts = reply ? c->ts_ok : sysctls->tcp_timestamps;
    pkt->tcp.ts_val = pkt->tcp.has_ts ? tcp_timestamp(c) : 0;
    pkt->tcp.ts_ecr = reply && c->ts_ok ? c->ts_recent : 0;
    pkt->tcp.sack_permitted = reply ? c->sack_ok : sysctls->tcp_sack;
    if (reply ? c->wscale_ok : sysctls->tcp_window_scaling)
        pkt->tcp.wscale = TCP_WSCALE + 1;
    /* A multiple of the segment size, never scaled here. */
    unit = reply && c->ts_ok ? pkt->tcp.mss - 12u : pkt->tcp.mss;
    pkt->tcp.window = (uint16_t)(65535u / unit * unit);
    c->rcv_limit = pkt->tcp.window;
    c->rcv_edge = c->rcv_nxt + pkt->tcp.window;
    if (reply) {
        pkt->ip_id = 0;
        c->rcv_acked = c->rcv_nxt;
    }
    if (c->snd_nxt == c->iss) {
        c->rtt_timed = true;
        c->rtt_at = tcp_sim(c)->now;
        c->rtt_seq = c->iss + 1;
    } else {
        c->rtt_timed = false;
        c->n_retransmits++;
    }
    c->snd_nxt = c->iss + 1;
    return transmit(c, pkt);
}

void
tcp_send_ack(TcpConn *c)
{
    Packet *pkt = new_segment(c, c->snd_nxt, TCP_ACK);

    add_sacks(c, pkt);
    transmit(c, pkt);
}

/* An old sequence number without data: whoever lives must answer. */
void
tcp_send_keepalive(TcpConn *c)
{
    transmit(c, new_segment(c, c->snd_una - 1, TCP_ACK));
}

void
tcp_send_reset(TcpConn *c)
{
    transmit(c, new_segment(c, c->snd_nxt, TCP_RST | TCP_ACK));
}

uint32_t
tcp_segment_len(const Packet *pkt)
{
    return pkt->payload.len + ((pkt->tcp.flags & TCP_SYN) ? 1 : 0) + ((pkt->tcp.flags & TCP_FIN) ? 1 : 0);
}

/* Bytes believed to be in the network. */
uint32_t
tcp_pipe_bytes(const TcpConn *c)
{
    uint32_t pipe = unsacked_between(c, c->snd_una, c->snd_nxt);

    if (c->ca != TCP_OPEN && seq_lt(c->rtx_nxt, c->rtx_end))
        pipe -= unsacked_between(c, c->rtx_nxt, c->rtx_end);
    return pipe;
}

void
tcp_output(TcpConn *c)
{
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV || c->state == TCP_CLOSED)
        return;
    while (!c->s.doomed && (retransmit_next(c) || send_new(c)))
        ;
    if (c->rtx_at == SIMTIME_NEVER && c->snd_una != c->snd_nxt)
        tcp_rtx_restart(c);
}

static Packet *
new_segment(TcpConn *c, uint32_t seq, uint8_t flags)
{
    Packet *pkt = socket_packet(c->s.table, &c->s.key, c->s.flow);

    pkt->tos = c->s.tos;
    pkt->dont_fragment = true;
    pkt->ip_id = c->ip_id++;
    pkt->tcp.seq = seq;
    pkt->tcp.flags = flags;
    if (flags & TCP_ACK)
        pkt->tcp.ack = c->rcv_nxt;
    if (c->ts_ok) {
        pkt->tcp.has_ts = true;
        pkt->tcp.ts_val = tcp_timestamp(c);
        pkt->tcp.ts_ecr = c->ts_recent;
    }
    if (!(flags & (TCP_SYN | TCP_RST)))
        pkt->tcp.window = window_to_offer(c);
    return pkt;
}

static IpSendResult
transmit(TcpConn *c, Packet *pkt)
{
    if (pkt->tcp.flags & TCP_ACK && !(pkt->tcp.flags & (TCP_RST | TCP_SYN))) {
        c->rcv_acked = c->rcv_nxt;
        c->delack_at = SIMTIME_NEVER;
        c->ack_now = false;
        if (c->quick)
            c->quick--;
    }
    return socket_ip_send(c->s.table, &c->s, pkt);
}

/* The right edge never moves back (RFC 9293, 3.8.6.2.2). */
static uint16_t
window_to_offer(TcpConn *c)
{
    uint32_t shift = c->wscale_ok ? c->rcv_wscale : 0;
    uint32_t window = c->rcv_limit;

    if (seq_lt(c->rcv_nxt + window, c->rcv_edge))
        window = c->rcv_edge - c->rcv_nxt;
    window = MIN((window + (1u << shift) - 1) >> shift, 65535u);
    c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + (window << shift));
    return (uint16_t)window;
}

static void
add_sacks(const TcpConn *c, Packet *pkt)
{
    SeqRange range = {0, 0};
    uint32_t n = 0;

    if (!c->sack_ok)
        return;
    for (const RxSlice *slice = c->rx_head; slice; slice = slice->next) {
        if (seq_lt(slice->seq, c->rcv_nxt))
            continue; /* In order, waits for accept. */
        if (n && slice->seq == range.to) {
            range.to += slice->len;
        } else {
            if (n == 2)
                break;
            range = (SeqRange){slice->seq, slice->seq + slice->len};
            n++;
        }
        pkt->tcp.sacks[2 * n - 2] = range.from;
        pkt->tcp.sacks[2 * n - 1] = range.to;
    }
    pkt->tcp.n_sacks = (uint8_t)n;
}

/* One segment of at most 'max_len' bytes at 'seq', which lies in the queue or is the FIN's; returns its length. */
static uint32_t
send_data(TcpConn *c, uint32_t seq, uint32_t max_len)
{
    const TxSlice *slice = c->tx_head;
    uint32_t at = c->tx_seq, len = 0, skip = 0;
    Packet *pkt = new_segment(c, seq, TCP_ACK);

    add_sacks(c, pkt);
    if (pkt->tcp.n_sacks) /* The option takes its room from the data, or the packet would not fit the MTU. */
        max_len = MIN(max_len, c->mss - (4u + 8u * pkt->tcp.n_sacks));
    while (slice && seq_le(at + slice->len, seq)) {
        at += slice->len;
        slice = slice->next;
    }
    if (slice) {
        skip = seq - at;
        len = MIN(slice->len - skip, max_len);
        packet_set_payload(pkt, slice->buf, slice->offset + skip, len);
        if (len == slice->len - skip)
            pkt->tcp.flags |= TCP_PSH;
    }
    if (c->fin_queued && seq + len == c->write_seq) {
        pkt->tcp.flags |= TCP_FIN;
        len++;
        c->fin_sent = true;
    }
    transmit(c, pkt);
    return len;
}

/* The next hole, if any waits and the window lets it go. */
static bool
retransmit_next(TcpConn *c)
{
    uint32_t max_len = c->mss;

    if (c->ca == TCP_OPEN)
        return false;
    c->rtx_nxt = seq_max(c->rtx_nxt, c->snd_una);
    for (uint32_t i = 0; i < c->n_sacked; i++) {
        if (seq_le(c->sacked[i].from, c->rtx_nxt))
            c->rtx_nxt = seq_max(c->rtx_nxt, c->sacked[i].to);
        else if (seq_lt(c->rtx_nxt, c->sacked[i].from)) {
            max_len = MIN(max_len, c->sacked[i].from - c->rtx_nxt);
            break;
        }
    }
    if (!seq_lt(c->rtx_nxt, c->rtx_end))
        return false;
    if (c->rtx_nxt != c->snd_una && tcp_pipe_bytes(c) + max_len > c->cwnd * c->mss)
        return false;
    c->rtx_nxt += send_data(c, c->rtx_nxt, max_len);
    c->n_retransmits++;
    c->rtt_timed = false; /* Karn. */
    if (!c->rtx_since)
        c->rtx_since = tcp_sim(c)->now;
    return true;
}

static bool
send_new(TcpConn *c)
{
    bool first = c->snd_una == c->snd_nxt;
    uint32_t unsent, room, len, pipe;
    SimTime now = tcp_sim(c)->now;

    if (c->fin_sent)
        return false;
    unsent = c->write_seq - c->snd_nxt;
    if (unsent == 0 && !c->fin_queued)
        return false;
    room = seq_lt(c->snd_nxt, c->snd_una + c->snd_wnd) ? c->snd_una + c->snd_wnd - c->snd_nxt : 0;
    len = MIN(MIN(unsent, c->mss), room);
    if (unsent && len == 0)
        return false;
    pipe = tcp_pipe_bytes(c);
    if (pipe && unsent && pipe + len > c->cwnd * c->mss)
        return false;
    if (!c->rtt_timed) {
        c->rtt_timed = true;
        c->rtt_at = now;
        c->rtt_seq = c->snd_nxt + 1;
    }
    /* An answer soon after the question: from now on, ACKs wait for data to ride on. */
    if (unsent && c->rx_seen && now - c->rcv_at < TCP_DELACK)
        c->pingpong = true;
    c->snd_nxt += send_data(c, c->snd_nxt, len);
    if (first)
        tcp_rtx_restart(c);
    else
        tcp_probe_restart(c);
    return true;
}

/* Where the last segment that was sent began: segments do not cross what the owner wrote at a time. */
static uint32_t
last_segment(const TcpConn *c)
{
    uint32_t at = c->tx_seq, from = c->snd_una;

    for (const TxSlice *slice = c->tx_head; slice && seq_lt(at, c->snd_nxt); slice = slice->next) {
        uint32_t end = seq_lt(c->snd_nxt, at + slice->len) ? c->snd_nxt : at + slice->len;
        if (at != end)
            from = seq_max(c->snd_una, at + (end - at - 1) / c->mss * c->mss);
        at += slice->len;
    }
    return c->fin_sent && at == c->snd_una ? c->write_seq : from;
}

void
tcp_send_probe(TcpConn *c)
{
    c->probed = true;
    if (!send_new(c)) {
        uint32_t seq = last_segment(c);
        send_data(c, seq, MIN(c->mss, c->snd_nxt - c->fin_sent - seq));
        c->n_retransmits++;
        c->rtt_timed = false; /* Karn. */
    }
    c->recover = c->snd_nxt;
}

static uint32_t
unsacked_between(const TcpConn *c, uint32_t from, uint32_t to)
{
    uint32_t n = to - from;

    for (uint32_t i = 0; i < c->n_sacked; i++) {
        uint32_t left = seq_max(c->sacked[i].from, from);
        uint32_t right = seq_lt(to, c->sacked[i].to) ? to : c->sacked[i].to;
        if (seq_lt(left, right))
            n -= right - left;
    }
    return n;
}
