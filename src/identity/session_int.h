/* SPDX-License-Identifier: Apache-2.0
 *
 * The state machine of a session (specs/identity-core.md 3.5): a pure function from what is stored
 * and what is shown to what happens next. The store applies it under the row's lock. */
#ifndef ROPELINE_IDENTITY_SESSION_INT_H
#define ROPELINE_IDENTITY_SESSION_INT_H

#include "token_int.h"

enum rotation_mode {
    ROTATION_ON_USE,     /* CDI <= 5.4: a child is confirmed when it is first used */
    ROTATION_ON_REFRESH, /* CDI 5.6: at the refresh itself, with a grace period */
};
struct session_row {
    struct str handle, tenant, user_id;
    struct str hash2, prev_hash2; /* "" = none */
    int64_t rotated_ms, expires_ms, created_ms;
    struct str data, payload; /* JSON text */
    bool static_key;
};
enum session_step {
    SESSION_UNAUTHORISED = 0,
    SESSION_THEFT,
    SESSION_GOOD,         /* nothing is written */
    SESSION_REISSUE,      /* a new access token, nothing is written */
    SESSION_PROMOTE,      /* the shown child becomes the confirmed one, and then as REISSUE */
    SESSION_ROTATE,       /* 5.6: the new token is confirmed at once */
    SESSION_ROTATE_AGAIN, /* 5.6: so is one more for the token before it, within its grace */
};
/* What a refresh with `token` (already decrypted; `hash2` is its own) does to `row` (NULL: there is
 * none). A row that has expired is none. */
enum session_step session_refresh(enum rotation_mode mode, const struct session_row *row,
                                  const struct refresh_token *token, struct str hash2,
                                  bool anti_csrf_ok, int64_t grace_ms, int64_t now_ms);
/* What a verification of `token` (signature and time are good) does. `payload_same`: the stored one
 * says what the token says; looked at only with `check_database`. */
enum session_step session_verify(enum rotation_mode mode, const struct session_row *row,
                                 const struct access_token *token, bool check_database,
                                 bool payload_same, int64_t now_ms);
/* Whether such a token is judged without the store. */
bool session_verify_is_local(enum rotation_mode mode, const struct access_token *token,
                             bool check_database);
/* What a step makes of the row; true: it must be written. `shown` is h2 of the token that was
 * shown, `next` that of the one made for it; both are borrowed by the row. */
bool session_apply(enum session_step step, struct session_row *row, struct str shown,
                   struct str next, int64_t validity_ms, int64_t now_ms);

#endif
