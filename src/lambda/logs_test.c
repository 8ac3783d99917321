/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function writes and who reads it: events stay whole and in order, a reader sees each once,
 * whether memory or the store has it, and a function that writes too much is cut and told so. */
#include "environment_int.h"
#include "lambda_talk.h"

static struct store *store;
static struct logstore *logs;

/* The room with a log store; `mode`: 'm' = without. */
static int open_with(void **state, bool kept)
{
    static char path[128];
    if (bench_dirs(state))
        return -1;
    snprintf(path, sizeof path, "%s/observe.db", bench.state);
    struct store_options so = {.loop = run_control(bench.run), .path = path, .relaxed = true};
    struct logstore_options lo = {.control = run_control(bench.run), .bytes_max = MIB(64)};
    if (kept && store_new(&so, &store) != ERR_OK)
        return -1;
    lo.store = store;
    if (kept && logstore_new(&lo, &logs) != ERR_OK)
        return -1;
    if (bench_lambda() != ERR_OK)
        return -1;
    bench.lambda->o.logs = logs;
    return bench_function() != ERR_OK;
}

static int open_kept(void **state)
{
    return open_with(state, true);
}

static int open_memory(void **state)
{
    return open_with(state, false);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static int close_all(void **state)
{
    bool closed = false;
    if (bench.lambda)
        bench_shut();
    if (logs) {
        logstore_close(logs, on_closed, &closed);
        assert_true(bench_until(&closed));
    }
    logstore_free(logs);
    store_free(store);
    logs = NULL;
    store = NULL;
    return bench_close(state);
}

/* --- readers ---------------------------------------------------------------------------------- */

struct reader {
    struct lambda_log_read r;
    bool over;
    int dones;
    enum err err;
    char text[KIB(8)]; /* messages, joined by '|' */
};

static void on_read(struct lambda_log_read *r, enum err err)
{
    struct reader *reader = CONTAINER_OF(r, struct reader, r);
    reader->over = true;
    reader->dones++;
    reader->err = err;
}

static void begin(struct reader *reader)
{
    reader->r.function = STR("Fn");
    reader->r.done = on_read;
    reader->over = false;
    reader->dones = 0;
    reader->text[0] = '\0';
    lambda_log_read(bench.lambda, &reader->r);
    assert_false(reader->over);
}

static const char *end(struct reader *reader, enum err expected)
{
    size_t n = 0;
    assert_true(bench_until(&reader->over));
    assert_int_equal(reader->err, expected);
    assert_int_equal(reader->dones, 1);
    struct arena *a = arena_new(KIB(64), MIB(64));
    struct str lines = buf_str(&reader->r.lines);
    while (lines.n > 0) {
        const struct json *v;
        assert_int_equal(json_parse(a, str_cut(lines, '\n', &lines), MIB(1), &v, NULL), ERR_OK);
        struct str text = json_str_or(json_get(v, "message"), STR("?"));
        n += (size_t)snprintf(reader->text + n, sizeof reader->text - n, "%s%.*s", n ? "|" : "",
                              STR_ARG(text));
        assert_true(n < sizeof reader->text);
    }
    arena_free(a);
    lambda_log_read_fini(&reader->r);
    return reader->text;
}

static const char *read_on(struct reader *reader)
{
    begin(reader);
    return end(reader, ERR_OK);
}

/* --- an environment that writes --------------------------------------------------------------- */

static void put(struct child *c, int fd, const void *bytes, size_t n)
{
    assert_int_equal(write(c->fds[fd], bytes, n), n);
    bench_turns(5);
}

static void print(struct child *c, const char *text)
{
    put(c, 1, text, strlen(text));
}

static void frame(struct child *c, unsigned level, const char *text)
{
    unsigned char bytes[200] = {0xa5, 0x5a, 0, (unsigned char)(3 | level)};
    size_t n = strlen(text);
    bytes[7] = (unsigned char)n;
    memcpy(bytes + FRAME_HEAD, text, n);
    put(c, 4, bytes, FRAME_HEAD + n);
}

/* One that is idle: nothing but INIT_START is in its log. */
static struct child *idle(void)
{
    function_warm(bench.function);
    return ready(bench.spawned - (bench.spawned > 0));
}

static void events_are_read_in_order_and_each_once(void **state)
{
    (void)state;
    struct reader reader = {0}, latest = {0};
    struct child *c = idle();
    print(c, "one\ntwo\r\nth");
    print(c, "ree\n");
    frame(c, 12, "four\nlines\n");
    const char *all = read_on(&reader);
    assert_non_null(strstr(all, "INIT_START"));
    assert_non_null(strstr(all, "|one|two|three|four\nlines"));
    assert_string_equal(read_on(&reader), "");
    print(c, "five\n");
    assert_string_equal(read_on(&reader), "five");
    latest.r.filter = STR("ne");
    assert_string_equal(read_on(&latest), "one|four\nlines");
    struct reader nobody = {0};
    begin(&nobody);
    assert_true(bench_until(&nobody.over));
    lambda_log_read_fini(&nobody.r);
    nobody.r.function = STR("None");
    nobody.over = false;
    nobody.dones = 0;
    lambda_log_read(bench.lambda, &nobody.r);
    (void)end(&nobody, ERR_NOTFOUND);
}

static void who_waits_is_woken_by_what_passes_the_filter(void **state)
{
    (void)state;
    struct reader a = {0}, b = {0};
    struct child *c = idle();
    (void)read_on(&a);
    b.r.place = a.r.place;
    a.r.wait_ms = b.r.wait_ms = 60000;
    b.r.filter = STR("for b");
    begin(&a);
    begin(&b);
    print(c, "for a\n");
    assert_string_equal(end(&a, ERR_OK), "for a");
    assert_false(b.over);
    print(c, "for b\n");
    assert_string_equal(end(&b, ERR_OK), "for b");
    begin(&b);
    bench_turns(5);
    lambda_log_read_stop(&b.r);
    (void)end(&b, ERR_CANCELLED);
    lambda_log_read_stop(&b.r); /* one that is over: nothing */
    b.r.wait_ms = 30;
    begin(&b);
    assert_string_equal(end(&b, ERR_OK), "");
    begin(&a);
    lambda_close(bench.lambda, bench_on_closed, NULL);
    (void)end(&a, ERR_OK);
    function_unref(bench.function);
    bench.function = NULL;
    assert_true(bench_until(&bench.closed));
    lambda_free(bench.lambda);
    bench.lambda = NULL;
}

static void what_memory_has_not_any_more_comes_from_the_store(void **state)
{
    (void)state;
    char line[16];
    struct reader reader = {0};
    struct child *c = idle();
    (void)read_on(&reader);
    for (int i = 0; i < LIMIT_LOG_EVENTS + 200; i++) {
        snprintf(line, sizeof line, "%04d\n", i);
        print(c, line);
    }
    const char *text = read_on(&reader);
    assert_true(strncmp(text, "0000|0001|", 10) == 0);
    assert_int_equal(strlen(text), 5 * (LIMIT_LOG_EVENTS + 200) - 1);
}

static void text_that_is_no_utf8_is_made_so(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct child *c = idle();
    (void)read_on(&reader);
    put(c, 1, "a\0b\xff\xc3\xa9\xe2\x82\n", 10);
    assert_string_equal(read_on(&reader), "a\xef\xbf\xbd"
                                          "b\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
}

static void who_writes_too_much_is_cut_and_told(void **state)
{
    (void)state;
    static char text[KIB(40)];
    struct reader reader = {0};
    memset(text, 'x', sizeof text);
    for (size_t i = 99; i < sizeof text; i += 100)
        text[i] = '\n';
    bench.lambda->o.log_bytes_rate = 1000;
    struct child *c = idle();
    (void)map_del(&bench.lambda->logs, STR("Fn"));
    lambda__log_group_free(bench.function->log);
    bench.function->log = lambda__log_group(bench.lambda, STR("Fn"));
    assert_non_null(bench.function->log);
    (void)read_on(&reader);
    put(c, 1, text, sizeof text);
    lambda__sources_drain(bench.function->envs[ENV_IDLE].first, true);
    lambda__log_say_dropped(bench.function->envs[ENV_IDLE].first);
    const char *all = read_on(&reader), *said = strstr(all, "events (");
    assert_non_null(said);
    assert_non_null(strstr(all, "dropped: the function logged more than 1000 bytes or"));
    assert_true(said - all > 4000 && said - all < 6000);
}

static void levels_leave_out_what_is_below_them(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct child *c = idle();
    (void)read_on(&reader);
    bench.function->spec.logging.json = true;
    bench.function->spec.logging.application_level = DETAIL_WARN;
    frame(c, 12, "info");
    frame(c, 16, "warn");
    frame(c, 24, "fatal");
    print(c, "{\"level\":\"ERROR\"}\n{\"level\":\"Debug\"}\n{\"level\":7}\nplain\n{broken\n");
    assert_string_equal(read_on(&reader), "warn|fatal|{\"level\":\"ERROR\"}");
}

static void a_reader_without_memory_hears_once(void **state)
{
    (void)state;
    struct child *c = idle();
    print(c, "one\n");
    FAULT_EACH
    {
        struct reader reader = {0};
        reader.r.function = STR("Fn");
        reader.r.done = on_read;
        lambda_log_read(bench.lambda, &reader.r);
        mem_fault(-1, 0);
        assert_true(bench_until(&reader.over));
        bench_turns(3);
        assert_int_equal(reader.dones, 1);
        lambda_log_read_fini(&reader.r);
    }
}

static void an_event_without_memory_is_one_gap(void **state)
{
    (void)state;
    struct child *c = idle();
    struct reader reader = {0};
    (void)read_on(&reader);
    FAULT_EACH
    {
        print(c, "one\n");
        mem_fault(-1, 0);
    }
    print(c, "last\n");
    const char *text = read_on(&reader);
    assert_non_null(strstr(text, "last"));
}

int main(void)
{
#define KEPT(name) cmocka_unit_test_setup_teardown(name, open_kept, close_all)
#define MEMORY(name) cmocka_unit_test_setup_teardown(name, open_memory, close_all)
    const struct CMUnitTest tests[] = {
        KEPT(events_are_read_in_order_and_each_once),
        MEMORY(events_are_read_in_order_and_each_once),
        KEPT(who_waits_is_woken_by_what_passes_the_filter),
        MEMORY(who_waits_is_woken_by_what_passes_the_filter),
        KEPT(what_memory_has_not_any_more_comes_from_the_store),
        MEMORY(text_that_is_no_utf8_is_made_so),
        KEPT(text_that_is_no_utf8_is_made_so),
        MEMORY(who_writes_too_much_is_cut_and_told),
        MEMORY(levels_leave_out_what_is_below_them),
        KEPT(a_reader_without_memory_hears_once),
        MEMORY(a_reader_without_memory_hears_once),
        KEPT(an_event_without_memory_is_one_gap),
        MEMORY(an_event_without_memory_is_one_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
