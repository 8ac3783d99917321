/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of an app in the store, and when new ones are made (specs/identity-core.md 3.8).
 * Invariant: keys are made under the lock of the app's row, so that of several nodes only one makes
 * them, and a key is in the JWKS of all for a while before anything is signed with it. */
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "keys_int.h"
#include "seal_int.h"

#define OVERLAP_MS 60000
#define REMEMBER_MS (30 * 86400000LL) /* a retired key stays listed, without its private part */

const char keys_db__schema[] =
    "CREATE TABLE signing_key (app_id TEXT NOT NULL, key_id TEXT NOT NULL, dynamic BIGINT NOT NULL,"
    " created_ms BIGINT NOT NULL, sealed TEXT NOT NULL, PRIMARY KEY (app_id, key_id));"
    "CREATE TABLE refresh_key (app_id TEXT PRIMARY KEY, sealed TEXT NOT NULL)";

static const struct stmt STMT_lock =
    SQL_LOCKING("SELECT 1 FROM tenant WHERE app_id = $1 AND tenant_id = 'public'");
static const struct stmt STMT_keys =
    SQL("SELECT key_id, dynamic, created_ms, sealed FROM signing_key WHERE app_id = $1 AND "
        "(dynamic = 0 OR created_ms >= $2) ORDER BY dynamic DESC, created_ms DESC LIMIT $3");
static const struct stmt STMT_insert =
    SQL("INSERT INTO signing_key (app_id, key_id, dynamic, created_ms, sealed) VALUES ($1, $2, $3, "
        "$4, $5)");
static const struct stmt STMT_retire =
    SQL("UPDATE signing_key SET sealed = '' WHERE app_id = $1 AND dynamic = 1 AND sealed <> '' AND "
        "created_ms < $2");
static const struct stmt STMT_forget =
    SQL("DELETE FROM signing_key WHERE app_id = $1 AND dynamic = 1 AND created_ms < $2");
static const struct stmt STMT_refresh = SQL("SELECT sealed FROM refresh_key WHERE app_id = $1");
static const struct stmt STMT_insert_refresh =
    SQL("INSERT INTO refresh_key (app_id, sealed) VALUES ($1, $2)");
static const struct stmt STMT_any = SQL("SELECT app_id, sealed FROM refresh_key LIMIT 1");

/* How long a new dynamic key is in the JWKS before it signs. */
static int64_t overlap_ms(const struct core_config *g)
{
    int64_t half = g->signing_key_interval_ms / 2;
    return half < OVERLAP_MS ? half : OVERLAP_MS;
}

/* The longest time for which a key is the newest: never so short that more keys than LIMIT_APP_KEYS
 * would have tokens that are valid. */
static int64_t longest_ms(const struct core_config *g)
{
    int64_t least = g->access_token_validity_s * 1000 / (LIMIT_APP_KEYS / 5);
    return g->signing_key_interval_ms > least ? g->signing_key_interval_ms : least;
}

int64_t keys__life_ms(const struct core_config *g)
{
    return longest_ms(g) + 2 * 1000 * g->access_token_validity_s;
}

void keys__time(struct app_keys *k, const struct core_config *g)
{
    bool crowded = k->dynamic_n >= LIMIT_APP_KEYS / 2;
    k->overlap_ms = overlap_ms(g);
    k->interval_ms = crowded ? longest_ms(g) : g->signing_key_interval_ms;
    k->grace_ms = 1000 * g->access_token_validity_s; /* its tokens still end before it retires */
    k->due_ms = k->gone_ms = INT64_MIN;
    if (k->dynamic_n == 0)
        return;
    k->due_ms = k->created_ms[0] + k->interval_ms - k->overlap_ms;
    k->gone_ms = k->created_ms[k->dynamic_n - 1] + keys__life_ms(g);
}

static bool may_sign(const struct app_keys *k, size_t i, int64_t now_ms)
{
    return i < k->dynamic_n && k->created_ms[i] + k->interval_ms + k->grace_ms > now_ms;
}

bool keys__may_sign(const struct app_keys *k, int64_t now_ms)
{
    return may_sign(k, 0, now_ms);
}

/* The newest that those who verify have had time to fetch, or else the oldest; when that may not
 * sign any more, the newest of all. */
size_t keys__signing(const struct app_keys *k, int64_t now_ms)
{
    size_t i = 0;
    while (i + 1 < k->dynamic_n && k->created_ms[i] + k->overlap_ms > now_ms)
        i++;
    return may_sign(k, i, now_ms) ? i : 0;
}

void app_keys__unref(struct app_keys *k)
{
    if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < k->dynamic_n; i++)
        jwk_unref(k->dynamic[i]);
    jwk_unref(k->fixed);
    jwks_unref(k->verifiers);
    mem_cleanse_free(k, sizeof *k);
}

/* --- one key ------------------------------------------------------------------------------------
 */
static struct str place_of(struct cdi_call *c, const char *table, struct str id)
{
    return arena_fmt(c->arena, "%.*s/%s/%.*s", STR_ARG(c->app), table, STR_ARG(id));
}

/* One more key, behind those that are there. */
static enum err take(struct app_keys *k, bool dynamic, int64_t created_ms, struct jwk *key)
{
    if (dynamic ? k->dynamic_n == LIMIT_APP_KEYS : k->fixed != NULL) {
        jwk_unref(key);
        return dynamic ? ERR_OK : ERR_INTERNAL;
    }
    if (dynamic) {
        k->created_ms[k->dynamic_n] = created_ms;
        k->dynamic[k->dynamic_n++] = key;
    } else {
        k->fixed = key;
    }
    return ERR_OK;
}

static enum err parse(struct str kid, struct str pem, struct jwk **out)
{
    const struct jwk_about about = {
        .has_kid = true, .kid = kid, .alg = &jws_algs[JWS_RS256], .is_pair = true};
    enum err err = jwk_parse_pem(pem, JWK_OWN, &about, out, NULL);
    return err == ERR_NOMEM || err == ERR_OK ? err : ERR_INTERNAL;
}

static struct jwk *find_known(const struct app_keys *k, struct str kid)
{
    for (size_t i = 0; k && i < k->dynamic_n; i++)
        if (str_eq(k->dynamic[i]->kid, kid))
            return jwk_ref(k->dynamic[i]);
    return k && k->fixed && str_eq(k->fixed->kid, kid) ? jwk_ref(k->fixed) : NULL;
}

struct reading {
    struct cdi_call *call;
    const struct app_keys *known;
    struct app_keys *keys;
};

static enum err unseal_key(struct cdi_call *c, struct str kid, struct str sealed, struct jwk **out)
{
    struct str pem, place = place_of(c, "signing_key", kid);
    if (place.p == NULL)
        return ERR_NOMEM;
    enum err err = unseal(c->identity->sealer, place, sealed, c->arena, &pem);
    if (err != ERR_OK)
        return err == ERR_INVALID ? ERR_INTERNAL : err; /* somebody has changed the store */
    err = parse(kid, pem, out);
    unseal_wipe(pem);
    return err;
}

static enum err take_row(void *arg, const struct store_value *v, size_t n)
{
    struct reading *r = arg;
    struct jwk *key = find_known(r->known, v[0].s);
    ASSERT(n == 4);
    enum err err = key ? ERR_OK : unseal_key(r->call, v[0].s, v[3].s, &key);
    return err ? err : take(r->keys, v[1].i != 0, v[2].i, key);
}

static enum err insert(struct cdi_call *c, struct store_tx *tx, struct str kid, int64_t created_ms,
                       bool dynamic, struct str pem)
{
    struct str sealed, place = place_of(c, "signing_key", kid);
    enum err err = place.p ? seal(c->identity->sealer, place, pem, c->arena, &sealed) : ERR_NOMEM;
    return err ? err
               : store_run(tx, &STMT_insert,
                           ARGS(STORE_S(c->app), STORE_S(kid), STORE_I(dynamic),
                                STORE_I(created_ms), STORE_S(sealed)),
                           NULL, NULL);
}

/* A key pair is not made here but taken out of the pool, and is the store's from now on. */
static enum err make(struct cdi_call *c, struct store_tx *tx, bool dynamic, int64_t created_ms,
                     struct jwk **out)
{
    char uuid[37], *pem;
    crypt_uuid(uuid);
    struct str kid = dynamic ? arena_fmt(c->arena, "d-%lld", (long long)created_ms)
                             : arena_fmt(c->arena, "s-%s", uuid);
    enum err err = kid.p ? key_pool_take(c->identity->key_pool, &pem) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    err = insert(c, tx, kid, created_ms, dynamic, str_c(pem));
    if (err == ERR_OK)
        err = parse(kid, str_c(pem), out);
    key_pool_wipe(pem);
    return err;
}

/* --- the key of the refresh tokens --------------------------------------------------------------
 */
static enum err make_refresh(struct cdi_call *c, struct store_tx *tx, struct str place,
                             struct app_keys *k)
{
    struct str sealed;
    enum err err = crypt_random(k->refresh, sizeof k->refresh);
    if (err == ERR_OK)
        err = seal(c->identity->sealer, place, str_of(k->refresh, sizeof k->refresh), c->arena,
                   &sealed);
    return err ? err
               : store_run(tx, &STMT_insert_refresh, ARGS(STORE_S(c->app), STORE_S(sealed)), NULL,
                           NULL);
}

static enum err read_refresh(struct cdi_call *c, struct store_tx *tx, enum keys_wanted wanted,
                             struct app_keys *k)
{
    struct store_value v;
    struct str secret, place = place_of(c, "refresh_key", STR(""));
    if (place.p == NULL)
        return ERR_NOMEM;
    enum err err = cdi_row(c, tx, &STMT_refresh, ARGS(STORE_S(c->app)), &v, 1);
    if (err == ERR_NOTFOUND && wanted != KEYS_KNOWN)
        return make_refresh(c, tx, place, k);
    if (err == ERR_OK)
        err = unseal(c->identity->sealer, place, v.s, c->arena, &secret);
    if (err != ERR_OK)
        return err == ERR_INVALID ? ERR_INTERNAL : err;
    err = secret.n == REFRESH_KEY ? ERR_OK : ERR_INTERNAL;
    if (err == ERR_OK)
        memcpy(k->refresh, secret.p, REFRESH_KEY);
    unseal_wipe(secret);
    return err;
}

/* --- all of an app ------------------------------------------------------------------------------
 */
/* A fresh one before the others; of those the oldest goes when there is no more room. */
static enum err add_dynamic(struct cdi_call *c, struct store_tx *tx, struct app_keys *k)
{
    /* When it is made, not when the call began: from then on others can know it. */
    int64_t created_ms = clock_wall_us(run_clock(c->identity->o.run)) / 1000;
    struct jwk *fresh;
    if (created_ms < c->now_ms)
        created_ms = c->now_ms;
    if (k->dynamic_n > 0 && created_ms <= k->created_ms[0])
        created_ms = k->created_ms[0] + 1; /* another node's clock is ahead */
    enum err err = make(c, tx, true, created_ms, &fresh);
    if (err != ERR_OK)
        return err;
    if (k->dynamic_n == LIMIT_APP_KEYS)
        jwk_unref(k->dynamic[--k->dynamic_n]);
    memmove(k->dynamic + 1, k->dynamic, k->dynamic_n * sizeof k->dynamic[0]);
    memmove(k->created_ms + 1, k->created_ms, k->dynamic_n * sizeof k->created_ms[0]);
    k->dynamic[0] = fresh;
    k->created_ms[0] = created_ms;
    k->dynamic_n++;
    return ERR_OK;
}

/* Private parts go when their keys retire, the rest of the row a while later. */
static enum err retire(struct cdi_call *c, struct store_tx *tx)
{
    int64_t retired_ms = c->now_ms - keys__life_ms(c->config);
    int64_t listed_ms = longest_ms(c->config) * LIMIT_APP_KEYS;
    int64_t forgotten_ms = retired_ms - (listed_ms < REMEMBER_MS ? listed_ms : REMEMBER_MS);
    enum err err =
        store_run(tx, &STMT_retire, ARGS(STORE_S(c->app), STORE_I(retired_ms)), NULL, NULL);
    return err ? err
               : store_run(tx, &STMT_forget, ARGS(STORE_S(c->app), STORE_I(forgotten_ms)), NULL,
                           NULL);
}

static enum err make_missing(struct cdi_call *c, struct store_tx *tx, enum keys_wanted wanted,
                             struct app_keys *k)
{
    bool had = k->dynamic_n > 0, fixed = wanted != KEYS_THAT_SIGN && k->fixed == NULL;
    bool dynamic = wanted == KEYS_ROTATED || k->due_ms <= c->now_ms;
    if (wanted == KEYS_KNOWN)
        return had || k->fixed ? ERR_OK : ERR_NOTFOUND;
    if (c->may_wait && !key_pool_has(c->identity->key_pool, (unsigned)fixed + dynamic)) {
        c->lacks_key = fixed || wanted == KEYS_ROTATED || !keys__may_sign(k, c->now_ms);
        return c->lacks_key ? ERR_BUSY : ERR_OK;
    }
    enum err err = fixed ? make(c, tx, false, c->now_ms, &k->fixed) : ERR_OK;
    if (err == ERR_OK && dynamic)
        err = add_dynamic(c, tx, k);
    if (err == ERR_OK && dynamic)
        err = retire(c, tx);
    if (err != ERR_OK || !had || !(fixed || dynamic))
        return err;
    k->changes++; /* the one that the next line will count */
    return cdi_changed(c, tx, IDENTITY_KEYS, STR(""), STR(""));
}

static enum err collect(struct app_keys *k, const struct core_config *g)
{
    struct jwk *all[LIMIT_APP_KEYS + 1];
    size_t n = k->dynamic_n;
    memcpy(all, k->dynamic, n * sizeof all[0]);
    keys__time(k, g);
    if (k->fixed)
        all[n++] = k->fixed;
    enum err err = jwks_new(all, n, &k->verifiers, NULL);
    return err == ERR_NOMEM || err == ERR_OK ? err : ERR_INTERNAL;
}

static enum err load(struct cdi_call *c, struct store_tx *tx, const struct app_keys *known,
                     enum keys_wanted wanted, struct app_keys *k)
{
    struct reading r = {c, known, k};
    struct store_value one;
    enum err err =
        wanted == KEYS_KNOWN ? ERR_OK : cdi_row(c, tx, &STMT_lock, ARGS(STORE_S(c->app)), &one, 1);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_keys,
                        ARGS(STORE_S(c->app), STORE_I(c->now_ms - keys__life_ms(c->config)),
                             STORE_I(LIMIT_APP_KEYS + 1)),
                        take_row, &r);
    keys__time(k, c->config);
    return err ? err : read_refresh(c, tx, wanted, k);
}

enum err keys__load(struct cdi_call *c, struct store_tx *tx, const struct app_keys *known,
                    enum keys_wanted wanted, struct app_keys **out)
{
    struct app_keys *k = mem_alloc(sizeof *k);
    *out = NULL;
    if (k == NULL)
        return ERR_NOMEM;
    atomic_init(&k->refs, 1);
    enum err err = c->app.n <= LIMIT_TENANT_ID ? ERR_OK : ERR_NOTFOUND;
    if (err == ERR_OK) {
        memcpy(k->app_text, c->app.p, c->app.n);
        k->app = str_of(k->app_text, c->app.n);
        err = load(c, tx, known, wanted, k);
    }
    if (err == ERR_OK)
        err = make_missing(c, tx, wanted, k);
    if (err == ERR_OK)
        err = collect(k, c->config);
    if (err == ERR_OK)
        *out = k;
    else
        app_keys__unref(k);
    return err;
}

/* --- the key file -------------------------------------------------------------------------------
 */
struct sealed_row {
    struct arena *arena;
    struct str app, sealed;
};

static enum err take_sealed(void *arg, const struct store_value *v, size_t n)
{
    struct sealed_row *r = arg;
    ASSERT(n == 2);
    r->app = arena_str(r->arena, v[0].s);
    r->sealed = arena_str(r->arena, v[1].s);
    return r->app.p && r->sealed.p ? ERR_OK : ERR_NOMEM;
}

static enum err open_sealer(struct identity *i, struct arena *a, struct errinfo *e)
{
    struct sealed_row row = {.arena = a};
    struct str secret;
    enum err err = store_read_now(i->o.store, &STMT_any, NULL, 0, take_sealed, &row, e);
    if (err == ERR_OK && row.sealed.p && access(i->o.key_file, F_OK) != 0)
        return errinfo_set(e, ERR_INVALID,
                           "%s is not there, but the store's secrets are sealed with it: bring it "
                           "back from your backup",
                           i->o.key_file);
    if (err == ERR_OK)
        err = sealer_new(i->o.key_file, &i->sealer, e);
    if (err != ERR_OK || row.sealed.p == NULL)
        return err;
    struct str place = arena_fmt(a, "%.*s/refresh_key/", STR_ARG(row.app));
    err = place.p ? unseal(i->sealer, place, row.sealed, a, &secret) : ERR_NOMEM;
    if (err == ERR_OK)
        unseal_wipe(secret);
    if (err == ERR_INVALID)
        return errinfo_set(e, err, "%s is not the key that the store's secrets are sealed with",
                           i->o.key_file);
    return err ? errinfo_set(e, err, "%s", err_text(err)) : ERR_OK;
}

enum err keys__open_sealer(struct identity *i, struct errinfo *e)
{
    struct arena *a = arena_new(KIB(1), LIMIT_SEALED * 4);
    if (a == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    enum err err = open_sealer(i, a, e);
    arena_free(a);
    return err;
}
