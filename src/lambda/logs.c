/* SPDX-License-Identifier: Apache-2.0
 *
 * The log events of functions: each goes into the memory of its function, to the terminal of dev
 * and to the log store. A function that writes more than it may has the rest dropped and counted;
 * what the platform says of it is always kept. In memory: a ring, event n of a function stands at
 * n % LIMIT_LOG_EVENTS; the oldest go when there are too many or too many bytes. */
#include "base/crypt.h"
#include "base/mem.h"
#include "lambda_int.h"

#define BURST_S 5 /* what a function may write at once, in seconds of its rate */

struct ring_event {
    uint64_t seq, run;
    int64_t wall_us;
    char *text; /* owned: the message, then the name of its stream */
    size_t n, stream_n;
};
struct log_group {
    char name[LIMIT_FUNCTION_NAME + 1];
    uint64_t put;      /* events so far */
    uint64_t last_seq; /* of the newest event */
    uint64_t gone_seq; /* of the newest that is not here any more */
    size_t count, bytes;
    struct log_waiters waiters;
    /* how much it may still write: 0 and less = nothing */
    int64_t bytes_left, events_left, filled_us;
    bool floods;
    uint64_t dropped_events, dropped_bytes;
    struct ring_event ring[LIMIT_LOG_EVENTS];
};

struct log_group *lambda__log_group(struct lambda *l, struct str name)
{
    struct log_group *g = map_get(&l->logs, name);
    if (g)
        return g;
    ASSERT(name.n < sizeof g->name);
    g = mem_alloc(sizeof *g);
    if (!g)
        return NULL;
    memcpy(g->name, name.p, name.n);
    g->gone_seq = g->last_seq = l->log_seq;
    g->bytes_left = (int64_t)(BURST_S * l->o.log_bytes_rate);
    g->events_left = BURST_S * (int64_t)l->o.log_events_rate;
    g->filled_us = lambda__now_us(l);
    if (map_put(&l->logs, str_of(g->name, name.n), g, NULL) != ERR_OK) {
        mem_free(g);
        return NULL;
    }
    return g;
}

/* --- the ring --------------------------------------------------------------------------------- */

static struct ring_event *event_at(struct log_group *g, uint64_t n)
{
    return &g->ring[n % LIMIT_LOG_EVENTS];
}

static uint64_t first_of(const struct log_group *g)
{
    return g->put - g->count + 1;
}

static void drop_oldest(struct log_group *g)
{
    struct ring_event *e = event_at(g, first_of(g));
    g->gone_seq = e->seq;
    g->bytes -= e->n;
    mem_free(e->text);
    *e = (struct ring_event){0};
    g->count--;
}

void lambda__log_group_free(struct log_group *g)
{
    timer_stop(&g->waiters.wake);
    while (g->count > 0)
        drop_oldest(g);
    mem_free(g);
}

static void ring_put(struct log_group *g, struct ring_event e, struct str text, struct str stream)
{
    e.text = mem_alloc(text.n + stream.n);
    if (!e.text) {
        g->gone_seq = e.seq; /* the disk may have it */
        while (g->count > 0)
            drop_oldest(g);
        return;
    }
    memcpy(e.text, text.p, text.n);
    memcpy(e.text + text.n, stream.p, stream.n);
    e.n = text.n;
    e.stream_n = stream.n;
    while (g->count > 0 && (g->count == LIMIT_LOG_EVENTS || g->bytes + text.n > LIMIT_LOG_BYTES))
        drop_oldest(g);
    g->put++;
    g->count++;
    g->bytes += text.n;
    *event_at(g, g->put) = e;
}

/* --- one event -------------------------------------------------------------------------------- */

/* UTF-8 without NUL, as everything that reads a log expects it: what is not becomes U+FFFD. */
static struct str well_formed(struct str text, struct buf *b)
{
    if (str_is_utf8(text) && (text.n == 0 || !memchr(text.p, 0, text.n)))
        return text;
    *b = BUF_INIT(3 * LIMIT_LOG_LINE);
    buf_add_utf8(b, text);
    return buf_str(b);
}

static void keep(struct environment *env, int64_t wall_us, struct str text)
{
    struct lambda *l = env->function->lambda;
    struct log_group *g = env->function->log;
    AUTO_BUF formed = BUF_INIT(0);
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    text = well_formed(text, &formed);
    if (text.n == 0 || formed.err != ERR_OK)
        return;
    int64_t now = loop_wall_us(l->o.control);
    l->log_seq = l->o.logs ? logstore_seq(l->o.logs, now) : l->log_seq + 1;
    g->last_seq = l->log_seq;
    metric_add(&l->metrics, METRIC_LAMBDA_LOG_EVENTS, 1);
    struct ring_event e = {.seq = l->log_seq, .run = env->run, .wall_us = wall_us};
    ring_put(g, e, text, str_c(env->stream_name));
    if (env->log_stream)
        log_stream_put(env->log_stream, l->log_seq, wall_us / 1000, text);
    if (l->o.on_log)
        l->o.on_log(l->o.arg, str_c(g->name), text);
    lambda__log_wake(l, g);
}

void lambda__log_platform(struct environment *env, struct str text)
{
    keep(env, loop_wall_us(env->function->lambda->o.control), text);
}

/* --- levels ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned level;
} levels[] = {{"trace", 4},    {"debug", 8},  {"info", 12},  {"warn", 16},
              {"warning", 16}, {"error", 20}, {"fatal", 24}, {"critical", 24}};

/* A line of stdout has the level that it says as a JSON object; any other is INFO. (Developer
 * guide, "Log-level filtering".) */
static unsigned level_of(struct str line)
{
    unsigned level = DETAIL_INFO;
    const struct json *v;
    if (line.n == 0 || line.p[0] != '{')
        return level;
    struct arena *a = arena_new(KIB(4), MIB(4));
    if (a && json_parse_kept(a, line, LIMIT_LOG_LINE, &v) == ERR_OK) {
        struct str said = json_str_or(json_get(v, "level"), STR(""));
        for (size_t i = 0; i < COUNTOF(levels); i++)
            level = str_ieq(said, str_c(levels[i].name)) ? levels[i].level : level;
    }
    arena_free(a);
    return level;
}

static bool is_wanted(const struct function_logging *f, unsigned level, struct str text)
{
    if (!f->json || f->application_level <= DETAIL_TRACE)
        return true;
    return (level ? level : level_of(text)) >= f->application_level;
}

/* --- how much --------------------------------------------------------------------------------- */

static void refill(struct lambda *l, struct log_group *g)
{
    int64_t now = lambda__now_us(l), passed = now - g->filled_us;
    int64_t bytes = (int64_t)l->o.log_bytes_rate, events = (int64_t)l->o.log_events_rate;
    if (passed < 1000)
        return;
    passed = passed < BURST_S * 1000000L ? passed : BURST_S * 1000000L;
    g->filled_us = now;
    g->bytes_left += bytes * passed / 1000000;
    g->events_left += events * passed / 1000000;
    g->bytes_left = g->bytes_left < BURST_S * bytes ? g->bytes_left : BURST_S * bytes;
    g->events_left = g->events_left < BURST_S * events ? g->events_left : BURST_S * events;
    /* Not before there is room for a while: else each drop would be one event and a line of ours.
     */
    if (g->floods && g->bytes_left >= bytes / 2 && g->events_left >= events / 2)
        g->floods = false;
}

static bool admit(struct environment *env, size_t n)
{
    struct log_group *g = env->function->log;
    refill(env->function->lambda, g);
    if (!g->floods) {
        lambda__log_say_dropped(env);
        g->bytes_left -= (int64_t)n;
        g->events_left--;
        g->floods = g->bytes_left < 0 || g->events_left < 0;
    }
    if (!g->floods)
        return true;
    metric_add(&env->function->lambda->metrics, METRIC_LAMBDA_LOG_DROPPED, 1);
    g->dropped_events++;
    g->dropped_bytes += n;
    return false;
}

void lambda__log_say_dropped(struct environment *env)
{
    struct log_group *g = env->function->log;
    uint64_t events = g->dropped_events, bytes = g->dropped_bytes;
    g->dropped_events = g->dropped_bytes = 0;
    if (events > 0)
        lambda__say_dropped(env, events, bytes);
}

bool lambda__log_floods(const struct environment *env)
{
    return env->function->log->floods;
}

void lambda__log_application(struct environment *env, unsigned level, int64_t wall_us,
                             struct str text)
{
    if (is_wanted(&env->function->spec.logging, level, text) && admit(env, text.n))
        keep(env, wall_us, text);
}

bool lambda__log_group_is_default(const struct function *f)
{
    struct str group = f->spec.logging.group, prefix = STR(LOG_GROUP_PREFIX);
    return str_starts(group, prefix) && str_eq(str_from(group, prefix.n), f->spec.name);
}

/* --- the stream of an environment ------------------------------------------------------------- */

enum err lambda__log_open(struct environment *env)
{
    struct function *f = env->function;
    struct lambda *l = f->lambda;
    struct str group = f->spec.logging.group;
    unsigned char random[16];
    char id[33], day[TIME_TEXT];
    enum err err = crypt_random(random, sizeof random);
    if (err != ERR_OK)
        return err;
    crypt_hex(random, sizeof random, id);
    time_rfc3339(loop_wall_us(l->o.control), day);
    /* In a group of its own choice, which others may share, the function's name is in it. */
    bool own = lambda__log_group_is_default(f);
    snprintf(env->stream_name, sizeof env->stream_name, "%.4s/%.2s/%.2s/%.*s[%.*s]%s", day, day + 5,
             day + 8, own ? 0 : str_print_n(f->spec.name), f->spec.name.p, STR_ARG(f->spec.version),
             id);
    if (!l->o.logs)
        return ERR_OK;
    env->log_stream =
        log_stream_open(l->o.logs, group, str_c(env->stream_name), f->spec.logging.retention_days);
    return env->log_stream ? ERR_OK : ERR_NOMEM;
}

/* --- reading ---------------------------------------------------------------------------------- */

void lambda__log_write(struct log_group *g, uint64_t run, struct buf *out)
{
    bool first = true;
    for (uint64_t n = first_of(g); n <= g->put; n++) {
        const struct ring_event *e = event_at(g, n);
        if (e->run != run)
            continue;
        if (!first)
            buf_addc(out, ',');
        json_write_str(out, str_of(e->text, e->n));
        first = false;
    }
}

void lambda__log_tail(struct log_group *g, uint64_t run, struct buf *out)
{
    uint64_t from = g->put + 1;
    for (size_t bytes = 0; from > first_of(g) && bytes < LIMIT_LOG_TAIL; from--)
        bytes += event_at(g, from - 1)->run == run ? event_at(g, from - 1)->n + 1 : 0;
    for (; from <= g->put; from++) {
        const struct ring_event *e = event_at(g, from);
        if (e->run == run) {
            buf_add(out, str_of(e->text, e->n));
            buf_addc(out, '\n');
        }
    }
    if (out->n > LIMIT_LOG_TAIL)
        buf_consume(out, out->n - LIMIT_LOG_TAIL);
}

bool lambda__log_has_all(const struct log_group *g, uint64_t after)
{
    return after >= g->gone_seq;
}

uint64_t lambda__log_last(const struct log_group *g)
{
    return g->last_seq;
}

struct log_waiters *lambda__log_waiters(struct log_group *g)
{
    return &g->waiters;
}

void lambda__log_lines(struct log_group *g, uint64_t after, int64_t since_ms, struct str filter,
                       struct buf *out)
{
    for (uint64_t n = first_of(g); n <= g->put; n++) {
        const struct ring_event *e = event_at(g, n);
        struct str text = str_of(e->text, e->n);
        if (e->seq > after && e->wall_us / 1000 >= since_ms &&
            (filter.n == 0 || str_find(text, filter) != SIZE_MAX))
            lambda__log_line(out, e->seq, e->wall_us / 1000, str_of(e->text + e->n, e->stream_n),
                             text);
    }
}

enum err lambda_logs(struct lambda *l, struct str name_or_arn, uint64_t after, struct buf *out,
                     uint64_t *last)
{
    struct log_group *g = lambda__log_find(l, name_or_arn);
    if (!g)
        return ERR_NOTFOUND;
    *last = g->last_seq;
    lambda__log_lines(g, after, 0, STR(""), out);
    return out->err;
}
