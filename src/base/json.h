/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to jansson, and the tree that every document becomes, JSON or YAML: immutable, in an
 * arena, object members in the order they were written, each node with its place in the file where
 * a person wrote it (YAML and JSON templates through yaml.h; 0 otherwise).
 * Strict: UTF-8, one top-level value of any kind, duplicate keys refused, caps on bytes and depth
 * checked before parsing (RFC 8259). */
#ifndef ROPELINE_BASE_JSON_H
#define ROPELINE_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_type type;
    unsigned line, col;
    struct str s; /* STRING: the bytes; NUMBER: as JavaScript prints it, or as written in YAML */
    bool is_int;
    int64_t i;                   /* NUMBER when is_int */
    double real;                 /* NUMBER always */
    size_t n;                    /* ARRAY, OBJECT: how many */
    struct json_member *members; /* OBJECT */
    const struct json **items;   /* ARRAY */
};
struct json_member {
    struct str key;
    unsigned line, col; /* of the key */
    const struct json *value;
};

/* Parses `text` into `a`. Caps: LIMIT_JSON_DEPTH and `max` bytes. On failure *out is NULL and
 * `e` (may be NULL) has line, column and text. ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM. */
enum err json_parse(struct arena *a, struct str text, size_t max, const struct json **out,
                    struct errinfo *e) MUSTCHECK;

/* An object of at most LIMIT_JWT_BYTES, in one pass: no member twice, at most LIMIT_JWT_DEPTH deep
 * and LIMIT_JWT_MEMBERS values, no NUL in any form. Strings without escapes are not copied: `text`
 * must live as long as the tree. ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM. */
enum err json_parse_object(struct arena *a, struct str text, const struct json **out) MUSTCHECK;
/* json_parse for text that lives as long as the tree, the quicker way when it can be. */
enum err json_parse_kept(struct arena *a, struct str text, size_t max,
                         const struct json **out) MUSTCHECK;

/* Lookups accept NULL and wrong types and then answer NULL / false / the fallback, so that chains
 * like json_get(json_get(doc, "a"), "b") need no checks in between. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_gets(const struct json *object, struct str key);
const struct json *json_at(const struct json *array, size_t i);
bool json_is(const struct json *v, enum json_type type);
bool json_is_bool(const struct json *v);
bool json_str(const struct json *v, struct str *out); /* only strings */
struct str json_str_or(const struct json *v, struct str fallback);
bool json_int(const struct json *v, int64_t *out); /* integers only */
bool json_bool_or(const struct json *v, bool fallback);
const char *json_type_name(enum json_type t); /* "object", "string", ... */

/* `text` as a number, as json_parse would give it. ERR_SYNTAX when it is none, or none that a
 * double can hold; ERR_NOMEM. */
enum err json_read_number(struct arena *a, struct str text, struct json *out) MUSTCHECK;

/* Builders, all in `a`; strings and keys are copied. They return NULL when out of memory and accept
 * NULL values (which make the whole result NULL), so that a tree can be built and tested once.
 * Writing NULL puts ERR_NOMEM into the buffer. */
struct json *json_new_copy(struct arena *a, const struct json *v); /* whole, places included */
struct json *json_new_str(struct arena *a, struct str s);
struct json *json_new_int(struct arena *a, int64_t i);
struct json *json_new_bool(struct arena *a, bool b);
struct json *json_new_null(struct arena *a);
struct json *json_new_array(struct arena *a, size_t cap);
struct json *json_new_object(struct arena *a, size_t cap);
/* Appending beyond cap reallocates inside the arena. json_set replaces an existing key. */
enum err json_push(struct arena *a, struct json *array, const struct json *v) MUSTCHECK;
enum err json_set(struct arena *a, struct json *object, struct str key,
                  const struct json *v) MUSTCHECK;

/* Compact text; strings escaped as RFC 8259 demands, `/` left alone, non-ASCII left as UTF-8. */
void json_write(struct buf *b, const struct json *v);
void json_write_str(struct buf *b, struct str s); /* quoted and escaped */
/* Two-space indented, for people. */
void json_write_pretty(struct buf *b, const struct json *v);

#endif
