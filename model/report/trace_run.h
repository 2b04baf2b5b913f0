#ifndef MODEL_REPORT_TRACE_RUN_H
#define MODEL_REPORT_TRACE_RUN_H

/* One connection, end to end, from a clean slate: what `trace` and `matrix` ask the simulated cluster
 *
 * The connection is dialled by the scenarios' own code (model/scenario/traffic.h), travels the simulated network, and
 * its fate is what the client's socket hears.  Every branch starts without conntrack entries and affinity; virtual
 * time runs on from branch to branch.  `all` replays it over every random choice that concerns this connection; draws
 * of other traffic (health probes) stay as they are. */

#include "model/network/who.h"
#include "model/report/trace_tree.h"

typedef struct {
    const Who *from;
    const Where *to;
    const ClusterNode *via; /* The outside routes the dialled address to it; NULL: as it stands. */
    bool all;               /* Every random branch. */
    bool keep_tree;
    SimTime timeout; /* 0: 10 s. */
} TraceQuestion;

typedef struct {
    WalkStep step;
    const char *host;
} PathStep;

typedef struct {
    double probability;
    uint32_t n_branches; /* That end like this. */
    Flow *flow;          /* Of the likeliest of them; owned by the answer's book. */
    PathStep *path;      /* Rules that the opening packets met. */
    uint32_t n_path;
    TraceTree *tree; /* NULL unless asked for. */
} TraceOutcome;

typedef struct {
    TraceOutcome *outcomes; /* By server, then outcome. */
    uint32_t n_outcomes;
    uint32_t n_branches;
    bool truncated; /* There are more branches than were followed; the rest of the probability is unknown. */
    FlowBook *book;
} TraceAnswer;

/* Must not run within an event. */
void trace_connection(Cluster *cluster, const TraceQuestion *question, TraceAnswer *ret_answer);
void trace_answer_clear(TraceAnswer *answer);

#endif
