/* SPDX-License-Identifier: Apache-2.0
 *
 * x-amazon-apigateway-integration of an HTTP API -> CreateIntegration's object. Invariant: what
 * comes out is HTTP_PROXY or AWS_PROXY to a Lambda function; AWS's own services are refused by
 * name. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define LABEL(r) SHORT((r)->method->verb), SHORT((r)->method->path)

static const struct key_row rows[] = {
    {"type", KEY_READ, NULL},
    {"uri", KEY_READ, NULL},
    {"httpMethod", KEY_READ, NULL},
    {"credentials", KEY_NOTE, "roles are not assumed here; the integration is simply called"},
    {"requestParameters", KEY_READ, NULL},
    {"responseParameters", KEY_READ, NULL},
    {"timeoutInMillis", KEY_READ, NULL},
    {"connectionType", KEY_READ, NULL},
    {"connectionId", KEY_READ, NULL},
    {"payloadFormatVersion", KEY_READ, NULL},
    {"description", KEY_SILENT, NULL},
    {"integrationSubtype", KEY_REFUSE, "AWS's own services are not here"},
    {"tlsConfig", KEY_READ, NULL},
    {"passthroughBehavior", KEY_NOTE, "has no effect for HTTP APIs"},
    {"contentHandling", KEY_NOTE, "has no effect for HTTP APIs"},
    {"responses", KEY_NOTE, "has no effect for HTTP APIs"},
    {"requestTemplates", KEY_NOTE, "has no effect for HTTP APIs"},
    {"cacheNamespace", KEY_NOTE, "has no effect for HTTP APIs"},
    {"cacheKeyParameters", KEY_NOTE, "has no effect for HTTP APIs"},
};
static const struct key_table keys = {"x-amazon-apigateway-integration", rows, COUNTOF(rows),
                                      KEY_REFUSE};

/* One integration being read. */
struct reading {
    struct importer *im;
    struct import_api *api;
    const struct route *route;
    const struct json *v;
    struct json *out;
    bool lambda;
};

static bool read_type(struct reading *x)
{
    struct str type;
    const struct json *v = json_get(x->v, "type");
    if (!v)
        import__say(x->im, IMPORT_ERROR, spot_of(x->v), "%.*s %.*s: the integration has no type",
                    LABEL(x->route));
    if (!import__text(x->im, v, "type", &type))
        return false;
    type = import__upper(x->im, type);
    x->lambda = str_eqz(type, "AWS_PROXY");
    if (!x->lambda && !str_eqz(type, "HTTP_PROXY")) {
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "%.*s %.*s: HTTP APIs have integrations of type HTTP_PROXY and AWS_PROXY, not "
                    "\"%.*s\"",
                    LABEL(x->route), SHORT(type));
        return false;
    }
    import__put(x->im, x->out, "type", import__new_text(x->im, type, v));
    return true;
}

static void read_method(struct reading *x)
{
    struct str text;
    const struct json *v = json_get(x->v, "httpMethod");
    if (x->lambda) { /* whatever is written: Lambda is invoked by POST */
        import__put(x->im, x->out, "httpMethod", import__new_text(x->im, STR("POST"), v));
        return;
    }
    if (!v)
        import__say(x->im, IMPORT_ERROR, spot_of(x->v),
                    "%.*s %.*s: the integration has no httpMethod", LABEL(x->route));
    if (!import__text(x->im, v, "httpMethod", &text))
        return;
    const char *verb = import__verb(text);
    if (!verb)
        import__say(x->im, IMPORT_ERROR, spot_of(v), "\"%.*s\" is no HTTP method", SHORT(text));
    else
        import__put(x->im, x->out, "httpMethod", import__new_text(x->im, str_c(verb), v));
}

static void read_function(struct reading *x, const struct json *uri)
{
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

static void read_backend(struct reading *x, const struct json *uri)
{
    struct str text, whole, missing;
    if (!import__text(x->im, uri, "uri", &text))
        return;
    import__put(x->im, x->out, "uri", import__new_text(x->im, text, uri));
    if (!import__stage_variables(x->im, x->api, text, &whole, &missing))
        import__say(x->im, IMPORT_ERROR, spot_of(uri),
                    "%.*s %.*s: the stage variable %.*s has no value", LABEL(x->route),
                    SHORT(missing));
    else if (!str_istarts(whole, STR("http://")) && !str_istarts(whole, STR("https://")))
        import__say(x->im, IMPORT_ERROR, spot_of(uri),
                    "%.*s %.*s: uri must begin with http:// or https://, not \"%.*s\"",
                    LABEL(x->route), SHORT(whole));
}

static void read_uri(struct reading *x)
{
    const struct json *uri = json_get(x->v, "uri");
    if (!uri)
        import__say(x->im, IMPORT_ERROR, spot_of(x->v), "%.*s %.*s: the integration has no uri",
                    LABEL(x->route));
    else if (x->lambda)
        read_function(x, uri);
    else
        read_backend(x, uri);
}

static void read_payload_format(struct reading *x)
{
    struct str text = STR("1.0");
    const struct json *v = json_get(x->v, "payloadFormatVersion");
    if (v && !import__text(x->im, v, "payloadFormatVersion", &text))
        return;
    bool second = str_eqz(text, "2.0") || str_eqz(text, "2");
    if (!second && !str_eqz(text, "1.0") && !str_eqz(text, "1"))
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "payloadFormatVersion must be 1.0 or 2.0, not \"%.*s\"", SHORT(text));
    if (second && !x->lambda)
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "%.*s %.*s: payloadFormatVersion 2.0 is for Lambda functions only",
                    LABEL(x->route));
    import__put(x->im, x->out, "payloadFormatVersion",
                import__new_text(x->im, second ? STR("2.0") : STR("1.0"), v));
}

static const struct json *texts(struct reading *x, const struct json *v, const char *what)
{
    struct str text;
    v = import__object(x->im, v, what);
    struct json *out = v ? import__new_object(x->im, v) : NULL;
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (import__text(x->im, m->value, what, &text) &&
            json_set(x->im->a, out, m->key, import__new_text(x->im, text, m->value)) != ERR_OK)
            import__no_memory(x->im);
    }
    return out;
}

static void read_mappings(struct reading *x)
{
    const struct json *request = texts(x, json_get(x->v, "requestParameters"), "requestParameters");
    const struct json *v =
        import__object(x->im, json_get(x->v, "responseParameters"), "responseParameters");
    struct json *out = v ? import__new_object(x->im, v) : NULL;
    if (request && request->n > 0)
        import__put(x->im, x->out, "requestParameters", request);
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json *one = texts(x, v->members[i].value, "responseParameters");
        if (one && json_set(x->im->a, out, v->members[i].key, one) != ERR_OK)
            import__no_memory(x->im);
    }
    if (out && out->n > 0)
        import__put(x->im, x->out, "responseParameters", out);
}

const struct json *import__http_integration(struct importer *im, struct import_api *api,
                                            const struct route *r, const struct json *v)
{
    struct str text;
    int64_t ms;
    v = import__object(im, import__follow(im, api->doc, v), "x-amazon-apigateway-integration");
    if (!v)
        return NULL;
    struct reading x = {.im = im, .api = api, .route = r, .v = v};
    x.out = import__new_object(im, v);
    import__check_keys(im, v, &keys);
    if (!read_type(&x))
        return NULL;
    read_method(&x);
    read_uri(&x);
    read_payload_format(&x);
    read_mappings(&x);
    import__tls_config(im, r, json_get(v, "tlsConfig"), x.out);
    const struct json *connection = json_get(v, "connectionType");
    if (import__text(im, connection, "connectionType", &text) && !str_ieq(text, STR("INTERNET")))
        import__say(im, IMPORT_ERROR, spot_of(connection),
                    "%.*s %.*s: connectionType %.*s: there is no VPC here; write the backend's "
                    "address as uri and leave connectionType out",
                    LABEL(r), SHORT(text));
    if (import__number(im, json_get(v, "timeoutInMillis"), "timeoutInMillis", 50,
                       TIMEOUT_HTTP_API_INTEGRATION_MS, &ms))
        import__put(im, x.out, "timeoutInMillis", json_new_int(im->a, ms));
    return x.out;
}
