/* SPDX-License-Identifier: Apache-2.0
 *
 * What a document says for a whole REST API, however it is spelled: resource policy, gateway
 * responses, validators, schemas, binary media types. Invariant: what decides access is in the
 * model with every value known, or the document is refused. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

void import__add_member(struct importer *im, const struct json **object, struct str key,
                        const struct json *v)
{
    struct json *mine = json_new_object(im->a, *object ? (*object)->n + 1 : 4);
    enum err err = mine && v ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && *object && i < (*object)->n; i++)
        err = json_set(im->a, mine, (*object)->members[i].key, (*object)->members[i].value);
    if (err == ERR_OK)
        err = json_set(im->a, mine, key, v);
    if (err != ERR_OK) {
        import__no_memory(im);
        return;
    }
    if (*object) {
        mine->line = (*object)->line;
        mine->col = (*object)->col;
    }
    *object = mine;
}

/* False, reported, when something below `v` could not be resolved. */
static bool is_whole(struct importer *im, const struct json *v, const char *what)
{
    struct reason why;
    if (import__is_intrinsic(v)) {
        import__explain(im, v, &why);
        import__say(im, IMPORT_ERROR, spot_of(v), "%s: %s", what, why.text);
        return false;
    }
    bool whole = true;
    for (size_t i = 0; i < v->n; i++)
        if (v->type == JSON_ARRAY)
            whole = is_whole(im, v->items[i], what) && whole;
        else if (v->type == JSON_OBJECT)
            whole = is_whole(im, v->members[i].value, what) && whole;
    return whole;
}

/* --- the resource policy ------------------------------------------------------------------------
 */

void import__set_policy(struct importer *im, struct import_api *api, const struct json *v)
{
    static const char what[] = "the resource policy";
    const struct json *parsed = v;
    struct errinfo e = {0};
    if (!v || v->type == JSON_NULL)
        return;
    if (api->api->kind == API_HTTP) {
        import__say(im, IMPORT_ERROR, spot_of(v), "HTTP APIs have no resource policy");
        return;
    }
    if (v->type == JSON_STRING && json_parse(im->a, v->s, LIMIT_POLICY_BYTES, &parsed, &e)) {
        import__say(im, IMPORT_ERROR, spot_of(v), "%s is no JSON: %s", what, e.text);
        return;
    }
    if (api->api->policy) {
        import__say(im, IMPORT_ERROR, spot_of(v), "the API has two resource policies");
        return;
    }
    if (import__object(im, parsed, what) && is_whole(im, parsed, what))
        api->api->policy = parsed;
}

/* --- gateway responses --------------------------------------------------------------------------
 */

static const char *const response_types[] = {
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_PARAMETERS",
    "BAD_REQUEST_BODY",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
};

static const struct key_row response_rows[] = {
    {"statusCode", KEY_READ, NULL},
    {"responseParameters", KEY_READ, NULL},
    {"responseTemplates", KEY_READ, NULL},
};
static const struct key_table response_keys = {"a gateway response", response_rows,
                                               COUNTOF(response_rows), KEY_REFUSE};

static bool is_response_type(struct str type)
{
    for (size_t i = 0; i < COUNTOF(response_types); i++)
        if (str_eqz(type, response_types[i]))
            return true;
    return false;
}

/* An object of texts. */
static const struct json *texts(struct importer *im, const struct json *v, const char *what)
{
    struct str text;
    v = import__object(im, v, what);
    struct json *out = v ? import__new_object(im, v) : NULL;
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (!import__text(im, m->value, what, &text))
            continue;
        if (json_set(im->a, out, m->key, import__new_text(im, text, m->value)) != ERR_OK)
            import__no_memory(im);
    }
    return out;
}

void import__set_gateway_response(struct importer *im, struct import_api *api, struct str type,
                                  const struct json *v, struct spot at)
{
    int64_t status;
    if (api->api->kind == API_HTTP) {
        import__say(im, IMPORT_ERROR, at, "HTTP APIs have no gateway responses");
        return;
    }
    if (!is_response_type(type)) {
        import__say(im, IMPORT_ERROR, at, "there is no gateway response type \"%.*s\"",
                    SHORT(type));
        return;
    }
    v = import__object(im, v, "a gateway response");
    struct json *out = v ? import__new_object(im, v) : NULL;
    if (!out)
        return;
    import__check_keys(im, v, &response_keys);
    if (import__number(im, json_get(v, "statusCode"), "statusCode", 100, 599, &status))
        import__put(
            im, out, "statusCode",
            import__new_text(im, import__fmt(im, "%d", (int)status), json_get(v, "statusCode")));
    const struct json *parameters =
        texts(im, json_get(v, "responseParameters"), "responseParameters");
    const struct json *templates = texts(im, json_get(v, "responseTemplates"), "responseTemplates");
    if (parameters)
        import__put(im, out, "responseParameters", parameters);
    if (templates)
        import__put(im, out, "responseTemplates", templates);
    import__add_member(im, &api->api->gateway_responses, type, out);
}

static void read_gateway_responses(struct importer *im, struct import_api *api,
                                   const struct json *v)
{
    v = import__object(im, v, "x-amazon-apigateway-gateway-responses");
    for (size_t i = 0; v && i < v->n; i++)
        import__set_gateway_response(im, api, v->members[i].key, v->members[i].value,
                                     spot_key(&v->members[i]));
}

/* --- the rest -----------------------------------------------------------------------------------
 */

void import__set_binary_types(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str text;
    v = import__array(im, v, "binaryMediaTypes");
    struct json *list = v ? json_new_array(im->a, v->n) : NULL;
    for (size_t i = 0; list && i < v->n; i++) {
        if (!import__text(im, v->items[i], "a media type", &text))
            continue;
        size_t at = str_find(text, STR("~1")); /* SAM's way of writing image/png as a key */
        if (at != SIZE_MAX)
            text = import__fmt(im, "%.*s/%.*s", STR_ARG(str_sub(text, 0, at)),
                               STR_ARG(str_from(text, at + 2)));
        if (json_push(im->a, list, import__new_text(im, text, v->items[i])) != ERR_OK)
            import__no_memory(im);
    }
    if (list && list->n > 0)
        api->api->binary_media_types = list;
}

void import__set_key_source(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str text;
    if (!import__text(im, v, "the source of API keys", &text))
        return;
    if (str_ieq(text, STR("HEADER")) || str_ieq(text, STR("AUTHORIZER")))
        api->api->api_key_source = import__upper(im, text);
    else
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "API keys come from HEADER or AUTHORIZER, not \"%.*s\"", SHORT(text));
}

static void read_validators(struct importer *im, struct import_api *api, const struct json *v)
{
    static const char *const flags[] = {"validateRequestBody", "validateRequestParameters"};
    v = import__object(im, v, "x-amazon-apigateway-request-validators");
    for (size_t i = 0; v && i < v->n; i++) {
        const struct json *one = import__object(im, v->members[i].value, "a request validator");
        struct json *out = one ? import__new_object(im, one) : NULL;
        for (size_t k = 0; out && k < COUNTOF(flags); k++)
            import__put(
                im, out, flags[k],
                json_new_bool(im->a, import__flag(im, json_get(one, flags[k]), flags[k], false)));
        if (out)
            import__add_member(im, &api->api->request_validators, v->members[i].key, out);
    }
}

static void read_endpoint(struct importer *im, struct import_api *api, const struct json *doc)
{
    static const char what[] = "x-amazon-apigateway-endpoint-configuration";
    struct str text;
    const struct json *endpoint = import__object(im, json_get(doc, what), what);
    const struct json *off = json_get(endpoint, "disableExecuteApiEndpoint");
    api->api->disable_execute_api =
        import__flag(im, off, "disableExecuteApiEndpoint", api->api->disable_execute_api);
    const struct json *paths = json_get(doc, "x-ropeline-paths");
    if (!import__text(im, paths, "x-ropeline-paths", &text))
        return;
    api->api->allow_double_slash = str_eqz(text, "aws");
    if (!str_eqz(text, "aws") && !str_eqz(text, "strict"))
        import__say(im, IMPORT_ERROR, spot_of(paths), "x-ropeline-paths must be aws or strict");
}

static void read_schemas(struct importer *im, struct import_api *api, const struct json *doc)
{
    const struct json *v = json_get(doc, "definitions");
    if (!v)
        v = json_get(json_get(doc, "components"), "schemas");
    if (!v || v->type == JSON_NULL || v->n == 0)
        return;
    v = import__object(im, v, "the schemas");
    if (v && !api->api->models)
        api->api->models = v;
}

void import__openapi_settings(struct importer *im, struct import_api *api, const struct json *doc)
{
    const struct json *cors = json_get(doc, "x-amazon-apigateway-cors");
    read_endpoint(im, api, doc);
    import__set_policy(im, api, json_get(doc, "x-amazon-apigateway-policy"));
    read_gateway_responses(im, api, json_get(doc, "x-amazon-apigateway-gateway-responses"));
    if (cors && api->api->kind == API_REST)
        import__say(im, IMPORT_ERROR, spot_of(cors),
                    "x-amazon-apigateway-cors belongs to HTTP APIs");
    else if (cors)
        import__set_http_cors(im, api, cors);
    if (api->api->kind == API_HTTP)
        return;
    import__set_binary_types(im, api, json_get(doc, "x-amazon-apigateway-binary-media-types"));
    import__set_key_source(im, api, json_get(doc, "x-amazon-apigateway-api-key-source"));
    read_validators(im, api, json_get(doc, "x-amazon-apigateway-request-validators"));
    read_schemas(im, api, doc);
}
