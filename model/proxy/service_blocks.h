#ifndef MODEL_PROXY_SERVICE_BLOCKS_H
#define MODEL_PROXY_SERVICE_BLOCKS_H

/* Chains with rules of all service ports, made of blocks
 *
 * The Services of a base, in their order, are cut into blocks; of each block every such chain has a piece
 * (nf_ruleset.h: NfPiece), whose rules are made when a packet or a reader comes to them.  Where to cut follows from the
 * names of the Services alone, so that one that comes or goes changes one block: states of a base, and overlays on it,
 * share the others.  Few Services are one block, and their chains are made whole.
 *
 * A block holds the parts of its Services, as the rules follow from them. */

#include "model/proxy/service_parts.h"

typedef struct ServiceBlock ServiceBlock;

typedef struct {
    VEC(ServiceBlock *) list; /* Referenced. */
    NfKeyIndex *index;        /* NULL: there are less than two. */
} ServiceBlocks;

/* Whether a block ends behind a Service of that key (of its names). */
bool service_ends_block(uint64_t key);
/* For the Services as they are now; blocks of those that are as they were stay. */
void service_blocks_update(ServiceBlocks *blocks, const ProxyView *view, const SharedService *services, size_t n);
/* The same blocks with other parts of some Services: 'own', by place, ascending. */
typedef struct {
    uint32_t place;
    const ServiceParts *parts;
} OwnParts;
void service_blocks_derive(const ServiceBlocks *base, const ProxyView *view, const OwnParts *own, size_t n_own,
                           ServiceBlocks *ret_blocks);
void service_blocks_clear(ServiceBlocks *blocks);
/* The which-th of the mode's shared chains. */
NfChain *service_blocks_chain(const ServiceBlocks *blocks, const ProxyView *view, uint32_t which);

#endif
