/* SPDX-License-Identifier: Apache-2.0
 *
 * Every fallible function returns one of these codes; the boundary that talks to a person or to
 * HTTP turns it into words or a status. Results travel by out-parameter. */
#ifndef ROPELINE_BASE_ERR_H
#define ROPELINE_BASE_ERR_H

#include <stdarg.h>

#define ERR_MAP(X)                   \
    X(OK, "no error")                \
    X(NOMEM, "out of memory")        \
    X(LIMIT, "a limit was exceeded") \
    X(SYNTAX, "malformed input")     \
    X(INVALID, "invalid value")      \
    X(NOTFOUND, "not found")         \
    X(EXISTS, "already exists")      \
    X(CONFLICT, "conflict")          \
    X(DENIED, "denied")              \
    X(EXPIRED, "expired")            \
    X(BADSIG, "bad signature")       \
    X(REPLAY, "replayed")            \
    X(THEFT, "token theft detected") \
    X(TIMEOUT, "timed out")          \
    X(BUSY, "busy")                  \
    X(CLOSED, "closed")              \
    X(IO, "input/output error")      \
    X(UNAVAILABLE, "unavailable")    \
    X(UNSUPPORTED, "not supported")  \
    X(CANCELLED, "cancelled")        \
    X(INTERNAL, "internal error")

enum err {
#define X(name, text) ERR_##name,
    ERR_MAP(X)
#undef X
        ERR_COUNT
};

#define MUSTCHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* "out of memory", ...: static text, never NULL. */
const char *err_text(enum err code);

/* What went wrong in something that a person wrote (a template, a policy, a key file).
 * `file` is borrowed from the caller who set it; line and column count from 1, 0 = unknown. */
struct errinfo {
    enum err code;
    const char *file;
    unsigned line, col;
    char text[256];
};

/* Fills `e` (which may be NULL) with code and text and returns `code`, so that a parser can end
 * with `return errinfo_set(e, ERR_SYNTAX, "...")`. Never overwrites line, column or file. */
enum err errinfo_set(struct errinfo *e, enum err code, const char *fmt, ...) PRINTF(3, 4);

/* As errinfo_set, and places the error. */
enum err errinfo_at(struct errinfo *e, enum err code, unsigned line, unsigned col, const char *fmt,
                    ...) PRINTF(5, 6);

/* A broken invariant: says where and aborts; the keeper starts a fresh gateway. Stays on in
 * release builds. */
#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__, __func__))
_Noreturn void assert_failed(const char *cond, const char *file, int line, const char *func);

#define COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
