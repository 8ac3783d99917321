/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAPI 2 and 3 with API Gateway's extensions, as ImportRestApi and ImportApi read them.
 * Invariant: every path, method and extension is read, refused or noted; none is passed over. */
#include "import_api_int.h"
#include "roles_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define REF_HOPS 8
#define VALIDATOR "x-amazon-apigateway-request-validator"
#define ANY_METHOD "x-amazon-apigateway-any-method"
#define INTEGRATION "x-amazon-apigateway-integration"

static const struct key_row document_rows[] = {
    {"openapi", KEY_READ, NULL},
    {"swagger", KEY_READ, NULL},
    {"info", KEY_READ, NULL},
    {"paths", KEY_READ, NULL},
    {"components", KEY_READ, NULL},
    {"securityDefinitions", KEY_READ, NULL},
    {"security", KEY_READ, NULL},
    {"basePath", KEY_NOTE, "is ignored, as AWS's import does; the stage comes before the paths"},
    {"host", KEY_SILENT, NULL},
    {"schemes", KEY_SILENT, NULL},
    {"consumes", KEY_SILENT, NULL},
    {"produces", KEY_SILENT, NULL},
    {"definitions", KEY_SILENT, NULL},
    {"parameters", KEY_SILENT, NULL},
    {"responses", KEY_SILENT, NULL},
    {"tags", KEY_SILENT, NULL},
    {"servers", KEY_SILENT, NULL},
    {"externalDocs", KEY_SILENT, NULL},
    {"webhooks", KEY_SILENT, NULL},
    {"jsonSchemaDialect", KEY_SILENT, NULL},
    {"x-amazon-apigateway-api-key-source", KEY_READ, NULL},
    {"x-amazon-apigateway-binary-media-types", KEY_READ, NULL},
    {"x-amazon-apigateway-cors", KEY_READ, NULL},
    {"x-amazon-apigateway-documentation", KEY_SILENT, NULL},
    {"x-amazon-apigateway-endpoint-configuration", KEY_READ, NULL},
    {"x-amazon-apigateway-gateway-responses", KEY_READ, NULL},
    {"x-amazon-apigateway-integrations", KEY_SILENT, NULL},
    {"x-amazon-apigateway-importexport-version", KEY_SILENT, NULL},
    {"x-amazon-apigateway-minimum-compression-size", KEY_NOTE, "bodies are not compressed here"},
    {"x-amazon-apigateway-policy", KEY_READ, NULL},
    {"x-amazon-apigateway-security-policy", KEY_SILENT, NULL},
    {"x-amazon-apigateway-endpoint-access-mode", KEY_SILENT, NULL},
    {"x-amazon-apigateway-tag-value", KEY_SILENT, NULL},
    {VALIDATOR, KEY_READ, NULL},
    {"x-amazon-apigateway-request-validators", KEY_READ, NULL},
    {"x-ropeline-paths", KEY_READ, NULL},
    {"x-ropeline-roles", KEY_READ, NULL},
    {"x-ropeline-root-security", KEY_READ, NULL},
};
static const struct key_table document_keys = {"an OpenAPI document", document_rows,
                                               COUNTOF(document_rows), KEY_NOTE};

static const struct key_row operation_rows[] = {
    {"tags", KEY_SILENT, NULL},        {"summary", KEY_SILENT, NULL},
    {"description", KEY_SILENT, NULL}, {"externalDocs", KEY_SILENT, NULL},
    {"operationId", KEY_READ, NULL},   {"consumes", KEY_SILENT, NULL},
    {"produces", KEY_SILENT, NULL},    {"parameters", KEY_SILENT, NULL},
    {"requestBody", KEY_SILENT, NULL}, {"responses", KEY_SILENT, NULL},
    {"callbacks", KEY_SILENT, NULL},   {"schemes", KEY_SILENT, NULL},
    {"servers", KEY_SILENT, NULL},     {"deprecated", KEY_SILENT, NULL},
    {"security", KEY_READ, NULL},      {"x-amazon-apigateway-auth", KEY_READ, NULL},
    {INTEGRATION, KEY_READ, NULL},     {"x-amazon-apigateway-documentation", KEY_SILENT, NULL},
    {VALIDATOR, KEY_READ, NULL},       {"x-ropeline-roles", KEY_READ, NULL},
};
static const struct key_table operation_keys = {"an operation", operation_rows,
                                                COUNTOF(operation_rows), KEY_WARN};

/* SAM's own documents write `components:` with nothing below it. */
static const struct json *unless_null(const struct json *v)
{
    return json_is(v, JSON_NULL) ? NULL : v;
}

/* --- $ref ---------------------------------------------------------------------------------------
 */

/* One part of a JSON pointer, unescaped (RFC 6901 4). */
static struct str unescape(struct importer *im, struct str part)
{
    char *p = arena_cstr(im->a, part);
    size_t n = 0;
    if (!p) {
        import__no_memory(im);
        return STR("");
    }
    for (size_t i = 0; i < part.n; i++) {
        bool escape = p[i] == '~' && i + 1 < part.n && (p[i + 1] == '0' || p[i + 1] == '1');
        p[n++] = escape ? (p[i + 1] == '1' ? '/' : '~') : p[i];
        i += escape;
    }
    return str_of(p, n);
}

const struct json *import__follow(struct importer *im, const struct json *doc, const struct json *v)
{
    const struct json *start = v;
    for (unsigned hops = 0; json_get(v, "$ref"); hops++) {
        struct str target, rest;
        const struct json *ref = json_get(v, "$ref");
        if (!import__text(im, ref, "$ref", &target))
            return NULL;
        if (v->n > 1 || hops == REF_HOPS || !str_starts(target, STR("#/"))) {
            import__say(im, IMPORT_ERROR, spot_of(ref), "%s",
                        v->n > 1           ? "$ref must stand alone"
                        : hops == REF_HOPS ? "$ref leads through too many others"
                                           : "$ref must lead to a place in this document (#/...)");
            return NULL;
        }
        v = doc;
        for (rest = str_from(target, 2); rest.p && v;) {
            struct str part = str_cut(rest, '/', &rest);
            v = json_gets(v, unescape(im, part));
        }
        if (!v) {
            import__say(im, IMPORT_ERROR, spot_of(start), "$ref leads nowhere: %.*s",
                        SHORT(target));
            return NULL;
        }
    }
    return v;
}

/* --- paths --------------------------------------------------------------------------------------
 */

static void read_operation(struct importer *im, struct import_api *api, const struct json *item,
                           struct str path, const char *verb, const struct json_member *m)
{
    bool http = api->api->kind == API_HTTP;
    const struct json *operation = import__object(im, m->value, "an operation");
    if (!operation)
        return;
    struct route *r = import__add_route(im, api, path, verb, spot_key(m));
    if (!r)
        return;
    import__check_keys(im, operation, &operation_keys);
    r->operation_id = json_get(operation, "operationId");
    const struct json *validator = json_get(operation, VALIDATOR);
    r->validator = validator ? validator : api->validator;
    import__read_security(im, api, r, operation, spot_key(m));
    const struct json *roles = json_get(operation, "x-ropeline-roles");
    if (!roles && strcmp(verb, "OPTIONS") != 0) /* preflights have no session */
        roles = json_get(item, "x-ropeline-roles");
    r->access.roles = roles;
    if (!http)
        import__openapi_parameters(im, api, r, item, operation);
    r->given = json_get(operation, INTEGRATION);
    r->doc = api->doc;
}

static void read_path_member(struct importer *im, struct import_api *api, const struct json *item,
                             struct str path, const struct json_member *m)
{
    static const char *const quiet[] = {"parameters", "summary", "description", "servers",
                                        "x-ropeline-roles"}; /* which read_operation asks for */
    for (size_t i = 0; i < COUNTOF(quiet); i++)
        if (str_eqz(m->key, quiet[i]))
            return;
    bool any = str_eqz(m->key, ANY_METHOD);
    const char *verb = any ? "ANY" : import__verb(m->key);
    if (json_is(m->value, JSON_NULL) && verb) {
        import__say(im, IMPORT_ERROR, spot_key(m), "%.*s: the method %.*s is null", SHORT(path),
                    SHORT(m->key));
    } else if (verb && (any || strcmp(verb, "ANY") != 0)) {
        read_operation(im, api, item, path, verb, m);
    } else if (verb) {
        import__say(im, IMPORT_ERROR, spot_key(m), "write %s for all methods", ANY_METHOD);
    } else if (!str_starts(m->key, STR("x-")) || str_starts(m->key, STR("x-amazon-"))) {
        import__say(im, IMPORT_ERROR, spot_key(m),
                    "%.*s: \"%.*s\" is no method; Valid options are "
                    "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
                    SHORT(path), SHORT(m->key));
    }
}

static void read_path(struct importer *im, struct import_api *api, const struct json_member *m)
{
    struct str path;
    if (str_starts(m->key, STR("x-")) && !str_starts(m->key, STR("x-amazon-")))
        return;
    const struct json *item =
        import__object(im, import__follow(im, api->doc, m->value), "a path item");
    if (!item || !import__check_path(im, api, m->key, spot_key(m), &path))
        return;
    for (size_t i = 0; i < item->n; i++)
        read_path_member(im, api, item, path, &item->members[i]);
}

/* --- the document -------------------------------------------------------------------------------
 */

static void check_version(struct importer *im, const struct json *doc)
{
    struct str text = STR("");
    const struct json *v = json_get(doc, "openapi");
    if (v && import__text(im, v, "openapi", &text) && !str_starts(text, STR("3")))
        import__say(im, IMPORT_ERROR, spot_of(v), "OpenAPI %.*s is not known, only 2.0 and 3.x",
                    SHORT(text));
    v = json_get(doc, "swagger");
    if (v && import__text(im, v, "swagger", &text) && !str_starts(text, STR("2")))
        import__say(im, IMPORT_ERROR, spot_of(v), "Swagger %.*s is not known, only 2.0",
                    SHORT(text));
}

/* Whether security at the root guards the operations without security of their own. REST imports
 * ignore it (docs/differences.md), unless x-ropeline-root-security says otherwise. */
static void read_root_security(struct importer *im, struct import_api *api, const struct json *doc)
{
    struct str text = STR("");
    const struct json *v = json_get(doc, "x-ropeline-root-security");
    const struct json *root = json_get(doc, "security");
    bool apply = api->api->kind == API_HTTP;
    if (import__text(im, v, "x-ropeline-root-security", &text)) {
        apply = str_eqz(text, "apply");
        if (!apply && !str_eqz(text, "ignore"))
            import__say(im, IMPORT_ERROR, spot_of(v),
                        "x-ropeline-root-security must be apply or ignore");
    }
    if (apply)
        api->root_security = root;
}

/* Say what ignoring it leaves open. */
static void warn_of_root_security(struct importer *im, const struct import_api *api,
                                  const struct json *doc)
{
    const struct json *root = json_get(doc, "security");
    if (!json_is(root, JSON_ARRAY) || root->n == 0 || api->root_security)
        return;
    if (api->open_by_root > 0)
        import__say(im, IMPORT_WARNING, spot_of(root),
                    "AWS ignores security at the root of a REST API's document: %zu method%s "
                    "without security of their own ARE OPEN; give each its own security, or write "
                    "x-ropeline-root-security: apply",
                    api->open_by_root, api->open_by_root == 1 ? "" : "s");
    else
        import__say(im, IMPORT_NOTE, spot_of(root),
                    "AWS ignores security at the root of a REST API's document; each method has "
                    "its own");
}

void import__openapi(struct importer *im, struct import_api *api, const struct json *doc)
{
    api->doc = doc;
    import__check_keys(im, doc, &document_keys);
    check_version(im, doc);
    read_root_security(im, api, doc);
    import__openapi_settings(im, api, doc);
    import__set_roles(im, api, json_get(doc, "x-ropeline-roles"));
    api->validator = json_get(doc, VALIDATOR);
    const struct json *components =
        import__object(im, unless_null(json_get(doc, "components")), "components");
    import__read_schemes(im, api, unless_null(json_get(doc, "securityDefinitions")));
    import__read_schemes(im, api, unless_null(json_get(components, "securitySchemes")));
    const struct json *paths = import__object(im, json_get(doc, "paths"), "paths");
    for (size_t i = 0; paths && i < paths->n; i++)
        read_path(im, api, &paths->members[i]);
    warn_of_root_security(im, api, doc);
}

static bool starts_with_2(const struct json *v)
{
    struct str text;
    return import__scalar(v, &text) && str_starts(text, STR("2"));
}

/* What makes a bare document an HTTP API: CORS of its own, a jwt authorizer, payload format 2.0. */
static bool is_http_api(const struct json *doc)
{
    const struct json *schemes = json_get(json_get(doc, "components"), "securitySchemes");
    const struct json *paths = json_get(doc, "paths");
    if (json_get(doc, "x-amazon-apigateway-cors"))
        return true;
    for (size_t i = 0; json_is(schemes, JSON_OBJECT) && i < schemes->n; i++) {
        const struct json *z =
            json_get(schemes->members[i].value, "x-amazon-apigateway-authorizer");
        if (str_ieq(json_str_or(json_get(z, "type"), STR("")), STR("jwt")) ||
            json_get(z, "authorizerPayloadFormatVersion"))
            return true;
    }
    for (size_t i = 0; json_is(paths, JSON_OBJECT) && i < paths->n; i++) {
        const struct json *item = paths->members[i].value;
        for (size_t k = 0; json_is(item, JSON_OBJECT) && k < item->n; k++)
            if (starts_with_2(json_get(json_get(item->members[k].value, INTEGRATION),
                                       "payloadFormatVersion")))
                return true;
    }
    return false;
}

void import__openapi_document(struct importer *im, const struct json *doc)
{
    im->bare = true;
    import__read_given(im);
    doc = import__resolve(im, doc);
    bool http = is_http_api(doc);
    struct import_api *api =
        import__new_api(im, http ? API_HTTP : API_REST, STR(""), spot_of(json_get(doc, "paths")));
    if (!api)
        return;
    struct model_api *m = api->api;
    m->name = json_str_or(json_get(json_get(doc, "info"), "title"), STR(""));
    m->id = im->o->id.n > 0 ? im->o->id : import__api_id(im, m->name);
    import__set_stage(im, api, http ? STR("$default") : STR("dev"), spot_of(doc));
    import__read_variables(im, api, NULL);
    import__openapi(im, api, doc);
    import__finish_api(im, api);
    import__check_given(im);
}
