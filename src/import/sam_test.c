/* SPDX-License-Identifier: Apache-2.0
 *
 * SAM templates: functions and their events, Auth, Globals, other resources. */
#include "sam_test.h"

/* --- functions and events ------------------------------------------------------------------------
 */

static void an_event_without_api_makes_the_implicit_one_at_stage_prod(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" FUNCTION(
        "F", "      Events:\n" EVENT("A", "/a", "get", "") EVENT("B", "'/b/{id}'", "ANY", "")));
    const struct model_api *api = l.model.apis;
    assert_str(api->stage, "Prod");
    assert_str(api->logical_id, "ServerlessRestApi");
    assert_null(api->next);
    assert_string_equal(guard_of(&l, "GET", "/a"), "NONE");
    assert_json(method(&l, "ANY", "/b/{id}")->integration,
                "{\"type\":\"AWS_PROXY\",\"httpMethod\":\"POST\",\"uri\":\"" LAMBDA_URI("F") "\"}");
    assert_int_equal(method(&l, "GET", "/a")->at.line, 9);
    unload(&l);
}

static void a_function_is_described_with_its_globals(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Globals:\n  Function:\n    Timeout: 7\n    MemorySize: 256\n    Environment: {Variables: "
        "{A: "
        "1, B: global}}\nResources:\n" FUNCTION(
            "F",
            "      FunctionName: named\n      Timeout: 9\n      Environment: {Variables: {B: own, "
            "C: true}}\n"));
    const struct function_spec *f = &l.model.functions->spec;
    assert_str(f->name, "named");
    assert_str(f->arn, "arn:aws:lambda:eu-west-1:111122223333:function:named");
    assert_str(f->handler, "i.h");
    assert_str(f->runtime, "nodejs20.x");
    assert_int_equal(f->timeout_ms, 9000);
    assert_int_equal(f->memory_mb, 256);
    assert_int_equal(f->env_count, 3);
    assert_str(f->env[0].value, "1");
    assert_str(f->env[1].value, "own");
    assert_str(f->env[2].value, "true");
    assert_int_equal(f->line, 7);
    assert_int_equal(f->code_dir.p[0], '/');
    assert_false(l.model.functions->code_missing);
    unload(&l);
}

#define CALLED "      Events:\n" EVENT("A", "/a", "get", "")
#define CODE(more)                                                                                 \
    "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: i.h\n" \
    "      Runtime: nodejs20.x\n" CALLED more

static void missing_code_is_a_note_in_check_and_an_error_in_dev(void **state)
{
    static const char *const texts[][2] = {
        {CODE("      CodeUri: s3://bucket/key\n"), "on S3"},
        {CODE("      CodeUri: {Bucket: b, Key: k}\n"), "on S3"},
        {CODE("      CodeUri: no/such/folder\n"), "there is no folder no/such/folder"},
        {CODE("      CodeUri: f.zip\n"), "no file"},
        {CODE("      CodeUri: f.jar\n"), "Java"},
        {CODE("      ImageUri: x\n"), "container image"},
    };
    struct import_options o = plain_options();
    (void)state;
    o.require_code = true;
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        struct loaded l = accepted(texts[i][0]);
        expect(&l, IMPORT_NOTE, 2, texts[i][1]);
        assert_true(l.model.functions->code_missing);
        unload(&l);
        l = load_with(&o, texts[i][0]);
        assert_int_equal(l.err, ERR_INVALID);
        expect(&l, IMPORT_ERROR, 2, texts[i][1]);
        expect(&l, IMPORT_ERROR, 2, "--function F=DIR:HANDLER");
        unload(&l);
    }
}

static void missing_code_that_no_route_needs_stays_a_note(void **state)
{
    struct import_options o = plain_options();
    (void)state;
    o.require_code = true;
    struct loaded l =
        load_with(&o, "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: "
                      "{Handler: h, Runtime: python3.9, CodeUri: 's3://b/k'}}\n");
    assert_int_equal(l.err, ERR_OK);
    expect(&l, IMPORT_NOTE, 2, "on S3");
    unload(&l);
}

static void an_override_gives_a_function_its_code(void **state)
{
    static const char *const names[] = {"F", "f-prod",
                                        "arn:aws:lambda:eu-west-1:111122223333:function:f-prod"};
    struct import_options o = plain_options();
    (void)state;
    o.require_code = true;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        const struct import_function f = {
            .name = str_c(names[i]), .dir = STR("."), .handler = STR("own.handler")};
        o.functions = &f;
        o.function_count = 1;
        struct loaded l =
            load_with(&o, CODE("      CodeUri: s3://b/k\n      FunctionName: f-prod\n"));
        assert_int_equal(l.err, ERR_OK);
        assert_str(l.model.functions->spec.handler, "own.handler");
        assert_str(l.model.functions->spec.runtime, "nodejs20.x");
        assert_false(l.model.functions->code_missing);
        unload(&l);
    }
}

static void an_override_that_fits_no_function_is_noted(void **state)
{
    struct import_options o = plain_options();
    const struct import_function f = {.name = STR("Gone"), .dir = STR("."), .handler = STR("a.b")};
    (void)state;
    o.functions = &f;
    o.function_count = 1;
    struct loaded l = load_with(&o, "Resources:\n" FUNCTION("F", ""));
    assert_int_equal(l.err, ERR_OK);
    expect(&l, IMPORT_NOTE, 0, "--function Gone: this document has no such function");
    unload(&l);
}

static void a_missing_handler_is_a_reason_not_to_run(void **state)
{
    (void)state;
    accepts_saying("Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., "
                   "Runtime: nodejs20.x}}\n",
                   IMPORT_NOTE, 2, "it has no Handler");
}

static void plain_lambda_functions_can_be_authorizers(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n  G: {Type: AWS::Lambda::Function, Properties: {Handler: h.h, Runtime: "
        "nodejs20.x, Code: .}}\n" API(AUTH(DEFAULT))
            FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)));
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    unload(&l);
}

static void other_events_are_noted(void **state)
{
    (void)state;
    accepts_saying("Resources:\n" FUNCTION("F", "      Events:\n        Q: {Type: SQS}\n"),
                   IMPORT_NOTE, 9, "type SQS is not served here");
}

static void http_api_events_are_routes_of_an_http_api(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" FUNCTION(
        "F", "      Events:\n        D: {Type: HttpApi}\n        G: {Type: HttpApi, Properties: "
             "{Path: /a, Method: get, PayloadFormatVersion: '1.0'}}\n"));
    const struct model_api *m = l.model.apis;
    assert_int_equal(m->kind, API_HTTP);
    assert_str(m->stage, "$default");
    assert_str(m->logical_id, "ServerlessHttpApi");
    assert_json(method(&l, "ANY", "$default")->method, "{\"authorizationType\":\"NONE\"}");
    assert_json(method(&l, "GET", "/a")->integration,
                "{\"type\":\"AWS_PROXY\",\"httpMethod\":\"POST\",\"uri\":\"" LAMBDA_URI(
                    "F") "\",\"payloadFormatVersion\":\"1.0\"}");
    unload(&l);
}

#define HTTP_API(more) "  Api:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n" more
#define OF_HTTP ", ApiId: !Ref Api"
#define HTTP_EVENT(name, path, verb, more) \
    "        " name ": {Type: HttpApi, Properties: {Path: " path ", Method: " verb more "}}\n"

static void an_http_api_has_its_own_auth(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n" HTTP_API(
            "      Auth:\n        DefaultAuthorizer: J\n        EnableIamAuthorizer: true\n"
            "        Authorizers:\n          J: {JwtConfiguration: {Issuer: 'https://i', Audience: "
            "[a]}, AuthorizationScopes: [s]}\n          L: {FunctionArn: !GetAtt G.Arn, "
            "AuthorizerPayloadFormatVersion: 2.0, EnableSimpleResponses: true, Identity: "
            "{Headers: [A], Context: [routeKey], ReauthorizeEvery: 9}}\n"
            "      CorsConfiguration: true\n      StageVariables: {v: 1}\n"
            "      DefaultRouteSettings: {ThrottlingRateLimit: 5.5, ThrottlingBurstLimit: 9}\n"
            "      RouteSettings: {'GET /b': {ThrottlingBurstLimit: 0}}\n")
            FUNCTION("F", "      Events:\n" HTTP_EVENT("A", "/a", "get", OF_HTTP)
                              HTTP_EVENT("B", "/b", "any", OF_HTTP ", Auth: {Authorizer: L}")
                                  HTTP_EVENT("C", "/c", "get", OF_HTTP ", Auth: {Authorizer: NONE}")
                                      HTTP_EVENT("D", "/d", "get",
                                                 OF_HTTP ", Auth: {Authorizer: AWS_IAM}")) GUIDE);
    const struct model_api *m = l.model.apis;
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"JWT\",\"authorizerName\":\"J\",\"authorizationScopes\":["
                "\"s\"]}");
    assert_json(method(&l, "ANY", "/b")->method,
                "{\"authorizationType\":\"CUSTOM\",\"authorizerName\":\"L\"}");
    assert_json(method(&l, "GET", "/c")->method, "{\"authorizationType\":\"NONE\"}");
    assert_json(method(&l, "GET", "/d")->method, "{\"authorizationType\":\"AWS_IAM\"}");
    assert_json(m->authorizers->spec,
                "{\"name\":\"J\",\"authorizerType\":\"JWT\",\"identitySource\":["
                "\"$request.header.Authorization\"],\"jwtConfiguration\":{\"issuer\":\"https://i\","
                "\"audience\":[\"a\"]}}");
    assert_json(m->authorizers->next->spec,
                "{\"name\":\"L\",\"authorizerType\":\"REQUEST\",\"authorizerUri\":\"" LAMBDA_URI(
                    "G") "\",\"authorizerResultTtlInSeconds\":9,\"identitySource\":["
                         "\"$request.header.A\",\"$context.routeKey\"],"
                         "\"authorizerPayloadFormatVersion\":\"2.0\",\"enableSimpleResponses\":"
                         "true}");
    assert_json(m->cors, "{\"allowOrigins\":[\"*\"]}");
    assert_json(m->default_route_settings,
                "{\"throttlingRateLimit\":5.5,\"throttlingBurstLimit\":9}");
    assert_json(m->route_settings, "{\"GET /b\":{\"throttlingBurstLimit\":0}}");
    assert_str(m->variables->value, "1");
    unload(&l);
    refuses("Resources:\n" HTTP_API("      Auth: {Authorizers: {L: {FunctionArn: a}}}\n"), 5,
            "needs AuthorizerPayloadFormatVersion");
    refuses("Resources:\n" HTTP_API("      Auth: {DefaultAuthorizer: AWS_IAM}\n"), 5,
            "EnableIamAuthorizer is not true");
    refuses("Resources:\n" HTTP_API("      Auth: {ApiKeyRequired: true}\n"), 5,
            "no property \"ApiKeyRequired\"");
}

static void what_an_event_asks_beyond_us_is_refused(void **state)
{
    static const struct {
        const char *more, *words;
    } rows[] = {
        {", Auth: {ApiKeyRequired: false}", "only valid when the API has ApiKeyRequired"},
        {", Auth: {Authorizer: Nobody}", "the authorizer \"Nobody\" is not defined"},
        {", Auth: {Authorizer: NONE}", "only valid when the API has a DefaultAuthorizer"},
        {", Auth: {Authoriser: X}", "Auth has no property \"Authoriser\""},
        {", Auth: {ResourcePolicy: {IpWhitelist: [10.0.0.0/8]}}", "no property \"IpWhitelist\""},
        {", Auth: {AuthorizationScopes: [a]}", "without an Authorizer guard nothing"},
        {", Auth: {OverrideApiAuth: true}", "OverrideApiAuth needs an Authorizer"},
        {", Auth: no", "Auth must be an object"},
        {", RequestModel: {Model: M, ValidateBody: true}", "no model \"M\""},
        {", RequestParameters: [header.A]", "a request parameter is method.request"},
        {", ResponseTransferMode: STREAM", "ResponseTransferMode STREAM"},
        {", TimeoutInMillis: 10", "50 to 29000"},
        {", Verb: x", "an Api event has no property \"Verb\""},
        {", RestApiId: !Ref Other", "RestApiId must be the Ref of an AWS::Serverless::Api"},
    };
    char text[1024];
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        snprintf(text, sizeof text,
                 "Resources:\n" FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", "%s")),
                 rows[i].more);
        refuses(text, 9, rows[i].words);
    }
}

static void an_event_needs_a_path_and_a_known_method(void **state)
{
    (void)state;
    refuses("Resources:\n" FUNCTION("F", "      Events:\n        A: {Type: Api}\n"), 9,
            "no Properties");
    refuses("Resources:\n" FUNCTION(
                "F", "      Events:\n        A: {Type: Api, Properties: {Path: /}}\n"),
            9, "needs a Path and a Method");
    refuses("Resources:\n" FUNCTION("F", "      Events:\n" EVENT("A", "/a", "trace", "")), 9,
            "is no HTTP method");
}

static void two_events_for_one_method_are_refused(void **state)
{
    (void)state;
    refuses("Resources:\n" FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", "")
                                             EVENT("B", "/a", "GET", "")),
            10, "defined multiple times");
}

#define MAYBE                                                                                  \
    "Parameters: {P: {Type: String}}\nConditions: {Yes: {Fn::Equals: [a, a]}, No: {Fn::Not: [" \
    "{Condition: Yes}]}, Maybe: {Fn::Equals: [!Ref P, a]}}\n"

static void a_condition_decides_what_exists(void **state)
{
    (void)state;
    struct loaded l = accepted(
        MAYBE "Resources:\n  F: {Type: AWS::Serverless::Function, Condition: Yes, Properties: "
              "{Handler: a.b, Runtime: nodejs20.x, CodeUri: ., Events: {A: {Type: Api, Properties: "
              "{Path: /a, Method: get}}}}}\n  G: {Type: AWS::Serverless::Function, Condition: No, "
              "Properties: {Events: {A: {Type: Api, Properties: {Path: /b, Method: get}}}}}\n");
    assert_null(l.model.apis->methods->next);
    assert_null(l.model.functions->next);
    unload(&l);
    refuses(MAYBE "Resources:\n  F: {Type: AWS::Serverless::Function, Condition: Maybe, "
                  "Properties: {}}\n",
            4, "whether F (AWS::Serverless::Function) exists is not decided");
    refuses(MAYBE "Resources:\n  Api: {Type: AWS::Serverless::Api, Condition: Gone, Properties: "
                  "{StageName: x}}\n",
            4, "there is no condition Gone");
}

/* --- Auth ----------------------------------------------------------------------------------------
 */

static void the_default_authorizer_guards_every_event_but_none(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" GUIDE API(AUTH(DEFAULT)) FUNCTION(
        "F", "      Events:\n" EVENT("A", "/a", "get", OF_API)
                 EVENT("B", "/b", "get", OF_API ", Auth: {Authorizer: NONE}")
                     EVENT("C", "/c", "options", OF_API)));
    assert_string_equal(guard_of(&l, "GET", "/a"), "Guide");
    assert_string_equal(guard_of(&l, "GET", "/b"), "NONE");
    assert_string_equal(guard_of(&l, "OPTIONS", "/c"), "Guide");
    assert_json(l.model.apis->authorizers->spec,
                "{\"name\":\"Guide\",\"type\":\"TOKEN\",\"authorizerUri\":\"" LAMBDA_URI(
                    "G") "\",\"identitySource\":\"method.request.header.Authorization\"}");
    unload(&l);
}

static void without_a_default_only_events_that_name_an_authorizer_are_guarded(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" GUIDE API(AUTH(
        "            Identity: {Header: X-Token, ValidationExpression: '^t', ReauthorizeEvery: "
        "0}\n")) FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)
                                   EVENT("B", "/b", "get", OF_API ", Auth: {Authorizer: Guide}")));
    assert_string_equal(guard_of(&l, "GET", "/a"), "NONE");
    assert_string_equal(guard_of(&l, "GET", "/b"), "Guide");
    assert_json(
        l.model.apis->authorizers->spec,
        "{\"name\":\"Guide\",\"type\":\"TOKEN\",\"authorizerUri\":\"" LAMBDA_URI(
            "G") "\",\"identitySource\":\"method.request.header.X-Token\","
                 "\"identityValidationExpression\":\"^t\",\"authorizerResultTtlInSeconds\":0}");
    unload(&l);
}

#define BAD_AUTH(auth)                                                                            \
    "Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: p, Auth: " auth "}}" \
    "\n"
#define BAD_AUTHORIZER(z) BAD_AUTH("{Authorizers: {Z: " z "}}")

static void every_unknown_or_unsound_part_of_auth_is_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {BAD_AUTH("text"), "Auth must be an object"},
        {BAD_AUTH("{Default: Z}"), "Auth has no property \"Default\""},
        {BAD_AUTH("{DefaultAuthorizer: Z}"), "\"Z\" is not defined in Authorizers"},
        {BAD_AUTH("{DefaultAuthorizer: [Z]}"), "DefaultAuthorizer is not a string"},
        {BAD_AUTH("{DefaultAuthorizer: !If [A, B, C]}"), "no condition A in this document"},
        {BAD_AUTH("{ApiKeyRequired: maybe}"), "must be true or false"},
        {BAD_AUTH("{ResourcePolicy: {IpRangeBlacklist: text}}"), "must be a list"},
        {BAD_AUTH("{UsagePlan: {Quota: {Limit: 5}}}"), "UsagePlan needs CreateUsagePlan"},
        {BAD_AUTH("{UsagePlan: {CreateUsagePlan: EACH}}"), "PER_API, SHARED or NONE"},
        {BAD_AUTH("{UsagePlan: text}"), "UsagePlan must be an object"},
        {BAD_AUTH("{Authorizers: []}"), "Authorizers must be an object"},
        {BAD_AUTH("{Authorizers: {NONE: {FunctionArn: a}}}"), "NONE has a meaning of its own"},
        {BAD_AUTH("{defaultAuthorizer: Z}"), "\"defaultAuthorizer\" is spelled DefaultAuthorizer"},
        {BAD_AUTHORIZER("null"), "an authorizer must be an object"},
        {BAD_AUTHORIZER("{}"), "neither a FunctionArn nor a UserPoolArn"},
        {BAD_AUTHORIZER("{FunctionArn: a, Ttl: 1}"), "no property \"Ttl\""},
        {BAD_AUTHORIZER("{FunctionArn: a, FunctionPayloadType: JWT}"), "must be TOKEN or REQUEST"},
        {BAD_AUTHORIZER("{FunctionArn: a, Identity: text}"), "Identity must be an object"},
        {BAD_AUTHORIZER("{FunctionArn: a, Identity: {Heater: A}}"), "no property \"Heater\""},
        {BAD_AUTHORIZER("{FunctionArn: a, FunctionPayloadType: REQUEST}"),
         "at least one of Headers"},
        {BAD_AUTHORIZER("{FunctionArn: a, DisableFunctionDefaultPermissions: x}"), "true or false"},
        {BAD_AUTHORIZER("{UserPoolArn: a, Issuer: b}"), "no property \"Issuer\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refuses(rows[i].text, 2, rows[i].words);
}

static void sams_authorizers_become_what_it_writes(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n" API(
            "      Auth: {DefaultAuthorizer: P, AddDefaultAuthorizerToCorsPreflight: false, "
            "Authorizers: {P: {UserPoolArn: !GetAtt Pool.Arn, AuthorizationScopes: [s]}, R: "
            "{FunctionArn: !GetAtt G.Arn, FunctionPayloadType: REQUEST, Identity: {Headers: [A], "
            "QueryStrings: [q], StageVariables: [v], Context: [path], ReauthorizeEvery: 3}}}}\n")
            FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)
                              EVENT("B", "/b", "get", OF_API ", Auth: {Authorizer: R}") EVENT(
                                  "C", "/c", "get", OF_API ", Auth: {AuthorizationScopes: [t]}")
                                  EVENT("D", "/a", "options", OF_API)) GUIDE
        "  Pool: {Type: AWS::Cognito::UserPool}\n");
    const struct model_api *m = l.model.apis;
    assert_json(m->authorizers->spec,
                "{\"name\":\"P\",\"type\":\"COGNITO_USER_POOLS\",\"identitySource\":"
                "\"method.request.header.Authorization\",\"providerARNs\":[\"arn:aws:cognito-idp:"
                "eu-west-1:111122223333:userpool/eu-west-1_Pool\"]}");
    assert_json(m->authorizers->next->spec,
                "{\"name\":\"R\",\"type\":\"REQUEST\",\"authorizerUri\":\"" LAMBDA_URI(
                    "G") "\",\"authorizerResultTtlInSeconds\":3,\"identitySource\":"
                         "\"method.request.header.A, method.request.querystring.q, "
                         "stageVariables.v, context.path\"}");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"COGNITO_USER_POOLS\",\"authorizerName\":\"P\","
                "\"authorizationScopes\":[\"s\"],\"apiKeyRequired\":false}");
    assert_json(json_get(method(&l, "GET", "/c")->method, "authorizationScopes"), "[\"t\"]");
    assert_string_equal(guard_of(&l, "GET", "/b"), "R");
    assert_string_equal(guard_of(&l, "OPTIONS", "/a"), "NONE");
    unload(&l);
    accepts_saying(
        "Resources:\n" API("      Auth: {Authorizers: {R: {FunctionArn: x, "
                           "FunctionPayloadType: REQUEST, Identity: {Headers: [A]}}}}\n"),
        IMPORT_WARNING, 6, "authorizer R guards nothing");
}

static void api_keys_plans_and_policies_of_auth_are_in_the_model(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n" API(
            "      Auth: {ApiKeyRequired: true, UsagePlan: {CreateUsagePlan: PER_API, Quota: "
            "{Limit: '5', Period: DAY}, Throttle: {RateLimit: 1.5, BurstLimit: 2}}, "
            "ResourcePolicy: {IpRangeWhitelist: [10.0.0.0/8]}}\n")
            FUNCTION("F", "      Events:\n" EVENT("A", "'/a/{id}'", "any", OF_API)
                              EVENT("B", "/b", "get", OF_API ", Auth: {ApiKeyRequired: false}")));
    assert_json(method(&l, "ANY", "/a/{id}")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":true}");
    assert_json(method(&l, "GET", "/b")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":false}");
    assert_json(l.model.apis->policy,
                "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
                "\"execute-api:Invoke\",\"Resource\":[\"execute-api:/prod/*/a/*\",\"execute-api:/"
                "prod/GET/b\"],\"Principal\":\"*\"},{\"Effect\":\"Deny\",\"Action\":\"execute-api:"
                "Invoke\",\"Resource\":[\"execute-api:/prod/*/a/*\",\"execute-api:/prod/GET/b\"],"
                "\"Principal\":\"*\",\"Condition\":{\"NotIpAddress\":{\"aws:SourceIp\":["
                "\"10.0.0.0/8\"]}}}]}");
    assert_str(l.model.api_keys->id, "ApiApiKey");
    assert_json(json_get(l.model.usage_plans->spec, "quota"), "{\"limit\":5,\"period\":\"DAY\"}");
    assert_json(json_get(l.model.usage_plans->spec, "throttle"),
                "{\"rateLimit\":1.5,\"burstLimit\":2}");
    assert_json(json_get(l.model.usage_plans->spec, "keyIds"), "[\"ApiApiKey\"]");
    expect(&l, IMPORT_NOTE, 6, "the value of API key ApiApiKey is made up");
    unload(&l);
}

static void an_authorizer_function_that_is_not_here_is_refused(void **state)
{
    (void)state;
    refuses("Resources:\n" API(AUTH(DEFAULT))
                FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)),
            9, "--function G=DIR:HANDLER");
    accepts_saying(
        "Resources:\n" API("      Auth: {DefaultAuthorizer: Z, Authorizers: {Z: {FunctionArn: "
                           "'arn:aws:lambda:eu-west-1:1:function:far:live'}}}\n")
            FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)),
        IMPORT_WARNING, 6, "the function far cannot run here");
}

static void an_override_is_found_for_an_authorizer_that_is_not_here(void **state)
{
    static const char *const names[] = {"far", "arn:aws:lambda:eu-west-1:1:function:far"};
    struct import_options o = plain_options();
    (void)state;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        const struct import_function f = {
            .name = str_c(names[i]), .dir = STR("."), .handler = STR("a.b")};
        o.functions = &f;
        o.function_count = 1;
        struct loaded l = load_with(
            &o,
            "Resources:\n" API("      Auth: {DefaultAuthorizer: Z, Authorizers: {Z: {FunctionArn: "
                               "'arn:aws:lambda:eu-west-1:1:function:far:live'}}}\n")
                FUNCTION("F", "      Events:\n" EVENT("A", "/a", "get", OF_API)));
        assert_int_equal(l.err, ERR_OK);
        const struct model_function *added = l.model.functions->next;
        assert_str(added->spec.arn, "arn:aws:lambda:eu-west-1:1:function:far");
        assert_str(added->spec.name, "far");
        assert_str(added->spec.runtime, "nodejs20.x");
        unload(&l);
    }
}

static void an_authorizer_with_an_unset_variable_is_refused(void **state)
{
    const char *text =
        "Resources:\n" FUNCTION("G",
                                "      Environment:\n        Variables:\n          ROLE: !GetAtt "
                                "Db.Name\n          TABLE: !Ref Db\n")
            API(AUTH(DEFAULT)) "  Db: {Type: AWS::DynamoDB::Table}\n" FUNCTION(
                "F", "      Events:\n" EVENT("A", "/a", "get", OF_API));
    struct import_options o = plain_options();
    const struct import_function f = {.name = STR("G"), .dir = STR("."), .handler = STR("a.b")};
    (void)state;
    refuses(text, 10,
            "environment variable ROLE of G: Name of Db (AWS::DynamoDB::Table) is only known");
    o.functions = &f; /* whoever gives its code takes it over */
    o.function_count = 1;
    struct loaded l = load_with(&o, text);
    assert_int_equal(l.err, ERR_OK);
    expect(&l, IMPORT_WARNING, 10, "environment variable ROLE of G");
    assert_int_equal(l.model.functions->spec.env_count, 1);
    assert_str(l.model.functions->spec.env[0].value, "Db");
    unload(&l);
}

/* --- the template --------------------------------------------------------------------------------
 */

static void other_resources_are_judged_by_type(void **state)
{
    static const struct {
        const char *type, *words;
        enum import_severity severity;
    } rows[] = {
        {"AWS::S3::Bucket", "is not served here", IMPORT_NOTE},
        {"AWS::ApiGateway::RestApi", "has no stage", IMPORT_WARNING},
        {"AWS::ApiGateway::Method", "has no RestApiId", IMPORT_ERROR},
        {"AWS::ApiGateway::Sieve", "this type is not known here", IMPORT_ERROR},
        {"AWS::ApiGatewayV2::Route", "has no ApiId", IMPORT_ERROR},
        {"AWS::ApiGatewayV2::RouteResponse", "WebSocket APIs", IMPORT_ERROR},
        {"AWS::WAFv2::WebACLAssociation", "not filtered by a WAF", IMPORT_WARNING},
    };
    char text[256];
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        snprintf(text, sizeof text, "Resources:\n  R: {Type: %s}\n", rows[i].type);
        if (rows[i].severity == IMPORT_ERROR)
            refuses(text, 2, rows[i].words);
        else
            accepts_saying(text, rows[i].severity, 2, rows[i].words);
    }
    refuses("Resources:\n  S:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      "
            "Events:\n"
            "        E: {Type: Api}\n",
            6, "routes to Step Functions");
    refuses("Resources:\n  R: {}\n", 2, "has no Type");
    refuses("Resources:\n  Fn::ForEach::X: []\n", 2, "Fn::ForEach::X is only known on AWS");
}

static void sections_are_checked(void **state)
{
    (void)state;
    accepts_saying("Resources: {}\nResource: {}\n", IMPORT_WARNING, 2, "no property \"Resource\"");
    refuses("Globals: {Apis: {}}\nResources: {}\n", 1, "Globals has no property \"Apis\"");
    refuses("Transform: [AWS::Serverless-2016-10-31, Mine]\nResources: {}\n", 1, "the macro Mine");
    refuses("Parameters: {A: {Type: String}}\nResources: {A: {Type: AWS::S3::Bucket}}\n", 2,
            "is the name of a parameter already");
}

static void globals_reach_every_api_the_implicit_one_too(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Globals: {Api: {Auth: {DefaultAuthorizer: Z, Authorizers: {Z: {FunctionArn: !GetAtt "
        "G.Arn}}}}}\nResources:\n" GUIDE API("") FUNCTION(
            "F", "      Events:\n" EVENT("A", "/a", "get", "") EVENT("B", "/b", "get", OF_API)));
    assert_string_equal(guard_of(&l, "GET", "/a"), "Z");
    assert_string_equal(guard_of(&l, "GET", "/b"), "Z");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_without_api_makes_the_implicit_one_at_stage_prod),
        cmocka_unit_test(a_function_is_described_with_its_globals),
        cmocka_unit_test(missing_code_is_a_note_in_check_and_an_error_in_dev),
        cmocka_unit_test(missing_code_that_no_route_needs_stays_a_note),
        cmocka_unit_test(an_override_gives_a_function_its_code),
        cmocka_unit_test(an_override_that_fits_no_function_is_noted),
        cmocka_unit_test(a_missing_handler_is_a_reason_not_to_run),
        cmocka_unit_test(plain_lambda_functions_can_be_authorizers),
        cmocka_unit_test(other_events_are_noted),
        cmocka_unit_test(http_api_events_are_routes_of_an_http_api),
        cmocka_unit_test(an_http_api_has_its_own_auth),
        cmocka_unit_test(what_an_event_asks_beyond_us_is_refused),
        cmocka_unit_test(an_event_needs_a_path_and_a_known_method),
        cmocka_unit_test(two_events_for_one_method_are_refused),
        cmocka_unit_test(a_condition_decides_what_exists),
        cmocka_unit_test(the_default_authorizer_guards_every_event_but_none),
        cmocka_unit_test(without_a_default_only_events_that_name_an_authorizer_are_guarded),
        cmocka_unit_test(every_unknown_or_unsound_part_of_auth_is_refused),
        cmocka_unit_test(sams_authorizers_become_what_it_writes),
        cmocka_unit_test(api_keys_plans_and_policies_of_auth_are_in_the_model),
        cmocka_unit_test(an_authorizer_function_that_is_not_here_is_refused),
        cmocka_unit_test(an_override_is_found_for_an_authorizer_that_is_not_here),
        cmocka_unit_test(an_authorizer_with_an_unset_variable_is_refused),
        cmocka_unit_test(other_resources_are_judged_by_type),
        cmocka_unit_test(sections_are_checked),
        cmocka_unit_test(globals_reach_every_api_the_implicit_one_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
