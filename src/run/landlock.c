/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock: from here on a process and all that it starts can open only what is listed, and can
 * neither trace, signal nor reach by abstract sockets whoever is outside. What this kernel's ABI
 * does not know is left out; what it knows and is not listed is forbidden. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "run/landlock.h"

/* Of kernels newer than the headers of Debian 12. */
#define ACCESS_TRUNCATE (1ULL << 14)    /* ABI 3 */
#define ACCESS_IOCTL_DEV (1ULL << 15)   /* ABI 5 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)
struct ruleset {
    uint64_t fs, net, scoped;
};
#define RULESET_BYTES(abi) ((abi) >= 6 ? 24U : (abi) >= 4 ? 16U : 8U)

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define USE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) /* a device */
#define OWN                                                                                       \
    (RUN | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                        \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |  \
     LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)
#define OF_FILES \
    (RUN | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE) & ~LANDLOCK_ACCESS_FS_READ_DIR

/* What programs need of a system, and no more of /etc than says nothing of its people: what is not
 * there is skipped. /proc shows of others what ps shows; their memory, variables and descriptors
 * are what tracing them would take, and that is forbidden. */
static const struct {
    const char *path;
    uint64_t access;
} system_paths[] = {
    {"/usr", RUN},
    {"/bin", RUN},
    {"/sbin", RUN},
    {"/lib", RUN},
    {"/lib32", RUN},
    {"/lib64", RUN},
    {"/nix/store", RUN},
    {"/gnu/store", RUN},
    {"/etc/alternatives", READ},
    {"/etc/bash.bashrc", READ},
    {"/etc/ca-certificates", READ},
    {"/etc/crypto-policies", READ},
    {"/etc/fonts", READ},
    {"/etc/gai.conf", READ},
    {"/etc/group", READ},
    {"/etc/host.conf", READ},
    {"/etc/hosts", READ},
    {"/etc/ld.so.cache", READ},
    {"/etc/ld.so.conf", READ},
    {"/etc/ld.so.conf.d", READ},
    {"/etc/ld.so.preload", READ},
    {"/etc/localtime", READ},
    {"/etc/mime.types", READ},
    {"/etc/nsswitch.conf", READ},
    {"/etc/os-release", READ},
    {"/etc/passwd", READ},
    {"/etc/pki/ca-trust", READ},
    {"/etc/pki/tls/certs", READ},
    {"/etc/pki/tls/openssl.cnf", READ},
    {"/etc/protocols", READ},
    {"/etc/python3", READ},
    {"/etc/python3.11", READ},
    {"/etc/python3.12", READ},
    {"/etc/python3.13", READ},
    {"/etc/resolv.conf", READ},
    {"/etc/services", READ},
    {"/etc/ssl/cert.pem", READ},
    {"/etc/ssl/certs", READ},
    {"/etc/ssl/openssl.cnf", READ},
    {"/etc/timezone", READ},
    {"/var/lib/ca-certificates", READ},
    {"/proc", READ},
    {"/sys/devices/system/cpu", READ},
    {"/sys/fs/cgroup", READ}, /* Node that cannot read its limit believes it has no memory at all */
    {"/dev/null", USE},
    {"/dev/zero", USE},
    {"/dev/full", USE},
    {"/dev/random", USE},
    {"/dev/urandom", USE},
};

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

/* All rights that exist, of which the listed paths get some. */
static uint64_t handled(int abi)
{
    uint64_t all = (1ULL << 13) - 1;
    if (abi >= 2)
        all |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        all |= ACCESS_TRUNCATE;
    if (abi >= 5)
        all |= ACCESS_IOCTL_DEV;
    return all;
}

/* A path that is not there, or cannot be looked at, cannot be used either. */
static int allow(int ruleset, uint64_t all, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access & all};
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : errno;
    rule.parent_fd = fd;
    int error = fstat(fd, &st) == 0 ? 0 : errno;
    if (error == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_FILES;
    if (error == 0 &&
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        error = errno;
    close(fd);
    return error;
}

static int allow_all(int ruleset, uint64_t all, const char *const *paths, uint64_t access)
{
    int error = 0;
    for (size_t i = 0; paths && paths[i] && error == 0; i++)
        error = allow(ruleset, all, paths[i], access);
    return error;
}

int landlock_rules(int abi, const char *const *read, const char *const *write,
                   const char *const *places, const char *tmp)
{
    struct ruleset attr = {.fs = handled(abi), .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, RULESET_BYTES(abi), 0);
    if (fd < 0)
        return -1;
    int error = 0;
    for (size_t i = 0; i < COUNTOF(system_paths) && error == 0; i++)
        error = allow(fd, attr.fs, system_paths[i].path, system_paths[i].access);
    if (error == 0)
        error = allow_all(fd, attr.fs, read, RUN);
    if (error == 0)
        error = allow_all(fd, attr.fs, write, OWN);
    if (error == 0)
        error = allow_all(fd, attr.fs, places, RUN);
    if (error == 0 && tmp[0])
        error = allow(fd, attr.fs, tmp, OWN);
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

int landlock_enter(int abi, const char *const *read, const char *const *write,
                   const char *const *places, const char *tmp)
{
    int fd = landlock_rules(abi, read, write, places, tmp);
    if (fd < 0)
        return errno;
    int error = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : errno;
    close(fd);
    return error;
}
