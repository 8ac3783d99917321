/* SPDX-License-Identifier: Apache-2.0
 *
 * Many calls at once, what an environment gets and leaves, its log, sizes and cost. */
#include "lambda_house.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/time.h"

/* --- many at once ----------------------------------------------------------------------------- */

static void calls_beyond_the_limit_wait_their_turn(void **s)
{
    (void)s;
    struct function *f = handler("exports.handler = (e, c, done) => "
                                 "setTimeout(() => done(null, process.pid), 30);");
    struct call calls[20] = {0};
    char pids[ENVIRONMENTS][16] = {{0}};
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        calls[i].i.queue = true;
        start_call(&calls[i], f, STR("{}"));
    }
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        size_t k = 0;
        end_call(&calls[i]);
        assert_int_equal(calls[i].i.outcome, LAMBDA_OK);
        const char *pid = buf_cstr(&calls[i].i.answer);
        while (k < ENVIRONMENTS && pids[k][0] && strcmp(pids[k], pid) != 0)
            k++;
        assert_true(k < ENVIRONMENTS);
        snprintf(pids[k], sizeof pids[k], "%s", pid);
        lambda_invocation_fini(&calls[i].i);
    }
    assert_true(pids[1][0] != '\0');
    drop(f);
}

static void a_call_that_does_not_wait_is_throttled(void **s)
{
    (void)s;
    struct function *f = handler("exports.handler = (e, c, done) => setTimeout(done, 500);");
    struct call calls[ENVIRONMENTS + 1] = {0};
    for (size_t i = 0; i < COUNTOF(calls); i++)
        start_call(&calls[i], f, STR("{}"));
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        end_call(&calls[i]);
        assert_int_equal(calls[i].i.outcome, i < ENVIRONMENTS ? LAMBDA_OK : LAMBDA_THROTTLED);
        lambda_invocation_fini(&calls[i].i);
    }
    drop(f);
}

static void a_caller_stops_waiting_at_its_deadline(void **s)
{
    (void)s;
    struct function *f = handler("let n = 0; exports.handler = (e, c, done) => "
                                 "setTimeout(() => done(null, ++n), e.ms);");
    struct call calls[ENVIRONMENTS + 1] = {0};
    for (size_t i = 0; i < ENVIRONMENTS; i++) /* all exist and wait */
        start_call(&calls[i], f, STR("{\"ms\":300}"));
    for (size_t i = 0; i < ENVIRONMENTS; i++) {
        end_call(&calls[i]);
        assert_string_equal(buf_cstr(&calls[i].i.answer), "1");
        lambda_invocation_fini(&calls[i].i);
    }
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        calls[i].i.queue = true;
        calls[i].i.deadline_ms = clock_mono_us(&clock_system) / 1000 + 200;
        start_call(&calls[i], f, STR("{\"ms\":1000}"));
    }
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        end_call(&calls[i]);
        assert_int_equal(calls[i].i.outcome, LAMBDA_DEADLINE);
        lambda_invocation_fini(&calls[i].i);
    }
    /* What was running goes on, and its environment serves again. */
    call_with(f, STR("{\"ms\":0}"));
    assert_string_equal(answer, "3");
    drop(f);
}

/* --- what it gets, what it leaves ------------------------------------------------------------- */

static void the_environment_holds_what_is_documented_and_nothing_else(void **s)
{
    (void)s;
    file("index.js",
         "const e = process.env, fs = require('fs');\n"
         "exports.handler = async () => { fs.writeFileSync(`${e.TMPDIR}/x/../y`.replace('x/../', "
         "''), 'z'); return [\n"
         "  e.ROPELINE_TEST_SECRET === undefined, e.AWS_LAMBDA_RUNTIME_API === undefined,\n"
         "  e._HANDLER, e.AWS_LAMBDA_FUNCTION_NAME, e.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,\n"
         "  e.AWS_REGION, e.TZ, e.LANG, e.COLOUR, e.AWS_EXECUTION_ENV,\n"
         "  e.LAMBDA_TASK_ROOT === process.cwd(), /^ASIA[A-Z2-7]{16}$/.test(e.AWS_ACCESS_KEY_ID),\n"
         "  e.AWS_SECRET_ACCESS_KEY.length, fs.statSync(e.TMPDIR).mode & 0o777,\n"
         "  fs.readdirSync('/proc/self/fd').filter((d) => d < 5).length,\n"
         "  process.execArgv[0]].join(' '); };");
    struct function_env env[] = {{STR("COLOUR"), STR("blue")}, {STR("TZ"), STR(":Europe/Berlin")}};
    struct making m = spec_of("index.handler");
    m.spec.env = env;
    m.spec.env_count = COUNTOF(env);
    m.spec.memory_mb = 256;
    struct function *f = made(&m);
    assert_answers(f, "\"true true index.handler Fn 256 eu-central-1 :Europe/Berlin en_US.UTF-8 "
                      "blue AWS_Lambda_nodejs20.x true true 40 448 5 --max-old-space-size=192\"");
    drop(f);
}

static size_t entries(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void a_dropped_function_leaves_no_process_and_no_file(void **s)
{
    char tmp[128];
    (void)s;
    struct function *f =
        handler("const fs = require('fs'), d = process.env.TMPDIR;\n"
                "fs.mkdirSync(d + '/a/b', { recursive: true });\n"
                "fs.writeFileSync(d + '/a/b/c', 'x'); fs.symlinkSync('/', d + '/l');\n"
                "fs.chmodSync(d + '/a', 0);\n"
                "exports.handler = async () => process.pid;");
    call(f);
    int pid = (int)strtol(answer, NULL, 10);
    assert_true(pid > 1 && kill(pid, 0) == 0);
    drop(f);
    assert_gone(pid);
    snprintf(tmp, sizeof tmp, "%s/tmp", state);
    for (int i = 0; entries(tmp) > 0; i++) {
        if (i == 300)
            fail_msg("something is left in %s", tmp);
        pause_ms(10);
    }
}

static void changed_code_is_another_version_with_environments_of_its_own(void **s)
{
    (void)s;
    struct function *old = handler("exports.handler = async () => 'old';");
    assert_answers(old, "\"old\"");
    struct making same = spec_of("index.handler");
    assert_ptr_equal(made(&same), old);
    struct function *new = handler("exports.handler = async () => 'newer';");
    assert_ptr_not_equal(new, old);
    assert_false(str_eq(function_digest(new), function_digest(old)));
    assert_answers(new, "\"newer\"");
    drop(old);
    drop(old);
    drop(new);
}

static void what_cannot_run_is_refused_by_name(void **s)
{
    (void)s;
    file("index.js", "");
    struct making m = spec_of("index.handler");
    m.spec.runtime = STR("java21");
    on_control(make, &m);
    assert_int_equal(m.err, ERR_UNSUPPORTED);
    assert_non_null(strstr(m.e.text, "java21"));
    m = spec_of("missing.handler");
    on_control(make, &m);
    assert_int_equal(m.err, ERR_NOTFOUND);
    assert_non_null(strstr(m.e.text, "missing.mjs"));
}

/* --- logs ------------------------------------------------------------------------------------- */

static void log_events_stand_between_start_and_end(void **s)
{
    (void)s;
    struct function *f = handler("console.log('at init');\n"
                                 "exports.handler = async () => { console.error('two\\nlines'); "
                                 "process.stdout.write('raw one\\nraw two'); return 1; };");
    struct lambda_invocation i = call(f);
    assert_string_equal(answer, "1");
    const char *const lines[] = {"INIT_START Runtime Version: nodejs:20.v1",
                                 "at init",
                                 "START RequestId: ",
                                 "ERROR\\ttwo\\nlines",
                                 "\"raw one\"",
                                 "\"raw two\"",
                                 "END RequestId: ",
                                 "REPORT RequestId: ",
                                 "Memory Size: 128 MB",
                                 "Max Memory Used: ",
                                 "Init Duration: ",
                                 NULL};
    assert_in_order(logged(NULL), lines);
    const char *const kept[] = {"{\"requestId\":\"",
                                i.request_id,
                                "\"function\":\"Fn\"",
                                "\"cold\":true",
                                "\"outcome\":\"OK\",\"answer\":\"1\"",
                                "\"log\":[",
                                "START",
                                "two\\nlines",
                                "REPORT",
                                "]}",
                                NULL};
    assert_in_order(logged(i.request_id), kept);
    drop(f);
}

/* --- sizes ------------------------------------------------------------------------------------ */

static void large_payloads_pass_and_too_large_ones_are_said_to_be(void **s)
{
    (void)s;
    struct function *f = handler("exports.handler = async (e) => "
                                 "e.size ? 'x'.repeat(e.size) : e.text.length;");
    AUTO_BUF event = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    buf_addz(&event, "{\"text\":\"");
    char *room = buf_reserve(&event, 6000000);
    assert_non_null(room);
    memset(room, 'y', 6000000);
    event.n += 6000000;
    buf_addz(&event, "\"}");
    struct lambda_invocation i = call_with(f, buf_str(&event));
    assert_int_equal(i.outcome, LAMBDA_OK);
    assert_string_equal(answer, "6000000");
    struct call c = {.i = {.queue = true}};
    start_call(&c, f, STR("{\"size\":6291554}"));
    end_call(&c);
    assert_int_equal(c.i.outcome, LAMBDA_OK);
    assert_int_equal(c.i.answer.n, 6291556);
    lambda_invocation_fini(&c.i);
    i = call_with(f, STR("{\"size\":6291555}"));
    assert_int_equal(i.outcome, LAMBDA_FUNCTION_ERROR);
    assert_non_null(strstr(answer, "Function.ResponseSizeTooLarge"));
    i = call_with(f, STR("{\"text\":\"abc\"}"));
    assert_int_equal(i.outcome, LAMBDA_OK);
    assert_false(i.cold);
    drop(f);
}

/* Of the control loop's thread alone: what the test itself costs does not count. */
static void cpu_us(void *arg)
{
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    *(int64_t *)arg = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) +
                      u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void a_warm_call_costs_little(void **s)
{
    enum { CALLS = 2000 };
    int64_t before, after;
    (void)s;
    struct function *f = handler("exports.handler = async () => 1;");
    for (int i = 0; i < 200; i++)
        assert_answers(f, "1");
    on_control(cpu_us, &before);
    for (int i = 0; i < CALLS; i++)
        call(f);
    on_control(cpu_us, &after);
    print_message("# a warm call takes %lld us of the control loop\n",
                  (long long)(after - before) / CALLS);
    drop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_beyond_the_limit_wait_their_turn),
        TEST(a_call_that_does_not_wait_is_throttled),
        TEST(a_caller_stops_waiting_at_its_deadline),
        TEST(the_environment_holds_what_is_documented_and_nothing_else),
        TEST(a_dropped_function_leaves_no_process_and_no_file),
        TEST(changed_code_is_another_version_with_environments_of_its_own),
        TEST(what_cannot_run_is_refused_by_name),
        TEST(log_events_stand_between_start_and_end),
        TEST(large_payloads_pass_and_too_large_ones_are_said_to_be),
        TEST(a_warm_call_costs_little),
    };
    return house_main(tests, COUNTOF(tests));
}
