/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of the core. Each that does something here is one row: its name, its type, what one
 * unit of it is in the struct, default and bounds. Invariant: what core_config_read lets through is
 * within the bounds, so that nobody who uses a value looks again. */
#include "config_int.h"

enum kind { KIND_INT, KIND_LONG, KIND_DOUBLE, KIND_BOOLEAN, KIND_STRING, KIND_ALG, KIND_KEYS };
static const char *const kind_names[] = {
    [KIND_INT] = "int",         [KIND_LONG] = "long",     [KIND_DOUBLE] = "double",
    [KIND_BOOLEAN] = "boolean", [KIND_STRING] = "String", [KIND_ALG] = "String",
    [KIND_KEYS] = "String",
};

#define DAYS_MS(n) ((n)*86400000.0)
#define YEARS 10 /* no life of anything is longer */

#define ABOVE 1U   /* more than `least`, not `least` itself */
#define PER_APP 2U /* all tenants of an app have the same */
#define SECRET 4U  /* shown to nobody */

struct setting {
    const char *name;
    enum kind kind;
    size_t member;
    double unit;                   /* the member is the value times this */
    double otherwise, least, most; /* in units of the setting */
    unsigned flags;
    const char *bounds; /* follows the name when the value is below or above */
};
#define AT(member) offsetof(struct core_config, member)
#define POSITIVE "must be > 0"

static const struct setting settings_of_core[] = {
    {"access_token_validity", KIND_LONG, AT(access_token_validity_s), 1, 3600, 1, 86400000, PER_APP,
     "must be between 1 and 86400000 seconds inclusive."},
    {"refresh_token_validity", KIND_DOUBLE, AT(refresh_token_validity_s), 60, 144000, 0, 525600000,
     ABOVE | PER_APP, POSITIVE},
    {"access_token_dynamic_signing_key_update_interval", KIND_DOUBLE, AT(signing_key_interval_ms),
     3600000, 168, 0, YEARS * 8760, ABOVE | PER_APP, POSITIVE},
    {"access_token_signing_key_update_interval", KIND_DOUBLE, AT(signing_key_interval_ms), 3600000,
     168, 0, YEARS * 8760, ABOVE, POSITIVE},
    {"access_token_signing_key_dynamic", KIND_BOOLEAN, AT(signing_key_dynamic), 1, 1, 0, 1, PER_APP,
     ""},
    {"access_token_blacklisting", KIND_BOOLEAN, AT(blacklisting), 1, 0, 0, 1, PER_APP, ""},
    {"access_token_validity_jitter", KIND_DOUBLE, AT(jitter_percent), 100, 0, 0, 0.25, PER_APP,
     "must be between 0 and 0.25 inclusive."},
    {"refresh_token_rotation_grace_period", KIND_INT, AT(rotation_grace_ms), 1000, 30, 0, 300,
     PER_APP, "must be between 0 and 300 seconds inclusive."},
    {"password_reset_token_lifetime", KIND_LONG, AT(password_reset_ms), 1, 3600000, 1,
     DAYS_MS(365 * YEARS), 0, "must be >= 0"},
    {"email_verification_token_lifetime", KIND_LONG, AT(email_verification_ms), 1, 86400000, 1,
     DAYS_MS(365 * YEARS), 0, "must be >= 0"},
    {"passwordless_code_lifetime", KIND_LONG, AT(code_lifetime_ms), 1, 900000, 1,
     DAYS_MS(365 * YEARS), 0, POSITIVE},
    {"passwordless_max_code_input_attempts", KIND_INT, AT(code_max_attempts), 1, 5, 1, 1000000, 0,
     POSITIVE},
    {"totp_max_attempts", KIND_INT, AT(totp_max_attempts), 1, 5, 1, LIMIT_TOTP_ATTEMPTS, 0,
     "must be between 1 and 10000"},
    {"totp_rate_limit_cooldown_sec", KIND_INT, AT(totp_cooldown_s), 1, 900, 1, 31536000, 0,
     POSITIVE},
    {"password_hashing_alg", KIND_ALG, AT(password_alg), 1, PASSWORD_BCRYPT, 0, 0, PER_APP,
     "must be one of 'ARGON2' or 'BCRYPT'"},
    {"bcrypt_log_rounds", KIND_INT, AT(bcrypt_rounds), 1, 11, 4, 20, 0, "must be between 4 and 20"},
    {"argon2_iterations", KIND_INT, AT(argon2_iterations), 1, 1, 1, 100, 0,
     "must be between 1 and 100"},
    {"argon2_memory_kb", KIND_INT, AT(argon2_memory_kib), 1, 87795, 512, 1048576, 0,
     "must be between 512 and 1048576"},
    {"argon2_parallelism", KIND_INT, AT(argon2_parallelism), 1, 2, 1, 64, 0,
     "must be between 1 and 64"},
    {"firebase_password_hashing_signer_key", KIND_STRING, AT(firebase_signer_key), 0, 0, 0, 0,
     PER_APP | SECRET, ""},
    {"api_keys", KIND_KEYS, AT(api_keys), 0, 0, 0, 0, PER_APP | SECRET, ""},
    {"ip_allow_regex", KIND_STRING, AT(ip_allow), 0, 0, 0, 0, 0, ""},
    {"ip_deny_regex", KIND_STRING, AT(ip_deny), 0, 0, 0, 0, 0, ""},
    {"base_path", KIND_STRING, AT(base_path), 0, 0, 0, 0, 0, ""},
};

/* Those of the core that change nothing here, so that a configuration made for it is taken. */
static const char *const idle_settings[] = {
    "argon2_hashing_pool_size",
    "bulk_migration_batch_size",
    "bulk_migration_parallelism",
    "bulk_migration_sleep_between_rounds_in_batch_ms",
    "core_config_version",
    "disable_telemetry",
    "error_log_path",
    "firebase_password_hashing_pool_size",
    "host",
    "info_log_path",
    "log_level",
    "max_server_pool_size",
    "oauth_client_secret_encryption_key",
    "oauth_provider_admin_service_url",
    "oauth_provider_consent_login_base_url",
    "oauth_provider_public_service_url",
    "oauth_provider_url_configured_in_oauth_provider",
    "otel_collector_connection_uri",
    "port",
    "recent_token_reuse_behaviour",
    "saml_claims_validity",
    "saml_legacy_acs_url",
    "saml_relay_state_validity",
    "saml_sp_entity_id",
    "supertokens_max_cdi_version",
    "supertokens_min_cdi_version",
    "supertokens_saas_load_only_cud",
    "supertokens_saas_secret",
    "webauthn_recover_account_token_lifetime",
    "webserver_https_enabled",
};

bool core_config_knows(struct str name)
{
    for (size_t i = 0; i < COUNTOF(settings_of_core); i++)
        if (str_eqz(name, settings_of_core[i].name))
            return true;
    for (size_t i = 0; i < COUNTOF(idle_settings); i++)
        if (str_eqz(name, idle_settings[i]))
            return true;
    /* Those of the database: `postgresql_...` and its older kin. */
    return str_starts(name, STR("postgresql_")) || str_starts(name, STR("mysql_")) ||
           str_starts(name, STR("mongodb_"));
}

static void *member_of(struct core_config *c, const struct setting *s)
{
    return (char *)c + s->member;
}

static void set_number(struct core_config *c, const struct setting *s, double value)
{
    if (s->kind == KIND_BOOLEAN)
        *(bool *)member_of(c, s) = value != 0;
    else if (s->kind == KIND_ALG)
        *(enum password_alg *)member_of(c, s) = (enum password_alg)value;
    else
        *(int64_t *)member_of(c, s) = (int64_t)(value * s->unit + 0.5);
}

static enum err refuse(struct errinfo *e, const struct setting *s)
{
    return errinfo_set(e, ERR_INVALID, "'%s' %s", s->name, s->bounds);
}

static enum err refuse_type(struct errinfo *e, const struct setting *s)
{
    return errinfo_set(e, ERR_INVALID, "'%s' must be of type %s", s->name, kind_names[s->kind]);
}

static enum err read_number(struct arena *a, const struct setting *s, const struct json *v,
                            struct core_config *out, struct errinfo *e)
{
    struct json number = {.type = JSON_NULL};
    if (v->type == JSON_STRING) {
        enum err err = json_read_number(a, str_trim(v->s), &number);
        if (err == ERR_NOMEM)
            return err;
        if (err == ERR_OK)
            v = &number;
    }
    if (v->type != JSON_NUMBER)
        return refuse_type(e, s);
    if (v->real < s->least || v->real > s->most || ((s->flags & ABOVE) && v->real <= s->least))
        return refuse(e, s);
    if (s->kind != KIND_DOUBLE && v->real != (double)(int64_t)v->real)
        return refuse_type(e, s);
    set_number(out, s, v->real);
    return ERR_OK;
}

static enum err read_boolean(const struct setting *s, const struct json *v, struct core_config *out,
                             struct errinfo *e)
{
    bool yes = v->type == JSON_TRUE || (v->type == JSON_STRING && str_ieq(v->s, STR("true")));
    bool no = v->type == JSON_FALSE || (v->type == JSON_STRING && str_ieq(v->s, STR("false")));
    if (!yes && !no)
        return refuse_type(e, s);
    set_number(out, s, yes);
    return ERR_OK;
}

static enum err read_alg(const struct setting *s, const struct json *v, struct core_config *out,
                         struct errinfo *e)
{
    if (v->type != JSON_STRING)
        return refuse_type(e, s);
    if (str_ieq(v->s, STR("BCRYPT")))
        out->password_alg = PASSWORD_BCRYPT;
    else if (str_ieq(v->s, STR("ARGON2")))
        out->password_alg = PASSWORD_ARGON2;
    else
        return refuse(e, s);
    return ERR_OK;
}

static enum err read_string(const struct setting *s, const struct json *v, struct core_config *out,
                            struct errinfo *e)
{
    if (v->type != JSON_STRING)
        return refuse_type(e, s);
    if (memchr(v->s.p, '\0', v->s.n))
        return errinfo_set(e, ERR_INVALID, "'%s' must not contain NUL", s->name);
    *(struct str *)member_of(out, s) = v->s;
    return ERR_OK;
}

static bool is_key_char(char c)
{
    return c == '=' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static enum err read_keys(const struct setting *s, const struct json *v, struct core_config *out,
                          struct errinfo *e)
{
    if (v->type != JSON_STRING)
        return refuse_type(e, s);
    struct str rest = v->s;
    out->api_key_count = 0;
    do {
        struct str key = str_trim(str_cut(rest, ',', &rest));
        if (key.n < 20)
            return errinfo_set(e, ERR_INVALID,
                               "One of the API keys is too short. Please use at least 20 "
                               "characters");
        for (size_t i = 0; i < key.n; i++)
            if (!is_key_char(key.p[i]))
                return errinfo_set(e, ERR_INVALID,
                                   "Invalid characters in API key. Please only use '=', '-' and "
                                   "alpha-numeric (including capitals)");
        if (out->api_key_count == COUNTOF(out->api_keys))
            return errinfo_set(e, ERR_INVALID, "'%s' must be at most %d keys", s->name,
                               LIMIT_CORE_API_KEYS);
        out->api_keys[out->api_key_count++] = key;
    } while (rest.p);
    return ERR_OK;
}

static enum err read_one(struct arena *a, const struct setting *s, const struct json *v,
                         struct core_config *out, struct errinfo *e)
{
    switch (s->kind) {
    case KIND_BOOLEAN:
        return read_boolean(s, v, out, e);
    case KIND_ALG:
        return read_alg(s, v, out, e);
    case KIND_KEYS:
        return read_keys(s, v, out, e);
    case KIND_STRING:
        return read_string(s, v, out, e);
    default:
        return read_number(a, s, v, out, e);
    }
}

static enum err compile(struct arena *a, const char *name, struct str text,
                        const struct pattern **out, struct errinfo *e)
{
    struct pattern *made = NULL;
    *out = NULL;
    enum err err = text.n > 0 ? pattern_compile(a, text, &made, NULL) : ERR_OK;
    *out = made;
    return err == ERR_INVALID
               ? errinfo_set(e, err, "Provided regular expression is invalid for %s config", name)
               : err;
}

/* "/some/path": from what may be "some/path/"; "" for "/". */
static enum err read_base_path(struct arena *a, struct core_config *out, struct errinfo *e)
{
    struct str path = str_trim(out->base_path);
    while (path.n > 0 && path.p[0] == '/')
        path = str_from(path, 1);
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    for (size_t i = 0; i < path.n; i++)
        if ((!is_key_char(path.p[i]) && !strchr("/._", path.p[i])) || path.p[i] == '=')
            return errinfo_set(e, ERR_INVALID, "Invalid characters in base_path config");
    out->base_path = path.n > 0 ? arena_fmt(a, "/%.*s", STR_ARG(path)) : STR("");
    return out->base_path.p ? ERR_OK : ERR_NOMEM;
}

static bool own(struct arena *a, struct str *s)
{
    *s = arena_str(a, *s);
    return s->p != NULL;
}

/* What is judged only when all has been read, and what must not stay in the arena of `base`. */
static enum err finish(struct arena *a, struct core_config *out, struct errinfo *e)
{
    if (out->refresh_token_validity_s <= out->access_token_validity_s)
        return errinfo_set(e, ERR_INVALID,
                           "'refresh_token_validity' must be strictly greater than "
                           "'access_token_validity'.");
    bool good =
        own(a, &out->firebase_signer_key) && own(a, &out->ip_allow) && own(a, &out->ip_deny);
    for (size_t i = 0; good && i < out->api_key_count; i++)
        good = own(a, &out->api_keys[i]);
    enum err err = good ? read_base_path(a, out, e) : ERR_NOMEM;
    err = err ? err : compile(a, "ip_allow_regex", out->ip_allow, &out->ip_allow_pattern, e);
    return err ? err : compile(a, "ip_deny_regex", out->ip_deny, &out->ip_deny_pattern, e);
}

enum err core_config_read(struct arena *a, const struct core_config *base,
                          const struct json *settings, struct core_config *out, struct errinfo *e)
{
    enum err err = ERR_OK;
    *out = base ? *base : (struct core_config){0};
    for (size_t i = 0; i < COUNTOF(settings_of_core) && base == NULL; i++)
        if (settings_of_core[i].unit != 0)
            set_number(out, &settings_of_core[i], settings_of_core[i].otherwise);
    for (size_t i = 0; i < COUNTOF(settings_of_core) && err == ERR_OK; i++) {
        const struct json *v = json_get(settings, settings_of_core[i].name);
        if (v && v->type != JSON_NULL)
            err = read_one(a, &settings_of_core[i], v, out, e);
    }
    return err ? err : finish(a, out, e);
}

static bool same_keys(const struct core_config *a, const struct core_config *b)
{
    bool same = a->api_key_count == b->api_key_count;
    for (size_t i = 0; same && i < a->api_key_count; i++)
        same = str_eq(a->api_keys[i], b->api_keys[i]);
    return same;
}

static bool is_same(const struct setting *s, const struct core_config *a,
                    const struct core_config *b)
{
    const void *x = (const char *)a + s->member, *y = (const char *)b + s->member;
    switch (s->kind) {
    case KIND_KEYS:
        return same_keys(a, b);
    case KIND_STRING:
        return str_eq(*(const struct str *)x, *(const struct str *)y);
    case KIND_BOOLEAN:
        return *(const bool *)x == *(const bool *)y;
    case KIND_ALG:
        return *(const enum password_alg *)x == *(const enum password_alg *)y;
    default:
        return *(const int64_t *)x == *(const int64_t *)y;
    }
}

const char *core_config_differs(const struct core_config *app, const struct core_config *tenant)
{
    for (size_t i = 0; i < COUNTOF(settings_of_core); i++)
        if ((settings_of_core[i].flags & PER_APP) && !is_same(&settings_of_core[i], app, tenant))
            return settings_of_core[i].name;
    return NULL;
}

/* --- as the dashboard shows them -----------------------------------------------------------------
 */
static const char *type_of(const struct setting *s)
{
    return s->kind == KIND_BOOLEAN                         ? "boolean"
           : s->kind == KIND_STRING || s->kind == KIND_ALG ? "string"
                                                           : "number";
}

/* In units of the setting. */
static struct json *number_of(struct arena *a, double value)
{
    struct json *v = json_new_null(a);
    struct str text = arena_fmt(a, "%.10g", value);
    return v && text.p && json_read_number(a, text, v) == ERR_OK ? v : NULL;
}

static struct json *value_of(struct arena *a, const struct setting *s, const struct core_config *g)
{
    const void *member = (const char *)g + s->member;
    const struct str *text = member;
    switch (s->kind) {
    case KIND_BOOLEAN:
        return json_new_bool(a, *(const bool *)member);
    case KIND_ALG:
        return json_new_str(a, g->password_alg == PASSWORD_ARGON2 ? STR("ARGON2") : STR("BCRYPT"));
    case KIND_STRING:
    case KIND_KEYS:
        return text->n > 0 ? json_new_str(a, *text) : json_new_null(a);
    default:
        return number_of(a, (double)*(const int64_t *)member / s->unit);
    }
}

static enum err describe(struct arena *a, const struct setting *s, const struct core_config *g,
                         const struct core_config *otherwise, struct json *list)
{
    struct json *o = json_new_object(a, 9), *choices = NULL;
    const struct {
        const char *name;
        bool is;
    } flags[] = {{"isDifferentAcrossTenants", !(s->flags & PER_APP)},
                 {"isNullable", s->kind == KIND_STRING},
                 {"isPluginProperty", false},
                 {"isPluginPropertyEditable", false}};
    enum err err = json_set(a, o, STR("key"), json_new_str(a, str_c(s->name)));
    err = err ? err : json_set(a, o, STR("valueType"), json_new_str(a, str_c(type_of(s))));
    err = err ? err : json_set(a, o, STR("value"), value_of(a, s, g));
    err = err ? err : json_set(a, o, STR("defaultValue"), value_of(a, s, otherwise));
    err = err ? err : json_set(a, o, STR("description"), json_new_str(a, STR("")));
    for (size_t i = 0; i < COUNTOF(flags) && err == ERR_OK; i++)
        err = json_set(a, o, str_c(flags[i].name), json_new_bool(a, flags[i].is));
    if (err == ERR_OK && s->kind == KIND_ALG) {
        choices = json_new_array(a, 2);
        err = json_push(a, choices, json_new_str(a, STR("ARGON2")));
        err = err ? err : json_push(a, choices, json_new_str(a, STR("BCRYPT")));
        err = err ? err : json_set(a, o, STR("possibleValues"), choices);
    }
    return err ? err : json_push(a, list, o);
}

enum err core_config_describe(struct arena *a, const struct core_config *g, struct json **out)
{
    struct core_config otherwise;
    struct errinfo e;
    struct json *list = json_new_array(a, COUNTOF(settings_of_core));
    enum err err = list ? core_config_read(a, NULL, NULL, &otherwise, &e) : ERR_NOMEM;
    for (size_t i = 0; i < COUNTOF(settings_of_core) && err == ERR_OK; i++)
        if (!(settings_of_core[i].flags & SECRET))
            err = describe(a, &settings_of_core[i], g, &otherwise, list);
    *out = list;
    return err;
}
