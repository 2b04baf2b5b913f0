/* DNS messages, server and resolver; times as glibc's */

#include "sim/transport/dns_wire.h"
#include "tests/unit/sim/transport_world.h"

typedef struct {
    uint32_t n_done;
    DnsResult result;
    char name[DNS_NAME_SIZE];
} Asked;

static void
zone(void *user, const char *name, uint16_t type, DnsAnswer *ret_answer)
{
    g_string_append_printf(user, "%s/%u\n", name, type);
    ret_answer->ttl = 30;
    if (strcmp(name, "web.default.svc.cluster.local") != 0 && strcmp(name, "example.com") != 0) {
        ret_answer->rcode = DNS_NXDOMAIN;
    } else if (type == DNS_TYPE_A) {
        ret_answer->n_addrs = 2;
        ret_answer->addrs[0] = ip("10.96.0.10");
        ret_answer->addrs[1] = ip("10.96.0.11");
    }
}

static void
on_done(const DnsResult *result, void *user)
{
    Asked *asked = user;
    asked->n_done++;
    asked->result = *result;
    g_strlcpy(asked->name, result->name, sizeof asked->name);
}

static ResolvConf
pod_conf(void)
{
    return (ResolvConf){.servers = {ip("10.0.1.2")},
                        .n_servers = 1,
                        .search = {"default.svc.cluster.local", "svc.cluster.local", "cluster.local"},
                        .n_search = 3,
                        .ndots = 5,
                        .want_aaaa = true};
}

static void
test_search_list(void)
{
    static const struct {
        const char *name, *answered;
        uint32_t n_queries;
    } rows[] = {{"web", "web.default.svc.cluster.local", 2},
                {"web.default", "web.default.svc.cluster.local", 4},
                {"example.com", "example.com", 8},
                {"example.com.", "example.com", 2},
                {"web.default.svc.cluster.local", "web.default.svc.cluster.local", 8}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        TransportWorld *w = transport_world_new(1);
        ResolvConf conf = pod_conf();
        g_autoptr(GString) log = g_string_new(NULL);
        Asked asked = {0};
        dns_server_new(w->server, IPADDR_ANY4, 53, zone, log, NULL);
        dns_resolve(w->client, &conf, rows[i].name, 0, on_done, &asked);
        T_EQ_U64(asked.n_done, 0);
        transport_world_run(w, SIMTIME_SEC);
        T_EQ_U64(asked.n_done, 1);
        T_EQ_U64(asked.result.n_addrs, 2);
        T_EQ_STR(asked.name, rows[i].answered);
        T_EQ_U64(asked.result.n_queries, rows[i].n_queries);
        transport_world_free(w);
    }
}

/* The server answers the first datagram of a pair only: the race that costs five literals. */
typedef struct {
    Socket *socket;
    GString *log;
    uint32_t n;
} HalfDeaf;

static void
half_deaf_received(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    HalfDeaf *server = user;
    DnsQuestion question;
    DnsAnswer answer = {0};
    uint8_t buf[DNS_UDP_MAX];
    if (++server->n == 2)
        return;
    T_TRUE(dns_read(payload->buf->data + payload->offset, payload->len, &question, NULL));
    zone(server->log, question.name, question.type, &answer);
    PayloadBuf *out = payload_buf_new(buf, dns_write_answer(buf, sizeof buf, &question, &answer));
    udp_send(s, from, port, out, 0, out->size);
    payload_buf_unref(out);
}

static const SocketCallbacks half_deaf_callbacks = {.received = half_deaf_received};

static void
test_five_literals(void)
{
    TransportWorld *w = transport_world_new(1);
    SocketOptions options = {.local_port = 53};
    ResolvConf conf = pod_conf();
    HalfDeaf server = {.log = g_string_new(NULL)};
    Asked asked = {0};
    udp_open(w->server, &options, &half_deaf_callbacks, &server, NULL);
    dns_resolve(w->client, &conf, "web", 0, on_done, &asked);
    transport_world_run(w, 20 * SIMTIME_SEC);
    T_EQ_U64(asked.result.n_addrs, 2);
    T_EQ_U64(asked.result.n_queries, 4);
    T_EQ_I64((asked.result.ended - asked.result.started) / SIMTIME_SEC, 5);
    g_string_free(server.log, TRUE);
    transport_world_free(w);
}

static void
test_timeouts(void)
{
    TransportWorld *w = transport_world_new(1);
    ResolvConf conf = pod_conf();
    g_autoptr(GString) log = g_string_new(NULL);
    Asked silent = {0}, refused = {0}, literal = {0};
    dns_resolve(w->client, &conf, "web", 0, on_done, &refused); /* No server there: port unreachable. */
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(refused.result.error, SOCK_PORT_UNREACH);
    T_TRUE(refused.result.ended < SIMTIME_SEC && !refused.result.timed_out);
    dns_server_new(w->server, IPADDR_ANY4, 53, zone, log, NULL);
    transport_world_mute(w->server, true);
    dns_resolve(w->client, &conf, "web", 0, on_done, &silent);
    transport_world_run(w, 60 * SIMTIME_SEC);
    T_TRUE(silent.result.timed_out);
    /* Two attempts for the first candidate, two for the plain name. */
    T_EQ_I64(silent.result.ended - silent.result.started, 20 * SIMTIME_SEC);
    T_EQ_U64(silent.result.n_queries, 8);
    transport_world_mute(w->server, false);
    dns_resolve(w->client, &conf, "192.0.2.1", 0, on_done, &literal);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(literal.result.n_queries, 0);
    T_EQ_U64(literal.result.n_addrs, 1);
    transport_world_free(w);
}

static void
test_wire(void)
{
    uint8_t buf[DNS_MESSAGE_SIZE];
    DnsQuestion question;
    DnsAnswer answer, many = {.n_addrs = 16, .ttl = 5};
    char long_name[300];
    size_t size = dns_write_query(buf, 0x1234, "Web.Example", DNS_TYPE_AAAA);

    T_EQ_U64(size, 12 + 13 + 4);
    T_TRUE(dns_read(buf, size, &question, NULL));
    T_EQ_STR(question.name, "web.example");
    T_EQ_U64(question.id, 0x1234);
    for (uint32_t i = 0; i < 16; i++)
        many.addrs[i] = ipaddr_add(ip("fd00::1"), i);
    size = dns_write_answer(buf, sizeof buf, &question, &many);
    T_TRUE(dns_read(buf, size, &question, &answer));
    T_EQ_U64(answer.n_addrs, 16);
    T_TRUE(ipaddr_eq(answer.addrs[15], many.addrs[15]) && !question.truncated);
    T_EQ_U64(answer.ttl, 5);
    size = dns_write_answer(buf, 200, &question, &many);
    T_TRUE(size <= 200 && dns_read(buf, size, &question, &answer) && question.truncated);
    for (size_t cut = 0; cut < size; cut++) /* Cut short: refused or fine, never read beyond (ASan). */
        dns_read(buf, cut, &question, &answer);
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    T_EQ_U64(dns_write_query(buf, 1, long_name, DNS_TYPE_A), 0);
    T_EQ_U64(dns_write_query(buf, 1, "a..b", DNS_TYPE_A), 0);
    static const uint8_t loop[] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1};
    T_TRUE(!dns_read(loop, sizeof loop, &question, NULL));
}

const TestSuite suite_dns = {"sim/dns",
                             {{"names go through the search list by ndots", test_search_list},
                              {"one lost answer of two costs five literals", test_five_literals},
                              {"dead servers cost attempts times time-out", test_timeouts},
                              {"messages survive writing and reading", test_wire}}};
