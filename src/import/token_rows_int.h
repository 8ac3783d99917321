/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own properties of authorizers that judge tokens themselves, as rows of key tables. They are
 * passed on as they are: who runs the authorizer reads and judges them (authorizer/jwt_compile.c).
 */
#ifndef ROPELINE_IMPORT_TOKEN_ROWS_INT_H
#define ROPELINE_IMPORT_TOKEN_ROWS_INT_H

#include "import_int.h"

#define TOKEN_ROWS                                                                 \
    {"x-ropeline-algorithms", KEY_READ, NULL}, {"x-ropeline-typ", KEY_READ, NULL}, \
        {"x-ropeline-clock-skew", KEY_READ, NULL},                                 \
    {                                                                              \
        "x-ropeline-max-life", KEY_READ, NULL                                      \
    }
#define ISSUER_ROWS                                                              \
    {"x-ropeline-issuers", KEY_READ, NULL}, {"x-ropeline-keys", KEY_READ, NULL}, \
        {"x-ropeline-session", KEY_READ, NULL},                                  \
    {                                                                            \
        "x-ropeline-introspection", KEY_READ, NULL                               \
    }

struct guard;
bool import__judges_tokens(const struct guard *g); /* ours: it calls no function */

#endif
