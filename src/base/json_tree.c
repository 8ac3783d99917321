/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking into trees and building them. Invariant: a lookup in the wrong kind of value, or in none,
 * finds nothing; a builder that got a NULL gives NULL, so one test at the end is enough. */
#include "base_int.h"

static const char *const type_names[] = {
    [JSON_NULL] = "null",     [JSON_FALSE] = "boolean", [JSON_TRUE] = "boolean",
    [JSON_NUMBER] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
    [JSON_OBJECT] = "object",
};

const char *json_type_name(enum json_type t)
{
    return (size_t)t < COUNTOF(type_names) ? type_names[t] : "unknown";
}

bool json_is(const struct json *v, enum json_type type)
{
    return v && v->type == type;
}

bool json_is_bool(const struct json *v)
{
    return json_is(v, JSON_FALSE) || json_is(v, JSON_TRUE);
}

static struct json_member *find(const struct json *object, struct str key)
{
    for (size_t i = 0; json_is(object, JSON_OBJECT) && i < object->n; i++)
        if (str_eq(object->members[i].key, key))
            return &object->members[i];
    return NULL;
}

const struct json *json_gets(const struct json *object, struct str key)
{
    const struct json_member *m = find(object, key);
    return m ? m->value : NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return json_gets(object, str_c(key));
}

const struct json *json_at(const struct json *array, size_t i)
{
    return json_is(array, JSON_ARRAY) && i < array->n ? array->items[i] : NULL;
}

bool json_str(const struct json *v, struct str *out)
{
    if (!json_is(v, JSON_STRING))
        return false;
    *out = v->s;
    return true;
}

struct str json_str_or(const struct json *v, struct str fallback)
{
    return json_is(v, JSON_STRING) ? v->s : fallback;
}

bool json_int(const struct json *v, int64_t *out)
{
    if (!json_is(v, JSON_NUMBER) || !v->is_int)
        return false;
    *out = v->i;
    return true;
}

bool json_bool_or(const struct json *v, bool fallback)
{
    return json_is_bool(v) ? v->type == JSON_TRUE : fallback;
}

static struct json *new_value(struct arena *a, enum json_type type)
{
    struct json *v = ARENA_NEW(a, struct json);
    if (v)
        v->type = type;
    return v;
}

bool json__fill_int(struct arena *a, int64_t i, struct json *v)
{
    char text[20], *at = text + sizeof text;
    uint64_t rest = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (i < 0)
        *--at = '-';
    v->type = JSON_NUMBER;
    v->is_int = true;
    v->i = i;
    v->real = (double)i;
    v->s = arena_str(a, str_of(at, (size_t)(text + sizeof text - at)));
    return v->s.p != NULL;
}

struct json *json_new_str(struct arena *a, struct str s)
{
    struct json *v = new_value(a, JSON_STRING);
    if (v)
        v->s = arena_str(a, s);
    return v && v->s.p ? v : NULL;
}

struct json *json_new_int(struct arena *a, int64_t i)
{
    struct json *v = new_value(a, JSON_NUMBER);
    return v && json__fill_int(a, i, v) ? v : NULL;
}

struct json *json_new_bool(struct arena *a, bool b)
{
    return new_value(a, b ? JSON_TRUE : JSON_FALSE);
}

struct json *json_new_null(struct arena *a)
{
    return new_value(a, JSON_NULL);
}

static bool copy_members(struct arena *a, const struct json *from, struct json *to)
{
    to->members = ARENA_ARRAY(a, from->n, struct json_member);
    for (size_t i = 0; to->members && i < from->n; i++) {
        struct json_member *m = &to->members[i];
        *m = from->members[i];
        m->key = arena_str(a, m->key);
        m->value = json_new_copy(a, m->value);
        if (!m->key.p || !m->value)
            return false;
    }
    return to->members != NULL;
}

static bool copy_items(struct arena *a, const struct json *from, struct json *to)
{
    to->items = ARENA_ARRAY(a, from->n, const struct json *);
    for (size_t i = 0; to->items && i < from->n; i++)
        if (!(to->items[i] = json_new_copy(a, from->items[i])))
            return false;
    return to->items != NULL;
}

/* As deep as the tree is: LIMIT_JSON_DEPTH at most. */
struct json *json_new_copy(struct arena *a, const struct json *v)
{
    struct json *copy = v ? ARENA_NEW(a, struct json) : NULL;
    if (!copy)
        return NULL;
    *copy = *v;
    bool good = true;
    if (v->type == JSON_OBJECT)
        good = copy_members(a, v, copy);
    else if (v->type == JSON_ARRAY)
        good = copy_items(a, v, copy);
    else if (v->s.p)
        good = (copy->s = arena_str(a, v->s)).p != NULL;
    if (v->type == JSON_OBJECT || v->type == JSON_ARRAY)
        copy->i = (int64_t)v->n;
    return good ? copy : NULL;
}

/* A container keeps its capacity in `i`, which only numbers use. */
static bool make_room(struct arena *a, struct json *v, size_t each, void **places)
{
    if (v->n < (size_t)v->i)
        return true;
    size_t cap = v->n < 4 ? 4 : v->n * 2;
    void *bigger = arena_array(a, cap, each);
    if (!bigger)
        return false;
    if (v->n > 0)
        memcpy(bigger, *places, v->n * each);
    *places = bigger;
    v->i = (int64_t)cap;
    return true;
}

struct json *json_new_array(struct arena *a, size_t cap)
{
    struct json *v = new_value(a, JSON_ARRAY);
    if (!v)
        return NULL;
    v->items = ARENA_ARRAY(a, cap, const struct json *);
    v->i = (int64_t)cap;
    return v->items ? v : NULL;
}

struct json *json_new_object(struct arena *a, size_t cap)
{
    struct json *v = new_value(a, JSON_OBJECT);
    if (!v)
        return NULL;
    v->members = ARENA_ARRAY(a, cap, struct json_member);
    v->i = (int64_t)cap;
    return v->members ? v : NULL;
}

enum err json_push(struct arena *a, struct json *array, const struct json *v)
{
    if (!array || !v)
        return ERR_NOMEM;
    ASSERT(array->type == JSON_ARRAY);
    void *places = array->items;
    if (!make_room(a, array, sizeof(struct json *), &places))
        return ERR_NOMEM;
    array->items = places;
    array->items[array->n++] = v;
    return ERR_OK;
}

enum err json__append_member(struct arena *a, struct json *object, struct json_member member)
{
    void *places = object->members;
    if (!make_room(a, object, sizeof member, &places))
        return ERR_NOMEM;
    object->members = places;
    object->members[object->n++] = member;
    return ERR_OK;
}

enum err json_set(struct arena *a, struct json *object, struct str key, const struct json *v)
{
    if (!object || !v)
        return ERR_NOMEM;
    ASSERT(object->type == JSON_OBJECT);
    struct json_member *former = find(object, key);
    if (former) {
        former->value = v;
        return ERR_OK;
    }
    struct str own = arena_str(a, key);
    if (!own.p)
        return ERR_NOMEM;
    return json__append_member(a, object, (struct json_member){.key = own, .value = v});
}
