/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens that are mailed to a user and work once: of a password reset, of an e-mail's
 * verification. Only their SHA-256 is kept. */
#ifndef ROPELINE_IDENTITY_ONE_TIME_INT_H
#define ROPELINE_IDENTITY_ONE_TIME_INT_H

#include "cdi_int.h"
#include "schema_int.h"

enum one_time_use { ONE_TIME_RESET, ONE_TIME_VERIFY };
/* What a token is for. It is found only under the use and tenant that it was made for. */
struct one_time {
    enum one_time_use use;
    struct str tenant; /* "" = of the whole app */
    struct str user_id, email;
};
/* In a writing phase. `*token`: 64 letters of base64url, 384 random bits. */
enum err one_time_make(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                       int64_t life_ms, struct str *token) MUSTCHECK;
/* Fills in user_id and email, and takes nothing. ERR_NOTFOUND, ERR_EXPIRED. */
enum err one_time_find(struct cdi_call *c, struct store_tx *tx, struct str token,
                       struct one_time *t) MUSTCHECK;
/* In a writing phase: fills in user_id and email, and ends the token together with all others for
 * the same (those of a reset: of the user; of a verification: of the user and e-mail). Of callers
 * at once exactly one gets ERR_OK. ERR_NOTFOUND: there is none, or no more; ERR_EXPIRED: it has
 * ended now, and what was written must be committed all the same. */
enum err one_time_take(struct cdi_call *c, struct store_tx *tx, struct str token,
                       struct one_time *t) MUSTCHECK;
/* Ends the user's tokens of this use: in all tenants and for every e-mail where these are "". */
enum err one_time_end(struct cdi_call *c, struct store_tx *tx, const struct one_time *t) MUSTCHECK;
/* Whether the user has any of this use, in any tenant. */
enum err one_time_has(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                      bool *out) MUSTCHECK;
/* The user's tokens of this use are another's from now on. */
enum err one_time_rename(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                         struct str to) MUSTCHECK;

extern const char one_time__schema[];

#endif
