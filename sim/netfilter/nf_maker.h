#ifndef SIM_NETFILTER_NF_MAKER_H
#define SIM_NETFILTER_NF_MAKER_H

/* Chains that are made when somebody first walks or reads them, inside the room
 *
 * In the place of such a chain a rule set holds its maker (see nf_ruleset.h): the pointer with its lowest bit set.  The
 * first who asks for the chain has it made, and the place holds the chain from then on.  A chain that was made knows
 * its maker, so that "the same chain" can be told whether or not it was made in either place; the maker knows the
 * chains that it has made as long as somebody holds them, so that all who share the maker share the chain. */

#include "sim/netfilter/nf_chain.h"

static inline bool
nf_is_maker(const void *obj)
{
    return (uintptr_t)obj & 1;
}

static inline NfMaker *
nf_maker_of(const void *obj)
{
    return (NfMaker *)((uintptr_t)obj & ~(uintptr_t)1);
}

static inline void *
nf_maker_obj(NfMaker *maker)
{
    return (void *)((uintptr_t)maker | 1);
}

/* A reference to the chain; made now, unless somebody holds it.  'keep': to be held in its place. */
NfChain *nf_maker_chain(NfMaker *maker, uint32_t chain_id, bool keep);
/* Borrowed; NULL if nobody holds it. */
NfChain *nf_maker_made(const NfMaker *maker, uint32_t chain_id);
/* A chain of its making goes. */
void nf_maker_forget(NfMaker *maker, const NfChain *chain);

/* Of places: chains or makers. */
void *nf_chain_obj_ref(void *obj);
void nf_chain_obj_unref(void *obj);
bool nf_chain_obj_same(const void *a, const void *b);

#endif
