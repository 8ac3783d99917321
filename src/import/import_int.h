/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the document being read, its names and values. Every finding
 * goes through import__say, every value a person wrote through one of the readers below, so that
 * nothing is skipped silently. */
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
enum symbol_kind {
    SYMBOL_PARAMETER,
    SYMBOL_FUNCTION,
    SYMBOL_API, /* AWS::Serverless::Api or HttpApi, AWS::ApiGateway::RestApi, ApiGatewayV2::Api */
    SYMBOL_OTHER,
    SYMBOL_ABSENT, /* its Condition is false */
};
enum symbol_state { SYMBOL_FRESH, SYMBOL_BUSY, SYMBOL_KNOWN, SYMBOL_UNKNOWN };
struct symbol {
    enum symbol_kind kind;
    enum symbol_state state; /* of `value` */
    enum api_kind api_kind;  /* of SYMBOL_API */
    struct str logical, type;
    const struct json *node;       /* as written */
    const struct json *properties; /* with Globals, not yet resolved */
    const struct json *resolved;   /* once import__properties was asked */
    const struct json *value;      /* what Ref gives: a parameter's value, a name, an id */
    const struct json *made;       /* StageName of SAM's APIs, AutoPublishAlias of its functions */
    enum symbol_state made_state;  /* of `made` */
    struct spot spot;
    const char *unnamed;    /* why the name that it was given is not known; NULL = it is */
    bool implicit;          /* ServerlessRestApi or ServerlessHttpApi, which nobody wrote */
    bool asked;             /* a parameter of a bare document: something needed it */
    struct import_api *api; /* once it is read */
    const char *path;       /* of an AWS::ApiGateway::Resource, once it is known */
    struct symbol *next, *next_api;
};

/* check judges a bare document for either outcome of a condition that it does not have. */
enum import_world { WORLD_AS_SAID, WORLD_ALL_TRUE, WORLD_ALL_FALSE };

struct declared;   /* a function: import_api_int.h */
struct import_api; /* an API under construction */

struct importer {
    const struct import_options *o;
    struct model *model;
    struct import_report *report;
    struct arena *a;         /* the model's */
    const char *file;        /* where the nodes being read were written */
    struct str dir;          /* of the template: CodeUri, DefinitionUri and Location start here */
    bool literal;            /* a DefinitionUri file: nobody resolves its intrinsics, as on AWS */
    bool elsewhere;          /* names of functions that are not here are taken as they are */
    bool bare;               /* an OpenAPI document: what it names stands elsewhere */
    struct map names;        /* logical id -> struct symbol */
    struct map conditions;   /* name -> struct condition (conditions.c) */
    enum import_world world; /* of a bare document, where conditions stand elsewhere */
    struct str supposed;     /* the first condition that was supposed; "" = none */
    const struct json *mappings; /* the template's; NULL = none */
    struct symbol *symbols, *api_symbols;
    struct map arns; /* ARN -> struct declared */
    struct declared *declared, *last_declared;
    struct map ids; /* "API id" and "API id/stage" -> struct model_api */
    struct import_api *apis, *last_api;
    struct model_api **apis_end; /* where the model's lists go on */
    struct model_function **functions_end;
    struct model_api_key **keys_end;
    struct model_usage_plan **plans_end;
    struct model_domain **domains_end;
    unsigned depth; /* names that are being resolved, one through the other */
    enum err err;   /* sticky: ERR_NOMEM or ERR_LIMIT */
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

/* --- intrinsic functions (intrinsics.c, lists.c, conditions.c, symbols.c, names.c) ----------- */
/* Why something could not be resolved. */
struct reason {
    char text[200];
};
/* The tree with every intrinsic resolved that can be; the others stay as they are, to be reported
 * by whoever needs their value. AWS::NoValue leaves. */
const struct json *import__resolve(struct importer *im, const struct json *v);
bool import__is_intrinsic(const struct json *v);
void import__explain(struct importer *im, const struct json *v, struct reason *why);

/* As import__resolve, but NULL, with the reason, when `v` itself cannot be resolved. */
const struct json *import__eval(struct importer *im, const struct json *v, struct reason *why);
bool import__is_no_value(const struct json *v);
#define UNRESOLVED(why, ...) (snprintf((why)->text, sizeof(why)->text, __VA_ARGS__), NULL)

/* One intrinsic function: its argument in, its value or NULL and the reason out. */
typedef const struct json *import_intrinsic(struct importer *im, const struct json *arg,
                                            struct reason *why);
import_intrinsic import__find_in_map, import__select, import__split, import__zones, /* lists.c */
    import__base64;
import_intrinsic import__if, import__equals, import__and, import__or,
    import__not; /* conditions.c */

void import__read_conditions(struct importer *im, const struct json *section);
/* What a named condition comes to; false, with the reason, when that is not known. */
bool import__condition(struct importer *im, struct str name, bool *out, struct reason *why);

void import__read_symbols(struct importer *im, const struct json *doc);
/* Of a bare document: what --param says of names and conditions that it does not have. */
void import__read_given(struct importer *im);
void import__check_given(struct importer *im);
struct symbol *import__symbol(const struct importer *im, struct str logical);
/* The value of a symbol, found once (names.c); NULL when it has none. */
const struct json *import__value(struct importer *im, struct symbol *s);
/* What Ref and Fn::GetAtt give; NULL when unknown. */
const struct json *import__ref(struct importer *im, struct str name, struct reason *why);
const struct json *import__attribute(struct importer *im, struct str name, struct str attribute,
                                     struct reason *why);
/* Globals first, then what the resource says: objects joined, lists appended, else replaced. */
const struct json *import__merge(struct importer *im, const struct json *base,
                                 const struct json *over);

/* --- files (read.c) --------------------------------------------------------------------------- */
/* A path as the template gives it, from the template's folder. */
struct str import__path(struct importer *im, struct str path);
/* The bytes of a regular file of at most LIMIT_TEMPLATE_BYTES, in the arena; ERR_NOTFOUND,
 * ERR_LIMIT, ERR_UNSUPPORTED (not a regular file), ERR_IO, ERR_NOMEM. */
enum err import__read_file(struct importer *im, struct str path, struct str *out) MUSTCHECK;
bool import__is_directory(struct str path, char *absolute, size_t size);
bool import__is_file(struct str path, char *absolute, size_t size);

/* integration.c: tlsConfig of an HTTP integration: insecureSkipVerification, with a loud word. */
struct route;
void import__tls_config(struct importer *im, const struct route *r, const struct json *v,
                        struct json *out);

#endif
