/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS::Serverless::Api and AWS::Serverless::HttpApi: stage, Auth, definition. Invariant: Auth is
 * read before any method is, so that a DefaultAuthorizer is never missed by one. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

static const struct key_row api_rows[] = {
    {"AccessLogSetting", KEY_SILENT, NULL},
    {"AlwaysDeploy", KEY_SILENT, NULL},
    {"ApiKeySourceType", KEY_READ, NULL},
    {"Auth", KEY_READ, NULL},
    {"BinaryMediaTypes", KEY_READ, NULL},
    {"CacheClusterEnabled", KEY_NOTE, "there is no cache yet; every request reaches the backend"},
    {"CacheClusterSize", KEY_SILENT, NULL},
    {"CanarySetting", KEY_WARN, "canary deployments are not served yet"},
    {"Cors", KEY_READ, NULL},
    {"DefinitionBody", KEY_READ, NULL},
    {"DefinitionUri", KEY_READ, NULL},
    {"Description", KEY_SILENT, NULL},
    {"DisableExecuteApiEndpoint", KEY_READ, NULL},
    {"Domain", KEY_READ, NULL},
    {"EndpointAccessMode", KEY_SILENT, NULL},
    {"EndpointConfiguration", KEY_READ, NULL},
    {"FailOnWarnings", KEY_SILENT, NULL},
    {"GatewayResponses", KEY_READ, NULL},
    {"MergeDefinitions", KEY_READ, NULL},
    {"MethodSettings", KEY_READ, NULL},
    {"MinimumCompressionSize", KEY_NOTE, "bodies are not compressed here"},
    {"Mode", KEY_SILENT, NULL},
    {"Models", KEY_READ, NULL},
    {"Name", KEY_READ, NULL},
    {"OpenApiVersion", KEY_SILENT, NULL},
    {"Policy", KEY_READ, NULL},
    {"PropagateTags", KEY_SILENT, NULL},
    {"SecurityPolicy", KEY_SILENT, NULL},
    {"StageName", KEY_READ, NULL},
    {"Tags", KEY_READ, NULL},
    {"TracingEnabled", KEY_SILENT, NULL},
    {"Variables", KEY_READ, NULL},
};
static const struct key_table api_keys = {"AWS::Serverless::Api", api_rows, COUNTOF(api_rows),
                                          KEY_REFUSE};

/* --- the other properties -----------------------------------------------------------------------
 */

/* {type: {StatusCode, ResponseTemplates, ResponseParameters: {Headers, Paths, QueryStrings}}} */
static void read_gateway_responses(struct importer *im, struct import_api *api,
                                   const struct json *v)
{
    static const struct {
        const char *key, *prefix;
    } places[] = {{"Headers", "gatewayresponse.header."},
                  {"Paths", "gatewayresponse.path."},
                  {"QueryStrings", "gatewayresponse.querystring."}};
    v = import__object(im, v, "GatewayResponses");
    for (size_t i = 0; v && i < v->n; i++) {
        const struct json *one = import__object(im, v->members[i].value, "a gateway response");
        struct json *out = one ? import__camel(im, one) : NULL;
        const struct json *given = json_get(out, "responseParameters");
        struct json *flat = given ? import__new_object(im, given) : NULL;
        for (size_t k = 0; flat && k < COUNTOF(places); k++) {
            const struct json *list =
                import__object(im, json_get(given, places[k].key), places[k].key);
            for (size_t n = 0; list && n < list->n; n++) {
                struct str key =
                    import__fmt(im, "%s%.*s", places[k].prefix, STR_ARG(list->members[n].key));
                if (json_set(im->a, flat, key, list->members[n].value) != ERR_OK)
                    import__no_memory(im);
            }
        }
        if (flat)
            import__put(im, out, "responseParameters", flat);
        if (out)
            import__set_gateway_response(im, api, v->members[i].key, out, spot_key(&v->members[i]));
    }
}

static void read_models(struct importer *im, struct import_api *api, const struct json *v)
{
    v = import__object(im, v, "Models");
    for (size_t i = 0; v && i < v->n; i++)
        import__add_member(im, &api->api->models, v->members[i].key, v->members[i].value);
}

/* What changes who can reach the API. */
static void read_endpoint(struct importer *im, struct import_api *api,
                          const struct json *properties)
{
    const struct json *off = json_get(properties, "DisableExecuteApiEndpoint");
    const struct json *endpoint = json_get(properties, "EndpointConfiguration");
    struct str type = json_str_or(endpoint, json_str_or(json_get(endpoint, "Type"), STR("")));
    api->api->disable_execute_api = import__flag(im, off, "DisableExecuteApiEndpoint", false);
    if (str_eqz(type, "PRIVATE"))
        import__say(im, IMPORT_WARNING, spot_of(endpoint),
                    "a PRIVATE endpoint: here the listener's address decides who can connect");
}

static void read_stage(struct importer *im, struct import_api *api, const struct json *v)
{
    struct model_api *m = api->api;
    struct str stage = STR("$default");
    if (!v && m->kind == API_REST && im->o->stage.n == 0)
        import__say(im, IMPORT_ERROR, (struct spot){m->at.line, m->at.col},
                    "%.*s needs a StageName", SHORT(m->logical_id));
    if (!v || im->o->stage.n > 0 || import__text(im, v, "StageName", &stage))
        import__set_stage(im, api, v || m->kind == API_HTTP ? stage : STR("dev"), spot_of(v));
}

static void read_name_and_id(struct importer *im, struct import_api *api, struct symbol *s,
                             const struct json *properties)
{
    struct reason why;
    const struct json *id = import__ref(im, s->logical, &why);
    const struct json *tags = import__object(im, json_get(properties, "Tags"), "Tags");
    const struct json *custom = json_get(tags, "_custom_id_");
    api->api->id = json_str_or(id, STR(""));
    if (s->unnamed)
        import__say(im, IMPORT_ERROR, spot_or(custom, s->spot), "_custom_id_: %s", s->unnamed);
    else if (!import__is_custom_id(api->api->id))
        import__say(im, IMPORT_ERROR, spot_or(custom, s->spot),
                    "an API id (_custom_id_) must be letters, digits, - and _ (at most 63)");
    (void)import__text(im, json_get(properties, "Name"), "Name", &api->api->name);
}

static struct import_api *begin(struct importer *im, struct symbol *s,
                                const struct json *properties, const struct key_table *keys)
{
    struct import_api *api = import__new_api(im, s->api_kind, s->logical, s->spot);
    if (!api)
        return NULL;
    s->api = api;
    import__check_keys(im, properties, keys);
    read_name_and_id(im, api, s, properties);
    read_stage(im, api, json_get(properties, "StageName"));
    return api;
}

void import__serverless_api(struct importer *im, struct symbol *s)
{
    const struct json *properties =
        import__object(im, import__resolve(im, s->properties), "Properties");
    struct import_api *api = begin(im, s, properties, &api_keys);
    if (!api)
        return;
    import__read_variables(im, api, json_get(properties, "Variables"));
    import__set_method_settings(im, api, json_get(properties, "MethodSettings"));
    read_endpoint(im, api, properties);
    import__set_policy(im, api, json_get(properties, "Policy"));
    import__set_key_source(im, api, json_get(properties, "ApiKeySourceType"));
    import__read_auth(im, api, json_get(properties, "Auth"));
    api->cors = json_get(properties, "Cors");
    import__read_definition(im, api, properties);
    read_gateway_responses(im, api, json_get(properties, "GatewayResponses"));
    import__set_binary_types(im, api, json_get(properties, "BinaryMediaTypes"));
    read_models(im, api, json_get(properties, "Models"));
    import__sam_domain(im, api, json_get(properties, "Domain"));
    if (api->api->name.n == 0)
        api->api->name = s->logical;
}

/* --- HTTP APIs ----------------------------------------------------------------------------------
 */

static const struct key_row http_rows[] = {
    {"AccessLogSettings", KEY_SILENT, NULL},
    {"Auth", KEY_READ, NULL},
    {"CorsConfiguration", KEY_READ, NULL},
    {"DefaultRouteSettings", KEY_READ, NULL},
    {"DefinitionBody", KEY_READ, NULL},
    {"DefinitionUri", KEY_READ, NULL},
    {"Description", KEY_SILENT, NULL},
    {"DisableExecuteApiEndpoint", KEY_READ, NULL},
    {"Domain", KEY_READ, NULL},
    {"FailOnWarnings", KEY_SILENT, NULL},
    {"Name", KEY_READ, NULL},
    {"PropagateTags", KEY_SILENT, NULL},
    {"RouteSettings", KEY_READ, NULL},
    {"StageName", KEY_READ, NULL},
    {"StageVariables", KEY_READ, NULL},
    {"Tags", KEY_READ, NULL},
};
static const struct key_table http_keys = {"AWS::Serverless::HttpApi", http_rows,
                                           COUNTOF(http_rows), KEY_REFUSE};

void import__serverless_http_api(struct importer *im, struct symbol *s)
{
    const struct json *properties =
        import__object(im, import__resolve(im, s->properties), "Properties");
    struct import_api *api = begin(im, s, properties, &http_keys);
    if (!api)
        return;
    const struct json *cors = json_get(properties, "CorsConfiguration");
    const struct json *settings = json_get(properties, "DefaultRouteSettings");
    import__read_variables(im, api, json_get(properties, "StageVariables"));
    read_endpoint(im, api, properties);
    import__read_auth(im, api, json_get(properties, "Auth"));
    import__read_definition(im, api, properties);
    if (cors)
        import__set_http_cors(im, api, cors);
    if (import__object(im, settings, "DefaultRouteSettings"))
        api->api->default_route_settings = import__throttle(im, settings);
    import__set_route_settings(im, api, json_get(properties, "RouteSettings"));
    import__sam_domain(im, api, json_get(properties, "Domain"));
    if (api->api->name.n == 0)
        api->api->name = s->logical;
}
