/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a policy document, of an authorizer and of an API, judged for some methods, and as a
 * pattern and a text with a line feed between them. What follows a zero byte is the value of every
 * condition key. A trace must never change the verdict, and an implicit deny has a nearest miss. */
#include "base/limits.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARN "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/"

/* Keys that end in s have two values, and those that end in x have none. */
struct served {
    struct str values[2];
};

static size_t serve(void *arg, struct str key, const struct str **values)
{
    struct served *s = arg;
    *values = s->values;
    return str_ends(key, STR("x")) ? 0 : str_ends(key, STR("s")) ? 2 : 1;
}

static void judge_one(const struct policy *p, const struct policy_request *rq)
{
    struct policy_trace trace;
    struct policy_ground ground;
    struct policy_nearest nearest;
    AUTO_BUF words = BUF_INIT(KIB(64));
    enum decision d = policy_decide(p, rq, &ground, NULL);

    ASSERT(policy_evaluate(p, rq, &trace) == d);
    ASSERT((ground.statement > 0) == (d != DECISION_IMPLICIT_DENY));
    ASSERT(trace.rows <= POLICY_TRACE_ROWS && trace.statements == policy_statements(p));
    for (size_t r = 0; r < trace.rows; r++) {
        const struct policy_trace_row *row = &trace.row[r];
        ASSERT(row->agreed <= rq->resource.n);
        if (d == DECISION_IMPLICIT_DENY)
            ASSERT(!(row->action_matched && row->resource_matched && row->principal_matched &&
                     row->condition_matched));
        policy_row_words(&words, r + 1, row, rq);
    }
    policy_nearest(p, rq, &nearest);
    ASSERT(d != DECISION_IMPLICIT_DENY || nearest.statement == 0 || nearest.failed > 0);
    policy_nearest_words(&words, &nearest, rq);
}

static void judge(const struct policy *p, struct served *served)
{
    const struct policy_context context = {serve, served};
    const struct policy_request requests[] = {
        {.action = STR("execute-api:Invoke"), .resource = STR(ARN "GET/")},
        {.action = STR("execute-api:Invoke"),
         .resource = STR(ARN "POST/pets/7:a/\xc3\xa9\xff"),
         .context = &context},
        {.action = STR("s3:GetObject"),
         .resource = served->values[0],
         .context = &context,
         .principal = STR("arn:aws:iam::111122223333:user/ana")},
    };
    for (size_t i = 0; i < COUNTOF(requests); i++)
        judge_one(p, &requests[i]);
}

static void compile(const struct json *document, bool of_api, struct served *served)
{
    const struct policy_home home = {STR("aws"), STR("eu-west-1"), STR("111122223333"),
                                     STR("a1b2c3d4e5")};
    struct errinfo e = {0};
    struct policy *p;
    enum err err = of_api ? policy_compile_resource(document, &home, &p, &e)
                          : policy_compile(document, &p, &e);
    ASSERT(!p == (err != ERR_OK) && e.code == err);
    if (p)
        judge(p, served);
    policy_free(p);
}

static void glob(struct str input)
{
    struct str text, pattern = str_cut(input, '\n', &text);
    size_t agreed, folded;
    bool matched = policy_glob(pattern, text, false, &agreed);

    ASSERT(agreed <= text.n && (!matched || agreed == text.n));
    ASSERT(policy_glob(pattern, text, true, &folded) || !matched); /* ignoring case only adds */
    ASSERT(folded >= agreed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(KIB(16), MIB(16));
    const struct json *document;
    struct str value, text = str_cut(str_of(data, size), '\0', &value);
    struct served served = {{value, STR(ARN "GET/")}};

    if (a && json_parse(a, text, LIMIT_POLICY_BYTES, &document, NULL) == ERR_OK) {
        compile(document, false, &served);
        compile(document, true, &served);
    }
    arena_free(a);
    glob(str_of(data, size));
    return 0;
}
