#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

#define PROXY   "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
#define CLUSTER "apiVersion: svcsim/v1\nkind: Cluster\n"
#define NODES                                                                                                          \
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: b}\n"

static Input *
load_ok(const char *text)
{
    Input *input = input_load_text("t", text);
    char *got = said(input->diags, DIAG_WARNING);
    T_EQ_STR(got, "");
    free(got);
    return input;
}

static void
test_defaults(void)
{
    Input *input = load_ok(CLUSTER "spec: {podCIDRs: [10.1.0.0/16, 'fd00::/48']}\n");
    char buf[IPPREFIX_STR_SIZE];
    T_EQ_U64(input->proxy.n_cluster_cidr, 2);
    T_EQ_STR(ipprefix_format(input->proxy.cluster_cidr[0], buf), "10.1.0.0/16");
    T_EQ_U64(input->proxy.detect_local, DETECT_CLUSTER_CIDR);
    T_EQ_STR(ipprefix_format(input->cluster.service_cidrs[0], buf), "10.96.0.0/12");
    T_EQ_U64(input->cluster.version.minor, 34);
    T_EQ_U64(input->cluster.network.mtu, 1500);
    T_TRUE(input->cluster.kernel.random_fully && input->cluster.kernel.n_nfacct == 1);
    T_EQ_U64(input->proxy.masquerade_bit, 14);
    T_EQ_I64(input->proxy.min_sync_period, SIMTIME_SEC);
    T_TRUE(input->proxy.localhost_node_ports && !input->proxy.masquerade_all);
    input_free(input);
}

static void
test_proxy(void)
{
    Input *input = load_ok(PROXY "mode: nftables\nclusterCIDR: \"10.244.0.0/16,fd00::/48\"\n"
                                 "nodePortAddresses: [primary]\nmetricsBindAddress: 127.0.0.1:10249\n"
                                 "iptables: {masqueradeAll: true, masqueradeBit: 3, minSyncPeriod: 2s}\n"
                                 "nftables: {syncPeriod: 15s, minSyncPeriod: 0s}\n"
                                 "ipvs: {scheduler: sh, strictARP: true, excludeCIDRs: [10.9.0.0/16]}\n"
                                 "conntrack: {tcpEstablishedTimeout: 1h, maxPerCore: 0, tcpBeLiberal: true}\n");
    ProxyConfig proxy = input->proxy;
    T_EQ_U64(proxy.mode, PROXY_NFTABLES);
    T_TRUE(!proxy.masquerade_all && proxy.masquerade_bit == 14 && proxy.min_sync_period == 0);
    T_TRUE(proxy.node_port_primary && proxy.n_node_port_addresses == 0);
    T_EQ_I64(proxy.sync_period, 15 * SIMTIME_SEC);
    T_EQ_I64(proxy.ct_tcp_established, 3600 * SIMTIME_SEC);
    T_TRUE(proxy.ct_tcp_be_liberal && proxy.ct_max_per_core == 0 && proxy.ipvs_strict_arp);
    T_EQ_STR(proxy.ipvs_scheduler, "sh");
    proxy_config_set_mode(&proxy, PROXY_IPTABLES);
    T_TRUE(proxy.masquerade_all && proxy.masquerade_bit == 3 && proxy.min_sync_period == 2 * SIMTIME_SEC);
    input_free(input);
    /* As kubeadm writes it: empty texts are defaults; no clusterCIDR means no detector. */
    input = load_ok(PROXY "mode: \"\"\nclusterCIDR: \"\"\ndetectLocalMode: \"\"\nnodePortAddresses: null\n"
                          "iptables: {masqueradeBit: null, syncPeriod: 0s}\n");
    T_EQ_U64(input->proxy.mode, PROXY_IPTABLES);
    T_EQ_U64(input->proxy.detect_local, DETECT_NONE);
    T_EQ_I64(input->proxy.sync_period, 30 * SIMTIME_SEC);
    input_free(input);
}

static void
test_per_node(void)
{
    Input *input = load_ok(CLUSTER "spec:\n  kubernetesVersion: \"1.33\"\n"
                                   "  kernel: {sysctls: {net.ipv4.ip_forward: 1, a.b: 1}}\n"
                                   "  nodes:\n"
                                   "  - name: a\n    kubernetesVersion: 1.30.3\n    cpu: 1500m\n"
                                   "    kernel: {randomFully: false, sysctls: {a.b: 2}}\n"
                                   "    kubeProxy: {mode: ipvs}\n"
                                   "    interfaces: [{name: eth1, addresses: [192.0.2.5/24]}]\n" NODES "---\n" PROXY
                                   "clusterCIDR: 10.244.0.0/16\nmode: nftables\n");
    T_EQ_U64(input_version_of(input, "a").minor, 30);
    T_EQ_U64(input_version_of(input, "b").minor, 33);
    T_EQ_U64(input_proxy_of(input, "a")->mode, PROXY_IPVS);
    T_EQ_U64(input_proxy_of(input, "a")->n_cluster_cidr, 1);
    T_EQ_U64(input_proxy_of(input, "b")->mode, PROXY_NFTABLES);
    const KernelSpec *kernel = input_kernel_of(input, "a");
    T_TRUE(!kernel->random_fully && kernel->n_sysctls == 2 && input_kernel_of(input, "b")->random_fully);
    T_EQ_STR(kernel->sysctls[1].value, "2");
    T_EQ_I64(input_node_spec(input, "a")->cpu_milli, 1500);
    T_TRUE(input_node_spec(input, "b") == NULL);
    input_free(input);
}

static void
test_scenario(void)
{
    Input *input =
        load_ok(CLUSTER "spec: {clients: [{name: laptop, address: 203.0.113.7}]}\n" NODES
                        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n---\n"
                        "apiVersion: svcsim/v1\nkind: Scenario\nspec:\n  seed: 7\n  duration: 60s\n  steps:\n"
                        "  - {at: 9s, patch: {service: web, spec: {internalTrafficPolicy: Local}}}\n"
                        "  - {at: 1s, connect: {from: client/laptop, to: service/web:80/tcp, name: first}}\n"
                        "  - {at: 1s, connect: {from: 203.0.113.7, to: web.default.svc.cluster.local:80}}\n"
                        "  - {at: 2s, load: {from: client/laptop, to: service/web, rate: 600/m, for: 30s}}\n"
                        "  - {at: 20s, fail: {node: b, for: 5s}}\n"
                        "  capture: [{at: node/a, interface: eth0}]\n"
                        "  expect:\n  - {flow: first, outcome: connected, snat: true}\n  - {load: \"*\", lost: 0}\n");
    const ScenarioSpec *s = &input->scenario;
    T_EQ_U64(s->n_steps, 6);
    T_EQ_STR(s->steps[0].name, "first");
    T_EQ_STR(s->steps[1].name, "connect-2");
    T_TRUE(s->steps[2].rate == 10.0);
    T_EQ_U64(s->steps[3].verb, STEP_PATCH);
    T_TRUE(s->steps[3].kind == KIND_SERVICE && s->steps[3].body->n == 1);
    T_EQ_STR(s->steps[4].target, "node/b");
    T_EQ_U64(s->steps[5].verb, STEP_RECOVER); /* After "for". */
    T_EQ_STR(s->steps[5].target, "node/b");
    T_EQ_I64(s->steps[5].at, 25 * SIMTIME_SEC);
    T_EQ_STR(s->expects[0].text, "flow: first, outcome: connected, snat: true");
    T_EQ_STR(s->expects[1].pattern, "*");
    input_free(input);
}

const TestSuite suite_config = {
    "model/config",
    {{"without documents the defaults stand", test_defaults},
     {"KubeProxyConfiguration by its real fields", test_proxy},
     {"a node overrides the cluster field by field", test_per_node},
     {"a Scenario's steps in order of time", test_scenario}},
};
