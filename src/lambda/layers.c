/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers: folders that a function finds at /opt, the later over the earlier. One layer is used
 * where it stands; several are merged below STATE/layers, once for each set of contents, whole or
 * not at all. Files are linked, not copied, where the file system allows it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "base/log.h"
#include "lambda_int.h"

/* --- merging --------------------------------------------------------------------------------- */

struct merge {
    struct errinfo *e;
    const char *layer;
    unsigned depth;
};

static enum err merge_dir(struct merge *m, int from, int to);

static enum err failed(const struct merge *m, const char *name)
{
    return errinfo_set(m->e, ERR_IO, "layer %.120s: %.80s: %s", m->layer, name, strerror(errno));
}

static bool copy_bytes(int from, int to)
{
    char bytes[KIB(16)];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) > 0)
        if (!lambda__write_all(to, str_of(bytes, (size_t)n)))
            return false;
    return n == 0;
}

/* Makes to/name be from/name; what an earlier layer had there goes. */
static enum err merge_file(struct merge *m, int from, int to, const char *name, mode_t mode)
{
    if (unlinkat(to, name, 0) != 0 && errno != ENOENT)
        return errinfo_set(m->e, ERR_CONFLICT,
                           "layer %.120s: %.80s is a file here and a folder in a layer before",
                           m->layer, name);
    if (linkat(from, name, to, name, 0) == 0)
        return ERR_OK;
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool copied = out >= 0 && copy_bytes(in, out) && fchmod(out, mode & 0555) == 0;
    enum err err = copied ? ERR_OK : failed(m, name);
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) != 0 && err == ERR_OK)
        err = failed(m, name);
    return err;
}

static enum err merge_link(struct merge *m, int from, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);
    if (n < 0 || (unlinkat(to, name, 0) != 0 && errno != ENOENT))
        return failed(m, name);
    target[n] = '\0';
    return symlinkat(target, to, name) == 0 ? ERR_OK : failed(m, name);
}

static enum err merge_folder(struct merge *m, int from, int to, const char *name)
{
    if (m->depth >= LIMIT_CODE_DEPTH)
        return errinfo_set(m->e, ERR_LIMIT, "layer %.120s: folders deeper than %d", m->layer,
                           LIMIT_CODE_DEPTH);
    if (mkdirat(to, name, 0700) != 0 && errno != EEXIST)
        return failed(m, name);
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    m->depth++;
    enum err err = in >= 0 && out >= 0 ? merge_dir(m, in, out) : failed(m, name);
    m->depth--;
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
    return err;
}

static enum err merge_dir(struct merge *m, int from, int to)
{
    enum err err = ERR_OK;
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    if (!d) {
        err = failed(m, ".");
        if (again >= 0)
            close(again);
        return err;
    }
    for (struct dirent *entry; err == ERR_OK && (entry = readdir(d));) {
        const char *name = entry->d_name;
        struct stat st;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0)
            continue;
        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            err = failed(m, name);
        else if (S_ISDIR(st.st_mode))
            err = merge_folder(m, from, to, name);
        else if (S_ISLNK(st.st_mode))
            err = merge_link(m, from, to, name);
        else if (S_ISREG(st.st_mode))
            err = merge_file(m, from, to, name, st.st_mode);
        else
            err = errinfo_set(m->e, ERR_INVALID, "layer %.120s: %.80s is no file", m->layer, name);
    }
    closedir(d);
    return err;
}

static enum err merge_all(const struct function_spec *spec, const char *into, struct errinfo *e)
{
    enum err err = ERR_OK;
    int to = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0)
        return ERR_IO;
    for (size_t i = 0; i < spec->layer_count && err == ERR_OK; i++) {
        struct merge m = {.e = e, .layer = spec->layers[i].p};
        int from = open(m.layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        err = from < 0 ? failed(&m, ".") : merge_dir(&m, from, to);
        if (from >= 0)
            close(from);
    }
    close(to);
    return err;
}

/* STATE/layers/<start>-<digest>; those of other starts are swept away. */
static enum err merged(struct lambda *l, const struct function_spec *spec, struct arena *a,
                       struct str *opt, struct errinfo *e)
{
    char hex[65], name[96];
    struct stat st;
    AUTO_BUF seed = BUF_INIT(KIB(64));
    enum err err = lambda__layers_seed(l, spec, &seed, e);
    if (err == ERR_OK)
        err = lambda__digest(buf_str(&seed), hex);
    if (err != ERR_OK)
        return err;
    struct str path = arena_fmt(a, "%s/%s-%.32s", l->layers_dir, l->tag, hex);
    struct str fresh = arena_fmt(a, "%s.new", path.p ? path.p : "");
    if (!path.p || !fresh.p)
        return ERR_NOMEM;
    *opt = path;
    if (stat(path.p, &st) == 0)
        return ERR_OK;
    snprintf(name, sizeof name, "%s", fresh.p + strlen(l->layers_dir) + 1);
    err = lambda__tree_remove(l->layers_dir, name); /* of a merge that was cut short */
    if (err == ERR_OK)
        err = lambda__make_dir(fresh.p);
    if (err == ERR_OK)
        err = merge_all(spec, fresh.p, e);
    if (err == ERR_OK && rename(fresh.p, path.p) != 0)
        err = ERR_IO;
    if (err != ERR_OK && lambda__tree_remove(l->layers_dir, name) != ERR_OK)
        log_warn("lambda", "cannot remove layers/%s", name);
    return err;
}

/* --- what a version asks --------------------------------------------------------------------- */

enum err lambda__layers_seed(const struct lambda *l, const struct function_spec *spec,
                             struct buf *out, struct errinfo *e)
{
    enum err err = ERR_OK;
    char hex[65];
    for (size_t i = 0; i < spec->layer_count && err == ERR_OK; i++) {
        err = lambda__code_digest(spec->layers[i].p, &l->state_stat, spec->layers[i], hex, e);
        if (err == ERR_OK)
            buf_addz(out, hex);
    }
    return err == ERR_OK ? out->err : err;
}

enum err lambda__layers_check(const struct function_spec *spec, struct errinfo *e)
{
    struct stat st;
    if (spec->layer_count > LIMIT_LAYERS)
        return errinfo_set(e, ERR_INVALID, "a function has at most %d layers", LIMIT_LAYERS);
    for (size_t i = 0; i < spec->layer_count; i++) {
        struct str dir = spec->layers[i];
        if (dir.n == 0 || dir.p[0] != '/' || dir.p[dir.n] != '\0' || strlen(dir.p) != dir.n)
            return errinfo_set(e, ERR_INVALID, "a layer's folder is not an absolute path");
        if (stat(dir.p, &st) != 0 || !S_ISDIR(st.st_mode))
            return errinfo_set(e, ERR_NOTFOUND, "the layer %.150s is no folder", dir.p);
    }
    return ERR_OK;
}

enum err lambda__layers_open(struct lambda *l, const struct function_spec *spec, struct arena *a,
                             struct str *opt, struct errinfo *e)
{
    char real[PATH_MAX];
    *opt = STR("/opt");
    if (spec->layer_count == 0)
        return ERR_OK;
    if (spec->layer_count > 1)
        return merged(l, spec, a, opt, e);
    if (!realpath(spec->layers[0].p, real))
        return errinfo_set(e, ERR_NOTFOUND, "the layer %.150s: %s", spec->layers[0].p,
                           strerror(errno));
    *opt = arena_str(a, str_c(real));
    return opt->p ? ERR_OK : ERR_NOMEM;
}
