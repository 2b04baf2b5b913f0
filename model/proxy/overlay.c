#include "model/proxy/base.h"

#include <string.h>

/* What an overlay must say of its own. */
typedef struct {
    NfRuleset *rules;
    unsigned differs; /* PART_* of the shared parts. */
    GByteArray *key;  /* Of all decisions that shared parts depend on. */
} Overlay;

static unsigned
verdict_differs(const PortVerdict *a, const PortVerdict *b)
{
    return (a->has_internal != b->has_internal ? PART_INTERNAL : 0) |
           (a->has_external != b->has_external ? PART_EXTERNAL : 0) |
           (a->has_endpoints != b->has_endpoints ? PART_ALL : 0);
}

/* The node's decision for a service port that may be otherwise elsewhere. */
static void
overlay_port(ProxyCompiler *c, const ProxyView *view, const ProxyServicePort *port, const BasePort *of_base,
             Overlay *overlay)
{
    PortRow row = {.port = port, .names = of_base->names};
    EndpointChoice choice;
    const PortParts *own;
    uint8_t bits;

    row.verdict = base_decide(view, port, &choice);
    own = port_parts(view, &row, &choice);
    if (own != of_base->parts)
        port_parts_overlay(overlay->rules, own, of_base->parts);
    endpoint_choice_clear(&choice);
    overlay->differs |= verdict_differs(&row.verdict, &of_base->verdict);
    bits = (uint8_t)(row.verdict.has_internal | row.verdict.has_external << 1 | row.verdict.has_endpoints << 2);
    g_byte_array_append(overlay->key, &bits, 1);
    vec_push(&c->verdicts, row.verdict);
}

/* The shared parts as this node needs them; nodes that decide alike share them. */
static const Parts *
overlay_shared(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *const *ports,
               Overlay *overlay, GError **error)
{
    unsigned own = c->ops->per_node(view);
    PortRow *rows;
    g_autoptr(GBytes) key = NULL;
    Parts *parts;

    if (own & PART_NODE)
        for (uint32_t i = 0; i < view->node_ports.n_addrs; i++)
            g_byte_array_append(overlay->key, view->node_ports.addrs[i]->b, sizeof(IpAddr));
    if (own & PART_LOCAL)
        g_byte_array_append(overlay->key, (const guint8 *)view->node.name, (guint)strlen(view->node.name));
    key = g_bytes_new(overlay->key->data, overlay->key->len);
    parts = g_hash_table_lookup(base->overlays, key);
    if (parts)
        return parts;
    parts = g_new0(Parts, 1);
    rows = base_rows(c, base, ports);
    for (size_t i = 0; i < base->dependent.len; i++)
        rows[base->dependent.data[i]].verdict = c->verdicts.data[i];
    if (!c->ops->shared(view, rows, base->ports.len, overlay->differs | own, NULL, parts, error)) {
        parts_free(parts);
        return NULL;
    }
    g_hash_table_insert(base->overlays, g_steal_pointer(&key), parts);
    return parts;
}

NfRuleset *
overlay_new(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *const *ports, GError **error)
{
    g_autoptr(GByteArray) key = g_byte_array_new();
    Overlay overlay = {.rules = nf_ruleset_derive(base->ruleset), .key = key};
    bool ok = true;

    c->verdicts.len = 0;
    for (size_t i = 0; i < base->dependent.len; i++) {
        uint32_t at = base->dependent.data[i];
        overlay_port(c, view, ports[at], &base->ports.data[at], &overlay);
    }
    if (overlay.differs | c->ops->per_node(view)) {
        const Parts *shared = overlay_shared(c, base, view, ports, &overlay, error);
        ok = shared != NULL;
        if (ok)
            parts_put(overlay.rules, shared);
    }
    if (!ok || !nf_ruleset_seal(overlay.rules, error)) {
        nf_ruleset_unref(overlay.rules);
        return NULL;
    }
    return overlay.rules;
}
