/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameter mapping of HTTP APIs: values, keys, reserved names, and what a client cannot do with
 * them (specs 7.4, attacks b.17, b.24). */
#include "parameters_int.h"

#include "base/limits.h"
#include "lib/fault.h"

struct fixture {
    struct arena *arena;
    struct snapshot snapshot;
    struct api api;
    struct method method;
    struct variable variable;
    struct http_request rq;
    struct exchange *x;
    struct errinfo e;
};

static enum err set(struct fixture *f)
{
    static const char *const headers[][2] = {
        {"X-A", "a1"}, {"x-a", "a2"}, {"X-B", "b"}, {"X-Amzn-Fake", "f"}, {"Host", "h"}};
    *f = (struct fixture){.arena = arena_new(256, MIB(1))};
    f->x = f->arena ? ARENA_NEW(f->arena, struct exchange) : NULL;
    if (f->x == NULL)
        return ERR_NOMEM;
    f->variable = (struct variable){STR("backend"), STR("v7")};
    f->api = (struct api){
        .kind = API_HTTP, .stage = STR("prod"), .variables = &f->variable, .variable_count = 1};
    f->method = (struct method){.api = &f->api, .route = STR("GET /o/{id}")};
    f->rq = (struct http_request){.method_text = STR("GET"), .query = STR("q=1&q=2&r=x%20y")};
    *f->x = (struct exchange){.arena = f->arena,
                              .snapshot = &f->snapshot,
                              .kind = API_HTTP,
                              .rq = &f->rq,
                              .api = &f->api,
                              .method = &f->method,
                              .route_path = STR("/o/a%20b"),
                              .peer_ip = STR("1.2.3.4"),
                              .param_count = 1};
    f->x->params[0] = (struct path_param){STR("id"), STR("a%20b")};
    memcpy(f->x->ids.extended, "id=", 4);
    for (size_t i = 0; i < COUNTOF(headers); i++)
        if (http_add(f->arena, &f->rq.headers, str_c(headers[i][0]), str_c(headers[i][1])))
            return ERR_NOMEM;
    return ERR_OK;
}

static enum err load(struct fixture *f, const char *spec, enum expression_use use,
                     struct parameters *p)
{
    const struct json *v = NULL;
    enum err err = json_parse(f->arena, str_c(spec), MIB(1), &v, NULL);
    return err ? err : parameters__compile(f->arena, v, use, p, &f->e);
}

/* The value of one expression; NULL = none. */
static void reads(const char *text, const char *body, const char *expected)
{
    struct fixture f;
    struct expression t;
    struct expression_facts facts = {.body = str_c(body)};
    struct str value = STR("");
    assert_int_equal(set(&f), ERR_OK);
    if (expression__compile(f.arena, str_c(text), EXPRESSION_REQUEST, &t, &f.e) != ERR_OK)
        fail_msg("%s: %s", text, f.e.text);
    enum err err = expression__read(f.x, &t, &facts, &value);
    if (expected ? err != ERR_OK || !str_eqz(value, expected) : err != ERR_NOTFOUND)
        fail_msg("%s: %.*s (%s)", text, STR_ARG(value), err_text(err));
    arena_free(f.arena);
}

static void every_source_has_its_value(void **state)
{
    (void)state;
    const char *body = "{\"a\":{\"b\":[\"x\",{\"c\":7}]},\"n\":null,\"t\":true}";
    reads("plain", "", "plain");
    reads("", "", "");
    reads("$request.header.X-A", "", "a1,a2");
    reads("${request.header.x-b}", "", "b");
    reads("$request.header.None", "", NULL);
    reads("$request.header.x-amzn-fake", "", NULL);
    reads("$request.header.Host", "", "h");
    reads("$request.header.X-Forwarded-For", "", "1.2.3.4");
    reads("$request.querystring.q", "", "1,2");
    reads("$request.querystring.r", "", "x y");
    reads("$request.querystring.Q", "", NULL);
    reads("$request.path", "", "/o/a%20b");
    reads("$request.path.id", "", "a%20b");
    reads("$request.body.a.b[0]", body, "x");
    reads("$request.body.a.b[1].c", body, "7");
    reads("$request.body.a.b[1]", body, "{\"c\":7}");
    reads("$request.body.t", body, "true");
    reads("$request.body.n", body, NULL);
    reads("$request.body.z", body, NULL);
    reads("$request.body.a", "no json", NULL);
    reads("$request.body", "no json", "no json");
    reads("$context.routeKey", "", "GET /o/{id}");
    reads("$context.requestId", "", "id=");
    reads("$context.path", "", "/prod/o/a%20b");
    reads("$context.authorizer.sub", "", NULL);
    reads("$stageVariables.backend", "", "v7");
    reads("$stageVariables.none", "", NULL);
    reads("${request.path.id} ${stageVariables.backend}", "", "a%20b v7");
    reads("<${request.header.None}>", "", "<>");
    reads("100$ for ${context.stage}", "", "100$ for prod");
}

static void only_100_kb_of_a_body_are_looked_into(void **state)
{
    (void)state;
    struct fixture f;
    struct expression t;
    AUTO_BUF body = BUF_INIT(MIB(1));
    struct str value;
    buf_addz(&body, "{\"a\":\"x\",\"b\":\"");
    while (body.n < LIMIT_PARAMETER_BODY)
        buf_addc(&body, 'y');
    buf_addz(&body, "\"}");
    assert_int_equal(set(&f), ERR_OK);
    assert_int_equal(
        expression__compile(f.arena, STR("$request.body.a"), EXPRESSION_REQUEST, &t, NULL), ERR_OK);
    struct expression_facts facts = {.body = buf_str(&body)};
    assert_int_equal(expression__read(f.x, &t, &facts, &value), ERR_NOTFOUND);
    arena_free(f.arena);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        enum expression_use use;
        const char *says;
    } rows[] = {
        {"{\"append:header.Authorization\":\"x\"}", EXPRESSION_REQUEST, "reserved"},
        {"{\"overwrite:header.x-amzn-trace\":\"x\"}", EXPRESSION_REQUEST, "reserved"},
        {"{\"remove:header.X-Forwarded-For\":\"''\"}", EXPRESSION_REQUEST, "reserved"},
        {"{\"append:header.apigw-x\":\"x\"}", EXPRESSION_RESPONSE, "reserved"},
        {"{\"append:header.Access-Control-Allow-Origin\":\"*\"}", EXPRESSION_RESPONSE, "reserved"},
        {"{\"append:header.Content-Length\":\"1\"}", EXPRESSION_RESPONSE, "reserved"},
        {"{\"append:header.a b\":\"x\"}", EXPRESSION_REQUEST, "no valid header"},
        {"{\"append:path\":\"/x\"}", EXPRESSION_REQUEST, "a mapping is"},
        {"{\"remove:path\":\"/x\"}", EXPRESSION_REQUEST, "a mapping is"},
        {"{\"overwrite:statuscode\":\"200\"}", EXPRESSION_REQUEST, "a mapping is"},
        {"{\"overwrite:path\":\"/\"}", EXPRESSION_RESPONSE, "a mapping is"},
        {"{\"append:querystring.a\":\"1\"}", EXPRESSION_RESPONSE, "a mapping is"},
        {"{\"append:querystring.\":\"1\"}", EXPRESSION_REQUEST, "a mapping is"},
        {"{\"overwrite:statuscode\":\"99\"}", EXPRESSION_RESPONSE, "200 to 599"},
        {"{\"overwrite:statuscode\":\"two\"}", EXPRESSION_RESPONSE, "200 to 599"},
        {"{\"set:header.a\":\"1\"}", EXPRESSION_REQUEST, "begins with append:"},
        {"{\"integration.request.header.a\":\"1\"}", EXPRESSION_REQUEST, "begins with append:"},
        {"{\"append:header.a\":1}", EXPRESSION_REQUEST, "is a string"},
        {"{\"append:header.a\":\"a\\nb\"}", EXPRESSION_REQUEST, "control characters"},
        {"{\"append:header.a\":\"$request.cookie.x\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"$response.header.x\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"$request.header.x\"}", EXPRESSION_RESPONSE, "no source"},
        {"{\"append:header.a\":\"$request.header.a$context.b\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"$request.body..x\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"$request.body.x[?(@.a)]\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"$request.body.x[*]\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"$context.\"}", EXPRESSION_REQUEST, "no source"},
        {"{\"append:header.a\":\"${context.a\"}", EXPRESSION_REQUEST, "has no }"},
        {"{\"append:header.a\":\"${${context.a}}\"}", EXPRESSION_REQUEST, "no source"},
        {"[]", EXPRESSION_REQUEST, "{key: value}"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct fixture f;
        struct parameters p;
        assert_int_equal(set(&f), ERR_OK);
        if (load(&f, rows[i].spec, rows[i].use, &p) == ERR_OK)
            fail_msg("%s was accepted", rows[i].spec);
        if (!strstr(f.e.text, rows[i].says))
            fail_msg("%s: \"%s\"", rows[i].spec, f.e.text);
        arena_free(f.arena);
    }
}

/* `expected` is "target|Name: value|Name: value". */
static enum err applied(struct fixture *f, const char *spec, const char *target, const char *body,
                        struct buf *out)
{
    static const char *const client[][2] = {{"Host", "b:80"}, {"X-A", "own"}, {"x-a", "two"}};
    struct parameters p;
    struct expression_facts facts = {.body = str_c(body)};
    struct http_call_options o = {.target = str_c(target)};
    enum err err = load(f, spec, EXPRESSION_REQUEST, &p);
    for (size_t i = 0; i < COUNTOF(client) && err == ERR_OK; i++)
        err = http_add(f->arena, &o.headers, str_c(client[i][0]), str_c(client[i][1]));
    if (err == ERR_OK)
        err = parameters__apply_request(f->x, &p, &facts, STR("own=1"), &o);
    if (err != ERR_OK)
        return err;
    buf_add(out, o.target);
    for (size_t i = 0; i < o.headers.n; i++)
        buf_addf(out, "|%.*s: %.*s", STR_ARG(o.headers.v[i].name), STR_ARG(o.headers.v[i].value));
    return out->err;
}

static void applies(const char *spec, const char *expected)
{
    struct fixture f;
    AUTO_BUF out = BUF_INIT(KIB(64));
    assert_int_equal(set(&f), ERR_OK);
    enum err err = applied(&f, spec, "/t?own=1&q=1&q=2&r=x%20y", "", &out);
    if (expected ? err != ERR_OK || !str_eqz(buf_str(&out), expected) : err != ERR_INVALID)
        fail_msg("%s: %.*s (%s)", spec, STR_ARG(buf_str(&out)), err_text(err));
    arena_free(f.arena);
}

#define SAME "/t?own=1&q=1&q=2&r=x%20y"
#define CLIENT "|Host: b:80|X-A: own|x-a: two"
static void requests_are_changed_as_written(void **state)
{
    (void)state;
    applies("{}", SAME CLIENT);
    applies("{\"append:header.X-A\":\"$request.header.x-b\"}", SAME CLIENT "|X-A: b");
    applies("{\"overwrite:header.X-A\":\"$request.header.x-b\"}", SAME "|Host: b:80|X-A: b");
    applies("{\"overwrite:header.X-A\":\"$request.header.none\"}", SAME CLIENT);
    applies("{\"remove:header.X-A\":\"''\"}", SAME "|Host: b:80");
    applies("{\"append:header.h2\":\"$request.header.x-a\",\"remove:header.x-a\":\"\"}",
            SAME "|Host: b:80|h2: a1,a2");
    applies("{\"overwrite:header.Host\":\"other.test\"}",
            SAME "|X-A: own|x-a: two|Host: other.test");
    applies("{\"append:querystring.s\":\"a b&c\"}", "/t?own=1&q=1&q=2&r=x%20y&s=a%20b%26c" CLIENT);
    applies("{\"overwrite:querystring.q\":\"$request.path.id\"}",
            "/t?own=1&r=x%20y&q=a%2520b" CLIENT);
    applies("{\"remove:querystring.q\":\"\"}", "/t?own=1&r=x%20y" CLIENT);
    applies("{\"overwrite:path\":\"/v2/${request.path.id}/${request.querystring.r}\"}",
            "/v2/a%20b/x%20y?own=1&q=1&q=2&r=x%20y" CLIENT);
    applies("{\"overwrite:path\":\"$request.path\"}", "/o/a%20b?own=1&q=1&q=2&r=x%20y" CLIENT);
    applies("{\"overwrite:path\":\"v2\"}", "/v2?own=1&q=1&q=2&r=x%20y" CLIENT);
}

/* What the authorizer says of a caller the caller cannot say, in front of it or in its place. */
static void a_clients_own_copy_never_stands_for_the_authorizers(void **state)
{
    (void)state;
    applies("{\"overwrite:header.X-A\":\"$context.authorizer.sub\"}", SAME "|Host: b:80");
    applies("{\"append:header.X-A\":\"$context.authorizer.sub\"}", SAME "|Host: b:80");
    applies("{\"append:header.X-A\":\"u-${context.authorizer.sub}\"}", SAME "|Host: b:80|X-A: u-");
    applies("{\"append:querystring.q\":\"$context.authorizer.sub\"}", "/t?own=1&r=x%20y" CLIENT);
}

static void no_value_becomes_more_than_a_value(void **state)
{
    (void)state;
    struct fixture f;
    static const struct {
        const char *spec, *query;
    } rows[] = {
        {"{\"append:header.X-Z\":\"$request.querystring.v\"}", "v=a%0D%0AX-Evil:%201"},
        {"{\"append:header.X-Z\":\"${request.querystring.v}\"}", "v=%00"},
        {"{\"append:header.Host\":\"$request.querystring.v\"}", "v=a/b"},
        {"{\"overwrite:path\":\"$request.querystring.v\"}", "v=/a/../b"},
        {"{\"overwrite:path\":\"$request.querystring.v\"}", "v=//evil.test/"},
        {"{\"overwrite:path\":\"$request.querystring.v\"}", "v=/a?b=1"},
        {"{\"overwrite:path\":\"/u/${request.querystring.v}/x\"}", "v=.."},
        {"{\"overwrite:path\":\"/u/${request.querystring.v}\"}", "v=a/b"},
        {"{\"overwrite:path\":\"/u/${request.querystring.v}/x\"}", "v="},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        AUTO_BUF out = BUF_INIT(KIB(64));
        assert_int_equal(set(&f), ERR_OK);
        f.rq.query = str_c(rows[i].query);
        if (applied(&f, rows[i].spec, "/t", "", &out) != ERR_INVALID)
            fail_msg("%s %s: %.*s", rows[i].spec, rows[i].query, STR_ARG(buf_str(&out)));
        arena_free(f.arena);
    }
}

static void answers_are_changed_by_their_status(void **state)
{
    (void)state;
    struct fixture f;
    struct response_parameters all;
    const struct json *v = NULL;
    const char *spec = "{\"500\":{\"overwrite:statuscode\":\"403\",\"append:header.h\":"
                       "\"$context.requestId\"},\"404\":{\"append:header.error\":"
                       "\"$stageVariables.backend\",\"remove:header.x\":\"''\","
                       "\"overwrite:header.y\":\"${response.header.z}/${response.body.a}\"}}";
    struct http_response backend = {.status = 404}, out = {.status = 404};
    struct expression_facts facts = {.body = STR("{\"a\":\"b\"}"), .answer = &backend};
    assert_int_equal(set(&f), ERR_OK);
    assert_int_equal(json_parse(f.arena, str_c(spec), MIB(1), &v, NULL), ERR_OK);
    assert_int_equal(parameters__compile_responses(f.arena, v, &all, &f.e), ERR_OK);
    assert_null(parameters__for(&all, 200));
    assert_int_equal(http_add(f.arena, &backend.headers, STR("Z"), STR("1")), ERR_OK);
    assert_int_equal(http_add(f.arena, &out.headers, STR("X"), STR("1")), ERR_OK);
    const struct parameters *p = parameters__for(&all, 404);
    assert_true(p->needs_body);
    assert_int_equal(parameters__apply_answer(f.x, p, &facts, &out), ERR_OK);
    assert_int_equal(out.status, 404);
    assert_true(str_eqz(http_value(&out.headers, STR("error")), "v7"));
    assert_true(str_eqz(http_value(&out.headers, STR("y")), "1/b"));
    assert_null(http_find(&out.headers, STR("x")));
    p = parameters__for(&all, 500);
    assert_false(p->needs_body);
    out = (struct http_response){.status = 500};
    assert_int_equal(parameters__apply_answer(f.x, p, &facts, &out), ERR_OK);
    assert_int_equal(out.status, 403);
    assert_true(str_eqz(http_value(&out.headers, STR("h")), "id="));
    arena_free(f.arena);
}

static enum err apply_under_fault(void *arg)
{
    struct fixture f;
    AUTO_BUF out = BUF_INIT(KIB(64));
    (void)arg;
    enum err err = set(&f);
    if (err == ERR_OK)
        err = applied(&f,
                      "{\"append:header.X-A\":\"${request.header.x-b}/${context.path}\","
                      "\"overwrite:querystring.q\":\"$request.querystring.r\","
                      "\"overwrite:path\":\"/x/${request.querystring.r}\"}",
                      "/t?own=1", "{\"a\":1}", &out);
    arena_free(f.arena);
    return err;
}

static void failing_allocations_are_told(void **state)
{
    (void)state;
    fault_each(apply_under_fault, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_source_has_its_value),
        cmocka_unit_test(only_100_kb_of_a_body_are_looked_into),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(requests_are_changed_as_written),
        cmocka_unit_test(a_clients_own_copy_never_stands_for_the_authorizers),
        cmocka_unit_test(no_value_becomes_more_than_a_value),
        cmocka_unit_test(answers_are_changed_by_their_status),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
