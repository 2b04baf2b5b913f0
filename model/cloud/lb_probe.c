/* Probes: connections over the simulated network to each target, and what follows from their results
 *
 * A probe starts every interval (from start to start); it fails at its time limit.  After as many results in a row as
 * the profile says the target's state turns: a dead target is noticed (unhealthy - 1) x interval + timeout after the
 * first probe that failed. */

#include "model/cloud/lb_private.h"

#include <string.h>

static void on_probe_timer(Sim *sim, void *owner);
static void on_tcp_connected(Socket *s, void *user);
static void on_tcp_closed(Socket *s, SocketError error, void *user);
static void on_http_done(HttpClient *client, const HttpResult *result, void *user);
static void finish(LbTarget *t, bool ok, const char *what);

static const SocketCallbacks tcp_callbacks = {.connected = on_tcp_connected, .closed = on_tcp_closed};

void
probe_start(LbTarget *t)
{
    Sim *sim = cluster_sim(t->lb->cloud->cluster);
    const LbProbe *probe = lb_probe(t->lb);
    SimTime phase = probe->phase;

    if (probe->kind == LB_PROBE_NONE || !t->lb->host)
        return;
    if (!t->probe_timer.gen)
        t->probe_timer = timer_new(sim, "lb.probe", &t->entity, on_probe_timer, t);
    if (phase < 0)
        phase = (SimTime)(rng_u64(&t->jitter) % (uint64_t)probe->interval);
    timer_arm(sim, t->probe_timer, sim->now + phase);
}

void
probe_stop(LbTarget *t)
{
    if (t->probe_timer.gen)
        timer_disarm(cluster_sim(t->lb->cloud->cluster), t->probe_timer);
    if (t->probe_socket)
        tcp_abort(t->probe_socket);
    if (t->probe_http)
        http_client_free(t->probe_http);
    t->probe_socket = NULL;
    t->probe_http = NULL;
}

static uint16_t
probe_port(const LbTarget *t)
{
    const LbProbe *probe = lb_probe(t->lb);
    const Service *s = t->lb->service;

    if (probe->port == LB_PORT_HEALTH_CHECK)
        return s->health_check_node_port;
    if (probe->port != LB_PORT_TRAFFIC)
        return (uint16_t)probe->port;
    for (uint32_t p = 0; p < s->n_ports; p++)
        if (s->ports[p].proto == IPPROTO_TCP_)
            /* A load balancer that leaves packets as they are cannot probe its own address: the node port answers. */
            return t->ports ? t->ports[p] : s->ports[p].node_port;
    return 0;
}

static bool
probe_addr(const LbTarget *t, IpAddr *ret_addr)
{
    return t->lb->n_vips > 0 && (target_addr(t, ipaddr_family(&t->lb->vips[0]), ret_addr) ||
                                 (t->n_addrs > 0 && (*ret_addr = t->addrs[0], true)));
}

static IpAddr
probe_source(const Lb *lb, IpAddr to)
{
    const IpAddr *source = &lb->profile->probe_source;

    if (!ipaddr_is_any(source) && ipaddr_family(source) == ipaddr_family(&to))
        return *source;
    return ipaddr_is_v4(&to) ? IPADDR_ANY4 : IPADDR_ANY6;
}

static void
on_probe_timer(Sim *sim, void *owner)
{
    LbTarget *t = owner;
    const LbProbe *probe = lb_probe(t->lb);
    SimTime next = probe->interval;
    uint16_t port = probe_port(t);
    SocketOptions options = {.connect_timeout = probe->timeout};
    SocketError error = SOCK_OK;
    Host *host = t->lb->cloud->prober ? t->lb->cloud->prober : t->lb->host;
    IpAddr addr;

    if (probe->jitter > 0)
        next += (SimTime)(rng_u64(&t->jitter) % (uint64_t)(2 * probe->jitter + 1)) - probe->jitter;
    timer_arm(sim, t->probe_timer, sim->now + next);
    if (t->lb->cloud->held || t->probe_socket || t->probe_http)
        return; /* The last one still waits: the time limit is longer than the interval. */
    t->probe_started = sim->now;
    if (port == 0 || !probe_addr(t, &addr)) {
        finish(t, false, port == 0 ? "no port to probe" : "no address to probe");
        return;
    }
    options.local = probe_source(t->lb, addr);
    if (probe->kind == LB_PROBE_HTTP) {
        HttpClientOptions http = {
            .socket = options, .path = probe->path ? probe->path : "/", .timeout = probe->timeout};
        t->probe_http = http_client_get(host, addr, port, &http, on_http_done, t);
        return;
    }
    t->probe_socket = tcp_connect(host, addr, port, &options, &tcp_callbacks, t, &error);
    if (!t->probe_socket)
        finish(t, false, socket_error_code(error));
}

static void
on_tcp_connected(Socket *s, void *user)
{
    LbTarget *t = user;

    t->probe_socket = NULL;
    socket_close(s);
    finish(t, true, "connected");
}

static void
on_tcp_closed(Socket *s, SocketError error, void *user)
{
    LbTarget *t = user;

    (void)s;
    t->probe_socket = NULL;
    finish(t, false, socket_error_code(error));
}

static void
on_http_done(HttpClient *client, const HttpResult *result, void *user)
{
    LbTarget *t = user;
    char what[32];

    (void)client;
    t->probe_http = NULL;
    if (result->ok)
        g_snprintf(what, sizeof what, "HTTP %d", result->status);
    else
        g_snprintf(what, sizeof what, "%s", socket_error_code(result->error));
    finish(t, result->ok && result->status >= 200 && result->status < 400, what);
}

/* The threshold state machine. */
static void
finish(LbTarget *t, bool ok, const char *what)
{
    const LbProbe *probe = lb_probe(t->lb);
    char cause[96];

    if (t->lb->cloud->held)
        return;
    if (ok) {
        t->bad_in_row = 0;
        t->first_bad = -1;
        t->ok_in_row++;
    } else {
        if (t->bad_in_row++ == 0)
            t->first_bad = t->probe_started;
        t->ok_in_row = 0;
    }
    if (ok && t->state != LB_TARGET_HEALTHY && t->ok_in_row >= probe->healthy) {
        g_snprintf(cause, sizeof cause, "after %u good probe%s, %s", t->ok_in_row, t->ok_in_row == 1 ? "" : "s", what);
        target_set_state(t, LB_TARGET_HEALTHY, cause);
    } else if (!ok && t->state != LB_TARGET_UNHEALTHY && t->bad_in_row >= probe->unhealthy) {
        g_snprintf(cause, sizeof cause, "after %u failed probe%s, %s", t->bad_in_row, t->bad_in_row == 1 ? "" : "s",
                   what);
        target_set_state(t, LB_TARGET_UNHEALTHY, cause);
    }
}
