/* Patches: the object as a tree, merged with the patch, and read again
 *
 * A small strategic merge (kubectl patch --type strategic): mappings merge, null removes a field, lists of plain values
 * are replaced.  Lists of objects merge by the first of `name`, `containerPort`, `port`, `type`, `ip`, `key` or
 * `addresses` that every entry of the patch has; entries without any such key merge by position (null leaves that place
 * alone), which is what doc_from_path() makes of "spec.ports[1].nodePort".  `$patch: replace` in a mapping replaces
 * the whole list or mapping. */

#include <string.h>

#include "model/api/api_read.h"
#include "model/api/workload.h"

static DocNode *merge(DocArena *arena, DocNode *base, const DocNode *patch);
static DocNode *merge_mapping(DocArena *arena, DocNode *base, const DocNode *patch);
static DocNode *merge_list(DocArena *arena, DocNode *base, const DocNode *patch);
static const char *merge_key(const DocNode *patch);
static DocNode *find(const DocNode *map, const char *key);
static bool same_entry(const DocNode *a, const DocNode *b, const char *key);
static bool says_replace(const DocNode *patch);
static bool same_tree(const DocNode *a, const DocNode *b);
static void check_template(ApiObject *patched, const ApiObject *old, const DocNode *before, const DocNode *after,
                           const DocNode *patch);

ApiObject *
api_patch(Diags *diags, Strings *strings, const ApiObject *object, const DocNode *patch)
{
    DocArena arena = {0};
    uint32_t before = diags_errors(diags);
    DocNode *base = api_encode(&arena, object);
    DocNode *merged = merge(&arena, doc_copy(&arena, base), patch);
    const DocNode *meta = find(merged, "metadata");
    const DocNode *name = find(meta, "name"), *ns = find(meta, "namespace");
    ApiObject *patched = NULL;
    if (!name || name->kind != NODE_SCALAR || strcmp(name->text, object->name) != 0 ||
        (*object->ns && (!ns || ns->kind != NODE_SCALAR || strcmp(ns->text, object->ns) != 0)))
        diag(diags, DIAG_ERROR, patch->mark, "a patch cannot change the name of %s %s",
             api_kind_info(object->kind)->name, object->name);
    else
        patched = api_decode(diags, strings, object->kind, merged);
    if (patched && diags_errors(diags) != before) {
        api_unref(patched);
        patched = NULL;
    }
    if (patched) {
        patched->version = object->version;
        patched->mark = object->mark;
        patched->from_input = object->from_input;
        patched->created_ns = object->created_ns;
        patched->deletion_ns = object->deletion_ns;
        check_template(patched, object, base, merged, patch);
    }
    doc_arena_clear(&arena);
    return patched;
}

static DocNode *
merge(DocArena *arena, DocNode *base, const DocNode *patch)
{
    if (patch->kind == NODE_MAPPING && base && base->kind == NODE_MAPPING && !says_replace(patch))
        return merge_mapping(arena, base, patch);
    if (patch->kind == NODE_SEQUENCE && base && base->kind == NODE_SEQUENCE)
        return merge_list(arena, base, patch);
    return doc_copy(arena, patch);
}

static DocNode *
merge_mapping(DocArena *arena, DocNode *base, const DocNode *patch)
{
    DocOut out = {.arena = arena};
    for (uint32_t i = 0; i < base->n; i++) {
        const DocNode *change = NULL;
        for (uint32_t k = 0; k < patch->n && !change; k++)
            if (strcmp(patch->keys[k]->text, base->keys[i]->text) == 0)
                change = patch->items[k];
        if (!change || change->kind != NODE_NULL) {
            vec_push(&out.keys, base->keys[i]);
            vec_push(&out.items, change ? merge(arena, base->items[i], change) : base->items[i]);
        }
    }
    for (uint32_t k = 0; k < patch->n; k++) {
        bool known = false;
        for (uint32_t i = 0; i < base->n && !known; i++)
            known = strcmp(patch->keys[k]->text, base->keys[i]->text) == 0;
        if (known || patch->items[k]->kind == NODE_NULL || strcmp(patch->keys[k]->text, "$patch") == 0)
            continue;
        vec_push(&out.keys, doc_copy(arena, patch->keys[k]));
        vec_push(&out.items, doc_copy(arena, patch->items[k]));
    }
    Mark mark = patch->mark;
    DocNode *node = out_map(&out);
    node->mark = mark;
    return node;
}

static DocNode *
merge_list(DocArena *arena, DocNode *base, const DocNode *patch)
{
    bool objects = patch->n > 0;
    for (uint32_t i = 0; i < patch->n; i++)
        objects &= patch->items[i]->kind == NODE_MAPPING || patch->items[i]->kind == NODE_NULL;
    for (uint32_t i = 0; i < patch->n; i++)
        if (!objects || says_replace(patch->items[i]))
            return doc_copy(arena, patch);
    if (!objects)
        return doc_copy(arena, patch);
    const char *key = merge_key(patch);
    DocOut out = {.arena = arena};
    for (uint32_t i = 0; i < base->n; i++)
        put_item(&out, base->items[i]);
    for (uint32_t i = 0; i < patch->n; i++) {
        const DocNode *change = patch->items[i];
        if (change->kind == NODE_NULL)
            continue;
        uint32_t at = key ? 0 : i;
        while (key && at < base->n && !same_entry(base->items[at], change, key))
            at++;
        if (at < base->n)
            out.items.data[at] = merge(arena, base->items[at], change);
        else
            put_item(&out, doc_copy(arena, change));
    }
    return out_seq(&out);
}

/* NULL: by position. */
static const char *
merge_key(const DocNode *patch)
{
    static const char *const keys[] = {"name", "containerPort", "port", "type", "ip", "key", "addresses", NULL};
    for (const char *const *key = keys; *key; key++) {
        bool all = true;
        for (uint32_t i = 0; i < patch->n && all; i++)
            all = find(patch->items[i], *key) != NULL;
        if (all)
            return *key;
    }
    return NULL;
}

static DocNode *
find(const DocNode *map, const char *key)
{
    for (uint32_t i = 0; map && map->kind == NODE_MAPPING && i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

static bool
same_entry(const DocNode *a, const DocNode *b, const char *key)
{
    const DocNode *x = find(a, key), *y = find(b, key);
    return x && y && same_tree(x, y);
}

static bool
says_replace(const DocNode *patch)
{
    const DocNode *directive = find(patch, "$patch");
    return directive && directive->kind == NODE_SCALAR && strcmp(directive->text, "replace") == 0;
}

static bool
same_tree(const DocNode *a, const DocNode *b)
{
    if (a->kind != b->kind || a->n != b->n)
        return false;
    if (a->kind == NODE_SCALAR)
        return strcmp(a->text, b->text) == 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->kind == NODE_SEQUENCE && !same_tree(a->items[i], b->items[i]))
            return false;
        const DocNode *other = a->kind == NODE_MAPPING ? find(b, a->keys[i]->text) : NULL;
        if (a->kind == NODE_MAPPING && (!other || !same_tree(a->items[i], other)))
            return false;
    }
    return true;
}

/* The hash was made of all of the template, of which the tree has what is modelled: it changes with the tree. */
static void
check_template(ApiObject *patched, const ApiObject *old, const DocNode *before, const DocNode *after,
               const DocNode *patch)
{
    if (old->kind < KIND_DEPLOYMENT || old->kind > KIND_DAEMONSET)
        return;
    const Workload *was = (const Workload *)old;
    Workload *is = (Workload *)patched;
    const DocNode *template_before = find(find(before, "spec"), "template");
    const DocNode *template_after = find(find(after, "spec"), "template");
    const DocNode *given = find(find(patch, "spec"), "template");
    is->template_hash = was->template_hash;
    if (given && template_after && !same_tree(template_before, template_after))
        is->template_hash = was->template_hash * UINT64_C(0x9e3779b97f4a7c15) + workload_template_hash(template_after);
}
