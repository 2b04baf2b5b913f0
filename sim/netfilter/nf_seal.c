/* Checks before a rule set is walked: everything named exists, nothing that is named was removed, no loop, and calls at
 * most NF_MAX_DEPTH deep.
 *
 * The proof of the last two is a height per chain and set, greater than the height of everything it names.  Only what
 * was touched is computed anew.  If something that others name became higher, a generation recomputes all heights; an
 * overlay raises the callers, found by an index that its base makes once.  So an overlay costs what it holds, not what
 * its base holds.
 *
 * Heights of a generation are computed in its own pages, where 0 is "not yet" (what was touched lies on pages that it
 * shares with nobody); those of an overlay in a table.                                                               */

#include "sim/netfilter/nf_named.h"
#include "sim/netfilter/nf_ruleset_int.h"

/* Who names what, in a base: callers of a node are list[first[n] .. first[n + 1]), as keys. */
struct NfCallers {
    uint32_t *first[2]; /* By id: chains, sets. */
    uint32_t *list[2];
};

typedef struct {
    NfRuleset *rs;
    VEC(NfNode) nodes;    /* To compute. */
    VEC(uint8_t) heights; /* Of a generation: as they were, by index in 'nodes'. */
    GHashTable *computed; /* Of an overlay: key -> height of what is in 'nodes'; IN_PROGRESS while below it. */
    GHashTable *raised;   /* Of an overlay: key -> height; nodes of the base that it raised. */
    GError **error;
} Seal;

#define IN_PROGRESS 255
#define TOO_HIGH    (NF_MAX_DEPTH + 2)

static bool seal_generation(Seal *seal);
static bool seal_overlay(Seal *seal);
static void count_names(GHashTable *counts, NfNode node, const void *obj, int delta);
static bool check_names_exist(Seal *seal, NfNode node);
static bool check_not_named(Seal *seal, NfNode node, int64_t n_named);
static int node_height(Seal *seal, NfNode node);
static void keep_height(Seal *seal, NfNode node, int height);
static bool raise_callers(Seal *seal, NfNode node, int height, bool *ret_overlay_changed);
static bool fail_loop(Seal *seal, NfNode node);

static uint32_t
node_key(NfNode node)
{
    return node.id * 2 + node.is_set;
}

static NfNode
key_node(uint32_t key)
{
    return (NfNode){.is_set = key & 1, .id = key / 2};
}

static NfIds *
node_ids(NfRuleset *rs, NfNode node)
{
    return node.is_set ? &rs->sets : &rs->chains;
}

static int
table_get(GHashTable *table, uint32_t key)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(table, GUINT_TO_POINTER(key)));
}

static void
table_set(GHashTable *table, uint32_t key, int value)
{
    g_hash_table_insert(table, GUINT_TO_POINTER(key), GINT_TO_POINTER(value));
}

static void
count_name(NfRuleset *rs, int k, uint32_t id, int delta)
{
    NfIds *ids = k ? &rs->sets : &rs->chains;
    const NfPage *page = nf_ids_peek(ids, id);

    if (!page || page->refs == 1) {
        nf_ids_page(ids, id)->n_named[id % NF_PAGE_LEN] += (uint32_t)delta;
        return;
    }
    /* On a page that older generations share: it need not be copied if the sum comes to nothing. */
    if (!rs->named)
        rs->named = g_hash_table_new(NULL, NULL);
    table_set(rs->named, id * 2 + k, table_get(rs->named, id * 2 + k) + delta);
}

/* Where both lists ascend, what both name costs nothing; where one does not, the sum is right all the same. */
void
nf_ruleset_count_names(NfRuleset *rs, NfNode node, const void *was, const void *obj)
{
    for (int k = 0; k < 2; k++) {
        NfNamed before, after;
        uint32_t x, y;

        nf_named_begin(node, was, k, &before);
        nf_named_begin(node, obj, k, &after);
        nf_named_skip_same(&before, &after);
        x = nf_named_next(&before);
        y = nf_named_next(&after);
        while (x != NF_NO_ID || y != NF_NO_ID) {
            if (x < y) {
                count_name(rs, k, x, -1);
                x = nf_named_next(&before);
            } else if (y < x) {
                count_name(rs, k, y, 1);
                vec_push(&rs->namings, (NfNaming){node, {k, y}});
                y = nf_named_next(&after);
            } else {
                x = nf_named_next(&before);
                y = nf_named_next(&after);
            }
        }
    }
}

bool
nf_ruleset_check(NfRuleset *rs, GError **error)
{
    Seal seal = {.rs = rs, .error = error};
    bool ok;

    if (rs->base) {
        seal.computed = g_hash_table_new(NULL, NULL);
        seal.raised = g_hash_table_new(NULL, NULL);
        ok = seal_overlay(&seal);
        g_hash_table_unref(seal.computed);
        g_hash_table_unref(seal.raised);
    } else {
        ok = seal_generation(&seal);
    }
    vec_clear(&seal.nodes);
    vec_clear(&seal.heights);
    return ok;
}

void
nf_callers_free(struct NfCallers *callers)
{
    if (!callers)
        return;
    for (int k = 0; k < 2; k++) {
        g_free(callers->first[k]);
        g_free(callers->list[k]);
    }
    g_free(callers);
}

/* --- Generations -------------------------------------------------------------------------------------------------- */

static void
add_all_nodes(Seal *seal)
{
    seal->nodes.len = 0;
    for (int k = 0; k < 2; k++) {
        size_t n;
        g_autofree uint32_t *ids = nf_ids_list(k ? &seal->rs->sets : &seal->rs->chains, &n);
        for (size_t i = 0; i < n; i++)
            vec_push(&seal->nodes, (NfNode){k, ids[i]});
    }
}

static uint8_t *
height_of(const Seal *seal, NfNode node)
{
    return &nf_ids_page(node_ids(seal->rs, node), node.id)->height[node.id % NF_PAGE_LEN];
}

/* Of what is in 'nodes'; a failure leaves them as they were. */
static bool
compute_generation(Seal *seal)
{
    seal->heights.len = 0;
    vec_reserve(&seal->heights, seal->nodes.len);
    for (size_t i = 0; i < seal->nodes.len; i++) {
        uint8_t *height = height_of(seal, seal->nodes.data[i]);
        vec_push(&seal->heights, *height);
        *height = 0;
    }
    for (size_t i = 0; i < seal->nodes.len; i++) {
        NfNode node = seal->nodes.data[i];

        if (!nf_ids_get(node_ids(seal->rs, node), node.id) || node_height(seal, node) > 0)
            continue;
        for (size_t k = seal->nodes.len; k-- > 0;)
            *height_of(seal, seal->nodes.data[k]) = seal->heights.data[k];
        return false;
    }
    return true;
}

static void
apply_counts(NfRuleset *rs)
{
    GHashTableIter iter;
    gpointer key, delta;

    if (!rs->named)
        return;
    g_hash_table_iter_init(&iter, rs->named);
    while (g_hash_table_iter_next(&iter, &key, &delta)) { /* Sums: in whatever order. */
        NfNode node = key_node(GPOINTER_TO_UINT(key));

        if (GPOINTER_TO_INT(delta))
            nf_ids_page(node_ids(rs, node), node.id)->n_named[node.id % NF_PAGE_LEN] +=
                (uint32_t)GPOINTER_TO_INT(delta);
    }
    g_clear_pointer(&rs->named, g_hash_table_unref);
}

static bool
seal_generation(Seal *seal)
{
    NfRuleset *rs = seal->rs;
    bool grown = false;

    for (size_t i = 0; i < rs->touched.len; i++)
        vec_push(&seal->nodes, rs->touched.data[i]);
    /* What was named before was there: check_not_named() sees it go. */
    for (size_t i = 0; i < rs->namings.len; i++) {
        NfNode named = rs->namings.data[i].named;

        if (!nf_ids_get(node_ids(rs, named), named.id) && !check_names_exist(seal, rs->namings.data[i].by))
            return false;
    }
    apply_counts(rs);
    for (size_t i = 0; i < seal->nodes.len; i++) {
        NfNode node = seal->nodes.data[i];
        const NfPage *page = nf_ids_peek(node_ids(rs, node), node.id);

        if (!check_not_named(seal, node, page->n_named[node.id % NF_PAGE_LEN]))
            return false;
    }
    if (!compute_generation(seal))
        return false;
    for (size_t i = 0; i < seal->nodes.len && !grown; i++) {
        NfNode node = seal->nodes.data[i];
        const NfPage *page = nf_ids_peek(node_ids(rs, node), node.id);
        uint32_t at = node.id % NF_PAGE_LEN;

        grown = seal->heights.data[i] && page->n_named[at] && seal->heights.data[i] < page->height[at];
    }
    if (!grown)
        return true;
    add_all_nodes(seal);
    return compute_generation(seal);
}

/* --- Overlays ----------------------------------------------------------------------------------------------------- */

static uint32_t
base_stored(const NfRuleset *rs, NfNode node, bool want_height)
{
    const NfPage *page = nf_ids_peek(node.is_set ? &rs->sets : &rs->chains, node.id);

    if (!page)
        return 0;
    return want_height ? page->height[node.id % NF_PAGE_LEN] : page->n_named[node.id % NF_PAGE_LEN];
}

static void
count_names(GHashTable *counts, NfNode node, const void *obj, int delta)
{
    for (int k = 0; k < 2; k++) {
        NfNamed named;

        nf_named_begin(node, obj, k, &named);
        for (uint32_t id; (id = nf_named_next(&named)) != NF_NO_ID;)
            table_set(counts, id * 2 + k, table_get(counts, id * 2 + k) + delta);
    }
}

static int
compute_overlay(Seal *seal)
{
    g_hash_table_remove_all(seal->computed);
    for (size_t i = 0; i < seal->nodes.len; i++)
        table_set(seal->computed, node_key(seal->nodes.data[i]), 0);
    for (size_t i = 0; i < seal->nodes.len; i++)
        if (node_height(seal, seal->nodes.data[i]) < 0)
            return -1;
    return 0;
}

static bool
seal_overlay(Seal *seal)
{
    NfRuleset *rs = seal->rs;
    g_autoptr(GHashTable) counts = g_hash_table_new(NULL, NULL);
    bool again = true;

    for (int k = 0; k < 2; k++) {
        const NfIds *ids = k ? &rs->sets : &rs->chains;

        for (uint32_t i = 0; ids->over && i <= ids->over_mask; i++)
            if (ids->over[i].id != UINT32_MAX)
                vec_push(&seal->nodes, (NfNode){k, ids->over[i].id});
    }
    for (size_t i = 0; i < seal->nodes.len; i++) {
        NfNode node = seal->nodes.data[i];
        NfIds *ids = node_ids(rs, node);
        const NfPage *page = nf_ids_peek(ids, node.id);

        if (!check_names_exist(seal, node))
            return false;
        count_names(counts, node, page ? page->obj[node.id % NF_PAGE_LEN] : NULL, -1);
        count_names(counts, node, nf_ids_get(ids, node.id), 1);
    }
    for (size_t i = 0; i < seal->nodes.len; i++) {
        NfNode node = seal->nodes.data[i];

        if (!check_not_named(seal, node, (int64_t)base_stored(rs, node, false) + table_get(counts, node_key(node))))
            return false;
    }
    while (again) {
        again = false;
        if (compute_overlay(seal) < 0)
            return false;
        for (size_t i = 0; i < seal->nodes.len; i++) {
            NfNode node = seal->nodes.data[i];
            int height = node_height(seal, node), known = table_get(seal->raised, node_key(node));

            if (height <= MAX(known, (int)base_stored(rs, node, true)) || !base_stored(rs, node, false))
                continue;
            table_set(seal->raised, node_key(node), height);
            if (!raise_callers(seal, node, height, &again))
                return false;
        }
    }
    return true;
}

static struct NfCallers *
base_callers(NfRuleset *base)
{
    struct NfCallers *callers;

    if (base->callers)
        return base->callers;
    callers = base->callers = g_new0(struct NfCallers, 1);
    for (int k = 0; k < 2; k++) {
        const NfIds *ids = k ? &base->sets : &base->chains;
        uint32_t end = nf_ids_end(ids);

        callers->first[k] = g_new0(uint32_t, end + 2);
        for (uint32_t id = 0; id < end; id++) /* Shifted by one: the fill below moves each start to its place. */
            callers->first[k][id + 2] = callers->first[k][id + 1] + base_stored(base, (NfNode){k, id}, false);
        callers->list[k] = g_new(uint32_t, callers->first[k][end + 1] + 1);
    }
    for (int k = 0; k < 2; k++) {
        size_t n;
        g_autofree uint32_t *ids = nf_ids_list(k ? &base->sets : &base->chains, &n);

        for (size_t i = 0; i < n; i++) {
            NfNode node = {k, ids[i]};
            const void *obj = nf_ids_get(node_ids(base, node), node.id);

            for (int of = 0; of < 2; of++) {
                NfNamed named;

                nf_named_begin(node, obj, of, &named);
                for (uint32_t id; (id = nf_named_next(&named)) != NF_NO_ID;)
                    callers->list[of][callers->first[of][id + 1]++] = node_key(node);
            }
        }
    }
    return callers;
}

/* A node of an overlay is higher than its base knows: so are those of the base that name it. */
static bool
raise_callers(Seal *seal, NfNode node, int height, bool *ret_overlay_changed)
{
    const struct NfCallers *callers = base_callers(seal->rs->base);
    const uint32_t *first = callers->first[node.is_set];

    if (height > TOO_HIGH)
        return fail_loop(seal, node);
    for (uint32_t i = first[node.id]; i < first[node.id + 1]; i++) {
        uint32_t key = callers->list[node.is_set][i];
        NfNode caller = key_node(key);
        int raised = height + !caller.is_set;

        if (nf_ids_over(node_ids(seal->rs, caller), caller.id)) {
            *ret_overlay_changed = true;
        } else if (raised > MAX(table_get(seal->raised, key), (int)base_stored(seal->rs, caller, true))) {
            table_set(seal->raised, key, raised);
            *ret_overlay_changed = true; /* Something of the overlay may name it. */
            if (!raise_callers(seal, caller, raised, ret_overlay_changed))
                return false;
        }
    }
    return true;
}

/* --- Both --------------------------------------------------------------------------------------------------------- */

/* The height that is known of a node: 0 if it must be computed, IN_PROGRESS below it. */
static int
known_height(const Seal *seal, NfNode node)
{
    gpointer value;

    if (seal->computed && g_hash_table_lookup_extended(seal->computed, GUINT_TO_POINTER(node_key(node)), NULL, &value))
        return GPOINTER_TO_INT(value);
    if (seal->computed)
        return MAX(table_get(seal->raised, node_key(node)), (int)base_stored(seal->rs, node, true));
    return (int)base_stored(seal->rs, node, true);
}

static void
keep_height(Seal *seal, NfNode node, int height)
{
    if (seal->computed)
        table_set(seal->computed, node_key(node), height);
    else
        *height_of(seal, node) = (uint8_t)height;
}

/* Height of a node, from what it names.  -1: a loop, or too deep. */
static int
node_height(Seal *seal, NfNode node)
{
    int height = known_height(seal, node);

    if (height == IN_PROGRESS) {
        fail_loop(seal, node);
        return -1;
    }
    if (height)
        return height;
    keep_height(seal, node, IN_PROGRESS);
    for (int k = 0; k < 2; k++) {
        NfNamed named;

        nf_named_begin(node, nf_ids_get(node_ids(seal->rs, node), node.id), k, &named);
        for (uint32_t id; (id = nf_named_next(&named)) != NF_NO_ID;) {
            int below = node_height(seal, (NfNode){k, id});
            if (below < 0)
                return -1;
            height = MAX(height, below);
        }
    }
    height += !node.is_set || !height;
    if (height > TOO_HIGH) {
        fail_loop(seal, node);
        return -1;
    }
    keep_height(seal, node, height);
    return height;
}

static const char *
node_name(const NfRuleset *rs, NfNode node)
{
    return node.is_set ? nf_set_name(rs->names, node.id) : nf_chain_name(rs->names, node.id);
}

static bool
rule_names(const NfChain *chain, uint32_t index, NfNode named)
{
    const NfRule *rule = nf_chain_rule(chain, index);

    for (uint32_t i = 0; i < rule->n; i++) {
        const NfExpr *e = &nf_chain_exprs(chain, index)[i];
        bool names_set = e->op == NFX_SET || e->op == NFX_LOOKUP || e->op == NFX_VMAP || e->op == NFX_SET_UPDATE;
        bool names_chain = e->op == NFX_JUMP || e->op == NFX_GOTO;

        if ((named.is_set ? names_set : names_chain) && e->a == named.id)
            return true;
        for (uint32_t j = 0; e->op == NFX_NUMGEN_VMAP && !named.is_set && j < e->b; j++)
            if (nf_chain_choices(chain, e->a + j)->chain == named.id)
                return true;
    }
    return false;
}

/* The first rule of a chain that names a chain or set, by its expressions; the number of rules if none does directly.
 */
static uint32_t
naming_rule(const NfRuleset *rs, uint32_t chain_id, NfNode named)
{
    NfChain *chain = nf_ruleset_take_chain(rs, chain_id);
    uint32_t r;

    for (r = 0; r < chain->n_rules && !rule_names(chain, r, named); r++)
        ;
    nf_chain_unref(chain);
    return r;
}

static bool
check_names_exist(Seal *seal, NfNode node)
{
    NfRuleset *rs = seal->rs;
    const void *obj = nf_ids_get(node_ids(rs, node), node.id);

    for (int k = 0; k < 2; k++) {
        NfNamed names;

        nf_named_begin(node, obj, k, &names);
        for (uint32_t id; (id = nf_named_next(&names)) != NF_NO_ID;) {
            NfNode named = {k, id};

            if (nf_ids_get(node_ids(rs, named), named.id))
                continue;
            if (node.is_set)
                g_set_error(seal->error, NF_ERROR, NF_ERROR_REFERENCE, "map %s: no chain %s", node_name(rs, node),
                            node_name(rs, named));
            else
                g_set_error(seal->error, NF_ERROR, NF_ERROR_REFERENCE, "chain %s, rule %u: no %s %s",
                            node_name(rs, node), naming_rule(rs, node.id, named) + 1, k ? "set" : "chain",
                            node_name(rs, named));
            return false;
        }
    }
    return true;
}

static bool
check_not_named(Seal *seal, NfNode node, int64_t n_named)
{
    if (n_named <= 0 || nf_ids_get(node_ids(seal->rs, node), node.id))
        return true;
    g_set_error(seal->error, NF_ERROR, NF_ERROR_REFERENCE, "%s %s was removed but is still in use",
                node.is_set ? "set" : "chain", node_name(seal->rs, node));
    return false;
}

static bool
fail_loop(Seal *seal, NfNode node)
{
    if (seal->error && !*seal->error)
        g_set_error(seal->error, NF_ERROR, NF_ERROR_LOOP, "%s %s: calls loop or are more than %d deep",
                    node.is_set ? "map" : "chain", node_name(seal->rs, node), NF_MAX_DEPTH);
    return false;
}
