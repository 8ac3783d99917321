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

/* One authorizer: the object that CreateAuthorizer of API Gateway takes, with its defaults not yet
 * filled in: {"name","type":"TOKEN","authorizerUri","identitySource",
 * "identityValidationExpression","authorizerResultTtlInSeconds"}. */
struct model_authorizer {
    struct str name;
    const struct json *spec;
    struct model_place at;
    struct model_authorizer *next;
};

/* One method on one resource: `method` is PutMethod's object {"authorizationType":"NONE"|"CUSTOM"|
 * "AWS_IAM"|"COGNITO_USER_POOLS", "authorizerName", "apiKeyRequired", "operationName"};
 * `integration` is PutIntegration's {"type","httpMethod","uri","requestParameters",
 * "requestTemplates","passthroughBehavior","timeoutInMillis","connectionType",
 * "integrationResponses":{pattern:{statusCode,...}}}, NULL = none given. */
struct model_method {
    struct str path; /* resource path: "/pets/{id}", "/{proxy+}", "/" */
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

struct model_api {
    enum api_kind kind;
    struct str id;         /* 10 lower-case letters and digits, or the tag _custom_id_ */
    struct str logical_id; /* "Api" in the template; "" for a bare OpenAPI document */
    struct str name;       /* title, or Name */
    struct str stage;
    bool allow_double_slash; /* x-ropeline-paths: aws */
    struct model_variable *variables;
    struct model_authorizer *authorizers;
    struct model_method *methods;
    struct model_place at;
    struct model_api *next;
};

struct model_function {
    struct function_spec spec;
    bool
        code_missing; /* its code is absent, inline or on s3://: a note in check, an error in dev */
    struct str code_uri;
    struct model_function *next;
};

struct model {
    struct arena *arena;
    struct str region, account, partition; /* partition is "aws" */
    struct model_api *apis;
    struct model_function *functions;
};

#endif
