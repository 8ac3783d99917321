/* SPDX-License-Identifier: Apache-2.0
 *
 * REQUEST authorizers of REST and HTTP APIs: the function sees the whole request but its body, and
 * any number of headers, query strings, stage variables and context values are the identity.
 * Invariant: two tuples of values never make one key (each is written with its length). */
#include "authorizer_int.h"
#include "base/limits.h"

struct source {
    enum auth_place place;
    struct str name, written;
};

struct request_conf {
    enum auth_event event;
    bool always_gated; /* HTTP APIs: a missing source is 401 even when nothing is cached */
    struct source source[LIMIT_IDENTITY_SOURCES];
    size_t n;
};

/* --- compile -------------------------------------------------------------------------------- */
static const struct {
    const char *prefix;
    bool http_api;
    enum auth_place place;
} places[] = {
    {"method.request.header.", false, AUTH_HEADER},
    {"method.request.querystring.", false, AUTH_QUERY},
    {"stageVariables.", false, AUTH_STAGE_VARIABLE},
    {"context.", false, AUTH_CONTEXT},
    {"$request.header.", true, AUTH_HEADER},
    {"$request.querystring.", true, AUTH_QUERY},
    {"$stageVariables.", true, AUTH_STAGE_VARIABLE},
    {"$context.", true, AUTH_CONTEXT},
};

static enum err add_source(struct arena *a, struct request_conf *r, struct str text, bool http_api,
                           struct errinfo *e)
{
    struct source *s = &r->source[r->n];
    if (r->n == LIMIT_IDENTITY_SOURCES)
        return errinfo_set(e, ERR_LIMIT, "an authorizer has at most %d identity sources",
                           LIMIT_IDENTITY_SOURCES);
    for (size_t i = 0; i < COUNTOF(places); i++) {
        struct str prefix = str_c(places[i].prefix);
        if (places[i].http_api != http_api || !str_starts(text, prefix) || text.n == prefix.n)
            continue;
        s->written = arena_str(a, text);
        if (s->written.p == NULL)
            return ERR_NOMEM;
        s->place = places[i].place;
        s->name = str_from(s->written, prefix.n);
        if (s->place == AUTH_HEADER && !http_is_token(s->name))
            break;
        r->n++;
        return ERR_OK;
    }
    return errinfo_set(
        e, ERR_INVALID, "\"%.*s\" is no identity source: %s", STR_ARG(str_sub(text, 0, 60)),
        http_api ? "$request.header.NAME, $request.querystring.NAME, $context.NAME or "
                   "$stageVariables.NAME"
                 : "method.request.header.NAME, method.request.querystring.NAME, "
                   "stageVariables.NAME or context.NAME");
}

/* REST APIs write one string with commas, HTTP APIs a list. */
static enum err compile_sources(struct arena *a, struct request_conf *r, const struct json *sources,
                                bool http_api, struct errinfo *e)
{
    struct str rest = json_str_or(sources, STR(""));
    enum err err = ERR_OK;
    while (rest.n > 0 && err == ERR_OK) {
        struct str item = str_trim(str_cut(rest, ',', &rest));
        if (item.n > 0)
            err = add_source(a, r, item, http_api, e);
    }
    for (size_t i = 0; json_is(sources, JSON_ARRAY) && i < sources->n && err == ERR_OK; i++)
        err = add_source(a, r, json_str_or(sources->items[i], STR("")), http_api, e);
    return err;
}

/* The default of HTTP APIs differs by what is asked for; there is none but what is written. */
static enum err compile_event(struct request_conf *r, const struct json *spec, bool http_api,
                              struct errinfo *e)
{
    const struct json *version = json_get(spec, "authorizerPayloadFormatVersion");
    struct str text = json_str_or(version, STR(""));
    r->event = AUTH_EVENT_REST;
    if (!http_api)
        return ERR_OK;
    r->event = str_eqz(text, "2.0") ? AUTH_EVENT_HTTP_2_0 : AUTH_EVENT_HTTP_1_0;
    if (str_eqz(text, "1.0") || str_eqz(text, "2.0"))
        return ERR_OK;
    return errinfo_set(e, ERR_INVALID,
                       "authorizerPayloadFormatVersion must be \"1.0\" or \"2.0\" for a REQUEST "
                       "authorizer of an HTTP API");
}

static enum err request_compile(struct arena *a, const struct json *spec,
                                const struct authorizer_env *env, void **conf, struct errinfo *e)
{
    struct request_conf *r = ARENA_NEW(a, struct request_conf);
    const struct json *sources = json_get(spec, "identitySource");
    const struct json *at = sources ? sources : spec;
    int64_t ttl = env->http_api ? 0 : DEFAULT_AUTHORIZER_TTL_S;
    if (r == NULL)
        return ERR_NOMEM;
    *conf = r;
    if (e) {
        e->line = at->line;
        e->col = at->col;
    }
    r->always_gated = env->http_api;
    enum err err = compile_sources(a, r, sources, env->http_api, e);
    if (err == ERR_OK)
        err = compile_event(r, spec, env->http_api, e);
    (void)json_int(json_get(spec, "authorizerResultTtlInSeconds"), &ttl);
    if (err == ERR_OK && r->n == 0 && ttl > 0)
        err = errinfo_set(e, ERR_INVALID,
                          "a REQUEST authorizer whose results are cached needs an identitySource: "
                          "name one, or set authorizerResultTtlInSeconds to 0");
    return err;
}

/* --- identity ------------------------------------------------------------------------------- */
static const char *why_refused(enum err err)
{
    return err == ERR_NOTFOUND ? "is missing or empty; the function is not called"
                               : "is there more than once; the function is not called";
}

static bool fits(struct str value)
{
    return value.n <= LIMIT_IDENTITY_VALUE && str_is_utf8(value);
}

static enum err request_identity(const void *conf, struct auth_call *c, struct buf *key)
{
    const struct request_conf *r = conf;
    bool gated = r->always_gated || c->authorizer->ttl_s > 0;
    for (size_t i = 0; i < r->n && gated; i++) {
        const struct source *s = &r->source[i];
        char masked[16];
        struct str value = STR("");
        enum err err = c->facts.ops->value(c->facts.request, s->place, s->name, &value);
        if (err == ERR_OK && !fits(value))
            err = ERR_LIMIT;
        decision_note(c->record, "authorize", VERDICT_INFO, "source", s->written);
        if (err == ERR_NOMEM)
            return err;
        if (err == ERR_LIMIT) {
            decision_note(c->record, "authorize", VERDICT_DENY, "identity",
                          STR("the value is longer than 8 KiB or not UTF-8"));
            return ERR_DENIED;
        }
        if (err != ERR_OK) {
            decision_notef(c->record, "authorize", VERDICT_DENY, "identity", "%.*s %s",
                           STR_ARG(s->written), why_refused(err));
            return ERR_DENIED;
        }
        decision_note(c->record, "authorize", VERDICT_INFO, "identity",
                      decision_mask(value, masked));
        buf_addu(key, value.n);
        buf_addc(key, ':');
        buf_add(key, value);
    }
    return key->err == ERR_LIMIT ? ERR_DENIED : key->err;
}

/* --- the call -------------------------------------------------------------------------------- */
static bool request_decide(const void *conf, struct auth_call *c)
{
    const struct request_conf *r = conf;
    struct str value[LIMIT_IDENTITY_SOURCES];
    struct buf event = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    for (size_t i = 0; i < r->n; i++) {
        const struct source *s = &r->source[i];
        if (c->facts.ops->value(c->facts.request, s->place, s->name, &value[i]) != ERR_OK)
            value[i] = STR("");
    }
    c->facts.ops->event(c->facts.request, r->event, value, r->n, &event);
    if (event.err != ERR_OK) {
        decision_notef(c->record, "authorize", VERDICT_ERROR, "event", "could not be written: %s",
                       err_text(event.err));
        buf_fini(&event);
        return true; /* the verdict is still AUTH_ERROR */
    }
    auth__invoke(c, event);
    return false;
}

/* The header that looks most like a credential. */
static struct str request_token(const void *conf, const struct auth_call *c)
{
    const struct request_conf *r = conf;
    for (size_t i = 0; i < r->n; i++)
        if (r->source[i].place == AUTH_HEADER)
            return http_value(c->facts.headers, r->source[i].name);
    return http_value(c->facts.headers, STR("Authorization"));
}

static bool request_reads_header(const void *conf, struct str name)
{
    const struct request_conf *r = conf;
    for (size_t i = 0; i < r->n; i++)
        if (r->source[i].place == AUTH_HEADER && str_ieq(r->source[i].name, name))
            return true;
    return false;
}

const struct authorizer_kind authorizer__request = {
    .calls_function = true,
    .compile = request_compile,
    .identity = request_identity,
    .decide = request_decide,
    .token = request_token,
    .reads_header = request_reads_header,
};
