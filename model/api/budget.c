/* PodDisruptionBudget: decode and encode */

#include "model/api/api_encode.h"

bool
budget_decode(ApiReader *r, const DocNode *root, Budget *b)
{
    static const char *const known[] = {"minAvailable", "maxUnavailable", "selector", "unhealthyPodEvictionPolicy",
                                        NULL};
    static const char *const policies[] = {"IfHealthyBudget", "AlwaysAllow", NULL};
    const DocNode *spec = node_map(r->diags, root, "spec");
    if (!spec) {
        node_require(r->diags, root, "spec");
        return false;
    }
    b->has_min = node_get(spec, "minAvailable") != NULL;
    b->has_max = node_get(spec, "maxUnavailable") != NULL;
    b->min_available = read_int_or_percent(r, spec, "minAvailable", b->min_available);
    b->max_unavailable = read_int_or_percent(r, spec, "maxUnavailable", b->max_unavailable);
    if (b->has_min && b->has_max)
        node_diag(r->diags, DIAG_ERROR, node_get(spec, "maxUnavailable"),
                  "a budget has one of minAvailable and maxUnavailable");
    else if (!b->has_min && !b->has_max)
        node_diag(r->diags, DIAG_WARNING, spec,
                  "neither minAvailable nor maxUnavailable: no eviction will ever be allowed");
    const DocNode *selector = node_map(r->diags, spec, "selector");
    b->selector = read_labels(r, selector, "matchLabels");
    if (node_get(selector, "matchExpressions"))
        node_diag(r->diags, DIAG_WARNING, node_get(selector, "matchExpressions"),
                  "not modelled: pods are taken by matchLabels alone");
    b->selects_all = selector && selector->n == 0;
    b->always_allow = node_enum(r->diags, spec, "unhealthyPodEvictionPolicy", 0, policies) == 1;
    node_report_unused(r->diags, spec, DIAG_NOTE, known);
    return true;
}

DocNode *
budget_encode(DocArena *arena, const Budget *b)
{
    DocOut out = {.arena = arena}, selector = {.arena = arena};
    if (b->has_min)
        put_int_or_percent(&out, "minAvailable", b->min_available);
    if (b->has_max)
        put_int_or_percent(&out, "maxUnavailable", b->max_unavailable);
    put_labels(&selector, "matchLabels", &b->selector);
    if (b->selector.n || b->selects_all)
        put_node(&out, "selector", out_map(&selector));
    if (b->always_allow)
        put_text(&out, "unhealthyPodEvictionPolicy", "AlwaysAllow");
    return out_map(&out);
}
