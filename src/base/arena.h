/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory with one end of life: everything of a request, a snapshot or a document is taken from one
 * arena and goes with it. Nobody frees a part. An arena is used by one thread at a time. */
#ifndef ROPELINE_BASE_ARENA_H
#define ROPELINE_BASE_ARENA_H

#include "base/str.h"

struct arena;

/* `first` bytes are reserved at once (one allocation holds arena and first block), `cap` is the
 * most it will ever hold. NULL when out of memory. */
struct arena *arena_new(size_t first, size_t cap) MUSTCHECK;
void arena_free(struct arena *a); /* NULL is fine */
/* Forgets everything but keeps the first block: a keep-alive connection reuses it. */
void arena_reset(struct arena *a);
size_t arena_used(const struct arena *a);
/* Why the latest failed allocation failed: ERR_NOMEM, or ERR_LIMIT for the cap; ERR_OK: none did.
 */
enum err arena_err(const struct arena *a);

/* Zeroed, aligned for any type; NULL when out of memory or above the cap. size 0 gives a valid
 * pointer. */
void *arena_alloc(struct arena *a, size_t size) MUSTCHECK;
void *arena_array(struct arena *a, size_t count, size_t size) MUSTCHECK; /* checks overflow */
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, count, type) ((type *)arena_array((a), (count), sizeof(type)))

/* Copies end in a NUL that is not counted. p is NULL when out of memory. */
struct str arena_str(struct arena *a, struct str s) MUSTCHECK;
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3) MUSTCHECK;
/* All parts joined. */
struct str arena_cat(struct arena *a, const struct str *parts, size_t n) MUSTCHECK;
/* A NUL-terminated copy, or NULL. */
char *arena_cstr(struct arena *a, struct str s) MUSTCHECK;
/* ASCII letters in lower case: `s` itself when it has no others. NONE = no memory (or none given).
 */
struct str arena_lower(struct arena *a, struct str s) MUSTCHECK;

#endif
