/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAPI's security schemes as guards. Invariant: a scheme is what API Gateway would make of it;
 * what it would not enforce becomes GUARD_PLAIN, which refuses whoever relies on it. */
#include "import_api_int.h"
#include "token_rows_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define AUTHORIZER "x-amazon-apigateway-authorizer"

static const struct type_row {
    const char *name; /* as the document spells it, in any case */
    enum guard_kind kind;
} types[] = {
    {"token", GUARD_TOKEN},
    {"request", GUARD_REQUEST},
    {"cognito_user_pools", GUARD_COGNITO},
    {"jwt", GUARD_JWT},
};

static enum guard_kind type_of(struct importer *im, struct guard *g, const struct json *authorizer)
{
    const struct json *type = json_get(authorizer, "type");
    struct str text;
    if (!type)
        import__say(im, IMPORT_ERROR, spot_or(authorizer, g->spot),
                    "the authorizer %.*s has no type; write type: token, request, "
                    "cognito_user_pools or jwt",
                    SHORT(g->name));
    if (!import__text(im, type, "type", &text))
        return GUARD_BROKEN;
    for (size_t i = 0; i < COUNTOF(types); i++)
        if (str_ieq(text, str_c(types[i].name)))
            return types[i].kind;
    import__say(im, IMPORT_ERROR, spot_of(type), "there is no authorizer type \"%.*s\"",
                SHORT(text));
    return GUARD_BROKEN;
}

/* A TOKEN authorizer reads the one header that its scheme names. */
static bool read_token_scheme(struct importer *im, struct guard *g, const struct json *scheme)
{
    struct str type = STR(""), in = STR("");
    (void)import__text(im, json_get(scheme, "type"), "type", &type);
    (void)import__text(im, json_get(scheme, "in"), "in", &in);
    if (import__judges_tokens(g) && !str_eqz(type, "apiKey"))
        return true; /* the Authorization header, unless identitySource says otherwise */
    g->header = json_get(scheme, "name");
    if (str_eqz(type, "apiKey") && str_eqz(in, "header") && g->header)
        return true;
    import__say(im, IMPORT_ERROR, g->spot,
                "the TOKEN authorizer %.*s reads one header; write type: apiKey, in: header "
                "and name: Authorization (or the header's name)",
                SHORT(g->name));
    return false;
}

/* Without an issuer of its own a jwt authorizer has that of the scheme's openIdConnectUrl. */
static const struct json *with_issuer(struct importer *im, const struct json *scheme,
                                      const struct json *authorizer)
{
    static const char end[] = "/.well-known/openid-configuration";
    const struct json *url = json_get(scheme, "openIdConnectUrl");
    const struct json *jwt = json_get(authorizer, "jwtConfiguration");
    struct str text;
    if (!url || json_get(jwt, "issuer") || (jwt && jwt->type != JSON_OBJECT) ||
        !import__text(im, url, "openIdConnectUrl", &text))
        return authorizer;
    if (str_ends(text, str_c(end)))
        text = str_sub(text, 0, text.n - strlen(end));
    struct json *issuer = import__new_object(im, url), *both = import__new_object(im, authorizer);
    import__put(im, issuer, "issuer", import__new_text(im, text, url));
    if (!issuer || !both)
        return authorizer;
    import__put(im, both, "jwtConfiguration", issuer);
    return import__merge(im, both, authorizer);
}

static enum guard_kind plain_kind(const struct json *scheme, struct str authtype)
{
    struct str type = json_str_or(json_get(scheme, "type"), STR(""));
    struct str in = json_str_or(json_get(scheme, "in"), STR(""));
    struct str name = json_str_or(json_get(scheme, "name"), STR(""));
    if (str_ieq(authtype, STR("awsSigv4")))
        return GUARD_IAM;
    bool key = str_eqz(type, "apiKey") && str_eqz(in, "header") && str_ieq(name, STR("x-api-key"));
    return key ? GUARD_API_KEY : GUARD_PLAIN;
}

/* An opaque token that its issuer is asked about: ours, without any of AWS's words. */
static const struct json *introspected(struct importer *im, const struct import_api *api,
                                       const struct json *scheme)
{
    bool http = api->api->kind == API_HTTP;
    const struct json *v = json_get(scheme, "x-ropeline-introspection");
    struct json *spec = v ? import__new_object(im, scheme) : NULL;
    if (!spec)
        return NULL;
    import__put(im, spec, "type", import__new_text(im, http ? STR("jwt") : STR("token"), NULL));
    import__put(im, spec, "identitySource",
                import__new_text(im,
                                 http ? STR("$request.header.Authorization")
                                      : STR("method.request.header.Authorization"),
                                 NULL));
    import__put(im, spec, "x-ropeline-introspection", v);
    return spec;
}

/* A session of our own core, wherever the scheme says that its token is. */
static const struct json *of_session(struct importer *im, const struct import_api *api,
                                     const struct json *scheme)
{
    static const char *const ours[] = {"x-ropeline-session", "x-ropeline-coalesce",
                                       "authorizerResultTtlInSeconds"};
    bool http = api->api->kind == API_HTTP;
    struct json *spec = import__new_object(im, scheme);
    import__put(im, spec, "type", import__new_text(im, http ? STR("jwt") : STR("token"), NULL));
    for (size_t i = 0; spec && i < COUNTOF(ours); i++)
        if (json_get(scheme, ours[i]))
            import__put(im, spec, ours[i], json_get(scheme, ours[i]));
    return spec;
}

static const struct key_row scheme_rows[] = {
    {"type", KEY_READ, NULL},
    {"in", KEY_READ, NULL},
    {"name", KEY_READ, NULL},
    {"description", KEY_SILENT, NULL},
    {"scheme", KEY_SILENT, NULL},
    {"bearerFormat", KEY_SILENT, NULL},
    {"flow", KEY_SILENT, NULL},
    {"flows", KEY_SILENT, NULL},
    {"scopes", KEY_SILENT, NULL},
    {"authorizationUrl", KEY_SILENT, NULL},
    {"tokenUrl", KEY_SILENT, NULL},
    {"openIdConnectUrl", KEY_READ, NULL},
    {"x-amazon-apigateway-authtype", KEY_READ, NULL},
    {AUTHORIZER, KEY_READ, NULL},
    {"x-ropeline-introspection", KEY_READ, NULL},
    {"x-ropeline-session", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    {"authorizerResultTtlInSeconds", KEY_READ, NULL},
};
static const struct key_table scheme_keys = {"a security scheme", scheme_rows, COUNTOF(scheme_rows),
                                             KEY_NOTE};

static void read_scheme(struct importer *im, struct import_api *api, struct guard *g,
                        const struct json *scheme)
{
    struct str authtype = STR("");
    scheme = import__object(im, scheme, "a security scheme");
    if (!scheme)
        return;
    import__check_keys(im, scheme, &scheme_keys);
    (void)import__text(im, json_get(scheme, "x-amazon-apigateway-authtype"),
                       "x-amazon-apigateway-authtype", &authtype);
    const struct json *authorizer = json_get(scheme, AUTHORIZER);
    if (!authorizer && json_get(scheme, "x-ropeline-session"))
        authorizer = of_session(im, api, scheme);
    if (!authorizer)
        authorizer = introspected(im, api, scheme);
    if (!authorizer) {
        g->kind = plain_kind(scheme, authtype);
        return;
    }
    authorizer = import__object(im, authorizer, AUTHORIZER);
    if (!authorizer)
        return;
    if (str_ieq(authtype, STR("awsSigv4"))) {
        import__say(im, IMPORT_ERROR, g->spot,
                    "%.*s has an authorizer and x-amazon-apigateway-authtype awsSigv4; it can only "
                    "be one",
                    SHORT(g->name));
        return;
    }
    enum guard_kind kind = type_of(im, g, authorizer);
    import__check_authorizer(im, api, kind, authorizer);
    g->spec = kind == GUARD_JWT ? with_issuer(im, scheme, authorizer) : authorizer;
    g->function = json_get(authorizer, "authorizerUri");
    g->is_uri = true;
    bool ours = json_get(authorizer, "x-ropeline-session") ||
                (!json_get(scheme, AUTHORIZER) && !json_get(scheme, "name"));
    if (kind == GUARD_TOKEN && !ours && !read_token_scheme(im, g, scheme))
        kind = GUARD_BROKEN;
    if (kind == GUARD_COGNITO && str_eqz(json_str_or(json_get(scheme, "in"), STR("")), "header"))
        g->header = json_get(scheme, "name");
    g->kind = kind;
}

void import__read_schemes(struct importer *im, struct import_api *api, const struct json *schemes)
{
    schemes = import__object(im, schemes, "the security schemes");
    for (size_t i = 0; schemes && i < schemes->n; i++) {
        const struct json_member *m = &schemes->members[i];
        const struct json *scheme = import__follow(im, api->doc, m->value);
        const struct guard *other = import__find_guard(api, m->key);
        if (other && other->from_sam) /* SAM writes its own over the definition's */
            continue;
        struct guard *g = import__new_guard(im, api, m->key, spot_key(m));
        if (g)
            read_scheme(im, api, g, scheme);
    }
}
