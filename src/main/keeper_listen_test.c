/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses and control sockets: what works and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "main/keeper_int.h"

static struct keeper_listen listens[1];
static struct keeper_options options;
static char folder[64], path[100];

static int setup(void **state)
{
    (void)state;
    listens[0] =
        (struct keeper_listen){.name = "gateway", .host = "127.0.0.1", .wanted = true, .copies = 1};
    options = (struct keeper_options){.listen = listens, .listens = 1};
    snprintf(folder, sizeof folder, "/tmp/keeper_test.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/control.sock", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int open_and_close(void)
{
    struct keeper *k = calloc(1, sizeof *k);
    k->o = &options;
    int ok = keeper__listen(k);
    keeper__unlisten(k);
    free(k);
    return ok;
}

static void addresses_that_cannot_work_are_refused(void **state)
{
    (void)state;
    listens[0].host = "192.0.2.1";
    assert_false(open_and_close());
    listens[0].host = "no such host";
    assert_false(open_and_close());
    listens[0].host = "localhost";
    assert_true(open_and_close());
    assert_memory_equal(listens[0].bound, "127.0.0.1:", 10);
    listens[0].wanted = false;
    listens[0].host = "no such host";
    assert_true(open_and_close());
    assert_string_equal(listens[0].bound, "");
}

static void only_a_stale_control_socket_is_replaced(void **state)
{
    (void)state;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    options.control_socket = path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_false(open_and_close()); /* somebody answers */
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    assert_true(open_and_close());
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_false(open_and_close()); /* a file of somebody's */
    assert_int_equal(access(path, F_OK), 0);
}

static void a_control_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char too_long[200];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = 0;
    options.control_socket = too_long;
    assert_false(open_and_close());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_that_cannot_work_are_refused),
        TEST(only_a_stale_control_socket_is_replaced),
        TEST(a_control_path_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
