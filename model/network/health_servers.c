#include "model/network/health_servers.h"

#include "model/network/node_proxy.h"
#include "model/proxy/node_addrs.h"
#include "sim/engine/vec.h"

typedef struct {
    const char *ns, *name; /* Interned by the store. */
    uint16_t port;
    uint32_t ready;
} Collected;

typedef struct {
    HealthServers *owner;
    Collected state;
    VEC(App *) apps; /* One a listening address. */
    bool seen;
} ServiceHealth;

struct HealthServers {
    ClusterNode *node;
    const NodeProxy *proxy;
    GPtrArray *services; /* ServiceHealth, in order of first appearance. */
    VEC(Collected) next; /* Of the sync under way. */
    App *healthz;
};

static void on_service_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user);
static void on_healthz_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user);
static void collect_family(HealthServers *servers, const ServiceMap *map);
static ServiceHealth *find_service(const HealthServers *servers, const char *ns, const char *name);
static void open_service(ServiceHealth *health, const ProxyConfig *config, const ProxyNode info[2]);
static void drop_dead(ServiceHealth *health);
static void service_health_free(gpointer data);

static const HttpServerOptions service_options = {.request = on_service_request, .backlog = 128};
static const HttpServerOptions healthz_options = {.request = on_healthz_request, .backlog = 128};
static const char json_type[] = "application/json";
static const char nosniff[] = "X-Content-Type-Options: nosniff\r\n";

HealthServers *
health_servers_new(ClusterNode *node, const NodeProxy *proxy)
{
    HealthServers *servers = g_new0(HealthServers, 1);

    servers->node = node;
    servers->proxy = proxy;
    servers->services = g_ptr_array_new_with_free_func(service_health_free);
    return servers;
}

void
health_servers_free(HealthServers *servers)
{
    if (!servers)
        return;
    app_free(servers->healthz);
    g_ptr_array_unref(servers->services);
    vec_clear(&servers->next);
    g_free(servers);
}

void
health_servers_collect(HealthServers *servers, ServiceMap *const maps[2])
{
    servers->next.len = 0;
    for (int f = 0; f < 2; f++)
        collect_family(servers, maps[f]);
}

void
health_servers_apply(HealthServers *servers, const ProxyConfig *config, const ProxyNode info[2], bool listen)
{
    for (guint i = 0; i < servers->services->len; i++)
        ((ServiceHealth *)servers->services->pdata[i])->seen = false;
    for (size_t i = 0; i < servers->next.len; i++) {
        const Collected *next = &servers->next.data[i];
        ServiceHealth *health = find_service(servers, next->ns, next->name);
        if (health && health->state.port == next->port) {
            health->state = *next;
            health->seen = true;
            continue;
        }
        health = g_new0(ServiceHealth, 1);
        health->owner = servers;
        health->state = *next;
        health->seen = true;
        g_ptr_array_add(servers->services, health);
    }
    /* Ports close before others open: a Service may take over another's. */
    for (guint i = servers->services->len; i-- > 0;)
        if (!((ServiceHealth *)servers->services->pdata[i])->seen)
            g_ptr_array_remove_index(servers->services, i);
    if (!listen)
        return;
    for (guint i = 0; i < servers->services->len; i++) {
        ServiceHealth *health = servers->services->pdata[i];
        drop_dead(health);
        if (health->apps.len == 0)
            open_service(health, config, info);
    }
    if (servers->healthz && !http_server_listener(servers->healthz))
        g_clear_pointer(&servers->healthz, app_free);
    if (!servers->healthz)
        servers->healthz =
            http_server_new(servers->node->host, IPADDR_ANY4, PROXY_HEALTHZ_PORT, &healthz_options, servers, NULL);
}

int
health_servers_local_ready(const HealthServers *servers, const char *ns, const char *service)
{
    const ServiceHealth *health = find_service(servers, ns, service);

    return health ? (int)health->state.ready : -1;
}

static bool
is_collected(const HealthServers *servers, const ProxyServicePort *port)
{
    for (size_t i = 0; i < servers->next.len; i++)
        if (strcmp(servers->next.data[i].name, port->name) == 0 && strcmp(servers->next.data[i].ns, port->ns) == 0)
            return true;
    return false;
}

/* The family that a Service is seen in first has the say (a dual-stack Service has the same pods in both). */
static void
collect_family(HealthServers *servers, const ServiceMap *map)
{
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);

    if (!service_map_has_health_checks(map))
        return;
    for (size_t i = 0; i < n; i++) {
        const ProxyServicePort *port = service_entry_ports(entries[i]); /* All ports of a Service say the same. */
        if (port->health_check_node_port && !is_collected(servers, port))
            vec_push(&servers->next,
                     (Collected){.ns = port->ns,
                                 .name = port->name,
                                 .port = port->health_check_node_port,
                                 .ready = service_map_local_ready(map, port->ns, port->name, servers->node->name)});
    }
}

static ServiceHealth *
find_service(const HealthServers *servers, const char *ns, const char *name)
{
    for (guint i = 0; i < servers->services->len; i++) {
        ServiceHealth *health = servers->services->pdata[i];
        if (strcmp(health->state.name, name) == 0 && strcmp(health->state.ns, ns) == 0)
            return health;
    }
    return NULL;
}

static void
listen_on(ServiceHealth *health, IpAddr addr)
{
    const ClusterNode *node = health->owner->node;
    SocketError error;
    App *app = http_server_new(node->host, addr, health->state.port, &service_options, health, &error);

    if (app)
        vec_push(&health->apps, app);
    else
        cluster_story(node->cluster, "kube-proxy on %s: health check server of %s/%s on port %u: %s", node->name,
                      health->state.ns, health->state.name, health->state.port, socket_error_text(error));
}

/* healthcheck.newServiceHealthServer(): on every address, or on those that nodePortAddresses selects. */
static void
open_service(ServiceHealth *health, const ProxyConfig *config, const ProxyNode info[2])
{
    static const IpFamily families[2] = {FAMILY_IPV4, FAMILY_IPV6};

    for (int f = 0; f < 2; f++) {
        NodePortAddrs addrs;
        node_port_addrs(config, config->mode, families[f], &info[f], &addrs);
        if (addrs.all && health->apps.len == 0)
            listen_on(health, IPADDR_ANY4);
        for (uint32_t i = 0; !addrs.all && i < addrs.n_addrs; i++)
            listen_on(health, *addrs.addrs[i]);
        node_port_addrs_clear(&addrs);
    }
}

/* Listeners that went down with their host. */
static void
drop_dead(ServiceHealth *health)
{
    for (size_t i = health->apps.len; i-- > 0;)
        if (!http_server_listener(health->apps.data[i])) {
            app_free(health->apps.data[i]);
            vec_remove(&health->apps, i);
        }
}

static void
service_health_free(gpointer data)
{
    ServiceHealth *health = data;

    for (size_t i = 0; i < health->apps.len; i++)
        app_free(health->apps.data[i]);
    vec_clear(&health->apps);
    g_free(health);
}

/* hcHandler.ServeHTTP(): any path; 200 if something is ready here and kube-proxy itself is well. */
static void
on_service_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user)
{
    const ServiceHealth *health = user;
    bool proxy_healthy = node_proxy_healthz(health->owner->proxy) == 200;
    int status = health->state.ready > 0 && proxy_healthy ? 200 : 503;
    g_autofree char *headers =
        g_strdup_printf("%sX-Load-Balancing-Endpoint-Weight: %u\r\n", nosniff, health->state.ready);
    g_autofree char *body =
        g_strdup_printf("{\n\t\"service\": {\n\t\t\"namespace\": \"%s\",\n\t\t\"name\": \"%s\"\n\t},\n\t"
                        "\"localEndpoints\": %u,\n\t\"serviceProxyHealthy\": %s\n}",
                        health->state.ns, health->state.name, health->state.ready, proxy_healthy ? "true" : "false");

    (void)app;
    (void)request;
    http_respond(exchange, status, json_type, headers, body, strlen(body));
}

/* healthzHandler and livezHandler of proxy_health.go.  The times that the real body holds are left to Date. */
static void
on_healthz_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user)
{
    const HealthServers *servers = user;
    bool live = strcmp(request->path, "/livez") == 0;
    bool eligible = node_proxy_eligible(servers->proxy);
    g_autofree char *body = g_strdup_printf("{\"nodeEligible\": %s}", eligible ? "true" : "false");
    int status = live ? (node_proxy_live(servers->proxy) ? 200 : 503) : node_proxy_healthz(servers->proxy);

    (void)app;
    if (!live && strcmp(request->path, "/healthz") != 0) {
        http_respond(exchange, 404, "text/plain; charset=utf-8", nosniff, "404 page not found\n", 19);
        return;
    }
    http_respond(exchange, status, json_type, nosniff, body, strlen(body));
}
