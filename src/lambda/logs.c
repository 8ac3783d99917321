/* SPDX-License-Identifier: Apache-2.0
 *
 * The recent log events of each function, in memory, all its versions together. A ring: event n
 * stands at n % LIMIT_LOG_EVENTS; the oldest go when there are too many or too many bytes. */
#include "base/mem.h"
#include "lambda_int.h"

struct log_event {
    uint64_t seq, run;
    int64_t wall_us;
    char *text; /* owned */
    size_t n;
};
struct log_group {
    char name[LIMIT_FUNCTION_NAME + 1];
    uint64_t last; /* sequence number of the newest event */
    size_t count, bytes;
    struct log_event ring[LIMIT_LOG_EVENTS];
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
    if (map_put(&l->logs, str_of(g->name, name.n), g, NULL) != ERR_OK) {
        mem_free(g);
        return NULL;
    }
    return g;
}

static struct log_event *event_at(struct log_group *g, uint64_t seq)
{
    return &g->ring[seq % LIMIT_LOG_EVENTS];
}

static uint64_t first_of(const struct log_group *g)
{
    return g->last - g->count + 1;
}

static void drop_oldest(struct log_group *g)
{
    struct log_event *e = event_at(g, first_of(g));
    g->bytes -= e->n;
    mem_free(e->text);
    *e = (struct log_event){0};
    g->count--;
}

void lambda__log_group_free(struct log_group *g)
{
    while (g->count > 0)
        drop_oldest(g);
    mem_free(g);
}

void lambda__log(struct lambda *l, struct log_group *g, uint64_t run, int64_t wall_us,
                 struct str text)
{
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    if (text.n == 0)
        return;
    char *copy = mem_dup(text.p, text.n);
    if (copy) {
        while (g->count > 0 &&
               (g->count == LIMIT_LOG_EVENTS || g->bytes + text.n > LIMIT_LOG_BYTES))
            drop_oldest(g);
        g->last++;
        g->count++;
        g->bytes += text.n;
        *event_at(g, g->last) = (struct log_event){g->last, run, wall_us, copy, text.n};
    }
    if (l->o.on_log)
        l->o.on_log(l->o.arg, str_c(g->name), text);
}

void lambda__log_write(struct log_group *g, uint64_t run, struct buf *out)
{
    bool first = true;
    for (uint64_t seq = first_of(g); seq <= g->last; seq++) {
        const struct log_event *e = event_at(g, seq);
        if (e->run != run)
            continue;
        if (!first)
            buf_addc(out, ',');
        json_write_str(out, str_of(e->text, e->n));
        first = false;
    }
}

enum err lambda_logs(struct lambda *l, struct str name_or_arn, uint64_t after, struct buf *out,
                     uint64_t *last)
{
    struct log_group *g = map_get(&l->logs, name_or_arn);
    if (!g) {
        struct function *f = lambda_find(l, name_or_arn, STR(""));
        if (!f)
            return ERR_NOTFOUND;
        g = f->log;
    }
    *last = g->last;
    if (after > g->last) /* of another start of the daemon */
        after = 0;
    uint64_t seq = first_of(g);
    if (seq <= after)
        seq = after + 1;
    for (; seq <= g->last; seq++) {
        const struct log_event *e = event_at(g, seq);
        buf_addz(out, "{\"seq\":");
        buf_addu(out, e->seq);
        buf_addz(out, ",\"timestamp\":");
        buf_addu(out, (uint64_t)e->wall_us / 1000);
        buf_addz(out, ",\"message\":");
        json_write_str(out, str_of(e->text, e->n));
        buf_addz(out, "}\n");
    }
    return out->err;
}
