/* Where the processor has instructions for it (x86's SHA extensions) a block takes a third of the time. */

#include "model/proxy/sha256.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

typedef void Compress(uint32_t h[static 8], const uint8_t block[static 64]);

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t
rotr(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void
compress_portable(uint32_t h[static 8], const uint8_t block[static 64])
{
    uint32_t w[64];
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = k + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + w[i];
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        k = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += k;
}

#if defined(__x86_64__)

/* An instruction does two rounds and wants the state as (a, b, e, f) and (c, d, g, h), highest word first; after them
 * what was the former is the latter.  Four rounds take four words of the schedule. */
__attribute__((target("sha,sse4.1"))) static void
compress_x86(uint32_t h[static 8], const uint8_t block[static 64])
{
    const __m128i from_big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    const __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    const __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    __m128i first = abef, second = cdgh, w[16];

    for (int i = 0; i < 16; i++) {
        __m128i words;
        if (i < 4)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), from_big_endian);
        else
            w[i] = _mm_sha256msg2_epu32(
                _mm_add_epi32(_mm_sha256msg1_epu32(w[i - 4], w[i - 3]), _mm_alignr_epi8(w[i - 1], w[i - 2], 4)),
                w[i - 1]);
        words = _mm_add_epi32(w[i], _mm_loadu_si128((const __m128i *)ROUND + i));
        second = _mm_sha256rnds2_epu32(second, first, words);
        first = _mm_sha256rnds2_epu32(first, second, _mm_srli_si128(words, 8));
    }
    first = _mm_add_epi32(first, abef);
    second = _mm_add_epi32(second, cdgh);
    h[0] = (uint32_t)_mm_extract_epi32(first, 3);
    h[1] = (uint32_t)_mm_extract_epi32(first, 2);
    h[2] = (uint32_t)_mm_extract_epi32(second, 3);
    h[3] = (uint32_t)_mm_extract_epi32(second, 2);
    h[4] = (uint32_t)_mm_extract_epi32(first, 1);
    h[5] = (uint32_t)_mm_extract_epi32(first, 0);
    h[6] = (uint32_t)_mm_extract_epi32(second, 1);
    h[7] = (uint32_t)_mm_extract_epi32(second, 0);
}

static bool
has_instructions(void)
{
    unsigned a, b, c, d;
    bool has_sse = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSSE3 && c & bit_SSE4_1;

    return has_sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;
}

#endif

static Compress *
find_compress(void)
{
#if defined(__x86_64__)
    if (has_instructions())
        return compress_x86;
#endif
    return compress_portable;
}

static void
digest_with(Compress *compress, const void *data, size_t size, uint8_t ret_digest[static 32])
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint8_t *p = data;
    uint8_t last[128] = {0};
    size_t left = size, tail;
    uint64_t bits = (uint64_t)size * 8;

    for (; left >= 64; left -= 64, p += 64)
        compress(h, p);
    memcpy(last, p, left);
    last[left] = 0x80;
    tail = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++)
        last[tail - 1 - (size_t)i] = (uint8_t)(bits >> (8 * i));
    compress(h, last);
    if (tail == 128)
        compress(h, last + 64);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 4; j++)
            ret_digest[4 * i + j] = (uint8_t)(h[i] >> (24 - 8 * j));
}

void
sha256(const void *data, size_t size, uint8_t ret_digest[static 32])
{
    static Compress *compress; /* Asking the processor takes longer than many blocks. */

    if (!compress)
        compress = find_compress();
    digest_with(compress, data, size, ret_digest);
}

void
sha256_portable(const void *data, size_t size, uint8_t ret_digest[static 32])
{
    digest_with(compress_portable, data, size, ret_digest);
}
