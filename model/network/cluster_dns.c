#include "model/network/cluster_dns.h"

#include <string.h>

#define CLUSTER_DOMAIN "cluster.local"
/* CoreDNS: kubernetes plugin, ttl. */
#define RECORD_TTL 30

App *
cluster_dns_server(Cluster *cluster, Host *host, IpAddr addr, uint16_t port, SocketError *ret_error)
{
    return dns_server_new(host, addr, port, cluster_dns_lookup, cluster, ret_error);
}

static void
add_addr(DnsAnswer *answer, uint16_t type, IpAddr addr)
{
    IpFamily family = type == DNS_TYPE_A ? FAMILY_IPV4 : FAMILY_IPV6;

    if ((type != DNS_TYPE_A && type != DNS_TYPE_AAAA) || ipaddr_family(&addr) != family)
        return;
    if (answer->n_addrs < G_N_ELEMENTS(answer->addrs))
        answer->addrs[answer->n_addrs++] = addr;
}

static void
add_endpoints(const Cluster *c, const Service *s, const char *hostname, uint16_t type, DnsAnswer *answer)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(cluster_store(c), s->meta.ns, s->meta.name, &n);
    uint8_t wanted = s->publish_not_ready ? 0 : EP_READY;

    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < slices[i]->n_endpoints; j++) {
            const Endpoint *e = &slices[i]->endpoints[j];
            if ((e->conditions & wanted) != wanted || (hostname && g_strcmp0(e->target, hostname) != 0))
                continue;
            add_addr(answer, type, e->addr);
            answer->rcode = DNS_NOERROR;
        }
}

static void
lookup_service(const Cluster *c, const char *ns, const char *name, const char *hostname, uint16_t type,
               DnsAnswer *answer)
{
    const Service *s = (const Service *)store_get(cluster_store(c), KIND_SERVICE, ns, name);
    bool headless;

    if (!s || s->type == SERVICE_EXTERNALNAME)
        return;
    headless = s->n_cluster_ips == 0 || strcmp(s->cluster_ips[0], "None") == 0;
    if (headless || hostname) {
        answer->rcode = hostname ? DNS_NXDOMAIN : DNS_NOERROR;
        add_endpoints(c, s, hostname, type, answer);
        return;
    }
    answer->rcode = DNS_NOERROR;
    for (uint32_t i = 0; i < s->n_cluster_ips; i++) {
        IpAddr addr;
        if (ipaddr_parse_sloppy(s->cluster_ips[i], &addr))
            add_addr(answer, type, addr);
    }
}

/* "10-244-1-2" of NS.pod. */
static void
lookup_pod(const char *label, uint16_t type, DnsAnswer *answer)
{
    g_autofree char *text = g_strdup(label);
    IpAddr addr;

    g_strdelimit(text, "-", '.');
    if (!ipaddr_parse(text, &addr)) {
        g_strdelimit(text, ".", ':');
        if (!ipaddr_parse(text, &addr))
            return;
    }
    answer->rcode = DNS_NOERROR;
    add_addr(answer, type, addr);
}

void
cluster_dns_lookup(void *cluster, const char *name, uint16_t type, DnsAnswer *ret_answer)
{
    g_auto(GStrv) labels = NULL;
    size_t len = strlen(name), suffix = strlen("." CLUSTER_DOMAIN);
    g_autofree char *relative = NULL;
    guint n;

    *ret_answer = (DnsAnswer){.rcode = DNS_NXDOMAIN, .ttl = RECORD_TTL};
    if (len <= suffix || g_ascii_strcasecmp(name + len - suffix, "." CLUSTER_DOMAIN) != 0)
        return;
    relative = g_strndup(name, len - suffix);
    labels = g_strsplit(relative, ".", 8);
    n = g_strv_length(labels);
    if (n == 3 && strcmp(labels[2], "svc") == 0)
        lookup_service(cluster, labels[1], labels[0], NULL, type, ret_answer);
    else if (n == 4 && strcmp(labels[3], "svc") == 0)
        lookup_service(cluster, labels[2], labels[1], labels[0], type, ret_answer);
    else if (n == 3 && strcmp(labels[2], "pod") == 0)
        lookup_pod(labels[0], type, ret_answer);
}
