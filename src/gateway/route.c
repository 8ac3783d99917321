/* SPDX-License-Identifier: Apache-2.0
 *
 * From host, verb and canonical path to one method. Literal segments win over {param}, {param} over
 * {proxy+}; when the best resource lacks the verb, the most specific greedy resource above it that
 * serves the verb answers (specs 6.1). Invariant: matching only reads; the same bytes always find
 * the same method. */
#include "route_int.h"

#include "domain_int.h"

/* --- building ------------------------------------------------------------------------------- */
struct node *node__literal_child(struct arena *a, struct node *n, struct str segment)
{
    size_t at = 0, end = n->literal_count;
    while (at < end) { /* ten thousand siblings cost no square */
        size_t middle = at + (end - at) / 2;
        if (str_cmp(n->literals[middle]->segment, segment) < 0)
            at = middle + 1;
        else
            end = middle;
    }
    if (at < n->literal_count && str_eq(n->literals[at]->segment, segment))
        return n->literals[at];
    struct node *child = ARENA_NEW(a, struct node);
    struct node **grown = n->literals;
    /* The array has room for the next power of two. */
    bool full = (n->literal_count & (n->literal_count - 1)) == 0;
    if (full)
        grown = ARENA_ARRAY(a, n->literal_count ? 2 * n->literal_count : 1, struct node *);
    if (child == NULL || grown == NULL)
        return NULL;
    child->segment = segment;
    if (full && n->literal_count > 0)
        memcpy(grown, n->literals, at * sizeof *grown);
    if (n->literal_count > 0)
        memmove(grown + at + 1, n->literals + at, (n->literal_count - at) * sizeof *grown);
    grown[at] = child;
    n->literals = grown;
    n->literal_count++;
    return child;
}

static enum err variable_child(struct arena *a, struct node *n, struct str segment,
                               struct node **out, struct errinfo *e)
{
    struct str name = str_sub(segment, 1, segment.n - 2);
    bool greedy = str_ends(name, STR("+"));
    if (greedy)
        name = str_sub(name, 0, name.n - 1);
    struct node *taken = n->param ? n->param : n->greedy;
    if (name.n == 0)
        return errinfo_set(e, ERR_INVALID, "a path variable needs a name");
    if (taken && ((n->greedy != NULL) != greedy || !str_eq(taken->variable, name)))
        return errinfo_set(
            e, ERR_INVALID,
            "A sibling ({%.*s%s}) of this resource already has a variable path part -- "
            "only one is allowed",
            STR_ARG(taken->variable), n->greedy ? "+" : "");
    if (taken == NULL) {
        taken = ARENA_NEW(a, struct node);
        if (taken == NULL)
            return ERR_NOMEM;
        taken->variable = name;
        *(greedy ? &n->greedy : &n->param) = taken;
    }
    *out = taken;
    return ERR_OK;
}

enum err node__put(struct node *n, struct method *m, struct errinfo *e)
{
    enum http_method slot = str_eqz(m->verb, "ANY") ? METHOD_ANY : http_method_of(m->verb);
    if (slot == HTTP_OTHER && !str_eqz(m->verb, "ANY"))
        return errinfo_set(
            e, ERR_INVALID,
            "%.*s is no method of API Gateway: GET, PUT, POST, DELETE, PATCH, OPTIONS, HEAD "
            "or ANY",
            STR_ARG(str_sub(m->verb, 0, 20)));
    if (n->methods[slot])
        return errinfo_set(e, ERR_EXISTS, "%.*s %.*s is defined twice", STR_ARG(m->verb),
                           STR_ARG(m->path));
    n->methods[slot] = m;
    return ERR_OK;
}

/* Inserts and freezes; two methods for one verb and path are a contradiction. */
enum err route__insert(struct arena *a, struct node *root, struct method *m, struct errinfo *e)
{
    struct node *n = root;
    struct str rest = m->path, segment;
    if (!str_starts(rest, STR("/")))
        return errinfo_set(e, ERR_INVALID, "a resource path begins with /: %.*s", STR_ARG(rest));
    rest = str_from(rest, 1);
    size_t depth = 0, variables = 0;
    while (rest.n > 0) {
        segment = str_cut(rest, '/', &rest);
        if (++depth > LIMIT_PATH_SEGMENTS)
            return errinfo_set(e, ERR_LIMIT, "a resource path has at most %d segments",
                               LIMIT_PATH_SEGMENTS);
        if (segment.n == 0)
            return errinfo_set(e, ERR_INVALID, "a resource path has no empty segments: %.*s",
                               STR_ARG(m->path));
        if (segment.n >= 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}') {
            struct node *child = NULL;
            if (++variables > PATH_PARAMS)
                return errinfo_set(e, ERR_LIMIT, "a resource path has at most %d variables",
                                   PATH_PARAMS);
            enum err err = variable_child(a, n, segment, &child, e);
            if (err != ERR_OK)
                return err;
            if (child == n->greedy && rest.n > 0)
                return errinfo_set(
                    e, ERR_INVALID,
                    "Cannot create a child of a resource with a greedy path variable: %.*s",
                    STR_ARG(segment));
            n = child;
        } else if ((n = node__literal_child(a, n, segment)) == NULL) {
            return ERR_NOMEM;
        }
    }
    return node__put(n, m, e);
}

/* --- matching ------------------------------------------------------------------------------- */
struct search {
    struct str segment[LIMIT_PATH_SEGMENTS];
    const char *end; /* of the whole path, trailing slash included */
    size_t segments;
    enum http_method verb;
    struct path_param *params;
    size_t count;
    /* the most specific greedy node passed that serves the verb, for the fall-back */
    const struct method *fallback;
    size_t fallback_depth, fallback_from;
    struct path_param fallback_params[PATH_PARAMS];
    size_t fallback_count;
};

const struct method *node__method(const struct node *n, enum http_method verb)
{
    if (verb == HTTP_OTHER)
        return NULL;
    return n->methods[verb] ? n->methods[verb] : n->methods[METHOD_ANY];
}

static bool has_methods(const struct node *n)
{
    for (size_t i = 0; i <= HTTP_OTHER; i++)
        if (n->methods[i])
            return true;
    return false;
}

const struct node *node__find_literal(const struct node *n, struct str segment)
{
    size_t lo = 0, hi = n->literal_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = str_cmp(n->literals[mid]->segment, segment);
        if (order == 0)
            return n->literals[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static void set_param(struct search *s, size_t at, struct str name, struct str value)
{
    s->params[at] = (struct path_param){name, value};
    s->count = at + 1;
}

/* The value of {proxy+}: everything from this segment on, with the trailing slash if there is one.
 */
static struct str greedy_value(const struct search *s, size_t depth)
{
    const char *from = s->segment[depth].p;
    return str_of(from, (size_t)(s->end - from));
}

static void note_fallback(struct search *s, const struct node *greedy, size_t depth, size_t count)
{
    const struct method *m = node__method(greedy, s->verb);
    if (m == NULL || (s->fallback && s->fallback_depth >= depth))
        return;
    s->fallback = m;
    s->fallback_depth = depth;
    memcpy(s->fallback_params, s->params, count * sizeof *s->params);
    s->fallback_params[count] = (struct path_param){greedy->variable, greedy_value(s, depth)};
    s->fallback_count = count + 1;
}

/* The best resource for the segments from `depth` on, whatever its verbs; NULL when none. The depth
 * of recursion is that of the tree, which route__insert caps. */
static const struct node *best(struct search *s, const struct node *n, size_t depth, size_t count)
{
    if (depth == s->segments) {
        s->count = count;
        return has_methods(n) ? n : NULL;
    }
    struct str segment = s->segment[depth];
    if (n->greedy)
        note_fallback(s, n->greedy, depth, count);
    const struct node *child = node__find_literal(n, segment);
    const struct node *found = child ? best(s, child, depth + 1, count) : NULL;
    if (found == NULL && n->param) {
        set_param(s, count, n->param->variable, segment);
        found = best(s, n->param, depth + 1, count + 1);
    }
    if (found == NULL && n->greedy && has_methods(n->greedy)) {
        set_param(s, count, n->greedy->variable, greedy_value(s, depth));
        found = n->greedy;
    }
    return found;
}

bool route__split(struct str path, struct str *segment, size_t *n)
{
    struct str rest = str_from(path, 1);
    *n = 0;
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    while (rest.n > 0) {
        if (*n == LIMIT_PATH_SEGMENTS)
            return false;
        segment[(*n)++] = str_cut(rest, '/', &rest);
        if (rest.p && rest.n == 0 && *n < LIMIT_PATH_SEGMENTS)
            segment[(*n)++] = rest; /* "//" at the end, where it is admitted */
    }
    return true;
}

const struct method *route__match(const struct api *api, enum http_method verb, struct str path,
                                  struct path_param *params, size_t *count)
{
    if (api->kind == API_HTTP)
        return route__http_match(api, verb, path, params, count);
    struct search s;
    s.end = path.p + path.n;
    s.count = 0;
    s.verb = verb;
    s.params = params;
    s.fallback = NULL;
    *count = 0;
    if (!route__split(path, s.segment, &s.segments))
        return NULL;
    const struct node *n = best(&s, &api->root, 0, 0);
    const struct method *m = n ? node__method(n, verb) : NULL;
    if (m) {
        *count = s.count;
        return m;
    }
    if (n == NULL || s.fallback == NULL)
        return NULL;
    memcpy(params, s.fallback_params, s.fallback_count * sizeof *params);
    *count = s.fallback_count;
    return s.fallback;
}

/* --- host and stage ------------------------------------------------------------------------- */
const struct api *route__api_with(const struct snapshot *s, struct str id, struct str stage)
{
    for (const struct api *a = s->apis; a; a = a->next)
        if (str_eq(a->id, id) && str_eq(a->stage, stage))
            return a;
    return NULL;
}

struct str route__cut_segment(struct str *path)
{
    struct str rest, first = str_cut(str_from(*path, 1), '/', &rest);
    if (rest.p == NULL)
        *path = STR("/");
    else
        *path = str_of(rest.p - 1, rest.n + 1);
    return first;
}

/* The API that a Host "ID.execute-api.anything" names; p is NULL when it names none. */
static struct str host_id(struct str host)
{
    size_t at = str_find(host, STR(".execute-api."));
    return at == SIZE_MAX ? STR_NONE : str_sub(host, 0, at);
}

/* Of all APIs, or of the one that the host names. */
static const struct api *api_at(const struct snapshot *s, struct str id, struct str stage,
                                const char **why)
{
    if (id.p)
        return route__api_with(s, id, stage);
    for (const struct api *a = s->apis; a; a = a->next) {
        if (!str_eq(a->stage, stage))
            continue;
        if (!a->stage_is_ambiguous)
            return a;
        *why = "several APIs have a stage of that name: use Host API_ID.execute-api.localhost or "
               "/restapis/API_ID/STAGE/_user_request_/...";
        return NULL;
    }
    return NULL;
}

static const struct api *by_stage(const struct snapshot *s, struct str host, struct str path,
                                  struct str *below, const char **why)
{
    const struct str rest_prefix = STR("/restapis/"), by_default = STR("$default");
    struct str own = host_id(host);
    *below = path;
    *why = "no stage of that name";
    if (str_starts(path, rest_prefix)) {
        struct str tail = str_from(path, rest_prefix.n - 1);
        struct str id = route__cut_segment(&tail), stage = route__cut_segment(&tail);
        if (str_eqz(route__cut_segment(&tail), "_user_request_")) {
            *below = tail;
            return route__api_with(s, id, stage);
        }
    }
    struct str stage = route__cut_segment(below);
    const struct api *named = str_eq(stage, by_default) ? NULL : api_at(s, own, stage, why);
    if (named)
        return named;
    *below = path; /* $default has no segment of its own */
    return api_at(s, own, by_default, why);
}

const struct api *route__api(const struct snapshot *s, struct str host, struct str path,
                             struct str *below, const char **why)
{
    const struct domain *d = domain__find(s, host);
    if (d)
        return domain__api(s, d, path, below, why);
    const struct api *api = by_stage(s, host, path, below, why);
    if (api == NULL || !api->only_by_domain)
        return api;
    *why = "the default endpoint is disabled (disableExecuteApiEndpoint): call a custom domain";
    return NULL;
}

enum api_kind route__manner(const struct snapshot *s, struct str host)
{
    struct str id = host_id(host);
    const struct domain *d = domain__find(s, host);
    enum api_kind kind = API_HTTP;
    if (d && d->path_count > 0 && d->paths[0].api)
        return d->paths[0].api->kind;
    for (const struct api *a = s->apis; a; a = a->next) {
        if (id.p && str_eq(a->id, id))
            return a->kind;
        if (a->kind == API_REST)
            kind = API_REST;
    }
    return s->apis ? kind : API_REST;
}
