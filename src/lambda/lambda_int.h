/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the room share: the functions, their environments and logs. All of it belongs
 * to the control loop. An environment is on exactly one list of its function, and that list is its
 * state; it leaves memory only when its process, connection and pipes are all gone. */
#ifndef ROPELINE_LAMBDA_LAMBDA_INT_H
#define ROPELINE_LAMBDA_LAMBDA_INT_H

#include "ahead_int.h"
#include "base/limits.h"
#include "base/log_limits.h"
#include "base/map.h"
#include "connections_int.h"
#include "family_int.h"
#include "http/server.h"
#include "lambda_text.h"
#include "log_int.h"
#include "observe/metrics.h"
#include "runtimes_int.h"

#define LOG_READ_BYTES KIB(64)
#define LOG_GROUP_PREFIX "/aws/lambda/"

/* --- environments: environment.c, streams.c; connections_int.h -------------------------------- */

enum env_state {
    ENV_INIT,     /* loading its code ahead of an event, up to TIMEOUT_INIT_MS */
    ENV_IDLE,     /* waits in GET next; the most recently used one first */
    ENV_BUSY,     /* has an event, or was started for one, and has not asked for the next */
    ENV_TEMPLATE, /* loads the code to be forked, and never has an event; template.c */
    ENV_DEAD,     /* killed or ended; only what it holds is left to be given back */
    ENV_STATES
};

enum source_kind { SOURCE_FRAMES, SOURCE_STDOUT, SOURCE_STDERR, SOURCES };
struct log_source {
    uv_poll_t poll;
    int fd;                       /* -1: never opened */
    bool over;                    /* nothing comes any more */
    struct lambda__frames frames; /* SOURCE_FRAMES, until broken */
    struct lambda__lines lines;
    struct timer pause; /* of a flood: it is read again later */
    bool wide;          /* its pipe has been made larger for that */
    struct environment *env;
};

struct environment {
    struct function *function;
    struct environment *prev, *next;
    enum env_state state;
    struct timer timer; /* what it may take in its state; DEAD: until it is cut off */
    char name[80];      /* of its directory below STATE/tmp; a forked one's is in its template's */
    uint32_t uid;       /* its own, or its template's; 0 = ours */
    bool provisioned;   /* one of those that function.wanted asks for */
    int64_t idle_ms;    /* since when it is IDLE */

    struct child *child; /* NULL: not started, or ended as `how` says */
    struct child_exit how;
    struct api_conn *conns; /* its open Runtime API connections */
    unsigned conn_count;
    struct api_listener *listener; /* NULL: the one connection is inherited */
    struct next_call *held;        /* its GET next, waiting for an event */
    unsigned exchanges, posts;     /* begun and not done; of these, posts with a body */
    uint64_t posting;              /* the run that the latest of those is about, until its end */
    struct log_source sources[SOURCES];
    struct log_stream *log_stream; /* NULL: nothing is kept */
    char stream_name[256];
    unsigned polls; /* not closed yet */
    bool ended;     /* process and connection are gone, and that has been dealt with */
    bool emptied;   /* its directory is gone */
    struct work cleaning;

    bool is_template;       /* began in ENV_TEMPLATE */
    uint32_t asked, hellos; /* of a template: forks asked for, and those that said they are there */
    int control;            /* of a template: its end is descriptor 5 there; -1 otherwise */
    uv_poll_t control_poll; /* one of `polls` */
    size_t forks;           /* of a template: environments whose directories lie in its own */
    struct environment *template; /* of a forked one */
    uint32_t birth; /* of one that is being forked: its number, until the keeper holds it */

    bool ready;       /* has asked for its first event; a template: can be forked */
    bool used;        /* has had one */
    bool frozen;      /* its processes stand still */
    bool warmed;      /* was idle before it had one: nobody waited for its start */
    bool init_inside; /* it was started by its first invocation, whose duration holds its init */
    int64_t began_us, init_us;
    unsigned used_mb; /* the most memory it was seen to use */
    int64_t sampled_ms;

    /* the event in hand */
    struct lambda_invocation *invocation; /* the caller waits for it */
    bool running;                         /* begun and not yet answered by the function */
    bool cold;
    char request_id[37];
    uint64_t run;
    int64_t run_us, due_ms;  /* begun; must have been answered */
    struct buf event, trace; /* until it is sent; X-Amzn-Trace-Id */
    struct buf arn;          /* as invoked, with the alias if there was one */
    struct buf client_context;
};

struct env_list {
    struct environment *first, *last;
    size_t n;
};

/* --- functions: function.c (family_int.h: what versions share); the room: lambda.c ------------ */

struct function {
    struct lambda *lambda;
    struct function *prev, *next; /* lambda->functions, newest first */
    struct arena *arena;
    struct family *family;
    struct function *to[2];    /* an alias: where its calls run; NULL: this is none */
    unsigned weight;           /* of to[1] */
    struct function_spec spec; /* in the arena; code_dir real, timeout and memory never 0 */
    struct function_runtime runtime;
    struct lambda__facts facts;
    struct log_group *log;
    char digest[65];
    _Atomic unsigned refs;
    bool retired;        /* nobody refers to it: it goes with its last environment */
    size_t environments; /* on all lists */
    uint32_t births;     /* environments forked so far */
    unsigned templates_lost;
    bool unforkable; /* a template said so, or they do not live */
    struct env_list envs[ENV_STATES];
    struct lambda_invocation *queue, *queue_last; /* waiting, first in first out */
    size_t queued, idle;                          /* idle: environments on demand that are */
    struct timer queue_timer;                     /* the earliest deadline in the queue */
    uint64_t invocations, errors, throttled;
    struct provision provision;
    struct function_ahead ahead;
};

struct lambda {
    struct lambda_options o; /* strings: own copies */
    struct arena *arena;
    const char *tmp_dir, *layers_dir; /* STATE/tmp, STATE/layers */
    struct runtime_home homes[RUNTIME_KINDS];
    struct map noted; /* names of runtimes that another version serves, as was said */
    struct stat state_stat;
    struct http_server *api;
    struct function *functions;
    struct map logs;           /* by function name */
    struct registry *registry; /* functions of the control plane */
    const char *plane_path;    /* STATE/plane.db */
    struct census census;      /* families and how many there are of what */
    struct metrics metrics;
    struct ahead ahead;
    uint64_t log_seq;          /* the number of the newest event */
    struct recalled *recalled; /* the last INVOCATIONS_KEPT */
    size_t recalled_next;
    uint64_t runs, started; /* invocations and environments so far */
    size_t environments;    /* that still have memory */
    size_t templates;       /* of them, alive */
    char *log_bytes;        /* LOG_READ_BYTES for pipes */
    char tag[9];            /* of this start, in names of tmp directories */
    uint32_t uid_next;
    struct work sweep; /* of what an earlier run left in STATE/tmp */
    bool sweeping;
    bool closing, draining, drained;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* lambda.c */
int64_t lambda__now_us(const struct lambda *l);
void lambda__maybe_closed(struct lambda *l);

/* function.c */
void lambda__function_maybe_free(struct function *f);
enum err lambda__check_name(struct str name, struct errinfo *e) MUSTCHECK;
void lambda__function_enter(struct lambda *l, struct function *f); /* among l->functions */

/* invoke.c */
void lambda__run_begin(struct environment *env, struct lambda_invocation *i);
int64_t lambda__run_left(const struct environment *env); /* ms until somebody stops waiting; >= 1 */
/* The function's answer, or what stands for it; takes *payload. */
void lambda__run_end(struct environment *env, enum lambda_outcome outcome, struct buf *payload,
                     const char *status, const char *error_type);
/* The caller stops waiting, the function does not stop working. */
void lambda__run_abandon(struct environment *env);
void lambda__invocation_end(struct lambda_invocation *i, enum lambda_outcome outcome);
struct lambda_invocation *lambda__queue_take(struct function *f);
/* Gives idle environments to waiters and starts more. */
void lambda__queue_serve(struct function *f);
void lambda__queue_end(struct function *f, enum lambda_outcome outcome);

/* recall.c */
enum err lambda__recall_new(struct lambda *l) MUSTCHECK;
void lambda__recall_add(struct lambda *l, const struct environment *env,
                        const struct lambda_invocation *i);
void lambda__recall_free(struct lambda *l);

#endif
