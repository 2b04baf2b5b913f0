#include "sim/engine/chance.h"
#include "tests/unit/sim/nf_world.h"

static const NfHook forward = NF_FORWARD, prerouting = NF_PREROUTING, postrouting = NF_POSTROUTING, output = NF_OUTPUT;

static NfResult
send_one(NfWorld *w, NfHook hook, Packet *pkt)
{
    NfResult result = nf_stack_hook(w->nf, hook, pkt);

    packet_free(w->sim, pkt);
    return result;
}

static NfResult
send_tcp(NfWorld *w, NfHook hook, uint16_t dport)
{
    return send_one(w, hook, nf_packet(w, 6, "10.0.0.9", 1000, "10.0.0.2", dport));
}

/* One rule "TEST -> DROP" in a FORWARD chain with policy accept. */
static bool
drops(NfExpr test, void (*edit)(Packet *pkt))
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    Packet *pkt = nf_packet(&w, 6, "10.0.0.9", 1000, "10.0.0.2", 80);
    NfResult result;

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    if (test.op == NFX_IIF || test.op == NFX_OIF)
        test.a = nf_text_id(w.names, test.a == 1 ? "eth" : test.a == 2 ? "eth0" : "");
    RULE(&w, test, VERDICT(DROP));
    nf_chain_done(&w);
    nf_world_install(&w);
    pkt->meta.in = DEV("eth0");
    if (edit)
        edit(pkt);
    result = send_one(&w, NF_FORWARD, pkt);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 0), result.verdict == NF_DROP);
    nf_world_free(&w);
    return result.verdict == NF_DROP;
}

static void
make_icmp(Packet *pkt)
{
    pkt->proto = IPPROTO_ICMP_;
    pkt->icmp = (IcmpHeader){.type = 8};
}

static void
make_synack(Packet *pkt)
{
    pkt->tcp.flags = TCP_SYN | TCP_ACK;
    pkt->meta.mark = 0x4001;
    pkt->ttl = 5;
}

static void
test_matches(void)
{
    struct {
        int line;
        NfExpr test;
        void (*edit)(Packet *pkt);
        bool want;
    } cases[] = {
        {__LINE__, nfx_saddr(nf_prefix("10.0.0.0/29"), false), NULL, false},
        {__LINE__, nfx_saddr(nf_prefix("10.0.0.0/28"), false), NULL, true},
        {__LINE__, nfx_saddr(nf_prefix("0.0.0.0/0"), false), NULL, true},
        {__LINE__, nfx_saddr(nf_prefix("10.0.0.9"), true), NULL, false},
        {__LINE__, nfx_daddr(nf_prefix("10.0.0.2/32"), false), NULL, true},
        {__LINE__, nfx_daddr(nf_prefix("10.0.0.3/32"), true), NULL, true},
        {__LINE__, nfx_proto(6), NULL, true},
        {__LINE__, nfx_proto(6), make_icmp, false},
        {__LINE__, nfx_dport(6, 80, 80), NULL, true},
        {__LINE__, nfx_dport(6, 1, 79), NULL, false},
        {__LINE__, OP(DPORT, 1, 79, 6, true), NULL, true},
        {__LINE__, OP(DPORT, 1, 79, 6, true), make_icmp, false}, /* No port, no match, negated or not. */
        {__LINE__, OP(SPORT, 1000, 1001, 6, false), NULL, true},
        {__LINE__, OP(IIF, 2, 0, 0, false), NULL, true},
        {__LINE__, OP(IIF, 1, 0, 1, false), NULL, true},
        {__LINE__, OP(IIF, 1, 0, 0, false), NULL, false},
        {__LINE__, OP(OIF, 2, 0, 0, false), NULL, false},
        {__LINE__, OP(OIF, 2, 0, 0, true), NULL, true},  /* Without an interface the name is empty. */
        {__LINE__, OP(OIF, 0, 0, 1, false), NULL, true}, /* "+" */
        {__LINE__, OP(TCP_FLAGS, TCP_SYN | TCP_ACK, TCP_SYN, 0, false), NULL, true},
        {__LINE__, OP(TCP_FLAGS, TCP_SYN | TCP_ACK, TCP_SYN, 0, false), make_synack, false},
        {__LINE__, OP(TCP_FLAGS, TCP_SYN | TCP_ACK, TCP_SYN, 0, true), make_icmp, false},
        {__LINE__, OP(ICMP_TYPE, 8, 0x00ff, 0, false), make_icmp, true},
        {__LINE__, OP(ICMP_TYPE, 3, 0x00ff, 0, false), make_icmp, false},
        {__LINE__, OP(ICMP_TYPE, 255, 0x00ff, 0, false), make_icmp, true},
        {__LINE__, OP(MARK, 0x4000, 0x4000, 0, false), make_synack, true},
        {__LINE__, OP(MARK, 0x4000, 0xffffffff, 0, false), make_synack, false},
        {__LINE__, OP(MARK_EQ0, 0x4000, 0, 0, true), make_synack, true},
        {__LINE__, OP(TTL, 5, 0, 0, false), make_synack, true},
        {__LINE__, OP(TTL, 5, 0, 1, false), make_synack, false},
        {__LINE__, OP(TTL, 5, 0, 2, false), NULL, true},
        {__LINE__, OP(LENGTH, 0, 39, 0, false), NULL, false},
        {__LINE__, OP(ADDRTYPE, NF_TYPE_LOCAL, 0, 0, false), NULL, false},
        {__LINE__, OP(ADDRTYPE, NF_TYPE_LOCAL, 8, 0, false), NULL, true},
        {__LINE__, OP(ADDRTYPE, NF_TYPE_UNICAST << 16 | NF_TYPE_UNICAST, 0, 0, false), NULL, true},
        {__LINE__, OP(FIB_TYPE, NF_TYPE_LOCAL, 0, 1, true), NULL, true},
        {__LINE__, OP(RPFILTER, 0, 0, 0, false), NULL, true},
        {__LINE__, OP(RPFILTER, 0, 0, 0, true), NULL, false},
        {__LINE__, OP(OWNER, 0, 0, 0, false), NULL, false},
        {__LINE__, OP(OWNER, 0, 0, 0, true), NULL, true},
        {__LINE__, OP(CT_STATUS, NF_STATUS_DNAT, 0, 0, true), NULL, false}, /* No connection in FORWARD alone. */
        {__LINE__, OP(CONNMARK, 1, 1, 0, true), NULL, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        if (drops(cases[i].test, cases[i].edit) != cases[i].want)
            test_check(false, cases[i].line, __FILE__, __func__, "case of line %d: want %d", cases[i].line,
                       cases[i].want);
}

/* jump, goto, return, policy, a rule without target, an empty chain */
static void
test_calls(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    uint32_t one = nf_chain_id(w.names, "filter", "ONE"), two = nf_chain_id(w.names, "filter", "TWO");
    NfResult result;

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_DROP);
    RULE(&w, nfx_dport(6, 80, 80), nfx_jump(one));
    RULE(&w, nfx_dport(6, 81, 81), nfx_goto(two));
    RULE(&w, nfx_dport(6, 82, 82), VERDICT(RETURN));
    RULE(&w, nfx_dport(6, 83, 83), VERDICT(CONTINUE));
    RULE(&w, VERDICT(ACCEPT));
    nf_chain_done(&w);
    nf_chain_begin(&w, "filter", "ONE", NULL, 0, NF_ACCEPT);
    RULE(&w, nfx_goto(two));
    RULE(&w, VERDICT(DROP)); /* Never: goto does not come back here. */
    nf_chain_done(&w);
    nf_chain_begin(&w, "filter", "TWO", NULL, 0, NF_ACCEPT);
    RULE(&w, OP(SET_MARK, 7, 0xf, 0, false));
    nf_chain_done(&w);
    nf_world_install(&w);

    T_EQ_U64(send_tcp(&w, NF_FORWARD, 80).verdict, NF_ACCEPT);
    T_EQ_U64(nf_hits(&w, "filter", "ONE", 1), 0);
    T_EQ_U64(nf_hits(&w, "filter", "TWO", 0), 1);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 4), 1);
    result = send_tcp(&w, NF_FORWARD, 81); /* goto out of the base chain ends at its policy. */
    T_EQ_U64(result.verdict, NF_DROP);
    T_EQ_U64(result.reason, DROP_POLICY);
    T_TRUE(result.chain == NULL);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 5), 1);
    T_EQ_U64(send_tcp(&w, NF_FORWARD, 82).verdict, NF_DROP);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 5), 2);
    T_EQ_U64(send_tcp(&w, NF_FORWARD, 83).verdict, NF_ACCEPT);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 3), 1);
    T_EQ_U64(nf_hits(&w, "filter", "FORWARD", 4), 2);
    nf_world_free(&w);
}

/* An accept ends its base chain only; a drop is final; a map without the element lets the rule go on. */
static void
test_nft_chains(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_NFT);
    NfSetSpec spec = {.id = nf_set_id(w.names, "t", "map"), .kind = NF_SET_MAP};
    NfElem elem = {.verdict = NFX_DROP};
    NfResult result;

    elem.key.port = 81;
    nf_ruleset_put_set(w.rs, nf_set_new(&spec, &elem, 1, NULL));
    nf_chain_begin(&w, "t", "late", &forward, 10, NF_ACCEPT);
    RULE(&w, OP(MARK, 1, 1, 0, false), nfx_dport(0, 80, 80), VERDICT(DROP));
    nf_chain_done(&w);
    nf_chain_begin(&w, "t", "early", &forward, -10, NF_ACCEPT);
    RULE(&w, OP(SET_MARK, 1, 1, 0, false));
    RULE(&w, OP(VMAP, spec.id, NF_KEY_DPORT, 1, false));
    RULE(&w, VERDICT(COUNTER), nfx_dport(0, 82, 82), VERDICT(ACCEPT));
    nf_chain_done(&w);
    nf_world_install(&w);

    result = send_tcp(&w, NF_FORWARD, 80);
    T_EQ_U64(result.verdict, NF_DROP);
    T_EQ_STR(nf_chain_name(w.names, nf_chain_spec(result.chain)->id), "late");
    result = send_tcp(&w, NF_FORWARD, 81);
    T_EQ_STR(nf_chain_name(w.names, nf_chain_spec(result.chain)->id), "early");
    T_EQ_U64(result.rule, 1);
    T_EQ_U64(send_tcp(&w, NF_FORWARD, 82).verdict, NF_ACCEPT);
    T_EQ_U64(nf_hits(&w, "t", "early", 2), 2); /* "counter" counts where it stands. */
    nf_world_free(&w);
}

/* kube-proxy's chances: 1/3, then 1/2, then the rest: thirds, with exact weights. */
static void
test_statistic(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    double p[3] = {0};
    ChanceScript script;

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    RULE(&w, OP(STATISTIC_RANDOM, 715827883, 0, 0, false), VERDICT(DROP));
    RULE(&w, OP(STATISTIC_RANDOM, 1u << 30, 0, 0, false), VERDICT(DROP));
    RULE(&w, VERDICT(DROP));
    nf_chain_done(&w);
    nf_world_install(&w);
    chance_script_init(&script);
    w.sim->chance = &script.base;
    do {
        uint32_t rule = send_tcp(&w, NF_FORWARD, 80).rule;
        p[rule] += chance_script_probability(&script);
    } while (chance_script_next(&script));
    chance_script_clear(&script);
    for (int i = 0; i < 3; i++)
        T_TRUE(p[i] > 1.0 / 3 - 1e-9 && p[i] < 1.0 / 3 + 1e-9);
    nf_world_free(&w);
}

/* Draws of two rules with the same content are independent, and the same run gives the same draws. */
static void
test_draw_identity(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    uint32_t n[3] = {0};

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    RULE(&w, OP(STATISTIC_RANDOM, 1u << 30, 0, 0, false), VERDICT(CONTINUE));
    RULE(&w, OP(STATISTIC_RANDOM, 1u << 30, 0, 0, false), VERDICT(CONTINUE));
    nf_chain_done(&w);
    nf_world_install(&w);
    for (uint16_t port = 0; port < 4000; port++) {
        uint64_t a = nf_hits(&w, "filter", "FORWARD", 0), b = nf_hits(&w, "filter", "FORWARD", 1);
        send_tcp(&w, NF_FORWARD, port);
        n[nf_hits(&w, "filter", "FORWARD", 0) - a + nf_hits(&w, "filter", "FORWARD", 1) - b]++;
    }
    T_TRUE(n[0] > 850 && n[0] < 1150 && n[2] > 850 && n[2] < 1150);
    nf_world_free(&w);
}

/* A first packet goes through the nat chains, its answer through the binding only. */
static void
test_nat(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    Packet *pkt = nf_packet(&w, 6, "10.0.0.9", 1000, "10.0.0.2", 80), *answer;
    NfExpr masq = OP(MASQUERADE, 0, 0, 0, false);

    nf_chain_begin(&w, "nat", "PREROUTING", &prerouting, NF_PRI_NAT_DST, NF_ACCEPT);
    RULE(&w, nfx_daddr(nf_prefix("10.0.0.2"), false), nfx_dnat(nf_addr("10.1.0.7"), 8080, 0));
    nf_chain_done(&w);
    nf_chain_begin(&w, "nat", "POSTROUTING", &postrouting, NF_PRI_NAT_SRC, NF_ACCEPT);
    RULE(&w, masq);
    nf_chain_done(&w);
    nf_chain_begin(&w, "nat", "OUTPUT", &output, NF_PRI_NAT_DST, NF_ACCEPT);
    RULE(&w, nfx_dport(6, 81, 81), VERDICT(DROP));
    nf_chain_done(&w);
    nf_world_install(&w);
    T_TRUE(nf_stack_conntrack(w.nf) != NULL);

    pkt->meta.in = DEV("eth0");
    T_EQ_U64(nf_stack_hook(w.nf, NF_PREROUTING, pkt).verdict, NF_ACCEPT);
    T_TRUE(ipaddr_eq(pkt->dst, nf_addr("10.1.0.7")));
    T_EQ_U64(pkt->dport, 8080);
    pkt->meta.out = DEV("eth1");
    T_EQ_U64(nf_stack_hook(w.nf, NF_POSTROUTING, pkt).verdict, NF_ACCEPT);
    T_TRUE(ipaddr_eq(pkt->src, nf_addr("10.0.0.1")));

    answer = nf_packet(&w, 6, "10.1.0.7", 8080, "10.0.0.1", pkt->sport);
    answer->tcp.flags = TCP_SYN | TCP_ACK;
    T_EQ_U64(nf_stack_hook(w.nf, NF_PREROUTING, answer).verdict, NF_ACCEPT);
    T_TRUE(ipaddr_eq(answer->dst, nf_addr("10.0.0.9")));
    T_EQ_U64(nf_stack_hook(w.nf, NF_POSTROUTING, answer).verdict, NF_ACCEPT);
    T_TRUE(ipaddr_eq(answer->src, nf_addr("10.0.0.2")));
    T_EQ_U64(answer->sport, 80);
    T_EQ_U64(nf_hits(&w, "nat", "PREROUTING", 0), 1);
    T_EQ_U64(nf_hits(&w, "nat", "POSTROUTING", 0), 1);
    packet_free(w.sim, pkt);
    packet_free(w.sim, answer);

    pkt = nf_packet(&w, 6, "10.0.0.1", 1001, "10.0.0.2", 81);
    T_EQ_U64(nf_stack_hook(w.nf, NF_OUTPUT, pkt).reason, DROP_RULE);
    packet_free(w.sim, pkt);
    pkt = nf_packet(&w, 6, "10.0.0.9", 1002, "10.0.0.3", 81); /* MASQUERADE without an address. */
    nf_stack_hook(w.nf, NF_PREROUTING, pkt);
    T_EQ_U64(nf_stack_hook(w.nf, NF_POSTROUTING, pkt).reason, DROP_NAT_NO_ADDR);
    packet_free(w.sim, pkt);
    nf_world_free(&w);
}

static void
test_unknown(void)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    RULE(&w, nfx_u32(NFX_UNKNOWN_MATCH, nf_text_id(w.names, "-m time"), 0, 0, false), VERDICT(DROP));
    RULE(&w, nfx_dport(6, 80, 80), nfx_u32(NFX_UNKNOWN_TARGET, nf_text_id(w.names, "TPROXY"), 0, 0, false));
    nf_chain_done(&w);
    nf_world_install(&w);
    T_EQ_U64(send_tcp(&w, NF_FORWARD, 80).verdict, NF_ACCEPT);
    T_EQ_U64(nf_stack_unknown_hits(w.nf), 2);
    T_EQ_U64(send_tcp(&w, NF_FORWARD, 81).verdict, NF_ACCEPT);
    T_EQ_U64(nf_stack_unknown_hits(w.nf), 1);
    nf_world_free(&w);
}

static uint16_t
mss_after(NfDialect dialect, uint32_t to, uint16_t mss)
{
    NfWorld w = nf_world_new(dialect);
    Packet *pkt = nf_packet(&w, 6, "10.0.0.1", 1000, "192.0.2.1", 80);

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    RULE(&w, OP(TCPMSS, to, 0, 0, false));
    nf_chain_done(&w);
    nf_world_install(&w);
    pkt->tcp.mss = mss;
    nf_stack_hook(w.nf, NF_FORWARD, pkt);
    mss = pkt->tcp.mss;
    packet_free(w.sim, pkt);
    nf_world_free(&w);
    return mss;
}

/* The path to 192.0.2.1 takes 1,500 bytes here, the one back to 10.0.0.1 1,450. */
static void
test_mss(void)
{
    T_EQ_U64(mss_after(NF_DIALECT_IPTABLES, 1000, 1460), 1000);
    T_EQ_U64(mss_after(NF_DIALECT_IPTABLES, 1000, 900), 900); /* Never upwards. */
    T_EQ_U64(mss_after(NF_DIALECT_IPTABLES, 1000, 0), 536);   /* Without the option the least that all must take. */
    T_EQ_U64(mss_after(NF_DIALECT_IPTABLES, 0, 1460), 1410);
    T_EQ_U64(mss_after(NF_DIALECT_NFT, 0, 1460), 1410);
    T_EQ_U64(mss_after(NF_DIALECT_NFT, 1000, 0), 0); /* nft adds none. */
}

/* Which of five questions about bridge ports hold, as bits: in veth+, not out veth2, out veth1, bridged, not bridged.
 */
static uint32_t
physdev_answers(bool seen, uint32_t out)
{
    NfWorld w = nf_world_new(NF_DIALECT_IPTABLES);
    Packet *pkt = nf_packet(&w, 6, "10.0.0.1", 1000, "10.0.0.2", 80);
    uint32_t bits = 0;

    nf_chain_begin(&w, "filter", "FORWARD", &forward, 0, NF_ACCEPT);
    RULE(&w, OP(PHYSDEV, nf_text_id(w.names, "veth"), 1, 0, false));
    RULE(&w, OP(PHYSDEV, nf_text_id(w.names, "veth2"), 0, 1, true));
    RULE(&w, OP(PHYSDEV, nf_text_id(w.names, "veth1"), 0, 1, false));
    RULE(&w, OP(PHYSDEV, 0, 0, 2, false));
    RULE(&w, OP(PHYSDEV, 0, 0, 2, true));
    nf_chain_done(&w);
    nf_world_install(&w);
    pkt->meta.phys_in = (const NetDev *)(seen ? "veth3" : NULL);
    pkt->meta.phys_out = out;
    nf_stack_hook(w.nf, NF_FORWARD, pkt);
    for (uint32_t i = 0; i < 5; i++)
        bits |= (uint32_t)nf_hits(&w, "filter", "FORWARD", i) << i;
    packet_free(w.sim, pkt);
    nf_world_free(&w);
    return bits;
}

static void
test_physdev(void)
{
    T_EQ_U64(physdev_answers(true, 1), 1 | 2 | 4 | 8); /* Bridged from veth3 to veth1. */
    T_EQ_U64(physdev_answers(true, 2), 1 | 8);
    T_EQ_U64(physdev_answers(true, 0), 1 | 16); /* Routed: even "not veth2" does not hold. */
    T_EQ_U64(physdev_answers(false, 0), 2 | 16);
}

const TestSuite suite_nf_eval = {"sim/nf_eval",
                                 {{"single matches", test_matches},
                                  {"jump, goto, return and policy", test_calls},
                                  {"nftables base chains, maps and counters", test_nft_chains},
                                  {"statistic rules share out evenly", test_statistic},
                                  {"equal rules draw independently", test_draw_identity},
                                  {"nat chains see first packets only", test_nat},
                                  {"what is unknown is counted", test_unknown},
                                  {"TCPMSS lowers, adds and clamps", test_mss},
                                  {"bridge ports", test_physdev}}};
