/* SPDX-License-Identifier: Apache-2.0
 *
 * What an environment may reach: its code, its runtime and what both need to run; its own tmp; what
 * the operator adds; nothing of another function and nothing of ours. The keeper enforces it. */
#include <dirent.h>
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
    for (size_t i = 0; i < p->n; i++)
        if (str_eqz(path, p->at[i]))
            return;
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

static bool is_below(struct str path, struct str dir)
{
    struct str rest = str_from(path, dir.n);
    return dir.n > 0 && str_starts(path, dir) && (rest.n == 0 || rest.p[0] == '/');
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

/* `npm link` and workspaces: a link in node_modules leads to a package elsewhere, which needs the
 * packages above itself. Only its author can have made it: to the function its code is read-only,
 * and a package in the store holds no link that leads out. */
static void add_linked(struct paths *p, const char *modules, struct str code_dir, bool scopes)
{
    char real[PATH_MAX];
    DIR *d = opendir(modules);
    for (struct dirent *e; d && !p->failed && (e = readdir(d));) {
        bool scope = scopes && e->d_type == DT_DIR && e->d_name[0] == '@';
        if (e->d_type != DT_LNK && !scope)
            continue;
        struct str path = arena_fmt(p->arena, "%s/%s", modules, e->d_name);
        p->failed |= !path.p;
        if (scope && path.p)
            add_linked(p, path.p, code_dir, false);
        if (scope || !path.p || !realpath(path.p, real))
            continue;
        struct str to = str_c(real);
        if (is_below(to, code_dir))
            continue;
        add(p, to);
        add_above(p, to);
    }
    if (d)
        closedir(d);
}

static void add_links(struct paths *p, struct str code_dir)
{
    struct str modules = arena_fmt(p->arena, "%.*s/node_modules", STR_ARG(code_dir));
    p->failed |= !modules.p;
    if (modules.p)
        add_linked(p, modules.p, code_dir, true);
}

static bool has(const char *const *paths, const char *one)
{
    for (; paths && *paths; paths++)
        if (strcmp(*paths, one) == 0)
            return true;
    return false;
}

static bool is_strict(const struct lambda *l)
{
    return l->o.isolation == CHILD_STRICT;
}

/* Where it sees its directory STATE/tmp/NAME; that of a fork lies in its template's. Somebody who
 * allows /tmp means the machine's. */
struct str lambda__tmp_seen(const struct lambda *l, struct arena *a, const char *name)
{
    const char *inside = strchr(name, '/');
    bool own = is_strict(l) ||
               (l->o.own_tmp && !has(l->o.allow_read, "/tmp") && !has(l->o.allow_write, "/tmp"));
    return own ? arena_fmt(a, "/tmp%s", inside ? inside : "")
               : arena_fmt(a, "%s/%s", l->tmp_dir, name);
}

/* In strict the code and the layers are where they are on AWS; STATE is where it was, even where it
 * lies in them. */
struct str lambda__path_seen(const struct function *f, struct arena *a, struct str path)
{
    const struct {
        struct str real, seen;
    } places[] = {{f->spec.code_dir, STR("/var/task")}, {f->runtime.opt, STR("/opt")}};
    const struct str state = str_c(f->lambda->o.state_dir);
    for (size_t i = 0; i < COUNTOF(places) && is_strict(f->lambda); i++) {
        struct str rest = str_from(path, places[i].real.n);
        bool hidden = is_below(state, places[i].real) && is_below(path, state);
        if (is_below(path, places[i].real) && !hidden)
            return arena_fmt(a, "%.*s%.*s", STR_ARG(places[i].seen), STR_ARG(rest));
    }
    return path;
}

/* As long as nothing of it is there, AWS's /opt is empty. */
static bool has_layers(const struct function *f)
{
    return f->spec.layer_count > 0;
}

static void read_paths(const struct function *f, struct paths *p, const char *program)
{
    if (!is_strict(f->lambda)) {
        add(p, f->spec.code_dir);
        add_above(p, f->spec.code_dir);
        add_links(p, f->spec.code_dir);
        if (has_layers(f))
            add(p, f->runtime.opt);
    }
    if (f->facts.runtime_dir.n > 0)
        add(p, f->facts.runtime_dir);
    add_program(p, program);
    add_all(p, f->lambda->o.allow_read);
}

/* Below STATE: the code and the layers of every version, whole and read-only. */
static const char *const stores[] = {"code", "layers"};

static bool is_in_store(const struct lambda *l, struct str path)
{
    struct str state = str_c(l->o.state_dir), rest = str_from(path, state.n + 1);
    for (size_t i = 0; i < COUNTOF(stores) && is_below(path, state); i++)
        if (is_below(rest, str_c(stores[i])))
            return true;
    return false;
}

bool lambda__cage_hides(const struct lambda *l, struct str path)
{
    bool covered = is_below(path, STR("/tmp")) || is_below(path, str_c(l->o.state_dir));
    return l->o.own_tmp && covered && !(l->o.landlocked && is_in_store(l, path));
}

struct child_cage lambda__cage_limits(const struct function *f)
{
    return (struct child_cage){.level = f->lambda->o.isolation,
                               .memory = MIB(f->spec.memory_mb) + MEMORY_OVERHEAD,
                               .pids = LIMIT_ENV_TASKS};
}

static enum err cage(const struct function *f, struct paths *read, const char *tmp, uint32_t uid,
                     struct child_cage *out)
{
    if (read->failed)
        return read->n == LIMIT_CHILD_PATHS ? ERR_LIMIT : ERR_NOMEM;
    read->at[read->n] = NULL;
    *out = lambda__cage_limits(f);
    out->uid = out->gid = uid;
    out->tmp = tmp;
    out->hide = f->lambda->o.state_dir;
    out->read = read->at;
    out->write = f->lambda->o.allow_write;
    return ERR_OK;
}

static bool paths_open(struct paths *p, struct arena *a)
{
    *p = (struct paths){.arena = a, .at = ARENA_ARRAY(a, LIMIT_CHILD_PATHS + 1, const char *)};
    return p->at != NULL;
}

enum err lambda__cage(const struct function *f, struct arena *a, const char *program,
                      const char *tmp, uint32_t uid, struct child_cage *out)
{
    struct paths read;
    if (!paths_open(&read, a))
        return ERR_NOMEM;
    read_paths(f, &read, program);
    enum err err = cage(f, &read, tmp, uid, out);
    if (err == ERR_OK && is_strict(f->lambda)) {
        out->task = f->spec.code_dir.p;
        out->opt = has_layers(f) ? f->runtime.opt.p : NULL;
    }
    return err;
}

/* Until it opens itself no code of a function is in it. */
enum err lambda__cage_any(const struct function *f, struct arena *a, const char *tmp, uint32_t uid,
                          struct child_cage *out)
{
    const struct lambda *l = f->lambda;
    struct paths read;
    if (!paths_open(&read, a))
        return ERR_NOMEM;
    read_paths(f, &read, f->runtime.interpreter.path);
    for (size_t i = 0; i < COUNTOF(stores) && l->o.landlocked; i++)
        add_if_there(&read, str_c(l->o.state_dir), stores[i]);
    enum err err = cage(f, &read, tmp, uid, out);
    out->opens_itself = err == ERR_OK;
    return err;
}
