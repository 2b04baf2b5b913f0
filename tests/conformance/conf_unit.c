/* unit/: tables of names, probabilities, service CIDRs and endpoint maps from kube-proxy's own tests. */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model/proxy/endpoint_list.h"
#include "model/proxy/names.h"
#include "model/proxy/proxy_rules.h"
#include "sim/netfilter/nf_text.h"
#include "tests/conformance/conf.h"

static ConfDocs *
open_table(Conf *conf, const char *file)
{
    g_autofree char *path = g_strdup_printf("%s/unit/%s.yaml", conf->root, file);

    return conf_docs_open(path);
}

static const char *
str_of(const DocNode *map, const char *key)
{
    const DocNode *child = map ? node_get(map, key) : NULL;

    return child && child->kind == NODE_SCALAR ? child->text : "";
}

static void
check_probabilities(Conf *conf)
{
    ConfDocs *docs = open_table(conf, "compute-probability");
    const DocNode *values = node_get(conf_docs_kind(docs, "Probabilities"), "values");

    for (uint32_t i = 0; i < values->n; i++) {
        char text[16];
        g_autofree char *name = g_strdup_printf("unit/compute-probability/%s", values->keys[i]->text);
        ipt_probability((uint32_t)atoi(values->keys[i]->text), text);
        conf_text(conf, name, text, values->items[i]->text);
    }
    for (uint32_t n = 100000; n > 2; n--) {
        char more[16], less[16];
        if (strcmp(ipt_probability(n, less), ipt_probability(n - 1, more)) > 0)
            conf_true(conf, "unit/compute-probability/increasing", false, "1/%u = %s, 1/%u = %s", n, less, n - 1, more);
    }
    conf_docs_free(docs);
}

static uint8_t
proto_of(const char *text)
{
    return g_ascii_strcasecmp(text, "udp") == 0    ? IPPROTO_UDP
           : g_ascii_strcasecmp(text, "sctp") == 0 ? IPPROTO_SCTP
                                                   : IPPROTO_TCP;
}

static char *
chain_base(const DocNode *c, bool of_endpoint)
{
    ProxyServicePort port = {.ns = str_of(c, "namespace"),
                             .name = str_of(c, "name"),
                             .port_name = str_of(c, "port"),
                             .proto = proto_of(str_of(c, "protocol"))};
    const char *endpoint = str_of(c, "endpoint"), *colon = strrchr(endpoint, ':');
    g_autofree char *ip = NULL;
    EndpointMore more = {0};
    Endpoint from = {.more = &more};
    ProxyEndpoint ep = {.from = &from, .as_written = true};

    if (!of_endpoint)
        return nft_service_base(&port);
    ip = g_strndup(endpoint + (endpoint[0] == '['), (gsize)(colon - endpoint) - 2 * (endpoint[0] == '['));
    more.raw = ip;
    ep.port = (uint16_t)atoi(colon + 1);
    return nft_endpoint_base(&port, &ep);
}

static void
check_chain_names(Conf *conf)
{
    ConfDocs *docs = open_table(conf, "nft-chain-names");

    for (int of_endpoint = 0; of_endpoint < 2; of_endpoint++) {
        const char *kind = of_endpoint ? "EndpointChainNameBases" : "ServiceChainNameBases";
        const DocNode *cases = node_get(conf_docs_kind(docs, kind), "cases");
        for (uint32_t i = 0; i < cases->n; i++) {
            g_autofree char *name = g_strdup_printf("unit/nft-chain-names/%s/%u", kind, i);
            g_autofree char *got = chain_base(cases->items[i], of_endpoint);
            conf_text(conf, name, got, str_of(cases->items[i], "expected"));
        }
    }
    conf_docs_free(docs);
}

/* The rules of a cluster without Services. */
static void
print_transaction(GString *out, IpFamily family, const IpPrefix *service_cidrs, uint32_t n)
{
    ProxyConfig config;
    Store *store = store_new();
    NfNames *names = nf_names_new();
    KubeVersion version = {35, "1.35"};
    ServiceMap *map = service_map_new(store, family, version);
    ProxyNode node = {.name = "test-node", .primary_ip = family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6};
    ProxyCompiler *compiler;
    NfRuleset *rules;

    proxy_config_default(&config);
    compiler = proxy_compiler_new(&(ProxyParams){.mode = PROXY_NFTABLES,
                                                 .family = family,
                                                 .version = version,
                                                 .config = &config,
                                                 .service_cidrs = service_cidrs,
                                                 .n_service_cidrs = n},
                                  names);
    rules = proxy_compile(compiler, map, &node, NULL);
    nf_print_nft_transaction(out, rules);
    nf_ruleset_unref(rules);
    proxy_compiler_free(compiler);
    service_map_free(map);
    nf_names_unref(names);
    store_free(store);
}

/* The CIDRs come out in the rule of cluster-ips-check. */
static void
check_service_cidrs(Conf *conf)
{
    ConfDocs *docs = open_table(conf, "nft-service-cidrs");
    const DocNode *cases = node_get(conf_docs_kind(docs, "ServiceCIDRSelection"), "cases");

    for (uint32_t i = 0; i < cases->n; i++) {
        const DocNode *c = cases->items[i], *cidrs = node_get(c, "cidrs");
        bool v6 = strcmp(str_of(c, "ipFamily"), "IPv6") == 0;
        g_autofree char *name = g_strdup_printf("unit/nft-service-cidrs/%u", i);
        g_autofree char *want = g_strdup_printf("%s daddr { %s } drop", v6 ? "ip6" : "ip", str_of(c, "expected"));
        g_autoptr(GString) text = g_string_new(NULL);
        IpPrefix prefixes[8];
        for (uint32_t k = 0; k < cidrs->n; k++)
            ipprefix_parse(cidrs->items[k]->text, &prefixes[k]);
        print_transaction(text, v6 ? FAMILY_IPV6 : FAMILY_IPV4, prefixes, cidrs->n);
        conf_true(conf, name, strstr(text->str, want) != NULL, "no rule with \"%s\"", want);
    }
    conf_docs_free(docs);
}

/* --- Endpoint maps ----------------------------------------------------------------------------------------------- */

static Store *
store_of(Diags *diags, const DocNode *slices)
{
    Store *store = store_new();

    for (uint32_t i = 0; slices && i < slices->n; i++) {
        ApiObject *object = api_decode(diags, store_strings(store), KIND_ENDPOINTSLICE, slices->items[i]);
        if (object)
            store_put(store, object);
    }
    return store;
}

static void
append_list(GString *out, const char *ns, const char *service, const EndpointList *list)
{
    g_string_append_printf(out, "%s/%s:%s:", ns, service, list->port_name);
    for (uint32_t i = 0; i < list->n_endpoints; i++) {
        ChoiceNode node = {.name = "test-node"};
        const ProxyEndpoint *ep = endpoint_on_node(&list->endpoints[i], &node);
        char text[ENDPOINT_TEXT_SIZE];
        g_string_append_printf(out, " %s %s", endpoint_text(ep, text), endpoint_is_local(ep, &node) ? "true" : "false");
    }
    g_string_append_c(out, '\n');
}

/* One line per service port, endpoints in order; services in order of first slice, sorted by the caller. */
static char *
lists_text(Store *store, Arena *arena)
{
    g_autoptr(GString) out = g_string_new(NULL);
    size_t n;
    const ApiObject *const *slices = store_list(store, KIND_ENDPOINTSLICE, &n);

    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        const EndpointSlice *before = i ? (const EndpointSlice *)slices[i - 1] : NULL;
        EndpointLists lists;
        if (before && strcmp(before->meta.ns, slice->meta.ns) == 0 && strcmp(before->service, slice->service) == 0)
            continue;
        endpoint_lists_build(store, slice->meta.ns, slice->service, FAMILY_IPV4, (KubeVersion){35, "1.35"}, arena,
                             &lists);
        for (uint32_t k = 0; k < lists.n_lists; k++)
            append_list(out, slice->meta.ns, slice->service, &lists.lists[k]);
        endpoint_lists_clear(&lists);
    }
    return conf_sorted_lines(out->str);
}

static char *
expected_text(const DocNode *map)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (uint32_t i = 0; map && i < map->n; i++) {
        g_string_append_printf(out, "%s:", map->keys[i]->text);
        for (uint32_t k = 0; k < map->items[i]->n; k++)
            g_string_append_printf(out, " %s %s", str_of(map->items[i]->items[k], "endpoint"),
                                   str_of(map->items[i]->items[k], "local"));
        g_string_append_c(out, '\n');
    }
    return conf_sorted_lines(out->str);
}

/* A Service for every service name, so that a ServiceMap sees the endpoints. */
static void
add_services(Store *store, const DocNode *slices)
{
    for (uint32_t i = 0; slices && i < slices->n; i++) {
        const DocNode *meta = node_get(slices->items[i], "metadata");
        const char *ns = str_of(meta, "namespace");
        const char *name = str_of(node_get(meta, "labels"), "kubernetes.io/service-name");
        Service *service;
        const char **ips;
        if (store_get(store, KIND_SERVICE, ns, name))
            continue;
        service = (Service *)api_new(KIND_SERVICE, strings_add(store_strings(store), ns),
                                     strings_add(store_strings(store), name));
        ips = g_new(const char *, 1);
        ips[0] = "10.96.0.1";
        service->cluster_ips = ips;
        service->n_cluster_ips = 1;
        service->ports = g_new0(ServicePort, 1);
        service->ports[0].name = "p";
        service->ports[0].proto = IPPROTO_UDP;
        service->ports[0].port = 1;
        service->n_ports = 1;
        store_put(store, &service->meta);
    }
}

/* Makes 'store' hold the slices of 'to' and no others. */
static void
move_slices(Store *store, Store *to)
{
    size_t n;
    const ApiObject *const *slices = store_list(store, KIND_ENDPOINTSLICE, &n);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (size_t i = 0; i < n; i++)
        if (!store_get(to, KIND_ENDPOINTSLICE, slices[i]->ns, slices[i]->name)) {
            g_ptr_array_add(names, (char *)slices[i]->ns);
            g_ptr_array_add(names, (char *)slices[i]->name);
        }
    for (guint i = 0; i < names->len; i += 2)
        store_remove(store, KIND_ENDPOINTSLICE, names->pdata[i], names->pdata[i + 1]);
    slices = store_list(to, KIND_ENDPOINTSLICE, &n);
    for (size_t i = 0; i < n; i++)
        store_put(store, api_copy(slices[i]));
}

static void
check_endpoint_map(Conf *conf, ConfDocs *docs, const DocNode *c)
{
    const DocNode *previous = node_get(c, "previous"), *current = node_get(c, "current");
    const DocNode *ready = node_get(c, "localReadyEndpoints");
    Store *before = store_of(docs->diags, previous), *after = store_of(docs->diags, current);
    Arena arena = {0};
    g_autofree char *got_before = lists_text(before, &arena), *got_after = lists_text(after, &arena);
    g_autofree char *want_before = expected_text(node_get(c, "expectedPrevious"));
    g_autofree char *want_after = expected_text(node_get(c, "expectedCurrent"));
    g_autofree char *name = g_strdup_printf("unit/update-endpoints-map/%s", str_of(c, "name"));
    ServiceMap *map;
    bool want_cleanup = strcmp(str_of(c, "conntrackCleanupRequired"), "true") == 0;

    conf_text(conf, name, got_before, want_before);
    conf_text(conf, name, got_after, want_after);
    add_services(before, previous);
    add_services(before, current);
    map = service_map_new(before, FAMILY_IPV4, (KubeVersion){35, "1.35"});
    move_slices(before, after);
    service_map_update(map);
    conf_true(conf, name, service_map_udp_changed(map) == want_cleanup, "conntrack cleanup required: %d, want %d",
              service_map_udp_changed(map), want_cleanup);
    for (uint32_t i = 0; ready && i < ready->n; i++) {
        g_auto(GStrv) id = g_strsplit(ready->keys[i]->text, "/", 2);
        uint32_t got = service_map_local_ready(map, id[0], id[1], "test-node");
        conf_true(conf, name, got == (uint32_t)atoi(ready->items[i]->text), "%s: %u local ready endpoints, want %s",
                  ready->keys[i]->text, got, ready->items[i]->text);
    }
    service_map_free(map);
    arena_clear(&arena);
    store_free(before);
    store_free(after);
}

void
conf_unit(Conf *conf)
{
    ConfDocs *docs;

    if (conf->filter[0] && !g_str_has_prefix(conf->filter, "unit"))
        return;
    check_probabilities(conf);
    check_chain_names(conf);
    check_service_cidrs(conf);
    docs = open_table(conf, "update-endpoints-map");
    for (guint i = 0; i < docs->roots->len; i++)
        if (strcmp(str_of(docs->roots->pdata[i], "kind"), "EndpointsMapCase") == 0)
            check_endpoint_map(conf, docs, docs->roots->pdata[i]);
    conf_docs_free(docs);
}
