/* SPDX-License-Identifier: Apache-2.0
 *
 * CORS of HTTP APIs (specs 9.2): with a corsConfiguration the gateway answers preflights itself, no
 * authorizer runs for them, and every answer, refusals included, says who may read it. Invariant:
 * what a backend says of CORS never gets past a corsConfiguration, and an origin is named only if
 * the configuration has it. Source: WHATWG Fetch, "CORS protocol". */
#include "base/limits.h"
#include "http_api_int.h"

struct cors {
    const struct str *origins;
    size_t origin_count;
    bool any;                            /* "*" */
    bool credentials;                    /* never together with a wildcard */
    struct str methods, headers, expose; /* joined; "" = not said */
    struct str max_age;                  /* seconds, or "" */
};

/* --- compile -------------------------------------------------------------------------------- */
static const struct str every_http = STR_INIT("http://*"), every_https = STR_INIT("https://*");

static enum err bad(struct errinfo *e, const struct json *v, struct str value, const char *why)
{
    return errinfo_at(e, ERR_INVALID, v->line, v->col, "corsConfiguration: %.*s %s",
                      STR_ARG(str_sub(value, 0, 80)), why);
}

static bool is_wildcard(struct str origin)
{
    return str_eqz(origin, "*") || str_eq(origin, every_http) || str_eq(origin, every_https);
}

static enum err compile_origins(struct arena *a, const struct json *list, struct cors *c,
                                struct errinfo *e)
{
    size_t n = list ? list->n : 0;
    struct str *v = ARENA_ARRAY(a, n, struct str);
    if (v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct json *item = list->items[i];
        v[i] = arena_str(a, json_str_or(item, STR("")));
        if (v[i].p == NULL)
            return ERR_NOMEM;
        if (v[i].n == 0 || !http_is_field_value(v[i]))
            return bad(e, item, v[i], "in allowOrigins is no origin");
        if (!is_wildcard(v[i]) && str_chr(v[i], '*', 0) != SIZE_MAX)
            return bad(e, item, v[i],
                       "in allowOrigins: a * stands alone or as http://* or https://*; name each "
                       "origin");
        if (is_wildcard(v[i]) && c->credentials)
            return bad(e, item, v[i],
                       "in allowOrigins with allowCredentials would let any page act for its "
                       "visitor: name the origins");
        c->any = c->any || str_eqz(v[i], "*");
    }
    c->origins = v;
    c->origin_count = n;
    return ERR_OK;
}

/* A list of tokens, joined as the header has it. */
static enum err compile_names(struct arena *a, const struct json *list, struct str *out,
                              struct errinfo *e)
{
    AUTO_BUF b = BUF_INIT(KIB(16));
    *out = STR("");
    for (size_t i = 0; list && i < list->n; i++) {
        struct str name = json_str_or(list->items[i], STR(""));
        if (!http_is_token(name))
            return bad(e, list->items[i], name, "is no name of a method or header");
        if (i > 0)
            buf_addc(&b, ',');
        buf_add(&b, name);
    }
    if (b.err == ERR_OK && b.n > 0)
        *out = arena_str(a, buf_str(&b));
    return b.err ? b.err : out->p ? ERR_OK : ERR_NOMEM;
}

static enum err compile_max_age(struct arena *a, const struct json *v, struct cors *c,
                                struct errinfo *e)
{
    int64_t seconds = 0;
    c->max_age = STR("");
    if (v == NULL)
        return ERR_OK;
    if (!json_int(v, &seconds) || seconds < -1 || seconds > 86400)
        return bad(e, v, STR("maxAge"), "must be a number from -1 to 86400");
    c->max_age = arena_fmt(a, "%lld", (long long)seconds);
    return c->max_age.p ? ERR_OK : ERR_NOMEM;
}

static enum err check_members(const struct json *spec, struct errinfo *e)
{
    static const struct {
        const char *name;
        enum json_type type;
    } known[] = {
        {"allowOrigins", JSON_ARRAY}, {"allowMethods", JSON_ARRAY},
        {"allowHeaders", JSON_ARRAY}, {"exposeHeaders", JSON_ARRAY},
        {"maxAge", JSON_NUMBER},      {"allowCredentials", JSON_TRUE},
    };
    if (spec->type != JSON_OBJECT)
        return bad(e, spec, STR("it"), "must be an object");
    for (size_t i = 0; i < spec->n; i++) {
        const struct json_member *m = &spec->members[i];
        const struct json *v = m->value;
        bool good = false;
        for (size_t k = 0; k < COUNTOF(known); k++)
            good = good || (str_eqz(m->key, known[k].name) &&
                            (v->type == known[k].type ||
                             (known[k].type == JSON_TRUE && v->type == JSON_FALSE)));
        if (!good)
            return bad(e, v, m->key,
                       "is unknown or of the wrong type: allowOrigins, allowMethods, allowHeaders, "
                       "exposeHeaders (lists), maxAge, allowCredentials");
    }
    return ERR_OK;
}

enum err cors__compile(struct arena *a, const struct json *spec, struct cors **out,
                       struct errinfo *e)
{
    struct cors *c = ARENA_NEW(a, struct cors);
    *out = c;
    if (c == NULL)
        return ERR_NOMEM;
    enum err err = check_members(spec, e);
    if (err != ERR_OK)
        return err;
    c->credentials = json_bool_or(json_get(spec, "allowCredentials"), false);
    err = compile_origins(a, json_get(spec, "allowOrigins"), c, e);
    if (err == ERR_OK)
        err = compile_names(a, json_get(spec, "allowMethods"), &c->methods, e);
    if (err == ERR_OK)
        err = compile_names(a, json_get(spec, "allowHeaders"), &c->headers, e);
    if (err == ERR_OK)
        err = compile_names(a, json_get(spec, "exposeHeaders"), &c->expose, e);
    return err ? err : compile_max_age(a, json_get(spec, "maxAge"), c, e);
}

/* --- answers -------------------------------------------------------------------------------- */
/* The one Origin of the request; "" when there is none or more than one. */
static struct str origin_of(const struct exchange *x)
{
    struct str origin = STR("");
    size_t n = 0;
    for (size_t i = 0; i < x->rq->headers.n; i++)
        if (str_ieq(x->rq->headers.v[i].name, STR("Origin"))) {
            origin = x->rq->headers.v[i].value;
            n++;
        }
    return n == 1 ? origin : STR("");
}

/* What Access-Control-Allow-Origin says to this origin; "" = nothing. */
static struct str allowed(const struct cors *c, struct str origin)
{
    if (origin.n == 0)
        return STR("");
    if (c->any)
        return STR("*");
    for (size_t i = 0; i < c->origin_count; i++) {
        struct str one = c->origins[i];
        bool wild = str_eq(one, every_http) || str_eq(one, every_https);
        if (wild ? str_starts(origin, str_sub(one, 0, one.n - 1)) : str_eq(origin, one))
            return origin;
    }
    return STR("");
}

static enum err add(struct exchange *x, struct http_headers *h, struct str name, struct str value)
{
    return value.n > 0 ? http_add(x->arena, h, name, value) : ERR_OK;
}

static void drop_others(struct http_headers *h)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->n; i++)
        if (!str_istarts(h->v[i].name, STR("Access-Control-")))
            h->v[kept++] = h->v[i];
    h->n = kept;
}

/* What every answer says, a preflight's too. */
static enum err put_origin(struct exchange *x, struct http_headers *h, struct str origin)
{
    const struct cors *c = x->api->cors;
    enum err err = c->any ? ERR_OK : add(x, h, STR("Vary"), STR("Origin"));
    if (err == ERR_OK)
        err = add(x, h, STR("Access-Control-Allow-Origin"), origin);
    if (err == ERR_OK && origin.n > 0 && c->credentials)
        err = add(x, h, STR("Access-Control-Allow-Credentials"), STR("true"));
    return err;
}

enum err cors__put(struct exchange *x, struct http_headers *h)
{
    const struct cors *c = x->api->cors;
    struct str origin = allowed(c, origin_of(x));
    if (x->method == NULL && cors__is_preflight(x))
        return ERR_OK; /* answered by cors__answer_preflight, which said it all */
    drop_others(h);
    enum err err = put_origin(x, h, origin);
    if (err == ERR_OK && origin.n > 0)
        err = add(x, h, STR("Access-Control-Expose-Headers"), c->expose);
    return err;
}

bool cors__is_preflight(const struct exchange *x)
{
    return x->rq->method == HTTP_OPTIONS && http_find(&x->rq->headers, STR("Origin")) &&
           http_find(&x->rq->headers, STR("Access-Control-Request-Method"));
}

enum next cors__answer_preflight(struct exchange *x)
{
    const struct cors *c = x->api->cors;
    struct str origin = allowed(c, origin_of(x));
    struct http_headers *h = &x->answer.headers;
    x->answer = (struct http_response){.status = 204};
    x->answer_body = STR("");
    enum err err = exchange__add_ids(x, h);
    if (err == ERR_OK)
        err = put_origin(x, h, origin);
    if (err == ERR_OK && origin.n > 0)
        err = add(x, h, STR("Access-Control-Allow-Methods"), c->methods);
    if (err == ERR_OK && origin.n > 0)
        err = add(x, h, STR("Access-Control-Allow-Headers"), c->headers);
    if (err == ERR_OK && origin.n > 0)
        err = add(x, h, STR("Access-Control-Max-Age"), c->max_age);
    decision_note(&x->record, "cors", origin.n ? VERDICT_PASS : VERDICT_DENY, "origin",
                  origin.n ? STR("allowed: the gateway answers the preflight itself")
                           : STR("not among allowOrigins: the preflight allows nothing"));
    return err == ERR_OK ? ANSWER : exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
}
