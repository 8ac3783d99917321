/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs on their way into a lane and back: a store is opened, its jobs are counted, and each is
 * answered on the loop that asked. Invariant: `done` comes once for each job that was taken. */
#include "base/mem.h"
#include "postgres_int.h"

struct kept_row {
    struct kept_row *next;
    size_t n;
    struct store_value v[];
};
/* A job of one statement. */
struct query {
    struct store_job job;
    const struct stmt *stmt;
    void (*row)(void *arg, const struct store_value *v, size_t n);
    void (*done)(void *arg, enum err err);
    struct arena *rows; /* what it returned, until the loop takes it */
    struct kept_row *first, **last;
    size_t n;
    struct store_value args[];
};

enum err store_new(const struct store_options *o, struct store **out)
{
    ASSERT(o->readers <= LIMIT_STORE_READERS && (o->path == NULL) != (o->url == NULL));
    ASSERT(!o->relaxed || (o->path && o->readers == 0));
    AUTO_BUF name = BUF_INIT(LIMIT_STORE_URL);
    *out = NULL;
    if (o->path)
        buf_addz(&name, o->path);
    enum err err = o->url ? pg__name(o->url, &name) : name.err;
    if (err != ERR_OK)
        return err;
    struct store *s = mem_alloc(sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    s->loop = o->loop;
    s->path = mem_strdup(o->url ? o->url : o->path);
    s->name = mem_strdup(buf_cstr(&name));
    s->engine = o->url ? &store__postgres : &store__sqlite;
    s->readers = o->url ? 0 : o->readers;
    s->relaxed = o->relaxed;
    if (s->path == NULL || s->name == NULL) {
        store_free(s);
        return ERR_NOMEM;
    }
    *out = s;
    return ERR_OK;
}

static void close_all(struct store *s)
{
    for (unsigned i = STORE_CONNECTIONS; i-- > 0;) { /* SQLite's last takes its log with it */
        if (s->connection[i])
            s->engine->close(s->connection[i]);
        s->connection[i] = NULL;
    }
    s->open = false;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    ASSERT(atomic_load(&s->pending) == 0);
    close_all(s);
    if (s->path)
        mem_cleanse_free(s->path, strlen(s->path));
    mem_free(s->name);
    mem_free(s);
}

struct loop *store_loop(const struct store *s)
{
    return s->loop;
}

static enum err open_all(struct store *s, const char *room, const struct migration *m, size_t n,
                         struct errinfo *e)
{
    enum store__role role = s->relaxed ? STORE_RELAXED : s->readers ? STORE_WRITER : STORE_ALONE;
    enum err err = s->connection[0] ? ERR_OK : s->engine->open(s->path, role, &s->connection[0], e);
    if (err == ERR_OK)
        err = store__migrate(s->engine, s->connection[0], room, m, n, e);
    for (unsigned i = 1; i <= s->readers && err == ERR_OK && !s->open; i++)
        err = s->engine->open(s->path, STORE_READER, &s->connection[i], e);
    if (err != ERR_OK && !s->open)
        close_all(s);
    s->open = s->open || err == ERR_OK;
    return err;
}

enum err store_open(struct store *s, const char *room, const struct migration *m, size_t n,
                    struct errinfo *e)
{
    struct errinfo why = {0};
    ASSERT(atomic_load(&s->pending) == 0);
    enum err err = open_all(s, room, m, n, &why);
    if (err != ERR_OK)
        return errinfo_set(e, err, "%s: %s", s->name, why.text[0] ? why.text : err_text(err));
    return ERR_OK;
}

enum err store_read_now(struct store *s, const struct stmt *stmt, const struct store_value *args,
                        size_t n, enum err (*row)(void *arg, const struct store_value *v, size_t n),
                        void *arg, struct errinfo *e)
{
    int64_t changed;
    ASSERT(s->open && atomic_load(&s->pending) == 0);
    if (s->connection[0] == NULL) /* a server's, lost meanwhile */
        return errinfo_set(e, ERR_UNAVAILABLE, "%s: the connection was lost", s->name);
    return s->engine->run(s->connection[0], stmt, args, n, row, arg, &changed, e);
}

/* --- jobs --------------------------------------------------------------------------------------
 */
static void on_worked(struct work *w)
{
    struct store_job *j = CONTAINER_OF(w, struct store_job, work);
    atomic_fetch_sub(&j->store->pending, 1);
    j->done(j, j->err);
}

enum err store_submit(struct store *s, struct loop *from, struct store_job *j)
{
    if (!s->open)
        return ERR_UNAVAILABLE;
    bool reads = j->access == STORE_READ && (s->readers > 0 || s->relaxed);
    enum lane lane = s->relaxed ? LANE_STORE_RELAXED : reads ? LANE_STORE_READ : LANE_STORE_WRITE;
    j->store = s;
    j->err = ERR_INTERNAL;
    j->work = (struct work){.work = reads ? store__read_one : store__write_batch,
                            .done = on_worked,
                            .group = reads ? NULL : s};
    if (s->engine == &store__postgres) {
        lane = LANE_STORE_SERVER;
        j->work = (struct work){.work = store__server_one, .done = on_worked};
    }
    atomic_fetch_add(&s->pending, 1);
    enum err err = run_work(from, lane, &j->work);
    if (err != ERR_OK)
        atomic_fetch_sub(&s->pending, 1);
    return err;
}

/* --- queries -----------------------------------------------------------------------------------
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

static enum err query_run(struct store_job *j, struct store_tx *tx)
{
    struct query *q = CONTAINER_OF(j, struct query, job);
    arena_free(q->rows);
    q->rows = NULL;
    q->first = NULL;
    q->last = &q->first;
    return store_run(tx, q->stmt, q->args, q->n, q->row ? keep_row : NULL, q);
}

static void query_done(struct store_job *j, enum err err)
{
    struct query *q = CONTAINER_OF(j, struct query, job);
    for (const struct kept_row *r = err ? NULL : q->first; r; r = r->next)
        q->row(j->arg, r->v, r->n);
    q->done(j->arg, err);
    arena_free(q->rows);
    mem_free(q);
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
    size_t head = sizeof(struct query) + n * sizeof args[0];
    struct query *q = mem_alloc(head + text_bytes(args, n));
    if (q == NULL)
        return ERR_NOMEM;
    char *text = (char *)q + head;
    *q = (struct query){.job = {.access = STORE_WRITE, .run = query_run, .done = query_done},
                        .stmt = stmt,
                        .row = row,
                        .done = done,
                        .n = n};
    q->job.arg = arg;
    for (size_t i = 0; i < n; i++) {
        q->args[i] = args[i];
        if (args[i].type != STORE_TEXT || args[i].s.n == 0)
            continue;
        memcpy(text, args[i].s.p, args[i].s.n);
        q->args[i].s.p = text;
        text += args[i].s.n;
    }
    enum err err = store_submit(s, s->loop, &q->job);
    if (err != ERR_OK)
        mem_free(q);
    return err;
}
