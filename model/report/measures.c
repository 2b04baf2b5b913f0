#include "model/report/measures.h"

#include "model/report/percentile.h"
#include "sim/netfilter/conntrack.h"

#include <stdlib.h>
#include <string.h>

static bool
source_kept(const Flow *flow)
{
    return flow->has_server && ipaddr_eq(flow->source_seen, flow->client_addr);
}

/* --- Counting
 * ---------------------------------------------------------------------------------------------------------------- */

static void
count_outcomes(Measures *m, const Flow *flow)
{
    m->tried++;
    m->connected += flow->outcome == FLOW_CONNECTED || flow->outcome == FLOW_PENDING;
    m->refused += flow->outcome == FLOW_REFUSED;
    m->timed_out += flow->outcome == FLOW_TIMEOUT;
    m->reset += flow->outcome == FLOW_RESET;
    m->unresolved += flow->outcome == FLOW_UNRESOLVED;
    m->http_errors += flow->status >= 400;
    m->requests += flow->requests;
    m->retransmits += flow->retransmits;
}

static uint32_t
extra_hops(const Cluster *cluster, const Flow *flow)
{
    const ClusterNode *server = flow->has_server && flow->server_node ? cluster_node(cluster, flow->server_node) : NULL;
    uint32_t n = 0;

    for (uint32_t i = 0; server && i < flow->n_nodes; i++)
        n += strcmp(flow->nodes[i], server->name) != 0;
    return n;
}

static SimTime
connect_time(const Flow *flow)
{
    return flow->connected_at >= 0 ? flow->connected_at - flow->start : -1;
}

/* From dialling to the end, of those that made one request and did not wait. */
static SimTime
request_time(const Flow *flow)
{
    bool counts = flow->outcome == FLOW_CONNECTED && flow->requests == 1 && flow->end >= 0;

    return counts ? flow->end - flow->start : -1;
}

static void
count_path(Cluster *cluster, Measures *m, const Flow *flow)
{
    const ClusterNode *entry = flow->n_nodes ? cluster_node(cluster, flow->nodes[0]) : NULL;
    const ClusterNode *server = flow->server_node ? cluster_node(cluster, flow->server_node) : NULL;

    if (!flow->has_server)
        return;
    m->reached++;
    m->source_kept += source_kept(flow);
    m->extra_hops += extra_hops(cluster, flow);
    m->cross_zone += entry && server && entry->zone && server->zone && strcmp(entry->zone, server->zone) != 0;
}

typedef VEC(LossReason) ReasonList;

/* One that says more than the outcome. */
static bool
has_reason(const Flow *flow)
{
    return flow->reason && strcmp(flow->reason, flow_outcome_name(flow->outcome)) != 0;
}

/* NULL: it was not lost.  Caller frees. */
static char *
loss_reason(const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);
    const char *why;

    if (flow->outcome == FLOW_CONNECTED || flow->outcome == FLOW_PENDING)
        return NULL;
    why = drop ? drop_reason_code(drop->reason) : has_reason(flow) ? flow->reason : "unanswered";
    return g_strdup_printf("%s %s", flow_outcome_name(flow->outcome), why);
}

static void
count_reason(ReasonList *list, const Flow *flow)
{
    g_autofree char *text = loss_reason(flow);

    for (size_t i = 0; text && i < list->len; i++)
        if (strcmp(list->data[i].reason, text) == 0) {
            list->data[i].n++;
            return;
        }
    if (text)
        vec_push(list, (LossReason){g_steal_pointer(&text), 1});
}

static int
compare_reasons(gconstpointer a, gconstpointer b, gpointer unused)
{
    const LossReason *x = a, *y = b;

    (void)unused;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->reason, y->reason);
}

/* --- Pods
 * --------------------------------------------------------------------------------------------------------------------
 */

typedef VEC(PodShare) ShareList;

/* Where a list keeps what has this name; a name that is new comes at 'end'. */
static size_t
place_of(GHashTable *places, const char *name, size_t end)
{
    gpointer place;

    if (g_hash_table_lookup_extended(places, name, NULL, &place))
        return GPOINTER_TO_SIZE(place);
    g_hash_table_insert(places, (gpointer)name, GSIZE_TO_POINTER(end));
    return end;
}

static void
count_share(ShareList *list, GHashTable *places, const Flow *flow)
{
    size_t place = place_of(places, flow->server_pod, list->len);

    if (place == list->len)
        vec_push(list, (PodShare){.pod = g_strdup(flow->server_pod), .expected = -1});
    list->data[place].connections++;
    list->data[place].requests += flow->requests;
}

static int
compare_shares(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    return strcmp(((const PodShare *)a)->pod, ((const PodShare *)b)->pod);
}

static int
compare_counts(gconstpointer a, gconstpointer b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
measure_inequality(Measures *m)
{
    g_autofree uint32_t *counts = g_new(uint32_t, m->n_pods + 1);
    double total = 0, weighted = 0, n = m->n_pods;

    for (uint32_t i = 0; i < m->n_pods; i++)
        counts[i] = m->pods[i].connections;
    qsort(counts, m->n_pods, sizeof *counts, compare_counts);
    for (uint32_t i = 0; i < m->n_pods; i++) {
        total += counts[i];
        weighted += (2.0 * i + 1 - n) * counts[i];
    }
    if (total <= 0)
        return;
    m->imbalance = counts[m->n_pods - 1] * n / total;
    /* Half the mean difference of two pods over the mean: of sorted counts, without a look at every pair. */
    m->gini = weighted / (n * total);
}

/* --- Times and digests
 * ----------------------------------------------------------------------------------------------------------- */

/* Those of 'time_of' that are not negative, sorted. */
static void
take_times(Times *times, Flow *const *flows, size_t n, SimTime (*time_of)(const Flow *))
{
    times->len = 0;
    for (size_t i = 0; i < n; i++)
        if (time_of(flows[i]) >= 0)
            vec_push(times, time_of(flows[i]));
    times_sort(times->data, times->len);
}

static void
measure_times(Measures *m, Flow *const *flows, size_t n)
{
    Times times = {0};

    take_times(&times, flows, n, connect_time);
    m->p50 = percentile(times.data, times.len, 50);
    m->p90 = percentile(times.data, times.len, 90);
    m->p99 = percentile(times.data, times.len, 99);
    m->max = percentile(times.data, times.len, 100);
    take_times(&times, flows, n, request_time);
    m->request_p50 = percentile(times.data, times.len, 50);
    m->request_p90 = percentile(times.data, times.len, 90);
    m->request_p99 = percentile(times.data, times.len, 99);
    vec_clear(&times);
}

static void
note_health(Measures *m, const Cloud *cloud)
{
    size_t n = 0;
    const LbHealthEvent *events = cloud ? lb_health_history(cloud, &n) : NULL;

    m->health = g_new0(HealthChange, n + 1);
    m->n_health = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        m->health[i] = (HealthChange){.at = events[i].at,
                                      .lb = g_strdup(events[i].lb),
                                      .target = g_strdup(events[i].target),
                                      .cause = g_strdup(events[i].cause),
                                      .state = events[i].to};
}

/* --- Zones
 * -------------------------------------------------------------------------------------------------------------------
 */

typedef VEC(DestinationBytes) DestinationList;

static void
add_destination(DestinationList *list, GHashTable *places, const Flow *flow)
{
    size_t place = place_of(places, flow->to, list->len);

    if (place == list->len)
        vec_push(list, (DestinationBytes){.to = g_strdup(flow->to)});
    list->data[place].bytes += flow->cross_zone_bytes;
}

static int
compare_destinations(gconstpointer a, gconstpointer b, gpointer unused)
{
    const DestinationBytes *x = a, *y = b;

    (void)unused;
    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : strcmp(x->to, y->to);
}

static void
measure_zones(Measures *m, const ZoneMeter *meter, Flow *const *flows, size_t n)
{
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    DestinationList list = {0};
    size_t n_pairs, n_seconds;
    g_autofree ZonePair *pairs = zone_meter_pairs(meter, &n_pairs);
    const uint64_t *seconds = zone_meter_seconds(meter, &n_seconds);

    m->cross_zone_bytes = zone_meter_bytes(meter);
    m->zone_bytes = g_new0(ZoneBytes, n_pairs + 1);
    m->n_zone_bytes = (uint32_t)n_pairs;
    for (size_t i = 0; i < n_pairs; i++)
        m->zone_bytes[i] =
            (ZoneBytes){g_strdup(pairs[i].from), g_strdup(pairs[i].to), pairs[i].packets, pairs[i].bytes};
    m->second_bytes = g_memdup2(seconds, n_seconds * sizeof *seconds);
    m->n_second_bytes = (uint32_t)n_seconds;
    for (size_t i = 0; i < n; i++)
        if (flows[i]->cross_zone_bytes > 0)
            add_destination(&list, places, flows[i]);
    if (list.len > 0)
        g_qsort_with_data(list.data, (gint)list.len, sizeof(DestinationBytes), compare_destinations, NULL);
    m->destination_bytes = list.data;
    m->n_destination_bytes = (uint32_t)list.len;
}

static int
compare_digests(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    return strcmp(((const FlowDigest *)a)->name, ((const FlowDigest *)b)->name);
}

static void
digest_flows(Measures *m, const Cluster *cluster, Flow *const *flows, size_t n)
{
    m->flows = g_new0(FlowDigest, n + 1);
    m->n_flows = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        m->flows[i] = (FlowDigest){.name = g_strdup(flows[i]->name),
                                   .group = g_strdup(flows[i]->group),
                                   .outcome = flows[i]->outcome,
                                   .reason = g_strdup(flows[i]->reason),
                                   .server = g_strdup(flows[i]->has_server ? flows[i]->server_pod : NULL),
                                   .blame = g_strdup(flows[i]->blame),
                                   .loss = loss_reason(flows[i]),
                                   .reached = flows[i]->has_server,
                                   .source_kept = source_kept(flows[i]),
                                   .start = flows[i]->start,
                                   .connect = connect_time(flows[i]),
                                   .request = request_time(flows[i]),
                                   .requests = flows[i]->requests,
                                   .retransmits = flows[i]->retransmits,
                                   .extra_hops = extra_hops(cluster, flows[i])};
    g_qsort_with_data(m->flows, (gint)n, sizeof(FlowDigest), compare_digests, NULL);
}

static uint64_t
conntrack_peak(Cluster *cluster)
{
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);
    uint64_t peak = 0;

    for (size_t i = 0; i < n; i++) {
        Conntrack *ct = nf_stack_conntrack(host_netfilter(nodes[i]->host));
        if (ct)
            peak = MAX(peak, conntrack_stats(ct)->peak);
    }
    return peak;
}

static void
note_conntrack(Measures *m, const ScenarioRun *run)
{
    size_t n;
    const uint64_t *seconds = scenario_run_conntrack(run, &n);

    m->second_conntrack = g_memdup2(seconds, n * sizeof *seconds);
    m->n_second_conntrack = (uint32_t)n;
}

Measures *
measures_of_run(Cluster *cluster, ScenarioRun *run)
{
    Measures *m = g_new0(Measures, 1);
    size_t n, n_expected;
    Flow *const *flows = flow_book_flows(scenario_run_flows(run), &n);
    const ExpectResult *expected = scenario_run_expectations(run, &n_expected);
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    ReasonList reasons = {0};
    ShareList shares = {0};

    for (size_t i = 0; i < n; i++) {
        count_outcomes(m, flows[i]);
        count_path(cluster, m, flows[i]);
        count_reason(&reasons, flows[i]);
        if (flows[i]->has_server && flows[i]->server_pod)
            count_share(&shares, places, flows[i]);
    }
    if (reasons.len > 0)
        g_qsort_with_data(reasons.data, (gint)reasons.len, sizeof(LossReason), compare_reasons, NULL);
    if (shares.len > 0)
        g_qsort_with_data(shares.data, (gint)shares.len, sizeof(PodShare), compare_shares, NULL);
    m->reasons = reasons.data;
    m->n_reasons = (uint32_t)reasons.len;
    m->pods = shares.data;
    m->n_pods = (uint32_t)shares.len;
    measure_inequality(m);
    measure_times(m, flows, n);
    measure_zones(m, scenario_run_zones(run), flows, n);
    digest_flows(m, cluster, flows, n);
    m->windows = loss_windows(cluster, scenario_run_cloud(run), flows, n, &m->n_windows);
    for (uint32_t i = 0; i < m->n_windows; i++)
        m->lost_seconds += (double)(MAX(m->windows[i].closed, m->windows[i].end) - m->windows[i].start) / SIMTIME_SEC;
    note_health(m, scenario_run_cloud(run));
    m->conntrack_peak = conntrack_peak(cluster);
    note_conntrack(m, run);
    m->expectations = (uint32_t)n_expected;
    for (size_t i = 0; i < n_expected; i++)
        m->failed += !expected[i].ok;
    return m;
}

void
measures_free(Measures *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->n_reasons; i++)
        g_free(m->reasons[i].reason);
    for (uint32_t i = 0; i < m->n_pods; i++)
        g_free(m->pods[i].pod);
    for (uint32_t i = 0; i < m->n_flows; i++) {
        g_free(m->flows[i].name);
        g_free(m->flows[i].group);
        g_free(m->flows[i].reason);
        g_free(m->flows[i].server);
        g_free(m->flows[i].blame);
        g_free(m->flows[i].loss);
    }
    g_free(m->reasons);
    g_free(m->pods);
    g_free(m->flows);
    for (uint32_t i = 0; i < m->n_health; i++) {
        g_free(m->health[i].lb);
        g_free(m->health[i].target);
        g_free(m->health[i].cause);
    }
    g_free(m->health);
    for (uint32_t i = 0; i < m->n_zone_bytes; i++) {
        g_free(m->zone_bytes[i].from);
        g_free(m->zone_bytes[i].to);
    }
    for (uint32_t i = 0; i < m->n_destination_bytes; i++)
        g_free(m->destination_bytes[i].to);
    g_free(m->zone_bytes);
    g_free(m->destination_bytes);
    g_free(m->second_bytes);
    g_free(m->second_conntrack);
    loss_windows_free(m->windows, m->n_windows);
    g_free(m);
}
