/* Lists of -m recent (xt_recent.c): at most ip_list_tot (100) addresses a list, the least recently updated goes first;
 * an address keeps a ring of time stamps, 32 by default, more if a rule's hit count needs them.                     */

#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/nf_state_int.h"

#define LIST_MAX   100
#define STAMPS_MIN 32

typedef struct {
    IpAddr addr;
    SimTime *stamps; /* Owned; 'cap' of them. */
    uint16_t n, index, cap;
    uint8_t ttl;
} Entry;

typedef struct {
    char *name;
    uint32_t n_stamps;
    VEC(Entry) entries; /* Least recently updated first. */
} List;

struct NfRecentTables {
    GPtrArray *lists;    /* List. */
    GHashTable *by_name; /* Name -> List. */
    HTable by_id;        /* ListKey -> List *: names are looked up once per rule set's name table. */
};

typedef struct {
    uint64_t names; /* Address of the name table. */
    uint64_t id;
} ListKey;

static void list_free(gpointer data);
static List *list_of(NfRecentTables *recent, const NfNames *names, const NfExpr *expr);
static void list_remove(List *list, size_t i);
static void entry_stamp(List *list, size_t i, SimTime now);

NfRecentTables *
nf_recent_new(void)
{
    NfRecentTables *recent = g_new0(NfRecentTables, 1);

    recent->lists = g_ptr_array_new_with_free_func(list_free);
    recent->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    htable_init(&recent->by_id, sizeof(ListKey), sizeof(List *));
    return recent;
}

void
nf_recent_free(NfRecentTables *recent)
{
    if (!recent)
        return;
    g_hash_table_unref(recent->by_name);
    g_ptr_array_unref(recent->lists);
    htable_clear(&recent->by_id);
    g_free(recent);
}

bool
nf_recent_match(NfRecentTables *recent, SimTime now, const NfNames *names, const NfExpr *expr, const Packet *pkt)
{
    List *list = list_of(recent, names, expr);
    IpAddr addr = nf_addr_mask(expr->len & NF_RECENT_RDEST ? pkt->dst : pkt->src, (uint8_t)(128 - expr->b3));
    /* The TTL as it was before this host lowered it. */
    uint8_t ttl = (uint8_t)(pkt->ttl + (pkt->meta.out && pkt->meta.local_out != LOCAL_OF_SOCKET));
    SimTime since = now - (SimTime)expr->b * SIMTIME_SEC;
    bool matches = expr->neg;
    Entry *entry;
    size_t at;

    for (at = 0; at < list->entries.len; at++)
        if (ipaddr_eq(list->entries.data[at].addr, addr) &&
            (!(expr->len & NF_RECENT_RTTL) || list->entries.data[at].ttl == ttl))
            break;
    if (at == list->entries.len) {
        if (!(expr->len & NF_RECENT_SET))
            return matches;
        if (list->entries.len >= LIST_MAX)
            list_remove(list, 0);
        vec_push(&list->entries, (Entry){.addr = addr, .ttl = ttl});
        entry_stamp(list, list->entries.len - 1, now);
        return !matches;
    }
    entry = &list->entries.data[at];
    if (expr->len & NF_RECENT_REMOVE) {
        list_remove(list, at);
        return !matches;
    }
    if (expr->len & NF_RECENT_SET) {
        matches = !matches;
    } else {
        uint32_t hits = 0;
        bool reap_self;

        for (uint32_t i = 0; i < entry->n; i++) {
            if (expr->b && since > entry->stamps[i])
                continue;
            if (!expr->c || ++hits >= expr->c) {
                matches = !matches;
                break;
            }
        }
        reap_self = at == 0 && (expr->len & NF_RECENT_UPDATE) && matches;
        if ((expr->len & NF_RECENT_REAP) && !reap_self) {
            const Entry *oldest = &list->entries.data[0];
            if (since > oldest->stamps[oldest->index - 1]) {
                list_remove(list, 0);
                if (at == 0)
                    return matches;
                at--;
            }
        }
    }
    if ((expr->len & NF_RECENT_SET) || ((expr->len & NF_RECENT_UPDATE) && matches)) {
        list->entries.data[at].ttl = ttl;
        entry_stamp(list, at, now);
    }
    return matches;
}

static int
elem_cmp(const void *a, const void *b)
{
    return ipaddr_cmp(&((const NfDynElem *)a)->addr, &((const NfDynElem *)b)->addr);
}

void
nf_recent_each(const NfRecentTables *recent, const char *name, void (*each)(const NfDynElem *elem, void *user),
               void *user)
{
    const List *list = g_hash_table_lookup(recent->by_name, name);
    size_t n = list ? list->entries.len : 0;
    g_autofree NfDynElem *elems = g_new0(NfDynElem, MAX(n, 1));

    for (size_t i = 0; i < n; i++) {
        const Entry *entry = &list->entries.data[i];
        elems[i] = (NfDynElem){entry->addr, entry->stamps[entry->index - 1], SIMTIME_NEVER, entry->ttl};
    }
    qsort(elems, n, sizeof *elems, elem_cmp);
    for (size_t i = 0; i < n; i++)
        each(&elems[i], user);
}

static void
list_free(gpointer data)
{
    List *list = data;

    for (size_t i = 0; i < list->entries.len; i++)
        g_free(list->entries.data[i].stamps);
    vec_clear(&list->entries);
    g_free(list->name);
    g_free(list);
}

static List *
list_of(NfRecentTables *recent, const NfNames *names, const NfExpr *expr)
{
    ListKey key = {(uintptr_t)names, expr->a};
    List **found = htable_find(&recent->by_id, &key);
    uint32_t n_stamps = STAMPS_MIN;
    List *list;

    if (found) {
        list = *found;
    } else {
        list = g_hash_table_lookup(recent->by_name, nf_text(names, expr->a));
        if (!list) {
            list = g_new0(List, 1);
            list->name = g_strdup(nf_text(names, expr->a));
            g_ptr_array_add(recent->lists, list);
            g_hash_table_insert(recent->by_name, list->name, list);
        }
        *(List **)htable_insert(&recent->by_id, &key, NULL) = list;
    }
    while (n_stamps < expr->c)
        n_stamps *= 2;
    list->n_stamps = MAX(list->n_stamps, n_stamps);
    return list;
}

static void
list_remove(List *list, size_t i)
{
    g_free(list->entries.data[i].stamps);
    vec_remove(&list->entries, i);
}

/* Notes 'now' in an entry's ring and makes it the most recent. */
static void
entry_stamp(List *list, size_t i, SimTime now)
{
    Entry entry = list->entries.data[i];

    if (entry.index >= list->n_stamps)
        entry.index = 0;
    if (entry.index == entry.cap) {
        entry.cap = (uint16_t)MAX(2, entry.cap * 2);
        entry.stamps = g_renew(SimTime, entry.stamps, entry.cap);
    }
    entry.stamps[entry.index++] = now;
    entry.n = MAX(entry.n, entry.index);
    vec_remove(&list->entries, i);
    vec_push(&list->entries, entry);
}
