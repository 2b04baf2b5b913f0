#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

/* Watch: what a command is at, shown on a terminal, and a limit on its memory
 *
 * A timer signal looks in five times a second; nothing is printed in the first second, and nothing ever where stderr is
 * no terminal.  When the process has more memory than allowed, the work is stopped if it can be, else the program ends
 * with a message and EXIT_OURS.  There is one watch in a process. */

#include "sim/engine/sim.h"

/* 'memory_limit' in bytes, 0: none. */
void watch_start(const char *command, uint64_t memory_limit);
/* From now on it does 'what' (a literal).  'sim' (borrowed) tells how far it is on the way to 'until', which may be
 * SIMTIME_NEVER; NULL: only the time is told.  'stop' ends the work from a signal handler, also on Ctrl-C and SIGTERM,
 * so that what was done so far can be told; NULL: it cannot be stopped. */
void watch_work(const char *what, const Sim *sim, SimTime until, void (*stop)(void));
/* Erases the line, which may come again. */
void watch_clear_line(void);
void watch_end(void);
/* True, after a message, if the work was stopped for its memory. */
bool watch_tell_limit(void);

/* "512M", "4G", "2Gi": false if malformed. */
bool watch_parse_size(const char *text, uint64_t *ret_bytes);

#endif
