/* SPDX-License-Identifier: Apache-2.0
 *
 * The only lock of the gateway process: a table in 64 parts, each a map under its own mutex, for
 * what must be true on every core at once (authorizer cache, single-flight). Work under a lock is
 * O(1); nothing is called back under it. */
#ifndef ROPELINE_RUN_SHARD_H
#define ROPELINE_RUN_SHARD_H

#include <pthread.h>

#include "base/map.h"

#define SHARD_COUNT 64

struct shard {
    pthread_mutex_t lock;
    struct map map;
    void *head, *tail; /* the owner's order of entries, oldest first */
    size_t bytes;      /* the owner's account */
    char apart[32];    /* neighbours' locks stand on different cache lines */
};

struct shards {
    struct shard shard[SHARD_COUNT];
};

enum err shards_init(struct shards *s) MUSTCHECK;
void shards_fini(struct shards *s); /* the entries are the owner's */
/* The part that holds `key`, locked. */
struct shard *shard_lock(struct shards *s, struct str key);
struct shard *shard_lock_hashed(struct shards *s, uint64_t hash); /* of map_hash */
struct shard *shard_lock_at(struct shards *s, size_t i);
void shard_unlock(struct shard *s);

#endif
