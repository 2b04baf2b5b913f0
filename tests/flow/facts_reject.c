/* facts/ipv6-reject.json and facts/reject-icmp-ratelimit.json: Services without endpoints, and how often they say so.
 */

#include <string.h>

#include "model/input/doc.h"
#include "tests/flow/flow.h"
#include "tests/flow/world.h"

static ProxyMode
mode_of(const DocNode *fact)
{
    return strcmp(flow_text(fact, "mode"), "nftables") == 0 ? PROXY_NFTABLES : PROXY_IPTABLES;
}

/* "p-client-0" is a pod, "minikube" a node, "client" outside. */
static void
set_client(RecordedFlow *flow, const char *name)
{
    bool pod = g_str_has_prefix(name, "p-");

    flow->client_kind = (char *)(pod ? "pod" : strcmp(name, "client") == 0 ? "external" : "node");
    flow->client_name = (char *)(pod ? name + 2 : name);
}

/* The record has 1.05 s for TCP: its wires had no latency, see record.c.  Here the error comes at once. */
static void
check_ipv6(FlowRun *run, const char *label, const DocNode *fact)
{
    g_autofree char *dir = flow_case_dir(run, "19-dual-stack");
    FlowWorld *world = flow_world_new(dir, mode_of(fact));
    g_auto(GStrv) to = g_strsplit_set(flow_text(fact, "dst"), "[]", 3);
    RecordedFlow flow = {.ip = to[1], .port = (uint16_t)atoi(to[2] + 1), .proto = (char *)flow_text(fact, "proto")};
    FlowResult *r;

    set_client(&flow, flow_text(fact, "client"));
    r = flow_world_play(world, &flow);
    flow_check(run, label, strcmp(r->outcome, flow_text(fact, "outcome")) == 0, "%s -> %s: %s, recorded %s",
               flow_text(fact, "client"), flow_text(fact, "dst"), r->outcome, flow_text(fact, "outcome"));
    flow_result_free(r);
    flow_world_free(world);
}

/* --- The rate limit --------------------------------------------------------------------------------------------- */

typedef struct {
    const char *flow; /* As the facts say it. */
    const char *client_kind, *client_name, *kind;
} LimitFlow;

static const LimitFlow limit_flows[] = {
    {"pod client-0 -> ClusterIP", "pod", "client-0", "clusterIP"},
    {"external client -> nodePort", "external", "client", "nodePort"},
    {"node minikube -> ClusterIP", "node", "minikube", "clusterIP"},
};

/* A flow of the recorded case that is refused by ICMP. */
static const RecordedFlow *
find_refused(const GPtrArray *flows, const char *what)
{
    for (guint k = 0; k < G_N_ELEMENTS(limit_flows); k++) {
        const LimitFlow *like = &limit_flows[k];
        if (strcmp(like->flow, what) != 0)
            continue;
        for (guint i = 0; i < flows->len; i++) {
            const RecordedFlow *f = flows->pdata[i];
            const FlowResult *r = f->results->pdata[0];
            if (strcmp(f->client_kind, like->client_kind) == 0 && strcmp(f->client_name, like->client_name) == 0 &&
                strcmp(f->kind, like->kind) == 0 && strcmp(f->proto, "TCP") == 0 && !f->note && r->answer &&
                g_str_has_prefix(r->answer, "ICMP "))
                return f;
        }
    }
    return NULL;
}

/* Refusals ("R") and timeouts ("T", half a second each) of a sequence must obey the kernel's bucket: six errors to a
 * peer at most, and one more per second of waiting; 'at_most' of them were there at the beginning. */
static bool
obeys_bucket(const char *sequence, double at_most)
{
    double tokens = at_most;

    for (const char *p = sequence; *p; p++) {
        if (*p == 'T') {
            tokens = MIN(tokens + 0.5, 6);
            continue;
        }
        /* Its clock ticks: a timeout of 0.5 s may be a little longer. */
        tokens -= 1;
        if (tokens < -0.1)
            return false;
    }
    return true;
}

/* The recorder had spent some of the burst in the tests before, and left its sockets open, whose SYNs took tokens
 * again; so its sequence is only held against the bucket.  From rest, a live kernel (6.18, one veth pair) gave exactly
 * what stands here: six at once, then one a second. */
static const char from_rest[] = "RRRRRRTTRTTRTTRTTRTT";

static void
check_limit(FlowRun *run, const char *label, const DocNode *fact)
{
    g_autofree char *dir = flow_case_dir(run, "06-no-endpoints");
    g_autofree char *path = g_build_filename(dir, "flows.json", NULL);
    g_autoptr(GPtrArray) flows = record_load(path);
    g_autoptr(GString) got = g_string_new(NULL), want = g_string_new(NULL);
    FlowWorld *world = flow_world_new(dir, mode_of(fact));
    const RecordedFlow *flow = find_refused(flows, flow_text(fact, "flow"));
    const DocNode *sequence = node_get(fact, "outcomes_of_20_connects_without_pause");
    uint32_t limit = (uint32_t)atoi(flow_text(fact, "net.ipv4.icmp_ratelimit"));
    size_t n;
    Host *const *hosts = cluster_hosts(flow_world_cluster(world), &n);

    for (size_t i = 0; i < n; i++)
        host_sysctls(hosts[i])->icmp_ratelimit = limit;
    flow_world_set_hasty(world);
    for (uint32_t i = 0; flow && i < sequence->n; i++) {
        FlowResult *r = flow_world_play(world, flow);
        g_string_append_c(got, strcmp(r->outcome, "refused") == 0 ? 'R' : 'T');
        g_string_append_c(want, strcmp(sequence->items[i]->text, "refused") == 0 ? 'R' : 'T');
        flow_result_free(r);
    }
    if (strchr(want->str, 'T')) {
        flow_check(run, label, obeys_bucket(want->str, 6), "recorded %s is not what the bucket allows", want->str);
        flow_check(run, label, strcmp(got->str, from_rest) == 0, "%s, a live kernel gives %s", got->str, from_rest);
    } else {
        flow_check(run, label, flow && strcmp(got->str, want->str) == 0, "%s, recorded %s", got->str, want->str);
    }
    flow_world_free(world);
}

void
facts_reject(FlowRun *run)
{
    flow_facts(run, "ipv6-reject", check_ipv6);
    flow_facts(run, "reject-icmp-ratelimit", check_limit);
}
