#include "model/proxy/port_blocks.h"

#include <string.h>

#include "model/proxy/base.h"

#define BLOCK_MEAN 64 /* Ports, on average. */
#define BLOCK_MAX  256

typedef struct {
    NfPiece piece; /* Its owner is the block. */
    PortBlock *block;
    uint32_t which;
} BlockPiece;

struct PortBlock {
    uint32_t refs;
    uint32_t n_alive; /* Pieces that somebody holds, and the block if somebody does. */
    bool localhost_node_ports, nfacct_localhost; /* What the rules depend on of a class of nodes. */
    uint32_t n;
    const PortParts **parts; /* Referenced. */
    BlockPiece pieces[];     /* Of each shared chain. */
};

static const ProxyModeOps *
ops_of(const PortBlock *block)
{
    return port_parts_view(block->parts[0]).ops;
}

static ProxyView
view_of(const PortBlock *block)
{
    ProxyView view = port_parts_view(block->parts[0]);

    view.localhost_node_ports = block->localhost_node_ports;
    view.nfacct_localhost = block->nfacct_localhost;
    return view;
}

static NfChainBuilder *
begin_chain(const ProxyView *view, const SharedChain *chain)
{
    return nf_chain_builder_new(
        view->names, &(NfChainSpec){.id = nf_chain_id(view->names, chain->table, chain->name), .comment = NF_NO_ID});
}

static void
write_block(const PortBlock *block, const ProxyView *view, const SharedChain *chain, NfChainBuilder *b)
{
    for (uint32_t i = 0; i < block->n; i++) {
        PortRow row = port_parts_row(block->parts[i]);
        chain->row(view, b, &row);
    }
}

static NfChain *
make_piece(NfPiece *piece)
{
    const BlockPiece *of = (const BlockPiece *)piece;
    const SharedChain *chain = &ops_of(of->block)->shared_chains[of->which];
    ProxyView view = view_of(of->block);
    NfChainBuilder *b = begin_chain(&view, chain);

    write_block(of->block, &view, chain, b);
    return nf_chain_seal_piece(b);
}

/* One piece less, or the block itself. */
static void
let_go(PortBlock *block)
{
    if (--block->n_alive > 0)
        return;
    for (uint32_t i = 0; i < block->n; i++)
        port_parts_unref(block->parts[i]);
    g_free(block->parts);
    g_free(block);
}

static void
piece_gone(NfPiece *piece)
{
    let_go(((BlockPiece *)piece)->block);
}

static const NfPieceOps BLOCK_PIECE = {make_piece, piece_gone};

/* Takes the array. */
static PortBlock *
block_new(const ProxyView *view, const PortParts **parts, uint32_t n)
{
    const ProxyModeOps *ops = view->ops;
    NfTextMark mark = nf_texts_mark(view->names); /* Their comments. */
    PortBlock *block = g_malloc0(sizeof *block + ops->n_shared_chains * sizeof *block->pieces);

    block->refs = block->n_alive = 1;
    block->localhost_node_ports = view->localhost_node_ports;
    block->nfacct_localhost = view->nfacct_localhost;
    block->n = n;
    block->parts = parts;
    for (uint32_t i = 0; i < n; i++)
        port_parts_ref(parts[i]);
    for (uint32_t c = 0; c < ops->n_shared_chains; c++) {
        BlockPiece *piece = &block->pieces[c];
        NfChain *rules;

        piece->block = block;
        piece->which = c;
        rules = make_piece(&piece->piece);
        nf_piece_init(&piece->piece, &BLOCK_PIECE, rules);
        nf_chain_unref(rules);
        block->n_alive++;
    }
    nf_texts_forget(view->names, &mark);
    return block;
}

static PortBlock *
block_ref(PortBlock *block)
{
    block->refs++;
    return block;
}

static void
block_unref(PortBlock *block)
{
    uint32_t n;

    if (--block->refs > 0)
        return;
    n = ops_of(block)->n_shared_chains;
    for (uint32_t c = 0; c < n; c++)
        nf_piece_unref(&block->pieces[c].piece);
    let_go(block);
}

bool
port_ends_block(uint64_t key)
{
    return (key >> 32) % BLOCK_MEAN == 0;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

/* Every chain in pieces needs it; the blocks of one base number their pieces alike. */
static void
make_index(PortBlocks *blocks)
{
    uint32_t n = (uint32_t)blocks->list.len, n_chains = n > 1 ? ops_of(blocks->list.data[0])->n_shared_chains : 0;
    g_autofree NfPiece **pieces = g_new(NfPiece *, (gsize)n * n_chains + 1);

    nf_key_index_unref(blocks->index);
    blocks->index = NULL;
    if (n < 2)
        return;
    for (uint32_t c = 0; c < n_chains; c++)
        for (uint32_t i = 0; i < n; i++)
            pieces[c * n + i] = &blocks->list.data[i]->pieces[c].piece;
    blocks->index = nf_key_index_new(pieces, n_chains, n);
}

static bool
block_is(const PortBlock *block, const SharedPort *ports, size_t n)
{
    if (block->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (block->parts[i] != ports[i].parts)
            return false;
    return true;
}

static PortBlock *
block_of(GHashTable *known, const ProxyView *view, const SharedPort *ports, size_t n)
{
    PortBlock *block = g_hash_table_lookup(known, ports[0].parts);
    const PortParts **parts;

    if (block && block_is(block, ports, n))
        return block_ref(block);
    parts = g_new(const PortParts *, n);
    for (size_t i = 0; i < n; i++)
        parts[i] = ports[i].parts;
    return block_new(view, parts, (uint32_t)n);
}

void
port_blocks_update(PortBlocks *blocks, const ProxyView *view, const SharedPort *ports, size_t n)
{
    g_autoptr(GHashTable) known = g_hash_table_new(NULL, NULL); /* By the first parts. */
    PortBlocks was = *blocks;
    size_t first = 0;

    for (size_t i = 0; i < was.list.len; i++)
        g_hash_table_insert(known, (gpointer)was.list.data[i]->parts[0], was.list.data[i]);
    *blocks = (PortBlocks){0};
    for (size_t i = 0; i < n; i++) {
        if (!ports[i].ends_block && i + 1 < n && i + 1 - first < BLOCK_MAX)
            continue;
        vec_push(&blocks->list, block_of(known, view, &ports[first], i + 1 - first));
        first = i + 1;
    }
    port_blocks_clear(&was);
    make_index(blocks);
}

/* Which of the block's ports, the first of which stands in place 'first', have parts of their own. */
static PortBlock *
block_with(const PortBlock *block, const ProxyView *view, uint32_t first, const OwnParts *own, size_t n_own)
{
    const PortParts **parts = g_memdup2(block->parts, block->n * sizeof *parts);

    for (size_t i = 0; i < n_own; i++)
        parts[own[i].place - first] = own[i].parts;
    return block_new(view, parts, block->n);
}

void
port_blocks_derive(const PortBlocks *base, const ProxyView *view, const OwnParts *own, size_t n_own,
                   PortBlocks *ret_blocks)
{
    uint32_t first = 0;
    size_t at = 0;
    bool covered = true;

    *ret_blocks = (PortBlocks){0};
    vec_reserve(&ret_blocks->list, base->list.len);
    for (uint32_t i = 0; i < base->list.len; i++) {
        PortBlock *block = base->list.data[i];
        size_t end = at;

        while (end < n_own && own[end].place < first + block->n)
            end++;
        vec_push(&ret_blocks->list,
                 end > at ? block_with(block, view, first, &own[at], end - at) : block_ref(block));
        for (uint32_t c = 0; base->index && end > at && c < ops_of(block)->n_shared_chains; c++)
            covered &= nf_key_index_covers(base->index, &(*vec_last(&ret_blocks->list))->pieces[c].piece, i);
        first += block->n;
        at = end;
    }
    if (covered && base->index)
        ret_blocks->index = nf_key_index_ref(base->index);
    else
        make_index(ret_blocks);
}

void
port_blocks_clear(PortBlocks *blocks)
{
    for (size_t i = 0; i < blocks->list.len; i++)
        block_unref(blocks->list.data[i]);
    vec_clear(&blocks->list);
    nf_key_index_unref(blocks->index);
    blocks->index = NULL;
}

static NfChain *
whole_chain(const PortBlocks *blocks, const ProxyView *view, const SharedChain *chain)
{
    NfChainBuilder *b = begin_chain(view, chain);

    if (blocks->list.len)
        write_block(blocks->list.data[0], view, chain, b);
    if (chain->last)
        chain->last(view, b);
    return nf_chain_seal(b);
}

NfChain *
port_blocks_chain(const PortBlocks *blocks, const ProxyView *view, uint32_t which)
{
    uint32_t n = (uint32_t)blocks->list.len;
    g_autofree NfPiece **pieces = g_new(NfPiece *, n + 1);
    NfPiece *last = NULL;
    const SharedChain *chain = &view->ops->shared_chains[which];
    NfChainSpec spec = {.comment = NF_NO_ID};
    NfChain *made;

    if (n < 2)
        return whole_chain(blocks, view, chain);
    for (uint32_t i = 0; i < n; i++)
        pieces[i] = &blocks->list.data[i]->pieces[which].piece;
    if (chain->last) {
        NfChainBuilder *b = begin_chain(view, chain);
        chain->last(view, b);
        pieces[n++] = last = nf_piece_new_made(nf_chain_seal_piece(b));
    }
    spec.id = nf_chain_id(view->names, chain->table, chain->name);
    made = nf_chain_of_pieces(view->names, &spec, pieces, n, blocks->index);
    nf_piece_unref(last);
    return made;
}
