/* SPDX-License-Identifier: Apache-2.0
 *
 * What may stand before a method: OpenAPI's security schemes and the authorizers of SAM's Auth.
 * Invariant: whatever a method names either becomes an authorizer of the model or refuses the
 * document; a definition that nobody uses only warns. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define NO_ROLES "roles are not assumed here; the function is simply called"

/* --- the properties ----------------------------------------------------------------------------
 */

#define OTHER_KIND "belongs to another type of authorizer"
static const struct key_row token_rows[] = {
    {"type", KEY_READ, NULL},
    {"authorizerUri", KEY_READ, NULL},
    {"authorizerCredentials", KEY_NOTE, NO_ROLES},
    {"identitySource", KEY_READ, NULL},
    {"identityValidationExpression", KEY_READ, NULL},
    {"authorizerResultTtlInSeconds", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    {"authorizerPayloadFormatVersion", KEY_REFUSE, OTHER_KIND},
    {"enableSimpleResponses", KEY_REFUSE, OTHER_KIND},
    {"jwtConfiguration", KEY_REFUSE, OTHER_KIND},
    {"providerARNs", KEY_REFUSE, OTHER_KIND},
};
static const struct key_row later_rows[] = {
    {"type", KEY_READ, NULL},
    {"authorizerUri", KEY_SILENT, NULL},
    {"authorizerCredentials", KEY_SILENT, NULL},
    {"identitySource", KEY_SILENT, NULL},
    {"identityValidationExpression", KEY_SILENT, NULL},
    {"authorizerResultTtlInSeconds", KEY_SILENT, NULL},
    {"authorizerPayloadFormatVersion", KEY_SILENT, NULL},
    {"enableSimpleResponses", KEY_SILENT, NULL},
    {"jwtConfiguration", KEY_SILENT, NULL},
    {"providerARNs", KEY_SILENT, NULL},
};
static const struct key_table token_keys = {"x-amazon-apigateway-authorizer", token_rows,
                                            COUNTOF(token_rows), KEY_REFUSE};
static const struct key_table later_keys = {"x-amazon-apigateway-authorizer", later_rows,
                                            COUNTOF(later_rows), KEY_REFUSE};

static const struct key_row lambda_rows[] = {
    {"FunctionArn", KEY_READ, NULL},
    {"FunctionPayloadType", KEY_READ, NULL},
    {"FunctionInvokeRole", KEY_SILENT, NULL},
    {"Identity", KEY_READ, NULL},
    {"DisableFunctionDefaultPermissions", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_WARN, "scopes are not checked for Lambda authorizers"},
};
static const struct key_row cognito_rows[] = {
    {"UserPoolArn", KEY_READ, NULL},
    {"Identity", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_READ, NULL},
};
#define FOR_REQUEST "belongs to FunctionPayloadType: REQUEST"
#define FOR_TOKEN "belongs to FunctionPayloadType: TOKEN"
static const struct key_row token_identity_rows[] = {
    {"Header", KEY_READ, NULL},
    {"ValidationExpression", KEY_READ, NULL},
    {"ReauthorizeEvery", KEY_READ, NULL},
    {"Headers", KEY_REFUSE, FOR_REQUEST},
    {"QueryStrings", KEY_REFUSE, FOR_REQUEST},
    {"StageVariables", KEY_REFUSE, FOR_REQUEST},
    {"Context", KEY_REFUSE, FOR_REQUEST},
};
static const struct key_row request_identity_rows[] = {
    {"Headers", KEY_READ, NULL},
    {"QueryStrings", KEY_READ, NULL},
    {"StageVariables", KEY_READ, NULL},
    {"Context", KEY_READ, NULL},
    {"ReauthorizeEvery", KEY_READ, NULL},
    {"Header", KEY_REFUSE, FOR_TOKEN},
    {"ValidationExpression", KEY_REFUSE, FOR_TOKEN},
};
static const struct key_table lambda_keys = {"a Lambda authorizer", lambda_rows,
                                             COUNTOF(lambda_rows), KEY_REFUSE};
static const struct key_table cognito_keys = {"a Cognito authorizer", cognito_rows,
                                              COUNTOF(cognito_rows), KEY_REFUSE};
static const struct key_table token_identity_keys = {"Identity", token_identity_rows,
                                                     COUNTOF(token_identity_rows), KEY_REFUSE};
static const struct key_table request_identity_keys = {"Identity", request_identity_rows,
                                                       COUNTOF(request_identity_rows), KEY_REFUSE};

/* --- the list ----------------------------------------------------------------------------------
 */

struct guard *import__find_guard(const struct import_api *api, struct str name)
{
    struct guard *g = api->guards;
    while (g && !str_eq(g->name, name))
        g = g->next;
    return g;
}

static struct guard *new_guard(struct importer *im, struct import_api *api,
                               const struct json_member *m)
{
    if (import__find_guard(api, m->key)) {
        import__say(im, IMPORT_ERROR, spot_key(m), "the authorizer %.*s is defined twice",
                    SHORT(m->key));
        return NULL;
    }
    struct guard *g = ARENA_NEW(im->a, struct guard);
    if (!g) {
        import__no_memory(im);
        return NULL;
    }
    *g =
        (struct guard){.kind = GUARD_BROKEN, .name = m->key, .file = im->file, .spot = spot_key(m)};
    g->next = api->guards;
    api->guards = g;
    return g;
}

/* --- OpenAPI -----------------------------------------------------------------------------------
 */

static const struct type_row {
    const char *name; /* as the document spells it, in any case */
    enum guard_kind kind;
} types[] = {
    {"token", GUARD_TOKEN},
    {"request", GUARD_LATER},
    {"cognito_user_pools", GUARD_LATER},
    {"jwt", GUARD_LATER},
};

static enum guard_kind type_of(struct importer *im, struct guard *g, const struct json *authorizer)
{
    const struct json *type = json_get(authorizer, "type");
    if (!type)
        import__say(im, IMPORT_ERROR, spot_or(authorizer, g->spot),
                    "the authorizer %.*s has no type; write type: token", SHORT(g->name));
    if (!import__text(im, type, "type", &g->type))
        return GUARD_BROKEN;
    for (size_t i = 0; i < COUNTOF(types); i++)
        if (str_ieq(g->type, str_c(types[i].name)))
            return types[i].kind;
    import__say(im, IMPORT_ERROR, spot_of(type), "there is no authorizer type \"%.*s\"",
                SHORT(g->type));
    return GUARD_BROKEN;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return s.n > 0;
}

/* A TOKEN authorizer reads one header: the one that its scheme names. */
static bool read_token_scheme(struct importer *im, struct guard *g, const struct json *scheme,
                              const struct json *authorizer)
{
    struct str type = STR(""), in = STR(""), name = STR(""), source;
    import__check_keys(im, authorizer, &token_keys);
    (void)import__text(im, json_get(scheme, "type"), "type", &type);
    (void)import__text(im, json_get(scheme, "in"), "in", &in);
    g->header = json_get(scheme, "name");
    if (!str_eqz(type, "apiKey") || !str_eqz(in, "header") || !g->header) {
        import__say(im, IMPORT_ERROR, g->spot,
                    "the TOKEN authorizer %.*s reads one header; write type: apiKey, in: header "
                    "and name: Authorization (or the header's name)",
                    SHORT(g->name));
        return false;
    }
    if (!import__text(im, g->header, "name", &name))
        return false;
    const struct json *written = json_get(authorizer, "identitySource");
    if (import__text(im, written, "identitySource", &source) && source.n > 0) {
        const struct str prefix = STR("method.request.header.");
        source = str_trim(source);
        if (!str_starts(source, prefix) || !str_ieq(str_from(source, prefix.n), name)) {
            import__say(im, IMPORT_ERROR, spot_of(written),
                        "identitySource of a TOKEN authorizer is its scheme's header, "
                        "method.request.header.%.*s; change one of the two",
                        SHORT(name));
            return false;
        }
    }
    g->function = json_get(authorizer, "authorizerUri");
    g->is_uri = true;
    g->has_role = json_get(authorizer, "authorizerCredentials") != NULL;
    g->expression = json_get(authorizer, "identityValidationExpression");
    g->ttl = json_get(authorizer, "authorizerResultTtlInSeconds");
    g->coalesce = json_get(authorizer, "x-ropeline-coalesce");
    if (g->coalesce && !json_is_bool(g->coalesce)) {
        import__say(im, IMPORT_ERROR, spot_or(g->coalesce, g->spot),
                    "x-ropeline-coalesce is true or false");
        return false;
    }
    return true;
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

static void read_scheme(struct importer *im, struct guard *g, const struct json *scheme)
{
    struct str authtype = STR("");
    scheme = import__object(im, scheme, "a security scheme");
    if (!scheme)
        return;
    (void)import__text(im, json_get(scheme, "x-amazon-apigateway-authtype"),
                       "x-amazon-apigateway-authtype", &authtype);
    const struct json *authorizer = json_get(scheme, "x-amazon-apigateway-authorizer");
    if (!authorizer) {
        g->kind = plain_kind(scheme, authtype);
        return;
    }
    authorizer = import__object(im, authorizer, "x-amazon-apigateway-authorizer");
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
    if (kind == GUARD_LATER)
        import__check_keys(im, authorizer, &later_keys);
    if (kind == GUARD_TOKEN && !read_token_scheme(im, g, scheme, authorizer))
        kind = GUARD_BROKEN;
    g->kind = kind;
}

void import__read_schemes(struct importer *im, struct import_api *api, const struct json *schemes)
{
    schemes = import__object(im, schemes, "the security schemes");
    for (size_t i = 0; schemes && i < schemes->n; i++) {
        const struct json_member *m = &schemes->members[i];
        struct guard *g = new_guard(im, api, m);
        if (g)
            read_scheme(im, g, import__follow(im, api->doc, m->value));
    }
}

/* --- SAM ---------------------------------------------------------------------------------------
 */

static bool read_token_authorizer(struct importer *im, struct guard *g, const struct json *identity)
{
    import__check_keys(im, identity, &token_identity_keys);
    g->header = json_get(identity, "Header");
    if (!g->header)
        g->header = import__new_text(im, STR("Authorization"), NULL);
    g->expression = json_get(identity, "ValidationExpression");
    g->ttl = json_get(identity, "ReauthorizeEvery");
    return g->header != NULL;
}

/* Not served yet, but what SAM itself refuses is refused: the document would not deploy. */
static bool read_request_authorizer(struct importer *im, struct guard *g,
                                    const struct json *identity)
{
    static const char *const lists[] = {"Headers", "QueryStrings", "StageVariables", "Context"};
    struct str text;
    size_t sources = 0;
    int64_t ttl = -1;
    import__check_keys(im, identity, &request_identity_keys);
    for (size_t i = 0; i < COUNTOF(lists); i++) {
        const struct json *list = import__array(im, json_get(identity, lists[i]), lists[i]);
        for (size_t k = 0; list && k < list->n; k++)
            sources += import__text(im, list->items[k], lists[i], &text);
    }
    const struct json *every = json_get(identity, "ReauthorizeEvery");
    bool maybe_off = import__is_intrinsic(every) || (json_int(every, &ttl) && ttl == 0);
    if (sources > 0 || maybe_off)
        return true;
    import__say(im, IMPORT_ERROR, g->spot,
                "the REQUEST authorizer %.*s needs an Identity with at least one of Headers, "
                "QueryStrings, StageVariables or Context",
                SHORT(g->name));
    return false;
}

static void read_lambda_authorizer(struct importer *im, struct guard *g, const struct json *v)
{
    const struct json *identity = json_get(v, "Identity");
    bool sound = true;
    g->type = STR("TOKEN");
    g->function = json_get(v, "FunctionArn");
    import__check_keys(im, v, &lambda_keys);
    (void)import__flag(im, json_get(v, "DisableFunctionDefaultPermissions"),
                       "DisableFunctionDefaultPermissions", false);
    if (json_get(v, "FunctionPayloadType"))
        sound =
            import__text(im, json_get(v, "FunctionPayloadType"), "FunctionPayloadType", &g->type);
    if (identity)
        sound = import__object(im, identity, "Identity") && sound;
    if (!sound)
        return;
    if (str_eqz(g->type, "TOKEN")) {
        if (read_token_authorizer(im, g, identity))
            g->kind = GUARD_TOKEN;
    } else if (str_eqz(g->type, "REQUEST")) {
        if (read_request_authorizer(im, g, identity))
            g->kind = GUARD_LATER;
    } else {
        import__say(im, IMPORT_ERROR, spot_of(json_get(v, "FunctionPayloadType")),
                    "FunctionPayloadType must be TOKEN or REQUEST, not \"%.*s\"", SHORT(g->type));
    }
}

static void read_authorizer(struct importer *im, struct guard *g, const struct json *v)
{
    g->from_sam = true;
    v = import__object(im, v, "an authorizer");
    if (!v)
        return;
    if (json_get(v, "UserPoolArn")) {
        import__check_keys(im, v, &cognito_keys);
        g->type = STR("COGNITO_USER_POOLS");
        g->kind = GUARD_LATER;
    } else if (json_get(v, "FunctionArn")) {
        read_lambda_authorizer(im, g, v);
    } else {
        import__check_keys(im, v, &lambda_keys);
        import__say(im, IMPORT_ERROR, g->spot,
                    "the authorizer %.*s has neither a FunctionArn nor a UserPoolArn",
                    SHORT(g->name));
    }
}

void import__read_authorizers(struct importer *im, struct import_api *api,
                              const struct json *authorizers)
{
    authorizers = import__object(im, authorizers, "Authorizers");
    for (size_t i = 0; authorizers && i < authorizers->n; i++) {
        const struct json_member *m = &authorizers->members[i];
        if (str_eqz(m->key, "NONE") || str_eqz(m->key, "AWS_IAM")) {
            import__say(im, IMPORT_ERROR, spot_key(m),
                        "%.*s has a meaning of its own; name the "
                        "authorizer otherwise",
                        STR_ARG(m->key));
            continue;
        }
        struct guard *g = new_guard(im, api, m);
        if (g)
            read_authorizer(im, g, m->value);
    }
}

/* --- use ---------------------------------------------------------------------------------------
 */

/* CreateAuthorizer's object. */
static const struct json *token_spec(struct importer *im, const struct guard *g, struct str arn)
{
    struct json *spec =
        import__new_object(im, &(struct json){.line = g->spot.line, .col = g->spot.col});
    struct str header, expression;
    int64_t ttl;
    if (!import__text(im, g->header, "the header", &header))
        return NULL;
    if (!is_token(header)) {
        import__say(im, IMPORT_ERROR, spot_or(g->header, g->spot),
                    "\"%.*s\" is no name of a header", SHORT(header));
        return NULL;
    }
    import__put(im, spec, "name", import__new_text(im, g->name, NULL));
    import__put(im, spec, "type", import__new_text(im, STR("TOKEN"), NULL));
    import__put(im, spec, "authorizerUri",
                import__new_text(im, import__invocation_uri(im, arn), g->function));
    import__put(im, spec, "identitySource",
                import__new_text(im, import__fmt(im, "method.request.header.%.*s", STR_ARG(header)),
                                 g->header));
    if (import__text(im, g->expression, "the validation expression", &expression) &&
        expression.n > 0)
        import__put(im, spec, "identityValidationExpression",
                    import__new_text(im, expression, g->expression));
    if (import__number(im, g->ttl, "the time results are cached", 0, LIMIT_AUTHORIZER_TTL_S, &ttl))
        import__put(im, spec, "authorizerResultTtlInSeconds", json_new_int(im->a, ttl));
    if (g->coalesce)
        import__put(im, spec, "coalesce", g->coalesce);
    return spec;
}

static void add_authorizer(struct importer *im, struct import_api *api, const struct guard *g)
{
    const char *what = g->is_uri ? "authorizerUri" : "FunctionArn";
    if (!g->function)
        import__say(im, IMPORT_ERROR, g->spot, "the authorizer %.*s has no %s", SHORT(g->name),
                    what);
    struct declared *d = import__find_function(im, api, g->function, g->is_uri, what, g->spot);
    const struct json *spec = d ? token_spec(im, g, d->function->spec.arn) : NULL;
    if (d && g->is_uri && !g->has_role)
        d->by_uri = true;
    if (!spec)
        return;
    struct model_authorizer *z = ARENA_NEW(im->a, struct model_authorizer);
    if (!z) {
        import__no_memory(im);
        return;
    }
    *z = (struct model_authorizer){
        .name = g->name, .spec = spec, .at = {g->file, g->spot.line, g->spot.col}};
    if (api->last_authorizer)
        api->last_authorizer->next = z;
    else
        api->api->authorizers = z;
    api->last_authorizer = z;
}

void import__use_guard(struct importer *im, struct import_api *api, struct guard *g,
                       const struct route *r, struct spot at)
{
    const char *file = im->file;
    const struct model_method *m = r->method;
    bool first = !g->used;
    g->used = true;
    if (g->kind == GUARD_TOKEN || g->kind == GUARD_LATER) {
        im->file = g->file;
        if (first && g->kind == GUARD_TOKEN)
            add_authorizer(im, api, g);
        else if (first)
            import__say(im, IMPORT_ERROR, g->spot,
                        "authorizer %.*s is of type %.*s: not yet, only TOKEN authorizers are "
                        "served (%.*s %.*s uses it)",
                        SHORT(g->name), SHORT(g->type), SHORT(m->verb), SHORT(m->path));
        im->file = file;
    } else if (g->kind == GUARD_IAM) {
        import__say(im, IMPORT_ERROR, at, "%.*s %.*s: AWS_IAM authorization is not served yet",
                    SHORT(m->verb), SHORT(m->path));
    } else if (g->kind == GUARD_API_KEY) {
        import__say(im, IMPORT_ERROR, at, "%.*s %.*s: API keys are not enforced yet",
                    SHORT(m->verb), SHORT(m->path));
    } else if (g->kind == GUARD_PLAIN) {
        import__say(im, IMPORT_ERROR, at,
                    "%.*s %.*s would be open: the security scheme %.*s has no "
                    "x-amazon-apigateway-authorizer; give it one, or write security: [] if the "
                    "method is public",
                    SHORT(m->verb), SHORT(m->path), SHORT(g->name));
    }
}
