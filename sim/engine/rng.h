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

/* Mixes two words into one (for keyed draws: fold the parts of the key, the seed first). */
uint64_t rng_mix(uint64_t a, uint64_t b);

#endif
