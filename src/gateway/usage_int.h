/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys, usage plans and throttles as requests meet them: what a snapshot has frozen (keys,
 * grants) and what outlives snapshots (buckets). Source: docs/internals/usage.md; API Gateway
 * developer guide, "usage plans", "request throttling". */
#ifndef ROPELINE_GATEWAY_USAGE_INT_H
#define ROPELINE_GATEWAY_USAGE_INT_H

#include <stdatomic.h>

#include "base/crypt.h"
#include "base/map.h"
#include "gateway/gateway.h"
#include "store/store.h"

struct api;
struct method;
struct exchange;
struct snapshot;

/* One per process: every bucket and every quota, by what it is for. Control loop. */
struct usage {
    const struct clock *clock;
    int64_t started_us;
    struct map buckets, quotas;
    struct store *store; /* where quotas are kept; NULL: there is no such place */
    bool loaded;         /* the store is open and read */
    struct usage_settling {
        size_t left;
        void (*done)(void *arg);
        void *arg;
        struct post post;
    } settling;
};
enum err usage__new(const struct clock *clock, struct store *store, struct usage **out) MUSTCHECK;
void usage__free(struct usage *u);

/* --- buckets --------------------------------------------------------------------------------
 * A bucket holds `burst` tokens, begins full and gets `rate` new ones a second. Its whole state is
 * one number, the time at which it will be full again (the theoretical arrival time of GCRA), so
 * that taking a token is one compare-and-swap, exact for any number of threads. Times count in
 * ticks from the start of the process: 2^16 a microsecond, enough for eight years. */
#define BUCKET_TICKS_PER_US UINT64_C(65536)
#define BUCKET_TICKS_PER_S (1000000 * BUCKET_TICKS_PER_US)

struct throttle {
    double rate; /* tokens a second; 0 = never refilled */
    uint64_t burst;
};
struct bucket {
    _Atomic uint64_t full_at; /* ticks; in the past = full now */
    uint64_t interval;        /* ticks that one token takes to come */
    uint64_t depth;           /* burst * interval */
    struct throttle rule;
    struct str identity;
    unsigned holders;   /* control loop: grants and methods of the snapshots that live */
    char apart[64];     /* neighbours' numbers stand on different cache lines */
    char identity_at[]; /* its bytes */
};
/* Zeroed but for its rule; what a bucket that nobody shares begins with. */
void bucket__init(struct bucket *b, struct throttle rule);
/* False: it is empty, nothing was taken. *taken is for bucket__give_back. Any thread. */
bool bucket__take(struct bucket *b, uint64_t now, uint64_t *taken);
/* Undoes a take, unless the token has come back by itself meanwhile. */
void bucket__give_back(struct bucket *b, uint64_t now, uint64_t taken);
/* Ticks until there is a token: 0 = there is one, UINT64_MAX = there never will be. */
uint64_t bucket__wait(const struct bucket *b, uint64_t now);

uint64_t usage__now(const struct usage *u); /* ticks; any thread */
/* The bucket for that identity and rule, made full when there is none yet. Control loop. */
enum err usage__bucket(struct usage *u, struct str identity, struct throttle rule,
                       struct bucket **out) MUSTCHECK;
void usage__drop(struct usage *u, struct bucket *b); /* once for each usage__bucket */
size_t usage__bucket_count(const struct usage *u);

/* --- quotas ---------------------------------------------------------------------------------
 * A quota counts the requests of one key under one plan, in UTC days, weeks from Monday, or months.
 * A count is one number: the period in its high bits, the requests in it below. `used` never passes
 * `stored`, which the database remembers: blocks are reserved there ahead of their use, so a crash
 * may forget that a reserved request was never made, but no request that was. */
enum quota_period { QUOTA_DAY, QUOTA_WEEK, QUOTA_MONTH };
struct quota_rule {
    uint64_t limit, offset; /* offset: taken from the very first period */
    uint64_t block;         /* how much is reserved at once */
    enum quota_period period;
};
#define QUOTA_COUNT_BITS 40
#define QUOTA_OF(period, count) ((uint64_t)(period) << QUOTA_COUNT_BITS | (count))
#define QUOTA_PERIOD(n) ((n) >> QUOTA_COUNT_BITS)
#define QUOTA_COUNT(n) ((n) & ((UINT64_C(1) << QUOTA_COUNT_BITS) - 1))

struct quota_waiter {
    struct quota *quota;
    uint64_t seen; /* what `used` was, or would have been, when there was nothing in reserve */
    void (*resume)(struct quota_waiter *w);
    struct loop *loop;
    enum err err; /* why there is still nothing */
    struct post post;
    struct quota_waiter *next;
};
struct quota {
    _Atomic uint64_t used, stored; /* 0 = never used */
    atomic_bool asked;             /* for more in reserve; `ask` is on its way */
    struct post ask;
    /* control loop */
    struct usage *usage;
    struct str plan, key;
    enum quota_period period;
    uint64_t block; /* of the newest rule */
    bool writing;
    bool ahead; /* asked for, nobody waits */
    struct quota_waiter *waiting, **last;
    char apart[64];
    char text[]; /* identity, plan and key */
};
enum quota_answer {
    QUOTA_TAKEN,
    QUOTA_USED_UP,
    QUOTA_WAIT, /* nothing is in reserve: ask with quota__wait */
};
/* Counts one request. *out is how many that makes in the period; when they are used up the period;
 * when it must wait what to ask with. Any thread. */
enum quota_answer quota__take(struct quota *q, const struct quota_rule *rule, uint64_t period_now,
                              uint64_t *out);
/* After QUOTA_TAKEN: has more reserved when little is left. Any loop. */
void quota__look_ahead(struct quota *q, const struct quota_rule *rule, uint64_t count);
/* From a worker: `resume` is called on w->loop when more is in reserve, or with w->err. */
void quota__wait(struct quota *q, struct quota_waiter *w, uint64_t seen);
uint64_t quota__period(enum quota_period p, int64_t wall_us);
int64_t quota__period_begins_us(enum quota_period p, uint64_t period);
const char *quota__period_name(enum quota_period p);
/* The quota of that plan and key, made when there is none yet; it lives as long as the process. The
 * first one opens the store and reads it. Control loop. */
enum err usage__quota(struct usage *u, struct str plan, struct str key, const struct quota_rule *r,
                      struct quota **out, struct errinfo *e) MUSTCHECK;
/* Writes exact counts when all workers have drained; `done` comes once, later. */
void usage__settle(struct usage *u, struct loop *control, void (*done)(void *arg), void *arg);

/* --- what a snapshot has frozen ------------------------------------------------------------- */
/* What one plan gives one key on one API stage. */
struct grant {
    const struct api *api;
    struct str plan_id, plan; /* "gold (id p1)", for records */
    struct bucket *client;    /* plan's throttle; NULL = none */
    struct bucket **methods;  /* by plan_stage.slot - 1 */
    const uint16_t *slots; /* by method.index: which of `methods`, 0 = none; NULL = none at all */
    struct quota *quota;   /* NULL = none */
    struct quota_rule quota_rule;
};
struct api_key {
    unsigned char digest[SHA256_BYTES]; /* of its value, which is kept nowhere */
    struct str id;
    bool enabled;
    struct grant *grants;
    size_t grant_count;
    unsigned plan_count;   /* while freezing */
    const void *last_plan; /* while freezing: that named it */
};
struct key_table {
    struct api_key *keys;
    size_t count;
    uint32_t *slots; /* open addressing by digest: index + 1, 0 = empty */
    size_t mask;
};
/* NULL: no such key. Compares whole digests in constant time. */
const struct api_key *key_table__find(const struct key_table *t, struct str value);
void key_table__insert(struct key_table *t, size_t key);
const struct grant *api_key__grant(const struct api_key *k, const struct api *api);
#define API_KEY_MIN 20
#define API_KEY_MAX 128

/* A bucket that a snapshot holds. */
struct held_bucket {
    struct bucket *bucket;
    struct held_bucket *next;
};

#define USAGE_BUCKETS 4 /* that one request may meet */

/* What the steps found out about one request. */
struct request_usage {
    const struct api_key *key; /* accepted: then grant is set */
    const struct grant *grant;
    struct str value; /* as the client sent it, or the authorizer's function returned it */
    struct bucket *buckets[USAGE_BUCKETS]; /* that gave a token */
    uint64_t taken[USAGE_BUCKETS];
    struct quota_waiter waiter;
};

/* The one x-api-key line that the client sent to a method that requires a key; "" when there is
 * none, or more than one, or the API takes keys from its authorizer. */
struct str exchange__sent_key(const struct exchange *x);
/* $context.identity.apiKey and apiKeyId: of the accepted key; to an authorizer, which runs before
 * that, of the one that was sent. "" = none. */
struct str exchange__api_key(struct exchange *x);
struct str exchange__api_key_id(struct exchange *x);

#endif
