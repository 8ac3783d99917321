/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of the kind `session` share: keys, tokens, a source that the test plays, requests. */
#ifndef ROPELINE_AUTHORIZER_SESSION_FIXTURE_H
#define ROPELINE_AUTHORIZER_SESSION_FIXTURE_H

#include <stdio.h>

#include "lib/fault.h"
#include "session_int.h"

#define NOW_S 1800000000
#define USER "\"sub\":\"ana\",\"rsub\":\"ana\",\"tId\":\"public\",\"sessionHandle\":\"h1\""
#define HASH "\"refreshTokenHash1\":\"a1\",\"iat\":1799999000"
#define PLAIN "\"parentRefreshTokenHash1\":null,\"antiCsrfToken\":null,\"exp\":1800000100"
#define USUAL "{" USER "," HASH "," PLAIN ",\"st-role\":{\"v\":[\"viewer\"],\"t\":1}}"
#define CHILD                                                                             \
    "{" USER "," HASH ",\"parentRefreshTokenHash1\":\"p0\",\"antiCsrfToken\":\"csrf-1\"," \
    "\"exp\":1800000100}"
#define HEADER "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-1\",\"version\":\"5\"}"

static int64_t now_us = (int64_t)NOW_S * 1000000;
static int64_t read_clock(void *arg)
{
    (void)arg;
    return now_us;
}
static const struct clock test_clock = {read_clock, read_clock, NULL};

static struct {
    struct run *run;
    struct authorizer_cache *cache;
    struct arena *arena;
    struct jwk *key, *other;
    struct jwks *keys;
    struct decision_record record;
    struct metrics metrics;
    size_t done;
    /* the source */
    bool knows, revoked;
    struct session_question *waiting;
    size_t asked_keys, asked_promotion, asked_roles;
    enum err answer;
    struct str new_token;
    const char *role;
} rig;

/* --- the source ---------------------------------------------------------------------------------
 */
static struct jwks *source_keys(void *arg, struct str app)
{
    (void)arg;
    return rig.knows && str_eqz(app, "public") ? jwks_ref(rig.keys) : NULL;
}
static bool source_is_revoked(void *arg, struct str app, struct str handle)
{
    (void)arg;
    return rig.revoked && str_eqz(app, "public") && str_eqz(handle, "h1");
}
static enum err wait(struct session_question *q, size_t *asked)
{
    assert_null(rig.waiting);
    rig.waiting = q;
    (*asked)++;
    return ERR_OK;
}
static enum err source_keys_later(void *arg, struct session_question *q)
{
    (void)arg;
    return wait(q, &rig.asked_keys);
}
static enum err source_promote(void *arg, struct session_question *q)
{
    (void)arg;
    return wait(q, &rig.asked_promotion);
}
static enum err source_roles(void *arg, struct session_question *q)
{
    (void)arg;
    return wait(q, &rig.asked_roles);
}
static const struct session_source source = {
    NULL, source_keys, source_is_revoked, source_keys_later, source_promote, source_roles};

/* What main's adapter would do, later and on the same loop. */
static void answer(void)
{
    static struct str role;
    struct session_question *q = rig.waiting;
    rig.waiting = NULL;
    role = str_c(rig.role ? rig.role : "");
    q->err = rig.answer;
    q->new_token = rig.new_token;
    q->roles = &role;
    q->role_count = rig.role != NULL;
    rig.knows = true;
    q->done(q);
}

/* --- requests -----------------------------------------------------------------------------------
 */
struct asked {
    struct arena *arena;
    struct http_headers headers;
    struct auth_call call;
};

static void note_done(struct auth_call *c)
{
    (void)c;
    rig.done++;
}

static void begin(struct asked *r, const struct authorizer *z, const char *method)
{
    static const char id[sizeof rig.record.id] = "id";
    decision_begin(&rig.record, id, 0);
    *r = (struct asked){.arena = arena_new(KIB(1), MIB(1))};
    assert_non_null(r->arena);
    r->call = (struct auth_call){
        .authorizer = z,
        .cache = rig.cache,
        .facts = {.method_arn = STR("arn:aws:execute-api:r:a:api/dev/GET/orders"),
                  .method = str_c(method),
                  .route = STR("GET /orders"),
                  .headers = &r->headers},
        .arena = r->arena,
        .loop = run_control(rig.run),
        .record = &rig.record,
        .metrics = &rig.metrics,
        .done = note_done,
    };
}

static void with(struct asked *r, const char *name, const char *prefix, struct str value)
{
    struct str parts[] = {str_c(prefix), value};
    struct str text = arena_cat(r->arena, parts, COUNTOF(parts));
    assert_int_equal(http_add(r->arena, &r->headers, str_c(name), text), ERR_OK);
}

/* The verdict, whatever the store had to say on the way. */
static enum auth_verdict decide(struct asked *r)
{
    size_t before = rig.done;
    bool now = authorizer_decide(&r->call);
    while (rig.waiting)
        answer();
    assert_int_equal(rig.done - before, now ? 0 : 1);
    return r->call.verdict;
}

static void end(struct asked *r)
{
    auth_call_fini(&r->call);
    arena_free(r->arena);
}

static enum auth_verdict bearer(const struct authorizer *z, struct str token)
{
    struct asked r;
    begin(&r, z, "GET");
    with(&r, "Authorization", "Bearer ", token);
    enum auth_verdict verdict = decide(&r);
    end(&r);
    return verdict;
}

/* --- the rig ------------------------------------------------------------------------------------
 */
static struct str sign(const struct jwk *key, const char *header, const char *claims)
{
    AUTO_BUF token = BUF_INIT(KIB(8));
    assert_int_equal(
        jws_sign_header(key, &jws_algs[JWS_RS256], str_c(header), str_c(claims), &token), ERR_OK);
    return arena_str(rig.arena, buf_str(&token));
}

static struct authorizer *compiled(const char *text, const char *roles)
{
    const struct json *spec, *granted = NULL;
    struct authorizer *z = NULL;
    struct errinfo e = {0};
    assert_int_equal(json_parse(rig.arena, str_c(text), KIB(4), &spec, &e), ERR_OK);
    if (roles)
        assert_int_equal(json_parse(rig.arena, str_c(roles), KIB(4), &granted, &e), ERR_OK);
    const struct authorizer_env env = {.sessions = &source,
                                       .api_id = STR("api"),
                                       .stage = STR("dev"),
                                       .roles = granted,
                                       .arn_prefix = STR("arn:aws:execute-api:r:a:api/dev/")};
    if (authorizer_compile(rig.arena, spec, &env, &z, &e) != ERR_OK)
        fail_msg("%s", e.text);
    return z;
}
#define SESSION(members) "{\"type\":\"TOKEN\",\"name\":\"z\",\"x-ropeline-session\":{" members "}}"

static int set_up(void **state)
{
    const struct jwk_about about = {.has_kid = true, .kid = STR("d-1")};
    struct errinfo e = {0};
    (void)state;
    rig.arena = arena_new(KIB(16), MIB(4));
    assert_int_equal(run_new(&(struct run_options){1, &test_clock}, &rig.run), ERR_OK);
    assert_int_equal(authorizer_cache_new(MIB(1), &rig.cache), ERR_OK);
    assert_int_equal(jwk_generate(&jws_algs[JWS_RS256], &about, &rig.key), ERR_OK);
    assert_int_equal(jwk_generate(&jws_algs[JWS_RS256], &about, &rig.other), ERR_OK);
    assert_int_equal(jwks_new(&rig.key, 1, &rig.keys, &e), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authorizer_cache_free(rig.cache);
    run_free(rig.run);
    jwks_unref(rig.keys);
    jwk_unref(rig.key);
    jwk_unref(rig.other);
    arena_free(rig.arena);
    return 0;
}

static int begin_test(void **state)
{
    (void)state;
    now_us = (int64_t)NOW_S * 1000000;
    rig.knows = true;
    rig.revoked = false;
    rig.asked_keys = rig.asked_promotion = rig.asked_roles = 0;
    rig.answer = ERR_OK;
    rig.new_token = STR("");
    rig.role = NULL;
    authorizer_cache_purge(rig.cache, STR(""), STR(""));
    return 0;
}

#define TEST(f) cmocka_unit_test_setup(f, begin_test)

#endif
