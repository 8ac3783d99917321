/* SPDX-License-Identifier: Apache-2.0
 *
 * Warm workers: processes of a runtime that started before anybody knew for what. Each waits on its
 * descriptor 5 for the function that it becomes an environment of, and has run no function's code
 * until then. Invariant: a worker is taken once, by one environment, or ends unused. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ends_int.h"

#define YOUNG_MS 3000    /* one that ends before that is not worth having */
#define DIED_YOUNG_MAX 3 /* so many in a row, and there are no more */
#define ASSIGNMENT_MAX KIB(60)

struct worker {
    struct lambda *lambda;
    struct worker *next;
    struct child *child;
    struct ends ends;
    int64_t began_ms;
    char name[40]; /* of its directory below STATE/tmp */
    uint32_t uid;  /* 0 = ours */
    bool taken;    /* an environment had it, or could not: its end is on its way */
    size_t command_bytes;
    char command[]; /* see command_of */
};

/* What a process has to know when it begins: nobody can tell it later. */
static const char *const too_late[] = {
    "NODE_", "LD_",     "SSL_CERT_", "OPENSSL_", "UV_", "LC_", "AWS_LAMBDA_EXEC_WRAPPER",
    "LANG",  "MALLOC_", "GLIBC_"};
static const char *const in_time[] = {"NODE_ENV", "NODE_PATH", "NODE_TLS_REJECT_UNAUTHORIZED"};
/* What it has until then. */
static const char *const variables[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=en_US.UTF-8",
                                        "TZ=:UTC", NULL};

static bool is_one_of(struct str name, const char *const *names, size_t n, bool whole)
{
    for (size_t i = 0; i < n; i++)
        if (whole ? str_eqz(name, names[i]) : str_starts(name, str_c(names[i])))
            return true;
    return false;
}

bool lambda__worker_fits(const struct function *f)
{
    const struct function_spec *s = &f->spec;
    /* In a view of the files of its own it would have to be there from the beginning. */
    if (f->to[0] || f->lambda->o.isolation == CHILD_STRICT ||
        !lambda__runtime_plays(&f->runtime, RUNTIME_WORKER))
        return false;
    for (size_t i = 0; i < s->env_count; i++)
        if (is_one_of(s->env[i].name, too_late, COUNTOF(too_late), false) &&
            !is_one_of(s->env[i].name, in_time, COUNTOF(in_time), true))
            return false;
    return true;
}

/* --- which ------------------------------------------------------------------------------------ */

/* What is covered has to be shown to a process when it begins, and to nobody else. */
static void add_if_hidden(const struct function *f, struct str path, struct buf *out)
{
    if (lambda__cage_hides(f->lambda, path))
        buf_add(out, path);
    buf_addc(out, '\0');
}

/* What makes one the right one: the words of the command, its memory, which node looks at when it
 * begins, and what it has been shown. As struct worker keeps them; an error when out of memory. */
static void command_of(const struct function *f, struct arena *a, struct buf *out)
{
    const char *const *argv = lambda__runtime_argv(&f->runtime, &f->spec, RUNTIME_WORKER, a);
    if (!argv)
        out->err = ERR_NOMEM;
    for (; argv && *argv; argv++)
        buf_add(out, str_of(*argv, strlen(*argv) + 1));
    buf_addf(out, "%u MB%c", f->spec.memory_mb, 0);
    add_if_hidden(f, f->spec.code_dir, out);
    add_if_hidden(f, f->runtime.opt, out);
}

static bool runs(const struct worker *w, struct str command)
{
    return !w->taken && str_eq(str_of(w->command, w->command_bytes), command);
}

/* Where the pointer to one stands that runs what `f` would; NULL when there is none. */
static struct worker **find(struct lambda *l, const struct function *f)
{
    struct worker **found = NULL;
    AUTO_BUF command = BUF_INIT(KIB(16));
    struct arena *a = arena_new(KIB(1), KIB(64));
    if (a)
        command_of(f, a, &command);
    for (struct worker **at = &l->ahead.workers; a && command.err == ERR_OK && *at && !found;
         at = &(*at)->next)
        if (runs(*at, buf_str(&command)))
            found = at;
    arena_free(a);
    return found;
}

bool lambda__worker_has(const struct lambda *l, const struct function *f)
{
    return find((struct lambda *)(uintptr_t)l, f) != NULL;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void worker_free(struct worker *w)
{
    struct lambda *l = w->lambda;
    lambda__ends_close(&w->ends, 0);
    lambda__ends_close(&w->ends, 1);
    l->ahead.worker_count--;
    mem_free(w);
}

static void unlink_worker(struct worker *w)
{
    struct worker **at = &w->lambda->ahead.workers;
    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
}

/* Nobody had a use for it. Its directory is empty: it has run nothing that writes there. */
static void worker_ended(void *arg, const struct child_exit *how)
{
    struct worker *w = arg;
    struct lambda *l = w->lambda;
    char path[PATH_MAX];
    bool young = loop_now_ms(l->o.control) - w->began_ms < YOUNG_MS;
    if (young && !l->closing && ++l->ahead.died_young == DIED_YOUNG_MAX)
        log_warn("lambda",
                 "no process is kept ready for functions any more: %d ended at once "
                 "(status %d, signal %d)",
                 DIED_YOUNG_MAX, how->status, how->signal);
    if (snprintf(path, sizeof path, "%s/%s", l->tmp_dir, w->name) < (int)sizeof path)
        (void)rmdir(path);
    unlink_worker(w);
    worker_free(w);
    lambda__ahead_soon(l);
    lambda__maybe_closed(l);
}

static enum err spawn(struct worker *w, const struct function *f, struct arena *a, const char *tmp)
{
    struct lambda *l = w->lambda;
    const struct ends *e = &w->ends;
    struct child_cage cage;
    enum err err = lambda__uid_take(l, &w->uid);
    if (err == ERR_OK)
        err = lambda__cage_any(f, a, tmp, w->uid, &cage);
    if (err != ERR_OK)
        return err;
    struct child_spec spec = {
        .argv = lambda__runtime_argv(&f->runtime, &f->spec, RUNTIME_WORKER, a),
        .env = variables,
        .cwd = f->runtime.home->dir,
        .fds = {-1, e->fd[STDOUT_FILENO][1], e->fd[STDERR_FILENO][1], e->fd[CHILD_API][1],
                e->fd[CHILD_LOGS][1], e->fd[CHILD_CONTROL][1], l->ahead.cache_fd},
        .fd_count = CHILD_CONTROL + 2,
        .nofile = LIMIT_ENV_OPEN_FILES,
        .nproc = LIMIT_ENV_PROCESSES,
        .fsize = LIMIT_ENV_FILE_BYTES,
        .cage = &cage,
    };
    return spec.argv ? child_spawn(l->o.keeper, &spec, worker_ended, w, &w->child) : ERR_NOMEM;
}

static enum err begin(struct worker *w, const struct function *f, struct arena *a)
{
    char path[PATH_MAX];
    struct lambda *l = w->lambda;
    int n = snprintf(path, sizeof path, "%s/%s", l->tmp_dir, w->name);
    if (!lambda__ends_open(&w->ends) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->ends.fd[CHILD_API]) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->ends.fd[CHILD_CONTROL]) != 0)
        return ERR_IO;
    if (n < 0 || (size_t)n >= sizeof path || mkdir(path, 0700) != 0)
        return ERR_IO;
    enum err err = spawn(w, f, a, path);
    if (err != ERR_OK)
        (void)rmdir(path);
    lambda__ends_close(&w->ends, 1);
    return err;
}

void lambda__worker_start(struct lambda *l, const struct function *f)
{
    AUTO_BUF command = BUF_INIT(KIB(16));
    struct arena *a = arena_new(KIB(4), KIB(64));
    if (a)
        command_of(f, a, &command);
    struct worker *w = a && command.err == ERR_OK ? mem_alloc(sizeof *w + command.n) : NULL;
    if (w) {
        *w = (struct worker){.lambda = l, .began_ms = loop_now_ms(l->o.control)};
        memcpy(w->command, command.p, command.n);
        w->command_bytes = command.n;
        snprintf(w->name, sizeof w->name, "%s-%llu", l->tag, (unsigned long long)++l->started);
        l->ahead.worker_count++;
        if (begin(w, f, a) == ERR_OK) {
            w->next = l->ahead.workers;
            l->ahead.workers = w;
        } else {
            l->ahead.died_young = DIED_YOUNG_MAX;
            log_warn("lambda", "no process is kept ready for functions: %s", strerror(errno));
            worker_free(w);
        }
    }
    arena_free(a);
}

bool lambda__worker_is(const struct lambda *l, uint32_t uid)
{
    for (const struct worker *w = l->ahead.workers; w; w = w->next)
        if (w->uid == uid)
            return true;
    return false;
}

void lambda__workers_end(struct lambda *l)
{
    for (struct worker *w = l->ahead.workers; w; w = w->next)
        child_kill(w->child, SIGKILL);
}

/* --- becoming an environment ------------------------------------------------------------------ */

static void write_list(struct buf *out, const char *key, const char *const *texts)
{
    buf_addf(out, ",\"%s\":[", key);
    for (size_t i = 0; texts && texts[i]; i++) {
        buf_addz(out, i ? "," : "");
        json_write_str(out, str_c(texts[i]));
    }
    buf_addc(out, ']');
}

/* {"dir","cache","env":["NAME=VALUE",...]} and, for it to shut itself in, "read", "write", "tmp".
 */
static enum err write_assignment(const struct environment *env, const struct lambda__facts *facts,
                                 struct arena *a, struct buf *out)
{
    const struct function *f = env->function;
    const char *const *all = lambda__environ(a, facts);
    const char *program = f->runtime.interpreter.path;
    struct child_cage cage;
    enum err err = all ? lambda__cage(f, a, program, facts->tmp_dir.p, env->uid, &cage) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    buf_addz(out, "{\"dir\":");
    json_write_str(out, f->spec.code_dir);
    buf_addz(out, ",\"cache\":");
    json_write_str(out, lambda__cache_name(f));
    write_list(out, "env", all);
    if (cage.level > CHILD_NONE) {
        write_list(out, "read", cage.read);
        write_list(out, "write", cage.write);
        buf_addz(out, ",\"tmp\":");
        json_write_str(out, facts->tmp_dir);
    }
    buf_addc(out, '}');
    return out->err;
}

static enum err assign(struct worker *w, struct environment *env)
{
    AUTO_BUF packet = BUF_INIT(ASSIGNMENT_MAX);
    struct lambda__facts facts;
    struct arena *a = arena_new(KIB(8), KIB(256));
    enum err err = a ? lambda__birth_facts(env, a, &facts) : ERR_NOMEM;
    if (err == ERR_OK)
        err = write_assignment(env, &facts, a, &packet);
    if (err == ERR_OK && send(w->ends.fd[CHILD_CONTROL][0], packet.p, packet.n,
                              MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)packet.n)
        err = ERR_CLOSED;
    arena_free(a);
    return err;
}

enum err lambda__worker_become(struct environment *env, bool *became)
{
    struct lambda *l = env->function->lambda;
    struct worker **at = lambda__worker_fits(env->function) ? find(l, env->function) : NULL;
    *became = false;
    if (!at)
        return ERR_OK;
    struct worker *w = *at;
    char own[sizeof env->name];
    w->taken = true;
    memcpy(own, env->name, sizeof own);
    memcpy(env->name, w->name, sizeof w->name);
    env->uid = w->uid;
    if (assign(w, env) != ERR_OK) { /* then it is as if there were none */
        memcpy(env->name, own, sizeof own);
        env->uid = 0;
        child_kill(w->child, SIGKILL);
        return ERR_OK;
    }
    *became = true;
    enum err err = lambda__ends_attach(env, &w->ends);
    if (err != ERR_OK) {
        child_kill(w->child, SIGKILL);
        return err;
    }
    l->ahead.died_young = 0;
    env->child = w->child;
    child_hand_over(w->child, lambda__env_exited, env);
    unlink_worker(w);
    worker_free(w);
    lambda__ahead_soon(l);
    return ERR_OK;
}
