#include "model/network/pod_apps.h"

#include "model/network/app_work.h"
#include "model/network/cluster_dns.h"
#include "model/network/cluster_private.h"
#include "sim/engine/timer.h"
#include "sim/engine/vec.h"

typedef struct {
    PodRuntime *runtime;
    App *app;
    uint16_t port;
    uint8_t proto;
} PodServer;

struct PodRuntime {
    ClusterPod *pod;
    const ApplicationSpec *spec; /* NULL: the default application. */
    VEC(PodServer *) servers;
    Timer startup, failure;
    AppWorkList works; /* Requests being worked on. */
    char *body;        /* What it answers. */
    bool healthy, terminating;
    uint64_t connections, requests;
};

/* --- HTTP
 * ----------------------------------------------------------------------------------------------------------------- */

static void
answer_now(PodRuntime *runtime, HttpExchange *exchange, int status, const char *body)
{
    g_autoptr(GString) padded = NULL;
    uint32_t want = runtime->spec ? runtime->spec->response_bytes : 0;

    if (want > strlen(body)) {
        padded = g_string_new(body);
        while (padded->len + 1 < want)
            g_string_append_c(padded, ' ');
        g_string_append_c(padded, '\n');
    }
    http_respond(exchange, status, "application/json", NULL, padded ? padded->str : body,
                 padded ? padded->len : strlen(body));
}

static void
on_work_done(void *user, HttpExchange *exchange, int status, const char *answers)
{
    PodRuntime *runtime = user;
    g_autofree char *body = NULL;

    if (runtime->spec->n_http_calls == 0) {
        answer_now(runtime, exchange, 200, runtime->body);
        return;
    }
    body = g_strdup_printf("{\"pod\":\"%s\",\"calls\":[%s]}\n", runtime->pod->name, answers);

    answer_now(runtime, exchange, status, body);
}

static void
on_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user)
{
    PodServer *server = user;
    PodRuntime *runtime = server->runtime;

    (void)app;
    runtime->requests++;
    if (!runtime->healthy) {
        answer_now(runtime, exchange, 503, "{\"error\":\"unhealthy\"}\n");
        return;
    }
    if (runtime->spec)
        app_work_start(&runtime->works, runtime->pod, runtime->spec, exchange, request->flow, on_work_done, runtime);
    else
        answer_now(runtime, exchange, 200, runtime->body);
}

static void
on_connection(App *app, Socket *conn, bool opened, void *user)
{
    PodServer *server = user;

    (void)app;
    (void)conn;
    if (opened)
        server->runtime->connections++;
}

/* --- Which ports
 * ------------------------------------------------------------------------------------------------------------ */

static bool
has_server(const PodRuntime *runtime, uint16_t port, uint8_t proto)
{
    for (size_t i = 0; i < runtime->servers.len; i++)
        if (runtime->servers.data[i]->port == port && runtime->servers.data[i]->proto == proto)
            return true;
    return false;
}

static App *
start_app(PodServer *server, IpAddr addr, SocketError *ret_error)
{
    PodRuntime *runtime = server->runtime;
    Host *host = runtime->pod->made_host;
    const ApplicationSpec *spec = runtime->spec;
    const Pod *object = server->port == 53 ? pod_object(runtime->pod) : NULL;

    if (object && pod_is_dns(&object->meta.labels))
        return cluster_dns_server(runtime->pod->cluster, host, addr, server->port, ret_error);
    if (server->proto == IPPROTO_TCP_)
        return http_server_new(
            host, addr, server->port,
            &(HttpServerOptions){.request = on_request,
                                 .connection = on_connection,
                                 .accept_proxy = spec && spec->accept_proxy,
                                 .idle_timeout = spec && spec->idle_timeout != SIMTIME_NEVER ? spec->idle_timeout : 0},
            server, ret_error);
    return echo_server_new(host, server->proto, addr, server->port, runtime->pod->name, NULL, NULL, ret_error);
}

static void
listen_on(PodRuntime *runtime, uint16_t port, uint8_t proto)
{
    PodServer *server;
    SocketError error;

    if (has_server(runtime, port, proto) ||
        (port == 53 && proto == IPPROTO_TCP_ && has_server(runtime, 53, IPPROTO_UDP_)))
        return;
    server = g_new0(PodServer, 1);
    server->runtime = runtime;
    server->port = port;
    server->proto = proto;
    server->app = start_app(server, IPADDR_ANY6, &error);
    /* Two hostNetwork pods may want one port: the second fails to bind, as it would. */
    if (server->app)
        vec_push(&runtime->servers, server);
    else
        g_free(server);
}

static void
listen_on_plan(PodRuntime *runtime, const PodPlan *plan)
{
    for (uint32_t i = 0; i < plan->n_ports; i++)
        listen_on(runtime, plan->ports[i].port, plan->ports[i].proto);
}

/* The application has started up. */
static void
listen_now(Sim *sim, void *owner)
{
    PodRuntime *runtime = owner;
    g_autofree PodPlan *plan =
        pod_plan_new(runtime->pod, pod_object(runtime->pod), runtime->spec, runtime->pod->cluster->slices);

    (void)sim;
    listen_on_plan(runtime, plan);
}

/* --- Life
 * -------------------------------------------------------------------------------------------------------------------
 */

static void
fail_now(Sim *sim, void *owner)
{
    PodRuntime *runtime = owner;

    (void)sim;
    runtime->healthy = false;
    cluster_story(runtime->pod->cluster, "the application of pod %s/%s breaks", runtime->pod->ns, runtime->pod->name);
}

static PodRuntime *
runtime_new(ClusterPod *pod, const ApplicationSpec *spec)
{
    PodRuntime *runtime = g_new0(PodRuntime, 1);

    runtime->pod = pod;
    runtime->spec = spec;
    runtime->healthy = true;
    runtime->body =
        spec && spec->http_body ? g_strdup(spec->http_body) : g_strdup_printf("{\"pod\":\"%s\"}\n", pod->name);
    return runtime;
}

PodRuntime *
pod_runtime_new(ClusterPod *pod, const PodPlan *plan)
{
    PodRuntime *runtime = runtime_new(pod, plan->spec);

    listen_on_plan(runtime, plan);
    return runtime;
}

PodRuntime *
pod_runtime_start(ClusterPod *pod)
{
    Sim *sim = cluster_sim(pod->cluster);
    const Pod *object = pod_object(pod);
    PodRuntime *runtime =
        runtime_new(pod, object ? pod_application(cluster_input(pod->cluster), pod->ns, &object->meta.labels) : NULL);

    if (runtime->spec && runtime->spec->startup > 0 && sim->now > 0) {
        runtime->startup = timer_new(sim, "pod.startup", host_entity(pod->made_host), listen_now, runtime);
        timer_arm(sim, runtime->startup, sim->now + runtime->spec->startup);
    } else {
        listen_now(sim, runtime);
    }
    if (runtime->spec && runtime->spec->fail_at != SIMTIME_NEVER) {
        runtime->failure = timer_new(sim, "pod.failure", host_entity(pod->made_host), fail_now, runtime);
        timer_arm(sim, runtime->failure, MAX(runtime->spec->fail_at, sim->now));
    }
    return runtime;
}

static void
close_servers(PodRuntime *runtime)
{
    for (size_t i = 0; i < runtime->servers.len; i++) {
        app_free(runtime->servers.data[i]->app);
        g_free(runtime->servers.data[i]);
    }
    runtime->servers.len = 0;
}

void
pod_runtime_term(PodRuntime *runtime)
{
    OnTerm on_term = runtime->spec ? runtime->spec->on_term : ON_TERM_DRAIN;

    runtime->terminating = true;
    switch (on_term) {
    case ON_TERM_DRAIN:
        for (size_t i = 0; i < runtime->servers.len; i++)
            app_drain(runtime->servers.data[i]->app);
        break;
    case ON_TERM_ABRUPT:
        close_servers(runtime);
        break;
    case ON_TERM_IGNORE:
        break;
    }
}

void
pod_runtime_kill(PodRuntime *runtime)
{
    Sim *sim;

    if (!runtime)
        return;
    sim = cluster_sim(runtime->pod->cluster);
    app_work_cancel_all(&runtime->works);
    close_servers(runtime);
    vec_clear(&runtime->servers);
    timer_free(sim, &runtime->startup);
    timer_free(sim, &runtime->failure);
    g_free(runtime->body);
    g_free(runtime);
}

bool
pod_runtime_exited(const PodRuntime *runtime)
{
    OnTerm on_term = runtime->spec ? runtime->spec->on_term : ON_TERM_DRAIN;

    if (!runtime->terminating || on_term == ON_TERM_IGNORE)
        return false;
    return on_term == ON_TERM_ABRUPT || pod_runtime_stats(runtime).active == 0;
}

bool
pod_runtime_listening(const PodRuntime *runtime)
{
    return runtime->servers.len > 0 && !runtime->terminating;
}

const ApplicationSpec *
pod_runtime_spec(const PodRuntime *runtime)
{
    return runtime->spec;
}

bool
pod_runtime_healthy(const PodRuntime *runtime)
{
    return runtime->healthy;
}

void
pod_runtime_set_healthy(PodRuntime *runtime, bool healthy)
{
    runtime->healthy = healthy;
}

PodAppStats
pod_runtime_stats(const PodRuntime *runtime)
{
    PodAppStats stats = {.connections = runtime->connections, .requests = runtime->requests};

    for (size_t i = 0; i < runtime->servers.len; i++)
        stats.active += app_active(runtime->servers.data[i]->app);
    return stats;
}

void
cluster_set_call_observer(Cluster *cluster, const AppCallObserver *observer)
{
    cluster->calls = observer ? *observer : (AppCallObserver){0};
}
