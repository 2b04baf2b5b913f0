#include "model/proxy/proxier.h"

#include <string.h>

#include "model/proxy/base.h"

#define LARGE_CLUSTER_ENDPOINTS 1000 /* iptables/proxier.go largeClusterEndpointsThreshold. */

ProxyCompiler *
proxy_compiler_new(const ProxyParams *params, NfNames *names)
{
    ProxyCompiler *c = g_new0(ProxyCompiler, 1);

    c->refs = 1;
    c->mark_chain = NF_NO_ID;
    c->params = *params;
    c->names = nf_names_ref(names);
    c->origins = origins_new();
    c->bases = g_ptr_array_new_with_free_func(base_free);
    switch (params->mode) {
    case PROXY_IPTABLES:
        c->ops = &iptables_ops;
        break;
    case PROXY_NFTABLES:
        c->ops = &nftables_ops;
        break;
    case PROXY_IPVS:
        break;
    }
    htable_init(&c->service_names, sizeof(uint64_t), sizeof(ServiceNames *));
    htable_init(&c->gone_services, sizeof(uint64_t), 0);
    c->detectors = g_ptr_array_new_with_free_func(g_free);
    return c;
}

ProxyCompiler *
proxy_compiler_ref(ProxyCompiler *c)
{
    c->refs++;
    return c;
}

void
proxy_compiler_unref(ProxyCompiler *c)
{
    if (--c->refs > 0)
        return;
    htable_clear(&c->service_names);
    htable_clear(&c->gone_services);
    g_ptr_array_unref(c->detectors);
    origins_free(c->origins);
    nf_names_unref(c->names);
    g_free(c);
}

void
proxy_compiler_free(ProxyCompiler *compiler)
{
    if (!compiler)
        return;
    compiler->closed = true;
    g_clear_pointer(&compiler->bases, g_ptr_array_unref);
    vec_clear(&compiler->choices);
    proxy_compiler_unref(compiler);
}

const ProxyParams *
proxy_compiler_params(const ProxyCompiler *compiler)
{
    return &compiler->params;
}

void
proxy_compiler_forget(ProxyCompiler *compiler)
{
    g_ptr_array_set_size(compiler->bases, 0);
}

/* --- Views ------------------------------------------------------------------------------------------------------- */

static ProxyView
view_of_node(ProxyCompiler *c, const ServiceMap *map, const ProxyNode *node)
{
    const ProxyConfig *config = c->params.config;
    ProxyView view = {.params = &c->params,
                      .ops = c->ops,
                      .names = c->names,
                      .origins = c->origins,
                      .node = {node->name, node->zone, c->params.version},
                      .primary_ip = node->primary_ip,
                      .detector = detect_local(config, c->params.family, node),
                      .tcp_be_liberal = node->tcp_be_liberal,
                      .random_fully = node->random_fully,
                      .forward_drop = node->forward_drop,
                      .nfacct_invalid = node->nfacct_invalid && c->params.version.minor > 30,
                      .nfacct_localhost = node->nfacct_localhost && c->params.version.minor > 30,
                      .large_cluster = service_map_total_endpoints(map) > LARGE_CLUSTER_ENDPOINTS,
                      .mark = 1u << config->masquerade_bit,
                      .mark_chain = &c->mark_chain};

    node_port_addrs(config, c->params.mode, c->params.family, node, &view.node_ports);
    view.localhost_node_ports =
        c->params.family == FAMILY_IPV4 && config->localhost_node_ports && view.node_ports.loopback4;
    return view;
}

/* The same without what is the node's own. */
static ProxyView
view_of_class(const ProxyView *node)
{
    ProxyView view = *node;

    view.node.name = NULL;
    view.primary_ip = view.params->family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6;
    view.node_ports.addrs = NULL;
    view.node_ports.n_addrs = 0;
    return view;
}

NfRuleset *
proxy_compile(ProxyCompiler *compiler, const ServiceMap *map, const ProxyNode *node, GError **error)
{
    NfRuleset *ruleset = NULL;
    ProxyView view, class_view;
    Base *base;

    if (!compiler->ops) {
        g_set_error_literal(error, PROXY_ERROR, 0, "ipvs mode is not modelled yet");
        return NULL;
    }
    view = view_of_node(compiler, map, node);
    class_view = view_of_class(&view);
    base = base_of(compiler, &class_view);
    if (base_update(compiler, base, &class_view, map, error))
        ruleset = overlay_new(compiler, base, &view, error);
    node_port_addrs_clear(&view.node_ports);
    return ruleset;
}

bool
proxy_origin(const ProxyCompiler *compiler, uint32_t origin, RuleOrigin *ret_origin)
{
    OriginWords words;

    if (!origins_resolve(compiler->origins, origin, &words))
        return false;
    *ret_origin = (RuleOrigin){words.object, words.detail, words.field, words.source};
    return true;
}

G_DEFINE_QUARK(svcsim - proxy - error, proxy_error)
