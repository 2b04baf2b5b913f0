/* tcp_script FILE: plays the cases of a script (cases.txt says how it is written) between two simulated hosts and
 * prints what each sent and what its owner was told:
 *
 *     case syn-ladder
 *     client 0 S seq 0 ack 0 len 0
 *     client 3000 error timeout
 *
 * Times are milliseconds since the case's first action; sequence numbers count from each side's SYN. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/transport/socket.h"

#define LATENCY (20 * SIMTIME_USEC)
#define PORT    80

typedef struct {
    const char *name;
    Host *host;
    Socket *socket;
    uint32_t first; /* Sequence number of its SYN. */
    bool seen;
} Side;

typedef struct {
    TraceSink sink; /* First: the sink is the world. */
    Sim *sim;
    Side sides[2]; /* Client, server. */
} World;

static bool play_line(World **w, const char *line);
static bool begin_case(World **w, const char *name);
static bool act(World *w, const char *const *words);
static void end_case(World *w);

int
main(int argc, char **argv)
{
    g_autofree char *text = NULL;
    World *w = NULL;

    if (argc != 2 || !g_file_get_contents(argv[1], &text, NULL, NULL))
        return fprintf(stderr, "usage: tcp_script FILE\n"), 2;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (!play_line(&w, g_strstrip(*line)))
            return fprintf(stderr, "tcp_script: what is \"%s\"?\n", *line), 2;
    end_case(w);
    return 0;
}

static Side *
side_named(World *w, const char *name)
{
    for (uint32_t i = 0; i < 2; i++)
        if (g_strcmp0(name, w->sides[i].name) == 0)
            return &w->sides[i];
    return NULL;
}

/* "case NAME", "sysctl SIDE KEY VALUE", or "MILLISECONDS ACTION ...". */
static bool
play_line(World **w, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    guint n = g_strv_length(words);
    char *rest;

    if (n == 0 || !*words[0] || *words[0] == '#')
        return true;
    if (strcmp(words[0], "case") == 0)
        return n == 2 && begin_case(w, words[1]);
    if (!*w || n < 2)
        return false;
    if (strcmp(words[0], "sysctl") == 0)
        return n == 4 && side_named(*w, words[1]) &&
               host_sysctl_set(side_named(*w, words[1])->host, words[2], words[3]);
    (*w)->sim->seed = 1;
    if (!sim_run_until((*w)->sim, (SimTime)g_ascii_strtoull(words[0], &rest, 10) * SIMTIME_MSEC) || *rest)
        return false;
    return act(*w, (const char *const *)words + 1);
}

/* --- The world
 * ----------------------------------------------------------------------------------------------------------------- */

static double
milliseconds(SimTime at)
{
    return (double)at / (double)SIMTIME_MSEC;
}

static void
on_record(TraceSink *sink, const TraceRecord *record)
{
    World *w = (World *)sink;
    Side *side = record->host == w->sides[0].host ? &w->sides[0] : &w->sides[1];
    const Side *peer = side == w->sides ? &w->sides[1] : &w->sides[0];
    const TcpHeader *tcp = &record->pkt->tcp;

    if (record->pkt->proto != IPPROTO_TCP_)
        return;
    if (tcp->flags & TCP_SYN) {
        side->seen = true;
        side->first = tcp->seq;
    }
    printf("%s %.3f %s%s%s%s seq %u ack %u len %u\n", side->name, milliseconds(record->at),
           tcp->flags & TCP_SYN ? "S" : "", tcp->flags & TCP_FIN ? "F" : "", tcp->flags & TCP_RST ? "R" : "",
           tcp->flags & TCP_ACK ? "." : "", tcp->seq - (side->seen ? side->first : 0),
           tcp->flags & TCP_ACK ? tcp->ack - peer->first : 0, record->pkt->payload.len);
}

static Host *
host_at(World *w, const char *name, const char *addr4, const char *addr6)
{
    Host *host = host_new(w->sim, name);
    NetDev *eth0 = netdev_new(host, "eth0", DEV_VETH);
    IpPrefix prefix;

    if (ipprefix_parse(addr4, &prefix))
        netdev_add_addr(eth0, prefix);
    if (ipprefix_parse(addr6, &prefix))
        netdev_add_addr(eth0, prefix);
    return host;
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    Side *side = user;

    printf("%s %.3f %s\n", side->name, milliseconds(host_sim(socket_host(s))->now),
           error ? socket_error_code(error) : "over");
    side->socket = NULL;
}

static void
on_eof(Socket *s, void *user)
{
    printf("%s %.3f eof\n", ((Side *)user)->name, milliseconds(host_sim(socket_host(s))->now));
}

static const SocketCallbacks callbacks = {.eof = on_eof, .closed = on_closed};

static void
on_accepted(Socket *listener, Socket *conn, void *user)
{
    (void)listener;
    ((Side *)user)->socket = conn;
    socket_set_user(conn, &callbacks, user);
}

static const SocketCallbacks listener_callbacks = {.accepted = on_accepted};

static bool
begin_case(World **w, const char *name)
{
    LinkParams link = {.latency = LATENCY};

    end_case(*w);
    printf("case %s\n", name);
    *w = g_new0(World, 1);
    (*w)->sim = sim_new(1);
    (*w)->sides[0] = (Side){.name = "client", .host = host_at(*w, "client", "10.0.0.1/24", "fd00::1/64")};
    (*w)->sides[1] = (Side){.name = "server", .host = host_at(*w, "server", "10.0.0.2/24", "fd00::2/64")};
    netdev_connect(host_dev((*w)->sides[0].host, "eth0"), host_dev((*w)->sides[1].host, "eth0"), &link);
    (*w)->sink.mask = TRACE_BIT(TRACE_SEND);
    (*w)->sink.record = on_record;
    trace_add_sink((*w)->sim, &(*w)->sink);
    return tcp_listen((*w)->sides[1].host, &(SocketOptions){.local_port = PORT}, 0, &listener_callbacks,
                      &(*w)->sides[1], NULL) != NULL;
}

static void
end_case(World *w)
{
    if (!w)
        return;
    for (uint32_t i = 2; i-- > 0;)
        host_free(w->sides[i].host);
    trace_remove_sink(w->sim, &w->sink);
    sim_free(w->sim);
    g_free(w);
}

/* --- Actions
 * -------------------------------------------------------------------------------------------------------------------
 */

/* dial ADDRESS PORT [SOURCE PORT] [keepalive] */
static bool
dial(World *w, const char *const *words)
{
    SocketOptions options = {.keepalive = g_strv_contains(words, "keepalive")};
    IpAddr to;
    Side *client = &w->sides[0];

    if (!words[0] || !words[1] || !ipaddr_parse(words[0], &to))
        return false;
    if (words[2])
        options.local_port = (uint16_t)g_ascii_strtoull(words[2], NULL, 10);
    client->socket = tcp_connect(client->host, to, (uint16_t)g_ascii_strtoull(words[1], NULL, 10), &options, &callbacks,
                                 client, NULL);
    return client->socket != NULL;
}

static bool
act(World *w, const char *const *words)
{
    Side *side = words[1] ? side_named(w, words[1]) : NULL;

    if (strcmp(words[0], "end") == 0)
        return true;
    if (strcmp(words[0], "dial") == 0)
        return dial(w, words + 1);
    if (!side)
        return false;
    if (strcmp(words[0], "mute") == 0 || strcmp(words[0], "unmute") == 0) {
        netdev_link(host_dev(side->host, "eth0"))->loss_ppm = *words[0] == 'm' ? 1000000 : 0;
        return true;
    }
    if (!side->socket)
        return false;
    if (strcmp(words[0], "send") == 0 && words[2])
        tcp_send(side->socket, NULL, 0, (uint32_t)g_ascii_strtoull(words[2], NULL, 10));
    else if (strcmp(words[0], "shutdown") == 0)
        tcp_shutdown(side->socket);
    else if (strcmp(words[0], "close") == 0)
        socket_close(side->socket);
    else if (strcmp(words[0], "abort") == 0)
        tcp_abort(side->socket);
    else
        return false;
    if (*words[0] == 'c' || *words[0] == 'a')
        side->socket = NULL;
    return true;
}
