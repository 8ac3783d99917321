/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotation of signing keys. Invariant: from the moment a successor signs until the end of the
 * overlap both verify, so no token becomes invalid before its time, and none after. */
#include "jose/rotation.h"

#include "base/limits.h"

static int64_t began(const struct jwk *k)
{
    return k->created_s == JWK_NO_TIME ? 0 : k->created_s;
}

struct jwk *rotation_signer(const struct jwks *keys, int64_t now_s)
{
    struct jwk *best = NULL;
    for (size_t i = 0; i < keys->n; i++) {
        struct jwk *k = keys->keys[i];
        if (k->has_private && began(k) <= now_s && jwk_status_at(k, now_s) != JWK_RETIRED &&
            (best == NULL || began(k) > began(best)))
            best = k;
    }
    return best;
}

int64_t rotation_due(const struct jwks *keys, const struct rotation_policy *p)
{
    int64_t last = 0;
    if (p->period_s == 0)
        return ROTATION_NEVER;
    for (size_t i = 0; i < keys->n; i++)
        if (keys->keys[i]->status == JWK_ACTIVE && began(keys->keys[i]) > last)
            last = began(keys->keys[i]);
    return last + p->period_s - p->ahead_s;
}

/* Has a retired key been listed long enough? One without a time stays: nobody knows. */
static bool is_over(const struct jwk *k, int64_t now_s, const struct rotation_policy *p)
{
    return p->keep_s > 0 && jwk_status_at(k, now_s) == JWK_RETIRED && k->retires_s != JWK_NO_TIME &&
           now_s >= k->retires_s + p->keep_s;
}

/* One key of the old set as it is from now on, with a reference for the caller. */
static enum err age(struct jwk *k, const struct jwk *fresh, int64_t now_s,
                    const struct rotation_policy *p, struct jwk **out)
{
    if (k->status == JWK_ACTIVE && fresh) {
        int64_t end = began(fresh) + p->overlap_s;
        return jwk_with_status(k, end <= now_s ? JWK_RETIRED : JWK_RETIRING, end, out);
    }
    if (k->status == JWK_RETIRING && jwk_status_at(k, now_s) == JWK_RETIRED)
        return jwk_with_status(k, JWK_RETIRED, k->retires_s, out);
    *out = jwk_ref(k);
    return ERR_OK;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_change(const struct jwks *keys, const struct rotation_policy *p)
{
    int64_t next = rotation_due(keys, p);
    for (size_t i = 0; i < keys->n; i++) {
        const struct jwk *k = keys->keys[i];
        if (k->status == JWK_RETIRING)
            next = earlier(next, k->retires_s);
        if (k->status == JWK_RETIRED && k->retires_s != JWK_NO_TIME && p->keep_s > 0)
            next = earlier(next, k->retires_s + p->keep_s);
    }
    return next;
}

enum err rotation_step(const struct jwks *keys, struct jwk *fresh, int64_t now_s,
                       const struct rotation_policy *p, struct jwks **out, int64_t *next_s,
                       struct errinfo *e)
{
    struct jwk *list[LIMIT_JWKS_KEYS + 1] = {NULL};
    size_t n = 0;
    enum err err = ERR_OK;
    *out = NULL;
    if (fresh)
        list[n++] = jwk_ref(fresh);
    for (size_t i = 0; keys && i < keys->n && err == ERR_OK; i++) {
        if (is_over(keys->keys[i], now_s, p))
            continue;
        err = age(keys->keys[i], fresh, now_s, p, &list[n]);
        n += err == ERR_OK;
    }
    if (err == ERR_OK)
        err = jwks_new(list, n, out, e);
    else
        (void)errinfo_set(e, err, "%s", err_text(err));
    for (size_t i = 0; i < n; i++)
        jwk_unref(list[i]);
    if (err == ERR_OK && next_s)
        *next_s = next_change(*out, p);
    return err;
}
