/* What a Scenario expects: decoding; the fields are checked by name here and evaluated by model/scenario */

#include "model/scenario/spec_private.h"

static const char *const kinds[] = {"flow", "load", "resolve", "object", "probe", NULL};

/* The one table of what an expectation can say; the first word is the kind. */
static const char *const fields[][48] = {
    [EXPECT_FLOW] = {"flow",     "outcome",   "reason",     "dialed",      "sourceSeen", "sourceKept", "snat",
                     "dnat",     "server",    "servers",    "node",        "nodes",      "pod",        "replySeen",
                     "rule",     "connectMs", "durationMs", "retransmits", "count",      "connected",  "refused",
                     "timedOut", "reset",     "unresolved", "min",         "max",        "share",      "distinct",
                     "same",     "during",    "after",      "before",      "status"},
    [EXPECT_LOAD] = {"load",       "lost",     "tried",          "connected",   "refused",    "timedOut",   "reset",
                     "unresolved", "requests", "failedRequests", "retransmits", "sourceKept", "sourceSeen", "snat",
                     "servers",    "nodes",    "share",          "imbalance",   "min",        "max",        "p50",
                     "p90",        "p99",      "maxMs",          "lossWindow",  "outcome",    "reason",     "during",
                     "after",      "before",   "replySeen",      "server",      "node",       "pod",        "dnat",
                     "rule",       "count"},
    [EXPECT_RESOLVE] = {"resolve", "outcome", "addresses", "durationMs", "reason", "retransmits", "min", "max", "count",
                        "server", "node", "pod", "queries", "dnat", "snat", "rule", "replySeen"},
    [EXPECT_OBJECT] = {"object", "at", "exists", "fields", "count", "ready", "replicas", "endpoints", "phase", "node",
                       "min", "max"},
    [EXPECT_PROBE] = {"probe", "at", "status", "weight", "outcome", "reason", "healthy", "node", "target", "count",
                      "min", "max"},
};

const char *const *
expect_fields(ExpectKind kind)
{
    return fields[kind];
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
    const char *const *known = expect_fields((ExpectKind)kind);
    for (const char *const *k = known; *k; k++)
        node_get(node, *k);
    node_report_unused(diags, node, DIAG_ERROR, known);
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
                                .pattern = config_text(diags, strings, node, kinds[kind], "*"),
                                .fields = node_keep(strings, node),
                                .text = strings_add_len(strings, text->str + 1, text->len - 2),
                                .mark = node->mark};
    return true;
}
