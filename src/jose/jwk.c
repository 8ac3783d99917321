/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and keeping a key. Invariant: a struct jwk exists only for a key that passed every rule
 * of its kind, and it never changes. */
#include "jose/jwk.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "base/mem.h"
#include "jose/jwk_int.h"

static const char *const status_names[] = {
    [JWK_ACTIVE] = "active", [JWK_RETIRING] = "retiring", [JWK_RETIRED] = "retired"};

const char *jwk_status_name(enum jwk_status s)
{
    return status_names[s];
}

enum jwk_status jwk_status_at(const struct jwk *k, int64_t now_s)
{
    if (k->status == JWK_RETIRING && now_s >= k->retires_s)
        return JWK_RETIRED;
    return k->status;
}

/* ---- life ---- */

static void core_unref(struct jwk__core *c)
{
    if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    for (size_t i = 0; i < JWS_COUNT; i++)
        for (size_t j = 0; j < JOSE__SPARES; j++)
            jose__worker_free(atomic_load(&c->spare[i][j]));
    EVP_PKEY_free(c->pkey);
    if (c->secret)
        mem_cleanse_free(c->secret, c->secret_n);
    mem_free(c);
}

struct jwk *jwk_ref(struct jwk *k)
{
    atomic_fetch_add(&k->refs, 1);
    return k;
}

void jwk_unref(struct jwk *k)
{
    if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    core_unref(k->core);
    mem_free(k);
}

static struct jwk *new_key(const struct jwk_about *about, struct str x5t)
{
    struct jwk *k = mem_alloc(sizeof *k);
    struct jwk__core *c = mem_alloc(sizeof *c + about->kid.n + x5t.n + 1);
    if (k == NULL || c == NULL) {
        mem_free(k);
        mem_free(c);
        return NULL;
    }
    atomic_init(&c->refs, 1);
    atomic_init(&k->refs, 1);
    if (about->kid.n)
        memcpy(c->text, about->kid.p, about->kid.n);
    if (x5t.n)
        memcpy(c->text + about->kid.n, x5t.p, x5t.n);
    k->core = c;
    k->has_kid = about->has_kid;
    k->kid = str_of(c->text, about->kid.n);
    k->x5t = str_of(c->text + about->kid.n, x5t.n);
    k->created_s = about->created_s ? about->created_s : JWK_NO_TIME;
    k->status = about->status;
    k->retires_s = about->status == JWK_ACTIVE ? JWK_NO_TIME : about->retires_s;
    return k;
}

enum err jwk_with_status(const struct jwk *k, enum jwk_status status, int64_t retires_s,
                         struct jwk **out)
{
    struct jwk *copy = mem_dup(k, sizeof *k);
    *out = copy;
    if (copy == NULL)
        return ERR_NOMEM;
    atomic_init(&copy->refs, 1);
    atomic_fetch_add(&copy->core->refs, 1);
    copy->status = status;
    copy->retires_s = status == JWK_ACTIVE ? JWK_NO_TIME : retires_s;
    return ERR_OK;
}

/* ---- what it may verify ---- */

static bool goes_with(const struct jws_alg *alg, const struct jwk *k)
{
    bool curve = alg->curve == NULL || (k->curve && str_eqz(str_c(alg->curve), k->curve));
    return alg->type == k->type && curve;
}

/* `alg` decides alone where the key has one: the rest would be a guess of ours. */
static enum err choose_algs(struct jwk *k, const struct jws_alg *alg, struct errinfo *e)
{
    for (size_t i = 0; i < JWS_COUNT; i++) {
        const struct jws_alg *row = &jws_algs[i];
        bool long_enough = row->family != JWS_HMAC || k->bits >= row->bytes * 8;
        if (goes_with(row, k) && long_enough && (alg == NULL || alg == row))
            k->algs |= JWS_BIT(row->id);
    }
    if (k->algs != 0)
        return ERR_OK;
    if (alg && goes_with(alg, k))
        return errinfo_set(e, ERR_INVALID, "%s needs a secret of at least %u bytes", alg->name,
                           alg->bytes);
    if (alg)
        return errinfo_set(e, ERR_INVALID, "alg %s does not go with this key", alg->name);
    return errinfo_set(e, ERR_INVALID, "a secret of less than 32 bytes");
}

static enum err check_about(const struct jwk_about *about, struct errinfo *e)
{
    if (about->kid.n > LIMIT_JWT_KID)
        return errinfo_set(e, ERR_INVALID, "kid is longer than %d bytes", LIMIT_JWT_KID);
    return ERR_OK;
}

enum err jwk__finish(EVP_PKEY *pkey, bool is_private, const struct jwk_about *about, struct str x5t,
                     struct jwk **out, struct errinfo *e)
{
    static const struct jwk_about nothing = {0};
    struct jwk *k = NULL;
    if (about == NULL)
        about = &nothing;
    enum err err = check_about(about, e);
    if (err == ERR_OK && (k = new_key(about, x5t)) == NULL)
        err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (err != ERR_OK) {
        EVP_PKEY_free(pkey);
        return err;
    }
    k->core->pkey = pkey;
    k->has_private = is_private;
    err = jwk__judge(pkey, is_private && !(about && about->is_pair), k, e);
    if (err == ERR_OK)
        err = choose_algs(k, about->alg, e);
    if (err != ERR_OK) {
        jwk_unref(k);
        return err;
    }
    k->core->modulus_bytes = k->type == JWK_RSA ? (k->bits + 7) / 8 : 0;
    *out = k;
    return ERR_OK;
}

enum err jwk_with_name(const struct jwk *k, const struct jwk_about *about, struct jwk **out)
{
    *out = NULL;
    if (k->core->pkey == NULL)
        return ERR_INVALID;
    if (EVP_PKEY_up_ref(k->core->pkey) != 1)
        return ERR_INTERNAL;
    return jwk__finish(k->core->pkey, k->has_private, about, STR(""), out, NULL);
}

static bool all_zero(struct str s)
{
    unsigned char any = 0;
    for (size_t i = 0; i < s.n; i++)
        any |= (unsigned char)s.p[i];
    return any == 0;
}

static enum err finish_secret(struct str secret, const struct jwk_about *about, struct str x5t,
                              struct jwk **out, struct errinfo *e)
{
    enum err err = check_about(about, e);
    if (err != ERR_OK)
        return err;
    if (secret.n == 0)
        return errinfo_set(e, ERR_INVALID, "an empty secret");
    if (secret.n > LIMIT_JWK_SECRET)
        return errinfo_set(e, ERR_INVALID, "a secret of more than %d bytes", LIMIT_JWK_SECRET);
    struct jwk *k = new_key(about, x5t);
    if (k == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    k->type = JWK_OCT;
    k->bits = (unsigned)secret.n * 8;
    k->has_private = true;
    k->core->secret = mem_dup(secret.p, secret.n);
    k->core->secret_n = secret.n;
    err = k->core->secret ? choose_algs(k, about->alg, e)
                          : errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (err == ERR_OK)
        *out = k;
    else
        jwk_unref(k);
    return err;
}

enum err jwk_from_secret(struct str secret, const struct jwk_about *about, struct jwk **out,
                         struct errinfo *e)
{
    static const struct jwk_about nothing = {0};
    *out = NULL;
    if (all_zero(secret))
        return errinfo_set(e, ERR_INVALID, "a secret of zero bytes only, or of none");
    return finish_secret(secret, about ? about : &nothing, STR(""), out, e);
}

/* ---- the members of a JWK ---- */

/* An optional member that must be a string. */
static enum err text_member(const struct json *v, const char *name, struct str *out,
                            struct errinfo *e)
{
    const struct json *m = json_get(v, name);
    *out = STR_NONE;
    if (m == NULL || json_str(m, out))
        return ERR_OK;
    return errinfo_set(e, ERR_INVALID, "%s is not a string", name);
}

static bool is_listed(const struct json *list, const char *what)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_eqz(json_str_or(json_at(list, i), STR("")), what))
            return true;
    return false;
}

/* RFC 7517 4.3: no value twice; with `use` the two must agree. */
static enum err check_key_ops(const struct json *ops, bool may_sign, struct errinfo *e)
{
    struct str a, b;
    if (ops == NULL)
        return ERR_OK;
    if (!json_is(ops, JSON_ARRAY) || ops->n > 16)
        return errinfo_set(e, ERR_INVALID, "key_ops is not a list of operations");
    for (size_t i = 0; i < ops->n; i++) {
        if (!json_str(ops->items[i], &a))
            return errinfo_set(e, ERR_INVALID, "key_ops is not a list of operations");
        for (size_t j = 0; j < i; j++)
            if (json_str(ops->items[j], &b) && str_eq(a, b))
                return errinfo_set(e, ERR_INVALID, "key_ops has an operation twice");
    }
    if (!is_listed(ops, "verify") && !(may_sign && is_listed(ops, "sign")))
        return errinfo_set(e, ERR_UNSUPPORTED, "key_ops does not let it verify");
    if (ops->n > (size_t)is_listed(ops, "verify") + is_listed(ops, "sign"))
        return errinfo_set(e, ERR_INVALID, "key_ops mixes signatures with other uses");
    return ERR_OK;
}

static enum err check_use(const struct json *v, bool may_sign, struct errinfo *e)
{
    struct str use;
    enum err err = text_member(v, "use", &use, e);
    if (err == ERR_OK && use.p && !str_eqz(use, "sig"))
        return errinfo_set(e, ERR_UNSUPPORTED, "use is not sig");
    return err ? err : check_key_ops(json_get(v, "key_ops"), may_sign, e);
}

static enum err time_member(const struct json *v, const char *name, int64_t *out, struct errinfo *e)
{
    const struct json *m = json_get(v, name);
    if (m == NULL)
        return ERR_OK;
    if (!json_int(m, out) || *out < 1 || *out > LIMIT_NUMERIC_DATE)
        return errinfo_set(e, ERR_INVALID, "%s is not a time in seconds", name);
    return ERR_OK;
}

static enum err read_life(const struct json *v, struct jwk_about *about, struct errinfo *e)
{
    struct str status;
    about->retires_s = JWK_NO_TIME;
    enum err err = text_member(v, "x-ropeline-status", &status, e);
    if (err == ERR_OK)
        err = time_member(v, "x-ropeline-created", &about->created_s, e);
    if (err == ERR_OK)
        err = time_member(v, "x-ropeline-retires", &about->retires_s, e);
    if (err != ERR_OK)
        return err;
    bool has_time = about->retires_s != JWK_NO_TIME;
    for (size_t i = 0; i < COUNTOF(status_names); i++)
        if (str_eqz(status, status_names[i]))
            about->status = (enum jwk_status)i;
    if (status.p && !str_eqz(status, status_names[about->status]))
        return errinfo_set(e, ERR_INVALID, "x-ropeline-status is active, retiring or retired");
    if (about->status == JWK_RETIRING && !has_time)
        return errinfo_set(e, ERR_INVALID, "a retiring key needs x-ropeline-retires");
    if (about->status == JWK_ACTIVE && has_time)
        return errinfo_set(e, ERR_INVALID, "x-ropeline-retires without a status");
    return ERR_OK;
}

static enum err read_about(const struct json *v, enum jwk_source from, struct jwk_about *about,
                           struct str *x5t, struct errinfo *e)
{
    struct str alg;
    enum err err = text_member(v, "kid", &about->kid, e);
    about->has_kid = about->kid.p != NULL;
    if (err == ERR_OK)
        err = text_member(v, "x5t", x5t, e);
    if (err == ERR_OK && x5t->n > LIMIT_JWT_KID)
        err = errinfo_set(e, ERR_INVALID, "x5t is longer than %d bytes", LIMIT_JWT_KID);
    if (err == ERR_OK)
        err = text_member(v, "alg", &alg, e);
    if (err == ERR_OK && alg.p && (about->alg = jws_alg_named(alg)) == NULL)
        err = errinfo_set(e, ERR_UNSUPPORTED, "alg %.*s is not one of signatures",
                          STR_ARG(str_sub(alg, 0, 20)));
    if (err == ERR_OK)
        err = check_use(v, from == JWK_OWN, e);
    if (err == ERR_OK && from == JWK_OWN)
        err = read_life(v, about, e);
    return err;
}

static enum err parse_secret(const struct json *v, enum jwk_source from,
                             const struct jwk_about *about, struct str x5t, struct jwk **out,
                             struct errinfo *e)
{
    struct str text;
    if (!json_str(json_get(v, "k"), &text))
        return errinfo_set(e, ERR_INVALID, "k is not a string");
    struct buf secret = BUF_INIT(LIMIT_JWK_SECRET * 2);
    enum err err = crypt_base64url_decode(&secret, text);
    if (err == ERR_OK && from == JWK_OWN && all_zero(buf_str(&secret)))
        err = errinfo_set(e, ERR_INVALID, "a secret of zero bytes only, or of none");
    else if (err == ERR_OK)
        err = finish_secret(buf_str(&secret), about, x5t, out, e);
    else
        err = errinfo_set(e, err == ERR_SYNTAX ? ERR_INVALID : err, "k is not base64url");
    if (secret.p)
        OPENSSL_cleanse(secret.p, secret.cap);
    buf_fini(&secret);
    return err;
}

static bool has_private_member(const struct json *v)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (json_get(v, names[i]))
            return true;
    return false;
}

enum err jwk_parse(const struct json *v, enum jwk_source from, struct jwk **out, struct errinfo *e)
{
    struct str kty, x5t;
    struct jwk_about about = {0};
    EVP_PKEY *pkey = NULL;
    bool is_private = false;
    *out = NULL;
    if (!json_is(v, JSON_OBJECT))
        return errinfo_set(e, ERR_INVALID, "a key is a JSON object");
    if (!json_str(json_get(v, "kty"), &kty))
        return errinfo_set(e, ERR_INVALID, "kty is missing");
    bool oct = str_eqz(kty, "oct");
    /* What must not be there comes before everything that only makes a key useless. */
    if (from != JWK_OWN && (has_private_member(v) || (!oct && json_get(v, "k"))))
        return errinfo_set(e, ERR_DENIED, "private members of a key are published");
    if (oct && from == JWK_FETCHED)
        return errinfo_set(e, ERR_DENIED, "a secret (kty oct) is published");
    enum err err = read_about(v, from, &about, &x5t, e);
    if (err != ERR_OK)
        return err;
    if (oct)
        return parse_secret(v, from, &about, x5t, out, e);
    err = jwk__build(v, &pkey, &is_private, e);
    return err ? err : jwk__finish(pkey, is_private, &about, x5t, out, e);
}
