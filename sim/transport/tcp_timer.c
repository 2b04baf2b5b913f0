/* TCP: timers, as net/ipv4/tcp_timer.c
 *
 * One soft timer per connection stands at the earliest of three deadlines.  Checked on a 6.18 kernel with a dropped
 * SYN: it leaves at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s (tcp_syn_linear_timeouts 4, tcp_syn_retries 6) and
 * connect() gives up with ETIMEDOUT at 131 s.  It gives up as soon as the retries are used up or the time is over that
 * tcp_syn_retries doublings would take, so few retries with linear time-outs end early (tests/kernel/tcp_live.py).
 *
 * The first time-out after data is that of a loss probe (tcp_early_retrans 3): the last segment again, and the
 * retransmission timer anew: what is lost leaves at 0, 0.2, 0.4, 0.8, 1.6 s ... */

#include "sim/transport/tcp.h"

static void on_rtx(TcpConn *c);
static void on_delack(TcpConn *c);
static void on_misc(TcpConn *c);
static void back_off(TcpConn *c);
static bool may_probe(const TcpConn *c);
static SimTime probe_at(const TcpConn *c);
static bool timed_out(const TcpConn *c, uint32_t boundary, uint32_t first_us);
static void give_up(TcpConn *c);

void
tcp_timer_update(TcpConn *c)
{
    SimTime at = MIN(MIN(c->rtx_at, c->delack_at), c->misc_at);

    if (c->s.doomed)
        return;
    if (at == SIMTIME_NEVER)
        timer_disarm(tcp_sim(c), c->timer);
    else
        timer_arm(tcp_sim(c), c->timer, at);
}

void
tcp_timer_fire(Sim *sim, void *owner)
{
    TcpConn *c = owner;

    socket_pin(&c->s);
    if (c->delack_at <= sim->now)
        on_delack(c);
    if (!c->s.doomed && c->rtx_at <= sim->now)
        on_rtx(c);
    if (!c->s.doomed && c->misc_at <= sim->now)
        on_misc(c);
    tcp_timer_update(c);
    socket_unpin(&c->s);
}

void
tcp_rtx_restart(TcpConn *c)
{
    c->probe_armed = false;
    if (c->snd_una == c->snd_nxt) {
        c->rtx_at = SIMTIME_NEVER;
        return;
    }
    c->rtx_at = c->rto_at = tcp_sim(c)->now + c->rto_us * SIMTIME_USEC;
    tcp_probe_restart(c);
}

void
tcp_probe_restart(TcpConn *c)
{
    if (!may_probe(c))
        return;
    c->probe_armed = true;
    c->rtx_at = MIN(c->rto_at, probe_at(c));
}

/* tcp_schedule_loss_probe(): while nothing is known to be lost. */
static bool
may_probe(const TcpConn *c)
{
    return c->sack_ok && c->ca == TCP_OPEN && !c->probed && c->srtt_us && c->snd_una != c->snd_nxt;
}

/* 2 * RTT, and the smallest time-out more for a single segment, whose ACK may be delayed. */
static SimTime
probe_at(const TcpConn *c)
{
    bool one = c->snd_nxt - c->snd_una <= c->mss &&
               (!c->tx_head || seq_le(c->snd_nxt - c->fin_sent, c->tx_seq + c->tx_head->len));
    return tcp_sim(c)->now + (SimTime)((c->srtt_us >> 2) + (one ? TCP_RTO_MIN_US : TCP_PROBE_MIN_US)) * SIMTIME_USEC;
}

void
tcp_misc_restart(TcpConn *c)
{
    const HostSysctls *sysctls = host_sysctls(c->s.table->host);
    SimTime now = tcp_sim(c)->now;

    if (c->state == TCP_FIN_WAIT2 && c->closed_by_owner)
        c->misc_at = now + sysctls->tcp_fin_timeout_s * SIMTIME_SEC;
    else if (c->keepalive && c->state != TCP_SYN_SENT && c->state != TCP_SYN_RECV)
        c->misc_at = now + (c->probes ? sysctls->tcp_keepalive_intvl_s : sysctls->tcp_keepalive_time_s) * SIMTIME_SEC;
    else
        c->misc_at = SIMTIME_NEVER;
}

static void
on_delack(TcpConn *c)
{
    c->delack_at = SIMTIME_NEVER;
    /* The owner was too slow for the ACK to ride on an answer: no longer a dialogue. */
    c->pingpong = false;
    tcp_send_ack(c);
}

static void
on_rtx(TcpConn *c)
{
    const HostSysctls *sysctls = host_sysctls(c->s.table->host);
    uint32_t limit;

    switch ((TcpState)c->state) {
    case TCP_SYN_SENT:
        limit = (uint32_t)sysctls->tcp_syn_retries + sysctls->tcp_syn_linear_timeouts;
        if (c->retries >= limit || (c->retries && timed_out(c, sysctls->tcp_syn_retries, TCP_RTO_INIT_US))) {
            give_up(c);
            return;
        }
        c->retries++;
        if (c->retries > sysctls->tcp_syn_linear_timeouts)
            back_off(c);
        c->rtx_at = tcp_sim(c)->now + c->rto_us * SIMTIME_USEC;
        tcp_send_syn(c);
        return;
    case TCP_SYN_RECV:
        if (c->retries >= sysctls->tcp_synack_retries) {
            tcp_fail(c, SOCK_TIMEOUT);
            return;
        }
        c->retries++;
        back_off(c);
        c->rtx_at = tcp_sim(c)->now + c->rto_us * SIMTIME_USEC;
        tcp_send_syn(c);
        return;
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_CLOSING:
    case TCP_CLOSE_WAIT:
    case TCP_LAST_ACK:
        break;
    case TCP_TIME_WAIT:
    case TCP_CLOSED:
        return;
    }
    if (c->probe_armed) {
        c->probe_armed = false;
        if (may_probe(c)) {
            tcp_send_probe(c);
            c->rto_at = tcp_sim(c)->now + c->rto_us * SIMTIME_USEC;
        }
        c->rtx_at = c->rto_at;
        if (tcp_sim(c)->now < c->rto_at)
            return;
    }
    limit = sysctls->tcp_retries2;
    if (c->closed_by_owner)
        limit = sysctls->tcp_orphan_retries ? sysctls->tcp_orphan_retries : 8;
    if (c->rtx_since && timed_out(c, limit, TCP_RTO_MIN_US)) {
        give_up(c);
        return;
    }
    c->retries = (uint8_t)MIN(c->retries + 1u, 255u);
    if (!c->rtx_since)
        c->rtx_since = tcp_sim(c)->now;
    tcp_enter_loss(c);
    tcp_output(c);
    back_off(c);
    c->rtx_at = tcp_sim(c)->now + c->rto_us * SIMTIME_USEC;
}

static void
on_misc(TcpConn *c)
{
    const HostSysctls *sysctls = host_sysctls(c->s.table->host);

    c->misc_at = SIMTIME_NEVER;
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV) {
        if (c->send_error)
            tcp_fail(c, (SocketError)c->send_error);
        else
            give_up(c); /* The owner's own time limit. */
        return;
    }
    if (c->state == TCP_FIN_WAIT2 && c->closed_by_owner) {
        tcp_finish(c);
        return;
    }
    if (c->snd_una != c->snd_nxt) { /* Retransmission watches the peer already. */
        tcp_misc_restart(c);
        return;
    }
    if (c->probes >= sysctls->tcp_keepalive_probes) {
        tcp_send_reset(c);
        give_up(c);
        return;
    }
    c->probes++;
    tcp_send_keepalive(c);
    tcp_misc_restart(c);
}

static void
back_off(TcpConn *c)
{
    c->backoff++;
    c->rto_us = MIN(c->rto_us * 2, TCP_RTO_MAX_US);
}

/* retransmits_timed_out() with tcp_model_timeout(): the time that 'boundary' doublings of the first time-out would
 * take. */
static bool
timed_out(const TcpConn *c, uint32_t boundary, uint32_t first_us)
{
    const uint32_t linear_from = g_bit_storage(TCP_RTO_MAX_US / first_us) - 1; /* ilog2(). */
    SimTime limit;

    if (boundary <= linear_from)
        limit = ((INT64_C(2) << boundary) - 1) * first_us;
    else
        limit = ((INT64_C(2) << linear_from) - 1) * first_us + (int64_t)(boundary - linear_from) * TCP_RTO_MAX_US;
    return tcp_sim(c)->now - c->rtx_since >= limit * SIMTIME_USEC;
}

static void
give_up(TcpConn *c)
{
    tcp_fail(c, c->soft_error ? (SocketError)c->soft_error : SOCK_TIMEOUT);
}
