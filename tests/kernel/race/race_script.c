/* race_script FILE: plays the cases of a script (cases.txt says how it is written) through a node's netfilter stack and
 * prints what left, the table and its counters:
 *
 *     case udp-one-backend
 *     1 server udp 10.0.0.1:4001 > 10.0.1.1:53
 *     udp 17 src=10.0.0.1 dst=10.96.0.10 sport=4001 dport=53 [UNREPLIED] src=10.0.1.1 ...
 *     insert_failed 0 drop 0 clash_resolve 1
 *
 * Packets take the hooks of a routed one, in two parts: those of nf_stack_postrouting_unconfirmed(). */

#include <stdio.h>
#include <string.h>

#include "sim/net/host.h"
#include "sim/net/netdev.h"
#include "sim/netfilter/nf_text.h"

#define MAX_PACKETS 8

typedef struct {
    Sim *sim;
    Host *node;
    NetDev *client, *server;
    GString *rules;
    NfStack *nf; /* NULL: the rules are still being read. */
    Packet *held[MAX_PACKETS + 1];
    uint32_t n_sent;
} World;

static bool play_line(World **w, const char *line);
static World *world_new(const char *name);
static bool world_start(World *w);
static void world_end(World *w);
static bool send_packet(World *w, const char *const *words);
static bool go_on(World *w, uint32_t number);

int
main(int argc, char **argv)
{
    g_autofree char *text = NULL;
    World *w = NULL;

    if (argc != 2 || !g_file_get_contents(argv[1], &text, NULL, NULL))
        return fprintf(stderr, "usage: race_script FILE\n"), 2;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (!play_line(&w, g_strstrip(*line)))
            return fprintf(stderr, "race_script: what is \"%s\"?\n", *line), 2;
    world_end(w);
    return 0;
}

static bool
play_line(World **w, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    guint n = g_strv_length(words);

    if (n == 0 || *words[0] == '#')
        return true;
    if (strcmp(words[0], "case") == 0 && n == 2) {
        world_end(*w);
        *w = world_new(words[1]);
        return true;
    }
    if (!*w || n < 2)
        return false;
    if (strcmp(words[0], "rule") == 0 && !(*w)->nf) {
        g_string_append_printf((*w)->rules, "-A%s\n", line + strlen("rule"));
        return true;
    }
    if (!(*w)->nf && !world_start(*w))
        return false;
    if (strcmp(words[0], "send") == 0)
        return n >= 4 && send_packet(*w, (const char *const *)words + 1);
    if (strcmp(words[0], "go") == 0)
        return go_on(*w, (uint32_t)g_ascii_strtoull(words[1], NULL, 10));
    return strcmp(words[0], "wait") == 0 &&
           sim_run_until((*w)->sim, (*w)->sim->now + (SimTime)g_ascii_strtoull(words[1], NULL, 10) * SIMTIME_MSEC);
}

/* --- The world --- */

static NetDev *
dev_at(Host *node, const char *name, const char *addr)
{
    NetDev *dev = netdev_new(node, name, DEV_VETH);
    IpPrefix prefix;

    g_assert(ipprefix_parse(addr, &prefix));
    netdev_add_addr(dev, prefix);
    return dev;
}

static World *
world_new(const char *name)
{
    World *w = g_new0(World, 1);

    printf("case %s\n", name);
    w->sim = sim_new(1);
    w->node = host_new(w->sim, "node");
    w->client = dev_at(w->node, "c0", "10.0.0.254/24");
    w->server = dev_at(w->node, "s0", "10.0.1.254/24");
    w->rules = g_string_new(NULL);
    return w;
}

/* Without rules there is no NAT, only tracking. */
static bool
world_start(World *w)
{
    NfNames *names = nf_names_new();
    GPtrArray *notes = NULL;
    NfRuleset *rs = NULL;
    bool ok = true;

    w->nf = host_netfilter(w->node);
    nf_stack_force_conntrack(w->nf);
    if (w->rules->len > 0) {
        g_string_prepend(w->rules, "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n");
        g_string_append(w->rules, "COMMIT\n");
        rs = nf_parse_iptables_save(names, FAMILY_IPV4, w->rules->str, w->rules->len, &notes);
        ok = rs && notes->len == 0;
        g_ptr_array_unref(notes);
    }
    if (rs) {
        nf_stack_set_ruleset(w->nf, FAMILY_IPV4, "nat", rs);
        nf_ruleset_unref(rs);
    }
    nf_names_unref(names);
    return ok;
}

static void
print_conn(const Conn *conn, void *user)
{
    g_autofree char *line = conn_format(user, conn);

    printf("%s\n", line);
}

static void
world_end(World *w)
{
    if (!w)
        return;
    if (w->nf) {
        Conntrack *ct = nf_stack_conntrack(w->nf);
        const CtStats *stats = conntrack_stats(ct);

        conntrack_each(ct, print_conn, ct);
        printf("insert_failed %u drop %u clash_resolve %u\n", (unsigned)stats->insert_failed, (unsigned)stats->drop,
               (unsigned)stats->clash_resolve);
        conntrack_check(ct);
    }
    for (uint32_t i = 1; i <= w->n_sent; i++)
        packet_free(w->sim, w->held[i]);
    host_free(w->node);
    sim_free(w->sim);
    g_string_free(w->rules, TRUE);
    g_free(w);
}

/* --- Packets --- */

static bool
read_end(const char *text, IpAddr *ret_addr, uint16_t *ret_port)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);

    if (!parts[0] || !parts[1] || !ipaddr_parse(parts[0], ret_addr))
        return false;
    *ret_port = (uint16_t)g_ascii_strtoull(parts[1], NULL, 10);
    return true;
}

/* The packet's size says its number, as in the kernel. */
static Packet *
read_packet(World *w, const char *const *words)
{
    Packet *pkt = packet_new(w->sim);

    packet_set_payload(pkt, NULL, 0, w->n_sent);
    if (!ipproto_parse(words[0], &pkt->proto) || !read_end(words[1], &pkt->src, &pkt->sport) ||
        !read_end(words[2], &pkt->dst, &pkt->dport)) {
        packet_free(w->sim, pkt);
        return NULL;
    }
    if (pkt->proto == IPPROTO_ICMP_) {
        pkt->icmp = (IcmpHeader){.type = 8, .id = pkt->sport, .seq = 1};
        pkt->sport = pkt->dport = 0;
    } else if (pkt->proto == IPPROTO_TCP_) {
        const char *flags = words[3] ? words[3] : "S";

        pkt->tcp = (TcpHeader){.seq = 1000, .window = 64240};
        pkt->tcp.flags = (uint8_t)((strchr(flags, 'S') ? TCP_SYN : 0) | (strchr(flags, 'A') ? TCP_ACK : 0));
        pkt->tcp.ack = pkt->tcp.flags & TCP_ACK ? 1001 : 0;
    }
    return pkt;
}

static bool
is_client(IpAddr addr)
{
    char text[IPADDR_STR_SIZE];

    return g_str_has_prefix(ipaddr_format(addr, text), "10.0.0.");
}

static bool
leave(World *w, uint32_t number, Packet *pkt)
{
    char src[IPADDR_STR_SIZE], dst[IPADDR_STR_SIZE], proto[IPPROTO_STR_SIZE];
    bool icmp = packet_is_icmp(pkt);

    printf("%u %s %s %s:%u > %s:%u\n", number, pkt->meta.out == w->client ? "client" : "server",
           ipproto_name(pkt->proto, proto), ipaddr_format(pkt->src, src), icmp ? pkt->icmp.id : pkt->sport,
           ipaddr_format(pkt->dst, dst), icmp ? 0 : pkt->dport);
    packet_free(w->sim, pkt);
    return true;
}

static bool
send_packet(World *w, const char *const *words)
{
    uint32_t number = ++w->n_sent;
    Packet *pkt = number <= MAX_PACKETS ? read_packet(w, words) : NULL;

    if (!pkt)
        return false;
    pkt->meta.in = is_client(pkt->src) ? w->client : w->server;
    if (nf_stack_hook(w->nf, NF_PREROUTING, pkt).verdict == NF_ACCEPT) {
        pkt->meta.out = is_client(pkt->dst) ? w->client : w->server;
        if (nf_stack_hook(w->nf, NF_FORWARD, pkt).verdict == NF_ACCEPT) {
            pkt->meta.in = NULL;
            if (nf_stack_postrouting_unconfirmed(w->nf, pkt).verdict == NF_ACCEPT) {
                if (pkt->meta.ctinfo != CTINFO_NEW || pkt->meta.ct_reply)
                    return leave(w, number, pkt);
                w->held[number] = pkt;
                return true;
            }
        }
    }
    packet_free(w->sim, pkt);
    return true;
}

static bool
go_on(World *w, uint32_t number)
{
    Packet *pkt;

    if (number > w->n_sent || !w->held[number])
        return false;
    pkt = g_steal_pointer(&w->held[number]);
    if (nf_stack_confirm(w->nf, pkt).verdict == NF_ACCEPT)
        return leave(w, number, pkt);
    packet_free(w->sim, pkt);
    return true;
}
