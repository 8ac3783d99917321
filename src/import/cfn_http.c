/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS::ApiGatewayV2: Api with its Routes, Integrations, Authorizers and Stages. Invariant: only
 * HTTP APIs are read, each stage an API of the model; a WebSocket API is refused by name. */
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

ROWS(authorizer, "AWS::ApiGatewayV2::Authorizer", {"ApiId", KEY_READ, NULL},
     {"AuthorizerCredentialsArn", KEY_READ, NULL},
     {"AuthorizerPayloadFormatVersion", KEY_READ, NULL},
     {"AuthorizerResultTtlInSeconds", KEY_READ, NULL}, {"AuthorizerType", KEY_READ, NULL},
     {"AuthorizerUri", KEY_READ, NULL}, {"EnableSimpleResponses", KEY_READ, NULL},
     {"IdentitySource", KEY_READ, NULL},
     {"IdentityValidationExpression", KEY_WARN, "has no effect for HTTP APIs"},
     {"JwtConfiguration", KEY_READ, NULL}, {"Name", KEY_READ, NULL},
     {"x-ropeline-coalesce", KEY_READ, NULL}, TOKEN_ROWS, ISSUER_ROWS);

static void read_authorizer(struct importer *im, struct import_api *api, struct symbol *s)
{
    static const char *const names[] = {"authorizerUri",
                                        "identitySource",
                                        "authorizerPayloadFormatVersion",
                                        "authorizerResultTtlInSeconds",
                                        "enableSimpleResponses",
                                        "jwtConfiguration"};
    const struct json *p = import__properties(im, s);
    struct json *spec = import__new_object(im, s->node);
    const struct json *v = json_get(p, "AuthorizerType");
    struct str type = STR("");
    struct guard *g = import__new_guard(im, api, import__authorizer_name(im, s), s->spot);
    import__check_keys(im, p, &authorizer_keys);
    if (!v)
        import__say(im, IMPORT_ERROR, s->spot, "the authorizer %.*s has no AuthorizerType",
                    SHORT(s->logical));
    if (!g || !spec || !import__text(im, v, "AuthorizerType", &type))
        return;
    g->kind = str_eqz(type, "REQUEST") ? GUARD_REQUEST
              : str_eqz(type, "JWT")   ? GUARD_JWT
                                       : GUARD_BROKEN;
    if (g->kind == GUARD_BROKEN)
        import__say(im, IMPORT_ERROR, spot_of(v), "there is no authorizer type \"%.*s\"",
                    SHORT(type));
    const struct json *camel = import__camel(im, p);
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (json_get(camel, names[i]))
            import__put(im, spec, names[i], json_get(camel, names[i]));
    if (json_get(p, "AuthorizerCredentialsArn"))
        import__put(im, spec, "authorizerCredentials", json_get(p, "AuthorizerCredentialsArn"));
    for (size_t i = 0; i < p->n; i++)
        if (str_starts(p->members[i].key, STR("x-ropeline-")) &&
            json_set(im->a, spec, p->members[i].key, p->members[i].value) != ERR_OK)
            import__no_memory(im);
    import__check_authorizer(im, api, g->kind, spec);
    g->spec = spec;
    g->function = json_get(p, "AuthorizerUri");
    g->is_uri = true;
}

/* --- integrations -------------------------------------------------------------------------------
 */

/* {status: {ResponseParameters: [{Destination, Source}]}} -> {status: {destination: source}} */
static const struct json *responses_of(struct importer *im, const struct json *v)
{
    v = import__object(im, v, "ResponseParameters");
    struct json *out = v ? import__new_object(im, v) : NULL;
    struct str key, value;
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json *list = import__array(
            im, json_get(v->members[i].value, "ResponseParameters"), "ResponseParameters");
        struct json *one = import__new_object(im, v->members[i].value);
        for (size_t k = 0; list && one && k < list->n; k++) {
            const struct json *pair = list->items[k];
            if (import__text(im, json_get(pair, "Destination"), "Destination", &key) &&
                import__text(im, json_get(pair, "Source"), "Source", &value) &&
                json_set(im->a, one, key, import__new_text(im, value, pair)) != ERR_OK)
                import__no_memory(im);
        }
        if (one && json_set(im->a, out, v->members[i].key, one) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

/* As x-amazon-apigateway-integration spells it. */
static const struct json *integration_of(struct importer *im, struct symbol *s)
{
    static const struct {
        const char *from, *to;
    } names[] = {
        {"integrationType", "type"},           {"integrationUri", "uri"},
        {"integrationMethod", "httpMethod"},   {"credentialsArn", "credentials"},
        {"templateSelectionExpression", NULL}, {"apiId", NULL},
    };
    struct json *out = import__new_object(im, s->node);
    const struct json *camel = import__camel(im, import__properties(im, s));
    for (size_t i = 0; out && json_is(camel, JSON_OBJECT) && i < camel->n; i++) {
        struct json_member m = camel->members[i];
        bool dropped = false;
        for (size_t k = 0; k < COUNTOF(names); k++)
            if (str_eqz(m.key, names[k].from)) {
                dropped = !names[k].to;
                m.key = str_c(names[k].to);
                break;
            }
        if (str_eqz(m.key, "responseParameters"))
            m.value = responses_of(im, m.value);
        if (!dropped && m.value && json_set(im->a, out, m.key, m.value) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

static struct symbol *target_of(struct importer *im, struct symbol *s)
{
    static const char prefix[] = "integrations/";
    const struct json *v = json_get(import__properties(im, s), "Target");
    struct str text;
    if (!v)
        import__say(im, IMPORT_ERROR, s->spot, "the route %.*s has no Target", SHORT(s->logical));
    if (!import__text(im, v, "Target", &text))
        return NULL;
    struct symbol *to =
        str_starts(text, str_c(prefix)) ? import__symbol(im, str_from(text, strlen(prefix))) : NULL;
    if (to && to->kind == SYMBOL_OTHER && str_eqz(to->type, "AWS::ApiGatewayV2::Integration"))
        return to;
    import__say(im, IMPORT_ERROR, spot_or(v, s->spot),
                "Target must be integrations/ID of an AWS::ApiGatewayV2::Integration of this "
                "document, not \"%.*s\"",
                SHORT(text));
    return NULL;
}

/* --- routes -------------------------------------------------------------------------------------
 */

ROWS(route, "AWS::ApiGatewayV2::Route", {"ApiId", KEY_READ, NULL},
     {"ApiKeyRequired", KEY_READ, NULL}, {"AuthorizationScopes", KEY_READ, NULL},
     {"AuthorizationType", KEY_READ, NULL}, {"AuthorizerId", KEY_READ, NULL},
     {"OperationName", KEY_READ, NULL}, {"RouteKey", KEY_READ, NULL}, {"Target", KEY_READ, NULL},
     {"x-ropeline-roles", KEY_READ, NULL},
     {"ModelSelectionExpression", KEY_REFUSE, "belongs to WebSocket APIs"},
     {"RequestModels", KEY_REFUSE, "belongs to WebSocket APIs"},
     {"RequestParameters", KEY_REFUSE, "belongs to WebSocket APIs"},
     {"RouteResponseSelectionExpression", KEY_REFUSE, "belongs to WebSocket APIs"});

/* "GET /pets" or "$default" */
static struct route *add_route(struct importer *im, struct import_api *api, struct str key,
                               struct spot at)
{
    struct str path, verb = STR("ANY"), rest = key;
    if (!str_eqz(key, "$default"))
        verb = str_cut(key, ' ', &rest);
    const char *known = import__verb(verb);
    if (!known || !rest.p) {
        import__say(im, IMPORT_ERROR, at,
                    "RouteKey \"%.*s\" must be $default, or a method and a path like \"GET /pets\"",
                    SHORT(key));
        return NULL;
    }
    if (!import__check_path(im, api, rest, at, &path))
        return NULL;
    return import__add_route(im, api, path, known, at);
}

static void read_route(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s), *v = json_get(p, "RouteKey");
    struct access access;
    struct str key;
    import__check_keys(im, p, &route_keys);
    struct symbol *target = target_of(im, s);
    if (!import__text(im, v, "RouteKey", &key) || !target ||
        !import__cfn_access(im, api, s, &access))
        return;
    struct route *r = add_route(im, api, key, spot_or(v, s->spot));
    if (!r)
        return;
    r->access = access;
    r->operation_id = json_get(p, "OperationName");
    r->given = integration_of(im, target);
}

void import__cfn_http_parts(struct importer *im, struct import_api *api)
{
    for (struct symbol *s = im->symbols; s; s = s->next)
        if (s->kind == SYMBOL_OTHER && str_eqz(s->type, "AWS::ApiGatewayV2::Authorizer") &&
            import__belongs(im, s, "ApiId", api))
            read_authorizer(im, api, s);
    for (struct symbol *s = im->symbols; s; s = s->next)
        if (s->kind == SYMBOL_OTHER && str_eqz(s->type, "AWS::ApiGatewayV2::Route") &&
            import__belongs(im, s, "ApiId", api))
            read_route(im, api, s);
}

/* --- the API and its stages ---------------------------------------------------------------------
 */

ROWS(api, "AWS::ApiGatewayV2::Api", {"ApiKeySelectionExpression", KEY_SILENT, NULL},
     {"BasePath", KEY_SILENT, NULL}, {"Basepath", KEY_SILENT, NULL}, {"Body", KEY_READ, NULL},
     {"BodyS3Location", KEY_REFUSE, "the file is on S3; write the document as Body"},
     {"CorsConfiguration", KEY_READ, NULL}, {"CredentialsArn", KEY_READ, NULL},
     {"Description", KEY_SILENT, NULL}, {"DisableExecuteApiEndpoint", KEY_READ, NULL},
     {"DisableSchemaValidation", KEY_SILENT, NULL}, {"FailOnWarnings", KEY_SILENT, NULL},
     {"IpAddressType", KEY_SILENT, NULL}, {"Name", KEY_READ, NULL},
     {"ProtocolType", KEY_READ, NULL}, {"RouteKey", KEY_READ, NULL},
     {"RouteSelectionExpression", KEY_SILENT, NULL}, {"Tags", KEY_READ, NULL},
     {"Target", KEY_READ, NULL}, {"Version", KEY_SILENT, NULL},
     {"x-ropeline-roles", KEY_READ, NULL});
ROWS(stage, "AWS::ApiGatewayV2::Stage", {"AccessLogSettings", KEY_SILENT, NULL},
     {"AccessPolicyId", KEY_SILENT, NULL}, {"ApiId", KEY_READ, NULL},
     {"AutoDeploy", KEY_SILENT, NULL}, {"ClientCertificateId", KEY_SILENT, NULL},
     {"DefaultRouteSettings", KEY_READ, NULL}, {"DeploymentId", KEY_SILENT, NULL},
     {"Description", KEY_SILENT, NULL}, {"RouteSettings", KEY_READ, NULL},
     {"StageName", KEY_READ, NULL}, {"StageVariables", KEY_READ, NULL}, {"Tags", KEY_SILENT, NULL});

/* Target makes an API with one route at once. */
static void quick_create(struct importer *im, struct import_api *api, const struct json *p)
{
    const struct json *target = json_get(p, "Target");
    struct str key = STR("$default"), uri;
    (void)import__text(im, json_get(p, "RouteKey"), "RouteKey", &key);
    if (!import__text(im, target, "Target", &uri))
        return;
    bool lambda = str_starts(uri, STR("arn:"));
    struct route *r = add_route(im, api, key, spot_of(target));
    struct json *v = import__new_object(im, target);
    if (!r || !v)
        return;
    import__put(im, v, "type",
                import__new_text(im, lambda ? STR("AWS_PROXY") : STR("HTTP_PROXY"), target));
    import__put(im, v, "uri", target);
    import__put(im, v, "httpMethod",
                import__new_text(im, lambda ? STR("POST") : STR("ANY"), target));
    import__put(im, v, "payloadFormatVersion",
                import__new_text(im, lambda ? STR("2.0") : STR("1.0"), target));
    r->access.at = spot_of(target);
    r->given = v;
}

static void read_api(struct importer *im, struct import_api *api, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    const struct json *cors = json_get(p, "CorsConfiguration");
    import__check_keys(im, p, &api_keys);
    (void)import__text(im, json_get(p, "Name"), "Name", &api->api->name);
    api->api->disable_execute_api = import__flag(im, json_get(p, "DisableExecuteApiEndpoint"),
                                                 "DisableExecuteApiEndpoint", false);
    const struct json *body = import__object(im, json_get(p, "Body"), "Body");
    if (body)
        import__openapi(im, api, body);
    import__set_roles(im, api, json_get(p, "x-ropeline-roles"));
    if (cors)
        import__set_http_cors(im, api, cors);
    quick_create(im, api, p);
    if (api->api->name.n == 0)
        api->api->name = json_str_or(json_get(json_get(body, "info"), "title"), s->logical);
}

static void read_stage(struct importer *im, struct symbol *s, struct symbol *stage)
{
    const struct json *p = stage ? import__properties(im, stage) : NULL;
    const struct json *id = import__value(im, s), *settings = json_get(p, "DefaultRouteSettings");
    struct import_api *api = import__new_api(im, API_HTTP, s->logical, s->spot);
    struct str name = STR("$default");
    if (!api || !id)
        return;
    if (!s->api)
        s->api = api;
    api->api->id = id->s;
    if (s->unnamed || !import__is_custom_id(id->s))
        import__say(im, IMPORT_ERROR, s->spot, "_custom_id_: %s",
                    s->unnamed ? s->unnamed : "letters, digits, - and _ (at most 63)");
    if (stage)
        import__check_keys(im, p, &stage_keys);
    (void)import__text(im, json_get(p, "StageName"), "StageName", &name);
    import__set_stage(im, api, name, spot_or(json_get(p, "StageName"), s->spot));
    import__read_variables(im, api, json_get(p, "StageVariables"));
    read_api(im, api, s);
    import__cfn_http_parts(im, api);
    if (import__object(im, settings, "DefaultRouteSettings"))
        api->api->default_route_settings = import__throttle(im, settings);
    import__set_route_settings(im, api, json_get(p, "RouteSettings"));
}

void import__cfn_http_api(struct importer *im, struct symbol *s)
{
    const struct json *p = import__properties(im, s), *type = json_get(p, "ProtocolType");
    const struct json *id = import__value(im, s);
    struct str protocol = STR("HTTP"), owner;
    size_t stages = 0;
    (void)import__text(im, type, "ProtocolType", &protocol);
    if (!str_eqz(protocol, "HTTP")) {
        import__say(im, IMPORT_ERROR, spot_of(type),
                    "ProtocolType %.*s: only HTTP APIs are served here", SHORT(protocol));
        return;
    }
    for (struct symbol *x = im->symbols; x; x = x->next) {
        if (x->kind != SYMBOL_OTHER || !str_eqz(x->type, "AWS::ApiGatewayV2::Stage") || !id ||
            !import__scalar(json_get(import__properties(im, x), "ApiId"), &owner) ||
            !str_eq(owner, id->s))
            continue;
        read_stage(im, s, x);
        stages++;
    }
    if (stages > 0)
        return;
    if (!json_get(p, "Target")) /* which makes the stage $default, too */
        import__say(
            im, IMPORT_WARNING, s->spot,
            "%.*s has no stage, so nobody could reach it on AWS; here its stage is $default",
            SHORT(s->logical));
    read_stage(im, s, NULL);
}
