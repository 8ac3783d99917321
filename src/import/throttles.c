/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of a stage, and CORS of an HTTP API, in the words of the model. Invariant: a limit that
 * is written is a limit in the model, or the document is refused: none is lost on the way. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

/* A number that may be a fraction, or the text of a whole one; NULL, reported, for anything else.
 */
static const struct json *limit(struct importer *im, const struct json *v, const char *what)
{
    struct str text;
    uint64_t n;
    if (json_is(v, JSON_NUMBER) && v->real >= 0)
        return v;
    if (!import__text(im, v, what, &text))
        return NULL;
    if (str_u64(text, &n) && n <= INT64_MAX)
        return json_new_int(im->a, (int64_t)n);
    import__say(im, IMPORT_ERROR, spot_of(v), "%s must be a number that is not negative", what);
    return NULL;
}

const struct json *import__throttle(struct importer *im, const struct json *v)
{
    static const struct {
        const char *names[2], *as;
    } rows[] = {
        {{"ThrottlingRateLimit", "throttlingRateLimit"}, "throttlingRateLimit"},
        {{"ThrottlingBurstLimit", "throttlingBurstLimit"}, "throttlingBurstLimit"},
    };
    struct json *out = NULL;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const struct json *given = json_get(v, rows[i].names[0]);
        if (!given)
            given = json_get(v, rows[i].names[1]);
        const struct json *number = given ? limit(im, given, rows[i].as) : NULL;
        if (!number)
            continue;
        if (!out)
            out = import__new_object(im, v);
        import__put(im, out, rows[i].as, number);
    }
    return out;
}

const struct json *import__limits(struct importer *im, const struct json *v)
{
    v = import__object(im, v, "a quota or a throttle");
    struct json *out = v ? import__camel(im, v) : NULL;
    for (size_t i = 0; out && i < out->n; i++) {
        struct json_member *m = &out->members[i];
        struct str text;
        if (!str_eqz(m->key, "period"))
            m->value = limit(im, m->value, "a limit");
        else if (import__text(im, m->value, "Period", &text))
            m->value = import__new_text(im, text, m->value);
        if (!m->value) /* reported */
            m->value = json_new_int(im->a, 0);
    }
    return out;
}

/* "/~1pets~1{id}" and "/pets/{id}" -> "pets/{id}". */
static struct str setting_path(struct importer *im, struct str path)
{
    char *p = arena_cstr(im->a, path);
    size_t n = 0;
    if (!p) {
        import__no_memory(im);
        return STR("");
    }
    for (size_t i = 0; i < path.n; i++) {
        bool slash = p[i] == '~' && i + 1 < path.n && p[i + 1] == '1';
        p[n++] = slash ? '/' : p[i];
        i += slash;
    }
    struct str s = str_of(p, n);
    while (str_starts(s, STR("/")))
        s = str_from(s, 1);
    return s;
}

void import__set_method_settings(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str path, verb;
    v = import__array(im, v, "MethodSettings");
    for (size_t i = 0; v && i < v->n; i++) {
        const struct json *one = import__object(im, v->items[i], "MethodSettings");
        if (import__is_true(json_get(one, "CachingEnabled")))
            import__say(im, IMPORT_NOTE, spot_of(json_get(one, "CachingEnabled")),
                        "answers are not cached; every request reaches the backend");
        const struct json *throttle = import__throttle(im, one);
        if (!throttle)
            continue;
        if (!import__text(im, json_get(one, "ResourcePath"), "ResourcePath", &path) ||
            !import__text(im, json_get(one, "HttpMethod"), "HttpMethod", &verb)) {
            import__say(im, IMPORT_ERROR, spot_of(one),
                        "MethodSettings needs a ResourcePath and an HttpMethod");
            continue;
        }
        path = setting_path(im, path);
        import__add_member(
            im, &api->api->method_settings,
            import__fmt(im, "%.*s/%.*s", STR_ARG(path), STR_ARG(import__upper(im, verb))),
            throttle);
    }
}

void import__set_route_settings(struct importer *im, struct import_api *api, const struct json *v)
{
    v = import__object(im, v, "RouteSettings");
    for (size_t i = 0; v && i < v->n; i++) {
        const struct json *one = import__object(im, v->members[i].value, "RouteSettings");
        const struct json *throttle = one ? import__throttle(im, one) : NULL;
        if (throttle)
            import__add_member(im, &api->api->route_settings, v->members[i].key, throttle);
    }
}

/* --- CORS of an HTTP API -----------------------------------------------------------------------
 */

static const struct key_row cors_rows[] = {
    {"allowCredentials", KEY_READ, NULL}, {"allowHeaders", KEY_READ, NULL},
    {"allowMethods", KEY_READ, NULL},     {"allowOrigins", KEY_READ, NULL},
    {"exposeHeaders", KEY_READ, NULL},    {"maxAge", KEY_READ, NULL},
};
static const struct key_table cors_keys = {"CorsConfiguration", cors_rows, COUNTOF(cors_rows),
                                           KEY_REFUSE};

static const struct json *list_of(struct importer *im, const struct json *v, const char *what)
{
    struct json *list = json_new_array(im->a, 4);
    struct str text;
    for (size_t i = 0; list && (v->type == JSON_ARRAY ? i < v->n : i < 1); i++) {
        const struct json *item = v->type == JSON_ARRAY ? v->items[i] : v;
        if (import__text(im, item, what, &text) &&
            json_push(im->a, list, import__new_text(im, text, item)) != ERR_OK)
            import__no_memory(im);
    }
    if (!list)
        import__no_memory(im);
    return list;
}

static bool holds(const struct json *list, const char *word)
{
    for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->n; i++)
        if (str_eqz(list->items[i]->s, word))
            return true;
    return false;
}

void import__set_http_cors(struct importer *im, struct import_api *api, const struct json *v)
{
    static const char *const lists[] = {"allowHeaders", "allowMethods", "allowOrigins",
                                        "exposeHeaders"};
    int64_t age;
    struct json *out = import__new_object(im, v);
    if (json_is_bool(v) && out) { /* SAM: true is every origin */
        struct json *all = json_new_array(im->a, 1);
        if (!all || json_push(im->a, all, import__new_text(im, STR("*"), v)) != ERR_OK)
            import__no_memory(im);
        else if (import__is_true(v))
            import__put(im, out, "allowOrigins", all);
        api->api->cors = import__is_true(v) ? out : NULL;
        return;
    }
    if (!import__object(im, v, "CorsConfiguration") || !out)
        return;
    v = import__camel(im, v);
    import__check_keys(im, v, &cors_keys);
    for (size_t i = 0; i < COUNTOF(lists); i++)
        if (json_get(v, lists[i]))
            import__put(im, out, lists[i], list_of(im, json_get(v, lists[i]), lists[i]));
    if (import__number(im, json_get(v, "maxAge"), "maxAge", -1, 86400, &age))
        import__put(im, out, "maxAge", json_new_int(im->a, age));
    const struct json *credentials = json_get(v, "allowCredentials");
    bool yes = import__flag(im, credentials, "allowCredentials", false);
    if (credentials)
        import__put(im, out, "allowCredentials", json_new_bool(im->a, yes));
    if (yes && (holds(json_get(out, "allowOrigins"), "*") || !json_get(out, "allowOrigins")))
        import__say(im, IMPORT_ERROR, spot_of(credentials),
                    "AllowCredentials does not go together with an AllowOrigins of '*', or none");
    api->api->cors = out;
}
