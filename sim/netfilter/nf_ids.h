#ifndef SIM_NETFILTER_NF_IDS_H
#define SIM_NETFILTER_NF_IDS_H

/* A map from dense ids to reference-counted objects: a persistent paged array, or a small overlay on one
 *
 * Pages hold 256 objects and are shared between generations; a write copies the page first.  Beside each object stands
 * what seal() keeps: how many objects of the same generation name it, and its height (the longest chain of calls below
 * it).  An overlay borrows the pages of its base (which its owner keeps alive) and holds (id, object) in a hash table
 * of its own; object NULL hides the base's.                                                                       */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NF_PAGE_LEN 256

typedef struct {
    uint32_t refs;
    void *obj[NF_PAGE_LEN];
    uint32_t n_named[NF_PAGE_LEN];
    uint8_t height[NF_PAGE_LEN];
} NfPage;

typedef struct {
    uint32_t id; /* UINT32_MAX: free. */
    void *obj;
} NfOver;

typedef struct {
    void *(*ref)(void *obj);
    void (*unref)(void *obj);
    bool (*same)(const void *a, const void *b); /* Either may be NULL. */
} NfObjOps;

typedef struct {
    const NfObjOps *ops;
    NfPage **pages;
    uint32_t n_pages;
    bool is_overlay;
    uint32_t n_over, over_mask; /* Table of over_mask + 1 slots; NULL if empty. */
    NfOver *over;
} NfIds;

void nf_ids_init(NfIds *ids, const NfObjOps *ops);
/* 'ids' becomes a copy that shares all pages (overlay: its entries as well). */
void nf_ids_copy(NfIds *ids, const NfIds *from);
/* 'ids' becomes an empty overlay on 'base', which must outlive it. */
void nf_ids_derive(NfIds *ids, const NfIds *base);
void nf_ids_clear(NfIds *ids);
/* Takes the reference to 'obj'; NULL removes. */
void nf_ids_put(NfIds *ids, uint32_t id, void *obj);
/* A page for writing (not of an overlay). */
NfPage *nf_ids_page(NfIds *ids, uint32_t id);
/* First id that no page reaches. */
static inline uint32_t
nf_ids_end(const NfIds *ids)
{
    return ids->n_pages * NF_PAGE_LEN;
}
/* Ids present, ascending; caller frees. */
uint32_t *nf_ids_list(const NfIds *ids, size_t *ret_n);
/* Ids of 'after' whose objects are not those of 'before', ascending; caller frees. */
uint32_t *nf_ids_changed(const NfIds *before, const NfIds *after, size_t *ret_n);

static inline const NfPage *
nf_ids_peek(const NfIds *ids, uint32_t id)
{
    uint32_t page = id / NF_PAGE_LEN;

    return page < ids->n_pages ? ids->pages[page] : NULL;
}

static inline const NfOver *
nf_ids_over(const NfIds *ids, uint32_t id)
{
    if (!ids->over)
        return NULL;
    for (uint32_t i = id * UINT32_C(0x9e3779b1) & ids->over_mask; ids->over[i].id != UINT32_MAX;
         i = (i + 1) & ids->over_mask)
        if (ids->over[i].id == id)
            return &ids->over[i];
    return NULL;
}

static inline void *
nf_ids_get(const NfIds *ids, uint32_t id)
{
    const NfOver *over = nf_ids_over(ids, id);
    const NfPage *page;

    if (over)
        return over->obj;
    page = nf_ids_peek(ids, id);
    return page ? page->obj[id % NF_PAGE_LEN] : NULL;
}

/* Where the object of an id that is present lies: for whoever puts an equal one in its place, for all who share it. */
void **nf_ids_place(const NfIds *ids, uint32_t id);

#endif
