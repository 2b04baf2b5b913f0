#include "model/report/flow_json.h"

static double
seconds(SimTime t)
{
    return (double)t / SIMTIME_SEC;
}

/* Milliseconds between two instants; null if the second never came. */
static void
json_span(JsonOut *json, const char *key, SimTime from, SimTime to)
{
    json_key(json, key);
    if (to < 0)
        json_null(json);
    else
        json_num(json, (double)(to - from) / SIMTIME_MSEC);
}

static void
json_rewrites(JsonOut *json, const char *key, const FlowRewrite *list, uint32_t n)
{
    json_key(json, key);
    json_array(json);
    for (uint32_t i = 0; i < n; i++) {
        json_object(json);
        json_kv_str(json, "node", list[i].host);
        json_key(json, "from");
        json_ipport(json, list[i].from, list[i].from_port);
        json_key(json, "to");
        json_ipport(json, list[i].to, list[i].to_port);
        json_kv_str(json, "rule", list[i].rule);
        if (list[i].marked_by)
            json_kv_str(json, "markedBy", list[i].marked_by);
        if (list[i].because)
            json_kv_str(json, "because", list[i].because);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_server(JsonOut *json, const Flow *flow)
{
    json_key(json, "server");
    if (!flow->has_server) {
        json_null(json);
        return;
    }
    json_object(json);
    json_kv_str(json, "pod", flow->server_pod);
    json_kv_str(json, "node", flow->server_node);
    json_key(json, "address");
    json_ipport(json, flow->server_addr, flow->server_port);
    json_key(json, "sourceSeen");
    json_ipport(json, flow->source_seen, flow->source_seen_port);
    json_object_end(json);
}

static void
json_drops(JsonOut *json, const Flow *flow)
{
    json_key(json, "drops");
    json_array(json);
    for (uint32_t i = 0; i < flow->n_drops; i++) {
        json_object(json);
        json_kv_num(json, "at", seconds(flow->drops[i].at));
        json_kv_str(json, "host", flow->drops[i].host);
        json_kv_str(json, "reason", drop_reason_code(flow->drops[i].reason));
        json_kv_bool(json, "reject", flow->drops[i].reject);
        json_kv_str(json, "rule", flow->drops[i].rule);
        json_object_end(json);
    }
    json_array_end(json);
}

void
flow_json_members(JsonOut *json, const Flow *flow)
{
    char proto[IPPROTO_STR_SIZE];

    json_kv_str(json, "name", flow->name);
    json_kv_str(json, "from", flow->from);
    json_kv_str(json, "to", flow->to);
    json_kv_str(json, "dialed", flow->dialed);
    json_kv_str(json, "proto", ipproto_name(flow->proto, proto));
    json_kv_str(json, "outcome", flow_outcome_name(flow->outcome));
    json_kv_str(json, "reason", flow->reason);
    json_kv_str(json, "because", flow->blame);
    json_server(json, flow);
    json_key(json, "replySeen");
    if (flow->has_reply)
        json_ipport(json, flow->reply_from, flow->reply_port);
    else
        json_null(json);
    json_rewrites(json, "dnat", flow->dnat, flow->n_dnat);
    json_rewrites(json, "snat", flow->snat, flow->n_snat);
    json_drops(json, flow);
    json_key(json, "nodes");
    json_array(json);
    for (uint32_t i = 0; i < flow->n_nodes; i++)
        json_str(json, flow->nodes[i]);
    json_array_end(json);
    json_kv_num(json, "start", seconds(flow->start));
    json_span(json, "connectMs", flow->start, flow->connected_at);
    json_span(json, "durationMs", flow->start, flow->end);
    json_kv_int(json, "retransmits", flow->retransmits);
    json_kv_int(json, "crossZoneBytes", (int64_t)flow->cross_zone_bytes);
    if (flow->status)
        json_kv_int(json, "status", flow->status);
}
