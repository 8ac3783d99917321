/* SPDX-License-Identifier: Apache-2.0
 *
 * Becoming somebody with less. */
#ifndef ROPELINE_MAIN_PRIVILEGE_H
#define ROPELINE_MAIN_PRIVILEGE_H

#include <stdbool.h>

/* Started as root: gives the state directory and the control socket to `user` and becomes that user
 * for good. Otherwise only checks that it is that user already. False after it said why. */
bool privilege_drop(const char *user, const char *state_dir, const char *socket_path);

#endif
