/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision records of one worker. Only used bytes are copied, so a record of an open route
 * costs a few cache lines. */
#include "observe/decisions.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/time.h"

struct decision_ring {
    uint64_t written;
    struct decision_record record[DECISIONS_PER_WORKER];
};

static const char *const verdict_names[] = {"info", "pass", "deny", "error"};

void decision_begin(struct decision_record *r, const char *id, int64_t wall_us)
{
    memcpy(r->id, id, sizeof r->id);
    r->id[sizeof r->id - 1] = '\0';
    r->status = r->rows = r->used = 0;
    r->duration_us = 0;
    r->wall_us = wall_us;
}

void decision_note(struct decision_record *r, const char *step, enum verdict v, const char *key,
                   struct str value)
{
    static const char dots[] = "...";
    if (r->rows == DECISION_ROWS)
        return;
    size_t room = sizeof r->text - r->used;
    size_t n = value.n < room ? value.n : room;
    char *to = r->text + r->used;
    if (n > 0)
        memcpy(to, value.p, n);
    if (n < value.n && n >= sizeof dots - 1)
        memcpy(to + n - (sizeof dots - 1), dots, sizeof dots - 1);
    r->row[r->rows++] = (struct decision_row){step, key, v, r->used, (uint16_t)n};
    r->used = (uint16_t)(r->used + n);
}

void decision_notef(struct decision_record *r, const char *step, enum verdict v, const char *key,
                    const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        n = 0;
    size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    decision_note(r, step, v, key, str_of(text, len));
}

void decision_noteu(struct decision_record *r, const char *step, enum verdict v, const char *key,
                    uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    decision_note(r, step, v, key, str_of(digits + at, sizeof digits - at));
}

struct str decision_value(const struct decision_record *r, const struct decision_row *row)
{
    return str_of(r->text + row->at, row->n);
}

const struct decision_row *decision_find_row(const struct decision_record *r, const char *step,
                                             const char *key)
{
    for (size_t i = 0; i < r->rows; i++)
        if (str_eqz(str_c(r->row[i].step), step) && str_eqz(str_c(r->row[i].key), key))
            return &r->row[i];
    return NULL;
}

struct str decision_mask(struct str value, char out[16])
{
    const size_t shown = 4;
    size_t n = 3;
    memcpy(out, "***", 3);
    if (value.n >= 6 * shown) {
        memcpy(out + 3, value.p + value.n - shown, shown);
        n += shown;
    }
    return str_of(out, n);
}

struct decision_ring *decision_ring_new(void)
{
    return mem_alloc(sizeof(struct decision_ring));
}

void decision_ring_free(struct decision_ring *g)
{
    mem_free(g);
}

void decision_ring_put(struct decision_ring *g, const struct decision_record *r)
{
    struct decision_record *to = &g->record[g->written++ % DECISIONS_PER_WORKER];
    memcpy(to, r, offsetof(struct decision_record, row));
    memcpy(to->row, r->row, r->rows * sizeof r->row[0]);
    memcpy(to->text, r->text, r->used);
}

const struct decision_record *decision_ring_find(const struct decision_ring *g, struct str id,
                                                 bool denied)
{
    /* A client may name its request's id, so two can share one: then the refusal is what is asked.
     */
    const struct decision_record *refused =
        id.n > 0 && !denied ? decision_ring_find(g, id, true) : NULL;
    if (refused)
        return refused;
    uint64_t kept = g->written < DECISIONS_PER_WORKER ? g->written : DECISIONS_PER_WORKER;
    for (uint64_t back = 1; back <= kept; back++) {
        const struct decision_record *r = &g->record[(g->written - back) % DECISIONS_PER_WORKER];
        if (denied && r->status < 400)
            continue;
        if (str_starts(str_c(r->id), id))
            return r;
    }
    return NULL;
}

void decision_write_json(const struct decision_record *r, struct buf *out)
{
    char when[TIME_TEXT];
    time_rfc3339(r->wall_us, when);
    buf_addf(out, "{\"id\":\"%s\",\"time\":\"%s\",\"status\":%u,\"durationUs\":%u,\"steps\":[",
             r->id, when, r->status, r->duration_us);
    for (size_t i = 0; i < r->rows; i++) {
        const struct decision_row *row = &r->row[i];
        buf_addf(out,
                 "%s{\"step\":\"%s\",\"verdict\":\"%s\",\"key\":\"%s\",\"value\":", i ? "," : "",
                 row->step, verdict_names[row->verdict], row->key);
        json_write_str(out, decision_value(r, row));
        buf_addc(out, '}');
    }
    buf_addz(out, "]}");
}
