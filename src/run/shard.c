/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of 64 locked parts: which part a key lives in, and nothing else. */
#include "run/shard.h"

enum err shards_init(struct shards *s)
{
    *s = (struct shards){0};
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        if (pthread_mutex_init(&s->shard[i].lock, NULL) != 0) {
            while (i > 0)
                pthread_mutex_destroy(&s->shard[--i].lock);
            return ERR_UNAVAILABLE;
        }
    }
    return ERR_OK;
}

void shards_fini(struct shards *s)
{
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        map_fini(&s->shard[i].map);
        pthread_mutex_destroy(&s->shard[i].lock);
    }
}

struct shard *shard_lock(struct shards *s, struct str key)
{
    return shard_lock_hashed(s, map_hash(key));
}

struct shard *shard_lock_hashed(struct shards *s, uint64_t hash)
{
    /* The high bits: the part's own map probes by the low ones. */
    return shard_lock_at(s, (size_t)(hash >> 58));
}

struct shard *shard_lock_at(struct shards *s, size_t i)
{
    ASSERT(i < SHARD_COUNT);
    pthread_mutex_lock(&s->shard[i].lock);
    return &s->shard[i];
}

void shard_unlock(struct shard *s)
{
    pthread_mutex_unlock(&s->lock);
}
