/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity core as the gateway sees it: what authorizers of kind `session` ask, and what its
 * news do to decisions that are cached. */
#ifndef ROPELINE_MAIN_SESSION_SOURCE_H
#define ROPELINE_MAIN_SESSION_SOURCE_H

#include "authorizer/authorizer.h"
#include "identity/identity.h"

struct core_sessions;

/* From now on a session that is revoked and a role that is taken away drop their user's decisions
 * from `cache`, which is borrowed as the others are. On the control loop. */
enum err core_sessions_new(struct run *run, struct identity *identity,
                           struct authorizer_cache *cache, struct core_sessions **out) MUSTCHECK;
/* For gateway_options.sessions; any thread may ask it. */
const struct session_source *core_sessions_source(const struct core_sessions *s);
void core_sessions_close(struct core_sessions *s); /* stops its timer, on the control loop */
void core_sessions_free(struct core_sessions *s);  /* NULL is fine */

#endif
