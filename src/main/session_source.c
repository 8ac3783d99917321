/* SPDX-License-Identifier: Apache-2.0
 *
 * Between authorizers of kind `session` and the identity core, which do not know each other.
 * Invariant: whatever the core says has changed is out of the authorizer cache PURGE_MS later at
 * most, for all workers at once; what cannot be remembered until then purges everything. */
#include "session_source.h"

#include "base/mem.h"

#define PURGE_MS 50     /* many users' changes are one walk through the cache */
#define PURGE_USERS 512 /* more than these: everything */

struct core_sessions {
    struct identity *identity;
    struct authorizer_cache *cache;
    struct session_source source;
    /* on the control loop */
    struct loop *control;
    struct timer timer;
    struct map users; /* whose decisions go next, each a text of its own */
    bool everything, closed;
};

/* --- what the authorizer asks -------------------------------------------------------------------
 */
static struct jwks *keys(void *arg, struct str app)
{
    const struct core_sessions *s = arg;
    return identity_keys(s->identity, app);
}

static bool is_revoked(void *arg, struct str app, struct str handle)
{
    const struct core_sessions *s = arg;
    return identity_is_revoked(s->identity, app, handle);
}

static void keys_came(struct identity_keys_question *of)
{
    struct session_question *q = of->arg;
    q->err = of->err;
    q->done(q);
}

static enum err keys_later(void *arg, struct session_question *q)
{
    const struct core_sessions *s = arg;
    struct identity_keys_question *of = ARENA_NEW(q->arena, struct identity_keys_question);
    if (of == NULL)
        return ERR_NOMEM;
    *of = (struct identity_keys_question){
        .app = q->app, .done = keys_came, .arg = q, .arena = q->arena};
    return identity_want_keys(s->identity, q->loop, of);
}

static void promoted(struct identity_promotion *p)
{
    struct session_question *q = p->arg;
    q->err = p->err;
    q->new_token = p->new_token;
    q->done(q);
}

static enum err promote(void *arg, struct session_question *q)
{
    const struct core_sessions *s = arg;
    struct identity_promotion *p = ARENA_NEW(q->arena, struct identity_promotion);
    if (p == NULL)
        return ERR_NOMEM;
    *p = (struct identity_promotion){.app = q->app,
                                     .token = q->token,
                                     .check_database = q->check_database,
                                     .done = promoted,
                                     .arg = q,
                                     .arena = q->arena};
    return identity_promote(s->identity, q->loop, p);
}

static void roles_came(struct identity_roles_question *of)
{
    struct session_question *q = of->arg;
    q->err = of->err;
    q->roles = of->roles;
    q->role_count = of->role_count;
    q->permissions = of->permissions;
    q->permission_count = of->permission_count;
    q->done(q);
}

static enum err roles(void *arg, struct session_question *q)
{
    const struct core_sessions *s = arg;
    struct identity_roles_question *of = ARENA_NEW(q->arena, struct identity_roles_question);
    if (of == NULL)
        return ERR_NOMEM;
    *of = (struct identity_roles_question){.app = q->app,
                                           .tenant = q->tenant,
                                           .user = q->user,
                                           .done = roles_came,
                                           .arg = q,
                                           .arena = q->arena};
    return identity_roles(s->identity, q->loop, of);
}

/* --- what the core's news do --------------------------------------------------------------------
 */
static void forget_users(struct core_sessions *s)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(&s->users, &at, &key, &value)) {
        map_del(&s->users, key);
        mem_free(value);
    }
    s->everything = false;
}

static void purge(struct timer *t)
{
    struct core_sessions *s = CONTAINER_OF(t, struct core_sessions, timer);
    if (s->everything)
        (void)authorizer_cache_purge(s->cache, STR(""), STR(""));
    else
        (void)authorizer_cache_purge_all(s->cache, &s->users);
    forget_users(s);
}

/* Authorizers that are functions call their principal what they like: it is the user's id where
 * they follow the guide. */
static void add_user(struct core_sessions *s, struct str user)
{
    if (s->everything || map_get(&s->users, user))
        return;
    char *text = s->users.count < PURGE_USERS ? mem_alloc(user.n) : NULL;
    if (text)
        memcpy(text, user.p, user.n);
    if (text && map_put(&s->users, str_of(text, user.n), text, NULL) == ERR_OK)
        return;
    mem_free(text);
    s->everything = true;
}

static void changed(void *arg, enum identity_change what, struct str app, struct str subject,
                    struct str user)
{
    struct core_sessions *s = arg;
    (void)app;
    (void)subject;
    if (s->closed)
        return;
    if ((what == IDENTITY_SESSION_REVOKED || what == IDENTITY_ROLES_OF_USER) && user.n > 0)
        add_user(s, user);
    else
        s->everything = true; /* a role's permissions, keys or an app: whose they are is not said */
    if (s->timer.loop == NULL)
        timer_start(s->control, &s->timer, PURGE_MS, purge);
}

/* --- from start to end --------------------------------------------------------------------------
 */
enum err core_sessions_new(struct run *run, struct identity *identity,
                           struct authorizer_cache *cache, struct core_sessions **out)
{
    struct core_sessions *s = *out = mem_alloc(sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    s->identity = identity;
    s->cache = cache;
    s->control = run_control(run);
    s->source = (struct session_source){s, keys, is_revoked, keys_later, promote, roles};
    identity_listen(identity, changed, s);
    return ERR_OK;
}

const struct session_source *core_sessions_source(const struct core_sessions *s)
{
    return &s->source;
}

void core_sessions_close(struct core_sessions *s)
{
    s->closed = true;
    timer_stop(&s->timer);
}

void core_sessions_free(struct core_sessions *s)
{
    if (s == NULL)
        return;
    forget_users(s);
    map_fini(&s->users);
    mem_free(s);
}
