/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a request path and as a query. A canonical path is a fixed point, holds nothing that
 * another server could resolve once more, and is the raw path itself when nothing changed. */
#include "base/limits.h"
#include "http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(struct str s, const char *what)
{
    return str_find(s, str_c(what)) != SIZE_MAX;
}

static void canonical(struct arena *a, struct str raw, unsigned flags)
{
    struct str out, again;
    const char *why;
    enum err err = path_canonical(a, raw, flags, &out, &why);
    ASSERT(err == ERR_OK || (err == ERR_INVALID && why[0] && !out.p));
    if (err)
        return;
    ASSERT(out.n <= raw.n && out.p[0] == '/' && (out.p == raw.p) == str_eq(out, raw));
    ASSERT(path_canonical(a, out, flags, &again, &why) == ERR_OK && again.p == out.p);
    ASSERT((flags & PATH_ALLOW_DOUBLE_SLASH) || !holds(out, "//"));
    ASSERT(!holds(out, "/./") && !holds(out, "/../") && !str_ends(out, STR("/.")) &&
           !str_ends(out, STR("/..")));
    ASSERT(!holds(out, "%2F") && !holds(out, "%5C") && !holds(out, "%00") && !holds(out, "%2E"));
    struct str plain = path_percent_decode(a, out, false);
    ASSERT(plain.p && (holds(out, "%2f") || holds(out, "%25") || !holds(plain, "/../")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(KIB(16), MIB(16));
    struct str in = str_of(data, size);
    struct query_pair *pairs;
    size_t n = 0;
    if (!a || size > KIB(64)) {
        arena_free(a);
        return 0;
    }
    canonical(a, in, 0);
    canonical(a, in, PATH_ALLOW_DOUBLE_SLASH);
    struct str coded = path_percent_encode(a, in);
    ASSERT(coded.p && str_eq(path_percent_decode(a, coded, true), in));
    enum err err = query_parse(a, in, &pairs, &n);
    ASSERT((err == ERR_OK || err == ERR_LIMIT) && n <= LIMIT_QUERY_PAIRS);
    for (size_t i = 0; i < n; i++)
        ASSERT(pairs[i].name.p && pairs[i].value.p && pairs[i].name.n <= size);
    arena_free(a);
    return 0;
}
