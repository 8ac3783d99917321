/* SPDX-License-Identifier: Apache-2.0
 *
 * Which apps and tenants there are, and the settings of each: copies of the store's rows, kept
 * until they change. An app is there when its tenant "public" is. Invariant: settings that were
 * read before a change are never kept after it. */
#include <stdatomic.h>

#include "base/mem.h"
#include "identity_int.h"
#include "tenant_int.h"

/* With several nodes another one may have changed them. */
#define SHARED_MS 1000

struct tenant_settings {
    _Atomic unsigned refs;
    struct arena *arena; /* holds this struct too */
    struct str key;      /* "app/tenant" */
    struct core_config config;
    int64_t read_ms;
};
struct tenant_registry {
    struct shards shards;
    _Atomic uint64_t changes; /* counts what was forgotten */
    const struct clock *clock;
    bool shared;
};

const char tenant__schema[] =
    "CREATE TABLE tenant (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, core_config TEXT NOT NULL,"
    " first_factors TEXT, second_factors TEXT, created_ms BIGINT NOT NULL,"
    " PRIMARY KEY (app_id, tenant_id));"
    "INSERT INTO tenant (app_id, tenant_id, core_config, created_ms)"
    " VALUES ('public', 'public', '{}', 0)";

static const struct stmt STMT_settings =
    SQL("SELECT core_config FROM tenant WHERE app_id = $1 AND tenant_id = $2");

static const struct stmt STMT_there =
    SQL("SELECT 1 FROM tenant WHERE app_id = $1 AND tenant_id = $2");

void tenants__unref(struct tenant_settings *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        arena_free(t->arena);
}

const struct core_config *tenants__config(const struct tenant_settings *t)
{
    return &t->config;
}

static struct tenant_settings *ref(struct tenant_settings *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

enum err tenants__new(struct identity *i, struct errinfo *e)
{
    struct tenant_registry *g = mem_alloc(sizeof *g);
    enum err err = g ? shards_init(&g->shards) : ERR_NOMEM;
    if (err != ERR_OK) {
        mem_free(g);
        return errinfo_set(e, err, "%s", err_text(err));
    }
    g->clock = run_clock(i->o.run);
    g->shared = i->o.shared;
    i->tenants = g;
    return ERR_OK;
}

static void clear_shard(struct shard *s)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(&s->map, &at, &key, &value)) {
        map_del(&s->map, key);
        tenants__unref(value);
    }
}

void tenants__free(struct identity *i)
{
    struct tenant_registry *g = i->tenants;
    if (g == NULL)
        return;
    for (size_t n = 0; n < SHARD_COUNT; n++)
        clear_shard(&g->shards.shard[n]);
    shards_fini(&g->shards);
    mem_free(g);
    i->tenants = NULL;
}

static int64_t now_ms(const struct tenant_registry *g)
{
    return clock_mono_us(g->clock) / 1000;
}

/* ids are at most LIMIT_TENANT_ID bytes, so the text always fits */
struct tenant_key {
    char text[2 * LIMIT_TENANT_ID + 2];
    struct str s;
};
static bool make_key(struct str app, struct str tenant, struct tenant_key *out)
{
    if (app.n > LIMIT_TENANT_ID || tenant.n > LIMIT_TENANT_ID)
        return false;
    memcpy(out->text, app.p, app.n);
    out->text[app.n] = '/';
    memcpy(out->text + app.n + 1, tenant.p, tenant.n);
    out->s = str_of(out->text, app.n + 1 + tenant.n);
    return true;
}

struct tenant_settings *tenants__get(struct identity *i, struct str app, struct str tenant)
{
    struct tenant_registry *g = i->tenants;
    struct tenant_key key;
    if (!make_key(app, tenant, &key))
        return NULL;
    struct shard *s = shard_lock(&g->shards, key.s);
    struct tenant_settings *t = map_get(&s->map, key.s);
    if (t && g->shared && now_ms(g) - t->read_ms > SHARED_MS)
        t = NULL;
    if (t)
        ref(t);
    shard_unlock(s);
    return t;
}

/* Kept unless something was forgotten since `changes` was read. Out of memory: it is not kept. A
 * full shard begins anew: there are then more tenants than one process is asked about at a time. */
static void keep(struct tenant_registry *g, struct tenant_settings *t, uint64_t changes)
{
    void *old = NULL;
    struct shard *s = shard_lock(&g->shards, t->key);
    if (s->map.count >= LIMIT_TENANTS_KEPT / SHARD_COUNT)
        clear_shard(s);
    if (atomic_load(&g->changes) == changes) {
        old = map_del(&s->map, t->key); /* the former key's text goes with its settings */
        if (map_put(&s->map, t->key, t, NULL) == ERR_OK)
            ref(t);
    }
    shard_unlock(s);
    tenants__unref(old);
}

void tenants__forget(struct identity *i, struct str app)
{
    struct tenant_registry *g = i->tenants;
    atomic_fetch_add(&g->changes, 1);
    for (size_t n = 0; n < SHARD_COUNT; n++) {
        struct shard *s = shard_lock_at(&g->shards, n);
        size_t at = 0;
        struct str key;
        void *value;
        while (map_next(&s->map, &at, &key, &value))
            if (str_starts(key, app) && key.p[app.n] == '/') {
                map_del(&s->map, key);
                tenants__unref(value);
            }
        shard_unlock(s);
    }
}

/* --- reading -----------------------------------------------------------------------------------
 */
struct reading {
    struct arena *arena;
    const struct json *settings; /* NULL = no such row */
};

static enum err take_settings(void *arg, const struct store_value *v, size_t n)
{
    struct reading *r = arg;
    (void)n;
    struct str text = arena_str(r->arena, v[0].s);
    return text.p ? json_parse(r->arena, text, LIMIT_CDI_BODY, &r->settings, NULL) : ERR_NOMEM;
}

static enum err read_row(struct store_tx *tx, struct arena *a, struct str app, struct str tenant,
                         const struct json **out)
{
    struct reading r = {a, NULL};
    const struct store_value args[] = {STORE_S(app), STORE_S(tenant)};
    enum err err = store_run(tx, &STMT_settings, args, COUNTOF(args), take_settings, &r);
    *out = r.settings;
    return err == ERR_OK && r.settings == NULL ? ERR_NOTFOUND : err;
}

enum err tenants__look(struct cdi_call *c, struct store_tx *tx)
{
    struct store_value one;
    if (str_eqz(c->app, "public") && str_eqz(c->tenant, "public"))
        return ERR_OK; /* nobody can remove them */
    return cdi_row(c, tx, &STMT_there, ARGS(STORE_S(c->app), STORE_S(c->tenant)), &one, 1);
}

static enum err read_settings(struct identity *i, struct store_tx *tx, struct str app,
                              struct str tenant, struct tenant_settings *t)
{
    const struct json *settings;
    struct core_config of_app = {0};
    struct errinfo e = {0};
    bool is_public = str_eqz(tenant, "public");
    enum err err = read_row(tx, t->arena, app, STR("public"), &settings);
    if (err == ERR_OK)
        err = core_config_read(t->arena, &i->base, settings, is_public ? &t->config : &of_app, &e);
    if (err == ERR_OK && !is_public)
        err = read_row(tx, t->arena, app, tenant, &settings);
    if (err == ERR_OK && !is_public)
        err = core_config_read(t->arena, &of_app, settings, &t->config, &e);
    return err == ERR_INVALID ? ERR_INTERNAL : err; /* it was judged before it was stored */
}

enum err tenants__load(struct identity *i, struct store_tx *tx, struct arena *a, struct str app,
                       struct str tenant, struct tenant_settings **out)
{
    struct tenant_registry *g = i->tenants;
    struct tenant_key key;
    uint64_t changes = atomic_load(&g->changes);
    *out = NULL;
    (void)a;
    if (!make_key(app, tenant, &key))
        return ERR_NOTFOUND;
    struct arena *own = arena_new(KIB(1), LIMIT_CDI_BODY * 4);
    struct tenant_settings *t = own ? ARENA_NEW(own, struct tenant_settings) : NULL;
    enum err err = t ? ERR_OK : ERR_NOMEM;
    if (t) {
        atomic_init(&t->refs, 1);
        t->arena = own;
        t->read_ms = now_ms(g);
        t->key = arena_str(own, key.s);
        err = t->key.p ? read_settings(i, tx, app, tenant, t) : ERR_NOMEM;
    }
    if (err != ERR_OK) {
        arena_free(own);
        return err;
    }
    keep(g, t, changes);
    *out = t;
    return ERR_OK;
}
