/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose tokens are believed: the key sets of issuers (OpenID Connect Discovery 1.0, RFC 7517) and
 * of key files, fetched and looked at by the control loop, read by the workers without a lock.
 * Shared by all snapshots, so that a reload keeps what was fetched. No answer of an issuer, however
 * hostile, gives anything but keys. All functions: the control loop's thread only.
 * Source: docs/internals/authorizer.md, "Keys". */
#ifndef ROPELINE_AUTHORIZER_ISSUERS_H
#define ROPELINE_AUTHORIZER_ISSUERS_H

#include "base/buf.h"
#include "http/fetch.h"
#include "run/run.h"

struct issuers;

/* `fetcher` is borrowed until issuers_close. */
enum err issuers_new(struct run *run, struct fetcher *fetcher, struct issuers **out) MUSTCHECK;
/* Nothing is fetched or looked at any more; what workers have stays. Before fetcher_close. */
void issuers_close(struct issuers *r); /* NULL is fine */
/* After the last authorizer is gone and the loops have ended. */
void issuers_free(struct issuers *r); /* NULL is fine */

/* OpenMetrics rows, one for each source. */
void issuers_write_metrics(const struct issuers *r, struct buf *out);
/* [{"keys": where they come from, "ok", "ageSeconds", "kids", "error"}], for /readyz and status. */
void issuers_write_health(const struct issuers *r, struct buf *out);

#endif
