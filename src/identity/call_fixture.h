/* SPDX-License-Identifier: Apache-2.0
 *
 * A real core on a store of its own, and its calls without a socket: input, phases, commit. Each
 * call is made with every allocation failing in turn first: such a call answers ERR_NOMEM and
 * leaves nothing behind, so that the last attempt, with all memory, finds what the first found. */
#ifndef ROPELINE_IDENTITY_CALL_FIXTURE_H
#define ROPELINE_IDENTITY_CALL_FIXTURE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "identity_int.h"
#include "lib/fault.h"

static char folder[] = "/tmp/ropeline-calls-XXXXXX", store_path[64], key_path[64];
static struct run *running;
static struct store *kept;
static struct identity *core;
static struct arena *answers; /* what answer() gave */
static pthread_t control_thread;
static sem_t turn; /* the control loop has done what the test waits for */
static bool started;

static inline enum err open_core(void)
{
    struct errinfo e = {0};
    enum err err = run_new(&(struct run_options){.workers = 1}, &running);
    if (err != ERR_OK)
        return err;
    /* No readers: all jobs run on one thread. */
    const struct store_options o = {.loop = run_control(running), .path = store_path};
    err = store_new(&o, &kept);
    const struct identity_options options = {.run = running, .store = kept, .key_file = key_path};
    if (err == ERR_OK)
        err = identity_new(&options, &core, &e);
    if (err != ERR_OK)
        fprintf(stderr, "%s\n", e.text);
    return err;
}

static inline void *control_main(void *arg)
{
    (void)arg;
    started = open_core() == ERR_OK;
    sem_post(&turn);
    if (!started || run_main(running) != ERR_OK)
        return NULL;
    store_free(kept);
    identity_free(core);
    run_free(running);
    return NULL;
}

static inline int start_core(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    answers = arena_new(KIB(4), MIB(16));
    if (answers == NULL || !mkdtemp(folder) || sem_init(&turn, 0, 0) != 0)
        return -1;
    snprintf(store_path, sizeof store_path, "%s/identity.db", folder);
    snprintf(key_path, sizeof key_path, "%s/identity.key", folder);
    if (pthread_create(&control_thread, NULL, control_main, NULL) != 0)
        return -1;
    sem_wait(&turn);
    return started ? 0 : -1;
}

static inline void close_core(struct post *p)
{
    (void)p;
    identity_close(core);
    run_stop(running);
}

static inline int stop_core(void **state)
{
    static struct post post = {.fn = close_core};
    char command[100];
    (void)state;
    run_post(run_control(running), &post);
    pthread_join(control_thread, NULL);
    sem_destroy(&turn);
    arena_free(answers);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* --- one call -----------------------------------------------------------------------------------
 */
struct attempt {
    struct post post;
    struct store_job job;
    struct cdi_call call;
    struct str input; /* JSON, or a query for GET */
    size_t phase;
    long round; /* of the fault; negative: all memory is there */
    bool hit;
    enum err err;
};

static inline void begin_faults(const struct attempt *t)
{
    if (t->round >= 0)
        mem_fault(t->round / 2, t->round % 2);
}

static inline void end_faults(struct attempt *t)
{
    t->hit = t->round >= 0 && mem_fault_hits() > 0;
    mem_fault(-1, 0);
}

static inline enum err run_phase(struct attempt *t, struct store_tx *tx)
{
    struct cdi_call *c = &t->call;
    bool by_query = c->op->method == HTTP_GET;
    begin_faults(t);
    c->answered = false;
    c->changes = NULL;
    enum err err = cdi__read_input(c, by_query ? t->input : STR(""), by_query ? STR("") : t->input);
    if (err == ERR_OK)
        err = c->op->phases[t->phase].run(c, tx);
    end_faults(t);
    return err;
}

static inline enum err in_transaction(struct store_job *j, struct store_tx *tx)
{
    return run_phase(CONTAINER_OF(j, struct attempt, job), tx);
}

static inline void after_transaction(struct store_job *j, enum err err)
{
    struct attempt *t = CONTAINER_OF(j, struct attempt, job);
    t->err = err;
    if (err == ERR_OK)
        cdi__committed(&t->call);
    sem_post(&turn);
}

static inline void submit(struct post *p)
{
    struct attempt *t = CONTAINER_OF(p, struct attempt, post);
    t->err = store_submit(kept, run_control(running), &t->job);
    if (t->err != ERR_OK)
        sem_post(&turn);
}

/* The phase that is next; `run`: what a transaction does with it. */
static inline void run_next(struct attempt *t,
                            enum err (*run)(struct store_job *j, struct store_tx *tx))
{
    enum cdi_where where = t->call.op->phases[t->phase].where;
    if (where != CDI_READ && where != CDI_WRITE) {
        t->err = run_phase(t, NULL);
        return;
    }
    t->job = (struct store_job){.access = where == CDI_WRITE ? STORE_WRITE : STORE_READ,
                                .run = run,
                                .done = after_transaction};
    t->post = (struct post){.fn = submit};
    run_post(run_control(running), &t->post);
    sem_wait(&turn);
}

static inline void run_attempt(struct attempt *t)
{
    for (; !t->call.answered && t->phase < COUNTOF(t->call.op->phases); t->phase++) {
        run_next(t, in_transaction);
        if (t->err != ERR_OK)
            break;
    }
}

/* "PUT /recipe/role", "POST other/recipe/user/role" (of the tenant `other`). */
static inline void find_op(struct attempt *t, const char *what)
{
    struct str path, method = str_cut(str_c(what), ' ', &path);
    size_t slash = str_chr(path, '/', 0);
    enum http_method m = str_eqz(method, "GET")      ? HTTP_GET
                         : str_eqz(method, "PUT")    ? HTTP_PUT
                         : str_eqz(method, "DELETE") ? HTTP_DELETE
                                                     : HTTP_POST;
    t->call.tenant = slash ? str_sub(path, 0, slash) : STR("public");
    if (cdi__op(str_from(path, slash), m, STR(""), &t->call.op) != ERR_OK)
        fail_msg("no such call: %s", what);
}

/* A call of the base app, in an arena of its own. */
static inline struct cdi_call new_call(struct arena *a)
{
    assert_non_null(a);
    return (struct cdi_call){.identity = core,
                             .arena = a,
                             .app = STR("public"),
                             .config = &core->base,
                             .version = CDI_NEWEST,
                             .now_ms = 1000};
}

/* One attempt; what is kept of the answer is its text. */
static inline enum err attempt(const char *what, const char *input, long round, bool *hit,
                               struct buf *out)
{
    struct attempt t = {.input = str_c(input), .round = round};
    struct arena *a = arena_new(256, LIMIT_CDI_ARENA);
    t.call = new_call(a);
    find_op(&t, what);
    run_attempt(&t);
    *hit = t.hit;
    if (t.err == ERR_OK && t.call.out)
        json_write(out, t.call.out);
    else if (t.err == ERR_CANCELLED)
        buf_addf(out, "%u %.*s", t.call.status, STR_ARG(t.call.text));
    cdi__end(&t.call);
    arena_free(a);
    return t.err;
}

/* The text of the answer, or "400 why". */
static inline const char *answer(const char *what, const char *input)
{
    AUTO_BUF out = BUF_INIT(MIB(1));
    bool hit = true;
    for (long round = 0; hit; round++) {
        buf_reset(&out);
        enum err err = attempt(what, input, round, &hit, &out);
        bool good = err == ERR_OK || err == ERR_CANCELLED;
        if (hit ? err != ERR_NOMEM : !good)
            fail_msg("%s: allocation %ld: got \"%s\"", what, round / 2, err_text(err));
    }
    const char *kept_text = arena_cstr(answers, buf_str(&out));
    assert_non_null(kept_text);
    return kept_text;
}

static inline void says(const char *what, const char *input, const char *expected)
{
    assert_string_equal(answer(what, input), expected);
}

#endif
