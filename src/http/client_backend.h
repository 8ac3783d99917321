/* SPDX-License-Identifier: Apache-2.0
 *
 * The other side for the client's tests: a backend of raw sockets, one thread per connection, that
 * does what its `serve` says, and a record of what a call was told. */
#ifndef ROPELINE_HTTP_CLIENT_BACKEND_H
#define ROPELINE_HTTP_CLIENT_BACKEND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/client.h"

#define BACKEND_CONNS 512
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* --- the backend ---------------------------------------------------------------------------- */

struct backend;
struct peer {
    struct backend *b;
    int fd;
    int index;        /* which connection of the backend, from 0 */
    size_t n;         /* bytes in `seen` */
    char seen[65536]; /* what was read and not yet taken */
    pthread_t thread;
};
typedef void serve_fn(struct peer *p);

struct backend {
    int fd;
    uint16_t port; /* 0 = unix */
    char path[64];
    serve_fn *serve;
    const void *arg;
    atomic_int accepted, requests;
    pthread_t thread;
    struct peer peer[BACKEND_CONNS];
};

static inline bool peer_read_more(struct peer *p)
{
    ssize_t n = p->n < sizeof p->seen ? read(p->fd, p->seen + p->n, sizeof p->seen - p->n) : 0;
    p->n += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* The first `n` bytes are done with. */
static inline void peer_take(struct peer *p, size_t n)
{
    memmove(p->seen, p->seen + n, p->n - n);
    p->n -= n;
}

/* Reads one head and drops it, after copying it to `to`; false at the end of the connection. */
static inline bool peer_head(struct peer *p, char *to, size_t size)
{
    char *end;
    while (!(end = memmem(p->seen, p->n, "\r\n\r\n", 4)))
        if (!peer_read_more(p))
            return false;
    size_t n = (size_t)(end - p->seen) + 4;
    if (to)
        snprintf(to, size, "%.*s", (int)n, p->seen);
    peer_take(p, n);
    atomic_fetch_add(&p->b->requests, 1);
    return true;
}

/* Reads and drops; false if the connection ends before. */
static inline bool peer_body(struct peer *p, size_t n)
{
    while (n > 0) {
        size_t part = p->n < n ? p->n : n;
        peer_take(p, part);
        n -= part;
        if (n > 0 && !peer_read_more(p))
            return false;
    }
    return true;
}

static inline void peer_send(struct peer *p, const void *data, size_t n)
{
    for (const char *from = data; n > 0;) {
        ssize_t sent = send(p->fd, from, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        from += sent;
        n -= (size_t)sent;
    }
}

static inline void peer_say(struct peer *p, const char *text)
{
    peer_send(p, text, strlen(text));
}

/* Until the client closes. */
static inline void peer_wait_end(struct peer *p)
{
    do
        p->n = 0;
    while (peer_read_more(p));
}

/* Answers each request with 200 "ok". */
static inline void serve_ok(struct peer *p)
{
    while (peer_head(p, NULL, 0))
        peer_say(p, OK_ANSWER);
}

static inline void *peer_main(void *arg)
{
    struct peer *p = arg;
    p->b->serve(p);
    shutdown(p->fd, SHUT_RDWR);
    return NULL;
}

static inline void *backend_main(void *arg)
{
    struct backend *b = arg;
    int fd, n = 0;
    while (n < BACKEND_CONNS && (fd = accept(b->fd, NULL, NULL)) >= 0) {
        struct peer *p = &b->peer[n];
        p->b = b;
        p->fd = fd;
        p->index = n++;
        atomic_store(&b->accepted, n);
        ASSERT(pthread_create(&p->thread, NULL, peer_main, p) == 0);
    }
    return NULL;
}

/* A listening socket on 127.0.0.1, its port in *port. */
static inline int backend_socket(uint16_t *port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small); /* senders feel it soon */
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(listen(fd, backlog), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static inline struct backend *backend_start_on(int fd, uint16_t port, serve_fn *serve,
                                               const void *arg)
{
    struct backend *b = mem_alloc(sizeof *b);
    assert_non_null(b);
    b->fd = fd;
    b->port = port;
    b->serve = serve;
    b->arg = arg;
    assert_int_equal(pthread_create(&b->thread, NULL, backend_main, b), 0);
    return b;
}

static inline struct backend *backend_start(serve_fn *serve, const void *arg)
{
    uint16_t port;
    int fd = backend_socket(&port, 16);
    return backend_start_on(fd, port, serve, arg);
}

static inline void backend_stop(struct backend *b)
{
    shutdown(b->fd, SHUT_RDWR);
    pthread_join(b->thread, NULL);
    for (int i = 0; i < atomic_load(&b->accepted); i++) {
        shutdown(b->peer[i].fd, SHUT_RDWR);
        pthread_join(b->peer[i].thread, NULL);
        close(b->peer[i].fd);
    }
    close(b->fd);
    if (b->path[0])
        unlink(b->path);
    mem_free(b);
}

#endif
