/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operation says of its requests and answers, as PutMethod takes it: requestParameters,
 * requestModels, methodResponses. Invariant: what a request validator of the operation would look
 * at is there, or the document is refused. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

/* "method.request.header.X": whether it must be there. */
static void read_parameter(struct importer *im, struct import_api *api, const struct json *v,
                           struct json *out, const struct json **body)
{
    struct str name, in;
    v = import__follow(im, api->doc, v);
    if (!json_is(v, JSON_OBJECT) || !json_str(json_get(v, "in"), &in))
        return;
    if (str_eqz(in, "body")) {
        *body = v;
        return;
    }
    const char *where = str_eqz(in, "header")  ? "header"
                        : str_eqz(in, "query") ? "querystring"
                        : str_eqz(in, "path")  ? "path"
                                               : NULL;
    if (!where || !json_str(json_get(v, "name"), &name) || name.n == 0)
        return;
    bool required = import__flag(im, json_get(v, "required"), "required", false);
    struct str key = import__fmt(im, "method.request.%s.%.*s", where, STR_ARG(name));
    if (json_set(im->a, out, key, json_new_bool(im->a, required)) != ERR_OK)
        import__no_memory(im);
}

/* The model that a schema is: its name when it is a $ref, else one that it gets here. */
static struct str model_of(struct importer *im, struct import_api *api, const struct route *r,
                           const struct json *schema)
{
    struct str target;
    if (json_str(json_get(schema, "$ref"), &target)) {
        size_t slash = str_rchr(target, '/');
        return str_from(target, slash == SIZE_MAX ? 0 : slash + 1);
    }
    struct str name = import__fmt(
        im, "MODEL%.*s",
        STR_ARG(import__api_id(
            im, import__fmt(im, "%.*s %.*s", STR_ARG(r->method->verb), STR_ARG(r->method->path)))));
    import__add_member(im, &api->api->models, name, schema);
    return name;
}

static void read_body(struct importer *im, struct import_api *api, struct route *r,
                      const struct json *body, const struct json *content)
{
    struct json *out = import__new_object(im, content ? content : body);
    const struct json *schema = json_get(body, "schema");
    if (body && schema && out)
        import__put(im, out, "application/json",
                    import__new_text(im, model_of(im, api, r, schema), schema));
    for (size_t i = 0; json_is(content, JSON_OBJECT) && out && i < content->n; i++) {
        const struct json_member *m = &content->members[i];
        schema = json_get(m->value, "schema");
        if (schema && json_set(im->a, out, m->key,
                               import__new_text(im, model_of(im, api, r, schema), schema)))
            import__no_memory(im);
    }
    if (out && out->n > 0)
        r->models = out;
}

/* {status: {"responseParameters": {"method.response.header.X": false}}} */
static void read_responses(struct importer *im, struct import_api *api, struct route *r,
                           const struct json *responses)
{
    struct json *out = NULL;
    for (size_t i = 0; json_is(responses, JSON_OBJECT) && i < responses->n; i++) {
        const struct json_member *m = &responses->members[i];
        bool elsewhere = !str_starts(json_str_or(json_get(m->value, "$ref"), STR("#/")), STR("#/"));
        const struct json *one = elsewhere ? NULL : import__follow(im, api->doc, m->value);
        const struct json *headers = json_get(one, "headers");
        if (!json_is(headers, JSON_OBJECT) || headers->n == 0 || str_starts(m->key, STR("x-")))
            continue;
        struct json *response = import__new_object(im, one);
        struct json *parameters = import__new_object(im, headers);
        for (size_t k = 0; parameters && k < headers->n; k++) {
            struct str key =
                import__fmt(im, "method.response.header.%.*s", STR_ARG(headers->members[k].key));
            if (json_set(im->a, parameters, key, json_new_bool(im->a, false)) != ERR_OK)
                import__no_memory(im);
        }
        import__put(im, response, "responseParameters", parameters);
        if (!out)
            out = import__new_object(im, responses);
        if (response && out && json_set(im->a, out, m->key, response) != ERR_OK)
            import__no_memory(im);
    }
    r->responses = out;
}

/* Only where a validator looks at them: a schema that nobody checks against need not be one that
 * can be checked. */
static bool validates(struct importer *im, const struct import_api *api, const struct route *r,
                      const char *flag)
{
    struct str name;
    if (!r->validator || !import__text(im, r->validator, "a request validator", &name))
        return false;
    return json_bool_or(json_get(json_gets(api->api->request_validators, name), flag), false);
}

static void check_validator(struct importer *im, const struct import_api *api, struct route *r)
{
    struct str name;
    if (!r->validator || !import__text(im, r->validator, "a request validator", &name))
        return;
    if (!json_gets(api->api->request_validators, name))
        import__say(im, IMPORT_ERROR, spot_of(r->validator),
                    "there is no request validator \"%.*s\"", SHORT(name));
}

void import__openapi_parameters(struct importer *im, struct import_api *api, struct route *r,
                                const struct json *item, const struct json *operation)
{
    const struct json *lists[] = {json_get(item, "parameters"), json_get(operation, "parameters")};
    const struct json *request = json_get(operation, "requestBody"), *body = NULL;
    check_validator(im, api, r);
    bool parameters = validates(im, api, r, "validateRequestParameters");
    bool bodies = validates(im, api, r, "validateRequestBody");
    struct json *out = parameters || bodies ? import__new_object(im, operation) : NULL;
    for (size_t k = 0; out && k < COUNTOF(lists); k++)
        for (size_t i = 0; json_is(lists[k], JSON_ARRAY) && i < lists[k]->n; i++)
            read_parameter(im, api, lists[k]->items[i], out, &body);
    if (out && out->n > 0 && parameters)
        r->parameters = out;
    if (bodies)
        read_body(im, api, r, body,
                  json_get(request ? import__follow(im, api->doc, request) : NULL, "content"));
    read_responses(im, api, r, json_get(operation, "responses"));
}
