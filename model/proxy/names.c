#include "model/proxy/names.h"

#include <glib.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>

#include "model/proxy/sha256.h"

#define NFT_NAME_MAX 240 /* nftables/proxier.go chainNameBaseLengthMax. */

/* First characters of the base32 text (RFC 4648) of the SHA-256 of 'text'. */
static void
base32_of_digest(const void *text, size_t size, char *ret_chars, size_t n_chars)
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t digest[32];

    sha256(text, size, digest);
    for (size_t i = 0; i < n_chars; i++) {
        size_t bit = i * 5, byte = bit / 8;
        unsigned two = (unsigned)digest[byte] << 8 | digest[byte + 1];
        ret_chars[i] = ALPHABET[two >> (11 - bit % 8) & 31];
    }
    ret_chars[n_chars] = '\0';
}

const char *
proxy_proto_name(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_SCTP:
        return "sctp";
    default:
        return "tcp";
    }
}

/* Names are at most 63 + 1 + 63 + 1 + 63 characters, endpoints 54: a text never outgrows this. */
#define HASH_TEXT_SIZE 512

static size_t
append(char buf[static HASH_TEXT_SIZE], size_t len, const char *text)
{
    size_t n = MIN(strlen(text), HASH_TEXT_SIZE - len);

    memcpy(buf + len, text, n);
    return len + n;
}

void
ipt_service_hash(const ProxyServicePort *port, char ret_hash[static IPT_HASH_SIZE])
{
    char text[HASH_TEXT_SIZE];
    size_t len = append(text, 0, port->text);

    len = append(text, len, proxy_proto_name(port->proto));
    base32_of_digest(text, len, ret_hash, IPT_HASH_SIZE - 1);
}

void
ipt_endpoint_hash(const ProxyServicePort *port, const ProxyEndpoint *endpoint, char ret_hash[static IPT_HASH_SIZE])
{
    char text[HASH_TEXT_SIZE];
    char of_endpoint[ENDPOINT_TEXT_SIZE];
    size_t len = append(text, 0, port->text);

    len = append(text, len, proxy_proto_name(port->proto));
    len = append(text, len, endpoint_text(endpoint, of_endpoint));
    base32_of_digest(text, len, ret_hash, IPT_HASH_SIZE - 1);
}

/* "HASH-" in front of 'name', cut to NFT_NAME_MAX.  Takes 'name'. */
static char *
nft_hash_and_truncate(char *name)
{
    g_autofree char *owned = name;
    char hash[9];
    char *full;

    base32_of_digest(owned, strlen(owned), hash, 8);
    full = g_strconcat(hash, "-", owned, NULL);
    if (strlen(full) > NFT_NAME_MAX)
        strcpy(full + NFT_NAME_MAX - 3, "...");
    return full;
}

char *
nft_service_base(const ProxyServicePort *port)
{
    return nft_hash_and_truncate(
        g_strdup_printf("%s/%s/%s/%s", port->ns, port->name, proxy_proto_name(port->proto), port->port_name));
}

char *
nft_endpoint_base(const ProxyServicePort *port, const ProxyEndpoint *endpoint)
{
    char canonical[IPADDR_STR_SIZE];
    g_autofree char *ip = g_strdelimit(g_strdup(endpoint_ip(endpoint, canonical)), ":", '.');

    return nft_hash_and_truncate(g_strdup_printf("%s/%s/%s/%s__%s/%u", port->ns, port->name,
                                                 proxy_proto_name(port->proto), port->port_name, ip, endpoint->port));
}

/* The ten decimals that "%.10f" makes of 1.0 / n, as an integer. */
static uint64_t
probability_digits(uint32_t n)
{
    uint64_t one = 10000000000u, rest = one % n;
    char text[16];

    if (rest * 2 != n)
        return one / n + (rest * 2 > n);
    /* Half way between two texts (2048, 10240, ...): the error of the double decides. */
    g_ascii_formatd(text, sizeof text, "%.10f", 1.0 / n);
    return g_ascii_strtoull(text + 2, NULL, 10);
}

char *
ipt_probability(uint32_t n, char buf[static 16])
{
    uint64_t digits = probability_digits(n);

    for (int i = 11; i > 1; i--, digits /= 10)
        buf[i] = (char)('0' + digits % 10);
    buf[0] = (char)('0' + digits);
    buf[1] = '.';
    buf[12] = '\0';
    return buf;
}

uint32_t
ipt_probability_threshold(uint32_t n)
{
    /* libxt_statistic.c: lround(0x80000000 * strtod(text)); the quotient is the double that strtod() makes. */
    return (uint32_t)lround(2147483648.0 * ((double)probability_digits(n) / 1e10));
}
