/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeper and gateway tell each other. The keeper believes nothing that the gateway says
 * without checking it: a gateway that breaks the rules of the wire is replaced. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "main/keeper_int.h"

#define GATEWAY_EXIT_GRACE_MS 2000 /* from closing its end of the wire to being gone */

/* False when the link is full. */
static bool tell(struct keeper *k, const void *packet, size_t n)
{
    ssize_t rc;
    do
        rc = send(k->link, packet, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (rc < 0 && errno == EINTR);
    return rc >= 0 || (errno != EAGAIN && errno != ENOBUFS); /* a lost link is found by reading */
}

void keeper__tell_all(struct keeper *k)
{
    k->blocked = false;
    for (unsigned i = 0; k->link >= 0 && i < k->slots && !k->blocked; i++) {
        struct keeper_child *c = &k->children[i];
        if (c->id == 0 || c->mute)
            continue;
        if (c->say_started) {
            struct keeper_started s = {{KEEPER_STARTED, c->id}, c->pid};
            c->say_started = !tell(k, &s, sizeof s);
        }
        if (c->say_ended && !c->say_started) {
            c->say_ended = !tell(k, &c->ended, sizeof c->ended);
            if (!c->say_ended)
                c->id = 0;
        }
        k->blocked = c->say_started || c->say_ended;
    }
}

static struct keeper_child *child_by_id(struct keeper *k, uint32_t id)
{
    for (unsigned i = 0; id != 0 && i < k->slots; i++) {
        if (k->children[i].id == id && !k->children[i].mute)
            return &k->children[i];
    }
    return NULL;
}

static const char *on_spawn(struct keeper *k, size_t n, const int *fds, unsigned fd_count)
{
    if (keeper_spawn_decode(k->packet, n, fd_count, &k->request) != ERR_OK)
        return "malformed spawn";
    if (child_by_id(k, k->request.spawn.head.id))
        return "a spawn under an id that is in use";
    const char *wrong = keeper__cage_judge(&k->cage, &k->request);
    if (wrong)
        return wrong;
    return keeper__spawn(k, fds) ? NULL : "more children than there may be";
}

static const char *on_kill(struct keeper *k, size_t n)
{
    struct keeper_kill m;
    if (n != sizeof m)
        return "malformed kill";
    memcpy(&m, k->packet, sizeof m);
    if (m.signal < 1 || m.signal > SIGRTMAX)
        return "an unknown signal";
    struct keeper_child *c = child_by_id(k, m.head.id);
    if (!c || c->pid <= 0)
        return NULL; /* our word about its end is under way */
    if (m.signal == SIGKILL)
        keeper__doom(k, c);
    else if (kill(-c->pid, m.signal) != 0)
        kill(c->pid, m.signal);
    return NULL;
}

static const char *on_freeze(struct keeper *k, size_t n)
{
    struct keeper_freeze m;
    if (n != sizeof m)
        return "malformed freeze";
    memcpy(&m, k->packet, sizeof m);
    if (m.frozen > 1)
        return "a freeze that is neither";
    struct keeper_child *c = child_by_id(k, m.head.id);
    if (!c || c->pid <= 0 || c->doomed || !k->cage.facts.freezer)
        return NULL;
    int error = keeper__cgroup_freeze(&k->cage.cgroup, c->serial, m.frozen);
    if (error != 0 && !m.frozen) /* it would never answer */
        keeper__doom(k, c);
    return NULL;
}

static const char *on_adopt(struct keeper *k, size_t n)
{
    struct keeper_adopt m;
    if (keeper_adopt_decode(k->packet, n, &m) != ERR_OK)
        return "malformed adoption";
    if (child_by_id(k, m.head.id))
        return "an adoption under an id that is in use";
    return keeper__adopt(k, &m) ? NULL : "more children than there may be";
}

static const char *on_ready(struct keeper *k, size_t n)
{
    if (n != sizeof(struct keeper_head))
        return "malformed ready";
    if (k->stopping)
        return NULL;
    if (k->was_ready && !k->o->quiet)
        log_info("keeper", "the gateway is back (pid %d)", (int)k->gateway);
    k->was_ready = true;
    if (!keeper__ready(k)) {
        k->code = 1;
        keeper__stop(k);
    }
    return NULL;
}

/* Collects the descriptors of a packet; more than CHILD_FDS cannot come, they are cut off. */
static unsigned take_fds(struct msghdr *m, int fds[CHILD_FDS])
{
    unsigned n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (n < CHILD_FDS)
                fds[n++] = fd;
            else
                close(fd);
        }
    }
    return n;
}

/* NULL or what was wrong with the packet. */
static const char *on_packet(struct keeper *k, size_t n, const struct msghdr *m, const int *fds,
                             unsigned fd_count)
{
    struct keeper_head head;
    if (m->msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n < sizeof head)
        return "a packet of a wrong size";
    memcpy(&head, k->packet, sizeof head);
    if (fd_count > 0 && head.kind != KEEPER_SPAWN)
        return "unexpected descriptors";
    switch (head.kind) {
    case KEEPER_SPAWN:
        return on_spawn(k, n, fds, fd_count);
    case KEEPER_KILL:
        return on_kill(k, n);
    case KEEPER_READY:
        return on_ready(k, n);
    case KEEPER_ADOPT:
        return on_adopt(k, n);
    case KEEPER_FREEZE:
        return on_freeze(k, n);
    default:
        return "a packet of an unknown kind";
    }
}

/* Takes one packet; false when there is none now. */
bool keeper__hear(struct keeper *k)
{
    union {
        char bytes[CMSG_SPACE(CHILD_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    int fds[CHILD_FDS];
    struct iovec iov = {k->packet, sizeof k->packet};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    m.msg_control = control.bytes;
    m.msg_controllen = sizeof control.bytes;
    ssize_t n = recvmsg(k->link, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0) { /* it is ending, or has ended: then its exit code says more than this */
        keeper__link_drop(k);
        if (k->kill_at == 0)
            k->kill_at = keeper__now() + GATEWAY_EXIT_GRACE_MS;
        return false;
    }
    unsigned fd_count = take_fds(&m, fds);
    const char *wrong = on_packet(k, (size_t)n, &m, fds, fd_count);
    while (fd_count > 0)
        close(fds[--fd_count]);
    if (wrong)
        keeper__gateway_kill(k, wrong);
    else
        keeper__tell_all(k);
    return true;
}
