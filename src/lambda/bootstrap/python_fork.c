/* SPDX-License-Identifier: Apache-2.0
 *
 * What a template in Python does in C, loaded with ctypes: no name of Python's is used here, so
 * that it serves every version. What Python wants done around a fork python_template.py calls
 * itself. */
#include "birth.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int receive(void);
EXPORT int give_birth(void);
EXPORT const char *text(void);

int receive(void)
{
    return birth_receive();
}

int give_birth(void)
{
    return birth_give();
}

const char *text(void)
{
    size_t n;
    return birth_text(&n);
}
