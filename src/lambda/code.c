/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function's code directory holds: whether the handler's file is there, and a digest that
 * changes when any file does. Blocking, but only as long as listing the directory takes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "lambda_text.h"

/* --- the handler's file ---------------------------------------------------------------------- */

static bool exists(const char *folder, const char *name, const char *suffix, mode_t type)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0 &&
           (type == 0 || (st.st_mode & S_IFMT) == type);
}

/* As a file, a folder with an index, or a package's main file. */
static bool is_module(const char *folder, const char *name)
{
    static const char *const files[] = {"", ".js", ".mjs", ".cjs"};
    static const char *const inside[] = {"/package.json", "/index.js", "/index.json",
                                         "/index.node"};
    for (size_t i = 0; i < COUNTOF(files); i++)
        if (exists(folder, name, files[i], S_IFREG))
            return true;
    for (size_t i = 0; i < COUNTOF(inside); i++)
        if (exists(folder, name, inside[i], S_IFREG))
            return true;
    return false;
}

/* node_modules of `folder` and of every folder above it. */
static bool is_package(const char *folder, const char *name)
{
    char path[PATH_MAX], below[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path)
        return false;
    for (;;) {
        int n = snprintf(below, sizeof below, "%s/node_modules", path);
        if (n > 0 && (size_t)n < sizeof below && is_module(below, name))
            return true;
        char *slash = strrchr(path, '/');
        if (!slash)
            return false;
        *slash = '\0';
    }
}

enum err lambda__node_handler_find(const char *dir, struct str handler, struct errinfo *e)
{
    char folder[PATH_MAX], name[NAME_MAX + 1];
    size_t slash = str_rchr(handler, '/'), root = slash == SIZE_MAX ? 0 : slash + 1;
    struct str base = str_from(handler, root), module = base;
    module.n = str_chr(base, '.', 0);
    if (str_find(handler, STR("..")) != SIZE_MAX)
        return errinfo_set(e, ERR_INVALID,
                           "'%.*s' is not a valid handler name. Use absolute paths when specifying "
                           "root directories in handler names.",
                           STR_ARG(str_sub(handler, 0, 80)));
    if (module.n == SIZE_MAX || module.n == 0 || module.n > NAME_MAX || module.n + 1 == base.n ||
        str_chr(handler, '\0', 0) != SIZE_MAX)
        return errinfo_set(e, ERR_INVALID,
                           "handler \"%.*s\" should name a file and a function that it exports, as "
                           "in index.handler",
                           STR_ARG(str_sub(handler, 0, 80)));
    bool absolute = handler.p[0] == '/';
    int n = snprintf(folder, sizeof folder, "%s%s%.*s", absolute ? "" : dir,
                     absolute || root == 0 ? "" : "/", (int)(root ? root - 1 : 0), handler.p);
    snprintf(name, sizeof name, "%.*s", STR_ARG(module));
    if (n < 0 || (size_t)n >= sizeof folder)
        return errinfo_set(e, ERR_INVALID, "handler \"%.*s...\" is too long a path",
                           STR_ARG(str_sub(handler, 0, 80)));
    if (is_module(folder, name) || is_package(dir, name) || is_package(folder, name))
        return ERR_OK;
    bool typescript = exists(folder, name, ".ts", S_IFREG);
    return errinfo_set(e, ERR_NOTFOUND,
                       "handler \"%.*s\": no file %s.js, %s.mjs, %s.cjs, %s or %s/index.js in "
                       "%.90s%s",
                       STR_ARG(str_sub(handler, 0, 40)), name, name, name, name, name, folder,
                       typescript ? " (its .ts must be compiled first)" : "");
}

/* A module of Python: a file, a package, or a compiled one (name.cpython-311-x86_64-linux-gnu.so).
 */
static bool is_python_module(const char *folder, const char *name)
{
    static const char *const files[] = {".py", "/__init__.py", ".pyc", ".so"};
    for (size_t i = 0; i < COUNTOF(files); i++)
        if (exists(folder, name, files[i], S_IFREG))
            return true;
    size_t n = strlen(name);
    bool found = exists(folder, name, "", S_IFDIR); /* without __init__.py: a namespace */
    DIR *d = found ? NULL : opendir(folder);
    for (struct dirent *entry; d && !found && (entry = readdir(d));)
        found = strncmp(entry->d_name, name, n) == 0 && entry->d_name[n] == '.' &&
                str_ends(str_c(entry->d_name), STR(".so"));
    if (d)
        closedir(d);
    return found;
}

enum err lambda__python_handler_find(const char *dir, struct str handler, struct errinfo *e)
{
    char folder[PATH_MAX], name[NAME_MAX + 1];
    size_t dot = str_rchr(handler, '.');
    if (dot == SIZE_MAX || dot == 0 || dot + 1 == handler.n ||
        str_chr(handler, '\0', 0) != SIZE_MAX)
        return errinfo_set(e, ERR_INVALID,
                           "handler \"%.*s\" should name a module and a function in it, as in "
                           "lambda_function.lambda_handler",
                           STR_ARG(str_sub(handler, 0, 80)));
    AUTO_BUF path = BUF_INIT(PATH_MAX);
    buf_add(&path, str_sub(handler, 0, dot));
    for (size_t i = 0; path.err == ERR_OK && i < path.n; i++)
        if (path.p[i] == '.')
            path.p[i] = '/';
    size_t slash = str_rchr(buf_str(&path), '/'), root = slash == SIZE_MAX ? 0 : slash + 1;
    int n = snprintf(folder, sizeof folder, "%s/%.*s", dir, (int)root, buf_cstr(&path));
    if (path.err != ERR_OK || n < 0 || (size_t)n >= sizeof folder || path.n - root > NAME_MAX)
        return errinfo_set(e, ERR_INVALID, "handler \"%.*s...\" is too long a path",
                           STR_ARG(str_sub(handler, 0, 80)));
    snprintf(name, sizeof name, "%s", buf_cstr(&path) + root);
    if (is_python_module(folder, name))
        return ERR_OK;
    return errinfo_set(e, ERR_NOTFOUND,
                       "handler \"%.*s\": no file %s.py or %s/__init__.py in %.110s",
                       STR_ARG(str_sub(handler, 0, 40)), name, name, folder);
}

/* --- the digest ------------------------------------------------------------------------------ */

struct walk {
    struct arena *arena;
    struct buf list;
    const struct stat *skip;
    struct errinfo *e;
    size_t files;
    unsigned depth;
};
struct name {
    struct name *next;
    const char *text;
};

static enum err walk_dir(struct walk *w, int fd, struct str path);

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static bool is_counted(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, ".git") != 0 &&
           strcmp(name, "__pycache__") != 0;
}

/* The names in `d`, sorted. */
static enum err names_of(struct walk *w, DIR *d, const char ***out, size_t *count)
{
    struct name *names = NULL;
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (!is_counted(entry->d_name))
            continue;
        if (++w->files > LIMIT_CODE_FILES)
            return errinfo_set(w->e, ERR_LIMIT, "the code directory holds more than %d files",
                               LIMIT_CODE_FILES);
        struct name *one = ARENA_NEW(w->arena, struct name);
        if (!one || !(one->text = arena_cstr(w->arena, str_c(entry->d_name))))
            return ERR_NOMEM;
        one->next = names;
        names = one;
        n++;
    }
    const char **sorted = ARENA_ARRAY(w->arena, n, const char *);
    if (!sorted)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++, names = names->next)
        sorted[i] = names->text;
    qsort(sorted, n, sizeof *sorted, by_name);
    *out = sorted;
    *count = n;
    return ERR_OK;
}

static void add_facts(struct walk *w, struct str path, const struct stat *st)
{
    buf_add(&w->list, path);
    buf_addf(&w->list, "%c%o %lld %lld.%09ld%c", 0, (unsigned)(st->st_mode & S_IFMT),
             (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, 0);
}

/* A link counts by its text; so does a file it leads to, for editors and tools that swap them. */
static void add_link(struct walk *w, int fd, const char *name, struct str path)
{
    char target[PATH_MAX];
    struct stat st;
    ssize_t n = readlinkat(fd, name, target, sizeof target);
    buf_add(&w->list, path);
    buf_addf(&w->list, "%c-> ", 0);
    buf_add(&w->list, str_of(target, n > 0 ? (size_t)n : 0));
    if (fstatat(fd, name, &st, 0) == 0 && S_ISREG(st.st_mode))
        add_facts(w, STR(""), &st);
    buf_addc(&w->list, '\0');
}

static enum err walk_one(struct walk *w, int fd, const char *name, struct str parent)
{
    struct stat st;
    struct str path = parent.n ? arena_fmt(w->arena, "%.*s/%s", STR_ARG(parent), name)
                               : arena_str(w->arena, str_c(name));
    if (!path.p)
        return ERR_NOMEM;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ERR_OK; /* it went away while we looked */
    if (S_ISLNK(st.st_mode)) {
        add_link(w, fd, name, path);
        return ERR_OK;
    }
    if (!S_ISDIR(st.st_mode)) {
        add_facts(w, path, &st);
        return ERR_OK;
    }
    if (w->skip && st.st_dev == w->skip->st_dev && st.st_ino == w->skip->st_ino)
        return ERR_OK;
    int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0 && errno == ENOENT)
        return ERR_OK;
    if (below < 0)
        return errinfo_set(w->e, ERR_IO, "cannot read %.150s: %s", path.p, strerror(errno));
    return walk_dir(w, below, path);
}

/* Takes over `fd`. */
static enum err walk_dir(struct walk *w, int fd, struct str path)
{
    const char **names;
    size_t n = 0;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return ERR_NOMEM;
    }
    enum err err = ERR_OK;
    if (++w->depth > LIMIT_CODE_DEPTH)
        err = errinfo_set(w->e, ERR_LIMIT, "%.150s is more than %d directories deep", path.p,
                          LIMIT_CODE_DEPTH);
    else
        err = names_of(w, d, &names, &n);
    buf_add(&w->list, path);
    buf_addf(&w->list, "/%c", 0);
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = walk_one(w, fd, names[i], path);
    w->depth--;
    closedir(d);
    return err;
}

enum err lambda__digest(struct str text, char out[65])
{
    unsigned char sha[SHA256_BYTES];
    enum err err = crypt_sha256(text, sha);
    if (err == ERR_OK)
        crypt_hex(sha, sizeof sha, out);
    return err;
}

enum err lambda__code_digest(const char *dir, const struct stat *skip, struct str seed,
                             char out[65], struct errinfo *e)
{
    struct walk w = {.list = BUF_INIT(LIMIT_DOCUMENT_ARENA), .skip = skip, .e = e};
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errinfo_set(e, errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_IO,
                           "cannot read the code directory %.150s: %s", dir, strerror(errno));
    w.arena = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA);
    buf_add(&w.list, seed);
    enum err err = ERR_NOMEM;
    if (w.arena)
        err = walk_dir(&w, fd, STR(""));
    else
        close(fd);
    if (err == ERR_OK)
        err = w.list.err;
    if (err == ERR_OK)
        err = lambda__digest(buf_str(&w.list), out);
    buf_fini(&w.list);
    arena_free(w.arena);
    return err;
}
