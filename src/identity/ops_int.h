/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of operations by the files that own them, for cdi_ops.c alone. */
#ifndef ROPELINE_IDENTITY_OPS_INT_H
#define ROPELINE_IDENTITY_OPS_INT_H

#include "cdi_int.h"

extern const struct cdi_table misc__table;

#endif
