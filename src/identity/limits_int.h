/* SPDX-License-Identifier: Apache-2.0
 *
 * Every cap of the identity core, as base/limits.h has those of the others. */
#ifndef ROPELINE_IDENTITY_LIMITS_INT_H
#define ROPELINE_IDENTITY_LIMITS_INT_H

#include "base/limits.h"

#define LIMIT_CDI_BODY MIB(1)
#define LIMIT_CDI_CONNECTIONS 1024 /* of one worker */
#define LIMIT_TENANT_ID 64
#define LIMIT_FACTORS 64           /* of one tenant */
#define LIMIT_PROVIDER_CLIENTS 100 /* of one third party */
#define LIMIT_TENANTS_KEPT 16384   /* settings in memory */
#define LIMIT_KEYS_KEPT 1024       /* apps whose keys are in memory */
#define LIMIT_APP_KEYS 250         /* dynamic ones of an app that verify at a time */
#define LIMIT_KEYS_READY 64        /* RSA keys made ahead */
#define LIMIT_CDI_ARENA MIB(32)
#define LIMIT_CDI_LIST 100000   /* rows of one answer; they fit into the arena */
#define LIMIT_LOGIN_METHODS 100 /* of one user */
#define LIMIT_CORE_API_KEYS 16  /* of one app */
#define LIMIT_PASSWORD KIB(4)   /* argon2; bcrypt sees the first 72 bytes only */
/* what an imported password hash may cost, unless the configuration asks for more itself */
#define LIMIT_BCRYPT_ROUNDS 15 /* of 2^n: about two seconds */
#define LIMIT_ARGON2_MEMORY_KIB 262144
#define LIMIT_ARGON2_WORK_KIB 1048576 /* memory times passes: about two seconds */
#define LIMIT_ARGON2_LANES 64
#define LIMIT_SCRYPT_MEMORY MIB(64)
#define LIMIT_PASSWORD_HASH_PART 128 /* bytes of its salt, its hash, or Firebase's key */
#define LIMIT_USER_ID 256
#define LIMIT_TOTP_DEVICES 64     /* of one user */
#define LIMIT_TOTP_ATTEMPTS 10000 /* all are read at each try */
#define LIMIT_TOTP_SKEW 50        /* periods on either side */
#define LIMIT_TOTP_PERIOD_S 86400
#define LIMIT_TOTP_SECRET 128      /* bytes */
#define LIMIT_EMAIL 320            /* RFC 5321: 64, @ and 255 */
#define LIMIT_DASHBOARD_USERS 1000 /* of one app */
#define LIMIT_SESSION_PAYLOAD KIB(64)
#define LIMIT_REFRESH_TOKEN KIB(8)
#define LIMIT_SEALED KIB(64)
#define LIMIT_METADATA KIB(256)
#define LIMIT_ROLE_NAME 255
#define LIMIT_PERMISSIONS 1000        /* of one call */
#define LIMIT_ROLES_OF_USER 1000      /* and permissions */
#define LIMIT_ROLES_REMEMBERED 131072 /* users in memory */
#define LIMIT_SEARCH_VALUES 8         /* of one field */
#define LIMIT_USERS_FOUND 1000
#define LIMIT_JWT_VALIDITY_S 3153600000 /* a hundred years */
#define LIMIT_REVOKED_SESSIONS 1572864  /* kept in memory, 16 bytes each */
#define LIMIT_TOKEN_PAYLOAD 4608        /* the part that goes into access tokens: LIMIT_JWT_BYTES */

#endif
