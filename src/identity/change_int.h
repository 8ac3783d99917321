/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of changes, for schema.c. */
#ifndef ROPELINE_IDENTITY_CHANGE_INT_H
#define ROPELINE_IDENTITY_CHANGE_INT_H

extern const char change__schema[];

#endif
