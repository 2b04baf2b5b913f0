/* The controllers behind load balancers: from objects to addresses and targets, with the provider's delays
 *
 * Source: k8s.io/cloud-provider controllers/service/controller.go: Services as they change, the set of nodes every
 * nodeSync (100 s); endpoints (pods as targets, announcing speakers, weights) after targetSync. */

#include "model/cloud/lb_private.h"

#include <string.h>

/* How often speakers look at each other; what counts is the profile's failover time. */
#define WATCH_INTERVAL SIMTIME_SEC

typedef struct {
    SimTime due;
    char *ns, *name;
} Provisioning;

static void on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_);
static void on_services(Sim *sim, void *owner);
static void on_nodes(Sim *sim, void *owner);
static void on_endpoints(Sim *sim, void *owner);
static void on_provisioned(Sim *sim, void *owner);
static void on_watch(Sim *sim, void *owner);
static void sync_services(Cloud *cloud);
static void reconcile_all(Cloud *cloud);

static bool
watches_peers(const Cloud *cloud)
{
    return cloud->profile.path == LB_PATH_ANNOUNCE;
}

void
controller_start(Cloud *cloud)
{
    Sim *sim = cluster_sim(cloud->cluster);

    cloud->service_timer = timer_new(sim, "lb.service-sync", &cloud->entity, on_services, cloud);
    cloud->node_timer = timer_new(sim, "lb.node-sync", &cloud->entity, on_nodes, cloud);
    cloud->target_timer = timer_new(sim, "lb.target-sync", &cloud->entity, on_endpoints, cloud);
    cloud->provision_timer = timer_new(sim, "lb.provision", &cloud->entity, on_provisioned, cloud);
    cloud->watch_timer = timer_new(sim, "lb.watch", &cloud->entity, on_watch, cloud);
    cloud->watch = store_watch(cluster_store(cloud->cluster), on_change, cloud);
    sync_services(cloud);
    if (watches_peers(cloud))
        timer_arm(sim, cloud->watch_timer, sim->now + WATCH_INTERVAL);
}

static void
provisioning_free(gpointer data)
{
    Provisioning *p = data;

    g_free(p->ns);
    g_free(p->name);
    g_free(p);
}

void
controller_stop(Cloud *cloud)
{
    Sim *sim = cluster_sim(cloud->cluster);

    store_unwatch(cluster_store(cloud->cluster), cloud->watch);
    timer_free(sim, &cloud->service_timer);
    timer_free(sim, &cloud->node_timer);
    timer_free(sim, &cloud->target_timer);
    timer_free(sim, &cloud->provision_timer);
    timer_free(sim, &cloud->watch_timer);
    for (guint i = 0; i < cloud->provisioning->len; i++)
        provisioning_free(cloud->provisioning->pdata[i]);
    g_ptr_array_set_size(cloud->provisioning, 0);
}

/* --- What changed ------------------------------------------------------------------------------------------------ */

static void
arm_earlier(Sim *sim, Timer timer, SimTime at)
{
    if (!timer_armed(sim, timer) || timer_deadline(sim, timer) > at)
        timer_arm(sim, timer, at);
}

/* The next tick of a clock that started at 0. */
static SimTime
next_tick(SimTime now, SimTime period)
{
    return period > 0 ? (now / period + 1) * period : now;
}

static bool
labels_equal(const Labels *a, const Labels *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i].key, b->items[i].key) != 0 || strcmp(a->items[i].value, b->items[i].value) != 0)
            return false;
    return true;
}

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    Cloud *cloud = user;
    Sim *sim = cluster_sim(cloud->cluster);
    const LbProfile *p = &cloud->profile;
    const ApiObject *object = new_ ? new_ : old;

    if (object->kind == KIND_SERVICE && !cloud->writing)
        arm_earlier(sim, cloud->service_timer, sim->now);
    else if (object->kind == KIND_ENDPOINTSLICE &&
             (p->targets == LB_TARGETS_PODS || p->weighted || p->path == LB_PATH_ANNOUNCE))
        arm_earlier(sim, cloud->target_timer, sim->now + p->target_sync);
    else if (object->kind == KIND_NODE && event != STORE_MODIFIED)
        arm_earlier(sim, cloud->node_timer, next_tick(sim->now, p->node_sync));
    else if (object->kind == KIND_NODE && old && new_ && !labels_equal(&old->labels, &new_->labels))
        arm_earlier(sim, cloud->node_timer, next_tick(sim->now, p->node_sync));
}

static void
on_nodes(Sim *sim, void *owner)
{
    (void)sim;
    reconcile_all(owner);
}

static void
on_endpoints(Sim *sim, void *owner)
{
    (void)sim;
    reconcile_all(owner);
}

static void
reconcile_all(Cloud *cloud)
{
    for (guint i = 0; i < cloud->lbs->len; i++) {
        Lb *lb = cloud->lbs->pdata[i];
        targets_reconcile(lb);
        if (!lb->host)
            announce_update(lb);
    }
}

static void
on_watch(Sim *sim, void *owner)
{
    Cloud *cloud = owner;

    for (guint i = 0; i < cloud->lbs->len; i++)
        announce_watch(cloud->lbs->pdata[i]);
    timer_arm(sim, cloud->watch_timer, sim->now + WATCH_INTERVAL);
}

/* --- Services ---------------------------------------------------------------------------------------------------- */

static bool
wants_lb(const Cloud *cloud, const Service *s)
{
    return s->type == SERVICE_LOADBALANCER && lb_class_handled(&cloud->profile, s) && s->meta.deletion_ns < 0 &&
           !lb_port_refused(&cloud->profile, s);
}

/* The event that a user finds in `kubectl describe service`, once for each time that it becomes true. */
static void
note_refused(Cloud *cloud, const Service *s)
{
    const ServicePort *port = s->type == SERVICE_LOADBALANCER && lb_class_handled(&cloud->profile, s)
                                  ? lb_port_refused(&cloud->profile, s)
                                  : NULL;
    g_autofree char *name = g_strdup_printf("%s/%s", s->meta.ns, s->meta.name);
    guint at;
    bool told = g_ptr_array_find_with_equal_func(cloud->refused, name, g_str_equal, &at);

    if (port && !told) {
        cluster_story(cloud->cluster, "lb %s: SyncLoadBalancerFailed: %s carries %s, and port %u is %s", name,
                      cloud->profile.name, lb_protocols_text(lb_profile_protocols(&cloud->profile)), port->port,
                      lb_protocols_text(lb_protocol_bit(port->proto)));
        g_ptr_array_add(cloud->refused, g_steal_pointer(&name));
    } else if (!port && told) {
        g_ptr_array_remove_index(cloud->refused, at);
    }
}

static bool
is_provisioning(const Cloud *cloud, const Service *s)
{
    for (guint i = 0; i < cloud->provisioning->len; i++) {
        const Provisioning *p = cloud->provisioning->pdata[i];
        if (strcmp(p->name, s->meta.name) == 0 && strcmp(p->ns, s->meta.ns) == 0)
            return true;
    }
    return false;
}

static void
provision(Cloud *cloud, const Service *s)
{
    Sim *sim = cluster_sim(cloud->cluster);
    Provisioning *p;

    if (is_provisioning(cloud, s))
        return;
    p = g_new0(Provisioning, 1);
    p->due = sim->now + cloud->profile.provision;
    p->ns = g_strdup(s->meta.ns);
    p->name = g_strdup(s->meta.name);
    g_ptr_array_add(cloud->provisioning, p);
    arm_earlier(sim, cloud->provision_timer, p->due);
    cluster_story(cloud->cluster, "lb %s/%s: being provisioned (%s)", p->ns, p->name, cloud->profile.name);
}

static void
remove_stale(Cloud *cloud)
{
    for (guint i = cloud->lbs->len; i-- > 0;) {
        Lb *lb = cloud->lbs->pdata[i];
        const Service *s = (const Service *)store_get(cluster_store(cloud->cluster), KIND_SERVICE, lb->ns, lb->name);
        if (s && wants_lb(cloud, s))
            continue;
        cluster_story(cloud->cluster, "lb %s: removed", lb->text);
        cloud_remove_lb(cloud, lb);
    }
}

static void
sync_services(Cloud *cloud)
{
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(cloud->cluster), KIND_SERVICE, &n);

    remove_stale(cloud);
    for (size_t i = 0; i < n; i++) {
        const Service *s = (const Service *)objects[i];
        Lb *lb = wants_lb(cloud, s) ? cloud_lb(cloud, s->meta.ns, s->meta.name) : NULL;
        note_refused(cloud, s);
        if (!wants_lb(cloud, s))
            continue;
        if (lb && lb->service != s)
            lb_take_service(lb, s);
        else if (!lb && s->n_ingress > 0)
            cloud_add_lb(cloud, s);
        else if (!lb)
            provision(cloud, s);
    }
}

static void
on_services(Sim *sim, void *owner)
{
    (void)sim;
    sync_services(owner);
}

/* The address is there: the status is written and the load balancer works. */
static void
publish(Cloud *cloud, const Provisioning *p)
{
    Input *input = cluster_input(cloud->cluster);
    const ApiObject *object = store_get(input->store, KIND_SERVICE, p->ns, p->name);
    const Service *service = (const Service *)object;
    IpAddr vips[2];
    uint32_t n;
    Service *copy;

    if (!service || !wants_lb(cloud, service) || service->n_cluster_ips == 0)
        return;
    n = vip_of_service(input, &cloud->profile, service, vips);
    copy = (Service *)api_copy(object);
    vip_set_ingress(store_strings(input->store), &cloud->profile, copy, vips, n);
    cloud->writing = true;
    store_put(input->store, &copy->meta);
    cloud->writing = false;
    cloud_add_lb(cloud, copy);
    cluster_story(cloud->cluster, "lb %s/%s: provisioned, address %s", p->ns, p->name,
                  copy->ingress[0].ip ? copy->ingress[0].ip : copy->ingress[0].hostname);
}

static void
on_provisioned(Sim *sim, void *owner)
{
    Cloud *cloud = owner;
    SimTime next = SIMTIME_NEVER;

    for (guint i = 0; i < cloud->provisioning->len;) {
        Provisioning *p = cloud->provisioning->pdata[i];
        if (p->due > sim->now) {
            next = MIN(next, p->due);
            i++;
            continue;
        }
        g_ptr_array_remove_index(cloud->provisioning, i);
        publish(cloud, p);
        provisioning_free(p);
    }
    if (next != SIMTIME_NEVER)
        timer_arm(sim, cloud->provision_timer, next);
}
