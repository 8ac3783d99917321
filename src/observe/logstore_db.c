/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the log store and what is written to them, in its lane. An event's number is its
 * row; groups and streams have ids made from their names. Oldest events go first: those that are
 * past the days of their group, then whatever is beyond the bytes of the store. */
#include "base/crypt.h"
#include "logstore_int.h"

#define DAY_MS INT64_C(86400000)

/* For SQLite alone, where INTEGER PRIMARY KEY is the row's own number of 64 bits. */
static const struct migration migrations[] = {
    {"CREATE TABLE log_group (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, "
     "created_ms BIGINT NOT NULL, retention_days BIGINT);"
     "CREATE TABLE log_stream (id BIGINT NOT NULL PRIMARY KEY, log_group BIGINT NOT NULL, "
     "name TEXT NOT NULL, created_ms BIGINT NOT NULL, first_ms BIGINT NOT NULL, "
     "last_ms BIGINT NOT NULL, last_seq BIGINT NOT NULL);"
     "CREATE TABLE log_event (seq INTEGER NOT NULL PRIMARY KEY, log_group BIGINT NOT NULL, "
     "log_stream BIGINT NOT NULL, at_ms BIGINT NOT NULL, message TEXT NOT NULL);"
     "CREATE INDEX log_group_name ON log_group (name);"
     "CREATE INDEX log_stream_name ON log_stream (log_group, name);"
     "CREATE INDEX log_stream_age ON log_stream (last_seq);"
     "CREATE INDEX log_event_group ON log_event (log_group, at_ms, seq);"
     "CREATE INDEX log_event_stream ON log_event (log_stream, at_ms, seq)"},
};

enum err log__id(struct str group, struct str stream, int64_t *out)
{
    unsigned char sha[SHA256_BYTES];
    AUTO_BUF names = BUF_INIT(KIB(4));
    buf_addu(&names, group.n);
    buf_addc(&names, ' ');
    buf_add(&names, group);
    buf_add(&names, stream);
    enum err err = names.err ? names.err : crypt_sha256(buf_str(&names), sha);
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof id && err == ERR_OK; i++)
        id = id << 8 | sha[i];
    *out = (int64_t)(id & INT64_MAX);
    return err;
}

static enum err take_number(void *arg, const struct store_value *v, size_t n)
{
    int64_t *number = arg;
    *number = n == 1 && v[0].type == STORE_INT ? v[0].i : 0;
    return ERR_OK;
}

enum err log__db_open(struct store *store, uint64_t *kept_seq, struct errinfo *e)
{
    static const struct stmt last = SQL("SELECT max(seq) FROM log_event");
    int64_t seq = 0;
    enum err err = store_open(store, "logs", migrations, COUNTOF(migrations), e);
    if (err == ERR_OK)
        err = store_read_now(store, &last, NULL, 0, take_number, &seq, e);
    *kept_seq = seq > 0 ? (uint64_t)seq : 0;
    return err;
}

/* --- a batch ---------------------------------------------------------------------------------- */
static struct str text_at(const struct log__batch *b, size_t at, size_t n)
{
    return str_sub(buf_str(&b->text), at, n);
}

static enum err put_target(struct store_tx *tx, const struct log__batch *b,
                           const struct log__target *t)
{
    static const struct stmt STMT_group =
        SQL("INSERT INTO log_group (id, name, created_ms, retention_days) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (id) DO UPDATE SET "
            "retention_days = coalesce(excluded.retention_days, log_group.retention_days)");
    static const struct stmt STMT_stream =
        SQL("INSERT INTO log_stream (id, log_group, name, created_ms, first_ms, last_ms, last_seq) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET "
            "first_ms = CASE WHEN excluded.first_ms < log_stream.first_ms THEN excluded.first_ms "
            "ELSE log_stream.first_ms END, "
            "last_ms = CASE WHEN excluded.last_ms > log_stream.last_ms THEN excluded.last_ms "
            "ELSE log_stream.last_ms END, last_seq = excluded.last_seq");
    if (t->last_seq == 0) /* its first event found no memory */
        return ERR_OK;
    int64_t now_ms = (int64_t)(t->last_seq / 1000);
    struct store_value group[] = {STORE_I(t->group_id),
                                  STORE_S(text_at(b, t->group_at, t->group_n)), STORE_I(now_ms),
                                  t->retention_days ? STORE_I(t->retention_days) : STORE_N};
    struct store_value stream[] = {STORE_I(t->stream_id),
                                   STORE_I(t->group_id),
                                   STORE_S(text_at(b, t->stream_at, t->stream_n)),
                                   STORE_I(now_ms),
                                   STORE_I(t->first_ms),
                                   STORE_I(t->last_ms),
                                   STORE_I((int64_t)t->last_seq)};
    enum err err = store_run(tx, &STMT_group, group, COUNTOF(group), NULL, NULL);
    return err ? err : store_run(tx, &STMT_stream, stream, COUNTOF(stream), NULL, NULL);
}

enum err log__db_write(struct store_job *j, struct store_tx *tx)
{
    /* A number can be there already when the clock was turned back before the file was opened. */
    static const struct stmt STMT_event =
        SQL("INSERT INTO log_event (seq, log_group, log_stream, at_ms, message) VALUES ($1, $2, "
            "$3, $4, $5) ON CONFLICT (seq) DO NOTHING");
    const struct log__batch *b = j->arg;
    enum err err = ERR_OK;
    for (size_t i = 0; i < b->target_count && err == ERR_OK; i++)
        err = put_target(tx, b, &b->targets[i]);
    for (size_t i = 0; i < b->count && err == ERR_OK; i++) {
        const struct log__record *r = &b->records[i];
        const struct log__target *t = &b->targets[r->target];
        struct store_value args[] = {STORE_I((int64_t)r->seq), STORE_I(t->group_id),
                                     STORE_I(t->stream_id), STORE_I(r->at_ms),
                                     STORE_S(text_at(b, r->at, r->n))};
        err = store_run(tx, &STMT_event, args, COUNTOF(args), NULL, NULL);
    }
    return err;
}

/* --- what goes -------------------------------------------------------------------------------- */
static enum err drop_old(struct log__sweep *w, struct store_tx *tx)
{
    static const struct stmt STMT_old =
        SQL("DELETE FROM log_event WHERE seq IN (SELECT e.seq FROM log_group g "
            "JOIN log_event e ON e.log_group = g.id "
            "WHERE coalesce(g.retention_days, $1) > 0 "
            "AND e.at_ms < $2 - 86400000 * coalesce(g.retention_days, $1) LIMIT $3)");
    struct store_value args[] = {STORE_I(w->retention_days), STORE_I(w->now_ms),
                                 STORE_I(LIMIT_LOG_SWEEP_EVENTS)};
    enum err err = store_run(tx, &STMT_old, args, COUNTOF(args), NULL, NULL);
    w->more = store_changed(tx) == LIMIT_LOG_SWEEP_EVENTS;
    return err;
}

static enum err drop_beyond(struct log__sweep *w, struct store_tx *tx)
{
    static const struct stmt STMT_used =
        SQL("SELECT (page_count - freelist_count) * page_size "
            "FROM pragma_page_count, pragma_freelist_count, pragma_page_size");
    static const struct stmt STMT_oldest =
        SQL("DELETE FROM log_event WHERE seq IN (SELECT seq FROM log_event ORDER BY seq LIMIT $1)");
    struct store_value args[] = {STORE_I(LIMIT_LOG_SWEEP_EVENTS)};
    int64_t used = 0;
    enum err err = store_run(tx, &STMT_used, NULL, 0, take_number, &used);
    if (err != ERR_OK || used < 0 || (uint64_t)used <= w->bytes_max)
        return err;
    err = store_run(tx, &STMT_oldest, args, COUNTOF(args), NULL, NULL);
    w->more = w->more || store_changed(tx) > 0;
    return err;
}

/* Streams whose events have all gone. Their group stays: it is one name. */
static enum err drop_empty(const struct log__sweep *w, struct store_tx *tx)
{
    static const struct stmt STMT_empty =
        SQL("DELETE FROM log_stream WHERE id IN (SELECT s.id FROM log_stream s WHERE NOT EXISTS "
            "(SELECT 1 FROM log_event e WHERE e.log_stream = s.id) ORDER BY s.last_seq LIMIT $1)");
    struct store_value args[] = {STORE_I(LIMIT_LOG_SWEEP_EVENTS)};
    (void)w;
    return store_run(tx, &STMT_empty, args, COUNTOF(args), NULL, NULL);
}

enum err log__db_sweep(struct store_job *j, struct store_tx *tx)
{
    struct logstore *s = j->arg;
    struct log__sweep *w = &s->sweep;
    w->more = false;
    enum err err = drop_old(w, tx);
    if (err == ERR_OK)
        err = drop_beyond(w, tx);
    return err ? err : drop_empty(w, tx);
}
