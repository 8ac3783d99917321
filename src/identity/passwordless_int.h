/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes by e-mail or telephone: what is sent to a person, what is stored of it, and the tables. A
 * device is one attempt to log in, known by a random id that only the person's browser has; it may
 * be sent several codes. Of ids and codes only digests are stored. */
#ifndef ROPELINE_IDENTITY_PASSWORDLESS_INT_H
#define ROPELINE_IDENTITY_PASSWORDLESS_INT_H

#include "cdi_int.h"

/* --- codes (passwordless_code.c): pure but for randomness ---------------------------------------
 */
#define CODE_BYTES 32
struct passwordless_device_id {
    unsigned char bytes[CODE_BYTES];
    struct str text; /* base64 of it */
    struct str hash; /* base64url of its SHA-256: the preAuthSessionId */
};
struct passwordless_code {
    struct str link;      /* base64url */
    struct str link_hash; /* base64url of its SHA-256 */
};
/* Random ones. */
enum err passwordless_new_device(struct arena *a, struct passwordless_device_id *out) MUSTCHECK;
enum err passwordless_new_salt(struct arena *a, struct str *out) MUSTCHECK;  /* base64 */
enum err passwordless_new_input(struct arena *a, struct str *out) MUSTCHECK; /* six digits */
/* From the texts of a caller. ERR_INVALID: they are none. */
enum err passwordless_read_device(struct arena *a, struct str text,
                                  struct passwordless_device_id *out) MUSTCHECK;
enum err passwordless_read_link(struct arena *a, struct str text,
                                struct passwordless_code *out) MUSTCHECK;
/* The code that `input` makes for this device: without the salt, which never leaves the store,
 * nobody can try inputs without being counted. */
enum err passwordless_code_of(struct arena *a, const struct passwordless_device_id *d,
                              struct str salt, struct str input,
                              struct passwordless_code *out) MUSTCHECK;

/* --- the store (passwordless_db.c) --------------------------------------------------------------
 */
extern const char passwordless_db__schema[];
struct passwordless_device {
    struct str hash, email, phone, salt; /* email or phone is "" */
    int64_t failed;
};
/* ERR_NOTFOUND. `lock`: until the transaction ends nobody else uses a code of it. */
enum err passwordless_find(struct cdi_call *c, struct store_tx *tx, struct str hash, bool lock,
                           struct passwordless_device *out) MUSTCHECK;
enum err passwordless_add(struct cdi_call *c, struct store_tx *tx,
                          const struct passwordless_device *d) MUSTCHECK;
enum err passwordless_count_failure(struct cdi_call *c, struct store_tx *tx,
                                    struct str hash) MUSTCHECK;
enum err passwordless_remove(struct cdi_call *c, struct store_tx *tx, struct str hash) MUSTCHECK;
/* All devices of an e-mail or number ("" = none) in a tenant. */
enum err passwordless_remove_of(struct cdi_call *c, struct store_tx *tx, struct str tenant,
                                struct str email, struct str phone) MUSTCHECK;
/* ERR_EXISTS: the same code was made before. */
enum err passwordless_add_code(struct cdi_call *c, struct store_tx *tx, struct str device_hash,
                               struct str code_id, struct str link_hash) MUSTCHECK;
/* By its digest. ERR_NOTFOUND. */
enum err passwordless_find_code(struct cdi_call *c, struct store_tx *tx, struct str link_hash,
                                struct str *device_hash, int64_t *created_ms) MUSTCHECK;
/* And its device, when that was the last. */
enum err passwordless_remove_code(struct cdi_call *c, struct store_tx *tx,
                                  struct str code_id) MUSTCHECK;
/* As GET /recipe/signinup/codes shows them. An empty `key` is nobody's. */
enum passwordless_by { BY_DEVICE_HASH, BY_EMAIL, BY_PHONE };
enum err passwordless_list(struct cdi_call *c, struct store_tx *tx, enum passwordless_by by,
                           struct str key, struct json **out) MUSTCHECK;
/* What nobody can use any more. */
enum err passwordless_purge(struct cdi_call *c, struct store_tx *tx) MUSTCHECK;

#endif
