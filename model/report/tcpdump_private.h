#ifndef MODEL_REPORT_TCPDUMP_PRIVATE_H
#define MODEL_REPORT_TCPDUMP_PRIVATE_H

/* What the files of tcpdump's text share */

#include "model/report/tcpdump_text.h"
#include "sim/packet/wire.h"

struct TcpdumpText {
    TcpdumpOptions options;
    GHashTable *bases; /* SeqBase by its key; look-ups only. */
    uint8_t frame[WIRE_MAX_FRAME];
};

/* A name or number; ".http" or ".80". */
void tcpdump_append_addr(const TcpdumpText *t, GString *out, IpAddr addr);
void tcpdump_append_port(const TcpdumpText *t, GString *out, uint16_t port);

/* Behind "A > B: ". */
void tcpdump_append_icmp(const TcpdumpText *t, GString *out, const Packet *pkt);
void tcpdump_append_icmp6(const TcpdumpText *t, GString *out, const Packet *pkt);
/* A DNS message; 'names': with the owners of its records. */
void tcpdump_append_dns(GString *out, const uint8_t *message, uint32_t size, bool names);

#endif
