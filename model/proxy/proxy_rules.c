#include "model/proxy/proxy_rules.h"

ProxyRules *
proxy_rules_new(Input *input, const char *node, const ProxyMode *mode, IpFamily family)
{
    ProxyRules *rules = g_new0(ProxyRules, 1);
    KubeVersion version = input_version_of(input, node);
    g_autoptr(GError) error = NULL;

    rules->config = *input_proxy_of(input, node);
    if (mode)
        proxy_config_set_mode(&rules->config, *mode);
    rules->mode = rules->config.mode;
    rules->family = family;
    rules->names = nf_names_new();
    rules->services = service_map_new(input->store, family, version);
    rules->compiler = proxy_compiler_new(&(ProxyParams){.mode = rules->mode,
                                                        .family = family,
                                                        .version = version,
                                                        .config = &rules->config,
                                                        .service_cidrs = input->cluster.service_cidrs,
                                                        .n_service_cidrs = input->cluster.n_service_cidrs},
                                         rules->names);
    proxy_node_from_input(input, node, family, &rules->node);
    rules->ruleset = proxy_compile(rules->compiler, rules->services, &rules->node, &error);
    if (!rules->ruleset)
        rules->error = g_strdup(error->message);
    return rules;
}

void
proxy_rules_free(ProxyRules *rules)
{
    if (!rules)
        return;
    nf_ruleset_unref(rules->ruleset);
    proxy_node_clear(&rules->node);
    proxy_compiler_free(rules->compiler);
    service_map_free(rules->services);
    nf_names_unref(rules->names);
    g_free(rules->error);
    g_free(rules);
}
