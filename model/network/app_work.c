#include "model/network/app_work.h"

#include "model/network/cluster_private.h"
#include "sim/engine/timer.h"

/* A caller gives up on a Service after this (a common HTTP client's default). */
#define CALL_TIMEOUT (30 * SIMTIME_SEC)

struct AppWork {
    AppWorkList *list;
    AppWork *next;
    ClusterPod *pod;
    const ApplicationSpec *spec;
    HttpExchange *exchange;
    uint64_t parent_flow;
    AppWorkDone done;
    void *user;
    uint32_t call; /* Index of the running call. */
    uint64_t flow; /* Its identity. */
    GString *answers;
    int status;
    Timer latency;
    HttpClient *client; /* Of the running call. */
    bool resolving, cancelled;
    char *host, *path;
    uint16_t port;
};

static void next_call(AppWork *work);

static void
work_free(AppWork *work)
{
    for (AppWork **p = &work->list->first; *p; p = &(*p)->next)
        if (*p == work) {
            *p = work->next;
            break;
        }
    timer_free(cluster_sim(work->pod->cluster), &work->latency);
    g_string_free(work->answers, TRUE);
    g_free(work->host);
    g_free(work->path);
    g_free(work);
}

static void
add_answer(AppWork *work, const char *text)
{
    if (work->answers->len > 0)
        g_string_append_c(work->answers, ',');
    g_string_append(work->answers, text);
}

static void
fail_call(AppWork *work, const char *reason)
{
    g_autofree char *text = g_strdup_printf("{\"error\":\"%s\"}", reason);

    work->status = 502;
    add_answer(work, text);
}

static void
observe_end(AppWork *work, const HttpResult *result)
{
    const AppCallObserver *calls = &work->pod->cluster->calls;

    if (calls->end)
        calls->end(calls->user, work->flow, result);
}

static void
on_answer(HttpClient *client, const HttpResult *result, void *user)
{
    AppWork *work = user;

    (void)client;
    work->client = NULL;
    observe_end(work, result);
    if (result->ok && result->status == 200) {
        g_autofree char *body = g_strndup(result->body, result->body_size);
        add_answer(work, g_strstrip(body));
    } else {
        fail_call(work, result->ok ? "bad status" : socket_error_code(result->error));
    }
    work->call++;
    next_call(work);
}

static void
dial(AppWork *work, IpAddr addr)
{
    const AppCallObserver *calls = &work->pod->cluster->calls;

    if (calls->dial)
        calls->dial(calls->user, work->flow, addr, work->port);
    work->client =
        http_client_get(work->pod->made_host, addr, work->port,
                        &(HttpClientOptions){
                            .socket.flow = work->flow, .path = work->path, .host = work->host, .timeout = CALL_TIMEOUT},
                        on_answer, work);
}

static void
on_resolved(const DnsResult *result, void *user)
{
    AppWork *work = user;

    work->resolving = false;
    if (work->cancelled) {
        work_free(work);
        return;
    }
    if (result->n_addrs > 0) {
        dial(work, result->addrs[0]);
        return;
    }
    observe_end(work, NULL);
    fail_call(work, "name does not resolve");
    work->call++;
    next_call(work);
}

/* "backend-service:3000" or "http://host:port/path". */
static void
split_call(AppWork *work, const char *text)
{
    const char *rest = g_str_has_prefix(text, "http://") ? text + 7 : text;
    const char *slash = strchr(rest, '/');
    char *colon;

    g_free(work->host);
    g_free(work->path);
    work->host = slash ? g_strndup(rest, (gsize)(slash - rest)) : g_strdup(rest);
    work->path = g_strdup(slash ? slash : "/");
    work->port = 80;
    colon = strrchr(work->host, ':');
    if (colon && strchr(work->host, ':') == colon) {
        work->port = (uint16_t)g_ascii_strtoull(colon + 1, NULL, 10);
        *colon = '\0';
    }
}

static void
next_call(AppWork *work)
{
    const AppCallObserver *calls = &work->pod->cluster->calls;
    ResolvConf conf;
    IpAddr addr;
    const char *text;

    if (work->call >= work->spec->n_http_calls) {
        work->done(work->user, work->exchange, work->status, work->answers->str);
        work_free(work);
        return;
    }
    text = work->spec->http_calls[work->call];
    split_call(work, text);
    work->flow = calls->begin ? calls->begin(calls->user, work->pod, text, work->parent_flow)
                              : rng_mix(work->parent_flow, work->call + 1);
    if (ipaddr_parse(work->host, &addr)) {
        dial(work, addr);
        return;
    }
    cluster_resolv_conf(work->pod->cluster, work->pod->made_host, &conf);
    work->resolving = true;
    dns_resolve(work->pod->made_host, &conf, work->host, rng_mix(work->flow, 53), on_resolved, work);
}

static void
on_latency(Sim *sim, void *owner)
{
    (void)sim;
    next_call(owner);
}

void
app_work_start(AppWorkList *list, ClusterPod *pod, const ApplicationSpec *spec, HttpExchange *exchange,
               uint64_t parent_flow, AppWorkDone done, void *user)
{
    AppWork *work = g_new0(AppWork, 1);
    Sim *sim = cluster_sim(pod->cluster);

    work->list = list;
    work->next = list->first;
    list->first = work;
    work->pod = pod;
    work->spec = spec;
    work->exchange = exchange;
    work->parent_flow = parent_flow;
    work->done = done;
    work->user = user;
    work->status = 200;
    work->answers = g_string_new(NULL);
    if (spec->latency <= 0) {
        next_call(work);
        return;
    }
    work->latency = timer_new(sim, "app.latency", host_entity(pod->made_host), on_latency, work);
    timer_arm(sim, work->latency, sim->now + spec->latency);
}

void
app_work_cancel_all(AppWorkList *list)
{
    AppWork *next;

    for (AppWork *work = list->first; work; work = next) {
        next = work->next;
        if (work->client)
            http_client_free(work->client);
        work->client = NULL;
        work->cancelled = true;
        /* A resolver in flight still holds the work: it frees it when it answers. */
        if (!work->resolving)
            work_free(work);
    }
}
