#include "model/control/control.h"

#include "model/control/fill_private.h"

bool
control_fill(Input *input)
{
    uint32_t before = diags_errors(input->diags);
    Fill f = {.input = input,
              .store = input->store,
              .strings = store_strings(input->store),
              .seed = input->scenario.seed,
              .alloc = alloc_new(input)};

    fill_nodes(&f);
    if (input->cluster.system_services)
        fill_system(&f);
    fill_slice_pods(&f);
    fill_workloads(&f);
    fill_placement(&f);
    fill_services(&f);
    fill_slices(&f);
    alloc_free(f.alloc);
    return diags_errors(input->diags) == before;
}

IpFamily
cluster_family(const ClusterSpec *cluster)
{
    return cluster->n_service_cidrs ? ipaddr_family(&cluster->service_cidrs[0].addr) : FAMILY_IPV4;
}
