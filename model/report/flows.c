#include "model/report/flows.h"

#include "model/network/pod_apps.h"
#include "model/report/flows_private.h"

#define BLOCK_SIZE 65536

static const char *const outcome_names[] = {"pending", "connected", "refused", "timeout", "reset", "unresolved"};

const char *
flow_outcome_name(FlowOutcome outcome)
{
    return outcome_names[outcome];
}

const char *
flow_book_keep(FlowBook *book, const char *text)
{
    return arena_strdup(&book->arena, text);
}

const void *
flow_book_keep_bytes(FlowBook *book, const void *data, size_t size)
{
    return arena_copy(&book->arena, data, size);
}

const char *
flow_book_keep_name(FlowBook *book, const char *name)
{
    return name ? g_string_chunk_insert_const(book->names, name) : NULL;
}

FlowBook *
flow_book_new(Cluster *cluster)
{
    FlowBook *book = g_new0(FlowBook, 1);

    book->cluster = cluster;
    book->flows = g_ptr_array_new();
    book->names = g_string_chunk_new(256);
    book->arena.block_size = BLOCK_SIZE;
    htable_init(&book->by_id, sizeof(uint64_t), sizeof(Flow *));
    flow_book_watch(book);
    return book;
}

void
flow_book_free(FlowBook *book)
{
    if (!book)
        return;
    trace_remove_sink(cluster_sim(book->cluster), &book->sink);
    g_ptr_array_unref(book->flows);
    arena_clear(&book->arena);
    g_string_chunk_free(book->names);
    htable_clear(&book->by_id);
    g_free(book);
}

Flow *
flow_begin(FlowBook *book, const char *name, const char *from, const char *to, Host *client, uint8_t proto)
{
    Sim *sim = cluster_sim(book->cluster);
    Flow *flow = arena_alloc(&book->arena, sizeof *flow), **slot;
    bool is_new;

    /* From the name, so that an unrelated flow more or less does not move the choices of this one. */
    flow->id = rng_mix(rng_hash_str(sim->seed, name), rng_hash_str(1, from));
    while (flow->id == 0 || (slot = htable_insert(&book->by_id, &flow->id, &is_new), !is_new))
        flow->id = rng_mix(flow->id, 1);
    *slot = flow;
    flow->name = flow_book_keep(book, name);
    flow->from = flow_book_keep_name(book, from);
    flow->to = flow_book_keep_name(book, to);
    flow->client_host = client;
    flow->proto = proto;
    flow->start = sim->now;
    flow->connected_at = flow->end = -1;
    g_ptr_array_add(book->flows, flow);
    return flow;
}

/* Did the sender hear of it?  What met the client itself was an answer already. */
static bool
is_answered(const Flow *flow, const FlowDrop *drop)
{
    switch (drop->reason) {
    case DROP_NO_SOCKET:
        return strcmp(drop->host, host_name(flow->client_host)) != 0;
    case DROP_NO_ROUTE:
    case DROP_NEIGHBOUR:
    case DROP_TTL:
    case DROP_LB_NO_TARGET:
    case DROP_LB_NO_FLOW:
        return true;
    default:
        return drop->reject;
    }
}

const FlowDrop *
flow_decisive_drop(const Flow *flow)
{
    const FlowDrop *last = NULL;

    for (uint32_t i = 0; i < flow->n_drops; i++) {
        const FlowDrop *drop = &flow->drops[i];
        if (drop->reason == DROP_ICMP_RATELIMIT)
            continue;
        if (flow->outcome == FLOW_TIMEOUT || (flow->outcome == FLOW_RESET && is_answered(flow, drop)))
            return drop;
        last = drop;
    }
    return last;
}

static char *
blame_text(const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);
    bool silenced = false;

    for (uint32_t i = 0; i < flow->n_drops; i++)
        silenced |= flow->drops[i].reason == DROP_ICMP_RATELIMIT;
    if (!drop)
        return NULL;
    if (drop->rule)
        return g_strdup_printf("%s %s it: %s%s", drop->host, drop->reject ? "rejected" : "dropped", drop->rule,
                               silenced && flow->outcome == FLOW_TIMEOUT ? "; the ICMP rate limit kept the answer back"
                                                                         : "");
    return g_strdup_printf("%s: %s", drop->host, drop_reason_sentence(drop->reason));
}

static void
note_server_state(const FlowBook *book, Flow *flow)
{
    ClusterPod *pod = cluster_pod_by_ip(book->cluster, flow->server_addr);
    const PodRuntime *runtime = pod ? cluster_pod_runtime(pod) : NULL;
    const ApplicationSpec *spec = runtime ? pod_runtime_spec(runtime) : NULL;

    flow->server_state = pod ? flow_pod_state(pod) : FLOW_POD_GONE;
    flow->server_expects_header = spec && spec->accept_proxy;
}

void
flow_finish(FlowBook *book, Flow *flow, FlowOutcome outcome, const char *reason)
{
    if (flow->has_server && outcome != FLOW_CONNECTED)
        note_server_state(book, flow);
    flow->outcome = outcome;
    flow->reason = reason;
    flow->end = cluster_sim(book->cluster)->now;
    if (outcome != FLOW_CONNECTED) {
        g_autofree char *blame = blame_text(flow);
        flow->blame = flow_book_keep(book, blame);
    }
}

Flow *
flow_book_find(FlowBook *book, uint64_t id)
{
    Flow **recent = &book->recent[id % FLOW_N_RECENT], **slot;

    if (*recent && (*recent)->id == id)
        return *recent;
    slot = id ? htable_find(&book->by_id, &id) : NULL;
    if (!slot)
        return NULL;
    *recent = *slot;
    return *slot;
}

Flow *const *
flow_book_flows(const FlowBook *book, size_t *ret_n)
{
    *ret_n = book->flows->len;
    return (Flow *const *)book->flows->pdata;
}
