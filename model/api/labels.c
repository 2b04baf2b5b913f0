/* Labels: lists sorted by key */

#include <stdlib.h>
#include <string.h>

#include "model/api/object.h"

static bool find(const Labels *labels, const char *key, uint32_t *ret_at);

const char *
labels_get(const Labels *labels, const char *key)
{
    uint32_t at;
    return find(labels, key, &at) ? labels->items[at].value : NULL;
}

bool
labels_match(const Labels *selector, const Labels *labels)
{
    for (uint32_t i = 0; i < selector->n; i++) {
        const char *value = labels_get(labels, selector->items[i].key);
        if (!value || strcmp(value, selector->items[i].value) != 0)
            return false;
    }
    return selector->n > 0;
}

void
labels_set(Labels *labels, const char *key, const char *value)
{
    uint32_t at;
    if (!find(labels, key, &at)) {
        labels->items = g_renew(Label, labels->items, labels->n + 1);
        memmove(labels->items + at + 1, labels->items + at, (labels->n - at) * sizeof *labels->items);
        labels->n++;
    }
    labels->items[at] = (Label){key, value};
}

void
labels_remove(Labels *labels, const char *key)
{
    uint32_t at;
    if (!find(labels, key, &at))
        return;
    memmove(labels->items + at, labels->items + at + 1, (labels->n - at - 1) * sizeof *labels->items);
    labels->n--;
}

Labels
labels_copy(const Labels *labels)
{
    return (Labels){labels->n ? g_memdup2(labels->items, labels->n * sizeof *labels->items) : NULL, labels->n};
}

/* Where the key is or belongs. */
static bool
find(const Labels *labels, const char *key, uint32_t *ret_at)
{
    uint32_t low = 0, high = labels->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = strcmp(labels->items[middle].key, key);
        if (order == 0) {
            *ret_at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return false;
}
