#ifndef SIM_ENGINE_HUGE_PAGES_H
#define SIM_ENGINE_HUGE_PAGES_H

/* Huge pages for a heap that will grow large
 *
 * A world of thousands of hosts touches memory all over the heap; with pages of 4 KiB the processor then waits for its
 * page tables more than for the data.  Linux gives huge pages mostly on request (transparent_hugepage/enabled:
 * madvise), and glibc's malloc asks for them by an environment variable only.  A matter of time alone: nothing depends
 * on whether the kernel agrees, and memory that is not used is not taken. */

#include <stddef.h>

/* Lets the heap's next 'bytes' come from huge pages where malloc is glibc's; else does nothing.  From then on malloc
 * maps no large block apart and gives nothing back. */
void huge_pages_reserve(size_t bytes);

#endif
