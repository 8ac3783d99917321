/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers as they are, how they fail, hang and crash, and that the next call succeeds. */
#include "lambda_house.h"

#include <stdio.h>
#include <stdlib.h>

/* --- handlers as they are --------------------------------------------------------------------- */

static void an_async_handler_answers_and_its_environment_is_used_again(void **s)
{
    (void)s;
    struct function *f = handler("let n = 0; exports.handler = async (e) => ({ n: ++n, e });");
    struct lambda_invocation first = call_with(f, STR("{\"a\":[1,\"\xc3\xa4\"]}"));
    assert_string_equal(answer, "{\"n\":1,\"e\":{\"a\":[1,\"\xc3\xa4\"]}}");
    assert_int_equal(first.outcome, LAMBDA_OK);
    assert_true(first.cold);
    assert_true(first.init_us > 0);
    struct lambda_invocation second = call(f);
    assert_string_equal(answer, "{\"n\":2,\"e\":{}}");
    assert_false(second.cold);
    assert_true(second.duration_us > 0);
    assert_string_not_equal(first.request_id, second.request_id);
    drop(f);
}

static void every_way_to_answer(void **s)
{
    static const char *const ways[] = {
        "exports.handler = (e, c, done) => setImmediate(() => done(null, 'yes'));",
        "exports.handler = (e, c) => c.succeed('yes');",
        "exports.handler = (e, c) => c.done(null, 'yes');",
        "exports.handler = () => Promise.resolve('yes');",
    };
    (void)s;
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        struct function *f = handler(ways[i]);
        assert_answers(f, "\"yes\"");
        drop(f);
    }
}

static void es_modules_and_node_modules(void **s)
{
    (void)s;
    file("node_modules/dep/index.js", "module.exports = 'dependency';");
    file("src/authorizer.mjs", "import dep from 'dep'; export const check = async () => dep;");
    struct making m = spec_of("src/authorizer.check");
    struct function *f = made(&m);
    assert_answers(f, "\"dependency\"");
    drop(f);
    file("package.json", "{\"type\":\"module\"}");
    f = handler("import dep from 'dep'; export const handler = async () => dep + '!';");
    assert_answers(f, "\"dependency!\"");
    drop(f);
}

static void a_streamed_answer_is_collected(void **s)
{
    (void)s;
    struct function *f = handler("exports.handler = awslambda.streamifyResponse(async (e, out) => "
                                 "{ out.write('{\"a\":'); out.write('1}'); out.end(); });");
    assert_answers(f, "{\"a\":1}");
    assert_answers(f, "{\"a\":1}");
    drop(f);
}

static void what_a_handler_throws_is_the_answer(void **s)
{
    (void)s;
    struct function *f = handler("exports.handler = async () => { throw new TypeError('no'); };");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "\"errorType\":\"TypeError\"",
                 "\"errorMessage\":\"no\"");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "\"errorType\":\"TypeError\"", "");
    drop(f);
    f = handler("exports.handler = (e, c) => c.fail(new Error('Unauthorized'));");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "\"errorType\":\"Error\"", "\"Unauthorized\"");
    drop(f);
}

/* --- crashes and time ------------------------------------------------------------------------- */

static void a_hung_environment_is_killed_with_its_children_and_replaced(void **s)
{
    (void)s;
    file("index.js", "const { spawn } = require('child_process'), fs = require('fs');\n"
                     "exports.handler = async (e) => {\n"
                     "  if (!e.hang) return 'fresh';\n"
                     "  const one = spawn('sleep', ['600']), two = spawn('sleep', ['600'], { "
                     "detached: true });\n"
                     "  fs.writeFileSync(e.hang, `${process.pid} ${one.pid} ${two.pid}`);\n"
                     "  for (;;);\n};");
    struct making m = spec_of("index.handler");
    m.spec.timeout_ms = 1000;
    struct function *f = made(&m);
    AUTO_BUF event = BUF_INIT(256);
    char path[128], text[64] = "";
    snprintf(path, sizeof path, "%s/pids", root);
    buf_addf(&event, "{\"hang\":\"%s\"}", path);
    struct lambda_invocation i = call_with(f, buf_str(&event));
    assert_int_equal(i.outcome, LAMBDA_TIMEOUT);
    char expected[160];
    snprintf(expected, sizeof expected,
             "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: %s Error: Task "
             "timed out after 1.00 seconds\"}",
             i.request_id);
    assert_string_equal(answer, expected);
    assert_answers(f, "\"fresh\"");
    FILE *pids = fopen(path, "r");
    int pid[3] = {0};
    assert_non_null(pids);
    assert_non_null(fgets(text, sizeof text, pids));
    fclose(pids);
    assert_int_equal(sscanf(text, "%d %d %d", &pid[0], &pid[1], &pid[2]), 3);
    for (size_t k = 0; k < COUNTOF(pid); k++)
        assert_gone(pid[k]);
    const char *const lines[] = {"Task timed out after 1.00 seconds", "END RequestId",
                                 "REPORT RequestId", "Status: timeout", NULL};
    assert_in_order(logged(NULL), lines);
    drop(f);
}

static void a_crashed_environment_is_replaced(void **s)
{
    (void)s;
    struct function *f = handler("exports.handler = async (e) => { if (e.how) eval(e.how); "
                                 "return 'fresh'; };");
    struct {
        const char *how, *text;
    } ends[] = {
        {"{\"how\":\"process.exit(3)\"}", " Error: Runtime exited with error: exit status 3\"}"},
        {"{\"how\":\"process.exit(0)\"}", " Error: Runtime exited without providing a reason\"}"},
        {"{\"how\":\"process.kill(process.pid,9);for(;;);\"}",
         " Error: Runtime exited with error: signal: killed\"}"},
    };
    for (size_t i = 0; i < COUNTOF(ends); i++) {
        struct lambda_invocation out = call_with(f, str_c(ends[i].how));
        assert_int_equal(out.outcome, LAMBDA_FUNCTION_ERROR);
        if (!strstr(answer, ends[i].text) || !strstr(answer, "Runtime.ExitError"))
            fail_msg("%s", answer);
        assert_answers(f, "\"fresh\"");
    }
    drop(f);
}

static void a_crash_takes_its_children_along(void **s)
{
    (void)s;
    char text[64] = "", path[128], source[512];
    int pid[2] = {0};
    snprintf(path, sizeof path, "%s/children", root);
    snprintf(
        source, sizeof source,
        "const { spawn } = require('child_process');\n"
        "exports.handler = async () => {\n"
        "  const pids = [false, true].map((detached) => spawn('sleep', ['600'], { detached }))\n"
        "    .map((one) => one.pid);\n"
        "  require('fs').writeFileSync('%s', pids.join(' ')); process.exit(1); };",
        path);
    struct function *f = handler(source);
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "Runtime.ExitError", "exit status 1");
    FILE *pids = fopen(path, "r");
    assert_non_null(pids);
    assert_non_null(fgets(text, sizeof text, pids));
    fclose(pids);
    assert_int_equal(sscanf(text, "%d %d", &pid[0], &pid[1]), 2);
    assert_gone(pid[0]);
    assert_gone(pid[1]);
    drop(f);
}

static void an_exception_nobody_caught_is_the_answer(void **s)
{
    (void)s;
    struct function *f =
        handler("exports.handler = () => { setTimeout(() => { throw new Error('late'); }, 1); };");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "\"errorType\":\"Error\"", "\"late\"");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "\"errorType\":\"Error\"", "\"late\"");
    drop(f);
}

static void a_failed_init_is_tried_once_more_and_then_reported(void **s)
{
    (void)s;
    struct function *f = handler("this is no JavaScript");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "Runtime.UserCodeSyntaxError", "SyntaxError");
    const char *const lines[] = {"INIT_START",
                                 "Phase: init\\tStatus: error\\tError Type: Runtime.U",
                                 "INIT_START",
                                 "START RequestId",
                                 "Phase: invoke\\tStatus: error\\tError Type: Runtime.User",
                                 "END RequestId",
                                 "REPORT RequestId",
                                 NULL};
    assert_in_order(logged(NULL), lines);
    drop(f);
    f = handler("process.exit(7);");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "Runtime.ExitError", "exit status 7");
    drop(f);
    f = handler("exports.other = 1;");
    assert_fails(f, LAMBDA_FUNCTION_ERROR, "Runtime.HandlerNotFound",
                 "index.handler is undefined or not exported");
    drop(f);
}

static void an_init_that_works_the_second_time_serves_the_waiting_call(void **s)
{
    (void)s;
    char text[512];
    snprintf(text, sizeof text,
             "const fs = require('fs'); const mark = '%s/second';\n"
             "if (!fs.existsSync(mark)) { fs.writeFileSync(mark, ''); throw new Error('first'); }\n"
             "exports.handler = async () => 'second';",
             root);
    struct function *f = handler(text);
    struct lambda_invocation i = call(f);
    assert_int_equal(i.outcome, LAMBDA_OK);
    assert_string_equal(answer, "\"second\"");
    assert_true(i.cold);
    drop(f);
}

static void an_endless_init_is_cut_and_done_again_on_the_time_of_the_call(void **s)
{
    (void)s;
    file("index.js", "for (;;);");
    struct making m = spec_of("index.handler");
    m.spec.timeout_ms = 1000;
    struct function *f = made(&m);
    assert_fails(f, LAMBDA_TIMEOUT, "Sandbox.Timedout", "Task timed out after 1.00 seconds");
    const char *const lines[] = {"Phase: init\\tStatus: timeout", "START RequestId",
                                 "Phase: invoke\\tStatus: timeout", "REPORT RequestId", NULL};
    assert_in_order(logged(NULL), lines);
    drop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_async_handler_answers_and_its_environment_is_used_again),
        TEST(every_way_to_answer),
        TEST(es_modules_and_node_modules),
        TEST(a_streamed_answer_is_collected),
        TEST(what_a_handler_throws_is_the_answer),
        TEST(a_hung_environment_is_killed_with_its_children_and_replaced),
        TEST(a_crashed_environment_is_replaced),
        TEST(a_crash_takes_its_children_along),
        TEST(an_exception_nobody_caught_is_the_answer),
        TEST(a_failed_init_is_tried_once_more_and_then_reported),
        TEST(an_init_that_works_the_second_time_serves_the_waiting_call),
        TEST(an_endless_init_is_cut_and_done_again_on_the_time_of_the_call),
    };
    return house_main(tests, COUNTOF(tests));
}
