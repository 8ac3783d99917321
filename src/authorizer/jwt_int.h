/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kinds have in common that take a bearer token: where it stands in the request, and, for
 * those that verify a JWT themselves, whose tokens they believe. */
#ifndef ROPELINE_AUTHORIZER_JWT_INT_H
#define ROPELINE_AUTHORIZER_JWT_INT_H

#include "base/pattern.h"
#include "jose/jwt.h"
#include "source_int.h"

/* --- the token (bearer.c) --------------------------------------------------------------------- */
struct bearer {
    enum auth_place place;
    struct str name, written;
    bool challenges; /* HTTP APIs say why in WWW-Authenticate (RFC 6750 3) */
};
/* The first identity source; the Authorization header when there is none. */
enum err bearer__compile(struct arena *a, const struct json *spec, bool http_api,
                         struct bearer *out, struct errinfo *e) MUSTCHECK;
/* Without its prefix. ERR_NOTFOUND: none. ERR_DENIED: more than one, or no text. ERR_NOMEM. */
enum err bearer__token(const struct bearer *b, const struct auth_call *c,
                       struct str *out) MUSTCHECK;
struct str bearer__shown(const struct bearer *b, const struct auth_call *c); /* "" when none */
bool bearer__reads_header(const struct bearer *b, struct str name);
/* 401, with `description` for the client. Always true: decided. */
bool bearer__refuse(const struct bearer *b, struct auth_call *c, const char *description);
/* The same for what bearer__token said. */
bool bearer__refuse_absent(const struct bearer *b, struct auth_call *c, enum err err);

/* --- JWT and user pools (jwt_compile.c, jwt.c) -------------------------------------------------
 */
struct jwt_issuer {
    struct str issuer;
    struct key_source *source; /* NULL in a document that is judged only */
    struct jwt_checker checker;
};
struct jwt_conf {
    struct bearer bearer;
    bool user_pools;
    unsigned algs;
    struct jwt_issuer *issuer;
    size_t n;
    struct pattern *expression; /* user pools: what aud must match; NULL = none */
};

enum err jwt__compile(struct arena *a, const struct json *spec, const struct authorizer_env *env,
                      void **conf, struct errinfo *e) MUSTCHECK;
enum err jwt__compile_user_pools(struct arena *a, const struct json *spec,
                                 const struct authorizer_env *env, void **conf,
                                 struct errinfo *e) MUSTCHECK;
void jwt__fini(void *conf);
/* The path, relative to the document that names it. */
struct str spec__path(struct arena *a, struct str document, struct str path) MUSTCHECK;

/* "https://issuer.example/path": what can be fetched, without user, query or fragment. */
bool spec__is_url(struct str s);
/* Texts that a person wrote in the definition: ERR_INVALID, placed, when they are no such thing. */
enum err spec__text(const struct json *object, const char *name, bool needed, struct str *out,
                    struct errinfo *e) MUSTCHECK;
/* A string or a list of strings, at most `max`, none empty; copied. */
enum err spec__texts(struct arena *a, const struct json *v, const char *name, size_t max,
                     const struct str **out, size_t *n, struct errinfo *e) MUSTCHECK;

#endif
