/* Faults: what `fail` and `recover` do to nodes, pods, applications, links, kube-proxies and load balancers. */

#include "model/network/node_proxy.h"
#include "model/scenario/run_private.h"

#include <string.h>

NetDev *
run_find_dev(ScenarioRun *run, const char *text, char **ret_error)
{
    const char *slash = strrchr(text, '/');
    g_autofree char *host_text = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    size_t n;
    Host *const *hosts = cluster_hosts(run->cluster, &n);

    for (size_t i = 0; i < n; i++) {
        NetDev *dev;
        if (strcmp(host_name(hosts[i]), g_str_has_prefix(host_text, "node/") ? host_text + 5 : host_text) != 0)
            continue;
        dev = host_dev(hosts[i], slash ? slash + 1 : "eth0");
        if (dev)
            return dev;
    }
    *ret_error = g_strdup_printf("no interface \"%s\"", text);
    return NULL;
}

static bool
fail_kube_proxy(ScenarioRun *run, const char *name, bool down, char **ret_error)
{
    ClusterNode *node = cluster_node(run->cluster, name);

    if (!node) {
        *ret_error = g_strdup_printf("no node \"%s\"", name);
        return false;
    }
    node_proxy_set_stuck(node->proxy, down);
    return true;
}

static bool
fail_link(ScenarioRun *run, const char *name, bool down, char **ret_error)
{
    NetDev *dev = run_find_dev(run, name, ret_error);

    if (dev)
        netdev_set_up(dev, !down);
    return dev != NULL;
}

static bool
fail_pod(ScenarioRun *run, const char *target, bool down, char **ret_error)
{
    Who who;

    if (!who_parse(run->cluster, target, &who, ret_error))
        return false;
    if (cluster_pod_runtime(who.pod))
        pod_runtime_set_healthy(cluster_pod_runtime(who.pod), !down);
    who_clear(&who);
    return true;
}

static const ApplicationSpec *
find_application(const Input *input, const char *ns, const char *name)
{
    for (uint32_t i = 0; i < input->n_applications; i++) {
        const ApplicationSpec *a = &input->applications[i];
        if (g_strcmp0(a->name, name) == 0 && (!a->ns || strcmp(a->ns, ns) == 0))
            return a;
    }
    return NULL;
}

/* Every pod that runs it stops passing its readiness probe, or passes it again. */
static bool
fail_application(ScenarioRun *run, const char *text, bool down, char **ret_error)
{
    g_autofree char *ns = NULL, *name = NULL;
    const ApplicationSpec *application;
    size_t n;
    ClusterPod *const *pods = cluster_pods(run->cluster, &n);

    split_ns_name(text, &ns, &name);
    application = find_application(cluster_input(run->cluster), ns, name);
    if (!application) {
        *ret_error = g_strdup_printf("no Application \"%s\"", name);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (cluster_pod_application(pods[i]) == application && cluster_pod_runtime(pods[i]))
            pod_runtime_set_healthy(cluster_pod_runtime(pods[i]), !down);
    return true;
}

/* "lb": all of them. */
static bool
fail_load_balancer(ScenarioRun *run, const char *text, bool down, char **ret_error)
{
    size_t n = 0;
    Lb *const *lbs = run->cloud ? cloud_lbs(run->cloud, &n) : NULL;
    g_autofree char *ns = NULL, *name = NULL, *wanted = NULL;
    bool found = false;

    split_ns_name(text, &ns, &name);
    wanted = g_strdup_printf("%s/%s", ns, name);
    for (size_t i = 0; i < n; i++) {
        if (*text && strcmp(lb_name(lbs[i]), wanted) != 0)
            continue;
        found = true;
        lb_set_down(lbs[i], down);
    }
    if (!found)
        *ret_error =
            *text ? g_strdup_printf("no load balancer of Service \"%s\"", text) : g_strdup("there is no load balancer");
    return found;
}

bool
run_fail_target(ScenarioRun *run, const char *target, bool down, char **ret_error)
{
    if (g_str_has_prefix(target, "node/"))
        return down ? control_fail_node(run->controllers, target + 5, ret_error)
                    : control_recover_node(run->controllers, target + 5, ret_error);
    if (g_str_has_prefix(target, "kube-proxy/"))
        return fail_kube_proxy(run, target + 11, down, ret_error);
    if (g_str_has_prefix(target, "link/"))
        return fail_link(run, target + 5, down, ret_error);
    if (g_str_has_prefix(target, "pod/"))
        return fail_pod(run, target, down, ret_error);
    if (g_str_has_prefix(target, "app/"))
        return fail_application(run, target + 4, down, ret_error);
    if (strcmp(target, "lb") == 0 || g_str_has_prefix(target, "lb/"))
        return fail_load_balancer(run, target[2] ? target + 3 : "", down, ret_error);
    *ret_error = g_strdup_printf("\"%s\" is nothing that can fail", target);
    return false;
}
