#include "sim/netfilter/nf_ruleset_int.h"

#include <string.h>

static void *set_ref(void *set);
static void set_unref(void *set);
static bool set_same(const void *a, const void *b);
static void touch(NfRuleset *rs, bool is_set, uint32_t id, void *obj);
static void note_base_chain(NfRuleset *rs, uint32_t id, bool is_base);
static void hook_base_chains(NfRuleset *rs);

static void copy_print_order(NfRuleset *rs, const NfRuleset *from);

static const NfObjOps chain_ops = {nf_chain_obj_ref, nf_chain_obj_unref, nf_chain_obj_same};
static const NfObjOps set_ops = {set_ref, set_unref, set_same};

NfRuleset *
nf_ruleset_new(NfNames *names, NfDialect dialect, IpFamily family)
{
    NfRuleset *rs = g_new0(NfRuleset, 1);

    rs->refs = 1;
    rs->dialect = dialect;
    rs->family = family;
    rs->comment = NF_NO_ID;
    rs->names = nf_names_ref(names);
    nf_ids_init(&rs->chains, &chain_ops);
    nf_ids_init(&rs->sets, &set_ops);
    return rs;
}

/* No more room than needed: rule sets are as many as nodes. */
static void
copy_base_ids(NfRuleset *rs, const NfRuleset *from)
{
    rs->base_ids.len = rs->base_ids.cap = from->base_ids.len;
    rs->base_ids.data = g_memdup2(from->base_ids.data, from->base_ids.len * sizeof *from->base_ids.data);
}

NfRuleset *
nf_ruleset_derive(NfRuleset *base)
{
    NfRuleset *rs = nf_ruleset_new(base->names, base->dialect, base->family);

    g_assert(base->sealed && !base->base);
    rs->base = nf_ruleset_ref(base);
    rs->uses_ct = base->uses_ct;
    copy_print_order(rs, base);
    nf_ids_derive(&rs->chains, &base->chains);
    nf_ids_derive(&rs->sets, &base->sets);
    copy_base_ids(rs, base);
    return rs;
}

NfRuleset *
nf_ruleset_next(const NfRuleset *base)
{
    NfRuleset *rs = nf_ruleset_new(base->names, base->dialect, base->family);

    g_assert(base->sealed);
    rs->base = base->base ? nf_ruleset_ref(base->base) : NULL;
    rs->uses_ct = base->uses_ct;
    copy_print_order(rs, base);
    nf_ids_copy(&rs->chains, &base->chains);
    nf_ids_copy(&rs->sets, &base->sets);
    copy_base_ids(rs, base);
    return rs;
}

NfRuleset *
nf_ruleset_ref(NfRuleset *rs)
{
    rs->refs++;
    return rs;
}

void
nf_ruleset_unref(NfRuleset *rs)
{
    if (!rs || --rs->refs)
        return;
    nf_ids_clear(&rs->chains);
    nf_ids_clear(&rs->sets);
    nf_callers_free(rs->callers);
    g_clear_pointer(&rs->named, g_hash_table_unref);
    vec_clear(&rs->base_ids);
    vec_clear(&rs->touched);
    vec_clear(&rs->namings);
    g_free(rs->hooked);
    nf_ruleset_unref(rs->base);
    nf_names_unref(rs->names);
    g_free(rs);
}

NfNames *
nf_ruleset_names(const NfRuleset *rs)
{
    return rs->names;
}

NfDialect
nf_ruleset_dialect(const NfRuleset *rs)
{
    return rs->dialect;
}

IpFamily
nf_ruleset_family(const NfRuleset *rs)
{
    return rs->family;
}

void
nf_ruleset_put_chain(NfRuleset *rs, NfChain *chain)
{
    g_assert(chain->names == rs->names);
    rs->uses_ct |= chain->uses_ct;
    note_base_chain(rs, chain->spec.id, chain->spec.is_base);
    touch(rs, false, chain->spec.id, chain);
}

void
nf_ruleset_put_maker(NfRuleset *rs, uint32_t chain_id, NfMaker *maker)
{
    rs->uses_ct |= maker->uses_ct;
    note_base_chain(rs, chain_id, false);
    touch(rs, false, chain_id, nf_maker_obj(maker));
}

void
nf_ruleset_remove_chain(NfRuleset *rs, uint32_t chain_id)
{
    note_base_chain(rs, chain_id, false);
    touch(rs, false, chain_id, NULL);
}

void
nf_ruleset_put_set(NfRuleset *rs, NfSet *set)
{
    touch(rs, true, nf_set_spec(set)->id, set);
}

void
nf_ruleset_remove_set(NfRuleset *rs, uint32_t set_id)
{
    touch(rs, true, set_id, NULL);
}

bool
nf_ruleset_seal(NfRuleset *rs, GError **error)
{
    g_assert(!rs->sealed);
    if (!nf_ruleset_check(rs, error))
        return false;
    vec_clear(&rs->touched);
    vec_clear(&rs->namings);
    hook_base_chains(rs);
    rs->sealed = true;
    return true;
}

bool
nf_ruleset_uses_ct(const NfRuleset *rs)
{
    return rs->uses_ct;
}

const NfChain *
nf_ruleset_chain(const NfRuleset *rs, uint32_t chain_id)
{
    return nf_ruleset_walk_chain(rs, chain_id);
}

const NfChain *
nf_ruleset_make_chain(const NfRuleset *rs, uint32_t chain_id)
{
    void **place = nf_ids_place(&rs->chains, chain_id);
    NfMaker *maker = nf_maker_of(*place);

    *place = nf_maker_chain(maker, chain_id, true);
    nf_maker_unref(maker); /* The chain holds it. */
    return *place;
}

NfChain *
nf_ruleset_take_chain(const NfRuleset *rs, uint32_t chain_id)
{
    void *obj = nf_ids_get(&rs->chains, chain_id);

    if (nf_is_maker(obj))
        return nf_maker_chain(nf_maker_of(obj), chain_id, false);
    return obj ? nf_chain_ref(obj) : NULL;
}

uint32_t
nf_ruleset_chain_n_rules(const NfRuleset *rs, uint32_t chain_id)
{
    const void *obj = nf_ids_get(&rs->chains, chain_id);

    return nf_is_maker(obj) ? nf_maker_of(obj)->ops->n_rules(nf_maker_of(obj), chain_id)
                            : nf_chain_n_rules((const NfChain *)obj);
}

bool
nf_ruleset_has_chain(const NfRuleset *rs, uint32_t chain_id)
{
    return nf_ids_get(&rs->chains, chain_id) != NULL;
}

bool
nf_ruleset_same_chain(const NfRuleset *a, const NfRuleset *b, uint32_t chain_id)
{
    return nf_chain_obj_same(nf_ids_get(&a->chains, chain_id), nf_ids_get(&b->chains, chain_id));
}

bool
nf_ruleset_holds(const NfRuleset *rs, const NfChain *chain)
{
    return nf_chain_obj_same(nf_ids_get(&rs->chains, chain->spec.id), chain);
}

bool
nf_ruleset_is_as_base(const NfRuleset *overlay)
{
    return overlay->base && !overlay->chains.over && !overlay->sets.over;
}

bool
nf_ruleset_is_base_chain(const NfRuleset *rs, uint32_t chain_id)
{
    for (size_t i = 0; i < rs->base_ids.len; i++)
        if (rs->base_ids.data[i] == chain_id)
            return true;
    return false;
}

const NfSet *
nf_ruleset_set(const NfRuleset *rs, uint32_t set_id)
{
    return nf_ids_get(&rs->sets, set_id);
}

uint32_t *
nf_ruleset_chain_ids(const NfRuleset *rs, size_t *ret_n)
{
    return nf_ids_list(&rs->chains, ret_n);
}

uint32_t *
nf_ruleset_set_ids(const NfRuleset *rs, size_t *ret_n)
{
    return nf_ids_list(&rs->sets, ret_n);
}

uint32_t *
nf_ruleset_changed_chains(const NfRuleset *before, const NfRuleset *after, size_t *ret_n)
{
    if (!before)
        return nf_ids_list(&after->chains, ret_n);
    return nf_ids_changed(&before->chains, &after->chains, ret_n);
}

size_t
nf_ruleset_base_chains(const NfRuleset *rs, NfHook hook, const NfChain *ret_chains[static NF_MAX_BASE])
{
    uint32_t first = rs->first_hooked[hook], n = rs->first_hooked[hook + 1] - first;

    for (uint32_t i = 0; i < n; i++)
        ret_chains[i] = rs->hooked[first + i];
    return n;
}

size_t
nf_ruleset_tables(const NfRuleset *rs, const char *ret_tables[static 8])
{
    /* The order in which iptables-nft-save goes through its tables (nft.h: enum nft_table_type). */
    static const char *const order[] = {"mangle", "security", "raw", "filter", "nat"};
    const char *found[8];
    size_t n_ids, n_found = 0, n = 0;
    g_autofree uint32_t *chains = nf_ruleset_chain_ids(rs, &n_ids);

    for (size_t i = 0, j; i < n_ids && n_found < 8; i++) {
        const char *table = nf_chain_table(rs->names, chains[i]);
        for (j = 0; j < n_found && found[j] != table; j++)
            ;
        if (j == n_found)
            found[n_found++] = table;
    }
    for (size_t k = 0; k < rs->n_table_order; k++)
        for (size_t i = 0; i < n_found; i++)
            if (found[i] && strcmp(found[i], rs->table_order[k]) == 0) {
                ret_tables[n++] = found[i];
                found[i] = NULL;
            }
    if (rs->dialect == NF_DIALECT_IPTABLES)
        for (size_t k = 0; k < G_N_ELEMENTS(order); k++)
            for (size_t i = 0; i < n_found; i++)
                if (found[i] && strcmp(found[i], order[k]) == 0) {
                    ret_tables[n++] = found[i];
                    found[i] = NULL;
                }
    for (size_t i = 0; i < n_found; i++)
        if (found[i])
            ret_tables[n++] = found[i];
    return n;
}

void
nf_ruleset_order_table(NfRuleset *rs, const char *table)
{
    g_assert(rs->n_table_order < G_N_ELEMENTS(rs->table_order));
    rs->table_order[rs->n_table_order++] = nf_text(rs->names, nf_text_id(rs->names, table));
}

void
nf_ruleset_set_comment(NfRuleset *rs, uint32_t comment)
{
    rs->comment = comment;
}

uint32_t
nf_ruleset_comment(const NfRuleset *rs)
{
    return rs->comment;
}

static uint64_t
object_bytes(const void *obj, bool is_set)
{
    if (is_set)
        return nf_set_own_bytes(obj);
    return nf_is_maker(obj) ? 0 : nf_chain_own_bytes(obj);
}

uint64_t
nf_ruleset_own_bytes(const NfRuleset *rs)
{
    uint64_t bytes = sizeof *rs + rs->base_ids.cap * sizeof(uint32_t);
    const NfIds *both[2] = {&rs->chains, &rs->sets};

    for (int k = 0; k < 2; k++) {
        const NfIds *ids = both[k];
        uint32_t n_slots = ids->over ? ids->over_mask + 1 : 0;

        bytes += n_slots * sizeof(NfOver) + (ids->is_overlay ? 0 : ids->n_pages * sizeof(NfPage *));
        for (uint32_t i = 0; i < n_slots; i++)
            if (ids->over[i].id != UINT32_MAX && ids->over[i].obj)
                bytes += object_bytes(ids->over[i].obj, k);
        for (uint32_t p = 0; !ids->is_overlay && p < ids->n_pages; p++) {
            const NfPage *page = ids->pages[p];
            if (!page || page->refs > 1)
                continue;
            bytes += sizeof *page;
            for (uint32_t i = 0; i < NF_PAGE_LEN; i++)
                if (page->obj[i])
                    bytes += object_bytes(page->obj[i], k);
        }
    }
    return bytes;
}

static void *
set_ref(void *set)
{
    return nf_set_ref(set);
}

static void
set_unref(void *set)
{
    nf_set_unref(set);
}

static bool
set_same(const void *a, const void *b)
{
    return a == b;
}

static void
touch(NfRuleset *rs, bool is_set, uint32_t id, void *obj)
{
    NfIds *ids = is_set ? &rs->sets : &rs->chains;
    NfNode node = {is_set, id};

    g_assert(!rs->sealed);
    if (!rs->base)
        nf_ruleset_count_names(rs, node, nf_ids_get(ids, id), obj);
    nf_ids_put(ids, id, obj);
    vec_push(&rs->touched, node);
}

static void
note_base_chain(NfRuleset *rs, uint32_t id, bool is_base)
{
    size_t i;

    for (i = 0; i < rs->base_ids.len && rs->base_ids.data[i] != id; i++)
        ;
    if (is_base && i == rs->base_ids.len)
        vec_push(&rs->base_ids, id);
    else if (!is_base && i < rs->base_ids.len)
        vec_remove(&rs->base_ids, i);
}

static bool
hooked_before(const NfChain *a, const NfChain *b)
{
    if (a->spec.hook != b->spec.hook)
        return a->spec.hook < b->spec.hook;
    return a->spec.priority < b->spec.priority || (a->spec.priority == b->spec.priority && a->spec.id < b->spec.id);
}

/* Base chains per hook, by priority, then id. */
static void
hook_base_chains(NfRuleset *rs)
{
    rs->hooked = g_new(const NfChain *, rs->base_ids.len);
    for (size_t i = 0; i < rs->base_ids.len; i++) {
        const NfChain *chain = nf_ids_get(&rs->chains, rs->base_ids.data[i]);
        size_t at = i;

        for (; at > 0 && hooked_before(chain, rs->hooked[at - 1]); at--)
            rs->hooked[at] = rs->hooked[at - 1];
        rs->hooked[at] = chain;
        for (uint32_t hook = chain->spec.hook + 1; hook <= NF_N_HOOKS; hook++)
            rs->first_hooked[hook]++;
    }
    for (uint32_t hook = 0; hook < NF_N_HOOKS; hook++)
        g_assert(rs->first_hooked[hook + 1] - rs->first_hooked[hook] <= NF_MAX_BASE);
}

static void
copy_print_order(NfRuleset *rs, const NfRuleset *from)
{
    rs->comment = from->comment;
    memcpy(rs->table_order, from->table_order, sizeof rs->table_order);
    rs->n_table_order = from->n_table_order;
}
