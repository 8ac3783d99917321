/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS::Serverless::Api: definitions, Cors, ids, stage variables and the other properties. */
#include "sam_test.h"

/* --- definitions ---------------------------------------------------------------------------------
 */

#define BODY(more)                                                                         \
    "      DefinitionBody:\n        swagger: '2.0'\n        paths:\n          /a:\n"       \
    "            get:\n              x-amazon-apigateway-integration: {type: http_proxy, " \
    "httpMethod: GET, uri: 'http://b'}\n" more
#define OPEN "              security: []\n"

static void the_default_authorizer_guards_a_definition_body_too(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" GUIDE API(AUTH(DEFAULT) BODY(OPEN)));
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    unload(&l);
    l = accepted(
        "Resources:\n" GUIDE API(AUTH(DEFAULT) BODY("              security: [{NONE: []}]\n")));
    assert_string_equal(guard_of(&l, "GET", "/a"), "NONE");
    unload(&l);
}

static void a_definition_body_may_name_the_authorizers_of_auth(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n" GUIDE API(AUTH("") BODY("              security: [{Guide: []}]\n")));
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    unload(&l);
}

static void an_event_changes_a_definition_only_with_override(void **state)
{
    (void)state;
    refuses("Resources:\n" GUIDE API(AUTH("") BODY(""))
                FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get",
                                                      OF_API ", Auth: {Authorizer: Guide}")),
            29, "SAM does not apply this Authorizer");
    struct loaded l = accepted("Resources:\n" GUIDE API(AUTH("") BODY("")) FUNCTION(
        "F", "      Events:\n" EVENT("A", "/a", "get",
                                     OF_API ", Auth: {Authorizer: Guide, OverrideApiAuth: true}")));
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    assert_str(json_get(method(&l, "GET", "/a")->integration, "type")->s, "HTTP_PROXY");
    unload(&l);
}

static void an_event_that_the_definition_lacks_adds_no_route_but_a_warning(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" API(BODY("")) FUNCTION(
        "F", "      Events:\n" EVENT("A", "/b", "get", OF_API)));
    expect(&l, IMPORT_WARNING, 19, "GET /b is not in the definition of its API");
    assert_null(l.model.apis->methods->next);
    unload(&l);
}

static void merge_definitions_lets_events_win(void **state)
{
    (void)state;
    struct loaded l =
        accepted("Resources:\n" GUIDE API("      MergeDefinitions: true\n" AUTH(DEFAULT) BODY(""))
                     FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)
                                       EVENT("B", "/b", "get", OF_API)));
    assert_str(json_get(method(&l, "GET", "/a")->integration, "type")->s, "AWS_PROXY");
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    assert_string_equal(guard_of(&l, "GET", "/b"), "Guide");
    unload(&l);
}

static void broken_definitions_are_refused(void **state)
{
    (void)state;
    refuses("Resources:\n" API("      DefinitionBody: {paths: {}}\n"), 6, "is no OpenAPI document");
    refuses("Resources:\n" API("      DefinitionBody: text\n"), 6, "must be an object");
    refuses("Resources:\n" API("      DefinitionUri: s3://b/k\n"), 6, "on S3");
    refuses("Resources:\n" API("      DefinitionUri: no-such-file.yaml\n"), 6, "cannot be read");
    refuses("Resources:\n" API("      DefinitionUri: /dev/null\n"), 6, "not a regular file");
    refuses("Resources:\n" API("      DefinitionUri: x\n      DefinitionBody: {}\n"), 6,
            "does not go together");
    refuses("Resources:\n" API("      DefinitionUri: x\n      Auth: {}\n"), 6,
            "work only with a DefinitionBody");
    refuses("Resources:\n" API("      DefinitionBody: {Fn::Transform: {Name: Mine}}\n"), 6,
            "only AWS::Include");
    refuses("Resources:\n" API("      DefinitionBody: {swagger: '2.0', Fn::Transform: {Name: "
                               "AWS::Include}}\n"),
            6, "no property \"Fn::Transform\"");
    refuses("Resources:\n" API("      DefinitionBody: {swagger: '2.0', securityDefinitions: []}\n"),
            6, "the security schemes must be an object");
}

/* --- Cors ----------------------------------------------------------------------------------------
 */

static void cors_adds_a_mock_options_method_to_each_path(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" API("      Cors: \"'https://a.example'\"\n") FUNCTION(
        "F", "      Events:\n" EVENT("A", "/a", "post", OF_API) EVENT("B", "/a", "get", OF_API)
                 EVENT("C", "/b", "any", OF_API) EVENT("D", "/c", "options", OF_API)));
    assert_json(
        method(&l, "OPTIONS", "/a")->integration,
        "{\"type\":\"MOCK\",\"requestTemplates\":{\"application/json\":\"{\\\"statusCode\\\": "
        "200}\"},\"integrationResponses\":{\"default\":{\"statusCode\":\"200\","
        "\"responseParameters\":{\"method.response.header.Access-Control-Allow-Origin\":\"'https://"
        "a.example'\",\"method.response.header.Access-Control-Allow-Methods\":\"'GET,OPTIONS,"
        "POST'\"},\"responseTemplates\":{\"application/json\":\"{}\\n\"}}}}");
    const struct json *b = method(&l, "OPTIONS", "/b")->integration;
    b = json_get(json_get(json_get(b, "integrationResponses"), "default"), "responseParameters");
    assert_str(json_get(b, "method.response.header.Access-Control-Allow-Methods")->s,
               "'DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT'");
    assert_str(json_get(method(&l, "OPTIONS", "/c")->integration, "type")->s, "AWS_PROXY");
    unload(&l);
}

static void cors_takes_all_its_properties(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n" API("      Cors: {AllowOrigin: \"'https://a'\", AllowHeaders: \"'X-A'\", "
                           "AllowMethods: \"'GET'\", MaxAge: \"'600'\", AllowCredentials: true}\n")
            FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)));
    const struct json *p = json_get(
        json_get(json_get(method(&l, "OPTIONS", "/a")->integration, "integrationResponses"),
                 "default"),
        "responseParameters");
    assert_json(p, "{\"method.response.header.Access-Control-Allow-Origin\":\"'https://a'\","
                   "\"method.response.header.Access-Control-Allow-Headers\":\"'X-A'\","
                   "\"method.response.header.Access-Control-Allow-Methods\":\"'GET'\","
                   "\"method.response.header.Access-Control-Max-Age\":\"'600'\","
                   "\"method.response.header.Access-Control-Allow-Credentials\":\"'true'\"}");
    unload(&l);
}

static void the_default_authorizer_guards_preflights_unless_told_not_to(void **state)
{
    (void)state;
    struct loaded l =
        accepted("Resources:\n" GUIDE API("      Cors: \"'*'\"\n" AUTH(DEFAULT))
                     FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)));
    assert_string_equal(guard_of(&l, "OPTIONS", "/a"), "Guide");
    expect(&l, IMPORT_WARNING, 12, "guards preflights");
    unload(&l);
    l = accepted("Resources:\n" GUIDE API("      Cors: \"'*'\"\n" AUTH(
        DEFAULT "        AddDefaultAuthorizerToCorsPreflight: false\n"))
                     FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)));
    assert_string_equal(guard_of(&l, "OPTIONS", "/a"), "NONE");
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    unload(&l);
}

static void unsound_cors_is_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"Resources:\n" API("      Cors: {Origin: x}\n"), "Cors has no property \"Origin\""},
        {"Resources:\n" API("      Cors: {AllowCredentials: true}\n"), "does not go together"},
        {"Resources:\n" API("      Cors: !If [A, B, C]\n"), "no condition A"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refuses(rows[i].text, 6, rows[i].words);
}

/* --- the API's other properties
 * ------------------------------------------------------------------- */

static void the_api_id_comes_from_the_logical_id_or_the_tag(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" API(""));
    struct loaded again = accepted("Resources:\n" API("      Name: other\n"));
    assert_true(str_eq(l.model.apis->id, again.model.apis->id));
    assert_str(l.model.apis->name, "Api");
    assert_str(again.model.apis->name, "other");
    unload(&l);
    unload(&again);
    l = accepted(
        "Resources:\n" API("      Tags: {_custom_id_: my-api}\n      Variables: {a: 1, b: x}\n"));
    assert_str(l.model.apis->id, "my-api");
    assert_str(l.model.apis->variables->name, "a");
    assert_str(l.model.apis->variables->next->value, "x");
    unload(&l);
    refuses("Resources:\n" API("      Tags: {_custom_id_: 'a/b'}\n"), 6,
            "an API id (_custom_id_) must be");
    refuses(
        "Resources:\n" API("      Tags: {_custom_id_: x}\n") "  B: {Type: AWS::Serverless::Api, "
                                                             "Properties: {StageName: p, Tags: "
                                                             "{_custom_id_: x}}}\n",
        7, "the API id x is taken already");
}

static void properties_that_change_access_or_answers_are_judged(void **state)
{
    static const struct {
        const char *property, *words;
        enum import_severity severity;
    } rows[] = {
        {"Policy: [a]", "must be an object", IMPORT_ERROR},
        {"MethodSettings: [{ThrottlingRateLimit: 5}]", "needs a ResourcePath", IMPORT_ERROR},
        {"MethodSettings: [{ThrottlingRateLimit: many}]", "must be a number", IMPORT_ERROR},
        {"Domain: {MutualTlsAuthentication: {TruststoreUri: x}}", "client certificates",
         IMPORT_ERROR},
        {"Domain: {CertificateArn: x}", "needs a DomainName", IMPORT_ERROR},
        {"GatewayResponses: {DEFAULT_3XX: {}}", "no gateway response type", IMPORT_ERROR},
        {"CanarySetting: {PercentTraffic: 5}", "canary deployments", IMPORT_WARNING},
        {"EndpointConfiguration: {Type: PRIVATE}", "the listener's address", IMPORT_WARNING},
        {"CacheClusterEnabled: true", "no cache yet", IMPORT_NOTE},
        {"Stage: x", "no property \"Stage\"", IMPORT_ERROR},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        snprintf(text, sizeof text, "Resources:\n" API("      %s\n"), rows[i].property);
        if (rows[i].severity == IMPORT_ERROR)
            refuses(text, 6, rows[i].words);
        else
            accepts_saying(text, rows[i].severity, 6, rows[i].words);
    }
    refuses("Resources:\n  A: {Type: AWS::Serverless::Api}\n", 2, "needs a StageName");
    refuses("Resources:\n  A: {Type: AWS::Serverless::Api, Properties: {StageName: a b}}\n", 2,
            "letters, digits, - and _ only");
}

static void stage_variables_are_replaced_in_lambda_uris(void **state)
{
#define BY_VARIABLE                                                                            \
    "      DefinitionBody:\n        swagger: '2.0'\n        paths: {/a: {get: "                \
    "{x-amazon-apigateway-integration: {type: aws_proxy, httpMethod: POST, uri: "              \
    "'arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:" \
    "111122223333:function:${stageVariables.fn}/invocations'}}}}\n"
    (void)state;
    struct loaded l = accepted("Resources:\n" GUIDE API("      Variables: {fn: G}\n" BY_VARIABLE));
    assert_str(json_get(method(&l, "GET", "/a")->integration, "uri")->s, LAMBDA_URI("G"));
    expect(&l, IMPORT_NOTE, 2, "AWS would also want an AWS::Lambda::Permission");
    unload(&l);
    refuses("Resources:\n" API(BY_VARIABLE), 8, "the stage variable fn has no value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_authorizer_guards_a_definition_body_too),
        cmocka_unit_test(a_definition_body_may_name_the_authorizers_of_auth),
        cmocka_unit_test(an_event_changes_a_definition_only_with_override),
        cmocka_unit_test(an_event_that_the_definition_lacks_adds_no_route_but_a_warning),
        cmocka_unit_test(merge_definitions_lets_events_win),
        cmocka_unit_test(broken_definitions_are_refused),
        cmocka_unit_test(cors_adds_a_mock_options_method_to_each_path),
        cmocka_unit_test(cors_takes_all_its_properties),
        cmocka_unit_test(the_default_authorizer_guards_preflights_unless_told_not_to),
        cmocka_unit_test(unsound_cors_is_refused),
        cmocka_unit_test(the_api_id_comes_from_the_logical_id_or_the_tag),
        cmocka_unit_test(properties_that_change_access_or_answers_are_judged),
        cmocka_unit_test(stage_variables_are_replaced_in_lambda_uris),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
