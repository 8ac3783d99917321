/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_loop POLICY RESOURCE SECONDS: judges one resource by one compiled policy (file POLICY,
 * JSON) over and over and prints how often it could in a second of CPU. The verdict must be
 * ALLOW. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "policy/policy.h"

#define BATCH 1024

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct policy *read_policy(const char *path)
{
    AUTO_BUF text = BUF_INIT(MIB(1));
    struct arena *a = arena_new(KIB(64), MIB(64));
    const struct json *document = NULL;
    struct policy *p = NULL;
    FILE *f = fopen(path, "rb");
    char *room = buf_reserve(&text, KIB(512));

    if (a && f && room) {
        text.n = fread(room, 1, KIB(512), f);
        if (json_parse(a, buf_str(&text), MIB(1), &document, NULL) != ERR_OK ||
            policy_compile(document, &p, NULL) != ERR_OK)
            p = NULL;
    }
    if (f)
        fclose(f);
    arena_free(a);
    return p;
}

int main(int argc, char **argv)
{
    struct policy *p = argc == 4 ? read_policy(argv[1]) : NULL;
    struct policy_request rq = {.action = STR("execute-api:Invoke")};
    unsigned long long count = 0;
    double seconds, began, now;

    if (!p) {
        fprintf(stderr, "usage: policy_loop POLICY RESOURCE SECONDS\n");
        return 2;
    }
    rq.resource = str_c(argv[2]);
    seconds = strtod(argv[3], NULL);
    began = now = cpu_seconds();
    for (; now - began < seconds; now = cpu_seconds(), count += BATCH)
        for (int i = 0; i < BATCH; i++)
            if (policy_evaluate(p, &rq, NULL) != DECISION_ALLOW)
                return 1;
    printf("%.1f\n", (double)count / (now - began));
    policy_free(p);
    return 0;
}
