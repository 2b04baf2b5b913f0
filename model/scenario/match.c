#include "model/scenario/match.h"

#include <math.h>
#include <string.h>

/* Times in ms and shares are sums of binary fractions: equality within this. */
#define EPSILON 1e-9

Value
value_text(const char *text)
{
    return (Value){.kind = text ? VALUE_TEXT : VALUE_NONE, .text = text};
}

Value
value_number(double number)
{
    return (Value){.kind = VALUE_NUMBER, .number = number};
}

Value
value_bool(bool truth)
{
    return (Value){.kind = VALUE_BOOL, .truth = truth};
}

static bool
parse_number(const char *text, double *ret_number)
{
    char *end;

    *ret_number = g_ascii_strtod(text, &end);
    return end != text && *end == '\0';
}

/* "<=3", ">0.5", "3". */
static bool
number_matches(double got, const char *text)
{
    double want;
    size_t skip = strspn(text, "<>=");

    if (!parse_number(text + skip + strspn(text + skip, " "), &want))
        return false;
    if (strncmp(text, "<=", 2) == 0)
        return got <= want + EPSILON;
    if (strncmp(text, ">=", 2) == 0)
        return got >= want - EPSILON;
    if (text[0] == '<')
        return got < want;
    if (text[0] == '>')
        return got > want;
    return fabs(got - want) <= EPSILON;
}

static bool
scalar_matches(const Value *value, const char *text)
{
    switch (value->kind) {
    case VALUE_NONE:
        return false;
    case VALUE_TEXT:
        return g_pattern_match_simple(text, value->text);
    case VALUE_NUMBER:
        return number_matches(value->number, text);
    case VALUE_BOOL:
        return g_ascii_strcasecmp(text, value->truth ? "true" : "false") == 0;
    }
    return false;
}

static const DocNode *
member(const DocNode *map, const char *key)
{
    for (uint32_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

static bool
range_matches(const Value *value, const DocNode *range)
{
    const DocNode *min = member(range, "min"), *max = member(range, "max");
    double bound;

    if (value->kind != VALUE_NUMBER)
        return false;
    if (min && parse_number(min->text, &bound) && value->number < bound - EPSILON)
        return false;
    if (max && parse_number(max->text, &bound) && value->number > bound + EPSILON)
        return false;
    return min || max;
}

bool
value_matches(const Value *value, const DocNode *expected)
{
    switch (expected->kind) {
    case NODE_NULL:
        return value->kind == VALUE_NONE;
    case NODE_SCALAR:
        return scalar_matches(value, expected->text);
    case NODE_SEQUENCE:
        for (uint32_t i = 0; i < expected->n; i++)
            if (value_matches(value, expected->items[i]))
                return true;
        return false;
    case NODE_MAPPING:
        return range_matches(value, expected);
    }
    return false;
}

void
value_print(GString *out, const Value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        g_string_append(out, "none");
        return;
    case VALUE_TEXT:
        g_string_append(out, value->text);
        return;
    case VALUE_NUMBER:
        g_string_append_printf(out, "%g", value->number);
        return;
    case VALUE_BOOL:
        g_string_append(out, value->truth ? "true" : "false");
        return;
    }
}

void
expected_print(GString *out, const DocNode *expected)
{
    doc_write_flow(expected, out);
}
