/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that calls the C library's allocator. Invariant: an allocation that the test hook
 * refuses looks to its caller exactly like one that the system refused. */
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Thread-local so that a test with threads fails allocations of its own thread only. */
static _Thread_local struct {
    long left; /* allocations still granted before the fault; negative: no fault */
    bool sticky;
    long hits;
} state = {.left = -1};

static bool refused(void)
{
    if (state.left < 0)
        return false;
    if (state.left > 0) {
        state.left--;
        return false;
    }
    if (!state.sticky)
        state.left = -1;
    state.hits++;
    return true;
}

void *mem_alloc(size_t size)
{
    return mem_calloc(1, size);
}

void *mem_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    if (total == 0 || refused())
        return NULL;
    return calloc(count, size);
}

void *mem_realloc(void *p, size_t size)
{
    if (size == 0 || refused())
        return NULL;
    return realloc(p, size);
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_realloc(NULL, size);
    if (copy)
        memcpy(copy, p, size);
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_cleanse(void *p, size_t size)
{
    if (p)
        explicit_bzero(p, size);
}

void mem_cleanse_free(void *p, size_t size)
{
    if (p)
        explicit_bzero(p, size);
    free(p);
}

void mem_fault(long n, int sticky)
{
    state.left = n < 0 ? -1 : n;
    state.sticky = sticky != 0;
    if (n >= 0)
        state.hits = 0;
}

long mem_fault_hits(void)
{
    return state.hits;
}
