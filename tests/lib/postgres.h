/* SPDX-License-Identifier: Apache-2.0
 *
 * A private PostgreSQL for a test program, by tests/lib/postgres.sh: it ends with the program.
 * POSTGRES_EMPTY undoes what the last test left in it. */
#ifndef ROPELINE_TESTS_POSTGRES_H
#define ROPELINE_TESTS_POSTGRES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define POSTGRES_EMPTY "DROP SCHEMA public CASCADE; CREATE SCHEMA public"

static char postgres_dir[] = "/tmp/ropeline-pg-XXXXXX";
static char postgres_url[256];

/* `what`: "start" or "stop" (with a mode of pg_ctl). Returns the exit code; 77: none is installed.
 */
static inline int postgres_do(const char *what, const char *more)
{
    char command[512], *end;
    const char *script = getenv("ROPELINE_TEST_POSTGRES"); /* set by meson */
    if (script == NULL)
        return 77;
    snprintf(command, sizeof command, "exec %s %s %s %s", script, what, postgres_dir, more);
    FILE *f = popen(command, "r");
    if (f == NULL)
        return -1;
    if (strcmp(what, "start") == 0 && fgets(postgres_url, sizeof postgres_url, f) &&
        (end = strchr(postgres_url, '\n')))
        *end = '\0';
    return WEXITSTATUS(pclose(f));
}

/* For a group's setup. Without a server the tests fail: what they say is said of one. */
static inline int postgres_setup(void **state)
{
    (void)state;
    int code = mkdtemp(postgres_dir) ? postgres_do("start", "") : -1;
    if (code == 77)
        fprintf(stderr, "PostgreSQL 15 is not installed (script/bootstrap --test), or this was not "
                        "started by meson test\n");
    return code;
}

static inline int postgres_teardown(void **state)
{
    char command[100];
    (void)state;
    (void)!postgres_do("stop", "");
    snprintf(command, sizeof command, "rm -rf %s", postgres_dir);
    return system(command);
}

#endif
