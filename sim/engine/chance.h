#ifndef SIM_ENGINE_CHANCE_H
#define SIM_ENGINE_CHANCE_H

/* Chance: every random branch of the packet path
 *
 * A branch is a draw among n outcomes with exact integer weights: `statistic --mode random`, nft `numgen random`,
 * a load balancer's choice.  (Port draws of NAT are not branches: they use streams.)  A ChanceSource answers them.
 *   chance_keyed   f(seed, flow, point): what `run` uses; unrelated changes do not move it;
 *   chance_script  answers from a forced prefix of choices, then always the first outcome of non-zero weight, and
 *                  notes what was asked: `--all` replays the one evaluator over all prefixes and multiplies weights. */

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    CHANCE_BERNOULLI, /* Outcomes 0 (no) and 1 (yes); yes has weight 'yes' of 'total'. */
    CHANCE_UNIFORM,   /* n outcomes; outcome i has the weight of reciprocal_scale over 2^32: chance_weight(). */
    CHANCE_WEIGHTED,  /* n outcomes with weights[] that add up to 'total'. */
} ChanceKind;

typedef struct {
    ChanceKind kind;
    uint32_t n;              /* Number of outcomes; 2 for BERNOULLI. */
    uint64_t yes;            /* BERNOULLI only. */
    uint64_t total;          /* Sum of all weights; 2^32 for UNIFORM. */
    const uint64_t *weights; /* WEIGHTED only; borrowed during the call. */
    uint64_t point;          /* Identity of the branch point: stable over unrelated changes (hash of names). */
    uint64_t flow;           /* Identity of the connection, or 0. */
} ChancePoint;

/* Weight of outcome i out of point->total. */
uint64_t chance_weight(const ChancePoint *point, uint32_t i);

typedef struct ChanceSource ChanceSource;
struct ChanceSource {
    uint32_t (*draw)(ChanceSource *source, const ChancePoint *point);
};

static inline uint32_t
chance_draw(ChanceSource *source, const ChancePoint *point)
{
    return source->draw(source, point);
}

typedef struct {
    ChanceSource base;
    uint64_t seed;
} ChanceKeyed;

void chance_keyed_init(ChanceKeyed *keyed, uint64_t seed);

/* Enumeration.  Use: chance_script_init(); do { run once with &script.base; its weight is
 * chance_script_probability(); } while (chance_script_next(&script)).  A run must ask the same as long as it is
 * answered the same.  For exact rationals multiply weight/total of the first 'pos' steps. */
typedef struct {
    uint32_t choice, n;
    uint32_t next; /* The next outcome of non-zero weight; n: none. */
    uint64_t weight, total;
} ChanceStep;

typedef struct {
    ChanceSource base;
    ChanceStep *steps; /* Owned; the choices of the current run, in order. */
    uint32_t n_steps, capacity, pos;
} ChanceScript;

void chance_script_init(ChanceScript *script);
void chance_script_clear(ChanceScript *script);
/* Probability of the run just made (product over its steps). */
double chance_script_probability(const ChanceScript *script);
/* Moves to the next run in lexicographic order, skipping outcomes of weight 0; false when all were visited. */
bool chance_script_next(ChanceScript *script);

#endif
