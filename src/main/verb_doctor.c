/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor: what this machine gives to functions and to the gateway, found by looking, changed by
 * nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "cage.h"
#include "lambda/runtime.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

struct finding {
    const char *name;
    bool good;
    char text[400];
};

/* What functions of the newest runtime of that family would run on. */
static void find_interpreter(const char *runtime, const char *variable, struct finding *f)
{
    const struct runtime_places places = {getenv("ROPELINE_NODE"), getenv("ROPELINE_PYTHON"),
                                          getenv("PATH")};
    struct runtime_name name = {0};
    struct interpreter i = {0};
    struct arena *a = arena_new(KIB(1), KIB(64));
    enum err err = a ? runtime_parse(str_c(runtime), &name, NULL) : ERR_NOMEM;
    if (err == ERR_OK)
        err = runtime_interpreter(a, &places, &name, &i);
    f->good = err == ERR_OK && i.path;
    if (!f->good)
        snprintf(f->text, sizeof f->text, "none found; set %s or install it", variable);
    else if (i.major == 0)
        snprintf(f->text, sizeof f->text, "%s", i.path);
    else
        snprintf(f->text, sizeof f->text, i.minor ? "%s (%u.%u)" : "%s (%u)", i.path, i.major,
                 i.minor);
    arena_free(a);
}

static void find_node(struct finding *f)
{
    find_interpreter("nodejs24.x", "ROPELINE_NODE", f);
}

static void find_python(struct finding *f)
{
    find_interpreter("python3.14", "ROPELINE_PYTHON", f);
}

static void find_files(struct finding *f)
{
    struct rlimit r = {0, 0};
    (void)getrlimit(RLIMIT_NOFILE, &r);
    f->good = r.rlim_cur >= 4096;
    snprintf(f->text, sizeof f->text, "%llu open files%s", (unsigned long long)r.rlim_cur,
             f->good ? "" : ": raise it with ulimit -n 65536");
}

static void find_user(struct finding *f)
{
    f->good = geteuid() != 0;
    snprintf(f->text, sizeof f->text, "uid %u%s", (unsigned)geteuid(),
             f->good ? ": functions run as this user"
                     : ": dev runs functions as root, without its capabilities");
}

static void find_kernel(struct finding *f)
{
    struct utsname u;
    f->good = uname(&u) == 0;
    snprintf(f->text, sizeof f->text, "%.60s %.60s, %ld cores", f->good ? u.sysname : "?",
             f->good ? u.release : "?", sysconf(_SC_NPROCESSORS_ONLN));
}

/* --- how functions are kept apart ------------------------------------------------------------ */

static struct cage_facts cage;

static void find_isolation(struct finding *f)
{
    const struct cage_options o = {.level = CHILD_DEFAULT};
    AUTO_BUF text = BUF_INIT(KIB(2));
    cage_examine(&cage);
    cage_describe(&o, &cage, &text);
    f->good = cage.landlock && cage.seccomp;
    snprintf(f->text, sizeof f->text, "%s", buf_cstr(&text));
}

static void find_landlock(struct finding *f)
{
    f->good = cage.landlock >= 6;
    if (cage.landlock)
        snprintf(f->text, sizeof f->text, "ABI %d%s", cage.landlock,
                 f->good ? "" : ": signals and abstract sockets need 6 (kernel 6.12)");
    else
        snprintf(f->text, sizeof f->text,
                 "none: functions can open what this user can (kernel 5.13 and newer, with "
                 "landlock in lsm=)");
}

static void find_seccomp(struct finding *f)
{
    f->good = cage.seccomp;
    snprintf(f->text, sizeof f->text, "%s",
             f->good ? "filters" : "none: this kernel was built without it");
}

static void find_cgroup(struct finding *f)
{
    f->good = cage.memory && cage.pids;
    snprintf(f->text, sizeof f->text, "%s%s",
             f->good ? "memory and pids are limited" : "no: ", cage.cgroup_why);
}

static void find_freezer(struct finding *f)
{
    f->good = cage.freezer;
    snprintf(f->text, sizeof f->text, "%s",
             f->good ? "--freeze 1 works" : "no: no cgroup of version 2 that we may write");
}

static void find_mounts(struct finding *f)
{
    f->good = cage.tmp;
    snprintf(f->text, sizeof f->text, "%s%s",
             f->good ? "each function can have a /tmp of its own" : "no: ", cage.tmp_why);
}

static void find_uids(struct finding *f)
{
    f->good = cage.uids_why[0] == '\0';
    snprintf(f->text, sizeof f->text, "%s%s",
             f->good ? "serve as root gives each environment its own (function_uids)" : "no: ",
             cage.uids_why);
}

static void find_strict(struct finding *f)
{
    f->good = cage.namespaces;
    snprintf(f->text, sizeof f->text, "%s%s",
             f->good ? "--isolation strict works" : "no: ", cage.strict_why);
}

static const struct {
    const char *name;
    void (*find)(struct finding *f);
} looks[] = {
    {"kernel", find_kernel},     {"node", find_node},       {"python", find_python},
    {"files", find_files},       {"user", find_user},       {"isolation", find_isolation},
    {"landlock", find_landlock}, {"seccomp", find_seccomp}, {"cgroup", find_cgroup},
    {"freezer", find_freezer},   {"own /tmp", find_mounts}, {"own uid", find_uids},
    {"strict", find_strict},
};

int verb_doctor(int argc, char **argv)
{
    static struct options o;
    AUTO_BUF json = BUF_INIT(KIB(16));
    bool good = true;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o) || o.positionals)
        return 2;
    if (option_is(&o, "help")) {
        printf("usage: ropeline doctor [--json]\n\n");
        options_help(rows, COUNTOF(rows));
        return 0;
    }
    buf_addc(&json, '[');
    for (size_t i = 0; i < COUNTOF(looks); i++) {
        struct finding f = {.name = looks[i].name};
        looks[i].find(&f);
        if (strcmp(f.name, "node") == 0)
            good = f.good; /* the only thing without which functions cannot run */
        buf_addf(&json, "%s{\"name\":\"%s\",\"ok\":%s,\"text\":", i ? "," : "", f.name,
                 f.good ? "true" : "false");
        json_write_str(&json, str_c(f.text));
        buf_addc(&json, '}');
        if (!option_is(&o, "json"))
            printf("%-10s %-4s %s\n", f.name, f.good ? "ok" : "note", f.text);
    }
    buf_addc(&json, ']');
    if (option_is(&o, "json"))
        puts(buf_cstr(&json));
    return good ? 0 : 1;
}
