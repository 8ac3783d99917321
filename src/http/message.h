/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP message, whatever version carried it (RFC 9110). All strs are borrowed: from the
 * exchange's arena on the server side, from the call's head buffer on the client side. */
#ifndef ROPELINE_HTTP_MESSAGE_H
#define ROPELINE_HTTP_MESSAGE_H

#include "base/arena.h"

/* The verbs an API Gateway method can have; anything else is HTTP_OTHER (and 405 for CONNECT). */
#define HTTP_METHOD_MAP(X) X(DELETE) X(GET) X(HEAD) X(OPTIONS) X(PATCH) X(POST) X(PUT)
enum http_method {
#define X(name) HTTP_##name,
    HTTP_METHOD_MAP(X)
#undef X
        HTTP_OTHER
};

struct http_header {
    struct str name, value; /* name as it came; compare with str_ieq */
};
struct http_headers {
    struct http_header *v;
    size_t n, cap;
};

enum http_framing { HTTP_NO_BODY, HTTP_BY_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_request {
    enum http_method method;
    struct str method_text;
    struct str target;   /* request-target as received, origin form */
    struct str raw_path; /* target before the first '?' */
    struct str query;    /* after it; p is NULL when there is no '?' */
    struct str host;     /* the Host header, lower-cased, checked (RFC 9110 7.2) */
    unsigned minor;      /* HTTP/1.minor */
    struct http_headers headers;
    enum http_framing framing;
    uint64_t length; /* for HTTP_BY_LENGTH */
};

struct http_response {
    unsigned status;
    struct http_headers
        headers; /* without framing headers; server.h and client.h say who adds them */
    enum http_framing framing; /* client side: how the body comes */
    uint64_t length;
};

/* First header of that name (any case), or NULL. */
const struct http_header *http_find(const struct http_headers *h, struct str name);
/* Its value or STR_NONE. */
struct str http_value(const struct http_headers *h, struct str name);
/* Appends, growing inside the arena. */
enum err http_add(struct arena *a, struct http_headers *h, struct str name,
                  struct str value) MUSTCHECK;
/* Removes all of that name. */
void http_remove(struct http_headers *h, struct str name);
/* Whether a comma-separated list value holds `token` (any case). */
bool http_list_has(struct str value, struct str token);
/* A token (RFC 9110 5.6.2); a field value without control bytes, no blanks at its ends. */
bool http_is_token(struct str s);
bool http_is_field_value(struct str s);
/* A host with an optional port, without its odd forms (RFC 9110 7.2). */
bool http_is_host(struct str s);
/* "localhost" or an address, with an optional port: what a page that wants in by DNS rebinding
 * never comes under. */
bool http_is_local_host(struct str host);
enum http_method http_method_of(struct str text);
struct str http_method_name(enum http_method m); /* "" for HTTP_OTHER */
const char *http_reason(unsigned status);        /* "OK"; "" when unknown */

#endif
