/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files that answer the session recipe. */
#ifndef ROPELINE_IDENTITY_SESSION_OPS_INT_H
#define ROPELINE_IDENTITY_SESSION_OPS_INT_H

#include "keys_int.h"
#include "session_db_int.h"

/* --- session_user.c: whose a session is ---------------------------------------------------------
 */
/* `id` as the app knows it, and the user that it belongs to; both are `id` when nobody has it. */
enum err session__user(struct cdi_call *c, struct store_tx *tx, struct str id, struct str *recipe,
                       struct str *primary) MUSTCHECK;
/* All ids under which sessions of `id` are kept; with `linked` those of its whole user. */
enum err session__accounts(struct cdi_call *c, struct store_tx *tx, struct str id, bool linked,
                           struct json **out) MUSTCHECK;

/* --- session_issue.c: tokens for a row ----------------------------------------------------------
 */
struct session_tokens {
    struct app_keys *keys;
    struct access_token access; /* to be signed, or already judged */
    struct str claims;          /* of it, as they will be signed; STR_NONE: none is due */
    bool dynamic;               /* which key signs it */
    struct str refresh;         /* STR_NONE = none was made */
    char hash2[HASH_TEXT];      /* of `refresh` */
    int64_t refresh_expires_ms, created_ms;
};
/* A refresh token for the row, a child of `parent_hash1` ("" = of none), and the claims of the
 * access token that goes with it. t->keys is there already. */
enum err session__issue(struct cdi_call *c, struct session_tokens *t, const struct session_row *row,
                        struct str primary, struct str parent_hash1, bool anti_csrf) MUSTCHECK;
/* The claims of t->access, with a full life from now when `renewed`. 400 when it is too large. */
enum err session__claims(struct cdi_call *c, struct session_tokens *t, bool renewed) MUSTCHECK;
/* A shown token that the row confirms is replaced: as it was, but without a parent, and with the
 * payload that is stored. t->access is the shown one. */
enum err session__renew(struct cdi_call *c, struct session_tokens *t,
                        const struct session_row *row) MUSTCHECK;
/* The stored payload as an object. */
enum err session__payload(struct cdi_call *c, struct str text, const struct json **out) MUSTCHECK;
/* In the CPU lane: signs what is due and answers. */
enum err session__sign(struct cdi_call *c, struct store_tx *none) MUSTCHECK;
/* The same without an answer: *out is "" when nothing is due. */
enum err session__sign_token(struct cdi_call *c, const struct session_tokens *t,
                             struct str *out) MUSTCHECK;
/* 400 with the core's words when a payload has a member that is ours, or is too large. */
enum err session__check_payload(struct cdi_call *c, const struct json *payload) MUSTCHECK;
/* JSON as it is stored. 400 when it is larger than `max`. */
enum err session__text(struct cdi_call *c, const struct json *v, size_t max,
                       struct str *out) MUSTCHECK;
/* The same members with the same values, in whatever order. */
bool session__same(const struct json *a, const struct json *b);

/* Between the modes of specs/identity-core.md 3.5. */
enum rotation_mode session__mode(const struct cdi_call *c);

#endif
