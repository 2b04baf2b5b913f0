#ifndef SIM_NETFILTER_NF_SEAL_H
#define SIM_NETFILTER_NF_SEAL_H

/* What the checks of generations (nf_seal.c) and overlays (nf_seal_overlay.c) share: see nf_seal.c */

#include "sim/netfilter/nf_named.h"
#include "sim/netfilter/nf_ruleset_int.h"

typedef struct {
    NfRuleset *rs;
    VEC(NfNode) nodes;    /* To compute. */
    VEC(uint8_t) heights; /* Of a generation: as they were, by index in 'nodes'. */
    GHashTable *computed; /* Of an overlay: key -> height of what is in 'nodes'; IN_PROGRESS while below it. */
    GHashTable *raised;   /* Of an overlay: key -> height; nodes of the base that it raised. */
    GError **error;
} NfSeal;

#define NF_IN_PROGRESS 255
#define NF_TOO_HIGH    (NF_MAX_DEPTH + 2)

bool nf_seal_overlay(NfSeal *seal);
/* False with the error: something that the node names is not there. */
bool nf_seal_names_exist(NfSeal *seal, NfNode node);
/* False with the error: it is not there, but somebody names it. */
bool nf_seal_not_named(NfSeal *seal, NfNode node, int64_t n_named);
/* Height of a node, from what it names.  -1 with the error: a loop, or too deep. */
int nf_seal_height(NfSeal *seal, NfNode node);
bool nf_seal_fail_loop(NfSeal *seal, NfNode node); /* False. */

static inline uint32_t
node_key(NfNode node)
{
    return node.id * 2 + node.is_set;
}

static inline NfNode
key_node(uint32_t key)
{
    return (NfNode){.is_set = key & 1, .id = key / 2};
}

static inline NfIds *
node_ids(NfRuleset *rs, NfNode node)
{
    return node.is_set ? &rs->sets : &rs->chains;
}

static inline int
table_get(GHashTable *table, uint32_t key)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(table, GUINT_TO_POINTER(key)));
}

static inline void
table_set(GHashTable *table, uint32_t key, int value)
{
    g_hash_table_insert(table, GUINT_TO_POINTER(key), GINT_TO_POINTER(value));
}

/* What its page keeps of a node. */
static inline uint32_t
nf_seal_stored(const NfRuleset *rs, NfNode node, bool want_height)
{
    const NfPage *page = nf_ids_peek(node.is_set ? &rs->sets : &rs->chains, node.id);

    if (!page)
        return 0;
    return want_height ? page->height[node.id % NF_PAGE_LEN] : page->n_named[node.id % NF_PAGE_LEN];
}

#endif
