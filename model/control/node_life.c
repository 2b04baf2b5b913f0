/* Nodes that lose their power and come back: the node lifecycle controller's clocks
 *
 * Source: k8s pkg/controller/nodelifecycle, tainteviction.  The kubelet renews its lease every clocks.node_status; a
 * node that was silent for clocks.node_grace becomes Unknown, its pods not ready, and is tainted; taint_eviction.c
 * deletes the pods when they no longer tolerate that, which nobody on the dead node hears. */

#include "model/api/tolerations.h"
#include "model/control/controllers_private.h"

#include <string.h>

typedef enum { NODE_WELL, NODE_SILENT, NODE_UNKNOWN, NODE_BACK } NodePhase;

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

static bool
has_taint(const KubeNode *node, const char *key)
{
    for (uint32_t i = 0; i < node->n_taints; i++)
        if (strcmp(node->taints[i].key, key) == 0)
            return true;
    return false;
}

static void
add_taint(Controllers *c, KubeNode *node, const char *key, const char *effect)
{
    node->taints = g_renew(Taint, node->taints, node->n_taints + 1);
    node->taints[node->n_taints++] = (Taint){strings_add(c->strings, key), NULL, strings_add(c->strings, effect)};
}

static void
remove_taints(KubeNode *node, const char *key)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < node->n_taints; i++)
        if (strcmp(node->taints[i].key, key) != 0)
            node->taints[n++] = node->taints[i];
    node->n_taints = n;
}

/* doNoScheduleTaintingPass() and processTaintBaseEviction(). */
void
node_review(Controllers *c, const KubeNode *node)
{
    bool cordon = has_taint(node, TAINT_UNSCHEDULABLE) != node->unschedulable;
    bool ready = !has_taint(node, TAINT_UNREACHABLE) && has_taint(node, TAINT_NOT_READY) == node->ready;
    KubeNode *copy;

    if (!cordon && !ready)
        return;
    copy = (KubeNode *)api_copy(&node->meta);
    if (cordon && node->unschedulable)
        add_taint(c, copy, TAINT_UNSCHEDULABLE, "NoSchedule");
    else if (cordon)
        remove_taints(copy, TAINT_UNSCHEDULABLE);
    if (ready && node->ready) {
        remove_taints(copy, TAINT_NOT_READY);
    } else if (ready) {
        add_taint(c, copy, TAINT_NOT_READY, "NoSchedule");
        add_taint(c, copy, TAINT_NOT_READY, "NoExecute");
    }
    store_put(c->store, &copy->meta);
}

static void
on_timer(Sim *sim, void *owner)
{
    NodeLife *life = owner;

    (void)sim;
    switch (life->phase) {
    case NODE_SILENT:
        become_unknown(life);
        life->phase = NODE_UNKNOWN;
        break;
    case NODE_BACK:
        life->phase = NODE_WELL;
        become_ready(life);
        break;
    case NODE_WELL:
    case NODE_UNKNOWN:
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
        copy->ready = false;
        add_taint(c, copy, TAINT_UNREACHABLE, "NoSchedule");
        add_taint(c, copy, TAINT_UNREACHABLE, "NoExecute");
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
become_ready(NodeLife *life)
{
    Controllers *c = life->c;
    const KubeNode *old = (const KubeNode *)store_get(c->store, KIND_NODE, "", life->node->name);

    if (!old || old->ready)
        return;
    KubeNode *copy = (KubeNode *)api_copy(&old->meta);
    copy->ready = true;
    remove_taints(copy, TAINT_UNREACHABLE);
    remove_taints(copy, TAINT_NOT_READY);
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
