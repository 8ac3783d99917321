/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptors with which a process of a function begins, and how they come to an environment.
 */
#ifndef ROPELINE_LAMBDA_ENDS_INT_H
#define ROPELINE_LAMBDA_ENDS_INT_H

#include "environment_int.h"

#define CHILD_REHEARSAL 6 /* the far end of CHILD_API, in a template */
#define ENDS (CHILD_REHEARSAL + 1)

/* [0] is ours, [1] the child's; -1: not open. */
struct ends {
    int fd[ENDS][2];
};

/* Both ends of each but of those that only some have. False: what is open is to be closed. */
bool lambda__ends_open(struct ends *e);
void lambda__ends_close(struct ends *e, int side);
/* Our ends begin to work for `env`. What was begun when this fails is ended by killing it. */
enum err lambda__ends_attach(struct environment *env, struct ends *e) MUSTCHECK;
/* What its variables are made of; its directory is below STATE/tmp. */
enum err lambda__birth_facts(const struct environment *env, struct arena *a,
                             struct lambda__facts *out) MUSTCHECK;

#endif
