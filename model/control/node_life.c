/* Nodes that lose their power and come back: the node lifecycle controller's clocks
 *
 * Source: k8s pkg/controller/nodelifecycle, tainteviction.  The kubelet renews its lease every clocks.node_status; a
 * node that was silent for clocks.node_grace becomes Unknown, its pods not ready; clocks.eviction later they are
 * deleted, which nobody on the dead node hears. */

#include "model/control/controllers_private.h"

#include <string.h>

#define TAINT_UNREACHABLE "node.kubernetes.io/unreachable"

typedef enum { NODE_WELL, NODE_SILENT, NODE_UNKNOWN, NODE_EVICTED, NODE_BACK } NodePhase;

typedef struct {
    Controllers *c;
    ClusterNode *node;
    SimEntity entity;
    Timer timer;
    NodePhase phase;
} NodeLife;

struct NodeLives {
    Controllers *c;
    NodeLife **lives; /* By node index; NULL until something happens. */
    size_t n;
};

static NodeLife *life_of(NodeLives *lives, ClusterNode *node);
static void on_timer(Sim *sim, void *owner);
static void become_unknown(NodeLife *life);
static void evict(NodeLife *life);
static void become_ready(NodeLife *life);
static GPtrArray *pods_on(Controllers *c, const char *node);

NodeLives *
node_lives_new(Controllers *c)
{
    NodeLives *lives = g_new0(NodeLives, 1);

    lives->c = c;
    cluster_nodes(c->cluster, &lives->n);
    lives->lives = g_new0(NodeLife *, lives->n + 1);
    return lives;
}

void
node_lives_free(NodeLives *lives)
{
    for (size_t i = 0; i < lives->n; i++) {
        if (!lives->lives[i])
            continue;
        timer_free(lives->c->sim, &lives->lives[i]->timer);
        sim_entity_free(lives->c->sim, lives->lives[i]->entity);
        g_free(lives->lives[i]);
    }
    g_free(lives->lives);
    g_free(lives);
}

void
node_life_fail(NodeLives *lives, ClusterNode *node)
{
    NodeLife *life = life_of(lives, node);
    Controllers *c = lives->c;
    Rng rng = rng_stream(c->sim->seed, node->name, "lease-phase");
    SimTime phase = c->clocks.node_status > 0 ? (SimTime)(rng_u64(&rng) % (uint64_t)c->clocks.node_status) : 0;
    SimTime renewed = c->sim->now - (c->clocks.node_status > 0 ? (c->sim->now + phase) % c->clocks.node_status : 0);

    node->failed = true;
    node->failed_at = c->sim->now;
    kubelet_node_down(c->kubelet, node);
    life->phase = NODE_SILENT;
    timer_arm(c->sim, life->timer, MAX(c->sim->now, renewed + c->clocks.node_grace));
}

void
node_life_recover(NodeLives *lives, ClusterNode *node)
{
    NodeLife *life = life_of(lives, node);
    Controllers *c = lives->c;

    node->failed = false;
    node->recovered_at = c->sim->now;
    kubelet_node_up(c->kubelet, node);
    life->phase = NODE_BACK;
    timer_arm(c->sim, life->timer, c->sim->now + c->clocks.kubelet_sync + c->clocks.status_update);
}

static NodeLife *
life_of(NodeLives *lives, ClusterNode *node)
{
    NodeLife **slot = &lives->lives[node->index];

    if (!*slot) {
        g_autofree char *name = g_strdup_printf("control/node/%s", node->name);
        *slot = g_new0(NodeLife, 1);
        (*slot)->c = lives->c;
        (*slot)->node = node;
        (*slot)->entity = sim_entity(lives->c->sim, name);
        (*slot)->timer = timer_new(lives->c->sim, "control.node", &(*slot)->entity, on_timer, *slot);
    }
    return *slot;
}

static void
on_timer(Sim *sim, void *owner)
{
    NodeLife *life = owner;

    switch (life->phase) {
    case NODE_SILENT:
        become_unknown(life);
        life->phase = NODE_UNKNOWN;
        timer_arm(sim, life->timer, sim->now + life->c->clocks.eviction);
        break;
    case NODE_UNKNOWN:
        life->phase = NODE_EVICTED;
        evict(life);
        break;
    case NODE_BACK:
        life->phase = NODE_WELL;
        become_ready(life);
        break;
    case NODE_WELL:
    case NODE_EVICTED:
        break;
    }
}

static void
become_unknown(NodeLife *life)
{
    Controllers *c = life->c;
    const ApiObject *old = store_get(c->store, KIND_NODE, "", life->node->name);
    g_autoptr(GPtrArray) pods = pods_on(c, life->node->name);

    cluster_story(c->cluster, "node %s has been silent for %" G_GINT64_FORMAT " s: Ready is Unknown", life->node->name,
                  c->clocks.node_grace / SIMTIME_SEC);
    if (old) {
        KubeNode *copy = (KubeNode *)api_copy(old);
        const char *key = strings_add(c->strings, TAINT_UNREACHABLE);
        copy->ready = false;
        copy->taints = g_renew(Taint, copy->taints, copy->n_taints + 2);
        copy->taints[copy->n_taints++] = (Taint){key, NULL, strings_add(c->strings, "NoSchedule")};
        copy->taints[copy->n_taints++] = (Taint){key, NULL, strings_add(c->strings, "NoExecute")};
        store_put(c->store, &copy->meta);
    }
    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        if (pod->ready) {
            Pod *copy = (Pod *)api_copy(&pod->meta);
            copy->ready = false;
            store_put(c->store, &copy->meta);
        }
        api_unref((ApiObject *)pod);
    }
}

static void
evict(NodeLife *life)
{
    Controllers *c = life->c;
    g_autoptr(GPtrArray) pods = pods_on(c, life->node->name);

    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        bool daemon = pod->meta.owner && pod->meta.owner_kind == KIND_DAEMONSET;
        if (pod_active(pod) && !daemon)
            pod_delete(c, pod, "evicted from its unreachable node");
        api_unref((ApiObject *)pod);
    }
}

static void
become_ready(NodeLife *life)
{
    Controllers *c = life->c;
    const KubeNode *old = (const KubeNode *)store_get(c->store, KIND_NODE, "", life->node->name);
    uint32_t n = 0;

    if (!old || old->ready)
        return;
    KubeNode *copy = (KubeNode *)api_copy(&old->meta);
    copy->ready = true;
    for (uint32_t i = 0; i < copy->n_taints; i++)
        if (strcmp(copy->taints[i].key, TAINT_UNREACHABLE) != 0)
            copy->taints[n++] = copy->taints[i];
    copy->n_taints = n;
    cluster_story(c->cluster, "node %s is Ready again", life->node->name);
    store_put(c->store, &copy->meta);
}

/* With a reference each: storing one replaces it. */
static GPtrArray *
pods_on(Controllers *c, const char *node)
{
    GPtrArray *pods = g_ptr_array_new();
    size_t n;
    const ApiObject *const *list = store_list(c->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++)
        if (g_strcmp0(((const Pod *)list[i])->spec.node_name, node) == 0)
            g_ptr_array_add(pods, api_ref((ApiObject *)list[i]));
    return pods;
}
