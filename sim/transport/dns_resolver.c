/* Resolver: getaddrinfo() as glibc does it (resolv/res_send.c, res_query.c, 2.36)
 *
 * Order: candidate names (search list by ndots), per name the attempts, per attempt the servers, per server A and AAAA
 * from one connected socket.  Seen from outside, what matters is:
 *   - a lost answer of the pair costs the whole time-out (5 s); the same server is then asked again one query after the
 *     other, then with a new socket for each ("single-request", "single-request-reopen");
 *   - NXDOMAIN and an empty answer go on to the next candidate; a time-out within the search list ends the list: then
 *     only the plain name is tried, if it was not;
 *   - SERVFAIL, REFUSED and ICMP errors go on to the next server at once. */

#include "sim/transport/app_private.h"
#include "sim/transport/dns_wire.h"

typedef enum { LOOKUP_QUERY, LOOKUP_REPORT } LookupStep;

typedef struct {
    App app;
    ResolvConf conf;
    char *name;
    uint64_t flow;
    DnsDone done;
    void *user;
    Socket *socket;
    Timer timer;
    uint32_t n_sockets;
    GPtrArray *candidates; /* Names to try, in order. */
    uint32_t plain;        /* Index of the name as it is. */
    uint32_t candidate, attempt, server;
    uint16_t ids[2]; /* A, AAAA. */
    bool sent[2], answered[2];
    bool single, reopen; /* One query after the other; each from a new socket. */
    bool saw_refused, saw_timeout;
    uint8_t step; /* LookupStep: what the timer is for. */
    DnsAnswer answers[2];
    DnsResult result;
} Lookup;

static void on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_error(Socket *s, SocketError error, void *user);
static void on_closed(Socket *s, SocketError error, void *user);
static void on_timer(Sim *sim, void *owner);
static void list_candidates(Lookup *lookup);
static void ask_server(Lookup *lookup);
static bool open_socket(Lookup *lookup);
static void send_query(Lookup *lookup, uint32_t which);
static void server_failed(Lookup *lookup);
static void name_failed(Lookup *lookup, bool definite);
static void name_answered(Lookup *lookup);
static void finish(Lookup *lookup);
static void finish_soon(Lookup *lookup);
static SimTime server_timeout(const Lookup *lookup);
static uint32_t n_attempts(const Lookup *lookup);
static void lookup_clear(App *app, bool host_gone);

static const SocketCallbacks callbacks = {.received = on_received, .error = on_error, .closed = on_closed};
static const AppOps lookup_ops = {.clear = lookup_clear};

void
dns_resolve(Host *host, const ResolvConf *conf, const char *name, uint64_t flow, DnsDone done, void *user)
{
    SocketTable *table = socket_table(host);
    Lookup *lookup = g_new0(Lookup, 1);
    IpAddr literal;

    app_register(&lookup->app, table, &lookup_ops);
    lookup->conf = *conf;
    lookup->name = g_ascii_strdown(name, -1);
    lookup->flow = flow ? flow : socket_new_flow(table);
    lookup->done = done;
    lookup->user = user;
    lookup->timer = timer_new(table->sim, "dns.resolver", host_entity(host), on_timer, lookup);
    lookup->single = conf->single_request || conf->single_request_reopen;
    lookup->reopen = conf->single_request_reopen;
    lookup->result.started = table->sim->now;
    lookup->result.name = lookup->name;
    lookup->result.rcode = DNS_NXDOMAIN;
    list_candidates(lookup);
    if (ipaddr_parse(name, &literal)) {
        lookup->result.rcode = DNS_NOERROR;
        lookup->result.addrs[0] = literal;
        lookup->result.n_addrs = 1;
        finish_soon(lookup);
    } else if (conf->n_servers == 0 || lookup->candidates->len == 0) {
        lookup->result.error = conf->n_servers ? SOCK_OK : SOCK_ENETUNREACH;
        finish_soon(lookup);
    } else {
        ask_server(lookup);
    }
}

static void
on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    Lookup *lookup = user;
    DnsQuestion question;
    DnsAnswer answer;
    uint32_t which;

    (void)s;
    (void)from;
    (void)from_port;
    if (!payload->buf || !dns_read(payload->buf->data + payload->offset, payload->len, &question, &answer) ||
        !question.response)
        return;
    which = question.type == DNS_TYPE_AAAA;
    if (!lookup->sent[which] || lookup->answered[which] || question.id != lookup->ids[which])
        return;
    if (question.rcode != DNS_NOERROR && question.rcode != DNS_NXDOMAIN) {
        lookup->result.rcode = question.rcode;
        server_failed(lookup);
        return;
    }
    lookup->answered[which] = true;
    lookup->answers[which] = answer;
    if (lookup->conf.want_aaaa && !lookup->sent[1]) {
        if (lookup->reopen && !open_socket(lookup))
            return;
        send_query(lookup, 1);
        return;
    }
    if (lookup->answered[0] && (!lookup->conf.want_aaaa || lookup->answered[1]))
        name_answered(lookup);
}

static void
on_error(Socket *s, SocketError error, void *user)
{
    Lookup *lookup = user;

    (void)s;
    lookup->result.error = error;
    lookup->saw_refused = true;
    server_failed(lookup);
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    Lookup *lookup = user;

    (void)s;
    lookup->socket = NULL; /* The host went down. */
    lookup->result.error = error;
    finish_soon(lookup);
}

static void
on_timer(Sim *sim, void *owner)
{
    Lookup *lookup = owner;

    (void)sim;
    if (lookup->step == LOOKUP_REPORT) {
        finish(lookup);
        return;
    }
    if (lookup->saw_refused && !lookup->socket) { /* A send failed at once. */
        server_failed(lookup);
        return;
    }
    if (lookup->conf.want_aaaa && (lookup->answered[0] || lookup->answered[1]) && !lookup->reopen) {
        /* One of two came: perhaps the server cannot take two at once. */
        if (lookup->single)
            lookup->reopen = true;
        lookup->single = true;
        ask_server(lookup);
        return;
    }
    lookup->saw_timeout = true;
    server_failed(lookup);
}

/* res_search(): enough dots: as it is, then the list; else the list first. */
static void
list_candidates(Lookup *lookup)
{
    const ResolvConf *conf = &lookup->conf;
    size_t len = strlen(lookup->name);
    uint32_t dots = 0;

    lookup->candidates = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < len; i++)
        dots += lookup->name[i] == '.';
    if (len && lookup->name[len - 1] == '.') {
        g_ptr_array_add(lookup->candidates, g_strndup(lookup->name, len - 1));
        return;
    }
    if (dots >= (conf->ndots ? conf->ndots : 1))
        g_ptr_array_add(lookup->candidates, g_strdup(lookup->name));
    for (uint32_t i = 0; i < conf->n_search; i++)
        g_ptr_array_add(lookup->candidates, g_strdup_printf("%s.%s", lookup->name, conf->search[i]));
    if (dots < (conf->ndots ? conf->ndots : 1)) {
        lookup->plain = lookup->candidates->len;
        g_ptr_array_add(lookup->candidates, g_strdup(lookup->name));
    }
}

static void
ask_server(Lookup *lookup)
{
    memset(lookup->sent, 0, sizeof lookup->sent);
    memset(lookup->answered, 0, sizeof lookup->answered);
    if ((!lookup->socket || lookup->reopen) && !open_socket(lookup))
        return;
    send_query(lookup, 0);
    if (lookup->conf.want_aaaa && !lookup->single && lookup->socket)
        send_query(lookup, 1);
}

/* False: no socket; the timer will tell. */
static bool
open_socket(Lookup *lookup)
{
    SocketTable *table = lookup->app.table;
    SocketOptions options = {.flow = rng_mix(lookup->flow, lookup->n_sockets)};
    IpAddr server = lookup->conf.servers[lookup->server];

    if (lookup->n_sockets == 0)
        options.flow = lookup->flow;
    lookup->n_sockets++;
    if (lookup->socket)
        socket_close(lookup->socket);
    if (!ip_source_for(table->host, server, &options.local))
        options.local = IPADDR_ANY4;
    lookup->socket = udp_open(table->host, &options, &callbacks, lookup, &lookup->result.error);
    if (!lookup->socket) {
        finish_soon(lookup);
        return false;
    }
    udp_connect(lookup->socket, server, 53);
    return true;
}

static void
send_query(Lookup *lookup, uint32_t which)
{
    Sim *sim = lookup->app.table->sim;
    uint8_t buf[DNS_UDP_MAX];
    const char *name = lookup->candidates->pdata[lookup->candidate];
    size_t size;
    PayloadBuf *query;
    SocketError error;

    lookup->ids[which] = (uint16_t)rng_mix(lookup->flow, lookup->result.n_queries);
    size = dns_write_query(buf, lookup->ids[which], name, which ? DNS_TYPE_AAAA : DNS_TYPE_A);
    if (size == 0) { /* Not a domain name: the resolver does not ask. */
        lookup->answered[which] = true;
        lookup->answers[which] = (DnsAnswer){.rcode = DNS_NXDOMAIN};
        finish_soon(lookup);
        return;
    }
    query = payload_buf_new(buf, size);
    lookup->sent[which] = true;
    lookup->result.n_queries++;
    timer_arm(sim, lookup->timer, sim->now + server_timeout(lookup));
    error = udp_send(lookup->socket, lookup->conf.servers[lookup->server], 53, query, 0, query->size);
    payload_buf_unref(query);
    if (error != SOCK_OK) {
        lookup->result.error = error;
        lookup->saw_refused = true;
        socket_close(lookup->socket);
        lookup->socket = NULL;
        timer_arm(sim, lookup->timer, sim->now);
    }
}

static void
server_failed(Lookup *lookup)
{
    const ResolvConf *conf = &lookup->conf;

    if (lookup->socket)
        socket_close(lookup->socket);
    lookup->socket = NULL;
    if (++lookup->server == conf->n_servers) {
        lookup->server = 0;
        if (++lookup->attempt == n_attempts(lookup)) {
            name_failed(lookup, false);
            return;
        }
    }
    ask_server(lookup);
}

/* 'definite': a server said that the name has no address; else nobody could say. */
static void
name_failed(Lookup *lookup, bool definite)
{
    uint32_t next = lookup->candidate + 1;

    if (lookup->socket)
        socket_close(lookup->socket);
    lookup->socket = NULL;
    lookup->server = lookup->attempt = 0;
    if (!definite && lookup->result.rcode != DNS_SERVFAIL) {
        bool plain_failed = lookup->candidate == lookup->plain;
        lookup->result.timed_out = lookup->saw_timeout;
        if (!lookup->saw_timeout || (plain_failed ? lookup->plain > 0 : lookup->plain == 0)) {
            finish(lookup);
            return;
        }
        if (!plain_failed)
            next = lookup->plain;
    }
    if (next >= lookup->candidates->len) {
        finish(lookup);
        return;
    }
    lookup->candidate = next;
    lookup->saw_timeout = false;
    ask_server(lookup);
}

static void
name_answered(Lookup *lookup)
{
    DnsResult *result = &lookup->result;

    result->n_addrs = 0;
    result->timed_out = false;
    result->error = SOCK_OK;
    for (uint32_t which = 0; which < 2; which++) {
        const DnsAnswer *answer = &lookup->answers[which];
        if (!lookup->answered[which])
            continue;
        result->rcode = answer->rcode;
        for (uint32_t i = 0; i < answer->n_addrs && result->n_addrs < G_N_ELEMENTS(result->addrs); i++)
            result->addrs[result->n_addrs++] = answer->addrs[i];
    }
    if (!result->n_addrs) {
        name_failed(lookup, true);
        return;
    }
    result->rcode = DNS_NOERROR;
    result->name = lookup->candidates->pdata[lookup->candidate];
    finish(lookup);
}

static void
finish(Lookup *lookup)
{
    lookup->result.ended = lookup->app.table->sim->now;
    if (lookup->socket)
        socket_close(lookup->socket);
    lookup->socket = NULL;
    lookup->done(&lookup->result, lookup->user);
    app_free(&lookup->app);
}

static void
finish_soon(Lookup *lookup)
{
    Sim *sim = lookup->app.table->sim;

    lookup->step = LOOKUP_REPORT;
    timer_arm(sim, lookup->timer, sim->now);
}

/* retrans << ns, divided among the servers but for the first (__res_context_send). */
static SimTime
server_timeout(const Lookup *lookup)
{
    SimTime timeout = lookup->conf.timeout ? lookup->conf.timeout : 5 * SIMTIME_SEC;

    timeout <<= lookup->server;
    if (lookup->server > 0)
        timeout = timeout / lookup->conf.n_servers / SIMTIME_SEC * SIMTIME_SEC;
    return MAX(timeout, SIMTIME_SEC);
}

static uint32_t
n_attempts(const Lookup *lookup)
{
    return lookup->conf.attempts ? lookup->conf.attempts : 2;
}

static void
lookup_clear(App *app, bool host_gone)
{
    Lookup *lookup = (Lookup *)app;

    if (lookup->socket && !host_gone)
        socket_close(lookup->socket);
    timer_free(app->table->sim, &lookup->timer);
    g_ptr_array_free(lookup->candidates, TRUE);
    g_free(lookup->name);
}
