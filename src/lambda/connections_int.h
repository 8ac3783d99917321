/* SPDX-License-Identifier: Apache-2.0
 *
 * By what an environment speaks the Runtime API: one inherited connection, or a listener of its own
 * at a loopback address, whose every connection must come from a process of that environment. */
#ifndef ROPELINE_LAMBDA_CONNECTIONS_INT_H
#define ROPELINE_LAMBDA_CONNECTIONS_INT_H

#include <netinet/in.h>
#include <sys/types.h>

#include "base/str.h"

struct environment;
struct lambda;

/* --- runtime_api.c --------------------------------------------------------------------------- */

enum err lambda__api_new(struct lambda *l) MUSTCHECK;
/* Hands env->event to the held GET next. */
void lambda__api_send_event(struct environment *env);
/* Cuts the held GET next off, if there is one. */
void lambda__api_drop_next(struct environment *env);

/* --- connections.c --------------------------------------------------------------------------- */

/* Takes over one end of a connection when it succeeds. */
enum err lambda__conn_open(struct environment *env, int fd) MUSTCHECK;
/* Whose connection it is, by what http_exchange_adopt_arg gives. */
struct environment *lambda__conn_env(void *conn);
/* A connection is open, or more may come. */
bool lambda__api_connected(const struct environment *env);
/* Asks the server to give its connections up and listens no more; lambda__env_closed follows, if
 * anything was open. */
void lambda__api_hang_up(struct environment *env);
/* Tells the environment when nothing is open any more. */
void lambda__api_check(struct environment *env);

/* --- listener.c ------------------------------------------------------------------------------ */

/* At an address of its own in 127.0.0.0/8, with a port that the kernel chooses. */
enum err lambda__listener_open(struct environment *env) MUSTCHECK;
/* "127.9.8.7:34567", valid while it is open. */
struct str lambda__listener_address(const struct environment *env);
/* Nobody else can connect; those who have stay. */
void lambda__listener_close(struct environment *env);

/* --- peer.c: blocking, any thread ------------------------------------------------------------ */

/* Whether the socket at `theirs` that is connected to `ours` is held by a process of the child's:
 * of its session, or with its tag (main/keeper_marks.c), if `caged` and the kernel filters what the
 * child calls: else a neighbour could give itself that tag. Where the child runs as another user
 * than we, that user is its own and the socket must be that user's. What cannot be found out is
 * ERR_DENIED.
 */
enum err lambda__peer_check(const struct sockaddr_in *theirs, const struct sockaddr_in *ours,
                            pid_t child, bool caged) MUSTCHECK;

#endif
