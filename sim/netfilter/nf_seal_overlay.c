/* Checks of an overlay: it costs what it holds, not what its base holds (nf_seal.c) */

#include "sim/netfilter/nf_seal.h"

/* Who names what, in a base: callers of a node are list[first[n] .. first[n + 1]), as keys. */
struct NfCallers {
    uint32_t *first[2]; /* By id: chains, sets. */
    uint32_t *list[2];
};

static bool raise_callers(NfSeal *seal, NfNode node, int height, bool *ret_overlay_changed);

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
compute_overlay(NfSeal *seal)
{
    g_hash_table_remove_all(seal->computed);
    for (size_t i = 0; i < seal->nodes.len; i++)
        table_set(seal->computed, node_key(seal->nodes.data[i]), 0);
    for (size_t i = 0; i < seal->nodes.len; i++)
        if (nf_seal_height(seal, seal->nodes.data[i]) < 0)
            return -1;
    return 0;
}

bool
nf_seal_overlay(NfSeal *seal)
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

        if (!nf_seal_names_exist(seal, node))
            return false;
        count_names(counts, node, page ? page->obj[node.id % NF_PAGE_LEN] : NULL, -1);
        count_names(counts, node, nf_ids_get(ids, node.id), 1);
    }
    for (size_t i = 0; i < seal->nodes.len; i++) {
        NfNode node = seal->nodes.data[i];

        if (!nf_seal_not_named(seal, node,
                               (int64_t)nf_seal_stored(rs, node, false) + table_get(counts, node_key(node))))
            return false;
    }
    while (again) {
        again = false;
        if (compute_overlay(seal) < 0)
            return false;
        for (size_t i = 0; i < seal->nodes.len; i++) {
            NfNode node = seal->nodes.data[i];
            int height = nf_seal_height(seal, node), known = table_get(seal->raised, node_key(node));

            if (height <= MAX(known, (int)nf_seal_stored(rs, node, true)) || !nf_seal_stored(rs, node, false))
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
            callers->first[k][id + 2] = callers->first[k][id + 1] + nf_seal_stored(base, (NfNode){k, id}, false);
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
raise_callers(NfSeal *seal, NfNode node, int height, bool *ret_overlay_changed)
{
    const struct NfCallers *callers = base_callers(seal->rs->base);
    const uint32_t *first = callers->first[node.is_set];

    if (height > NF_TOO_HIGH)
        return nf_seal_fail_loop(seal, node);
    for (uint32_t i = first[node.id]; i < first[node.id + 1]; i++) {
        uint32_t key = callers->list[node.is_set][i];
        NfNode caller = key_node(key);
        int raised = height + !caller.is_set;

        if (nf_ids_over(node_ids(seal->rs, caller), caller.id)) {
            *ret_overlay_changed = true;
        } else if (raised > MAX(table_get(seal->raised, key), (int)nf_seal_stored(seal->rs, caller, true))) {
            table_set(seal->raised, key, raised);
            *ret_overlay_changed = true; /* Something of the overlay may name it. */
            if (!raise_callers(seal, caller, raised, ret_overlay_changed))
                return false;
        }
    }
    return true;
}
