/* SPDX-License-Identifier: Apache-2.0
 *
 * Which fields cross the gateway, and under which name. */
#ifndef ROPELINE_GATEWAY_HEADERS_INT_H
#define ROPELINE_GATEWAY_HEADERS_INT_H

#include "base/arena.h"

bool header__to_backend(struct str name);
bool header__from_backend(struct str name);
/* "x-amzn-Remapped-Date" for "Date", the name itself for most; memory from `a`. */
struct str header__remapped(struct arena *a, struct str name) MUSTCHECK;

#endif
