#include "tools/kube_words.h"

#include <stdio.h>
#include <string.h>

/* What `kubectl get all` shows, of the kinds that are modelled. */
static const ApiKind all_kinds[] = {KIND_POD,        KIND_SERVICE,    KIND_DAEMONSET,
                                    KIND_DEPLOYMENT, KIND_REPLICASET, KIND_STATEFULSET};

static bool
unknown_kind(const Command *command, const char *word)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    const char *near;

    for (int kind = 0; kind < API_N_KINDS; kind++)
        g_ptr_array_add(known, (gpointer)api_kind_info((ApiKind)kind)->plural);
    g_ptr_array_add(known, NULL);
    near = closest_word(word, (const char *const *)known->pdata);
    cli_usage_error(command, "the cluster has no resource type \"%s\"%s%s%s", word, near ? "; did you mean \"" : "",
                    near ? near : "", near ? "\"?" : "");
    return false;
}

static void
add(GArray *parsed, ApiKind kind, const char *name)
{
    KubeWord word = {kind, name};

    g_array_append_val(parsed, word);
}

static bool
add_kinds(const Command *command, const char *list, GArray *parsed)
{
    g_auto(GStrv) kinds = g_strsplit(list, ",", -1);

    for (char **kind = kinds; *kind; kind++) {
        ApiKind k;
        if (strcmp(*kind, "all") == 0) {
            for (size_t i = 0; i < G_N_ELEMENTS(all_kinds); i++)
                add(parsed, all_kinds[i], NULL);
            continue;
        }
        if (!api_kind_parse(*kind, &k))
            return unknown_kind(command, *kind);
        add(parsed, k, NULL);
    }
    return true;
}

static bool
add_slashed(const Command *command, const char *word, GArray *parsed)
{
    const char *slash = strchr(word, '/');
    g_autofree char *kind = NULL;
    ApiKind k;

    if (!slash || !slash[1]) {
        cli_usage_error(command, "\"%s\" is not of the form KIND/NAME", word);
        return false;
    }
    kind = g_strndup(word, (gsize)(slash - word));
    if (!api_kind_parse(kind, &k))
        return unknown_kind(command, kind);
    add(parsed, k, slash + 1);
    return true;
}

static bool
parse(const Command *command, char *const *words, GArray *parsed)
{
    guint n_kinds;

    if (!words[0]) {
        cli_usage_error(command, "which KIND? svcsim %s %s", command->name, command->usage);
        return false;
    }
    if (strchr(words[0], '/')) {
        for (; *words; words++)
            if (!add_slashed(command, *words, parsed))
                return false;
        return true;
    }
    if (!add_kinds(command, words[0], parsed))
        return false;
    if (!words[1])
        return true;
    n_kinds = parsed->len;
    for (char *const *name = words + 1; *name; name++)
        for (guint i = 0; i < n_kinds; i++)
            add(parsed, g_array_index(parsed, KubeWord, i).kind, *name);
    g_array_remove_range(parsed, 0, n_kinds);
    return true;
}

GArray *
kube_words_parse(const Command *command, char *const *words)
{
    GArray *parsed = g_array_new(FALSE, FALSE, sizeof(KubeWord));

    if (parse(command, words, parsed))
        return parsed;
    g_array_unref(parsed);
    return NULL;
}

bool
kube_words_not_found(const Command *command, Store *store, const KubeWord *word, const char *ns)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const ApiKindInfo *info = api_kind_info(word->kind);
    size_t n;
    const ApiObject *const *objects = store_list(store, word->kind == KIND_ENDPOINTS ? KIND_SERVICE : word->kind, &n);
    const char *near;

    for (size_t i = 0; i < n; i++)
        if (!info->namespaced || strcmp(objects[i]->ns, ns ? ns : "default") == 0)
            g_ptr_array_add(names, (gpointer)objects[i]->name);
    for (size_t i = 0; i < n; i++)
        if (info->namespaced && strcmp(objects[i]->name, word->name) == 0) {
            cli_usage_error(command, "%s \"%s\" not found in namespace %s, but in %s (-n %s)", info->plural, word->name,
                            ns ? ns : "default", objects[i]->ns, objects[i]->ns);
            return false;
        }
    g_ptr_array_add(names, NULL);
    near = closest_word(word->name, (const char *const *)names->pdata);
    cli_usage_error(command, "%s \"%s\" not found%s%s%s", info->plural, word->name, near ? "; did you mean \"" : "",
                    near ? near : "", near ? "\"?" : "");
    return false;
}
