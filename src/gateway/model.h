/* SPDX-License-Identifier: Apache-2.0
 *
 * What importers (and later the control plane) describe: APIs, methods, authorizers, integrations,
 * functions, in AWS's own field names, editable, with the place in the file where each was written.
 * gateway_freeze (snapshot.h) judges it and turns it into what requests run on. All memory belongs
 * to the document's arena. */
#ifndef ROPELINE_GATEWAY_MODEL_H
#define ROPELINE_GATEWAY_MODEL_H

#include "base/json.h"
#include "lambda/lambda.h"

enum api_kind { API_REST, API_HTTP };

struct model_place {
    const char *file;
    unsigned line, col;
};

/* One authorizer: the object that CreateAuthorizer takes, its defaults not yet filled in.
 * REST (apigateway): {"name", "type": "TOKEN" | "REQUEST" | "COGNITO_USER_POOLS", "authorizerUri",
 * "identitySource": "method.request.header.A, context.identity.sourceIp",
 * "identityValidationExpression", "authorizerResultTtlInSeconds", "providerARNs"}.
 * HTTP (apigatewayv2): {"name", "authorizerType": "REQUEST" | "JWT", "authorizerUri",
 * "identitySource": ["$request.header.A"], "authorizerPayloadFormatVersion",
 * "enableSimpleResponses", "authorizerResultTtlInSeconds", "jwtConfiguration": {"issuer",
 * "audience"}}.
 * Ours, in both: "coalesce": false, "x-ropeline-..." (docs/templates.md). */
struct model_authorizer {
    struct str name;
    const struct json *spec;
    struct model_place at;
    struct model_authorizer *next;
};

/* One method of a REST API, or one route of an HTTP API.
 * `method` is PutMethod's object {"authorizationType": "NONE" | "CUSTOM" | "AWS_IAM" |
 * "COGNITO_USER_POOLS" | "JWT" (HTTP), "authorizerName", "authorizationScopes": [..],
 * "apiKeyRequired", "operationName", "requestParameters": {"method.request.header.X": true},
 * "requestModels": {type: model name}, "requestValidator": name,
 * "methodResponses": {status: {"responseParameters"}}}.
 * `integration` is PutIntegration's {"type","httpMethod","uri","requestParameters",
 * "requestTemplates","passthroughBehavior","contentHandling","timeoutInMillis","connectionType",
 * "tlsConfig","integrationResponses":{pattern:{"statusCode","responseParameters",
 * "responseTemplates"}}}; of an HTTP API also "payloadFormatVersion" and "responseParameters":
 * {status: {key: value}}. NULL = none given. */
struct model_method {
    struct str path; /* "/pets/{id}", "/{proxy+}", "/"; of an HTTP API also "$default" */
    struct str verb; /* "GET", ..., "ANY" */
    const struct json *method;
    const struct json *integration;
    struct model_place at;
    struct model_method *next;
};

struct model_variable {
    struct str name, value;
    struct model_variable *next;
};

/* An API with one stage of it. What is NULL or empty was not written. */
struct model_api {
    enum api_kind kind;
    struct str id;             /* 10 lower-case letters and digits, or the tag _custom_id_ */
    struct str logical_id;     /* "Api" in the template; "" for a bare OpenAPI document */
    struct str name;           /* title, or Name */
    struct str stage;          /* "$default" has no path segment */
    bool allow_double_slash;   /* x-ropeline-paths: aws */
    bool disable_execute_api;  /* disableExecuteApiEndpoint */
    struct str api_key_source; /* "HEADER" or "AUTHORIZER"; "" = HEADER */
    struct model_variable *variables;
    struct model_authorizer *authorizers;
    struct model_method *methods;
    const struct json *policy;             /* resource policy, as written */
    const struct json *gateway_responses;  /* {type: PutGatewayResponse's object} */
    const struct json *request_validators; /* {name: {"validateRequestBody",
                                              "validateRequestParameters"}} */
    const struct json *roles;  /* what roles may do: {"roleClaim", "permissionClaim", "grants":
                                  [{"role" or "permission": name, "methods": [{"verb", "path"} or
                                  {"route": "GET /pets/{id}"}]}], "open": [routes]}. A path may have
                                  `*`, which crosses slashes; the open ones need no role. */
    const struct json *models; /* {name: JSON schema} */
    const struct json *binary_media_types;     /* ["image/png"] */
    const struct json *cors;                   /* HTTP: corsConfiguration, as CreateApi takes it */
    const struct json *method_settings;        /* REST stage: {"pets/{id}/GET" or, for all of them,
                                                  star slash star: {"throttlingRateLimit",
                                                  "throttlingBurstLimit"}} */
    const struct json *default_route_settings; /* HTTP stage: the same two members */
    const struct json *route_settings;         /* HTTP stage: {"GET /pets": ...} */
    struct model_place at;
    struct model_api *next;
};

/* CreateApiKey's object: {"name", "value", "enabled", "stageKeys"?}; `id` is Ref's value. */
struct model_api_key {
    struct str id;
    const struct json *spec;
    struct model_place at;
    struct model_api_key *next;
};
/* CreateUsagePlan's object: {"name", "throttle": {"rateLimit", "burstLimit"}, "quota": {"limit",
 * "offset", "period"}, "apiStages": [{"apiId", "stage", "throttle": {"/pets/GET": {..}}}]}, and the
 * ids of its keys: "keyIds": [..] (CreateUsagePlanKey). */
struct model_usage_plan {
    struct str id;
    const struct json *spec;
    struct model_place at;
    struct model_usage_plan *next;
};
/* A custom domain: {"mappings": [{"basePath", "apiId", "stage"}], "tlsOnly"}. */
struct model_domain {
    struct str name; /* lower case, may begin with "*." */
    const struct json *spec;
    struct model_place at;
    struct model_domain *next;
};

/* An alias leads to version 1, or to $LATEST. */
struct model_alias {
    struct str name;
    bool latest;
    unsigned provisioned; /* environments that are always ready; 0 = none */
    struct model_place at;
    struct model_alias *next;
};

/* A document has one state of a function: what it publishes is always version 1. */
struct model_function {
    struct function_spec spec;
    bool
        code_missing; /* its code is absent, inline or on s3://: a note in check, an error in dev */
    struct str code_uri;
    struct str archive;     /* absolute path of a zip file; "" = it is none */
    struct str inline_code; /* what the document itself holds; "" = nothing */
    bool published;         /* there is a version 1 */
    unsigned provisioned;   /* of version 1 itself */
    bool is_reserved;       /* ReservedConcurrentExecutions was written: */
    unsigned reserved;      /* executions at one time */
    struct model_alias *aliases;
    struct model_function *next;
};

struct model {
    struct arena *arena;
    struct str region, account, partition; /* partition is "aws" */
    struct model_api *apis;
    struct model_function *functions;
    struct model_api_key *api_keys;
    struct model_usage_plan *usage_plans;
    struct model_domain *domains;
};

#endif
