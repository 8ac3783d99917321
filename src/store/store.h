/* SPDX-License-Identifier: Apache-2.0
 *
 * What must outlive the process, in a database: statements that other rooms own, written in
 * batches, one commit (and one fsync) for all that waited. This room knows no table's meaning. One
 * store is one database; its functions are called on its loop. Values are copied on the way in and
 * valid during the call on the way out. Source: docs/internals/store.md. */
#ifndef ROPELINE_STORE_STORE_H
#define ROPELINE_STORE_STORE_H

#include "base/str.h"
#include "run/run.h"

struct store;

/* A statement of the room that owns its table: `static const struct stmt STMT_x`. Parameters are
 * $1, $2, ... in the order of their first use, so that each engine takes the text as it is. */
struct stmt {
    const char *sql;
};
enum store_type { STORE_NULL, STORE_INT, STORE_TEXT };
struct store_value {
    enum store_type type;
    int64_t i;
    struct str s;
};
#define STORE_I(n) ((struct store_value){STORE_INT, (n), {NULL, 0}})
#define STORE_S(text) ((struct store_value){STORE_TEXT, 0, (text)})

/* Numbered from 1 without a gap; once released, one never changes. */
struct migration {
    const char *sql;
};

struct store_options {
    struct loop *loop;
    const char *path; /* of a SQLite file; made with mode 0600 when first opened */
};
/* Opens nothing yet: a daemon that keeps nothing makes no file. */
enum err store_new(const struct store_options *o, struct store **out) MUSTCHECK;
/* After the last `done`, or when the process ends. */
void store_free(struct store *s);
struct loop *store_loop(const struct store *s);

/* Opens the database if need be and brings the tables of `room` up to date. Blocks: for loading a
 * configuration, not for a request. ERR_BUSY: another process has it; ERR_UNSUPPORTED: a newer
 * release wrote it; ERR_IO, ERR_NOMEM; `e` says it in words. */
enum err store_open(struct store *s, const char *room, const struct migration *m, size_t n,
                    struct errinfo *e) MUSTCHECK;
/* Each row of a query, on the caller's thread at once. Blocks, and only before the first
 * store_query. A row function that fails ends it with that error. */
enum err store_read_now(struct store *s, const struct stmt *stmt, const struct store_value *args,
                        size_t n, enum err (*row)(void *arg, const struct store_value *v, size_t n),
                        void *arg, struct errinfo *e) MUSTCHECK;

/* Runs a statement in the STORE_WRITE lane, in the order of the calls, together with what else is
 * waiting. When it is committed, and safe from a power cut, `row` gets its rows (NULL: they are not
 * wanted) and then `done` comes once, both on the store's loop, never from inside the call. `done`
 * with an error: nothing of it is kept. ERR_NOMEM, ERR_LIMIT (too much waits), ERR_UNAVAILABLE (not
 * open): neither is called. */
enum err store_query(struct store *s, const struct stmt *stmt, const struct store_value *args,
                     size_t n, void (*row)(void *arg, const struct store_value *v, size_t n),
                     void (*done)(void *arg, enum err err), void *arg) MUSTCHECK;

#endif
