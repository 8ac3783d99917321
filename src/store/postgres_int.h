/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to PostgreSQL and what became of the job that it runs. */
#ifndef ROPELINE_STORE_POSTGRES_INT_H
#define ROPELINE_STORE_POSTGRES_INT_H

#include <libpq-fe.h>

#include "store_int.h"

struct pg_prepared {
    const struct stmt *stmt;
    bool locking, made;
    char name[24];
};
struct pg {
    PGconn *conn;
    struct pg_prepared *prepared;
    size_t count, cap;
    struct buf text; /* the arguments of the latest statement */
    int patience_ms; /* for one answer */
    enum store_access access;
    bool in_job, began, in_turn;
    enum pg_fate {
        PG_FINE,
        PG_AGAIN,   /* nothing of this job is kept, and another attempt may do better */
        PG_LOST,    /* the same, and the connection is gone */
        PG_UNKNOWN, /* it went during the commit: the job is done or it is not */
    } fate;
};

/* A job's transaction; it begins with its first statement. `in_turn`: beside no other such job, on
 * any node. */
enum err pg__begin(struct pg *c, enum store_access access, bool in_turn,
                   struct errinfo *e) MUSTCHECK;
/* Commits when `err` is ERR_OK, undoes it otherwise. Returns what became of it; c->fate says more.
 */
enum err pg__end(struct pg *c, enum err err, struct errinfo *e) MUSTCHECK;
/* What may be said of a URL: no user, no password, no parameters. ERR_INVALID: it is none, or one
 * whose password is not escaped. */
enum err pg__name(const char *url, struct buf *out) MUSTCHECK;

#endif
