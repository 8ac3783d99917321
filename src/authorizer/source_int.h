/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an authorizer's keys come from: one issuer's published set, or files. The control loop gets
 * them and posts an immutable view to every worker; a worker that misses a key asks and waits.
 * Invariant: a source that fails goes on with the last good keys until they are too old, and then
 * with none. */
#ifndef ROPELINE_AUTHORIZER_SOURCE_INT_H
#define ROPELINE_AUTHORIZER_SOURCE_INT_H

#include "authorizer/issuers.h"
#include "authorizer_int.h"
#include "base/limits.h"
#include "jose/jwks.h"

#define SOURCE_GONE 8 /* kids remembered after they left the set */
struct source_gone {
    char kid[64];
    int64_t wall_s;
};

/* What a worker knows; immutable, shared, counted. Times are loop_now_ms but where they say wall.
 */
struct source_view {
    _Atomic unsigned refs;
    uint64_t number;        /* of the attempt that made it, from 1 */
    struct jwks *keys;      /* NULL: none yet */
    int64_t got_ms;         /* when the keys came */
    int64_t good_until_ms;  /* later they are too old to be believed */
    int64_t quiet_until_ms; /* before that, asking for a missing key changes nothing */
    struct source_gone gone[SOURCE_GONE];
    size_t gone_n;
    char why[200]; /* why the latest attempt failed; "" = it did not */
};

struct key_file { /* one of x-ropeline-keys */
    struct str path;
    struct jwk_about about; /* of the PEM keys in it */
    bool has_about;
};

struct key_source;
/* What kinds of source differ in: how they come by keys. Each `get` ends in one
 * of source__got, source__failed and source__same, also from inside it. */
struct source_way {
    int64_t every_ms; /* between attempts that go well */
    void (*get)(struct key_source *s);
    void (*stop)(
        struct key_source *s); /* an attempt under way is to end soon; NULL: there is none */
    void (*fini)(
        struct key_source *s); /* what the arena does not hold; any thread; NULL: nothing */
};

struct key_source {
    _Atomic unsigned refs; /* of the memory: the registry's, and one for each view under way */
    struct issuers *registry;
    const struct source_way *way;
    struct str id;   /* in the registry */
    struct str name; /* for people: the issuer, or the files */
    bool fetched;    /* from the network */
    size_t users;    /* control loop, as all below: authorizers compiled with it */
    bool busy, asked_for_kid;
    struct source_view *view;
    struct auth_call *waiters, **waiters_end;
    struct timer timer;
    int64_t tried_ms;  /* when the latest attempt began; INT64_MIN = never */
    unsigned failures; /* in a row */
    uint64_t attempts, failed;
    _Atomic uint64_t unknown_kids; /* any worker */
    unsigned workers;
    /* of the way */
    struct fetch *fetch;
    struct key_file *files;
    struct file_mark *marks;
    size_t file_n;
    struct arena *arena;  /* of the texts above; holds this struct too */
    struct source_share { /* one per worker; touched by that worker only */
        struct source_view *view;
    } share[];
};

struct fetcher *issuers__fetcher(const struct issuers *r); /* control loop */
struct loop *issuers__control(const struct issuers *r);
/* Finds or makes; counts a user. Control loop. */
enum err source__issuer(struct issuers *r, struct str issuer, struct key_source **out) MUSTCHECK;
enum err source__files(struct issuers *r, const struct key_file *files, size_t n,
                       struct key_source **out, struct errinfo *e) MUSTCHECK;
void source__let_go(struct key_source *s); /* NULL is fine */

/* On a worker: what it knows now, valid until it returns to its loop; NULL = nothing yet. */
const struct source_view *source__view(const struct key_source *s, const struct loop *worker);
bool source__is_fresh(const struct source_view *v, int64_t now_ms);
/* From a worker: c->awaited is to be asked for keys; kind->decide runs again when it has answered,
 * or at once when it will not. */
void source__ask(struct auth_call *c);

/* Results of an attempt; `keys` is taken over, `why` is copied. */
void source__got(struct key_source *s, struct jwks *keys);
void source__failed(struct key_source *s, const char *fmt, ...) PRINTF(2, 3);
void source__same(struct key_source *s); /* nothing has changed */

/* For the ways. */
struct key_source *source__find(struct issuers *r, struct str id); /* counts a user; NULL: none */
enum err source__new(struct issuers *r, struct str id, struct str name,
                     const struct source_way *way, struct key_source **out) MUSTCHECK;
void source__start(struct key_source *s); /* the first attempt */

/* source_fetch.c and source_file.c */
extern const struct source_way source__by_fetch, source__by_file;
/* Reads files once, for the verdict on a document. */
enum err source__read_files(const struct key_file *files, size_t n, struct jwks **out,
                            struct errinfo *e) MUSTCHECK;

#endif
