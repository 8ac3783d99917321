/* SPDX-License-Identifier: Apache-2.0
 *
 * People who may open SuperTokens' dashboard, and their sessions there: of an app, apart from its
 * users. */
#ifndef ROPELINE_IDENTITY_DASHBOARD_INT_H
#define ROPELINE_IDENTITY_DASHBOARD_INT_H

#include "cdi_int.h"

/* --- who (dashboard.c) --------------------------------------------------------------------------
 */
extern const char dashboard__schema[];
struct dashboard_user {
    struct str id, email, password_hash;
    int64_t joined_ms;
};
/* By e-mail in its normal form. ERR_NOTFOUND. */
enum err dashboard_find(struct cdi_call *c, struct store_tx *tx, struct str email,
                        struct dashboard_user *out) MUSTCHECK;
/* The trimmed field `name`; empty: answered 400. */
enum err dashboard_field(struct cdi_call *c, const char *name, struct str *out) MUSTCHECK;

/* --- their sessions (dashboard_session.c): of ids only digests are stored -----------------------
 */
extern const char dashboard_session__schema[];
enum err dashboard_end_sessions(struct cdi_call *c, struct store_tx *tx,
                                struct str user_id) MUSTCHECK;

#endif
