/* SPDX-License-Identifier: Apache-2.0
 *
 * The Runtime API connections of an environment. Its process is not over for us before the last of
 * them is: what it said may still be on its way. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "environment_int.h"

struct api_conn {
    struct environment *env;
    int hangup; /* a duplicate of its descriptor, to shut it down */
    struct api_conn *prev, *next;
};

static void conn_free(struct api_conn *c)
{
    struct environment *env = c->env;
    *(c->prev ? &c->prev->next : &env->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    env->conn_count--;
    close(c->hangup);
    mem_free(c);
}

static void on_closed(void *arg)
{
    struct api_conn *c = arg;
    struct environment *env = c->env;
    conn_free(c);
    lambda__api_check(env);
}

enum err lambda__conn_open(struct environment *env, int fd)
{
    struct api_conn *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NOMEM;
    c->hangup = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (c->hangup < 0) {
        mem_free(c);
        return ERR_IO;
    }
    c->env = env;
    c->next = env->conns;
    if (c->next)
        c->next->prev = c;
    env->conns = c;
    env->conn_count++;
    enum err err = http_server_adopt(env->function->lambda->api, fd, on_closed, c);
    if (err != ERR_OK)
        conn_free(c);
    return err;
}

struct environment *lambda__conn_env(void *conn)
{
    const struct api_conn *c = conn;
    ASSERT(c);
    return c->env;
}

bool lambda__api_connected(const struct environment *env)
{
    return env->conns || env->listener;
}

void lambda__api_hang_up(struct environment *env)
{
    lambda__listener_close(env);
    for (struct api_conn *c = env->conns; c; c = c->next)
        (void)shutdown(c->hangup, SHUT_RDWR);
}

void lambda__api_check(struct environment *env)
{
    if (!lambda__api_connected(env))
        lambda__env_closed(env);
}
