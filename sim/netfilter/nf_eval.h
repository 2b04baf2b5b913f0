#ifndef SIM_NETFILTER_NF_EVAL_H
#define SIM_NETFILTER_NF_EVAL_H

/* The evaluator: one base chain, one packet
 *
 * Rules are taken in order; an expression that tests false ends its rule; what acts is done at once; what decides ends
 * the rule.  A chain's end (or RETURN) goes back behind the rule that jumped to it, skipping what was left by goto;
 * from the base chain it applies the policy.  ip_tables.c: ipt_do_table(); nf_tables_core.c: nft_do_chain().
 *
 * Nothing here allocates, aside from counters and state on their first hit.                                        */

#include "sim/netfilter/nf_stack.h"
#include "sim/netfilter/nf_state_int.h"

typedef struct {
    Sim *sim;
    Host *host;
    const NfHostOps *ops;
    NfState *state;
    Conntrack *ct; /* NULL if not hooked. */
    Packet *pkt;
    const NfRuleset *rs;
    uint64_t host_hash; /* Of the host's name: part of a draw's identity. */
    uint32_t ip_size;   /* What counters count. */
    uint32_t unknown_hits;
    CtZone zone; /* Set by CT_ZONE. */
    bool zoned;  /* By the first of them: it counts. */
    uint8_t hook;
    bool nat;        /* In nat chains. */
    bool linear;     /* Without the index. */
    uint32_t traced; /* Records of rules that some sink wants: TRACE_BIT()s. */
    /* About the rule at hand, for the trace and for state: */
    const NfChain *chain;
    const NfBody *body;  /* That holds rules [first, end) of the chain: all, or a piece. */
    const NfRule *rules; /* Of the body, as the next two. */
    const NfExpr *exprs;
    const uint32_t *next;
    uint32_t first, end;
    uint32_t piece;   /* Number, of a chain in pieces. */
    uint32_t index;   /* Of the rule in the chain. */
    NfBlock *block;   /* Of 'chain'; NULL until needed. */
    NfBlock *counted; /* The block looked up last. */
    uint32_t draw, draw_n, set_elem;
} NfWalk;

/* 'block' is the base chain's.  Fills verdict and, unless it is accept, the rest of the result. */
void nf_eval(NfWalk *walk, const NfChain *base, NfBlock *block, NfResult *ret_result);

/* --- nf_match.c: tests ------------------------------------------------------------------------------------------ */

/* Any test; the result includes 'neg'. */
bool nf_match(NfWalk *walk, const NfExpr *expr);
/* NFX_STATISTIC_RANDOM, without 'neg'. */
bool nf_match_random(NfWalk *walk, const NfExpr *expr);
/* The key that the fields of an nft expression (LOOKUP, VMAP, SET_UPDATE) take from the packet. */
NfKey nf_walk_key(const NfWalk *walk, uint32_t fields, uint8_t n);

/* --- nf_action.c: what acts and decides --------------------------------------------------------------------------- */

typedef enum {
    STEP_ON,   /* Next expression. */
    STEP_MISS, /* The rule goes on to the next. */
    STEP_ACCEPT,
    STEP_DROP,
    STEP_REJECT,
    STEP_RETURN,
    STEP_JUMP,
    STEP_GOTO,
} NfStep;

/* 'ret_chain' of jump and goto; 'ret_result' of drop and reject: reason and answer. */
NfStep nf_action(NfWalk *walk, const NfExpr *expr, uint32_t *ret_chain, NfResult *ret_result);

static inline NfBlock *
nf_walk_block(NfWalk *walk)
{
    NfBlock *last = walk->counted;

    if (walk->block)
        return walk->block;
    /* Most packets go the way of the one before. */
    if (last && last->then && last->then->chain == walk->chain) {
        walk->block = last->then;
    } else {
        walk->block = nf_state_block(walk->state, walk->chain);
        if (last)
            last->then = walk->block;
    }
    return walk->counted = walk->block;
}

/* xt_CT.c: a zone was set, and conntrack has not seen the packet yet. */
static inline bool
nf_walk_has_template(const NfWalk *walk)
{
    return walk->zoned && !walk->pkt->meta.ct && walk->pkt->meta.ctinfo == CTINFO_NONE;
}

/* A draw of this rule on this host. */
static inline uint32_t
nf_walk_draw(NfWalk *walk, const NfExpr *expr, ChancePoint *point)
{
    point->point = rng_mix(walk->host_hash, (uint64_t)expr->b3 << 32 | expr->b2);
    point->flow = walk->pkt->flow;
    walk->draw_n = point->n;
    walk->draw = chance_draw(walk->sim->chance, point);
    return walk->draw;
}

#endif
