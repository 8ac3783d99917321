/* SPDX-License-Identifier: Apache-2.0
 *
 * What others must hear of: noted in the same transaction as the change itself, told here after its
 * commit, and on other nodes when they next look. Invariants: nobody hears of what was not
 * committed; what was committed is heard by all, for a note is looked for until long after its
 * time: transactions do not end in the order in which they were begun. */
#include "change_int.h"

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "keys_int.h"
#include "revoked_int.h"
#include "roles_int.h"

#define POLL_MS 500
/* How long a transaction may take, and how far the clocks of nodes may be apart. */
#define OVERLAP_MS 15000
#define KEEP_MS 600000 /* a note, for nodes that were cut off */
#define PAGE 1000
#define NODE_TEXT 9 /* each id begins with its node's: those of one's own are known already */

const char change__schema[] =
    "CREATE TABLE change (id TEXT PRIMARY KEY, app_id TEXT NOT NULL, at_ms BIGINT NOT NULL, what "
    "BIGINT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL, until_ms BIGINT NOT NULL);"
    "CREATE INDEX change_at ON change (at_ms)";

static const struct stmt STMT_note =
    SQL("INSERT INTO change (id, app_id, at_ms, what, subject, user_id, until_ms) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)");
static const struct stmt STMT_lasting =
    SQL("SELECT app_id, subject, until_ms FROM change WHERE what = $1 AND until_ms >= $2");
static const struct stmt STMT_since =
    SQL("SELECT id, app_id, at_ms, what, subject, user_id, until_ms FROM change "
        "WHERE at_ms > $1 OR (at_ms = $1 AND id > $2) ORDER BY at_ms, id LIMIT $3");
static const struct stmt STMT_forget =
    SQL("DELETE FROM change WHERE id IN (SELECT id FROM change WHERE at_ms < $1 "
        "AND until_ms < $2 ORDER BY at_ms LIMIT $3)");

struct change {
    struct str id; /* "" = of this node */
    enum identity_change what;
    int64_t at_ms, until_ms;
    struct str app, subject, user;
    struct change *next;
};
struct cdi_changes { /* of one call, the last one first */
    struct change *first;
};
/* On its way to the control loop, with its texts behind it. */
struct told {
    struct post post;
    struct identity *identity;
    enum identity_change what;
    struct str app, subject, user;
    char text[];
};
/* An id that was heard of. */
struct heard {
    int64_t at_ms;
    struct str id;
    char text[];
};
struct change_feed {
    struct identity *identity;
    struct revoked *revoked;
    char node[NODE_TEXT];
    void (*changed)(void *arg, enum identity_change what, struct str app, struct str subject,
                    struct str user);
    void *arg;
    /* on the control loop */
    struct timer timer;
    bool looking, failing;
    struct map heard;
    /* of the look under way */
    struct store_job job;
    struct arena *found_in;
    int64_t since_ms;
    struct change *found, **found_end;
    size_t found_count;
};

bool identity_is_revoked(struct identity *i, struct str app, struct str handle)
{
    return revoked_has(i->changes->revoked, app, handle);
}

void identity_listen(struct identity *i,
                     void (*changed)(void *arg, enum identity_change what, struct str app,
                                     struct str subject, struct str user),
                     void *arg)
{
    i->changes->changed = changed;
    i->changes->arg = arg;
}

/* --- noting ------------------------------------------------------------------------------------
 */
static int64_t wall_ms(const struct identity *i)
{
    return clock_wall_us(run_clock(i->o.run)) / 1000;
}

static enum err note(struct cdi_call *c, struct store_tx *tx, const struct change *one)
{
    char uuid[37], id[NODE_TEXT + 37];
    crypt_uuid(uuid);
    int n = snprintf(id, sizeof id, "%s%s", c->identity->changes->node, uuid);
    return store_run(tx, &STMT_note,
                     ARGS(STORE_S(str_of(id, (size_t)n)), STORE_S(one->app), STORE_I(one->at_ms),
                          STORE_I((int64_t)one->what), STORE_S(one->subject), STORE_S(one->user),
                          STORE_I(one->until_ms)),
                     NULL, NULL);
}

enum err cdi_changed(struct cdi_call *c, struct store_tx *tx, enum identity_change what,
                     struct str subject, struct str user)
{
    struct change *one = ARENA_NEW(c->arena, struct change);
    if (one == NULL)
        return ERR_NOMEM;
    /* By the clock of now: the call may have begun long ago, and a token have been made since. */
    int64_t now_ms = wall_ms(c->identity);
    *one = (struct change){.what = what,
                           .at_ms = now_ms,
                           .until_ms = now_ms,
                           .app = c->app,
                           .subject = arena_str(c->arena, subject),
                           .user = arena_str(c->arena, user)};
    if (what == IDENTITY_SESSION_REVOKED)
        one->until_ms += c->config->access_token_validity_s * 1000;
    if (c->changes == NULL)
        c->changes = ARENA_NEW(c->arena, struct cdi_changes);
    if (one->subject.p == NULL || one->user.p == NULL || c->changes == NULL)
        return ERR_NOMEM;
    enum err err = note(c, tx, one);
    if (err != ERR_OK)
        return err;
    one->next = c->changes->first;
    c->changes->first = one;
    return ERR_OK;
}

/* --- telling ------------------------------------------------------------------------------------
 */
static void tell(struct post *p)
{
    struct told *t = CONTAINER_OF(p, struct told, post);
    const struct change_feed *f = t->identity->changes;
    if (f->changed)
        f->changed(f->arg, t->what, t->app, t->subject, t->user);
    mem_free(t);
}

static struct str put(char **to, struct str s)
{
    struct str copy = {*to, s.n};
    if (s.n > 0)
        memcpy(*to, s.p, s.n);
    *to += s.n;
    return copy;
}

static void remember_revoked(struct identity *i, struct str app, struct str handle,
                             int64_t until_ms)
{
    enum err err = revoked_add(i->changes->revoked, app, handle, until_ms, wall_ms(i));
    if (err != ERR_OK)
        log_error("identity",
                  "a revoked session could not be kept in memory: %s; its access "
                  "tokens may pass where the store is not asked",
                  err_text(err));
}

/* This process's own copies, on whatever loop it is. */
static void apply(struct identity *i, const struct change *one)
{
    switch (one->what) {
    case IDENTITY_TENANT:
        tenants__forget(i, one->app);
        roles_memory__forget_app(i, one->app);
        keys__forget(i, one->app); /* an app that was removed, or other lives of keys */
        break;
    case IDENTITY_KEYS:
        keys__forget(i, one->app);
        break;
    case IDENTITY_SESSION_REVOKED:
        remember_revoked(i, one->app, one->subject, one->until_ms);
        break;
    case IDENTITY_ROLES_OF_USER:
        roles_memory__forget_user(i, one->app, one->user);
        break;
    case IDENTITY_ROLE:
        roles_memory__forget_app(i, one->app);
        break;
    }
    struct told *t = mem_alloc(sizeof *t + one->app.n + one->subject.n + one->user.n);
    if (t == NULL)
        return; /* the copies here are right; who listens learns of it with the entry's end */
    char *text = t->text;
    t->identity = i;
    t->what = one->what;
    t->app = put(&text, one->app);
    t->subject = put(&text, one->subject);
    t->user = put(&text, one->user);
    t->post.fn = tell;
    run_post(run_control(i->o.run), &t->post);
}

void changes__apply(struct cdi_call *c)
{
    for (const struct change *one = c->changes->first; one; one = one->next)
        apply(c->identity, one);
}

/* --- hearing of other nodes' --------------------------------------------------------------------
 */
static bool is_news(struct change_feed *f, struct str id)
{
    return !str_starts(id, str_c(f->node)) && map_get(&f->heard, id) == NULL;
}

static void remember_heard(struct change_feed *f, const struct change *one)
{
    struct heard *h = mem_alloc(sizeof *h + one->id.n);
    if (h == NULL)
        return; /* it is told once more, which harms nobody */
    memcpy(h->text, one->id.p, one->id.n);
    h->id = str_of(h->text, one->id.n);
    h->at_ms = one->at_ms;
    if (map_put(&f->heard, h->id, h, NULL) != ERR_OK)
        mem_free(h);
}

static void forget_heard(struct change_feed *f, int64_t before_ms)
{
    size_t at = 0;
    struct str id;
    void *value;
    while (map_next(&f->heard, &at, &id, &value)) {
        struct heard *h = value;
        if (h->at_ms >= before_ms)
            continue;
        map_del(&f->heard, id);
        mem_free(h);
    }
}

static enum err take_found(void *arg, const struct store_value *v, size_t n)
{
    struct change_feed *f = arg;
    ASSERT(n == 7);
    struct change *one = ARENA_NEW(f->found_in, struct change);
    if (one == NULL)
        return ERR_NOMEM;
    *one = (struct change){.id = arena_str(f->found_in, v[0].s),
                           .app = arena_str(f->found_in, v[1].s),
                           .at_ms = v[2].i,
                           .what = (enum identity_change)v[3].i,
                           .subject = arena_str(f->found_in, v[4].s),
                           .user = arena_str(f->found_in, v[5].s),
                           .until_ms = v[6].i};
    if (one->id.p == NULL || one->app.p == NULL || one->subject.p == NULL || one->user.p == NULL)
        return ERR_NOMEM;
    *f->found_end = one;
    f->found_end = &one->next;
    f->found_count++;
    return ERR_OK;
}

static enum err look(struct store_job *j, struct store_tx *tx)
{
    struct change_feed *f = CONTAINER_OF(j, struct change_feed, job);
    struct store_value after[] = {STORE_I(f->since_ms), STORE_S(STR("")), STORE_I(PAGE)};
    size_t before;
    enum err err;
    arena_reset(f->found_in);
    f->found = NULL;
    f->found_end = &f->found;
    f->found_count = 0;
    do {
        before = f->found_count;
        err = store_run(tx, &STMT_since, after, COUNTOF(after), take_found, f);
        if (err == ERR_OK && f->found_count > before) {
            const struct change *last = CONTAINER_OF(f->found_end, struct change, next);
            after[0].i = last->at_ms;
            after[1].s = last->id;
        }
    } while (err == ERR_OK && f->found_count - before == PAGE);
    return err;
}

static void look_again(struct timer *t);

static void looked(struct store_job *j, enum err err)
{
    struct change_feed *f = CONTAINER_OF(j, struct change_feed, job);
    f->looking = false;
    for (const struct change *one = f->found; err == ERR_OK && one; one = one->next) {
        if (!is_news(f, one->id))
            continue;
        apply(f->identity, one);
        remember_heard(f, one);
    }
    if (err == ERR_OK)
        forget_heard(f, f->since_ms);
    if ((err != ERR_OK) != f->failing)
        log_line(err ? LOG_WARN : LOG_INFO, "identity", "changes of other nodes: %s",
                 err_text(err));
    f->failing = err != ERR_OK;
    timer_start(run_control(f->identity->o.run), &f->timer, POLL_MS, look_again);
}

static void look_again(struct timer *t)
{
    struct change_feed *f = CONTAINER_OF(t, struct change_feed, timer);
    struct identity *i = f->identity;
    /* While the store is away nothing is skipped: the next look begins where the last good one did.
     */
    if (!f->failing)
        f->since_ms = wall_ms(i) - OVERLAP_MS;
    f->job = (struct store_job){.access = STORE_READ, .run = look, .done = looked};
    f->looking = true;
    enum err err = store_submit(i->o.store, run_control(i->o.run), &f->job);
    if (err != ERR_OK) {
        f->found = NULL;
        looked(&f->job, err);
    }
}

/* --- from start to end --------------------------------------------------------------------------
 */
static enum err take_lasting(void *arg, const struct store_value *v, size_t n)
{
    ASSERT(n == 3);
    remember_revoked(arg, v[0].s, v[1].s, v[2].i);
    return ERR_OK;
}

enum err changes__new(struct identity *i, struct errinfo *e)
{
    struct change_feed *f = i->changes = mem_alloc(sizeof *f);
    char uuid[37];
    if (f == NULL)
        return errinfo_set(e, ERR_NOMEM, "out of memory");
    f->identity = i;
    crypt_uuid(uuid);
    snprintf(f->node, sizeof f->node, "%.7s-", uuid);
    f->found_in = arena_new(KIB(4), LIMIT_CDI_ARENA);
    enum err err = f->found_in ? revoked_new(&f->revoked) : ERR_NOMEM;
    if (err != ERR_OK)
        return errinfo_set(e, err, "%s", err_text(err));
    err = store_read_now(i->o.store, &STMT_lasting,
                         ARGS(STORE_I(IDENTITY_SESSION_REVOKED), STORE_I(wall_ms(i))), take_lasting,
                         i, e);
    if (err == ERR_OK && i->o.shared)
        timer_start(run_control(i->o.run), &f->timer, POLL_MS, look_again);
    return err;
}

void changes__close(struct identity *i)
{
    timer_stop(&i->changes->timer);
}

void changes__free(struct identity *i)
{
    struct change_feed *f = i->changes;
    if (f == NULL)
        return;
    forget_heard(f, INT64_MAX);
    map_fini(&f->heard);
    arena_free(f->found_in);
    revoked_free(f->revoked);
    mem_free(f);
    i->changes = NULL;
}

enum err changes__sweep(struct store_tx *tx, int64_t now_ms, bool *more)
{
    enum err err =
        store_run(tx, &STMT_forget, ARGS(STORE_I(now_ms - KEEP_MS), STORE_I(now_ms), STORE_I(PAGE)),
                  NULL, NULL);
    *more = err == ERR_OK && store_changed(tx) >= PAGE;
    return err;
}
