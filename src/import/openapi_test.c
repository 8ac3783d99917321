/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAPI documents with API Gateway's extensions: what becomes of them, and what is refused with
 * its line. */
#include "openapi_test.h"

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
    refuses("swagger: '2.0'\npaths: {/a: {get: null}}\n", 2, "the method get is null");
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
        {WITH("{type: aws, httpMethod: POST, uri: x}"), "call AWS's own services"},
        {WITH("{type: http, httpMethod: GET, uri: 'http://b', requestTemplates: {a/b: $input}}"),
         "the request template is Velocity (VTL)"},
        {WITH("{type: http, httpMethod: GET, uri: 'http://b', responses: {default: {statusCode: "
              "200, responseTemplates: {a/b: $input}}}}"),
         "the response template is Velocity (VTL)"},
        {WITH("{type: http, httpMethod: GET, uri: 'http://b', contentHandling: TEXT}"),
         "contentHandling must be"},
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
         "tlsConfig: a is not served"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', requestParameters: {"
              "integration.request.header.X: unquoted}}"),
         "Invalid mapping expression specified: unquoted"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', requestParameters: {"
              "integration.request.body: \"'x'\"}}"),
         "nothing that can be mapped to"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', payloadFormatVersion: '2.0'}"),
         "payloadFormatVersion 2.0"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://b', integrationTarget: x}"),
         "no property \"integrationTarget\""},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'ftp://b'}"), "http:// or https://"},
        {WITH("{type: http_proxy, httpMethod: GET, uri: 'http://${stageVariables.b}'}"),
         "the stage variable b has no value"},
        {WITH("{type: mock}"), "needs requestTemplates"},
        {WITH("{type: mock, requestTemplates: {}}"), "needs requestTemplates"},
        {WITH("{type: mock, requestTemplates: {application/json: '{statusCode: 200}'}, responses: "
              "{default: {statusCode: 200, responseParameters: {method.response.header.X: "
              "integration.response.header.X}}}}"),
         "a MOCK integration sends plain text"},
        {WITH("{type: mock, requestTemplates: {application/json: '#set($a = 1){\"statusCode\": "
              "200}'}}"),
         "Velocity (VTL) is not served"},
        {WITH("{type: mock, requestTemplates: {application/json: '{\"statusCode\": 200}'}, "
              "responses: "
              "{default: {statusCode: 200, responseTemplates: {application/json: "
              "'$context.stage'}}}}"),
         "Velocity (VTL)"},
        {WITH("{type: http, httpMethod: GET, uri: 'http://b', responses: {default: {statusCode: "
              "200, responseParameters: {method.response.header.X: star}}}}"),
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
        "'{statusCode: 400}'}, responses: {default: {statusCode: '204', responseParameters: {"
        "method.response.header.Access-Control-Allow-Origin: \"'*'\"}}, '4..': {statusCode: 400, "
        "responseTemplates: {application/json: 'bad'}}}}"));
    assert_json(
        method(&l, "GET", "/a")->integration,
        "{\"type\":\"MOCK\",\"requestTemplates\":{\"application/json\":\"{\\\"statusCode\\\": "
        "204}\",\"text/xml\":\"{\\\"statusCode\\\": "
        "400}\"},\"integrationResponses\":{\"default\":{\"statusCode\":\"204\","
        "\"responseParameters\":{\"method.response.header.Access-Control-Allow-Origin\":"
        "\"'*'\"}},\"4..\":{\"statusCode\":\"400\",\"responseTemplates\":{\"application/"
        "json\":\"bad\"}}}}");
    unload(&l);
}

static void a_lambda_integration_with_another_method_than_post_answers_500(void **state)
{
    (void)state;
    accepts_saying(WITH("{type: aws_proxy, httpMethod: GET, uri: '" LAMBDA_URI("guide") "'}"),
                   IMPORT_WARNING, 6, "httpMethod must be POST");
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
        {HEAD "x-amazon-apigateway-policy: [a]\n", "must be an object"},
        {HEAD "x-amazon-apigateway-policy: {Version: !Ref Gone}\n", "is named Gone"},
        {HEAD "x-amazon-apigateway-gateway-responses: {NOT_FOUND: {}}\n",
         "no gateway response type \"NOT_FOUND\""},
        {HEAD "x-amazon-apigateway-api-key-source: COOKIE\n", "HEADER or AUTHORIZER"},
        {HEAD "x-ropeline-root-security: maybe\n", "must be apply or ignore"},
        {HEAD "x-ropeline-path: aws\n", "no property \"x-ropeline-path\""},
        {HEAD "x-amazon-apigateway-authoriser: {}\n", "no property"},
        {HEAD "x-ropeline-paths: loose\n", "must be aws or strict"},
    };
    static const struct {
        const char *text;
        enum import_severity severity;
        const char *words;
    } accepted_rows[] = {
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

static void root_settings_are_in_the_model(void **state)
{
    (void)state;
    struct loaded l = accepted(
        HEAD "x-amazon-apigateway-policy: {Version: '2012-10-17', Statement: []}\n"
             "x-amazon-apigateway-api-key-source: authorizer\n"
             "x-amazon-apigateway-binary-media-types: [image/png, application~1zip]\n"
             "x-amazon-apigateway-endpoint-configuration: {disableExecuteApiEndpoint: true}\n"
             "x-amazon-apigateway-gateway-responses: {DEFAULT_4XX: {statusCode: 418, "
             "responseParameters: {gatewayresponse.header.X: \"'y'\"}}}\n"
             "x-amazon-apigateway-request-validators: {all: {validateRequestBody: true}}\n"
             "components: {schemas: {Pet: {type: object}}}\n");
    const struct model_api *m = l.model.apis;
    assert_json(m->policy, "{\"Version\":\"2012-10-17\",\"Statement\":[]}");
    assert_str(m->api_key_source, "AUTHORIZER");
    assert_json(m->binary_media_types, "[\"image/png\",\"application/zip\"]");
    assert_true(m->disable_execute_api);
    assert_json(m->gateway_responses,
                "{\"DEFAULT_4XX\":{\"statusCode\":\"418\",\"responseParameters\":{"
                "\"gatewayresponse.header.X\":\"'y'\"}}}");
    assert_json(m->request_validators, "{\"all\":{\"validateRequestBody\":true,"
                                       "\"validateRequestParameters\":false}}");
    assert_json(m->models, "{\"Pet\":{\"type\":\"object\"}}");
    unload(&l);
}

#define VALIDATORS                                                               \
    "x-amazon-apigateway-request-validators: {all: {validateRequestBody: true, " \
    "validateRequestParameters: true}, none: {validateRequestBody: false}}\n"

static void validators_get_what_they_look_at(void **state)
{
    (void)state;
    struct loaded l = accepted(
        HEAD VALIDATORS "paths: {/a: {get: {parameters: [{in: query, name: q, required: "
                        "true}], " BACKEND ", x-amazon-apigateway-request-validator: none}}}\n");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":false,\"requestValidator\":"
                "\"none\"}");
    unload(&l);
    l = accepted(
        HEAD VALIDATORS
        "x-amazon-apigateway-request-validator: all\n"
        "paths: {/a: {parameters: [{in: header, name: H}], post: {parameters: [{in: query, "
        "name: q, required: true}], requestBody: {content: {application/json: {schema: "
        "{$ref: '#/components/schemas/Pet'}}}}, " BACKEND "}}}\n");
    assert_json(method(&l, "POST", "/a")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":false,\"requestParameters\":{"
                "\"method.request.header.H\":false,\"method.request.querystring.q\":true},"
                "\"requestModels\":{\"application/json\":\"Pet\"},\"requestValidator\":\"all\"}");
    unload(&l);
    refuses(HEAD "paths: {/a: {get: {" BACKEND ", x-amazon-apigateway-request-validator: gone}}}\n",
            3, "no request validator \"gone\"");
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
        cmocka_unit_test(a_lambda_integration_with_another_method_than_post_answers_500),
        cmocka_unit_test(a_bare_document_is_an_api_with_stage_dev),
        cmocka_unit_test(the_stage_of_a_bare_document_can_be_given),
        cmocka_unit_test(json_documents_have_lines_too),
        cmocka_unit_test(root_extensions_are_judged),
        cmocka_unit_test(root_settings_are_in_the_model),
        cmocka_unit_test(validators_get_what_they_look_at),
        cmocka_unit_test(unknown_versions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
