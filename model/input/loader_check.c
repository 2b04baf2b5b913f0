#include "model/input/loader_check.h"

#include <string.h>

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"
#include "sim/packet/addr.h"

/* A label that a pod or pod template bears. */
typedef struct {
    const char *ns, *key, *value;
} LabelKey;

typedef struct {
    const Labels *labels; /* Of a pod or of a workload's template. */
    uint32_t next;        /* With the same key and value; UINT32_MAX: none. */
} Bearer;

/* Names that "pod/..." of a step may mean, interned.  Made when the first is asked for. */
typedef struct {
    const char *ns, *name; /* ns NULL: in any namespace. */
} NameKey;

typedef struct {
    Input *input;
    bool made;
    HTable pods;      /* NameKey, also those that slices speak of. */
    HTable workloads; /* NameKey; their pods get names that begin with theirs. */
} PodNames;

typedef struct {
    Input *input;
    HTable by_label; /* LabelKey -> uint32_t first in 'bearers'. */
    VEC(Bearer) bearers;
} LabelIndex;

static void check_services(Input *input);
static void index_labels(LabelIndex *index, const char *ns, const Labels *labels);
static bool any_match(const LabelIndex *index, const char *ns, const Labels *selector);
static void note_near_labels(Input *input, const Service *service);
static void check_pods(Input *input);
static void check_node_specs(Input *input);
static void check_statefulsets(Input *input);
static void check_applications(Input *input);
static void check_steps(Input *input);
static void check_who(PodNames *names, Mark at, const char *text, bool is_where);
static bool pod_may_exist(PodNames *names, const char *ns, const char *name);
static void check_pod(PodNames *names, Mark at, const char *ns, const char *name);
static void check_object(Input *input, Mark at, ApiKind kind, const char *ns, const char *name);
static bool applied_later(const Input *input, ApiKind kind, const char *ns, const char *name);
static bool tree_is(const DocNode *tree, ApiKind kind, const char *ns, const char *name);
static void hint_nearest(Input *input, ApiKind kind, const char *name);

void
input_check_references(Input *input)
{
    check_services(input);
    check_pods(input);
    check_node_specs(input);
    check_statefulsets(input);
    check_applications(input);
    input_check_probes(input);
    check_steps(input);
}

/* A selector that matches neither a pod nor a template, where no slices are given. */
static void
check_services(Input *input)
{
    size_t n, n_slices;
    const ApiObject *const *services = store_list(input->store, KIND_SERVICE, &n);
    LabelIndex index = {.input = input};
    bool indexed = false;
    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)services[i];
        store_slices_of(input->store, service->meta.ns, service->meta.name, &n_slices);
        if (!service->selector.n || n_slices || service->type == SERVICE_EXTERNALNAME)
            continue;
        if (!indexed) {
            indexed = true;
            htable_init(&index.by_label, sizeof(LabelKey), sizeof(uint32_t));
            for (ApiKind kind = KIND_POD; kind <= KIND_DAEMONSET; kind++) {
                size_t n_objects;
                const ApiObject *const *objects = store_list(input->store, kind, &n_objects);
                for (size_t k = 0; k < n_objects; k++)
                    index_labels(&index, objects[k]->ns,
                                 kind == KIND_POD ? &objects[k]->labels
                                                  : &((const Workload *)objects[k])->template_labels);
            }
        }
        if (any_match(&index, service->meta.ns, &service->selector))
            continue;
        g_autoptr(GString) selector = g_string_new(NULL);
        for (uint32_t k = 0; k < service->selector.n; k++)
            g_string_append_printf(selector, "%s%s=%s", k ? "," : "", service->selector.items[k].key,
                                   service->selector.items[k].value);
        diag(input->diags, DIAG_WARNING, service->meta.mark,
             "no pod matches selector %s of Service %s/%s: it has no endpoints", selector->str, service->meta.ns,
             service->meta.name);
        note_near_labels(input, service);
    }
    if (indexed) {
        htable_clear(&index.by_label);
        vec_clear(&index.bearers);
    }
}

static void
index_labels(LabelIndex *index, const char *ns, const Labels *labels)
{
    for (uint32_t i = 0; i < labels->n; i++) {
        LabelKey key = {ns, labels->items[i].key, labels->items[i].value};
        bool is_new;
        uint32_t *first = htable_insert(&index->by_label, &key, &is_new);
        vec_push(&index->bearers, (Bearer){labels, is_new ? UINT32_MAX : *first});
        *first = (uint32_t)index->bearers.len - 1;
    }
}

static bool
any_match(const LabelIndex *index, const char *ns, const Labels *selector)
{
    LabelKey key = {ns, selector->items[0].key, selector->items[0].value};
    const uint32_t *first = htable_find(&index->by_label, &key);
    for (uint32_t at = first ? *first : UINT32_MAX; at != UINT32_MAX; at = index->bearers.data[at].next)
        if (labels_match(selector, index->bearers.data[at].labels))
            return true;
    return false;
}

/* The first pod or template whose label is nearly the selector's. */
static void
note_near_labels(Input *input, const Service *service)
{
    const Label *want = &service->selector.items[0];
    const char *const values[] = {want->value, NULL};
    for (ApiKind kind = KIND_POD; kind <= KIND_DAEMONSET; kind++) {
        size_t n;
        const ApiObject *const *objects = store_list(input->store, kind, &n);
        for (size_t i = 0; i < MIN(n, 1000); i++) {
            const Labels *labels =
                kind == KIND_POD ? &objects[i]->labels : &((const Workload *)objects[i])->template_labels;
            const char *value = labels_get(labels, want->key);
            bool other_ns = strcmp(objects[i]->ns, service->meta.ns) != 0;
            if (!value || (other_ns ? strcmp(value, want->value) != 0 : !closest_word(value, values)))
                continue;
            diag_note(input->diags, objects[i]->mark, "%s %s/%s has %s=%s", api_kind_info(kind)->name, objects[i]->ns,
                      objects[i]->name, want->key, value);
            return;
        }
    }
}

static void
check_pods(Input *input)
{
    size_t n, n_nodes;
    store_list(input->store, KIND_NODE, &n_nodes);
    const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);
    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        if (!pod->spec.node_name || store_get(input->store, KIND_NODE, "", pod->spec.node_name))
            continue;
        g_autofree char *key = g_strdup_printf("node %s", pod->spec.node_name);
        if (!diag_once(input->diags, key))
            continue;
        diag(input->diags, DIAG_WARNING, pod->meta.mark, "Pod %s/%s runs on node \"%s\", which is not given",
             pod->meta.ns, pod->meta.name, pod->spec.node_name);
        hint_nearest(input, KIND_NODE, pod->spec.node_name);
    }
}

static void
check_node_specs(Input *input)
{
    for (uint32_t i = 0; i < input->cluster.n_nodes; i++)
        if (*input->cluster.nodes[i].name)
            check_object(input, input->cluster.nodes[i].mark, KIND_NODE, "", input->cluster.nodes[i].name);
}

/* The API server drops the field where the gate is off. */
static void
check_statefulsets(Input *input)
{
    size_t n;
    const ApiObject *const *objects = store_list(input->store, KIND_STATEFULSET, &n);
    for (size_t i = 0; i < n; i++) {
        const Workload *w = (const Workload *)objects[i];
        bool several = w->max_unavailable.percent || w->max_unavailable.value != 1;
        if (!several || input->cluster.max_unavailable_statefulset)
            continue;
        diag(input->diags, DIAG_WARNING, w->meta.mark,
             "maxUnavailable of StatefulSet %s/%s is ignored: its feature gate is off by default", w->meta.ns,
             w->meta.name);
        diag_hint(input->diags, "spec.featureGates: {MaxUnavailableStatefulSet: true} of the Cluster turns it on");
    }
}

static void
check_applications(Input *input)
{
    for (uint32_t i = 0; i < input->n_applications; i++) {
        const ApplicationSpec *application = &input->applications[i];
        bool matched = application->selector.n == 0;
        for (ApiKind kind = KIND_POD; kind <= KIND_DAEMONSET && !matched; kind++) {
            size_t n;
            const ApiObject *const *objects = store_list(input->store, kind, &n);
            for (size_t k = 0; k < n && !matched; k++)
                matched = (!application->ns || strcmp(application->ns, objects[k]->ns) == 0) &&
                          labels_match(&application->selector, kind == KIND_POD
                                                                   ? &objects[k]->labels
                                                                   : &((const Workload *)objects[k])->template_labels);
        }
        if (!matched)
            diag(input->diags, DIAG_WARNING, application->mark, "no pod matches the selector of this Application");
    }
}

static char *
object_text(const ApiObject *object)
{
    DocArena arena = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    doc_write_flow(api_encode(&arena, object), text);
    doc_arena_clear(&arena);
    return g_strdup(text->str);
}

/* Mistakes in a patch are told before the run, not when its time comes.  What an earlier step may have changed cannot
 * be known here. */
static void
check_patch(Input *input, uint32_t index)
{
    const Step *step = &input->scenario.steps[index];
    const ApiObject *object = store_get(input->store, step->kind, step->ns, step->object);
    if (!object || !step->body)
        return;
    for (uint32_t i = 0; i < index; i++) {
        const Step *earlier = &input->scenario.steps[i];
        bool same = earlier->object && earlier->kind == step->kind && strcmp(earlier->object, step->object) == 0;
        if (same || earlier->verb == STEP_APPLY)
            return;
    }
    ApiObject *patched = api_patch(input->diags, store_strings(input->store), object, step->body);
    if (!patched)
        return;
    g_autofree char *before = object_text(object), *after = object_text(patched);
    if (strcmp(before, after) == 0) {
        node_diag(input->diags, DIAG_WARNING, step->body, "this patch changes nothing of %s %s",
                  api_kind_info(step->kind)->name, step->object);
        diag_hint(input->diags, "it says what is so already, or names no field that is modelled (--notes tells which)");
    }
    api_unref(patched);
}

static void
check_steps(Input *input)
{
    PodNames names = {.input = input};
    for (uint32_t i = 0; i < input->scenario.n_steps; i++) {
        const Step *step = &input->scenario.steps[i];
        if (step->from)
            check_who(&names, step->from_mark, step->from, false);
        if (step->to && step->verb != STEP_RESOLVE)
            check_who(&names, step->to_mark, step->to, true);
        if (step->via)
            check_object(input, step->via_mark, KIND_NODE, "",
                         g_str_has_prefix(step->via, "node/") ? step->via + 5 : step->via);
        if (step->object && step->kind == KIND_POD)
            check_pod(&names, step->object_mark, step->ns, step->object);
        else if (step->object)
            check_object(input, step->object_mark, step->kind, step->ns, step->object);
        if (step->verb == STEP_PATCH)
            check_patch(input, i);
        if (step->target && g_str_has_prefix(step->target, "kube-proxy/"))
            check_object(input, step->object_mark, KIND_NODE, "", step->target + strlen("kube-proxy/"));
    }
    for (uint32_t i = 0; i < input->scenario.n_captures; i++)
        check_who(&names, input->scenario.captures[i].mark, input->scenario.captures[i].at, false);
    if (names.made) {
        htable_clear(&names.pods);
        htable_clear(&names.workloads);
    }
}

/* "service/[ns/]NAME[:PORT][/tcp]" and the like (network/who.h); what has no such prefix is an address or DNS name. */
static void
check_who(PodNames *names, Mark at, const char *text, bool is_where)
{
    Input *input = names->input;
    static const char *const prefixes[] = {"service", "pod", "node", "client", "deployment", "lb", NULL};
    static const ApiKind kinds[] = {KIND_SERVICE, KIND_POD, KIND_NODE, KIND_POD, KIND_DEPLOYMENT, KIND_SERVICE};
    g_autofree char *copy = g_strdup(text);
    for (int p = 0; p < 3; p++) {
        static const char *const protos[] = {"/tcp", "/udp", "/sctp"};
        if (is_where && g_str_has_suffix(copy, protos[p]))
            copy[strlen(copy) - strlen(protos[p])] = '\0';
    }
    char *slash = strchr(copy, '/');
    if (!slash) {
        IpAddr addr;
        if (!is_where && !ipaddr_parse(copy, &addr) && strcmp(copy, "lb") != 0) {
            diag(input->diags, DIAG_ERROR, at, "\"%s\" is neither an address nor pod/NAME, node/NAME or client/NAME",
                 text);
        }
        return;
    }
    *slash = '\0';
    char *name = slash + 1, *colon = is_where ? strrchr(name, ':') : NULL;
    if (colon)
        *colon = '\0';
    int kind = -1;
    for (int k = 0; prefixes[k]; k++)
        if (strcmp(prefixes[k], copy) == 0)
            kind = k;
    if (kind < 0) {
        diag(input->diags, DIAG_ERROR, at, "\"%s\" begins with \"%s/\", want service/, pod/, node/ or client/", text,
             copy);
        diag_did_you_mean(input->diags, copy, prefixes);
        return;
    }
    if (kind == 3) {
        g_autofree const char **known = g_new0(const char *, input->cluster.n_clients + 1);
        for (uint32_t i = 0; i < input->cluster.n_clients; i++) {
            known[i] = input->cluster.clients[i].name;
            if (strcmp(known[i], name) == 0)
                return;
        }
        diag(input->diags, DIAG_ERROR, at, "no client \"%s\" in Cluster.spec.clients", name);
        diag_did_you_mean(input->diags, name, known);
        return;
    }
    /* A load balancer may go by another name than its Service's. */
    if (kind == 5)
        return;
    char *ns_end = strchr(name, '/');
    const char *ns = kinds[kind] == KIND_NODE ? "" : "default";
    if (ns_end) {
        *ns_end = '\0';
        ns = name;
        name = ns_end + 1;
    }
    if (kinds[kind] != KIND_POD)
        check_object(input, at, kinds[kind], ns, name);
    else if (ns_end || !pod_may_exist(names, NULL, name))
        check_pod(names, at, ns, name);
}

static void
add_name(HTable *table, const char *ns, const char *name)
{
    htable_insert(table, &(NameKey){ns, name}, NULL);
    htable_insert(table, &(NameKey){NULL, name}, NULL);
}

static void
make_names(PodNames *names)
{
    Store *store = names->input->store;
    size_t n;

    names->made = true;
    htable_init(&names->pods, sizeof(NameKey), sizeof(uint8_t));
    htable_init(&names->workloads, sizeof(NameKey), sizeof(uint8_t));
    for (ApiKind kind = KIND_POD; kind <= KIND_DAEMONSET; kind++) {
        const ApiObject *const *objects = store_list(store, kind, &n);
        for (size_t i = 0; i < n; i++)
            add_name(kind == KIND_POD ? &names->pods : &names->workloads, objects[i]->ns, objects[i]->name);
    }
    /* Pods that only EndpointSlices tell of are made from them. */
    const ApiObject *const *slices = store_list(store, KIND_ENDPOINTSLICE, &n);
    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        for (uint32_t e = 0; e < slice->n_endpoints; e++)
            if (slice->endpoints[e].target)
                add_name(&names->pods, slice->meta.ns, slice->endpoints[e].target);
    }
}

/* Pods of workloads get their names in the run.  'ns' NULL: any. */
static bool
pod_may_exist(PodNames *names, const char *ns, const char *name)
{
    Strings *strings = store_strings(names->input->store);
    NameKey key = {ns ? strings_add(strings, ns) : NULL, strings_add(strings, name)};

    if (ns && store_get(names->input->store, KIND_POD, ns, name))
        return true;
    if (!names->made)
        make_names(names);
    if (htable_find(&names->pods, &key))
        return true;
    for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-')) {
        key.name = strings_add_len(strings, name, (size_t)(dash - name));
        if (htable_find(&names->workloads, &key))
            return true;
    }
    return false;
}

static void
check_pod(PodNames *names, Mark at, const char *ns, const char *name)
{
    if (!pod_may_exist(names, ns, name))
        check_object(names->input, at, KIND_POD, ns, name);
}

static void
check_object(Input *input, Mark at, ApiKind kind, const char *ns, const char *name)
{
    if (store_get(input->store, kind, ns, name) || applied_later(input, kind, ns, name))
        return;
    /* Made by controllers: system services, slices, replica sets. */
    if (kind == KIND_ENDPOINTSLICE || kind == KIND_REPLICASET || (input->cluster.system_services && *ns))
        return;
    diag(input->diags, DIAG_ERROR, at, "no %s \"%s%s%s\"", api_kind_info(kind)->name, ns, *ns ? "/" : "", name);
    hint_nearest(input, kind, name);
}

static bool
applied_later(const Input *input, ApiKind kind, const char *ns, const char *name)
{
    for (uint32_t i = 0; i < input->scenario.n_steps; i++) {
        const Step *step = &input->scenario.steps[i];
        if (step->verb != STEP_APPLY || !step->body)
            continue;
        bool many = step->body->kind == NODE_SEQUENCE;
        for (uint32_t k = 0; k < (many ? step->body->n : 1); k++)
            if (tree_is(many ? step->body->items[k] : step->body, kind, ns, name))
                return true;
    }
    return false;
}

static bool
tree_is(const DocNode *tree, ApiKind kind, const char *ns, const char *name)
{
    const DocNode *tree_kind = node_get(tree, "kind"), *meta = node_get(tree, "metadata");
    const DocNode *tree_name = node_get(meta, "name"), *tree_ns = node_get(meta, "namespace");
    if (!tree_kind || !tree_name || tree_kind->kind != NODE_SCALAR || tree_name->kind != NODE_SCALAR)
        return false;
    const char *in = tree_ns && tree_ns->kind == NODE_SCALAR ? tree_ns->text : "default";
    return strcmp(tree_kind->text, api_kind_info(kind)->name) == 0 && strcmp(tree_name->text, name) == 0 &&
           (!*ns || strcmp(in, ns) == 0);
}

static void
hint_nearest(Input *input, ApiKind kind, const char *name)
{
    size_t n;
    const ApiObject *const *objects = store_list(input->store, kind, &n);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (size_t i = 0; i < MIN(n, 10000); i++)
        g_ptr_array_add(names, (gpointer)objects[i]->name);
    g_ptr_array_add(names, NULL);
    diag_did_you_mean(input->diags, name, (const char *const *)names->pdata);
}
