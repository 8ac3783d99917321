/* SPDX-License-Identifier: Apache-2.0
 *
 * Every cap of the identity core, as base/limits.h has those of the others. */
#ifndef ROPELINE_IDENTITY_LIMITS_INT_H
#define ROPELINE_IDENTITY_LIMITS_INT_H

#include "base/limits.h"

#define LIMIT_CDI_BODY MIB(1)
#define LIMIT_CDI_CONNECTIONS 1024 /* of one worker */
#define LIMIT_TENANT_ID 64
#define LIMIT_CDI_ARENA MIB(8)
#define LIMIT_CDI_LIST 100000  /* rows of one answer */
#define LIMIT_CORE_API_KEYS 16 /* of one app */
#define LIMIT_PASSWORD KIB(4)  /* argon2; bcrypt sees the first 72 bytes only */
#define LIMIT_USER_ID 256
#define LIMIT_EMAIL 320 /* RFC 5321: 64, @ and 255 */
#define LIMIT_SESSION_PAYLOAD KIB(64)

#endif
