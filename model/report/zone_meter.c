#include "model/report/zone_meter.h"

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

#include <string.h>

#define NO_ZONE UINT32_MAX

struct ZoneMeter {
    TraceSink sink;
    Cluster *cluster;
    FlowBook *book;
    VEC(const char *) zones; /* By name. */
    uint32_t *zone_of_node;  /* By ClusterNode.index: index in zones, or NO_ZONE. */
    HTable under_way;        /* Packet id -> zone that it left. */
    ZonePair *pairs;         /* zones.len squared, row: from. */
    VEC(uint64_t) seconds;
    uint64_t bytes;
};

static int
compare_names(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t
find_zone(const ZoneMeter *m, const char *zone)
{
    for (uint32_t i = 0; i < m->zones.len; i++)
        if (strcmp(m->zones.data[i], zone) == 0)
            return i;
    return NO_ZONE;
}

static void
count(ZoneMeter *m, const TraceRecord *r, uint32_t from, uint32_t to)
{
    uint32_t size = packet_ip_size(r->pkt);
    size_t second = (size_t)(r->at / SIMTIME_SEC);
    ZonePair *pair = &m->pairs[from * m->zones.len + to];
    Flow *flow = flow_book_find(m->book, r->pkt->flow);

    pair->packets++;
    pair->bytes += size;
    m->bytes += size;
    while (m->seconds.len <= second)
        vec_push(&m->seconds, 0);
    m->seconds.data[second] += size;
    if (flow)
        flow->cross_zone_bytes += size;
}

static void
on_device(ZoneMeter *m, const TraceRecord *r)
{
    const ClusterNode *node;
    uint32_t zone;
    const uint32_t *left;

    node = cluster_node_of_host(m->cluster, r->host);
    if (!node || r->dev != node->eth0)
        return;
    zone = m->zone_of_node[node->index];
    if (r->kind == TRACE_DEV_OUT) {
        if (zone != NO_ZONE)
            *(uint32_t *)htable_insert(&m->under_way, &r->pkt->id, NULL) = zone;
        return;
    }
    left = htable_find(&m->under_way, &r->pkt->id);
    if (!left)
        return;
    if (zone != NO_ZONE && zone != *left)
        count(m, r, *left, zone);
    htable_remove(&m->under_way, &r->pkt->id);
}

/* A packet that left the nodes ends at a client, or is lost: its entry goes then. */
static void
on_record(TraceSink *sink, const TraceRecord *r)
{
    ZoneMeter *m = (ZoneMeter *)sink;

    if (!r->pkt)
        return;
    if (r->kind == TRACE_DEV_IN || r->kind == TRACE_DEV_OUT)
        on_device(m, r);
    else
        htable_remove(&m->under_way, &r->pkt->id);
}

ZoneMeter *
zone_meter_new(Cluster *cluster, FlowBook *book)
{
    ZoneMeter *m = g_new0(ZoneMeter, 1);
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);

    m->cluster = cluster;
    m->book = book;
    htable_init(&m->under_way, sizeof(uint64_t), sizeof(uint32_t));
    for (size_t i = 0; i < n; i++)
        if (nodes[i]->zone && find_zone(m, nodes[i]->zone) == NO_ZONE)
            vec_push(&m->zones, nodes[i]->zone);
    if (m->zones.len < 2) {
        zone_meter_free(m);
        return NULL;
    }
    g_qsort_with_data(m->zones.data, (gint)m->zones.len, sizeof(const char *), compare_names, NULL);
    m->zone_of_node = g_new(uint32_t, n);
    for (size_t i = 0; i < n; i++)
        m->zone_of_node[nodes[i]->index] = nodes[i]->zone ? find_zone(m, nodes[i]->zone) : NO_ZONE;
    m->pairs = g_new0(ZonePair, m->zones.len * m->zones.len);
    for (size_t i = 0; i < m->zones.len * m->zones.len; i++) {
        m->pairs[i].from = m->zones.data[i / m->zones.len];
        m->pairs[i].to = m->zones.data[i % m->zones.len];
    }
    m->sink.mask = TRACE_NIC_FRAMES | TRACE_BIT(TRACE_DELIVER) | TRACE_BIT(TRACE_DROP);
    m->sink.record = on_record;
    trace_add_sink(cluster_sim(cluster), &m->sink);
    return m;
}

void
zone_meter_free(ZoneMeter *m)
{
    if (!m)
        return;
    if (m->sink.record)
        trace_remove_sink(cluster_sim(m->cluster), &m->sink);
    vec_clear(&m->zones);
    vec_clear(&m->seconds);
    htable_clear(&m->under_way);
    g_free(m->zone_of_node);
    g_free(m->pairs);
    g_free(m);
}

uint64_t
zone_meter_bytes(const ZoneMeter *m)
{
    return m ? m->bytes : 0;
}

ZonePair *
zone_meter_pairs(const ZoneMeter *m, size_t *ret_n)
{
    VEC(ZonePair) pairs = {0};

    for (size_t i = 0; m && i < m->zones.len * m->zones.len; i++)
        if (m->pairs[i].packets > 0)
            vec_push(&pairs, m->pairs[i]);
    *ret_n = pairs.len;
    return pairs.data;
}

const uint64_t *
zone_meter_seconds(const ZoneMeter *m, size_t *ret_n)
{
    *ret_n = m ? m->seconds.len : 0;
    return m ? m->seconds.data : NULL;
}
