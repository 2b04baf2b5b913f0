#ifndef MODEL_REPORT_TCPDUMP_TEXT_H
#define MODEL_REPORT_TCPDUMP_TEXT_H

/* Packets as tcpdump prints them (tcpdump 4.99: print-ip.c, print-tcp.c, print-udp.c, print-icmp.c, print-icmp6.c,
 * print-domain.c, print-arp.c, print-vxlan.c)
 *
 * Sequence numbers are relative to the connection's first, which therefore is remembered: one TcpdumpText per output.
 * Of SCTP only the first chunk is shown, of an ICMP error not what it quotes. */

#include <glib.h>

#include "sim/packet/packet.h"

/* The name of an address, in 'buf' or static; NULL: none, print the number. */
typedef const char *(*TcpdumpName)(void *user, IpAddr addr, char *buf, size_t size);

typedef struct {
    bool numeric;      /* -n: neither names of hosts nor of ports. */
    bool verbose;      /* -v: IP header and checksums. */
    bool absolute_seq; /* -S. */
    TcpdumpName name;  /* May be NULL. */
    void *user;
} TcpdumpOptions;

typedef struct TcpdumpText TcpdumpText;
TcpdumpText *tcpdump_text_new(const TcpdumpOptions *options);
void tcpdump_text_free(TcpdumpText *text);

/* "00:00:01.000250 ": the simulated time of day. */
void tcpdump_text_time(GString *out, SimTime at);
/* From "IP" on, without a newline. */
void tcpdump_text_packet(TcpdumpText *text, GString *out, const Packet *pkt);

#endif
