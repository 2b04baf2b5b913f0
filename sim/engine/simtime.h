#ifndef SIM_ENGINE_SIMTIME_H
#define SIM_ENGINE_SIMTIME_H

/* Simulated time
 *
 * SimTime is a signed count of nanoseconds: both an instant since the start of a run and a duration.
 * Signed, so that differences are safe.  No floating point takes part in any decision about time.   */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t SimTime;

#define SIMTIME_NSEC  INT64_C(1)
#define SIMTIME_USEC  INT64_C(1000)
#define SIMTIME_MSEC  INT64_C(1000000)
#define SIMTIME_SEC   INT64_C(1000000000)
#define SIMTIME_NEVER INT64_MAX

/* Longest text that simtime_format() writes, with its terminator. */
#define SIMTIME_STR_SIZE 40

/* Reads "250us", "1.5s", "1m30s", "10800s", "2h", "0" (Go's time.ParseDuration, plus a bare zero; also "d" for days).
 * A bare number other than zero is refused.  Returns false without touching 'ret_time' on a malformed text,
 * a negative duration or an overflow. */
bool simtime_parse(const char *text, SimTime *ret_time);

/* Writes the exact value in the largest of s, ms, us, ns that is not above it ("90s", "1.5s", "250us", "0s"), or
 * "never"; returns 'buf'.  simtime_parse() reads it back, unless negative or "never". */
char *simtime_format(SimTime t, char buf[static SIMTIME_STR_SIZE]);

#endif
