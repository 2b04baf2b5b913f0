/* facts/update-sequence.json: what changes in the rules of a node as kube-proxy applies updates.
 *
 * iptables: every line.  nftables: the record is of v1.30's layout, so what is compared is which chains come and go,
 * and when: emptied chains are deleted by a later sync. */

#include <string.h>

#include "model/input/doc.h"
#include "model/network/node_proxy.h"
#include "sim/netfilter/nf_text.h"
#include "tests/flow/flow.h"
#include "tests/flow/world.h"

#define NS      "default"
#define SERVICE "backend-service"
#define SLICE   "backend-service-abcde"

typedef struct {
    FlowWorld *world;
    Cluster *cluster;
    Sim *sim;
    NodeProxy *proxy;
    GPtrArray *inputs; /* Whose strings the slices use. */
    char *dump;
} Bench;

/* --- Steps ------------------------------------------------------------------------------------------------------ */

static void
set_backends(Bench *b, int n)
{
    static const char *const nodes[] = {"minikube", "minikube-m02", "minikube-m03"};
    g_autoptr(GString) yaml =
        g_string_new("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " SLICE ", namespace: " NS
                     ", labels: {kubernetes.io/service-name: " SERVICE "}}\n"
                     "addressType: IPv4\nports: [{name: backend, port: 3000, protocol: TCP}]\n");
    Input *input;

    g_string_append(yaml, n > 0 ? "endpoints:\n" : "endpoints: []\n");
    for (int i = 0; i < n; i++)
        g_string_append_printf(yaml, "- {addresses: [10.244.%d.10], conditions: {ready: true}, nodeName: %s}\n", i,
                               nodes[i]);
    input = input_load_text("slice", yaml->str);
    g_ptr_array_add(b->inputs, input);
    store_put(cluster_store(b->cluster), api_ref((ApiObject *)store_get(input->store, KIND_ENDPOINTSLICE, NS, SLICE)));
}

static void
take_step(Bench *b, const char *step)
{
    const char *arrow = strstr(step, "->");

    if (g_str_has_prefix(step, "scale ") && arrow) {
        set_backends(b, atoi(arrow + 2));
    } else if (strcmp(step, "service deleted") == 0) {
        store_remove(cluster_store(b->cluster), KIND_SERVICE, NS, SERVICE);
        store_remove(cluster_store(b->cluster), KIND_ENDPOINTSLICE, NS, SLICE);
    } else {
        if (strstr(step, "1.2 s"))
            sim_run_until(b->sim, b->sim->now + 1200 * SIMTIME_MSEC);
        node_proxy_restart(b->proxy);
    }
    sim_run_until(b->sim, b->sim->now + 200 * SIMTIME_MSEC);
}

static char *
dump(const Bench *b)
{
    GString *text = g_string_new(NULL);
    const NfRuleset *rules = node_proxy_ruleset(b->proxy, FAMILY_IPV4);

    if (node_proxy_mode(b->proxy) == PROXY_IPTABLES)
        nf_print_iptables_save(text, rules);
    else
        nf_print_nft_ruleset(text, rules, NULL);
    return g_string_free(text, FALSE);
}

/* --- Differences ------------------------------------------------------------------------------------------------ */

static void
count_line(GHashTable *counts, const char *line, int by)
{
    int n = GPOINTER_TO_INT(g_hash_table_lookup(counts, line)) + by;

    g_hash_table_replace(counts, g_strdup(line), GINT_TO_POINTER(n));
}

static gint
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "+line" and "-line", sorted; what comes and goes is left out. */
static char *
sorted_diff(GHashTable *counts)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer line, n;

    g_hash_table_iter_init(&iter, counts);
    while (g_hash_table_iter_next(&iter, &line, &n))
        for (int i = 0; i < ABS(GPOINTER_TO_INT(n)); i++)
            g_ptr_array_add(lines, g_strdup_printf("%c%s", GPOINTER_TO_INT(n) > 0 ? '+' : '-', (char *)line));
    g_ptr_array_sort(lines, compare_text);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static bool
matters(const char *line, bool nftables)
{
    return !nftables || g_str_has_prefix(line, "\tchain ");
}

static char *
simulated_diff(const char *before, const char *after, bool nftables)
{
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) a = g_strsplit(before, "\n", -1), b = g_strsplit(after, "\n", -1);

    for (guint i = 0; a[i]; i++)
        if (matters(a[i], nftables))
            count_line(counts, a[i], -1);
    for (guint i = 0; b[i]; i++)
        if (matters(b[i], nftables))
            count_line(counts, b[i], 1);
    return sorted_diff(counts);
}

static char *
recorded_diff(const DocNode *diff, bool nftables)
{
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (uint32_t i = 0; diff && i < diff->n; i++)
        if (matters(diff->items[i]->text + 1, nftables))
            count_line(counts, diff->items[i]->text + 1, diff->items[i]->text[0] == '+' ? 1 : -1);
    return sorted_diff(counts);
}

static void
check_sequence(FlowRun *run, const char *label, const DocNode *fact)
{
    g_autofree char *dir = flow_case_dir(run, "02-two-tier-scaled");
    bool nftables = strcmp(flow_text(fact, "mode"), "nftables") == 0;
    const DocNode *steps = node_get(fact, "steps");
    Bench b = {.world = flow_world_new(dir, nftables ? PROXY_NFTABLES : PROXY_IPTABLES),
               .inputs = g_ptr_array_new_with_free_func((GDestroyNotify)input_free)};

    b.cluster = flow_world_cluster(b.world);
    b.sim = cluster_sim(b.cluster);
    b.proxy = cluster_node(b.cluster, flow_text(fact, "node"))->proxy;
    set_backends(&b, atoi(flow_text(fact, "start")));
    sim_run_until(b.sim, b.sim->now + 5 * SIMTIME_SEC);
    node_proxy_restart(b.proxy);
    sim_run_until(b.sim, b.sim->now + 5 * SIMTIME_SEC);
    b.dump = dump(&b);
    for (uint32_t i = 0; i < steps->n; i++) {
        const char *step = flow_text(steps->items[i], "step");
        g_autofree char *after = NULL, *got = NULL, *want = NULL;
        take_step(&b, step);
        after = dump(&b);
        got = simulated_diff(b.dump, after, nftables);
        want = recorded_diff(node_get(steps->items[i], "diff"), nftables);
        flow_check(run, label, strcmp(got, want) == 0, "step %u, %s:\nrecorded:\n%s\nsimulated:\n%s", i, step, want,
                   got);
        g_free(b.dump);
        b.dump = g_steal_pointer(&after);
    }
    g_free(b.dump);
    flow_world_free(b.world);
    g_ptr_array_unref(b.inputs);
}

void
facts_updates(FlowRun *run)
{
    flow_facts(run, "update-sequence", check_sequence);
}
