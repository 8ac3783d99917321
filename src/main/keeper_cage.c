/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a cage this machine can give, decided once; and the order in which a child puts it on.
 * At the default level what the kernel lacks is left out and said; at strict nothing is left out.
 * Whatever is decided to be there and then fails keeps the child from starting. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/keeper_int.h"
#include "run/landlock.h"

/* --- what there is --------------------------------------------------------------------------- */

static void add_part(struct buf *out, bool *first, const char *text)
{
    buf_addz(out, *first ? "" : ", ");
    buf_addz(out, text);
    *first = false;
}

static void add_missing(struct buf *out, bool *first, const char *name, const char *why)
{
    buf_addz(out, *first ? "; not: " : ", ");
    buf_addz(out, name);
    if (why[0])
        buf_addf(out, " (%s)", why);
    *first = false;
}

static const char *level_name(enum child_level level)
{
    return level == CHILD_STRICT ? "strict" : level == CHILD_DEFAULT ? "default" : "none";
}

void cage_describe(const struct cage_options *o, const struct cage_facts *f, struct buf *out)
{
    bool first = true;
    buf_addf(out, "isolation %s: ", level_name(o->level));
    if (o->level == CHILD_NONE) {
        buf_addz(out, "functions can do whatever the user can who runs them");
        return;
    }
    if (f->landlock) {
        add_part(out, &first, "Landlock");
        buf_addf(out, " (ABI %d)", f->landlock);
    }
    if (f->seccomp)
        add_part(out, &first, "seccomp");
    if (f->memory || f->pids)
        add_part(out, &first,
                 f->memory && f->pids ? "cgroup (memory, pids)"
                 : f->memory          ? "cgroup (memory)"
                                      : "cgroup (pids)");
    if (o->level == CHILD_STRICT)
        add_part(out, &first, o->no_network ? "namespaces (no network)" : "namespaces");
    if (f->tmp || o->level == CHILD_STRICT)
        add_part(out, &first, "own /tmp");
    if (f->uids)
        add_part(out, &first, "a uid for each");
    if (first)
        buf_addz(out, "session and limits");
    first = true;
    if (!f->landlock)
        add_missing(out, &first, "Landlock", "the kernel has none or it is off");
    else if (f->landlock < 6)
        add_missing(out, &first, "signals and abstract sockets", "Landlock ABI 6");
    if (!f->seccomp)
        add_missing(out, &first, "seccomp", "");
    if (!f->memory || !f->pids)
        add_missing(out, &first, "cgroup", f->cgroup_why);
    if (!f->tmp && o->level != CHILD_STRICT)
        add_missing(out, &first, "own /tmp", f->tmp_why);
    if (!f->uids)
        add_missing(out, &first, "own uid", f->uids_why[0] ? f->uids_why : "function_uids");
}

/* In a container not all numbers need be users. */
static bool are_mapped(const struct cage_options *o)
{
    uint64_t inside, outside, count;
    FILE *f = fopen("/proc/self/uid_map", "re");
    bool found = false;
    while (f && !found &&
           fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) == 3)
        found = inside <= o->uid_first && o->uid_first + (uint64_t)o->uid_count <= inside + count;
    if (f)
        (void)fclose(f);
    return found;
}

/* What functions leave is removed by our own program, as their uid. */
static bool is_for_others(void)
{
    struct stat st;
    return stat("/proc/self/exe", &st) == 0 && (st.st_mode & S_IXOTH);
}

static void look_at_uids(struct keeper_cage *c)
{
    struct cage_facts *f = &c->facts;
    const char *why = geteuid() != 0     ? "only root can give others a uid"
                      : !f->tmp          ? "root may not mount (a container without CAP_SYS_ADMIN?)"
                      : !is_for_others() ? "others may not execute this program: chmod o+x"
                      : c->o.uid_count > 0 && !are_mapped(&c->o)
                          ? "this machine or container has no such uids"
                          : "";
    snprintf(f->uids_why, sizeof f->uids_why, "%s", why);
    f->uids = c->o.uid_count > 0 && why[0] == '\0';
}

static void look(struct keeper_cage *c, pid_t keeper)
{
    struct cage_facts *f = &c->facts;
    f->landlock = landlock_abi();
    f->seccomp = keeper__seccomp_build(&c->filter);
    keeper__cgroup_open(&c->cgroup, f, keeper);
    f->uids = c->o.uid_count > 0 && geteuid() == 0;
    keeper__namespace_look(c);
    look_at_uids(c);
}

void keeper__cage_open(struct keeper_cage *c, const struct cage_options *o,
                       const struct privilege *user, pid_t keeper)
{
    *c = (struct keeper_cage){
        .o = *o, .user = user, .cgroup = {.memory = -1, .pids = -1, .kill = -1}};
    if (o->level > CHILD_NONE)
        look(c, keeper);
}

void keeper__cage_say(const struct keeper_cage *c)
{
    AUTO_BUF text = BUF_INIT(KIB(2));
    cage_describe(&c->o, &c->facts, &text);
    printf("ropeline: %s\n", buf_cstr(&text));
    fflush(stdout);
}

void keeper__cage_close(struct keeper_cage *c)
{
    keeper__cgroup_close(&c->cgroup, getpid());
    mem_free(c->filter.filter);
    c->filter.filter = NULL;
}

static void look_at_strict(struct keeper *k)
{
    struct cage_facts *f = &k->cage.facts;
    enum child_step step = CHILD_STEP_NONE;
    const char *lacks = !f->landlock  ? "the kernel has no Landlock, or it is off"
                        : !f->seccomp ? "no seccomp filters"
                                      : NULL;
    int error = lacks ? 0 : keeper__try_strict(k, &step);
    f->namespaces = !lacks && error == 0;
    if (!f->namespaces)
        snprintf(f->strict_why, sizeof f->strict_why, "%s%s%s",
                 lacks ? lacks : child_step_name(step), error ? ": " : "",
                 error ? strerror(error) : "");
}

bool keeper__cage_suffices(struct keeper *k)
{
    struct cage_facts *f = &k->cage.facts;
    if (k->cage.o.uids_asked && k->cage.o.uid_count > 0 && !f->uids) {
        keeper__complain("function_uids cannot be had here: %s", f->uids_why);
        return false;
    }
    if (k->cage.o.freezes && !f->freezer) {
        keeper__complain("--freeze 1 cannot be had here: %s",
                         k->cage.o.level == CHILD_NONE
                             ? "isolation none has no cgroups"
                             : "no cgroup of version 2 that we may write");
        return false;
    }
    if (k->cage.o.level != CHILD_STRICT)
        return true;
    look_at_strict(k);
    if (!f->namespaces)
        keeper__complain(
            "isolation strict cannot be had here: %s; `ropeline doctor` says what this "
            "machine gives, --isolation default takes what there is",
            f->strict_why);
    return f->namespaces;
}

void cage_examine(struct cage_facts *out)
{
    const struct cage_options o = {.level = CHILD_DEFAULT};
    struct keeper *k = mem_alloc(sizeof *k);
    *out = (struct cage_facts){0};
    if (!k)
        return;
    if (keeper__spawn_open(k)) {
        keeper__cage_open(&k->cage, &o, NULL, k->self);
        look_at_strict(k);
        *out = k->cage.facts;
        keeper__cage_close(&k->cage);
    }
    keeper__spawn_close(k);
    mem_free(k);
}

const char *keeper__cage_judge(const struct keeper_cage *c, const struct keeper_request *q)
{
    const struct keeper_spawn *s = &q->spawn;
    if (s->uid == 0 && s->gid == 0)
        return NULL;
    if (!c->facts.uids || s->gid != s->uid || s->uid < c->o.uid_first ||
        s->uid - c->o.uid_first >= c->o.uid_count)
        return "a uid that is not of function_uids";
    return NULL;
}

/* A directory of the gateway's becomes the child's; nothing of anybody else can. */
int keeper__cage_give(const struct keeper *k)
{
    const struct keeper_request *q = &k->request;
    struct stat st;
    uid_t gateway = k->o->user ? k->o->user->uid : k->uid;
    if (!q->spawn.uid || !q->tmp[0])
        return 0;
    int fd = open(q->tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fstat(fd, &st) == 0 ? 0 : errno;
    if (error == 0 && st.st_uid != gateway && st.st_uid != q->spawn.uid)
        error = EPERM;
    if (error == 0 && fchown(fd, q->spawn.uid, q->spawn.gid) != 0)
        error = errno;
    close(fd);
    return error;
}

/* --- putting it on --------------------------------------------------------------------------- */

/* Root that may do nothing: exec gives back none of what is not in the bounding set. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return errno;
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) == 0 ? 0 : errno;
}

/* Its own uid, the gateway's, or root without anything that makes it root. */
static int change_user(const struct keeper_cage *c, const struct keeper_spawn *s)
{
    const struct privilege own = {.uid = s->uid, .gid = s->gid, .root = true};
    const struct privilege *user = s->uid ? &own : c->user;
    if (user && user->root)
        return privilege_become(user) ? 0 : errno;
    return s->level > CHILD_NONE && geteuid() == 0 ? drop_capabilities() : 0;
}

static bool has_own_tmp(const struct keeper_cage *c, const struct keeper_request *q)
{
    return q->spawn.level == CHILD_STRICT || (c->facts.tmp && keeper__mounts_wants_tmp(q));
}

int keeper__cage_surround(const struct keeper_cage *c, const struct keeper_request *q, uid_t uid,
                          gid_t gid, enum child_step *step)
{
    int error = 0;
    if (q->spawn.level == CHILD_NONE || (q->spawn.level == CHILD_DEFAULT && !c->facts.tmp))
        return 0;
    *step = CHILD_STEP_NAMESPACES;
    if (q->spawn.level == CHILD_STRICT)
        error = keeper__namespace_strict(c, uid, gid);
    else
        error = keeper__namespace_enter(c->userns);
    if (error != 0)
        return error;
    *step = CHILD_STEP_MOUNTS;
    return q->spawn.level == CHILD_STRICT ? keeper__mounts_strict(q, c->user)
                                          : keeper__mounts_default(q, c->user);
}

/* Where a strict child sees what else has names of its own. */
static const char *const strict_places[] = {"/var/task", "/opt", NULL};

int keeper__cage_enter(const struct keeper_cage *c, const struct keeper_request *q,
                       enum child_step *step)
{
    const struct keeper_spawn *s = &q->spawn;
    int error = 0;
    *step = CHILD_STEP_UID;
    error = change_user(c, s);
    if (error != 0)
        return error;
    *step = CHILD_STEP_LIMITS;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    if (s->level == CHILD_NONE)
        return 0;
    *step = CHILD_STEP_LANDLOCK;
    if (c->facts.landlock && !s->opens_itself)
        error = landlock_enter(
            c->facts.landlock, (const char *const *)q->read, (const char *const *)q->write,
            s->level == CHILD_STRICT ? strict_places : NULL, has_own_tmp(c, q) ? "/tmp" : q->tmp);
    if (error != 0)
        return error;
    *step = CHILD_STEP_SECCOMP;
    return c->facts.seccomp ? keeper__seccomp_enter(&c->filter) : 0;
}
