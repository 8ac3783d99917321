/* SPDX-License-Identifier: Apache-2.0
 *
 * CloudFormation's intrinsic functions, and a tree with all of them resolved. Invariant: what
 * cannot be resolved stays in the tree as it was written, so it can never be mistaken for a value;
 * whoever needs it reports it. */
#include <stdio.h>

#include "import_int.h"

/* Stands for AWS::NoValue: the property that has it leaves. */
static const struct json no_value = {.type = JSON_NULL};

bool import__is_no_value(const struct json *v)
{
    return v == &no_value;
}

static const struct json *do_ref(struct importer *im, const struct json *arg, struct reason *why)
{
    if (!json_is(arg, JSON_STRING))
        return UNRESOLVED(why, "Ref needs the name of a parameter or resource");
    if (str_eqz(arg->s, "AWS::NoValue"))
        return &no_value;
    return import__ref(im, arg->s, why);
}

static const struct json *do_getatt(struct importer *im, const struct json *arg, struct reason *why)
{
    struct str name, attribute = STR_NONE;
    if (json_is(arg, JSON_STRING)) {
        name = str_cut(arg->s, '.', &attribute);
    } else if (!json_is(arg, JSON_ARRAY) || arg->n != 2 || !json_str(arg->items[0], &name)) {
        return UNRESOLVED(why, "Fn::GetAtt needs [name, attribute]");
    } else {
        const struct json *second = import__eval(im, arg->items[1], why);
        if (!second)
            return NULL;
        attribute = json_str_or(second, STR_NONE);
    }
    return import__attribute(im, name, attribute, why);
}

/* One ${name} of Fn::Sub. */
static bool substitute(struct importer *im, struct str name, const struct json *map,
                       struct buf *out, struct reason *why)
{
    struct str attribute, text;
    const struct json *v = json_gets(map, name);
    if (v) {
        v = import__eval(im, v, why);
    } else if (str_chr(name, '.', 0) != SIZE_MAX && !import__symbol(im, name)) {
        struct str logical = str_cut(name, '.', &attribute);
        v = import__attribute(im, logical, attribute, why);
    } else {
        v = import__ref(im, name, why);
    }
    if (!v)
        return false;
    if (!import__scalar(v, &text))
        return UNRESOLVED(why, "${%.*s} in Fn::Sub is no text", STR_ARG(str_sub(name, 0, 80)));
    buf_add(out, text);
    return true;
}

static bool sub_text(struct importer *im, struct str text, const struct json *map, struct buf *out,
                     struct reason *why)
{
    size_t at = 0;
    for (;;) {
        size_t open = str_find(str_from(text, at), STR("${"));
        if (open == SIZE_MAX)
            break;
        buf_add(out, str_sub(text, at, open));
        at += open + 2;
        size_t close = str_chr(text, '}', at);
        if (close == SIZE_MAX)
            return UNRESOLVED(why, "Fn::Sub has a ${ without its }");
        struct str name = str_sub(text, at, close - at);
        at = close + 1;
        if (str_starts(name, STR("!"))) { /* ${!x} is how ${x} itself is written */
            buf_addz(out, "${");
            buf_add(out, str_from(name, 1));
            buf_addc(out, '}');
        } else if (!substitute(im, str_trim(name), map, out, why)) {
            return false;
        }
    }
    buf_add(out, str_from(text, at));
    return true;
}

static const struct json *finish_text(struct importer *im, const struct buf *b, struct reason *why)
{
    if (b->err == ERR_LIMIT)
        return UNRESOLVED(why, "the text becomes longer than %zu bytes", LIMIT_RESOLVED_TEXT);
    if (b->err != ERR_OK) {
        import__fail(im, b->err);
        return UNRESOLVED(why, "%s", err_text(b->err));
    }
    return import__new_text(im, buf_str(b), NULL);
}

static const struct json *do_sub(struct importer *im, const struct json *arg, struct reason *why)
{
    AUTO_BUF out = BUF_INIT(LIMIT_RESOLVED_TEXT);
    const struct json *map = NULL;
    if (json_is(arg, JSON_ARRAY) && arg->n == 2 && json_is(arg->items[1], JSON_OBJECT)) {
        map = arg->items[1];
        arg = arg->items[0];
    }
    if (!json_is(arg, JSON_STRING))
        return UNRESOLVED(why, "Fn::Sub needs a text, or [text, {name: value}]");
    if (!sub_text(im, arg->s, map, &out, why))
        return NULL;
    return finish_text(im, &out, why);
}

static const struct json *do_join(struct importer *im, const struct json *arg, struct reason *why)
{
    AUTO_BUF out = BUF_INIT(LIMIT_RESOLVED_TEXT);
    if (!json_is(arg, JSON_ARRAY) || arg->n != 2 || !json_is(arg->items[0], JSON_STRING))
        return UNRESOLVED(why, "Fn::Join needs [separator, [values]]");
    const struct json *list = import__eval(im, arg->items[1], why);
    if (!list)
        return NULL;
    if (list->type != JSON_ARRAY)
        return UNRESOLVED(why, "Fn::Join needs [separator, [values]]");
    for (size_t i = 0; i < list->n; i++) {
        struct str text;
        const struct json *item = import__eval(im, list->items[i], why);
        if (!item)
            return NULL;
        if (!import__scalar(item, &text))
            return UNRESOLVED(why, "value %zu of Fn::Join is no text", i + 1);
        if (i > 0)
            buf_add(&out, arg->items[0]->s);
        buf_add(&out, text);
    }
    return finish_text(im, &out, why);
}

static const struct intrinsic {
    const char *key;
    import_intrinsic *call;
} intrinsics[] = {
    {"Ref", do_ref},
    {"Fn::GetAtt", do_getatt},
    {"Fn::Sub", do_sub},
    {"Fn::Join", do_join},
    {"Fn::If", import__if},
    {"Fn::Equals", import__equals},
    {"Fn::And", import__and},
    {"Fn::Or", import__or},
    {"Fn::Not", import__not},
    {"Fn::FindInMap", import__find_in_map},
    {"Fn::Select", import__select},
    {"Fn::Split", import__split},
    {"Fn::GetAZs", import__zones},
    {"Fn::Base64", import__base64},
};

bool import__is_intrinsic(const struct json *v)
{
    return json_is(v, JSON_OBJECT) && v->n == 1 &&
           (str_eqz(v->members[0].key, "Ref") || str_starts(v->members[0].key, STR("Fn::")));
}

static const struct json *call(struct importer *im, const struct json *v, struct reason *why)
{
    const struct json_member *m = &v->members[0];
    if (im->literal)
        return UNRESOLVED(why,
                          "%.*s is not resolved in a DefinitionUri file; include the file "
                          "with Fn::Transform AWS::Include",
                          STR_ARG(str_sub(m->key, 0, 40)));
    for (size_t i = 0; i < COUNTOF(intrinsics); i++)
        if (str_eqz(m->key, intrinsics[i].key))
            return intrinsics[i].call(im, m->value, why);
    return UNRESOLVED(why, "%.*s is only known on AWS; write the value itself",
                      STR_ARG(str_sub(m->key, 0, 40)));
}

/* A copy that stands where the person wrote the call. */
static const struct json *placed(struct importer *im, const struct json *v, const struct json *at)
{
    struct json *copy = ARENA_NEW(im->a, struct json);
    if (!copy) {
        import__no_memory(im);
        return v;
    }
    *copy = *v;
    copy->line = at->line;
    copy->col = at->col;
    return copy;
}

const struct json *import__eval(struct importer *im, const struct json *v, struct reason *why)
{
    if (!import__is_intrinsic(v))
        return import__resolve(im, v);
    const struct json *result = call(im, v, why);
    if (!result || result == &no_value)
        return result;
    return placed(im, result, v);
}

void import__explain(struct importer *im, const struct json *v, struct reason *why)
{
    why->text[0] = '\0';
    if (import__eval(im, v, why))
        snprintf(why->text, sizeof why->text, "cannot be resolved here");
}

static const struct json *resolve_array(struct importer *im, const struct json *v)
{
    struct json *copy = json_new_array(im->a, v->n);
    bool changed = false;
    for (size_t i = 0; copy && i < v->n; i++) {
        const struct json *item = import__resolve(im, v->items[i]);
        changed = changed || item != v->items[i];
        if (item != &no_value)
            copy->items[copy->n++] = item;
    }
    if (!copy)
        import__no_memory(im);
    if (!copy || !changed)
        return v;
    copy->line = v->line;
    copy->col = v->col;
    return copy;
}

static const struct json *resolve_object(struct importer *im, const struct json *v)
{
    struct json *copy = json_new_object(im->a, v->n);
    bool changed = false;
    for (size_t i = 0; copy && i < v->n; i++) {
        struct json_member m = v->members[i];
        m.value = import__resolve(im, m.value);
        changed = changed || m.value != v->members[i].value;
        if (m.value != &no_value)
            copy->members[copy->n++] = m;
    }
    if (!copy)
        import__no_memory(im);
    if (!copy || !changed)
        return v;
    copy->line = v->line;
    copy->col = v->col;
    return copy;
}

const struct json *import__resolve(struct importer *im, const struct json *v)
{
    struct reason ignored;
    if (!v || im->literal)
        return v;
    if (import__is_intrinsic(v)) {
        const struct json *result = import__eval(im, v, &ignored);
        return result ? result : v;
    }
    if (v->type == JSON_ARRAY)
        return resolve_array(im, v);
    return v->type == JSON_OBJECT ? resolve_object(im, v) : v;
}
