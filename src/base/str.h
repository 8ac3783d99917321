/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed run of bytes, passed by value. It owns nothing and need not end in NUL: whoever owns
 * the bytes (arena, connection, snapshot) decides how long it lives. */
#ifndef ROPELINE_BASE_STR_H
#define ROPELINE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
    const char *p; /* may be NULL only when n is 0 */
    size_t n;
};

#define STR(lit) ((struct str){("" lit ""), sizeof(lit) - 1})
/* The same for tables and other static initialisers. */
#define STR_INIT(lit)                \
    {                                \
        ("" lit ""), sizeof(lit) - 1 \
    }
#define STR_NONE ((struct str){NULL, 0})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) str_print_n(s), str_print_p(s)
static inline int str_print_n(struct str s)
{
    return (int)(s.n > 0x7fffffff ? 0x7fffffff : s.n);
}
static inline const char *str_print_p(struct str s)
{
    return s.p ? s.p : "";
}

static inline struct str str_c(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}
static inline struct str str_of(const void *p, size_t n)
{
    return (struct str){(const char *)p, n};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool str_eqz(struct str a, const char *z)
{
    return str_eq(a, str_c(z));
}
/* The part from `from` (clamped) and at most `n` bytes of it. */
static inline struct str str_sub(struct str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return (struct str){s.p ? s.p + from : NULL, n};
}
static inline struct str str_from(struct str s, size_t from)
{
    return str_sub(s, from, s.n);
}
bool str_ieq(struct str a, struct str b); /* ASCII letters without regard to case */
int str_cmp(struct str a, struct str b);  /* bytewise order */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of the first byte c at or after `from`, or SIZE_MAX. */
size_t str_chr(struct str s, char c, size_t from);
size_t str_rchr(struct str s, char c);
/* Index of the first `needle`, or SIZE_MAX. */
size_t str_find(struct str s, struct str needle);
struct str str_trim(struct str s); /* SP and HT at both ends: HTTP's OWS */
/* Cuts s at the first `sep`: returns what is before it, leaves what is after it in *rest.
 * Without a separator everything is returned and *rest becomes STR_NONE with p NULL. */
struct str str_cut(struct str s, char sep, struct str *rest);
/* Decimal digits only, no sign, no blank; false on overflow or anything else. */
bool str_u64(struct str s, uint64_t *out);
bool str_is_utf8(struct str s); /* well-formed, no surrogates, no overlong forms (RFC 3629) */

#endif
