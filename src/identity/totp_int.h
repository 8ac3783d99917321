/* SPDX-License-Identifier: Apache-2.0
 *
 * One-time passwords of an authenticator app: RFC 6238 with HMAC-SHA-1 and six digits, and the
 * tables of devices and tries. */
#ifndef ROPELINE_IDENTITY_TOTP_INT_H
#define ROPELINE_IDENTITY_TOTP_INT_H

#include "cdi_int.h"

/* --- codes (totp_code.c): pure ------------------------------------------------------------------
 */
#define TOTP_SECRET_BYTES 20
#define TOTP_DIGITS 6
/* Base32 (RFC 4648) of a random secret. */
enum err totp_new_secret(struct arena *a, struct str *out) MUSTCHECK;
/* The bytes of a secret; letter case, blanks and padding at the end do not matter. ERR_INVALID. */
enum err totp_read_secret(struct str base32, struct buf *out) MUSTCHECK;
/* The code of a counter (RFC 4226). */
enum err totp_code(struct str secret, uint64_t counter, char out[TOTP_DIGITS + 1]) MUSTCHECK;
/* Whether `code` is that of now, or of one of the `skew` periods on either side of it. */
enum err totp_is(struct str secret, int64_t now_s, int64_t period_s, int64_t skew, struct str code,
                 bool *out) MUSTCHECK;

/* --- the store (totp_db.c) ----------------------------------------------------------------------
 */
extern const char totp_db__schema[];
struct totp_device {
    struct str name, secret; /* secret: base32 */
    int64_t period_s, skew;
    bool verified;
};
/* All devices of a user, oldest first, kept from others until the transaction ends when `lock`. */
enum err totp_devices(struct cdi_call *c, struct store_tx *tx, struct str user, bool lock,
                      struct totp_device **out, size_t *n) MUSTCHECK;
/* Instead of one of the same name that is not verified. ERR_EXISTS: it is, or there are too many.
 */
enum err totp_add(struct cdi_call *c, struct store_tx *tx, struct str user,
                  const struct totp_device *d) MUSTCHECK;
enum err totp_rename(struct cdi_call *c, struct store_tx *tx, struct str user, struct str from,
                     struct str to) MUSTCHECK; /* ERR_NOTFOUND, ERR_EXISTS */
enum err totp_remove(struct cdi_call *c, struct store_tx *tx, struct str user, struct str name,
                     bool *did) MUSTCHECK;
enum err totp_set_verified(struct cdi_call *c, struct store_tx *tx, struct str user,
                           struct str name) MUSTCHECK;
struct totp_try {
    int64_t at_ms, expires_ms;
    struct str code;
    bool valid;
};
/* The latest tries of a user in the call's tenant, newest first, at most `most`. */
enum err totp_tries(struct cdi_call *c, struct store_tx *tx, struct str user, size_t most,
                    struct totp_try **out, size_t *n) MUSTCHECK;
/* ERR_OK and *used: a valid try with this code has not expired. */
enum err totp_was_used(struct cdi_call *c, struct store_tx *tx, struct str user, struct str code,
                       bool *used) MUSTCHECK;
/* Also drops what no later judgement needs. */
enum err totp_note_try(struct cdi_call *c, struct store_tx *tx, struct str user,
                       const struct totp_try *t) MUSTCHECK;

/* --- for the row of this recipe in user__recipes ------------------------------------------------
 */
enum err totp__forget(struct cdi_call *c, struct store_tx *tx, struct str id) MUSTCHECK;
enum err totp__uses(struct cdi_call *c, struct store_tx *tx, struct str id, bool *out) MUSTCHECK;

#endif
