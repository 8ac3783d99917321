/* SPDX-License-Identifier: Apache-2.0
 *
 * What the last INVOCATIONS_KEPT invocations came to, for `explain`. A ring of copies: nothing in
 * it refers to a function or a caller that may be gone. */
#include "base/mem.h"
#include "lambda_int.h"

struct recalled {
    char request_id[37];
    char function[LIMIT_FUNCTION_NAME + 1];
    bool cold, cut;
    enum lambda_outcome outcome;
    int64_t init_us, duration_us;
    uint64_t run;
    struct buf answer;
};

enum err lambda__recall_new(struct lambda *l)
{
    l->recalled = mem_calloc(INVOCATIONS_KEPT, sizeof *l->recalled);
    return l->recalled ? ERR_OK : ERR_NOMEM;
}

void lambda__recall_free(struct lambda *l)
{
    for (size_t i = 0; l->recalled && i < INVOCATIONS_KEPT; i++)
        buf_fini(&l->recalled[i].answer);
    mem_free(l->recalled);
}

void lambda__recall_add(struct lambda *l, const struct environment *env,
                        const struct lambda_invocation *i)
{
    struct recalled *r = &l->recalled[l->recalled_next++ % INVOCATIONS_KEPT];
    struct str name = env->function->spec.name;
    memcpy(r->request_id, i->request_id, sizeof r->request_id);
    memcpy(r->function, name.p, name.n);
    r->function[name.n] = '\0';
    r->cold = i->cold;
    r->outcome = i->outcome;
    r->init_us = i->init_us;
    r->duration_us = i->duration_us;
    r->run = env->run;
    r->cut = i->answer.n > INVOCATION_TEXT;
    buf_reset(&r->answer);
    r->answer.max = INVOCATION_TEXT;
    buf_add(&r->answer, str_sub(buf_str(&i->answer), 0, INVOCATION_TEXT));
}

static void add_ms(struct buf *out, const char *key, int64_t us)
{
    buf_addf(out, ",\"%s\":%lld.%03d", key, (long long)(us / 1000), (int)(us % 1000));
}

static void add_recalled(struct buf *out, struct lambda *l, const struct recalled *r)
{
    struct log_group *g = map_get(&l->logs, str_c(r->function));
    buf_addf(out, "{\"requestId\":\"%s\",\"function\":", r->request_id);
    json_write_str(out, str_c(r->function));
    buf_addf(out, ",\"cold\":%s", r->cold ? "true" : "false");
    add_ms(out, "initMs", r->cold ? r->init_us : 0);
    add_ms(out, "durationMs", r->duration_us);
    buf_addf(out, ",\"outcome\":\"%s\",\"answer\":", lambda_outcome_name(r->outcome));
    json_write_str(out, buf_str(&r->answer));
    buf_addf(out, ",\"answerCut\":%s,\"log\":[", r->cut ? "true" : "false");
    if (g)
        lambda__log_write(g, r->run, out);
    buf_addz(out, "]}");
}

enum err lambda_recall(struct lambda *l, struct str request_id, struct buf *out)
{
    for (size_t i = 0; i < INVOCATIONS_KEPT; i++) {
        const struct recalled *r = &l->recalled[i];
        if (r->request_id[0] != '\0' && str_eqz(request_id, r->request_id)) {
            add_recalled(out, l, r);
            return out->err;
        }
    }
    return ERR_NOTFOUND;
}
