#include "model/control/pod_probe.h"

#include "model/network/pod_apps.h"

struct PodProbe {
    ClusterPod *pod;
    const Probe *spec;
    uint16_t port;
    ProbeRole role;
    SimTime ticks_from, started;
    SimEntity entity;
    Timer tick;
    uint64_t flow;
    HttpClient *http; /* At most one of the two, while a probe is under way. */
    Socket *tcp;
    bool ok, initially;
    int32_t good, bad; /* Answers in a row. */
    ProbeTurned turned;
    void *user;
};

static void on_tick(Sim *sim, void *owner);
static void probe_now(PodProbe *p);
static void answered(PodProbe *p, bool good);
static void on_http(HttpClient *client, const HttpResult *result, void *user);
static void on_connected(Socket *s, void *user);
static void on_closed(Socket *s, SocketError error, void *user);
static void stop(PodProbe *p);

static const SocketCallbacks callbacks = {.connected = on_connected, .closed = on_closed};

static uint16_t
port_of(const Container *container, const Probe *spec)
{
    if (spec->port)
        return spec->port;
    for (uint32_t i = 0; i < container->n_ports; i++)
        if (g_strcmp0(container->ports[i].name, spec->port_name) == 0)
            return container->ports[i].port;
    return 0;
}

PodProbe *
pod_probe_new(ClusterPod *pod, const PodSpec *spec, uint32_t container, ProbeRole role, SimTime ticks_from,
              bool initially, ProbeTurned turned, void *user)
{
    static const char *const names[] = {"startup", "readiness", "liveness"};
    const Container *c = &spec->containers[container];
    const Probe *probes[] = {&c->startup, &c->readiness, &c->liveness};
    Sim *sim = cluster_sim(pod->cluster);

    if (probes[role]->kind == PROBE_NONE)
        return NULL;
    PodProbe *p = g_new0(PodProbe, 1);
    g_autofree char *name = g_strdup_printf("probe/%s/%s/%u/%s", pod->ns, pod->name, container, names[role]);
    *p = (PodProbe){.pod = pod,
                    .spec = probes[role],
                    .port = port_of(c, probes[role]),
                    .role = role,
                    .ticks_from = ticks_from,
                    .flow = rng_hash_str(sim->seed, name),
                    .ok = initially,
                    .initially = initially,
                    .turned = turned,
                    .user = user};
    p->entity = sim_entity(sim, name);
    p->tick = timer_new(sim, "kubelet.probe", &p->entity, on_tick, p);
    return p;
}

void
pod_probe_free(PodProbe *p)
{
    Sim *sim;

    if (!p)
        return;
    sim = cluster_sim(p->pod->cluster);
    stop(p);
    timer_free(sim, &p->tick);
    sim_entity_free(sim, p->entity);
    g_free(p);
}

ProbeRole
pod_probe_role(const PodProbe *p)
{
    return p->role;
}

bool
pod_probe_ok(const PodProbe *p)
{
    return p->ok;
}

static void
arm_next(PodProbe *p)
{
    Sim *sim = cluster_sim(p->pod->cluster);
    SimTime period = p->spec->period_s * SIMTIME_SEC;
    SimTime past = sim->now - p->ticks_from;
    SimTime ticks = past < 0 ? 0 : past / period + 1;

    timer_arm(sim, p->tick, p->ticks_from + ticks * period);
}

void
pod_probe_begin(PodProbe *p, bool at_once)
{
    stop(p);
    p->started = cluster_sim(p->pod->cluster)->now;
    p->good = p->bad = 0;
    p->ok = p->initially;
    if (at_once && p->spec->initial_delay_s == 0)
        probe_now(p);
    arm_next(p);
}

static void
on_tick(Sim *sim, void *owner)
{
    PodProbe *p = owner;

    arm_next(p);
    if (sim->now - p->started >= p->spec->initial_delay_s * SIMTIME_SEC && !p->http && !p->tcp)
        probe_now(p);
}

static IpAddr
target(const PodProbe *p)
{
    return p->pod->ips[0];
}

static void
probe_now(PodProbe *p)
{
    Host *from = p->pod->node->host;
    SocketError error;
    SocketOptions socket = {.flow = ++p->flow, .connect_timeout = p->spec->timeout_s * SIMTIME_SEC};
    HttpClientOptions http = {
        .socket = {.flow = p->flow}, .path = p->spec->path, .timeout = p->spec->timeout_s * SIMTIME_SEC};

    switch (p->spec->kind) {
    case PROBE_HTTP:
        p->http = http_client_get(from, target(p), p->port, &http, on_http, p);
        break;
    case PROBE_TCP:
        p->tcp = tcp_connect(from, target(p), p->port, &socket, &callbacks, p, &error);
        if (!p->tcp)
            answered(p, false);
        break;
    case PROBE_EXEC:
    case PROBE_GRPC:
        answered(p, cluster_pod_runtime(p->pod) && pod_runtime_healthy(cluster_pod_runtime(p->pod)) &&
                        pod_runtime_listening(cluster_pod_runtime(p->pod)));
        break;
    case PROBE_NONE:
        break;
    }
}

static void
answered(PodProbe *p, bool good)
{
    bool was = p->ok;

    p->good = good ? p->good + 1 : 0;
    p->bad = good ? 0 : p->bad + 1;
    if (p->good >= p->spec->success)
        p->ok = true;
    else if (p->bad >= p->spec->failure)
        p->ok = false;
    /* A liveness or startup probe that goes on failing is heard once per threshold. */
    if (p->ok != was || (!p->ok && p->role != ROLE_READINESS && p->bad == p->spec->failure))
        p->turned(p->user, p);
}

static void
on_http(HttpClient *client, const HttpResult *result, void *user)
{
    PodProbe *p = user;

    (void)client;
    p->http = NULL;
    answered(p, result->ok && result->status >= 200 && result->status < 400);
}

static void
on_connected(Socket *s, void *user)
{
    PodProbe *p = user;

    p->tcp = NULL;
    socket_close(s);
    answered(p, true);
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    PodProbe *p = user;

    (void)s;
    (void)error;
    p->tcp = NULL;
    answered(p, false);
}

static void
stop(PodProbe *p)
{
    timer_disarm(cluster_sim(p->pod->cluster), p->tick);
    if (p->http)
        http_client_free(p->http);
    if (p->tcp)
        tcp_abort(p->tcp);
    p->http = NULL;
    p->tcp = NULL;
}
