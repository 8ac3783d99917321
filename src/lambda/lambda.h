/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions: what they are, the environments (processes) that run them, and invocations. An
 * environment belongs to one function version for life and handles one event at a time. Everything
 * lives on the control loop; other loops reach it through lambda_invoke alone.
 * Source: docs/internals/lambda.md; Lambda developer guide, "execution environment lifecycle". */
#ifndef ROPELINE_LAMBDA_LAMBDA_H
#define ROPELINE_LAMBDA_LAMBDA_H

#include "base/buf.h"
#include "base/json.h"
#include "lambda/function_log.h"
#include "lambda/runtime.h"
#include "run/child.h"

struct lambda;
struct store;
struct function; /* one immutable version of one function, refcounted */

struct lambda_options {
    struct loop *control;
    struct keeper_link *keeper;
    struct store *plane;   /* where functions of the control plane are kept; NULL = nowhere */
    const char *state_dir; /* runtime files and per-environment tmp directories go below it */
    const char *region, *account;
    struct runtime_places places; /* where interpreters are looked for */
    enum child_level isolation;
    bool memory_held;              /* a cgroup holds an environment to its MemorySize */
    bool own_tmp;                  /* an environment's directory is seen as /tmp by it */
    bool landlocked;               /* what it sees it can open only as far as it may */
    uint32_t uid_first, uid_count; /* one for each environment; 0, 0 = they run as we do */
    /* What every function may also use; NULL-terminated, absolute, or NULL; borrowed for good. */
    const char *const *allow_read, *const *allow_write;
    unsigned environments_max;   /* per function on demand; 0 = max(4, 2 x cores) */
    unsigned environments_total; /* of all functions; 0 = what half the memory holds */
    int64_t idle_ms;             /* one without work ends after that; 0 = TIMEOUT_ENV_IDLE_MS */
    /* How long a call may wait for an environment: 0 = as long as its caller, below 0 = never, as
     * on AWS. What reserved concurrency forbids waits only when this is above 0. */
    int64_t queue_ms;
    unsigned templates_max;   /* processes kept to be forked, of all functions; 0 = none */
    struct logstore *logs;    /* where their events are kept; NULL = in memory alone */
    uint64_t log_bytes_rate;  /* that a function may log in a second; 0 = DEFAULT_LOG_BYTES_RATE */
    unsigned log_events_rate; /* likewise events; 0 = DEFAULT_LOG_EVENTS_RATE */
    unsigned warm_workers;    /* processes kept ready for whatever function is called next */
    bool code_cache;          /* of each version, made in a process of its own that loads it once */
    bool predictive_start;    /* environments ahead of the calls that the arrivals foretell */
    bool cold_always;         /* an environment serves one invocation and ends */
    bool freeze;              /* an idle environment stands still; the keeper must be able to */
    /* Each log event of a function, for the terminal in dev; may be NULL. Control loop. */
    void (*on_log)(void *arg, struct str function, struct str line);
    void *arg;
};

/* What it says of plane.db is logged. */
enum err lambda_new(const struct lambda_options *o, struct lambda **out) MUSTCHECK;
/* Kills every environment; `closed` once all are reaped. Waiting invocations end UNAVAILABLE. */
void lambda_close(struct lambda *l, void (*closed)(void *arg), void *arg);
void lambda_free(struct lambda *l);
/* Removes all that is in a directory, and the directory unless it is a mount point; follows no
 * link. For the process that removes what a function with a uid of its own left. */
enum err lambda_empty(const char *dir) MUSTCHECK;

/* What a template says of a function. All strs are copied by lambda_function. */
struct function_env {
    struct str name, value;
};
struct function_spec {
    struct str name;     /* "AuthorizerFunction" or FunctionName */
    struct str arn;      /* arn:aws:lambda:REGION:ACCOUNT:function:NAME */
    struct str code_dir; /* absolute */
    struct str handler;  /* "index.handler" */
    struct str runtime;  /* "nodejs20.x" */
    struct str version;  /* decimal; "" = $LATEST */
    struct str package;  /* digest of code_dir when it is a package of the store, which never
                            changes; "" = look at its files */
    struct str *layers;  /* folders, absolute and NUL-terminated; a later one over those before */
    size_t layer_count;
    struct function_env *env;
    size_t env_count;
    unsigned timeout_ms, memory_mb; /* 0 = the defaults of Lambda */
    struct function_logging logging;
    const char *file; /* where it was declared, for errors */
    unsigned line, col;
};

/* The version of this function for exactly this spec and this code: the existing one when neither
 * changed (the digest covers spec, and path, size and mtime of every file below code_dir), else a
 * new one. Takes a reference. ERR_NOTFOUND: no such directory or handler file; ERR_UNSUPPORTED:
 * runtime not available here; ERR_INVALID: env too large, reserved names. Control loop. */
enum err lambda_function(struct lambda *l, const struct function_spec *spec, struct function **out,
                         struct errinfo *e) MUSTCHECK;
/* One that can only be named, for judging a document that nobody runs: in `a`, never invoked,
 * referenced or released. NULL when out of memory. */
struct function *function_described(struct arena *a, const struct function_spec *spec) MUSTCHECK;
void function_ref(struct function *f);
/* The last reference drains and kills its environments. Control loop. */
void function_unref(struct function *f);
struct str function_name(const struct function *f);
struct str function_arn(const struct function *f);
struct str function_digest(const struct function *f);  /* 64 hex digits; immutable, any thread */
struct str function_version(const struct function *f); /* "$LATEST", "7", or an alias' name */
/* An alias of one or two versions of the same function, with an ARN and a digest of its own: calls
 * of it run in `other` (may be NULL) with a probability of `weight` / WEIGHT_ONE, else in `to`.
 * Takes a reference of its own to each. ERR_INVALID: not a name for an alias. Control loop. */
#define WEIGHT_ONE 1000000
enum err function_alias(struct lambda *l, struct str name, struct function *to,
                        struct function *other, unsigned weight, struct function **out,
                        struct errinfo *e) MUSTCHECK;
/* What the running configuration wants of the functions that documents declare, all at once: those
 * that are not listed have nothing provisioned, and their names nothing reserved. Control loop. */
struct function_plan {
    struct function *function;
    int reserved;         /* executions that its name may have at one time; -1 = no such limit */
    unsigned provisioned; /* environments of this version that are always ready */
};
void lambda_configure(struct lambda *l, const struct function_plan *plans, size_t n);
/* Starts one environment ahead of the first call. Control loop. */
void function_warm(struct function *f);

enum lambda_outcome {
    LAMBDA_OK = 0,         /* the function answered; payload is what it returned */
    LAMBDA_FUNCTION_ERROR, /* it failed; payload is {"errorMessage","errorType",...} */
    LAMBDA_TIMEOUT,        /* Sandbox.Timedout; payload likewise */
    LAMBDA_THROTTLED,      /* no environment may be had; the answer is Lambda's 429 body */
    LAMBDA_DEADLINE,       /* the caller's own deadline passed while it waited */
    LAMBDA_UNAVAILABLE,    /* shutting down, out of memory */
};
const char *lambda_outcome_name(enum lambda_outcome o);

/* One call. The caller owns the struct until `done`, which comes exactly once on `reply`. */
struct lambda_invocation {
    /* in */
    struct function *function; /* the caller keeps it referenced (a snapshot does) */
    struct buf payload;        /* the event: owned by the invocation, moved */
    int64_t deadline_ms;       /* loop_now_ms time at which the caller stops waiting; 0 = the
                                  function's own timeout only */
    bool queue;              /* wait when all are busy (gateway calls); false = throttled at once */
    struct str trace_header; /* X-Amzn-Trace-Id for the runtime; "" = none */
    /* JSON of X-Amz-Client-Context for the runtime, decoded; "" = none. Likewise the caller's. */
    struct str client_context;
    struct loop *reply;
    void (*done)(struct lambda_invocation *i);
    void *arg;
    bool log_tail; /* `done` comes when the log of this invocation is complete, with its end */
    /* out */
    enum lambda_outcome outcome;
    struct buf log;    /* the last LIMIT_LOG_TAIL bytes of it, when log_tail: X-Amz-Log-Result */
    struct buf answer; /* owned by the invocation; lambda_invocation_fini frees the buffers */
    char request_id[37];
    char executed[21];   /* the version it ran in, once it began: "$LATEST", "7" */
    bool cold;           /* an environment was started for it */
    int64_t init_us;     /* INIT phase of that environment when cold */
    int64_t duration_us; /* inside the environment */
    /* of the lambda room */
    struct post post;
    struct lambda_invocation *next;
    struct function *runs; /* what `function` comes to: itself, or a version of the alias */
    int64_t give_up_ms;    /* when it is throttled instead of waiting on; 0 = never */
    void *environment;
};
void lambda_invoke(struct lambda *l, struct lambda_invocation *i); /* any loop */
void lambda_invocation_fini(struct lambda_invocation *i);

/* What was kept of a recent invocation (the last INVOCATIONS_KEPT), for `explain`: copied into the
 * buffers as JSON:
 * {"requestId","function","cold","initMs","durationMs","outcome","answer","log":[..]}. The answer
 * is cut at INVOCATION_TEXT. ERR_NOTFOUND when it is too long ago. Control loop. */
enum err lambda_recall(struct lambda *l, struct str request_id, struct buf *out) MUSTCHECK;

/* The functions and their log events, for `invoke` and `logs`. Control loop. */
/* The latest of that name or ARN (which may end in a qualifier), or with `qualifier`, "" or a
 * version or an alias, that one. Borrowed; NULL when there is none. */
struct function *lambda_find(struct lambda *l, struct str name_or_arn, struct str qualifier);
/* Appends what memory has of its log events behind number `after` as JSON lines
 * {"seq","timestamp","stream","message"}; *last receives the highest. ERR_NOTFOUND: no function of
 * that name. */
enum err lambda_logs(struct lambda *l, struct str name_or_arn, uint64_t after, struct buf *out,
                     uint64_t *last) MUSTCHECK;
/* [{"name","arn","runtime","handler","environments","busy",...}] */
void lambda_describe(struct lambda *l, struct buf *out);
/* What is counted of functions, as of now; until lambda_free. Control loop. */
struct metrics;
const struct metrics *lambda_metrics(struct lambda *l);

#endif
