#ifndef TESTS_UNIT_MODEL_TRACE_HELPERS_H
#define TESTS_UNIT_MODEL_TRACE_HELPERS_H

/* The recorded flows (tests/conformance/rules/CASE/flows.json), as keys that can be compared with a Flow
 *
 * The key of an end says what a client and a server see: "connected 10.244.0.10:8080 saw 10.244.0.5 reply
 * 10.96.0.1:80", or "refused", "timeout". */

#include <stdlib.h>
#include <string.h>

#include "model/control/control.h"
#include "model/report/trace_run.h"
#include "tests/unit/test.h"

typedef struct {
    Input *input;
    Cluster *cluster;
} TraceWorld;

static inline TraceWorld
trace_world(const char *name, ProxyMode mode)
{
    g_autofree char *manifests = g_strdup_printf("tests/conformance/rules/%s/manifests.yaml", name);
    g_autofree char *config = g_strdup_printf("tests/conformance/rules/%s/config.yaml", name);
    const char *const paths[] = {manifests, config};
    TraceWorld w = {.input = input_load(paths, 2)};

    control_fill(w.input);
    T_EQ_U64(diags_errors(w.input->diags), 0);
    input_set_mode(w.input, mode);
    w.cluster = cluster_new(w.input, &(ClusterOptions){.seed = 7});
    return w;
}

static inline TraceWorld
trace_world_of_text(const char *text, ProxyMode mode)
{
    TraceWorld w = {.input = input_load_text("test.yaml", text)};

    control_fill(w.input);
    T_EQ_U64(diags_errors(w.input->diags), 0);
    input_set_mode(w.input, mode);
    w.cluster = cluster_new(w.input, &(ClusterOptions){.seed = 7});
    return w;
}

static inline void
trace_world_clear(TraceWorld *w)
{
    cluster_free(w->cluster);
    input_free(w->input);
}

static inline char *
connected_key(IpAddr server, uint16_t port, IpAddr saw, const char *reply)
{
    char addr[IPPORT_STR_SIZE], source[IPADDR_STR_SIZE];

    return g_strdup_printf("connected %s saw %s reply %s", ipport_format(server, port, addr),
                           ipaddr_format(saw, source), reply);
}

static inline char *
key_of_flow(const Flow *flow)
{
    char reply[IPPORT_STR_SIZE];

    if (flow->outcome != FLOW_CONNECTED)
        return g_strdup(flow_outcome_name(flow->outcome));
    ipport_format(flow->reply_from, flow->reply_port, reply);
    return connected_key(flow->server_addr, flow->server_port, flow->source_seen, reply);
}

/* A recorded flow as a question. */
typedef struct {
    const char *id, *kind, *client, *where, *via, *mode; /* via: NULL if none. */
    const char *dst_kind;
    IpAddr dst;
    uint16_t port;
    uint8_t proto;
    GPtrArray *keys; /* Of its results. */
    int64_t tries;
} RecordedFlow;

static inline char *
key_of_result(Diags *diags, const DocNode *result)
{
    const char *outcome = node_str(diags, result, "outcome", "");
    const DocNode *server = node_map(diags, result, "server");
    IpAddr addr, saw;

    if (strcmp(outcome, "connected") != 0)
        return g_strdup(strcmp(outcome, "timeout") == 0 ? "timeout" : "refused");
    ipaddr_parse(node_str(diags, server, "ip", ""), &addr);
    ipaddr_parse(node_str(diags, result, "server_saw_src_ip", ""), &saw);
    return connected_key(addr, (uint16_t)node_int(diags, server, "port", 0, 0, 65535), saw,
                         node_str(diags, result, "client_saw_reply_from", ""));
}

static inline void
read_recorded(Diags *diags, const DocNode *node, RecordedFlow *f)
{
    const DocNode *client = node_map(diags, node, "client"), *dst = node_map(diags, node, "dst");
    const DocNode *results = node_seq(diags, node, "results");

    *f = (RecordedFlow){.id = node_str(diags, node, "id", ""),
                        .mode = node_str(diags, node, "mode", ""),
                        .via = node_str(diags, node, "via", NULL),
                        .kind = node_str(diags, client, "kind", ""),
                        .client = node_str(diags, client, "name", ""),
                        .where = node_str(diags, client, "where", ""),
                        .dst_kind = node_str(diags, dst, "kind", ""),
                        .port = (uint16_t)node_int(diags, dst, "port", 0, 0, 65535),
                        .tries = node_int(diags, node, "tries", 0, 0, 1000000),
                        .keys = g_ptr_array_new_with_free_func(g_free)};
    ipaddr_parse(node_str(diags, dst, "ip", ""), &f->dst);
    ipproto_parse(node_str(diags, dst, "proto", "TCP"), &f->proto);
    for (uint32_t i = 0; i < results->n; i++)
        g_ptr_array_add(f->keys, key_of_result(diags, results->items[i]));
}

/* Calls back for each flow of a case that was recorded in 'mode'. */
static inline uint32_t
each_recorded(const char *name, const char *mode, void (*each)(const RecordedFlow *flow, void *user), void *user)
{
    g_autofree char *path = g_strdup_printf("tests/conformance/rules/%s/flows.json", name);
    Diags *diags = diags_new();
    DocReader *reader = doc_reader_open(diags, path);
    const DocNode *root = reader ? doc_reader_next(reader) : NULL;
    const DocNode *flows = node_seq(diags, root, "flows");
    uint32_t n = 0;

    for (uint32_t i = 0; flows && i < flows->n; i++) {
        RecordedFlow f;
        read_recorded(diags, flows->items[i], &f);
        if (strcmp(f.mode, mode) == 0) {
            each(&f, user);
            n++;
        }
        g_ptr_array_unref(f.keys);
    }
    T_EQ_U64(diags_errors(diags), 0);
    if (reader)
        doc_reader_free(reader);
    diags_free(diags);
    return n;
}

#endif
