/* Steps of a Scenario: decoding, one reader per group of verbs */

#include <string.h>

#include "model/scenario/spec_private.h"
#include "sim/packet/packet.h"

static const char *const verbs[] = {
    [STEP_CONNECT] = "connect", [STEP_LOAD] = "load",       [STEP_SEND] = "send",         [STEP_RESOLVE] = "resolve",
    [STEP_APPLY] = "apply",     [STEP_PATCH] = "patch",     [STEP_DELETE] = "delete",     [STEP_SCALE] = "scale",
    [STEP_ROLLOUT] = "rollout", [STEP_CORDON] = "cordon",   [STEP_UNCORDON] = "uncordon", [STEP_DRAIN] = "drain",
    [STEP_FAIL] = "fail",       [STEP_RECOVER] = "recover", [STEP_SET] = "set",           [STEP_INJECT] = "inject",
    [STEP_N_VERBS] = NULL,
};

/* Fields of each traffic verb: of what the verb does not list, nothing is read. */
static const char *const traffic_known[][24] = {
    [STEP_CONNECT] = {"name", "from", "to", "via", "path", "method", "payload", "count", "interval", "timeout",
                      "sourcePort", "hold", "requests", "requestBytes", "protocol"},
    [STEP_LOAD] = {"name", "from", "to", "via", "path", "method", "rate", "for", "keepAlive", "requests", "connections",
                   "timeout", "requestBytes", "protocol", "count"},
    [STEP_SEND] = {"name", "from", "to", "via", "payload", "count", "interval", "timeout", "sourcePort", "sameSocket",
                   "requestBytes", "protocol"},
    [STEP_RESOLVE] = {"name", "from", "host", "to", "count", "interval", "timeout"},
    [STEP_INJECT] = {"name", "from", "at", "to", "packet", "count", "interval"},
};

static bool read_traffic(Diags *diags, Strings *strings, const DocNode *map, Step *step);
static void read_rate(Diags *diags, const DocNode *map, Step *step);
static void read_hold(Diags *diags, const DocNode *map, Step *step);
static bool read_object_ref(Diags *diags, Strings *strings, const DocNode *map, Step *step, uint32_t kinds);
static bool read_object_step(Diags *diags, Strings *strings, const DocNode *map, Step *step);
static bool read_apply(Diags *diags, Strings *strings, const DocNode *map, Step *step);
static bool read_target(Diags *diags, Strings *strings, const DocNode *map, Step *step);
static const DocNode *keep_rest(Strings *strings, const DocNode *map, const char *but);

const char *
step_verb_name(StepVerb verb)
{
    return verbs[verb];
}

/* For an object's bare name where a mapping belongs. */
static void
hint_of_object(Diags *diags, StepVerb verb, const DocNode *node)
{
    bool nodes =
        verb == STEP_CORDON || verb == STEP_UNCORDON || verb == STEP_DRAIN || verb == STEP_FAIL || verb == STEP_RECOVER;
    if (node->kind == NODE_SCALAR && (nodes || verb == STEP_DELETE || verb == STEP_ROLLOUT))
        diag_hint(diags, "name the object by its kind: %s: {%s: %s}", verbs[verb],
                  nodes                 ? "node"
                  : verb == STEP_DELETE ? "pod"
                                        : "deployment",
                  node->text);
}

bool
spec_read_step(Diags *diags, Strings *strings, const DocNode *node, uint32_t numbers[STEP_N_VERBS], Step *ret_step)
{
    if (!node_expect(diags, node, NODE_MAPPING))
        return false;
    int verb = -1;
    const DocNode *map = NULL;
    for (int v = 0; v < STEP_N_VERBS; v++) {
        DocNode *found = node_get(node, verbs[v]);
        if (!found)
            continue;
        if (verb >= 0) {
            node_diag(diags, DIAG_ERROR, node, "a step does one thing: %s or %s", verbs[verb], verbs[v]);
            return false;
        }
        verb = v;
        map = found;
    }
    const char *names[STEP_N_VERBS + 2] = {"at"};
    memcpy(names + 1, verbs, sizeof verbs);
    if (!node_get(node, "at"))
        node_require(diags, node, "at");
    *ret_step = (Step){.at = node_duration(diags, node, "at", 0), .mark = node->mark, .count = 1};
    node_report_unused(diags, node, DIAG_ERROR, names);
    if (verb < 0) {
        bool unknown = false;
        for (uint32_t i = 0; i < node->n; i++)
            unknown |= !node->used[i];
        if (!unknown)
            node_diag(diags, DIAG_ERROR, node, "a step without a verb such as connect, load or patch");
        return false;
    }
    ret_step->verb = (StepVerb)verb;
    if (!node_expect(diags, map, NODE_MAPPING)) {
        hint_of_object(diags, ret_step->verb, map);
        return false;
    }
    ret_step->name = strings_printf(strings, "%s-%u", verbs[verb], ++numbers[verb]);
    switch (ret_step->verb) {
    case STEP_CONNECT:
    case STEP_LOAD:
    case STEP_SEND:
    case STEP_RESOLVE:
    case STEP_INJECT:
        return read_traffic(diags, strings, map, ret_step);
    case STEP_APPLY:
        return read_apply(diags, strings, map, ret_step);
    case STEP_PATCH:
    case STEP_DELETE:
    case STEP_SCALE:
    case STEP_ROLLOUT:
    case STEP_CORDON:
    case STEP_UNCORDON:
    case STEP_DRAIN:
        return read_object_step(diags, strings, map, ret_step);
    case STEP_FAIL:
    case STEP_RECOVER:
    case STEP_SET:
        return read_target(diags, strings, map, ret_step);
    case STEP_N_VERBS:
        break;
    }
    return false;
}

static bool
read_traffic(Diags *diags, Strings *strings, const DocNode *map, Step *step)
{
    static const char *const protos[] = {"tcp", "udp", "sctp", NULL};
    static const uint8_t proto_ids[] = {IPPROTO_TCP_, IPPROTO_UDP_, IPPROTO_SCTP_};
    const char *const *known = traffic_known[step->verb];
    bool resolve = step->verb == STEP_RESOLVE, inject = step->verb == STEP_INJECT;
    step->name = config_text(diags, strings, map, "name", step->name);
    step->from = config_text(diags, strings, map, inject && node_get(map, "at") ? "at" : "from", NULL);
    if (!step->from)
        node_require(diags, map, "from");
    const char *to_key = resolve && node_get(map, "host") ? "host" : "to";
    step->to = config_text(diags, strings, map, to_key, NULL);
    if (!step->to && !inject)
        node_require(diags, map, resolve ? "host" : "to");
    step->via = config_text(diags, strings, map, "via", NULL);
    step->from_mark = node_mark(map, inject && node_get(map, "at") ? "at" : "from");
    step->to_mark = node_mark(map, to_key);
    step->via_mark = node_mark(map, "via");
    step->path = config_text(diags, strings, map, "path", "/");
    step->method = config_text(diags, strings, map, "method", "GET");
    step->payload = config_text(diags, strings, map, "payload", NULL);
    step->count = (uint32_t)node_int(diags, map, "count", step->verb == STEP_LOAD ? 0 : 1, 1, 100000000);
    step->interval = node_duration(diags, map, "interval", 0);
    step->timeout = node_duration(diags, map, "timeout", resolve ? 30 * SIMTIME_SEC : 10 * SIMTIME_SEC);
    step->source_port = (uint16_t)node_int(diags, map, "sourcePort", 0, 0, 65535);
    step->requests = (uint32_t)node_int(diags, map, "requests", 0, 0, INT32_MAX);
    step->request_bytes = (uint32_t)node_int(diags, map, "requestBytes", 0, 0, 1 << 30);
    step->same_socket = node_bool(diags, map, "sameSocket", false);
    int proto = node_enum(diags, map, "protocol", -1, protos);
    step->proto = proto < 0 ? 0 : proto_ids[proto];
    read_hold(diags, map, step);
    if (step->verb == STEP_LOAD)
        read_rate(diags, map, step);
    if (inject) {
        const DocNode *packet = node_require(diags, map, "packet") ? node_map(diags, map, "packet") : NULL;
        step->packet = packet ? node_keep(strings, packet) : NULL;
    }
    /* What another verb knows is unknown to this one. */
    for (uint32_t i = 0; i < map->n; i++) {
        map->used[i] = 0;
        for (const char *const *k = known; *k; k++)
            map->used[i] |= strcmp(*k, map->keys[i]->text) == 0;
    }
    node_report_unused(diags, map, DIAG_ERROR, known);
    return step->from && (step->to || inject);
}

/* "50/s", "600/m", or a number per second. */
static void
read_rate(Diags *diags, const DocNode *map, Step *step)
{
    const DocNode *node = node_get(map, "rate");
    step->keep_alive = node_bool(diags, map, "keepAlive", false);
    step->connections = (uint32_t)node_int(diags, map, "connections", 1, 1, 1000000);
    step->duration = node_duration(diags, map, "for", 0);
    if (!node_get(map, "for") && !step->count)
        node_diag(diags, DIAG_ERROR, map, "a load needs \"for\" (how long) or \"count\" (how many)");
    if (!node) {
        node_require(diags, map, "rate");
        return;
    }
    if (!node_expect(diags, node, NODE_SCALAR))
        return;
    char *end;
    double rate = g_ascii_strtod(node->text, &end);
    double per = strcmp(end, "/s") == 0 || !*end ? 1 : strcmp(end, "/m") == 0 ? 60 : strcmp(end, "/h") == 0 ? 3600 : 0;
    if (end == node->text || per == 0 || !(rate > 0) || rate / per > 1e7) {
        node_diag(diags, DIAG_ERROR, node, "\"%s\" is not a rate such as 50/s or 600/m (at most 10000000/s)",
                  node->text);
        return;
    }
    step->rate = rate / per;
}

/* hold: true, or how long. */
static void
read_hold(Diags *diags, const DocNode *map, Step *step)
{
    const DocNode *node = node_get(map, "hold");
    if (!node)
        return;
    if (node->kind == NODE_SCALAR && g_ascii_isdigit(*node->text)) {
        step->hold = node_read_duration(diags, node, &step->hold_for);
        return;
    }
    node_read_bool(diags, node, &step->hold);
    step->hold_for = SIMTIME_NEVER;
}

/* A whole object, in place. */
static bool
read_apply(Diags *diags, Strings *strings, const DocNode *map, Step *step)
{
    const char *kind = node_require(diags, map, "kind") ? node_str(diags, map, "kind", NULL) : NULL;

    if (!kind)
        return false;
    if (!api_kind_parse(kind, &step->kind)) {
        node_diag(diags, DIAG_ERROR, node_get(map, "kind"), "\"%s\" is no kind that can be applied", kind);
        return false;
    }
    step->body = node_keep(strings, map);
    return true;
}

static bool
read_object_step(Diags *diags, Strings *strings, const DocNode *map, Step *step)
{
    static const uint32_t any = ~0u;
    static const uint32_t workloads =
        1u << KIND_DEPLOYMENT | 1u << KIND_REPLICASET | 1u << KIND_STATEFULSET | 1u << KIND_DAEMONSET;
    bool node_only = step->verb == STEP_CORDON || step->verb == STEP_UNCORDON || step->verb == STEP_DRAIN;
    bool workload_only = step->verb == STEP_SCALE || step->verb == STEP_ROLLOUT;
    if (!read_object_ref(diags, strings, map, step, node_only ? 1u << KIND_NODE : workload_only ? workloads : any))
        return false;
    if (step->verb == STEP_PATCH) {
        static const char *const known[] = {"spec", "metadata", "status", "endpoints", "ports", NULL};
        for (const char *const *k = known; *k; k++)
            node_get(map, *k);
        node_report_unused(diags, map, DIAG_ERROR, known);
        step->body = keep_rest(strings, map, step->target);
        step->target = NULL;
        if (!step->body)
            node_diag(diags, DIAG_ERROR, map, "a patch without fields to change");
        return step->body != NULL;
    }
    static const char *const scale_known[] = {"deployment", "statefulset", "replicaset", "replicas", NULL};
    static const char *const workload_known[] = {"deployment", "statefulset", "daemonset", "replicaset", NULL};
    static const char *const node_known[] = {"node", NULL};
    if (step->verb == STEP_SCALE) {
        node_require(diags, map, "replicas");
        step->replicas = (int32_t)node_int(diags, map, "replicas", 0, 0, 1000000);
    }
    node_report_unused(diags, map, DIAG_ERROR,
                       node_only                  ? node_known
                       : step->verb == STEP_SCALE ? scale_known
                                                  : workload_known);
    return true;
}

/* The key that is a kind: {deployment: [ns/]name}.  step->target is the key for the caller's use. */
static bool
read_object_ref(Diags *diags, Strings *strings, const DocNode *map, Step *step, uint32_t kinds)
{
    for (uint32_t i = 0; i < map->n; i++) {
        ApiKind kind;
        if (!api_kind_parse(map->keys[i]->text, &kind) || strcmp(map->keys[i]->text, "endpoints") == 0)
            continue;
        if (!(kinds & 1u << kind)) {
            node_diag(diags, DIAG_ERROR, map->keys[i], "%s does not work on a %s", verbs[step->verb],
                      api_kind_info(kind)->name);
            return false;
        }
        const char *text = node_str(diags, map, map->keys[i]->text, NULL);
        if (!text)
            return false;
        const char *slash = strchr(text, '/');
        step->kind = kind;
        step->ns = !api_kind_info(kind)->namespaced ? ""
                   : slash                          ? strings_add_len(strings, text, (size_t)(slash - text))
                                                    : "default";
        step->object = strings_add(strings, slash ? slash + 1 : text);
        step->object_mark = map->items[i]->mark;
        step->target = step->verb == STEP_PATCH ? map->keys[i]->text : NULL;
        return true;
    }
    node_diag(diags, DIAG_ERROR, map, "%s needs an object such as \"%s\"", verbs[step->verb],
              kinds == 1u << KIND_NODE ? "node: worker-1" : "deployment: web");
    return false;
}

/* {node: x}, {link: node/eth0}, {pod: [ns/]x}, {application: [ns/]pod}, {kubeProxy: node}, {loadBalancer: name}. */
static bool
read_target(Diags *diags, Strings *strings, const DocNode *map, Step *step)
{
    static const char *const keys[] = {"node", "link", "pod", "application", "kubeProxy", "loadBalancer", NULL};
    static const char *const fail_known[] = {"node",      "link",         "pod", "application",
                                             "kubeProxy", "loadBalancer", "for", NULL};
    static const char *const prefixes[] = {"node/", "link/", "pod/", "app/", "kube-proxy/", "lb/"};
    for (int k = 0; keys[k]; k++) {
        if (!node_get(map, keys[k]))
            continue;
        if (step->target) {
            node_diag(diags, DIAG_ERROR, node_get(map, keys[k]), "%s works on one thing at a time", verbs[step->verb]);
            return false;
        }
        const char *text = node_str(diags, map, keys[k], NULL);
        if (!text)
            return false;
        bool default_ns = (k == 2 || k == 3) && !strchr(text, '/');
        bool whole_lb = k == 5 && (strcmp(text, "true") == 0 || strcmp(text, "lb") == 0 || !*text);
        step->object_mark = node_mark(map, keys[k]);
        step->target =
            whole_lb ? "lb" : strings_printf(strings, "%s%s%s", prefixes[k], default_ns ? "default/" : "", text);
        if (k == 0) {
            step->kind = KIND_NODE;
            step->ns = "";
            step->object = strings_add(strings, text);
        }
    }
    if (!step->target) {
        node_diag(diags, DIAG_ERROR, map, "%s needs one of node, link, pod, application, kubeProxy, loadBalancer",
                  verbs[step->verb]);
        if (map->n > 0)
            diag_did_you_mean(diags, map->keys[0]->text, keys);
        return false;
    }
    if (step->verb == STEP_FAIL)
        step->duration = node_duration(diags, map, "for", 0);
    if (step->verb == STEP_SET) {
        static const char *const known[] = {
            "node", "link", "pod",  "application", "kubeProxy", "loadBalancer", "sysctls",  "latency",
            "loss", "mtu",  "rate", "queueBytes",  "hairpin",   "badChecksum",  "settings", NULL};
        for (const char *const *p = known; *p; p++)
            node_get(map, *p);
        node_report_unused(diags, map, DIAG_ERROR, known);
        step->body = node_keep(strings, map);
        return true;
    }
    node_report_unused(diags, map, DIAG_ERROR, step->verb == STEP_FAIL ? fail_known : keys);
    return true;
}

/* The mapping without one key; NULL if nothing is left. */
static const DocNode *
keep_rest(Strings *strings, const DocNode *map, const char *but)
{
    DocNode rest = *map;
    g_autofree DocNode **keys = g_new(DocNode *, map->n);
    g_autofree DocNode **items = g_new(DocNode *, map->n);
    rest.n = 0;
    for (uint32_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, but) == 0)
            continue;
        keys[rest.n] = map->keys[i];
        items[rest.n++] = map->items[i];
    }
    rest.keys = keys;
    rest.items = items;
    return rest.n ? node_keep(strings, &rest) : NULL;
}
