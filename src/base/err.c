/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes as words, and the note that tells a person what is wrong in what they wrote.
 * Invariant: the text of an errinfo is always terminated and free of control bytes. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

#include "base_int.h"

static const char *const texts[] = {
#define X(name, text) [ERR_##name] = text,
    ERR_MAP(X)
#undef X
};

const char *err_text(enum err code)
{
    return (size_t)code < COUNTOF(texts) ? texts[code] : "unknown error";
}

static void PRINTF(3, 0) fill(struct errinfo *e, enum err code, const char *fmt, va_list args)
{
    e->code = code;
    int n = vsnprintf(e->text, sizeof e->text, fmt, args);
    if (n < 0) {
        e->text[0] = '\0';
        return;
    }
    size_t len = (size_t)n < sizeof e->text ? (size_t)n : sizeof e->text - 1;
    e->text[str__printable(e->text, len)] = '\0';
}

enum err errinfo_set(struct errinfo *e, enum err code, const char *fmt, ...)
{
    if (e) {
        va_list args;
        va_start(args, fmt);
        fill(e, code, fmt, args);
        va_end(args);
    }
    return code;
}

enum err errinfo_at(struct errinfo *e, enum err code, unsigned line, unsigned col, const char *fmt,
                    ...)
{
    if (e) {
        va_list args;
        va_start(args, fmt);
        fill(e, code, fmt, args);
        va_end(args);
        e->line = line;
        e->col = col;
    }
    return code;
}

_Noreturn void assert_failed(const char *cond, const char *file, int line, const char *func)
{
    fprintf(stderr, "ropeline: %s:%d: %s: broken invariant: %s\n", file, line, func, cond);
    abort();
}
