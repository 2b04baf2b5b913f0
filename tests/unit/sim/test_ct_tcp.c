/* The TCP tracker: sequences of segments, the state and timeout that `conntrack -L` would show after each.
 * Expectations follow the states, ordinary and odd, that a Linux router shows for the same segments (tests/kernel/
 * ct_tcp_live.py sends them through one). */

#include "tests/unit/sim/ct_world.h"

#define CLIENT "10.0.0.1"
#define SERVER "10.0.1.1"

/* One segment; sequence numbers are relative: the client's start at 1000, the server's at 5000. */
typedef struct {
    char dir; /* '>' from the client, '<' from the server; 0 ends the list. */
    uint8_t flags;
    uint32_t seq, ack, len;
    CtInfo ctinfo;     /* What the packet is found to be. */
    const char *state; /* Of the entry afterwards; NULL: there is none. */
    int64_t seconds;   /* Its timeout. */
    uint16_t window;   /* 0: 64240. */
    double wait;       /* Seconds before the segment. */
} Step;

enum { S = TCP_SYN, A = TCP_ACK, SA = TCP_SYN | TCP_ACK, FA = TCP_FIN | TCP_ACK, R = TCP_RST, RA = TCP_RST | TCP_ACK };

static const Conn *
only_entry(CtWorld *w)
{
    CtTuple tuple = {.src = ct_addr(CLIENT), .dst = ct_addr(SERVER), .sport = 1234, .dport = 80};
    CtDir dir;

    tuple.proto = IPPROTO_TCP_;
    return ct_table_find(w->ct, &tuple, &dir);
}

static void
run_steps(CtWorld *w, const Step *steps)
{
    for (int i = 0; steps[i].dir; i++) {
        const Step *step = &steps[i];
        bool up = step->dir == '>';
        Packet *pkt = up ? ct_packet(w, IPPROTO_TCP_, CLIENT, 1234, SERVER, 80)
                         : ct_packet(w, IPPROTO_TCP_, SERVER, 80, CLIENT, 1234);
        DropReason reason = DROP_NONE;
        const Conn *conn;

        ct_world_wait(w, (SimTime)(step->wait * 1e9));
        pkt->tcp.flags = step->flags;
        pkt->tcp.seq = step->seq + (up ? 1000 : 5000);
        pkt->tcp.ack = step->flags & A ? step->ack + (up ? 5000 : 1000) : 0;
        pkt->tcp.window = step->window ? step->window : 64240;
        pkt->payload.len = step->len;
        if (step->flags & S) {
            pkt->tcp.mss = 1460;
            pkt->tcp.sack_permitted = true;
            pkt->tcp.wscale = 8;
        }
        T_EQ_I64(ct_forward(w, pkt, NULL, NULL, &reason), NF_ACCEPT);
        test_check(pkt->meta.ctinfo == step->ctinfo, i, __FILE__, __func__, "step %d: ctinfo %u, want %u", i,
                   pkt->meta.ctinfo, step->ctinfo);
        packet_free(w->sim, pkt);
        conn = only_entry(w);
        test_check(g_strcmp0(conn ? conn_state_name(conn) : NULL, step->state) == 0, i, __FILE__, __func__,
                   "step %d: state %s, want %s", i, conn ? conn_state_name(conn) : "(none)",
                   step->state ? step->state : "(none)");
        if (conn && step->state)
            test_check((conn->expires - w->sim->now) / SIMTIME_SEC == step->seconds, i, __FILE__, __func__,
                       "step %d: %" PRId64 " s left, want %" PRId64, i, (conn->expires - w->sim->now) / SIMTIME_SEC,
                       step->seconds);
        conntrack_check(w->ct);
    }
}

static void
run(const Step *steps)
{
    CtWorld w = ct_world_new();

    run_steps(&w, steps);
    ct_world_free(&w);
}

#define NEW CTINFO_NEW
#define EST CTINFO_ESTABLISHED
#define INV CTINFO_INVALID

#define HANDSHAKE                                                                                                      \
    {'>', S, 0, 0, 0, NEW, "SYN_SENT", 120}, {'<', SA, 0, 1, 0, EST, "SYN_RECV", 60},                                  \
    {                                                                                                                  \
        '>', A, 1, 1, 0, EST, "ESTABLISHED", 432000                                                                    \
    }

static void
test_life(void)
{
    run((const Step[]){HANDSHAKE,
                       {'>', A, 1, 1, 100, EST, "ESTABLISHED", 300},
                       {'<', A, 1, 101, 0, EST, "ESTABLISHED", 432000},
                       {'<', A, 1, 101, 500, EST, "ESTABLISHED", 300},
                       {'>', A, 101, 501, 0, EST, "ESTABLISHED", 432000},
                       {'>', FA, 101, 501, 0, EST, "FIN_WAIT", 120},
                       {'<', A, 501, 102, 0, EST, "CLOSE_WAIT", 60},
                       {'<', FA, 501, 102, 0, EST, "LAST_ACK", 30},
                       {'>', A, 102, 502, 0, EST, "TIME_WAIT", 120},
                       {0}});
}

static void
test_syn_is_not_renewed(void)
{
    run((const Step[]){{'>', S, 0, 0, 0, NEW, "SYN_SENT", 120},
                       {'>', S, 0, 0, 0, NEW, "SYN_SENT", 119, .wait = 1},
                       {'>', S, 0, 0, 0, NEW, "SYN_SENT", 117, .wait = 2},
                       {0}});
}

static void
test_refused(void)
{
    run((const Step[]){{'>', S, 0, 0, 0, NEW, "SYN_SENT", 120},
                       {'<', RA, (uint32_t)-5000, 1, 0, EST, NULL, 0},
                       {'>', S, 7, 0, 0, NEW, "SYN_SENT", 120},
                       {0}});
}

static void
test_reset(void)
{
    /* The server's RST: the next SYN is ignored until the server answers it; the entry, its translation too, stays. */
    run((const Step[]){HANDSHAKE,
                       {'<', RA, 1, 1, 0, EST, "CLOSE", 10},
                       {'>', S, 9000, 0, 0, EST, "CLOSE", 10},
                       {'<', SA, 70000, 9001, 0, EST, "SYN_RECV", 60},
                       {0}});
    run((const Step[]){
        HANDSHAKE, {'>', R, 1, 0, 0, EST, "CLOSE", 10}, {'>', S, 9000, 0, 0, NEW, "SYN_SENT", 120}, {0}});
}

static void
test_challenged_reset(void)
{
    /* Not the expected number: stays established, with the timeout of a closing one. */
    run((const Step[]){HANDSHAKE, {'<', R, 50, 0, 0, EST, "ESTABLISHED", 10}, {0}});
    /* Below it: invalid. */
    run((const Step[]){HANDSHAKE,
                       {'<', A, 1, 1, 500, EST, "ESTABLISHED", 300},
                       {'>', A, 1, 501, 0, EST, "ESTABLISHED", 432000},
                       {'<', R, 1, 0, 0, INV, "ESTABLISHED", 432000},
                       {0}});
}

static void
test_window(void)
{
    /* An acknowledgement of data that nobody sent; data beyond the window. */
    run((const Step[]){HANDSHAKE,
                       {'<', A, 1, 2000, 0, INV, "ESTABLISHED", 432000},
                       {'>', A, 20000000, 1, 10, INV, "ESTABLISHED", 432000},
                       {'>', A, 1, 1, 10, EST, "ESTABLISHED", 300},
                       {0}});
}

static void
test_liberal(void)
{
    CtWorld w = ct_world_new();

    T_TRUE(ct_sysctl_set(conntrack_sysctls(w.ct), "tcp_be_liberal", "1"));
    run_steps(&w, (const Step[]){HANDSHAKE,
                                 {'<', A, 1, 2000, 0, EST, "ESTABLISHED", 432000},
                                 {'>', A, 20000000, 1, 10, EST, "ESTABLISHED", 432000},
                                 {0}});
    ct_world_free(&w);
}

static void
test_old_segment_passes(void)
{
    CtWorld w = ct_world_new();

    run_steps(&w, (const Step[]){HANDSHAKE, {'>', A, 1, 1, 1000, EST, "ESTABLISHED", 300}, {0}});
    /* Far below the window: passes, but does not renew. */
    run_steps(&w, (const Step[]){{'<', A, 1, 1001, 0, EST, "ESTABLISHED", 432000, .wait = 1},
                                 {'>', A, (uint32_t)-40000000, 1, 10, EST, "ESTABLISHED", 431999, .wait = 1},
                                 {0}});
    ct_world_free(&w);
}

static void
test_retransmissions(void)
{
    run((const Step[]){HANDSHAKE,
                       {'>', A, 1, 1, 10, EST, "ESTABLISHED", 300},
                       {'<', A, 1, 11, 0, EST, "ESTABLISHED", 432000},
                       {'<', A, 1, 11, 0, EST, "ESTABLISHED", 432000},
                       {'<', A, 1, 11, 0, EST, "ESTABLISHED", 432000},
                       {'<', A, 1, 11, 0, EST, "ESTABLISHED", 300},
                       {0}});
}

static void
test_simultaneous_open(void)
{
    run((const Step[]){{'>', S, 0, 0, 0, NEW, "SYN_SENT", 120},
                       {'<', S, 0, 0, 0, EST, "SYN_SENT2", 120},
                       {'>', SA, 0, 1, 0, EST, "SYN_RECV", 60},
                       {'<', SA, 0, 1, 0, EST, "SYN_RECV", 60},
                       {'<', A, 1, 1, 0, EST, "ESTABLISHED", 432000},
                       {0}});
}

static void
test_simultaneous_close(void)
{
    run((const Step[]){HANDSHAKE,
                       {'>', FA, 1, 1, 0, EST, "FIN_WAIT", 120},
                       {'<', FA, 1, 1, 0, EST, "LAST_ACK", 30},
                       {'>', A, 2, 2, 0, EST, "TIME_WAIT", 120},
                       {'<', A, 2, 2, 0, EST, "TIME_WAIT", 120},
                       {0}});
}

static void
test_reopen(void)
{
    run((const Step[]){HANDSHAKE,
                       {'>', FA, 1, 1, 0, EST, "FIN_WAIT", 120},
                       {'<', FA, 1, 2, 0, EST, "LAST_ACK", 30},
                       {'>', A, 2, 2, 0, EST, "TIME_WAIT", 120},
                       {'>', S, 500000, 0, 0, NEW, "SYN_SENT", 120},
                       {'<', SA, 700000, 500001, 0, EST, "SYN_RECV", 60},
                       {'>', A, 500001, 700001, 0, EST, "ESTABLISHED", 432000},
                       {0}});
}

static void
test_out_of_step(void)
{
    /* A SYN on an established connection is ignored; its SYN-ACK brings the entry in step. */
    run((const Step[]){HANDSHAKE,
                       {'>', S, 900000, 0, 0, EST, "ESTABLISHED", 432000},
                       {'<', SA, 800000, 900001, 0, EST, "SYN_RECV", 60},
                       {'>', A, 900001, 800001, 0, EST, "ESTABLISHED", 432000},
                       {0}});
    /* Or its RST shows that there was a connection. */
    run((const Step[]){HANDSHAKE,
                       {'>', S, 900000, 0, 0, EST, "ESTABLISHED", 432000},
                       {'<', A, 1, 1, 0, EST, "ESTABLISHED", 432000},
                       {'>', R, 1, 0, 0, EST, "CLOSE", 10},
                       {0}});
}

static void
test_challenge_ack(void)
{
    run((const Step[]){HANDSHAKE,
                       {'>', FA, 1, 1, 0, EST, "FIN_WAIT", 120},
                       {'<', FA, 1, 2, 0, EST, "LAST_ACK", 30},
                       {'>', S, 900000, 0, 0, EST, "LAST_ACK", 30},
                       {'<', A, 2, 2, 0, EST, "LAST_ACK", 30},
                       {0}});
}

static void
test_pick_up(void)
{
    CtWorld w = ct_world_new();

    run_steps(&w, (const Step[]){{'>', A, 5000, 9000, 10, NEW, "ESTABLISHED", 300},
                                 {'<', A, 9000, 5010, 0, EST, "ESTABLISHED", 300},
                                 {'>', A, 5010, 9000, 0, EST, "ESTABLISHED", 432000},
                                 {0}});
    CT_LIST_IS(&w, "tcp      6 432000 ESTABLISHED src=10.0.0.1 dst=10.0.1.1 sport=1234 dport=80 src=10.0.1.1 "
                   "dst=10.0.0.1 sport=80 dport=1234 [ASSURED] mark=0 use=1");
    ct_world_free(&w);

    w = ct_world_new();
    T_TRUE(ct_sysctl_set(conntrack_sysctls(w.ct), "tcp_loose", "0"));
    run_steps(&w, (const Step[]){{'>', A, 5000, 9000, 10, INV, NULL, 0}, {0}});
    ct_world_free(&w);
}

static void
test_invalid_firsts(void)
{
    run((const Step[]){{'>', SA, 0, 0, 0, INV, NULL, 0}, {0}});
    run((const Step[]){{'>', FA, 0, 0, 0, INV, NULL, 0}, {0}});
    run((const Step[]){{'>', R, 0, 0, 0, INV, NULL, 0}, {0}});
    run((const Step[]){{'>', 0, 0, 0, 0, INV, NULL, 0}, {0}});
    run((const Step[]){{'>', TCP_SYN | TCP_FIN, 0, 0, 0, INV, NULL, 0}, {0}});
    run((const Step[]){{'>', TCP_FIN, 0, 0, 0, INV, NULL, 0}, {0}});
}

static void
test_zero_window(void)
{
    run((const Step[]){HANDSHAKE,
                       {'>', A, 1, 1, 10, EST, "ESTABLISHED", 300},
                       {'<', A, 1, 11, 0, EST, "ESTABLISHED", 432000, .window = 1},
                       {0}});
}

static void
test_expiry(void)
{
    run((const Step[]){{'>', S, 0, 0, 0, NEW, "SYN_SENT", 120},
                       {'<', SA, 0, 1, 0, INV, NULL, 0, .wait = 120},
                       {'>', S, 0, 0, 0, NEW, "SYN_SENT", 120},
                       {'<', SA, 0, 1, 0, EST, "SYN_RECV", 60, .wait = 119.9},
                       {0}});
}

const TestSuite suite_ct_tcp = {"sim/ct_tcp",
                                {{"a connection lives from SYN to TIME_WAIT", test_life},
                                 {"a repeated SYN does not renew the entry", test_syn_is_not_renewed},
                                 {"a RST as the only answer removes the entry", test_refused},
                                 {"a RST closes; its sender may start anew", test_reset},
                                 {"a RST with another sequence number is challenged or invalid", test_challenged_reset},
                                 {"segments outside the window are invalid", test_window},
                                 {"tcp_be_liberal lets them pass", test_liberal},
                                 {"old segments pass without renewing", test_old_segment_passes},
                                 {"repeated segments shorten the timeout", test_retransmissions},
                                 {"simultaneous open", test_simultaneous_open},
                                 {"simultaneous close", test_simultaneous_close},
                                 {"a SYN in TIME_WAIT reopens", test_reopen},
                                 {"an entry out of step gets in step", test_out_of_step},
                                 {"a challenge ACK does not acknowledge the FIN", test_challenge_ack},
                                 {"a running connection is picked up", test_pick_up},
                                 {"what begins no connection is invalid", test_invalid_firsts},
                                 {"a small window is not a zero window", test_zero_window},
                                 {"entries end when their time is over", test_expiry},
                                 {0}}};
