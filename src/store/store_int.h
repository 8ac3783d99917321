/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the queue and the engines. An engine is a table of functions over one connection, used by
 * one thread at a time; it knows SQL and no queue. */
#ifndef ROPELINE_STORE_STORE_INT_H
#define ROPELINE_STORE_STORE_INT_H

#include "base/arena.h"
#include "store/store.h"

typedef enum err (*store__row_fn)(void *arg, const struct store_value *v, size_t n);

struct store_engine {
    enum err (*open)(const char *path, void **db, struct errinfo *e);
    void (*close)(void *db);
    /* One prepared statement; a failure undoes that statement alone, unless the engine says by
     * `in_transaction` that the whole batch is gone. */
    enum err (*run)(void *db, const struct stmt *stmt, const struct store_value *args, size_t n,
                    store__row_fn row, void *arg, struct errinfo *e);
    /* Several statements as they stand, of this program's own text. */
    enum err (*script)(void *db, const char *sql, struct errinfo *e);
    bool (*in_transaction)(void *db);
};
extern const struct store_engine store__sqlite;

enum err store__migrate(const struct store_engine *g, void *db, const char *room,
                        const struct migration *m, size_t n, struct errinfo *e) MUSTCHECK;

#endif
