/* inject: a crafted packet, sent by a host as by a raw socket.
 *
 *   inject: {from: pod/web-0, packet: {of: first, flags: A, seq: 4000000000, length: 1400}}
 *   inject: {from: client/laptop, to: "192.168.49.2:32073", packet: {flags: S, source: 203.0.113.99, sport: 40000}}
 *   inject: {from: pod/web-0, packet: {of: first, flags: PA, seqOffset: 2000000, length: 1400}}
 * 'of' names a flow: addresses and ports are its, as the sender's end of it sees them, and as long as the sender has
 * that connection, seq and ack are those of its next segment; 'seqOffset' is added to seq. */

#include "model/scenario/run_private.h"

#include <string.h>

#include "sim/transport/socket.h"

static const char *const known[] = {"of",   "proto",     "source",  "destination", "sport", "dport", "flags",
                                    "seq",  "seqOffset", "ack",     "window",      "ttl",   "tos",   "length",
                                    "type", "code",      "payload", "mark",        NULL};

static const DocNode *
field(const DocNode *packet, const char *key)
{
    return packet ? node_get(packet, key) : NULL;
}

static bool
read_addr(ScenarioRun *run, const DocNode *packet, const char *key, IpAddr *addr)
{
    const DocNode *node = field(packet, key);

    if (!node)
        return true;
    if (node->kind == NODE_SCALAR && ipaddr_parse(node->text, addr))
        return true;
    node_diag(cluster_input(run->cluster)->diags, DIAG_ERROR, node, "an IP address is expected");
    return false;
}

static uint8_t
read_flags(const char *text)
{
    static const char letters[] = "FSRPAUEC";
    uint8_t flags = 0;

    for (const char *p = text; p && *p; p++) {
        const char *at = strchr(letters, g_ascii_toupper(*p));
        if (at)
            flags |= (uint8_t)(1u << (at - letters));
    }
    return flags;
}

static const Flow *
flow_by_name(const ScenarioRun *run, const char *name)
{
    size_t n;
    Flow *const *flows = flow_book_flows(run->book, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(flows[i]->name, name) == 0)
            return flows[i];
    return NULL;
}

/* The flow's addresses from the sender's end. */
static bool
take_flow(ScenarioRun *run, const Who *from, const char *name, Packet *pkt)
{
    const Flow *flow = flow_by_name(run, name);
    Where dialed;
    char *error = NULL;

    if (!flow || !flow->has_server || !flow->dialed)
        return false;
    pkt->flow = flow->id;
    pkt->proto = flow->proto;
    if (from->host != flow->client_host) {
        pkt->src = flow->server_addr;
        pkt->sport = flow->server_port;
        pkt->dst = flow->source_seen;
        pkt->dport = flow->source_seen_port;
        return true;
    }
    if (!where_parse(run->cluster, flow->dialed, from, NULL, FAMILY_IPV4, flow->proto, &dialed, &error)) {
        g_free(error);
        return false;
    }
    pkt->src = flow->client_addr;
    pkt->sport = flow->client_port;
    pkt->dst = dialed.addr;
    pkt->dport = dialed.port;
    where_clear(&dialed);
    return true;
}

static bool
take_target(ScenarioRun *run, const Step *step, const Who *from, Packet *pkt, char **ret_error)
{
    Where to;

    if (!step->to)
        return true;
    if (!where_parse(run->cluster, step->to, from, NULL, FAMILY_IPV4, pkt->proto, &to, ret_error))
        return false;
    pkt->dst = to.addr;
    pkt->dport = to.port;
    where_clear(&to);
    return true;
}

static void
fill_transport(Diags *diags, const Who *from, const DocNode *packet, Packet *pkt)
{
    uint32_t seq = 1, ack = 0;
    uint32_t length = (uint32_t)node_int(diags, packet, "length", 0, 0, 65000);

    pkt->sport = (uint16_t)node_int(diags, packet, "sport", pkt->sport ? pkt->sport : 40000, 0, UINT16_MAX);
    pkt->dport = (uint16_t)node_int(diags, packet, "dport", pkt->dport, 0, UINT16_MAX);
    pkt->ttl = (uint8_t)node_int(diags, packet, "ttl", 64, 1, 255);
    pkt->tos = (uint8_t)node_int(diags, packet, "tos", 0, 0, 255);
    if (pkt->proto == IPPROTO_TCP_) {
        pkt->tcp.flags = read_flags(node_str(diags, packet, "flags", "S"));
        if (field(packet, "of"))
            tcp_position(from->host, pkt->src, pkt->sport, pkt->dst, pkt->dport, &seq, &ack);
        pkt->tcp.seq = (uint32_t)node_int(diags, packet, "seq", seq, 0, UINT32_MAX);
        pkt->tcp.seq += (uint32_t)node_int(diags, packet, "seqOffset", 0, INT32_MIN, INT32_MAX);
        pkt->tcp.ack = (uint32_t)node_int(diags, packet, "ack", ack, 0, UINT32_MAX);
        pkt->tcp.window = (uint16_t)node_int(diags, packet, "window", 64240, 0, UINT16_MAX);
    } else if (packet_is_icmp(pkt)) {
        pkt->sport = pkt->dport = 0;
        pkt->icmp.type = (uint8_t)node_int(diags, packet, "type", pkt->proto == IPPROTO_ICMP_ ? 8 : 128, 0, 255);
        pkt->icmp.code = (uint8_t)node_int(diags, packet, "code", 0, 0, 255);
    }
    if (length > 0)
        packet_set_payload(pkt, NULL, 0, length);
}

static bool
build(ScenarioRun *run, const Step *step, const Who *from, Packet *pkt, char **ret_error)
{
    Diags *diags = cluster_input(run->cluster)->diags;
    const DocNode *packet = step->packet;
    const char *proto = node_str(diags, packet, "proto", "tcp");
    const char *of = node_str(diags, packet, "of", NULL);

    if (!ipproto_parse(proto, &pkt->proto)) {
        *ret_error = g_strdup_printf("\"%s\" is no protocol", proto);
        return false;
    }
    if (of && !take_flow(run, from, of, pkt)) {
        *ret_error = g_strdup_printf("no flow \"%s\" that has reached a server", of);
        return false;
    }
    if (!of && !ip_source_for(from->host, pkt->dst, &pkt->src))
        pkt->src = from->addr;
    if (!take_target(run, step, from, pkt, ret_error))
        return false;
    if (!of && step->to && !ip_source_for(from->host, pkt->dst, &pkt->src))
        pkt->src = IPADDR_ANY4;
    if (!read_addr(run, packet, "source", &pkt->src) || !read_addr(run, packet, "destination", &pkt->dst)) {
        *ret_error = g_strdup("bad address");
        return false;
    }
    fill_transport(diags, from, packet, pkt);
    if (packet)
        node_report_unused(diags, packet, DIAG_ERROR, known);
    return true;
}

void
run_inject(ScenarioRun *run, const Step *step)
{
    Sim *sim = cluster_sim(run->cluster);
    char *error = NULL;
    Packet *pkt;
    Who from;

    if (!who_parse(run->cluster, step->from, &from, &error)) {
        run_step_failed(run, step, error);
        g_free(error);
        return;
    }
    pkt = packet_new(sim);
    pkt->flow = rng_mix(rng_hash_str(sim->seed, step->name), 1);
    if (build(run, step, &from, pkt, &error)) {
        char text[PACKET_STR_SIZE];
        cluster_story(run->cluster, "%s injects %s", from.text, packet_format(pkt, text));
        ip_send_any_source(from.host, pkt);
    } else {
        run_step_failed(run, step, error);
        g_free(error);
        packet_free(sim, pkt);
    }
    who_clear(&from);
}
