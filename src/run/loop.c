/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of the gateway process and the posts between them. A post is never lost and never runs
 * before the post that the same poster made earlier. */
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/run_int.h"

void loop__hold(struct loop *l)
{
    if (l->holds++ == 0)
        uv_ref((uv_handle_t *)&l->wake);
}

void loop__release(struct loop *l)
{
    ASSERT(l->holds > 0);
    if (--l->holds == 0)
        uv_unref((uv_handle_t *)&l->wake);
}

void run_post(struct loop *to, struct post *p)
{
    struct post *newest = atomic_load_explicit(&to->inbox, memory_order_relaxed);
    do
        p->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&to->inbox, &newest, p, memory_order_acq_rel,
                                                  memory_order_relaxed));
    /* Who finds the inbox empty rings; the others know that the bell still sounds. Not by uv_async,
     * whose receiver spins until the sender is back from the kernel: on one core for a time slice.
     * It can not fail: a counter that is full has rung. */
    const uint64_t one = 1;
    if (newest == NULL)
        (void)!write(to->bell, &one, sizeof one);
}

/* Runs what was posted until now; what the posts post waits for the next turn, so that I/O gets
 * its share. */
static bool loop_drain(struct loop *l)
{
    struct post *newest = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acq_rel);
    struct post *oldest = NULL;
    while (newest) {
        struct post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    bool any = oldest != NULL;
    while (oldest) {
        struct post *next = oldest->next; /* read first: fn may free or repost it */
        oldest->fn(oldest);
        oldest = next;
    }
    return any;
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
    struct loop *l = wake->data;
    uint64_t rung;
    (void)status;
    (void)events;
    (void)!read(l->bell, &rung, sizeof rung); /* first: who posts from here on rings again */
    loop_drain(l);
}

static void on_stop(struct post *p)
{
    loop__release(CONTAINER_OF(p, struct loop, stop));
}

/* On the control loop, for the worker that has closed everything. */
static void on_drained(struct post *p)
{
    loop__release(run_control(CONTAINER_OF(p, struct loop, drained)->run));
}

static void on_leave(struct post *p)
{
    loop__release(CONTAINER_OF(p, struct loop, leave));
}

static void loop_free(struct loop *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)&l->wake, NULL);
    wheel__close(l);
    uv_run(&l->uv, UV_RUN_NOWAIT);
    if (uv_loop_close(&l->uv) != 0) {
        /* Its memory is still known to somebody: leaking it is the lesser evil. */
        log_warn("run", "loop %u still has open handles at its end", l->index);
        return;
    }
    close(l->bell);
    mem_free(l->read_buffer);
    mem_free(l);
}

static enum err loop_new(struct run *r, unsigned index, struct loop **out)
{
    struct loop *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->run = r;
    l->index = index;
    l->stop.fn = on_stop;
    l->drained.fn = on_drained;
    l->leave.fn = on_leave;
    l->wall_at = UINT64_MAX;
    atomic_init(&l->owner, pthread_self());
    atomic_init(&l->inbox, NULL);
    l->read_buffer = mem_alloc(LIMIT_READ_BUFFER);
    if (!l->read_buffer || uv_loop_init(&l->uv) != 0) {
        mem_free(l->read_buffer);
        mem_free(l);
        return ERR_NOMEM;
    }
    l->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->bell < 0 || uv_poll_init(&l->uv, &l->wake, l->bell) != 0) {
        if (l->bell >= 0)
            close(l->bell);
        uv_loop_close(&l->uv);
        mem_free(l->read_buffer);
        mem_free(l);
        return ERR_UNAVAILABLE;
    }
    int rc = uv_poll_start(&l->wake, UV_READABLE, on_wake);
    ASSERT(rc == 0);
    l->wake.data = l;
    l->holds = 1; /* until run_stop */
    *out = l;
    return wheel__init(l);
}

enum err run_new(const struct run_options *options, struct run **out)
{
    *out = NULL;
    ASSERT(options->workers >= 1);
    struct run *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NOMEM;
    r->clock = options->clock ? options->clock : &clock_system;
    r->workers = options->workers;
    atomic_init(&r->stopping, false);
    pthread_mutex_init(&r->gate, NULL);
    enum err err = pool__init(r);
    r->loops = mem_calloc(r->workers + 1, sizeof *r->loops);
    if (!r->loops)
        err = ERR_NOMEM;
    for (unsigned i = 0; err == ERR_OK && i <= r->workers; i++)
        err = loop_new(r, i, &r->loops[i]);
    if (err != ERR_OK) {
        run_free(r);
        return err;
    }
    run_control(r)->holds += r->workers; /* the control loop leaves after every worker drained */
    *out = r;
    return ERR_OK;
}

void run_free(struct run *r)
{
    if (!r)
        return;
    pool__fini(r);
    for (unsigned i = 0; r->loops && i <= r->workers; i++)
        loop_free(r->loops[i]);
    mem_free(r->loops);
    pthread_mutex_destroy(&r->gate);
    mem_free(r);
}

int run__thread(pthread_t *thread, void *(*main)(void *arg), void *arg)
{
    /* A fault of the thread's own must still reach it. */
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t none, before;
    sigfillset(&none);
    for (size_t i = 0; i < COUNTOF(own); i++)
        sigdelset(&none, own[i]);
    pthread_sigmask(SIG_BLOCK, &none, &before);
    int rc = pthread_create(thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* A worker leaves uv_run twice: first when it was told to stop and its owners closed everything;
 * then it still answers the other loops until the control loop is done too. */
static void *worker_main(void *arg)
{
    struct loop *l = arg;
    struct run *r = l->run;
    pthread_mutex_lock(&r->gate);
    bool open = r->open;
    pthread_mutex_unlock(&r->gate);
    if (!open)
        return NULL;
    atomic_store(&l->owner, pthread_self());
    loop_drain(l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    loop__hold(l);
    run_post(run_control(r), &l->drained);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

static enum err workers_start(struct run *r)
{
    unsigned n = 0;
    pthread_mutex_lock(&r->gate);
    while (n < r->workers && run__thread(&r->loops[n]->thread, worker_main, r->loops[n]) == 0)
        n++;
    r->open = n == r->workers;
    pthread_mutex_unlock(&r->gate);
    if (r->open)
        return ERR_OK;
    while (n > 0)
        pthread_join(r->loops[--n]->thread, NULL);
    return ERR_UNAVAILABLE;
}

/* What was posted to a loop that had left already runs here, on the last thread there is. */
static void run_settle(struct run *r)
{
    bool any;
    do {
        any = false;
        for (unsigned i = 0; i <= r->workers; i++) {
            if (loop_drain(r->loops[i]))
                any = true;
            uv_run(&r->loops[i]->uv, UV_RUN_DEFAULT);
        }
    } while (any);
}

enum err run_main(struct run *r)
{
    enum err err = workers_start(r);
    if (err != ERR_OK)
        return err;
    struct loop *control = run_control(r);
    loop_drain(control);
    uv_run(&control->uv, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < r->workers; i++)
        run_post(r->loops[i], &r->loops[i]->leave);
    for (unsigned i = 0; i < r->workers; i++) {
        pthread_join(r->loops[i]->thread, NULL);
        atomic_store(&r->loops[i]->owner, pthread_self());
    }
    run_settle(r);
    return ERR_OK;
}

void run_stop(struct run *r)
{
    if (atomic_exchange(&r->stopping, true))
        return;
    for (unsigned i = 0; i <= r->workers; i++)
        run_post(r->loops[i], &r->loops[i]->stop);
}

unsigned run_workers(const struct run *r)
{
    return r->workers;
}

struct loop *run_worker(struct run *r, unsigned i)
{
    ASSERT(i < r->workers);
    return r->loops[i];
}

struct loop *run_control(struct run *r)
{
    return r->loops[r->workers];
}

const struct clock *run_clock(const struct run *r)
{
    return r->clock;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

struct run *loop_run(struct loop *l)
{
    return l->run;
}

unsigned loop_index(const struct loop *l)
{
    return l->index;
}

/* An injected clock is asked every time, so that a test which moves it is seen at once. */
int64_t loop_now_ms(const struct loop *l)
{
    if (l->run->clock != &clock_system)
        return clock_mono_us(l->run->clock) / 1000;
    return (int64_t)uv_now(&l->uv);
}

int64_t loop_wall_us(struct loop *l)
{
    if (l->run->clock != &clock_system || l->wall_at != uv_now(&l->uv)) {
        l->wall_at = uv_now(&l->uv);
        l->wall_us = clock_wall_us(l->run->clock);
    }
    return l->wall_us;
}

uv_buf_t loop_read_buffer(struct loop *l)
{
    return uv_buf_init(l->read_buffer, LIMIT_READ_BUFFER);
}

bool loop_is_current(const struct loop *l)
{
    return pthread_equal(atomic_load_explicit(&l->owner, memory_order_relaxed), pthread_self());
}
