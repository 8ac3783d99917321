/* SPDX-License-Identifier: Apache-2.0
 *
 * The room itself: its directory, the bootstraps that it writes there, its beginning and end, and
 * what it tells about its functions. Closed means: no environment, no connection, no file of its
 * own is left. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "environment_int.h"
#include "registry_int.h"

#define ENVIRONMENTS_FLOOR 4
#define ENVIRONMENTS_PER_CORE 2
#define TOTAL_FLOOR 16
#define TOTAL_MOST 900            /* of LIMIT_CHILDREN */
#define ENVIRONMENT_BYTES MIB(64) /* what a small function in node is resident with, and some */

int64_t lambda__now_us(const struct lambda *l)
{
    return clock_mono_us(run_clock(loop_run(l->o.control)));
}

/* --- STATE ----------------------------------------------------------------------------------- */

/* A directory of our own; *out is its path. */
static enum err make_dir(struct lambda *l, const char *name, const char **out)
{
    struct str path = arena_fmt(l->arena, "%s/%s", l->o.state_dir, name);
    *out = path.p;
    return path.p ? lambda__make_dir(path.p) : ERR_NOMEM;
}

/* What earlier starts have left in a folder whose entries bear the tag of theirs. */
static void sweep_dir(const struct lambda *l, const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));) {
        struct str name = str_c(entry->d_name);
        if (name.p[0] != '.' && !str_starts(name, str_c(l->tag)) &&
            lambda__tree_remove(dir, name.p) != ERR_OK)
            log_warn("lambda", "cannot remove %s/%s of an earlier run", dir, name.p);
    }
    closedir(d);
}

static void sweep_work(struct work *w)
{
    const struct lambda *l = CONTAINER_OF(w, struct lambda, sweep);
    sweep_dir(l, l->tmp_dir);
    sweep_dir(l, l->layers_dir);
}

static void sweep_done(struct work *w)
{
    struct lambda *l = CONTAINER_OF(w, struct lambda, sweep);
    l->sweeping = false;
    lambda__maybe_closed(l);
}

static enum err open_state(struct lambda *l)
{
    const char *runtime;
    unsigned char random[4];
    enum err err = crypt_random(random, sizeof random);
    if (err == ERR_OK)
        err = crypt_random(&l->census.dice, sizeof l->census.dice);
    l->census.dice |= 1; /* never nothing */
    if (err == ERR_OK)
        crypt_hex(random, sizeof random, l->tag);
    if (err == ERR_OK && stat(l->o.state_dir, &l->state_stat) < 0) {
        log_error("lambda", "state directory %s: %s", l->o.state_dir, strerror(errno));
        err = ERR_IO;
    }
    if (err == ERR_OK)
        err = make_dir(l, "runtime", &runtime);
    if (err == ERR_OK)
        err = make_dir(l, "tmp", &l->tmp_dir);
    if (err == ERR_OK)
        err = make_dir(l, "layers", &l->layers_dir);
    if (err == ERR_OK)
        err = lambda__runtimes_install(l->arena, runtime, l->homes);
    return err;
}

/* --- beginning and end ----------------------------------------------------------------------- */

static unsigned default_environments(void)
{
    unsigned n = ENVIRONMENTS_PER_CORE * uv_available_parallelism();
    return n > ENVIRONMENTS_FLOOR ? n : ENVIRONMENTS_FLOOR;
}

static bool copy_place(struct lambda *l, const char **place)
{
    const char *given = *place;
    if (given)
        *place = arena_cstr(l->arena, str_c(given));
    return !given || *place;
}

static unsigned default_total(void)
{
    uint64_t n = uv_get_total_memory() / 2 / ENVIRONMENT_BYTES;
    return n < TOTAL_FLOOR ? TOTAL_FLOOR : n > TOTAL_MOST ? TOTAL_MOST : (unsigned)n;
}

static enum err copy_options(struct lambda *l, const struct lambda_options *o)
{
    l->o = *o;
    l->o.state_dir = arena_cstr(l->arena, str_c(o->state_dir));
    l->o.region = arena_cstr(l->arena, str_c(o->region));
    l->o.account = arena_cstr(l->arena, str_c(o->account));
    bool made = copy_place(l, &l->o.places.node) && copy_place(l, &l->o.places.python) &&
                copy_place(l, &l->o.places.path);
    if (l->o.environments_max == 0)
        l->o.environments_max = default_environments();
    l->o.log_bytes_rate = o->log_bytes_rate ? o->log_bytes_rate : DEFAULT_LOG_BYTES_RATE;
    l->o.log_events_rate = o->log_events_rate ? o->log_events_rate : DEFAULT_LOG_EVENTS_RATE;
    if (l->o.environments_total == 0)
        l->o.environments_total = default_total();
    if (l->o.idle_ms == 0)
        l->o.idle_ms = TIMEOUT_ENV_IDLE_MS;
    return made && l->o.state_dir && l->o.region && l->o.account ? ERR_OK : ERR_NOMEM;
}

static enum err open_registry(struct lambda *l)
{
    struct errinfo e = {0};
    struct str path = arena_fmt(l->arena, "%s/plane.db", l->o.state_dir);
    l->plane_path = path.p;
    enum err err = path.p ? registry__new(l, l->o.plane, &e) : ERR_NOMEM;
    if (err != ERR_OK && e.text[0])
        log_error("lambda", "%s", e.text);
    return err;
}

enum err lambda_new(const struct lambda_options *o, struct lambda **out)
{
    *out = NULL;
    struct lambda *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->ahead.cache_fd = -1;
    l->arena = arena_new(KIB(4), KIB(256));
    l->log_seq = (uint64_t)loop_wall_us(o->control);
    l->log_bytes = mem_alloc(LOG_READ_BYTES);
    enum err err = l->arena && l->log_bytes ? copy_options(l, o) : ERR_NOMEM;
    if (err == ERR_OK)
        err = lambda__recall_new(l);
    if (err == ERR_OK)
        err = open_state(l);
    if (err == ERR_OK)
        err = lambda__cache_open(l);
    if (err == ERR_OK)
        err = open_registry(l);
    if (err == ERR_OK)
        err = lambda__api_new(l); /* the last: it cannot be freed at once */
    if (err != ERR_OK) {
        lambda_free(l);
        return err;
    }
    registry__start(l->registry);
    l->sweep = (struct work){.work = sweep_work, .done = sweep_done, .reply = o->control};
    l->sweeping = run_work(o->control, LANE_IO, &l->sweep) == ERR_OK;
    *out = l;
    return ERR_OK;
}

static void on_drained(void *arg)
{
    struct lambda *l = arg;
    l->drained = true;
    if (l->closed)
        l->closed(l->closed_arg);
}

void lambda__maybe_closed(struct lambda *l)
{
    if (!l->closing || l->draining || l->environments > 0 || l->sweeping || l->census.serving ||
        registry__busy(l->registry) || !lambda__ahead_closed(l))
        return;
    l->draining = true;
    http_server_drain(l->api, 0, on_drained, l);
}

static void end_function(struct function *f)
{
    lambda__queue_end(f, LAMBDA_UNAVAILABLE);
    timer_stop(&f->provision.timer);
    for (int state = 0; state < ENV_DEAD; state++) {
        for (struct environment *env; (env = f->envs[state].first);) {
            struct buf nothing = BUF_INIT(0);
            lambda__env_kill(env);
            if (env->running)
                lambda__run_end(env, LAMBDA_UNAVAILABLE, &nothing, "error", "Sandbox.Shutdown");
        }
    }
}

void lambda_close(struct lambda *l, void (*closed)(void *arg), void *arg)
{
    ASSERT(!l->closing);
    l->closing = true;
    l->closed = closed;
    l->closed_arg = arg;
    lambda__ahead_close(l);
    for (struct function *f = l->functions; f; f = f->next)
        end_function(f);
    lambda__log_end_waiters(l);
    lambda__maybe_closed(l);
}

void lambda_free(struct lambda *l)
{
    struct str name;
    void *group;
    if (!l)
        return;
    registry__free(l->registry);
    l->registry = NULL;
    /* A function that somebody still refers to keeps its name and digest, and nothing else. */
    for (struct function *f = l->functions; f; f = f->next)
        f->lambda = NULL;
    for (size_t at = 0; map_next(&l->logs, &at, &name, &group);) {
        (void)map_del(&l->logs, name);
        lambda__log_group_free(group);
    }
    map_fini(&l->logs);
    map_fini(&l->noted);
    for (size_t at = 0; map_next(&l->census.families, &at, &name, &group);) {
        (void)map_del(&l->census.families, name);
        mem_free(group);
    }
    map_fini(&l->census.families);
    lambda__recall_free(l);
    if (l->api)
        http_server_free(l->api);
    if (l->ahead.cache_fd >= 0)
        close(l->ahead.cache_fd);
    mem_free(l->log_bytes);
    arena_free(l->arena);
    mem_free(l);
}

/* --- what there is --------------------------------------------------------------------------- */

static void describe_one(const struct function *f, struct buf *out)
{
    const struct {
        const char *key;
        struct str value;
    } texts[] = {
        {"name", f->spec.name},        {"arn", f->spec.arn},
        {"runtime", f->spec.runtime},  {"handler", f->spec.handler},
        {"codeDir", f->spec.code_dir}, {"digest", function_digest(f)},
        {"version", f->spec.version},  {"template", lambda__template_state(f)},
    };
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"timeoutMs", f->spec.timeout_ms},
        {"memoryMb", f->spec.memory_mb},
        {"environments", f->envs[ENV_INIT].n + f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n},
        {"starting", f->envs[ENV_INIT].n},
        {"idle", f->envs[ENV_IDLE].n},
        {"busy", f->envs[ENV_BUSY].n},
        {"environmentsMax", f->lambda->o.environments_max},
        {"queued", f->queued},
        {"invocations", f->invocations},
        {"errors", f->errors},
        {"throttled", f->throttled},
        {"forked", f->births},
        {"provisioned", f->provision.wanted},
        {"provisionedReady", lambda__provision_ready(f)},
        {"provisionedInvocations", f->provision.runs},
        {"spilloverInvocations", f->provision.spilled},
        {"concurrentExecutions", f->family->running + f->provision.running},
    };
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        buf_addf(out, "%c\"%s\":", i ? ',' : '{', texts[i].key);
        json_write_str(out, texts[i].value);
    }
    for (size_t i = 0; i < COUNTOF(numbers); i++) {
        buf_addf(out, ",\"%s\":", numbers[i].key);
        buf_addu(out, numbers[i].value);
    }
    if (f->provision.wanted > 0)
        buf_addf(out, ",\"provisionedStatus\":\"%s\"", lambda__provision_status(f));
    if (f->family->reserved >= 0)
        buf_addf(out, ",\"reserved\":%d", f->family->reserved);
    buf_addc(out, '}');
}

const struct metrics *lambda_metrics(struct lambda *l)
{
    uint64_t provisioned = 0, running = 0, environments = 0;
    for (const struct function *f = l->functions; f; f = f->next) {
        provisioned += f->provision.running;
        running += f->envs[ENV_BUSY].n;
        environments += f->envs[ENV_INIT].n + f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n;
    }
    metric_set(&l->metrics, METRIC_LAMBDA_CONCURRENT, running);
    metric_set(&l->metrics, METRIC_LAMBDA_PROVISIONED_CONCURRENT, provisioned);
    metric_set(&l->metrics, METRIC_LAMBDA_ENVIRONMENTS, environments);
    if (l->o.logs)
        metric_set(&l->metrics, METRIC_LAMBDA_LOG_LOST, logstore_losses(l->o.logs).events);
    return &l->metrics;
}

void lambda_describe(struct lambda *l, struct buf *out)
{
    bool first = true;
    buf_addc(out, '[');
    for (const struct function *f = l->functions; f; f = f->next) {
        if (f->retired || f->to[0])
            continue;
        if (!first)
            buf_addc(out, ',');
        describe_one(f, out);
        first = false;
    }
    buf_addc(out, ']');
}
