/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical path, spelling by spelling: what an attacker may write for a protected path is
 * either refused, or the protected path itself, or visibly another one. */
#include "http/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limits.h"
#include "lib/prop.h"

#define REFUSED NULL

static const struct {
    const char *raw, *canonical;
} spellings[] = {
    {"/", "/"},
    {"/admin", "/admin"},
    {"/admin/", "/admin/"},
    {"/pets/7/toys", "/pets/7/toys"},
    {"/.well-known/x", "/.well-known/x"},
    {"/...", "/..."},
    {"/a.b/..c/d..", "/a.b/..c/d.."},
    {"/~user/-_.", "/~user/-_."},
    {"/a,b;c=d/e:f@g!$&'()*+", "/a,b;c=d/e:f@g!$&'()*+"},
    /* the same path written otherwise becomes the same bytes */
    {"/%61dmin", "/admin"},
    {"/adm%69n", "/admin"},
    {"/%7e%7E", "/~~"},
    {"/%41%5A%30%2d%2E%5f", "/AZ0-._"},
    {"/a%c3%a9", "/a%C3%A9"},
    {"/a%C3%A9", "/a%C3%A9"},
    {"/x%3ay", "/x%3Ay"},
    /* another path, and it stays visible as such */
    {"/admin;a=b", "/admin;a=b"},
    {"/;/admin", "/;/admin"},
    {"/admin%23", "/admin%23"},
    {"/admin%3f", "/admin%3F"},
    {"/admin%3F", "/admin%3F"},
    {"/ADMIN", "/ADMIN"},
    {"/admin%20", "/admin%20"},
    {"/%c0%afadmin", "/%C0%AFadmin"},
    {"/admin%252f", "/admin%252f"},
    {"/admin%25%32%46", "/admin%252F"},
    {"/%2561dmin", "/%2561dmin"},
    {"/%EF%BD%81dmin", "/%EF%BD%81dmin"},
    {"/e%CC%81", "/e%CC%81"},
    {"/admin.json", "/admin.json"},
    {"/admin%09", "/admin%09"},
    {"/admin%0d%0a", "/admin%0D%0A"},
    /* refused: a second reading exists */
    {"//admin", REFUSED},
    {"/./admin", REFUSED},
    {"/x/../admin", REFUSED},
    {"/admin/.", REFUSED},
    {"/admin/..", REFUSED},
    {"/.", REFUSED},
    {"/..", REFUSED},
    {"/./", REFUSED},
    {"/admin//", REFUSED},
    {"//", REFUSED},
    {"/admin//x", REFUSED},
    {"/admin%2f", REFUSED},
    {"/admin%2F", REFUSED},
    {"/%2fadmin", REFUSED},
    {"/..%2fadmin", REFUSED},
    {"/%2e%2e/admin", REFUSED},
    {"/%2E/admin", REFUSED},
    {"/.%2e", REFUSED},
    {"/x/%2e", REFUSED},
    {"/..;/admin", REFUSED},
    {"/.;x=y/admin", REFUSED},
    {"/%2e%2e;/admin", REFUSED},
    {"/admin%00", REFUSED},
    {"/%5cadmin", REFUSED},
    {"/%5Cadmin", REFUSED},
    {"/%u0061dmin", REFUSED},
    {"/admin%", REFUSED},
    {"/admin%6", REFUSED},
    {"/admin%g1", REFUSED},
    {"/admin%1g", REFUSED},
    {"/admin% 1", REFUSED},
    {"\\admin", REFUSED},
    {"/\\admin", REFUSED},
    {"/admin\t", REFUSED},
    {"/admin ", REFUSED},
    {"/admin\x7f", REFUSED},
    {"/admin\r\n", REFUSED},
    {"/admin?", REFUSED},
    {"/admin#x", REFUSED},
    {"/e\xcc\x81", REFUSED},
    {"/\xef\xbd\x81"
     "dmin",
     REFUSED},
    {"/\xff", REFUSED},
    {"", REFUSED},
    {"admin", REFUSED},
    {"*", REFUSED},
    {"http://h/admin", REFUSED},
};

static struct arena *new_arena(void)
{
    struct arena *a = arena_new(4096, MIB(1));
    assert_non_null(a);
    return a;
}

static void each_spelling_has_one_verdict(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    for (size_t i = 0; i < COUNTOF(spellings); i++) {
        struct str out, again, raw = str_c(spellings[i].raw);
        const char *why = NULL;
        enum err e = path_canonical(a, raw, 0, &out, &why);
        if (!spellings[i].canonical) {
            if (e != ERR_INVALID || !why || !*why || out.p)
                fail_msg("%s was not refused", spellings[i].raw);
            continue;
        }
        if (e || !str_eqz(out, spellings[i].canonical))
            fail_msg("%s became %.*s", spellings[i].raw, STR_ARG(out));
        assert_int_equal(path_canonical(a, out, 0, &again, &why), ERR_OK);
        assert_ptr_equal(again.p, out.p);
    }
    arena_free(a);
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    struct str out;
    const char *why;
    assert_int_equal(path_canonical(a, str_of("/a\0b", 4), 0, &out, &why), ERR_INVALID);
    arena_free(a);
}

static void an_unchanged_path_is_not_copied(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    struct str out, raw = STR("/pets/7%20x");
    const char *why;
    size_t before = arena_used(a);
    assert_int_equal(path_canonical(a, raw, 0, &out, &why), ERR_OK);
    assert_ptr_equal(out.p, raw.p);
    assert_int_equal(out.n, raw.n);
    assert_int_equal(arena_used(a), before);
    arena_free(a);
}

static void double_slashes_pass_only_when_allowed(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    struct str out;
    const char *why;
    assert_int_equal(path_canonical(a, STR("//a//b//"), PATH_ALLOW_DOUBLE_SLASH, &out, &why), 0);
    assert_true(str_eqz(out, "//a//b//"));
    assert_int_equal(path_canonical(a, STR("/a//.."), PATH_ALLOW_DOUBLE_SLASH, &out, &why),
                     ERR_INVALID);
    arena_free(a);
}

static void without_memory_nothing_is_let_through(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, 64);
    assert_non_null(a);
    char raw[512];
    memset(raw, 'a', sizeof raw);
    memcpy(raw, "/%61", 4);
    struct str out;
    const char *why;
    assert_int_equal(path_canonical(a, str_of(raw, sizeof raw), 0, &out, &why), ERR_NOMEM);
    assert_null(out.p);
    arena_free(a);
}

static bool contains(struct str s, const char *what)
{
    return str_find(s, str_c(what)) != SIZE_MAX;
}

/* Random paths out of the pieces that matter: the canonical form is a fixed point and holds
 * nothing that could be resolved once more. */
static bool canonical_is_a_fixed_point(struct prop *g)
{
    static const char *const pieces[] = {"a",   "/",   ".",   "..",  "%2e", "%2E", "%2f", "%25",
                                         "%",   "2f",  "%61", "%c3", "%5c", ";",   "%3b", "A",
                                         "%41", "%7E", "%00", "//",  "/./", "%zz", "2e",  "%3A"};
    char raw[64] = "/";
    size_t n = 1;
    for (uint32_t left = prop_below(g, 9); left > 0; left--) {
        const char *piece = pieces[prop_below(g, COUNTOF(pieces))];
        memcpy(raw + n, piece, strlen(piece));
        n += strlen(piece);
    }
    prop_note(g, "%.*s", (int)n, raw);
    struct arena *a = new_arena();
    struct str out, again = STR_NONE;
    const char *why;
    bool held = true;
    if (path_canonical(a, str_of(raw, n), 0, &out, &why) == ERR_OK) {
        held = path_canonical(a, out, 0, &again, &why) == ERR_OK && again.p == out.p;
        held &= !contains(out, "//") && !contains(out, "/./") && !contains(out, "/../");
        held &= !contains(out, "%2F") && !contains(out, "%5C") && !contains(out, "%00");
    }
    arena_free(a);
    return held;
}

static void canonical_forms_are_fixed_points(void **state)
{
    (void)state;
    assert_true(prop_holds("canonical is a fixed point", canonical_is_a_fixed_point, 100000));
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    assert_true(str_eqz(path_percent_decode(a, STR("a%20b+c%2F%"), false), "a b+c/%"));
    assert_true(str_eqz(path_percent_decode(a, STR("a%20b+c"), true), "a b c"));
    assert_true(str_eqz(path_percent_decode(a, STR("%zz%4"), true), "%zz%4"));
    assert_true(str_eq(path_percent_decode(a, STR("%00x"), true), STR("\0x")));
    assert_non_null(path_percent_decode(a, STR_NONE, true).p);
    struct str plain = STR("plain");
    assert_ptr_equal(path_percent_decode(a, plain, true).p, plain.p);
    arena_free(a);
}

static void everything_but_unreserved_is_encoded(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    assert_true(str_eqz(path_percent_encode(a, STR("a b/c\xff~.-_%")), "a%20b%2Fc%FF~.-_%25"));
    struct str plain = STR("plain");
    assert_ptr_equal(path_percent_encode(a, plain).p, plain.p);
    assert_non_null(path_percent_encode(a, STR_NONE).p);
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    struct str bytes = str_of(all, sizeof all);
    assert_true(str_eq(path_percent_decode(a, path_percent_encode(a, bytes), true), bytes));
    arena_free(a);
}

static void query_pairs_keep_their_order(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    struct query_pair *q;
    size_t n;
    assert_int_equal(query_parse(a, STR("a=1&b&a=2&&%61=x%26y+z&=v&c=d=e"), &q, &n), ERR_OK);
    static const char *const want[][2] = {{"a", "1"},     {"b", ""}, {"a", "2"},
                                          {"a", "x&y z"}, {"", "v"}, {"c", "d=e"}};
    assert_int_equal(n, COUNTOF(want));
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eqz(q[i].name, want[i][0]));
        assert_true(str_eqz(q[i].value, want[i][1]));
    }
    assert_int_equal(query_parse(a, STR_NONE, &q, &n), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(query_parse(a, STR("&&"), &q, &n), ERR_OK);
    assert_int_equal(n, 0);
    arena_free(a);
}

static void too_many_query_pairs_are_refused(void **state)
{
    (void)state;
    struct arena *a = new_arena();
    char text[2 * LIMIT_QUERY_PAIRS + 1];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? '&' : 'a';
    struct query_pair *q;
    size_t n;
    assert_int_equal(query_parse(a, str_of(text, sizeof text), &q, &n), ERR_LIMIT);
    assert_int_equal(query_parse(a, str_of(text, sizeof text - 2), &q, &n), ERR_OK);
    assert_int_equal(n, LIMIT_QUERY_PAIRS);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_spelling_has_one_verdict),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(an_unchanged_path_is_not_copied),
        cmocka_unit_test(double_slashes_pass_only_when_allowed),
        cmocka_unit_test(without_memory_nothing_is_let_through),
        cmocka_unit_test(canonical_forms_are_fixed_points),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(everything_but_unreserved_is_encoded),
        cmocka_unit_test(query_pairs_keep_their_order),
        cmocka_unit_test(too_many_query_pairs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
