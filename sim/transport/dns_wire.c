#include "sim/transport/dns_wire.h"

#include <glib.h>

enum { DNS_CLASS_IN = 1, DNS_TYPE_SOA = 6, DNS_HEADER_SIZE = 12, DNS_NEGATIVE_TTL = 5 };

typedef struct {
    uint8_t *data;
    size_t len, max;
    bool full;
} Writer;

static void put_u16(Writer *w, uint16_t value);
static void put_u32(Writer *w, uint32_t value);
static bool put_name(Writer *w, const char *name);
static void put_soa(Writer *w, const char *zone);
static bool put_record(Writer *w, uint16_t type, const DnsAnswer *answer, uint32_t i);
static bool get_name(const uint8_t *data, size_t size, size_t *at, char ret_name[static DNS_NAME_SIZE]);
static uint16_t get_u16(const uint8_t *data);

size_t
dns_write_query(uint8_t *buf, uint16_t id, const char *name, uint16_t type)
{
    Writer w = {buf, 0, DNS_UDP_MAX, false};

    put_u16(&w, id);
    put_u16(&w, 0x0100); /* RD. */
    put_u16(&w, 1);
    put_u16(&w, 0);
    put_u32(&w, 0);
    if (!put_name(&w, name))
        return 0;
    put_u16(&w, type);
    put_u16(&w, DNS_CLASS_IN);
    return w.full ? 0 : w.len;
}

size_t
dns_write_answer(uint8_t *buf, size_t max_size, const DnsQuestion *question, const DnsAnswer *answer)
{
    Writer w = {buf, 0, max_size, false};
    bool named = question->type == DNS_TYPE_PTR || question->type == DNS_TYPE_SRV || question->type == DNS_TYPE_CNAME;
    uint32_t n = answer->rcode != DNS_NOERROR ? 0 : named ? answer->target != NULL : answer->n_addrs, written = 0;
    bool truncated = false;

    put_u16(&w, question->id);
    put_u16(&w, 0); /* Flags and counts at the end. */
    put_u16(&w, 1);
    put_u16(&w, 0);
    put_u32(&w, 0);
    put_name(&w, question->name);
    put_u16(&w, question->type);
    put_u16(&w, DNS_CLASS_IN);
    for (uint32_t i = 0; i < n; i++) {
        size_t before = w.len;
        if (!named && ipaddr_is_v4(&answer->addrs[i]) != (question->type == DNS_TYPE_A))
            continue;
        if (!put_record(&w, question->type, answer, i)) {
            w.len = before;
            truncated = true;
            break;
        }
        written++;
    }
    if (written == 0 && !truncated && (answer->rcode == DNS_NOERROR || answer->rcode == DNS_NXDOMAIN)) {
        put_soa(&w, answer->zone ? answer->zone : "cluster.local");
        buf[9] = 1;
    }
    /* QR, AA, RA; RD and the id are the question's. */
    buf[2] = (uint8_t)(0x84 | (truncated ? 2 : 0) | (question->recursion_desired ? 1 : 0));
    buf[3] = (uint8_t)(0x80 | answer->rcode);
    buf[7] = (uint8_t)written;
    return w.len;
}

bool
dns_read(const uint8_t *data, size_t size, DnsQuestion *ret_question, DnsAnswer *ret_answer)
{
    size_t at = DNS_HEADER_SIZE;
    DnsQuestion question = {0};
    uint16_t n_answers;

    if (size < DNS_HEADER_SIZE || get_u16(data + 4) != 1)
        return false;
    question.id = get_u16(data);
    question.response = data[2] & 0x80;
    question.truncated = data[2] & 0x02;
    question.recursion_desired = data[2] & 0x01;
    question.rcode = data[3] & 0x0f;
    if (!get_name(data, size, &at, question.name) || at + 4 > size)
        return false;
    question.type = get_u16(data + at);
    at += 4;
    *ret_question = question;
    if (!ret_answer)
        return true;
    memset(ret_answer, 0, sizeof *ret_answer);
    ret_answer->rcode = question.rcode;
    n_answers = get_u16(data + 6);
    for (uint16_t i = 0; i < n_answers; i++) {
        char name[DNS_NAME_SIZE];
        uint16_t type, len;
        IpAddr addr = {0};
        if (!get_name(data, size, &at, name) || at + 10 > size)
            return false;
        type = get_u16(data + at);
        len = get_u16(data + at + 8);
        ret_answer->ttl = (uint32_t)get_u16(data + at + 4) << 16 | get_u16(data + at + 6);
        at += 10;
        if (at + len > size)
            return false;
        if (ret_answer->n_addrs < G_N_ELEMENTS(ret_answer->addrs) && type == question.type) {
            if (type == DNS_TYPE_A && len == 4)
                ret_answer->addrs[ret_answer->n_addrs++] =
                    ipaddr_v4(data[at], data[at + 1], data[at + 2], data[at + 3]);
            if (type == DNS_TYPE_AAAA && len == 16) {
                memcpy(addr.b, data + at, 16);
                ret_answer->addrs[ret_answer->n_addrs++] = addr;
            }
        }
        at += len;
    }
    return true;
}

static bool
put_record(Writer *w, uint16_t type, const DnsAnswer *answer, uint32_t i)
{
    size_t length_at;

    put_u16(w, 0xc000 | DNS_HEADER_SIZE); /* The question's name. */
    put_u16(w, type);
    put_u16(w, DNS_CLASS_IN);
    put_u32(w, answer->ttl);
    length_at = w->len;
    put_u16(w, 0);
    if (type == DNS_TYPE_A) {
        put_u32(w, ipaddr_to_u32(answer->addrs[i]));
    } else if (type == DNS_TYPE_AAAA) {
        for (uint32_t b = 0; b < 16; b += 2)
            put_u16(w, get_u16(answer->addrs[i].b + b));
    } else {
        if (type == DNS_TYPE_SRV) {
            put_u16(w, 0);
            put_u16(w, 100);
            put_u16(w, answer->port);
        }
        if (!put_name(w, answer->target))
            return false;
    }
    if (w->full)
        return false;
    w->data[length_at] = (uint8_t)((w->len - length_at - 2) >> 8);
    w->data[length_at + 1] = (uint8_t)(w->len - length_at - 2);
    return true;
}

/* As CoreDNS's kubernetes plugin answers, but a fixed serial. */
static void
put_soa(Writer *w, const char *zone)
{
    g_autofree char *ns = g_strdup_printf("ns.dns.%s", zone), *mbox = g_strdup_printf("hostmaster.%s", zone);
    size_t length_at;

    put_name(w, zone);
    put_u16(w, DNS_TYPE_SOA);
    put_u16(w, DNS_CLASS_IN);
    put_u32(w, DNS_NEGATIVE_TTL);
    length_at = w->len;
    put_u16(w, 0);
    put_name(w, ns);
    put_name(w, mbox);
    put_u32(w, 946684800);
    put_u32(w, 7200);
    put_u32(w, 1800);
    put_u32(w, 86400);
    put_u32(w, DNS_NEGATIVE_TTL);
    if (w->full)
        return;
    w->data[length_at] = (uint8_t)((w->len - length_at - 2) >> 8);
    w->data[length_at + 1] = (uint8_t)(w->len - length_at - 2);
}

static bool
put_name(Writer *w, const char *name)
{
    size_t total = strlen(name);

    if (total > 253)
        return false;
    while (*name) {
        size_t len = strcspn(name, ".");
        if (len == 0 || len > 63 || w->len + len + 2 > w->max) {
            w->full = w->full || len <= 63;
            return false;
        }
        w->data[w->len++] = (uint8_t)len;
        memcpy(w->data + w->len, name, len);
        w->len += len;
        name += len;
        if (*name == '.')
            name++;
    }
    if (w->len < w->max)
        w->data[w->len++] = 0;
    else
        w->full = true;
    return !w->full;
}

static void
put_u16(Writer *w, uint16_t value)
{
    if (w->len + 2 > w->max) {
        w->full = true;
        return;
    }
    w->data[w->len++] = (uint8_t)(value >> 8);
    w->data[w->len++] = (uint8_t)value;
}

static void
put_u32(Writer *w, uint32_t value)
{
    put_u16(w, (uint16_t)(value >> 16));
    put_u16(w, (uint16_t)value);
}

/* Follows compression pointers, each to an earlier place, so that it ends. */
static bool
get_name(const uint8_t *data, size_t size, size_t *at, char ret_name[static DNS_NAME_SIZE])
{
    size_t pos = *at, n = 0, limit = size;
    bool jumped = false;

    while (pos < size) {
        uint8_t len = data[pos];
        if (len == 0) {
            if (!jumped)
                *at = pos + 1;
            ret_name[n ? n - 1 : 0] = '\0';
            return true;
        }
        if ((len & 0xc0) == 0xc0) {
            size_t target;
            if (pos + 1 >= size)
                return false;
            target = (size_t)(get_u16(data + pos) & 0x3fff);
            if (!jumped)
                *at = pos + 2;
            if (target >= MIN(limit, pos))
                return false;
            limit = target;
            pos = target;
            jumped = true;
            continue;
        }
        if (len > 63 || pos + 1 + len > size || n + len + 1 >= DNS_NAME_SIZE)
            return false;
        for (uint8_t i = 0; i < len; i++)
            ret_name[n++] = g_ascii_tolower((char)data[pos + 1 + i]);
        ret_name[n++] = '.';
        pos += 1u + len;
    }
    return false;
}

static uint16_t
get_u16(const uint8_t *data)
{
    return (uint16_t)(data[0] << 8 | data[1]);
}
