/* Chance: weights, keyed draws, enumeration by script. */

#include "sim/engine/chance.h"

#include <assert.h>
#include <glib.h>

#include "sim/engine/rng.h"

#define UNIFORM_TOTAL (UINT64_C(1) << 32)

static uint32_t keyed_draw(ChanceSource *source, const ChancePoint *point);
static uint32_t script_draw(ChanceSource *source, const ChancePoint *point);
static inline uint64_t keyed_below(uint64_t key, uint64_t n);
static uint32_t first_possible(const ChancePoint *point, uint32_t from);

uint64_t
chance_weight(const ChancePoint *point, uint32_t i)
{
    switch (point->kind) {
    case CHANCE_BERNOULLI:
        return i == 1 ? point->yes : point->total - point->yes;
    case CHANCE_UNIFORM:
        /* Words x with x * n >> 32 == i: those from ceil(i 2^32 / n) to before ceil((i+1) 2^32 / n). */
        return (((uint64_t)i + 1) * UNIFORM_TOTAL + point->n - 1) / point->n -
               ((uint64_t)i * UNIFORM_TOTAL + point->n - 1) / point->n;
    case CHANCE_WEIGHTED:
        return point->weights[i];
    }
    return 0;
}

void
chance_keyed_init(ChanceKeyed *keyed, uint64_t seed)
{
    keyed->base.draw = keyed_draw;
    keyed->seed = seed;
}

void
chance_script_init(ChanceScript *script)
{
    *script = (ChanceScript){.base = {script_draw}};
}

void
chance_script_clear(ChanceScript *script)
{
    g_free(script->steps);
    chance_script_init(script);
}

double
chance_script_probability(const ChanceScript *script)
{
    double p = 1;

    for (uint32_t i = 0; i < script->pos; i++)
        p *= (double)script->steps[i].weight / (double)script->steps[i].total;
    return p;
}

bool
chance_script_next(ChanceScript *script)
{
    assert(script->pos == script->n_steps); /* Else the caller did not replay the same thing. */
    script->pos = 0;
    while (script->n_steps > 0) {
        ChanceStep *last = &script->steps[script->n_steps - 1];
        if (last->next < last->n) {
            last->choice = last->next;
            return true;
        }
        script->n_steps--;
    }
    return false;
}

static uint32_t
keyed_draw(ChanceSource *source, const ChancePoint *point)
{
    const ChanceKeyed *keyed = (const ChanceKeyed *)source;
    uint64_t key = rng_mix(rng_mix(keyed->seed, point->point), point->flow);
    uint64_t x;

    switch (point->kind) {
    case CHANCE_BERNOULLI:
        return keyed_below(key, point->total) < point->yes;
    case CHANCE_UNIFORM:
        return (uint32_t)(((key >> 32) * point->n) >> 32); /* reciprocal_scale() */
    case CHANCE_WEIGHTED:
        x = keyed_below(key, point->total);
        for (uint32_t i = 0; i < point->n; i++) {
            if (x < point->weights[i])
                return i;
            x -= point->weights[i];
        }
        break;
    }
    assert(!"weights add up to total");
    return 0;
}

static uint32_t
script_draw(ChanceSource *source, const ChancePoint *point)
{
    ChanceScript *script = (ChanceScript *)source;
    ChanceStep *step;

    if (script->pos == script->n_steps) {
        if (script->n_steps == script->capacity) {
            script->capacity = MAX(16, script->capacity * 2);
            script->steps = g_renew(ChanceStep, script->steps, script->capacity);
        }
        script->steps[script->n_steps++] = (ChanceStep){.choice = first_possible(point, 0)};
        assert(script->steps[script->pos].choice < point->n);
    }
    step = &script->steps[script->pos++];
    assert(step->n == 0 || (step->n == point->n && step->total == point->total));
    step->n = point->n;
    step->total = point->total;
    step->weight = chance_weight(point, step->choice);
    step->next = first_possible(point, step->choice + 1);
    return step->choice;
}

/* Uniform in [0, n) without bias: the rare draws in the uneven rest are redrawn with a new key. */
static inline uint64_t
keyed_below(uint64_t key, uint64_t n)
{
    for (uint64_t round = 1;; round++) {
        unsigned __int128 product = (unsigned __int128)key * n;
        uint64_t low = (uint64_t)product;
        if (low >= n || low >= -n % n)
            return (uint64_t)(product >> 64);
        key = rng_mix(key, round);
    }
}

/* The first outcome from 'from' on that can happen, or n. */
static uint32_t
first_possible(const ChancePoint *point, uint32_t from)
{
    while (from < point->n && chance_weight(point, from) == 0)
        from++;
    return from;
}
