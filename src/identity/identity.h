/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity core: apps and tenants, sessions, users, roles and signing keys behind SuperTokens'
 * core driver interface (CDI), on a listener of its own. Everything that must outlive the process
 * is in the store; what is kept in memory is a copy that changes with it. Every answer starts as a
 * refusal. Source: docs/internals/identity.md; specs/identity-core.md. */
#ifndef ROPELINE_IDENTITY_IDENTITY_H
#define ROPELINE_IDENTITY_IDENTITY_H

#include "http/server.h"
#include "jose/jwks.h"
#include "run/run.h"
#include "store/store.h"

struct identity;

struct identity_options {
    struct run *run;
    struct store *store;        /* identity.db or PostgreSQL; opened by identity_new */
    bool shared;                /* other nodes use the store too */
    const char *key_file;       /* what private keys are sealed with; made (0600) when absent */
    const struct str *api_keys; /* of the base app; none: anybody on this listener may call */
    size_t api_key_count;
    const struct json *config; /* core settings of the base app by their names; NULL = defaults */
    const struct str *hosts;   /* Host headers besides loopback that are answered */
    size_t host_count;
    const struct str *origins; /* Origin headers that are answered; none by default */
    size_t origin_count;
};
/* Opens the store, brings its tables up to date and reads keys and recent changes. Blocks: at start
 * only. ERR_INVALID: a setting or key file is wrong, and `e` says which. */
enum err identity_new(const struct identity_options *o, struct identity **out,
                      struct errinfo *e) MUSTCHECK;
/* Whose tables they are in the store, and how many steps of them this release knows. */
#define IDENTITY_ROOM "identity"
size_t identity_schema_steps(void);
/* On each worker's own thread; takes the listening sockets over. */
enum err identity_worker_start(struct identity *i, struct loop *worker, const int *fds,
                               size_t n) MUSTCHECK;
void identity_worker_drain(struct identity *i, struct loop *worker, int64_t ms,
                           void (*drained)(void *arg), void *arg);
/* Stops timers; on the control loop, after the workers have drained. */
void identity_close(struct identity *i);
void identity_free(struct identity *i); /* after run_main; NULL is fine */

/* On the control loop: answers what came over the control socket, which only this machine's user
 * reaches: the paths of the core behind IDENTITY_CONTROL ("/core/appid-x/recipe/roles"), without an
 * api-key, and a few that the core does not have. */
#define IDENTITY_CONTROL STR("/core")
void identity_control(struct identity *i, struct http_exchange *x);

/* --- for the gateway: read without a lock or a network hop, on any thread ----------------------
 */
/* The keys that vouch for access tokens of an app ("public" is the base app) now; a reference, NULL
 * when the app is not known here yet (ask identity_want_keys then, and when a token names a key
 * that is not among them). */
struct jwks *identity_keys(struct identity *i, struct str app);
/* Whether a session has been revoked since the oldest access token that may still be valid. */
bool identity_is_revoked(struct identity *i, struct str app, struct str handle);

/* Something changed, here or on another node, at most a second ago: called on the control loop. */
enum identity_change {
    IDENTITY_SESSION_REVOKED,
    IDENTITY_ROLES_OF_USER,
    IDENTITY_ROLE,
    IDENTITY_KEYS,
    IDENTITY_TENANT
};
/* `subject`: session handle, user id, role, "" or tenant. One listener. */
void identity_listen(struct identity *i,
                     void (*changed)(void *arg, enum identity_change what, struct str app,
                                     struct str subject, struct str user),
                     void *arg);

/* One question that the store must answer, from any loop; `done` on that loop, once. */
struct identity_promotion { /* VERIFY of the session state machine, for a token already checked */
    struct str app, token;
    bool check_database;
    void (*done)(struct identity_promotion *p);
    void *arg;
    enum err err;         /* ERR_OK; ERR_DENIED: the session has ended; else: try again later */
    struct str new_token; /* in its place from now on; "" = none */
    struct arena *arena;  /* in: the asker's; holds new_token */
    void *state;          /* of this room */
};
struct identity_keys_question {
    struct str app;
    void (*done)(struct identity_keys_question *q);
    void *arg;
    enum err err; /* ERR_OK: ask identity_keys again; ERR_NOTFOUND: there is no such app, or it has
                     no keys */
    struct arena *arena; /* in: the asker's */
    void *state;         /* of this room */
};
enum err identity_want_keys(struct identity *i, struct loop *from,
                            struct identity_keys_question *q) MUSTCHECK;
enum err identity_promote(struct identity *i, struct loop *from,
                          struct identity_promotion *p) MUSTCHECK;
struct identity_roles_question { /* roles and permissions as the store has them */
    struct str app, tenant, user;
    void (*done)(struct identity_roles_question *q);
    void *arg;
    enum err err;
    struct str *roles, *permissions;
    size_t role_count, permission_count;
    struct arena *arena; /* in */
    void *state;         /* of this room */
};
enum err identity_roles(struct identity *i, struct loop *from,
                        struct identity_roles_question *q) MUSTCHECK;

#endif
