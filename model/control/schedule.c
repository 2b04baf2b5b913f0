#include "model/control/schedule.h"

#include <string.h>

#include "model/api/tolerations.h"
#include "sim/engine/htable.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"

/* Pods of one group on one node. */
typedef struct {
    uint64_t group;
    const char *node;
} SpotKey;

typedef struct {
    uint32_t pods, start, next; /* 'next': rotation while nothing disturbs it. */
} Group;

struct Scheduler {
    Store *store;
    uint64_t seed;
    bool knows_nodes;            /* As they are now. */
    VEC(const KubeNode *) nodes; /* Open to pods without a nodeSelector, by name. */
    VEC(const KubeNode *) all;
    HTable groups; /* uint64_t -> Group. */
    HTable spots;  /* SpotKey -> uint32_t pods. */
};

static uint64_t group_of(const Scheduler *s, const PodOutline *pod);
static Group *group_get(Scheduler *s, uint64_t id);
static uint32_t *spot(Scheduler *s, uint64_t group, const char *node);

Scheduler *
scheduler_new(Store *store, uint64_t seed)
{
    Scheduler *s = g_new0(Scheduler, 1);

    s->store = store;
    s->seed = seed;
    htable_init(&s->groups, sizeof(uint64_t), sizeof(Group));
    htable_init(&s->spots, sizeof(SpotKey), sizeof(uint32_t));
    return s;
}

void
scheduler_nodes_changed(Scheduler *s)
{
    s->knows_nodes = false;
}

static void
know_nodes(Scheduler *s)
{
    static const PodSpec anywhere;
    size_t n;
    const ApiObject *const *nodes = store_list(s->store, KIND_NODE, &n);

    s->all.len = s->nodes.len = 0;
    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        vec_push(&s->all, node);
        if (schedule_fits(node, &anywhere, false))
            vec_push(&s->nodes, node);
    }
    s->knows_nodes = true;
}

void
scheduler_free(Scheduler *s)
{
    if (!s)
        return;
    vec_clear(&s->nodes);
    vec_clear(&s->all);
    htable_clear(&s->groups);
    htable_clear(&s->spots);
    g_free(s);
}

static void
count(Scheduler *s, uint64_t id, const char *node, int delta)
{
    group_get(s, id)->pods += (uint32_t)delta;
    *spot(s, id, node) += (uint32_t)delta;
}

void
scheduler_note(Scheduler *s, const PodOutline *pod)
{
    if (pod->node_name)
        count(s, group_of(s, pod), pod->node_name, 1);
}

void
scheduler_forget(Scheduler *s, const PodOutline *pod)
{
    if (pod->node_name)
        count(s, group_of(s, pod), pod->node_name, -1);
}

static uint64_t
group_of_pod(const Scheduler *s, const Pod *pod)
{
    PodOutline outline;

    pod_outline(pod, &outline);
    return group_of(s, &outline);
}

/* The first of the rotation that has the fewest pods of the group.  Round after round that is the next in turn, so the
 * look-out begins there and ends at the first node with no more than an even share.  NULL: none fits. */
static const char *
find_node(Scheduler *s, uint64_t id, Group *group, const Pod *pod)
{
    if (!s->knows_nodes)
        know_nodes(s);
    bool selective = pod->spec.node_selector.n > 0 || pod->spec.n_tolerations > 0;
    const KubeNode *const *nodes = selective ? s->all.data : s->nodes.data;
    size_t n = selective ? s->all.len : s->nodes.len;
    uint32_t least = UINT32_MAX, share = n ? group->pods / (uint32_t)n : 0;
    size_t best = 0;

    if (n == 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t at = (group->start + group->next + i) % n;
        if (selective && !schedule_fits(nodes[at], &pod->spec, false))
            continue;
        uint32_t count = *spot(s, id, nodes[at]->meta.name);
        if (count < least) {
            least = count;
            best = at;
        }
        if (!selective && count <= share)
            break;
    }
    if (least == UINT32_MAX)
        return NULL;
    group->next = (uint32_t)((best + n - group->start % n + 1) % n);
    return nodes[best]->meta.name;
}

const char *
scheduler_pick(Scheduler *s, const Pod *pod)
{
    uint64_t id = group_of_pod(s, pod);
    const char *node = find_node(s, id, group_get(s, id), pod);

    if (node)
        count(s, id, node, 1);
    return node;
}

const char *
scheduler_find(Scheduler *s, const Pod *pod)
{
    uint64_t id = group_of_pod(s, pod);
    Group *group = group_get(s, id);

    group->next = 0;
    return find_node(s, id, group, pod);
}

bool
schedule_selects(const KubeNode *node, const PodSpec *spec)
{
    for (uint32_t i = 0; i < spec->node_selector.n; i++) {
        const char *value = labels_get(&node->meta.labels, spec->node_selector.items[i].key);
        if (!value || strcmp(value, spec->node_selector.items[i].value) != 0)
            return false;
    }
    return true;
}

bool
schedule_fits(const KubeNode *node, const PodSpec *spec, bool daemon)
{
    static const Taint cordoned = {TAINT_UNSCHEDULABLE, NULL, "NoSchedule"};
    static const Taint not_ready = {TAINT_NOT_READY, NULL, "NoSchedule"};
    int64_t ignored;

    if (!schedule_selects(node, spec))
        return false;
    for (uint32_t i = 0; i < node->n_taints; i++)
        if (strcmp(node->taints[i].effect, "PreferNoSchedule") != 0 &&
            !pod_bears(spec, daemon, &node->taints[i], &ignored))
            return false;
    /* A node that was given without its taints. */
    if (node->unschedulable && !pod_bears(spec, daemon, &cordoned, &ignored))
        return false;
    return node->ready || daemon || pod_bears(spec, daemon, &not_ready, &ignored);
}

/* Pods of one owner; bare pods go by their labels. */
static uint64_t
group_of(const Scheduler *s, const PodOutline *pod)
{
    uint64_t hash = rng_hash_str(s->seed, pod->ns);

    if (pod->object && pod->object->meta.owner)
        return rng_mix(hash, rng_hash_str(3, pod->object->meta.owner));
    for (uint32_t i = 0; i < pod->labels->n; i++)
        hash = rng_mix(hash, rng_hash_str(rng_hash_str(4, pod->labels->items[i].key), pod->labels->items[i].value));
    return pod->labels->n ? hash : rng_mix(hash, rng_hash_str(5, pod->name));
}

static Group *
group_get(Scheduler *s, uint64_t id)
{
    bool is_new;
    Group *group = htable_insert(&s->groups, &id, &is_new);

    if (is_new)
        group->start = (uint32_t)(id >> 33);
    return group;
}

static uint32_t *
spot(Scheduler *s, uint64_t group, const char *node)
{
    SpotKey key;

    memset(&key, 0, sizeof key);
    key.group = group;
    key.node = node;
    return htable_insert(&s->spots, &key, NULL);
}
