/* SPDX-License-Identifier: Apache-2.0
 *
 * What an authorizer of kind `session` needs of whoever keeps the sessions; main fills it with the
 * identity core, so that a token is checked without a network hop. */
#ifndef ROPELINE_AUTHORIZER_SESSION_SOURCE_H
#define ROPELINE_AUTHORIZER_SESSION_SOURCE_H

#include "jose/jwks.h"
#include "run/run.h"

/* A question that must wait for the store. It and what it points to belong to the asker until
 * `done`, which comes once, on the asker's loop, and never before the call that asked returned. */
struct session_question {
    struct str app, tenant, user, token, handle;
    bool check_database;
    struct arena *arena; /* in: the asker's; holds what comes out */
    struct loop *loop;
    void (*done)(struct session_question *q);
    void *arg;
    enum err err;         /* ERR_OK; ERR_DENIED: the session has ended; else: it cannot be known */
    struct str new_token; /* promote: in place of the shown one from now on; "" = none */
    struct str *roles, *permissions; /* roles: as the store has them */
    size_t role_count, permission_count;
    void *state; /* of the source */
};
struct session_source {
    void *arg;
    /* A reference to the keys of an app ("public" is the base app) now; NULL: not known yet (then
     * ask `keys_later`). Any thread. */
    struct jwks *(*keys)(void *arg, struct str app);
    /* Whether it was revoked since the oldest access token that may still be valid. Any thread, and
     * cheap: it is asked for each request. */
    bool (*is_revoked)(void *arg, struct str app, struct str handle);
    /* Each: ERR_OK, and `done` will come; otherwise it will not. */
    enum err (*keys_later)(void *arg, struct session_question *q); /* then ask `keys` again */
    /* What the first use of an access token does to its session (specs/identity-core.md 3.5,
     * VERIFY), for a token whose signature and time are good. */
    enum err (*promote)(void *arg, struct session_question *q);
    enum err (*roles)(void *arg, struct session_question *q);
};

#endif
