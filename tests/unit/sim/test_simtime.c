#include "sim/engine/simtime.h"

#include "tests/unit/test.h"

static void
test_reads_and_writes(void)
{
    static const struct {
        const char *text;
        SimTime t;
        const char *canonical;
    } cases[] = {
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"+5s", 5 * SIMTIME_SEC, "5s"},
        {"250us", 250 * SIMTIME_USEC, "250us"},
        {"1.5s", 1500 * SIMTIME_MSEC, "1.5s"},
        {"1m30s", 90 * SIMTIME_SEC, "90s"},
        {"10800s", 10800 * SIMTIME_SEC, "10800s"},
        {"2h", 7200 * SIMTIME_SEC, "7200s"},
        {"1d", 86400 * SIMTIME_SEC, "86400s"},
        {"1h15m30.918s", INT64_C(4530918000000), "4530.918s"},
        {".5ms", 500 * SIMTIME_USEC, "500us"},
        {"1.s", SIMTIME_SEC, "1s"},
        {"3.000000001s", 3 * SIMTIME_SEC + 1, "3.000000001s"},
        {"0.0000000019s", 1, "1ns"}, /* Truncated, as Go does. */
        {"1001us", 1001 * SIMTIME_USEC, "1.001ms"},
        {"12\xc2\xb5s", 12 * SIMTIME_USEC, "12us"},
        {"12\xce\xbcs", 12 * SIMTIME_USEC, "12us"},
        {"9223372036854775806ns", INT64_MAX - 1, "9223372036.854775806s"},
        {"0.333333333333333333333333h", INT64_C(1199999999999), "1199.999999999s"},
    };
    char buf[SIMTIME_STR_SIZE];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SimTime t = -1, again = -1;
        T_TRUE(simtime_parse(cases[i].text, &t));
        T_EQ_I64(t, cases[i].t);
        T_EQ_STR(simtime_format(t, buf), cases[i].canonical);
        T_TRUE(simtime_parse(buf, &again) && again == t);
    }
    T_EQ_STR(simtime_format(-1500 * SIMTIME_MSEC, buf), "-1.5s");
    T_EQ_STR(simtime_format(INT64_MIN, buf), "-9223372036.854775808s");
    T_EQ_STR(simtime_format(SIMTIME_NEVER, buf), "never");
}

static void
test_refuses(void)
{
    static const char *const bad[] = {
        "",     "5",       "s",       ".s",    "1x",     "-1s",  "1s ",  " 1s",
        "1 s",  "1s1",     "+",       "1e3s",  "1.2.3s", "--1s", "0x1s", "9223372036854775808ns",
        "300y", "200000d", "106752d", "1sm-1s"};
    SimTime t = 42;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        test_check(!simtime_parse(bad[i], &t), __LINE__, __FILE__, __func__, "\"%s\" is refused", bad[i]);
    T_EQ_I64(t, 42);
}

const TestSuite suite_simtime = {"sim/simtime",
                                 {{"durations are read as Go does and written exactly", test_reads_and_writes},
                                  {"malformed, negative and too long texts are refused", test_refuses}}};
