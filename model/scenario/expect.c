/* Expectations: evaluated at the end, each failure explained by the rule or element that is behind it. */

#include "model/report/percentile.h"
#include "model/scenario/match.h"
#include "model/scenario/run_private.h"

#include <string.h>

static double
ms(SimTime t)
{
    return (double)t / SIMTIME_MSEC;
}

/* --- What of a flow can be expected
 * ------------------------------------------------------------------------------------------ */

/* Texts that a Value borrows while it is compared. */
typedef struct {
    char buf[2][IPPORT_STR_SIZE];
} Scratch;

static const char *
short_pod(const Flow *flow)
{
    return flow->server_pod && g_str_has_prefix(flow->server_pod, "default/") ? flow->server_pod + 8 : flow->server_pod;
}

static Value
flow_value(const Flow *flow, const char *field, Scratch *scratch)
{
    bool connected = flow->connected_at >= 0;

    if (strcmp(field, "outcome") == 0)
        return value_text(flow_outcome_name(flow->outcome));
    if (strcmp(field, "reason") == 0)
        return value_text(flow->reason);
    if (strcmp(field, "dialed") == 0)
        return value_text(flow->dialed);
    if (strcmp(field, "sourceSeen") == 0)
        return value_text(flow->has_server ? ipaddr_format(flow->source_seen, scratch->buf[0]) : NULL);
    if (strcmp(field, "sourceKept") == 0)
        return flow->has_server ? value_bool(ipaddr_eq(flow->source_seen, flow->client_addr)) : value_text(NULL);
    if (strcmp(field, "replySeen") == 0)
        return value_text(flow->has_reply ? ipport_format(flow->reply_from, flow->reply_port, scratch->buf[0]) : NULL);
    if (strcmp(field, "snat") == 0)
        return value_bool(flow->n_snat > 0);
    if (strcmp(field, "dnat") == 0)
        return value_bool(flow->n_dnat > 0);
    if (strcmp(field, "server") == 0 || strcmp(field, "pod") == 0)
        return value_text(flow->has_server ? short_pod(flow) : NULL);
    if (strcmp(field, "node") == 0)
        return value_text(flow->server_node);
    if (strcmp(field, "nodes") == 0)
        return value_number(flow->n_nodes);
    if (strcmp(field, "connectMs") == 0)
        return connected ? value_number(ms(flow->connected_at - flow->start)) : value_text(NULL);
    if (strcmp(field, "durationMs") == 0)
        return flow->end >= 0 ? value_number(ms(flow->end - flow->start)) : value_text(NULL);
    if (strcmp(field, "retransmits") == 0)
        return value_number(flow->retransmits);
    if (strcmp(field, "status") == 0)
        return flow->status ? value_number(flow->status) : value_text(NULL);
    if (strcmp(field, "queries") == 0 && flow->lookup)
        return value_number(flow->n_queries);
    return value_text(NULL);
}

/* Which nodes, in order: [minikube, minikube-m02]. */
static bool
nodes_match(const Flow *flow, const DocNode *expected)
{
    if (flow->n_nodes != expected->n)
        return false;
    for (uint32_t i = 0; i < expected->n; i++)
        if (!g_pattern_match_simple(expected->items[i]->text, flow->nodes[i]))
            return false;
    return true;
}

/* The addresses that a name has, in any order; a scalar: one of them. */
static bool
addresses_match(const Flow *flow, const DocNode *expected)
{
    uint32_t n = expected->kind == NODE_SEQUENCE ? expected->n : 1;

    if (expected->kind == NODE_SEQUENCE && n != flow->n_resolved)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const DocNode *item = expected->kind == NODE_SEQUENCE ? expected->items[i] : expected;
        IpAddr addr;
        bool found = false;
        if (item->kind != NODE_SCALAR || !ipaddr_parse(item->text, &addr))
            return false;
        for (uint32_t k = 0; k < flow->n_resolved; k++)
            found |= ipaddr_eq(flow->resolved[k], addr);
        if (!found)
            return false;
    }
    return true;
}

static bool
rewrite_by(const FlowRewrite *list, uint32_t n, const char *glob)
{
    for (uint32_t i = 0; i < n; i++)
        if ((list[i].rule && g_pattern_match_simple(glob, list[i].rule)) ||
            (list[i].marked_by && g_pattern_match_simple(glob, list[i].marked_by)))
            return true;
    return false;
}

static bool
any_rule_matches(const Flow *flow, const char *text)
{
    g_autofree char *glob = g_strdup_printf("*%s*", text);

    for (uint32_t i = 0; i < flow->n_drops; i++)
        if (flow->drops[i].rule && g_pattern_match_simple(glob, flow->drops[i].rule))
            return true;
    return rewrite_by(flow->dnat, flow->n_dnat, glob) || rewrite_by(flow->snat, flow->n_snat, glob);
}

static bool
flow_field_matches(const Flow *flow, const char *field, const DocNode *expected, Value *ret_value, Scratch *scratch)
{
    *ret_value = flow_value(flow, field, scratch);
    if (strcmp(field, "rule") == 0) {
        *ret_value = value_text("another");
        return expected->kind == NODE_SCALAR && any_rule_matches(flow, expected->text);
    }
    if (strcmp(field, "nodes") == 0 && expected->kind == NODE_SEQUENCE)
        return nodes_match(flow, expected);
    if (strcmp(field, "addresses") == 0) {
        *ret_value = value_text(flow->n_resolved ? ipaddr_format(flow->resolved[0], scratch->buf[0]) : NULL);
        return addresses_match(flow, expected);
    }
    if (strcmp(field, "server") == 0 && ret_value->kind == VALUE_TEXT &&
        value_matches(&(Value){.kind = VALUE_TEXT, .text = flow->server_pod}, expected))
        return true;
    return value_matches(ret_value, expected);
}

/* --- Explaining
 * -------------------------------------------------------------------------------------------------------------- */

static void
explain_rewrites(GString *out, const char *what, const FlowRewrite *list, uint32_t n)
{
    char from[IPPORT_STR_SIZE], to[IPPORT_STR_SIZE];

    for (uint32_t i = 0; i < n; i++) {
        g_string_append_printf(out, "; %s: %s rewrote %s to %s%s%s", what, list[i].host,
                               ipport_format(list[i].from, list[i].from_port, from),
                               ipport_format(list[i].to, list[i].to_port, to), list[i].rule ? " by rule " : "",
                               list[i].rule ? list[i].rule : "");
        if (list[i].marked_by)
            g_string_append_printf(out, ", as %s asked%s%s%s", list[i].marked_by, list[i].because ? " (" : "",
                                   list[i].because ? list[i].because : "", list[i].because ? ")" : "");
    }
}

static void
explain_flow(GString *out, const Flow *flow)
{
    char addr[IPPORT_STR_SIZE];

    if (flow->blame)
        g_string_append_printf(out, "; %s", flow->blame);
    else if (flow->outcome != FLOW_CONNECTED && flow->reason)
        g_string_append_printf(out, "; the client heard: %s", flow->reason);
    if (flow->has_server)
        g_string_append_printf(out, "; %s saw the source %s", flow->server_pod ? flow->server_pod : "the server",
                               ipport_format(flow->source_seen, flow->source_seen_port, addr));
    explain_rewrites(out, "DNAT", flow->dnat, flow->n_dnat);
    explain_rewrites(out, "SNAT", flow->snat, flow->n_snat);
    if (flow->n_dnat == 0 && flow->n_snat == 0)
        g_string_append(out, "; no rule rewrote it");
}

/* --- Sets of flows
 * ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    const Flow **flows;
    size_t n;
} FlowSet;

static SimTime
bound(const DocNode *fields, const char *key, SimTime fallback)
{
    const DocNode *node = node_get(fields, key);
    SimTime t;

    return node && node->kind == NODE_SCALAR && simtime_parse(node->text, &t) ? t : fallback;
}

static FlowSet
select_flows(ScenarioRun *run, const Expectation *expect)
{
    size_t n;
    Flow *const *flows = flow_book_flows(run->book, &n);
    const DocNode *during = node_get(expect->fields, "during");
    SimTime from = bound(expect->fields, "after", during ? bound(during, "from", 0) : 0);
    SimTime to = bound(expect->fields, "before", during ? bound(during, "to", SIMTIME_NEVER) : SIMTIME_NEVER);
    FlowSet set = {g_new0(const Flow *, n + 1), 0};

    for (size_t i = 0; i < n; i++) {
        const char *name = expect->kind == EXPECT_LOAD ? flows[i]->group : flows[i]->name;
        bool of_load = expect->kind != EXPECT_LOAD && flows[i]->group && strchr(expect->pattern, '*') &&
                       !strchr(expect->pattern, '#');
        /* "web#*" are the connections of that name, not the calls that they caused. */
        if (name && strchr(expect->pattern, '#') && !strchr(expect->pattern, '/') && strchr(name, '/'))
            continue;
        if (name && !of_load && flows[i]->start >= from && flows[i]->start < to &&
            g_pattern_match_simple(expect->pattern, name))
            set.flows[set.n++] = flows[i];
    }
    return set;
}

/* The first loss explains a number of losses; without any, the first flow shows what happened instead. */
static void
explain_set(GString *why, const FlowSet *set)
{
    for (size_t i = 0; i < set->n; i++) {
        const Flow *flow = set->flows[i];
        if (flow->outcome == FLOW_CONNECTED || flow->outcome == FLOW_PENDING)
            continue;
        g_string_append_printf(why, "; first loss: %s at %.3f s, %s", flow->name, (double)flow->start / SIMTIME_SEC,
                               flow_outcome_name(flow->outcome));
        explain_flow(why, flow);
        return;
    }
    if (set->n > 0) {
        g_string_append_printf(why, "; all went well, for example %s", set->flows[0]->name);
        explain_flow(why, set->flows[0]);
    }
}

static size_t
count_outcome(const FlowSet *set, FlowOutcome outcome)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += set->flows[i]->outcome == outcome;
    return n;
}

static size_t
count_lost(const FlowSet *set)
{
    return set->n - count_outcome(set, FLOW_CONNECTED) - count_outcome(set, FLOW_PENDING);
}

/* From the start of the first lost connection to that of the last one, in seconds; 0 if none was lost. */
static double
loss_window(const FlowSet *set)
{
    SimTime first = -1, last = -1;

    for (size_t i = 0; i < set->n; i++) {
        if (set->flows[i]->outcome == FLOW_CONNECTED || set->flows[i]->outcome == FLOW_PENDING)
            continue;
        first = first < 0 ? set->flows[i]->start : first;
        last = set->flows[i]->start;
    }
    return first < 0 ? 0 : (double)(last - first) / SIMTIME_SEC;
}

static GPtrArray *
distinct_servers(const FlowSet *set)
{
    GPtrArray *servers = g_ptr_array_new();

    for (size_t i = 0; i < set->n; i++)
        if (set->flows[i]->has_server && set->flows[i]->server_pod &&
            !g_ptr_array_find_with_equal_func(servers, short_pod(set->flows[i]), g_str_equal, NULL))
            g_ptr_array_add(servers, (gpointer)short_pod(set->flows[i]));
    return servers;
}

static size_t
count_server(const FlowSet *set, const char *glob)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += set->flows[i]->has_server && set->flows[i]->server_pod &&
             g_pattern_match_simple(glob, short_pod(set->flows[i]));
    return n;
}

/* Most loaded server over the mean. */
static double
imbalance(const FlowSet *set)
{
    g_autoptr(GPtrArray) servers = distinct_servers(set);
    size_t most = 0, total = 0;

    for (guint i = 0; i < servers->len; i++) {
        size_t n = count_server(set, servers->pdata[i]);
        most = MAX(most, n);
        total += n;
    }
    return total ? (double)most * servers->len / (double)total : 0;
}

static double
connect_percentile(const FlowSet *set, double p)
{
    Times times = {0};
    double result;

    for (size_t i = 0; i < set->n; i++)
        if (set->flows[i]->connected_at >= 0)
            vec_push(&times, set->flows[i]->connected_at - set->flows[i]->start);
    times_sort(times.data, times.len);
    result = ms(percentile(times.data, times.len, p));
    vec_clear(&times);
    return result;
}

static double
sum_cross_zone_bytes(const FlowSet *set)
{
    double n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += (double)set->flows[i]->cross_zone_bytes;
    return n;
}

static double
sum_requests(const FlowSet *set)
{
    double n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += set->flows[i]->requests;
    return n;
}

/* Fields that speak of all matching flows together.  False: 'field' is not one of them. */
static bool
set_value(const FlowSet *set, const char *field, Value *ret_value)
{
    static const struct {
        const char *field;
        FlowOutcome outcome;
    } outcomes[] = {{"connected", FLOW_CONNECTED},
                    {"refused", FLOW_REFUSED},
                    {"timedOut", FLOW_TIMEOUT},
                    {"reset", FLOW_RESET},
                    {"unresolved", FLOW_UNRESOLVED}};

    for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++)
        if (strcmp(field, outcomes[i].field) == 0) {
            *ret_value = value_number((double)count_outcome(set, outcomes[i].outcome));
            return true;
        }
    if (strcmp(field, "count") == 0 || strcmp(field, "tried") == 0)
        *ret_value = value_number((double)set->n);
    else if (strcmp(field, "lost") == 0)
        *ret_value = value_number((double)count_lost(set));
    else if (strcmp(field, "lossWindow") == 0)
        *ret_value = value_number(loss_window(set));
    else if (strcmp(field, "imbalance") == 0)
        *ret_value = value_number(imbalance(set));
    else if (strcmp(field, "requests") == 0)
        *ret_value = value_number(sum_requests(set));
    else if (strcmp(field, "crossZoneBytes") == 0)
        *ret_value = value_number(sum_cross_zone_bytes(set));
    else if (strcmp(field, "p50") == 0)
        *ret_value = value_number(connect_percentile(set, 50));
    else if (strcmp(field, "p90") == 0)
        *ret_value = value_number(connect_percentile(set, 90));
    else if (strcmp(field, "p99") == 0)
        *ret_value = value_number(connect_percentile(set, 99));
    else if (strcmp(field, "maxMs") == 0)
        *ret_value = value_number(connect_percentile(set, 100));
    else
        return false;
    return true;
}

static bool
servers_match(const FlowSet *set, const DocNode *expected, GString *why)
{
    g_autoptr(GPtrArray) servers = distinct_servers(set);
    bool ok = servers->len == expected->n || expected->kind == NODE_SCALAR;
    Value number = value_number(servers->len);

    if (expected->kind == NODE_SCALAR || expected->kind == NODE_MAPPING)
        ok = value_matches(&number, expected);
    for (uint32_t i = 0; expected->kind == NODE_SEQUENCE && i < expected->n; i++)
        ok &= count_server(set, expected->items[i]->text) > 0;
    if (!ok) {
        g_string_append_printf(why, "%u servers:", servers->len);
        for (guint i = 0; i < servers->len; i++)
            g_string_append_printf(why, " %s", (const char *)servers->pdata[i]);
        g_string_append(why, ", expected ");
        expected_print(why, expected);
        explain_set(why, set);
    }
    return ok;
}

/* share: {web-0: 0.5, "web-*": {min: 0.2}}: of the flows that reached a server. */
static bool
shares_match(const FlowSet *set, const DocNode *expected, GString *why)
{
    size_t total = count_server(set, "*");

    for (uint32_t i = 0; i < expected->n; i++) {
        Value share = value_number(total ? (double)count_server(set, expected->keys[i]->text) / (double)total : 0);
        if (value_matches(&share, expected->items[i]))
            continue;
        g_string_append_printf(why, "share of %s is %.4f, expected ", expected->keys[i]->text, share.number);
        expected_print(why, expected->items[i]);
        explain_set(why, set);
        return false;
    }
    return true;
}

/* --- One expectation
 * ------------------------------------------------------------------------------------------------------- */

static bool
is_selector(const char *field)
{
    static const char *const selectors[] = {"flow", "load", "resolve", "during", "after", "before", NULL};

    return g_strv_contains(selectors, field);
}

static bool
each_flow_matches(const FlowSet *set, const char *field, const DocNode *expected, GString *why)
{
    for (size_t i = 0; i < set->n; i++) {
        Scratch scratch;
        Value value;
        if (flow_field_matches(set->flows[i], field, expected, &value, &scratch))
            continue;
        g_string_append_printf(why, "flow %s: %s is ", set->flows[i]->name, field);
        value_print(why, &value);
        g_string_append(why, ", expected ");
        expected_print(why, expected);
        explain_flow(why, set->flows[i]);
        return false;
    }
    return true;
}

static bool
field_matches(const FlowSet *set, const char *field, const DocNode *expected, GString *why)
{
    Value value;

    if (strcmp(field, "servers") == 0)
        return servers_match(set, expected, why);
    if (strcmp(field, "share") == 0)
        return shares_match(set, expected, why);
    if (!set_value(set, field, &value))
        return each_flow_matches(set, field, expected, why);
    if (value_matches(&value, expected))
        return true;
    g_string_append_printf(why, "%s is ", field);
    value_print(why, &value);
    g_string_append(why, ", expected ");
    expected_print(why, expected);
    explain_set(why, set);
    return false;
}

static bool
flows_meet(ScenarioRun *run, const Expectation *expect, GString *why)
{
    FlowSet set = select_flows(run, expect);
    bool ok = true;

    if (set.n == 0 && !node_get(expect->fields, "count")) {
        g_string_append_printf(why, "no %s matches \"%s\"", expect->kind == EXPECT_LOAD ? "load" : "flow",
                               expect->pattern);
        ok = false;
    }
    for (uint32_t i = 0; ok && i < expect->fields->n; i++)
        if (!is_selector(expect->fields->keys[i]->text))
            ok = field_matches(&set, expect->fields->keys[i]->text, expect->fields->items[i], why);
    g_free(set.flows);
    return ok;
}

static void
add_result(ScenarioRun *run, const Expectation *expect, bool ok, const char *why)
{
    vec_push(&run->expected,
             (ExpectResult){
                 .text = g_strdup(expect->text), .ok = ok, .why = ok ? NULL : g_strdup(why), .mark = expect->mark});
}

void
run_evaluate(ScenarioRun *run)
{
    for (uint32_t i = 0; i < run->spec->n_expects; i++) {
        const Expectation *expect = &run->spec->expects[i];
        g_autoptr(GString) why = g_string_new(NULL);
        bool ok = false;
        if (run_timed_result(run, i, &ok, why)) {
            add_result(run, expect, ok, why->str);
            continue;
        }
        switch (expect->kind) {
        case EXPECT_FLOW:
        case EXPECT_LOAD:
        case EXPECT_RESOLVE:
            ok = flows_meet(run, expect, why);
            break;
        case EXPECT_OBJECT:
            ok = run_object_meets(run, expect, why);
            break;
        case EXPECT_PROBE:
            ok = run_probe_meets(run, expect, why);
            break;
        }
        add_result(run, expect, ok, why->str);
    }
}
