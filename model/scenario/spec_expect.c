/* What a Scenario expects: decoding; the fields are checked by name here and evaluated by model/scenario */

#include "model/scenario/spec_private.h"

static const char *const kinds[] = {"flow", "load", "resolve", "object", "probe", NULL};

/* The one table of what an expectation can say; the first word is the kind. */
static const char *const fields[][48] = {
    [EXPECT_FLOW] = {"flow",  "outcome",   "reason",  "dialed",    "sourceSeen", "sourceKept",
                     "snat",  "dnat",      "server",  "servers",   "node",       "nodes",
                     "pod",   "replySeen", "rule",    "connectMs", "durationMs", "retransmits",
                     "count", "connected", "refused", "timedOut",  "reset",      "unresolved",
                     "share", "during",    "after",   "before",    "status",     "crossZoneBytes"},
    [EXPECT_LOAD] = {"load",       "lost",     "tried",       "connected",  "refused",    "timedOut", "reset",
                     "unresolved", "requests", "retransmits", "sourceKept", "sourceSeen", "snat",     "servers",
                     "nodes",      "share",    "imbalance",   "p50",        "p90",        "p99",      "maxMs",
                     "lossWindow", "outcome",  "reason",      "during",     "after",      "before",   "replySeen",
                     "server",     "node",     "pod",         "dnat",       "rule",       "count",    "crossZoneBytes"},
    [EXPECT_RESOLVE] = {"resolve", "outcome", "addresses", "durationMs", "reason", "retransmits", "count", "server",
                        "node", "pod", "queries", "dnat", "snat", "rule", "replySeen"},
    [EXPECT_OBJECT] = {"object", "at", "exists", "fields", "count", "ready", "replicas", "endpoints", "phase", "node",
                       "min", "max"},
};

/* What a probe says depends on whom it asks: kube-proxy's health server on a node, one target, or the load balancer. */
static const char *const probe_node_fields[] = {"probe", "node", "at", "status", "weight", NULL};
static const char *const probe_target_fields[] = {"probe", "target", "at", "healthy", "reason", NULL};
static const char *const probe_lb_fields[] = {"probe", "node", "target", "at", "count", "min", "max", NULL};

static const char *const *
expect_fields(ExpectKind kind, const DocNode *node)
{
    if (kind != EXPECT_PROBE)
        return fields[kind];
    if (node_get(node, "node"))
        return probe_node_fields;
    return node_get(node, "target") ? probe_target_fields : probe_lb_fields;
}

static void
check_times(Diags *diags, const DocNode *node, const char *const *keys)
{
    int64_t ignored;

    for (; *keys; keys++) {
        const DocNode *time = node_get(node, *keys);
        if (time)
            node_read_duration(diags, time, &ignored);
    }
}

/* The times that select flows; evaluation reads them again. */
static void
check_window(Diags *diags, const DocNode *node)
{
    static const char *const of_expectation[] = {"after", "before", NULL};
    static const char *const of_during[] = {"from", "to", NULL};
    const DocNode *during = node_get(node, "during");

    check_times(diags, node, of_expectation);
    if (!during || !node_expect(diags, during, NODE_MAPPING))
        return;
    check_times(diags, during, of_during);
    node_report_unused(diags, during, DIAG_ERROR, of_during);
}

bool
spec_read_expect(Diags *diags, Strings *strings, const DocNode *node, Expectation *ret_expect)
{
    if (!node_expect(diags, node, NODE_MAPPING))
        return false;
    int kind = -1;
    for (int k = 0; kinds[k]; k++)
        if (node_get(node, kinds[k])) {
            if (kind >= 0) {
                node_diag(diags, DIAG_ERROR, node, "an expectation has one of flow, load, resolve, object and probe");
                return false;
            }
            kind = k;
        }
    if (kind < 0) {
        node_diag(diags, DIAG_ERROR, node, "an expectation begins with flow, load, resolve, object or probe");
        if (node->n)
            diag_did_you_mean(diags, node->keys[0]->text, kinds);
        return false;
    }
    const char *const *known = expect_fields((ExpectKind)kind, node);
    for (const char *const *k = known; *k; k++)
        node_get(node, *k);
    node_report_unused(diags, node, DIAG_ERROR, known);
    check_window(diags, node);
    int64_t at = -1;
    if (node_get(node, "at") && !node_read_duration(diags, node_get(node, "at"), &at))
        at = -1;
    static const char *const outcomes[] = {"connected", "refused", "timeout", "reset", "unresolved", NULL};
    const DocNode *outcome = node_get(node, "outcome");
    int ignored;
    for (uint32_t i = 0; outcome && outcome->kind == NODE_SEQUENCE && i < outcome->n; i++)
        node_read_enum(diags, outcome->items[i], outcomes, &ignored);
    if (outcome && outcome->kind != NODE_SEQUENCE)
        node_read_enum(diags, outcome, outcomes, &ignored);
    g_autoptr(GString) text = g_string_new(NULL);
    doc_write_flow(node, text);
    *ret_expect = (Expectation){.kind = (ExpectKind)kind,
                                .at = at,
                                .pattern = config_text(diags, strings, node, kinds[kind], "*"),
                                .fields = node_keep(strings, node),
                                .text = strings_add_len(strings, text->str + 1, text->len - 2),
                                .mark = node->mark};
    return true;
}
