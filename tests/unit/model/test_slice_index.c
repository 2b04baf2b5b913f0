#include "model/network/slice_index.h"

#include "model/input/loader.h"
#include "sim/engine/rng.h"
#include "tests/unit/test.h"

typedef struct {
    const EndpointSlice *slices[16];
    size_t n;
} Found;

static void
note(const EndpointSlice *slice, void *user)
{
    Found *found = user;

    if (found->n < G_N_ELEMENTS(found->slices))
        found->slices[found->n] = slice;
    found->n++;
}

/* The twin: a walk through the store. */
static void
look_through(Store *store, IpAddr addr, Found *found)
{
    size_t n;
    const ApiObject *const *slices = store_list(store, KIND_ENDPOINTSLICE, &n);

    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        for (uint32_t k = 0; k < slice->n_endpoints; k++)
            if (ipaddr_eq(slice->endpoints[k].addr, addr)) {
                note(slice, found);
                break;
            }
    }
}

static void
put_slice(Store *store, Rng *rng)
{
    g_autofree char *name = g_strdup_printf("s-%u", rng_below(rng, 6));
    EndpointSlice *slice = (EndpointSlice *)api_new(KIND_ENDPOINTSLICE, strings_add(store_strings(store), "d"),
                                                    strings_add(store_strings(store), name));

    slice->n_endpoints = rng_below(rng, 5);
    slice->endpoints = g_new0(Endpoint, slice->n_endpoints + 1);
    for (uint32_t i = 0; i < slice->n_endpoints; i++)
        slice->endpoints[i].addr = ipaddr_v4(10, 0, 0, (uint8_t)rng_below(rng, 6));
    store_put(store, &slice->meta);
}

static void
test_twin(void)
{
    Store *store = store_new();
    SliceIndex *index = slice_index_new(store);
    Rng rng = rng_stream(1, "slice_index", "twin");

    for (int round = 0; round < 500; round++) {
        IpAddr addr = ipaddr_v4(10, 0, 0, (uint8_t)rng_below(&rng, 7));
        Found got = {0}, want = {0};

        put_slice(store, &rng);
        if (round % 3 == 0)
            put_slice(store, &rng);
        slice_index_each(index, addr, note, &got);
        look_through(store, addr, &want);
        T_EQ_U64(got.n, want.n);
        for (size_t i = 0; i < MIN(got.n, want.n); i++)
            T_TRUE(got.slices[i] == want.slices[i]);
    }
    slice_index_free(index);
    store_free(store);
}

const TestSuite suite_slice_index = {"model/slice_index",
                                     {{"the index finds what a walk through the store finds", test_twin}, {0}}};
