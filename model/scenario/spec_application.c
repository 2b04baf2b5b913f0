/* svcsim/v1 Application: decoding */

#include "model/api/config_read.h"
#include "model/scenario/spec.h"

static void read_http(Diags *diags, Strings *strings, const DocNode *spec, ApplicationSpec *ret_spec);

bool
application_spec_decode(Diags *diags, Strings *strings, const DocNode *root, ApplicationSpec *ret_spec)
{
    static const char *const root_known[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    static const char *const known[] = {"namespace",     "selector", "ports",   "http",
                                        "proxyProtocol", "latency",  "startup", "onTerm",
                                        "idleTimeout",   "failAt",   NULL};
    static const char *const on_terms[] = {"drain", "abrupt", "ignore", NULL};
    uint32_t before = diags_errors(diags);
    *ret_spec = (ApplicationSpec){.mark = root->mark, .fail_at = SIMTIME_NEVER, .idle_timeout = SIMTIME_NEVER};
    ret_spec->ns = config_text(diags, strings, node_map(diags, root, "metadata"), "namespace", NULL);
    ret_spec->name = config_name(diags, strings, root);
    const DocNode *spec = node_require(diags, root, "spec") ? node_map(diags, root, "spec") : NULL;
    ret_spec->ns = config_text(diags, strings, spec, "namespace", ret_spec->ns);
    ret_spec->selector = config_labels(diags, strings, spec, "selector");
    node_use_all(node_get(spec, "selector"));
    const DocNode *ports = node_seq(diags, spec, "ports");
    ret_spec->ports = strings_alloc(strings, (ports ? ports->n : 0) * sizeof *ret_spec->ports);
    for (uint32_t i = 0; ports && i < ports->n; i++) {
        int64_t port;
        if (node_read_int(diags, ports->items[i], 1, 65535, &port))
            ret_spec->ports[ret_spec->n_ports++] = (uint16_t)port;
    }
    read_http(diags, strings, spec, ret_spec);
    ret_spec->accept_proxy = node_bool(diags, spec, "proxyProtocol", false);
    ret_spec->latency = node_duration(diags, spec, "latency", 0);
    ret_spec->startup = node_duration(diags, spec, "startup", 0);
    ret_spec->on_term = (OnTerm)node_enum(diags, spec, "onTerm", ON_TERM_DRAIN, on_terms);
    ret_spec->idle_timeout = node_duration(diags, spec, "idleTimeout", SIMTIME_NEVER);
    ret_spec->fail_at = node_duration(diags, spec, "failAt", SIMTIME_NEVER);
    node_get(root, "apiVersion");
    node_get(root, "kind");
    node_report_unused(diags, root, DIAG_ERROR, root_known);
    node_report_unused(diags, spec, DIAG_ERROR, known);
    return diags_errors(diags) == before;
}

static void
read_http(Diags *diags, Strings *strings, const DocNode *spec, ApplicationSpec *ret_spec)
{
    static const char *const known[] = {"calls", "body", "responseBytes", NULL};
    const DocNode *http = node_map(diags, spec, "http");
    ret_spec->http_calls = config_texts(diags, strings, http, "calls", &ret_spec->n_http_calls);
    ret_spec->http_body = config_text(diags, strings, http, "body", NULL);
    ret_spec->response_bytes = (uint32_t)node_int(diags, http, "responseBytes", 0, 0, 1 << 30);
    node_report_unused(diags, http, DIAG_ERROR, known);
}
