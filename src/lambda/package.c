/* SPDX-License-Identifier: Apache-2.0
 *
 * The store of packages. Everything is written below a name that nobody looks for and gets its own
 * name, the digest, in one step when it is whole and read-only: what stands in STATE/code/<digest>
 * is complete, whenever we were killed. */
#include "lambda/package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "lambda_text.h"
#include "zip_int.h"

#define READ_BYTES KIB(64)

/* One package while it is being written. */
struct writing {
    struct arena *arena;
    struct errinfo *e;
    int store, root; /* STATE/code and the new directory in it */
    char name[40];   /* of that */
    bool settled;    /* it has its own name */
    char bytes[READ_BYTES];
    struct dir {
        struct str path;
        struct dir *next;
    } * dirs; /* that were made, to be closed to writers in the end */
};

/* A package may want a file where it has a directory. */
static enum err io_error(struct writing *w, struct str name)
{
    bool own_fault = errno == ENOTDIR || errno == EEXIST || errno == EISDIR || errno == ELOOP;
    return errinfo_set(w->e, own_fault ? ERR_INVALID : ERR_IO, "cannot unpack %.*s: %s",
                       STR_ARG(str_sub(name, 0, 120)), strerror(errno));
}

/* --- where ------------------------------------------------------------------------------------ */

static enum err open_store(struct arena *a, const char *state_dir, int *out, struct str *path,
                           struct errinfo *e)
{
    *path = arena_fmt(a, "%s/code", state_dir);
    if (!path->p)
        return ERR_NOMEM;
    if (mkdir(path->p, 0755) < 0 && errno != EEXIST)
        return errinfo_set(e, ERR_IO, "cannot make %.150s: %s", path->p, strerror(errno));
    *out = open(path->p, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out < 0)
        return errinfo_set(e, ERR_IO, "cannot open %.150s: %s", path->p, strerror(errno));
    return ERR_OK;
}

static enum err begin(struct writing *w)
{
    unsigned char random[8];
    char hex[17];
    enum err err = crypt_random(random, sizeof random);
    if (err != ERR_OK)
        return err;
    crypt_hex(random, sizeof random, hex);
    snprintf(w->name, sizeof w->name, PACKAGE_UNFINISHED "%s", hex);
    if (mkdirat(w->store, w->name, 0700) < 0)
        return io_error(w, str_c(w->name));
    w->root = openat(w->store, w->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return w->root >= 0 ? ERR_OK : io_error(w, str_c(w->name));
}

/* Read-only, then under its own name. Somebody else may have put the same meanwhile. */
static enum err finish(struct writing *w, struct str digest)
{
    for (const struct dir *d = w->dirs; d; d = d->next)
        if (fchmodat(w->root, d->path.p, 0555, 0) < 0)
            return io_error(w, d->path);
    if (fchmod(w->root, 0555) < 0)
        return io_error(w, digest);
    w->settled = renameat(w->store, w->name, w->store, digest.p) == 0;
    return w->settled || errno == EEXIST || errno == ENOTEMPTY ? ERR_OK : io_error(w, digest);
}

/* --- files ------------------------------------------------------------------------------------ */

static bool note_dir(struct writing *w, struct str path)
{
    struct dir *d = ARENA_NEW(w->arena, struct dir);
    if (!d)
        return false;
    *d = (struct dir){arena_str(w->arena, path), w->dirs};
    w->dirs = d;
    return d->path.p != NULL;
}

/* The directory that `path` stands in, made where it is not there; its last part is *leaf. Never
 * through a link. The caller closes what it gets. */
static enum err open_parent(struct writing *w, struct str path, int *out, char leaf[NAME_MAX + 1])
{
    int at = fcntl(w->root, F_DUPFD_CLOEXEC, 3);
    size_t from = 0, slash;
    while (at >= 0 && (slash = str_chr(path, '/', from)) != SIZE_MAX) {
        snprintf(leaf, NAME_MAX + 1, "%.*s", (int)(slash - from), path.p + from);
        if (mkdirat(at, leaf, 0700) == 0 && !note_dir(w, str_sub(path, 0, slash))) {
            close(at);
            return ERR_NOMEM;
        }
        int below = openat(at, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = below;
        from = slash + 1;
    }
    if (at < 0)
        return io_error(w, path);
    snprintf(leaf, NAME_MAX + 1, "%.*s", (int)(path.n - from), path.p + from);
    *out = at;
    return ERR_OK;
}

static enum err make_file(struct writing *w, struct str name, int *out)
{
    char leaf[NAME_MAX + 1];
    int at;
    enum err err = open_parent(w, name, &at, leaf);
    if (err != ERR_OK)
        return err;
    *out = openat(at, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*out < 0)
        err = io_error(w, name);
    close(at);
    return err;
}

/* `err`: how writing it went. */
static enum err end_file(struct writing *w, struct str name, int fd, bool executable, enum err err)
{
    if (err == ERR_OK && fchmod(fd, executable ? 0555 : 0444) < 0)
        err = io_error(w, name);
    if (close(fd) < 0 && err == ERR_OK)
        err = io_error(w, name);
    return err;
}

static enum err put_directory(struct writing *w, struct str name)
{
    char leaf[NAME_MAX + 1];
    int at;
    struct str inside = arena_fmt(w->arena, "%.*s/", STR_ARG(name));
    if (!inside.p)
        return ERR_NOMEM;
    enum err err = open_parent(w, inside, &at, leaf);
    if (err == ERR_OK)
        close(at);
    return err;
}

static enum err make_link(struct writing *w, struct str name, const char *target)
{
    char leaf[NAME_MAX + 1];
    int at;
    enum err err = open_parent(w, name, &at, leaf);
    if (err != ERR_OK)
        return err;
    if (symlinkat(target, at, leaf) < 0)
        err = io_error(w, name);
    close(at);
    return err;
}

/* --- zip -------------------------------------------------------------------------------------- */

static enum err broken(struct writing *w, const struct zip_entry *entry)
{
    return errinfo_set(w->e, ERR_INVALID,
                       "the zip file is refused: %.*s is broken, or not as long "
                       "as it says",
                       STR_ARG(str_sub(entry->name, 0, 120)));
}

static enum err copy_content(struct writing *w, zip_file_t *in, const struct zip_entry *entry,
                             int fd)
{
    uint64_t left = entry->size;
    zip_int64_t n;
    while ((n = zip_fread(in, w->bytes, READ_BYTES)) > 0) {
        if ((uint64_t)n > left)
            return broken(w, entry);
        left -= (uint64_t)n;
        if (!lambda__write_all(fd, str_of(w->bytes, (size_t)n)))
            return io_error(w, entry->name);
    }
    return n == 0 && left == 0 ? ERR_OK : broken(w, entry);
}

static enum err put_file(struct writing *w, zip_file_t *in, const struct zip_entry *entry)
{
    int fd;
    enum err err = make_file(w, entry->name, &fd);
    if (err != ERR_OK)
        return err;
    return end_file(w, entry->name, fd, entry->executable, copy_content(w, in, entry, fd));
}

static enum err put_link(struct writing *w, zip_file_t *in, const struct zip_entry *entry)
{
    char target[LIMIT_PACKAGE_NAME + 2];
    zip_int64_t n = zip_fread(in, target, sizeof target - 1);
    if (n <= 0 || (uint64_t)n != entry->size ||
        !lambda__link_stays(entry->name, str_of(target, (size_t)n)))
        return errinfo_set(w->e, ERR_INVALID, "the zip file is refused: the link %.*s leads out",
                           STR_ARG(str_sub(entry->name, 0, 120)));
    target[n] = '\0';
    return make_link(w, entry->name, target);
}

static enum err put_entry(struct writing *w, zip_t *zip, size_t index,
                          const struct zip_entry *entry)
{
    if (entry->kind == ZIP_DIRECTORY)
        return put_directory(w, entry->name);
    zip_file_t *in = zip_fopen_index(zip, index, 0);
    if (!in)
        return broken(w, entry);
    enum err err = entry->kind == ZIP_LINK ? put_link(w, in, entry) : put_file(w, in, entry);
    zip_fclose(in);
    return err;
}

/* Links come last: nothing is ever written through one. */
static enum err put_all(struct writing *w, zip_t *zip, const struct zip_entry *all, size_t n)
{
    enum err err = ERR_OK;
    for (int links = 0; links < 2; links++)
        for (size_t i = 0; i < n && err == ERR_OK; i++)
            if ((all[i].kind == ZIP_LINK) == (links == 1))
                err = put_entry(w, zip, i, &all[i]);
    return err;
}

static enum err unpack(struct writing *w, struct str bytes)
{
    struct zip_entry *all;
    size_t n;
    zip_error_t error;
    enum err err = lambda__zip_index(w->arena, bytes, &all, &n, w->e);
    if (err != ERR_OK)
        return err;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes.p, bytes.n, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (!zip) {
        err = zip_error_code_zip(&error) == ZIP_ER_MEMORY
                  ? ERR_NOMEM
                  : errinfo_set(w->e, ERR_INVALID, "the zip file is refused: %s",
                                zip_error_strerror(&error));
        if (source)
            zip_source_free(source);
    } else if (zip_get_num_entries(zip, 0) != (zip_int64_t)n) {
        err = errinfo_set(w->e, ERR_INVALID, "the zip file is refused: its directory is broken");
    }
    if (err == ERR_OK)
        err = begin(w);
    if (err == ERR_OK)
        err = put_all(w, zip, all, n);
    if (zip)
        zip_discard(zip);
    zip_error_fini(&error);
    return err;
}

/* --- one file --------------------------------------------------------------------------------- */

static enum err put_text(struct writing *w, const char *name, struct str text)
{
    int fd;
    enum err err = begin(w);
    if (err == ERR_OK)
        err = make_file(w, str_c(name), &fd);
    if (err != ERR_OK)
        return err;
    if (!lambda__write_all(fd, text))
        err = io_error(w, str_c(name));
    return end_file(w, str_c(name), fd, false, err);
}

/* --- a folder --------------------------------------------------------------------------------- */

struct folder {
    const char *path;
    struct stat skip; /* our own state */
    size_t files, depth;
    uint64_t bytes;
};

static enum err refuse(struct writing *w, struct str name, const char *why)
{
    return errinfo_set(w->e, ERR_INVALID, "%.*s %s", STR_ARG(str_sub(name, 0, 150)), why);
}

static enum err copy_file(struct writing *w, struct folder *from, int at, const char *leaf,
                          struct str name, bool executable)
{
    int out = -1, in = openat(at, leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0)
        return io_error(w, name);
    enum err err = make_file(w, name, &out);
    ssize_t n = 1;
    while (err == ERR_OK && (n = read(in, w->bytes, READ_BYTES)) > 0) {
        from->bytes += (uint64_t)n;
        if (from->bytes > LIMIT_PACKAGE_BYTES)
            err = errinfo_set(w->e, ERR_LIMIT, "Unzipped size must be smaller than %d bytes",
                              LIMIT_PACKAGE_BYTES);
        else if (!lambda__write_all(out, str_of(w->bytes, (size_t)n)))
            err = io_error(w, name);
    }
    if (n < 0)
        err = io_error(w, name);
    close(in);
    return out >= 0 ? end_file(w, name, out, executable, err) : err;
}

static enum err copy_link(struct writing *w, int at, const char *leaf, struct str name)
{
    char target[LIMIT_PACKAGE_NAME + 2];
    ssize_t n = readlinkat(at, leaf, target, sizeof target - 1);
    if (n < 0)
        return io_error(w, name);
    target[n] = '\0';
    return lambda__link_stays(name, str_of(target, (size_t)n))
               ? make_link(w, name, target)
               : refuse(w, name, "is a link that leads out of the folder");
}

static enum err copy_dir(struct writing *w, struct folder *from, int fd, struct str path);

static enum err copy_one(struct writing *w, struct folder *from, int at, const char *leaf,
                         struct str parent)
{
    struct stat st;
    struct str name = parent.n ? arena_fmt(w->arena, "%.*s/%s", STR_ARG(parent), leaf)
                               : arena_str(w->arena, str_c(leaf));
    if (!name.p)
        return ERR_NOMEM;
    if (++from->files > LIMIT_CODE_FILES)
        return errinfo_set(w->e, ERR_LIMIT, "it holds more than %d files", LIMIT_CODE_FILES);
    if (fstatat(at, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return io_error(w, name);
    if (S_ISREG(st.st_mode))
        return copy_file(w, from, at, leaf, name, (st.st_mode & 0111) != 0);
    if (S_ISLNK(st.st_mode))
        return copy_link(w, at, leaf, name);
    if (!S_ISDIR(st.st_mode))
        return refuse(w, name, "is neither a file nor a directory nor a link");
    if (st.st_dev == from->skip.st_dev && st.st_ino == from->skip.st_ino)
        return ERR_OK;
    int below = openat(at, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0)
        return io_error(w, name);
    enum err err = put_directory(w, name);
    if (err != ERR_OK) {
        close(below);
        return err;
    }
    return copy_dir(w, from, below, name);
}

/* Takes over `fd`. */
static enum err copy_dir(struct writing *w, struct folder *from, int fd, struct str path)
{
    enum err err = ERR_OK;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return ERR_NOMEM;
    }
    if (++from->depth > LIMIT_CODE_DEPTH)
        err = errinfo_set(w->e, ERR_LIMIT, "%.*s is more than %d directories deep",
                          STR_ARG(str_sub(path, 0, 150)), LIMIT_CODE_DEPTH);
    for (struct dirent *entry; err == ERR_OK && (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, ".git") != 0)
            err = copy_one(w, from, fd, entry->d_name, path);
    from->depth--;
    closedir(d);
    return err;
}

static enum err put_folder(struct writing *w, struct folder *from)
{
    enum err err = begin(w);
    int fd = err == ERR_OK ? open(from->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (err == ERR_OK && fd < 0)
        err = io_error(w, str_c(from->path));
    return err ? err : copy_dir(w, from, fd, STR(""));
}

/* --- all of them
 * ------------------------------------------------------------------------------------- */

struct content {
    const char *name; /* of the one file; NULL: `text` is a zip */
    struct str text;
    struct folder *folder; /* or all that is here; else NULL */
};

/* What is there already is whole. The arena of the work ends with it: a package may be large. */
static enum err put(int store, struct str digest, const struct content *c, struct errinfo *e)
{
    struct stat st;
    if (fstatat(store, digest.p, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
        utimensat(store, digest.p, NULL, AT_SYMLINK_NOFOLLOW) == 0) /* now: it is spared */
        return ERR_OK;
    struct arena *a = arena_new(KIB(128), LIMIT_DOCUMENT_ARENA);
    struct writing *w = a ? ARENA_NEW(a, struct writing) : NULL;
    enum err err = ERR_NOMEM;
    if (w) {
        w->arena = a;
        w->e = e;
        w->store = store;
        w->root = -1;
        if (c->folder)
            err = put_folder(w, c->folder);
        else
            err = c->name ? put_text(w, c->name, c->text) : unpack(w, c->text);
        if (err == ERR_OK)
            err = finish(w, digest);
        if (w->root >= 0)
            close(w->root);
        if (w->name[0] && !w->settled)
            (void)!lambda__tree_remove_at(store, w->name);
    }
    arena_free(a);
    return err;
}

static enum err package(struct arena *a, const char *state_dir, const struct content *c,
                        const char *hex, struct package *out, struct errinfo *e)
{
    int store = -1;
    enum err err = open_store(a, state_dir, &store, &out->dir, e);
    if (err != ERR_OK)
        return err;
    out->digest = arena_str(a, str_c(hex));
    out->dir = arena_fmt(a, "%.*s/%s", STR_ARG(out->dir), hex);
    err = out->digest.p && out->dir.p ? put(store, out->digest, c, e) : ERR_NOMEM;
    close(store);
    return err;
}

enum err package_unzip(struct arena *a, const char *state_dir, struct str zip, struct package *out,
                       struct errinfo *e)
{
    char hex[65];
    enum err err = lambda__digest(zip, hex);
    return err ? err : package(a, state_dir, &(struct content){.text = zip}, hex, out, e);
}

enum err package_inline(struct arena *a, const char *state_dir, const char *name, struct str text,
                        struct package *out, struct errinfo *e)
{
    AUTO_BUF seed = BUF_INIT(LIMIT_PACKAGE_INLINE + KIB(1));
    if (text.n > LIMIT_PACKAGE_INLINE)
        return errinfo_set(e, ERR_LIMIT, "the inline code is larger than %d bytes",
                           LIMIT_PACKAGE_INLINE);
    buf_addf(&seed, "inline%c%s%c", 0, name, 0);
    buf_add(&seed, text);
    char hex[65];
    enum err err = seed.err ? seed.err : lambda__digest(buf_str(&seed), hex);
    return err ? err : package(a, state_dir, &(struct content){name, text, NULL}, hex, out, e);
}

enum err package_copy(struct arena *a, const char *state_dir, const char *dir, struct package *out,
                      struct errinfo *e)
{
    struct folder folder = {.path = dir};
    char hex[65];
    AUTO_BUF seed = BUF_INIT(KIB(8));
    buf_addf(&seed, "copy%c%s%c", 0, dir, 0);
    if (seed.err != ERR_OK)
        return seed.err;
    if (stat(state_dir, &folder.skip) < 0)
        return errinfo_set(e, ERR_IO, "cannot look at %.150s: %s", state_dir, strerror(errno));
    enum err err = lambda__code_digest(dir, &folder.skip, buf_str(&seed), hex, e);
    return err ? err : package(a, state_dir, &(struct content){.folder = &folder}, hex, out, e);
}

enum err package_sync(const struct package *p, struct errinfo *e)
{
    int fd = open(p->dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && syncfs(fd) == 0;
    if (!done)
        errinfo_set(e, ERR_IO, "cannot write %.150s to disk: %s", p->dir.p, strerror(errno));
    if (fd >= 0)
        close(fd);
    return done ? ERR_OK : ERR_IO;
}
