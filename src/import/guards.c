/* SPDX-License-Identifier: Apache-2.0
 *
 * What may stand before a method, by name, and what a method that names it comes to. Invariant:
 * whatever a method names either becomes an authorizer of the model or refuses the document; a
 * definition that nobody uses only warns. */
#include "import_api_int.h"
#include "token_rows_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

struct guard *import__find_guard(const struct import_api *api, struct str name)
{
    return map_get(&api->guard_names, name);
}

struct guard *import__new_guard(struct importer *im, struct import_api *api, struct str name,
                                struct spot at)
{
    if (import__find_guard(api, name)) {
        import__say(im, IMPORT_ERROR, at, "the authorizer %.*s is defined twice", SHORT(name));
        return NULL;
    }
    struct guard *g = ARENA_NEW(im->a, struct guard);
    enum err err = g ? map_put(&api->guard_names, name, g, NULL) : ERR_NOMEM;
    if (err != ERR_OK) {
        import__no_memory(im);
        return NULL;
    }
    *g = (struct guard){.kind = GUARD_BROKEN, .name = name, .file = im->file, .spot = at};
    if (api->last_guard)
        api->last_guard->next = g;
    else
        api->guards = g;
    api->last_guard = g;
    return g;
}

/* --- use ---------------------------------------------------------------------------------------
 */

static void add_authorizer(struct importer *im, struct import_api *api, const struct guard *g)
{
    const struct json *spec = import__authorizer_spec(im, api, g);
    struct model_authorizer *z = spec ? ARENA_NEW(im->a, struct model_authorizer) : NULL;
    if (!z) {
        if (spec)
            import__no_memory(im);
        return;
    }
    *z = (struct model_authorizer){
        .name = g->name, .spec = spec, .at = {g->file, g->spot.line, g->spot.col}};
    if (api->last_authorizer)
        api->last_authorizer->next = z;
    else
        api->api->authorizers = z;
    api->last_authorizer = z;
}

/* authorizationType; NULL, reported, for what cannot guard the method. */
static const char *use_guard(struct importer *im, struct import_api *api, const struct route *r)
{
    struct guard *g = r->access.guard;
    const struct model_method *m = r->method;
    const char *file = im->file;
    bool first = !g->used;
    g->used = true;
    switch (g->kind) {
    case GUARD_TOKEN:
    case GUARD_REQUEST:
    case GUARD_COGNITO:
    case GUARD_JWT:
        im->file = g->file;
        if (first)
            add_authorizer(im, api, g);
        im->file = file;
        return g->kind == GUARD_JWT       ? "JWT"
               : g->kind == GUARD_COGNITO ? "COGNITO_USER_POOLS"
                                          : "CUSTOM";
    case GUARD_IAM:
        import__say(im, IMPORT_NOTE, r->access.at,
                    "%.*s %.*s: AWS_IAM: signatures cannot be checked here, so every request is "
                    "answered 403",
                    SHORT(m->verb), SHORT(m->path));
        return "AWS_IAM";
    case GUARD_PLAIN:
        import__say(im, IMPORT_ERROR, r->access.at,
                    "%.*s %.*s would be open: the security scheme %.*s has no "
                    "x-amazon-apigateway-authorizer; give it one, or write security: [] if the "
                    "method is public",
                    SHORT(m->verb), SHORT(m->path), SHORT(g->name));
        return NULL;
    case GUARD_API_KEY: /* stands in access.api_key */
    case GUARD_BROKEN:  /* refused where it is defined */
        break;
    }
    return NULL;
}

static const struct json *scopes_of(struct importer *im, const struct route *r)
{
    const struct guard *g = r->access.guard;
    const struct model_method *m = r->method;
    const struct json *v = r->access.scopes ? r->access.scopes : g->scopes;
    struct str text;
    v = import__array(im, v, "AuthorizationScopes");
    if (!v || v->n == 0)
        return NULL;
    if (g->kind != GUARD_COGNITO && g->kind != GUARD_JWT && !import__judges_tokens(g)) {
        import__say(im, IMPORT_WARNING, spot_or(v, r->access.at),
                    "%.*s %.*s: scopes are not checked for Lambda authorizers; the function must",
                    SHORT(m->verb), SHORT(m->path));
        return NULL;
    }
    for (size_t i = 0; i < v->n; i++)
        if (!import__text(im, v->items[i], "a scope", &text))
            return NULL;
    return v;
}

const struct json *import__method(struct importer *im, struct import_api *api, struct route *r)
{
    const struct model_method *method = r->method;
    struct json *m =
        import__new_object(im, &(struct json){.line = method->at.line, .col = method->at.col});
    const struct guard *g = r->access.guard;
    const char *type = g ? use_guard(im, api, r) : "NONE";
    struct str text;
    if (!type)
        type = "CUSTOM"; /* the document is refused */
    import__put(im, m, "authorizationType", import__new_text(im, str_c(type), NULL));
    if (g && g->kind != GUARD_IAM)
        import__put(im, m, "authorizerName", import__new_text(im, g->name, NULL));
    const struct json *scopes = g ? scopes_of(im, r) : NULL;
    if (scopes)
        import__put(im, m, "authorizationScopes", scopes);
    if (r->access.api_key && api->api->kind == API_HTTP)
        import__say(im, IMPORT_ERROR, r->access.at,
                    "%.*s %.*s: HTTP APIs have no API keys; the route would be open",
                    SHORT(method->verb), SHORT(method->path));
    if (api->api->kind == API_REST)
        import__put(im, m, "apiKeyRequired", json_new_bool(im->a, r->access.api_key));
    if (r->operation_id && import__scalar(r->operation_id, &text))
        import__put(im, m, "operationName", import__new_text(im, text, r->operation_id));
    if (r->parameters)
        import__put(im, m, "requestParameters", r->parameters);
    if (r->models)
        import__put(im, m, "requestModels", r->models);
    if (r->validator && import__text(im, r->validator, "a request validator", &text))
        import__put(im, m, "requestValidator", import__new_text(im, text, r->validator));
    if (r->responses)
        import__put(im, m, "methodResponses", r->responses);
    return m;
}
