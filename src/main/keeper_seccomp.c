/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls that no function needs and that have opened kernels before: they fail with EPERM.
 * The filter is compiled once, in the keeper, and is the same for everybody. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/keeper_cage.h"

#define NEW_NAMESPACES                                                                         \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
     CLONE_NEWCGROUP)

/* By name, because an old library or kernel may not know one: that one needs no rule. */
static const char *const denied[] = {
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    /* file systems and namespaces */
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns", "quotactl", "quotactl_fd",
    "name_to_handle_at", "open_by_handle_at", "fanotify_init", "swapon", "swapoff",
    /* the kernel itself */
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "reboot", "syslog", "acct", "lookup_dcookie", "nfsservctl", "iopl", "ioperm",
    "modify_ldt", "uselib", "_sysctl", "vhangup",
    /* keys, clocks and names of the machine */
    "add_key", "request_key", "keyctl", "settimeofday", "clock_settime", "clock_settime64", "stime",
    "sethostname", "setdomainname"};

/* Socket families whose code is large, rarely used and reachable by anybody. */
static const int families[] = {AF_AX25,      AF_NETROM, AF_ATMPVC, AF_X25,  AF_ROSE, AF_KEY,
                               AF_PACKET,    AF_RDS,    AF_CAN,    AF_TIPC, AF_ALG,  AF_VSOCK,
                               AF_BLUETOOTH, AF_NFC,    AF_KCM,    AF_SMC,  AF_XDP};

static int add_rules(scmp_filter_ctx x)
{
    for (size_t i = 0; i < COUNTOF(denied); i++) {
        int number = seccomp_syscall_resolve_name(denied[i]);
        if (number == __NR_SCMP_ERROR)
            continue;
        int rc = seccomp_rule_add(x, SCMP_ACT_ERRNO(EPERM), number, 0);
        if (rc != 0 && rc != -EDOM)
            return rc;
    }
    for (size_t i = 0; i < COUNTOF(families); i++) {
        int rc = seccomp_rule_add(x, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                  (struct scmp_arg_cmp){.arg = 0,
                                                        .op = SCMP_CMP_EQ,
                                                        .datum_a = (scmp_datum_t)families[i]});
        if (rc != 0)
            return rc;
    }
    /* One rule for each bit: a mask asks whether all of its bits are set. */
    for (unsigned bit = 0; bit < 32; bit++) {
        scmp_datum_t flag = (scmp_datum_t)1 << bit;
        if (!(flag & NEW_NAMESPACES))
            continue;
        int rc = seccomp_rule_add(
            x, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
            (struct scmp_arg_cmp){
                .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = flag, .datum_b = flag});
        if (rc != 0)
            return rc;
    }
    /* RLIMIT_RTTIME tells whose a process is (keeper_marks.c): it may be read and not be set. */
    const struct scmp_arg_cmp first = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = RLIMIT_RTTIME};
    const struct scmp_arg_cmp second = {.arg = 1, .op = SCMP_CMP_EQ, .datum_a = RLIMIT_RTTIME};
    const struct scmp_arg_cmp given = {.arg = 2, .op = SCMP_CMP_NE, .datum_a = 0};
    int rc = seccomp_rule_add(x, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setrlimit), 1, first);
    if (rc == 0)
        rc = seccomp_rule_add(x, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 2, second, given);
    if (rc != 0)
        return rc;
    /* Its flags stand in memory, where no filter sees them: libraries then use clone. */
    return seccomp_rule_add(x, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static bool read_filter(int fd, struct sock_fprog *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0 ||
        (size_t)st.st_size > BPF_MAXINSNS * sizeof(struct sock_filter))
        return false;
    size_t n = (size_t)st.st_size;
    out->filter = mem_alloc(n);
    if (!out->filter || pread(fd, out->filter, n, 0) != (ssize_t)n) {
        mem_free(out->filter);
        out->filter = NULL;
        return false;
    }
    out->len = (unsigned short)(n / sizeof(struct sock_filter));
    return true;
}

bool keeper__seccomp_build(struct sock_fprog *out)
{
    *out = (struct sock_fprog){0};
    uint32_t action = SECCOMP_RET_ERRNO;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
        return false;
    scmp_filter_ctx x = seccomp_init(SCMP_ACT_ALLOW);
    int fd = memfd_create("filter", MFD_CLOEXEC);
    /* Programs for another word size of this machine: refused, not killed. */
    bool built = x && fd >= 0 &&
                 seccomp_attr_set(x, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) == 0 &&
                 add_rules(x) == 0 && seccomp_export_bpf(x, fd) == 0 && read_filter(fd, out);
    if (fd >= 0)
        close(fd);
    if (x)
        seccomp_release(x);
    return built;
}

int keeper__seccomp_enter(const struct sock_fprog *filter)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, filter) ==
                   0
               ? 0
               : errno;
}
