/* Cluster.spec.systemServices: default/kubernetes, kube-system/kube-dns and the pods behind them, as kubeadm makes them
 *
 * Written as manifests: they pass the same readers as a user's. */

#include <string.h>

#include "model/control/fill_private.h"

#define DNS_INDEX 10u /* kubeadm: the tenth address of the service CIDR. */

static const char dns_manifests[] =
    "apiVersion: v1\n"
    "kind: Service\n"
    "metadata:\n"
    "  {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns, kubernetes.io/name: CoreDNS,\n"
    "   kubernetes.io/cluster-service: \"true\"}}\n"
    "spec:\n"
    "  type: ClusterIP\n"
    "  selector: {k8s-app: kube-dns}\n"
    "  ports:\n"
    "  - {name: dns, protocol: UDP, port: 53, targetPort: 53}\n"
    "  - {name: dns-tcp, protocol: TCP, port: 53, targetPort: 53}\n"
    "  - {name: metrics, protocol: TCP, port: 9153, targetPort: 9153}\n"
    "---\n"
    "apiVersion: apps/v1\n"
    "kind: Deployment\n"
    "metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}\n"
    "spec:\n"
    "  replicas: 2\n"
    "  selector: {matchLabels: {k8s-app: kube-dns}}\n"
    "  strategy: {rollingUpdate: {maxUnavailable: 1}}\n"
    "  template:\n"
    "    metadata: {labels: {k8s-app: kube-dns}}\n"
    "    spec:\n"
    "      dnsPolicy: Default\n"
    "      priorityClassName: system-cluster-critical\n"
    "      containers:\n"
    "      - name: coredns\n"
    "        image: registry.k8s.io/coredns/coredns\n"
    "        ports:\n"
    "        - {name: dns, containerPort: 53, protocol: UDP}\n"
    "        - {name: dns-tcp, containerPort: 53, protocol: TCP}\n"
    "        - {name: metrics, containerPort: 9153, protocol: TCP}\n";

static const char api_manifests[] =
    "apiVersion: v1\n"
    "kind: Service\n"
    "metadata: {name: kubernetes, namespace: default, labels: {component: apiserver, provider: kubernetes}}\n"
    "spec:\n"
    "  type: ClusterIP\n"
    "  ports:\n"
    "  - {name: https, protocol: TCP, port: 443, targetPort: %u}\n"
    "---\n"
    "apiVersion: v1\n"
    "kind: Pod\n"
    "metadata: {name: kube-apiserver-%s, namespace: kube-system, labels: {component: kube-apiserver, tier: "
    "control-plane}}\n"
    "spec:\n"
    "  nodeName: %s\n"
    "  hostNetwork: true\n"
    "  priorityClassName: system-node-critical\n"
    "  containers:\n"
    "  - name: kube-apiserver\n"
    "    image: registry.k8s.io/kube-apiserver\n"
    "    ports: [{name: https, containerPort: %u}]\n";

static void add_manifests(Fill *f, const char *text, uint32_t service_index);
static void add_api_server(Fill *f);

void
fill_system(Fill *f)
{
    if (!store_get(f->store, KIND_SERVICE, "kube-system", "kube-dns"))
        add_manifests(f, dns_manifests, DNS_INDEX);
    if (!store_get(f->store, KIND_SERVICE, "default", "kubernetes"))
        add_api_server(f);
}

/* The Service gets its well-known addresses: number 'service_index' of the first service CIDR. */
static void
give_known_addr(Fill *f, Service *service, uint32_t service_index)
{
    const ClusterSpec *cluster = &f->input->cluster;
    char text[IPADDR_STR_SIZE];

    if (!cluster->n_service_cidrs)
        return;
    IpAddr addr = ipaddr_add(ipprefix_network(cluster->service_cidrs[0]).addr, service_index);
    if (alloc_addr_taken(f->alloc, addr)) {
        diag(f->input->diags, DIAG_WARNING, cluster->mark, "%s, the usual address of Service %s/%s, is taken",
             ipaddr_format(addr, text), service->meta.ns, service->meta.name);
        return;
    }
    service->cluster_ips = g_new0(const char *, 1);
    service->cluster_ips[0] = strings_add(f->strings, ipaddr_format(addr, text));
    service->n_cluster_ips = 1;
    service->has_cluster_ip = true;
    service->ip_families[0] = (uint8_t)ipaddr_family(&addr);
    service->n_ip_families = 1;
    alloc_take_addr(f->alloc, addr);
}

static void
add_manifests(Fill *f, const char *text, uint32_t service_index)
{
    DocReader *reader = doc_reader_new(f->input->diags, "system services", text, strlen(text));
    uint32_t file = doc_reader_file(reader);
    DocNode *root;

    while ((root = doc_reader_next(reader))) {
        ApiKind kind;
        if (!api_kind_parse(node_str(f->input->diags, root, "kind", ""), &kind))
            continue;
        ApiObject *object = api_decode(f->input->diags, f->strings, kind, root);
        if (!object || store_get(f->store, kind, object->ns, object->name)) {
            api_unref(object);
            continue;
        }
        if (kind == KIND_SERVICE)
            give_known_addr(f, (Service *)object, service_index);
        store_put(f->store, object);
    }
    doc_reader_free(reader);
    diags_drop_text(f->input->diags, file, g_strdup(text));
}

/* The first node that says it is of the control plane, else the first. */
static const KubeNode *
control_plane_node(Fill *f)
{
    size_t n;
    const ApiObject *const *nodes = store_list(f->store, KIND_NODE, &n);

    for (size_t i = 0; i < n; i++)
        if (labels_get(&nodes[i]->labels, "node-role.kubernetes.io/control-plane"))
            return (const KubeNode *)nodes[i];
    return n ? (const KubeNode *)nodes[0] : NULL;
}

static void
add_api_server(Fill *f)
{
    const KubeNode *node = control_plane_node(f);

    if (!node)
        return;
    unsigned port = labels_get(&node->meta.labels, "minikube.k8s.io/name") ? 8443 : 6443;
    g_autofree char *text = g_strdup_printf(api_manifests, port, node->meta.name, node->meta.name, port);
    add_manifests(f, text, 1);

    /* The API server itself keeps this slice. */
    const Service *service = (const Service *)store_get(f->store, KIND_SERVICE, "default", "kubernetes");
    const char *name = service->meta.name;
    if (store_get(f->store, KIND_ENDPOINTSLICE, "default", name) || !node->n_internal_ips)
        return;
    EndpointSlice *slice = (EndpointSlice *)api_new(KIND_ENDPOINTSLICE, "default", name);
    slice->family = ipaddr_family(&node->internal_ips[0]);
    slice->service = name;
    labels_set(&slice->meta.labels, strings_add(f->strings, "kubernetes.io/service-name"), name);
    slice->endpoints = g_new0(Endpoint, 1);
    slice->endpoints[slice->n_endpoints++] =
        (Endpoint){.addr = node->internal_ips[0], .conditions = EP_READY | EP_SERVING};
    slice->ports = g_new0(EndpointPort, 1);
    slice->ports[slice->n_ports++] = (EndpointPort){strings_add(f->strings, "https"), (uint16_t)port, 6, NULL};
    store_put(f->store, &slice->meta);
}
