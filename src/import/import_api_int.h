/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of a document inside this room: functions, guards, routes, APIs under construction,
 * and the readers that make them. The model gets what gateway/model.h says and nothing else. */
#ifndef ROPELINE_IMPORT_IMPORT_API_INT_H
#define ROPELINE_IMPORT_IMPORT_API_INT_H

#include "import_int.h"

/* A function of the template, or one that --function alone knows. */
struct declared {
    struct model_function *function;
    struct str logical; /* "" = from --function */
    const char *file;
    struct spot spot;
    const char *missing;   /* why its code is not here; NULL = it is */
    const char *unset_why; /* a variable of its environment could not be resolved */
    struct str unset;      /* its name; "" = none */
    struct spot unset_spot;
    bool needed;     /* a route or an authorizer calls it */
    bool guards;     /* an authorizer calls it */
    bool overridden; /* --function gives its code */
    bool by_uri;     /* called by a URI that a person wrote, so AWS wants a permission */
    bool permitted;  /* and has one */
    bool elsewhere;  /* of a document that was read before */
    struct declared *next;
};

/* A security scheme, or an authorizer of SAM's Auth: what a method's `security` may name. */
enum guard_kind {
    GUARD_BROKEN, /* refused where it is defined */
    GUARD_TOKEN,
    GUARD_LATER,   /* an authorizer of a type that is not served yet */
    GUARD_API_KEY, /* the x-api-key header */
    GUARD_IAM,
    GUARD_PLAIN, /* OpenAPI only: nothing in it that API Gateway would enforce */
};
struct guard {
    enum guard_kind kind;
    struct str name;
    struct str type;             /* as the person wrote it */
    const struct json *function; /* authorizerUri or FunctionArn */
    bool is_uri, from_sam, has_role, used;
    const struct json *header;     /* of the token: its name */
    const struct json *expression; /* or NULL */
    const struct json *ttl;        /* or NULL */
    const struct json *coalesce;   /* ours: one call for identical misses; or NULL */
    const char *file;
    struct spot spot;
    struct guard *next;
};

/* One method, with what the model need not know. */
struct route {
    struct model_method *method;
    bool from_event;
    struct route *next;
};

/* One API under construction. */
struct import_api {
    struct model_api *api;
    struct map variables; /* "/pets/" -> the variable below it, as a C string */
    struct map routes;    /* "GET /pets" -> struct route */
    struct route *first_route, *last_route;
    struct guard *guards;
    struct model_authorizer *last_authorizer;
    struct str default_guard; /* SAM's DefaultAuthorizer; "" = none */
    bool guard_preflight;     /* SAM's AddDefaultAuthorizerToCorsPreflight */
    bool has_body, merge;     /* SAM's DefinitionBody or DefinitionUri; MergeDefinitions */
    const struct json *cors;  /* SAM's Cors, resolved */
    const struct json *doc;   /* the OpenAPI document being read */
    size_t open_by_root;      /* methods that only the ignored root-level security would guard */
    struct import_api *next;
};

/* --- functions (functions.c) ------------------------------------------------------------------ */
struct str import__function_arn(struct importer *im, struct str name);
/* The first --function that gives code to the function by any of its names: flags stand before the
 * file. */
const struct import_function *import__override(const struct importer *im, struct str arn,
                                               struct str name, struct str logical);
void import__know_functions(struct importer *im);
void import__declare_function(struct importer *im, const struct symbol *s);
/* The function that an ARN (or, with `is_uri`, the invocation URI around one) names; reports and
 * answers NULL when it is none we could run. `user` is who asks, in words. */
struct declared *import__find_function(struct importer *im, const struct import_api *api,
                                       const struct json *v, bool is_uri, const char *what,
                                       struct spot at);
struct str import__invocation_uri(struct importer *im, struct str arn);
/* ${stageVariables.x} replaced; false and *missing when one has no value. */
bool import__stage_variables(struct importer *im, const struct import_api *api, struct str text,
                             struct str *out, struct str *missing);
void import__judge_functions(struct importer *im);

/* --- APIs (api.c) ----------------------------------------------------------------------------- */
struct str import__api_id(struct importer *im, struct str seed);
bool import__is_custom_id(struct str s);
bool import__is_stage(struct str s);
struct import_api *import__new_api(struct importer *im, struct str logical, struct spot at);
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
/* PutMethod's object: guarded by `guard`, or open when it is NULL. */
void import__set_access(struct importer *im, struct import_api *api, struct route *r,
                        struct guard *guard, const struct json *operation_id);
void import__finish_api(struct importer *im, struct import_api *api);
void import__free_apis(struct importer *im);

/* --- guards (guards.c) ------------------------------------------------------------------------ */
struct guard *import__find_guard(const struct import_api *api, struct str name);
void import__read_schemes(struct importer *im, struct import_api *api, const struct json *schemes);
void import__read_authorizers(struct importer *im, struct import_api *api,
                              const struct json *authorizers);
/* Makes the guard an authorizer of the API, or reports why it cannot guard `route`. */
void import__use_guard(struct importer *im, struct import_api *api, struct guard *g,
                       const struct route *r, struct spot at);

/* --- documents -------------------------------------------------------------------------------- */
/* Adds the methods of an OpenAPI document. */
void import__openapi(struct importer *im, struct import_api *api, const struct json *doc);
/* A bare one is a whole API. */
void import__openapi_document(struct importer *im, const struct json *doc);
/* What a local $ref leads to; the value itself when it is none. NULL, reported, when it leads
 * nowhere. */
const struct json *import__follow(struct importer *im, const struct json *doc,
                                  const struct json *v);
/* What `security` and x-amazon-apigateway-auth of an operation come to. False: reported. */
bool import__read_security(struct importer *im, struct import_api *api, const struct route *r,
                           const struct json *operation, struct spot at, struct guard **out);
/* PutIntegration's object, checked; NULL when it was refused. */
const struct json *import__integration(struct importer *im, struct import_api *api,
                                       const struct route *r, const struct json *v);
/* {"statusCode": N} and nothing else, unquoted key allowed; -1 for anything else. */
int import__mock_status(struct str template);
bool import__has_vtl(struct str text); /* Velocity might change it */

void import__template(struct importer *im, const struct json *doc);
void import__serverless_api(struct importer *im, struct symbol *s);
void import__events(struct importer *im, const struct symbol *function);
void import__cors(struct importer *im, struct import_api *api);

#endif
