/* rules/CASE/flows.json: what a real kernel did with real packets under kube-proxy's rules; tests/flow/live: the same
 * under ours. */

#include <stdio.h>
#include <string.h>

#include "tests/flow/compare.h"
#include "tests/flow/flow.h"
#include "tests/flow/world.h"

/* Over all count tests of a run: a correct simulator fails one run in ten thousand. */
#define SIGNIFICANCE 1e-4
#define MAX_TESTS    5000

static void
compare_set(const RecordedFlow *flow, const GPtrArray *got, GString *diff)
{
    if (!flow) {
        g_string_append(diff, "    no twin recorded\n");
        return;
    }
    for (guint i = 0; i < flow->results->len; i++)
        compare_result(flow, flow->results->pdata[i], got, diff);
    if (diff->len == 0)
        return;
    for (guint i = 0; i < got->len; i++) {
        const FlowResult *r = got->pdata[i];
        g_string_append_printf(diff, "    simulated with probability %.6f: %s %s%s%s\n", r->probability, r->outcome,
                               r->server ? r->server : "", r->answer ? " by " : "", r->answer ? r->answer : "");
    }
}

/* With affinity the first try draws, the others follow: one server in the record, and here. */
static void
compare_sticky(FlowWorld *world, const RecordedFlow *flow, GString *diff)
{
    g_autofree char *first = NULL;

    if (flow->results->len > 1)
        g_string_append_printf(diff, "    affinity, but %u different results recorded\n", flow->results->len);
    for (int i = 0; i < 4; i++) {
        FlowResult *r = flow_world_play(world, flow);
        if (i > 0 && g_strcmp0(first, r->server) != 0)
            g_string_append_printf(diff, "    affinity: %s, then %s\n", first, r->server ? r->server : r->outcome);
        g_free(first);
        first = g_strdup(r->server);
        flow_result_free(r);
    }
    flow_world_reset(world);
}

/* Flows that kube-proxy v1.30's alpha layout of nftables decided otherwise than the layouts since v1.31, which are
 * what we compile.  'got' must then be what the record of the iptables twin says.
 *
 *   A node without local endpoints to the load-balancer or external IP of a Service with externalTrafficPolicy Local:
 *   v1.30 dropped the packet in its filter-output chain, which ran before DNAT and saw "no local endpoints"; later
 *   layouts short-circuit the node's own traffic to all endpoints, as iptables does. */
static const char *
decided_otherwise(const FlowWorld *world, const RecordedFlow *flow)
{
    bool door = strcmp(flow->kind, "loadBalancer") == 0 || strcmp(flow->kind, "externalIP") == 0;

    if (flow->nftables && door && strcmp(flow->client_kind, "node") == 0 && flow_world_is_etp_local(world, flow) &&
        flow->results->len == 1 && strcmp(((const FlowResult *)flow->results->pdata[0])->outcome, "timeout") == 0)
        return "v1.30: filter-output before DNAT";
    return NULL;
}

static bool
same_question(const RecordedFlow *a, const RecordedFlow *b)
{
    return strcmp(a->client_name, b->client_name) == 0 && strcmp(a->ip, b->ip) == 0 && a->port == b->port &&
           strcmp(a->proto, b->proto) == 0 && g_strcmp0(a->via, b->via) == 0;
}

static const RecordedFlow *
twin_of(const GPtrArray *flows, const RecordedFlow *flow)
{
    for (guint i = 0; i < flows->len; i++) {
        const RecordedFlow *other = flows->pdata[i];
        if (!other->nftables && same_question(other, flow))
            return other;
    }
    return NULL;
}

static void
check_flow(FlowRun *run, FlowWorld *world, const char *label, const GPtrArray *flows, const RecordedFlow *flow,
           CountSums *sums)
{
    g_autofree char *name = g_strdup_printf("%s/%s/%s", label, flow->nftables ? "nftables" : "iptables", flow->id);
    g_autoptr(GString) diff = g_string_new(NULL);
    g_autoptr(GPtrArray) got = NULL;
    const char *otherwise;

    if (!flow_wants(run, name) && !flow_wants(run, label))
        return;
    got = flow_world_play_all(world, flow);
    otherwise = decided_otherwise(world, flow);
    compare_set(otherwise ? twin_of(flows, flow) : flow, got, diff);
    if (otherwise && diff->len == 0) {
        printf("NOTE %s: held against iptables (%s)\n", name, otherwise);
        run->passed++;
        return;
    }
    if (diff->len == 0 && flow_world_is_sticky(world, flow)) {
        compare_sticky(world, flow, diff);
    } else if (diff->len == 0) {
        double p = compare_counts(flow, got, sums);
        if (p < SIGNIFICANCE / MAX_TESTS)
            g_string_append_printf(diff, "    counts: p = %.3g under the exact probabilities\n", p);
    }
    if (diff->len == 0) {
        run->passed++;
        return;
    }
    run->failed++;
    printf("FAIL %s: %s %s -> %s %s:%u/%s%s%s%s%s%s\n%s", name, flow->client_kind, flow->client_name, flow->kind,
           flow->ip, flow->port, flow->proto, flow->via ? " via " : "", flow->via ? flow->via : "",
           flow->note ? " (" : "", flow->note ? flow->note : "", flow->note ? ")" : "", diff->str);
}

static void
check_case(FlowRun *run, const char *dir, const char *label, CountSums *sums)
{
    g_autofree char *path = g_build_filename(dir, "flows.json", NULL);
    g_autoptr(GPtrArray) flows = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return;
    flows = record_load(path);
    for (int nftables = 0; nftables < 2; nftables++) {
        FlowWorld *world = flows ? flow_world_new(dir, nftables ? PROXY_NFTABLES : PROXY_IPTABLES) : NULL;
        if (!world) {
            printf("FAIL %s: cannot be built\n", label);
            run->failed++;
            return;
        }
        for (guint i = 0; i < flows->len; i++) {
            const RecordedFlow *flow = flows->pdata[i];
            if (flow->nftables == nftables)
                check_flow(run, world, label, flows, flow, sums);
        }
        flow_world_free(world);
    }
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
check_folder(FlowRun *run, const char *root, const char *kind, CountSums *sums)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(root, 0, NULL);

    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
        g_ptr_array_add(names, g_strdup(name));
    if (dir)
        g_dir_close(dir);
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(root, names->pdata[i], NULL);
        g_autofree char *label = g_strdup_printf("%s/%s", kind, (char *)names->pdata[i]);
        if (strstr(label, run->filter) || g_str_has_prefix(run->filter, label))
            check_case(run, path, label, sums);
    }
}

void
flow_recorded(FlowRun *run)
{
    g_autofree char *rules = g_build_filename(run->root, "rules", NULL);
    CountSums sums = {0};
    double p;

    check_folder(run, rules, "recorded", &sums);
    check_folder(run, "tests/flow/live", "live", &sums);
    if (sums.n_tests == 0)
        return;
    p = chi2_tail(sums.chi2, sums.df);
    printf("counts: %u tests; all together chi-square %.1f, %.0f degrees of freedom, p = %.3g\n", sums.n_tests,
           sums.chi2, sums.df, p);
    if (p < SIGNIFICANCE || p > 1 - SIGNIFICANCE)
        run->failed++;
    else
        run->passed++;
}
