#include "model/report/exact_shares.h"

#include <string.h>

#include "model/report/trace_run.h"

/* The traffic that most is said about. */
static const Step *
main_traffic(const ScenarioSpec *spec)
{
    const Step *connect = NULL, *send = NULL;

    for (uint32_t i = 0; i < spec->n_steps; i++) {
        if (spec->steps[i].verb == STEP_LOAD)
            return &spec->steps[i];
        if (spec->steps[i].verb == STEP_CONNECT && !connect)
            connect = &spec->steps[i];
        if (spec->steps[i].verb == STEP_SEND && !send)
            send = &spec->steps[i];
    }
    return connect ? connect : send;
}

static PodShare *
share_of(Measures *m, const char *pod)
{
    uint32_t at = 0;

    while (at < m->n_pods && strcmp(m->pods[at].pod, pod) < 0)
        at++;
    if (at < m->n_pods && strcmp(m->pods[at].pod, pod) == 0)
        return &m->pods[at];
    m->pods = g_realloc_n(m->pods, m->n_pods + 1, sizeof *m->pods);
    memmove(&m->pods[at + 1], &m->pods[at], (m->n_pods - at) * sizeof *m->pods);
    m->n_pods++;
    m->pods[at] = (PodShare){.pod = g_strdup(pod), .expected = 0};
    return &m->pods[at];
}

void
exact_shares_fill(Cluster *cluster, const ScenarioSpec *spec, Measures *m)
{
    const Step *step = main_traffic(spec);
    ClusterNode *via = step && step->via
                           ? cluster_node(cluster, g_str_has_prefix(step->via, "node/") ? step->via + 5 : step->via)
                           : NULL;
    g_autofree char *error = NULL;
    TraceAnswer answer;
    Who from;
    Where to;

    if (!step || !who_parse(cluster, step->from, &from, &error))
        return;
    if (where_parse(cluster, step->to, &from, via, FAMILY_IPV4,
                    step->proto               ? step->proto
                    : step->verb == STEP_SEND ? IPPROTO_UDP_
                                              : IPPROTO_TCP_,
                    &to, &error)) {
        trace_connection(cluster, &(TraceQuestion){.from = &from, .to = &to, .via = via, .all = true}, &answer);
        for (uint32_t i = 0; i < m->n_pods && !answer.truncated; i++)
            m->pods[i].expected = 0;
        for (uint32_t i = 0; i < answer.n_outcomes && !answer.truncated; i++)
            if (answer.outcomes[i].flow->has_server && answer.outcomes[i].flow->server_pod)
                share_of(m, answer.outcomes[i].flow->server_pod)->expected += answer.outcomes[i].probability;
        trace_answer_clear(&answer);
        where_clear(&to);
    }
    who_clear(&from);
}
