/* SPDX-License-Identifier: Apache-2.0
 *
 * What is taken from a request and put somewhere else: mapping rows, and texts with holes. Private
 * to this room. */
#ifndef ROPELINE_GATEWAY_MAPPING_INT_H
#define ROPELINE_GATEWAY_MAPPING_INT_H

#include "gateway_int.h"

/* What a backend said, whole. */
struct backend_answer {
    unsigned status;
    const struct http_headers *headers;
    struct str body;
};

/* --- mapping.c: one value ------------------------------------------------------------------- */
enum source_kind {
    SOURCE_STATIC = 1,           /* 'text' */
    SOURCE_REQUEST = 2,          /* method.request.header|querystring|path.NAME */
    SOURCE_REQUEST_LIST = 4,     /* method.request.multivalueheader|multivaluequerystring.NAME */
    SOURCE_VARIABLE = 8,         /* stageVariables.NAME */
    SOURCE_CONTEXT = 16,         /* context.NAME */
    SOURCE_REQUEST_BODY = 32,    /* method.request.body[.JSONPath] */
    SOURCE_RESPONSE_HEADER = 64, /* integration.response.header|multivalueheader.NAME */
    SOURCE_RESPONSE_BODY = 128,  /* integration.response.body[.JSONPath] */
};
/* Where a value comes from: `read` looks `name` up; false when there is no value. */
struct source {
    enum source_kind kind;
    bool (*read)(struct exchange *x, struct str name, struct str *out);
    struct str name; /* borrowed from the text */
};
/* "context.stage" -> its reader, if that is one of `kinds`; static text is not read here. */
bool mapping__source(struct str text, unsigned kinds, struct source *out);

/* --- mapping.c: {"target": "source"} --------------------------------------------------------- */
enum mapping_use {
    MAPPING_STREAM,   /* requestParameters where the body is not collected: HTTP_PROXY */
    MAPPING_REQUEST,  /* requestParameters */
    MAPPING_RESPONSE, /* responseParameters of an integration response */
    MAPPING_MOCK,     /* the same where there is no backend */
    MAPPING_ANSWER,   /* responseParameters of a gateway response */
};
enum mapping_target { MAP_HEADER, MAP_QUERY, MAP_PATH };
struct mapping {
    enum mapping_target target;
    enum source_kind kind;
    struct str name;
    bool (*read)(struct exchange *x, struct str name, struct str *out);
    struct str source; /* what `read` looks for, or the static value */
    bool from_authorizer;
};
struct mappings {
    struct mapping *v;
    size_t n;
};
/* NULL gives none. The error is placed at the row. */
enum err mapping__compile(struct arena *a, const struct json *parameters, enum mapping_use use,
                          struct mappings *out, struct errinfo *e) MUSTCHECK;

/* --- jsonpath.c: into a body -------------------------------------------------------------------
 */
/* ".a.b[0]['c']" or "": members and indexes only. */
bool jsonpath__is_valid(struct str path);
/* NULL when it leads nowhere. */
const struct json *jsonpath__find(const struct json *root, struct str path);
/* What `path` leads to in a JSON text, as a mapping sees it: a string's bytes, else JSON. False for
 * null, nothing, no JSON or more than LIMIT_MAPPED_BODY. Memory of `a`. */
bool jsonpath__read(struct arena *a, struct str text, struct str path, struct str *out);

/* --- text.c: a text with holes -----------------------------------------------------------------
 */
struct text_piece {
    struct str literal; /* before the hole */
    struct source hole; /* read is NULL in the last piece */
};
struct text {
    struct text_piece *v;
    size_t n;
};
/* How values are written so that none can break out of the text. */
enum text_escape { TEXT_RAW, TEXT_JSON, TEXT_MARKUP };
/* Copies what it keeps. ERR_UNSUPPORTED names the first thing that would need Velocity. */
enum err text__compile(struct arena *a, struct str source, struct text *out,
                       struct errinfo *e) MUSTCHECK;
enum text_escape text__escape(struct str media_type);
/* A hole without a value is the empty string. */
void text__write(struct exchange *x, const struct text *t, enum text_escape escape,
                 struct buf *out);

/* --- answers.c: customised gateway responses ------------------------------------------------- */
struct answers;
struct answer;
/* Adds one row of {type: PutGatewayResponse's object}; the first makes *out. */
enum err answers__add(struct arena *a, const struct json_member *row, struct answers **out,
                      struct errinfo *e) MUSTCHECK;
/* As AWS names it: the type itself, or DEFAULT_4XX / DEFAULT_5XX for what is ours alone. */
const char *answers__type(enum gateway_response type, unsigned status);
/* What the document made of this type, or of the family of that status; NULL = nothing. */
const struct answer *answers__find(const struct answers *all, enum gateway_response type,
                                   unsigned status, bool by_family);
const char *answer__name(const struct answer *custom); /* "DEFAULT_4XX" */
/* Puts it over x->answer and x->answer_body. ERR_INVALID: a value that no header can hold. */
enum err answer__apply(const struct answer *custom, struct exchange *x) MUSTCHECK;

#endif
