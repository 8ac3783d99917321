/* SPDX-License-Identifier: Apache-2.0
 *
 * Any headers before an authorizer of kind `session`. The first line is the definition's own part,
 * the second the claims of a token that the app's key signs; each line after it a header field, in
 * which `@` stands for that token. Nobody is let in without it, unless no session is required; and
 * what goes back to the client is sound. */
#include "authorizer/session_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S 1700000000

static int64_t read_clock(void *arg)
{
    (void)arg;
    return (int64_t)NOW_S * 1000000;
}
static const struct clock test_clock = {read_clock, read_clock, NULL};

static struct {
    struct run *run;
    struct authorizer_cache *cache;
    struct jwk *key;
    struct jwks *keys;
    struct str next; /* what a promotion gives; in an arena that stays */
    struct session_question *waiting;
    struct decision_record record;
    struct metrics metrics;
} rig;

static struct jwks *keys(void *arg, struct str app)
{
    (void)arg;
    (void)app;
    return jwks_ref(rig.keys);
}
static bool is_revoked(void *arg, struct str app, struct str handle)
{
    (void)arg;
    (void)app;
    return str_eqz(handle, "revoked");
}
static enum err later(void *arg, struct session_question *q)
{
    (void)arg;
    rig.waiting = q;
    return ERR_OK;
}
static const struct session_source source = {NULL, keys, is_revoked, later, later, later};

static struct str sign(struct arena *a, struct str claims)
{
    AUTO_BUF out = BUF_INIT(KIB(64));
    const struct str header =
        STR("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-1\",\"version\":\"5\"}");
    if (jws_sign_header(rig.key, &jws_algs[JWS_RS256], header, claims, &out) != ERR_OK)
        return STR("");
    return arena_str(a, buf_str(&out));
}

static void begin(void)
{
    struct jwk_about about = {.has_kid = true, .kid = STR("d-1")};
    struct arena *a = arena_new(KIB(4), KIB(64));
    ASSERT(jwk_generate(&jws_algs[JWS_RS256], &about, &rig.key) == ERR_OK);
    ASSERT(jwks_new(&rig.key, 1, &rig.keys, NULL) == ERR_OK);
    ASSERT(authorizer_cache_new(MIB(1), &rig.cache) == ERR_OK);
    ASSERT(run_new(&(struct run_options){1, &test_clock}, &rig.run) == ERR_OK);
    rig.next = sign(a, STR("{\"sub\":\"u\",\"rsub\":\"u\",\"tId\":\"public\",\"iat\":1,"
                           "\"sessionHandle\":\"next\",\"refreshTokenHash1\":\"a\","
                           "\"exp\":1800000000}"));
    ASSERT(rig.next.n > 0);
}

static struct authorizer *compile(struct arena *a, struct str session)
{
    struct str parts[] = {STR("{\"type\":\"TOKEN\",\"name\":\"z\",\"x-ropeline-session\":"),
                          session, STR("}")};
    struct authorizer_env env = {.sessions = &source, .api_id = STR("a"), .stage = STR("s")};
    struct str text = arena_cat(a, parts, COUNTOF(parts));
    struct authorizer *z = NULL;
    struct errinfo e = {0};
    const struct json *spec;
    if (json_parse(a, text, KIB(64), &spec, NULL) != ERR_OK ||
        authorizer_compile(a, spec, &env, &z, &e) != ERR_OK)
        return NULL;
    return z;
}

/* `line` as a field, if it could be one; whether it holds the token. */
static bool add_field(struct arena *a, struct http_headers *h, struct str line, struct str token)
{
    struct str value, name = str_cut(line, ':', &value), rest;
    struct str before = str_cut(str_trim(value), '@', &rest);
    struct str parts[] = {before, rest.p ? token : STR(""), rest.p ? rest : STR("")};
    struct str whole = arena_cat(a, parts, COUNTOF(parts));
    if (value.p == NULL || !http_is_token(name) || !http_is_field_value(whole))
        return false;
    ASSERT(http_add(a, h, name, whole) == ERR_OK);
    return rest.p != NULL;
}

static void check_allowed(const struct auth_call *c, const struct json *claims, bool shown)
{
    const struct auth_session *of = c->result->session;
    const struct json *exp = json_get(claims, "exp");
    if (of == NULL) { /* nobody, where nobody is asked for */
        ASSERT(c->result->claims == NULL && auth_principal(c->result).n == 0);
        return;
    }
    ASSERT(shown && exp && exp->real > NOW_S && !str_eqz(of->handle, "revoked"));
    ASSERT(of->new_token.n > 0 ||
           str_eq(of->handle, json_str_or(json_get(claims, "sessionHandle"), STR(""))));
    ASSERT(json_get(c->result->claims, "refreshTokenHash1") == NULL);
    for (size_t i = 0; i < c->handed.n; i++)
        ASSERT(http_is_field_value(c->handed.v[i].value));
}

static void done(struct auth_call *c)
{
    (void)c;
}

/* What main's adapter would do, on the same loop. */
static void answer(void)
{
    struct session_question *q = rig.waiting;
    rig.waiting = NULL;
    q->err = ERR_OK;
    q->new_token = rig.next;
    q->done(q);
}

static void decide(struct arena *a, const struct authorizer *z, const struct http_headers *h,
                   const struct json *claims, bool shown)
{
    static const char id[sizeof rig.record.id] = "id";
    decision_begin(&rig.record, id, 0);
    struct auth_call c = {.authorizer = z,
                          .cache = rig.cache,
                          .facts = {.method_arn = STR("arn:aws:execute-api:r:a:api/s/POST/x"),
                                    .method = STR("POST"),
                                    .route = STR("POST /x"),
                                    .headers = h},
                          .arena = a,
                          .loop = run_control(rig.run),
                          .record = &rig.record,
                          .metrics = &rig.metrics,
                          .done = done};
    bool now = authorizer_decide(&c);
    ASSERT(now == (rig.waiting == NULL));
    while (rig.waiting)
        answer();
    if (c.verdict == AUTH_ALLOW)
        check_allowed(&c, claims, shown);
    auth_call_fini(&c);
    (void)authorizer_cache_purge(rig.cache, STR(""), STR(""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(KIB(16), MIB(16));
    struct str rest = str_of(data, size), session, text;
    struct http_headers h = {0};
    const struct json *claims = NULL;
    bool shown = false;
    if (rig.run == NULL)
        begin();
    session = str_cut(rest, '\n', &rest);
    text = rest.p ? str_cut(rest, '\n', &rest) : STR("");
    struct authorizer *z = compile(a, session);
    bool wants = rest.p && str_chr(rest, '@', 0) != SIZE_MAX;
    struct str token = z && wants ? sign(a, text) : STR("x.y.z");
    (void)!json_parse(a, text, KIB(64), &claims, NULL);
    while (z && rest.p && h.n < 32)
        shown = add_field(a, &h, str_cut(rest, '\n', &rest), token) || shown;
    if (z)
        decide(a, z, &h, claims, shown);
    authorizer_fini(z);
    arena_free(a);
    return 0;
}
