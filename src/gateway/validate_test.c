/* SPDX-License-Identifier: Apache-2.0
 *
 * Request validators: what is missing and how it is said (specs 4.1, recorded from AWS). */
#include "base/limits.h"
#include "lib/fault.h"
#include "validate_int.h"

struct fixture {
    struct arena *arena;
    const struct requirements *wanted;
    struct errinfo e;
    struct method method;
    struct http_request rq;
    struct exchange x;
};

#define VALIDATORS                                                             \
    "\"validators\":{\"all\":{\"validateRequestParameters\":true,"             \
    "\"validateRequestBody\":true},\"params\":{\"validateRequestParameters\":" \
    "true},\"none\":{}}"

static enum err load(struct fixture *f, const char *document)
{
    const struct json *v = NULL;
    memset(f, 0, sizeof *f);
    f->arena = arena_new(KIB(4), MIB(1));
    if (f->arena == NULL)
        return ERR_NOMEM;
    f->x = (struct exchange){.arena = f->arena, .rq = &f->rq, .method = &f->method};
    enum err err = json_parse(f->arena, str_c(document), MIB(1), &v, NULL);
    if (err == ERR_OK)
        err = validate__compile(f->arena, json_get(v, "method"), json_get(v, "validators"),
                                json_get(v, "models"), &f->wanted, &f->e);
    f->method.requirements = f->wanted;
    return err;
}

static const char *const three =
    "{" VALIDATORS ",\"method\":{\"requestValidator\":\"params\",\"requestParameters\":{"
    "\"method.request.querystring.qs1\":true,\"method.request.path.issuer\":true,"
    "\"method.request.querystring.free\":false,\"method.request.header.x-header-param\":true}}}";

static void what_is_missing_is_named_headers_first(void **state)
{
    (void)state;
    static const struct {
        const char *header, *query, *issuer, *body;
    } rows[] = {
        {NULL, "", NULL,
         "{\"message\":\"Missing required request parameters: [x-header-param, issuer, qs1]\"}"},
        {"", "qs1=1", "i",
         "{\"message\":\"Missing required request parameters: [x-header-param]\"}"},
        {"1", "qs1=&QS1=1", "i", "{\"message\":\"Missing required request parameters: [qs1]\"}"},
        {"1", "qs1=&qs1=1", "", "{\"message\":\"Missing required request parameters: [issuer]\"}"},
        {"1", "qs1=1", "i", NULL},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        assert_int_equal(load(&f, three), ERR_OK);
        f.rq.query = str_c(rows[i].query);
        if (rows[i].header)
            assert_int_equal(
                http_add(f.arena, &f.rq.headers, STR("X-Header-Param"), str_c(rows[i].header)),
                ERR_OK);
        if (rows[i].issuer) {
            f.x.params[0] = (struct path_param){STR("issuer"), str_c(rows[i].issuer)};
            f.x.param_count = 1;
        }
        enum next next = step__validate(&f.x);
        assert_int_equal(next, rows[i].body ? ANSWER : NEXT);
        if (rows[i].body) {
            assert_int_equal(f.x.answer.status, 400);
            assert_true(str_eqz(f.x.answer_body, rows[i].body));
            assert_true(f.x.error.validation.n > 0);
        }
        arena_free(f.arena);
    }
}

static void a_query_that_cannot_be_read_has_no_parameters(void **state)
{
    (void)state;
    struct fixture f;
    AUTO_BUF query = BUF_INIT(MIB(1));
    assert_int_equal(load(&f, three), ERR_OK);
    for (size_t i = 0; i <= LIMIT_QUERY_PAIRS; i++)
        buf_addz(&query, "qs1=1&");
    f.rq.query = buf_str(&query);
    assert_int_equal(step__validate(&f.x), ANSWER);
    assert_int_equal(f.x.answer.status, 400);
    arena_free(f.arena);
}

static void nothing_is_asked_where_no_validator_asks(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{" VALIDATORS ",\"method\":{\"requestParameters\":{\"method.request.header.A\":true}}}",
        "{" VALIDATORS ",\"method\":{\"requestValidator\":\"none\",\"requestParameters\":{"
        "\"method.request.header.A\":true}}}",
        "{" VALIDATORS ",\"method\":{\"requestValidator\":\"params\",\"requestModels\":{"
        "\"application/json\":\"Strict\"}}}",
        "{" VALIDATORS ",\"method\":{\"requestValidator\":\"all\",\"requestModels\":{"
        "\"application/json\":\"Empty\",\"text/plain\":\"Any\"}},\"models\":{\"Any\":{\"title\":"
        "\"x\"}}}",
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        assert_int_equal(load(&f, rows[i]), ERR_OK);
        assert_int_equal(step__validate(&f.x), NEXT);
        arena_free(f.arena);
    }
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"method\":{\"requestValidator\":\"x\"}}", "there is no request validator x"},
        {"{" VALIDATORS ",\"method\":{\"requestValidator\":\"params\",\"requestParameters\":{"
         "\"header.A\":true}}}",
         "header.A: a request parameter is"},
        {"{" VALIDATORS ",\"method\":{\"requestValidator\":\"all\",\"requestModels\":{"
         "\"application/json\":\"Pet\"}}}",
         "there is no model Pet"},
        {"{" VALIDATORS ",\"method\":{\"requestValidator\":\"all\",\"requestModels\":{"
         "\"application/json\":\"Pet\"}},\"models\":{\"Pet\":{\"type\":\"object\"}}}",
         "not validated against a schema (model Pet)"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        if (load(&f, rows[i][0]) == ERR_OK)
            fail_msg("%s was accepted", rows[i][0]);
        if (!strstr(f.e.text, rows[i][1]))
            fail_msg("%s: \"%s\"", rows[i][0], f.e.text);
        arena_free(f.arena);
    }
}

static enum err load_under_fault(void *arg)
{
    (void)arg;
    struct fixture f;
    enum err err = load(&f, three);
    arena_free(f.arena);
    return err;
}

/* What is missing stays missing. */
static void failing_allocations_never_let_a_request_pass(void **state)
{
    (void)state;
    fault_each(load_under_fault, NULL);
    FAULT_EACH
    {
        struct fixture f;
        if (load(&f, three) == ERR_OK) {
            assert_int_equal(step__validate(&f.x), ANSWER);
            assert_int_equal(f.x.answer.status, 400);
        }
        arena_free(f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_named_headers_first),
        cmocka_unit_test(a_query_that_cannot_be_read_has_no_parameters),
        cmocka_unit_test(nothing_is_asked_where_no_validator_asks),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(failing_allocations_never_let_a_request_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
