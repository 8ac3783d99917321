/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of an app in the store, and when new ones are made (specs/identity-core.md 3.8).
 * Invariant: keys are made under the lock of the app's row, so that of several nodes only one makes
 * them, and a key is in the JWKS of all for a while before anything is signed with it. */
#include "base/crypt.h"
#include "base/mem.h"
#include "keys_int.h"
#include "seal_int.h"

#define OVERLAP_MS 60000

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
    SQL("DELETE FROM signing_key WHERE app_id = $1 AND dynamic = 1 AND created_ms < $2");
static const struct stmt STMT_refresh = SQL("SELECT sealed FROM refresh_key WHERE app_id = $1");
static const struct stmt STMT_insert_refresh =
    SQL("INSERT INTO refresh_key (app_id, sealed) VALUES ($1, $2)");

int64_t keys__overlap_ms(const struct core_config *g)
{
    int64_t quarter = g->signing_key_interval_ms / 4;
    return quarter < OVERLAP_MS ? quarter : OVERLAP_MS;
}

/* From when on a dynamic key verifies nothing any more: no token of it can be valid. */
static int64_t life_ms(const struct core_config *g)
{
    return g->signing_key_interval_ms + 2 * 1000 * g->access_token_validity_s;
}

bool keys__due(const struct app_keys *k, const struct core_config *g, int64_t now_ms)
{
    return k->dynamic_n == 0 ||
           k->created_ms[0] + g->signing_key_interval_ms <= now_ms + keys__overlap_ms(g);
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

static enum err take(struct app_keys *k, struct str kid, bool dynamic, int64_t created_ms,
                     struct str pem)
{
    const struct jwk_about about = {.has_kid = true, .kid = kid, .alg = &jws_algs[JWS_RS256]};
    if (dynamic && k->dynamic_n == LIMIT_APP_KEYS)
        return ERR_LIMIT;
    struct jwk **to = dynamic ? &k->dynamic[k->dynamic_n] : &k->fixed;
    enum err err = *to ? ERR_INTERNAL : jwk_parse_pem(pem, JWK_OWN, &about, to, NULL);
    if (err != ERR_OK || !dynamic)
        return err == ERR_NOMEM ? err : err ? ERR_INTERNAL : ERR_OK;
    k->created_ms[k->dynamic_n++] = created_ms;
    return ERR_OK;
}

struct reading {
    struct cdi_call *call;
    struct app_keys *keys;
};

static enum err take_row(void *arg, const struct store_value *v, size_t n)
{
    struct reading *r = arg;
    struct cdi_call *c = r->call;
    struct str pem;
    ASSERT(n == 4);
    struct str place = place_of(c, "signing_key", v[0].s);
    enum err err = place.p ? ERR_OK : ERR_NOMEM;
    if (err == ERR_OK)
        err = unseal(c->identity->sealer, place, v[3].s, c->arena, &pem);
    if (err != ERR_OK)
        return err == ERR_INVALID ? ERR_INTERNAL : err; /* sealed under another key file */
    err = take(r->keys, v[0].s, v[1].i != 0, v[2].i, pem);
    unseal_wipe(pem);
    return err;
}

/* A key pair is not made here but taken out of the pool, and is the store's from now on. */
static enum err make(struct cdi_call *c, struct store_tx *tx, struct app_keys *k, bool dynamic)
{
    char uuid[37], *pem;
    struct str sealed;
    crypt_uuid(uuid);
    struct str kid = dynamic ? arena_fmt(c->arena, "d-%lld", (long long)c->now_ms)
                             : arena_fmt(c->arena, "s-%s", uuid);
    struct str place = kid.p ? place_of(c, "signing_key", kid) : STR_NONE;
    enum err err = place.p ? key_pool_take(c->identity->key_pool, &pem) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    err = seal(c->identity->sealer, place, str_c(pem), c->arena, &sealed);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_insert,
                        ARGS(STORE_S(c->app), STORE_S(kid), STORE_I(dynamic), STORE_I(c->now_ms),
                             STORE_S(sealed)),
                        NULL, NULL);
    if (err == ERR_OK && k)
        err = take(k, kid, dynamic, c->now_ms, str_c(pem));
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

static enum err read_refresh(struct cdi_call *c, struct store_tx *tx, struct app_keys *k)
{
    struct store_value v;
    struct str secret, place = place_of(c, "refresh_key", STR(""));
    if (place.p == NULL)
        return ERR_NOMEM;
    enum err err = cdi_row(c, tx, &STMT_refresh, ARGS(STORE_S(c->app)), &v, 1);
    if (err == ERR_NOTFOUND)
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
static enum err add_dynamic(struct cdi_call *c, struct store_tx *tx, struct app_keys *k)
{
    struct jwk *older[LIMIT_APP_KEYS];
    int64_t created_ms[LIMIT_APP_KEYS];
    size_t n = k->dynamic_n < LIMIT_APP_KEYS ? k->dynamic_n : LIMIT_APP_KEYS - 1;
    if (k->dynamic_n == LIMIT_APP_KEYS) /* keys follow one another faster than tokens end */
        jwk_unref(k->dynamic[n]);
    memcpy(older, k->dynamic, n * sizeof older[0]);
    memcpy(created_ms, k->created_ms, n * sizeof created_ms[0]);
    k->dynamic_n = 0;
    k->dynamic[0] = NULL;
    enum err err = make(c, tx, k, true);
    size_t at = k->dynamic_n;
    memcpy(k->dynamic + at, older, n * sizeof older[0]);
    memcpy(k->created_ms + at, created_ms, n * sizeof created_ms[0]);
    k->dynamic_n += n;
    return err ? err
               : store_run(tx, &STMT_retire,
                           ARGS(STORE_S(c->app), STORE_I(c->now_ms - life_ms(c->config))), NULL,
                           NULL);
}

static enum err make_missing(struct cdi_call *c, struct store_tx *tx, struct app_keys *k)
{
    bool due = keys__due(k, c->config, c->now_ms), had = k->fixed != NULL;
    enum err err = had ? ERR_OK : make(c, tx, k, false);
    if (err == ERR_OK && due)
        err = add_dynamic(c, tx, k);
    return err == ERR_OK && due && had ? cdi_changed(c, tx, IDENTITY_KEYS, STR(""), STR("")) : err;
}

static enum err collect(struct app_keys *k, const struct core_config *g)
{
    struct jwk *all[LIMIT_APP_KEYS + 1];
    memcpy(all, k->dynamic, k->dynamic_n * sizeof all[0]);
    all[k->dynamic_n] = k->fixed;
    k->gone_ms = k->created_ms[k->dynamic_n - 1] + life_ms(g);
    enum err err = jwks_new(all, k->dynamic_n + 1, &k->verifiers, NULL);
    return err == ERR_NOMEM ? err : err ? ERR_INTERNAL : ERR_OK;
}

static enum err load(struct cdi_call *c, struct store_tx *tx, struct app_keys *k)
{
    struct reading r = {c, k};
    struct store_value one;
    enum err err = cdi_row(c, tx, &STMT_lock, ARGS(STORE_S(c->app)), &one, 1);
    if (err == ERR_OK)
        err = store_run(
            tx, &STMT_keys,
            ARGS(STORE_S(c->app), STORE_I(c->now_ms - life_ms(c->config)), STORE_I(LIMIT_APP_KEYS)),
            take_row, &r);
    if (err == ERR_OK)
        err = read_refresh(c, tx, k);
    if (err == ERR_OK)
        err = make_missing(c, tx, k);
    return err ? err : collect(k, c->config);
}

enum err keys__load(struct cdi_call *c, struct store_tx *tx, struct app_keys **out)
{
    struct app_keys *k = mem_alloc(sizeof *k);
    *out = NULL;
    if (k == NULL)
        return ERR_NOMEM;
    atomic_init(&k->refs, 1);
    memcpy(k->app_text, c->app.p, c->app.n);
    k->app = str_of(k->app_text, c->app.n);
    enum err err = c->app.n <= LIMIT_TENANT_ID ? load(c, tx, k) : ERR_NOTFOUND;
    if (err == ERR_OK)
        *out = k;
    else
        app_keys__unref(k);
    return err;
}

enum err keys__rotate(struct cdi_call *c, struct store_tx *tx)
{
    enum err err = make(c, tx, NULL, true);
    return err ? err : cdi_changed(c, tx, IDENTITY_KEYS, STR(""), STR(""));
}
