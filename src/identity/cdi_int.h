/* SPDX-License-Identifier: Apache-2.0
 *
 * The core driver interface: its operations are rows, and a row says everything that is the same
 * for all: path, scope, fields and their types, and in which thread each phase runs. cdi.c makes
 * the checks of the protocol in their order (specs/identity-core.md 1.3) and then runs the phases;
 * a phase only says what is true of its own operation. */
#ifndef ROPELINE_IDENTITY_CDI_INT_H
#define ROPELINE_IDENTITY_CDI_INT_H

#include "base/arena.h"
#include "base/json.h"
#include "config_int.h"
#include "identity/identity.h"

/* Versions as numbers: 5.4 is 504. */
#define CDI_OLDEST 500
#define CDI_NEWEST 504

enum cdi_scope {
    CDI_APP,    /* only under the public tenant (CDI >= 5.0) */
    CDI_TENANT, /* under any tenant */
};
#define CDI_NO_KEY 1U     /* answered without an api-key */
#define CDI_NO_VERSION 2U /* answered whatever cdi-version says */
#define CDI_BASE_APP 4U   /* only of the base app: apps are made there */
#define CDI_ANY_TENANT 8U /* answered for a tenant that is not there, too */
#define CDI_OWN 16U       /* not of the core: answered over the control socket alone */

struct cdi_call;
enum cdi_where {
    CDI_END,   /* no further phase */
    CDI_NOW,   /* on the request's loop, tx is NULL: only what takes microseconds */
    CDI_READ,  /* in a transaction that only reads */
    CDI_WRITE, /* in one that may write */
    CDI_CPU,   /* signing: in the CPU lane, tx is NULL */
    CDI_HASH,  /* hashing of passwords: in a lane of its own, tx is NULL */
};
struct cdi_phase {
    enum cdi_where where;
    /* ERR_OK: goes on with the next phase, unless the call was answered (cdi_ok, cdi_status,
     * cdi_fail): that ends it. ERR_CANCELLED: answered too, and what was written is undone. Any
     * other error: 500, or 503 when the store or the lane is busy. A phase with a transaction may
     * run again from its beginning: it must set anew whatever it leaves in the call. */
    enum err (*run)(struct cdi_call *c, struct store_tx *tx);
};
struct cdi_op {
    enum http_method method;
    const char *path; /* "/recipe/session" */
    enum cdi_scope scope;
    unsigned flags;
    /* "name:type ..." of the JSON body (the query for GET and HEAD). Types: s string, b boolean,
     * i integer, n number, o object, a array, v any, z object or null; a `?` behind it: may be
     * absent. Checked in this order, with the core's texts. Unknown members are ignored. */
    const char *fields;
    struct cdi_phase phases[4];
    const char *rid; /* only with this rid header; rows without one come after those with one */
};
/* One for each recipe: `const struct cdi_table roles__table` at the end of its file, declared in
 * ops_int.h and listed in cdi_ops.c. */
struct cdi_table {
    const struct cdi_op *ops;
    size_t n;
};
extern const struct cdi_table *const cdi__tables[];
extern const size_t cdi__table_count;

struct cdi_call {
    const struct cdi_op *op;
    struct identity *identity;
    struct arena *arena;              /* of the request; used by one thread at a time */
    struct str app, tenant;           /* "public" by default, lower case */
    const struct core_config *config; /* of app and tenant; valid for the call */
    unsigned version;                 /* 504 */
    int64_t now_ms;                   /* wall clock when the call began */
    const struct json *in; /* the body, or the query as an object of strings; never NULL */
    void *state;           /* what one phase leaves for the next */
    /* the answer */
    bool answered;
    unsigned status;
    const struct json *out; /* JSON, or NULL and `text` */
    struct str text;
    struct str cache_control; /* "" = none */
    struct cdi_changes *changes;
    struct app_keys *keys; /* a reference, of keys.c */
    /* The phase may be run once more when the pool has made a signing key; and that is what it asks
     * for with its error. */
    bool may_wait, lacks_key;
};

/* Reading the input: presence and type were checked by the row. */
struct str cdi_str(const struct cdi_call *c, const char *name); /* STR_NONE when absent */
bool cdi_bool(const struct cdi_call *c, const char *name, bool otherwise);
int64_t cdi_int(const struct cdi_call *c, const char *name, int64_t otherwise);
const struct json *cdi_json(const struct cdi_call *c, const char *name); /* NULL when absent */
/* Without the blanks and control characters around it, as the core trims. */
struct str cdi_trim(struct str s);

/* Answering; each returns ERR_OK (or ERR_NOMEM), so that a phase can end with it. */
/* 200 {"status": status, ...members}: cdi_reply makes the object, json_set fills it. */
struct json *cdi_reply(struct cdi_call *c, const char *status);
enum err cdi_status(struct cdi_call *c, const char *status) MUSTCHECK;
/* The same with "message" or "reason". */
enum err cdi_status_why(struct cdi_call *c, const char *status, const char *member,
                        const char *why) MUSTCHECK;
/* 200 with the object made by cdi_reply; NULL is ERR_NOMEM. */
enum err cdi_ok(struct cdi_call *c, const struct json *reply) MUSTCHECK;
/* 200 with plain text. */
enum err cdi_text(struct cdi_call *c, struct str text) MUSTCHECK;
/* A failure of the protocol: `status` and a text. Returns ERR_CANCELLED. */
enum err cdi_fail(struct cdi_call *c, unsigned status, const char *fmt, ...) PRINTF(3, 4) MUSTCHECK;

/* --- statements: thin names over store_run ------------------------------------------------------
 */
#define ARGS(...)                              \
    (const struct store_value[]){__VA_ARGS__}, \
        sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value)
/* One row of a query: its first row's values copied into the arena, out[0..n). ERR_NOTFOUND when
 * there is none. */
enum err cdi_row(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                 const struct store_value *args, size_t n_args, struct store_value *out,
                 size_t n) MUSTCHECK;
/* All first columns, as an array of strings. More than LIMIT_CDI_LIST: the call is answered 400. */
enum err cdi_strings(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                     const struct store_value *args, size_t n_args, struct json **out) MUSTCHECK;

/* --- what others must hear of, once this call is committed (change.c) ----------------------------
 */
/* In a writing phase: noted in the same transaction, applied here after the commit and on other
 * nodes within a second. `subject` and `user` are copied. */
enum err cdi_changed(struct cdi_call *c, struct store_tx *tx, enum identity_change what,
                     struct str subject, struct str user) MUSTCHECK;

#endif
