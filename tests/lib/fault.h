/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes every allocation of a piece of code fail in turn: the first, then the second, ... until the
 * code runs through without meeting the fault. Each number is tried twice: once that allocation
 * alone fails, once all after it too. */
#ifndef ROPELINE_TESTS_FAULT_H
#define ROPELINE_TESTS_FAULT_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

/* More rounds than any tested code has allocations: a loop that never ends is a broken test. */
#define FAULT_ROUNDS 100000

struct fault {
    long round; /* even: one allocation fails; odd: all from there on */
    bool armed;
};

/* Ends the former round and begins the next; false after the first round without a hit. */
static inline bool fault_next(struct fault *f)
{
    if (f->armed) {
        f->armed = false;
        mem_fault(-1, 0);
        if (mem_fault_hits() == 0)
            return false;
        f->round++;
    }
    if (f->round >= FAULT_ROUNDS)
        fail_msg("still failing after %d rounds", FAULT_ROUNDS);
    f->armed = true;
    mem_fault(f->round / 2, f->round % 2);
    return true;
}

/* FAULT_EACH { body } runs the body once per round; fault_hit() asks inside it whether the fault
 * has struck yet. Leave the body only at its end: `continue` is fine, `break` and `return` are not.
 */
#define FAULT_EACH for (struct fault fault__ = {0, false}; fault_next(&fault__);)
static inline bool fault_hit(void)
{
    return mem_fault_hits() > 0;
}

/* Asks of `body` what most code owes: ERR_NOMEM in each round with a hit, ERR_OK without one. */
static inline void fault_each(enum err (*body)(void *arg), void *arg)
{
    FAULT_EACH
    {
        enum err err = body(arg);
        bool hit = fault_hit();
        mem_fault(-1, 0);
        if (err != (hit ? ERR_NOMEM : ERR_OK))
            fail_msg("allocation %ld %s: got \"%s\"", fault__.round / 2,
                     hit ? "refused" : "granted", err_text(err));
    }
}

#endif
