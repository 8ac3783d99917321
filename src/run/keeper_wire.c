/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing and unpacking a spawn. The keeper trusts nothing in it: a count is compared with its cap
 * before it is used, and the strings must fill the packet exactly. */
#include "run/keeper_wire.h"

const char *child_step_name(enum child_step s)
{
    static const char *const names[CHILD_STEPS] = {
#define X(name, text) text,
        CHILD_STEP_MAP(X)
#undef X
    };
    return s < CHILD_STEPS ? names[s] : "";
}

static void add_strings(struct buf *out, const char *const *strings)
{
    for (; strings && *strings; strings++)
        buf_add(out, str_of(*strings, strlen(*strings) + 1));
}

static uint32_t count_strings(const char *const *strings)
{
    uint32_t n = 0;
    while (strings && strings[n])
        n++;
    return n;
}

static bool are_absolute(const char *const *paths, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (paths[i][0] != '/')
            return false;
    }
    return true;
}

static bool is_absolute_or_none(const char *path)
{
    return path[0] == '/' || path[0] == '\0';
}

static const char *or_none(const char *path)
{
    return path ? path : "";
}

static enum err add_cage(struct keeper_spawn *s, const struct child_cage *c)
{
    s->level = c->level;
    s->uid = c->uid;
    s->gid = c->gid;
    s->pids = c->pids;
    s->memory = c->memory;
    s->opens_itself = c->opens_itself;
    s->readc = count_strings(c->read);
    s->writec = count_strings(c->write);
    if (s->readc > LIMIT_CHILD_PATHS || s->writec > LIMIT_CHILD_PATHS)
        return ERR_LIMIT;
    bool valid = are_absolute(c->read, s->readc) && are_absolute(c->write, s->writec) &&
                 is_absolute_or_none(or_none(c->tmp)) && is_absolute_or_none(or_none(c->hide)) &&
                 is_absolute_or_none(or_none(c->task)) && is_absolute_or_none(or_none(c->opt));
    return valid ? ERR_OK : ERR_INVALID;
}

enum err keeper_spawn_encode(const struct child_spec *spec, uint32_t id, struct buf *out)
{
    static const struct child_cage none = {.level = CHILD_NONE};
    const struct child_cage *cage = spec->cage ? spec->cage : &none;
    struct keeper_spawn s = {.head = {KEEPER_SPAWN, id},
                             .fd_count = spec->fd_count,
                             .nofile = spec->nofile,
                             .nproc = spec->nproc,
                             .fsize = spec->fsize,
                             .argc = count_strings(spec->argv),
                             .envc = count_strings(spec->env)};
    if (s.argc == 0 || spec->argv[0][0] != '/' || !spec->cwd || spec->cwd[0] != '/')
        return ERR_INVALID;
    if (s.argc > LIMIT_CHILD_ARGS || s.envc > LIMIT_CHILD_ENV || s.fd_count > CHILD_FDS)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < s.envc; i++) {
        if (!strchr(spec->env[i], '='))
            return ERR_INVALID;
    }
    for (uint32_t i = 0; i < s.fd_count; i++) {
        if (spec->fds[i] >= 0)
            s.fd_mask |= 1U << i;
    }
    enum err err = add_cage(&s, cage);
    if (err != ERR_OK)
        return err;
    const char *const places[] = {or_none(cage->tmp), or_none(cage->hide), or_none(cage->task),
                                  or_none(cage->opt), NULL};
    buf_add(out, str_of(&s, sizeof s));
    buf_add(out, str_of(spec->cwd, strlen(spec->cwd) + 1));
    add_strings(out, spec->argv);
    add_strings(out, spec->env);
    add_strings(out, places);
    add_strings(out, cage->read);
    add_strings(out, cage->write);
    return out->err;
}

/* Cuts the next string off the packet; NULL when none is left. */
static char *take_string(char **at, char *end)
{
    char *s = *at;
    char *nul = s < end ? memchr(s, 0, (size_t)(end - s)) : NULL;
    if (!nul)
        return NULL;
    *at = nul + 1;
    return s;
}

static bool take_strings(char **at, char *end, char **out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!(out[i] = take_string(at, end)))
            return false;
    }
    out[n] = NULL;
    return true;
}

static bool take_cage(char **at, char *end, struct keeper_request *out)
{
    const struct keeper_spawn *s = &out->spawn;
    char *places[5];
    if (!take_strings(at, end, places, 4) || !take_strings(at, end, out->read, s->readc) ||
        !take_strings(at, end, out->write, s->writec))
        return false;
    out->tmp = places[0];
    out->hide = places[1];
    out->task = places[2];
    out->opt = places[3];
    return is_absolute_or_none(out->tmp) && is_absolute_or_none(out->hide) &&
           is_absolute_or_none(out->task) && is_absolute_or_none(out->opt) &&
           are_absolute((const char *const *)out->read, s->readc) &&
           are_absolute((const char *const *)out->write, s->writec);
}

enum err keeper_spawn_decode(char *packet, size_t n, unsigned fds, struct keeper_request *out)
{
    struct keeper_spawn *s = &out->spawn;
    if (n < sizeof *s || n > LIMIT_KEEPER_MESSAGE)
        return ERR_SYNTAX;
    memcpy(s, packet, sizeof *s);
    if (s->head.kind != KEEPER_SPAWN || s->head.id == 0)
        return ERR_SYNTAX;
    if (s->argc == 0 || s->argc > LIMIT_CHILD_ARGS || s->envc > LIMIT_CHILD_ENV)
        return ERR_SYNTAX;
    if (s->fd_count > CHILD_FDS || s->fd_mask >> s->fd_count != 0 ||
        (unsigned)__builtin_popcount(s->fd_mask) != fds)
        return ERR_SYNTAX;
    if (s->level >= CHILD_LEVELS || s->opens_itself > 1 || s->readc > LIMIT_CHILD_PATHS ||
        s->writec > LIMIT_CHILD_PATHS)
        return ERR_SYNTAX;
    char *at = packet + sizeof *s, *end = packet + n;
    out->cwd = take_string(&at, end);
    if (!out->cwd || !take_strings(&at, end, out->argv, s->argc) ||
        !take_strings(&at, end, out->env, s->envc) || !take_cage(&at, end, out) || at != end)
        return ERR_SYNTAX;
    if (out->cwd[0] != '/' || out->argv[0][0] != '/')
        return ERR_SYNTAX;
    for (uint32_t i = 0; i < s->envc; i++) {
        if (!strchr(out->env[i], '='))
            return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err keeper_adopt_decode(const char *packet, size_t n, struct keeper_adopt *out)
{
    if (n != sizeof *out)
        return ERR_SYNTAX;
    memcpy(out, packet, sizeof *out);
    bool valid = out->head.kind == KEEPER_ADOPT && out->head.id != 0 && out->pid > 1 &&
                 out->level < CHILD_LEVELS;
    return valid ? ERR_OK : ERR_SYNTAX;
}
