#include "sim/transport/http_parse.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim/packet/capture.h"

static void forget_message(HttpParser *parser);
static bool parse_head(HttpParser *parser);
static bool parse_first_line(HttpParser *parser, char *line);
static bool parse_length(HttpParser *parser);
static HttpParse proxy_v1(const char *data, size_t len, size_t *ret_size, char *ret_src);
static HttpParse proxy_v2(const uint8_t *data, size_t len, size_t *ret_size, char *ret_src);

void
http_parser_feed(HttpParser *parser, const Payload *payload)
{
    uint32_t n = payload->len, skip = 0;

    if (parser->head_size && !parser->keep_body && parser->body_seen < parser->body_size) {
        skip = (uint32_t)MIN((uint64_t)n, parser->body_size - parser->body_seen); /* Counted, not kept. */
        parser->body_seen += skip;
        n -= skip;
    }
    if (parser->len + n + 1 > parser->cap) {
        parser->cap = MAX(parser->len + n + 1, parser->cap * 2);
        parser->data = g_realloc(parser->data, parser->cap);
    }
    if (payload->buf)
        memcpy(parser->data + parser->len, payload->buf->data + payload->offset + skip, n);
    else
        memset(parser->data + parser->len, 0, n);
    parser->len += n;
    parser->data[parser->len] = '\0';
}

/* The first "\r\n" before 'end', or NULL. */
static char *
find_line_end(char *at, const char *end)
{
    for (; at < end; at++) {
        at = memchr(at, '\r', (size_t)(end - at));
        if (!at)
            return NULL;
        if (at + 1 < end && at[1] == '\n')
            return at;
    }
    return NULL;
}

/* Where the empty line behind the head begins, by the end of the line before it; or NULL. */
static char *
find_head_end(char *data, size_t len)
{
    const char *end = data + len;

    for (char *at = data; len > 0 && (at = find_line_end(at, end)); at += 2)
        if (end - at >= 4 && at[2] == '\r' && at[3] == '\n')
            return at;
    return NULL;
}

HttpParse
http_parser_parse(HttpParser *parser, bool eof)
{
    if (!parser->head_size) {
        const char *end = find_head_end(parser->data, parser->len);
        if (!end)
            return parser->len > HTTP_MAX_HEAD_SIZE || (eof && parser->len) ? HTTP_BAD : HTTP_MORE;
        parser->head_size = (size_t)(end - parser->data) + 4;
        if (parser->head_size > UINT16_MAX || !parse_head(parser))
            return HTTP_BAD;
    }
    if (parser->keep_body || parser->until_eof) {
        parser->body_seen = parser->len - parser->head_size;
    } else if (parser->body_seen < parser->body_size) {
        size_t n = (size_t)MIN(parser->len - parser->head_size, parser->body_size - parser->body_seen);
        memmove(parser->data + parser->head_size, parser->data + parser->head_size + n,
                parser->len - parser->head_size - n);
        parser->len -= n;
        parser->body_seen += n;
    }
    if (parser->until_eof)
        return eof ? HTTP_DONE : HTTP_MORE;
    if (parser->body_seen >= parser->body_size)
        return HTTP_DONE;
    return eof ? HTTP_BAD : HTTP_MORE;
}

const char *
http_parser_header(const HttpParser *parser, const char *name)
{
    for (uint32_t i = 0; i < parser->n_headers; i++) {
        const char *text = parser->data + parser->headers[i].name;
        if (g_ascii_tolower(text[0]) == g_ascii_tolower(name[0]) && g_ascii_strcasecmp(text, name) == 0)
            return parser->data + parser->headers[i].value;
    }
    return NULL;
}

const char *
http_parser_body(const HttpParser *parser, size_t *ret_size)
{
    *ret_size = parser->until_eof ? parser->len - parser->head_size : (size_t)parser->body_size;
    return parser->data + parser->head_size;
}

void
http_parser_next(HttpParser *parser)
{
    size_t used = parser->head_size;

    if (parser->until_eof)
        used = parser->len;
    else if (parser->keep_body)
        used += (size_t)parser->body_size;
    http_parser_skip(parser, used);
    forget_message(parser);
}

void
http_parser_reset(HttpParser *parser)
{
    parser->len = 0;
    forget_message(parser);
}

void
http_parser_skip(HttpParser *parser, size_t n)
{
    g_assert(n <= parser->len);
    memmove(parser->data, parser->data + n, parser->len - n);
    parser->len -= n;
}

void
http_parser_clear(HttpParser *parser)
{
    g_free(parser->data);
    parser->data = NULL;
    parser->len = parser->cap = 0;
}

HttpParse
proxy_header_parse(const char *data, size_t len, size_t *ret_size, char ret_src[static IPPORT_STR_SIZE])
{
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

    ret_src[0] = '\0';
    if (memcmp(data, signature, MIN(len, 12)) == 0)
        return len < 16 ? HTTP_MORE : proxy_v2((const uint8_t *)data, len, ret_size, ret_src);
    if (memcmp(data, "PROXY ", MIN(len, 6)) == 0)
        return len < 6 ? HTTP_MORE : proxy_v1(data, len, ret_size, ret_src);
    return HTTP_BAD;
}

static void
put_two_digits(char *at, int n)
{
    at[0] = (char)('0' + n / 10 % 10);
    at[1] = (char)('0' + n % 10);
}

char *
http_date_format(SimTime at, char buf[static HTTP_DATE_SIZE])
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(CAPTURE_EPOCH_SEC + at / SIMTIME_SEC);
    int year;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    year = tm.tm_year + 1900;
    /* Each answer bears one, and printf() would be a good part of making it. */
    memcpy(buf, "ddd, dd mmm yyyy hh:mm:ss GMT", sizeof "ddd, dd mmm yyyy hh:mm:ss GMT");
    memcpy(buf, days + 3 * tm.tm_wday, 3);
    put_two_digits(buf + 5, tm.tm_mday);
    memcpy(buf + 8, months + 3 * tm.tm_mon, 3);
    put_two_digits(buf + 12, year / 100);
    put_two_digits(buf + 14, year % 100);
    put_two_digits(buf + 17, tm.tm_hour);
    put_two_digits(buf + 20, tm.tm_min);
    put_two_digits(buf + 23, tm.tm_sec);
    return buf;
}

const char *
http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {204, "No Content"},
                   {301, "Moved Permanently"},
                   {302, "Found"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};

    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

static void
forget_message(HttpParser *parser)
{
    parser->head_size = 0;
    parser->body_size = parser->body_seen = 0;
    parser->until_eof = false;
    parser->n_headers = 0;
}

/* Cuts the head into NUL-terminated texts in place. */
static bool
parse_head(HttpParser *parser)
{
    char *at = parser->data, *head_end = parser->data + parser->head_size - 2;
    bool first = true;

    while (at < head_end) {
        char *line_end = find_line_end(at, head_end + 2);
        char *colon, *value;
        if (memchr(at, '\0', (size_t)(line_end - at)))
            return false;
        *line_end = '\0';
        if (first) {
            if (!parse_first_line(parser, at))
                return false;
            first = false;
        } else {
            colon = strchr(at, ':');
            if (!colon || colon == at || parser->n_headers == HTTP_MAX_HEADERS)
                return false;
            *colon = '\0';
            value = g_strstrip(colon + 1);
            parser->headers[parser->n_headers].name = (uint16_t)(at - parser->data);
            parser->headers[parser->n_headers].value = (uint16_t)(value - parser->data);
            parser->n_headers++;
        }
        at = line_end + 2;
    }
    return !first && parse_length(parser);
}

static bool
parse_first_line(HttpParser *parser, char *line)
{
    char *space = strchr(line, ' '), *second;

    if (!space || space == line)
        return false;
    *space = '\0';
    second = space + 1;
    if (parser->response) {
        if (strncmp(line, "HTTP/1.", 7) != 0 || !g_ascii_isdigit(second[0]) || !g_ascii_isdigit(second[1]) ||
            !g_ascii_isdigit(second[2]) || (second[3] != ' ' && second[3] != '\0'))
            return false;
        parser->status = (second[0] - '0') * 100 + (second[1] - '0') * 10 + (second[2] - '0');
        parser->keep_alive = strcmp(line, "HTTP/1.0") != 0;
        return true;
    }
    space = strchr(second, ' ');
    if (!space || space == second || strncmp(space + 1, "HTTP/1.", 7) != 0)
        return false;
    *space = '\0';
    parser->keep_alive = strcmp(space + 1, "HTTP/1.0") != 0;
    parser->method = (uint32_t)(line - parser->data);
    parser->path = (uint32_t)(second - parser->data);
    return true;
}

static bool
parse_length(HttpParser *parser)
{
    const char *length = http_parser_header(parser, "Content-Length");
    const char *connection = http_parser_header(parser, "Connection");
    char *end;

    if (connection && g_ascii_strcasecmp(connection, "close") == 0)
        parser->keep_alive = false;
    if (http_parser_header(parser, "Transfer-Encoding"))
        return false;
    parser->body_size = 0;
    if (parser->response && (parser->head_answer || parser->status == 204 || parser->status == 304))
        return true;
    if (!length) {
        parser->until_eof = parser->response;
        return true;
    }
    if (!g_ascii_isdigit(length[0]))
        return false;
    parser->body_size = g_ascii_strtoull(length, &end, 10);
    return *end == '\0' && parser->body_size <= UINT32_MAX;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", at most 107 bytes. */
static HttpParse
proxy_v1(const char *data, size_t len, size_t *ret_size, char *ret_src)
{
    const char *end = memmem(data, MIN(len, 107), "\r\n", 2);
    g_auto(GStrv) words = NULL;
    g_autofree char *line = NULL;
    IpAddr addr;

    if (!end)
        return len >= 107 ? HTTP_BAD : HTTP_MORE;
    *ret_size = (size_t)(end - data) + 2;
    line = g_strndup(data, (size_t)(end - data));
    words = g_strsplit(line, " ", 7);
    if (g_strcmp0(words[1], "UNKNOWN") == 0)
        return HTTP_DONE;
    if (g_strv_length(words) != 6 || (strcmp(words[1], "TCP4") != 0 && strcmp(words[1], "TCP6") != 0) ||
        !ipaddr_parse(words[2], &addr))
        return HTTP_BAD;
    ipport_format(addr, (uint16_t)atoi(words[4]), ret_src);
    return HTTP_DONE;
}

static HttpParse
proxy_v2(const uint8_t *data, size_t len, size_t *ret_size, char *ret_src)
{
    size_t size = 16 + (size_t)((data[14] << 8) | data[15]);
    IpAddr addr = {0};

    if (data[12] >> 4 != 2)
        return HTTP_BAD;
    if (len < size)
        return HTTP_MORE;
    *ret_size = size;
    if ((data[12] & 0xf) == 0) /* LOCAL: the balancer's own connection. */
        return HTTP_DONE;
    if (data[13] == 0x11 && size >= 28) {
        ipport_format(ipaddr_v4(data[16], data[17], data[18], data[19]), (uint16_t)(data[24] << 8 | data[25]), ret_src);
    } else if (data[13] == 0x21 && size >= 52) {
        memcpy(addr.b, data + 16, 16);
        ipport_format(addr, (uint16_t)(data[48] << 8 | data[49]), ret_src);
    }
    return HTTP_DONE;
}
