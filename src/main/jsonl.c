/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that judge many things: each line of standard input is a JSON object, and is answered by a
 * line with its "id" and the verdict. Invariant: as many answers as lines that are not empty. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "verbs.h"

/* False when the line is no JSON object at all: then there is no id to answer with. */
static bool answer(struct arena *a, struct str text, jsonl_judge_fn judge)
{
    const struct json *line = NULL;
    AUTO_BUF out = BUF_INIT(MIB(2));
    bool good = json_parse(a, text, MIB(2), &line, NULL) == ERR_OK && json_is(line, JSON_OBJECT);
    const struct json *id = good ? json_get(line, "id") : NULL;
    buf_addz(&out, "{\"id\":");
    if (id)
        json_write(&out, id);
    else
        buf_addz(&out, "null");
    buf_addc(&out, ',');
    judge(a, good ? line : NULL, &out);
    buf_addc(&out, '}');
    puts(buf_cstr(&out));
    return good;
}

int jsonl_answer(jsonl_judge_fn judge)
{
    struct arena *a = arena_new(KIB(64), MIB(64));
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool good = a != NULL;
    while (a && (n = getline(&line, &room, stdin)) > 0) {
        arena_reset(a);
        if (line[n - 1] == '\n')
            n--;
        if (n > 0)
            good = answer(a, str_of(line, (size_t)n), judge) && good;
    }
    free(line); /* allowed: getline's own */
    arena_free(a);
    return good ? 0 : 1;
}
