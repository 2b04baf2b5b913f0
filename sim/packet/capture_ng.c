/* Captures: the pcapng writer (draft-ietf-opsawg-pcapng): section header, interface description and enhanced packet
 * blocks, in the machine's byte order as the format wants it, through a buffer of our own. */

#include "sim/packet/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sim/packet/wire.h"

/* Holds the largest block, and stays in the caches with what the simulation needs. */
#define BUFFER_SIZE (128 * 1024)
#define COMMENT_MAX 32768 /* Option lengths have 16 bits. */

enum { BLOCK_INTERFACE = 1, BLOCK_PACKET = 6, BLOCK_SECTION = 0x0a0d0d0a };
enum { OPT_END = 0, OPT_COMMENT = 1, OPT_IF_NAME = 2, OPT_IF_DESCRIPTION = 3, OPT_USER_APPLICATION = 4 };
enum { OPT_EPB_FLAGS = 2, OPT_IF_TSRESOL = 9, LINKTYPE_ETHERNET = 1, INBOUND = 1, OUTBOUND = 2 };

struct PcapngWriter {
    int fd;
    int error; /* errno of the first failed write, or 0. */
    uint32_t snaplen;
    uint32_t n_interfaces;
    char *path;
    size_t used;
    uint8_t *buffer;
    uint8_t frame[WIRE_MAX_FRAME];
};

static void flush(PcapngWriter *writer);
static void append(PcapngWriter *writer, const void *data, size_t size);
static void append32(PcapngWriter *writer, uint32_t value);
static void append_padded(PcapngWriter *writer, const void *data, size_t size);
static size_t padded(size_t size);
static size_t option_size(const char *text);
static void append_option(PcapngWriter *writer, uint16_t code, const void *data, size_t size);

_Static_assert(28 + WIRE_MAX_FRAME + 3 + 8 + 4 + COMMENT_MAX + 3 + 8 <= BUFFER_SIZE, "a packet's block fits");

/* Room for 'size' bytes more; they count when 'used' says so. */
static inline uint8_t *
reserve(PcapngWriter *writer, size_t size)
{
    if (writer->used + size > BUFFER_SIZE)
        flush(writer);
    return writer->buffer + writer->used;
}

static inline uint8_t *
put(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

static inline uint8_t *
put_option(uint8_t *p, uint16_t code, uint16_t size)
{
    uint16_t header[2] = {code, size};

    memcpy(p, header, sizeof header);
    return p + sizeof header;
}

PcapngWriter *
pcapng_writer_open(const char *path, uint32_t snaplen, GError **error)
{
    static const char application[] = "svcsim";
    static const uint32_t magic = 0x1a2b3c4d;
    static const uint16_t version[2] = {1, 0};
    static const uint64_t unknown_length = UINT64_MAX;
    uint32_t size = (uint32_t)(24 + 4 + option_size(application) + 4);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    PcapngWriter *writer;

    if (fd < 0) {
        g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(errno), "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    writer = g_new(PcapngWriter, 1);
    *writer = (PcapngWriter){.fd = fd, .snaplen = snaplen, .path = g_strdup(path), .buffer = g_malloc(BUFFER_SIZE)};
    append32(writer, BLOCK_SECTION);
    append32(writer, size);
    append32(writer, magic);
    append(writer, version, sizeof version);
    append(writer, &unknown_length, sizeof unknown_length);
    append_option(writer, OPT_USER_APPLICATION, application, strlen(application));
    append32(writer, OPT_END);
    append32(writer, size);
    return writer;
}

uint32_t
pcapng_writer_interface(PcapngWriter *writer, const char *name, const char *description)
{
    static const uint8_t nanoseconds = 9; /* 10^-9 s. */
    static const uint16_t link_type[2] = {LINKTYPE_ETHERNET, 0};
    uint32_t size =
        (uint32_t)(16 + option_size(name) + (description ? option_size(description) : 0) + 4 + padded(1) + 4 + 4);

    append32(writer, BLOCK_INTERFACE);
    append32(writer, size);
    append(writer, link_type, sizeof link_type);
    append32(writer, writer->snaplen);
    append_option(writer, OPT_IF_NAME, name, strlen(name));
    if (description)
        append_option(writer, OPT_IF_DESCRIPTION, description, strlen(description));
    append_option(writer, OPT_IF_TSRESOL, &nanoseconds, 1);
    append32(writer, OPT_END);
    append32(writer, size);
    return writer->n_interfaces++;
}

void
pcapng_writer_packet(PcapngWriter *writer, uint32_t interface, SimTime at, const Packet *pkt, bool outbound,
                     const char *comment)
{
    uint32_t full = packet_eth_size(pkt), captured = MIN(full, writer->snaplen);
    size_t comment_size = comment ? MIN(strlen(comment), COMMENT_MAX) : 0;
    uint32_t size = (uint32_t)(28 + padded(captured) + 8 + (comment ? 4 + padded(comment_size) : 0) + 4 + 4);
    uint64_t time = (uint64_t)(CAPTURE_EPOCH_SEC * SIMTIME_SEC + at);
    uint8_t *p = reserve(writer, size);

    p = put(p, BLOCK_PACKET);
    p = put(p, size);
    p = put(p, interface);
    p = put(p, (uint32_t)(time >> 32));
    p = put(p, (uint32_t)time);
    p = put(p, captured);
    p = put(p, full);
    put(p + padded(captured) - 4, 0); /* Its end pads the frame. */
    if (captured == full) {
        wire_write(pkt, p, full);
    } else {
        wire_write(pkt, writer->frame, full);
        memcpy(p, writer->frame, captured);
    }
    p += padded(captured);
    p = put_option(p, OPT_EPB_FLAGS, sizeof(uint32_t));
    p = put(p, outbound ? OUTBOUND : INBOUND);
    if (comment) {
        p = put_option(p, OPT_COMMENT, (uint16_t)comment_size);
        memcpy(p, comment, comment_size);
        for (p += comment_size; comment_size % 4 != 0; comment_size++)
            *p++ = 0;
    }
    p = put(p, OPT_END);
    p = put(p, size);
    writer->used = (size_t)(p - writer->buffer);
}

bool
pcapng_writer_close(PcapngWriter *writer, GError **error)
{
    bool ok;

    if (!writer)
        return true;
    flush(writer);
    if (close(writer->fd) != 0 && !writer->error)
        writer->error = errno;
    ok = writer->error == 0;
    if (!ok)
        g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(writer->error), "%s: %s", writer->path,
                    g_strerror(writer->error));
    g_free(writer->path);
    g_free(writer->buffer);
    g_free(writer);
    return ok;
}

static void
flush(PcapngWriter *writer)
{
    size_t done = 0;

    while (done < writer->used && !writer->error) {
        ssize_t n = write(writer->fd, writer->buffer + done, writer->used - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            writer->error = errno;
    }
    writer->used = 0;
}

static void
append(PcapngWriter *writer, const void *data, size_t size)
{
    memcpy(reserve(writer, size), data, size);
    writer->used += size;
}

static void
append32(PcapngWriter *writer, uint32_t value)
{
    append(writer, &value, sizeof value);
}

static void
append_padded(PcapngWriter *writer, const void *data, size_t size)
{
    static const uint8_t zeros[4];

    append(writer, data, size);
    append(writer, zeros, padded(size) - size);
}

static size_t
padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static size_t
option_size(const char *text)
{
    return 4 + padded(strlen(text));
}

static void
append_option(PcapngWriter *writer, uint16_t code, const void *data, size_t size)
{
    uint16_t header[2] = {code, (uint16_t)size};

    append(writer, header, sizeof header);
    append_padded(writer, data, size);
}
