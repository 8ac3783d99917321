/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw CloudFormation: what its resources come to in the model, and what is refused. */
#include "import_test.h"
#include "lib/fault.h"

#define FN                                                                                      \
    "  F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: nodejs20.x, Code: " \
    ".}}\n"
#define URI                                                                              \
    "!Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/" \
    "invocations'"
#define REST(more)                                                                              \
    "Resources:\n" FN "  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: shop}}\n"     \
    "  Users: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: "   \
    "!GetAtt Api.RootResourceId, PathPart: users}}\n  User: {Type: AWS::ApiGateway::Resource, " \
    "Properties: {RestApiId: !Ref Api, ParentId: !Ref Users, PathPart: '{id}'}}\n" more
#define STAGE                                                                                    \
    "  Prod: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, StageName: prod, " \
    "Variables: {v: x}, MethodSettings: [{ResourcePath: '/~1users~1{id}', HttpMethod: GET, "     \
    "ThrottlingRateLimit: 5}]}}\n"
#define TOKEN                                                                                      \
    "  Guide: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref Api, Name: guide, " \
    "Type: TOKEN, IdentitySource: method.request.header.A, AuthorizerUri: " URI "}}\n"
#define METHOD(name, more)                                                                       \
    "  " name ": {Type: AWS::ApiGateway::Method, Properties: {RestApiId: !Ref Api, ResourceId: " \
    "!Ref User, HttpMethod: GET" more "}}\n"
#define BACKEND ", Integration: {Type: HTTP_PROXY, IntegrationHttpMethod: GET, Uri: 'http://b/'}"

static void a_rest_api_is_put_together_from_its_resources(void **state)
{
    (void)state;
    struct loaded l = accepted(REST(STAGE TOKEN METHOD(
        "Get", ", AuthorizationType: CUSTOM, AuthorizerId: !Ref Guide, ApiKeyRequired: true, "
               "OperationName: get, RequestParameters: {method.request.header.A: "
               "true}" BACKEND) "  Root: {Type: AWS::ApiGateway::Method, DependsOn: Get, "
                                "Properties: {RestApiId: "
                                "!Ref Api, ResourceId: !GetAtt Api.RootResourceId, "
                                "HttpMethod: POST, "
                                "AuthorizationType: NONE, Integration: {Type: AWS_PROXY, "
                                "IntegrationHttpMethod: "
                                "POST, Uri: " URI "}}}\n"));
    const struct model_api *m = l.model.apis;
    assert_null(m->next);
    assert_str(m->stage, "prod");
    assert_str(m->name, "shop");
    assert_str(m->variables->value, "x");
    assert_json(m->method_settings, "{\"users/{id}/GET\":{\"throttlingRateLimit\":5}}");
    assert_json(m->authorizers->spec,
                "{\"name\":\"guide\",\"type\":\"TOKEN\",\"authorizerUri\":\"" LAMBDA_URI(
                    "F") "\",\"identitySource\":\"method.request.header.A\"}");
    assert_json(method(&l, "GET", "/users/{id}")->method,
                "{\"authorizationType\":\"CUSTOM\",\"authorizerName\":\"guide\",\"apiKeyRequired\":"
                "true,\"operationName\":\"get\",\"requestParameters\":{\"method.request.header.A\":"
                "true}}");
    assert_json(method(&l, "GET", "/users/{id}")->integration,
                "{\"type\":\"HTTP_PROXY\",\"httpMethod\":\"GET\",\"uri\":\"http://b/\"}");
    assert_json(method(&l, "POST", "/")->integration,
                "{\"type\":\"AWS_PROXY\",\"httpMethod\":\"POST\",\"uri\":\"" LAMBDA_URI("F") "\"}");
    unload(&l);
}

static void responses_models_and_validators_belong_to_their_api(void **state)
{
    (void)state;
    struct loaded l = accepted(REST(
        STAGE
        "  V: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref Api, "
        "ValidateRequestBody: true}}\n"
        "  Pet: {Type: AWS::ApiGateway::Model, Properties: {RestApiId: !Ref Api, Schema: "
        "'{\"type\": \"object\"}'}}\n"
        "  No: {Type: AWS::ApiGateway::GatewayResponse, Properties: {RestApiId: !Ref Api, "
        "ResponseType: DEFAULT_4XX, StatusCode: '418'}}\n" METHOD(
            "Get",
            ", RequestValidatorId: !Ref V, RequestModels: {a/b: !Ref Pet}, MethodResponses: "
            "[{StatusCode: 200, ResponseParameters: {method.response.header.X: true}}], "
            "Integration: {Type: HTTP, IntegrationHttpMethod: GET, Uri: 'http://b/', "
            "IntegrationResponses: [{StatusCode: 200}, {StatusCode: 400, SelectionPattern: '4..', "
            "ResponseParameters: {method.response.header.X: \"'y'\"}}]}")));
    const struct model_api *m = l.model.apis;
    assert_json(m->models, "{\"Pet\":{\"type\":\"object\"}}");
    assert_json(m->gateway_responses, "{\"DEFAULT_4XX\":{\"statusCode\":\"418\"}}");
    assert_json(m->request_validators, "{\"V\":{\"validateRequestBody\":true,"
                                       "\"validateRequestParameters\":false}}");
    assert_json(method(&l, "GET", "/users/{id}")->method,
                "{\"authorizationType\":\"NONE\",\"apiKeyRequired\":false,\"requestModels\":{"
                "\"a/b\":\"Pet\"},\"requestValidator\":\"V\",\"methodResponses\":{\"200\":{"
                "\"responseParameters\":{\"method.response.header.X\":true}}}}");
    assert_json(json_get(method(&l, "GET", "/users/{id}")->integration, "integrationResponses"),
                "{\"default\":{\"statusCode\":\"200\"},\"4..\":{\"statusCode\":\"400\","
                "\"responseParameters\":{\"method.response.header.X\":\"'y'\"}}}");
    unload(&l);
}

static void each_stage_is_an_api_of_its_own(void **state)
{
    (void)state;
    struct loaded l = accepted(REST(
        STAGE
        "  Dev: {Type: AWS::ApiGateway::Deployment, Properties: {RestApiId: !Ref Api, "
        "StageName: dev, StageDescription: {Variables: {v: y}, ThrottlingBurstLimit: 3}}}\n" METHOD(
            "Get", BACKEND)));
    const struct model_api *m = l.model.apis;
    assert_str(m->stage, "prod");
    assert_str(m->next->stage, "dev");
    assert_true(str_eq(m->id, m->next->id));
    assert_str(m->next->variables->value, "y");
    assert_json(m->next->method_settings, "{\"*/*\":{\"throttlingBurstLimit\":3}}");
    assert_null(m->next->next);
    unload(&l);
    accepts_saying(REST(METHOD("Get", BACKEND)), IMPORT_WARNING, 3, "has no stage");
    refuses(REST(STAGE "  Twin: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, "
                       "StageName: prod}}\n"),
            3, "has two stages named prod");
}

static void what_a_method_names_must_be_there(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {REST(METHOD("M", ", AuthorizationType: CUSTOM" BACKEND)), "needs an AuthorizerId"},
        {REST(METHOD("M", ", AuthorizationType: CUSTOM, AuthorizerId: nobody" BACKEND)),
         "is none of this API"},
        {REST(TOKEN METHOD("M", ", AuthorizerId: !Ref Guide" BACKEND)), "would be open"},
        {REST(TOKEN METHOD("M", ", AuthorizationType: COGNITO_USER_POOLS, AuthorizerId: !Ref "
                                "Guide" BACKEND)),
         "does not go together"},
        {REST(METHOD("M", ", AuthorizationType: MAYBE" BACKEND)), "no AuthorizationType \"MAYBE\""},
        {REST(METHOD("M", "")), "No integration defined"},
        {REST(METHOD("M", BACKEND) METHOD("N", BACKEND)), "defined multiple times"},
        {REST("  M: {Type: AWS::ApiGateway::Method, Properties: {RestApiId: !Ref Api, ResourceId: "
              "x, HttpMethod: GET}}\n"),
         "is no resource of this API"},
        {REST("  M: {Type: AWS::ApiGateway::Method, Properties: {RestApiId: other}}\n"),
         "is no REST API of this document"},
        {REST("  A: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: "
              "!Ref B, PathPart: a}}\n  B: {Type: AWS::ApiGateway::Resource, Properties: "
              "{RestApiId: !Ref Api, ParentId: !Ref A, PathPart: b}}\n  M: {Type: "
              "AWS::ApiGateway::Method, Properties: {RestApiId: !Ref Api, ResourceId: !Ref A, "
              "HttpMethod: GET}}\n"),
         "leads to itself"},
        {REST("  X: {Type: AWS::ApiGateway::RestApi, Properties: {BodyS3Location: {Bucket: b}}}\n"),
         "the file is on S3"},
        {REST("  X: {Type: AWS::ApiGateway::Method, Condition: C, Properties: {RestApiId: !Ref "
              "Api}}\n"),
         "there is no condition C"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refuses(rows[i].text, 0, rows[i].words);
}

#define HTTP(more)                                                                                 \
    "Resources:\n" FN "  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: h, ProtocolType: " \
    "HTTP, CorsConfiguration: {AllowOrigins: ['https://a.example']}}}\n"                           \
    "  Call: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Api, "                \
    "IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt F.Arn, PayloadFormatVersion: '2.0'}}\n"   \
    "  Live: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: "           \
    "$default, RouteSettings: {'GET /a': {ThrottlingRateLimit: 1}}}}\n" more
#define ROUTE(name, key, more)                                                                  \
    "  " name ": {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: " key \
    ", Target: !Join [/, [integrations, !Ref Call]]" more "}}\n"

static void an_http_api_is_put_together_from_its_resources(void **state)
{
    (void)state;
    struct loaded l = accepted(HTTP(
        "  J: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref Api, Name: jwt, "
        "AuthorizerType: JWT, IdentitySource: [$request.header.Authorization], JwtConfiguration: "
        "{Issuer: 'https://i', Audience: [a]}}}\n" ROUTE("A", "GET /a",
                                                         ", AuthorizationType: JWT, "
                                                         "AuthorizerId: !Ref J, "
                                                         "AuthorizationScopes: [s]")
            ROUTE("D", "$default", "")));
    const struct model_api *m = l.model.apis;
    assert_int_equal(m->kind, API_HTTP);
    assert_json(m->cors, "{\"allowOrigins\":[\"https://a.example\"]}");
    assert_json(m->route_settings, "{\"GET /a\":{\"throttlingRateLimit\":1}}");
    assert_json(m->authorizers->spec,
                "{\"name\":\"jwt\",\"authorizerType\":\"JWT\",\"identitySource\":["
                "\"$request.header.Authorization\"],\"jwtConfiguration\":{\"issuer\":\"https://i\","
                "\"audience\":[\"a\"]}}");
    assert_json(method(&l, "GET", "/a")->method,
                "{\"authorizationType\":\"JWT\",\"authorizerName\":\"jwt\",\"authorizationScopes\":"
                "[\"s\"]}");
    assert_json(method(&l, "ANY", "$default")->integration,
                "{\"type\":\"AWS_PROXY\",\"httpMethod\":\"POST\",\"uri\":\"" LAMBDA_URI(
                    "F") "\",\"payloadFormatVersion\":\"2.0\"}");
    unload(&l);
}

static void what_is_no_http_api_is_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"Resources:\n  W: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}\n",
         "only HTTP APIs are served"},
        {HTTP(ROUTE("A", "a", "")), "must be $default, or a method and a path"},
        {HTTP("  A: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: GET "
              "/a, Target: integrations/x}}\n"),
         "Target must be integrations/ID"},
        {HTTP("  A: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Api, RouteKey: GET "
              "/a}}\n"),
         "has no Target"},
        {HTTP(ROUTE("A", "GET /a", ", ApiKeyRequired: true")), "HTTP APIs have no API keys"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refuses(rows[i].text, 0, rows[i].words);
    struct loaded l =
        accepted("Resources:\n" FN "  Q: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: q, "
                 "ProtocolType: HTTP, Target: !GetAtt F.Arn, RouteKey: GET /}}\n");
    assert_str(l.model.apis->stage, "$default");
    assert_json(json_get(method(&l, "GET", "/")->integration, "payloadFormatVersion"), "\"2.0\"");
    unload(&l);
}

static const char keys[] = REST(STAGE METHOD(
    "Get", ", ApiKeyRequired: true" BACKEND) "  K: {Type: AWS::ApiGateway::ApiKey, Properties: "
                                             "{Enabled: true, Value: "
                                             "abcdefghijklmnopqrst, Name: one}}\n"
                                             "  P: {Type: AWS::ApiGateway::UsagePlan, Properties: "
                                             "{ApiStages: [{ApiId: !Ref Api, Stage: "
                                             "prod, Throttle: {'/users/{id}/GET': {RateLimit: '2', "
                                             "BurstLimit: 3}}}], Quota: {Limit: 9, "
                                             "Period: WEEK, Offset: 1}}}\n"
                                             "  PK: {Type: AWS::ApiGateway::UsagePlanKey, "
                                             "Properties: {KeyId: !Ref K, KeyType: API_KEY, "
                                             "UsagePlanId: !Ref P}}\n"
                                             "  D: {Type: AWS::ApiGateway::DomainName, Properties: "
                                             "{DomainName: Shop.Example}}\n"
                                             "  B: {Type: AWS::ApiGateway::BasePathMapping, "
                                             "Properties: {DomainName: !Ref D, RestApiId: "
                                             "!Ref Api, Stage: prod, BasePath: v1}}\n");

static void keys_plans_and_domains_are_in_the_model(void **state)
{
    AUTO_BUF expected = BUF_INIT(KIB(1));
    (void)state;
    struct loaded l = accepted(keys);
    struct str id = l.model.apis->id;
    assert_json(l.model.api_keys->spec,
                "{\"name\":\"one\",\"value\":\"abcdefghijklmnopqrst\",\"enabled\":true}");
    buf_addf(&expected,
             "{\"name\":\"P\",\"quota\":{\"limit\":9,\"period\":\"WEEK\",\"offset\":1},"
             "\"apiStages\":[{\"apiId\":\"%.*s\",\"stage\":\"prod\",\"throttle\":{"
             "\"/users/{id}/GET\":{\"rateLimit\":2,\"burstLimit\":3}}}],\"keyIds\":[\"K\"]}",
             STR_ARG(id));
    assert_json(l.model.usage_plans->spec, buf_cstr(&expected));
    buf_reset(&expected);
    buf_addf(&expected,
             "{\"mappings\":[{\"basePath\":\"v1\",\"apiId\":\"%.*s\",\"stage\":\"prod\"}]}",
             STR_ARG(id));
    assert_str(l.model.domains->name, "shop.example");
    assert_json(l.model.domains->spec, buf_cstr(&expected));
    unload(&l);
    refuses(
        "Resources:\n  K: {Type: AWS::ApiGateway::UsagePlanKey, Properties: {KeyId: a, KeyType: "
        "API_KEY, UsagePlanId: b}}\n",
        2, "no usage plan \"b\"");
    refuses("Resources:\n  P: {Type: AWS::ApiGateway::UsagePlan, Properties: {Quota: {Limit: "
            "many}}}\n",
            2, "must be a number");
}

static void every_allocation_may_fail(void **state)
{
    struct fault f = {0};
    (void)state;
    while (fault_next(&f)) {
        struct arena *a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA);
        if (!a)
            continue;
        struct import_options o = plain_options();
        struct model model = {.arena = a};
        struct import_report report = {.arena = a};
        enum err err = import_document(&o, "t.yaml", str_c(keys), &model, &report);
        assert_true(err == ERR_OK || err == ERR_NOMEM || report.errors > 0);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rest_api_is_put_together_from_its_resources),
        cmocka_unit_test(responses_models_and_validators_belong_to_their_api),
        cmocka_unit_test(each_stage_is_an_api_of_its_own),
        cmocka_unit_test(what_a_method_names_must_be_there),
        cmocka_unit_test(an_http_api_is_put_together_from_its_resources),
        cmocka_unit_test(what_is_no_http_api_is_refused),
        cmocka_unit_test(keys_plans_and_domains_are_in_the_model),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
