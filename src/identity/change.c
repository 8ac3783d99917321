/* SPDX-License-Identifier: Apache-2.0
 *
 * What others must hear of: noted in the same transaction as the change itself, told here after its
 * commit. Invariant: nobody hears of what was not committed. */
#include "base/crypt.h"
#include "base/mem.h"
#include "change_int.h"
#include "keys_int.h"

const char change__schema[] =
    "CREATE TABLE change (id TEXT PRIMARY KEY, app_id TEXT NOT NULL, at_ms BIGINT NOT NULL, what "
    "BIGINT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL);"
    "CREATE INDEX change_at ON change (at_ms)";

static const struct stmt STMT_note = SQL(
    "INSERT INTO change (id, app_id, at_ms, what, subject, user_id) VALUES ($1, $2, $3, $4, $5, "
    "$6)");

struct cdi_changes { /* of one call, the last one first */
    enum identity_change what;
    struct str app, subject, user;
    struct cdi_changes *next;
};
/* On its way to the control loop, with its texts behind it. */
struct told {
    struct post post;
    struct identity *identity;
    enum identity_change what;
    struct str app, subject, user;
    char text[];
};
struct change_feed {
    void (*changed)(void *arg, enum identity_change what, struct str app, struct str subject,
                    struct str user);
    void *arg;
};

enum err changes__new(struct identity *i)
{
    i->changes = mem_alloc(sizeof *i->changes);
    return i->changes ? ERR_OK : ERR_NOMEM;
}

void changes__free(struct identity *i)
{
    mem_free(i->changes);
    i->changes = NULL;
}

void identity_listen(struct identity *i,
                     void (*changed)(void *arg, enum identity_change what, struct str app,
                                     struct str subject, struct str user),
                     void *arg)
{
    i->changes->changed = changed;
    i->changes->arg = arg;
}

enum err cdi_changed(struct cdi_call *c, struct store_tx *tx, enum identity_change what,
                     struct str subject, struct str user)
{
    struct cdi_changes *one = ARENA_NEW(c->arena, struct cdi_changes);
    char id[37];
    if (one == NULL)
        return ERR_NOMEM;
    *one = (struct cdi_changes){what, c->app, arena_str(c->arena, subject),
                                arena_str(c->arena, user), c->changes};
    if (one->subject.p == NULL || one->user.p == NULL)
        return ERR_NOMEM;
    crypt_uuid(id);
    const struct store_value args[] = {STORE_S(str_c(id)),    STORE_S(one->app),
                                       STORE_I(c->now_ms),    STORE_I((int64_t)what),
                                       STORE_S(one->subject), STORE_S(one->user)};
    enum err err = store_run(tx, &STMT_note, args, COUNTOF(args), NULL, NULL);
    if (err == ERR_OK)
        c->changes = one;
    return err;
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

/* This process's own copies, on whatever loop it is. */
static void apply(struct identity *i, const struct cdi_changes *one)
{
    switch (one->what) {
    case IDENTITY_TENANT:
        tenants__forget(i, one->app);
        keys__forget(i, one->app); /* an app that was removed, or other lives of keys */
        break;
    case IDENTITY_KEYS:
        keys__forget(i, one->app);
        break;
    case IDENTITY_SESSION_REVOKED:
    case IDENTITY_ROLES_OF_USER:
    case IDENTITY_ROLE:
        break;
    }
}

void changes__apply(struct cdi_call *c)
{
    struct identity *i = c->identity;
    for (const struct cdi_changes *one = c->changes; one; one = one->next) {
        apply(i, one);
        struct told *t = mem_alloc(sizeof *t + one->app.n + one->subject.n + one->user.n);
        if (t == NULL)
            continue; /* the copies here are right; who listens learns of it with the entry's end */
        char *text = t->text;
        t->identity = i;
        t->what = one->what;
        t->app = put(&text, one->app);
        t->subject = put(&text, one->subject);
        t->user = put(&text, one->user);
        t->post.fn = tell;
        run_post(run_control(i->o.run), &t->post);
    }
}
