/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function sees of the file system. By default the machine's, with its own tmp in the place
 * of /tmp. In strict a tree of its own: system programs, its runtime, /var/task, /opt and /tmp, and
 * nothing else is there to be opened. Runs in the child, in a mount namespace that is the child's;
 * each function returns errno. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "main/keeper_cage.h"

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define TMP "/tmp"
#define TREE_OPTIONS "mode=0755,size=16m" /* of the tree: holds mount points alone */
#define STRICT_TMP_OPTIONS "mode=1777,size=512m"

/* Whoever asks for a path has to be able to go there himself: the gateway's user, NULL = we. Set
 * once in the child, which has one thread. */
static const struct privilege *asker;

static int ask_as(const struct privilege *user)
{
    asker = user && user->root ? user : NULL;
    return !asker || setgroups((size_t)asker->group_count, asker->groups) == 0 ? 0 : errno;
}

/* A copy of what is at `path`, mounted nowhere yet; -1 = errno. */
static int tree_copy(const char *path, uint64_t attributes)
{
    struct mount_attr attr = {.attr_set = attributes};
    if (asker) { /* of root's capabilities that leaves the one to mount */
        (void)setfsgid(asker->gid);
        (void)setfsuid(asker->uid);
    }
    int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    int why = errno;
    if (asker) {
        (void)setfsuid(0);
        (void)setfsgid(0);
    }
    errno = why;
    if (fd >= 0 && attributes &&
        mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* What is not there, or not for us, is not shown. */
static bool is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES;
}

/* Makes the folders above `path` below `root`, and at it a folder or an empty file. */
static int make_point(int root, const char *path, bool folder)
{
    char part[PATH_MAX];
    int n = snprintf(part, sizeof part, "%s", path + 1);
    if (n <= 0 || n >= PATH_MAX)
        return ENAMETOOLONG;
    for (char *slash = part; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdirat(root, part, 0755) != 0 && errno != EEXIST)
            return errno;
    }
    if (folder)
        return mkdirat(root, part, 0755) == 0 || errno == EEXIST ? 0 : errno;
    int fd = openat(root, part, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    if (fd < 0)
        return errno == EROFS || errno == EISDIR ? 0 : errno;
    close(fd);
    return 0;
}

/* Mounts a copy where it was, seen from `root`, and closes it. */
static int tree_place(int root, int fd, const char *at)
{
    struct stat st;
    int error = fstat(fd, &st) == 0 ? 0 : errno;
    if (error == 0)
        error = make_point(root, at, S_ISDIR(st.st_mode));
    if (error == 0 && move_mount(fd, "", root, at + 1, MOVE_MOUNT_F_EMPTY_PATH) != 0)
        error = errno;
    close(fd);
    return error;
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return n > 0 && strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* --- default: /tmp, and a hidden directory --------------------------------------------------- */

bool keeper__mounts_wants_tmp(const struct keeper_request *q)
{
    char *const *lists[] = {q->read, q->write};
    for (size_t l = 0; l < COUNTOF(lists); l++)
        for (size_t i = 0; lists[l][i]; i++)
            if (str_eqz(str_c(lists[l][i]), TMP))
                return false; /* somebody wants it to be the machine's */
    return q->tmp[0] != '\0';
}

struct copies {
    int fd[2 * LIMIT_CHILD_PATHS + 1];
    const char *at[2 * LIMIT_CHILD_PATHS + 1];
    size_t n;
};

static int copy_one(struct copies *c, const char *path, uint64_t attributes)
{
    int fd = tree_copy(path, attributes);
    if (fd < 0)
        return is_absent(errno) ? 0 : errno;
    c->fd[c->n] = fd;
    c->at[c->n++] = path;
    return 0;
}

/* What would be covered. */
static int copy_covered(struct copies *c, const struct keeper_request *q, bool own_tmp,
                        char *const *paths, uint64_t attributes)
{
    int error = 0;
    for (size_t i = 0; paths[i] && error == 0; i++) {
        if ((own_tmp && is_below(paths[i], TMP)) || is_below(paths[i], q->hide))
            error = copy_one(c, paths[i], attributes);
    }
    return error;
}

static int copy_all(struct copies *c, const struct keeper_request *q, bool own_tmp)
{
    int error = copy_covered(c, q, own_tmp, q->read, SAFE | MOUNT_ATTR_RDONLY);
    if (error == 0)
        error = copy_covered(c, q, own_tmp, q->write, SAFE);
    if (error == 0 && !own_tmp && is_below(q->tmp, q->hide))
        error = copy_one(c, q->tmp, SAFE);
    return error;
}

static int cover_tmp(const char *tmp)
{
    int own = tree_copy(tmp, SAFE), error = 0;
    if (own < 0 || move_mount(own, "", AT_FDCWD, TMP, MOVE_MOUNT_F_EMPTY_PATH) != 0)
        error = errno;
    if (own >= 0)
        close(own);
    return error;
}

/* What was covered and may be used is shown again where it was. */
static int place_again(struct copies *c, const char *hide, bool hidden)
{
    int error = 0, root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return errno;
    for (size_t i = 0; i < c->n && error == 0; i++) {
        if (is_below(c->at[i], hide) != hidden)
            continue;
        error = tree_place(root, c->fd[i], c->at[i]);
        c->fd[i] = -1;
    }
    close(root);
    return error;
}

/* It may lie in what has just been shown, or nowhere that can be seen. */
static int cover_hidden(struct copies *c, const char *hide)
{
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    bool seen = access(hide, F_OK) == 0;
    if (seen && mount("tmpfs", hide, "tmpfs", MS_NOSUID | MS_NODEV, TREE_OPTIONS) != 0)
        return errno;
    int error = place_again(c, hide, true);
    if (error == 0 && seen && mount_setattr(AT_FDCWD, hide, 0, &read_only, sizeof read_only) != 0)
        error = errno;
    return error;
}

/* Read-only, because Landlock allows what it allows for the whole of /tmp. */
int keeper__mounts_default(const struct keeper_request *q, const struct privilege *user)
{
    struct copies c = {.n = 0};
    bool own_tmp = keeper__mounts_wants_tmp(q);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return errno;
    int error = ask_as(user);
    if (error == 0)
        error = copy_all(&c, q, own_tmp);
    if (error == 0 && own_tmp)
        error = cover_tmp(q->tmp);
    if (error == 0)
        error = place_again(&c, q->hide, false);
    if (error == 0 && q->hide[0])
        error = cover_hidden(&c, q->hide);
    for (size_t i = 0; i < c.n; i++)
        if (c.fd[i] >= 0)
            close(c.fd[i]);
    return error;
}

/* --- strict: a tree of its own --------------------------------------------------------------- */

struct show {
    const char *path, *at; /* at: NULL = the same */
    uint64_t attributes;
};

static const struct show system_shown[] = {
    {"/usr", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/bin", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/sbin", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/lib", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/lib32", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/lib64", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/etc", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/nix/store", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/gnu/store", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/var/lib/ca-certificates", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/run/systemd/resolve", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/run/resolvconf", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/sys/devices/system/cpu", NULL, SAFE | MOUNT_ATTR_RDONLY},
    {"/dev/null", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
    {"/dev/zero", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
    {"/dev/full", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
    {"/dev/random", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
    {"/dev/urandom", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
};
static const struct {
    const char *at, *to;
} links[] = {
    {"dev/fd", "/proc/self/fd"},
    {"dev/stdin", "/proc/self/fd/0"},
    {"dev/stdout", "/proc/self/fd/1"},
    {"dev/stderr", "/proc/self/fd/2"},
};

/* /bin and the like are links to /usr on most systems, and stay links. */
static int show(int root, const struct show *s)
{
    char to[PATH_MAX];
    const char *at = s->at ? s->at : s->path;
    ssize_t n = readlink(s->path, to, sizeof to - 1);
    if (n > 0 && !s->at) {
        to[n] = '\0';
        return symlinkat(to, root, at + 1) == 0 || errno == EEXIST ? 0 : errno;
    }
    int fd = tree_copy(s->path, s->attributes);
    if (fd < 0)
        return is_absent(errno) ? 0 : errno;
    return tree_place(root, fd, at);
}

/* What is to be hidden may lie in what is shown. */
static int show_but_hidden(int root, const struct show *s, const char *hide)
{
    char at[PATH_MAX];
    int error = show(root, s);
    if (error != 0 || !is_below(hide, s->path))
        return error;
    if (snprintf(at, sizeof at, "%s%s", s->at + 1, hide + strlen(s->path)) >= PATH_MAX)
        return ENAMETOOLONG;
    if (faccessat(root, at, F_OK, 0) != 0)
        return 0;
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_RDONLY;
    return fchdir(root) == 0 && mount("tmpfs", at, "tmpfs", flags, TREE_OPTIONS) == 0 ? 0 : errno;
}

static int show_all(int root, char *const *paths, uint64_t attributes, const char *hide)
{
    int error = 0;
    for (size_t i = 0; paths[i] && error == 0; i++)
        error = show_but_hidden(root, &(struct show){paths[i], paths[i], attributes}, hide);
    return error;
}

static int show_function(int root, const struct keeper_request *q)
{
    const struct show task = {q->task, "/var/task", SAFE | MOUNT_ATTR_RDONLY},
                      opt = {q->opt, "/opt", SAFE | MOUNT_ATTR_RDONLY};
    int error = show_all(root, q->read, SAFE | MOUNT_ATTR_RDONLY, q->hide);
    if (error == 0)
        error = show_all(root, q->write, SAFE, q->hide);
    if (error == 0 && q->task[0])
        error = show_but_hidden(root, &task, q->hide);
    if (error == 0 && q->opt[0])
        error = show_but_hidden(root, &opt, q->hide);
    return error;
}

static int mount_at(int root, const char *at, const char *type, const char *options)
{
    int error = make_point(root, at, true);
    if (error != 0)
        return error;
    if (fchdir(root) != 0)
        return errno;
    unsigned long flags = MS_NOSUID | MS_NODEV | (options ? 0 : MS_NOEXEC);
    return mount(type, at + 1, type, flags, options) == 0 ? 0 : errno;
}

static int fill(int root, const struct keeper_request *q)
{
    int error = 0;
    for (size_t i = 0; i < COUNTOF(system_shown) && error == 0; i++)
        error = show(root, &system_shown[i]);
    for (size_t i = 0; i < COUNTOF(links) && error == 0; i++)
        error = symlinkat(links[i].to, root, links[i].at) == 0 ? 0 : errno;
    if (error == 0)
        error = mount_at(root, "/proc", "proc", NULL);
    if (error == 0)
        error = mount_at(root, TMP, "tmpfs", STRICT_TMP_OPTIONS);
    return error == 0 ? show_function(root, q) : error;
}

/* The old root goes, and with it every way back: what is mounted is all there is. */
static int change_root(int root)
{
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return errno;
    return mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof read_only) == 0 ? 0 : errno;
}

static bool holds_something(const char *folder, const struct keeper_request *q)
{
    char *const *lists[] = {q->read, q->write};
    bool holds = is_below(q->task, folder) || is_below(q->opt, folder);
    for (size_t l = 0; l < COUNTOF(lists) && !holds; l++)
        for (size_t i = 0; lists[l][i] && !holds; i++)
            holds = is_below(lists[l][i], folder);
    return holds;
}

/* A folder that the tree may be built over, because nothing in it is to be shown. */
static const char *building_site(const struct keeper_request *q)
{
    static const char *const sites[] = {"/mnt", "/media", "/srv", "/boot", "/home", "/tmp"};
    for (size_t i = 0; i < COUNTOF(sites); i++)
        if (access(sites[i], F_OK) == 0 && !holds_something(sites[i], q))
            return sites[i];
    return NULL;
}

int keeper__mounts_strict(const struct keeper_request *q, const struct privilege *user)
{
    const char *site = building_site(q);
    if (!site)
        return ENOTEMPTY;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", site, "tmpfs", MS_NOSUID | MS_NODEV, TREE_OPTIONS) != 0)
        return errno;
    int root = open(site, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return errno;
    int error = ask_as(user);
    if (error == 0)
        error = fill(root, q);
    if (error == 0)
        error = change_root(root);
    close(root);
    return error;
}
