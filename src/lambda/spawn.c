/* SPDX-License-Identifier: Apache-2.0
 *
 * What an environment is born with: a directory of its own, a connection to the Runtime API on
 * descriptor 3 or an address of it, log frames on 4, pipes for stdout and stderr, its variables,
 * and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "lambda_int.h"

#define CHILD_API 3
#define CHILD_LOGS 4
#define ENDS (CHILD_LOGS + 1)

/* [0] is ours, [1] the child's; -1: not open. */
struct ends {
    int fd[ENDS][2];
};

static void ends_close(struct ends *e, int side)
{
    for (size_t i = 0; i < ENDS; i++) {
        if (e->fd[i][side] >= 0)
            close(e->fd[i][side]);
        e->fd[i][side] = -1;
    }
}

static bool ends_open(struct ends *e, bool listens)
{
    for (size_t i = 0; i < ENDS; i++)
        e->fd[i][0] = e->fd[i][1] = -1;
    return (listens || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->fd[CHILD_API]) == 0) &&
           pipe2(e->fd[STDOUT_FILENO], O_CLOEXEC) == 0 &&
           pipe2(e->fd[STDERR_FILENO], O_CLOEXEC) == 0 && pipe2(e->fd[CHILD_LOGS], O_CLOEXEC) == 0;
}

/* Gives our end of `at` away: `taken` says whether it found an owner. */
static enum err hand_over(struct ends *e, size_t at, enum err taken)
{
    if (taken == ERR_OK)
        e->fd[at][0] = -1;
    return taken;
}

/* Our ends begin to work. What was begun when this fails is ended by killing the environment. */
static enum err attach(struct environment *env, struct ends *e)
{
    static const struct {
        enum source_kind kind;
        int fd;
    } sources[] = {{SOURCE_FRAMES, CHILD_LOGS},
                   {SOURCE_STDOUT, STDOUT_FILENO},
                   {SOURCE_STDERR, STDERR_FILENO}};
    int api = e->fd[CHILD_API][0];
    enum err err = api >= 0 ? hand_over(e, CHILD_API, lambda__conn_open(env, api))
                            : lambda__listener_open(env);
    for (size_t i = 0; i < COUNTOF(sources) && err == ERR_OK; i++)
        err = hand_over(e, (size_t)sources[i].fd,
                        lambda__source_open(env, sources[i].kind, e->fd[sources[i].fd][0]));
    return err;
}

static enum err log_stream(struct arena *a, struct function *f, struct str *out)
{
    unsigned char random[16];
    char id[33], day[TIME_TEXT];
    enum err err = crypt_random(random, sizeof random);
    if (err != ERR_OK)
        return err;
    crypt_hex(random, sizeof random, id);
    time_rfc3339(loop_wall_us(f->lambda->o.control), day);
    *out = arena_fmt(a, "%.4s/%.2s/%.2s/[%.*s]%s", day, day + 5, day + 8, STR_ARG(f->spec.version),
                     id);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err start(struct environment *env, const struct ends *e, struct arena *a,
                      const char *tmp, child_exit_fn done)
{
    struct function *f = env->function;
    struct lambda *l = f->lambda;
    struct lambda__facts facts = f->facts;
    facts.tmp_dir = str_c(tmp);
    facts.provisioned = env->provisioned;
    facts.api = lambda__listener_address(env);
    enum err err = log_stream(a, f, &facts.log_stream);
    if (err != ERR_OK)
        return err;
    struct child_spec spec = {
        .argv = lambda__runtime_argv(&f->runtime, &f->spec, a),
        .env = lambda__environ(a, &facts),
        .cwd = f->spec.code_dir.p,
        .fds = {-1, e->fd[STDOUT_FILENO][1], e->fd[STDERR_FILENO][1], e->fd[CHILD_API][1],
                e->fd[CHILD_LOGS][1]},
        .fd_count = ENDS,
        .nofile = LIMIT_ENV_OPEN_FILES,
        .nproc = LIMIT_ENV_PROCESSES,
        .fsize = LIMIT_ENV_FILE_BYTES,
    };
    if (!spec.argv || !spec.env)
        return ERR_NOMEM;
    return child_spawn(l->o.keeper, &spec, done, env, &env->child);
}

enum err lambda__spawn(struct environment *env, child_exit_fn done)
{
    char tmp[PATH_MAX];
    struct ends ends;
    enum err err = ERR_NOMEM;
    int n = snprintf(tmp, sizeof tmp, "%s/%s", env->function->lambda->tmp_dir, env->name);
    if (n < 0 || (size_t)n >= sizeof tmp || mkdir(tmp, 0700) < 0) {
        log_error("lambda", "cannot make the directory tmp/%s: %s", env->name, strerror(errno));
        return ERR_IO;
    }
    struct arena *a = arena_new(KIB(8), KIB(256));
    if (!ends_open(&ends, lambda__runtime_listens(&env->function->runtime))) {
        log_error("lambda", "no descriptors for an environment: %s", strerror(errno));
        err = ERR_IO;
    } else if (a) {
        err = attach(env, &ends);
        if (err == ERR_OK)
            err = start(env, &ends, a, tmp, done);
    }
    ends_close(&ends, 0);
    ends_close(&ends, 1);
    arena_free(a);
    return err;
}
