/* SPDX-License-Identifier: Apache-2.0
 *
 * JWT authorizers of HTTP APIs and user pools of REST APIs (specs 3.6, 1.1): each request's token
 * is verified afresh, on the worker that has the request, with the keys at hand. Invariant: only
 * jwt_check's JWT_OK makes a result; a missing key makes the request wait for one attempt to get
 * it, and then the answer stands. */
#include "jwt_int.h"

#define ASKS_MAX 2 /* the first may have joined an attempt that began before the key was there */

static const struct jwt_issuer *issuer_of(const struct jwt_conf *j, const struct jwt *t)
{
    for (size_t i = 0; i < j->n; i++)
        if (str_eq(j->issuer[i].issuer, t->iss))
            return &j->issuer[i];
    return NULL;
}

/* --- what the record says of a refusal ----------------------------------------------------------
 */
static void note_keys(struct auth_call *c, const struct jwt_issuer *i, const struct source_view *v,
                      const struct jwt *t)
{
    AUTO_BUF kids = BUF_INIT(512);
    int64_t now = loop_now_ms(c->loop);
    decision_note(c->record, "authorize", VERDICT_INFO, "keys from",
                  i->source->fetched ? i->issuer : i->source->name);
    if (v && v->keys) {
        buf_addf(&kids, "%zu, got %lld s ago:", v->keys->n, (long long)((now - v->got_ms) / 1000));
        for (size_t k = 0; k < v->keys->n; k++)
            buf_addf(&kids, " %.*s",
                     STR_ARG(v->keys->keys[k]->kid.n ? v->keys->keys[k]->kid : STR("(no kid)")));
        decision_note(c->record, "authorize", VERDICT_INFO, "keys", str_of(kids.p, kids.n));
    }
    for (size_t k = 0; v && k < v->gone_n; k++)
        if (str_eqz(str_sub(t->jws.kid, 0, sizeof v->gone[k].kid - 1), v->gone[k].kid))
            decision_notef(c->record, "authorize", VERDICT_INFO, "kid",
                           "was taken out of the set %lld s ago",
                           (long long)(loop_wall_us(c->loop) / 1000000 - v->gone[k].wall_s));
    if (v && v->why[0])
        decision_note(c->record, "authorize", VERDICT_INFO, "last error", str_c(v->why));
}

static bool refuse(const struct jwt_conf *j, struct auth_call *c, const struct jwt_fault *why)
{
    AUTO_BUF text = BUF_INIT(512);
    if (why->reason == JWT_INTERNAL)
        return true; /* the verdict is still AUTH_ERROR */
    jwt_fault_write(&text, why);
    decision_note(c->record, "authorize", VERDICT_DENY, "jwt", buf_str(&text));
    return bearer__refuse(&j->bearer, c, jwt_reason_description(why->reason));
}

/* --- keys ---------------------------------------------------------------------------------------
 */
static bool may_ask(const struct auth_call *c, const struct source_view *v)
{
    return c->asks < ASKS_MAX && !(v && loop_now_ms(c->loop) < v->quiet_until_ms);
}

/* A key without a name that was replaced in its file shows as a bad signature. */
static bool key_is_missing(const struct auth_call *c, const struct key_source *s,
                           enum jwt_reason reason)
{
    return reason == JWT_UNKNOWN_KID || reason == JWT_KEY_MISMATCH ||
           (reason == JWT_BAD_SIGNATURE && !s->fetched && c->asks == 0);
}

static bool ask(struct auth_call *c, const struct jwt_issuer *i)
{
    c->asks++;
    c->awaited = i->source;
    source__ask(c);
    return false;
}

static bool refuse_without_keys(const struct jwt_conf *j, struct auth_call *c,
                                const struct jwt_issuer *i, const struct source_view *v,
                                const struct jwt *t)
{
    decision_note(c->record, "authorize", VERDICT_DENY, "jwt",
                  v && v->keys ? STR("the issuer's keys are too old to be believed, and it gives "
                                     "no others")
                               : STR("the issuer has given no keys"));
    note_keys(c, i, v, t);
    return bearer__refuse(&j->bearer, c, "OIDC discovery endpoint communication error");
}

/* --- the decision -------------------------------------------------------------------------------
 */
/* User pools: an access token where the method names scopes, an identity token elsewhere. */
static void for_user_pools(const struct jwt_conf *j, const struct auth_call *c,
                           struct jwt_checker *k)
{
    if (j->user_pools)
        k->token_use = c->facts.scope_count > 0 ? STR("access") : STR("id");
}

/* identityValidationExpression of a user pool: aud, or client_id where there is none (access
 * tokens). ERR_DENIED when it does not match. */
static enum err match_audience(const struct jwt_conf *j, const struct jwt *t)
{
    const struct json *aud = json_get(t->claims, "aud");
    if (j->expression == NULL)
        return ERR_OK;
    if (aud == NULL)
        aud = json_get(t->claims, "client_id");
    enum err err = json_is(aud, JSON_STRING) ? pattern_match(j->expression, aud->s) : ERR_NOTFOUND;
    for (size_t i = 0; json_is(aud, JSON_ARRAY) && i < aud->n && err == ERR_NOTFOUND; i++)
        err = pattern_match(j->expression, json_str_or(aud->items[i], STR("")));
    return err == ERR_NOTFOUND ? ERR_DENIED : err;
}

static bool allow(const struct jwt_conf *j, struct auth_call *c, const struct jwt *t,
                  const struct jwk *key)
{
    enum err err = match_audience(j, t);
    if (err == ERR_DENIED) {
        decision_note(c->record, "authorize", VERDICT_DENY, "jwt",
                      STR("identityValidationExpression does not match the whole aud"));
        return bearer__refuse(&j->bearer, c, "the token does not have a valid audience");
    }
    if (err == ERR_OK)
        err = auth__claims_result(c->arena, t->claims, j->bearer.challenges, &c->result);
    if (err != ERR_OK) {
        decision_note(c->record, "authorize", VERDICT_ERROR, "jwt", str_c(err_text(err)));
        return true;
    }
    decision_note(c->record, "authorize", VERDICT_PASS, "issuer", t->iss);
    if (key && key->has_kid)
        decision_note(c->record, "authorize", VERDICT_INFO, "kid", key->kid);
    c->verdict = AUTH_ALLOW;
    return true;
}

static bool decide(const void *conf, struct auth_call *c)
{
    const struct jwt_conf *j = conf;
    struct jwt_fault why = {0};
    const struct jwk *key = NULL;
    struct str token;
    struct jwt t;
    enum err err = bearer__token(&j->bearer, c, &token);
    if (err != ERR_OK)
        return bearer__refuse_absent(&j->bearer, c, err);
    if (jwt_read(c->arena, token, j->algs, &t, &why) != JWT_OK)
        return refuse(j, c, &why);
    const struct jwt_issuer *i = issuer_of(j, &t);
    if (i == NULL) {
        why = (struct jwt_fault){.reason =
                                     json_get(t.claims, "iss") ? JWT_WRONG_ISSUER : JWT_NO_ISSUER,
                                 .got = t.iss,
                                 .expected = j->issuer[0].issuer};
        return refuse(j, c, &why);
    }
    const struct source_view *v = source__view(i->source, c->loop);
    if (!source__is_fresh(v, loop_now_ms(c->loop)))
        return may_ask(c, v) ? ask(c, i) : refuse_without_keys(j, c, i, v, &t);
    struct jwt_checker checker = i->checker; /* a copy: the method decides what use is meant */
    for_user_pools(j, c, &checker);
    enum jwt_reason reason =
        jwt_check(&checker, v->keys, &t, (double)loop_wall_us(c->loop) / 1000000, &key, &why);
    if (reason == JWT_OK)
        return allow(j, c, &t, key);
    if (key_is_missing(c, i->source, reason) && may_ask(c, v))
        return ask(c, i);
    if (reason == JWT_UNKNOWN_KID)
        atomic_fetch_add_explicit(&i->source->unknown_kids, 1, memory_order_relaxed);
    bool decided = refuse(j, c, &why);
    note_keys(c, i, v, &t);
    return decided;
}

/* --- the kinds ----------------------------------------------------------------------------------
 */
static struct str token(const void *conf, const struct auth_call *c)
{
    return bearer__shown(&((const struct jwt_conf *)conf)->bearer, c);
}

static bool reads_header(const void *conf, struct str name)
{
    return bearer__reads_header(&((const struct jwt_conf *)conf)->bearer, name);
}

const struct authorizer_kind authorizer__jwt = {
    .has_claims = true,
    .compile = jwt__compile,
    .fini = jwt__fini,
    .decide = decide,
    .token = token,
    .reads_header = reads_header,
};
const struct authorizer_kind authorizer__user_pools = {
    .has_claims = true,
    .compile = jwt__compile_user_pools,
    .fini = jwt__fini,
    .decide = decide,
    .token = token,
    .reads_header = reads_header,
};
