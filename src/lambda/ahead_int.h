/* SPDX-License-Identifier: Apache-2.0
 *
 * What is got ready before anybody asks for it, so that an environment that is needed is there
 * soon: warm workers, code caches, environments that the arrivals foretell. All on the control
 * loop; whatever of it is missing, broken or switched off, environments start without it. */
#ifndef ROPELINE_LAMBDA_AHEAD_INT_H
#define ROPELINE_LAMBDA_AHEAD_INT_H

#include "lambda/lambda.h"

struct environment;
struct worker;

/* Of the room. */
struct ahead {
    struct timer timer; /* the next thing that is to be got ready */
    struct worker *workers;
    size_t worker_count; /* that still have memory */
    unsigned died_young; /* workers in a row: at some number there are no more */
    struct cache_maker *maker;
    const char *cache_dir;
    int cache_fd; /* of that directory: workers, which may not see where it is, inherit it */
    struct timer forecast;
};

/* Of one version. */
enum cache_state { CACHE_NONE, CACHE_MAKING, CACHE_READY, CACHE_FAILED };
struct function_ahead {
    enum cache_state cache;
    bool unsettled;        /* a worker that had settled on it died: no other does */
    unsigned arrivals;     /* since the latest forecast */
    double rate, duration; /* smoothed: calls a second; seconds that one keeps an environment */
};

/* ahead.c: looks soon what there is to get ready. */
void lambda__ahead_soon(struct lambda *l);
/* A worker that had settled on the version with that digest has ended. */
void lambda__worker_lost(struct lambda *l, const char *digest);
/* Forgets what was going to be done; what is under way is ended. */
void lambda__ahead_close(struct lambda *l);
bool lambda__ahead_closed(const struct lambda *l);

/* worker.c */
/* Whether a process that knows nothing of `f` could become an environment of it. */
bool lambda__worker_fits(const struct function *f);
/* Whether there is one that could. */
bool lambda__worker_has(const struct lambda *l, const struct function *f);
void lambda__worker_start(struct lambda *l, const struct function *f);
/* Makes a worker the process of `env`, if there is one: *became. An error is as if a process could
 * not be started. */
enum err lambda__worker_become(struct environment *env, bool *became) MUSTCHECK;
void lambda__workers_end(struct lambda *l);
bool lambda__worker_is(const struct lambda *l, uint32_t uid); /* whether one has that uid */
/* One that waits settles on `f`: it gets ready to run what is in its code cache, and is of no use
 * to others any more. False when there is none. */
bool lambda__worker_settle(struct function *f);
bool lambda__worker_settled(const struct function *f); /* whether one has */
size_t lambda__workers_settled(const struct lambda *l);
void lambda__workers_forget(const struct function *f); /* `f` is going to be no more */

/* cache.c */
/* The file with the compiled code of `f` in STATE/cache; "" when there is none. */
struct str lambda__cache_name(const struct function *f);
void lambda__cache_start(struct function *f);  /* makes it, in a process of its own */
void lambda__cache_forget(struct function *f); /* `f` is going to be no more */
void lambda__cache_end(struct lambda *l);
bool lambda__cache_maker_is(const struct lambda *l, uint32_t uid);
enum err lambda__cache_open(struct lambda *l) MUSTCHECK;

/* forecast.c */
void lambda__forecast_arrival(struct function *f);
void lambda__forecast_ran(struct function *f, int64_t us);

#endif
