/* SPDX-License-Identifier: Apache-2.0
 *
 * What each step of a request saw and why it went on or stopped: rows of (step, verdict, key,
 * value), filled while the request runs and turned into words only when somebody asks `explain`.
 * The last DECISIONS_PER_WORKER are kept in a ring of each worker. A record never holds a token
 * whole: callers mask (decision_mask). */
#ifndef ROPELINE_OBSERVE_DECISIONS_H
#define ROPELINE_OBSERVE_DECISIONS_H

#include "base/buf.h"
#include "base/limits.h"

enum verdict { VERDICT_INFO, VERDICT_PASS, VERDICT_DENY, VERDICT_ERROR };

struct decision_row {
    const char *step, *key; /* static text */
    enum verdict verdict;
    uint16_t at, n; /* value in text */
};

struct decision_record {
    char id[37]; /* the request id */
    uint16_t status, rows, used;
    uint32_t duration_us;
    int64_t wall_us;
    struct decision_row row[DECISION_ROWS];
    char text[DECISION_TEXT];
};

/* Forgets what a recycled record held, without touching its text. */
void decision_begin(struct decision_record *r, const char *id, int64_t wall_us);
/* Notes one fact; a value that does not fit is cut and ends in "...". Never fails. */
void decision_note(struct decision_record *r, const char *step, enum verdict v, const char *key,
                   struct str value);
void decision_notef(struct decision_record *r, const char *step, enum verdict v, const char *key,
                    const char *fmt, ...) PRINTF(5, 6);
/* A number, without the price of printf: for rows that every request writes. */
void decision_noteu(struct decision_record *r, const char *step, enum verdict v, const char *key,
                    uint64_t n);
struct str decision_value(const struct decision_record *r, const struct decision_row *row);
/* The first row of that step and key, or NULL. */
const struct decision_row *decision_find_row(const struct decision_record *r, const char *step,
                                             const char *key);
/* "***" and the last `shown` bytes when the value is long enough to spare them. */
struct str decision_mask(struct str value, char out[16]);

/* One worker's ring. */
struct decision_ring;
struct decision_ring *decision_ring_new(void) MUSTCHECK;
void decision_ring_free(struct decision_ring *g);
void decision_ring_put(struct decision_ring *g, const struct decision_record *r);
/* Newest record whose id begins with `id`; id "" = the newest of all, or with `denied` the newest
 * one that a status of 400 or more ended. NULL when there is none. */
const struct decision_record *decision_ring_find(const struct decision_ring *g, struct str id,
                                                 bool denied);
/* {"id","time","status","durationUs","steps":[{"step","verdict","key","value"}]} */
void decision_write_json(const struct decision_record *r, struct buf *out);

#endif
