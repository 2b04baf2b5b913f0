#include "model/report/json_out.h"

#include <math.h>
#include <stdlib.h>

#define MAX_DEPTH 63

static void
newline(JsonOut *json)
{
    if (!json->pretty)
        return;
    g_string_append_c(json->out, '\n');
    for (uint32_t i = 0; i < json->depth; i++)
        g_string_append(json->out, "  ");
}

/* Before a value or a key: the comma that separates it from what came before. */
static void
separate(JsonOut *json)
{
    uint64_t bit = UINT64_C(1) << json->depth;

    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->depth == 0)
        return;
    if (json->has_items & bit)
        g_string_append_c(json->out, ',');
    json->has_items |= bit;
    newline(json);
}

static void
open_level(JsonOut *json, char c)
{
    separate(json);
    g_string_append_c(json->out, c);
    g_assert(json->depth < MAX_DEPTH);
    json->depth++;
    json->has_items &= ~(UINT64_C(1) << json->depth);
}

static void
close_level(JsonOut *json, char c)
{
    bool had_items = json->has_items & (UINT64_C(1) << json->depth);

    g_assert(json->depth > 0 && !json->after_key);
    json->depth--;
    if (had_items)
        newline(json);
    g_string_append_c(json->out, c);
}

static void
append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            g_string_append_printf(out, "\\%c", c);
        else if (c == '\n')
            g_string_append(out, "\\n");
        else if (c == '\t')
            g_string_append(out, "\\t");
        else if (c < 0x20)
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_c(out, (char)c);
    }
    g_string_append_c(out, '"');
}

JsonOut
json_out(GString *out, bool pretty)
{
    return (JsonOut){.out = out, .pretty = pretty};
}

void
json_out_done(JsonOut *json)
{
    g_assert(json->depth == 0 && !json->after_key);
    g_string_append_c(json->out, '\n');
}

void
json_object(JsonOut *json)
{
    open_level(json, '{');
}

void
json_object_end(JsonOut *json)
{
    close_level(json, '}');
}

void
json_array(JsonOut *json)
{
    open_level(json, '[');
}

void
json_array_end(JsonOut *json)
{
    close_level(json, ']');
}

void
json_key(JsonOut *json, const char *key)
{
    separate(json);
    append_quoted(json->out, key);
    g_string_append(json->out, json->pretty ? ": " : ":");
    json->after_key = true;
}

void
json_str(JsonOut *json, const char *text)
{
    if (!text) {
        json_null(json);
        return;
    }
    separate(json);
    append_quoted(json->out, text);
}

void
json_int(JsonOut *json, int64_t value)
{
    separate(json);
    g_string_append_printf(json->out, "%" G_GINT64_FORMAT, value);
}

void
json_uint(JsonOut *json, uint64_t value)
{
    separate(json);
    g_string_append_printf(json->out, "%" G_GUINT64_FORMAT, value);
}

void
json_num(JsonOut *json, double value)
{
    char buf[G_ASCII_DTOSTR_BUF_SIZE];

    if (!isfinite(value)) {
        json_null(json);
        return;
    }
    separate(json);
    for (int digits = 1; digits <= 17; digits++) {
        char format[8];
        g_snprintf(format, sizeof format, "%%.%dg", digits);
        g_ascii_formatd(buf, sizeof buf, format, value);
        if (g_ascii_strtod(buf, NULL) == value)
            break;
    }
    g_string_append(json->out, buf);
}

void
json_bool(JsonOut *json, bool value)
{
    separate(json);
    g_string_append(json->out, value ? "true" : "false");
}

void
json_null(JsonOut *json)
{
    separate(json);
    g_string_append(json->out, "null");
}

void
json_ipport(JsonOut *json, IpAddr addr, uint16_t port)
{
    char buf[IPPORT_STR_SIZE];

    json_str(json, ipport_format(addr, port, buf));
}

void
json_kv_str(JsonOut *json, const char *key, const char *text)
{
    json_key(json, key);
    json_str(json, text);
}

void
json_kv_int(JsonOut *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void
json_kv_num(JsonOut *json, const char *key, double value)
{
    json_key(json, key);
    json_num(json, value);
}

void
json_kv_bool(JsonOut *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
