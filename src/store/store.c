/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue in front of a database. While one batch is being written in the STORE_WRITE lane the
 * next one gathers on the loop; a batch is one transaction. Invariant: `done` says no error only
 * after the commit of its batch. */
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "store_int.h"

struct kept_row {
    struct kept_row *next;
    size_t n;
    struct store_value v[];
};
struct query {
    const struct stmt *stmt;
    void (*row)(void *arg, const struct store_value *v, size_t n);
    void (*done)(void *arg, enum err err);
    void *arg;
    enum err err;
    struct arena *rows; /* what it returned, until the loop takes it */
    struct kept_row *first, **last;
    struct query *next;
    size_t n;
    struct store_value args[];
};

struct store {
    struct loop *loop;
    char *path;
    const struct store_engine *engine;
    void *db;                      /* NULL = not open; the lane's while a batch is there */
    struct query *waiting, **tail; /* the next batch */
    size_t waiting_count;
    struct batch {
        struct work work;
        struct post refused; /* the lane would not take it */
        struct query *queries;
        enum err err; /* of the whole */
        struct errinfo why;
        bool busy;
    } batch;
    bool failing; /* the last batch did: said once */
};

enum err store_new(const struct store_options *o, struct store **out)
{
    struct store *s = mem_alloc(sizeof *s);
    char *path = mem_strdup(o->path);
    *out = NULL;
    if (s == NULL || path == NULL) {
        mem_free(s);
        mem_free(path);
        return ERR_NOMEM;
    }
    s->loop = o->loop;
    s->path = path;
    s->engine = &store__sqlite;
    s->tail = &s->waiting;
    *out = s;
    return ERR_OK;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    ASSERT(!s->batch.busy && s->waiting == NULL);
    if (s->db)
        s->engine->close(s->db);
    mem_free(s->path);
    mem_free(s);
}

struct loop *store_loop(const struct store *s)
{
    return s->loop;
}

enum err store_open(struct store *s, const char *room, const struct migration *m, size_t n,
                    struct errinfo *e)
{
    struct errinfo why = {0};
    ASSERT(!s->batch.busy);
    enum err err = s->db ? ERR_OK : s->engine->open(s->path, &s->db, &why);
    if (err == ERR_OK)
        err = store__migrate(s->engine, s->db, room, m, n, &why);
    if (err != ERR_OK)
        return errinfo_set(e, err, "%s: %s", s->path, why.text[0] ? why.text : err_text(err));
    return ERR_OK;
}

enum err store_read_now(struct store *s, const struct stmt *stmt, const struct store_value *args,
                        size_t n, enum err (*row)(void *arg, const struct store_value *v, size_t n),
                        void *arg, struct errinfo *e)
{
    ASSERT(s->db && !s->batch.busy);
    return s->engine->run(s->db, stmt, args, n, row, arg, e);
}

/* --- in the lane -------------------------------------------------------------------------------
 */
/* Copies a row for the loop. */
static enum err keep_row(void *arg, const struct store_value *v, size_t n)
{
    struct query *q = arg;
    if (q->rows == NULL)
        q->rows = arena_new(KIB(1), LIMIT_STORE_ROWS);
    struct kept_row *kept =
        q->rows ? arena_alloc(q->rows, sizeof *kept + n * sizeof kept->v[0]) : NULL;
    if (kept == NULL)
        return ERR_NOMEM;
    kept->n = n;
    for (size_t i = 0; i < n; i++) {
        kept->v[i] = v[i];
        if (v[i].type == STORE_TEXT)
            kept->v[i].s = arena_str(q->rows, v[i].s);
        if (v[i].type == STORE_TEXT && kept->v[i].s.p == NULL)
            return ERR_NOMEM;
    }
    *q->last = kept;
    q->last = &kept->next;
    return ERR_OK;
}

static enum err write_batch(struct store *s, struct batch *b)
{
    const struct store_engine *g = s->engine;
    enum err err = g->script(s->db, "BEGIN IMMEDIATE", &b->why);
    for (struct query *q = b->queries; err == ERR_OK && q; q = q->next) {
        struct errinfo why = {0};
        q->err = g->run(s->db, q->stmt, q->args, q->n, q->row ? keep_row : NULL, q, &why);
        if (q->err != ERR_OK)
            b->why = why;
        if (!g->in_transaction(s->db)) /* the engine undid it all: a full disk may do that */
            err = q->err ? q->err : ERR_INTERNAL;
    }
    if (err == ERR_OK)
        err = g->script(s->db, "COMMIT", &b->why);
    if (err != ERR_OK && g->in_transaction(s->db))
        (void)!g->script(s->db, "ROLLBACK", NULL);
    return err;
}

static void work_batch(struct work *w)
{
    struct batch *b = CONTAINER_OF(w, struct batch, work);
    b->err = write_batch(CONTAINER_OF(b, struct store, batch), b);
}

/* --- on the loop -------------------------------------------------------------------------------
 */
static void start_batch(struct store *s);

static void answer(struct query *q, enum err err)
{
    err = err ? err : q->err;
    for (const struct kept_row *r = err ? NULL : q->first; r; r = r->next)
        q->row(q->arg, r->v, r->n);
    q->done(q->arg, err);
    arena_free(q->rows);
    mem_free(q);
}

static void say(struct store *s, enum err err)
{
    const struct batch *b = &s->batch;
    if (err && !s->failing)
        log_error("store", "%s cannot be written: %s", s->path,
                  b->why.text[0] ? b->why.text : err_text(err));
    else if (!err && s->failing)
        log_info("store", "%s is written again", s->path);
    s->failing = err != ERR_OK;
}

static void end_batch(struct store *s)
{
    struct batch *b = &s->batch;
    struct query *q = b->queries;
    enum err err = b->err;
    say(s, err);
    b->queries = NULL;
    b->busy = false;
    if (s->waiting)
        start_batch(s);
    while (q) {
        struct query *next = q->next;
        answer(q, err);
        q = next;
    }
}

static void batch_worked(struct work *w)
{
    struct batch *b = CONTAINER_OF(w, struct batch, work);
    end_batch(CONTAINER_OF(b, struct store, batch));
}

static void batch_refused(struct post *p)
{
    struct batch *b = CONTAINER_OF(p, struct batch, refused);
    end_batch(CONTAINER_OF(b, struct store, batch));
}

static void start_batch(struct store *s)
{
    struct batch *b = &s->batch;
    b->queries = s->waiting;
    b->busy = true;
    b->why = (struct errinfo){0};
    s->waiting = NULL;
    s->tail = &s->waiting;
    s->waiting_count = 0;
    b->work = (struct work){.work = work_batch, .done = batch_worked};
    enum err err = run_work(s->loop, LANE_STORE_WRITE, &b->work);
    if (err != ERR_OK) { /* else b->err is the lane's to write from here on */
        b->err = err;
        b->refused.fn = batch_refused;
        run_post(s->loop, &b->refused);
    }
}

static size_t text_bytes(const struct store_value *args, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += args[i].type == STORE_TEXT ? args[i].s.n : 0;
    return bytes;
}

enum err store_query(struct store *s, const struct stmt *stmt, const struct store_value *args,
                     size_t n, void (*row)(void *arg, const struct store_value *v, size_t n),
                     void (*done)(void *arg, enum err err), void *arg)
{
    ASSERT(loop_is_current(s->loop));
    if (s->db == NULL)
        return ERR_UNAVAILABLE;
    if (s->waiting_count >= LIMIT_STORE_QUEUE)
        return ERR_LIMIT;
    size_t head = sizeof(struct query) + n * sizeof args[0];
    struct query *q = mem_alloc(head + text_bytes(args, n));
    if (q == NULL)
        return ERR_NOMEM;
    char *text = (char *)q + head;
    *q = (struct query){.stmt = stmt, .row = row, .done = done, .arg = arg, .n = n};
    q->last = &q->first;
    for (size_t i = 0; i < n; i++) {
        q->args[i] = args[i];
        if (args[i].type != STORE_TEXT || args[i].s.n == 0)
            continue;
        memcpy(text, args[i].s.p, args[i].s.n);
        q->args[i].s.p = text;
        text += args[i].s.n;
    }
    *s->tail = q;
    s->tail = &q->next;
    s->waiting_count++;
    if (!s->batch.busy)
        start_batch(s);
    return ERR_OK;
}
