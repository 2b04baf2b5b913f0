/* Chain names and probabilities: values that the real kube-proxy writes. */

#include <math.h>
#include <netinet/in.h>
#include <string.h>

#include "model/proxy/names.h"
#include "model/proxy/sha256.h"
#include "tests/unit/test.h"

static void
test_iptables_hashes(void)
{
    ProxyServicePort port = {.text = "ns1/svc1:p80", .proto = IPPROTO_TCP};
    const Endpoint from = {.addr = ipaddr_v4(10, 180, 0, 1)};
    const ProxyEndpoint endpoint = {.from = &from, .port = 80};
    char hash[IPT_HASH_SIZE];

    ipt_service_hash(&port, hash);
    T_EQ_STR(hash, "XPGD46QRK7WJZT7O");
    ipt_endpoint_hash(&port, &endpoint, hash);
    T_EQ_STR(hash, "SXIVWICOYRO3J4NJ");
}

static void
test_nftables_names(void)
{
    ProxyServicePort port = {.ns = "ns1", .name = "svc1", .port_name = "p80", .proto = IPPROTO_TCP};
    const Endpoint from = {.addr = ipaddr_v4(10, 180, 0, 1)};
    const ProxyEndpoint endpoint = {.from = &from, .port = 80};
    g_autofree char *base = nft_service_base(&port);
    g_autofree char *ep_base = nft_endpoint_base(&port, &endpoint);

    T_EQ_STR(base, "ULMVA6XW-ns1/svc1/tcp/p80");
    T_EQ_STR(ep_base, "5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80");
}

static void
test_probabilities(void)
{
    char text[16];

    T_EQ_STR(ipt_probability(1, text), "1.0000000000");
    T_EQ_STR(ipt_probability(3, text), "0.3333333333");
    T_EQ_STR(ipt_probability(2048, text), "0.0004882812"); /* A tie: to even, as Go and glibc do. */
    T_EQ_STR(ipt_probability(100001, text), "0.0000099999");
    for (uint32_t n = 1; n < 20000; n++) {
        char want[16];
        g_ascii_formatd(want, sizeof want, "%.10f", 1.0 / n);
        T_EQ_STR(ipt_probability(n, text), want);
    }
}

static void
test_thresholds(void)
{
    /* What iptables-save prints back: 0.33333333349, 0.10000000009. */
    T_EQ_U64(ipt_probability_threshold(2), 1u << 30);
    T_EQ_U64(ipt_probability_threshold(3), 715827883);
    T_EQ_U64(ipt_probability_threshold(10), 214748365);
    for (uint32_t n = 1; n < 20000; n++) {
        char text[16];
        T_EQ_U64(ipt_probability_threshold(n),
                 (uint32_t)lround(2147483648.0 * g_ascii_strtod(ipt_probability(n, text), NULL)));
    }
}

static const char *
hex_of(const uint8_t digest[static 32], char buf[static 65])
{
    for (int i = 0; i < 32; i++)
        g_snprintf(buf + 2 * i, 3, "%02x", digest[i]);
    return buf;
}

static void
test_sha256_against_glib(void)
{
    char text[200], got[65];
    uint8_t digest[32];

    for (size_t n = 0; n < sizeof text; n++) {
        g_autofree char *want = NULL;
        text[n] = (char)('a' + n % 26);
        want = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, n);
        sha256(text, n, digest);
        T_EQ_STR(hex_of(digest, got), want);
        sha256_portable(text, n, digest);
        T_EQ_STR(hex_of(digest, got), want);
    }
}

const TestSuite suite_proxy_names = {
    "model/proxy_names",
    {{"iptables chain hashes are kube-proxy's", test_iptables_hashes},
     {"nftables chain bases are kube-proxy's", test_nftables_names},
     {"probabilities have ten digits, ties to even", test_probabilities},
     {"probabilities become 31-bit thresholds", test_thresholds},
     {"SHA-256 equals GLib's for every length up to four blocks", test_sha256_against_glib}},
};
