/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock, for whoever starts a function's process or becomes one. Raw system calls and nothing of
 * ours, because a warm worker, which is node, has it as well (lambda/bootstrap/node_cage.c). */
#ifndef ROPELINE_RUN_LANDLOCK_H
#define ROPELINE_RUN_LANDLOCK_H

/* The ABI of this kernel, 0 = it has none. */
int landlock_abi(void);
/* What may be opened, besides what every program needs: `read` and `places` and execute, `write`
 * everything but devices, NULL-terminated or NULL, below or exactly; `tmp` as `write`, "" = none.
 * A descriptor of these rules, or -1 = errno. */
int landlock_rules(int abi, const char *const *read, const char *const *write,
                   const char *const *places, const char *tmp);
/* This process, which has one thread, and all that it starts may open that and no more from here
 * on. 0 or errno. */
int landlock_enter(int abi, const char *const *read, const char *const *write,
                   const char *const *places, const char *tmp);

/* The same for a process with any number of threads (landlock_threads.c). After an error some may
 * be held and others not: it has to end. One at a time. */
int landlock_enter_all(int abi, const char *const *read, const char *const *write, const char *tmp);

#endif
