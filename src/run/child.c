/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's end of the wire to the keeper: processes are asked for, killed and mourned here.
 * Each child's `done` comes exactly once, whatever happens to the keeper or to this link. */
#include "run/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "run/keeper_wire.h"
#include "run/run_int.h"

#define PACKETS_PER_TURN 64

struct child {
    struct keeper_link *link;
    uint32_t id;
    int pid;
    child_exit_fn done;
    void (*started)(void *arg); /* NULL = nobody asks, or told */
    void *arg;
    /* what the socket had no room for yet */
    struct child *next;
    bool waiting;
    struct buf spawn;
    int fds[CHILD_FDS];
    unsigned fd_count;
    int kill;
    enum { AS_IT_IS, THAW, FREEZE } freeze;
};

struct keeper_link {
    struct loop *loop;
    uv_poll_t poll;
    int fd;
    struct map children; /* by the bytes of child.id */
    uint32_t last_id;
    struct child *outbox, **outbox_end;
    bool ready_due;
    bool lost, closed;
    void (*on_lost)(void *arg);
    void *arg;
};

enum sent { SENT, SENT_LATER, SENT_NEVER };

static enum sent packet_send(struct keeper_link *k, const void *p, size_t n, const int *fds,
                             unsigned fd_count)
{
    union {
        char bytes[CMSG_SPACE(CHILD_FDS * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)(uintptr_t)p, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    ssize_t rc;
    do
        rc = sendmsg(k->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return SENT;
    return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? SENT_LATER : SENT_NEVER;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void link_watch(struct keeper_link *k)
{
    if (k->lost || k->closed)
        return;
    bool write = k->outbox || k->ready_due;
    uv_poll_start(&k->poll, UV_READABLE | (write ? UV_WRITABLE : 0), on_poll);
}

static void outbox_add(struct child *c)
{
    struct keeper_link *k = c->link;
    if (c->waiting)
        return;
    c->waiting = true;
    c->next = NULL;
    *k->outbox_end = c;
    k->outbox_end = &c->next;
    link_watch(k);
}

static void outbox_remove(struct child *c)
{
    struct keeper_link *k = c->link;
    struct child **at = &k->outbox;
    if (!c->waiting)
        return;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (!*at)
        k->outbox_end = at;
    c->waiting = false;
}

static void child_drop_spawn(struct child *c)
{
    while (c->fd_count > 0)
        close(c->fds[--c->fd_count]);
    buf_fini(&c->spawn);
}

static void child_free(struct child *c)
{
    outbox_remove(c);
    child_drop_spawn(c);
    mem_free(c);
}

static void child_end(struct child *c, const struct child_exit *how)
{
    map_del(&c->link->children, str_of(&c->id, sizeof c->id));
    c->done(c->arg, how);
    child_free(c);
}

static void end_all(struct keeper_link *k, enum err err)
{
    const struct child_exit how = {.err = err, .status = -1};
    struct str key;
    void *child;
    /* From the start each time: `done` may close the link, which ends the others first. None is
     * added meanwhile, because child_spawn refuses a lost or closed link. */
    for (size_t at = 0; map_next(&k->children, &at, &key, &child); at = 0)
        child_end(child, &how);
}

static void link_lose(struct keeper_link *k)
{
    if (k->lost)
        return;
    k->lost = true;
    uv_poll_stop(&k->poll);
    end_all(k, ERR_CLOSED);
    if (!k->closed)
        k->on_lost(k->arg);
}

static enum sent child_flush(struct child *c)
{
    enum sent sent = SENT;
    if (c->spawn.n > 0) {
        sent = packet_send(c->link, c->spawn.p, c->spawn.n, c->fds, c->fd_count);
        if (sent == SENT)
            child_drop_spawn(c);
    }
    if (sent == SENT && c->kill) {
        struct keeper_kill m = {{KEEPER_KILL, c->id}, c->kill};
        sent = packet_send(c->link, &m, sizeof m, NULL, 0);
        if (sent == SENT)
            c->kill = 0;
    }
    if (sent == SENT && c->freeze) {
        const struct keeper_freeze m = {{KEEPER_FREEZE, c->id}, c->freeze == FREEZE};
        sent = packet_send(c->link, &m, sizeof m, NULL, 0);
        if (sent == SENT)
            c->freeze = AS_IT_IS;
    }
    return sent;
}

/* A send that can never work needs no handling here: the read side will say that the keeper is
 * gone. */
static void link_flush(struct keeper_link *k)
{
    const struct keeper_head ready = {KEEPER_READY, 0};
    if (k->ready_due && packet_send(k, &ready, sizeof ready, NULL, 0) == SENT)
        k->ready_due = false;
    while (k->outbox && child_flush(k->outbox) == SENT)
        outbox_remove(k->outbox);
    link_watch(k);
}

union packet {
    struct keeper_head head;
    struct keeper_started started;
    struct keeper_ended ended;
};

static void on_packet(struct keeper_link *k, const union packet *p, size_t n)
{
    bool known =
        n >= sizeof p->head && ((p->head.kind == KEEPER_STARTED && n == sizeof p->started) ||
                                (p->head.kind == KEEPER_ENDED && n == sizeof p->ended));
    struct child *c = known ? map_get(&k->children, str_of(&p->head.id, sizeof p->head.id)) : NULL;
    if (!c) {
        log_error("run", "a packet of %zu bytes from the keeper makes no sense", n);
        return;
    }
    if (p->head.kind == KEEPER_STARTED) {
        void (*started)(void *arg) = c->started;
        c->pid = p->started.pid;
        c->started = NULL;
        if (started)
            started(c->arg);
        return;
    }
    const struct keeper_ended *e = &p->ended;
    struct child_exit how = {.err = ERR_INTERNAL,
                             .os_error = e->os_error,
                             .status = e->status,
                             .signal = e->signal,
                             .rss_kb = e->rss_kb,
                             .out_of_memory = e->out_of_memory != 0};
    if (e->err >= 0 && e->err < ERR_COUNT)
        how.err = (enum err)e->err;
    if (e->step >= 0 && e->step < CHILD_STEPS)
        how.step = (enum child_step)e->step;
    child_end(c, &how);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct keeper_link *k = poll->data;
    if (status < 0) {
        link_lose(k);
        return;
    }
    for (int i = 0; events & UV_READABLE && i < PACKETS_PER_TURN && !k->lost && !k->closed; i++) {
        union packet p;
        ssize_t n = recv(k->fd, &p, sizeof p, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            link_lose(k);
        else
            on_packet(k, &p, (size_t)n);
    }
    if (events & UV_WRITABLE && !k->lost && !k->closed)
        link_flush(k);
}

enum err keeper_link_open(struct loop *control, int fd, void (*lost)(void *arg), void *arg,
                          struct keeper_link **out)
{
    *out = NULL;
    struct keeper_link *k = mem_alloc(sizeof *k);
    if (!k)
        return ERR_NOMEM;
    k->loop = control;
    k->fd = fd;
    k->on_lost = lost;
    k->arg = arg;
    k->outbox_end = &k->outbox;
    k->poll.data = k;
    if (uv_poll_init(loop_uv(control), &k->poll, fd) != 0) {
        mem_free(k);
        return ERR_IO;
    }
    link_watch(k);
    *out = k;
    return ERR_OK;
}

static void on_closed(uv_handle_t *poll)
{
    struct keeper_link *k = poll->data;
    close(k->fd);
    map_fini(&k->children);
    mem_free(k);
}

void keeper_link_close(struct keeper_link *k)
{
    if (!k || k->closed)
        return;
    k->closed = true;
    end_all(k, ERR_CANCELLED);
    uv_close((uv_handle_t *)&k->poll, on_closed);
}

enum err keeper_link_ready(struct keeper_link *k)
{
    if (k->lost || k->closed)
        return ERR_CLOSED;
    k->ready_due = true;
    link_flush(k);
    return ERR_OK;
}

/* The socket is full: the packet waits with descriptors of its own. */
static enum err child_keep(struct child *c, struct buf *packet, const struct child_spec *spec)
{
    for (unsigned i = 0; i < spec->fd_count; i++) {
        if (spec->fds[i] < 0)
            continue;
        int fd = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return ERR_LIMIT;
        c->fds[c->fd_count++] = fd;
    }
    c->spawn = *packet;
    *packet = BUF_INIT(0);
    outbox_add(c);
    return ERR_OK;
}

static enum err child_ask(struct child *c, const struct child_spec *spec)
{
    AUTO_BUF packet = BUF_INIT(LIMIT_KEEPER_MESSAGE);
    enum err err = keeper_spawn_encode(spec, c->id, &packet);
    if (err != ERR_OK)
        return err;
    int fds[CHILD_FDS];
    unsigned n = 0;
    for (unsigned i = 0; i < spec->fd_count; i++) {
        if (spec->fds[i] >= 0)
            fds[n++] = spec->fds[i];
    }
    enum sent sent = SENT_LATER;
    if (!c->link->outbox)
        sent = packet_send(c->link, packet.p, packet.n, fds, n);
    if (sent == SENT_LATER)
        return child_keep(c, &packet, spec);
    return sent == SENT ? ERR_OK : ERR_CLOSED;
}

static enum err child_ask_adopt(struct child *c, int pid, const struct child_cage *cage)
{
    const struct keeper_adopt m = {
        {KEEPER_ADOPT, c->id}, pid, cage->level, cage->pids, cage->memory};
    c->spawn = BUF_INIT(sizeof m);
    buf_add(&c->spawn, str_of(&m, sizeof m));
    if (c->spawn.err != ERR_OK)
        return c->spawn.err;
    if (c->link->outbox || child_flush(c) == SENT_LATER)
        outbox_add(c);
    return ERR_OK;
}

static enum err child_new(struct keeper_link *k, child_exit_fn done, void *arg, struct child **out)
{
    ASSERT(loop_is_current(k->loop));
    if (k->lost || k->closed)
        return ERR_CLOSED;
    if (k->children.count >= LIMIT_CHILDREN)
        return ERR_LIMIT;
    struct child *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NOMEM;
    *c = (struct child){.link = k, .done = done, .arg = arg};
    struct str key = str_of(&c->id, sizeof c->id);
    do
        c->id = ++k->last_id;
    while (c->id == 0 || map_get(&k->children, key));
    enum err err = map_put(&k->children, key, c, NULL);
    if (err == ERR_OK)
        *out = c;
    else
        child_free(c);
    return err;
}

/* Asked for, or it never was. */
static enum err child_settle(struct child *c, enum err err, struct child **out)
{
    if (err != ERR_OK) {
        map_del(&c->link->children, str_of(&c->id, sizeof c->id));
        child_free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

enum err child_spawn(struct keeper_link *k, const struct child_spec *spec, child_exit_fn done,
                     void *arg, struct child **out)
{
    struct child *c;
    *out = NULL;
    enum err err = child_new(k, done, arg, &c);
    return err == ERR_OK ? child_settle(c, child_ask(c, spec), out) : err;
}

enum err child_adopt(struct keeper_link *k, int pid, const struct child_cage *cage,
                     void (*started)(void *arg), child_exit_fn done, void *arg, struct child **out)
{
    struct child *c;
    *out = NULL;
    enum err err = child_new(k, done, arg, &c);
    if (err != ERR_OK)
        return err;
    c->started = started;
    return child_settle(c, child_ask_adopt(c, pid, cage), out);
}

void child_kill(struct child *c, int signal)
{
    ASSERT(loop_is_current(c->link->loop));
    if (c->link->lost || c->link->closed)
        return;
    if (c->kill != SIGKILL) /* an unsent SIGKILL stays one */
        c->kill = signal;
    if (c->waiting || child_flush(c) != SENT)
        outbox_add(c);
}

void child_freeze(struct child *c, bool frozen)
{
    ASSERT(loop_is_current(c->link->loop));
    if (c->link->lost || c->link->closed)
        return;
    c->freeze = frozen ? FREEZE : THAW;
    if (c->waiting || child_flush(c) != SENT)
        outbox_add(c);
}

void child_hand_over(struct child *c, child_exit_fn done, void *arg)
{
    ASSERT(loop_is_current(c->link->loop));
    c->done = done;
    c->arg = arg;
}

int child_pid(const struct child *c)
{
    return c->pid;
}
