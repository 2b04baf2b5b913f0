#ifndef MODEL_PROXY_PORT_BLOCKS_H
#define MODEL_PROXY_PORT_BLOCKS_H

/* Chains with rules of all service ports, made of blocks
 *
 * The ports of a base, in their order, are cut into blocks; of each block every such chain has a piece (nf_ruleset.h:
 * NfPiece), whose rules are made when a packet or a reader comes to them.  Where to cut follows from the names of the
 * ports alone, so that a port that comes or goes changes one block: states of a base, and overlays on it, share the
 * others.  Few ports are one block, and their chains are made whole.
 *
 * A block holds the parts of its ports, as the rules follow from them. */

#include "model/proxy/port_parts.h"

typedef struct PortBlock PortBlock;

typedef struct {
    VEC(PortBlock *) list; /* Referenced. */
    NfKeyIndex *index;     /* NULL: there are less than two. */
} PortBlocks;

/* Whether a block ends behind a port of that key (names of its Service). */
bool port_ends_block(uint64_t key);
/* For the ports as they are now; blocks of ports that are as they were stay. */
void port_blocks_update(PortBlocks *blocks, const ProxyView *view, const SharedPort *ports, size_t n);
/* The same blocks with other parts of some ports: 'own', by place, ascending. */
typedef struct {
    uint32_t place;
    const PortParts *parts;
} OwnParts;
void port_blocks_derive(const PortBlocks *base, const ProxyView *view, const OwnParts *own, size_t n_own,
                        PortBlocks *ret_blocks);
void port_blocks_clear(PortBlocks *blocks);
/* The which-th of the mode's shared chains. */
NfChain *port_blocks_chain(const PortBlocks *blocks, const ProxyView *view, uint32_t which);

#endif
