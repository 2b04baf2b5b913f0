#include "model/input/override.h"

#include <string.h>

typedef struct {
    char *kind, *ns, *name, *field, *value;
} Assignment;

static void
assignment_clear(Assignment *a)
{
    g_free(a->kind);
    g_free(a->ns);
    g_free(a->name);
    g_free(a->field);
    g_free(a->value);
}

static bool
split(const char *text, Assignment *a)
{
    const char *equals = strchr(text, '=');
    g_autofree char *left = equals ? g_strndup(text, (gsize)(equals - text)) : NULL;
    char *slash = left ? strchr(left, '/') : NULL;
    char *second = slash ? strchr(slash + 1, '/') : NULL;
    char *dot = slash ? strchr(slash, '.') : NULL;

    if (!slash || !dot || dot[1] == '\0')
        return false;
    if (second && second > dot)
        second = NULL;
    *slash = *dot = '\0';
    if (second)
        *second = '\0';
    a->kind = g_strdup(left);
    a->ns = g_strdup(second ? slash + 1 : "default");
    a->name = g_strdup(second ? second + 1 : slash + 1);
    a->field = g_str_has_prefix(dot + 1, "spec.") || g_str_has_prefix(dot + 1, "metadata.") ||
                       g_str_has_prefix(dot + 1, "status.")
                   ? g_strdup(dot + 1)
                   : g_strdup_printf("spec.%s", dot + 1);
    a->value = g_strdup(equals + 1);
    return true;
}

/* A bare name that stands in one namespace only is meant. */
static const ApiObject *
find_object(Store *store, ApiKind kind, const Assignment *a)
{
    const ApiObject *object = store_get(store, kind, api_kind_info(kind)->namespaced ? a->ns : "", a->name);
    size_t n;
    const ApiObject *const *objects = store_list(store, kind, &n);

    for (size_t i = 0; !object && i < n; i++)
        if (strcmp(objects[i]->name, a->name) == 0)
            return objects[i];
    return object;
}

static char *
no_such_object(Store *store, ApiKind kind, const Assignment *a)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t n;
    const ApiObject *const *objects = store_list(store, kind, &n);
    const char *near;

    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(names, (gpointer)objects[i]->name);
    g_ptr_array_add(names, NULL);
    near = closest_word(a->name, (const char *const *)names->pdata);
    return g_strdup_printf("no %s \"%s\"%s%s%s", api_kind_info(kind)->name, a->name, near ? "; did you mean \"" : "",
                           near ? near : "", near ? "\"?" : "");
}

static bool
apply(Input *input, const Assignment *a, const char *text, char **ret_error)
{
    ApiKind kind;
    const ApiObject *object;
    ApiObject *patched = NULL;
    DocArena arena = {0};
    uint32_t errors = diags_errors(input->diags);
    uint32_t file;
    DocNode *tree;

    if (!api_kind_parse(a->kind, &kind)) {
        *ret_error = g_strdup_printf("\"%s\" is no kind of object (in \"%s\")", a->kind, text);
        return false;
    }
    object = find_object(input->store, kind, a);
    if (!object) {
        *ret_error = no_such_object(input->store, kind, a);
        return false;
    }
    file = diags_add_file(input->diags, "--set", NULL, 0);
    tree = doc_from_path(input->diags, &arena, (Mark){.file = file}, a->field, a->value);
    if (tree)
        patched = api_patch(input->diags, store_strings(input->store), object, tree);
    doc_arena_clear(&arena);
    if (!patched || diags_errors(input->diags) > errors) {
        *ret_error = g_strdup_printf("cannot set \"%s\"", text);
        if (patched)
            api_unref(patched);
        return false;
    }
    store_put(input->store, patched);
    return true;
}

bool
input_override(Input *input, const char *assignment, char **ret_error)
{
    Assignment a = {0};
    bool ok = split(assignment, &a);

    if (!ok)
        *ret_error = g_strdup_printf("\"%s\" is not KIND/[NS/]NAME.FIELD=VALUE", assignment);
    else
        ok = apply(input, &a, assignment, ret_error);
    assignment_clear(&a);
    return ok;
}
