#include "model/report/trace_text.h"

#include <string.h>

#include "model/network/node_proxy.h"
#include "model/report/flow_json.h"
#include "model/report/text_layout.h"
#include "model/report/trace_packet_text.h"
#include "model/report/walk_text.h"
#include "sim/netfilter/nf_text.h"

/* --- The question
 * --------------------------------------------------------------------------------------------------------- */

static const char *
verb_of(uint8_t proto)
{
    return proto == IPPROTO_UDP_ ? "sends a datagram to" : proto == IPPROTO_SCTP_ ? "associates with" : "connects to";
}

static void
print_question(GString *out, const Cluster *cluster, const TraceQuestion *q, const Flow *flow)
{
    const Who *from = q->from;
    const Where *to = q->to;
    char addr[IPPORT_STR_SIZE], name[256], proto[IPPROTO_STR_SIZE];
    const char *known;

    g_string_append(out, from->text);
    if (flow->client_port)
        g_string_append_printf(out, " [%s", ipaddr_format(flow->client_addr, addr));
    else
        g_string_append(out, " [no source address");
    if (from->kind == WHO_POD)
        g_string_append_printf(out, ", on node %s", from->node->name);
    g_string_append_printf(out, "] %s ", verb_of(to->proto));
    if (to->dns_name) {
        g_string_append_printf(out, "%s [%s]", to->text, flow->dialed ? flow->dialed : "not resolved");
    } else {
        known = cluster_name_addr(cluster, to->addr, name, sizeof name);
        g_string_append_printf(out, "%s [%s/%s]", known ? known : to->text, ipport_format(to->addr, to->port, addr),
                               ipproto_name(to->proto, proto));
    }
    if (q->via)
        g_string_append_printf(out, ", which the outside routes to node %s", q->via->name);
    g_string_append_c(out, '\n');
}

/* --- The end
 * --------------------------------------------------------------------------------------------------------------- */

static const char *
describe_source(const Cluster *cluster, const Flow *flow, char *buf, size_t size)
{
    if (ipaddr_eq(flow->source_seen, flow->client_addr))
        return flow->source_seen_port == flow->client_port ? "the client's own address and port"
                                                           : "the client's own address, another port";
    if (cluster_name_addr(cluster, flow->source_seen, buf, size))
        return buf;
    for (uint32_t i = flow->n_snat; i > 0; i--)
        if (ipaddr_eq(flow->snat[i - 1].to, flow->source_seen)) {
            g_snprintf(buf, size, "an address of node %s, not the client's", flow->snat[i - 1].host);
            return buf;
        }
    return "not the client's";
}

static const char *
outcome_sentence(const Flow *flow)
{
    switch (flow->outcome) {
    case FLOW_CONNECTED:
        return flow->proto == IPPROTO_UDP_ ? "answered" : "connected";
    case FLOW_REFUSED:
        return "refused";
    case FLOW_TIMEOUT:
        return "timeout: the client hears nothing";
    case FLOW_RESET:
        return "reset";
    case FLOW_UNRESOLVED:
        return "the name does not resolve";
    case FLOW_PENDING:
        break;
    }
    return "pending";
}

static void
print_end(GString *out, const Cluster *cluster, const Flow *flow)
{
    char addr[IPPORT_STR_SIZE], other[IPPORT_STR_SIZE], name[256];

    if (flow->has_server)
        g_string_append_printf(
            out, "the server      %s%s%s [%s]%s%s\nthe server saw  %s: %s\n", flow->server_pod ? "pod " : "",
            flow->server_pod ? flow->server_pod : "", flow->server_pod ? "" : "a socket of the host",
            ipport_format(flow->server_addr, flow->server_port, addr), flow->server_node ? " on node " : "",
            flow->server_node ? flow->server_node : "", ipport_format(flow->source_seen, flow->source_seen_port, other),
            describe_source(cluster, flow, name, sizeof name));
    else
        g_string_append(out, "the server      nobody was reached\n");
    if (flow->has_reply) {
        ipport_format(flow->reply_from, flow->reply_port, addr);
        g_string_append_printf(out, "the client saw  an answer from %s%s\n", addr,
                               g_strcmp0(addr, flow->dialed) == 0 ? ", the address it dialled" : "");
    }
    g_string_append_printf(out, "the end         %s", outcome_sentence(flow));
    if (flow->status)
        g_string_append_printf(out, ", HTTP %d", flow->status);
    if (flow->reason)
        g_string_append_printf(out, " (%s)", flow->reason);
    if (flow->end >= flow->start)
        g_string_append_printf(out, ", after %.6g ms", (double)(flow->end - flow->start) / SIMTIME_MSEC);
    g_string_append_c(out, '\n');
    if (flow->blame)
        g_string_append_printf(out, "because         %s\n", flow->blame);
}

static void
print_minimal(GString *out, const TraceOutcome *o)
{
    const Flow *flow = o->flow;
    char addr[IPPORT_STR_SIZE], source[IPADDR_STR_SIZE];

    g_string_append_printf(out, "%.11g  %s", o->probability, flow_outcome_name(flow->outcome));
    if (flow->reason)
        g_string_append_printf(out, " (%s)", flow->reason);
    if (flow->has_server)
        g_string_append_printf(out, "  %s %s, source seen %s", flow->server_pod ? flow->server_pod : "host",
                               ipport_format(flow->server_addr, flow->server_port, addr),
                               ipaddr_format(flow->source_seen, source));
    if (flow->has_reply)
        g_string_append_printf(out, ", reply seen from %s", ipport_format(flow->reply_from, flow->reply_port, addr));
    g_string_append_c(out, '\n');
}

static void
print_outcome(GString *out, Cluster *cluster, const TraceOutcome *o, TraceForm form)
{
    gsize from = out->len;

    g_string_append_c(out, '\n');
    if (form == TRACE_FORM_DETAIL)
        trace_print_packets(out, cluster, o->tree, o->flow);
    else
        trace_print_hops(out, cluster, o->tree);
    print_end(out, cluster, o->flow);
    text_fold(out, from, 7);
}

void
trace_print_text(GString *out, Cluster *cluster, const TraceQuestion *question, const TraceAnswer *answer,
                 TraceForm form)
{
    print_question(out, cluster, question, answer->outcomes[0].flow);
    if (form == TRACE_FORM_AUTO)
        form = answer->n_outcomes == 1 ? TRACE_FORM_DETAIL : TRACE_FORM_SUMMARY;
    for (uint32_t i = 0; i < answer->n_outcomes; i++) {
        const TraceOutcome *o = &answer->outcomes[i];
        if (form == TRACE_FORM_MINIMAL) {
            print_minimal(out, o);
            continue;
        }
        if (answer->n_outcomes > 1)
            g_string_append_printf(out, "\n=== outcome %u of %u: probability %.11g\n", i + 1, answer->n_outcomes,
                                   o->probability);
        print_outcome(out, cluster, o, form);
    }
    if (answer->truncated)
        g_string_append_printf(out, "\nonly the first %u branches were followed\n", answer->n_branches);
    else if (form != TRACE_FORM_MINIMAL && !question->all && answer->outcomes[0].probability < 1)
        g_string_append_printf(out, "\nThis is one of several outcomes, of probability %.4g: --all shows them all.\n",
                               answer->outcomes[0].probability);
}

/* --- JSON
 * ----------------------------------------------------------------------------------------------------------------- */

void
trace_print_json(GString *out, const TraceAnswer *answer)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_key(&json, "outcomes");
    json_array(&json);
    for (uint32_t i = 0; i < answer->n_outcomes; i++) {
        const TraceOutcome *o = &answer->outcomes[i];
        json_object(&json);
        json_kv_num(&json, "probability", o->probability);
        flow_json_members(&json, o->flow);
        json_key(&json, "path");
        json_array(&json);
        for (uint32_t j = 0; j < o->n_path; j++) {
            json_object(&json);
            json_kv_str(&json, "node", o->path[j].host);
            walk_json_step(&json, &o->path[j].step);
            json_object_end(&json);
        }
        json_array_end(&json);
        json_object_end(&json);
    }
    json_array_end(&json);
    if (answer->truncated)
        json_kv_bool(&json, "truncated", true);
    json_object_end(&json);
    json_out_done(&json);
}
