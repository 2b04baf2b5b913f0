/* Pod and the pod template's spec: decode and encode */

#include <string.h>

#include "model/api/api_encode.h"

#define SECOND INT64_C(1000000000)

static const char *const phases[] = {"Pending", "Running", "Succeeded", "Failed", NULL};
static const char *const spec_known[] = {"nodeName",
                                         "hostNetwork",
                                         "subdomain",
                                         "hostname",
                                         "containers",
                                         "terminationGracePeriodSeconds",
                                         "nodeSelector",
                                         "dnsPolicy",
                                         "priorityClassName",
                                         "readinessGates",
                                         "activeDeadlineSeconds",
                                         "affinity",
                                         "automountServiceAccountToken",
                                         "dnsConfig",
                                         "enableServiceLinks",
                                         "ephemeralContainers",
                                         "hostAliases",
                                         "hostIPC",
                                         "hostPID",
                                         "hostUsers",
                                         "imagePullSecrets",
                                         "initContainers",
                                         "os",
                                         "overhead",
                                         "preemptionPolicy",
                                         "priority",
                                         "resourceClaims",
                                         "resources",
                                         "restartPolicy",
                                         "runtimeClassName",
                                         "schedulerName",
                                         "schedulingGates",
                                         "securityContext",
                                         "serviceAccount",
                                         "serviceAccountName",
                                         "setHostnameAsFQDN",
                                         "shareProcessNamespace",
                                         "tolerations",
                                         "topologySpreadConstraints",
                                         "volumes",
                                         NULL};
static const char *const container_known[] = {"name",
                                              "image",
                                              "ports",
                                              "readinessProbe",
                                              "livenessProbe",
                                              "startupProbe",
                                              "lifecycle",
                                              "resources",
                                              "args",
                                              "command",
                                              "env",
                                              "envFrom",
                                              "imagePullPolicy",
                                              "resizePolicy",
                                              "restartPolicy",
                                              "securityContext",
                                              "stdin",
                                              "stdinOnce",
                                              "terminationMessagePath",
                                              "terminationMessagePolicy",
                                              "tty",
                                              "volumeDevices",
                                              "volumeMounts",
                                              "workingDir",
                                              NULL};

static void read_tolerations(ApiReader *r, const DocNode *spec, PodSpec *ret_spec);
static void put_tolerations(DocOut *out, const PodSpec *spec);
static void read_container(ApiReader *r, const DocNode *node, Container *c);
static void read_probe(ApiReader *r, const DocNode *container, const char *key, Probe *ret_probe);
static int64_t read_pre_stop(ApiReader *r, const DocNode *node);
static void read_pod_ips(ApiReader *r, const DocNode *status, Pod *pod);
static DocNode *container_encode(DocArena *arena, const Container *c);
static void put_probe(DocOut *out, const char *key, const Probe *probe);

bool
pod_decode(ApiReader *r, const DocNode *root, Pod *pod)
{
    if (!node_require(r->diags, root, "spec"))
        return false;
    read_pod_spec(r, node_map(r->diags, root, "spec"), &pod->spec);
    const DocNode *status = node_map(r->diags, root, "status");
    pod->phase = (PodPhase)node_enum(r->diags, status, "phase", POD_PENDING, phases);
    bool found;
    pod->ready = read_condition(r, status, "Ready", &found);
    if (!found)
        pod->ready = pod->phase == POD_RUNNING;
    read_pod_ips(r, status, pod);
    const DocNode *host = node_get(status, "hostIP");
    if (host)
        read_ip(r, host, &pod->host_ip);
    return true;
}

DocNode *
pod_encode(DocArena *arena, const Pod *pod, DocNode **ret_status)
{
    DocOut status = {.arena = arena}, condition = {.arena = arena}, conditions = {.arena = arena};
    char buf[IPADDR_STR_SIZE];
    put_text(&status, "phase", phases[pod->phase]);
    put_text(&condition, "type", "Ready");
    put_text(&condition, "status", pod->ready ? "True" : "False");
    put_item(&conditions, out_map(&condition));
    put_node(&status, "conditions", out_seq(&conditions));
    static const IpAddr unset;
    if (!ipaddr_eq(pod->host_ip, unset))
        put_text(&status, "hostIP", ipaddr_format(pod->host_ip, buf));
    DocOut ips = {.arena = arena};
    for (uint32_t i = 0; i < pod->n_ips; i++) {
        DocOut entry = {.arena = arena};
        put_text(&entry, "ip", ipaddr_format(pod->ips[i], buf));
        put_item(&ips, out_map(&entry));
    }
    if (pod->n_ips) {
        put_text(&status, "podIP", ipaddr_format(pod->ips[0], buf));
        put_node(&status, "podIPs", out_seq(&ips));
    }
    *ret_status = out_map(&status);
    return pod_spec_encode(arena, &pod->spec);
}

/* kubelet's killContainer(): what preStop needs comes out of the grace period.  An API server refuses that of a sleep
 * action (validateSleepAction()), not of a command. */
static void
warn_of_short_grace(ApiReader *r, const DocNode *container, const Container *c, int64_t grace_ns)
{
    node_diag(r->diags, DIAG_WARNING, node_get(container, "lifecycle"),
              "preStop sleeps %g s, but terminationGracePeriodSeconds is %g: the kubelet ends it then",
              (double)c->pre_stop_ns / SECOND, (double)grace_ns / SECOND);
    diag_hint(r->diags, "an API server refuses a sleep action that is longer than the grace period");
}

void
read_pod_spec(ApiReader *r, const DocNode *spec, PodSpec *ret_spec)
{
    ret_spec->node_name = read_text(r, spec, "nodeName", NULL);
    if (ret_spec->node_name && !*ret_spec->node_name)
        ret_spec->node_name = NULL;
    ret_spec->host_network = node_bool(r->diags, spec, "hostNetwork", false);
    ret_spec->subdomain = read_text(r, spec, "subdomain", NULL);
    ret_spec->hostname = read_text(r, spec, "hostname", NULL);
    ret_spec->grace_ns = node_int(r->diags, spec, "terminationGracePeriodSeconds", 30, 0, 86400 * 365) * SECOND;
    ret_spec->node_selector = read_labels(r, spec, "nodeSelector");
    ret_spec->dns_policy = read_text(r, spec, "dnsPolicy", "ClusterFirst");
    ret_spec->priority_class = read_text(r, spec, "priorityClassName", NULL);
    const DocNode *gates = node_seq(r->diags, spec, "readinessGates");
    if (gates && gates->n)
        ret_spec->readiness_gates = g_new(const char *, gates->n);
    for (uint32_t i = 0; gates && i < gates->n; i++)
        if (node_expect(r->diags, gates->items[i], NODE_MAPPING))
            ret_spec->readiness_gates[ret_spec->n_readiness_gates++] =
                read_text(r, gates->items[i], "conditionType", "");
    read_tolerations(r, spec, ret_spec);
    const DocNode *containers = node_seq(r->diags, spec, "containers");
    if (spec && (!containers || !containers->n))
        node_diag(r->diags, DIAG_ERROR, spec, "missing field \"containers\"");
    if (containers && containers->n)
        ret_spec->containers = g_new0(Container, containers->n);
    for (uint32_t i = 0; containers && i < containers->n; i++) {
        if (!node_expect(r->diags, containers->items[i], NODE_MAPPING))
            continue;
        Container *c = &ret_spec->containers[ret_spec->n_containers++];
        read_container(r, containers->items[i], c);
        if (c->pre_stop_ns > ret_spec->grace_ns)
            warn_of_short_grace(r, containers->items[i], c, ret_spec->grace_ns);
    }
    node_report_unused(r->diags, spec, DIAG_NOTE, spec_known);
}

DocNode *
pod_spec_encode(DocArena *arena, const PodSpec *spec)
{
    DocOut out = {.arena = arena}, containers = {.arena = arena}, gates = {.arena = arena};
    put_text(&out, "nodeName", spec->node_name);
    if (spec->host_network)
        put_bool(&out, "hostNetwork", true);
    put_text(&out, "subdomain", spec->subdomain);
    put_text(&out, "hostname", spec->hostname);
    put_int(&out, "terminationGracePeriodSeconds", spec->grace_ns / SECOND);
    put_labels(&out, "nodeSelector", &spec->node_selector);
    put_text(&out, "dnsPolicy", spec->dns_policy);
    put_text(&out, "priorityClassName", spec->priority_class);
    for (uint32_t i = 0; i < spec->n_readiness_gates; i++) {
        DocOut gate = {.arena = arena};
        put_text(&gate, "conditionType", spec->readiness_gates[i]);
        put_item(&gates, out_map(&gate));
    }
    if (spec->n_readiness_gates)
        put_node(&out, "readinessGates", out_seq(&gates));
    put_tolerations(&out, spec);
    for (uint32_t i = 0; i < spec->n_containers; i++)
        put_item(&containers, container_encode(arena, &spec->containers[i]));
    put_node(&out, "containers", out_seq(&containers));
    return out_map(&out);
}

static void
read_tolerations(ApiReader *r, const DocNode *spec, PodSpec *ret_spec)
{
    static const char *const known[] = {"key", "operator", "value", "effect", "tolerationSeconds", NULL};
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    const DocNode *list = node_seq(r->diags, spec, "tolerations");
    if (!list || !list->n)
        return;
    ret_spec->tolerations = g_new0(Toleration, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        const DocNode *item = list->items[i];
        if (!node_expect(r->diags, item, NODE_MAPPING))
            continue;
        Toleration t = {.key = read_text(r, item, "key", ""), .value = read_text(r, item, "value", NULL)};
        t.exists = node_enum(r->diags, item, "operator", 0, operators) == 1;
        t.effect = read_text(r, item, "effect", NULL);
        if (t.effect && !*t.effect)
            t.effect = NULL;
        if (t.effect)
            node_enum(r->diags, item, "effect", 0, effects);
        t.seconds = node_get(item, "tolerationSeconds")
                        ? node_int(r->diags, item, "tolerationSeconds", 0, INT32_MIN, INT64_MAX)
                        : -1;
        if (node_get(item, "tolerationSeconds"))
            t.seconds = MAX(0, t.seconds);
        if (!*t.key && !t.exists)
            node_diag(r->diags, DIAG_ERROR, item, "a toleration without a key needs operator: Exists");
        else if (t.exists && t.value && *t.value)
            node_diag(r->diags, DIAG_ERROR, node_get(item, "value"), "operator Exists takes no value");
        else if (node_get(item, "tolerationSeconds") && g_strcmp0(t.effect, "NoExecute") != 0)
            node_diag(r->diags, DIAG_ERROR, node_get(item, "tolerationSeconds"),
                      "tolerationSeconds needs effect: NoExecute");
        else
            ret_spec->tolerations[ret_spec->n_tolerations++] = t;
        node_report_unused(r->diags, item, DIAG_NOTE, known);
    }
}

static void
put_tolerations(DocOut *out, const PodSpec *spec)
{
    DocOut list = {.arena = out->arena};
    for (uint32_t i = 0; i < spec->n_tolerations; i++) {
        const Toleration *t = &spec->tolerations[i];
        DocOut item = {.arena = out->arena};
        if (*t->key)
            put_text(&item, "key", t->key);
        put_text(&item, "operator", t->exists ? "Exists" : "Equal");
        put_text(&item, "value", t->value);
        put_text(&item, "effect", t->effect);
        if (t->seconds >= 0)
            put_int(&item, "tolerationSeconds", t->seconds);
        put_item(&list, out_map(&item));
    }
    if (spec->n_tolerations)
        put_node(out, "tolerations", out_seq(&list));
}

static void
read_container(ApiReader *r, const DocNode *node, Container *c)
{
    static const char *const port_known[] = {"name", "containerPort", "hostPort", "protocol", "hostIP", NULL};
    c->name = read_text(r, node, "name", "");
    c->image = read_text(r, node, "image", "");
    const DocNode *ports = node_seq(r->diags, node, "ports");
    if (ports && ports->n)
        c->ports = g_new0(ContainerPort, ports->n);
    for (uint32_t i = 0; ports && i < ports->n; i++) {
        const DocNode *port = ports->items[i];
        if (!node_expect(r->diags, port, NODE_MAPPING) || !node_require(r->diags, port, "containerPort"))
            continue;
        c->ports[c->n_ports++] = (ContainerPort){
            .name = read_text(r, port, "name", NULL),
            .port = (uint16_t)node_int(r->diags, port, "containerPort", 0, 1, 65535),
            .host_port = read_port(r, port, "hostPort"),
            .proto = read_proto(r, port, "protocol"),
        };
        node_report_unused(r->diags, port, DIAG_NOTE, port_known);
    }
    read_probe(r, node, "readinessProbe", &c->readiness);
    read_probe(r, node, "livenessProbe", &c->liveness);
    read_probe(r, node, "startupProbe", &c->startup);
    c->pre_stop_ns = read_pre_stop(r, node);
    const DocNode *resources = node_map(r->diags, node, "resources");
    c->cpu_request_milli = read_cpu(r, node_map(r->diags, resources, "requests"), "cpu");
    node_report_unused(r->diags, node, DIAG_NOTE, container_known);
}

static void
read_probe(ApiReader *r, const DocNode *container, const char *key, Probe *ret_probe)
{
    static const char *const known[] = {"httpGet",
                                        "tcpSocket",
                                        "exec",
                                        "grpc",
                                        "initialDelaySeconds",
                                        "periodSeconds",
                                        "timeoutSeconds",
                                        "successThreshold",
                                        "failureThreshold",
                                        "terminationGracePeriodSeconds",
                                        NULL};
    static const char *const kinds[] = {"httpGet", "tcpSocket", "exec", "grpc"};
    static const ProbeKind kind_ids[] = {PROBE_HTTP, PROBE_TCP, PROBE_EXEC, PROBE_GRPC};
    const DocNode *probe = node_map(r->diags, container, key);
    if (!probe)
        return;
    for (int k = 0; k < 4; k++) {
        const DocNode *action = node_map(r->diags, probe, kinds[k]);
        if (!action)
            continue;
        if (ret_probe->kind != PROBE_NONE)
            node_diag(r->diags, DIAG_ERROR, action, "a probe has one of httpGet, tcpSocket, exec and grpc");
        ret_probe->kind = kind_ids[k];
        if (k == 2)
            continue;
        if (node_require(r->diags, action, "port"))
            ret_probe->port = read_port_ref(r, action, "port", &ret_probe->port_name);
        ret_probe->path = k == 0 ? read_text(r, action, "path", "/") : NULL;
    }
    ret_probe->initial_delay_s = (int32_t)node_int(r->diags, probe, "initialDelaySeconds", 0, 0, INT32_MAX);
    ret_probe->period_s = (int32_t)node_int(r->diags, probe, "periodSeconds", 10, 1, INT32_MAX);
    ret_probe->timeout_s = (int32_t)node_int(r->diags, probe, "timeoutSeconds", 1, 1, INT32_MAX);
    ret_probe->success = (int32_t)node_int(r->diags, probe, "successThreshold", 1, 1, INT32_MAX);
    ret_probe->failure = (int32_t)node_int(r->diags, probe, "failureThreshold", 3, 1, INT32_MAX);
    node_report_unused(r->diags, probe, DIAG_NOTE, known);
}

/* preStop: sleep.seconds, or the "sleep N" in a command. */
static int64_t
read_pre_stop(ApiReader *r, const DocNode *node)
{
    const DocNode *pre_stop = node_map(r->diags, node_map(r->diags, node, "lifecycle"), "preStop");
    if (!pre_stop)
        return -1;
    const DocNode *sleep = node_map(r->diags, pre_stop, "sleep");
    if (sleep)
        return node_int(r->diags, sleep, "seconds", 0, 0, 86400) * SECOND;
    const DocNode *command = node_seq(r->diags, node_map(r->diags, pre_stop, "exec"), "command");
    for (uint32_t i = 0; command && i < command->n; i++) {
        const char *word = command->items[i]->kind == NODE_SCALAR ? command->items[i]->text : "";
        const char *at = strstr(word, "sleep");
        const char *number = at ? at + 5 : "";
        if (at && !*number && i + 1 < command->n && command->items[i + 1]->kind == NODE_SCALAR)
            number = command->items[i + 1]->text;
        char *end;
        double seconds = g_ascii_strtod(number, &end);
        if (at && end != number && seconds >= 0 && seconds <= 86400)
            return (int64_t)(seconds * (double)SECOND);
    }
    node_diag(r->diags, DIAG_WARNING, pre_stop, "only sleeping is modelled of a preStop hook, taken as no wait");
    return -1;
}

static void
read_pod_ips(ApiReader *r, const DocNode *status, Pod *pod)
{
    const DocNode *ips = node_seq(r->diags, status, "podIPs");
    for (uint32_t i = 0; ips && i < ips->n && pod->n_ips < 2; i++)
        if (node_expect(r->diags, ips->items[i], NODE_MAPPING) &&
            read_ip(r, node_get(ips->items[i], "ip"), &pod->ips[pod->n_ips]))
            pod->n_ips++;
    const DocNode *ip = node_get(status, "podIP");
    if (!pod->n_ips && ip && *ip->text && read_ip(r, ip, &pod->ips[0]))
        pod->n_ips = 1;
}

static DocNode *
container_encode(DocArena *arena, const Container *c)
{
    DocOut out = {.arena = arena}, ports = {.arena = arena};
    put_text(&out, "name", c->name);
    put_text(&out, "image", c->image);
    for (uint32_t i = 0; i < c->n_ports; i++) {
        DocOut port = {.arena = arena};
        put_text(&port, "name", c->ports[i].name);
        put_int(&port, "containerPort", c->ports[i].port);
        if (c->ports[i].host_port)
            put_int(&port, "hostPort", c->ports[i].host_port);
        put_text(&port, "protocol", proto_text(c->ports[i].proto));
        put_item(&ports, out_map(&port));
    }
    if (c->n_ports)
        put_node(&out, "ports", out_seq(&ports));
    put_probe(&out, "readinessProbe", &c->readiness);
    put_probe(&out, "livenessProbe", &c->liveness);
    put_probe(&out, "startupProbe", &c->startup);
    if (c->pre_stop_ns >= 0) {
        DocOut sleep = {.arena = arena}, pre_stop = {.arena = arena}, lifecycle = {.arena = arena};
        put_int(&sleep, "seconds", c->pre_stop_ns / SECOND);
        put_node(&pre_stop, "sleep", out_map(&sleep));
        put_node(&lifecycle, "preStop", out_map(&pre_stop));
        put_node(&out, "lifecycle", out_map(&lifecycle));
    }
    if (c->cpu_request_milli) {
        DocOut requests = {.arena = arena}, resources = {.arena = arena};
        g_autofree char *cpu = g_strdup_printf("%" G_GINT64_FORMAT "m", c->cpu_request_milli);
        put_text(&requests, "cpu", cpu);
        put_node(&resources, "requests", out_map(&requests));
        put_node(&out, "resources", out_map(&resources));
    }
    return out_map(&out);
}

static void
put_probe(DocOut *out, const char *key, const Probe *probe)
{
    static const char *const kinds[] = {
        [PROBE_HTTP] = "httpGet", [PROBE_TCP] = "tcpSocket", [PROBE_EXEC] = "exec", [PROBE_GRPC] = "grpc"};
    if (probe->kind == PROBE_NONE)
        return;
    DocOut node = {.arena = out->arena}, action = {.arena = out->arena};
    put_text(&action, "path", probe->path);
    if (probe->port_name)
        put_text(&action, "port", probe->port_name);
    else if (probe->port)
        put_int(&action, "port", probe->port);
    put_node(&node, kinds[probe->kind], out_map(&action));
    put_int(&node, "initialDelaySeconds", probe->initial_delay_s);
    put_int(&node, "periodSeconds", probe->period_s);
    put_int(&node, "timeoutSeconds", probe->timeout_s);
    put_int(&node, "successThreshold", probe->success);
    put_int(&node, "failureThreshold", probe->failure);
    put_node(out, key, out_map(&node));
}
