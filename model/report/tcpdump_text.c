#include "model/report/tcpdump_private.h"

#include <string.h>

#define PORT_DNS      53
#define PORT_HTTP     80
#define PORT_HTTP_ALT 8080

/* First sequence numbers of a connection, by its lower end first (print-tcp.c's seq_hash). */
typedef struct {
    IpAddr a, b;
    uint16_t a_port, b_port;
} SeqKey;

typedef struct {
    SeqKey key;
    uint32_t seq[2]; /* Of a's and of b's direction. */
} SeqBase;

static void append_ip(TcpdumpText *t, GString *out, const Packet *pkt);
static void append_tcp(TcpdumpText *t, GString *out, const Packet *pkt);
static void append_udp(TcpdumpText *t, GString *out, const Packet *pkt);
static void append_sctp(TcpdumpText *t, GString *out, const Packet *pkt);
static void append_arp(TcpdumpText *t, GString *out, const Packet *pkt);

static guint
key_hash(gconstpointer data)
{
    const SeqKey *k = data;

    return (guint)(k->a.w[0] ^ k->a.w[1] ^ (k->a.w[1] >> 32) ^ k->b.w[1] ^ (k->b.w[1] >> 32) * 31 ^ k->a_port * 65599u ^
                   k->b_port);
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
    const SeqKey *x = a, *y = b;

    return ipaddr_eq(x->a, y->a) && ipaddr_eq(x->b, y->b) && x->a_port == y->a_port && x->b_port == y->b_port;
}

TcpdumpText *
tcpdump_text_new(const TcpdumpOptions *options)
{
    TcpdumpText *t = g_new(TcpdumpText, 1);

    t->options = *options;
    t->bases = g_hash_table_new_full(key_hash, key_equal, NULL, g_free);
    return t;
}

void
tcpdump_text_free(TcpdumpText *t)
{
    if (!t)
        return;
    g_hash_table_unref(t->bases);
    g_free(t);
}

void
tcpdump_text_time(GString *out, SimTime at)
{
    int64_t s = at / SIMTIME_SEC;

    g_string_append_printf(out, "%02d:%02d:%02d.%06d ", (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60),
                           (int)(at % SIMTIME_SEC / SIMTIME_USEC));
}

void
tcpdump_text_packet(TcpdumpText *t, GString *out, const Packet *pkt)
{
    if (pkt->eth == ETH_ARP)
        append_arp(t, out, pkt);
    else
        append_ip(t, out, pkt);
}

/* --- Names -------------------------------------------------------------------------------------------------------- */

void
tcpdump_append_addr(const TcpdumpText *t, GString *out, IpAddr addr)
{
    char buf[128];
    const char *name = NULL;

    if (!t->options.numeric && t->options.name)
        name = t->options.name(t->options.user, addr, buf, sizeof buf);
    g_string_append(out, name ? name : ipaddr_format(addr, buf));
}

void
tcpdump_append_port(const TcpdumpText *t, GString *out, uint16_t port)
{
    static const struct {
        uint16_t port;
        const char *name;
    } names[] = {{22, "ssh"}, {53, "domain"}, {80, "http"}, {443, "https"}, {8080, "http-alt"}};

    for (size_t i = 0; !t->options.numeric && i < G_N_ELEMENTS(names); i++)
        if (names[i].port == port) {
            g_string_append_printf(out, ".%s", names[i].name);
            return;
        }
    g_string_append_printf(out, ".%u", port);
}

static void
append_ends(const TcpdumpText *t, GString *out, const Packet *pkt)
{
    tcpdump_append_addr(t, out, pkt->src);
    if (packet_has_ports(pkt))
        tcpdump_append_port(t, out, pkt->sport);
    g_string_append(out, " > ");
    tcpdump_append_addr(t, out, pkt->dst);
    if (packet_has_ports(pkt))
        tcpdump_append_port(t, out, pkt->dport);
    g_string_append(out, ": ");
}

static bool
on_port(const Packet *pkt, uint16_t port)
{
    return pkt->sport == port || pkt->dport == port;
}

/* --- IP, ARP ------------------------------------------------------------------------------------------------------ */

static const char *
proto_title(uint8_t proto, char buf[static IPPROTO_STR_SIZE])
{
    switch (proto) {
    case IPPROTO_ICMP_:
        return "ICMP";
    case IPPROTO_IPIP_:
        return "IPIP";
    case IPPROTO_TCP_:
        return "TCP";
    case IPPROTO_UDP_:
        return "UDP";
    case IPPROTO_ICMPV6_:
        return "ICMPv6";
    case IPPROTO_SCTP_:
        return "SCTP";
    default:
        return ipproto_name(proto, buf);
    }
}

static void
append_ip_header(const TcpdumpText *t, GString *out, const Packet *pkt)
{
    char buf[IPPROTO_STR_SIZE];
    bool v4 = packet_family(pkt) == FAMILY_IPV4;

    if (v4 && t->options.verbose)
        g_string_append_printf(out,
                               "IP (tos 0x%x, ttl %u, id %u, offset 0, flags [%s], proto %s (%u), length %u)\n    ",
                               pkt->tos, pkt->ttl, pkt->ip_id, pkt->dont_fragment ? "DF" : "none",
                               proto_title(pkt->proto, buf), pkt->proto, packet_ip_size(pkt));
    else if (v4)
        g_string_append(out, "IP ");
    else if (t->options.verbose)
        g_string_append_printf(out, "IP6 (hlim %u, next-header %s (%u) payload length: %u) ", pkt->ttl,
                               proto_title(pkt->proto, buf), pkt->proto, packet_ip_size(pkt) - 40);
    else
        g_string_append(out, "IP6 ");
}

static void
append_ip(TcpdumpText *t, GString *out, const Packet *pkt)
{
    char buf[IPPROTO_STR_SIZE];

    append_ip_header(t, out, pkt);
    append_ends(t, out, pkt);
    switch (pkt->proto) {
    case IPPROTO_TCP_:
        append_tcp(t, out, pkt);
        break;
    case IPPROTO_UDP_:
        append_udp(t, out, pkt);
        break;
    case IPPROTO_ICMP_:
        tcpdump_append_icmp(t, out, pkt);
        break;
    case IPPROTO_ICMPV6_:
        tcpdump_append_icmp6(t, out, pkt);
        break;
    case IPPROTO_SCTP_:
        append_sctp(t, out, pkt);
        break;
    case IPPROTO_IPIP_:
        if (pkt->inner)
            append_ip(t, out, pkt->inner);
        break;
    default:
        g_string_append_printf(out, " %s, length %u", ipproto_name(pkt->proto, buf), pkt->payload.len);
    }
}

static void
append_arp(TcpdumpText *t, GString *out, const Packet *pkt)
{
    char mac[MAC_STR_SIZE];

    g_string_append(out, "ARP, ");
    if (t->options.verbose)
        g_string_append(out, "Ethernet (len 6), IPv4 (len 4), ");
    if (pkt->arp.op == 1) {
        g_string_append(out, "Request who-has ");
        tcpdump_append_addr(t, out, pkt->dst);
        g_string_append(out, " tell ");
        tcpdump_append_addr(t, out, pkt->src);
    } else {
        g_string_append(out, "Reply ");
        tcpdump_append_addr(t, out, pkt->src);
        g_string_append_printf(out, " is-at %s", mac_format(pkt->eth_src, mac));
    }
    g_string_append(out, ", length 28");
}

/* --- Checksums (-v) ----------------------------------------------------------------------------------------------- */

/* The checksum as it stands in the packet and as it should be. */
static void
checksums(TcpdumpText *t, const Packet *pkt, uint32_t offset, uint16_t *ret_is, uint16_t *ret_right)
{
    uint32_t size = wire_build(pkt, t->frame, sizeof t->frame);
    uint32_t ip = packet_family(pkt) == FAMILY_IPV4 ? 20 : 40, l4 = 14 + ip, l4_size = packet_ip_size(pkt) - ip;
    uint8_t *at = t->frame + l4 + offset;
    uint32_t sum;

    g_assert(size >= l4 + l4_size);
    *ret_is = (uint16_t)(at[0] << 8 | at[1]);
    at[0] = at[1] = 0;
    sum = wire_checksum_pseudo(&pkt->src, &pkt->dst, pkt->proto, l4_size);
    *ret_right = wire_checksum_fold(wire_checksum_add(sum, t->frame + l4, l4_size));
}

/* --- TCP ---------------------------------------------------------------------------------------------------------- */

/* Makes the numbers relative, from the connection's second packet on. */
static void
make_relative(TcpdumpText *t, const Packet *pkt, uint32_t *seq, uint32_t *ack, uint32_t *ret_ack_base)
{
    int c = ipaddr_cmp(&pkt->src, &pkt->dst);
    bool reverse = c > 0 || (c == 0 && pkt->sport > pkt->dport);
    SeqKey key = reverse ? (SeqKey){pkt->dst, pkt->src, pkt->dport, pkt->sport}
                         : (SeqKey){pkt->src, pkt->dst, pkt->sport, pkt->dport};
    SeqBase *base;

    *ret_ack_base = 0;
    if (t->options.absolute_seq || !(pkt->tcp.flags & TCP_ACK))
        return;
    base = g_hash_table_lookup(t->bases, &key);
    if (!base || (pkt->tcp.flags & TCP_SYN)) {
        if (!base) {
            base = g_new(SeqBase, 1);
            base->key = key;
            g_hash_table_insert(t->bases, &base->key, base);
        }
        base->seq[reverse] = *seq;
        base->seq[!reverse] = *ack - 1;
    } else {
        *seq -= base->seq[reverse];
        *ack -= base->seq[!reverse];
    }
    *ret_ack_base = base->seq[!reverse];
}

static void
append_tcp_flags(GString *out, uint8_t flags)
{
    static const struct {
        uint8_t flag;
        char letter;
    } letters[] = {{TCP_FIN, 'F'}, {TCP_SYN, 'S'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'},
                   {TCP_ACK, '.'}, {TCP_URG, 'U'}, {TCP_ECE, 'E'}, {TCP_CWR, 'W'}};
    gsize begin = out->len;

    for (size_t i = 0; i < G_N_ELEMENTS(letters); i++)
        if (flags & letters[i].flag)
            g_string_append_c(out, letters[i].letter);
    if (out->len == begin)
        g_string_append(out, "none");
}

/* In the order and with the padding in which wire.c writes them. */
static void
append_tcp_options(GString *out, const TcpHeader *tcp, uint32_t ack_base)
{
    gsize begin = out->len;

    if (tcp->mss)
        g_string_append_printf(out, ",mss %u", tcp->mss);
    if (tcp->sack_permitted && tcp->has_ts)
        g_string_append(out, ",sackOK");
    else if (tcp->sack_permitted)
        g_string_append(out, ",nop,nop,sackOK");
    if (tcp->has_ts)
        g_string_append_printf(out, "%s,TS val %u ecr %u", tcp->sack_permitted ? "" : ",nop,nop", tcp->ts_val,
                               tcp->ts_ecr);
    if (tcp->wscale)
        g_string_append_printf(out, ",nop,wscale %u", tcp->wscale - 1);
    if (tcp->n_sacks) {
        g_string_append_printf(out, ",nop,nop,sack %u ", tcp->n_sacks);
        for (uint32_t i = 0; i < tcp->n_sacks; i++)
            g_string_append_printf(out, "{%u:%u}", tcp->sacks[2 * i] - ack_base, tcp->sacks[2 * i + 1] - ack_base);
    }
    if (out->len == begin)
        return;
    out->str[begin] = '[';
    g_string_insert(out, (gssize)begin, ", options ");
    g_string_append_c(out, ']');
}

static bool
begins_http(const char *text, gsize len)
{
    static const char *const starts[] = {"GET ", "PUT ", "POST ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "HTTP/"};

    for (size_t i = 0; i < G_N_ELEMENTS(starts); i++)
        if (len > strlen(starts[i]) && memcmp(text, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* The first line of a request or an answer, with -v all of them (print-http.c, print.c: txtproto_print). */
static void
append_http(const TcpdumpText *t, GString *out, const Packet *pkt)
{
    const char *text = pkt->payload.buf ? (const char *)pkt->payload.buf->data + pkt->payload.offset : NULL;
    gsize len = pkt->payload.len, line;

    g_string_append(out, ": HTTP");
    if (!text || !begins_http(text, len))
        return;
    if (t->options.verbose)
        g_string_append_printf(out, ", length: %u", pkt->payload.len);
    do {
        const char *end = memchr(text, '\n', len);
        line = end ? (gsize)(end - text) : len;
        g_string_append(out, t->options.verbose ? "\n\t" : ": ");
        g_string_append_len(out, text, (gssize)(line > 0 && text[line - 1] == '\r' ? line - 1 : line));
        /* A line without an end counts as cut off. */
        g_string_append(out, end ? "" : " [|http]");
        text += line + 1;
        len -= MIN(len, line + 1);
    } while (t->options.verbose && len > 0);
}

static void
append_tcp(TcpdumpText *t, GString *out, const Packet *pkt)
{
    const TcpHeader *tcp = &pkt->tcp;
    uint32_t seq = tcp->seq, ack = tcp->ack, ack_base, len = pkt->payload.len;

    make_relative(t, pkt, &seq, &ack, &ack_base);
    g_string_append(out, "Flags [");
    append_tcp_flags(out, tcp->flags);
    g_string_append_c(out, ']');
    if (t->options.verbose) {
        uint16_t is, right;
        checksums(t, pkt, 16, &is, &right);
        g_string_append_printf(out, ", cksum 0x%04x (", is);
        if (is == right)
            g_string_append(out, "correct)");
        else
            g_string_append_printf(out, "incorrect -> 0x%04x)", right);
    }
    if (len > 0 || (tcp->flags & (TCP_SYN | TCP_FIN | TCP_RST)))
        g_string_append_printf(out, ", seq %u", seq);
    if (len > 0)
        g_string_append_printf(out, ":%u", seq + len);
    if (tcp->flags & TCP_ACK)
        g_string_append_printf(out, ", ack %u", ack);
    g_string_append_printf(out, ", win %u", tcp->window);
    append_tcp_options(out, tcp, ack_base);
    g_string_append_printf(out, ", length %u", len);
    if (len > 0 && (on_port(pkt, PORT_HTTP) || on_port(pkt, PORT_HTTP_ALT)))
        append_http(t, out, pkt);
}

/* --- UDP, SCTP ---------------------------------------------------------------------------------------------------- */

static void
append_udp(TcpdumpText *t, GString *out, const Packet *pkt)
{
    /* IPv4's takes -vv. */
    if (t->options.verbose && packet_family(pkt) == FAMILY_IPV6) {
        uint16_t is, right;
        checksums(t, pkt, 6, &is, &right);
        if (right == 0)
            right = 0xffff;
        if (is == right)
            g_string_append(out, "[udp sum ok] ");
        else
            g_string_append_printf(out, "[bad udp cksum 0x%04x -> 0x%04x!] ", is, right);
    }
    if (pkt->inner) {
        g_string_append(out, "VXLAN, flags [I] (0x08), vni 1\n");
        tcpdump_text_packet(t, out, pkt->inner);
    } else if (on_port(pkt, PORT_DNS) && pkt->payload.buf) {
        tcpdump_append_dns(out, pkt->payload.buf->data + pkt->payload.offset, pkt->payload.len, t->options.verbose);
    } else {
        g_string_append_printf(out, "UDP, length %u", pkt->payload.len);
    }
}

static void
append_sctp(TcpdumpText *t, GString *out, const Packet *pkt)
{
    static const char *const chunks[] = {"DATA",  "INIT",     "INIT ACK",     "SACK",   "HB REQ",      "HB ACK",
                                         "ABORT", "SHUTDOWN", "SHUTDOWN ACK", "OP ERR", "COOKIE ECHO", "COOKIE ACK"};
    uint8_t chunk = pkt->sctp.chunk;

    (void)t;
    g_string_append_printf(out, "sctp (1) [%s]",
                           chunk == SCTP_SHUTDOWN_COMPLETE ? "SHUTDOWN COMPLETE"
                           : chunk < G_N_ELEMENTS(chunks)  ? chunks[chunk]
                                                           : "unknown");
    if (chunk == SCTP_INIT || chunk == SCTP_INIT_ACK)
        g_string_append_printf(out, " [init tag: %u]", pkt->sctp.init_tag);
}
