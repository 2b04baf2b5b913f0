#include "sim/netfilter/nf_eval.h"

#include "sim/netfilter/nf_pieces.h"
#include "sim/netfilter/nf_ruleset_int.h"

typedef struct {
    const NfChain *chain;
    NfBlock *block;
    uint32_t next; /* Rule to go on with. */
} Frame;

static bool walk_rules(NfWalk *walk, const NfChain *base, NfBlock *block, NfResult *ret_result);
static inline bool quick_match(NfWalk *walk, const NfExpr *expr);
static void enter_piece(NfWalk *walk, uint32_t index);
static void next_piece(NfWalk *walk, uint32_t at);
static inline NfStep quick_action(NfWalk *walk, const NfExpr *expr, uint32_t *ret_chain, NfResult *ret_result);
static void trace_rule(NfWalk *walk, TraceKind kind, uint32_t depth);

static inline uint32_t
next_rule(const NfWalk *walk)
{
    return walk->linear || !walk->next ? walk->index + 1 : walk->first + walk->next[walk->index - walk->first];
}

static inline void
enter_body(NfWalk *walk, const NfBody *body, uint32_t first, uint32_t index)
{
    walk->body = body;
    walk->rules = body->rules;
    walk->exprs = body->exprs;
    walk->next = body->next;
    walk->first = first;
    walk->end = first + body->n_rules;
    walk->index = index;
}

static inline void
enter(NfWalk *walk, const NfChain *chain, NfBlock *block, uint32_t index)
{
    walk->chain = chain;
    walk->block = block;
    if (G_UNLIKELY(chain->pieces))
        enter_piece(walk, index);
    else
        enter_body(walk, &chain->body, 0, index);
}

void
nf_eval(NfWalk *walk, const NfChain *base, NfBlock *block, NfResult *ret_result)
{
    walk->counted = block;
    if (base->n_rules > 0 && walk_rules(walk, base, block, ret_result))
        return;
    nf_block_count(block, base->n_rules, walk->ip_size);
    if (walk->traced) {
        walk->chain = base; /* It may have been left by goto: the policy is that of the last caller. */
        walk->index = base->n_rules;
        walk->draw_n = walk->draw = walk->set_elem = 0;
        trace_rule(walk, TRACE_CHAIN_END, 0);
    }
    ret_result->verdict = base->spec.policy;
    if (ret_result->verdict == NF_DROP)
        ret_result->reason = DROP_POLICY;
}

/* False: no rule decided. */
static bool
walk_rules(NfWalk *walk, const NfChain *base, NfBlock *block, NfResult *ret_result)
{
    const bool counts_rules = walk->rs->dialect == NF_DIALECT_IPTABLES;
    Frame frames[NF_MAX_DEPTH + 4];
    uint32_t depth = 0, target = 0;

    enter(walk, base, block, 0);
    for (;;) {
        const NfRule *rule;
        const NfExpr *expr, *end;
        NfStep step = STEP_ON;
        bool acted;

        if (walk->index >= walk->end) {
            if (walk->end == walk->chain->n_rules)
                goto chain_end;
            next_piece(walk, walk->piece + 1);
            continue;
        }
        rule = &walk->rules[walk->index - walk->first];
        if ((rule->flags & NF_RULE_RUN_HEAD) && !walk->linear) {
            const NfRun *run = nf_body_run(walk->body, walk->index - walk->first);
            uint32_t at = nf_run_probe(run, walk->pkt);

            walk->index = walk->first + at;
            if (at == run->end)
                continue;
            rule = &walk->rules[at];
        }
        if (walk->traced)
            walk->draw_n = walk->draw = walk->set_elem = 0;
        expr = &walk->exprs[rule->first];
        end = expr + rule->n;
        while (expr < end && expr->op < NFX_FIRST_ACTION && quick_match(walk, expr))
            expr++;
        if (expr < end && expr->op < NFX_FIRST_ACTION) {
            if (walk->traced)
                trace_rule(walk, TRACE_RULE_MISS, depth);
            walk->index = next_rule(walk);
            continue;
        }
        if (counts_rules)
            nf_block_count(nf_walk_block(walk), walk->index, walk->ip_size);
        acted = counts_rules;
        for (; expr < end && step == STEP_ON; expr++) {
            if (expr->op < NFX_FIRST_ACTION)
                step = nf_match(walk, expr) ? STEP_ON : STEP_MISS;
            else
                step = quick_action(walk, expr, &target, ret_result);
            acted |= step != STEP_MISS && expr->op >= NFX_FIRST_ACTION;
        }
        if (walk->traced)
            trace_rule(walk, acted ? TRACE_RULE : TRACE_RULE_MISS, depth);

        switch (step) {
        case STEP_ON:
        case STEP_MISS:
            walk->index = next_rule(walk);
            continue;
        case STEP_ACCEPT:
            ret_result->verdict = NF_ACCEPT;
            return true;
        case STEP_DROP:
        case STEP_REJECT:
            ret_result->verdict = step == STEP_DROP ? NF_DROP : NF_REJECT;
            ret_result->ruleset = walk->rs;
            ret_result->chain = walk->chain;
            ret_result->rule = walk->index;
            return true;
        case STEP_JUMP:
            frames[depth++] = (Frame){walk->chain, walk->block, next_rule(walk)};
            enter(walk, nf_ruleset_walk_chain(walk->rs, target), NULL, 0);
            continue;
        case STEP_GOTO:
            enter(walk, nf_ruleset_walk_chain(walk->rs, target), NULL, 0);
            continue;
        case STEP_RETURN:
            break;
        }

    chain_end:
        if (depth == 0)
            return false;
        if (walk->traced) {
            walk->index = walk->chain->n_rules;
            walk->draw_n = walk->draw = walk->set_elem = 0;
            trace_rule(walk, TRACE_CHAIN_END, depth);
        }
        depth--;
        enter(walk, frames[depth].chain, frames[depth].block, frames[depth].next);
    }
}

static inline void
into_piece(NfWalk *walk, uint32_t at, uint32_t index)
{
    static const NfBody NONE = {0};
    const NfPieces *pieces = walk->chain->pieces;

    walk->piece = at;
    if (at == pieces->n)
        enter_body(walk, &NONE, walk->chain->n_rules, walk->chain->n_rules);
    else
        enter_body(walk, &nf_piece_rules(pieces->pieces[at])->body, pieces->first[at], index);
}

/* Goes on at the next piece from 'at' on that may concern the packet. */
static void
next_piece(NfWalk *walk, uint32_t at)
{
    const NfPieces *pieces = walk->chain->pieces;

    if (!walk->linear)
        at = nf_pieces_probe(pieces, at, walk->pkt);
    while (at < pieces->n && pieces->pieces[at]->n_rules == 0) {
        at++;
        if (!walk->linear)
            at = nf_pieces_probe(pieces, at, walk->pkt);
    }
    into_piece(walk, at, pieces->first[at]);
}

/* Goes on at a rule of a chain in pieces. */
static void
enter_piece(NfWalk *walk, uint32_t index)
{
    const NfPieces *pieces = walk->chain->pieces;
    uint32_t at = index ? nf_pieces_find(pieces, index) : 0;

    if (index == pieces->first[at])
        next_piece(walk, at);
    else
        into_piece(walk, index < walk->chain->n_rules ? at : pieces->n, index);
}

/* The tests that long chains consist of; the others are nf_match()'s. */
static inline bool
quick_match(NfWalk *walk, const NfExpr *expr)
{
    const Packet *pkt = walk->pkt;

    switch (expr->op) {
    case NFX_SADDR:
        return nf_addr_in(pkt->src, &expr->addr, expr->c) != expr->neg;
    case NFX_DADDR:
        return nf_addr_in(pkt->dst, &expr->addr, expr->c) != expr->neg;
    case NFX_PROTO:
        return (pkt->proto == expr->a) != expr->neg;
    case NFX_DPORT:
        return packet_has_ports(pkt) && (pkt->dport >= expr->a && pkt->dport <= expr->b) != expr->neg;
    case NFX_CT_STATE:
        return (((nf_walk_has_template(walk) ? NF_CT_NEW : conntrack_state_bits(pkt)) & expr->a) != 0) != expr->neg;
    case NFX_STATISTIC_RANDOM:
        return nf_match_random(walk, expr) != expr->neg;
    case NFX_MARK:
        return ((pkt->meta.mark & expr->b) == expr->a) != expr->neg;
    case NFX_COMMENT:
    case NFX_L4_MATCH:
        return true;
    default:
        return nf_match(walk, expr);
    }
}

/* The ends that most rules have; the others are nf_action()'s. */
static inline NfStep
quick_action(NfWalk *walk, const NfExpr *expr, uint32_t *ret_chain, NfResult *ret_result)
{
    switch (expr->op) {
    case NFX_JUMP:
        *ret_chain = expr->a;
        return STEP_JUMP;
    case NFX_ACCEPT:
        return STEP_ACCEPT;
    default:
        return nf_action(walk, expr, ret_chain, ret_result);
    }
}

static void
trace_rule(NfWalk *walk, TraceKind kind, uint32_t depth)
{
    uint32_t bits = TRACE_BIT(kind);
    TraceRecord record;

    if (kind == TRACE_RULE && walk->nat)
        bits |= TRACE_NAT_RULES;
    if (!(walk->traced & bits))
        return;
    record = (TraceRecord){.kind = kind, .host = walk->host, .pkt = walk->pkt};
    record.rule.ruleset = walk->rs;
    record.rule.chain = walk->chain;
    record.rule.index = walk->index;
    record.rule.tried = MIN(walk->index + 1, walk->chain->n_rules);
    record.rule.hook = walk->hook;
    record.rule.depth = (uint8_t)depth;
    record.rule.set_elem = walk->set_elem;
    record.rule.draw = walk->draw;
    record.rule.draw_n = walk->draw_n;
    trace_emit_part(walk->sim, &record, bits);
}
