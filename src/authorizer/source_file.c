/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in files (JWKS or PEM), beside the document that names them: looked at again every moment,
 * and at once when a token's key is missing, so that a rotation is noticed with the first token of
 * the new key. Invariant: a file that is broken for a moment changes nothing. */
#include "source_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What tells one version of a file from another. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed, modified;
};

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(a->changed, b->changed) && same_time(a->modified, b->modified);
}

static void mark_of(const struct stat *st, struct file_mark *out)
{
    *out = (struct file_mark){st->st_dev, st->st_ino, st->st_size, st->st_ctim, st->st_mtim};
}

static bool path_text(struct str path, char out[LIMIT_KEY_FILE_PATH])
{
    if (path.n >= LIMIT_KEY_FILE_PATH || str_chr(path, '\0', 0) != SIZE_MAX)
        return false;
    memcpy(out, path.p, path.n);
    out[path.n] = '\0';
    return true;
}

/* --- reading ------------------------------------------------------------------------------------
 */
static enum err read_open(int fd, struct buf *text, struct errinfo *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errinfo_set(e, ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return errinfo_set(e, ERR_INVALID, "is no regular file");
    for (;;) {
        char *to = buf_reserve(text, KIB(4));
        ssize_t n = to ? read(fd, to, KIB(4)) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errinfo_set(e, ERR_IO, "%s", strerror(errno));
        if (to == NULL)
            return errinfo_set(e, text->err, "%s", err_text(text->err));
        if (n == 0)
            return ERR_OK;
        text->n += (size_t)n;
    }
}

static enum err read_file(struct str path, struct buf *text, struct errinfo *e)
{
    char name[LIMIT_KEY_FILE_PATH];
    if (!path_text(path, name))
        return errinfo_set(e, ERR_INVALID, "is no path of a file");
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errinfo_set(e, ERR_IO, "%s", strerror(errno));
    enum err err = read_open(fd, text, e);
    close(fd);
    return err;
}

/* The keys of one file; PEM keys become what `about` says of them. */
static enum err read_keys(const struct key_file *f, struct jwks **out, struct errinfo *e)
{
    AUTO_BUF text = BUF_INIT(LIMIT_JWKS_BYTES + KIB(8));
    struct jwk *one = NULL;
    enum err err = read_file(f->path, &text, e);
    *out = NULL;
    if (err != ERR_OK)
        return err;
    if (!f->has_about)
        err = jwks_parse(buf_str(&text), JWK_OWN, out, e);
    else if (!str_starts(str_trim(buf_str(&text)), STR("-----BEGIN")))
        err = errinfo_set(e, ERR_INVALID,
                          "kid, status and until are for a PEM file with one key; "
                          "in a JWKS each key says them itself");
    else {
        err = jwk_parse_pem(buf_str(&text), JWK_OWN, &f->about, &one, e);
        if (err == ERR_OK)
            err = jwks_new(&one, 1, out, e);
        jwk_unref(one);
    }
    buf_fini(&text);
    return err;
}

static enum err join(struct jwks *const *sets, size_t n, struct jwks **out, struct errinfo *e)
{
    struct jwk *all[LIMIT_JWKS_KEYS] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sets[i]->n; k++) {
            if (count == COUNTOF(all))
                return errinfo_set(e, ERR_LIMIT, "more than %d keys", LIMIT_JWKS_KEYS);
            all[count++] = sets[i]->keys[k];
        }
    return jwks_new(all, count, out, e);
}

enum err source__read_files(const struct key_file *files, size_t n, struct jwks **out,
                            struct errinfo *e)
{
    struct jwks *sets[LIMIT_KEY_FILES] = {NULL};
    struct errinfo why = {0};
    enum err err = ERR_OK;
    size_t i = 0;
    *out = NULL;
    for (; i < n && err == ERR_OK; i++)
        err = read_keys(&files[i], &sets[i], &why);
    struct str at = n > 0 ? files[i > 0 ? i - 1 : 0].path : STR("");
    if (err == ERR_OK)
        err = join(sets, n, out, &why);
    for (size_t k = 0; k < n; k++)
        jwks_unref(sets[k]);
    if (err == ERR_OK || err == ERR_NOMEM)
        return err;
    return errinfo_set(e, err, "%.*s: %s", STR_ARG(str_sub(at, 0, 120)),
                       why.text[0] ? why.text : err_text(err));
}

/* --- looking ------------------------------------------------------------------------------------
 */
/* True when a file is not the one that was read last. */
static bool look(struct key_source *s)
{
    bool changed = false;
    for (size_t i = 0; i < s->file_n; i++) {
        char name[LIMIT_KEY_FILE_PATH];
        struct stat st;
        struct file_mark now = {0};
        if (path_text(s->files[i].path, name) && stat(name, &st) == 0)
            mark_of(&st, &now);
        changed = changed || !same_mark(&now, &s->marks[i]);
        s->marks[i] = now;
    }
    return changed;
}

static void get(struct key_source *s)
{
    struct jwks *keys = NULL;
    struct errinfo e = {0};
    if (!look(s)) {
        source__same(s);
        return;
    }
    enum err err = source__read_files(s->files, s->file_n, &keys, &e);
    if (err == ERR_OK) {
        source__got(s, keys);
        return;
    }
    if (err == ERR_NOMEM)
        memset(s->marks, 0, s->file_n * sizeof s->marks[0]); /* look again */
    source__failed(s, "%s", e.text[0] ? e.text : err_text(err));
}

const struct source_way source__by_file = {.every_ms = KEY_FILE_LOOK_MS, .get = get};

static enum err copy_files(struct key_source *s, const struct key_file *files, size_t n)
{
    s->files = ARENA_ARRAY(s->arena, n, struct key_file);
    s->marks = ARENA_ARRAY(s->arena, n, struct file_mark);
    if (s->files == NULL || s->marks == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct key_file *f = &s->files[i];
        *f = files[i];
        f->path = arena_str(s->arena, files[i].path);
        f->about.kid = arena_str(s->arena, files[i].about.kid);
        if (f->path.p == NULL || f->about.kid.p == NULL)
            return ERR_NOMEM;
    }
    s->file_n = n;
    return ERR_OK;
}

static void name_files(const struct key_file *files, size_t n, struct buf *id, struct buf *name)
{
    buf_addz(id, "files");
    for (size_t i = 0; i < n; i++) {
        const struct jwk_about *about = &files[i].about;
        buf_addf(id, " %zu:", files[i].path.n);
        buf_add(id, files[i].path);
        buf_addf(id, " %d %d %lld %zu:", files[i].has_about, about->status,
                 (long long)about->retires_s, about->kid.n);
        buf_add(id, about->kid);
        buf_addz(name, i > 0 ? ", " : "");
        buf_add(name, files[i].path);
    }
}

enum err source__files(struct issuers *r, const struct key_file *files, size_t n,
                       struct key_source **out, struct errinfo *e)
{
    AUTO_BUF id = BUF_INIT(KIB(64));
    AUTO_BUF name = BUF_INIT(KIB(64));
    struct jwks *keys = NULL;
    *out = NULL;
    name_files(files, n, &id, &name);
    if (id.err != ERR_OK || name.err != ERR_OK)
        return id.err ? id.err : name.err;
    enum err err = source__read_files(files, n, &keys, e); /* a reload is told what is wrong now */
    jwks_unref(keys);
    if (err != ERR_OK)
        return err;
    *out = source__find(r, buf_str(&id));
    if (*out)
        return ERR_OK;
    err = source__new(r, buf_str(&id), buf_str(&name), &source__by_file, out);
    if (err == ERR_OK)
        err = copy_files(*out, files, n);
    if (err == ERR_OK) {
        source__start(*out);
        return ERR_OK;
    }
    source__let_go(*out);
    *out = NULL;
    return err;
}
