/* Deployment, ReplicaSet, StatefulSet, DaemonSet: decode and encode */

#include <stdlib.h>
#include <string.h>

#include "model/api/api_encode.h"
#include "model/api/workload.h"

static const char *const known[] = {"replicas",
                                    "selector",
                                    "template",
                                    "strategy",
                                    "minReadySeconds",
                                    "serviceName",
                                    "podManagementPolicy",
                                    "updateStrategy",
                                    "ordinals",
                                    "persistentVolumeClaimRetentionPolicy",
                                    "paused",
                                    "progressDeadlineSeconds",
                                    "revisionHistoryLimit",
                                    "volumeClaimTemplates",
                                    NULL};

static void read_strategy(ApiReader *r, const DocNode *spec, Workload *w);
static void check_daemon_limits(ApiReader *r, const DocNode *rolling, const Workload *w);
static void put_strategy(DocOut *out, const Workload *w);
static uint64_t hash_leaf(const char *path, const DocNode *leaf);
static void hash_walk(const DocNode *node, GString *path, uint64_t *sum);

bool
workload_decode(ApiReader *r, const DocNode *root, Workload *w)
{
    const DocNode *spec = node_map(r->diags, root, "spec");
    if (!spec) {
        node_require(r->diags, root, "spec");
        return false;
    }
    w->replicas = (int32_t)node_int(r->diags, spec, "replicas", 1, 0, 1000000);
    w->replicas_mark = node_mark(spec, "replicas");
    const DocNode *selector = node_map(r->diags, spec, "selector");
    w->selector = read_labels(r, selector, "matchLabels");
    if (node_get(selector, "matchExpressions"))
        node_diag(r->diags, DIAG_WARNING, node_get(selector, "matchExpressions"),
                  "not modelled: pods are taken by matchLabels alone");
    const DocNode *template = node_map(r->diags, spec, "template");
    if (!template) {
        node_require(r->diags, spec, "template");
        return false;
    }
    const DocNode *meta = node_map(r->diags, template, "metadata");
    w->template_labels = read_labels(r, meta, "labels");
    w->template_annotations = read_labels(r, meta, "annotations");
    read_pod_spec(r, node_map(r->diags, template, "spec"), &w->template);
    if (!node_get(template, "spec"))
        node_require(r->diags, template, "spec");
    w->template_hash = workload_template_hash(template);
    if (!w->selector.n && !node_get(selector, "matchExpressions"))
        w->selector = labels_copy(&w->template_labels);
    else if (w->selector.n && !labels_match(&w->selector, &w->template_labels))
        node_diag(r->diags, DIAG_ERROR, node_get(selector, "matchLabels"),
                  "does not match the labels of the template: no pod would ever belong to it");
    w->min_ready_s = (int32_t)node_int(r->diags, spec, "minReadySeconds", 0, 0, INT32_MAX);
    w->service_name = read_text(r, spec, "serviceName", NULL);
    static const char *const management[] = {"OrderedReady", "Parallel", NULL};
    w->parallel = node_enum(r->diags, spec, "podManagementPolicy", 0, management) == 1;
    w->start_ordinal = (int32_t)node_int(r->diags, node_map(r->diags, spec, "ordinals"), "start", 0, 0, 1000000);
    read_strategy(r, spec, w);
    node_report_unused(r->diags, spec, DIAG_NOTE, known);
    return true;
}

DocNode *
workload_encode(DocArena *arena, const Workload *w)
{
    DocOut out = {.arena = arena}, selector = {.arena = arena}, template = {.arena = arena}, meta = {.arena = arena};
    if (w->meta.kind != KIND_DAEMONSET)
        put_int(&out, "replicas", w->replicas);
    put_labels(&selector, "matchLabels", &w->selector);
    put_node(&out, "selector", out_map(&selector));
    put_labels(&meta, "labels", &w->template_labels);
    put_labels(&meta, "annotations", &w->template_annotations);
    put_node(&template, "metadata", out_map(&meta));
    put_node(&template, "spec", pod_spec_encode(arena, &w->template));
    put_node(&out, "template", out_map(&template));
    if (w->min_ready_s)
        put_int(&out, "minReadySeconds", w->min_ready_s);
    put_text(&out, "serviceName", w->service_name);
    if (w->parallel)
        put_text(&out, "podManagementPolicy", "Parallel");
    if (w->start_ordinal) {
        DocOut ordinals = {.arena = arena};
        put_int(&ordinals, "start", w->start_ordinal);
        put_node(&out, "ordinals", out_map(&ordinals));
    }
    if (w->meta.kind != KIND_REPLICASET)
        put_strategy(&out, w);
    return out_map(&out);
}

static void
put_strategy(DocOut *out, const Workload *w)
{
    bool deployment = w->meta.kind == KIND_DEPLOYMENT, set = w->meta.kind == KIND_STATEFULSET;
    DocOut strategy = {.arena = out->arena}, rolling = {.arena = out->arena};

    put_text(&strategy, "type", w->recreate ? "Recreate" : w->on_delete ? "OnDelete" : "RollingUpdate");
    if (!w->recreate && !w->on_delete) {
        if (!set)
            put_int_or_percent(&rolling, "maxSurge", w->max_surge);
        if (!set || w->max_unavailable.percent || w->max_unavailable.value != 1)
            put_int_or_percent(&rolling, "maxUnavailable", w->max_unavailable);
        if (set)
            put_int(&rolling, "partition", w->partition);
        put_node(&strategy, "rollingUpdate", out_map(&rolling));
    }
    put_node(out, deployment ? "strategy" : "updateStrategy", out_map(&strategy));
}

uint64_t
workload_template_hash(const DocNode *template)
{
    g_autoptr(GString) path = g_string_new(NULL);
    uint64_t sum = 0;
    hash_walk(template, path, &sum);
    return sum;
}

static void
read_strategy(ApiReader *r, const DocNode *spec, Workload *w)
{
    static const char *const types[] = {"RollingUpdate", "Recreate", NULL};
    static const char *const set_types[] = {"RollingUpdate", "OnDelete", NULL};
    bool deployment = w->meta.kind == KIND_DEPLOYMENT;
    const DocNode *strategy = node_map(r->diags, spec, deployment ? "strategy" : "updateStrategy");
    int type = node_enum(r->diags, strategy, "type", 0, deployment ? types : set_types);
    w->recreate = deployment && type == 1;
    w->on_delete = !deployment && type == 1;
    const DocNode *rolling = node_map(r->diags, strategy, "rollingUpdate");
    w->max_surge = read_int_or_percent(r, rolling, "maxSurge", w->max_surge);
    w->max_unavailable = read_int_or_percent(r, rolling, "maxUnavailable", w->max_unavailable);
    w->partition = (int32_t)node_int(r->diags, rolling, "partition", 0, 0, 1000000);
    if ((w->recreate || w->on_delete) && rolling)
        node_diag(r->diags, DIAG_WARNING, rolling, "no effect with type %s", w->recreate ? "Recreate" : "OnDelete");
    if (w->meta.kind == KIND_DAEMONSET && rolling)
        check_daemon_limits(r, rolling, w);
    if (deployment && rolling && !w->max_surge.value && !w->max_unavailable.value)
        node_diag(r->diags, DIAG_ERROR, rolling,
                  "maxSurge and maxUnavailable cannot both be 0: no pod could be replaced");
}

/* ValidateRollingUpdateDaemonSet(): the default maxUnavailable of 1 counts as given. */
static void
check_daemon_limits(ApiReader *r, const DocNode *rolling, const Workload *w)
{
    if (w->max_surge.value && w->max_unavailable.value)
        node_diag(r->diags, DIAG_ERROR, node_get(rolling, "maxSurge"),
                  "maxSurge of a DaemonSet needs maxUnavailable: 0");
    else if (!w->max_surge.value && !w->max_unavailable.value)
        node_diag(r->diags, DIAG_ERROR, rolling,
                  "maxSurge and maxUnavailable cannot both be 0: no pod could be replaced");
}

IntOrPercent
read_int_or_percent(ApiReader *r, const DocNode *map, const char *key, IntOrPercent fallback)
{
    const DocNode *node = node_get(map, key);
    int64_t value;
    if (!node || !node_expect(r->diags, node, NODE_SCALAR))
        return fallback;
    if (!node_is_string(node))
        return node_read_int(r->diags, node, 0, 1000000, &value) ? (IntOrPercent){(int32_t)value, false} : fallback;
    size_t digits = strspn(node->text, "0123456789");
    if (digits && digits <= 3 && strcmp(node->text + digits, "%") == 0 && atoi(node->text) <= 100)
        return (IntOrPercent){atoi(node->text), true};
    node_diag(r->diags, DIAG_ERROR, node, "\"%s\" is neither a number nor a percentage such as 25%%", node->text);
    return fallback;
}

void
put_int_or_percent(DocOut *out, const char *key, IntOrPercent value)
{
    g_autofree char *percent = g_strdup_printf("%d%%", value.value);
    if (value.percent)
        put_text(out, key, percent);
    else
        put_int(out, key, value.value);
}

/* A sum over the leaves, each by its path: the order of keys does not matter. */
static void
hash_walk(const DocNode *node, GString *path, uint64_t *sum)
{
    size_t length = path->len;
    if (node->kind == NODE_SCALAR) {
        *sum += hash_leaf(path->str, node);
        return;
    }
    for (uint32_t i = 0; i < node->n; i++) {
        if (node->kind == NODE_MAPPING)
            g_string_append_printf(path, ".%s", node->keys[i]->text);
        else
            g_string_append_printf(path, "[%u]", i);
        hash_walk(node->items[i], path, sum);
        g_string_truncate(path, length);
    }
}

/* FNV-1a. */
static uint64_t
hash_leaf(const char *path, const DocNode *leaf)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = path; *p; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    h = (h ^ '=') * UINT64_C(0x100000001b3);
    for (uint32_t i = 0; i < leaf->text_len; i++)
        h = (h ^ (uint8_t)leaf->text[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}
