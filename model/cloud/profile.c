#include "model/cloud/profile.h"

#include <string.h>

static const char *const path_names[] = {"proxy", "nat", "dsr", "route", "announce", NULL};
static const char *const hash_names[] = {
    "5-tuple", "3-tuple", "source", "maglev", "ecmp", "ecmp-resilient", "round-robin", "least-connections", NULL};
static const char *const target_names[] = {"nodes", "pods", NULL};
static const char *const client_ip_names[] = {"replaced", "preserved", NULL};
static const char *const proxy_protocol_names[] = {"none", "v1", "v2", NULL};
static const char *const no_target_names[] = {"fail-open", "drop", "refuse", NULL};
static const char *const flows_names[] = {"persist", "reset", "move", NULL};
static const char *const ip_mode_names[] = {"VIP", "Proxy", "hostname", NULL};
static const char *const probe_names[] = {"none", "tcp", "http", NULL};
static const char *const announce_names[] = {"l2", "bgp", NULL};
static const char *const idle_names[] = {"silent", "rst", NULL};
static const char *const hairpin_names[] = {"drop", "allow", NULL};

static void read_probe(Diags *diags, Strings *strings, const DocNode *map, LbProbe *probe);
static void read_client_ip(Diags *diags, const DocNode *map, LbProfile *profile);
static void read_protocols(Diags *diags, const DocNode *list, uint8_t *ret_protocols);
static void read_pool(Diags *diags, const DocNode *map, const char *key, IpFamily family, IpPrefix *pool);
static char *try_file(const char *dir, const char *sub, const char *name);
static void report_missing(Input *input, const char *beside);
static bool load_file(Input *input, const char *path, LbProfile *profile);

const char *
lb_path_name(LbPath path)
{
    return path_names[path];
}

const char *
lb_hash_name(LbHash hash)
{
    return hash_names[hash];
}

void
lb_profile_default(LbProfile *p)
{
    static const LbProbe http = {.kind = LB_PROBE_HTTP,
                                 .path = "/healthz",
                                 .interval = 10 * SIMTIME_SEC,
                                 .timeout = 5 * SIMTIME_SEC,
                                 .healthy = 2,
                                 .unhealthy = 2,
                                 .phase = -1};

    *p = (LbProfile){.name = "generic",
                     .path = LB_PATH_NAT,
                     .client_ip = true,
                     .client_ip_udp = true,
                     .cross_zone = true,
                     .hairpin = true,
                     .probe = {http, http},
                     .no_target = LB_DROP,
                     .drain = 30 * SIMTIME_SEC,
                     .idle_tcp = 350 * SIMTIME_SEC,
                     .idle_udp = 120 * SIMTIME_SEC,
                     .provision = 5 * SIMTIME_SEC,
                     .node_sync = 100 * SIMTIME_SEC,
                     .target_sync = 1 * SIMTIME_SEC,
                     .failover = 10 * SIMTIME_SEC,
                     .probe_source = IPADDR_ANY4};
    p->probe[POLICY_CLUSTER].port = 10256;
    p->probe[POLICY_LOCAL].port = LB_PORT_HEALTH_CHECK;
    ipprefix_parse("203.0.113.192/26", &p->vip_pools[0]);
    ipprefix_parse("2001:db8:f::/64", &p->vip_pools[1]);
}

void
lb_profile_overlay(Diags *diags, Strings *strings, const DocNode *map, LbProfile *p)
{
    static const char *const known[] = {"profile",
                                        "description",
                                        "dataPath",
                                        "hash",
                                        "targets",
                                        "clientIP",
                                        "weighted",
                                        "announce",
                                        "forwardedFor",
                                        "idleTimeout",
                                        "crossZone",
                                        "hairpin",
                                        "probe",
                                        "noHealthyTarget",
                                        "unhealthyFlows",
                                        "proxyProtocol",
                                        "ipMode",
                                        "hostnameSuffix",
                                        "loadBalancerClass",
                                        "deregistrationDelay",
                                        "latency",
                                        "probeSource",
                                        "addresses",
                                        "maxFlowsPerTarget",
                                        "sessionAffinity",
                                        "protocols",
                                        NULL};
    static const char *const idle_known[] = {"tcp", "udp", "action", NULL};
    static const char *const probe_known[] = {"cluster", "local", NULL};
    static const char *const latency_known[] = {"provision", "nodeSync", "targetSync", "deregister", "failover", NULL};
    static const char *const pool_known[] = {"ipv4", "ipv6", NULL};
    const DocNode *idle = node_map(diags, map, "idleTimeout"), *probe = node_map(diags, map, "probe");
    const DocNode *latency = node_map(diags, map, "latency"), *pools = node_map(diags, map, "addresses");
    const char *source = node_str(diags, map, "probeSource", NULL);

    p->mark = map->mark;
    node_str(diags, map, "profile", NULL);
    node_str(diags, map, "description", NULL);
    p->path = (LbPath)node_enum(diags, map, "dataPath", (int)p->path, path_names);
    p->hash = (LbHash)node_enum(diags, map, "hash", (int)p->hash, hash_names);
    p->targets = (LbTargetKind)node_enum(diags, map, "targets", (int)p->targets, target_names);
    read_client_ip(diags, map, p);
    read_protocols(diags, node_get(map, "protocols"), &p->protocols);
    p->affinity = node_bool(diags, map, "sessionAffinity", p->affinity);
    p->weighted = node_bool(diags, map, "weighted", p->weighted);
    p->forwarded_for = node_bool(diags, map, "forwardedFor", p->forwarded_for);
    p->bgp = node_enum(diags, map, "announce", p->bgp, announce_names);
    p->cross_zone = node_bool(diags, map, "crossZone", p->cross_zone);
    p->hairpin = node_enum(diags, map, "hairpin", p->hairpin, hairpin_names);
    p->no_target = (LbNoTarget)node_enum(diags, map, "noHealthyTarget", (int)p->no_target, no_target_names);
    p->unhealthy_flows =
        (LbUnhealthyFlows)node_enum(diags, map, "unhealthyFlows", (int)p->unhealthy_flows, flows_names);
    p->proxy_protocol =
        (LbProxyProtocol)node_enum(diags, map, "proxyProtocol", (int)p->proxy_protocol, proxy_protocol_names);
    p->ip_mode = (LbIpMode)node_enum(diags, map, "ipMode", (int)p->ip_mode, ip_mode_names);
    p->hostname_suffix = strings_add(strings, node_str(diags, map, "hostnameSuffix", p->hostname_suffix));
    p->lb_class = strings_add(strings, node_str(diags, map, "loadBalancerClass", p->lb_class));
    p->drain = node_duration(diags, map, "deregistrationDelay", p->drain);
    p->max_flows = (uint32_t)node_int(diags, map, "maxFlowsPerTarget", p->max_flows, 0, 64512);
    p->idle_tcp = node_duration(diags, idle, "tcp", p->idle_tcp);
    p->idle_udp = node_duration(diags, idle, "udp", p->idle_udp);
    p->idle_rst = node_enum(diags, idle, "action", p->idle_rst, idle_names);
    p->provision = node_duration(diags, latency, "provision", p->provision);
    p->node_sync = node_duration(diags, latency, "nodeSync", p->node_sync);
    p->target_sync = node_duration(diags, latency, "targetSync", p->target_sync);
    p->deregister = node_duration(diags, latency, "deregister", p->deregister);
    p->failover = node_duration(diags, latency, "failover", p->failover);
    if (source && !ipaddr_parse(source, &p->probe_source))
        node_diag(diags, DIAG_ERROR, node_get(map, "probeSource"), "\"%s\" is not an IP address", source);
    read_probe(diags, strings, node_map(diags, probe, "cluster"), &p->probe[POLICY_CLUSTER]);
    read_probe(diags, strings, node_map(diags, probe, "local"), &p->probe[POLICY_LOCAL]);
    read_pool(diags, pools, "ipv4", FAMILY_IPV4, &p->vip_pools[0]);
    read_pool(diags, pools, "ipv6", FAMILY_IPV6, &p->vip_pools[1]);
    node_report_unused(diags, map, DIAG_ERROR, known);
    if (idle)
        node_report_unused(diags, idle, DIAG_ERROR, idle_known);
    if (probe)
        node_report_unused(diags, probe, DIAG_ERROR, probe_known);
    if (latency)
        node_report_unused(diags, latency, DIAG_ERROR, latency_known);
    if (pools)
        node_report_unused(diags, pools, DIAG_ERROR, pool_known);
}

/* clientIP: preserved, or {tcp: replaced, udp: preserved} */
static void
read_client_ip(Diags *diags, const DocNode *map, LbProfile *p)
{
    static const char *const known[] = {"tcp", "udp", NULL};
    const DocNode *node = node_get(map, "clientIP");

    if (!node)
        return;
    if (node->kind != NODE_MAPPING) {
        p->client_ip = p->client_ip_udp = node_enum(diags, map, "clientIP", p->client_ip, client_ip_names);
        return;
    }
    p->client_ip = node_enum(diags, node, "tcp", p->client_ip, client_ip_names);
    p->client_ip_udp = node_enum(diags, node, "udp", p->client_ip_udp, client_ip_names);
    node_report_unused(diags, node, DIAG_ERROR, known);
}

static void
read_protocols(Diags *diags, const DocNode *list, uint8_t *ret_protocols)
{
    static const char *const names[] = {"TCP", "UDP", "SCTP", NULL};
    int which;

    if (!list || !node_expect(diags, list, NODE_SEQUENCE))
        return;
    *ret_protocols = 0;
    for (uint32_t i = 0; i < list->n; i++)
        if (node_read_enum(diags, list->items[i], names, &which))
            *ret_protocols |= (uint8_t)(1u << which);
    if (list->n == 0)
        node_diag(diags, DIAG_ERROR, list, "a load balancer carries at least one protocol");
}

static void
read_probe_port(Diags *diags, const DocNode *map, LbProbe *probe)
{
    const char *text = node_str(diags, map, "port", NULL);
    const DocNode *node = node_get(map, "port");
    int64_t number;

    if (!text)
        return;
    if (strcmp(text, "traffic") == 0)
        probe->port = LB_PORT_TRAFFIC;
    else if (strcmp(text, "healthCheckNodePort") == 0)
        probe->port = LB_PORT_HEALTH_CHECK;
    else if (!node_is_number(node))
        node_diag(diags, DIAG_ERROR, node, "\"%s\" is not a port: a number, traffic or healthCheckNodePort", text);
    else if (node_read_int(diags, node, 1, 65535, &number))
        probe->port = (int32_t)number;
}

static void
read_probe(Diags *diags, Strings *strings, const DocNode *map, LbProbe *probe)
{
    static const char *const known[] = {"kind",    "port",      "path",  "interval", "timeout",
                                        "healthy", "unhealthy", "phase", "jitter",   NULL};

    if (!map)
        return;
    probe->kind = (LbProbeKind)node_enum(diags, map, "kind", (int)probe->kind, probe_names);
    read_probe_port(diags, map, probe);
    probe->path = strings_add(strings, node_str(diags, map, "path", probe->path));
    probe->interval = node_duration(diags, map, "interval", probe->interval);
    probe->timeout = node_duration(diags, map, "timeout", probe->timeout);
    probe->healthy = (uint32_t)node_int(diags, map, "healthy", probe->healthy, 1, 100);
    probe->unhealthy = (uint32_t)node_int(diags, map, "unhealthy", probe->unhealthy, 1, 100);
    probe->phase = node_duration(diags, map, "phase", probe->phase);
    probe->jitter = node_duration(diags, map, "jitter", probe->jitter);
    if (probe->interval <= 0)
        node_diag(diags, DIAG_ERROR, node_get(map, "interval"), "a probe needs an interval above 0");
    if (probe->timeout <= 0)
        node_diag(diags, DIAG_ERROR, node_get(map, "timeout"), "a probe needs a timeout above 0");
    if (probe->jitter >= probe->interval && probe->jitter > 0)
        node_diag(diags, DIAG_ERROR, node_get(map, "jitter"), "the jitter must be below the interval");
    node_report_unused(diags, map, DIAG_ERROR, known);
}

static void
read_pool(Diags *diags, const DocNode *map, const char *key, IpFamily family, IpPrefix *pool)
{
    const char *text = node_str(diags, map, key, NULL);

    if (!text)
        return;
    if (!ipprefix_parse(text, pool) || ipaddr_family(&pool->addr) != family)
        node_diag(diags, DIAG_ERROR, node_get(map, key), "\"%s\" is not an %s prefix", text,
                  family == FAMILY_IPV4 ? "IPv4" : "IPv6");
}

static bool
speaks_tcp_only(const LbProfile *p)
{
    return p->proxy_protocol != LB_PROXY_PROTOCOL_NONE || p->forwarded_for;
}

uint8_t
lb_profile_protocols(const LbProfile *p)
{
    if (p->protocols)
        return p->protocols;
    if (speaks_tcp_only(p))
        return LB_CARRIES_TCP;
    return LB_CARRIES_TCP | LB_CARRIES_UDP | (p->path == LB_PATH_PROXY ? 0 : LB_CARRIES_SCTP);
}

const char *
lb_protocols_text(uint8_t protocols)
{
    static const char *const texts[] = {"nothing", "TCP",          "UDP",          "TCP and UDP",
                                        "SCTP",    "TCP and SCTP", "UDP and SCTP", "TCP, UDP and SCTP"};

    return texts[protocols & 7];
}

void
lb_profile_check(Diags *diags, const LbProfile *p)
{
    const char *wrong = NULL;

    if (p->proxy_protocol != LB_PROXY_PROTOCOL_NONE && p->path != LB_PATH_PROXY)
        wrong = "proxyProtocol needs dataPath proxy: only who makes the connection can put a header in front";
    else if (p->path == LB_PATH_PROXY && (p->client_ip || p->client_ip_udp))
        wrong = "dataPath proxy cannot preserve the client's address (clientIP: preserved)";
    else if (p->forwarded_for && p->path != LB_PATH_PROXY)
        wrong = "forwardedFor needs dataPath proxy";
    else if (p->path != LB_PATH_PROXY && p->path != LB_PATH_NAT && !(p->client_ip && p->client_ip_udp))
        wrong = "only dataPath proxy and nat can replace the client's address (clientIP: replaced)";
    else if (p->path != LB_PATH_PROXY && p->path != LB_PATH_NAT && p->targets == LB_TARGETS_PODS)
        wrong = "targets pods need dataPath proxy or nat: a pod does not own the load balancer's address";
    else if (p->probe[POLICY_CLUSTER].kind != LB_PROBE_NONE && p->probe[POLICY_CLUSTER].port == LB_PORT_HEALTH_CHECK)
        wrong = "probe.cluster: a Service with externalTrafficPolicy Cluster has no healthCheckNodePort";
    else if (p->path == LB_PATH_PROXY && (p->protocols & LB_CARRIES_SCTP))
        wrong = "protocols: dataPath proxy speaks TCP and UDP, not SCTP";
    else if (speaks_tcp_only(p) && (p->protocols & LB_CARRIES_UDP))
        wrong = "protocols: proxyProtocol and forwardedFor go with TCP only";
    else if (p->ip_mode == LB_IPMODE_HOSTNAME && !p->hostname_suffix)
        wrong = "ipMode hostname needs a hostnameSuffix";
    if (wrong)
        diag(diags, DIAG_ERROR, p->mark, "load balancer %s: %s", p->name, wrong);
}

bool
lb_profile_load(Input *input, LbProfile *p)
{
    const ClusterSpec *spec = &input->cluster;
    uint32_t errors = diags_errors(input->diags);

    lb_profile_default(p);
    if (!spec->lb_profile && !spec->lb_inline)
        return false;
    p->mark = spec->lb_mark;
    if (spec->lb_profile) {
        const char *beside = spec->lb_mark.line ? diags_file_name(input->diags, spec->lb_mark.file) : NULL;
        g_autofree char *path = lb_profile_find(spec->lb_profile, beside);
        p->name = spec->lb_profile;
        if (!path) {
            report_missing(input, beside);
            return false;
        }
        if (!load_file(input, path, p))
            return false;
    }
    if (spec->lb_inline)
        lb_profile_overlay(input->diags, store_strings(input->store), spec->lb_inline, p);
    lb_profile_check(input->diags, p);
    return diags_errors(input->diags) == errors;
}

static bool
load_file(Input *input, const char *path, LbProfile *p)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    static const char *const kinds[] = {"LoadBalancerProfile", NULL};
    DocReader *reader = doc_reader_open(input->diags, path);
    uint32_t errors = diags_errors(input->diags);
    const DocNode *root = reader ? doc_reader_next(reader) : NULL;
    const DocNode *spec;

    if (root) {
        node_require(input->diags, root, "kind");
        node_enum(input->diags, root, "kind", 0, kinds);
        node_str(input->diags, root, "apiVersion", NULL);
        if (node_get(root, "metadata"))
            node_use_all(node_get(root, "metadata"));
        node_require(input->diags, root, "spec");
        spec = node_map(input->diags, root, "spec");
        node_report_unused(input->diags, root, DIAG_ERROR, known);
        if (spec)
            lb_profile_overlay(input->diags, store_strings(input->store), spec, p);
    }
    doc_reader_free(reader);
    return root && diags_errors(input->diags) == errors;
}

/* --- Where profiles are ------------------------------------------------------------------------------------------ */

static char *
try_file(const char *dir, const char *sub, const char *name)
{
    g_autofree char *file = g_strdup_printf("%s.yaml", name);
    char *path = g_build_filename(dir, sub, file, NULL);

    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return path;
    g_free(path);
    return NULL;
}

static const char *const beside_dirs[] = {".", "profiles", "../profiles", NULL};
static const char *const program_dirs[] = {"../share/svcsim/profiles", "../scenarios/profiles",
                                           "../../scenarios/profiles", NULL};

static char *
find_under(const char *base, const char *const *subs, const char *name)
{
    for (; *subs; subs++) {
        char *path = try_file(base, *subs, name);
        if (path)
            return path;
    }
    return NULL;
}

static char *
program_dir(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

    return program ? g_path_get_dirname(program) : g_strdup(".");
}

char *
lb_profile_find(const char *name, const char *beside)
{
    g_autofree char *program = program_dir();
    char *path = NULL;

    if (strchr(name, '/'))
        return NULL;
    if (beside) {
        g_autofree char *dir = g_path_get_dirname(beside);
        path = find_under(dir, beside_dirs, name);
    }
    return path ? path : find_under(program, program_dirs, name);
}

static void
add_names(GPtrArray *names, const char *base, const char *const *subs)
{
    for (; *subs; subs++) {
        g_autofree char *path = g_build_filename(base, *subs, NULL);
        GDir *dir = strcmp(*subs, ".") == 0 ? NULL : g_dir_open(path, 0, NULL);
        const char *file;
        while (dir && (file = g_dir_read_name(dir)))
            if (g_str_has_suffix(file, ".yaml"))
                g_ptr_array_add(names, g_strndup(file, strlen(file) - 5));
        if (dir)
            g_dir_close(dir);
    }
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those that begin with 'prefix', or NULL. */
static char *
names_with_prefix(const GPtrArray *names, const char *prefix)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (guint i = 0; names->pdata[i]; i++)
        if (*prefix && g_str_has_prefix(names->pdata[i], prefix))
            g_ptr_array_add(found, names->pdata[i]);
    g_ptr_array_add(found, NULL);
    return found->len > 1 ? g_strjoinv(", ", (char **)found->pdata) : NULL;
}

static void
report_missing(Input *input, const char *beside)
{
    const char *name = input->cluster.lb_profile;
    g_autofree char *program = program_dir();
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *list = NULL;
    const char *near;

    if (beside) {
        g_autofree char *dir = g_path_get_dirname(beside);
        add_names(names, dir, beside_dirs);
    }
    add_names(names, program, program_dirs);
    g_ptr_array_sort(names, compare_texts);
    for (guint i = names->len; i-- > 1;)
        if (strcmp(names->pdata[i], names->pdata[i - 1]) == 0)
            g_ptr_array_remove_index(names, i);
    g_ptr_array_add(names, NULL);
    diag(input->diags, DIAG_ERROR, input->cluster.lb_mark, "no load balancer profile \"%s\"", name);
    near = closest_word(name, (const char *const *)names->pdata);
    list = names_with_prefix(names, name);
    if (!list)
        list = g_strjoinv(", ", (char **)names->pdata);
    else
        near = NULL;
    if (near)
        diag_hint(input->diags, "did you mean \"%s\"?", near);
    else if (*list)
        diag_hint(input->diags, "there are %s", list);
}
