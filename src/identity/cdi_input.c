/* SPDX-License-Identifier: Apache-2.0
 *
 * What a call was given: a JSON body or a query, as one object, checked against the fields of its
 * row in their order, with the words of the core (specs/identity-core.md 1.3). */
#include "http/path.h"
#include "identity_int.h"

/* "name:type" or "name:type?" */
struct field {
    struct str name;
    char type;
    bool optional;
};

static bool next_field(struct str *fields, struct field *out)
{
    struct str type, one = str_cut(*fields, ' ', fields);
    out->name = str_cut(one, ':', &type);
    out->type = type.n > 0 ? type.p[0] : '\0';
    out->optional = str_ends(type, STR("?"));
    return out->name.n > 0;
}

static bool is_of_type(const struct json *v, char type)
{
    switch (type) {
    case 's':
        return json_is(v, JSON_STRING);
    case 'b':
        return json_is_bool(v);
    case 'i':
        return json_is(v, JSON_NUMBER) && v->is_int;
    case 'n':
        return json_is(v, JSON_NUMBER);
    case 'o':
        return json_is(v, JSON_OBJECT);
    case 'a':
        return json_is(v, JSON_ARRAY);
    case 'z':
        return json_is(v, JSON_OBJECT) || json_is(v, JSON_NULL);
    case 'v':
        return v != NULL;
    }
    return false;
}

static enum err check_fields(struct cdi_call *c, bool query)
{
    struct str rest = str_c(c->op->fields);
    struct field f;
    while (next_field(&rest, &f)) {
        const struct json *v = json_gets(c->in, f.name);
        if (v == NULL && f.optional)
            continue;
        if (query && v == NULL)
            return cdi_fail(c, 400, "Field name '%.*s' is missing in GET request", STR_ARG(f.name));
        if (!query && !is_of_type(v, f.type))
            return cdi_fail(c, 400, "Field name '%.*s' is invalid in JSON input", STR_ARG(f.name));
    }
    return ERR_OK;
}

/* Neither SQLite's text functions nor PostgreSQL hold a NUL. */
static bool is_text(struct str s)
{
    return str_is_utf8(s) && str_chr(s, '\0', 0) == SIZE_MAX;
}

static bool has_nul(const struct json *v)
{
    bool found = v->type == JSON_STRING && str_chr(v->s, '\0', 0) != SIZE_MAX;
    for (size_t i = 0; !found && i < v->n && v->type == JSON_ARRAY; i++)
        found = has_nul(v->items[i]);
    for (size_t i = 0; !found && i < v->n && v->type == JSON_OBJECT; i++)
        found = str_chr(v->members[i].key, '\0', 0) != SIZE_MAX || has_nul(v->members[i].value);
    return found;
}

/* The first value of a name counts, as in a servlet. */
static enum err read_query(struct cdi_call *c, struct str query)
{
    struct query_pair *pairs;
    size_t n;
    struct json *in = json_new_object(c->arena, 8);
    enum err err = query_parse(c->arena, query, &pairs, &n);
    if (err == ERR_LIMIT)
        return cdi_fail(c, 400, "the query has too many parts");
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        if (!is_text(pairs[i].name) || !is_text(pairs[i].value))
            return cdi_fail(c, 400, "the query is not UTF-8 text");
        if (json_gets(in, pairs[i].name) == NULL)
            err = json_set(c->arena, in, pairs[i].name, json_new_str(c->arena, pairs[i].value));
    }
    c->in = in;
    return in ? err : ERR_NOMEM;
}

enum err cdi__read_input(struct cdi_call *c, struct str query, struct str body)
{
    bool by_query = c->op->method == HTTP_GET || (c->op->method == HTTP_DELETE && body.n == 0);
    if (by_query) {
        enum err err = read_query(c, query);
        return err ? err : check_fields(c, true);
    }
    if (body.n == 0 && c->op->fields == NULL) {
        c->in = json_new_object(c->arena, 0);
        return c->in ? ERR_OK : ERR_NOMEM;
    }
    enum err err = json_parse_kept(c->arena, body, LIMIT_CDI_BODY, &c->in);
    if (err == ERR_NOMEM)
        return err;
    if (err != ERR_OK || !json_is(c->in, JSON_OBJECT) || has_nul(c->in))
        return cdi_fail(c, 400, "Invalid Json Input");
    return check_fields(c, false);
}

struct str cdi_str(const struct cdi_call *c, const char *name)
{
    return json_str_or(json_get(c->in, name), STR_NONE);
}

bool cdi_bool(const struct cdi_call *c, const char *name, bool otherwise)
{
    return json_bool_or(json_get(c->in, name), otherwise);
}

int64_t cdi_int(const struct cdi_call *c, const char *name, int64_t otherwise)
{
    int64_t i;
    return json_int(json_get(c->in, name), &i) ? i : otherwise;
}

const struct json *cdi_json(const struct cdi_call *c, const char *name)
{
    return json_get(c->in, name);
}

struct str cdi_trim(struct str s)
{
    while (s.n > 0 && (unsigned char)s.p[0] <= ' ')
        s = str_from(s, 1);
    while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}
