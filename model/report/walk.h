#ifndef MODEL_REPORT_WALK_H
#define MODEL_REPORT_WALK_H

/* Walk: what one node's rules do to the first packet of a connection
 *
 * A driver of the one evaluator: it puts a packet at the node's first hook and carries it from hook to hook as the
 * kernel's routing would, with two liberties that make it a question about rules alone: a DNAT target
 * needs no route, and an address that is nobody's is forwarded.  `--all` replays it over every random branch. */

#include "sim/net/host.h"

typedef struct {
    NfHook hook;
    const char *table, *chain; /* Borrowed from the rule set's names. */
    const NfRuleset *ruleset;
    const NfChain *chain_obj;
    uint32_t rule;  /* 1-based; 0: the policy or the end of the chain. */
    uint32_t tried; /* Rules that a linear walk compares in this chain up to here. */
    uint32_t depth;
    bool matched;          /* False: tried without a match (only if asked for). */
    uint32_t draw, draw_n; /* Outcome of a random draw of draw_n; 0 of 0: none. */
    uint32_t set_elem;     /* Element of a verdict map that decided, from 1; or 0. */
} WalkStep;

typedef struct {
    double probability;
    NfVerdict verdict;
    RejectWith reject;
    DropReason reason;
    bool dnat;
    IpAddr dnat_addr;
    uint16_t dnat_port;
    bool masquerade;
    IpAddr source; /* After the walk. */
    uint16_t source_port;
    NfHook last_hook;
    WalkStep *path;
    uint32_t n_path;
    uint32_t unknown; /* Rules with matches that are not modelled which the walk came across. */
} WalkOutcome;

typedef struct {
    IpAddr from, to;
    uint16_t from_port, to_port;
    uint8_t proto;
    const char *in; /* Interface, or NULL: that of the route back to the source. */
    bool all;       /* Every random branch. */
    bool misses;    /* Also rules that were tried and did not match. */
} WalkQuestion;

typedef struct {
    WalkOutcome *outcomes; /* Sorted by dnat, then verdict. */
    uint32_t n_outcomes;
    const char *in_dev, *out_dev;
} WalkAnswer;

/* The step of a TRACE_RULE, TRACE_RULE_MISS or TRACE_CHAIN_END record. */
WalkStep walk_step_of(const TraceRecord *record);

/* 'host' carries the rule sets to walk.  Its connections and affinity are used as they stand and changed. */
void walk(Host *host, const WalkQuestion *question, WalkAnswer *ret_answer);
void walk_answer_clear(WalkAnswer *answer);

#endif
