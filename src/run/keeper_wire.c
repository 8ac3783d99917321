/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing and unpacking a spawn. The keeper trusts nothing in it: a count is compared with its cap
 * before it is used, and the strings must fill the packet exactly. */
#include "run/keeper_wire.h"

static void add_strings(struct buf *out, const char *const *strings)
{
    for (; *strings; strings++)
        buf_add(out, str_of(*strings, strlen(*strings) + 1));
}

static uint32_t count_strings(const char *const *strings)
{
    uint32_t n = 0;
    while (strings[n])
        n++;
    return n;
}

enum err keeper_spawn_encode(const struct child_spec *spec, uint32_t id, struct buf *out)
{
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
    buf_add(out, str_of(&s, sizeof s));
    buf_add(out, str_of(spec->cwd, strlen(spec->cwd) + 1));
    add_strings(out, spec->argv);
    add_strings(out, spec->env);
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
    char *at = packet + sizeof *s, *end = packet + n;
    out->cwd = take_string(&at, end);
    if (!out->cwd || !take_strings(&at, end, out->argv, s->argc) ||
        !take_strings(&at, end, out->env, s->envc) || at != end)
        return ERR_SYNTAX;
    if (out->cwd[0] != '/' || out->argv[0][0] != '/')
        return ERR_SYNTAX;
    for (uint32_t i = 0; i < s->envc; i++) {
        if (!strchr(out->env[i], '='))
            return ERR_SYNTAX;
    }
    return ERR_OK;
}
