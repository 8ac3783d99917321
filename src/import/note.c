/* SPDX-License-Identifier: Apache-2.0
 *
 * What we found in a document, for the person who wrote it. Invariant: an error counts even when
 * there is no memory left to keep its words, so a document with errors never passes. */
#include <stdio.h>

#include "import_int.h"

#define FINDING_TEXT 512

static bool append(struct import_report *r, enum import_severity s, const char *file,
                   struct spot at, const char *fmt, va_list args) PRINTF(5, 0);

static bool append(struct import_report *r, enum import_severity s, const char *file,
                   struct spot at, const char *fmt, va_list args)
{
    char text[FINDING_TEXT];
    size_t *counts[] = {
        [IMPORT_NOTE] = &r->notes, [IMPORT_WARNING] = &r->warnings, [IMPORT_ERROR] = &r->errors};
    ++*counts[s];
    if (r->errors + r->warnings + r->notes > LIMIT_FINDINGS)
        return true;
    struct import_finding *f = ARENA_NEW(r->arena, struct import_finding);
    if (!f)
        return false;
    int n = vsnprintf(text, sizeof text, fmt, args);
    size_t length = n < 0 ? 0 : (size_t)n;
    if (length >= sizeof text)
        length = sizeof text - 1;
    *f = (struct import_finding){.severity = s, .file = file, .line = at.line, .col = at.col};
    f->text = arena_str(r->arena, str_of(text, length));
    if (!f->text.p)
        return false;
    if (r->last)
        r->last->next = f;
    else
        r->first = f;
    r->last = f;
    return true;
}

void import_note(struct import_report *r, enum import_severity s, const char *file, unsigned line,
                 unsigned col, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)append(r, s, file, (struct spot){line, col}, fmt, args);
    va_end(args);
}

void import__say(struct importer *im, enum import_severity s, struct spot at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!append(im->report, s, im->file, at, fmt, args))
        import__fail(im, ERR_NOMEM);
    va_end(args);
}

void import__fail(struct importer *im, enum err err)
{
    if (im->err == ERR_OK)
        im->err = err;
}

void import__no_memory(struct importer *im)
{
    import__fail(im, arena_err(im->a) == ERR_LIMIT ? ERR_LIMIT : ERR_NOMEM);
}
