/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the log store share: the queue on the control loop, the batch that a lane
 * writes, and the SQL behind both. A batch is filled by the loop or written by the lane, never both
 * at once. */
#ifndef ROPELINE_OBSERVE_LOGSTORE_INT_H
#define ROPELINE_OBSERVE_LOGSTORE_INT_H

#include "base/log_limits.h"
#include "observe/logstore.h"

/* Names and ids of what a batch writes into. Ids are made from the names, so that no table must be
 * asked for them. */
struct log__target {
    int64_t group_id, stream_id;
    size_t group_at, group_n, stream_at, stream_n; /* in the batch's text */
    unsigned retention_days;                       /* 0 = nothing is said of it */
    int64_t first_ms, last_ms;
    uint64_t last_seq;
};
struct log__record {
    uint64_t seq;
    int64_t at_ms;
    size_t target, at, n;
};
struct log__batch {
    struct logstore *logs;
    struct store_job job;
    uint64_t serial; /* of this filling; a stream remembers its target by it */
    struct buf text;
    struct log__target *targets;
    struct log__record *records;
    size_t target_count, target_cap, count, cap;
};

enum log__state { LOGS_SHUT, LOGS_OPENING, LOGS_OPEN, LOGS_FAILED };

/* What old events go by: one job, repeated while it finds some. */
struct log__sweep {
    struct store_job job;
    int64_t now_ms;
    uint64_t bytes_max;
    unsigned retention_days;
    bool running, more;
};

struct logstore {
    struct logstore_options o;
    enum log__state state;
    struct work opening;
    enum err open_err;
    struct errinfo open_why;
    uint64_t kept_seq; /* the highest number that the file had */
    uint64_t last_seq;
    struct log__batch batches[2], *filling; /* the other one is being written, or empty */
    bool writing;
    struct timer timer, sweep_timer;
    struct log__sweep sweep;
    uint64_t written;          /* bytes since the last sweep */
    struct log_query *queries; /* that wait for the file to be opened, or for their events */
    struct log_list *lists;
    unsigned asked; /* jobs of queries in the lane */
    struct log_losses lost, said;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    struct post closed_post;
};

/* logstore_db.c: in the lane */
enum err log__db_open(struct store *store, uint64_t *kept_seq, struct errinfo *e) MUSTCHECK;
enum err log__db_write(struct store_job *j, struct store_tx *tx);
enum err log__db_sweep(struct store_job *j, struct store_tx *tx);
/* 63 bits of a digest of both names. */
enum err log__id(struct str group, struct str stream, int64_t *out) MUSTCHECK;

/* logstore_query.c */
void log__query_start(struct log_query *q, enum err err);
void log__list_start(struct log_list *q, enum err err);

/* logstore.c: hands what waits to the lane, so that a job behind it sees all. */
void log__flush(struct logstore *s);
/* Whether a job that is handed to the lane now sees all that was put: ERR_BUSY: later, wait in one
 * of the lists; ERR_UNAVAILABLE: never. */
enum err log__ready(struct logstore *s) MUSTCHECK;
void log__maybe_closed(struct logstore *s);

#endif
