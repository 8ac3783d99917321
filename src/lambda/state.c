/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of our own below STATE: the bootstrap, written whole or not at all, and the tmp directories
 * of environments, removed with whatever a function left there. Never follows a link. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "lambda.h"
#include "lambda_text.h"

enum err lambda__make_dir(const char *path)
{
    struct stat st;
    if (mkdir(path, 0755) ==
        0) /* STATE itself is closed; functions with a uid of their own read it */
        return ERR_OK;
    if (errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ERR_OK;
    log_error("lambda", "cannot make the directory %s: %s", path, strerror(errno));
    return ERR_IO;
}

/* --- put ------------------------------------------------------------------------------------- */

static bool holds(int dir, const char *name, struct str content)
{
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool same = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                (st.st_mode & 07777) == 0444 && (size_t)st.st_size == content.n;
    char *there = same && content.n ? mem_alloc(content.n) : NULL;
    same = same && (there || content.n == 0);
    for (size_t at = 0; same && at < content.n;) {
        ssize_t n = read(fd, there + at, content.n - at);
        same = n > 0;
        at += n > 0 ? (size_t)n : 0;
    }
    same = same && (content.n == 0 || memcmp(there, content.p, content.n) == 0);
    mem_free(there);
    if (fd >= 0)
        close(fd);
    return same;
}

bool lambda__write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_from(s, (size_t)n);
    }
    return true;
}

enum err lambda__file_put(const char *dir, const char *name, struct str content)
{
    char new_name[NAME_MAX + 1];
    enum err err = ERR_IO;
    if (snprintf(new_name, sizeof new_name, "%s.new", name) >= (int)sizeof new_name)
        return ERR_INVALID;
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return ERR_IO;
    if (holds(at, name, content)) {
        close(at);
        return ERR_OK;
    }
    unlinkat(at, new_name, 0); /* of a run that was cut short */
    int fd = openat(at, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool written = lambda__write_all(fd, content) && fchmod(fd, 0444) == 0;
        if (close(fd) == 0 && written && renameat(at, new_name, at, name) == 0)
            err = ERR_OK;
        else
            unlinkat(at, new_name, 0);
    }
    close(at);
    return err;
}

/* --- remove ---------------------------------------------------------------------------------- */

#define REMOVE_DEPTH 32 /* directories held open at once */

struct removal {
    int top;        /* the directory being emptied */
    unsigned depth; /* below it */
    unsigned moved; /* directories that were moved up to `top`, to be emptied there */
    char tag[17];   /* for their names: not to be guessed */
};

static enum err empty_dir(struct removal *r, int fd);

/* A function may have taken every permission off its directories. */
static int open_dir(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        (void)fchmod(fd, 0700); /* of another owner's it fails: then deleting says so */
    return fd;
}

static enum err remove_entry(struct removal *r, int at, const char *name)
{
    char aside[48];
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return ERR_OK;
    if (errno != EISDIR && errno != EPERM)
        return ERR_IO;
    if (r->depth >= REMOVE_DEPTH) {
        int fd = open_dir(at, name); /* moved, its ".." changes: it must be writable */
        if (fd >= 0)
            close(fd);
        snprintf(aside, sizeof aside, "%s-%u", r->tag, r->moved++);
        return renameat(at, name, r->top, aside) == 0 ? ERR_OK : ERR_IO;
    }
    int fd = open_dir(at, name);
    if (fd < 0)
        return ERR_IO;
    r->depth++;
    enum err err = empty_dir(r, fd);
    r->depth--;
    if (err == ERR_OK && unlinkat(at, name, AT_REMOVEDIR) < 0)
        err = ERR_IO;
    return err;
}

/* Takes over `fd`. One entry that cannot go does not keep the others. */
static enum err empty_dir(struct removal *r, int fd)
{
    enum err err = ERR_OK;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return ERR_NOMEM;
    }
    for (struct dirent *entry; (entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        enum err one = remove_entry(r, fd, entry->d_name);
        if (one != ERR_OK)
            err = one;
    }
    closedir(d);
    return err;
}

enum err lambda__tree_remove_at(int at, const char *name)
{
    struct removal r = {.top = -1};
    unsigned char random[8];
    enum err err = crypt_random(random, sizeof random);
    if (err != ERR_OK)
        return err;
    crypt_hex(random, sizeof random, r.tag);
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return ERR_OK;
    r.top = open_dir(at, name);
    unsigned before;
    do { /* what was too deep now stands at the top */
        before = r.moved;
        int fd = r.top >= 0 ? openat(r.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        err = fd >= 0 ? empty_dir(&r, fd) : ERR_IO;
    } while (err == ERR_OK && r.moved > before);
    if (r.top >= 0)
        close(r.top);
    if (err == ERR_OK && unlinkat(at, name, AT_REMOVEDIR) < 0)
        err = ERR_IO;
    return err;
}

enum err lambda__tree_remove(const char *dir, const char *name)
{
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC); /* it need not be readable */
    if (at < 0)
        return ERR_IO;
    enum err err = lambda__tree_remove_at(at, name);
    close(at);
    return err;
}

enum err lambda_empty(const char *dir)
{
    char path[PATH_MAX];
    struct str s = str_c(dir);
    size_t slash = str_rchr(s, '/');
    if (slash == SIZE_MAX || slash + 1 == s.n || s.n >= sizeof path)
        return ERR_INVALID;
    memcpy(path, dir, slash);
    path[slash] = '\0';
    enum err err = lambda__tree_remove(slash ? path : "/", dir + slash + 1);
    /* A mount point stays, and so does what its owner may not remove; empty it must be. */
    if (err != ERR_OK && access(dir, F_OK) == 0) {
        DIR *d = opendir(dir);
        size_t n = 0;
        while (d && readdir(d))
            n++;
        err = d && n == 2 ? ERR_OK : err;
        if (d)
            closedir(d);
    }
    return err;
}
