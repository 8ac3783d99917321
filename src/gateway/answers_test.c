/* SPDX-License-Identifier: Apache-2.0
 *
 * Customised gateway responses: which one answers, with what status, headers and body (specs 4.2).
 */
#include "lib/fault.h"
#include "mapping_int.h"

struct fixture {
    struct arena *arena;
    struct api api;
    struct http_request rq;
    struct exchange *x;
    struct errinfo e;
};

static enum err load(struct fixture *f, const char *document)
{
    const struct json *v = NULL;
    *f = (struct fixture){.arena = arena_new(KIB(4), MIB(1))};
    if (f->arena == NULL)
        return ERR_NOMEM;
    f->x = ARENA_NEW(f->arena, struct exchange);
    enum err err = f->x ? json_parse(f->arena, str_c(document), MIB(1), &v, NULL) : ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < v->n; i++)
        err = answers__add(f->arena, &v->members[i], &f->api.answers, &f->e);
    if (err != ERR_OK)
        return err;
    f->api.stage = STR("dev");
    *f->x = (struct exchange){.arena = f->arena, .rq = &f->rq, .api = &f->api};
    memcpy(f->x->ids.request, "id", 3);
    memcpy(f->x->ids.extended, "ext=", 5);
    return ERR_OK;
}

static void expect(const char *document, enum gateway_response type, unsigned status,
                   const char *body)
{
    struct fixture f;
    if (load(&f, document) != ERR_OK)
        fail_msg("%s: %s", document, f.e.text);
    assert_int_equal(exchange__refuse(f.x, type), ANSWER);
    assert_int_equal(f.x->answer.status, status);
    assert_int_equal(f.x->answer_body.n, strlen(body));
    assert_memory_equal(f.x->answer_body.p, body, strlen(body));
    arena_free(f.arena);
}

#define UNAUTHORIZED_BODY "{\"message\":\"Unauthorized\"}"
#define TEXT(text) "{\"responseTemplates\":{\"application/json\":\"" text "\"}}"

static void the_type_wins_over_its_family_and_the_family_over_the_built_in(void **state)
{
    (void)state;
    const char *both = "{\"UNAUTHORIZED\":" TEXT("one") ",\"DEFAULT_4XX\":" TEXT("four") "}";
    expect("{}", RESPONSE_UNAUTHORIZED, 401, UNAUTHORIZED_BODY);
    expect(both, RESPONSE_UNAUTHORIZED, 401, "one");
    expect(both, RESPONSE_THROTTLED, 429, "four");
    expect(both, RESPONSE_INTEGRATION_TIMEOUT, 504,
           "{\"message\": \"Endpoint request timed out\"}");
    expect("{\"DEFAULT_5XX\":" TEXT("five") "}", RESPONSE_MALFORMED_PROXY_RESPONSE, 502, "five");
    expect("{\"ACCESS_DENIED\":" TEXT("no") "}", RESPONSE_ACCESS_DENIED_EXPLICIT, 403, "no");
}

static void a_family_keeps_each_types_status_unless_it_has_one(void **state)
{
    (void)state;
    expect("{\"DEFAULT_4XX\":{}}", RESPONSE_UNAUTHORIZED, 401, UNAUTHORIZED_BODY);
    expect("{\"DEFAULT_4XX\":{\"statusCode\":\"404\"}}", RESPONSE_UNAUTHORIZED, 404,
           UNAUTHORIZED_BODY);
    expect("{\"DEFAULT_4XX\":{\"statusCode\":404}}", RESPONSE_THROTTLED, 404,
           "{\"message\":\"Too Many Requests\"}");
    expect("{\"DEFAULT_4XX\":{\"statusCode\":404},\"THROTTLED\":{}}", RESPONSE_THROTTLED, 429,
           "{\"message\":\"Too Many Requests\"}");
}

#define ERROR_TEXT \
    TEXT("$context.error.messageString|$context.error.message|$context.error.responseType")

static void messages_are_quoted_or_null(void **state)
{
    (void)state;
    const char *all = "{\"DEFAULT_4XX\":" ERROR_TEXT ",\"DEFAULT_5XX\":" ERROR_TEXT "}";
    expect(all, RESPONSE_UNAUTHORIZED, 401, "\"Unauthorized\"|Unauthorized|UNAUTHORIZED");
    expect(all, RESPONSE_AUTHORIZER_CONFIGURATION_ERROR, 500,
           "null||AUTHORIZER_CONFIGURATION_ERROR");
    expect(all, RESPONSE_API_CONFIGURATION_ERROR, 500,
           "\"Internal server error\"|Internal server error|API_CONFIGURATION_ERROR");
    expect(all, RESPONSE_MALFORMED_PROXY_RESPONSE, 502,
           "\"Internal server error\"|Internal server error|DEFAULT_5XX");
    expect(all, RESPONSE_ACCESS_DENIED_EXPLICIT, 403,
           "\"User is not authorized to access this resource with an explicit deny\"|User is not "
           "authorized to access this resource with an explicit deny|ACCESS_DENIED");
}

static void json_is_chosen_among_several_templates(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(load(&f, "{\"UNAUTHORIZED\":{\"responseTemplates\":{\"text/html\":\"<p>\","
                              "\"application/json\":\"{}\"}}}"),
                     ERR_OK);
    exchange__refuse(f.x, RESPONSE_UNAUTHORIZED);
    assert_true(str_eqz(f.x->answer_body, "{}"));
    arena_free(f.arena);
    assert_int_equal(load(&f, "{\"UNAUTHORIZED\":{\"responseTemplates\":{\"text/html\":\"<p>\"}}}"),
                     ERR_OK);
    exchange__refuse(f.x, RESPONSE_UNAUTHORIZED);
    assert_true(str_eqz(f.x->answer_body, "<p>"));
    assert_true(str_eqz(http_value(&f.x->answer.headers, STR("Content-Type")), "text/html"));
    arena_free(f.arena);
}

#define PARAMETERS(text) "{\"DEFAULT_4XX\":{\"responseParameters\":{" text "}}}"

static void headers_come_from_texts_and_from_the_request(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(
        load(&f, PARAMETERS("\"gatewayresponse.header.Access-Control-Allow-Origin\":\"'*'\","
                            "\"gatewayresponse.header.x-q\":\"method.request.querystring.q\","
                            "\"gatewayresponse.header.x-none\":\"method.request.header.No\","
                            "\"gatewayresponse.header.x-stage\":\"context.stage\","
                            "\"gatewayresponse.header.x-amzn-errortype\":\"'Mine'\"")),
        ERR_OK);
    f.rq.query = STR("q=%20a%09b%20");
    exchange__refuse(f.x, RESPONSE_UNAUTHORIZED);
    const struct http_headers *h = &f.x->answer.headers;
    assert_true(str_eqz(http_value(h, STR("Access-Control-Allow-Origin")), "*"));
    assert_true(str_eqz(http_value(h, STR("x-q")), "a\tb"));
    assert_true(str_eqz(http_value(h, STR("x-stage")), "dev"));
    assert_true(str_eqz(http_value(h, STR("x-amzn-ErrorType")), "Mine"));
    assert_true(str_eqz(http_value(h, STR("x-amzn-RequestId")), "id"));
    assert_null(http_find(h, STR("x-none")));
    assert_true(str_eqz(f.x->answer_body, UNAUTHORIZED_BODY));
    arena_free(f.arena);
}

static void a_value_that_would_write_headers_is_500(void **state)
{
    (void)state;
    static const char *const queries[] = {"q=a%0D%0ASet-Cookie:%20x", "q=%0A", "q=a%00b",
                                          "q=a%7Fb"};
    for (size_t i = 0; i < COUNTOF(queries); i++) {
        struct fixture f;
        assert_int_equal(
            load(&f, PARAMETERS("\"gatewayresponse.header.x-q\":\"method.request.querystring.q\"")),
            ERR_OK);
        f.rq.query = str_c(queries[i]);
        exchange__refuse(f.x, RESPONSE_UNAUTHORIZED);
        assert_int_equal(f.x->answer.status, 500);
        assert_null(http_find(&f.x->answer.headers, STR("x-q")));
        assert_true(str_eqz(f.x->answer_body, "{\"message\": \"Internal server error\"}"));
        arena_free(f.arena);
    }
}

static void nothing_of_the_authorizer_is_told_without_a_refusal(void **state)
{
    (void)state;
    struct fixture f;
    struct str value;
    assert_int_equal(load(&f, "{}"), ERR_OK);
    assert_false(exchange__context(f.x, STR("authorizer.reason"), &value));
    assert_false(exchange__context(f.x, STR("error.messageString"), &value));
    assert_false(exchange__context(f.x, STR("resourcePath"), &value));
    arena_free(f.arena);
}

static void a_failed_function_may_answer_as_AUTHORIZER_FAILURE(void **state)
{
    (void)state;
    static const struct {
        const char *document;
        enum lambda_outcome outcome;
        const char *body;
    } rows[] = {
        {"{\"AUTHORIZER_FAILURE\":" TEXT("failed") "}", LAMBDA_FUNCTION_ERROR, "failed"},
        {"{\"AUTHORIZER_FAILURE\":" TEXT("failed") ",\"AUTHORIZER_CONFIGURATION_ERROR\":" TEXT(
             "bad") "}",
         LAMBDA_FUNCTION_ERROR, "failed"},
        {"{\"AUTHORIZER_FAILURE\":" TEXT("failed") ",\"AUTHORIZER_CONFIGURATION_ERROR\":" TEXT(
             "bad") "}",
         LAMBDA_OK, "bad"},
        {"{\"AUTHORIZER_FAILURE\":" TEXT("failed") ",\"DEFAULT_5XX\":" TEXT("five") "}", LAMBDA_OK,
         "five"},
        {"{\"AUTHORIZER_CONFIGURATION_ERROR\":" TEXT("bad") "}", LAMBDA_FUNCTION_ERROR, "bad"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        assert_int_equal(load(&f, rows[i].document), ERR_OK);
        f.x->auth.invocation.function =
            (struct function *)f.x; /* only asked whether there is one */
        f.x->auth.invocation.outcome = rows[i].outcome;
        exchange__refuse(f.x, RESPONSE_AUTHORIZER_CONFIGURATION_ERROR);
        assert_true(str_eqz(f.x->answer_body, rows[i].body));
        arena_free(f.arena);
    }
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *document, *says;
    } rows[] = {
        {"{\"DENIED\":{}}", "DENIED is no type"},
        {"{\"access_denied\":{}}", "access_denied is no type"},
        {"{\"UNAUTHORIZED\":[]}", "a gateway response is"},
        {"{\"UNAUTHORIZED\":{\"statusCode\":\"abc\"}}", "statusCode"},
        {"{\"UNAUTHORIZED\":{\"statusCode\":101}}", "statusCode"},
        {"{\"UNAUTHORIZED\":{\"statusCode\":-1}}", "statusCode"},
        {"{\"UNAUTHORIZED\":{\"responseTemplates\":{\"application/json\":\"$input.body\"}}}",
         "$input.body is Velocity"},
        {"{\"UNAUTHORIZED\":{\"responseTemplates\":{\"text/a\":\"$util.x\",\"application/"
         "json\":\"\"}}}",
         "$util.x is Velocity"},
        {"{\"UNAUTHORIZED\":{\"responseTemplates\":{\"a\\nb\":\"\"}}}", "Content-Type"},
        {PARAMETERS("\"gatewayresponse.header.Content-Length\":\"'1'\""), "Content-Length"},
        {PARAMETERS("\"gatewayresponse.header.transfer-encoding\":\"'chunked'\""),
         "transfer-encoding"},
        {PARAMETERS("\"method.response.header.X\":\"'1'\""), "a mapping is gatewayresponse"},
        {PARAMETERS("\"gatewayresponse.header.X\":\"integration.response.header.Y\""),
         "no mapping source"},
        {PARAMETERS("\"gatewayresponse.header.X\":\"*\""), "no mapping source"},
        {PARAMETERS("\"gatewayresponse.header.X\":\"'a\\nb'\""), "control characters"},
        {PARAMETERS("\"gatewayresponse.header.X Y\":\"'a'\""), "no valid header"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        if (load(&f, rows[i].document) == ERR_OK)
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
    enum err err = load(
        &f,
        "{\"UNAUTHORIZED\":" TEXT(
            "$context.stage") ",\"DEFAULT_4XX\":{"
                              "\"responseParameters\":{\"gatewayresponse.header.X\":\"'*'\"}}}");
    arena_free(f.arena);
    return err;
}

/* Whatever memory fails: the answer stays a refusal. */
static void failing_allocations_never_turn_a_refusal_round(void **state)
{
    (void)state;
    fault_each(load_under_fault, NULL);
    FAULT_EACH
    {
        struct fixture f;
        if (load(&f, "{\"UNAUTHORIZED\":" TEXT("$context.error.messageString") "}") == ERR_OK) {
            assert_int_equal(exchange__refuse(f.x, RESPONSE_UNAUTHORIZED), ANSWER);
            assert_true(f.x->answer.status == 401 || f.x->answer.status == 500);
        }
        arena_free(f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_type_wins_over_its_family_and_the_family_over_the_built_in),
        cmocka_unit_test(a_family_keeps_each_types_status_unless_it_has_one),
        cmocka_unit_test(messages_are_quoted_or_null),
        cmocka_unit_test(json_is_chosen_among_several_templates),
        cmocka_unit_test(headers_come_from_texts_and_from_the_request),
        cmocka_unit_test(a_value_that_would_write_headers_is_500),
        cmocka_unit_test(nothing_of_the_authorizer_is_told_without_a_refusal),
        cmocka_unit_test(a_failed_function_may_answer_as_AUTHORIZER_FAILURE),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(failing_allocations_never_turn_a_refusal_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
