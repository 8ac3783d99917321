/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a path, a query and a body of the core driver interface. What is taken belongs to
 * one app and one tenant, and holds no NUL and nothing that is not UTF-8. The first line of the
 * input is the path, the second the query, the rest the body. */
#include "identity/identity_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct json *v)
{
    if (v->type == JSON_STRING)
        ASSERT(str_is_utf8(v->s) && str_chr(v->s, '\0', 0) == SIZE_MAX);
    for (size_t i = 0; i < v->n && v->type == JSON_ARRAY; i++)
        judge(v->items[i]);
    for (size_t i = 0; i < v->n && v->type == JSON_OBJECT; i++)
        judge(v->members[i].value);
}

static void read_as(enum http_method method, const char *fields, struct arena *a, struct str query,
                    struct str body)
{
    const struct cdi_op op = {method, "/x", CDI_APP, 0, fields, {{CDI_END, NULL}}, NULL};
    struct cdi_call c = {.op = &op, .arena = a};
    enum err err = cdi__read_input(&c, query, body);
    ASSERT(err == ERR_OK || err == ERR_NOMEM || (err == ERR_CANCELLED && c.answered));
    if (err == ERR_OK) {
        ASSERT(json_is(c.in, JSON_OBJECT));
        judge(c.in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(KIB(16), MIB(16));
    struct str rest, body, path = str_cut(str_of(data, size), '\n', &rest);
    struct str query = str_cut(rest, '\n', &body);
    struct cdi_path p;
    if (!a || size > KIB(64)) {
        arena_free(a);
        return 0;
    }
    if (cdi__path(a, path, STR(""), &p) == ERR_OK) {
        const struct cdi_op *op;
        ASSERT(cdi__is_api(p.api) && p.app.n > 0 && p.tenant.n > 0);
        (void)!cdi__op(p.api, HTTP_GET, STR(""), &op);
    }
    read_as(HTTP_GET, "userId:s? limit:s?", a, query, STR(""));
    read_as(HTTP_PUT, "userId:s? on:b? o:o? list:a? n:i? x:z?", a, query, body);
    read_as(HTTP_DELETE, NULL, a, query, body);
    arena_free(a);
    return 0;
}
