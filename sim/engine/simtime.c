/* Simulated time: text in and out.  Syntax after Go's time.ParseDuration, by integers only. */

#include "sim/engine/simtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_SCALE_MAX INT64_C(1000000000000000000)

static const struct {
    const char *name;
    SimTime ns;
} units[] = {
    /* A name that is the beginning of another one stands behind it. */
    {"ns", SIMTIME_NSEC},           {"us", SIMTIME_USEC}, {"\xc2\xb5s", SIMTIME_USEC}, /* U+00B5 micro sign */
    {"\xce\xbcs", SIMTIME_USEC},                                                       /* U+03BC Greek mu */
    {"ms", SIMTIME_MSEC},           {"s", SIMTIME_SEC},   {"m", 60 * SIMTIME_SEC},     {"h", 3600 * SIMTIME_SEC},
    {"d", 24 * 3600 * SIMTIME_SEC},
};

static const char *parse_term(const char *text, SimTime *ret_time);

bool
simtime_parse(const char *text, SimTime *ret_time)
{
    SimTime sum = 0;

    if (*text == '+')
        text++;
    if (strcmp(text, "0") == 0) {
        *ret_time = 0;
        return true;
    }
    if (!*text)
        return false;
    while (*text) {
        SimTime term;
        text = parse_term(text, &term);
        if (!text || __builtin_add_overflow(sum, term, &sum))
            return false;
    }
    *ret_time = sum;
    return true;
}

char *
simtime_format(SimTime t, char buf[static SIMTIME_STR_SIZE])
{
    static const struct {
        const char *name;
        uint64_t ns;
        int digits;
    } steps[] = {{"s", 1000000000, 9}, {"ms", 1000000, 6}, {"us", 1000, 3}, {"ns", 1, 0}};
    const char *sign = t < 0 ? "-" : "";
    uint64_t abs = t < 0 ? -(uint64_t)t : (uint64_t)t;
    size_t i = 0;
    int digits;
    uint64_t fraction;

    if (t == SIMTIME_NEVER)
        return strcpy(buf, "never");
    if (t == 0)
        return strcpy(buf, "0s");
    while (abs < steps[i].ns)
        i++;
    digits = steps[i].digits;
    fraction = abs % steps[i].ns;
    while (digits > 0 && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    if (digits > 0)
        snprintf(buf, SIMTIME_STR_SIZE, "%s%" PRIu64 ".%0*" PRIu64 "%s", sign, abs / steps[i].ns, digits, fraction,
                 steps[i].name);
    else
        snprintf(buf, SIMTIME_STR_SIZE, "%s%" PRIu64 "%s", sign, abs / steps[i].ns, steps[i].name);
    return buf;
}

/* Reads one "1.5s"; returns what follows it, or NULL. */
static const char *
parse_term(const char *text, SimTime *ret_time)
{
    int64_t whole = 0, fraction = 0, scale = 1;
    bool any = false;

    for (; *text >= '0' && *text <= '9'; text++, any = true) {
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, *text - '0', &whole))
            return NULL;
    }
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9'; text++, any = true) {
            if (scale == FRACTION_SCALE_MAX)
                continue; /* Far below a nanosecond. */
            fraction = fraction * 10 + (*text - '0');
            scale *= 10;
        }
    }
    if (!any)
        return NULL;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(units[i].name);
        SimTime part;
        if (strncmp(text, units[i].name, len) != 0)
            continue;
        part = (SimTime)((__int128)fraction * units[i].ns / scale);
        if (__builtin_mul_overflow(whole, units[i].ns, &whole) || __builtin_add_overflow(whole, part, ret_time))
            return NULL;
        return text + len;
    }
    return NULL;
}
