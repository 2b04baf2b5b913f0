/* Reading flows.json. */

#include "tests/flow/record.h"

#include <stdio.h>
#include <string.h>

#include "model/input/doc.h"

static char *
text_of(Diags *diags, const DocNode *map, const char *key)
{
    return g_strdup(node_str(diags, map, key, NULL));
}

static void
append_strings(GPtrArray *to, const DocNode *list, const char *prefix)
{
    for (uint32_t i = 0; list && i < list->n; i++)
        g_ptr_array_add(to, g_strconcat(prefix, list->items[i]->text, NULL));
}

/* IPv6 errors met connect() while its socket was still locked (wires without latency): they were told after the next
 * SYN, beyond the recorder's 0.5 s, which calls that a timeout.  The error that did reach the client is the outcome. */
static const char *
outcome_of_error(const char *answer)
{
    if (strstr(answer, " type 1 code 0 "))
        return "net-unreachable";
    return strstr(answer, " type 3 code 0 ") ? "host-unreachable" : "refused";
}

static FlowResult *
read_result(Diags *diags, const DocNode *node)
{
    FlowResult *r = flow_result_new();
    const DocNode *server = node_map(diags, node, "server"), *tables = node_map(diags, node, "conntrack");
    const DocNode *trace = node_seq(diags, node, "trace");

    r->outcome = text_of(diags, node, "outcome");
    r->answer = text_of(diags, node, node_get(node, "icmp") ? "icmp" : "rst");
    if (strcmp(r->outcome, "timeout") == 0 && r->answer && g_str_has_prefix(r->answer, "ICMPv6 ") &&
        strstr(r->answer, " about TCP ")) {
        g_free(r->outcome);
        r->outcome = g_strdup(outcome_of_error(r->answer));
    }
    r->count = (uint32_t)node_int(diags, node, "count", 0, 0, UINT32_MAX);
    if (server) {
        r->server = g_strdup_printf("%s:%u", node_str(diags, server, "ip", ""),
                                    (unsigned)node_int(diags, server, "port", 0, 0, UINT16_MAX));
        r->server_pod = text_of(diags, server, "pod");
        r->server_where = text_of(diags, server, "where");
    }
    r->source_seen = text_of(diags, node, "server_saw_src_ip");
    r->snat = node_bool(diags, node, "snat", false);
    r->snat_ip_changed = node_bool(diags, node, "snat_ip_changed", false);
    r->client_src = text_of(diags, node, "client_src_ip");
    r->reply_from = text_of(diags, node, "client_saw_reply_from");
    r->has_trace = trace != NULL;
    append_strings(r->trace, trace, "");
    for (uint32_t i = 0; tables && i < tables->n; i++) {
        g_autofree char *prefix = g_strconcat(tables->keys[i]->text, " ", NULL);
        append_strings(r->conntrack, tables->items[i], prefix);
    }
    return r;
}

static RecordedFlow *
read_flow(Diags *diags, const DocNode *node)
{
    RecordedFlow *f = g_new0(RecordedFlow, 1);
    const DocNode *client = node_map(diags, node, "client"), *dst = node_map(diags, node, "dst");
    const DocNode *results = node_seq(diags, node, "results");

    f->id = text_of(diags, node, "id");
    f->nftables = g_strcmp0(node_str(diags, node, "mode", NULL), "nftables") == 0;
    f->client_kind = text_of(diags, client, "kind");
    f->client_name = text_of(diags, client, "name");
    f->service = text_of(diags, dst, "service");
    f->port_name = text_of(diags, dst, "port_name");
    f->kind = text_of(diags, dst, "kind");
    f->note = text_of(diags, dst, "note");
    f->ip = text_of(diags, dst, "ip");
    f->proto = text_of(diags, dst, "proto");
    f->port = (uint16_t)node_int(diags, dst, "port", 0, 0, UINT16_MAX);
    f->via = text_of(diags, node, "via");
    f->tries = (uint32_t)node_int(diags, node, "tries", 0, 0, UINT32_MAX);
    f->mode_difference = node_bool(diags, node, "mode_difference", false);
    f->results = g_ptr_array_new_with_free_func(flow_result_free);
    for (uint32_t i = 0; results && i < results->n; i++)
        g_ptr_array_add(f->results, read_result(diags, results->items[i]));
    return f;
}

static void
flow_free(gpointer flow)
{
    RecordedFlow *f = flow;

    g_free(f->id);
    g_free(f->client_kind);
    g_free(f->client_name);
    g_free(f->service);
    g_free(f->port_name);
    g_free(f->kind);
    g_free(f->note);
    g_free(f->ip);
    g_free(f->proto);
    g_free(f->via);
    g_ptr_array_unref(f->results);
    g_free(f);
}

GPtrArray *
record_load(const char *path)
{
    Diags *diags = diags_new();
    DocReader *reader = doc_reader_open(diags, path);
    GPtrArray *flows = NULL;
    DocNode *root = reader ? doc_reader_next(reader) : NULL;
    const DocNode *list = root ? node_seq(diags, root, "flows") : NULL;

    if (list) {
        flows = g_ptr_array_new_with_free_func(flow_free);
        for (uint32_t i = 0; i < list->n; i++)
            g_ptr_array_add(flows, read_flow(diags, list->items[i]));
    }
    if (diags_errors(diags)) {
        diags_print(diags, stdout, DIAG_ERROR);
        g_clear_pointer(&flows, g_ptr_array_unref);
    }
    if (reader)
        doc_reader_free(reader);
    diags_free(diags);
    return flows;
}

FlowResult *
flow_result_new(void)
{
    FlowResult *r = g_new0(FlowResult, 1);

    r->trace = g_ptr_array_new_with_free_func(g_free);
    r->conntrack = g_ptr_array_new_with_free_func(g_free);
    return r;
}

void
flow_result_free(gpointer result)
{
    FlowResult *r = result;

    g_free(r->outcome);
    g_free(r->server);
    g_free(r->server_pod);
    g_free(r->server_where);
    g_free(r->source_seen);
    g_free(r->client_src);
    g_free(r->reply_from);
    g_free(r->answer);
    g_ptr_array_unref(r->trace);
    g_ptr_array_unref(r->conntrack);
    g_free(r);
}
