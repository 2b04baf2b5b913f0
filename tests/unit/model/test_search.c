#include "model/scenario/search.h"
#include "tests/unit/test.h"

/* --- Ranges ------------------------------------------------------------------------------------------------------ */

static void
test_ranges(void)
{
    static const struct {
        const char *text, *step;
        bool ok, duration;
        int64_t low, high, step_value;
    } cases[] = {
        {"deployment/web.preStop=0..120s", NULL, true, true, 0, 120 * SIMTIME_SEC, SIMTIME_SEC},
        {"loadBalancer.probe.interval=2s..1m", "500ms", true, true, 2 * SIMTIME_SEC, 60 * SIMTIME_SEC,
         500 * SIMTIME_MSEC},
        {"deployment/web.replicas=1..9", NULL, true, false, 1, 9, 1},
        {"deployment/web.replicas=1..9", "2", true, false, 1, 9, 2},
        {"deployment/web.preStop=5..60", "5s", true, true, 5 * SIMTIME_SEC, 60 * SIMTIME_SEC, 5 * SIMTIME_SEC},
        {"deployment/web.preStop=9s..3s", NULL, false, false, 0, 0, 0},
        {"deployment/web.preStop=3s..3s", NULL, false, false, 0, 0, 0},
        {"deployment/web.preStop=3s", NULL, false, false, 0, 0, 0},
        {"=1..3", NULL, false, false, 0, 0, 0},
        {"a.b=1..x", NULL, false, false, 0, 0, 0},
        {"a.b=1..3", "0", false, false, 0, 0, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SearchRange range;
        bool ok = search_range_parse(cases[i].text, cases[i].step, &range);
        T_EQ_I64(ok, cases[i].ok);
        if (ok && cases[i].ok) {
            T_EQ_I64(range.duration, cases[i].duration);
            T_EQ_I64(range.low, cases[i].low);
            T_EQ_I64(range.high, cases[i].high);
            T_EQ_I64(range.step, cases[i].step_value);
        }
        if (ok)
            search_range_clear(&range);
    }
}

static void
check_value_text(const char *range_text, int64_t value, const char *expected)
{
    SearchRange range;
    g_autofree char *text = NULL;

    T_TRUE(search_range_parse(range_text, NULL, &range));
    text = search_value_text(&range, value);
    T_EQ_STR(text, expected);
    search_range_clear(&range);
}

static void
test_value_texts(void)
{
    check_value_text("a.b=0..9s", 3 * SIMTIME_SEC, "3s");
    check_value_text("a.b=0..9s", 2500 * SIMTIME_MSEC, "2500ms");
    check_value_text("a.b=0..9", 7, "7");
}

/* --- How long a load balancer needs, against the article's and the clouds' own figures ------------------------------
 */

static void
test_notice_bounds(void)
{
    /* Interval, timeout, threshold; answered: from, to; unanswered: from, to.  In seconds. */
    static const int cases[][7] = {
        {10, 5, 6, 50, 60, 55, 65},   /* AWS CLB. */
        {3, 1, 2, 3, 6, 4, 7},        /* GCP passthrough, Local: 3 to 7 s. */
        {10, 6, 2, 10, 20, 16, 26},   /* AWS NLB, Local. */
        {30, 10, 3, 60, 90, 70, 100}, /* AWS NLB, in-tree. */
        {5, 5, 2, 5, 10, 10, 15},     /* Azure. */
        {3, 5, 2, 3, 6, 11, 14},      /* A time limit beyond the interval: every second probe is left out. */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const int *c = cases[i];
        LbProbe probe = {.kind = LB_PROBE_HTTP,
                         .interval = c[0] * SIMTIME_SEC,
                         .timeout = c[1] * SIMTIME_SEC,
                         .unhealthy = (uint32_t)c[2]};
        T_EQ_I64(loss_notice_shortest(&probe, true), c[3] * SIMTIME_SEC);
        T_EQ_I64(loss_notice_longest(&probe, true), c[4] * SIMTIME_SEC);
        T_EQ_I64(loss_notice_shortest(&probe, false), c[5] * SIMTIME_SEC);
        T_EQ_I64(loss_notice_longest(&probe, false), c[6] * SIMTIME_SEC);
    }
}

const TestSuite suite_search = {"model/search",
                                {{"ranges of numbers and durations", test_ranges},
                                 {"values as they are set", test_value_texts},
                                 {"a load balancer notices between these times", test_notice_bounds},
                                 {0}}};
