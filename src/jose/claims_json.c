/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "jose/jose_int.h"

static size_t count(const struct json *v, unsigned depth)
{
    size_t n = 1;
    if (depth > LIMIT_JWT_DEPTH)
        return SIZE_MAX / 2;
    for (size_t i = 0; v->type == JSON_ARRAY && i < v->n; i++)
        n += count(v->items[i], depth + 1);
    for (size_t i = 0; v->type == JSON_OBJECT && i < v->n; i++)
        n += count(v->members[i].value, depth + 1);
    return n;
}

enum err jose__object(struct arena *a, struct str text, const struct json **out)
{
    enum err err = json_parse(a, text, LIMIT_JWT_BYTES, out, NULL);
    if (err != ERR_OK)
        return err;
    if (!json_is(*out, JSON_OBJECT))
        return ERR_SYNTAX;
    return count(*out, 0) > LIMIT_JWT_MEMBERS ? ERR_LIMIT : ERR_OK;
}
