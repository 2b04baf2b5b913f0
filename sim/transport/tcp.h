#ifndef SIM_TRANSPORT_TCP_H
#define SIM_TRANSPORT_TCP_H

/* Private to sim/transport: a TCP connection, RFC 9293 as Linux does it (net/ipv4/tcp*.c, 6.x)
 *
 * tcp.c the calls of the owner; tcp_input.c a segment arrives; tcp_ack.c acknowledgements, SACK, congestion and round
 * trip times; tcp_output.c segments leave; tcp_timer.c retransmission, delayed ACK, keep-alive; tcp_timewait.c.
 *
 * Not modelled: Nagle (owners write whole messages), merging of segments that are sent again, urgent data, ECN, window
 * probes (a receiver's window never closes: the owner takes data at once).
 *
 * Send queue: slices of shared buffers for [tx_seq, write_seq), the FIN at write_seq.  snd_una <= snd_nxt.
 * Retransmission: what lies in [rtx_nxt, rtx_end) and is not sacked waits to be sent again. */

#include "sim/transport/socket_table.h"

typedef enum {
    TCP_ESTABLISHED,
    TCP_SYN_SENT,
    TCP_SYN_RECV,
    TCP_FIN_WAIT1,
    TCP_FIN_WAIT2,
    TCP_CLOSING,
    TCP_CLOSE_WAIT,
    TCP_LAST_ACK,
    TCP_TIME_WAIT, /* Of a record that is shown as a connection only. */
    TCP_CLOSED,
} TcpState;

typedef enum { TCP_OPEN, TCP_RECOVERY, TCP_LOSS } TcpCongestion;

typedef struct TxSlice {
    struct TxSlice *next;
    PayloadBuf *buf; /* A reference; NULL: zeros. */
    uint32_t offset, len;
} TxSlice;

typedef struct RxSlice {
    struct RxSlice *next; /* By 'seq', not overlapping. */
    PayloadBuf *buf;
    uint32_t offset, len, seq;
} RxSlice;

#define TCP_MAX_SACKED 4

typedef struct {
    uint32_t from, to;
} SeqRange;

typedef struct TcpListener {
    Socket s;
    uint32_t backlog;   /* The accept queue takes one more than this, as Linux's. */
    uint32_t n_waiting; /* Established, not accepted: only while paused. */
    bool paused;
} TcpListener;

typedef struct TcpConn {
    Socket s;
    SimTime rtx_at, delack_at,
        misc_at;       /* Deadlines; misc: keep-alive, FIN_WAIT2, the connect timeout, a failed send. */
    SimTime rtt_at;    /* When the timed segment left. */
    SimTime rto_at;    /* When rtx_at would be without a loss probe. */
    SimTime rtx_since; /* First retransmission without an answer; 0: none.  SYN_SENT: the first SYN. */
    SimTime rcv_at;    /* Last data. */
    TxSlice *tx_head, *tx_tail;
    RxSlice *rx_head;      /* Out of order, or waiting for accept. */
    TcpListener *listener; /* Until accepted. */
    Timer timer;
    uint32_t iss, snd_una, snd_nxt, snd_wnd, snd_wl1, write_seq, tx_seq;
    uint32_t rcv_nxt, rcv_acked, rcv_edge, rcv_limit; /* rcv_edge: right edge of the window offered. */
    uint32_t fin_seq;                                 /* Of the peer, if fin_known. */
    uint32_t ts_recent, ts_offset;
    uint32_t cwnd, ssthresh, cwnd_count; /* Segments. */
    uint32_t recover;                    /* snd_nxt when the present loss, or the last loss probe, began. */
    uint32_t rtx_nxt, rtx_end, rtt_seq, var_seq;
    uint32_t srtt_us, mdev_us, mdev_max_us, rttvar_us, rto_us;
    uint32_t n_retransmits;
    uint32_t oow_ms;                 /* Last ACK for a segment out of window (rate limit). */
    SeqRange sacked[TCP_MAX_SACKED]; /* By seq, disjoint. */
    uint16_t mss, peer_mss, ip_id, fin_timeout_s;
    uint16_t rcv_mss;
    uint8_t state; /* TcpState. */
    uint8_t ca;    /* TcpCongestion. */
    uint8_t n_sacked, snd_wscale, rcv_wscale;
    uint8_t dupacks, backoff, retries, quick, probes;
    uint8_t soft_error, send_error; /* SocketError. */
    bool wscale_ok : 1, sack_ok : 1, ts_ok : 1, fin_queued : 1, fin_sent : 1, fin_known : 1, fin_done : 1;
    bool pingpong : 1, rtt_timed : 1, ack_now : 1, closed_by_owner : 1, accepted : 1, keepalive : 1, connected : 1;
    bool rx_seen : 1;     /* Data came: the ACK time-out estimate is set. */
    bool probe_armed : 1; /* rtx_at is that of a loss probe. */
    bool probed : 1;      /* A loss probe was sent; one only until 'recover' is acknowledged. */
} TcpConn;
_Static_assert(sizeof(TcpConn) <= 512, "two ends stay within the memory gate");

static inline bool
seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool
seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t
seq_max(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? b : a;
}

#define TCP_DELACK        (40 * SIMTIME_MSEC)
#define TCP_JIFFY         (4 * SIMTIME_MSEC) /* An ACK without an estimate waits for the next tick; HZ 250. */
#define TCP_RTO_MIN_US    200000u
#define TCP_PROBE_MIN_US  2000u /* TCP_TIMEOUT_MIN_US. */
#define TCP_RTO_MAX_US    120000000u
#define TCP_RTO_INIT_US   1000000u
#define TCP_INIT_CWND     10u
#define TCP_TIMEWAIT      (60 * SIMTIME_SEC)
#define TCP_MAX_QUICKACKS 16u
#define TCP_WSCALE        7u
#define TCP_MAX_WINDOW    3145728u /* Half of tcp_rmem's maximum. */

static inline Sim *
tcp_sim(const TcpConn *c)
{
    return c->s.table->sim;
}

/* tcp.c */
TcpConn *tcp_conn_new(SocketTable *table, const SocketOptions *options, const SocketCallbacks *callbacks, void *user);
void tcp_init_sequence(TcpConn *c, uint32_t lowest_iss); /* Once the addresses and ports are known. */
void tcp_fail(TcpConn *c, SocketError error);            /* Ends without a packet; closed() is called. */
void tcp_finish(TcpConn *c);                             /* The clean end. */
void tcp_accept(TcpConn *c);                             /* Gives an established connection to the listener's owner. */

/* tcp_input.c */
void tcp_deliver(TcpConn *c); /* Hands over what is in order and waiting. */

/* tcp_ack.c */
/* False if the segment must be dropped. */
bool tcp_ack(TcpConn *c, const Packet *pkt);
void tcp_rtt_sample(TcpConn *c, SimTime rtt);
void tcp_enter_loss(TcpConn *c);

/* tcp_output.c */
void tcp_sync_mss(TcpConn *c, uint32_t mtu);
uint32_t tcp_pipe_bytes(const TcpConn *c);
IpSendResult tcp_send_syn(TcpConn *c); /* SYN or SYN-ACK by state. */
void tcp_send_ack(TcpConn *c);
void tcp_send_keepalive(TcpConn *c);
void tcp_send_reset(TcpConn *c);
void tcp_output(TcpConn *c);
void tcp_send_probe(TcpConn *c);             /* What was never sent, else the last segment again. */
uint32_t tcp_segment_len(const Packet *pkt); /* In sequence space. */
uint32_t tcp_timestamp(const TcpConn *c);
uint32_t tcp_advertised_mss(const SocketTable *table, IpAddr remote);

/* tcp_timer.c */
void tcp_timer_update(TcpConn *c); /* Arms the timer for the earliest deadline. */
void tcp_timer_fire(Sim *sim, void *owner);
void tcp_rtx_restart(TcpConn *c);
void tcp_probe_restart(TcpConn *c); /* More was sent: a loss probe, if any, is due later. */
void tcp_misc_restart(TcpConn *c);  /* Keep-alive or FIN_WAIT2 or none, by state. */

/* tcp_timewait.c */
void tcp_time_wait_enter(TcpConn *c);
/* True: handled (the packet is taken).  False: no record, or a new SYN may pass; then '*ret_iss' is the lowest initial
 * sequence number that the new connection may use, or 0. */
bool tcp_time_wait_input(SocketTable *table, const SocketKey *key, Packet *pkt, uint32_t *ret_iss);

#endif
