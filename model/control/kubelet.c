/* Kubelets: the life of each pod on its node, from the sandbox to the last SIGKILL
 *
 * Source: k8s pkg/kubelet (syncPod, killPod, status manager).  A life is made when something happens to a pod, or at
 * the start for pods with probes; pods that just run cost nothing.  The kubelet sees changes clocks.kubelet_sync late
 * and reports clocks.status_update later.  On a node without power lives are frozen. */

#include <string.h>

#include "model/control/controllers_private.h"
#include "model/control/pod_make.h"
#include "model/control/pod_probe.h"
#include "model/network/node_proxy.h"
#include "model/network/pod_apps.h"
#include "sim/engine/vec.h"

/* killPod gives a preStop hook that used up the grace period this much more (minimumGracePeriodInSeconds). */
#define LAST_GRACE   (2 * SIMTIME_SEC)
#define BACKOFF_BASE (10 * SIMTIME_SEC)
#define BACKOFF_MAX  (300 * SIMTIME_SEC)
/* How often the kubelet model looks whether a terminating application is done. */
#define EXIT_POLL (100 * SIMTIME_MSEC)

typedef enum {
    LIFE_STARTING, /* Until its containers run. */
    LIFE_RUNNING,
    LIFE_RESTARTING, /* A probe asked for it. */
    LIFE_DELETING,   /* The kubelet has yet to notice. */
    LIFE_PRESTOP,
    LIFE_TERM, /* SIGTERM was sent. */
    LIFE_GONE, /* The API server has yet to hear. */
} LifePhase;

typedef struct {
    Kubelet *kubelet;
    const char *ns, *name, *node;
    ClusterPod *pod; /* NULL: no network namespace (any more). */
    PodSpec spec;
    SimEntity entity;
    Timer step, grace, status;
    LifePhase phase;
    VEC(PodProbe *) probes;
    SimTime ticks_from;  /* Of its probe workers. */
    SimTime ready_since; /* If 'ready'. */
    bool ready, frozen;
    uint32_t restarts;
} PodLife;

typedef struct {
    const char *ns, *name;
} LifeKey;

struct Kubelet {
    Controllers *c;
    HTable lives; /* LifeKey -> PodLife *. */
    GPtrArray *all;
};

static PodLife *life_find(const Kubelet *k, const char *ns, const char *name);
static PodLife *life_new(Kubelet *k, const Pod *pod, LifePhase phase);
static void life_free(PodLife *life);
static void adopt_running(Kubelet *k, const Pod *pod);
static void begin_end(PodLife *life, const Pod *pod);
static void on_step(Sim *sim, void *owner);
static void on_grace(Sim *sim, void *owner);
static void on_status(Sim *sim, void *owner);
static void start_containers(PodLife *life);
static void make_probes(PodLife *life, bool initially);
static void drop_probes(PodLife *life);
static void on_probe_turned(void *user, PodProbe *probe);
static void update_ready(PodLife *life);
static void restart_containers(PodLife *life);
static void stop_containers(PodLife *life);
static void send_term(PodLife *life);
static void kill_containers(PodLife *life);

Kubelet *
kubelet_new(Controllers *c)
{
    Kubelet *k = g_new0(Kubelet, 1);
    size_t n;
    const ApiObject *const *pods = store_list_made(c->store, KIND_POD, &n);

    k->c = c;
    k->all = g_ptr_array_new();
    htable_init(&k->lives, sizeof(LifeKey), sizeof(PodLife *));
    for (size_t i = 0; i < n; i++)
        adopt_running(k, (const Pod *)pods[i]);
    return k;
}

void
kubelet_free(Kubelet *k)
{
    while (k->all->len > 0)
        life_free(k->all->pdata[k->all->len - 1]);
    g_ptr_array_unref(k->all);
    htable_clear(&k->lives);
    g_free(k);
}

void
kubelet_pod_changed(Kubelet *k, const Pod *old, const Pod *new_)
{
    const ApiObject *meta = new_ ? &new_->meta : &old->meta;
    PodLife *life = life_find(k, meta->ns, meta->name);

    if (!new_) {
        ClusterPod *pod = cluster_pod(k->c->cluster, meta->ns, meta->name);
        if (life)
            life_free(life);
        if (pod)
            cluster_pod_remove(k->c->cluster, pod);
        return;
    }
    if (!new_->spec.node_name || !cluster_node(k->c->cluster, new_->spec.node_name))
        return;
    if (new_->meta.deletion_ns >= 0) {
        if (old && old->meta.deletion_ns >= 0)
            return;
        begin_end(life ? life : life_new(k, new_, LIFE_RUNNING), new_);
        return;
    }
    if (!life && new_->phase == POD_PENDING && (!old || !old->spec.node_name)) {
        ClusterNode *node = cluster_node(k->c->cluster, new_->spec.node_name);
        life = life_new(k, new_, LIFE_STARTING);
        life->frozen = node->failed;
        life->ticks_from = k->c->sim->now + k->c->clocks.kubelet_sync;
        if (!life->frozen)
            timer_arm(k->c->sim, life->step, life->ticks_from + k->c->clocks.container_start);
    }
}

SimTime
kubelet_ready_since(Kubelet *k, const Pod *pod)
{
    const PodLife *life = life_find(k, pod->meta.ns, pod->meta.name);

    return life ? life->ready_since : pod->meta.created_ns;
}

/* The pods of a node by name, so that nothing depends on the order in which lives began. */
static GPtrArray *
pods_of(Kubelet *k, const ClusterNode *node)
{
    GPtrArray *pods = g_ptr_array_new();
    size_t n;
    const ApiObject *const *list = store_list(k->c->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++)
        if (g_strcmp0(((const Pod *)list[i])->spec.node_name, node->name) == 0)
            g_ptr_array_add(pods, (gpointer)list[i]);
    return pods;
}

/* Nobody says goodbye: sockets vanish before the processes do. */
void
kubelet_node_down(Kubelet *k, const ClusterNode *node)
{
    g_autoptr(GPtrArray) pods = pods_of(k, node);
    Sim *sim = k->c->sim;

    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        PodLife *life = life_find(k, pod->meta.ns, pod->meta.name);
        if (!life)
            life = life_new(k, pod, LIFE_RUNNING);
        life->frozen = true;
        timer_disarm(sim, life->step);
        timer_disarm(sim, life->grace);
        timer_disarm(sim, life->status);
        if (life->pod && !life->pod->host_network)
            host_set_down(cluster_pod_host(life->pod), true);
    }
    host_set_down(node->host, true);
    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        PodLife *life = life_find(k, pod->meta.ns, pod->meta.name);
        drop_probes(life);
        stop_containers(life);
    }
}

/* The machine boots: pods that are still wanted start again, with their addresses. */
void
kubelet_node_up(Kubelet *k, const ClusterNode *node)
{
    g_autoptr(GPtrArray) pods = pods_of(k, node);
    Controllers *c = k->c;

    host_set_down(node->host, false);
    node_proxy_restart(node->proxy);
    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        PodLife *life = life_find(k, pod->meta.ns, pod->meta.name);
        if (!life)
            continue;
        if (life->pod && !life->pod->host_network)
            host_set_down(cluster_pod_host(life->pod), false);
        life->frozen = false;
        life->ready = false;
        life->ticks_from = c->sim->now + c->clocks.kubelet_sync;
        if (pod->meta.deletion_ns >= 0) {
            life->phase = LIFE_GONE;
            timer_arm(c->sim, life->status, life->ticks_from + c->clocks.status_update);
            continue;
        }
        life->phase = LIFE_STARTING;
        timer_arm(c->sim, life->step, life->ticks_from + c->clocks.container_start);
        if (pod->ready)
            timer_arm(c->sim, life->status, life->ticks_from + c->clocks.status_update);
    }
}

/* --- Lives ---------------------------------------------------------------------------------------------------------
 */

static PodLife *
life_find(const Kubelet *k, const char *ns, const char *name)
{
    LifeKey key = {ns, name};
    PodLife *const *life = htable_find(&k->lives, &key);

    return life ? *life : NULL;
}

static PodLife *
life_new(Kubelet *k, const Pod *pod, LifePhase phase)
{
    Controllers *c = k->c;
    PodLife *life = g_new0(PodLife, 1);
    LifeKey key = {pod->meta.ns, pod->meta.name};
    g_autofree char *entity = g_strdup_printf("kubelet/%s/%s", pod->meta.ns, pod->meta.name);

    life->kubelet = k;
    life->ns = pod->meta.ns;
    life->name = pod->meta.name;
    life->node = pod->spec.node_name;
    life->pod = cluster_pod(c->cluster, life->ns, life->name);
    life->phase = phase;
    life->ready = pod->ready;
    life->ready_since = pod->meta.created_ns;
    pod_spec_copy(&life->spec, &pod->spec);
    life->entity = sim_entity(c->sim, entity);
    life->step = timer_new(c->sim, "kubelet.step", &life->entity, on_step, life);
    life->grace = timer_new(c->sim, "kubelet.grace", &life->entity, on_grace, life);
    life->status = timer_new(c->sim, "kubelet.status", &life->entity, on_status, life);
    *(PodLife **)htable_insert(&k->lives, &key, NULL) = life;
    g_ptr_array_add(k->all, life);
    return life;
}

static void
life_free(PodLife *life)
{
    Kubelet *k = life->kubelet;
    LifeKey key = {life->ns, life->name};

    drop_probes(life);
    vec_clear(&life->probes);
    timer_free(k->c->sim, &life->step);
    timer_free(k->c->sim, &life->grace);
    timer_free(k->c->sim, &life->status);
    sim_entity_free(k->c->sim, life->entity);
    pod_spec_clear(&life->spec);
    htable_remove(&k->lives, &key);
    g_ptr_array_remove_fast(k->all, life);
    g_free(life);
}

static bool
has_probes(const PodSpec *spec)
{
    for (uint32_t i = 0; i < spec->n_containers; i++)
        if (spec->containers[i].readiness.kind != PROBE_NONE || spec->containers[i].liveness.kind != PROBE_NONE)
            return true;
    return false;
}

/* Pods that run when the simulation begins; their probe workers tick at a phase of their own. */
static void
adopt_running(Kubelet *k, const Pod *pod)
{
    Controllers *c = k->c;

    if (!pod->spec.node_name || !cluster_pod(c->cluster, pod->meta.ns, pod->meta.name))
        return;
    if (pod->meta.deletion_ns >= 0) {
        begin_end(life_new(k, pod, LIFE_RUNNING), pod);
    } else if (has_probes(&pod->spec)) {
        PodLife *life = life_new(k, pod, LIFE_RUNNING);
        Rng rng = rng_stream(c->sim->seed, pod->meta.name, "probe-phase");
        life->ticks_from = -(SimTime)(rng_u64(&rng) % (uint64_t)(3600 * SIMTIME_SEC));
        make_probes(life, true);
        for (size_t i = 0; i < life->probes.len; i++)
            if (pod_probe_role(life->probes.data[i]) != ROLE_STARTUP)
                pod_probe_begin(life->probes.data[i], false);
    }
}

/* --- Running --------------------------------------------------------------------------------------------------------
 */

static void
on_step(Sim *sim, void *owner)
{
    PodLife *life = owner;
    SimTime pre_stop = -1;

    switch (life->phase) {
    case LIFE_STARTING:
        start_containers(life);
        break;
    case LIFE_RESTARTING:
        restart_containers(life);
        break;
    case LIFE_DELETING:
        for (uint32_t i = 0; i < life->spec.n_containers; i++)
            pre_stop = MAX(pre_stop, life->spec.containers[i].pre_stop_ns);
        timer_arm(sim, life->grace, sim->now + life->spec.grace_ns);
        if (pre_stop > 0) {
            life->phase = LIFE_PRESTOP;
            timer_arm(sim, life->step, sim->now + pre_stop);
        } else {
            send_term(life);
        }
        break;
    case LIFE_PRESTOP:
        send_term(life);
        break;
    case LIFE_TERM:
        if (!life->pod || !cluster_pod_runtime(life->pod) || pod_runtime_exited(cluster_pod_runtime(life->pod)))
            kill_containers(life);
        else
            timer_arm(sim, life->step, sim->now + EXIT_POLL);
        break;
    case LIFE_RUNNING:
    case LIFE_GONE:
        break;
    }
}

/* The sandbox with its address, unless it has one from before; then the containers. */
static bool
make_sandbox(PodLife *life)
{
    Controllers *c = life->kubelet->c;
    const ApiObject *object = store_get(c->store, KIND_POD, life->ns, life->name);
    const ApiObject *node = store_get(c->store, KIND_NODE, "", life->node);

    if (life->pod)
        return true;
    if (!object || !node)
        return false;
    Pod *placed = (Pod *)api_copy(object);
    if (pod_place(c->alloc, (const KubeNode *)node, placed))
        life->pod = cluster_pod_add(c->cluster, placed);
    else
        cluster_story(c->cluster, "pod %s/%s stays Pending: no pod address is left on node %s", life->ns, life->name,
                      life->node);
    api_unref(&placed->meta);
    return life->pod != NULL;
}

static void
start_containers(PodLife *life)
{
    Controllers *c = life->kubelet->c;

    if (!make_sandbox(life))
        return;
    life->phase = LIFE_RUNNING;
    life->pod->made_runtime = pod_runtime_start(life->pod);
    cluster_story(c->cluster, "pod %s/%s starts on node %s", life->ns, life->name, life->node);
    if (life->probes.len == 0)
        make_probes(life, false);
    bool startup = false;
    for (size_t i = 0; i < life->probes.len; i++)
        startup |= pod_probe_role(life->probes.data[i]) == ROLE_STARTUP;
    for (size_t i = 0; i < life->probes.len; i++)
        if (!startup || pod_probe_role(life->probes.data[i]) == ROLE_STARTUP)
            pod_probe_begin(life->probes.data[i], true);
    update_ready(life);
    if (!timer_armed(c->sim, life->status))
        timer_arm(c->sim, life->status, c->sim->now + c->clocks.status_update);
}

static void
make_probes(PodLife *life, bool initially)
{
    for (uint32_t i = 0; i < life->spec.n_containers; i++)
        for (ProbeRole role = ROLE_STARTUP; role <= ROLE_LIVENESS; role++) {
            bool at_first = role == ROLE_LIVENESS || (initially && (role == ROLE_STARTUP || life->ready));
            PodProbe *probe =
                pod_probe_new(life->pod, &life->spec, i, role, life->ticks_from, at_first, on_probe_turned, life);
            if (probe)
                vec_push(&life->probes, probe);
        }
}

static void
drop_probes(PodLife *life)
{
    for (size_t i = 0; i < life->probes.len; i++)
        pod_probe_free(life->probes.data[i]);
    life->probes.len = 0;
}

static bool
started(const PodLife *life)
{
    for (size_t i = 0; i < life->probes.len; i++)
        if (pod_probe_role(life->probes.data[i]) == ROLE_STARTUP && !pod_probe_ok(life->probes.data[i]))
            return false;
    return true;
}

static void
on_probe_turned(void *user, PodProbe *probe)
{
    PodLife *life = user;
    Controllers *c = life->kubelet->c;
    static const char *const names[] = {"startup", "readiness", "liveness"};

    if (life->frozen)
        return;
    if (pod_probe_role(probe) == ROLE_READINESS) {
        update_ready(life);
        return;
    }
    if (pod_probe_ok(probe)) {
        if (pod_probe_role(probe) == ROLE_STARTUP && started(life))
            for (size_t i = 0; i < life->probes.len; i++)
                if (pod_probe_role(life->probes.data[i]) != ROLE_STARTUP)
                    pod_probe_begin(life->probes.data[i], true);
        update_ready(life);
        return;
    }
    if (life->phase != LIFE_RUNNING)
        return;
    cluster_story(c->cluster, "pod %s/%s fails its %s probe: its containers restart", life->ns, life->name,
                  names[pod_probe_role(probe)]);
    life->phase = LIFE_RESTARTING;
    timer_arm(c->sim, life->step, c->sim->now + c->clocks.kubelet_sync);
}

static void
update_ready(PodLife *life)
{
    Controllers *c = life->kubelet->c;
    bool ready = life->pod && cluster_pod_runtime(life->pod) && started(life) && life->phase != LIFE_RESTARTING;

    for (size_t i = 0; i < life->probes.len; i++)
        if (pod_probe_role(life->probes.data[i]) == ROLE_READINESS)
            ready = ready && pod_probe_ok(life->probes.data[i]);
    if (ready == life->ready)
        return;
    life->ready = ready;
    life->ready_since = c->sim->now;
    timer_arm(c->sim, life->status, c->sim->now + c->clocks.status_update);
}

/* Called first to end the containers, then, after the wait, through LIFE_STARTING to begin them again. */
static void
restart_containers(PodLife *life)
{
    Controllers *c = life->kubelet->c;
    SimTime wait = life->restarts ? MIN(BACKOFF_BASE << MIN(life->restarts - 1, 5), BACKOFF_MAX) : 0;

    drop_probes(life);
    stop_containers(life);
    life->restarts++;
    life->phase = LIFE_STARTING;
    life->ticks_from = c->sim->now;
    update_ready(life);
    timer_arm(c->sim, life->step, c->sim->now + wait + c->clocks.container_start);
}

/* --- The end --------------------------------------------------------------------------------------------------------
 */

static void
begin_end(PodLife *life, const Pod *pod)
{
    Controllers *c = life->kubelet->c;

    if (life->frozen || life->phase >= LIFE_DELETING)
        return;
    life->spec.grace_ns = pod->spec.grace_ns;
    life->phase = LIFE_DELETING;
    timer_arm(c->sim, life->step, c->sim->now + c->clocks.kubelet_sync);
}

static void
send_term(PodLife *life)
{
    Controllers *c = life->kubelet->c;

    life->phase = LIFE_TERM;
    if (!life->pod || !cluster_pod_runtime(life->pod) || life->spec.grace_ns == 0) {
        kill_containers(life);
        return;
    }
    cluster_story(c->cluster, "pod %s/%s gets SIGTERM", life->ns, life->name);
    pod_runtime_term(cluster_pod_runtime(life->pod));
    timer_arm(c->sim, life->step, c->sim->now + EXIT_POLL);
}

static void
on_grace(Sim *sim, void *owner)
{
    PodLife *life = owner;

    if (life->phase == LIFE_PRESTOP) {
        send_term(life);
        if (life->phase == LIFE_TERM)
            timer_arm(sim, life->grace, sim->now + LAST_GRACE);
        return;
    }
    if (life->phase == LIFE_TERM)
        kill_containers(life);
}

static void
stop_containers(PodLife *life)
{
    if (!life->pod || !cluster_pod_runtime(life->pod))
        return;
    pod_runtime_kill(cluster_pod_runtime(life->pod));
    life->pod->made_runtime = NULL;
}

/* The address vanishes with the sandbox; the object goes when the kubelet has reported. */
static void
kill_containers(PodLife *life)
{
    Controllers *c = life->kubelet->c;

    life->phase = LIFE_GONE;
    timer_disarm(c->sim, life->step);
    timer_disarm(c->sim, life->grace);
    drop_probes(life);
    stop_containers(life);
    if (life->pod)
        cluster_pod_remove(c->cluster, life->pod);
    life->pod = NULL;
    cluster_story(c->cluster, "pod %s/%s has ended on node %s", life->ns, life->name, life->node);
    timer_arm(c->sim, life->status, c->sim->now + c->clocks.status_update);
}

/* --- What the API server hears -------------------------------------------------------------------------------------
 */

static void
on_status(Sim *sim, void *owner)
{
    PodLife *life = owner;
    Controllers *c = life->kubelet->c;
    const Pod *old = (const Pod *)store_get(c->store, KIND_POD, life->ns, life->name);

    (void)sim;
    if (!old)
        return;
    if (life->phase == LIFE_GONE) {
        /* Frees this life: see kubelet_pod_changed(). */
        store_remove(c->store, KIND_POD, life->ns, life->name);
        return;
    }
    Pod *copy = (Pod *)api_copy(&old->meta);
    bool turned = old->ready != life->ready;
    if (life->pod) {
        const KubeNode *node = (const KubeNode *)store_get(c->store, KIND_NODE, "", life->node);
        copy->phase = POD_RUNNING;
        copy->n_ips = life->pod->n_ips;
        memcpy(copy->ips, life->pod->ips, sizeof copy->ips);
        if (node && node->n_internal_ips)
            copy->host_ip = node->internal_ips[0];
    }
    copy->ready = life->ready;
    if (turned)
        cluster_story(c->cluster, "pod %s/%s on node %s %s", life->ns, life->name, life->node,
                      life->ready ? "becomes ready" : "is not ready");
    store_put(c->store, &copy->meta);
}
