#ifndef SIM_PACKET_ADDR_H
#define SIM_PACKET_ADDR_H

/* Addresses
 *
 * One 16-byte type in wire order holds IPv4 (as ::ffff:a.b.c.d) and IPv6, so that equality is a comparison of
 * 16 bytes and no code path asks for the family to compare, hash or store.  The family is part of the address.   */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum { FAMILY_IPV4 = 4, FAMILY_IPV6 = 6 } IpFamily;

typedef union {
    uint8_t b[16];
    uint64_t w[2]; /* Native words of the wire bytes: for comparison and hashing only. */
} IpAddr;

typedef struct {
    IpAddr addr;
    uint8_t len; /* Prefix length in the address's own family: 0..32 or 0..128. */
} IpPrefix;

typedef struct {
    uint8_t b[6];
} MacAddr;

#define IPADDR_STR_SIZE   48 /* Any address. */
#define IPPREFIX_STR_SIZE 52 /* Any prefix. */
#define IPPORT_STR_SIZE   56 /* "[addr]:port". */
#define MAC_STR_SIZE      18

extern const IpAddr IPADDR_ANY4; /* 0.0.0.0 */
extern const IpAddr IPADDR_ANY6; /* :: */
extern const IpAddr IPADDR_LOOPBACK4;
extern const IpAddr IPADDR_LOOPBACK6;

IpAddr ipaddr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
IpAddr ipaddr_v4_u32(uint32_t host_order);

static inline bool
ipaddr_eq(IpAddr a, IpAddr b)
{
    return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

static inline bool
ipaddr_is_v4(const IpAddr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(a->b, mapped, 12) == 0;
}

static inline IpFamily
ipaddr_family(const IpAddr *a)
{
    return ipaddr_is_v4(a) ? FAMILY_IPV4 : FAMILY_IPV6;
}

/* IPv4 only; host order. */
static inline uint32_t
ipaddr_to_u32(IpAddr addr)
{
    return (uint32_t)addr.b[12] << 24 | (uint32_t)addr.b[13] << 16 | (uint32_t)addr.b[14] << 8 | addr.b[15];
}

/* 0.0.0.0 or ::. */
static inline bool
ipaddr_is_any(const IpAddr *a)
{
    static const IpAddr any4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}};
    return a->w[0] == 0 && (a->w[1] == 0 || a->w[1] == any4.w[1]);
}

/* 127/8 or ::1. */
static inline bool
ipaddr_is_loopback(const IpAddr *a)
{
    return ipaddr_is_v4(a) ? a->b[12] == 127 : ipaddr_eq(*a, IPADDR_LOOPBACK6);
}

static inline bool
ipaddr_is_multicast(const IpAddr *a)
{
    return ipaddr_is_v4(a) ? a->b[12] >> 4 == 0xe : a->b[0] == 0xff;
}

/* Order by bytes: IPv4 (mapped) and IPv6 in one total order. */
int ipaddr_cmp(const IpAddr *a, const IpAddr *b);
bool ipaddr_is_linklocal(const IpAddr *a);
/* Address + n (wraps), for allocators. */
IpAddr ipaddr_add(IpAddr addr, uint64_t n);

/* Strict readers (RFC 4291 / dotted quad without leading zeros); the whole text must match. */
bool ipaddr_parse(const char *text, IpAddr *ret_addr);
bool ipprefix_parse(const char *text,
                    IpPrefix *ret_prefix); /* "10.0.0.0/8"; a bare address is a host prefix. Host bits are kept. */
/* Lenient readers, as kube-proxy's netutils.ParseIPSloppy: leading zeros are decimal. */
bool ipaddr_parse_sloppy(const char *text, IpAddr *ret_addr);
bool ipprefix_parse_sloppy(const char *text, IpPrefix *ret_prefix); /* needs "/len"; host bits are cleared. */
bool mac_parse(const char *text, MacAddr *ret_mac);

/* Canonical text (RFC 5952 for IPv6); returns 'buf'. */
char *ipaddr_format(IpAddr addr, char buf[static IPADDR_STR_SIZE]);
char *ipprefix_format(IpPrefix prefix, char buf[static IPPREFIX_STR_SIZE]);
char *ipport_format(IpAddr addr, uint16_t port, char buf[static IPPORT_STR_SIZE]);
char *mac_format(MacAddr mac, char buf[static MAC_STR_SIZE]);

bool ipprefix_contains(const IpPrefix *prefix, IpAddr addr);
IpPrefix ipprefix_host(IpAddr addr);
/* 'prefix' with its host bits cleared. */
IpPrefix ipprefix_network(IpPrefix prefix);

static inline bool
mac_eq(MacAddr a, MacAddr b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool
mac_is_group(MacAddr mac)
{
    return (mac.b[0] & 1) != 0;
}

/* A stable unicast, locally administered MAC for a named interface. */
MacAddr mac_from_name(const char *name);

#endif
