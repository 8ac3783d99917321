/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of Type Api and HttpApi: each is a method that invokes its function. Invariant: a method
 * is guarded as SAM would guard it, and an Auth that SAM would silently leave aside is refused. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define LABEL(e) (e)->verb, SHORT((e)->path)

static const struct key_row event_rows[] = {
    {"Auth", KEY_READ, NULL},
    {"Method", KEY_READ, NULL},
    {"Path", KEY_READ, NULL},
    {"RequestModel", KEY_READ, NULL},
    {"RequestParameters", KEY_READ, NULL},
    {"ResponseTransferMode", KEY_READ, NULL},
    {"RestApiId", KEY_READ, NULL},
    {"TimeoutInMillis", KEY_READ, NULL},
};
static const struct key_row http_event_rows[] = {
    {"ApiId", KEY_READ, NULL},
    {"Auth", KEY_READ, NULL},
    {"Method", KEY_READ, NULL},
    {"Path", KEY_READ, NULL},
    {"PayloadFormatVersion", KEY_READ, NULL},
    {"RouteSettings", KEY_READ, NULL},
    {"TimeoutInMillis", KEY_READ, NULL},
};
static const struct key_table event_keys = {"an Api event", event_rows, COUNTOF(event_rows),
                                            KEY_REFUSE};
static const struct key_table http_event_keys = {"an HttpApi event", http_event_rows,
                                                 COUNTOF(http_event_rows), KEY_REFUSE};

static const struct key_row auth_rows[] = {
    {"ApiKeyRequired", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_READ, NULL},
    {"Authorizer", KEY_READ, NULL},
    {"InvokeRole", KEY_NOTE, "roles are not assumed here; the function is simply called"},
    {"OverrideApiAuth", KEY_READ, NULL},
    {"ResourcePolicy", KEY_READ, NULL},
    {"x-ropeline-roles", KEY_READ, NULL},
};
static const struct key_row http_auth_rows[] = {
    {"AuthorizationScopes", KEY_READ, NULL},
    {"Authorizer", KEY_READ, NULL},
    {"x-ropeline-roles", KEY_READ, NULL},
};
static const struct key_table auth_keys = {"Auth", auth_rows, COUNTOF(auth_rows), KEY_REFUSE};
static const struct key_table http_auth_keys = {"Auth", http_auth_rows, COUNTOF(http_auth_rows),
                                                KEY_REFUSE};

/* One event being read. */
struct event {
    struct importer *im;
    const struct json_member *m;
    const struct json *properties, *auth;
    struct import_api *api;
    struct str path;
    const char *verb;
    struct access access;
    bool http, says; /* it names its authorizer itself */
};

/* --- which API ----------------------------------------------------------------------------------
 */

struct symbol *import__api_named(const struct importer *im, struct str id)
{
    struct symbol *named = import__symbol(im, id);
    if (named && named->kind == SYMBOL_API)
        return named;
    for (struct symbol *s = im->api_symbols; s; s = s->next_api)
        if (s->api && str_eq(s->api->api->id, id))
            return s;
    return NULL;
}

static bool find_api(struct event *e, const struct json *written)
{
    struct importer *im = e->im;
    struct str text = e->http ? STR("ServerlessHttpApi") : STR("ServerlessRestApi");
    enum api_kind kind = e->http ? API_HTTP : API_REST;
    const struct json *ref = json_get(written, "Ref");
    if (json_is(ref, JSON_STRING))
        text = ref->s;
    else if (written && !import__text(im, import__resolve(im, written),
                                      e->http ? "ApiId" : "RestApiId", &text))
        return false;
    struct symbol *s = import__symbol(im, text);
    if (s && s->kind == SYMBOL_PARAMETER && json_str(s->value, &text))
        s = NULL;
    if (!s)
        s = import__api_named(im, text);
    if (!s || s->kind != SYMBOL_API || s->api_kind != kind ||
        !str_starts(s->type, STR("AWS::Serverless::"))) {
        import__say(im, IMPORT_ERROR, spot_or(written, spot_key(e->m)),
                    "%s must be the Ref of an AWS::Serverless::%s of this template, not "
                    "\"%.*s\"",
                    e->http ? "ApiId" : "RestApiId", e->http ? "HttpApi" : "Api", SHORT(text));
        return false;
    }
    if (!s->api && e->http)
        import__serverless_http_api(im, s);
    else if (!s->api)
        import__serverless_api(im, s);
    e->api = s->api;
    return e->api != NULL;
}

/* --- who may call -------------------------------------------------------------------------------
 */

static bool named_guard(struct event *e, const struct json *v)
{
    struct importer *im = e->im;
    struct str name;
    if (!import__text(im, v, "Authorizer", &name))
        return false;
    struct guard *g = import__find_guard(e->api, name);
    if (!g && str_eqz(name, "NONE")) {
        if (e->api->default_guard.n > 0)
            return true;
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "%s %.*s: Authorizer NONE is only valid when the API has a DefaultAuthorizer",
                    LABEL(e));
        return false;
    }
    e->access.guard = g;
    e->access.at = spot_of(v);
    if (!g)
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "%s %.*s: the authorizer \"%.*s\" is not defined in the Auth of its API%s",
                    LABEL(e), SHORT(name),
                    str_eqz(name, "AWS_IAM") ? ", and EnableIamAuthorizer is not true" : "");
    return g != NULL;
}

static void read_key(struct event *e)
{
    const struct json *v = json_get(e->auth, "ApiKeyRequired");
    bool preflight = strcmp(e->verb, "OPTIONS") == 0;
    e->access.api_key = e->api->key && !(preflight && !e->api->key_preflight);
    if (!v)
        return;
    e->access.api_key = import__flag(e->im, v, "ApiKeyRequired", e->access.api_key);
    if (!e->access.api_key && !e->api->key)
        import__say(e->im, IMPORT_ERROR, spot_of(v),
                    "%s %.*s: ApiKeyRequired: false is only valid when the API has ApiKeyRequired",
                    LABEL(e));
}

static bool read_access(struct event *e)
{
    struct importer *im = e->im;
    const struct json *named = json_get(e->auth, "Authorizer");
    bool preflight = strcmp(e->verb, "OPTIONS") == 0, sound = true;
    e->access.at = spot_key(e->m);
    e->says = named != NULL;
    if (named)
        sound = named_guard(e, named);
    else if (e->api->default_guard.n > 0 && !(preflight && !e->api->guard_preflight))
        e->access.guard = import__find_guard(e->api, e->api->default_guard);
    read_key(e);
    const struct json *scopes =
        import__array(im, json_get(e->auth, "AuthorizationScopes"), "AuthorizationScopes");
    e->access.scopes = scopes;
    e->access.roles = json_get(e->auth, "x-ropeline-roles");
    if (scopes && scopes->n > 0 && !e->access.guard && sound)
        import__say(im, IMPORT_ERROR, spot_of(scopes),
                    "%s %.*s: AuthorizationScopes without an Authorizer guard nothing", LABEL(e));
    return sound;
}

/* --- what it asks of the gateway ----------------------------------------------------------------
 */

/* SAM names the validator after what it checks. */
static void read_validator(struct event *e, struct route *r, const struct json *model)
{
    struct importer *im = e->im;
    bool body = import__flag(im, json_get(model, "ValidateBody"), "ValidateBody", false);
    bool parameters =
        import__flag(im, json_get(model, "ValidateParameters"), "ValidateParameters", false);
    const char *name = body && parameters ? "body-and-params"
                       : body             ? "body-only"
                       : parameters       ? "params-only"
                                          : NULL;
    struct json *v = name ? import__new_object(im, model) : NULL;
    if (!v)
        return;
    import__put(im, v, "validateRequestBody", json_new_bool(im->a, body));
    import__put(im, v, "validateRequestParameters", json_new_bool(im->a, parameters));
    if (!json_get(e->api->api->request_validators, name))
        import__add_member(im, &e->api->api->request_validators, str_c(name), v);
    r->validator = import__new_text(im, str_c(name), model);
}

static void read_model(struct event *e, struct route *r)
{
    struct importer *im = e->im;
    const struct json *model =
        import__object(im, json_get(e->properties, "RequestModel"), "RequestModel");
    struct str name;
    if (!model || !import__text(im, json_get(model, "Model"), "Model", &name))
        return;
    if (!json_gets(e->api->api->models, name))
        import__say(im, IMPORT_ERROR, spot_of(model),
                    "%s %.*s: the API has no model \"%.*s\" in its Models", LABEL(e), SHORT(name));
    struct json *models = import__new_object(im, model);
    import__put(im, models, "application/json",
                import__new_text(im, name, json_get(model, "Model")));
    r->models = models;
    read_validator(e, r, model);
}

/* RequestParameters: a list of names, or of {name: {Required: bool, Caching: bool}}. */
static void read_parameters(struct event *e, struct route *r)
{
    struct importer *im = e->im;
    const struct json *v =
        import__array(im, json_get(e->properties, "RequestParameters"), "RequestParameters");
    struct json *out = v ? import__new_object(im, v) : NULL;
    for (size_t i = 0; out && i < v->n; i++) {
        const struct json *one = v->items[i], *settings = NULL;
        struct str name = json_str_or(one, STR(""));
        if (json_is(one, JSON_OBJECT) && one->n == 1 && !import__is_intrinsic(one)) {
            name = one->members[0].key;
            settings = one->members[0].value;
        }
        if (!str_starts(name, STR("method.request."))) {
            import__say(im, IMPORT_ERROR, spot_or(one, spot_of(v)),
                        "%s %.*s: a request parameter is method.request.header.NAME, .querystring "
                        "or .path",
                        LABEL(e));
            continue;
        }
        bool required = import__flag(im, json_get(settings, "Required"), "Required", false);
        if (json_set(im->a, out, name, json_new_bool(im->a, required)) != ERR_OK)
            import__no_memory(im);
    }
    r->parameters = out;
}

static void read_http_settings(struct event *e)
{
    struct importer *im = e->im;
    const struct json *settings =
        import__object(im, json_get(e->properties, "RouteSettings"), "RouteSettings");
    const struct json *throttle = settings ? import__throttle(im, settings) : NULL;
    if (!throttle)
        return;
    struct str key = str_eqz(e->path, "$default")
                         ? e->path
                         : import__fmt(im, "%s %.*s", e->verb, STR_ARG(e->path));
    import__add_member(im, &e->api->api->route_settings, key, throttle);
}

static void check_transfer(struct event *e)
{
    struct str mode;
    const struct json *transfer = json_get(e->properties, "ResponseTransferMode");
    if (import__text(e->im, transfer, "ResponseTransferMode", &mode) && !str_eqz(mode, "BUFFERED"))
        import__say(e->im, IMPORT_ERROR, spot_of(transfer),
                    "ResponseTransferMode %.*s is not served yet", SHORT(mode));
}

static const struct json *integration(struct event *e, const struct declared *d)
{
    struct importer *im = e->im;
    struct json *v = import__new_object(im, &(struct json){.line = e->m->line, .col = e->m->col});
    const struct json *timeout = json_get(e->properties, "TimeoutInMillis");
    const struct json *format = json_get(e->properties, "PayloadFormatVersion");
    struct str text = STR("2.0");
    int64_t ms;
    import__put(im, v, "type", import__new_text(im, STR("AWS_PROXY"), NULL));
    import__put(im, v, "httpMethod", import__new_text(im, STR("POST"), NULL));
    struct str arn = d->function->spec.arn;
    if (d->routed.n > 0) /* as SAM does with AutoPublishAlias */
        arn = import__fmt(im, "%.*s:%.*s", STR_ARG(arn), STR_ARG(d->routed));
    import__put(im, v, "uri", import__new_text(im, import__invocation_uri(im, arn), NULL));
    if (import__number(im, timeout, "TimeoutInMillis", 50,
                       e->http ? TIMEOUT_HTTP_API_INTEGRATION_MS : TIMEOUT_INTEGRATION_MS, &ms))
        import__put(im, v, "timeoutInMillis", json_new_int(im->a, ms));
    if (!e->http)
        return v;
    if (import__text(im, format, "PayloadFormatVersion", &text) && !str_eqz(text, "1.0") &&
        !str_eqz(text, "1") && !str_eqz(text, "2.0") && !str_eqz(text, "2"))
        import__say(im, IMPORT_ERROR, spot_of(format),
                    "PayloadFormatVersion must be \"1.0\" or \"2.0\"");
    import__put(im, v, "payloadFormatVersion",
                import__new_text(im, str_starts(text, STR("1")) ? STR("1.0") : STR("2.0"), format));
    return v;
}

/* --- what becomes of it -------------------------------------------------------------------------
 */

static bool same_access(const struct route *r, const struct guard *g)
{
    return r->access.guard == g;
}

/* The API has a definition of its own: SAM adds no route, and changes one only when told to. */
static void meet_definition(struct event *e, bool override)
{
    struct importer *im = e->im;
    struct route *r = import__find_route(im, e->api, e->path, e->verb);
    if (!r)
        import__say(
            im, IMPORT_WARNING, spot_key(e->m),
            "%s %.*s is not in the definition of its API, and SAM does not add it; write it "
            "there, or MergeDefinitions: true",
            LABEL(e));
    else if (override)
        r->access = e->access;
    else if (e->says && !same_access(r, e->access.guard))
        import__say(im, IMPORT_ERROR, spot_of(json_get(e->auth, "Authorizer")),
                    "%s %.*s: SAM does not apply this Authorizer, because the API has a definition "
                    "of its own; add OverrideApiAuth: true, or write security there",
                    LABEL(e));
    if (r && e->access.roles)
        r->access.roles = e->access.roles;
}

static void add_method(struct event *e, struct declared *d)
{
    struct importer *im = e->im;
    const struct json *policy = json_get(e->auth, "ResourcePolicy");
    struct route *r = import__find_route(im, e->api, e->path, e->verb);
    bool merged = r && !r->from_event;
    if (!merged)
        r = import__add_route(im, e->api, e->path, e->verb, spot_key(e->m));
    if (!r)
        return;
    bool keeps = e->http && merged && r->given; /* SAM only adds what is not there */
    r->from_event = true;
    d->needed = d->needed || !keeps;
    if (!merged || e->says)
        r->access = e->access;
    else if (e->access.roles)
        r->access.roles = e->access.roles;
    if (!keeps)
        r->method->integration = integration(e, d);
    if (e->http) {
        read_http_settings(e);
        return;
    }
    read_parameters(e, r);
    read_model(e, r);
    if (policy)
        import__resource_policy(im, e->api, policy, r);
}

/* HttpApi: without Path and Method it is the $default route. */
static bool default_route(struct event *e, const struct json *p, const struct json *v)
{
    if (!e->http || p || v)
        return false;
    e->path = STR("$default");
    e->verb = "ANY";
    return true;
}

static bool read_route(struct event *e)
{
    struct importer *im = e->im;
    struct str path, method;
    const struct json *p = json_get(e->properties, "Path");
    const struct json *v = json_get(e->properties, "Method");
    if (default_route(e, p, v))
        return true;
    if (!p || !v) {
        import__say(im, IMPORT_ERROR, spot_key(e->m), "the event %.*s needs a Path and a Method",
                    SHORT(e->m->key));
        return false;
    }
    if (!import__text(im, p, "Path", &path) || !import__text(im, v, "Method", &method))
        return false;
    bool any = str_eqz(method, "*") || str_eqz(method, "x-amazon-apigateway-any-method");
    e->verb = any && e->http ? "ANY" : import__verb(method);
    if (e->verb)
        return import__check_path(im, e->api, path, spot_of(p), &e->path);
    import__say(im, e->http ? IMPORT_WARNING : IMPORT_ERROR, spot_of(v),
                "\"%.*s\" is no HTTP method%s", SHORT(method),
                e->http ? "; AWS leaves such a route out, and so do we" : "");
    return false;
}

/* `written` is the RestApiId or ApiId before its Ref became an id. */
static void read_api_event(struct event *e, struct declared *d, const struct json *written)
{
    struct importer *im = e->im;
    if (!e->properties && !e->http) {
        import__say(im, IMPORT_ERROR, spot_key(e->m), "the event %.*s has no Properties",
                    SHORT(e->m->key));
        return;
    }
    import__check_keys(im, e->properties, e->http ? &http_event_keys : &event_keys);
    if (!find_api(e, written) || !read_route(e))
        return;
    e->auth = import__object(im, json_get(e->properties, "Auth"), "Auth");
    import__check_keys(im, e->auth, e->http ? &http_auth_keys : &auth_keys);
    check_transfer(e);
    const struct json *flag = json_get(e->auth, "OverrideApiAuth");
    bool override = import__flag(im, flag, "OverrideApiAuth", false);
    if (override && !json_get(e->auth, "Authorizer"))
        import__say(im, IMPORT_ERROR, spot_of(flag), "OverrideApiAuth needs an Authorizer");
    if (!read_access(e))
        return;
    d->permitted = true; /* SAM gives each event its permission */
    if (e->api->has_body && !e->api->merge && !e->http)
        meet_definition(e, override);
    else
        add_method(e, d);
}

static void read_event(struct importer *im, struct declared *d, const struct json_member *m,
                       const struct json *written)
{
    struct str type = STR("");
    const struct json *v = import__object(im, m->value, "an event");
    if (!v || !import__text(im, json_get(v, "Type"), "Type", &type))
        return;
    bool http = str_eqz(type, "HttpApi");
    if (!http && !str_eqz(type, "Api")) {
        import__say(im, IMPORT_NOTE, spot_key(m), "the event %.*s of type %.*s is not served here",
                    SHORT(m->key), SHORT(type));
        return;
    }
    struct event e = {.im = im, .m = m, .http = http};
    const struct json *properties = json_get(v, "Properties");
    if (properties && properties->type != JSON_NULL)
        e.properties = import__object(im, properties, "Properties");
    read_api_event(&e, d, json_get(json_get(written, "Properties"), http ? "ApiId" : "RestApiId"));
}

void import__events(struct importer *im, const struct symbol *function)
{
    struct reason why;
    const struct json *written = json_get(function->properties, "Events");
    const struct json *events = import__object(im, import__resolve(im, written), "Events");
    const struct json *name = import__ref(im, function->logical, &why);
    struct declared *d = name ? map_get(&im->arns, import__function_arn(im, name->s)) : NULL;
    for (size_t i = 0, k = 0; events && d && i < events->n; i++) {
        const struct json_member *m = &events->members[i];
        bool in_order = json_is(written, JSON_OBJECT); /* what is resolved has lost some at most */
        while (in_order && k < written->n && !str_eq(written->members[k].key, m->key))
            k++;
        read_event(im, d, m, in_order && k < written->n ? written->members[k].value : m->value);
    }
}
