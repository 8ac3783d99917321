/* SPDX-License-Identifier: Apache-2.0
 *
 * What a template in Node cannot do in JavaScript: wait for a birth message, fork, and be an
 * environment afterwards. Loaded by node itself as an addon (Node-API, whose names and numbers are
 * stable across versions), so it stands alone and includes nothing of ours. Invariant: serve()
 * returns in a new environment only; a template leaves it by ending.
 *
 * A birth message is a number of four bytes, then a text for the environment; with it come the
 * descriptors that become 1 to 4. The new environment answers with the number; the kernel adds its
 * pid. (docs/internals/cold-start.md) */
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CONTROL 5
#define FIRST_FD 1
#define GIVEN_FDS 4
#define MESSAGE_MAX 65536
#define DIED 127

/* --- Node-API, as far as it is used here ------------------------------------------------------ */

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env env, napi_callback_info info);
extern int napi_create_function(napi_env env, const char *name, size_t n, napi_callback fn,
                                void *data, napi_value *out);
extern int napi_set_named_property(napi_env env, napi_value object, const char *name,
                                   napi_value value);
extern int napi_create_string_utf8(napi_env env, const char *text, size_t n, napi_value *out);
extern int napi_get_cb_info(napi_env env, napi_callback_info info, size_t *argc, napi_value *argv,
                            napi_value *self, void **data);
extern int napi_get_value_int32(napi_env env, napi_value value, int32_t *out);
extern int napi_get_uv_event_loop(napi_env env, void **loop);
extern int napi_throw_error(napi_env env, const char *code, const char *text);

EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports);

/* --- a birth ---------------------------------------------------------------------------------- */

struct birth {
    uint32_t number;
    int fds[GIVEN_FDS];
    char text[MESSAGE_MAX];
    size_t n;
};
static struct birth birth; /* this process handles one at a time */

static bool receive(struct birth *b)
{
    union {
        char bytes[CMSG_SPACE(GIVEN_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov[] = {{&b->number, sizeof b->number}, {b->text, sizeof b->text}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t n;
    do {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        n = recvmsg(CONTROL, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    const struct cmsghdr *c = n > (ssize_t)sizeof b->number ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof b->fds) ||
        m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return false; /* nobody is there any more, or it is not our daemon */
    memcpy(b->fds, CMSG_DATA(c), sizeof b->fds);
    b->n = (size_t)n - sizeof b->number;
    return true;
}

/* V8 keeps its heap out of children (MADV_DONTFORK); ours need it. What cannot be asked for
 * (special mappings) is there anyway. */
static bool keep_memory(void)
{
    char line[512];
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return false;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx", &from, &to) == 2)
            (void)madvise((void *)from, to - from, MADV_DOFORK);
    }
    fclose(maps);
    return true;
}

/* The keeper must have become our parent before its death can become ours. */
static bool follow_keeper(pid_t middle, pid_t keeper)
{
    while (getppid() == middle)
        sched_yield();
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == keeper;
}

static bool take_descriptors(const int *fds)
{
    for (int i = 0; i < GIVEN_FDS; i++) { /* none of them stands where another must go: 1 to 5 are
                                             taken in a template */
        if (dup2(fds[i], FIRST_FD + i) < 0)
            return false;
        close(fds[i]);
    }
    return true;
}

/* In the new process. The event loop gets an epoll instance and wake-ups of its own. */
static bool begin(napi_env env, pid_t middle, pid_t keeper)
{
    void *loop = NULL;
    int (*loop_fork)(void *) = NULL;
    *(void **)&loop_fork = dlsym(RTLD_DEFAULT, "uv_loop_fork");
    if (!loop_fork || napi_get_uv_event_loop(env, &loop) != 0 || loop_fork(loop) != 0)
        return false;
    if (!follow_keeper(middle, keeper) || setsid() < 0 || !take_descriptors(birth.fds))
        return false;
    ssize_t n = send(CONTROL, &birth.number, sizeof birth.number, MSG_NOSIGNAL);
    close(CONTROL);
    return n == (ssize_t)sizeof birth.number;
}

/* Forks twice, so that the keeper, our subreaper, is the parent. The one in the middle borrows this
 * memory (vfork) instead of copying it: it does nothing but fork. True in the new process. */
static bool give_birth(napi_env env)
{
    pid_t keeper = getppid();
    pid_t middle = vfork(); /* allowed: this runs in node, which is what is forked */
    if (middle == 0) {
        pid_t self = getpid();
        pid_t child = fork(); /* allowed: likewise */
        if (child != 0)
            _exit(child < 0 ? DIED : 0);
        if (!begin(env, self, keeper))
            _exit(DIED);
        return true;
    }
    for (int i = 0; i < GIVEN_FDS; i++)
        close(birth.fds[i]);
    while (middle > 0 && waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        continue;
    return false;
}

static napi_value serve(napi_env env, napi_callback_info info)
{
    napi_value text = NULL;
    (void)info;
    while (receive(&birth)) {
        if (keep_memory() && give_birth(env)) {
            napi_create_string_utf8(env, birth.text, birth.n, &text);
            return text;
        }
    }
    _exit(0);
}

/* Node's own way out joins threads that a forked process does not have. */
static napi_value leave(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value argv[1];
    int32_t code = 0;
    if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == 0 && argc == 1)
        (void)napi_get_value_int32(env, argv[0], &code);
    _exit(code);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    napi_value fn;
    if (napi_create_function(env, "serve", 5, serve, NULL, &fn) != 0 ||
        napi_set_named_property(env, exports, "serve", fn) != 0 ||
        napi_create_function(env, "leave", 5, leave, NULL, &fn) != 0 ||
        napi_set_named_property(env, exports, "leave", fn) != 0)
        (void)napi_throw_error(env, NULL, "this node lacks Node-API");
    return exports;
}
