#include "tests/unit/sim/nf_world.h"

static const NfHook forward = NF_FORWARD;

/* A FORWARD chain of one rule that drops on the test. */
static NfWorld
world_of(NfExpr (*make)(NfWorld *w))
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    nf_rule_begin(w.b, 0);
    nf_rule_expr(w.b, make(&w));
    nf_rule_expr(w.b, VERDICT(DROP));
    nf_rule_end(w.b);
    nf_chain_done(&w);
    nf_world_install(&w);
    return w;
}

static bool
hit_from(NfWorld *w, const char *src)
{
    Packet *pkt = nf_packet(w, 6, src, 1000, "10.0.0.2", 80);
    bool drop = nf_stack_hook(w->nf, NF_FORWARD, pkt).verdict == NF_DROP;

    packet_free(w->sim, pkt);
    return drop;
}

static void
wait_s(NfWorld *w, int64_t seconds)
{
    sim_run_until(w->sim, w->sim->now + seconds * SIMTIME_SEC);
}

static NfExpr
make_nth(NfWorld *w)
{
    (void)w;
    return OP(STATISTIC_NTH, 3, 1, 0, false);
}

static void
test_nth(void)
{
    NfWorld w = world_of(make_nth);

    for (int i = 0; i < 30; i++)
        T_EQ_I64(hit_from(&w, "10.0.0.9"), i % 3 == 1);
    nf_world_free(&w);
}

static NfExpr
make_limit(NfWorld *w)
{
    const NfLimit limit = {.interval_ns = SIMTIME_SEC, .burst = 5, .unit = 's', .rate = 1};

    return OP(LIMIT, nf_rule_limit(w->b, &limit), 0, 0, false);
}

static void
test_limit(void)
{
    NfWorld w = world_of(make_limit);
    int n = 0;

    for (int i = 0; i < 10; i++)
        n += hit_from(&w, "10.0.0.9");
    T_EQ_I64(n, 5);
    wait_s(&w, 2);
    for (int i = 0; i < 10; i++)
        n += hit_from(&w, "10.0.0.9");
    T_EQ_I64(n, 7);
    wait_s(&w, 100);
    for (int i = 0; i < 10; i++)
        n += hit_from(&w, "10.0.0.9");
    T_EQ_I64(n, 12);
    nf_world_free(&w);
}

static NfExpr
make_hashlimit(NfWorld *w)
{
    const NfLimit limit = {.name = nf_text_id(w->names, "h"), .table = {SIMTIME_SEC, 2, 1}};

    return OP(HASHLIMIT, nf_rule_limit(w->b, &limit), 0, 0, false);
}

static void
test_hashlimit(void)
{
    NfWorld w = world_of(make_hashlimit);
    int n = 0, m = 0;

    for (int i = 0; i < 5; i++) {
        n += hit_from(&w, "10.0.0.9");
        m += hit_from(&w, "10.0.0.8");
    }
    T_EQ_I64(n, 2);
    T_EQ_I64(m, 2);
    nf_world_free(&w);
}

/* Rules on one list, chosen by the packet's port: set, rcheck 10 s, update 10 s, remove, rcheck with 3 hits, reap. */
enum { SET = 80, RCHECK, UPDATE, REMOVE, HITS, REAP };

static NfExpr
recent(NfWorld *w, uint8_t ops, uint32_t seconds, uint8_t hits)
{
    NfExpr expr = OP(RECENT, nf_text_id(w->names, "L"), seconds, ops, false);

    expr.c = hits;
    return expr;
}

static NfWorld
recent_world(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    RULE(&w, nfx_dport(6, SET, SET), recent(&w, NF_RECENT_SET, 0, 0), VERDICT(DROP));
    RULE(&w, nfx_dport(6, RCHECK, RCHECK), recent(&w, NF_RECENT_RCHECK, 10, 0), VERDICT(DROP));
    RULE(&w, nfx_dport(6, UPDATE, UPDATE), recent(&w, NF_RECENT_UPDATE, 10, 0), VERDICT(DROP));
    RULE(&w, nfx_dport(6, REMOVE, REMOVE), recent(&w, NF_RECENT_REMOVE, 0, 0), VERDICT(DROP));
    RULE(&w, nfx_dport(6, HITS, HITS), recent(&w, NF_RECENT_RCHECK, 10, 3), VERDICT(DROP));
    RULE(&w, nfx_dport(6, REAP, REAP), recent(&w, NF_RECENT_RCHECK | NF_RECENT_REAP, 10, 0), VERDICT(DROP));
    nf_chain_done(&w);
    nf_world_install(&w);
    return w;
}

static bool
do_recent(NfWorld *w, IpAddr src, uint16_t port)
{
    Packet *pkt = nf_packet(w, 6, "0.0.0.0", 1000, "10.0.0.2", port);
    bool drop;

    pkt->src = src;
    drop = nf_stack_hook(w->nf, NF_FORWARD, pkt).verdict == NF_DROP;
    packet_free(w->sim, pkt);
    return drop;
}

static void
count_elem(const NfDynElem *elem, void *user)
{
    (void)elem;
    (*(int *)user)++;
}

static int
recent_len(NfWorld *w)
{
    int n = 0;

    nf_state_recent(nf_stack_state(w->nf), "L", count_elem, &n);
    return n;
}

static void
test_recent(void)
{
    NfWorld w = recent_world();
    IpAddr a = nf_addr("10.0.0.9"), b = nf_addr("10.0.0.8");

    T_TRUE(!do_recent(&w, a, RCHECK));
    T_TRUE(do_recent(&w, a, SET));
    T_TRUE(do_recent(&w, a, RCHECK));
    T_TRUE(!do_recent(&w, b, RCHECK));
    wait_s(&w, 10); /* Exactly the time: still fresh. */
    T_TRUE(do_recent(&w, a, RCHECK));
    wait_s(&w, 1);
    T_TRUE(!do_recent(&w, a, RCHECK));
    T_TRUE(!do_recent(&w, a, UPDATE)); /* Too old to be refreshed. */
    T_TRUE(do_recent(&w, a, SET));
    wait_s(&w, 9);
    T_TRUE(do_recent(&w, a, UPDATE));
    wait_s(&w, 9);
    T_TRUE(do_recent(&w, a, RCHECK)); /* Was refreshed. */
    T_TRUE(!do_recent(&w, a, HITS));
    T_TRUE(do_recent(&w, a, SET));
    T_TRUE(do_recent(&w, a, SET));
    T_TRUE(do_recent(&w, a, HITS));
    T_TRUE(do_recent(&w, b, SET));
    T_EQ_I64(recent_len(&w), 2);
    wait_s(&w, 11);
    T_TRUE(do_recent(&w, b, SET));
    T_TRUE(do_recent(&w, b, REAP)); /* Reaps the oldest of the list, which is the other. */
    T_EQ_I64(recent_len(&w), 1);
    T_TRUE(do_recent(&w, b, REMOVE));
    T_TRUE(!do_recent(&w, b, REMOVE));
    T_EQ_I64(recent_len(&w), 0);
    nf_world_free(&w);
}

/* A list holds 100 addresses; the one that was updated least recently goes. */
static void
test_recent_full(void)
{
    NfWorld w = recent_world();

    for (uint8_t i = 0; i < 100; i++)
        do_recent(&w, ipaddr_v4(10, 2, 0, i), SET);
    do_recent(&w, ipaddr_v4(10, 2, 0, 0), SET);
    do_recent(&w, ipaddr_v4(10, 2, 0, 200), SET);
    T_EQ_I64(recent_len(&w), 100);
    T_TRUE(do_recent(&w, ipaddr_v4(10, 2, 0, 0), RCHECK));
    T_TRUE(!do_recent(&w, ipaddr_v4(10, 2, 0, 1), RCHECK));
    nf_world_free(&w);
}

static void
test_dynamic_set(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_NFT);
    NfSetSpec spec = {.id = nf_set_id(w.names, "t", "s"), .dynamic = true, .timeout_s = 10};
    NfRuleset *next;
    int n = 0;

    nf_ruleset_put_set(w.rs, nf_set_new(&spec, NULL, 0, NULL));
    nf_chain_begin(&w, "t", "c", &forward, 0, NF_ACCEPT);
    RULE(&w, OP(LOOKUP, spec.id, NF_KEY_SADDR, 1, false), VERDICT(DROP));
    RULE(&w, nfx_saddr(nf_prefix("10.0.0.9"), false), OP(SET_UPDATE, spec.id, NF_KEY_SADDR, 1, false));
    nf_chain_done(&w);
    nf_world_install(&w);
    T_TRUE(!hit_from(&w, "10.0.0.9"));
    T_TRUE(hit_from(&w, "10.0.0.9"));
    T_TRUE(!hit_from(&w, "10.0.0.8"));
    wait_s(&w, 10);
    T_TRUE(!hit_from(&w, "10.0.0.9")); /* Expired; refreshed by the second rule. */
    wait_s(&w, 9);
    T_TRUE(hit_from(&w, "10.0.0.9"));
    nf_state_dynamic_set(nf_stack_state(w.nf), spec.id, count_elem, &n);
    T_EQ_I64(n, 1);

    next = nf_ruleset_next(w.rs); /* Content outlives a new generation that keeps the set ... */
    nf_ruleset_put_set(next, nf_set_new(&spec, NULL, 0, NULL));
    T_TRUE(nf_ruleset_seal(next, NULL));
    nf_stack_set_ruleset(w.nf, FAMILY_IPV4, "test", next);
    T_TRUE(hit_from(&w, "10.0.0.9"));
    nf_stack_set_ruleset(w.nf, FAMILY_IPV4, "test", NULL); /* ... and goes with the set. */
    nf_stack_set_ruleset(w.nf, FAMILY_IPV4, "test", next);
    T_TRUE(!hit_from(&w, "10.0.0.9"));
    nf_ruleset_unref(next);
    nf_world_free(&w);
}

/* A replaced chain starts at zero, an unchanged one keeps its counters; long chains too. */
static void
test_counters(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    uint32_t user = nf_chain_id(w.names, "filter", "USER");
    NfRuleset *next;

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    for (int i = 0; i < 200; i++)
        RULE(&w, nfx_saddr(nf_prefix("10.3.3.3"), false), VERDICT(DROP));
    RULE(&w, nfx_jump(user));
    nf_chain_done(&w);
    nf_chain_begin(&w, "filter", "USER", NULL, 0, NF_ACCEPT);
    RULE(&w, VERDICT(CONTINUE));
    nf_chain_done(&w);
    nf_world_install(&w);
    hit_from(&w, "10.0.0.9");
    hit_from(&w, "10.0.0.9");
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 200), 2);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 201), 2);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 0), 0);
    T_EQ_U64(nf_hits(&w, "filter", "USER", 0), 2);
    T_EQ_U64(nf_state_counter(nf_stack_state(w.nf), w.rs, user, 0).bytes, 80);

    next = nf_ruleset_next(w.rs);
    nf_ruleset_unref(w.rs);
    w.rs = next;
    nf_chain_begin(&w, "filter", "USER", NULL, 0, NF_ACCEPT);
    RULE(&w, VERDICT(CONTINUE));
    nf_chain_done(&w);
    nf_world_install(&w);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 200), 2);
    T_EQ_U64(nf_hits(&w, "filter", "USER", 0), 0);
    nf_state_zero(nf_stack_state(w.nf));
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 200), 0);
    nf_world_free(&w);
}

/* Six datagrams through one OUTPUT chain: each rule's counter after each, as a live kernel (Linux 6.18) counted. */
static void
test_recorded(void)
{
    static const uint8_t want[6][8] = {
        {0, 1, 1, 0, 1, 0, 1, 1}, {1, 1, 2, 0, 2, 0, 1, 2}, {1, 2, 3, 0, 2, 1, 1, 3},
        {1, 3, 4, 0, 2, 2, 1, 4}, {2, 3, 5, 0, 2, 3, 1, 5}, {2, 4, 6, 0, 2, 4, 1, 6},
    };
    const NfLimit per_minute = {.interval_ns = 60 * SIMTIME_SEC, .burst = 2, .unit = 'm', .rate = 1};
    const NfHook hook = NF_OUTPUT;
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    NfExpr not_rcheck = recent(&w, NF_RECENT_RCHECK, 0, 0), limit = OP(LIMIT, 0, 0, 0, false);

    not_rcheck.neg = true;
    nf_chain_begin(&w, "filter", "OUTPUT", &hook, 0, NF_ACCEPT);
    limit.a = nf_rule_limit(w.b, &per_minute);
    RULE(&w, OP(STATISTIC_NTH, 3, 1, 0, false), VERDICT(CONTINUE));
    RULE(&w, OP(STATISTIC_NTH, 3, 1, 0, true), VERDICT(CONTINUE));
    RULE(&w, OP(CT_STATUS, 0, 0, 0, true), VERDICT(CONTINUE));
    RULE(&w, OP(CT_STATUS, 0, 0, 0, false), VERDICT(CONTINUE));
    RULE(&w, limit, VERDICT(CONTINUE));
    RULE(&w, recent(&w, NF_RECENT_RCHECK, 0, 2), VERDICT(CONTINUE));
    RULE(&w, not_rcheck, VERDICT(CONTINUE));
    RULE(&w, recent(&w, NF_RECENT_SET, 0, 0), VERDICT(CONTINUE));
    nf_chain_done(&w);
    nf_world_install(&w);
    for (int i = 0; i < 6; i++) {
        Packet *pkt = nf_packet(&w, 17, "127.0.0.1", (uint16_t)(4000 + i), "127.0.0.1", 9);

        nf_stack_hook(w.nf, NF_OUTPUT, pkt);
        packet_free(w.sim, pkt);
        for (uint32_t r = 0; r < 8; r++)
            test_check(nf_hits(&w, "filter", "OUTPUT", r) == want[i][r], __LINE__, __FILE__, __func__,
                       "packet %d, rule %u: %d, want %d", i + 1, r + 1, (int)nf_hits(&w, "filter", "OUTPUT", r),
                       want[i][r]);
    }
    nf_world_free(&w);
}

const TestSuite suite_nf_state = {"sim/nf_state",
                                  {{"nth", test_nth},
                                   {"limit", test_limit},
                                   {"hashlimit keeps a bucket per source", test_hashlimit},
                                   {"recent: set, rcheck, update, remove, hits, reap", test_recent},
                                   {"recent: a full list forgets the oldest", test_recent_full},
                                   {"dynamic sets expire and survive generations", test_dynamic_set},
                                   {"counters as recorded from a kernel", test_recorded},
                                   {"counters follow the chain object", test_counters}}};
