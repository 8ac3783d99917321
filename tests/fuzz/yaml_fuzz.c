/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as YAML: what is accepted must be written as JSON that both readers take, as the same
 * tree but for the way in which numbers are written. */
#include "base/limits.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct json *x, const struct json *y)
{
    if (x->type != y->type || x->n != y->n)
        return false;
    if (x->type == JSON_NUMBER)
        return !(x->real < y->real) && !(x->real > y->real);
    if (x->type == JSON_STRING)
        return str_eq(x->s, y->s);
    for (size_t i = 0; x->type == JSON_ARRAY && i < x->n; i++)
        if (!same(x->items[i], y->items[i]))
            return false;
    for (size_t i = 0; x->type == JSON_OBJECT && i < x->n; i++)
        if (!str_eq(x->members[i].key, y->members[i].key) ||
            !same(x->members[i].value, y->members[i].value))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json *v, *as_json, *as_yaml;
    struct errinfo e = {0};
    AUTO_BUF b = BUF_INIT(KIB(128));
    struct arena *a = arena_new(KIB(4), MIB(64));
    enum err err = yaml_parse(a, str_of(data, size), KIB(64), &v, &e);
    ASSERT((err == ERR_OK) == (v != NULL) && e.code == err);
    if (v)
        json_write(&b, v);
    if (v && b.err == ERR_OK) {
        ASSERT(json_parse(a, buf_str(&b), b.max, &as_json, NULL) == ERR_OK);
        ASSERT(same(v, as_json));
        ASSERT(yaml_parse(a, buf_str(&b), b.max, &as_yaml, NULL) == ERR_OK);
        ASSERT(same(v, as_yaml));
    }
    arena_free(a);
    return 0;
}
