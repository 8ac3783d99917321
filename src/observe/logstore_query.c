/* SPDX-License-Identifier: Apache-2.0
 *
 * What the log store is asked: events of a group or a stream, forward or backward, and the names of
 * groups and streams. An answer is a page with an end in events, bytes and rows looked at; the
 * cursor says where the next begins. Invariant: `done` comes once, never from inside the call. */
#include "logstore_int.h"

#define COLUMNS                                                                    \
    "SELECT e.seq, e.at_ms, s.name, e.message FROM log_event e JOIN log_stream s " \
    "ON s.id = e.log_stream "

static bool contains(struct str text, struct str part)
{
    return part.n == 0 || str_find(text, part) != SIZE_MAX;
}

/* ERR_LIMIT: the page is full; what this row has belongs to the next one. */
static enum err take_event(void *arg, const struct store_value *v, size_t n)
{
    struct log_query *q = arg;
    ASSERT(n == 4);
    if (q->count == q->limit || q->seen == LIMIT_LOG_SCAN || q->bytes > LIMIT_LOG_PAGE_BYTES)
        return ERR_LIMIT;
    uint64_t seq = (uint64_t)v[0].i;
    bool wanted = seq > q->after_seq && (q->until_seq == 0 || seq <= q->until_seq) &&
                  contains(v[2].s, q->stream_part) && contains(v[3].s, q->filter);
    if (wanted) {
        struct log_event *e = &q->events[q->count];
        *e = (struct log_event){seq, v[1].i, arena_str(q->arena, v[2].s),
                                arena_str(q->arena, v[3].s)};
        if (e->stream.p == NULL || e->message.p == NULL)
            return ERR_NOMEM;
        q->count++;
        q->bytes += e->message.n;
    }
    q->seen++;
    q->cursor = (struct log_cursor){v[1].i, seq};
    return ERR_OK;
}

static enum err events_run(struct store_job *j, struct store_tx *tx)
{
    static const struct stmt STMT_events[2][2] = {
        {SQL(COLUMNS "WHERE e.log_group = $1 AND (e.at_ms, e.seq) > ($2, $3) AND e.at_ms >= $4 "
                     "AND e.at_ms < $5 ORDER BY e.at_ms, e.seq"),
         SQL(COLUMNS "WHERE e.log_group = $1 AND (e.at_ms, e.seq) < ($2, $3) AND e.at_ms >= $4 "
                     "AND e.at_ms < $5 ORDER BY e.at_ms DESC, e.seq DESC")},
        {SQL(COLUMNS "WHERE e.log_stream = $1 AND (e.at_ms, e.seq) > ($2, $3) AND e.at_ms >= $4 "
                     "AND e.at_ms < $5 ORDER BY e.at_ms, e.seq"),
         SQL(COLUMNS "WHERE e.log_stream = $1 AND (e.at_ms, e.seq) < ($2, $3) AND e.at_ms >= $4 "
                     "AND e.at_ms < $5 ORDER BY e.at_ms DESC, e.seq DESC")},
    };
    struct log_query *q = j->arg;
    bool backward = q->order == LOG_NEWEST_FIRST;
    struct log_cursor from = q->cursor;
    int64_t id;
    if (from.seq == 0) /* before or behind everything */
        from = (struct log_cursor){backward ? INT64_MAX : -1, 0};
    enum err err = log__id(q->group, q->stream, &id);
    if (err != ERR_OK)
        return err;
    struct store_value args[] = {STORE_I(id), STORE_I(from.at_ms), STORE_I((int64_t)from.seq),
                                 STORE_I(q->from_ms),
                                 STORE_I(q->until_ms ? q->until_ms : INT64_MAX)};
    q->count = q->bytes = q->seen = 0;
    err =
        store_run(tx, &STMT_events[q->stream.n > 0][backward], args, COUNTOF(args), take_event, q);
    q->more = err == ERR_LIMIT;
    return q->more ? ERR_OK : err;
}

static void events_done(struct store_job *j, enum err err)
{
    struct log_query *q = j->arg;
    struct logstore *s = q->logs;
    s->asked--;
    q->done(q, err);
    log__maybe_closed(s);
}

static void events_failed(struct post *p)
{
    struct log_query *q = CONTAINER_OF(p, struct log_query, post);
    q->done(q, ERR_UNAVAILABLE);
}

void log__query_start(struct log_query *q, enum err err)
{
    struct logstore *s = q->logs;
    q->job =
        (struct store_job){.access = STORE_READ, .run = events_run, .done = events_done, .arg = q};
    if (err == ERR_OK)
        err = store_submit(s->o.store, s->o.control, &q->job);
    if (err == ERR_OK) {
        s->asked++;
        return;
    }
    q->post.fn = events_failed;
    run_post(s->o.control, &q->post);
}

void logstore_query(struct logstore *s, struct log_query *q)
{
    q->logs = s;
    q->limit = q->limit && q->limit < LIMIT_LOG_PAGE ? q->limit : LIMIT_LOG_PAGE;
    q->arena = arena_new(KIB(16), LIMIT_LOG_PAGE_BYTES + MIB(8));
    q->events = q->arena ? ARENA_ARRAY(q->arena, q->limit, struct log_event) : NULL;
    enum err err = q->events ? log__ready(s) : ERR_NOMEM;
    if (err != ERR_BUSY) {
        log__query_start(q, err);
        return;
    }
    struct log_query **last = &s->queries;
    while (*last)
        last = &(*last)->next;
    q->next = NULL;
    *last = q;
}

void log_query_fini(struct log_query *q)
{
    arena_free(q->arena);
    q->arena = NULL;
}

/* --- names ------------------------------------------------------------------------------------ */
static enum err take_listed(void *arg, const struct store_value *v, size_t n)
{
    struct log_list *q = arg;
    ASSERT(n == 6);
    if (q->prefix.n > 0 && !str_starts(v[0].s, q->prefix))
        return ERR_CANCELLED; /* they stand together: there is no more */
    if (q->count == q->limit)
        return ERR_LIMIT;
    struct log_listed *l = &q->listed[q->count++];
    *l = (struct log_listed){
        arena_str(q->arena, v[0].s),        v[1].i, v[2].i, v[3].i, (uint64_t)v[4].i,
        v[5].type == STORE_INT ? v[5].i : 0};
    return l->name.p ? ERR_OK : ERR_NOMEM;
}

static enum err take_found(void *arg, const struct store_value *v, size_t n)
{
    (void)v;
    *(bool *)arg = n == 1;
    return ERR_OK;
}

static enum err list_run(struct store_job *j, struct store_tx *tx)
{
    static const struct stmt STMT_exists = SQL("SELECT id FROM log_group WHERE id = $1");
    static const struct stmt STMT_groups =
        SQL("SELECT name, created_ms, 0, 0, 0, retention_days FROM log_group WHERE name >= $1 "
            "AND name > $2 ORDER BY name");
    static const struct stmt STMT_streams =
        SQL("SELECT name, created_ms, first_ms, last_ms, last_seq, NULL FROM log_stream "
            "WHERE log_group = $1 AND name >= $2 AND name > $3 ORDER BY name");
    struct log_list *q = j->arg;
    bool streams = q->group.n > 0, found = !streams;
    int64_t id;
    enum err err = log__id(q->group, STR(""), &id);
    struct store_value args[] = {STORE_I(id), STORE_S(q->prefix), STORE_S(q->after)};
    q->count = 0;
    if (err == ERR_OK && streams)
        err = store_run(tx, &STMT_exists, args, 1, take_found, &found);
    if (err == ERR_OK && !found)
        return ERR_NOTFOUND;
    if (err == ERR_OK && streams)
        err = store_run(tx, &STMT_streams, args, 3, take_listed, q);
    else if (err == ERR_OK)
        err = store_run(tx, &STMT_groups, args + 1, 2, take_listed, q);
    q->more = err == ERR_LIMIT;
    return q->more || err == ERR_CANCELLED ? ERR_OK : err;
}

static void list_done(struct store_job *j, enum err err)
{
    struct log_list *q = j->arg;
    struct logstore *s = q->logs;
    s->asked--;
    q->done(q, err);
    log__maybe_closed(s);
}

static void list_failed(struct post *p)
{
    struct log_list *q = CONTAINER_OF(p, struct log_list, post);
    q->done(q, ERR_UNAVAILABLE);
}

void log__list_start(struct log_list *q, enum err err)
{
    struct logstore *s = q->logs;
    q->job = (struct store_job){.access = STORE_READ, .run = list_run, .done = list_done, .arg = q};
    if (err == ERR_OK)
        err = store_submit(s->o.store, s->o.control, &q->job);
    if (err == ERR_OK) {
        s->asked++;
        return;
    }
    q->post.fn = list_failed;
    run_post(s->o.control, &q->post);
}

void logstore_list(struct logstore *s, struct log_list *q)
{
    q->logs = s;
    q->limit = q->limit && q->limit < LIMIT_LOG_LIST ? q->limit : LIMIT_LOG_LIST;
    q->arena = arena_new(KIB(4), MIB(4));
    q->listed = q->arena ? ARENA_ARRAY(q->arena, q->limit, struct log_listed) : NULL;
    enum err err = q->listed ? log__ready(s) : ERR_NOMEM;
    if (err != ERR_BUSY) {
        log__list_start(q, err);
        return;
    }
    struct log_list **last = &s->lists;
    while (*last)
        last = &(*last)->next;
    q->next = NULL;
    *last = q;
}

void log_list_fini(struct log_list *q)
{
    arena_free(q->arena);
    q->arena = NULL;
}
