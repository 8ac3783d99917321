/* SPDX-License-Identifier: Apache-2.0
 *
 * The key file, and secrets sealed under it. Invariant: a key file is whole or it is not there, and
 * only its owner can read it. */
#include "seal_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "limits_int.h"

#define HEADING "ropeline identity key 1 " /* then 32 bytes as base64 and a line feed */
#define SEALED "v1."
#define FILE_MAX 256
#define PATH_ROOM 4096

struct sealer {
    unsigned char key[AEAD_KEY];
};

static enum err io_error(struct errinfo *e, const char *path)
{
    return errinfo_set(e, ERR_IO, "%s: %s", path, strerror(errno));
}

/* ---- the file ---- */

static enum err read_whole(int fd, char *text, size_t room, size_t *n)
{
    *n = 0;
    while (*n < room) {
        ssize_t r = read(fd, text + *n, room - *n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return ERR_IO;
        if (r == 0)
            return ERR_OK;
        *n += (size_t)r;
    }
    return ERR_OK;
}

/* The secret of a key file's text. */
static bool read_secret(struct str text, unsigned char secret[AEAD_KEY])
{
    const struct str heading = STR(HEADING);
    char room[FILE_MAX];
    struct buf bytes = {room, 0, sizeof room, sizeof room, ERR_OK};
    if (!str_starts(text, heading) || !str_ends(text, STR("\n")))
        return false;
    text = str_from(text, heading.n);
    bool good =
        crypt_base64_decode(&bytes, str_sub(text, 0, text.n - 1)) == ERR_OK && bytes.n == AEAD_KEY;
    if (good)
        memcpy(secret, bytes.p, AEAD_KEY);
    mem_cleanse(room, sizeof room);
    return good;
}

/* ERR_NOTFOUND: there is none. */
static enum err read_file(const char *path, unsigned char secret[AEAD_KEY], struct errinfo *e)
{
    char text[FILE_MAX];
    size_t n = 0;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : io_error(e, path);
    enum err err = ERR_OK;
    if (fstat(fd, &st) != 0)
        err = io_error(e, path);
    else if (!S_ISREG(st.st_mode))
        err = errinfo_set(e, ERR_INVALID, "%s is no file", path);
    else if ((st.st_mode & 077) != 0)
        err = errinfo_set(e, ERR_INVALID, "%s: others may read this key; chmod 600 it", path);
    else if (read_whole(fd, text, sizeof text, &n) != ERR_OK)
        err = io_error(e, path);
    else if (!read_secret(str_of(text, n), secret))
        err = errinfo_set(e, ERR_INVALID, "%s is not an identity key file", path);
    close(fd);
    mem_cleanse(text, sizeof text);
    return err;
}

static bool write_whole(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t w = write(fd, text.p, text.n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        text = str_from(text, (size_t)w);
    }
    return fsync(fd) == 0;
}

/* So that the new name survives a power cut. */
static bool sync_folder(const char *path)
{
    char folder[PATH_ROOM];
    struct str whole = str_c(path);
    size_t slash = str_rchr(whole, '/');
    struct str parent = slash == SIZE_MAX ? STR(".") : str_sub(whole, 0, slash ? slash : 1);
    if (parent.n >= sizeof folder)
        return false;
    memcpy(folder, parent.p, parent.n);
    folder[parent.n] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0;
    close(fd);
    return good;
}

/* Under a name of its own first, and then linked: who is second finds the first one's. */
static enum err put_file(const char *path, struct str text, struct errinfo *e)
{
    char temporary[PATH_ROOM], mark[37];
    crypt_uuid(mark);
    int n = snprintf(temporary, sizeof temporary, "%s.%s", path, mark);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return io_error(e, path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error(e, path);
    bool good = write_whole(fd, text);
    good = close(fd) == 0 && good;
    good = good && (link(temporary, path) == 0 || errno == EEXIST);
    enum err err = good ? ERR_OK : io_error(e, path);
    (void)unlink(temporary);
    if (err == ERR_OK && !sync_folder(path))
        err = io_error(e, path);
    return err;
}

static enum err make_file(const char *path, struct errinfo *e)
{
    unsigned char secret[AEAD_KEY];
    struct buf text = BUF_INIT(FILE_MAX);
    enum err err = crypt_random(secret, sizeof secret);
    buf_addz(&text, HEADING);
    crypt_base64(&text, str_of(secret, sizeof secret));
    buf_addc(&text, '\n');
    if (err == ERR_OK)
        err = text.err;
    if (err != ERR_OK)
        (void)errinfo_set(e, err, "%s: %s", path, err_text(err));
    else
        err = put_file(path, buf_str(&text), e);
    mem_cleanse(secret, sizeof secret);
    mem_cleanse(text.p, text.cap);
    buf_fini(&text);
    return err;
}

enum err sealer_new(const char *key_file, struct sealer **out, struct errinfo *e)
{
    unsigned char secret[AEAD_KEY];
    *out = NULL;
    enum err err = read_file(key_file, secret, e);
    if (err == ERR_NOTFOUND) {
        err = make_file(key_file, e);
        if (err == ERR_OK)
            err = read_file(key_file, secret, e);
    }
    struct sealer *s = err ? NULL : mem_alloc(sizeof *s);
    if (err == ERR_OK && s == NULL)
        err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (err == ERR_OK)
        err = hkdf_sha256(str_of(secret, sizeof secret), STR(""), STR("ropeline identity seal"),
                          s->key, sizeof s->key);
    mem_cleanse(secret, sizeof secret);
    if (err == ERR_OK)
        *out = s;
    else
        sealer_free(s);
    return err;
}

void sealer_free(struct sealer *s)
{
    if (s)
        mem_cleanse_free(s, sizeof *s);
}

/* ---- secrets ---- */

enum err seal(const struct sealer *s, struct str place, struct str secret, struct arena *a,
              struct str *out)
{
    AUTO_BUF bytes = BUF_INIT(LIMIT_SEALED), text = BUF_INIT(LIMIT_SEALED);
    enum err err = aead_seal(str_of(s->key, sizeof s->key), place, secret, &bytes);
    if (err != ERR_OK)
        return err;
    buf_addz(&text, SEALED);
    crypt_base64url(&text, buf_str(&bytes));
    if (text.err != ERR_OK)
        return text.err;
    *out = arena_str(a, buf_str(&text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err unseal(const struct sealer *s, struct str place, struct str sealed, struct arena *a,
                struct str *out)
{
    struct buf bytes = BUF_INIT(LIMIT_SEALED), secret = BUF_INIT(LIMIT_SEALED);
    const struct str version = STR(SEALED);
    enum err err = str_starts(sealed, version) ? ERR_OK : ERR_INVALID;
    *out = STR_NONE;
    if (err == ERR_OK)
        err = crypt_base64url_decode(&bytes, str_from(sealed, version.n));
    if (err == ERR_OK)
        err = aead_open(str_of(s->key, sizeof s->key), place, buf_str(&bytes), &secret);
    if (err == ERR_OK) {
        *out = arena_str(a, buf_str(&secret));
        err = out->p ? ERR_OK : ERR_NOMEM;
    }
    mem_cleanse(secret.p, secret.cap);
    buf_fini(&bytes);
    buf_fini(&secret);
    return err == ERR_SYNTAX || err == ERR_BADSIG || err == ERR_LIMIT ? ERR_INVALID : err;
}

void unseal_wipe(struct str secret)
{
    union {
        const char *in;
        char *out;
    } p = {secret.p};
    mem_cleanse(p.out, secret.n);
}
