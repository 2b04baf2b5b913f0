/* flows/CASE.input.yaml, CASE.expect.yaml: cases of kube-proxy's own unit tests: rule texts, endpoint lists, metrics,
 * and packet flows (conf_walk.c). */

#include "tests/conformance/conf_flows.h"

#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/nf_text.h"

static bool
expect_true(const DocNode *map, const char *key)
{
    return strcmp(expect_str(map, key), "true") == 0;
}

/* --- Texts ------------------------------------------------------------------------------------------------------- */

static void
check_restore_text(Conf *conf, const char *check, const DocNode *about, const char *key, const Proxier *p, bool full)
{
    const char *file = expect_str(about, key);
    g_autofree char *path = case_file(conf, file, ""), *want = NULL;
    g_autoptr(GString) got = g_string_new(NULL);

    if (!file[0])
        return;
    want = conf_read(path);
    proxy_print_iptables_restore(got, p->before, p->rules->ruleset, full);
    conf_text(conf, check, got->str, want);
}

static char *
nft_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) kept = g_string_new(NULL);

    for (char **line = lines; *line; line++)
        if ((*line)[0] && (*line)[0] != '#')
            g_string_append_printf(kept, "%s\n", *line);
    return g_string_free(g_steal_pointer(&kept), FALSE);
}

/* Rules of a chain keep their order; all other lines compare as a multiset: chains are stable-sorted by their name. */
static int
nft_line_cmp(gconstpointer a, gconstpointer b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;

    return strcmp(x, y);
}

static char *
nft_per_object(const char *text)
{
    g_autofree char *plain = nft_lines(text);
    g_auto(GStrv) lines = g_strsplit(plain, "\n", -1);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    /* "add rule ip kube-proxy CHAIN ..." becomes "add rule ip kube-proxy CHAIN #0001 ...". */
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 6);
        guint number;
        if (!(*line)[0])
            continue;
        if (!g_str_has_prefix(*line, "add rule ") || g_strv_length(words) < 6) {
            g_ptr_array_add(sorted, g_strdup(*line));
            continue;
        }
        number = GPOINTER_TO_UINT(g_hash_table_lookup(counts, words[4])) + 1;
        g_hash_table_insert(counts, g_strdup(words[4]), GUINT_TO_POINTER(number));
        g_ptr_array_add(sorted, g_strdup_printf("add rule ip %s %s #%04u %s", words[3], words[4], number, words[5]));
    }
    g_ptr_array_sort(sorted, nft_line_cmp);
    g_ptr_array_add(sorted, NULL);
    return g_strjoinv("\n", (char **)sorted->pdata);
}

static void
check_nft_text(Conf *conf, const char *check, const char *file, const Proxier *p)
{
    g_autofree char *path = case_file(conf, file, ""), *text = conf_read(path);
    g_autofree char *want = NULL, *got = NULL;
    g_autoptr(GString) printed = g_string_new(NULL);

    nf_print_nft_transaction(printed, p->rules->ruleset);
    want = nft_per_object(text);
    got = nft_per_object(printed->str);
    conf_text(conf, check, got, want);
}

/* The v1.36 layout of the same input. */
static void
check_derived(Conf *conf, const char *name)
{
    g_autofree char *file = g_strdup_printf("%s.derived-v1.36.nft", name);
    g_autofree char *path = case_file(conf, file, "");
    g_autofree char *check = g_strdup_printf("flows/%s/derived-v1.36", name);
    Input *input;
    ProxyMode mode = PROXY_NFTABLES;
    Proxier p = {0};

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return;
    input = load_case(conf, name);
    kube_version_parse("1.36", &input->cluster.version);
    p.rules = proxy_rules_new(input, "test-node", &mode, FAMILY_IPV4);
    check_nft_text(conf, check, file, &p);
    proxy_rules_free(p.rules);
    input_free(input);
}

/* --- Chains and rules -------------------------------------------------------------------------------------------- */

static void
check_chains(Conf *conf, const char *check, const DocNode *expected, const Proxier *p)
{
    const DocNode *chains = expected ? node_get(expected, "chains") : NULL;

    for (uint32_t i = 0; chains && i < chains->n; i++) {
        const DocNode *c = chains->items[i], *rules = node_get(c, "rules");
        uint32_t id = nf_chain_find(p->rules->names, expect_str(c, "table"), expect_str(c, "chain"));
        const NfChain *chain = id == NF_NO_ID ? NULL : nf_ruleset_chain(p->rules->ruleset, id);
        g_autoptr(GString) got = g_string_new(NULL);
        g_autoptr(GString) want = g_string_new(NULL);
        for (uint32_t r = 0; r < rules->n; r++)
            g_string_append_printf(want, "%s\n", rules->items[r]->text);
        for (uint32_t r = 0; chain && r < nf_chain_n_rules(chain); r++) {
            nf_print_restore_rule(got, p->rules->ruleset, chain, r);
            g_string_append_c(got, '\n');
        }
        conf_text(conf, check, got->str, want->str);
    }
}

typedef struct {
    unsigned dnat, dnat_with_comment;
} DnatCount;

static DnatCount
count_dnat(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    DnatCount count = {0};

    for (char **line = lines; *line; line++) {
        if (!strstr(*line, "-j DNAT"))
            continue;
        count.dnat++;
        count.dnat_with_comment += strstr(*line, "--comment") != NULL;
    }
    return count;
}

static void
check_counts(Conf *conf, const char *check, const DocNode *expected, const char *text)
{
    DnatCount count = count_dnat(text);
    const char *dnat = expect_str(expected, "dnatRules"), *commented = expect_str(expected, "dnatRulesWithComment");

    if (dnat[0])
        conf_true(conf, check, count.dnat == (unsigned)atoi(dnat), "%u DNAT rules, want %s", count.dnat, dnat);
    if (commented[0])
        conf_true(conf, check, count.dnat_with_comment == (unsigned)atoi(commented), "%u DNAT comments, want %s",
                  count.dnat_with_comment, commented);
}

static void
check_rules(Conf *conf, const char *check, const DocNode *expected, const Proxier *p)
{
    const DocNode *rules = expected ? node_get(expected, "rules") : NULL;
    const DocNode *incremental = expected ? node_get(expected, "incrementalSync") : NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    if (!expected)
        return;
    if (incremental) {
        proxy_print_iptables_restore(text, p->before, p->rules->ruleset, false);
        check_counts(conf, check, incremental, text->str);
        g_string_truncate(text, 0);
    }
    if (expect_true(expected, "fullSync")) {
        NfRuleset *full;
        proxy_compiler_forget(p->rules->compiler);
        full = proxy_compile(p->rules->compiler, p->rules->services, &p->rules->node, NULL);
        proxy_print_iptables_restore(text, p->before, full, true);
        nf_ruleset_unref(full);
    } else {
        proxy_print_iptables_restore(text, p->before, p->rules->ruleset, true);
    }
    check_counts(conf, check, expected, text->str);
    for (uint32_t i = 0; rules && i < rules->n; i++)
        conf_true(conf, check, strstr(text->str, rules->items[i]->text) != NULL, "no rule %s", rules->items[i]->text);
}

/* --- Lists and numbers ------------------------------------------------------------------------------------------- */

static char *
list_text(const ProxyEndpoint *const *list, uint32_t n, bool present)
{
    g_autoptr(GString) text = g_string_new(present ? "" : "null");

    char name[ENDPOINT_TEXT_SIZE];

    for (uint32_t i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "", endpoint_text(list[i], name));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
check_list(Conf *conf, const char *check, const DocNode *expected, const char *key, const char *got)
{
    const DocNode *list = node_get(expected, key);
    g_autoptr(GString) want = g_string_new(list && list->kind == NODE_SEQUENCE ? "" : "null");

    for (uint32_t i = 0; list && list->kind == NODE_SEQUENCE && i < list->n; i++)
        g_string_append_printf(want, "%s%s", i ? " " : "", list->items[i]->text);
    conf_true(conf, check, strcmp(got, want->str) == 0, "%s: %s, want %s", key, got, want->str);
}

/* All ports of all Services, in order; the caller frees. */
static const ProxyServicePort **
all_ports(const ServiceMap *map, size_t *ret_n)
{
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);
    GPtrArray *ports = g_ptr_array_new();

    for (size_t i = 0; i < n; i++)
        for (uint32_t p = 0; p < service_entry_n_ports(entries[i]); p++)
            g_ptr_array_add(ports, (gpointer)&service_entry_ports(entries[i])[p]);
    *ret_n = ports->len;
    return (const ProxyServicePort **)g_ptr_array_free(ports, FALSE);
}

static void
check_selection(Conf *conf, const char *check, const DocNode *expected, const Proxier *p)
{
    g_autofree char *text = NULL;
    size_t n;
    g_autofree const ProxyServicePort **ports = all_ports(p->rules->services, &n);

    if (!expected)
        return;
    text = g_strdup_printf("%s:%s", expect_str(expected, "service"), expect_str(expected, "portName"));
    for (size_t i = 0; i < n; i++) {
        ChoiceNode node = {p->rules->node.name, p->rules->node.zone, {35, "1.35"}};
        EndpointChoice choice;
        g_autofree char *cluster = NULL, *local = NULL, *reachable = NULL;
        if (strcmp(ports[i]->text, text) != 0)
            continue;
        endpoint_choice(ports[i], &node, &choice);
        cluster = list_text(choice.cluster, choice.n_cluster, choice.uses_cluster);
        local = list_text(choice.local, choice.n_local, choice.uses_local);
        reachable = list_text(choice.reachable, choice.n_reachable, true);
        check_list(conf, check, expected, "clusterEndpoints", cluster);
        check_list(conf, check, expected, "localEndpoints", local);
        if (node_get(expected, "allReachableEndpoints"))
            check_list(conf, check, expected, "allReachableEndpoints", reachable);
        conf_true(conf, check, choice.has_endpoints == expect_true(expected, "hasAnyEndpoints"), "has endpoints: %d",
                  choice.has_endpoints);
        endpoint_choice_clear(&choice);
        return;
    }
    conf_true(conf, check, false, "no service port %s", text);
}

static void
check_service_ports(Conf *conf, const char *check, const DocNode *expected, const Proxier *p)
{
    const DocNode *health = expected ? node_get(expected, "healthCheckNodePorts") : NULL;
    size_t n;
    g_autofree const ProxyServicePort **ports = all_ports(p->rules->services, &n);
    uint32_t n_health = 0;

    if (!expected)
        return;
    conf_true(conf, check, n == (size_t)atoi(expect_str(expected, "servicePorts")), "%zu service ports, want %s", n,
              expect_str(expected, "servicePorts"));
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || ports[i]->service != ports[i - 1]->service;
        bool found = false;
        if (!ports[i]->health_check_node_port || !first)
            continue;
        n_health++;
        for (uint32_t k = 0; health && k < health->n; k++) {
            g_autofree char *name = g_strdup_printf("%s/%s", ports[i]->ns, ports[i]->name);
            found |= strcmp(expect_str(health->items[k], "service"), name) == 0 &&
                     atoi(expect_str(health->items[k], "port")) == ports[i]->health_check_node_port;
        }
        conf_true(conf, check, found, "unexpected health check port of %s", ports[i]->text);
    }
    conf_true(conf, check, n_health == (health ? health->n : 0), "%u health check ports", n_health);
}

static void
check_metrics(Conf *conf, const char *check, const DocNode *expected, const Proxier *p)
{
    const DocNode *gauge =
        expected ? node_get(node_get(expected, "metrics"), "kubeproxy_sync_proxy_rules_no_local_endpoints_total")
                 : NULL;
    ProxyMetrics metrics;

    if (!gauge)
        return;
    metrics = proxy_metrics(p->rules->compiler, p->rules->services, &p->rules->node);
    conf_true(conf, check, metrics.no_local_internal == (uint32_t)atoi(expect_str(gauge, "internal")),
              "no local internal: %u, want %s", metrics.no_local_internal, expect_str(gauge, "internal"));
    conf_true(conf, check, metrics.no_local_external == (uint32_t)atoi(expect_str(gauge, "external")),
              "no local external: %u, want %s", metrics.no_local_external, expect_str(gauge, "external"));
}

static void
check_local_ready(Conf *conf, const char *check, const DocNode *expected, const Proxier *p)
{
    size_t n;
    g_autofree const ProxyServicePort **ports = all_ports(p->rules->services, &n);
    uint32_t with = 0;

    if (!expected)
        return;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || ports[i]->service != ports[i - 1]->service)
            with += service_map_local_ready(p->rules->services, ports[i]->ns, ports[i]->name, "test-node") > 0;
    conf_true(conf, check, with == (uint32_t)atoi(expect_str(expected, "services")),
              "%u services with local ready endpoints, want %s", with, expect_str(expected, "services"));
}

/* Whether an address is a key of the service maps at all. */
static void
check_capture(Conf *conf, const char *check, const DocNode *expected, const Proxier *p, ProxyMode mode)
{
    const char *addr = expected ? expect_str(expected, "destIP") : "";
    g_autofree char *needle = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    bool present;

    if (!expected)
        return;
    if (mode == PROXY_IPTABLES) {
        needle = g_strdup_printf("-A KUBE-SERVICES -d %s/32 ", addr);
        nf_print_iptables_save(text, p->rules->ruleset);
    } else {
        needle = g_strdup_printf("add element ip kube-proxy service-ips { %s . ", addr);
        nf_print_nft_transaction(text, p->rules->ruleset);
    }
    present = strstr(text->str, needle) != NULL;
    conf_true(conf, check, present == expect_true(expected, "present"), "%s: %s", needle,
              present ? "present" : "missing");
}

static void
run_case(Conf *conf, const char *name, const ConfDocs *docs, ProxyMode mode, IpFamily family)
{
    const DocNode *about = conf_docs_kind(docs, "About");
    g_autofree char *check = g_strdup_printf("flows/%s/%s.%s", name, mode == PROXY_IPTABLES ? "iptables" : "nftables",
                                             family == FAMILY_IPV4 ? "ipv4" : "ipv6");
    Proxier p;

    if (!conf_wants(conf, check))
        return;
    p = proxier_run(conf, name, mode, family);
    if (!p.rules->ruleset) {
        conf_true(conf, check, false, "%s", p.rules->error ? p.rules->error : "a later sync fails");
        proxier_clear(&p);
        return;
    }
    if (mode == PROXY_IPTABLES) {
        check_restore_text(conf, check, about, "expectedIptablesSave", &p, true);
        check_restore_text(conf, check, about, "expectedIptablesRestore", &p, !expect_true(about, "incrementalSync"));
        check_chains(conf, check, conf_docs_kind(docs, "ExpectedChains"), &p);
        check_rules(conf, check, conf_docs_kind(docs, "ExpectedRules"), &p);
    } else if (expect_str(about, "expectedNft")[0]) {
        check_nft_text(conf, check, expect_str(about, "expectedNft"), &p);
        check_derived(conf, name);
    }
    check_selection(conf, check, conf_docs_kind(docs, "EndpointSelection"), &p);
    check_service_ports(conf, check, conf_docs_kind(docs, "ExpectedServicePorts"), &p);
    check_metrics(conf, check, conf_docs_kind(docs, "ExpectedMetrics"), &p);
    check_local_ready(conf, check, conf_docs_kind(docs, "ExpectedLocalReadyEndpoints"), &p);
    check_capture(conf, check, conf_docs_kind(docs, "ExpectedCapture"), &p, mode);
    conf_walk_flows(conf, check, docs, p.inputs->pdata[0], p.rules);
    proxier_clear(&p);
}

void
conf_flows(Conf *conf)
{
    g_autofree char *dir = g_strdup_printf("%s/flows", conf->root);
    g_autoptr(GPtrArray) cases = conf_list(dir, ".expect.yaml");

    for (guint i = 0; i < cases->len; i++) {
        const char *name = cases->pdata[i];
        g_autofree char *path = case_file(conf, name, ".expect.yaml");
        ConfDocs *docs = conf_docs_open(path);
        const DocNode *about = conf_docs_kind(docs, "About");
        const char *mode = expect_str(about, "mode");
        const DocNode *families = node_get(about, "ipFamilies");
        for (uint32_t f = 0; f < families->n; f++) {
            IpFamily family = strcmp(families->items[f]->text, "IPv6") == 0 ? FAMILY_IPV6 : FAMILY_IPV4;
            if (strcmp(mode, "nftables") != 0)
                run_case(conf, name, docs, PROXY_IPTABLES, family);
            if (strcmp(mode, "iptables") != 0)
                run_case(conf, name, docs, PROXY_NFTABLES, family);
        }
        conf_docs_free(docs);
    }
}
