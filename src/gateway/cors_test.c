/* SPDX-License-Identifier: Apache-2.0
 *
 * CORS of HTTP APIs: which origin hears what (specs 9.2). */
#include "base/limits.h"
#include "http_api_int.h"
#include "lib/fault.h"

struct fixture {
    struct arena *arena;
    struct snapshot snapshot;
    struct api api;
    struct method method;
    struct http_request rq;
    struct exchange *x;
    struct errinfo e;
};

static enum err set(struct fixture *f, const char *spec)
{
    const struct json *v = NULL;
    *f = (struct fixture){.arena = arena_new(256, MIB(1)), .api = {.kind = API_HTTP}};
    f->x = f->arena ? ARENA_NEW(f->arena, struct exchange) : NULL;
    enum err err = f->x ? json_parse(f->arena, str_c(spec), MIB(1), &v, NULL) : ERR_NOMEM;
    if (err == ERR_OK)
        err = cors__compile(f->arena, v, &f->api.cors, &f->e);
    if (err != ERR_OK)
        return err;
    *f->x = (struct exchange){
        .arena = f->arena, .kind = API_HTTP, .rq = &f->rq, .api = &f->api, .method = &f->method};
    memcpy(f->x->ids.extended, "id=", 4);
    return ERR_OK;
}

#define ALL                                                                                \
    "{\"allowOrigins\":[\"https://a.test\",\"https://b.test\"],\"allowMethods\":[\"GET\"," \
    "\"PUT\"],\"allowHeaders\":[\"x-a\",\"authorization\"],\"exposeHeaders\":[\"x-e\"],"   \
    "\"maxAge\":300,\"allowCredentials\":true}"

static void text_of(const struct http_headers *h, struct buf *b)
{
    for (size_t i = 0; i < h->n; i++)
        buf_addf(b, "%.*s: %.*s\n", STR_ARG(h->v[i].name), STR_ARG(h->v[i].value));
}

static void says(struct fixture *f, const struct http_headers *h, const char *expected)
{
    AUTO_BUF b = BUF_INIT(KIB(16));
    text_of(h, &b);
    if (!str_eqz(buf_str(&b), expected))
        fail_msg("\n%.*snot\n%s", STR_ARG(buf_str(&b)), expected);
    arena_free(f->arena);
}

static void preflight(const char *spec, const char *origin, const char *expected)
{
    struct fixture f;
    assert_int_equal(set(&f, spec), ERR_OK);
    f.rq.method = HTTP_OPTIONS;
    assert_false(cors__is_preflight(f.x));
    assert_int_equal(http_add(f.arena, &f.rq.headers, STR("origin"), str_c(origin)), ERR_OK);
    assert_false(cors__is_preflight(f.x));
    assert_int_equal(
        http_add(f.arena, &f.rq.headers, STR("Access-Control-Request-Method"), STR("PUT")), ERR_OK);
    assert_true(cors__is_preflight(f.x));
    assert_int_equal(cors__answer_preflight(f.x), ANSWER);
    assert_int_equal(f.x->answer.status, 204);
    says(&f, &f.x->answer.headers, expected);
}

static void preflights_hear_what_the_api_allows(void **state)
{
    (void)state;
    preflight(ALL, "https://a.test",
              "apigw-requestid: id=\nVary: Origin\nAccess-Control-Allow-Origin: https://a.test\n"
              "Access-Control-Allow-Credentials: true\nAccess-Control-Allow-Methods: GET,PUT\n"
              "Access-Control-Allow-Headers: x-a,authorization\nAccess-Control-Max-Age: 300\n");
    preflight(ALL, "https://evil.test", "apigw-requestid: id=\nVary: Origin\n");
    preflight(ALL, "https://a.test.evil.test", "apigw-requestid: id=\nVary: Origin\n");
    preflight(ALL, "null", "apigw-requestid: id=\nVary: Origin\n");
    preflight("{\"allowOrigins\":[\"*\"],\"allowMethods\":[\"*\"]}", "null",
              "apigw-requestid: id=\nAccess-Control-Allow-Origin: *\n"
              "Access-Control-Allow-Methods: *\n");
    preflight("{\"allowOrigins\":[\"https://*\"]}", "https://x.test:1",
              "apigw-requestid: id=\nVary: Origin\n"
              "Access-Control-Allow-Origin: https://x.test:1\n");
    preflight("{\"allowOrigins\":[\"https://*\"]}", "http://x.test",
              "apigw-requestid: id=\nVary: Origin\n");
    preflight("{}", "https://a.test", "apigw-requestid: id=\nVary: Origin\n");
}

static void answer(const char *spec, const char *const *origins, size_t n, const char *expected)
{
    struct fixture f;
    struct http_headers h = {0};
    assert_int_equal(set(&f, spec), ERR_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(http_add(f.arena, &f.rq.headers, STR("Origin"), str_c(origins[i])),
                         ERR_OK);
    static const char *const backend[][2] = {{"X-E", "1"},
                                             {"access-control-allow-origin", "*"},
                                             {"Access-Control-Anything", "x"},
                                             {"X-F", "2"}};
    for (size_t i = 0; i < COUNTOF(backend); i++)
        assert_int_equal(http_add(f.arena, &h, str_c(backend[i][0]), str_c(backend[i][1])), ERR_OK);
    assert_int_equal(cors__put(f.x, &h), ERR_OK);
    says(&f, &h, expected);
}

static void a_backends_word_is_replaced(void **state)
{
    (void)state;
    static const char *const one[] = {"https://b.test"};
    static const char *const two[] = {"https://b.test", "https://a.test"};
    answer(ALL, one, 1,
           "X-E: 1\nX-F: 2\nVary: Origin\nAccess-Control-Allow-Origin: https://b.test\n"
           "Access-Control-Allow-Credentials: true\nAccess-Control-Expose-Headers: x-e\n");
    answer(ALL, one, 0, "X-E: 1\nX-F: 2\nVary: Origin\n");
    answer(ALL, two, 2, "X-E: 1\nX-F: 2\nVary: Origin\n");
    answer("{\"allowOrigins\":[\"*\"]}", one, 1,
           "X-E: 1\nX-F: 2\nAccess-Control-Allow-Origin: *\n");
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } rows[] = {
        {"{\"allowOrigins\":[\"*\"],\"allowCredentials\":true}", "any page"},
        {"{\"allowCredentials\":true,\"allowOrigins\":[\"https://a\",\"https://*\"]}", "any page"},
        {"{\"allowOrigins\":[\"https://*.a.test\"]}", "a * stands alone"},
        {"{\"allowOrigins\":[\"\"]}", "no origin"},
        {"{\"allowOrigins\":[1]}", "no origin"},
        {"{\"allowOrigins\":[\"a\\nb\"]}", "no origin"},
        {"{\"allowOrigins\":\"*\"}", "wrong type"},
        {"{\"allowOrigin\":[\"*\"]}", "unknown"},
        {"{\"allowMethods\":[\"G T\"]}", "no name"},
        {"{\"allowHeaders\":[\"a,b\"]}", "no name"},
        {"{\"maxAge\":86401}", "maxAge"},
        {"{\"maxAge\":1.5}", "maxAge"},
        {"{\"allowCredentials\":\"true\"}", "wrong type"},
        {"[]", "object"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        if (set(&f, rows[i].spec) == ERR_OK)
            fail_msg("%s was accepted", rows[i].spec);
        if (!strstr(f.e.text, rows[i].says))
            fail_msg("%s: \"%s\"", rows[i].spec, f.e.text);
        arena_free(f.arena);
    }
}

static enum err load_under_fault(void *arg)
{
    struct fixture f;
    struct http_headers h = {0};
    (void)arg;
    enum err err = set(&f, ALL);
    if (err == ERR_OK)
        err = http_add(f.arena, &f.rq.headers, STR("Origin"), STR("https://a.test"));
    if (err == ERR_OK)
        err = cors__put(f.x, &h);
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
        cmocka_unit_test(preflights_hear_what_the_api_allows),
        cmocka_unit_test(a_backends_word_is_replaced),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
