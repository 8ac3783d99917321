/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash table of the house. Invariant: at least a quarter of the slots is empty, so every probe
 * ends; an entry that was deleted leaves a grave until the next rebuild, so that iteration may go
 * on after deleting what it just returned. */
#include "base/map.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base_int.h"

struct map_slot {
    struct str key;
    void *value; /* NULL: empty, or a grave when hash is GRAVE */
    uint64_t hash;
};
#define GRAVE 1
#define FIRST_SLOTS 8

static uint64_t process_key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

void map__draw_key(void *out, size_t n)
{
    ssize_t got;
    do
        got = getrandom(out, n, 0);
    while (got < 0 && errno == EINTR);
    ASSERT(got == (ssize_t)n);
}

static void draw_process_key(void)
{
    map__draw_key(process_key, sizeof process_key);
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* Inlined, so that the state stays in registers: a call through memory takes three times as long.
 */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

static inline __attribute__((always_inline)) void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012). The four constants are its initial state. */
uint64_t map__siphash(const uint64_t key[2], struct str s)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    uint64_t word;
    size_t at = 0;
    for (; s.n - at >= sizeof word; at += sizeof word) {
        memcpy(&word, s.p + at, sizeof word);
        sip_word(v, le64toh(word));
    }
    word = (uint64_t)s.n << 56;
    for (size_t i = 0; at + i < s.n; i++)
        word |= (uint64_t)(unsigned char)s.p[at + i] << (8 * i);
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t map_hash(struct str key)
{
    pthread_once(&key_once, draw_process_key);
    return map__siphash(process_key, key);
}

void map_fini(struct map *m)
{
    mem_free(m->slots);
    *m = (struct map){0};
}

/* The slot of `key`, or NULL; *place (may be NULL) is where it would go. cap is a power of two. */
static struct map_slot *find(const struct map *m, struct str key, uint64_t hash,
                             struct map_slot **place)
{
    struct map_slot *grave = NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *slot = &m->slots[i];
        if (slot->value && slot->hash == hash && str_eq(slot->key, key))
            return slot;
        if (slot->value)
            continue;
        if (slot->hash == GRAVE) {
            grave = grave ? grave : slot;
            continue;
        }
        if (place)
            *place = grave ? grave : slot;
        return NULL;
    }
}

void *map_get_hashed(const struct map *m, struct str key, uint64_t hash)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *slot = find(m, key, hash, NULL);
    return slot ? slot->value : NULL;
}

void *map_get(const struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *slot = find(m, key, map_hash(key), NULL);
    return slot ? slot->value : NULL;
}

/* Makes room for one more and clears the graves away. */
static enum err make_room(struct map *m)
{
    if (m->cap && (m->count + m->dead + 1) <= m->cap / 4 * 3)
        return ERR_OK;
    size_t cap = m->cap ? m->cap : FIRST_SLOTS;
    while (m->count + 1 > cap / 2) {
        if (cap > SIZE_MAX / 2)
            return ERR_NOMEM;
        cap *= 2;
    }
    struct map bigger = {mem_calloc(cap, sizeof *m->slots), m->count, cap, 0};
    if (!bigger.slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++) {
        struct map_slot *slot = &m->slots[i], *place = NULL;
        if (!slot->value)
            continue;
        (void)find(&bigger, slot->key, slot->hash, &place);
        *place = *slot;
    }
    mem_free(m->slots);
    *m = bigger;
    return ERR_OK;
}

enum err map_put(struct map *m, struct str key, void *value, void **old)
{
    ASSERT(value != NULL);
    uint64_t hash = map_hash(key);
    struct map_slot *place = NULL, *slot = m->cap ? find(m, key, hash, &place) : NULL;
    if (old)
        *old = slot ? slot->value : NULL;
    if (slot) {
        slot->key = key; /* the former key may go with the former value */
        slot->value = value;
        return ERR_OK;
    }
    enum err err = make_room(m);
    if (err != ERR_OK)
        return err;
    (void)find(m, key, hash, &place);
    if (place->hash == GRAVE)
        m->dead--;
    *place = (struct map_slot){key, value, hash};
    m->count++;
    return ERR_OK;
}

void *map_del(struct map *m, struct str key)
{
    struct map_slot *slot = m->count ? find(m, key, map_hash(key), NULL) : NULL;
    if (!slot)
        return NULL;
    void *value = slot->value;
    *slot = (struct map_slot){STR_NONE, NULL, GRAVE};
    m->count--;
    m->dead++;
    return value;
}

bool map_next(const struct map *m, size_t *at, struct str *key, void **value)
{
    while (*at < m->cap) {
        const struct map_slot *slot = &m->slots[(*at)++];
        if (!slot->value)
            continue;
        *key = slot->key;
        *value = slot->value;
        return true;
    }
    return false;
}
