/* Targets: who is registered, and in which state
 *
 *   registered -> initial -> healthy <-> unhealthy     by probes (lb_probe.c)
 *   any -> draining -> gone                            by the controller: deregistration delay between the two      */

#include "model/cloud/lb_private.h"

#include <string.h>

#include "model/network/node_proxy.h"

static void on_leave(Sim *sim, void *owner);
static void want_nodes(Lb *lb);
static void want_pods(Lb *lb);
static void register_target(LbTarget *t);
static void deregister_target(LbTarget *t);
static void count_usable(Lb *lb);

const LbProbe *
lb_probe(const Lb *lb)
{
    return &lb->profile->probe[lb->service->external_policy];
}

LbTarget *
targets_find(const Lb *lb, const char *name)
{
    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        if (strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

void
targets_reconcile(Lb *lb)
{
    for (guint i = 0; i < lb->targets->len; i++)
        ((LbTarget *)lb->targets->pdata[i])->wanted = false;
    if (lb->profile->targets == LB_TARGETS_NODES)
        want_nodes(lb);
    else
        want_pods(lb);
    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        bool registered = t->state != LB_TARGET_DRAINING && t->state != LB_TARGET_GONE;
        if (t->wanted && (!registered || timer_armed(cluster_sim(lb->cloud->cluster), t->leave_timer)))
            register_target(t);
        else if (!t->wanted && registered)
            deregister_target(t);
    }
    count_usable(lb);
}

void
targets_free(Lb *lb)
{
    Sim *sim = cluster_sim(lb->cloud->cluster);

    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        probe_stop(t);
        timer_free(sim, &t->probe_timer);
        timer_free(sim, &t->leave_timer);
        sim_entity_free(sim, t->entity);
        g_free(t->ports);
        g_free(t->name);
        g_free(t);
    }
    g_ptr_array_set_size(lb->targets, 0);
}

uint16_t
target_port(const LbTarget *t, uint32_t service_port)
{
    const Service *s = t->lb->service;

    if (service_port >= s->n_ports)
        return 0;
    if (t->ports)
        return t->ports[service_port];
    if (t->lb->profile->path == LB_PATH_PROXY || t->lb->profile->path == LB_PATH_NAT)
        return s->ports[service_port].node_port;
    return s->ports[service_port].port;
}

bool
target_addr(const LbTarget *t, IpFamily family, IpAddr *ret_addr)
{
    for (uint32_t i = 0; i < t->n_addrs; i++)
        if (ipaddr_family(&t->addrs[i]) == family) {
            *ret_addr = t->addrs[i];
            return true;
        }
    return false;
}

static void
note(LbTarget *t, LbTargetState from, const char *cause)
{
    Cloud *cloud = t->lb->cloud;

    vec_push(&cloud->history, (LbHealthEvent){.at = cluster_sim(cloud->cluster)->now,
                                              .lb = g_strdup(t->lb->text),
                                              .target = g_strdup(t->name),
                                              .from = from,
                                              .to = t->state,
                                              .cause = g_strdup(cause),
                                              .first_bad = t->first_bad});
}

void
target_set_state(LbTarget *t, LbTargetState state, const char *cause)
{
    LbTargetState before = t->state;
    const LbProfile *profile = t->lb->profile;

    if (before == state)
        return;
    t->state = state;
    note(t, before, cause);
    if (t->lb->cloud->settled)
        cluster_story(t->lb->cloud->cluster, "lb %s: target %s %s (%s)", t->lb->text, t->name,
                      state == LB_TARGET_GONE ? "removed" : lb_target_state_name(state), cause);
    count_usable(t->lb);
    if (state == LB_TARGET_UNHEALTHY && before == LB_TARGET_HEALTHY) {
        forward_target_lost(t, profile->unhealthy_flows);
        proxy_target_lost(t, profile->unhealthy_flows);
    } else if (state == LB_TARGET_GONE) {
        forward_target_lost(t, LB_FLOWS_RESET);
        proxy_target_lost(t, LB_FLOWS_RESET);
    }
}

/* --- Who is wanted ----------------------------------------------------------------------------------------------- */

static int
compare_targets(gconstpointer a, gconstpointer b)
{
    return strcmp((*(LbTarget *const *)a)->name, (*(LbTarget *const *)b)->name);
}

static LbTarget *
target_new(Lb *lb, const char *name, ClusterNode *node)
{
    LbTarget *t = g_new0(LbTarget, 1);
    Sim *sim = cluster_sim(lb->cloud->cluster);
    g_autofree char *entity = g_strdup_printf("lb/%s/%s", lb->text, name);

    t->lb = lb;
    t->name = g_strdup(name);
    t->node = node;
    t->id = rng_hash_str(0, name);
    t->state = LB_TARGET_GONE;
    t->first_bad = -1;
    t->entity = sim_entity(sim, entity);
    t->leave_timer = timer_new(sim, "lb.leave", &t->entity, on_leave, t);
    t->jitter = rng_stream(sim->seed, entity, "probe");
    g_ptr_array_add(lb->targets, t);
    g_ptr_array_sort(lb->targets, compare_targets);
    return t;
}

static LbTarget *
want_target(Lb *lb, const char *name, ClusterNode *node)
{
    LbTarget *t = targets_find(lb, name);

    if (!t)
        t = target_new(lb, name, node);
    t->wanted = true;
    t->node = node;
    t->zone = node ? (char *)node->zone : NULL;
    return t;
}

static uint32_t
ready_on_node(const Lb *lb, const char *node)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(cluster_store(lb->cloud->cluster), lb->ns, lb->name, &n);
    uint32_t ready = 0;

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++)
            if ((slices[i]->endpoints[k].conditions & EP_READY) &&
                g_strcmp0(slices[i]->endpoints[k].node_name, node) == 0)
                ready++;
    return ready;
}

/* service controller: nodes with this label are never targets. */
static bool
is_excluded(const KubeNode *node)
{
    return labels_get(&node->meta.labels, "node.kubernetes.io/exclude-from-external-load-balancers") != NULL;
}

/* The speakers of MetalLB do not announce from a node without ready endpoints under externalTrafficPolicy Local.  A
 * dead one withdraws nothing: the router keeps its BGP route until the session's hold time is over. */
static bool
may_announce(const Lb *lb, const ClusterNode *node, uint32_t ready)
{
    const LbTarget *t;

    if (lb->profile->path != LB_PATH_ANNOUNCE)
        return true;
    t = lb->profile->bgp && node->failed ? targets_find(lb, node->name) : NULL;
    if (t && t->state == LB_TARGET_HEALTHY)
        return true;
    return lb->service->external_policy == POLICY_CLUSTER || ready > 0;
}

static void
want_nodes(Lb *lb)
{
    Cluster *c = lb->cloud->cluster;
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(c), KIND_NODE, &n);
    bool counts = lb->profile->weighted || lb->profile->path == LB_PATH_ANNOUNCE;

    for (size_t i = 0; i < n; i++) {
        ClusterNode *node = cluster_node(c, objects[i]->name);
        uint32_t ready = counts && node ? ready_on_node(lb, node->name) : 1;
        LbTarget *t;
        if (!node || is_excluded((const KubeNode *)objects[i]) || !may_announce(lb, node, ready))
            continue;
        t = want_target(lb, node->name, node);
        memcpy(t->addrs, node->ips, sizeof t->addrs);
        t->n_addrs = node->n_ips;
        t->weight = lb->profile->weighted && lb->service->external_policy == POLICY_LOCAL ? ready : 1;
    }
}

/* Port of a slice for the Service's port: by name and protocol. */
static uint16_t
slice_port(const EndpointSlice *slice, const ServicePort *port)
{
    for (uint32_t i = 0; i < slice->n_ports; i++)
        if (slice->ports[i].proto == port->proto && g_strcmp0(slice->ports[i].name, port->name) == 0)
            return slice->ports[i].port;
    return 0;
}

static void
want_endpoint(Lb *lb, const EndpointSlice *slice, const Endpoint *e)
{
    Cluster *c = lb->cloud->cluster;
    char addr[IPADDR_STR_SIZE];
    g_autofree char *name = g_strdup_printf("%s/%s", lb->ns, e->target ? e->target : ipaddr_format(e->addr, addr));
    const LbTarget *known = targets_find(lb, name);
    bool again = known && known->wanted; /* By the slice of the other family. */
    LbTarget *t = want_target(lb, name, e->node_name ? cluster_node(c, e->node_name) : NULL);

    if (!again) {
        g_free(t->ports);
        t->ports = g_new0(uint16_t, lb->service->n_ports);
        t->n_addrs = 0;
    }
    for (uint32_t p = 0; p < lb->service->n_ports; p++)
        if (!t->ports[p])
            t->ports[p] = slice_port(slice, &lb->service->ports[p]);
    if (t->n_addrs == 0 || (t->n_addrs == 1 && ipaddr_family(&t->addrs[0]) != slice->family))
        t->addrs[t->n_addrs++] = e->addr;
    t->weight = 1;
}

static void
want_pods(Lb *lb)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(cluster_store(lb->cloud->cluster), lb->ns, lb->name, &n);

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++)
            if (slices[i]->endpoints[k].conditions & EP_READY)
                want_endpoint(lb, slices[i], &slices[i]->endpoints[k]);
}

/* --- Coming and going -------------------------------------------------------------------------------------------- */

static void
register_target(LbTarget *t)
{
    Cloud *cloud = t->lb->cloud;
    Sim *sim = cluster_sim(cloud->cluster);

    timer_disarm(sim, t->leave_timer);
    if (t->state != LB_TARGET_GONE && t->state != LB_TARGET_DRAINING)
        return;
    t->ok_in_row = t->bad_in_row = 0;
    t->first_bad = -1;
    if (lb_probe(t->lb)->kind == LB_PROBE_NONE || !t->lb->host)
        target_set_state(t, LB_TARGET_HEALTHY, "registered");
    else if (!cloud->settled)
        target_set_state(t, target_predict(t) ? LB_TARGET_HEALTHY : LB_TARGET_UNHEALTHY, "at rest");
    else
        target_set_state(t, LB_TARGET_INITIAL, "registered");
    probe_start(t);
}

/* The change must reach the data path first; until then the target gets new flows. */
static void
deregister_target(LbTarget *t)
{
    Sim *sim = cluster_sim(t->lb->cloud->cluster);

    if (!timer_armed(sim, t->leave_timer))
        timer_arm(sim, t->leave_timer, sim->now + t->lb->profile->deregister);
}

static void
on_leave(Sim *sim, void *owner)
{
    LbTarget *t = owner;
    SimTime drain = t->lb->profile->drain;

    if (t->state == LB_TARGET_DRAINING || drain == 0) {
        probe_stop(t);
        target_set_state(t, LB_TARGET_GONE, drain ? "deregistration delay is over" : "deregistered");
        return;
    }
    probe_stop(t);
    target_set_state(t, LB_TARGET_DRAINING, "deregistered");
    timer_arm(sim, t->leave_timer, sim->now + drain);
}

/* The router of an ECMP set sees only who is in it. */
static void
count_usable(Lb *lb)
{
    uint64_t members = 0;

    for (guint i = 0; i < lb->targets->len; i++) {
        const LbTarget *t = lb->targets->pdata[i];
        if (t->state == LB_TARGET_HEALTHY)
            members = rng_mix(members, t->id);
    }
    if (members != lb->members)
        lb->generation++;
    lb->members = members;
}

/* --- At rest ----------------------------------------------------------------------------------------------------- */

static bool
any_endpoint(const LbTarget *t, uint8_t conditions, bool local)
{
    size_t n;
    const EndpointSlice *const *slices =
        store_slices_of(cluster_store(t->lb->cloud->cluster), t->lb->ns, t->lb->name, &n);

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++) {
            const Endpoint *e = &slices[i]->endpoints[k];
            if ((e->conditions & conditions) == conditions && (!local || g_strcmp0(e->node_name, t->node->name) == 0))
                return true;
        }
    return false;
}

bool
target_predict(const LbTarget *t)
{
    const LbProbe *probe = lb_probe(t->lb);

    if (t->lb->profile->targets == LB_TARGETS_PODS)
        return true;
    if (t->node->failed)
        return false;
    if (probe->port == LB_PORT_HEALTH_CHECK)
        return node_proxy_local_ready(t->node->proxy, t->lb->ns, t->lb->name) > 0 &&
               node_proxy_healthz(t->node->proxy) == 200;
    if (probe->port != LB_PORT_TRAFFIC)
        return node_proxy_healthz(t->node->proxy) == 200;
    return any_endpoint(t, EP_SERVING, t->lb->service->external_policy == POLICY_LOCAL);
}
