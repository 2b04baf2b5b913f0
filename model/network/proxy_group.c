#include "model/network/proxy_group.h"

#include "sim/engine/timer.h"

#define WATCHED (STORE_KIND(KIND_SERVICE) | STORE_KIND(KIND_ENDPOINTSLICE) | STORE_KIND(KIND_NODE))

struct ProxyView {
    Cluster *cluster;
    SimTime lag;
    Store *mirror;
    uint32_t watch;
    SimEntity entity;
    Timer timer;
    GPtrArray *groups; /* ProxyGroup. */
    void (*changed)(ProxyView *view, void *user);
    void *user;
};

static void
on_due(Sim *sim, void *owner)
{
    ProxyView *view = owner;
    size_t n = store_catch_up(view->mirror, sim->now);
    SimTime next = store_next_due(view->mirror);

    if (next != SIMTIME_NEVER)
        timer_arm(sim, view->timer, next);
    if (n > 0)
        view->changed(view, view->user);
}

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    ProxyView *view = user;
    Sim *sim = cluster_sim(view->cluster);

    (void)event;
    if (store_hold(view->mirror, sim->now + view->lag, old, new_))
        timer_arm(sim, view->timer, store_next_due(view->mirror));
}

ProxyView *
proxy_view_new(Cluster *cluster, const char *name, SimTime lag, void (*changed)(ProxyView *view, void *user),
               void *user)
{
    ProxyView *view = g_new0(ProxyView, 1);
    Sim *sim = cluster_sim(cluster);

    view->cluster = cluster;
    view->lag = lag;
    view->changed = changed;
    view->user = user;
    view->mirror = store_new_mirror(cluster_store(cluster), WATCHED);
    view->watch = store_watch(cluster_store(cluster), on_change, view);
    view->entity = sim_entity(sim, name);
    view->timer = timer_new(sim, "proxy.watch", &view->entity, on_due, view);
    view->groups = g_ptr_array_new();
    return view;
}

static void
group_free(ProxyGroup *group)
{
    nf_ruleset_unref(group->before);
    nf_ruleset_unref(group->after);
    udp_state_unref(group->udp);
    proxy_compiler_free(group->compiler);
    service_map_free(group->services);
    nf_names_unref(group->names);
    g_free(group);
}

void
proxy_view_free(ProxyView *view)
{
    Sim *sim;

    if (!view)
        return;
    sim = cluster_sim(view->cluster);
    store_unwatch(cluster_store(view->cluster), view->watch);
    for (guint i = 0; i < view->groups->len; i++)
        group_free(view->groups->pdata[i]);
    g_ptr_array_unref(view->groups);
    timer_free(sim, &view->timer);
    sim_entity_free(sim, view->entity);
    store_free(view->mirror);
    g_free(view);
}

SimTime
proxy_view_lag(const ProxyView *view)
{
    return view->lag;
}

void
proxy_view_set_lag(ProxyView *view, SimTime lag)
{
    view->lag = lag;
}

Store *
proxy_view_store(const ProxyView *view)
{
    return view->mirror;
}

static ProxyGroup *
group_new(ProxyView *view, ProxyMode mode, IpFamily family, KubeVersion version, const ProxyConfig *config)
{
    const ClusterSpec *spec = &cluster_input(view->cluster)->cluster;
    ProxyGroup *group = g_new0(ProxyGroup, 1);

    group->view = view;
    group->mode = mode;
    group->family = family;
    group->version = version;
    group->config = config;
    group->names = nf_names_new();
    group->services = service_map_new(view->mirror, family, version);
    group->compiler = proxy_compiler_new(&(ProxyParams){.mode = mode,
                                                        .family = family,
                                                        .version = version,
                                                        .config = config,
                                                        .service_cidrs = spec->service_cidrs,
                                                        .n_service_cidrs = spec->n_service_cidrs},
                                         group->names);
    g_ptr_array_add(view->groups, group);
    return group;
}

ProxyGroup *
proxy_view_group(ProxyView *view, ProxyMode mode, IpFamily family, KubeVersion version, const ProxyConfig *config)
{
    for (guint i = 0; i < view->groups->len; i++) {
        ProxyGroup *group = view->groups->pdata[i];
        if (group->mode == mode && group->family == family && group->version.minor == version.minor &&
            group->config == config)
            return group;
    }
    return group_new(view, mode, family, version, config);
}

uint32_t
proxy_group_rules_to_write(ProxyGroup *group, NfRuleset *before, NfRuleset *after)
{
    if (!group->after || group->before != before || group->after != after) {
        nf_ruleset_unref(group->before);
        nf_ruleset_unref(group->after);
        group->before = before ? nf_ruleset_ref(before) : NULL;
        group->after = nf_ruleset_ref(after);
        group->rules_to_write = proxy_rules_to_write(before, after);
    }
    return group->rules_to_write;
}

UdpState *
proxy_group_udp(ProxyGroup *group)
{
    uint64_t generation = service_map_udp_generation(group->services);

    if (!group->udp || group->udp_generation != generation) {
        udp_state_unref(group->udp);
        group->udp = udp_state_new(group->services);
        group->udp_generation = generation;
    }
    return group->udp;
}

void
proxy_view_update(ProxyView *view)
{
    for (guint i = 0; i < view->groups->len; i++)
        service_map_update(((ProxyGroup *)view->groups->pdata[i])->services);
}
