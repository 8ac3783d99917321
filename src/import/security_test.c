/* SPDX-License-Identifier: Apache-2.0
 *
 * Security schemes, what methods require, and HTTP APIs as OpenAPI documents describe them. */
#include "openapi_test.h"

/* --- authorizers and security ------------------------------------------------------------------
 */

static void a_token_scheme_becomes_the_authorizer_of_the_methods_that_name_it(void **state)
{
    (void)state;
    struct loaded l = load_guided(
        HEAD "paths:\n  /pets:\n    get:\n      security: [{guide: []}]\n      " BACKEND
             "\n    post:\n      security: []\n      " BACKEND
             "\n" SCHEMES(GUIDE_URI "        identityValidationExpression: '^Bearer .+'\n"
                                    "        authorizerResultTtlInSeconds: 60\n"));
    print_findings(&l);
    assert_int_equal(l.err, ERR_OK);
    assert_string_equal(guard_of(&l, "GET", "/pets"), "guide");
    assert_string_equal(guard_of(&l, "POST", "/pets"), "NONE");
    const struct model_authorizer *z = l.model.apis->authorizers;
    assert_json(z->spec, "{\"name\":\"guide\",\"type\":\"TOKEN\",\"authorizerUri\":\"" LAMBDA_URI(
                             "guide") "\",\"identitySource\":\"method.request.header."
                                      "Authorization\",\"identityValidationExpression\":\"^Bearer "
                                      ".+\",\"authorizerResultTtlInSeconds\":60}");
    assert_int_equal(z->at.line, 13);
    assert_null(z->next);
    unload(&l);
}

static void swagger_2_security_definitions_are_read_likewise(void **state)
{
    (void)state;
    struct loaded l = load_guided(
        "swagger: '2.0'\npaths:\n  /:\n    x-amazon-apigateway-any-method:\n"
        "      security:\n        - guide: []\n      " BACKEND "\n"
        "securityDefinitions:\n  guide: {type: apiKey, in: header, name: X-Token, "
        "x-amazon-apigateway-authorizer: {type: TOKEN, authorizerUri: '" LAMBDA_URI("guide") "'}}");
    assert_int_equal(l.err, ERR_OK);
    assert_string_equal(guard_of(&l, "ANY", "/"), "guide");
    assert_str(json_get(l.model.apis->authorizers->spec, "identitySource")->s,
               "method.request.header.X-Token");
    unload(&l);
}

static void a_scheme_that_guards_nothing_refuses_the_method_that_names_it(void **state)
{
    (void)state;
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: [{basic: []}]\n      " BACKEND
                 "\ncomponents: {securitySchemes: {basic: {type: http, scheme: basic}}}\n",
            6, "GET /pets would be open: the security scheme basic");
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: [{nowhere: []}]\n      " BACKEND "\n",
            6, "nowhere is no security scheme of this document");
}

static void an_empty_requirement_is_refused_because_it_would_open_the_method(void **state)
{
    (void)state;
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: [{}]\n      " BACKEND "\n", 6,
            "empty security requirement");
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: {}\n      " BACKEND "\n", 6,
            "empty security requirement");
    accepts_saying(HEAD "paths:\n  /pets:\n    get:\n      security: {k: []}\n      " BACKEND
                        "\ncomponents: {securitySchemes: {k: {type: apiKey, in: header, name: "
                        "x-api-key}}}\n",
                   IMPORT_WARNING, 6, "security must be a list");
}

static void a_misspelled_security_does_not_pass_silently(void **state)
{
    (void)state;
    refuses("swagger: '2.0'\npaths: {/a: {get: {Security: [{g: []}], " BACKEND "}}}\n", 2,
            "\"Security\" is spelled security");
    accepts_saying("swagger: '2.0'\npaths: {/a: {get: {securty: [{g: []}], " BACKEND "}}}\n",
                   IMPORT_WARNING, 2, "no property \"securty\"");
}

static void root_level_security_is_ignored_with_a_loud_warning(void **state)
{
    (void)state;
    struct loaded l =
        load_guided(HEAD "security: [{guide: []}]\npaths:\n  /a:\n    get:\n      " BACKEND
                         "\n    put:\n      security: [{guide: []}]\n      " BACKEND
                         "\n    post:\n      security: []\n      " BACKEND "\n" SCHEMES(GUIDE_URI));
    assert_int_equal(l.err, ERR_OK);
    expect(&l, IMPORT_WARNING, 3, "1 method without security of their own ARE OPEN");
    assert_string_equal(guard_of(&l, "GET", "/a"), "NONE");
    assert_string_equal(guard_of(&l, "PUT", "/a"), "guide");
    unload(&l);
}

static void two_authorizers_on_one_method_are_refused(void **state)
{
    (void)state;
    refuses_guided(
        HEAD "paths:\n  /a:\n    get:\n      security: [{guide: []}, {two: []}]\n      " BACKEND
             "\nsecurityDefinitions: {two: {type: apiKey, in: header, name: A, "
             "x-amazon-apigateway-authorizer: {type: token, authorizerUri: '" LAMBDA_URI(
                 "guide") "'}}}\n" SCHEMES(GUIDE_URI),
        6, "names two authorizers");
}

#define GUARDED(authorizer)                                                                    \
    "swagger: '2.0'\npaths:\n  /a:\n    get:\n      security: [{z: [s/read]}]\n      " BACKEND \
    "\nsecurityDefinitions:\n  z:\n    type: apiKey\n    in: header\n    name: Unused\n"       \
    "    x-amazon-apigateway-authorizer: " authorizer "\n"

static void request_and_cognito_authorizers_become_what_create_authorizer_takes(void **state)
{
    (void)state;
    struct loaded l = accepted(GUARDED("{type: request, authorizerUri: '" LAMBDA_URI(
        "guide") "', authorizerResultTtlInSeconds: 0}"));
    assert_string_equal(authorizer(&l),
                        "{\"name\":\"z\",\"type\":\"REQUEST\",\"authorizerUri\":\"" LAMBDA_URI(
                            "guide") "\",\"authorizerResultTtlInSeconds\":0}");
    assert_json(
        method(&l, "GET", "/a")->method,
        "{\"authorizationType\":\"CUSTOM\",\"authorizerName\":\"z\",\"apiKeyRequired\":false}");
    expect(&l, IMPORT_WARNING, 5, "scopes are not checked for Lambda authorizers");
    expect(&l, IMPORT_WARNING, 12, "it is not declared in this document");
    unload(&l);
    l = accepted(GUARDED("{type: request, authorizerUri: '" LAMBDA_URI(
        "guide") "', identitySource: 'method.request.header.A,context.identity.sourceIp'}"));
    assert_non_null(
        strstr(authorizer(&l),
               "\"identitySource\":\"method.request.header.A, context.identity.sourceIp\""));
    unload(&l);
    l = accepted(GUARDED("{type: cognito_user_pools, providerARNs: "
                         "['arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_x']}"));
    assert_string_equal(authorizer(&l),
                        "{\"name\":\"z\",\"type\":\"COGNITO_USER_POOLS\",\"identitySource\":"
                        "\"method.request.header.Unused\",\"providerARNs\":[\"arn:aws:cognito-idp:"
                        "eu-west-1:1:userpool/eu-west-1_x\"]}");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"COGNITO_USER_POOLS\",\"authorizerName\":\"z\","
                "\"authorizationScopes\":[\"s/read\"],\"apiKeyRequired\":false}");
    unload(&l);
}

static void unsound_authorizers_are_refused_by_name(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {GUARDED("{type: request, authorizerUri: '" LAMBDA_URI("g") "'}"),
         "need at least one identity source"},
        {GUARDED("{type: request, authorizerUri: '" LAMBDA_URI(
             "g") "', identitySource: method.request.path.id}"),
         "is no identity source"},
        {GUARDED("{type: request, identitySource: method.request.header.A}"),
         "has no authorizerUri"},
        {GUARDED("{type: request, authorizerUri: '" LAMBDA_URI(
             "g") "', identitySource: context.path, authorizerResultTtlInSeconds: 3601}"),
         "0 to 3600"},
        {GUARDED("{type: cognito_user_pools}"), "names no user pool"},
        {GUARDED("{type: cognito_user_pools, providerARNs: [null]}"),
         "a user pool's ARN must be text"},
        {GUARDED("{type: token, authorizerUri: '" LAMBDA_URI("g") "', x-ropeline-ttl: 3}"),
         "no property \"x-ropeline-ttl\""},
        {GUARDED("{type: token, authorizerUri: '" LAMBDA_URI("g") "', x-ropeline-coalesce: maybe}"),
         "is true or false"},
        {GUARDED("{type: oauth}"), "no authorizer type \"oauth\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refuses(rows[i].text, 0, rows[i].words);
}

static void an_authorizer_that_no_method_uses_only_warns(void **state)
{
    (void)state;
    accepts_saying(HEAD "paths: {/a: {get: {" BACKEND "}}}\n" SCHEMES(GUIDE_URI), IMPORT_WARNING, 6,
                   "authorizer guide guards nothing");
}

static void unknown_properties_of_an_authorizer_are_refused_even_unused(void **state)
{
    (void)state;
    refuses(HEAD SCHEMES(GUIDE_URI "        authoriserTtl: 1\n"), 13,
            "no property \"authoriserTtl\"");
    refuses(HEAD SCHEMES(GUIDE_URI "        enableSimpleResponses: true\n"), 13,
            "belongs to another type of authorizer");
}

static void a_token_authorizer_needs_its_one_header(void **state)
{
    (void)state;
    refuses("swagger: '2.0'\nsecurityDefinitions:\n  g: {type: apiKey, in: query, name: token, "
            "x-amazon-apigateway-authorizer: {type: token}}\n",
            3, "reads one header");
    refuses("swagger: '2.0'\nsecurityDefinitions:\n  g: {type: apiKey, in: header, name: A, "
            "x-amazon-apigateway-authorizer: {type: token, authorizerUri: '" LAMBDA_URI(
                "g") "', identitySource: method.request.header.B}}\npaths: {/a: {get: {security: "
                     "[{g: []}], " BACKEND "}}}\n",
            3, "is its scheme's header");
}

static void the_cache_time_must_be_0_to_3600_seconds(void **state)
{
    (void)state;
    refuses_guided(HEAD "paths: {/a: {get: {security: [{guide: []}], " BACKEND
                        "}}}\n" SCHEMES(GUIDE_URI "        authorizerResultTtlInSeconds: 3601\n"),
                   14, "0 to 3600");
}

/* check has no code to look at; whoever runs the document must have it. */
static void an_authorizer_without_a_function_here_is_refused_where_it_would_run(void **state)
{
    static const char *const texts[] = {
        HEAD "paths: {/a: {get: {security: [{guide: []}], " BACKEND "}}}\n" SCHEMES(GUIDE_URI),
        HEAD "paths: {/a: {get: {security: [{guide: []}], " BACKEND "}}}\n" SCHEMES(
            "        authorizerUri: {'Fn::Sub': 'arn:aws:apigateway:${AWS::Region}:lambda:path/"
            "2015-03-31/functions/${guide.Arn}/invocations'}\n")};
    struct import_options o = plain_options();
    (void)state;
    o.require_code = true;
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        accepts_saying(texts[i], IMPORT_WARNING, 13, "--function guide=DIR:HANDLER");
        struct loaded l = load_with(&o, texts[i]);
        assert_int_equal(l.err, ERR_INVALID);
        expect(&l, IMPORT_ERROR, 13, "--function guide=DIR:HANDLER");
        unload(&l);
    }
}

static void api_keys_and_iam_are_what_a_method_needs(void **state)
{
    static const char iam[] = "{\"authorizationType\":\"AWS_IAM\",\"apiKeyRequired\":false}";
    (void)state;
    struct loaded l =
        accepted("swagger: '2.0'\npaths: {/a: {get: {security: [{k: []}], " BACKEND "}}}\n"
                 "securityDefinitions: {k: {type: apiKey, in: header, name: x-api-key}}\n");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":true}");
    unload(&l);
    l = accepted("swagger: '2.0'\npaths: {/a: {get: {security: [{s: []}], " BACKEND "}}}\n"
                 "securityDefinitions: {s: {type: apiKey, in: header, name: Authorization, "
                 "x-amazon-apigateway-authtype: awsSigv4}}\n");
    expect(&l, IMPORT_NOTE, 2, "AWS_IAM");
    assert_json(method(&l, "GET", "/a")->method, iam);
    unload(&l);
    l = accepted(
        "swagger: '2.0'\npaths: {/a: {get: {x-amazon-apigateway-auth: {type: AWS_IAM}, " BACKEND
        "}}}\n");
    assert_json(method(&l, "GET", "/a")->method, iam);
    unload(&l);
    refuses("swagger: '2.0'\npaths: {/a: {get: {x-amazon-apigateway-auth: {type: LDAP}, " BACKEND
            "}}}\n",
            2, "must be NONE or AWS_IAM");
}

static void auth_none_beside_an_authorizer_leaves_the_method_guarded(void **state)
{
    (void)state;
    struct loaded l = load_guided(HEAD "paths: {/a: {get: {security: [{guide: []}], "
                                       "x-amazon-apigateway-auth: {type: NONE}, " BACKEND
                                       "}}}\n" SCHEMES(GUIDE_URI));
    assert_int_equal(l.err, ERR_OK);
    assert_string_equal(guard_of(&l, "GET", "/a"), "guide");
    expect(&l, IMPORT_WARNING, 3, "says NONE");
    unload(&l);
}

#define HTTP "x-amazon-apigateway-cors: {allowOrigins: ['https://a.example']}\n"
#define FUNCTION_BACKEND                                                                     \
    "x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: GET, uri: '" LAMBDA_URI( \
        "f") "', payloadFormatVersion: '2.0'}"

static void http_apis_have_their_own_shape(void **state)
{
    (void)state;
    struct loaded l = accepted(
        HEAD HTTP "components: {securitySchemes: {j: {type: openIdConnect, openIdConnectUrl: "
                  "'https://i.example/.well-known/openid-configuration', "
                  "x-amazon-apigateway-authorizer: {type: jwt, identitySource: "
                  "$request.header.Authorization, jwtConfiguration: {audience: [a]}}}}}\n"
                  "paths: {$default: {x-amazon-apigateway-any-method: {" FUNCTION_BACKEND
                  "}}, /a: {get: {security: [{j: [s]}], " FUNCTION_BACKEND "}}}\n");
    const struct model_api *m = l.model.apis;
    assert_int_equal(m->kind, API_HTTP);
    assert_str(m->stage, "$default");
    assert_json(m->cors, "{\"allowOrigins\":[\"https://a.example\"]}");
    assert_string_equal(authorizer(&l),
                        "{\"name\":\"j\",\"authorizerType\":\"JWT\",\"identitySource\":["
                        "\"$request.header.Authorization\"],\"jwtConfiguration\":{\"issuer\":"
                        "\"https://i.example\",\"audience\":[\"a\"]}}");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"JWT\",\"authorizerName\":\"j\",\"authorizationScopes\":["
                "\"s\"]}");
    assert_json(method(&l, "ANY", "$default")->integration,
                "{\"type\":\"AWS_PROXY\",\"httpMethod\":\"POST\",\"uri\":\"" LAMBDA_URI(
                    "f") "\",\"payloadFormatVersion\":\"2.0\"}");
    unload(&l);
    refuses(HEAD HTTP "paths: {/a: {get: {x-amazon-apigateway-integration: {type: mock}}}}\n", 4,
            "HTTP_PROXY and AWS_PROXY");
    refuses(HEAD HTTP "x-amazon-apigateway-policy: {Statement: []}\n", 4, "no resource policy");
    refuses(HEAD "components: {securitySchemes: {j: {type: oauth2, x-amazon-apigateway-authorizer: "
                 "{type: jwt}}}}\npaths: {/a: {get: {security: [{j: []}], " FUNCTION_BACKEND
                 "}}}\n",
            3, "jwtConfiguration {issuer, audience} is missing");
    refuses(HEAD
            "components: {securitySchemes: {j: {x-amazon-apigateway-authorizer: {type: request, "
            "authorizerPayloadFormatVersion: '3.0', authorizerUri: '" LAMBDA_URI(
                "f") "'}}}}\npaths: {/a: {get: {security: [{j: []}], " FUNCTION_BACKEND "}}}\n",
            3, "must be 1.0 or 2.0");
}

static void security_at_the_root_guards_an_http_api_and_others_when_told_to(void **state)
{
    static const char rest[] =
        HEAD "security: [{k: []}]\ncomponents: {securitySchemes: {k: {type: apiKey, in: header, "
             "name: x-api-key}}}\npaths: {/a: {get: {" BACKEND "}}}\n";
    (void)state;
    accepts_saying(rest, IMPORT_WARNING, 3, "ARE OPEN");
    char text[1024];
    snprintf(text, sizeof text, "%sx-ropeline-root-security: apply\n", rest);
    struct loaded l = accepted(text);
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":true}");
    unload(&l);
    l = accepted(HEAD HTTP
                 "security: [{j: []}]\ncomponents: {securitySchemes: {j: {type: oauth2, "
                 "x-amazon-apigateway-authorizer: {type: jwt, jwtConfiguration: {issuer: 'i', "
                 "audience: [a]}}}}}\npaths: {/a: {get: {" FUNCTION_BACKEND
                 "}, post: {security: [], " FUNCTION_BACKEND "}}}\n");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"JWT\",\"authorizerName\":\"j\"}");
    assert_json(method(&l, "POST", "/a")->method, "{\"authorizationType\":\"NONE\"}");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_scheme_becomes_the_authorizer_of_the_methods_that_name_it),
        cmocka_unit_test(swagger_2_security_definitions_are_read_likewise),
        cmocka_unit_test(a_scheme_that_guards_nothing_refuses_the_method_that_names_it),
        cmocka_unit_test(an_empty_requirement_is_refused_because_it_would_open_the_method),
        cmocka_unit_test(a_misspelled_security_does_not_pass_silently),
        cmocka_unit_test(root_level_security_is_ignored_with_a_loud_warning),
        cmocka_unit_test(two_authorizers_on_one_method_are_refused),
        cmocka_unit_test(request_and_cognito_authorizers_become_what_create_authorizer_takes),
        cmocka_unit_test(unsound_authorizers_are_refused_by_name),
        cmocka_unit_test(an_authorizer_that_no_method_uses_only_warns),
        cmocka_unit_test(unknown_properties_of_an_authorizer_are_refused_even_unused),
        cmocka_unit_test(a_token_authorizer_needs_its_one_header),
        cmocka_unit_test(the_cache_time_must_be_0_to_3600_seconds),
        cmocka_unit_test(an_authorizer_without_a_function_here_is_refused_where_it_would_run),
        cmocka_unit_test(api_keys_and_iam_are_what_a_method_needs),
        cmocka_unit_test(auth_none_beside_an_authorizer_leaves_the_method_guarded),
        cmocka_unit_test(http_apis_have_their_own_shape),
        cmocka_unit_test(security_at_the_root_guards_an_http_api_and_others_when_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
