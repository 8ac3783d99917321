/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a policy document, judged for some methods, and as a pattern and a text with a line
 * feed between them. A trace must never change the verdict. */
#include "base/limits.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARN "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/"

static void judge(const struct policy *p)
{
    const struct policy_request requests[] = {
        {.action = STR("execute-api:Invoke"), .resource = STR(ARN "GET/")},
        {.action = STR("execute-api:Invoke"), .resource = STR(ARN "POST/pets/7:a/\xc3\xa9\xff")},
        {.action = STR("s3:GetObject")},
    };
    for (size_t i = 0; i < COUNTOF(requests); i++) {
        struct policy_trace trace;
        enum decision d = policy_evaluate(p, &requests[i], NULL);
        ASSERT(policy_evaluate(p, &requests[i], &trace) == d);
        ASSERT(trace.rows <= POLICY_TRACE_ROWS && trace.statements == policy_statements(p));
        for (size_t r = 0; r < trace.rows; r++)
            ASSERT(trace.row[r].agreed <= requests[i].resource.n);
    }
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
    struct errinfo e = {0};
    struct policy *p;

    if (a && json_parse(a, str_of(data, size), LIMIT_POLICY_BYTES, &document, NULL) == ERR_OK) {
        enum err err = policy_compile(document, &p, &e);
        ASSERT(!p == (err != ERR_OK) && e.code == err);
        if (p)
            judge(p);
        policy_free(p);
    }
    arena_free(a);
    glob(str_of(data, size));
    return 0;
}
