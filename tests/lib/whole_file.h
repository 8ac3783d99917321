/* SPDX-License-Identifier: Apache-2.0
 *
 * A file that a test reads whole. */
#ifndef ROPELINE_TESTS_LIB_WHOLE_FILE_H
#define ROPELINE_TESTS_LIB_WHOLE_FILE_H

#include <stdio.h>

#include "base/buf.h"

/* Adds it to `text`; false when it cannot be read, or not within its maximum. */
static inline bool whole_file(const char *path, struct buf *text)
{
    const size_t step = 65536;
    FILE *f = fopen(path, "rb");
    size_t n = f ? step : 0;
    while (n > 0) {
        char *room = buf_reserve(text, step);
        n = room ? fread(room, 1, step, f) : 0;
        text->n += n;
    }
    bool whole = f && text->err == ERR_OK && !ferror(f);
    if (f)
        (void)fclose(f);
    return whole;
}

static inline bool whole_file_in(const char *dir, const char *name, struct buf *text)
{
    AUTO_BUF path = BUF_INIT(KIB(8));
    buf_addf(&path, "%s/%s", dir, name);
    return path.err == ERR_OK && whole_file(buf_cstr(&path), text);
}

#endif
