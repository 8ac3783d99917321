/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes of HTTP APIs (specs 6.2): a full match of path and verb, static before {param}; else the
 * {proxy+} with the longest prefix that serves the verb; else $default. Invariant: a trailing slash
 * never changes who guards a request. Such a path goes to the {proxy+} or $default that the same
 * path without the slash goes to, and is nobody's where that has a route of its own. */
#include "route_int.h"

/* --- building ------------------------------------------------------------------------------- */
static enum err bad(struct errinfo *e, const struct method *m, const char *why)
{
    return errinfo_set(e, ERR_INVALID, "route %.*s: %s", STR_ARG(str_sub(m->path, 0, 120)), why);
}

static enum err put_default(struct api *api, struct method *m, struct errinfo *e)
{
    if (!str_eqz(m->verb, "ANY"))
        return bad(e, m, "it takes every method and has none of its own");
    if (api->catch_all)
        return errinfo_set(e, ERR_EXISTS, "$default is defined twice");
    api->catch_all = m;
    return ERR_OK;
}

/* The child of {name} or {name+}. Unlike in REST APIs, both may stand beside each other, and each
 * route has its own names. */
static enum err variable_child(struct arena *a, struct node **at, struct str segment, bool last,
                               const struct method *m, struct errinfo *e)
{
    bool greedy = str_ends(segment, STR("+}"));
    struct node **place = greedy ? &(*at)->greedy : &(*at)->param;
    if (segment.n == 2 + (size_t)greedy)
        return bad(e, m, "a path variable needs a name");
    if (greedy && !last)
        return bad(e, m, "a greedy path variable stands at the end");
    if (*place == NULL)
        *place = ARENA_NEW(a, struct node);
    *at = *place;
    return *place ? ERR_OK : ERR_NOMEM;
}

static bool is_variable(struct str segment)
{
    return segment.n >= 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

enum err route__http_insert(struct arena *a, struct api *api, struct method *m, struct errinfo *e)
{
    struct node *n = &api->root;
    struct str segment[LIMIT_PATH_SEGMENTS];
    size_t count, variables = 0;
    if (str_eqz(m->path, "$default"))
        return put_default(api, m, e);
    if (!str_starts(m->path, STR("/")) || !route__split(m->path, segment, &count))
        return bad(e, m, "a path begins with / and has at most 128 segments");
    if (m->path.n > 1 && str_ends(m->path, STR("/")))
        return bad(e, m,
                   "a path does not end in /: a request with a trailing slash is answered "
                   "404 or goes to {proxy+} or $default");
    for (size_t i = 0; i < count; i++) {
        enum err err = ERR_OK;
        if (segment[i].n == 0)
            return bad(e, m, "a path has no empty segments");
        if (is_variable(segment[i])) {
            if (++variables > PATH_PARAMS)
                return bad(e, m, "it has more than 16 variables");
            err = variable_child(a, &n, segment[i], i + 1 == count, m, e);
        } else if ((n = node__literal_child(a, n, segment[i])) == NULL) {
            err = ERR_NOMEM;
        }
        if (err != ERR_OK)
            return err;
    }
    return node__put(n, m, e);
}

/* --- matching ------------------------------------------------------------------------------- */
struct search {
    struct str segment[LIMIT_PATH_SEGMENTS];
    size_t segments;
    enum http_method verb;
};

/* Depth of recursion: that of the tree, which route__http_insert caps. */
static const struct method *full(const struct search *s, const struct node *n, size_t depth)
{
    if (depth == s->segments)
        return node__method(n, s->verb);
    const struct node *child = node__find_literal(n, s->segment[depth]);
    const struct method *m = child ? full(s, child, depth + 1) : NULL;
    return m || n->param == NULL ? m : full(s, n->param, depth + 1);
}

/* The greedy route with the longest prefix; of two as long, the one that turns literal first. */
static const struct method *greedy(const struct search *s, const struct node *n, size_t depth,
                                   size_t *prefix)
{
    if (depth == s->segments)
        return NULL;
    const struct node *child = node__find_literal(n, s->segment[depth]);
    size_t literal_prefix = 0, param_prefix = 0;
    const struct method *literal = child ? greedy(s, child, depth + 1, &literal_prefix) : NULL;
    const struct method *param = n->param ? greedy(s, n->param, depth + 1, &param_prefix) : NULL;
    if (param && (literal == NULL || param_prefix > literal_prefix)) {
        *prefix = param_prefix;
        return param;
    }
    *prefix = literal ? literal_prefix : depth;
    return literal ? literal : n->greedy ? node__method(n->greedy, s->verb) : NULL;
}

/* The variables of the route with what stands in their places. */
static size_t fill(const struct method *m, const struct search *s, struct str path,
                   struct path_param *params)
{
    struct str segment[LIMIT_PATH_SEGMENTS];
    size_t n, count = 0;
    if (!route__split(m->path, segment, &n))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_variable(segment[i]))
            continue;
        struct str name = str_sub(segment[i], 1, segment[i].n - 2), value = s->segment[i];
        if (str_ends(name, STR("+"))) { /* everything from here on, a trailing slash included */
            name = str_sub(name, 0, name.n - 1);
            value = str_of(value.p, (size_t)(path.p + path.n - value.p));
        }
        params[count++] = (struct path_param){name, value};
    }
    return count;
}

const struct method *route__http_match(const struct api *api, enum http_method verb,
                                       struct str path, struct path_param *params, size_t *count)
{
    struct search s;
    size_t prefix;
    bool slash = path.n > 1 && str_ends(path, STR("/"));
    s.verb = verb;
    *count = 0;
    if (verb == HTTP_OTHER || !route__split(path, s.segment, &s.segments))
        return NULL;
    const struct method *m = full(&s, &api->root, 0);
    if (m && slash)
        return NULL;
    if (m == NULL)
        m = greedy(&s, &api->root, 0, &prefix);
    if (m)
        *count = fill(m, &s, path, params);
    return m ? m : api->catch_all;
}
