/* Values of options: numbers, ranges, marks, masks */

#include <string.h>

#include "sim/netfilter/ipt_parse.h"

bool
ipt_parse_u32(const char *text, uint32_t max, uint32_t *ret_value)
{
    char *end;
    guint64 value;

    if (!g_ascii_isdigit(*text))
        return false;
    value = g_ascii_strtoull(text, &end, 0);
    if (*end || value > max)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

bool
ipt_parse_value_mask(const char *text, uint32_t *ret_value, uint32_t *ret_mask)
{
    const char *slash = strchr(text, '/');
    g_autofree char *value = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);

    *ret_mask = UINT32_MAX;
    return ipt_parse_u32(value, UINT32_MAX, ret_value) && (!slash || ipt_parse_u32(slash + 1, UINT32_MAX, ret_mask));
}

bool
ipt_parse_range(const char *text, char separator, uint32_t max, uint32_t *ret_low, uint32_t *ret_high)
{
    const char *middle = strchr(text, separator);
    g_autofree char *low = middle ? g_strndup(text, (gsize)(middle - text)) : NULL;

    if (!middle) {
        if (!ipt_parse_u32(text, max, ret_low))
            return false;
        *ret_high = *ret_low;
        return true;
    }
    *ret_low = 0;
    *ret_high = max;
    if (*low && !ipt_parse_u32(low, max, ret_low))
        return false;
    if (middle[1] && !ipt_parse_u32(middle + 1, max, ret_high))
        return false;
    return *ret_low <= *ret_high;
}

bool
ipt_parse_mask_length(const char *text, IpFamily family, uint8_t *ret_len)
{
    uint32_t bits = family == FAMILY_IPV6 ? 128 : 32, length;
    IpAddr mask;

    if (!strpbrk(text, ".:")) {
        if (!ipt_parse_u32(text, bits, &length))
            return false;
        *ret_len = (uint8_t)length;
        return true;
    }
    if (!ipaddr_parse(text, &mask) || ipaddr_family(&mask) != family)
        return false;
    for (length = 0; length < bits; length++) {
        uint32_t bit = 128 - bits + length;
        if (!(mask.b[bit / 8] & 0x80 >> bit % 8))
            break;
    }
    for (uint32_t i = length; i < bits; i++) {
        uint32_t bit = 128 - bits + i;
        if (mask.b[bit / 8] & 0x80 >> bit % 8)
            return false;
    }
    *ret_len = (uint8_t)length;
    return true;
}
