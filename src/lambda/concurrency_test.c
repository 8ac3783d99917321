/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may have an environment: reserved and provisioned concurrency, the machine's own limits, and
 * what aliases come to. */
#include "lambda_talk.h"

#include <errno.h>

#define RESERVED "ReservedFunctionConcurrentInvocationLimitExceeded"
#define ACCOUNT "ConcurrentInvocationLimitExceeded"

/* --- words ------------------------------------------------------------------------------------ */

static struct function *version_of(const char *name, const char *version)
{
    char arn[128];
    struct function *f = NULL;
    snprintf(arn, sizeof arn, "arn:aws:lambda:eu-west-1:123456789012:function:%s%s%s", name,
             *version ? ":" : "", version);
    const struct function_spec spec = {
        .name = str_c(name),
        .arn = str_c(arn),
        .code_dir = str_c(bench.code),
        .handler = STR("index.handler"),
        .runtime = STR("nodejs20.x"),
        .version = str_c(version),
        .timeout_ms = 2000,
    };
    assert_int_equal(lambda_function(bench.lambda, &spec, &f, NULL), ERR_OK);
    return f;
}

static void plan(struct function *f, int reserved, unsigned provisioned)
{
    const struct function_plan p = {f, reserved, provisioned};
    lambda_configure(bench.lambda, &p, 1);
    bench_turns(3);
}

/* A call of `f`; `waits`: it may. */
static void ask(struct call *c, struct function *f, bool waits)
{
    struct function *former = bench.function;
    *c = (struct call){.i = {.queue = waits}};
    bench.function = f;
    call_start(c, "{}");
    bench.function = former;
    bench_turns(3);
}

static void is_throttled(struct call *c, const char *reason)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"Reason\":\"%s\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}", reason);
    assert_string_equal(call_end(c, LAMBDA_THROTTLED), text);
}

/* Child n answers the event that it has; `again`: and asks for another. */
static void serve(size_t n, struct call *c, bool again)
{
    struct child *child = &bench.children[n];
    const char *heard = hear(child);
    if (!strstr(heard, c->i.request_id))
        fail_msg("child %zu has another event:\n%s", n, heard);
    post(child, c->i.request_id, "response", "", "x");
    assert_heard(child, "202 ", "OK");
    call_end(c, LAMBDA_OK);
    if (again)
        say(child, NEXT);
    bench_turns(3);
}

/* Until so many were spawned: the timers are coarse. */
static void spawned(size_t n)
{
    for (int i = 0; i < 3000 && bench.spawned < n; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_int_equal(bench.spawned, n);
}

/* --- reserved --------------------------------------------------------------------------------- */

static void nothing_reserved_is_a_function_that_is_off(void **state)
{
    (void)state;
    struct call c;
    plan(bench.function, 0, 0);
    ask(&c, bench.function, true);
    is_throttled(&c, RESERVED);
    assert_int_equal(bench.spawned, 0);
    plan(bench.function, -1, 0);
    ask(&c, bench.function, true);
    ready(0);
    serve(0, &c, true);
}

static void beyond_the_reservation_calls_are_throttled_at_once(void **state)
{
    (void)state;
    struct call first, second, third;
    plan(bench.function, 1, 0);
    ask(&first, bench.function, true);
    ready(0);
    ask(&second, bench.function, true);
    is_throttled(&second, RESERVED);
    serve(0, &first, false);
    /* It has answered, and not asked for more yet: whoever is so quick waits for that. */
    ask(&third, bench.function, false);
    say(&bench.children[0], NEXT);
    serve(0, &third, true);
    assert_int_equal(bench.spawned, 1);
    assert_string_equal(third.i.executed, "$LATEST");
}

static void versions_share_the_reservation_and_never_an_environment(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1");
    struct call a, b, c;
    plan(bench.function, 1, 0);
    ask(&a, bench.function, true);
    ready(0);
    ask(&b, one, true);
    is_throttled(&b, RESERVED);
    serve(0, &a, true);
    ask(&c, one, true); /* the idle one of $LATEST makes room */
    assert_true(bench.children[0].killed);
    ready(1);
    assert_non_null(strstr(hear(&bench.children[1]), "function:Fn:1\r\n"));
    post(&bench.children[1], c.i.request_id, "response", "", "x");
    assert_heard(&bench.children[1], "202 ", "OK");
    call_end(&c, LAMBDA_OK);
    assert_string_equal(c.i.executed, "1");
    function_unref(one);
}

static void a_short_queue_waits_before_it_throttles(void **state)
{
    (void)state;
    struct call first, second, third;
    plan(bench.function, 1, 0);
    ask(&first, bench.function, true);
    ready(0);
    ask(&second, bench.function, true);
    ask(&third, bench.function, false);
    is_throttled(&third, RESERVED);
    serve(0, &first, true);
    serve(0, &second, true);
    ask(&first, bench.function, true);
    ask(&second, bench.function, true);
    is_throttled(&second, RESERVED); /* when its time is up */
    serve(0, &first, true);
    assert_int_equal(bench.spawned, 1);
}

/* --- the machine's ---------------------------------------------------------------------------- */

static void the_longest_idle_environment_makes_room(void **state)
{
    (void)state;
    struct function *two = version_of("Two", ""), *three = version_of("Three", "");
    struct call a, b, c, d;
    ask(&a, bench.function, true);
    ready(0);
    serve(0, &a, true);
    usleep(20000);
    bench_turns(2);
    ask(&b, two, true);
    ready(1);
    serve(1, &b, true);
    ask(&c, three, true); /* the total is two */
    assert_true(bench.children[0].killed);
    assert_false(bench.children[1].killed);
    ready(2);
    ask(&b, two, true);
    ask(&d, bench.function, true); /* both are busy: it waits */
    assert_int_equal(bench.spawned, 3);
    serve(1, &b, true); /* idle again, and somebody else waits */
    spawned(4);
    assert_true(bench.children[1].killed);
    ready(3);
    serve(3, &d, true);
    serve(2, &c, true);
    function_unref(two);
    function_unref(three);
}

static void without_a_queue_nobody_waits(void **state)
{
    (void)state;
    struct call calls[4];
    for (size_t i = 0; i < COUNTOF(calls); i++)
        ask(&calls[i], bench.function, true);
    is_throttled(&calls[3], ACCOUNT);
    for (size_t i = 0; i < 3; i++) {
        ready(i);
        serve(i, &calls[i], false);
    }
}

static void an_environment_without_work_ends_and_the_next_call_gets_another(void **state)
{
    (void)state;
    struct call c;
    ask(&c, bench.function, true);
    ready(0);
    serve(0, &c, true);
    for (int i = 0; i < 1000 && !bench.children[0].killed; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_true(bench.children[0].killed);
    ask(&c, bench.function, true);
    ready(1);
    serve(1, &c, true);
}

/* --- provisioned ------------------------------------------------------------------------------ */

static void provisioned_environments_are_there_before_anybody_calls(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1");
    struct call calls[3];
    plan(one, -1, 2);
    spawned(2);
    assert_string_equal(lambda__provision_status(one), "IN_PROGRESS");
    /* They may take longer than those on demand. */
    int64_t init_ms = one->envs[ENV_INIT].first->timer.due_ms - loop_now_ms(run_control(bench.run));
    assert_in_range(init_ms, 120000, TIMEOUT_PROVISIONED_INIT_MS + 1000);
    ready(0);
    ready(1);
    assert_string_equal(lambda__provision_status(one), "READY");
    assert_true(bench.children[0].provisioned && bench.children[1].provisioned);
    for (size_t i = 0; i < 3; i++)
        ask(&calls[i], one, true);
    assert_false(calls[0].i.cold);
    spawned(3);
    assert_false(bench.children[2].provisioned);
    ready(2);
    assert_int_equal(one->provision.runs, 2);
    assert_int_equal(one->provision.spilled, 1);
    bool first = strstr(hear(&bench.children[1]), calls[0].i.request_id) != NULL;
    struct call *of_one = &calls[first ? 0 : 1];
    post(&bench.children[1], of_one->i.request_id, "response", "", "x");
    assert_heard(&bench.children[1], "202 ", "OK");
    call_end(of_one, LAMBDA_OK);
    say(&bench.children[1], NEXT);
    serve(0, &calls[first ? 1 : 0], true);
    serve(2, &calls[2], true);
    ask(&calls[0], one, true); /* provisioned ones come first again */
    assert_int_equal(one->provision.runs, 3);
    plan(one, -1, 0); /* idle ones go, busy ones when they are done */
    size_t killed = 0;
    for (size_t i = 0; i < 3; i++)
        killed += bench.children[i].killed;
    assert_int_equal(killed, 1);
    function_unref(one);
    call_end(&calls[0], LAMBDA_TIMEOUT);
}

static void one_that_ends_is_replaced_at_once(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1");
    struct call c;
    plan(one, -1, 1);
    spawned(1);
    ready(0);
    ask(&c, one, true);
    child_end(&bench.children[0], (struct child_exit){.status = 1});
    call_end(&c, LAMBDA_FUNCTION_ERROR);
    spawned(2);
    assert_true(bench.children[1].provisioned);
    ready(1);
    assert_string_equal(lambda__provision_status(one), "READY");
    function_unref(one);
}

static void one_that_cannot_start_is_tried_again_later(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1");
    struct call c;
    plan(one, -1, 1);
    spawned(1);
    child_end(&bench.children[0], (struct child_exit){.status = 1});
    bench_turns(5);
    assert_string_equal(lambda__provision_status(one), "FAILED");
    assert_string_equal(one->provision.failed, "FUNCTION_ERROR_INIT_FAILURE");
    ask(&c, one, true); /* meanwhile calls run on demand */
    assert_int_equal(bench.spawned, 2);
    assert_false(bench.children[1].provisioned);
    ready(1);
    serve(1, &c, true);
    spawned(3);
    assert_true(bench.children[2].provisioned);
    ready(2);
    assert_string_equal(lambda__provision_status(one), "READY");
    function_unref(one);
}

static void what_is_provisioned_has_its_room_before_what_is_on_demand(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1"), *two = version_of("Two", "");
    struct call a, b, c;
    ask(&a, bench.function, true);
    ask(&b, two, true);
    ready(0);
    ready(1);
    serve(0, &a, true);
    ask(&a, bench.function, true);
    plan(one, -1, 1); /* the total is two, and both are busy */
    assert_string_equal(lambda__provision_status(one), "FAILED");
    assert_string_equal(one->provision.failed, "INSUFFICIENT_CAPACITY");
    ask(&c, two, true); /* waits, and gets no new one, because that place is taken */
    serve(1, &b, true);
    serve(1, &c, true);
    assert_int_equal(bench.spawned, 2);
    spawned(3);
    assert_true(bench.children[1].killed && bench.children[2].provisioned);
    assert_string_equal(lambda__provision_status(one), "IN_PROGRESS");
    ready(2);
    assert_string_equal(lambda__provision_status(one), "READY");
    serve(0, &a, true);
    function_unref(one);
    function_unref(two);
}

static void what_is_provisioned_is_taken_from_the_reservation(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1");
    struct call a, b, c;
    const struct function_plan plans[] = {{bench.function, 1, 0}, {one, 1, 1}};
    lambda_configure(bench.lambda, plans, 2);
    spawned(1);
    ready(0);
    ask(&a, bench.function, true); /* $LATEST has nothing left */
    is_throttled(&a, RESERVED);
    ask(&b, one, true);
    ask(&c, one, true);
    is_throttled(&c, RESERVED);
    serve(0, &b, false);
    ask(&c, one, true); /* before it asks for the next event */
    say(&bench.children[0], NEXT);
    serve(0, &c, true);
    assert_int_equal(bench.spawned, 1);
    function_unref(one);
}

/* --- aliases ---------------------------------------------------------------------------------- */

static void an_alias_is_its_versions_by_weight(void **state)
{
    (void)state;
    struct function *one = version_of("Fn", "1"), *two = version_of("Fn", "2"), *live, *other;
    struct errinfo e = {0};
    assert_int_equal(function_alias(bench.lambda, STR("live"), one, two, 250000, &live, &e),
                     ERR_OK);
    assert_true(
        str_eqz(function_arn(live), "arn:aws:lambda:eu-west-1:123456789012:function:Fn:live"));
    assert_true(str_eqz(function_version(live), "live"));
    size_t twos = 0;
    for (int i = 0; i < 10000; i++)
        twos += lambda__alias_pick(live) == two;
    assert_in_range(twos, 2200, 2800);
    /* It is another one when it leads elsewhere. */
    assert_int_equal(function_alias(bench.lambda, STR("live"), two, NULL, 0, &other, &e), ERR_OK);
    assert_false(str_eq(function_digest(live), function_digest(other)));
    assert_ptr_equal(lambda_find(bench.lambda, STR("Fn"), STR("live")), other); /* the newest */
    function_unref(other);
    assert_ptr_equal(lambda_find(bench.lambda, STR("Fn:live"), STR("")), live);
    assert_ptr_equal(lambda_find(bench.lambda, function_arn(live), STR("")), live);
    assert_ptr_equal(lambda_find(bench.lambda, STR("Fn"), STR("2")), two);
    assert_ptr_equal(lambda_find(bench.lambda, STR("Fn"), STR("")), bench.function);
    assert_null(lambda_find(bench.lambda, STR("Fn:live"), STR("2")));
    assert_null(lambda_find(bench.lambda, STR("arn:aws:lambda:xx:1:function:Fn"), STR("")));
    function_unref(one); /* the alias keeps them */
    function_unref(two);
    struct call c;
    ask(&c, live, true);
    ready(0);
    assert_non_null(strstr(hear(&bench.children[0]), "function:Fn:live\r\n"));
    function_unref(live);
    call_end(&c, LAMBDA_TIMEOUT);
}

static void names_of_aliases_are_judged(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1", "42", "a b", "a:b", "\xc3\xa4", "$LAST", "a/b"};
    struct function *f;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct errinfo e = {0};
        assert_int_equal(
            function_alias(bench.lambda, str_c(bad[i]), bench.function, NULL, 0, &f, &e),
            ERR_INVALID);
    }
}

static enum err alias_again(void *arg)
{
    struct function *f;
    enum err err = function_alias(bench.lambda, STR("live"), bench.function, NULL, 0, &f, NULL);
    (void)arg;
    if (err == ERR_OK)
        function_unref(f);
    return err;
}

static void an_alias_without_memory_is_none(void **state)
{
    (void)state;
    fault_each(alias_again, NULL);
}

#define OPENED(name, ...)                                  \
    static int name(void **state)                          \
    {                                                      \
        bench_options = (struct bench_options)__VA_ARGS__; \
        int bad = bench_open(state);                       \
        bench_options = (struct bench_options){0};         \
        return bad;                                        \
    }
OPENED(open_two, {.total = 2})
OPENED(open_short_queue, {.queue_ms = 80})
OPENED(open_no_queue, {.queue_ms = -1})
OPENED(open_short_idle, {.idle_ms = 50})

int main(void)
{
#define WITH(open, name) cmocka_unit_test_setup_teardown(name, open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(nothing_reserved_is_a_function_that_is_off),
        BENCH_TEST(beyond_the_reservation_calls_are_throttled_at_once),
        BENCH_TEST(versions_share_the_reservation_and_never_an_environment),
        WITH(open_short_queue, a_short_queue_waits_before_it_throttles),
        WITH(open_two, the_longest_idle_environment_makes_room),
        WITH(open_no_queue, without_a_queue_nobody_waits),
        WITH(open_short_idle, an_environment_without_work_ends_and_the_next_call_gets_another),
        BENCH_TEST(provisioned_environments_are_there_before_anybody_calls),
        BENCH_TEST(one_that_ends_is_replaced_at_once),
        BENCH_TEST(one_that_cannot_start_is_tried_again_later),
        WITH(open_two, what_is_provisioned_has_its_room_before_what_is_on_demand),
        BENCH_TEST(what_is_provisioned_is_taken_from_the_reservation),
        BENCH_TEST(an_alias_is_its_versions_by_weight),
        BENCH_TEST(names_of_aliases_are_judged),
        BENCH_TEST(an_alias_without_memory_is_none),
    };
    return cmocka_run_group_tests_name("concurrency", tests, NULL, NULL);
}
