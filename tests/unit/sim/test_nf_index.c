/* The indexed walk against the linear one: random rule sets of both dialects, random packets; verdicts, marks,
 * counters, state and traces are equal. */

#include "sim/engine/rng.h"
#include "tests/unit/sim/nf_world.h"

#define N_CHAINS 6

typedef struct {
    TraceSink base;
    uint64_t hash;
    uint64_t n;
} Digest;

typedef enum {
    IPTABLES,
    NFT,
    CUT /* iptables, of rules that may stand in pieces; one of the worlds has them so. */
} Kind;

/* The pieces of the chain at hand. */
typedef struct {
    bool on;
    NfPiece *pieces[64];
    uint32_t n;
} Cutter;

static void
digest_record(TraceSink *sink, const TraceRecord *r)
{
    Digest *d = (Digest *)sink;

    if (r->kind == TRACE_RULE_MISS)
        return;
    d->n++;
    d->hash = rng_mix(rng_mix(d->hash, (uint64_t)r->kind << 32 | r->rule.index),
                      (uint64_t)nf_chain_spec(r->rule.chain)->id << 32 | r->rule.tried);
    d->hash = rng_mix(d->hash, (uint64_t)r->rule.depth << 40 | (uint64_t)r->rule.set_elem << 8 | r->rule.draw);
}

static IpAddr
small_addr(Rng *rng)
{
    return ipaddr_v4(10, 0, 0, (uint8_t)rng_below(rng, 6));
}

static NfExpr
random_test(NfWorld *w, Rng *rng, Kind kind)
{
    IpPrefix prefix = {small_addr(rng), rng_below(rng, 2) ? 32 : 30};
    uint16_t port = (uint16_t)(80 + rng_below(rng, 4));

    switch (rng_below(rng, kind == NFT ? 13 : kind == CUT ? 8 : 11)) {
    case 0:
        return nfx_saddr(prefix, rng_below(rng, 2));
    case 1:
        return nfx_daddr(prefix, rng_below(rng, 2));
    case 2:
        return OP(PROTO, rng_below(rng, 2) ? 6 : 17, 0, 0, rng_below(rng, 4) == 0);
    case 3:
        return OP(DPORT, port, port + rng_below(rng, 2), 6, rng_below(rng, 4) == 0);
    case 4:
        return OP(MARK, rng_below(rng, 4), 3, 0, rng_below(rng, 2));
    case 5:
        return OP(SPORT, 1000, 1000 + rng_below(rng, 50), 6, 0);
    case 6:
        return nfx_u32(NFX_IIF, nf_text_id(w->names, "eth"), 0, rng_below(rng, 2), rng_below(rng, 2));
    case 7:
        return nfx_comment(w->names, "why");
    case 8:
        return OP(STATISTIC_RANDOM, 1u << 30, 0, 0, rng_below(rng, 2));
    case 9:
        return OP(STATISTIC_NTH, 3, rng_below(rng, 3), 0, rng_below(rng, 2));
    case 10:
        return OP(RECENT, nf_text_id(w->names, "list"), rng_below(rng, 3), 1u << rng_below(rng, 3), rng_below(rng, 2));
    case 11:
        return OP(LOOKUP, nf_set_id(w->names, "filter", "plain"), NF_KEY_DADDR | NF_KEY_PROTO << 4 | NF_KEY_DPORT << 8,
                  3, rng_below(rng, 2));
    default:
        return OP(LOOKUP, nf_set_id(w->names, "filter", "dyn"), NF_KEY_SADDR, 1, rng_below(rng, 2));
    }
}

static NfExpr
random_target(NfWorld *w, Rng *rng, Kind kind, uint32_t chain)
{
    char name[8];
    uint32_t target;

    g_snprintf(name, sizeof name, "U%u", chain + 1 + rng_below(rng, N_CHAINS - chain));
    target = nf_chain_id(w->names, "filter", name);
    switch (rng_below(rng, kind == NFT ? 14 : 11)) {
    case 0:
        return VERDICT(ACCEPT);
    case 1:
        return VERDICT(DROP);
    case 2:
        return OP(REJECT, REJECT_HOST_UNREACH, 0, 0, false);
    case 3:
        return VERDICT(RETURN);
    case 4:
    case 5:
        return nfx_jump(target);
    case 6:
        return nfx_goto(target);
    case 7:
    case 8:
        return OP(SET_MARK, rng_below(rng, 4), 3, 0, false);
    case 9:
    case 10:
        return VERDICT(CONTINUE);
    case 11:
        return OP(VMAP, nf_set_id(w->names, "filter", "map"), NF_KEY_DADDR | NF_KEY_DPORT << 4, 2, false);
    case 12:
        return OP(SET_UPDATE, nf_set_id(w->names, "filter", "dyn"), NF_KEY_SADDR, 1, false);
    default:
        return VERDICT(COUNTER);
    }
}

static void
cut(NfWorld *w, Cutter *cutter, uint32_t chain_id)
{
    if (!cutter->on)
        return;
    g_assert(cutter->n < G_N_ELEMENTS(cutter->pieces));
    cutter->pieces[cutter->n++] = nf_piece_new_made(nf_chain_seal_piece(w->b));
    w->b = nf_chain_builder_new(w->names, &(NfChainSpec){.id = chain_id, .comment = NF_NO_ID});
}

/* The index holds some of the pieces; those behind it concern every packet. */
static void
done_in_pieces(NfWorld *w, Cutter *cutter, uint32_t chain_id, uint32_t n_behind)
{
    NfChainSpec spec = {.id = chain_id, .comment = NF_NO_ID};
    NfKeyIndex *index;

    cut(w, cutter, chain_id);
    nf_chain_builder_free(w->b);
    w->b = NULL;
    index = nf_key_index_new(cutter->pieces, 1, cutter->n - MIN(n_behind, cutter->n));
    for (uint32_t i = 0; i + n_behind < cutter->n; i++)
        T_TRUE(nf_key_index_covers(index, cutter->pieces[i], i));
    nf_ruleset_put_chain(w->rs, nf_chain_of_pieces(w->names, &spec, cutter->pieces, cutter->n, index));
    nf_key_index_unref(index);
    for (uint32_t i = 0; i < cutter->n; i++)
        nf_piece_unref(cutter->pieces[i]);
    cutter->n = 0;
}

/* A long sequence of rules with the same form of key, the way KUBE-SERVICES looks, or one random rule. */
static void
random_rules(NfWorld *w, Rng *rng, Kind kind, uint32_t chain, uint32_t chain_id, Cutter *cutter)
{
    bool keyed = rng_below(rng, 2), by_addr = rng_below(rng, 2);
    uint32_t n = keyed ? 4 + rng_below(rng, 20) : 1 + rng_below(rng, 3);

    for (uint32_t i = 0; i < n; i++) {
        nf_rule_begin(w->b, 0);
        while (rng_below(rng, 4) == 0)
            nf_rule_expr(w->b, random_test(w, rng, kind));
        if (keyed) {
            uint16_t port = (uint16_t)(80 + rng_below(rng, 4));
            if (by_addr)
                nf_rule_expr(w->b, nfx_daddr((IpPrefix){small_addr(rng), 32}, false));
            nf_rule_expr(w->b, nfx_proto(rng_below(rng, 2) ? 6 : 17));
            if (rng_below(rng, 3) == 0)
                nf_rule_expr(w->b, random_test(w, rng, kind));
            nf_rule_expr(w->b, nfx_dport(6, port, port));
        }
        while (rng_below(rng, 3) == 0)
            nf_rule_expr(w->b, random_test(w, rng, kind));
        if (kind == NFT && rng_below(rng, 3) == 0)
            nf_rule_expr(w->b, OP(SET_MARK, 1, 1, 0, false));
        nf_rule_expr(w->b, random_target(w, rng, kind, chain));
        nf_rule_end(w->b);
        while (kind == CUT && chain && rng_below(rng, 3) == 0)
            cut(w, cutter, chain_id);
    }
}

static void
random_ruleset(NfWorld *w, uint64_t seed, Kind kind, bool in_pieces)
{
    Rng rng = rng_stream(seed, "rules", kind == NFT ? "nft" : "iptables");
    Cutter cutter = {.on = in_pieces};
    const NfHook hook = NF_FORWARD;
    NfSetSpec plain = {.id = nf_set_id(w->names, "filter", "plain"), .kind = NF_SET_PLAIN};
    NfSetSpec map = {.id = nf_set_id(w->names, "filter", "map"), .kind = NF_SET_MAP};
    NfSetSpec dyn = {.id = nf_set_id(w->names, "filter", "dyn"), .dynamic = true, .timeout_s = 2};
    NfElem elems[12];

    memset(elems, 0, sizeof elems);
    for (uint32_t i = 0; i < 12; i++) {
        elems[i].key.addr = ipaddr_v4(10, 0, 0, (uint8_t)(i / 2));
        elems[i].key.port = (uint16_t)(80 + i % 4);
        elems[i].verdict = (uint8_t[]){NFX_GOTO, NFX_JUMP, NFX_DROP, NFX_RETURN}[rng_below(&rng, 4)];
        elems[i].chain = nf_chain_id(w->names, "filter", "U6");
    }
    nf_ruleset_put_set(w->rs, nf_set_new(&map, elems, 12, NULL));
    for (uint32_t i = 0; i < 12; i++)
        elems[i].key.proto = 6;
    nf_ruleset_put_set(w->rs, nf_set_new(&plain, elems, 12, NULL));
    nf_ruleset_put_set(w->rs, nf_set_new(&dyn, NULL, 0, NULL));
    for (uint32_t c = 0; c <= N_CHAINS; c++) {
        char name[8];
        uint32_t id, n_behind = rng_below(&rng, 3);

        g_snprintf(name, sizeof name, "U%u", c);
        id = nf_chain_id(w->names, "filter", name);
        nf_chain_begin(w, "filter", name, c ? NULL : &hook, 0, rng_below(&rng, 2) ? NF_ACCEPT : NF_DROP);
        for (uint32_t i = 0; c < N_CHAINS && i < 1 + rng_below(&rng, 4); i++)
            random_rules(w, &rng, kind, c, id, &cutter);
        if (c == N_CHAINS)
            RULE(w, OP(SET_MARK, 2, 2, 0, false));
        if (cutter.n)
            done_in_pieces(w, &cutter, id, n_behind);
        else
            nf_chain_done(w);
    }
    nf_world_install(w);
}

static bool
same_packet(NfWorld *a, NfWorld *b, Rng *rng)
{
    static const uint8_t protos[] = {6, 17, 1, 132};
    uint8_t proto = protos[rng_below(rng, 4)];
    IpAddr src = small_addr(rng), dst = small_addr(rng);
    uint16_t sport = (uint16_t)(1000 + rng_below(rng, 60)), dport = (uint16_t)(80 + rng_below(rng, 5));
    uint32_t mark = rng_below(rng, 4);
    NfWorld *both[2] = {a, b};
    NfResult results[2];
    uint32_t marks[2];

    for (int i = 0; i < 2; i++) {
        Packet *pkt = nf_packet(both[i], proto, "0.0.0.0", sport, "0.0.0.0", dport);
        pkt->src = src;
        pkt->dst = dst;
        pkt->meta.mark = mark;
        pkt->meta.in = DEV("eth0");
        results[i] = nf_stack_hook(both[i]->nf, NF_FORWARD, pkt);
        marks[i] = pkt->meta.mark;
        packet_free(both[i]->sim, pkt);
    }
    return results[0].verdict == results[1].verdict && results[0].reason == results[1].reason &&
           results[0].reject == results[1].reject && results[0].rule == results[1].rule && marks[0] == marks[1] &&
           (results[0].chain ? nf_chain_spec(results[0].chain)->id : 0) ==
               (results[1].chain ? nf_chain_spec(results[1].chain)->id : 0);
}

static bool
same_counters(NfWorld *a, NfWorld *b)
{
    size_t n;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(a->rs, &n);
    bool same = true;

    for (size_t i = 0; i < n; i++)
        for (uint32_t r = 0; r <= nf_chain_n_rules(nf_ruleset_chain(a->rs, ids[i])); r++) {
            NfCounter x = nf_state_counter(nf_stack_state(a->nf), a->rs, ids[i], r);
            NfCounter y = nf_state_counter(nf_stack_state(b->nf), b->rs, ids[i], r);
            same &= x.packets == y.packets && x.bytes == y.bytes;
        }
    return same;
}

static void
differential(Kind kind, uint64_t first_seed, int n_sets, bool with_misses)
{
    uint64_t n_records = 0;

    for (uint64_t seed = first_seed; seed < first_seed + (uint64_t)n_sets; seed++) {
        NfWorld w[2];
        Digest digest[2] = {{{0}, 0, 0}};
        Rng rng = rng_stream(seed, "packets", "");
        bool same = true;

        for (int i = 0; i < 2; i++) {
            w[i] = nf_world_new(kind == NFT ? NF_DIALECT_NFT : NF_DIALECT_IPTABLES);
            random_ruleset(&w[i], seed, kind, kind == CUT && i == 0);
            digest[i].base.mask = TRACE_BIT(TRACE_RULE) | TRACE_BIT(TRACE_CHAIN_END);
            if (i && with_misses)
                digest[i].base.mask |= TRACE_BIT(TRACE_RULE_MISS);
            digest[i].base.record = digest_record;
            trace_add_sink(w[i].sim, &digest[i].base);
        }
        nf_stack_set_linear(w[1].nf, !with_misses);
        for (int i = 0; i < 20; i++) {
            same &= same_packet(&w[0], &w[1], &rng);
            for (int k = 0; k < 2; k++)
                sim_run_until(w[k].sim, w[k].sim->now + SIMTIME_SEC / 2);
        }
        same &= same_counters(&w[0], &w[1]) && digest[0].hash == digest[1].hash && digest[0].n == digest[1].n;
        if (!same) {
            T_TRUE(!"indexed and linear walks agree");
            g_printerr("seed %" PRIu64 " %s\n", seed, (const char *[]){"iptables", "nft", "cut"}[kind]);
        }
        n_records += digest[0].n;
        for (int i = 0; i < 2; i++) {
            trace_remove_sink(w[i].sim, &digest[i].base);
            nf_world_free(&w[i]);
        }
    }
    T_TRUE(n_records > (uint64_t)n_sets * 20);
}

static void
test_iptables(void)
{
    differential(IPTABLES, 1, 2000, false);
}

static void
test_nft(void)
{
    differential(NFT, 100000, 2000, false);
}

static void
test_pieces(void)
{
    differential(CUT, 300000, 2000, false);
}

static void
test_misses(void)
{
    differential(IPTABLES, 200000, 300, true);
}

/* The probe skips what cannot match, and still says where the rule stands. */
typedef struct {
    TraceSink base;
    uint32_t n_miss, tried;
} Tried;

static void
tried_record(TraceSink *sink, const TraceRecord *r)
{
    Tried *t = (Tried *)sink;

    if (r->kind == TRACE_RULE_MISS)
        t->n_miss++;
    else if (r->kind == TRACE_RULE)
        t->tried = r->rule.tried;
}

static void
test_tried(void)
{
    const NfHook hook = NF_FORWARD;
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    Tried tried = {{TRACE_BIT(TRACE_RULE), tried_record, NULL}, 0, 0};
    Packet *pkt = nf_packet(&w, 6, "10.9.9.9", 1, "10.1.0.70", 80);

    nf_chain_begin(&w, "filter", "FORWARD", &hook, 0, NF_ACCEPT);
    for (uint8_t i = 0; i < 100; i++)
        RULE(&w, nfx_daddr((IpPrefix){ipaddr_v4(10, 1, 0, i), 32}, false), nfx_proto(6), nfx_dport(6, 80, 80),
             VERDICT(DROP));
    nf_chain_done(&w);
    nf_world_install(&w);
    trace_add_sink(w.sim, &tried.base);
    T_EQ_U64(nf_stack_hook(w.nf, NF_FORWARD, pkt).rule, 70);
    T_EQ_U64(tried.tried, 71);
    trace_remove_sink(w.sim, &tried.base);
    tried.base.mask |= TRACE_BIT(TRACE_RULE_MISS);
    trace_add_sink(w.sim, &tried.base);
    nf_stack_hook(w.nf, NF_FORWARD, pkt);
    T_EQ_U64(tried.n_miss, 70);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 70), 2);
    trace_remove_sink(w.sim, &tried.base);
    packet_free(w.sim, pkt);
    nf_world_free(&w);
}

const TestSuite suite_nf_index = {"sim/nf_index",
                                  {{"indexed and linear walks agree: iptables", test_iptables},
                                   {"indexed and linear walks agree: nftables", test_nft},
                                   {"chains in pieces and whole ones agree", test_pieces},
                                   {"a sink of misses changes nothing else", test_misses},
                                   {"a record says how many rules a linear walk compares", test_tried}}};
