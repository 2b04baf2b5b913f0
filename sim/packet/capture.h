#ifndef SIM_PACKET_CAPTURE_H
#define SIM_PACKET_CAPTURE_H

/* Captures: nanosecond pcap per interface (libpcap), pcapng with all interfaces (ours), filters (libpcap)
 *
 * Time starts at 2000-01-01T00:00:00Z, so that files are identical between runs.  A failed write is kept and reported
 * by close(); opening fails at once.  Same packets, same bytes, but for byte order: little-endian on all machines
 * that matter. */

#include <glib.h>

#include "sim/packet/packet.h"

#define CAPTURE_EPOCH_SEC INT64_C(946684800)

typedef struct CaptureFilter CaptureFilter;

/* Compiles a tcpdump expression; NULL and *error when libpcap refuses it.  Empty or NULL: everything. */
CaptureFilter *capture_filter_new(const char *expression, GError **error);
void capture_filter_free(CaptureFilter *filter);
bool capture_filter_match(CaptureFilter *filter, const Packet *pkt);

typedef struct PcapWriter PcapWriter;
PcapWriter *pcap_writer_open(const char *path, uint32_t snaplen, GError **error);
void pcap_writer_packet(PcapWriter *writer, SimTime at, const Packet *pkt);
bool pcap_writer_close(PcapWriter *writer, GError **error); /* Frees; false if any write failed. */

typedef struct PcapngWriter PcapngWriter;
PcapngWriter *pcapng_writer_open(const char *path, uint32_t snaplen, GError **error);
/* Adds an interface block ("minikube-m02/eth0"); returns its id. */
uint32_t pcapng_writer_interface(PcapngWriter *writer, const char *name, const char *description);
/* 'comment' may be NULL; 'outbound' sets the direction flag of the block. */
void pcapng_writer_packet(PcapngWriter *writer, uint32_t interface, SimTime at, const Packet *pkt, bool outbound,
                          const char *comment);
bool pcapng_writer_close(PcapngWriter *writer, GError **error);

#endif
