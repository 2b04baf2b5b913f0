#include "sim/engine/htable.h"

#include "sim/engine/pool.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"
#include "tests/unit/test.h"

typedef struct {
    uint32_t a;
    uint16_t b, c;
    uint32_t d;
} Key;

typedef struct {
    Key key;
    uint64_t value;
} Pair;

static void
test_twin(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        Rng rng = rng_stream(seed, "test", "htable");
        VEC(Pair) list = {0};
        HTable table;

        htable_init(&table, sizeof(Key), sizeof(uint64_t));
        T_TRUE(htable_find(&table, &(Key){0}) == NULL);
        T_TRUE(!htable_remove(&table, &(Key){0}));
        for (uint64_t step = 0; step < 5000; step++) {
            Key key = {rng_below(&rng, 20), (uint16_t)rng_below(&rng, 3), 7, rng_below(&rng, 8)};
            size_t at = 0;
            uint64_t *value;
            while (at < list.len && memcmp(&list.data[at].key, &key, sizeof key) != 0)
                at++;
            value = htable_find(&table, &key);
            T_TRUE((value != NULL) == (at < list.len));
            if (value)
                T_EQ_U64(*value, list.data[at].value);
            /* Phases of growth and of decay. */
            if (rng_below(&rng, 10) < (step / 1000 % 2 ? 3u : 7u)) {
                bool is_new;
                value = htable_insert(&table, &key, &is_new);
                T_TRUE(is_new == (at == list.len));
                if (is_new) {
                    T_EQ_U64(*value, 0);
                    *value = step;
                    vec_push(&list, (Pair){key, step});
                }
            } else {
                T_TRUE(htable_remove(&table, &key) == (at < list.len));
                if (at < list.len)
                    vec_remove(&list, at);
            }
            T_EQ_U64(table.len, list.len);
        }
        htable_clear(&table);
        T_EQ_U64(htable_bytes(&table), 0);
        T_TRUE(htable_insert(&table, &(Key){1, 2, 3, 4}, NULL) != NULL);
        htable_clear(&table);
        vec_clear(&list);
    }
}

static void
test_churn_stays_small(void)
{
    HTable table;

    htable_init(&table, sizeof(uint64_t), 0);
    for (uint64_t i = 0; i < 200000; i++) {
        htable_insert(&table, &i, NULL);
        if (i >= 100) {
            uint64_t old = i - 100;
            T_TRUE(htable_remove(&table, &old));
        }
    }
    T_EQ_U64(table.len, 100);
    T_TRUE(table.log2_cap <= 8);
    htable_clear(&table);
}

static void
test_hash_spreads(void)
{
    /* Addresses that differ in a few bits fall evenly into 256 buckets, by low and by high bits. */
    uint32_t low[256] = {0}, high[256] = {0};

    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t key[10] = {0, 0, 0x0a000000 + (i & 0xff), i >> 8};
        uint32_t hash = htable_hash(key, sizeof key);
        low[hash & 255]++;
        high[hash >> 24]++;
    }
    for (int i = 0; i < 256; i++)
        T_TRUE(low[i] > 160 && low[i] < 352 && high[i] > 160 && high[i] < 352); /* +-6 sigma. */
}

static void
test_vec(void)
{
    VEC(uint32_t) v = {0};

    for (uint32_t i = 0; i < 100; i++)
        vec_push(&v, i);
    vec_remove(&v, 99);
    vec_remove(&v, 0);
    vec_remove(&v, 49);
    T_EQ_U64(v.len, 97);
    T_EQ_U64(v.data[0], 1);
    T_EQ_U64(v.data[48], 49);
    T_EQ_U64(v.data[49], 51);
    T_EQ_U64(*vec_last(&v), 98);
    vec_clear(&v);
    T_TRUE(v.data == NULL && v.len == 0 && v.cap == 0);
}

static void
test_pool(void)
{
    void *objects[100];
    Pool pool;

    pool_init(&pool, 24, 16);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            objects[i] = pool_alloc(&pool);
            memset(objects[i], i, 24);
        }
        T_EQ_U64(pool.in_use, 100);
        for (int i = 0; i < 100; i++) {
            T_EQ_U64(((uint8_t *)objects[i])[23], (uint64_t)i);
            pool_release(&pool, objects[i]);
        }
    }
    T_EQ_U64(pool.in_use, 0);
    T_EQ_U64(pool.peak, 100);
    T_EQ_U64(pool.n_slabs, 7);
    pool_clear(&pool);
    T_EQ_U64(pool_bytes(&pool), 0);
}

const TestSuite suite_htable = {"sim/htable",
                                {{"random operations agree with a list", test_twin},
                                 {"churn does not grow the table", test_churn_stays_small},
                                 {"near keys spread evenly", test_hash_spreads},
                                 {"vectors push, remove and clear", test_vec},
                                 {"pools reuse what is released", test_pool}}};
