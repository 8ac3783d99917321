/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys for those that are no call of the core: the gateway, which wants to verify, and the clock: a
 * key that signs soon shall be in every JWKS before it does, though nobody logs in just now.
 * Invariant: one rotation of this process is under way at a time. */
#include "base/log.h"
#include "base/mem.h"
#include "keys_int.h"

#define LOOK_LEAST_MS 100
#define LOOK_MOST_MS 1000
#define AHEAD_MS 30000 /* when a key is made for the one that comes next */
#define TRIES 5

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
                                   .now_ms = now_ms,
                                   .may_wait = true}};
}

/* In a transaction that may run again. */
static enum err load_settings(struct loading *l, struct store_tx *tx)
{
    struct cdi_call *c = &l->call;
    tenants__unref(l->settings);
    l->settings = tenants__get(c->identity, c->app, c->tenant);
    c->changes = NULL;
    enum err err = l->settings
                       ? ERR_OK
                       : tenants__load(c->identity, tx, c->arena, c->app, c->tenant, &l->settings);
    if (err == ERR_OK)
        c->config = tenants__config(l->settings);
    return err;
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
    struct loop *from;
    struct store_job job;
    unsigned tries;
};

static enum err want_run(struct store_job *j, struct store_tx *tx)
{
    struct loading *l = &CONTAINER_OF(j, struct wanting, job)->loading;
    enum err err = load_settings(l, tx);
    return err ? err : keys_known_for_call(&l->call, tx);
}

static enum err want_submit(struct wanting *w);

/* A change that came between has them thrown away again. */
static void want_done(struct store_job *j, enum err err)
{
    struct wanting *w = CONTAINER_OF(j, struct wanting, job);
    struct identity *i = w->loading.call.identity;
    end(&w->loading, err);
    struct jwks *set = err == ERR_OK ? identity_keys(i, w->q->app) : NULL;
    bool thrown_away = err == ERR_OK && set == NULL && ++w->tries < TRIES;
    jwks_unref(set);
    if (thrown_away && want_submit(w) == ERR_OK)
        return;
    w->q->err = err;
    w->q->done(w->q);
}

static enum err want_submit(struct wanting *w)
{
    struct identity_keys_question *q = w->q;
    struct identity *i = w->loading.call.identity;
    begin(&w->loading, i, q->arena, q->app, loop_wall_us(w->from) / 1000);
    w->job = (struct store_job){.access = STORE_READ, .run = want_run, .done = want_done};
    return store_submit(i->o.store, w->from, &w->job);
}

enum err identity_want_keys(struct identity *i, struct loop *from, struct identity_keys_question *q)
{
    struct wanting *w = ARENA_NEW(q->arena, struct wanting);
    if (w == NULL)
        return ERR_NOMEM;
    w->loading.call.identity = i;
    w->q = q;
    w->from = from;
    q->state = w;
    q->err = ERR_INTERNAL;
    return want_submit(w);
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
    struct loading *l = &CONTAINER_OF(j, struct rotations, job)->loading;
    struct app_keys *k;
    enum err err = load_settings(l, tx);
    return err ? err : keys_for_call(&l->call, tx, &k);
}

static void rotate_done(struct store_job *j, enum err err)
{
    struct rotations *r = CONTAINER_OF(j, struct rotations, job);
    struct str app = r->loading.call.app;
    end(&r->loading, err);
    if (err != ERR_OK && err != ERR_BUSY)
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
    bool ready = due_ms - now_ms > AHEAD_MS || key_pool_has(i->key_pool, 1);
    if (due_ms > now_ms || !ready) {
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
