/* SPDX-License-Identifier: Apache-2.0
 *
 * Integration responses: which rule answers a status, what it maps, what is refused at load. */
#include "base/limits.h"
#include "lib/fault.h"
#include "responses_int.h"

struct fixture {
    struct arena *arena;
    struct responses responses;
    struct errinfo e;
    struct api api;
    struct http_request rq;
    struct http_headers headers;
    struct backend_answer backend;
    struct exchange x;
};

/* {"method": PutMethod's object, "responses": integrationResponses} */
static enum err load(struct fixture *f, const char *document, enum mapping_use use)
{
    const struct json *v = NULL;
    memset(f, 0, sizeof *f);
    f->arena = arena_new(KIB(4), MIB(1));
    if (f->arena == NULL)
        return ERR_NOMEM;
    f->x = (struct exchange){.arena = f->arena, .api = &f->api, .rq = &f->rq};
    f->backend = (struct backend_answer){200, &f->headers, STR("")};
    enum err err = json_parse(f->arena, str_c(document), MIB(1), &v, NULL);
    return err ? err
               : responses__compile(f->arena, json_get(v, "responses"), json_get(v, "method"), use,
                                    &f->responses, &f->e);
}

static void expect_rule(struct fixture *f, unsigned status, const char *name)
{
    const struct response_rule *rule = responses__choose(&f->responses, status);
    if (name == NULL ? rule != NULL : rule == NULL || !str_eqz(rule->name, name))
        fail_msg("%u: %.*s", status, STR_ARG(rule ? rule->name : STR("none")));
}

static void the_first_pattern_that_is_the_whole_status_answers(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(load(&f,
                          "{\"responses\":{\"default\":{\"statusCode\":\"200\"},\"404\":{"
                          "\"statusCode\":404},\"4\\\\d{2}\":{\"statusCode\":\"400\"},\"(5..|41)\":"
                          "{\"statusCode\":\"500\"}}}",
                          MAPPING_RESPONSE),
                     ERR_OK);
    expect_rule(&f, 404, "404");
    expect_rule(&f, 410, "4\\d{2}");
    expect_rule(&f, 503, "(5..|41)");
    expect_rule(&f, 201, "default");
    assert_int_equal(responses__choose(&f.responses, 404)->status, 404);
    arena_free(f.arena);
    assert_int_equal(load(&f, "{\"responses\":{\"2..\":{\"statusCode\":200}}}", MAPPING_RESPONSE),
                     ERR_OK);
    expect_rule(&f, 302, NULL);
    arena_free(f.arena);
    assert_int_equal(load(&f, "{}", MAPPING_RESPONSE), ERR_OK);
    expect_rule(&f, 200, NULL);
    arena_free(f.arena);
}

#define MAPPED(text) \
    "{\"responses\":{\"default\":{\"statusCode\":200,\"responseParameters\":{" text "}}}}"

static void add_header(struct fixture *f, const char *name, const char *value)
{
    assert_int_equal(http_add(f->arena, &f->headers, str_c(name), str_c(value)), ERR_OK);
}

static enum err apply(struct fixture *f, struct str *body)
{
    f->x.backend = &f->backend;
    *body = STR("backend's");
    return responses__apply(&f->x, responses__choose(&f->responses, 200), body);
}

static void only_what_is_mapped_comes_through(void **state)
{
    (void)state;
    struct fixture f;
    struct str body;
    assert_int_equal(
        load(
            &f,
            MAPPED("\"method.response.header.X-A\":\"integration.response.header.x-a\","
                   "\"method.response.header.Set-Cookie\":\"integration.response.multivalueheader."
                   "Set-Cookie\",\"method.response.header.X-B\":\"integration.response.body.b[0]\","
                   "\"method.response.header.X-S\":\"'static'\","
                   "\"method.response.header.X-None\":\"integration.response.header.None\","
                   "\"method.response.header.Date\":\"integration.response.header.Date\","
                   "\"method.response.header.Transfer-Encoding\":\"'chunked'\""),
            MAPPING_RESPONSE),
        ERR_OK);
    add_header(&f, "X-A", "1");
    add_header(&f, "X-Secret", "s");
    add_header(&f, "set-cookie", "a=1");
    add_header(&f, "Set-Cookie", "b=2");
    add_header(&f, "date", "then");
    add_header(&f, "content-type", "text/x");
    f.backend.body = STR("{\"b\":[true]}");
    assert_int_equal(apply(&f, &body), ERR_OK);
    const struct http_headers *h = &f.x.answer.headers;
    assert_true(str_eqz(http_value(h, STR("X-A")), "1"));
    assert_true(str_eqz(http_value(h, STR("X-B")), "true"));
    assert_true(str_eqz(http_value(h, STR("X-S")), "static"));
    assert_true(str_eqz(http_value(h, STR("x-amzn-Remapped-Date")), "then"));
    assert_true(str_eqz(http_value(h, STR("Content-Type")), "text/x"));
    assert_null(http_find(h, STR("X-Secret")));
    assert_null(http_find(h, STR("X-None")));
    assert_null(http_find(h, STR("Transfer-Encoding")));
    assert_true(str_eqz(body, "backend's"));
    size_t cookies = 0;
    for (size_t i = 0; i < h->n; i++)
        if (str_eqz(h->v[i].name, "Set-Cookie"))
            assert_true(str_eqz(h->v[i].value, cookies++ ? "b=2" : "a=1"));
    assert_int_equal(cookies, 2);
    arena_free(f.arena);
}

static void a_value_that_would_write_headers_is_an_error(void **state)
{
    (void)state;
    struct fixture f;
    struct str body;
    assert_int_equal(load(&f,
                          MAPPED("\"method.response.header.X\":\"integration.response.body.a\""),
                          MAPPING_RESPONSE),
                     ERR_OK);
    f.backend.body = STR("{\"a\":\"x\\r\\nSet-Cookie: y\"}");
    assert_int_equal(apply(&f, &body), ERR_INVALID);
    arena_free(f.arena);
}

static void the_template_that_the_client_accepts_is_the_body(void **state)
{
    (void)state;
    static const char *const rows[][3] = {{"text/html", "<p>", "text/html"},
                                          {"text/plain", "{}", "application/json"},
                                          {"TEXT/HTML;q=1, */*", "<p>", "text/html"},
                                          {NULL, "{}", "application/json"}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        struct str body;
        assert_int_equal(load(&f,
                              "{\"responses\":{\"default\":{\"statusCode\":200,"
                              "\"responseTemplates\":{\"text/html\":\"<p>\",\"application/json\":"
                              "\"{}\"}}}}",
                              MAPPING_RESPONSE),
                         ERR_OK);
        if (rows[i][0])
            assert_int_equal(http_add(f.arena, &f.rq.headers, STR("Accept"), str_c(rows[i][0])),
                             ERR_OK);
        assert_int_equal(apply(&f, &body), ERR_OK);
        assert_true(str_eqz(body, rows[i][1]));
        assert_true(str_eqz(http_value(&f.x.answer.headers, STR("Content-Type")), rows[i][2]));
        arena_free(f.arena);
    }
}

static void templates_are_chosen_by_content_type(void **state)
{
    (void)state;
    static const struct {
        enum passthrough pass;
        const char *type;
        bool found, refused;
    } rows[] = {
        {PASS_WHEN_NO_MATCH, "", true, false},
        {PASS_NEVER, "application/json; charset=utf-8", true, false},
        {PASS_WHEN_NO_MATCH, "text/plain", false, false},
        {PASS_WHEN_NO_TEMPLATES, "text/plain", false, true},
        {PASS_NEVER, "text/plain", false, true},
    };
    struct template one = {STR_INIT("application/json"), STR_INIT("{}")};
    struct templates some = {&one, 1}, none = {NULL, 0};
    bool refused;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        assert_int_equal(templates__choose(&some, rows[i].pass, str_c(rows[i].type), &refused) !=
                             NULL,
                         rows[i].found);
        assert_int_equal(refused, rows[i].refused);
    }
    assert_null(templates__choose(&none, PASS_WHEN_NO_TEMPLATES, STR("text/plain"), &refused));
    assert_false(refused);
    assert_null(templates__choose(&none, PASS_NEVER, STR(""), &refused));
    assert_true(refused);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *document, *says;
        enum mapping_use use;
    } rows[] = {
        {"{\"responses\":[]}", "integration responses are", MAPPING_RESPONSE},
        {"{\"responses\":{\"default\":1}}", "an integration response is", MAPPING_RESPONSE},
        {"{\"responses\":{\"default\":{}}}", "statusCode", MAPPING_RESPONSE},
        {"{\"responses\":{\"(\":{\"statusCode\":200}}}", "the selection pattern ( does not compile",
         MAPPING_RESPONSE},
        {MAPPED("\"method.response.header.X\":\"method.request.header.Y\""), "no mapping source",
         MAPPING_RESPONSE},
        {MAPPED("\"method.response.header.X\":\"integration.response.body..a\""),
         "no mapping source", MAPPING_RESPONSE},
        {MAPPED("\"method.response.header.X\":\"integration.response.header.Y\""),
         "no mapping source", MAPPING_MOCK},
        {MAPPED("\"integration.request.header.X\":\"'a'\""), "a mapping is method.response",
         MAPPING_MOCK},
        {"{\"responses\":{\"default\":{\"statusCode\":200,\"responseTemplates\":{\"a/"
         "b\":\"$x\"}}}}",
         "template language", MAPPING_MOCK},
        {"{\"responses\":{\"default\":{\"statusCode\":200,\"contentHandling\":\"x\"}}}",
         "contentHandling", MAPPING_RESPONSE},
        {"{\"method\":{\"methodResponses\":{\"200\":{\"responseParameters\":{"
         "\"method.response.header.Y\":true}}}},\"responses\":{\"default\":{\"statusCode\":200,"
         "\"responseParameters\":{\"method.response.header.X\":\"'a'\"}}}}",
         "the method response 200 does not declare method.response.header.X", MAPPING_RESPONSE},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        if (load(&f, rows[i].document, rows[i].use) == ERR_OK)
            fail_msg("%s was accepted", rows[i].document);
        if (!strstr(f.e.text, rows[i].says))
            fail_msg("%s: \"%s\"", rows[i].document, f.e.text);
        arena_free(f.arena);
    }
}

static enum err load_under_fault(void *arg)
{
    (void)arg;
    struct fixture f;
    enum err err = load(&f, MAPPED("\"method.response.header.X\":\"'a'\""), MAPPING_RESPONSE);
    arena_free(f.arena);
    return err;
}

static void loading_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(load_under_fault, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_pattern_that_is_the_whole_status_answers),
        cmocka_unit_test(only_what_is_mapped_comes_through),
        cmocka_unit_test(a_value_that_would_write_headers_is_an_error),
        cmocka_unit_test(the_template_that_the_client_accepts_is_the_body),
        cmocka_unit_test(templates_are_chosen_by_content_type),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(loading_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
