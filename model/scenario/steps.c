/* Steps: what each verb of the timeline does when its time comes. */

#include "model/scenario/run_private.h"

#include "model/network/node_proxy.h"

#include <string.h>

/* A connect or send that is repeated: `count` and `interval`. */
typedef struct {
    ScenarioRun *run;
    const Step *step;
    Who from;
    Where to;
    uint32_t n;
    uint16_t source_port; /* sameSocket: what the first one was given. */
    SimEntity entity;
    Timer timer;
} DialSeries;

void
run_step_failed(ScenarioRun *run, const Step *step, const char *why)
{
    diag(cluster_input(run->cluster)->diags, DIAG_ERROR, step->mark, "step %s: %s", step_verb_name(step->verb), why);
    cluster_story(run->cluster, "step %s could not be done: %s", step_verb_name(step->verb), why);
}

/* --- Traffic
 * ------------------------------------------------------------------------------------------------------------- */

static bool
find_ends(ScenarioRun *run, const Step *step, uint8_t default_proto, Who *from, Where *to)
{
    char *error = NULL;
    ClusterNode *via =
        step->via ? cluster_node(run->cluster, g_str_has_prefix(step->via, "node/") ? step->via + 5 : step->via) : NULL;

    if (!who_parse(run->cluster, step->from, from, &error)) {
        run_step_failed(run, step, error);
        g_free(error);
        return false;
    }
    if (!where_parse(run->cluster, step->to, from, via, FAMILY_IPV4, step->proto ? step->proto : default_proto, to,
                     &error)) {
        run_step_failed(run, step, error);
        g_free(error);
        who_clear(from);
        return false;
    }
    if (step->proto)
        to->proto = step->proto;
    if (via)
        cluster_route_outside(run->cluster, to->addr, via);
    return true;
}

static void
dial_next(Sim *sim, void *owner)
{
    DialSeries *series = owner;
    const Step *step = series->step;
    uint32_t count = MAX(step->count, 1);
    g_autofree char *name = count == 1 ? g_strdup(step->name) : g_strdup_printf("%s#%u", step->name, series->n + 1);
    SimTime timeout = step->timeout;
    Flow *flow;

    /* One socket asks one thing at a time: what is unanswered when the next datagram leaves has timed out. */
    if (step->same_socket && count > 1 && step->interval > 1)
        timeout = MIN(timeout, step->interval - 1);
    flow = traffic_dial(series->run->traffic, &(DialParams){.name = name,
                                                            .from = &series->from,
                                                            .to = &series->to,
                                                            .path = step->path,
                                                            .method = step->method,
                                                            .payload = step->payload,
                                                            .request_bytes = step->request_bytes,
                                                            .source_port = series->source_port,
                                                            .timeout = timeout,
                                                            .hold = step->hold ? SIMTIME_NEVER / 4 : step->hold_for,
                                                            .requests = step->requests,
                                                            .interval = step->interval});
    if (step->same_socket)
        series->source_port = flow->client_port;
    if (++series->n < count)
        timer_arm(sim, series->timer, sim->now + MAX(step->interval, 1));
    else
        series->run->n_repeating--;
}

static void
start_series(ScenarioRun *run, const Step *step, uint8_t default_proto)
{
    Sim *sim = cluster_sim(run->cluster);
    DialSeries *series = g_new0(DialSeries, 1);
    g_autofree char *name = g_strdup_printf("series/%s/%u", step->name, run->dials->len);

    if (!find_ends(run, step, default_proto, &series->from, &series->to)) {
        g_free(series);
        return;
    }
    series->run = run;
    series->step = step;
    series->source_port = step->source_port;
    series->entity = sim_entity(sim, name);
    series->timer = timer_new(sim, "scenario.dial", &series->entity, dial_next, series);
    g_ptr_array_add(run->dials, series);
    run->n_repeating++;
    dial_next(sim, series);
}

void
run_series_free(gpointer data)
{
    DialSeries *series = data;
    Sim *sim = cluster_sim(series->run->cluster);

    timer_free(sim, &series->timer);
    sim_entity_free(sim, series->entity);
    who_clear(&series->from);
    where_clear(&series->to);
    g_free(series);
}

static void
step_load(ScenarioRun *run, const Step *step)
{
    Who from;
    Where to;

    if (!find_ends(run, step, IPPROTO_TCP_, &from, &to))
        return;
    load_start(run, step, &from, &to);
    who_clear(&from);
    where_clear(&to);
}

/* A look-up alone is a flow too: connected if it resolved. */
typedef struct {
    ScenarioRun *run;
    Flow *flow;
} Lookup;

static void
on_looked_up(const DnsResult *result, void *user)
{
    Lookup *lookup = user;
    char text[IPADDR_STR_SIZE];

    lookup->flow->resolved =
        flow_book_keep_bytes(lookup->run->book, result->addrs, result->n_addrs * sizeof *result->addrs);
    lookup->flow->n_resolved = result->n_addrs;
    lookup->flow->n_queries = result->n_queries;
    if (result->n_addrs > 0) {
        lookup->flow->dialed = flow_book_keep(lookup->run->book, ipaddr_format(result->addrs[0], text));
        lookup->flow->connected_at = result->ended;
        flow_finish(lookup->run->book, lookup->flow, FLOW_CONNECTED, NULL);
    } else {
        flow_finish(lookup->run->book, lookup->flow, FLOW_UNRESOLVED, result->timed_out ? "dns-timeout" : "nxdomain");
    }
    g_free(lookup);
}

static void
step_resolve(ScenarioRun *run, const Step *step)
{
    ResolvConf conf;
    Who from;
    Lookup *lookup;
    char *error = NULL;

    if (!who_parse(run->cluster, step->from, &from, &error)) {
        run_step_failed(run, step, error);
        g_free(error);
        return;
    }
    cluster_resolv_conf(run->cluster, from.host, &conf);
    if (conf.n_servers == 0) {
        run_step_failed(run, step,
                        "no DNS: the cluster has no Service kube-system/kube-dns (systemServices: true adds it)");
        who_clear(&from);
        return;
    }
    lookup = g_new0(Lookup, 1);
    lookup->run = run;
    lookup->flow = flow_begin(run->book, step->name, from.text, step->to, from.host, IPPROTO_UDP_);
    lookup->flow->lookup = true;
    dns_resolve(from.host, &conf, step->to, lookup->flow->id, on_looked_up, lookup);
    who_clear(&from);
}

/* --- Objects
 * ---------------------------------------------------------------------------------------------------------------- */

static char *
object_text(const Step *step)
{
    const char *kind = api_kind_info(step->kind)->name;

    return step->ns && *step->ns ? g_strdup_printf("%s %s/%s", kind, step->ns, step->object)
                                 : g_strdup_printf("%s %s", kind, step->object);
}

static void
step_apply(ScenarioRun *run, const Step *step)
{
    Input *input = cluster_input(run->cluster);
    ApiObject *object = api_decode(input->diags, store_strings(input->store), step->kind, step->body);
    char *error = NULL;

    if (!object)
        return;
    cluster_story(run->cluster, "apply %s %s", api_kind_info(object->kind)->name, object->name);
    if (!control_apply(run->controllers, object, &error)) {
        run_step_failed(run, step, error);
        g_free(error);
    }
}

/* Verbs of controllers that say yes, or no with a reason. */
static void
step_object(ScenarioRun *run, const Step *step)
{
    Controllers *c = run->controllers;
    char *error = NULL;
    g_autofree char *what = object_text(step);
    bool ok = true;

    if (step->verb == STEP_PATCH)
        ok = control_patch(c, step->kind, step->ns, step->object, step->body, &error);
    else if (step->verb == STEP_DELETE)
        ok = control_delete(c, step->kind, step->ns, step->object, &error);
    else if (step->verb == STEP_SCALE)
        ok = control_scale(c, step->kind, step->ns, step->object, step->replicas, &error);
    else
        ok = control_rollout(c, step->kind, step->ns, step->object, &error);
    if (!ok) {
        run_step_failed(run, step, error);
        g_free(error);
    } else if (step->verb == STEP_SCALE) {
        cluster_story(run->cluster, "scale %s to %d", what, step->replicas);
    } else if (step->verb == STEP_PATCH) {
        g_autoptr(GString) change = g_string_new(NULL);
        doc_write_flow(step->body, change);
        cluster_story(run->cluster, "patch %s: %s", what, change->str);
    } else {
        cluster_story(run->cluster, "%s %s", step_verb_name(step->verb), what);
    }
}

static void
step_node(ScenarioRun *run, const Step *step)
{
    Controllers *c = run->controllers;
    char *error = NULL;
    const char *node = step->object;
    bool ok;

    switch (step->verb) {
    case STEP_CORDON:
        ok = control_cordon(c, node, true, &error);
        break;
    case STEP_UNCORDON:
        ok = control_cordon(c, node, false, &error);
        break;
    case STEP_DRAIN:
        ok = control_drain(c, node, &error);
        break;
    default:
        return;
    }
    if (ok) {
        cluster_story(run->cluster, "%s node %s", step_verb_name(step->verb), node);
        return;
    }
    run_step_failed(run, step, error);
    g_free(error);
}

/* --- Faults and settings
 * ------------------------------------------------------------------------------------------------------- */

static void
step_fail(ScenarioRun *run, const Step *step)
{
    char *error = NULL;
    bool down = step->verb == STEP_FAIL;

    if (run_fail_target(run, step->target, down, &error)) {
        cluster_story(run->cluster, "%s %s", step->target, down ? "fails" : "recovers");
        return;
    }
    run_step_failed(run, step, error);
    g_free(error);
}

static bool
set_link(ScenarioRun *run, const Step *step, char **ret_error)
{
    Input *input = cluster_input(run->cluster);
    NetDev *dev = run_find_dev(run, step->target + 5, ret_error);
    LinkParams *link;

    if (!dev)
        return false;
    link = netdev_link(dev);
    link->latency = node_duration(input->diags, step->body, "latency", link->latency);
    link->rate_bps = (uint64_t)node_int(input->diags, step->body, "rate", (int64_t)link->rate_bps, 0, INT64_MAX);
    link->queue_bytes = (uint32_t)node_int(input->diags, step->body, "queueBytes", link->queue_bytes, 0, UINT32_MAX);
    link->loss_ppm = (uint32_t)(node_double(input->diags, step->body, "loss", link->loss_ppm / 1e6, 0, 1) * 1e6 + 0.5);
    netdev_set_mtu(dev, (uint32_t)node_int(input->diags, step->body, "mtu", netdev_mtu(dev), 68, 65535));
    if (node_get(step->body, "badChecksum")) {
        if (netdev_kind(dev) != DEV_VXLAN) {
            *ret_error = g_strdup_printf("\"%s\" is no VXLAN interface", step->target + 5);
            return false;
        }
        vxlan_set_bad_checksum(dev, node_bool(input->diags, step->body, "badChecksum", true));
    }
    if (node_get(step->body, "hairpin")) {
        if (!netdev_master(dev)) {
            *ret_error = g_strdup_printf("\"%s\" is no port of a bridge", step->target + 5);
            return false;
        }
        bridge_set_hairpin(dev, node_bool(input->diags, step->body, "hairpin", true));
    }
    return true;
}

static bool
set_sysctls(ScenarioRun *run, const Step *step, char **ret_error)
{
    const DocNode *sysctls = node_map(cluster_input(run->cluster)->diags, step->body, "sysctls");
    bool ok = true;
    Who who;

    if (!who_parse(run->cluster, step->target, &who, ret_error))
        return false;
    for (uint32_t i = 0; ok && sysctls && i < sysctls->n; i++) {
        const char *key = sysctls->keys[i]->text;
        const char *value = sysctls->items[i]->kind == NODE_SCALAR ? sysctls->items[i]->text : "";
        ok = host_sysctl_set(who.host, key, value);
        if (!ok)
            *ret_error = g_strdup_printf("sysctl %s = \"%s\" is unknown or out of range", key, value);
    }
    if (!sysctls) {
        *ret_error = g_strdup("set needs sysctls, or a link");
        ok = false;
    }
    who_clear(&who);
    return ok;
}

static void
step_set(ScenarioRun *run, const Step *step)
{
    char *error = NULL;
    bool ok = g_str_has_prefix(step->target, "link/") ? set_link(run, step, &error) : set_sysctls(run, step, &error);

    if (ok) {
        cluster_story(run->cluster, "set %s", step->target);
        return;
    }
    run_step_failed(run, step, error);
    g_free(error);
}

void
run_step(ScenarioRun *run, const Step *step)
{
    switch (step->verb) {
    case STEP_CONNECT:
        start_series(run, step, IPPROTO_TCP_);
        return;
    case STEP_SEND:
        start_series(run, step, IPPROTO_UDP_);
        return;
    case STEP_LOAD:
        step_load(run, step);
        return;
    case STEP_RESOLVE:
        step_resolve(run, step);
        return;
    case STEP_APPLY:
        step_apply(run, step);
        return;
    case STEP_PATCH:
    case STEP_DELETE:
    case STEP_SCALE:
    case STEP_ROLLOUT:
        step_object(run, step);
        return;
    case STEP_CORDON:
    case STEP_UNCORDON:
    case STEP_DRAIN:
        step_node(run, step);
        return;
    case STEP_FAIL:
    case STEP_RECOVER:
        step_fail(run, step);
        return;
    case STEP_SET:
        step_set(run, step);
        return;
    case STEP_INJECT:
        run_inject(run, step);
        return;
    case STEP_N_VERBS:
        return;
    }
}
