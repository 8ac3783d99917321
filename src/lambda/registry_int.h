/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the registry share. A function is one immutable tree of JSON, in the words of
 * Lambda's API:
 *   {"FunctionName", "NextVersion": 2, "ReservedConcurrentExecutions"?: 5,
 *    "Latest": configuration, "Versions": [configuration, ...],
 *    "Aliases": [{"Name", "FunctionVersion", "RoutingConfig"?, "Description", "RevisionId"}, ...],
 *    "Provisioned": [{"Qualifier", "Requested", "LastModified"}, ...]}
 * A change makes another tree in an arena of its own, which takes the place of the former when it
 * is committed. */
#ifndef ROPELINE_LAMBDA_REGISTRY_INT_H
#define ROPELINE_LAMBDA_REGISTRY_INT_H

#include "lambda/registry.h"
#include "lambda_int.h"
#include "store/store.h"

/* A version or alias that somebody has asked for: a reference is held. */
struct made {
    struct function *function;
    struct made *next;
};
struct managed {
    struct managed *next; /* by name */
    struct arena *arena;
    const struct json *tree;
    struct json *versions; /* of the tree, while it is read from plane.db */
    struct family *family;
    struct made *made;
};

/* A change under way. */
struct changing {
    struct lambda *l;
    struct function_change *change;
    struct managed *on; /* NULL: it is to be made */
    struct arena *arena;
    struct json *tree; /* the new one, at first a copy; NULL: the function goes */
    const struct json
        *show;              /* in it or in the arena: what the caller is answered; NULL = nothing */
    struct str package_hex; /* of the zip, when it is unpacked */
    const struct json *published; /* a version that came into being */
    uint64_t dropped;             /* a version that goes; 0 = none */
    struct function *latest;      /* the new $LATEST, tried out; a reference */
    struct buf tree_text, published_text;
    bool nomem;
};

struct registry {
    struct lambda *lambda;
    struct store *store;
    bool loaded;  /* what plane.db has is here */
    bool started; /* its functions may have environments */
    bool wanted;  /* somebody makes functions: then the file is made, too */
    struct managed *functions;
    struct function_change *queue, **last;
    struct changing now; /* now.change NULL: nothing is under way */
    struct work unpack;
    struct store_job job;
    struct post later; /* begins the next one, or ends one that cannot begin */
    bool posted;
    struct work collect; /* package_collect.c: of packages that nobody needs */
    struct buf used;
    bool collecting, collect_again;
};

/* registry.c */
struct managed *registry__find(const struct registry *r, struct str name);
enum err registry__new(struct lambda *l, struct store *plane, struct errinfo *e) MUSTCHECK;
/* From now on what is provisioned is started. */
void registry__start(struct registry *r);
void registry__free(struct registry *r);
bool registry__busy(const struct registry *r);
/* Loads what plane.db has, once there is such a file. Nobody may be using the store. */
enum err registry__load(struct registry *r, struct errinfo *e) MUSTCHECK;
/* The function that a qualifier comes to, made if need be; borrowed. NULL, with the reason. */
struct function *registry__function(struct lambda *l, struct managed *m, struct str qualifier,
                                    struct errinfo *e);
/* Reservation and provisioned environments as the tree says. */
void registry__apply(struct lambda *l, struct managed *m);
void registry__forget(struct managed *m, struct str qualifier); /* "" = all that was made */
struct function *registry__made(const struct managed *m, struct str qualifier); /* or NULL */

/* package_collect.c: begins to remove what neither functions nor plane.db name. */
void registry__collect(struct registry *r);

/* registry_ops.c: makes the new tree of a change; `e` in Lambda's words. */
enum err registry__change(struct changing *x, struct errinfo *e) MUSTCHECK;

/* registry_json.c */
const struct json *registry__version(const struct json *tree, struct str qualifier);
const struct json *registry__alias(const struct json *tree, struct str name);
const struct json *registry__provisioned(const struct json *tree, struct str qualifier);
struct str registry__arn(struct arena *a, const struct lambda *l, struct str name,
                         struct str qualifier);
enum err registry__spec(struct arena *a, const struct lambda *l, const struct json *config,
                        struct function_spec *out) MUSTCHECK;
enum err registry__not_found(const struct lambda *l, struct str name, struct str qualifier,
                             struct errinfo *e);
/* How many environments of this version all that is provisioned asks for. */
/* Whether the numbers of environments in a row of plane.db are such as could have been asked for.
 */
bool registry__counts_fit(const struct json *tree);
unsigned registry__wanted(const struct json *tree, struct str version);

/* registry_db.c */
enum err registry__read(struct registry *r, struct errinfo *e) MUSTCHECK;
enum err registry__write(struct store_job *j, struct store_tx *tx) MUSTCHECK;

#endif
