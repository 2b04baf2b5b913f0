#include "model/scenario/search.h"

#include <string.h>

#include "sim/engine/vec.h"

/* Values over the range that are run first. */
#define N_SAMPLES 9
/* Values beyond the border that are run as well: few connections fall into a short window, some values are lucky. */
#define N_NEIGHBOURS 6

typedef struct {
    const char *const *files;
    size_t n_files;
    const SearchRange *range;
    const uint64_t *seeds;
    size_t n_seeds;
    const volatile sig_atomic_t *stop;
    uint32_t floor;
    VEC(SearchPoint) points;
} Search;

/* --- Ranges ------------------------------------------------------------------------------------------------------ */

static bool
is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

static bool
read_value(const char *text, bool duration, int64_t *ret_value)
{
    SimTime t;

    if (!duration)
        return g_ascii_string_to_signed(text, 10, 0, INT32_MAX, ret_value, NULL);
    if (is_number(text)) { /* "0..120s" */
        g_autofree char *with_unit = g_strconcat(text, "s", NULL);
        if (!simtime_parse(with_unit, &t))
            return false;
    } else if (!simtime_parse(text, &t)) {
        return false;
    }
    *ret_value = t;
    return true;
}

bool
search_range_parse(const char *text, const char *step, SearchRange *ret_range)
{
    const char *equals = strchr(text, '=');
    const char *dots = equals ? strstr(equals, "..") : NULL;
    g_autofree char *low = dots ? g_strndup(equals + 1, (gsize)(dots - equals - 1)) : NULL;

    *ret_range = (SearchRange){0};
    if (!dots || equals == text)
        return false;
    ret_range->duration = !is_number(dots + 2) || !is_number(low) || (step && !is_number(step));
    if (!read_value(low, ret_range->duration, &ret_range->low) ||
        !read_value(dots + 2, ret_range->duration, &ret_range->high) || ret_range->high <= ret_range->low)
        return false;
    ret_range->step = ret_range->duration ? SIMTIME_SEC : 1;
    if (step && (!read_value(step, ret_range->duration, &ret_range->step) || ret_range->step <= 0))
        return false;
    ret_range->field = g_strndup(text, (gsize)(equals - text));
    return true;
}

void
search_range_clear(SearchRange *range)
{
    g_free(range->field);
    *range = (SearchRange){0};
}

char *
search_value_text(const SearchRange *range, int64_t value)
{
    if (!range->duration)
        return g_strdup_printf("%" G_GINT64_FORMAT, value);
    if (value % SIMTIME_SEC == 0)
        return g_strdup_printf("%" G_GINT64_FORMAT "s", value / SIMTIME_SEC);
    return g_strdup_printf("%" G_GINT64_FORMAT "ms", value / SIMTIME_MSEC);
}

/* --- Runs -------------------------------------------------------------------------------------------------------- */

static void
take_results(SearchPoint *point, VariantResult *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        VariantResult *r = &results[i];
        bool worse = false;
        point->interrupted |= r->interrupted;
        point->limited |= r->limited;
        if (r->error && !point->error)
            point->error = g_steal_pointer(&r->error);
        if (r->measures) {
            point->tried += r->measures->tried;
            worse = measures_lost(r->measures) > 0 && point->lost == 0;
            point->lost += measures_lost(r->measures);
        }
        if (worse || !point->measures) {
            measures_free(point->measures);
            point->measures = g_steal_pointer(&r->measures);
        }
        variant_result_clear(r);
    }
}

static int
compare_points(gconstpointer a, gconstpointer b, gpointer unused)
{
    const SearchPoint *x = a, *y = b;

    (void)unused;
    return (x->value > y->value) - (x->value < y->value);
}

static void
run_values(Search *s, const int64_t *values, size_t n)
{
    g_autofree Variant *variants = g_new0(Variant, n);
    g_autofree VariantResult *results = g_new0(VariantResult, n * s->n_seeds);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *value = search_value_text(s->range, values[i]);
        variants[i].name = g_strdup(value);
        variants[i].overrides = g_new0(char *, 2);
        variants[i].overrides[0] = g_strconcat(s->range->field, "=", value, NULL);
    }
    variants_run(s->files, s->n_files, variants, n, s->seeds, s->n_seeds, results,
                 &(VariantsOptions){.stop = s->stop, .event_limit = SCENARIO_EVENT_LIMIT});
    for (size_t i = 0; i < n; i++) {
        SearchPoint point = {.value = values[i]};
        take_results(&point, &results[i * s->n_seeds], s->n_seeds);
        vec_push(&s->points, point);
        variant_clear(&variants[i]);
    }
    g_qsort_with_data(s->points.data, (gint)s->points.len, sizeof(SearchPoint), compare_points, NULL);
}

static void
run_samples(Search *s)
{
    const SearchRange *r = s->range;
    int64_t steps = (r->high - r->low) / r->step, values[N_SAMPLES];
    size_t n = 0;

    for (int64_t i = 0; i < N_SAMPLES; i++) {
        int64_t value = r->low + (steps * i / (N_SAMPLES - 1)) * r->step;
        if (n == 0 || values[n - 1] != value)
            values[n++] = value;
    }
    run_values(s, values, n);
}

static bool
is_usable(const Search *s)
{
    for (size_t i = 0; i < s->points.len; i++)
        if (s->points.data[i].error || s->points.data[i].interrupted)
            return false;
    return true;
}

static bool
loses(const Search *s, size_t i)
{
    return s->points.data[i].lost > s->floor;
}

/* The two neighbours between which losing begins or ends: the last such pair if 'upper', else the first. */
static size_t
border(const Search *s, bool upper)
{
    size_t found = 0;

    for (size_t i = 0; i + 1 < s->points.len; i++) {
        bool change = loses(s, i) != loses(s, i + 1);
        if (change && (upper || found == 0))
            found = i + 1;
    }
    return found;
}

/* Halves the border's interval until its ends are neighbours. */
static int64_t
narrow(Search *s, bool smallest)
{
    for (;;) {
        size_t i = border(s, smallest);
        int64_t low = s->points.data[i - 1].value, high = s->points.data[i].value;
        int64_t steps = (high - low) / s->range->step, middle;
        if (steps <= 1)
            return smallest ? high : low;
        middle = low + steps / 2 * s->range->step;
        run_values(s, &middle, 1);
        if (!is_usable(s))
            return smallest ? high : low;
    }
}

/* Runs what lies next to 'best' on its good side. */
static void
run_neighbours(Search *s, int64_t best, bool smallest)
{
    int64_t values[N_NEIGHBOURS];
    size_t n = 0;

    for (int64_t i = 1; i <= N_NEIGHBOURS; i++) {
        int64_t value = best + (smallest ? i : -i) * s->range->step;
        bool known = value < s->range->low || value > s->range->high;
        for (size_t k = 0; k < s->points.len && !known; k++)
            known = s->points.data[k].value == value;
        if (!known)
            values[n++] = value;
    }
    if (n > 0)
        run_values(s, values, n);
}

static int64_t
find_border(Search *s, bool smallest)
{
    int64_t best = narrow(s, smallest), before;

    do {
        before = best;
        run_neighbours(s, best, smallest);
        if (is_usable(s))
            best = narrow(s, smallest);
    } while (best != before && is_usable(s));
    return best;
}

static bool
is_monotone(const Search *s)
{
    uint32_t changes = 0;

    for (size_t i = 1; i < s->points.len; i++)
        changes += loses(s, i) != loses(s, i - 1);
    return changes <= 1;
}

static const SearchPoint *
least_lost(const Search *s)
{
    const SearchPoint *best = &s->points.data[0];

    for (size_t i = 1; i < s->points.len; i++)
        if (s->points.data[i].lost < best->lost)
            best = &s->points.data[i];
    return best;
}

/* What two samples or more lose at least. */
static uint32_t
floor_of(const Search *s)
{
    uint32_t least = least_lost(s)->lost, n = 0;

    for (size_t i = 0; i < s->points.len; i++)
        n += s->points.data[i].lost == least;
    return n >= 2 ? least : 0;
}

const LossWindow *
search_worst_window(const SearchPoint *p)
{
    const LossWindow *most = NULL;

    for (uint32_t i = 0; p && p->measures && i < p->measures->n_windows; i++)
        if (!most || p->measures->windows[i].lost > most->lost)
            most = &p->measures->windows[i];
    return most;
}

/* Is what is lost at the border's good side, too, lost to the clock that decides on its bad side?  Then the value only
 * reached the point from which it changes nothing more. */
static bool
is_same_clock(const Search *s, bool smallest)
{
    size_t i = border(s, smallest);
    const LossWindow *a = search_worst_window(&s->points.data[i - 1]), *b = search_worst_window(&s->points.data[i]);
    size_t kind = a ? strcspn(a->clock, ":") : 0;

    return s->floor > 0 && a && b && strcspn(b->clock, ":") == kind && strncmp(a->clock, b->clock, kind) == 0;
}

static void
decide(Search *s, SearchResult *ret_result)
{
    size_t last = s->points.len - 1;

    s->floor = floor_of(s);
    ret_result->best = least_lost(s)->value;
    if (!is_usable(s))
        ret_result->verdict = SEARCH_FAILED;
    else if (loses(s, 0) && loses(s, last))
        ret_result->verdict = SEARCH_NONE;
    else if (!loses(s, 0) && !loses(s, last) && is_monotone(s))
        ret_result->verdict = SEARCH_ALL;
    else
        ret_result->verdict = loses(s, last) ? SEARCH_LARGEST : SEARCH_SMALLEST;
    if (ret_result->verdict == SEARCH_SMALLEST || ret_result->verdict == SEARCH_LARGEST) {
        ret_result->best = find_border(s, ret_result->verdict == SEARCH_SMALLEST);
        if (!is_usable(s))
            ret_result->verdict = SEARCH_FAILED;
        else if (is_same_clock(s, ret_result->verdict == SEARCH_SMALLEST))
            ret_result->verdict = SEARCH_NONE;
    }
}

void
search_run(const char *const *files, size_t n_files, const SearchRange *range, const uint64_t *seeds, size_t n_seeds,
           const volatile sig_atomic_t *stop, SearchResult *ret_result)
{
    Search s = {.files = files, .n_files = n_files, .range = range, .seeds = seeds, .n_seeds = n_seeds, .stop = stop};

    *ret_result = (SearchResult){0};
    run_samples(&s);
    decide(&s, ret_result);
    ret_result->floor = s.floor;
    ret_result->monotone = is_monotone(&s);
    ret_result->points = s.points.data;
    ret_result->n_points = (uint32_t)s.points.len;
}

void
search_result_clear(SearchResult *result)
{
    for (uint32_t i = 0; i < result->n_points; i++) {
        g_free(result->points[i].error);
        measures_free(result->points[i].measures);
    }
    g_free(result->points);
    *result = (SearchResult){0};
}

const SearchPoint *
search_point(const SearchResult *result, int64_t value)
{
    for (uint32_t i = 0; i < result->n_points; i++)
        if (result->points[i].value == value)
            return &result->points[i];
    return NULL;
}
