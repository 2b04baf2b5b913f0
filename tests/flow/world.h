#ifndef TESTS_FLOW_WORLD_H
#define TESTS_FLOW_WORLD_H

/* A recorded cluster rebuilt in the simulator, and its flows played there
 *
 * One FlowWorld serves all flows of a case in one proxy mode; between flows it is brought to rest and forgets
 * connections, affinity and counters.  Everything that the record has is taken from outside: sockets, conntrack
 * tables, and what an observer on every interface sees. */

#include "model/network/cluster.h"
#include "model/report/flows.h"
#include "tests/flow/record.h"

typedef struct FlowWorld FlowWorld;

/* 'dir' holds config.yaml and manifests.yaml.  NULL with messages on stdout. */
FlowWorld *flow_world_new(const char *dir, ProxyMode mode);
void flow_world_free(FlowWorld *world);
Cluster *flow_world_cluster(const FlowWorld *world);

/* Every way that 'flow' can go from rest, with its exact probability: FlowResult elements, one per sequence of random
 * choices (several may end alike). */
GPtrArray *flow_world_play_all(FlowWorld *world, const RecordedFlow *flow);
/* One try after what came before (affinity and conntrack stand), by the seed's chances.  Caller frees. */
FlowResult *flow_world_play(FlowWorld *world, const RecordedFlow *flow);
/* From now on a try ends with its outcome, not with the recorder's patience. */
void flow_world_set_hasty(FlowWorld *world);
/* Sees what crosses interfaces from now on, as records have it, until flow_world_crossings(); borrowed until the next
 * try. */
void flow_world_watch(FlowWorld *world, Host *client);
const GPtrArray *flow_world_crossings(FlowWorld *world);
/* Nothing under way, nothing remembered. */
void flow_world_reset(FlowWorld *world);

/* Of the flow's Service: ClientIP affinity, externalTrafficPolicy Local. */
bool flow_world_is_sticky(const FlowWorld *world, const RecordedFlow *flow);
bool flow_world_is_etp_local(const FlowWorld *world, const RecordedFlow *flow);

#endif
