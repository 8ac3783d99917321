/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the document being read, the names in it, the API under
 * construction. Every finding goes through import__say, every value a person wrote through one of
 * the readers below, so that nothing is skipped silently. */
#ifndef ROPELINE_IMPORT_IMPORT_INT_H
#define ROPELINE_IMPORT_IMPORT_INT_H

#include "base/limits.h"
#include "base/map.h"
#include "import/import.h"

/* A place in the file that is being read; 0 = unknown. */
struct spot {
    unsigned line, col;
};

/* A logical id of the template: a parameter or a resource. */
enum symbol_kind { SYMBOL_PARAMETER, SYMBOL_FUNCTION, SYMBOL_API, SYMBOL_OTHER };
enum symbol_state { SYMBOL_FRESH, SYMBOL_BUSY, SYMBOL_KNOWN, SYMBOL_UNKNOWN };
struct symbol {
    enum symbol_kind kind;
    enum symbol_state state; /* of `value` */
    struct str logical, type;
    const struct json *node;       /* as written */
    const struct json *properties; /* functions and APIs: with Globals, not yet resolved */
    const struct json *value;      /* what Ref gives: a parameter's value, a name, an id */
    struct spot spot;
    const char *unnamed;    /* why the name that it was given is not known; NULL = it is */
    bool implicit;          /* ServerlessRestApi, which nobody wrote */
    struct import_api *api; /* once it is read */
    struct symbol *next;
};

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
    struct declared *next;
};

struct importer {
    const struct import_options *o;
    struct model *model;
    struct import_report *report;
    struct arena *a;  /* the model's */
    const char *file; /* where the nodes being read were written */
    struct str dir;   /* of the template: CodeUri, DefinitionUri and Location start here */
    bool literal;     /* a DefinitionUri file: nobody resolves its intrinsics, as on AWS */
    struct map names; /* logical id -> struct symbol */
    struct symbol *symbols;
    struct map arns; /* ARN -> struct declared */
    struct declared *declared, *last_declared;
    struct map ids; /* API id -> struct model_api */
    struct import_api *apis, *last_api;
    struct model_api **apis_end; /* where the model's lists go on */
    struct model_function **functions_end;
    unsigned depth; /* names that are being resolved, one through the other */
    enum err err;   /* sticky: ERR_NOMEM or ERR_LIMIT */
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

/* --- findings (note.c) ---------------------------------------------------------------------- */
void import__say(struct importer *im, enum import_severity s, struct spot at, const char *fmt, ...)
    PRINTF(4, 5);
void import__fail(struct importer *im, enum err err); /* keeps the first */
void import__no_memory(struct importer *im);          /* the model's arena could not give */

static inline struct spot spot_of(const struct json *v)
{
    return v ? (struct spot){v->line, v->col} : (struct spot){0, 0};
}
static inline struct spot spot_key(const struct json_member *m)
{
    return (struct spot){m->line, m->col};
}

/* --- reading values (value.c) ---------------------------------------------------------------- */
/* Each answers NULL, false or the fallback when `v` is absent, and reports what is there but is not
 * what is wanted or cannot be resolved. `what` is the name of the property. */
const struct json *import__object(struct importer *im, const struct json *v, const char *what);
const struct json *import__array(struct importer *im, const struct json *v, const char *what);
bool import__text(struct importer *im, const struct json *v, const char *what, struct str *out);
bool import__flag(struct importer *im, const struct json *v, const char *what, bool fallback);
bool import__number(struct importer *im, const struct json *v, const char *what, int64_t low,
                    int64_t high, int64_t *out);
/* The text of a scalar; numbers and booleans as CloudFormation turns them into strings. */
bool import__scalar(const struct json *v, struct str *out);
bool import__is_true(const struct json *v); /* true or "true"; asks without reporting */
/* Where a value stands, or where its container does. */
static inline struct spot spot_or(const struct json *v, struct spot otherwise)
{
    return v && v->line ? spot_of(v) : otherwise;
}

/* What becomes of each property a person may write. */
enum key_rule { KEY_READ, KEY_SILENT, KEY_NOTE, KEY_WARN, KEY_REFUSE };
struct key_row {
    const char *name;
    enum key_rule rule;
    const char *text; /* what to say unless the value is null, false or empty */
};
struct key_table {
    const char *what;
    const struct key_row *rows;
    size_t count;
    enum key_rule unknown; /* for names without a row; x-amazon-apigateway-* are always refused */
};
void import__check_keys(struct importer *im, const struct json *object, const struct key_table *t);

/* Building: a failure sticks to the importer; a NULL is one, passed on. */
struct json *import__new_object(struct importer *im, const struct json *place);
void import__put(struct importer *im, struct json *object, const char *key, const struct json *v);
/* A string at the place of `place`. */
const struct json *import__new_text(struct importer *im, struct str s, const struct json *place);
struct str import__upper(struct importer *im, struct str s);
struct str import__fmt(struct importer *im, const char *fmt, ...) PRINTF(2, 3);

/* --- intrinsic functions (intrinsics.c, symbols.c) ------------------------------------------- */
/* Why something could not be resolved. */
struct reason {
    char text[200];
};
/* The tree with every intrinsic resolved that can be; the others stay as they are, to be reported
 * by whoever needs their value. AWS::NoValue leaves. */
const struct json *import__resolve(struct importer *im, const struct json *v);
bool import__is_intrinsic(const struct json *v);
void import__explain(struct importer *im, const struct json *v, struct reason *why);

void import__read_symbols(struct importer *im, const struct json *doc);
struct symbol *import__symbol(const struct importer *im, struct str logical);
/* What Ref and Fn::GetAtt give; NULL when unknown. */
const struct json *import__ref(struct importer *im, struct str name, struct reason *why);
const struct json *import__attribute(struct importer *im, struct str name, struct str attribute,
                                     struct reason *why);
/* Globals first, then what the resource says: objects joined, lists appended, else replaced. */
const struct json *import__merge(struct importer *im, const struct json *base,
                                 const struct json *over);

/* --- functions (functions.c) ------------------------------------------------------------------ */
struct str import__function_arn(struct importer *im, struct str name);
const struct import_function *import__override(const struct importer *im, struct str name);
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
bool import__has_vtl(struct str text); /* a reference or a directive of Velocity */

void import__template(struct importer *im, const struct json *doc);
void import__serverless_api(struct importer *im, struct symbol *s);
void import__events(struct importer *im, const struct symbol *function);
void import__cors(struct importer *im, struct import_api *api);

/* --- files (read.c) --------------------------------------------------------------------------- */
/* A path as the template gives it, from the template's folder. */
struct str import__path(struct importer *im, struct str path);
/* The bytes of a regular file of at most LIMIT_TEMPLATE_BYTES, in the arena; ERR_NOTFOUND,
 * ERR_LIMIT, ERR_UNSUPPORTED (not a regular file), ERR_IO, ERR_NOMEM. */
enum err import__read_file(struct importer *im, struct str path, struct str *out) MUSTCHECK;
bool import__is_directory(struct str path, char *absolute, size_t size);

#endif
