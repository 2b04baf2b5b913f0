#ifndef MODEL_REPORT_MEASURES_H
#define MODEL_REPORT_MEASURES_H

/* What a run comes to, in numbers that two runs can be compared by
 *
 * Computed from the flows of a finished run; owns all its texts, so that it outlives the simulated world. */

#include "model/report/loss_window.h"
#include "model/scenario/run.h"

typedef struct {
    char *reason; /* Stable code, with the outcome before it: "timeout rule-drop". */
    uint32_t n;
} LossReason;

typedef struct {
    char *pod;
    uint32_t connections, requests;
    double expected; /* Exact share of new connections at the start of the run; negative: not computed. */
} PodShare;

/* One flow as far as variants are compared. */
typedef struct {
    char *name, *group;
    FlowOutcome outcome;
    char *reason, *server, *blame;
    char *loss; /* As LossReason.reason; NULL: not lost. */
    bool reached, source_kept;
    SimTime start;
    SimTime connect, request; /* How long they took, as in Measures; -1: not counted there. */
    uint32_t requests, retransmits, extra_hops;
} FlowDigest;

/* A load balancer's target over time, the state at the start included. */
typedef struct {
    SimTime at;
    char *lb, *target, *cause;
    LbTargetState state;
} HealthChange;

/* What crossed from one zone to another. */
typedef struct {
    char *from, *to;
    uint64_t packets, bytes;
} ZoneBytes;

/* The part of it that flows to one destination, as the scenario names it, account for. */
typedef struct {
    char *to;
    uint64_t bytes;
} DestinationBytes;

typedef struct {
    uint32_t tried, connected, refused, timed_out, reset, unresolved;
    uint32_t http_errors; /* Flows whose last answer had a status of 400 or more. */
    uint32_t requests, retransmits;
    uint32_t reached, source_kept; /* Flows that reached a server; of those, with the client's address. */
    uint32_t extra_hops;           /* Nodes passed beyond the server's own, summed over flows. */
    uint32_t cross_zone;           /* Flows whose server is in another zone than the node they entered by. */
    uint64_t cross_zone_bytes;     /* zone_meter.h. */
    SimTime p50, p90, p99, max;    /* Connect times. */
    SimTime request_p50, request_p90,
        request_p99;     /* From dialling to the end, of flows that connected and did not wait. */
    LossReason *reasons; /* Most frequent first, then by text. */
    uint32_t n_reasons;
    PodShare *pods; /* By name. */
    uint32_t n_pods;
    double imbalance, gini; /* Of connections over the pods that got any. */
    LossWindow *windows;    /* By start. */
    uint32_t n_windows;
    double lost_seconds; /* Length of all windows together. */
    FlowDigest *flows;   /* By name. */
    uint32_t n_flows;
    HealthChange *health;
    uint32_t n_health;
    ZoneBytes *zone_bytes; /* By names of zones. */
    uint32_t n_zone_bytes;
    DestinationBytes *destination_bytes; /* Most bytes first, then by name. */
    uint32_t n_destination_bytes;
    uint64_t *second_bytes; /* Across zones, by second. */
    uint32_t n_second_bytes;
    uint64_t *second_conntrack; /* Entries on the fullest node at each second. */
    uint32_t n_second_conntrack;
    uint64_t conntrack_peak; /* Entries on the fullest node. */
    uint32_t expectations, failed;
} Measures;

Measures *measures_of_run(Cluster *cluster, ScenarioRun *run);
void measures_free(Measures *measures);

static inline uint32_t
measures_lost(const Measures *m)
{
    return m->tried - m->connected;
}

#endif
