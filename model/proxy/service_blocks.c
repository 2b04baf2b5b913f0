#include "model/proxy/service_blocks.h"

#include <string.h>

#include "model/proxy/base.h"

#define BLOCK_MEAN 32 /* Services, on average. */
#define BLOCK_MAX  128

typedef struct {
    NfPiece piece; /* Its owner is the block. */
    ServiceBlock *block;
    uint32_t which;
} BlockPiece;

struct ServiceBlock {
    uint32_t refs;
    uint32_t n_alive;                            /* Pieces that somebody holds, and the block if somebody does. */
    bool localhost_node_ports, nfacct_localhost; /* What the rules depend on of a class of nodes. */
    uint32_t n;
    const ServiceParts **parts; /* Referenced. */
    BlockPiece pieces[];        /* Of each shared chain. */
};

static const ProxyModeOps *
ops_of(const ServiceBlock *block)
{
    return service_parts_view(block->parts[0]).ops;
}

static ProxyView
view_of(const ServiceBlock *block)
{
    ProxyView view = service_parts_view(block->parts[0]);

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
write_service(const ServiceParts *parts, const ProxyView *view, const SharedChain *chain, NfChainBuilder *b)
{
    for (RowCursor at = row_cursor(parts); row_cursor_next(&at);)
        chain->row(view, b, &at.row);
}

/* The block's rules of some of the shared chains, from 'chain' on, each into its builder.  Services that had to be
 * woken sleep again. */
static void
write_block(const ServiceBlock *block, const ProxyView *view, const SharedChain *chain, uint32_t n_chains,
            NfChainBuilder **builders)
{
    for (uint32_t i = 0; i < block->n; i++) {
        const ServiceEntry *entry = service_parts_names(block->parts[i])->entry;
        bool slept = service_entry_sleeps(entry);

        for (uint32_t c = 0; c < n_chains; c++)
            write_service(block->parts[i], view, &chain[c], builders[c]);
        if (slept)
            service_entry_sleep(entry);
    }
}

static NfChain *
make_piece(NfPiece *piece)
{
    const BlockPiece *of = (const BlockPiece *)piece;
    const SharedChain *chain = &ops_of(of->block)->shared_chains[of->which];
    ProxyView view = view_of(of->block);
    NfChainBuilder *b = begin_chain(&view, chain);

    write_block(of->block, &view, chain, 1, &b);
    return nf_chain_seal_piece(b);
}

/* One piece less, or the block itself. */
static void
let_go(ServiceBlock *block)
{
    if (--block->n_alive > 0)
        return;
    for (uint32_t i = 0; i < block->n; i++)
        service_parts_unref(block->parts[i]);
    g_free(block->parts);
    g_free(block);
}

static void
piece_gone(NfPiece *piece)
{
    let_go(((BlockPiece *)piece)->block);
}

static const NfPieceOps BLOCK_PIECE = {make_piece, piece_gone};

/* Notes what the pieces' rules are like; comments that were made for that go. */
static void
note_pieces(ServiceBlock *block, const ProxyView *view)
{
    const ProxyModeOps *ops = view->ops;
    g_autofree NfChainBuilder **builders = g_new(NfChainBuilder *, ops->n_shared_chains);
    NfTextMark mark;

    for (uint32_t c = 0; c < ops->n_shared_chains; c++)
        builders[c] = begin_chain(view, &ops->shared_chains[c]);
    mark = nf_texts_mark(view->names);
    write_block(block, view, ops->shared_chains, ops->n_shared_chains, builders);
    for (uint32_t c = 0; c < ops->n_shared_chains; c++) {
        NfChain *rules = nf_chain_seal_piece(builders[c]);

        nf_piece_init(&block->pieces[c].piece, &BLOCK_PIECE, rules);
        nf_chain_unref(rules);
    }
    nf_texts_forget(view->names, &mark);
}

/* Takes the array. */
static ServiceBlock *
block_new(const ProxyView *view, const ServiceParts **parts, uint32_t n)
{
    uint32_t n_chains = view->ops->n_shared_chains;
    ServiceBlock *block = g_malloc0(sizeof *block + n_chains * sizeof *block->pieces);

    block->refs = 1;
    block->n_alive = 1 + n_chains;
    block->localhost_node_ports = view->localhost_node_ports;
    block->nfacct_localhost = view->nfacct_localhost;
    block->n = n;
    block->parts = parts;
    for (uint32_t i = 0; i < n; i++)
        service_parts_ref(parts[i]);
    for (uint32_t c = 0; c < n_chains; c++) {
        block->pieces[c].block = block;
        block->pieces[c].which = c;
    }
    note_pieces(block, view);
    return block;
}

static ServiceBlock *
block_ref(ServiceBlock *block)
{
    block->refs++;
    return block;
}

static void
block_unref(ServiceBlock *block)
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
service_ends_block(uint64_t key)
{
    return (key >> 32) % BLOCK_MEAN == 0;
}

/* --- All of them -------------------------------------------------------------------------------------------------- */

/* Every chain in pieces needs it; the blocks of one base number their pieces alike. */
static void
make_index(ServiceBlocks *blocks)
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
block_is(const ServiceBlock *block, const SharedService *services, size_t n)
{
    if (block->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (block->parts[i] != services[i].parts)
            return false;
    return true;
}

static ServiceBlock *
block_of(GHashTable *known, const ProxyView *view, const SharedService *services, size_t n)
{
    ServiceBlock *block = g_hash_table_lookup(known, services[0].parts);
    const ServiceParts **parts;

    if (block && block_is(block, services, n))
        return block_ref(block);
    parts = g_new(const ServiceParts *, n);
    for (size_t i = 0; i < n; i++)
        parts[i] = services[i].parts;
    return block_new(view, parts, (uint32_t)n);
}

void
service_blocks_update(ServiceBlocks *blocks, const ProxyView *view, const SharedService *services, size_t n)
{
    g_autoptr(GHashTable) known = g_hash_table_new(NULL, NULL); /* By the first parts. */
    ServiceBlocks was = *blocks;
    size_t first = 0;

    for (size_t i = 0; i < was.list.len; i++)
        g_hash_table_insert(known, (gpointer)was.list.data[i]->parts[0], was.list.data[i]);
    *blocks = (ServiceBlocks){0};
    for (size_t i = 0; i < n; i++) {
        if (!services[i].ends_block && i + 1 < n && i + 1 - first < BLOCK_MAX)
            continue;
        vec_push(&blocks->list, block_of(known, view, &services[first], i + 1 - first));
        first = i + 1;
    }
    service_blocks_clear(&was);
    make_index(blocks);
}

/* With parts of their own for some Services of the block, the first of which stands in place 'first'. */
static ServiceBlock *
block_with(const ServiceBlock *block, const ProxyView *view, uint32_t first, const OwnParts *own, size_t n_own)
{
    const ServiceParts **parts = g_memdup2(block->parts, block->n * sizeof *parts);

    for (size_t i = 0; i < n_own; i++)
        parts[own[i].place - first] = own[i].parts;
    return block_new(view, parts, block->n);
}

void
service_blocks_derive(const ServiceBlocks *base, const ProxyView *view, const OwnParts *own, size_t n_own,
                      ServiceBlocks *ret_blocks)
{
    uint32_t first = 0;
    size_t at = 0;
    bool covered = true;

    *ret_blocks = (ServiceBlocks){0};
    vec_reserve(&ret_blocks->list, base->list.len);
    for (uint32_t i = 0; i < base->list.len; i++) {
        ServiceBlock *block = base->list.data[i];
        size_t end = at;

        while (end < n_own && own[end].place < first + block->n)
            end++;
        vec_push(&ret_blocks->list, end > at ? block_with(block, view, first, &own[at], end - at) : block_ref(block));
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
service_blocks_clear(ServiceBlocks *blocks)
{
    for (size_t i = 0; i < blocks->list.len; i++)
        block_unref(blocks->list.data[i]);
    vec_clear(&blocks->list);
    nf_key_index_unref(blocks->index);
    blocks->index = NULL;
}

static NfChain *
whole_chain(const ServiceBlocks *blocks, const ProxyView *view, const SharedChain *chain)
{
    NfChainBuilder *b = begin_chain(view, chain);

    if (blocks->list.len)
        write_block(blocks->list.data[0], view, chain, 1, &b);
    if (chain->last)
        chain->last(view, b);
    return nf_chain_seal(b);
}

NfChain *
service_blocks_chain(const ServiceBlocks *blocks, const ProxyView *view, uint32_t which)
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
