/* ICMP and ICMPv6 in tcpdump's form (print-icmp.c, print-icmp6.c) */

#include "model/report/tcpdump_private.h"

static void
append_quoted_port(const TcpdumpText *t, GString *out, const QuotedPacket *quote)
{
    g_autoptr(GString) port = g_string_new(NULL);

    tcpdump_append_addr(t, out, quote->dst);
    if (quote->proto == IPPROTO_TCP_ || quote->proto == IPPROTO_UDP_)
        g_string_append_printf(out, " %s port ", quote->proto == IPPROTO_TCP_ ? "tcp" : "udp");
    else
        g_string_append_printf(out, " protocol %u port ", quote->proto);
    tcpdump_append_port(t, port, quote->dport);
    g_string_append_printf(out, "%s unreachable", port->str + 1);
}

static void
append_unreachable(const TcpdumpText *t, GString *out, const IcmpHeader *icmp)
{
    static const struct {
        const char *before, *after;
    } forms[] = {
        [0] = {"net ", " unreachable"},
        [1] = {"host ", " unreachable"},
        [9] = {"net ", " unreachable - admin prohibited"},
        [10] = {"host ", " unreachable - admin prohibited"},
        [13] = {"host ", " unreachable - admin prohibited filter"},
    };

    if (icmp->code == 3) {
        append_quoted_port(t, out, &icmp->quote);
    } else if (icmp->code == 2) {
        tcpdump_append_addr(t, out, icmp->quote.dst);
        g_string_append_printf(out, " protocol %u unreachable", icmp->quote.proto);
    } else if (icmp->code == 4) {
        tcpdump_append_addr(t, out, icmp->quote.dst);
        g_string_append(out, " unreachable - need to frag");
        if (icmp->mtu)
            g_string_append_printf(out, " (mtu %u)", icmp->mtu);
    } else if (icmp->code < G_N_ELEMENTS(forms) && forms[icmp->code].before) {
        g_string_append(out, forms[icmp->code].before);
        tcpdump_append_addr(t, out, icmp->quote.dst);
        g_string_append(out, forms[icmp->code].after);
    } else {
        tcpdump_append_addr(t, out, icmp->quote.dst);
        g_string_append_printf(out, " unreachable - #%u", icmp->code);
    }
}

static uint32_t
icmp_length(const Packet *pkt)
{
    return packet_ip_size(pkt) - (packet_family(pkt) == FAMILY_IPV4 ? 20 : 40);
}

void
tcpdump_append_icmp(const TcpdumpText *t, GString *out, const Packet *pkt)
{
    const IcmpHeader *icmp = &pkt->icmp;

    g_string_append(out, "ICMP ");
    switch (icmp->type) {
    case 0:
    case 8:
        g_string_append_printf(out, "echo %s, id %u, seq %u", icmp->type ? "request" : "reply", icmp->id, icmp->seq);
        break;
    case 3:
        append_unreachable(t, out, icmp);
        break;
    case 11:
        g_string_append(out, icmp->code ? "ip reassembly time exceeded" : "time exceeded in-transit");
        break;
    default:
        g_string_append_printf(out, "type-#%u", icmp->type);
    }
    g_string_append_printf(out, ", length %u", icmp_length(pkt));
}

static void
append_unreachable6(const TcpdumpText *t, GString *out, const IcmpHeader *icmp)
{
    static const char *const codes[] = {"unreachable route ", " unreachable prohibited ", "beyond scope ",
                                        "unreachable address "};

    g_string_append(out, "destination unreachable, ");
    if (icmp->code < G_N_ELEMENTS(codes)) {
        g_string_append(out, codes[icmp->code]);
        tcpdump_append_addr(t, out, icmp->quote.dst);
    } else if (icmp->code == 4) {
        g_autoptr(GString) port = g_string_new(NULL);
        tcpdump_append_port(t, port, icmp->quote.dport);
        g_string_append(out, "unreachable port, ");
        tcpdump_append_addr(t, out, icmp->quote.dst);
        g_string_append_printf(out, " %s port %s", icmp->quote.proto == IPPROTO_TCP_ ? "tcp" : "udp", port->str + 1);
    } else {
        g_string_append_printf(out, "unknown code (%u)", icmp->code);
    }
}

void
tcpdump_append_icmp6(const TcpdumpText *t, GString *out, const Packet *pkt)
{
    const IcmpHeader *icmp = &pkt->icmp;

    if (t->options.verbose)
        g_string_append(out, "[icmp6 sum ok] ");
    g_string_append(out, "ICMP6, ");
    switch (icmp->type) {
    case 128:
    case 129:
        g_string_append_printf(out, "echo %s, id %u, seq %u", icmp->type == 128 ? "request" : "reply", icmp->id,
                               icmp->seq);
        break;
    case 1:
        append_unreachable6(t, out, icmp);
        break;
    case 2:
        g_string_append_printf(out, "packet too big, mtu %u", icmp->mtu);
        break;
    case 3:
        g_string_append(out, "time exceeded in-transit for ");
        tcpdump_append_addr(t, out, icmp->quote.dst);
        break;
    default:
        g_string_append_printf(out, "unknown icmp6 type (%u)", icmp->type);
    }
    if (!t->options.verbose)
        g_string_append_printf(out, ", length %u", icmp_length(pkt));
}
