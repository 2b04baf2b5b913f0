#include "model/report/advise.h"

#include "model/report/whatif.h"

#include <math.h>
#include <string.h>

#define BAR_WIDTH 40

/* The value next to the best one on the side that loses; NULL: none. */
static const SearchPoint *
next_worse(const SearchRange *range, const SearchResult *result)
{
    switch (result->verdict) {
    case SEARCH_SMALLEST:
        return search_point(result, result->best - range->step);
    case SEARCH_LARGEST:
        return search_point(result, result->best + range->step);
    case SEARCH_NONE:
        return search_point(result, result->best);
    case SEARCH_ALL:
    case SEARCH_FAILED:
        break;
    }
    return NULL;
}

static char *
verdict_text(const SearchRange *range, const SearchResult *result, size_t n_seeds)
{
    g_autofree char *best = search_value_text(range, result->best);
    g_autofree char *low = search_value_text(range, range->low);
    g_autofree char *high = search_value_text(range, range->high);
    g_autofree char *seeds = n_seeds > 1 ? g_strdup_printf(" (over %zu seeds)", n_seeds) : g_strdup("");
    const SearchPoint *point = search_point(result, result->best);

    g_autofree char *rest =
        result->floor ? g_strdup_printf("%u of %u are lost even then, by another cause", result->floor, point->tried)
                      : g_strdup("nothing is lost then");

    switch (result->verdict) {
    case SEARCH_SMALLEST:
        return g_strdup_printf("%s must be at least %s: %s%s", range->field, best, rest, seeds);
    case SEARCH_LARGEST:
        return g_strdup_printf("%s must be at most %s: %s%s", range->field, best, rest, seeds);
    case SEARCH_ALL:
        return result->floor ? g_strdup_printf("%s does not matter from %s to %s: %u of %u are lost%s", range->field,
                                               low, high, result->floor, point->tried, seeds)
                             : g_strdup_printf("nothing is lost%s at any value of %s from %s to %s", seeds,
                                               range->field, low, high);
    case SEARCH_NONE:
        return g_strdup_printf("no value of %s from %s to %s avoids losses%s; %s loses least: %u of %u", range->field,
                               low, high, seeds, best, point->lost, point->tried);
    case SEARCH_FAILED:
        break;
    }
    return g_strdup_printf("no answer about %s", range->field);
}

static void
print_curve(GString *out, const SearchRange *range, const SearchResult *result)
{
    uint32_t most = 1;

    for (uint32_t i = 0; i < result->n_points; i++)
        most = MAX(most, result->points[i].lost);
    g_string_append_printf(out, "  %10s  %8s\n", "value", "lost");
    for (uint32_t i = 0; i < result->n_points; i++) {
        const SearchPoint *p = &result->points[i];
        g_autofree char *value = search_value_text(range, p->value);
        g_autofree char *bar = g_strnfill((gsize)ceil((double)p->lost * BAR_WIDTH / most), '#');
        g_string_append_printf(out, "  %10s  %8u  %s%s", value, p->lost, bar,
                               p->interrupted             ? " (interrupted)"
                               : p->value == result->best ? " <- this one"
                                                          : "");
        while (out->len && out->str[out->len - 1] == ' ')
            g_string_truncate(out, out->len - 1);
        g_string_append_c(out, '\n');
    }
}

void
advise_print_text(GString *out, const SearchRange *range, const SearchResult *result, size_t n_seeds)
{
    g_autofree char *verdict = verdict_text(range, result, n_seeds);
    const SearchPoint *worse = next_worse(range, result);
    const LossWindow *w = search_worst_window(worse);

    g_string_append_printf(out, "%s.\n", verdict);
    if (w) {
        g_autofree char *value = search_value_text(range, worse->value);
        g_string_append_printf(out, "With %s:\n", value);
        whatif_print_window(out, w);
    }
    if (result->floor && result->verdict != SEARCH_NONE && search_point(result, result->best)->measures) {
        const LossWindow *always = search_worst_window(search_point(result, result->best));
        if (always) {
            g_string_append(out, "What is lost even then:\n");
            whatif_print_window(out, always);
        }
    }
    if (!result->monotone)
        g_string_append(out,
                        "  Losses come and go over the range: other values in between may do as well, or worse.\n");
    for (uint32_t i = 0; i < result->n_points; i++)
        if (result->points[i].error) {
            g_string_append_printf(out, "  could not run: %s\n", result->points[i].error);
            return;
        }
    print_curve(out, range, result);
}

void
advise_print_json(JsonOut *json, const SearchRange *range, const SearchResult *result, size_t n_seeds)
{
    static const char *const verdicts[] = {"smallest", "largest", "all", "none", "failed"};
    g_autofree char *best = search_value_text(range, result->best);
    g_autofree char *verdict = verdict_text(range, result, n_seeds);
    const LossWindow *w = search_worst_window(next_worse(range, result));

    json_object(json);
    json_kv_str(json, "field", range->field);
    json_kv_str(json, "verdict", verdicts[result->verdict]);
    json_kv_str(json, "best", result->verdict == SEARCH_ALL || result->verdict == SEARCH_FAILED ? NULL : best);
    json_kv_str(json, "text", verdict);
    json_kv_int(json, "floor", result->floor);
    json_kv_bool(json, "monotone", result->monotone);
    json_kv_str(json, "cause", w ? w->cause : NULL);
    json_kv_str(json, "clock", w ? w->clock : NULL);
    json_kv_str(json, "fix", w ? w->fix : NULL);
    json_key(json, "curve");
    json_array(json);
    for (uint32_t i = 0; i < result->n_points; i++) {
        const SearchPoint *p = &result->points[i];
        g_autofree char *value = search_value_text(range, p->value);
        json_object(json);
        json_kv_str(json, "value", value);
        json_kv_int(json, "tried", p->tried);
        json_kv_int(json, "lost", p->lost);
        if (p->error)
            json_kv_str(json, "error", p->error);
        if (p->interrupted)
            json_kv_bool(json, "interrupted", true);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}
