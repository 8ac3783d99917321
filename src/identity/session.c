/* SPDX-License-Identifier: Apache-2.0
 *
 * The state machine of a session. Invariant: the refresh tokens that work are the confirmed one and
 * its own children, and a child that is used becomes the confirmed one; whatever else is shown was
 * copied from somebody. In mode 5.6 a refresh confirms its child at once, and only the token before
 * it is still good for a while. */
#include "session_int.h"

#include "base/crypt.h"

/* Whether hash2 is the second digest of hash1. "" is the digest of nothing. */
static bool is_hash_of(struct str hash1, struct str hash2)
{
    char text[HASH_TEXT];
    if (hash1.n == 0 || hash2.n == 0)
        return false;
    refresh_hash2(hash1, text);
    return crypt_equal(str_of(text, HASH_TEXT - 1), hash2);
}

static bool is_same(struct str a, struct str b)
{
    return a.n > 0 && crypt_equal(a, b);
}

static bool lives(const struct session_row *row, struct str handle, int64_t now_ms)
{
    return row && row->expires_ms >= now_ms && str_eq(row->handle, handle);
}

enum session_step session_refresh(enum rotation_mode mode, const struct session_row *row,
                                  const struct refresh_token *token, struct str hash2,
                                  bool anti_csrf_ok, int64_t grace_ms, int64_t now_ms)
{
    if (!lives(row, token->session_handle, now_ms) || !anti_csrf_ok)
        return SESSION_UNAUTHORISED;
    bool confirmed = is_same(hash2, row->hash2);
    bool child = is_hash_of(token->parent_hash1, row->hash2);
    if (mode == ROTATION_ON_USE)
        return confirmed ? SESSION_REISSUE : child ? SESSION_PROMOTE : SESSION_THEFT;
    if (confirmed || child) /* a child: of a refresh before the mode was changed */
        return SESSION_ROTATE;
    if (is_same(hash2, row->prev_hash2) && now_ms - row->rotated_ms <= grace_ms)
        return SESSION_ROTATE_AGAIN;
    return SESSION_THEFT;
}

bool session_verify_is_local(enum rotation_mode mode, const struct access_token *token,
                             bool check_database)
{
    return !check_database && (mode == ROTATION_ON_REFRESH || token->parent_hash1.n == 0);
}

enum session_step session_verify(enum rotation_mode mode, const struct session_row *row,
                                 const struct access_token *token, bool check_database,
                                 bool payload_same, int64_t now_ms)
{
    if (session_verify_is_local(mode, token, check_database))
        return SESSION_GOOD;
    if (!lives(row, token->session_handle, now_ms))
        return SESSION_UNAUTHORISED;
    if (mode == ROTATION_ON_REFRESH)
        return SESSION_GOOD;
    bool differs = check_database && !payload_same;
    if (token->parent_hash1.n == 0)
        return differs ? SESSION_REISSUE : SESSION_GOOD;
    if (is_hash_of(token->parent_hash1, row->hash2))
        return SESSION_PROMOTE;
    return differs || is_hash_of(token->hash1, row->hash2) ? SESSION_REISSUE : SESSION_GOOD;
}

bool session_apply(enum session_step step, struct session_row *row, struct str shown,
                   struct str next, int64_t validity_ms, int64_t now_ms)
{
    switch (step) {
    case SESSION_PROMOTE:
        row->prev_hash2 = row->hash2;
        row->rotated_ms = now_ms;
        row->hash2 = shown;
        break;
    case SESSION_ROTATE:
        row->prev_hash2 = shown;
        row->rotated_ms = now_ms;
        row->hash2 = next;
        break;
    case SESSION_ROTATE_AGAIN: /* the window stands where it was */
        row->hash2 = next;
        break;
    case SESSION_UNAUTHORISED:
    case SESSION_THEFT:
    case SESSION_GOOD:
    case SESSION_REISSUE:
        return false;
    }
    row->expires_ms = now_ms + validity_ms;
    return true;
}
