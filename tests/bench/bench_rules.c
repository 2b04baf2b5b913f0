/* From a list of 10,000 Services of 10 endpoints to rules: reading, first compile, text, one change
 *
 * The figures of `svcsim rules` on a large cluster, part by part.  The list is kubectl's, in YAML and JSON.  The peer
 * of the readers is libyaml: its bare events.  Usage: bench_rules [services endpoints]                            */

#include <string.h>
#include <yaml.h>

#include "model/control/control.h"
#include "model/proxy/proxy_rules.h"
#include "sim/netfilter/nf_text.h"
#include "tests/bench/bench_list.h"

#define N_RUNS 5

typedef struct {
    double at[N_RUNS];
    size_t n;
} Runs;

static void
runs_add(Runs *runs, double value)
{
    runs->at[runs->n++] = value;
}

static void
print_rate(const char *name, Runs *runs, size_t bytes)
{
    double s = bench_median(runs->at, runs->n);

    printf("%-44s %9.1f ms  %8.1f MB/s\n", name, s * 1e3, (double)bytes / s / 1e6);
}

static void
print_time(const char *name, Runs *runs)
{
    printf("%-44s %9.3f ms\n", name, bench_median(runs->at, runs->n) * 1e3);
}

static double
libyaml_events(const GString *text)
{
    double begin = bench_cpu();
    yaml_parser_t parser;
    yaml_event_t event;
    bool more = true;

    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text->str, text->len);
    while (more && yaml_parser_parse(&parser, &event)) {
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return bench_cpu() - begin;
}

static Input *
load(const GString *text, double *ret_seconds)
{
    double begin = bench_cpu();
    Input *input = input_load_text("list", text->str);

    *ret_seconds = bench_cpu() - begin;
    diags_print(input->diags, stderr, DIAG_ERROR);
    return input;
}

/* The slice of a Service with one endpoint gone, or back. */
static void
toggle_endpoint(Input *input, uint32_t service, bool gone)
{
    g_autofree char *name = g_strdup_printf("svc-%u-x7k2p", service), *ns = g_strdup_printf("ns%u", service % 100);
    const ApiObject *old = store_get(input->store, KIND_ENDPOINTSLICE, ns, name);
    ApiObject *copy = api_copy(old);

    ((EndpointSlice *)copy)->endpoints[0].conditions = gone ? 0 : EP_READY | EP_SERVING;
    store_put(input->store, copy);
}

/* Takes a Service away, or puts it back. */
static void
toggle_service(Input *input, const ApiObject *service, bool gone)
{
    if (gone)
        store_remove(input->store, KIND_SERVICE, service->ns, service->name);
    else
        store_put(input->store, api_ref((ApiObject *)service));
}

/* Until the rules of the node are new. */
static double
sync_rules(ProxyRules *rules)
{
    double begin = bench_cpu();
    NfRuleset *next;

    service_map_update(rules->services);
    next = proxy_compile(rules->compiler, rules->services, &rules->node, NULL);
    begin = bench_cpu() - begin;
    nf_ruleset_unref(next);
    return begin;
}

static void
measure_mode(Input *input, ProxyMode mode, uint32_t n_services)
{
    const char *name = mode == PROXY_IPTABLES ? "iptables" : "nftables";
    g_autofree char *service_name = g_strdup_printf("svc-%u", n_services / 3);
    g_autofree char *ns = g_strdup_printf("ns%u", n_services / 3 % 100);
    const ApiObject *service = store_get(input->store, KIND_SERVICE, ns, service_name);
    ApiObject *held = api_ref((ApiObject *)service);
    Runs compile = {0}, print = {0}, change = {0}, gone = {0}, added = {0}, other = {0};
    g_autofree char *label = NULL;
    size_t n_bytes = 0;

    for (int r = 0; r < N_RUNS; r++) {
        double begin = bench_cpu();
        ProxyRules *rules = proxy_rules_new(input, "node-0", &mode, FAMILY_IPV4);
        GString *text = g_string_new(NULL);
        ProxyNode second;
        NfRuleset *next;

        runs_add(&compile, bench_cpu() - begin);
        begin = bench_cpu();
        if (mode == PROXY_IPTABLES)
            nf_print_iptables_save(text, rules->ruleset);
        else
            nf_print_nft_ruleset(text, rules->ruleset, NULL);
        runs_add(&print, bench_cpu() - begin);
        n_bytes = text->len;
        g_string_free(text, TRUE);
        toggle_endpoint(input, n_services / 2, r % 2 == 0);
        runs_add(&change, sync_rules(rules));
        toggle_service(input, held, true);
        runs_add(&gone, sync_rules(rules));
        toggle_service(input, held, false);
        runs_add(&added, sync_rules(rules));
        proxy_node_from_input(input, "node-3", FAMILY_IPV4, &second);
        begin = bench_cpu();
        next = proxy_compile(rules->compiler, rules->services, &second, NULL);
        runs_add(&other, bench_cpu() - begin);
        nf_ruleset_unref(next);
        proxy_node_clear(&second);
        proxy_rules_free(rules);
    }
    printf("--- %s\n", name);
    print_time("service map and first compile", &compile);
    print_rate("text", &print, n_bytes);
    print_time("one endpoint changed, until the rules are new", &change);
    print_time("one Service gone", &gone);
    print_time("one Service added", &added);
    print_time("another node of the same zone", &other);
    api_unref(held);
}

int
main(int argc, char **argv)
{
    uint32_t n_services = argc > 2 ? (uint32_t)atoi(argv[1]) : 10000,
             n_endpoints = argc > 2 ? (uint32_t)atoi(argv[2]) : 10;
    Runs events = {0}, yaml_load = {0}, json_load = {0}, fill = {0};
    GString *yaml = bench_list(false, 10, n_services, n_endpoints);
    GString *json = bench_list(true, 10, n_services, n_endpoints);
    double seconds;
    Input *input = NULL;

    for (int r = 0; r < N_RUNS; r++) {
        runs_add(&events, libyaml_events(yaml));
        input_free(load(yaml, &seconds));
        runs_add(&yaml_load, seconds);
        if (input)
            input_free(input);
        input = load(json, &seconds);
        runs_add(&json_load, seconds);
        seconds = bench_cpu();
        control_fill(input);
        runs_add(&fill, bench_cpu() - seconds);
    }
    printf("%u Services of %u endpoints: %.1f MB YAML, %.1f MB JSON\n", n_services, n_endpoints,
           (double)yaml->len / 1e6, (double)json->len / 1e6);
    print_rate("libyaml, bare events", &events, yaml->len);
    print_rate("YAML into objects", &yaml_load, yaml->len);
    print_rate("JSON into objects", &json_load, json->len);
    print_time("what they leave open", &fill);
    measure_mode(input, PROXY_IPTABLES, n_services);
    measure_mode(input, PROXY_NFTABLES, n_services);
    input_free(input);
    g_string_free(yaml, TRUE);
    g_string_free(json, TRUE);
    return 0;
}
