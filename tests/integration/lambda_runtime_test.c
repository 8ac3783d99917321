/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions as they really run: a keeper, the gateway process with its loops, node, and handlers in
 * a directory made for each test. The tests run on a thread of their own and wait for each answer,
 * so that they read from top to bottom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "base/mem.h"
#include "lambda/lambda.h"
#include "main/keeper.h"

#define ENVIRONMENTS 3
#define WAIT_S 40

static struct run *run;
static struct lambda *lambda;
static struct keeper_link *keeper;
static char root[64], state[80], code[96];
static const char *node;
static int failures = 1;

/* --- from the test's thread to the control loop ---------------------------------------------- */

static void wait_for(sem_t *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    while (sem_timedwait(s, &until) != 0)
        if (errno != EINTR)
            fail_msg("no answer within %d s", WAIT_S);
}

struct errand {
    struct post post;
    void (*fn)(void *arg);
    void *arg;
    sem_t over;
};

static void errand_run(struct post *p)
{
    struct errand *e = CONTAINER_OF(p, struct errand, post);
    e->fn(e->arg);
    sem_post(&e->over);
}

static void on_control(void (*fn)(void *arg), void *arg)
{
    struct errand e = {.post = {.fn = errand_run}, .fn = fn, .arg = arg};
    sem_init(&e.over, 0, 0);
    run_post(run_control(run), &e.post);
    wait_for(&e.over);
    sem_destroy(&e.over);
}

struct making {
    struct function_spec spec;
    struct function *function;
    struct errinfo e;
    enum err err;
};

static void make(void *arg)
{
    struct making *m = arg;
    m->err = lambda_function(lambda, &m->spec, &m->function, &m->e);
}

static void unref(void *arg)
{
    function_unref(arg);
}

static void drop(struct function *f)
{
    on_control(unref, f);
}

static struct making spec_of(const char *handler)
{
    return (struct making){
        .spec = {.name = STR("Fn"),
                 .arn = STR("arn:aws:lambda:eu-central-1:123456789012:function:Fn"),
                 .code_dir = str_c(code),
                 .handler = str_c(handler),
                 .runtime = STR("nodejs20.x"),
                 .timeout_ms = 10000}};
}

static struct function *made(struct making *m)
{
    on_control(make, m);
    if (m->err != ERR_OK)
        fail_msg("%s", m->e.text);
    return m->function;
}

/* --- files ----------------------------------------------------------------------------------- */

static void file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", code, name);
    for (char *slash = path + strlen(code) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static struct function *handler(const char *text)
{
    file("index.js", text);
    struct making m = spec_of("index.handler");
    return made(&m);
}

/* --- calls ----------------------------------------------------------------------------------- */

struct call {
    struct lambda_invocation i;
    sem_t over;
};

static void call_done(struct lambda_invocation *i)
{
    sem_post(&CONTAINER_OF(i, struct call, i)->over);
}

static void start_call(struct call *c, struct function *f, struct str payload)
{
    c->i.function = f;
    c->i.payload = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    buf_add(&c->i.payload, payload);
    c->i.reply = run_worker(run, 0);
    c->i.done = call_done;
    sem_init(&c->over, 0, 0);
    lambda_invoke(lambda, &c->i);
}

static void end_call(struct call *c)
{
    wait_for(&c->over);
    sem_destroy(&c->over);
}

static char answer[512];

/* One call; its answer's beginning stands in `answer`. */
static struct lambda_invocation call_with(struct function *f, struct str payload)
{
    struct call c = {.i = {.queue = true}};
    start_call(&c, f, payload);
    end_call(&c);
    snprintf(answer, sizeof answer, "%.*s", STR_ARG(buf_str(&c.i.answer)));
    lambda_invocation_fini(&c.i);
    return c.i;
}

static struct lambda_invocation call(struct function *f)
{
    return call_with(f, STR("{}"));
}

static void assert_answers(struct function *f, const char *expected)
{
    struct lambda_invocation i = call(f);
    if (i.outcome != LAMBDA_OK || strcmp(answer, expected) != 0)
        fail_msg("%s: %s", lambda_outcome_name(i.outcome), answer);
}

static void assert_fails(struct function *f, enum lambda_outcome outcome, const char *type,
                         const char *message)
{
    struct lambda_invocation i = call(f);
    if (i.outcome != outcome || !strstr(answer, type) || !strstr(answer, message))
        fail_msg("%s: %s", lambda_outcome_name(i.outcome), answer);
}

struct reading {
    const char *id;
    struct buf text;
    enum err err;
};

static void read_logs(void *arg)
{
    struct reading *r = arg;
    uint64_t last;
    r->err = r->id ? lambda_recall(lambda, str_c(r->id), &r->text)
                   : lambda_logs(lambda, STR("Fn"), 0, &r->text, &last);
}

/* What lambda_logs has, or with an id what lambda_recall has; until the next call of this. */
static const char *logged(const char *id)
{
    static struct reading r;
    buf_fini(&r.text);
    r = (struct reading){.id = id, .text = BUF_INIT(MIB(16))};
    on_control(read_logs, &r);
    assert_int_equal(r.err, ERR_OK);
    return buf_cstr(&r.text);
}

static void assert_in_order(const char *text, const char *const *parts)
{
    const char *at = text;
    for (; *parts; parts++) {
        const char *found = strstr(at, *parts);
        if (!found)
            fail_msg("no \"%s\" after byte %zu of:\n%s", *parts, (size_t)(at - text), text);
        at = found + strlen(*parts);
    }
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void assert_gone(int pid)
{
    for (int i = 0; i < 400; i++) {
        if (kill(pid, 0) != 0)
            return;
        pause_ms(10);
    }
    fail_msg("process %d still runs", pid);
}

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
    m.spec.runtime = STR("python3.12");
    on_control(make, &m);
    assert_int_equal(m.err, ERR_UNSUPPORTED);
    assert_non_null(strstr(m.e.text, "python3.12"));
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

/* --- the process ------------------------------------------------------------------------------ */

static int fresh_code(void **s)
{
    static unsigned n;
    (void)s;
    snprintf(code, sizeof code, "%s/code-%u", root, ++n);
    return mkdir(code, 0755);
}

static void closed(void *arg)
{
    (void)arg;
    keeper_link_close(keeper);
    run_stop(run);
}

static void close_all(struct post *p)
{
    (void)p;
    lambda_close(lambda, closed, NULL);
}

static void *tests_main(void *arg)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh_code)
    static const struct CMUnitTest tests[] = {
        TEST(an_async_handler_answers_and_its_environment_is_used_again),
        TEST(every_way_to_answer),
        TEST(es_modules_and_node_modules),
        TEST(a_streamed_answer_is_collected),
        TEST(what_a_handler_throws_is_the_answer),
        TEST(a_hung_environment_is_killed_with_its_children_and_replaced),
        TEST(a_crashed_environment_is_replaced),
        TEST(an_exception_nobody_caught_is_the_answer),
        TEST(a_failed_init_is_tried_once_more_and_then_reported),
        TEST(an_init_that_works_the_second_time_serves_the_waiting_call),
        TEST(an_endless_init_is_cut_and_done_again_on_the_time_of_the_call),
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
    static struct post end = {.fn = close_all};
    (void)arg;
    failures = cmocka_run_group_tests(tests, NULL, NULL);
    run_post(run_control(run), &end);
    return NULL;
}

static void lost(void *arg)
{
    (void)arg;
    _exit(1);
}

/* For whoever looks why a test fails. */
static void show_log(void *arg, struct str function, struct str line)
{
    (void)arg;
    (void)function;
    fprintf(stderr, "    %.*s\n", STR_ARG(line));
}

static int gateway(void *arg, int keeper_fd)
{
    pthread_t thread;
    struct run_options options = {.workers = 1};
    (void)arg;
    if (run_new(&options, &run) != ERR_OK ||
        keeper_link_open(run_control(run), keeper_fd, lost, NULL, &keeper) != ERR_OK)
        return 1;
    struct lambda_options o = {.control = run_control(run),
                               .keeper = keeper,
                               .state_dir = state,
                               .region = "eu-central-1",
                               .account = "123456789012",
                               .node = node,
                               .environments_max = ENVIRONMENTS,
                               .on_log = getenv("ROPELINE_TEST_LOG") ? show_log : NULL};
    if (lambda_new(&o, &lambda) != ERR_OK || pthread_create(&thread, NULL, tests_main, NULL) != 0 ||
        run_main(run) != ERR_OK)
        return 1;
    pthread_join(thread, NULL);
    lambda_free(lambda);
    run_free(run);
    return failures > 100 ? 100 : failures;
}

static const char *find_node(void)
{
    static char path[256];
    const char *at = getenv("PATH");
    for (struct str rest = str_c(at), dir; rest.n > 0;) {
        dir = str_cut(rest, ':', &rest);
        snprintf(path, sizeof path, "%.*s/node", STR_ARG(dir));
        if (dir.n > 0 && dir.p[0] == '/' && access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

int main(void)
{
    struct keeper_options options = {.gateway = gateway, .quiet = true};
    char command[128];
    node = find_node();
    if (!node) {
        puts("1..0 # skipped: node not found");
        return 0;
    }
    snprintf(root, sizeof root, "/tmp/ropeline-lambda-XXXXXX");
    if (!mkdtemp(root))
        return 1;
    snprintf(state, sizeof state, "%s/state", root);
    if (mkdir(state, 0700) != 0 || setenv("ROPELINE_TEST_SECRET", "inherited", 1) != 0)
        return 1;
    int code_of = keeper_run(&options);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) == 0 ? code_of : 1;
}
