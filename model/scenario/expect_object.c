/* Expectations on objects and on health checks, as they stand when the run ends, or `at` a time (expect_timed.c)
 *
 *   {object: pod/web-*, count: 3, phase: Running}      KIND/[NS/]NAME, a glob; fields of every object that matches
 *   {object: service/web, endpoints: 2, fields: {spec.type: LoadBalancer}}
 *   {probe: web, node: m03, status: 503, weight: 0}    what that node's healthCheckNodePort answers
 *   {probe: kube-proxy, node: m03, status: 200}        :10256/healthz
 *   {probe: web, target: m03, healthy: false}          what the load balancer thinks of a target; at: at that time
 *   {probe: web, count: 2}                             its healthy targets                                         */

#include "model/network/node_proxy.h"
#include "model/report/kube_status.h"
#include "model/scenario/match.h"
#include "model/scenario/run_private.h"

#include <string.h>

static bool
fail(GString *why, const char *what, const char *field, const Value *value, const DocNode *expected)
{
    g_string_append_printf(why, "%s: %s is ", what, field);
    value_print(why, value);
    g_string_append(why, ", expected ");
    expected_print(why, expected);
    return false;
}

static bool
check(GString *why, const char *what, const char *field, Value value, const DocNode *expected)
{
    return value_matches(&value, expected) || fail(why, what, field, &value, expected);
}

/* 'min' and 'max' stand for bounds of 'count'. */
static bool
check_number(GString *why, const char *what, const char *field, uint32_t n, const DocNode *expected)
{
    double bound;

    if (strcmp(field, "count") == 0)
        return check(why, what, field, value_number(n), expected);
    bound = expected->kind == NODE_SCALAR ? g_ascii_strtod(expected->text, NULL) : 0;
    if (strcmp(field, "min") == 0 ? n >= bound : n <= bound)
        return true;
    g_string_append_printf(why, "%s: there are %u, expected %s %g", what, n,
                           strcmp(field, "min") == 0 ? "at least" : "at most", bound);
    return false;
}

/* --- Objects ----------------------------------------------------------------------------------------------------- */

typedef struct {
    ApiKind kind;
    char *ns, *name; /* Owned; name is a glob, ns "*" where the kind has none. */
} ObjectPattern;

static bool
parse_pattern(const char *text, ObjectPattern *ret, GString *why)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 3);
    guint n = g_strv_length(parts);

    if (n < 2 || !api_kind_parse(parts[0], &ret->kind)) {
        g_string_append_printf(why, "\"%s\" is not KIND/NAME or KIND/NAMESPACE/NAME", text);
        return false;
    }
    ret->ns = g_strdup(!api_kind_info(ret->kind)->namespaced ? "*" : n == 3 ? parts[1] : "default");
    ret->name = g_strdup(parts[n - 1]);
    return true;
}

/* The node of a tree at "spec.ports[0].port". */
static const DocNode *
walk_path(const DocNode *node, const char *path)
{
    while (node && *path) {
        size_t len = strcspn(path, ".[");
        if (*path == '[') {
            char *end;
            guint64 index = g_ascii_strtoull(path + 1, &end, 10);
            node = node->kind == NODE_SEQUENCE && index < node->n && *end == ']' ? node->items[index] : NULL;
            path = *end ? end + 1 : end;
        } else if (len > 0) {
            g_autofree char *key = g_strndup(path, len);
            node = node->kind == NODE_MAPPING ? node_get(node, key) : NULL;
            path += len;
        }
        if (*path == '.')
            path++;
    }
    return node;
}

static bool
check_fields(const ApiObject *object, const char *what, const DocNode *expected, GString *why)
{
    DocArena arena = {0};
    const DocNode *tree = api_encode(&arena, object);
    bool ok = expected->kind == NODE_MAPPING;

    for (uint32_t i = 0; ok && i < expected->n; i++) {
        const DocNode *got = walk_path(tree, expected->keys[i]->text);
        bool scalar = got && got->kind == NODE_SCALAR;
        double number = scalar ? g_ascii_strtod(got->text, NULL) : 0;
        Value value = scalar && node_is_number(got) ? value_number(number) : value_text(scalar ? got->text : NULL);
        ok = check(why, what, expected->keys[i]->text, value, expected->items[i]);
    }
    doc_arena_clear(&arena);
    return ok;
}

static Value
object_value(ScenarioRun *run, const ApiObject *object, const char *field, bool *ret_known)
{
    Input *input = cluster_input(run->cluster);

    *ret_known = true;
    switch (object->kind) {
    case KIND_POD: {
        const Pod *pod = (const Pod *)object;
        if (strcmp(field, "phase") == 0)
            return value_text(kube_pod_status(pod));
        if (strcmp(field, "ready") == 0)
            return value_bool(pod->ready);
        if (strcmp(field, "node") == 0)
            return value_text(pod->spec.node_name);
        break;
    }
    case KIND_NODE:
        if (strcmp(field, "ready") == 0)
            return value_bool(((const KubeNode *)object)->ready);
        break;
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET: {
        WorkloadCounts counts = kube_workload_counts(input, (const Workload *)object);
        if (strcmp(field, "ready") == 0)
            return value_number(counts.ready);
        if (strcmp(field, "replicas") == 0)
            return value_number(counts.current);
        break;
    }
    case KIND_SERVICE:
        if (strcmp(field, "endpoints") == 0) {
            g_autoptr(GString) text = g_string_new(NULL);
            return value_number(kube_append_endpoints(text, input, object, NULL, 0, 1));
        }
        break;
    case KIND_ENDPOINTSLICE:
        if (strcmp(field, "endpoints") == 0)
            return value_number(((const EndpointSlice *)object)->n_endpoints);
        break;
    case KIND_NAMESPACE:
    case KIND_ENDPOINTS:
    case KIND_BUDGET:
    case API_N_KINDS:
        break;
    }
    *ret_known = false;
    return value_text(NULL);
}

static bool
check_object(ScenarioRun *run, const ApiObject *object, const DocNode *fields, GString *why)
{
    static const char *const of_all[] = {"object", "at", "exists", "count", "min", "max", NULL};
    g_autofree char *what = g_strdup_printf("%s %s", api_kind_info(object->kind)->name, object->name);

    for (uint32_t i = 0; i < fields->n; i++) {
        const char *field = fields->keys[i]->text;
        bool known;
        Value value;
        if (g_strv_contains(of_all, field))
            continue;
        if (strcmp(field, "fields") == 0) {
            if (!check_fields(object, what, fields->items[i], why))
                return false;
            continue;
        }
        value = object_value(run, object, field, &known);
        if (!known) {
            g_string_append_printf(why, "%s has no %s", api_kind_info(object->kind)->name, field);
            return false;
        }
        if (!check(why, what, field, value, fields->items[i]))
            return false;
    }
    return true;
}

/* How many there are: told last, so that the reason for a wrong number is the objects themselves. */
static bool
check_existence(const Expectation *expect, uint32_t n, GString *why)
{
    const DocNode *exists = node_get(expect->fields, "exists");
    static const char *const numbers[] = {"count", "min", "max"};
    bool told = exists != NULL;

    if (exists && !check(why, expect->pattern, "exists", value_bool(n > 0), exists))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const DocNode *expected = node_get(expect->fields, numbers[i]);
        told |= expected != NULL;
        if (expected && !check_number(why, expect->pattern, numbers[i], n, expected))
            return false;
    }
    if (!told && n == 0)
        g_string_append_printf(why, "there is no %s", expect->pattern);
    return told || n > 0;
}

bool
run_object_meets(ScenarioRun *run, const Expectation *expect, GString *why)
{
    ObjectPattern pattern;
    size_t n;
    const ApiObject *const *objects;
    uint32_t n_found = 0;
    bool ok = true;

    if (!parse_pattern(expect->pattern, &pattern, why))
        return false;
    objects = store_list(cluster_store(run->cluster), pattern.kind, &n);
    for (size_t i = 0; ok && i < n; i++) {
        if (!g_pattern_match_simple(pattern.name, objects[i]->name) ||
            !g_pattern_match_simple(pattern.ns, objects[i]->ns))
            continue;
        n_found++;
        ok = check_object(run, objects[i], expect->fields, why);
    }
    g_free(pattern.ns);
    g_free(pattern.name);
    return ok && check_existence(expect, n_found, why);
}

/* --- Health checks ----------------------------------------------------------------------------------------------- */

static char *
qualified(const char *name)
{
    return strchr(name, '/') ? g_strdup(name) : g_strdup_printf("default/%s", name);
}

static bool
node_meets(ScenarioRun *run, const Expectation *expect, const DocNode *node_name, GString *why)
{
    const ClusterNode *node = node_name->text ? cluster_node(run->cluster, node_name->text) : NULL;
    const DocNode *status = node_get(expect->fields, "status"), *weight = node_get(expect->fields, "weight");
    g_autofree char *what = NULL;
    int ready = 0, healthz;

    if (!node) {
        g_string_append_printf(why, "there is no node %s", node_name->text ? node_name->text : "");
        return false;
    }
    what = g_strdup_printf("%s on %s", expect->pattern, node->name);
    healthz = node_proxy_healthz(node->proxy);
    if (strcmp(expect->pattern, "kube-proxy") != 0) {
        g_autofree char *full = qualified(expect->pattern);
        char *slash = strchr(full, '/');
        *slash = '\0';
        ready = node_proxy_local_ready(node->proxy, full, slash + 1);
        healthz = ready > 0 ? healthz : 503;
    }
    if (ready < 0) {
        g_string_append_printf(why, "%s has no healthCheckNodePort (type LoadBalancer, externalTrafficPolicy Local)",
                               expect->pattern);
        return false;
    }
    if (status && !check(why, what, "status", host_down(node->host) ? value_text(NULL) : value_number(healthz), status))
        return false;
    return !weight || check(why, what, "weight", value_number(ready), weight);
}

/* State at a time, from the history. */
static LbTargetState
state_at(const ScenarioRun *run, const char *lb, const char *target, SimTime at, const char **ret_cause)
{
    size_t n;
    const LbHealthEvent *events = lb_health_history(run->cloud, &n);
    LbTargetState state = LB_TARGET_GONE;

    *ret_cause = NULL;
    for (size_t i = 0; i < n && events[i].at <= at; i++)
        if (strcmp(events[i].lb, lb) == 0 && strcmp(events[i].target, target) == 0) {
            state = events[i].to;
            *ret_cause = events[i].cause;
        }
    return state;
}

static bool
target_meets(ScenarioRun *run, const Expectation *expect, const char *lb, const char *target, SimTime at, GString *why)
{
    const DocNode *healthy = node_get(expect->fields, "healthy"), *reason = node_get(expect->fields, "reason");
    g_autofree char *what = g_strdup_printf("target %s of %s", target, lb);
    const char *cause;
    LbTargetState state = state_at(run, lb, target, at, &cause);

    if (healthy && !check(why, what, "healthy", value_bool(state == LB_TARGET_HEALTHY), healthy)) {
        g_string_append_printf(why, " (%s: %s)", lb_target_state_name(state), cause ? cause : "never registered");
        return false;
    }
    return !reason || check(why, what, "reason", value_text(cause), reason);
}

static bool
targets_meet(const Expectation *expect, const Lb *lb, GString *why)
{
    static const char *const numbers[] = {"count", "min", "max"};
    size_t n;
    g_autofree LbTargetInfo *targets = lb_targets(lb, &n);
    uint32_t n_healthy = 0;
    g_autofree char *what = g_strdup_printf("healthy targets of %s", expect->pattern);

    for (size_t i = 0; i < n; i++)
        n_healthy += targets[i].state == LB_TARGET_HEALTHY;
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const DocNode *expected = node_get(expect->fields, numbers[i]);
        if (expected && !check_number(why, what, numbers[i], n_healthy, expected))
            return false;
    }
    return true;
}

bool
run_probe_meets(ScenarioRun *run, const Expectation *expect, GString *why)
{
    const DocNode *node = node_get(expect->fields, "node"), *target = node_get(expect->fields, "target");
    g_autofree char *full = qualified(expect->pattern);
    char *slash = strchr(full, '/');
    int64_t time = cluster_sim(run->cluster)->now;
    const Lb *lb;

    if (node)
        return node_meets(run, expect, node, why);
    *slash = '\0';
    lb = cloud_lb(run->cloud, full, slash + 1);
    *slash = '/';
    if (!lb) {
        g_string_append_printf(why, "Service %s has no load balancer", expect->pattern);
        return false;
    }
    if (expect->at >= 0)
        time = expect->at;
    if (target && target->kind == NODE_SCALAR)
        return target_meets(run, expect, full, target->text, time, why);
    return targets_meet(expect, lb, why);
}
