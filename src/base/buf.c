/* SPDX-License-Identifier: Apache-2.0
 *
 * The growing buffer. Invariant: whenever p is not NULL there is room for one byte more than n, so
 * that buf_cstr never has to allocate; that byte does not count against max. */
#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"
#include "base_int.h"

#define FIRST_BYTES 64

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->err = ERR_OK;
}

/* Room for `more` bytes and the NUL. */
static bool grow(struct buf *b, size_t more)
{
    if (b->err != ERR_OK)
        return false;
    if (b->p && more < b->cap - b->n)
        return true;
    if (b->n > b->max || more > b->max - b->n) {
        b->err = ERR_LIMIT;
        return false;
    }
    size_t need = b->n + more, cap = b->cap < FIRST_BYTES ? FIRST_BYTES : b->cap * 2;
    if (cap > b->max)
        cap = b->max;
    if (cap < need)
        cap = need;
    char *p = cap < SIZE_MAX ? mem_realloc(b->p, cap + 1) : NULL;
    if (!p) {
        b->err = ERR_NOMEM;
        return false;
    }
    b->p = p;
    b->cap = cap + 1;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    return grow(b, n) ? b->p + b->n : NULL;
}

void buf_add(struct buf *b, struct str s)
{
    if (s.n == 0 || !grow(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void buf_addz(struct buf *b, const char *z)
{
    buf_add(b, str_c(z));
}

void buf_addc(struct buf *b, char c)
{
    if (grow(b, 1))
        b->p[b->n++] = c;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    if (!grow(b, 0))
        return;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(b->p + b->n, b->cap - b->n, fmt, args);
    if (n < 0)
        b->err = ERR_INTERNAL;
    else if ((size_t)n < b->cap - b->n)
        b->n += (size_t)n;
    else if (grow(b, (size_t)n) && vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again) == n)
        b->n += (size_t)n;
    va_end(again);
    va_end(args);
}

void buf_addu(struct buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    buf_add(b, str_of(digits + at, sizeof digits - at));
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
    if (!b->p || b->err != ERR_OK)
        return "";
    b->p[b->n] = '\0';
    return b->p;
}

void buf_add_utf8(struct buf *b, struct str s)
{
    for (size_t at = 0, length; at < s.n; at += length) {
        size_t from = at;
        while (at < s.n && s.p[at] != '\0' && (length = str__utf8_len(s, at)) > 0)
            at += length;
        buf_add(b, str_sub(s, from, at - from));
        length = at < s.n ? 1 : 0;
        if (length > 0)
            buf_add(b, STR("\xef\xbf\xbd"));
    }
}

void buf_printable(struct buf *b, size_t from)
{
    for (size_t i = from; i < b->n; i++) {
        size_t length = b->p[i] == '\t' ? 0 : str__control_len(buf_str(b), i);
        if (length > 0) {
            memset(b->p + i, '?', length);
            i += length - 1;
        }
    }
}
