/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions of a template, and Fn::If. Invariant: a condition whose outcome is not known is never
 * taken to be true or false; what hangs on it stays unresolved. */
#include <stdio.h>

#include "import_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 80))

/* One row of the section Conditions. */
struct condition {
    const struct json *node;
    enum symbol_state state;
    bool value;
    struct reason why; /* it is not known */
};

void import__read_conditions(struct importer *im, const struct json *section)
{
    section = import__object(im, section, "Conditions");
    for (size_t i = 0; section && i < section->n; i++) {
        const struct json_member *m = &section->members[i];
        struct condition *c = ARENA_NEW(im->a, struct condition);
        if (!c) {
            import__no_memory(im);
            return;
        }
        c->node = m->value;
        enum err err = map_put(&im->conditions, m->key, c, NULL);
        if (err != ERR_OK)
            import__fail(im, err);
    }
}

/* A boolean, a condition by name, or a function that gives one. */
static bool truth(struct importer *im, const struct json *v, bool *out, struct reason *why)
{
    const struct json *name = json_get(v, "Condition");
    if (json_is(name, JSON_STRING) && v->n == 1)
        return import__condition(im, name->s, out, why);
    const struct json *result = import__eval(im, v, why);
    if (!result)
        return false;
    bool yes = import__is_true(result);
    if (!yes && !json_is(result, JSON_FALSE) &&
        !(json_is(result, JSON_STRING) && str_ieq(result->s, STR("false"))))
        return UNRESOLVED(why, "a condition must come to true or false");
    *out = yes;
    return true;
}

/* A bare document has no conditions: --param says what they come to, or check judges it for both
 * outcomes. */
static bool supposed(struct importer *im, struct str name, bool *out)
{
    struct symbol *given = import__symbol(im, name);
    if (given) {
        given->asked = true;
        *out = import__is_true(given->value);
        return true;
    }
    if (im->world == WORLD_AS_SAID)
        return false;
    if (im->supposed.n == 0)
        im->supposed = name;
    *out = im->world == WORLD_ALL_TRUE;
    return true;
}

bool import__condition(struct importer *im, struct str name, bool *out, struct reason *why)
{
    struct condition *c = map_get(&im->conditions, name);
    if (!c && im->bare && supposed(im, name, out))
        return true;
    if (!c)
        return UNRESOLVED(why, "there is no condition %.*s in this document%s", SHORT(name),
                          im->bare ? "; give its outcome with --param" : "");
    if (c->state == SYMBOL_BUSY)
        return UNRESOLVED(why, "the condition %.*s leads to itself", SHORT(name));
    if (c->state == SYMBOL_FRESH && im->depth >= LIMIT_JSON_DEPTH)
        return UNRESOLVED(why, "the condition %.*s is reached through too many others",
                          SHORT(name));
    if (c->state == SYMBOL_FRESH) {
        c->state = SYMBOL_BUSY;
        im->depth++;
        bool known = truth(im, c->node, &c->value, &c->why);
        im->depth--;
        c->state = known ? SYMBOL_KNOWN : SYMBOL_UNKNOWN;
    }
    if (c->state == SYMBOL_UNKNOWN)
        return UNRESOLVED(why, "the condition %.*s is not known here: %.100s", SHORT(name),
                          c->why.text);
    *out = c->value;
    return true;
}

const struct json *import__if(struct importer *im, const struct json *arg, struct reason *why)
{
    bool yes;
    if (!json_is(arg, JSON_ARRAY) || arg->n != 3 || !json_is(arg->items[0], JSON_STRING))
        return UNRESOLVED(why, "Fn::If needs [condition, value if true, value if false]");
    if (!import__condition(im, arg->items[0]->s, &yes, why))
        return NULL;
    return import__eval(im, arg->items[yes ? 1 : 2], why);
}

static const struct json *boolean(struct importer *im, bool b)
{
    struct json *v = json_new_bool(im->a, b);
    if (!v)
        import__no_memory(im);
    return v;
}

static bool same(const struct json *a, const struct json *b)
{
    struct str x, y;
    if (import__scalar(a, &x) && import__scalar(b, &y))
        return str_eq(x, y);
    if (a->type != b->type || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->type == JSON_ARRAY ? !same(a->items[i], b->items[i])
                                  : !str_eq(a->members[i].key, b->members[i].key) ||
                                        !same(a->members[i].value, b->members[i].value))
            return false;
    return a->type == JSON_ARRAY || a->type == JSON_OBJECT || a->type == JSON_NULL;
}

const struct json *import__equals(struct importer *im, const struct json *arg, struct reason *why)
{
    if (!json_is(arg, JSON_ARRAY) || arg->n != 2)
        return UNRESOLVED(why, "Fn::Equals needs [value, value]");
    const struct json *a = import__eval(im, arg->items[0], why);
    const struct json *b = a ? import__eval(im, arg->items[1], why) : NULL;
    return b ? boolean(im, same(a, b)) : NULL;
}

/* Fn::And with stop = false, Fn::Or with stop = true: one value that stops decides, known or not
 * what the others are. */
static const struct json *all_of(struct importer *im, const struct json *arg, bool stop,
                                 struct reason *why)
{
    bool known = true, yes;
    if (!json_is(arg, JSON_ARRAY) || arg->n < 1 || arg->n > 10)
        return UNRESOLVED(why, "%s needs a list of 2 to 10 conditions",
                          stop ? "Fn::Or" : "Fn::And");
    for (size_t i = 0; i < arg->n; i++) {
        if (!truth(im, arg->items[i], &yes, why))
            known = false;
        else if (yes == stop)
            return boolean(im, stop);
    }
    return known ? boolean(im, !stop) : NULL;
}

const struct json *import__and(struct importer *im, const struct json *arg, struct reason *why)
{
    return all_of(im, arg, false, why);
}

const struct json *import__or(struct importer *im, const struct json *arg, struct reason *why)
{
    return all_of(im, arg, true, why);
}

const struct json *import__not(struct importer *im, const struct json *arg, struct reason *why)
{
    bool yes;
    if (!json_is(arg, JSON_ARRAY) || arg->n != 1)
        return UNRESOLVED(why, "Fn::Not needs [condition]");
    return truth(im, arg->items[0], &yes, why) ? boolean(im, !yes) : NULL;
}
