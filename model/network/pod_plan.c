#include "model/network/pod_plan.h"

#include <string.h>

#include "sim/engine/vec.h"

struct PodPlans {
    GHashTable *set;
    const PodPlan *last; /* Neighbours in name are mostly alike. */
};

typedef struct {
    VEC(PlanPort) list;
} Ports;

const Pod *
pod_object(const ClusterPod *pod)
{
    return (const Pod *)store_get(cluster_store(pod->cluster), KIND_POD, pod->ns, pod->name);
}

const ApplicationSpec *
pod_application(const Input *input, const char *ns, const Labels *labels)
{
    for (uint32_t i = 0; i < input->n_applications; i++) {
        const ApplicationSpec *a = &input->applications[i];
        if (a->ns && strcmp(a->ns, ns) != 0)
            continue;
        if (a->selector.n == 0 || labels_match(&a->selector, labels))
            return a;
    }
    return NULL;
}

static bool
has_port(const Ports *ports, uint16_t port, uint8_t proto)
{
    for (size_t i = 0; i < ports->list.len; i++)
        if (ports->list.data[i].port == port && ports->list.data[i].proto == proto)
            return true;
    return false;
}

static void
add_port(Ports *ports, uint16_t port, uint8_t proto)
{
    if (!has_port(ports, port, proto))
        vec_push(&ports->list, (PlanPort){.port = port, .proto = proto});
}

static void
add_slice_ports(const EndpointSlice *slice, void *user)
{
    for (uint32_t i = 0; i < slice->n_ports; i++)
        if (slice->ports[i].port)
            add_port(user, slice->ports[i].port, slice->ports[i].proto);
}

static void
add_ports(Ports *ports, const ClusterPod *pod, const Pod *object, SliceIndex *slices)
{
    for (uint32_t i = 0; object && i < object->spec.n_containers; i++)
        for (uint32_t j = 0; j < object->spec.containers[i].n_ports; j++)
            add_port(ports, object->spec.containers[i].ports[j].port, object->spec.containers[i].ports[j].proto);
    for (uint32_t i = 0; i < pod->n_ips; i++)
        slice_index_each(slices, pod->ips[i], add_slice_ports, ports);
}

PodPlan *
pod_plan_new(const ClusterPod *pod, const Pod *object, const ApplicationSpec *spec, SliceIndex *slices)
{
    Ports ports = {0};
    PodPlan *plan;
    size_t bytes;

    for (uint32_t i = 0; spec && i < spec->n_ports; i++)
        add_port(&ports, spec->ports[i], IPPROTO_TCP_);
    if (!spec || spec->n_ports == 0)
        add_ports(&ports, pod, object, slices);
    bytes = ports.list.len * sizeof(PlanPort);
    plan = g_malloc0(sizeof *plan + bytes);
    plan->spec = spec;
    plan->n_ports = (uint32_t)ports.list.len;
    if (bytes)
        memcpy(plan->ports, ports.list.data, bytes);
    vec_clear(&ports.list);
    return plan;
}

bool
pod_is_dns(const Labels *labels)
{
    return g_strcmp0(labels_get(labels, "k8s-app"), "kube-dns") == 0;
}

/* --- The set ------------------------------------------------------------------------------------------------------ */

static guint
plan_hash(gconstpointer data)
{
    const PodPlan *plan = data;

    return (guint)rng_hash((uint64_t)(uintptr_t)plan->spec, plan->ports, plan->n_ports * sizeof(PlanPort));
}

static gboolean
plan_equal(gconstpointer a, gconstpointer b)
{
    const PodPlan *x = a, *y = b;

    return x->spec == y->spec && x->n_ports == y->n_ports &&
           memcmp(x->ports, y->ports, x->n_ports * sizeof(PlanPort)) == 0;
}

PodPlans *
pod_plans_new(void)
{
    PodPlans *plans = g_new0(PodPlans, 1);

    plans->set = g_hash_table_new_full(plan_hash, plan_equal, g_free, NULL);
    return plans;
}

void
pod_plans_free(PodPlans *plans)
{
    if (!plans)
        return;
    g_hash_table_unref(plans->set);
    g_free(plans);
}

const PodPlan *
pod_plans_keep(PodPlans *plans, PodPlan *plan)
{
    PodPlan *known;

    if (!plans->last || !plan_equal(plans->last, plan)) {
        known = g_hash_table_lookup(plans->set, plan);
        if (!known) {
            g_hash_table_add(plans->set, plan);
            plans->last = plan;
            return plan;
        }
        plans->last = known;
    }
    g_free(plan);
    return plans->last;
}
