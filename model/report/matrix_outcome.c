/* What one branch of a cell came to, and the rules to thank or blame. */

#include <string.h>

#include "model/network/node_proxy.h"
#include "model/report/matrix_private.h"
#include "model/report/walk_text.h"

static bool
origin_of(const Cluster *cluster, const PathStep *s, RuleOrigin *ret_origin)
{
    const ClusterNode *node = cluster_node(cluster, s->host);

    return node && node->proxy &&
           walk_step_origin(node_proxy_compiler(node->proxy, nf_ruleset_family(s->step.ruleset)), &s->step, ret_origin);
}

static MatrixRule
rule_of(const Cluster *cluster, const PathStep *s)
{
    GString *text = g_string_new(NULL);
    RuleOrigin origin;

    g_string_append_printf(text, "%s %s rule %u%s", s->step.table, s->step.chain, s->step.rule,
                           s->step.set_elem ? " by its map" : "");
    if (origin_of(cluster, s, &origin))
        g_string_append_printf(text, " (%s%s%s%s%s)", origin.object ? origin.object : "kube-proxy",
                               origin.detail ? ", " : "", origin.detail ? origin.detail : "", origin.field ? ", " : "",
                               origin.field ? origin.field : "");
    return (MatrixRule){g_strdup(s->host), g_string_free(text, FALSE)};
}

/* The rule, or the element of the map that it asks, was written for a Service. */
static bool
is_of_service(const Cluster *cluster, const PathStep *s)
{
    RuleOrigin origin;

    return origin_of(cluster, s, &origin) && origin.object && g_str_has_prefix(origin.object, "Service ");
}

static const PathStep *
service_step(const Cluster *cluster, const TraceOutcome *o, bool last)
{
    const PathStep *found = NULL;

    for (uint32_t i = 0; i < o->n_path && (last || !found); i++)
        if (is_of_service(cluster, &o->path[i]))
            found = &o->path[i];
    return found;
}

/* The rule of a refusal may serve all Services: then the one that led there is named too. */
static MatrixRule
end_of(const Cluster *cluster, const TraceOutcome *o, const FlowDrop *drop)
{
    const PathStep *led = service_step(cluster, o, true);
    g_autofree char *led_host = NULL, *led_text = NULL;

    if (!drop->rule)
        return (MatrixRule){g_strdup(drop->host), g_strdup(drop_reason_sentence(drop->reason))};
    if (led && led != &o->path[o->n_path - 1] && strcmp(led->host, drop->host) == 0) {
        MatrixRule rule = rule_of(cluster, led);
        led_host = rule.host;
        led_text = rule.text;
    }
    return (MatrixRule){g_strdup(drop->host),
                        g_strdup_printf("%s by %s%s%s", drop->reject ? "rejected" : "dropped", drop->rule,
                                        led_text ? ", sent there by " : "", led_text ? led_text : "")};
}

static MatrixRule
deciding_rule(const Cluster *cluster, const TraceOutcome *o)
{
    const Flow *flow = o->flow;
    const PathStep *first;

    if (flow->outcome != FLOW_CONNECTED && flow->n_drops > 0)
        return end_of(cluster, o, &flow->drops[flow->n_drops - 1]);
    first = service_step(cluster, o, false);
    return first ? rule_of(cluster, first) : (MatrixRule){NULL, g_strdup("no rule of a Service concerns it")};
}

static bool
marks(const PathStep *s)
{
    g_autoptr(GString) target = g_string_new(NULL);

    if (s->step.rule == 0)
        return false;
    walk_step_target(target, &s->step);
    return strcmp(target->str, "KUBE-MARK-MASQ") == 0 || strcmp(target->str, "mark-for-masquerade") == 0;
}

static MatrixRule
masquerade_rule(const Cluster *cluster, const TraceOutcome *o)
{
    const Flow *flow = o->flow;

    if (flow->n_snat == 0)
        return (MatrixRule){0};
    for (uint32_t i = 0; i < o->n_path; i++)
        if (marks(&o->path[i]))
            return rule_of(cluster, &o->path[i]);
    return (MatrixRule){g_strdup(flow->snat[0].host),
                        g_strdup(flow->snat[0].rule ? flow->snat[0].rule : "a port clash")};
}

static void
take_source(const Cluster *cluster, const Flow *flow, MatrixOutcome *m)
{
    const ClusterNode *node = cluster_node_by_ip(cluster, flow->source_seen);

    m->source_addr = flow->source_seen;
    m->source = SOURCE_OTHER;
    if (ipaddr_eq(flow->source_seen, flow->client_addr)) {
        m->source = SOURCE_CLIENT;
        return;
    }
    if (node) {
        m->source = SOURCE_NODE;
        m->source_node = g_strdup(node->name);
        return;
    }
    for (uint32_t i = flow->n_snat; i > 0; i--)
        if (ipaddr_eq(flow->snat[i - 1].to, flow->source_seen)) {
            m->source = SOURCE_BRIDGE;
            m->source_node = g_strdup(flow->snat[i - 1].host);
            return;
        }
}

MatrixOutcome
matrix_outcome(const Cluster *cluster, const TraceOutcome *o)
{
    const Flow *flow = o->flow;
    MatrixOutcome m = {.probability = o->probability,
                       .outcome = flow->outcome,
                       .reason = flow->reason,
                       .status = flow->status,
                       .n_nodes = flow->n_nodes,
                       .rule = deciding_rule(cluster, o),
                       .masquerade = masquerade_rule(cluster, o)};
    char addr[IPPORT_STR_SIZE];
    g_autoptr(GString) nodes = g_string_new(NULL);

    /* A server that was reached, but whose answer the client never understood, is told by the outcome alone. */
    if (flow->has_server && flow->outcome == FLOW_CONNECTED) {
        ipport_format(flow->server_addr, flow->server_port, addr);
        m.server_addr = g_strdup(addr);
        m.server = g_strdup(flow->server_pod ? flow->server_pod : flow->server_node ? flow->server_node : addr);
        m.server_node = g_strdup(flow->server_node);
        take_source(cluster, flow, &m);
    }
    for (uint32_t i = 0; i < flow->n_nodes; i++)
        g_string_append_printf(nodes, "%s%s", i ? " > " : "", flow->nodes[i]);
    m.nodes = g_strdup(nodes->str);
    return m;
}

void
matrix_outcome_clear(MatrixOutcome *m)
{
    g_free(m->server);
    g_free(m->server_addr);
    g_free(m->source_node);
    g_free(m->server_node);
    g_free(m->nodes);
    g_free(m->rule.host);
    g_free(m->rule.text);
    g_free(m->masquerade.host);
    g_free(m->masquerade.text);
}
