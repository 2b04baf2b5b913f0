/* DNS messages in tcpdump's form (print-domain.c): "4660+ A? web.default.svc.cluster.local. (51)" */

#include <string.h>

#include "model/report/tcpdump_private.h"

#define HEADER_SIZE 12
#define MAX_JUMPS   16

enum { FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_RA = 0x0080 };

typedef struct {
    const uint8_t *data;
    uint32_t size, at;
    bool bad;
} Message;

static uint16_t
read_u16(Message *m)
{
    if (m->at + 2 > m->size) {
        m->bad = true;
        return 0;
    }
    m->at += 2;
    return (uint16_t)(m->data[m->at - 2] << 8 | m->data[m->at - 1]);
}

static void
read_name(Message *m, GString *out)
{
    uint32_t at = m->at, jumps = 0;
    gsize begin = out->len;

    while (at < m->size && m->data[at] != 0) {
        uint8_t len = m->data[at];
        if ((len & 0xc0) == 0xc0 && at + 1 < m->size && jumps < MAX_JUMPS) {
            if (jumps++ == 0)
                m->at = at + 2;
            at = (uint32_t)(len & 0x3f) << 8 | m->data[at + 1];
            continue;
        }
        if ((len & 0xc0) || at + 1 + len > m->size)
            break;
        g_string_append_len(out, (const char *)m->data + at + 1, len);
        g_string_append_c(out, '.');
        at += 1u + len;
    }
    m->bad |= at >= m->size || m->data[at] != 0;
    if (jumps == 0)
        m->at = at + 1;
    if (out->len == begin)
        g_string_append_c(out, '.');
}

static const char *
type_name(uint16_t type, char buf[static 12])
{
    static const struct {
        uint16_t type;
        const char *name;
    } types[] = {{1, "A"}, {2, "NS"}, {5, "CNAME"}, {6, "SOA"}, {12, "PTR"}, {28, "AAAA"}, {33, "SRV"}, {41, "OPT"}};

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].type == type)
            return types[i].name;
    g_snprintf(buf, 12, "Type%u", type);
    return buf;
}

static void
append_question(GString *out, Message *m)
{
    g_autoptr(GString) name = g_string_new(NULL);
    char buf[12];

    read_name(m, name);
    g_string_append_printf(out, " %s? %s", type_name(read_u16(m), buf), name->str);
    read_u16(m);
}

static void
append_address(GString *out, const uint8_t *data, uint16_t size)
{
    char text[IPADDR_STR_SIZE];
    IpAddr addr = ipaddr_v4(data[0], data[1], data[2], data[3]);

    if (size == 16)
        memcpy(addr.b, data, 16);
    g_string_append_printf(out, " %s", ipaddr_format(addr, text));
}

static void
append_record(GString *out, Message *m, bool names)
{
    g_autoptr(GString) name = g_string_new(NULL);
    char buf[12];
    uint16_t type, size;
    uint32_t end;

    read_name(m, name);
    if (names)
        g_string_append_printf(out, " %s", name->str);
    type = read_u16(m);
    m->at += 6; /* Class and TTL. */
    size = read_u16(m);
    end = m->at + size;
    g_string_append_printf(out, " %s", type_name(type, buf));
    if (m->bad || end > m->size) {
        m->bad = true;
        return;
    }
    g_string_truncate(name, 0);
    if ((type == 1 && size == 4) || (type == 28 && size == 16)) {
        append_address(out, m->data + m->at, size);
    } else if (type == 2 || type == 5 || type == 12) {
        read_name(m, name);
        g_string_append_printf(out, " %s", name->str);
    } else if (type == 33) {
        uint16_t priority = read_u16(m), weight = read_u16(m), port = read_u16(m);
        read_name(m, name);
        g_string_append_printf(out, " %s:%u %u %u", name->str, port, priority, weight);
    }
    m->at = end;
}

static void
append_answer(GString *out, Message *m, uint16_t flags, bool names)
{
    static const char *const codes[16] = {
        [1] = " FormErr", [2] = " ServFail", [3] = " NXDomain", [4] = " NotImp", [5] = " Refused"};
    const char *code = codes[flags & 0xf];
    uint16_t questions = read_u16(m), answers = read_u16(m), authorities = read_u16(m), additional = read_u16(m);
    g_autoptr(GString) skipped = g_string_new(NULL);

    g_string_append_printf(out, "%s%s%s%s", code ? code : "", flags & FLAG_AA ? "*" : "", flags & FLAG_RA ? "" : "-",
                           flags & FLAG_TC ? "|" : "");
    if (questions != 1)
        g_string_append_printf(out, " [%uq]", questions);
    while (questions-- > 0 && !m->bad)
        append_question(skipped, m);
    g_string_append_printf(out, " %u/%u/%u", answers, authorities, additional);
    for (uint16_t i = 0; i < answers && !m->bad; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_record(out, m, names);
    }
}

static void
append_query(GString *out, Message *m, uint16_t flags)
{
    uint16_t questions = read_u16(m), answers = read_u16(m), authorities = read_u16(m), additional = read_u16(m);

    g_string_append(out, flags & FLAG_RD ? "+" : "");
    if (answers)
        g_string_append_printf(out, " [%ua]", answers);
    if (questions != 1)
        g_string_append_printf(out, " [%uq]", questions);
    if (authorities)
        g_string_append_printf(out, " [%un]", authorities);
    if (additional)
        g_string_append_printf(out, " [%uau]", additional);
    for (uint16_t i = 0; i < questions && !m->bad; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_question(out, m);
    }
}

void
tcpdump_append_dns(GString *out, const uint8_t *message, uint32_t size, bool names)
{
    Message m = {.data = message, .size = size};
    uint16_t id = read_u16(&m), flags = read_u16(&m);

    if (size < HEADER_SIZE) {
        g_string_append_printf(out, "domain [length %u < %d] (invalid)", size, HEADER_SIZE);
        return;
    }
    g_string_append_printf(out, "%u", id);
    if (flags & FLAG_QR)
        append_answer(out, &m, flags, names);
    else
        append_query(out, &m, flags);
    if (m.bad)
        g_string_append(out, " [|domain]");
    g_string_append_printf(out, " (%u)", size);
}
