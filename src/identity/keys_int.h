/* SPDX-License-Identifier: Apache-2.0
 *
 * The signing keys of the apps (specs/identity-core.md 3.8): one static RS256 key each ("s-<uuid>")
 * and dynamic ones ("d-<createdAtMs>") that follow one another with an overlap; and the key of its
 * refresh tokens. Private parts are sealed in the store (seal_int.h). Copies in memory are shared
 * by all threads, immutable and replaced as a whole. */
#ifndef ROPELINE_IDENTITY_KEYS_INT_H
#define ROPELINE_IDENTITY_KEYS_INT_H

#include "identity_int.h"
#include "signer_int.h"
#include "token_int.h"

struct app_keys; /* of one app at one time: immutable, counted */

/* In a writing phase, before anything is signed: the app's keys, with a fresh dynamic key when
 * there is none or the newest is about to end. Ready RSA keys come from the pool, so that this does
 * not hold the writer. Borrowed from the call. ERR_NOTFOUND: there is no such app. The static key
 * is made by the first call that asks for it: with useDynamicSigningKey false, or
 * keys_all_for_call. */
enum err keys_for_call(struct cdi_call *c, struct store_tx *tx, struct app_keys **out) MUSTCHECK;
enum err keys_all_for_call(struct cdi_call *c, struct store_tx *tx,
                           struct app_keys **out) MUSTCHECK;
/* In a writing phase: all of them, and one more dynamic key whether or not it is due. */
enum err keys_rotate(struct cdi_call *c, struct store_tx *tx) MUSTCHECK;
/* In a reading phase: as they are, to verify with them. ERR_NOTFOUND: there are none. */
enum err keys_known_for_call(struct cdi_call *c, struct store_tx *tx) MUSTCHECK;
/* From memory only, borrowed from the call, to verify with them: NULL when this process has not
 * seen the app yet, or the static key is to be made. */
struct app_keys *keys_cached(struct cdi_call *c);
struct app_keys *keys_all_cached(struct cdi_call *c);
/* Which key signs now; `dynamic` false: the static one. Borrowed from k. */
struct signer keys_signer(const struct app_keys *k, bool dynamic, int64_t now_ms);
/* All that verify now, in the order of the JWKS: dynamic ones newest first, then static. */
const struct jwks *keys_verifiers(const struct app_keys *k);
struct str keys_refresh(const struct app_keys *k); /* 32 bytes */
/* Seconds until the next dynamic key will be made, at least 1: the JWKS' max-age. */
int64_t keys_fresh_s(const struct app_keys *k, int64_t now_ms);

/* --- the registry -------------------------------------------------------------------------------
 */
enum err keys__new(struct identity *i, struct errinfo *e) MUSTCHECK;
void keys__free(struct identity *i);
/* On the control loop: nothing is begun there any more. */
void keys__close(struct identity *i);
/* The app in memory whose next key is to be made first, and when (wall clock); false: there is
 * none. */
bool keys__next(struct identity *i, char app[LIMIT_TENANT_ID], size_t *n, int64_t *due_ms);
/* They have changed, here or on another node, or the app or its settings have. Any thread. */
void keys__forget(struct identity *i, struct str app);
/* After the commit of a call that read keys: they are kept for others. */
void keys__keep(struct cdi_call *c);
/* At the end of a call. */
void keys__drop(struct cdi_call *c);

/* --- keys_db.c: in the store --------------------------------------------------------------------
 */
extern const char keys_db__schema[];
struct app_keys {
    _Atomic unsigned refs;
    uint64_t changes;        /* of the registry, before these were read */
    int64_t read_ms;         /* monotonic */
    int64_t due_ms, gone_ms; /* wall clock: the next dynamic key is made; the oldest is retired */
    /* A key is published so long before it signs; it signs until it is so old; and when the next
     * one is late, so much longer. */
    int64_t overlap_ms, interval_ms, grace_ms;
    struct jwks *verifiers;
    struct jwk *fixed;                   /* the static one, or NULL */
    struct jwk *dynamic[LIMIT_APP_KEYS]; /* the newest one first; references */
    int64_t created_ms[LIMIT_APP_KEYS];
    size_t dynamic_n;
    unsigned char refresh[REFRESH_KEY];
    struct str app;
    char app_text[LIMIT_TENANT_ID];
};
void app_keys__unref(struct app_keys *k);
/* How long a dynamic key is in the JWKS, from when it is made. */
int64_t keys__life_ms(const struct core_config *g);
/* Fills the times from those at which the keys were made. */
void keys__time(struct app_keys *k, const struct core_config *g);
/* Whether the newest one may still sign. */
bool keys__may_sign(const struct app_keys *k, int64_t now_ms);
/* Which of the dynamic ones signs. */
size_t keys__signing(const struct app_keys *k, int64_t now_ms);
enum keys_wanted {
    KEYS_KNOWN,     /* none is made */
    KEYS_THAT_SIGN, /* a dynamic one that is not due */
    KEYS_ALL,       /* and the static one */
    KEYS_ROTATED    /* and a fresh dynamic one */
};
/* Reads them, and makes what is missing. What `known` (may be NULL) has is not unsealed again.
 * ERR_NOTFOUND: there is no such app. */
enum err keys__load(struct cdi_call *c, struct store_tx *tx, const struct app_keys *known,
                    enum keys_wanted wanted, struct app_keys **out) MUSTCHECK;
/* Fills i->sealer, with the key file that the store's secrets are sealed with or, when it has none
 * yet, a new one. Blocks: at start only. */
enum err keys__open_sealer(struct identity *i, struct errinfo *e) MUSTCHECK;

/* --- keys_ask.c: for those that are no call of the core -----------------------------------------
 */
enum err rotations__new(struct identity *i) MUSTCHECK;
void rotations__close(struct identity *i);
void rotations__free(struct identity *i);

/* --- key_pool.c: RSA keys made ahead ------------------------------------------------------------
 */
struct key_pool; /* thread-safe */
enum err key_pool_new(struct run *run, struct key_pool **out) MUSTCHECK;
/* A new private key of RSA 2048 in PEM, to be given back to key_pool_wipe: a ready one, or else
 * made here, which takes up to half a second. Any thread. */
enum err key_pool_take(struct key_pool *p, char **pem) MUSTCHECK;
/* Whether n are ready; if not, they will be soon. Any thread. */
bool key_pool_has(struct key_pool *p, unsigned n);
/* Some will be wanted soon. Any thread. */
void key_pool_expect(struct key_pool *p);
void key_pool_wipe(char *pem);
void key_pool_close(struct key_pool *p); /* on the control loop */
void key_pool_free(struct key_pool *p);  /* after run_main */

#endif
