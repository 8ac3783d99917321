/* SPDX-License-Identifier: Apache-2.0
 *
 * Which route of an HTTP API a path finds, and which API a host and a path mean (specs 6.2,
 * attacks b.14). */
#include "lib/fault.h"
#include "route_int.h"

struct fixture {
    struct arena *arena;
    struct api api;
};

static enum err add(struct fixture *f, const char *verb, const char *path, struct errinfo *e)
{
    struct method *m = ARENA_NEW(f->arena, struct method);
    if (m == NULL)
        return ERR_NOMEM;
    m->verb = str_c(verb);
    m->path = str_c(path);
    return route__http_insert(f->arena, &f->api, m, e);
}

/* "GET /a", "$default" */
static enum err load(struct fixture *f, const char *const *routes, size_t n)
{
    *f = (struct fixture){.arena = arena_new(256, MIB(1)), .api = {.kind = API_HTTP}};
    if (f->arena == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct str path, verb = str_cut(str_c(routes[i]), ' ', &path);
        char *v = arena_cstr(f->arena, path.p ? verb : STR("ANY"));
        char *p = arena_cstr(f->arena, path.p ? path : verb);
        enum err err = v && p ? add(f, v, p, NULL) : ERR_NOMEM;
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* `expected` is "VERB path" of the route, or NULL for none. */
static void finds(struct fixture *f, enum http_method verb, const char *path, const char *expected)
{
    struct path_param params[PATH_PARAMS];
    char found[200] = "none";
    size_t n;
    const struct method *m = route__match(&f->api, verb, str_c(path), params, &n);
    if (m)
        snprintf(found, sizeof found, "%.*s %.*s", STR_ARG(m->verb), STR_ARG(m->path));
    if (strcmp(found, expected ? expected : "none") != 0)
        fail_msg("%s: %s, not %s", path, found, expected ? expected : "none");
}

#define TABLE(f, ...)                                         \
    struct fixture f;                                         \
    static const char *const routes_of_##f[] = {__VA_ARGS__}; \
    assert_int_equal(load(&f, routes_of_##f, COUNTOF(routes_of_##f)), ERR_OK)

static void full_matches_win_then_the_longest_prefix_then_default(void **state)
{
    (void)state;
    TABLE(f, "GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}",
          "$default");
    finds(&f, HTTP_GET, "/pets/dog/1", "GET /pets/dog/1");
    finds(&f, HTTP_GET, "/pets/dog/2", "GET /pets/dog/{id}");
    finds(&f, HTTP_GET, "/pets/cat/1", "GET /pets/{proxy+}");
    finds(&f, HTTP_GET, "/pets", "ANY /{proxy+}");
    finds(&f, HTTP_POST, "/pets/dog/1", "ANY /{proxy+}");
    finds(&f, HTTP_POST, "/test/5", "ANY /{proxy+}");
    finds(&f, HTTP_GET, "/", "ANY $default");
    finds(&f, HTTP_OTHER, "/pets", NULL);
    arena_free(f.arena);
}

static void static_text_wins_over_a_variable_and_a_verb_over_ANY(void **state)
{
    (void)state;
    TABLE(f, "GET /a/{x}", "ANY /a/b", "GET /a/b", "POST /{p}/c", "PUT /a/{x}/d", "PUT /{p}/b/d");
    finds(&f, HTTP_GET, "/a/b", "GET /a/b");
    finds(&f, HTTP_PATCH, "/a/b", "ANY /a/b");
    finds(&f, HTTP_GET, "/a/c", "GET /a/{x}");
    finds(&f, HTTP_POST, "/a/c", "POST /{p}/c"); /* the other has not the verb */
    finds(&f, HTTP_PUT, "/a/b/d", "PUT /a/{x}/d");
    finds(&f, HTTP_PUT, "/z/b/d", "PUT /{p}/b/d");
    finds(&f, HTTP_GET, "/A/b", NULL);
    arena_free(f.arena);
}

static void the_longest_prefix_may_turn_at_a_variable(void **state)
{
    (void)state;
    TABLE(f, "GET /a/{proxy+}", "GET /{x}/b/{proxy+}", "GET /a/b/c/d/e", "ANY /a/b/{proxy+}");
    finds(&f, HTTP_GET, "/a/x/y", "GET /a/{proxy+}");
    finds(&f, HTTP_GET, "/z/b/y", "GET /{x}/b/{proxy+}");
    finds(&f, HTTP_GET, "/a/b/y", "ANY /a/b/{proxy+}"); /* as long, literal first */
    finds(&f, HTTP_GET, "/a/b", "GET /a/{proxy+}");
    arena_free(f.arena);
}

/* The reported way round an authorizer: /v1/accounts is guarded, /v1/accounts/ was not. */
static void a_trailing_slash_never_reaches_a_less_guarded_route(void **state)
{
    (void)state;
    TABLE(f, "GET /v1/accounts", "ANY /v1/{proxy+}", "POST /only", "GET /p/{id}", "$default");
    finds(&f, HTTP_GET, "/v1/accounts", "GET /v1/accounts");
    finds(&f, HTTP_GET, "/v1/accounts/", NULL);
    finds(&f, HTTP_GET, "/p/7/", NULL);
    finds(&f, HTTP_GET, "/v1/other/", "ANY /v1/{proxy+}");
    finds(&f, HTTP_GET, "/v1/", "ANY $default"); /* where /v1 goes too */
    finds(&f, HTTP_GET, "/v1", "ANY $default");
    finds(&f, HTTP_GET, "/only/", "ANY $default");
    finds(&f, HTTP_GET, "/only", "ANY $default");
    finds(&f, HTTP_POST, "/only/", NULL);
    arena_free(f.arena);
}

static void each_route_has_its_own_names(void **state)
{
    (void)state;
    TABLE(f, "GET /a/{x}/b", "GET /a/{y}/c/{rest+}");
    struct path_param p[PATH_PARAMS];
    size_t n = 0;
    assert_non_null(route__match(&f.api, HTTP_GET, STR("/a/%20:1/b"), p, &n));
    assert_int_equal(n, 1);
    assert_true(str_eqz(p[0].name, "x") && str_eqz(p[0].value, "%20:1"));
    assert_non_null(route__match(&f.api, HTTP_GET, STR("/a/1/c/d/e/"), p, &n));
    assert_int_equal(n, 2);
    assert_true(str_eqz(p[0].name, "y") && str_eqz(p[0].value, "1"));
    assert_true(str_eqz(p[1].name, "rest") && str_eqz(p[1].value, "d/e/"));
    arena_free(f.arena);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *path;
        enum err err;
    } rows[] = {
        {"GET", "/a/{other}", ERR_EXISTS}, {"ANY", "$default", ERR_EXISTS},
        {"GET", "$default", ERR_INVALID},  {"GET", "/{proxy+}/x", ERR_INVALID},
        {"GET", "/{}", ERR_INVALID},       {"GET", "/{+}", ERR_INVALID},
        {"GET", "x", ERR_INVALID},         {"GET", "//x", ERR_INVALID},
        {"GET", "/x/", ERR_INVALID},       {"BREW", "/tea", ERR_INVALID},
        {"GET", "", ERR_INVALID},
    };
    TABLE(f, "GET /a/{x}", "$default");
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct errinfo e = {0};
        assert_int_equal(add(&f, rows[i].verb, rows[i].path, &e), rows[i].err);
        assert_true(e.text[0] != '\0');
    }
    arena_free(f.arena);
}

static void host_and_path_choose_the_api(void **state)
{
    (void)state;
    struct api shop = {.kind = API_HTTP, .id = STR("shop"), .stage = STR("$default")};
    struct api prod = {.kind = API_HTTP, .id = STR("shop"), .stage = STR("prod"), .next = &shop};
    struct api rest = {.kind = API_REST, .id = STR("rest"), .stage = STR("dev"), .next = &prod};
    struct snapshot s = {.apis = &rest};
    static const struct {
        const char *host, *path, *id, *stage, *below;
    } rows[] = {
        {"localhost", "/dev/x", "rest", "dev", "/x"},
        {"localhost", "/prod/x", "shop", "prod", "/x"}, /* before a route /prod of $default */
        {"localhost", "/prod", "shop", "prod", "/"},
        {"localhost", "/x/prod", "shop", "$default", "/x/prod"},
        {"localhost", "/$default/x", "shop", "$default", "/$default/x"},
        {"shop.execute-api.localhost", "/dev/x", "shop", "$default", "/dev/x"},
        {"rest.execute-api.localhost", "/x", NULL, NULL, NULL},
        {"none.execute-api.localhost", "/x", NULL, NULL, NULL},
        {"localhost", "/restapis/shop/$default/_user_request_/x", "shop", "$default", "/x"},
        {"localhost", "/restapis/shop/prod/_user_request_", "shop", "prod", "/"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct str below;
        const char *why;
        const struct api *a =
            route__api(&s, str_c(rows[i].host), str_c(rows[i].path), &below, &why);
        if ((a == NULL) != (rows[i].id == NULL) ||
            (a && !(str_eqz(a->id, rows[i].id) && str_eqz(a->stage, rows[i].stage) &&
                    str_eqz(below, rows[i].below))))
            fail_msg("%s %s: %.*s", rows[i].host, rows[i].path, STR_ARG(a ? a->id : STR("none")));
    }
    assert_int_equal(route__manner(&s, STR("localhost")), API_REST);
    assert_int_equal(route__manner(&s, STR("shop.execute-api.localhost")), API_HTTP);
    s.apis = &prod;
    assert_int_equal(route__manner(&s, STR("localhost")), API_HTTP);
}

static void two_default_stages_need_the_host(void **state)
{
    (void)state;
    struct api two = {
        .kind = API_HTTP, .id = STR("two"), .stage = STR("$default"), .stage_is_ambiguous = true};
    struct api one = two;
    struct snapshot s = {.apis = &one};
    struct str below;
    const char *why;
    one.id = STR("one");
    one.next = &two;
    assert_null(route__api(&s, STR("localhost"), STR("/x"), &below, &why));
    assert_non_null(strstr(why, "several APIs"));
    assert_ptr_equal(route__api(&s, STR("two.execute-api.localhost"), STR("/x"), &below, &why),
                     &two);
}

static enum err load_under_fault(void *arg)
{
    static const char *const routes[] = {"GET /a/{x}/b", "GET /a/{y}/{rest+}", "$default"};
    struct fixture f;
    enum err err = load(&f, routes, COUNTOF(routes));
    (void)arg;
    arena_free(f.arena);
    return err;
}

static void failing_allocations_are_told(void **state)
{
    (void)state;
    fault_each(load_under_fault, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_matches_win_then_the_longest_prefix_then_default),
        cmocka_unit_test(static_text_wins_over_a_variable_and_a_verb_over_ANY),
        cmocka_unit_test(the_longest_prefix_may_turn_at_a_variable),
        cmocka_unit_test(a_trailing_slash_never_reaches_a_less_guarded_route),
        cmocka_unit_test(each_route_has_its_own_names),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(host_and_path_choose_the_api),
        cmocka_unit_test(two_default_stages_need_the_host),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
