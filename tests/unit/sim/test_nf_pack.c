/* Packed rules come back as they were, whatever they say */

#include <string.h>

#include "sim/engine/rng.h"
#include "sim/netfilter/nf_pack.h"
#include "tests/unit/test.h"

#define N_RULES 40
#define N_EXPRS 160

/* Mostly small or zero, as real fields are. */
static uint32_t
some_number(Rng *rng)
{
    uint64_t bits = rng_u64(rng);

    return bits & 1 ? 0 : (uint32_t)(bits >> 32) >> (bits >> 1 & 31);
}

static NfExpr
some_expr(Rng *rng, const NfExpr *before)
{
    NfExpr expr = {.op = (uint8_t)rng_u64(rng),
                   .neg = (uint8_t)some_number(rng),
                   .len = (uint8_t)some_number(rng),
                   .c = (uint8_t)some_number(rng),
                   .a = some_number(rng)};

    switch (rng_u64(rng) % 4) {
    case 0:
        expr.addr = ipaddr_v4((uint8_t)some_number(rng), 0, 0, (uint8_t)some_number(rng));
        break;
    case 1:
        expr.addr = before ? before->addr : IPADDR_ANY6;
        break;
    case 2:
        expr.b = some_number(rng);
        expr.b2 = some_number(rng);
        expr.b3 = some_number(rng);
        expr.b4 = some_number(rng);
        break;
    default:
        break;
    }
    return expr;
}

static void
test_round_trip(void)
{
    Rng rng = rng_stream(1, "nf_pack", "");
    NfRule rules[N_RULES], got_rules[N_RULES];
    NfExpr exprs[N_EXPRS], got_exprs[N_EXPRS];
    uint8_t packed[NF_PACK_MAX(N_RULES, N_EXPRS)];

    for (int round = 0; round < 2000; round++) {
        uint32_t n_rules = (uint32_t)(rng_u64(&rng) % N_RULES), n = 0;

        memset(rules, 0, sizeof rules);
        for (uint32_t r = 0; r < n_rules; r++) {
            rules[r] = (NfRule){.first = n, .n = (uint16_t)(rng_u64(&rng) % 5), .origin = (uint32_t)rng_u64(&rng)};
            if (rng_u64(&rng) % 2)
                rules[r].origin = r ? rules[r - 1].origin - 3 + (uint32_t)(rng_u64(&rng) % 7) : 0;
            for (uint32_t i = 0; i < rules[r].n; i++, n++)
                exprs[n] = some_expr(&rng, n ? &exprs[n - 1] : NULL);
        }
        T_TRUE(nf_pack(rules, n_rules, exprs, packed) <= NF_PACK_MAX(n_rules, n));
        T_EQ_U64(nf_pack_n_exprs(packed, n_rules), n);
        nf_unpack(packed, n_rules, got_rules, got_exprs);
        T_TRUE(n_rules == 0 || memcmp(rules, got_rules, n_rules * sizeof *rules) == 0);
        T_TRUE(n == 0 || memcmp(exprs, got_exprs, n * sizeof *exprs) == 0);
    }
}

/* A KUBE-SEP chain: what the packing is for. */
static void
test_size(void)
{
    const IpAddr pod = ipaddr_v4(10, 244, 0, 5);
    const NfExpr exprs[] = {{.op = NFX_SADDR, .len = 32, .c = 128, .addr = pod},
                            {.op = NFX_COMMENT, .a = 1000},
                            {.op = NFX_JUMP, .a = 7},
                            {.op = NFX_PROTO, .a = 6},
                            {.op = NFX_COMMENT, .a = 1000},
                            {.op = NFX_DNAT, .a = 8080u << 16 | 8080, .addr = pod}};
    const NfRule rules[] = {{.n = 3, .origin = 100000}, {.first = 3, .n = 3, .origin = 100001}};
    uint8_t packed[NF_PACK_MAX(2, 6)];

    T_TRUE(nf_pack(rules, 2, exprs, packed) <= 40);
}

const TestSuite suite_nf_pack = {
    "netfilter/pack", {{"rules come back as they were", test_round_trip}, {"an endpoint's chain is small", test_size}}};
