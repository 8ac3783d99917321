/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of apps and tenants, for schema.c and for the operations that change it. */
#ifndef ROPELINE_IDENTITY_TENANT_INT_H
#define ROPELINE_IDENTITY_TENANT_INT_H

extern const char tenant__schema[];

#endif
