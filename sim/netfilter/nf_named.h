#ifndef SIM_NETFILTER_NF_NAMED_H
#define SIM_NETFILTER_NF_NAMED_H

/* What a chain or set of a rule set names, one after the other; of a chain that is not made, its maker says it, and of
 * one in pieces, they do
 *
 *   nf_named_begin(node, obj, k, &named);  for (uint32_t id; (id = nf_named_next(&named)) != NF_NO_ID;) ...
 * Internal to nf_seal.c. */

#include "sim/netfilter/nf_pieces.h"
#include "sim/netfilter/nf_ruleset_int.h"

/* What an object names: chains (k = 0) or sets (k = 1), one after the other. */
typedef struct {
    const uint32_t *ids, *end;
    const NfMaker *maker; /* Says so itself. */
    uint32_t chain_id, n_asked;
    bool sets;
    NfPiece *const *pieces, *const *end_pieces; /* To come. */
    uint32_t said[NF_MAKER_NAMES];
} NfNamed;

static inline void
nf_named_begin(NfNode node, const void *obj, int k, NfNamed *ret_named)
{
    const NfChain *chain = obj;
    uint32_t n = 0;

    ret_named->maker = NULL;
    ret_named->ids = NULL;
    ret_named->pieces = ret_named->end_pieces = NULL;
    if (!node.is_set && nf_is_maker(obj)) {
        ret_named->maker = nf_maker_of(obj);
        ret_named->chain_id = node.id;
        ret_named->sets = k;
        ret_named->n_asked = 0;
    } else if (obj && node.is_set && !k) {
        ret_named->ids = nf_set_targets(obj, &n);
    } else if (obj && !node.is_set && chain->pieces && !k) {
        ret_named->pieces = chain->pieces->pieces;
        ret_named->end_pieces = ret_named->pieces + chain->pieces->n;
    } else if (obj && !node.is_set) {
        ret_named->ids = k ? nf_chain_sets(chain) : nf_chain_targets(chain);
        n = k ? chain->n_sets : chain->n_targets;
    }
    ret_named->end = n ? ret_named->ids + n : ret_named->ids;
}

/* Of two that have just begun: leaves out pieces that both begin or end with. */
static inline void
nf_named_skip_same(NfNamed *a, NfNamed *b)
{
    while (a->pieces < a->end_pieces && b->pieces < b->end_pieces && *a->pieces == *b->pieces) {
        a->pieces++;
        b->pieces++;
    }
    while (a->pieces < a->end_pieces && b->pieces < b->end_pieces && a->end_pieces[-1] == b->end_pieces[-1]) {
        a->end_pieces--;
        b->end_pieces--;
    }
}

/* NF_NO_ID: that was all. */
static inline uint32_t
nf_named_next(NfNamed *named)
{
    uint32_t n;

    while (named->ids == named->end && named->pieces < named->end_pieces) {
        const NfPiece *piece = *named->pieces++;

        named->ids = nf_piece_targets(piece);
        named->end = named->ids + piece->n_targets;
    }
    if (named->ids < named->end)
        return *named->ids++;
    if (!named->maker)
        return NF_NO_ID;
    n = named->maker->ops->names(named->maker, named->chain_id, named->sets, named->n_asked, named->said);
    if (n < NF_MAKER_NAMES)
        named->maker = NULL;
    named->n_asked += n;
    named->ids = named->said;
    named->end = named->said + n;
    return n ? *named->ids++ : NF_NO_ID;
}

#endif
