#include "sim/netfilter/nf_set.h"

#include <stdlib.h>
#include <string.h>

/* Elements in their order, and an open-addressing table of their indices.  Interval sets probe once per distinct prefix
 * length, longest first (as hash:net does; nft's intervals do not overlap); port intervals are scanned. */

typedef struct {
    uint32_t hash;
    uint32_t elem; /* 1-based; 0: free. */
} Slot;

struct NfSet {
    uint32_t refs;
    uint32_t n;
    NfSetSpec spec;
    NfElem *elems;
    Slot *slots;
    uint32_t mask;
    uint32_t n_lens, n_ranges;
    uint8_t lens[129]; /* Distinct prefix lengths in bits of 128, descending. */
    uint32_t *ranges;  /* Elements with a port interval. */
    uint32_t *targets; /* Chains that verdicts name, ascending, each once. */
    uint32_t n_targets;
};

static void set_find_targets(NfSet *set);
static bool set_insert(NfSet *set, const NfElem *elem, GError **error);
static uint8_t elem_bits(const NfSet *set, const NfElem *elem);
static const NfElem *set_probe(const NfSet *set, const NfKey *key, uint8_t bits);
static bool verdict_equal(const NfElem *a, const NfElem *b);

G_DEFINE_QUARK(nf - error, nf_error)

NfSet *
nf_set_new(const NfSetSpec *spec, const NfElem *elems, size_t n, GError **error)
{
    return nf_set_new_take(spec, g_memdup2(elems, n * sizeof *elems), n, error);
}

NfSet *
nf_set_new_take(const NfSetSpec *spec, NfElem *elems, size_t n, GError **error)
{
    NfSet *set = g_new0(NfSet, 1);
    uint32_t cap = 8;

    while (cap < n * 2)
        cap *= 2;
    set->refs = 1;
    set->spec = *spec;
    set->elems = elems; /* An element never moves up. */
    set->slots = g_new0(Slot, cap);
    set->ranges = g_new(uint32_t, MAX(n, 1));
    set->mask = cap - 1;
    for (size_t i = 0; i < n; i++)
        if (!set_insert(set, &elems[i], error)) {
            nf_set_unref(set);
            return NULL;
        }
    set->elems = g_renew(NfElem, set->elems, set->n);
    set->ranges = g_renew(uint32_t, set->ranges, set->n_ranges);
    set_find_targets(set);
    return set;
}

NfSet *
nf_set_ref(NfSet *set)
{
    set->refs++;
    return set;
}

void
nf_set_unref(NfSet *set)
{
    if (!set || --set->refs)
        return;
    g_free(set->elems);
    g_free(set->slots);
    g_free(set->ranges);
    g_free(set->targets);
    g_free(set);
}

const NfSetSpec *
nf_set_spec(const NfSet *set)
{
    return &set->spec;
}

const NfElem *
nf_set_elems(const NfSet *set, size_t *ret_n)
{
    *ret_n = set->n;
    return set->elems;
}

const NfElem *
nf_set_lookup(const NfSet *set, const NfKey *key)
{
    const NfElem *found;

    for (uint32_t i = 0; i < set->n_lens; i++) {
        found = set_probe(set, key, set->lens[i]);
        if (found)
            return found;
    }
    for (uint32_t i = 0; i < set->n_ranges; i++) {
        const NfElem *elem = &set->elems[set->ranges[i]];
        NfKey masked = *key;

        if (key->port < elem->key.port || key->port > elem->port_high)
            continue;
        masked.port = elem->key.port;
        masked.addr = nf_addr_mask(key->addr, elem_bits(set, elem));
        if (memcmp(&masked, &elem->key, sizeof masked) == 0)
            return elem;
    }
    return NULL;
}

const uint32_t *
nf_set_targets(const NfSet *set, uint32_t *ret_n)
{
    *ret_n = set->n_targets;
    return set->targets;
}

/* The end of the ascending run that begins at 'at'. */
static uint32_t
ids_run(const uint32_t *ids, uint32_t at, uint32_t n)
{
    for (at++; at < n && ids[at - 1] <= ids[at]; at++)
        ;
    return MIN(at, n);
}

static void
ids_merge(const uint32_t *a, const uint32_t *a_end, const uint32_t *b, const uint32_t *b_end, uint32_t *ret)
{
    while (a < a_end && b < b_end)
        *ret++ = *b < *a ? *b++ : *a++;
    while (a < a_end)
        *ret++ = *a++;
    while (b < b_end)
        *ret++ = *b++;
}

/* Merges neighbouring runs until there is one: lists are mostly sorted, long ones but for what changed. */
uint32_t
nf_ids_sort(uint32_t *ids, uint32_t n)
{
    g_autofree uint32_t *room = n && ids_run(ids, 0, n) < n ? g_new(uint32_t, n) : NULL;
    uint32_t *from = ids, *to = room, kept = 0;

    while (n && ids_run(from, 0, n) < n) {
        for (uint32_t at = 0; at < n;) {
            uint32_t middle = ids_run(from, at, n), end = middle < n ? ids_run(from, middle, n) : n;

            ids_merge(from + at, from + middle, from + middle, from + end, to + at);
            at = end;
        }
        from = to;
        to = from == ids ? room : ids;
    }
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || from[i] != ids[kept - 1])
            ids[kept++] = from[i];
    return kept;
}

uint64_t
nf_set_own_bytes(const NfSet *set)
{
    if (set->refs > 1)
        return 0;
    return sizeof *set + set->n * (sizeof(NfElem) + sizeof(uint32_t)) + (set->mask + 1) * sizeof(Slot);
}

/* Inserts unless an equal element is there: the kernel takes a repeated element as long as it says the same. */
static bool
set_insert(NfSet *set, const NfElem *elem, GError **error)
{
    uint8_t bits = elem_bits(set, elem);
    NfElem copy = *elem;
    const NfElem *present;
    uint32_t hash, i;

    if (set->spec.interval)
        copy.key.addr = nf_addr_mask(copy.key.addr, bits);
    if (copy.port_high && copy.port_high != copy.key.port) {
        set->ranges[set->n_ranges++] = set->n;
        set->elems[set->n++] = copy;
        return true;
    }
    present = set_probe(set, &copy.key, bits);
    if (present && elem_bits(set, present) == bits) {
        if (verdict_equal(present, &copy))
            return true;
        char key[IPPORT_STR_SIZE];
        g_set_error(error, NF_ERROR, NF_ERROR_EXISTS, "two elements for %s with different verdicts (File exists)",
                    ipport_format(copy.key.addr, copy.key.port, key));
        return false;
    }
    hash = nf_key_hash(&copy.key);
    for (i = hash & set->mask; set->slots[i].elem; i = (i + 1) & set->mask)
        ;
    set->slots[i] = (Slot){hash, set->n + 1};
    set->elems[set->n++] = copy;
    for (i = 0; i < set->n_lens && set->lens[i] > bits; i++)
        ;
    if (i == set->n_lens || set->lens[i] != bits) {
        memmove(&set->lens[i + 1], &set->lens[i], set->n_lens - i);
        set->lens[i] = bits;
        set->n_lens++;
    }
    return true;
}

static const NfElem *
set_probe(const NfSet *set, const NfKey *key, uint8_t bits)
{
    NfKey masked = *key;
    uint32_t hash;

    if (bits < 128)
        masked.addr = nf_addr_mask(key->addr, bits);
    hash = nf_key_hash(&masked);
    for (uint32_t i = hash & set->mask; set->slots[i].elem; i = (i + 1) & set->mask) {
        const NfElem *elem = &set->elems[set->slots[i].elem - 1];

        if (set->slots[i].hash == hash && memcmp(&elem->key, &masked, sizeof masked) == 0 &&
            elem_bits(set, elem) == bits)
            return elem;
    }
    return NULL;
}

/* Prefix length of an element's address in bits of the 16-byte form. */
static uint8_t
elem_bits(const NfSet *set, const NfElem *elem)
{
    if (!set->spec.interval || elem->addr_len == 255)
        return 128;
    return elem->addr_len + (ipaddr_is_v4(&elem->key.addr) ? 96 : 0);
}

static bool
verdict_equal(const NfElem *a, const NfElem *b)
{
    return a->verdict == b->verdict && (a->chain == b->chain || (a->verdict != NFX_JUMP && a->verdict != NFX_GOTO));
}

static void
set_find_targets(NfSet *set)
{
    uint32_t n = 0;

    if (set->spec.kind != NF_SET_MAP)
        return;
    set->targets = g_new(uint32_t, MAX(set->n, 1));
    for (uint32_t i = 0; i < set->n; i++)
        if (set->elems[i].verdict == NFX_JUMP || set->elems[i].verdict == NFX_GOTO)
            set->targets[n++] = set->elems[i].chain;
    set->n_targets = nf_ids_sort(set->targets, n);
}
