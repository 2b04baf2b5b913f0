/* The choice of a target: one draw per new flow, with exact weights, so that `--all` can enumerate it
 *
 * What a real load balancer computes from a hash of the packet is a draw here, keyed by what the hash looks at: the
 * connection (5-tuple), or the client's address (3-tuple, source).  A consistent hash (Maglev) draws among all
 * registered targets first and again only if that one is not usable: so the flows of the others stay where they are. */

#include "model/cloud/lb_private.h"

#include <string.h>

static bool can_take(const LbTarget *t, uint32_t service_port, IpFamily family);
static void collect(Lb *lb, uint32_t service_port, IpFamily family, bool (*usable)(const LbTarget *t));
static void weigh(Lb *lb);
static LbTarget *draw(Lb *lb, uint64_t flow, uint64_t point);
static LbTarget *draw_least(Lb *lb, uint64_t flow);
static LbTarget *draw_in_turn(Lb *lb, uint64_t flow);

static bool
is_healthy(const LbTarget *t)
{
    return t->state == LB_TARGET_HEALTHY;
}

static bool
is_registered(const LbTarget *t)
{
    return t->state != LB_TARGET_GONE && t->state != LB_TARGET_DRAINING;
}

LbTarget *
lb_choose(Lb *lb, uint32_t service_port, IpFamily family, uint64_t flow, IpAddr src)
{
    bool sticky = lb->profile->affinity && lb->service->affinity_client_ip;
    LbHash hash = sticky ? LB_HASH_SOURCE : lb->profile->hash;
    uint64_t key = flow;

    if (hash == LB_HASH_SOURCE || hash == LB_HASH_3_TUPLE)
        key = rng_hash(lb->id, &src, sizeof src);
    if (hash == LB_HASH_MAGLEV || hash == LB_HASH_SOURCE || hash == LB_HASH_3_TUPLE || hash == LB_HASH_ECMP_RESILIENT) {
        LbTarget *first;
        collect(lb, service_port, family, is_registered);
        first = lb->usable.len ? draw(lb, key, lb->id) : NULL;
        if (first && is_healthy(first))
            return first;
    }
    collect(lb, service_port, family, is_healthy);
    if (lb->usable.len == 0 && lb->profile->no_target == LB_FAIL_OPEN)
        collect(lb, service_port, family, is_registered);
    if (lb->usable.len == 0)
        return NULL;
    switch (hash) {
    case LB_HASH_ROUND_ROBIN:
        return draw_in_turn(lb, key);
    case LB_HASH_LEAST_CONNECTIONS:
        return draw_least(lb, key);
    case LB_HASH_5_TUPLE:
    case LB_HASH_3_TUPLE:
    case LB_HASH_SOURCE:
    case LB_HASH_MAGLEV:
    case LB_HASH_ECMP:
    case LB_HASH_ECMP_RESILIENT:
        break;
    }
    return draw(lb, key, rng_mix(lb->id, lb->members + 1));
}

uint64_t
lb_rank(const char *node, IpAddr vip)
{
    return rng_hash_str(rng_hash(0, &vip, sizeof vip), node);
}

static bool
can_take(const LbTarget *t, uint32_t service_port, IpFamily family)
{
    IpAddr addr;

    return target_port(t, service_port) != 0 && target_addr(t, family, &addr);
}

static void
collect(Lb *lb, uint32_t service_port, IpFamily family, bool (*usable)(const LbTarget *t))
{
    lb->usable.len = 0;
    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        if (usable(t) && can_take(t, service_port, family))
            vec_push(&lb->usable, t);
    }
    weigh(lb);
}

static uint64_t
zone_size(const Lb *lb, const char *zone)
{
    uint64_t n = 0;

    for (size_t i = 0; i < lb->usable.len; i++)
        n += g_strcmp0(lb->usable.data[i]->zone, zone) == 0;
    return n;
}

/* Product of the sizes of all zones: a common multiple, so that each zone weighs the same. */
static uint64_t
zone_product(const Lb *lb)
{
    uint64_t product = 1;

    for (size_t i = 0; i < lb->usable.len; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = g_strcmp0(lb->usable.data[k]->zone, lb->usable.data[i]->zone) == 0;
        if (!seen)
            product *= zone_size(lb, lb->usable.data[i]->zone);
        if (product > UINT32_MAX)
            return 0;
    }
    return product;
}

/* Without cross-zone balancing the client meets each zone's entry equally often, and each entry its own targets. */
static void
weigh(Lb *lb)
{
    uint64_t product = lb->profile->cross_zone ? 0 : zone_product(lb), sum = 0;

    lb->weights.len = 0;
    for (size_t i = 0; i < lb->usable.len; i++) {
        const LbTarget *t = lb->usable.data[i];
        uint64_t weight = product ? product / zone_size(lb, t->zone) : lb->profile->weighted ? t->weight : 1;
        vec_push(&lb->weights, weight);
        sum += weight;
    }
    /* Nobody weighs anything: all alike. */
    for (size_t i = 0; sum == 0 && i < lb->weights.len; i++)
        lb->weights.data[i] = 1;
}

static LbTarget *
draw(Lb *lb, uint64_t flow, uint64_t point_id)
{
    ChancePoint point = {.kind = CHANCE_WEIGHTED,
                         .n = (uint32_t)lb->usable.len,
                         .weights = lb->weights.data,
                         .point = point_id,
                         .flow = flow};

    for (size_t i = 0; i < lb->weights.len; i++)
        point.total += lb->weights.data[i];
    if (point.n == 1)
        return lb->usable.data[0];
    return lb->usable.data[chance_draw(cluster_sim(lb->cloud->cluster)->chance, &point)];
}

/* The first connection may meet the wheel anywhere; then it turns. */
static LbTarget *
draw_in_turn(Lb *lb, uint64_t flow)
{
    if (!lb->round_robin_set) {
        const LbTarget *first = draw(lb, flow, lb->id);
        for (size_t i = 0; i < lb->usable.len; i++)
            if (lb->usable.data[i] == first)
                lb->round_robin = i;
        lb->round_robin_set = true;
    }
    return lb->usable.data[lb->round_robin++ % lb->usable.len];
}

static LbTarget *
draw_least(Lb *lb, uint64_t flow)
{
    uint64_t least = UINT64_MAX;
    size_t n = 0;

    for (size_t i = 0; i < lb->usable.len; i++)
        least = MIN(least, lb->usable.data[i]->n_active);
    for (size_t i = 0; i < lb->usable.len; i++)
        if (lb->usable.data[i]->n_active == least)
            lb->usable.data[n++] = lb->usable.data[i];
    lb->usable.len = n;
    weigh(lb);
    return draw(lb, flow, lb->id);
}
