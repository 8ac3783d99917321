/* SPDX-License-Identifier: Apache-2.0
 *
 * How functions are kept apart, as flags and ropeline.yaml say it. What is asked for and cannot be
 * understood is refused: a function must never be freer than somebody believes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "config_int.h"

static const char *const levels[CHILD_LEVELS] = {
    [CHILD_NONE] = "none", [CHILD_DEFAULT] = "default", [CHILD_STRICT] = "strict"};

bool config__isolation(struct str text, enum child_level *out)
{
    for (size_t i = 0; i < CHILD_LEVELS; i++) {
        if (str_eqz(text, levels[i])) {
            *out = (enum child_level)i;
            return true;
        }
    }
    return false;
}

/* "2000000000-2000001023", "none"; root and the highest number, which means none, are nobody's. */
bool config__uids(struct str text, struct cage_options *out)
{
    uint64_t first, last;
    if (str_eqz(text, "none")) {
        out->uid_first = out->uid_count = 0;
        return true;
    }
    struct str end, begin = str_cut(text, '-', &end);
    if (!str_u64(begin, &first) || !str_u64(end, &last) || first == 0 || last < first ||
        last >= UINT32_MAX)
        return false;
    out->uid_first = (uint32_t)first;
    out->uid_count = (uint32_t)(last - first + 1);
    return true;
}

/* Those of the flag behind those of the file. */
static int take_paths(const struct options *o, const char *flag, struct config *c,
                      const char ***paths)
{
    const struct option_values *more = option_all(o, flag);
    size_t n = 0;
    while (*paths && (*paths)[n])
        n++;
    const char **all = ARENA_ARRAY(c->arena, n + more->n + 1, const char *);
    if (all == NULL)
        return 1;
    for (size_t i = 0; i < n; i++)
        all[i] = (*paths)[i];
    for (size_t i = 0; i < more->n; i++) {
        char real[PATH_MAX];
        if (realpath(more->v[i], real) == NULL) {
            fprintf(stderr, "ropeline: --%s %s: %s\n", flag, more->v[i], strerror(errno));
            return 1;
        }
        all[n + i] = arena_cstr(c->arena, str_c(real));
        if (all[n + i] == NULL)
            return 1;
    }
    all[n + more->n] = NULL;
    *paths = all;
    return 0;
}

int config__take_cage(const struct options *o, struct config *c)
{
    const char *level = option_get(o, "isolation");
    if (level && !config__isolation(str_c(level), &c->cage.level)) {
        fprintf(stderr, "ropeline: --isolation is none, default or strict, not %s\n", level);
        return 2;
    }
    int bad = take_paths(o, "allow-read", c, &c->allow_read);
    return bad ? bad : take_paths(o, "allow-write", c, &c->allow_write);
}
