/* The cloud and its load balancers: life and look-ups */

#include "model/cloud/lb_private.h"

#include <string.h>

const char *
lb_target_state_name(LbTargetState state)
{
    static const char *const names[] = {
        [LB_TARGET_INITIAL] = "initial",   [LB_TARGET_HEALTHY] = "healthy", [LB_TARGET_UNHEALTHY] = "unhealthy",
        [LB_TARGET_DRAINING] = "draining", [LB_TARGET_GONE] = "gone",
    };

    return names[state];
}

/* --- One load balancer ------------------------------------------------------------------------------------------- */

static bool
has_host(const Lb *lb)
{
    return lb->profile->path != LB_PATH_ROUTE && lb->profile->path != LB_PATH_ANNOUNCE;
}

static void
take_addresses(Lb *lb)
{
    Cluster *cluster = lb->cloud->cluster;
    const LbIngress *ingress = lb->service->n_ingress ? &lb->service->ingress[0] : NULL;

    lb->n_vips = vip_of_service(cluster_input(cluster), lb->profile, lb->service, lb->vips);
    for (uint32_t i = 0; i < lb->n_vips; i++) {
        if (ingress && ingress->hostname)
            cluster_add_name(cluster, ingress->hostname, lb->vips[i]);
        for (uint32_t k = 0; lb->host && k < lb->n_own; k++)
            if (ipaddr_family(&lb->own[k]) == ipaddr_family(&lb->vips[i]))
                cluster_lan_host_take(cluster, lb->host, lb->own[k], lb->vips[i]);
    }
}

/* One host probes for all load balancers where the provider has one address for it. */
static void
add_prober(Cloud *cloud)
{
    const IpAddr *source = &cloud->profile.probe_source;
    IpAddr own[2];
    uint32_t n_own;

    if (cloud->prober || ipaddr_is_any(source))
        return;
    cloud->prober = cluster_add_lan_host(cloud->cluster, "lb/prober", own, &n_own);
    for (uint32_t k = 0; k < n_own; k++)
        if (ipaddr_family(&own[k]) == ipaddr_family(source))
            cluster_lan_host_take(cloud->cluster, cloud->prober, own[k], *source);
}

Lb *
lb_new(Cloud *cloud, const Service *service)
{
    Lb *lb = g_new0(Lb, 1);
    g_autofree char *entity = NULL;

    lb->cloud = cloud;
    lb->profile = &cloud->profile;
    lb->ns = g_strdup(service->meta.ns);
    lb->name = g_strdup(service->meta.name);
    lb->text = g_strdup_printf("%s/%s", lb->ns, lb->name);
    entity = g_strdup_printf("lb/%s", lb->text);
    lb->id = rng_hash_str(0, entity);
    lb->entity = sim_entity(cluster_sim(cloud->cluster), entity);
    lb->service = (Service *)api_ref((ApiObject *)service);
    lb->targets = g_ptr_array_new();
    htable_init(&lb->by_key, sizeof(LbTuple), sizeof(uint32_t));
    if (has_host(lb)) {
        g_autofree char *host = g_strdup_printf("lb/%s-%s", lb->ns, lb->name);
        lb->host = cluster_add_lan_host(cloud->cluster, host, lb->own, &lb->n_own);
        add_prober(cloud);
    }
    take_addresses(lb);
    targets_reconcile(lb);
    if (lb->profile->path == LB_PATH_PROXY)
        proxy_start(lb);
    else if (lb->host)
        forward_start(lb);
    else
        announce_update(lb);
    return lb;
}

void
lb_free(Lb *lb)
{
    proxy_stop(lb);
    forward_stop(lb);
    announce_stop(lb);
    targets_free(lb);
    for (uint32_t i = 0; i < lb->n_vips; i++)
        cluster_unroute(lb->cloud->cluster, lb->vips[i]);
    sim_entity_free(cluster_sim(lb->cloud->cluster), lb->entity);
    api_unref(&lb->service->meta);
    htable_clear(&lb->by_key);
    vec_clear(&lb->flows);
    vec_clear(&lb->free_flows);
    vec_clear(&lb->usable);
    vec_clear(&lb->weights);
    vec_clear(&lb->listeners);
    g_ptr_array_unref(lb->targets);
    g_free(lb->ns);
    g_free(lb->name);
    g_free(lb->text);
    g_free(lb);
}

void
lb_take_service(Lb *lb, const Service *service)
{
    api_unref(&lb->service->meta);
    lb->service = (Service *)api_ref((ApiObject *)service);
    targets_reconcile(lb);
    if (lb->profile->path == LB_PATH_PROXY)
        proxy_start(lb);
    else if (!lb->host)
        announce_update(lb);
}

/* --- The cloud --------------------------------------------------------------------------------------------------- */

static int
compare_lbs(gconstpointer a, gconstpointer b)
{
    const Lb *x = *(Lb *const *)a, *y = *(Lb *const *)b;
    int order = strcmp(x->ns, y->ns);

    return order ? order : strcmp(x->name, y->name);
}

void
cloud_add_lb(Cloud *cloud, const Service *service)
{
    Lb *lb = lb_new(cloud, service);

    g_ptr_array_add(cloud->lbs, lb);
    g_ptr_array_sort(cloud->lbs, compare_lbs);
}

void
cloud_remove_lb(Cloud *cloud, Lb *lb)
{
    g_ptr_array_remove(cloud->lbs, lb);
    lb_free(lb);
}

static void
flush_flows(void *user)
{
    Cloud *cloud = user;

    for (guint i = 0; i < cloud->lbs->len; i++) {
        forward_flush(cloud->lbs->pdata[i]);
        proxy_udp_flush(cloud->lbs->pdata[i]);
    }
}

static void
hold_probes(void *user, bool hold)
{
    ((Cloud *)user)->held = hold;
}

Cloud *
cloud_new(Cluster *cluster)
{
    Input *input = cluster_input(cluster);
    LbProfile profile;
    Cloud *cloud;

    if (!lb_profile_load(input, &profile))
        return NULL;
    cloud = g_new0(Cloud, 1);
    cloud->cluster = cluster;
    cloud->profile = profile;
    cloud->lbs = g_ptr_array_new();
    cloud->provisioning = g_ptr_array_new();
    cloud->refused = g_ptr_array_new_with_free_func(g_free);
    cloud->entity = sim_entity(cluster_sim(cluster), "cloud-controller-manager");
    htable_init(&cloud->replies, sizeof(LbTuple), sizeof(ReplyRef));
    controller_start(cloud);
    forward_router(cloud, true);
    cluster_set_listener(cluster, &(ClusterListener){flush_flows, hold_probes, cloud});
    cloud->settled = true;
    return cloud;
}

void
cloud_free(Cloud *cloud)
{
    if (!cloud)
        return;
    cluster_set_listener(cloud->cluster, NULL);
    controller_stop(cloud);
    forward_router(cloud, false);
    for (guint i = 0; i < cloud->lbs->len; i++)
        lb_free(cloud->lbs->pdata[i]);
    g_ptr_array_unref(cloud->lbs);
    g_ptr_array_unref(cloud->provisioning);
    g_ptr_array_unref(cloud->refused);
    htable_clear(&cloud->replies);
    sim_entity_free(cluster_sim(cloud->cluster), cloud->entity);
    for (size_t i = 0; i < cloud->history.len; i++) {
        g_free((char *)cloud->history.data[i].lb);
        g_free((char *)cloud->history.data[i].target);
        g_free((char *)cloud->history.data[i].cause);
    }
    vec_clear(&cloud->history);
    g_free(cloud);
}

const LbProfile *
cloud_profile(const Cloud *cloud)
{
    return &cloud->profile;
}

Lb *
cloud_lb(const Cloud *cloud, const char *ns, const char *service)
{
    for (guint i = 0; cloud && i < cloud->lbs->len; i++) {
        Lb *lb = cloud->lbs->pdata[i];
        if (strcmp(lb->name, service) == 0 && strcmp(lb->ns, ns) == 0)
            return lb;
    }
    return NULL;
}

Lb *const *
cloud_lbs(const Cloud *cloud, size_t *ret_n)
{
    *ret_n = cloud ? cloud->lbs->len : 0;
    return cloud ? (Lb *const *)cloud->lbs->pdata : NULL;
}

const char *
lb_name(const Lb *lb)
{
    return lb->text;
}

Host *
lb_host(const Lb *lb)
{
    return lb->host;
}

void
lb_set_down(Lb *lb, bool down)
{
    bool proxy = lb->profile->path == LB_PATH_PROXY;

    if (!lb->host || host_down(lb->host) == down)
        return;
    if (proxy && down)
        proxy_udp_stop(lb);
    host_set_down(lb->host, down);
    if (proxy && down)
        lb->listeners.len = 0; /* They died with the host; pairs were told. */
    else if (proxy)
        proxy_start(lb);
}

bool
lb_address(const Lb *lb, IpFamily family, IpAddr *ret_addr)
{
    for (uint32_t i = 0; i < lb->n_vips; i++)
        if (ipaddr_family(&lb->vips[i]) == family) {
            *ret_addr = lb->vips[i];
            return true;
        }
    return false;
}

LbTargetInfo *
lb_targets(const Lb *lb, size_t *ret_n)
{
    LbTargetInfo *list = g_new0(LbTargetInfo, lb->targets->len + 1);

    *ret_n = 0;
    for (guint i = 0; i < lb->targets->len; i++) {
        const LbTarget *t = lb->targets->pdata[i];
        if (t->state == LB_TARGET_GONE)
            continue;
        list[(*ret_n)++] = (LbTargetInfo){
            .name = t->name, .state = t->state, .weight = t->weight, .flows = t->n_flows, .active = t->n_active};
    }
    return list;
}

const LbHealthEvent *
lb_health_history(const Cloud *cloud, size_t *ret_n)
{
    *ret_n = cloud ? cloud->history.len : 0;
    return cloud ? cloud->history.data : NULL;
}
