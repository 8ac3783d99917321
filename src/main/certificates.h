/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates of the TLS listener, from files to what connections show. The keeper opens the
 * files while it may still be root; the gateway reads them, at the start and at each reload. */
#ifndef ROPELINE_MAIN_CERTIFICATES_H
#define ROPELINE_MAIN_CERTIFICATES_H

#include "config.h"
#include "http/tls.h"

/* Keeper, before privileges are given up: opens every file; in dev, with a TLS listener and no
 * certificate, makes one for localhost in the state directory and says so. False after it said what
 * is wrong. */
bool certificates_open(struct config *c);
/* For `check`: false after it said what is wrong. A file that this user may not read is a note: the
 * daemon may be started as another one. */
bool certificates_judge(struct config *c);
/* At the start what certificates_open opened; `again`: the files that now have their names, which
 * the user that the daemon has become must be able to read. NULL after it said on stderr what is
 * wrong, or when there is no TLS listener. Any thread. */
struct http_tls *certificates_load(const struct config *c, bool again);

#endif
