/* One connection end to end, against what a real kernel did with the same rules, and its enumeration. */

#include <math.h>

#include "model/report/trace_text.h"
#include "tests/unit/model/trace_helpers.h"

static TraceAnswer
ask(TraceWorld *w, const char *from, const char *to, const char *via, bool all)
{
    TraceQuestion q = {.via = via ? cluster_node(w->cluster, via) : NULL, .all = all, .keep_tree = true};
    TraceAnswer answer = {0};
    char *error = NULL;
    Who who;
    Where where;

    if (!T_TRUE(who_parse(w->cluster, from, &who, &error)))
        return answer;
    if (T_TRUE(where_parse(w->cluster, to, &who, q.via, FAMILY_IPV4, IPPROTO_TCP_, &where, &error))) {
        q.from = &who;
        q.to = &where;
        trace_connection(w->cluster, &q, &answer);
        where_clear(&where);
    }
    who_clear(&who);
    g_free(error);
    return answer;
}

/* --- The recorded flows
 * ----------------------------------------------------------------------------------------------- */

static TraceAnswer
ask_recorded(TraceWorld *w, const RecordedFlow *f)
{
    char addr[IPPORT_STR_SIZE], proto[IPPROTO_STR_SIZE];
    g_autofree char *to = g_strdup_printf("%s/%s", ipport_format(f->dst, f->port, addr), ipproto_name(f->proto, proto));
    g_autofree char *from = strcmp(f->kind, "node") == 0       ? g_strdup_printf("node/%s", f->where)
                            : strcmp(f->kind, "external") == 0 ? g_strdup("client/client")
                                                               : g_strdup_printf("pod/%s", f->client);

    return ask(w, from, to, f->via, true);
}

static void
check_recorded(const RecordedFlow *f, void *user)
{
    TraceAnswer answer = ask_recorded(user, f);
    double sum = 0;

    for (guint i = 0; i < f->keys->len; i++) {
        bool found = false;
        for (uint32_t j = 0; j < answer.n_outcomes && !found; j++) {
            g_autofree char *key = key_of_flow(answer.outcomes[j].flow);
            found = strcmp(key, f->keys->pdata[i]) == 0;
        }
        test_check(found, __LINE__, __FILE__, __func__, "%s: recorded but not possible: %s", f->id,
                   (const char *)f->keys->pdata[i]);
    }
    for (uint32_t j = 0; j < answer.n_outcomes; j++) {
        g_autofree char *key = key_of_flow(answer.outcomes[j].flow);
        bool seen = false;
        sum += answer.outcomes[j].probability;
        for (guint i = 0; i < f->keys->len && !seen; i++)
            seen = strcmp(key, f->keys->pdata[i]) == 0;
        /* Less than once in a million records. */
        test_check(seen || pow(1 - answer.outcomes[j].probability, (double)f->tries) > 1e-6, __LINE__, __FILE__,
                   __func__, "%s: %s should have been recorded in %d tries", f->id, key, (int)f->tries);
    }
    test_check(fabs(sum - 1) < 1e-12, __LINE__, __FILE__, __func__, "%s: probabilities sum to %.17g", f->id, sum);
    trace_answer_clear(&answer);
}

static void
test_recorded(void)
{
    static const char *const names[] = {"02-two-tier-scaled", "12-itp-local"};
    uint32_t n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        for (int mode = PROXY_IPTABLES; mode <= PROXY_NFTABLES; mode++) {
            TraceWorld w = trace_world(names[i], (ProxyMode)mode);
            n += each_recorded(names[i], mode == PROXY_NFTABLES ? "nftables" : "iptables", check_recorded, &w);
            trace_world_clear(&w);
        }
    T_EQ_U64(n, 234);
}

/* --- Branches
 * ---------------------------------------------------------------------------------------------------------- */

/* xt_statistic compares 31 random bits with 1/3 of 2^31, rounded. */
static void
test_exact_probabilities(void)
{
    TraceWorld w = trace_world("02-two-tier-scaled", PROXY_IPTABLES);
    TraceAnswer answer = ask(&w, "pod/client-1", "service/backend-service", NULL, true);
    const double third = 715827883.0 / 2147483648.0;

    T_EQ_U64(answer.n_outcomes, 3);
    T_EQ_U64(answer.n_branches, 3);
    if (answer.n_outcomes == 3) {
        T_TRUE(answer.outcomes[0].probability == third);
        T_TRUE(answer.outcomes[1].probability == (1 - third) / 2);
        T_TRUE(answer.outcomes[2].probability == (1 - third) / 2);
        T_EQ_STR(answer.outcomes[0].flow->server_pod, "default/backend-deployment-0");
        T_EQ_STR(answer.outcomes[2].flow->server_pod, "default/backend-deployment-2");
    }
    trace_answer_clear(&answer);
    trace_world_clear(&w);
}

/* A single draw is one of the branches, with that branch's probability; the same seed draws the same. */
static void
test_single_draw(void)
{
    TraceWorld w = trace_world("02-two-tier-scaled", PROXY_NFTABLES);
    TraceAnswer all = ask(&w, "pod/client-1", "service/backend-service", NULL, true);
    TraceAnswer one = ask(&w, "pod/client-1", "service/backend-service", NULL, false);
    TraceAnswer again = ask(&w, "pod/client-1", "service/backend-service", NULL, false);
    bool found = false;

    T_EQ_U64(one.n_outcomes, 1);
    for (uint32_t i = 0; i < all.n_outcomes; i++)
        if (g_strcmp0(all.outcomes[i].flow->server_pod, one.outcomes[0].flow->server_pod) == 0)
            found = all.outcomes[i].probability == one.outcomes[0].probability;
    T_TRUE(found);
    T_EQ_STR(again.outcomes[0].flow->server_pod, one.outcomes[0].flow->server_pod);
    trace_answer_clear(&all);
    trace_answer_clear(&one);
    trace_answer_clear(&again);
    trace_world_clear(&w);
}

/* Neither affinity nor connections of one branch reach the next. */
static void
test_affinity_does_not_leak(void)
{
    for (int mode = PROXY_IPTABLES; mode <= PROXY_NFTABLES; mode++) {
        TraceWorld w = trace_world("13-session-affinity", (ProxyMode)mode);
        for (int round = 0; round < 2; round++) {
            TraceAnswer answer = ask(&w, "pod/client-0", "10.96.18.1:80", NULL, true);
            T_EQ_U64(answer.n_outcomes, 3);
            T_EQ_U64(answer.n_branches, 3);
            trace_answer_clear(&answer);
        }
        trace_world_clear(&w);
    }
}

/* A route that --via made is taken back. */
static void
test_via_is_for_one_question(void)
{
    TraceWorld w = trace_world("03-two-tier-loadbalancer", PROXY_IPTABLES);
    TraceAnswer before = ask(&w, "client/client", "service/frontend-service", NULL, true);
    TraceAnswer via = ask(&w, "client/client", "service/frontend-service", "minikube-m02", true);
    TraceAnswer after = ask(&w, "client/client", "service/frontend-service", NULL, true);

    T_EQ_STR(before.outcomes[0].flow->reason, "icmp-net-unreachable");
    T_EQ_STR(flow_outcome_name(via.outcomes[0].flow->outcome), "connected");
    T_EQ_STR(via.outcomes[0].flow->nodes[0], "minikube-m02");
    T_EQ_STR(after.outcomes[0].flow->reason, "icmp-net-unreachable");
    trace_answer_clear(&before);
    trace_answer_clear(&via);
    trace_answer_clear(&after);
    trace_world_clear(&w);
}

/* --- Forms
 * --------------------------------------------------------------------------------------------------------------- */

static void
check_form(TraceWorld *w, const TraceAnswer *answer, TraceForm form, const char *const *wanted)
{
    g_autoptr(GString) out = g_string_new(NULL);
    char *error = NULL;
    Who who;
    Where where;

    who_parse(w->cluster, "client/client", &who, &error);
    where_parse(w->cluster, "node/minikube:32073", &who, NULL, FAMILY_IPV4, IPPROTO_TCP_, &where, &error);
    trace_print_text(out, w->cluster, &(TraceQuestion){.from = &who, .to = &where}, answer, form);
    for (; *wanted; wanted++)
        test_check(strstr(out->str, *wanted) != NULL, __LINE__, __FILE__, __func__, "no \"%s\" in\n%s", *wanted,
                   out->str);
    who_clear(&who);
    where_clear(&where);
}

/* The article's example: a client at the node port of a node without the pod. */
static void
test_forms(void)
{
    static const char *const detail[] = {
        "client/client [198.51.100.10] connects to node minikube [192.168.49.2:32073/tcp]\n",
        "nat KUBE-NODEPORTS rule 1 of 1",
        "because: Service default/frontend-service port http, spec.ports.nodePort",
        "** destination 192.168.49.2:32073 -> 10.244.2.11:8080 [pod default/frontend-deployment-0]",
        "-> 192.168.49.2:",
        "conntrack: a new connection",
        "route: onward by eth0 to next hop 192.168.49.4",
        "undone for the reply",
        "the server saw  192.168.49.2:",
        ": node minikube\n",
        "the client saw  an answer from 192.168.49.2:32073, the address it dialled",
        "the end         connected, HTTP 200",
        NULL};
    static const char *const summary[] = {
        "packet 2, reply: TCP 10.244.2.11:8080 > 192.168.49.2:", "  node minikube-m03\n", NULL};
    static const char *const minimal[] = {
        "1  connected  default/frontend-deployment-0 10.244.2.11:8080, source seen 192.168.49.2, reply seen from "
        "192.168.49.2:32073\n",
        NULL};
    TraceWorld w = trace_world("03-two-tier-loadbalancer", PROXY_IPTABLES);
    TraceAnswer answer = ask(&w, "client/client", "node/minikube:32073", NULL, true);

    T_EQ_U64(answer.n_outcomes, 1);
    check_form(&w, &answer, TRACE_FORM_DETAIL, detail);
    check_form(&w, &answer, TRACE_FORM_SUMMARY, summary);
    check_form(&w, &answer, TRACE_FORM_MINIMAL, minimal);
    trace_answer_clear(&answer);
    trace_world_clear(&w);
}

const TestSuite suite_trace = {"model/trace",
                               {{"recorded flows end as recorded, in both modes", test_recorded},
                                {"a third is what the kernel makes of it", test_exact_probabilities},
                                {"one draw is one of the branches", test_single_draw},
                                {"affinity of one branch does not reach the next", test_affinity_does_not_leak},
                                {"--via holds for one question", test_via_is_for_one_question},
                                {"detail, summary and minimal form", test_forms}}};
