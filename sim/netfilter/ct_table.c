#include "sim/netfilter/conntrack_private.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "sim/engine/prefetch.h"

/* A sweep is due at the latest this long after the first entry died. */
#define SWEEP_SLACK    (30 * SIMTIME_SEC)
#define EVICTION_RANGE 8u

typedef bool (*VisitFunc)(Conn *conn, void *user);

static void table_remove(Conntrack *ct, Conn *conn);
static void table_visit(Conntrack *ct, VisitFunc visit, void *user);
static void table_sweep_until(Conntrack *ct, SimTime until);
static void table_arm_sweep(Conntrack *ct, SimTime expires);
static bool table_early_drop(Conntrack *ct, uint32_t hash);
static uint32_t table_drop_bucket(Conntrack *ct, uint32_t bucket, uint32_t n_buckets);
static int compare_by_id(const void *a, const void *b);

/* Bits of the directions in which tuples are looked for: where those of a zone differ, its own number in another
 * direction is another's. */
enum { ORIG_ONLY = 1 << CT_ORIG, REPLY_ONLY = 1 << CT_REPLY, EITHER = ORIG_ONLY | REPLY_ONLY };

static inline uint32_t
dirs_alike(const Conn *conn, CtDir dir)
{
    return conn->key[CT_ORIG].zone == conn->key[CT_REPLY].zone ? EITHER : 1u << dir;
}

static Conn *
find(Conntrack *ct, const CtTuple *tuple, uint32_t dirs, CtDir *ret_dir)
{
    const CtIndex *index = &ct->tuples;
    CtKey key = ct_tuple_key(tuple);
    uint32_t hash = ct_key_hash(&key);

    if (index->len == 0)
        return NULL;
    for (uint32_t pos = ct_index_home(index, hash); index->entries[pos].ref != 0; pos = ct_index_next(index, pos)) {
        uint32_t ref = index->entries[pos].ref;
        Conn *conn;

        if (index->entries[pos].hash != hash)
            continue;
        conn = conn_of_index_ref(ct, ref);
        cache_prefetch(&conn->tcp, 1); /* The tracker's line comes with the keys'. */
        if (!conn_tuple_is(conn, ref & 1, &key, tuple) || !(dirs >> (ref & 1) & 1))
            continue;
        if (conn_expired(ct, conn)) {
            ct_table_kill(ct, conn, NULL);
            return find(ct, tuple, dirs, ret_dir);
        }
        *ret_dir = ref & 1;
        return conn;
    }
    return NULL;
}

Conn *
ct_table_find(Conntrack *ct, const CtTuple *tuple, CtZone zone, CtDir *ret_dir)
{
    CtTuple sided = *tuple;
    Conn *conn;

    if (__builtin_expect(zone.dirs == CT_ZONE_BOTH && zone.id == tuple->zone, 1))
        return find(ct, tuple, EITHER, ret_dir);
    sided.zone = ct_zone_id(zone, CT_ORIG);
    if (sided.zone == ct_zone_id(zone, CT_REPLY))
        return find(ct, &sided, EITHER, ret_dir);
    conn = find(ct, &sided, ORIG_ONLY, ret_dir);
    if (conn)
        return conn;
    sided.zone = ct_zone_id(zone, CT_REPLY);
    return find(ct, &sided, REPLY_ONLY, ret_dir);
}

Conn *
ct_table_find_clash(Conntrack *ct, const Conn *conn, CtDir dir)
{
    CtTuple tuple = conn_tuple(conn, dir);
    CtDir found;

    return find(ct, &tuple, dirs_alike(conn, dir), &found);
}

void
conntrack_prepare(const Conntrack *ct, const Packet *pkt, uint32_t step)
{
    const CtIndex *index = &ct->tuples;
    CtTuple tuple;
    uint32_t hash, pos;

    if (step == 2)
        cache_prefetch(ct, sizeof *ct);
    if (step >= 2 || index->len == 0 || !ct_tuple_of_packet(pkt, 0, &tuple))
        return;
    hash = ct_tuple_hash(&tuple);
    pos = ct_index_home(index, hash);
    if (step == 1) {
        cache_prefetch(&index->entries[pos], 2 * sizeof(CtIndexEntry));
        return;
    }
    for (; index->entries[pos].ref != 0; pos = ct_index_next(index, pos)) {
        if (index->entries[pos].hash == hash) {
            cache_prefetch(conn_of_index_ref(ct, index->entries[pos].ref), sizeof(Conn));
            return;
        }
    }
}

bool
ct_table_tuple_taken(Conntrack *ct, const CtTuple *reply, const Conn *conn)
{
    const CtIndex *index = &ct->tuples;
    CtKey key = ct_tuple_key(reply);
    uint32_t hash = ct_key_hash(&key);
    CtTuple orig = conn_tuple(conn, CT_ORIG);

    if (index->len == 0)
        return false;
    for (uint32_t pos = ct_index_home(index, hash); index->entries[pos].ref != 0; pos = ct_index_next(index, pos)) {
        uint32_t ref = index->entries[pos].ref;
        Conn *other;

        if (index->entries[pos].hash != hash)
            continue;
        other = conn_of_index_ref(ct, ref);
        if (other == conn || conn_expired(ct, other) || !conn_tuple_is(other, ref & 1, &key, reply) ||
            !(dirs_alike(conn, CT_REPLY) >> (ref & 1) & 1))
            continue;
        /* The same original tuple: the same flow, seen twice at once.  conntrack_confirm() resolves that. */
        if (conn_tuple_is(other, CT_ORIG, &conn->key[CT_ORIG], &orig))
            continue;
        ct->stats.found++;
        return true;
    }
    return false;
}

bool
ct_table_make_room(Conntrack *ct, uint32_t hash)
{
    uint32_t max = ct->sysctls.max;

    if (max == 0 || ct->n_conns < max)
        return true;
    /* The dead count until the next full second: as late as the kernel's collector may be, and no matter when ours
     * ran. */
    table_sweep_until(ct, ct->sim->now - ct->sim->now % SIMTIME_SEC);
    return ct->n_conns < max || table_early_drop(ct, hash);
}

void
ct_table_insert(Conntrack *ct, Conn *conn)
{
    conn->refs++;
    conn->status |= CT_CONFIRMED;
    ct_index_insert(&ct->tuples, ct_key_hash(&conn->key[CT_REPLY]), conn_index_ref(conn, CT_REPLY));
    if (!(conn->status & CT_NAT_CLASH))
        ct_index_insert(&ct->tuples, ct_key_hash(&conn->key[CT_ORIG]), conn_index_ref(conn, CT_ORIG));
    ct->n_table++;
    ct->stats.inserted++;
    ct->stats.peak = MAX(ct->stats.peak, ct->n_table);
    table_arm_sweep(ct, conn->expires);
}

void
ct_table_kill(Conntrack *ct, Conn *conn, const Packet *pkt)
{
    table_remove(ct, conn);
    ct_trace(ct, conn, pkt, TRACE_CT_DESTROY);
    conn_unref(ct, conn);
}

static void
table_remove(Conntrack *ct, Conn *conn)
{
    ct_index_remove(&ct->tuples, ct_key_hash(&conn->key[CT_REPLY]), conn_index_ref(conn, CT_REPLY));
    if (!(conn->status & CT_NAT_CLASH))
        ct_index_remove(&ct->tuples, ct_key_hash(&conn->key[CT_ORIG]), conn_index_ref(conn, CT_ORIG));
    conn->status |= CT_DYING;
    ct->n_table--;
}

void
ct_table_sweep(Sim *sim, void *table)
{
    Conntrack *ct = table;

    table_sweep_until(ct, sim->now - sim->now % SIMTIME_SEC);
}

static bool
clear_entry(Conn *conn, void *user)
{
    table_remove(user, conn);
    conn_unref(user, conn);
    return true;
}

void
ct_table_clear(Conntrack *ct)
{
    table_visit(ct, clear_entry, ct);
}

void
conn_refresh(Conntrack *ct, Conn *conn, SimTime timeout)
{
    if (conn->status & CT_FIXED_TIMEOUT)
        return;
    if (!(conn->status & CT_CONFIRMED)) {
        conn->expires = timeout;
        return;
    }
    conn->expires = ct->sim->now + timeout;
    if (!(conn->status & CT_DYING))
        table_arm_sweep(ct, conn->expires);
}

void
ct_trace(Conntrack *ct, Conn *conn, const Packet *pkt, TraceCtEvent event)
{
    if (trace_wants(ct->sim, TRACE_CT)) {
        TraceRecord record = {.kind = TRACE_CT, .host = ct->host, .pkt = pkt};

        record.ct.conn = conn;
        record.ct.event = (uint8_t)event;
        trace_emit(ct->sim, &record);
    }
}

/* --- Walks over the table ---------------------------------------------------------------------------------------- */

typedef struct {
    Conntrack *ct;
    Conn **conns;
    size_t n;
} Collection;

static bool
collect_living(Conn *conn, void *user)
{
    Collection *collection = user;

    if (!conn_expired(collection->ct, conn) && !(conn->status & CT_NAT_CLASH))
        collection->conns[collection->n++] = conn;
    return true;
}

/* Living entries in order of creation; free the array with g_free(). */
static Collection
collect(Conntrack *ct)
{
    Collection collection = {ct, g_new(Conn *, ct->n_table + 1), 0};

    table_visit(ct, collect_living, &collection);
    qsort(collection.conns, collection.n, sizeof *collection.conns, compare_by_id);
    return collection;
}

void
conntrack_each(Conntrack *ct, void (*each)(const Conn *conn, void *user), void *user)
{
    Collection collection = collect(ct);

    for (size_t i = 0; i < collection.n; i++)
        each(collection.conns[i], user);
    g_free(collection.conns);
}

size_t
conntrack_len(Conntrack *ct)
{
    Collection collection = collect(ct);

    g_free(collection.conns);
    return collection.n;
}

size_t
conntrack_entries(const Conntrack *ct)
{
    return ct->n_table;
}

size_t
conntrack_delete(Conntrack *ct, bool (*match)(const Conn *conn, void *user), void *user)
{
    Collection collection = collect(ct);
    size_t n_deleted = 0;

    for (size_t i = 0; i < collection.n; i++) {
        if (match(collection.conns[i], user)) {
            ct_table_kill(ct, collection.conns[i], NULL);
            n_deleted++;
        }
    }
    g_free(collection.conns);
    return n_deleted;
}

static bool
check_entry(Conn *conn, void *user)
{
    Collection *seen = user;
    Conntrack *ct = seen->ct;

    g_assert(conn_table(conn) == ct && conn_of_slot(ct, conn->slot) == conn);
    g_assert(conn->refs >= 1 && !(conn->status & CT_DYING));
    for (CtDir dir = CT_ORIG; dir <= CT_REPLY; dir++) {
        uint32_t hash = ct_key_hash(&conn->key[dir]), n = 0;
        uint32_t pos = ct_index_home(&ct->tuples, hash);

        for (; ct->tuples.entries[pos].ref != 0; pos = ct_index_next(&ct->tuples, pos))
            n += ct->tuples.entries[pos].hash == hash && ct->tuples.entries[pos].ref == conn_index_ref(conn, dir);
        g_assert(n == !(dir == CT_ORIG && conn->status & CT_NAT_CLASH));
        seen->n += n;
    }
    return true;
}

void
conntrack_check(const Conntrack *ct)
{
    Collection seen = {(Conntrack *)ct, NULL, 0};

    g_assert(ct->n_table <= ct->n_conns);
    table_visit((Conntrack *)ct, check_entry, &seen);
    g_assert(seen.n == ct->tuples.len);
    g_assert(ct->tuples.len <= 2 * ct->n_table);
}

/* Visits the entries in the table, dead ones too, by slot; visit() may kill the entry. */
static void
table_visit(Conntrack *ct, VisitFunc visit, void *user)
{
    for (uint32_t s = 0; s < ct->n_slabs; s++) {
        uint32_t first = s << CONN_SLAB_SHIFT;
        uint32_t end = first + (CONN_SLAB_BYTES - CONN_SLAB_HEAD_BYTES) / ct->slabs[s].stride;

        for (int v6 = 0; v6 < 2; v6++)
            if (ct->free[v6].end == end)
                end = ct->free[v6].fresh;
        for (uint32_t slot = first; slot < end; slot++) {
            Conn *conn = conn_of_slot(ct, slot);

            if ((conn->status & (CT_CONFIRMED | CT_DYING)) == CT_CONFIRMED && !visit(conn, user))
                return;
        }
    }
}

typedef struct {
    Conntrack *ct;
    SimTime until, next; /* Next: the earliest end of a living entry. */
} Sweep;

static bool
sweep_entry(Conn *conn, void *user)
{
    Sweep *sweep = user;

    if (conn->expires <= sweep->until)
        ct_table_kill(sweep->ct, conn, NULL);
    else
        sweep->next = MIN(sweep->next, conn->expires);
    return true;
}

static void
table_sweep_until(Conntrack *ct, SimTime until)
{
    Sweep sweep = {ct, until, SIMTIME_NEVER};

    if (until <= ct->swept && ct->sweep_at > ct->sim->now)
        return;
    ct->swept = until;
    table_visit(ct, sweep_entry, &sweep);
    ct->sweep_at = SIMTIME_NEVER;
    timer_disarm(ct->sim, ct->sweep);
    if (sweep.next != SIMTIME_NEVER)
        table_arm_sweep(ct, sweep.next);
}

/* Sweeps happen at full seconds. */
static void
table_arm_sweep(Conntrack *ct, SimTime expires)
{
    SimTime latest = MAX(expires, ct->sim->now) + SWEEP_SLACK;

    if (latest >= ct->sweep_at)
        return;
    ct->sweep_at = latest - latest % SIMTIME_SEC;
    timer_arm(ct->sim, ct->sweep, ct->sweep_at);
}

/* early_drop(): all unassured entries of the first bucket, of eight from the new entry's, that has one.  A bucket is
 * the share of the hashes that a kernel table of 'buckets' would put there. */
static bool
table_early_drop(Conntrack *ct, uint32_t hash)
{
    uint32_t n_buckets = MAX(1, ct->sysctls.buckets);
    uint32_t bucket = (uint32_t)((uint64_t)hash * n_buckets >> 32);

    for (uint32_t i = 0; i < EVICTION_RANGE; i++, bucket = (bucket + 1) % n_buckets) {
        uint32_t n_dropped = table_drop_bucket(ct, bucket, n_buckets);

        ct->stats.early_drop += n_dropped;
        if (n_dropped > 0)
            return true;
    }
    return false;
}

static uint32_t
table_drop_bucket(Conntrack *ct, uint32_t bucket, uint32_t n_buckets)
{
    const CtIndex *index = &ct->tuples;
    uint64_t low = (((uint64_t)bucket << 32) + n_buckets - 1) / n_buckets;
    uint64_t high = (((uint64_t)(bucket + 1) << 32) + n_buckets - 1) / n_buckets;
    uint32_t n_dropped = 0, home, pos;

    if (index->len == 0 || low == high)
        return 0;
again:
    /* All entries of the range stand between the home of its first hash and the first gap behind that of its last. */
    home = ct_index_home(index, (uint32_t)low);
    pos = home;
    for (uint32_t i = 0; i < index->cap; i++, pos = ct_index_next(index, pos)) {
        CtIndexEntry entry = index->entries[pos];
        Conn *conn;

        if (entry.ref == 0 && (pos >= ct_index_home(index, (uint32_t)(high - 1)) || pos < home))
            break;
        if (entry.ref == 0 || entry.hash < low || entry.hash >= high)
            continue;
        conn = conn_of_index_ref(ct, entry.ref);
        if (conn_expired(ct, conn)) {
            ct_table_kill(ct, conn, NULL);
            goto again;
        }
        if (!(conn->status & CT_ASSURED)) {
            ct_table_kill(ct, conn, NULL);
            n_dropped++;
            goto again;
        }
    }
    return n_dropped;
}

static int
compare_by_id(const void *a, const void *b)
{
    const Conn *left = *(Conn *const *)a, *right = *(Conn *const *)b;

    return left->id < right->id ? -1 : left->id > right->id;
}
