/* SPDX-License-Identifier: Apache-2.0
 *
 * Each rule of lint.c: a document that it warns of, and one that it leaves alone. */
#include "openapi_test.h"

#define TOKEN                                                             \
    "securityDefinitions:\n  guide: {type: apiKey, in: header, name: A, " \
    "x-amazon-apigateway-authorizer: {type: token, authorizerUri: '" LAMBDA_URI("guide") "'}}\n"
#define GUARDED "security: [{guide: []}], " BACKEND

static void leaves_alone(const char *text, const char *words)
{
    struct loaded l = load_guided(text);
    assert_int_equal(l.err, ERR_OK);
    assert_null(finding(&l, IMPORT_WARNING, 0, words));
    assert_null(finding(&l, IMPORT_NOTE, 0, words));
    unload(&l);
}

static void warns(const char *text, enum import_severity s, unsigned line, const char *words)
{
    struct loaded l = load_guided(text);
    assert_int_equal(l.err, ERR_OK);
    expect(&l, s, line, words);
    unload(&l);
}

static void an_authorizer_that_guards_nothing(void **state)
{
    (void)state;
    warns("swagger: '2.0'\npaths: {/a: {get: {" BACKEND "}}}\n" TOKEN, IMPORT_WARNING, 4,
          "authorizer guide guards nothing");
    leaves_alone("swagger: '2.0'\npaths: {/a: {get: {" GUARDED "}}}\n" TOKEN, "guards nothing");
}

static void an_open_method_beside_guarded_ones(void **state)
{
    (void)state;
    warns("swagger: '2.0'\npaths:\n  /a: {get: {" GUARDED "}}\n  /b: {get: {" BACKEND "}}\n" TOKEN,
          IMPORT_NOTE, 4, "GET /b has no authorizer");
    leaves_alone("swagger: '2.0'\npaths:\n  /b: {get: {" BACKEND "}}\n", "has no authorizer");
}

static void a_guarded_preflight(void **state)
{
    (void)state;
    warns("swagger: '2.0'\npaths:\n  /a: {options: {" GUARDED "}}\n  /b: {options: {" GUARDED
          "}}\n" TOKEN,
          IMPORT_WARNING, 3, "OPTIONS /a and 1 more have an authorizer");
    leaves_alone("swagger: '2.0'\npaths:\n  /a: {options: {" BACKEND "}, get: {" GUARDED
                 "}}\n" TOKEN,
                 "have an authorizer");
}

static void denials_that_a_browser_cannot_read(void **state)
{
    static const char api[] = "swagger: '2.0'\ninfo: {title: t}\npaths:\n  /a: {options: {" BACKEND
                              "}, get: {" GUARDED "}}\n" TOKEN;
    char text[2048];
    (void)state;
    warns(api, IMPORT_WARNING, 4, "no CORS headers");
    snprintf(text, sizeof text,
             "%sx-amazon-apigateway-gateway-responses: {DEFAULT_4XX: {responseParameters: "
             "{gatewayresponse.header.Access-Control-Allow-Origin: \"'*'\"}}}\n",
             api);
    leaves_alone(text, "no CORS headers");
}

#define POLICY(...) \
    "swagger: '2.0'\nx-amazon-apigateway-policy:\n  Statement:\n" __VA_ARGS__ "paths: {}\n"
#define ALLOW "    - {Effect: Allow, Principal: '*', Action: '*', Resource: '*'}\n"

static void a_statement_that_a_deny_covers(void **state)
{
    (void)state;
    warns(POLICY(ALLOW "    - {Effect: Deny, Principal: '*', Action: '*', Resource: '*'}\n"),
          IMPORT_WARNING, 4, "statement 2 denies everything");
    leaves_alone(POLICY(ALLOW "    - {Effect: Deny, Principal: '*', Action: '*', Resource: '*', "
                              "Condition: {IpAddress: {aws:SourceIp: 1.2.3.4}}}\n"),
                 "denies everything");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authorizer_that_guards_nothing),
        cmocka_unit_test(an_open_method_beside_guarded_ones),
        cmocka_unit_test(a_guarded_preflight),
        cmocka_unit_test(denials_that_a_browser_cannot_read),
        cmocka_unit_test(a_statement_that_a_deny_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
