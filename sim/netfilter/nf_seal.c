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

#include "sim/netfilter/nf_seal.h"

static bool seal_generation(NfSeal *seal);
static void keep_height(NfSeal *seal, NfNode node, int height);

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

static void
name_anew(NfRuleset *rs, NfNode by, NfNode named)
{
    count_name(rs, named.is_set, named.id, 1);
    vec_push(&rs->namings, (NfNaming){by, named});
}

/* Where both lists ascend, what both name costs nothing; where one does not, the sum is right all the same. */
static void
count_difference(NfRuleset *rs, NfNode node, bool sets, NfNamed *before, NfNamed *after)
{
    uint32_t x = nf_named_next(before), y = nf_named_next(after);

    while (x != NF_NO_ID || y != NF_NO_ID) {
        const bool gone = x < y, new_ = y < x;

        if (gone)
            count_name(rs, sets, x, -1);
        if (new_)
            name_anew(rs, node, (NfNode){sets, y});
        if (!new_)
            x = nf_named_next(before);
        if (!gone)
            y = nf_named_next(after);
    }
}

void
nf_ruleset_count_names(NfRuleset *rs, NfNode node, const void *was, const void *obj)
{
    for (int k = 0; k < 2; k++) {
        NfNamed before, after;

        nf_named_begin(node, was, k, &before);
        nf_named_begin(node, obj, k, &after);
        nf_named_skip_same(&before, &after);
        count_difference(rs, node, k, &before, &after);
    }
}

bool
nf_ruleset_check(NfRuleset *rs, GError **error)
{
    NfSeal seal = {.rs = rs, .error = error};
    bool ok;

    if (rs->base) {
        seal.computed = g_hash_table_new(NULL, NULL);
        seal.raised = g_hash_table_new(NULL, NULL);
        ok = nf_seal_overlay(&seal);
        g_hash_table_unref(seal.computed);
        g_hash_table_unref(seal.raised);
    } else {
        ok = seal_generation(&seal);
    }
    vec_clear(&seal.nodes);
    vec_clear(&seal.heights);
    return ok;
}

/* --- Generations -------------------------------------------------------------------------------------------------- */

static void
add_all_nodes(NfSeal *seal)
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
height_of(const NfSeal *seal, NfNode node)
{
    return &nf_ids_page(node_ids(seal->rs, node), node.id)->height[node.id % NF_PAGE_LEN];
}

/* Of what is in 'nodes'; a failure leaves them as they were. */
static bool
compute_generation(NfSeal *seal)
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

        if (!nf_ids_get(node_ids(seal->rs, node), node.id) || nf_seal_height(seal, node) > 0)
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
seal_generation(NfSeal *seal)
{
    NfRuleset *rs = seal->rs;
    bool grown = false;

    for (size_t i = 0; i < rs->touched.len; i++)
        vec_push(&seal->nodes, rs->touched.data[i]);
    /* What was named before was there: nf_seal_not_named() sees it go. */
    for (size_t i = 0; i < rs->namings.len; i++) {
        NfNode named = rs->namings.data[i].named;

        if (!nf_ids_get(node_ids(rs, named), named.id) && !nf_seal_names_exist(seal, rs->namings.data[i].by))
            return false;
    }
    apply_counts(rs);
    for (size_t i = 0; i < seal->nodes.len; i++) {
        NfNode node = seal->nodes.data[i];
        const NfPage *page = nf_ids_peek(node_ids(rs, node), node.id);

        if (!nf_seal_not_named(seal, node, page->n_named[node.id % NF_PAGE_LEN]))
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

/* --- Both --------------------------------------------------------------------------------------------------------- */

/* The height that is known of a node: 0 if it must be computed, NF_IN_PROGRESS below it. */
static int
known_height(const NfSeal *seal, NfNode node)
{
    gpointer value;

    if (seal->computed && g_hash_table_lookup_extended(seal->computed, GUINT_TO_POINTER(node_key(node)), NULL, &value))
        return GPOINTER_TO_INT(value);
    if (seal->computed)
        return MAX(table_get(seal->raised, node_key(node)), (int)nf_seal_stored(seal->rs, node, true));
    return (int)nf_seal_stored(seal->rs, node, true);
}

static void
keep_height(NfSeal *seal, NfNode node, int height)
{
    if (seal->computed)
        table_set(seal->computed, node_key(node), height);
    else
        *height_of(seal, node) = (uint8_t)height;
}

int
nf_seal_height(NfSeal *seal, NfNode node)
{
    int height = known_height(seal, node);

    if (height == NF_IN_PROGRESS) {
        nf_seal_fail_loop(seal, node);
        return -1;
    }
    if (height)
        return height;
    keep_height(seal, node, NF_IN_PROGRESS);
    for (int k = 0; k < 2; k++) {
        NfNamed named;

        nf_named_begin(node, nf_ids_get(node_ids(seal->rs, node), node.id), k, &named);
        for (uint32_t id; (id = nf_named_next(&named)) != NF_NO_ID;) {
            int below = nf_seal_height(seal, (NfNode){k, id});
            if (below < 0)
                return -1;
            height = MAX(height, below);
        }
    }
    height += !node.is_set || !height;
    if (height > NF_TOO_HIGH) {
        nf_seal_fail_loop(seal, node);
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

bool
nf_seal_names_exist(NfSeal *seal, NfNode node)
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

bool
nf_seal_not_named(NfSeal *seal, NfNode node, int64_t n_named)
{
    if (n_named <= 0 || nf_ids_get(node_ids(seal->rs, node), node.id))
        return true;
    g_set_error(seal->error, NF_ERROR, NF_ERROR_REFERENCE, "%s %s was removed but is still in use",
                node.is_set ? "set" : "chain", node_name(seal->rs, node));
    return false;
}

bool
nf_seal_fail_loop(NfSeal *seal, NfNode node)
{
    if (seal->error && !*seal->error)
        g_set_error(seal->error, NF_ERROR, NF_ERROR_LOOP, "%s %s: calls loop or are more than %d deep",
                    node.is_set ? "map" : "chain", node_name(seal->rs, node), NF_MAX_DEPTH);
    return false;
}
