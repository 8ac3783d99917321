/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS::ApiGateway: RestApi with its Resources, Methods, Authorizers, GatewayResponses, Models,
 * RequestValidators, Deployments and Stages. Invariant: each stage is an API of the model, read
 * with its own variables; what a method says goes through the readers that OpenAPI goes through. */
#include "import_template_int.h"
#include "roles_int.h"
#include "token_rows_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define ROWS(name, what, ...)                                                             \
    static const struct key_row name##_rows[] = {__VA_ARGS__};                            \
    static const struct key_table name##_keys = {what, name##_rows, COUNTOF(name##_rows), \
                                                 KEY_REFUSE}

/* --- authorizers --------------------------------------------------------------------------------
 */

ROWS(authorizer, "AWS::ApiGateway::Authorizer", {"AuthType", KEY_SILENT, NULL},
     {"AuthorizerCredentials", KEY_READ, NULL}, {"AuthorizerResultTtlInSeconds", KEY_READ, NULL},
     {"AuthorizerUri", KEY_READ, NULL}, {"IdentitySource", KEY_READ, NULL},
     {"IdentityValidationExpression", KEY_READ, NULL}, {"Name", KEY_READ, NULL},
     {"ProviderARNs", KEY_READ, NULL}, {"RestApiId", KEY_READ, NULL}, {"Type", KEY_READ, NULL},
     {"x-ropeline-coalesce", KEY_READ, NULL}, TOKEN_ROWS, ISSUER_ROWS);

static void read_authorizer(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    struct json *spec = import__new_object(im, s->node);
    struct str type = STR("");
    struct guard *g = import__new_guard(im, api, import__authorizer_name(im, s), s->spot);
    const struct json *v = json_get(p, "Type");
    import__check_keys(im, p, &authorizer_keys);
    if (!v)
        import__say(im, IMPORT_ERROR, s->spot, "the authorizer %.*s has no Type",
                    SHORT(s->logical));
    if (!g || !spec || !import__text(im, v, "Type", &type))
        return;
    g->kind = str_eqz(type, "TOKEN")                ? GUARD_TOKEN
              : str_eqz(type, "REQUEST")            ? GUARD_REQUEST
              : str_eqz(type, "COGNITO_USER_POOLS") ? GUARD_COGNITO
                                                    : GUARD_BROKEN;
    if (g->kind == GUARD_BROKEN)
        import__say(im, IMPORT_ERROR, spot_of(v), "there is no authorizer type \"%.*s\"",
                    SHORT(type));
    const struct json *camel = import__camel(im, p);
    static const char *const names[] = {"authorizerUri",
                                        "authorizerCredentials",
                                        "identitySource",
                                        "identityValidationExpression",
                                        "authorizerResultTtlInSeconds",
                                        "providerARNs"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (json_get(camel, names[i]))
            import__put(im, spec, names[i], json_get(camel, names[i]));
    for (size_t i = 0; i < p->n; i++)
        if (str_starts(p->members[i].key, STR("x-ropeline-")) &&
            json_set(im->a, spec, p->members[i].key, p->members[i].value) != ERR_OK)
            import__no_memory(im);
    import__check_authorizer(im, api, g->kind, spec);
    g->spec = spec;
    g->function = json_get(p, "AuthorizerUri");
    g->is_uri = true;
}

/* --- resources ----------------------------------------------------------------------------------
 */

static const char *resource_path(struct importer *im, const struct import_api *api,
                                 struct symbol *s);

/* What a ResourceId or a ParentId leads to; NULL, reported, when it is no resource of the API. */
static const char *path_of(struct importer *im, const struct import_api *api, const struct json *v,
                           const char *what, struct spot at)
{
    struct str id;
    if (!v)
        import__say(im, IMPORT_ERROR, at, "%s is missing", what);
    if (!import__text(im, v, what, &id))
        return NULL;
    if (id.n == api->api->id.n + 1 && str_starts(id, api->api->id) && str_ends(id, STR("/")))
        return "";
    struct symbol *s = import__symbol(im, id);
    if (s && s->kind == SYMBOL_OTHER && str_eqz(s->type, "AWS::ApiGateway::Resource"))
        return resource_path(im, api, s);
    import__say(im, IMPORT_ERROR, spot_or(v, at), "%s: \"%.*s\" is no resource of this API", what,
                SHORT(id));
    return NULL;
}

static const char *resource_path(struct importer *im, const struct import_api *api,
                                 struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    struct str part;
    if (s->path)
        return s->path;
    if (im->depth >= LIMIT_JSON_DEPTH) {
        import__say(im, IMPORT_ERROR, s->spot, "the resource %.*s leads to itself, or too deep",
                    SHORT(s->logical));
        return NULL;
    }
    im->depth++;
    const char *parent = path_of(im, api, json_get(p, "ParentId"), "ParentId", s->spot);
    im->depth--;
    if (!parent || !import__text(im, json_get(p, "PathPart"), "PathPart", &part))
        return NULL;
    s->path = import__fmt(im, "%s/%.*s", parent, STR_ARG(part)).p;
    return s->path;
}

/* --- methods ------------------------------------------------------------------------------------
 */

ROWS(method, "AWS::ApiGateway::Method", {"ApiKeyRequired", KEY_READ, NULL},
     {"AuthorizationScopes", KEY_READ, NULL}, {"AuthorizationType", KEY_READ, NULL},
     {"AuthorizerId", KEY_READ, NULL}, {"HttpMethod", KEY_READ, NULL},
     {"Integration", KEY_READ, NULL}, {"MethodResponses", KEY_READ, NULL},
     {"OperationName", KEY_READ, NULL}, {"RequestModels", KEY_READ, NULL},
     {"RequestParameters", KEY_READ, NULL}, {"RequestValidatorId", KEY_READ, NULL},
     {"ResourceId", KEY_READ, NULL}, {"RestApiId", KEY_READ, NULL},
     {"x-ropeline-roles", KEY_READ, NULL});

/* IntegrationResponses: a list; as the reader of OpenAPI's wants them, by their patterns. */
static const struct json *responses_of(struct importer *im, const struct json *v)
{
    v = import__array(im, v, "IntegrationResponses");
    struct json *out = v ? import__new_object(im, v) : NULL;
    struct str pattern;
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json *one = import__object(im, v->items[i], "an integration response");
        struct json *camel = one ? import__camel(im, one) : NULL;
        if (!camel)
            continue;
        pattern = STR("default");
        const struct json *given = json_get(one, "SelectionPattern");
        if (import__text(im, given, "SelectionPattern", &pattern) && pattern.n == 0)
            pattern = STR("default");
        if (json_gets(out, pattern))
            import__say(im, IMPORT_ERROR, spot_or(one, spot_of(v)),
                        "two integration responses have the SelectionPattern \"%.*s\"",
                        SHORT(pattern));
        if (json_set(im->a, out, pattern, camel) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

/* Integration as x-amazon-apigateway-integration spells it. */
static const struct json *integration_of(struct importer *im, const struct json *v)
{
    v = import__object(im, v, "Integration");
    if (!v)
        return NULL;
    struct json *out = import__new_object(im, v);
    const struct json *camel = import__camel(im, v);
    for (size_t i = 0; out && json_is(camel, JSON_OBJECT) && i < camel->n; i++) {
        struct json_member m = camel->members[i];
        if (str_eqz(m.key, "integrationHttpMethod"))
            m.key = STR("httpMethod");
        if (str_eqz(m.key, "integrationResponses")) {
            m.key = STR("responses");
            m.value = responses_of(im, m.value);
        }
        if (m.value && json_set(im->a, out, m.key, m.value) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

/* {name: true}, {type: model}: as PutMethod takes them. */
static const struct json *flags_of(struct importer *im, const struct json *v, const char *what)
{
    v = import__object(im, v, what);
    struct json *out = v ? import__new_object(im, v) : NULL;
    for (size_t i = 0; out && i < v->n; i++) {
        bool yes = import__flag(im, v->members[i].value, what, false);
        if (json_set(im->a, out, v->members[i].key, json_new_bool(im->a, yes)) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

static const struct json *models_of(struct importer *im, const struct json *v)
{
    v = import__object(im, v, "RequestModels");
    struct json *out = v ? import__new_object(im, v) : NULL;
    struct str name;
    for (size_t i = 0; out && i < v->n; i++)
        if (import__text(im, v->members[i].value, "RequestModels", &name) &&
            json_set(im->a, out, v->members[i].key,
                     import__new_text(im, name, v->members[i].value)) != ERR_OK)
            import__no_memory(im);
    return out;
}

static const struct json *method_responses(struct importer *im, const struct json *v)
{
    v = import__array(im, v, "MethodResponses");
    struct json *out = v ? import__new_object(im, v) : NULL;
    struct str status;
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json *parameters = json_get(v->items[i], "ResponseParameters");
        struct json *one = import__new_object(im, v->items[i]);
        if (!one || !import__text(im, json_get(v->items[i], "StatusCode"), "StatusCode", &status))
            continue;
        if (parameters && (parameters = flags_of(im, parameters, "ResponseParameters")))
            import__put(im, one, "responseParameters", parameters);
        if (json_set(im->a, out, status, one) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

static void read_method(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    struct str path, verb;
    struct access access;
    import__check_keys(im, p, &method_keys);
    const char *resource = path_of(im, api, json_get(p, "ResourceId"), "ResourceId", s->spot);
    const struct json *method = json_get(p, "HttpMethod");
    if (!resource || !import__text(im, method, "HttpMethod", &verb))
        return;
    const char *known = import__verb(verb);
    if (!known) {
        import__say(im, IMPORT_ERROR, spot_of(method),
                    "Invalid HttpMethod specified. Valid options are "
                    "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY");
        return;
    }
    if (!import__check_path(im, api, resource[0] ? str_c(resource) : STR("/"), s->spot, &path) ||
        !import__cfn_access(im, api, s, &access))
        return;
    struct route *r = import__add_route(im, api, path, known, s->spot);
    if (!r)
        return;
    r->access = access;
    r->operation_id = json_get(p, "OperationName");
    r->validator = json_get(p, "RequestValidatorId");
    r->parameters = flags_of(im, json_get(p, "RequestParameters"), "RequestParameters");
    r->models = models_of(im, json_get(p, "RequestModels"));
    r->responses = method_responses(im, json_get(p, "MethodResponses"));
    r->given = integration_of(im, json_get(p, "Integration"));
}

/* --- what else belongs to an API ----------------------------------------------------------------
 */

static void read_gateway_response(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    struct json *out = import__new_object(im, s->node);
    static const struct {
        const char *name, *as;
    } rows[] = {{"StatusCode", "statusCode"},
                {"ResponseParameters", "responseParameters"},
                {"ResponseTemplates", "responseTemplates"}};
    struct str type;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        if (json_get(p, rows[i].name))
            import__put(im, out, rows[i].as, json_get(p, rows[i].name));
    if (import__text(im, json_get(p, "ResponseType"), "ResponseType", &type))
        import__set_gateway_response(im, api, type, out, s->spot);
}

static void read_validator(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    struct json *out = import__new_object(im, s->node);
    bool body = import__flag(im, json_get(p, "ValidateRequestBody"), "ValidateRequestBody", false);
    bool parameters = import__flag(im, json_get(p, "ValidateRequestParameters"),
                                   "ValidateRequestParameters", false);
    import__put(im, out, "validateRequestBody", json_new_bool(im->a, body));
    import__put(im, out, "validateRequestParameters", json_new_bool(im->a, parameters));
    import__add_member(im, &api->api->request_validators, s->logical, out);
}

static void read_model(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *schema = json_get(import__properties(im, s), "Schema");
    const struct json *name = import__value(im, s);
    struct errinfo e = {0};
    if (json_is(schema, JSON_STRING) &&
        json_parse(im->a, schema->s, LIMIT_TEMPLATE_BYTES, &schema, &e) != ERR_OK) {
        import__say(im, IMPORT_ERROR, s->spot, "the Schema of %.*s is no JSON: %s",
                    SHORT(s->logical), e.text);
        return;
    }
    if (name && schema)
        import__add_member(im, &api->api->models, name->s, schema);
}

static const struct {
    const char *type;
    void (*read)(struct importer *im, struct import_api *api, struct symbol *s);
} readers[] = {
    {"AWS::ApiGateway::Authorizer", read_authorizer},
    {"AWS::ApiGateway::GatewayResponse", read_gateway_response},
    {"AWS::ApiGateway::RequestValidator", read_validator},
    {"AWS::ApiGateway::Model", read_model},
    {"AWS::ApiGateway::Method", read_method}, /* last: it names the others */
};

void import__cfn_rest_parts(struct importer *im, struct import_api *api)
{
    for (size_t i = 0; i < COUNTOF(readers); i++)
        for (struct symbol *s = im->symbols; s; s = s->next)
            if (s->kind == SYMBOL_OTHER && str_eqz(s->type, readers[i].type) &&
                import__belongs(im, s, "RestApiId", api))
                readers[i].read(im, api, s);
}

/* --- the API and its stages ---------------------------------------------------------------------
 */

ROWS(api, "AWS::ApiGateway::RestApi", {"ApiKeySourceType", KEY_READ, NULL},
     {"BinaryMediaTypes", KEY_READ, NULL}, {"Body", KEY_READ, NULL},
     {"BodyS3Location", KEY_REFUSE, "the file is on S3; write the document as Body"},
     {"CloneFrom", KEY_REFUSE, "the other API is only on AWS"}, {"Description", KEY_SILENT, NULL},
     {"DisableExecuteApiEndpoint", KEY_READ, NULL}, {"EndpointAccessMode", KEY_SILENT, NULL},
     {"EndpointConfiguration", KEY_READ, NULL}, {"FailOnWarnings", KEY_SILENT, NULL},
     {"MinimumCompressionSize", KEY_NOTE, "bodies are not compressed here"},
     {"Mode", KEY_SILENT, NULL}, {"Name", KEY_READ, NULL}, {"Parameters", KEY_SILENT, NULL},
     {"Policy", KEY_READ, NULL}, {"SecurityPolicy", KEY_SILENT, NULL}, {"Tags", KEY_READ, NULL},
     {"x-ropeline-roles", KEY_READ, NULL});
ROWS(stage, "AWS::ApiGateway::Stage", {"AccessLogSetting", KEY_SILENT, NULL},
     {"CacheClusterEnabled", KEY_NOTE, "answers are not cached; every request reaches the backend"},
     {"CacheClusterSize", KEY_SILENT, NULL},
     {"CanarySetting", KEY_WARN, "canary deployments are not served yet"},
     {"ClientCertificateId", KEY_NOTE, "backends get no client certificate"},
     {"DeploymentId", KEY_READ, NULL}, {"Description", KEY_SILENT, NULL},
     {"DocumentationVersion", KEY_SILENT, NULL}, {"MethodSettings", KEY_READ, NULL},
     {"RestApiId", KEY_READ, NULL}, {"StageName", KEY_READ, NULL}, {"Tags", KEY_SILENT, NULL},
     {"TracingEnabled", KEY_SILENT, NULL}, {"Variables", KEY_READ, NULL});

static void read_api(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    const struct json *endpoint = json_get(p, "EndpointConfiguration");
    import__check_keys(im, p, &api_keys);
    (void)import__text(im, json_get(p, "Name"), "Name", &api->api->name);
    api->api->disable_execute_api = import__flag(im, json_get(p, "DisableExecuteApiEndpoint"),
                                                 "DisableExecuteApiEndpoint", false);
    const struct json *types = json_get(endpoint, "Types");
    if (str_eqz(json_str_or(json_at(types, 0), STR("")), "PRIVATE"))
        import__say(im, IMPORT_WARNING, spot_of(endpoint),
                    "a PRIVATE endpoint: here the listener's address decides who can connect");
    import__set_policy(im, api, json_get(p, "Policy"));
    import__set_key_source(im, api, json_get(p, "ApiKeySourceType"));
    import__set_binary_types(im, api, json_get(p, "BinaryMediaTypes"));
    const struct json *body = import__object(im, json_get(p, "Body"), "Body");
    if (body)
        import__openapi(im, api, body);
    import__set_roles(im, api, json_get(p, "x-ropeline-roles"));
    if (api->api->name.n == 0)
        api->api->name = json_str_or(json_get(json_get(body, "info"), "title"), s->logical);
}

/* One stage: a Stage, a Deployment with a StageName, or NULL for an API that has none. */
static void read_stage(struct importer *im, struct symbol *s, struct symbol *stage)
{
    bool deployment = stage && str_eqz(stage->type, "AWS::ApiGateway::Deployment");
    const struct json *p = stage ? import__properties(im, stage) : NULL;
    const struct json *settings = deployment ? json_get(p, "StageDescription") : p;
    const struct json *id = import__value(im, s);
    struct import_api *api = import__new_api(im, API_REST, s->logical, s->spot);
    struct str name = STR("dev");
    if (!api || !id)
        return;
    if (!s->api)
        s->api = api;
    api->api->id = id->s;
    if (s->unnamed || !import__is_custom_id(id->s))
        import__say(im, IMPORT_ERROR, s->spot, "_custom_id_: %s",
                    s->unnamed ? s->unnamed : "letters, digits, - and _ (at most 63)");
    if (stage && !deployment)
        import__check_keys(im, p, &stage_keys);
    (void)import__text(im, json_get(p, "StageName"), "StageName", &name);
    import__set_stage(im, api, name, spot_or(json_get(p, "StageName"), s->spot));
    import__read_variables(im, api, json_get(settings, "Variables"));
    import__set_method_settings(im, api, json_get(settings, "MethodSettings"));
    const struct json *throttle = deployment ? import__throttle(im, settings) : NULL;
    if (throttle)
        import__add_member(im, &api->api->method_settings, STR("*/*"), throttle);
    read_api(im, api, s);
    import__cfn_rest_parts(im, api);
}

/* SAM's translation makes Deployments named Stage that its own Stage replaces. */
static bool is_stage_of(struct importer *im, struct symbol *x, struct symbol *api)
{
    const struct json *id = import__value(im, api);
    struct str owner;
    if (x->kind != SYMBOL_OTHER || (!str_eqz(x->type, "AWS::ApiGateway::Stage") &&
                                    !str_eqz(x->type, "AWS::ApiGateway::Deployment")))
        return false;
    const struct json *p = import__properties(im, x);
    return json_get(p, "StageName") && import__scalar(json_get(p, "RestApiId"), &owner) && id &&
           str_eq(owner, id->s);
}

static bool has_stage_named(struct importer *im, struct symbol *api, struct str name)
{
    struct str other;
    for (struct symbol *x = im->symbols; x; x = x->next)
        if (str_eqz(x->type, "AWS::ApiGateway::Stage") && is_stage_of(im, x, api) &&
            import__scalar(json_get(import__properties(im, x), "StageName"), &other) &&
            str_eq(other, name))
            return true;
    return false;
}

void import__cfn_rest_api(struct importer *im, struct symbol *s)
{
    size_t stages = 0;
    struct str name;
    for (struct symbol *x = im->symbols; x; x = x->next) {
        if (!is_stage_of(im, x, s))
            continue;
        bool deployment = str_eqz(x->type, "AWS::ApiGateway::Deployment");
        if (deployment && import__scalar(json_get(import__properties(im, x), "StageName"), &name) &&
            has_stage_named(im, s, name))
            continue;
        read_stage(im, s, x);
        stages++;
    }
    if (stages > 0)
        return;
    import__say(im, IMPORT_WARNING, s->spot,
                "%.*s has no stage, so nobody could reach it on AWS; here its stage is dev",
                SHORT(s->logical));
    read_stage(im, s, NULL);
}
