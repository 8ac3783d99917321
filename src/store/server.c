/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs on a database server: side by side, each in a transaction of its own on its thread's
 * connection. What could not be committed is tried again, what may have been committed never is.
 * While the server is away jobs fail at once; one of them looks now and then whether it is back. */
#include <time.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/time.h"
#include "postgres_int.h"

static int64_t now_ms(void)
{
    return clock_mono_us(&clock_system) / 1000;
}

/* In words, once: not for each job that fails. */
static void say(struct store *s, bool failed, const struct errinfo *why)
{
    if (atomic_exchange(&s->failing, failed) == failed)
        return;
    if (failed)
        log_error("store", "%s does not answer: %s", s->name, why->text);
    else
        log_info("store", "%s answers again", s->name);
}

static void pause_before(unsigned attempt)
{
    uint32_t dice = 0;
    unsigned most = attempt < 6 ? 1U << attempt : STORE_ATTEMPT_PAUSE_MS;
    (void)!crypt_random(&dice, sizeof dice); /* 0 is a pause too */
    const struct timespec t = {0, (long)(dice % (most * 1000)) * 1000};
    nanosleep(&t, NULL);
}

static enum err connection(struct store *s, unsigned thread, struct pg **out, struct errinfo *e)
{
    int64_t retry = atomic_load(&s->retry_ms), now = now_ms();
    *out = s->connection[thread];
    if (*out)
        return ERR_OK;
    if (retry != 0) {
        if (now < retry || !atomic_compare_exchange_strong(&s->retry_ms, &retry,
                                                           now + TIMEOUT_STORE_CONNECT_S * 1000))
            return ERR_UNAVAILABLE;
    }
    enum err err = s->engine->open(s->path, STORE_WRITER, &s->connection[thread], e);
    atomic_store(&s->retry_ms, err ? now_ms() + STORE_RECONNECT_MS : 0);
    say(s, err != ERR_OK, e);
    *out = s->connection[thread];
    return err;
}

/* True: nothing of it is kept, and it is worth another attempt. */
static bool attempt(struct store *s, struct store_job *j, unsigned thread, bool in_turn)
{
    struct store_tx tx = {.store = s};
    struct pg *c;
    j->err = connection(s, thread, &c, &tx.why);
    if (j->err != ERR_OK)
        return false;
    tx.db = c;
    j->err = pg__begin(c, j->access, in_turn, &tx.why);
    if (j->err == ERR_OK)
        j->err = pg__end(c, j->run(j, &tx), &tx.why);
    bool again = c->fate == PG_AGAIN || c->fate == PG_LOST;
    if (c->fate == PG_AGAIN)
        j->err = ERR_BUSY;
    if (c->fate == PG_LOST || c->fate == PG_UNKNOWN) {
        j->err = ERR_UNAVAILABLE;
        s->engine->close(c);
        s->connection[thread] = NULL;
    }
    return again;
}

void store__server_one(struct work *w)
{
    struct store_job *j = CONTAINER_OF(w, struct store_job, work);
    int64_t until = now_ms() + STORE_ATTEMPT_MS;
    /* Who has lost twice waits for its turn among the losers: then one of them gets through. */
    for (unsigned n = 1; attempt(j->store, j, w->thread, n > 2); n++) {
        if (n == LIMIT_STORE_ATTEMPTS || now_ms() >= until)
            break;
        pause_before(n);
    }
}
