#include "model/report/capture_sink.h"

#include "model/report/flows.h"
#include "sim/engine/htable.h"
#include "sim/netfilter/conntrack.h"
#include "sim/packet/capture.h"

#include <string.h>

typedef struct {
    const CaptureSpec *spec;
    CaptureFilter *filter;
    PcapWriter *writer;
    const NetDev *dev; /* NULL until it exists. */
    char *label;       /* "minikube-m02/eth0" */
} InterfaceCapture;

/* The record that waits for what its host says of the packet. */
typedef struct {
    bool valid;
    uint32_t interface;
    SimTime at;
    Packet *packet; /* A copy. */
    const Host *host;
    uint64_t id;
} Held;

struct CaptureSink {
    TraceSink sink;
    Cluster *cluster;
    PcapngWriter *pcapng;
    uint32_t snaplen;
    char *dir;
    GPtrArray *captures; /* InterfaceCapture. */
    GPtrArray *wanted;   /* CaptureSpec of all interfaces of a host, still unseen. */
    HTable interfaces;   /* const NetDev * -> pcapng id + 1. */
    Held held;
    GString *note; /* What happened to the packet 'note_id' in 'note_host' so far. */
    uint64_t note_id;
    const Host *note_host;
    char *last_rule; /* Of the rule that matched last, for the rewrite that follows. */
    GError *error;
};

/* --- Writing
 * ------------------------------------------------------------------------------------------------------------------ */

static uint32_t
interface_of(CaptureSink *sink, const NetDev *dev)
{
    bool is_new;
    uint32_t *id = htable_insert(&sink->interfaces, &dev, &is_new);

    if (is_new)
        *id = pcapng_writer_interface(sink->pcapng, netdev_label(dev), NULL);
    return *id;
}

static void
flush_held(CaptureSink *sink, const char *comment)
{
    if (!sink->held.valid)
        return;
    sink->held.valid = false;
    pcapng_writer_packet(sink->pcapng, sink->held.interface, sink->held.at, sink->held.packet, false, comment);
    packet_free(cluster_sim(sink->cluster), sink->held.packet);
}

static void
clear_note(CaptureSink *sink)
{
    g_string_truncate(sink->note, 0);
    sink->note_id = 0;
    sink->note_host = NULL;
}

static bool
note_is_about(const CaptureSink *sink, const TraceRecord *r)
{
    return sink->note->len > 0 && sink->note_id == r->pkt->id && sink->note_host == r->host;
}

/* --- Files of single interfaces
 * ------------------------------------------------------------------------------------------------ */

static char *
file_name(const char *label)
{
    g_autofree char *name = g_strdup(label);

    g_strdelimit(name, "/", '-');
    return g_strconcat(name, ".pcap", NULL);
}

static bool
label_wanted(const CaptureSpec *spec, const NetDev *dev)
{
    const char *host = host_name(netdev_host(dev));
    const char *at = g_str_has_prefix(spec->at, "node/") ? spec->at + 5 : spec->at;

    if (g_str_has_prefix(at, "pod/default/"))
        return g_str_has_prefix(host, "pod/") && strcmp(host + 4, at + 12) == 0 &&
               (!spec->interface || strcmp(spec->interface, netdev_name(dev)) == 0);
    return strcmp(host, at) == 0 && (!spec->interface || strcmp(spec->interface, netdev_name(dev)) == 0);
}

static void
open_interface(CaptureSink *sink, const CaptureSpec *spec, const NetDev *dev)
{
    InterfaceCapture *capture = g_new0(InterfaceCapture, 1);
    g_autofree char *name = file_name(netdev_label(dev));
    g_autofree char *path = g_build_filename(sink->dir, name, NULL);

    capture->spec = spec;
    capture->dev = dev;
    capture->label = g_strdup(netdev_label(dev));
    capture->filter = capture_filter_new(spec->filter, sink->error ? NULL : &sink->error);
    capture->writer = pcap_writer_open(path, sink->snaplen, sink->error ? NULL : &sink->error);
    g_ptr_array_add(sink->captures, capture);
}

static void
write_interfaces(CaptureSink *sink, const TraceRecord *r)
{
    for (guint i = 0; i < sink->captures->len; i++) {
        InterfaceCapture *capture = sink->captures->pdata[i];
        if (capture->dev == r->dev && capture->writer && capture_filter_match(capture->filter, r->pkt))
            pcap_writer_packet(capture->writer, r->at, r->pkt);
    }
}

/* --- Listening
 * ------------------------------------------------------------------------------------------------------------------ */

static void
note(CaptureSink *sink, const TraceRecord *r, const char *text)
{
    if (sink->note_id != r->pkt->id || sink->note_host != r->host)
        clear_note(sink);
    sink->note_id = r->pkt->id;
    sink->note_host = r->host;
    if (sink->note->len > 0)
        g_string_append_c(sink->note, '\n');
    g_string_append(sink->note, text);
}

static void
on_nat(CaptureSink *sink, const TraceRecord *r)
{
    char from[IPPORT_STR_SIZE], to[IPPORT_STR_SIZE];
    const char *what = r->nat.manip == NAT_MANIP_DST ? "destination" : "source";
    g_autofree char *why = r->nat.undo ? g_strdup("translation of its connection undone for the reply (conntrack)")
                           : sink->last_rule ? g_strdup(sink->last_rule)
                                             : g_strdup("binding of its connection (conntrack)");
    g_autofree char *text = g_strdup_printf("%s: %s %s -> %s by %s", host_name(r->host), what,
                                            ipport_format(r->nat.from, r->nat.from_port, from),
                                            ipport_format(r->nat.to, r->nat.to_port, to), why);

    g_clear_pointer(&sink->last_rule, g_free);
    note(sink, r, text);
}

static void
on_end(CaptureSink *sink, const TraceRecord *r)
{
    g_autofree char *rule =
        r->drop.chain ? flow_rule_text(sink->cluster, r->host, r->drop.ruleset, r->drop.chain, r->drop.index) : NULL;
    g_autofree char *text = g_strdup_printf("%s: %s%s%s", r->host ? host_name(r->host) : "link",
                                            r->kind == TRACE_REJECT ? "refused" : "dropped", rule ? " by " : ": ",
                                            rule ? rule : drop_reason_sentence(r->drop.reason));

    note(sink, r, text);
    if (sink->held.valid && sink->held.id == r->pkt->id) {
        flush_held(sink, sink->note->str);
        clear_note(sink);
    }
}

static bool
decides_nat(const TraceRecord *r)
{
    const NfRule *rule;
    const NfExpr *exprs;

    if (r->rule.index >= nf_chain_n_rules(r->rule.chain))
        return false;
    rule = nf_chain_rule(r->rule.chain, r->rule.index);
    exprs = nf_chain_exprs(r->rule.chain, r->rule.index);
    for (uint32_t i = 0; i < rule->n; i++)
        if (exprs[i].op == NFX_DNAT || exprs[i].op == NFX_SNAT || exprs[i].op == NFX_MASQUERADE ||
            exprs[i].op == NFX_REDIRECT || exprs[i].op == NFX_NUMGEN_DNAT)
            return true;
    return false;
}

static void
on_in(CaptureSink *sink, const TraceRecord *r)
{
    flush_held(sink, NULL);
    sink->held = (Held){.valid = true,
                        .interface = interface_of(sink, r->dev),
                        .at = r->at,
                        .packet = packet_copy(cluster_sim(sink->cluster), r->pkt),
                        .host = r->host,
                        .id = r->pkt->id};
}

static void
on_out(CaptureSink *sink, const TraceRecord *r)
{
    flush_held(sink, NULL);
    pcapng_writer_packet(sink->pcapng, interface_of(sink, r->dev), r->at, r->pkt, true,
                         note_is_about(sink, r) ? sink->note->str : NULL);
}

static void
see_new_interface(CaptureSink *sink, const NetDev *dev)
{
    if (htable_find(&sink->interfaces, &dev))
        return;
    for (guint i = 0; i < sink->wanted->len; i++)
        if (label_wanted(sink->wanted->pdata[i], dev))
            open_interface(sink, sink->wanted->pdata[i], dev);
}

static void
on_record(TraceSink *base, const TraceRecord *r)
{
    CaptureSink *sink = (CaptureSink *)base;

    if (!r->pkt)
        return;
    if (r->kind == TRACE_RULE) {
        if (decides_nat(r)) {
            g_free(sink->last_rule);
            sink->last_rule = flow_rule_text(sink->cluster, r->host, r->rule.ruleset, r->rule.chain, r->rule.index);
        }
    } else if (r->kind == TRACE_NAT) {
        on_nat(sink, r);
    } else if (r->kind == TRACE_DROP || r->kind == TRACE_REJECT) {
        on_end(sink, r);
    } else {
        see_new_interface(sink, r->dev);
        if (r->kind == TRACE_DEV_IN)
            on_in(sink, r);
        else
            on_out(sink, r);
        write_interfaces(sink, r);
    }
}

/* --- Opening and closing
 * -------------------------------------------------------------------------------------------------------- */

static bool
check_filters(const CaptureSpec *specs, uint32_t n_specs, GError **error)
{
    for (uint32_t i = 0; i < n_specs; i++) {
        CaptureFilter *filter = capture_filter_new(specs[i].filter, error);
        if (!filter)
            return false;
        capture_filter_free(filter);
    }
    return true;
}

CaptureSink *
capture_sink_new(Cluster *cluster, const char *dir, const CaptureSpec *specs, uint32_t n_specs, uint32_t snaplen,
                 GError **error)
{
    CaptureSink *sink;
    g_autofree char *path = g_build_filename(dir, "trace.pcapng", NULL);
    PcapngWriter *pcapng;

    if (!check_filters(specs, n_specs, error))
        return NULL;
    pcapng = pcapng_writer_open(path, snaplen, error);
    if (!pcapng)
        return NULL;
    sink = g_new0(CaptureSink, 1);
    sink->cluster = cluster;
    sink->pcapng = pcapng;
    sink->snaplen = snaplen;
    sink->dir = g_strdup(dir);
    sink->captures = g_ptr_array_new();
    sink->wanted = g_ptr_array_new();
    for (uint32_t i = 0; i < n_specs; i++)
        g_ptr_array_add(sink->wanted, (gpointer)&specs[i]);
    htable_init(&sink->interfaces, sizeof(const NetDev *), sizeof(uint32_t));
    sink->note = g_string_new(NULL);
    sink->sink.mask = TRACE_BIT(TRACE_DEV_IN) | TRACE_BIT(TRACE_DEV_OUT) | TRACE_BIT(TRACE_RULE) |
                      TRACE_BIT(TRACE_NAT) | TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_REJECT);
    sink->sink.record = on_record;
    trace_add_sink(cluster_sim(cluster), &sink->sink);
    return sink;
}

bool
capture_sink_close(CaptureSink *sink, GError **error)
{
    GError *first = sink->error;

    trace_remove_sink(cluster_sim(sink->cluster), &sink->sink);
    flush_held(sink, NULL);
    pcapng_writer_close(sink->pcapng, first ? NULL : &first);
    for (guint i = 0; i < sink->captures->len; i++) {
        InterfaceCapture *capture = sink->captures->pdata[i];
        if (capture->writer)
            pcap_writer_close(capture->writer, first ? NULL : &first);
        capture_filter_free(capture->filter);
        g_free(capture->label);
        g_free(capture);
    }
    g_ptr_array_unref(sink->captures);
    g_ptr_array_unref(sink->wanted);
    htable_clear(&sink->interfaces);
    g_string_free(sink->note, TRUE);
    g_free(sink->last_rule);
    g_free(sink->dir);
    g_free(sink);
    if (first)
        g_propagate_error(error, first);
    return first == NULL;
}
