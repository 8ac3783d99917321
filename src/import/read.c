/* SPDX-License-Identifier: Apache-2.0
 *
 * The files a template points to: DefinitionUri, AWS::Include, the folders of CodeUri. Invariant:
 * only regular files are opened, and none beyond LIMIT_TEMPLATE_BYTES is read. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "import_int.h"

struct str import__path(struct importer *im, struct str path)
{
    if (str_starts(path, STR("/")) || im->dir.n == 0)
        return import__fmt(im, "%.*s", STR_ARG(path));
    return import__fmt(im, "%.*s/%.*s", STR_ARG(im->dir), STR_ARG(path));
}

static enum err read_all(struct importer *im, int fd, size_t size, struct str *out)
{
    char *room = arena_alloc(im->a, size + 1);
    size_t n = 0;
    if (!room)
        return arena_err(im->a) == ERR_LIMIT ? ERR_LIMIT : ERR_NOMEM;
    while (n < size) {
        ssize_t got = read(fd, room + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *out = str_of(room, n);
    return ERR_OK;
}

static enum err read_regular(struct importer *im, int fd, struct str *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ERR_IO;
    if (!S_ISREG(st.st_mode))
        return ERR_UNSUPPORTED;
    if (st.st_size < 0 || (uintmax_t)st.st_size > LIMIT_TEMPLATE_BYTES)
        return ERR_LIMIT;
    return read_all(im, fd, (size_t)st.st_size, out);
}

enum err import__read_file(struct importer *im, struct str path, struct str *out)
{
    struct stat st;
    const char *name = arena_cstr(im->a, path);
    if (!name)
        return ERR_NOMEM;
    if (strlen(name) != path.n || stat(name, &st) != 0)
        return ERR_NOTFOUND;
    if (!S_ISREG(st.st_mode)) /* before opening: a device may act on being opened */
        return ERR_UNSUPPORTED;
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    enum err err = read_regular(im, fd, out);
    close(fd);
    return err;
}

static bool is(mode_t type, struct str path, char *absolute, size_t size)
{
    char name[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (path.n >= sizeof name || str_chr(path, '\0', 0) != SIZE_MAX)
        return false;
    memcpy(name, path.n ? path.p : "", path.n);
    name[path.n] = '\0';
    if (!realpath(name, real) || stat(real, &st) != 0 || (st.st_mode & S_IFMT) != type)
        return false;
    return snprintf(absolute, size, "%s", real) < (int)size;
}

bool import__is_directory(struct str path, char *absolute, size_t size)
{
    return is(S_IFDIR, path, absolute, size);
}

bool import__is_file(struct str path, char *absolute, size_t size)
{
    return is(S_IFREG, path, absolute, size);
}
