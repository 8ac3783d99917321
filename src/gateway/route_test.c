/* SPDX-License-Identifier: Apache-2.0
 *
 * Which method a path finds (specs 6.1). */
#include "gateway_int.h"

#include <setjmp.h>

#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct api api;
};

static enum err add(struct fixture *f, const char *verb, const char *path, struct errinfo *e)
{
    struct method *m = ARENA_NEW(f->arena, struct method);
    assert_non_null(m);
    m->verb = str_c(verb);
    m->path = str_c(path);
    return route__insert(f->arena, &f->api.root, m, e);
}

static struct fixture table(const char *const (*rows)[2], size_t n)
{
    struct fixture f = {.arena = arena_new(4096, MIB(1))};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(add(&f, rows[i][0], rows[i][1], NULL), ERR_OK);
    return f;
}

static const struct method *match(const struct fixture *f, enum http_method verb, const char *path)
{
    struct path_param params[PATH_PARAMS];
    size_t n;
    return route__match(&f->api, verb, str_c(path), params, &n);
}

static bool finds(const struct fixture *f, enum http_method verb, const char *path,
                  const char *expected)
{
    const struct method *m = match(f, verb, path);
    return expected ? m && str_eqz(m->path, expected) : m == NULL;
}

static void literals_win_over_params_and_params_over_greedy(void **state)
{
    (void)state;
    const char *rows[][2] = {
        {"GET", "/"},          {"GET", "/pets"},           {"GET", "/pets/{id}"},
        {"GET", "/pets/mine"}, {"GET", "/files/{proxy+}"}, {"GET", "/pets/{id}/toys"}};
    struct fixture f = table((const char *const(*)[2])rows, COUNTOF(rows));
    assert_true(finds(&f, HTTP_GET, "/", "/"));
    assert_true(finds(&f, HTTP_GET, "/pets", "/pets"));
    assert_true(finds(&f, HTTP_GET, "/pets/7", "/pets/{id}"));
    assert_true(finds(&f, HTTP_GET, "/pets/mine", "/pets/mine"));
    assert_true(finds(&f, HTTP_GET, "/pets/mine/toys", "/pets/{id}/toys"));
    assert_true(finds(&f, HTTP_GET, "/files/a/b/c", "/files/{proxy+}"));
    assert_true(finds(&f, HTTP_GET, "/files", NULL));
    assert_true(finds(&f, HTTP_GET, "/nope", NULL));
    assert_true(finds(&f, HTTP_POST, "/pets", NULL));
    arena_free(f.arena);
}

static void one_trailing_slash_routes_as_without(void **state)
{
    (void)state; /* trap 36 */
    const char *rows[][2] = {{"GET", "/admin"}, {"ANY", "/{proxy+}"}};
    struct fixture f = table((const char *const(*)[2])rows, COUNTOF(rows));
    assert_true(finds(&f, HTTP_GET, "/admin/", "/admin"));
    assert_true(finds(&f, HTTP_GET, "/admin/x", "/{proxy+}"));
    assert_true(finds(&f, HTTP_GET, "/ADMIN", "/{proxy+}"));
    arena_free(f.arena);
}

static void a_missing_verb_falls_to_the_nearest_greedy(void **state)
{
    (void)state; /* trap 33 */
    const char *rows[][2] = {{"POST", "/a/b"},
                             {"GET", "/{proxy+}"},
                             {"GET", "/a/{proxy+}"},
                             {"GET", "/c/{id}"},
                             {"PUT", "/c/d"}};
    struct fixture f = table((const char *const(*)[2])rows, COUNTOF(rows));
    assert_true(finds(&f, HTTP_POST, "/a/b", "/a/b"));
    assert_true(finds(&f, HTTP_GET, "/a/b", "/a/{proxy+}"));
    assert_true(finds(&f, HTTP_DELETE, "/a/b", NULL));
    assert_true(finds(&f, HTTP_GET, "/c/d", "/{proxy+}"));
    assert_true(finds(&f, HTTP_OTHER, "/a/b", NULL));
    arena_free(f.arena);
}

static void an_explicit_verb_wins_over_any(void **state)
{
    (void)state;
    const char *rows[][2] = {{"ANY", "/x"}, {"GET", "/x"}};
    struct fixture f = table((const char *const(*)[2])rows, COUNTOF(rows));
    assert_true(str_eqz(match(&f, HTTP_GET, "/x")->verb, "GET"));
    assert_true(str_eqz(match(&f, HTTP_HEAD, "/x")->verb, "ANY"));
    arena_free(f.arena);
}

static void parameters_keep_their_bytes(void **state)
{
    (void)state;
    const char *rows[][2] = {{"GET", "/a/{x}/b/{rest+}"}};
    struct fixture f = table((const char *const(*)[2])rows, COUNTOF(rows));
    struct path_param p[PATH_PARAMS];
    size_t n = 0;
    assert_non_null(route__match(&f.api, HTTP_GET, STR("/a/%20:1/b/c/d/"), p, &n));
    assert_int_equal(n, 2);
    assert_true(str_eqz(p[0].name, "x") && str_eqz(p[0].value, "%20:1"));
    assert_true(str_eqz(p[1].name, "rest") && str_eqz(p[1].value, "c/d/"));
    arena_free(f.arena);
}

static void contradictions_are_refused_in_the_words_of_aws(void **state)
{
    (void)state;
    const char *rows[][2] = {{"GET", "/{proxy+}"}};
    struct fixture f = table((const char *const(*)[2])rows, COUNTOF(rows));
    struct errinfo e = {0};
    assert_int_equal(add(&f, "GET", "/{id}", &e), ERR_INVALID);
    assert_string_equal(e.text,
                        "A sibling ({proxy+}) of this resource already has a variable path part -- "
                        "only one is allowed");
    assert_int_equal(add(&f, "GET", "/{proxy+}/x", &e), ERR_INVALID);
    assert_string_equal(
        e.text, "Cannot create a child of a resource with a greedy path variable: {proxy+}");
    assert_int_equal(add(&f, "GET", "/{proxy+}", &e), ERR_EXISTS);
    assert_int_equal(add(&f, "BREW", "/tea", &e), ERR_INVALID);
    assert_int_equal(add(&f, "GET", "//x", &e), ERR_INVALID);
    assert_int_equal(add(&f, "GET", "x", &e), ERR_INVALID);
    arena_free(f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_win_over_params_and_params_over_greedy),
        cmocka_unit_test(one_trailing_slash_routes_as_without),
        cmocka_unit_test(a_missing_verb_falls_to_the_nearest_greedy),
        cmocka_unit_test(an_explicit_verb_wins_over_any),
        cmocka_unit_test(parameters_keep_their_bytes),
        cmocka_unit_test(contradictions_are_refused_in_the_words_of_aws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
