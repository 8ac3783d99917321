/* SPDX-License-Identifier: Apache-2.0
 *
 * The authorizer cache: what a function answered for (configuration, identity), until its TTL ends,
 * shared by all workers; and the calls under way, so that identical misses make one call.
 * An answer that was asked for again is proven and keeps its place before those that were not: a
 * flood of tokens that nobody shows twice evicts only itself.
 * Invariant: an entry is either in flight (no result, in no order, never evicted) or stored
 * (result, in one of its shard's two orders, its bytes in that order's account). */
#include "authorizer_int.h"
#include "base/mem.h"
#include "run/shard.h"

/* Hits within this time leave an entry where it stands, so that they only read. */
#define STAND_MS 1000

struct cache_entry {
    struct cache_entry *prev, *next; /* stored: order of use, oldest at the head */
    bool proven;
    int64_t moved_ms;
    struct auth_result *result; /* NULL = in flight */
    int64_t expires_ms;
    struct auth_call *waiters, **waiters_end;
    bool doomed; /* purged while in flight: do not store */
    struct str key;
    size_t bytes;
    struct str authorizer; /* of the leader's snapshot; only while in flight */
};

struct order {
    struct cache_entry *head, *tail;
    size_t bytes;
};

struct authorizer_cache {
    struct shards shards;
    size_t shard_max;
    struct orders { /* under the lock of the shard with this number */
        struct order fresh, proven;
    } orders[SHARD_COUNT];
};

static struct orders *orders_of(struct authorizer_cache *c, const struct shard *s)
{
    return &c->orders[s - c->shards.shard];
}

enum err authorizer_cache_new(size_t max_bytes, struct authorizer_cache **out)
{
    struct authorizer_cache *c = mem_alloc(sizeof *c);
    *out = NULL;
    if (c == NULL)
        return ERR_NOMEM;
    enum err err = shards_init(&c->shards);
    if (err != ERR_OK) {
        mem_free(c);
        return err;
    }
    c->shard_max = max_bytes / SHARD_COUNT;
    *out = c;
    return ERR_OK;
}

static struct order *order_of(struct orders *o, const struct cache_entry *e)
{
    return e->proven ? &o->proven : &o->fresh;
}

static void order_remove(struct orders *of, struct cache_entry *e)
{
    struct order *o = order_of(of, e);
    if (e->prev)
        e->prev->next = e->next;
    else
        o->head = e->next;
    if (e->next)
        e->next->prev = e->prev;
    else
        o->tail = e->prev;
    e->prev = e->next = NULL;
    o->bytes -= e->bytes;
}

static void order_append(struct orders *of, struct cache_entry *e)
{
    struct order *o = order_of(of, e);
    e->prev = o->tail;
    e->next = NULL;
    if (o->tail)
        o->tail->next = e;
    else
        o->head = e;
    o->tail = e;
    o->bytes += e->bytes;
}

/* A proven entry stays so while the proven fit into three quarters of the shard. */
static void order_touch(struct authorizer_cache *c, struct orders *o, struct cache_entry *e,
                        int64_t now_ms)
{
    if (e->proven && now_ms - e->moved_ms < STAND_MS)
        return;
    order_remove(o, e);
    e->proven = true;
    e->moved_ms = now_ms;
    order_append(o, e);
    while (o->proven.bytes > c->shard_max / 4 * 3 && o->proven.head != e) {
        struct cache_entry *oldest = o->proven.head;
        order_remove(o, oldest);
        oldest->proven = false;
        order_append(o, oldest);
    }
}

/* Takes a stored entry out and frees it. */
static void drop(struct shard *s, struct orders *o, struct cache_entry *e)
{
    order_remove(o, e);
    map_del(&s->map, e->key);
    auth__result_unref(e->result);
    mem_free(e);
}

void authorizer_cache_free(struct authorizer_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = shard_lock_at(&c->shards, i);
        struct orders *o = orders_of(c, s);
        while (o->fresh.head)
            drop(s, o, o->fresh.head);
        while (o->proven.head)
            drop(s, o, o->proven.head);
        shard_unlock(s);
    }
    shards_fini(&c->shards);
    mem_free(c);
}

static struct cache_entry *start_flight(struct shard *s, struct auth_call *c)
{
    struct cache_entry *e = mem_alloc(sizeof *e + c->key.n);
    if (e == NULL)
        return NULL;
    memcpy(e + 1, c->key.p, c->key.n);
    e->key = str_of(e + 1, c->key.n);
    e->authorizer = c->authorizer->name;
    e->waiters_end = &e->waiters;
    if (map_put(&s->map, e->key, e, NULL) != ERR_OK) {
        mem_free(e);
        return NULL;
    }
    return e;
}

enum cache_answer cache__lookup(struct authorizer_cache *cache, struct auth_call *c, int64_t now_ms,
                                struct auth_result **result)
{
    enum cache_answer answer = CACHE_LEAD;
    uint64_t hash = map_hash(c->key);
    struct shard *s = shard_lock_hashed(&cache->shards, hash);
    struct orders *o = orders_of(cache, s);
    struct cache_entry *e = map_get_hashed(&s->map, c->key, hash);
    if (e && e->result && e->expires_ms <= now_ms) {
        drop(s, o, e);
        e = NULL;
    }
    if (e && e->result) {
        *result = auth__result_ref(e->result);
        order_touch(cache, o, e, now_ms);
        answer = CACHE_HIT;
    } else if (e && c->authorizer->coalesce && !e->doomed) {
        c->next = NULL;
        *e->waiters_end = c;
        e->waiters_end = &c->next;
        answer = CACHE_WAIT;
    } else if (e) {
        answer = CACHE_FULL; /* coalescing is off, or the call under way began before a purge */
    } else if ((c->flight = start_flight(s, c)) == NULL) {
        answer = CACHE_FULL;
    }
    shard_unlock(s);
    return answer;
}

struct auth_call *cache__land(struct authorizer_cache *cache, struct auth_call *leader,
                              struct auth_result *result, int64_t expires_ms)
{
    struct cache_entry *e = leader->flight;
    struct shard *s = shard_lock(&cache->shards, e->key);
    struct orders *o = orders_of(cache, s);
    struct auth_call *waiters = e->waiters;
    e->bytes = sizeof *e + e->key.n + (result ? auth__result_bytes(result) : 0);
    if (result == NULL || expires_ms == 0 || e->doomed || e->bytes > cache->shard_max) {
        map_del(&s->map, e->key);
        mem_free(e);
    } else {
        e->result = auth__result_ref(result);
        e->expires_ms = expires_ms;
        e->waiters = NULL;
        e->authorizer = STR_NONE;
        order_append(o, e);
        while (o->fresh.bytes + o->proven.bytes > cache->shard_max)
            drop(s, o, o->fresh.head ? o->fresh.head : o->proven.head);
    }
    for (struct auth_call *w = waiters; w; w = w->next)
        w->result = result ? auth__result_ref(result) : NULL;
    shard_unlock(s);
    leader->flight = NULL;
    return waiters;
}

struct purge {
    struct str authorizer, principal; /* "" = any */
    const struct map *principals;     /* NULL = any */
};

static bool matches(const struct cache_entry *e, const struct purge *p)
{
    if (e->result == NULL) /* in flight: whoever it turns out to be, it began before the purge */
        return p->authorizer.n == 0 || str_eq(e->authorizer, p->authorizer);
    return (p->authorizer.n == 0 || str_eq(e->result->authorizer, p->authorizer)) &&
           (p->principal.n == 0 || str_eq(e->result->principal, p->principal)) &&
           (p->principals == NULL || map_get(p->principals, e->result->principal));
}

static size_t purge(struct authorizer_cache *c, const struct purge *p)
{
    size_t dropped = 0;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = shard_lock_at(&c->shards, i);
        size_t at = 0;
        struct str key;
        void *value;
        while (map_next(&s->map, &at, &key, &value)) {
            struct cache_entry *e = value;
            if (!matches(e, p))
                continue;
            if (e->result == NULL) {
                e->doomed = true;
            } else {
                drop(s, orders_of(c, s), e);
                dropped++;
            }
        }
        shard_unlock(s);
    }
    return dropped;
}

size_t authorizer_cache_purge(struct authorizer_cache *c, struct str authorizer,
                              struct str principal)
{
    return purge(c, &(struct purge){.authorizer = authorizer, .principal = principal});
}

size_t authorizer_cache_purge_all(struct authorizer_cache *c, const struct map *principals)
{
    return purge(c, &(struct purge){.principals = principals});
}

size_t authorizer_cache_count(struct authorizer_cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = shard_lock_at(&c->shards, i);
        n += s->map.count;
        shard_unlock(s);
    }
    return n;
}
