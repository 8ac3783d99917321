/* SPDX-License-Identifier: Apache-2.0
 *
 * The house that the tests of functions live in: everything that is real around one room. */
#include "lambda_house.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/keeper.h"

#define WAIT_S 40

struct run *run;
struct lambda *lambda;
char root[64], state[80], code[96], answer[512];
static struct keeper_link *keeper;
static const char *node;
static const struct CMUnitTest *group;
static size_t group_n;
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

void on_control(void (*fn)(void *arg), void *arg)
{
    struct errand e = {.post = {.fn = errand_run}, .fn = fn, .arg = arg};
    sem_init(&e.over, 0, 0);
    run_post(run_control(run), &e.post);
    wait_for(&e.over);
    sem_destroy(&e.over);
}

void make(void *arg)
{
    struct making *m = arg;
    m->err = lambda_function(lambda, &m->spec, &m->function, &m->e);
}

static void unref(void *arg)
{
    function_unref(arg);
}

void drop(struct function *f)
{
    on_control(unref, f);
}

struct making spec_of(const char *handler)
{
    return (struct making){
        .spec = {.name = STR("Fn"),
                 .arn = STR("arn:aws:lambda:eu-central-1:123456789012:function:Fn"),
                 .code_dir = str_c(code),
                 .handler = str_c(handler),
                 .runtime = STR("nodejs20.x"),
                 .timeout_ms = 10000}};
}

struct function *made(struct making *m)
{
    on_control(make, m);
    if (m->err != ERR_OK)
        fail_msg("%s", m->e.text);
    return m->function;
}

/* --- files ----------------------------------------------------------------------------------- */

void file(const char *name, const char *text)
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

struct function *handler(const char *text)
{
    file("index.js", text);
    struct making m = spec_of("index.handler");
    return made(&m);
}

/* --- calls ----------------------------------------------------------------------------------- */

static void call_done(struct lambda_invocation *i)
{
    sem_post(&CONTAINER_OF(i, struct call, i)->over);
}

void start_call(struct call *c, struct function *f, struct str payload)
{
    c->i.function = f;
    c->i.payload = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    buf_add(&c->i.payload, payload);
    c->i.reply = run_worker(run, 0);
    c->i.done = call_done;
    sem_init(&c->over, 0, 0);
    lambda_invoke(lambda, &c->i);
}

void end_call(struct call *c)
{
    wait_for(&c->over);
    sem_destroy(&c->over);
}

struct lambda_invocation call_with(struct function *f, struct str payload)
{
    struct call c = {.i = {.queue = true}};
    start_call(&c, f, payload);
    end_call(&c);
    snprintf(answer, sizeof answer, "%.*s", STR_ARG(buf_str(&c.i.answer)));
    lambda_invocation_fini(&c.i);
    return c.i;
}

struct lambda_invocation call(struct function *f)
{
    return call_with(f, STR("{}"));
}

void assert_answers(struct function *f, const char *expected)
{
    struct lambda_invocation i = call(f);
    if (i.outcome != LAMBDA_OK || strcmp(answer, expected) != 0)
        fail_msg("%s: %s", lambda_outcome_name(i.outcome), answer);
}

void assert_fails(struct function *f, enum lambda_outcome outcome, const char *type,
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

const char *logged(const char *id)
{
    static struct reading r;
    buf_fini(&r.text);
    r = (struct reading){.id = id, .text = BUF_INIT(MIB(16))};
    on_control(read_logs, &r);
    assert_int_equal(r.err, ERR_OK);
    return buf_cstr(&r.text);
}

void assert_in_order(const char *text, const char *const *parts)
{
    const char *at = text;
    for (; *parts; parts++) {
        const char *found = strstr(at, *parts);
        if (!found)
            fail_msg("no \"%s\" after byte %zu of:\n%s", *parts, (size_t)(at - text), text);
        at = found + strlen(*parts);
    }
}

void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

void assert_gone(int pid)
{
    for (int i = 0; i < 400; i++) {
        if (kill(pid, 0) != 0)
            return;
        pause_ms(10);
    }
    fail_msg("process %d still runs", pid);
}

/* --- the process ------------------------------------------------------------------------------ */

int house_fresh_code(void **s)
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
    static struct post end = {.fn = close_all};
    (void)arg;
    failures = _cmocka_run_group_tests("lambda", group, group_n, NULL, NULL);
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
                               .places = {.node = node},
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

int house_main(const struct CMUnitTest *tests, size_t n)
{
    struct keeper_options options = {.gateway = gateway, .quiet = true};
    char command[128];
    group = tests;
    group_n = n;
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
