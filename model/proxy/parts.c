#include "model/proxy/parts.h"

#include <string.h>

void
parts_clear(Parts *parts)
{
    for (size_t i = 0; i < parts->chains.len; i++)
        nf_chain_unref(parts->chains.data[i]);
    for (size_t i = 0; i < parts->sets.len; i++)
        nf_set_unref(parts->sets.data[i]);
    vec_clear(&parts->chains);
    vec_clear(&parts->sets);
}

void
parts_free(void *parts)
{
    parts_clear(parts);
    g_free(parts);
}

void
parts_put(NfRuleset *ruleset, const Parts *parts)
{
    for (size_t i = 0; i < parts->chains.len; i++)
        nf_ruleset_put_chain(ruleset, nf_chain_ref(parts->chains.data[i]));
    for (size_t i = 0; i < parts->sets.len; i++)
        nf_ruleset_put_set(ruleset, nf_set_ref(parts->sets.data[i]));
}

void
parts_remove(NfRuleset *ruleset, const Parts *parts)
{
    for (size_t i = 0; i < parts->chains.len; i++)
        nf_ruleset_remove_chain(ruleset, nf_chain_spec(parts->chains.data[i])->id);
    for (size_t i = 0; i < parts->sets.len; i++)
        nf_ruleset_remove_set(ruleset, nf_set_spec(parts->sets.data[i])->id);
}

/* --- Variants ---------------------------------------------------------------------------------------------------- */

/* All that parts depend on, beyond the state of the port. */
struct PartsVariant {
    struct PartsVariant *next;
    LocalDetector detector;
    PortVerdict verdict;
    uint32_t n_cluster, n_local, n_reachable;
    Parts parts;
    uint32_t chosen[]; /* Endpoint indices of the three lists. */
};

static bool
list_is(const uint32_t *chosen, const PortRow *row, const ProxyEndpoint *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (chosen[i] != row_endpoint_index(row, list[i]))
            return false;
    return true;
}

static bool
variant_is(const struct PartsVariant *v, const ProxyView *view, const PortRow *row, const EndpointChoice *choice)
{
    return v->n_cluster == choice->n_cluster && v->n_local == choice->n_local &&
           v->n_reachable == choice->n_reachable && v->verdict.has_endpoints == row->verdict.has_endpoints &&
           v->verdict.has_internal == row->verdict.has_internal &&
           v->verdict.has_external == row->verdict.has_external &&
           v->verdict.node_in_ranges == row->verdict.node_in_ranges &&
           detect_local_equal(&v->detector, &view->detector) &&
           list_is(v->chosen, row, choice->cluster, v->n_cluster) &&
           list_is(v->chosen + v->n_cluster, row, choice->local, v->n_local) &&
           list_is(v->chosen + v->n_cluster + v->n_local, row, choice->reachable, v->n_reachable);
}

static uint32_t *
note_list(uint32_t *chosen, const PortRow *row, const ProxyEndpoint *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        *chosen++ = row_endpoint_index(row, list[i]);
    return chosen;
}

const Parts *
port_parts(const ProxyModeOps *ops, const ProxyView *view, PortNames *names, const PortRow *row,
           const EndpointChoice *choice)
{
    size_t n = (size_t)choice->n_cluster + choice->n_local + choice->n_reachable;
    struct PartsVariant *v;
    uint32_t *chosen;

    for (v = names->variants; v; v = v->next)
        if (variant_is(v, view, row, choice))
            return &v->parts;
    v = g_malloc0(sizeof *v + n * sizeof *v->chosen);
    v->detector = view->detector;
    v->verdict = row->verdict;
    v->n_cluster = choice->n_cluster;
    v->n_local = choice->n_local;
    v->n_reachable = choice->n_reachable;
    chosen = note_list(v->chosen, row, choice->cluster, v->n_cluster);
    chosen = note_list(chosen, row, choice->local, v->n_local);
    note_list(chosen, row, choice->reachable, v->n_reachable);
    ops->port(view, row, choice, &v->parts);
    v->next = names->variants;
    names->variants = v;
    return &v->parts;
}

void
port_names_unref(PortNames *names)
{
    PortNames **known;

    if (--names->refs > 0)
        return;
    known = htable_find(names->table, &names->generation);
    if (known && *known == names)
        htable_remove(names->table, &names->generation);
    for (struct PartsVariant *v = names->variants, *next; v; v = next) {
        next = v->next;
        parts_clear(&v->parts);
        g_free(v);
    }
    arena_clear(&names->arena);
    g_free(names);
}
