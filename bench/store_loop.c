/* SPDX-License-Identifier: Apache-2.0
 *
 * What the transaction of a refresh costs the store alone: a session is read, locked and written
 * anew, durably, by as many clients as are named, one after the other each.
 * store_loop FILE|URL CLIENTS SECONDS SESSIONS prints {"transactions","seconds","cpu_us"}. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "base/time.h"
#include "store/store.h"

static const struct migration steps[] = {
    {"CREATE TABLE session (handle TEXT PRIMARY KEY, user_id TEXT NOT NULL, hash TEXT NOT NULL, "
     "payload TEXT NOT NULL, expires_ms BIGINT NOT NULL)"},
};
static const struct stmt fill =
    SQL("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $1) "
        "INSERT INTO session SELECT 'session-' || i, 'user-' || i, 'hash-' || i, $2, i FROM c");
static const struct stmt count = SQL("SELECT count(*) FROM session");
static const struct stmt find =
    SQL_LOCKING("SELECT user_id, hash, payload, expires_ms FROM session WHERE handle = $1");
static const struct stmt refresh =
    SQL("UPDATE session SET hash = $1, expires_ms = $2 WHERE handle = $3");

static struct run *r;
static struct store *s;
static unsigned long sessions, done_jobs, running;
static uint64_t dice = 88172645463325252U;
static int64_t ends_us;

struct client {
    struct store_job job;
    char handle[32], hash[32];
    int64_t expires_ms;
};

static _Noreturn void die(const char *words)
{
    fprintf(stderr, "store_loop: %s\n", words);
    exit(1);
}

static enum err take(void *arg, const struct store_value *v, size_t n)
{
    int64_t *last = arg;
    *last = v[n - 1].i;
    return ERR_OK;
}

static enum err refreshes(struct store_job *j, struct store_tx *tx)
{
    struct client *c = CONTAINER_OF(j, struct client, job);
    struct store_value handle = STORE_S(str_c(c->handle));
    c->expires_ms = 0;
    enum err err = store_run(tx, &find, &handle, 1, take, &c->expires_ms);
    if (err == ERR_OK && c->expires_ms == 0)
        return ERR_NOTFOUND;
    struct store_value v[] = {STORE_S(str_c(c->hash)), STORE_I(c->expires_ms + 1), handle};
    return err ? err : store_run(tx, &refresh, v, COUNTOF(v), NULL, NULL);
}

static void next(struct client *c);

static void on_done(struct store_job *j, enum err err)
{
    if (err != ERR_OK)
        die(err_text(err));
    done_jobs++;
    if (clock_mono_us(&clock_system) < ends_us)
        next(CONTAINER_OF(j, struct client, job));
    else if (--running == 0)
        run_stop(r);
}

static void next(struct client *c)
{
    dice ^= dice << 13; /* xorshift64 */
    dice ^= dice >> 7;
    dice ^= dice << 17;
    snprintf(c->handle, sizeof c->handle, "session-%lu", (unsigned long)(dice % sessions) + 1);
    snprintf(c->hash, sizeof c->hash, "hash-%lu", done_jobs);
    c->job = (struct store_job){.access = STORE_WRITE, .run = refreshes, .done = on_done};
    if (store_submit(s, run_control(r), &c->job) != ERR_OK)
        die("the queue is full");
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void open_store(const char *where)
{
    struct errinfo e = {0};
    int64_t have = 0;
    bool server = str_starts(str_c(where), STR("postgres"));
    struct store_options o = {.loop = run_control(r),
                              .path = server ? NULL : where,
                              .url = server ? where : NULL,
                              .readers = LIMIT_STORE_READERS};
    char payload[400];
    memset(payload, 'x', sizeof payload);
    struct store_value v[] = {STORE_I((int64_t)sessions), STORE_S(str_of(payload, sizeof payload))};
    enum err err = store_new(&o, &s);
    if (err == ERR_OK)
        err = store_open(s, "bench", steps, COUNTOF(steps), &e);
    if (err == ERR_OK)
        err = store_read_now(s, &count, NULL, 0, take, &have, &e);
    if (err == ERR_OK && have == 0)
        err = store_read_now(s, &fill, v, COUNTOF(v), NULL, NULL, &e);
    if (err != ERR_OK)
        die(e.text[0] ? e.text : err_text(err));
}

int main(int argc, char **argv)
{
    static struct client clients[256];
    unsigned long seconds = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    running = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    sessions = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    if (running == 0 || running > COUNTOF(clients) || sessions == 0)
        die("FILE|URL CLIENTS SECONDS SESSIONS");
    if (run_new(&(struct run_options){.workers = 1}, &r) != ERR_OK)
        die("no loop");
    open_store(argv[1]);
    if (seconds > 0) {
        unsigned long n = running;
        double cpu = cpu_us();
        int64_t began = clock_mono_us(&clock_system);
        ends_us = began + (int64_t)seconds * 1000000;
        for (unsigned long i = 0; i < n; i++)
            next(&clients[i]);
        if (run_main(r) != ERR_OK)
            die("the loop failed");
        printf("{\"transactions\":%lu,\"seconds\":%.3f,\"cpu_us\":%.0f}\n", done_jobs,
               (double)(clock_mono_us(&clock_system) - began) / 1e6, cpu_us() - cpu);
    }
    store_free(s);
    run_free(r);
    return 0;
}
