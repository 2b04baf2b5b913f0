/* Gauges and health that kube-proxy exports */

#include <string.h>

#include "model/proxy/proxier.h"

ProxyMetrics
proxy_metrics(const ProxyCompiler *compiler, const ServiceMap *map, const ProxyNode *node)
{
    ChoiceNode choice_node = {node->name, node->zone, proxy_compiler_params(compiler)->version};
    ProxyMetrics metrics = {0};
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);

    for (size_t i = 0; i < n; i++) {
        const ProxyServicePort *ports = service_entry_ports(entries[i]);
        for (uint32_t p = 0; p < service_entry_n_ports(entries[i]); p++) {
            EndpointChoice choice;
            endpoint_choice(&ports[p], &choice_node, &choice);
            metrics.no_local_internal += choice.has_endpoints && !choice.has_internal;
            metrics.no_local_external += choice.has_endpoints && !choice.has_external;
            endpoint_choice_clear(&choice);
        }
    }
    return metrics;
}
