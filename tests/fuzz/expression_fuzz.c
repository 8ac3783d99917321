/* SPDX-License-Identifier: Apache-2.0
 *
 * The first line as the value of every parameter mapping of an HTTP API, the rest as what a client
 * sends: body, query and header. What comes out is a canonical path, one line for each header, and
 * never the client's own copy of what an authorizer says. */
#include "gateway/parameters_int.h"

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json *mappings(struct arena *a, struct str value)
{
    static const char *const keys[] = {"append:header.X-A",    "overwrite:header.X-B",
                                       "append:querystring.a", "overwrite:querystring.q",
                                       "overwrite:path",       "remove:header.X-C"};
    struct json *all = json_new_object(a, COUNTOF(keys));
    for (size_t i = 0; all && i < COUNTOF(keys); i++)
        if (json_set(a, all, str_c(keys[i]), json_new_str(a, value)) != ERR_OK)
            return NULL;
    return all;
}

static void check(struct arena *a, const struct http_call_options *o)
{
    struct str query, canonical, path = str_cut(o->target, '?', &query);
    const char *why;
    ASSERT(path_canonical(a, path, 0, &canonical, &why) == ERR_OK && str_eq(path, canonical));
    for (size_t i = 0; i < o->headers.n; i++) {
        ASSERT(http_is_field_value(o->headers.v[i].value));
        ASSERT(!str_eqz(o->headers.v[i].name, "X-C"));
    }
}

static void apply(struct arena *a, struct exchange *x, struct str value, struct str body)
{
    struct parameters p;
    struct errinfo e = {0};
    struct http_call_options o = {.target = STR("/t?q=1")};
    struct expression_facts facts = {.body = body};
    enum err err = parameters__compile(a, mappings(a, value), EXPRESSION_REQUEST, &p, &e);
    ASSERT(err == ERR_OK || e.text[0] != '\0' || err == ERR_NOMEM);
    if (err != ERR_OK)
        return;
    if (http_add(a, &o.headers, STR("X-B"), STR("own")) == ERR_OK &&
        http_add(a, &o.headers, STR("X-C"), STR("own")) == ERR_OK &&
        parameters__apply_request(x, &p, &facts, STR(""), &o) == ERR_OK)
        check(a, &o);
}

static void answer(struct arena *a, struct exchange *x, struct str value, struct str body)
{
    struct expression t;
    struct http_response rs = {.status = 200, .headers = x->rq->headers};
    struct expression_facts facts = {.body = body, .answer = &rs};
    struct str out = STR("");
    if (expression__compile(a, value, EXPRESSION_RESPONSE, &t, NULL) == ERR_OK &&
        expression__read(x, &t, &facts, &out) == ERR_OK)
        ASSERT(out.p != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct variable variable = {STR_INIT("v"), STR_INIT("v7")};
    static struct snapshot snapshot;
    struct str rest, value = str_cut(str_of(data, size), '\n', &rest);
    struct api api = {.kind = API_HTTP,
                      .stage = STR("prod"),
                      .id = STR("id"),
                      .variables = &variable,
                      .variable_count = 1};
    struct method method = {.api = &api, .route = STR("GET /o/{id}")};
    struct http_request rq = {.method_text = STR("GET"), .query = rest, .host = STR("h")};
    struct arena *a = arena_new(KIB(8), MIB(8));
    struct exchange *x = a ? ARENA_NEW(a, struct exchange) : NULL;
    if (x && http_add(a, &rq.headers, STR("X-A"), rest) == ERR_OK) {
        *x = (struct exchange){.arena = a,
                               .snapshot = &snapshot,
                               .kind = API_HTTP,
                               .rq = &rq,
                               .api = &api,
                               .method = &method,
                               .route_path = STR("/o/a%20b"),
                               .peer_ip = STR("1.2.3.4"),
                               .param_count = 1};
        x->params[0] = (struct path_param){STR("id"), STR("a%20b")};
        apply(a, x, value, rest);
        answer(a, x, value, rest);
    }
    arena_free(a);
    return 0;
}
