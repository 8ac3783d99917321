/* SPDX-License-Identifier: Apache-2.0
 *
 * What an environment is born with: a directory of its own, a connection to the Runtime API on
 * descriptor 3 or an address of it, log frames on 4, pipes for stdout and stderr, its variables,
 * and nothing else. It is a process of its own, or a fork of its function's template. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ends_int.h"

void lambda__ends_close(struct ends *e, int side)
{
    for (size_t i = 0; i < ENDS; i++) {
        if (e->fd[i][side] >= 0)
            close(e->fd[i][side]);
        e->fd[i][side] = -1;
    }
}

bool lambda__ends_open(struct ends *e)
{
    for (size_t i = 0; i < ENDS; i++)
        e->fd[i][0] = e->fd[i][1] = -1;
    return pipe2(e->fd[STDOUT_FILENO], O_CLOEXEC) == 0 &&
           pipe2(e->fd[STDERR_FILENO], O_CLOEXEC) == 0 && pipe2(e->fd[CHILD_LOGS], O_CLOEXEC) == 0;
}

/* How it will speak the Runtime API. A template has both ends of its connection, because it goes
 * through an invocation with itself. */
static bool way_open(struct ends *e, const struct environment *env)
{
    const int on = 1;
    if (lambda__runtime_listens(&env->function->runtime))
        return true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->fd[CHILD_API]) != 0)
        return false;
    if (env->state != ENV_TEMPLATE)
        return true;
    e->fd[CHILD_REHEARSAL][1] = e->fd[CHILD_API][0];
    e->fd[CHILD_API][0] = -1;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e->fd[CHILD_CONTROL]) == 0 &&
           setsockopt(e->fd[CHILD_CONTROL][0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}

/* Gives our end of `at` away: `taken` says whether it found an owner. */
static enum err hand_over(struct ends *e, size_t at, enum err taken)
{
    if (taken == ERR_OK)
        e->fd[at][0] = -1;
    return taken;
}

static enum err attach_way(struct environment *env, struct ends *e)
{
    if (env->state == ENV_TEMPLATE)
        return hand_over(e, CHILD_CONTROL, lambda__template_open(env, e->fd[CHILD_CONTROL][0]));
    if (e->fd[CHILD_API][0] < 0)
        return lambda__listener_open(env);
    return hand_over(e, CHILD_API, lambda__conn_open(env, e->fd[CHILD_API][0]));
}

enum err lambda__ends_attach(struct environment *env, struct ends *e)
{
    static const struct {
        enum source_kind kind;
        int fd;
    } sources[] = {{SOURCE_FRAMES, CHILD_LOGS},
                   {SOURCE_STDOUT, STDOUT_FILENO},
                   {SOURCE_STDERR, STDERR_FILENO}};
    enum err err = attach_way(env, e);
    for (size_t i = 0; i < COUNTOF(sources) && err == ERR_OK; i++)
        err = hand_over(e, (size_t)sources[i].fd,
                        lambda__source_open(env, sources[i].kind, e->fd[sources[i].fd][0]));
    return err;
}

/* What to execute, by the paths that it will see. */
static const char *const *argv_seen(const struct environment *env, struct arena *a)
{
    const struct function *f = env->function;
    const char *const *real = lambda__runtime_argv(
        &f->runtime, &f->spec, env->state == ENV_TEMPLATE ? RUNTIME_TEMPLATE : RUNTIME_SERVE, a);
    size_t n = 0;
    while (real && real[n])
        n++;
    const char **seen = real ? ARENA_ARRAY(a, n + 1, const char *) : NULL;
    for (size_t i = 0; seen && i < n; i++) {
        seen[i] = arena_cstr(a, lambda__path_seen(f, a, str_c(real[i])));
        if (!seen[i])
            return NULL;
    }
    if (seen)
        seen[n] = NULL;
    return seen;
}

enum err lambda__birth_facts(const struct environment *env, struct arena *a,
                             struct lambda__facts *out)
{
    *out = env->function->facts;
    out->provisioned = env->provisioned;
    out->api = lambda__listener_address(env);
    out->tmp_dir = lambda__tmp_seen(env->function->lambda, a, env->name);
    out->log_stream = str_c(env->stream_name);
    return out->tmp_dir.p ? ERR_OK : ERR_NOMEM;
}

/* A process of its own, with the directory `tmp`. */
static enum err start(struct environment *env, const struct ends *e, struct arena *a,
                      const struct lambda__facts *real, const char *tmp)
{
    struct function *f = env->function;
    struct child_cage cage;
    struct function_spec spec_seen = f->spec;
    struct lambda__facts seen = *real, *facts = &seen;
    spec_seen.code_dir = lambda__path_seen(f, a, f->spec.code_dir);
    seen.opt = lambda__path_seen(f, a, real->opt);
    seen.handler = lambda__path_seen(f, a, real->handler);
    seen.spec = &spec_seen;
    if (!spec_seen.code_dir.p || !seen.opt.p || !seen.handler.p)
        return ERR_NOMEM;
    enum err err = lambda__cage(f, a, f->runtime.interpreter.path, tmp, env->uid, &cage);
    if (err != ERR_OK)
        return err;
    struct child_spec spec = {
        .argv = argv_seen(env, a),
        .env = lambda__environ(a, facts),
        .cwd = spec_seen.code_dir.p,
        .fds = {-1, e->fd[STDOUT_FILENO][1], e->fd[STDERR_FILENO][1], e->fd[CHILD_API][1],
                e->fd[CHILD_LOGS][1], e->fd[CHILD_CONTROL][1], e->fd[CHILD_REHEARSAL][1]},
        .fd_count = ENDS,
        .nofile = LIMIT_ENV_OPEN_FILES,
        .nproc = LIMIT_ENV_PROCESSES,
        .fsize = LIMIT_ENV_FILE_BYTES,
        .cage = &cage,
    };
    if (!spec.argv || !spec.env)
        return ERR_NOMEM;
    return child_spawn(f->lambda->o.keeper, &spec, lambda__env_exited, env, &env->child);
}

/* A copy of the template, which makes its directory itself: in the template's, where it may. */
static enum err fork_off(struct environment *env, struct environment *template,
                         const struct ends *e, const struct lambda__facts *facts)
{
    const int fds[] = {e->fd[STDOUT_FILENO][1], e->fd[STDERR_FILENO][1], e->fd[CHILD_API][1],
                       e->fd[CHILD_LOGS][1]};
    AUTO_BUF variables = BUF_INIT(KIB(16));
    buf_addz(&variables, "{\"AWS_LAMBDA_LOG_STREAM_NAME\":");
    json_write_str(&variables, facts->log_stream);
    buf_addz(&variables, ",\"TMPDIR\":");
    json_write_str(&variables, facts->tmp_dir);
    buf_addf(&variables, ",\"AWS_LAMBDA_INITIALIZATION_TYPE\":\"%s\"}",
             facts->provisioned ? "provisioned-concurrency" : "on-demand");
    if (variables.err != ERR_OK)
        return variables.err;
    return lambda__template_fork(template, env, fds, buf_str(&variables));
}

static enum err make_directory(const struct environment *env, const char *tmp)
{
    if (mkdir(tmp, 0700) == 0)
        return ERR_OK;
    log_error("lambda", "cannot make the directory tmp/%s: %s", env->name, strerror(errno));
    return ERR_IO;
}

static enum err bring_up(struct environment *env, struct ends *e, struct arena *a)
{
    struct lambda *l = env->function->lambda;
    struct lambda__facts facts;
    struct environment *template =
        env->state == ENV_INIT ? lambda__template_of(env->function) : NULL;
    char own[sizeof env->name];
    memcpy(own, env->name, sizeof own);
    if (template)
        snprintf(env->name, sizeof env->name, "%.39s/%.39s", template->name, own);
    enum err err = lambda__ends_attach(env, e);
    if (err == ERR_OK)
        err = lambda__birth_facts(env, a, &facts);
    if (err == ERR_OK && template && fork_off(env, template, e, &facts) == ERR_OK) {
        env->uid = template->uid;
        return ERR_OK;
    }
    if (template) { /* it has no time for one more */
        memcpy(env->name, own, sizeof own);
        facts.tmp_dir = lambda__tmp_seen(l, a, own);
    }
    struct str real = arena_fmt(a, "%s/%s", l->tmp_dir, env->name);
    if (err == ERR_OK && (!facts.tmp_dir.p || !real.p))
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = lambda__uid_take(l, &env->uid);
    if (err == ERR_OK)
        err = make_directory(env, real.p);
    return err == ERR_OK ? start(env, e, a, &facts, real.p) : err;
}

enum err lambda__spawn(struct environment *env)
{
    struct ends ends;
    bool became = false, forks = lambda__template_of(env->function) != NULL;
    /* One that failed ahead has its second chance in a process that is in no way special. */
    enum err err = env->state == ENV_INIT && !forks ? lambda__worker_become(env, &became) : ERR_OK;
    if (err != ERR_OK || became)
        return err;
    err = ERR_NOMEM;
    struct arena *a = arena_new(KIB(8), KIB(256));
    if (!lambda__ends_open(&ends) || !way_open(&ends, env)) {
        log_error("lambda", "no descriptors for an environment: %s", strerror(errno));
        err = ERR_IO;
    } else if (a) {
        err = bring_up(env, &ends, a);
    }
    lambda__ends_close(&ends, 0);
    lambda__ends_close(&ends, 1);
    arena_free(a);
    return err;
}

enum err lambda__adopt(struct environment *env, int pid)
{
    const struct child_cage limits = lambda__cage_limits(env->function);
    return child_adopt(env->function->lambda->o.keeper, pid, &limits, lambda__env_born,
                       lambda__env_exited, env, &env->child);
}
