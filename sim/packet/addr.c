/* Addresses: text, order, prefixes. */

#include "sim/packet/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "sim/engine/rng.h"

#define V4_MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff

const IpAddr IPADDR_ANY4 = {{V4_MAPPED, 0, 0, 0, 0}};
const IpAddr IPADDR_ANY6 = {{0}};
const IpAddr IPADDR_LOOPBACK4 = {{V4_MAPPED, 127, 0, 0, 1}};
const IpAddr IPADDR_LOOPBACK6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static bool parse_addr(const char *text, size_t len, bool sloppy, IpAddr *ret_addr);
static bool parse_prefix(const char *text, bool sloppy, IpPrefix *ret_prefix);
static bool parse_v4(const char *text, size_t len, bool sloppy, uint8_t ret_bytes[static 4]);
static bool parse_v6(const char *text, size_t len, bool sloppy, IpAddr *ret_addr);
static unsigned mapped_len(const IpPrefix *prefix);

IpAddr
ipaddr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (IpAddr){{V4_MAPPED, a, b, c, d}};
}

IpAddr
ipaddr_v4_u32(uint32_t host_order)
{
    return ipaddr_v4((uint8_t)(host_order >> 24), (uint8_t)(host_order >> 16), (uint8_t)(host_order >> 8),
                     (uint8_t)host_order);
}

int
ipaddr_cmp(const IpAddr *a, const IpAddr *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

bool
ipaddr_is_linklocal(const IpAddr *a)
{
    if (ipaddr_is_v4(a))
        return a->b[12] == 169 && a->b[13] == 254;
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

IpAddr
ipaddr_add(IpAddr addr, uint64_t n)
{
    unsigned first = ipaddr_is_v4(&addr) ? 12 : 0;
    unsigned carry = 0;

    for (unsigned i = 16; i-- > first; n >>= 8) {
        carry += addr.b[i] + (unsigned)(n & 0xff);
        addr.b[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return addr;
}

bool
ipaddr_parse(const char *text, IpAddr *ret_addr)
{
    return parse_addr(text, strlen(text), false, ret_addr);
}

bool
ipprefix_parse(const char *text, IpPrefix *ret_prefix)
{
    IpAddr addr;

    if (strchr(text, '/'))
        return parse_prefix(text, false, ret_prefix);
    if (!ipaddr_parse(text, &addr))
        return false;
    *ret_prefix = ipprefix_host(addr);
    return true;
}

bool
ipaddr_parse_sloppy(const char *text, IpAddr *ret_addr)
{
    return parse_addr(text, strlen(text), true, ret_addr);
}

bool
ipprefix_parse_sloppy(const char *text, IpPrefix *ret_prefix)
{
    IpPrefix prefix;

    if (!parse_prefix(text, true, &prefix))
        return false;
    *ret_prefix = ipprefix_network(prefix);
    return true;
}

bool
mac_parse(const char *text, MacAddr *ret_mac)
{
    MacAddr mac;

    for (int i = 0; i < 6; i++) {
        unsigned value = 0;
        for (int digit = 0; digit < 2; digit++, text++) {
            static const char digits[] = "0123456789abcdef";
            const char *p = *text ? strchr(digits, *text >= 'A' && *text <= 'F' ? *text + 32 : *text) : NULL;
            if (!p)
                return false;
            value = value << 4 | (unsigned)(p - digits);
        }
        mac.b[i] = (uint8_t)value;
        if (*text++ != (i < 5 ? ':' : '\0'))
            return false;
    }
    *ret_mac = mac;
    return true;
}

/* As inet_ntop(), which goes through a format. */
static char *
format_v4(const uint8_t bytes[static 4], char *p)
{
    for (int i = 0; i < 4; i++) {
        unsigned byte = bytes[i];

        if (i)
            *p++ = '.';
        if (byte >= 100)
            *p++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *p++ = (char)('0' + byte / 10 % 10);
        *p++ = (char)('0' + byte % 10);
    }
    *p = '\0';
    return p;
}

char *
ipaddr_format(IpAddr addr, char buf[static IPADDR_STR_SIZE])
{
    static const uint8_t zeros[12];

    if (ipaddr_is_v4(&addr))
        format_v4(&addr.b[12], buf);
    else if (memcmp(addr.b, zeros, 12) == 0 && (addr.b[12] || addr.b[13])) /* glibc would write ::1.2.3.4 */
        snprintf(buf, IPADDR_STR_SIZE, "::%x:%x", addr.b[12] << 8 | addr.b[13], addr.b[14] << 8 | addr.b[15]);
    else
        inet_ntop(AF_INET6, addr.b, buf, IPADDR_STR_SIZE);
    return buf;
}

char *
ipprefix_format(IpPrefix prefix, char buf[static IPPREFIX_STR_SIZE])
{
    char text[IPADDR_STR_SIZE];

    snprintf(buf, IPPREFIX_STR_SIZE, "%s/%u", ipaddr_format(prefix.addr, text), prefix.len);
    return buf;
}

char *
ipport_format(IpAddr addr, uint16_t port, char buf[static IPPORT_STR_SIZE])
{
    char text[IPADDR_STR_SIZE], *end;

    if (!ipaddr_is_v4(&addr)) {
        snprintf(buf, IPPORT_STR_SIZE, "[%s]:%u", ipaddr_format(addr, text), port);
        return buf;
    }
    end = format_v4(&addr.b[12], buf);
    *end++ = ':';
    for (unsigned power = port >= 10000  ? 10000
                          : port >= 1000 ? 1000
                          : port >= 100  ? 100
                          : port >= 10   ? 10
                                         : 1;
         power; power /= 10)
        *end++ = (char)('0' + port / power % 10);
    *end = '\0';
    return buf;
}

char *
mac_format(MacAddr mac, char buf[static MAC_STR_SIZE])
{
    snprintf(buf, MAC_STR_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac.b[0], mac.b[1], mac.b[2], mac.b[3], mac.b[4],
             mac.b[5]);
    return buf;
}

bool
ipprefix_contains(const IpPrefix *prefix, IpAddr addr)
{
    unsigned bits = mapped_len(prefix);
    unsigned whole = bits / 8, rest = bits % 8;

    /* The family is part of the address: ::/0 does not hold IPv4. */
    if (ipaddr_is_v4(&prefix->addr) != ipaddr_is_v4(&addr))
        return false;
    if (memcmp(prefix->addr.b, addr.b, whole) != 0)
        return false;
    return rest == 0 || (prefix->addr.b[whole] ^ addr.b[whole]) >> (8 - rest) == 0;
}

IpPrefix
ipprefix_host(IpAddr addr)
{
    return (IpPrefix){addr, ipaddr_is_v4(&addr) ? 32 : 128};
}

IpPrefix
ipprefix_network(IpPrefix prefix)
{
    unsigned bits = mapped_len(&prefix);

    for (unsigned i = bits / 8; i < 16; i++)
        prefix.addr.b[i] = i == bits / 8 ? prefix.addr.b[i] & (uint8_t)(0xff00 >> bits % 8) : 0;
    return prefix;
}

MacAddr
mac_from_name(const char *name)
{
    uint64_t hash = rng_hash_str(UINT64_C(0x6d6163), name);
    MacAddr mac;

    for (int i = 0; i < 6; i++)
        mac.b[i] = (uint8_t)(hash >> 8 * i);
    mac.b[0] = (mac.b[0] & 0xfc) | 0x02; /* Unicast, locally administered. */
    return mac;
}

static bool
parse_addr(const char *text, size_t len, bool sloppy, IpAddr *ret_addr)
{
    uint8_t v4[4];

    if (memchr(text, ':', len))
        return parse_v6(text, len, sloppy, ret_addr);
    if (!parse_v4(text, len, sloppy, v4))
        return false;
    *ret_addr = ipaddr_v4(v4[0], v4[1], v4[2], v4[3]);
    return true;
}

static bool
parse_prefix(const char *text, bool sloppy, IpPrefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    const char *p;
    unsigned bits = 0, max;
    IpAddr addr;

    if (!slash || !parse_addr(text, (size_t)(slash - text), sloppy, &addr))
        return false;
    /* "::ffff:10.0.0.0/104" would be an IPv6 prefix of IPv4 addresses: refused, as its length has no meaning here. */
    max = ipaddr_is_v4(&addr) ? 32 : 128;
    p = slash + 1;
    if (!*p || (!sloppy && p[0] == '0' && p[1]))
        return false;
    for (; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        bits = bits * 10 + (unsigned)(*p - '0');
        if (bits > max)
            return false;
    }
    *ret_prefix = (IpPrefix){addr, (uint8_t)bits};
    return true;
}

static bool
parse_v4(const char *text, size_t len, bool sloppy, uint8_t ret_bytes[static 4])
{
    const char *end = text + len;

    for (int i = 0; i < 4; i++) {
        unsigned value = 0, digits = 0;
        for (; text < end && *text >= '0' && *text <= '9'; text++, digits++) {
            if (!sloppy && digits == 1 && value == 0)
                return false;
            value = value * 10 + (unsigned)(*text - '0');
            if (value > 255)
                return false;
        }
        if (digits == 0)
            return false;
        ret_bytes[i] = (uint8_t)value;
        if (i < 3 && (text == end || *text++ != '.'))
            return false;
    }
    return text == end;
}

static bool
parse_v6(const char *text, size_t len, bool sloppy, IpAddr *ret_addr)
{
    char buf[IPADDR_STR_SIZE];
    const char *last_colon = memrchr(text, ':', len);
    size_t head = (size_t)(last_colon + 1 - text);
    IpAddr addr;
    uint8_t v4[4];

    /* A dotted tail is read by our rules for leading zeros, the rest by inet_pton(). */
    if (memchr(text, '.', len)) {
        if (head >= sizeof buf - 16 || !parse_v4(text + head, len - head, sloppy, v4))
            return false;
        snprintf(buf, sizeof buf, "%.*s%u.%u.%u.%u", (int)head, text, v4[0], v4[1], v4[2], v4[3]);
    } else {
        if (len >= sizeof buf)
            return false;
        memcpy(buf, text, len);
        buf[len] = '\0';
    }
    if (inet_pton(AF_INET6, buf, addr.b) != 1)
        return false;
    *ret_addr = addr;
    return true;
}

/* The prefix's length in bits of the 16-byte form. */
static unsigned
mapped_len(const IpPrefix *prefix)
{
    return prefix->len + (ipaddr_is_v4(&prefix->addr) ? 96U : 0U);
}
