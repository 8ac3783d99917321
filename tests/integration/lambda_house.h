/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions as they really run: a keeper, the gateway process with its loops, node, and handlers in
 * a directory made for each test. The tests run on a thread of their own and wait for each answer,
 * so that they read from top to bottom. */
#ifndef ROPELINE_TESTS_LAMBDA_HOUSE_H
#define ROPELINE_TESTS_LAMBDA_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <semaphore.h>

#include "base/limits.h"
#include "lambda/lambda.h"

#define ENVIRONMENTS 3 /* of each function at most */

extern struct run *run;
extern struct lambda *lambda;
extern char root[64], state[80]; /* for files of a test; STATE */
extern char code[96];            /* the code directory of the present test */

/* Runs the tests inside a gateway process and ends with their exit code. */
int house_main(const struct CMUnitTest *tests, size_t n);
#define TEST(name) cmocka_unit_test_setup(name, house_fresh_code)
int house_fresh_code(void **s);

/* Runs `fn` on the control loop and waits for it. */
void on_control(void (*fn)(void *arg), void *arg);

struct making {
    struct function_spec spec;
    struct function *function;
    struct errinfo e;
    enum err err;
};
struct making spec_of(const char *handler);
void make(void *making); /* on the control loop */
struct function *made(struct making *m);
/* A function whose index.js is this. */
struct function *handler(const char *text);
void drop(struct function *f);
void file(const char *name, const char *text); /* below `code` */

struct call {
    struct lambda_invocation i;
    sem_t over;
};
void start_call(struct call *c, struct function *f, struct str payload);
void end_call(struct call *c);

extern char answer[512]; /* the beginning of what the last of these was answered: */
struct lambda_invocation call_with(struct function *f, struct str payload);
struct lambda_invocation call(struct function *f);
void assert_answers(struct function *f, const char *expected);
void assert_fails(struct function *f, enum lambda_outcome outcome, const char *type,
                  const char *message);

/* What lambda_logs has of "Fn", or with an id what lambda_recall has; until the next call of this.
 */
const char *logged(const char *id);
void assert_in_order(const char *text, const char *const *parts);
void assert_gone(int pid);
void pause_ms(long ms);

#endif
