/* SPDX-License-Identifier: Apache-2.0
 *
 * The room's one object and what its files keep in memory: copies of what the store holds, each
 * behind a struct that only its own file can see. */
#ifndef ROPELINE_IDENTITY_IDENTITY_INT_H
#define ROPELINE_IDENTITY_IDENTITY_INT_H

#include "cdi_int.h"
#include "run/shard.h"

struct identity_worker {
    struct identity *identity;
    struct loop *loop;
    struct http_server *server;
    void (*drained)(void *arg);
    void *drained_arg;
};

struct identity {
    struct identity_options o;
    struct arena *arena; /* what lives as long as the room */
    struct core_config base;
    struct sealer *sealer;           /* of what is secret at rest */
    struct key_registry *keys;       /* keys.c */
    struct rotations *rotations;     /* keys_ask.c */
    struct key_pool *key_pool;       /* key_pool.c */
    struct tenant_registry *tenants; /* tenant.c */
    struct change_feed *changes;     /* change.c */
    struct roles_memory *roles;      /* roles_memory.c */
    struct broom *broom;             /* sweep.c */
    struct identity_worker *workers; /* one for each loop of run, the control loop last */
    unsigned worker_count;
};

/* --- cdi.c --------------------------------------------------------------------------------------
 */
void cdi__handle(void *arg, struct http_exchange *x);
/* On the loop of a call: what it wrote is committed. */
void cdi__committed(struct cdi_call *c);
/* Gives back what a call holds; once, when it is over. */
void cdi__end(struct cdi_call *c);
/* --- cdi_path.c ---------------------------------------------------------------------------------
 */
struct cdi_path {
    struct str app, tenant, api; /* lower case; api without a `/` at its end, "/" for the root */
};
/* ERR_NOTFOUND: not of the grammar (specs/identity-core.md 1.2). `base_path` may be "". */
enum err cdi__path(struct arena *a, struct str raw, struct str base_path,
                   struct cdi_path *out) MUSTCHECK;
/* The operation behind a path and its method. ERR_NOTFOUND; ERR_UNSUPPORTED: another method. */
enum err cdi__op(struct str api, enum http_method method, struct str rid,
                 const struct cdi_op **out) MUSTCHECK;
bool cdi__is_api(struct str api);
/* --- cdi_input.c --------------------------------------------------------------------------------
 */
/* Fills c->in from the query, or from a JSON body, and checks it against the row. ERR_CANCELLED:
 * answered with the core's words. */
enum err cdi__read_input(struct cdi_call *c, struct str query, struct str body) MUSTCHECK;

/* --- tenant.c: which apps and tenants there are, and their settings
 * ------------------------------- */
struct tenant_settings; /* immutable, counted */
enum err tenants__new(struct identity *i, struct errinfo *e) MUSTCHECK;
void tenants__free(struct identity *i);
/* From memory: a reference, or NULL (load it then). */
struct tenant_settings *tenants__get(struct identity *i, struct str app, struct str tenant);
/* In a transaction: reads and remembers. ERR_NOTFOUND: there is no such app or tenant. */
enum err tenants__load(struct identity *i, struct store_tx *tx, struct arena *a, struct str app,
                       struct str tenant, struct tenant_settings **out) MUSTCHECK;
/* Whether the call's app and tenant are there at the moment of this transaction. ERR_NOTFOUND. */
enum err tenants__look(struct cdi_call *c, struct store_tx *tx) MUSTCHECK;
void tenants__unref(struct tenant_settings *t);
const struct core_config *tenants__config(const struct tenant_settings *t);
void tenants__forget(struct identity *i, struct str app); /* its settings have changed */

/* --- change.c
 * ------------------------------------------------------------------------------------- */
enum err changes__new(struct identity *i, struct errinfo *e) MUSTCHECK;
void changes__close(struct identity *i);
void changes__free(struct identity *i);
/* On the loop of the call, after its commit. */
void changes__apply(struct cdi_call *c);

#endif
