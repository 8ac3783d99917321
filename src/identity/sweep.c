/* SPDX-License-Identifier: Apache-2.0
 *
 * The broom: one timer and one job on the control loop. What is out of date is absent for everybody
 * before it comes; it only gives the room back. */
#include "sweep_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "change_int.h"
#include "session_db_int.h"

#define HOURS(n) ((int64_t)(n)*3600000)
#define LOOK_MS 60000 /* between looks at what is due; the first is as long after the start */

static const struct sweep table[] = {
    {HOURS(12), session__purge},
    {HOURS(1), changes__sweep},
};

struct broom {
    struct identity *identity;
    struct timer timer;
    struct store_job job;
    size_t at; /* which is swept now */
    bool more;
    int64_t due_ms[COUNTOF(table)]; /* monotonic */
};

static struct loop *loop_of(const struct broom *b)
{
    return run_control(b->identity->o.run);
}

static enum err run(struct store_job *j, struct store_tx *tx)
{
    struct broom *b = CONTAINER_OF(j, struct broom, job);
    int64_t now_ms = clock_wall_us(run_clock(b->identity->o.run)) / 1000;
    b->more = false;
    return table[b->at].run(tx, now_ms, &b->more);
}

static void look(struct timer *t);

static void done(struct store_job *j, enum err err)
{
    struct broom *b = CONTAINER_OF(j, struct broom, job);
    if (err != ERR_OK)
        log_warn("identity", "what is out of date was not deleted: %s", err_text(err));
    else if (!b->more)
        b->due_ms[b->at] = loop_now_ms(loop_of(b)) + table[b->at].every_ms;
    timer_start(loop_of(b), &b->timer, err == ERR_OK ? 1 : LOOK_MS, look);
}

static void look(struct timer *t)
{
    struct broom *b = CONTAINER_OF(t, struct broom, timer);
    for (b->at = 0; b->at < COUNTOF(table); b->at++)
        if (b->due_ms[b->at] <= loop_now_ms(loop_of(b)))
            break;
    if (b->at == COUNTOF(table)) {
        timer_start(loop_of(b), &b->timer, LOOK_MS, look);
        return;
    }
    b->job = (struct store_job){.access = STORE_WRITE, .run = run, .done = done};
    enum err err = store_submit(b->identity->o.store, loop_of(b), &b->job);
    if (err != ERR_OK)
        done(&b->job, err);
}

enum err sweeps__new(struct identity *i)
{
    i->broom = mem_alloc(sizeof *i->broom);
    if (i->broom == NULL)
        return ERR_NOMEM;
    i->broom->identity = i;
    timer_start(loop_of(i->broom), &i->broom->timer, LOOK_MS, look);
    return ERR_OK;
}

void sweeps__close(struct identity *i)
{
    timer_stop(&i->broom->timer);
}

void sweeps__free(struct identity *i)
{
    mem_free(i->broom);
    i->broom = NULL;
}
