#include "model/network/who.h"

#include <string.h>

void
split_ns_name(const char *text, char **ret_ns, char **ret_name)
{
    const char *slash = strchr(text, '/');

    *ret_ns = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup("default");
    *ret_name = g_strdup(slash ? slash + 1 : text);
}

/* "no pod "x"; did you mean "y"?" */
static char *
no_such(const Cluster *c, ApiKind kind, const char *what, const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(c), kind, &n);
    const char *near;

    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(names, (gpointer)objects[i]->name);
    g_ptr_array_add(names, NULL);
    near = closest_word(name, (const char *const *)names->pdata);
    return g_strdup_printf("no %s \"%s\"%s%s%s", what, name, near ? "; did you mean \"" : "", near ? near : "",
                           near ? "\"?" : "");
}

/* --- WHO
 * ------------------------------------------------------------------------------------------------------------------ */

static ClusterPod *
find_pod(const Cluster *c, const char *text)
{
    g_autofree char *ns = NULL, *name = NULL;
    ClusterPod *const *pods;
    ClusterPod *pod;
    size_t n;

    split_ns_name(text, &ns, &name);
    pod = cluster_pod(c, ns, name);
    if (pod)
        return pod;
    pods = cluster_pods(c, &n);
    /* A bare name that only one other namespace has is meant. */
    for (size_t i = 0; !strchr(text, '/') && i < n; i++)
        if (strcmp(pods[i]->name, name) == 0)
            return pods[i];
    return NULL;
}

static ClusterPod *
first_pod_of(const Cluster *c, const char *text)
{
    g_autofree char *ns = NULL, *name = NULL;
    const Workload *w;
    size_t n;
    ClusterPod *const *pods = cluster_pods(c, &n);

    split_ns_name(text, &ns, &name);
    w = (const Workload *)store_get(cluster_store(c), KIND_DEPLOYMENT, ns, name);
    for (size_t i = 0; w && i < n; i++) {
        const ApiObject *object =
            strcmp(pods[i]->ns, ns) == 0 ? store_get(cluster_store(c), KIND_POD, ns, pods[i]->name) : NULL;
        if (object && labels_match(&w->selector, &object->labels))
            return pods[i];
    }
    return NULL;
}

static void
take_pod(Who *who, ClusterPod *pod)
{
    who->kind = WHO_POD;
    who->pod = pod;
    who->node = pod->node;
    who->host = cluster_pod_host(pod);
    who->text = strcmp(pod->ns, "default") == 0 ? g_strdup_printf("pod/%s", pod->name)
                                                : g_strdup_printf("pod/%s/%s", pod->ns, pod->name);
}

static void
take_node(Who *who, ClusterNode *node)
{
    who->kind = WHO_NODE;
    who->node = node;
    who->host = node->host;
    who->text = g_strdup_printf("node/%s", node->name);
}

static void
take_client(Who *who, ClusterClient *client)
{
    who->kind = WHO_CLIENT;
    who->client = client;
    who->host = client->host;
    who->text = g_strdup_printf("client/%s", client->name);
}

static bool
who_by_addr(const Cluster *c, IpAddr addr, Who *who, char **ret_error)
{
    size_t n;
    ClusterClient *const *clients = cluster_clients(c, &n);
    char text[IPADDR_STR_SIZE];

    who->addr = addr;
    if (cluster_pod_by_ip(c, addr)) {
        take_pod(who, cluster_pod_by_ip(c, addr));
        return true;
    }
    if (cluster_node_by_ip(c, addr)) {
        take_node(who, cluster_node_by_ip(c, addr));
        return true;
    }
    for (size_t i = 0; i < n; i++)
        if (fib_is_local(host_fib(clients[i]->host), addr, NULL)) {
            take_client(who, clients[i]);
            return true;
        }
    *ret_error = g_strdup_printf("%s is no pod, node or client of this cluster (Cluster.spec.clients can add one)",
                                 ipaddr_format(addr, text));
    return false;
}

bool
who_parse(const Cluster *c, const char *text, Who *ret_who, char **ret_error)
{
    IpAddr addr;

    *ret_who = (Who){0};
    if (g_str_has_prefix(text, "pod/")) {
        ClusterPod *pod = find_pod(c, text + 4);
        if (pod)
            take_pod(ret_who, pod);
        else
            *ret_error = no_such(c, KIND_POD, "running pod", text + 4);
        return pod != NULL;
    }
    if (g_str_has_prefix(text, "deployment/")) {
        ClusterPod *pod = first_pod_of(c, text + 11);
        if (pod)
            take_pod(ret_who, pod);
        else
            *ret_error = no_such(c, KIND_DEPLOYMENT, "deployment with a running pod", text + 11);
        return pod != NULL;
    }
    if (g_str_has_prefix(text, "node/")) {
        ClusterNode *node = cluster_node(c, text + 5);
        if (node)
            take_node(ret_who, node);
        else
            *ret_error = no_such(c, KIND_NODE, "node", text + 5);
        return node != NULL;
    }
    if (g_str_has_prefix(text, "client/")) {
        ClusterClient *client = cluster_client(c, text + 7);
        if (client)
            take_client(ret_who, client);
        else
            *ret_error = g_strdup_printf("no client \"%s\" in Cluster.spec.clients", text + 7);
        return client != NULL;
    }
    if (ipaddr_parse(text, &addr))
        return who_by_addr(c, addr, ret_who, ret_error);
    *ret_error = g_strdup_printf(
        "\"%s\" names nobody: pod/[NS/]NAME, deployment/[NS/]NAME, node/NAME, client/NAME or an address", text);
    return false;
}

/* --- WHERE
 * ---------------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *name;
    const char *port; /* Into 'name's allocation, or NULL. */
    uint8_t proto;    /* 0: not said. */
} Target;

/* Splits "NAME[:PORT][/proto]" at the right places; names may hold one '/'. */
static bool
split_target(const char *text, Target *t, char **ret_error)
{
    char *slash, *colon;

    *t = (Target){.name = g_strdup(text)};
    slash = strrchr(t->name, '/');
    if (slash && ipproto_parse(slash + 1, &t->proto))
        *slash = '\0';
    if (t->name[0] == '[') {
        char *close = strchr(t->name, ']');
        if (!close) {
            *ret_error = g_strdup_printf("\"%s\" lacks a ]", text);
            return false;
        }
        t->port = close[1] == ':' ? close + 2 : NULL;
        *close = '\0';
        memmove(t->name, t->name + 1, strlen(t->name));
        return true;
    }
    colon = strrchr(t->name, ':');
    if (colon && strchr(t->name, ':') == colon) {
        *colon = '\0';
        t->port = colon + 1;
    }
    return true;
}

static bool
number_port(const Target *t, uint16_t fallback, uint16_t *ret_port, char **ret_error)
{
    guint64 number;

    if (!t->port) {
        *ret_port = fallback;
        if (!fallback)
            *ret_error = g_strdup_printf("\"%s\" needs a port", t->name);
        return fallback != 0;
    }
    if (!g_ascii_string_to_unsigned(t->port, 10, 1, UINT16_MAX, &number, NULL)) {
        *ret_error = g_strdup_printf("\"%s\" is no port number", t->port);
        return false;
    }
    *ret_port = (uint16_t)number;
    return true;
}

static const ServicePort *
find_service_port(const Service *s, const Target *t)
{
    for (uint32_t i = 0; i < s->n_ports; i++) {
        const ServicePort *p = &s->ports[i];
        g_autofree char *number = g_strdup_printf("%u", p->port);
        if (t->proto && p->proto != t->proto)
            continue;
        if (!t->port || strcmp(t->port, number) == 0 || strcmp(t->port, p->name) == 0)
            return p;
    }
    return NULL;
}

static bool
first_addr(const char *const *texts, uint32_t n, IpFamily prefer, IpAddr *ret_addr)
{
    bool found = false;

    for (uint32_t i = 0; i < n; i++) {
        IpAddr addr;
        if (!ipaddr_parse_sloppy(texts[i], &addr))
            continue;
        if (!found || ipaddr_family(&addr) == prefer) {
            *ret_addr = addr;
            if (ipaddr_family(&addr) == prefer)
                return true;
            found = true;
        }
    }
    return found;
}

static bool
ingress_addr(const Cluster *c, const Service *s, IpFamily prefer, IpAddr *ret_addr)
{
    g_autoptr(GPtrArray) ips = g_ptr_array_new();

    for (uint32_t i = 0; i < s->n_ingress; i++)
        if (s->ingress[i].ip)
            g_ptr_array_add(ips, (gpointer)s->ingress[i].ip);
    if (first_addr((const char *const *)ips->pdata, ips->len, prefer, ret_addr))
        return true;
    for (uint32_t i = 0; i < s->n_ingress; i++)
        if (s->ingress[i].hostname && cluster_resolve_name(c, s->ingress[i].hostname, prefer, ret_addr))
            return true;
    return false;
}

static bool
node_addr(const ClusterNode *node, IpFamily prefer, IpAddr *ret_addr)
{
    for (uint32_t i = 0; node && i < node->n_ips; i++)
        if (ipaddr_family(&node->ips[i]) == prefer) {
            *ret_addr = node->ips[i];
            return true;
        }
    if (!node || node->n_ips == 0)
        return false;
    *ret_addr = node->ips[0];
    return true;
}

static bool
service_outside_door(const Cluster *c, const Service *s, const ServicePort *port, const ClusterNode *via,
                     IpFamily prefer, Where *where)
{
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(c, &n);

    where->port = port->port;
    if (ingress_addr(c, s, prefer, &where->addr)) {
        where->door = "loadBalancer";
        return true;
    }
    if (first_addr(s->external_ips, s->n_external_ips, prefer, &where->addr)) {
        where->door = "externalIP";
        return true;
    }
    where->door = "nodePort";
    where->port = port->node_port;
    return port->node_port && node_addr(via ? via : n ? nodes[0] : NULL, prefer, &where->addr);
}

static char *
no_address(const Service *s, bool outside)
{
    bool headless = s->n_cluster_ips > 0 && strcmp(s->cluster_ips[0], "None") == 0;
    const char *why =
        s->type == SERVICE_EXTERNALNAME ? "it is an ExternalName, another name in DNS: dial that name"
        : headless
            ? "it is headless (clusterIP: None), so DNS gives its pods' addresses: dial its name from a pod, or a pod"
        : outside ? "it has neither a node port nor an external address: type NodePort or LoadBalancer gives one"
                  : "it has no cluster IP of that family";

    return g_strdup_printf("Service %s/%s has no address that %s can dial: %s", s->meta.ns, s->meta.name,
                           outside ? "the outside" : "a pod or node", why);
}

static bool
where_service(const Cluster *c, const char *text, const Who *from, const ClusterNode *via, IpFamily prefer,
              bool ingress_only, Where *where, char **ret_error)
{
    Target t;
    g_autofree char *ns = NULL, *name = NULL, *target_name = NULL;
    const Service *s;
    const ServicePort *port;
    bool ok;

    if (!split_target(text, &t, ret_error)) {
        g_free(t.name);
        return false;
    }
    target_name = t.name;
    split_ns_name(t.name, &ns, &name);
    s = (const Service *)store_get(cluster_store(c), KIND_SERVICE, ns, name);
    if (!s) {
        *ret_error = no_such(c, KIND_SERVICE, "Service", t.name);
        return false;
    }
    port = find_service_port(s, &t);
    if (!port) {
        *ret_error = t.port ? g_strdup_printf("Service %s/%s has no port \"%s\"", ns, name, t.port)
                            : g_strdup_printf("Service %s/%s has no ports", ns, name);
        return false;
    }
    where->service = s;
    where->proto = port->proto;
    where->port = port->port;
    if (ingress_only) {
        where->door = "loadBalancer";
        ok = ingress_addr(c, s, prefer, &where->addr);
    } else if (from && from->kind == WHO_CLIENT) {
        ok = service_outside_door(c, s, port, via, prefer, where);
    } else {
        where->door = "clusterIP";
        ok = first_addr(s->cluster_ips, s->n_cluster_ips, prefer, &where->addr);
    }
    if (!ok)
        *ret_error = no_address(s, from && from->kind == WHO_CLIENT);
    return ok;
}

static bool
where_pod(const Cluster *c, const Target *t, IpFamily prefer, Where *where, char **ret_error)
{
    ClusterPod *pod = find_pod(c, t->name + 4);
    const Pod *object;
    uint16_t fallback = 0;

    if (!pod) {
        *ret_error = no_such(c, KIND_POD, "running pod", t->name + 4);
        return false;
    }
    object = (const Pod *)store_get(cluster_store(c), KIND_POD, pod->ns, pod->name);
    for (uint32_t i = 0; object && i < object->spec.n_containers && !fallback; i++)
        if (object->spec.containers[i].n_ports)
            fallback = object->spec.containers[i].ports[0].port;
    where->door = "pod";
    where->addr = pod->ips[0];
    for (uint32_t i = 0; i < pod->n_ips; i++)
        if (ipaddr_family(&pod->ips[i]) == prefer)
            where->addr = pod->ips[i];
    return number_port(t, fallback, &where->port, ret_error);
}

static bool
where_plain(const Cluster *c, const char *text, IpFamily prefer, Where *where, char **ret_error)
{
    Target t;
    g_autofree char *target_name = NULL;
    ClusterNode *node;
    bool parsed = split_target(text, &t, ret_error);

    target_name = t.name;
    if (!parsed)
        return false;
    if (t.proto)
        where->proto = t.proto;
    if (g_str_has_prefix(t.name, "pod/"))
        return where_pod(c, &t, prefer, where, ret_error);
    if (g_str_has_prefix(t.name, "node/")) {
        node = cluster_node(c, t.name + 5);
        if (!node) {
            *ret_error = no_such(c, KIND_NODE, "node", t.name + 5);
            return false;
        }
        where->door = "node";
        node_addr(node, prefer, &where->addr);
        return number_port(&t, 0, &where->port, ret_error);
    }
    if (ipaddr_parse(t.name, &where->addr)) {
        where->door = "address";
        return number_port(&t, 0, &where->port, ret_error);
    }
    where->door = "name";
    where->dns_name = g_strdup(t.name);
    return number_port(&t, 80, &where->port, ret_error);
}

bool
where_parse(const Cluster *c, const char *text, const Who *from, const ClusterNode *via, IpFamily prefer,
            uint8_t default_proto, Where *ret_where, char **ret_error)
{
    bool ok;

    *ret_where = (Where){.proto = default_proto};
    if (g_str_has_prefix(text, "service/"))
        ok = where_service(c, text + 8, from, via, prefer, false, ret_where, ret_error);
    else if (g_str_has_prefix(text, "lb/"))
        ok = where_service(c, text + 3, from, via, prefer, true, ret_where, ret_error);
    else
        ok = where_plain(c, text, prefer, ret_where, ret_error);
    if (ok)
        ret_where->text = g_strdup(text);
    else
        where_clear(ret_where);
    return ok;
}

void
who_clear(Who *who)
{
    g_clear_pointer(&who->text, g_free);
}

void
where_clear(Where *where)
{
    g_clear_pointer(&where->text, g_free);
    g_clear_pointer(&where->dns_name, g_free);
}
