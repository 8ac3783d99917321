/* SPDX-License-Identifier: Apache-2.0
 *
 * Reasons as words. */
#include "jose/reason.h"

#define SHOWN 160 /* bytes of a value from the token */

static const struct {
    const char *code, *description;
} reasons[] = {
#define X(name, code, description) {code, description},
    JWT_REASONS(X)
#undef X
};

const char *jwt_reason_code(enum jwt_reason r)
{
    return reasons[r].code;
}

const char *jwt_reason_description(enum jwt_reason r)
{
    return reasons[r].description;
}

static void add_value(struct buf *out, struct str s)
{
    size_t from = out->n;
    buf_addc(out, '"');
    buf_add(out, str_sub(s, 0, SHOWN));
    buf_addz(out, s.n > SHOWN ? "...\"" : "\"");
    buf_printable(out, from);
}

/* To the millisecond; times are at most 2^53 s (jwt.c). */
static double rounded(double s)
{
    return (double)(int64_t)(s * 1000 + 0.5) / 1000;
}

static void add_times(struct buf *out, const struct jwt_fault *f, const char *name)
{
    double by = f->now > f->at ? f->now - f->at : f->at - f->now;
    buf_addf(out, " %.15g s %s (%s %.15g, now %.15g)", rounded(by),
             f->now >= f->at ? "ago" : "from now", name, rounded(f->at), rounded(f->now));
}

static void add_expected(struct buf *out, const struct jwt_fault *f, const char *name)
{
    buf_addf(out, "%s is ", name);
    add_value(out, f->got);
    buf_addz(out, ", expected ");
    add_value(out, f->expected);
}

static void add_sentence(struct buf *out, const struct jwt_fault *f)
{
    switch (f->reason) {
    case JWT_EXPIRED:
        buf_addz(out, "expired");
        add_times(out, f, "exp");
        break;
    case JWT_NOT_YET:
        buf_addz(out, "valid only");
        add_times(out, f, "nbf");
        break;
    case JWT_ISSUED_LATER:
        buf_addz(out, "issued");
        add_times(out, f, "iat");
        break;
    case JWT_LIVES_TOO_LONG:
        buf_addf(out, "lives %.15g s, at most %.15g are allowed", f->at, f->now);
        break;
    case JWT_RETIRED_KEY:
        buf_addz(out, "the key ");
        add_value(out, f->got);
        buf_addz(out, " was retired");
        if (f->has_time)
            add_times(out, f, "retired");
        break;
    case JWT_UNKNOWN_KID:
        buf_addz(out, "no key has the kid ");
        add_value(out, f->got);
        break;
    case JWT_ALG_NOT_ALLOWED:
        buf_addz(out, "alg is ");
        add_value(out, f->got);
        buf_addz(out, ", which is not allowed here");
        break;
    case JWT_KEY_MISMATCH:
        buf_addz(out, "no key fits alg ");
        add_value(out, f->got);
        break;
    case JWT_WRONG_ISSUER:
        add_expected(out, f, "iss");
        break;
    case JWT_WRONG_AUDIENCE:
        add_expected(out, f, "aud");
        break;
    case JWT_WRONG_CLIENT_ID:
        add_expected(out, f, "there is no aud, and client_id");
        break;
    case JWT_WRONG_TYP:
        add_expected(out, f, "typ");
        break;
    case JWT_WRONG_TOKEN_USE:
        add_expected(out, f, "token_use");
        break;
    case JWT_NO_ISSUER:
    case JWT_NO_AUDIENCE:
        buf_addf(out, "%s is missing, expected ", f->reason == JWT_NO_ISSUER ? "iss" : "aud");
        add_value(out, f->expected);
        break;
    default:
        buf_addz(out, f->what ? f->what : jwt_reason_description(f->reason));
    }
}

void jwt_fault_write(struct buf *out, const struct jwt_fault *f)
{
    if (f->reason == JWT_OK)
        buf_addz(out, "valid");
    else
        add_sentence(out, f);
}
