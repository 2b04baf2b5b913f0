#include "model/network/proxy_group.h"

#include "sim/engine/timer.h"
#include "sim/engine/vec.h"

typedef struct {
    SimTime due;
    ApiKind kind;
    const char *ns, *name;
    ApiObject *object; /* NULL: deleted. */
} Delayed;

struct ProxyView {
    Cluster *cluster;
    SimTime lag;
    Store *mirror;
    uint32_t watch;
    VEC(Delayed) queue; /* In order of 'due': the lag is one for all. */
    SimEntity entity;
    Timer timer;
    GPtrArray *groups; /* ProxyGroup. */
    void (*changed)(ProxyView *view, void *user);
    void *user;
};

static bool
is_watched(ApiKind kind)
{
    return kind == KIND_SERVICE || kind == KIND_ENDPOINTSLICE || kind == KIND_NODE;
}

static void
apply(ProxyView *view, Delayed *d)
{
    if (d->object)
        store_put(view->mirror, d->object);
    else
        store_remove(view->mirror, d->kind, d->ns, d->name);
}

static void
on_due(Sim *sim, void *owner)
{
    ProxyView *view = owner;
    size_t n = 0;

    while (n < view->queue.len && view->queue.data[n].due <= sim->now)
        apply(view, &view->queue.data[n++]);
    view->queue.len -= n;
    memmove(view->queue.data, view->queue.data + n, view->queue.len * sizeof(Delayed));
    if (view->queue.len > 0)
        timer_arm(sim, view->timer, view->queue.data[0].due);
    if (n > 0)
        view->changed(view, view->user);
}

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    ProxyView *view = user;
    Sim *sim = cluster_sim(view->cluster);
    const ApiObject *object = new_ ? new_ : old;

    (void)event;
    if (!is_watched(object->kind))
        return;
    vec_push(&view->queue, (Delayed){.due = sim->now + view->lag,
                                     .kind = object->kind,
                                     .ns = object->ns,
                                     .name = object->name,
                                     .object = new_ ? api_ref((ApiObject *)new_) : NULL});
    timer_arm(sim, view->timer, view->queue.data[0].due);
}

static void
copy_kind(ProxyView *view, ApiKind kind)
{
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(view->cluster), kind, &n);

    for (size_t i = 0; i < n; i++)
        store_put(view->mirror, api_ref((ApiObject *)objects[i]));
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
    view->mirror = store_new_mirror(cluster_store(cluster));
    copy_kind(view, KIND_SERVICE);
    copy_kind(view, KIND_ENDPOINTSLICE);
    copy_kind(view, KIND_NODE);
    view->watch = store_watch(cluster_store(cluster), on_change, view);
    view->entity = sim_entity(sim, name);
    view->timer = timer_new(sim, "proxy.watch", &view->entity, on_due, view);
    view->groups = g_ptr_array_new();
    return view;
}

static void
group_free(ProxyGroup *group)
{
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
    for (size_t i = 0; i < view->queue.len; i++)
        if (view->queue.data[i].object)
            api_unref(view->queue.data[i].object);
    vec_clear(&view->queue);
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
