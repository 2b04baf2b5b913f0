#include "model/network/dormant_pods.h"

#include "sim/engine/htable.h"

typedef struct {
    const PodPlan *plan;
    uint32_t port; /* 0: not dormant. */
    uint32_t next; /* On its node; it may be dormant no more. */
} Dormant;

struct DormantPods {
    ImpliedPods *implied;
    uint32_t n;
    Dormant *pods; /* By number; those of a pod's further endpoints are unused. */
    /* Endpoints by address: open addressing, at most 3/4 full; those of pods that are dormant no more stay. */
    uint32_t *by_addr;
    uint32_t mask;
};

static void index_endpoint(DormantPods *pods, uint32_t endpoint);
static uint32_t dormant_from(const DormantPods *pods, uint32_t number);

DormantPods *
dormant_pods_new(ImpliedPods *implied)
{
    DormantPods *pods = g_new0(DormantPods, 1);
    size_t slots = 8;

    if (!implied)
        return pods;
    pods->implied = implied_pods_ref(implied);
    pods->n = (uint32_t)implied_pods_len(implied);
    pods->pods = g_new0(Dormant, pods->n);
    while (slots * 3 < (size_t)pods->n * 4)
        slots *= 2;
    pods->mask = (uint32_t)(slots - 1);
    pods->by_addr = g_malloc(slots * sizeof *pods->by_addr);
    memset(pods->by_addr, 0xff, slots * sizeof *pods->by_addr);
    return pods;
}

void
dormant_pods_free(DormantPods *pods)
{
    if (!pods)
        return;
    implied_pods_unref(pods->implied);
    g_free(pods->pods);
    g_free(pods->by_addr);
    g_free(pods);
}

void
dormant_pods_add(DormantPods *pods, const PodOutline *outline, ClusterNode *node, uint32_t port, const PodPlan *plan)
{
    uint32_t number = (uint32_t)outline->number;

    pods->pods[number] = (Dormant){plan, port, node->n_dormant ? node->dormant : DORMANT_NONE};
    node->dormant = number;
    node->n_dormant++;
    for (uint32_t i = 0; i < outline->n_endpoints; i++)
        index_endpoint(pods, number + i);
}

void
dormant_pods_take(DormantPods *pods, uint32_t number, ClusterNode *node)
{
    pods->pods[number].port = 0;
    node->n_dormant--;
}

uint32_t
dormant_pods_by_name(const DormantPods *pods, const char *ns, const char *name)
{
    size_t number;

    if (pods->n == 0 || !implied_pods_find(pods->implied, ns, name, &number))
        return DORMANT_NONE;
    return pods->pods[number].port ? (uint32_t)number : DORMANT_NONE;
}

uint32_t
dormant_pods_by_addr(const DormantPods *pods, IpAddr addr)
{
    uint32_t i = htable_hash(&addr, sizeof addr);

    for (; pods->n; i++) {
        uint32_t endpoint = pods->by_addr[i & pods->mask];
        if (endpoint == DORMANT_NONE)
            break;
        if (!ipaddr_eq(*implied_pods_addr(pods->implied, endpoint), addr))
            continue;
        uint32_t number = (uint32_t)implied_pods_of_endpoint(pods->implied, endpoint);
        return pods->pods[number].port ? number : DORMANT_NONE;
    }
    return DORMANT_NONE;
}

uint32_t
dormant_pods_of_node(const DormantPods *pods, const ClusterNode *node)
{
    return node->n_dormant ? dormant_from(pods, node->dormant) : DORMANT_NONE;
}

uint32_t
dormant_pods_next(const DormantPods *pods, uint32_t number)
{
    return dormant_from(pods, pods->pods[number].next);
}

uint32_t
dormant_pods_any(const DormantPods *pods, uint32_t from)
{
    while (from < pods->n && !pods->pods[from].port)
        from++;
    return from < pods->n ? from : DORMANT_NONE;
}

uint32_t
dormant_pods_port(const DormantPods *pods, uint32_t number)
{
    return pods->pods[number].port;
}

const PodPlan *
dormant_pods_plan(const DormantPods *pods, uint32_t number)
{
    return pods->pods[number].plan;
}

void
dormant_pods_outline(const DormantPods *pods, uint32_t number, PodOutline *ret_outline)
{
    implied_pods_outline(pods->implied, number, ret_outline);
}

static void
index_endpoint(DormantPods *pods, uint32_t endpoint)
{
    const IpAddr *addr = implied_pods_addr(pods->implied, endpoint);
    uint32_t i = htable_hash(addr, sizeof *addr);

    while (pods->by_addr[i & pods->mask] != DORMANT_NONE)
        i++;
    pods->by_addr[i & pods->mask] = endpoint;
}

/* The first of the list from here on. */
static uint32_t
dormant_from(const DormantPods *pods, uint32_t number)
{
    while (number != DORMANT_NONE && !pods->pods[number].port)
        number = pods->pods[number].next;
    return number;
}
