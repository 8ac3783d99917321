/* SPDX-License-Identifier: Apache-2.0
 *
 * Small facts about HTTP messages that everyone shares: header lists, methods, reasons, and which
 * byte may stand where. Pure. */
#include "http/message.h"

#include "base/cidr.h"

#include "http_int.h"

/* One row for each sixteen bytes: a sum of BYTE_TOKEN, BYTE_VALUE, BYTE_TARGET, BYTE_HOST,
 * BYTE_HEX. */
/* clang-format off */
const unsigned char http__bytes[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     2,  7,  6,  3,  7,  7,  7,  7,  6,  6,  7,  7,  6, 15, 15,  6,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31,  6,  6,  6,  6,  6,  6,
     6, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  6,  6,  7, 15,
     7, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6,  7,  0,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
};
/* clang-format on */

const struct http_header *http_find(const struct http_headers *h, struct str name)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].name.n == name.n && str_ieq(h->v[i].name, name))
            return &h->v[i];
    return NULL;
}

struct str http_value(const struct http_headers *h, struct str name)
{
    const struct http_header *found = http_find(h, name);
    return found ? found->value : STR_NONE;
}

enum err http_add(struct arena *a, struct http_headers *h, struct str name, struct str value)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 16;
        struct http_header *v = ARENA_ARRAY(a, cap, struct http_header);
        if (!v)
            return ERR_NOMEM;
        if (h->n)
            memcpy(v, h->v, h->n * sizeof(*v));
        h->v = v;
        h->cap = cap;
    }
    h->v[h->n++] = (struct http_header){name, value};
    return ERR_OK;
}

void http_remove(struct http_headers *h, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->n; i++)
        if (!str_ieq(h->v[i].name, name))
            h->v[kept++] = h->v[i];
    h->n = kept;
}

bool http_list_has(struct str value, struct str token)
{
    while (value.p) {
        struct str rest;
        if (str_ieq(str_trim(str_cut(value, ',', &rest)), token))
            return true;
        value = rest;
    }
    return false;
}

bool http_is_token(struct str s)
{
    return s.n > 0 && http__all(s, BYTE_TOKEN);
}

bool http_is_field_value(struct str s)
{
    return http__value_end(s, 0) == s.n && str_trim(s).n == s.n;
}

static const struct str methods[] = {
#define X(name) {#name, sizeof(#name) - 1},
    HTTP_METHOD_MAP(X)
#undef X
};

enum http_method http_method_of(struct str text)
{
    for (size_t i = 0; i < COUNTOF(methods); i++)
        if (str_eq(methods[i], text))
            return (enum http_method)i;
    return HTTP_OTHER;
}

struct str http_method_name(enum http_method m)
{
    return (size_t)m < COUNTOF(methods) ? methods[m] : STR("");
}

/* RFC 9110 15 and RFC 6585. */
#define REASON_MAP(X)                         \
    X(100, "Continue")                        \
    X(101, "Switching Protocols")             \
    X(103, "Early Hints")                     \
    X(200, "OK")                              \
    X(201, "Created")                         \
    X(202, "Accepted")                        \
    X(203, "Non-Authoritative Information")   \
    X(204, "No Content")                      \
    X(205, "Reset Content")                   \
    X(206, "Partial Content")                 \
    X(300, "Multiple Choices")                \
    X(301, "Moved Permanently")               \
    X(302, "Found")                           \
    X(303, "See Other")                       \
    X(304, "Not Modified")                    \
    X(307, "Temporary Redirect")              \
    X(308, "Permanent Redirect")              \
    X(400, "Bad Request")                     \
    X(401, "Unauthorized")                    \
    X(402, "Payment Required")                \
    X(403, "Forbidden")                       \
    X(404, "Not Found")                       \
    X(405, "Method Not Allowed")              \
    X(406, "Not Acceptable")                  \
    X(407, "Proxy Authentication Required")   \
    X(408, "Request Timeout")                 \
    X(409, "Conflict")                        \
    X(410, "Gone")                            \
    X(411, "Length Required")                 \
    X(412, "Precondition Failed")             \
    X(413, "Content Too Large")               \
    X(414, "URI Too Long")                    \
    X(415, "Unsupported Media Type")          \
    X(416, "Range Not Satisfiable")           \
    X(417, "Expectation Failed")              \
    X(418, "I'm a teapot")                    \
    X(421, "Misdirected Request")             \
    X(422, "Unprocessable Content")           \
    X(423, "Locked")                          \
    X(424, "Failed Dependency")               \
    X(425, "Too Early")                       \
    X(426, "Upgrade Required")                \
    X(428, "Precondition Required")           \
    X(429, "Too Many Requests")               \
    X(431, "Request Header Fields Too Large") \
    X(451, "Unavailable For Legal Reasons")   \
    X(500, "Internal Server Error")           \
    X(501, "Not Implemented")                 \
    X(502, "Bad Gateway")                     \
    X(503, "Service Unavailable")             \
    X(504, "Gateway Timeout")                 \
    X(505, "HTTP Version Not Supported")      \
    X(507, "Insufficient Storage")            \
    X(511, "Network Authentication Required")

const char *http_reason(unsigned status)
{
    switch (status) {
#define X(code, text) \
    case code:        \
        return text;
        REASON_MAP(X)
#undef X
    default:
        return "";
    }
}

bool http_is_local_host(struct str host)
{
    unsigned char address[ADDRESS_BYTES];
    struct str name = host;
    size_t colon = str_rchr(host, ':');
    if (colon != SIZE_MAX && host.p[host.n - 1] != ']')
        name = str_sub(host, 0, colon);
    if (str_starts(name, STR("[")) && str_ends(name, STR("]")))
        name = str_sub(name, 1, name.n - 2);
    return str_ieq(name, STR("localhost")) || address_parse(name, address);
}
