/* SPDX-License-Identifier: Apache-2.0
 *
 * The platform's own log lines and error payloads, letter for letter. */
#include "lib/fault.h"

#include <signal.h>

#include "base/limits.h"
#include "lambda_text.h"

#define ID "8f507cfc-example-4697-b07a-ac58fc914c95"

static void check(struct buf *b, const char *expected)
{
    assert_string_equal(buf_cstr(b), expected);
    buf_fini(b);
}

static void init_start_names_runtime_and_version(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1024);
    lambda__line_init_start(&b, STR("nodejs20.x"), STR("eu-west-1"), "abcd");
    check(&b, "INIT_START Runtime Version: nodejs:20.v1\tRuntime Version ARN: "
              "arn:aws:lambda:eu-west-1::runtime:abcd");
}

static void a_report_without_init(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1024);
    const struct lambda__report r = {
        .request_id = ID, .duration_us = 12345, .init_us = -1, .memory_mb = 128, .used_mb = 63};
    lambda__line_report(&b, &r);
    check(&b, "REPORT RequestId: " ID "\tDuration: 12.35 ms\tBilled Duration: 13 ms\t"
              "Memory Size: 128 MB\tMax Memory Used: 63 MB\t");
}

static void a_report_of_a_first_invocation_that_failed(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1024);
    const struct lambda__report r = {.request_id = ID,
                                     .duration_us = 3000000,
                                     .init_us = 145096,
                                     .memory_mb = 512,
                                     .used_mb = 70,
                                     .status = "error",
                                     .error_type = "Runtime.ExitError"};
    lambda__line_report(&b, &r);
    check(&b, "REPORT RequestId: " ID "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\t"
              "Memory Size: 512 MB\tMax Memory Used: 70 MB\tInit Duration: 145.10 ms\t"
              "Status: error\tError Type: Runtime.ExitError");
}

static void a_report_of_a_traced_invocation(void **state)
{
    static const char *const silent[] = {"", "Root=1-67891233-abc", "Root=1-67891233-abc;Sampled=0",
                                         "Sampled=1;Root="};
    (void)state;
    struct buf b = BUF_INIT(1024);
    struct lambda__report r = {
        .request_id = ID, .init_us = -1, .trace = STR("Root=1-6-a; Parent=5; Sampled=1")};
    lambda__line_report(&b, &r);
    check(&b, "REPORT RequestId: " ID "\tDuration: 0.00 ms\tBilled Duration: 0 ms\t"
              "Memory Size: 0 MB\tMax Memory Used: 0 MB\t\nXRAY TraceId: 1-6-a\t"
              "SegmentId: 8f507cfcexample4\tSampled: true\t");
    for (size_t i = 0; i < COUNTOF(silent); i++) {
        r.trace = str_c(silent[i]);
        lambda__line_report(&b, &r);
        assert_null(strstr(buf_cstr(&b), "XRAY"));
        buf_reset(&b);
    }
    buf_fini(&b);
}

#define AT "{\"time\":\"2025-11-22T07:00:00.123Z\",\"type\":\"platform."
#define TRACING                                                                   \
    ",\"tracing\":{\"spanId\":\"8f507cfcexample4\",\"type\":\"X-Amzn-Trace-Id\"," \
    "\"value\":\"Root=1-6-a\"}"

static void events_in_json(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1024);
    struct lambda__event e = {.wall_us = 1763794800123456, .request_id = ID, .version = STR("7")};
    const struct lambda__init_start start = {.runtime = STR("nodejs20.x"),
                                             .region = STR("eu-west-1"),
                                             .function = STR("Fn"),
                                             .digest = "abcd"};
    struct lambda__report r = {
        .request_id = ID, .duration_us = 12345, .init_us = -1, .memory_mb = 128, .used_mb = 63};
    lambda__json_init_start(&b, &e, &start);
    check(&b, AT "initStart\",\"record\":{\"initializationType\":\"on-demand\",\"phase\":\"init\","
                 "\"runtimeVersion\":\"nodejs:20.v1\",\"runtimeVersionArn\":"
                 "\"arn:aws:lambda:eu-west-1::runtime:abcd\",\"functionName\":\"Fn\","
                 "\"functionVersion\":\"7\"}}");
    e.provisioned = true;
    lambda__json_init_done(&b, &e, "init", NULL, NULL);
    check(&b, AT "initRuntimeDone\",\"record\":{\"initializationType\":\"provisioned-concurrency\","
                 "\"phase\":\"init\",\"status\":\"success\"}}");
    lambda__json_init_report(&b, &e, 145096, "invoke", "error", "Runtime.ExitError");
    check(&b, AT "initReport\",\"record\":{\"initializationType\":\"provisioned-concurrency\","
                 "\"phase\":\"invoke\",\"status\":\"error\",\"errorType\":\"Runtime.ExitError\","
                 "\"metrics\":{\"durationMs\":145.096}}}");
    lambda__json_start(&b, &e);
    check(&b, AT "start\",\"record\":{\"requestId\":\"" ID "\",\"version\":\"7\"}}");
    e.trace = STR("Root=1-6-a");
    lambda__json_runtime_done(&b, &e, &r, 16);
    check(&b, AT "runtimeDone\",\"record\":{\"requestId\":\"" ID "\",\"status\":\"success\","
                 "\"metrics\":{\"durationMs\":12.345,\"producedBytes\":16}" TRACING "}}");
    r.init_us = 7;
    r.status = "timeout";
    lambda__json_report(&b, &e, &r);
    check(&b, AT "report\",\"record\":{\"requestId\":\"" ID "\",\"metrics\":{\"durationMs\":12.345,"
                 "\"billedDurationMs\":13,\"memorySizeMB\":128,\"maxMemoryUsedMB\":63,"
                 "\"initDurationMs\":0.007},\"status\":\"timeout\"" TRACING "}}");
    lambda__json_dropped(&b, &e, STR("too much"), 3, 4000);
    check(&b, AT "logsDropped\",\"record\":{\"reason\":\"too much\",\"droppedRecords\":3,"
                 "\"droppedBytes\":4000}}");
    lambda__json_error(&b, &e, STR("ended"), "Runtime.ExitError");
    check(&b, "{\"timestamp\":\"2025-11-22T07:00:00.123Z\",\"level\":\"ERROR\",\"requestId\":\"" ID
              "\",\"message\":\"ended\",\"errorType\":\"Runtime.ExitError\"}");
}

static void lines_around_an_invocation(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1024);
    lambda__line_start(&b, ID, STR("$LATEST"));
    check(&b, "START RequestId: " ID " Version: $LATEST");
    lambda__line_end(&b, ID);
    check(&b, "END RequestId: " ID);
    lambda__line_init_report(&b, 9999870, "init", "timeout", NULL);
    check(&b, "INIT_REPORT Init Duration: 9999.87 ms\tPhase: init\tStatus: timeout");
    lambda__line_timeout(&b, 1763794800123456, ID, 1000);
    check(&b, "2025-11-22T07:00:00.123Z " ID " Task timed out after 1.00 seconds");
    lambda__line_timeout(&b, 0, ID, 29050);
    assert_non_null(strstr(buf_cstr(&b), "after 29.05 seconds"));
    buf_fini(&b);
}

static void payloads_of_the_platform(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1024);
    lambda__payload_timeout(&b, ID, 1000);
    check(&b, "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: " ID
              " Error: Task timed out after 1.00 seconds\"}");
    lambda__payload_too_large(&b);
    check(&b, "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size "
              "(6291556 bytes).\",\"errorType\":\"Function.ResponseSizeTooLarge\"}");
    lambda__payload_error(&b, "A.B", STR("\"quoted\"\n"));
    check(&b, "{\"errorType\":\"A.B\",\"errorMessage\":\"\\\"quoted\\\"\\n\"}");
}

static void the_cause_of_an_error_is_not_the_callers(void **state)
{
    static const struct {
        const char *posted, *passed;
    } rows[] = {
        {"{\"errorMessage\":\"no\",\"errorType\":\"T\",\"stackTrace\":[\"a\",\"\\u00e4\"],"
         "\"errorCause\":{\"secret\":1},\"cause\":2}",
         "{\"errorMessage\":\"no\",\"errorType\":\"T\",\"stackTrace\":[\"a\",\"\xc3\xa4\"]}"},
        {"{\"errorType\":\"T\",\"stackTrace\":[]}", "{\"errorMessage\":\"\",\"errorType\":\"T\"}"},
        {"{\"stackTrace\":null}", "{\"errorMessage\":\"\",\"errorType\":\"\"}"},
        {"{\"errorMessage\":1}", "\"Invalid error body\""},
        {"{\"stackTrace\":[1]}", "\"Invalid error body\""},
        {"{\"stackTrace\":\"a\"}", "\"Invalid error body\""},
        {"[]", "\"Invalid error body\""},
        {"", "\"Invalid error body\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena *a = arena_new(KIB(4), KIB(64));
        struct buf b = BUF_INIT(1024);
        assert_non_null(a);
        buf_addz(&b, rows[i].posted);
        lambda__payload_without_cause(a, &b);
        check(&b, rows[i].passed);
        arena_free(a);
    }
}

static void how_a_process_ended(void **state)
{
    static const struct {
        struct child_exit how;
        const char *type, *text;
    } ends[] = {
        {{.status = 127}, "ExitError", "Runtime exited with error: exit status 127"},
        {{.status = 0}, "ExitError", "Runtime exited without providing a reason"},
        {{.status = -1, .signal = SIGKILL},
         "ExitError",
         "Runtime exited with error: signal: killed"},
        {{.status = -1, .signal = SIGSEGV},
         "ExitError",
         "Runtime exited with error: signal: segmentation fault"},
        {{.status = -1, .signal = SIGUSR2},
         "ExitError",
         "Runtime exited with error: signal: signal 12"},
        {{.err = ERR_IO, .os_error = 2},
         "InvalidEntrypoint",
         "Runtime could not be started: No such file or directory"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(ends); i++) {
        char expected[256];
        struct buf b = BUF_INIT(1024);
        lambda__payload_exit(&b, ID, &ends[i].how);
        snprintf(expected, sizeof expected,
                 "{\"errorType\":\"Runtime.%s\",\"errorMessage\":\"RequestId: " ID " Error: %s\"}",
                 ends[i].type, ends[i].text);
        check(&b, expected);
    }
}

static void only_known_kinds_of_error_types_pass(void **state)
{
    static const char *const pairs[][2] = {
        {"Runtime.ImportModuleError", "Runtime.ImportModuleError"},
        {"Function.Mine", "Function.Mine"},
        {"Function.mine", "Function.Unknown"},
        {"Runtime.A", "Runtime.Unknown"},
        {"Runtime.With Blank", "Runtime.Unknown"},
        {"TypeError", "Runtime.Unknown"},
        {"", "Runtime.Unknown"},
        {"Runtime.Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Runtime.Unknown"},
    };
    char text[64];
    (void)state;
    for (size_t i = 0; i < COUNTOF(pairs); i++)
        assert_string_equal(lambda__error_type(str_c(pairs[i][0]), text), pairs[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_start_names_runtime_and_version),
        cmocka_unit_test(a_report_without_init),
        cmocka_unit_test(a_report_of_a_first_invocation_that_failed),
        cmocka_unit_test(a_report_of_a_traced_invocation),
        cmocka_unit_test(events_in_json),
        cmocka_unit_test(lines_around_an_invocation),
        cmocka_unit_test(payloads_of_the_platform),
        cmocka_unit_test(the_cause_of_an_error_is_not_the_callers),
        cmocka_unit_test(how_a_process_ended),
        cmocka_unit_test(only_known_kinds_of_error_types_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
