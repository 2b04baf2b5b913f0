/* Sharing must not show: rules of a compiler that went through many states and nodes equal those of a fresh one, what
 * did not change stays the same object, and chains that are made on demand are what they were said to be. */

#include <netinet/in.h>
#include <string.h>

#include "model/proxy/names.h"
#include "model/proxy/proxier.h"
#include "sim/netfilter/nf_pieces.h"
#include "sim/netfilter/nf_ruleset_int.h"
#include "sim/netfilter/nf_text.h"
#include "tests/unit/model/proxy_walks.h"

#define N_NODES 3
#define FEW     6
#define MANY    300 /* Several blocks of shared chains. */

typedef struct {
    Store *store;
    uint64_t seed; /* Of a plain generator: any sequence will do. */
    uint32_t n_services;
    ProxyConfig config;
    ProxyNode nodes[N_NODES];
    IpAddr addrs[N_NODES][2];
} World;

static uint32_t
below(World *w, uint32_t n)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->seed >> 33) % n;
}

#define word(w, ...) intern((w), g_strdup_printf(__VA_ARGS__))

static const char *
intern(World *w, char *text)
{
    const char *kept = strings_add(store_strings(w->store), text);

    g_free(text);
    return kept;
}

static void
put_service(World *w, uint32_t i)
{
    Service *service = (Service *)api_new(KIND_SERVICE, word(w, "ns"), word(w, "svc%u", i));
    bool lb = below(w, 2);

    service->type = lb ? SERVICE_LOADBALANCER : SERVICE_NODEPORT;
    service->cluster_ips = g_new(const char *, 1);
    service->cluster_ips[0] = word(w, "10.96.%u.%u", i / 250, i % 250 + 1);
    service->n_cluster_ips = 1;
    service->ports = g_new0(ServicePort, 2);
    service->ports[0] = (ServicePort){.name = "p", .proto = IPPROTO_TCP, .port = 80};
    service->ports[1] = (ServicePort){.name = "q", .proto = IPPROTO_UDP, .port = 53};
    service->ports[0].node_port = (uint16_t)(below(w, 2) ? 30000 + i : 0);
    service->n_ports = 1 + below(w, 2);
    service->ingress = g_new0(LbIngress, 1);
    service->ingress[0].ip = word(w, "203.0.%u.%u", 113 + i / 250, i % 250 + 1);
    service->n_ingress = lb;
    service->source_ranges = g_new(const char *, 1);
    service->source_ranges[0] = word(w, "192.168.0.%u/31", below(w, 4));
    service->n_source_ranges = below(w, 2);
    service->external_policy = below(w, 2) ? POLICY_LOCAL : POLICY_CLUSTER;
    service->internal_policy = below(w, 3) ? POLICY_CLUSTER : POLICY_LOCAL;
    service->affinity_client_ip = below(w, 4) == 0;
    service->affinity_timeout_s = 10800;
    service->health_check_node_port = (uint16_t)(31000 + i);
    store_put(w->store, &service->meta);
}

static void
put_slice(World *w, uint32_t i)
{
    static const uint8_t CONDITIONS[] = {EP_READY | EP_SERVING, EP_READY | EP_SERVING, EP_SERVING | EP_TERMINATING, 0};
    EndpointSlice *slice = (EndpointSlice *)api_new(KIND_ENDPOINTSLICE, word(w, "ns"), word(w, "slice%u", i));

    slice->service = word(w, "svc%u", i);
    slice->family = FAMILY_IPV4;
    slice->ports = g_new0(EndpointPort, 2);
    slice->ports[0] = (EndpointPort){.name = "p", .port = 8080, .proto = IPPROTO_TCP};
    slice->ports[1] = (EndpointPort){.name = "q", .port = 5353, .proto = IPPROTO_UDP};
    slice->n_ports = 2;
    slice->n_endpoints = below(w, 4);
    slice->endpoints = g_new0(Endpoint, 4);
    for (uint32_t e = 0; e < slice->n_endpoints; e++) {
        slice->endpoints[e].addr = ipaddr_v4(10, 244, (uint8_t)i, (uint8_t)(below(w, 6) + 1));
        slice->endpoints[e].conditions = CONDITIONS[below(w, G_N_ELEMENTS(CONDITIONS))];
        slice->endpoints[e].node_name = word(w, "node%u", below(w, N_NODES));
    }
    store_put(w->store, &slice->meta);
}

static void
change_something(World *w)
{
    uint32_t i = below(w, w->n_services);

    switch (below(w, 4)) {
    case 0:
        put_service(w, i);
        break;
    case 1:
        store_remove(w->store, KIND_SERVICE, word(w, "ns"), word(w, "svc%u", i));
        break;
    default:
        put_slice(w, i);
    }
}

static World
world_new(uint64_t seed, ProxyMode mode, uint32_t n_services)
{
    World w = {.store = store_new(), .seed = seed, .n_services = n_services};

    proxy_config_default(&w.config);
    w.config.mode = mode;
    w.config.cluster_cidr[0] = (IpPrefix){ipaddr_v4(10, 244, 0, 0), 16};
    w.config.n_cluster_cidr = 1;
    for (uint32_t i = 0; i < N_NODES; i++)
        w.nodes[i] = (ProxyNode){.name = word(&w, "node%u", i), .primary_ip = ipaddr_v4(192, 168, 0, (uint8_t)(i + 1))};
    for (uint32_t i = 0; i < n_services; i++) {
        put_service(&w, i);
        put_slice(&w, i);
    }
    return w;
}

static char *
text_of(const NfRuleset *rules)
{
    GString *text = g_string_new(NULL);

    if (!rules)
        return g_string_free(text, FALSE);
    if (nf_ruleset_dialect(rules) == NF_DIALECT_NFT)
        nf_print_nft_ruleset(text, rules, NULL);
    else
        nf_print_iptables_save(text, rules);
    return g_string_free(text, FALSE);
}

/* nft prints in the order of ids, which depends on history: compare lines as a multiset. */
static char *
comparable_text(const NfRuleset *rules)
{
    g_autofree char *text = text_of(rules);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint n = g_strv_length(lines);

    if (rules && nf_ruleset_dialect(rules) == NF_DIALECT_IPTABLES)
        return g_steal_pointer(&text);
    for (guint i = 1; i < n; i++)
        for (guint k = i; k > 0 && strcmp(lines[k - 1], lines[k]) > 0; k--) {
            char *swap = lines[k];
            lines[k] = lines[k - 1];
            lines[k - 1] = swap;
        }
    return g_strjoinv("\n", lines);
}

/* What its maker says that a chain names: sorted, as the chain has it. */
static bool
is_as_said(const NfMaker *maker, const NfChain *chain, bool sets)
{
    const uint32_t *want = sets ? nf_chain_sets(chain) : nf_chain_targets(chain);
    uint32_t n_want = sets ? chain->n_sets : chain->n_targets, n = 0, got, ids[256];

    do {
        got = maker->ops->names(maker, chain->spec.id, sets, n, ids + n);
        n += got;
    } while (got == NF_MAKER_NAMES);
    return n == n_want && nf_ids_sort(ids, n) == n && memcmp(ids, want, n * sizeof *ids) == 0;
}

/* A chain made twice is equal, and names what seal() was told; with all chains in place from the start, the rule set is
 * the same. */
static void
check_made(const NfRuleset *rules)
{
    NfRuleset *whole = nf_ruleset_new(nf_ruleset_names(rules), nf_ruleset_dialect(rules), nf_ruleset_family(rules));
    size_t n, n_sets;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rules, &n), *sets = nf_ruleset_set_ids(rules, &n_sets);
    g_autofree char *got = NULL, *want = NULL;

    for (size_t i = 0; i < n_sets; i++)
        nf_ruleset_put_set(whole, nf_set_ref((NfSet *)nf_ruleset_set(rules, sets[i])));
    for (size_t i = 0; i < n; i++) {
        void *obj = nf_ids_get(&rules->chains, ids[i]);
        NfChain *once = nf_ruleset_take_chain(rules, ids[i]), *again = nf_ruleset_take_chain(rules, ids[i]);

        T_TRUE(nf_chain_equal(once, again));
        T_TRUE(nf_ruleset_holds(rules, once));
        if (nf_is_maker(obj)) {
            T_TRUE(is_as_said(nf_maker_of(obj), once, false) && is_as_said(nf_maker_of(obj), once, true));
            T_EQ_U64(nf_maker_of(obj)->ops->n_rules(nf_maker_of(obj), once->spec.id), once->n_rules);
            T_TRUE(!once->uses_ct || nf_maker_of(obj)->uses_ct);
        }
        nf_chain_unref(again);
        nf_ruleset_put_chain(whole, once);
    }
    nf_ruleset_set_comment(whole, nf_ruleset_comment(rules));
    T_TRUE(nf_ruleset_seal(whole, NULL));
    T_TRUE(nf_ruleset_uses_ct(whole) == nf_ruleset_uses_ct(rules));
    got = text_of(rules);
    want = text_of(whole);
    T_EQ_STR(got, want);
    nf_ruleset_unref(whole);
}

static uint32_t
count_rules(const NfRuleset *rules, const char *prefix, const ProxyServicePort *port)
{
    char hash[IPT_HASH_SIZE];
    g_autofree char *name = NULL;
    uint32_t id;

    ipt_service_hash(port, hash);
    name = g_strconcat(prefix, hash, NULL);
    id = nf_chain_find(nf_ruleset_names(rules), "nat", name);
    return id != NF_NO_ID && nf_ruleset_has_chain(rules, id) ? nf_chain_n_rules(nf_ruleset_chain(rules, id)) : 0;
}

/* What a node decides for every port, asked without any sharing: iptables mode. */
static void
check_decisions(const NfRuleset *rules, const ServiceMap *map, const ProxyNode *node, KubeVersion version)
{
    ChoiceNode choice_node = {node->name, node->zone, version};
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);

    for (size_t i = 0; i < n; i++)
        for (uint32_t p = 0; p < service_entry_n_ports(entries[i]); p++) {
            const ProxyServicePort *port = &service_entry_ports(entries[i])[p];
            uint32_t balanced = port->affinity ? 2 : 1, in_ranges = 0;
            EndpointChoice choice;

            endpoint_choice(port, &choice_node, &choice);
            for (uint32_t r = 0; r < port->n_source_ranges; r++)
                in_ranges |= ipprefix_contains(&port->source_ranges[r], node->primary_ip);
            T_EQ_U64(count_rules(rules, "KUBE-SVC-", port),
                     choice.n_cluster ? choice.n_cluster * balanced + (choice.has_internal && !port->itp_local) : 0);
            T_EQ_U64(count_rules(rules, "KUBE-SVL-", port),
                     choice.n_local ? choice.n_local * balanced + (choice.has_internal && port->itp_local) : 0);
            T_EQ_U64(count_rules(rules, "KUBE-FW-", port),
                     choice.has_endpoints && port->n_lb_vips && port->n_source_ranges
                         ? port->n_source_ranges + 1 + (in_ranges ? port->n_lb_vips : 0)
                         : 0);
            endpoint_choice_clear(&choice);
        }
}

static void
check_against_fresh(World *w, const ProxyParams *params, ProxyCompiler *compiler, const ServiceMap *map)
{
    for (uint32_t i = 0; i < N_NODES; i++) {
        NfNames *names = nf_names_new();
        ServiceMap *fresh_map = service_map_new(w->store, FAMILY_IPV4, params->version);
        ProxyCompiler *fresh = proxy_compiler_new(params, names);
        NfRuleset *got = proxy_compile(compiler, map, &w->nodes[i], NULL);
        NfRuleset *want = proxy_compile(fresh, fresh_map, &w->nodes[i], NULL);
        g_autofree char *got_text = comparable_text(got), *want_text = comparable_text(want);
        test_check(got && strcmp(got_text, want_text) == 0, __LINE__, __FILE__, __func__,
                   "rules of node %u differ:\n%s\n---\n%s", i, got_text, want_text);
        if (params->mode == PROXY_IPTABLES)
            check_decisions(got, map, &w->nodes[i], params->version);
        if (params->mode == PROXY_IPTABLES && w->n_services == MANY)
            check_walks(got, map);
        check_made(got);
        check_made(want);
        nf_ruleset_unref(got);
        proxy_compiler_free(fresh); /* Rules and their chains may outlive whom they come from. */
        service_map_free(fresh_map);
        nf_names_unref(names);
        check_made(want);
        nf_ruleset_unref(want);
    }
}

/* Every chain is found by its name, though it may never have been asked for: no name has two ids. */
static void
check_names(ProxyCompiler *compiler, const ServiceMap *map, const ProxyNode *node)
{
    NfRuleset *rules = proxy_compile(compiler, map, node, NULL);
    const NfNames *names = nf_ruleset_names(rules);
    size_t n;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rules, &n);

    for (size_t i = 0; i < n; i++)
        T_EQ_U64(nf_chain_find(names, nf_chain_table(names, ids[i]), nf_chain_name(names, ids[i])), ids[i]);
    nf_ruleset_unref(rules);
}

static void
run_history(ProxyMode mode, uint8_t minor, uint64_t seed, uint32_t n_services)
{
    World w = world_new(seed, mode, n_services);
    ProxyParams params = {.mode = mode, .family = FAMILY_IPV4, .version = {minor, ""}, .config = &w.config};
    NfNames *names = nf_names_new();
    ServiceMap *map = service_map_new(w.store, FAMILY_IPV4, params.version);
    ProxyCompiler *compiler = proxy_compiler_new(&params, names);

    for (int step = 0; step < 12; step++) {
        check_against_fresh(&w, &params, compiler, map);
        for (uint32_t n = below(&w, 3) + 1; n > 0; n--)
            change_something(&w);
        service_map_update(map);
        if (step == 8)
            check_names(compiler, map, &w.nodes[1]);
    }
    check_names(compiler, map, &w.nodes[0]);
    proxy_compiler_free(compiler);
    service_map_free(map);
    nf_names_unref(names);
    store_free(w.store);
}

static void
test_iptables_history(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_history(PROXY_IPTABLES, 34, seed, FEW);
    run_history(PROXY_IPTABLES, 34, 5, MANY);
}

static void
test_nftables_history(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_history(PROXY_NFTABLES, 35, seed, FEW);
        run_history(PROXY_NFTABLES, 36, seed, FEW);
    }
}

/* One Service's chains are new objects after a change of its endpoints; the other's are the same. */
static void
test_identity(void)
{
    World w = world_new(8, PROXY_IPTABLES, FEW);
    ProxyParams params = {.mode = PROXY_IPTABLES, .family = FAMILY_IPV4, .version = {34, ""}, .config = &w.config};
    NfNames *names = nf_names_new();
    ServiceMap *map = service_map_new(w.store, FAMILY_IPV4, params.version);
    ProxyCompiler *compiler = proxy_compiler_new(&params, names);
    NfRuleset *before = proxy_compile(compiler, map, &w.nodes[0], NULL), *after;
    g_autoptr(GString) text = g_string_new(NULL);

    T_TRUE(!service_map_update(map));
    put_slice(&w, 3);
    T_TRUE(service_map_update(map));
    after = proxy_compile(compiler, map, &w.nodes[0], NULL);
    proxy_print_iptables_restore(text, before, after, false);
    T_TRUE(strstr(text->str, "10.244.3.") || strstr(text->str, "-X KUBE-SEP-") ||
           strstr(text->str, "svc3:p has no endpoints"));
    T_TRUE(!strstr(text->str, "--to-destination 10.244.2."));
    nf_ruleset_unref(before);
    nf_ruleset_unref(after);
    proxy_compiler_free(compiler);
    service_map_free(map);
    nf_names_unref(names);
    store_free(w.store);
}

/* A Service that comes, goes or changes leaves all pieces of KUBE-SERVICES but those of its block as they were. */
static void
test_blocks(void)
{
    World w = world_new(8, PROXY_IPTABLES, MANY);
    ProxyParams params = {.mode = PROXY_IPTABLES, .family = FAMILY_IPV4, .version = {34, ""}, .config = &w.config};
    NfNames *names = nf_names_new();
    ServiceMap *map = service_map_new(w.store, FAMILY_IPV4, params.version);
    ProxyCompiler *compiler = proxy_compiler_new(&params, names);
    const ProxyNode elsewhere = {.name = "elsewhere", .primary_ip = ipaddr_v4(192, 168, 9, 9)};
    NfRuleset *rules = proxy_compile(compiler, map, &elsewhere, NULL);
    uint32_t id = nf_chain_find(names, "nat", "KUBE-SERVICES");

    for (uint32_t i = 0; i < MANY; i += 17) {
        const NfPieces *was = nf_ruleset_chain(rules, id)->pieces, *is;
        NfRuleset *next;
        uint32_t n_other = 0, n_same = 0;

        if (i % 2)
            put_service(&w, i);
        else
            store_remove(w.store, KIND_SERVICE, word(&w, "ns"), word(&w, "svc%u", i));
        service_map_update(map);
        next = proxy_compile(compiler, map, &elsewhere, NULL);
        is = nf_ruleset_chain(next, id)->pieces;
        T_TRUE(was && is && was->n > 4);
        for (uint32_t p = 0; was && is && p < is->n; p++) {
            bool found = false;
            for (uint32_t q = 0; q < was->n; q++)
                found |= was->pieces[q] == is->pieces[p];
            n_same += found;
            n_other += !found;
        }
        /* Its block, which may be one or two more now, and what stands behind the blocks. */
        T_TRUE(n_other <= 4 && n_same + 4 >= was->n);
        nf_ruleset_unref(rules);
        rules = next;
    }
    nf_ruleset_unref(rules);
    proxy_compiler_free(compiler);
    service_map_free(map);
    nf_names_unref(names);
    store_free(w.store);
}

/* A chain that was made is the same object for all who hold it, and stays that through changes of other Services. */
static void
test_made_once(void)
{
    World w = world_new(8, PROXY_IPTABLES, FEW);
    ProxyParams params = {.mode = PROXY_IPTABLES, .family = FAMILY_IPV4, .version = {34, ""}, .config = &w.config};
    NfNames *names = nf_names_new();
    ServiceMap *map = service_map_new(w.store, FAMILY_IPV4, params.version);
    ProxyCompiler *compiler = proxy_compiler_new(&params, names);
    NfRuleset *here = proxy_compile(compiler, map, &w.nodes[0], NULL), *there, *later;
    size_t n, n_made = 0, n_kept = 0;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(here, &n);

    there = proxy_compile(compiler, map, &w.nodes[1], NULL);
    put_slice(&w, 3);
    service_map_update(map);
    later = proxy_compile(compiler, map, &w.nodes[0], NULL);
    for (size_t i = 0; i < n; i++) {
        bool was_maker = nf_is_maker(nf_ids_get(&here->chains, ids[i]));
        const NfChain *chain = nf_ruleset_chain(here, ids[i]);

        n_made += was_maker;
        T_TRUE(chain == nf_ruleset_chain(here, ids[i]));
        if (nf_ruleset_same_chain(here, there, ids[i]))
            T_TRUE(nf_ruleset_chain(there, ids[i]) == chain);
        if (was_maker && nf_ruleset_same_chain(here, later, ids[i])) {
            n_kept++;
            T_TRUE(nf_ruleset_chain(later, ids[i]) == chain && nf_ruleset_holds(later, chain));
        } else if (was_maker && nf_ruleset_has_chain(later, ids[i])) {
            T_TRUE(nf_ruleset_chain(later, ids[i]) != chain && !nf_ruleset_holds(later, chain));
        }
    }
    T_TRUE(n_made > 10 && n_kept > 5 && n_kept < n_made);
    nf_ruleset_unref(here);
    nf_ruleset_unref(there);
    nf_ruleset_unref(later);
    proxy_compiler_free(compiler);
    service_map_free(map);
    nf_names_unref(names);
    store_free(w.store);
}

/* Every rule of a service port says where it comes from. */
static void
test_origins(void)
{
    World w = world_new(8, PROXY_IPTABLES, FEW);
    ProxyParams params = {.mode = PROXY_IPTABLES, .family = FAMILY_IPV4, .version = {34, ""}, .config = &w.config};
    NfNames *names = nf_names_new();
    ServiceMap *map = service_map_new(w.store, FAMILY_IPV4, params.version);
    ProxyCompiler *compiler = proxy_compiler_new(&params, names);
    NfRuleset *rules = proxy_compile(compiler, map, &w.nodes[0], NULL);
    size_t n;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rules, &n);

    for (size_t i = 0; i < n; i++) {
        const NfChain *chain = nf_ruleset_chain(rules, ids[i]);
        bool endpoint = g_str_has_prefix(nf_chain_name(names, ids[i]), "KUBE-SEP-");
        for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
            RuleOrigin origin = {0};
            T_TRUE(proxy_origin(compiler, nf_chain_rule(chain, r)->origin, &origin));
            T_TRUE(origin.object && origin.source && strstr(origin.source, ".c:"));
            T_TRUE(!endpoint || (origin.detail && strstr(origin.detail, "endpoint 10.244.")));
        }
    }
    nf_ruleset_unref(rules);
    proxy_compiler_free(compiler);
    service_map_free(map);
    nf_names_unref(names);
    store_free(w.store);
}

const TestSuite suite_proxy_compile = {
    "model/proxy_compile",
    {{"iptables rules after any history are a fresh compiler's", test_iptables_history},
     {"nftables rules after any history are a fresh compiler's", test_nftables_history},
     {"an incremental sync writes the changed Service's chains only", test_identity},
     {"a changed Service leaves the pieces of other blocks alone", test_blocks},
     {"a chain is made once for all who hold it", test_made_once},
     {"every rule has an origin", test_origins}},
};
