#ifndef TESTS_UNIT_MODEL_CLOUD_WORLD_H
#define TESTS_UNIT_MODEL_CLOUD_WORLD_H

/* Three nodes, pods web-a on n1 and web-b on n2, a LoadBalancer Service, a client, and a load balancer by its fields */

#include <string.h>

#include "model/cloud/lb.h"
#include "model/control/control.h"
#include "model/network/node_proxy.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

typedef struct {
    Input *input;
    Cluster *cluster;
    Cloud *cloud;
    GString *story;
    uint64_t flow; /* Of the last request: probes have others. */
} CloudWorld;

static inline void
cloud_world_tell(void *user, const char *text)
{
    CloudWorld *w = user;
    char at[SIMTIME_STR_SIZE];

    g_string_append_printf(w->story, "%s %s\n", simtime_format(cluster_sim(w->cluster)->now, at), text);
}

static inline CloudWorld *
cloud_world_new(const char *policy, const char *balancer, const char *extra)
{
    CloudWorld *w = g_new0(CloudWorld, 1);
    g_autofree char *text =
        g_strdup_printf("apiVersion: svcsim/v1\nkind: Cluster\nspec:\n  network: {kind: bridge}\n"
                        "  clients: [{name: laptop, address: 198.51.100.7}, {name: phone, address: 198.51.100.8}]\n"
                        "  loadBalancer: %s\n"
                        "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDR: 10.244.0.0/24}\n"
                        "status: {addresses: [{type: InternalIP, address: 192.168.49.2}]}\n"
                        "---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nspec: {podCIDR: 10.244.1.0/24}\n"
                        "status: {addresses: [{type: InternalIP, address: 192.168.49.3}]}\n"
                        "---\napiVersion: v1\nkind: Node\nmetadata: {name: n3}\nspec: {podCIDR: 10.244.2.0/24}\n"
                        "status: {addresses: [{type: InternalIP, address: 192.168.49.4}]}\n"
                        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web-a, labels: {app: web}}\n"
                        "spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}\n"
                        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web-b, labels: {app: web}}\n"
                        "spec: {nodeName: n2, containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}\n"
                        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
                        "spec: {type: LoadBalancer, externalTrafficPolicy: %s, selector: {app: web},\n"
                        "  ports: [{port: 80, targetPort: 8080}]}\n%s",
                        balancer, policy, extra ? extra : "");

    w->story = g_string_new(NULL);
    w->input = input_load_text("world.yaml", text);
    control_fill(w->input);
    if (diags_errors(w->input->diags) > 0) {
        diags_print(w->input->diags, stderr, DIAG_ERROR);
        g_assert_not_reached();
    }
    w->cluster = cluster_new(w->input, &(ClusterOptions){.seed = 7});
    cluster_set_storyteller(w->cluster, cloud_world_tell, w);
    w->cloud = cloud_new(w->cluster);
    return w;
}

static inline void
cloud_world_free(CloudWorld *w)
{
    cloud_free(w->cloud);
    cluster_free(w->cluster);
    input_free(w->input);
    g_string_free(w->story, TRUE);
    g_free(w);
}

static inline void
cloud_world_run(CloudWorld *w, double seconds)
{
    sim_run_until(cluster_sim(w->cluster), (SimTime)(seconds * 1e9));
}

static inline IpAddr
cloud_world_vip(const CloudWorld *w)
{
    IpAddr addr = IPADDR_ANY4;

    lb_address(cloud_lb(w->cloud, "default", "web"), FAMILY_IPV4, &addr);
    return addr;
}

static inline LbTargetState
cloud_world_state(const CloudWorld *w, const char *target)
{
    size_t n;
    g_autofree LbTargetInfo *list = lb_targets(cloud_lb(w->cloud, "default", "web"), &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, target) == 0)
            return list[i].state;
    return LB_TARGET_GONE;
}

/* One request from a client and what came of it. */
typedef struct {
    bool done, ok;
    int status;
    SocketError error;
    char body[512];
    char headers[512];
} Asked;

static inline void
asked_done(HttpClient *client, const HttpResult *result, void *user)
{
    static const char *const names[] = {"Content-Type", "X-Content-Type-Options", "X-Load-Balancing-Endpoint-Weight",
                                        "Content-Length"};
    Asked *asked = user;

    (void)client;
    asked->done = true;
    asked->ok = result->ok;
    asked->status = result->status;
    asked->error = result->error;
    for (size_t i = 0; result->ok && i < G_N_ELEMENTS(names); i++) {
        const char *value = result->header(result->response, names[i]);
        g_strlcat(asked->headers, names[i], sizeof asked->headers);
        g_strlcat(asked->headers, ": ", sizeof asked->headers);
        g_strlcat(asked->headers, value ? value : "-", sizeof asked->headers);
        g_strlcat(asked->headers, "\n", sizeof asked->headers);
    }
    if (result->ok)
        g_strlcpy(asked->body, result->body ? result->body : "", MIN(sizeof asked->body, result->body_size + 1));
}

static inline void
cloud_world_ask(CloudWorld *w, const char *client, IpAddr to, uint16_t port, const char *path, Asked *ret_asked)
{
    HttpClientOptions options = {.path = path, .timeout = 3 * SIMTIME_SEC, .socket.flow = ++w->flow};
    Sim *sim = cluster_sim(w->cluster);

    memset(ret_asked, 0, sizeof *ret_asked);
    http_client_get(cluster_client(w->cluster, client)->host, to, port, &options, asked_done, ret_asked);
    sim_run_until(sim, sim->now + 4 * SIMTIME_SEC);
}

/* Source addresses (and destination) of first segments as they reach pods. */
typedef struct {
    TraceSink sink;
    CloudWorld *w;
    IpAddr source, dst, reply_via_lb;
    uint32_t n_pod_syns, n_lb_replies, n_lb_drops;
    DropReason drop;
} PodView;

static inline void
pod_view_record(TraceSink *sink, const TraceRecord *r)
{
    PodView *view = (PodView *)sink;
    bool on_lb = r->host && g_str_has_prefix(host_name(r->host), "lb/");

    if (r->kind == TRACE_DROP && on_lb) {
        view->n_lb_drops++;
        view->drop = r->drop.reason;
    }
    if (r->kind == TRACE_NAT && on_lb && r->nat.undo)
        view->n_lb_replies++;
    if (r->kind == TRACE_DELIVER && r->pkt->flow == view->w->flow && r->pkt->proto == IPPROTO_TCP_ &&
        r->pkt->dport == 8080 && (r->pkt->tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        view->n_pod_syns++;
        view->source = r->pkt->src;
        view->dst = r->pkt->dst;
    }
}

static inline void
pod_view_init(PodView *view, CloudWorld *w)
{
    memset(view, 0, sizeof *view);
    view->w = w;
    view->sink.mask = TRACE_BIT(TRACE_DELIVER) | TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_NAT);
    view->sink.record = pod_view_record;
    trace_add_sink(cluster_sim(w->cluster), &view->sink);
}

static inline bool
addr_is(IpAddr addr, const char *text)
{
    IpAddr want;
    char buf[IPADDR_STR_SIZE];
    bool same = ipaddr_parse(text, &want) && ipaddr_eq(addr, want);

    if (!same)
        printf("    address is %s, expected %s\n", ipaddr_format(addr, buf), text);
    return same;
}

#endif
