/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of runtimes, one row each. A runtime that stands in no row is refused by its name, with
 * what to use instead: a function never runs on something that its author did not mean. */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "lambda_int.h"

#define HEAP_SHARE(mb) ((mb) / 4 * 3) /* of the memory; the rest is node's own and buffers */
#define HEAP_MIN_MB 64
#define ARGV_MAX 12

/* --- node ------------------------------------------------------------------------------------ */

/* "20.x" */
static bool node_name(struct str version, struct runtime_name *out)
{
    uint64_t major;
    if (!str_ends(version, STR(".x")) || !str_u64(str_sub(version, 0, version.n - 2), &major) ||
        major == 0 || major > 1000)
        return false;
    out->major = (unsigned)major;
    return true;
}

/* A fork has one thread: V8 must not wait for others (node_fork.c). */
static bool node_argv(const struct function_runtime *r, const struct function_spec *spec,
                      bool template, struct arena *a, const char **argv)
{
    unsigned heap = HEAP_SHARE(spec->memory_mb);
    struct str option =
        arena_fmt(a, "--max-old-space-size=%u", heap < HEAP_MIN_MB ? HEAP_MIN_MB : heap);
    size_t n = 0;
    argv[n++] = r->interpreter.path;
    argv[n++] = option.p;
    if (template)
        argv[n++] = "--single-threaded";
    argv[n++] = r->home->main;
    if (template)
        argv[n++] = "template";
    return option.p != NULL;
}

/* --- python ---------------------------------------------------------------------------------- */

/* "3.11" */
static bool python_name(struct str version, struct runtime_name *out)
{
    uint64_t minor;
    struct str rest = str_from(version, 2);
    if (!str_starts(version, STR("3.")) || !str_u64(rest, &minor) || minor > 1000)
        return false;
    out->major = 3;
    out->minor = (unsigned)minor;
    return true;
}

/* -P: our own folder is not on its path, and the function's comes there only when everything of
 * ours is imported. -s: no packages of the user who runs us. -B: no __pycache__ in the code, which
 * would be another version of it. -u: what is printed is in the log at once. */
static bool python_argv(const struct function_runtime *r, const struct function_spec *spec,
                        bool template, struct arena *a, const char **argv)
{
    static const char *const options[] = {"-P", "-s", "-B", "-u"};
    (void)spec;
    (void)a;
    argv[0] = r->interpreter.path;
    for (size_t i = 0; i < COUNTOF(options); i++)
        argv[1 + i] = options[i];
    argv[1 + COUNTOF(options)] = r->home->main;
    argv[2 + COUNTOF(options)] = template ? "template" : NULL;
    return true;
}

/* --- custom ---------------------------------------------------------------------------------- */

static bool custom_name(struct str version, struct runtime_name *out)
{
    static const char *const versions[] = {"", ".al2", ".al2023"};
    (void)out;
    for (size_t i = 0; i < COUNTOF(versions); i++)
        if (str_eqz(version, versions[i]))
            return true;
    return false;
}

static bool bootstrap_in(const char *dir, char path[PATH_MAX])
{
    struct stat st;
    int n = snprintf(path, PATH_MAX, "%s/bootstrap", dir);
    return n > 0 && n < PATH_MAX && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Its handler is for the bootstrap to understand. One that may not be executed is there, and fails
 * as it does at Lambda. */
static enum err custom_find(const char *dir, struct str handler, struct errinfo *e)
{
    char path[PATH_MAX];
    (void)handler;
    if (bootstrap_in(dir, path))
        return ERR_OK;
    return errinfo_set(e, ERR_NOTFOUND,
                       "a custom runtime needs an executable file bootstrap in %.150s", dir);
}

/* The words behind #! of a script; "" for what is none. */
static struct str interpreter_line(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    struct str line = str_of(text, f ? fread(text, 1, size, f) : 0), rest;
    if (f)
        (void)fclose(f);
    if (!str_starts(line, STR("#!")))
        return STR("");
    return str_trim(str_cut(str_from(line, 2), '\n', &rest));
}

/* Lambda's /bin/sh is bash: scripts that say sh and rely on it are many. Here it may be another
 * shell, so bash is taken where there is one, in the mode that it has when it is called sh. */
static bool custom_argv(const struct function_runtime *r, const struct function_spec *spec,
                        bool template, struct arena *a, const char **argv)
{
    static const char bash[] = "/bin/bash";
    char text[256], path[PATH_MAX];
    size_t n = 0;
    struct str option = STR_NONE;
    (void)template;
    if (!bootstrap_in(spec->code_dir.p, path))
        (void)bootstrap_in(r->opt.p, path); /* a layer's, or what is not there */
    struct str line = interpreter_line(path, text, sizeof text);
    struct str shell = str_cut(line, ' ', &option);
    bool is_sh = str_eqz(shell, "/bin/sh") || str_eqz(shell, "/usr/bin/sh");
    if (is_sh && access(path, X_OK) == 0 && access(bash, X_OK) == 0) {
        argv[n++] = bash;
        argv[n++] = "--posix";
        option = str_trim(option);
        if (option.n > 0 && !(argv[n++] = arena_cstr(a, option)))
            return false;
    }
    argv[n] = arena_cstr(a, str_c(path));
    return argv[n] != NULL;
}

/* --- the table ------------------------------------------------------------------------------- */

struct bootstrap {
    const char *const *names;
    const unsigned char *const *data;
    const size_t *sizes, *count;
};
#define BOOTSTRAP_OF(name)                                                    \
    {                                                                         \
        lambda_bootstrap_##name##_names, lambda_bootstrap_##name##_data,      \
            lambda_bootstrap_##name##_sizes, &lambda_bootstrap_##name##_count \
    }

static const struct runtime_row {
    const char *prefix; /* its names begin with it ... */
    const char *kind;   /* of its folder below STATE/runtime */
    const char
        *interpreter; /* what to install when there is none, and the variable that names it */
    const char *variable;
    bool (*name)(struct str version, struct runtime_name *out); /* ... and end with this */
    struct bootstrap files;
    enum err (*find_handler)(const char *dir, struct str handler, struct errinfo *e);
    bool (*argv)(const struct function_runtime *r, const struct function_spec *spec, bool template,
                 struct arena *a, const char **argv);
    bool forks;    /* its bootstrap knows how to be a template */
    bool prepares; /* its bootstrap takes as its argument what else than serving it is to do */
} rows[RUNTIME_KINDS] = {
    [RUNTIME_NODE] = {"nodejs", "node", "node", "ROPELINE_NODE", node_name, BOOTSTRAP_OF(node),
                      lambda__node_handler_find, node_argv, true, true},
    [RUNTIME_PYTHON] = {"python", "python", "python3 (3.11 or newer)", "ROPELINE_PYTHON",
                        python_name, BOOTSTRAP_OF(python), lambda__python_handler_find, python_argv,
                        true, false},
    [RUNTIME_CUSTOM] = {.prefix = "provided",
                        .kind = "custom",
                        .name = custom_name,
                        .find_handler = custom_find,
                        .argv = custom_argv},
};

enum err runtime_parse(struct str name, struct runtime_name *out, struct errinfo *e)
{
    struct runtime_name found = {0};
    if (name.n == 0)
        return errinfo_set(e, ERR_INVALID, "the function has no Runtime");
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct str prefix = str_c(rows[i].prefix);
        if (rows[i].prefix && str_starts(name, prefix) &&
            rows[i].name(str_from(name, prefix.n), &found)) {
            found.kind = (enum runtime_kind)i;
            if (out)
                *out = found;
            return ERR_OK;
        }
    }
    return errinfo_set(e, ERR_UNSUPPORTED,
                       "runtime %.*s is not available here: nodejs22.x, python3.13 and their like "
                       "are, and provided.al2023 with a bootstrap binary for every other language",
                       STR_ARG(str_sub(name, 0, 64)));
}

const char *runtime_inline_file(struct str name)
{
    static const char *const files[RUNTIME_KINDS] = {
        [RUNTIME_NODE] = "index.js", [RUNTIME_PYTHON] = "index.py"};
    struct runtime_name runtime;
    return runtime_parse(name, &runtime, NULL) == ERR_OK ? files[runtime.kind] : NULL;
}

struct str runtime_guess(const char *dir, struct str handler)
{
    char path[PATH_MAX];
    if (lambda__node_handler_find(dir, handler, NULL) == ERR_OK)
        return STR("nodejs20.x");
    if (lambda__python_handler_find(dir, handler, NULL) == ERR_OK)
        return STR("python3.11");
    return bootstrap_in(dir, path) ? STR("provided.al2023") : STR("nodejs20.x");
}

enum err lambda__runtime_choose(struct arena *a, const struct runtime_places *places,
                                const struct runtime_home homes[RUNTIME_KINDS], struct str name,
                                struct function_runtime *out, struct errinfo *e)
{
    enum err err = runtime_parse(name, &out->name, e);
    if (err == ERR_OK)
        err = runtime_interpreter(a, places, &out->name, &out->interpreter);
    if (err != ERR_OK)
        return err;
    const struct runtime_row *row = &rows[out->name.kind];
    out->home = &homes[out->name.kind];
    if (row->interpreter && !out->interpreter.path)
        return errinfo_set(
            e, ERR_UNSUPPORTED,
            "runtime %.*s needs %s, and none was found: install it, or name one with "
            "%s",
            STR_ARG(str_sub(name, 0, 64)), row->interpreter, row->variable);
    return ERR_OK;
}

enum err lambda__runtime_find_handler(const struct runtime_name *r, const char *code_dir,
                                      struct str handler, struct errinfo *e)
{
    return rows[r->kind].find_handler(code_dir, handler, e);
}

struct str lambda__runtime_path(const struct function_runtime *r, const struct function_spec *spec,
                                struct arena *a, struct str path)
{
    const struct {
        struct str there, here;
    } places[] = {{STR("/opt/"), r->opt}, {STR("/var/task/"), spec->code_dir}};
    for (size_t i = 0; i < COUNTOF(places); i++)
        if (str_starts(path, places[i].there))
            return arena_fmt(a, "%.*s/%.*s", STR_ARG(places[i].here),
                             STR_ARG(str_from(path, places[i].there.n)));
    return arena_str(a, path);
}

enum err lambda__runtime_place(struct function_runtime *r, const struct function_spec *spec,
                               struct str opt, struct arena *a)
{
    r->opt = opt;
    for (size_t i = 0; i < spec->env_count && r->name.kind != RUNTIME_CUSTOM; i++) {
        struct str value = spec->env[i].value;
        if (!str_eqz(spec->env[i].name, "AWS_LAMBDA_EXEC_WRAPPER") || value.n == 0)
            continue;
        if (value.p[0] != '/')
            value = arena_fmt(a, "/var/task/%.*s", STR_ARG(value));
        r->wrapper = lambda__runtime_path(r, spec, a, value).p;
        if (!r->wrapper)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

/* A wrapper may close what is inherited, or have a client of its own. */
bool lambda__runtime_listens(const struct function_runtime *r)
{
    return r->name.kind == RUNTIME_CUSTOM || r->wrapper;
}

/* The last word of the command; rows say themselves how to be a template. */
static const char *const parts[] = {[RUNTIME_SERVE] = NULL,
                                    [RUNTIME_TEMPLATE] = NULL,
                                    [RUNTIME_WORKER] = "worker",
                                    [RUNTIME_CACHE] = "cache"};

const char *const *lambda__runtime_argv(const struct function_runtime *r,
                                        const struct function_spec *spec, enum runtime_part part,
                                        struct arena *a)
{
    const char **argv = ARENA_ARRAY(a, ARGV_MAX, const char *);
    size_t n = 0;
    if (!argv)
        return NULL;
    argv[0] = r->wrapper;
    const char **rest = argv + (r->wrapper ? 1 : 0);
    if (!rows[r->name.kind].argv(r, spec, part == RUNTIME_TEMPLATE, a, rest))
        return NULL;
    while (argv[n])
        n++;
    ASSERT(n + 1 < ARGV_MAX);
    argv[n] = parts[part];
    return argv;
}

/* What a wrapper sets up is for one environment, and may be anything. */
bool lambda__runtime_plays(const struct function_runtime *r, enum runtime_part part)
{
    const struct runtime_row *row = &rows[r->name.kind];
    if (part == RUNTIME_SERVE)
        return true;
    return !r->wrapper && (part == RUNTIME_TEMPLATE ? row->forks : row->prepares);
}

/* --- the bootstraps -------------------------------------------------------------------------- */

static struct str content(const struct bootstrap *b, size_t i)
{
    return str_of(b->data[i], b->sizes[i]);
}

/* Over names and contents: it names the directory, so that two versions of us never share one. */
static enum err digest_of(const struct bootstrap *b, const char *kind, char out[65])
{
    unsigned char sha[SHA256_BYTES];
    AUTO_BUF all = BUF_INIT(MIB(1));
    buf_addz(&all, b ? "" : kind);
    for (size_t i = 0; b && i < *b->count; i++) {
        buf_addz(&all, b->names[i]);
        buf_addc(&all, '\0');
        buf_add(&all, content(b, i));
    }
    enum err err = all.err == ERR_OK ? crypt_sha256(buf_str(&all), sha) : all.err;
    if (err == ERR_OK)
        crypt_hex(sha, sizeof sha, out);
    return err;
}

/* Node's with a package.json, because what surrounds STATE may say that .js files are ES modules.
 */
static enum err install(struct arena *a, const char *root, const struct runtime_row *row,
                        struct runtime_home *home)
{
    const struct bootstrap *b = &row->files;
    enum err err = digest_of(b, row->kind, home->digest);
    struct str dir = arena_fmt(a, "%s/%s-%.16s", root, row->kind, home->digest);
    struct str first = arena_fmt(a, "%s/%s", dir.p ? dir.p : "", b->names[0]);
    if (err == ERR_OK && (!dir.p || !first.p))
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = lambda__make_dir(dir.p);
    if (err == ERR_OK && row == &rows[RUNTIME_NODE])
        err = lambda__file_put(dir.p, "package.json", STR("{\"type\":\"commonjs\"}\n"));
    for (size_t i = 0; i < *b->count && err == ERR_OK; i++)
        err = lambda__file_put(dir.p, b->names[i], content(b, i));
    if (err != ERR_OK)
        log_error("lambda", "cannot write the bootstrap of %s functions below %s: %s", row->kind,
                  root, err_text(err));
    home->dir = dir.p;
    home->main = first.p;
    return err;
}

enum err lambda__runtimes_install(struct arena *a, const char *root,
                                  struct runtime_home homes[RUNTIME_KINDS])
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNTOF(rows) && err == ERR_OK; i++)
        err = rows[i].files.count ? install(a, root, &rows[i], &homes[i])
                                  : digest_of(NULL, rows[i].kind, homes[i].digest);
    return err;
}

/* --- notes ----------------------------------------------------------------------------------- */

/* "20.11.1" of node counts up to the first dot, "3.11.2" of python up to the second. */
static bool serves(const struct runtime_name *wanted, struct str version)
{
    struct str minor_text, major_text = str_cut(version, '.', &minor_text);
    uint64_t major, minor = 0;
    bool known = str_u64(major_text, &major);
    if (known && wanted->kind == RUNTIME_PYTHON)
        known = str_u64(str_cut(minor_text, '.', &minor_text), &minor);
    return !known || (major == wanted->major && minor == wanted->minor);
}

void lambda__runtime_note(struct function *f, const char *version)
{
    struct lambda *l = f->lambda;
    const struct interpreter *i = &f->runtime.interpreter;
    char known[32];
    snprintf(known, sizeof known, i->minor ? "%u.%u" : "%u", i->major, i->minor);
    if (!version && i->major == 0)
        return;
    struct str text = str_c(version ? version : known), name = f->spec.runtime;
    if (serves(&f->runtime.name, text) || map_get(&l->noted, name))
        return;
    name = arena_str(l->arena, name);
    if (!name.p || map_put(&l->noted, name, l, NULL) != ERR_OK)
        return; /* then it is said some other time */
    log_info("lambda", "%.*s is served by %s %.*s here (%s)", STR_ARG(name),
             rows[f->runtime.name.kind].kind, STR_ARG(text), i->path);
}
