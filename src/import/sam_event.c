/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of Type Api: each is a method that invokes its function. Invariant: a method is guarded as
 * SAM would guard it, and an Auth that SAM would silently leave aside is refused. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

static const struct key_row event_rows[] = {
    {"Auth", KEY_READ, NULL},
    {"Method", KEY_READ, NULL},
    {"Path", KEY_READ, NULL},
    {"RequestModel", KEY_READ, NULL},
    {"RequestParameters", KEY_SILENT, NULL}, /* only a validator looks at them */
    {"ResponseTransferMode", KEY_READ, NULL},
    {"RestApiId", KEY_READ, NULL},
    {"TimeoutInMillis", KEY_READ, NULL},
};
static const struct key_table event_keys = {"an Api event", event_rows, COUNTOF(event_rows),
                                            KEY_REFUSE};

static const struct key_row auth_rows[] = {
    {"ApiKeyRequired", KEY_READ, NULL},
    {"AuthorizationScopes", KEY_READ, NULL},
    {"Authorizer", KEY_READ, NULL},
    {"InvokeRole", KEY_NOTE, "roles are not assumed here; the function is simply called"},
    {"OverrideApiAuth", KEY_READ, NULL},
    {"ResourcePolicy", KEY_REFUSE, "resource policies are not served yet"},
};
static const struct key_table auth_keys = {"Auth", auth_rows, COUNTOF(auth_rows), KEY_REFUSE};

/* One event being read. */
struct event {
    struct importer *im;
    const struct json_member *m;
    const struct json *properties, *auth;
    struct import_api *api;
    struct str path;
    const char *verb;
    struct guard *guard; /* NULL = open */
    bool says;           /* it names its authorizer itself */
};

/* --- which API ----------------------------------------------------------------------------------
 */

static struct symbol *api_by_id(const struct importer *im, struct str id)
{
    for (struct symbol *s = im->symbols; s; s = s->next)
        if (s->kind == SYMBOL_API && s->api && str_eq(s->api->api->id, id))
            return s;
    return NULL;
}

static bool find_api(struct event *e, const struct json *written)
{
    struct importer *im = e->im;
    struct str text = STR("ServerlessRestApi");
    const struct json *ref = json_get(written, "Ref");
    if (json_is(ref, JSON_STRING))
        text = ref->s;
    else if (written && !import__text(im, import__resolve(im, written), "RestApiId", &text))
        return false;
    struct symbol *s = import__symbol(im, text);
    if (s && s->kind == SYMBOL_PARAMETER && json_str(s->value, &text))
        s = import__symbol(im, text);
    if (!s)
        s = api_by_id(im, text);
    if (!s || s->kind != SYMBOL_API) {
        import__say(im, IMPORT_ERROR, spot_or(written, spot_key(e->m)),
                    "RestApiId must be the Ref of an AWS::Serverless::Api of this template, not "
                    "\"%.*s\"",
                    SHORT(text));
        return false;
    }
    if (!s->api)
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
    if (str_eqz(name, "NONE")) {
        if (e->api->default_guard.n > 0)
            return true;
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "%s %.*s: Authorizer NONE is only valid when the API has a DefaultAuthorizer",
                    e->verb, SHORT(e->path));
        return false;
    }
    if (str_eqz(name, "AWS_IAM")) {
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "%s %.*s: AWS_IAM authorization is not served yet", e->verb, SHORT(e->path));
        return false;
    }
    e->guard = import__find_guard(e->api, name);
    if (!e->guard)
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "%s %.*s: the authorizer \"%.*s\" is not defined in the Auth of its API",
                    e->verb, SHORT(e->path), SHORT(name));
    return e->guard != NULL;
}

static bool read_access(struct event *e)
{
    struct importer *im = e->im;
    const struct json *named = json_get(e->auth, "Authorizer");
    const struct json *key = json_get(e->auth, "ApiKeyRequired");
    bool preflight = strcmp(e->verb, "OPTIONS") == 0, sound = true;
    e->says = named != NULL;
    if (named)
        sound = named_guard(e, named);
    else if (e->api->default_guard.n > 0 && !(preflight && !e->api->guard_preflight))
        e->guard = import__find_guard(e->api, e->api->default_guard);
    if (import__flag(im, key, "ApiKeyRequired", false)) {
        import__say(im, IMPORT_ERROR, spot_of(key), "%s %.*s: API keys are not enforced yet",
                    e->verb, SHORT(e->path));
        sound = false;
    }
    const struct json *scopes =
        import__array(im, json_get(e->auth, "AuthorizationScopes"), "AuthorizationScopes");
    if (scopes && scopes->n > 0)
        import__say(im, e->guard ? IMPORT_WARNING : IMPORT_ERROR, spot_of(scopes),
                    "%s %.*s: AuthorizationScopes %s", e->verb, SHORT(e->path),
                    e->guard ? "are not checked for Lambda authorizers"
                             : "without an Authorizer guard nothing");
    return sound;
}

/* --- what it asks of the gateway ----------------------------------------------------------------
 */

static void check_validation(struct event *e)
{
    struct importer *im = e->im;
    struct str mode;
    const struct json *model =
        import__object(im, json_get(e->properties, "RequestModel"), "RequestModel");
    if (import__flag(im, json_get(model, "ValidateBody"), "ValidateBody", false) ||
        import__flag(im, json_get(model, "ValidateParameters"), "ValidateParameters", false))
        import__say(im, IMPORT_ERROR, spot_of(model), "%s %.*s: requests are not validated yet",
                    e->verb, SHORT(e->path));
    const struct json *transfer = json_get(e->properties, "ResponseTransferMode");
    if (import__text(im, transfer, "ResponseTransferMode", &mode) && !str_eqz(mode, "BUFFERED"))
        import__say(im, IMPORT_ERROR, spot_of(transfer),
                    "ResponseTransferMode %.*s is not served yet", SHORT(mode));
}

static const struct json *integration(struct event *e, const struct declared *d)
{
    struct importer *im = e->im;
    struct json *v = import__new_object(im, &(struct json){.line = e->m->line, .col = e->m->col});
    const struct json *timeout = json_get(e->properties, "TimeoutInMillis");
    int64_t ms;
    import__put(im, v, "type", import__new_text(im, STR("AWS_PROXY"), NULL));
    import__put(im, v, "httpMethod", import__new_text(im, STR("POST"), NULL));
    import__put(im, v, "uri",
                import__new_text(im, import__invocation_uri(im, d->function->spec.arn), NULL));
    if (import__number(im, timeout, "TimeoutInMillis", 50, TIMEOUT_INTEGRATION_MS, &ms))
        import__put(im, v, "timeoutInMillis", json_new_int(im->a, ms));
    return v;
}

/* --- what becomes of it -------------------------------------------------------------------------
 */

static bool same_access(const struct route *r, const struct guard *g)
{
    struct str name = json_str_or(json_get(r->method->method, "authorizerName"), STR(""));
    return str_eq(name, g ? g->name : STR(""));
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
            e->verb, SHORT(e->path));
    else if (override)
        import__set_access(im, e->api, r, e->guard, json_get(r->method->method, "operationName"));
    else if (e->says && !same_access(r, e->guard))
        import__say(im, IMPORT_ERROR, spot_of(json_get(e->auth, "Authorizer")),
                    "%s %.*s: SAM does not apply this Authorizer, because the API has a definition "
                    "of its own; add OverrideApiAuth: true, or write security there",
                    e->verb, SHORT(e->path));
}

static void add_method(struct event *e, struct declared *d)
{
    struct importer *im = e->im;
    struct route *r = import__find_route(im, e->api, e->path, e->verb);
    bool merged = r && !r->from_event;
    if (!merged)
        r = import__add_route(im, e->api, e->path, e->verb, spot_key(e->m));
    if (!r)
        return;
    r->from_event = true;
    d->needed = true;
    if (!merged || e->says)
        import__set_access(im, e->api, r, e->guard, json_get(r->method->method, "operationName"));
    r->method->integration = integration(e, d);
}

static bool read_route(struct event *e)
{
    struct importer *im = e->im;
    struct str path, method;
    const struct json *p = json_get(e->properties, "Path");
    const struct json *v = json_get(e->properties, "Method");
    if (!p || !v) {
        import__say(im, IMPORT_ERROR, spot_key(e->m), "the event %.*s needs a Path and a Method",
                    SHORT(e->m->key));
        return false;
    }
    if (!import__text(im, p, "Path", &path) || !import__text(im, v, "Method", &method))
        return false;
    e->verb = import__verb(method);
    if (e->verb)
        return import__check_path(im, e->api, path, spot_of(p), &e->path);
    import__say(im, IMPORT_ERROR, spot_of(v), "\"%.*s\" is no HTTP method", SHORT(method));
    return false;
}

/* `written` is the RestApiId before its Ref became an id. */
static void read_api_event(struct event *e, struct declared *d, const struct json *written)
{
    struct importer *im = e->im;
    if (!e->properties) {
        import__say(im, IMPORT_ERROR, spot_key(e->m), "the event %.*s has no Properties",
                    SHORT(e->m->key));
        return;
    }
    import__check_keys(im, e->properties, &event_keys);
    if (!find_api(e, written) || !read_route(e))
        return;
    e->auth = import__object(im, json_get(e->properties, "Auth"), "Auth");
    import__check_keys(im, e->auth, &auth_keys);
    check_validation(e);
    const struct json *flag = json_get(e->auth, "OverrideApiAuth");
    bool override = import__flag(im, flag, "OverrideApiAuth", false);
    if (override && !json_get(e->auth, "Authorizer"))
        import__say(im, IMPORT_ERROR, spot_of(flag), "OverrideApiAuth needs an Authorizer");
    if (!read_access(e))
        return;
    d->permitted = true; /* SAM gives each event its permission */
    if (e->api->has_body && !e->api->merge)
        meet_definition(e, override);
    else
        add_method(e, d);
}

static void read_event(struct importer *im, const struct symbol *function, struct declared *d,
                       const struct json_member *m, const struct json *written)
{
    struct str type = STR("");
    const struct json *v = import__object(im, m->value, "an event");
    if (!v || !import__text(im, json_get(v, "Type"), "Type", &type))
        return;
    if (str_eqz(type, "HttpApi")) {
        import__say(im, IMPORT_ERROR, spot_key(m), "HTTP APIs are not served yet (event %.*s)",
                    SHORT(m->key));
        return;
    }
    if (!str_eqz(type, "Api")) {
        import__say(im, IMPORT_NOTE, spot_key(m), "the event %.*s of type %.*s is not served here",
                    SHORT(m->key), SHORT(type));
        return;
    }
    if (json_get(function->node, "Condition"))
        import__say(im, IMPORT_ERROR, spot_of(json_get(function->node, "Condition")),
                    "Conditions are not evaluated yet, and this one decides whether the route of "
                    "%.*s exists",
                    SHORT(m->key));
    struct event e = {.im = im, .m = m};
    e.properties = import__object(im, json_get(v, "Properties"), "Properties");
    read_api_event(&e, d, json_get(json_get(written, "Properties"), "RestApiId"));
}

void import__events(struct importer *im, const struct symbol *function)
{
    struct reason why;
    const struct json *written = json_get(function->properties, "Events");
    const struct json *events = import__object(im, import__resolve(im, written), "Events");
    const struct json *name = import__ref(im, function->logical, &why);
    struct declared *d = name ? map_get(&im->arns, import__function_arn(im, name->s)) : NULL;
    for (size_t i = 0; events && d && i < events->n; i++) {
        const struct json_member *m = &events->members[i];
        read_event(im, function, d, m, json_gets(written, m->key));
    }
}
