#ifndef MODEL_REPORT_FLOWS_PRIVATE_H
#define MODEL_REPORT_FLOWS_PRIVATE_H

/* Inside of a FlowBook, for flows.c (what is kept) and flow_watch.c (what the trace says). */

#include "model/proxy/arena.h"
#include "model/report/flows.h"
#include "sim/engine/htable.h"

#define FLOW_N_RECENT 1024

/* The rule that matched last, for the rewrite that follows it in the same walk. */
typedef struct {
    uint64_t packet;
    const Host *host;
    const NfRuleset *ruleset;
    const NfChain *chain;
    uint32_t index;
} LastRule;

struct FlowBook {
    TraceSink sink;
    Cluster *cluster;
    GPtrArray *flows; /* Flow. */
    HTable by_id;     /* Flow id -> Flow *. */
    /* By the low bits of the id: those under way are few, and are looked for at each host. */
    Flow *recent[FLOW_N_RECENT];
    LastRule last;
    LastRule marker;     /* The rule that sent a packet to be marked for masquerading. */
    Arena arena;         /* Flows and what is theirs alone. */
    GStringChunk *names; /* Of hosts, which may be gone when the flow is told, and of what many flows have in common. */
};

void flow_book_watch(FlowBook *book); /* Registers its sink. */
FlowPodState flow_pod_state(ClusterPod *pod);

#endif
