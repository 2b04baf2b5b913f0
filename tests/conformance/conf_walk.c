/* Flows: (source, destination) to endpoints, DROP, REJECT, ACCEPT or nothing, by the walk over every random branch.
 *
 * Upstream lists all endpoints that the rules can choose, in rule order; that is the order of endpoint lists, so both
 * sides compare sorted. */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model/network/node_host.h"
#include "model/report/walk.h"
#include "sim/netfilter/nf_text.h"
#include "tests/conformance/conf_flows.h"

static uint8_t
proto_of(const char *text)
{
    return strcmp(text, "UDP") == 0 ? IPPROTO_UDP : strcmp(text, "SCTP") == 0 ? IPPROTO_SCTP : IPPROTO_TCP;
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
add_once(GPtrArray *texts, const char *text)
{
    if (!g_ptr_array_find_with_equal_func(texts, text, g_str_equal, NULL))
        g_ptr_array_add(texts, g_strdup(text));
}

static char *
joined(GPtrArray *texts)
{
    g_ptr_array_sort(texts, compare_texts);
    g_ptr_array_add(texts, NULL);
    return g_strjoinv(", ", (char **)texts->pdata);
}

/* An ACCEPT of the health check port is a rule's; any other is nobody's objection. */
static bool
accepted_by_rule(const WalkOutcome *o)
{
    for (uint32_t i = 0; i < o->n_path; i++)
        if (strcmp(o->path[i].chain, "KUBE-NODEPORTS") == 0 && strcmp(o->path[i].table, "filter") == 0 &&
            o->path[i].rule > 0 && o->path[i].matched)
            return true;
    return false;
}

static char *
output_of(const WalkAnswer *answer, bool *ret_masq)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    *ret_masq = false;
    for (uint32_t i = 0; i < answer->n_outcomes; i++) {
        const WalkOutcome *o = &answer->outcomes[i];
        char text[IPPORT_STR_SIZE];
        if (o->dnat)
            add_once(texts, ipport_format(o->dnat_addr, o->dnat_port, text));
        if (o->verdict != NF_ACCEPT)
            add_once(texts, o->verdict == NF_DROP ? "DROP" : "REJECT");
        else if (!o->dnat && accepted_by_rule(o))
            add_once(texts, "ACCEPT");
        *ret_masq = *ret_masq || o->masquerade;
    }
    return joined(texts);
}

static char *
expected_output(const DocNode *flow)
{
    const char *output = expect_str(flow, "output");
    g_auto(GStrv) words = output[0] ? g_strsplit(output, ", ", -1) : NULL;
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (char **word = words; word && *word; word++)
        add_once(texts, *word);
    return joined(texts);
}

static void
walk_flow(Conf *conf, const char *check, const DocNode *flow, Input *input, NfRuleset *ruleset)
{
    WalkQuestion question = {.from_port = 30000,
                             .to_port = (uint16_t)atoi(expect_str(flow, "destPort")),
                             .proto = proto_of(expect_str(flow, "protocol")),
                             .all = true};
    g_autofree char *name = g_strdup_printf("%s: %s", check, expect_str(flow, "name"));
    g_autofree char *want = expected_output(flow), *got = NULL;
    bool want_masq = strcmp(expect_str(flow, "masq"), "true") == 0, masq;
    Sim *sim = sim_new(1);
    Host *host = node_host_new(sim, input, (const KubeNode *)store_get(input->store, KIND_NODE, "", "test-node"));
    WalkAnswer answer;

    ipaddr_parse_sloppy(expect_str(flow, "sourceIP"), &question.from);
    ipaddr_parse_sloppy(expect_str(flow, "destIP"), &question.to);
    nf_stack_set_ruleset(host_netfilter(host), ipaddr_family(&question.to), "kube-proxy", ruleset);
    walk(host, &question, &answer);
    got = output_of(&answer, &masq);
    conf_true(conf, name, strcmp(got, want) == 0 && masq == want_masq, "\"%s\" masq %d, want \"%s\" masq %d", got, masq,
              want, want_masq);
    walk_answer_clear(&answer);
    host_free(host);
    sim_free(sim);
}

/* Rules of a dump instead of the input's. */
static NfRuleset *
dump_rules(const Conf *conf, const char *file, NfNames *names)
{
    g_autofree char *path = g_strdup_printf("%s/flows/%s", conf->root, file), *text = conf_read(path);
    g_autoptr(GPtrArray) notes = NULL;

    return nf_parse_iptables_save(names, FAMILY_IPV4, text, strlen(text), &notes);
}

void
conf_walk_flows(Conf *conf, const char *check, const ConfDocs *docs, Input *input, const ProxyRules *rules)
{
    const DocNode *document = conf_docs_kind(docs, "Flows");
    const DocNode *flows = document ? node_get(document, "flows") : NULL;
    const char *dump = expect_str(conf_docs_kind(docs, "About"), "inputIptablesSave");
    NfNames *names = nf_names_new();
    NfRuleset *ruleset = dump[0] ? dump_rules(conf, dump, names) : nf_ruleset_ref(rules->ruleset);

    conf_true(conf, check, ruleset != NULL, "cannot read %s", dump);
    for (uint32_t i = 0; ruleset && flows && i < flows->n; i++)
        walk_flow(conf, check, flows->items[i], input, ruleset);
    nf_ruleset_unref(ruleset);
    nf_names_unref(names);
}
