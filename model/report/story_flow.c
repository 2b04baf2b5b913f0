#include "model/report/story_flow.h"

#include <string.h>

static void tell_call(GString *out, const Cluster *cluster, const Flow *flow);
static void tell_place(GString *out, const char *host, const char **place);
static void tell_dnat(GString *out, const Cluster *cluster, const Flow *flow, const FlowRewrite *rewrite);
static void tell_snat(GString *out, const FlowRewrite *rewrite);
static void tell_hop(GString *out, const Flow *flow);
static void tell_seen(GString *out, const Flow *flow);
static void tell_resolved(GString *out, const Flow *flow);
static void tell_end(GString *out, const Flow *flow);

void
story_flow(GString *out, const Cluster *cluster, const Flow *flow)
{
    gsize start = out->len;
    const char *place = NULL;

    tell_call(out, cluster, flow);
    out->str[start] = g_ascii_toupper(out->str[start]);
    for (uint32_t i = 0; i < flow->n_dnat; i++) {
        tell_place(out, flow->dnat[i].host, &place);
        tell_dnat(out, cluster, flow, &flow->dnat[i]);
    }
    for (uint32_t i = 0; i < flow->n_snat; i++) {
        tell_place(out, flow->snat[i].host, &place);
        tell_snat(out, &flow->snat[i]);
    }
    tell_hop(out, flow);
    if (flow->n_dnat + flow->n_snat == 0 && flow->has_server && !flow->lookup)
        g_string_append(out, " No rule rewrote it.");
    tell_seen(out, flow);
    tell_end(out, flow);
}

/* --- Loads -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *pod;
    uint32_t n;
} Share;

static int
compare_shares(gconstpointer a, gconstpointer b, gpointer unused)
{
    const Share *x = a, *y = b;

    (void)unused;
    return strcmp(x->pod, y->pod);
}

static void
count_share(GArray *shares, const char *pod)
{
    Share fresh = {pod, 1};

    for (guint i = 0; i < shares->len; i++) {
        Share *share = &g_array_index(shares, Share, i);
        if (strcmp(share->pod, pod) == 0) {
            share->n++;
            return;
        }
    }
    g_array_append_val(shares, fresh);
}

void
story_flows(GString *out, const Cluster *cluster, const Flow *const *flows, size_t n)
{
    g_autoptr(GArray) shares = g_array_new(FALSE, FALSE, sizeof(Share));
    const Flow *lost = NULL;
    size_t connected = 0;

    for (size_t i = 0; i < n; i++) {
        connected += flows[i]->outcome == FLOW_CONNECTED;
        if (flows[i]->outcome != FLOW_CONNECTED && flows[i]->outcome != FLOW_PENDING && !lost)
            lost = flows[i];
        if (flows[i]->has_server && flows[i]->server_pod)
            count_share(shares, flows[i]->server_pod);
    }
    g_array_sort_with_data(shares, compare_shares, NULL);
    g_string_append_printf(out, "The first of %zu: ", n);
    story_flow(out, cluster, flows[0]);
    g_string_append_printf(out, " In all %zu of %zu connected", connected, n);
    for (guint i = 0; i < shares->len; i++) {
        const Share *share = &g_array_index(shares, Share, i);
        g_string_append_printf(out, "%s %s got %u", i ? "," : ":", share->pod, share->n);
    }
    g_string_append_c(out, '.');
    if (lost && lost != flows[0])
        g_string_append_printf(out, " The first loss, at %.3f s: %s%s%s.", (double)lost->start / SIMTIME_SEC,
                               flow_outcome_name(lost->outcome), lost->blame ? "; " : "",
                               lost->blame ? lost->blame : "");
}

/* --- Sentences ---------------------------------------------------------------------------------------------------- */

/* "pod/jobs/web-0" -> "pod jobs/web-0". */
static void
append_who(GString *out, const char *who)
{
    const char *slash = strchr(who, '/');

    if (!slash)
        g_string_append(out, who);
    else
        g_string_append_printf(out, "%.*s %s", (int)(slash - who), who, slash + 1);
}

static const Service *
service_of_node_port(const Cluster *cluster, uint16_t port, uint8_t proto)
{
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(cluster), KIND_SERVICE, &n);

    for (size_t i = 0; port && i < n; i++) {
        const Service *service = (const Service *)objects[i];
        for (uint32_t j = 0; j < service->n_ports; j++)
            if (service->ports[j].node_port == port && service->ports[j].proto == proto)
                return service;
    }
    return NULL;
}

/* "10.96.0.10:53" or "[fd00::a]:53". */
static bool
split_port(const char *dialed, IpAddr *ret_addr, uint16_t *ret_port)
{
    const char *colon = strrchr(dialed, ':');
    g_autofree char *host = colon ? g_strndup(dialed, (gsize)(colon - dialed)) : NULL;
    size_t len = host ? strlen(host) : 0;
    bool bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';

    if (bracketed)
        host[len - 1] = 0;
    if (!host || !ipaddr_parse(host + bracketed, ret_addr))
        return false;
    *ret_port = (uint16_t)g_ascii_strtoull(colon + 1, NULL, 10);
    return true;
}

/* What the address is, e.g. "the clusterIP of Service jobs/web" or "node port of Service jobs/web on node a". */
static void
append_door(GString *out, const Cluster *cluster, const Flow *flow)
{
    char name[256];
    IpAddr addr;
    uint16_t port;
    const char *what;
    const Service *service;

    if (!flow->dialed || !split_port(flow->dialed, &addr, &port))
        return;
    what = cluster_name_addr(cluster, addr, name, sizeof name);
    if (!what)
        return;
    if (g_str_has_prefix(what, "Service ")) {
        const char *blank = strchr(what + 8, ' ');
        g_string_append_printf(out, ", the %s of Service %.*s", blank + 1, (int)(blank - what - 8), what + 8);
        return;
    }
    service = g_str_has_prefix(what, "node ") ? service_of_node_port(cluster, port, flow->proto) : NULL;
    if (service)
        g_string_append_printf(out, ", the node port of Service %s/%s on %s", service->meta.ns, service->meta.name,
                               what);
    else
        g_string_append_printf(out, ", %s", what);
}

static bool
dialed_by_name(const Flow *flow)
{
    return flow->to && flow->dialed && !strchr(flow->to, '/') && strcmp(flow->to, flow->dialed) != 0 &&
           !g_ascii_isdigit(flow->to[0]) && flow->to[0] != '[';
}

static void
tell_call(GString *out, const Cluster *cluster, const Flow *flow)
{
    char addr[IPADDR_STR_SIZE];

    append_who(out, flow->from);
    if (!ipaddr_is_any(&flow->client_addr))
        g_string_append_printf(out, " (%s)", ipaddr_format(flow->client_addr, addr));
    if (!flow->dialed || flow->lookup) {
        g_string_append_printf(out, " %s %s.", flow->lookup ? "looked up" : "wanted", flow->to);
        return;
    }
    g_string_append(out, flow->proto == IPPROTO_UDP_ ? " sent a datagram to " : " called ");
    if (dialed_by_name(flow))
        g_string_append_printf(out, "%s, which DNS resolved to ", flow->to);
    g_string_append(out, flow->dialed);
    append_door(out, cluster, flow);
    g_string_append_c(out, '.');
}

/* "KUBE-SEP-X 2" -> "rule 2 of KUBE-SEP-X". */
static void
append_rule(GString *out, const char *rule)
{
    const char *blank = rule ? strrchr(rule, ' ') : NULL;

    if (!rule)
        g_string_append(out, "address translation");
    else if (blank && g_ascii_isdigit(blank[1]))
        g_string_append_printf(out, "rule %s of %.*s", blank + 1, (int)(blank - rule), rule);
    else
        g_string_append(out, rule);
}

/* Names the node once: what follows is still there. */
static void
tell_place(GString *out, const char *host, const char **place)
{
    if (g_strcmp0(host, *place) == 0)
        g_string_append_printf(out, " Still on %s, ", host);
    else
        g_string_append_printf(out, " On %s, ", host);
    *place = host;
}

static void
tell_dnat(GString *out, const Cluster *cluster, const Flow *flow, const FlowRewrite *rewrite)
{
    char to[IPPORT_STR_SIZE], name[256];
    const char *what = cluster_name_addr(cluster, rewrite->to, name, sizeof name);
    const ClusterPod *pod = cluster_pod_by_ip(cluster, rewrite->to);

    if (!rewrite->rule && g_str_has_prefix(rewrite->host, "lb"))
        g_string_append(out, "the load balancer");
    else
        append_rule(out, rewrite->rule);
    g_string_append_printf(out, " sent %s to %s", flow->lookup ? "the query" : "it",
                           ipport_format(rewrite->to, rewrite->to_port, to));
    if (pod && strcmp(pod->node->name, rewrite->host) == 0)
        g_string_append_printf(out, ", pod %s/%s on the same node", pod->ns, pod->name);
    else if (pod)
        g_string_append_printf(out, ", pod %s/%s on %s", pod->ns, pod->name, pod->node->name);
    else if (what)
        g_string_append_printf(out, ", %s", what);
    g_string_append_c(out, '.');
}

static void
tell_snat(GString *out, const FlowRewrite *rewrite)
{
    char from[IPADDR_STR_SIZE], to[IPADDR_STR_SIZE];

    append_rule(out, rewrite->rule);
    if (ipaddr_eq(rewrite->from, rewrite->to))
        g_string_append_printf(out, " kept the source %s but moved it from port %u to %u",
                               ipaddr_format(rewrite->from, from), rewrite->from_port, rewrite->to_port);
    else
        g_string_append_printf(out, " replaced the source %s by %s", ipaddr_format(rewrite->from, from),
                               ipaddr_format(rewrite->to, to));
    if (rewrite->marked_by) {
        g_string_append(out, ", because ");
        append_rule(out, rewrite->marked_by);
        g_string_append(out, " had marked the packet");
    }
    if (rewrite->because)
        g_string_append_printf(out, " (%s)", rewrite->because);
    g_string_append_c(out, '.');
}

/* A client outside that entered by a node without the pod. */
static void
tell_hop(GString *out, const Flow *flow)
{
    if (flow->n_nodes > 1 && flow->server_node && g_str_has_prefix(flow->from, "client/") &&
        strcmp(flow->nodes[0], flow->server_node) != 0)
        g_string_append_printf(out, " That is an extra hop, from %s to %s.", flow->nodes[0], flow->server_node);
}

static void
tell_seen(GString *out, const Flow *flow)
{
    char seen[IPADDR_STR_SIZE];
    const char *who = flow->server_pod ? "pod" : flow->server_node ? "node" : "server";

    if (!flow->has_server || (flow->lookup && flow->n_snat == 0))
        return;
    ipaddr_format(flow->source_seen, seen);
    if (ipaddr_is_any(&flow->client_addr))
        g_string_append_printf(out, " The %s saw the source %s.", who, seen);
    else if (ipaddr_eq(flow->source_seen, flow->client_addr))
        g_string_append_printf(out, " The %s saw the client's own address, %s.", who, seen);
    else
        g_string_append_printf(out, " The %s saw %s: it does not know the client.", who, seen);
}

static void
tell_resolved(GString *out, const Flow *flow)
{
    char addr[IPADDR_STR_SIZE];

    g_string_append_printf(out, " After %u quer%s and %.2f ms the answer was", flow->n_queries,
                           flow->n_queries == 1 ? "y" : "ies", (double)(flow->end - flow->start) / SIMTIME_MSEC);
    for (uint32_t i = 0; i < flow->n_resolved; i++)
        g_string_append_printf(out, "%s %s", i ? "," : "", ipaddr_format(flow->resolved[i], addr));
    g_string_append_c(out, '.');
}

static void
tell_end(GString *out, const Flow *flow)
{
    double ms = flow->end < 0 ? 0 : (double)(flow->end - flow->start) / SIMTIME_MSEC;
    char reply[IPPORT_STR_SIZE];

    switch (flow->outcome) {
    case FLOW_PENDING:
        g_string_append(out, " It was still under way at the end.");
        return;
    case FLOW_CONNECTED:
        if (flow->lookup) {
            tell_resolved(out, flow);
            return;
        }
        g_string_append(out, " The answer");
        if (flow->status)
            g_string_append_printf(out, ", HTTP %d,", flow->status);
        if (flow->has_reply)
            g_string_append_printf(out, " came from %s as the client sees it,",
                                   ipport_format(flow->reply_from, flow->reply_port, reply));
        g_string_append_printf(out, "%s after %.1f ms.", flow->has_reply ? "" : " came", ms);
        return;
    case FLOW_REFUSED:
        g_string_append_printf(out, " It was refused (%s) after %.1f ms", flow->reason ? flow->reason : "rst", ms);
        break;
    case FLOW_TIMEOUT:
        g_string_append_printf(out, " No answer in %.1f s", ms / 1000);
        if (flow->retransmits)
            g_string_append_printf(out, " and %u retransmissions", flow->retransmits);
        break;
    case FLOW_RESET:
        g_string_append_printf(out, " The connection was reset after %.1f ms", ms);
        break;
    case FLOW_UNRESOLVED:
        g_string_append_printf(out, " The name did not resolve (%s)", flow->reason ? flow->reason : "no answer");
        break;
    }
    if (flow->blame)
        g_string_append_printf(out, ": %s", flow->blame);
    g_string_append_c(out, '.');
}
