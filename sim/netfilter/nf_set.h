#ifndef SIM_NETFILTER_NF_SET_H
#define SIM_NETFILTER_NF_SET_H

/* Sets, inside the room: key hashing and masking shared by static and dynamic sets */

#include "sim/netfilter/nf_ruleset.h"

uint64_t nf_set_own_bytes(const NfSet *set); /* 0 if it has several owners. */
/* Chains that the verdicts of a map name, ascending, each once. */
const uint32_t *nf_set_targets(const NfSet *set, uint32_t *ret_n);
/* Sorts and removes duplicates; returns the new number. */
uint32_t nf_ids_sort(uint32_t *ids, uint32_t n);

/* The mask of the first 'bits' of 64, in wire order. */
static inline uint64_t
nf_mask64(unsigned bits)
{
    return bits ? GUINT64_TO_BE(~UINT64_C(0) << (64 - bits)) : 0;
}

static inline IpAddr
nf_addr_mask(IpAddr addr, uint8_t bits)
{
    if (bits >= 64) {
        addr.w[1] &= nf_mask64(bits - 64);
    } else {
        addr.w[0] &= nf_mask64(bits);
        addr.w[1] = 0;
    }
    return addr;
}

static inline bool
nf_addr_in(IpAddr addr, const IpAddr *net, uint8_t bits)
{
    uint64_t x0 = addr.w[0] ^ net->w[0], x1 = addr.w[1] ^ net->w[1];

    if (bits == 128) /* By far the most frequent. */
        return (x0 | x1) == 0;
    if (bits >= 64)
        return (x0 | (x1 & nf_mask64(bits - 64))) == 0;
    return (x0 & nf_mask64(bits)) == 0;
}

static inline uint32_t
nf_hash_words(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);

    h = (h ^ (h >> 32) ^ b) * UINT64_C(0xa0761d6478bd642f);
    return (uint32_t)(h ^ (h >> 32));
}

/* Only for the place in a table: differs between byte orders, never reaches an output. */
static inline uint32_t
nf_key_hash(const NfKey *key)
{
    uint64_t tail = (uint64_t)key->word << 32 | (uint32_t)key->port << 8 | key->proto;

    return nf_hash_words(key->addr.w[0] ^ key->addr.w[1] ^ tail * UINT64_C(0xe7037ed1a0b428db),
                         key->addr2.w[0] ^ (key->addr2.w[1] >> 1) ^ tail);
}

#endif
