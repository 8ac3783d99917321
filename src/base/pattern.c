/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to PCRE2. Everything that compiling allocates is taken from the arena, so there is
 * nothing to free and no path on which it is forgotten. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/limits.h"
#include "base/pattern.h"

struct pattern {
    pcre2_code *code;
    pcre2_match_context *bounds;
};

static void *from_arena(PCRE2_SIZE size, void *arena)
{
    return arena_alloc(arena, size);
}

static void leave(void *p, void *arena)
{
    (void)p;
    (void)arena;
}

enum err pattern_compile(struct arena *a, struct str text, struct pattern **out, struct errinfo *e)
{
    int why = 0;
    PCRE2_SIZE at = 0;
    struct pattern *p = ARENA_NEW(a, struct pattern);
    pcre2_general_context *memory = pcre2_general_context_create(from_arena, leave, a);
    pcre2_compile_context *how = memory ? pcre2_compile_context_create(memory) : NULL;
    *out = NULL;
    if (p == NULL || how == NULL)
        return ERR_NOMEM;
    p->bounds = pcre2_match_context_create(memory);
    if (p->bounds == NULL)
        return ERR_NOMEM;
    pcre2_set_match_limit(p->bounds, LIMIT_REGEX_MATCHES);
    pcre2_set_heap_limit(p->bounds, LIMIT_REGEX_HEAP / 1024);
    p->code = pcre2_compile((PCRE2_SPTR)(text.p ? text.p : ""), text.n,
                            PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                                PCRE2_NEVER_BACKSLASH_C,
                            &why, &at, how);
    if (p->code == NULL) {
        PCRE2_UCHAR words[120] = "?";
        if (why == PCRE2_ERROR_HEAP_FAILED)
            return ERR_NOMEM;
        pcre2_get_error_message(why, words, sizeof words);
        return errinfo_set(e, ERR_INVALID, "does not compile at its character %zu: %s",
                           (size_t)at + 1, (const char *)words);
    }
    *out = p;
    return ERR_OK;
}

enum err pattern_match(const struct pattern *p, struct str value)
{
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    if (found == NULL)
        return ERR_NOMEM;
    int rc =
        pcre2_match(p->code, (PCRE2_SPTR)(value.p ? value.p : ""), value.n, 0, 0, found, p->bounds);
    pcre2_match_data_free(found);
    return rc >= 0 ? ERR_OK : rc == PCRE2_ERROR_NOMATCH ? ERR_NOTFOUND : ERR_LIMIT;
}
