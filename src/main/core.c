/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity core as a part of the daemon: its store, its settings out of ropeline.yaml, its
 * servers on the workers, and what the gateway asks it. */
#include <time.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon.h"
#include "identity/identity.h"
#include "session_source.h"

#define CORE_STORE_PATIENCE_MS 5000
#define CORE_STORE_PAUSE_MS 250

struct core {
    struct store *store;
    struct identity *identity;
    struct core_sessions *sessions;
};

static enum err open_identity(struct daemon *d, struct core *c, struct errinfo *e)
{
    const struct config *g = d->config;
    struct str db = arena_fmt(g->arena, "%s/identity.db", g->state_dir);
    struct str key = g->core.key_file ? str_c(g->core.key_file)
                                      : arena_fmt(g->arena, "%s/identity.key", g->state_dir);
    struct store_options store = {.loop = run_control(d->run),
                                  .path = g->core.store_url ? NULL : db.p,
                                  .url = g->core.store_url,
                                  .readers = LIMIT_STORE_READERS};
    enum err err = db.p && key.p ? store_new(&store, &c->store) : ERR_NOMEM;
    if (err == ERR_INVALID)
        err = errinfo_set(e, err,
                          "the store is not a URL that can be read: postgres://USER:PASSWORD@HOST/"
                          "DATABASE, with %%40 for @ and %%2F for / in the password");
    struct identity_options o = {
        .run = d->run,
        .store = c->store,
        .shared = g->core.store_url != NULL,
        .key_file = key.p,
        .api_keys = g->core.api_keys,
        .api_key_count = g->core.api_key_count,
        .config = g->core.settings,
        .hosts = g->core.hosts,
        .host_count = g->core.host_count,
        .origins = g->core.origins,
        .origin_count = g->core.origin_count,
    };
    return err ? err : identity_new(&o, &c->identity, e);
}

/* A server that is away may be starting, as we are. Longer than this it is for whoever starts us to
 * wait; and with it the keeper, which gives up at ten deaths within a minute, never does. */
static enum err open_patiently(struct daemon *d, struct core *c, struct errinfo *e)
{
    const struct timespec pause = {0, CORE_STORE_PAUSE_MS * 1000000L};
    enum err err = open_identity(d, c, e);
    for (int left = CORE_STORE_PATIENCE_MS / CORE_STORE_PAUSE_MS;
         err == ERR_UNAVAILABLE && left > 0; left--) {
        if (left == CORE_STORE_PATIENCE_MS / CORE_STORE_PAUSE_MS)
            log_error("identity", "%s; trying again for %d s", e->text,
                      CORE_STORE_PATIENCE_MS / 1000);
        store_free(c->store);
        c->store = NULL;
        nanosleep(&pause, NULL);
        *e = (struct errinfo){0};
        err = open_identity(d, c, e);
    }
    return err;
}

enum err core_open(struct daemon *d)
{
    struct errinfo e = {0};
    struct core *c = mem_alloc(sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    enum err err = open_patiently(d, c, &e);
    if (err == ERR_OK)
        err = core_sessions_new(d->run, c->identity, d->cache, &c->sessions);
    if (err != ERR_OK) {
        log_error("identity", "%s", e.text[0] ? e.text : err_text(err));
        core_free(c);
        return ERR_INVALID; /* said in full */
    }
    d->core = c;
    return ERR_OK;
}

enum err core_worker_start(struct core *c, struct loop *worker, int fd)
{
    return identity_worker_start(c->identity, worker, &fd, 1);
}

const struct session_source *core_session_source(const struct core *c)
{
    return c ? core_sessions_source(c->sessions) : NULL;
}

void core_worker_drain(struct core *c, struct loop *worker, void (*drained)(void *arg), void *arg)
{
    identity_worker_drain(c->identity, worker, TIMEOUT_DRAIN_MS, drained, arg);
}

bool core_control(struct core *c, struct http_exchange *x)
{
    struct http_response rs = {.status = 503};
    if (!str_starts(http_exchange_request(x)->raw_path, IDENTITY_CONTROL))
        return false;
    if (c)
        identity_control(c->identity, x);
    else
        http_respond(x, &rs, STR("this daemon has no identity core: name core.api_keys or --core"));
    return true;
}

void core_close(struct core *c)
{
    if (c == NULL)
        return;
    core_sessions_close(c->sessions);
    identity_close(c->identity);
}

void core_free(struct core *c)
{
    if (c == NULL)
        return;
    identity_free(c->identity);
    core_sessions_free(c->sessions);
    store_free(c->store);
    mem_free(c);
}
