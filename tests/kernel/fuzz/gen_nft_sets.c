/* Random sets and maps of an nft table: named, in place, with intervals, filled by packets; as the rules want them */

#include <string.h>

#include "tests/kernel/fuzz/fuzz.h"

#define F2(a, b)       ((a) | (b) << 4)
#define F3(a, b, c)    (F2(a, b) | (c) << 8)
#define F4(a, b, c, d) (F3(a, b, c) | (d) << 12)

enum { MAX_ELEMS = 5 };

static void add_set(FuzzCase *c, Rng *rng, NfSetSpec spec);
static NfElem make_elem(FuzzCase *c, Rng *rng, const NfSetSpec *spec);

/* Kinds that kube-proxy's tables have, and some more.  Verdicts of maps name no chains: those that may call them differ
 * by hook, and jumps by map are walked as those of rules. */
void
fuzz_make_nft_sets(FuzzCase *c, Rng *rng, const char *table)
{
    static const struct {
        uint32_t fields;
        uint8_t n;
        bool interval;
    } kinds[] = {{NF_KEY_DADDR, 1, false},
                 {NF_KEY_DADDR, 1, true},
                 {F3(NF_KEY_DADDR, NF_KEY_PROTO, NF_KEY_DPORT), 3, false},
                 {F2(NF_KEY_PROTO, NF_KEY_DPORT), 2, false},
                 {F4(NF_KEY_DADDR, NF_KEY_DADDR, NF_KEY_PROTO, NF_KEY_DPORT), 4, false},
                 {NF_KEY_DPORT, 1, false},
                 {NF_KEY_MARK, 1, false},
                 {NF_KEY_IIF, 1, false},
                 {F2(NF_KEY_DADDR, NF_KEY_IIF), 2, false}};
    uint32_t n = 2 + rng_below(rng, 5);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t kind = rng_below(rng, G_N_ELEMENTS(kinds));
        bool map = fuzz_one_in(rng, 3), anonymous = !map && fuzz_one_in(rng, 3);
        g_autofree char *name = g_strdup_printf(anonymous ? "__set%u" : map ? "m%u" : "s%u", i);
        NfSetSpec spec = {.id = nf_set_id(c->names, table, name),
                          .kind = map ? NF_SET_MAP : NF_SET_PLAIN,
                          .fields = kinds[kind].fields,
                          .n_fields = kinds[kind].n,
                          .interval = kinds[kind].interval && !map,
                          .anonymous = anonymous,
                          .comment = NF_NO_ID};
        add_set(c, rng, spec);
    }
    if (fuzz_one_in(rng, 2)) {
        NfSetSpec spec = {.id = nf_set_id(c->names, table, "dyn"),
                          .fields = NF_KEY_DADDR,
                          .n_fields = 1,
                          .dynamic = true,
                          .timeout_s = 300,
                          .comment = NF_NO_ID};
        g_ptr_array_add(c->sets, nf_set_new(&spec, NULL, 0, NULL));
    }
}

static void
add_set(FuzzCase *c, Rng *rng, NfSetSpec spec)
{
    NfElem elems[MAX_ELEMS];
    size_t n = 0;

    for (uint32_t left = 1 + rng_below(rng, MAX_ELEMS); left > 0; left--) {
        bool known = false;
        elems[n] = make_elem(c, rng, &spec);
        for (size_t i = 0; i < n; i++)
            known |= memcmp(&elems[i].key, &elems[n].key, sizeof(NfKey)) == 0;
        n += !known;
    }
    g_ptr_array_add(c->sets, nf_set_new(&spec, elems, n, NULL));
}

static NfElem
make_elem(FuzzCase *c, Rng *rng, const NfSetSpec *spec)
{
    static const char *const devs[] = {"c0", "s0", "t0", "lo", "br0"};
    static const uint8_t protos[] = {6, 17, 132};
    static const uint8_t verdicts[] = {NFX_ACCEPT, NFX_RETURN, NFX_DROP};
    NfElem elem = {.addr_len = 255, .comment = NF_NO_ID};
    IpAddr *addr = &elem.key.addr;

    for (uint32_t i = 0; i < spec->n_fields; i++) {
        switch (spec->fields >> 4 * i & 15) {
        case NF_KEY_DADDR:
            *addr = fuzz_addr(c->family, rng_below(rng, ADDR_N));
            addr = &elem.key.addr2;
            break;
        case NF_KEY_PROTO:
            elem.key.proto = protos[rng_below(rng, 3)];
            break;
        case NF_KEY_DPORT:
            elem.key.port = fuzz_port(rng);
            break;
        case NF_KEY_MARK:
            elem.key.word = 1 + rng_below(rng, 8);
            break;
        default:
            elem.key.word = nf_text_id(c->names, devs[rng_below(rng, 5)]);
            break;
        }
    }
    if (spec->interval) { /* Side by side: nft takes none that overlap. */
        elem.addr_len = c->family == FAMILY_IPV4 ? 24 : 64;
        elem.key.addr = ipprefix_network((IpPrefix){elem.key.addr, elem.addr_len}).addr;
    }
    if (spec->kind == NF_SET_MAP)
        elem.verdict = verdicts[rng_below(rng, 3)];
    return elem;
}
