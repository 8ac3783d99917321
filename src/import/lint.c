/* SPDX-License-Identifier: Apache-2.0
 *
 * What a document may well say but hardly means: warnings of `check`, one row each. Invariant: no
 * rule changes the model. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

/* The rules see an API that is complete. */
struct lint {
    struct importer *im;
    const struct import_api *api;
};

static bool is_authorizer(const struct guard *g)
{
    return g->kind == GUARD_TOKEN || g->kind == GUARD_REQUEST || g->kind == GUARD_COGNITO ||
           g->kind == GUARD_JWT;
}

/* "BEFORE NAME AFTER" */
static void warn(const struct lint *x, const char *file, struct spot at, const char *before,
                 struct str name, const char *after)
{
    const char *outer = x->im->file;
    x->im->file = file;
    import__say(x->im, IMPORT_WARNING, at, "%s%.*s %s", before, SHORT(name), after);
    x->im->file = outer;
}

static void idle_authorizers(const struct lint *x)
{
    for (const struct guard *g = x->api->guards; g; g = g->next)
        if (!g->used && is_authorizer(g))
            warn(x, g->file, g->spot, "authorizer ", g->name, "guards nothing: no method uses it");
}

static bool is_open(const struct route *r)
{
    return !r->access.guard && !r->access.api_key && !str_eqz(r->method->verb, "OPTIONS");
}

/* Only where others are guarded: an API that is all open is meant to be. */
static void open_routes(const struct lint *x)
{
    const struct route *guarded = x->api->first_route;
    while (guarded && !guarded->access.guard)
        guarded = guarded->next;
    for (const struct route *r = x->api->first_route; guarded && r; r = r->next) {
        const struct model_method *m = r->method;
        if (!is_open(r))
            continue;
        struct str label = import__fmt(x->im, "%.*s %.*s", STR_ARG(m->verb), STR_ARG(m->path));
        import__say(x->im, IMPORT_NOTE, (struct spot){m->at.line, m->at.col},
                    "%.*s has no authorizer, though other methods of this API have one",
                    SHORT(label));
    }
}

/* Browsers send no credentials with a preflight, so it would always be denied. Of those that SAM's
 * Cors makes, cors.c has spoken. */
static void guarded_preflights(const struct lint *x)
{
    const struct model_method *first = NULL;
    size_t more = 0;
    for (const struct route *r = x->api->first_route; r && !x->api->cors; r = r->next) {
        if (!str_eqz(r->method->verb, "OPTIONS") || !r->access.guard)
            continue;
        more += first != NULL;
        first = first ? first : r->method;
    }
    if (!first)
        return;
    struct str name = import__fmt(x->im, "%.*s and %zu more", STR_ARG(first->path), more);
    warn(x, first->at.file, (struct spot){first->at.line, first->at.col}, "OPTIONS ",
         more ? name : first->path,
         more ? "have an authorizer, and browsers send no token with a preflight; leave them open"
              : "has an authorizer, and browsers send no token with a preflight; leave it open");
}

static bool sends_origin(const struct json *response)
{
    const struct json *parameters = json_get(response, "responseParameters");
    for (size_t i = 0; json_is(parameters, JSON_OBJECT) && i < parameters->n; i++)
        if (str_ieq(parameters->members[i].key,
                    STR("gatewayresponse.header.Access-Control-Allow-Origin")))
            return true;
    return false;
}

/* Without them a browser shows every 401, 403 and 429 of ours as a failure of CORS. */
static void denials_without_cors(const struct lint *x)
{
    const struct route *preflight = x->api->first_route;
    const struct model_api *m = x->api->api;
    if (m->kind == API_HTTP) /* whose denials carry what corsConfiguration says */
        return;
    while (preflight && !str_eqz(preflight->method->verb, "OPTIONS"))
        preflight = preflight->next;
    if (!preflight || !m->authorizers ||
        sends_origin(json_get(m->gateway_responses, "DEFAULT_4XX")))
        return;
    warn(x, m->at.file, (struct spot){m->at.line, m->at.col}, "the API ", m->name,
         "answers preflights, but its own 401 and 403 answers have no CORS headers: browsers "
         "will show a CORS error instead; add a gateway response DEFAULT_4XX with "
         "gatewayresponse.header.Access-Control-Allow-Origin");
}

/* An Allow that a Deny without conditions covers, resource and action for resource and action. */
static void dead_statements(const struct lint *x)
{
    const struct json *list = json_get(x->api->api->policy, "Statement");
    for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->n; i++)
        for (size_t k = 0; k < list->n; k++) {
            const struct json *deny = list->items[k], *one = list->items[i];
            if (!str_eqz(json_str_or(json_get(deny, "Effect"), STR("")), "Deny") ||
                json_get(deny, "Condition") ||
                !str_eqz(json_str_or(json_get(deny, "Principal"), STR("")), "*") ||
                !str_eqz(json_str_or(json_get(deny, "Resource"), STR("")), "*") || i == k ||
                !str_eqz(json_str_or(json_get(one, "Effect"), STR("")), "Allow"))
                continue;
            import__say(x->im, IMPORT_WARNING, spot_of(one),
                        "this statement of the resource policy allows nothing: statement %zu "
                        "denies everything",
                        k + 1);
            break;
        }
}

static const struct {
    const char *name;
    void (*check)(const struct lint *x);
} rules[] = {
    {"idle-authorizer", idle_authorizers},      {"open-route", open_routes},
    {"guarded-preflight", guarded_preflights},  {"denial-without-cors", denials_without_cors},
    {"unreachable-statement", dead_statements},
};

void import__lint(struct importer *im, const struct import_api *api)
{
    const struct lint x = {im, api};
    for (size_t i = 0; i < COUNTOF(rules); i++)
        rules[i].check(&x);
}
