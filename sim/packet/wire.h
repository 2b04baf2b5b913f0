#ifndef SIM_PACKET_WIRE_H
#define SIM_PACKET_WIRE_H

/* Wire format: Packet <-> Ethernet frame bytes
 *
 * The only place that knows network byte order: wire.c writes, wire_parse.c reads.  Checksums are real (or wrong on
 * purpose: CKSUM_BAD).  Round trip: wire_parse(wire_build(p)) has p's fields.  Header layouts: RFC 791, 8200, 9293,
 * 768, 792, 4443, 9260, 826, 2003, 7348.  What the fields cannot hold is written with a fixed value (IPv6 flow label 0,
 * VNI 1, SCTP stream 0) and not read: unknown TCP options, further SCTP chunks.  Fragments and IPv6 extension headers
 * are refused. */

#include "sim/packet/packet.h"

#define WIRE_MAX_FRAME 65550 /* Ethernet and the largest IP packet taken (65,535 bytes, both families). */

/* Writes the frame; at most 'size' bytes are stored (snap length).  Returns the full frame's length.  With a 'buf' of
 * WIRE_MAX_FRAME bytes nothing is allocated. */
uint32_t wire_build(const Packet *pkt, uint8_t *buf, uint32_t size);

/* Writes the whole frame, packet_eth_size() bytes, which the caller says. */
void wire_write(const Packet *pkt, uint8_t *buf, uint32_t full);

/* Reads a frame; never reads past 'size'.  NULL with *ret_why (a literal) set when malformed.
 * Checksums are not verified, but a wrong transport checksum sets CKSUM_BAD. */
Packet *wire_parse(Sim *sim, const uint8_t *frame, uint32_t size, const char **ret_why);

/* Writes the transport header and payload only, packet_l4_header_size() + payload bytes; not for encapsulation. */
void wire_build_l4(const Packet *pkt, uint8_t *buf);

/* RFC 1071 sum, folded, of 'size' bytes, continuing from 'sum' (of an even number of bytes). */
uint32_t wire_checksum_add(uint32_t sum, const void *data, uint32_t size);
uint16_t wire_checksum_fold(uint32_t sum);
/* The sum that a transport checksum starts from. */
uint32_t wire_checksum_pseudo(const IpAddr *src, const IpAddr *dst, uint8_t proto, uint32_t l4_size);
/* CRC32c of an SCTP packet, its checksum field taken as zero; to be stored with the least significant byte first. */
uint32_t wire_sctp_checksum(const uint8_t *packet, uint32_t size);

#endif
