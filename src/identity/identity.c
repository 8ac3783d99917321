/* SPDX-License-Identifier: Apache-2.0
 *
 * The room from its start to its end: settings, store and copies first, then a server on each
 * worker; nothing listens before all that it needs is there. */
#include "identity_int.h"

#include "base/mem.h"
#include "keys_int.h"
#include "roles_int.h"
#include "schema_int.h"
#include "sweep_int.h"

/* A name that nobody knows could be one that somebody relies on. */
static enum err check_settings(const struct json *settings, struct errinfo *e)
{
    for (size_t k = 0; settings && k < settings->n; k++)
        if (!core_config_knows(settings->members[k].key))
            return errinfo_set(e, ERR_INVALID, "core.settings: the core has no setting %.*s",
                               STR_ARG(str_sub(settings->members[k].key, 0, 80)));
    return ERR_OK;
}

static enum err open_room(struct identity *i, struct errinfo *e)
{
    enum err err = check_settings(i->o.config, e);
    if (err == ERR_OK)
        err = core_config_read(i->arena, NULL, i->o.config, &i->base, e);
    for (size_t k = 0; err == ERR_OK && k < i->o.api_key_count; k++)
        err = i->base.api_key_count < LIMIT_CORE_API_KEYS
                  ? (i->base.api_keys[i->base.api_key_count++] = i->o.api_keys[k], ERR_OK)
                  : errinfo_set(e, ERR_LIMIT, "at most %d api keys", LIMIT_CORE_API_KEYS);
    if (err == ERR_OK)
        err = store_open(i->o.store, IDENTITY_ROOM, identity__migrations, identity__migration_count,
                         e);
    if (err == ERR_OK)
        err = tenants__new(i, e);
    if (err == ERR_OK)
        err = keys__new(i, e);
    if (err == ERR_OK)
        err = changes__new(i, e);
    if (err == ERR_OK)
        err = roles_memory__new(i);
    if (err == ERR_OK)
        err = sweeps__new(i);
    if (err == ERR_OK)
        err = rotations__new(i);
    return err;
}

enum err identity_new(const struct identity_options *o, struct identity **out, struct errinfo *e)
{
    struct arena *a = arena_new(KIB(4), LIMIT_DOCUMENT_ARENA);
    struct identity *i = a ? ARENA_NEW(a, struct identity) : NULL;
    *out = NULL;
    if (i == NULL) {
        arena_free(a);
        return errinfo_set(e, ERR_NOMEM, "out of memory");
    }
    *i = (struct identity){.o = *o, .arena = a, .worker_count = run_workers(o->run)};
    i->workers = ARENA_ARRAY(a, i->worker_count + 1, struct identity_worker);
    enum err err = i->workers ? open_room(i, e) : ERR_NOMEM;
    if (err != ERR_OK) {
        identity_free(i);
        return err;
    }
    *out = i;
    return ERR_OK;
}

void identity_free(struct identity *i)
{
    if (i == NULL)
        return;
    rotations__free(i);
    sweeps__free(i);
    changes__free(i);
    roles_memory__free(i);
    keys__free(i);
    tenants__free(i);
    arena_free(i->arena);
}

void identity_close(struct identity *i)
{
    changes__close(i);
    sweeps__close(i);
    rotations__close(i);
    keys__close(i);
}

/* --- on a worker --------------------------------------------------------------------------------
 */
static void refuse(void *arg, unsigned status, const char *why, struct arena *a,
                   struct http_response *rs, struct str *body)
{
    (void)arg, (void)status;
    *body = arena_fmt(a, "%s\n", why);
    if (body->p == NULL ||
        http_add(a, &rs->headers, STR("Content-Type"), STR("text/html; charset=UTF-8")) != ERR_OK)
        *body = STR("");
}

enum err identity_worker_start(struct identity *i, struct loop *worker, const int *fds, size_t n)
{
    struct identity_worker *w = &i->workers[loop_index(worker)];
    const struct http_server_options o = {.body_max = LIMIT_CDI_BODY,
                                          .connections_max = LIMIT_CDI_CONNECTIONS,
                                          .refusal = refuse,
                                          .request = cdi__handle,
                                          .arg = w};
    ASSERT(loop_is_current(worker));
    w->identity = i;
    w->loop = worker;
    enum err err = http_server_new(worker, &o, &w->server);
    for (size_t k = 0; k < n && err == ERR_OK; k++)
        err = http_server_listen(w->server, fds[k]);
    return err;
}

static void server_drained(void *arg)
{
    struct identity_worker *w = arg;
    http_server_free(w->server);
    w->server = NULL;
    w->drained(w->drained_arg);
}

void identity_worker_drain(struct identity *i, struct loop *worker, int64_t ms,
                           void (*drained)(void *arg), void *arg)
{
    struct identity_worker *w = &i->workers[loop_index(worker)];
    w->drained = drained;
    w->drained_arg = arg;
    if (w->server)
        http_server_drain(w->server, ms, server_drained, w);
    else
        drained(arg);
}
