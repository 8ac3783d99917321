/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS::Serverless::Api: its stage, its Auth, its definition. Invariant: Auth is read before any
 * method is, so that a DefaultAuthorizer is never missed by one. */
#include "base/yaml.h"
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

static const struct key_row api_rows[] = {
    {"AccessLogSetting", KEY_SILENT, NULL},
    {"AlwaysDeploy", KEY_SILENT, NULL},
    {"ApiKeySourceType", KEY_NOTE, "API keys are not enforced yet"},
    {"Auth", KEY_READ, NULL},
    {"BinaryMediaTypes", KEY_WARN, "not served yet; functions get and give text"},
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
    {"GatewayResponses", KEY_WARN, "not served yet, the default body is sent"},
    {"MergeDefinitions", KEY_READ, NULL},
    {"MethodSettings", KEY_READ, NULL},
    {"MinimumCompressionSize", KEY_NOTE, "bodies are not compressed here"},
    {"Mode", KEY_SILENT, NULL},
    {"Models", KEY_SILENT, NULL},
    {"Name", KEY_READ, NULL},
    {"OpenApiVersion", KEY_SILENT, NULL},
    {"Policy", KEY_REFUSE, "resource policies are not served yet"},
    {"PropagateTags", KEY_SILENT, NULL},
    {"SecurityPolicy", KEY_SILENT, NULL},
    {"StageName", KEY_READ, NULL},
    {"Tags", KEY_READ, NULL},
    {"TracingEnabled", KEY_SILENT, NULL},
    {"Variables", KEY_READ, NULL},
};
static const struct key_table api_keys = {"AWS::Serverless::Api", api_rows, COUNTOF(api_rows),
                                          KEY_REFUSE};

static const struct key_row auth_rows[] = {
    {"AddApiKeyRequiredToCorsPreflight", KEY_SILENT, NULL},
    {"AddDefaultAuthorizerToCorsPreflight", KEY_READ, NULL},
    {"ApiKeyRequired", KEY_READ, NULL},
    {"Authorizers", KEY_READ, NULL},
    {"DefaultAuthorizer", KEY_READ, NULL},
    {"InvokeRole", KEY_NOTE, "roles are not assumed here; functions are simply called"},
    {"ResourcePolicy", KEY_REFUSE, "resource policies are not served yet"},
    {"UsagePlan", KEY_READ, NULL},
};
static const struct key_table auth_keys = {"Auth", auth_rows, COUNTOF(auth_rows), KEY_REFUSE};

/* --- Auth ---------------------------------------------------------------------------------------
 */

static void read_default(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str name;
    if (!import__text(im, v, "DefaultAuthorizer", &name))
        return;
    api->default_guard = name;
    if (str_eqz(name, "AWS_IAM"))
        import__say(im, IMPORT_ERROR, spot_of(v), "AWS_IAM authorization is not served yet");
    else if (!import__find_guard(api, name))
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "DefaultAuthorizer \"%.*s\" is not defined in Authorizers", SHORT(name));
}

static void read_auth(struct importer *im, struct import_api *api, const struct json *auth)
{
    auth = import__object(im, auth, "Auth");
    api->guard_preflight = true;
    if (!auth)
        return;
    import__check_keys(im, auth, &auth_keys);
    import__read_authorizers(im, api, json_get(auth, "Authorizers"));
    read_default(im, api, json_get(auth, "DefaultAuthorizer"));
    api->guard_preflight = import__flag(im, json_get(auth, "AddDefaultAuthorizerToCorsPreflight"),
                                        "AddDefaultAuthorizerToCorsPreflight", true);
    const struct json *key = json_get(auth, "ApiKeyRequired");
    if (import__flag(im, key, "ApiKeyRequired", false))
        import__say(im, IMPORT_ERROR, spot_of(key),
                    "ApiKeyRequired: API keys are not enforced yet");
    const struct json *plan = import__object(im, json_get(auth, "UsagePlan"), "UsagePlan");
    if (plan && !str_eqz(json_str_or(json_get(plan, "CreateUsagePlan"), STR("")), "NONE"))
        import__say(im, IMPORT_WARNING, spot_of(plan),
                    "UsagePlan: usage plans are not enforced yet");
}

/* --- the definition -----------------------------------------------------------------------------
 */

static const struct json *parse_file(struct importer *im, struct str location, const char *what,
                                     struct spot at, const char **file)
{
    struct errinfo e = {0};
    struct str text;
    const struct json *doc;
    if (str_starts(location, STR("s3://")) || str_starts(location, STR("https://"))) {
        import__say(im, IMPORT_ERROR, at, "%s: the file is on S3; write the path of a local copy",
                    what);
        return NULL;
    }
    struct str path = import__path(im, location);
    enum err err = import__read_file(im, path, &text);
    if (err == ERR_NOMEM) {
        import__no_memory(im);
        return NULL;
    }
    if (err != ERR_OK) {
        import__say(im, IMPORT_ERROR, at, "%s: %.*s cannot be read: %s", what, SHORT(path),
                    err == ERR_UNSUPPORTED ? "not a regular file" : err_text(err));
        return NULL;
    }
    err = yaml_parse(im->a, text, LIMIT_TEMPLATE_BYTES, &doc, &e);
    if (err == ERR_OK) {
        *file = path.p;
        return doc;
    }
    if (err == ERR_NOMEM)
        import__fail(im, err);
    import_note(im->report, IMPORT_ERROR, path.p, e.line, e.col, "%s", e.text);
    return NULL;
}

static void read_document(struct importer *im, struct import_api *api, const struct json *doc,
                          const char *what)
{
    doc = import__object(im, doc, what);
    if (!doc)
        return;
    api->has_body = true;
    if (!json_get(doc, "openapi") && !json_get(doc, "swagger"))
        import__say(im, IMPORT_ERROR, spot_of(doc),
                    "%s is no OpenAPI document: it has neither openapi nor swagger", what);
    struct str title = json_str_or(json_get(json_get(doc, "info"), "title"), STR(""));
    if (title.n > 0 && api->api->name.n == 0)
        api->api->name = title;
    import__openapi(im, api, doc);
}

/* DefinitionBody: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: FILE}}} */
static void read_include(struct importer *im, struct import_api *api, const struct json *v)
{
    const struct json *call = json_get(v, "Fn::Transform");
    const struct json *location = json_get(json_get(call, "Parameters"), "Location");
    const char *outer = im->file, *file = outer;
    struct str name, path;
    if (!import__text(im, json_get(call, "Name"), "Name", &name) ||
        !str_eqz(name, "AWS::Include")) {
        import__say(im, IMPORT_ERROR, spot_of(v), "Fn::Transform: only AWS::Include is known");
        return;
    }
    if (!location)
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "AWS::Include needs Parameters: {Location: FILE}");
    if (!import__text(im, import__resolve(im, location), "Location", &path))
        return;
    const struct json *doc = parse_file(im, path, "AWS::Include", spot_of(location), &file);
    im->file = file;
    if (doc)
        read_document(im, api, import__resolve(im, doc), "the included file");
    im->file = outer;
}

static void read_uri(struct importer *im, struct import_api *api, const struct json *uri)
{
    const char *outer = im->file, *file = outer;
    struct str path;
    if (json_is(uri, JSON_OBJECT) && !import__is_intrinsic(uri)) {
        import__say(im, IMPORT_ERROR, spot_of(uri),
                    "DefinitionUri: the file is on S3; write the path of a local copy");
        return;
    }
    if (!import__text(im, uri, "DefinitionUri", &path))
        return;
    const struct json *doc = parse_file(im, path, "DefinitionUri", spot_of(uri), &file);
    im->file = file;
    im->literal = true;
    if (doc)
        read_document(im, api, doc, "the DefinitionUri file");
    im->literal = false;
    im->file = outer;
}

static void read_definition(struct importer *im, struct import_api *api,
                            const struct json *properties)
{
    const struct json *body = json_get(properties, "DefinitionBody");
    const struct json *uri = json_get(properties, "DefinitionUri");
    const struct json *merge = json_get(properties, "MergeDefinitions");
    api->merge = import__flag(im, merge, "MergeDefinitions", false);
    if (uri && (body || api->merge))
        import__say(im, IMPORT_ERROR, spot_of(uri),
                    "DefinitionUri does not go together with DefinitionBody or MergeDefinitions");
    if (uri && (json_get(properties, "Auth") || json_get(properties, "Cors")))
        import__say(im, IMPORT_ERROR, spot_of(uri),
                    "Auth and Cors work only with a DefinitionBody, not with a DefinitionUri; "
                    "include the file with Fn::Transform AWS::Include");
    if (json_get(body, "Fn::Transform") && body->n == 1)
        read_include(im, api, body);
    else if (body)
        read_document(im, api, body, "DefinitionBody");
    else if (uri)
        read_uri(im, api, uri);
}

/* --- the other properties -----------------------------------------------------------------------
 */

static void read_variables(struct importer *im, struct import_api *api, const struct json *v)
{
    struct model_variable **end = &api->api->variables;
    v = import__object(im, v, "Variables");
    for (size_t i = 0; v && i < v->n; i++) {
        struct model_variable *x = ARENA_NEW(im->a, struct model_variable);
        if (!x) {
            import__no_memory(im);
            return;
        }
        x->name = v->members[i].key;
        if (!import__text(im, v->members[i].value, "a stage variable", &x->value))
            continue;
        *end = x;
        end = &x->next;
    }
}

static void check_method_settings(struct importer *im, const struct json *v)
{
    v = import__array(im, v, "MethodSettings");
    for (size_t i = 0; v && i < v->n; i++) {
        const struct json *one = v->items[i];
        const struct json *rate = json_get(one, "ThrottlingRateLimit");
        if (!rate)
            rate = json_get(one, "ThrottlingBurstLimit");
        if (import__is_intrinsic(one) || rate)
            import__say(im, IMPORT_ERROR, spot_of(rate ? rate : one),
                        "MethodSettings: throttling is not enforced yet");
        if (import__is_true(json_get(one, "CachingEnabled")))
            import__say(im, IMPORT_NOTE, spot_of(json_get(one, "CachingEnabled")),
                        "there is no cache yet; every request reaches the backend");
    }
}

/* What changes who can reach the API. */
static void check_endpoint(struct importer *im, const struct json *properties)
{
    const struct json *off = json_get(properties, "DisableExecuteApiEndpoint");
    const struct json *domain = json_get(properties, "Domain");
    const struct json *endpoint = json_get(properties, "EndpointConfiguration");
    struct str type = json_str_or(endpoint, json_str_or(json_get(endpoint, "Type"), STR("")));
    if (import__flag(im, off, "DisableExecuteApiEndpoint", false))
        import__say(
            im, IMPORT_ERROR, spot_of(off),
            "DisableExecuteApiEndpoint: custom domains are not served yet, so nothing would "
            "be left; leave it out");
    if (str_eqz(type, "PRIVATE"))
        import__say(im, IMPORT_WARNING, spot_of(endpoint),
                    "a PRIVATE endpoint: here the listener's address decides who can connect");
    if (!domain)
        return;
    if (json_get(domain, "MutualTlsAuthentication"))
        import__say(im, IMPORT_ERROR, spot_of(json_get(domain, "MutualTlsAuthentication")),
                    "MutualTlsAuthentication: client certificates are not asked for yet");
    import__say(im, IMPORT_WARNING, spot_of(domain),
                "Domain: custom domains are not served yet; the API answers below its stage");
}

static void read_stage(struct importer *im, struct import_api *api, const struct json *v)
{
    struct model_api *m = api->api;
    if (!v)
        import__say(im, IMPORT_ERROR, (struct spot){m->at.line, m->at.col},
                    "%.*s needs a StageName", SHORT(m->logical_id));
    if (import__text(im, v, "StageName", &m->stage) && !import__is_stage(m->stage))
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "StageName \"%.*s\": a stage has letters, digits, - and _ only",
                    SHORT(m->stage));
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
                    "_custom_id_ must be letters, digits, - and _ (at most 63)");
    (void)import__text(im, json_get(properties, "Name"), "Name", &api->api->name);
}

void import__serverless_api(struct importer *im, struct symbol *s)
{
    if (json_get(s->node, "Condition"))
        import__say(im, IMPORT_ERROR, spot_of(json_get(s->node, "Condition")),
                    "Conditions are not evaluated yet, and this one decides whether %.*s exists",
                    SHORT(s->logical));
    const struct json *properties =
        import__object(im, import__resolve(im, s->properties), "Properties");
    struct import_api *api = import__new_api(im, s->logical, s->spot);
    if (!api)
        return;
    s->api = api;
    import__check_keys(im, properties, &api_keys);
    read_name_and_id(im, api, s, properties);
    read_stage(im, api, json_get(properties, "StageName"));
    read_variables(im, api, json_get(properties, "Variables"));
    check_method_settings(im, json_get(properties, "MethodSettings"));
    check_endpoint(im, properties);
    read_auth(im, api, json_get(properties, "Auth"));
    api->cors = json_get(properties, "Cors");
    read_definition(im, api, properties);
    if (api->api->name.n == 0)
        api->api->name = s->logical;
}
