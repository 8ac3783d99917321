/* SPDX-License-Identifier: Apache-2.0
 *
 * What an environment may reach: its code, its runtime and what both need to run; its own tmp; what
 * the operator adds; nothing of another function and nothing of ours. The keeper enforces it. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "environment_int.h"

#define MEMORY_OVERHEAD MIB(16) /* the kernel's own: page tables, sockets, stacks */

struct paths {
    struct arena *arena;
    const char **at;
    size_t n;
    bool failed; /* out of memory, or more than a message can hold */
};

static void add(struct paths *p, struct str path)
{
    if (p->n == LIMIT_CHILD_PATHS) {
        p->failed = true;
        return;
    }
    p->at[p->n] = arena_cstr(p->arena, path);
    p->failed |= !p->at[p->n];
    p->n += !p->failed;
}

static void add_all(struct paths *p, const char *const *more)
{
    for (; more && *more; more++)
        add(p, str_c(*more));
}

static void add_if_there(struct paths *p, struct str dir, const char *name)
{
    struct str path = arena_fmt(p->arena, "%.*s/%s", STR_ARG(dir), name);
    p->failed |= !path.p;
    if (path.p && access(path.p, F_OK) == 0)
        add(p, path);
}

static struct str parent_of(struct str path)
{
    size_t slash = str_rchr(path, '/');
    return str_sub(path, 0, slash == SIZE_MAX ? 0 : slash);
}

/* An interpreter brings its library: PREFIX/bin/node has PREFIX/lib. Not all of PREFIX, which may
 * be somebody's home. What lies in /usr is there anyway. */
static void add_program(struct paths *p, const char *program)
{
    static const char *const beside[] = {"lib", "lib64", "share", "include", "pyvenv.cfg"};
    char real[PATH_MAX];
    if (!program || !realpath(program, real) || str_starts(str_c(real), STR("/usr/")))
        return;
    struct str bin = parent_of(str_c(real));
    add(p, str_c(real));
    for (size_t i = 0; str_ends(bin, STR("/bin")) && i < COUNTOF(beside); i++)
        add_if_there(p, parent_of(bin), beside[i]);
}

/* Node looks for packages in every folder above, and a package.json there says what .js means. */
static void add_above(struct paths *p, struct str dir)
{
    for (dir = parent_of(dir); dir.n > 0 && !p->failed; dir = parent_of(dir)) {
        add_if_there(p, dir, "node_modules");
        add_if_there(p, dir, "package.json");
    }
}

struct child_cage lambda__cage_limits(const struct function *f)
{
    return (struct child_cage){.level = f->lambda->o.isolation,
                               .memory = MIB(f->spec.memory_mb) + MEMORY_OVERHEAD,
                               .pids = LIMIT_ENV_TASKS};
}

enum err lambda__cage(const struct environment *env, struct arena *a, const char *program,
                      const char *tmp, struct child_cage *out)
{
    const struct function *f = env->function;
    const struct lambda_options *o = &f->lambda->o;
    struct paths read = {.arena = a}, write = {.arena = a};
    read.at = ARENA_ARRAY(a, LIMIT_CHILD_PATHS + 1, const char *);
    write.at = ARENA_ARRAY(a, LIMIT_CHILD_PATHS + 1, const char *);
    if (!read.at || !write.at)
        return ERR_NOMEM;
    add(&read, f->spec.code_dir);
    if (f->facts.runtime_dir.n > 0)
        add(&read, f->facts.runtime_dir);
    if (f->runtime.opt.n > 0)
        add(&read, f->runtime.opt);
    add_program(&read, program);
    add_above(&read, f->spec.code_dir);
    add_all(&read, o->allow_read);
    add_all(&write, o->allow_write);
    if (read.failed || write.failed)
        return read.n == LIMIT_CHILD_PATHS || write.n == LIMIT_CHILD_PATHS ? ERR_LIMIT : ERR_NOMEM;
    read.at[read.n] = write.at[write.n] = NULL;
    *out = lambda__cage_limits(f);
    out->tmp = tmp;
    out->read = read.at;
    out->write = write.at;
    return ERR_OK;
}
