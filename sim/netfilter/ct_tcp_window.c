/* Is a TCP segment inside the window that the other side has opened? (tcp_in_window() of nf_conntrack_proto_tcp.c,
 * after Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter")
 *
 *   upper bound of data   seq     <= sender.maxend                      else INVALID, or IGNORE if only that is wrong
 *   upper bound of acks   sack    <= receiver.end                       else INVALID
 *   lower bound of data   seq+len >= sender.end - receiver.maxwin       else IGNORE (repeated old data)
 *   lower bound of acks   sack    >= receiver.end - MAXACKWINDOW        else IGNORE (delayed)
 *
 * 'sack' is the highest edge acknowledged, selectively or not.  Liberal checking passes all of them unexamined. */

#include "sim/netfilter/conntrack_private.h"

#define ACK_WINDOW_MIN 66000u
#define MAX_WSCALE     14

static bool has_options(const TcpHeader *header);
static void init_sender(CtTcp *tcp, const Packet *pkt, CtDir dir, uint32_t end);
static void pick_up_sender(CtTcp *tcp, const Packet *pkt, CtDir dir, uint32_t end, uint32_t sack);
static CtWindowVerdict outside(const Conntrack *ct, const CtTcp *tcp, CtDir dir, CtWindowVerdict verdict);
static uint32_t highest_ack(const Packet *pkt, bool sack_permitted);
static uint32_t ack_window(const CtTcpSide *sender);

CtWindowVerdict
ct_tcp_in_window(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir, CtTcpSegment segment)
{
    CtTcp *tcp = &conn->tcp;
    CtTcpSide *sender = &tcp->side[dir], *receiver = &tcp->side[!dir];
    const TcpHeader *header = &pkt->tcp;
    bool syn = header->flags & TCP_SYN, has_ack = header->flags & TCP_ACK, rst = header->flags & TCP_RST;
    uint32_t seq = header->seq, ack = header->ack, end = ct_tcp_segment_end(pkt), win = header->window;
    uint32_t sack = highest_ack(pkt, tcp->flags[!dir] & CT_TCP_SACK_PERM);
    bool in_receive_window;

    if (sender->maxwin == 0 && syn) {
        init_sender(tcp, pkt, dir, end);
        if (!has_ack)
            return CT_WINDOW_OK; /* Simultaneous open. */
    } else if (sender->maxwin == 0) {
        pick_up_sender(tcp, pkt, dir, end, sack);
    } else if (syn && seq_after(end, sender->end) &&
               (conn->state == CT_TCP_SYN_SENT || conn->state == CT_TCP_SYN_RECV)) {
        /* A connection that starts anew takes higher numbers; its options may differ. */
        init_sender(tcp, pkt, dir, end);
        if (dir == CT_REPLY && !has_ack)
            return CT_WINDOW_OK;
    }

    /* No acknowledgement, or the zero of careless stacks in a RST: as if it were right. */
    if (!has_ack || (rst && ack == 0))
        ack = sack = receiver->end;
    /* A RST that answers a SYN carries no sequence number of its own. */
    if (rst && seq == 0 && conn->state == CT_TCP_SYN_SENT)
        seq = end = sender->end;

    if (!seq_before(seq, sender->maxend + 1)) {
        uint32_t overshot = end - sender->maxend + 1;

        in_receive_window = receiver->maxwin && seq_after(end, sender->end - receiver->maxwin - 1);
        if (in_receive_window && seq_after(sack, receiver->end - ack_window(sender) - 1) &&
            overshot <= receiver->maxwin && seq_before(sack, receiver->end + 1)) {
            /* The receiver may take it all the same; then its acknowledgement must not look wrong. */
            sender->end = end;
            tcp->flags[dir] |= CT_TCP_UNACKED;
            return outside(ct, tcp, dir, CT_WINDOW_IGNORE);
        }
        return outside(ct, tcp, dir, CT_WINDOW_INVALID);
    }
    if (!seq_before(sack, receiver->end + 1))
        return outside(ct, tcp, dir, CT_WINDOW_INVALID);
    in_receive_window = !receiver->maxwin || seq_after(end, sender->end - receiver->maxwin - 1);
    if (!in_receive_window || !seq_after(sack, receiver->end - ack_window(sender) - 1))
        return outside(ct, tcp, dir, CT_WINDOW_IGNORE);

    if (!syn)
        win <<= tcp->scale[dir];
    if (sender->maxwin < win + (sack - ack))
        sender->maxwin = win + (sack - ack);
    if (seq_after(end, sender->end)) {
        sender->end = end;
        tcp->flags[dir] |= CT_TCP_UNACKED;
    }
    if (has_ack && (!(tcp->flags[dir] & CT_TCP_MAXACK_SET) || seq_after(ack, sender->maxack))) {
        sender->maxack = ack;
        tcp->flags[dir] |= CT_TCP_MAXACK_SET;
    }
    if (receiver->maxwin != 0 && seq_after(end, sender->maxend))
        receiver->maxwin += end - sender->maxend;
    if (seq_after(sack + win, receiver->maxend - 1))
        receiver->maxend = sack + win + (win == 0);
    if (ack == receiver->end)
        tcp->flags[!dir] &= (uint8_t)~CT_TCP_UNACKED;

    if (segment == CT_SEG_ACK) {
        if (tcp->last_dir == dir && tcp->last_seq == seq && tcp->last_ack == ack && tcp->last_end == end &&
            tcp->last_win == header->window) {
            tcp->retrans++;
        } else {
            tcp->last_dir = dir;
            tcp->last_seq = seq;
            tcp->last_ack = ack;
            tcp->last_end = end;
            tcp->last_win = header->window;
            tcp->retrans = 0;
        }
    }
    return CT_WINDOW_OK;
}

uint32_t
ct_tcp_segment_end(const Packet *pkt)
{
    return pkt->tcp.seq + pkt->payload.len + !!(pkt->tcp.flags & TCP_SYN) + !!(pkt->tcp.flags & TCP_FIN);
}

void
ct_tcp_options(const Packet *pkt, uint8_t *scale, uint8_t *flags)
{
    const TcpHeader *header = &pkt->tcp;

    if (!has_options(header))
        return;
    *scale = 0;
    *flags &= CT_TCP_BE_LIBERAL;
    if (header->wscale) {
        *scale = header->wscale - 1 > MAX_WSCALE ? MAX_WSCALE : header->wscale - 1;
        *flags |= CT_TCP_WINDOW_SCALE;
    }
    if (header->sack_permitted)
        *flags |= CT_TCP_SACK_PERM;
}

static bool
has_options(const TcpHeader *header)
{
    return header->wscale || header->mss || header->sack_permitted || header->n_sacks || header->has_ts;
}

/* A SYN or SYN-ACK opens this side. */
static void
init_sender(CtTcp *tcp, const Packet *pkt, CtDir dir, uint32_t end)
{
    CtTcpSide *sender = &tcp->side[dir];

    sender->end = sender->maxend = end;
    sender->maxwin = pkt->tcp.window ? pkt->tcp.window : 1;
    ct_tcp_options(pkt, &tcp->scale[dir], &tcp->flags[dir]);
    /* Both must offer to scale, or neither does. */
    if (dir == CT_REPLY && !(tcp->flags[0] & tcp->flags[1] & CT_TCP_WINDOW_SCALE))
        tcp->scale[0] = tcp->scale[1] = 0;
}

/* First sight of this side, in the middle of its life. */
static void
pick_up_sender(CtTcp *tcp, const Packet *pkt, CtDir dir, uint32_t end, uint32_t sack)
{
    CtTcpSide *sender = &tcp->side[dir], *receiver = &tcp->side[!dir];
    uint32_t win = (uint32_t)pkt->tcp.window << tcp->scale[dir];

    sender->end = end;
    sender->maxwin = win ? win : 1;
    sender->maxend = end + sender->maxwin;
    if (receiver->maxwin == 0)
        receiver->end = receiver->maxend = sack;
    else if (sack == receiver->end + 1)
        receiver->end++; /* The answer to a keep-alive, likely. */
}

static CtWindowVerdict
outside(const Conntrack *ct, const CtTcp *tcp, CtDir dir, CtWindowVerdict verdict)
{
    return ct->sysctls.tcp_be_liberal || tcp->flags[dir] & CT_TCP_BE_LIBERAL ? CT_WINDOW_OK : verdict;
}

static uint32_t
highest_ack(const Packet *pkt, bool sack_permitted)
{
    uint32_t highest = pkt->tcp.ack;

    if (!sack_permitted)
        return highest;
    for (int i = 0; i < pkt->tcp.n_sacks && i < 2; i++)
        if (seq_after(pkt->tcp.sacks[2 * i + 1], highest))
            highest = pkt->tcp.sacks[2 * i + 1];
    return highest;
}

static uint32_t
ack_window(const CtTcpSide *sender)
{
    return sender->maxwin > ACK_WINDOW_MIN ? sender->maxwin : ACK_WINDOW_MIN;
}
