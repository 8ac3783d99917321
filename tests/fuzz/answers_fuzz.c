/* SPDX-License-Identifier: Apache-2.0
 *
 * First line: a gateway response's template, a selection pattern and a path into a body, each in
 * its turn. The rest: what a client sends. Whatever it is, it stays inside the JSON string or the
 * element that it is put into, and no header can be made of it that is more than one. */
#include "base/limits.h"
#include "base/pattern.h"
#include "gateway/mapping_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct exchange *x, struct str source, enum text_escape escape, struct buf *out)
{
    struct text t;
    buf_reset(out);
    ASSERT(text__compile(x->arena, source, &t, NULL) == ERR_OK);
    text__write(x, &t, escape, out);
    ASSERT(out->err == ERR_OK);
}

static void stays_inside(struct exchange *x)
{
    AUTO_BUF out = BUF_INIT(MIB(1));
    const struct json *v = NULL;
    fill(x, STR("{\"a\":\"$method.request.header.X\",\"b\":1}"), TEXT_JSON, &out);
    ASSERT(json_parse(x->arena, buf_str(&out), MIB(1), &v, NULL) == ERR_OK);
    ASSERT(json_is(v, JSON_OBJECT) && v->n == 2 && json_is(json_get(v, "a"), JSON_STRING));
    fill(x, STR("<p a='$method.request.header.X'>"), TEXT_MARKUP, &out);
    struct str inner = str_sub(buf_str(&out), 6, out.n - 8);
    ASSERT(str_ends(buf_str(&out), STR("'>")) && str_chr(inner, '<', 0) == SIZE_MAX &&
           str_chr(inner, '\'', 0) == SIZE_MAX && str_chr(inner, '>', 0) == SIZE_MAX);
}

static void any_template(struct exchange *x, struct str source)
{
    AUTO_BUF out = BUF_INIT(MIB(8));
    struct errinfo e = {0};
    struct text t;
    enum err err = text__compile(x->arena, source, &t, &e);
    ASSERT(err == ERR_OK || (err == ERR_UNSUPPORTED && e.text[0]));
    if (err != ERR_OK)
        return;
    text__write(x, &t, TEXT_JSON, &out);
    size_t literal = 0;
    for (size_t i = 0; i < t.n; i++)
        literal += t.v[i].literal.n;
    ASSERT(out.err == ERR_OK && out.n >= literal && literal <= source.n);
    ASSERT(t.v[t.n - 1].hole.read == NULL);
}

static void any_path(struct arena *a, struct str path, struct str body)
{
    struct str out = STR_NONE;
    bool found = jsonpath__read(a, body, path, &out);
    ASSERT(!found || jsonpath__is_valid(path));
    ASSERT(!found || out.p);
}

static void any_pattern(struct arena *a, struct str text)
{
    struct pattern *p = NULL;
    struct errinfo e = {0};
    enum err err = pattern_compile(a, text, &p, &e);
    ASSERT((err == ERR_OK && p) || (err == ERR_INVALID && e.text[0]) || err == ERR_NOMEM);
    if (err == ERR_OK)
        ASSERT(pattern_match(p, STR("404")) != ERR_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(KIB(16), MIB(32));
    struct str rest, first = str_cut(str_of(data, size), '\n', &rest);
    struct http_request rq = {.query = rest};
    struct api api = {.stage = STR("dev")};
    struct exchange *x = a ? ARENA_NEW(a, struct exchange) : NULL;
    if (x && size <= KIB(16) &&
        http_add(a, &rq.headers, STR("X"), rest.p ? rest : STR("")) == ERR_OK) {
        *x = (struct exchange){.arena = a, .rq = &rq, .api = &api};
        stays_inside(x);
        any_template(x, first);
        any_path(a, first, rest);
        any_pattern(a, str_sub(first, 0, 256));
    }
    arena_free(a);
    return 0;
}
