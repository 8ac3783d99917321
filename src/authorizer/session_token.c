/* SPDX-License-Identifier: Apache-2.0
 *
 * The access token of a request and what a client is handed in its place, as supertokens-node finds
 * and sends them (specs/identity-core.md 3.2, 3.7). Invariant: what two readers could take for two
 * sessions is none. */
#include "session_int.h"

#include "base/time.h"
#include "http/path.h"

#define COOKIE STR("sAccessToken")
#define LEGACY_COOKIE STR("sIdRefreshToken")
#define COOKIE_LIFE_US (INT64_C(31536000) * 1000000) /* a year, as the SDK has it */

/* --- the form of a token ------------------------------------------------------------------------
 */
enum claim { SUB, TID, RSUB, HANDLE, HASH, PARENT, ANTI_CSRF, IAT, EXP, CLAIMS };
static const struct str claim_names[CLAIMS] = {
    [SUB] = STR_INIT("sub"),
    [TID] = STR_INIT("tId"),
    [RSUB] = STR_INIT("rsub"),
    [HANDLE] = STR_INIT("sessionHandle"),
    [HASH] = STR_INIT("refreshTokenHash1"),
    [PARENT] = STR_INIT("parentRefreshTokenHash1"),
    [ANTI_CSRF] = STR_INIT("antiCsrfToken"),
    [IAT] = STR_INIT("iat"),
    [EXP] = STR_INIT("exp"),
};

/* In one pass: it is done for each request. */
static void find_claims(const struct json *claims, const struct json **v)
{
    for (size_t i = 0; i < claims->n; i++)
        for (size_t k = 0; k < CLAIMS; k++)
            if (str_eq(claims->members[i].key, claim_names[k])) {
                v[k] = claims->members[i].value;
                break;
            }
}

static bool is_text_or_null(const struct json *v)
{
    return v == NULL || v->type == JSON_NULL || v->type == JSON_STRING;
}

static bool is_sound(const struct jwt *t, const struct json *const *v)
{
    struct str version = json_str_or(json_get(t->jws.header, "version"), STR(""));
    struct str kid = t->jws.kid;
    bool sound =
        str_eqz(version, "5") && (str_starts(kid, STR("d-")) || str_starts(kid, STR("s-")));
    for (size_t k = SUB; k <= HASH; k++)
        sound = sound && json_is(v[k], JSON_STRING);
    return sound && v[HANDLE]->s.n > 0 && is_text_or_null(v[PARENT]) &&
           is_text_or_null(v[ANTI_CSRF]) && json_is(v[IAT], JSON_NUMBER) &&
           json_is(v[EXP], JSON_NUMBER);
}

enum err session__read_token(struct arena *a, struct str text, struct session_token *out)
{
    const struct json *v[CLAIMS] = {NULL};
    struct jwt_fault why = {0};
    enum jwt_reason reason = jwt_read(a, text, JWS_BIT(JWS_RS256), &out->jwt, &why);
    if (reason != JWT_OK)
        return reason == JWT_INTERNAL ? ERR_NOMEM : ERR_INVALID;
    find_claims(out->jwt.claims, v);
    if (!is_sound(&out->jwt, v))
        return ERR_INVALID;
    out->text = text;
    out->user = v[SUB]->s;
    out->tenant = v[TID]->s;
    out->handle = v[HANDLE]->s;
    out->parent = json_str_or(v[PARENT], STR(""));
    out->anti_csrf = json_str_or(v[ANTI_CSRF], STR(""));
    return ERR_OK;
}

/* --- where it is --------------------------------------------------------------------------------
 */
/* The one header of a name; ERR_DENIED when it is there more than once. */
static enum err one_header(const struct http_headers *h, struct str name, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        if (str_ieq(h->v[i].name, name)) {
            *out = h->v[i].value;
            n++;
        }
    return n == 0 ? ERR_NOTFOUND : n == 1 ? ERR_OK : ERR_DENIED;
}

struct cookies {
    struct str value; /* of the access token, as it came */
    size_t n;
    bool legacy;
};

static void read_cookies(const struct http_headers *h, struct cookies *out)
{
    for (size_t i = 0; i < h->n; i++) {
        struct str rest = h->v[i].value;
        if (!str_ieq(h->v[i].name, STR("Cookie")))
            continue;
        while (rest.p) {
            struct str value, name = str_trim(str_cut(rest, ';', &rest));
            name = str_trim(str_cut(name, '=', &value));
            out->legacy = out->legacy || (value.p && str_eq(name, LEGACY_COOKIE));
            if (value.p == NULL || !str_eq(name, COOKIE))
                continue;
            out->value = str_trim(value);
            out->n++;
        }
    }
}

static enum err by_header(const struct auth_call *c, struct session_token *out)
{
    const struct str prefix = STR("Bearer ");
    struct str value;
    enum err err = one_header(c->facts.headers, STR("Authorization"), &value);
    if (err != ERR_OK)
        return err;
    if (!str_starts(value, prefix))
        return ERR_NOTFOUND;
    out->way = SESSION_BY_HEADER;
    err = session__read_token(c->arena, str_trim(str_from(value, prefix.n)), out);
    return err == ERR_INVALID ? ERR_NOTFOUND : err;
}

static enum err by_cookie(const struct auth_call *c, struct session_token *out)
{
    struct cookies k = {0};
    read_cookies(c->facts.headers, &k);
    if (k.n == 0 && !k.legacy)
        return ERR_NOTFOUND;
    if (k.n > 1 || k.legacy)
        return ERR_DENIED;
    if (k.value.n >= 2 && k.value.p[0] == '"' && k.value.p[k.value.n - 1] == '"')
        k.value = str_sub(k.value, 1, k.value.n - 2);
    struct str text = path_percent_decode(c->arena, k.value, false);
    if (text.p == NULL)
        return ERR_NOMEM;
    out->way = SESSION_BY_COOKIE;
    enum err err = session__read_token(c->arena, text, out);
    return err == ERR_INVALID ? ERR_NOTFOUND : err;
}

enum err session__find_token(const struct auth_call *c, struct session_token *out)
{
    *out = (struct session_token){0};
    enum err err = by_header(c, out);
    if (err != ERR_NOTFOUND)
        return err;
    *out = (struct session_token){0};
    err = by_cookie(c, out);
    if (err != ERR_OK)
        out->way = SESSION_BY_NOTHING;
    return err;
}

/* --- forgery across sites -----------------------------------------------------------------------
 */
bool session__csrf_holds(const struct session_conf *n, const struct auth_call *c,
                         enum session_way way, struct str anti_csrf)
{
    struct str value;
    if (n->csrf == SESSION_CSRF_NONE || way != SESSION_BY_COOKIE || str_eqz(c->facts.method, "GET"))
        return true;
    if (n->csrf == SESSION_CSRF_VIA_CUSTOM_HEADER)
        return http_find(c->facts.headers, STR("rid")) != NULL;
    return one_header(c->facts.headers, STR("anti-csrf"), &value) == ERR_OK && anti_csrf.n > 0 &&
           crypt_equal(value, anti_csrf);
}

/* --- what the client is handed ------------------------------------------------------------------
 */
enum err session__front(struct arena *a, const struct session_token *t, struct str *out)
{
    AUTO_BUF text = BUF_INIT(KIB(64));
    AUTO_BUF coded = BUF_INIT(KIB(96));
    const struct json *exp = json_get(t->jwt.claims, "exp");
    buf_addz(&text, "{\"uid\":");
    json_write_str(&text, t->user);
    buf_addf(&text, ",\"ate\":%.0f,\"up\":", exp->real * 1000);
    json_write(&text, t->jwt.claims);
    buf_addc(&text, '}');
    crypt_base64(&coded, buf_str(&text));
    *out = text.err || coded.err ? STR_NONE : arena_str(a, buf_str(&coded));
    return text.err ? text.err : coded.err ? coded.err : out->p ? ERR_OK : ERR_NOMEM;
}

enum err session__hand(const struct session_conf *n, struct auth_call *c, enum session_way way)
{
    const struct auth_session *s = c->result->session;
    struct http_headers *h = &c->handed;
    char expires[TIME_TEXT];
    bool by_header = way == SESSION_BY_HEADER;
    if (!by_header && !n->hands_cookie)
        return ERR_OK;
    enum err err = http_add(c->arena, h, STR("front-token"), s->front);
    if (err == ERR_OK && by_header)
        err = http_add(c->arena, h, STR("st-access-token"), s->new_token);
    time_http(loop_wall_us(c->loop) + COOKIE_LIFE_US, expires);
    struct str parts[] = {COOKIE,         STR("="),     s->new_token, n->cookie, STR("; Expires="),
                          str_c(expires), n->cookie_end};
    struct str cookie = by_header ? STR("") : arena_cat(c->arena, parts, COUNTOF(parts));
    if (err == ERR_OK && !by_header)
        err = cookie.p ? http_add(c->arena, h, STR("Set-Cookie"), cookie) : ERR_NOMEM;
    if (err == ERR_OK)
        err = http_add(c->arena, h, STR("Access-Control-Expose-Headers"),
                       by_header ? STR("front-token, st-access-token") : STR("front-token"));
    return err;
}
