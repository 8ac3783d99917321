/* SPDX-License-Identifier: Apache-2.0
 *
 * Revoked sessions as a set of 64-bit SipHashes with the time at which each may be forgotten: 16
 * bytes for one. Two sessions with the same hash are one chance in 2^64, and the key of the hash is
 * this process's own: then a good session is refused, never the other way. Invariant: at most three
 * quarters of the slots of a part are in use, so that a look ends soon. */
#include "revoked_int.h"

#include "base/mem.h"
#include "limits_int.h"
#include "run/shard.h"

#define FIRST_SLOTS 64
#define MOST_SLOTS 32768
_Static_assert(SHARD_COUNT *(MOST_SLOTS / 4 * 3) == LIMIT_REVOKED_SESSIONS, "of all parts");

struct entry {
    uint64_t hash; /* 0 = a free slot */
    int64_t until_ms;
};
struct part { /* under the lock of the shard with its number */
    struct entry *slots;
    size_t cap, count;
};
struct revoked {
    struct shards shards;
    struct part parts[SHARD_COUNT];
};

enum err revoked_new(struct revoked **out)
{
    struct revoked *r = mem_alloc(sizeof *r);
    enum err err = r ? shards_init(&r->shards) : ERR_NOMEM;
    if (err != ERR_OK) {
        mem_free(r);
        r = NULL;
    }
    *out = r;
    return err;
}

void revoked_free(struct revoked *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++)
        mem_free(r->parts[i].slots);
    shards_fini(&r->shards);
    mem_free(r);
}

/* Handles have no `/` and apps neither; one that is longer than any of ours is nobody's. */
static bool hash_of(struct str app, struct str handle, uint64_t *out)
{
    char text[2 * LIMIT_TENANT_ID + 64];
    if (app.n + handle.n + 1 > sizeof text)
        return false;
    memcpy(text, app.p, app.n);
    text[app.n] = '/';
    memcpy(text + app.n + 1, handle.p, handle.n);
    *out = map_hash(str_of(text, app.n + 1 + handle.n));
    *out += *out == 0;
    return true;
}

static struct part *part_of(struct revoked *r, const struct shard *s)
{
    return &r->parts[s - r->shards.shard];
}

/* Where the hash is, or the free slot where it would be; NULL only without slots. */
static struct entry *find(const struct part *p, uint64_t hash)
{
    for (size_t i = hash & (p->cap - 1); p->cap > 0; i = (i + 1) & (p->cap - 1))
        if (p->slots[i].hash == hash || p->slots[i].hash == 0)
            return &p->slots[i];
    return NULL;
}

/* The same part with `cap` slots and without what ends before `from_ms`. */
static enum err rebuild(struct part *p, size_t cap, int64_t from_ms)
{
    struct part next = {mem_calloc(cap, sizeof *next.slots), cap, 0};
    if (next.slots == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < p->cap; i++) {
        const struct entry *e = &p->slots[i];
        if (e->hash == 0 || e->until_ms < from_ms)
            continue;
        *find(&next, e->hash) = *e;
        next.count++;
    }
    mem_free(p->slots);
    *p = next;
    return ERR_OK;
}

static bool is_full(const struct part *p)
{
    return p->count >= p->cap / 4 * 3;
}

static int64_t soonest(const struct part *p)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < p->cap; i++)
        if (p->slots[i].hash && p->slots[i].until_ms < first)
            first = p->slots[i].until_ms;
    return first;
}

/* ERR_LIMIT: there is room, but at the cost of what ended first. */
static enum err make_room(struct part *p, int64_t until_ms, int64_t now_ms)
{
    if (!is_full(p))
        return ERR_OK;
    enum err err = rebuild(p, p->cap ? p->cap : FIRST_SLOTS, now_ms);
    if (err == ERR_OK && p->count > p->cap / 2 && p->cap < MOST_SLOTS)
        err = rebuild(p, 2 * p->cap, now_ms);
    if (err != ERR_OK || !is_full(p))
        return err;
    int64_t first = soonest(p);
    if (first < until_ms)
        err = rebuild(p, p->cap, first + (until_ms - first) / 16 + 1); /* not one for each call */
    return err ? err : ERR_LIMIT;
}

enum err revoked_add(struct revoked *r, struct str app, struct str handle, int64_t until_ms,
                     int64_t now_ms)
{
    uint64_t hash;
    if (!hash_of(app, handle, &hash) || until_ms < now_ms)
        return ERR_OK;
    struct shard *s = shard_lock_hashed(&r->shards, hash);
    struct part *p = part_of(r, s);
    enum err err = make_room(p, until_ms, now_ms);
    struct entry *e = is_full(p) ? NULL : find(p, hash);
    if (e && e->hash == 0)
        p->count++;
    if (e)
        *e = (struct entry){hash, e->hash && e->until_ms > until_ms ? e->until_ms : until_ms};
    shard_unlock(s);
    return e ? err == ERR_LIMIT ? err : ERR_OK : err;
}

bool revoked_has(struct revoked *r, struct str app, struct str handle)
{
    uint64_t hash;
    if (!hash_of(app, handle, &hash))
        return false;
    struct shard *s = shard_lock_hashed(&r->shards, hash);
    const struct entry *e = find(part_of(r, s), hash);
    bool has = e && e->hash == hash;
    shard_unlock(s);
    return has;
}

size_t revoked_count(struct revoked *r)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = shard_lock_at(&r->shards, i);
        n += r->parts[i].count;
        shard_unlock(s);
    }
    return n;
}
