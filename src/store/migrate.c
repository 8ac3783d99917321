/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings the tables of one room from whatever release wrote them to this one: the numbered steps
 * that are missing, all in one transaction. A database of a newer release is refused, never
 * guessed at. */
#include "store_int.h"

static enum err take_number(void *arg, const struct store_value *v, size_t n)
{
    int64_t *number = arg;
    *number = n == 1 && v[0].type == STORE_INT ? v[0].i : 0;
    return ERR_OK;
}

static enum err migrate(const struct store_engine *g, void *db, const char *room,
                        const struct migration *m, size_t n, struct errinfo *e)
{
    static const struct stmt last = SQL("SELECT max(number) FROM migration WHERE room = $1");
    static const struct stmt note = SQL("INSERT INTO migration (room, number) VALUES ($1, $2)");
    int64_t done = 0, changed;
    struct store_value args[] = {STORE_S(str_c(room)), STORE_I(0)};
    enum err err = g->script(db,
                             "CREATE TABLE IF NOT EXISTS migration (room TEXT NOT NULL, number "
                             "BIGINT NOT NULL, PRIMARY KEY (room, number))",
                             e);
    if (err == ERR_OK)
        err = g->run(db, &last, args, 1, take_number, &done, &changed, e);
    if (err == ERR_OK && done > (int64_t)n)
        return errinfo_set(e, ERR_UNSUPPORTED,
                           "a newer release wrote it (%s: step %lld, this one knows %zu)", room,
                           (long long)done, n);
    for (int64_t i = done; err == ERR_OK && i < (int64_t)n; i++) {
        args[1] = STORE_I(i + 1);
        err = g->script(db, m[i].sql, e);
        if (err == ERR_OK)
            err = g->run(db, &note, args, 2, NULL, NULL, &changed, e);
    }
    return err;
}

enum err store__migrate(const struct store_engine *g, void *db, const char *room,
                        const struct migration *m, size_t n, struct errinfo *e)
{
    enum err err = g->script(db, g->migrate, e);
    if (err == ERR_OK)
        err = migrate(g, db, room, m, n, e);
    if (err == ERR_OK)
        err = g->script(db, "COMMIT", e);
    if (err != ERR_OK && g->in_transaction(db))
        (void)!g->script(db, "ROLLBACK", NULL);
    return err;
}
