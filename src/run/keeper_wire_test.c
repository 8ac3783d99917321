/* SPDX-License-Identifier: Apache-2.0
 *
 * The spawn packet: what is encoded is decoded, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/keeper_wire.h"

static const char *const argv[] = {"/bin/echo", "", "a b", NULL};
static const char *const env[] = {"A=", "PATH=/bin:/usr/bin", NULL};
static const char *const read_paths[] = {"/usr", "/code", NULL};
static const char *const write_paths[] = {"/data", NULL};
static const struct child_cage cage = {.level = CHILD_STRICT,
                                       .uid = 1001,
                                       .gid = 1002,
                                       .memory = UINT64_C(5) << 30,
                                       .pids = 1024,
                                       .opens_itself = true,
                                       .tmp = "/state/tmp/a",
                                       .hide = "/state",
                                       .task = "/code",
                                       .read = read_paths,
                                       .write = write_paths};
static const struct child_spec plain = {.argv = argv,
                                        .env = env,
                                        .cwd = "/tmp",
                                        .fds = {-1, 7, 7, -1, 9},
                                        .fd_count = 5,
                                        .nofile = 1024,
                                        .nproc = 64,
                                        .fsize = UINT64_C(1) << 40,
                                        .cage = &cage};

static struct keeper_request request;

static void encode(struct buf *b)
{
    assert_int_equal(keeper_spawn_encode(&plain, 42, b), ERR_OK);
}

/* Decodes a copy of exactly this size, so that ASan sees a step beyond it. */
static enum err decode(const struct buf *b, size_t n, unsigned fds)
{
    char *copy = n ? mem_dup(b->p, n) : NULL;
    enum err err = keeper_spawn_decode(copy, n, fds, &request);
    mem_free(copy);
    return err;
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
    encode(&b);
    assert_int_equal(keeper_spawn_decode(b.p, b.n, 3, &request), ERR_OK);
    assert_int_equal(request.spawn.head.id, 42);
    assert_int_equal(request.spawn.fd_count, 5);
    assert_int_equal(request.spawn.fd_mask, 0x16);
    assert_int_equal(request.spawn.nofile, 1024);
    assert_int_equal(request.spawn.nproc, 64);
    assert_true(request.spawn.fsize == UINT64_C(1) << 40);
    assert_string_equal(request.cwd, "/tmp");
    for (size_t i = 0; argv[i]; i++)
        assert_string_equal(request.argv[i], argv[i]);
    assert_null(request.argv[3]);
    for (size_t i = 0; env[i]; i++)
        assert_string_equal(request.env[i], env[i]);
    assert_null(request.env[2]);
    assert_int_equal(request.spawn.level, CHILD_STRICT);
    assert_int_equal(request.spawn.uid, 1001);
    assert_int_equal(request.spawn.gid, 1002);
    assert_true(request.spawn.memory == UINT64_C(5) << 30);
    assert_int_equal(request.spawn.pids, 1024);
    assert_int_equal(request.spawn.opens_itself, 1);
    assert_string_equal(request.tmp, "/state/tmp/a");
    assert_string_equal(request.hide, "/state");
    assert_string_equal(request.task, "/code");
    assert_string_equal(request.opt, "");
    assert_string_equal(request.read[1], "/code");
    assert_null(request.read[2]);
    assert_string_equal(request.write[0], "/data");
    assert_null(request.write[1]);
}

static void a_cage_of_relative_paths_is_refused(void **state)
{
    (void)state;
    static const char *const relative[] = {"code", NULL};
    static const char *many[LIMIT_CHILD_PATHS + 2];
    struct child_cage bad[5] = {cage, cage, cage, cage, cage};
    const enum err want[5] = {ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_LIMIT};
    for (size_t i = 0; i < COUNTOF(many) - 1; i++)
        many[i] = "/x";
    bad[0].tmp = "tmp";
    bad[1].task = "code";
    bad[2].read = relative;
    bad[3].write = relative;
    bad[4].read = many;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
        struct child_spec spec = plain;
        spec.cage = &bad[i];
        assert_int_equal(keeper_spawn_encode(&spec, 1, &b), want[i]);
    }
}

static void an_adoption_is_of_a_process_and_a_known_level(void **state)
{
    (void)state;
    const struct keeper_adopt good = {{KEEPER_ADOPT, 7}, 4711, CHILD_DEFAULT, 1024, 1 << 27};
    struct keeper_adopt out, bad[4] = {good, good, good, good};
    assert_int_equal(keeper_adopt_decode((const char *)&good, sizeof good, &out), ERR_OK);
    assert_int_equal(out.pid, 4711);
    assert_int_equal(keeper_adopt_decode((const char *)&good, sizeof good - 1, &out), ERR_SYNTAX);
    bad[0].head.id = 0;
    bad[1].pid = 1;
    bad[2].pid = -1;
    bad[3].level = CHILD_LEVELS;
    for (size_t i = 0; i < COUNTOF(bad); i++)
        assert_int_equal(keeper_adopt_decode((const char *)&bad[i], sizeof bad[i], &out),
                         ERR_SYNTAX);
}

static void a_spec_that_cannot_start_is_refused(void **state)
{
    (void)state;
    static const char *const relative[] = {"echo", NULL};
    static const char *const none[] = {NULL};
    static const char *const no_value[] = {"A", NULL};
    struct child_spec bad[5] = {plain, plain, plain, plain, plain};
    const enum err want[5] = {ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_LIMIT};
    bad[0].argv = relative;
    bad[1].argv = none;
    bad[2].env = no_value;
    bad[3].cwd = "tmp";
    bad[4].fd_count = CHILD_FDS + 1;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
        assert_int_equal(keeper_spawn_encode(&bad[i], 1, &b), want[i]);
    }
}

static void a_spec_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static char long_value[LIMIT_KEEPER_MESSAGE];
    static const char *many[LIMIT_CHILD_ARGS + 2];
    AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
    struct child_spec spec = plain;
    for (size_t i = 0; i < COUNTOF(many) - 1; i++)
        many[i] = "/x";
    spec.argv = many;
    assert_int_equal(keeper_spawn_encode(&spec, 1, &b), ERR_LIMIT);
    memset(long_value, 'x', sizeof long_value - 1);
    long_value[1] = '=';
    const char *const big[] = {long_value, NULL};
    spec = plain;
    spec.env = big;
    assert_int_equal(keeper_spawn_encode(&spec, 1, &b), ERR_LIMIT);
}

static void a_cut_or_lengthened_packet_is_refused(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
    encode(&b);
    size_t whole = b.n;
    for (size_t n = 0; n < whole; n++)
        assert_int_equal(decode(&b, n, 3), ERR_SYNTAX);
    assert_int_equal(decode(&b, whole, 3), ERR_OK);
    buf_addc(&b, 0);
    assert_int_equal(decode(&b, whole + 1, 3), ERR_SYNTAX);
}

static void the_descriptors_must_be_those_announced(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
    encode(&b);
    assert_int_equal(decode(&b, b.n, 2), ERR_SYNTAX);
    assert_int_equal(decode(&b, b.n, 4), ERR_SYNTAX);
    struct keeper_spawn *s = (struct keeper_spawn *)(void *)b.p;
    s->fd_mask |= 1U << 5; /* beyond fd_count */
    assert_int_equal(decode(&b, b.n, 4), ERR_SYNTAX);
    s->fd_count = 33;
    assert_int_equal(decode(&b, b.n, 4), ERR_SYNTAX);
}

static void hostile_counts_are_refused(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
    encode(&b);
    struct keeper_spawn *s = (struct keeper_spawn *)(void *)b.p;
    const struct keeper_spawn good = *s;
    const uint32_t counts[] = {0, 4, LIMIT_CHILD_ARGS + 1, LIMIT_CHILD_ENV + 1, UINT32_MAX};
    for (size_t i = 0; i < COUNTOF(counts); i++) {
        *s = good;
        s->argc = counts[i];
        assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
        *s = good;
        s->envc = counts[i];
        assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
    }
    for (size_t i = 1; i < COUNTOF(counts); i++) {
        *s = good;
        s->readc = counts[i];
        assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
        *s = good;
        s->writec = counts[i];
        assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
    }
    *s = good;
    s->level = CHILD_LEVELS;
    assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
    *s = good;
    s->opens_itself = 2;
    assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
    *s = good;
    s->head.id = 0;
    assert_int_equal(decode(&b, b.n, 3), ERR_SYNTAX);
}

/* A small generator of our own (xorshift): the same bytes on every run. */
static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void random_damage_never_leads_outside_the_packet(void **state)
{
    (void)state;
    uint32_t seed = 2463534242U;
    for (int round = 0; round < 20000; round++) {
        AUTO_BUF b = BUF_INIT(LIMIT_KEEPER_MESSAGE);
        encode(&b);
        for (uint32_t n = next_random(&seed) % 4 + 1; n > 0; n--)
            b.p[next_random(&seed) % b.n] = (char)next_random(&seed);
        size_t cut = next_random(&seed) % 4 ? b.n : next_random(&seed) % b.n;
        if (decode(&b, cut, next_random(&seed) % 5) == ERR_OK)
            assert_true(request.spawn.argc >= 1 && request.spawn.argc <= LIMIT_CHILD_ARGS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(a_spec_that_cannot_start_is_refused),
        cmocka_unit_test(a_spec_that_is_too_long_is_refused),
        cmocka_unit_test(a_cage_of_relative_paths_is_refused),
        cmocka_unit_test(an_adoption_is_of_a_process_and_a_known_level),
        cmocka_unit_test(a_cut_or_lengthened_packet_is_refused),
        cmocka_unit_test(the_descriptors_must_be_those_announced),
        cmocka_unit_test(hostile_counts_are_refused),
        cmocka_unit_test(random_damage_never_leads_outside_the_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
