/* SPDX-License-Identifier: Apache-2.0
 *
 * What a template does that its language cannot: wait for a birth message, fork, and be an
 * environment afterwards. For the libraries that node and Python load, which stand alone and
 * include nothing else of ours. One birth at a time, on one thread. (docs/internals/cold-start.md)
 */
#ifndef ROPELINE_LAMBDA_BOOTSTRAP_BIRTH_H
#define ROPELINE_LAMBDA_BOOTSTRAP_BIRTH_H

#include <stdbool.h>
#include <stddef.h>

/* Waits for a message. False: nobody is there any more, or it is not our daemon. */
bool birth_receive(void);
/* Forks. True in the new process, which has its descriptors 1 to 4 and has said that it is there.
 */
bool birth_give(void);
/* The text of the message, n bytes and a 0. */
const char *birth_text(size_t *n);

#endif
