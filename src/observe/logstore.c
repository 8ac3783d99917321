/* SPDX-License-Identifier: Apache-2.0
 *
 * Log events on their way to the disk: a batch is filled while the one before is written, and both
 * have an end. Invariant: nothing here waits; an event finds room at once or is counted as lost. */
#include "base/log.h"
#include "base/mem.h"
#include "logstore_int.h"

static void batch_reset(struct log__batch *b, uint64_t serial)
{
    buf_reset(&b->text);
    b->target_count = b->count = 0;
    b->serial = serial;
}

enum err logstore_new(const struct logstore_options *o, struct logstore **out)
{
    struct logstore *s = mem_alloc(sizeof *s);
    *out = s;
    if (s == NULL)
        return ERR_NOMEM;
    s->o = *o;
    for (size_t i = 0; i < COUNTOF(s->batches); i++) {
        s->batches[i].logs = s;
        s->batches[i].text = BUF_INIT(LIMIT_LOG_PENDING);
        batch_reset(&s->batches[i], i + 1);
    }
    s->filling = &s->batches[0];
    return ERR_OK;
}

void logstore_free(struct logstore *s)
{
    if (s == NULL)
        return;
    ASSERT(!s->writing && s->asked == 0 && !s->sweep.running && s->state != LOGS_OPENING);
    timer_stop(&s->timer);
    timer_stop(&s->sweep_timer);
    for (size_t i = 0; i < COUNTOF(s->batches); i++) {
        buf_fini(&s->batches[i].text);
        mem_free(s->batches[i].targets);
        mem_free(s->batches[i].records);
    }
    mem_free(s);
}

/* --- opening ---------------------------------------------------------------------------------- */
static void open_work(struct work *w)
{
    struct logstore *s = CONTAINER_OF(w, struct logstore, opening);
    s->open_err = log__db_open(s->o.store, &s->kept_seq, &s->open_why);
}

enum err log__ready(struct logstore *s)
{
    log__flush(s);
    if (s->state == LOGS_OPEN && s->filling->count > 0)
        return ERR_BUSY;
    return s->state == LOGS_OPEN ? ERR_OK : s->state == LOGS_OPENING ? ERR_BUSY : ERR_UNAVAILABLE;
}

static void start_waiting(struct logstore *s)
{
    enum err err = log__ready(s);
    if (err == ERR_BUSY)
        return;
    struct log_query *q = s->queries, *next_query;
    struct log_list *l = s->lists, *next_list;
    s->queries = NULL;
    s->lists = NULL;
    for (; q; q = next_query) {
        next_query = q->next;
        log__query_start(q, err);
    }
    for (; l; l = next_list) {
        next_list = l->next;
        log__list_start(l, err);
    }
}

static void lose(struct logstore *s, const struct log__batch *b)
{
    s->lost.events += b->count;
    s->lost.bytes += b->text.n;
}

static void sweep_start(struct logstore *s);

static void open_done(struct work *w)
{
    struct logstore *s = CONTAINER_OF(w, struct logstore, opening);
    s->state = s->open_err == ERR_OK ? LOGS_OPEN : LOGS_FAILED;
    if (s->open_err != ERR_OK) {
        log_error("observe",
                  "function logs are not kept: %s; the file may be deleted while the daemon is "
                  "stopped",
                  s->open_why.text[0] ? s->open_why.text : err_text(s->open_err));
        lose(s, s->filling);
        batch_reset(s->filling, s->filling->serial + COUNTOF(s->batches));
    } else {
        if (s->last_seq <= s->kept_seq)
            s->last_seq = s->kept_seq;
        sweep_start(s);
    }
    start_waiting(s);
    log__maybe_closed(s);
}

static bool ensure_open(struct logstore *s)
{
    if (s->state == LOGS_SHUT) {
        s->opening = (struct work){.work = open_work, .done = open_done};
        if (run_work(s->o.control, LANE_IO, &s->opening) == ERR_OK)
            s->state = LOGS_OPENING;
    }
    return s->state == LOGS_OPEN;
}

/* --- writing ---------------------------------------------------------------------------------- */
static void say_losses(struct logstore *s)
{
    struct log_losses more = {s->lost.events - s->said.events, s->lost.bytes - s->said.bytes};
    if (more.events == 0)
        return;
    s->said = s->lost;
    log_warn("observe", "%llu log events (%llu bytes) were not kept",
             (unsigned long long)more.events, (unsigned long long)more.bytes);
}

static void write_done(struct store_job *j, enum err err)
{
    struct log__batch *b = CONTAINER_OF(j, struct log__batch, job);
    struct logstore *s = b->logs;
    s->writing = false;
    if (err != ERR_OK)
        lose(s, b); /* the store has said why */
    else
        say_losses(s);
    s->written += b->text.n;
    batch_reset(b, b->serial + COUNTOF(s->batches));
    start_waiting(s);
    if (s->written > LIMIT_LOG_SWEEP_BYTES && !s->closing)
        sweep_start(s);
    log__maybe_closed(s);
}

void log__flush(struct logstore *s)
{
    struct log__batch *b = s->filling;
    if (!ensure_open(s) || s->writing || b->count == 0)
        return;
    b->job = (struct store_job){
        .access = STORE_WRITE, .run = log__db_write, .done = write_done, .arg = b};
    s->filling = b == &s->batches[0] ? &s->batches[1] : &s->batches[0];
    s->writing = true;
    if (store_submit(s->o.store, s->o.control, &b->job) == ERR_OK) {
        timer_stop(&s->timer);
        return;
    }
    s->writing = false; /* the lane is full or has no thread: the timer tries again */
    s->filling = b;
}

static void on_timer(struct timer *t)
{
    struct logstore *s = CONTAINER_OF(t, struct logstore, timer);
    start_waiting(s);
    if (s->filling->count > 0 && s->state != LOGS_FAILED)
        timer_start(s->o.control, &s->timer, LOG_BATCH_MS, on_timer);
}

/* --- sweeping --------------------------------------------------------------------------------- */
static void on_sweep_timer(struct timer *t)
{
    sweep_start(CONTAINER_OF(t, struct logstore, sweep_timer));
}

static void sweep_done(struct store_job *j, enum err err)
{
    struct logstore *s = j->arg;
    s->sweep.running = false;
    if (err == ERR_OK && s->sweep.more && !s->closing)
        sweep_start(s);
    log__maybe_closed(s);
}

static void sweep_start(struct logstore *s)
{
    if (s->sweep.running)
        return;
    s->written = 0;
    s->sweep = (struct log__sweep){.now_ms = loop_wall_us(s->o.control) / 1000,
                                   .bytes_max = s->o.bytes_max,
                                   .retention_days = s->o.retention_days,
                                   .running = true};
    s->sweep.job = (struct store_job){
        .access = STORE_WRITE, .run = log__db_sweep, .done = sweep_done, .arg = s};
    timer_stop(&s->sweep_timer);
    timer_start(s->o.control, &s->sweep_timer, LOG_SWEEP_MS, on_sweep_timer);
    if (store_submit(s->o.store, s->o.control, &s->sweep.job) != ERR_OK)
        s->sweep.running = false;
}

/* --- streams and events ----------------------------------------------------------------------- */
struct log_stream {
    struct logstore *logs;
    int64_t group_id, id;
    unsigned retention_days;
    uint64_t batch; /* the serial of the batch in which `target` is its own */
    size_t target, group_n, n;
    char names[]; /* the group's, then its own */
};

struct log_stream *log_stream_open(struct logstore *s, struct str group, struct str name,
                                   unsigned retention_days)
{
    struct log_stream *stream = mem_alloc(sizeof *stream + group.n + name.n);
    if (stream == NULL)
        return NULL;
    *stream = (struct log_stream){
        .logs = s, .retention_days = retention_days, .group_n = group.n, .n = name.n};
    memcpy(stream->names, group.p, group.n);
    memcpy(stream->names + group.n, name.p, name.n);
    if (log__id(group, STR(""), &stream->group_id) != ERR_OK ||
        log__id(group, name, &stream->id) != ERR_OK) {
        mem_free(stream);
        return NULL;
    }
    return stream;
}

void log_stream_close(struct log_stream *stream)
{
    mem_free(stream);
}

struct str log_stream_name(const struct log_stream *stream)
{
    return str_of(stream->names + stream->group_n, stream->n);
}

uint64_t logstore_seq(struct logstore *s, int64_t wall_us)
{
    uint64_t now = wall_us > 0 ? (uint64_t)wall_us : 1;
    s->last_seq = now > s->last_seq ? now : s->last_seq + 1;
    return s->last_seq;
}

static bool grow(void **array, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 64;
    void *grown = mem_realloc(*array, more * size);
    if (grown == NULL)
        return false;
    *array = grown;
    *cap = more;
    return true;
}

static struct log__target *target_of(struct log__batch *b, struct log_stream *stream)
{
    struct str names = str_of(stream->names, stream->group_n + stream->n);
    if (stream->batch == b->serial)
        return &b->targets[stream->target];
    if (!grow((void **)&b->targets, &b->target_cap, b->target_count, sizeof b->targets[0]))
        return NULL;
    struct log__target *t = &b->targets[b->target_count];
    *t = (struct log__target){.group_id = stream->group_id,
                              .stream_id = stream->id,
                              .retention_days = stream->retention_days,
                              .group_at = b->text.n,
                              .group_n = stream->group_n,
                              .stream_at = b->text.n + stream->group_n,
                              .stream_n = stream->n,
                              .first_ms = INT64_MAX,
                              .last_ms = INT64_MIN};
    buf_add(&b->text, names);
    if (b->text.err != ERR_OK)
        return NULL;
    stream->batch = b->serial;
    stream->target = b->target_count++;
    return t;
}

static bool put(struct log__batch *b, struct log_stream *stream, uint64_t seq, int64_t at_ms,
                struct str message)
{
    size_t room = b->text.max - b->text.n, names = stream->group_n + stream->n;
    if (b->count >= LIMIT_LOG_PENDING_EVENTS || room < names || room - names < message.n)
        return false;
    struct log__target *t = target_of(b, stream);
    if (t == NULL || !grow((void **)&b->records, &b->cap, b->count, sizeof b->records[0]))
        return false;
    b->records[b->count] = (struct log__record){seq, at_ms, stream->target, b->text.n, message.n};
    buf_add(&b->text, message);
    if (b->text.err != ERR_OK)
        return false;
    b->count++;
    t->first_ms = at_ms < t->first_ms ? at_ms : t->first_ms;
    t->last_ms = at_ms > t->last_ms ? at_ms : t->last_ms;
    t->last_seq = seq;
    return true;
}

void log_stream_put(struct log_stream *stream, uint64_t seq, int64_t at_ms, struct str message)
{
    struct logstore *s = stream->logs;
    struct log__batch *b = s->filling;
    if (s->state == LOGS_FAILED || !put(b, stream, seq, at_ms, message)) {
        s->lost.events++;
        s->lost.bytes += message.n;
        if (b->text.err == ERR_NOMEM) /* what it held before is whole */
            b->text.err = ERR_OK;
        return;
    }
    if (b->text.n >= LOG_BATCH_BYTES)
        log__flush(s);
    if (b == s->filling && s->timer.loop == NULL)
        timer_start(s->o.control, &s->timer, LOG_BATCH_MS, on_timer);
}

struct log_losses logstore_losses(const struct logstore *s)
{
    return s->lost;
}

/* --- the end ---------------------------------------------------------------------------------- */
static void tell_closed(struct post *p)
{
    struct logstore *s = CONTAINER_OF(p, struct logstore, closed_post);
    s->closed(s->closed_arg);
}

void log__maybe_closed(struct logstore *s)
{
    bool busy = s->state == LOGS_OPENING || s->writing || s->asked > 0 || s->sweep.running;
    if (!s->closing || busy || s->closed_post.fn)
        return;
    if (s->filling->count > 0) /* a last time, where the lane had no room before */
        log__flush(s);
    if (s->writing || s->state == LOGS_OPENING)
        return;
    lose(s, s->filling);
    say_losses(s);
    s->closed_post.fn = tell_closed;
    run_post(s->o.control, &s->closed_post);
}

void logstore_close(struct logstore *s, void (*closed)(void *arg), void *arg)
{
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    timer_stop(&s->timer);
    timer_stop(&s->sweep_timer);
    log__maybe_closed(s);
}
