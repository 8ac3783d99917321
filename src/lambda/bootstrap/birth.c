/* SPDX-License-Identifier: Apache-2.0
 *
 * A birth: a message with a number of four bytes, then a text for the environment; with it come the
 * descriptors that become 1 to 4. The new environment answers with the number; the kernel adds its
 * pid. Invariant: birth_give() is true in a child of the keeper's only, in a session of its own. */
#include "birth.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL 5
#define FIRST_FD 1
#define GIVEN_FDS 4
#define MESSAGE_MAX 65536
#define DIED 127

static struct {
    uint32_t number;
    int fds[GIVEN_FDS];
    char text[MESSAGE_MAX + 1];
    size_t n;
} birth;

bool birth_receive(void)
{
    union {
        char bytes[CMSG_SPACE(GIVEN_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov[] = {{&birth.number, sizeof birth.number}, {birth.text, MESSAGE_MAX}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t n;
    do {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        n = recvmsg(CONTROL, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    const struct cmsghdr *c = n > (ssize_t)sizeof birth.number ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof birth.fds) ||
        m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return false;
    memcpy(birth.fds, CMSG_DATA(c), sizeof birth.fds);
    birth.n = (size_t)n - sizeof birth.number;
    birth.text[birth.n] = 0;
    return true;
}

const char *birth_text(size_t *n)
{
    *n = birth.n;
    return birth.text;
}

/* The keeper must have become our parent before its death can become ours. */
static bool follow_keeper(pid_t middle, pid_t keeper)
{
    while (getppid() == middle)
        sched_yield();
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == keeper;
}

/* One that came where another must go (the function has closed its stdout, say) makes room first.
 * What the environment starts has its output and nothing else. */
static bool take_descriptors(void)
{
    for (int i = 0; i < GIVEN_FDS; i++)
        if (birth.fds[i] <= CONTROL &&
            (birth.fds[i] = fcntl(birth.fds[i], F_DUPFD_CLOEXEC, CONTROL + 1)) < 0)
            return false;
    for (int i = 0; i < GIVEN_FDS; i++) {
        int wanted = FIRST_FD + i;
        if (dup3(birth.fds[i], wanted, wanted > STDERR_FILENO ? O_CLOEXEC : 0) < 0)
            return false;
        close(birth.fds[i]);
    }
    return true;
}

static bool begin(pid_t middle, pid_t keeper)
{
    if (!follow_keeper(middle, keeper) || setsid() < 0 || !take_descriptors())
        return false;
    ssize_t n = send(CONTROL, &birth.number, sizeof birth.number, MSG_NOSIGNAL);
    close(CONTROL);
    return n == (ssize_t)sizeof birth.number;
}

/* Twice, so that the keeper, our subreaper, is the parent. The one in the middle borrows this
 * memory (vfork) instead of copying it: it does nothing but fork. */
bool birth_give(void)
{
    pid_t keeper = getppid();
    pid_t middle = vfork(); /* allowed: this runs in an interpreter, which is what is forked */
    if (middle == 0) {
        pid_t self = getpid();
        pid_t child = fork(); /* allowed: likewise */
        if (child != 0)
            _exit(child < 0 ? DIED : 0);
        if (!begin(self, keeper))
            _exit(DIED);
        return true;
    }
    for (int i = 0; i < GIVEN_FDS; i++)
        close(birth.fds[i]);
    while (middle > 0 && waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        continue;
    return false;
}
