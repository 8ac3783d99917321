/* SPDX-License-Identifier: Apache-2.0
 *
 * What must outlive the process, in a database: statements that other rooms own, written in
 * batches, one commit (and one fsync) for all that waited. This room knows no table's meaning. One
 * store is one database; its functions are called on its loop unless they say otherwise. Values are
 * copied on the way in and valid during the call on the way out. Source: docs/internals/store.md.
 */
#ifndef ROPELINE_STORE_STORE_H
#define ROPELINE_STORE_STORE_H

#include "base/buf.h"
#include "base/str.h"
#include "run/run.h"

struct store;

/* A statement of the room that owns its table: `static const struct stmt STMT_x`. Parameters are
 * $1, $2, ... in the order of their first use, so that each engine takes the text as it is. */
struct stmt {
    const char *sql;
    bool locks; /* SELECT whose rows nobody else may change until this transaction ends */
};
#define SQL(text)                     \
    {                                 \
        .sql = (text), .locks = false \
    }
#define SQL_LOCKING(text)            \
    {                                \
        .sql = (text), .locks = true \
    }
enum store_type { STORE_NULL, STORE_INT, STORE_TEXT };
struct store_value {
    enum store_type type;
    int64_t i;
    struct str s;
};
#define STORE_I(n) ((struct store_value){STORE_INT, (n), {NULL, 0}})
#define STORE_S(text) ((struct store_value){STORE_TEXT, 0, (text)})
#define STORE_N ((struct store_value){STORE_NULL, 0, {NULL, 0}})

/* Numbered from 1 without a gap; once released, one never changes. */
struct migration {
    const char *sql;
};

struct store_options {
    struct loop *loop;
    const char *path; /* of a SQLite file; made with mode 0600 when first opened */
    const char *url; /* or of a PostgreSQL server: postgres://...; said without user and password */
    /* Connections that serve STORE_READ jobs beside the writer, up to LIMIT_STORE_READERS. 0: those
     * run with the writers, and the file cannot be opened by anybody else at all. */
    unsigned readers;
    /* A SQLite file without readers whose latest commits a power cut may take (never what was
     * before them), written in a lane of its own: it keeps nobody waiting who needs more. */
    bool relaxed;
};
/* Opens nothing yet: a daemon that keeps nothing makes no file. ERR_INVALID: no such URL. */
enum err store_new(const struct store_options *o, struct store **out) MUSTCHECK;
/* After the last `done`, or when the process ends. */
void store_free(struct store *s);
struct loop *store_loop(const struct store *s);

/* Opens the database if need be and brings the tables of `room` up to date. Blocks: for loading a
 * configuration, not for a request. ERR_BUSY: another process has it; ERR_UNSUPPORTED: a newer
 * release wrote it; ERR_IO, ERR_NOMEM; `e` says it in words. */
enum err store_open(struct store *s, const char *room, const struct migration *m, size_t n,
                    struct errinfo *e) MUSTCHECK;
/* Each row of a query, on the caller's thread at once. Blocks, and only while no job waits. A row
 * function that fails ends it with that error. */
enum err store_read_now(struct store *s, const struct stmt *stmt, const struct store_value *args,
                        size_t n, enum err (*row)(void *arg, const struct store_value *v, size_t n),
                        void *arg, struct errinfo *e) MUSTCHECK;

/* A job of one statement: it runs in the order of the calls (PostgreSQL: beside one another),
 * together with what else is waiting.
 * When it is committed, and safe from a power cut, `row` gets its rows (NULL: they are not wanted)
 * and then `done` comes once, both on the store's loop, never from inside the call. `done` with an
 * error: nothing of it is kept. ERR_NOMEM or an error of store_submit: neither is called.
 */
enum err store_query(struct store *s, const struct stmt *stmt, const struct store_value *args,
                     size_t n, void (*row)(void *arg, const struct store_value *v, size_t n),
                     void (*done)(void *arg, enum err err), void *arg) MUSTCHECK;

/* --- transactions: where what is written depends on what was found ----------------------------
 * A job runs on a lane's thread and may block. Jobs that write are serialised by SQLite (one
 * thread, many jobs in one commit) and run side by side in PostgreSQL, where a statement with
 * `locks` keeps the rows that it found until the end. */
struct store_tx; /* valid until `run` returns, on its thread */
enum store_access { STORE_READ, STORE_WRITE };
struct store_job {
    enum store_access access;
    /* ERR_OK: it is committed. Anything else: all that it wrote is undone. May be called again from
     * its beginning (another node was faster, the connection was lost before the commit): so it
     * resets what it puts out. */
    enum err (*run)(struct store_job *j, struct store_tx *tx);
    /* On the loop that asked, once, never from inside the call. ERR_OK only after the commit. */
    void (*done)(struct store_job *j, enum err err);
    void *arg; /* the caller's */
    /* of this room */
    struct store *store;
    struct work work;
    enum err err;
};
/* From any loop's own thread; the job is the caller's and lives until `done`. Jobs that write
 * to SQLite end in the order of the calls of one loop. ERR_BUSY (too much waits), ERR_UNAVAILABLE
 * (not open): `done` will not come. */
enum err store_submit(struct store *s, struct loop *from, struct store_job *j) MUSTCHECK;
/* One statement of a job; `row` (may be NULL) at once for each row, its values valid in the call. A
 * row function that fails ends it with that error. ERR_CONFLICT: a constraint (UNIQUE, ...) would
 * not hold; that statement alone is undone and the job may go on. ERR_INVALID: an argument is no
 * text that every engine can keep (NUL bytes). */
enum err store_run(struct store_tx *tx, const struct stmt *stmt, const struct store_value *args,
                   size_t n, enum err (*row)(void *arg, const struct store_value *v, size_t n),
                   void *arg) MUSTCHECK;
/* How many rows the latest store_run of INSERT, UPDATE or DELETE changed. */
int64_t store_changed(const struct store_tx *tx);

/* --- backups of a SQLite file, without a store -------------------------------------------------
 */
/* A copy of `path` as it is now, checked, mode 0600, in one file that must not be there yet; a
 * daemon may be writing meanwhile. ERR_CONFLICT: `to` is there; else `e` says it. */
enum err store_backup(const char *path, const char *to, struct errinfo *e) MUSTCHECK;
/* Puts `from` in the place of `path` when it is whole, has tables of `room` and is of no newer
 * release than one that knows `known` steps. What was there gets the name that `kept` then says.
 * ERR_BUSY: a daemon has it open; otherwise all is as it was, and `e` says why. */
enum err store_restore(const char *from, const char *path, const char *room, size_t known,
                       struct buf *kept, struct errinfo *e) MUSTCHECK;

#endif
