/* Captures: libpcap's dumper and filters. */

#include "sim/packet/capture.h"

#include <pcap/pcap.h>
#include <stdio.h>

#include "sim/packet/wire.h"

#define FILTER_SNAPLEN 262144

struct CaptureFilter {
    struct bpf_program program;
    uint8_t frame[WIRE_MAX_FRAME];
};

struct PcapWriter {
    pcap_t *pcap;
    pcap_dumper_t *dumper;
    char *path;
    uint32_t snaplen;
    uint8_t frame[WIRE_MAX_FRAME];
};

CaptureFilter *
capture_filter_new(const char *expression, GError **error)
{
    CaptureFilter *filter = g_new(CaptureFilter, 1);
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);

    if (pcap_compile(pcap, &filter->program, expression ? expression : "", 1, PCAP_NETMASK_UNKNOWN) != 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "filter \"%s\": %s", expression, pcap_geterr(pcap));
        g_clear_pointer(&filter, g_free);
    }
    pcap_close(pcap);
    return filter;
}

void
capture_filter_free(CaptureFilter *filter)
{
    if (!filter)
        return;
    pcap_freecode(&filter->program);
    g_free(filter);
}

bool
capture_filter_match(CaptureFilter *filter, const Packet *pkt)
{
    uint32_t size = wire_build(pkt, filter->frame, sizeof filter->frame);

    return bpf_filter(filter->program.bf_insns, filter->frame, size, size) != 0;
}

PcapWriter *
pcap_writer_open(const char *path, uint32_t snaplen, GError **error)
{
    PcapWriter *writer = g_new(PcapWriter, 1);

    writer->snaplen = snaplen;
    writer->path = g_strdup(path);
    writer->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, (int)snaplen, PCAP_TSTAMP_PRECISION_NANO);
    writer->dumper = pcap_dump_open(writer->pcap, path);
    if (!writer->dumper) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s", pcap_geterr(writer->pcap));
        pcap_close(writer->pcap);
        g_free(writer->path);
        g_clear_pointer(&writer, g_free);
    }
    return writer;
}

void
pcap_writer_packet(PcapWriter *writer, SimTime at, const Packet *pkt)
{
    uint32_t size = wire_build(pkt, writer->frame, sizeof writer->frame);
    struct pcap_pkthdr header = {
        /* With nanosecond precision tv_usec holds nanoseconds. */
        .ts = {.tv_sec = CAPTURE_EPOCH_SEC + at / SIMTIME_SEC, .tv_usec = at % SIMTIME_SEC},
        .caplen = MIN(size, writer->snaplen),
        .len = size,
    };

    pcap_dump((u_char *)writer->dumper, &header, writer->frame);
}

bool
pcap_writer_close(PcapWriter *writer, GError **error)
{
    bool ok;

    if (!writer)
        return true;
    /* pcap_dump() is silent about failures. */
    ok = pcap_dump_flush(writer->dumper) == 0 && !ferror(pcap_dump_file(writer->dumper));
    if (!ok)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s: writing failed", writer->path);
    pcap_dump_close(writer->dumper);
    pcap_close(writer->pcap);
    g_free(writer->path);
    g_free(writer);
    return ok;
}
