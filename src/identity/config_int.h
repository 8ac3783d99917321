/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of the core: names, types, bounds and defaults are one table (config.c), the values
 * of an app and a tenant one struct. The base app's come from ropeline.yaml, an app's from
 * `coreConfig`, a tenant's from its own on top of the app's. Immutable once made. */
#ifndef ROPELINE_IDENTITY_CONFIG_INT_H
#define ROPELINE_IDENTITY_CONFIG_INT_H

#include "base/json.h"
#include "base/pattern.h"
#include "limits_int.h"

enum password_alg { PASSWORD_BCRYPT, PASSWORD_ARGON2 };

/* Numbers are in the unit of their name, whatever unit the setting has. */
struct core_config {
    int64_t access_token_validity_s, refresh_token_validity_s;
    int64_t signing_key_interval_ms; /* access_token_dynamic_signing_key_update_interval */
    bool signing_key_dynamic;        /* access_token_signing_key_dynamic */
    bool blacklisting;               /* access_token_blacklisting */
    int64_t jitter_percent;          /* access_token_validity_jitter, 0..25 */
    int64_t rotation_grace_ms;       /* refresh_token_rotation_grace_period, of mode 5.6 */
    int64_t password_reset_ms, email_verification_ms; /* lives of tokens */
    int64_t code_lifetime_ms, code_max_attempts;      /* passwordless */
    int64_t totp_max_attempts, totp_cooldown_s;
    enum password_alg password_alg;
    int64_t bcrypt_rounds, argon2_iterations, argon2_memory_kib, argon2_parallelism;
    struct str firebase_signer_key; /* base64; "" = none */
    struct str api_keys[LIMIT_CORE_API_KEYS];
    size_t api_key_count;
    struct str ip_allow, ip_deny; /* regular expressions as written; "" = none */
    const struct pattern *ip_allow_pattern, *ip_deny_pattern; /* NULL = none */
    struct str base_path; /* before every path of the core: "/some/path"; "" = none */
};

/* `settings` (an object or NULL) on top of `base` (NULL = the defaults); everything in `out` lives
 * in `a`. Numbers and booleans may be quoted; null and unknown names change nothing.
 * ERR_INVALID: `e` says it in the core's words, the name of the setting first. */
enum err core_config_read(struct arena *a, const struct core_config *base,
                          const struct json *settings, struct core_config *out,
                          struct errinfo *e) MUSTCHECK;
/* The name of a setting that all tenants of an app share, and that differs here; NULL = none. */
const char *core_config_differs(const struct core_config *app, const struct core_config *tenant);
/* Each setting as the dashboard shows it, with its value here; what is secret is left out. */
enum err core_config_describe(struct arena *a, const struct core_config *g,
                              struct json **out) MUSTCHECK;
/* Whether there is such a setting in the core, read here or not. */
bool core_config_knows(struct str name);

#endif
