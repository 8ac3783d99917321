/* SPDX-License-Identifier: Apache-2.0
 *
 * A JWT authorizer with keys from a file, on a worker: the verdict on each token, what the client
 * is told, and that no lack of memory ever allows. Workers have no test framework: they note, and
 * the main thread judges. */
#include "jwt_int.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/fault.h"

struct row {
    const char *claims; /* @ is now, so that @99 is far ahead */
    bool other_key;
    const char *scope; /* that the method wants, or NULL */
    enum auth_verdict verdict;
    const char *challenge; /* a part of it */
};
#define USUAL "\"iss\":\"https://me\",\"aud\":\"api\",\"sub\":\"ana\",\"exp\":@99"
static const struct row rows[] = {
    {"{" USUAL "}", false, NULL, AUTH_ALLOW, NULL},
    {"{" USUAL ",\"scope\":\"a read\"}", false, "read", AUTH_ALLOW, NULL},
    {"{" USUAL ",\"scp\":[\"read\"]}", false, "read", AUTH_ALLOW, NULL},
    {"{" USUAL ",\"scope\":\"reader\"}", false, "read", AUTH_OUT_OF_SCOPE, "scope=\"read\""},
    {"{" USUAL "}", true, NULL, AUTH_UNAUTHORIZED, "the signature is not valid"},
    {"{\"iss\":\"https://me/\",\"aud\":\"api\",\"exp\":@99}", false, NULL, AUTH_UNAUTHORIZED,
     "issuer does not match"},
    {"{\"iss\":\"https://me\",\"aud\":[\"x\"],\"exp\":@99}", false, NULL, AUTH_UNAUTHORIZED,
     "audience"},
    {"{\"iss\":\"https://me\",\"client_id\":\"api\",\"exp\":@99}", false, NULL, AUTH_ALLOW, NULL},
    {"{\"iss\":\"https://me\",\"aud\":\"api\",\"exp\":@}", false, NULL, AUTH_UNAUTHORIZED,
     "expired"},
    {"{\"iss\":\"https://me\",\"aud\":\"api\"}", false, NULL, AUTH_UNAUTHORIZED, "does not expire"},
};

static struct {
    struct run *run;
    struct issuers *issuers;
    struct authorizer authorizer;
    struct arena *arena;
    struct str tokens[COUNTOF(rows)];
    struct post post;
    char wrong[400];
    size_t faults;
} rig;

/* --- a request ------------------------------------------------------------------------------- */
static enum err one_value(void *request, enum auth_place place, struct str name, struct str *out)
{
    (void)place;
    (void)name;
    *out = *(const struct str *)request;
    return out->n > 0 ? ERR_OK : ERR_NOTFOUND;
}
static const struct auth_request_ops ops = {one_value, NULL};

static void never(struct auth_call *c)
{
    snprintf(rig.wrong, sizeof rig.wrong, "a call went on for %s", c->authorizer->name.p);
}

/* What authorizer_decide does, without its counters. False: it waits for a key. */
static bool decide(struct arena *a, struct str token, const char *scope, struct auth_call *c)
{
    static struct decision_record record;
    static struct metrics metrics;
    static const char id[sizeof record.id] = "id";
    struct str *value = ARENA_NEW(a, struct str), *wanted = ARENA_NEW(a, struct str);
    c->verdict = AUTH_ERROR;
    if (value == NULL || wanted == NULL)
        return true;
    *value = token;
    *wanted = scope ? str_c(scope) : STR("");
    decision_begin(&record, id, 0);
    *c = (struct auth_call){
        .authorizer = &rig.authorizer,
        .facts = {.ops = &ops, .request = value, .scopes = wanted, .scope_count = scope != NULL},
        .arena = a,
        .loop = run_worker(rig.run, 0),
        .record = &record,
        .metrics = &metrics,
        .asks = 2, /* nobody waits here */
        .done = never,
    };
    return authorizer_decide(c);
}

static void check_row(size_t i)
{
    struct arena *a = arena_new(KIB(8), MIB(1));
    struct auth_call c;
    bool decided = decide(a, rig.tokens[i], rows[i].scope, &c);
    bool said = rows[i].challenge == NULL
                    ? c.challenge.n == 0
                    : str_find(c.challenge, str_c(rows[i].challenge)) < SIZE_MAX;
    if (!decided || c.verdict != rows[i].verdict || !said)
        snprintf(rig.wrong, sizeof rig.wrong, "row %zu: decided %d, verdict %d, \"%.*s\"", i,
                 decided, (int)c.verdict, STR_ARG(c.challenge));
    if (decided)
        auth_call_fini(&c);
    arena_free(a);
}

/* The n-th allocation fails: the verdict is the usual one or an error. */
static void check_faults(size_t i)
{
    bool hit = true;
    for (long n = 0; hit && n < 10000; n++)
        for (int sticky = 0; sticky < 2; sticky++) {
            struct arena *a = arena_new(64, MIB(1)); /* so that each part is an allocation */
            struct auth_call c;
            mem_fault(n, sticky);
            bool decided = decide(a, rig.tokens[i], rows[i].scope, &c);
            hit = mem_fault_hits() > 0;
            mem_fault(-1, 0);
            rig.faults += hit;
            if (!decided || (c.verdict != rows[i].verdict && (!hit || c.verdict == AUTH_ALLOW)))
                snprintf(rig.wrong, sizeof rig.wrong, "row %zu, allocation %ld: verdict %d", i, n,
                         (int)c.verdict);
            auth_call_fini(&c);
            arena_free(a);
        }
}

static void on_control(struct post *p)
{
    (void)p;
    authorizer_fini(&rig.authorizer);
    issuers_close(rig.issuers);
    run_stop(rig.run);
}

static void on_worker(struct post *p)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        check_row(i);
        check_faults(i);
    }
    p->fn = on_control;
    run_post(run_control(rig.run), p);
}

/* --- setting up ------------------------------------------------------------------------------ */
static struct str sign(const struct jwk *key, const char *claims)
{
    AUTO_BUF text = BUF_INIT(KIB(1));
    AUTO_BUF token = BUF_INIT(KIB(8));
    int64_t now = clock_wall_us(&clock_system) / 1000000;
    for (const char *c = claims; *c; c++)
        if (*c == '@')
            buf_addu(&text, (uint64_t)now);
        else
            buf_addc(&text, *c);
    assert_int_equal(jws_sign_with(key, &jws_algs[JWS_RS256], buf_str(&text), now, &token), ERR_OK);
    return arena_str(rig.arena, buf_str(&token));
}

static void write_keys(const struct jwk *key, char path[64])
{
    AUTO_BUF text = BUF_INIT(KIB(64));
    snprintf(path, 64, "/tmp/ropeline-jwt-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    buf_addz(&text, "{\"keys\":[");
    jwk_write(&text, key, false);
    buf_addz(&text, "]}");
    assert_int_equal(text.err, ERR_OK);
    assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
    close(fd);
}

static void each_token_gets_its_verdict_and_no_lack_of_memory_allows(void **state)
{
    (void)state;
    const struct jwk_about about = {.has_kid = true, .kid = STR("k")};
    struct jwk *key, *other;
    char path[64];
    struct errinfo e = {0};
    const struct json *spec;
    rig.arena = arena_new(KIB(16), MIB(1));
    assert_int_equal(jwk_generate(&jws_algs[JWS_RS256], &about, &key), ERR_OK);
    assert_int_equal(jwk_generate(&jws_algs[JWS_RS256], &about, &other), ERR_OK);
    for (size_t i = 0; i < COUNTOF(rows); i++)
        rig.tokens[i] = sign(rows[i].other_key ? other : key, rows[i].claims);
    write_keys(key, path);
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &rig.run), ERR_OK);
    assert_int_equal(issuers_new(rig.run, NULL, &rig.issuers), ERR_OK);
    struct str text = arena_fmt(rig.arena,
                                "{\"jwtConfiguration\":{\"issuer\":\"https://me\",\"audience\":"
                                "\"api\"},\"x-ropeline-keys\":\"%s\"}",
                                path);
    const struct authorizer_env env = {.http_api = true, .issuers = rig.issuers};
    assert_int_equal(json_parse(rig.arena, text, KIB(4), &spec, &e), ERR_OK);
    rig.authorizer.kind = &authorizer__jwt;
    rig.authorizer.name = STR("z");
    if (authorizer__jwt.compile(rig.arena, spec, &env, &rig.authorizer.conf, &e) != ERR_OK)
        fail_msg("%s", e.text);
    rig.post.fn = on_worker; /* after the view, which was posted before */
    run_post(run_worker(rig.run, 0), &rig.post);
    assert_int_equal(run_main(rig.run), ERR_OK);
    issuers_free(rig.issuers);
    run_free(rig.run);
    unlink(path);
    jwk_unref(key);
    jwk_unref(other);
    arena_free(rig.arena);
    assert_string_equal(rig.wrong, "");
    assert_true(rig.faults > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_token_gets_its_verdict_and_no_lack_of_memory_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
