/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a function's log: first what there is, from the log store or, where there is none, from
 * memory; then what comes, from memory as long as that has all of it. A reader says where it has
 * got to, so that it can go on with another connection or another run of the daemon, and sees each
 * event once. */
#include "lambda_int.h"

#define WAKE_MS 20           /* for events that come together */
#define CLOCK_TRUST_MS 61000 /* an event's time is about the time at which it came (streams.c) */

struct log_group *lambda__log_find(struct lambda *l, struct str name_or_arn)
{
    struct log_group *g = map_get(&l->logs, name_or_arn);
    const struct function *f = g ? NULL : lambda_find(l, name_or_arn, STR(""));
    return f ? f->log : g;
}

void lambda__log_line(struct buf *out, uint64_t seq, int64_t at_ms, struct str stream,
                      struct str message)
{
    buf_addz(out, "{\"seq\":");
    buf_addu(out, seq);
    buf_addz(out, ",\"timestamp\":");
    buf_addu(out, at_ms > 0 ? (uint64_t)at_ms : 0);
    buf_addz(out, ",\"stream\":");
    json_write_str(out, stream);
    buf_addz(out, ",\"message\":");
    json_write_str(out, message);
    buf_addz(out, "}\n");
}

/* --- the end of one --------------------------------------------------------------------------- */

static void tell(struct post *p)
{
    struct lambda_log_read *r = CONTAINER_OF(p, struct lambda_log_read, post);
    r->done(r, r->err);
}

/* Never from inside the call that began it. */
static void finish(struct lambda_log_read *r, enum err err)
{
    r->err = err ? err : r->lines.err;
    r->post.fn = tell;
    run_post(r->lambda->o.control, &r->post);
}

/* All up to `seq` has been seen. */
static void seen_until(struct lambda_log_read *r, uint64_t seq)
{
    r->place = (struct lambda_log_place){.after = seq};
}

static void from_memory(struct lambda_log_read *r)
{
    lambda__log_lines(r->group, r->place.after, r->since_ms, r->filter, &r->lines);
    if (lambda__log_last(r->group) > r->place.after)
        seen_until(r, lambda__log_last(r->group));
}

/* --- from the store --------------------------------------------------------------------------- */

static void on_found(struct log_query *q, enum err err)
{
    struct lambda_log_read *r = CONTAINER_OF(q, struct lambda_log_read, query);
    bool backward = q->order == LOG_NEWEST_FIRST;
    for (size_t i = 0; i < q->count && err == ERR_OK; i++) {
        const struct log_event *e = &q->events[backward ? q->count - 1 - i : i];
        lambda__log_line(&r->lines, e->seq, e->at_ms, e->stream, e->message);
    }
    if (err != ERR_OK) { /* there is no store: what memory has is all there is */
        from_memory(r);
    } else if (q->more && !backward) {
        r->more = true;
        r->place.at_ms = q->cursor.at_ms;
        r->place.seq = q->cursor.seq;
    } else {
        seen_until(r, r->place.until);
    }
    log_query_fini(q);
    finish(r, ERR_OK);
}

static void from_store(struct lambda_log_read *r)
{
    struct lambda *l = r->lambda;
    int64_t came_ms = (int64_t)(r->place.after / 1000) - CLOCK_TRUST_MS;
    bool latest = r->since_ms == 0 && r->place.after == 0;
    if (r->place.until == 0)
        r->place.until = l->log_seq;
    r->query = (struct log_query){
        .group = r->log_group,
        .stream_part = r->stream_part,
        .filter = r->filter,
        .from_ms = r->since_ms > came_ms ? r->since_ms : came_ms,
        .after_seq = r->place.after,
        .until_seq = r->place.until,
        .order = latest ? LOG_NEWEST_FIRST : LOG_OLDEST_FIRST,
        .cursor = {r->place.at_ms, r->place.seq},
        .limit = latest ? LIMIT_LOG_EVENTS : 0,
        .done = on_found,
    };
    logstore_query(l->o.logs, &r->query);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void leave(struct lambda_log_read *r)
{
    struct log_waiters *w = lambda__log_waiters(r->group);
    struct lambda_log_read **at = &w->first;
    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    r->waits = false;
    timer_stop(&r->timer);
}

static void waited_long_enough(struct timer *t)
{
    struct lambda_log_read *r = CONTAINER_OF(t, struct lambda_log_read, timer);
    leave(r);
    finish(r, ERR_OK);
}

static void wake_all(struct timer *t)
{
    struct log_waiters *w = CONTAINER_OF(t, struct log_waiters, wake);
    struct lambda_log_read *r = w->first, *next;
    for (; r; r = next) {
        next = r->next;
        if (!lambda__log_has_all(r->group, r->place.after)) {
            leave(r);
            from_store(r);
            continue;
        }
        from_memory(r);
        if (r->lines.n > 0) { /* else it was all filtered out */
            leave(r);
            finish(r, ERR_OK);
        }
    }
}

void lambda__log_wake(struct lambda *l, struct log_group *g)
{
    struct log_waiters *w = lambda__log_waiters(g);
    if (w->first && w->wake.loop == NULL)
        timer_start(l->o.control, &w->wake, WAKE_MS, wake_all);
}

void lambda__log_end_waiters(struct lambda *l)
{
    struct str name;
    void *group;
    for (size_t at = 0; map_next(&l->logs, &at, &name, &group);) {
        struct log_waiters *w = lambda__log_waiters(group);
        while (w->first) {
            struct lambda_log_read *r = w->first;
            leave(r);
            finish(r, ERR_OK);
        }
    }
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* Which group of the store, and which streams in it. */
static enum err find_group(struct lambda_log_read *r)
{
    const struct function *f = lambda_find(r->lambda, r->function, STR(""));
    r->group = lambda__log_find(r->lambda, r->function);
    if (!r->group)
        return ERR_NOTFOUND;
    struct str name = f ? f->spec.name : r->function;
    buf_addf(&r->names, "/%.*s[", STR_ARG(name));
    size_t n = r->names.n;
    if (f)
        buf_add(&r->names, f->spec.logging.group);
    else
        buf_addf(&r->names, LOG_GROUP_PREFIX "%.*s", STR_ARG(name));
    r->log_group = str_from(buf_str(&r->names), n);
    if (f && !lambda__log_group_is_default(f))
        r->stream_part = str_sub(buf_str(&r->names), 0, n);
    return r->names.err;
}

void lambda_log_read(struct lambda *l, struct lambda_log_read *r)
{
    r->lambda = l;
    r->more = r->waits = false;
    r->lines = BUF_INIT(MIB(64));
    r->names = BUF_INIT(KIB(2));
    r->log_group = r->stream_part = STR("");
    enum err err = find_group(r);
    if (err != ERR_OK) {
        finish(r, err);
        return;
    }
    if (r->place.after > l->log_seq && r->place.until == 0) /* of a run with another clock */
        r->place.after = 0;
    bool begins = r->place.after == 0 || r->place.until > 0;
    if (begins || !lambda__log_has_all(r->group, r->place.after)) {
        if (l->o.logs) {
            from_store(r);
        } else {
            from_memory(r);
            finish(r, ERR_OK);
        }
        return;
    }
    from_memory(r);
    if (r->lines.n > 0 || r->wait_ms <= 0 || l->closing) {
        finish(r, ERR_OK);
        return;
    }
    struct log_waiters *w = lambda__log_waiters(r->group);
    r->waits = true;
    r->next = w->first;
    w->first = r;
    timer_start(l->o.control, &r->timer, r->wait_ms, waited_long_enough);
}

void lambda_log_read_stop(struct lambda_log_read *r)
{
    if (!r->waits)
        return;
    leave(r);
    finish(r, ERR_CANCELLED);
}

void lambda_log_read_fini(struct lambda_log_read *r)
{
    buf_fini(&r->lines);
    buf_fini(&r->names);
}
