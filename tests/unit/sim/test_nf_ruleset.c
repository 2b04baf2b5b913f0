#include "tests/unit/sim/nf_world.h"

static NfChainBuilder *
begin_to(NfNames *names, const char *name, int n, const char *const *targets)
{
    NfChainSpec spec = {.id = nf_chain_id(names, "nat", name), .comment = NF_NO_ID};
    NfChainBuilder *b = nf_chain_builder_new(names, &spec);

    for (int i = 0; i < n; i++) {
        nf_rule_begin(b, 0);
        nf_rule_expr(b, nfx_jump(nf_chain_id(names, "nat", targets[i])));
        nf_rule_end(b);
    }
    return b;
}

static NfChain *
chain_to(NfNames *names, const char *name, int n, const char *const *targets)
{
    return nf_chain_seal(begin_to(names, name, n, targets));
}

static void
put(NfRuleset *rs, const char *name, const char *target)
{
    nf_ruleset_put_chain(rs, chain_to(nf_ruleset_names(rs), name, target ? 1 : 0, &target));
}

static void
seal_fails(NfRuleset *rs, const char *with)
{
    GError *error = NULL;

    T_TRUE(!nf_ruleset_seal(rs, &error));
    T_TRUE(error && strstr(error->message, with));
    if (error && !strstr(error->message, with))
        g_printerr("%s\n", error->message);
    g_clear_error(&error);
    nf_ruleset_unref(rs);
}

static NfRuleset *
base_abc(NfNames *names)
{
    NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4);

    put(rs, "A", "B");
    put(rs, "B", "C");
    put(rs, "C", NULL);
    T_TRUE(nf_ruleset_seal(rs, NULL));
    return rs;
}

static void
test_checks(void)
{
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4);

    put(rs, "A", "B");
    seal_fails(rs, "chain A, rule 1: no chain B");
    rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4);
    put(rs, "A", "B");
    put(rs, "B", "A");
    seal_fails(rs, "loop");
    rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4);
    for (int i = 0; i < NF_MAX_DEPTH + 5; i++) {
        g_autofree char *name = g_strdup_printf("D%d", i), *next = g_strdup_printf("D%d", i + 1);
        put(rs, name, i < NF_MAX_DEPTH + 4 ? next : NULL);
    }
    seal_fails(rs, "64 deep");
    nf_names_unref(names);
}

/* An overlay that makes a callee higher or closes a loop through its base is found out. */
static void
test_overlay_checks(void)
{
    NfNames *names = nf_names_new();
    NfRuleset *base = base_abc(names), *over;
    size_t n;
    uint32_t *ids;

    over = nf_ruleset_derive(base);
    put(over, "C", "A");
    seal_fails(over, "loop");
    over = nf_ruleset_derive(base);
    nf_ruleset_remove_chain(over, nf_chain_id(names, "nat", "C"));
    seal_fails(over, "still in use");
    over = nf_ruleset_derive(base);
    put(over, "C", "X");
    seal_fails(over, "no chain X");

    over = nf_ruleset_derive(base);
    put(over, "C", "X");
    put(over, "X", "Y");
    put(over, "Y", NULL);
    T_TRUE(nf_ruleset_seal(over, NULL));
    ids = nf_ruleset_chain_ids(over, &n);
    T_EQ_U64(n, 5);
    g_free(ids);
    T_TRUE(nf_ruleset_chain(over, nf_chain_id(names, "nat", "A")) ==
           nf_ruleset_chain(base, nf_chain_id(names, "nat", "A")));
    T_TRUE(nf_ruleset_chain(base, nf_chain_id(names, "nat", "X")) == NULL);
    T_TRUE(nf_ruleset_own_bytes(over) < nf_ruleset_own_bytes(base));
    nf_ruleset_unref(over);

    over = nf_ruleset_derive(base); /* Gone with all that named it. */
    put(over, "B", NULL);
    nf_ruleset_remove_chain(over, nf_chain_id(names, "nat", "C"));
    T_TRUE(nf_ruleset_seal(over, NULL));
    T_TRUE(nf_ruleset_chain(over, nf_chain_id(names, "nat", "C")) == NULL);
    nf_ruleset_unref(base);
    T_TRUE(nf_ruleset_chain(over, nf_chain_id(names, "nat", "A")) != NULL); /* Keeps its base alive. */
    nf_ruleset_unref(over);
    nf_names_unref(names);
}

static void
test_generations(void)
{
    NfNames *names = nf_names_new();
    NfRuleset *base = base_abc(names), *next, *third;
    uint32_t c = nf_chain_id(names, "nat", "C");
    const NfChain *old = nf_ruleset_chain(base, c);

    next = nf_ruleset_next(base);
    put(next, "C", "D");
    put(next, "D", NULL);
    T_TRUE(nf_ruleset_seal(next, NULL));
    T_TRUE(nf_ruleset_chain(base, c) == old);
    T_TRUE(nf_ruleset_chain(next, c) != old);
    third = nf_ruleset_next(next);
    put(third, "D", "A"); /* A names B names C names D. */
    seal_fails(third, "loop");
    third = nf_ruleset_next(next);
    put(third, "C", NULL);
    nf_ruleset_remove_chain(third, nf_chain_id(names, "nat", "D"));
    T_TRUE(nf_ruleset_seal(third, NULL));
    nf_ruleset_unref(base);
    T_TRUE(nf_ruleset_chain(third, nf_chain_id(names, "nat", "D")) == NULL);
    T_TRUE(nf_ruleset_chain(next, nf_chain_id(names, "nat", "D")) != NULL);
    nf_ruleset_unref(next);
    nf_ruleset_unref(third);
    nf_names_unref(names);
}

/* Random graphs of calls, edited by generations and overlays: seal() agrees with a plain depth-first search. */
enum { N_CHAINS = 12 };

static bool
twin_ok(const uint32_t graph[N_CHAINS], const bool here[N_CHAINS], int at, uint32_t seen)
{
    if (!here[at] || (seen & 1u << at))
        return false;
    for (int t = 0; t < N_CHAINS; t++)
        if ((graph[at] & 1u << t) && !twin_ok(graph, here, t, seen | 1u << at))
            return false;
    return true;
}

/* The same in pieces of one jump each, which all chains share that jump there. */
static NfChain *
pieces_to(NfNames *names, const char *name, int n, const char *const *targets, GHashTable *known)
{
    NfChainSpec spec = {.id = nf_chain_id(names, "nat", name), .comment = NF_NO_ID};
    NfKeyIndex *index = nf_key_index_new(NULL, 0, 0);
    NfPiece *pieces[N_CHAINS];
    NfChain *chain;

    for (int i = 0; i < n; i++) {
        pieces[i] = g_hash_table_lookup(known, targets[i]);
        if (!pieces[i]) {
            pieces[i] = nf_piece_new_made(nf_chain_seal_piece(begin_to(names, name, 1, &targets[i])));
            g_hash_table_insert(known, (gpointer)targets[i], pieces[i]);
        }
    }
    chain = nf_chain_of_pieces(names, &spec, pieces, (uint32_t)n, index);
    nf_key_index_unref(index);
    return chain;
}

static void
piece_free(gpointer piece)
{
    nf_piece_unref(piece);
}

static void
test_random_graphs(void)
{
    const uint64_t seed = 3;
    Rng rng = rng_stream(seed, "test", "graphs");
    char names_of[N_CHAINS][4];
    int n_ok = 0, n_bad = 0;

    for (int i = 0; i < N_CHAINS; i++)
        g_snprintf(names_of[i], sizeof names_of[i], "C%d", i);
    for (int run = 0; run < 3000; run++) {
        NfNames *names = nf_names_new();
        uint32_t graph[N_CHAINS] = {0};
        bool here[N_CHAINS] = {false};
        NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4);
        g_autoptr(GHashTable) pieces = g_hash_table_new_full(NULL, NULL, NULL, piece_free);

        for (int step = 0; step < 4; step++) {
            int n_edits = step ? 1 + (int)rng_below(&rng, 3) : N_CHAINS;
            uint32_t was[N_CHAINS];
            bool was_here[N_CHAINS], want = true;
            NfRuleset *edited = rs;

            memcpy(was, graph, sizeof was);
            memcpy(was_here, here, sizeof here);
            if (step)
                edited = step == 3 ? nf_ruleset_derive(rs) : nf_ruleset_next(rs);
            for (int e = 0; e < n_edits; e++) {
                int id = step ? (int)rng_below(&rng, N_CHAINS) : e;
                const char *targets[N_CHAINS];
                int n = 0;

                graph[id] = 0;
                here[id] = !step || rng_below(&rng, 6) != 0;
                for (int t = 0; here[id] && t < N_CHAINS; t++)
                    if ((t > id || (step && rng_below(&rng, 12) == 0)) && rng_below(&rng, 5) == 0) {
                        graph[id] |= 1u << t;
                        targets[n++] = names_of[t];
                    }
                if (here[id])
                    nf_ruleset_put_chain(edited, rng_below(&rng, 2) ? pieces_to(names, names_of[id], n, targets, pieces)
                                                                    : chain_to(names, names_of[id], n, targets));
                else
                    nf_ruleset_remove_chain(edited, nf_chain_id(names, "nat", names_of[id]));
            }
            for (int i = 0; i < N_CHAINS; i++)
                want &= !here[i] || twin_ok(graph, here, i, 0);
            if (nf_ruleset_seal(edited, NULL) != want) {
                T_TRUE(!"seal() and the search agree");
                g_printerr("seed %" PRIu64 " run %d step %d: want %d\n", seed, run, step, want);
            }
            if (want)
                n_ok++;
            else
                n_bad++;
            if (!step)
                continue;
            if (want) {
                nf_ruleset_unref(rs);
                rs = edited;
            } else {
                memcpy(graph, was, sizeof was);
                memcpy(here, was_here, sizeof here);
                nf_ruleset_unref(edited);
            }
        }
        nf_ruleset_unref(rs);
        nf_names_unref(names);
    }
    T_TRUE(n_ok > 1000 && n_bad > 500);
}

/* Texts that came after the mark are forgotten, and no others lost, whether or not the table grew meanwhile. */
static void
test_text_marks(void)
{
    Rng rng = rng_stream(1, "test", "texts");

    for (int run = 0; run < 200; run++) {
        NfNames *names = nf_names_new();
        uint32_t n_kept = rng_below(&rng, 40), n_forgotten = rng_below(&rng, run % 10 ? 12 : 200);
        NfTextMark mark;
        char text[16];

        for (uint32_t i = 0; i < n_kept; i++) {
            g_snprintf(text, sizeof text, "kept %u", i);
            nf_text_id(names, text);
        }
        mark = nf_texts_mark(names);
        for (uint32_t i = 0; i < n_forgotten; i++) {
            g_snprintf(text, sizeof text, rng_below(&rng, 2) ? "new %u" : "kept %u", i);
            nf_text_id(names, text);
        }
        nf_texts_forget(names, &mark);
        for (uint32_t i = 0; i < 200; i++) {
            g_snprintf(text, sizeof text, "kept %u", i);
            T_TRUE(nf_text_find(names, text) == (i < n_kept ? i + 1 : NF_NO_ID));
            g_snprintf(text, sizeof text, "new %u", i);
            T_TRUE(nf_text_find(names, text) == NF_NO_ID);
        }
        T_EQ_U64(nf_text_id(names, "another"), n_kept + 1);
        T_EQ_STR(nf_text(names, n_kept + 1), "another");
        nf_names_unref(names);
    }
}

static void
test_equality(void)
{
    NfNames *names = nf_names_new();
    const char *t1[] = {"X", "Y"}, *t2[] = {"Y", "X"};
    NfChain *a = chain_to(names, "A", 2, t1), *b = chain_to(names, "A", 2, t1), *c = chain_to(names, "A", 2, t2);

    T_TRUE(nf_chain_equal(a, b));
    T_TRUE(!nf_chain_equal(a, c));
    nf_chain_unref(a);
    nf_chain_unref(b);
    nf_chain_unref(c);
    nf_names_unref(names);
}

const TestSuite suite_nf_ruleset = {"sim/nf_ruleset",
                                    {{"seal refuses missing chains, loops and depth", test_checks},
                                     {"seal of an overlay sees loops through its base", test_overlay_checks},
                                     {"generations are independent", test_generations},
                                     {"seal agrees with a search on random graphs", test_random_graphs},
                                     {"texts since a mark are forgotten", test_text_marks},
                                     {"equal chains are equal", test_equality}}};
