#include "model/input/loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/input/loader_check.h"
#include "sim/engine/huge_pages.h"
#include "sim/engine/vec.h"

#define INCLUDE_DEPTH_MAX 32

/* A file of this size makes a world whose heap is worth huge pages: objects, rules and hosts take about so much. */
#define LARGE_FILE_BYTES  ((uint64_t)4 << 20)
#define HEAP_OF_FILE      32u
#define HEAP_RESERVED_MAX ((uint64_t)8 << 30)

typedef struct {
    char *real; /* Path without links; "" for texts and standard input. */
    bool open;  /* Being read: an include of it is a loop. */
} LoadedFile;

typedef struct {
    Input *input;
    VEC(LoadedFile) files;
    VEC(ApplicationSpec) applications;
    GPtrArray *mirrored; /* Slices made of Endpoints: stored where no slices are given. */
    char *directory;     /* Of the file being read: includes are relative to it. */
    uint32_t depth;
    Mark cluster_mark, proxy_mark;
} Loader;

static Input *input_new(void);
static void loader_init(Loader *l);
static Input *loader_finish(Loader *l);
static void load_file(Loader *l, const char *path, Mark from);
static void load_reader(Loader *l, DocReader *reader);
static void load_object(Loader *l, DocReader *reader, const DocNode *root);
static void load_list(Loader *l, DocReader *reader, const DocNode *root);
static bool known_group(ApiKind kind, const char *api_version);
static void load_kubernetes(Loader *l, ApiKind kind, const DocNode *root);
static void load_own(Loader *l, const char *kind, const char *version, const DocNode *root);
static void load_scenario(Loader *l, const DocNode *root);
static bool take_once(Loader *l, const char *kind, bool *has, Mark *first, Mark at);
static void skip_unknown(Loader *l, const char *api_version, const char *kind, const DocNode *root);
static void store_mirrored(Loader *l);

Input *
input_load(const char *const *paths, size_t n_paths)
{
    Loader l;
    loader_init(&l);
    for (size_t i = 0; i < n_paths; i++)
        load_file(&l, paths[i], (Mark){0});
    return loader_finish(&l);
}

Input *
input_load_text(const char *name, const char *text)
{
    Loader l;
    loader_init(&l);
    DocReader *reader = doc_reader_new(l.input->diags, name, text, strlen(text));
    uint32_t file = doc_reader_file(reader);
    load_reader(&l, reader);
    doc_reader_free(reader);
    diags_drop_text(l.input->diags, file, g_strdup(text));
    return loader_finish(&l);
}

void
input_free(Input *input)
{
    if (!input)
        return;
    store_free(input->store);
    diags_free(input->diags);
    g_free(input);
}

const NodeSpec *
input_node_spec(const Input *input, const char *node)
{
    for (uint32_t i = 0; i < input->cluster.n_nodes; i++)
        if (strcmp(input->cluster.nodes[i].name, node) == 0)
            return &input->cluster.nodes[i];
    return NULL;
}

const ProxyConfig *
input_proxy_of(const Input *input, const char *node)
{
    const NodeSpec *spec = input_node_spec(input, node);
    return spec && spec->has_proxy ? &spec->proxy : &input->proxy;
}

const KernelSpec *
input_kernel_of(const Input *input, const char *node)
{
    const NodeSpec *spec = input_node_spec(input, node);
    return spec && spec->has_kernel ? &spec->kernel : &input->cluster.kernel;
}

KubeVersion
input_version_of(const Input *input, const char *node)
{
    const NodeSpec *spec = input_node_spec(input, node);
    return spec && spec->has_version ? spec->version : input->cluster.version;
}

static Input *
input_new(void)
{
    Input *input = g_new0(Input, 1);
    input->diags = diags_new();
    input->store = store_new();
    cluster_spec_default(&input->cluster);
    proxy_config_default(&input->proxy);
    return input;
}

static void
loader_init(Loader *l)
{
    *l = (Loader){.input = input_new(), .mirrored = g_ptr_array_new(), .directory = g_strdup(".")};
}

static Input *
loader_finish(Loader *l)
{
    Input *input = l->input;
    store_mirrored(l);
    input_settle_proxy(input);
    input->n_applications = (uint32_t)l->applications.len;
    input->applications = strings_alloc(store_strings(input->store), l->applications.len * sizeof *input->applications);
    if (l->applications.len)
        memcpy(input->applications, l->applications.data, l->applications.len * sizeof *input->applications);
    input_check_references(input);
    input_check_addresses(input);
    for (size_t i = 0; i < l->files.len; i++)
        g_free(l->files.data[i].real);
    vec_clear(&l->files);
    vec_clear(&l->applications);
    g_ptr_array_unref(l->mirrored);
    g_free(l->directory);
    return input;
}

/* 'from' is the include's place, line 0: the command line. */
static void
load_file(Loader *l, const char *path, Mark from)
{
    Diags *diags = l->input->diags;
    char *real = strcmp(path, "-") == 0 ? NULL : realpath(path, NULL);
    for (size_t i = 0; real && i < l->files.len; i++) {
        if (strcmp(l->files.data[i].real, real) != 0)
            continue;
        if (l->files.data[i].open)
            diag(diags, DIAG_ERROR, from, "include loop: %s is being read already", path);
        free(real);
        return;
    }
    if (l->depth == INCLUDE_DEPTH_MAX) {
        diag(diags, DIAG_ERROR, from, "includes are nested deeper than %d", INCLUDE_DEPTH_MAX);
        free(real);
        return;
    }
    if (!real && from.line) {
        diag(diags, DIAG_ERROR, from, "cannot read included file %s: %s", path, g_strerror(errno));
        return;
    }
    LoadedFile file = {.real = g_strdup(real ? real : ""), .open = true};
    free(real);
    size_t index = l->files.len;
    vec_push(&l->files, file);
    DocReader *reader = doc_reader_open(diags, path);
    if (reader) {
        g_autofree char *outer = l->directory;
        l->directory = g_path_get_dirname(path);
        l->depth++;
        load_reader(l, reader);
        l->depth--;
        g_free(l->directory);
        l->directory = g_steal_pointer(&outer);
        l->input->bytes += doc_reader_size(reader);
        l->input->n_files++;
        doc_reader_free(reader);
    }
    l->files.data[index].open = false;
}

static void
load_reader(Loader *l, DocReader *reader)
{
    const DocNode *root;
    uint32_t n = 0, before = diags_errors(l->input->diags);
    if (doc_reader_size(reader) >= LARGE_FILE_BYTES)
        huge_pages_reserve((size_t)MIN(doc_reader_size(reader) * HEAP_OF_FILE, HEAP_RESERVED_MAX));
    for (; (root = doc_reader_next(reader)); n++)
        load_object(l, reader, root);
    if (n == 0 && diags_errors(l->input->diags) == before)
        diag(l->input->diags, DIAG_WARNING, (Mark){.file = (uint16_t)doc_reader_file(reader)}, "holds no objects");
}

static void
load_object(Loader *l, DocReader *reader, const DocNode *root)
{
    Diags *diags = l->input->diags;
    const char *item_kind = doc_reader_item_kind(reader);
    const char *kind = node_str(diags, root, "kind", item_kind);
    const char *api_version = node_str(diags, root, "apiVersion", NULL);
    ApiKind api_kind;
    if (!kind) {
        node_require(diags, root, "kind");
        return;
    }
    if (node_get(root, "items") && g_str_has_suffix(kind, "List")) {
        load_list(l, reader, root);
        return;
    }
    bool kubernetes = api_kind_parse(kind, &api_kind) && strcmp(api_kind_info(api_kind)->name, kind) == 0;
    if (!api_version && kubernetes && item_kind)
        api_version = api_kind_info(api_kind)->api_version;
    if (!api_version) {
        node_require(diags, root, "apiVersion");
        return;
    }
    if (g_str_has_prefix(api_version, "svcsim/"))
        load_own(l, kind, api_version + strlen("svcsim/"), root);
    else if (g_str_has_prefix(api_version, "kubeproxy.config.k8s.io/") && strcmp(kind, "KubeProxyConfiguration") == 0) {
        if (take_once(l, kind, &l->input->has_proxy, &l->proxy_mark, root->mark))
            proxy_config_decode(diags, store_strings(l->input->store), root, &l->input->proxy);
    } else if (kubernetes && known_group(api_kind, api_version))
        load_kubernetes(l, api_kind, root);
    else
        skip_unknown(l, api_version, kind, root);
}

/* A list as an item of a list. */
static void
load_list(Loader *l, DocReader *reader, const DocNode *root)
{
    const DocNode *items = node_seq(l->input->diags, root, "items");
    for (uint32_t i = 0; items && i < items->n; i++) {
        if (!node_expect(l->input->diags, items->items[i], NODE_MAPPING))
            continue;
        items->items[i]->parent = NULL;
        load_object(l, reader, items->items[i]);
    }
}

/* The group counts, whatever the version: a Knative Service is another kind. */
static bool
known_group(ApiKind kind, const char *api_version)
{
    static const char *const legacy[] = {"extensions", NULL};
    const char *slash = strchr(api_version, '/');
    g_autofree char *group = slash ? g_strndup(api_version, (gsize)(slash - api_version)) : g_strdup("");
    const char *own = api_kind_info(kind)->api_version;
    const char *own_slash = strchr(own, '/');
    size_t own_len = own_slash ? (size_t)(own_slash - own) : 0;
    if (strlen(group) == own_len && strncmp(group, own, own_len) == 0)
        return true;
    return strcmp(own, "apps/v1") == 0 && g_strv_contains(legacy, group);
}

static void
load_kubernetes(Loader *l, ApiKind kind, const DocNode *root)
{
    Diags *diags = l->input->diags;
    Store *store = l->input->store;
    if (kind == KIND_ENDPOINTS) {
        endpoints_decode(diags, store_strings(store), root, l->mirrored);
        return;
    }
    ApiObject *object = api_decode(diags, store_strings(store), kind, root);
    if (!object)
        return;
    object->from_input = true;
    const ApiObject *other = store_get(store, kind, object->ns, object->name);
    if (!other) {
        store_put(store, object);
        return;
    }
    diag(diags, DIAG_ERROR, object->mark, "%s %s%s%s is given twice", api_kind_info(kind)->name, object->ns,
         *object->ns ? "/" : "", object->name);
    diag_note(diags, other->mark, "first given here");
    api_unref(object);
}

static void
load_own(Loader *l, const char *kind, const char *version, const DocNode *root)
{
    static const char *const kinds[] = {"Cluster", "Application", "Scenario", NULL};
    Input *input = l->input;
    Strings *strings = store_strings(input->store);
    if (strcmp(version, "v1") != 0) {
        diag(input->diags, DIAG_ERROR, node_mark(root, "apiVersion"), "svcsim/%s is unknown, this is svcsim/v1",
             version);
    } else if (strcmp(kind, "Cluster") == 0) {
        if (take_once(l, kind, &input->has_cluster, &l->cluster_mark, root->mark))
            cluster_spec_decode(input->diags, strings, root, &input->cluster);
    } else if (strcmp(kind, "Application") == 0) {
        ApplicationSpec application;
        application_spec_decode(input->diags, strings, root, &application);
        vec_push(&l->applications, application);
    } else if (strcmp(kind, "Scenario") == 0) {
        load_scenario(l, root);
    } else {
        diag(input->diags, DIAG_ERROR, node_mark(root, "kind"), "svcsim/v1 has no kind %s", kind);
        diag_did_you_mean(input->diags, kind, kinds);
    }
}

/* Includes are read at once: what they hold comes before the rest of this file. */
static void
load_scenario(Loader *l, const DocNode *root)
{
    Input *input = l->input;
    Mark first = input->scenario.mark;
    if (!take_once(l, "Scenario", &input->has_scenario, &first, root->mark))
        return;
    scenario_spec_decode(input->diags, store_strings(input->store), root, &input->scenario);
    for (uint32_t i = 0; i < input->scenario.n_includes; i++) {
        const char *include = input->scenario.includes[i];
        bool as_is = g_path_is_absolute(include) || strcmp(l->directory, ".") == 0;
        g_autofree char *path = as_is ? g_strdup(include) : g_build_filename(l->directory, include, NULL);
        load_file(l, path, input->scenario.include_marks[i]);
    }
}

static bool
take_once(Loader *l, const char *kind, bool *has, Mark *first, Mark at)
{
    if (*has) {
        diag(l->input->diags, DIAG_ERROR, at, "more than one %s", kind);
        diag_note(l->input->diags, *first, "first given here");
        return false;
    }
    *has = true;
    *first = at;
    return true;
}

static void
skip_unknown(Loader *l, const char *api_version, const char *kind, const DocNode *root)
{
    static const char *const own[] = {"Cluster", "Application", "Scenario", "KubeProxyConfiguration", NULL};
    g_autofree char *key = g_strdup_printf("kind %s %s", api_version, kind);
    if (!diag_once(l->input->diags, key))
        return;
    diag(l->input->diags, DIAG_WARNING, node_mark(root, "kind"), "objects of kind %s (%s) are not modelled and skipped",
         kind, api_version);
    const char *names[API_N_KINDS + 1];
    for (int k = 0; k < API_N_KINDS; k++)
        names[k] = api_kind_info((ApiKind)k)->name;
    names[API_N_KINDS] = NULL;
    const char *near = closest_word(kind, names);
    if (g_strv_contains(own, kind))
        diag_hint(l->input->diags, "%s is a kind of %s", kind,
                  strcmp(kind, own[3]) == 0 ? "kubeproxy.config.k8s.io/v1alpha1" : "svcsim/v1");
    else if (near && strcmp(near, kind) != 0)
        diag_hint(l->input->diags, "did you mean \"%s\"?", near);
    else if (near)
        for (int k = 0; k < API_N_KINDS; k++)
            if (strcmp(near, names[k]) == 0)
                diag_hint(l->input->diags, "the known %s is of %s", near, api_kind_info((ApiKind)k)->api_version);
}

/* The slices of an Endpoints object count where its Service has no slices of its own. */
static void
store_mirrored(Loader *l)
{
    Store *store = l->input->store;
    g_autofree bool *wanted = g_new0(bool, l->mirrored->len + 1);
    for (guint i = 0; i < l->mirrored->len; i++) {
        const EndpointSlice *slice = l->mirrored->pdata[i];
        size_t n;
        store_slices_of(store, slice->meta.ns, slice->service, &n);
        wanted[i] = n == 0;
    }
    for (guint i = 0; i < l->mirrored->len; i++) {
        ApiObject *slice = l->mirrored->pdata[i];
        slice->from_input = true;
        if (wanted[i] && !store_get(store, KIND_ENDPOINTSLICE, slice->ns, slice->name))
            store_put(store, slice);
        else
            api_unref(slice);
    }
}

void
input_settle_proxy(Input *input)
{
    ClusterSpec *cluster = &input->cluster;
    ProxyConfig *proxy = &input->proxy;
    if (!input->has_proxy) {
        memcpy(proxy->cluster_cidr, cluster->pod_cidrs, sizeof proxy->cluster_cidr);
        proxy->n_cluster_cidr = cluster->n_pod_cidrs;
    }
    for (uint32_t i = 0; i < cluster->n_nodes; i++) {
        NodeSpec *node = &cluster->nodes[i];
        node->proxy = *proxy;
        node->proxy.mark = node->mark;
        if (node->proxy_tree)
            proxy_config_overlay(input->diags, store_strings(input->store), node->proxy_tree, &node->proxy);
        if (node->proxy.detect_local == DETECT_CLUSTER_CIDR && !node->proxy.n_cluster_cidr)
            node->proxy.detect_local = DETECT_NONE;
    }
    if (proxy->detect_local == DETECT_CLUSTER_CIDR && !proxy->n_cluster_cidr)
        proxy->detect_local = DETECT_NONE;
}

void
input_set_mode(Input *input, ProxyMode mode)
{
    proxy_config_set_mode(&input->proxy, mode);
    for (uint32_t i = 0; i < input->cluster.n_nodes; i++)
        proxy_config_set_mode(&input->cluster.nodes[i].proxy, mode);
}

void
input_set_version(Input *input, KubeVersion version)
{
    input->cluster.version = version;
    for (uint32_t i = 0; i < input->cluster.n_nodes; i++)
        input->cluster.nodes[i].has_version = false;
}
