/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the kind `session`: its definition, the token that a request shows, and
 * what the client is handed. */
#ifndef ROPELINE_AUTHORIZER_SESSION_INT_H
#define ROPELINE_AUTHORIZER_SESSION_INT_H

#include "authorizer_int.h"
#include "base/limits.h"
#include "jose/jwt.h"

/* supertokens-node's antiCsrf: what a request by cookie must show that no page elsewhere can. */
enum session_csrf { SESSION_CSRF_NONE, SESSION_CSRF_VIA_TOKEN, SESSION_CSRF_VIA_CUSTOM_HEADER };

struct session_conf {
    const struct session_source *source; /* NULL in a document that is judged only */
    struct str app;
    bool check_database, fresh, required;
    enum session_csrf csrf;
    bool hands_cookie; /* the attributes of the app's cookie are known */
    struct str cookie; /* "; Domain=example.com; Path=/" ... and what follows Expires */
    struct str cookie_end;
    struct jwt_checker checker;
    _Atomic int64_t *asked_ms; /* when keys were last asked for because of an unknown kid */
};
enum err session__compile(struct arena *a, const struct json *spec,
                          const struct authorizer_env *env, void **conf,
                          struct errinfo *e) MUSTCHECK;
unsigned session__default_ttl_s(const struct json *spec);

/* --- the token (session_token.c) ---------------------------------------------------------------
 */
enum session_way { SESSION_BY_NOTHING, SESSION_BY_HEADER, SESSION_BY_COOKIE };
struct session_token {
    enum session_way way;
    struct str text;
    struct jwt jwt;
    struct str user, tenant, handle;
    struct str parent;    /* parentRefreshTokenHash1; "" = null */
    struct str anti_csrf; /* "" = null */
};
/* What the request shows, as supertokens-node looks for it: Authorization, else the cookie; what
 * has not the form of an access token is passed over. Nothing is believed yet. ERR_NOTFOUND: there
 * is none. ERR_DENIED: there may be two. ERR_NOMEM. */
enum err session__find_token(const struct auth_call *c, struct session_token *out) MUSTCHECK;
/* ERR_INVALID: not an access token of version 5. */
enum err session__read_token(struct arena *a, struct str text, struct session_token *out) MUSTCHECK;
/* Whether this request shows what session_conf.csrf asks for. */
bool session__csrf_holds(const struct session_conf *n, const struct auth_call *c,
                         enum session_way way, struct str anti_csrf);
/* front-token: what the SDK's front end reads. */
enum err session__front(struct arena *a, const struct session_token *t, struct str *out) MUSTCHECK;
/* Fills c->handed with the new token, in the way the old one came. */
enum err session__hand(const struct session_conf *n, struct auth_call *c,
                       enum session_way way) MUSTCHECK;

#endif
