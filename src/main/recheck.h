/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging any token again by hand, step by step, with keys from a file: for `ropeline jwt verify`
 * and `ropeline explain --jwks/--key`. The token is a secret: it comes from standard input or a
 * file, never from the arguments, and is never printed. */
#ifndef ROPELINE_MAIN_RECHECK_H
#define ROPELINE_MAIN_RECHECK_H

#include "options.h"

/* The options of a verb that calls recheck_token. */
/* clang-format off */
#define RECHECK_ROWS                                                                           \
    {"jwks", 0, OPTION_VALUE, false, NULL, "FILE", "keys: a JWKS, a JWK or PEM"},              \
    {"key", 0, OPTION_VALUE, false, NULL, "FILE", "one key in PEM or JWK; HS*: the secret"},   \
    {"aud", 0, OPTION_MANY, false, NULL, "NAME", "an audience that is right"},                 \
    {"iss", 0, OPTION_MANY, false, NULL, "NAME", "an issuer that is right"},                   \
    {"alg", 0, OPTION_MANY, false, NULL, "ALG", "an algorithm that is right [what fits the key]"}, \
    {"typ", 0, OPTION_VALUE, false, NULL, "TYPE", "the typ of the header"},                    \
    {"skew", 0, OPTION_VALUE, false, "0", "SECONDS", "allowance on exp, nbf and iat"},         \
    {"require-exp", 0, OPTION_FLAG, false, NULL, NULL, "refuse a token that never expires"},   \
    {"token-file", 0, OPTION_VALUE, false, NULL, "FILE", "the token [standard input]"}
/* clang-format on */

/* Prints each step and the verdict; 0 valid, 1 refused or failed, 2 usage. */
int recheck_token(const struct options *o);

#endif
