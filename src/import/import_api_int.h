/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of a document inside this room: functions, guards, routes, APIs under construction,
 * and the readers that make them. The model gets what gateway/model.h says and nothing else. */
#ifndef ROPELINE_IMPORT_IMPORT_API_INT_H
#define ROPELINE_IMPORT_IMPORT_API_INT_H

#include "import_function_int.h"

/* A security scheme, an authorizer of SAM's Auth or of CloudFormation: what a method may name. */
enum guard_kind {
    GUARD_BROKEN, /* refused where it is defined */
    GUARD_TOKEN,
    GUARD_REQUEST,
    GUARD_COGNITO,
    GUARD_JWT,
    GUARD_API_KEY, /* the x-api-key header */
    GUARD_IAM,
    GUARD_PLAIN, /* OpenAPI only: nothing in it that API Gateway would enforce */
};
struct guard {
    enum guard_kind kind;
    struct str name;
    const struct json *spec; /* in the words of x-amazon-apigateway-authorizer, not yet judged */
    const struct json *function; /* authorizerUri, or with !is_uri an ARN */
    const struct json *header;   /* of a TOKEN or Cognito authorizer: its name */
    const struct json *scopes;   /* for methods that name none; or NULL */
    bool is_uri, from_sam, used;
    const char *file;
    struct spot spot;
    struct guard *next;
};

/* Who may call a method. All empty: everybody. */
struct access {
    struct guard *guard;
    const struct json *scopes; /* NULL = the guard's own */
    bool api_key;
    struct spot at;
    const struct json *roles; /* x-ropeline-roles of this method, as written, or NULL */
};

/* One method; what becomes of it is settled by import__finish_api. */
struct route {
    struct model_method *method;
    struct access access;
    const struct json *given, *doc; /* an integration that is not read yet; its document */
    const struct json *operation_id, *validator;        /* as written, or NULL */
    const struct json *parameters, *models, *responses; /* PutMethod's, or NULL */
    bool from_event;
    struct route *next;
};

/* One API under construction. */
struct import_api {
    struct model_api *api;
    struct map variables; /* "/pets/" -> the variable below it, as a C string */
    struct map routes;    /* "GET /pets" -> struct route */
    struct route *first_route, *last_route;
    struct guard *guards, *last_guard;
    struct map guard_names; /* -> struct guard */
    struct model_authorizer *last_authorizer;
    struct str default_guard; /* SAM's DefaultAuthorizer; "" = none */
    bool guard_preflight;     /* SAM's AddDefaultAuthorizerToCorsPreflight */
    bool key, key_preflight;  /* SAM's ApiKeyRequired, AddApiKeyRequiredToCorsPreflight */
    bool literal;             /* its definition is a DefinitionUri file (importer.literal) */
    bool has_body, merge;     /* SAM's DefinitionBody or DefinitionUri; MergeDefinitions */
    const struct json *cors;  /* SAM's Cors of a REST API, resolved */
    const struct json *resource_policy; /* SAM's, of the API */
    const struct json *roles;           /* x-ropeline-roles of the API, as written, or NULL */
    const char *roles_file;
    const struct json *doc;           /* the OpenAPI document being read */
    const struct json *validator;     /* of the document: for operations that name none */
    const struct json *root_security; /* of the document, where it applies */
    size_t open_by_root; /* methods that only the ignored root-level security would guard */
    struct import_api *next;
};

/* --- APIs (api.c) ----------------------------------------------------------------------------- */
struct str import__api_id(struct importer *im, struct str seed);
bool import__is_custom_id(struct str s);
bool import__is_stage(struct str s);
struct import_api *import__new_api(struct importer *im, enum api_kind kind, struct str logical,
                                   struct spot at);
/* What ropeline.yaml says comes instead of the document's own. */
void import__set_stage(struct importer *im, struct import_api *api, struct str stage,
                       struct spot at);
void import__read_variables(struct importer *im, struct import_api *api, const struct json *v);
/* Reports a path that cannot be; *clean is the path as the model has it. */
bool import__check_path(struct importer *im, struct import_api *api, struct str path,
                        struct spot at, struct str *clean);
/* "GET" of "get", "ANY" of SAM's any; NULL for what is no method. */
const char *import__verb(struct str s);
struct route *import__find_route(struct importer *im, const struct import_api *api, struct str path,
                                 const char *verb);
/* NULL, reported, when the API has that method already. */
struct route *import__add_route(struct importer *im, struct import_api *api, struct str path,
                                const char *verb, struct spot at);
void import__finish_api(struct importer *im, struct import_api *api);
void import__free_apis(struct importer *im);

/* --- guards (guards.c, schemes.c, sam_auth.c, authorizer.c) ----------------------------------- */
struct guard *import__find_guard(const struct import_api *api, struct str name);
/* NULL, reported, when there is one of that name. */
struct guard *import__new_guard(struct importer *im, struct import_api *api, struct str name,
                                struct spot at);
void import__read_schemes(struct importer *im, struct import_api *api, const struct json *schemes);
void import__read_authorizers(struct importer *im, struct import_api *api,
                              const struct json *authorizers);
void import__read_auth(struct importer *im, struct import_api *api, const struct json *auth);
void import__check_authorizer(struct importer *im, const struct import_api *api,
                              enum guard_kind kind, const struct json *spec);
/* CreateAuthorizer's object; NULL, reported, when it cannot be made. */
const struct json *import__authorizer_spec(struct importer *im, struct import_api *api,
                                           const struct guard *g);
/* PutMethod's object; the guard becomes an authorizer of the API, or what it is is reported. */
const struct json *import__method(struct importer *im, struct import_api *api, struct route *r);

/* --- OpenAPI (openapi.c, security.c, settings.c, parameters.c, integration.c, http_integration.c)
 */
/* Adds the methods of an OpenAPI document. */
void import__openapi(struct importer *im, struct import_api *api, const struct json *doc);
void import__openapi_document(struct importer *im, const struct json *doc);
/* What a local $ref leads to, or the value itself; NULL, reported, when that is nowhere. */
const struct json *import__follow(struct importer *im, const struct json *doc,
                                  const struct json *v);
/* What `security` and x-amazon-apigateway-auth of an operation come to. */
void import__read_security(struct importer *im, struct import_api *api, struct route *r,
                           const struct json *operation, struct spot at);
/* What is said for the whole API: policy, gateway responses, validators, schemas, ... */
void import__openapi_settings(struct importer *im, struct import_api *api, const struct json *doc);
/* parameters, requestBody and responses of an operation, as a validator and mappings need them. */
void import__openapi_parameters(struct importer *im, struct import_api *api, struct route *r,
                                const struct json *item, const struct json *operation);
/* PutIntegration's object, checked; NULL when it was refused. */
const struct json *import__integration(struct importer *im, struct import_api *api,
                                       const struct route *r, const struct json *v);
const struct json *import__http_integration(struct importer *im, struct import_api *api,
                                            const struct route *r, const struct json *v);

/* --- settings, however they are spelled (settings.c, throttles.c) ----------------------------- */
void import__set_policy(struct importer *im, struct import_api *api, const struct json *v);
void import__set_gateway_response(struct importer *im, struct import_api *api, struct str type,
                                  const struct json *response, struct spot at);
void import__set_binary_types(struct importer *im, struct import_api *api, const struct json *v);
void import__set_key_source(struct importer *im, struct import_api *api, const struct json *v);
void import__add_member(struct importer *im, const struct json **object, struct str key,
                        const struct json *v);
/* From CorsConfiguration or x-amazon-apigateway-cors. */
void import__set_http_cors(struct importer *im, struct import_api *api, const struct json *v);
void import__set_method_settings(struct importer *im, struct import_api *api, const struct json *v);
/* ThrottlingRateLimit and ThrottlingBurstLimit; NULL when there is neither. */
const struct json *import__throttle(struct importer *im, const struct json *v);
/* {"limit", "offset", "period"} or {"rateLimit", "burstLimit"} of CloudFormation's. */
const struct json *import__limits(struct importer *im, const struct json *v);
void import__set_route_settings(struct importer *im, struct import_api *api, const struct json *v);

/* --- lint.c ------------------------------------------------------------------------------------
 */
void import__lint(struct importer *im, const struct import_api *api);

#endif
