/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine PostgreSQL: one connection, its prepared statements, and transactions that are as
 * strict as SQLite's (SERIALIZABLE). What belongs together goes out in one pipeline: BEGIN with the
 * first statement, a savepoint around each that writes. No wait is without an end, and the URL's
 * password is in no text that leaves this file. */
#include "postgres_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/time.h"

enum oid { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_NUMERIC = 1700 };

static enum err lost(struct pg *c, struct errinfo *e, const char *why)
{
    size_t line = strcspn(why, "\n"); /* what follows are hints */
    c->fate = PG_LOST;
    return errinfo_set(e, ERR_UNAVAILABLE, "%.*s", (int)line, why);
}

/* --- waiting -----------------------------------------------------------------------------------
 */
static bool wait_for(struct pg *c, short events, int64_t deadline_us)
{
    struct pollfd p = {.fd = PQsocket(c->conn), .events = events};
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us(&clock_system);
        int rc = left_us > 0 ? poll(&p, 1, (int)(left_us / 1000) + 1) : 0;
        if (rc > 0 || (rc < 0 && errno != EINTR))
            return rc > 0;
        if (rc == 0 && left_us <= 0)
            return false;
    }
}

static bool flush(struct pg *c, int64_t deadline_us)
{
    int rc;
    while ((rc = PQflush(c->conn)) == 1)
        if (!wait_for(c, POLLIN | POLLOUT, deadline_us) || !PQconsumeInput(c->conn))
            return false;
    return rc == 0;
}

/* The next result; *out is NULL where one command ends. False: the connection is of no more use. */
static bool next_result(struct pg *c, int64_t deadline_us, PGresult **out)
{
    *out = NULL;
    while (PQisBusy(c->conn))
        if (!wait_for(c, POLLIN, deadline_us) || !PQconsumeInput(c->conn))
            return false;
    *out = PQgetResult(c->conn);
    return *out != NULL || PQstatus(c->conn) == CONNECTION_OK;
}

static int64_t deadline(const struct pg *c)
{
    return clock_mono_us(&clock_system) + c->patience_ms * INT64_C(1000);
}

/* --- what an error means ----------------------------------------------------------------------
 */
static bool is_class(const char *state, const char *class)
{
    return str_starts(str_c(state), str_c(class));
}

static enum err failed(struct pg *c, const PGresult *res, bool parsing, struct errinfo *e)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    if (state == NULL || PQstatus(c->conn) == CONNECTION_BAD)
        return lost(c, e, text ? text : PQerrorMessage(c->conn));
    if (is_class(state, "08") || is_class(state, "57P") ||
        (is_class(state, "25006") && c->access == STORE_WRITE) || /* it is a standby */
        (is_class(state, "53") && !is_class(state, "53100")) ||
        (is_class(state, "0A000") && !parsing)) /* a plan is out of date */
        return lost(c, e, text ? text : state);
    if (is_class(state, "40")) {
        c->fate = PG_AGAIN;
        return errinfo_set(e, ERR_BUSY, "somebody else was faster");
    }
    /* What these say of themselves may hold values. */
    if (is_class(state, "23"))
        return errinfo_set(e, ERR_CONFLICT, "constraint %s", constraint ? constraint : state);
    if (is_class(state, "22"))
        return errinfo_set(e, ERR_INVALID, "a value does not fit (%s)", state);
    enum err err = is_class(state, "53100") || is_class(state, "58")      ? ERR_IO
                   : is_class(state, "55P03") || is_class(state, "57014") ? ERR_BUSY
                                                                          : ERR_INTERNAL;
    return errinfo_set(e, err, "%s: %s", state, text ? text : err_text(err));
}

/* --- commands without parameters ---------------------------------------------------------------
 */
/* One or several; `tag` of the last (NULL: not wanted). */
static enum err plain(struct pg *c, const char *sql, char *tag, size_t tag_size, struct errinfo *e)
{
    int64_t until = deadline(c);
    PGresult *res;
    bool fine = PQsendQuery(c->conn, sql) && flush(c, until);
    enum err err = ERR_OK;
    while (fine && (fine = next_result(c, until, &res)) && res) {
        ExecStatusType status = PQresultStatus(res);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && err == ERR_OK)
            err = failed(c, res, true, e);
        if (tag)
            snprintf(tag, tag_size, "%s", PQcmdStatus(res));
        PQclear(res);
    }
    return fine || err ? err : lost(c, e, "the server does not answer");
}

static enum err script(void *db, const char *sql, struct errinfo *e)
{
    return plain(db, sql, NULL, 0, e);
}

/* --- statements ------------------------------------------------------------------------------- */
/* The rows that a writing job locks are those that a reading one just reads. */
static enum err find_prepared(struct pg *c, const struct stmt *stmt, struct pg_prepared **out,
                              struct errinfo *e)
{
    bool locking = stmt->locks && c->access == STORE_WRITE;
    for (size_t i = 0; i < c->count; i++)
        if (c->prepared[i].stmt == stmt && c->prepared[i].locking == locking) {
            *out = &c->prepared[i];
            return ERR_OK;
        }
    if (c->count == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct pg_prepared *grown = mem_realloc(c->prepared, cap * sizeof *grown);
        if (grown == NULL)
            return errinfo_set(e, ERR_NOMEM, "out of memory");
        c->prepared = grown;
        c->cap = cap;
    }
    *out = &c->prepared[c->count];
    **out = (struct pg_prepared){.stmt = stmt, .locking = locking};
    snprintf((*out)->name, sizeof(*out)->name, "s%zu", c->count++);
    return ERR_OK;
}

/* As texts that end in NUL, in c->text. */
static enum err write_arguments(struct pg *c, const struct store_value *args, size_t n,
                                const char **values, struct errinfo *e)
{
    size_t at[LIMIT_STORE_COLUMNS];
    ASSERT(n <= COUNTOF(at));
    buf_reset(&c->text);
    for (size_t i = 0; i < n; i++) {
        at[i] = c->text.n;
        if (args[i].type == STORE_INT)
            buf_addf(&c->text, "%lld", (long long)args[i].i);
        else
            buf_add(&c->text, args[i].s);
        buf_addc(&c->text, 0);
    }
    if (c->text.err)
        return errinfo_set(e, c->text.err, "%s", err_text(c->text.err));
    for (size_t i = 0; i < n; i++)
        values[i] = args[i].type == STORE_NULL ? NULL : c->text.p + at[i];
    return ERR_OK;
}

/* Each command of a pipeline in its order; what has not been asked for has no place in it. */
enum part { PART_BEGIN, PART_SAVEPOINT, PART_PREPARE, PART_RUN, PART_RELEASE, PART_COUNT };
struct pipeline {
    bool has[PART_COUNT];
    enum err err;
    PGresult *rows; /* of PART_RUN */
};

static bool send_all(struct pg *c, const struct pipeline *p, const struct pg_prepared *made,
                     const char *sql, const char **values, int n)
{
    static const char *const begin[] = {[STORE_READ] =
                                            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                                        [STORE_WRITE] = "BEGIN ISOLATION LEVEL SERIALIZABLE"};
    const char *const text[PART_COUNT] = {[PART_BEGIN] = begin[c->access],
                                          [PART_SAVEPOINT] = "SAVEPOINT statement",
                                          [PART_RELEASE] = "RELEASE statement"};
    for (enum part i = 0; i < PART_COUNT; i++) {
        if (!p->has[i])
            continue;
        int sent = i == PART_PREPARE ? PQsendPrepare(c->conn, made->name, sql, 0, NULL)
                   : i == PART_RUN
                       ? PQsendQueryPrepared(c->conn, made->name, n, values, NULL, NULL, 0)
                       : PQsendQueryParams(c->conn, text[i], 0, NULL, NULL, NULL, NULL, 0);
        if (!sent)
            return false;
    }
    return PQpipelineSync(c->conn) == 1;
}

static void take_result(struct pg *c, struct pipeline *p, enum part i, PGresult *res,
                        struct pg_prepared *made, struct errinfo *e)
{
    ExecStatusType status = PQresultStatus(res);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good && status != PGRES_PIPELINE_ABORTED && p->err == ERR_OK)
        p->err = failed(c, res, i == PART_PREPARE, e);
    if (good && i == PART_BEGIN)
        c->began = true;
    if (good && i == PART_PREPARE)
        made->made = true;
    if (good && i == PART_RUN)
        p->rows = res;
    else
        PQclear(res);
}

/* Up to and with the sync at its end. */
static bool take_all(struct pg *c, struct pipeline *p, struct pg_prepared *made, int64_t until,
                     struct errinfo *e)
{
    PGresult *res;
    for (enum part i = 0; i < PART_COUNT; i++) {
        if (!p->has[i])
            continue;
        for (;;) {
            if (!next_result(c, until, &res))
                return false;
            if (res == NULL) /* the end of this one; the next may still be under way */
                break;
            take_result(c, p, i, res, made, e);
        }
    }
    bool fine = next_result(c, until, &res) && PQresultStatus(res) == PGRES_PIPELINE_SYNC;
    PQclear(res);
    return fine;
}

static enum err exchange(struct pg *c, struct pipeline *p, const struct stmt *stmt,
                         struct pg_prepared *made, const char **values, int n, struct errinfo *e)
{
    AUTO_BUF sql = BUF_INIT(KIB(64));
    buf_addf(&sql, "%s%s", stmt->sql, made->locking ? " FOR UPDATE" : "");
    if (sql.err)
        return p->err = errinfo_set(e, sql.err, "%s", err_text(sql.err));
    int64_t until = deadline(c);
    bool fine = PQenterPipelineMode(c->conn) && send_all(c, p, made, buf_cstr(&sql), values, n) &&
                flush(c, until) && take_all(c, p, made, until, e) && PQexitPipelineMode(c->conn);
    if (!fine && c->fate != PG_LOST)
        p->err = lost(c, e,
                      PQstatus(c->conn) == CONNECTION_OK ? "the server does not answer"
                                                         : PQerrorMessage(c->conn));
    return p->err;
}

/* --- rows ------------------------------------------------------------------------------------- */
/* Whole numbers are what SQLite would give them as: sums are numeric here, and truths bool. */
static struct store_value value(const PGresult *res, int row, int col)
{
    if (PQgetisnull(res, row, col))
        return STORE_N;
    const char *p = PQgetvalue(res, row, col);
    struct str s = str_of(p, (size_t)PQgetlength(res, row, col));
    uint64_t u = 0;
    bool minus = s.n > 0 && s.p[0] == '-';
    switch (PQftype(res, col)) {
    case OID_BOOL:
        return STORE_I(str_eqz(s, "t"));
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_NUMERIC:
        if (str_u64(str_from(s, minus), &u) && u <= (uint64_t)INT64_MAX + minus)
            return STORE_I(minus ? (int64_t)-u : (int64_t)u);
    }
    return STORE_S(s);
}

static enum err hand_out(const PGresult *res, store__row_fn row, void *arg)
{
    struct store_value v[LIMIT_STORE_COLUMNS];
    int n = PQnfields(res), rows = PQntuples(res);
    enum err err = ERR_OK;
    ASSERT(n <= LIMIT_STORE_COLUMNS);
    for (int r = 0; r < rows && err == ERR_OK; r++) {
        for (int i = 0; i < n; i++)
            v[i] = value(res, r, i);
        err = row(arg, v, (size_t)n);
    }
    return err;
}

static int64_t changed_rows(PGresult *res)
{
    uint64_t n = 0;
    if (is_class(PQcmdStatus(res), "SELECT") || !str_u64(str_c(PQcmdTuples(res)), &n))
        return 0;
    return (int64_t)n;
}

static bool in_transaction(void *db)
{
    const struct pg *c = db;
    PGTransactionStatusType now = PQtransactionStatus(c->conn);
    return now == PQTRANS_INTRANS || now == PQTRANS_INERROR;
}

/* The statement alone is undone: what the job did before stands. */
static enum err undo_statement(struct pg *c, const struct pipeline *p, struct errinfo *e)
{
    if (!p->has[PART_SAVEPOINT] || PQtransactionStatus(c->conn) != PQTRANS_INERROR)
        return p->err;
    struct errinfo why = {0};
    enum err err = plain(c, "ROLLBACK TO statement; RELEASE statement", NULL, 0, &why);
    return err ? errinfo_set(e, err, "%s", why.text) : p->err;
}

static enum err run(void *db, const struct stmt *stmt, const struct store_value *args, size_t n,
                    store__row_fn row, void *arg, int64_t *changed, struct errinfo *e)
{
    struct pg *c = db;
    const char *values[LIMIT_STORE_COLUMNS];
    struct pg_prepared *made = NULL;
    *changed = 0;
    if (c->fate != PG_FINE) /* of the whole job: nothing more is sent */
        return c->fate == PG_AGAIN ? ERR_BUSY : ERR_UNAVAILABLE;
    enum err err = write_arguments(c, args, n, values, e);
    if (err == ERR_OK)
        err = find_prepared(c, stmt, &made, e);
    if (err != ERR_OK)
        return err;
    bool writes = !str_starts(str_c(stmt->sql), STR("SELECT"));
    struct pipeline p = {.has = {[PART_BEGIN] = c->in_job && !c->began,
                                 [PART_SAVEPOINT] = c->in_job && writes,
                                 [PART_PREPARE] = !made->made,
                                 [PART_RUN] = true,
                                 [PART_RELEASE] = c->in_job && writes}};
    err = exchange(c, &p, stmt, made, values, (int)n, e);
    if (err != ERR_OK && c->fate == PG_FINE)
        err = undo_statement(c, &p, e);
    if (err == ERR_OK && p.rows) {
        *changed = changed_rows(p.rows);
        err = row ? hand_out(p.rows, row, arg) : ERR_OK;
    }
    PQclear(p.rows);
    return err;
}

/* --- transactions ----------------------------------------------------------------------------- */
/* Held by a session, not by its transaction, whose snapshot must be younger than the lock. */
#define TURN "(7092313508241733990)"

enum err pg__begin(struct pg *c, enum store_access access, bool in_turn, struct errinfo *e)
{
    c->fate = PG_FINE;
    c->access = access;
    c->in_job = false;
    c->began = false; /* with the first statement */
    enum err err = ERR_OK;
    if (in_turn)
        err = plain(c, "SELECT pg_advisory_lock" TURN, NULL, 0, e);
    c->in_turn = in_turn && err == ERR_OK;
    c->in_job = err == ERR_OK;
    return err;
}

static enum err end_transaction(struct pg *c, enum err err, struct errinfo *e)
{
    char tag[32] = "";
    if (c->fate == PG_LOST || !c->began)
        return err;
    if (err != ERR_OK || c->fate == PG_AGAIN) {
        struct errinfo why = {0};
        (void)!plain(c, "ROLLBACK", NULL, 0, &why);
        return err;
    }
    err = plain(c, "COMMIT", tag, sizeof tag, e);
    if (c->fate == PG_LOST)
        c->fate = PG_UNKNOWN;
    if (err == ERR_OK && strcmp(tag, "COMMIT") != 0) /* a failed statement was not minded */
        return errinfo_set(e, ERR_INTERNAL, "the transaction had failed before");
    return err;
}

enum err pg__end(struct pg *c, enum err err, struct errinfo *e)
{
    struct errinfo why = {0};
    c->in_job = false;
    err = end_transaction(c, err, e);
    enum pg_fate fate = c->fate;
    if (c->in_turn && fate != PG_LOST && fate != PG_UNKNOWN)
        (void)!plain(c, "SELECT pg_advisory_unlock" TURN, NULL, 0, &why);
    c->fate = fate; /* what is committed is: a connection that went now is the next job's concern */
    c->in_turn = false;
    return err;
}

/* --- opening ---------------------------------------------------------------------------------- */
static void be_quiet(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

static void close_db(void *db)
{
    struct pg *c = db;
    PQfinish(c->conn);
    buf_fini(&c->text);
    mem_free(c->prepared);
    mem_free(c);
}

static enum err open_db(const char *url, enum store__role role, void **db, struct errinfo *e)
{
    char connect_s[12];
    (void)role;
    snprintf(connect_s, sizeof connect_s, "%d", TIMEOUT_STORE_CONNECT_S);
    /* What stands before the URL (dbname) may be said otherwise in it, what stands after not. */
    const char *const names[] = {"connect_timeout",     "application_name",
                                 "gssencmode",          "keepalives_idle",
                                 "keepalives_interval", "keepalives_count",
                                 "tcp_user_timeout",    "dbname",
                                 "client_encoding",     NULL};
    const char *const values[] = {connect_s, "ropeline", "disable", "10",   "3",
                                  "3",       "10000",    url,       "UTF8", NULL};
    *db = NULL;
    struct pg *c = mem_alloc(sizeof *c);
    if (c == NULL)
        return errinfo_set(e, ERR_NOMEM, "out of memory");
    c->text = BUF_INIT(LIMIT_STORE_ARGUMENTS);
    c->patience_ms = TIMEOUT_STORE_ANSWER_MS;
    c->access = STORE_WRITE;
    c->conn = PQconnectdbParams(names, values, 1);
    enum err err = ERR_OK;
    if (c->conn == NULL)
        err = errinfo_set(e, ERR_NOMEM, "out of memory");
    else if (PQstatus(c->conn) != CONNECTION_OK || PQsetnonblocking(c->conn, 1) != 0)
        err = lost(c, e, PQerrorMessage(c->conn));
    if (err == ERR_OK) {
        PQsetNoticeReceiver(c->conn, be_quiet, NULL);
        err = plain(c,
                    "SET statement_timeout = 10000; SET lock_timeout = 5000;"
                    "SET idle_in_transaction_session_timeout = 10000;"
                    /* who reads a whole table meets everybody who writes it */
                    "SET enable_seqscan = off;"
                    "SET default_transaction_read_only = off",
                    NULL, 0, e);
    }
    if (err != ERR_OK) {
        close_db(c);
        return err;
    }
    *db = c;
    return ERR_OK;
}

/* An "@" or "/" that a password has and that is not escaped puts the rest of it into these. */
static bool is_clean(const char *host, const char *port, const char *dbname)
{
    return strspn(port, "0123456789,") == strlen(port) && !strchr(host, '@') &&
           !strchr(dbname, '@');
}

/* "postgres://host:port/database": what may be said of a URL. */
enum err pg__name(const char *url, struct buf *out)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL); /* its words may hold the password */
    const char *host = "", *port = "", *dbname = "";
    if (options == NULL)
        return ERR_INVALID;
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        const char *v = o->val ? o->val : "";
        host = str_eqz(str_c(o->keyword), "host") ? v : host;
        port = str_eqz(str_c(o->keyword), "port") ? v : port;
        dbname = str_eqz(str_c(o->keyword), "dbname") ? v : dbname;
    }
    bool clean = is_clean(host, port, dbname);
    if (clean)
        buf_addf(out, "postgres://%s%s%s/%s", host, *port ? ":" : "", port, dbname);
    PQconninfoFree(options);
    return clean ? out->err : ERR_INVALID;
}

const struct store_engine store__postgres = {
    open_db,
    close_db,
    run,
    script,
    in_transaction,
    .migrate = "BEGIN; SET LOCAL statement_timeout = 60000; SET LOCAL lock_timeout = 60000;"
               "SELECT pg_advisory_xact_lock(7092313508241733989)"};
