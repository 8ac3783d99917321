/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys for those that are no call of the core: the gateway, which wants to verify, and the clock: a
 * key that signs soon shall be in every JWKS before it does, though nobody logs in just now.
 * Invariant: one rotation of this process is under way at a time. */
#include "base/log.h"
#include "base/mem.h"
#include "keys_int.h"

#define LOOK_LEAST_MS 1000
#define LOOK_MOST_MS 15000

/* --- a call that nobody made --------------------------------------------------------------------
 */
struct loading {
    struct cdi_call call;
    struct tenant_settings *settings;
};

static void begin(struct loading *l, struct identity *i, struct arena *a, struct str app,
                  int64_t now_ms)
{
    *l = (struct loading){.call = {.identity = i,
                                   .arena = a,
                                   .app = app,
                                   .tenant = STR("public"),
                                   .config = &i->base,
                                   .version = CDI_NEWEST,
                                   .now_ms = now_ms}};
}

/* In a transaction that may run again. */
static enum err load(struct loading *l, struct store_tx *tx)
{
    struct cdi_call *c = &l->call;
    struct app_keys *k;
    tenants__unref(l->settings);
    l->settings = tenants__get(c->identity, c->app, c->tenant);
    c->changes = NULL;
    enum err err = l->settings
                       ? ERR_OK
                       : tenants__load(c->identity, tx, c->arena, c->app, c->tenant, &l->settings);
    if (err != ERR_OK)
        return err;
    c->config = tenants__config(l->settings);
    return keys_for_call(c, tx, &k);
}

static void end(struct loading *l, enum err err)
{
    if (err == ERR_OK)
        cdi__committed(&l->call);
    cdi__end(&l->call);
    tenants__unref(l->settings);
}

/* --- for the gateway ----------------------------------------------------------------------------
 */
struct wanting {
    struct loading loading;
    struct identity_keys_question *q;
    struct store_job job;
};

static enum err want_run(struct store_job *j, struct store_tx *tx)
{
    return load(&CONTAINER_OF(j, struct wanting, job)->loading, tx);
}

static void want_done(struct store_job *j, enum err err)
{
    struct wanting *w = CONTAINER_OF(j, struct wanting, job);
    end(&w->loading, err);
    w->q->err = err;
    w->q->done(w->q);
}

enum err identity_want_keys(struct identity *i, struct loop *from, struct identity_keys_question *q)
{
    struct wanting *w = ARENA_NEW(q->arena, struct wanting);
    if (w == NULL)
        return ERR_NOMEM;
    begin(&w->loading, i, q->arena, q->app, loop_wall_us(from) / 1000);
    w->q = q;
    w->job = (struct store_job){.access = STORE_WRITE, .run = want_run, .done = want_done};
    q->state = w;
    q->err = ERR_INTERNAL;
    return store_submit(i->o.store, from, &w->job);
}

/* --- for the clock ------------------------------------------------------------------------------
 */
struct rotations {
    struct identity *identity;
    struct timer timer;
    struct store_job job;
    struct loading loading;
    struct arena *arena; /* of the one under way */
    char app[LIMIT_TENANT_ID];
    bool closed;
};

static struct loop *loop_of(const struct rotations *r)
{
    return run_control(r->identity->o.run);
}

static void look(struct timer *t);

static void look_after(struct rotations *r, int64_t ms)
{
    int64_t after = ms < LOOK_LEAST_MS ? LOOK_LEAST_MS : ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms;
    if (!r->closed)
        timer_start(loop_of(r), &r->timer, after, look);
}

static enum err rotate_run(struct store_job *j, struct store_tx *tx)
{
    return load(&CONTAINER_OF(j, struct rotations, job)->loading, tx);
}

static void rotate_done(struct store_job *j, enum err err)
{
    struct rotations *r = CONTAINER_OF(j, struct rotations, job);
    struct str app = r->loading.call.app;
    end(&r->loading, err);
    if (err != ERR_OK)
        log_warn("identity", "the next signing key of app %.*s was not made: %s", STR_ARG(app),
                 err_text(err));
    if (err == ERR_NOTFOUND)
        keys__forget(r->identity, app);
    look_after(r, err == ERR_OK ? 0 : LOOK_MOST_MS);
}

static void look(struct timer *t)
{
    struct rotations *r = CONTAINER_OF(t, struct rotations, timer);
    struct identity *i = r->identity;
    int64_t due_ms, now_ms = loop_wall_us(loop_of(r)) / 1000;
    size_t n;
    if (!keys__next(i, r->app, &n, &due_ms)) {
        look_after(r, LOOK_MOST_MS);
        return;
    }
    if (due_ms - now_ms <= 2 * LOOK_MOST_MS)
        key_pool_expect(i->key_pool);
    if (due_ms > now_ms) {
        look_after(r, due_ms - now_ms);
        return;
    }
    arena_reset(r->arena);
    begin(&r->loading, i, r->arena, str_of(r->app, n), now_ms);
    r->job = (struct store_job){.access = STORE_WRITE, .run = rotate_run, .done = rotate_done};
    enum err err = store_submit(i->o.store, loop_of(r), &r->job);
    if (err != ERR_OK)
        rotate_done(&r->job, err);
}

enum err rotations__new(struct identity *i)
{
    struct rotations *r = i->rotations = mem_alloc(sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    r->identity = i;
    r->arena = arena_new(KIB(4), LIMIT_CDI_ARENA);
    if (r->arena == NULL)
        return ERR_NOMEM;
    look_after(r, LOOK_MOST_MS);
    return ERR_OK;
}

void rotations__close(struct identity *i)
{
    i->rotations->closed = true;
    timer_stop(&i->rotations->timer);
}

void rotations__free(struct identity *i)
{
    if (i->rotations == NULL)
        return;
    arena_free(i->rotations->arena);
    mem_free(i->rotations);
    i->rotations = NULL;
}
