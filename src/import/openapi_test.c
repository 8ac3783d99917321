/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAPI documents with API Gateway's extensions: what becomes of them, and what is refused with
 * its line. */
#include "import_test.h"

#define HEAD "openapi: 3.0.1\ninfo: {title: Pets}\n" /* two lines */
#define BACKEND \
    "x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: 'http://b/x'}"
#define MOCK(template) \
    "x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: " template "}}"

/* --- authorizers and security ------------------------------------------------------------------
 */

#define SCHEMES(more)                                                                     \
    "components:\n  securitySchemes:\n    guide:\n      type: apiKey\n      in: header\n" \
    "      name: Authorization\n      x-amazon-apigateway-authtype: custom\n"             \
    "      x-amazon-apigateway-authorizer:\n        type: token\n" more
#define GUIDE_URI "        authorizerUri: " LAMBDA_URI("guide") "\n"

static struct loaded load_guided(const char *text)
{
    struct import_options o = plain_options();
    const struct import_function guide = {
        .name = STR("guide"), .dir = STR("."), .handler = STR("index.handler")};
    o.functions = &guide;
    o.function_count = 1;
    return load_with(&o, text);
}

static void refuses_guided(const char *text, unsigned line, const char *words)
{
    struct loaded l = load_guided(text);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, line, words);
    unload(&l);
}

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
            5, "GET /pets would be open: the security scheme basic");
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: [{nowhere: []}]\n      " BACKEND "\n",
            6, "nowhere is no security scheme of this document");
}

static void an_empty_requirement_is_refused_because_it_would_open_the_method(void **state)
{
    (void)state;
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: [{}]\n      " BACKEND "\n", 6,
            "empty security requirement");
    refuses(HEAD "paths:\n  /pets:\n    get:\n      security: {guide: []}\n      " BACKEND "\n", 6,
            "security must be a list, not object");
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

static void authorizers_of_later_types_are_refused_when_a_method_uses_them(void **state)
{
    static const char *const types[] = {"request", "cognito_user_pools"};
    char text[1024];
    (void)state;
    for (size_t i = 0; i < COUNTOF(types); i++) {
        snprintf(
            text, sizeof text,
            "swagger: '2.0'\npaths:\n  /a:\n    get:\n      security: [{later: []}]\n      %s\n"
            "securityDefinitions:\n  later:\n    type: apiKey\n    in: header\n    name: Unused\n"
            "    x-amazon-apigateway-authorizer: {type: %s}\n",
            BACKEND, types[i]);
        refuses(text, 8, "not yet, only TOKEN authorizers are served (GET /a uses it)");
    }
}

static void an_authorizer_that_no_method_uses_only_warns(void **state)
{
    (void)state;
    accepts_saying("swagger: '2.0'\npaths: {/a: {get: {" BACKEND "}}}\nsecurityDefinitions:\n"
                   "  later: {type: apiKey, in: header, name: A, "
                   "x-amazon-apigateway-authorizer: {type: request}}\n",
                   IMPORT_WARNING, 4, "authorizer later is of type request");
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
            "x-amazon-apigateway-authorizer: {type: token, identitySource: "
            "method.request.header.B}}\n",
            3, "is its scheme's header");
}

static void the_cache_time_must_be_0_to_3600_seconds(void **state)
{
    (void)state;
    refuses_guided(HEAD "paths: {/a: {get: {security: [{guide: []}], " BACKEND
                        "}}}\n" SCHEMES(GUIDE_URI "        authorizerResultTtlInSeconds: 3601\n"),
                   14, "0 to 3600");
}

static void an_authorizer_without_a_function_here_is_refused_with_the_way_out(void **state)
{
    (void)state;
    refuses(HEAD "paths: {/a: {get: {security: [{guide: []}], " BACKEND "}}}\n" SCHEMES(GUIDE_URI),
            13, "--function guide=DIR:HANDLER");
    refuses(HEAD "paths: {/a: {get: {security: [{guide: []}], " BACKEND "}}}\n" SCHEMES(
                "        authorizerUri: {'Fn::Sub': 'arn:aws:apigateway:${AWS::Region}:lambda:path/"
                "2015-03-31/functions/${Guide.Arn}/invocations'}\n"),
            13, "--function Guide=DIR:HANDLER");
}

static void api_keys_and_iam_are_refused_by_name(void **state)
{
    (void)state;
    refuses("swagger: '2.0'\npaths: {/a: {get: {security: [{k: []}], " BACKEND "}}}\n"
            "securityDefinitions: {k: {type: apiKey, in: header, name: x-api-key}}\n",
            2, "API keys are not enforced yet");
    refuses("swagger: '2.0'\npaths: {/a: {get: {security: [{s: []}], " BACKEND "}}}\n"
            "securityDefinitions: {s: {type: apiKey, in: header, name: Authorization, "
            "x-amazon-apigateway-authtype: awsSigv4}}\n",
            2, "AWS_IAM");
    refuses("swagger: '2.0'\npaths: {/a: {get: {x-amazon-apigateway-auth: {type: AWS_IAM}, " BACKEND
            "}}}\n",
            2, "AWS_IAM");
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

/* --- paths and methods ---------------------------------------------------------------------------
 */

#define AT(path) "swagger: '2.0'\npaths:\n  " path ":\n    get: {" BACKEND "}\n"

static void paths_that_cannot_be_are_refused_in_the_words_of_aws(void **state)
{
    (void)state;
    refuses(AT("pets"), 3, "must begin with /");
    refuses(AT("/a//b"), 3, "empty segment");
    refuses(AT("/a/../b"), 3, "dot segment");
    refuses(AT("'/{proxy+}/x'"), 3,
            "Cannot create a child of a resource with a greedy path variable: {proxy+}");
    refuses(AT("'/{a}{b}'"), 3, "the path part \"{a}{b}\"");
    refuses(AT("'/{a}.json'"), 3, "the path part \"{a}.json\"");
    refuses(AT("'/{}'"), 3, "the path part \"{}\"");
    refuses(AT("/a b"), 3, "the path part \"a b\"");
    refuses(AT("'/{id}/x'") "  '/{proxy+}':\n    get: {" BACKEND "}\n", 5,
            "A sibling ({id}) of this resource already has a variable path part -- only one is "
            "allowed");
}

static void the_same_variable_may_stand_in_many_paths(void **state)
{
    (void)state;
    struct loaded l = accepted(AT("'/{id}'") "  '/{id}/{proxy+}':\n    get: {" BACKEND "}\n"
                                             "  '/x/{other}':\n    get: {" BACKEND
                                             "}\n  /:\n    get: {" BACKEND "}\n");
    assert_non_null(method(&l, "GET", "/{id}/{proxy+}"));
    assert_non_null(method(&l, "GET", "/"));
    unload(&l);
}

static void unknown_verbs_are_refused(void **state)
{
    (void)state;
    refuses("swagger: '2.0'\npaths: {/a: {trace: {" BACKEND "}}}\n", 2, "\"trace\" is no method");
    refuses("swagger: '2.0'\npaths: {/a: {any: {" BACKEND "}}}\n", 2,
            "write x-amazon-apigateway-any-method");
    refuses("swagger: '2.0'\npaths: {/a: {x-amazon-apigateway-method: {}}}\n", 2, "is no method");
    refuses("swagger: '2.0'\npaths: {/a: null}\n", 2, "a path item must be an object");
    refuses("swagger: '2.0'\npaths: {/a: {get: null}}\n", 2, "an operation must be an object");
}

static void one_method_twice_is_refused(void **state)
{
    (void)state;
    refuses("swagger: '2.0'\npaths:\n  /a: {get: {" BACKEND "}}\n  /a/: {get: {" BACKEND "}}\n", 4,
            "defined multiple times for path \"/a\"");
}

static void a_method_without_integration_is_refused_as_on_aws(void **state)
{
    (void)state;
    refuses("swagger: '2.0'\npaths:\n  /a:\n    get: {}\n", 4,
            "No integration defined for method GET /a");
}

static void a_local_ref_is_followed(void **state)
{
    (void)state;
    struct loaded l = accepted(
        HEAD "paths:\n  /a: {$ref: '#/x-items/a~1b'}\nx-items: {a/b: {get: "
             "{x-amazon-apigateway-integration: {$ref: "
             "'#/components/x-amazon-apigateway-integrations/one'}}}}\ncomponents: "
             "{x-amazon-apigateway-integrations: {one: {type: http_proxy, httpMethod: ANY, uri: "
             "'http://b/'}}}\n");
    assert_json(method(&l, "GET", "/a")->integration,
                "{\"type\":\"HTTP_PROXY\",\"httpMethod\":\"ANY\",\"uri\":\"http://b/\"}");
    unload(&l);
}

static void other_refs_are_refused(void **state)
{
    (void)state;
    refuses(HEAD "paths:\n  /a: {$ref: '#/nowhere'}\n", 4, "leads nowhere");
    refuses(HEAD "paths:\n  /a: {$ref: 'other.yaml#/x'}\n", 4, "a place in this document");
    refuses(HEAD "paths:\n  /a: {$ref: '#/paths/~1a'}\n", 4, "too many");
    refuses(HEAD "paths:\n  /a: {$ref: '#/x-a', get: {}}\nx-a: {}\n", 4, "must stand alone");
}

/* --- integrations --------------------------------------------------------------------------------
 */

#define WITH(integration)                                                                      \
    "swagger: '2.0'\npaths:\n  /a:\n    get:\n      x-amazon-apigateway-integration:\n       " \
    " " integration "\n"

static void an_http_proxy_keeps_its_mappings(void **state)
{
    (void)state;
    struct loaded l = accepted(WITH(
        "{type: http_proxy, httpMethod: post, uri: 'http://127.0.0.1:9000/{id}', timeoutInMillis: "
        "500, passthroughBehavior: when_no_match, connectionType: INTERNET, requestParameters: {"
        "integration.request.header.X-User: context.authorizer.principalId, "
        "integration.request.path.id: method.request.path.id, "
        "integration.request.querystring.v: \"'1'\"}}"));
    assert_json(method(&l, "GET", "/a")->integration,
                "{\"type\":\"HTTP_PROXY\",\"httpMethod\":\"POST\",\"uri\":\"http://127.0.0.1:9000/"
                "{id}\",\"requestParameters\":{\"integration.request.header.X-User\":\"context."
                "authorizer.principalId\",\"integration.request.path.id\":\"method.request.path."
                "id\",\"integration.request.querystring.v\":\"'1'\"},\"passthroughBehavior\":"
                "\"WHEN_NO_MATCH\",\"connectionType\":\"INTERNET\",\"timeoutInMillis\":500}");
    unload(&l);
}

static void integrations_that_are_not_served_are_refused_by_name(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {WITH("{type: aws, httpMethod: POST, uri: x}"), "integration type AWS is not served yet"},
        {WITH("{type: http, httpMethod: GET, uri: 'http://b'}"),
         "integration type HTTP is not served"},
        {WITH("{type: grpc}"), "no integration type \"GRPC\""},
        {WITH("{}"), "the integration has no type"},
        {WITH("{type: http_proxy, httpMethod: GET}"), "has no uri"},
        {WITH("{type: http_proxy, uri: 'http://b'}"), "has no httpMethod"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: '${uri}'}"), "must begin with http://"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', connectionType: VPC_LINK}"),
         "there is no VPC here"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', timeoutInMillis: 30000}"),
         "50 to 29000"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', tlsConfig: {a: b}}"),
         "tlsConfig"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', requestParameters: {"
              "integration.request.header.X: method.request.body.id}}"),
         "method.request.body"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', requestParameters: {"
              "integration.request.header.X: unquoted}}"),
         "Invalid mapping expression specified: unquoted"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', requestParameters: {"
              "integration.request.body: \"'x'\"}}"),
         "nothing that can be mapped to"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', payloadFormatVersion: '2.0'}"),
         "HTTP APIs"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', integrationTarget: x}"),
         "no property \"integrationTarget\""},
        {WITH("{type: aws_proxy, httpMethod: POST, uri: 'https://b'}"), "FUNCTION-ARN/invocations"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'https://b'}"), "https:// backends"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://${stageVariables.b}'}"),
         "the stage variable b has no value"},
        {WITH("{type: mock}"), "needs requestTemplates"},
        {WITH("{type: mock, requestTemplates: {text/xml: '{statusCode: 200}'}}"),
         "needs requestTemplates"},
        {WITH("{type: mock, requestTemplates: {application/json: '{statusCode: 200}', text/xml: "
              "'{statusCode: 400}'}}"),
         "another statusCode for each content type"},
        {WITH("{type: mock, requestTemplates: {application/json: '{statusCode: 200}'}, responses: "
              "{'2..': {statusCode: 200}}}"),
         "the pattern \"2..\" is not served yet"},
        {WITH("{type: mock, requestTemplates: {application/json: '{statusCode: 200}'}, responses: "
              "{default: {statusCode: 200, responseTemplates: {text/html: x}}}}"),
         "as application/json only"},
        {WITH("{type: mock, requestTemplates: {application/json: '#set($a = 1){\"statusCode\": "
              "200}'}}"),
         "Velocity (VTL) is not served yet"},
        {WITH("{type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, "
              "responses: "
              "{default: {statusCode: 200, responseTemplates: {application/json: "
              "'$context.stage'}}}}"),
         "Velocity (VTL)"},
        {WITH(
             "{type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, "
             "responses: "
             "{default: {statusCode: 200, responseParameters: {method.response.header.X: star}}}}"),
         "Invalid mapping expression specified: star"},
        {WITH("{type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, "
              "responses: "
              "{default: {}}}"),
         "needs a statusCode"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refuses(rows[i].text, 6, rows[i].words);
}

static void a_literal_mock_is_served(void **state)
{
    (void)state;
    struct loaded l = accepted(WITH(
        "{type: MOCK, requestTemplates: {application/json: ' { statusCode : 204 } ', text/xml: "
        "'{statusCode: 204}'}, responses: {default: {statusCode: '204', responseParameters: {"
        "method.response.header.Access-Control-Allow-Origin: \"'*'\"}}, '400': {statusCode: 400, "
        "responseTemplates: {application/json: 'bad'}}}}"));
    assert_json(
        method(&l, "GET", "/a")->integration,
        "{\"type\":\"MOCK\",\"requestTemplates\":{\"application/json\":\"{\\\"statusCode\\\": "
        "204}\"},\"integrationResponses\":{\"default\":{\"statusCode\":\"204\","
        "\"responseParameters\":{\"method.response.header.Access-Control-Allow-Origin\":"
        "\"'*'\"}},\"400\":{\"statusCode\":\"400\",\"responseTemplates\":{\"application/"
        "json\":\"bad\"}}}}");
    unload(&l);
}

static void a_lambda_integration_with_another_method_than_post_is_refused(void **state)
{
    (void)state;
    refuses_guided(WITH("{type: aws_proxy, httpMethod: GET, uri: '" LAMBDA_URI("guide") "'}"), 6,
                   "httpMethod must be POST");
}

/* --- the document --------------------------------------------------------------------------------
 */

static void a_bare_document_is_an_api_with_stage_dev(void **state)
{
    (void)state;
    struct loaded l = accepted(HEAD "paths: {/a: {get: {operationId: listPets, " BACKEND "}}}\n");
    const struct model_api *api = l.model.apis;
    assert_str(api->stage, "dev");
    assert_str(api->name, "Pets");
    assert_str(api->logical_id, "");
    assert_int_equal(api->id.n, 10);
    assert_int_equal(api->kind, API_REST);
    assert_false(api->allow_double_slash);
    assert_str(l.model.partition, "aws");
    assert_str(json_get(method(&l, "GET", "/a")->method, "operationName")->s, "listPets");
    assert_int_equal(method(&l, "GET", "/a")->at.line, 3);
    unload(&l);
}

static void the_stage_of_a_bare_document_can_be_given(void **state)
{
    (void)state;
    struct import_options o = plain_options();
    o.stage = STR("prod");
    struct loaded l = load_with(&o, HEAD "paths: {}\n");
    assert_int_equal(l.err, ERR_OK);
    assert_str(l.model.apis->stage, "prod");
    expect(&l, IMPORT_NOTE, 3, "no methods");
    unload(&l);
}

static void json_documents_have_lines_too(void **state)
{
    (void)state;
    refuses("{\n\t\"swagger\": \"2.0\",\n\t\"paths\": {\n\t\t\"/a\": {\n\t\t\t\"get\": {}}}}", 5,
            "No integration defined");
}

static void root_extensions_are_judged(void **state)
{
    static const struct {
        const char *text, *words;
    } refused[] = {
        {HEAD "x-amazon-apigateway-policy: {Version: '2012-10-17'}\n", "resource policies"},
        {HEAD "x-amazon-apigateway-cors: {allowOrigins: ['*']}\n", "HTTP API"},
        {HEAD "x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: true}\n",
         "disableExecuteApiEndpoint"},
        {HEAD "x-amazon-apigateway-authoriser: {}\n", "no property"},
        {HEAD "x-ropeline-paths: loose\n", "must be aws or strict"},
    };
    static const struct {
        const char *text;
        enum import_severity severity;
        const char *words;
    } accepted_rows[] = {
        {HEAD "x-amazon-apigateway-gateway-responses: {DEFAULT_4XX: {}}\n", IMPORT_WARNING,
         "not served yet, the default body is sent"},
        {HEAD "x-amazon-apigateway-binary-media-types: ['*/*']\n", IMPORT_WARNING,
         "not served yet"},
        {HEAD "x-amazon-apigateway-api-key-source: HEADER\n", IMPORT_NOTE, "API keys"},
        {HEAD "basePath: /v1\n", IMPORT_NOTE, "is ignored"},
        {HEAD "surprise: 1\n", IMPORT_NOTE, "no property \"surprise\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(refused); i++)
        refuses(refused[i].text, 3, refused[i].words);
    for (size_t i = 0; i < COUNTOF(accepted_rows); i++)
        accepts_saying(accepted_rows[i].text, accepted_rows[i].severity, 3, accepted_rows[i].words);
    struct loaded l = accepted(HEAD "x-ropeline-paths: aws\n");
    assert_true(l.model.apis->allow_double_slash);
    unload(&l);
}

#define VALIDATORS                                                                      \
    "x-amazon-apigateway-request-validators: {all: {validateRequestBody: true}, none: " \
    "{validateRequestBody: false}}\n"

static void request_validators_are_refused_when_in_use(void **state)
{
    (void)state;
    struct loaded l =
        accepted(HEAD VALIDATORS "paths: {/a: {get: {" BACKEND
                                 ", x-amazon-apigateway-request-validator: none}}}\n");
    unload(&l);
    refuses(HEAD VALIDATORS "paths: {/a: {get: {" BACKEND
                            ", x-amazon-apigateway-request-validator: all}}}\n",
            4, "requests are not validated yet");
    refuses(HEAD VALIDATORS
            "x-amazon-apigateway-request-validator: all\npaths: {/a: {get: {" BACKEND "}}}\n",
            4, "requests are not validated yet");
    refuses(HEAD "paths: {/a: {get: {" BACKEND ", x-amazon-apigateway-request-validator: gone}}}\n",
            3, "no request validator \"gone\"");
}

static void http_apis_are_refused_by_name(void **state)
{
    (void)state;
    refuses(HEAD "components: {securitySchemes: {j: {type: oauth2, x-amazon-apigateway-authorizer: "
                 "{type: jwt}}}}\n",
            3, "a jwt authorizer makes this an HTTP API");
    refuses(HEAD
            "components: {securitySchemes: {j: {x-amazon-apigateway-authorizer: {type: request, "
            "authorizerPayloadFormatVersion: '2.0'}}}}\n",
            3, "authorizerPayloadFormatVersion 2.0");
}

static void unknown_versions_are_refused(void **state)
{
    (void)state;
    refuses("swagger: '1.2'\n", 1, "Swagger 1.2");
    refuses("openapi: 4.0.0\n", 1, "OpenAPI 4.0.0");
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
        cmocka_unit_test(authorizers_of_later_types_are_refused_when_a_method_uses_them),
        cmocka_unit_test(an_authorizer_that_no_method_uses_only_warns),
        cmocka_unit_test(unknown_properties_of_an_authorizer_are_refused_even_unused),
        cmocka_unit_test(a_token_authorizer_needs_its_one_header),
        cmocka_unit_test(the_cache_time_must_be_0_to_3600_seconds),
        cmocka_unit_test(an_authorizer_without_a_function_here_is_refused_with_the_way_out),
        cmocka_unit_test(api_keys_and_iam_are_refused_by_name),
        cmocka_unit_test(auth_none_beside_an_authorizer_leaves_the_method_guarded),
        cmocka_unit_test(paths_that_cannot_be_are_refused_in_the_words_of_aws),
        cmocka_unit_test(the_same_variable_may_stand_in_many_paths),
        cmocka_unit_test(unknown_verbs_are_refused),
        cmocka_unit_test(one_method_twice_is_refused),
        cmocka_unit_test(a_method_without_integration_is_refused_as_on_aws),
        cmocka_unit_test(a_local_ref_is_followed),
        cmocka_unit_test(other_refs_are_refused),
        cmocka_unit_test(an_http_proxy_keeps_its_mappings),
        cmocka_unit_test(integrations_that_are_not_served_are_refused_by_name),
        cmocka_unit_test(a_literal_mock_is_served),
        cmocka_unit_test(a_lambda_integration_with_another_method_than_post_is_refused),
        cmocka_unit_test(a_bare_document_is_an_api_with_stage_dev),
        cmocka_unit_test(the_stage_of_a_bare_document_can_be_given),
        cmocka_unit_test(json_documents_have_lines_too),
        cmocka_unit_test(root_extensions_are_judged),
        cmocka_unit_test(request_validators_are_refused_when_in_use),
        cmocka_unit_test(http_apis_are_refused_by_name),
        cmocka_unit_test(unknown_versions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
