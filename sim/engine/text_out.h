#ifndef SIM_ENGINE_TEXT_OUT_H
#define SIM_ENGINE_TEXT_OUT_H

/* Appending to a GString without formats: what printers of large rule sets do millions of times
 *
 * The same text as g_string_append_printf() would make, some ten times faster.  TEXT_LIT is for literals. */

#include <glib.h>
#include <stdint.h>
#include <string.h>

static inline void
text_append(GString *out, const char *text, size_t length)
{
    if (out->len + length >= out->allocated_len) {
        g_string_append_len(out, text, (gssize)length);
        return;
    }
    memcpy(out->str + out->len, text, length);
    out->len += length;
    out->str[out->len] = '\0';
}

static inline void
text_str(GString *out, const char *text)
{
    text_append(out, text, strlen(text));
}

#define TEXT_LIT(out, literal) text_append((out), "" literal, sizeof(literal) - 1)

static inline void
text_u64(GString *out, uint64_t value)
{
    char digits[20], *p = digits + sizeof digits;

    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    text_append(out, p, (size_t)(digits + sizeof digits - p));
}

#endif
