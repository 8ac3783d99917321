/* SPDX-License-Identifier: Apache-2.0
 *
 * SAM's Cors: an OPTIONS method for every path that has none, answered by a MOCK integration.
 * Invariant: such a method is guarded exactly when SAM would guard it. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

static const struct key_row rows[] = {
    {"AllowCredentials", KEY_READ, NULL}, {"AllowHeaders", KEY_READ, NULL},
    {"AllowMethods", KEY_READ, NULL},     {"AllowOrigin", KEY_READ, NULL},
    {"MaxAge", KEY_READ, NULL},
};
static const struct key_table keys = {"Cors", rows, COUNTOF(rows), KEY_REFUSE};

/* One header of the answer: Cors' property and where it goes. */
static const struct {
    const char *property, *header;
} headers[] = {
    {"AllowOrigin", "method.response.header.Access-Control-Allow-Origin"},
    {"AllowHeaders", "method.response.header.Access-Control-Allow-Headers"},
    {"AllowMethods", "method.response.header.Access-Control-Allow-Methods"},
    {"MaxAge", "method.response.header.Access-Control-Max-Age"},
};

static bool is_quoted(struct str s)
{
    return s.n >= 2 && s.p[0] == '\'' && s.p[s.n - 1] == '\'';
}

static void put_header(struct importer *im, struct json *out, const char *property,
                       const char *header, const struct json *v)
{
    struct str text;
    if (!import__text(im, v, property, &text))
        return;
    if (!is_quoted(text)) {
        import__say(im, IMPORT_WARNING, spot_of(v),
                    "Invalid mapping expression specified: %.*s; AWS would refuse it: the value of "
                    "%s stands in single quotes inside the quotes: \"'...'\"",
                    SHORT(text), property);
        text = import__fmt(im, "'%.*s'", STR_ARG(text));
    }
    import__put(im, out, header, import__new_text(im, text, v));
}

/* What is the same for every path; AllowMethods may be missing. */
static struct json *common_headers(struct importer *im, const struct json *cors)
{
    struct json *out = import__new_object(im, cors);
    if (!json_is(cors, JSON_OBJECT) || import__is_intrinsic(cors)) {
        put_header(im, out, "Cors", headers[0].header, cors);
        return out;
    }
    import__check_keys(im, cors, &keys);
    for (size_t i = 0; i < COUNTOF(headers); i++)
        put_header(im, out, headers[i].property, headers[i].header,
                   json_get(cors, headers[i].property));
    const struct json *credentials = json_get(cors, "AllowCredentials");
    struct str origin = json_str_or(json_get(cors, "AllowOrigin"), STR("'*'"));
    if (!import__flag(im, credentials, "AllowCredentials", false))
        return out;
    if (str_eqz(origin, "'*'"))
        import__say(im, IMPORT_ERROR, spot_of(credentials),
                    "AllowCredentials does not go together with an AllowOrigin of '*', or none");
    import__put(im, out, "method.response.header.Access-Control-Allow-Credentials",
                import__new_text(im, STR("'true'"), credentials));
    return out;
}

/* The methods of one path, as SAM lists them. */
static struct str methods_of(struct importer *im, const struct import_api *api, struct str path)
{
    static const char *const sorted[] = {"DELETE", "GET",  "HEAD", "OPTIONS",
                                         "PATCH",  "POST", "PUT"};
    AUTO_BUF b = BUF_INIT(128);
    bool any = import__find_route(im, api, path, "ANY") != NULL;
    buf_addc(&b, '\'');
    for (size_t i = 0; i < COUNTOF(sorted); i++) {
        if (!any && strcmp(sorted[i], "OPTIONS") != 0 &&
            !import__find_route(im, api, path, sorted[i]))
            continue;
        if (b.n > 1)
            buf_addc(&b, ',');
        buf_addz(&b, sorted[i]);
    }
    buf_addc(&b, '\'');
    if (b.err != ERR_OK)
        import__fail(im, b.err);
    return import__fmt(im, "%s", buf_cstr(&b));
}

static const struct json *mock(struct importer *im, const struct json *common, struct str methods)
{
    static const char *const allow = "method.response.header.Access-Control-Allow-Methods";
    struct json *v = import__new_object(im, common), *templates = import__new_object(im, NULL);
    struct json *response = import__new_object(im, NULL), *all = import__new_object(im, NULL);
    struct json *parameters = import__new_object(im, NULL), *bodies = import__new_object(im, NULL);
    for (size_t i = 0; common && parameters && i < common->n; i++)
        if (json_set(im->a, parameters, common->members[i].key, common->members[i].value))
            import__no_memory(im);
    if (!json_get(parameters, allow))
        import__put(im, parameters, allow, import__new_text(im, methods, NULL));
    import__put(im, templates, "application/json",
                import__new_text(im, STR("{\"statusCode\": 200}"), NULL));
    import__put(im, bodies, "application/json", import__new_text(im, STR("{}\n"), NULL));
    import__put(im, response, "statusCode", import__new_text(im, STR("200"), NULL));
    import__put(im, response, "responseParameters", parameters);
    import__put(im, response, "responseTemplates", bodies);
    import__put(im, all, "default", response);
    import__put(im, v, "type", import__new_text(im, STR("MOCK"), NULL));
    import__put(im, v, "requestTemplates", templates);
    import__put(im, v, "integrationResponses", all);
    return v;
}

void import__cors(struct importer *im, struct import_api *api)
{
    struct guard *guard = NULL;
    struct spot at = spot_of(api->cors);
    if (!api->cors)
        return;
    const struct json *common = common_headers(im, api->cors);
    if (api->default_guard.n > 0 && api->guard_preflight) {
        guard = import__find_guard(api, api->default_guard);
        import__say(im, IMPORT_WARNING, at,
                    "the DefaultAuthorizer also guards preflights, and browsers send no token with "
                    "them; write AddDefaultAuthorizerToCorsPreflight: false in Auth");
    }
    for (const struct route *r = api->first_route; r; r = r->next) {
        struct str path = r->method->path;
        if (import__find_route(im, api, path, "OPTIONS"))
            continue;
        struct str methods = methods_of(im, api, path);
        struct route *options = import__add_route(im, api, path, "OPTIONS", at);
        if (!options)
            return;
        options->access =
            (struct access){.guard = guard, .api_key = api->key && api->key_preflight, .at = at};
        options->method->integration = mock(im, common, methods);
    }
}
