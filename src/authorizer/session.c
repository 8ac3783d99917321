/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions of our own identity core (docs/internals/authorizer.md, "Sessions"): the access token
 * verified with the app's keys on the worker that has the request; the store is asked only for a
 * token's first use after a refresh, for checkDatabase and for fresh roles. Invariant: no token
 * allows that its app's keys do not vouch for now, nor one whose session is known to be revoked;
 * every refusal is a 401, so that the SDK refreshes. */
#include "session_int.h"

#define REMEMBER_S 60       /* what the store said of a token's first use, at least */
#define UNKNOWN_KID_MS 1000 /* between questions for keys that unknown kids start */

/* One request's way through; lives in its arena. */
struct session_call {
    struct auth_call *call;
    const struct session_conf *conf;
    struct session_token token; /* shown; then, after a promotion, what came in its place */
    enum session_way way;
    struct str new_token;
    struct session_question q;
};

/* --- refusals -----------------------------------------------------------------------------------
 */
static bool refuse(struct auth_call *c, const char *why)
{
    c->verdict = AUTH_UNAUTHORIZED;
    decision_note(c->record, "authorize", VERDICT_DENY, "session", str_c(why));
    return true;
}

static bool fail(struct auth_call *c, const char *what, enum err err)
{
    c->verdict = AUTH_ERROR;
    decision_notef(c->record, "authorize", VERDICT_ERROR, "session", "%s: %s", what, err_text(err));
    return true;
}

static bool refuse_token(struct auth_call *c, const struct jwt_fault *why)
{
    AUTO_BUF text = BUF_INIT(512);
    if (why->reason == JWT_INTERNAL)
        return fail(c, "the token cannot be verified", ERR_INTERNAL);
    jwt_fault_write(&text, why);
    return refuse(c, buf_cstr(&text));
}

/* --- who it is ----------------------------------------------------------------------------------
 */
static enum err identity(const void *conf, struct auth_call *c, struct buf *key)
{
    const struct session_conf *n = conf;
    struct session_call *s = ARENA_NEW(c->arena, struct session_call);
    char masked[16];
    if (s == NULL)
        return ERR_NOMEM;
    s->call = c;
    s->conf = n;
    c->state = s;
    enum err err = session__find_token(c, &s->token);
    s->way = err == ERR_OK ? s->token.way : SESSION_BY_NOTHING;
    if (err == ERR_NOTFOUND && !n->required) {
        c->keep_s = 0;
        return ERR_OK;
    }
    if (err == ERR_NOTFOUND)
        (void)refuse(c, "neither Authorization nor the cookie sAccessToken has an access token");
    else if (err == ERR_DENIED)
        (void)refuse(c,
                     "there is more than one token, or one of a session of old (sIdRefreshToken)");
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? ERR_DENIED : err;
    decision_note(c->record, "authorize", VERDICT_INFO, "identity",
                  decision_mask(s->token.text, masked));
    if (s->token.parent.n > 0 && !n->check_database && c->keep_s < REMEMBER_S)
        c->keep_s = REMEMBER_S;
    if (c->keep_s > 0)
        buf_add(key, s->token.text);
    return key->err;
}

/* --- the result ---------------------------------------------------------------------------------
 */
/* The backend has no use for what only the store and the SDK compare. */
static bool is_kept_back(struct str name)
{
    static const struct str names[] = {STR_INIT("refreshTokenHash1"),
                                       STR_INIT("parentRefreshTokenHash1"),
                                       STR_INIT("antiCsrfToken")};
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

/* Whole, or borrowing names and values of the request's. */
static enum err copy_claims(struct arena *a, const struct json *claims, bool whole,
                            struct json **out)
{
    struct json *copy = json_new_object(a, claims->n);
    enum err err = copy ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < claims->n && err == ERR_OK; i++) {
        const struct json_member *m = &claims->members[i];
        if (is_kept_back(m->key))
            continue;
        if (whole)
            err = json_set(a, copy, m->key, json_new_copy(a, m->value));
        else
            copy->members[copy->n++] = *m;
    }
    *out = copy;
    return err;
}

static enum err copy_names(struct arena *a, const struct str *names, size_t n,
                           const struct str **out)
{
    struct str *copy = ARENA_ARRAY(a, n, struct str);
    *out = copy;
    if (copy == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        if ((copy[i] = arena_str(a, names[i])).p == NULL)
            return ERR_NOMEM;
    return ERR_OK;
}

static enum err add_roles(struct arena *a, const struct session_question *q, struct auth_result *r)
{
    if (q->role_count > LIMIT_TOKEN_ROLES || q->permission_count > LIMIT_TOKEN_ROLES)
        return ERR_LIMIT;
    enum err err = copy_names(a, q->roles, q->role_count, &r->roles);
    if (err == ERR_OK)
        err = copy_names(a, q->permissions, q->permission_count, &r->permissions);
    r->role_count = q->role_count;
    r->permission_count = q->permission_count;
    r->has_roles = true;
    return err;
}

static enum err add_session(struct arena *a, const struct session_call *s, struct auth_result *r)
{
    struct auth_session *of = ARENA_NEW(a, struct auth_session);
    if (of == NULL)
        return ERR_NOMEM;
    r->session = of;
    of->handle = arena_str(a, s->token.handle);
    of->anti_csrf = arena_str(a, s->token.anti_csrf);
    of->new_token = arena_str(a, s->new_token);
    of->front = STR("");
    if (of->handle.p == NULL || of->anti_csrf.p == NULL || of->new_token.p == NULL)
        return ERR_NOMEM;
    return s->new_token.n > 0 ? session__front(a, &s->token, &of->front) : ERR_OK;
}

/* In `a`, which is the request's or the result's own. */
static enum err make_result(struct session_call *s, struct arena *a, bool own,
                            struct auth_result **out)
{
    struct auth_call *c = s->call;
    struct json *claims;
    enum err err = copy_claims(a, s->token.jwt.claims, own, &claims);
    if (err == ERR_OK)
        err = auth__claims_result(a, claims, false, out);
    if (err == ERR_OK)
        err = add_session(a, s, *out);
    if (err == ERR_OK && s->conf->fresh)
        err = add_roles(a, &s->q, *out);
    if (err != ERR_OK)
        return err;
    double left = json_get(claims, "exp")->real - (double)loop_wall_us(c->loop) / 1000000;
    struct auth_result *r = *out;
    r->authorizer = arena_str(a, c->authorizer->name);
    r->made_ms = loop_now_ms(c->loop);
    r->expires_ms = r->made_ms + (int64_t)(left * 1000);
    return r->authorizer.p ? ERR_OK : ERR_NOMEM;
}

static bool finish(struct session_call *s)
{
    struct auth_call *c = s->call;
    bool own = c->flight != NULL;
    struct auth_result *r = NULL;
    struct arena *a = own ? arena_new(KIB(4), MIB(1)) : c->arena;
    enum err err = a ? make_result(s, a, own, &r) : ERR_NOMEM;
    if (err != ERR_OK) {
        if (own)
            arena_free(a);
        return fail(c, "the result cannot be made", err);
    }
    r->arena = own ? a : NULL;
    c->result = r;
    c->verdict = AUTH_ALLOW;
    decision_note(c->record, "authorize", VERDICT_PASS, "session", s->token.handle);
    return true;
}

/* Without a session, where none is required. */
static bool nobody(struct auth_call *c)
{
    struct auth_result *r = ARENA_NEW(c->arena, struct auth_result);
    if (r == NULL)
        return fail(c, "the result cannot be made", ERR_NOMEM);
    atomic_init(&r->refs, 1);
    r->principal = r->usage_key = r->authorizer = STR("");
    r->allowed = true;
    c->result = r;
    c->verdict = AUTH_ALLOW;
    decision_note(c->record, "authorize", VERDICT_INFO, "session",
                  STR("none, and none is required"));
    return true;
}

/* --- what only the store knows ------------------------------------------------------------------
 */
static void prepare(struct session_call *s, void (*done)(struct session_question *q))
{
    s->q = (struct session_question){.app = s->conf->app,
                                     .tenant = s->token.tenant,
                                     .user = s->token.user,
                                     .token = s->token.text,
                                     .handle = s->token.handle,
                                     .check_database = s->conf->check_database,
                                     .arena = s->call->arena,
                                     .loop = s->call->loop,
                                     .done = done,
                                     .arg = s};
}

static void roles_came(struct session_question *q)
{
    struct session_call *s = q->arg;
    if (q->err == ERR_OK)
        (void)finish(s);
    else
        (void)fail(s->call, "the roles are not known", q->err);
    auth__decided(s->call);
}

/* The last question, or none. True: decided. */
static bool ask_roles(struct session_call *s)
{
    if (!s->conf->fresh)
        return finish(s);
    prepare(s, roles_came);
    enum err err = s->conf->source->roles(s->conf->source->arg, &s->q);
    return err == ERR_OK ? false : fail(s->call, "the roles cannot be asked for", err);
}

/* It comes from our own core, so only its form is looked at. */
static enum err adopt(struct session_call *s)
{
    s->new_token = s->q.new_token;
    s->token = (struct session_token){0};
    return session__read_token(s->call->arena, s->new_token, &s->token);
}

static void promoted(struct session_question *q)
{
    struct session_call *s = q->arg;
    struct auth_call *c = s->call;
    bool decided = true;
    enum err err = q->err;
    if (err == ERR_OK && q->new_token.n > 0)
        err = adopt(s);
    if (q->err == ERR_DENIED)
        (void)refuse(c, "the session has ended");
    else if (err != ERR_OK)
        (void)fail(c, "the store was asked in vain", err);
    else
        decided = ask_roles(s);
    if (decided)
        auth__decided(c);
}

static bool ask_store(struct session_call *s)
{
    if (s->token.parent.n == 0 && !s->conf->check_database)
        return ask_roles(s);
    prepare(s, promoted);
    decision_note(s->call->record, "authorize", VERDICT_INFO, "asks the store",
                  s->token.parent.n > 0 ? STR("first use since a refresh") : STR("checkDatabase"));
    enum err err = s->conf->source->promote(s->conf->source->arg, &s->q);
    return err == ERR_OK ? false : fail(s->call, "the store cannot be asked", err);
}

/* --- the decision -------------------------------------------------------------------------------
 */
static bool decide(const void *conf, struct auth_call *c);
static void keys_came(struct session_question *q)
{
    struct session_call *s = q->arg;
    if (q->err != ERR_OK && q->err != ERR_NOTFOUND)
        (void)fail(s->call, "the keys are not known", q->err);
    else if (!decide(s->conf, s->call))
        return;
    auth__decided(s->call);
}

/* An app that is not known yet is asked for by everybody who needs it; a kid that is not, once a
 * second: a flood of made-up ones is refused here. */
static bool may_ask(struct session_call *s, bool unknown_kid)
{
    struct auth_call *c = s->call;
    _Atomic int64_t *last = s->conf->asked_ms;
    int64_t now = loop_now_ms(c->loop), then = atomic_load_explicit(last, memory_order_relaxed);
    if (c->asks > 0)
        return false;
    c->asks++;
    return !unknown_kid || (now - then >= UNKNOWN_KID_MS &&
                            atomic_compare_exchange_strong_explicit(
                                last, &then, now, memory_order_relaxed, memory_order_relaxed));
}

static bool ask_keys(struct session_call *s)
{
    prepare(s, keys_came);
    enum err err = s->conf->source->keys_later(s->conf->source->arg, &s->q);
    return err == ERR_OK ? false : fail(s->call, "the keys cannot be asked for", err);
}

static bool decide(const void *conf, struct auth_call *c)
{
    const struct session_conf *n = conf;
    struct session_call *s = c->state;
    struct jwt_fault why = {.reason = JWT_UNKNOWN_KID};
    if (s->way == SESSION_BY_NOTHING)
        return nobody(c);
    struct jwks *keys = n->source->keys(n->source->arg, n->app);
    enum jwt_reason reason = JWT_UNKNOWN_KID;
    if (keys)
        reason = jwt_check(&n->checker, keys, &s->token.jwt,
                           (double)loop_wall_us(c->loop) / 1000000, NULL, &why);
    bool ask = reason == JWT_UNKNOWN_KID && may_ask(s, keys != NULL);
    if (reason != JWT_OK && !ask)
        (void)refuse_token(c, &why); /* which borrows of the keys */
    jwks_unref(keys);
    if (ask)
        return ask_keys(s);
    return reason == JWT_OK ? ask_store(s) : true;
}

static bool admit(const void *conf, struct auth_call *c)
{
    const struct session_conf *n = conf;
    const struct session_call *s = c->state;
    const struct auth_session *of = c->result->session;
    if (of == NULL)
        return true;
    if (n->source->is_revoked(n->source->arg, n->app, of->handle))
        return !refuse(c, "the session was revoked");
    if (!session__csrf_holds(n, c, s->way, of->anti_csrf))
        return !refuse(c, n->csrf == SESSION_CSRF_VIA_TOKEN
                              ? "the anti-csrf header is missing, or not that of the session"
                              : "the header rid is missing (antiCsrf VIA_CUSTOM_HEADER)");
    return true;
}

static void granted(const void *conf, struct auth_call *c)
{
    const struct session_call *s = c->state;
    const struct auth_session *of = c->result->session;
    if (of && of->new_token.n > 0 && session__hand(conf, c, s->way) != ERR_OK)
        c->handed = (struct http_headers){0}; /* out of memory: the old token goes on */
}

/* --- the kind -----------------------------------------------------------------------------------
 */
static struct str token(const void *conf, const struct auth_call *c)
{
    const struct session_call *s = c->state;
    (void)conf;
    return s && s->way != SESSION_BY_NOTHING ? s->token.text : STR_NONE;
}

static bool reads_header(const void *conf, struct str name)
{
    static const char *const names[] = {"Authorization", "Cookie", "anti-csrf", "rid"};
    (void)conf;
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_ieq(name, str_c(names[i])))
            return true;
    return false;
}

const struct authorizer_kind authorizer__session = {
    .has_claims = true,
    .default_ttl_s = session__default_ttl_s,
    .compile = session__compile,
    .identity = identity,
    .decide = decide,
    .admit = admit,
    .granted = granted,
    .token = token,
    .reads_header = reads_header,
};
