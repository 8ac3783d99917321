/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /logs of the control socket: pages of a function's log events, one JSON object a line. The
 * last line is {"next":"..."}: the place to go on from, which outlives the connection and the
 * daemon; with more=true there is more at once. */
#include "base/limits.h"
#include "control_int.h"

#define WAIT_MS 20000 /* for an event, with wait=1; then the verb asks again */

#define NO_FUNCTION "no function of that name; `ropeline logs` without a name lists them"

/* "AFTER.UNTIL.MS.SEQ" */
static bool read_place(struct str text, struct lambda_log_place *out)
{
    uint64_t n[4];
    for (size_t i = 0; i < COUNTOF(n); i++)
        if (!str_u64(str_cut(text, '.', &text), &n[i]) || n[i] > INT64_MAX)
            return false;
    *out = (struct lambda_log_place){n[0], n[1], (int64_t)n[2], n[3]};
    return text.n == 0;
}

static void on_read(struct lambda_log_read *r, enum err err)
{
    struct ask *q = r->arg;
    if (err == ERR_NOTFOUND) {
        control__answer_error(q, 404, NO_FUNCTION);
    } else if (err != ERR_OK) {
        control__answer_error(q, 503, err_text(err));
    } else {
        const struct lambda_log_place *p = &r->place;
        buf_add(&q->answer, buf_str(&r->lines));
        buf_addf(&q->answer, "{\"next\":\"%llu.%llu.%lld.%llu\",\"more\":%s}\n",
                 (unsigned long long)p->after, (unsigned long long)p->until, (long long)p->at_ms,
                 (unsigned long long)p->seq, r->more ? "true" : "false");
        control__answer(q, 200, "application/x-ndjson");
    }
    lambda_log_read_fini(r);
}

void control__logs(struct ask *q)
{
    struct str from = control__query(q, "from"), since = control__query(q, "since");
    uint64_t since_ms = 0;
    q->read = (struct lambda_log_read){.function = control__query(q, "function"),
                                       .filter = control__query(q, "filter"),
                                       .done = on_read,
                                       .arg = q};
    if (q->read.function.n == 0) {
        lambda_describe(q->daemon->lambda, &q->answer);
        control__answer(q, 200, "application/json");
        return;
    }
    if ((from.n > 0 && !read_place(from, &q->read.place)) ||
        (since.n > 0 && (!str_u64(since, &since_ms) || since_ms > INT64_MAX))) {
        control__answer_error(q, 400, "from is what an answer said; since is in milliseconds");
        return;
    }
    q->read.since_ms = (int64_t)since_ms;
    q->read.wait_ms = control__query(q, "wait").n > 0 ? WAIT_MS : 0;
    lambda_log_read(q->daemon->lambda, &q->read);
}
