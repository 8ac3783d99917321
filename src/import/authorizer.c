/* SPDX-License-Identifier: Apache-2.0
 *
 * CreateAuthorizer's object, of apigateway for REST APIs and of apigatewayv2 for HTTP APIs, from
 * whatever described the authorizer. Invariant: every property that is there is either in what
 * comes out, judged, or refused by name; none is taken for another's. */
#include "import_api_int.h"
#include "token_rows_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define NO_ROLES "roles are not assumed here; the function is simply called"
#define OTHER_KIND "belongs to another type of authorizer"

static const struct key_row token_rows[] = {
    {"type", KEY_READ, NULL},
    {"authorizerUri", KEY_READ, NULL},
    {"authorizerCredentials", KEY_NOTE, NO_ROLES},
    {"identitySource", KEY_READ, NULL},
    {"identityValidationExpression", KEY_READ, NULL},
    {"authorizerResultTtlInSeconds", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    TOKEN_ROWS,
    ISSUER_ROWS,
    {"authorizerPayloadFormatVersion", KEY_REFUSE, OTHER_KIND},
    {"enableSimpleResponses", KEY_REFUSE, OTHER_KIND},
    {"jwtConfiguration", KEY_REFUSE, OTHER_KIND},
    {"providerARNs", KEY_REFUSE, OTHER_KIND},
};
static const struct key_row request_rows[] = {
    {"type", KEY_READ, NULL},
    {"authorizerUri", KEY_READ, NULL},
    {"authorizerCredentials", KEY_NOTE, NO_ROLES},
    {"identitySource", KEY_READ, NULL},
    {"authorizerResultTtlInSeconds", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    {"identityValidationExpression", KEY_REFUSE, OTHER_KIND},
    {"authorizerPayloadFormatVersion", KEY_REFUSE, "belongs to HTTP APIs"},
    {"enableSimpleResponses", KEY_REFUSE, "belongs to HTTP APIs"},
    {"jwtConfiguration", KEY_REFUSE, OTHER_KIND},
    {"providerARNs", KEY_REFUSE, OTHER_KIND},
};
static const struct key_row http_request_rows[] = {
    {"type", KEY_READ, NULL},
    {"authorizerUri", KEY_READ, NULL},
    {"authorizerCredentials", KEY_NOTE, NO_ROLES},
    {"identitySource", KEY_READ, NULL},
    {"authorizerResultTtlInSeconds", KEY_READ, NULL},
    {"authorizerPayloadFormatVersion", KEY_READ, NULL},
    {"enableSimpleResponses", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    {"identityValidationExpression", KEY_WARN, "has no effect for HTTP APIs"},
    {"jwtConfiguration", KEY_REFUSE, OTHER_KIND},
    {"providerARNs", KEY_REFUSE, OTHER_KIND},
};
static const struct key_row cognito_rows[] = {
    {"type", KEY_READ, NULL},
    {"providerARNs", KEY_READ, NULL},
    {"identitySource", KEY_READ, NULL},
    {"identityValidationExpression", KEY_READ, NULL},
    {"authorizerResultTtlInSeconds", KEY_NOTE, "a user pool's tokens are checked each time"},
    TOKEN_ROWS,
    {"authorizerUri", KEY_REFUSE, OTHER_KIND},
    {"jwtConfiguration", KEY_REFUSE, OTHER_KIND},
};
static const struct key_row jwt_rows[] = {
    {"type", KEY_READ, NULL},
    {"identitySource", KEY_READ, NULL},
    {"jwtConfiguration", KEY_READ, NULL},
    {"openIdConnectUrl", KEY_NOTE, "is taken from the scheme, or from jwtConfiguration"},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    TOKEN_ROWS,
    ISSUER_ROWS,
    {"authorizerResultTtlInSeconds", KEY_READ, NULL},
    {"identityValidationExpression", KEY_WARN, "has no effect for HTTP APIs"},
    {"authorizerUri", KEY_REFUSE, OTHER_KIND},
    {"providerARNs", KEY_REFUSE, OTHER_KIND},
};
#define WHAT "x-amazon-apigateway-authorizer"
static const struct key_table token_keys = {WHAT, token_rows, COUNTOF(token_rows), KEY_REFUSE};
static const struct key_table request_keys = {WHAT, request_rows, COUNTOF(request_rows),
                                              KEY_REFUSE};
static const struct key_table http_request_keys = {WHAT, http_request_rows,
                                                   COUNTOF(http_request_rows), KEY_REFUSE};
static const struct key_table cognito_keys = {WHAT, cognito_rows, COUNTOF(cognito_rows),
                                              KEY_REFUSE};
static const struct key_table jwt_keys = {WHAT, jwt_rows, COUNTOF(jwt_rows), KEY_REFUSE};

void import__check_authorizer(struct importer *im, const struct import_api *api,
                              enum guard_kind kind, const struct json *spec)
{
    bool http = api->api->kind == API_HTTP;
    if (kind == GUARD_TOKEN)
        import__check_keys(im, spec, &token_keys);
    else if (kind == GUARD_REQUEST)
        import__check_keys(im, spec, http ? &http_request_keys : &request_keys);
    else if (kind == GUARD_COGNITO)
        import__check_keys(im, spec, &cognito_keys);
    else if (kind == GUARD_JWT)
        import__check_keys(im, spec, &jwt_keys);
}

bool import__judges_tokens(const struct guard *g)
{
    return json_get(g->spec, "x-ropeline-issuers") ||
           json_get(g->spec, "x-ropeline-introspection") || json_get(g->spec, "x-ropeline-session");
}

/* One specification in the making. */
struct making {
    struct importer *im;
    struct import_api *api;
    const struct guard *g;
    struct json *out;
    bool failed;
};

static void refuse(struct making *x, const struct json *at, const char *text)
{
    import__say(x->im, IMPORT_ERROR, spot_or(at, x->g->spot), "authorizer %.*s: %s",
                SHORT(x->g->name), text);
    x->failed = true;
}

static void put_text(struct making *x, const char *key, struct str s, const struct json *place)
{
    import__put(x->im, x->out, key, import__new_text(x->im, s, place));
}

/* --- identity sources --------------------------------------------------------------------------
 */

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return s.n > 0;
}

static bool is_source(struct str s, bool http)
{
    static const struct {
        const char *prefix;
        bool http;
    } prefixes[] = {
        {"method.request.header.", false}, {"method.request.querystring.", false},
        {"stageVariables.", false},        {"context.", false},
        {"$request.header.", true},        {"$request.querystring.", true},
        {"$stageVariables.", true},        {"$context.", true},
    };
    for (size_t i = 0; i < COUNTOF(prefixes); i++)
        if (prefixes[i].http == http && str_starts(s, str_c(prefixes[i].prefix)) &&
            s.n > strlen(prefixes[i].prefix))
            return true;
    return false;
}

/* An HTTP API's document that was written for a REST API: the same place, in its words. */
static struct str in_http_words(struct making *x, const struct json *at, struct str one)
{
    const struct str prefix = STR("method.");
    if (!str_starts(one, STR("method.request.header.")) &&
        !str_starts(one, STR("method.request.querystring.")))
        return one;
    import__say(x->im, IMPORT_WARNING, spot_or(at, x->g->spot),
                "authorizer %.*s: \"%.*s\" is how REST APIs write it; an HTTP API's is $%.*s",
                SHORT(x->g->name), SHORT(one), SHORT(str_from(one, prefix.n)));
    return import__fmt(x->im, "$%.*s", STR_ARG(str_from(one, prefix.n)));
}

/* The items of a list, or of one text with commas; NULL when there is none. */
static const struct json *sources(struct making *x, const struct json *v)
{
    struct importer *im = x->im;
    bool http = x->api->api->kind == API_HTTP;
    struct json *list = json_new_array(im->a, 4);
    struct str text;
    if (!list)
        import__no_memory(im);
    for (size_t i = 0; list && v && (v->type == JSON_ARRAY ? i < v->n : i < 1); i++) {
        const struct json *item = v->type == JSON_ARRAY ? v->items[i] : v;
        if (!import__text(im, item, "identitySource", &text)) {
            x->failed = true;
            return NULL;
        }
        for (struct str rest = text; rest.p;) {
            struct str one = str_trim(str_cut(rest, ',', &rest));
            if (one.n == 0)
                continue;
            one = http ? in_http_words(x, item, one) : one;
            if (!is_source(one, http)) {
                import__say(im, IMPORT_ERROR, spot_or(item, x->g->spot),
                            "authorizer %.*s: \"%.*s\" is no identity source; write %s",
                            SHORT(x->g->name), SHORT(one),
                            http ? "$request.header.NAME, $request.querystring.NAME, "
                                   "$stageVariables.NAME or $context.NAME"
                                 : "method.request.header.NAME, method.request.querystring.NAME, "
                                   "stageVariables.NAME or context.NAME");
                x->failed = true;
            }
            if (json_push(im->a, list, import__new_text(im, one, item)) != ERR_OK)
                import__no_memory(im);
        }
    }
    return list && list->n > 0 ? list : NULL;
}

/* REST: one text. */
static void put_joined(struct making *x, const struct json *list, const struct json *place)
{
    AUTO_BUF b = BUF_INIT(LIMIT_RESOLVED_TEXT);
    for (size_t i = 0; i < list->n; i++) {
        buf_addz(&b, i > 0 ? ", " : "");
        buf_add(&b, list->items[i]->s);
    }
    if (b.err != ERR_OK)
        import__fail(x->im, b.err);
    put_text(x, "identitySource", buf_str(&b), place);
}

/* A TOKEN authorizer reads one header: the one that its scheme names. */
static void token_source(struct making *x)
{
    const struct json *written = json_get(x->g->spec, "identitySource");
    const struct str prefix = STR("method.request.header.");
    struct str header = STR_NONE, source = STR("");
    if (x->g->header && !import__text(x->im, x->g->header, "the header", &header)) {
        x->failed = true;
        return;
    }
    if (written && !import__text(x->im, written, "identitySource", &source)) {
        x->failed = true;
        return;
    }
    source = str_trim(source);
    if (!header.p && !written && import__judges_tokens(x->g))
        header = STR("Authorization");
    if (!header.p && str_starts(source, prefix))
        header = str_from(source, prefix.n);
    if (!header.p)
        refuse(x, written,
               "a TOKEN authorizer reads one header; write identitySource: "
               "method.request.header.Authorization (or the header's name)");
    else if (source.n > 0 &&
             (!str_starts(source, prefix) || !str_ieq(str_from(source, prefix.n), header)))
        refuse(x, written,
               "identitySource of a TOKEN authorizer is its scheme's header, "
               "method.request.header.NAME; change one of the two");
    else if (!is_token(header))
        refuse(x, x->g->header, "that is no name of a header");
    else
        put_text(x, "identitySource",
                 import__fmt(x->im, "method.request.header.%.*s", STR_ARG(header)),
                 x->g->header ? x->g->header : written);
}

static int64_t put_ttl(struct making *x, int64_t otherwise)
{
    const struct json *v = json_get(x->g->spec, "authorizerResultTtlInSeconds");
    int64_t ttl = otherwise;
    if (import__number(x->im, v, "the time results are cached", 0, LIMIT_AUTHORIZER_TTL_S, &ttl))
        import__put(x->im, x->out, "authorizerResultTtlInSeconds", json_new_int(x->im->a, ttl));
    else if (v)
        x->failed = true;
    return ttl;
}

static void request_source(struct making *x)
{
    bool http = x->api->api->kind == API_HTTP;
    const struct json *written = json_get(x->g->spec, "identitySource");
    const struct json *list = sources(x, written);
    int64_t ttl = put_ttl(x, http ? 0 : DEFAULT_AUTHORIZER_TTL_S);
    if (!list && !x->failed && ttl > 0)
        refuse(x, json_get(x->g->spec, "authorizerResultTtlInSeconds"),
               "results that are cached need at least one identity source; write identitySource, "
               "or authorizerResultTtlInSeconds: 0");
    if (!list)
        return;
    if (http)
        import__put(x->im, x->out, "identitySource", list);
    else
        put_joined(x, list, written);
}

/* The header of a Cognito authorizer's scheme, else Authorization. */
static struct str scheme_source(struct making *x)
{
    struct str header = STR("Authorization");
    if (x->g->header && !import__text(x->im, x->g->header, "the header", &header))
        x->failed = true;
    return import__fmt(x->im, "method.request.header.%.*s", STR_ARG(header));
}

/* Where a token is; `fallback` when nothing is said. */
static void header_source(struct making *x, struct str fallback)
{
    bool http = x->api->api->kind == API_HTTP;
    const struct json *written = json_get(x->g->spec, "identitySource");
    const struct json *list = sources(x, written);
    if (!list && !x->failed) {
        struct json *one = json_new_array(x->im->a, 1);
        if (!one || json_push(x->im->a, one, import__new_text(x->im, fallback, NULL)) != ERR_OK)
            import__no_memory(x->im);
        list = one;
    }
    if (!list)
        return;
    if (list->n != 1)
        refuse(x, written, "a token is read from one identity source");
    else if (http)
        import__put(x->im, x->out, "identitySource", list);
    else
        put_joined(x, list, written);
}

/* --- the other properties ----------------------------------------------------------------------
 */

static void put_expression(struct making *x)
{
    const struct json *v = json_get(x->g->spec, "identityValidationExpression");
    struct str text;
    if (import__text(x->im, v, "the validation expression", &text) && text.n > 0)
        put_text(x, "identityValidationExpression", text, v);
}

static void put_function(struct making *x)
{
    const struct guard *g = x->g;
    const char *what = g->is_uri ? "authorizerUri" : "FunctionArn";
    if (!g->function)
        import__say(x->im, IMPORT_ERROR, g->spot, "the authorizer %.*s has no %s", SHORT(g->name),
                    what);
    struct str arn;
    struct declared *d =
        import__find_function(x->im, x->api, g->function, g->is_uri, what, g->spot, &arn);
    x->failed = x->failed || !d;
    if (!d)
        return;
    if (g->is_uri && !json_get(g->spec, "authorizerCredentials"))
        d->by_uri = true;
    put_text(x, "authorizerUri", import__invocation_uri(x->im, arn), g->function);
}

static void put_payload(struct making *x)
{
    const struct json *v = json_get(x->g->spec, "authorizerPayloadFormatVersion");
    const struct json *simple = json_get(x->g->spec, "enableSimpleResponses");
    struct str text = STR("1.0");
    if (!v)
        import__say(x->im, IMPORT_WARNING, x->g->spot,
                    "authorizer %.*s: authorizerPayloadFormatVersion is missing and AWS would ask "
                    "for it; it is taken as \"1.0\"",
                    SHORT(x->g->name));
    else if (!import__text(x->im, v, "authorizerPayloadFormatVersion", &text))
        x->failed = true;
    bool second = str_eqz(text, "2.0") || str_eqz(text, "2");
    if (v && !x->failed && !second && !str_eqz(text, "1.0") && !str_eqz(text, "1"))
        refuse(x, v, "authorizerPayloadFormatVersion must be 1.0 or 2.0");
    put_text(x, "authorizerPayloadFormatVersion", second ? STR("2.0") : STR("1.0"), v);
    bool yes = import__flag(x->im, simple, "enableSimpleResponses", false);
    if (yes && !second)
        refuse(x, simple, "enableSimpleResponses needs authorizerPayloadFormatVersion 2.0");
    if (yes)
        import__put(x->im, x->out, "enableSimpleResponses", json_new_bool(x->im->a, true));
}

/* A user pool that stands in no document here: its name will do, for user_pools maps its ARN. */
static const struct json *foreign_pool(struct making *x, const struct json *v)
{
    const struct model *m = x->im->model;
    const struct json *call = json_get(v, "Fn::GetAtt"), *name = json_at(call, 0);
    if (!x->im->bare || !json_is(name, JSON_STRING) ||
        !str_eqz(json_str_or(json_at(call, 1), STR("")), "Arn"))
        return NULL;
    return import__new_text(x->im,
                            import__fmt(x->im, "arn:%.*s:cognito-idp:%.*s:%.*s:userpool/%.*s_%.*s",
                                        STR_ARG(m->partition), STR_ARG(m->region),
                                        STR_ARG(m->account), STR_ARG(m->region), SHORT(name->s)),
                            v);
}

static void put_pools(struct making *x)
{
    const struct json *v = json_get(x->g->spec, "providerARNs");
    struct json *list = json_new_array(x->im->a, 2);
    struct str text;
    if (v && v->type != JSON_ARRAY && !import__is_intrinsic(v)) {
        refuse(x, v, "providerARNs is a list");
        return;
    }
    for (size_t i = 0; v && list && (v->type == JSON_ARRAY ? i < v->n : i < 1); i++) {
        const struct json *item = v->type == JSON_ARRAY ? v->items[i] : v;
        const struct json *pool = foreign_pool(x, item);
        if (!pool && import__text(x->im, item, "a user pool's ARN", &text))
            pool = import__new_text(x->im, text, item);
        size_t id = pool ? str_find(pool->s, STR(":userpool/")) : 0;
        if (pool && (id == SIZE_MAX || str_chr(pool->s, '_', id) == SIZE_MAX))
            import__say(x->im, IMPORT_WARNING, spot_or(item, x->g->spot),
                        "authorizer %.*s: \"%.*s\" is no ARN of a user pool; to run, it needs its "
                        "issuer in user_pools of ropeline.yaml or with --user-pool",
                        SHORT(x->g->name), SHORT(pool->s));
        if (!pool || json_push(x->im->a, list, pool) != ERR_OK)
            x->failed = true;
    }
    if (!list)
        import__no_memory(x->im);
    else if (list->n == 0 && !x->failed)
        refuse(x, v, "providerARNs names no user pool");
    else
        import__put(x->im, x->out, "providerARNs", list);
}

static const struct json *audiences(struct making *x, const struct json *v)
{
    struct json *list = json_new_array(x->im->a, 2);
    struct str text;
    for (size_t i = 0; v && list && (v->type == JSON_ARRAY ? i < v->n : i < 1); i++) {
        const struct json *item = v->type == JSON_ARRAY ? v->items[i] : v;
        if (!import__text(x->im, item, "audience", &text) ||
            json_push(x->im->a, list, import__new_text(x->im, text, item)) != ERR_OK)
            x->failed = true;
    }
    if (!list)
        import__no_memory(x->im);
    return list && list->n > 0 ? list : NULL;
}

/* Letters of either case, as SAM takes them. */
static const struct json *any_case(const struct json *object, const char *key)
{
    for (size_t i = 0; json_is(object, JSON_OBJECT) && i < object->n; i++)
        if (str_ieq(object->members[i].key, str_c(key)))
            return object->members[i].value;
    return NULL;
}

static void put_issuer(struct making *x)
{
    const struct json *v = json_get(x->g->spec, "jwtConfiguration");
    struct json *out = import__new_object(x->im, v);
    struct str issuer;
    if (!v && import__judges_tokens(x->g))
        return;
    if (!v)
        refuse(x, NULL, "jwtConfiguration {issuer, audience} is missing");
    if (!import__object(x->im, v, "jwtConfiguration")) {
        x->failed = true;
        return;
    }
    const struct json *from = any_case(v, "issuer");
    const struct json *list = audiences(x, any_case(v, "audience"));
    if (from && import__text(x->im, from, "issuer", &issuer) && issuer.n > 0)
        import__put(x->im, out, "issuer", import__new_text(x->im, issuer, from));
    else if (!from)
        refuse(x, v, "jwtConfiguration has no issuer");
    else
        x->failed = true;
    if (list)
        import__put(x->im, out, "audience", list);
    else if (!x->failed)
        refuse(x, v,
               "jwtConfiguration has no audience: tokens that the issuer made for others "
               "would be accepted");
    import__put(x->im, x->out, "jwtConfiguration", out);
}

/* --- ours --------------------------------------------------------------------------------------
 */

static void put_ours(struct making *x)
{
    const struct json *spec = x->g->spec;
    const struct json *coalesce = json_get(spec, "x-ropeline-coalesce");
    for (size_t i = 0; i < spec->n; i++)
        if (str_starts(spec->members[i].key, STR("x-ropeline-")) &&
            spec->members[i].value != coalesce &&
            json_set(x->im->a, x->out, spec->members[i].key, spec->members[i].value) != ERR_OK)
            import__no_memory(x->im);
    if (!coalesce)
        return;
    if (!json_is_bool(coalesce)) {
        import__say(x->im, IMPORT_ERROR, spot_or(coalesce, x->g->spot),
                    "x-ropeline-coalesce is true or false");
        x->failed = true;
    }
    import__put(x->im, x->out, "coalesce", coalesce);
}

/* A session of our own core: where its token is, whose it is and how it is signed is known. */
static void put_session(struct making *x)
{
    static const char *const known[] = {"type", "x-ropeline-session", "x-ropeline-coalesce",
                                        "authorizerResultTtlInSeconds"};
    const struct json *spec = x->g->spec;
    for (size_t i = 0; i < spec->n; i++) {
        size_t k = 0;
        while (k < COUNTOF(known) && !str_eqz(spec->members[i].key, known[k]))
            k++;
        if (k == COUNTOF(known))
            refuse(x, spec->members[i].value,
                   "beside x-ropeline-session stand only authorizerResultTtlInSeconds and "
                   "x-ropeline-coalesce");
    }
    if (json_get(spec, "authorizerResultTtlInSeconds"))
        (void)put_ttl(x, 0);
}

const struct json *import__authorizer_spec(struct importer *im, struct import_api *api,
                                           const struct guard *g)
{
    bool http = api->api->kind == API_HTTP;
    struct making x = {.im = im, .api = api, .g = g};
    const char *type = g->kind == GUARD_TOKEN     ? "TOKEN"
                       : g->kind == GUARD_REQUEST ? "REQUEST"
                       : g->kind == GUARD_COGNITO ? "COGNITO_USER_POOLS"
                                                  : "JWT";
    x.out = import__new_object(im, &(struct json){.line = g->spot.line, .col = g->spot.col});
    put_text(&x, "name", g->name, NULL);
    put_text(&x, http ? "authorizerType" : "type", str_c(type), NULL);
    if (http ? g->kind == GUARD_TOKEN || g->kind == GUARD_COGNITO : g->kind == GUARD_JWT)
        refuse(&x, NULL,
               http ? "HTTP APIs have only REQUEST and JWT authorizers"
                    : "JWT authorizers belong to HTTP APIs; write cognito_user_pools, or a Lambda "
                      "authorizer");
    if ((g->kind == GUARD_TOKEN && !import__judges_tokens(g)) || g->kind == GUARD_REQUEST)
        put_function(&x);
    else if (g->function)
        refuse(&x, g->function, "it judges tokens itself, so it has no authorizerUri");
    if (json_get(g->spec, "x-ropeline-session")) {
        put_session(&x);
    } else if (g->kind == GUARD_TOKEN) {
        token_source(&x);
        put_expression(&x);
        (void)put_ttl(&x, 0);
    } else if (g->kind == GUARD_REQUEST) {
        request_source(&x);
        if (http)
            put_payload(&x);
    } else if (g->kind == GUARD_COGNITO) {
        header_source(&x, scheme_source(&x));
        put_expression(&x);
        put_pools(&x);
    } else {
        header_source(&x, STR("$request.header.Authorization"));
        put_issuer(&x);
        if (json_get(g->spec, "x-ropeline-introspection"))
            (void)put_ttl(&x, 0);
        else if (json_get(g->spec, "authorizerResultTtlInSeconds"))
            import__say(im, IMPORT_NOTE, spot_of(json_get(g->spec, "authorizerResultTtlInSeconds")),
                        "authorizer %.*s: a JWT is checked each time", SHORT(g->name));
    }
    put_ours(&x);
    return x.failed ? NULL : x.out;
}
