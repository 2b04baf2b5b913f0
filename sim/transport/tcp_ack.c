/* TCP: acknowledgements, SACK, round trip times, Reno congestion control
 *
 * Round trip and RTO as tcp_rtt_estimator() and tcp_set_rto(): Linux bounds the variance term, not the RTO, by 200 ms.
 * Loss: fast retransmit after three duplicate ACKs or as much SACKed data, then hole by hole (RFC 6675 in small);
 * time-out: everything not sacked is sent again, from a window of one (RFC 5681). */

#include "sim/transport/tcp.h"

static void take_sacks(TcpConn *c, const Packet *pkt);
static void add_range(TcpConn *c, SeqRange range);
static void forget_sacked(TcpConn *c);
static void release_acked(TcpConn *c);
static void open_window(TcpConn *c, uint32_t acked, uint32_t flight);
static void enter_recovery(TcpConn *c);
static void set_rto(TcpConn *c);
static void challenge(TcpConn *c);

bool
tcp_ack(TcpConn *c, const Packet *pkt)
{
    uint32_t ack = pkt->tcp.ack, acked, sacked_before = c->n_sacked ? c->sacked[c->n_sacked - 1].to : 0;
    uint32_t window = (uint32_t)pkt->tcp.window << (c->wscale_ok ? c->snd_wscale : 0);
    uint32_t flight = c->snd_nxt - c->snd_una;
    bool window_same = window == c->snd_wnd, sacks_new;

    if (seq_lt(c->snd_nxt, ack)) { /* Of something never sent (RFC 5961, 5.2). */
        challenge(c);
        return false;
    }
    if (seq_lt(ack, c->snd_una))
        return !seq_lt(ack + 65535u * 2, c->snd_una); /* Old: the data may still be good. */
    if (seq_lt(c->snd_wl1, pkt->tcp.seq) || c->snd_wl1 == pkt->tcp.seq || seq_lt(c->snd_una, ack)) {
        c->snd_wnd = window;
        c->snd_wl1 = pkt->tcp.seq;
    }
    take_sacks(c, pkt);
    sacks_new = c->n_sacked && c->sacked[c->n_sacked - 1].to != sacked_before;
    acked = ack - c->snd_una;
    c->probes = 0;
    if (acked) {
        c->snd_una = ack;
        c->dupacks = 0;
        c->retries = 0;
        c->rtx_since = 0;
        if (c->probed && seq_le(c->recover, ack))
            c->probed = false;
        if (c->rtt_timed && seq_le(c->rtt_seq, ack)) {
            c->rtt_timed = false;
            tcp_rtt_sample(c, tcp_sim(c)->now - c->rtt_at);
        }
        if (c->backoff) {
            c->backoff = 0;
            set_rto(c);
        }
        release_acked(c);
        forget_sacked(c);
        if (c->ca != TCP_OPEN && seq_le(c->recover, ack)) {
            if (c->ca == TCP_RECOVERY)
                c->cwnd = MAX(c->ssthresh, 2u);
            c->ca = TCP_OPEN;
        } else if (c->ca == TCP_RECOVERY && seq_le(c->rtx_end, ack)) {
            /* A partial ACK: the next hole begins here. */
            c->rtx_nxt = ack;
            c->rtx_end = ack + MIN(c->mss, c->recover - ack);
        }
        if (c->ca != TCP_RECOVERY)
            open_window(c, acked, flight);
        tcp_rtx_restart(c);
    } else if (flight && pkt->payload.len == 0 && !(pkt->tcp.flags & TCP_FIN) && (window_same || sacks_new)) {
        c->dupacks = (uint8_t)MIN(c->dupacks + 1u, 255u);
        /* That a probe behind it arrived says of what is missing that it is lost, as RACK would find at once. */
        if (c->ca == TCP_OPEN && (c->dupacks >= 3 || (c->probed && sacks_new)))
            enter_recovery(c);
        else if (c->ca == TCP_RECOVERY && !c->sack_ok)
            c->cwnd++; /* Inflation: a segment has left the network. */
    }
    if (c->ca == TCP_RECOVERY && c->n_sacked)
        c->rtx_end = seq_max(c->rtx_end, c->sacked[c->n_sacked - 1].from);
    return true;
}

void
tcp_rtt_sample(TcpConn *c, SimTime rtt)
{
    int64_t m = MAX(rtt / SIMTIME_USEC, 1);
    int64_t mdev = c->mdev_us;

    if (c->srtt_us == 0) {
        c->srtt_us = (uint32_t)(m << 3);
        c->mdev_us = (uint32_t)(m << 1);
        c->rttvar_us = c->mdev_max_us = MAX(c->mdev_us, TCP_RTO_MIN_US);
        c->var_seq = c->snd_nxt;
    } else {
        m -= c->srtt_us >> 3;
        c->srtt_us = (uint32_t)MAX((int64_t)c->srtt_us + m, 1);
        if (m < 0) {
            m = -m - (mdev >> 2);
            if (m > 0)
                m >>= 3;
        } else {
            m -= mdev >> 2;
        }
        c->mdev_us = (uint32_t)MAX(mdev + m, 0);
        if (c->mdev_us > c->mdev_max_us) {
            c->mdev_max_us = c->mdev_us;
            c->rttvar_us = MAX(c->rttvar_us, c->mdev_max_us);
        }
        if (seq_lt(c->var_seq, c->snd_una)) {
            if (c->mdev_max_us < c->rttvar_us)
                c->rttvar_us -= (c->rttvar_us - c->mdev_max_us) >> 2;
            c->var_seq = c->snd_nxt;
            c->mdev_max_us = TCP_RTO_MIN_US;
        }
    }
    set_rto(c);
}

void
tcp_enter_loss(TcpConn *c)
{
    if (c->ca != TCP_LOSS || seq_le(c->recover, c->snd_una))
        c->ssthresh = MAX(tcp_pipe_bytes(c) / c->mss / 2, 2u);
    c->cwnd = 1;
    c->cwnd_count = 0;
    c->dupacks = 0;
    c->ca = TCP_LOSS;
    c->probed = false;
    c->recover = c->snd_nxt;
    c->rtx_nxt = c->snd_una;
    c->rtx_end = c->snd_nxt;
}

static void
enter_recovery(TcpConn *c)
{
    c->ssthresh = MAX(tcp_pipe_bytes(c) / c->mss / 2, 2u);
    c->cwnd = c->ssthresh + (c->sack_ok ? 0 : 3);
    c->cwnd_count = 0;
    c->ca = TCP_RECOVERY;
    c->probed = false;
    c->recover = c->snd_nxt;
    c->rtx_nxt = c->snd_una;
    c->rtx_end = c->snd_una + MIN(c->mss, c->snd_nxt - c->snd_una);
}

static void
open_window(TcpConn *c, uint32_t acked, uint32_t flight)
{
    uint32_t n = (acked + c->mss - 1) / c->mss;

    /* Only a window that was used grows (tcp_is_cwnd_limited()). */
    if (c->cwnd < c->ssthresh) {
        if (c->cwnd * c->mss >= 2 * flight)
            return;
        c->cwnd += MIN(n, c->ssthresh - c->cwnd);
        return;
    }
    if (flight + c->mss <= c->cwnd * c->mss)
        return;
    c->cwnd_count += n;
    if (c->cwnd_count >= c->cwnd) {
        c->cwnd_count -= c->cwnd;
        c->cwnd++;
    }
}

static void
set_rto(TcpConn *c)
{
    c->rto_us = c->srtt_us ? MIN((c->srtt_us >> 3) + c->rttvar_us, TCP_RTO_MAX_US) : TCP_RTO_INIT_US;
}

static void
release_acked(TcpConn *c)
{
    SocketTable *table = c->s.table;

    while (c->tx_head && seq_lt(c->tx_seq, c->snd_una)) {
        TxSlice *slice = c->tx_head;
        uint32_t n = MIN(slice->len, c->snd_una - c->tx_seq);
        c->tx_seq += n;
        slice->offset += n;
        slice->len -= n;
        if (slice->len)
            return;
        c->tx_head = slice->next;
        if (!c->tx_head)
            c->tx_tail = NULL;
        payload_buf_unref(slice->buf);
        pool_release(&table->tx_slices, slice);
    }
}

static void
take_sacks(TcpConn *c, const Packet *pkt)
{
    if (!c->sack_ok)
        return;
    for (uint32_t i = 0; i < pkt->tcp.n_sacks && i < 2; i++) {
        SeqRange range = {pkt->tcp.sacks[2 * i], pkt->tcp.sacks[2 * i + 1]};
        if (seq_lt(range.from, range.to) && seq_le(c->snd_una, range.from) && seq_le(range.to, c->snd_nxt))
            add_range(c, range);
    }
}

/* Merges into the sorted list; a range too many pushes the last one out (it will be told again). */
static void
add_range(TcpConn *c, SeqRange range)
{
    SeqRange merged[TCP_MAX_SACKED + 1];
    uint32_t n = 0;
    bool placed = false;

    for (uint32_t i = 0; i < c->n_sacked; i++) {
        SeqRange have = c->sacked[i];
        if (seq_lt(have.to, range.from)) {
            merged[n++] = have;
        } else if (seq_lt(range.to, have.from)) {
            if (!placed)
                merged[n++] = range;
            placed = true;
            merged[n++] = have;
        } else {
            range.from = seq_lt(have.from, range.from) ? have.from : range.from;
            range.to = seq_max(have.to, range.to);
        }
    }
    if (!placed)
        merged[n++] = range;
    c->n_sacked = (uint8_t)MIN(n, (uint32_t)TCP_MAX_SACKED);
    memcpy(c->sacked, merged, c->n_sacked * sizeof merged[0]);
}

static void
forget_sacked(TcpConn *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_sacked; i++) {
        if (!seq_lt(c->snd_una, c->sacked[i].to))
            continue;
        c->sacked[n] = c->sacked[i];
        c->sacked[n].from = seq_max(c->sacked[n].from, c->snd_una);
        n++;
    }
    c->n_sacked = (uint8_t)n;
}

static void
challenge(TcpConn *c)
{
    if (c->state != TCP_SYN_RECV)
        tcp_send_ack(c);
}
