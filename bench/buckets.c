/* SPDX-License-Identifier: Apache-2.0
 *
 * What one decision of a bucket costs, clock included, as the step `throttle` makes it: prints
 * {"decisions", "cpu_ns"} for one thread, and for two that share a bucket. It looks into the
 * gateway's private header because no request can be as quick as what is measured. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "gateway/usage_int.h"

struct asker {
    struct usage *usage;
    struct bucket *bucket;
    unsigned long count, granted;
    double cpu_ns;
};

static double thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *decide(void *arg)
{
    struct asker *w = arg;
    double before = thread_ns();
    for (unsigned long i = 0; i < w->count; i++) {
        uint64_t taken;
        w->granted += bucket__take(w->bucket, usage__now(w->usage), &taken);
    }
    w->cpu_ns = thread_ns() - before;
    return NULL;
}

static void measure(const char *what, int threads, struct usage *u, unsigned long count)
{
    struct bucket *b = NULL;
    struct asker w[2];
    pthread_t thread[2];
    double cpu = 0;
    if (usage__bucket(u, str_c(what), (struct throttle){LIMIT_THROTTLE_RATE, LIMIT_THROTTLE_BURST},
                      &b) != ERR_OK)
        exit(1);
    for (int i = 0; i < threads; i++) {
        w[i] = (struct asker){u, b, count, 0, 0};
        if (pthread_create(&thread[i], NULL, decide, &w[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        cpu += w[i].cpu_ns;
    }
    printf("{\"what\":\"%s\",\"decisions\":%lu,\"cpu_ns\":%.0f}\n", what,
           (unsigned long)threads * count, cpu);
    usage__drop(u, b);
}

int main(int argc, char **argv)
{
    struct usage *u = NULL;
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000000;
    if (usage__new(&clock_system, NULL, &u) != ERR_OK)
        return 1;
    measure("alone", 1, u, count);
    measure("shared by two threads", 2, u, count);
    usage__free(u);
    return 0;
}
