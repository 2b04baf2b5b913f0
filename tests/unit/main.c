/* Runs the suites of one binary; an argument filters by substring of suite or test name.
 *
 * CUnit traps: CU_basic_run_tests() returns 0 with failures present, and a run suite by suite counts only the last; so
 * all are registered first and run once, and the failure count decides the exit status. */

#include "tests/unit/test.h"

#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
test_check(bool ok, int line, const char *file, const char *func, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    CU_assertImplementation(ok, (unsigned)line, text, file, func, CU_FALSE);
    g_free(text);
    return ok;
}

bool
test_eq_i64(int64_t got, int64_t want, int line, const char *file, const char *func, const char *expr)
{
    return test_check(got == want, line, file, func, "%s = %" PRId64 ", want %" PRId64, expr, got, want);
}

bool
test_eq_u64(uint64_t got, uint64_t want, int line, const char *file, const char *func, const char *expr)
{
    return test_check(got == want, line, file, func, "%s = %" PRIu64 ", want %" PRIu64, expr, got, want);
}

bool
test_eq_str(const char *got, const char *want, int line, const char *file, const char *func, const char *expr)
{
    return test_check(g_strcmp0(got, want) == 0, line, file, func, "%s = \"%s\", want \"%s\"", expr,
                      got ? got : "(null)", want ? want : "(null)");
}

int
main(int argc, char **argv)
{
    const char *filter = argc > 1 ? argv[1] : "";
    unsigned failures;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return 3;
    for (const TestSuite *const *s = test_suites; *s; s++) {
        CU_pSuite suite = NULL;
        for (const TestCase *c = (*s)->cases; c->name; c++) {
            if (!strstr((*s)->name, filter) && !strstr(c->name, filter))
                continue;
            if (!suite)
                suite = CU_add_suite((*s)->name, NULL, NULL);
            if (!suite || !CU_add_test(suite, c->name, c->run)) {
                fprintf(stderr, "cannot register %s: %s\n", c->name, CU_get_error_msg());
                return 3;
            }
        }
    }
    CU_basic_set_mode(getenv("TEST_VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    CU_basic_run_tests();
    failures = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
    printf("%u passed, %u failed, 0 skipped\n", CU_get_number_of_tests_run() - CU_get_number_of_tests_failed(),
           failures);
    CU_cleanup_registry();
    return failures ? 1 : 0;
}
