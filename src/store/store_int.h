/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the jobs and the engines. An engine is a table of functions over one connection, used by
 * one thread at a time; it knows SQL and no queue. */
#ifndef ROPELINE_STORE_STORE_INT_H
#define ROPELINE_STORE_STORE_INT_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/limits.h"
#include "store/store.h"

typedef enum err (*store__row_fn)(void *arg, const struct store_value *v, size_t n);

/* --- caps of database servers -------------------------------------------------------------------
 */
#define LIMIT_STORE_URL KIB(4)
#define LIMIT_STORE_ARGUMENTS MIB(16) /* of one statement, as text */
#define LIMIT_STORE_ATTEMPTS 24       /* at one job: others were faster, connections were lost */
#define STORE_ATTEMPT_MS 10000        /* the same; no further attempt begins after that */
#define STORE_ATTEMPT_PAUSE_MS 64     /* the longest pause between two */
#define TIMEOUT_STORE_CONNECT_S 3
#define TIMEOUT_STORE_ANSWER_MS 10000  /* to one statement; then its connection is given up */
#define TIMEOUT_STORE_MIGRATE_MS 60000 /* the same at start, with other nodes that start too */
#define STORE_RECONNECT_MS 250         /* between attempts to reach a server that is down */

enum store__role {
    STORE_ALONE,  /* the only connection: nobody else can open the file */
    STORE_WRITER, /* beside readers; another process is kept out by a lock of its own */
    STORE_READER,
    STORE_RELAXED, /* alone, too, and not synced at each commit */
};
struct store_engine {
    enum err (*open)(const char *path, enum store__role role, void **db, struct errinfo *e);
    void (*close)(void *db);
    /* One prepared statement; a failure undoes that statement alone, unless the engine says by
     * `in_transaction` that the whole batch is gone. `changed`: rows of INSERT, UPDATE, DELETE. */
    enum err (*run)(void *db, const struct stmt *stmt, const struct store_value *args, size_t n,
                    store__row_fn row, void *arg, int64_t *changed, struct errinfo *e);
    /* Several statements as they stand, of this program's own text. */
    enum err (*script)(void *db, const char *sql, struct errinfo *e);
    bool (*in_transaction)(void *db);
    const char *migrate; /* begins a transaction that no other process migrates beside */
};
extern const struct store_engine store__sqlite, store__postgres;

/* What stands in connection[0] opens, migrates and reads at start. Afterwards, while jobs are
 * pending, SQLite: it is the writing lane's, and thread n of the reading lane has [n + 1].
 * PostgreSQL: thread n of its lane has [n], NULL where there is none yet or no more. */
#define STORE_CONNECTIONS LIMIT_STORE_CONNECTIONS
_Static_assert(LIMIT_STORE_READERS < STORE_CONNECTIONS, "the writer is one more");

struct store {
    struct loop *loop;
    char *path; /* or URL, with all its secrets */
    char *name; /* what may be said of it */
    const struct store_engine *engine;
    void *connection[STORE_CONNECTIONS];
    bool open, relaxed;
    unsigned readers;
    atomic_uint pending;      /* jobs that have not been answered */
    atomic_bool failing;      /* the latest attempt to write or connect did: said once */
    _Atomic int64_t retry_ms; /* of a server that is away: when somebody may look; 0 = it is not */
};
struct store_tx {
    struct store *store;
    void *db;
    int64_t changed;
    struct errinfo why; /* of the latest failure */
};

/* batch.c: `work` of a job's struct work, in its lane. */
void store__write_batch(struct work *first);
void store__read_one(struct work *w);
void store__server_one(struct work *w); /* server.c */

/* sqlite.c: PATH.lock, for as long as the descriptor is open: readers of this process must not be
 * kept out, so the file's own lock cannot be it. ERR_BUSY: another process holds it. */
enum err store__lock_out(const char *path, int *fd, struct errinfo *e) MUSTCHECK;

enum err store__migrate(const struct store_engine *g, void *db, const char *room,
                        const struct migration *m, size_t n, struct errinfo *e) MUSTCHECK;

#endif
