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
    size_t len = append(text, 0, port->text);

    len = append(text, len, proxy_proto_name(port->proto));
    len = append(text, len, endpoint->text);
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
    g_autofree char *ip = g_strdelimit(g_strdup(endpoint->ip_text), ":", '.');

    return nft_hash_and_truncate(g_strdup_printf("%s/%s/%s/%s__%s/%u", port->ns, port->name,
                                                 proxy_proto_name(port->proto), port->port_name, ip, endpoint->port));
}

char *
ipt_probability(uint32_t n, char buf[static 16])
{
    g_ascii_formatd(buf, 16, "%.10f", 1.0 / n);
    return buf;
}

uint32_t
ipt_probability_threshold(const char *text)
{
    /* libxt_statistic.c: lround(0x80000000 * atof()). */
    return (uint32_t)lround(2147483648.0 * g_ascii_strtod(text, NULL));
}
