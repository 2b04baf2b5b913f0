#ifndef SIM_PACKET_WIRE_H
#define SIM_PACKET_WIRE_H

/* Wire format: Packet <-> Ethernet frame bytes
 *
 * The only place that knows network byte order.  Checksums are real (or wrong on purpose: CKSUM_BAD).  Round trip:
 * wire_parse(wire_build(p)) has p's fields.  Header layouts: RFC 791, 8200, 9293, 768, 792, 4443, 9260, 826, 7348.  */

#include "sim/packet/packet.h"

#define WIRE_MAX_FRAME 65550

/* Writes the frame; at most 'size' bytes are stored (snap length).  Returns the full frame's length. */
uint32_t wire_build(const Packet *pkt, uint8_t *buf, uint32_t size);

/* Reads a frame; never reads past 'size'.  NULL with *ret_why (a literal) set when malformed.
 * Checksums are not verified, but a wrong transport checksum sets CKSUM_BAD. */
Packet *wire_parse(Sim *sim, const uint8_t *frame, uint32_t size, const char **ret_why);

/* RFC 1071 sum, folded, of 'size' bytes, continuing from 'sum'. */
uint32_t wire_checksum_add(uint32_t sum, const void *data, uint32_t size);
uint16_t wire_checksum_fold(uint32_t sum);

#endif
