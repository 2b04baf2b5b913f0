#ifndef MODEL_REPORT_ZONE_METER_H
#define MODEL_REPORT_ZONE_METER_H

/* Bytes that cross zones: packets that leave a node's eth0 in one zone and arrive at a node's eth0 in another
 *
 * A trace sink.  What counts is the IP packet as the wire between nodes carried it, so VXLAN's outer headers are in
 * it, Ethernet's are not; requests and answers, retransmissions, lookups and ICMP alike.  Routers, switches and load
 * balancers that pass a packet on stand in no zone: only the nodes at both ends matter.  A packet that is lost on the
 * way has not crossed. */

#include "model/report/flows.h"

typedef struct {
    const char *from, *to; /* Zones; borrowed from the cluster. */
    uint64_t packets, bytes;
} ZonePair;

typedef struct ZoneMeter ZoneMeter;
/* Also keeps Flow.cross_zone_bytes of the flows in 'book'.  NULL if the nodes stand in fewer than two zones. */
ZoneMeter *zone_meter_new(Cluster *cluster, FlowBook *book);
void zone_meter_free(ZoneMeter *meter); /* Accepts NULL. */

/* Accept NULL: nothing crossed. */
uint64_t zone_meter_bytes(const ZoneMeter *meter);
/* Pairs of zones that anything crossed between, in order of their names.  Caller frees. */
ZonePair *zone_meter_pairs(const ZoneMeter *meter, size_t *ret_n);
/* Bytes by second of arrival, up to the last that any arrived in. */
const uint64_t *zone_meter_seconds(const ZoneMeter *meter, size_t *ret_n);

#endif
