/* SPDX-License-Identifier: Apache-2.0
 *
 * One API under construction: its id, its paths, its methods. Invariant: what is in the model is a
 * tree that API Gateway could have: one variable per place, greedy ones last, no method twice. */
#include "base/crypt.h"
#include "import_api_int.h"
#include "roles_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))
#define API_ID 10

struct str import__api_id(struct importer *im, struct str seed)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char digest[SHA256_BYTES];
    char id[API_ID];
    enum err err = crypt_sha256(seed, digest);
    if (err != ERR_OK) {
        import__fail(im, err);
        return STR("");
    }
    for (size_t i = 0; i < API_ID; i++)
        id[i] = letters[digest[i] % (sizeof letters - 1)];
    return import__fmt(im, "%.*s", API_ID, id);
}

static bool is_word(char c, const char *also)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(also, c));
}

static bool all_words(struct str s, const char *also)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_word(s.p[i], also))
            return false;
    return s.n > 0;
}

bool import__is_custom_id(struct str s)
{
    return s.n <= 63 && all_words(s, "-_");
}

bool import__is_stage(struct str s)
{
    return s.n <= 128 && all_words(s, "-_");
}

struct import_api *import__new_api(struct importer *im, enum api_kind kind, struct str logical,
                                   struct spot at)
{
    struct import_api *api = ARENA_NEW(im->a, struct import_api);
    struct model_api *m = ARENA_NEW(im->a, struct model_api);
    if (!api || !m) {
        import__no_memory(im);
        return NULL;
    }
    *m = (struct model_api){.kind = kind, .logical_id = logical, .at = {im->file, at.line, at.col}};
    api->api = m;
    *im->apis_end = m;
    im->apis_end = &m->next;
    if (im->last_api)
        im->last_api->next = api;
    else
        im->apis = api;
    im->last_api = api;
    return api;
}

void import__free_apis(struct importer *im)
{
    for (struct import_api *api = im->apis; api; api = api->next) {
        map_fini(&api->variables);
        map_fini(&api->routes);
        map_fini(&api->guard_names);
    }
}

void import__set_stage(struct importer *im, struct import_api *api, struct str stage,
                       struct spot at)
{
    bool http = api->api->kind == API_HTTP;
    api->api->stage = im->o->stage.n > 0 ? im->o->stage : stage;
    if (!import__is_stage(api->api->stage) && !(http && str_eqz(api->api->stage, "$default")))
        import__say(im, IMPORT_ERROR, at,
                    "StageName \"%.*s\": a stage has letters, digits, - and _ only",
                    SHORT(api->api->stage));
}

static void add_variable(struct importer *im, struct import_api *api, struct str name,
                         const struct json *v)
{
    struct model_variable **end = &api->api->variables,
                          *x = ARENA_NEW(im->a, struct model_variable);
    if (!x) {
        import__no_memory(im);
        return;
    }
    x->name = name;
    if (!import__text(im, v, "a stage variable", &x->value))
        return;
    while (*end && !str_eq((*end)->name, name))
        end = &(*end)->next;
    if (*end)
        x->next = (*end)->next;
    *end = x;
}

void import__read_variables(struct importer *im, struct import_api *api, const struct json *v)
{
    const struct json *own = im->o->variables;
    v = import__object(im, v, "the stage variables");
    for (size_t i = 0; v && i < v->n; i++)
        if (!json_gets(own, v->members[i].key)) /* an unresolved one matters no more */
            add_variable(im, api, v->members[i].key, v->members[i].value);
    for (size_t i = 0; own && i < own->n; i++)
        add_variable(im, api, own->members[i].key, own->members[i].value);
}

/* --- paths ------------------------------------------------------------------------------------ */

/* "{id}" or "{proxy+}" */
static bool is_variable(struct str s, bool *greedy)
{
    *greedy = s.n > 3 && s.p[s.n - 2] == '+';
    return s.n > 2 && s.p[0] == '{' && s.p[s.n - 1] == '}' &&
           all_words(str_sub(s, 1, s.n - 2 - *greedy), "-_.:$");
}

/* One variable child per parent: `prefix` is everything before it. */
static bool claim_variable(struct importer *im, struct import_api *api, struct str prefix,
                           struct str variable, struct spot at)
{
    const char *other = map_get(&api->variables, prefix);
    if (other && str_eqz(variable, other))
        return true;
    if (other) {
        import__say(im, IMPORT_ERROR, at,
                    "A sibling (%s) of this resource already has a variable path part -- only one "
                    "is allowed",
                    other);
        return false;
    }
    char *copy = arena_cstr(im->a, variable);
    enum err err = copy ? map_put(&api->variables, prefix, copy, NULL) : ERR_NOMEM;
    if (err != ERR_OK)
        import__fail(im, err);
    return err == ERR_OK;
}

static bool check_segment(struct importer *im, struct import_api *api, struct str path,
                          struct str segment, struct spot at)
{
    bool greedy;
    size_t start = (size_t)(segment.p - path.p), end = start + segment.n;
    if (str_eqz(segment, ".") || str_eqz(segment, "..") || segment.n == 0) {
        import__say(im, IMPORT_ERROR, at, "the path %.*s has %s", SHORT(path),
                    segment.n ? "a dot segment, which no request can reach" : "an empty segment");
        return false;
    }
    if (is_variable(segment, &greedy)) {
        if (greedy && end < path.n) {
            import__say(im, IMPORT_ERROR, at,
                        "Cannot create a child of a resource with a greedy path variable: %.*s",
                        SHORT(segment));
            return false;
        }
        return claim_variable(im, api, str_sub(path, 0, start), segment, at);
    }
    if (all_words(segment, "-_.:~$,"))
        return true;
    import__say(im, IMPORT_ERROR, at,
                "the path part \"%.*s\": Resource's path part only allow a-zA-Z0-9._-: or a valid "
                "greedy path variable and curly braces at the beginning and the end",
                SHORT(segment));
    return false;
}

bool import__check_path(struct importer *im, struct import_api *api, struct str path,
                        struct spot at, struct str *clean)
{
    size_t segments = 0;
    *clean = path;
    bool http = api->api->kind == API_HTTP;
    if (http && (str_eqz(path, "$default") || str_eqz(path, "/$default"))) {
        *clean = STR("$default");
        return true;
    }
    if (!str_starts(path, STR("/"))) {
        import__say(im, IMPORT_ERROR, at, "the path \"%.*s\" must begin with /", SHORT(path));
        return false;
    }
    if (path.n == 1)
        return true;
    if (path.p[path.n - 1] == '/') {
        path.n--;
        import__say(im, IMPORT_NOTE, at,
                    "the / at the end of %.*s is dropped: it makes no other "
                    "resource",
                    SHORT(*clean));
        *clean = path;
    }
    for (struct str rest = str_from(path, 1); rest.p;) {
        struct str segment = str_cut(rest, '/', &rest);
        if (segment.n == 0)
            segment.p = path.p; /* an empty one has no place of its own */
        if (!check_segment(im, api, path, segment, at))
            return false;
        if (++segments > LIMIT_PATH_SEGMENTS) {
            import__say(im, IMPORT_ERROR, at, "the path has more than %d segments",
                        LIMIT_PATH_SEGMENTS);
            return false;
        }
    }
    return true;
}

/* --- methods ---------------------------------------------------------------------------------- */

const char *import__verb(struct str s)
{
    static const char *const verbs[] = {"GET",   "POST", "PUT",     "DELETE",
                                        "PATCH", "HEAD", "OPTIONS", "ANY"};
    for (size_t i = 0; i < COUNTOF(verbs); i++)
        if (str_ieq(s, str_c(verbs[i])))
            return verbs[i];
    return NULL;
}

struct route *import__find_route(struct importer *im, const struct import_api *api, struct str path,
                                 const char *verb)
{
    return map_get(&api->routes, import__fmt(im, "%s %.*s", verb, STR_ARG(path)));
}

struct route *import__add_route(struct importer *im, struct import_api *api, struct str path,
                                const char *verb, struct spot at)
{
    struct str key = import__fmt(im, "%s %.*s", verb, STR_ARG(path));
    const struct route *other = map_get(&api->routes, key);
    if (other) {
        import__say(im, IMPORT_ERROR, at,
                    "API method \"%s\" defined multiple times for path "
                    "\"%.*s\"; the other is in line %u",
                    verb, SHORT(path), other->method->at.line);
        return NULL;
    }
    struct route *r = ARENA_NEW(im->a, struct route);
    struct model_method *m = ARENA_NEW(im->a, struct model_method);
    enum err err = r && m ? map_put(&api->routes, key, r, NULL) : ERR_NOMEM;
    if (err != ERR_OK) {
        import__fail(im, err);
        return NULL;
    }
    *m =
        (struct model_method){.path = path, .verb = str_c(verb), .at = {im->file, at.line, at.col}};
    r->method = m;
    if (api->last_route) {
        api->last_route->next = r;
        api->last_route->method->next = m;
    } else {
        api->first_route = r;
        api->api->methods = m;
    }
    api->last_route = r;
    return r;
}

/* --- at the end ------------------------------------------------------------------------------- */

/* An API may be there several times, once for each of its stages. */
static void check_id(struct importer *im, const struct import_api *api)
{
    struct model_api *m = api->api;
    struct spot at = {m->at.line, m->at.col};
    struct str key = import__fmt(im, "%.*s/%.*s", STR_ARG(m->id), STR_ARG(m->stage));
    const struct model_api *other = map_get(&im->ids, m->id);
    if (other && (other->at.file != m->at.file || other->at.line != at.line ||
                  !str_eq(other->logical_id, m->logical_id)))
        import__say(im, IMPORT_ERROR, at,
                    "the API id %.*s is taken already; give one of the two a tag _custom_id_",
                    SHORT(m->id));
    else if (map_get(&im->ids, key))
        import__say(im, IMPORT_ERROR, at, "the API %.*s has two stages named %.*s", SHORT(m->id),
                    SHORT(m->stage));
    enum err err = map_put(&im->ids, m->id, m, NULL);
    if (err == ERR_OK)
        err = map_put(&im->ids, key, m, NULL);
    if (err != ERR_OK)
        import__fail(im, err);
}

/* Only now, because an event of SAM may have replaced what the definition said. */
static void read_integration(struct importer *im, struct import_api *api, struct route *r)
{
    struct model_method *m = r->method;
    if (!m->integration && !r->given)
        import__say(im, IMPORT_ERROR, (struct spot){m->at.line, m->at.col},
                    "No integration defined for method %.*s %.*s; add "
                    "x-amazon-apigateway-integration",
                    SHORT(m->verb), SHORT(m->path));
    if (m->integration || !r->given)
        return;
    api->doc = r->doc;
    m->integration = api->api->kind == API_HTTP ? import__http_integration(im, api, r, r->given)
                                                : import__integration(im, api, r, r->given);
}

void import__finish_api(struct importer *im, struct import_api *api)
{
    const char *file = im->file;
    check_id(im, api);
    for (struct route *r = api->first_route; r; r = r->next) {
        struct model_method *m = r->method;
        im->file = m->at.file;
        im->literal = api->literal && r->given;
        m->method = import__method(im, api, r);
        read_integration(im, api, r);
        im->literal = false;
    }
    im->file = file;
    import__finish_roles(im, api);
    import__lint(im, api);
    if (!api->first_route)
        import__say(im, IMPORT_NOTE, (struct spot){api->api->at.line, api->api->at.col},
                    "this API has no methods");
}
