/* SPDX-License-Identifier: Apache-2.0
 *
 * Request and response templates that are plain text. Invariant: a text that Velocity might change
 * is refused when the document loads, so what is sent is what a person wrote. */
#include "responses_int.h"

static bool needs_velocity(struct str s)
{
    return str_chr(s, '$', 0) != SIZE_MAX || str_chr(s, '#', 0) != SIZE_MAX;
}

enum err templates__compile(struct arena *a, const struct json *object, struct templates *out,
                            struct errinfo *e)
{
    *out = (struct templates){NULL, 0};
    if (object == NULL || object->type == JSON_NULL)
        return ERR_OK;
    if (object->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, object->line, object->col,
                          "templates are {content type: text}");
    out->v = ARENA_ARRAY(a, object->n, struct template);
    if (out->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < object->n; i++) {
        const struct json_member *m = &object->members[i];
        struct str text, type = media__type(m->key);
        if (!json_str(m->value, &text) || type.n == 0 || !http_is_field_value(type))
            return errinfo_at(e, ERR_INVALID, m->line, m->col,
                              "templates are {content type: text}");
        if (needs_velocity(text))
            return errinfo_at(e, ERR_UNSUPPORTED, m->value->line, m->value->col,
                              "the template for %.*s has a $ or # of the template language (VTL), "
                              "which is not served; plain text is",
                              STR_ARG(str_sub(type, 0, 60)));
        struct template *t = &out->v[out->n++];
        *t = (struct template){arena_str(a, type), arena_str(a, text)};
        if (t->type.p == NULL || t->text.p == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

const struct template *templates__find(const struct templates *t, struct str type)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_ieq(t->v[i].type, type))
            return &t->v[i];
    return NULL;
}

const struct template *templates__choose(const struct templates *t, enum passthrough pass,
                                         struct str content_type, bool *refused)
{
    struct str type = media__type(content_type);
    const struct template *found = templates__find(t, type.n ? type : STR("application/json"));
    *refused =
        found == NULL && (pass == PASS_NEVER || (pass == PASS_WHEN_NO_TEMPLATES && t->n > 0));
    return found;
}
