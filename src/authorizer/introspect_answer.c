/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ropeline-introspection as a person writes it, and what an issuer may answer (RFC 7662 2.2). */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "introspect_int.h"

void introspect__encode(struct buf *out, struct str text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_';
        if (plain) {
            buf_addc(out, (char)c);
        } else {
            buf_addc(out, '%');
            buf_addc(out, hex[c >> 4]);
            buf_addc(out, hex[c & 15]);
        }
    }
}

/* --- the definition -----------------------------------------------------------------------------
 */
static enum err check_members(const struct json *v, struct errinfo *e)
{
    static const char *const known[] = {"endpoint",         "clientId", "clientSecretEnv",
                                        "clientSecretFile", "issuer",   "audience"};
    for (size_t i = 0; i < v->n; i++) {
        size_t k = 0;
        while (k < COUNTOF(known) && !str_eqz(v->members[i].key, known[k]))
            k++;
        if (k == COUNTOF(known))
            return errinfo_at(e, ERR_INVALID, v->members[i].line, v->members[i].col,
                              "x-ropeline-introspection: unknown member %.*s; the secret itself "
                              "stands in no document, but in an environment variable "
                              "(clientSecretEnv) or a file (clientSecretFile)",
                              STR_ARG(str_sub(v->members[i].key, 0, 60)));
    }
    return ERR_OK;
}

static enum err secret_of_file(const char *path, struct buf *out, struct errinfo *e)
{
    struct stat st;
    char text[LIMIT_CLIENT_SECRET + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, text, sizeof text);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return errinfo_set(e, ERR_IO, "clientSecretFile: %s",
                           fd < 0 ? strerror(saved) : "cannot be read");
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (n == 0 || n > LIMIT_CLIENT_SECRET)
        return errinfo_set(e, ERR_INVALID, "clientSecretFile holds from 1 to %d bytes",
                           LIMIT_CLIENT_SECRET);
    buf_add(out, str_of(text, (size_t)n));
    explicit_bzero(text, sizeof text);
    return out->err;
}

static enum err read_secret(struct arena *a, const struct json *v, struct str document,
                            struct buf *out, struct errinfo *e)
{
    struct str variable, file;
    enum err err = spec__text(v, "clientSecretEnv", false, &variable, e);
    if (err == ERR_OK)
        err = spec__text(v, "clientSecretFile", false, &file, e);
    if (err != ERR_OK)
        return err;
    if ((variable.n > 0) == (file.n > 0))
        return errinfo_set(e, ERR_INVALID,
                           "x-ropeline-introspection needs clientSecretEnv or clientSecretFile");
    char *name = arena_cstr(a, variable.n ? variable : spec__path(a, document, file));
    if (name == NULL)
        return ERR_NOMEM;
    if (file.n > 0)
        return secret_of_file(name, out, e);
    const char *value = getenv(name);
    if (value == NULL || *value == '\0')
        return errinfo_set(e, ERR_NOTFOUND, "clientSecretEnv: the environment has no %s", name);
    buf_addz(out, value);
    return out->err;
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_fini(b);
}

/* RFC 6749 2.3.1: both parts are form-encoded before they are joined. */
static enum err make_authorization(struct introspect_conf *n, struct str id, struct str secret)
{
    struct buf pair = BUF_INIT(KIB(32)), text = BUF_INIT(KIB(64));
    introspect__encode(&pair, id);
    buf_addc(&pair, ':');
    introspect__encode(&pair, secret);
    buf_addz(&text, "Basic ");
    crypt_base64(&text, buf_str(&pair));
    enum err err = pair.err ? pair.err : text.err;
    if (err == ERR_OK) {
        n->authorization = mem_dup(text.p, text.n);
        n->authorization_n = text.n;
        err = n->authorization ? ERR_OK : ERR_NOMEM;
    }
    wipe(&pair);
    wipe(&text);
    return err;
}

static enum err read_credentials(struct arena *a, struct introspect_conf *n, const struct json *v,
                                 const struct authorizer_env *env, struct errinfo *e)
{
    struct str id;
    struct buf secret = BUF_INIT(LIMIT_CLIENT_SECRET);
    enum err err = spec__text(v, "clientId", true, &id, e);
    if (err == ERR_OK && env->issuers) /* a document that is only judged needs no secret */
        err = read_secret(a, v, env->file, &secret, e);
    if (err == ERR_OK && env->issuers)
        err = make_authorization(n, id, buf_str(&secret));
    wipe(&secret);
    return err;
}

enum err introspect__compile(struct arena *a, const struct json *spec,
                             const struct authorizer_env *env, void **conf, struct errinfo *e)
{
    const struct json *v = json_get(spec, "x-ropeline-introspection");
    struct introspect_conf *n = ARENA_NEW(a, struct introspect_conf);
    struct str endpoint, issuer;
    if (n == NULL)
        return ERR_NOMEM;
    *conf = n;
    n->issuers = env->issuers;
    if (v->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, v->line, v->col,
                          "x-ropeline-introspection is {endpoint, clientId, clientSecretEnv or "
                          "clientSecretFile, issuer, audience}");
    enum err err = check_members(v, e);
    if (err == ERR_OK)
        err = bearer__compile(a, spec, env->http_api, &n->bearer, e);
    if (err == ERR_OK)
        err = spec__text(v, "endpoint", true, &endpoint, e);
    if (err == ERR_OK && !spec__is_url(endpoint))
        err = errinfo_set(e, ERR_INVALID, "the endpoint must be an http or https URL");
    if (err == ERR_OK)
        err = spec__text(v, "issuer", false, &issuer, e);
    if (err == ERR_OK)
        err = spec__texts(a, json_get(v, "audience"), "audience", LIMIT_AUDIENCES, &n->audiences,
                          &n->audiences_n, e);
    if (err == ERR_OK)
        err = read_credentials(a, n, v, env, e);
    if (err == ERR_OK) {
        n->endpoint = arena_str(a, endpoint);
        n->issuer = arena_str(a, issuer);
        err = n->endpoint.p && n->issuer.p ? ERR_OK : ERR_NOMEM;
    }
    if (err != ERR_OK && e && e->line == 0) {
        e->line = v->line;
        e->col = v->col;
    }
    return err;
}

void introspect__fini(void *conf)
{
    struct introspect_conf *n = conf;
    if (n->authorization)
        mem_cleanse_free(n->authorization, n->authorization_n);
    n->authorization = NULL;
}

/* --- the answer ---------------------------------------------------------------------------------
 */
/* False: it is there and no time. *at stays as it is when it is not there. */
static bool read_time(const struct json *answer, const char *name, double *at)
{
    const struct json *v = json_get(answer, name);
    if (v == NULL)
        return true;
    *at = v->real;
    return v->type == JSON_NUMBER && isfinite(v->real) && v->real >= 0 &&
           v->real <= (double)LIMIT_NUMERIC_DATE;
}

static bool is_for(const struct introspect_conf *n, const struct json *aud)
{
    size_t count = json_is(aud, JSON_ARRAY) ? aud->n : aud ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        const struct json *one = json_is(aud, JSON_ARRAY) ? aud->items[i] : aud;
        for (size_t k = 0; k < n->audiences_n; k++)
            if (json_is(one, JSON_STRING) && str_eq(one->s, n->audiences[k]))
                return true;
    }
    return n->audiences_n == 0;
}

static enum err judge(const struct introspect_conf *n, const struct json *answer, double now,
                      double *exp, bool *active, struct errinfo *why)
{
    const struct json *state = json_get(answer, "active"), *type = json_get(answer, "token_type");
    double nbf = 0;
    *active = false;
    if (!json_is(answer, JSON_OBJECT) || !json_is_bool(state))
        return errinfo_set(why, ERR_INVALID, "active is not true or false, without quotes");
    if (state->type != JSON_TRUE)
        return ERR_OK;
    if (!read_time(answer, "exp", exp) || !read_time(answer, "nbf", &nbf))
        return errinfo_set(why, ERR_INVALID, "exp or nbf is not a time in seconds");
    if (now >= *exp)
        return errinfo_set(why, ERR_EXPIRED, "it is active, and yet expired %.0f s ago",
                           now - *exp);
    if (now < nbf)
        return errinfo_set(why, ERR_DENIED, "it is not valid for another %.0f s", nbf - now);
    if (type && !str_ieq(json_str_or(type, STR("")), STR("Bearer")))
        return errinfo_set(why, ERR_DENIED, "its token_type is not Bearer");
    if (json_get(answer, "cnf"))
        return errinfo_set(why, ERR_DENIED,
                           "it is bound to its sender (cnf), which is not checked");
    if (n->issuer.n > 0 && !str_eq(json_str_or(json_get(answer, "iss"), STR("")), n->issuer))
        return errinfo_set(why, ERR_DENIED, "its iss is not %.*s",
                           STR_ARG(str_sub(n->issuer, 0, 120)));
    if (!is_for(n, json_get(answer, "aud")))
        return errinfo_set(why, ERR_DENIED, "its aud has none of the configured audiences");
    *active = true;
    return ERR_OK;
}

enum err introspect__judge(const struct introspect_conf *n, struct str answer, int64_t now_s,
                           int64_t now_ms, struct str authorizer, struct auth_result **out,
                           struct errinfo *why)
{
    struct arena *a = arena_new(KIB(2), 4 * LIMIT_INTROSPECTION_BYTES);
    const struct json *tree = NULL;
    struct auth_result *r = NULL;
    double exp = INFINITY;
    bool active = false;
    *out = NULL;
    enum err err = a ? json_parse(a, answer, LIMIT_INTROSPECTION_BYTES, &tree, why) : ERR_NOMEM;
    if (err == ERR_OK)
        err = judge(n, tree, (double)now_s, &exp, &active, why);
    if (err == ERR_OK)
        err = auth__claims_result(a, tree, n->bearer.challenges, &r);
    if (err == ERR_OK && (r->authorizer = arena_str(a, authorizer)).p == NULL)
        err = ERR_NOMEM;
    if (err != ERR_OK) {
        arena_free(a);
        return err;
    }
    r->arena = a;
    r->allowed = active;
    r->inactive = !active;
    r->made_ms = now_ms;
    if (isfinite(exp))
        r->expires_ms = now_ms + (int64_t)((exp - (double)now_s) * 1000);
    *out = r;
    return ERR_OK;
}
