/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tables of roles are and what a process remembers of them. */
#ifndef ROPELINE_IDENTITY_ROLES_INT_H
#define ROPELINE_IDENTITY_ROLES_INT_H

#include "identity_int.h"

extern const char roles__schema[];

/* --- roles_memory.c: the answers to identity_roles ----------------------------------------------
 */
enum err roles_memory__new(struct identity *i) MUSTCHECK;
void roles_memory__free(struct identity *i);
/* From any thread, after the commit. */
void roles_memory__forget_user(struct identity *i, struct str app, struct str user);
void roles_memory__forget_app(struct identity *i, struct str app);

#endif
