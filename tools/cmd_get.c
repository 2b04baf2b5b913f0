/* svcsim get: the tables of `kubectl get`, or the objects themselves. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/report/doc_out.h"
#include "model/report/kube_selector.h"
#include "model/report/kube_table.h"
#include "tools/kube_words.h"
#include "tools/view.h"

static const char *const formats[] = {"text", "wide", "name", "yaml", "json", NULL};

typedef struct {
    ViewOptions view;
    char *ns, *selector;
    gboolean all, no_headers;
} Options;

typedef struct {
    const CommonOptions *common;
    const Options *options;
    const View *view;
    KubeSelector *selector;
    GString *out;
    DocArena arena;
    GPtrArray *trees; /* DocNode: what -o yaml and json show. */
    uint32_t n_tables;
} Get;

static bool
is_wanted(const Get *get, const KubeWord *word, const ApiObject *object)
{
    const char *ns = get->options->ns ? get->options->ns : "default";

    if (word->name && strcmp(object->name, word->name) != 0)
        return false;
    if (api_kind_info(object->kind)->namespaced && !get->options->all && strcmp(object->ns, ns) != 0)
        return false;
    return !get->selector || kube_selector_match(get->selector, &object->labels);
}

static void
print_table(Get *get, ApiKind kind, const GPtrArray *objects, bool with_kind)
{
    KubeTable table = {
        .input = get->view->input,
        .now = view_now(get->view),
        .wide = g_strcmp0(get->common->format, "wide") == 0,
        .with_kind = with_kind,
        .with_namespace = get->options->all,
        .no_headers = get->options->no_headers,
    };

    if (get->n_tables++)
        g_string_append_c(get->out, '\n');
    kube_table_print(get->out, &table, kind, (const ApiObject *const *)objects->pdata, objects->len);
}

static void
show_objects(Get *get, ApiKind kind, const GPtrArray *objects, bool with_kind)
{
    const char *format = get->common->format;

    if (!format || strcmp(format, "text") == 0 || strcmp(format, "wide") == 0) {
        print_table(get, kind, objects, with_kind);
        return;
    }
    for (guint i = 0; i < objects->len; i++) {
        const ApiObject *object = objects->pdata[i];
        if (strcmp(format, "name") == 0)
            g_string_append_printf(get->out, "%s/%s\n", kube_kind_prefix(kind), object->name);
        else
            g_ptr_array_add(get->trees, api_encode(&get->arena, object));
    }
}

static bool
show_kind(Get *get, const KubeWord *word, bool with_kind)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new();
    ApiKind stored = word->kind == KIND_ENDPOINTS ? KIND_SERVICE : word->kind;
    size_t n;
    const ApiObject *const *all = store_list(get->view->input->store, stored, &n);

    for (size_t i = 0; i < n; i++)
        if (is_wanted(get, word, all[i]))
            g_ptr_array_add(objects, (gpointer)all[i]);
    if (objects->len > 0)
        show_objects(get, word->kind, objects, with_kind);
    else if (word->name)
        return kube_words_not_found(&command_get, get->view->input->store, word, get->options->ns);
    return true;
}

/* One object as it is, several as a List. */
static void
print_trees(Get *get, bool one)
{
    bool json = get->common->json;
    DocNode *root;

    if (one && get->trees->len == 1) {
        root = get->trees->pdata[0];
    } else {
        DocArena *arena = &get->arena;
        DocNode *keys[] = {doc_scalar(arena, (Mark){0}, "apiVersion", 10, true),
                           doc_scalar(arena, (Mark){0}, "kind", 4, true),
                           doc_scalar(arena, (Mark){0}, "items", 5, true)};
        DocNode *none = NULL;
        DocNode *items[] = {doc_scalar(arena, (Mark){0}, "v1", 2, true), doc_scalar(arena, (Mark){0}, "List", 4, true),
                            doc_container(arena, (Mark){0}, NULL,
                                          get->trees->len ? (DocNode **)get->trees->pdata : &none, get->trees->len)};
        root = doc_container(arena, (Mark){0}, keys, items, G_N_ELEMENTS(items));
    }
    if (json)
        doc_out_json(get->out, root);
    else
        doc_out_yaml(get->out, root);
}

static int
show(Get *get, const GArray *words)
{
    bool trees = get->common->json || g_strcmp0(get->common->format, "yaml") == 0;
    bool several = false, ok = true;
    int status;

    for (guint i = 1; i < words->len; i++)
        several |= g_array_index(words, KubeWord, i).kind != g_array_index(words, KubeWord, 0).kind;
    for (guint i = 0; i < words->len; i++)
        ok &= show_kind(get, &g_array_index(words, KubeWord, i), several);
    if (trees)
        print_trees(get, words->len == 1 && g_array_index(words, KubeWord, 0).name);
    status = cli_output(get->out);
    if (ok && get->out->len == 0 && get->options->all)
        fputs("No resources found\n", stderr);
    else if (ok && get->out->len == 0)
        fprintf(stderr, "No resources found in %s namespace.\n", get->options->ns ? get->options->ns : "default");
    return ok ? status : EXIT_USAGE;
}

static int
get_words(const CommonOptions *common, const Options *o, char *const *words)
{
    View view;
    Get get = {.common = common, .options = o, .view = &view};
    g_autoptr(GArray) parsed = kube_words_parse(&command_get, words);
    g_autofree char *error = NULL;
    int status = EXIT_USAGE;

    if (!parsed)
        return EXIT_USAGE;
    if (o->selector && !(get.selector = kube_selector_new(o->selector, &error)))
        return cli_usage_error(&command_get, "%s", error);
    if (view_open_objects(&command_get, common, &o->view, &view)) {
        view_advance(&view);
        get.out = g_string_new(NULL);
        get.trees = g_ptr_array_new();
        status = show(&get, parsed);
        g_ptr_array_unref(get.trees);
        doc_arena_clear(&get.arena);
        g_string_free(get.out, TRUE);
        view_close(&view);
    }
    kube_selector_free(get.selector);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"namespace", 'n', 0, G_OPTION_ARG_STRING, &o.ns, "of this namespace (default: default)", "NS"},
        {"all-namespaces", 'A', 0, G_OPTION_ARG_NONE, &o.all, "of all namespaces", NULL},
        {"selector", 'l', 0, G_OPTION_ARG_STRING, &o.selector, "with these labels", "SELECTOR"},
        {"no-headers", 0, 0, G_OPTION_ARG_NONE, &o.no_headers, "without the first line", NULL},
        VIEW_OPTION_ENTRIES(o.view),
        {0},
    };
    g_auto(GStrv) words = NULL;
    int status;

    if (!cli_parse(&command_get, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    words = view_take_words(&common);
    status = get_words(&common, &o, words);
    cli_common_clear(&common);
    view_options_clear(&o.view);
    g_free(o.ns);
    g_free(o.selector);
    return status;
}

const Command command_get = {
    .name = "get",
    .group = "Views",
    .summary = "objects as kubectl get shows them",
    .usage = "FILE... KIND[,KIND...] [NAME...] [options]",
    .example = "svcsim get shop.yaml pods,services -o wide --at 12s",
    .run = run,
    .formats = formats,
};
