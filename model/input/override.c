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

/* Fields of a workload's pods that people ask about, by short names. */
static const struct {
    const char *alias, *field;
} aliases[] = {
    {"preStop", "spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds"},
    {"terminationGracePeriod", "spec.template.spec.terminationGracePeriodSeconds"},
    {"terminationGracePeriodSeconds", "spec.template.spec.terminationGracePeriodSeconds"},
};

/* Whole seconds, as those fields want them. */
static char *
seconds_text(const char *value)
{
    SimTime t;

    return simtime_parse(value, &t) ? g_strdup_printf("%" G_GINT64_FORMAT, (t + SIMTIME_SEC - 1) / SIMTIME_SEC)
                                    : g_strdup(value);
}

static bool
is_top_field(const char *field)
{
    return g_str_has_prefix(field, "spec.") || g_str_has_prefix(field, "metadata.") ||
           g_str_has_prefix(field, "status.");
}

static void
set_field(Assignment *a, const char *field, const char *value)
{
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
        if (strcmp(aliases[i].alias, field) == 0) {
            a->field = g_strdup(aliases[i].field);
            a->value = seconds_text(value);
            return;
        }
    a->field = is_top_field(field) ? g_strdup(field) : g_strdup_printf("spec.%s", field);
    a->value = g_strdup(value);
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
    set_field(a, dot + 1, equals + 1);
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

/* For the error told last. */
static void
hint_alias(Diags *diags, const char *field)
{
    const char *names[G_N_ELEMENTS(aliases) + 1] = {NULL};

    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
        names[i] = aliases[i].alias;
    diag_did_you_mean(diags, g_str_has_prefix(field, "spec.") ? field + 5 : field, names);
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
        hint_alias(input->diags, a->field);
        *ret_error = g_strdup_printf("cannot set \"%s\"", text);
        if (patched)
            api_unref(patched);
        return false;
    }
    store_put(input->store, patched);
    return true;
}

/* --- Own kinds -----------------------------------------------------------------------------------------------------
 */

static uint32_t
override_file(Input *input)
{
    return diags_add_file(input->diags, "--set", NULL, 0);
}

static bool
set_kube_proxy(Input *input, const char *field, const char *value, char **ret_error)
{
    static const char *const modes[] = {"iptables", "nftables", "ipvs", NULL};
    Strings *strings = store_strings(input->store);
    DocArena arena = {0};
    DocNode *tree;

    if (strcmp(field, "mode") == 0) {
        for (int mode = 0; modes[mode]; mode++)
            if (strcmp(modes[mode], value) == 0) {
                input_set_mode(input, (ProxyMode)mode);
                return true;
            }
        *ret_error = g_strdup_printf("kubeproxy.mode is iptables, nftables or ipvs, not \"%s\"", value);
        return false;
    }
    tree = doc_from_path(input->diags, &arena, (Mark){.file = override_file(input)}, field, value);
    if (tree) {
        uint32_t errors = diags_errors(input->diags);
        proxy_config_overlay(input->diags, strings, tree, &input->proxy);
        for (uint32_t i = 0; diags_errors(input->diags) == errors && i < input->cluster.n_nodes; i++)
            proxy_config_overlay(input->diags, strings, tree, &input->cluster.nodes[i].proxy);
    }
    doc_arena_clear(&arena);
    return tree != NULL;
}

/* 'over' on top of 'base': members that both have as mappings are merged, others replaced. */
static DocNode *
merge_mappings(DocArena *arena, const DocNode *base, const DocNode *over)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    g_autoptr(GPtrArray) items = g_ptr_array_new();

    for (uint32_t i = 0; base && i < base->n; i++) {
        const DocNode *replaced = node_get(over, base->keys[i]->text);
        bool both = replaced && replaced->kind == NODE_MAPPING && base->items[i]->kind == NODE_MAPPING;
        g_ptr_array_add(keys, doc_copy(arena, base->keys[i]));
        g_ptr_array_add(items, both       ? merge_mappings(arena, base->items[i], replaced)
                               : replaced ? doc_copy(arena, replaced)
                                          : doc_copy(arena, base->items[i]));
    }
    for (uint32_t i = 0; i < over->n; i++)
        if (!base || !node_get(base, over->keys[i]->text)) {
            g_ptr_array_add(keys, doc_copy(arena, over->keys[i]));
            g_ptr_array_add(items, doc_copy(arena, over->items[i]));
        }
    return doc_container(arena, over->mark, (DocNode *const *)keys->pdata, (DocNode *const *)items->pdata, keys->len);
}

static bool
set_load_balancer(Input *input, const char *field, const char *value, char **ret_error)
{
    Strings *strings = store_strings(input->store);
    DocArena arena = {0};
    DocNode *tree;

    (void)ret_error;
    if (strcmp(field, "profile") == 0) {
        input->cluster.lb_profile = strings_add(strings, value);
        return true;
    }
    tree = doc_from_path(input->diags, &arena, (Mark){.file = override_file(input)}, field, value);
    if (tree)
        input->cluster.lb_inline = node_keep(strings, merge_mappings(&arena, input->cluster.lb_inline, tree));
    doc_arena_clear(&arena);
    return tree != NULL;
}

static bool
set_cluster(Input *input, const char *field, const char *value, char **ret_error)
{
    DocArena arena = {0};
    DocNode *tree = doc_from_path(input->diags, &arena, (Mark){.file = override_file(input)}, field, value);
    bool ok = tree && cluster_spec_overlay(input->diags, store_strings(input->store), tree, &input->cluster);

    (void)ret_error;
    doc_arena_clear(&arena);
    if (ok)
        input_settle_proxy(input);
    return ok;
}

typedef struct {
    const char *prefix;
    bool (*set)(Input *input, const char *field, const char *value, char **ret_error);
} OwnKind;

static const OwnKind own_kinds[] = {
    {"kubeproxy.", set_kube_proxy},       {"kube-proxy.", set_kube_proxy},
    {"loadBalancer.", set_load_balancer}, {"cluster.loadBalancer.", set_load_balancer},
    {"cluster.spec.", set_cluster},       {"cluster.", set_cluster},
};

static const OwnKind *
own_kind_of(const char *assignment)
{
    for (size_t i = 0; i < G_N_ELEMENTS(own_kinds); i++)
        if (g_str_has_prefix(assignment, own_kinds[i].prefix) && strchr(assignment, '='))
            return &own_kinds[i];
    return NULL;
}

static bool
apply_own(Input *input, const OwnKind *kind, const char *assignment, char **ret_error)
{
    const char *equals = strchr(assignment, '=');
    size_t skip = strlen(kind->prefix);
    g_autofree char *field = g_strndup(assignment + skip, (gsize)(equals - assignment) - skip);
    uint32_t errors = diags_errors(input->diags);

    if (kind->set(input, field, equals + 1, ret_error) && diags_errors(input->diags) == errors)
        return true;
    if (!*ret_error)
        *ret_error = g_strdup_printf("cannot set \"%s\"", assignment);
    return false;
}

bool
input_override(Input *input, const char *assignment, char **ret_error)
{
    const OwnKind *own = own_kind_of(assignment);
    Assignment a = {0};
    bool ok;

    if (own)
        return apply_own(input, own, assignment, ret_error);
    ok = split(assignment, &a);
    if (!ok)
        *ret_error = g_strdup_printf("\"%s\" is not KIND/[NS/]NAME.FIELD=VALUE", assignment);
    else
        ok = apply(input, &a, assignment, ret_error);
    assignment_clear(&a);
    return ok;
}
