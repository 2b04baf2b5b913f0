#include "model/control/control.h"

#include "model/cloud/lb.h"
#include "model/control/fill_private.h"

static void index_nodes(Fill *f);

bool
control_fill(Input *input)
{
    uint32_t before = diags_errors(input->diags);
    Fill f = {.input = input,
              .store = input->store,
              .strings = store_strings(input->store),
              .seed = input->scenario.seed,
              .alloc = alloc_new(input),
              .pods = g_ptr_array_new()};

    fill_nodes(&f);
    index_nodes(&f);
    if (input->cluster.system_services)
        fill_system(&f);
    fill_slice_pods(&f);
    fill_workloads(&f);
    fill_placement(&f);
    fill_services(&f);
    fill_slices(&f);
    htable_clear(&f.nodes);
    g_ptr_array_unref(f.pods);
    cloud_fill(input);
    alloc_free(f.alloc);
    return diags_errors(input->diags) == before;
}

IpFamily
cluster_family(const ClusterSpec *cluster)
{
    return cluster->n_service_cidrs ? ipaddr_family(&cluster->service_cidrs[0].addr) : FAMILY_IPV4;
}

const KubeNode *
fill_node(const Fill *f, const char *name)
{
    const KubeNode *const *node = htable_find(&f->nodes, &name);

    return node ? *node : NULL;
}

bool
fill_has_workloads(const Fill *f)
{
    size_t n = 0;

    for (ApiKind kind = KIND_DEPLOYMENT; n == 0 && kind <= KIND_DAEMONSET; kind++)
        store_list(f->store, kind, &n);
    return n > 0;
}

static void
index_nodes(Fill *f)
{
    size_t n;
    const ApiObject *const *nodes = store_list(f->store, KIND_NODE, &n);

    htable_init(&f->nodes, sizeof(const char *), sizeof(const KubeNode *));
    for (size_t i = 0; i < n; i++)
        *(const ApiObject **)htable_insert(&f->nodes, &nodes[i]->name, NULL) = nodes[i];
}
