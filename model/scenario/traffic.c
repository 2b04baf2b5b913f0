#include "model/scenario/traffic.h"

#include "sim/engine/timer.h"

#include <string.h>

#define DEFAULT_TIMEOUT (10 * SIMTIME_SEC)
/* Who waits less than the first retransmission takes may still be answered when the run ends. */
#define FIRST_RETRY SIMTIME_SEC

struct Dial {
    Traffic *traffic;
    Dial *next, **back;
    Flow *flow;
    Host *host;
    Where to;
    const char *path, *method, *payload;
    uint32_t request_bytes, requests, done;
    uint16_t source_port;
    SimTime timeout, hold, interval;
    void (*ended)(Flow *flow, void *user);
    void (*requested)(Flow *flow, const HttpResult *result, void *user);
    void *user;
    HttpClient *http;
    Socket *socket;
    Timer timer;                  /* Timeout of datagrams, pause between requests, end of a hold. */
    bool resolving, pooled, over; /* Over: reported; what is left is closing. */
};

struct Traffic {
    Cluster *cluster;
    FlowBook *book;
    Dial *first;
    uint32_t active;
};

/* --- Outcomes
 * ----------------------------------------------------------------------------------------------------------- */

FlowOutcome
traffic_outcome(SocketError error, bool connected)
{
    switch (error) {
    case SOCK_OK:
        return FLOW_CONNECTED;
    case SOCK_TIMEOUT:
        return FLOW_TIMEOUT;
    case SOCK_RST:
        return connected ? FLOW_RESET : FLOW_REFUSED;
    case SOCK_HOST_DOWN:
        return FLOW_TIMEOUT;
    case SOCK_PORT_UNREACH:
    case SOCK_NET_UNREACH:
    case SOCK_HOST_UNREACH:
    case SOCK_PROTO_UNREACH:
    case SOCK_PROHIBITED:
    case SOCK_TTL_EXCEEDED:
    case SOCK_EPERM:
    case SOCK_ENETUNREACH:
    case SOCK_EHOSTUNREACH:
    case SOCK_EMSGSIZE:
    case SOCK_ADDR_IN_USE:
    case SOCK_NO_PORTS:
    case SOCK_EOF:
    case SOCK_N_ERRORS:
        return connected ? FLOW_RESET : FLOW_REFUSED;
    }
    return FLOW_TIMEOUT;
}

static void
dial_free(Dial *d)
{
    Sim *sim = cluster_sim(d->traffic->cluster);

    *d->back = d->next;
    if (d->next)
        d->next->back = d->back;
    d->traffic->active--;
    timer_free(sim, &d->timer);
    where_clear(&d->to);
    g_free(d);
}

static void
report(Dial *d, FlowOutcome outcome, const char *reason)
{
    if (d->over)
        return;
    d->over = true;
    flow_finish(d->traffic->book, d->flow, outcome, reason);
    if (d->ended)
        d->ended(d->flow, d->user);
}

static void
fail(Dial *d, SocketError error, bool connected)
{
    report(d, traffic_outcome(error, connected), socket_error_code(error));
}

/* --- HTTP over TCP
 * ---------------------------------------------------------------------------------------------------------- */

static void
close_http(Dial *d)
{
    if (d->http)
        http_client_free(d->http);
    d->http = NULL;
    dial_free(d);
}

void
traffic_note_result(Flow *flow, const HttpResult *result)
{
    flow->retransmits = result->retransmits;
    flow->client_addr = result->local;
    flow->client_port = result->local_port;
    if (result->connected && flow->connected_at < 0)
        flow->connected_at = result->connected_at;
    if (result->ok) {
        flow->status = result->status;
        flow->requests++;
    }
}

static void on_http(HttpClient *client, const HttpResult *result, void *user);

static void
on_timer(Sim *sim, void *owner)
{
    Dial *d = owner;

    (void)sim;
    if (d->to.proto != IPPROTO_TCP_) {
        report(d, FLOW_TIMEOUT, socket_error_code(SOCK_TIMEOUT));
        socket_close(d->socket);
        dial_free(d);
        return;
    }
    if (d->done < d->requests && d->pooled && http_client_ended(d->http)) {
        report(d, FLOW_CONNECTED, TRAFFIC_REPLACED);
        close_http(d);
        return;
    }
    if (d->done < d->requests) {
        http_client_request(d->http, d->path, on_http, d);
        return;
    }
    report(d, FLOW_CONNECTED, NULL);
    close_http(d);
}

static void
on_http(HttpClient *client, const HttpResult *result, void *user)
{
    Dial *d = user;
    bool keep = d->requests > 1 || d->hold > 0;
    Sim *sim = cluster_sim(d->traffic->cluster);

    (void)client;
    traffic_note_result(d->flow, result);
    d->done++;
    if (d->requested)
        d->requested(d->flow, result, d->user);
    if (!result->ok) {
        fail(d, result->error, result->connected);
        d->http = NULL;
        dial_free(d);
        return;
    }
    if (keep && (d->done < d->requests || d->hold > 0)) {
        timer_arm(sim, d->timer, sim->now + (d->done < d->requests ? d->interval : d->hold));
        return;
    }
    report(d, FLOW_CONNECTED, NULL);
    if (keep) {
        close_http(d);
        return;
    }
    d->http = NULL;
    dial_free(d);
}

static void
dial_http(Dial *d)
{
    bool keep = d->requests > 1 || d->hold > 0;

    d->http = http_client_get(d->host, d->to.addr, d->to.port,
                              &(HttpClientOptions){.socket = {.flow = d->flow->id, .local_port = d->source_port},
                                                   .method = d->method,
                                                   .path = d->path,
                                                   .host = d->to.dns_name,
                                                   .request_bytes = d->request_bytes,
                                                   .keep_alive = keep,
                                                   .timeout = d->timeout},
                              on_http, d);
}

/* --- Datagrams and SCTP
 * ------------------------------------------------------------------------------------------------------- */

static void
end_socket(Dial *d, FlowOutcome outcome, const char *reason)
{
    Socket *socket = d->socket;

    d->socket = NULL;
    report(d, outcome, reason);
    socket_close(socket);
    dial_free(d);
}

static void
on_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    Dial *d = user;

    (void)payload;
    (void)from;
    (void)from_port;
    (void)s;
    d->flow->connected_at = cluster_sim(d->traffic->cluster)->now;
    d->flow->requests++;
    end_socket(d, FLOW_CONNECTED, NULL);
}

static void
on_socket_error(Socket *s, SocketError error, void *user)
{
    Dial *d = user;

    (void)s;
    end_socket(d, traffic_outcome(error, false), socket_error_code(error));
}

static void
on_sctp_connected(Socket *s, void *user)
{
    on_datagram(s, NULL, IPADDR_ANY4, 0, user);
}

static void
on_sctp_closed(Socket *s, SocketError error, void *user)
{
    Dial *d = user;

    (void)s;
    d->socket = NULL;
    fail(d, error == SOCK_OK ? SOCK_RST : error, false);
    dial_free(d);
}

static const SocketCallbacks udp_callbacks = {.received = on_datagram, .error = on_socket_error};
static const SocketCallbacks sctp_callbacks = {.connected = on_sctp_connected, .closed = on_sctp_closed};

static void
note_local(Dial *d)
{
    d->flow->client_addr = socket_local(d->socket, &d->flow->client_port);
}

static void
dial_udp(Dial *d)
{
    Sim *sim = cluster_sim(d->traffic->cluster);
    SocketOptions options = {.flow = d->flow->id, .local_port = d->source_port};
    PayloadBuf *buf;
    SocketError error;

    d->socket = udp_open(d->host, &options, &udp_callbacks, d, &error);
    if (!d->socket) {
        fail(d, error, false);
        dial_free(d);
        return;
    }
    udp_connect(d->socket, d->to.addr, d->to.port);
    note_local(d);
    buf = payload_buf_new(d->payload, strlen(d->payload));
    error = udp_send(d->socket, d->to.addr, d->to.port, buf, 0, buf->size);
    payload_buf_unref(buf);
    if (error != SOCK_OK)
        end_socket(d, traffic_outcome(error, false), socket_error_code(error));
    else
        timer_arm(sim, d->timer, sim->now + d->timeout);
}

static void
dial_sctp(Dial *d)
{
    Sim *sim = cluster_sim(d->traffic->cluster);
    SocketOptions options = {.flow = d->flow->id, .local_port = d->source_port};
    SocketError error;

    d->socket = sctp_connect(d->host, d->to.addr, d->to.port, &options, &sctp_callbacks, d, &error);
    if (!d->socket) {
        fail(d, error, false);
        dial_free(d);
        return;
    }
    note_local(d);
    timer_arm(sim, d->timer, sim->now + d->timeout);
}

/* --- Dialling
 * ----------------------------------------------------------------------------------------------------------------- */

static void
dial_addr(Dial *d)
{
    char text[IPPORT_STR_SIZE];

    d->flow->dialed = flow_book_keep(d->traffic->book, ipport_format(d->to.addr, d->to.port, text));
    d->flow->proto = d->to.proto;
    if (d->to.proto == IPPROTO_UDP_)
        dial_udp(d);
    else if (d->to.proto == IPPROTO_SCTP_)
        dial_sctp(d);
    else
        dial_http(d);
}

static void
on_resolved(const DnsResult *result, void *user)
{
    Dial *d = user;

    d->resolving = false;
    if (d->over) {
        dial_free(d);
        return;
    }
    if (result->n_addrs == 0) {
        report(d, FLOW_UNRESOLVED,
               result->timed_out          ? "dns-timeout"
               : result->error != SOCK_OK ? socket_error_code(result->error)
                                          : "nxdomain");
        dial_free(d);
        return;
    }
    d->to.addr = result->addrs[0];
    dial_addr(d);
}

static void
resolve(Dial *d)
{
    ResolvConf conf;

    cluster_resolv_conf(d->traffic->cluster, d->host, &conf);
    if (conf.n_servers == 0) {
        report(d, FLOW_UNRESOLVED, "no-nameserver");
        dial_free(d);
        return;
    }
    d->resolving = true;
    dns_resolve(d->host, &conf, d->to.dns_name, rng_mix(d->flow->id, 53), on_resolved, d);
}

Flow *
traffic_dial(Traffic *traffic, const DialParams *params)
{
    Dial *d = g_new0(Dial, 1);
    Sim *sim = cluster_sim(traffic->cluster);
    Flow *flow;

    d->traffic = traffic;
    d->next = traffic->first;
    d->back = &traffic->first;
    if (d->next)
        d->next->back = &d->next;
    traffic->first = d;
    traffic->active++;
    d->host = params->from->host;
    d->to = *params->to;
    d->to.text = NULL;
    d->to.dns_name = g_strdup(params->to->dns_name);
    d->path = params->path;
    d->method = params->method;
    d->payload = params->payload ? params->payload : "hello";
    d->request_bytes = params->request_bytes;
    d->requests = MAX(params->requests, 1);
    d->source_port = params->source_port;
    d->timeout = params->timeout ? params->timeout : DEFAULT_TIMEOUT;
    d->hold = params->hold;
    d->interval = params->interval;
    d->pooled = params->pooled;
    d->ended = params->ended;
    d->requested = params->requested;
    d->user = params->user;
    d->timer = timer_new(sim, "traffic.dial", host_entity(d->host), on_timer, d);
    flow = d->flow =
        flow_begin(traffic->book, params->name, params->from->text, params->to->text, d->host, d->to.proto);
    flow->group = flow_book_keep_name(traffic->book, params->group);
    if (d->to.dns_name)
        resolve(d);
    else
        dial_addr(d);
    return flow;
}

Traffic *
traffic_new(Cluster *cluster, FlowBook *book)
{
    Traffic *traffic = g_new0(Traffic, 1);

    traffic->cluster = cluster;
    traffic->book = book;
    return traffic;
}

static void
abandon(Dial *d)
{
    d->over = true;
    if (d->http)
        http_client_free(d->http);
    d->http = NULL;
    if (d->socket)
        socket_close(d->socket);
    d->socket = NULL;
}

void
traffic_free(Traffic *traffic)
{
    Dial *next;

    if (!traffic)
        return;
    for (Dial *d = traffic->first; d; d = next) {
        next = d->next;
        abandon(d);
        dial_free(d);
    }
    g_free(traffic);
}

uint32_t
traffic_active(const Traffic *traffic)
{
    return traffic->active;
}

void
traffic_finish_pending(Traffic *traffic)
{
    SimTime now = cluster_sim(traffic->cluster)->now;

    for (Dial *d = traffic->first; d; d = d->next) {
        if (d->over)
            continue;
        if (d->flow->connected_at >= 0)
            report(d, FLOW_CONNECTED, NULL);
        else if (d->flow->n_drops > 0 || now - d->flow->start >= FIRST_RETRY)
            report(d, d->resolving ? FLOW_UNRESOLVED : FLOW_TIMEOUT, "end-of-run");
    }
}
