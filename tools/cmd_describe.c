/* svcsim describe: `kubectl describe`, and what kube-proxy made of a Service. */

#include "tools/cli.h"

#include <string.h>

#include "model/report/describe.h"
#include "tools/kube_words.h"
#include "tools/view.h"

static const char *const formats[] = {"text", NULL};

static bool
describe_word(const View *view, const KubeWord *word, const char *ns, GString *out)
{
    Describe d = {.input = view->input, .cluster = view->cluster};
    bool namespaced = api_kind_info(word->kind)->namespaced, any = false;
    size_t n;
    const ApiObject *const *objects =
        store_list(view->input->store, word->kind == KIND_ENDPOINTS ? KIND_SERVICE : word->kind, &n);

    for (size_t i = 0; i < n; i++) {
        if ((word->name && strcmp(objects[i]->name, word->name) != 0) ||
            (namespaced && strcmp(objects[i]->ns, ns ? ns : "default") != 0))
            continue;
        if (out->len > 0)
            g_string_append(out, "\n\n");
        describe_object(out, &d, word->kind, objects[i]);
        any = true;
    }
    return any || !word->name || kube_words_not_found(&command_describe, view->input->store, word, ns);
}

static int
describe(View *view, const GArray *words, const char *ns)
{
    g_autoptr(GString) out = g_string_new(NULL);
    bool ok = true;
    int status;

    view_advance(view);
    for (guint i = 0; i < words->len; i++)
        ok &= describe_word(view, &g_array_index(words, KubeWord, i), ns, out);
    status = cli_output(out);
    return ok ? status : EXIT_USAGE;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    ViewOptions options = {0};
    char *ns = NULL;
    const GOptionEntry entries[] = {
        {"namespace", 'n', 0, G_OPTION_ARG_STRING, &ns, "of this namespace (default: default)", "NS"},
        VIEW_OPTION_ENTRIES(options),
        {0},
    };
    g_auto(GStrv) words = NULL;
    g_autoptr(GArray) parsed = NULL;
    View view;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_describe, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    words = view_take_words(&common);
    parsed = kube_words_parse(&command_describe, words);
    if (parsed && view_open(&command_describe, &common, &options, &view)) {
        status = describe(&view, parsed, ns);
        view_close(&view);
    }
    cli_common_clear(&common);
    view_options_clear(&options);
    g_free(ns);
    return status;
}

const Command command_describe = {
    .name = "describe",
    .group = "Views",
    .summary = "an object in full as kubectl describe shows it, and what kube-proxy made of it",
    .usage = "FILE... KIND [NAME...] [options]",
    .example = "svcsim describe shop.yaml service frontend-service",
    .run = run,
    .formats = formats,
};
