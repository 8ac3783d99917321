/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocation in a chain of blocks, the first of which lies in the same allocation as the
 * arena. Invariant: every byte of a block that was not handed out yet is zero, so handing out costs
 * an addition; under AddressSanitizer those bytes are also poisoned. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN alignof(max_align_t)

/* The data follow the struct, whose size is a multiple of the strictest alignment. */
struct block {
    alignas(max_align_t) struct block *next;
    size_t size, used;
};

struct arena {
    struct block *current; /* where the next small piece comes from */
    struct block *more;    /* all blocks but the first */
    size_t cap;
    size_t held; /* sum of the sizes of all blocks: never above cap */
    size_t used; /* handed out */
    enum err err;
    struct block first; /* must be last: its data follow */
};

static char *data(struct block *b)
{
    return (char *)(b + 1);
}

static struct block *block_init(struct block *b, size_t size)
{
    b->size = size;
    b->used = 0;
    POISON(data(b), size);
    return b;
}

struct arena *arena_new(size_t first, size_t cap)
{
    size_t total;
    if (first > cap)
        first = cap;
    first &= ~(ALIGN - 1);
    if (__builtin_add_overflow(sizeof(struct arena), first, &total))
        return NULL;
    struct arena *a = mem_alloc(total);
    if (!a)
        return NULL;
    a->cap = cap;
    a->held = first;
    a->current = block_init(&a->first, first);
    return a;
}

static void free_more(struct arena *a)
{
    for (struct block *b = a->more, *next; b; b = next) {
        next = b->next;
        UNPOISON(data(b), b->size);
        mem_free(b);
    }
    a->more = NULL;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free_more(a);
    UNPOISON(data(&a->first), a->first.size);
    mem_free(a);
}

void arena_reset(struct arena *a)
{
    free_more(a);
    UNPOISON(data(&a->first), a->first.used);
    memset(data(&a->first), 0, a->first.used);
    a->current = block_init(&a->first, a->first.size);
    a->held = a->first.size;
    a->used = 0;
    a->err = ERR_OK;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

enum err arena_err(const struct arena *a)
{
    return a->err;
}

static void *take(struct arena *a, struct block *b, size_t size, size_t rounded)
{
    void *p = data(b) + b->used;
    b->used += rounded;
    a->used += rounded;
    UNPOISON(p, size);
    return p;
}

static void *fail(struct arena *a, enum err err)
{
    a->err = err;
    return NULL;
}

/* A new block that holds at least `need`, twice as large as what there is when the cap lets it. */
static struct block *grow(struct arena *a, size_t need)
{
    size_t left = a->cap - a->held, size = a->held < 512 ? 1024 : a->held;
    if (need > left)
        return fail(a, ERR_LIMIT);
    if (size < need)
        size = need;
    if (size > left)
        size = left & ~(ALIGN - 1);
    struct block *b = mem_alloc(sizeof *b + size);
    if (!b)
        return fail(a, ERR_NOMEM);
    a->held += size;
    b->next = a->more;
    a->more = b;
    return block_init(b, size);
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = size ? size : 1;
    if (__builtin_add_overflow(rounded, ALIGN - 1, &rounded) || rounded > SIZE_MAX / 2)
        return fail(a, ERR_LIMIT);
    rounded &= ~(ALIGN - 1);
    struct block *b = a->current;
    if (rounded <= b->size - b->used)
        return take(a, b, size, rounded);
    b = grow(a, rounded);
    if (!b)
        return NULL;
    /* A large piece gets a block of its own when the rest of the current one is worth more. */
    if (b->size - rounded > a->current->size - a->current->used)
        a->current = b;
    return take(a, b, size, rounded);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return fail(a, ERR_LIMIT);
    return arena_alloc(a, total);
}

struct str arena_str(struct arena *a, struct str s)
{
    return arena_cat(a, &s, 1);
}

struct str arena_cat(struct arena *a, const struct str *parts, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        if (__builtin_add_overflow(total, parts[i].n, &total) || total == SIZE_MAX)
            return (struct str){fail(a, ERR_LIMIT), 0};
    char *p = arena_alloc(a, total + 1);
    if (!p)
        return STR_NONE;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    return (struct str){p, total};
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    struct str out = STR_NONE;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p && vsnprintf(p, (size_t)n + 1, fmt, again) == n)
        out = str_of(p, (size_t)n);
    va_end(again);
    va_end(args);
    return out;
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *p = arena_array(a, s.n + 1, 1);
    if (p && s.n)
        memcpy(p, s.p, s.n);
    return p;
}

struct str arena_lower(struct arena *a, struct str s)
{
    size_t i = 0;
    while (i < s.n && !(s.p[i] >= 'A' && s.p[i] <= 'Z'))
        i++;
    if (i == s.n)
        return s;
    char *p = arena_alloc(a, s.n);
    if (p == NULL)
        return STR_NONE;
    for (i = 0; i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
    return str_of(p, s.n);
}
