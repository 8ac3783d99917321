/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock, for whoever starts a function's process or becomes one. Raw system calls and nothing of
 * ours, because a warm worker, which is node, has it as well (lambda/bootstrap/node_cage.c). */
#ifndef ROPELINE_RUN_LANDLOCK_H
#define ROPELINE_RUN_LANDLOCK_H

/* The ABI of this kernel, 0 = it has none. */
int landlock_abi(void);
/* What this process and all that it starts may open from here on, besides what every program needs:
 * `read` and `places` and execute, `write` everything but devices, NULL-terminated or NULL, below
 * or exactly; `tmp` as `write`, "" = none. 0 or errno. */
int landlock_enter(int abi, const char *const *read, const char *const *write,
                   const char *const *places, const char *tmp);

#endif
