#include <string.h>

#include "tests/conformance/conf_flows.h"

const char *
expect_str(const DocNode *map, const char *key)
{
    const DocNode *child = map ? node_get(map, key) : NULL;

    return child && child->kind == NODE_SCALAR ? child->text : "";
}

char *
case_file(const Conf *conf, const char *name, const char *suffix)
{
    return g_strdup_printf("%s/flows/%s%s", conf->root, name, suffix);
}

Input *
load_case(const Conf *conf, const char *name)
{
    g_autofree char *path = case_file(conf, name, ".input.yaml");
    const char *paths[] = {path};

    return input_load(paths, 1);
}

/* --- One proxier through a chain of cases ------------------------------------------------------------------------ */

/* Makes the store hold the Services and slices of 'to'. */
static void
move_store(Store *store, Store *to)
{
    static const ApiKind KINDS[] = {KIND_SERVICE, KIND_ENDPOINTSLICE};

    for (size_t k = 0; k < G_N_ELEMENTS(KINDS); k++) {
        g_autoptr(GPtrArray) gone = g_ptr_array_new();
        size_t n;
        const ApiObject *const *objects = store_list(store, KINDS[k], &n);
        for (size_t i = 0; i < n; i++)
            if (!store_get(to, KINDS[k], objects[i]->ns, objects[i]->name))
                g_ptr_array_add(gone, (void *)objects[i]);
        for (guint i = 0; i < gone->len; i++) {
            const ApiObject *object = gone->pdata[i];
            store_remove(store, KINDS[k], object->ns, object->name);
        }
        objects = store_list(to, KINDS[k], &n);
        for (size_t i = 0; i < n; i++)
            store_put(store, api_copy(objects[i]));
    }
}

/* Cases from the first of the chain to 'name'. */
static GPtrArray *
chain_of(const Conf *conf, const char *name)
{
    GPtrArray *chain = g_ptr_array_new_with_free_func(g_free);
    char *at = g_strdup(name);

    while (at) {
        g_autofree char *path = case_file(conf, at, ".expect.yaml");
        ConfDocs *docs = conf_docs_open(path);
        const char *before = expect_str(node_get(conf_docs_kind(docs, "About"), "follows"), "case");
        g_autofree char *input = case_file(conf, before, ".input.yaml");
        g_ptr_array_insert(chain, 0, at);
        /* Some predecessors are not cases of their own. */
        at = before[0] && g_file_test(input, G_FILE_TEST_EXISTS) ? g_strdup(before) : NULL;
        conf_docs_free(docs);
    }
    return chain;
}

static void
input_free_one(gpointer input)
{
    input_free(input);
}

Proxier
proxier_run(const Conf *conf, const char *name, ProxyMode mode, IpFamily family)
{
    g_autoptr(GPtrArray) chain = chain_of(conf, name);
    Proxier p = {.inputs = g_ptr_array_new_with_free_func(input_free_one)};

    for (guint i = 0; i < chain->len; i++) {
        Input *input = load_case(conf, chain->pdata[i]);
        g_ptr_array_add(p.inputs, input);
        if (i == 0) {
            p.rules = proxy_rules_new(input, "test-node", &mode, family);
            continue;
        }
        move_store(((Input *)p.inputs->pdata[0])->store, input->store);
        service_map_update(p.rules->services);
        nf_ruleset_unref(p.before);
        p.before = p.rules->ruleset;
        p.rules->ruleset = proxy_compile(p.rules->compiler, p.rules->services, &p.rules->node, NULL);
    }
    return p;
}

void
proxier_clear(Proxier *p)
{
    nf_ruleset_unref(p->before);
    proxy_rules_free(p->rules);
    while (p->inputs->len)
        g_ptr_array_remove_index(p->inputs, p->inputs->len - 1);
    g_ptr_array_unref(p->inputs);
}
