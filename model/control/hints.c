#include "model/control/hints.h"

#include <math.h>
#include <string.h>

#define OVERLOAD 0.2

static bool count_cpu(Store *store, HintPlan *plan);
static bool count_endpoints(const EndpointSlice *const *slices, size_t n, HintPlan *plan);
static bool set_minima(HintPlan *plan);
static void balance(HintPlan *plan);
static HintZone *zone_of(HintPlan *plan, const char *name);
static void add_by_plan(Strings *strings, HintPlan *plan, EndpointSlice *const *slices, size_t n);
static void add_own(Strings *strings, const char *distribution, Endpoint *ep);

bool
hints_auto(const Service *service)
{
    const char *mode = labels_get(&service->meta.annotations, "service.kubernetes.io/topology-aware-hints");

    if (!mode)
        mode = labels_get(&service->meta.annotations, "service.kubernetes.io/topology-mode");
    return mode && (strcmp(mode, "Auto") == 0 || strcmp(mode, "auto") == 0);
}

void
hints_plan(Store *store, const EndpointSlice *const *slices, size_t n, HintPlan *plan)
{
    *plan = (HintPlan){0};
    if (!count_cpu(store, plan) || plan->n_zones < 2)
        plan->refusal = plan->refusal ? plan->refusal : "nodes are ready in one zone only";
    else if (!count_endpoints(slices, n, plan))
        plan->refusal = "an endpoint is in no zone";
    else if (plan->n_zones > plan->n_endpoints)
        plan->refusal = "there are fewer endpoints than zones";
    else if (!set_minima(plan))
        plan->refusal = "a zone would be overloaded";
    else
        balance(plan);
}

void
hints_add(Store *store, const Service *service, EndpointSlice *const *slices, size_t n)
{
    Strings *strings = store_strings(store);

    if (hints_auto(service)) {
        HintPlan plan;
        hints_plan(store, (const EndpointSlice *const *)slices, n, &plan);
        if (!plan.refusal)
            add_by_plan(strings, &plan, slices, n);
        return;
    }
    for (size_t i = 0; service->traffic_distribution && i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++)
            add_own(strings, service->traffic_distribution, &slices[i]->endpoints[k]);
}

void
hints_tell(const HintPlan *plan, GString *out)
{
    if (plan->refusal)
        g_string_append_printf(out, "no hints: %s", plan->refusal);
    else
        g_string_append(out, "hints by CPU");
    for (uint32_t i = 0; plan->minimum && i < plan->n_zones; i++) {
        const HintZone *z = &plan->zones[i];
        double share = (double)z->cpu_milli / (double)plan->cpu_milli;
        g_string_append_printf(out, "%s%s has %.1f %% of the CPU, so %.2f of %u endpoints, at least %u",
                               i ? "; " : ": ", z->name, 100 * share, share * plan->n_endpoints, plan->n_endpoints,
                               z->minimum);
        if (!plan->refusal)
            g_string_append_printf(out, ", gets %u", z->here + z->receive - z->give);
    }
    if (plan->minimum > plan->n_endpoints)
        g_string_append_printf(out, ": %u endpoints at least, and there are %u", plan->minimum, plan->n_endpoints);
}

bool
hints_overloaded(Store *store, const Service *service)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(store, service->meta.ns, service->meta.name, &n);
    HintPlan plan = {0};
    bool known = count_cpu(store, &plan) && plan.n_zones >= 2;

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; slices[i]->family == slices[0]->family && k < slices[i]->n_endpoints; k++) {
            const char *const *hints = endpoint_more(&slices[i]->endpoints[k])->hint_zones;
            HintZone *zone = hints && hints[0] ? zone_of(&plan, hints[0]) : NULL;
            plan.n_endpoints += hints && hints[0];
            if (zone)
                zone->here++;
        }
    if (plan.n_endpoints == 0 || !known)
        return plan.n_endpoints > 0;
    set_minima(&plan);
    for (uint32_t i = 0; i < plan.n_zones; i++)
        if (plan.zones[i].here < plan.zones[i].minimum)
            return true;
    return false;
}

void
hints_describe(Store *store, const Service *service, GString *out)
{
    size_t n;
    const EndpointSlice *const *all = store_slices_of(store, service->meta.ns, service->meta.name, &n);
    g_autoptr(GPtrArray) slices = g_ptr_array_new();
    HintPlan plan;

    for (size_t i = 0; i < n; i++)
        if (all[i]->family == all[0]->family)
            g_ptr_array_add(slices, (gpointer)all[i]);
    hints_plan(store, (const EndpointSlice *const *)slices->pdata, slices->len, &plan);
    hints_tell(&plan, out);
}

static HintZone *
zone_of(HintPlan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->n_zones; i++)
        if (strcmp(plan->zones[i].name, name) == 0)
            return &plan->zones[i];
    return NULL;
}

static HintZone *
zone_add(HintPlan *plan, const char *name)
{
    uint32_t at = 0;

    while (at < plan->n_zones && strcmp(plan->zones[at].name, name) < 0)
        at++;
    memmove(&plan->zones[at + 1], &plan->zones[at], (plan->n_zones++ - at) * sizeof(HintZone));
    plan->zones[at] = (HintZone){.name = name};
    return &plan->zones[at];
}

/* One node that does not tell its zone or CPU is enough to give up (SetNodes). */
static bool
count_cpu(Store *store, HintPlan *plan)
{
    size_t n;
    const ApiObject *const *nodes = store_list(store, KIND_NODE, &n);

    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        const char *name = labels_get(&nodes[i]->labels, "topology.kubernetes.io/zone");
        HintZone *zone;
        if (!node->ready || labels_get(&nodes[i]->labels, "node-role.kubernetes.io/control-plane") ||
            labels_get(&nodes[i]->labels, "node-role.kubernetes.io/master"))
            continue;
        zone = name ? zone_of(plan, name) : NULL;
        if (!name || !*name || node->cpu_milli == 0 || (!zone && plan->n_zones == HINT_ZONES_MAX)) {
            plan->refusal = "a node does not tell its zone or its allocatable CPU";
            return false;
        }
        zone = zone ? zone : zone_add(plan, name);
        zone->cpu_milli += node->cpu_milli;
        plan->cpu_milli += node->cpu_milli;
    }
    return true;
}

/* Endpoints of a zone without ready nodes are counted, but belong to none of the plan's zones. */
static bool
count_endpoints(const EndpointSlice *const *slices, size_t n, HintPlan *plan)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++) {
            const Endpoint *ep = &slices[i]->endpoints[k];
            const char *name = endpoint_more(ep)->zone;
            HintZone *zone = name ? zone_of(plan, name) : NULL;
            if (!(ep->conditions & EP_READY))
                continue;
            if (!name)
                return false;
            plan->n_endpoints++;
            if (zone)
                zone->here++;
        }
    return true;
}

static bool
set_minima(HintPlan *plan)
{
    for (uint32_t i = 0; i < plan->n_zones; i++) {
        HintZone *zone = &plan->zones[i];
        double share = (double)zone->cpu_milli / (double)plan->cpu_milli * plan->n_endpoints;
        zone->minimum = (uint32_t)ceil(share * (1 / (1 + OVERLOAD)));
        zone->desired = MAX(share, (double)zone->minimum);
        plan->minimum += zone->minimum;
    }
    return plan->minimum <= plan->n_endpoints;
}

/* Who has most to give gives one to who misses most, until less than a whole endpoint, or half of one on either side,
 * is left (getGivingAndReceivingZones). */
static void
balance(HintPlan *plan)
{
    for (;;) {
        HintZone *giver = NULL, *receiver = NULL;
        double most = 0, least = 0;
        for (uint32_t i = 0; i < plan->n_zones; i++) {
            HintZone *zone = &plan->zones[i];
            double surplus = (double)zone->here + zone->receive - zone->give - zone->desired;
            if (surplus > most && zone->here > zone->desired) {
                most = surplus;
                giver = zone;
            } else if (surplus < least && zone->here < zone->desired) {
                least = surplus;
                receiver = zone;
            }
        }
        if (!giver || !receiver || (most < 1 && -least < 1) || most < 0.5 || -least < 0.5)
            return;
        giver->give++;
        receiver->receive++;
    }
}

static void
add_by_plan(Strings *strings, HintPlan *plan, EndpointSlice *const *slices, size_t n)
{
    uint32_t next = 0;

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++) {
            Endpoint *ep = &slices[i]->endpoints[k];
            EndpointMore more = *endpoint_more(ep);
            const char *zone = more.zone;
            HintZone *own = zone ? zone_of(plan, zone) : NULL;
            if (!(ep->conditions & EP_READY))
                continue;
            while (next < plan->n_zones && plan->zones[next].receive == 0)
                next++;
            if (own && own->give > 0 && next < plan->n_zones) {
                own->give--;
                plan->zones[next].receive--;
                zone = plan->zones[next].name;
            }
            more.hint_zones = strings_list(strings, &zone, 1);
            endpoint_set_more(strings, ep, &more);
        }
}

static void
add_own(Strings *strings, const char *distribution, Endpoint *ep)
{
    EndpointMore more = *endpoint_more(ep);

    if (!(ep->conditions & EP_READY))
        return;
    if (more.zone)
        more.hint_zones = strings_list(strings, &more.zone, 1);
    if (ep->node_name && strcmp(distribution, "PreferSameNode") == 0)
        more.hint_nodes = strings_list(strings, &ep->node_name, 1);
    endpoint_set_more(strings, ep, &more);
}
