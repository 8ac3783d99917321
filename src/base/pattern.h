/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions that a person wrote and that strangers' bytes meet, behind PCRE2. A value
 * matches as a whole or not at all, within bounded steps and memory: running out of them is an
 * error of its own, so that nobody takes it for an answer. */
#ifndef ROPELINE_BASE_PATTERN_H
#define ROPELINE_BASE_PATTERN_H

#include "base/arena.h"

struct pattern; /* immutable: any thread may match */

/* Lives in the arena and goes with it. ERR_INVALID: `e` says at which character and why; ERR_NOMEM.
 */
enum err pattern_compile(struct arena *a, struct str text, struct pattern **out,
                         struct errinfo *e) MUSTCHECK;
/* ERR_OK: the whole value matches. ERR_NOTFOUND: it does not. ERR_LIMIT: it would take more than
 * LIMIT_REGEX_MATCHES steps or LIMIT_REGEX_HEAP bytes, or it is not UTF-8. ERR_NOMEM. */
enum err pattern_match(const struct pattern *p, struct str value) MUSTCHECK;

#endif
