#include "model/proxy/base.h"

#include <string.h>

/* What an overlay must say of its own. */
typedef struct {
    NfRuleset *rules;
    unsigned differs;  /* PART_* of the shared parts. */
    GByteArray *key;   /* Of all decisions that shared parts depend on and the base made otherwise. */
    VEC(OwnParts) own; /* Of ports that shared parts see otherwise. */
} Overlay;

static unsigned
verdict_differs(const PortVerdict *a, const PortVerdict *b)
{
    return (a->has_internal != b->has_internal ? PART_INTERNAL : 0) |
           (a->has_external != b->has_external ? PART_EXTERNAL : 0) |
           (a->has_endpoints != b->has_endpoints ? PART_ALL : 0);
}

/* The node's decision for a Service that may be otherwise elsewhere. */
static void
overlay_service(ProxyCompiler *c, const ProxyView *view, uint32_t place, const BaseService *of_base, Overlay *overlay)
{
    const ServiceParts *own = base_decide(c, view, service_parts_names(of_base->parts));
    unsigned differs = 0;

    if (own != of_base->parts)
        service_parts_overlay(overlay->rules, own, of_base->parts);
    for (uint32_t i = 0; i < service_entry_n_ports(of_base->entry); i++) {
        PortVerdict mine = service_parts_verdict(own, i), theirs = service_parts_verdict(of_base->parts, i);

        differs |= verdict_differs(&mine, &theirs);
    }
    if (!differs)
        return;
    overlay->differs |= differs;
    vec_push(&overlay->own, (OwnParts){place, own});
    g_byte_array_append(overlay->key, (const guint8 *)&place, sizeof place);
    for (uint32_t i = 0; i < service_entry_n_ports(of_base->entry); i++) {
        PortVerdict mine = service_parts_verdict(own, i);
        uint8_t bits = (uint8_t)(mine.has_internal | mine.has_external << 1 | mine.has_endpoints << 2);

        g_byte_array_append(overlay->key, &bits, 1);
    }
}

static void
shared_chains(ProxyCompiler *c, const Base *base, const ProxyView *view, const Overlay *overlay, unsigned part_mask,
              Parts *parts)
{
    ServiceBlocks blocks;

    service_blocks_derive(&base->blocks, view, overlay->own.data, overlay->own.len, &blocks);
    for (uint32_t i = 0; i < c->ops->n_shared_chains; i++)
        if (c->ops->shared_chains[i].depends & part_mask)
            vec_push(&parts->chains, service_blocks_chain(&blocks, view, i));
    service_blocks_clear(&blocks);
}

/* Of the Services as they are now: what is local depends on their endpoints, too. */
static bool
shared_sets(ProxyCompiler *c, const Base *base, const ProxyView *view, const Overlay *overlay, unsigned part_mask,
            Parts *parts, GError **error)
{
    size_t n = base->services.len;
    g_autofree SharedService *services = g_new0(SharedService, n + 1);

    for (size_t i = 0; i < n; i++)
        services[i].parts = base->services.data[i].parts;
    for (size_t i = 0; i < overlay->own.len; i++)
        services[overlay->own.data[i].place].parts = overlay->own.data[i].parts;
    for (size_t i = 0; i < n; i++)
        services[i].serves = service_parts_serve(services[i].parts);
    return c->ops->shared_sets(view, services, n, part_mask, NULL, parts, error);
}

/* The shared parts as this node needs them; nodes that decide alike share them. */
static const Parts *
overlay_shared(ProxyCompiler *c, Base *base, const ProxyView *view, Overlay *overlay, GError **error)
{
    unsigned own = c->ops->per_node(view);
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
    shared_chains(c, base, view, overlay, overlay->differs | own, parts);
    if (c->ops->shared_sets && !shared_sets(c, base, view, overlay, overlay->differs | own, parts, error)) {
        parts_free(parts);
        return NULL;
    }
    g_hash_table_insert(base->overlays, g_steal_pointer(&key), parts);
    return parts;
}

static void
find_nearby(Base *base)
{
    nearby_begin(&base->nearby);
    for (size_t i = 0; i < base->services.len; i++)
        if (base->services.data[i].node_dependent)
            nearby_add(&base->nearby, (uint32_t)i, base->services.data[i].entry);
}

NfRuleset *
overlay_new(ProxyCompiler *c, Base *base, const ProxyView *view, GError **error)
{
    g_autoptr(GByteArray) key = g_byte_array_new();
    Overlay overlay = {.rules = nf_ruleset_derive(base->ruleset), .key = key};
    Places places;
    bool ok = true;

    if (!base->nearby.by_node)
        find_nearby(base);
    places = nearby_find(&base->nearby, view->node.name);
    for (size_t i = 0; i < places.len; i++)
        overlay_service(c, view, places.data[i], &base->services.data[places.data[i]], &overlay);
    vec_clear(&places);
    /* Most nodes are as their class. */
    if (!(overlay.differs | c->ops->per_node(view)) && nf_ruleset_is_as_base(overlay.rules)) {
        nf_ruleset_unref(overlay.rules);
        return nf_ruleset_ref(base->ruleset);
    }
    if (overlay.differs | c->ops->per_node(view)) {
        const Parts *shared = overlay_shared(c, base, view, &overlay, error);
        ok = shared != NULL;
        if (ok)
            parts_put(overlay.rules, shared);
    }
    vec_clear(&overlay.own);
    if (!ok || !nf_ruleset_seal(overlay.rules, error)) {
        nf_ruleset_unref(overlay.rules);
        return NULL;
    }
    return overlay.rules;
}
