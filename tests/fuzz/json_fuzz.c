/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as JSON: what is accepted must be written as text that reads back as the same text, and
 * its strings must be UTF-8. */
#include "base/json.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_strings(const struct json *v)
{
    ASSERT(!json_is(v, JSON_STRING) || str_is_utf8(v->s));
    for (size_t i = 0; json_is(v, JSON_ARRAY) && i < v->n; i++)
        check_strings(json_at(v, i));
    for (size_t i = 0; json_is(v, JSON_OBJECT) && i < v->n; i++) {
        ASSERT(str_is_utf8(v->members[i].key));
        ASSERT(json_gets(v, v->members[i].key) == v->members[i].value);
        check_strings(v->members[i].value);
    }
}

static void read_back(struct arena *a, const struct json *v,
                      void (*write)(struct buf *, const struct json *))
{
    const struct json *again;
    AUTO_BUF first = BUF_INIT(MIB(16)), second = BUF_INIT(MIB(16));
    write(&first, v);
    ASSERT(first.err == ERR_OK);
    ASSERT(json_parse(a, buf_str(&first), first.max, &again, NULL) == ERR_OK);
    write(&second, again);
    ASSERT(str_eq(buf_str(&first), buf_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json *v;
    struct errinfo e = {0};
    struct arena *a = arena_new(KIB(4), MIB(64));
    enum err err = json_parse(a, str_of(data, size), MIB(1), &v, &e);
    ASSERT((err == ERR_OK) == (v != NULL) && e.code == err);
    if (v) {
        check_strings(v);
        read_back(a, v, json_write);
        read_back(a, v, json_write_pretty);
    }
    arena_free(a);
    return 0;
}
