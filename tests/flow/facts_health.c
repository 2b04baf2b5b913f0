/* facts/healthcheck-nodeport.json: what kube-proxy's health servers answer, byte by byte. */

#include <string.h>

#include "model/input/doc.h"
#include "tests/flow/flow.h"
#include "tests/flow/world.h"

typedef struct {
    bool done, ok;
    int status;
    GString *text; /* "Header: value\n" of those asked for, then the body. */
    const DocNode *headers;
} Answer;

static void
on_answer(HttpClient *client, const HttpResult *result, void *user)
{
    Answer *a = user;

    (void)client;
    a->done = true;
    a->ok = result->ok;
    a->status = result->status;
    for (uint32_t i = 0; result->ok && a->headers && i < a->headers->n; i++) {
        g_auto(GStrv) pair = g_strsplit(a->headers->items[i]->text, ": ", 2);
        const char *value = result->header(result->response, pair[0]);
        g_string_append_printf(a->text, "%s: %s\n", pair[0], value ? value : "(none)");
    }
    if (result->ok)
        g_string_append_len(a->text, result->body, (gssize)result->body_size);
}

static void
ask(FlowWorld *world, const char *node, uint16_t port, const char *path, Answer *answer)
{
    Cluster *c = flow_world_cluster(world);
    Sim *sim = cluster_sim(c);
    HttpClientOptions options = {.path = path, .timeout = SIMTIME_SEC};

    http_client_get(cluster_client(c, "client")->host, cluster_node(c, node)->ips[0], port, &options, on_answer,
                    answer);
    sim_run_until(sim, sim->now + 2 * SIMTIME_SEC);
}

static void
check_node(FlowRun *run, const char *label, const DocNode *fact)
{
    g_autofree char *dir = flow_case_dir(run, flow_text(fact, "case"));
    bool nftables = strcmp(flow_text(fact, "mode"), "nftables") == 0;
    Answer service = {.text = g_string_new(NULL), .headers = node_get(fact, "headers")};
    Answer healthz = {.text = g_string_new(NULL)};
    g_autoptr(GString) want = g_string_new(NULL);
    const char *body = strstr(flow_text(fact, "body"), "\n\n"); /* Behind a rest of the headers. */
    FlowWorld *world;

    if (!g_file_test(dir, G_FILE_TEST_IS_DIR)) {
        run->skipped++;
        goto out;
    }
    world = flow_world_new(dir, nftables ? PROXY_NFTABLES : PROXY_IPTABLES);
    ask(world, flow_text(fact, "node"), (uint16_t)atoi(flow_text(fact, "healthCheckNodePort")), "/", &service);
    ask(world, flow_text(fact, "node"), 10256, "/healthz", &healthz);
    for (uint32_t i = 0; service.headers && i < service.headers->n; i++)
        g_string_append_printf(want, "%s\n", service.headers->items[i]->text);
    g_string_append(want, body ? body + 2 : flow_text(fact, "body"));
    flow_check(run, label, service.ok && service.status == atoi(flow_text(fact, "status") + strlen("HTTP/1.1 ")),
               "status %d, recorded %s", service.status, flow_text(fact, "status"));
    flow_check(run, label, strcmp(service.text->str, want->str) == 0, "answer:\n%s\nrecorded:\n%s", service.text->str,
               want->str);
    flow_check(run, label,
               healthz.ok && healthz.status == atoi(flow_text(fact, "healthz_status") + strlen("HTTP/1.1 ")),
               "healthz %d, recorded %s", healthz.status, flow_text(fact, "healthz_status"));
    flow_world_free(world);
out:
    g_string_free(service.text, TRUE);
    g_string_free(healthz.text, TRUE);
}

void
facts_health(FlowRun *run)
{
    flow_facts(run, "healthcheck-nodeport", check_node);
}
