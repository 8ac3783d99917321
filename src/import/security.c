/* SPDX-License-Identifier: Apache-2.0
 *
 * `security` and x-amazon-apigateway-auth of an operation. Invariant: a method is open only if its
 * document says so in a way that AWS would also read as open; what looks guarded and is not refuses
 * the document or warns loudly. */
#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define LABEL(r) SHORT((r)->method->verb), SHORT((r)->method->path)

/* What the requirements of one operation name. */
struct requirements {
    struct guard *guard;
    const struct json *scopes;
    bool api_key, none, from_sam;
    struct spot at;
};

static void name_guard(struct importer *im, const struct route *r, struct guard *g,
                       const struct json *scopes, struct spot at, struct requirements *q)
{
    q->from_sam = q->from_sam || g->from_sam;
    if (q->guard && q->guard != g) {
        import__say(im, IMPORT_ERROR, at,
                    "%.*s %.*s names two authorizers, %.*s and %.*s; a method has one", LABEL(r),
                    SHORT(q->guard->name), SHORT(g->name));
    }
    q->guard = g;
    q->scopes = scopes;
    q->at = at;
}

static void require_name(struct importer *im, struct import_api *api, const struct route *r,
                         const struct json_member *m, struct requirements *q)
{
    struct guard *g = import__find_guard(api, m->key);
    if (!g && str_eqz(m->key, "NONE")) { /* SAM's word for open */
        if (api->default_guard.n == 0)
            import__say(im, IMPORT_NOTE, spot_key(m),
                        "%.*s %.*s: NONE is no scheme of this document; the method is open, as on "
                        "AWS",
                        LABEL(r));
        q->none = true;
        return;
    }
    if (!g) {
        import__say(im, IMPORT_ERROR, spot_key(m),
                    "%.*s %.*s: %.*s is no security scheme of this document; define it with an "
                    "x-amazon-apigateway-authorizer",
                    LABEL(r), SHORT(m->key));
        return;
    }
    const struct json *scopes = import__array(im, m->value, "the scopes");
    if (g->kind == GUARD_API_KEY)
        q->api_key = true;
    else
        name_guard(im, r, g, scopes && scopes->n > 0 ? scopes : NULL, spot_key(m), q);
    g->used = g->used || g->kind == GUARD_API_KEY;
}

static void read_requirements(struct importer *im, struct import_api *api, const struct route *r,
                              const struct json *security, struct requirements *q)
{
    bool lone = json_is(security, JSON_OBJECT) && !import__is_intrinsic(security);
    const struct json *list = lone ? security : import__array(im, security, "security");
    if (lone)
        import__say(im, IMPORT_WARNING, spot_of(security),
                    "%.*s %.*s: security must be a list; what stands here is required", LABEL(r));
    for (size_t i = 0; list && i < (lone ? 1 : list->n); i++) {
        const struct json *one =
            lone ? list : import__object(im, list->items[i], "a security requirement");
        if (one && one->n == 0)
            import__say(im, IMPORT_ERROR, spot_of(one),
                        "an empty security requirement ({}) would make the method open; write "
                        "security: [] if it is public");
        for (size_t k = 0; one && k < one->n; k++)
            require_name(im, api, r, &one->members[k], q);
    }
}

/* SAM: the defaults come to every method that names no authorizer of Auth, and not NONE. */
static void apply_default(struct importer *im, struct import_api *api, const struct route *r,
                          struct requirements *q, struct spot at)
{
    bool preflight = str_eqz(r->method->verb, "OPTIONS");
    if (api->api->kind == API_HTTP && q->guard) /* there, not to those that have security at all */
        return;
    if (api->key && !(preflight && !api->key_preflight))
        q->api_key = true;
    if (api->default_guard.n == 0 || q->none || q->from_sam || (preflight && !api->guard_preflight))
        return;
    struct guard *g = import__find_guard(api, api->default_guard);
    if (!g) /* refused where Auth names it */
        return;
    if (q->guard && q->guard != g)
        import__say(im, IMPORT_ERROR, at,
                    "%.*s %.*s has the authorizer %.*s, and SAM adds the DefaultAuthorizer %.*s; a "
                    "method has one",
                    LABEL(r), SHORT(q->guard->name), SHORT(api->default_guard));
    q->guard = g;
    q->at = at;
}

static struct guard *iam_guard(struct importer *im, struct spot at)
{
    struct guard *g = ARENA_NEW(im->a, struct guard);
    if (g)
        *g =
            (struct guard){.kind = GUARD_IAM, .name = STR("AWS_IAM"), .file = im->file, .spot = at};
    else
        import__no_memory(im);
    return g;
}

/* x-amazon-apigateway-auth; true when it says that the method is open. */
static bool read_auth(struct importer *im, const struct route *r, const struct json *operation,
                      struct requirements *q)
{
    struct str type = STR("");
    const struct json *auth = import__object(im, json_get(operation, "x-amazon-apigateway-auth"),
                                             "x-amazon-apigateway-auth");
    const struct json *v = json_get(auth, "type");
    if (!auth || !import__text(im, v, "type", &type))
        return false;
    if (str_ieq(type, STR("NONE")))
        return true;
    if (!str_ieq(type, STR("AWS_IAM"))) {
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "x-amazon-apigateway-auth: type must be NONE or AWS_IAM, not %.*s",
                    SHORT(type));
        return false;
    }
    struct guard *g =
        q->guard && q->guard->kind == GUARD_IAM ? q->guard : iam_guard(im, spot_of(v));
    if (g)
        name_guard(im, r, g, NULL, spot_of(v), q);
    return false;
}

void import__read_security(struct importer *im, struct import_api *api, struct route *r,
                           const struct json *operation, struct spot at)
{
    const struct json *security = json_get(operation, "security");
    struct requirements q = {.at = at};
    read_requirements(im, api, r, security ? security : api->root_security, &q);
    bool open = read_auth(im, r, operation, &q);
    apply_default(im, api, r, &q, spot_or(security, at));
    if (open && q.guard)
        import__say(im, IMPORT_WARNING, spot_of(json_get(operation, "x-amazon-apigateway-auth")),
                    "%.*s %.*s: x-amazon-apigateway-auth says NONE, but the authorizer %.*s is "
                    "named too and applies",
                    LABEL(r), SHORT(q.guard->name));
    if (!security && !q.guard && !open)
        api->open_by_root++;
    r->access = (struct access){q.guard, q.scopes, q.api_key, q.at, NULL};
}
