/* SPDX-License-Identifier: Apache-2.0
 *
 * Where counts are kept: the table quota_use of plane.db. A row is never below what its quota has
 * counted, for more is reserved before it is used; at an orderly end it says exactly that. All on
 * the control loop but for the posts that workers send. */
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "usage_int.h"

static const struct migration migrations[] = {
    {"CREATE TABLE quota_use (plan TEXT NOT NULL, key TEXT NOT NULL, unit BIGINT NOT NULL, "
     "period BIGINT NOT NULL, used BIGINT NOT NULL, PRIMARY KEY (plan, key, unit))"},
};
static const struct stmt STMT_all = SQL("SELECT plan, key, unit, period, used FROM quota_use");
/* What nobody has used for more than a year is forgotten. */
static const struct stmt STMT_forget = SQL("DELETE FROM quota_use WHERE unit = $1 AND period < $2");
/* Never lowers, and always says what is there now. */
static const struct stmt STMT_reserve = SQL(
    "INSERT INTO quota_use (plan, key, unit, period, used) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (plan, key, unit) DO UPDATE SET "
    "used = CASE WHEN excluded.period > quota_use.period OR (excluded.period = quota_use.period "
    "AND excluded.used > quota_use.used) THEN excluded.used ELSE quota_use.used END, "
    "period = CASE WHEN excluded.period > quota_use.period THEN excluded.period "
    "ELSE quota_use.period END RETURNING period, used");
static const struct stmt STMT_settle = SQL(
    "INSERT INTO quota_use (plan, key, unit, period, used) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (plan, key, unit) DO UPDATE SET period = excluded.period, used = excluded.used");

/* --- finding ---------------------------------------------------------------------------------- */
/* Each name with its length: no two lists of names read the same. */
static void write_identity(struct buf *out, struct str plan, struct str key, enum quota_period p)
{
    buf_addf(out, "%s %zu ", quota__period_name(p), plan.n);
    buf_add(out, plan);
    buf_add(out, key);
}

static void on_ask(struct post *p);

static struct quota *make_quota(struct usage *u, struct str identity, struct str plan,
                                struct str key, enum quota_period p)
{
    struct quota *q = mem_alloc(sizeof *q + identity.n);
    if (q == NULL)
        return NULL;
    memcpy(q->text, identity.p, identity.n);
    struct str names = str_of(q->text + identity.n - plan.n - key.n, plan.n + key.n);
    q->usage = u;
    q->plan = str_sub(names, 0, plan.n);
    q->key = str_from(names, plan.n);
    q->period = p;
    q->last = &q->waiting;
    q->ask.fn = on_ask;
    if (map_put(&u->quotas, str_of(q->text, identity.n), q, NULL) != ERR_OK) {
        mem_free(q);
        return NULL;
    }
    return q;
}

static enum err find_quota(struct usage *u, struct str plan, struct str key, enum quota_period p,
                           struct quota **out)
{
    AUTO_BUF identity = BUF_INIT(KIB(16));
    write_identity(&identity, plan, key, p);
    if (identity.err)
        return identity.err;
    *out = map_get(&u->quotas, buf_str(&identity));
    if (*out)
        return ERR_OK;
    if (u->quotas.count >= LIMIT_QUOTAS)
        return ERR_LIMIT;
    *out = make_quota(u, buf_str(&identity), plan, key, p);
    return *out ? ERR_OK : ERR_NOMEM;
}

static enum err take_row(void *arg, const struct store_value *v, size_t n)
{
    struct quota *q = NULL;
    if (n != 5 || v[2].i < QUOTA_DAY || v[2].i > QUOTA_MONTH || v[3].i < 0 || v[4].i < 0)
        return ERR_INVALID;
    enum err err = find_quota(arg, v[0].s, v[1].s, (enum quota_period)v[2].i, &q);
    if (err != ERR_OK)
        return err;
    uint64_t used = QUOTA_OF(v[3].i, QUOTA_COUNT((uint64_t)v[4].i));
    atomic_store(&q->used, used);
    atomic_store(&q->stored, used);
    return ERR_OK;
}

static enum err forget_old(struct usage *u, struct errinfo *e)
{
    static const int64_t kept[] = {[QUOTA_DAY] = 400, [QUOTA_WEEK] = 57, [QUOTA_MONTH] = 13};
    enum err err = ERR_OK;
    for (enum quota_period p = QUOTA_DAY; p <= QUOTA_MONTH && err == ERR_OK; p++) {
        int64_t now = (int64_t)quota__period(p, clock_wall_us(u->clock));
        struct store_value args[] = {STORE_I(p), STORE_I(now - kept[p])};
        err = store_read_now(u->store, &STMT_forget, args, 2, NULL, NULL, e);
    }
    return err;
}

static enum err load(struct usage *u, struct errinfo *e)
{
    if (u->loaded)
        return ERR_OK;
    if (u->store == NULL)
        return errinfo_set(e, ERR_UNAVAILABLE, "there is no place to keep quotas");
    enum err err = store_open(u->store, "usage", migrations, COUNTOF(migrations), e);
    if (err == ERR_OK)
        err = forget_old(u, e);
    if (err == ERR_OK)
        err = store_read_now(u->store, &STMT_all, NULL, 0, take_row, u, e);
    u->loaded = err == ERR_OK;
    return err;
}

enum err usage__quota(struct usage *u, struct str plan, struct str key, const struct quota_rule *r,
                      struct quota **out, struct errinfo *e)
{
    *out = NULL;
    enum err err = load(u, e);
    if (err == ERR_OK)
        err = find_quota(u, plan, key, r->period, out);
    if (err != ERR_OK)
        return e->text[0] ? err : errinfo_set(e, err, "its quota: %s", err_text(err));
    (*out)->block = r->block;
    return ERR_OK;
}

/* --- reserving -------------------------------------------------------------------------------- */
static void reserve(struct quota *q);

static void on_resume(struct post *p)
{
    struct quota_waiter *w = CONTAINER_OF(p, struct quota_waiter, post);
    w->resume(w);
}

static void wake(struct quota *q, enum err err)
{
    struct quota_waiter *w = q->waiting;
    q->waiting = NULL;
    q->last = &q->waiting;
    while (w) {
        struct quota_waiter *next = w->next;
        w->err = err;
        w->post.fn = on_resume;
        run_post(w->loop, &w->post);
        w = next;
    }
}

static void on_stored(void *arg, const struct store_value *v, size_t n)
{
    struct quota *q = arg;
    if (n == 2)
        atomic_store(&q->stored, QUOTA_OF(v[0].i, (uint64_t)v[1].i));
}

static void on_reserved(void *arg, enum err err)
{
    struct quota *q = arg;
    q->writing = false;
    wake(q, err);
    if (q->ahead)
        atomic_store(&q->asked, false);
    q->ahead = false;
}

static void reserve(struct quota *q)
{
    uint64_t want = atomic_load(&q->used), waiters = 0;
    if (q->writing)
        return; /* who came meanwhile is woken with the others, and asks again if need be */
    for (const struct quota_waiter *w = q->waiting; w; w = w->next) {
        want = w->seen > want ? w->seen : want;
        waiters++;
    }
    want += waiters + q->block;
    struct store_value args[] = {STORE_S(q->plan), STORE_S(q->key), STORE_I(q->period),
                                 STORE_I((int64_t)QUOTA_PERIOD(want)),
                                 STORE_I((int64_t)QUOTA_COUNT(want))};
    q->writing = true;
    enum err err =
        store_query(q->usage->store, &STMT_reserve, args, COUNTOF(args), on_stored, on_reserved, q);
    if (err != ERR_OK)
        on_reserved(q, err);
}

static void on_ask(struct post *p)
{
    struct quota *q = CONTAINER_OF(p, struct quota, ask);
    if (q->usage->settling.done)
        return; /* nothing more will be used */
    q->ahead = true;
    reserve(q);
}

static void on_wait(struct post *p)
{
    struct quota_waiter *w = CONTAINER_OF(p, struct quota_waiter, post);
    struct quota *q = w->quota;
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
    reserve(q);
}

void quota__wait(struct quota *q, struct quota_waiter *w, uint64_t seen)
{
    w->quota = q;
    w->seen = seen;
    w->post.fn = on_wait;
    run_post(store_loop(q->usage->store), &w->post);
}

void quota__look_ahead(struct quota *q, const struct quota_rule *rule, uint64_t count)
{
    uint64_t stored = QUOTA_COUNT(atomic_load_explicit(&q->stored, memory_order_relaxed));
    if (rule->block == 1 || stored > count + rule->block / 2)
        return;
    if (!atomic_exchange(&q->asked, true))
        run_post(store_loop(q->usage->store), &q->ask);
}

/* --- the end ---------------------------------------------------------------------------------- */
static void on_settled(void *arg, enum err err)
{
    struct usage *u = arg;
    (void)err; /* said by the store; the row keeps what was reserved */
    if (--u->settling.left == 0)
        u->settling.done(u->settling.arg);
}

static void nothing_to_settle(struct post *p)
{
    struct usage *u = CONTAINER_OF(p, struct usage, settling.post);
    on_settled(u, ERR_OK);
}

void usage__settle(struct usage *u, struct loop *control, void (*done)(void *arg), void *arg)
{
    size_t at = 0;
    struct str identity;
    void *value;
    u->settling = (struct usage_settling){.left = 1, .done = done, .arg = arg};
    while (u->loaded && map_next(&u->quotas, &at, &identity, &value)) {
        const struct quota *q = value;
        uint64_t used = atomic_load(&q->used);
        if (used == atomic_load(&q->stored) && !q->writing)
            continue;
        struct store_value args[] = {STORE_S(q->plan), STORE_S(q->key), STORE_I(q->period),
                                     STORE_I((int64_t)QUOTA_PERIOD(used)),
                                     STORE_I((int64_t)QUOTA_COUNT(used))};
        if (store_query(u->store, &STMT_settle, args, COUNTOF(args), NULL, on_settled, u) == ERR_OK)
            u->settling.left++;
    }
    u->settling.post.fn = nothing_to_settle;
    run_post(control, &u->settling.post);
}

/* --- the life of the table -------------------------------------------------------------------- */
enum err usage__new(const struct clock *clock, struct store *store, struct usage **out)
{
    struct usage *u = mem_alloc(sizeof *u);
    *out = u;
    if (u == NULL)
        return ERR_NOMEM;
    u->clock = clock;
    u->store = store;
    u->started_us = clock_mono_us(clock);
    return ERR_OK;
}

static void free_all(struct map *m)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(m, &at, &key, &value))
        mem_free(value);
    map_fini(m);
}

void usage__free(struct usage *u)
{
    if (u == NULL)
        return;
    free_all(&u->buckets);
    free_all(&u->quotas);
    mem_free(u);
}
