/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of operations by the files that own them, for cdi_ops.c alone. */
#ifndef ROPELINE_IDENTITY_OPS_INT_H
#define ROPELINE_IDENTITY_OPS_INT_H

#include "cdi_int.h"

extern const struct cdi_table jwt_ops__table;
extern const struct cdi_table misc__table;
extern const struct cdi_table session__table;
extern const struct cdi_table session_data__table;
extern const struct cdi_table tenant_ops__table;
extern const struct cdi_table tenant_provider__table;
extern const struct cdi_table tenant_read__table;
extern const struct cdi_table tenant_user__table;

#endif
