/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the apps in memory, and which of them signs. Invariant: what is kept was read in a
 * transaction that is committed, and nothing that was read before a change is kept after it. */
#include "keys_int.h"

#include "base/mem.h"
#include "seal_int.h"

/* With several nodes another one may have made a key. */
#define SHARED_MS 1000

struct key_registry {
    struct shards shards;
    _Atomic uint64_t changes; /* counts what was forgotten */
    const struct clock *clock;
    bool shared;
};

static int64_t mono_ms(const struct key_registry *g)
{
    return clock_mono_us(g->clock) / 1000;
}

static struct app_keys *ref(struct app_keys *k)
{
    if (k)
        atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

static struct app_keys *find(struct key_registry *g, struct str app)
{
    struct shard *s = shard_lock(&g->shards, app);
    struct app_keys *k = ref(map_get(&s->map, app));
    shard_unlock(s);
    return k;
}

/* --- of a call ----------------------------------------------------------------------------------
 */
static struct app_keys *hold(struct cdi_call *c, struct app_keys *k)
{
    app_keys__unref(c->keys);
    return c->keys = k;
}

void keys__drop(struct cdi_call *c)
{
    (void)hold(c, NULL);
}

/* Of several nodes one makes both keys at once: the others then learn of them together. */
static bool wants_all(const struct cdi_call *c)
{
    return c->identity->keys->shared || !cdi_bool(c, "useDynamicSigningKey", true);
}

static bool is_good(const struct cdi_call *c, const struct app_keys *k, bool all)
{
    const struct key_registry *g = c->identity->keys;
    return !(all && k->fixed == NULL) && k->gone_ms >= c->now_ms &&
           !(g->shared && mono_ms(g) - k->read_ms > SHARED_MS);
}

/* Whether a key is to be made before something is signed. One that is only due is left for later
 * when none is ready. */
static bool is_enough(const struct cdi_call *c, const struct app_keys *k)
{
    if (k->due_ms > c->now_ms)
        return true;
    return c->may_wait && keys__may_sign(k, c->now_ms) && !key_pool_has(c->identity->key_pool, 1);
}

static struct app_keys *cached(struct cdi_call *c, bool all)
{
    struct app_keys *k = find(c->identity->keys, c->app);
    if (k && !is_good(c, k, all)) {
        app_keys__unref(k);
        return NULL;
    }
    return k ? hold(c, k) : NULL;
}

static enum err load(struct cdi_call *c, struct store_tx *tx, enum keys_wanted wanted,
                     struct app_keys **out)
{
    struct key_registry *g = c->identity->keys;
    uint64_t changes = atomic_load(&g->changes);
    struct app_keys *known = find(g, c->app), *k;
    enum err err = keys__load(c, tx, known, wanted, &k);
    app_keys__unref(known);
    if (err != ERR_OK)
        return err;
    k->changes += changes;
    k->read_ms = mono_ms(g);
    *out = hold(c, k);
    return ERR_OK;
}

static enum err for_call(struct cdi_call *c, struct store_tx *tx, bool all, struct app_keys **out)
{
    *out = cached(c, all);
    if (*out && is_enough(c, *out))
        return ERR_OK;
    return load(c, tx, all ? KEYS_ALL : KEYS_THAT_SIGN, out);
}

enum err keys_known_for_call(struct cdi_call *c, struct store_tx *tx)
{
    struct app_keys *k;
    return load(c, tx, KEYS_KNOWN, &k);
}

enum err keys_rotate(struct cdi_call *c, struct store_tx *tx)
{
    struct app_keys *k;
    return load(c, tx, KEYS_ROTATED, &k);
}

struct app_keys *keys_cached(struct cdi_call *c)
{
    return cached(c, wants_all(c));
}

struct app_keys *keys_all_cached(struct cdi_call *c)
{
    return cached(c, true);
}

enum err keys_for_call(struct cdi_call *c, struct store_tx *tx, struct app_keys **out)
{
    return for_call(c, tx, wants_all(c), out);
}

enum err keys_all_for_call(struct cdi_call *c, struct store_tx *tx, struct app_keys **out)
{
    return for_call(c, tx, true, out);
}

/* --- keeping and forgetting ---------------------------------------------------------------------
 */
static void clear_shard(struct shard *s)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(&s->map, &at, &key, &value)) {
        map_del(&s->map, key);
        app_keys__unref(value);
    }
}

/* Out of memory: they are not kept. A full shard begins anew: there are then more apps than one
 * process is asked about at a time. */
void keys__keep(struct cdi_call *c)
{
    struct key_registry *g = c->identity->keys;
    struct app_keys *k = c->keys, *old = NULL;
    if (k == NULL)
        return;
    struct shard *s = shard_lock(&g->shards, k->app);
    if (atomic_load(&g->changes) == k->changes && map_get(&s->map, k->app) != k) {
        old = map_del(&s->map, k->app); /* the former key's text goes with it */
        if (s->map.count >= LIMIT_KEYS_KEPT / SHARD_COUNT)
            clear_shard(s);
        if (map_put(&s->map, k->app, k, NULL) == ERR_OK)
            ref(k);
    }
    shard_unlock(s);
    app_keys__unref(old);
}

void keys__forget(struct identity *i, struct str app)
{
    struct key_registry *g = i->keys;
    atomic_fetch_add(&g->changes, 1);
    struct shard *s = shard_lock(&g->shards, app);
    struct app_keys *k = map_del(&s->map, app);
    shard_unlock(s);
    app_keys__unref(k);
}

struct jwks *identity_keys(struct identity *i, struct str app)
{
    struct app_keys *k = find(i->keys, app);
    struct jwks *set = k ? jwks_ref(k->verifiers) : NULL;
    app_keys__unref(k);
    return set;
}

/* --- what they say ------------------------------------------------------------------------------
 */
struct signer keys_signer(const struct app_keys *k, bool dynamic, int64_t now_ms)
{
    /* Without a static key another call asks for it at this very moment, and its token is the one
     * that counts. */
    if (!dynamic && k->fixed)
        return signer_here(k->fixed);
    return signer_here(k->dynamic[keys__signing(k, now_ms)]);
}

const struct jwks *keys_verifiers(const struct app_keys *k)
{
    return k->verifiers;
}

struct str keys_refresh(const struct app_keys *k)
{
    return str_of(k->refresh, sizeof k->refresh);
}

int64_t keys_fresh_s(const struct app_keys *k, int64_t now_ms)
{
    int64_t s = (k->due_ms - now_ms) / 1000;
    return s > 1 ? s : 1;
}

bool keys__next(struct identity *i, char app[LIMIT_TENANT_ID], size_t *n, int64_t *due_ms)
{
    bool found = false;
    for (size_t at = 0; at < SHARD_COUNT; at++) {
        struct shard *s = shard_lock_at(&i->keys->shards, at);
        size_t in = 0;
        struct str key;
        void *value;
        while (map_next(&s->map, &in, &key, &value)) {
            const struct app_keys *k = value;
            if (found && k->due_ms >= *due_ms)
                continue;
            found = true;
            *due_ms = k->due_ms;
            *n = k->app.n;
            memcpy(app, k->app.p, k->app.n);
        }
        shard_unlock(s);
    }
    return found;
}

/* --- from start to end --------------------------------------------------------------------------
 */
enum err keys__new(struct identity *i, struct errinfo *e)
{
    struct key_registry *g = mem_alloc(sizeof *g);
    enum err err = g ? shards_init(&g->shards) : ERR_NOMEM;
    if (err == ERR_OK)
        i->keys = g;
    else
        mem_free(g);
    if (err == ERR_OK) {
        g->clock = run_clock(i->o.run);
        g->shared = i->o.shared;
        err = key_pool_new(i->o.run, &i->key_pool);
    }
    if (err != ERR_OK)
        return errinfo_set(e, err, "%s", err_text(err));
    return keys__open_sealer(i, e);
}

void keys__close(struct identity *i)
{
    key_pool_close(i->key_pool);
}

void keys__free(struct identity *i)
{
    key_pool_free(i->key_pool);
    sealer_free(i->sealer);
    if (i->keys == NULL)
        return;
    for (size_t n = 0; n < SHARD_COUNT; n++)
        clear_shard(&i->keys->shards.shard[n]);
    shards_fini(&i->keys->shards);
    mem_free(i->keys);
    i->keys = NULL;
}
