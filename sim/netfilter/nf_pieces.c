#include "sim/netfilter/nf_pieces.h"

#include <string.h>

/* A slot holds 12 bits of the hash and the number of a piece. */
#define SLOT_FREE    UINT32_MAX
#define PIECE_BITS   20
#define PIECE_MASK   ((1u << PIECE_BITS) - 1)
#define MAX_PIECES   PIECE_MASK
#define TAG_OF(hash) ((hash) & ~PIECE_MASK)

struct NfKeyIndex {
    uint32_t refs;
    uint32_t n_pieces; /* Those behind are not in here. */
    uint32_t mask;
    bool by_addr, by_port; /* There are such keys. */
    uint32_t slots[];
};

/* --- Pieces ------------------------------------------------------------------------------------------------------- */

void
nf_piece_init(NfPiece *piece, const NfPieceOps *ops, const NfChain *rules)
{
    const NfBody *body = &rules->body;

    g_assert(!rules->n_state && !rules->n_sets && !body->n_choices && !body->n_ports && !body->n_limits &&
             !body->n_ranges);
    *piece = (NfPiece){.refs = 1, .n_rules = rules->n_rules, .ops = ops, .keyed = true, .uses_ct = rules->uses_ct};
    piece->words = g_new(uint32_t, rules->n_rules + rules->n_targets);
    for (uint32_t i = 0; i < rules->n_rules; i++) {
        bool by_addr;

        if (nf_rule_key_hash(body, &body->rules[i], &by_addr, &piece->words[piece->n_keys])) {
            piece->n_keys++;
            piece->by_addr |= by_addr;
            piece->by_port |= !by_addr;
        } else {
            piece->keyed = false;
        }
    }
    piece->n_targets = rules->n_targets;
    if (piece->n_targets)
        memcpy(piece->words + piece->n_keys, nf_chain_targets(rules), piece->n_targets * sizeof *piece->words);
    piece->words = g_renew(uint32_t, piece->words, piece->n_keys + piece->n_targets);
}

NfPiece *
nf_piece_ref(NfPiece *piece)
{
    piece->refs++;
    return piece;
}

void
nf_piece_unref(NfPiece *piece)
{
    if (!piece || --piece->refs)
        return;
    nf_chain_unref(piece->made);
    g_free(piece->words);
    piece->ops->free(piece);
}

static NfChain *
is_made(NfPiece *piece)
{
    return piece->made;
}

static void
free_made(NfPiece *piece)
{
    g_free(piece);
}

NfPiece *
nf_piece_new_made(NfChain *rules)
{
    static const NfPieceOps ops = {is_made, free_made};
    NfPiece *piece = g_new(NfPiece, 1);

    nf_piece_init(piece, &ops, rules);
    piece->made = rules;
    return piece;
}

const NfChain *
nf_piece_rules(NfPiece *piece)
{
    if (!piece->made) {
        piece->made = piece->ops->make(piece);
        g_assert(piece->made->n_rules == piece->n_rules && !piece->made->pieces);
    }
    return piece->made;
}

/* --- The index of keys -------------------------------------------------------------------------------------------- */

NfKeyIndex *
nf_key_index_new(NfPiece *const *pieces, uint32_t n_chains, uint32_t n_pieces)
{
    uint32_t n_keys = 0, cap = 16;
    NfKeyIndex *index;

    g_assert(n_pieces < MAX_PIECES);
    for (uint32_t i = 0; i < n_chains * n_pieces; i++)
        n_keys += pieces[i]->n_keys;
    while (cap < n_keys * 2)
        cap *= 2;
    index = g_malloc(sizeof *index + cap * sizeof *index->slots);
    *index = (NfKeyIndex){.refs = 1, .n_pieces = n_pieces, .mask = cap - 1};
    memset(index->slots, 0xff, cap * sizeof *index->slots);
    for (uint32_t i = 0; i < n_chains * n_pieces; i++) {
        const NfPiece *piece = pieces[i];

        index->by_addr |= piece->by_addr;
        index->by_port |= piece->by_port;
        for (uint32_t k = 0; k < piece->n_keys; k++) {
            uint32_t value = TAG_OF(piece->words[k]) | i % n_pieces, s = piece->words[k] & index->mask;

            while (index->slots[s] != SLOT_FREE && index->slots[s] != value)
                s = (s + 1) & index->mask;
            index->slots[s] = value;
        }
    }
    return index;
}

NfKeyIndex *
nf_key_index_ref(NfKeyIndex *index)
{
    index->refs++;
    return index;
}

void
nf_key_index_unref(NfKeyIndex *index)
{
    if (index && --index->refs == 0)
        g_free(index);
}

/* The first piece from 'from' on with such a key. */
static uint32_t
index_find(const NfKeyIndex *index, uint32_t hash, uint32_t from)
{
    uint32_t found = UINT32_MAX;

    for (uint32_t s = hash & index->mask; index->slots[s] != SLOT_FREE; s = (s + 1) & index->mask) {
        uint32_t piece = index->slots[s] & PIECE_MASK;

        if (TAG_OF(index->slots[s]) == TAG_OF(hash) && piece >= from && piece < found)
            found = piece;
    }
    return found;
}

bool
nf_key_index_covers(const NfKeyIndex *index, const NfPiece *piece, uint32_t number)
{
    bool covers = (index->by_addr || !piece->by_addr) && (index->by_port || !piece->by_port);

    for (uint32_t k = 0; k < piece->n_keys && covers; k++)
        covers = index_find(index, piece->words[k], number) == number;
    return covers;
}

/* --- Chains of them ----------------------------------------------------------------------------------------------- */

NfChain *
nf_chain_of_pieces(NfNames *names, const NfChainSpec *spec, NfPiece *const *pieces, uint32_t n, NfKeyIndex *index)
{
    NfChain *chain = g_malloc0(sizeof *chain + sizeof(NfPieces) + n * sizeof *pieces +
                               (2 * (size_t)n + 1) * sizeof *chain->pieces->first);
    NfPieces *of = (NfPieces *)(void *)(chain + 1);

    g_assert(!spec->is_base && n >= index->n_pieces);
    chain->refs = 1;
    chain->names = nf_names_ref(names);
    chain->spec = *spec;
    chain->pieces = of;
    of->n = n;
    of->index = nf_key_index_ref(index);
    of->pieces = (NfPiece **)(of + 1);
    of->first = (uint32_t *)(of->pieces + n);
    of->unkeyed = of->first + n + 1;
    for (uint32_t i = 0; i < n; i++) {
        of->pieces[i] = nf_piece_ref(pieces[i]);
        of->first[i] = chain->n_rules;
        chain->n_rules += pieces[i]->n_rules;
        chain->uses_ct |= pieces[i]->uses_ct;
        if (!pieces[i]->keyed || i >= index->n_pieces)
            of->unkeyed[of->n_unkeyed++] = i;
    }
    of->first[n] = chain->n_rules;
    return chain;
}

void
nf_pieces_free(NfPieces *pieces)
{
    for (uint32_t i = 0; i < pieces->n; i++)
        nf_piece_unref(pieces->pieces[i]);
    nf_key_index_unref(pieces->index);
}

uint64_t
nf_pieces_own_bytes(const NfPieces *pieces)
{
    const NfKeyIndex *index = pieces->index;
    uint64_t bytes = sizeof *pieces + pieces->n * sizeof *pieces->pieces + (2 * pieces->n + 1) * sizeof *pieces->first;

    if (index->refs == 1)
        bytes += sizeof *index + (index->mask + 1) * sizeof *index->slots;
    for (uint32_t i = 0; i < pieces->n; i++) {
        const NfPiece *piece = pieces->pieces[i];

        if (piece->refs == 1)
            bytes += sizeof *piece + (piece->n_keys + piece->n_targets) * sizeof *piece->words +
                     (piece->made ? nf_chain_own_bytes(piece->made) : 0);
    }
    return bytes;
}

uint32_t
nf_pieces_find(const NfPieces *pieces, uint32_t rule)
{
    uint32_t low = 0, high = pieces->n - 1;

    while (low < high) {
        uint32_t mid = (low + high + 1) / 2;
        if (pieces->first[mid] <= rule)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

uint32_t
nf_pieces_probe(const NfPieces *pieces, uint32_t from, const Packet *pkt)
{
    const NfKeyIndex *index = pieces->index;
    uint32_t found = pieces->n;

    for (uint32_t i = 0; i < pieces->n_unkeyed && found == pieces->n; i++)
        if (pieces->unkeyed[i] >= from)
            found = pieces->unkeyed[i];
    if (!packet_has_ports(pkt))
        return found;
    if (index->by_addr)
        found = MIN(found, index_find(index, nf_run_hash(true, &pkt->dst, pkt->proto, pkt->dport), from));
    if (index->by_port)
        found = MIN(found, index_find(index, nf_run_hash(false, &pkt->dst, pkt->proto, pkt->dport), from));
    return found;
}
