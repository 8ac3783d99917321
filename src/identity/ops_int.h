/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of operations by the files that own them, for cdi_ops.c alone. */
#ifndef ROPELINE_IDENTITY_OPS_INT_H
#define ROPELINE_IDENTITY_OPS_INT_H

#include "cdi_int.h"

extern const struct cdi_table dashboard__table;
extern const struct cdi_table dashboard_session__table;
extern const struct cdi_table email_verification__table;
extern const struct cdi_table emailpassword__table;
extern const struct cdi_table jwt_ops__table;
extern const struct cdi_table linking__table;
extern const struct cdi_table metadata__table;
extern const struct cdi_table keys_ops__table;
extern const struct cdi_table misc__table;
extern const struct cdi_table passwordless__table;
extern const struct cdi_table passwordless_user__table;
extern const struct cdi_table roles__table;
extern const struct cdi_table session__table;
extern const struct cdi_table session_data__table;
extern const struct cdi_table tenant_ops__table;
extern const struct cdi_table tenant_provider__table;
extern const struct cdi_table tenant_read__table;
extern const struct cdi_table tenant_user__table;
extern const struct cdi_table thirdparty__table;
extern const struct cdi_table totp__table;
extern const struct cdi_table user_mapping__table;
extern const struct cdi_table user_remove__table;
extern const struct cdi_table users__table;

#endif
