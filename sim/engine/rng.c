/* Random numbers: xoshiro256** (Blackman, Vigna 2018) seeded through splitmix64; hashing by 64x64->128 bit products. */

#include "sim/engine/rng.h"

#include <endian.h>
#include <string.h>

static uint32_t log2_fraction(uint64_t mantissa);

Rng
rng_stream(uint64_t seed, const char *name, const char *purpose)
{
    uint64_t state = rng_mix(rng_hash_str(seed, name), rng_hash_str(seed, purpose));
    Rng rng;

    for (size_t i = 0; i < 4; i++)
        rng.s[i] = rng_splitmix64(&state);
    return rng;
}

uint64_t
rng_u64(Rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rng_rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotl(s[3], 45);
    return result;
}

uint32_t
rng_u32(Rng *rng)
{
    return (uint32_t)(rng_u64(rng) >> 32);
}

uint32_t
rng_below(Rng *rng, uint32_t n)
{
    /* Lemire 2019: the product's low half tells the few draws that would be biased. */
    uint64_t product = (uint64_t)rng_u32(rng) * n;

    if ((uint32_t)product < n) {
        uint32_t threshold = -n % n;
        while ((uint32_t)product < threshold)
            product = (uint64_t)rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

int64_t
rng_exponential(Rng *rng, int64_t mean)
{
    static const uint64_t ln2 = UINT64_C(0xb17217f7d1cf79ab); /* ln 2 * 2^64 */
    uint64_t u = rng_u64(rng) | 1;
    unsigned zeros = (unsigned)__builtin_clzll(u);
    /* -log2(u / 2^64), 32 bits of fraction. */
    uint64_t bits = ((uint64_t)(zeros + 1) << 32) - log2_fraction(u << zeros);
    uint64_t nats = (uint64_t)(((unsigned __int128)bits * ln2) >> 64);

    return (int64_t)(((__int128)mean * (int64_t)nats) >> 32);
}

uint64_t
rng_hash(uint64_t seed, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t h = rng_mix(seed, size), word;

    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        h = rng_mix(h, le64toh(word));
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, p, size);
        h = rng_mix(h, le64toh(word));
    }
    return h;
}

uint64_t
rng_hash_str(uint64_t seed, const char *text)
{
    return rng_hash(seed, text, strlen(text));
}

/* log2 of mantissa / 2^63 in [1, 2), 32 bits of fraction, one bit for each squaring. */
static uint32_t
log2_fraction(uint64_t mantissa)
{
    uint32_t fraction = 0;

    for (int i = 0; i < 32; i++) {
        unsigned __int128 square = (unsigned __int128)mantissa * mantissa; /* In [2^126, 2^128). */
        uint64_t high = (uint64_t)(square >> 64);
        fraction <<= 1;
        if (high >> 63) {
            fraction |= 1;
            mantissa = high;
        } else {
            mantissa = (uint64_t)(square >> 63);
        }
    }
    return fraction;
}
