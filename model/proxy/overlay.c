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

static bool
has_chain(const Parts *parts, uint32_t id)
{
    for (size_t i = 0; i < parts->chains.len; i++)
        if (nf_chain_spec(parts->chains.data[i])->id == id)
            return true;
    return false;
}

static bool
has_set(const Parts *parts, uint32_t id)
{
    for (size_t i = 0; i < parts->sets.len; i++)
        if (nf_set_spec(parts->sets.data[i])->id == id)
            return true;
    return false;
}

/* Sets of one name differ in nothing but their elements. */
static bool
set_equal(const NfSet *a, const NfSet *b)
{
    size_t n_a, n_b;
    const NfElem *x = nf_set_elems(a, &n_a), *y = nf_set_elems(b, &n_b);

    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (memcmp(&x[i].key, &y[i].key, sizeof x[i].key) != 0 || x[i].addr_len != y[i].addr_len)
            return false;
    return true;
}

/* Puts what 'own' has otherwise than the base, and takes away what it has not. */
static void
overlay_parts(NfRuleset *overlay, const NfRuleset *base, const Parts *own, const Parts *of_base)
{
    for (size_t i = 0; i < own->chains.len; i++) {
        NfChain *chain = own->chains.data[i];
        const NfChain *there = nf_ruleset_chain(base, nf_chain_spec(chain)->id);
        if (!there || !nf_chain_equal(chain, there))
            nf_ruleset_put_chain(overlay, nf_chain_ref(chain));
    }
    for (size_t i = 0; i < own->sets.len; i++) {
        NfSet *set = own->sets.data[i];
        const NfSet *there = nf_ruleset_set(base, nf_set_spec(set)->id);
        if (there != set && !(there && set_equal(set, there)))
            nf_ruleset_put_set(overlay, nf_set_ref(set));
    }
    for (size_t i = 0; i < of_base->chains.len; i++)
        if (!has_chain(own, nf_chain_spec(of_base->chains.data[i])->id))
            nf_ruleset_remove_chain(overlay, nf_chain_spec(of_base->chains.data[i])->id);
    for (size_t i = 0; i < of_base->sets.len; i++)
        if (!has_set(own, nf_set_spec(of_base->sets.data[i])->id))
            nf_ruleset_remove_set(overlay, nf_set_spec(of_base->sets.data[i])->id);
}

/* The node's decision for a service port that may be otherwise elsewhere. */
static void
overlay_port(ProxyCompiler *c, const Base *base, const ProxyView *view, const ProxyServicePort *port,
             const BasePort *of_base, Overlay *overlay)
{
    PortRow row = {.port = port, .names = of_base->names};
    EndpointChoice choice;
    const Parts *own;
    uint8_t bits;

    row.verdict = base_decide(view, port, &choice);
    own = port_parts(c->ops, view, of_base->names, &row, &choice);
    if (own != of_base->parts)
        overlay_parts(overlay->rules, base->ruleset, own, of_base->parts);
    endpoint_choice_clear(&choice);
    overlay->differs |= verdict_differs(&row.verdict, &of_base->verdict);
    bits = (uint8_t)(row.verdict.has_internal | row.verdict.has_external << 1 | row.verdict.has_endpoints << 2);
    g_byte_array_append(overlay->key, &bits, 1);
    vec_push(&c->verdicts, row.verdict);
}

/* The shared parts as this node needs them; nodes that decide alike share them. */
static const Parts *
overlay_shared(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *ports, Overlay *overlay,
               GError **error)
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
    if (!c->ops->shared(view, rows, base->ports.len, overlay->differs | own, parts, error)) {
        parts_free(parts);
        return NULL;
    }
    g_hash_table_insert(base->overlays, g_steal_pointer(&key), parts);
    return parts;
}

NfRuleset *
overlay_new(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *ports, GError **error)
{
    g_autoptr(GByteArray) key = g_byte_array_new();
    Overlay overlay = {.rules = nf_ruleset_derive(base->ruleset), .key = key};
    bool ok = true;

    c->verdicts.len = 0;
    for (size_t i = 0; i < base->dependent.len; i++) {
        uint32_t at = base->dependent.data[i];
        overlay_port(c, base, view, &ports[at], &base->ports.data[at], &overlay);
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
