#include "sim/engine/rng.h"

#include <math.h>

#include "tests/unit/test.h"

#define MEAN_NS 1000000

static void
test_xoshiro_reference(void)
{
    /* First outputs of xoshiro256** from state 1, 2, 3, 4: by hand s[1]*5 = 10, rotl 7 = 1280, *9 = 11520, and on. */
    Rng rng = {{1, 2, 3, 4}};
    static const uint64_t want[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};

    for (size_t i = 0; i < G_N_ELEMENTS(want); i++)
        T_EQ_U64(rng_u64(&rng), want[i]);
}

static void
test_streams_are_independent(void)
{
    Rng a = rng_stream(1, "host/a", "port"), b = rng_stream(1, "host/a", "port");
    Rng others[] = {rng_stream(2, "host/a", "port"), rng_stream(1, "host/b", "port"), rng_stream(1, "host/a", "isn"),
                    rng_stream(1, "host/ap", "ort"), rng_stream(1, "port", "host/a")};
    uint64_t first = rng_u64(&a);

    T_EQ_U64(rng_u64(&b), first);
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        T_TRUE(rng_u64(&others[i]) != first);
    /* Frozen: a change here changes every user's results. */
    T_EQ_U64(rng_hash_str(7, "hello, world"), rng_hash(7, "hello, world", 12));
    T_TRUE(rng_hash(0, "\0", 1) != rng_hash(0, "\0\0", 2));
    T_TRUE(rng_mix(0, 1) != rng_mix(1, 0));
}

static void
test_below_is_uniform(void)
{
    Rng rng = rng_stream(3, "test", "below");
    uint32_t counts[7] = {0};

    T_EQ_U64(rng_below(&rng, 1), 0);
    for (int i = 0; i < 70000; i++)
        counts[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        T_TRUE(counts[i] > 9600 && counts[i] < 10400); /* +-4 sigma. */
    for (int i = 0; i < 1000; i++)
        T_TRUE(rng_below(&rng, UINT32_MAX) < UINT32_MAX);
}

static void
test_exponential(void)
{
    /* Against libm's log() on the same words. */
    Rng rng = rng_stream(5, "test", "exp"), twin = rng;
    double sum = 0;

    for (int i = 0; i < 100000; i++) {
        int64_t got = rng_exponential(&rng, MEAN_NS);
        double want = -log(((double)(rng_u64(&twin) | 1)) / 0x1p64) * MEAN_NS;
        if (fabs((double)got - want) > 2 + want * 1e-7)
            test_check(false, __LINE__, __FILE__, __func__, "draw %d: %" PRId64 ", libm %g", i, got, want);
        sum += (double)got;
    }
    T_TRUE(fabs(sum / 100000 / MEAN_NS - 1) < 0.015);
    T_EQ_I64(rng_exponential(&rng, 0), 0);
}

const TestSuite suite_rng = {"sim/rng",
                             {{"the generator is xoshiro256**", test_xoshiro_reference},
                              {"streams depend on seed, name and purpose only", test_streams_are_independent},
                              {"draws below n are uniform", test_below_is_uniform},
                              {"the exponential agrees with libm", test_exponential}}};
