/* SPDX-License-Identifier: Apache-2.0
 *
 * Which header fields cross the gateway, and under what name (specs 7.3). Hop-by-hop fields and
 * everything that a backend could take for ours stop here. */
#include "gateway_int.h"
#include "headers_int.h"

static bool in_table(const char *const *table, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(name, str_c(table[i])))
            return true;
    return false;
}

/* Dropped from client requests: hop-by-hop, those that the gateway writes itself, and those that
 * API Gateway does not pass on. */
static const char *const stopped[] = {
    "Connection",
    "Content-Length",
    "Content-MD5",
    "Expect",
    "Host",
    "HTTP2-Settings",
    "Keep-Alive",
    "Max-Forwards",
    "Proxy-Authenticate",
    "Proxy-Connection",
    "Server",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "WWW-Authenticate",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
};

/* Names that only the gateway may say to a backend. */
static const char *const ours[] = {"x-amzn-", "x-apigateway-", "x-ropeline-"};

bool header__to_backend(struct str name)
{
    switch (name.n ? name.p[0] | 0x20 : 0) { /* most names of a browser are none of these */
    case 'c':
    case 'e':
    case 'h':
    case 'k':
    case 'm':
    case 'p':
    case 's':
    case 't':
    case 'u':
    case 'w':
    case 'x':
        if (in_table(stopped, COUNTOF(stopped), name))
            return false;
        break;
    default:
        break;
    }
    for (size_t i = 0; i < COUNTOF(ours); i++)
        if (str_istarts(name, str_c(ours[i])))
            return false;
    return memchr(name.p, '_', name.n) == NULL; /* CGI cannot tell X_User from X-User */
}

static const char *const stopped_back[] = {
    "apigw-requestid", "Keep-Alive",        "Proxy-Connection", "TE",
    "Trailer",         "Transfer-Encoding", "Upgrade",          "x-amz-apigw-id"};

bool header__from_backend(struct str name)
{
    return !in_table(stopped_back, COUNTOF(stopped_back), name);
}

/* Fields of the backend's answer that would contradict the gateway's own. */
static const char *const remapped[] = {"Connection", "Content-Length",   "Date",
                                       "Server",     "WWW-Authenticate", "x-amzn-RequestId"};

struct str header__remapped(struct arena *a, struct str name)
{
    if (!in_table(remapped, COUNTOF(remapped), name))
        return name;
    struct str parts[] = {STR("x-amzn-Remapped-"), name};
    return arena_cat(a, parts, COUNTOF(parts));
}
