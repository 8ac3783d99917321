/* SPDX-License-Identifier: Apache-2.0
 *
 * x-amazon-apigateway-integration of a REST API -> PutIntegration's object. Invariant: what comes
 * out is HTTP_PROXY, HTTP, AWS_PROXY or MOCK, with nothing in it that would be served differently
 * here than it reads. */
#include "import_api_int.h"
#include "mock_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define LABEL(r) SHORT((r)->method->verb), SHORT((r)->method->path)
#define NO_CACHE "the integration cache is not served yet; every request reaches the backend"

static const struct key_row rows[] = {
    {"type", KEY_READ, NULL},
    {"uri", KEY_READ, NULL},
    {"httpMethod", KEY_READ, NULL},
    {"credentials", KEY_NOTE, "roles are not assumed here; the integration is simply called"},
    {"requestParameters", KEY_READ, NULL},
    {"requestTemplates", KEY_READ, NULL},
    {"passthroughBehavior", KEY_READ, NULL},
    {"contentHandling", KEY_READ, NULL},
    {"timeoutInMillis", KEY_READ, NULL},
    {"connectionType", KEY_READ, NULL},
    {"connectionId", KEY_READ, NULL},
    {"responses", KEY_READ, NULL},
    {"cacheNamespace", KEY_NOTE, NO_CACHE},
    {"cacheKeyParameters", KEY_NOTE, NO_CACHE},
    {"payloadFormatVersion", KEY_READ, NULL},
    {"tlsConfig", KEY_READ, NULL},
};
static const struct key_table keys = {"x-amazon-apigateway-integration", rows, COUNTOF(rows),
                                      KEY_REFUSE};

enum kind { KIND_NONE, KIND_HTTP_PROXY, KIND_HTTP, KIND_AWS_PROXY, KIND_MOCK };
static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"HTTP_PROXY", KIND_HTTP_PROXY},
    {"AWS_PROXY", KIND_AWS_PROXY},
    {"MOCK", KIND_MOCK},
    {"HTTP", KIND_HTTP},
    {"AWS", KIND_NONE},
};

/* One integration being read. */
struct reading {
    struct importer *im;
    struct import_api *api;
    const struct route *route;
    const struct json *v;
    struct json *out;
    enum kind kind;
};

static const struct json *copy_text(struct reading *x, const char *key, bool upper)
{
    struct str text;
    const struct json *v = json_get(x->v, key);
    if (!import__text(x->im, v, key, &text))
        return NULL;
    const struct json *copy = import__new_text(x->im, upper ? import__upper(x->im, text) : text, v);
    import__put(x->im, x->out, key, copy);
    return copy;
}

static void read_kind(struct reading *x)
{
    const struct json *type = copy_text(x, "type", true);
    if (!type) {
        if (!json_get(x->v, "type"))
            import__say(x->im, IMPORT_ERROR, spot_of(x->v),
                        "%.*s %.*s: the integration has no type", LABEL(x->route));
        return;
    }
    for (size_t i = 0; i < COUNTOF(kinds); i++) {
        if (!str_eqz(type->s, kinds[i].name))
            continue;
        x->kind = kinds[i].kind;
        if (x->kind == KIND_NONE)
            import__say(x->im, IMPORT_ERROR, spot_of(type),
                        "%.*s %.*s: integrations of type %s call AWS's own services, which are not "
                        "here; write HTTP_PROXY, HTTP, AWS_PROXY or MOCK",
                        LABEL(x->route), kinds[i].name);
        return;
    }
    import__say(x->im, IMPORT_ERROR, spot_of(type), "there is no integration type \"%.*s\"",
                SHORT(type->s));
}

static void read_method(struct reading *x)
{
    const struct json *method = copy_text(x, "httpMethod", true);
    if (!method) {
        if (x->kind != KIND_MOCK && !json_get(x->v, "httpMethod"))
            import__say(x->im, IMPORT_ERROR, spot_of(x->v),
                        "%.*s %.*s: the integration has no httpMethod%s", LABEL(x->route),
                        x->kind == KIND_AWS_PROXY ? "; write POST" : "");
        return;
    }
    if (!import__verb(method->s))
        import__say(x->im, IMPORT_ERROR, spot_of(method), "\"%.*s\" is no HTTP method",
                    SHORT(method->s));
    else if (x->kind == KIND_AWS_PROXY && !str_eqz(method->s, "POST"))
        import__say(x->im, IMPORT_WARNING, spot_of(method),
                    "%.*s %.*s: httpMethod must be POST, whatever the client's method: Lambda is "
                    "invoked by POST, and every request is answered 500 with %.*s, as on AWS",
                    LABEL(x->route), SHORT(method->s));
}

static void read_function_uri(struct reading *x)
{
    const struct json *uri = json_get(x->v, "uri");
    struct str arn;
    struct declared *d =
        import__find_function(x->im, x->api, uri, true, "uri", spot_of(x->v), &arn);
    if (!d)
        return;
    if (!json_get(x->v, "credentials"))
        d->by_uri = true;
    import__put(x->im, x->out, "uri",
                import__new_text(x->im, import__invocation_uri(x->im, arn), uri));
}

static void read_http_uri(struct reading *x)
{
    struct str text, missing;
    const struct json *uri = copy_text(x, "uri", false);
    if (!uri)
        return;
    if (!import__stage_variables(x->im, x->api, uri->s, &text, &missing))
        import__say(x->im, IMPORT_ERROR, spot_of(uri),
                    "%.*s %.*s: the stage variable %.*s has no value", LABEL(x->route),
                    SHORT(missing));
    else if (!str_istarts(text, STR("http://")) && !str_istarts(text, STR("https://")))
        import__say(x->im, IMPORT_ERROR, spot_of(uri),
                    "%.*s %.*s: uri must begin with http:// or https://, not \"%.*s\"",
                    LABEL(x->route), SHORT(text));
}

static void read_uri(struct reading *x)
{
    if (x->kind == KIND_MOCK)
        return;
    if (!json_get(x->v, "uri"))
        import__say(x->im, IMPORT_ERROR, spot_of(x->v), "%.*s %.*s: the integration has no uri",
                    LABEL(x->route));
    else if (x->kind == KIND_AWS_PROXY)
        read_function_uri(x);
    else
        read_http_uri(x);
}

/* --- request parameters ----------------------------------------------------------------------- */

static bool has_prefix(struct str s, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_starts(s, str_c(prefixes[i])) && s.n > strlen(prefixes[i]))
            return true;
    return false;
}

static bool is_quoted(struct str s)
{
    return s.n >= 2 && s.p[0] == '\'' && s.p[s.n - 1] == '\'';
}

static bool check_mapping(struct reading *x, const struct json_member *m, struct str value)
{
    static const char *const targets[] = {"integration.request.header.",
                                          "integration.request.querystring.",
                                          "integration.request.path."};
    static const char *const sources[] = {"method.request.path.",
                                          "method.request.querystring.",
                                          "method.request.multivaluequerystring.",
                                          "method.request.header.",
                                          "method.request.multivalueheader.",
                                          "stageVariables.",
                                          "context."};
    if (!has_prefix(m->key, targets, COUNTOF(targets))) {
        import__say(x->im, IMPORT_ERROR, spot_key(m),
                    "%.*s %.*s: \"%.*s\" is nothing that can be mapped to; write "
                    "integration.request.header.NAME, .querystring.NAME or .path.NAME",
                    LABEL(x->route), SHORT(m->key));
        return false;
    }
    if (str_starts(value, STR("method.request.body"))) {
        if (x->kind == KIND_HTTP) /* which paths there are, gateway/jsonpath.c says */
            return true;
        import__say(x->im, IMPORT_ERROR, spot_or(m->value, spot_key(m)),
                    "%.*s %.*s: mapping from method.request.body is not served where the body "
                    "streams on; write type: http",
                    LABEL(x->route));
        return false;
    }
    if (is_quoted(value) || has_prefix(value, sources, COUNTOF(sources)))
        return true;
    import__say(x->im, IMPORT_ERROR, spot_or(m->value, spot_key(m)),
                "Invalid mapping expression specified: %.*s; plain text stands in single quotes",
                SHORT(value));
    return false;
}

static void read_parameters(struct reading *x)
{
    const struct json *given =
        import__object(x->im, json_get(x->v, "requestParameters"), "requestParameters");
    if (!given || given->n == 0)
        return;
    if (x->kind == KIND_MOCK || x->kind == KIND_AWS_PROXY)
        import__say(x->im, IMPORT_NOTE, spot_of(given),
                    "%.*s %.*s: requestParameters only change requests of HTTP and HTTP_PROXY "
                    "integrations",
                    LABEL(x->route));
    if (x->kind == KIND_MOCK)
        return;
    struct json *out = import__new_object(x->im, given);
    for (size_t i = 0; out && i < given->n; i++) {
        const struct json_member *m = &given->members[i];
        struct str value;
        if (!import__text(x->im, m->value, "a mapping", &value) || !check_mapping(x, m, value))
            continue;
        if (json_set(x->im->a, out, m->key, import__new_text(x->im, value, m->value)) != ERR_OK)
            import__no_memory(x->im);
    }
    import__put(x->im, x->out, "requestParameters", out);
}

/* --- MOCK ---------------------------------------------------------------------------------------
 */

#define JSON_TYPE "application/json"

/* One template for each content type of the request, with its own status. */
static void read_request_template(struct reading *x, const struct json_member *m, struct json *out)
{
    struct str text;
    if (!import__text(x->im, m->value, "a request template", &text))
        return;
    int status = import__mock_status(text);
    if (status < 0)
        import__say(x->im, IMPORT_ERROR, spot_or(m->value, spot_key(m)),
                    "%.*s %.*s: a MOCK template is served only as the literal {\"statusCode\": N}; "
                    "Velocity (VTL) is not served",
                    LABEL(x->route));
    text = import__fmt(x->im, "{\"statusCode\": %d}", status);
    if (out && json_set(x->im->a, out, m->key, import__new_text(x->im, text, m->value)) != ERR_OK)
        import__no_memory(x->im);
}

/* HTTP: the body that the backend gets instead of the client's. */
static void read_body_templates(struct reading *x, const struct json *given)
{
    struct json *out = given ? import__new_object(x->im, given) : NULL;
    for (size_t i = 0; out && i < given->n; i++) {
        const struct json_member *m = &given->members[i];
        struct str text;
        if (!import__text(x->im, m->value, "a request template", &text))
            continue;
        if (import__has_vtl(text))
            import__say(x->im, IMPORT_ERROR, spot_or(m->value, spot_key(m)),
                        "%.*s %.*s: the request template is Velocity (VTL), which is not served; "
                        "write type: http_proxy to pass the body on",
                        LABEL(x->route));
        if (json_set(x->im->a, out, m->key, import__new_text(x->im, text, m->value)) != ERR_OK)
            import__no_memory(x->im);
    }
    if (out && out->n > 0)
        import__put(x->im, x->out, "requestTemplates", out);
}

/* One literal for each content type. */
static void read_mock_templates(struct reading *x, const struct json *given)
{
    struct json *out = import__new_object(x->im, given);
    if (!given || given->n == 0)
        import__say(x->im, IMPORT_ERROR, spot_of(x->v),
                    "%.*s %.*s: a MOCK integration needs requestTemplates: {application/json: "
                    "'{\"statusCode\": 200}'}",
                    LABEL(x->route));
    for (size_t i = 0; given && i < given->n; i++)
        read_request_template(x, &given->members[i], out);
    import__put(x->im, x->out, "requestTemplates", out);
}

static void read_request_templates(struct reading *x)
{
    const struct json *given =
        import__object(x->im, json_get(x->v, "requestTemplates"), "requestTemplates");
    if (x->kind == KIND_MOCK)
        read_mock_templates(x, given);
    else if (x->kind == KIND_HTTP)
        read_body_templates(x, given);
    else if (given && given->n > 0)
        import__say(x->im, IMPORT_NOTE, spot_of(given),
                    "%.*s %.*s: a proxy integration ignores requestTemplates", LABEL(x->route));
}

/* A value of responseParameters, as it is served. Unquoted text is what AWS refuses; from a MOCK,
 * whose answer has no other source, it can only have been meant as itself. */
static struct str check_response_mapping(struct reading *x, const struct json_member *m,
                                         struct str text)
{
    static const char *const sources[] = {
        "stageVariables.", "context.", "integration.response.header.",
        "integration.response.multivalueheader.", "integration.response.body"};
    size_t served = x->kind == KIND_MOCK ? 2 : COUNTOF(sources); /* nobody answers a MOCK */
    struct spot at = spot_or(m->value, spot_key(m));
    if (!str_starts(m->key, STR("method.response.header.")))
        import__say(x->im, IMPORT_ERROR, spot_key(m),
                    "\"%.*s\" must be method.response.header.NAME", SHORT(m->key));
    if (is_quoted(text) || str_eqz(text, "integration.response.body") ||
        has_prefix(text, sources, served))
        return text;
    bool meant = x->kind == KIND_MOCK && !str_starts(text, STR("integration."));
    import__say(x->im, meant ? IMPORT_WARNING : IMPORT_ERROR, at,
                x->kind == KIND_MOCK
                    ? "Invalid mapping expression specified: %.*s; a MOCK integration sends plain "
                      "text in single quotes, stageVariables.NAME or context.NAME"
                    : "Invalid mapping expression specified: %.*s; plain text stands in single "
                      "quotes",
                SHORT(text));
    return import__fmt(x->im, "'%.*s'", STR_ARG(text));
}

static void check_response_template(struct reading *x, const struct json_member *m, struct str text)
{
    if (import__has_vtl(text))
        import__say(x->im, IMPORT_ERROR, spot_or(m->value, spot_key(m)),
                    "%.*s %.*s: the response template is Velocity (VTL), which is not served; "
                    "only plain text is",
                    LABEL(x->route));
}

/* responseParameters or responseTemplates. */
static void put_texts(struct reading *x, struct json *response, const struct json *from,
                      const char *what, bool header)
{
    const struct json *given = json_get(from, what);
    if (json_is(given, JSON_NULL) || !import__object(x->im, given, what))
        return;
    struct json *out = import__new_object(x->im, given);
    for (size_t i = 0; out && i < given->n; i++) {
        const struct json_member *m = &given->members[i];
        struct str text;
        if (json_is(m->value, JSON_NULL) || !import__text(x->im, m->value, what, &text))
            continue;
        if (header)
            text = check_response_mapping(x, m, text);
        else
            check_response_template(x, m, text);
        if (json_set(x->im->a, out, m->key, import__new_text(x->im, text, m->value)) != ERR_OK)
            import__no_memory(x->im);
    }
    if (out && out->n > 0)
        import__put(x->im, response, what, out);
}

/* Proxies pass bodies as they are, on AWS too. */
static void copy_handling(struct reading *x, const struct json *from, struct json *to)
{
    struct str text;
    const struct json *v = json_get(from, "contentHandling");
    if (x->kind != KIND_HTTP || json_is(v, JSON_NULL) ||
        !import__text(x->im, v, "contentHandling", &text))
        return;
    if (str_ieq(text, STR("CONVERT_TO_TEXT")) || str_ieq(text, STR("CONVERT_TO_BINARY")))
        import__put(x->im, to, "contentHandling",
                    import__new_text(x->im, import__upper(x->im, text), v));
    else
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "contentHandling must be CONVERT_TO_TEXT or CONVERT_TO_BINARY");
}

static void read_response(struct reading *x, const struct json_member *m, struct json *all)
{
    static const struct key_row response_rows[] = {
        {"statusCode", KEY_READ, NULL},        {"responseParameters", KEY_READ, NULL},
        {"responseTemplates", KEY_READ, NULL}, {"selectionPattern", KEY_READ, NULL},
        {"contentHandling", KEY_READ, NULL},
    };
    static const struct key_table response_keys = {"an integration response", response_rows,
                                                   COUNTOF(response_rows), KEY_REFUSE};
    const struct json *given = import__object(x->im, m->value, "an integration response");
    struct json *out = import__new_object(x->im, m->value);
    int64_t status = 0;
    if (!given || !out)
        return;
    import__check_keys(x->im, given, &response_keys);
    if (!import__number(x->im, json_get(given, "statusCode"), "statusCode", 100, 599, &status)) {
        if (!json_get(given, "statusCode"))
            import__say(x->im, IMPORT_ERROR, spot_key(m),
                        "an integration response needs a "
                        "statusCode");
        return;
    }
    import__put(x->im, out, "statusCode",
                import__new_text(x->im, import__fmt(x->im, "%d", (int)status), m->value));
    copy_handling(x, given, out);
    put_texts(x, out, given, "responseParameters", true);
    put_texts(x, out, given, "responseTemplates", false);
    if (json_set(x->im->a, all, m->key, out) != ERR_OK)
        import__no_memory(x->im);
}

static void read_responses(struct reading *x)
{
    const struct json *given = import__object(x->im, json_get(x->v, "responses"), "responses");
    if (!given || given->n == 0)
        return;
    if (x->kind != KIND_MOCK && x->kind != KIND_HTTP) {
        import__say(x->im, IMPORT_NOTE, spot_of(given),
                    "%.*s %.*s: a proxy integration ignores responses", LABEL(x->route));
        return;
    }
    struct json *all = import__new_object(x->im, given);
    for (size_t i = 0; all && i < given->n; i++)
        read_response(x, &given->members[i], all);
    import__put(x->im, x->out, "integrationResponses", all);
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static void read_passthrough(struct reading *x)
{
    static const char *const known[] = {"WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"};
    const struct json *v = copy_text(x, "passthroughBehavior", true);
    for (size_t i = 0; v && i < COUNTOF(known); i++)
        if (str_eqz(v->s, known[i]))
            return;
    if (v)
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "passthroughBehavior must be WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER");
}

static void read_connection(struct reading *x)
{
    const struct json *v = copy_text(x, "connectionType", true);
    if (v && !str_eqz(v->s, "INTERNET"))
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "%.*s %.*s: connectionType %.*s: there is no VPC here; write the backend's "
                    "address as uri and leave connectionType out",
                    LABEL(x->route), SHORT(v->s));
}

static void read_timeout(struct reading *x)
{
    const struct json *v = json_get(x->v, "timeoutInMillis");
    int64_t ms;
    if (import__number(x->im, v, "timeoutInMillis", 50, TIMEOUT_INTEGRATION_MS, &ms))
        import__put(x->im, x->out, "timeoutInMillis", json_new_int(x->im->a, ms));
}

void import__tls_config(struct importer *im, const struct route *r, const struct json *v,
                        struct json *out)
{
    if (v == NULL)
        return;
    for (size_t i = 0; v->type == JSON_OBJECT && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (!str_eqz(m->key, "insecureSkipVerification"))
            import__say(im, IMPORT_ERROR, spot_of(m->value),
                        "%.*s %.*s: tlsConfig: %.*s is not served", LABEL(r), SHORT(m->key));
        else if (!json_is_bool(m->value))
            import__say(im, IMPORT_ERROR, spot_of(m->value),
                        "insecureSkipVerification is true or false");
        else if (m->value->type == JSON_TRUE)
            import__say(im, IMPORT_WARNING, spot_of(m->value),
                        "%.*s %.*s: the backend's certificate is NOT verified: whoever is between "
                        "can read and change everything; set SSL_CERT_FILE to a private CA instead",
                        LABEL(r));
    }
    if (v->type != JSON_OBJECT)
        import__say(im, IMPORT_ERROR, spot_of(v), "tlsConfig is an object");
    else
        import__put(im, out, "tlsConfig", v);
}

static void read_payload_format(struct reading *x)
{
    struct str text;
    const struct json *v = json_get(x->v, "payloadFormatVersion");
    if (import__text(x->im, v, "payloadFormatVersion", &text) && !str_eqz(text, "1.0") &&
        !str_eqz(text, "1"))
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "payloadFormatVersion %.*s belongs to HTTP APIs", SHORT(text));
}

const struct json *import__integration(struct importer *im, struct import_api *api,
                                       const struct route *r, const struct json *v)
{
    v = import__object(im, import__follow(im, api->doc, v), "x-amazon-apigateway-integration");
    if (!v)
        return NULL;
    struct reading x = {.im = im, .api = api, .route = r, .v = v};
    x.out = import__new_object(im, v);
    import__check_keys(im, v, &keys);
    read_kind(&x);
    if (x.kind == KIND_NONE)
        return NULL;
    read_method(&x);
    read_uri(&x);
    read_parameters(&x);
    read_request_templates(&x);
    read_responses(&x);
    read_passthrough(&x);
    copy_handling(&x, v, x.out);
    read_connection(&x);
    read_timeout(&x);
    import__tls_config(im, r, json_get(v, "tlsConfig"), x.out);
    read_payload_format(&x);
    return x.out;
}
