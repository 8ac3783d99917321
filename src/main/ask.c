/* SPDX-License-Identifier: Apache-2.0
 *
 * A verb speaks to a running daemon: one HTTP/1.0 request over its unix socket, answer until close.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "http/path.h"
#include "verbs.h"

static int connect_to(const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/ropeline.sock", state);
    if (n < 0 || (size_t)n >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static bool send_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        s = str_from(s, (size_t)n);
    }
    return true;
}

static bool receive_all(int fd, struct buf *b)
{
    for (;;) {
        char *p = buf_reserve(b, KIB(16));
        ssize_t n = p ? recv(fd, p, KIB(16), 0) : -1;
        if (n < 0 && p && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        b->n += (size_t)n;
    }
}

/* "HTTP/1.1 200 OK" ... blank line, body. */
static unsigned split_answer(struct arena *a, struct str whole, struct str *body)
{
    size_t end = str_find(whole, STR("\r\n\r\n"));
    uint64_t status;
    if (end == SIZE_MAX || !str_starts(whole, STR("HTTP/1.")) ||
        !str_u64(str_sub(whole, 9, 3), &status))
        return 0;
    *body = arena_str(a, str_from(whole, end + 4));
    return body->p ? (unsigned)status : 0;
}

unsigned ask_daemon(const char *state, const char *method, const char *target, struct str body,
                    struct arena *a, struct str *answer)
{
    static const char *const usual[] = {".ropeline", "/var/lib/ropeline"};
    int fd = state ? connect_to(state) : -1;
    for (size_t i = 0; state == NULL && fd < 0 && i < COUNTOF(usual); i++)
        fd = connect_to(usual[i]);
    if (fd < 0) {
        fprintf(
            stderr,
            "ropeline: no daemon answers at %s/ropeline.sock (%s); name its state directory with "
            "--state DIR\n",
            state ? state : ".ropeline", strerror(errno));
        return 0;
    }
    AUTO_BUF rq = BUF_INIT(LIMIT_INVOKE_PAYLOAD + KIB(16));
    AUTO_BUF rs = BUF_INIT(MIB(80));
    buf_addf(&rq, "%s %s HTTP/1.0\r\n", method, target);
    if (body.n > 0)
        buf_addf(&rq, "Content-Length: %zu\r\n", body.n);
    buf_addz(&rq, "\r\n");
    buf_add(&rq, body);
    bool good = rq.err == ERR_OK && send_all(fd, buf_str(&rq)) && receive_all(fd, &rs);
    close(fd);
    unsigned status = good ? split_answer(a, buf_str(&rs), answer) : 0;
    if (status == 0)
        fprintf(stderr, "ropeline: the daemon broke off: %s\n", strerror(errno));
    return status;
}

void ask_add(struct buf *target, const char *name, struct str value)
{
    struct arena *a = arena_new(KIB(1), MIB(1));
    struct str escaped = a ? path_percent_encode(a, value) : STR_NONE;
    bool first = memchr(target->p, '?', target->n) == NULL;
    buf_addf(target, "%c%s=", first ? '?' : '&', name);
    buf_add(target, escaped);
    if (escaped.p == NULL)
        target->err = ERR_NOMEM;
    arena_free(a);
}
