/* SPDX-License-Identifier: Apache-2.0
 *
 * Warm workers: processes of a runtime that started before anybody knew for what. Each waits on its
 * descriptor 5 for the function that it becomes an environment of, and has run no function's code
 * until then. It may settle on one version before: shut in as that one's, it reads its code cache.
 * Invariant: a worker is taken once, by one environment, or ends unused, and one that has settled
 * serves no other version. */
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
#define PACKET_MAX KIB(60)

struct worker {
    struct lambda *lambda;
    struct worker *next;
    struct child *child;
    struct ends ends;
    int64_t began_ms;
    char name[40];   /* of its directory below STATE/tmp */
    char digest[65]; /* of the version that it has settled on; "" = none yet */
    uint32_t uid;    /* 0 = ours */
    bool taken;      /* an environment had it, or could not: its end is on its way */
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

/* One that runs what `f` would, and has settled on it or on none; NULL: there is none. */
static struct worker *find(const struct lambda *l, const struct function *f, bool settled)
{
    struct worker *found = NULL;
    AUTO_BUF command = BUF_INIT(KIB(16));
    struct arena *a = arena_new(KIB(1), KIB(64));
    if (a)
        command_of(f, a, &command);
    for (struct worker *w = l->ahead.workers; a && command.err == ERR_OK && w && !found;
         w = w->next)
        if (runs(w, buf_str(&command)) && strcmp(w->digest, settled ? f->digest : "") == 0)
            found = w;
    arena_free(a);
    return found;
}

static struct worker *best(const struct lambda *l, const struct function *f)
{
    struct worker *settled = find(l, f, true);
    return settled ? settled : find(l, f, false);
}

bool lambda__worker_has(const struct lambda *l, const struct function *f)
{
    return best(l, f) != NULL;
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
    if (w->digest[0] && !w->taken)
        lambda__worker_lost(l, w->digest);
    else if (young && !l->closing && ++l->ahead.died_young == DIED_YOUNG_MAX)
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
    buf_addf(out, "%s\"%s\":[", out->n > 1 ? "," : "", key);
    for (size_t i = 0; texts && texts[i]; i++) {
        buf_addz(out, i ? "," : "");
        json_write_str(out, str_c(texts[i]));
    }
    buf_addc(out, ']');
}

/* {"dir","cache","ahead"} and, for it to shut itself in, "read", "write", "tmp". */
static enum err write_place(const struct worker *w, const struct function *f, struct str tmp,
                            bool ahead, struct arena *a, struct buf *out)
{
    struct child_cage cage;
    enum err err = lambda__cage(f, a, f->runtime.interpreter.path, tmp.p, w->uid, &cage);
    if (err != ERR_OK)
        return err;
    buf_addz(out, "{\"dir\":");
    json_write_str(out, f->spec.code_dir);
    buf_addz(out, ",\"cache\":");
    json_write_str(out, lambda__cache_name(f));
    buf_addf(out, ",\"ahead\":%s", ahead ? "true" : "false");
    if (cage.level > CHILD_NONE) {
        write_list(out, "read", cage.read);
        write_list(out, "write", cage.write);
        buf_addz(out, ",\"tmp\":");
        json_write_str(out, tmp);
    }
    buf_addc(out, '}');
    return out->err;
}

static enum err tell(const struct worker *w, const struct buf *packet)
{
    ssize_t n =
        send(w->ends.fd[CHILD_CONTROL][0], packet->p, packet->n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n == (ssize_t)packet->n ? ERR_OK : ERR_CLOSED;
}

static enum err settle(struct worker *w, const struct function *f, bool ahead, struct arena *a)
{
    AUTO_BUF packet = BUF_INIT(PACKET_MAX);
    struct str tmp = lambda__tmp_seen(w->lambda, a, w->name);
    enum err err = tmp.p ? write_place(w, f, tmp, ahead, a, &packet) : ERR_NOMEM;
    if (err == ERR_OK)
        err = tell(w, &packet);
    if (err == ERR_OK)
        memcpy(w->digest, f->digest, sizeof w->digest);
    return err;
}

bool lambda__worker_settle(struct function *f)
{
    struct worker *w = find(f->lambda, f, false);
    struct arena *a = w ? arena_new(KIB(8), KIB(256)) : NULL;
    bool settled = a && settle(w, f, true, a) == ERR_OK;
    if (w && !settled) {
        w->taken = true;
        child_kill(w->child, SIGKILL);
    }
    arena_free(a);
    return settled;
}

bool lambda__worker_settled(const struct function *f)
{
    return find(f->lambda, f, true) != NULL;
}

size_t lambda__workers_settled(const struct lambda *l)
{
    size_t n = 0;
    for (const struct worker *w = l->ahead.workers; w; w = w->next)
        n += w->digest[0] && !w->taken;
    return n;
}

void lambda__workers_forget(const struct function *f)
{
    for (struct worker *w = f->lambda->ahead.workers; w; w = w->next)
        if (strcmp(w->digest, f->digest) == 0)
            child_kill(w->child, SIGKILL);
}

/* Its place, if it has not been told before, and {"env":["NAME=VALUE",...]}. */
static enum err assign(struct worker *w, struct environment *env)
{
    const struct function *f = env->function;
    AUTO_BUF packet = BUF_INIT(PACKET_MAX);
    struct lambda__facts facts;
    struct arena *a = arena_new(KIB(8), KIB(256));
    enum err err = a ? lambda__birth_facts(env, a, &facts) : ERR_NOMEM;
    if (err == ERR_OK && !w->digest[0])
        err = settle(w, f, false, a);
    const char *const *all = err == ERR_OK ? lambda__environ(a, &facts) : NULL;
    if (err == ERR_OK && !all)
        err = ERR_NOMEM;
    buf_addc(&packet, '{');
    write_list(&packet, "env", all);
    buf_addc(&packet, '}');
    if (err == ERR_OK)
        err = packet.err == ERR_OK ? tell(w, &packet) : packet.err;
    arena_free(a);
    return err;
}

enum err lambda__worker_become(struct environment *env, bool *became)
{
    struct lambda *l = env->function->lambda;
    struct worker *w = lambda__worker_fits(env->function) ? best(l, env->function) : NULL;
    *became = false;
    if (!w)
        return ERR_OK;
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
