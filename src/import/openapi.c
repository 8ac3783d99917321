/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAPI 2 and 3 with API Gateway's extensions, as ImportRestApi reads them. Invariant: a method
 * is open only if its document says so in a way that AWS would also read as open; what looks
 * guarded and is not refuses the document or warns loudly. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define REF_HOPS 8
#define VALIDATOR "x-amazon-apigateway-request-validator"
#define ANY_METHOD "x-amazon-apigateway-any-method"

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
    {"x-amazon-apigateway-api-key-source", KEY_NOTE, "API keys are not enforced yet"},
    {"x-amazon-apigateway-binary-media-types", KEY_WARN,
     "not served yet; functions get and give text"},
    {"x-amazon-apigateway-cors", KEY_REFUSE, "belongs to HTTP APIs, which are not served yet"},
    {"x-amazon-apigateway-documentation", KEY_SILENT, NULL},
    {"x-amazon-apigateway-endpoint-configuration", KEY_READ, NULL},
    {"x-amazon-apigateway-gateway-responses", KEY_WARN, "not served yet, the default body is sent"},
    {"x-amazon-apigateway-importexport-version", KEY_SILENT, NULL},
    {"x-amazon-apigateway-minimum-compression-size", KEY_NOTE, "bodies are not compressed here"},
    {"x-amazon-apigateway-policy", KEY_REFUSE, "resource policies are not served yet"},
    {VALIDATOR, KEY_READ, NULL},
    {"x-amazon-apigateway-request-validators", KEY_READ, NULL},
    {"x-ropeline-paths", KEY_READ, NULL},
};
static const struct key_table document_keys = {"an OpenAPI document", document_rows,
                                               COUNTOF(document_rows), KEY_NOTE};

static const struct key_row operation_rows[] = {
    {"tags", KEY_SILENT, NULL},
    {"summary", KEY_SILENT, NULL},
    {"description", KEY_SILENT, NULL},
    {"externalDocs", KEY_SILENT, NULL},
    {"operationId", KEY_READ, NULL},
    {"consumes", KEY_SILENT, NULL},
    {"produces", KEY_SILENT, NULL},
    {"parameters", KEY_SILENT, NULL},
    {"requestBody", KEY_SILENT, NULL},
    {"responses", KEY_SILENT, NULL},
    {"callbacks", KEY_SILENT, NULL},
    {"schemes", KEY_SILENT, NULL},
    {"servers", KEY_SILENT, NULL},
    {"deprecated", KEY_SILENT, NULL},
    {"security", KEY_READ, NULL},
    {"x-amazon-apigateway-auth", KEY_READ, NULL},
    {"x-amazon-apigateway-integration", KEY_READ, NULL},
    {VALIDATOR, KEY_READ, NULL},
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

/* --- security -----------------------------------------------------------------------------------
 */

/* What the requirements of one operation name. */
struct requirements {
    struct guard *guard;
    bool api_key, none, from_sam, broken;
};

static void require_name(struct importer *im, struct import_api *api, const struct route *r,
                         const struct json_member *m, struct requirements *q)
{
    struct guard *g = import__find_guard(api, m->key);
    const struct model_method *method = r->method;
    if (!g && str_eqz(m->key, "NONE")) { /* SAM's word for open */
        if (api->default_guard.n == 0)
            import__say(im, IMPORT_NOTE, spot_key(m),
                        "%.*s %.*s: NONE is no scheme of this "
                        "document; the method is open, as on AWS",
                        SHORT(method->verb), SHORT(method->path));
        q->none = true;
        return;
    }
    if (!g) {
        import__say(im, IMPORT_ERROR, spot_key(m),
                    "%.*s %.*s: %.*s is no security scheme of this document; define it with an "
                    "x-amazon-apigateway-authorizer",
                    SHORT(method->verb), SHORT(method->path), SHORT(m->key));
        q->broken = true;
        return;
    }
    const struct json *scopes = import__array(im, m->value, "the scopes");
    if (scopes && scopes->n > 0 && g->kind == GUARD_TOKEN)
        import__say(im, IMPORT_WARNING, spot_key(m),
                    "%.*s %.*s: scopes are not checked for Lambda authorizers; the function must",
                    SHORT(method->verb), SHORT(method->path));
    if (g->kind == GUARD_API_KEY) {
        import__use_guard(im, api, g, r, spot_key(m));
        q->api_key = true;
        return;
    }
    q->from_sam = q->from_sam || g->from_sam;
    if (q->guard && q->guard != g) {
        import__say(im, IMPORT_ERROR, spot_key(m),
                    "%.*s %.*s names two authorizers, %.*s and %.*s; a method has one",
                    SHORT(method->verb), SHORT(method->path), SHORT(q->guard->name),
                    SHORT(g->name));
        q->broken = true;
    }
    q->guard = g;
}

static void read_requirements(struct importer *im, struct import_api *api, const struct route *r,
                              const struct json *security, struct requirements *q)
{
    const struct json *list = import__array(im, security, "security");
    q->broken = security && !list;
    for (size_t i = 0; list && i < list->n; i++) {
        const struct json *one = import__object(im, list->items[i], "a security requirement");
        q->broken = q->broken || !one;
        if (one && one->n == 0) {
            import__say(im, IMPORT_ERROR, spot_of(one),
                        "an empty security requirement ({}) would make the method open; write "
                        "security: [] if it is public");
            q->broken = true;
        }
        for (size_t k = 0; one && k < one->n; k++)
            require_name(im, api, r, &one->members[k], q);
    }
}

/* SAM: the default comes to every method that names no authorizer of Auth, and not NONE. */
static void apply_default(struct importer *im, struct import_api *api, const struct route *r,
                          struct requirements *q, struct spot at)
{
    bool preflight = str_eqz(r->method->verb, "OPTIONS");
    if (api->default_guard.n == 0 || q->none || q->from_sam || (preflight && !api->guard_preflight))
        return;
    struct guard *g = import__find_guard(api, api->default_guard);
    if (!g) /* refused where Auth names it */
        return;
    if (q->guard && q->guard != g) {
        import__say(im, IMPORT_ERROR, at,
                    "%.*s %.*s has the authorizer %.*s, and SAM adds the DefaultAuthorizer %.*s; a "
                    "method has one",
                    SHORT(r->method->verb), SHORT(r->method->path), SHORT(q->guard->name),
                    SHORT(api->default_guard));
        q->broken = true;
    }
    q->guard = g;
}

/* x-amazon-apigateway-auth; true when it says that the method is open. */
static bool read_auth(struct importer *im, const struct json *operation)
{
    struct str type = STR("");
    const struct json *auth = import__object(im, json_get(operation, "x-amazon-apigateway-auth"),
                                             "x-amazon-apigateway-auth");
    if (!auth || !import__text(im, json_get(auth, "type"), "type", &type))
        return false;
    if (str_ieq(type, STR("NONE")))
        return true;
    import__say(im, IMPORT_ERROR, spot_of(json_get(auth, "type")),
                "x-amazon-apigateway-auth: type %.*s is not served yet", SHORT(type));
    return false;
}

bool import__read_security(struct importer *im, struct import_api *api, const struct route *r,
                           const struct json *operation, struct spot at, struct guard **out)
{
    struct requirements q = {0};
    const struct json *security = json_get(operation, "security");
    *out = NULL;
    read_requirements(im, api, r, security, &q);
    apply_default(im, api, r, &q, spot_or(security, at));
    bool open = read_auth(im, operation);
    if (open && q.guard)
        import__say(im, IMPORT_WARNING, spot_of(json_get(operation, "x-amazon-apigateway-auth")),
                    "%.*s %.*s: x-amazon-apigateway-auth says NONE, but the authorizer %.*s is "
                    "named too and applies",
                    SHORT(r->method->verb), SHORT(r->method->path), SHORT(q.guard->name));
    if (!security && !q.guard && !open)
        api->open_by_root++;
    *out = q.guard;
    return !q.broken && !q.api_key;
}

/* --- request validators -------------------------------------------------------------------------
 */

static void check_validator(struct importer *im, const struct import_api *api,
                            const struct json *named)
{
    struct str name;
    if (!import__text(im, named, VALIDATOR, &name))
        return;
    const struct json *all = json_get(api->doc, "x-amazon-apigateway-request-validators");
    const struct json *v = json_gets(all, name);
    if (!v)
        import__say(im, IMPORT_ERROR, spot_of(named), "there is no request validator \"%.*s\"",
                    SHORT(name));
    else if (import__flag(im, json_get(v, "validateRequestBody"), "validateRequestBody", false) ||
             import__flag(im, json_get(v, "validateRequestParameters"), "validateRequestParameters",
                          false))
        import__say(im, IMPORT_ERROR, spot_of(named),
                    "request validator \"%.*s\": requests are not validated yet", SHORT(name));
}

/* --- paths --------------------------------------------------------------------------------------
 */

static void read_operation(struct importer *im, struct import_api *api, struct str path,
                           const char *verb, const struct json_member *m)
{
    struct guard *guard;
    const struct json *operation = import__object(im, m->value, "an operation");
    if (!operation)
        return;
    struct route *r = import__add_route(im, api, path, verb, spot_key(m));
    if (!r)
        return;
    import__check_keys(im, operation, &operation_keys);
    (void)import__read_security(im, api, r, operation, spot_key(m), &guard);
    import__set_access(im, api, r, guard, json_get(operation, "operationId"));
    const struct json *validator = json_get(operation, VALIDATOR);
    check_validator(im, api, validator ? validator : json_get(api->doc, VALIDATOR));
    const struct json *given = json_get(operation, "x-amazon-apigateway-integration");
    r->method->integration = given ? import__integration(im, api, r, given) : NULL;
    if (given && !r->method->integration)
        r->method->integration = given; /* refused with words already */
}

static void read_path_member(struct importer *im, struct import_api *api, struct str path,
                             const struct json_member *m)
{
    static const char *const quiet[] = {"parameters", "summary", "description", "servers"};
    for (size_t i = 0; i < COUNTOF(quiet); i++)
        if (str_eqz(m->key, quiet[i]))
            return;
    bool any = str_eqz(m->key, ANY_METHOD);
    const char *verb = any ? "ANY" : import__verb(m->key);
    if (verb && (any || strcmp(verb, "ANY") != 0))
        read_operation(im, api, path, verb, m);
    else if (verb)
        import__say(im, IMPORT_ERROR, spot_key(m), "write %s for all methods", ANY_METHOD);
    else if (!str_starts(m->key, STR("x-")) || str_starts(m->key, STR("x-amazon-")))
        import__say(im, IMPORT_ERROR, spot_key(m),
                    "%.*s: \"%.*s\" is no method; Valid options are "
                    "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
                    SHORT(path), SHORT(m->key));
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
        read_path_member(im, api, path, &item->members[i]);
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

static void read_switches(struct importer *im, struct import_api *api, const struct json *doc)
{
    struct str text;
    const struct json *endpoint =
        import__object(im, json_get(doc, "x-amazon-apigateway-endpoint-configuration"),
                       "x-amazon-apigateway-endpoint-configuration");
    const struct json *off = json_get(endpoint, "disableExecuteApiEndpoint");
    if (import__flag(im, off, "disableExecuteApiEndpoint", false))
        import__say(
            im, IMPORT_ERROR, spot_of(off),
            "disableExecuteApiEndpoint: custom domains are not served yet, so nothing would "
            "be left; leave it out");
    const struct json *paths = json_get(doc, "x-ropeline-paths");
    if (!import__text(im, paths, "x-ropeline-paths", &text))
        return;
    api->api->allow_double_slash = str_eqz(text, "aws");
    if (!str_eqz(text, "aws") && !str_eqz(text, "strict"))
        import__say(im, IMPORT_ERROR, spot_of(paths), "x-ropeline-paths must be aws or strict");
}

/* REST imports ignore root-level security (docs/differences.md): say what that leaves open. */
static void warn_of_root_security(struct importer *im, const struct import_api *api,
                                  const struct json *doc)
{
    const struct json *root = json_get(doc, "security");
    if (!json_is(root, JSON_ARRAY) || root->n == 0)
        return;
    if (api->open_by_root > 0)
        import__say(
            im, IMPORT_WARNING, spot_of(root),
            "AWS ignores security at the root of a REST API's document: %zu method%s without "
            "security of their own ARE OPEN; give each its own security",
            api->open_by_root, api->open_by_root == 1 ? "" : "s");
    else
        import__say(
            im, IMPORT_NOTE, spot_of(root),
            "AWS ignores security at the root of a REST API's document; each method has its "
            "own");
}

void import__openapi(struct importer *im, struct import_api *api, const struct json *doc)
{
    api->doc = doc;
    import__check_keys(im, doc, &document_keys);
    check_version(im, doc);
    read_switches(im, api, doc);
    const struct json *components =
        import__object(im, unless_null(json_get(doc, "components")), "components");
    import__read_schemes(im, api, unless_null(json_get(doc, "securityDefinitions")));
    import__read_schemes(im, api, unless_null(json_get(components, "securitySchemes")));
    const struct json *paths = import__object(im, json_get(doc, "paths"), "paths");
    for (size_t i = 0; paths && i < paths->n; i++)
        read_path(im, api, &paths->members[i]);
    warn_of_root_security(im, api, doc);
}

/* What makes a bare document an HTTP API. */
static bool is_http_api(struct importer *im, const struct json *doc)
{
    const struct json *schemes = json_get(json_get(doc, "components"), "securitySchemes");
    const struct json *cors = json_get(doc, "x-amazon-apigateway-cors");
    if (cors) {
        import__say(im, IMPORT_ERROR, spot_of(cors),
                    "x-amazon-apigateway-cors makes this an HTTP API, which is not served yet");
        return true;
    }
    for (size_t i = 0; json_is(schemes, JSON_OBJECT) && i < schemes->n; i++) {
        const struct json *z =
            json_get(schemes->members[i].value, "x-amazon-apigateway-authorizer");
        struct str type = json_str_or(json_get(z, "type"), STR(""));
        struct str format;
        bool jwt = str_ieq(type, STR("jwt"));
        bool second = import__scalar(json_get(z, "authorizerPayloadFormatVersion"), &format) &&
                      str_starts(format, STR("2"));
        if (!jwt && !second)
            continue;
        import__say(im, IMPORT_ERROR, spot_of(z),
                    "%s makes this an HTTP API, which is not served yet",
                    jwt ? "a jwt authorizer" : "authorizerPayloadFormatVersion 2.0");
        return true;
    }
    return false;
}

void import__openapi_document(struct importer *im, const struct json *doc)
{
    doc = import__resolve(im, doc);
    if (is_http_api(im, doc))
        return;
    struct import_api *api = import__new_api(im, STR(""), spot_of(json_get(doc, "paths")));
    if (!api)
        return;
    struct model_api *m = api->api;
    m->name = json_str_or(json_get(json_get(doc, "info"), "title"), STR(""));
    m->stage = im->o->stage.n > 0 ? im->o->stage : STR("dev");
    m->id = import__api_id(im, m->name);
    if (!import__is_stage(m->stage))
        import__say(im, IMPORT_ERROR, spot_of(doc), "\"%.*s\" is no name of a stage",
                    SHORT(m->stage));
    import__openapi(im, api, doc);
    import__finish_api(im, api);
}
