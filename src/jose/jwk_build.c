/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of a JWK, or a PEM block, as OpenSSL's key, and the judgement on it. Invariant: sizes
 * are checked before anything is computed with the numbers. */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jwk_int.h"

#define MAX_NUMBER ((LIMIT_RSA_BITS_MAX / 8 + 3) * 2) /* bytes of a member; longer is no key */

const struct jwk__curve jwk__curves[] = {
    {"P-256", "prime256v1", 32},
    {"P-384", "secp384r1", 48},
    {"P-521", "secp521r1", 66},
    {"secp256k1", "secp256k1", 32},
    {NULL, NULL, 0},
};

const struct jwk__curve *jwk__curve_named(struct str name)
{
    for (const struct jwk__curve *c = jwk__curves; c->name; c++)
        if (str_eqz(name, c->name))
            return c;
    return NULL;
}

const struct jwk__curve *jwk__curve_of(const EVP_PKEY *key)
{
    char group[64];
    size_t n = 0;
    if (EVP_PKEY_get_group_name(key, group, sizeof group, &n) != 1)
        return NULL; /* a curve of somebody's own parameters */
    for (const struct jwk__curve *c = jwk__curves; c->name; c++)
        if (str_eqz(str_of(group, n), c->group))
            return c;
    return NULL;
}

/* ---- members ---- */

static enum err member_bytes(const struct json *v, const char *name, struct buf *out,
                             struct errinfo *e)
{
    struct str text;
    if (!json_str(json_get(v, name), &text))
        return errinfo_set(e, ERR_INVALID, "%s is missing", name);
    enum err err = crypt_base64url_decode(out, text);
    if (err == ERR_LIMIT)
        return errinfo_set(e, ERR_INVALID, "%s is too long", name);
    if (err != ERR_OK)
        return errinfo_set(e, err == ERR_SYNTAX ? ERR_INVALID : err, "%s is not base64url", name);
    return ERR_OK;
}

static enum err push_number(OSSL_PARAM_BLD *b, const char *param, const struct json *v,
                            const char *name, BIGNUM **number, struct errinfo *e)
{
    AUTO_BUF bytes = BUF_INIT(MAX_NUMBER);
    enum err err = member_bytes(v, name, &bytes, e);
    if (err != ERR_OK)
        return err;
    *number = BN_bin2bn((const unsigned char *)bytes.p, (int)bytes.n, NULL);
    if (bytes.p)
        OPENSSL_cleanse(bytes.p, bytes.n);
    if (*number == NULL || OSSL_PARAM_BLD_push_BN(b, param, *number) != 1)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    return ERR_OK;
}

static enum err from_params(const char *type, OSSL_PARAM_BLD *b, bool is_private, EVP_PKEY **out,
                            struct errinfo *e)
{
    int selection = is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    enum err err = ERR_OK;
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
        err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    else if (EVP_PKEY_fromdata(ctx, out, selection, params) != 1)
        err = errinfo_set(e, ERR_INVALID, "not a key of its kind");
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return err;
}

static const struct {
    const char *name, *param;
} rsa_members[] = {
    {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
    {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
    {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

static enum err build_rsa(const struct json *v, EVP_PKEY **out, bool *is_private, struct errinfo *e)
{
    BIGNUM *numbers[COUNTOF(rsa_members)] = {NULL};
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    *is_private = json_get(v, "d") != NULL;
    size_t n = *is_private ? COUNTOF(rsa_members) : 2;
    enum err err = b ? ERR_OK : errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (err == ERR_OK && json_get(v, "oth"))
        err = errinfo_set(e, ERR_UNSUPPORTED, "an RSA key of more than two primes");
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = push_number(b, rsa_members[i].param, v, rsa_members[i].name, &numbers[i], e);
    if (err == ERR_OK)
        err = from_params("RSA", b, *is_private, out, e);
    for (size_t i = 0; i < n; i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(b);
    return err;
}

/* The point as SEC1 wants it: 4, x, y, each of the curve's length exactly (RFC 7518 6.2.1). */
static enum err ec_point(const struct json *v, const struct jwk__curve *curve, struct buf *point,
                         struct errinfo *e)
{
    static const char *const names[] = {"x", "y"};
    buf_addc(point, 4);
    for (size_t i = 0; i < COUNTOF(names); i++) {
        size_t before = point->n;
        enum err err = member_bytes(v, names[i], point, e);
        if (err != ERR_OK)
            return err;
        if (point->n - before != curve->bytes)
            return errinfo_set(e, ERR_INVALID, "%s is not %zu bytes long", names[i], curve->bytes);
    }
    return ERR_OK;
}

static enum err build_ec(const struct json *v, EVP_PKEY **out, bool *is_private, struct errinfo *e)
{
    const struct jwk__curve *curve = jwk__curve_named(json_str_or(json_get(v, "crv"), STR("")));
    AUTO_BUF point = BUF_INIT(MAX_NUMBER);
    BIGNUM *d = NULL;
    if (curve == NULL)
        return errinfo_set(e, ERR_UNSUPPORTED, "crv is P-256, P-384, P-521 or secp256k1");
    enum err err = ec_point(v, curve, &point, e);
    if (err != ERR_OK)
        return err;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    *is_private = json_get(v, "d") != NULL;
    if (b == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n) != 1)
        err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (err == ERR_OK && *is_private)
        err = push_number(b, OSSL_PKEY_PARAM_PRIV_KEY, v, "d", &d, e);
    if (err == ERR_OK)
        err = from_params("EC", b, *is_private, out, e);
    BN_clear_free(d);
    OSSL_PARAM_BLD_free(b);
    return err;
}

static enum err build_okp(const struct json *v, EVP_PKEY **out, bool *is_private, struct errinfo *e)
{
    struct str crv = json_str_or(json_get(v, "crv"), STR(""));
    int type = str_eqz(crv, "Ed25519") ? EVP_PKEY_ED25519 : EVP_PKEY_ED448;
    AUTO_BUF x = BUF_INIT(MAX_NUMBER);
    AUTO_BUF d = BUF_INIT(MAX_NUMBER);
    if (!str_eqz(crv, "Ed25519") && !str_eqz(crv, "Ed448"))
        return errinfo_set(e, ERR_UNSUPPORTED, "crv is Ed25519 or Ed448");
    enum err err = member_bytes(v, "x", &x, e);
    *is_private = json_get(v, "d") != NULL;
    if (err == ERR_OK && *is_private)
        err = member_bytes(v, "d", &d, e);
    if (err != ERR_OK)
        return err;
    const unsigned char *pub = (const unsigned char *)x.p, *priv = (const unsigned char *)d.p;
    EVP_PKEY *given = EVP_PKEY_new_raw_public_key(type, NULL, pub, x.n);
    *out = given;
    if (given && *is_private) {
        *out = EVP_PKEY_new_raw_private_key(type, NULL, priv, d.n);
        OPENSSL_cleanse(d.p, d.n);
        if (*out && EVP_PKEY_eq(*out, given) != 1) {
            EVP_PKEY_free(*out);
            *out = NULL;
        }
        EVP_PKEY_free(given);
    }
    ERR_clear_error();
    return *out ? ERR_OK : errinfo_set(e, ERR_INVALID, "not a key of its kind");
}

enum err jwk__build(const struct json *v, EVP_PKEY **out, bool *is_private, struct errinfo *e)
{
    struct str kty = json_str_or(json_get(v, "kty"), STR(""));
    *out = NULL;
    if (str_eqz(kty, "RSA"))
        return build_rsa(v, out, is_private, e);
    if (str_eqz(kty, "EC"))
        return build_ec(v, out, is_private, e);
    if (str_eqz(kty, "OKP"))
        return build_okp(v, out, is_private, e);
    return errinfo_set(e, ERR_UNSUPPORTED, "kty is RSA, EC, OKP or oct");
}

/* ---- PEM ---- */

/* Never asks the terminal for a pass phrase: an encrypted key is refused. */
static int no_passphrase(char *to, int size, int rwflag, void *arg)
{
    (void)to, (void)size, (void)rwflag, (void)arg;
    return -1;
}

enum err jwk_parse_pem(struct str pem, enum jwk_source from, const struct jwk_about *about,
                       struct jwk **out, struct errinfo *e)
{
    *out = NULL;
    if (pem.n > LIMIT_JWKS_BYTES)
        return errinfo_set(e, ERR_LIMIT, "larger than %d bytes", LIMIT_JWKS_BYTES);
    bool is_private = str_find(pem, STR("PRIVATE KEY-----")) != SIZE_MAX;
    if (is_private && from != JWK_OWN)
        return errinfo_set(e, ERR_DENIED, "a private key where a public one belongs");
    if (str_find(pem, STR("-----BEGIN CERTIFICATE")) != SIZE_MAX)
        return errinfo_set(e, ERR_UNSUPPORTED,
                           "a certificate; take its key with openssl x509 -pubkey -noout");
    BIO *in = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    if (in == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    EVP_PKEY *key = is_private ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL)
                               : PEM_read_bio_PUBKEY(in, NULL, no_passphrase, NULL);
    BIO_free(in);
    ERR_clear_error();
    if (key == NULL)
        return errinfo_set(e, ERR_INVALID, "not a key in PEM, or an encrypted one");
    return jwk__finish(key, is_private, about, STR(""), out, e);
}
