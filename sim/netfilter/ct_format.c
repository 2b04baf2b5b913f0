/* The layout of `conntrack -L` (libnetfilter_conntrack, src/conntrack/snprintf_default.c) */

#include <glib.h>

#include "sim/netfilter/conntrack_private.h"

static const char *proto_name(uint8_t proto);
static void append_tuple(GString *line, const CtTuple *tuple);

const char *
conn_state_name(const Conn *conn)
{
    static const char *const tcp[] = {"NONE",       "SYN_SENT", "SYN_RECV",  "ESTABLISHED", "FIN_WAIT",
                                      "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",       "SYN_SENT2"};
    static const char *const sctp[] = {"NONE",          "CLOSED",        "COOKIE_WAIT",   "COOKIE_ECHOED",
                                       "ESTABLISHED",   "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT",
                                       "HEARTBEAT_SENT"};

    if (conn->key[CT_ORIG].proto == IPPROTO_TCP_)
        return tcp[conn->state];
    if (conn->key[CT_ORIG].proto == IPPROTO_SCTP_)
        return sctp[conn->state];
    return NULL;
}

char *
conn_format(const Conntrack *ct, const Conn *conn)
{
    GString *line = g_string_new(NULL);
    CtTuple orig = conn_tuple(conn, CT_ORIG), reply = conn_tuple(conn, CT_REPLY);
    CtZone zone = conn_zone(conn);
    SimTime left = conn_expires(conn) - ct->sim->now;
    const char *state = conn_state_name(conn);

    g_string_append_printf(line, "%-8s %u ", proto_name(orig.proto), orig.proto);
    g_string_append_printf(line, "%" G_GINT64_FORMAT " ", MAX(left, 0) / SIMTIME_SEC);
    if (state)
        g_string_append_printf(line, "%s ", state);
    append_tuple(line, &orig);
    if (zone.dirs == CT_ZONE_ORIG)
        g_string_append_printf(line, "zone-orig=%u ", zone.id);
    if (!(conn->status & CT_SEEN_REPLY))
        g_string_append(line, "[UNREPLIED] ");
    append_tuple(line, &reply);
    if (zone.dirs == CT_ZONE_REPLY)
        g_string_append_printf(line, "zone-reply=%u ", zone.id);
    if (conn->status & CT_ASSURED)
        g_string_append(line, "[ASSURED] ");
    g_string_append_printf(line, "mark=%u ", conn->mark);
    if (zone.dirs == CT_ZONE_BOTH && zone.id)
        g_string_append_printf(line, "zone=%u ", zone.id);
    g_string_append_printf(line, "use=%u", conn->refs);
    return g_string_free(line, FALSE);
}

static const char *
proto_name(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_ICMP_:
        return "icmp";
    case IPPROTO_TCP_:
        return "tcp";
    case IPPROTO_UDP_:
        return "udp";
    case IPPROTO_ICMPV6_:
        return "icmpv6";
    case IPPROTO_SCTP_:
        return "sctp";
    default:
        return "unknown";
    }
}

static void
append_tuple(GString *line, const CtTuple *tuple)
{
    char src[IPADDR_STR_SIZE], dst[IPADDR_STR_SIZE];

    g_string_append_printf(line, "src=%s dst=%s ", ipaddr_format(tuple->src, src), ipaddr_format(tuple->dst, dst));
    if (tuple->proto == IPPROTO_ICMP_ || tuple->proto == IPPROTO_ICMPV6_)
        g_string_append_printf(line, "type=%u code=%u id=%u ", tuple->dport >> 8, tuple->dport & 0xff, tuple->sport);
    else if (tuple->proto == IPPROTO_TCP_ || tuple->proto == IPPROTO_UDP_ || tuple->proto == IPPROTO_SCTP_)
        g_string_append_printf(line, "sport=%u dport=%u ", tuple->sport, tuple->dport);
}
