#ifndef MODEL_REPORT_CAPTURE_SINK_H
#define MODEL_REPORT_CAPTURE_SINK_H

/* Captures of a run: trace.pcapng with every interface, and a .pcap for each interface that the scenario names
 *
 * A packet that is rewritten on its way through a host carries its explanation where it leaves; one that is dropped or
 * refused carries it where it came in.  So a record is held back until its host has finished with the packet: walks
 * inside a host take no simulated time and do not interleave. */

#include "model/network/cluster.h"

typedef struct CaptureSink CaptureSink;

/* Opens DIR/trace.pcapng and one DIR/<host>-<interface>.pcap per interface that 'specs' name.  NULL with *error. */
CaptureSink *capture_sink_new(Cluster *cluster, const char *dir, const CaptureSpec *specs, uint32_t n_specs,
                              uint32_t snaplen, GError **error);
bool capture_sink_close(CaptureSink *sink, GError **error); /* Frees; false if a write failed. */

#endif
