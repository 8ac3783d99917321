/* SPDX-License-Identifier: Apache-2.0
 *
 * Versions of functions. A version never changes: another spec or other code makes another one, so
 * that an environment, a cache key or a log line that refers to it means exactly one thing. */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "environment_int.h"
#include "registry_int.h"

#define MEMORY_MIN_MB 128
#define TIMEOUT_MIN_MS 1000
#define ARN_MAX 512

/* --- checks ----------------------------------------------------------------------------------
 */

enum err lambda__check_name(struct str name, struct errinfo *e)
{
    bool valid = name.n > 0 && name.n <= LIMIT_FUNCTION_NAME;
    for (size_t i = 0; valid && i < name.n; i++) {
        char c = name.p[i];
        valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '-' || c == '_';
    }
    if (valid)
        return ERR_OK;
    return errinfo_set(e, ERR_INVALID,
                       "function name \"%.*s\": 1 to %d letters, digits, hyphens and underscores",
                       STR_ARG(str_sub(name, 0, 64)), LIMIT_FUNCTION_NAME);
}

/* A document and the control plane cannot both have it. */
static enum err check_owner(const struct lambda *l, const struct function_spec *spec,
                            struct errinfo *e)
{
    if (!spec->file || !registry__find(l->registry, spec->name))
        return ERR_OK;
    return errinfo_set(e, ERR_CONFLICT,
                       "the function %.*s was made by the control plane: delete it there, or give "
                       "this one another name",
                       STR_ARG(spec->name));
}

/* It becomes a header of every event. */
static enum err check_arn(struct str arn, struct errinfo *e)
{
    if (arn.n <= ARN_MAX && http_is_field_value(arn))
        return ERR_OK;
    return errinfo_set(e, ERR_INVALID, "the function's ARN is not one");
}

static enum err check_sizes(const struct function_spec *spec, struct errinfo *e)
{
    if (spec->timeout_ms &&
        (spec->timeout_ms < TIMEOUT_MIN_MS || spec->timeout_ms > LIMIT_FUNCTION_TIMEOUT_MS))
        return errinfo_set(e, ERR_INVALID, "Timeout must be from 1 to %d seconds",
                           LIMIT_FUNCTION_TIMEOUT_MS / 1000);
    if (spec->memory_mb &&
        (spec->memory_mb < MEMORY_MIN_MB || spec->memory_mb > LIMIT_FUNCTION_MEMORY_MB))
        return errinfo_set(e, ERR_INVALID, "MemorySize must be from %d to %d MB", MEMORY_MIN_MB,
                           LIMIT_FUNCTION_MEMORY_MB);
    return ERR_OK;
}

static enum err real_code_dir(struct str dir, char out[PATH_MAX], struct errinfo *e)
{
    char path[PATH_MAX];
    if (dir.n == 0 || dir.n >= sizeof path || dir.p[0] != '/' || str_chr(dir, '\0', 0) != SIZE_MAX)
        return errinfo_set(e, ERR_INVALID, "the code directory is not an absolute path");
    memcpy(path, dir.p, dir.n);
    path[dir.n] = '\0';
    if (realpath(path, out))
        return ERR_OK;
    return errinfo_set(e, ERR_NOTFOUND, "the code directory %.150s: %s", path, strerror(errno));
}

/* --- the version ----------------------------------------------------------------------------- */

static struct str version_of(const struct function_spec *s)
{
    return s->version.n > 0 ? s->version : STR("$LATEST");
}

/* All that makes two versions different besides the code. */
static void add_spec(struct buf *b, const struct function_spec *s, const char *code_dir)
{
    const struct str parts[] = {s->name, s->arn, str_c(code_dir), s->handler, s->runtime};
    for (size_t i = 0; i < COUNTOF(parts); i++) {
        buf_add(b, parts[i]);
        buf_addc(b, '\0');
    }
    buf_add(b, version_of(s));
    buf_addc(b, '\0');
    buf_addf(b, "%u %u %zu%c", s->timeout_ms, s->memory_mb, s->env_count, 0);
    buf_add(b, s->logging.group);
    buf_addf(b, "%c%d %u %u %u%c", 0, s->logging.json, s->logging.application_level,
             s->logging.system_level, s->logging.retention_days, 0);
    for (size_t i = 0; i < s->env_count; i++) {
        buf_add(b, s->env[i].name);
        buf_addc(b, '\0');
        buf_add(b, s->env[i].value);
        buf_addc(b, '\0');
    }
}

static enum err digest_of(const struct lambda *l, const struct function_spec *spec,
                          const char *code_dir, char out[65], struct errinfo *e)
{
    AUTO_BUF seed = BUF_INIT(KIB(64));
    add_spec(&seed, spec, code_dir);
    buf_add(&seed, spec->package);
    enum err err = lambda__layers_seed(l, spec, &seed, e);
    if (err != ERR_OK)
        return err;
    if (spec->package.n > 0)
        return lambda__digest(buf_str(&seed), out);
    return lambda__code_digest(code_dir, &l->state_stat, buf_str(&seed), out, e);
}

static bool copy(struct arena *a, struct str *s)
{
    *s = arena_str(a, *s);
    return s->p != NULL;
}

static bool copy_logging(struct function *f)
{
    struct function_logging *g = &f->spec.logging;
    g->application_level = g->application_level ? g->application_level : DETAIL_INFO;
    g->system_level = g->system_level ? g->system_level : DETAIL_INFO;
    if (g->group.n > 0)
        return copy(f->arena, &g->group);
    g->group = arena_fmt(f->arena, LOG_GROUP_PREFIX "%.*s", STR_ARG(f->spec.name));
    return g->group.p != NULL;
}

static enum err copy_spec(struct function *f, const struct function_spec *spec,
                          const char *code_dir, struct str opt)
{
    struct arena *a = f->arena;
    struct lambda *l = f->lambda;
    struct function_spec *s = &f->spec;
    *s = *spec;
    s->code_dir = str_c(code_dir);
    s->version = version_of(spec);
    s->env = ARENA_ARRAY(a, spec->env_count, struct function_env);
    s->layers = ARENA_ARRAY(a, spec->layer_count, struct str);
    if (!s->env || !s->layers || !copy(a, &s->name) || !copy(a, &s->arn) ||
        !copy(a, &s->code_dir) || !copy(a, &s->handler) || !copy(a, &s->runtime) ||
        !copy(a, &s->version) || !copy(a, &s->package) || !copy_logging(f))
        return ERR_NOMEM;
    for (size_t i = 0; i < spec->env_count; i++) {
        s->env[i] = spec->env[i];
        if (!copy(a, &s->env[i].name) || !copy(a, &s->env[i].value))
            return ERR_NOMEM;
    }
    for (size_t i = 0; i < spec->layer_count; i++) {
        s->layers[i] = spec->layers[i];
        if (!copy(a, &s->layers[i]))
            return ERR_NOMEM;
    }
    if (s->arn.n == 0)
        s->arn = arena_fmt(a, "arn:aws:lambda:%s:%s:function:%.*s", l->o.region, l->o.account,
                           STR_ARG(s->name));
    s->timeout_ms = s->timeout_ms ? s->timeout_ms : DEFAULT_FUNCTION_TIMEOUT_MS;
    s->memory_mb = s->memory_mb ? s->memory_mb : DEFAULT_FUNCTION_MEMORY_MB;
    s->file = NULL;
    enum err err = lambda__runtime_place(&f->runtime, s, opt, a);
    if (err != ERR_OK)
        return err;
    f->facts =
        (struct lambda__facts){.spec = s,
                               .runtime = f->runtime.name,
                               .region = str_c(l->o.region),
                               .runtime_dir = str_c(f->runtime.home->dir),
                               .handler = lambda__runtime_path(&f->runtime, s, a, s->handler),
                               .opt = f->runtime.opt};
    f->log = lambda__log_group(l, s->name);
    f->family = lambda__family(l, s->name);
    return s->arn.p && f->log && f->family && f->facts.handler.p ? lambda__credentials(a, &f->facts)
                                                                 : ERR_NOMEM;
}

void lambda__function_enter(struct lambda *l, struct function *f)
{
    f->lambda = l;
    f->next = l->functions;
    if (f->next)
        f->next->prev = f;
    l->functions = f;
    lambda__ahead_soon(l);
}

static enum err function_new(struct lambda *l, const struct function_spec *spec,
                             const char *code_dir, const char *digest, struct function **out,
                             struct errinfo *e)
{
    struct function *f = mem_alloc(sizeof *f);
    if (!f)
        return ERR_NOMEM;
    f->lambda = l;
    f->arena = arena_new(KIB(4), KIB(256));
    enum err err = ERR_NOMEM;
    struct str opt = STR_NONE;
    if (f->arena)
        err =
            lambda__runtime_choose(f->arena, &l->o.places, l->homes, spec->runtime, &f->runtime, e);
    if (err == ERR_OK)
        err = lambda__layers_open(l, spec, f->arena, &opt, e);
    if (err == ERR_OK)
        err = copy_spec(f, spec, code_dir, opt);
    if (err != ERR_OK) {
        arena_free(f->arena);
        mem_free(f);
        return err;
    }
    memcpy(f->digest, digest, sizeof f->digest);
    atomic_init(&f->refs, 1);
    lambda__function_enter(l, f);
    *out = f;
    return ERR_OK;
}

enum err lambda_function(struct lambda *l, const struct function_spec *spec, struct function **out,
                         struct errinfo *e)
{
    char code_dir[PATH_MAX], digest[65];
    struct runtime_name runtime;
    *out = NULL;
    if (e) {
        e->file = spec->file;
        e->line = spec->line;
        e->col = spec->col;
    }
    enum err err = lambda__check_name(spec->name, e);
    if (err == ERR_OK)
        err = check_owner(l, spec, e);
    if (err == ERR_OK)
        err = check_arn(spec->arn, e);
    if (err == ERR_OK)
        err = runtime_parse(spec->runtime, &runtime, e);
    if (err == ERR_OK)
        err = check_sizes(spec, e);
    if (err == ERR_OK)
        err = lambda__environ_check(spec, e);
    if (err == ERR_OK)
        err = real_code_dir(spec->code_dir, code_dir, e);
    if (err == ERR_OK)
        err = lambda__layers_check(spec, e);
    if (err == ERR_OK)
        err = lambda__runtime_find_handler(&runtime, code_dir, spec->handler, e);
    if (err == ERR_NOTFOUND && spec->layer_count > 0)
        err = ERR_OK; /* it may be in a layer, where only the runtime can tell */
    if (err == ERR_OK)
        err = digest_of(l, spec, code_dir, digest, e);
    for (struct function *f = l->functions; f && err == ERR_OK; f = f->next) {
        if (!f->retired && strcmp(f->digest, digest) == 0) {
            function_ref(f);
            *out = f;
            return ERR_OK;
        }
    }
    if (err == ERR_OK)
        err = function_new(l, spec, code_dir, digest, out, e);
    if (err == ERR_OK)
        lambda__runtime_note(*out, NULL);
    if (err != ERR_OK && e && e->code != err)
        errinfo_set(e, err, "function %.*s: %s", STR_ARG(str_sub(spec->name, 0, 140)),
                    err_text(err));
    return err;
}

void function_ref(struct function *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

static void function_free(struct function *f)
{
    struct lambda *l = f->lambda;
    if (l) {
        *(f->prev ? &f->prev->next : &l->functions) = f->next;
        if (f->next)
            f->next->prev = f->prev;
        timer_stop(&f->queue_timer);
        timer_stop(&f->provision.timer);
        lambda__cache_forget(f);
    }
    struct function *to[] = {f->to[0], f->to[1]};
    arena_free(f->arena);
    mem_free(f);
    for (size_t i = 0; i < COUNTOF(to); i++)
        function_unref(to[i]);
}

void lambda__function_maybe_free(struct function *f)
{
    if (f->retired && f->environments == 0)
        function_free(f);
}

/* Environments that work on something finish it; lambda__env_next ends them then. */
void function_unref(struct function *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
        return;
    f->retired = true;
    if (f->lambda && !f->to[0]) {
        lambda__provision(f, 0);
        lambda__queue_end(f, LAMBDA_UNAVAILABLE);
        while (f->envs[ENV_INIT].first)
            lambda__env_kill(f->envs[ENV_INIT].first);
        while (f->envs[ENV_IDLE].first)
            lambda__env_kill(f->envs[ENV_IDLE].first);
        while (f->envs[ENV_TEMPLATE].first)
            lambda__env_kill(f->envs[ENV_TEMPLATE].first);
    }
    lambda__function_maybe_free(f);
}

struct function *function_described(struct arena *a, const struct function_spec *spec)
{
    struct function *f = ARENA_NEW(a, struct function);
    if (!f)
        return NULL;
    f->spec.name = arena_str(a, spec->name);
    f->spec.arn = arena_str(a, spec->arn);
    f->spec.version = arena_str(a, version_of(spec));
    return f->spec.name.p && f->spec.arn.p && f->spec.version.p ? f : NULL;
}

struct str function_name(const struct function *f)
{
    return f->spec.name;
}

struct str function_arn(const struct function *f)
{
    return f->spec.arn;
}

struct str function_digest(const struct function *f)
{
    return str_of(f->digest, sizeof f->digest - 1);
}

void function_warm(struct function *f)
{
    if (f->envs[ENV_INIT].n + f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n > 0)
        return;
    if (lambda__env_start(f, NULL) != ERR_OK) {
        /* Said in the log; the first call tries again. */
        return;
    }
}
