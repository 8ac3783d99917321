/* SPDX-License-Identifier: Apache-2.0
 *
 * session_loop KIND KEY TOKEN SECONDS: decides one request with an access token of the identity
 * core (file TOKEN) by an authorizer of kind `session`, over and over, and prints how often it
 * could in a second of CPU. KEY is the app's public key in PEM. decide: the whole decision, with
 * REVOKED sessions in memory. unrevoked: the same, but for the look whether it was revoked. look:
 * that look alone. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "authorizer/authorizer.h"
#include "identity/revoked_int.h"
#include "jose/jws.h"

#define BATCH 64
#define REVOKED 100000
#define HANDLE "7d1b2c3e-8f90-4a1b-9c2d-3e4f5a6b7c8d"
#define KID "d-1700000000000"

static struct {
    struct revoked *revoked;
    struct jwks *keys;
    bool looks;
    struct run *run;
    struct authorizer *authorizer;
    struct http_headers headers;
    struct arena *arena;
    struct decision_record record;
    struct metrics metrics;
} rig;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the source: what main's adapter hands through --- */
static struct jwks *keys(void *arg, struct str app)
{
    (void)arg;
    (void)app;
    return jwks_ref(rig.keys);
}
static bool is_revoked(void *arg, struct str app, struct str handle)
{
    (void)arg;
    return rig.looks && revoked_has(rig.revoked, app, handle);
}
static enum err refuse(void *arg, struct session_question *q)
{
    (void)arg;
    (void)q;
    return ERR_UNSUPPORTED;
}
static const struct session_source source = {NULL, keys, is_revoked, refuse, refuse, refuse};

static bool make_revoked(void)
{
    char handle[40];
    if (revoked_new(&rig.revoked) != ERR_OK)
        return false;
    for (int i = 0; i < REVOKED; i++) {
        int n = snprintf(handle, sizeof handle, "%08x-8f90-4a1b-9c2d-3e4f5a6b7c8d", (unsigned)i);
        if (revoked_add(rig.revoked, STR("public"), str_of(handle, (size_t)n), INT64_MAX / 2, 0))
            return false;
    }
    return true;
}

static bool make_authorizer(struct arena *a, struct str pem, struct str token)
{
    static const char definition[] =
        "{\"type\":\"TOKEN\",\"name\":\"session\",\"x-ropeline-session\":{}}";
    struct jwk_about about = {.has_kid = true, .kid = STR(KID), .alg = &jws_algs[JWS_RS256]};
    struct authorizer_env env = {.sessions = &source, .api_id = STR("api"), .stage = STR("dev")};
    struct str parts[] = {STR("Bearer "), token};
    const struct json *spec;
    struct errinfo e = {0};
    struct jwk *key;
    if (jwk_parse_pem(pem, JWK_GIVEN, &about, &key, &e) || jwks_new(&key, 1, &rig.keys, &e) ||
        json_parse(a, str_c(definition), KIB(1), &spec, &e) ||
        authorizer_compile(a, spec, &env, &rig.authorizer, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return false;
    }
    return http_add(a, &rig.headers, STR("Authorization"), arena_cat(a, parts, 2)) == ERR_OK &&
           run_new(&(struct run_options){.workers = 1}, &rig.run) == ERR_OK;
}

static bool decide(void)
{
    static const char id[sizeof rig.record.id] = "id";
    arena_reset(rig.arena);
    decision_begin(&rig.record, id, 0);
    struct auth_call call = {
        .authorizer = rig.authorizer,
        .facts = {.method_arn =
                      STR("arn:aws:execute-api:us-east-1:123456789012:api/dev/GET/orders"),
                  .method = STR("GET"),
                  .route = STR("GET /orders"),
                  .headers = &rig.headers},
        .arena = rig.arena,
        .loop = run_control(rig.run),
        .record = &rig.record,
        .metrics = &rig.metrics,
    };
    bool good = authorizer_decide(&call) && call.verdict == AUTH_ALLOW;
    auth_call_fini(&call);
    return good;
}

static bool look(void)
{
    return !is_revoked(NULL, STR("public"), STR(HANDLE));
}

static struct str read_file(const char *path)
{
    static char texts[2][KIB(16)];
    static size_t used;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(texts[used], 1, KIB(16) - 1, f) : 0;
    if (f)
        fclose(f);
    return str_of(texts[used++], n);
}

static int measure(bool (*once)(void), double seconds)
{
    unsigned long count = 0;
    double began = 0, now = 0;
    for (int warm = 0; warm < 100; warm++) /* also the proof that it allows at all */
        if (!once())
            return 1;
    for (began = now = cpu_seconds(); now - began < seconds; now = cpu_seconds(), count += BATCH)
        for (int i = 0; i < BATCH; i++)
            if (!once())
                return 1;
    printf("%.1f\n", (double)count / (now - began));
    return 0;
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new(KIB(16), MIB(1));
    if (argc != 5 || a == NULL)
        return 2;
    rig.arena = arena_new(KIB(32), MIB(1));
    rig.looks = !str_eqz(str_c(argv[1]), "unrevoked");
    if (rig.arena == NULL || !make_revoked() ||
        !make_authorizer(a, read_file(argv[2]), read_file(argv[3])))
        return 1;
    return measure(str_eqz(str_c(argv[1]), "look") ? look : decide, strtod(argv[4], NULL));
}
