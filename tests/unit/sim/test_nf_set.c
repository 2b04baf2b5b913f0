#include "sim/netfilter/nf_ruleset.h"
#include "tests/unit/sim/nf_world.h"

#include "sim/engine/rng.h"

static NfElem
elem(const char *addr, uint8_t proto, uint16_t port, uint8_t verdict, uint32_t chain)
{
    NfElem e = {.verdict = verdict, .chain = chain, .comment = NF_NO_ID, .addr_len = 255};

    e.key.addr = nf_addr(addr);
    e.key.proto = proto;
    e.key.port = port;
    return e;
}

static void
test_map(void)
{
    NfSetSpec spec = {.kind = NF_SET_MAP, .comment = NF_NO_ID};
    NfElem elems[] = {elem("10.0.0.1", 6, 80, NFX_GOTO, 1), elem("10.0.0.1", 17, 80, NFX_GOTO, 2),
                      elem("10.0.0.1", 6, 80, NFX_GOTO, 1), elem("fd00::1", 6, 80, NFX_DROP, 0)};
    GError *error = NULL;
    NfSet *set = nf_set_new(&spec, elems, 4, &error);
    size_t n;

    T_TRUE(set != NULL);
    nf_set_elems(set, &n);
    T_EQ_U64(n, 3); /* The repeated one says the same. */
    T_EQ_U64(nf_set_lookup(set, &elems[1].key)->chain, 2);
    T_EQ_U64(nf_set_lookup(set, &elems[3].key)->verdict, NFX_DROP);
    elems[0].key.port = 81;
    T_TRUE(nf_set_lookup(set, &elems[0].key) == NULL);
    nf_set_unref(set);

    elems[2].chain = 7;
    elems[0].key.port = 80;
    T_TRUE(nf_set_new(&spec, elems, 4, &error) == NULL);
    T_TRUE(error && strstr(error->message, "File exists"));
    g_clear_error(&error);
}

/* Against a scan: random prefixes and exact addresses, the longest wins. */
static void
test_intervals(void)
{
    const uint64_t seed = 11;
    Rng rng = rng_stream(seed, "test", "intervals");
    NfSetSpec spec = {.kind = NF_SET_IPSET, .interval = true, .comment = NF_NO_ID};
    NfElem elems[60];
    NfSet *set;

    for (int i = 0; i < 60; i++) {
        elems[i] = elem("10.0.0.0", 0, 0, 0, 0);
        elems[i].addr_len = (uint8_t)rng_below(&rng, 33);
        elems[i].key.addr =
            ipprefix_network((IpPrefix){ipaddr_v4(10, (uint8_t)rng_below(&rng, 4), (uint8_t)rng_below(&rng, 4),
                                                  (uint8_t)rng_below(&rng, 256)),
                                        elems[i].addr_len})
                .addr;
    }
    set = nf_set_new(&spec, elems, 60, NULL);
    for (int i = 0; i < 5000; i++) {
        NfKey key = {.addr = ipaddr_v4(10, (uint8_t)rng_below(&rng, 5), (uint8_t)rng_below(&rng, 5),
                                       (uint8_t)rng_below(&rng, 256))};
        const NfElem *got = nf_set_lookup(set, &key);
        int want = -1;
        for (int j = 0; j < 60; j++) {
            IpPrefix prefix = {elems[j].key.addr, elems[j].addr_len};
            if (ipprefix_contains(&prefix, key.addr))
                want = MAX(want, elems[j].addr_len);
        }
        T_EQ_I64(got ? got->addr_len : -1, want);
    }
    nf_set_unref(set);
}

static void
test_port_ranges(void)
{
    NfSetSpec spec = {.kind = NF_SET_PLAIN, .interval = true, .comment = NF_NO_ID};
    NfElem elems[] = {elem("10.1.0.0", 6, 100, 0, 0), elem("10.1.2.3", 6, 50, 0, 0)};
    NfKey key = {.proto = 6};
    NfSet *set;

    elems[0].addr_len = 16;
    elems[0].port_high = 200;
    set = nf_set_new(&spec, elems, 2, NULL);
    key.addr = nf_addr("10.1.9.9");
    key.port = 150;
    T_TRUE(nf_set_lookup(set, &key) != NULL);
    key.port = 201;
    T_TRUE(nf_set_lookup(set, &key) == NULL);
    key.port = 50;
    T_TRUE(nf_set_lookup(set, &key) == NULL);
    key.addr = nf_addr("10.1.2.3");
    T_TRUE(nf_set_lookup(set, &key) != NULL);
    nf_set_unref(set);
}

const TestSuite suite_nf_set = {"sim/nf_set",
                                {{"a map finds its verdicts and refuses a second one for a key", test_map},
                                 {"the longest prefix wins, as in a scan", test_intervals},
                                 {"port intervals are found", test_port_ranges}}};
