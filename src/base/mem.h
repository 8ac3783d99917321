/* SPDX-License-Identifier: Apache-2.0
 *
 * The only door to the heap. Every allocation may fail, and tests make the n-th one fail
 * (tests/lib/fault.h) to prove that each caller survives it. */
#ifndef ROPELINE_BASE_MEM_H
#define ROPELINE_BASE_MEM_H

#include <stddef.h>

#include "base/err.h"

/* Zeroed memory or NULL. mem_alloc(0) returns NULL. Thread-safe. */
void *mem_alloc(size_t size) MUSTCHECK;
void *mem_calloc(size_t count, size_t size) MUSTCHECK; /* NULL on overflow too */
/* Grows or shrinks; on failure returns NULL and `p` stays valid. New bytes are not zeroed. */
void *mem_realloc(void *p, size_t size) MUSTCHECK;
void *mem_dup(const void *p, size_t size) MUSTCHECK;
char *mem_strdup(const char *s) MUSTCHECK;
void mem_free(void *p); /* NULL is fine */
/* Overwrites, for everything that held a secret; NULL is fine. The second frees it, too. */
void mem_cleanse(void *p, size_t size);
void mem_cleanse_free(void *p, size_t size);

/* Test hook: the allocation number `n` from now (0 = the next one) and all after it, when `sticky`,
 * return NULL; a negative n switches the fault off. Thread-local. */
void mem_fault(long n, int sticky);
/* How many allocations the fault refused since it was set. */
long mem_fault_hits(void);

#endif
