/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts with holes: what is replaced, what is refused, what a client's value may not do
 * (specs 4.2).
 */
#include "lib/fault.h"
#include "mapping_int.h"

static struct exchange *request(struct arena *a)
{
    struct exchange *x = ARENA_NEW(a, struct exchange);
    struct api *api = ARENA_NEW(a, struct api);
    struct http_request *rq = ARENA_NEW(a, struct http_request);
    struct variable *v = ARENA_NEW(a, struct variable);
    *v = (struct variable){STR("color"), STR("<b>blue</b>")};
    *api = (struct api){
        .id = STR("abcdefghij"), .stage = STR("dev"), .variables = v, .variable_count = 1};
    rq->query = STR("q=%22%5C%0A%3Cscript%3E&plain=1");
    assert_int_equal(http_add(a, &rq->headers, STR("X-Odd"), STR("a\xff\"b")), ERR_OK);
    x->arena = a;
    x->api = api;
    x->rq = rq;
    x->error.type = STR("UNAUTHORIZED");
    x->error.message = STR("say \"no\"");
    return x;
}

static void expect(const char *source, enum text_escape escape, const char *expected)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct errinfo e = {0};
    struct text t;
    AUTO_BUF b = BUF_INIT(KIB(4));
    if (text__compile(a, str_c(source), &t, &e) != ERR_OK)
        fail_msg("%s: %s", source, e.text);
    text__write(request(a), &t, escape, &b);
    assert_string_equal(buf_cstr(&b), expected);
    arena_free(a);
}

static void replaces_the_three_families_of_names(void **state)
{
    (void)state;
    expect("", TEXT_JSON, "");
    expect("plain", TEXT_JSON, "plain");
    expect("{\"message\":$context.error.messageString}", TEXT_JSON,
           "{\"message\":\"say \\\"no\\\"\"}");
    expect("$context.stage$context.apiId.", TEXT_RAW, "devabcdefghij.");
    expect("$stageVariables.color-$method.request.querystring.plain", TEXT_RAW, "<b>blue</b>-1");
    expect("a $context.error.responseType b", TEXT_RAW, "a UNAUTHORIZED b");
}

static void what_has_no_value_is_empty(void **state)
{
    (void)state;
    expect("[$context.identity.userArn][$method.request.path.id][$stageVariables.x]", TEXT_RAW,
           "[][][]");
    expect("[$context.authorizer.reason][$context.error.validationErrorString]", TEXT_RAW, "[][]");
}

static void a_lone_dollar_or_hash_is_text(void **state)
{
    (void)state;
    expect("costs $5, $ and $$; colour #fff; #1", TEXT_RAW, "costs $5, $ and $$; colour #fff; #1");
    expect("$", TEXT_RAW, "$");
}

static void a_clients_value_stays_inside_its_string(void **state)
{
    (void)state;
    expect("\"$method.request.querystring.q\"", TEXT_JSON, "\"\\\"\\\\\\u000a<script>\"");
    expect("<p>$method.request.querystring.q</p>", TEXT_MARKUP, "<p>&quot;\\\n&lt;script&gt;</p>");
    expect("$method.request.header.X-Odd", TEXT_JSON, "a?\\\"b");
    expect("<i>$stageVariables.color</i>", TEXT_MARKUP, "<i><b>blue</b></i>");
}

static void velocity_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const rows[] = {"$input.json('$')",
                                       "$util.escapeJavaScript(1)",
                                       "#set($a = 1)",
                                       "#if($a)x#end",
                                       "${context.stage}",
                                       "$!context.stage",
                                       "#[[ raw ]]#",
                                       "$context",
                                       "$method.request.body",
                                       "$method.request.path.",
                                       "$stageVariables",
                                       "$foo",
                                       "$integration.response.header.X",
                                       "$contextual.x"};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena *a = arena_new(KIB(4), MIB(1));
        struct errinfo e = {0};
        struct text t;
        assert_int_equal(text__compile(a, str_c(rows[i]), &t, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.text, "Velocity"));
        assert_true(e.text[0] == rows[i][0]);
        arena_free(a);
    }
}

static enum err compile_under_fault(void *arg)
{
    (void)arg;
    struct arena *a = arena_new(64, MIB(1));
    struct text t;
    enum err err =
        a ? text__compile(a, STR("a $context.stage b $context.path"), &t, NULL) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void compiling_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(compile_under_fault, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_the_three_families_of_names),
        cmocka_unit_test(what_has_no_value_is_empty),
        cmocka_unit_test(a_lone_dollar_or_hash_is_text),
        cmocka_unit_test(a_clients_value_stays_inside_its_string),
        cmocka_unit_test(velocity_is_refused_by_name),
        cmocka_unit_test(compiling_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
