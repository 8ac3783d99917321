/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs in their lanes. The writer takes what waits, and what comes meanwhile, into one transaction:
 * each job in a savepoint of its own, one commit for all. Invariant: a job's `err` is ERR_OK only
 * after the commit of its batch. */
#include "base/log.h"
#include "store_int.h"

static enum err plain(struct store_tx *tx, const struct stmt *stmt)
{
    return tx->store->engine->run(tx->db, stmt, NULL, 0, NULL, NULL, &tx->changed, &tx->why);
}

/* In words, once: not for each batch that fails. */
static void say(struct store *s, enum err err, const struct errinfo *why)
{
    bool failed = err != ERR_OK;
    if (atomic_exchange(&s->failing, failed) == failed)
        return;
    if (failed)
        log_error("store", "%s cannot be written: %s", s->name,
                  why->text[0] ? why->text : err_text(err));
    else
        log_info("store", "%s is written again", s->name);
}

/* --- what a job may do -------------------------------------------------------------------------
 */
enum err store_run(struct store_tx *tx, const struct stmt *stmt, const struct store_value *args,
                   size_t n, enum err (*row)(void *arg, const struct store_value *v, size_t n),
                   void *arg)
{
    tx->changed = 0;
    tx->why = (struct errinfo){0};
    for (size_t i = 0; i < n; i++) /* PostgreSQL's texts cannot hold it */
        if (args[i].type == STORE_TEXT && args[i].s.n && memchr(args[i].s.p, 0, args[i].s.n))
            return errinfo_set(&tx->why, ERR_INVALID, "an argument with a NUL byte");
    enum err err = tx->store->engine->run(tx->db, stmt, args, n, row, arg, &tx->changed, &tx->why);
    if (err == ERR_INTERNAL && tx->why.text[0])
        log_error("store", "%s: %s", tx->why.text, stmt->sql);
    return err;
}

int64_t store_changed(const struct store_tx *tx)
{
    return tx->changed;
}

/* --- writing -----------------------------------------------------------------------------------
 */
/* ERR_OK: the batch goes on, whatever became of this job. */
static enum err write_one(struct store_tx *tx, struct store_job *j)
{
    static const struct stmt begin = SQL("SAVEPOINT job"), end = SQL("RELEASE job"),
                             undo = SQL("ROLLBACK TO job");
    const struct store_engine *g = tx->store->engine;
    enum err err = plain(tx, &begin);
    if (err != ERR_OK)
        return err;
    j->err = j->run(j, tx);
    if (!g->in_transaction(tx->db)) /* the engine undid it all: a full disk may do that */
        return j->err ? j->err : ERR_INTERNAL;
    if (j->err != ERR_OK)
        err = plain(tx, &undo);
    return err ? err : plain(tx, &end);
}

void store__write_batch(struct work *first)
{
    static const struct stmt begin = SQL("BEGIN IMMEDIATE"), commit = SQL("COMMIT"),
                             rollback = SQL("ROLLBACK");
    struct store *s = CONTAINER_OF(first, struct store_job, work)->store;
    struct store_tx tx = {.store = s, .db = s->connection[0]};
    struct work *w = first;
    enum err begun = plain(&tx, &begin), err = begun;
    for (unsigned n = 1; w; n++) {
        struct store_job *j = CONTAINER_OF(w, struct store_job, work);
        err = err ? err : write_one(&tx, j);
        /* who could not begin waited for somebody else: nobody behind this one shall wait again */
        w = n < LIMIT_STORE_BATCH && err == begun ? run_work_next(w) : NULL;
    }
    if (err == ERR_OK)
        err = plain(&tx, &commit);
    struct errinfo why = tx.why;
    if (err != ERR_OK && s->engine->in_transaction(tx.db))
        (void)!plain(&tx, &rollback);
    for (w = err ? first : NULL; w; w = w->next)
        CONTAINER_OF(w, struct store_job, work)->err = err;
    say(s, err, &why);
}

/* --- reading -----------------------------------------------------------------------------------
 */
void store__read_one(struct work *w)
{
    static const struct stmt begin = SQL("BEGIN"), end = SQL("ROLLBACK");
    struct store_job *j = CONTAINER_OF(w, struct store_job, work);
    unsigned at = j->store->readers ? w->thread + 1 : 0;
    struct store_tx tx = {.store = j->store, .db = j->store->connection[at]};
    j->err = plain(&tx, &begin);
    if (j->err == ERR_OK)
        j->err = j->run(j, &tx);
    if (j->store->engine->in_transaction(tx.db))
        (void)!plain(&tx, &end);
}
