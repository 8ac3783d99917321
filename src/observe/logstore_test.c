/* SPDX-License-Identifier: Apache-2.0
 *
 * What is put can be found, in order, page by page, also by the next process; old events go; and a
 * file that is full, damaged or another's stops nobody. */
#include "lib/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logstore_int.h"

#define GROUP STR("/aws/lambda/Fn")

static char dir[] = "/tmp/ropeline-logs-XXXXXX", path[64];
static struct run *r;
static struct store *store;
static struct logstore *logs;
static struct logstore_options options;

static void open_logs(void)
{
    struct store_options so = {.loop = run_control(r), .path = path, .relaxed = true};
    assert_int_equal(store_new(&so, &store), ERR_OK);
    options.control = run_control(r);
    options.store = store;
    assert_int_equal(logstore_new(&options, &logs), ERR_OK);
}

static void stop(void *arg)
{
    (void)arg;
    run_stop(r);
}

/* Turns the loop until it is closed, and frees it; a run cannot be run twice. */
static void close_logs(void)
{
    logstore_close(logs, stop, NULL);
    assert_int_equal(run_main(r), ERR_OK);
    logstore_free(logs);
    store_free(store);
    logs = NULL;
    store = NULL;
    run_free(r);
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &r), ERR_OK);
}

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/observe.db", dir);
    options = (struct logstore_options){.retention_days = 0, .bytes_max = MIB(256)};
    if (run_new(&(struct run_options){.workers = 1}, &r) != ERR_OK)
        return -1;
    open_logs();
    return 0;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    if (logs)
        close_logs();
    run_free(r);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* --- turning the loop without ending it ------------------------------------------------------- */
static void turn_until(const bool *flag)
{
    for (int i = 0; i < 20000 && !*flag; i++) {
        uv_run(loop_uv(run_control(r)), UV_RUN_NOWAIT);
        usleep(i < 100 ? 0 : 500);
    }
    assert_true(*flag);
}

static void put(struct log_stream *stream, int64_t at_ms, const char *message)
{
    log_stream_put(stream, logstore_seq(logs, at_ms * 1000), at_ms, str_c(message));
}

static bool over;
static enum err how;
static void on_query(struct log_query *q, enum err err)
{
    (void)q;
    over = true;
    how = err;
}

/* "1:a 2:b " */
static const char *found(struct log_query *q)
{
    static struct buf text;
    q->group = q->group.n ? q->group : GROUP;
    q->done = on_query;
    over = false;
    logstore_query(logs, q);
    assert_false(over); /* never from inside the call */
    turn_until(&over);
    buf_fini(&text);
    text = BUF_INIT(MIB(4));
    if (how != ERR_OK)
        buf_addz(&text, err_text(how));
    for (size_t i = 0; how == ERR_OK && i < q->count; i++)
        buf_addf(&text, "%lld:%.*s ", (long long)q->events[i].at_ms, STR_ARG(q->events[i].message));
    log_query_fini(q);
    return buf_cstr(&text);
}

static void on_list(struct log_list *q, enum err err)
{
    (void)q;
    over = true;
    how = err;
}

static const char *listed(struct log_list *q)
{
    static struct buf text;
    q->done = on_list;
    over = false;
    logstore_list(logs, q);
    turn_until(&over);
    buf_fini(&text);
    text = BUF_INIT(MIB(1));
    if (how != ERR_OK)
        buf_addz(&text, err_text(how));
    for (size_t i = 0; how == ERR_OK && i < q->count; i++)
        buf_addf(&text, "%.*s ", STR_ARG(q->listed[i].name));
    log_list_fini(q);
    return buf_cstr(&text);
}

#define FIND(...) found(&(struct log_query){__VA_ARGS__})
#define LIST(...) listed(&(struct log_list){__VA_ARGS__})

/* --- asking ----------------------------------------------------------------------------------- */
static void events_come_in_the_order_of_time(void **state)
{
    (void)state;
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0),
                      *b = log_stream_open(logs, GROUP, STR("b"), 0);
    put(a, 30, "three");
    put(b, 10, "one");
    put(a, 20, "two");
    put(b, 20, "again");
    assert_string_equal(FIND(.limit = 0), "10:one 20:two 20:again 30:three ");
    assert_string_equal(FIND(.order = LOG_NEWEST_FIRST), "30:three 20:again 20:two 10:one ");
    assert_string_equal(FIND(.stream = STR("a")), "20:two 30:three ");
    assert_string_equal(FIND(.stream = STR("b"), .order = LOG_NEWEST_FIRST), "20:again 10:one ");
    assert_string_equal(FIND(.from_ms = 20, .until_ms = 30), "20:two 20:again ");
    assert_string_equal(FIND(.filter = STR("o")), "10:one 20:two ");
    assert_string_equal(FIND(.stream_part = STR("b")), "10:one 20:again ");
    assert_string_equal(FIND(.group = STR("/aws/lambda/F")), "");
    log_stream_close(a);
    log_stream_close(b);
}

static void an_answer_is_a_page_and_the_cursor_leads_to_the_next(void **state)
{
    (void)state;
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    for (int i = 0; i < 7; i++)
        put(a, 100 + i / 2, (const char *[]){"a", "b", "c", "d", "e", "f", "g"}[i]);
    struct log_query q = {.limit = 3};
    assert_string_equal(found(&q), "100:a 100:b 101:c ");
    assert_true(q.more);
    assert_string_equal(found(&q), "101:d 102:e 102:f ");
    assert_string_equal(found(&q), "103:g ");
    assert_false(q.more);
    struct log_query back = {.limit = 5, .order = LOG_NEWEST_FIRST};
    assert_string_equal(found(&back), "103:g 102:f 102:e 101:d 101:c ");
    assert_string_equal(found(&back), "100:b 100:a ");
    log_stream_close(a);
}

static void numbers_bound_what_is_seen(void **state)
{
    (void)state;
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 1, "before");
    uint64_t seq = logstore_seq(logs, 0);
    put(a, 1, "behind");
    assert_string_equal(FIND(.until_seq = seq), "1:before ");
    assert_string_equal(FIND(.after_seq = seq), "1:behind ");
    log_stream_close(a);
}

static void a_page_ends_by_its_bytes_too(void **state)
{
    (void)state;
    static char text[KIB(200)];
    memset(text, 'x', sizeof text - 1);
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    for (int i = 0; i < 20; i++)
        put(a, i, text);
    size_t n = 0, pages = 0;
    struct log_query q = {.limit = 0};
    do {
        (void)found(&q);
        n += q.count;
        pages++;
    } while (q.more);
    assert_int_equal(n, 20);
    assert_true(pages >= 3);
    log_stream_close(a);
}

static void groups_and_streams_are_listed_by_name(void **state)
{
    (void)state;
    const char *const names[] = {"c", "a", "b1", "b2"};
    for (size_t i = 0; i < COUNTOF(names); i++) {
        struct log_stream *one = log_stream_open(logs, GROUP, str_c(names[i]), 0),
                          *other = log_stream_open(logs, str_c(names[i]), STR("x"), 0);
        put(one, 1, "e");
        put(other, 1, "e");
        log_stream_close(one);
        log_stream_close(other);
    }
    assert_string_equal(LIST(.limit = 0), "/aws/lambda/Fn a b1 b2 c ");
    assert_string_equal(LIST(.prefix = STR("b")), "b1 b2 ");
    assert_string_equal(LIST(.group = GROUP), "a b1 b2 c ");
    assert_string_equal(LIST(.group = GROUP, .after = STR("b1")), "b2 c ");
    assert_string_equal(LIST(.group = GROUP, .prefix = STR("b"), .limit = 1), "b1 ");
    assert_string_equal(LIST(.group = STR("none")), err_text(ERR_NOTFOUND));
}

/* --- the next process ------------------------------------------------------------------------- */
static void events_outlive_the_process_and_numbers_go_on(void **state)
{
    (void)state;
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 5000, "old");
    uint64_t last = logs->last_seq;
    log_stream_close(a);
    close_logs();
    open_logs();
    assert_string_equal(FIND(.limit = 0), "5000:old ");
    a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 1, "the clock was turned back");
    assert_true(logs->last_seq > last);
    assert_string_equal(FIND(.after_seq = last), "1:the clock was turned back ");
    log_stream_close(a);
}

static void a_daemon_that_logs_nothing_makes_no_file(void **state)
{
    (void)state;
    close_logs();
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_damaged_file_stops_nobody(void **state)
{
    (void)state;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "not a database! ", 16), 16);
    close(fd);
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 1, "lost");
    assert_string_equal(FIND(.limit = 0), err_text(ERR_UNAVAILABLE));
    put(a, 1, "lost, too");
    assert_int_equal(logstore_losses(logs).events, 2);
    log_stream_close(a);
}

static void a_full_disk_stops_nobody_and_is_written_again(void **state)
{
    (void)state;
    static char text[KIB(100)];
    memset(text, 'x', sizeof text - 1);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, full;
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 1, "before");
    assert_string_equal(FIND(.limit = 0), "1:before ");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    full = (struct rlimit){KIB(150), old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 0; i < 10; i++)
        put(a, 2, text);
    assert_string_equal(FIND(.until_ms = 2), "1:before "); /* it is still read */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(logstore_losses(logs).events > 0);
    put(a, 3, "after");
    assert_string_equal(FIND(.from_ms = 3), "3:after ");
    log_stream_close(a);
}

static void what_waits_has_an_end(void **state)
{
    (void)state;
    static char text[KIB(250)];
    memset(text, 'x', sizeof text - 1);
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    for (int i = 0; i < 100; i++) /* 25 MB in one turn of the loop */
        put(a, i, text);
    struct log_losses lost = logstore_losses(logs);
    assert_true(lost.events > 30 && lost.events < 100);
    assert_int_equal(lost.bytes, lost.events * (sizeof text - 1));
    log_stream_close(a);
}

/* --- what goes -------------------------------------------------------------------------------- */
static void swept(void)
{
    bool settled = false;
    log__flush(logs);
    for (int i = 0; i < 20000 && !settled; i++) {
        uv_run(loop_uv(run_control(r)), UV_RUN_NOWAIT);
        settled = !logs->writing && logs->filling->count == 0 && !logs->sweep.running;
        usleep(settled ? 0 : 200);
    }
    assert_true(settled);
}

static void events_go_when_their_days_are_over(void **state)
{
    (void)state;
    int64_t now_ms = loop_wall_us(run_control(r)) / 1000, day = 86400000;
    struct log_stream *old = log_stream_open(logs, GROUP, STR("old"), 0),
                      *young = log_stream_open(logs, GROUP, STR("young"), 0);
    struct log_stream *own = log_stream_open(logs, STR("own"), STR("own"), 9);
    put(old, now_ms - 3 * day, "gone");
    put(own, now_ms - 3 * day, "kept by the group");
    log_stream_close(own);
    put(young, now_ms - day, "kept");
    log_stream_close(old);
    log_stream_close(young);
    close_logs();
    options.retention_days = 2;
    open_logs();
    (void)FIND(.limit = 0);
    swept();
    AUTO_BUF kept = BUF_INIT(100);
    buf_addf(&kept, "%lld:kept ", (long long)(now_ms - day));
    assert_string_equal(FIND(.limit = 0), buf_cstr(&kept));
    assert_string_equal(LIST(.group = GROUP), "young ");
    assert_non_null(strstr(FIND(.group = STR("own")), "kept by the group"));
}

static void the_oldest_go_when_there_are_too_many_bytes(void **state)
{
    (void)state;
    static char text[KIB(64)];
    memset(text, 'x', sizeof text - 1);
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    logs->o.bytes_max = MIB(2);
    for (int i = 0; i < 20000; i++) {
        put(a, i, i % 100 ? "short" : text);
        if (i % 100 == 0)
            swept();
    }
    for (int i = 0; i < 3; i++) {
        logs->written = LIMIT_LOG_SWEEP_BYTES;
        put(a, 20000 + i, "short");
        swept();
    }
    struct log_query oldest = {.limit = 1};
    (void)found(&oldest);
    assert_true(oldest.cursor.at_ms > 5000);
    assert_string_equal(FIND(.from_ms = 20002), "20002:short ");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < (off_t)MIB(24));
    log_stream_close(a);
}

/* --- memory ----------------------------------------------------------------------------------- */
static void an_event_without_memory_is_counted_and_the_next_is_kept(void **state)
{
    (void)state;
    int round = 0;
    FAULT_EACH
    {
        struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
        if (a)
            put(a, ++round, "event");
        mem_fault(-1, 0);
        log_stream_close(a);
    }
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 1000, "last");
    assert_string_equal(FIND(.from_ms = 1000), "1000:last ");
    log_stream_close(a);
}

static void a_query_without_memory_fails_and_the_next_does_not(void **state)
{
    (void)state;
    struct log_stream *a = log_stream_open(logs, GROUP, STR("a"), 0);
    put(a, 1, "e");
    log_stream_close(a);
    assert_string_equal(FIND(.limit = 1), "1:e ");
    FAULT_EACH
    {
        struct log_query q = {.group = GROUP, .done = on_query};
        over = false;
        logstore_query(logs, &q);
        bool hit = fault_hit();
        mem_fault(-1, 0);
        turn_until(&over);
        assert_int_equal(how, hit ? ERR_UNAVAILABLE : ERR_OK);
        log_query_fini(&q);
    }
    assert_string_equal(FIND(.limit = 1), "1:e ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_the_order_of_time),
        TEST(an_answer_is_a_page_and_the_cursor_leads_to_the_next),
        TEST(numbers_bound_what_is_seen),
        TEST(a_page_ends_by_its_bytes_too),
        TEST(groups_and_streams_are_listed_by_name),
        TEST(events_outlive_the_process_and_numbers_go_on),
        TEST(a_daemon_that_logs_nothing_makes_no_file),
        TEST(a_damaged_file_stops_nobody),
        TEST(a_full_disk_stops_nobody_and_is_written_again),
        TEST(what_waits_has_an_end),
        TEST(events_go_when_their_days_are_over),
        TEST(the_oldest_go_when_there_are_too_many_bytes),
        TEST(an_event_without_memory_is_counted_and_the_next_is_kept),
        TEST(a_query_without_memory_fails_and_the_next_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
