/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces of OpenAPI documents that tests are put together from. */
#ifndef ROPELINE_IMPORT_OPENAPI_TEST_H
#define ROPELINE_IMPORT_OPENAPI_TEST_H

#include "import_test.h"

#define HEAD "openapi: 3.0.1\ninfo: {title: Pets}\n" /* two lines */
#define BACKEND \
    "x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'http://b/x'}"
#define MOCK(template) \
    "x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: " template "}}"

#define SCHEMES(more)                                                                     \
    "components:\n  securitySchemes:\n    guide:\n      type: apiKey\n      in: header\n" \
    "      name: Authorization\n      x-amazon-apigateway-authtype: custom\n"             \
    "      x-amazon-apigateway-authorizer:\n        type: token\n" more
#define GUIDE_URI "        authorizerUri: " LAMBDA_URI("guide") "\n"

static inline struct loaded load_guided(const char *text)
{
    struct import_options o = plain_options();
    const struct import_function guide = {
        .name = STR("guide"), .dir = STR("."), .handler = STR("index.handler")};
    o.functions = &guide;
    o.function_count = 1;
    return load_with(&o, text);
}

static inline void refuses_guided(const char *text, unsigned line, const char *words)
{
    struct loaded l = load_guided(text);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, line, words);
    unload(&l);
}

/* The first authorizer's object, as text. */
static inline const char *authorizer(const struct loaded *l)
{
    AUTO_BUF b = BUF_INIT(KIB(8));
    assert_non_null(l->model.apis->authorizers);
    json_write(&b, l->model.apis->authorizers->spec);
    return arena_cstr(l->a, buf_str(&b));
}

#endif
