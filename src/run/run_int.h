/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of run/ share: a loop with its inbox, its timer wheel and the count of reasons to
 * stay, and the lanes. A loop's plain fields belong to the thread that runs it. */
#ifndef ROPELINE_RUN_RUN_INT_H
#define ROPELINE_RUN_RUN_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "run/run.h"

#define WHEEL_SLOTS 512 /* one turn is 8 s; later timers wait in their slot for a later turn */
#define WHEEL_TICK_MS 16

struct wheel {
    struct timer *slot[WHEEL_SLOTS];
    uint64_t used[WHEEL_SLOTS / 64]; /* a bit for each slot that holds timers */
    struct timer *firing;            /* taken from a slot, about to be called */
    int64_t tick;                    /* the last tick whose timers were called */
    int64_t armed;                   /* the tick that `uv` waits for, 0 = none */
    uv_timer_t uv;
};

struct loop {
    uv_loop_t uv;
    struct run *run;
    unsigned index;
    _Atomic pthread_t owner;
    _Atomic(struct post *) inbox; /* newest first; whoever drains it turns it round */
    int bell;                     /* an eventfd: something is in the inbox */
    uv_poll_t wake;               /* of it; keeps the loop alive while `holds` is not 0 */
    unsigned holds;               /* not stopped yet, works in lanes, workers still busy */
    struct post stop, drained, leave;
    struct wheel wheel;
    uint64_t wall_at; /* uv_now() when wall_us was read */
    int64_t wall_us;
    char *read_buffer;
    pthread_t thread;
};

struct pool_thread {
    pthread_t id;
    struct pool_lane *lane;
    unsigned index;
};
struct pool_lane {
    struct run *run;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct work *head, **tail;
    unsigned queued, idle, cap;
    bool stop;
    unsigned started, most;
    struct pool_thread *threads;
};

struct run {
    const struct clock *clock;
    unsigned workers;
    struct loop **loops; /* workers 0..N-1, the control loop N */
    atomic_bool stopping;
    pthread_mutex_t gate; /* held until every worker thread exists */
    bool open;            /* under gate: run, or leave at once */
    struct pool_lane lanes[LANE_COUNT];
};

/* A reason for the loop to stay in uv_run. On the loop's own thread. */
void loop__hold(struct loop *l);
void loop__release(struct loop *l);

enum err wheel__init(struct loop *l) MUSTCHECK;
void wheel__close(struct loop *l);

enum err pool__init(struct run *r) MUSTCHECK;
void pool__fini(struct run *r); /* joins the threads; the queues are empty by then */

/* A thread that no signal is delivered to: they are the control loop's. */
int run__thread(pthread_t *thread, void *(*main)(void *arg), void *arg);

#endif
