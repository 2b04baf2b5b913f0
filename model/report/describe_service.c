/* `kubectl describe` of Services, Endpoints and EndpointSlices */

#include <string.h>

#include "model/control/hints.h"
#include "model/report/describe_private.h"
#include "model/report/kube_status.h"
#include "sim/packet/packet.h"

/* kubectl shows the first three endpoints of a port. */
#define ENDPOINTS_MAX 3

static void
append_list(GString *out, const char *title, const char *const *texts, uint32_t n)
{
    if (n == 0)
        return;
    g_string_append_printf(out, "%s:\t", title);
    for (uint32_t i = 0; i < n; i++)
        g_string_append_printf(out, "%s%s", i ? "," : "", texts[i]);
    g_string_append_c(out, '\n');
}

static void
append_addresses(GString *out, const Service *s)
{
    static const char *const policies[] = {"SingleStack", "PreferDualStack", "RequireDualStack"};

    if (s->n_cluster_ips > 0)
        g_string_append_printf(out, "IP Family Policy:\t%s\n", policies[s->ip_family_policy]);
    g_string_append(out, "IP Families:\t");
    for (uint32_t i = 0; i < s->n_ip_families; i++)
        g_string_append_printf(out, "%sIPv%d", i ? "," : "", s->ip_families[i]);
    g_string_append(out, s->n_ip_families ? "\n" : "<none>\n");
    g_string_append_printf(out, "IP:\t%s\n", s->n_cluster_ips ? s->cluster_ips[0] : "");
    if (s->n_cluster_ips > 0)
        append_list(out, "IPs", s->cluster_ips, s->n_cluster_ips);
    else
        g_string_append(out, "IPs:\t<none>\n");
    append_list(out, "External IPs", s->external_ips, s->n_external_ips);
    if (s->lb_ip)
        g_string_append_printf(out, "Desired LoadBalancer IP:\t%s\n", s->lb_ip);
    if (s->external_name)
        g_string_append_printf(out, "External Name:\t%s\n", s->external_name);
    for (uint32_t i = 0; i < s->n_ingress; i++)
        g_string_append_printf(out, "%s%s%s", i ? ", " : "LoadBalancer Ingress:\t",
                               s->ingress[i].ip ? s->ingress[i].ip : s->ingress[i].hostname,
                               !s->ingress[i].ip                       ? ""
                               : s->ingress[i].ip_mode == IPMODE_PROXY ? " (Proxy)"
                                                                       : " (VIP)");
    g_string_append(out, s->n_ingress ? "\n" : "");
}

static void
append_port(GString *out, const Describe *d, const Service *s, const ServicePort *port)
{
    char buf[IPPROTO_STR_SIZE];
    g_autofree char *proto = g_ascii_strup(ipproto_name(port->proto, buf), -1);
    const char *name = *port->name ? port->name : "<unset>";
    size_t n_slices;

    g_string_append_printf(out, "Port:\t%s\t%u/%s\nTargetPort:\t", name, port->port, proto);
    if (port->target_name)
        g_string_append_printf(out, "%s/%s\n", port->target_name, proto);
    else
        g_string_append_printf(out, "%u/%s\n", port->target_port, proto);
    if (port->node_port)
        g_string_append_printf(out, "NodePort:\t%s\t%u/%s\n", name, port->node_port, proto);
    store_slices_of(d->input->store, s->meta.ns, s->meta.name, &n_slices);
    g_string_append(out, "Endpoints:\t");
    kube_append_endpoints(out, d->input, &s->meta, port->name, 0, ENDPOINTS_MAX);
    g_string_append(out, n_slices ? "\n" : "<none>\n");
}

void
describe_service(GString *out, const Describe *d, const Service *s)
{
    static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
    static const char *const policies[] = {"Cluster", "Local"};

    g_string_append_printf(out, "Name:\t%s\nNamespace:\t%s\n", s->meta.name, s->meta.ns);
    describe_pairs(out, "Labels", &s->meta.labels, "=");
    describe_pairs(out, "Annotations", &s->meta.annotations, ": ");
    g_string_append(out, "Selector:\t");
    kube_append_labels(out, &s->selector);
    g_string_append_printf(out, "\nType:\t%s\n", types[s->type]);
    append_addresses(out, s);
    for (uint32_t i = 0; i < s->n_ports; i++)
        append_port(out, d, s, &s->ports[i]);
    g_string_append_printf(out, "Session Affinity:\t%s\n", s->affinity_client_ip ? "ClientIP" : "None");
    if (s->type == SERVICE_NODEPORT || s->type == SERVICE_LOADBALANCER || s->n_external_ips > 0)
        g_string_append_printf(out, "External Traffic Policy:\t%s\n", policies[s->external_policy]);
    if (s->type != SERVICE_EXTERNALNAME)
        g_string_append_printf(out, "Internal Traffic Policy:\t%s\n", policies[s->internal_policy]);
    if (s->traffic_distribution)
        g_string_append_printf(out, "Traffic Distribution:\t%s\n", s->traffic_distribution);
    if (hints_auto(s)) {
        g_string_append(out, "Topology Hints:\t");
        hints_describe(d->input->store, s, out);
        g_string_append_c(out, '\n');
    }
    if (s->health_check_node_port)
        g_string_append_printf(out, "HealthCheck NodePort:\t%u\n", s->health_check_node_port);
    append_list(out, "LoadBalancer Source Ranges", s->source_ranges, s->n_source_ranges);
    g_string_append(out, "Events:\t<none>\n");
}

/* --- Endpoints and slices ----------------------------------------------------------------------------------------- */

/* Endpoints carry one family: the Service's first. */
static bool
of_endpoints(const Service *s, const EndpointSlice *slice)
{
    return s->n_ip_families == 0 || slice->family == (IpFamily)s->ip_families[0];
}

static void
append_subset(GString *out, const EndpointSlice *slice, bool ready)
{
    char ip[IPADDR_STR_SIZE];
    uint32_t n = 0;

    for (uint32_t i = 0; i < slice->n_endpoints; i++)
        if (!(slice->endpoints[i].conditions & EP_READY) == !ready)
            g_string_append_printf(out, "%s%s", n++ ? "," : "", ipaddr_format(slice->endpoints[i].addr, ip));
    g_string_append(out, n ? "\n" : "<none>\n");
}

static void
append_ports(GString *out, const EndpointSlice *slice, const char *indent)
{
    char buf[IPPROTO_STR_SIZE];

    g_string_append_printf(out, "%sName\tPort\tProtocol\n%s----\t----\t--------\n", indent, indent);
    for (uint32_t i = 0; i < slice->n_ports; i++) {
        const EndpointPort *port = &slice->ports[i];
        g_autofree char *proto = g_ascii_strup(ipproto_name(port->proto, buf), -1);
        g_string_append_printf(out, "%s%s\t", indent, port->name && *port->name ? port->name : "<unset>");
        if (port->port)
            g_string_append_printf(out, "%u\t%s\n", port->port, proto);
        else
            g_string_append_printf(out, "<unset>\t%s\n", proto);
    }
}

void
describe_endpoints(GString *out, const Describe *d, const Service *s)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(d->input->store, s->meta.ns, s->meta.name, &n);

    g_string_append_printf(out, "Name:\t%s\nNamespace:\t%s\n", s->meta.name, s->meta.ns);
    describe_pairs(out, "Labels", &s->meta.labels, "=");
    g_string_append(out, "Annotations:\t<none>\nSubsets:\n");
    for (size_t i = 0; i < n; i++) {
        if (!of_endpoints(s, slices[i]) || slices[i]->n_endpoints == 0)
            continue;
        g_string_append(out, "  Addresses:\t");
        append_subset(out, slices[i], true);
        g_string_append(out, "  NotReadyAddresses:\t");
        append_subset(out, slices[i], false);
        if (slices[i]->n_ports > 0) {
            g_string_append(out, "  Ports:\n");
            append_ports(out, slices[i], "    ");
        }
        g_string_append_c(out, '\n');
    }
    g_string_append(out, "Events:\t<none>\n");
}

static void
append_endpoint(GString *out, const Endpoint *e)
{
    const EndpointMore *more = endpoint_more(e);
    char ip[IPADDR_STR_SIZE];

    g_string_append_printf(out, "  - Addresses:\t%s\n", more->raw ? more->raw : ipaddr_format(e->addr, ip));
    g_string_append_printf(out, "    Conditions:\n      Ready:\t%s\n", e->conditions & EP_READY ? "true" : "false");
    /* kubectl leaves these two out; they decide where traffic goes while pods end. */
    if (!(e->conditions & EP_READY) && (e->conditions & (EP_SERVING | EP_TERMINATING)))
        g_string_append_printf(out, "      Serving:\t%s\n      Terminating:\t%s\n",
                               e->conditions & EP_SERVING ? "true" : "false",
                               e->conditions & EP_TERMINATING ? "true" : "false");
    g_string_append(out, "    Hostname:\t<unset>\n");
    if (e->target)
        g_string_append_printf(out, "    TargetRef:\tPod/%s\n", e->target);
    g_string_append_printf(out, "    NodeName:\t%s\n    Zone:\t%s\n", e->node_name ? e->node_name : "<unset>",
                           more->zone ? more->zone : "<unset>");
}

void
describe_slice(GString *out, const EndpointSlice *slice)
{
    g_string_append_printf(out, "Name:\t%s\nNamespace:\t%s\n", slice->meta.name, slice->meta.ns);
    describe_pairs(out, "Labels", &slice->meta.labels, "=");
    describe_pairs(out, "Annotations", &slice->meta.annotations, ": ");
    g_string_append_printf(out, "AddressType:\t%s\n",
                           slice->fqdn                    ? "FQDN"
                           : slice->family == FAMILY_IPV4 ? "IPv4"
                                                          : "IPv6");
    g_string_append(out, slice->n_ports ? "Ports:\n" : "Ports:\t<unset>\n");
    if (slice->n_ports)
        append_ports(out, slice, "  ");
    g_string_append(out, slice->n_endpoints ? "Endpoints:\n" : "Endpoints:\t<none>\n");
    for (uint32_t i = 0; i < slice->n_endpoints; i++)
        append_endpoint(out, &slice->endpoints[i]);
    g_string_append(out, "Events:\t<none>\n");
}
