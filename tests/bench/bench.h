#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

/* What the benches share: CPU time of the process, medians, a generated cluster, memory in use */

#include <glib.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double
bench_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int
bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double
bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, bench_compare);
    return values[n / 2];
}

/* Bytes that the heap has handed out now. */
static inline double
bench_heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return (double)info.uordblks + (double)info.hblkhd;
}

/* A kubectl-like list: nodes in 10.0.0.0/8 with a /24 of pods each, Services with 'endpoints' pods spread over the
 * nodes. */
typedef struct {
    uint32_t nodes, services, endpoints, clients;
    const char *network; /* "routed" or "bridge". */
    const char *mode;    /* "iptables" or "nftables". */
    bool no_apps;        /* Pods without applications. */
    bool udp_only;       /* Services with one port, 81/UDP, instead of that and 80/TCP. */
} BenchCluster;

static inline void
bench_pod_ip(const BenchCluster *c, uint32_t pod, uint32_t *node, char *text, size_t size)
{
    *node = pod % c->nodes;
    g_snprintf(text, size, "10.%u.%u.%u", 64 + *node / 256, *node % 256, 2 + pod / c->nodes);
}

static inline GString *
bench_cluster_yaml(const BenchCluster *c)
{
    const char *tcp = c->udp_only ? "" : "{name: p, port: 80, protocol: TCP}, ";
    const char *tcp_target = c->udp_only ? "" : "{name: p, port: 8080, protocol: TCP}, ";
    GString *out = g_string_new(NULL);

    g_string_append_printf(out,
                           "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: %s\n"
                           "clusterCIDR: 10.64.0.0/10\n---\n"
                           "apiVersion: svcsim/v1\nkind: Cluster\nspec:\n  network: {kind: %s, latency: {node: 20us, "
                           "client: 10us}}\n  clients:\n",
                           c->mode, c->network);
    for (uint32_t i = 0; i < MAX(c->clients, 1); i++)
        g_string_append_printf(out, "  - {name: c%u, addresses: [198.%u.%u.%u]}\n", i, 18 + i / 60000, i % 60000 / 250,
                               2 + i % 250);
    for (uint32_t i = 0; i < c->nodes; i++)
        g_string_append_printf(
            out,
            "---\napiVersion: v1\nkind: Node\nmetadata: {name: node-%u}\nspec: {podCIDR: 10.%u.%u.0/24}\n"
            "status: {addresses: [{type: InternalIP, address: 172.%u.%u.%u}]}\n",
            i, 64 + i / 256, i % 256, 16 + i / 60000, i / 250 % 240, 2 + i % 250);
    for (uint32_t s = 0; s < c->services; s++) {
        g_string_append_printf(
            out,
            "---\napiVersion: v1\nkind: Service\nmetadata: {name: svc-%u, namespace: default}\n"
            "spec:\n  clusterIP: 10.%u.%u.%u\n  ports: [%s{name: u, port: 81, protocol: UDP}]\n---\napiVersion: "
            "discovery.k8s.io/v1\nkind: EndpointSlice\n"
            "metadata: {name: svc-%u-x, namespace: default, labels: {kubernetes.io/service-name: svc-%u}}\n"
            "addressType: IPv4\nports: [%s{name: u, port: 8081, protocol: UDP}]\nendpoints:\n",
            s, 128 + s / 62500, s / 250 % 250, 2 + s % 250, tcp, s, s, tcp_target);
        for (uint32_t e = 0; e < c->endpoints; e++) {
            uint32_t node;
            char ip[32];
            bench_pod_ip(c, s * c->endpoints + e, &node, ip, sizeof ip);
            g_string_append_printf(out, "- {addresses: [%s], nodeName: node-%u, conditions: {ready: true}}\n", ip,
                                   node);
        }
    }
    return out;
}

#endif
