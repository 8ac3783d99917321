/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what, for a gateway that asks at every request: a copy in memory of the roles of the
 * users that were asked for, and of what these permit. An answer is immutable and counted.
 * Invariant: an answer is kept only if nothing was changed since before it was read. */
#include <stdatomic.h>

#include "base/mem.h"
#include "roles_int.h"

static const struct stmt STMT_roles =
    SQL("SELECT role FROM user_role WHERE app_id = $1 AND tenant_id = $2 AND user_id = $3 "
        "ORDER BY role");
/* CROSS: the few roles of the user come first, not the many permissions of the app. */
static const struct stmt STMT_permissions =
    SQL("SELECT DISTINCT p.permission FROM user_role u CROSS JOIN role_permission p "
        "WHERE u.app_id = $1 AND u.tenant_id = $2 AND u.user_id = $3 "
        "AND p.app_id = u.app_id AND p.role = u.role ORDER BY p.permission");

struct names {
    struct str *p;
    size_t n, cap;
};
struct answer { /* in an arena of its own */
    struct arena *arena;
    atomic_uint refs;
    struct str tenant;
    struct answer *next; /* of the same user in another tenant */
    struct names roles, permissions;
};
struct entry { /* of one user of one app */
    struct answer *answers;
    size_t key_n, app_n;
    char key[]; /* "app user": an app's id has no blank */
};
struct roles_memory {
    struct shards shards;
    atomic_ullong changes; /* how often something was forgotten */
};

struct asking { /* one that waits for the store; in the asker's arena */
    struct store_job job;
    struct post post;
    struct identity *identity;
    struct identity_roles_question *q;
    unsigned long long changes; /* before it was read */
    struct answer *answer;
};

static void answer_unref(struct answer *a)
{
    if (a && atomic_fetch_sub(&a->refs, 1) == 1)
        arena_free(a->arena);
}

static void free_entry(struct entry *e)
{
    for (struct answer *a = e->answers, *next; a; a = next) {
        next = a->next;
        answer_unref(a);
    }
    mem_free(e);
}

/* --- the table -------------------------------------------------------------------------------- */
enum err roles_memory__new(struct identity *i)
{
    struct roles_memory *m = mem_alloc(sizeof *m);
    enum err err = m ? shards_init(&m->shards) : ERR_NOMEM;
    if (err != ERR_OK)
        mem_free(m);
    i->roles = err ? NULL : m;
    return err;
}

/* Everything of `app` in one locked part; "" is everything. */
static void forget_part(struct shard *part, struct str app)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(&part->map, &at, &key, &value)) {
        struct entry *e = value;
        if (app.n > 0 && !str_eq(app, str_of(e->key, e->app_n)))
            continue;
        map_del(&part->map, key);
        free_entry(e);
    }
}

static void forget_all(struct roles_memory *m, struct str app)
{
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *part = shard_lock_at(&m->shards, i);
        forget_part(part, app);
        shard_unlock(part);
    }
}

void roles_memory__free(struct identity *i)
{
    if (i->roles == NULL)
        return;
    forget_all(i->roles, STR_NONE);
    shards_fini(&i->roles->shards);
    mem_free(i->roles);
    i->roles = NULL;
}

void roles_memory__forget_app(struct identity *i, struct str app)
{
    atomic_fetch_add(&i->roles->changes, 1);
    forget_all(i->roles, app);
}

void roles_memory__forget_user(struct identity *i, struct str app, struct str user)
{
    AUTO_BUF key = BUF_INIT(KIB(2));
    buf_add(&key, app);
    buf_addc(&key, ' ');
    buf_add(&key, user);
    if (key.err) { /* rather too much than too little */
        roles_memory__forget_app(i, app);
        return;
    }
    atomic_fetch_add(&i->roles->changes, 1);
    struct shard *part = shard_lock(&i->roles->shards, buf_str(&key));
    struct entry *e = map_del(&part->map, buf_str(&key));
    shard_unlock(part);
    if (e)
        free_entry(e);
}

static struct entry *find_or_add(struct shard *part, struct str key, struct str app)
{
    struct entry *e = map_get(&part->map, key);
    if (e)
        return e;
    if (part->map.count >= LIMIT_ROLES_REMEMBERED / SHARD_COUNT)
        forget_part(part, STR_NONE);
    e = mem_alloc(sizeof *e + key.n);
    if (e == NULL)
        return NULL;
    memcpy(e->key, key.p, key.n);
    e->key_n = key.n;
    e->app_n = app.n;
    if (map_put(&part->map, str_of(e->key, e->key_n), e, NULL) == ERR_OK)
        return e;
    mem_free(e);
    return NULL;
}

/* Kept unless something has been forgotten since it was asked for; then only the asker gets it. */
static void keep(const struct asking *ask, struct str key)
{
    struct roles_memory *m = ask->identity->roles;
    struct answer *a = ask->answer;
    struct shard *part = shard_lock(&m->shards, key);
    struct entry *e = NULL;
    if (atomic_load(&m->changes) == ask->changes)
        e = find_or_add(part, key, ask->q->app);
    for (const struct answer *have = e ? e->answers : NULL; have; have = have->next)
        if (str_eq(have->tenant, a->tenant))
            e = NULL; /* two asked at once */
    if (e) {
        atomic_fetch_add(&a->refs, 1);
        a->next = e->answers;
        e->answers = a;
    }
    shard_unlock(part);
}

static struct answer *find(struct roles_memory *m, struct str key, struct str tenant)
{
    struct shard *part = shard_lock(&m->shards, key);
    const struct entry *e = map_get(&part->map, key);
    struct answer *a = e ? e->answers : NULL;
    while (a && !str_eq(a->tenant, tenant))
        a = a->next;
    if (a)
        atomic_fetch_add(&a->refs, 1);
    shard_unlock(part);
    return a;
}

/* --- reading ---------------------------------------------------------------------------------- */
struct reading {
    struct arena *arena;
    struct names *to;
};

static enum err take_name(void *arg, const struct store_value *v, size_t n)
{
    struct reading *r = arg;
    struct names *to = r->to;
    (void)n;
    if (to->n >= LIMIT_ROLES_OF_USER)
        return ERR_LIMIT;
    if (to->n == to->cap) {
        size_t cap = to->cap ? 2 * to->cap : 4;
        struct str *grown = ARENA_ARRAY(r->arena, cap, struct str);
        if (grown == NULL)
            return ERR_NOMEM;
        if (to->n)
            memcpy(grown, to->p, to->n * sizeof *grown);
        to->p = grown;
        to->cap = cap;
    }
    to->p[to->n] = arena_str(r->arena, v[0].s);
    return to->p[to->n++].p ? ERR_OK : ERR_NOMEM;
}

static struct answer *new_answer(struct str tenant)
{
    struct arena *arena = arena_new(512, LIMIT_CDI_ARENA);
    struct answer *a = arena ? ARENA_NEW(arena, struct answer) : NULL;
    if (a) {
        a->arena = arena;
        a->tenant = arena_str(arena, tenant);
        atomic_init(&a->refs, 1);
    }
    if (a == NULL || a->tenant.p == NULL) {
        arena_free(arena);
        return NULL;
    }
    return a;
}

static enum err read_roles(struct store_job *j, struct store_tx *tx)
{
    struct asking *ask = CONTAINER_OF(j, struct asking, job);
    const struct identity_roles_question *q = ask->q;
    const struct store_value args[] = {STORE_S(q->app), STORE_S(q->tenant), STORE_S(q->user)};
    answer_unref(ask->answer); /* of an attempt before */
    ask->answer = new_answer(q->tenant);
    if (ask->answer == NULL)
        return ERR_NOMEM;
    struct reading roles = {ask->answer->arena, &ask->answer->roles};
    struct reading permissions = {ask->answer->arena, &ask->answer->permissions};
    enum err err = store_run(tx, &STMT_roles, args, COUNTOF(args), take_name, &roles);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_permissions, args, COUNTOF(args), take_name, &permissions);
    return err;
}

/* --- answering -------------------------------------------------------------------------------- */
static enum err copy(struct arena *a, const struct names *from, struct str **out, size_t *n)
{
    *out = ARENA_ARRAY(a, from->n, struct str);
    for (size_t i = 0; *out && i < from->n; i++) {
        (*out)[i] = arena_str(a, from->p[i]);
        if ((*out)[i].p == NULL)
            return ERR_NOMEM;
    }
    *n = *out ? from->n : 0;
    return *out ? ERR_OK : ERR_NOMEM;
}

static void finish(struct asking *ask, enum err err)
{
    struct identity_roles_question *q = ask->q;
    q->role_count = q->permission_count = 0;
    if (err == ERR_OK)
        err = copy(q->arena, &ask->answer->roles, &q->roles, &q->role_count);
    if (err == ERR_OK)
        err = copy(q->arena, &ask->answer->permissions, &q->permissions, &q->permission_count);
    answer_unref(ask->answer);
    ask->answer = NULL;
    if (err != ERR_OK)
        q->role_count = q->permission_count = 0;
    q->err = err;
    q->done(q);
}

static struct str key_of(const struct identity_roles_question *q)
{
    return arena_fmt(q->arena, "%.*s %.*s", STR_ARG(q->app), STR_ARG(q->user));
}

static void on_read(struct store_job *j, enum err err)
{
    struct asking *ask = CONTAINER_OF(j, struct asking, job);
    struct str key = err == ERR_OK ? key_of(ask->q) : STR_NONE;
    if (key.p)
        keep(ask, key);
    finish(ask, err);
}

static void on_known(struct post *p)
{
    finish(CONTAINER_OF(p, struct asking, post), ERR_OK);
}

enum err identity_roles(struct identity *i, struct loop *from, struct identity_roles_question *q)
{
    struct asking *ask = ARENA_NEW(q->arena, struct asking);
    struct str key = key_of(q);
    q->err = ERR_INTERNAL;
    q->role_count = q->permission_count = 0;
    if (ask == NULL || key.p == NULL)
        return ERR_NOMEM;
    *ask = (struct asking){.identity = i, .q = q, .changes = atomic_load(&i->roles->changes)};
    q->state = ask;
    ask->answer = find(i->roles, key, q->tenant);
    if (ask->answer) {
        ask->post.fn = on_known;
        run_post(from, &ask->post);
        return ERR_OK;
    }
    ask->job = (struct store_job){.access = STORE_READ, .run = read_roles, .done = on_read};
    return store_submit(i->o.store, from, &ask->job);
}
