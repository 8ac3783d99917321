/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper leaves in the world while it runs: listening sockets, the control socket and the
 * ready file. Sockets listen from here on, so that connections wait while a gateway restarts. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "main/keeper_int.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static const struct {
    int error;
    const char *advice;
} advices[] = {
    {EADDRINUSE, "another program has this port (ss -ltnp shows it): stop it, or choose another"},
    {EACCES, "ports below 1024 need root or CAP_NET_BIND_SERVICE: choose a higher one"},
    {EADDRNOTAVAIL, "this machine has no such address: use 127.0.0.1, 0.0.0.0 or one of its own"},
};

static void cannot_listen(const struct keeper_listen *l, int error)
{
    const char *advice = "choose another address";
    for (size_t i = 0; i < COUNTOF(advices); i++) {
        if (advices[i].error == error)
            advice = advices[i].advice;
    }
    keeper__complain("cannot listen on %s:%u for %s: %s; %s with --%s HOST:PORT", l->host, l->port,
                     l->name, strerror(error), advice, l->name);
}

/* 0 or errno. The first socket is bound without SO_REUSEPORT: with it, a second daemon of the same
 * user would silently share the port instead of being told that it is in use. */
static int listen_copy(struct keeper_listen *l, unsigned i, const struct sockaddr *a, socklen_t n)
{
    const int on = 1;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    l->fds[i] = fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (i > 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, a, n) != 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return errno;
    return 0;
}

static int listen_all(struct keeper_listen *l, const struct addrinfo *found)
{
    struct sockaddr_storage a = {0};
    socklen_t n = found->ai_addrlen;
    memcpy(&a, found->ai_addr, n);
    for (unsigned i = 0; i < l->copies; i++) {
        int error = listen_copy(l, i, (struct sockaddr *)&a, n);
        if (error != 0)
            return error;
        n = sizeof a;
        if (getsockname(l->fds[i], (struct sockaddr *)&a, &n) != 0) /* port 0 has become a port */
            return errno;
    }
    for (unsigned i = 0; i < l->copies; i++) {
        if (listen(l->fds[i], BACKLOG) != 0)
            return errno;
    }
    char host[48], port[8];
    if (getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return EAFNOSUPPORT;
    snprintf(l->bound, sizeof l->bound, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

static bool listen_open(struct keeper_listen *l)
{
    char port[8];
    struct addrinfo *found, hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    ASSERT(l->copies >= 1 && l->copies <= KEEPER_COPIES);
    snprintf(port, sizeof port, "%u", l->port);
    int rc = getaddrinfo(l->host, port, &hints, &found);
    if (rc != 0) {
        keeper__complain("cannot listen on \"%s\" for %s: %s; give an IP address such as 127.0.0.1 "
                         "or a name that "
                         "this machine resolves with --%s HOST:PORT",
                         l->host, l->name, gai_strerror(rc), l->name);
        return false;
    }
    const struct addrinfo *best = found;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (a->ai_family == AF_INET && best->ai_family != AF_INET)
            best = a; /* "localhost" means 127.0.0.1 to most clients */
    }
    int error = listen_all(l, best);
    freeaddrinfo(found);
    if (error != 0)
        cannot_listen(l, error);
    return error == 0;
}

/* A socket file that nobody answers at is left from a killed daemon. */
static bool control_clear(const char *path, const struct sockaddr_un *a)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        keeper__complain("%s is in the way of the control socket: move it", path);
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale =
        fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!stale) {
        keeper__complain("another ropeline answers at %s: stop it, or give --state another folder",
                         path);
        return false;
    }
    return unlink(path) == 0;
}

static bool control_open(struct keeper *k)
{
    const char *path = k->o->control_socket;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(path);
    if (n >= sizeof a.sun_path) {
        keeper__complain("the control socket's path has %zu bytes and may have %zu: give --state a "
                         "shorter folder than that of %s",
                         n, sizeof a.sun_path - 1, path);
        return false;
    }
    memcpy(a.sun_path, path, n);
    if (!control_clear(path, &a))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    k->o->control_fd = fd;
    mode_t before = umask(0177); /* 0600 from its first moment */
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    int error = errno;
    umask(before);
    if (!bound || lstat(path, &st) != 0 || listen(fd, 16) != 0) {
        keeper__complain("cannot make the control socket %s: %s", path,
                         strerror(bound ? errno : error));
        return false;
    }
    k->control_dev = st.st_dev;
    k->control_ino = st.st_ino;
    return true;
}

bool keeper__listen(struct keeper *k)
{
    struct keeper_options *o = k->o;
    o->control_fd = -1;
    for (size_t i = 0; i < o->listens; i++) {
        o->listen[i].bound[0] = 0;
        for (unsigned c = 0; c < KEEPER_COPIES; c++)
            o->listen[i].fds[c] = -1;
    }
    for (size_t i = 0; i < o->listens; i++) {
        if (o->listen[i].wanted && !listen_open(&o->listen[i]))
            return false;
    }
    return !o->control_socket || control_open(k);
}

void keeper__unlisten(struct keeper *k)
{
    struct keeper_options *o = k->o;
    struct stat st;
    for (size_t i = 0; i < o->listens; i++) {
        for (unsigned c = 0; c < KEEPER_COPIES; c++) {
            if (o->listen[i].fds[c] >= 0)
                close(o->listen[i].fds[c]);
            o->listen[i].fds[c] = -1;
        }
    }
    if (o->control_fd >= 0)
        close(o->control_fd);
    o->control_fd = -1;
    if (k->control_ino && lstat(o->control_socket, &st) == 0 && st.st_dev == k->control_dev &&
        st.st_ino == k->control_ino)
        unlink(o->control_socket);
    if (o->ready_file && k->was_ready)
        unlink(o->ready_file);
}

static bool write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return false;
        s = str_from(s, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* Whoever waits for the ready file sees it whole or not at all. */
bool keeper__ready(struct keeper *k)
{
    const char *path = k->o->ready_file;
    if (!path)
        return true;
    AUTO_BUF text = BUF_INIT(KIB(64));
    AUTO_BUF tmp = BUF_INIT(KIB(8));
    k->o->ready_text(k->o->arg, &text);
    buf_addf(&tmp, "%s.%d", path, (int)k->self);
    const char *name = buf_cstr(&tmp);
    bool made = text.err == ERR_OK && tmp.err == ERR_OK;
    unlink(name); /* of a killed keeper that had our pid */
    int fd = made ? open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644) : -1;
    bool ok = fd >= 0 && fchmod(fd, 0644) == 0 && write_all(fd, buf_str(&text));
    if (fd >= 0)
        ok = close(fd) == 0 && ok && rename(name, path) == 0;
    if (!ok) {
        keeper__complain("cannot write the ready file %s: %s", path,
                         made ? strerror(errno) : err_text(ERR_NOMEM));
        if (fd >= 0)
            unlink(name);
    }
    return ok;
}
