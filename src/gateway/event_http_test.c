/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of HTTP APIs, byte for byte (specs 3.2, 7.2), also when memory fails: then there is no
 * event at all. */
#include "event_int.h"
#include "http_api_int.h"
#include "lib/fault.h"

struct fixture {
    struct arena *arena;
    struct snapshot snapshot;
    struct api api;
    struct method method;
    struct variable variable;
    struct http_request rq;
    struct exchange *x;
};

static enum err set(struct fixture *f, const char *stage, const char *headers[][2], size_t n)
{
    *f = (struct fixture){.arena = arena_new(256, MIB(1))};
    f->x = f->arena ? ARENA_NEW(f->arena, struct exchange) : NULL;
    if (f->x == NULL)
        return ERR_NOMEM;
    f->variable = (struct variable){STR("backend"), STR("v7")};
    f->api = (struct api){.kind = API_HTTP,
                          .id = STR("h9g8f7e6d5"),
                          .stage = str_c(stage),
                          .account = STR("111122223333"),
                          .variables = &f->variable,
                          .variable_count = 1};
    f->method = (struct method){.api = &f->api,
                                .path = STR("/orders/{id}"),
                                .verb = STR("GET"),
                                .route = STR("GET /orders/{id}"),
                                .resource_id = STR("abc123")};
    f->rq = (struct http_request){.method = HTTP_GET,
                                  .method_text = STR("GET"),
                                  .query = STR("expand=lines&expand=tax&q=a+b"),
                                  .host = STR("h9g8f7e6d5.execute-api.localhost"),
                                  .minor = 1};
    *f->x = (struct exchange){.arena = f->arena,
                              .snapshot = &f->snapshot,
                              .kind = API_HTTP,
                              .rq = &f->rq,
                              .api = &f->api,
                              .method = &f->method,
                              .path = STR("/orders/42"),
                              .route_path = STR("/orders/42"),
                              .method_arn = STR("arn:aws:execute-api:r:a:i/s/GET/orders/42"),
                              .peer_ip = STR("203.0.113.9"),
                              .source_ip = STR("203.0.113.9"),
                              .wall_us = INT64_C(1741169472123000),
                              .param_count = 1};
    f->x->params[0] = (struct path_param){STR("id"), STR("42")};
    memcpy(f->x->ids.extended, "Kf1sgEXAMPLEPw=", 16);
    memcpy(f->x->trace, "Root=1-x", 9);
    for (size_t i = 0; i < n; i++) {
        enum err err =
            http_add(f->arena, &f->rq.headers, str_c(headers[i][0]), str_c(headers[i][1]));
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static const char *usual[][2] = {
    {"Authorization", "Bearer abc"},
    {"Accept", "*/*"},
    {"Cookie", "sid=1; b=2"},
    {"X-Two", "a"},
    {"x-two", "b"},
    {"User-Agent", "curl/8.5.0"},
};

static void same(struct buf *b, const char *expected)
{
    assert_int_equal(b->err, ERR_OK);
    if (!str_eqz(buf_str(b), expected))
        fail_msg("%.*s\nnot\n%s", STR_ARG(buf_str(b)), expected);
}

#define HEADERS                                                                           \
    "\"headers\":{\"authorization\":\"Bearer abc\",\"accept\":\"*/*\",\"x-two\":\"a,b\"," \
    "\"user-agent\":\"curl/8.5.0\",\"x-amzn-trace-id\":\"Root=1-x\","                     \
    "\"x-forwarded-for\":\"203.0.113.9\",\"x-forwarded-port\":\"80\","                    \
    "\"x-forwarded-proto\":\"http\"},"
#define CONTEXT(path, stage)                                                                 \
    "\"requestContext\":{\"accountId\":\"111122223333\",\"apiId\":\"h9g8f7e6d5\","           \
    "\"domainName\":\"h9g8f7e6d5.execute-api.localhost\",\"domainPrefix\":\"h9g8f7e6d5\","   \
    "\"http\":{\"method\":\"GET\",\"path\":\"" path "\",\"protocol\":\"HTTP/1.1\","          \
    "\"sourceIp\":\"203.0.113.9\",\"userAgent\":\"curl/8.5.0\"},"                            \
    "\"requestId\":\"Kf1sgEXAMPLEPw=\",\"routeKey\":\"GET /orders/{id}\",\"stage\":\"" stage \
    "\",\"time\":\"05/Mar/2025:10:11:12 +0000\",\"timeEpoch\":1741169472123}"

static void an_authorizer_sees_all_but_the_body(void **state)
{
    (void)state;
    struct fixture f;
    struct str identity[] = {STR("Bearer abc"), STR("a\"b")};
    AUTO_BUF b = BUF_INIT(KIB(64));
    assert_int_equal(set(&f, "$default", usual, COUNTOF(usual)), ERR_OK);
    event__write_http_auth(f.x, PAYLOAD_2_0, identity, 2, &b);
    same(&b, "{\"version\":\"2.0\",\"type\":\"REQUEST\","
             "\"routeArn\":\"arn:aws:execute-api:r:a:i/s/GET/orders/42\","
             "\"identitySource\":[\"Bearer abc\",\"a\\\"b\"],\"routeKey\":\"GET /orders/{id}\","
             "\"rawPath\":\"/orders/42\",\"rawQueryString\":\"expand=lines&expand=tax&q=a+b\","
             "\"cookies\":[\"sid=1\",\"b=2\"]," HEADERS
             "\"queryStringParameters\":{\"expand\":\"lines,tax\",\"q\":\"a b\"}," CONTEXT(
                 "/orders/42", "$default") ",\"pathParameters\":{\"id\":\"42\"},"
                                           "\"stageVariables\":{\"backend\":\"v7\"}}");
    arena_free(f.arena);
}

static void an_authorizer_of_format_1_0_sees_single_values(void **state)
{
    (void)state;
    struct fixture f;
    struct str identity[] = {STR("user1"), STR("123")};
    AUTO_BUF b = BUF_INIT(KIB(64));
    static const char *two[][2] = {{"X-A", "1"}};
    assert_int_equal(set(&f, "test", two, 1), ERR_OK);
    f.rq.query = STR_NONE;
    f.x->param_count = 0;
    f.api.variable_count = 0;
    event__write_http_auth(f.x, PAYLOAD_1_0, identity, 2, &b);
    same(&b, "{\"version\":\"1.0\",\"type\":\"REQUEST\","
             "\"methodArn\":\"arn:aws:execute-api:r:a:i/s/GET/orders/42\","
             "\"identitySource\":\"user1,123\",\"authorizationToken\":\"user1,123\","
             "\"resource\":\"/orders/{id}\",\"path\":\"/test/orders/42\",\"httpMethod\":\"GET\","
             "\"headers\":{\"X-A\":\"1\",\"X-Amzn-Trace-Id\":\"Root=1-x\","
             "\"X-Forwarded-For\":\"203.0.113.9\",\"X-Forwarded-Port\":\"80\","
             "\"X-Forwarded-Proto\":\"http\"},"
             "\"queryStringParameters\":{},\"pathParameters\":{},\"stageVariables\":{},"
             "\"requestContext\":{\"accountId\":\"111122223333\",\"apiId\":\"h9g8f7e6d5\","
             "\"domainName\":\"h9g8f7e6d5.execute-api.localhost\",\"domainPrefix\":\"h9g8f7e6d5\","
             "\"extendedRequestId\":\"Kf1sgEXAMPLEPw=\",\"httpMethod\":\"GET\","
             "\"path\":\"/test/orders/42\",\"protocol\":\"HTTP/1.1\","
             "\"requestId\":\"Kf1sgEXAMPLEPw=\",\"requestTime\":\"05/Mar/2025:10:11:12 +0000\","
             "\"stage\":\"test\",\"requestTimeEpoch\":1741169472123,\"resourceId\":\"abc123\","
             "\"resourcePath\":\"/orders/{id}\",\"identity\":{\"accessKey\":null,"
             "\"accountId\":null,\"caller\":null,\"cognitoAuthenticationProvider\":null,"
             "\"cognitoAuthenticationType\":null,\"cognitoIdentityId\":null,"
             "\"cognitoIdentityPoolId\":null,\"principalOrgId\":null,\"user\":null,"
             "\"userArn\":null,\"sourceIp\":\"203.0.113.9\",\"userAgent\":null}}}");
    arena_free(f.arena);
}

static void empty_members_are_left_out(void **state)
{
    (void)state;
    struct fixture f;
    static const char *one[][2] = {{"User-Agent", "curl/8.5.0"}};
    AUTO_BUF b = BUF_INIT(KIB(64));
    assert_int_equal(set(&f, "prod", one, 1), ERR_OK);
    f.rq.query = STR_NONE;
    f.x->param_count = 0;
    f.api.variable_count = 0;
    event__write_http(f.x, PAYLOAD_2_0, STR(""), &b);
    same(&b, "{\"version\":\"2.0\",\"routeKey\":\"GET /orders/{id}\","
             "\"rawPath\":\"/prod/orders/42\",\"rawQueryString\":\"\","
             "\"headers\":{\"user-agent\":\"curl/8.5.0\",\"x-amzn-trace-id\":\"Root=1-x\","
             "\"x-forwarded-for\":\"203.0.113.9\",\"x-forwarded-port\":\"80\","
             "\"x-forwarded-proto\":\"http\"}," CONTEXT("/prod/orders/42",
                                                        "prod") ",\"isBase64Encoded\":false}");
    buf_reset(&b);
    event__write_http_auth(f.x, PAYLOAD_2_0, NULL, 0, &b);
    assert_true(str_find(buf_str(&b), STR("identitySource")) == SIZE_MAX);
    arena_free(f.arena);
}

static void what_is_no_text_is_base64(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body;
        bool text;
    } rows[] = {
        {"text/plain", "hi", true},
        {"TEXT/html; charset=utf-8", "hi", true},
        {"application/json", "{}", true},
        {"application/json;charset=UTF-8", "{}", true},
        {"application/vnd.api+json", "{}", true},
        {"application/xml", "<a/>", true},
        {"application/javascript", "x", true},
        {"application/x-www-form-urlencoded", "a=1", false},
        {"application/octet-stream", "hi", false},
        {"image/png", "hi", false},
        {NULL, "hi", false},
        {"text/plain", "\xff", false},
        {"application/jsonx", "{}", false},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        for (int format = PAYLOAD_1_0; format <= PAYLOAD_2_0; format++) {
            struct fixture f;
            const char *one[][2] = {{"Content-Type", rows[i].type}};
            AUTO_BUF b = BUF_INIT(KIB(64));
            assert_int_equal(set(&f, "$default", one, rows[i].type ? 1 : 0), ERR_OK);
            event__write_http(f.x, (enum payload_format)format, str_c(rows[i].body), &b);
            bool base64 = str_find(buf_str(&b), STR("\"isBase64Encoded\":true")) != SIZE_MAX;
            if (b.err || base64 == rows[i].text)
                fail_msg("%s: %.*s", rows[i].type, STR_ARG(buf_str(&b)));
            arena_free(f.arena);
        }
}

static enum err write_all(void *arg)
{
    struct fixture f;
    struct str identity[] = {STR("\xe9t\xe9")};
    AUTO_BUF b = BUF_INIT(KIB(64));
    (void)arg;
    enum err err = set(&f, "prod", usual, COUNTOF(usual));
    if (err == ERR_OK)
        event__write_http_auth(f.x, PAYLOAD_2_0, identity, 1, &b);
    if (err == ERR_OK && b.err == ERR_OK)
        event__write_http_auth(f.x, PAYLOAD_1_0, identity, 1, &b);
    if (err == ERR_OK && b.err == ERR_OK)
        event__write_http(f.x, PAYLOAD_2_0, STR("\xff"), &b);
    if (err == ERR_OK && b.err == ERR_OK)
        event__write_http(f.x, PAYLOAD_1_0, STR("x"), &b);
    arena_free(f.arena);
    return err ? err : b.err;
}

static void no_event_is_written_by_half(void **state)
{
    (void)state;
    fault_each(write_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authorizer_sees_all_but_the_body),
        cmocka_unit_test(an_authorizer_of_format_1_0_sees_single_values),
        cmocka_unit_test(empty_members_are_left_out),
        cmocka_unit_test(what_is_no_text_is_base64),
        cmocka_unit_test(no_event_is_written_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
