/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw CloudFormation: which resources belong to which API, and what REST and HTTP APIs have in
 * common. Invariant: a resource that would make, guard or open a route of an API is read, or the
 * document is refused; one that belongs to no API here is refused by name. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

/* What is read for an API, and the property that names it. */
static const struct part_row {
    const char *type, *owner;
} parts[] = {
    {"AWS::ApiGateway::Authorizer", "RestApiId"},
    {"AWS::ApiGateway::Deployment", "RestApiId"},
    {"AWS::ApiGateway::GatewayResponse", "RestApiId"},
    {"AWS::ApiGateway::Method", "RestApiId"},
    {"AWS::ApiGateway::Model", "RestApiId"},
    {"AWS::ApiGateway::RequestValidator", "RestApiId"},
    {"AWS::ApiGateway::Resource", "RestApiId"},
    {"AWS::ApiGateway::Stage", "RestApiId"},
    {"AWS::ApiGatewayV2::Authorizer", "ApiId"},
    {"AWS::ApiGatewayV2::Deployment", "ApiId"},
    {"AWS::ApiGatewayV2::Integration", "ApiId"},
    {"AWS::ApiGatewayV2::Route", "ApiId"},
    {"AWS::ApiGatewayV2::Stage", "ApiId"},
};
/* And what is read for itself. */
static const char *const others[] = {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::Lambda::Version",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
};

bool import__cfn_reads(struct str type)
{
    for (size_t i = 0; i < COUNTOF(parts); i++)
        if (str_eqz(type, parts[i].type))
            return true;
    for (size_t i = 0; i < COUNTOF(others); i++)
        if (str_eqz(type, others[i]))
            return true;
    return false;
}

const struct json *import__properties(struct importer *im, struct symbol *s)
{
    static const struct json none = {.type = JSON_OBJECT};
    if (s->resolved)
        return s->resolved;
    const struct json *v = import__resolve(im, s->properties);
    if (v)
        v = import__object(im, v, "Properties");
    s->resolved = v ? v : &none;
    return s->resolved;
}

bool import__belongs(struct importer *im, struct symbol *s, const char *property,
                     const struct import_api *api)
{
    struct str id;
    return import__scalar(json_get(import__properties(im, s), property), &id) &&
           str_eq(id, api->api->id);
}

struct json *import__camel(struct importer *im, const struct json *v)
{
    struct json *out = json_new_object(im->a, v ? v->n : 1);
    if (!out) {
        import__no_memory(im);
        return NULL;
    }
    if (!json_is(v, JSON_OBJECT))
        return out;
    out->line = v->line;
    out->col = v->col;
    for (size_t i = 0; i < v->n; i++) {
        struct json_member m = v->members[i];
        char *key = arena_cstr(im->a, m.key);
        if (!key) {
            import__no_memory(im);
            return out;
        }
        if (key[0] >= 'A' && key[0] <= 'Z')
            key[0] = (char)(key[0] - 'A' + 'a');
        m.key.p = key;
        out->members[out->n++] = m;
    }
    return out;
}

struct str import__authorizer_name(struct importer *im, struct symbol *s)
{
    struct str name;
    bool named = import__scalar(json_get(import__properties(im, s), "Name"), &name) && name.n > 0;
    return named ? name : s->logical;
}

static struct guard *iam_guard(struct importer *im, struct spot at)
{
    struct guard *g = ARENA_NEW(im->a, struct guard);
    if (!g) {
        import__no_memory(im);
        return NULL;
    }
    *g = (struct guard){.kind = GUARD_IAM, .name = STR("AWS_IAM"), .file = im->file, .spot = at};
    return g;
}

/* The guard that an AuthorizerId names. */
static struct guard *named_guard(struct importer *im, struct import_api *api, struct symbol *s,
                                 struct str type)
{
    const struct json *v = json_get(import__properties(im, s), "AuthorizerId");
    struct str id;
    if (!v)
        import__say(im, IMPORT_ERROR, s->spot, "%.*s: AuthorizationType %.*s needs an AuthorizerId",
                    SHORT(s->logical), SHORT(type));
    if (!import__text(im, v, "AuthorizerId", &id))
        return NULL;
    struct symbol *z = import__symbol(im, id);
    struct guard *g = z && z->kind == SYMBOL_OTHER && str_ends(z->type, STR("::Authorizer"))
                          ? import__find_guard(api, import__authorizer_name(im, z))
                          : NULL;
    if (!g)
        import__say(im, IMPORT_ERROR, spot_or(v, s->spot),
                    "Invalid authorizer ID specified. Setting the authorization type to %.*s "
                    "requires a valid authorizer: \"%.*s\" is none of this API",
                    SHORT(type), SHORT(id));
    return g;
}

/* Which kinds an AuthorizationType goes together with. */
static bool fits(const struct guard *g, struct str type)
{
    if (str_eqz(type, "CUSTOM"))
        return g->kind == GUARD_TOKEN || g->kind == GUARD_REQUEST || g->kind == GUARD_BROKEN;
    if (str_eqz(type, "COGNITO_USER_POOLS"))
        return g->kind == GUARD_COGNITO || g->kind == GUARD_BROKEN;
    return g->kind == GUARD_JWT || g->kind == GUARD_BROKEN;
}

bool import__cfn_access(struct importer *im, struct import_api *api, struct symbol *s,
                        struct access *out)
{
    const struct json *p = import__properties(im, s);
    const struct json *v = json_get(p, "AuthorizationType");
    bool http = api->api->kind == API_HTTP;
    struct str type = STR("NONE");
    *out = (struct access){.at = spot_or(v, s->spot), .roles = json_get(p, "x-ropeline-roles")};
    out->api_key = import__flag(im, json_get(p, "ApiKeyRequired"), "ApiKeyRequired", false);
    out->scopes = import__array(im, json_get(p, "AuthorizationScopes"), "AuthorizationScopes");
    if (v && !import__text(im, v, "AuthorizationType", &type))
        return false;
    if (!v && json_get(p, "AuthorizerId")) {
        import__say(im, IMPORT_ERROR, spot_of(json_get(p, "AuthorizerId")),
                    "%.*s has an AuthorizerId but no AuthorizationType, and would be open",
                    SHORT(s->logical));
        return false;
    }
    if (str_eqz(type, "NONE"))
        return true;
    if (str_eqz(type, "AWS_IAM")) {
        out->guard = iam_guard(im, out->at);
        return out->guard != NULL;
    }
    if (!str_eqz(type, "CUSTOM") && !str_eqz(type, http ? "JWT" : "COGNITO_USER_POOLS")) {
        import__say(im, IMPORT_ERROR, spot_of(v), "there is no AuthorizationType \"%.*s\"",
                    SHORT(type));
        return false;
    }
    out->guard = named_guard(im, api, s, type);
    if (out->guard && !fits(out->guard, type)) {
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "AuthorizationType %.*s does not go together with the type of authorizer %.*s",
                    SHORT(type), SHORT(out->guard->name));
        return false;
    }
    return out->guard != NULL;
}

/* Parts of an API that is not here would be lost without a word. */
static void check_owners(struct importer *im)
{
    struct str id;
    for (struct symbol *s = im->symbols; s; s = s->next) {
        const struct part_row *row = NULL;
        for (size_t i = 0; i < COUNTOF(parts) && s->kind == SYMBOL_OTHER; i++)
            if (str_eqz(s->type, parts[i].type))
                row = &parts[i];
        if (!row)
            continue;
        const struct json *v = json_get(import__properties(im, s), row->owner);
        if (!v)
            import__say(im, IMPORT_ERROR, s->spot, "%.*s (%.*s) has no %s", SHORT(s->logical),
                        SHORT(s->type), row->owner);
        if (!import__text(im, v, row->owner, &id))
            continue;
        const struct symbol *api = import__api_named(im, id);
        bool http = str_eqz(str_c(row->owner), "ApiId");
        if (!api || (api->api_kind == API_HTTP) != http)
            import__say(im, IMPORT_ERROR, spot_or(v, s->spot),
                        "%s: \"%.*s\" is no %s API of this document", row->owner, SHORT(id),
                        http ? "HTTP" : "REST");
    }
}

void import__cfn(struct importer *im)
{
    for (struct import_api *api = im->apis; api; api = api->next) /* SAM's own */
        if (api->api->kind == API_REST)
            import__cfn_rest_parts(im, api);
        else
            import__cfn_http_parts(im, api);
    for (struct symbol *s = im->symbols; s; s = s->next)
        if (s->kind == SYMBOL_API && str_eqz(s->type, "AWS::ApiGateway::RestApi"))
            import__cfn_rest_api(im, s);
        else if (s->kind == SYMBOL_API && str_eqz(s->type, "AWS::ApiGatewayV2::Api"))
            import__cfn_http_api(im, s);
    check_owners(im);
    import__cfn_keys(im);
}
