/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading what a person wrote. Invariant: a value that is there but cannot be used is reported at
 * its place; only an absent one passes without a word. */
#include <stdio.h>

#include "import_int.h"

/* True when `v` is there and may be looked at; an intrinsic that could not be resolved is not. */
static bool usable(struct importer *im, const struct json *v, const char *what)
{
    struct reason why;
    if (!v)
        return false;
    if (!import__is_intrinsic(v))
        return true;
    import__explain(im, v, &why);
    import__say(im, IMPORT_ERROR, spot_of(v), "%s: %s", what, why.text);
    return false;
}

static const struct json *of_type(struct importer *im, const struct json *v, const char *what,
                                  enum json_type type)
{
    if (!usable(im, v, what))
        return NULL;
    if (v->type == type)
        return v;
    import__say(im, IMPORT_ERROR, spot_of(v), "%s must be %s, not %s", what,
                type == JSON_OBJECT ? "an object" : "a list", json_type_name(v->type));
    return NULL;
}

const struct json *import__object(struct importer *im, const struct json *v, const char *what)
{
    return of_type(im, v, what, JSON_OBJECT);
}

const struct json *import__array(struct importer *im, const struct json *v, const char *what)
{
    return of_type(im, v, what, JSON_ARRAY);
}

bool import__scalar(const struct json *v, struct str *out)
{
    if (json_is(v, JSON_STRING) || json_is(v, JSON_NUMBER))
        *out = v->s;
    else if (json_is_bool(v))
        *out = v->type == JSON_TRUE ? STR("true") : STR("false");
    else
        return false;
    return true;
}

bool import__text(struct importer *im, const struct json *v, const char *what, struct str *out)
{
    if (!usable(im, v, what))
        return false;
    if (!import__scalar(v, out)) {
        import__say(im, IMPORT_ERROR, spot_of(v), "%s must be text, not %s", what,
                    json_type_name(v->type));
        return false;
    }
    if (str_find(*out, STR("{{resolve:")) == SIZE_MAX)
        return true;
    import__say(im, IMPORT_ERROR, spot_of(v),
                "%s: {{resolve:...}} is looked up by CloudFormation and unknown here; use a "
                "parameter and --param",
                what);
    return false;
}

bool import__is_true(const struct json *v)
{
    return json_is(v, JSON_TRUE) || (json_is(v, JSON_STRING) && str_ieq(v->s, STR("true")));
}

bool import__flag(struct importer *im, const struct json *v, const char *what, bool fallback)
{
    if (!usable(im, v, what))
        return fallback;
    if (import__is_true(v))
        return true;
    if (json_is(v, JSON_FALSE) || (json_is(v, JSON_STRING) && str_ieq(v->s, STR("false"))))
        return false;
    import__say(im, IMPORT_ERROR, spot_of(v), "%s must be true or false", what);
    return fallback;
}

bool import__number(struct importer *im, const struct json *v, const char *what, int64_t low,
                    int64_t high, int64_t *out)
{
    uint64_t n;
    int64_t i = -1;
    if (!usable(im, v, what))
        return false;
    bool whole = json_int(v, &i);
    if (!whole && json_is(v, JSON_STRING) && str_u64(v->s, &n) && n <= INT64_MAX) {
        whole = true;
        i = (int64_t)n;
    }
    if (!whole || i < low || i > high) {
        import__say(im, IMPORT_ERROR, spot_of(v), "%s must be a whole number from %lld to %lld",
                    what, (long long)low, (long long)high);
        return false;
    }
    *out = i;
    return true;
}

static const enum import_severity severities[] = {
    [KEY_NOTE] = IMPORT_NOTE, [KEY_WARN] = IMPORT_WARNING, [KEY_REFUSE] = IMPORT_ERROR};

static bool is_empty(const struct json *v)
{
    if (v->type == JSON_OBJECT || v->type == JSON_ARRAY)
        return v->n == 0;
    return v->type == JSON_NULL || v->type == JSON_FALSE || (v->type == JSON_STRING && v->s.n == 0);
}

/* A name without a row. What differs from a known one in case only is never let pass: somebody
 * meant it, and AWS would not see it. */
static void check_unknown(struct importer *im, const struct json_member *m,
                          const struct key_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_ieq(m->key, str_c(t->rows[i].name))) {
            import__say(im, IMPORT_ERROR, spot_key(m), "\"%.*s\" is spelled %s", STR_ARG(m->key),
                        t->rows[i].name);
            return;
        }
    bool extension = str_starts(m->key, STR("x-"));
    bool refused = str_starts(m->key, STR("x-amazon-apigateway-")) ||
                   str_starts(m->key, STR("x-ropeline-")) || str_starts(m->key, STR("Fn::")) ||
                   str_eqz(m->key, "$ref");
    enum key_rule rule = refused ? KEY_REFUSE : extension ? KEY_SILENT : t->unknown;
    if (rule != KEY_SILENT)
        import__say(im, severities[rule], spot_key(m),
                    "%s has no property \"%.*s\" that is known here", t->what,
                    STR_ARG(str_sub(m->key, 0, 80)));
}

static void check_key(struct importer *im, const struct json_member *m, const struct key_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct key_row *row = &t->rows[i];
        if (!str_eqz(m->key, row->name))
            continue;
        if (row->rule != KEY_READ && row->rule != KEY_SILENT && !is_empty(m->value))
            import__say(im, severities[row->rule], spot_key(m), "%s: %s", row->name, row->text);
        return;
    }
    check_unknown(im, m, t);
}

void import__check_keys(struct importer *im, const struct json *object, const struct key_table *t)
{
    for (size_t i = 0; json_is(object, JSON_OBJECT) && i < object->n; i++)
        check_key(im, &object->members[i], t);
}

struct json *import__new_object(struct importer *im, const struct json *place)
{
    struct json *v = json_new_object(im->a, 8);
    if (!v)
        import__no_memory(im);
    else if (place) {
        v->line = place->line;
        v->col = place->col;
    }
    return v;
}

void import__put(struct importer *im, struct json *object, const char *key, const struct json *v)
{
    if (!object || !v || json_set(im->a, object, str_c(key), v) != ERR_OK)
        import__no_memory(im);
}

const struct json *import__new_text(struct importer *im, struct str s, const struct json *place)
{
    struct json *v = json_new_str(im->a, s);
    if (!v)
        import__no_memory(im);
    else if (place) {
        v->line = place->line;
        v->col = place->col;
    }
    return v;
}

struct str import__upper(struct importer *im, struct str s)
{
    char *p = arena_cstr(im->a, s);
    if (!p) {
        import__no_memory(im);
        return STR("");
    }
    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 'a' + 'A');
    return str_of(p, s.n);
}

struct str import__fmt(struct importer *im, const char *fmt, ...)
{
    AUTO_BUF b = BUF_INIT(LIMIT_RESOLVED_TEXT);
    char small[512];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    struct str s = str_of(small, n < 0 ? 0 : (size_t)n);
    if (s.n >= sizeof small) {
        char *room = buf_reserve(&b, s.n + 1);
        if (!room) {
            va_end(again);
            import__fail(im, b.err);
            return STR("");
        }
        vsnprintf(room, s.n + 1, fmt, again);
        s.p = room;
    }
    va_end(again);
    struct str copy = arena_str(im->a, s);
    if (!copy.p) {
        import__no_memory(im);
        return STR("");
    }
    return copy;
}
