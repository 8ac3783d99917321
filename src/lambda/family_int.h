/* SPDX-License-Identifier: Apache-2.0
 *
 * What the versions of a function have to do with each other: the name that they share and its
 * reserved concurrency, aliases, provisioned concurrency. All on the control loop. */
#ifndef ROPELINE_LAMBDA_FAMILY_INT_H
#define ROPELINE_LAMBDA_FAMILY_INT_H

#include "base/limits.h"
#include "base/map.h"
#include "lambda/lambda.h"

struct environment;

/* All versions of one name and what they share. It stays until the room ends, as logs do. "On
 * demand" is every environment that is not provisioned. */
struct family {
    char name[LIMIT_FUNCTION_NAME + 1];
    bool managed;       /* made by the control plane, not by a document */
    int reserved;       /* executions at one time; -1 = no such limit */
    size_t provisioned; /* the sum of function.wanted */
    size_t alive, idle; /* environments on demand that are not DEAD; of these, IDLE */
    size_t running;     /* invocations in environments on demand */
    size_t queued;      /* that wait for one */
    uint64_t throttled;
};

/* Of all functions together. */
struct census {
    struct map families; /* by name */
    size_t alive, idle;  /* environments that are not DEAD; idle ones on demand */
    size_t queued;       /* invocations that wait */
    struct post serve;   /* gives what became free to whoever waits */
    bool serving;        /* it is on its way */
    uint64_t dice;       /* for the weights of aliases */
};

/* Of one version: environments that are kept ready. */
struct provision {
    unsigned wanted;
    size_t held, starting, running; /* not DEAD; of these in INIT, with an invocation */
    unsigned failures;              /* in a row: the pause between attempts grows */
    const char *failed;             /* why the latest could not be had; NULL = it could */
    struct timer timer;
    uint64_t runs, spilled; /* invocations in one of them; beside them */
};

bool lambda__is_alias_name(struct str name);
/* alias.c: the version that this call of `f` runs in. */
struct function *lambda__alias_pick(struct function *f);

/* family.c */
struct family *lambda__family(struct lambda *l, struct str name) MUSTCHECK;
/* An environment comes to (by = 1) or leaves (by = -1) the state that it has. */
void lambda__count(const struct environment *env, int by);
/* How many environments on demand may still be started, idle ones of others ended for it. */
size_t lambda__startable(const struct function *f);
/* Whether one may be started now; ends an idle one of somebody else where that makes the room. */
bool lambda__make_room(struct function *f);
/* The same for one that is provisioned. */
bool lambda__make_room_provisioned(struct lambda *l);
bool lambda__is_reserved_away(const struct function *f); /* no execution more, by reservation */
void lambda__serve_all(struct lambda *l);                /* soon: whoever waits tries again */

/* provision.c */
void lambda__provision(struct function *f, unsigned wanted);
void lambda__provision_gone(struct environment *env);   /* one of them is DEAD */
bool lambda__provision_fails(const struct function *f); /* its code does not start */
const char *lambda__provision_status(const struct function *f);
size_t lambda__provision_ready(const struct function *f);

#endif
