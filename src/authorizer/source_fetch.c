/* SPDX-License-Identifier: Apache-2.0
 *
 * One issuer's published keys: its discovery document names itself, byte for byte, and a jwks_uri
 * (OpenID Connect Discovery 1.0, 4.3); the set behind that is judged by jose/ (RFC 7517).
 * Invariant: whatever else comes is a failure, and a failure changes no key. */
#include "source_int.h"

static void get_keys(struct key_source *s, struct str uri);

static void start(struct key_source *s, struct str url, fetch_done_fn done)
{
    struct fetch_options o = {.url = url,
                              .accept = STR("application/json"),
                              .timeout_ms = TIMEOUT_FETCH_MS,
                              .bytes_max = LIMIT_JWKS_BYTES};
    enum err err = fetch_start(issuers__fetcher(s->registry), &o, done, s, &s->fetch);
    if (err != ERR_OK)
        source__failed(s, "cannot be fetched now: %s", err_text(err));
}

/* False: it has failed. */
static bool answered(struct key_source *s, const struct fetch_result *r, const char *what)
{
    s->fetch = NULL;
    if (r->err != ERR_OK)
        source__failed(s, "%s: %s", what, r->why);
    else if (r->status != 200)
        source__failed(s, "%s: answered %u", what, r->status);
    return r->err == ERR_OK && r->status == 200;
}

/* --- discovery ----------------------------------------------------------------------------------
 */
static bool is_https(struct str url)
{
    return str_istarts(url, STR("https://"));
}

static void read_discovery(struct key_source *s, struct str body)
{
    struct arena *a = arena_new(KIB(8), MIB(4));
    const struct json *doc = NULL;
    struct errinfo e = {0};
    struct str issuer, uri;
    enum err err = a ? json_parse(a, body, LIMIT_JWKS_BYTES, &doc, &e) : ERR_NOMEM;
    if (err != ERR_OK)
        source__failed(s, "discovery: %s", e.text[0] ? e.text : err_text(err));
    else if (!json_str(json_get(doc, "issuer"), &issuer))
        source__failed(s, "discovery: the document has no issuer");
    else if (!str_eq(issuer, s->name))
        source__failed(s, "discovery: the document is %.*s's, byte for byte another issuer",
                       STR_ARG(str_sub(issuer, 0, 80)));
    else if (!json_str(json_get(doc, "jwks_uri"), &uri))
        source__failed(s, "discovery: the document has no jwks_uri");
    else if (is_https(s->name) && !is_https(uri))
        source__failed(s, "discovery: the jwks_uri of an https issuer must be https too");
    else
        get_keys(s, uri);
    arena_free(a);
}

static void discovered(void *arg, const struct fetch_result *r)
{
    struct key_source *s = arg;
    if (answered(s, r, "discovery"))
        read_discovery(s, r->body);
}

static void get(struct key_source *s)
{
    AUTO_BUF url = BUF_INIT(LIMIT_ISSUER_URL + 64);
    bool slash = str_ends(s->name, STR("/")); /* is not doubled (Discovery 4.1) */
    buf_add(&url, str_sub(s->name, 0, s->name.n - slash));
    buf_addz(&url, "/.well-known/openid-configuration");
    if (url.err != ERR_OK)
        source__failed(s, "%s", err_text(url.err));
    else
        start(s, buf_str(&url), discovered);
}

/* --- keys ---------------------------------------------------------------------------------------
 */
static void came(void *arg, const struct fetch_result *r)
{
    struct key_source *s = arg;
    struct jwks *keys = NULL;
    struct errinfo e = {0};
    if (!answered(s, r, "jwks_uri"))
        return;
    enum err err = jwks_parse(r->body, JWK_FETCHED, &keys, &e);
    if (err == ERR_OK)
        source__got(s, keys);
    else
        source__failed(s, "jwks_uri: %s", e.text[0] ? e.text : err_text(err));
}

static void get_keys(struct key_source *s, struct str uri)
{
    start(s, uri, came);
}

static void stop(struct key_source *s)
{
    if (s->fetch)
        fetch_cancel(s->fetch);
}

const struct source_way source__by_fetch = {
    .every_ms = ISSUER_REFRESH_MS, .get = get, .stop = stop};

enum err source__issuer(struct issuers *r, struct str issuer, struct key_source **out)
{
    AUTO_BUF id = BUF_INIT(LIMIT_ISSUER_URL + 64);
    buf_addz(&id, "issuer ");
    buf_add(&id, issuer);
    if (id.err != ERR_OK)
        return id.err;
    *out = source__find(r, buf_str(&id));
    if (*out)
        return ERR_OK;
    enum err err = source__new(r, buf_str(&id), issuer, &source__by_fetch, out);
    if (err == ERR_OK) {
        (*out)->fetched = true;
        source__start(*out);
    }
    return err;
}
