/* SPDX-License-Identifier: Apache-2.0
 *
 * A real keeper for the keeper's tests, and eyes for what it does. Whatever a test leaves running,
 * teardown stops through SIGTERM. */
#ifndef ROPELINE_MAIN_KEEPER_FIXTURE_H
#define ROPELINE_MAIN_KEEPER_FIXTURE_H

#include "main/keeper_fixture_gateway.h"

static inline void nap(void)
{
    nanosleep(&(struct timespec){0, 5000000}, NULL);
}

#define until(cond)                       \
    do {                                  \
        int naps = 0;                     \
        while (!(cond) && naps++ < 3000)  \
            nap();                        \
        if (!(cond))                      \
            fail_msg("never: %s", #cond); \
    } while (0)

static inline void ready_text(void *arg, struct buf *out)
{
    (void)arg;
    buf_addf(out, "{\"gateway\":\"%s\",\"pid\":%d}", listens[0].bound, (int)getpid());
}

static inline const char *path_of(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* The contents of a file of our folder, "" while there is none. */
static inline const char *contents(const char *name)
{
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

/* The number that a script wrote into a file of our folder; 0 while there is none. */
static inline pid_t number_in(const char *name)
{
    uint64_t n;
    struct str s = str_c(contents(name));
    return s.n > 0 && s.p[s.n - 1] == '\n' && str_u64(str_sub(s, 0, s.n - 1), &n) ? (pid_t)n : 0;
}

static inline bool is_gone(pid_t pid)
{
    char path[32], stat[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    return n <= 0 || strstr(stat, ") Z ");
}

static inline void start_keeper(void (*p)(void))
{
    plan = p;
    fflush(NULL);
    keeper = fork();
    if (keeper == 0) {
        int code = keeper_run(&options);
        fflush(NULL);
        _exit(code);
    }
    assert_true(keeper > 0);
}

static inline int keeper_code(void)
{
    int status;
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    keeper = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int setup(void **state)
{
    (void)state;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(folder, sizeof folder, "/tmp/keeper_test.XXXXXX");
    listens[0] =
        (struct keeper_listen){.name = "gateway", .host = "127.0.0.1", .wanted = true, .copies = 1};
    options = (struct keeper_options){.listen = listens,
                                      .listens = 1,
                                      .ready_text = ready_text,
                                      .gateway = gateway,
                                      .quiet = true};
    deaf = false;
    keeper = 0;
    return board == MAP_FAILED || !mkdtemp(folder) ? -1 : 0;
}

static inline int teardown(void **state)
{
    (void)state;
    if (keeper > 0) {
        kill(keeper, SIGTERM);
        assert_int_equal(keeper_code(), 0);
    }
    munmap(board, sizeof *board);
    AUTO_BUF line = BUF_INIT(KIB(1));
    buf_addf(&line, "rm -rf %s", folder);
    return system(buf_cstr(&line));
}

/* A helper in the function's session, one in a session of its own, one that is a daemon, and one
 * that also shed its tag. */
static const char family[] =
    "sleep 1000 & echo $! > near; "
    "setsid sh -c 'echo $$ > far; exec sleep 1000' & "
    "(setsid sh -c 'echo $$ > daemon; exec sleep 1000' &) ; "
    "(setsid prlimit --rttime=1000:1000 sh -c 'echo $$ > shed; exec sleep 1000' &) ; "
    "echo $$ > main; exec sleep 1000";

static const char *const members[] = {"main", "near", "far", "daemon", "shed"};

static inline void wait_for_family(pid_t pids[COUNTOF(members)])
{
    for (size_t i = 0; i < COUNTOF(members); i++)
        until((pids[i] = number_in(members[i])) != 0);
}

static inline void family_is_gone(const pid_t pids[COUNTOF(members)])
{
    for (size_t i = 0; i < COUNTOF(members); i++)
        until(is_gone(pids[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
