/* SPDX-License-Identifier: Apache-2.0
 *
 * The variables a function finds in its environment: a table of what Lambda documents, then what
 * the template says. Nothing of the daemon's own environment is ever in it. */
#include "base/crypt.h"
#include "base/limits.h"
#include "lambda_text.h"

/* RESERVED: the template may not set it. DEFAULT: the template's value wins. A NULL value is never
 * set by us, only refused. */
enum standing { RESERVED, DEFAULT };
struct variable {
    const char *name;
    enum standing standing;
    const char *value; /* {word}: one of the words below */
};

/* clang-format off */
static const struct variable variables[] = {
    {"_HANDLER", RESERVED, "{handler}"},
    {"_X_AMZN_TRACE_ID", RESERVED, NULL}, /* by the bootstrap, for each invocation */
    {"_LAMBDA_TELEMETRY_LOG_FD", RESERVED, "4"},
    {"AWS_REGION", RESERVED, "{region}"},
    {"AWS_DEFAULT_REGION", RESERVED, "{region}"},
    {"AWS_EXECUTION_ENV", RESERVED, "AWS_Lambda_{runtime}"},
    {"AWS_LAMBDA_FUNCTION_NAME", RESERVED, "{name}"},
    {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", RESERVED, "{memory}"},
    {"AWS_LAMBDA_FUNCTION_VERSION", RESERVED, "{qualifier}"},
    {"AWS_LAMBDA_INITIALIZATION_TYPE", RESERVED, "{initialization}"},
    {"AWS_LAMBDA_LOG_GROUP_NAME", RESERVED, "{log_group}"},
    {"AWS_LAMBDA_LOG_STREAM_NAME", RESERVED, "{stream}"},
    {"AWS_ACCESS_KEY_ID", RESERVED, "{key_id}"},
    {"AWS_SECRET_ACCESS_KEY", RESERVED, "{key_secret}"},
    {"AWS_SESSION_TOKEN", RESERVED, "{key_token}"},
    {"AWS_LAMBDA_RUNTIME_API", RESERVED, "{api}"},
    {"LAMBDA_TASK_ROOT", RESERVED, "{code}"},
    {"LAMBDA_RUNTIME_DIR", RESERVED, "{runtime_dir}"},
    {"AWS_LAMBDA_LOG_FORMAT", DEFAULT, "{log_format}"},
    {"AWS_LAMBDA_LOG_LEVEL", DEFAULT, "{log_level}"}, /* with JSON alone */
    {"LANG", DEFAULT, "en_US.UTF-8"},
    {"TZ", DEFAULT, ":UTC"},
    {"PATH", DEFAULT, "/usr/local/bin:/usr/bin/:/bin:{opt}/bin"},
    {"LD_LIBRARY_PATH", DEFAULT, "{code}:{code}/lib:{opt}/lib"},
    {"NODE_PATH", DEFAULT, "{opt}/nodejs/node{major}/node_modules:{opt}/nodejs/node_modules:"
                           "{runtime_dir}/node_modules:{code}"},
    {"PYTHONPATH", DEFAULT, "{opt}/python/lib/python{version}/site-packages:{opt}/python"},
    {"TMPDIR", DEFAULT, "{tmp}"},
    {"AWS_XRAY_CONTEXT_MISSING", DEFAULT, "LOG_ERROR"},
};
/* clang-format on */

#define NODE (1U << RUNTIME_NODE)
#define PYTHON (1U << RUNTIME_PYTHON)
/* What only some kinds of runtimes get. It is refused for all. */
static const struct {
    const char *name;
    unsigned kinds;
} special[] = {
    {"AWS_EXECUTION_ENV", NODE | PYTHON},
    {"NODE_PATH", NODE},
    {"PYTHONPATH", PYTHON},
};

static bool is_for(const char *name, enum runtime_kind kind)
{
    for (size_t i = 0; i < COUNTOF(special); i++)
        if (strcmp(name, special[i].name) == 0)
            return special[i].kinds >> kind & 1;
    return true;
}

static struct str decimal(struct arena *a, unsigned n)
{
    return arena_fmt(a, "%u", n);
}

static struct str level_name(const struct function_logging *f)
{
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    size_t i = f->application_level / 4 - 1;
    return f->json && i < COUNTOF(names) ? str_c(names[i]) : STR("");
}

/* Appends `pattern` with its {words} filled in. */
static void expand(struct buf *b, struct arena *a, const struct lambda__facts *f,
                   struct str pattern)
{
    const struct {
        struct str word, value;
    } words[] = {
        {STR("handler"), f->handler},
        {STR("region"), f->region},
        {STR("runtime"), f->spec->runtime},
        {STR("name"), f->spec->name},
        {STR("memory"), decimal(a, f->spec->memory_mb)},
        {STR("qualifier"), f->spec->version},
        {STR("initialization"), f->provisioned ? STR("provisioned-concurrency") : STR("on-demand")},
        {STR("stream"), f->log_stream},
        {STR("log_group"), f->spec->logging.group},
        {STR("log_format"), f->spec->logging.json ? STR("JSON") : STR("Text")},
        {STR("log_level"), level_name(&f->spec->logging)},
        {STR("key_id"), f->key_id},
        {STR("key_secret"), f->key_secret},
        {STR("key_token"), f->key_token},
        {STR("code"), f->spec->code_dir},
        {STR("runtime_dir"), f->runtime_dir},
        {STR("major"), decimal(a, f->runtime.major)},
        {STR("version"), arena_fmt(a, "%u.%u", f->runtime.major, f->runtime.minor)},
        {STR("tmp"), f->tmp_dir},
        {STR("api"), f->api},
        {STR("opt"), f->opt},
    };
    while (pattern.n > 0) {
        struct str rest, plain = str_cut(pattern, '{', &rest);
        buf_add(b, plain);
        struct str word = str_cut(rest, '}', &pattern);
        size_t i = 0;
        while (i < COUNTOF(words) && !str_eq(words[i].word, word))
            i++;
        if (i < COUNTOF(words))
            buf_add(b, words[i].value);
        else
            ASSERT(word.n == 0);
    }
}

static const struct variable *find(struct str name)
{
    for (size_t i = 0; i < COUNTOF(variables); i++)
        if (str_eqz(name, variables[i].name))
            return &variables[i];
    return NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* [a-zA-Z][a-zA-Z0-9_]+ (Lambda API reference, Environment) */
static bool is_name(struct str name)
{
    if (name.n < 2 || !is_letter(name.p[0]))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!is_letter(name.p[i]) && name.p[i] != '_' && (name.p[i] < '0' || name.p[i] > '9'))
            return false;
    return true;
}

enum err lambda__environ_check(const struct function_spec *spec, struct errinfo *e)
{
    size_t bytes = 0;
    for (size_t i = 0; i < spec->env_count; i++) {
        struct str name = spec->env[i].name, value = spec->env[i].value;
        const struct variable *known = find(name);
        if (known && known->standing == RESERVED)
            return errinfo_set(e, ERR_INVALID,
                               "environment variable %.*s is reserved: Lambda sets it itself",
                               STR_ARG(name));
        if (!is_name(name))
            return errinfo_set(e, ERR_INVALID,
                               "environment variable \"%.*s\": a name is a letter, then letters, "
                               "digits or _, two characters at least",
                               STR_ARG(str_sub(name, 0, 64)));
        if (str_chr(value, '\0', 0) != SIZE_MAX)
            return errinfo_set(e, ERR_INVALID, "environment variable %.*s holds a NUL byte",
                               STR_ARG(name));
        bytes += name.n + value.n;
    }
    if (bytes > LIMIT_FUNCTION_ENV_BYTES)
        return errinfo_set(e, ERR_INVALID,
                           "the environment variables are %zu bytes together; Lambda allows %zu",
                           bytes, LIMIT_FUNCTION_ENV_BYTES);
    return ERR_OK;
}

static bool template_sets(const struct function_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->env_count; i++)
        if (str_eqz(spec->env[i].name, name))
            return true;
    return false;
}

const char *const *lambda__environ(struct arena *a, const struct lambda__facts *facts)
{
    const struct function_spec *spec = facts->spec;
    const char **out = ARENA_ARRAY(a, COUNTOF(variables) + spec->env_count + 1, const char *);
    if (!out)
        return NULL;
    AUTO_BUF text = BUF_INIT(KIB(64));
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(variables); i++) {
        const struct variable *v = &variables[i];
        if (!v->value || !is_for(v->name, facts->runtime.kind) ||
            (v->standing == DEFAULT && template_sets(spec, v->name)))
            continue;
        buf_reset(&text);
        buf_addf(&text, "%s=", v->name);
        size_t bare = text.n;
        expand(&text, a, facts, str_c(v->value));
        if (text.err == ERR_OK && text.n == bare)
            continue; /* it has no value here */
        if (text.err != ERR_OK || !(out[n++] = arena_cstr(a, buf_str(&text))))
            return NULL;
    }
    for (size_t i = 0; i < spec->env_count; i++) {
        struct str v =
            arena_fmt(a, "%.*s=%.*s", STR_ARG(spec->env[i].name), STR_ARG(spec->env[i].value));
        if (!v.p)
            return NULL;
        out[n++] = v.p;
    }
    return arena_err(a) == ERR_OK ? out : NULL; /* a word may have failed, too */
}

enum err lambda__credentials(struct arena *a, struct lambda__facts *out)
{
    static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char random[16 + 30 + 96];
    char id[] = "ASIA0123456789ABCDEF";
    AUTO_BUF secret = BUF_INIT(256);
    AUTO_BUF token = BUF_INIT(256);
    enum err err = crypt_random(random, sizeof random);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < 16; i++)
        id[4 + i] = base32[random[i] & 31];
    crypt_base64(&secret, str_of(random + 16, 30));
    crypt_base64(&token, str_of(random + 46, 96));
    out->key_id = arena_str(a, str_c(id));
    out->key_secret = arena_str(a, buf_str(&secret));
    out->key_token = arena_str(a, buf_str(&token));
    bool made = secret.err == ERR_OK && token.err == ERR_OK && out->key_id.p && out->key_secret.p &&
                out->key_token.p;
    return made ? ERR_OK : ERR_NOMEM;
}
