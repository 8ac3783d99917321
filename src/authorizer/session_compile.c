/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ropeline-session as a person writes it (docs/templates.md, "Sessions"). */
#include "session_int.h"

#include "jwt_int.h"

#define WHAT "x-ropeline-session"

static enum err bad(struct errinfo *e, const struct json *at, const char *text)
{
    return errinfo_at(e, ERR_INVALID, at->line, at->col, WHAT ": %s", text);
}

static enum err check_members(const struct json *v, const char *const *known, size_t n,
                              const char *what, struct errinfo *e)
{
    for (size_t i = 0; i < v->n; i++) {
        size_t k = 0;
        while (k < n && !str_eqz(v->members[i].key, known[k]))
            k++;
        if (k == n)
            return errinfo_at(e, ERR_INVALID, v->members[i].line, v->members[i].col,
                              WHAT ": unknown member %.*s; %s",
                              STR_ARG(str_sub(v->members[i].key, 0, 60)), what);
    }
    return ERR_OK;
}

static enum err read_flag(const struct json *v, const char *name, bool fallback, bool *out,
                          struct errinfo *e)
{
    const struct json *flag = json_get(v, name);
    *out = json_bool_or(flag, fallback);
    if (flag && !json_is_bool(flag))
        return errinfo_at(e, ERR_INVALID, flag->line, flag->col, WHAT ": %s is true or false",
                          name);
    return ERR_OK;
}

/* As paths of the core have it: [a-z0-9-]+ */
static bool is_app(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-')
            return false;
    return s.n > 0 && s.n <= 64;
}

static enum err read_csrf(const struct json *v, enum session_csrf *out, struct errinfo *e)
{
    static const struct {
        const char *name;
        enum session_csrf csrf;
    } modes[] = {{"NONE", SESSION_CSRF_NONE},
                 {"VIA_TOKEN", SESSION_CSRF_VIA_TOKEN},
                 {"VIA_CUSTOM_HEADER", SESSION_CSRF_VIA_CUSTOM_HEADER}};
    const struct json *mode = json_get(v, "antiCsrf");
    if (mode == NULL)
        return ERR_OK;
    for (size_t i = 0; i < COUNTOF(modes); i++)
        if (str_eqz(json_str_or(mode, STR("")), modes[i].name)) {
            *out = modes[i].csrf;
            return ERR_OK;
        }
    return bad(e, mode, "antiCsrf is NONE, VIA_TOKEN or VIA_CUSTOM_HEADER, as in Session.init");
}

/* What may stand in an attribute of a cookie (RFC 6265 4.1.1). */
static bool is_attribute(struct str s)
{
    return http_is_field_value(s) && str_chr(s, ';', 0) == SIZE_MAX &&
           str_chr(s, ',', 0) == SIZE_MAX && s.n <= 256;
}

/* The attributes that the app gives its sAccessToken: another Domain or Path would make a second
 * cookie, and the SDK refuses two. */
static enum err read_cookie(struct arena *a, const struct json *v, struct session_conf *n,
                            struct errinfo *e)
{
    static const char *const known[] = {"domain", "path", "sameSite", "secure"};
    static const char *const sites[] = {"Lax", "None", "Strict"};
    const struct json *cookie = json_get(v, "cookie");
    struct str domain, path, same = STR("lax");
    bool secure;
    size_t i = 0;
    if (cookie == NULL)
        return ERR_OK;
    if (cookie->type != JSON_OBJECT)
        return bad(e, cookie, "cookie is {domain, path, sameSite, secure}");
    enum err err = check_members(cookie, known, COUNTOF(known),
                                 "cookie is {domain, path, sameSite, secure}", e);
    if (err == ERR_OK)
        err = spec__text(cookie, "domain", false, &domain, e);
    if (err == ERR_OK)
        err = spec__text(cookie, "path", false, &path, e);
    if (err == ERR_OK && json_get(cookie, "sameSite"))
        err = spec__text(cookie, "sameSite", true, &same, e);
    if (err == ERR_OK)
        err = read_flag(cookie, "secure", true, &secure, e);
    if (err != ERR_OK)
        return err;
    while (i < COUNTOF(sites) && !str_ieq(same, str_c(sites[i])))
        i++;
    if (i == COUNTOF(sites))
        return bad(e, cookie, "sameSite is lax, none or strict");
    if (!is_attribute(domain) || !is_attribute(path) || (path.n > 0 && path.p[0] != '/'))
        return bad(e, cookie, "that is no domain or no path of a cookie");
    n->hands_cookie = true;
    n->cookie = arena_fmt(a, "%s%.*s; Path=%.*s", domain.n ? "; Domain=" : "", STR_ARG(domain),
                          STR_ARG(path.n ? path : STR("/")));
    n->cookie_end = arena_fmt(a, "; HttpOnly%s; SameSite=%s", secure ? "; Secure" : "", sites[i]);
    return n->cookie.p && n->cookie_end.p ? ERR_OK : ERR_NOMEM;
}

static enum err read_conf(struct arena *a, const struct json *v, struct session_conf *n,
                          struct errinfo *e)
{
    struct str app = STR("public");
    enum err err = ERR_OK;
    if (json_get(v, "app"))
        err = spec__text(v, "app", true, &app, e);
    if (err == ERR_OK && !is_app(app))
        err = bad(e, json_get(v, "app"), "app is an appId of the core: [a-z0-9-]+");
    if (err == ERR_OK)
        err = read_flag(v, "checkDatabase", false, &n->check_database, e);
    if (err == ERR_OK)
        err = read_flag(v, "fresh", false, &n->fresh, e);
    if (err == ERR_OK)
        err = read_flag(v, "required", true, &n->required, e);
    if (err == ERR_OK)
        err = read_csrf(v, &n->csrf, e);
    if (err == ERR_OK)
        err = read_cookie(a, v, n, e);
    n->app = arena_str(a, app);
    return err == ERR_OK && n->app.p == NULL ? ERR_NOMEM : err;
}

enum err session__compile(struct arena *a, const struct json *spec,
                          const struct authorizer_env *env, void **conf, struct errinfo *e)
{
    static const char *const known[] = {"app",      "checkDatabase", "antiCsrf",
                                        "required", "fresh",         "cookie"};
    const struct json *v = json_get(spec, WHAT);
    struct session_conf *n = ARENA_NEW(a, struct session_conf);
    _Atomic int64_t *asked = ARENA_NEW(a, _Atomic int64_t);
    if (n == NULL || asked == NULL)
        return ERR_NOMEM;
    *conf = n;
    n->source = env->sessions;
    n->checker = (struct jwt_checker){
        .algs = JWS_BIT(JWS_RS256), .require_exp = true, .require_kid = true, .typ = STR("JWT")};
    atomic_init(asked, INT64_MIN / 2);
    n->asked_ms = asked;
    if (v->type != JSON_OBJECT && v->type != JSON_NULL)
        return bad(e, v, "is {app, checkDatabase, antiCsrf, required, fresh, cookie}");
    enum err err =
        check_members(v, known, COUNTOF(known),
                      "it is {app, checkDatabase, antiCsrf, required, fresh, cookie}", e);
    if (err == ERR_OK)
        err = read_conf(a, v, n, e);
    if (err == ERR_OK && env->issuers && env->sessions == NULL)
        err = errinfo_at(e, ERR_UNSUPPORTED, v->line, v->col,
                         WHAT ": there is no identity core in this process; give it a listener "
                              "with --core");
    return err;
}

/* What the store said may be kept: it is purged when it changes. */
unsigned session__default_ttl_s(const struct json *spec)
{
    const struct json *v = json_get(spec, WHAT);
    bool asks = json_bool_or(json_get(v, "checkDatabase"), false);
    return json_bool_or(json_get(v, "fresh"), false) && !asks ? DEFAULT_AUTHORIZER_TTL_S : 0;
}
