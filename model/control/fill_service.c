/* What the API server adds to a Service that is written: cluster IPs, node ports, the health check port
 *
 * Source: k8s pkg/registry/core/service/storage/alloc.go. */

#include <string.h>

#include "model/control/fill_private.h"

#define DUAL_STACK_NEEDED 2 /* ip_family_policy RequireDualStack. */

static bool give_cluster_ips(Alloc *alloc, const ClusterSpec *cluster, Strings *strings, Service *service,
                             char **ret_error);
static void choose_families(const ClusterSpec *cluster, Service *service);
static bool give_node_ports(Alloc *alloc, Service *service, char **ret_error);

void
fill_services(Fill *f)
{
    size_t n;
    const ApiObject *const *services = store_list(f->store, KIND_SERVICE, &n);
    g_autofree const ApiObject **all = g_memdup2(services, n * sizeof *services);

    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)all[i];
        g_autofree char *error = NULL;
        if (service->has_cluster_ip || service->type == SERVICE_EXTERNALNAME)
            continue;
        Service *copy = (Service *)api_copy(all[i]);
        if (!service_complete(f->alloc, &f->input->cluster, f->strings, copy, &error))
            diag(f->input->diags, DIAG_ERROR, service->meta.mark, "Service %s/%s: %s", service->meta.ns,
                 service->meta.name, error);
        store_put(f->store, &copy->meta);
    }
}

bool
service_complete(Alloc *alloc, const ClusterSpec *cluster, Strings *strings, Service *service, char **ret_error)
{
    if (service->type == SERVICE_EXTERNALNAME)
        return true;
    if (service->n_cluster_ips == 0 && !give_cluster_ips(alloc, cluster, strings, service, ret_error))
        return false;
    if (strcmp(service->cluster_ips[0], "None") == 0)
        return true;
    return give_node_ports(alloc, service, ret_error);
}

static bool
give_cluster_ips(Alloc *alloc, const ClusterSpec *cluster, Strings *strings, Service *service, char **ret_error)
{
    choose_families(cluster, service);
    g_free(service->cluster_ips);
    service->cluster_ips = g_new0(const char *, 2);
    for (uint32_t i = 0; i < service->n_ip_families; i++) {
        const IpPrefix *cidr = NULL;
        IpAddr addr;
        char text[IPPREFIX_STR_SIZE];
        for (uint32_t k = 0; k < cluster->n_service_cidrs; k++)
            if (ipaddr_family(&cluster->service_cidrs[k].addr) == service->ip_families[i])
                cidr = &cluster->service_cidrs[k];
        if (!cidr) {
            *ret_error = g_strdup_printf("the cluster has no service CIDR of family IPv%d", service->ip_families[i]);
            return false;
        }
        if (!alloc_cluster_ip(alloc, *cidr, service->meta.ns, service->meta.name, &addr)) {
            *ret_error = g_strdup_printf("service CIDR %s is used up", ipprefix_format(*cidr, text));
            return false;
        }
        service->cluster_ips[service->n_cluster_ips++] = strings_add(strings, ipaddr_format(addr, text));
    }
    if (service->n_cluster_ips == 0) {
        *ret_error = g_strdup("the cluster has no service CIDR");
        return false;
    }
    return true;
}

static void
choose_families(const ClusterSpec *cluster, Service *service)
{
    bool dual = service->ip_family_policy > 0 && cluster->n_service_cidrs > 1;

    if (service->n_ip_families == 0) {
        service->ip_families[0] = (uint8_t)cluster_family(cluster);
        service->n_ip_families = 1;
    }
    if (service->n_ip_families == 1 && (dual || service->ip_family_policy == DUAL_STACK_NEEDED)) {
        service->ip_families[1] = service->ip_families[0] == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;
        service->n_ip_families = 2;
    }
}

/* One number serves ports of equal number and different protocol. */
static uint16_t
shared_node_port(const Service *service, uint32_t of)
{
    for (uint32_t i = 0; i < service->n_ports; i++)
        if (i != of && service->ports[i].port == service->ports[of].port &&
            service->ports[i].proto != service->ports[of].proto && service->ports[i].node_port)
            return service->ports[i].node_port;
    return 0;
}

static bool
give_node_ports(Alloc *alloc, Service *service, char **ret_error)
{
    bool balanced = service->type == SERVICE_LOADBALANCER;
    const char *ns = service->meta.ns, *name = service->meta.name;

    if (service->type != SERVICE_NODEPORT && !balanced)
        return true;
    for (uint32_t i = 0; (!balanced || service->allocate_node_ports) && i < service->n_ports; i++) {
        g_autofree char *what = NULL;
        ServicePort *port = &service->ports[i];
        if (port->node_port)
            continue;
        port->node_port = shared_node_port(service, i);
        what = g_strdup_printf("node-port/%u", port->port);
        if (!port->node_port && !alloc_node_port(alloc, ns, name, what, &port->node_port)) {
            *ret_error = g_strdup("no node port is left");
            return false;
        }
    }
    if (balanced && service->external_policy == POLICY_LOCAL && !service->health_check_node_port &&
        !alloc_node_port(alloc, ns, name, "health-check", &service->health_check_node_port)) {
        *ret_error = g_strdup("no node port is left for the health check");
        return false;
    }
    return true;
}
