#include "model/network/node_proxy.h"

#include "model/network/cluster_private.h"
#include "model/network/conntrack_cleanup.h"
#include "model/network/health_servers.h"
#include "model/network/proxy_group.h"
#include "model/network/stale_chains.h"
#include "sim/engine/timer.h"
#include "sim/engine/vec.h"

/* Views of the store that differ in their lag; more would only cost memory. */
#define MAX_VIEWS 8
/* A fleet larger than this shares one view; nodes then differ by the times of their syncs. */
#define SPLIT_LIMIT 64
/* pkg/proxy/{iptables,nftables}/proxier.go: burstSyncs. */
#define BURST_SYNCS 2
/* KEP-3836 KubeProxyDrainingTerminatingNodes: beta and on from 1.30. */
#define DRAINING_MINOR 30

static const ProxyClocks default_clocks = {
    .watch_latency_min = 5 * SIMTIME_MSEC,
    .watch_latency_max = 50 * SIMTIME_MSEC,
    /* Measured with iptables-restore: a full sync of 43,000 lines takes 4.5 s at best, a partial one of a few lines
     * 0.17 s. */
    .load_base = 30 * SIMTIME_MSEC,
    .load_per_rule = 100 * SIMTIME_USEC,
};

struct NodeProxy {
    ProxyFleet *fleet;
    ClusterNode *node;
    ProxyView *view;
    ProxyGroup *groups[2]; /* IPv4, IPv6. */
    ProxyNode info[2];
    NfRuleset *rules[2];   /* In force. */
    NfRuleset *next[2];    /* Being loaded. */
    StaleChains *stale[2]; /* Nftables only; NULL before the first sync. */
    char *errors[2];
    ProxyMode mode;
    SimEntity entity;
    Timer trigger;     /* The next sync begins. */
    Timer loaded;      /* The running one is in the kernel. */
    SimTime extra_lag; /* Beyond the view's. */
    SimTime min_period;
    SimTime tokens_at;    /* Token bucket of the runner: full at this time. */
    SimTime queued_since; /* Oldest change that no sync has taken up, or -1. */
    bool running, again, stuck;
    SimTime stuck_from, stuck_to; /* The last time; -1: never. */
    HealthServers *health;
    UdpState *udp[2], *udp_next[2]; /* In force; of the sync under way (NULL: unchanged). */
    uint64_t udp_generation[2];
    VEC(ProxySync) syncs;
};

struct ProxyFleet {
    Cluster *cluster;
    ProxyClocks clocks;
    GPtrArray *views;   /* ProxyView. */
    GPtrArray *proxies; /* NodeProxy, as the nodes. */
};

static const IpFamily families[2] = {FAMILY_IPV4, FAMILY_IPV6};
static const char slot_name[] = "kube-proxy";

/* --- One sync
 * --------------------------------------------------------------------------------------------------------- */

static void
compile_family(NodeProxy *p, int f)
{
    g_autoptr(GError) error = NULL;
    NfRuleset *rules = proxy_compile(p->groups[f]->compiler, p->groups[f]->services, &p->info[f], &error);

    g_clear_pointer(&p->errors[f], g_free);
    if (error)
        p->errors[f] = g_strdup(error->message);
    if (rules && p->rules[f] && p->mode == PROXY_NFTABLES) {
        if (!p->stale[f])
            p->stale[f] = stale_chains_new();
        rules = stale_chains_keep(p->stale[f], p->rules[f], rules, cluster_sim(p->fleet->cluster)->now);
    }
    nf_ruleset_unref(p->next[f]);
    p->next[f] = rules;
}

/* Takes from the view, at the start of a sync, what is acted upon when it is loaded. */
static void
collect_state(NodeProxy *p)
{
    ServiceMap *const maps[2] = {p->groups[0]->services, p->groups[1]->services};

    health_servers_collect(p->health, maps);
    for (int f = 0; f < 2; f++) {
        uint64_t generation = service_map_udp_generation(maps[f]);
        if (p->udp[f] && generation == p->udp_generation[f])
            continue;
        p->udp_generation[f] = generation;
        udp_state_unref(p->udp_next[f]);
        p->udp_next[f] = udp_state_ref(proxy_group_udp(p->groups[f]));
    }
}

static void
clean_conntrack(NodeProxy *p)
{
    KubeVersion version = input_version_of(cluster_input(p->fleet->cluster), p->node->name);

    for (int f = 0; f < 2; f++) {
        if (!p->udp_next[f])
            continue;
        if (p->udp[f])
            conntrack_cleanup(p->node->host, p->udp[f], p->udp_next[f], families[f], version);
        udp_state_unref(p->udp[f]);
        p->udp[f] = g_steal_pointer(&p->udp_next[f]);
    }
}

/* A failed sync leaves what was there (the real one retries after syncPeriod). */
static void
install(NodeProxy *p)
{
    NfStack *nf = host_netfilter(p->node->host);

    for (int f = 0; f < 2; f++) {
        if (!p->next[f])
            continue;
        nf_stack_set_ruleset(nf, families[f], slot_name, p->next[f]);
        nf_ruleset_unref(p->rules[f]);
        p->rules[f] = g_steal_pointer(&p->next[f]);
    }
    clean_conntrack(p);
    health_servers_apply(p->health, input_proxy_of(cluster_input(p->fleet->cluster), p->node->name), p->info,
                         !p->fleet->cluster->options.no_apps);
}

static void schedule(NodeProxy *p, SimTime earliest);

static void
on_loaded(Sim *sim, void *owner)
{
    NodeProxy *p = owner;

    install(p);
    p->running = false;
    vec_last(&p->syncs)->done = sim->now;
    if (p->again) {
        p->again = false;
        schedule(p, sim->now);
    }
    /* The periodic sync finds nothing else to do, so it is left out where there is nothing to delete. */
    if (stale_chains_any(p->stale[0]) || stale_chains_any(p->stale[1]))
        schedule(p, sim->now + input_proxy_of(cluster_input(p->fleet->cluster), p->node->name)->sync_period);
}

static void
on_trigger(Sim *sim, void *owner)
{
    NodeProxy *p = owner;
    uint32_t written = 0;
    const ProxyClocks *clocks = &p->fleet->clocks;

    if (p->stuck)
        return;
    p->running = true;
    p->queued_since = -1;
    p->tokens_at = MAX(p->tokens_at, sim->now) + p->min_period;
    proxy_view_update(p->view);
    for (int f = 0; f < 2; f++) {
        compile_family(p, f);
        written += p->next[f] ? proxy_group_rules_to_write(p->groups[f], p->rules[f], p->next[f]) : 0;
    }
    collect_state(p);
    vec_push(&p->syncs, (ProxySync){.at = sim->now, .done = -1, .rules_written = written});
    timer_arm(sim, p->loaded, sim->now + clocks->load_base + written * clocks->load_per_rule);
}

/* BoundedFrequencyRunner: at most BURST_SYNCS at once, then one a min period. */
static void
schedule(NodeProxy *p, SimTime earliest)
{
    Sim *sim = cluster_sim(p->fleet->cluster);
    SimTime allowed = p->tokens_at - (BURST_SYNCS - 1) * p->min_period;
    SimTime at = MAX(earliest, allowed);

    if (p->running) {
        p->again = true;
        return;
    }
    if (!timer_armed(sim, p->trigger) || timer_deadline(sim, p->trigger) > at)
        timer_arm(sim, p->trigger, at);
}

static void
on_view_changed(ProxyView *view, void *user)
{
    ProxyFleet *fleet = user;
    Sim *sim = cluster_sim(fleet->cluster);

    for (guint i = 0; i < fleet->proxies->len; i++) {
        NodeProxy *p = fleet->proxies->pdata[i];
        if (p->view != view)
            continue;
        if (p->queued_since < 0)
            p->queued_since = sim->now;
        schedule(p, sim->now + p->extra_lag);
    }
}

/* --- The fleet
 * ---------------------------------------------------------------------------------------------------------- */

static SimTime
node_lag(const ProxyFleet *fleet, const ClusterNode *node)
{
    Rng rng = rng_stream(cluster_sim(fleet->cluster)->seed, node->name, "watch-latency");
    SimTime span = fleet->clocks.watch_latency_max - fleet->clocks.watch_latency_min;

    return fleet->clocks.watch_latency_min + (span > 0 ? (SimTime)(rng_u64(&rng) % (uint64_t)(span + 1)) : 0);
}

static NodeProxy *
proxy_new(ProxyFleet *fleet, ClusterNode *node, ProxyView *view)
{
    NodeProxy *p = g_new0(NodeProxy, 1);
    Sim *sim = cluster_sim(fleet->cluster);
    Input *input = cluster_input(fleet->cluster);
    const ProxyConfig *config = input_proxy_of(input, node->name);
    g_autofree char *entity = g_strdup_printf("kube-proxy/%s", node->name);

    p->fleet = fleet;
    p->node = node;
    p->view = view;
    p->mode = config->mode;
    p->queued_since = p->stuck_from = p->stuck_to = -1;
    p->min_period = config->min_sync_period;
    p->entity = sim_entity(sim, entity);
    p->trigger = timer_new(sim, "proxy.sync", &p->entity, on_trigger, p);
    p->loaded = timer_new(sim, "proxy.loaded", &p->entity, on_loaded, p);
    for (int f = 0; f < 2; f++) {
        p->groups[f] = proxy_view_group(view, config->mode, families[f], input_version_of(input, node->name), config);
        proxy_node_from_input(input, node->name, families[f], &p->info[f]);
        compile_family(p, f);
    }
    p->health = health_servers_new(node, p);
    collect_state(p);
    install(p);
    node->proxy = p;
    return p;
}

static void
proxy_free(NodeProxy *p)
{
    Sim *sim = cluster_sim(p->fleet->cluster);

    timer_free(sim, &p->trigger);
    timer_free(sim, &p->loaded);
    sim_entity_free(sim, p->entity);
    for (int f = 0; f < 2; f++) {
        nf_ruleset_unref(p->rules[f]);
        nf_ruleset_unref(p->next[f]);
        stale_chains_free(p->stale[f]);
        proxy_node_clear(&p->info[f]);
        g_free(p->errors[f]);
        udp_state_unref(p->udp[f]);
        udp_state_unref(p->udp_next[f]);
    }
    health_servers_free(p->health);
    vec_clear(&p->syncs);
    p->node->proxy = NULL;
    g_free(p);
}

static void
set_lags(ProxyFleet *fleet)
{
    for (guint i = 0; i < fleet->views->len; i++)
        proxy_view_set_lag(fleet->views->pdata[i], SIMTIME_NEVER);
    for (guint i = 0; i < fleet->proxies->len; i++) {
        NodeProxy *p = fleet->proxies->pdata[i];
        proxy_view_set_lag(p->view, MIN(proxy_view_lag(p->view), node_lag(fleet, p->node)));
    }
    for (guint i = 0; i < fleet->proxies->len; i++) {
        NodeProxy *p = fleet->proxies->pdata[i];
        p->extra_lag = node_lag(fleet, p->node) - proxy_view_lag(p->view);
    }
}

ProxyFleet *
proxy_fleet_new(Cluster *cluster)
{
    ProxyFleet *fleet = g_new0(ProxyFleet, 1);
    size_t n_nodes;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n_nodes);
    size_t n_views = n_nodes > SPLIT_LIMIT ? 1 : MAX(1, MIN(n_nodes, MAX_VIEWS));

    fleet->cluster = cluster;
    fleet->clocks = default_clocks;
    fleet->views = g_ptr_array_new();
    fleet->proxies = g_ptr_array_new();
    for (size_t i = 0; i < n_views; i++) {
        g_autofree char *name = g_strdup_printf("proxy-view/%zu", i);
        g_ptr_array_add(fleet->views, proxy_view_new(cluster, name, 0, on_view_changed, fleet));
    }
    for (size_t i = 0; i < n_nodes; i++)
        g_ptr_array_add(fleet->proxies, proxy_new(fleet, nodes[i], fleet->views->pdata[i % n_views]));
    set_lags(fleet);
    return fleet;
}

void
proxy_fleet_free(ProxyFleet *fleet)
{
    if (!fleet)
        return;
    for (guint i = 0; i < fleet->proxies->len; i++)
        proxy_free(fleet->proxies->pdata[i]);
    for (guint i = 0; i < fleet->views->len; i++)
        proxy_view_free(fleet->views->pdata[i]);
    g_ptr_array_unref(fleet->proxies);
    g_ptr_array_unref(fleet->views);
    g_free(fleet);
}

void
proxy_fleet_set_clocks(ProxyFleet *fleet, const ProxyClocks *clocks)
{
    fleet->clocks = *clocks;
    set_lags(fleet);
}

NfRuleset *
node_proxy_ruleset(const NodeProxy *p, IpFamily family)
{
    return p->rules[family == FAMILY_IPV6];
}

ProxyMode
node_proxy_mode(const NodeProxy *p)
{
    return p->mode;
}

const char *
node_proxy_error(const NodeProxy *p, IpFamily family)
{
    return p->errors[family == FAMILY_IPV6];
}

const ProxyCompiler *
node_proxy_compiler(const NodeProxy *p, IpFamily family)
{
    return p->groups[family == FAMILY_IPV6]->compiler;
}

const ServiceMap *
node_proxy_services(const NodeProxy *p, IpFamily family)
{
    return p->groups[family == FAMILY_IPV6]->services;
}

void
node_proxy_set_stuck(NodeProxy *p, bool stuck)
{
    Sim *sim = cluster_sim(p->fleet->cluster);

    p->stuck = stuck;
    *(stuck ? &p->stuck_from : &p->stuck_to) = sim->now;
    if (!stuck && p->queued_since >= 0)
        schedule(p, sim->now);
}

bool
node_proxy_was_stuck(const NodeProxy *p, SimTime from, SimTime to, SimTime *ret_since, SimTime *ret_until)
{
    bool over = p->stuck_to >= p->stuck_from;

    *ret_since = p->stuck_from;
    *ret_until = over ? p->stuck_to : SIMTIME_NEVER;
    return p->stuck_from >= 0 && p->stuck_from <= to && *ret_until >= from;
}

void
node_proxy_restart(NodeProxy *p)
{
    schedule(p, cluster_sim(p->fleet->cluster)->now);
}

const ProxySync *
node_proxy_syncs(const NodeProxy *p, size_t *ret_n)
{
    *ret_n = p->syncs.len;
    return p->syncs.data;
}

/* proxy_health.go: a change waits for longer than two sync periods. */
bool
node_proxy_live(const NodeProxy *p)
{
    const ProxyConfig *config = input_proxy_of(cluster_input(p->fleet->cluster), p->node->name);

    return p->queued_since < 0 || cluster_sim(p->fleet->cluster)->now - p->queued_since <= 2 * config->sync_period;
}

bool
node_proxy_eligible(const NodeProxy *p)
{
    const Input *input = cluster_input(p->fleet->cluster);
    const KubeNode *node = (const KubeNode *)store_get(proxy_view_store(p->view), KIND_NODE, "", p->node->name);

    if (input_version_of(input, p->node->name).minor < DRAINING_MINOR)
        return true;
    if (!node || node->meta.deletion_ns >= 0)
        return false;
    for (uint32_t i = 0; i < node->n_taints; i++)
        if (strcmp(node->taints[i].key, "ToBeDeletedByClusterAutoscaler") == 0)
            return false;
    return true;
}

int
node_proxy_healthz(const NodeProxy *p)
{
    return node_proxy_live(p) && node_proxy_eligible(p) ? 200 : 503;
}

int
node_proxy_local_ready(const NodeProxy *p, const char *ns, const char *service)
{
    return health_servers_local_ready(p->health, ns, service);
}
