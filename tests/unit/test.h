#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

/* Unit test harness over CUnit: suites by name, checks that print both values
 *
 * A file tests/unit/LAYER/test_NAME.c defines
 *     const TestSuite suite_NAME = {"sim/NAME", {{"reply of a DNATed flow matches in reverse", test_reply}, ...}};   */

#include <CUnit/CUnit.h>
#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *name; /* A sentence. */
    void (*run)(void);
} TestCase;

typedef struct {
    const char *name;
    TestCase cases[64]; /* Ends with a zeroed one. */
} TestSuite;

extern const TestSuite *const test_suites[]; /* NULL-terminated; made by the Makefile. */

#define T_TRUE(cond)        test_check((cond), __LINE__, __FILE__, __func__, "%s", #cond)
#define T_EQ_I64(got, want) test_eq_i64((got), (want), __LINE__, __FILE__, __func__, #got)
#define T_EQ_U64(got, want) test_eq_u64((got), (want), __LINE__, __FILE__, __func__, #got)
#define T_EQ_STR(got, want) test_eq_str((got), (want), __LINE__, __FILE__, __func__, #got)

bool test_check(bool ok, int line, const char *file, const char *func, const char *format, ...) G_GNUC_PRINTF(5, 6);
bool test_eq_i64(int64_t got, int64_t want, int line, const char *file, const char *func, const char *expr);
bool test_eq_u64(uint64_t got, uint64_t want, int line, const char *file, const char *func, const char *expr);
bool test_eq_str(const char *got, const char *want, int line, const char *file, const char *func, const char *expr);

#endif
