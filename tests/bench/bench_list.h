#ifndef TESTS_BENCH_BENCH_LIST_H
#define TESTS_BENCH_BENCH_LIST_H

/* The list that `kubectl get nodes,services,endpointslices -A -o yaml` (or json) prints of a large cluster
 *
 * With the metadata that real objects carry, in kubectl's layout: 470 bytes of YAML or 1,000 of JSON an endpoint. */

#include "tests/bench/bench.h"

typedef struct {
    GString *out;
    bool json;
    uint32_t depth;
    bool first[16]; /* JSON: no comma yet; YAML: the entry goes on a line that has its dash already. */
    bool dash;
} ListWriter;

static inline void
list_lead(ListWriter *w, const char *key)
{
    if (w->json) {
        g_string_append(w->out, w->first[w->depth] ? "\n" : ",\n");
        for (uint32_t i = 0; i < w->depth; i++)
            g_string_append(w->out, "    ");
        if (key)
            g_string_append_printf(w->out, "\"%s\": ", key);
    } else if (key) {
        for (uint32_t i = 1; !w->dash && i < w->depth; i++)
            g_string_append(w->out, "  ");
        g_string_append_printf(w->out, "%s:", key);
    } else {
        for (uint32_t i = 1; i < w->depth; i++)
            g_string_append(w->out, "  ");
        g_string_append(w->out, "- ");
    }
    w->dash = !w->json && !key;
    w->first[w->depth] = false;
}

/* A value; 'quoted': a text, and in YAML one that needs quotes if 'quoted' is 2. */
static inline void
list_put(ListWriter *w, const char *key, const char *text, int quoted)
{
    const char *quote = quoted && (w->json || quoted == 2) ? "\"" : "";

    list_lead(w, key);
    w->dash = false;
    g_string_append_printf(w->out, "%s%s%s%s", !w->json && key ? " " : "", quote, text, quote);
    if (!w->json)
        g_string_append_c(w->out, '\n');
}

/* kubectl indents the entries of a list as its key: a list is no level of YAML. */
static inline void
list_open(ListWriter *w, const char *key, char bracket)
{
    list_lead(w, key);
    if (w->json)
        g_string_append_c(w->out, bracket);
    else if (key)
        g_string_append_c(w->out, '\n');
    if (w->json || bracket == '{')
        w->depth++;
    w->first[w->depth] = true;
}

static inline void
list_close(ListWriter *w, char bracket)
{
    if (w->json || bracket == '}')
        w->depth--;
    if (!w->json)
        return;
    g_string_append_c(w->out, '\n');
    for (uint32_t i = 0; i < w->depth; i++)
        g_string_append(w->out, "    ");
    g_string_append_c(w->out, bracket);
}

static inline void list_text(ListWriter *w, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);
static inline void
list_text(ListWriter *w, const char *key, const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    g_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    list_put(w, key, text, strspn(text, "0123456789") == strlen(text) || g_str_has_prefix(text, "2026-") ? 2 : 1);
}

static inline void
list_meta(ListWriter *w, const char *ns, const char *name, uint32_t i, const char *service)
{
    list_open(w, "metadata", '{');
    list_open(w, "annotations", '{');
    list_text(w, service ? "endpoints.kubernetes.io/last-change-trigger-time" : "meta.helm.sh/release-name", "%s",
              service ? "2026-01-02T03:04:05Z" : name);
    list_close(w, '}');
    list_text(w, "creationTimestamp", "2026-01-02T03:04:05Z");
    if (service) {
        list_text(w, "generateName", "%s-", service);
        list_put(w, "generation", "3", 0);
    }
    list_open(w, "labels", '{');
    list_text(w, "app.kubernetes.io/instance", "%s", service ? service : name);
    list_text(w, "app.kubernetes.io/managed-by", "Helm");
    list_text(w, "app.kubernetes.io/name", "web");
    if (service) {
        list_text(w, "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io");
        list_text(w, "kubernetes.io/service-name", "%s", service);
    }
    list_close(w, '}');
    list_text(w, "name", "%s", name);
    list_text(w, "namespace", "%s", ns);
    if (service) {
        list_open(w, "ownerReferences", '[');
        list_open(w, NULL, '{');
        list_text(w, "apiVersion", "v1");
        list_put(w, "blockOwnerDeletion", "true", 0);
        list_put(w, "controller", "true", 0);
        list_text(w, "kind", "Service");
        list_text(w, "name", "%s", service);
        list_text(w, "uid", "%08x-1234-4abc-8def-0123456789ab", i);
        list_close(w, '}');
        list_close(w, ']');
    }
    list_text(w, "resourceVersion", "%u", 1000 + i);
    list_text(w, "uid", "%08x-1234-4abc-8def-%s", i, service ? "ba9876543210" : "0123456789ab");
    list_close(w, '}');
}

static inline void
list_service(ListWriter *w, uint32_t i)
{
    char ns[16], name[16], ip[24];

    g_snprintf(ns, sizeof ns, "ns%u", i % 100);
    g_snprintf(name, sizeof name, "svc-%u", i);
    g_snprintf(ip, sizeof ip, "10.%u.%u.%u", 96 + (i >> 16), i >> 8 & 255, i & 255);
    list_open(w, NULL, '{');
    list_text(w, "apiVersion", "v1");
    list_text(w, "kind", "Service");
    list_meta(w, ns, name, i, NULL);
    list_open(w, "spec", '{');
    list_text(w, "clusterIP", "%s", ip);
    list_open(w, "clusterIPs", '[');
    list_text(w, NULL, "%s", ip);
    list_close(w, ']');
    list_text(w, "internalTrafficPolicy", "Cluster");
    list_open(w, "ipFamilies", '[');
    list_text(w, NULL, "IPv4");
    list_close(w, ']');
    list_text(w, "ipFamilyPolicy", "SingleStack");
    list_open(w, "ports", '[');
    list_open(w, NULL, '{');
    list_text(w, "name", "http");
    list_put(w, "port", "80", 0);
    list_text(w, "protocol", "TCP");
    list_put(w, "targetPort", "8080", 0);
    list_close(w, '}');
    list_close(w, ']');
    list_open(w, "selector", '{');
    list_text(w, "app.kubernetes.io/instance", "%s", name);
    list_text(w, "app.kubernetes.io/name", "web");
    list_close(w, '}');
    list_text(w, "sessionAffinity", "None");
    list_text(w, "type", "ClusterIP");
    list_close(w, '}');
    list_open(w, "status", '{');
    list_open(w, "loadBalancer", '{');
    list_text(w, "note", "none");
    list_close(w, '}');
    list_close(w, '}');
    list_close(w, '}');
}

static inline void
list_slice(ListWriter *w, uint32_t i, uint32_t n_endpoints, uint32_t n_nodes)
{
    char ns[16], name[32], service[16];

    g_snprintf(ns, sizeof ns, "ns%u", i % 100);
    g_snprintf(service, sizeof service, "svc-%u", i);
    g_snprintf(name, sizeof name, "svc-%u-x7k2p", i);
    list_open(w, NULL, '{');
    list_text(w, "addressType", "IPv4");
    list_text(w, "apiVersion", "discovery.k8s.io/v1");
    list_open(w, "endpoints", '[');
    for (uint32_t e = 0; e < n_endpoints; e++) {
        uint32_t n = (i - 1) * n_endpoints + e, node = n % n_nodes;
        list_open(w, NULL, '{');
        list_open(w, "addresses", '[');
        list_text(w, NULL, "10.%u.%u.%u", 128 + node / 256, node % 256, n / n_nodes % 250 + 2);
        list_close(w, ']');
        list_open(w, "conditions", '{');
        list_put(w, "ready", "true", 0);
        list_put(w, "serving", "true", 0);
        list_put(w, "terminating", "false", 0);
        list_close(w, '}');
        list_text(w, "nodeName", "node-%u", node);
        list_open(w, "targetRef", '{');
        list_text(w, "kind", "Pod");
        list_text(w, "name", "%s-7d4b9c6f5-%05x", service, n);
        list_text(w, "namespace", "%s", ns);
        list_text(w, "uid", "%08x-89ab-4cde-8f01-23456789abcd", n);
        list_close(w, '}');
        list_text(w, "zone", "eu-west-1%c", 'a' + (char)(node % 3));
        list_close(w, '}');
    }
    list_close(w, ']');
    list_text(w, "kind", "EndpointSlice");
    list_meta(w, ns, name, i, service);
    list_open(w, "ports", '[');
    list_open(w, NULL, '{');
    list_text(w, "name", "http");
    list_put(w, "port", "8080", 0);
    list_text(w, "protocol", "TCP");
    list_close(w, '}');
    list_close(w, ']');
    list_close(w, '}');
}

static inline void
list_node(ListWriter *w, uint32_t i)
{
    list_open(w, NULL, '{');
    list_text(w, "apiVersion", "v1");
    list_text(w, "kind", "Node");
    list_open(w, "metadata", '{');
    list_open(w, "labels", '{');
    list_text(w, "kubernetes.io/hostname", "node-%u", i);
    list_text(w, "topology.kubernetes.io/zone", "eu-west-1%c", 'a' + (char)(i % 3));
    list_close(w, '}');
    list_text(w, "name", "node-%u", i);
    list_close(w, '}');
    list_open(w, "spec", '{');
    list_text(w, "podCIDR", "10.%u.%u.0/24", 128 + i / 256, i % 256);
    list_close(w, '}');
    list_open(w, "status", '{');
    list_open(w, "addresses", '[');
    list_open(w, NULL, '{');
    list_text(w, "address", "172.%u.%u.%u", 16 + i / 60000, i / 250 % 240, 2 + i % 250);
    list_text(w, "type", "InternalIP");
    list_close(w, '}');
    list_close(w, ']');
    list_close(w, '}');
    list_close(w, '}');
}

/* Nodes are named node-0 and so on, in three zones, each with a /24 of 250 pods at most; Services svc-1 and so on, in a
 * hundred namespaces. */
static inline GString *
bench_list(bool json, uint32_t n_nodes, uint32_t n_services, uint32_t n_endpoints)
{
    ListWriter w = {.out = g_string_sized_new((gsize)n_services * n_endpoints * 500 + 4096), .json = json};

    if (json)
        g_string_append_c(w.out, '{');
    w.depth = 1;
    w.first[1] = true;
    list_text(&w, "apiVersion", "v1");
    list_open(&w, "items", '[');
    for (uint32_t i = 0; i < n_nodes; i++)
        list_node(&w, i);
    for (uint32_t i = 1; i <= n_services; i++)
        list_service(&w, i);
    for (uint32_t i = 1; i <= n_services; i++)
        list_slice(&w, i, n_endpoints, n_nodes);
    list_close(&w, ']');
    list_text(&w, "kind", "List");
    if (json)
        g_string_append(w.out, "\n}\n");
    return w.out;
}

#endif
