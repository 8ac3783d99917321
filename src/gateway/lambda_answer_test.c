/* SPDX-License-Identifier: Apache-2.0
 *
 * What functions of HTTP APIs may return (specs 7.2), and that a failing allocation never makes an
 * answer by half. */
#include "http_api_int.h"

#include "base/limits.h"
#include "lib/fault.h"

struct fixture {
    struct arena *arena, *tree;
    struct api api;
    struct exchange *x;
    struct buf body;
};

static enum err take(struct fixture *f, enum payload_format format, const char *text)
{
    const struct json *v = NULL;
    *f = (struct fixture){.arena = arena_new(256, MIB(1)),
                          .tree = arena_new(256, MIB(1)),
                          .api = {.kind = API_HTTP},
                          .body = BUF_INIT(MIB(1))};
    f->x = f->arena ? ARENA_NEW(f->arena, struct exchange) : NULL;
    if (f->x == NULL || f->tree == NULL)
        return ERR_NOMEM;
    *f->x = (struct exchange){.arena = f->arena, .kind = API_HTTP, .api = &f->api};
    enum err err = json_parse(f->tree, str_c(text), MIB(1), &v, NULL);
    return err ? err : lambda_answer__take(f->x, format, v, str_c(text), &f->body);
}

static void drop(struct fixture *f)
{
    buf_fini(&f->body);
    arena_free(f->arena);
    arena_free(f->tree);
}

static void answers(enum payload_format format, const char *text, unsigned status, const char *body,
                    const char *type)
{
    struct fixture f;
    enum err err = take(&f, format, text);
    if (status == 0
            ? err != ERR_INVALID
            : err != ERR_OK || f.x->answer.status != status || !str_eqz(buf_str(&f.body), body) ||
                  !str_eqz(http_value(&f.x->answer.headers, STR("Content-Type")), type))
        fail_msg("%s: %s, %.*s", text, err_text(err), STR_ARG(buf_str(&f.body)));
    drop(&f);
}

#define JSON_TYPE "application/json"
#define TEXT_TYPE "text/plain;charset=UTF-8"

static void format_2_0_is_inferred(void **state)
{
    (void)state;
    answers(PAYLOAD_2_0, " {\"a\": 1} ", 200, "{\"a\": 1}", JSON_TYPE);
    answers(PAYLOAD_2_0, "\"Hello \\u017e\"", 200, "Hello \xc5\xbe", JSON_TYPE);
    answers(PAYLOAD_2_0, "[]", 200, "[]", JSON_TYPE);
    answers(PAYLOAD_2_0, "null", 200, "null", JSON_TYPE);
    answers(PAYLOAD_2_0, "{\"body\":\"x\"}", 200, "{\"body\":\"x\"}", JSON_TYPE);
    answers(PAYLOAD_2_0, "{\"statusCode\":204}", 204, "", TEXT_TYPE);
    answers(PAYLOAD_2_0, "{\"statusCode\":\"201\",\"body\":3}", 201, "3", TEXT_TYPE);
    answers(PAYLOAD_2_0, "{\"statusCode\":200,\"headers\":{\"content-type\":\"a/b\"}}", 200, "",
            "a/b");
    answers(PAYLOAD_2_0, "{\"statusCode\":200,\"body\":\"YQ==\",\"isBase64Encoded\":true}", 200,
            "a", TEXT_TYPE);
    answers(PAYLOAD_2_0, "{\"statusCode\":200,\"multiValueHeaders\":7}", 0, "", "");
    answers(PAYLOAD_2_0, "{\"statusCode\":200,\"cookies\":{}}", 0, "", "");
    answers(PAYLOAD_2_0, "{\"statusCode\":200,\"body\":\"Y\",\"isBase64Encoded\":true}", 0, "", "");
    answers(PAYLOAD_2_0, "{\"statusCode\":true}", 0, "", "");
    answers(PAYLOAD_2_0, "{\"statusCode\":600}", 0, "", "");
}

static void format_1_0_must_say_its_status(void **state)
{
    (void)state;
    answers(PAYLOAD_1_0, "{\"statusCode\":200,\"body\":\"x\"}", 200, "x", TEXT_TYPE);
    answers(PAYLOAD_1_0, "{\"body\":\"x\"}", 0, "", "");
    answers(PAYLOAD_1_0, "\"x\"", 0, "", "");
    answers(PAYLOAD_1_0, "null", 0, "", "");
}

static void cookies_belong_to_2_0_and_lists_of_values_to_1_0(void **state)
{
    (void)state;
    struct fixture f;
    const char *text = "{\"statusCode\":200,\"cookies\":[\"a=1\",\"b=2\"],"
                       "\"multiValueHeaders\":{\"x\":[\"1\"]}}";
    assert_int_equal(take(&f, PAYLOAD_2_0, text), ERR_OK);
    assert_true(str_eqz(http_value(&f.x->answer.headers, STR("Set-Cookie")), "a=1"));
    assert_null(http_find(&f.x->answer.headers, STR("x")));
    drop(&f);
    assert_int_equal(take(&f, PAYLOAD_1_0, text), ERR_OK);
    assert_null(http_find(&f.x->answer.headers, STR("Set-Cookie")));
    assert_true(str_eqz(http_value(&f.x->answer.headers, STR("x")), "1"));
    drop(&f);
}

static enum err take_under_fault(void *arg)
{
    struct fixture f;
    enum err err = take(&f, PAYLOAD_2_0, arg);
    drop(&f);
    return err;
}

static void failing_allocations_are_told(void **state)
{
    (void)state;
    static char whole[] = "{\"statusCode\":200,\"cookies\":[\"a\"],\"headers\":{\"date\":1},"
                          "\"body\":\"YQ==\",\"isBase64Encoded\":true}";
    static char inferred[] = "{\"a\":[1,2,3]}";
    fault_each(take_under_fault, whole);
    fault_each(take_under_fault, inferred);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_2_0_is_inferred),
        cmocka_unit_test(format_1_0_must_say_its_status),
        cmocka_unit_test(cookies_belong_to_2_0_and_lists_of_values_to_1_0),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
