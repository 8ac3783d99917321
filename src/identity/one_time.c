/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens that work once. Invariant: whoever takes a token deletes it and all others for the same in
 * one statement, and only whose statement deleted it has taken it. Rows that have expired go when
 * the next token is made. */
#include "one_time_int.h"

#include "base/crypt.h"

#define TOKEN_BYTES 48 /* 64 letters */
#define HASH_TEXT (2 * SHA256_BYTES + 1)

const char one_time__schema[] =
    "CREATE TABLE one_time_token (app_id TEXT NOT NULL, purpose BIGINT NOT NULL, "
    "tenant_id TEXT NOT NULL, token_hash TEXT NOT NULL, user_id TEXT NOT NULL, "
    "email TEXT NOT NULL, expires BIGINT NOT NULL, PRIMARY KEY (app_id, token_hash));"
    "CREATE INDEX one_time_token_user ON one_time_token (app_id, user_id, purpose);"
    "CREATE INDEX one_time_token_expires ON one_time_token (expires)";

static const struct stmt STMT_add =
    SQL("INSERT INTO one_time_token (app_id, purpose, tenant_id, token_hash, user_id, email, "
        "expires) VALUES ($1, $2, $3, $4, $5, $6, $7)");
static const struct stmt STMT_purge = SQL("DELETE FROM one_time_token WHERE expires < $1");
static const struct stmt STMT_find =
    SQL("SELECT user_id, email, expires FROM one_time_token WHERE app_id = $1 AND token_hash = $2 "
        "AND purpose = $3 AND tenant_id = $4");
static const struct stmt STMT_take =
    SQL("DELETE FROM one_time_token WHERE app_id = $1 AND user_id = $2 AND purpose = $3 "
        "AND ($4 = '' OR tenant_id = $4) AND ($5 = '' OR email = $5) RETURNING token_hash");
static const struct stmt STMT_has =
    SQL("SELECT 1 FROM one_time_token WHERE app_id = $1 AND user_id = $2 AND purpose = $3 LIMIT 1");
static const struct stmt STMT_rename =
    SQL("UPDATE one_time_token SET user_id = $1 WHERE app_id = $2 AND user_id = $3 "
        "AND purpose = $4");

static enum err hash_of(struct str token, char out[HASH_TEXT])
{
    unsigned char digest[SHA256_BYTES];
    enum err err = crypt_sha256(token, digest);
    crypt_hex(digest, sizeof digest, out);
    return err;
}

static enum err make_token(struct arena *a, struct str *token)
{
    unsigned char random[TOKEN_BYTES];
    AUTO_BUF text = BUF_INIT(128);
    enum err err = crypt_random(random, sizeof random);
    if (err != ERR_OK)
        return err;
    crypt_base64url(&text, str_of(random, sizeof random));
    *token = text.err == ERR_OK ? arena_str(a, buf_str(&text)) : STR_NONE;
    crypt_cleanse(random, sizeof random);
    return token->p ? ERR_OK : ERR_NOMEM;
}

enum err one_time_make(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                       int64_t life_ms, struct str *token)
{
    char hash[HASH_TEXT];
    enum err err = make_token(c->arena, token);
    if (err == ERR_OK)
        err = hash_of(*token, hash);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_purge, ARGS(STORE_I(c->now_ms)), NULL, NULL);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_add,
                        ARGS(STORE_S(c->app), STORE_I(t->use), STORE_S(t->tenant),
                             STORE_S(str_c(hash)), STORE_S(t->user_id), STORE_S(t->email),
                             STORE_I(c->now_ms + life_ms)),
                        NULL, NULL);
    return err;
}

struct taking {
    struct str hash;
    bool taken;
};

static enum err see_deleted(void *arg, const struct store_value *v, size_t n)
{
    struct taking *t = arg;
    (void)n;
    t->taken |= crypt_equal(v[0].s, t->hash);
    return ERR_OK;
}

static enum err delete_all(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                           struct taking *taking)
{
    return store_run(tx, &STMT_take,
                     ARGS(STORE_S(c->app), STORE_S(t->user_id), STORE_I(t->use), STORE_S(t->tenant),
                          STORE_S(t->email)),
                     taking ? see_deleted : NULL, taking);
}

static enum err find_hash(struct cdi_call *c, struct store_tx *tx, struct str hash,
                          struct one_time *t)
{
    struct store_value v[3];
    enum err err = cdi_row(
        c, tx, &STMT_find,
        ARGS(STORE_S(c->app), STORE_S(hash), STORE_I(t->use), STORE_S(t->tenant)), v, COUNTOF(v));
    if (err != ERR_OK)
        return err;
    t->user_id = v[0].s;
    t->email = v[1].s;
    return v[2].i < c->now_ms ? ERR_EXPIRED : ERR_OK;
}

enum err one_time_find(struct cdi_call *c, struct store_tx *tx, struct str token,
                       struct one_time *t)
{
    char hash[HASH_TEXT];
    enum err err = hash_of(token, hash);
    return err ? err : find_hash(c, tx, str_c(hash), t);
}

enum err one_time_take(struct cdi_call *c, struct store_tx *tx, struct str token,
                       struct one_time *t)
{
    char hash[HASH_TEXT];
    enum err err = hash_of(token, hash);
    if (err != ERR_OK)
        return err;
    enum err found = find_hash(c, tx, str_c(hash), t);
    if (found != ERR_OK && found != ERR_EXPIRED)
        return found;
    struct taking taking = {str_c(hash), false};
    struct one_time others = *t;
    if (t->use == ONE_TIME_RESET)
        others.email = STR("");
    err = delete_all(c, tx, &others, &taking);
    if (err == ERR_OK && !taking.taken)
        err = ERR_NOTFOUND; /* somebody else was faster */
    return err ? err : found;
}

enum err one_time_end(struct cdi_call *c, struct store_tx *tx, const struct one_time *t)
{
    return delete_all(c, tx, t, NULL);
}

enum err one_time_has(struct cdi_call *c, struct store_tx *tx, const struct one_time *t, bool *out)
{
    struct store_value v[1];
    enum err err =
        cdi_row(c, tx, &STMT_has, ARGS(STORE_S(c->app), STORE_S(t->user_id), STORE_I(t->use)), v,
                COUNTOF(v));
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

enum err one_time_rename(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                         struct str to)
{
    return store_run(tx, &STMT_rename,
                     ARGS(STORE_S(to), STORE_S(c->app), STORE_S(t->user_id), STORE_I(t->use)), NULL,
                     NULL);
}
