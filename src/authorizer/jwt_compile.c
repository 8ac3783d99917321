/* SPDX-License-Identifier: Apache-2.0
 *
 * The definitions of JWT authorizers and user pools: whose tokens, for whom, signed how, with keys
 * from where (docs/templates.md, "JWT authorizers"). Invariant: every issuer has a source of keys,
 * and a secret is never one that was fetched. */
#include "base/limits.h"
#include "jwt_int.h"

/* --- texts of a definition ----------------------------------------------------------------------
 */
enum err spec__text(const struct json *object, const char *name, bool needed, struct str *out,
                    struct errinfo *e)
{
    const struct json *v = json_get(object, name);
    *out = json_str_or(v, STR(""));
    if (out->n > 0 || (v == NULL && !needed))
        return ERR_OK;
    const struct json *at = v ? v : object;
    return errinfo_at(e, ERR_INVALID, at->line, at->col, v ? "%s must be a text" : "%s is missing",
                      name);
}

enum err spec__texts(struct arena *a, const struct json *v, const char *name, size_t max,
                     const struct str **out, size_t *n, struct errinfo *e)
{
    bool list = json_is(v, JSON_ARRAY);
    size_t count = v == NULL ? 0 : list ? v->n : 1;
    struct str *texts = ARENA_ARRAY(a, count, struct str);
    *out = texts;
    *n = 0;
    if (texts == NULL)
        return ERR_NOMEM;
    if (count > max)
        return errinfo_at(e, ERR_LIMIT, v->line, v->col, "%s has more than %zu members", name, max);
    for (; *n < count; (*n)++) {
        const struct json *one = list ? v->items[*n] : v;
        struct str text = json_str_or(one, STR(""));
        if (text.n == 0)
            return errinfo_at(e, ERR_INVALID, one->line, one->col,
                              "%s holds texts that are not empty", name);
        texts[*n] = arena_str(a, text);
        if (texts[*n].p == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

/* --- keys of files ------------------------------------------------------------------------------
 */
struct str spec__path(struct arena *a, struct str document, struct str path)
{
    size_t slash = str_rchr(document, '/');
    if (str_starts(path, STR("/")) || slash == SIZE_MAX)
        return arena_str(a, path);
    struct str parts[] = {str_sub(document, 0, slash + 1), path};
    return arena_cat(a, parts, COUNTOF(parts));
}

static enum err read_about(struct arena *a, const struct json *v, struct key_file *f,
                           struct errinfo *e)
{
    static const struct {
        const char *name;
        enum jwk_status status;
    } statuses[] = {{"active", JWK_ACTIVE}, {"retiring", JWK_RETIRING}, {"retired", JWK_RETIRED}};
    const struct json *until = json_get(v, "until");
    struct str status;
    size_t i = 0;
    int64_t seconds = 0;
    for (size_t k = 0; k < v->n; k++) {
        static const char *const known[] = {"file", "kid", "status", "until"};
        size_t at = 0;
        while (at < COUNTOF(known) && !str_eqz(v->members[k].key, known[at]))
            at++;
        if (at == COUNTOF(known))
            return errinfo_at(e, ERR_INVALID, v->members[k].line, v->members[k].col,
                              "a key file is {file, kid, status, until}, without %.*s",
                              STR_ARG(str_sub(v->members[k].key, 0, 60)));
    }
    enum err err = spec__text(v, "kid", false, &f->about.kid, e);
    if (err == ERR_OK)
        err = spec__text(v, "status", false, &status, e);
    if (err != ERR_OK)
        return err;
    f->about.kid = arena_str(a, f->about.kid);
    f->about.has_kid = f->about.kid.n > 0;
    f->about.retires_s = JWK_NO_TIME;
    f->has_about = v->n > 1;
    while (status.n > 0 && i < COUNTOF(statuses) && !str_eqz(status, statuses[i].name))
        i++;
    if (i == COUNTOF(statuses))
        return errinfo_at(e, ERR_INVALID, v->line, v->col,
                          "the status of a key is active, retiring or retired");
    f->about.status = statuses[i].status;
    if (until && (!json_int(until, &seconds) || seconds <= 0))
        return errinfo_at(e, ERR_INVALID, until->line, until->col,
                          "until is a time in seconds since 1970");
    if (until)
        f->about.retires_s = seconds;
    if (f->about.status == JWK_RETIRING && !until)
        return errinfo_at(e, ERR_INVALID, v->line, v->col, "a retiring key needs until: its end");
    return f->about.kid.p ? ERR_OK : ERR_NOMEM;
}

/* FILE, {file, kid, status, until}, or a list of these. */
static enum err read_key_files(struct arena *a, const struct json *v, struct str document,
                               struct key_file *files, size_t *n, struct errinfo *e)
{
    bool list = json_is(v, JSON_ARRAY);
    size_t count = list ? v->n : 1;
    if (count == 0 || count > LIMIT_KEY_FILES)
        return errinfo_at(e, ERR_INVALID, v->line, v->col, "x-ropeline-keys names 1 to %d files",
                          LIMIT_KEY_FILES);
    for (*n = 0; *n < count; (*n)++) {
        const struct json *one = list ? v->items[*n] : v;
        struct key_file *f = &files[*n];
        struct str path = json_str_or(one, STR(""));
        *f = (struct key_file){.about = {.kid = STR(""), .retires_s = JWK_NO_TIME}};
        enum err err = ERR_OK;
        if (one->type == JSON_OBJECT)
            err = read_about(a, one, f, e);
        if (err == ERR_OK && one->type == JSON_OBJECT)
            err = spec__text(one, "file", true, &path, e);
        if (err == ERR_OK && path.n == 0)
            err = errinfo_at(e, ERR_INVALID, one->line, one->col,
                             "a key file is its path or {file, kid, status, until}");
        if (err != ERR_OK)
            return err;
        f->path = spec__path(a, document, path);
        if (f->path.p == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

static enum err use_files(struct arena *a, const struct json *v, const struct authorizer_env *env,
                          struct key_source **out, struct errinfo *e)
{
    struct key_file files[LIMIT_KEY_FILES];
    struct errinfo why = {0};
    struct jwks *keys = NULL;
    size_t n = 0;
    enum err err = read_key_files(a, v, env->file, files, &n, e);
    if (err != ERR_OK)
        return err;
    if (env->issuers)
        err = source__files(env->issuers, files, n, out, &why);
    else
        err = source__read_files(files, n, &keys, &why);
    jwks_unref(keys);
    if (err == ERR_OK || err == ERR_NOMEM)
        return err;
    return errinfo_at(e, err, v->line, v->col, "x-ropeline-keys: %s", why.text);
}

/* --- one issuer ---------------------------------------------------------------------------------
 */
bool spec__is_url(struct str s)
{
    bool scheme = str_istarts(s, STR("https://")) || str_istarts(s, STR("http://"));
    if (!scheme || s.n > LIMIT_ISSUER_URL)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || strchr("@?#\\\"", s.p[i]))
            return false;
    return true;
}

static enum err add_issuer(struct arena *a, struct jwt_conf *j, struct str issuer,
                           const struct json *at, const struct json *keys,
                           const struct authorizer_env *env, struct errinfo *e)
{
    struct jwt_issuer *i = &j->issuer[j->n];
    i->issuer = arena_str(a, issuer);
    if (i->issuer.p == NULL)
        return ERR_NOMEM;
    i->checker.algs = j->algs;
    i->checker.issuers = &i->issuer;
    i->checker.issuers_n = 1;
    i->checker.require_exp = true;
    i->checker.client_id = true;
    for (size_t k = 0; k < j->n; k++)
        if (str_eq(j->issuer[k].issuer, issuer))
            return errinfo_at(e, ERR_INVALID, at->line, at->col, "the issuer %.*s is named twice",
                              STR_ARG(str_sub(issuer, 0, 120)));
    j->n++;
    if (keys)
        return use_files(a, keys, env, &i->source, e);
    i->checker.require_kid = true;
    if (!spec__is_url(issuer))
        return errinfo_at(e, ERR_INVALID, at->line, at->col,
                          "the issuer must be a URL like https://issuer.example, without user, "
                          "query and fragment, or its keys a file (x-ropeline-keys)");
    if (j->algs & JWS_ALL_HS)
        return errinfo_at(e, ERR_INVALID, at->line, at->col,
                          "HS256, HS384 and HS512 need x-ropeline-keys: a secret is never fetched");
    return env->issuers ? source__issuer(env->issuers, issuer, &i->source) : ERR_OK;
}

/* {issuer, audience, keys}, of jwtConfiguration or of x-ropeline-issuers. */
static enum err add_trusted(struct arena *a, struct jwt_conf *j, const struct json *v,
                            const struct json *keys, const struct authorizer_env *env,
                            struct errinfo *e)
{
    struct str issuer;
    struct jwt_checker *k = &j->issuer[j->n].checker;
    if (!json_is(v, JSON_OBJECT))
        return errinfo_at(e, ERR_INVALID, v->line, v->col, "an issuer is {issuer, audience}");
    enum err err = spec__text(v, "issuer", true, &issuer, e);
    if (err == ERR_OK)
        err = spec__texts(a, json_get(v, "audience"), "audience", LIMIT_AUDIENCES, &k->audiences,
                          &k->audiences_n, e);
    if (err == ERR_OK && k->audiences_n == 0)
        err = errinfo_at(e, ERR_INVALID, v->line, v->col,
                         "the issuer %.*s has no audience: tokens made for others would be taken",
                         STR_ARG(str_sub(issuer, 0, 120)));
    return err ? err : add_issuer(a, j, issuer, v, keys, env, e);
}

/* --- the definition -----------------------------------------------------------------------------
 */
static enum err read_number(const struct json *spec, const char *name, double max, double *out,
                            struct errinfo *e)
{
    const struct json *v = json_get(spec, name);
    if (v == NULL)
        return ERR_OK;
    if (v->type != JSON_NUMBER || !(v->real >= 0 && v->real <= max))
        return errinfo_at(e, ERR_INVALID, v->line, v->col, "%s is a number from 0 to %.0f seconds",
                          name, max);
    *out = v->real;
    return ERR_OK;
}

/* What holds for every issuer of the authorizer. */
static enum err read_common(struct arena *a, struct jwt_conf *j, const struct json *spec,
                            struct errinfo *e)
{
    const struct json *names = json_get(spec, "x-ropeline-algorithms");
    const struct str *texts;
    struct errinfo why = {0};
    struct str typ;
    double skew = 0, life = 0;
    size_t n;
    enum err err = spec__text(spec, "x-ropeline-typ", false, &typ, e);
    if (err == ERR_OK)
        err = read_number(spec, "x-ropeline-clock-skew", LIMIT_CLOCK_SKEW_S, &skew, e);
    if (err == ERR_OK)
        err = read_number(spec, "x-ropeline-max-life", LIMIT_TOKEN_LIFE_S, &life, e);
    if (err == ERR_OK)
        err = spec__texts(a, names, "x-ropeline-algorithms", JWS_COUNT, &texts, &n, e);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < j->n; i++) {
        j->issuer[i].checker.skew_s = skew;
        j->issuer[i].checker.max_life_s = life;
        j->issuer[i].checker.typ = arena_str(a, typ);
        if (j->issuer[i].checker.typ.p == NULL)
            return ERR_NOMEM;
    }
    j->algs = JWS_AWS;
    if (names && jws_algs_parse(texts, n, &j->algs, &why) != ERR_OK)
        return errinfo_at(e, ERR_INVALID, names->line, names->col, "x-ropeline-algorithms: %s",
                          why.text);
    return ERR_OK;
}

static enum err begin(struct arena *a, const struct json *spec, const struct authorizer_env *env,
                      size_t issuers, struct jwt_conf **out, struct errinfo *e)
{
    struct jwt_conf *j = ARENA_NEW(a, struct jwt_conf);
    if (j == NULL)
        return ERR_NOMEM;
    *out = j;
    j->issuer = ARENA_ARRAY(a, issuers, struct jwt_issuer);
    if (j->issuer == NULL)
        return ERR_NOMEM;
    if (issuers == 0 || issuers > LIMIT_AUTHORIZER_ISSUERS)
        return errinfo_at(e, ERR_INVALID, spec->line, spec->col,
                          "the authorizer needs from 1 to %d issuers", LIMIT_AUTHORIZER_ISSUERS);
    j->n = issuers; /* for read_common; they are counted again as they are added */
    enum err err = read_common(a, j, spec, e);
    j->n = 0;
    return err ? err : bearer__compile(a, spec, env->http_api, &j->bearer, e);
}

/* Places what no line above could. */
static enum err placed(enum err err, const struct json *spec, struct errinfo *e)
{
    if (err != ERR_OK && e && e->line == 0) {
        e->line = spec->line;
        e->col = spec->col;
    }
    return err;
}

enum err jwt__compile(struct arena *a, const struct json *spec, const struct authorizer_env *env,
                      void **conf, struct errinfo *e)
{
    const struct json *one = json_get(spec, "jwtConfiguration");
    const struct json *many = json_get(spec, "x-ropeline-issuers");
    const struct json *keys = json_get(spec, "x-ropeline-keys");
    struct jwt_conf *j = NULL;
    if (many && (many->type != JSON_ARRAY || many->n == 0))
        return placed(errinfo_at(e, ERR_INVALID, many->line, many->col,
                                 "x-ropeline-issuers is a list of {issuer, audience, keys}"),
                      spec, e);
    if (keys && (many || !one))
        return placed(errinfo_at(e, ERR_INVALID, keys->line, keys->col,
                                 "x-ropeline-keys belongs to jwtConfiguration; of "
                                 "x-ropeline-issuers each has keys of its own"),
                      spec, e);
    enum err err = begin(a, spec, env, (one != NULL) + (many ? many->n : 0), &j, e);
    *conf = j;
    if (err == ERR_OK && one)
        err = add_trusted(a, j, one, keys, env, e);
    for (size_t i = 0; many && i < many->n && err == ERR_OK; i++)
        err = add_trusted(a, j, many->items[i], json_get(many->items[i], "keys"), env, e);
    return placed(err, spec, e);
}

/* --- user pools ---------------------------------------------------------------------------------
 */
#define USER_POOL_ID 9
/* arn:aws:cognito-idp:REGION:ACCOUNT:userpool/REGION_ID -> the issuer of that pool's tokens. */
static struct str pool_issuer(struct arena *a, struct str arn)
{
    struct str part[6], rest = arn;
    for (size_t i = 0; i < COUNTOF(part); i++)
        part[i] = i < 5 ? str_cut(rest, ':', &rest) : rest;
    const struct str kind = STR("userpool/");
    struct str region = part[3], pool = str_from(part[5], kind.n);
    size_t own = region.n + 1 + USER_POOL_ID; /* another is no id of AWS's making */
    if (!str_eqz(part[0], "arn") || !str_eqz(part[2], "cognito-idp") || region.n == 0 ||
        !str_starts(part[5], kind) || !str_starts(pool, region) || pool.n != own ||
        pool.p[region.n] != '_')
        return STR_NONE;
    for (size_t i = 0; i < pool.n; i++)
        if (!http_is_token(str_sub(pool, i, 1)) || strchr("!#$%&'*+.^`|~", pool.p[i]))
            return STR_NONE;
    return arena_fmt(a, "https://cognito-idp.%.*s.amazonaws.com/%.*s", STR_ARG(region),
                     STR_ARG(pool));
}

/* A whole ARN that is of another service. */
static bool is_anothers(struct str arn)
{
    struct str part[6], rest = arn;
    for (size_t i = 0; i < COUNTOF(part); i++)
        part[i] = i < 5 ? str_cut(rest, ':', &rest) : rest;
    return part[5].n > 0 && !str_eqz(part[2], "cognito-idp");
}

static enum err add_pool(struct arena *a, struct jwt_conf *j, const struct json *v,
                         const struct authorizer_env *env, struct errinfo *e)
{
    struct str arn = json_str_or(v, STR("")), issuer = STR_NONE;
    for (size_t i = 0; i < env->pool_count && issuer.p == NULL; i++)
        if (str_eq(env->pools[i].arn, arn))
            issuer = env->pools[i].issuer;
    if (issuer.p == NULL)
        issuer = pool_issuer(a, arn);
    if (issuer.p == NULL && env->issuers == NULL && !is_anothers(arn))
        return ERR_OK; /* who judges a document alone does not know what it is run with */
    if (issuer.p == NULL)
        return errinfo_at(e, ERR_NOTFOUND, v->line, v->col,
                          "the user pool %.*s has no issuer here: name it in user_pools of "
                          "ropeline.yaml or with --user-pool ARN=ISSUER",
                          STR_ARG(str_sub(arn, 0, 120)));
    return add_issuer(a, j, issuer, v, NULL, env, e);
}

enum err jwt__compile_user_pools(struct arena *a, const struct json *spec,
                                 const struct authorizer_env *env, void **conf, struct errinfo *e)
{
    const struct json *arns = json_get(spec, "providerARNs");
    const struct json *expression = json_get(spec, "identityValidationExpression");
    struct str text = json_str_or(expression, STR(""));
    struct errinfo why = {0};
    struct jwt_conf *j = NULL;
    enum err err = begin(a, spec, env, json_is(arns, JSON_ARRAY) ? arns->n : 0, &j, e);
    *conf = j;
    if (err != ERR_OK)
        return placed(err, spec, e);
    j->user_pools = true;
    for (size_t i = 0; i < arns->n && err == ERR_OK; i++)
        err = add_pool(a, j, arns->items[i], env, e);
    if (err == ERR_OK && text.n > 0)
        err = pattern_compile(a, text, &j->expression, &why);
    if (why.text[0])
        err = errinfo_at(e, err, expression->line, expression->col,
                         "identityValidationExpression %s", why.text);
    return placed(err, spec, e);
}

void jwt__fini(void *conf)
{
    struct jwt_conf *j = conf;
    for (size_t i = 0; j && j->issuer && i < j->n; i++) {
        source__let_go(j->issuer[i].source);
        j->issuer[i].source = NULL;
    }
}
