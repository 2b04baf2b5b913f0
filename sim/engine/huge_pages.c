#include "sim/engine/huge_pages.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((uintptr_t)2 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define OTHER_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OTHER_MALLOC 1
#endif
#endif

void
huge_pages_reserve(size_t bytes)
{
#if defined(__GLIBC__) && defined(MADV_HUGEPAGE) && !defined(OTHER_MALLOC)
    uintptr_t start, end;
    void *top;

    /* One block at the top of the heap, marked and given back: malloc keeps what it is told not to trim (-1: never).
     * Large tables must come from there too, not from mappings of their own. */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1);
    top = malloc(bytes);
    if (!top)
        return;
    start = ((uintptr_t)top + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    end = ((uintptr_t)top + bytes) & ~(HUGE_PAGE_BYTES - 1);
    if (end > start)
        madvise((void *)start, end - start, MADV_HUGEPAGE);
    free(top);
#else
    (void)bytes;
#endif
}
