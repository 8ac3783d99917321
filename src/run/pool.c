/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes: threads for work that would hold a loop too long. A lane starts its threads one by one as
 * work finds nobody idle, and refuses work beyond its queue instead of letting it pile up. */
#include "base/limits.h"
#include "base/mem.h"
#include "run/run_int.h"

/* Under the lane's lock. */
static struct work *take(struct pool_lane *lane)
{
    struct work *w = lane->head;
    lane->head = w->next;
    if (!lane->head)
        lane->tail = &lane->head;
    lane->queued--;
    w->next = NULL;
    return w;
}

static void *lane_main(void *arg)
{
    const struct pool_thread *self = arg;
    struct pool_lane *lane = self->lane;
    pthread_mutex_lock(&lane->lock);
    for (;;) {
        while (!lane->head && !lane->stop) {
            lane->idle++;
            pthread_cond_wait(&lane->wanted, &lane->lock);
            lane->idle--;
        }
        if (!lane->head)
            break;
        struct work *w = take(lane);
        pthread_mutex_unlock(&lane->lock);
        w->thread = self->index;
        w->work(w);
        for (struct work *next; w; w = next) {
            next = w->next;
            run_post(w->reply, &w->post);
        }
        pthread_mutex_lock(&lane->lock);
    }
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

struct work *run_work_next(struct work *latest)
{
    struct pool_lane *lane = latest->lane;
    pthread_mutex_lock(&lane->lock);
    bool joins = lane->head && latest->group && lane->head->group == latest->group;
    struct work *w = joins ? take(lane) : NULL;
    pthread_mutex_unlock(&lane->lock);
    if (w)
        w->thread = latest->thread;
    latest->next = w;
    return w;
}

static void on_done(struct post *p)
{
    struct work *w = CONTAINER_OF(p, struct work, post);
    struct loop *l = w->reply;
    w->done(w); /* may free w */
    loop__release(l);
}

/* Under the lane's lock. Idle threads that are already called for count as taken. */
static bool lane_staffed(struct pool_lane *lane)
{
    if (lane->idle > lane->queued || lane->started == lane->most)
        return true;
    struct pool_thread *t = &lane->threads[lane->started];
    *t = (struct pool_thread){.lane = lane, .index = lane->started};
    if (run__thread(&t->id, lane_main, t) == 0)
        lane->started++;
    return lane->started > 0;
}

enum err run_work(struct loop *from, enum lane which, struct work *w)
{
    ASSERT(loop_is_current(from) && which < LANE_COUNT);
    struct pool_lane *lane = &from->run->lanes[which];
    w->lane = lane;
    w->reply = from;
    w->next = NULL;
    w->post.fn = on_done;
    enum err err = ERR_OK;
    pthread_mutex_lock(&lane->lock);
    if (lane->queued >= lane->cap) {
        err = ERR_BUSY;
    } else if (!lane_staffed(lane)) {
        err = ERR_UNAVAILABLE;
    } else {
        *lane->tail = w;
        lane->tail = &w->next;
        lane->queued++;
        pthread_cond_signal(&lane->wanted);
    }
    pthread_mutex_unlock(&lane->lock);
    if (err == ERR_OK)
        loop__hold(from); /* `done` can only come in a later turn of this loop */
    return err;
}

enum err pool__init(struct run *r)
{
    const unsigned most[LANE_COUNT] = {[LANE_CPU] = r->workers,
                                       [LANE_HASH] = r->workers,
                                       [LANE_IO] = LIMIT_LANE_IO_THREADS,
                                       [LANE_STORE_WRITE] = 1,
                                       [LANE_STORE_READ] = LIMIT_STORE_READERS,
                                       [LANE_STORE_RELAXED] = 1,
                                       [LANE_STORE_SERVER] = LIMIT_STORE_CONNECTIONS};
    enum err err = ERR_OK;
    for (unsigned i = 0; i < LANE_COUNT; i++) {
        struct pool_lane *lane = &r->lanes[i];
        pthread_mutex_init(&lane->lock, NULL);
        pthread_cond_init(&lane->wanted, NULL);
        lane->run = r;
        lane->tail = &lane->head;
        lane->most = most[i];
        lane->cap = i == LANE_STORE_WRITE ? LIMIT_STORE_QUEUE
                    : i == LANE_HASH      ? LIMIT_LANE_QUEUE / 8
                                          : LIMIT_LANE_QUEUE;
        lane->threads = mem_calloc(most[i], sizeof *lane->threads);
        if (!lane->threads)
            err = ERR_NOMEM;
    }
    return err;
}

void pool__fini(struct run *r)
{
    for (unsigned i = 0; i < LANE_COUNT; i++) {
        struct pool_lane *lane = &r->lanes[i];
        pthread_mutex_lock(&lane->lock);
        lane->stop = true;
        pthread_cond_broadcast(&lane->wanted);
        pthread_mutex_unlock(&lane->lock);
        for (unsigned t = 0; t < lane->started; t++)
            pthread_join(lane->threads[t].id, NULL);
        mem_free(lane->threads);
        pthread_cond_destroy(&lane->wanted);
        pthread_mutex_destroy(&lane->lock);
    }
}
