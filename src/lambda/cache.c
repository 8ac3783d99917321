/* SPDX-License-Identifier: Apache-2.0
 *
 * Code caches: what V8 has made of a function's modules, so that the next environment need not make
 * it again. A process of its own loads the function once and writes it (bootstrap/node_cache.js).
 * Invariant: a cache is read by the version that made it and by no other, because what runs in it
 * is what the function's own code could have run. STATE/cache/DIGEST */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ends_int.h"

struct cache_maker {
    struct lambda *lambda;
    struct function *function; /* NULL: it is no more, and neither shall its cache be */
    struct child *child;
    struct timer timer;
    struct work cleaning;
    char name[40]; /* of its directory below STATE/tmp */
    uint32_t uid;  /* 0 = ours */
    char digest[65];
};

/* Of what is or shall be there. */
static bool path_of(const struct lambda *l, const char *digest, const char *end, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%.64s%s", l->ahead.cache_dir, digest, end);
    return n > 0 && n < PATH_MAX;
}

struct str lambda__cache_name(const struct function *f)
{
    bool ready = f->ahead.cache == CACHE_READY && f->lambda->o.code_cache;
    return ready ? str_of(f->digest, sizeof f->digest - 1) : STR("");
}

enum err lambda__cache_open(struct lambda *l)
{
    struct str dir = arena_fmt(l->arena, "%s/cache", l->o.state_dir);
    l->ahead.cache_dir = dir.p;
    enum err err = dir.p ? lambda__make_dir(dir.p) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    l->ahead.cache_fd = open(dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return l->ahead.cache_fd >= 0 ? ERR_OK : ERR_IO;
}

void lambda__cache_forget(struct function *f)
{
    struct lambda *l = f->lambda;
    char path[PATH_MAX];
    lambda__workers_forget(f);
    if (l->ahead.maker && l->ahead.maker->function == f) {
        l->ahead.maker->function = NULL;
        if (l->ahead.maker->child)
            child_kill(l->ahead.maker->child, SIGKILL);
    }
    if (f->ahead.cache == CACHE_READY && !l->closing && path_of(l, f->digest, "", path))
        (void)unlink(path);
}

/* --- making it -------------------------------------------------------------------------------- */

static void clean(struct work *w)
{
    struct cache_maker *m = CONTAINER_OF(w, struct cache_maker, cleaning);
    if (lambda__tree_remove(m->lambda->tmp_dir, m->name) != ERR_OK)
        log_warn("lambda", "cannot remove tmp/%s", m->name);
}

static void over(struct cache_maker *m)
{
    struct lambda *l = m->lambda;
    l->ahead.maker = NULL;
    mem_free(m);
    lambda__ahead_soon(l);
    lambda__maybe_closed(l);
}

static void cleaned(struct work *w)
{
    over(CONTAINER_OF(w, struct cache_maker, cleaning));
}

static void emptied(void *arg, const struct child_exit *how)
{
    struct cache_maker *m = arg;
    lambda__uid_emptied(m->lambda, m->name, how);
    over(m);
}

/* Its directory goes in a lane; where that has no room, at the next start of the daemon. */
static void finish(struct cache_maker *m)
{
    struct loop *control = m->lambda->o.control;
    timer_stop(&m->timer);
    if (m->uid && lambda__uid_empty(m->lambda, m->uid, m->name, emptied, m) == ERR_OK)
        return;
    m->cleaning = (struct work){.work = clean, .done = cleaned, .reply = control};
    if (run_work(control, LANE_IO, &m->cleaning) != ERR_OK)
        over(m);
}

/* Under its name once it is whole, and not to be written any more. */
static bool keep(const struct cache_maker *m)
{
    char made[PATH_MAX], kept[PATH_MAX];
    struct stat st;
    return path_of(m->lambda, m->digest, ".new", made) && path_of(m->lambda, m->digest, "", kept) &&
           lstat(made, &st) == 0 && st.st_size > 0 && chmod(made, 0444) == 0 &&
           rename(made, kept) == 0;
}

static void made(void *arg, const struct child_exit *how)
{
    struct cache_maker *m = arg;
    struct function *f = m->function;
    char path[PATH_MAX];
    m->child = NULL;
    bool kept = f && how->err == ERR_OK && how->status == 0 && keep(m);
    if (f)
        f->ahead.cache = kept ? CACHE_READY : CACHE_FAILED;
    if (!kept && path_of(m->lambda, m->digest, ".new", path))
        (void)unlink(path);
    finish(m);
}

static void late(struct timer *t)
{
    child_kill(CONTAINER_OF(t, struct cache_maker, timer)->child, SIGKILL);
}

static enum err spawn(struct cache_maker *m, int output, struct arena *a)
{
    struct function *f = m->function;
    struct lambda__facts facts = f->facts;
    struct str tmp = arena_fmt(a, "%s/%s", m->lambda->tmp_dir, m->name);
    struct child_cage cage;
    enum err err = tmp.p ? lambda__uid_take(m->lambda, &m->uid) : ERR_NOMEM;
    if (err == ERR_OK)
        err = lambda__cage(f, a, f->runtime.interpreter.path, tmp.p, m->uid, &cage);
    if (err != ERR_OK)
        return err;
    facts.tmp_dir = lambda__tmp_seen(m->lambda, a, m->name);
    facts.log_stream = STR("");
    struct child_spec spec = {
        .argv = lambda__runtime_argv(&f->runtime, &f->spec, RUNTIME_CACHE, a),
        .env = lambda__environ(a, &facts),
        .cwd = f->spec.code_dir.p,
        .fds = {-1, -1, -1, -1, -1, output},
        .fd_count = CHILD_CONTROL + 1,
        .nofile = LIMIT_ENV_OPEN_FILES,
        .nproc = LIMIT_ENV_PROCESSES,
        .fsize = LIMIT_CODE_CACHE_BYTES,
        .cage = &cage,
    };
    if (!facts.tmp_dir.p || !spec.argv || !spec.env)
        return ERR_NOMEM;
    if (mkdir(tmp.p, 0700) != 0)
        return ERR_IO;
    return child_spawn(m->lambda->o.keeper, &spec, made, m, &m->child);
}

static enum err begin(struct cache_maker *m)
{
    char path[PATH_MAX];
    struct arena *a = arena_new(KIB(8), KIB(256));
    enum err err = a && path_of(m->lambda, m->digest, ".new", path) ? ERR_OK : ERR_NOMEM;
    int output = -1;
    if (err == ERR_OK) {
        (void)unlink(path); /* of a run that was cut short */
        output = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        err = output >= 0 ? spawn(m, output, a) : ERR_IO;
    }
    if (output >= 0)
        close(output);
    if (output >= 0 && err != ERR_OK)
        (void)unlink(path);
    arena_free(a);
    return err;
}

/* One that an earlier run has made serves as well: the digest says everything that it was made of,
 * and node itself what else must be the same. */
static bool is_there(const struct function *f)
{
    char path[PATH_MAX];
    struct stat st;
    return path_of(f->lambda, f->digest, "", path) && lstat(path, &st) == 0 &&
           S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0444;
}

void lambda__cache_start(struct function *f)
{
    struct lambda *l = f->lambda;
    if (is_there(f)) {
        f->ahead.cache = CACHE_READY;
        return;
    }
    f->ahead.cache = CACHE_FAILED;
    struct cache_maker *m = mem_alloc(sizeof *m);
    if (!m)
        return;
    *m = (struct cache_maker){.lambda = l, .function = f};
    memcpy(m->digest, f->digest, sizeof m->digest);
    snprintf(m->name, sizeof m->name, "%s-%llu", l->tag, (unsigned long long)++l->started);
    l->ahead.maker = m;
    if (begin(m) != ERR_OK) {
        log_warn("lambda", "cannot make a code cache for %.*s: %s", STR_ARG(f->spec.name),
                 strerror(errno));
        finish(m);
        return;
    }
    f->ahead.cache = CACHE_MAKING;
    timer_start(l->o.control, &m->timer, TIMEOUT_INIT_MS, late);
}

bool lambda__cache_maker_is(const struct lambda *l, uint32_t uid)
{
    return l->ahead.maker && l->ahead.maker->uid == uid;
}

void lambda__cache_end(struct lambda *l)
{
    if (l->ahead.maker && l->ahead.maker->child)
        child_kill(l->ahead.maker->child, SIGKILL);
}
