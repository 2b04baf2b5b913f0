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
