#include "sim/engine/chance.h"

#include <math.h>

#include "sim/engine/rng.h"
#include "tests/unit/test.h"

#define TWO31 (UINT64_C(1) << 31)

/* kube-proxy's rules for three endpoints: 1/3, then 1/2, then always; returns the endpoint. */
static uint32_t
pick_of_three(ChanceSource *source, uint64_t flow)
{
    static const uint64_t yes[] = {715827883, TWO31 / 2, TWO31};

    for (uint32_t i = 0; i < 3; i++) {
        ChancePoint point = {.kind = CHANCE_BERNOULLI, .n = 2, .yes = yes[i], .total = TWO31, .point = i, .flow = flow};
        if (chance_draw(source, &point) == 1)
            return i;
    }
    return 3;
}

static void
test_statistic_chain(void)
{
    static const double want[] = {715827883 / 0x1p31, (1 - 715827883 / 0x1p31) / 2, (1 - 715827883 / 0x1p31) / 2, 0};
    double seen[4] = {0};
    uint32_t counts[4] = {0}, runs = 0;
    ChanceScript script;
    ChanceKeyed keyed;

    chance_script_init(&script);
    do {
        uint32_t endpoint = pick_of_three(&script.base, 0);
        seen[endpoint] += chance_script_probability(&script);
        runs++;
    } while (chance_script_next(&script));
    chance_script_clear(&script);
    T_EQ_U64(runs, 3);
    for (int i = 0; i < 4; i++)
        T_TRUE(seen[i] == want[i]);

    chance_keyed_init(&keyed, 1);
    for (uint64_t flow = 1; flow <= 30000; flow++)
        counts[pick_of_three(&keyed.base, flow)]++;
    for (int i = 0; i < 3; i++)
        T_TRUE(counts[i] > 9650 && counts[i] < 10350);
    T_EQ_U64(counts[3], 0);
}

static void
test_uniform_weights(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 7, 100, 4097, 65535};

    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        ChancePoint point = {.kind = CHANCE_UNIFORM, .n = sizes[s], .total = UINT64_C(1) << 32};
        uint64_t first = 0;
        for (uint32_t i = 0; i < point.n; i++) {
            uint64_t weight = chance_weight(&point, i);
            /* The words from 'first' on, and only they, scale to i. */
            T_EQ_U64(first * point.n >> 32, i);
            T_EQ_U64((first + weight - 1) * point.n >> 32, i);
            first += weight;
        }
        T_EQ_U64(first, point.total);
    }
}

/* A random tree of draws: each answer decides what is asked next. */
static void
descend(ChanceSource *source, uint64_t path, int depth)
{
    static const uint64_t weights[] = {0, 3, 0, 5, 2, 0};
    ChancePoint point = {.point = path};

    if (depth == 0 || rng_mix(9, path) % 5 == 0)
        return;
    switch (rng_mix(10, path) % 3) {
    case 0:
        point.kind = CHANCE_BERNOULLI;
        point.n = 2;
        point.total = 10;
        point.yes = rng_mix(11, path) % 11;
        break;
    case 1:
        point.kind = CHANCE_UNIFORM;
        point.n = 1 + (uint32_t)(rng_mix(12, path) % 4);
        point.total = UINT64_C(1) << 32;
        break;
    default:
        point.kind = CHANCE_WEIGHTED;
        point.n = G_N_ELEMENTS(weights);
        point.weights = weights;
        point.total = 10;
        break;
    }
    descend(source, rng_mix(path, chance_draw(source, &point) + 1), depth - 1);
}

static void
test_trees_sum_to_one(void)
{
    uint32_t runs = 0;

    for (uint64_t tree = 0; tree < 50; tree++) {
        ChanceScript script;
        double sum = 0;
        chance_script_init(&script);
        do {
            double p;
            descend(&script.base, tree, 6);
            p = chance_script_probability(&script);
            T_TRUE(p > 0);
            sum += p;
            runs++;
        } while (chance_script_next(&script));
        chance_script_clear(&script);
        T_TRUE(fabs(sum - 1) < 1e-12);
    }
    T_TRUE(runs > 500);
}

static void
test_keyed_follows_weights(void)
{
    static const uint64_t weights[] = {1, 0, 6, 3};
    uint32_t counts[4] = {0}, uniform[5] = {0};
    ChanceKeyed keyed;

    chance_keyed_init(&keyed, 77);
    for (uint64_t flow = 0; flow < 50000; flow++) {
        ChancePoint w = {.kind = CHANCE_WEIGHTED, .n = 4, .weights = weights, .total = 10, .point = 5, .flow = flow};
        ChancePoint u = {.kind = CHANCE_UNIFORM, .n = 5, .total = UINT64_C(1) << 32, .point = 6, .flow = flow};
        uint32_t first = chance_draw(&keyed.base, &w);
        counts[first]++;
        T_EQ_U64(chance_draw(&keyed.base, &w), first);
        uniform[chance_draw(&keyed.base, &u)]++;
    }
    T_EQ_U64(counts[1], 0);
    for (int i = 0; i < 4; i++)
        T_TRUE(fabs(counts[i] - 5000.0 * (double)weights[i]) < 500);
    for (int i = 0; i < 5; i++)
        T_TRUE(fabs(uniform[i] - 10000.0) < 400);
}

const TestSuite suite_chance = {"sim/chance",
                                {{"the statistic chain for three endpoints is exact", test_statistic_chain},
                                 {"uniform weights are those of reciprocal_scale", test_uniform_weights},
                                 {"all runs of a nested tree have total probability 1", test_trees_sum_to_one},
                                 {"keyed draws follow the weights and repeat", test_keyed_follows_weights}}};
