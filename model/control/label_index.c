#include "model/control/label_index.h"

#include <string.h>

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

/* Texts are interned: pointers are the key. */
typedef struct {
    const char *ns, *key, *value;
} LabelKey;

typedef struct {
    uint32_t first, last, n; /* 'first', 'last': entries. */
} Bucket;

typedef struct {
    const Pod *pod;
    uint32_t next;
} Entry;

struct LabelIndex {
    HTable buckets; /* LabelKey -> Bucket. */
    VEC(Entry) entries;
};

LabelIndex *
label_index_new(void)
{
    LabelIndex *index = g_new0(LabelIndex, 1);

    htable_init(&index->buckets, sizeof(LabelKey), sizeof(Bucket));
    return index;
}

void
label_index_free(LabelIndex *index)
{
    if (!index)
        return;
    htable_clear(&index->buckets);
    vec_clear(&index->entries);
    g_free(index);
}

void
label_index_add(LabelIndex *index, const Pod *pod)
{
    for (uint32_t i = 0; i < pod->meta.labels.n; i++) {
        LabelKey key = {pod->meta.ns, pod->meta.labels.items[i].key, pod->meta.labels.items[i].value};
        bool is_new;
        Bucket *bucket = htable_insert(&index->buckets, &key, &is_new);
        uint32_t at = (uint32_t)index->entries.len;
        vec_push(&index->entries, (Entry){pod, UINT32_MAX});
        if (is_new)
            bucket->first = at;
        else
            index->entries.data[bucket->last].next = at;
        bucket->last = at;
        bucket->n++;
    }
}

void
label_index_find(const LabelIndex *index, const char *ns, const Labels *selector, GPtrArray *ret_pods)
{
    const Bucket *rarest = NULL;

    for (uint32_t i = 0; i < selector->n; i++) {
        LabelKey key = {ns, selector->items[i].key, selector->items[i].value};
        const Bucket *bucket = htable_find(&index->buckets, &key);
        if (!bucket)
            return;
        if (!rarest || bucket->n < rarest->n)
            rarest = bucket;
    }
    for (uint32_t at = rarest ? rarest->first : UINT32_MAX; at != UINT32_MAX; at = index->entries.data[at].next)
        if (selector->n == 1 || labels_match(selector, &index->entries.data[at].pod->meta.labels))
            g_ptr_array_add(ret_pods, (gpointer)index->entries.data[at].pod);
}
