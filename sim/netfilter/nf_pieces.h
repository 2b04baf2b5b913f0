#ifndef SIM_NETFILTER_NF_PIECES_H
#define SIM_NETFILTER_NF_PIECES_H

/* Chains in pieces: rules that are made when a packet or a reader comes to them, inside the room
 *
 * A chain with rules of thousands of Services changes with each of them, and a packet needs one or two of its rules. So
 * it may consist of pieces (nf_ruleset.h: NfPiece), which generations and overlays share.  What seal() and the index
 * must know of a piece it says without its rules: how many they are, what they name, and the hashes of their keys
 * (nf_chain.h).
 *
 * The index of keys tells which piece may have a rule for a packet; within the piece its own index (nf_chain.h) goes
 * on. It is one for all chains that are cut at the same places, so that overlays share their base's: it may name more
 * pieces than need be looked at, never fewer.  A piece with a rule without a key is looked at by every packet.
 *
 * Invariant: the walk in pieces comes to the same rules as that of the chain in one body. */

#include "sim/netfilter/nf_chain.h"

struct NfPieces {
    uint32_t n;
    uint32_t n_unkeyed;
    NfKeyIndex *index; /* Referenced. */
    uint32_t *first;   /* Number of the first rule of each; that behind the last. */
    uint32_t *unkeyed; /* Those not in the index, ascending. */
    NfPiece **pieces;  /* Referenced. */
};

/* Its rules; made if need be, and kept. */
const NfChain *nf_piece_rules(NfPiece *piece);
/* The piece that holds a rule: the last one that begins there or before. */
uint32_t nf_pieces_find(const NfPieces *pieces, uint32_t rule);
/* The first piece from 'from' on that may have a rule for the packet; their number: none. */
uint32_t nf_pieces_probe(const NfPieces *pieces, uint32_t from, const Packet *pkt);
void nf_pieces_free(NfPieces *pieces);
uint64_t nf_pieces_own_bytes(const NfPieces *pieces); /* Those that several chains share are nobody's own. */

static inline const uint32_t *
nf_piece_targets(const NfPiece *piece)
{
    return piece->words + piece->n_keys;
}

#endif
