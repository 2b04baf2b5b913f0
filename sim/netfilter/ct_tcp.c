/* TCP connection states (nf_conntrack_proto_tcp.c)
 *
 * The observer stands between the two ends: its state is a guess at theirs.  A segment is classed by its flags, the
 * table gives the next state, and the window check (ct_tcp_window.c) decides whether the segment is believed.
 *
 * Segments that the table ignores may be right (we may be out of step): they pass, are remembered, and an answer to
 * them brings us back in step. */

#include "sim/netfilter/conntrack_private.h"

#define NO CT_TCP_NONE
#define SS CT_TCP_SYN_SENT
#define SR CT_TCP_SYN_RECV
#define ES CT_TCP_ESTABLISHED
#define FW CT_TCP_FIN_WAIT
#define CW CT_TCP_CLOSE_WAIT
#define LA CT_TCP_LAST_ACK
#define TW CT_TCP_TIME_WAIT
#define CL CT_TCP_CLOSE
#define S2 CT_TCP_SYN_SENT2
#define IV 10 /* Invalid. */
#define IG 11 /* Ignored. */

/* By direction, segment, state. */
static const uint8_t transitions[2][6][10] = {
    {
        /* NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
        {SS, SS, IG, IG, IG, IG, IG, SS, SS, S2}, /* SYN: first, repeated, or reopening a closed connection. */
        {IV, IV, SR, IV, IV, IV, IV, IV, IV, SR}, /* SYN-ACK: only in a simultaneous open. */
        {IV, IV, FW, FW, LA, LA, LA, TW, CL, IV}, /* FIN */
        {ES, IV, ES, ES, CW, CW, TW, TW, CL, IV}, /* ACK: NO to ES is the pick-up of a running connection. */
        {IV, CL, CL, CL, CL, CL, CL, CL, CL, CL}, /* RST */
        {IV, IV, IV, IV, IV, IV, IV, IV, IV, IV},
    },
    {
        {IV, S2, IV, IV, IV, IV, IV, SS, IV, S2}, /* SYN: simultaneous open, or the server reopens what is over. */
        {IV, SR, IG, IG, IG, IG, IG, IG, IG, SR}, /* SYN-ACK */
        {IV, IV, FW, FW, LA, LA, LA, TW, CL, IV}, /* FIN */
        {IV, IG, SR, ES, CW, CW, TW, TW, CL, IG}, /* ACK: in SS a challenge to the SYN, maybe. */
        {IV, CL, CL, CL, CL, CL, CL, CL, CL, CL}, /* RST */
        {IV, IV, IV, IV, IV, IV, IV, IV, IV, IV},
    },
};

static bool flags_are_valid(uint8_t flags);
static CtTcpSegment segment_of_flags(uint8_t flags);
static bool tcp_begin(const Conntrack *ct, Conn *conn, const Packet *pkt);
static bool is_answer_to_ignored_syn(const CtTcp *tcp, const Packet *pkt, CtDir dir, CtTcpSegment segment);
static void catch_up_with_ignored_syn(CtTcp *tcp, CtDir dir);
static void note_ignored(CtTcp *tcp, uint8_t state, const Packet *pkt, CtDir dir, CtTcpSegment segment);
typedef enum { RST_CHECK_WINDOW, RST_KEEP_STATE, RST_BELIEVE, RST_INVALID } RstVerdict;
static RstVerdict judge_rst(const Conntrack *ct, const Conn *conn, const Packet *pkt, CtDir dir);
static void shorten_after_invalid(Conntrack *ct, Conn *conn, CtDir dir, CtTcpSegment segment);
static CtPacketVerdict tcp_accept(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir, CtTcpSegment segment,
                                  uint8_t old, uint8_t next);
static SimTime tcp_timeout(const CtSysctls *sysctls, const CtTcp *tcp, CtTcpState state, CtTcpSegment segment);
static SimTime state_timeout(const CtSysctls *sysctls, CtTcpState state);

CtPacketVerdict
ct_tcp_packet(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir)
{
    CtTcp *tcp = &conn->tcp;
    CtTcpSegment segment = segment_of_flags(pkt->tcp.flags);
    uint8_t old, next;

    if (!flags_are_valid(pkt->tcp.flags))
        return CT_PACKET_INVALID;
    if (!(conn->status & CT_CONFIRMED) && !tcp_begin(ct, conn, pkt))
        return CT_PACKET_INVALID;
    old = conn->state;
    next = transitions[dir][segment][old];

    /* RFC 9293, 3.6.1: a SYN may reopen a connection in TIME-WAIT.  If we saw how it ended, it is a new connection;
     * else we may be out of step. */
    if (next == CT_TCP_SYN_SENT && old >= CT_TCP_TIME_WAIT) {
        if ((tcp->flags[0] | tcp->flags[1]) & CT_TCP_CLOSE_INIT ||
            (tcp->last_dir == dir && tcp->last_segment == CT_SEG_RST)) {
            ct_table_kill(ct, conn, pkt);
            return CT_PACKET_REPEAT;
        }
        next = IG;
    }

    switch (next) {
    case IG:
        if (!is_answer_to_ignored_syn(tcp, pkt, dir, segment)) {
            note_ignored(tcp, old, pkt, dir, segment);
            return CT_PACKET_ACCEPT;
        }
        catch_up_with_ignored_syn(tcp, dir);
        old = CT_TCP_SYN_SENT;
        next = CT_TCP_SYN_RECV;
        break;
    case IV:
        return CT_PACKET_INVALID;
    case CT_TCP_TIME_WAIT:
        /* RFC 5961: the answer to a stray SYN is a challenge ACK; it does not acknowledge the last FIN. */
        if (old == CT_TCP_LAST_ACK && segment == CT_SEG_ACK && tcp->last_dir != dir &&
            tcp->last_segment == CT_SEG_SYN && tcp->last_flags & CT_TCP_CHALLENGE_ACK) {
            tcp->last_flags &= (uint8_t)~CT_TCP_CHALLENGE_ACK;
            return CT_PACKET_ACCEPT;
        }
        break;
    case CT_TCP_SYN_SENT2:
        tcp->last_flags |= CT_TCP_SIMULTANEOUS;
        break;
    case CT_TCP_SYN_RECV:
        if (dir == CT_REPLY && segment == CT_SEG_ACK && tcp->last_flags & CT_TCP_SIMULTANEOUS)
            next = CT_TCP_ESTABLISHED;
        break;
    case CT_TCP_CLOSE:
        if (segment != CT_SEG_RST)
            break;
        switch (judge_rst(ct, conn, pkt, dir)) {
        case RST_CHECK_WINDOW:
            break;
        case RST_KEEP_STATE:
            next = old;
            break;
        case RST_BELIEVE:
            return tcp_accept(ct, conn, pkt, dir, segment, old, next);
        case RST_INVALID:
            return CT_PACKET_INVALID;
        }
        break;
    default:
        break;
    }

    switch (ct_tcp_in_window(ct, conn, pkt, dir, segment)) {
    case CT_WINDOW_OK:
        break;
    case CT_WINDOW_IGNORE:
        return CT_PACKET_ACCEPT;
    case CT_WINDOW_INVALID:
        shorten_after_invalid(ct, conn, dir, segment);
        return CT_PACKET_INVALID;
    }
    return tcp_accept(ct, conn, pkt, dir, segment, old, next);
}

/* PSH, ECE and CWR go with anything; of the others these combinations are sane. */
static bool
flags_are_valid(uint8_t flags)
{
    switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG)) {
    case TCP_SYN:
    case TCP_SYN | TCP_URG:
    case TCP_SYN | TCP_ACK:
    case TCP_RST:
    case TCP_RST | TCP_ACK:
    case TCP_FIN | TCP_ACK:
    case TCP_FIN | TCP_ACK | TCP_URG:
    case TCP_ACK:
    case TCP_ACK | TCP_URG:
        return true;
    default:
        return false;
    }
}

static CtTcpSegment
segment_of_flags(uint8_t flags)
{
    if (flags & TCP_RST)
        return CT_SEG_RST;
    if (flags & TCP_SYN)
        return flags & TCP_ACK ? CT_SEG_SYNACK : CT_SEG_SYN;
    if (flags & TCP_FIN)
        return CT_SEG_FIN;
    return flags & TCP_ACK ? CT_SEG_ACK : CT_SEG_NONE;
}

/* The first segment of an entry: a SYN, or, if tcp_loose allows, the middle of a connection. */
static bool
tcp_begin(const Conntrack *ct, Conn *conn, const Packet *pkt)
{
    CtTcp *tcp = &conn->tcp;
    CtTcpSegment segment = segment_of_flags(pkt->tcp.flags);
    uint8_t state = transitions[CT_ORIG][segment][CT_TCP_NONE];

    if (state == IV || (state != CT_TCP_SYN_SENT && !ct->sysctls.tcp_loose))
        return false;
    tcp->side[0].end = ct_tcp_segment_end(pkt);
    tcp->side[0].maxwin = pkt->tcp.window ? pkt->tcp.window : 1;
    tcp->side[0].maxend = tcp->side[0].end;
    if (state == CT_TCP_SYN_SENT) {
        ct_tcp_options(pkt, &tcp->scale[0], &tcp->flags[0]);
    } else {
        /* The window scales are unknown. */
        tcp->side[0].maxend += tcp->side[0].maxwin;
        tcp->flags[0] = tcp->flags[1] = CT_TCP_SACK_PERM | CT_TCP_BE_LIBERAL;
    }
    tcp->last_segment = CT_SEG_NONE;
    return true;
}

static bool
is_answer_to_ignored_syn(const CtTcp *tcp, const Packet *pkt, CtDir dir, CtTcpSegment segment)
{
    return segment == CT_SEG_SYNACK && tcp->last_segment == CT_SEG_SYN && tcp->last_dir != dir &&
           pkt->tcp.ack == tcp->last_end;
}

static void
catch_up_with_ignored_syn(CtTcp *tcp, CtDir dir)
{
    CtTcpSide *opener = &tcp->side[tcp->last_dir];

    opener->end = opener->maxend = tcp->last_end;
    opener->maxwin = tcp->last_win ? tcp->last_win : 1;
    tcp->scale[tcp->last_dir] = tcp->last_wscale;
    tcp->last_flags &= (uint8_t)~CT_TCP_CHALLENGE_ACK;
    tcp->flags[tcp->last_dir] = tcp->last_flags;
    tcp->side[dir] = (CtTcpSide){0};
    tcp->scale[dir] = 0;
    tcp->flags[dir] &= CT_TCP_BE_LIBERAL;
}

static void
note_ignored(CtTcp *tcp, uint8_t state, const Packet *pkt, CtDir dir, CtTcpSegment segment)
{
    tcp->last_segment = segment;
    tcp->last_dir = dir;
    tcp->last_seq = pkt->tcp.seq;
    tcp->last_end = ct_tcp_segment_end(pkt);
    tcp->last_win = pkt->tcp.window;
    if (segment == CT_SEG_SYN && dir == CT_ORIG) {
        uint8_t scale = 0, flags = 0;

        ct_tcp_options(pkt, &scale, &flags);
        tcp->last_flags = flags;
        tcp->last_wscale = scale;
        if (state == CT_TCP_LAST_ACK)
            tcp->last_flags |= CT_TCP_CHALLENGE_ACK;
    }
    if (state == CT_TCP_SYN_SENT && segment == CT_SEG_ACK && dir == CT_REPLY)
        tcp->last_ack = pkt->tcp.ack;
}

/* Is a RST to be believed?  One that does not hit the expected sequence number exactly may be forged, and an end that
 * gets it answers with a challenge (RFC 5961). */
static RstVerdict
judge_rst(const Conntrack *ct, const Conn *conn, const Packet *pkt, CtDir dir)
{
    const CtTcp *tcp = &conn->tcp;
    uint32_t seq = pkt->tcp.seq, expected = tcp->side[!dir].maxack;
    bool established = conn->state == CT_TCP_ESTABLISHED && conn->status & CT_ASSURED;

    /* Closing: the end may have forgotten the connection, or reused its port. */
    if (conn->state >= CT_TCP_FIN_WAIT && conn->state <= CT_TCP_CLOSE)
        return RST_BELIEVE;
    /* What was acknowledged says nothing if we let a SYN of unknown worth pass. */
    if (tcp->flags[!dir] & CT_TCP_MAXACK_SET && tcp->last_segment != CT_SEG_SYN) {
        if (seq == 0 && !established)
            return RST_CHECK_WINDOW;
        if (seq_before(seq, expected) && !ct->sysctls.tcp_ignore_invalid_rst)
            return RST_INVALID;
        if (!established || seq == expected)
            return RST_CHECK_WINDOW;
        /* Directly behind data of the same side. */
        if (tcp->last_segment == CT_SEG_ACK && tcp->last_dir == dir && seq == tcp->last_end)
            return RST_CHECK_WINDOW;
        return RST_KEEP_STATE;
    }
    /* The answer to a SYN or to a half-open connection's ACK that we ignored. */
    if (((conn->status & CT_SEEN_REPLY && tcp->last_segment == CT_SEG_SYN && tcp->last_dir != dir) ||
         (!(conn->status & CT_ASSURED) && tcp->last_segment == CT_SEG_ACK)) &&
        pkt->tcp.ack == tcp->last_end)
        return RST_BELIEVE;
    /* The answer to a challenge ACK that we let pass. */
    if (conn->state == CT_TCP_SYN_SENT && tcp->last_segment == CT_SEG_ACK && tcp->last_dir == CT_REPLY &&
        seq == tcp->last_ack)
        return RST_BELIEVE;
    return RST_CHECK_WINDOW;
}

/* Both ends say goodbye outside of what we take for their windows: the entry need not stay for days. */
static void
shorten_after_invalid(Conntrack *ct, Conn *conn, CtDir dir, CtTcpSegment segment)
{
    CtTcp *tcp = &conn->tcp;
    SimTime timeout = ct->sysctls.tcp_timeout_unacknowledged, left = conn->expires - ct->sim->now;

    if (!(conn->status & CT_ASSURED) || conn->status & CT_FIXED_TIMEOUT)
        return;
    if (segment != CT_SEG_RST && segment != CT_SEG_FIN)
        return;
    if (tcp->last_dir != dir && (tcp->last_segment == CT_SEG_FIN || tcp->last_segment == CT_SEG_RST)) {
        if (left >= 120 * SIMTIME_SEC && left > timeout)
            conn_refresh(ct, conn, timeout);
    } else {
        tcp->last_segment = segment;
        tcp->last_dir = dir;
    }
}

static CtPacketVerdict
tcp_accept(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir, CtTcpSegment segment, uint8_t old, uint8_t next)
{
    CtTcp *tcp = &conn->tcp;
    const CtSysctls *sysctls = &ct->sysctls;
    SimTime timeout;

    tcp->last_segment = segment;
    tcp->last_dir = dir;
    conn->state = next;
    if (old != next && next == CT_TCP_FIN_WAIT)
        tcp->flags[dir] |= CT_TCP_CLOSE_INIT;
    timeout = tcp_timeout(sysctls, tcp, (CtTcpState)next, segment);
    if (old != next && conn->status & CT_CONFIRMED)
        ct_trace(ct, conn, pkt, TRACE_CT_STATE);

    if (!(conn->status & CT_SEEN_REPLY)) {
        /* A RST as the only answer: there was no connection. */
        if (segment == CT_SEG_RST) {
            if ((conn->status & (CT_CONFIRMED | CT_DYING)) == CT_CONFIRMED)
                ct_table_kill(ct, conn, pkt);
            return CT_PACKET_ACCEPT;
        }
        /* A repeated SYN does not keep the entry alive. */
        if (segment == CT_SEG_SYN && old == CT_TCP_SYN_SENT)
            return CT_PACKET_ACCEPT;
        /* Picked up, and nobody answers. */
        if (next == CT_TCP_ESTABLISHED && timeout > sysctls->tcp_timeout_unacknowledged)
            timeout = sysctls->tcp_timeout_unacknowledged;
    } else if (!(conn->status & CT_ASSURED) && (old == CT_TCP_SYN_RECV || old == CT_TCP_ESTABLISHED) &&
               next == CT_TCP_ESTABLISHED) {
        conn->status |= CT_ASSURED;
        ct_trace(ct, conn, pkt, TRACE_CT_ASSURED);
    }
    conn_refresh(ct, conn, timeout);
    return CT_PACKET_ACCEPT;
}

static SimTime
tcp_timeout(const CtSysctls *sysctls, const CtTcp *tcp, CtTcpState state, CtTcpSegment segment)
{
    SimTime timeout = state_timeout(sysctls, state);

    if (tcp->retrans >= sysctls->tcp_max_retrans && timeout > sysctls->tcp_timeout_max_retrans)
        return sysctls->tcp_timeout_max_retrans;
    if (segment == CT_SEG_RST)
        return sysctls->tcp_timeout_close;
    if ((tcp->flags[0] | tcp->flags[1]) & CT_TCP_UNACKED && timeout > sysctls->tcp_timeout_unacknowledged)
        return sysctls->tcp_timeout_unacknowledged;
    if (tcp->last_win == 0 && timeout > sysctls->tcp_timeout_max_retrans)
        return sysctls->tcp_timeout_max_retrans;
    return timeout;
}

static SimTime
state_timeout(const CtSysctls *sysctls, CtTcpState state)
{
    switch (state) {
    case CT_TCP_NONE:
    case CT_TCP_SYN_SENT:
        return sysctls->tcp_timeout_syn_sent;
    case CT_TCP_SYN_RECV:
        return sysctls->tcp_timeout_syn_recv;
    case CT_TCP_ESTABLISHED:
        return sysctls->tcp_timeout_established;
    case CT_TCP_FIN_WAIT:
        return sysctls->tcp_timeout_fin_wait;
    case CT_TCP_CLOSE_WAIT:
        return sysctls->tcp_timeout_close_wait;
    case CT_TCP_LAST_ACK:
        return sysctls->tcp_timeout_last_ack;
    case CT_TCP_TIME_WAIT:
        return sysctls->tcp_timeout_time_wait;
    case CT_TCP_CLOSE:
        return sysctls->tcp_timeout_close;
    case CT_TCP_SYN_SENT2:
        return 120 * SIMTIME_SEC; /* Has no sysctl. */
    }
    return 0;
}
