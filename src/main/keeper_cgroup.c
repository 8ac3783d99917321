/* SPDX-License-Identifier: Apache-2.0
 *
 * Control groups, version 1, version 2 or both beside each other: below the keeper's own group one
 * "ropeline-PID", in it one for each child, named by its serial. What bears such a name is ours:
 * whatever a dead keeper left there is killed and removed at the next start. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "main/keeper_cage.h"

#define PREFIX "ropeline-"
#define KEEPERS_OWN "keeper"
#define STALE_WAIT_NS 2000000
#define STALE_WAITS 25      /* 50 ms for each that does not go */
#define TABLE_BYTES KIB(64) /* of a file of /proc that is read whole */

enum { MEMORY, PIDS, KILL, PURPOSES };

/* --- files ----------------------------------------------------------------------------------- */

/* As much of a file as fits; "" when it cannot be read. */
static struct str file_text(int dir, const char *name, char *text, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    for (ssize_t got = 1; fd >= 0 && got > 0 && n<size; n += got> 0 ? (size_t)got : 0)
        got = read(fd, text + n, size - n);
    if (fd >= 0)
        close(fd);
    return str_of(text, n);
}

static int file_put(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return error;
}

static int file_put_number(int dir, const char *name, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, n);
    return file_put(dir, name, text);
}

static int open_dir(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* --- where we are ---------------------------------------------------------------------------- */

static bool has_word(struct str list, char between, const char *word)
{
    while (list.n > 0) {
        if (str_eqz(str_cut(list, between, &list), word))
            return true;
    }
    return false;
}

/* Of /proc/self/cgroup, "N:CONTROLLERS:PATH": ours in the hierarchy of this controller; "" is that
 * of version 2. */
static struct str own_group(struct str table, const char *controller)
{
    while (table.n > 0) {
        struct str line = str_cut(table, '\n', &table);
        struct str number = str_cut(line, ':', &line);
        struct str controllers = str_cut(line, ':', &line);
        bool v2 = str_eqz(number, "0") && controllers.n == 0;
        if (*controller ? has_word(controllers, ',', controller) : v2)
            return line;
    }
    return STR_NONE;
}

/* Of /proc/self/mountinfo, "ID PARENT DEVICE ROOT POINT OPTIONS ... - TYPE SOURCE OPTIONS": where
 * that hierarchy is mounted, and from which group on. */
static bool mount_of(struct str table, const char *controller, struct str *root, struct str *point)
{
    while (table.n > 0) {
        struct str line = str_cut(table, '\n', &table), rest = line;
        size_t dash = str_find(line, STR(" - "));
        if (dash == SIZE_MAX)
            continue;
        for (int i = 0; i < 3; i++)
            (void)str_cut(rest, ' ', &rest);
        *root = str_cut(rest, ' ', &rest);
        *point = str_cut(rest, ' ', &rest);
        rest = str_from(line, dash + 3);
        struct str type = str_cut(rest, ' ', &rest);
        (void)str_cut(rest, ' ', &rest);
        if (*controller ? str_eqz(type, "cgroup") && has_word(rest, ',', controller)
                        : str_eqz(type, "cgroup2"))
            return true;
    }
    return false;
}

bool keeper__cgroup_path(struct str groups, struct str mounts, const char *controller,
                         char out[static 4096])
{
    struct str root, point, own = own_group(groups, controller);
    if (!own.p || !mount_of(mounts, controller, &root, &point))
        return false;
    if (!str_eqz(root, "/") && str_starts(own, root))
        own = str_from(own, root.n); /* a container shows only its part of the tree */
    if (str_eqz(own, "/"))
        own = STR("");
    int n = snprintf(out, 4096, "%.*s%.*s", STR_ARG(point), STR_ARG(own));
    return n > 0 && n < 4096;
}

/* --- the keeper's own ------------------------------------------------------------------------ */

static unsigned kill_listed(int group)
{
    char text[4096];
    unsigned seen = 0;
    struct str list = file_text(group, "cgroup.procs", text, sizeof text);
    while (list.n > 0) {
        uint64_t pid;
        if (str_u64(str_cut(list, '\n', &list), &pid) && pid > 1 && pid <= INT_MAX) {
            kill((pid_t)pid, SIGKILL);
            seen++;
        }
    }
    return seen;
}

/* Version 2 kills by one write; else nobody may fork any more and each is killed. */
static unsigned kill_group(int group)
{
    if (file_put(group, "cgroup.kill", "1") != 0)
        (void)file_put(group, "pids.max", "0");
    return kill_listed(group);
}

/* Kills and removes what is in a group of ours; true when the group is gone. */
static bool remove_group(int parent, const char *name)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    int group = open_dir(parent, name);
    if (group < 0)
        return false;
    (void)kill_group(group);
    close(group);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Killed is not yet dead; nothing else is under way when this is called. */
static void remove_group_now(int parent, const char *name)
{
    const struct timespec pause = {0, STALE_WAIT_NS};
    for (int i = 0; i < STALE_WAITS && !remove_group(parent, name); i++)
        (void)nanosleep(&pause, NULL);
}

/* Of keepers that are no more. */
static void remove_stale(int parent)
{
    int copy = open_dir(parent, ".");
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t pid;
        struct str name = str_c(e->d_name);
        if (!str_starts(name, STR(PREFIX)) || !str_u64(str_from(name, sizeof PREFIX - 1), &pid) ||
            pid > INT_MAX || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        int group = open_dir(parent, e->d_name), again = group < 0 ? -1 : open_dir(group, ".");
        DIR *in = again < 0 ? NULL : fdopendir(again);
        for (struct dirent *one; in && (one = readdir(in));) {
            if (one->d_type == DT_DIR && one->d_name[0] != '.')
                remove_group_now(group, one->d_name);
        }
        if (in)
            closedir(in);
        if (group >= 0)
            close(group);
        remove_group_now(parent, e->d_name);
    }
    if (d)
        closedir(d);
}

/* Makes ropeline-PID below `path`; its descriptor, or -1. */
static int make_own(struct cgroup_tree *t, int purpose, const char *path, pid_t keeper)
{
    char name[32];
    int n = snprintf(t->paths[purpose], sizeof t->paths[purpose], "%s", path);
    int parent = n > 0 && (size_t)n < sizeof t->paths[purpose] ? open_dir(AT_FDCWD, path) : -1;
    if (parent < 0)
        return -1;
    remove_stale(parent);
    snprintf(name, sizeof name, PREFIX "%d", (int)keeper);
    bool made = mkdirat(parent, name, 0755) == 0 || errno == EEXIST;
    int own = made ? open_dir(parent, name) : -1;
    close(parent);
    return own;
}

/* Version 2 gives controllers only to groups without processes: ours then stands one below. */
static bool enable_v2(struct cgroup_tree *t, const char *path, int own)
{
    static const char both[] = "+memory +pids";
    int parent = open_dir(AT_FDCWD, path);
    if (parent < 0)
        return false;
    int error = file_put(parent, "cgroup.subtree_control", both);
    if (error == EBUSY && (mkdirat(own, KEEPERS_OWN, 0755) == 0 || errno == EEXIST)) {
        t->moved = file_put(own, KEEPERS_OWN "/cgroup.procs", "0") == 0;
        error = file_put(parent, "cgroup.subtree_control", both);
        if (error != 0 && t->moved)
            t->moved = file_put(parent, "cgroup.procs", "0") != 0;
        if (error != 0)
            unlinkat(own, KEEPERS_OWN, AT_REMOVEDIR);
    }
    close(parent);
    return error == 0 && file_put(own, "cgroup.subtree_control", both) == 0;
}

static void open_v2(struct cgroup_tree *t, struct cage_facts *f, const char *path, pid_t keeper)
{
    char text[512];
    struct str rest;
    int own = t->kill = make_own(t, KILL, path, keeper);
    if (own < 0 || (t->memory >= 0 && t->pids >= 0))
        return;
    int parent = open_dir(AT_FDCWD, path);
    struct str has =
        parent < 0 ? STR_NONE : file_text(parent, "cgroup.controllers", text, sizeof text);
    if (parent >= 0)
        close(parent);
    has = str_cut(has, '\n', &rest);
    if (!has_word(has, ' ', "memory") || !has_word(has, ' ', "pids"))
        snprintf(f->cgroup_why, sizeof f->cgroup_why,
                 "this group has no memory and pids controllers (with systemd: Delegate=yes)");
    else if (!enable_v2(t, path, own))
        snprintf(f->cgroup_why, sizeof f->cgroup_why,
                 "other processes share this group: start it by `systemd-run --user --scope -p "
                 "Delegate=yes ropeline ...`");
    else {
        t->v2 = true;
        t->memory = open_dir(own, ".");
        t->pids = open_dir(own, ".");
    }
}

void keeper__cgroup_open(struct cgroup_tree *t, struct cage_facts *f, pid_t keeper)
{
    static char groups_text[TABLE_BYTES], mounts_text[TABLE_BYTES], path[4096];
    struct str groups = file_text(AT_FDCWD, "/proc/self/cgroup", groups_text, TABLE_BYTES);
    struct str mounts = file_text(AT_FDCWD, "/proc/self/mountinfo", mounts_text, TABLE_BYTES);
    *t = (struct cgroup_tree){.memory = -1, .pids = -1, .kill = -1};
    f->cgroup_why[0] = '\0';
    errno = 0;
    if (keeper__cgroup_path(groups, mounts, "memory", path))
        t->memory = make_own(t, MEMORY, path, keeper);
    if (keeper__cgroup_path(groups, mounts, "pids", path))
        t->pids = make_own(t, PIDS, path, keeper);
    int error = errno;
    if (keeper__cgroup_path(groups, mounts, "", path))
        open_v2(t, f, path, keeper);
    f->memory = t->memory >= 0;
    f->pids = t->pids >= 0;
    f->cgroup_kill = t->kill >= 0 || t->pids >= 0;
    f->freezer = t->kill >= 0 && faccessat(t->kill, "cgroup.freeze", W_OK, AT_EACCESS) == 0;
    if ((!f->memory || !f->pids) && f->cgroup_why[0] == '\0')
        snprintf(f->cgroup_why, sizeof f->cgroup_why, "no group that we may write: %s",
                 strerror(error ? error : EACCES));
}

static void close_one(const struct cgroup_tree *t, int purpose, int *fd, pid_t keeper)
{
    char name[32];
    if (*fd < 0)
        return;
    close(*fd);
    *fd = -1;
    int parent = t->paths[purpose][0] ? open_dir(AT_FDCWD, t->paths[purpose]) : -1;
    if (parent < 0)
        return;
    snprintf(name, sizeof name, PREFIX "%d", (int)keeper);
    unlinkat(parent, name, AT_REMOVEDIR);
    close(parent);
}

static bool nobody(void *arg, uint32_t serial)
{
    (void)arg;
    (void)serial;
    return false;
}

void keeper__cgroup_close(struct cgroup_tree *t, pid_t keeper)
{
    (void)keeper__cgroup_sweep(t, nobody, NULL);
    if (t->v2) {
        int parent = open_dir(AT_FDCWD, t->paths[KILL]);
        (void)file_put(t->kill, "cgroup.subtree_control", "-memory -pids");
        if (t->moved && parent >= 0) {
            (void)file_put(parent, "cgroup.subtree_control", "-memory -pids");
            (void)file_put(parent, "cgroup.procs", "0");
            unlinkat(t->kill, KEEPERS_OWN, AT_REMOVEDIR);
        }
        if (parent >= 0)
            close(parent);
    }
    close_one(t, MEMORY, &t->memory, keeper);
    close_one(t, PIDS, &t->pids, keeper);
    close_one(t, KILL, &t->kill, keeper);
}

/* --- one child's ----------------------------------------------------------------------------- */

static int group_open(int own, uint32_t serial)
{
    char name[16];
    snprintf(name, sizeof name, "%" PRIu32, serial);
    return own < 0 ? -1 : open_dir(own, name);
}

static int group_make(int own, uint32_t serial)
{
    char name[16];
    snprintf(name, sizeof name, "%" PRIu32, serial);
    return own < 0 || mkdirat(own, name, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

/* Version 1 wants the limit with swap never below the one without: one of two orders works. */
static int limit_memory_v1(int group, uint64_t memory)
{
    static const char ram[] = "memory.limit_in_bytes", both[] = "memory.memsw.limit_in_bytes";
    char text[24] = "-1";
    if (memory)
        snprintf(text, sizeof text, "%" PRIu64, memory);
    if (file_put(group, ram, text) != 0)
        (void)file_put(group, both, text);
    int error = file_put(group, ram, text);
    (void)file_put(group, both, text); /* not there without swap accounting */
    return error;
}

static int limit_memory_v2(int group, uint64_t memory)
{
    (void)file_put(group, "memory.oom.group", "1");
    (void)file_put(group, "memory.swap.max", memory ? "0" : "max");
    return memory ? file_put_number(group, "memory.max", memory)
                  : file_put(group, "memory.max", "max");
}

int keeper__cgroup_limit(const struct cgroup_tree *t, uint32_t serial, uint64_t memory,
                         uint32_t pids)
{
    int error = 0, group = group_open(t->memory, serial);
    if (group >= 0) {
        error = t->v2 ? limit_memory_v2(group, memory) : limit_memory_v1(group, memory);
        close(group);
    }
    group = group_open(t->pids, serial);
    if (group >= 0 && error == 0)
        error =
            pids ? file_put_number(group, "pids.max", pids) : file_put(group, "pids.max", "max");
    if (group >= 0)
        close(group);
    return error;
}

int keeper__cgroup_make(const struct cgroup_tree *t, uint32_t serial, uint64_t memory,
                        uint32_t pids)
{
    int error = group_make(t->memory, serial);
    if (error == 0)
        error = group_make(t->pids, serial);
    if (error == 0)
        error = group_make(t->kill, serial);
    return error ? error : keeper__cgroup_limit(t, serial, memory, pids);
}

/* To version 1 a process goes by "tasks": for the caller, which has one thread, the kernel then
 * takes no lock that all others wait for. */
static int group_enter(int own, uint32_t serial, const char *file, pid_t pid)
{
    int group = group_open(own, serial);
    if (group < 0)
        return own < 0 ? 0 : errno;
    int error = file_put_number(group, file, (uint64_t)pid);
    close(group);
    return error;
}

int keeper__cgroup_enter(const struct cgroup_tree *t, uint32_t serial, bool born)
{
    int error = t->v2 ? 0 : group_enter(t->memory, serial, "tasks", 0);
    if (error == 0 && !t->v2)
        error = group_enter(t->pids, serial, "tasks", 0);
    return error || born ? error : group_enter(t->kill, serial, "cgroup.procs", 0);
}

int keeper__cgroup_move(const struct cgroup_tree *t, uint32_t serial, pid_t pid)
{
    int error = t->v2 ? 0 : group_enter(t->memory, serial, "cgroup.procs", pid);
    if (error == 0 && !t->v2)
        error = group_enter(t->pids, serial, "cgroup.procs", pid);
    return error ? error : group_enter(t->kill, serial, "cgroup.procs", pid);
}

int keeper__cgroup_cradle(const struct cgroup_tree *t, uint32_t serial)
{
    return group_open(t->kill, serial);
}

int keeper__cgroup_freeze(const struct cgroup_tree *t, uint32_t serial, bool frozen)
{
    int group = group_open(t->kill, serial);
    if (group < 0)
        return errno;
    int error = file_put(group, "cgroup.freeze", frozen ? "1" : "0");
    close(group);
    return error;
}

unsigned keeper__cgroup_kill(const struct cgroup_tree *t, uint32_t serial)
{
    const int owns[] = {t->kill, t->pids, t->memory};
    for (size_t i = 0; i < COUNTOF(owns); i++) {
        int group = group_open(owns[i], serial);
        if (group < 0)
            continue;
        unsigned seen = kill_group(group);
        close(group);
        return seen; /* they are in all of them */
    }
    return 0;
}

bool keeper__cgroup_ran_out(const struct cgroup_tree *t, uint32_t serial)
{
    char text[512];
    uint64_t n = 0;
    int group = group_open(t->memory, serial);
    if (group < 0)
        return false;
    struct str s =
        file_text(group, t->v2 ? "memory.events" : "memory.oom_control", text, sizeof text);
    close(group);
    while (s.n > 0) {
        struct str number, line = str_cut(s, '\n', &s), word = str_cut(line, ' ', &number);
        if (str_eqz(word, "oom_kill") && str_u64(number, &n))
            return n > 0;
    }
    return false;
}

static unsigned sweep_one(int own, bool (*is_alive)(void *arg, uint32_t serial), void *arg)
{
    unsigned left = 0;
    int copy = own < 0 ? -1 : open_dir(own, ".");
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t serial;
        if (str_u64(str_c(e->d_name), &serial) && !is_alive(arg, (uint32_t)serial))
            left += !remove_group(own, e->d_name);
    }
    if (d)
        closedir(d);
    return left;
}

unsigned keeper__cgroup_sweep(const struct cgroup_tree *t,
                              bool (*is_alive)(void *arg, uint32_t serial), void *arg)
{
    unsigned left = sweep_one(t->kill, is_alive, arg);
    if (!t->v2)
        left += sweep_one(t->pids, is_alive, arg) + sweep_one(t->memory, is_alive, arg);
    return left;
}
