/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine SQLite: WAL, synchronous FULL: what is committed survives a power cut, but in a store
 * that is relaxed. A connection that is alone locks the file for itself; beside readers, a lock
 * file keeps other processes out.
 * Statements are prepared once and kept. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store_int.h"

struct prepared {
    const struct stmt *stmt;
    sqlite3_stmt *made;
};
struct sqlite {
    sqlite3 *db;
    int lock; /* of the writer beside readers, else -1 */
    struct prepared *prepared;
    size_t count, cap;
};

static enum err code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return ERR_INTERNAL;
    }
    return ERR_IO;
}

static enum err failed(const struct sqlite *q, int rc, struct errinfo *e)
{
    enum err err = code_of(rc);
    return err ? errinfo_set(e, err, "%s", q->db ? sqlite3_errmsg(q->db) : sqlite3_errstr(rc))
               : ERR_OK;
}

static enum err script(void *db, const char *sql, struct errinfo *e)
{
    struct sqlite *q = db;
    return failed(q, sqlite3_exec(q->db, sql, NULL, NULL, NULL), e);
}

static void close_db(void *db)
{
    struct sqlite *q = db;
    for (size_t i = 0; i < q->count; i++)
        sqlite3_finalize(q->prepared[i].made);
    sqlite3_close(q->db);
    if (q->lock >= 0)
        close(q->lock);
    mem_free(q->prepared);
    mem_free(q);
}

/* --- statements ------------------------------------------------------------------------------- */
/* SQLite takes $1 for a name: its place is where it first stands. */
static bool counts_from_one(sqlite3_stmt *made)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(made); i++) {
        char expected[16];
        const char *name = sqlite3_bind_parameter_name(made, i);
        snprintf(expected, sizeof expected, "$%d", i);
        if (name == NULL || !str_eqz(str_c(name), expected))
            return false;
    }
    return true;
}

static enum err prepare(struct sqlite *q, const struct stmt *stmt, sqlite3_stmt **out,
                        struct errinfo *e)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->prepared[i].stmt == stmt) {
            *out = q->prepared[i].made;
            return ERR_OK;
        }
    if (q->count == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 16;
        struct prepared *grown = mem_realloc(q->prepared, cap * sizeof *grown);
        if (grown == NULL)
            return errinfo_set(e, ERR_NOMEM, "out of memory");
        q->prepared = grown;
        q->cap = cap;
    }
    int rc = sqlite3_prepare_v3(q->db, stmt->sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (rc != SQLITE_OK)
        return failed(q, rc, e);
    ASSERT(counts_from_one(*out));
    q->prepared[q->count++] = (struct prepared){stmt, *out};
    return ERR_OK;
}

static int bind_value(sqlite3_stmt *made, int at, const struct store_value *v)
{
    switch (v->type) {
    case STORE_INT:
        return sqlite3_bind_int64(made, at, v->i);
    case STORE_TEXT:
        return sqlite3_bind_text64(made, at, v->s.n ? v->s.p : "", v->s.n, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case STORE_NULL:
        break;
    }
    return sqlite3_bind_null(made, at);
}

static struct store_value column(sqlite3_stmt *made, int i)
{
    int type = sqlite3_column_type(made, i);
    if (type == SQLITE_INTEGER)
        return STORE_I(sqlite3_column_int64(made, i));
    if (type == SQLITE_NULL)
        return (struct store_value){STORE_NULL, 0, {NULL, 0}};
    const unsigned char *text = sqlite3_column_text(made, i);
    return STORE_S(str_of(text, text ? (size_t)sqlite3_column_bytes(made, i) : 0));
}

static enum err step(struct sqlite *q, sqlite3_stmt *made, store__row_fn row, void *arg,
                     struct errinfo *e)
{
    struct store_value v[LIMIT_STORE_COLUMNS];
    int rc, n = sqlite3_column_count(made);
    ASSERT(n <= LIMIT_STORE_COLUMNS);
    while ((rc = sqlite3_step(made)) == SQLITE_ROW) {
        for (int i = 0; i < n; i++)
            v[i] = column(made, i);
        enum err err = row ? row(arg, v, (size_t)n) : ERR_OK;
        if (err != ERR_OK)
            return err;
    }
    return failed(q, rc, e);
}

static enum err run(void *db, const struct stmt *stmt, const struct store_value *args, size_t n,
                    store__row_fn row, void *arg, int64_t *changed, struct errinfo *e)
{
    struct sqlite *q = db;
    sqlite3_stmt *made = NULL;
    *changed = 0;
    enum err err = prepare(q, stmt, &made, e);
    if (err != ERR_OK)
        return err;
    ASSERT(n == (size_t)sqlite3_bind_parameter_count(made));
    int rc = SQLITE_OK;
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        rc = bind_value(made, (int)i + 1, &args[i]);
    err = rc == SQLITE_OK ? step(q, made, row, arg, e) : failed(q, rc, e);
    sqlite3_reset(made);
    *changed = err || sqlite3_stmt_readonly(made) ? 0 : sqlite3_changes64(q->db);
    sqlite3_clear_bindings(made);
    return err;
}

static bool in_transaction(void *db)
{
    const struct sqlite *q = db;
    return sqlite3_get_autocommit(q->db) == 0;
}

/* --- opening ---------------------------------------------------------------------------------- */
/* Made here, so that it is ours alone from its first byte. */
static enum err make_file(const char *path, int *fd, struct errinfo *e)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return errinfo_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "%s", strerror(errno));
    return ERR_OK;
}

enum err store__lock_out(const char *path, int *fd, struct errinfo *e)
{
    AUTO_BUF name = BUF_INIT(KIB(8));
    buf_addf(&name, "%s.lock", path);
    if (name.err)
        return errinfo_set(e, name.err, "%s", err_text(name.err));
    enum err err = make_file(buf_cstr(&name), fd, e);
    const struct timespec pause = {0, 10000000};
    for (int left = STORE_LOCK_MS / 10; err == ERR_OK && flock(*fd, LOCK_EX | LOCK_NB); left--) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return errinfo_set(e, ERR_IO, "%s: %s", buf_cstr(&name), strerror(errno));
        if (left == 0)
            return ERR_BUSY;
        nanosleep(&pause, NULL);
    }
    return err;
}

static enum err expect_ok(void *arg, const struct store_value *v, size_t n)
{
    (void)arg;
    return n == 1 && str_eqz(v[0].s, "ok") ? ERR_OK : ERR_IO;
}

static enum err check(struct sqlite *q, struct errinfo *e)
{
    static const struct stmt quick = SQL("PRAGMA quick_check(1)");
    int64_t changed;
    enum err err = run(q, &quick, NULL, 0, expect_ok, NULL, &changed, e);
    if (err == ERR_IO && e && !e->text[0])
        return errinfo_set(e, ERR_IO, "the file is damaged");
    return err;
}

static enum err prepare_file(struct sqlite *q, const char *path, enum store__role role,
                             struct errinfo *e)
{
    int fd = -1;
    if (role == STORE_READER)
        return ERR_OK;
    enum err err = role == STORE_WRITER ? store__lock_out(path, &q->lock, e) : ERR_OK;
    /* Before any connection: closing a file drops all locks that its process has on it. */
    if (err == ERR_OK)
        err = make_file(path, &fd, e);
    if (fd >= 0)
        close(fd);
    return err;
}

static enum err configure(struct sqlite *q, enum store__role role, struct errinfo *e)
{
    static const char *const settings[] = {
        [STORE_ALONE] = ("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                         "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                         "BEGIN IMMEDIATE; COMMIT"),
        [STORE_WRITER] = ("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "PRAGMA foreign_keys=ON; BEGIN IMMEDIATE; COMMIT"),
        [STORE_READER] = "PRAGMA query_only=ON; PRAGMA foreign_keys=ON",
        [STORE_RELAXED] = ("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                           "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
                           "BEGIN IMMEDIATE; COMMIT"),
    };
    sqlite3_extended_result_codes(q->db, 1);
    sqlite3_busy_timeout(q->db, STORE_LOCK_MS);
    sqlite3_db_config(q->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(q->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    enum err err = script(q, settings[role], e);
    return err || role == STORE_READER ? err : check(q, e);
}

static enum err open_db(const char *path, enum store__role role, void **db, struct errinfo *e)
{
    *db = NULL;
    struct sqlite *q = mem_alloc(sizeof *q);
    if (q == NULL)
        return errinfo_set(e, ERR_NOMEM, "out of memory");
    q->lock = -1;
    enum err err = prepare_file(q, path, role, e);
    if (err == ERR_OK) {
        int rc = sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        err = failed(q, rc, e);
    }
    if (err == ERR_OK)
        err = configure(q, role, e);
    if (err == ERR_BUSY)
        (void)errinfo_set(e, ERR_BUSY, "another process has it open");
    if (err != ERR_OK) {
        close_db(q);
        return err;
    }
    *db = q;
    return ERR_OK;
}

const struct store_engine store__sqlite = {open_db, close_db,       run,
                                           script,  in_transaction, .migrate = "BEGIN IMMEDIATE"};
