/* Chains being written: see nf_ruleset.h */

#include <string.h>

#include "sim/engine/htable.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"
#include "sim/netfilter/nf_chain.h"

struct NfChainBuilder {
    NfNames *names;
    NfChainSpec spec;
    VEC(NfRule) rules;
    VEC(NfExpr) exprs;
    VEC(NfChoice) choices;
    VEC(NfPortList) ports;
    VEC(NfLimit) limits;
    VEC(NfAddrRange) ranges;
    VEC(uint32_t) targets;
    VEC(uint32_t) sets;
    HTable draws; /* Identities of draws so far, to tell equal rules of one chain apart. */
    uint32_t n_state;
    bool in_rule, uses_ct;
};

#define SPARE_RULES_MAX 1024

static char *place(char *at, const void *data, size_t size);
static void builder_note_refs(NfChainBuilder *b, const NfExpr *expr);
static void builder_name_draws(NfChainBuilder *b, const NfRule *rule);
static uint64_t rule_identity(const NfChainBuilder *b, const NfRule *rule);
static uint64_t expr_mix(uint64_t hash, const NfExpr *expr);

NfChainBuilder *
nf_chain_builder_new(NfNames *names, const NfChainSpec *spec)
{
    void **spare = nf_names_spare_builder(names);
    NfChainBuilder *b = g_steal_pointer(spare);

    if (!b) {
        b = g_new0(NfChainBuilder, 1);
        htable_init(&b->draws, sizeof(uint64_t), 0);
    }
    b->names = nf_names_ref(names);
    b->spec = *spec;
    return b;
}

/* Chains are many and small: the builder is kept for the next, unless it has grown large. */
void
nf_chain_builder_free(NfChainBuilder *b)
{
    NfNames *names;
    void **spare;

    if (!b)
        return;
    names = b->names;
    spare = nf_names_spare_builder(names);
    b->names = NULL;
    if (*spare || b->rules.cap > SPARE_RULES_MAX) {
        nf_chain_builder_destroy(b);
    } else {
        b->rules.len = b->exprs.len = b->choices.len = b->ports.len = 0;
        b->limits.len = b->ranges.len = b->targets.len = b->sets.len = 0;
        b->n_state = 0;
        b->in_rule = b->uses_ct = false;
        htable_empty(&b->draws);
        *spare = b;
    }
    nf_names_unref(names);
}

void
nf_chain_builder_destroy(NfChainBuilder *b)
{
    if (!b)
        return;
    vec_clear(&b->rules);
    vec_clear(&b->exprs);
    vec_clear(&b->choices);
    vec_clear(&b->ports);
    vec_clear(&b->limits);
    vec_clear(&b->ranges);
    vec_clear(&b->targets);
    vec_clear(&b->sets);
    htable_clear(&b->draws);
    g_free(b);
}

void
nf_rule_begin(NfChainBuilder *b, uint32_t origin)
{
    g_assert(!b->in_rule);
    b->in_rule = true;
    vec_push(&b->rules, (NfRule){.first = (uint32_t)b->exprs.len, .origin = origin});
}

void
nf_rule_expr(NfChainBuilder *b, NfExpr expr)
{
    g_assert(b->in_rule);
    switch (expr.op) {
    case NFX_SADDR:
    case NFX_DADDR:
        expr.c = expr.len + (ipaddr_is_v4(&expr.addr) ? 96 : 0);
        break;
    case NFX_STATISTIC_NTH:
    case NFX_LIMIT:
        expr.b4 = b->n_state++;
        break;
    }
    /* What calls nf_ct_netns_get(): neither NOTRACK nor a nat chain as such does. */
    b->uses_ct |= (expr.op >= NFX_CT_STATE && expr.op <= NFX_CT_ORIG_PORT) || expr.op == NFX_CONNMARK ||
                  expr.op == NFX_SET_CONNMARK || expr.op == NFX_CT_ZONE || expr.op == NFX_DNAT || expr.op == NFX_SNAT ||
                  expr.op == NFX_MASQUERADE || expr.op == NFX_REDIRECT || expr.op == NFX_NUMGEN_DNAT;
    builder_note_refs(b, &expr);
    vec_push(&b->exprs, expr);
    vec_last(&b->rules)->n++;
}

uint32_t
nf_rule_choices(NfChainBuilder *b, const NfChoice *choices, size_t n)
{
    uint32_t first = (uint32_t)b->choices.len;

    for (size_t i = 0; i < n; i++)
        vec_push(&b->choices, choices[i]);
    return first;
}

uint32_t
nf_rule_ports(NfChainBuilder *b, const NfPortList *ports)
{
    vec_push(&b->ports, *ports);
    return (uint32_t)b->ports.len;
}

uint32_t
nf_rule_limit(NfChainBuilder *b, const NfLimit *limit)
{
    NfLimit copy;

    memset(&copy, 0, sizeof copy); /* Padding too: chains are compared as bytes. */
    copy.interval_ns = limit->interval_ns;
    copy.burst = limit->burst;
    copy.name = limit->name;
    copy.mode = limit->mode;
    copy.unit = limit->unit;
    copy.rate = limit->rate;
    copy.table = limit->table;
    vec_reserve(&b->limits, b->limits.len + 1);
    memcpy(&b->limits.data[b->limits.len++], &copy, sizeof copy);
    return (uint32_t)b->limits.len;
}

uint32_t
nf_rule_range(NfChainBuilder *b, const NfAddrRange *range)
{
    vec_push(&b->ranges, *range);
    return (uint32_t)b->ranges.len;
}

void
nf_rule_end(NfChainBuilder *b)
{
    g_assert(b->in_rule);
    b->in_rule = false;
    builder_name_draws(b, vec_last(&b->rules));
}

/* Moves an array of the builder to 'at'. */
#define PLACE(body, b, field, at)                                                                                      \
    ((body)->n_##field = (uint32_t)(b)->field.len, (body)->field = (void *)(at),                                       \
     (at) = place((at), (b)->field.data, (b)->field.len * sizeof *(b)->field.data))
#define ARRAY_SIZE(b, field) ((b)->field.len * sizeof *(b)->field.data)

static char *
place(char *at, const void *data, size_t size)
{
    if (size)
        memcpy(at, data, size);
    return at + size;
}

static size_t
body_size(const NfChainBuilder *b)
{
    return ARRAY_SIZE(b, exprs) + ARRAY_SIZE(b, choices) + ARRAY_SIZE(b, limits) + ARRAY_SIZE(b, ranges) +
           ARRAY_SIZE(b, rules) + ARRAY_SIZE(b, ports);
}

/* Arrays of 64-bit words first. */
static void
body_fill(NfBody *body, const NfChainBuilder *b, uint32_t run_min, char *at)
{
    PLACE(body, b, exprs, at);
    PLACE(body, b, choices, at);
    PLACE(body, b, limits, at);
    PLACE(body, b, ranges, at);
    PLACE(body, b, rules, at);
    PLACE(body, b, ports, at);
    nf_body_index(body, run_min);
}

static NfChain *
seal_chain(NfChainBuilder *b, uint32_t run_min)
{
    NfChain *chain;
    size_t ids_size;
    char *at;

    g_assert(!b->in_rule);
    b->targets.len = nf_ids_sort(b->targets.data, (uint32_t)b->targets.len);
    b->sets.len = nf_ids_sort(b->sets.data, (uint32_t)b->sets.len);
    ids_size = ARRAY_SIZE(b, targets) + ARRAY_SIZE(b, sets);
    ids_size = (ids_size + 7) & ~(size_t)7;
    chain = g_malloc(sizeof *chain + ids_size + body_size(b));
    memset(chain, 0, sizeof *chain);
    chain->refs = 1;
    chain->n_rules = (uint32_t)b->rules.len;
    chain->names = nf_names_ref(b->names);
    chain->spec = b->spec;
    chain->n_state = b->n_state & 0xffffff;
    chain->n_targets = (uint32_t)b->targets.len;
    g_assert(b->sets.len < 1u << 24 && b->n_state < 1u << 24);
    chain->n_sets = b->sets.len & 0xffffff;
    chain->uses_ct = b->uses_ct;
    at = place((char *)chain->ids, b->targets.data, ARRAY_SIZE(b, targets));
    place(at, b->sets.data, ARRAY_SIZE(b, sets));
    body_fill(&chain->body, b, run_min, (char *)(chain + 1) + ids_size);
    nf_chain_builder_free(b);
    return chain;
}

NfChain *
nf_chain_seal(NfChainBuilder *b)
{
    return seal_chain(b, NF_RUN_MIN);
}

/* A run of the whole chain may leave few rules in a piece. */
NfChain *
nf_chain_seal_piece(NfChainBuilder *b)
{
    return seal_chain(b, 1);
}

/* Collects the chains and sets that an expression names; what a verdict map names is checked with the map. */
static void
builder_note_refs(NfChainBuilder *b, const NfExpr *expr)
{
    switch (expr->op) {
    case NFX_JUMP:
    case NFX_GOTO:
        vec_push(&b->targets, expr->a);
        break;
    case NFX_NUMGEN_VMAP:
        for (uint32_t i = 0; i < expr->b; i++)
            vec_push(&b->targets, b->choices.data[expr->a + i].chain);
        break;
    case NFX_SET:
    case NFX_LOOKUP:
    case NFX_VMAP:
    case NFX_SET_UPDATE:
        vec_push(&b->sets, expr->a);
        break;
    }
}

/* Gives each random expression of a rule its identity. */
static void
builder_name_draws(NfChainBuilder *b, const NfRule *rule)
{
    uint64_t point = 0;

    for (uint32_t i = 0; i < rule->n; i++) {
        NfExpr *expr = &b->exprs.data[rule->first + i];

        if (expr->op != NFX_STATISTIC_RANDOM && expr->op != NFX_NUMGEN_VMAP && expr->op != NFX_NUMGEN_DNAT)
            continue;
        if (!point)
            point = rule_identity(b, rule);
        while (htable_find(&b->draws, &point)) /* An equal rule stands before it. */
            point = rng_mix(point, 1);
        htable_insert(&b->draws, &point, NULL);
        expr->b2 = (uint32_t)point;
        expr->b3 = (uint32_t)(point >> 32);
    }
}

/* A hash of what the rule says, by names and not by ids, without thresholds and numbers of choices. */
static uint64_t
rule_identity(const NfChainBuilder *b, const NfRule *rule)
{
    uint64_t hash =
        rng_hash_str(rng_hash_str(1, nf_chain_table(b->names, b->spec.id)), nf_chain_name(b->names, b->spec.id));

    for (uint32_t i = 0; i < rule->n; i++) {
        NfExpr expr = b->exprs.data[rule->first + i];

        switch (expr.op) {
        case NFX_STATISTIC_RANDOM:
        case NFX_NUMGEN_VMAP:
        case NFX_NUMGEN_DNAT:
            expr.a = expr.b = 0;
            break;
        case NFX_COMMENT:
        case NFX_IIF:
        case NFX_OIF:
        case NFX_RECENT:
        case NFX_NFACCT:
        case NFX_PHYSDEV:
        case NFX_UNKNOWN_MATCH:
        case NFX_UNKNOWN_TARGET:
            hash = rng_hash_str(hash, nf_text(b->names, expr.a));
            expr.a = 0;
            break;
        case NFX_JUMP:
        case NFX_GOTO:
            hash = rng_hash_str(hash, nf_chain_name(b->names, expr.a));
            expr.a = 0;
            break;
        case NFX_SET:
        case NFX_LOOKUP:
        case NFX_VMAP:
        case NFX_SET_UPDATE:
            hash = rng_hash_str(hash, nf_set_name(b->names, expr.a));
            expr.a = 0;
            break;
        }
        if (expr.op == NFX_STATISTIC_NTH || expr.op == NFX_LIMIT)
            expr.b4 = 0;
        hash = expr_mix(hash, &expr);
    }
    return hash;
}

/* By value, so that all machines agree. */
static uint64_t
expr_mix(uint64_t hash, const NfExpr *expr)
{
    hash = rng_mix(hash, (uint64_t)expr->op << 16 | (uint64_t)expr->neg << 8 | expr->len);
    hash = rng_mix(hash, expr->a);
    switch (expr->op) {
    case NFX_SADDR:
    case NFX_DADDR:
    case NFX_CT_ORIG:
    case NFX_DNAT:
    case NFX_SNAT:
        return rng_hash(hash, &expr->addr, sizeof expr->addr);
    default:
        return rng_mix(rng_mix(hash, (uint64_t)expr->b << 32 | expr->b2), (uint64_t)expr->b3 << 32 | expr->b4);
    }
}
