/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing buffer with a maximum and a sticky error: append freely, test once at the end. */
#ifndef ROPELINE_BASE_BUF_H
#define ROPELINE_BASE_BUF_H

#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    enum err err; /* ERR_OK, ERR_NOMEM or ERR_LIMIT; once set, appends do nothing */
};

#define BUF_INIT(maximum) ((struct buf){NULL, 0, 0, (maximum), ERR_OK})
/* AUTO_BUF b = BUF_INIT(max): freed when the scope ends. */
#define AUTO_BUF __attribute__((cleanup(buf_fini))) struct buf

void buf_fini(struct buf *b);
void buf_reset(struct buf *b); /* empty, error forgotten, memory kept */
void buf_add(struct buf *b, struct str s);
void buf_addz(struct buf *b, const char *z);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_addu(struct buf *b, uint64_t n); /* decimal, without printf */
/* Room for n more bytes, to be filled by the caller and then claimed with b->n += used; NULL on
 * error. */
char *buf_reserve(struct buf *b, size_t n) MUSTCHECK;
/* Replaces every control character but the tab from byte `from` on by '?', and those that turn text
 * around: what strangers wrote can then neither steer a terminal nor forge a line. */
void buf_printable(struct buf *b, size_t from);
/* Appends s as UTF-8 without NUL: each byte that cannot be part of it becomes U+FFFD. */
void buf_add_utf8(struct buf *b, struct str s);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* NUL-terminated view (the NUL is not counted); "" when empty or in error. */
const char *buf_cstr(struct buf *b);
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

#endif
