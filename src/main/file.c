/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static enum err read_all(int fd, struct arena *a, size_t max, struct str *out)
{
    AUTO_BUF text = BUF_INIT(max);
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            break;
        buf_add(&text, str_of(chunk, (size_t)n));
        if (text.err != ERR_OK)
            return text.err;
    }
    *out = arena_str(a, buf_str(&text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err file_read(struct arena *a, const char *path, size_t max, struct str *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ERR_IO;
    enum err err = ERR_IO;
    if (fstat(fd, &st) == 0) {
        if (S_ISREG(st.st_mode))
            err = read_all(fd, a, max, out);
        else
            errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return err;
}

enum err file_read_stdin(struct arena *a, size_t max, struct str *out)
{
    return read_all(STDIN_FILENO, a, max, out);
}

enum err file_write(const char *path, struct str text, unsigned mode)
{
    char temporary[4096];
    int n = snprintf(temporary, sizeof temporary, "%s.new.%d", path, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return ERR_IO;
    size_t done = 0;
    while (done < text.n) {
        ssize_t w = write(fd, text.p + done, text.n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            break;
        done += (size_t)w;
    }
    bool good = done == text.n && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    if (good && rename(temporary, path) == 0)
        return ERR_OK;
    int saved = errno;
    unlink(temporary);
    errno = saved;
    return ERR_IO;
}

enum err file_make_dir(const char *path)
{
    char part[4096];
    struct stat st;
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++)
        if (part[i] == '/') {
            part[i] = '\0';
            if (mkdir(part, 0755) != 0 && errno != EEXIST)
                return ERR_IO;
            part[i] = '/';
        }
    if (mkdir(part, 0700) != 0 && errno != EEXIST)
        return ERR_IO;
    if (stat(part, &st) != 0)
        return ERR_IO;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return ERR_IO;
    }
    return ERR_OK;
}
