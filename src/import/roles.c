/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ropeline-roles, of an API and of its methods, as model_api.roles. Invariant: a method for which
 * roles are named is behind an authorizer whose results have roles, or the document is refused; and
 * what the API's own table does not name, nobody may do. */
#include "import_api_int.h"
#include "roles_int.h"
#include "token_rows_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define LABEL(r) SHORT((r)->method->verb), SHORT((r)->method->path)

static const struct key_row table_rows[] = {
    {"roles", KEY_READ, NULL},
    {"permissions", KEY_READ, NULL},
    {"roleClaim", KEY_READ, NULL},
    {"permissionClaim", KEY_READ, NULL},
};
static const struct key_row method_rows[] = {
    {"roles", KEY_READ, NULL},
    {"permissions", KEY_READ, NULL},
};
static const struct key_table table_keys = {"x-ropeline-roles", table_rows, COUNTOF(table_rows),
                                            KEY_REFUSE};
static const struct key_table method_keys = {"x-ropeline-roles of a method", method_rows,
                                             COUNTOF(method_rows), KEY_REFUSE};

void import__set_roles(struct importer *im, struct import_api *api, const struct json *v)
{
    if (!v)
        return;
    if (api->roles)
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "x-ropeline-roles of this API stands in line %u too; write it once",
                    api->roles->line);
    api->roles = v;
    api->roles_file = im->file;
}

/* What is being made of one API's. */
struct making {
    struct importer *im;
    struct import_api *api;
    struct json *grants;
};

static void push(struct making *x, struct json *list, const struct json *v)
{
    if (!list || !v || json_push(x->im->a, list, v) != ERR_OK)
        import__no_memory(x->im);
}

static struct json *add_grant(struct making *x, const char *kind, struct str name,
                              const struct json *at)
{
    struct json *grant = import__new_object(x->im, at), *methods = json_new_array(x->im->a, 4);
    import__put(x->im, grant, kind, import__new_text(x->im, name, at));
    import__put(x->im, grant, "methods", methods);
    push(x, x->grants, grant);
    return methods;
}

static const struct json *route_text(struct making *x, const struct route *r)
{
    const struct model_method *m = r->method;
    struct str text = str_eqz(m->path, "$default")
                          ? m->path
                          : import__fmt(x->im, "%.*s %.*s", STR_ARG(m->verb), STR_ARG(m->path));
    return import__new_text(x->im, text, NULL);
}

static void add_route(struct making *x, struct json *methods, const struct route *r)
{
    struct json *one = import__new_object(x->im, NULL);
    import__put(x->im, one, "route", route_text(x, r));
    push(x, methods, one);
}

/* --- the table of the API -----------------------------------------------------------------------
 */
/* With a variable in its path it is a route of the document, as it stands there. */
static void add_routes(struct making *x, struct json *methods, struct str verb, struct str path,
                       const struct json *at)
{
    size_t found = 0;
    for (const struct route *r = x->api->first_route; r; r = r->next)
        if (str_eq(r->method->path, path) &&
            (str_eqz(verb, "ANY") || str_eq(r->method->verb, verb))) {
            add_route(x, methods, r);
            found++;
        }
    if (found == 0)
        import__say(x->im, IMPORT_ERROR, spot_of(at),
                    "x-ropeline-roles: %.*s %.*s is no method of this API; with a variable in its "
                    "path it must be written as it stands there, or with * instead",
                    SHORT(verb), SHORT(path));
}

/* "GET /orders", "GET /orders/7*", "ANY /orders", "/orders" */
static void add_method(struct making *x, struct json *methods, const struct json *v)
{
    struct importer *im = x->im;
    struct str text, path;
    if (!import__text(im, v, "a method of x-ropeline-roles", &text))
        return;
    text = str_trim(text);
    struct str word = str_cut(text, ' ', &path);
    if (str_starts(text, STR("/"))) {
        word = STR("ANY");
        path = text;
    }
    const char *verb = str_eqz(word, "*") ? "ANY" : import__verb(word);
    path = str_trim(path);
    if (!verb || !str_starts(path, STR("/")) || str_chr(path, '?', 0) != SIZE_MAX) {
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "x-ropeline-roles: \"%.*s\" is not a method and a path like \"GET /orders/*\"",
                    SHORT(text));
        return;
    }
    if (str_chr(path, '{', 0) != SIZE_MAX) {
        add_routes(x, methods, str_c(verb), path, v);
        return;
    }
    struct json *one = import__new_object(im, v);
    import__put(im, one, "verb", import__new_text(im, str_c(verb), v));
    import__put(im, one, "path", import__new_text(im, path, v));
    push(x, methods, one);
}

static void read_grants(struct making *x, const struct json *of, const char *kind,
                        const char *plural)
{
    of = import__object(x->im, of, plural);
    for (size_t i = 0; of && i < of->n; i++) {
        const struct json_member *m = &of->members[i];
        struct json *methods = add_grant(x, kind, m->key, m->value);
        bool list = json_is(m->value, JSON_ARRAY);
        if (m->key.n == 0 || (list && m->value->n == 0))
            import__say(x->im, IMPORT_ERROR, spot_key(m),
                        "x-ropeline-roles: a %s has a name and at least one method", kind);
        for (size_t k = 0; k < (list ? m->value->n : 1); k++)
            add_method(x, methods, list ? m->value->items[k] : m->value);
    }
}

static void put_claim(struct making *x, struct json *out, const struct json *v, const char *name)
{
    struct str text;
    if (import__text(x->im, json_get(v, name), name, &text))
        import__put(x->im, out, name, import__new_text(x->im, text, json_get(v, name)));
}

static void read_table(struct making *x, struct json *out, const struct json *v)
{
    v = import__object(x->im, v, "x-ropeline-roles");
    if (!v)
        return;
    import__check_keys(x->im, v, &table_keys);
    put_claim(x, out, v, "roleClaim");
    put_claim(x, out, v, "permissionClaim");
    read_grants(x, json_get(v, "roles"), "role", "roles");
    read_grants(x, json_get(v, "permissions"), "permission", "permissions");
}

/* --- methods ------------------------------------------------------------------------------------
 */
/* Whether the results of what stands before it have roles. */
static bool has_roles(const struct route *r)
{
    const struct guard *g = r->access.guard;
    return g && (g->kind == GUARD_COGNITO || g->kind == GUARD_JWT ||
                 (g->kind == GUARD_TOKEN && import__judges_tokens(g)));
}

static void read_names(struct making *x, const struct route *r, const struct json *v,
                       const char *kind)
{
    bool list = json_is(v, JSON_ARRAY);
    struct str name;
    if (list && v->n == 0)
        import__say(x->im, IMPORT_ERROR, spot_of(v),
                    "%.*s %.*s: x-ropeline-roles names nobody; leave it out, or name a role",
                    LABEL(r));
    for (size_t i = 0; v && i < (list ? v->n : 1); i++)
        if (import__text(x->im, list ? v->items[i] : v, "a name in x-ropeline-roles", &name))
            add_route(x, add_grant(x, kind, name, list ? v->items[i] : v), r);
}

/* admin, [editor, admin], or {roles: [..], permissions: [..]}: any of them is enough. */
static void read_method(struct making *x, const struct route *r)
{
    const struct json *v = r->access.roles;
    if (!has_roles(r)) {
        import__say(
            x->im, IMPORT_ERROR, spot_of(v),
            "%.*s %.*s: x-ropeline-roles needs an authorizer with x-ropeline-session, or "
            "one that judges tokens itself; roles of a Lambda authorizer are its function's "
            "own business",
            LABEL(r));
        return;
    }
    if (!json_is(v, JSON_OBJECT) || import__is_intrinsic(v)) {
        read_names(x, r, v, "role");
        return;
    }
    import__check_keys(x->im, v, &method_keys);
    if (v->n == 0)
        import__say(x->im, IMPORT_ERROR, spot_of(v), "%.*s %.*s: x-ropeline-roles names nobody",
                    LABEL(r));
    read_names(x, r, json_get(v, "roles"), "role");
    read_names(x, r, json_get(v, "permissions"), "permission");
}

static void warn_of(struct making *x, const struct route *r)
{
    if (!has_roles(r) && !str_eqz(r->method->verb, "OPTIONS"))
        import__say(x->im, IMPORT_WARNING, r->access.at,
                    "%.*s %.*s: x-ropeline-roles of its API does not reach it: %s", LABEL(r),
                    r->access.guard ? "its authorizer's results have no roles" : "it is open");
}

void import__finish_roles(struct importer *im, struct import_api *api)
{
    struct json *out = import__new_object(im, api->roles), *open = json_new_array(im->a, 4);
    struct making x = {.im = im, .api = api, .grants = json_new_array(im->a, 8)};
    const char *file = im->file;
    size_t named = 0, reached = 0;
    for (const struct route *r = api->first_route; r; r = r->next) {
        named += r->access.roles != NULL;
        reached += has_roles(r);
    }
    if (!api->roles && named == 0)
        return;
    if (api->roles) {
        im->file = api->roles_file;
        read_table(&x, out, api->roles);
        if (reached == 0)
            import__say(im, IMPORT_ERROR, spot_of(api->roles),
                        "x-ropeline-roles guards nothing: no method of this API has an authorizer "
                        "with x-ropeline-session, or one that judges tokens itself");
    }
    for (const struct route *r = api->first_route; r; r = r->next) {
        im->file = r->method->at.file;
        if (r->access.roles)
            read_method(&x, r);
        else if (api->roles)
            warn_of(&x, r);
        else if (has_roles(r))
            push(&x, open, route_text(&x, r));
    }
    im->file = file;
    import__put(im, out, "grants", x.grants);
    import__put(im, out, "open", open);
    api->api->roles = out;
}
