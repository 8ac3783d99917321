/* SPDX-License-Identifier: Apache-2.0
 *
 * str -> pointer, open addressing, SipHash with a key drawn at start so that nobody outside can
 * choose collisions. Keys are borrowed: they must live as long as their entry. One thread. */
#ifndef ROPELINE_BASE_MAP_H
#define ROPELINE_BASE_MAP_H

#include "base/str.h"

struct map {
    struct map_slot *slots;
    size_t count, cap, dead;
};

/* SipHash-2-4 under the process key. Thread-safe. */
uint64_t map_hash(struct str key);

/* A zeroed struct map is a valid empty map. */
void map_fini(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, struct str key);
/* The same when the caller has map_hash(key) already: long keys are hashed once. */
void *map_get_hashed(const struct map *m, struct str key, uint64_t hash);
/* Replaces; *old (may be NULL) receives the former value. value must not be NULL. */
enum err map_put(struct map *m, struct str key, void *value, void **old) MUSTCHECK;
/* The removed value or NULL. */
void *map_del(struct map *m, struct str key);
/* Iteration: start with *at = 0; false at the end. The map must not change meanwhile, except that
 * the entry just returned may be deleted. */
bool map_next(const struct map *m, size_t *at, struct str *key, void **value);

#endif
