/* SCTP (nf_conntrack_proto_sctp.c)
 *
 * A packet stands for its first chunk. */

#include "sim/netfilter/conntrack_private.h"

/* RFC 9260, 3.2. */
enum {
    CHUNK_INIT = 1,
    CHUNK_INIT_ACK = 2,
    CHUNK_HEARTBEAT = 4,
    CHUNK_HEARTBEAT_ACK = 5,
    CHUNK_ABORT = 6,
    CHUNK_SHUTDOWN = 7,
    CHUNK_SHUTDOWN_ACK = 8,
    CHUNK_ERROR = 9,
    CHUNK_COOKIE_ECHO = 10,
    CHUNK_COOKIE_ACK = 11,
    CHUNK_SHUTDOWN_COMPLETE = 14,
};

#define NO CT_SCTP_NONE
#define CL CT_SCTP_CLOSED
#define CW CT_SCTP_COOKIE_WAIT
#define CE CT_SCTP_COOKIE_ECHOED
#define ES CT_SCTP_ESTABLISHED
#define SS CT_SCTP_SHUTDOWN_SENT
#define SR CT_SCTP_SHUTDOWN_RECD
#define SA CT_SCTP_SHUTDOWN_ACK_SENT
#define HS CT_SCTP_HEARTBEAT_SENT
#define IV 9 /* Invalid. */

/* By direction, row of the chunk, state. */
static const uint8_t transitions[2][11][9] = {
    {
        /* NO  CL  CW  CE  ES  SS  SR  SA  HS */
        {CL, CL, CW, CE, ES, CL, CL, SA, CW}, /* INIT */
        {CL, CL, CW, CE, ES, SS, SR, SA, CL}, /* INIT ACK */
        {CL, CL, CL, CL, CL, CL, CL, CL, CL}, /* ABORT */
        {CL, CL, CW, CE, SS, SS, SR, SA, CL}, /* SHUTDOWN */
        {SA, CL, CW, CE, ES, SA, SA, SA, SA}, /* SHUTDOWN ACK */
        {CL, CL, CW, CE, ES, SS, SR, SA, CL}, /* ERROR */
        {CL, CL, CE, CE, ES, SS, SR, SA, CL}, /* COOKIE ECHO */
        {CL, CL, CW, ES, ES, SS, SR, SA, CL}, /* COOKIE ACK */
        {CL, CL, CW, CE, ES, SS, SR, CL, CL}, /* SHUTDOWN COMPLETE */
        {HS, CL, CW, CE, ES, SS, SR, SA, HS}, /* HEARTBEAT */
        {CL, CL, CW, CE, ES, SS, SR, SA, HS}, /* HEARTBEAT ACK */
    },
    {
        {IV, CL, CW, CE, ES, SS, SR, SA, IV}, /* INIT */
        {IV, CW, CW, CE, ES, SS, SR, SA, IV}, /* INIT ACK */
        {IV, CL, CL, CL, CL, CL, CL, CL, IV}, /* ABORT */
        {IV, CL, CW, CE, SR, SS, SR, SA, IV}, /* SHUTDOWN */
        {IV, CL, CW, CE, ES, SA, SA, SA, IV}, /* SHUTDOWN ACK */
        {IV, CL, CW, CL, ES, SS, SR, SA, IV}, /* ERROR */
        {IV, CL, CE, CE, ES, SS, SR, SA, IV}, /* COOKIE ECHO */
        {IV, CL, CW, ES, ES, SS, SR, SA, IV}, /* COOKIE ACK */
        {IV, CL, CW, CE, ES, SS, SR, CL, IV}, /* SHUTDOWN COMPLETE */
        {IV, CL, CW, CE, ES, SS, SR, SA, HS}, /* HEARTBEAT */
        {IV, CL, CW, CE, ES, SS, SR, SA, ES}, /* HEARTBEAT ACK */
    },
};

static bool sctp_begin(Conn *conn, const SctpHeader *header);
static bool tag_is_valid(CtSctp *sctp, const SctpHeader *header, CtDir dir, bool *ret_tolerated);
static bool note_init(CtSctp *sctp, uint8_t state, const SctpHeader *header, CtDir dir);
static uint8_t next_state(CtDir dir, uint8_t state, uint8_t chunk);
static SimTime state_timeout(const CtSysctls *sysctls, CtSctpState state);

CtPacketVerdict
ct_sctp_packet(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir)
{
    const SctpHeader *header = &pkt->sctp;
    CtSctp *sctp = &conn->sctp;
    uint8_t old, next;
    bool tolerated = false;

    if (!(conn->status & CT_CONFIRMED) && !sctp_begin(conn, header))
        return CT_PACKET_INVALID;
    if (!tag_is_valid(sctp, header, dir, &tolerated))
        return CT_PACKET_INVALID;
    if (tolerated)
        return CT_PACKET_ACCEPT;
    old = conn->state;
    next = next_state(dir, old, header->chunk);
    if (next == IV || !note_init(sctp, old, header, dir))
        return CT_PACKET_INVALID;
    conn->state = next;
    if (next != old && conn->status & CT_CONFIRMED)
        ct_trace(ct, conn, pkt, TRACE_CT_STATE);
    if (next != old && next == CT_SCTP_ESTABLISHED && !(conn->status & CT_ASSURED)) {
        conn->status |= CT_ASSURED;
        ct_trace(ct, conn, pkt, TRACE_CT_ASSURED);
    }
    /* A repeated INIT does not keep an entry alive. */
    if (header->chunk == CHUNK_INIT && old == CT_SCTP_CLOSED && next == CT_SCTP_CLOSED && conn->status & CT_CONFIRMED)
        return CT_PACKET_ACCEPT;
    conn_refresh(ct, conn, state_timeout(&ct->sysctls, (CtSctpState)next));
    return CT_PACKET_ACCEPT;
}

static bool
sctp_begin(Conn *conn, const SctpHeader *header)
{
    uint8_t state = next_state(CT_ORIG, CT_SCTP_NONE, header->chunk);

    if (header->chunk == CHUNK_ABORT || header->chunk == CHUNK_SHUTDOWN_COMPLETE || header->chunk == CHUNK_COOKIE_ACK ||
        state == CT_SCTP_NONE)
        return false;
    if (header->chunk == CHUNK_INIT) {
        if (header->vtag != 0)
            return false;
        conn->sctp.vtag[CT_REPLY] = header->init_tag;
    } else if (header->chunk == CHUNK_HEARTBEAT || header->chunk == CHUNK_HEARTBEAT_ACK) {
        conn->sctp.vtag[CT_ORIG] = header->vtag;
    } else {
        conn->sctp.vtag[CT_REPLY] = header->vtag;
    }
    return true;
}

/* RFC 9260, 8.5.  *ret_tolerated: a heartbeat with another tag passes, but says nothing about the connection. */
static bool
tag_is_valid(CtSctp *sctp, const SctpHeader *header, CtDir dir, bool *ret_tolerated)
{
    bool own = header->vtag == sctp->vtag[dir];

    switch (header->chunk) {
    case CHUNK_INIT:
        return header->vtag == 0;
    case CHUNK_ABORT:
    case CHUNK_SHUTDOWN_COMPLETE:
        return header->vtag == sctp->vtag[header->t_bit ? !dir : dir];
    case CHUNK_SHUTDOWN_ACK:
        return true;
    case CHUNK_COOKIE_ACK:
        if (own)
            sctp->init[0] = sctp->init[1] = 0;
        return own;
    case CHUNK_HEARTBEAT:
        if (sctp->vtag[dir] == 0) {
            sctp->vtag[dir] = header->vtag;
        } else if (!own) {
            sctp->heartbeat_vtag_failed = true;
            sctp->last_dir = dir;
            *ret_tolerated = true;
        } else {
            sctp->heartbeat_vtag_failed = false;
        }
        return true;
    case CHUNK_HEARTBEAT_ACK:
        if (sctp->vtag[dir] == 0) {
            sctp->vtag[dir] = header->vtag;
        } else if (!own) {
            if (!sctp->heartbeat_vtag_failed || sctp->last_dir == dir)
                return false;
            sctp->heartbeat_vtag_failed = false;
            sctp->vtag[dir] = header->vtag;
            sctp->vtag[!dir] = 0;
        } else {
            sctp->heartbeat_vtag_failed = false;
        }
        return true;
    default:
        return own;
    }
}

/* INIT and INIT ACK say which tag the other side will use. */
static bool
note_init(CtSctp *sctp, uint8_t state, const SctpHeader *header, CtDir dir)
{
    if (header->chunk == CHUNK_INIT) {
        /* One that says what is known is late or repeated, and opens nothing. */
        if (state == CT_SCTP_NONE || sctp->vtag[!dir] != header->init_tag) {
            if (sctp->init[dir] && sctp->init[!dir])
                sctp->init[!dir] = 0;
            sctp->init[dir] = 1;
        }
        sctp->vtag[!dir] = header->init_tag;
    } else if (header->chunk == CHUNK_INIT_ACK) {
        uint32_t known = sctp->vtag[!dir];

        if (known != header->init_tag && ((!sctp->init[!dir] && known != 0) || (sctp->init[dir] && sctp->init[!dir])))
            return false;
        sctp->vtag[!dir] = header->init_tag;
    }
    return true;
}

static uint8_t
next_state(CtDir dir, uint8_t state, uint8_t chunk)
{
    static const uint8_t rows[] = {CHUNK_INIT,        CHUNK_INIT_ACK,     CHUNK_ABORT,
                                   CHUNK_SHUTDOWN,    CHUNK_SHUTDOWN_ACK, CHUNK_ERROR,
                                   CHUNK_COOKIE_ECHO, CHUNK_COOKIE_ACK,   CHUNK_SHUTDOWN_COMPLETE,
                                   CHUNK_HEARTBEAT,   CHUNK_HEARTBEAT_ACK};

    for (size_t row = 0; row < sizeof rows; row++)
        if (rows[row] == chunk)
            return transitions[dir][row][state];
    return state; /* DATA, SACK and others change nothing. */
}

static SimTime
state_timeout(const CtSysctls *sysctls, CtSctpState state)
{
    switch (state) {
    case CT_SCTP_NONE:
    case CT_SCTP_CLOSED:
        return sysctls->sctp_timeout_closed;
    case CT_SCTP_COOKIE_WAIT:
        return sysctls->sctp_timeout_cookie_wait;
    case CT_SCTP_COOKIE_ECHOED:
        return sysctls->sctp_timeout_cookie_echoed;
    case CT_SCTP_ESTABLISHED:
        return sysctls->sctp_timeout_established;
    case CT_SCTP_SHUTDOWN_SENT:
        return sysctls->sctp_timeout_shutdown_sent;
    case CT_SCTP_SHUTDOWN_RECD:
        return sysctls->sctp_timeout_shutdown_recd;
    case CT_SCTP_SHUTDOWN_ACK_SENT:
        return sysctls->sctp_timeout_shutdown_ack_sent;
    case CT_SCTP_HEARTBEAT_SENT:
        return sysctls->sctp_timeout_heartbeat_sent;
    }
    return 0;
}
