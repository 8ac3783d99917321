/* SPDX-License-Identifier: Apache-2.0
 *
 * SAM's Auth of an API: its authorizers, and what comes to every method. Invariant: an authorizer
 * is what SAM itself would write into the definition; what SAM refuses is refused here, used or
 * not. */
#include "import_template_int.h"
#include "roles_int.h"
#include "token_rows_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define NO_ROLES "roles are not assumed here; the function is simply called"
static const struct key_row lambda_rows[] = {
    {"FunctionArn", KEY_READ, NULL},
    {"FunctionPayloadType", KEY_READ, NULL},
    {"FunctionInvokeRole", KEY_SILENT, NULL},
    {"Identity", KEY_READ, NULL},
    {"DisableFunctionDefaultPermissions", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_WARN, "scopes are not checked for Lambda authorizers"},
    {"AuthorizerPayloadFormatVersion", KEY_WARN, "SAM leaves it aside for REST APIs"},
    {"EnableSimpleResponses", KEY_WARN,
     "SAM leaves it aside for REST APIs: the function must answer with a policy"},
    {"x-ropeline-coalesce", KEY_READ, NULL},
};
static const struct key_row cognito_rows[] = {
    {"UserPoolArn", KEY_READ, NULL},
    {"Identity", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_READ, NULL},
    TOKEN_ROWS,
};
static const struct key_row http_lambda_rows[] = {
    {"FunctionArn", KEY_READ, NULL},
    {"AuthorizerPayloadFormatVersion", KEY_READ, NULL},
    {"EnableSimpleResponses", KEY_READ, NULL},
    {"EnableFunctionDefaultPermissions", KEY_SILENT, NULL},
    {"FunctionInvokeRole", KEY_SILENT, NULL},
    {"Identity", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
};
static const struct key_row jwt_rows[] = {
    {"JwtConfiguration", KEY_READ, NULL},
    {"IdentitySource", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    TOKEN_ROWS,
    ISSUER_ROWS,
};
static const struct key_row session_rows[] = {
    {"x-ropeline-session", KEY_READ, NULL},
    {"x-ropeline-coalesce", KEY_READ, NULL},
    {"Identity", KEY_READ, NULL},
};
static const struct key_row session_identity_rows[] = {
    {"ReauthorizeEvery", KEY_READ, NULL},
};
#define FOR_REQUEST                                                                         \
    "belongs to FunctionPayloadType: REQUEST; SAM leaves it aside for a TOKEN authorizer, " \
    "which reads the one Header"
#define FOR_TOKEN "belongs to FunctionPayloadType: TOKEN"
static const struct key_row token_identity_rows[] = {
    {"Header", KEY_READ, NULL},
    {"ValidationExpression", KEY_READ, NULL},
    {"ReauthorizeEvery", KEY_READ, NULL},
    {"Headers", KEY_WARN, FOR_REQUEST},
    {"QueryStrings", KEY_WARN, FOR_REQUEST},
    {"StageVariables", KEY_WARN, FOR_REQUEST},
    {"Context", KEY_WARN, FOR_REQUEST},
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
#define TABLE(name, what, rows) \
    static const struct key_table name = {what, rows, COUNTOF(rows), KEY_REFUSE}
TABLE(lambda_keys, "a Lambda authorizer", lambda_rows);
TABLE(cognito_keys, "a Cognito authorizer", cognito_rows);
TABLE(http_lambda_keys, "a Lambda authorizer of an HTTP API", http_lambda_rows);
TABLE(jwt_keys, "a JWT authorizer", jwt_rows);
TABLE(session_keys, "an authorizer with x-ropeline-session", session_rows);
TABLE(session_identity_keys, "Identity", session_identity_rows);
TABLE(token_identity_keys, "Identity", token_identity_rows);
TABLE(request_identity_keys, "Identity", request_identity_rows);

/* One authorizer being read. */
struct reading {
    struct importer *im;
    struct import_api *api;
    struct guard *g;
    const struct json *v, *identity;
    struct json *spec;
};

static void refuse(struct reading *x, const struct json *at, const char *text)
{
    import__say(x->im, IMPORT_ERROR, spot_or(at, x->g->spot), "the authorizer %.*s %s",
                SHORT(x->g->name), text);
}

static void copy(struct reading *x, const struct json *from, const char *key, const char *as)
{
    const struct json *v = json_get(from, key);
    if (v && x->spec)
        import__put(x->im, x->spec, as, v);
}

/* Identity's four lists as identity sources, in SAM's order. */
static size_t read_sources(struct reading *x)
{
    static const struct {
        const char *key, *rest, *http;
    } lists[] = {
        {"Headers", "method.request.header.", "$request.header."},
        {"QueryStrings", "method.request.querystring.", "$request.querystring."},
        {"StageVariables", "stageVariables.", "$stageVariables."},
        {"Context", "context.", "$context."},
    };
    struct importer *im = x->im;
    bool http = x->api->api->kind == API_HTTP;
    struct json *all = json_new_array(im->a, 4);
    struct str text;
    for (size_t i = 0; all && i < COUNTOF(lists); i++) {
        const struct json *list =
            import__array(im, json_get(x->identity, lists[i].key), lists[i].key);
        for (size_t k = 0; list && k < list->n; k++) {
            if (!import__text(im, list->items[k], lists[i].key, &text))
                continue;
            struct str one =
                import__fmt(im, "%s%.*s", http ? lists[i].http : lists[i].rest, STR_ARG(text));
            if (json_push(im->a, all, import__new_text(im, one, list->items[k])) != ERR_OK)
                import__no_memory(im);
        }
    }
    if (!all)
        import__no_memory(im);
    else if (all->n > 0 && x->spec)
        import__put(im, x->spec, "identitySource", all);
    return all ? all->n : 0;
}

static enum guard_kind read_token(struct reading *x)
{
    import__check_keys(x->im, x->identity, &token_identity_keys);
    x->g->header = json_get(x->identity, "Header");
    if (!x->g->header)
        x->g->header = import__new_text(x->im, STR("Authorization"), NULL);
    copy(x, x->identity, "ValidationExpression", "identityValidationExpression");
    copy(x, x->identity, "ReauthorizeEvery", "authorizerResultTtlInSeconds");
    return GUARD_TOKEN;
}

static enum guard_kind read_request(struct reading *x)
{
    int64_t ttl = -1;
    import__check_keys(x->im, x->identity, &request_identity_keys);
    const struct json *every = json_get(x->identity, "ReauthorizeEvery");
    copy(x, x->identity, "ReauthorizeEvery", "authorizerResultTtlInSeconds");
    if (read_sources(x) > 0 || import__is_intrinsic(every) || (json_int(every, &ttl) && ttl == 0))
        return GUARD_REQUEST;
    refuse(x, x->identity,
           "of type REQUEST needs an Identity with at least one of Headers, QueryStrings, "
           "StageVariables or Context");
    return GUARD_BROKEN;
}

static bool has_identity(struct reading *x)
{
    const struct json *v = json_get(x->v, "Identity");
    x->identity = import__object(x->im, v, "Identity");
    return !v || x->identity;
}

static enum guard_kind read_lambda(struct reading *x)
{
    struct str type = STR("TOKEN");
    const struct json *given = json_get(x->v, "FunctionPayloadType");
    import__check_keys(x->im, x->v, &lambda_keys);
    (void)import__flag(x->im, json_get(x->v, "DisableFunctionDefaultPermissions"),
                       "DisableFunctionDefaultPermissions", false);
    if ((given && !import__text(x->im, given, "FunctionPayloadType", &type)) || !has_identity(x))
        return GUARD_BROKEN;
    if (str_eqz(type, "TOKEN"))
        return read_token(x);
    if (str_eqz(type, "REQUEST"))
        return read_request(x);
    import__say(x->im, IMPORT_ERROR, spot_of(given),
                "FunctionPayloadType must be TOKEN or REQUEST, not \"%.*s\"", SHORT(type));
    return GUARD_BROKEN;
}

static enum guard_kind read_cognito(struct reading *x)
{
    struct str header;
    import__check_keys(x->im, x->v, &cognito_keys);
    if (!has_identity(x))
        return GUARD_BROKEN;
    import__check_keys(x->im, x->identity, &token_identity_keys);
    copy(x, x->v, "UserPoolArn", "providerARNs");
    const struct json *pool = json_get(x->spec, "providerARNs");
    if (pool && pool->type != JSON_ARRAY) {
        struct json *list = json_new_array(x->im->a, 1);
        if (!list || json_push(x->im->a, list, pool) != ERR_OK)
            import__no_memory(x->im);
        else
            import__put(x->im, x->spec, "providerARNs", list);
    }
    copy(x, x->identity, "ValidationExpression", "identityValidationExpression");
    copy(x, x->identity, "ReauthorizeEvery", "authorizerResultTtlInSeconds");
    if (import__text(x->im, json_get(x->identity, "Header"), "Header", &header))
        import__put(x->im, x->spec, "identitySource",
                    import__new_text(
                        x->im, import__fmt(x->im, "method.request.header.%.*s", STR_ARG(header)),
                        json_get(x->identity, "Header")));
    return GUARD_COGNITO;
}

static enum guard_kind read_http_lambda(struct reading *x)
{
    import__check_keys(x->im, x->v, &http_lambda_keys);
    if (!has_identity(x))
        return GUARD_BROKEN;
    import__check_keys(x->im, x->identity, &request_identity_keys);
    if (!json_get(x->v, "AuthorizerPayloadFormatVersion")) {
        refuse(x, x->v, "needs AuthorizerPayloadFormatVersion: \"2.0\" or \"1.0\"");
        return GUARD_BROKEN;
    }
    copy(x, x->v, "AuthorizerPayloadFormatVersion", "authorizerPayloadFormatVersion");
    copy(x, x->v, "EnableSimpleResponses", "enableSimpleResponses");
    copy(x, x->identity, "ReauthorizeEvery", "authorizerResultTtlInSeconds");
    (void)read_sources(x);
    return GUARD_REQUEST;
}

static enum guard_kind read_jwt(struct reading *x)
{
    const struct json *jwt = json_get(x->v, "JwtConfiguration");
    import__check_keys(x->im, x->v, &jwt_keys);
    if (jwt && !import__object(x->im, jwt, "JwtConfiguration"))
        return GUARD_BROKEN;
    if (!jwt && !json_get(x->v, "x-ropeline-issuers") &&
        !json_get(x->v, "x-ropeline-introspection")) {
        refuse(x, x->v, "needs a JwtConfiguration {issuer, audience} or a FunctionArn");
        return GUARD_BROKEN;
    }
    copy(x, x->v, "JwtConfiguration", "jwtConfiguration");
    copy(x, x->v, "IdentitySource", "identitySource");
    return GUARD_JWT;
}

/* Ours: neither a function nor an issuer stands behind it. */
static enum guard_kind read_session(struct reading *x)
{
    import__check_keys(x->im, x->v, &session_keys);
    if (!has_identity(x))
        return GUARD_BROKEN;
    import__check_keys(x->im, x->identity, &session_identity_keys);
    copy(x, x->identity, "ReauthorizeEvery", "authorizerResultTtlInSeconds");
    return x->api->api->kind == API_HTTP ? GUARD_JWT : GUARD_TOKEN;
}

static void read_authorizer(struct importer *im, struct import_api *api, struct guard *g,
                            const struct json *v)
{
    bool http = api->api->kind == API_HTTP;
    struct reading x = {.im = im, .api = api, .g = g};
    g->from_sam = true;
    x.v = import__object(im, v, "an authorizer");
    x.spec = import__new_object(im, v);
    if (!x.v || !x.spec)
        return;
    g->spec = x.spec;
    g->function = json_get(x.v, "FunctionArn");
    g->scopes = json_get(x.v, "AuthorizationScopes");
    if (json_get(x.v, "x-ropeline-session"))
        g->kind = read_session(&x);
    else if (http)
        g->kind = g->function ? read_http_lambda(&x) : read_jwt(&x);
    else if (json_get(x.v, "UserPoolArn"))
        g->kind = read_cognito(&x);
    else if (g->function)
        g->kind = read_lambda(&x);
    else {
        import__check_keys(im, x.v, &lambda_keys);
        refuse(&x, NULL, "has neither a FunctionArn nor a UserPoolArn");
    }
    for (size_t i = 0; i < x.v->n; i++)
        if (str_starts(x.v->members[i].key, STR("x-ropeline-")))
            import__add_member(im, &g->spec, x.v->members[i].key, x.v->members[i].value);
    if (g->scopes && !import__array(im, g->scopes, "AuthorizationScopes"))
        g->kind = GUARD_BROKEN;
}

void import__read_authorizers(struct importer *im, struct import_api *api,
                              const struct json *authorizers)
{
    bool http = api->api->kind == API_HTTP;
    authorizers = import__object(im, authorizers, "Authorizers");
    for (size_t i = 0; authorizers && i < authorizers->n; i++) {
        const struct json_member *m = &authorizers->members[i];
        if (str_eqz(m->key, "NONE") || (!http && str_eqz(m->key, "AWS_IAM"))) {
            import__say(im, IMPORT_ERROR, spot_key(m),
                        "%.*s has a meaning of its own; name the authorizer otherwise",
                        STR_ARG(m->key));
            continue;
        }
        struct guard *g = import__new_guard(im, api, m->key, spot_key(m));
        if (g)
            read_authorizer(im, api, g, m->value);
    }
}

/* --- Auth ---------------------------------------------------------------------------------------
 */

static const struct key_row auth_rows[] = {
    {"AddApiKeyRequiredToCorsPreflight", KEY_READ, NULL},
    {"AddDefaultAuthorizerToCorsPreflight", KEY_READ, NULL},
    {"ApiKeyRequired", KEY_READ, NULL},
    {"Authorizers", KEY_READ, NULL},
    {"DefaultAuthorizer", KEY_READ, NULL},
    {"InvokeRole", KEY_NOTE, NO_ROLES},
    {"ResourcePolicy", KEY_READ, NULL},
    {"UsagePlan", KEY_READ, NULL},
    {"x-ropeline-roles", KEY_READ, NULL},
};
static const struct key_row http_auth_rows[] = {
    {"Authorizers", KEY_READ, NULL},
    {"DefaultAuthorizer", KEY_READ, NULL},
    {"EnableIamAuthorizer", KEY_READ, NULL},
    {"x-ropeline-roles", KEY_READ, NULL},
};
TABLE(auth_keys, "Auth", auth_rows);
TABLE(http_auth_keys, "Auth of an HTTP API", http_auth_rows);

/* AWS_IAM needs no definition, unless an authorizer has taken the name. */
static void enable_iam(struct importer *im, struct import_api *api, struct spot at)
{
    struct guard *g;
    if (import__find_guard(api, STR("AWS_IAM")))
        return;
    g = import__new_guard(im, api, STR("AWS_IAM"), at);
    if (!g)
        return;
    g->kind = GUARD_IAM;
    g->from_sam = true;
}

static void read_default(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str name;
    if (v && !json_is(v, JSON_STRING) && !import__is_intrinsic(v)) {
        import__say(im, IMPORT_ERROR, spot_of(v), "DefaultAuthorizer is not a string");
        return;
    }
    if (!import__text(im, v, "DefaultAuthorizer", &name))
        return;
    api->default_guard = name;
    if (!import__find_guard(api, name))
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "DefaultAuthorizer \"%.*s\" is not defined in Authorizers%s", SHORT(name),
                    str_eqz(name, "AWS_IAM") ? " and EnableIamAuthorizer is not true" : "");
}

void import__read_auth(struct importer *im, struct import_api *api, const struct json *auth)
{
    bool http = api->api->kind == API_HTTP;
    auth = import__object(im, auth, "Auth");
    api->guard_preflight = !http;
    api->key_preflight = true;
    if (!http)
        enable_iam(im, api, spot_of(auth));
    if (!auth)
        return;
    import__check_keys(im, auth, http ? &http_auth_keys : &auth_keys);
    import__read_authorizers(im, api, json_get(auth, "Authorizers"));
    import__set_roles(im, api, json_get(auth, "x-ropeline-roles"));
    if (http &&
        import__flag(im, json_get(auth, "EnableIamAuthorizer"), "EnableIamAuthorizer", false))
        enable_iam(im, api, spot_of(auth));
    read_default(im, api, json_get(auth, "DefaultAuthorizer"));
    if (http)
        return;
    api->guard_preflight = import__flag(im, json_get(auth, "AddDefaultAuthorizerToCorsPreflight"),
                                        "AddDefaultAuthorizerToCorsPreflight", true);
    api->key_preflight = import__flag(im, json_get(auth, "AddApiKeyRequiredToCorsPreflight"),
                                      "AddApiKeyRequiredToCorsPreflight", true);
    api->key = import__flag(im, json_get(auth, "ApiKeyRequired"), "ApiKeyRequired", false);
    api->resource_policy = json_get(auth, "ResourcePolicy");
    import__usage_plan(im, api, json_get(auth, "UsagePlan"));
}
