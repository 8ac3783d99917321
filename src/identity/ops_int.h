/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of operations by the files that own them, for cdi_ops.c alone. */
#ifndef ROPELINE_IDENTITY_OPS_INT_H
#define ROPELINE_IDENTITY_OPS_INT_H

#include "cdi_int.h"

#define CDI_OPS(recipe)                         \
    extern const struct cdi_op recipe##__ops[]; \
    extern const size_t recipe##__op_count

CDI_OPS(misc);

#endif
