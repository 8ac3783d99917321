/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads of the gateway process: one control loop, which owns everything that can be edited,
 * and N workers, each with a libuv loop of its own; a connection never leaves its worker. Loops
 * talk only by posting. Work that would hold a loop for more than a millisecond goes to a lane. */
#ifndef ROPELINE_RUN_RUN_H
#define ROPELINE_RUN_RUN_H

#include <uv.h>

#include "base/time.h"

struct run;
struct loop;

struct run_options {
    unsigned workers;          /* at least 1 */
    const struct clock *clock; /* NULL = clock_system */
};

/* Makes the loops; no thread runs yet. The calling thread becomes the control loop's. */
enum err run_new(const struct run_options *options, struct run **out) MUSTCHECK;
/* Starts the workers and lanes, then runs the control loop until run_stop; joins all threads. */
enum err run_main(struct run *r) MUSTCHECK;
/* From any thread: every loop leaves uv_run as soon as its handles are closed by their owners. */
void run_stop(struct run *r);
void run_free(struct run *r);

unsigned run_workers(const struct run *r);
struct loop *run_worker(struct run *r, unsigned i);
struct loop *run_control(struct run *r);
const struct clock *run_clock(const struct run *r);

uv_loop_t *loop_uv(struct loop *l);
struct run *loop_run(struct loop *l);
unsigned loop_index(const struct loop *l); /* workers 0..N-1, the control loop N */
int64_t loop_now_ms(const struct loop *l); /* monotonic, cached once an iteration */
int64_t loop_wall_us(struct loop *l);      /* wall clock, cached once an iteration */
/* A read buffer shared by everything on this loop: valid until the callback that got it returns. */
uv_buf_t loop_read_buffer(struct loop *l);
bool loop_is_current(const struct loop *l); /* for assertions */

/* A message to a loop. The poster owns the struct until `fn` runs there; posting cannot fail, keeps
 * the order of one poster, and never calls `fn` synchronously. Posts made before run_main run
 * first. */
struct post {
    void (*fn)(struct post *p);
    struct post *next;
};
void run_post(struct loop *to, struct post *p);

/* Blocking work. `work` runs on a thread of the lane, then `done` on the loop that asked. */
enum lane {
    LANE_CPU,  /* a millisecond each: signatures */
    LANE_HASH, /* a hundred each: passwords, never in the way of signatures */
    LANE_IO,
    LANE_STORE_WRITE,
    LANE_STORE_READ,
    LANE_STORE_RELAXED, /* what may be lost in a power cut, so that it never holds up the others */
    LANE_STORE_SERVER,  /* a database server: each thread has a connection of its own */
    LANE_COUNT
};
struct work {
    void (*work)(struct work *w);
    void (*done)(struct work *w);
    const void *group; /* run_work_next takes what has the same; NULL = nothing */
    unsigned thread;   /* of its lane, counted from 0: set when `work` is called */
    /* of this room */
    struct pool_lane *lane;
    struct loop *reply;
    struct post post;
    struct work *next;
};
/* On `from`'s own thread. ERR_BUSY when the lane's queue is full (LIMIT_LANE_QUEUE, an eighth of it
 * of LANE_HASH, LIMIT_STORE_QUEUE of LANE_STORE_WRITE), ERR_UNAVAILABLE when it cannot have a
 * thread: then nothing will be called. */
enum err run_work(struct loop *from, enum lane lane, struct work *w) MUSTCHECK;
/* From inside `work`, of the latest that was taken (at first of the one that was called): the work
 * behind it in the lane when it has the same group, else NULL. It is taken from the queue, so that
 * several are done at one go; its own `work` is not called. When the first one's `work` returns,
 * `done` comes for each, in the order of the queue. */
struct work *run_work_next(struct work *latest);

/* Timers: a wheel per loop, coarse (about 16 ms late at most, never early), so that arming and
 * disarming one per request costs nothing. A zeroed struct timer is a stopped timer; an armed one
 * keeps no loop alive by itself. */
struct timer {
    struct timer *prev, *next;
    int64_t due_ms;
    void (*fn)(struct timer *t);
    struct loop *loop; /* NULL = stopped */
};
void timer_start(struct loop *l, struct timer *t, int64_t after_ms, void (*fn)(struct timer *t));
void timer_stop(struct timer *t); /* fine on a stopped timer */

#endif
