/* TCP: TIME_WAIT, as net/ipv4/tcp_minisocks.c
 *
 * A record of some hundred bytes replaces the connection for 60 s.  All live equally long, so that they queue by
 * expiry and one timer per host serves them.  A record that was renewed (the peer's FIN came again) stands in the
 * queue once more; the record's own 'expires' decides. */

#include "sim/transport/tcp.h"

typedef struct {
    SimTime expires, since;
    uint64_t flow;
    uint32_t snd_nxt, rcv_nxt, ts_recent, ts_offset, window;
    bool ts_ok;
} TimeWait;

static void expire(Sim *sim, void *owner);
static void remember(SocketTable *table, const SocketKey *key, TimeWait *tw);
static void answer(SocketTable *table, const SocketKey *key, const TimeWait *tw);

void
tcp_time_wait_enter(TcpConn *c)
{
    SocketTable *table = c->s.table;
    SocketKey key = c->s.key;
    TimeWait record = {.since = table->sim->now,
                       .flow = c->s.flow,
                       .snd_nxt = c->snd_nxt,
                       .rcv_nxt = c->rcv_nxt,
                       .ts_recent = c->ts_recent,
                       .ts_offset = c->ts_offset,
                       .window = (c->rcv_edge - c->rcv_nxt) >> (c->wscale_ok ? c->rcv_wscale : 0),
                       .ts_ok = c->ts_ok};
    TimeWait *tw;

    if (!table->time_wait.key_size)
        htable_init(&table->time_wait, sizeof(SocketKey), sizeof(TimeWait));
    tw = htable_insert(&table->time_wait, &key, NULL);
    *tw = record;
    remember(table, &key, tw);
    tcp_finish(c);
}

bool
tcp_time_wait_input(SocketTable *table, const SocketKey *key, Packet *pkt, uint32_t *ret_iss)
{
    TimeWait *tw = table->time_wait.key_size ? htable_find(&table->time_wait, key) : NULL;
    uint8_t flags = pkt->tcp.flags;
    bool old_ts;

    if (!tw || tw->expires <= table->sim->now)
        return false;
    old_ts = tw->ts_ok && pkt->tcp.has_ts && (int32_t)(pkt->tcp.ts_val - tw->ts_recent) < 0;
    if ((flags & TCP_RST) && pkt->tcp.seq == tw->rcv_nxt && !old_ts) {
        htable_remove(&table->time_wait, key);
        socket_trace_deliver(table, NULL, pkt);
        packet_free(table->sim, pkt);
        return true;
    }
    if ((flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN && !old_ts &&
        (seq_lt(tw->rcv_nxt, pkt->tcp.seq) ||
         (tw->ts_ok && pkt->tcp.has_ts && (int32_t)(pkt->tcp.ts_val - tw->ts_recent) > 0)) &&
        socket_find_bound(table, IPPROTO_TCP_, pkt->dst, pkt->dport)) {
        *ret_iss = tw->snd_nxt + 65537;
        if (*ret_iss == 0)
            *ret_iss = 1;
        htable_remove(&table->time_wait, key);
        return false;
    }
    socket_trace_deliver(table, NULL, pkt);
    if (!(flags & TCP_RST)) {
        if ((flags & TCP_FIN) && !old_ts)
            remember(table, key, tw);
        if (tcp_segment_len(pkt) || old_ts || pkt->tcp.seq != tw->rcv_nxt)
            answer(table, key, tw);
    }
    packet_free(table->sim, pkt);
    return true;
}

/* A tuple in TIME_WAIT is not given to a new connection, but on loopback after a second (tcp_tw_reuse 2). */
bool
tcp_time_wait_blocks(SocketTable *table, const SocketKey *key)
{
    const TimeWait *tw;

    if (!table->time_wait.key_size)
        return false;
    tw = htable_find(&table->time_wait, key);
    if (!tw || tw->expires <= table->sim->now)
        return false;
    if (tw->ts_ok && table->sim->now - tw->since > SIMTIME_SEC && ipaddr_is_loopback(&key->remote)) {
        htable_remove(&table->time_wait, key);
        return false;
    }
    return true;
}

size_t
tcp_time_wait_len(const SocketTable *table)
{
    return table->time_wait.len;
}

void
tcp_time_wait_clear(SocketTable *table)
{
    if (table->time_wait.key_size) {
        htable_clear(&table->time_wait);
        htable_init(&table->time_wait, sizeof(SocketKey), sizeof(TimeWait));
    }
    table->tw_due.len = table->tw_head = 0;
    if (table->tw_timer.gen)
        timer_disarm(table->sim, table->tw_timer);
}

void
tcp_time_wait_each(SocketTable *table, void (*each)(const Socket *s, void *user), void *user)
{
    for (size_t i = table->tw_head; i < table->tw_due.len; i++) {
        const TimeWaitDue *due = &table->tw_due.data[i];
        const TimeWait *tw = htable_find(&table->time_wait, &due->key);
        TcpConn shown = {.state = TCP_TIME_WAIT};
        if (!tw || tw->expires != due->at || tw->expires <= table->sim->now)
            continue;
        shown.s = (Socket){.table = table, .flow = tw->flow, .key = due->key, .kind = SOCKET_TCP};
        each(&shown.s, user);
    }
}

static void
remember(SocketTable *table, const SocketKey *key, TimeWait *tw)
{
    if (tw->expires == table->sim->now + TCP_TIMEWAIT)
        return; /* Stands in the queue already. */
    tw->expires = table->sim->now + TCP_TIMEWAIT;
    vec_push(&table->tw_due, (TimeWaitDue){.at = tw->expires, .key = *key});
    if (!table->tw_timer.gen)
        table->tw_timer = timer_new(table->sim, "tcp.time-wait", host_entity(table->host), expire, table);
    if (!timer_armed(table->sim, table->tw_timer))
        timer_arm(table->sim, table->tw_timer, tw->expires);
}

static void
expire(Sim *sim, void *owner)
{
    SocketTable *table = owner;

    while (table->tw_head < table->tw_due.len && table->tw_due.data[table->tw_head].at <= sim->now) {
        const TimeWaitDue *due = &table->tw_due.data[table->tw_head++];
        const TimeWait *tw = htable_find(&table->time_wait, &due->key);
        if (tw && tw->expires <= sim->now)
            htable_remove(&table->time_wait, &due->key);
    }
    if (table->tw_head * 2 >= table->tw_due.len) {
        table->tw_due.len -= table->tw_head;
        memmove(table->tw_due.data, table->tw_due.data + table->tw_head, table->tw_due.len * sizeof(TimeWaitDue));
        table->tw_head = 0;
    }
    if (table->tw_due.len)
        timer_arm(sim, table->tw_timer, table->tw_due.data[table->tw_head].at);
}

static void
answer(SocketTable *table, const SocketKey *key, const TimeWait *tw)
{
    Packet *ack = socket_packet(table, key, tw->flow);

    ack->dont_fragment = true;
    ack->tcp.seq = tw->snd_nxt;
    ack->tcp.ack = tw->rcv_nxt;
    ack->tcp.flags = TCP_ACK;
    ack->tcp.window = (uint16_t)MIN(tw->window, 65535u);
    if (tw->ts_ok) {
        ack->tcp.has_ts = true;
        ack->tcp.ts_val = (uint32_t)(table->sim->now / SIMTIME_MSEC) + tw->ts_offset;
        ack->tcp.ts_ecr = tw->ts_recent;
    }
    socket_ip_send(table, NULL, ack);
}
