/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of functions with a uid of their own, from the range function_uids: none has the uid of
 * another that still has memory. What such a process leaves behind is its uid's, so it is removed
 * by a process of that uid: this program, run as the verb `empty-tmp`. */
#include <limits.h>
#include <unistd.h>

#include "base/log.h"
#include "environment_int.h"

static bool is_taken(const struct lambda *l, uint32_t uid)
{
    for (const struct function *f = l->functions; f; f = f->next)
        for (size_t s = 0; s < ENV_STATES; s++)
            for (const struct environment *env = f->envs[s].first; env; env = env->next)
                if (env->uid == uid)
                    return true;
    return lambda__worker_is(l, uid) || lambda__cache_maker_is(l, uid);
}

/* In turn, so that a uid rests as long as possible before somebody else has it. */
enum err lambda__uid_take(struct lambda *l, uint32_t *out)
{
    *out = 0;
    for (uint32_t i = 0; i < l->o.uid_count; i++) {
        uint32_t uid = l->o.uid_first + l->uid_next++ % l->o.uid_count;
        if (is_taken(l, uid))
            continue;
        *out = uid;
        return ERR_OK;
    }
    if (l->o.uid_count == 0)
        return ERR_OK;
    log_error("lambda", "every uid of function_uids is taken: give it a larger range");
    return ERR_LIMIT;
}

enum err lambda__uid_empty(struct lambda *l, uint32_t uid, const char *name, child_exit_fn done,
                           void *arg)
{
    static const char *const none[] = {NULL}, *const program[] = {"/proc/self/exe", NULL};
    struct child *child;
    enum err err = ERR_NOMEM;
    struct arena *a = arena_new(KIB(8), KIB(64));
    if (!a)
        return ERR_NOMEM;
    /* A fork's directory lies in its template's. Of what it may use otherwise nothing is shown, and
     * it is held to its own: there is no other /tmp that it could take for its own. */
    struct str inside, whole = str_cut(str_c(name), '/', &inside);
    struct str tmp = arena_fmt(a, "%s/%.*s", l->tmp_dir, STR_ARG(whole));
    const char *seen =
        arena_cstr(a, arena_fmt(a, inside.n > 0 ? "/tmp/%.*s" : "/tmp%.*s", STR_ARG(inside)));
    const struct child_cage cage = {.level = CHILD_DEFAULT,
                                    .uid = uid,
                                    .gid = uid,
                                    .tmp = tmp.p,
                                    .hide = l->o.state_dir,
                                    .read = program};
    const char *const argv[] = {program[0], "empty-tmp", seen, NULL};
    const struct child_spec spec = {.argv = argv, .env = none, .cwd = "/", .cage = &cage};
    if (tmp.p && seen)
        err = child_spawn(l->o.keeper, &spec, done, arg, &child);
    arena_free(a);
    return err;
}

void lambda__uid_emptied(const struct lambda *l, const char *name, const struct child_exit *how)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", l->tmp_dir, name);
    bool gone = how->err == ERR_OK && how->status == 0, forked = strchr(name, '/') != NULL;
    if (gone && !forked) /* a fork's own has gone with what was in it */
        gone = n > 0 && (size_t)n < sizeof path && rmdir(path) == 0;
    if (!gone)
        log_warn("lambda", "cannot remove tmp/%s", name);
}
