#ifndef SIM_ENGINE_RNG_H
#define SIM_ENGINE_RNG_H

/* Random numbers
 *
 * Two ways to draw, both functions of the run's seed and of names only, never of the order of creation:
 *   streams  rng_stream(seed, "host/minikube", "ephemeral-port"): a generator (xoshiro256**) per purpose and entity;
 *   keyed    rng_keyed(seed, key...): one value for one thing, e.g. the backend choice of one connection, so that
 *            adding an unrelated object leaves every other choice as it was (common random numbers).            */

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t s[4];
} Rng;

/* The stream of 'purpose' at the entity 'name'. */
Rng rng_stream(uint64_t seed, const char *name, const char *purpose);

uint64_t rng_u64(Rng *rng);
uint32_t rng_u32(Rng *rng);

/* Uniform in [0, n), without bias; n > 0. */
uint32_t rng_below(Rng *rng, uint32_t n);

/* Exponential with the given mean (ns), by integer arithmetic only, so that all machines agree. */
int64_t rng_exponential(Rng *rng, int64_t mean);

/* A well-mixed 64-bit hash of bytes; the same on every machine. */
uint64_t rng_hash(uint64_t seed, const void *data, size_t size);
uint64_t rng_hash_str(uint64_t seed, const char *text);

#define RNG_GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t
rng_rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t
rng_splitmix64(uint64_t *state)
{
    uint64_t z = *state += RNG_GOLDEN;

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Mixes two words into one (for keyed draws: fold the parts of the key, the seed first). */
static inline uint64_t
rng_mix(uint64_t a, uint64_t b)
{
    /* Two rounds: one product alone lets a zero factor swallow the other one. */
    unsigned __int128 product = (unsigned __int128)(a ^ RNG_GOLDEN) * (b ^ UINT64_C(0xd6e8feb86659fd93));
    uint64_t state = ((uint64_t)product ^ (uint64_t)(product >> 64)) ^ rng_rotl(a, 29) ^ b;

    return rng_splitmix64(&state);
}

#endif
