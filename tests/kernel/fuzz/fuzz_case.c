/* Cases: made from a seed, turned into rule objects and text */

#include "tests/kernel/fuzz/fuzz.h"

static NfChain *build_chain(const FuzzCase *c, uint32_t index);
static void save_text(GString *out, const FuzzCase *c);

FuzzCase *
fuzz_case_new(uint64_t seed, FuzzKind kind)
{
    FuzzCase *c = g_new0(FuzzCase, 1);
    Rng rng = rng_stream(seed, "case", "kernel-fuzz");

    c->seed = seed;
    c->names = nf_names_new();
    c->dialect = fuzz_one_in(&rng, 4) ? FUZZ_NFT : FUZZ_IPTABLES;
    c->family = fuzz_one_in(&rng, 3) ? FAMILY_IPV6 : FAMILY_IPV4;
    c->rules = g_array_new(FALSE, TRUE, sizeof(FuzzRule));
    c->steps = g_array_new(FALSE, TRUE, sizeof(FuzzStep));
    c->sets = g_ptr_array_new_with_free_func((GDestroyNotify)nf_set_unref);
    c->sysctls = g_ptr_array_new_with_free_func(g_free);
    c->tracking = kind == FUZZ_ANY ? fuzz_one_in(&rng, 5) : kind == FUZZ_TRACKING;
    if (c->tracking) {
        fuzz_make_tracking(c, &rng);
        return c;
    }
    if (c->dialect == FUZZ_NFT)
        fuzz_make_nft(c, &rng);
    else
        fuzz_make_iptables(c, &rng);
    fuzz_make_steps(c, &rng);
    return c;
}

void
fuzz_case_free(FuzzCase *c)
{
    for (guint i = 0; i < c->rules->len; i++)
        g_free(g_array_index(c->rules, FuzzRule, i).text);
    g_array_unref(c->rules);
    g_array_unref(c->steps);
    g_ptr_array_unref(c->sysctls);
    g_ptr_array_unref(c->sets);
    nf_names_unref(c->names);
    g_free(c);
}

bool
fuzz_one_in(Rng *rng, uint32_t n)
{
    return rng_below(rng, n) == 0;
}

FuzzChain *
fuzz_add_chain(FuzzCase *c, const char *table, const char *name, uint8_t family)
{
    FuzzChain *chain = &c->chains[c->n_chains++];

    g_assert(c->n_chains <= G_N_ELEMENTS(c->chains));
    chain->table = table;
    g_strlcpy(chain->name, name, sizeof chain->name);
    chain->family = family;
    chain->policy = NF_ACCEPT;
    nf_chain_id(c->names, table, name);
    return chain;
}

const FuzzChain *
fuzz_callee(const FuzzCase *c, uint32_t from, Rng *rng)
{
    const FuzzChain *found = NULL;
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_chains; i++) {
        const FuzzChain *chain = &c->chains[i];
        if (chain->is_base || (i <= from && !c->chains[from].is_base) || chain->family != c->chains[from].family ||
            strcmp(chain->table, c->chains[from].table) != 0)
            continue;
        if (fuzz_one_in(rng, ++n))
            found = chain;
    }
    return found;
}

NfRuleset *
fuzz_case_ruleset(const FuzzCase *c, GError **error)
{
    if (c->dialect == FUZZ_NFT) {
        NfRuleset *rs = nf_ruleset_new(c->names, NF_DIALECT_NFT, c->family);
        for (guint i = 0; i < c->sets->len; i++)
            nf_ruleset_put_set(rs, nf_set_ref(c->sets->pdata[i]));
        for (uint32_t i = 0; i < c->n_chains; i++)
            nf_ruleset_put_chain(rs, build_chain(c, i));
        if (nf_ruleset_seal(rs, error))
            return rs;
        nf_ruleset_unref(rs);
        return NULL;
    }

    GString *text = g_string_new(NULL);
    GPtrArray *notes = NULL;
    NfRuleset *base, *rs = NULL;

    save_text(text, c);
    base = nf_parse_iptables_save(c->names, c->family, text->str, text->len, &notes);
    for (guint i = 0; i < notes->len; i++) {
        const NfParseNote *note = notes->pdata[i];
        if (!strstr(note->message, "content of ipset") && error && !*error)
            g_set_error(error, NF_ERROR, NF_ERROR_REFERENCE, "line %u: %s", note->line, note->message);
    }
    g_ptr_array_unref(notes);
    g_string_free(text, TRUE);
    if (!base || (error && *error)) {
        if (base)
            nf_ruleset_unref(base);
        return NULL;
    }
    rs = nf_ruleset_derive(base);
    nf_ruleset_unref(base);
    fuzz_ipsets_put(rs);
    if (nf_ruleset_seal(rs, error))
        return rs;
    nf_ruleset_unref(rs);
    return NULL;
}

bool
fuzz_print_rules(GString *out, const FuzzCase *c, GError **error)
{
    NfRuleset *rs;

    if (c->dialect == FUZZ_IPTABLES) {
        save_text(out, c);
        return true;
    }
    rs = fuzz_case_ruleset(c, error);
    if (!rs)
        return false;
    nf_print_nft_ruleset(out, rs, NULL);
    nf_ruleset_unref(rs);
    return true;
}

static NfChain *
build_chain(const FuzzCase *c, uint32_t index)
{
    const FuzzChain *chain = &c->chains[index];
    NfChainSpec spec = {.id = nf_chain_find(c->names, chain->table, chain->name),
                        .is_base = chain->is_base,
                        .hook = chain->hook,
                        .type = chain->type,
                        .priority = chain->priority,
                        .policy = chain->policy,
                        .comment = NF_NO_ID};
    NfChainBuilder *b = nf_chain_builder_new(c->names, &spec);

    for (guint i = 0; i < c->rules->len; i++) {
        const FuzzRule *rule = &g_array_index(c->rules, FuzzRule, i);
        if (rule->chain != index)
            continue;
        nf_rule_begin(b, 0);
        for (uint32_t j = 0; j < rule->n_exprs; j++) {
            NfExpr expr = rule->exprs[j];
            if (rule->has_range && (expr.op == NFX_DNAT || expr.op == NFX_SNAT))
                expr.c = (uint8_t)nf_rule_range(b, &rule->range);
            if (expr.op == NFX_NUMGEN_VMAP || expr.op == NFX_NUMGEN_DNAT)
                expr.a = nf_rule_choices(b, &rule->choice, 1);
            nf_rule_expr(b, expr);
        }
        nf_rule_end(b);
    }
    return nf_chain_seal(b);
}

static void
save_text(GString *out, const FuzzCase *c)
{
    for (uint32_t first = 0, next; first < c->n_chains; first = next) {
        const char *table = c->chains[first].table;

        g_string_append_printf(out, "*%s\n", table);
        for (next = first; next < c->n_chains && c->chains[next].table == table; next++)
            g_string_append_printf(out, ":%s %s [0:0]\n", c->chains[next].name,
                                   !c->chains[next].is_base              ? "-"
                                   : c->chains[next].policy == NF_ACCEPT ? "ACCEPT"
                                                                         : "DROP");
        for (uint32_t i = first; i < next; i++)
            for (guint j = 0; j < c->rules->len; j++) {
                const FuzzRule *rule = &g_array_index(c->rules, FuzzRule, j);
                if (rule->chain == i)
                    g_string_append_printf(out, "-A %s %s\n", c->chains[i].name, rule->text);
            }
        g_string_append(out, "COMMIT\n");
    }
}
