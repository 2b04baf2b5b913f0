#include "sim/netfilter/nf_stack.h"

#include <string.h>

#include "sim/engine/prefetch.h"
#include "sim/netfilter/nf_eval.h"
#include "sim/netfilter/nf_ruleset_int.h"

#define N_FAMILIES  2
#define MAX_SLOTS   8
#define MAX_ENTRIES (MAX_SLOTS * NF_MAX_BASE + 3)

typedef enum { ENTRY_CONNTRACK, ENTRY_CHAIN, ENTRY_NAT, ENTRY_CONFIRM } EntryKind;

typedef struct {
    int32_t priority;
    EntryKind kind;
    const NfRuleset *rs; /* ENTRY_CHAIN. */
    const NfChain *chain;
    NfBlock *block; /* The chain's; NULL until a packet comes. */
} Entry;

#define RULE_RECORDS (TRACE_BIT(TRACE_RULE) | TRACE_BIT(TRACE_RULE_MISS) | TRACE_BIT(TRACE_CHAIN_END))

/* What is hooked, in order: entries[first] and so on, then the nat base chains, which stand apart: the NAT entry
 * consults them. */
typedef struct {
    uint16_t first;
    uint8_t n, n_nat;
} HookList;

typedef struct {
    char *name;
    NfRuleset *rs; /* NULL: empty. */
} Slot;

struct NfStack {
    Sim *sim;
    Host *host;
    const NfHostOps *ops;
    NfState *state;
    Conntrack *ct; /* Made when first needed; then stays. */
    uint64_t host_hash;
    uint32_t unknown_hits;
    bool linear, force_ct;
    bool confirm_later; /* In nf_stack_postrouting_unconfirmed(). */
    bool must_reroute;  /* In nf_stack_output(). */
    bool active[N_FAMILIES];
    uint32_t n_slots[N_FAMILIES];
    Slot *slots[N_FAMILIES]; /* As many as there are, at most MAX_SLOTS. */
    HookList hooks[N_FAMILIES][NF_N_HOOKS];
    Entry *entries[N_FAMILIES]; /* Of all hooks. */
};

static uint32_t family_index(IpFamily family);
static void rebuild(NfStack *nf, uint32_t family);
static void run_chain(NfWalk *walk, Entry *entry, NfResult *ret_result);
static void run_nat(NfStack *nf, NfWalk *walk, Entry *nat, uint32_t n_nat, NfResult *ret_result);
static void trace_hook(NfStack *nf, NfHook hook, const Packet *pkt);

NfStack *
nf_stack_new(Sim *sim, Host *host, const NfHostOps *ops)
{
    NfStack *nf = g_new0(NfStack, 1);

    nf->sim = sim;
    nf->host = host;
    nf->ops = ops;
    nf->state = nf_state_new(sim);
    nf->host_hash = rng_hash_str(0, ops->host_name(host));
    return nf;
}

void
nf_stack_free(NfStack *nf)
{
    if (!nf)
        return;
    for (uint32_t f = 0; f < N_FAMILIES; f++) {
        g_free(nf->entries[f]);
        for (uint32_t s = 0; s < nf->n_slots[f]; s++) {
            g_free(nf->slots[f][s].name);
            nf_ruleset_unref(nf->slots[f][s].rs);
        }
        g_free(nf->slots[f]);
    }
    nf_state_free(nf->state);
    if (nf->ct)
        conntrack_free(nf->ct);
    g_free(nf);
}

void
nf_stack_set_ruleset(NfStack *nf, IpFamily family, const char *slot, NfRuleset *rs)
{
    uint32_t f = family_index(family), s;
    NfRuleset *old;

    g_assert(!rs || (rs->sealed && rs->family == family));
    for (s = 0; s < nf->n_slots[f] && strcmp(nf->slots[f][s].name, slot) != 0; s++)
        ;
    if (s == nf->n_slots[f]) {
        if (!rs)
            return;
        g_assert(s < MAX_SLOTS);
        nf->slots[f] = g_renew(Slot, nf->slots[f], s + 1);
        nf->slots[f][nf->n_slots[f]++] = (Slot){.name = g_strdup(slot)};
    }
    old = nf->slots[f][s].rs;
    nf->slots[f][s].rs = rs ? nf_ruleset_ref(rs) : NULL;
    if (old && old != rs)
        nf_state_replaced(nf->state, old, rs);
    nf_ruleset_unref(old);
    rebuild(nf, f);
}

NfRuleset *
nf_stack_ruleset(const NfStack *nf, IpFamily family, const char *slot)
{
    uint32_t f = family_index(family);

    for (uint32_t s = 0; s < nf->n_slots[f]; s++)
        if (strcmp(nf->slots[f][s].name, slot) == 0)
            return nf->slots[f][s].rs;
    return NULL;
}

void
nf_stack_force_conntrack(NfStack *nf)
{
    nf->force_ct = true;
    for (uint32_t f = 0; f < N_FAMILIES; f++)
        rebuild(nf, f);
}

Conntrack *
nf_stack_conntrack(const NfStack *nf)
{
    return nf->ct;
}

NfState *
nf_stack_state(const NfStack *nf)
{
    return nf->state;
}

Sim *
nf_stack_sim(const NfStack *nf)
{
    return nf->sim;
}

Host *
nf_stack_host(const NfStack *nf)
{
    return nf->host;
}

bool
nf_stack_active(const NfStack *nf, IpFamily family)
{
    return nf->active[family_index(family)];
}

/* What stands about the rule at hand is the evaluator's to set. */
static inline void
walk_begin(const NfStack *nf, NfWalk *walk, NfHook hook, Packet *pkt)
{
    walk->sim = nf->sim;
    walk->host = nf->host;
    walk->ops = nf->ops;
    walk->state = nf->state;
    walk->ct = nf->ct;
    walk->pkt = pkt;
    walk->host_hash = nf->host_hash;
    walk->ip_size = packet_sent_ip_size(pkt);
    walk->unknown_hits = 0;
    walk->zone = (CtZone){0};
    walk->zoned = false;
    walk->hook = (uint8_t)hook;
    walk->nat = false;
    walk->linear = nf->linear || trace_wants(nf->sim, TRACE_RULE_MISS);
    walk->traced = nf->sim->trace_mask & RULE_RECORDS;
}

NfResult
nf_stack_hook(NfStack *nf, NfHook hook, Packet *pkt)
{
    const uint32_t family = family_index(packet_family(pkt));
    const HookList *list = &nf->hooks[family][hook];
    Entry *entry = nf->entries[family] + list->first, *const end = entry + list->n;
    bool announced = !trace_wants(nf->sim, TRACE_HOOK);
    NfResult result = {.verdict = NF_ACCEPT};
    IpAddr dst;
    NfWalk walk;

    if (entry == end)
        return result;
    walk_begin(nf, &walk, hook, pkt);
    for (; entry < end && result.verdict == NF_ACCEPT; entry++) {
        /* The record says what conntrack found: it comes behind it where there is one. */
        if (!announced && entry->kind != ENTRY_CONNTRACK && entry->priority > NF_PRI_CONNTRACK) {
            trace_hook(nf, hook, pkt);
            announced = true;
        }
        switch (entry->kind) {
        case ENTRY_CONNTRACK:
            result.verdict = conntrack_in(nf->ct, hook, pkt, walk.zone, &result.reason);
            break;
        case ENTRY_CHAIN:
            run_chain(&walk, entry, &result);
            break;
        case ENTRY_NAT:
            dst = pkt->dst;
            run_nat(nf, &walk, end, list->n_nat, &result);
            /* nf_nat_ipv4_local_fn() */
            if (nf->must_reroute && result.verdict == NF_ACCEPT && !ipaddr_eq(dst, pkt->dst) &&
                !nf->ops->can_reroute(nf->host, pkt)) {
                result.verdict = NF_DROP;
                result.is_unroutable = true;
            }
            break;
        case ENTRY_CONFIRM:
            if (!nf->confirm_later)
                result.verdict = conntrack_confirm(nf->ct, hook, pkt, &result.reason);
            break;
        }
    }
    if (!announced)
        trace_hook(nf, hook, pkt);
    nf->unknown_hits = walk.unknown_hits;
    return result;
}

void
nf_stack_prepare(const NfStack *nf, const Packet *pkt, uint32_t step)
{
    static const NfHook way[] = {NF_PREROUTING, NF_FORWARD, NF_POSTROUTING};
    uint32_t family = family_index(packet_family(pkt));
    const HookList *hooks = nf->hooks[family];

    if (step == 4) {
        cache_prefetch(nf, sizeof *nf);
        return;
    }
    if (step == 3) {
        cache_prefetch(nf->state, CACHE_LINE);
        for (size_t h = 0; h < G_N_ELEMENTS(way); h++)
            cache_prefetch(nf->entries[family] + hooks[way[h]].first, hooks[way[h]].n * sizeof(Entry));
    }
    if (nf->ct && step > 0)
        conntrack_prepare(nf->ct, pkt, step - 1);
    for (size_t h = 0; step > 0 && step < 3 && h < G_N_ELEMENTS(way); h++) {
        const Entry *entry = nf->entries[family] + hooks[way[h]].first, *end = entry + hooks[way[h]].n;
        for (; entry < end; entry++) {
            if (entry->kind != ENTRY_CHAIN)
                continue;
            if (step == 2) {
                cache_prefetch(entry->rs, CACHE_LINE);
                cache_prefetch(entry->block, entry->block ? 2 * CACHE_LINE : 0);
            } else if (step == 1 && entry->block && entry->block->then) {
                cache_prefetch(entry->block->then, 2 * CACHE_LINE);
            }
        }
    }
}

NfResult
nf_stack_output(NfStack *nf, Packet *pkt)
{
    NfResult result;

    nf->must_reroute = true;
    result = nf_stack_hook(nf, NF_OUTPUT, pkt);
    nf->must_reroute = false;
    return result;
}

NfResult
nf_stack_postrouting_unconfirmed(NfStack *nf, Packet *pkt)
{
    NfResult result;

    nf->confirm_later = true;
    result = nf_stack_hook(nf, NF_POSTROUTING, pkt);
    nf->confirm_later = false;
    return result;
}

NfResult
nf_stack_confirm(NfStack *nf, Packet *pkt)
{
    NfResult result = {.verdict = NF_ACCEPT};

    if (nf->ct)
        result.verdict = conntrack_confirm(nf->ct, NF_POSTROUTING, pkt, &result.reason);
    return result;
}

void
nf_stack_set_linear(NfStack *nf, bool linear)
{
    nf->linear = linear;
}

uint32_t
nf_stack_unknown_hits(const NfStack *nf)
{
    return nf->unknown_hits;
}

static uint32_t
family_index(IpFamily family)
{
    return family == FAMILY_IPV6;
}

static void
run_chain(NfWalk *walk, Entry *entry, NfResult *ret_result)
{
    if (__builtin_expect(!entry->block, 0))
        entry->block = nf_state_block(walk->state, entry->chain);
    walk->rs = entry->rs;
    nf_eval(walk, entry->chain, entry->block, ret_result);
}

/* nf_nat_core.c: nf_nat_inet_fn() */
static void
run_nat(NfStack *nf, NfWalk *walk, Entry *nat, uint32_t n_nat, NfResult *ret_result)
{
    NfHook hook = (NfHook)walk->hook;
    uint8_t manip = hook == NF_PREROUTING || hook == NF_OUTPUT ? NAT_MANIP_DST : NAT_MANIP_SRC;
    Packet *pkt = walk->pkt;
    bool first;

    if (!pkt->meta.ct || pkt->meta.ctinfo == CTINFO_UNTRACKED || pkt->meta.ctinfo == CTINFO_INVALID)
        return;
    first = (pkt->meta.ctinfo == CTINFO_NEW || (pkt->meta.ctinfo == CTINFO_RELATED && !packet_is_icmp_error(pkt))) &&
            nat_needs_setup(pkt, manip);
    for (uint32_t i = 0; first && i < n_nat && nat_needs_setup(pkt, manip); i++) {
        walk->nat = true;
        walk->traced = nf->sim->trace_mask & (RULE_RECORDS | TRACE_NAT_RULES);
        run_chain(walk, &nat[i], ret_result);
        walk->nat = false;
        walk->traced = nf->sim->trace_mask & RULE_RECORDS;
        if (ret_result->verdict != NF_ACCEPT)
            return;
    }
    if (first && nat_needs_setup(pkt, manip)) {
        ret_result->verdict = nat_setup(nf->ct, hook, pkt, manip, NULL, &ret_result->reason);
        if (ret_result->verdict != NF_ACCEPT)
            return;
    }
    ret_result->verdict = nat_packet(nf->ct, hook, pkt);
    if (ret_result->verdict == NF_DROP)
        ret_result->reason = DROP_CT_INVALID;
}

static void
trace_hook(NfStack *nf, NfHook hook, const Packet *pkt)
{
    TraceRecord record = {.kind = TRACE_HOOK, .host = nf->host, .pkt = pkt};

    record.hook.hook = hook;
    trace_emit(nf->sim, &record);
}

/* --- What is hooked ----------------------------------------------------------------------------------------------- */

/* Stable: equal priorities keep the order of slots and of ids within one. */
static void
insert_entry(Entry *entries, uint32_t *n, Entry entry)
{
    uint32_t i = (*n)++;

    for (; i > 0 && entries[i - 1].priority > entry.priority; i--)
        entries[i] = entries[i - 1];
    entries[i] = entry;
}

/* Returns the place of the next hook's entries. */
static uint32_t
rebuild_hook(NfStack *nf, uint32_t f, NfHook hook, bool has_ct, bool has_nat, uint32_t first)
{
    bool enters = hook == NF_PREROUTING || hook == NF_OUTPUT, leaves = hook == NF_INPUT || hook == NF_POSTROUTING;
    Entry entries[MAX_ENTRIES], nat[MAX_ENTRIES];
    HookList *list = &nf->hooks[f][hook];
    uint32_t n = 0, n_nat = 0;

    if (has_ct && enters)
        insert_entry(entries, &n, (Entry){.priority = NF_PRI_CONNTRACK, .kind = ENTRY_CONNTRACK});
    for (uint32_t s = 0; s < nf->n_slots[f]; s++) {
        const NfChain *chains[NF_MAX_BASE];
        const NfRuleset *rs = nf->slots[f][s].rs;
        size_t n_chains = rs ? nf_ruleset_base_chains(rs, hook, chains) : 0;

        for (size_t i = 0; i < n_chains; i++) {
            Entry entry = {chains[i]->spec.priority, ENTRY_CHAIN, rs, chains[i], NULL};
            if (chains[i]->spec.type == NF_TYPE_NAT_CHAIN)
                insert_entry(nat, &n_nat, entry);
            else
                insert_entry(entries, &n, entry);
        }
    }
    if (has_nat && (enters || leaves))
        insert_entry(entries, &n, (Entry){.priority = enters ? NF_PRI_NAT_DST : NF_PRI_NAT_SRC, .kind = ENTRY_NAT});
    if (has_ct && leaves)
        insert_entry(entries, &n, (Entry){.priority = NF_PRI_CONFIRM, .kind = ENTRY_CONFIRM});

    *list = (HookList){.first = (uint16_t)first, .n = (uint8_t)n, .n_nat = (uint8_t)n_nat};
    nf->entries[f] = g_renew(Entry, nf->entries[f], first + n + n_nat);
    for (uint32_t i = 0; i < n + n_nat; i++)
        nf->entries[f][first + i] = i < n ? entries[i] : nat[i - n];
    return first + n + n_nat;
}

static void
rebuild(NfStack *nf, uint32_t f)
{
    bool has_ct = nf->force_ct, has_nat = false;
    uint32_t first = 0;

    for (uint32_t s = 0; s < nf->n_slots[f]; s++) {
        const NfRuleset *rs = nf->slots[f][s].rs;

        has_ct |= rs && rs->uses_ct;
        for (uint32_t i = 0; rs && i < rs->first_hooked[NF_N_HOOKS]; i++)
            has_nat |= rs->hooked[i]->spec.type == NF_TYPE_NAT_CHAIN;
    }
    if (has_ct && !nf->ct)
        nf->ct = conntrack_new(nf->sim, nf->host, nf->ops->host_name(nf->host));
    nf->active[f] = false;
    for (uint32_t h = 0; h < NF_N_HOOKS; h++) {
        first = rebuild_hook(nf, f, (NfHook)h, has_ct, has_nat, first);
        nf->active[f] |= nf->hooks[f][h].n > 0;
    }
}
