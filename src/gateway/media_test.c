/* SPDX-License-Identifier: Apache-2.0
 *
 * Which bodies are binary, and what is encoded on the way: the two tables of the developer guide,
 * "Content type conversions". */
#include "media_int.h"

#include "base/limits.h"
#include "lib/fault.h"

static const struct str png[] = {STR_INIT("image/png"), STR_INIT("application/*")};
static const struct str any[] = {STR_INIT("*/*")};

static void a_type_is_binary_if_the_list_covers_it(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool png, any, none;
    } rows[] = {
        {"image/png", true, true, false},
        {"IMAGE/PNG; q=1", true, true, false},
        {"image/png,text/html", true, true, false},
        {"text/html,image/png", false, true, false},
        {"application/zip", true, true, false},
        {"image/pngx", false, true, false},
        {"*/*", false, true, false},
        {"", false, true, false},
    };
    struct api of_png = {.binary = png, .binary_count = COUNTOF(png)};
    struct api of_any = {.binary = any, .binary_count = COUNTOF(any)}, of_none = {0};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct str value = str_c(rows[i].value);
        assert_int_equal(media__is_binary(&of_png, value), rows[i].png);
        assert_int_equal(media__is_binary(&of_any, value), rows[i].any);
        assert_int_equal(media__is_binary(&of_none, value), rows[i].none);
    }
}

struct row {
    const char *type; /* of the body */
    const char *accept;
    enum media_handling how;
    const char *body, *expected; /* NULL: refused */
};

static void check(const struct row *row, bool to_client)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct api api = {.binary = png, .binary_count = COUNTOF(png)};
    struct http_request rq = {0};
    struct exchange x = {.api = &api, .rq = &rq, .arena = a};
    AUTO_BUF kept = BUF_INIT(KIB(1));
    struct str body = str_c(row->body);
    if (row->accept)
        assert_int_equal(http_add(a, &rq.headers, STR("Accept"), str_c(row->accept)), ERR_OK);
    if (!to_client)
        assert_int_equal(http_add(a, &rq.headers, STR("Content-Type"), str_c(row->type)), ERR_OK);
    enum err err = to_client ? media__to_client(&x, row->how, str_c(row->type), &body, &kept)
                             : media__to_backend(&x, row->how, &body, &kept);
    assert_int_equal(err, row->expected ? ERR_OK : ERR_INVALID);
    if (row->expected)
        assert_true(str_eqz(body, row->expected));
    arena_free(a);
}

static void a_request_body_follows_the_first_table(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"text/plain", NULL, MEDIA_AS_IT_IS, "aGk=", "aGk="},
        {"text/plain", NULL, MEDIA_TO_BINARY, "aGk=", "hi"},
        {"text/plain", NULL, MEDIA_TO_TEXT, "aGk=", "aGk="},
        {"image/png", NULL, MEDIA_AS_IT_IS, "hi", "hi"},
        {"image/png", NULL, MEDIA_TO_BINARY, "hi", "hi"},
        {"image/png", NULL, MEDIA_TO_TEXT, "hi", "aGk="},
        {"text/plain", NULL, MEDIA_TO_BINARY, "no base64", NULL},
        {"text/plain", NULL, MEDIA_TO_BINARY, "", ""},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        check(&rows[i], false);
}

static void an_answers_body_follows_the_second_table(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"text/plain", "text/plain", MEDIA_AS_IT_IS, "aGk=", "aGk="},
        {"text/plain", "text/plain", MEDIA_TO_BINARY, "aGk=", "hi"},
        {"text/plain", "text/plain", MEDIA_TO_TEXT, "aGk=", "aGk="},
        {"text/plain", "image/png", MEDIA_AS_IT_IS, "aGk=", "hi"},
        {"text/plain", "image/png", MEDIA_TO_BINARY, "aGk=", "hi"},
        {"text/plain", "image/png", MEDIA_TO_TEXT, "aGk=", "aGk="},
        {"image/png", "text/plain", MEDIA_AS_IT_IS, "hi", "aGk="},
        {"image/png", "text/plain", MEDIA_TO_BINARY, "hi", "hi"},
        {"image/png", "text/plain", MEDIA_TO_TEXT, "hi", "aGk="},
        {"image/png", "image/png", MEDIA_AS_IT_IS, "hi", "hi"},
        {"image/png", "image/png", MEDIA_TO_BINARY, "hi", "hi"},
        {"image/png", "image/png", MEDIA_TO_TEXT, "hi", "aGk="},
        {"text/plain", "image/png", MEDIA_AS_IT_IS, "not base64", NULL},
        {"text/plain", NULL, MEDIA_AS_IT_IS, "plain", "plain"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        check(&rows[i], true);
}

static void words_that_are_none_are_refused(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    const struct json *v = NULL;
    enum media_handling how;
    enum passthrough pass;
    struct errinfo e;
    assert_int_equal(json_parse(a,
                                STR("{\"contentHandling\":\"BINARY\",\"passthroughBehavior\":1}"),
                                KIB(1), &v, NULL),
                     ERR_OK);
    assert_int_equal(media__handling(v, &how, &e), ERR_INVALID);
    assert_int_equal(media__handling(NULL, &how, &e), ERR_OK);
    assert_int_equal(how, MEDIA_AS_IT_IS);
    assert_int_equal(media__passthrough(NULL, &pass, &e), ERR_OK);
    assert_int_equal(pass, PASS_WHEN_NO_MATCH);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_is_binary_if_the_list_covers_it),
        cmocka_unit_test(a_request_body_follows_the_first_table),
        cmocka_unit_test(an_answers_body_follows_the_second_table),
        cmocka_unit_test(words_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
