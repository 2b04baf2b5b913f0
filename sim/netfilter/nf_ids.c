#include "sim/netfilter/nf_ids.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "sim/engine/vec.h"
#include "sim/netfilter/nf_set.h"

typedef VEC(uint32_t) Ids;

static void note_changed(const NfIds *before, const NfIds *after, uint32_t id, Ids *list);
static void page_unref(NfIds *ids, NfPage *page);
static void over_put(NfIds *ids, uint32_t id, void *obj);
static void over_grow(NfIds *ids);
static NfOver *over_slot(const NfIds *ids, uint32_t id);

void
nf_ids_init(NfIds *ids, const NfObjOps *ops)
{
    *ids = (NfIds){.ops = ops};
}

void
nf_ids_copy(NfIds *ids, const NfIds *from)
{
    *ids = *from;
    if (from->is_overlay) {
        if (from->over)
            ids->over = g_memdup2(from->over, (from->over_mask + 1) * sizeof(NfOver));
        for (uint32_t i = 0; ids->over && i <= ids->over_mask; i++)
            if (ids->over[i].id != UINT32_MAX && ids->over[i].obj)
                ids->ops->ref(ids->over[i].obj);
        return;
    }
    ids->pages = g_memdup2(from->pages, from->n_pages * sizeof(NfPage *));
    for (uint32_t i = 0; i < ids->n_pages; i++)
        if (ids->pages[i])
            ids->pages[i]->refs++;
}

void
nf_ids_derive(NfIds *ids, const NfIds *base)
{
    *ids = (NfIds){.ops = base->ops, .pages = base->pages, .n_pages = base->n_pages, .is_overlay = true};
}

void
nf_ids_clear(NfIds *ids)
{
    for (uint32_t i = 0; ids->over && i <= ids->over_mask; i++)
        if (ids->over[i].id != UINT32_MAX && ids->over[i].obj)
            ids->ops->unref(ids->over[i].obj);
    g_free(ids->over);
    if (!ids->is_overlay) {
        for (uint32_t i = 0; i < ids->n_pages; i++)
            page_unref(ids, ids->pages[i]);
        g_free(ids->pages);
    }
    *ids = (NfIds){.ops = ids->ops};
}

void
nf_ids_put(NfIds *ids, uint32_t id, void *obj)
{
    NfPage *page;

    if (ids->is_overlay) {
        over_put(ids, id, obj);
        return;
    }
    page = nf_ids_page(ids, id);
    if (page->obj[id % NF_PAGE_LEN])
        ids->ops->unref(page->obj[id % NF_PAGE_LEN]);
    page->obj[id % NF_PAGE_LEN] = obj;
}

void **
nf_ids_place(const NfIds *ids, uint32_t id)
{
    NfOver *over = (NfOver *)nf_ids_over(ids, id);

    return over ? &over->obj : &ids->pages[id / NF_PAGE_LEN]->obj[id % NF_PAGE_LEN];
}

NfPage *
nf_ids_page(NfIds *ids, uint32_t id)
{
    uint32_t index = id / NF_PAGE_LEN;
    NfPage *page, *copy;

    g_assert(!ids->is_overlay);
    if (index >= ids->n_pages) {
        ids->pages = g_renew(NfPage *, ids->pages, index + 1);
        memset(ids->pages + ids->n_pages, 0, (index + 1 - ids->n_pages) * sizeof(NfPage *));
        ids->n_pages = index + 1;
    }
    page = ids->pages[index];
    if (!page) {
        page = ids->pages[index] = g_new0(NfPage, 1);
        page->refs = 1;
    } else if (page->refs > 1) {
        copy = g_memdup2(page, sizeof *page);
        copy->refs = 1;
        for (uint32_t i = 0; i < NF_PAGE_LEN; i++)
            if (copy->obj[i])
                ids->ops->ref(copy->obj[i]);
        page->refs--;
        page = ids->pages[index] = copy;
    }
    return page;
}

uint32_t *
nf_ids_list(const NfIds *ids, size_t *ret_n)
{
    uint32_t end = nf_ids_end(ids);
    uint32_t *list;
    size_t n = 0;

    for (uint32_t i = 0; ids->over && i <= ids->over_mask; i++)
        if (ids->over[i].id != UINT32_MAX)
            end = MAX(end, ids->over[i].id + 1);
    list = g_new(uint32_t, MAX(end, 1));
    for (uint32_t id = 0; id < end; id++)
        if (nf_ids_get(ids, id))
            list[n++] = id;
    *ret_n = n;
    return g_renew(uint32_t, list, MAX(n, 1));
}

static void
note_changed(const NfIds *before, const NfIds *after, uint32_t id, Ids *list)
{
    void *obj = nf_ids_get(after, id);

    if (obj && !after->ops->same(obj, nf_ids_get(before, id)))
        vec_push(list, id);
}

uint32_t *
nf_ids_changed(const NfIds *before, const NfIds *after, size_t *ret_n)
{
    const NfIds *both[2] = {before, after};
    Ids list = {0};

    for (uint32_t p = 0; p < after->n_pages; p++) {
        if (p < before->n_pages && before->pages[p] == after->pages[p])
            continue;
        for (uint32_t i = 0; i < NF_PAGE_LEN; i++)
            note_changed(before, after, p * NF_PAGE_LEN + i, &list);
    }
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; both[k]->over && i <= both[k]->over_mask; i++)
            if (both[k]->over[i].id != UINT32_MAX)
                note_changed(before, after, both[k]->over[i].id, &list);
    *ret_n = nf_ids_sort(list.data, (uint32_t)list.len);
    return list.data;
}

static void
page_unref(NfIds *ids, NfPage *page)
{
    if (!page || --page->refs)
        return;
    for (uint32_t i = 0; i < NF_PAGE_LEN; i++)
        if (page->obj[i])
            ids->ops->unref(page->obj[i]);
    g_free(page);
}

static void
over_put(NfIds *ids, uint32_t id, void *obj)
{
    NfOver *slot;

    if (!ids->over || (ids->n_over + 1) * 4 > (ids->over_mask + 1) * 3)
        over_grow(ids);
    slot = over_slot(ids, id);
    if (slot->id == id && slot->obj)
        ids->ops->unref(slot->obj);
    ids->n_over += slot->id != id;
    *slot = (NfOver){id, obj};
}

static void
over_grow(NfIds *ids)
{
    NfOver *old = ids->over;
    uint32_t old_cap = old ? ids->over_mask + 1 : 0, cap = MAX(old_cap * 2, 8);

    ids->over = g_new(NfOver, cap);
    ids->over_mask = cap - 1;
    for (uint32_t i = 0; i < cap; i++)
        ids->over[i] = (NfOver){UINT32_MAX, NULL};
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i].id != UINT32_MAX)
            *over_slot(ids, old[i].id) = old[i];
    g_free(old);
}

static NfOver *
over_slot(const NfIds *ids, uint32_t id)
{
    uint32_t i = id * UINT32_C(0x9e3779b1) & ids->over_mask;

    while (ids->over[i].id != UINT32_MAX && ids->over[i].id != id)
        i = (i + 1) & ids->over_mask;
    return &ids->over[i];
}
