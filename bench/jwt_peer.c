/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt_peer ALG KEY TOKEN ISS AUD SECONDS: what jwt_loop measures of us, of libjwt, which reads the
 * PEM on each call. A program of its own: both of us call a struct jwt. */
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 64

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char texts[2][16384];

static int read_file(const char *path, char *to)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(to, 1, sizeof texts[0] - 1, f) : 0;
    if (f)
        fclose(f);
    to[n] = 0;
    return (int)n;
}

static int verify(const char *pem, int pem_n, const char *token, const char *iss, const char *aud)
{
    jwt_t *t = NULL;
    int good = jwt_decode(&t, token, (const unsigned char *)pem, pem_n) == 0;
    if (good) {
        const char *is = jwt_get_grant(t, "iss"), *for_whom = jwt_get_grant(t, "aud");
        long now = (long)time(NULL);
        good = is && for_whom && strcmp(is, iss) == 0 && strcmp(for_whom, aud) == 0 &&
               jwt_get_grant_int(t, "exp") > now && jwt_get_grant_int(t, "nbf") <= now;
    }
    jwt_free(t);
    return good;
}

int main(int argc, char **argv)
{
    unsigned long count = 0;
    double began, now, seconds = argc == 7 ? strtod(argv[6], NULL) : 0;
    if (argc != 7)
        return 2;
    int pem_n = read_file(argv[2], texts[0]);
    (void)read_file(argv[3], texts[1]);
    for (began = now = cpu_seconds(); now - began < seconds; now = cpu_seconds(), count += BATCH)
        for (int i = 0; i < BATCH; i++)
            if (!verify(texts[0], pem_n, texts[1], argv[4], argv[5]))
                return 1;
    printf("%.1f\n", (double)count / (now - began));
    return 0;
}
