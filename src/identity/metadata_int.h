/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of metadata, for schema.c. */
#ifndef ROPELINE_IDENTITY_METADATA_INT_H
#define ROPELINE_IDENTITY_METADATA_INT_H

extern const char metadata__schema[];

#endif
