#include "sim/netfilter/nf_maker.h"

#include <string.h>

#include "sim/netfilter/nf_pieces.h"

static bool array_equal(const void *a, uint32_t n_a, const void *b, uint32_t n_b, size_t size);

NfChain *
nf_chain_ref(NfChain *chain)
{
    chain->refs++;
    return chain;
}

void
nf_chain_unref(NfChain *chain)
{
    if (!chain || --chain->refs)
        return;
    nf_body_index_free(&chain->body);
    if (chain->pieces)
        nf_pieces_free(chain->pieces);
    nf_names_unref(chain->names);
    if (chain->maker)
        nf_maker_forget(chain->maker, chain);
    g_free(chain);
}

const NfChainSpec *
nf_chain_spec(const NfChain *chain)
{
    return &chain->spec;
}

uint32_t
nf_chain_n_rules(const NfChain *chain)
{
    return chain->n_rules;
}

/* The body that holds a rule, and the rule's number in there. */
static const NfBody *
body_of(const NfChain *chain, uint32_t *index)
{
    const NfPieces *pieces = chain->pieces;
    uint32_t at;

    if (!pieces)
        return &chain->body;
    at = nf_pieces_find(pieces, *index);
    *index -= pieces->first[at];
    return &nf_piece_rules(pieces->pieces[at])->body;
}

const NfRule *
nf_chain_rule(const NfChain *chain, uint32_t index)
{
    g_assert(index < chain->n_rules);
    return &body_of(chain, &index)->rules[index];
}

const NfExpr *
nf_chain_exprs(const NfChain *chain, uint32_t index)
{
    const NfBody *body = body_of(chain, &index);

    return &body->exprs[body->rules[index].first];
}

const NfChoice *
nf_chain_choices(const NfChain *chain, uint32_t first)
{
    return &chain->body.choices[first];
}

const NfPortList *
nf_chain_ports(const NfChain *chain, uint32_t id)
{
    g_assert(id - 1 < chain->body.n_ports);
    return &chain->body.ports[id - 1];
}

const NfLimit *
nf_chain_limit(const NfChain *chain, uint32_t id)
{
    g_assert(id - 1 < chain->body.n_limits);
    return &chain->body.limits[id - 1];
}

const NfAddrRange *
nf_chain_range(const NfChain *chain, uint32_t id)
{
    g_assert(id - 1 < chain->body.n_ranges);
    return &chain->body.ranges[id - 1];
}

static bool
body_equal(const NfBody *x, const NfBody *y)
{
    return array_equal(x->rules, x->n_rules, y->rules, y->n_rules, sizeof(NfRule)) &&
           array_equal(x->exprs, x->n_exprs, y->exprs, y->n_exprs, sizeof(NfExpr)) &&
           array_equal(x->choices, x->n_choices, y->choices, y->n_choices, sizeof(NfChoice)) &&
           array_equal(x->ports, x->n_ports, y->ports, y->n_ports, sizeof(NfPortList)) &&
           array_equal(x->limits, x->n_limits, y->limits, y->n_limits, sizeof(NfLimit)) &&
           array_equal(x->ranges, x->n_ranges, y->ranges, y->n_ranges, sizeof(NfAddrRange));
}

static bool
rules_equal(const NfChain *a, const NfChain *b)
{
    bool equal = a->n_rules == b->n_rules;

    for (uint32_t i = 0; i < a->n_rules && equal; i++) {
        const NfRule *x = nf_chain_rule(a, i), *y = nf_chain_rule(b, i);

        equal = x->origin == y->origin &&
                array_equal(nf_chain_exprs(a, i), x->n, nf_chain_exprs(b, i), y->n, sizeof(NfExpr));
    }
    return equal;
}

bool
nf_chain_equal(const NfChain *a, const NfChain *b)
{
    return a == b ||
           (a->names == b->names && a->spec.id == b->spec.id && a->spec.is_base == b->spec.is_base &&
            a->spec.hook == b->spec.hook && a->spec.type == b->spec.type && a->spec.priority == b->spec.priority &&
            a->spec.policy == b->spec.policy && a->spec.comment == b->spec.comment &&
            (a->pieces || b->pieces ? rules_equal(a, b) : body_equal(&a->body, &b->body)));
}

uint64_t
nf_chain_own_bytes(const NfChain *chain)
{
    const NfBody *body = &chain->body;
    uint64_t bytes = sizeof *chain + (chain->n_targets + (uint64_t)chain->n_sets) * sizeof *chain->ids;

    if (chain->refs > 1)
        return 0;
    if (chain->pieces)
        return bytes + nf_pieces_own_bytes(chain->pieces);
    bytes += body->n_rules * sizeof(NfRule) + body->n_exprs * sizeof(NfExpr) + body->n_choices * sizeof(NfChoice) +
             body->n_ports * sizeof(NfPortList) + body->n_limits * sizeof(NfLimit) +
             body->n_ranges * sizeof(NfAddrRange) + (body->next ? body->n_rules : 0) * sizeof *body->next;
    for (uint32_t i = 0; i < body->n_runs; i++)
        bytes += sizeof(NfRun) + (body->runs[i].mask + 1) * sizeof(NfRunSlot);
    return bytes;
}

static bool
array_equal(const void *a, uint32_t n_a, const void *b, uint32_t n_b, size_t size)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * size) == 0);
}
