#include "sim/engine/text_out.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "sim/engine/rng.h"
#include "sim/netfilter/nf_text.h"
#include "tests/unit/test.h"

/* What is printed without formats, against the formats of the C library. */

static void
test_numbers(void)
{
    static const uint64_t values[] = {0, 9, 10, 255, 65535, UINT32_MAX, UINT64_MAX};
    GString *out = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *want = g_strdup_printf("<%" G_GUINT64_FORMAT ">", values[i]);
        g_string_truncate(out, 0);
        TEXT_LIT(out, "<");
        text_u64(out, values[i]);
        text_str(out, ">");
        T_EQ_STR(out->str, want);
    }
    g_string_free(out, TRUE);
}

static void
test_growth(void)
{
    GString *out = g_string_sized_new(1), *want = g_string_new(NULL);

    for (int i = 0; i < 3000; i++) {
        text_append(out, "abcdefg", (size_t)i % 8);
        g_string_append_len(want, "abcdefg", i % 8);
    }
    T_TRUE(g_string_equal(out, want) && strlen(out->str) == out->len);
    g_string_free(out, TRUE);
    g_string_free(want, TRUE);
}

static void
test_addresses(void)
{
    Rng rng = rng_stream(1, "text_out", "addresses");

    for (int i = 0; i < 20000; i++) {
        uint32_t value = rng_u32(&rng), order = htonl(value);
        char got[IPADDR_STR_SIZE], want[INET_ADDRSTRLEN];
        ipaddr_format(ipaddr_v4_u32(value), got);
        T_EQ_STR(got, inet_ntop(AF_INET, &order, want, sizeof want));
    }
}

static void
check_share(NfNames *names, NfRuleset *rs, uint32_t threshold)
{
    NfChainBuilder *b =
        nf_chain_builder_new(names, &(NfChainSpec){.id = nf_chain_id(names, "nat", "C"), .comment = NF_NO_ID});
    g_autoptr(GString) got = g_string_new(NULL);
    g_autofree char *want =
        g_strdup_printf("-A C -m statistic --mode random --probability %.11f -j ACCEPT", threshold / 2147483648.0);
    NfChain *chain;

    nf_rule_begin(b, 0);
    nf_rule_expr(b, nfx_u32(NFX_STATISTIC_RANDOM, threshold, 0, 0, false));
    nf_rule_expr(b, nfx_u32(NFX_ACCEPT, 0, 0, 0, false));
    nf_rule_end(b);
    chain = nf_chain_seal(b);
    nf_print_rule(got, rs, chain, 0);
    T_EQ_STR(got->str, want);
    nf_chain_unref(chain);
}

/* Halves of the last digit, which go to the even one, come with thresholds that have nineteen zero bits. */
static void
test_shares(void)
{
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, FAMILY_IPV4);
    Rng rng = rng_stream(1, "text_out", "shares");

    for (uint32_t n = 1; n < 5000; n++)
        check_share(names, rs, (uint32_t)((UINT64_C(1) << 31) / n));
    for (uint32_t i = 0; i <= 4096; i++)
        check_share(names, rs, i << 19);
    for (int i = 0; i < 20000; i++)
        check_share(names, rs, rng_u32(&rng) >> 1);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
}

const TestSuite suite_text_out = {"sim/text_out",
                                  {{"numbers are printed as printf does", test_numbers},
                                   {"a text grows as needed", test_growth},
                                   {"addresses are printed as inet_ntop does", test_addresses},
                                   {"shares are printed as %.11f", test_shares},
                                   {0}}};
