#ifndef SIM_NETFILTER_NF_CHAIN_H
#define SIM_NETFILTER_NF_CHAIN_H

/* A sealed chain, inside the room: what the evaluator reads
 *
 * A chain is one block of memory, but for its index.  seal() adds to expressions what evaluation wants at hand: c    of
 * SADDR and DADDR: the prefix length in bits of the 16-byte form; b4   of stateful ones: their slot in the chain's
 * state block (nf_state.h); b2/3 of random ones: the identity of the draw, a hash of names and the rule's content,
 * thresholds aside, so that another endpoint elsewhere moves no draw.
 *
 * Index: a run is a maximal sequence of rules that each require an exact (daddr, protocol, dport), or each an exact
 * (protocol, dport), with nothing stateful in front of these tests.  A run maps the hash of the packet's key to the
 * first rule of that hash; next[i] is the rule to try after rule i: the next one of equal hash, the run's end, or
 * simply i + 1.  A candidate is evaluated fully, so a collision costs time only. */

#include "sim/netfilter/nf_set.h"
#include "sim/packet/packet.h"

#define NF_RUN_MIN 8 /* Shorter runs are walked. */

enum { NF_RULE_RUN_HEAD = 1, NF_RULE_IN_RUN = 2 };

/* First op that acts: an iptables rule counts when it comes to it. */
#define NFX_FIRST_ACTION NFX_SET_MARK

typedef struct {
    uint32_t hash;
    uint32_t rule; /* NF_NO_ID: free. */
} NfRunSlot;

typedef struct {
    uint32_t first, end; /* Rules [first, end). */
    uint32_t mask;
    bool by_addr;
    NfRunSlot *slots;
} NfRun;

/* What a walk reads. */
typedef struct {
    NfRule *rules;
    NfExpr *exprs;
    uint32_t *next; /* NULL: no runs. */
    NfRun *runs;
    NfChoice *choices;
    NfPortList *ports;
    NfLimit *limits;
    NfAddrRange *ranges;
    uint32_t n_rules, n_exprs, n_runs, n_choices, n_ports, n_limits, n_ranges;
} NfBody;

typedef struct NfPieces NfPieces;

struct NfChain {
    uint32_t refs;
    uint32_t n_rules;
    NfBody body;      /* Its arrays stand behind the ids. */
    NfPieces *pieces; /* That its rules are in, instead of the body (nf_pieces.h); or NULL. */
    NfNames *names;
    NfMaker *maker; /* That made it; referenced.  NULL: none. */
    NfChain *next_made;
    NfChainSpec spec;
    uint64_t n_state : 24; /* Slots of stateful expressions. */
    uint64_t n_sets : 24;
    uint64_t uses_ct : 1;
    uint32_t n_targets;
    /* Ids of the chains that its rules name themselves, ascending, each once; of the sets, the same. */
    uint32_t ids[];
};

static inline const uint32_t *
nf_chain_targets(const NfChain *chain)
{
    return chain->ids;
}

static inline const uint32_t *
nf_chain_sets(const NfChain *chain)
{
    return chain->ids + chain->n_targets;
}

/* Where 'names' keeps a builder that waits for the next chain; NULL: none. */
void **nf_names_spare_builder(NfNames *names);
void nf_chain_builder_destroy(NfChainBuilder *b);

/* Builds next[] and runs, from 'run_min' rules on. */
void nf_body_index(NfBody *body, uint32_t run_min);
/* Hash of the key that a packet must have for the rule to do anything; false: there is no such key. */
bool nf_rule_key_hash(const NfBody *body, const NfRule *rule, bool *ret_by_addr, uint32_t *ret_hash);
void nf_body_index_free(NfBody *body);
uint64_t nf_chain_own_bytes(const NfChain *chain); /* 0 if it has several owners. */

static inline uint32_t
nf_run_hash(bool by_addr, const IpAddr *daddr, uint8_t proto, uint16_t dport)
{
    uint64_t tail = (uint64_t)proto << 16 | dport;

    return by_addr ? nf_hash_words(daddr->w[1] ^ (daddr->w[0] * 31), tail) : nf_hash_words(tail, 0);
}

/* The rule to try first in a run for this packet; run->end if none can match. */
static inline uint32_t
nf_run_probe(const NfRun *run, const Packet *pkt)
{
    uint32_t hash;

    if (!packet_has_ports(pkt))
        return run->end;
    hash = nf_run_hash(run->by_addr, &pkt->dst, pkt->proto, pkt->dport);
    for (uint32_t i = hash & run->mask; run->slots[i].rule != NF_NO_ID; i = (i + 1) & run->mask)
        if (run->slots[i].hash == hash)
            return run->slots[i].rule;
    return run->end;
}

static inline const NfRun *
nf_body_run(const NfBody *body, uint32_t head)
{
    uint32_t low = 0, high = body->n_runs - 1;

    while (low < high) {
        uint32_t mid = (low + high + 1) / 2;
        if (body->runs[mid].first <= head)
            low = mid;
        else
            high = mid - 1;
    }
    return &body->runs[low];
}

#endif
