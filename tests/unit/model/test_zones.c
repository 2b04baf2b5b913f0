/* Networks beyond the recorded one: zones further apart, pod traffic in VXLAN */

#include "model/control/control.h"
#include "model/report/trace_run.h"
#include "tests/unit/test.h"

static const char objects[] =
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: a1, labels: {topology.kubernetes.io/zone: a}}\n"
    "spec: {podCIDR: 10.244.0.0/24}\nstatus: {addresses: [{type: InternalIP, address: 192.168.49.2}]}\n"
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: a2, labels: {topology.kubernetes.io/zone: a}}\n"
    "spec: {podCIDR: 10.244.1.0/24}\nstatus: {addresses: [{type: InternalIP, address: 192.168.49.3}]}\n"
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: b1, labels: {topology.kubernetes.io/zone: b}}\n"
    "spec: {podCIDR: 10.244.2.0/24}\nstatus: {addresses: [{type: InternalIP, address: 192.168.49.4}]}\n"
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: client, namespace: default}\nspec: {nodeName: a1, containers: "
    "[{name: c}]}\n"
    "status: {podIP: 10.244.0.5}\n"
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: near, namespace: default}\n"
    "spec: {nodeName: a2, containers: [{name: c, ports: [{containerPort: 80}]}]}\nstatus: {podIP: 10.244.1.5}\n"
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: far, namespace: default}\n"
    "spec: {nodeName: b1, containers: [{name: c, ports: [{containerPort: 80}]}]}\nstatus: {podIP: 10.244.2.5}\n";

typedef struct {
    Input *input;
    Cluster *cluster;
} World;

static World
world_new(const char *network, const char *kernel)
{
    g_autofree char *yaml = g_strdup_printf("apiVersion: svcsim/v1\nkind: Cluster\nspec: {network: {kind: %s, "
                                            "latency: {node: 200us, zone: 2ms}}, kernel: {%s}}\n%s",
                                            network, kernel, objects);
    World w = {.input = input_load_text("zones.yaml", yaml)};

    T_EQ_U64(diags_errors(w.input->diags), 0);
    control_fill(w.input);
    w.cluster = cluster_new(w.input, &(ClusterOptions){.seed = 1});
    return w;
}

static void
world_free(World *w)
{
    cluster_free(w->cluster);
    input_free(w->input);
}

/* Time of the handshake from the client pod, in microseconds; -1: it failed. */
static int64_t
handshake_us(World *w, const char *to)
{
    Who who;
    Where where;
    TraceAnswer answer;
    char *error = NULL;
    int64_t us = -1;

    T_TRUE(who_parse(w->cluster, "pod/client", &who, &error));
    T_TRUE(where_parse(w->cluster, to, &who, NULL, FAMILY_IPV4, IPPROTO_TCP_, &where, &error));
    trace_connection(w->cluster, &(TraceQuestion){.from = &who, .to = &where}, &answer);
    if (answer.n_outcomes == 1 && answer.outcomes[0].flow->outcome == FLOW_CONNECTED)
        us = (answer.outcomes[0].flow->connected_at - answer.outcomes[0].flow->start) / SIMTIME_USEC;
    trace_answer_clear(&answer);
    who_clear(&who);
    where_clear(&where);
    return us;
}

static void
test_distance(void)
{
    World w = world_new("cloud", "");

    /* There and back: two node distances, or two zone distances, and four veth crossings of 10 us. */
    T_EQ_I64(handshake_us(&w, "pod/near"), 2 * 200 + 40);
    T_EQ_I64(handshake_us(&w, "pod/far"), 2 * 2000 + 40);
    world_free(&w);
}

static void
test_vxlan(void)
{
    World w = world_new("vxlan", "");
    ClusterNode *a1 = cluster_node(w.cluster, "a1");

    T_TRUE(handshake_us(&w, "pod/near") > 0);
    T_TRUE(handshake_us(&w, "pod/far") > 0);
    T_TRUE(netdev_stats(host_dev(a1->host, "flannel.1"))->tx_packets > 0);
    T_EQ_U64(netdev_mtu(host_dev(a1->host, "flannel.1")), 1450);
    world_free(&w);
}

static void
test_forward_policy(void)
{
    static const char *const kernels[] = {"forwardPolicy: ACCEPT", "forwardPolicy: DROP"};

    for (int drop = 0; drop < 2; drop++)
        for (int nft = 0; nft < 2; nft++) {
            World w = world_new("routed", kernels[drop]);
            cluster_free(w.cluster);
            input_set_mode(w.input, nft ? PROXY_NFTABLES : PROXY_IPTABLES);
            w.cluster = cluster_new(w.input, &(ClusterOptions){.seed = 1});
            T_EQ_I64(handshake_us(&w, "pod/near") > 0, !drop);
            world_free(&w);
        }
}

const TestSuite suite_zones = {"model/zones",
                               {{"zones are further apart than nodes of one zone", test_distance},
                                {"pod traffic between nodes is wrapped in VXLAN", test_vxlan},
                                {"policy DROP of FORWARD stops pods in both modes", test_forward_policy}}};
