#include "model/report/trace_packet_text.h"

#include <string.h>

#include "model/network/node_proxy.h"
#include "model/report/walk_text.h"

/* From this many rules on, the length of the linear walk is worth saying. */
#define LONG_WALK 50

typedef struct {
    GString *out;
    Cluster *cluster;
    const Host *host; /* Where the printed packet is. */
    const ProxyCompiler *compilers[2];
    bool hook_named;
    uint32_t n_ends; /* Chain ends and policies that were not printed. */
    uint32_t n_idle; /* Calls of chains in which nothing matched. */
} Printer;

static const char *
role_name(PacketRole role)
{
    switch (role) {
    case PACKET_OPENS:
        return "opening";
    case PACKET_ACCEPTS:
        return "reply";
    case PACKET_ANSWERS:
        return "answer";
    case PACKET_REFUSES:
        return "refusal";
    case PACKET_REPEATS:
        return "repeated";
    case PACKET_OTHER:
        break;
    }
    return "other";
}

static bool
is_of_interest(const TreePacket *p)
{
    return p->role != PACKET_REPEATS && p->role != PACKET_OTHER;
}

static const char *
dev_note(const NetDev *dev)
{
    const NetDev *master = netdev_master(dev);

    return master ? netdev_name(master) : NULL;
}

static void
enter_host(Printer *p, const TreeEvent *e)
{
    const ClusterNode *node;

    if (p->host == e->host)
        return;
    p->host = e->host;
    p->hook_named = false;
    node = cluster_node_of_host(p->cluster, e->host);
    for (int f = 0; f < 2; f++)
        p->compilers[f] = node && node->proxy ? node_proxy_compiler(node->proxy, f ? FAMILY_IPV6 : FAMILY_IPV4) : NULL;
    g_string_append_printf(p->out, "  %s%s\n", node ? "node " : "", host_name(e->host));
}

static const ProxyCompiler *
compiler_of(const Printer *p, const WalkStep *step)
{
    return p->compilers[nf_ruleset_family(step->ruleset) == FAMILY_IPV6];
}

static void
print_rewrite(Printer *p, const TreeEvent *e, const char *margin)
{
    char from[IPPORT_STR_SIZE], to[IPPORT_STR_SIZE], name[256];
    const char *known = cluster_name_addr(p->cluster, e->nat.to, name, sizeof name);

    g_string_append_printf(
        p->out, "%s** %s %s -> %s%s%s%s%s\n", margin, e->nat.manip == NAT_MANIP_DST ? "destination" : "source",
        ipport_format(e->nat.from, e->nat.from_port, from), ipport_format(e->nat.to, e->nat.to_port, to),
        known ? " [" : "", known ? known : "", known ? "]" : "", e->nat.undo ? ", undone for the reply" : "");
}

static void
print_route(Printer *p, const TreeEvent *e)
{
    char via[IPADDR_STR_SIZE];

    switch (e->route.kind) {
    case TRACE_ROUTE_LOCAL:
        g_string_append(p->out, "    route: for this host itself\n");
        return;
    case TRACE_ROUTE_FORWARD:
    case TRACE_ROUTE_OUTPUT:
        g_string_append_printf(p->out, "    route: %s by %s", e->route.kind == TRACE_ROUTE_OUTPUT ? "out" : "onward",
                               e->route.out ? netdev_name(e->route.out) : "?");
        if (!ipaddr_eq(e->route.via, e->dst))
            g_string_append_printf(p->out, " to next hop %s", ipaddr_format(e->route.via, via));
        g_string_append_c(p->out, '\n');
        return;
    case TRACE_ROUTE_NONE:
        g_string_append(p->out, "    route: none\n");
        return;
    }
}

static void
append_tuple(GString *out, const CtTuple *t)
{
    char src[IPPORT_STR_SIZE], dst[IPPORT_STR_SIZE];

    g_string_append_printf(out, "%s > %s", ipport_format(t->src, t->sport, src), ipport_format(t->dst, t->dport, dst));
}

static void
print_conntrack(Printer *p, const TreeEvent *e)
{
    switch (e->ct.event) {
    case TRACE_CT_NEW:
        g_string_append(p->out, "      conntrack: a new connection\n");
        return;
    case TRACE_CT_CONFIRM:
        g_string_append(p->out, "      conntrack: remembered as ");
        append_tuple(p->out, &e->ct.orig);
        g_string_append(p->out, ", replies expected as ");
        append_tuple(p->out, &e->ct.reply);
        g_string_append_c(p->out, '\n');
        return;
    case TRACE_CT_REPLY:
        g_string_append(p->out, "      conntrack: the first reply of ");
        append_tuple(p->out, &e->ct.orig);
        g_string_append(p->out, "; its translations apply in reverse\n");
        return;
    case TRACE_CT_STATE:
        if (e->ct.state)
            g_string_append_printf(p->out, "      conntrack: state %s\n", e->ct.state);
        return;
    case TRACE_CT_ASSURED:
        g_string_append(p->out, "      conntrack: ASSURED\n");
        return;
    case TRACE_CT_DESTROY:
        g_string_append(p->out, "      conntrack: the entry dies\n");
        return;
    }
}

static void
print_drop(Printer *p, const TreeEvent *e)
{
    const char *hint = drop_reason_hint(e->drop.reason);

    if (e->drop.reason == DROP_NO_SOCKET) {
        g_string_append(p->out, "    -- no socket listens on that port\n");
        return;
    }
    g_string_append_printf(p->out, "    -- %s: %s%s%s%s\n", e->kind == TRACE_REJECT ? "REJECTED" : "DROPPED",
                           drop_reason_sentence(e->drop.reason), *hint ? " (" : "", hint, *hint ? ")" : "");
}

static void
print_rule(Printer *p, const TreeEvent *e)
{
    walk_print_step(p->out, &e->step, compiler_of(p, &e->step), 6);
    if (e->step.tried >= LONG_WALK)
        g_string_append_printf(p->out, "      %*s     linear position: %u rules compared in this chain\n",
                               (int)(2 * e->step.depth), "", e->step.tried);
}

static void
print_dev(Printer *p, const TreeEvent *e, const char *direction)
{
    const char *bridge = dev_note(e->dev);
    char src[IPPORT_STR_SIZE], dst[IPPORT_STR_SIZE];

    g_string_append_printf(p->out, "    %s %s%s%s%s  %s > %s ttl %u\n", direction, netdev_name(e->dev),
                           bridge ? " (port of bridge " : "", bridge ? bridge : "", bridge ? ")" : "",
                           ipport_format(e->src, e->sport, src), ipport_format(e->dst, e->dport, dst), e->ttl);
}

/* A rule that calls a chain which has nothing to say about this packet. */
static bool
is_idle_call(const TreeEvent *e, const TreeEvent *end)
{
    return e->kind == TRACE_RULE && e + 1 < end && e[1].kind == TRACE_CHAIN_END && e[1].step.depth > e->step.depth;
}

/* A hook is named when something in it is worth telling. */
static void
print_hook(Printer *p, const TreeEvent *e, const TreeEvent *end)
{
    if (p->hook_named) {
        p->hook_named = false;
        return;
    }
    for (const TreeEvent *next = e + 1; next < end; next++) {
        if (next->kind == TRACE_CHAIN_END || is_idle_call(next, end))
            continue;
        if (next->kind == TRACE_RULE || next->kind == TRACE_NAT || next->kind == TRACE_CT)
            g_string_append_printf(p->out, "    %s\n", nf_hook_name(e->hook, true));
        return;
    }
}

/* Conntrack speaks before the record of its hook. */
static void
name_hook_before(Printer *p, const TreeEvent *e, const TreeEvent *end)
{
    for (const TreeEvent *next = e + 1; next < end && !p->hook_named; next++) {
        if (next->kind == TRACE_CT)
            continue;
        if (next->kind == TRACE_HOOK) {
            g_string_append_printf(p->out, "    %s\n", nf_hook_name(next->hook, true));
            p->hook_named = true;
        }
        return;
    }
}

static void
print_event(Printer *p, const TreeEvent *e, const TreeEvent *end)
{
    enter_host(p, e);
    switch (e->kind) {
    case TRACE_DEV_IN:
        print_dev(p, e, "in ");
        return;
    case TRACE_DEV_OUT:
        print_dev(p, e, "out");
        return;
    case TRACE_HOOK:
        print_hook(p, e, end);
        return;
    case TRACE_RULE:
        if (is_idle_call(e, end))
            p->n_idle++;
        else
            print_rule(p, e);
        return;
    case TRACE_CHAIN_END:
        p->n_ends++;
        return;
    case TRACE_NAT:
        print_rewrite(p, e, "      ");
        return;
    case TRACE_ROUTE:
        print_route(p, e);
        return;
    case TRACE_CT:
        name_hook_before(p, e, end);
        print_conntrack(p, e);
        return;
    case TRACE_DELIVER:
        g_string_append(p->out, "    delivered to a socket\n");
        return;
    case TRACE_DROP:
    case TRACE_REJECT:
        print_drop(p, e);
        return;
    case TRACE_SEND:
    case TRACE_RULE_MISS:
    case TRACE_SOCKET:
    case TRACE_APP:
    case TRACE_N_KINDS:
        return;
    }
}

static void
print_title(GString *out, const TreePacket *packet, uint32_t number, SimTime start)
{
    g_string_append_printf(out, "packet %u, %s: %s  (+%.6g ms)\n", number, role_name(packet->role), packet->title,
                           (double)(packet->at - start) / SIMTIME_MSEC);
}

static void
print_counted(const Printer *p, const TraceTree *tree)
{
    GString *out = p->out;
    size_t n;
    const TreePacket *const *packets = trace_tree_packets(tree, &n);
    uint32_t repeats = 0, others = 0;

    for (size_t i = 0; i < n; i++) {
        repeats += packets[i]->role == PACKET_REPEATS;
        others += packets[i]->role == PACKET_OTHER;
    }
    g_string_append(out, "not shown:");
    if (repeats)
        g_string_append_printf(out, " %u packet%s sent again;", repeats, repeats == 1 ? "" : "s");
    g_string_append_printf(out, " %u other packet%s; %u chain%s without a match; %u chain ends and policies\n\n",
                           others, others == 1 ? "" : "s", p->n_idle, p->n_idle == 1 ? "" : "s", p->n_ends);
}

/* Crossings, rewrites and ends: what makes a way. */
static const TreeEvent *
next_step(const TreePacket *packet, uint32_t *at)
{
    const uint32_t mask = TRACE_BIT(TRACE_DEV_IN) | TRACE_BIT(TRACE_DEV_OUT) | TRACE_BIT(TRACE_NAT) |
                          TRACE_BIT(TRACE_DELIVER) | TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_REJECT);

    for (; *at < packet->n_events; (*at)++)
        if (TRACE_BIT(packet->events[*at].kind) & mask)
            return &packet->events[(*at)++];
    return NULL;
}

static bool
goes_the_way_of(const TreePacket *packet, const TreePacket *other)
{
    uint32_t i = 0, j = 0;

    for (;;) {
        const TreeEvent *x = next_step(packet, &i), *y = next_step(other, &j);
        if (!x || !y)
            return x == y;
        if (x->kind != y->kind || x->host != y->host || x->dev != y->dev)
            return false;
        if (x->kind == TRACE_NAT && (x->nat.manip != y->nat.manip || !ipaddr_eq(x->nat.to, y->nat.to)))
            return false;
    }
}

/* The answer mostly follows the reply to the opening packet: that need not be told twice. */
static uint32_t
told_before(const TraceTree *tree, const TreePacket *packet)
{
    size_t n;
    const TreePacket *const *packets = trace_tree_packets(tree, &n);
    uint32_t number = 0;

    for (size_t i = 0; i < n && packets[i] != packet; i++) {
        if (!is_of_interest(packets[i]))
            continue;
        number++;
        if (packet->role == PACKET_ANSWERS && goes_the_way_of(packet, packets[i]))
            return number;
    }
    return 0;
}

void
trace_print_packets(GString *out, Cluster *cluster, const TraceTree *tree, const Flow *flow)
{
    size_t n;
    const TreePacket *const *packets = trace_tree_packets(tree, &n);
    Printer p = {.out = out, .cluster = cluster};
    uint32_t number = 0;

    for (size_t i = 0; i < n; i++) {
        const TreePacket *packet = packets[i];
        uint32_t like;
        if (!is_of_interest(packet))
            continue;
        print_title(out, packet, ++number, flow->start);
        like = told_before(tree, packet);
        if (like) {
            g_string_append_printf(out, "  goes the way of packet %u, with the same rewrites\n\n", like);
            continue;
        }
        p.host = NULL;
        for (uint32_t j = 0; j < packet->n_events; j++)
            print_event(&p, &packet->events[j], &packet->events[packet->n_events]);
        g_string_append_c(out, '\n');
    }
    print_counted(&p, tree);
}

/* --- Summary
 * ------------------------------------------------------------------------------------------------------------- */

static void
print_hop(Printer *p, const TreeEvent *e)
{
    if (p->host == e->host)
        return;
    p->host = e->host;
    g_string_append_printf(p->out, "  %s%s\n", cluster_node_of_host(p->cluster, e->host) ? "node " : "",
                           host_name(e->host));
}

void
trace_print_hops(GString *out, Cluster *cluster, const TraceTree *tree)
{
    size_t n;
    const TreePacket *const *packets = trace_tree_packets(tree, &n);
    Printer p = {.out = out, .cluster = cluster};
    uint32_t number = 0;

    for (size_t i = 0; i < n; i++) {
        const TreePacket *packet = packets[i];
        if (!is_of_interest(packet))
            continue;
        g_string_append_printf(out, "packet %u, %s: %s\n", ++number, role_name(packet->role), packet->title);
        if (told_before(tree, packet)) {
            g_string_append_printf(out, "  goes the way of packet %u, with the same rewrites\n",
                                   told_before(tree, packet));
            continue;
        }
        p.host = NULL;
        for (uint32_t j = 0; j < packet->n_events; j++) {
            const TreeEvent *e = &packet->events[j];
            print_hop(&p, e);
            if (e->kind == TRACE_NAT)
                print_rewrite(&p, e, "    ");
            else if (e->kind == TRACE_DROP || e->kind == TRACE_REJECT)
                print_drop(&p, e);
        }
    }
}
