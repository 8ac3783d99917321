/* SPDX-License-Identifier: Apache-2.0
 *
 * Other people's cases for signatures, keys and JSON, read where they lie (argv[1]): Wycheproof,
 * the JOSE cookbook (RFC 7520, RFC 7797, RFC 8037), JSONTestSuite inside tokens. Where we differ
 * from a vector its tcId stands in a table here, with the reason; any other difference fails.
 * Prints TAP. */
#include <dirent.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jose_int.h"
#include "jose/jwt.h"
#include "lib/whole_file.h"

static const char *folder;
static unsigned tests, failed;
static struct arena *memory;

static void result(bool ok, const char *name)
{
    printf("%sok %u - %s\n", ok ? "" : "not ", ++tests, name);
    failed += !ok;
}

static void skip(const char *name)
{
    printf("ok %u - %s # SKIP ../shared not found\n", ++tests, name);
}

/* NULL when the file is absent. */
static const struct json *load(const char *name)
{
    char path[4096];
    const struct json *v = NULL;
    AUTO_BUF text = BUF_INIT(MIB(4));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    arena_reset(memory);
    if (!whole_file(path, &text))
        return NULL;
    struct str kept = arena_str(memory, buf_str(&text));
    if (json_parse(memory, kept, MIB(4), &v, NULL) != ERR_OK)
        printf("# %s is not JSON\n", name);
    return v;
}

/* ---- Wycheproof: whole JWS ---- */

static enum jwt_reason verify_jws(struct str token, const struct jwks *keys)
{
    struct jws s;
    struct jwt_fault why;
    enum jwt_reason r = jws_read(memory, token, JWS_ALL, &s, &why);
    return r == JWT_OK ? jws_verify(&s, keys, 0, NULL, &why) : r;
}

static const struct difference {
    const char *file;
    int64_t id;
    bool we_say_valid;
    const char *reason;
} differences[] = {
    {"json_web_signature_test", 346, false, "the key says PS256, the token PS384"},
    {"json_web_signature_test", 350, false, "the key says PS256, the token PS384"},
    {"json_web_signature_test", 347, false, "the key says ES521, which is no algorithm"},
    {"json_web_signature_test", 351, false, "the key says ES521, which is no algorithm"},
    {"json_web_signature_test", 372, false, "a ? inside base64url"},
    {"json_web_signature_test", 373, false, "a ? inside base64url"},
    {"json_web_signature_test", 367, true, "the token is 357's, which is valid, byte for byte"},
    {"json_web_signature_test", 370, true, "the token is 357's, which is valid, byte for byte"},
};

static const struct difference *known(const char *file, int64_t id)
{
    for (size_t i = 0; i < COUNTOF(differences); i++)
        if (str_eqz(str_c(file), differences[i].file) && differences[i].id == id)
            return &differences[i];
    return NULL;
}

struct count {
    unsigned agree, listed, wrong;
};

static void compare(const char *file, const struct json *test, bool we_say, struct count *n)
{
    int64_t id = 0;
    (void)json_int(json_get(test, "tcId"), &id);
    struct str expected = json_str_or(json_get(test, "result"), STR(""));
    const struct difference *d = known(file, id);
    bool either = str_eqz(expected, "acceptable");
    if (either || we_say == str_eqz(expected, "valid")) {
        n->agree++;
    } else if (d && d->we_say_valid == we_say) {
        n->listed++;
    } else {
        n->wrong++;
        printf("# %s: tcId %lld is %.*s, we say %s\n", file, (long long)id, STR_ARG(expected),
               we_say ? "valid" : "invalid");
    }
}

static struct jwks *keys_of(const struct json *group)
{
    const struct json *v = json_get(group, "public");
    struct jwks *keys = NULL;
    v = v ? v : json_get(group, "private"); /* secrets have no public form */
    enum err err = json_is(v, JSON_STRING) ? jwks_parse(v->s, JWK_GIVEN, &keys, NULL)
                                           : jwks_from_json(v, JWK_GIVEN, &keys, NULL);
    return err ? NULL : keys;
}

static void wycheproof_tokens(const char *file)
{
    char path[256];
    struct count n = {0};
    snprintf(path, sizeof path, "wycheproof/%s.json", file);
    const struct json *groups = json_get(load(path), "testGroups"), *group, *test;
    if (groups == NULL) {
        skip(file);
        return;
    }
    for (size_t i = 0; (group = json_at(groups, i)) != NULL; i++) {
        struct jwks *keys = keys_of(group);
        for (size_t j = 0; (test = json_at(json_get(group, "tests"), j)) != NULL; j++) {
            struct str token;
            bool valid = keys && json_str(json_get(test, "jws"), &token) &&
                         verify_jws(token, keys) == JWT_OK;
            compare(file, test, valid, &n);
        }
        jwks_unref(keys);
    }
    printf("# %s: %u agree, %u differ as listed, %u otherwise\n", file, n.agree, n.listed, n.wrong);
    result(n.wrong == 0 && n.agree > 0, file);
}

/* ---- Wycheproof: bare signatures ---- */

static struct str from_hex(struct str hex)
{
    char *bytes = arena_array(memory, hex.n / 2 + 1, 1);
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        char pair[3] = {hex.p[i], hex.p[i + 1], 0};
        bytes[i / 2] = (char)strtoul(pair, NULL, 16);
    }
    return str_of(bytes, hex.n / 2);
}

static struct str hex_member(const struct json *v, const char *name)
{
    return from_hex(json_str_or(json_get(v, name), STR("")));
}

/* The key of a group: PEM or JWK where there is one, else the bytes of an HMAC. */
static struct jwk *key_of(const struct json *group, const struct json *test, const char *alg)
{
    struct jwk *k = NULL;
    struct str pem = json_str_or(json_get(group, "publicKeyPem"), STR(""));
    struct jwk_about about = {.alg = jws_alg_named(str_c(alg))};
    if (str_starts(str_c(alg), STR("HS")))
        (void)!jwk_from_secret(hex_member(test, "key"), &about, &k, NULL);
    else
        (void)!jwk_parse_pem(pem, JWK_GIVEN, &about, &k, NULL);
    return k;
}

/* Half an HMAC is right to Wycheproof; in a JWS it never is (RFC 7518 3.2). */
static bool is_truncated(const struct json *group, const struct jws_alg *alg)
{
    int64_t bits;
    return alg->family == JWS_HMAC && json_int(json_get(group, "tagSize"), &bits) &&
           bits < 8 * (int64_t)alg->bytes;
}

struct signature_count {
    struct count n;
    unsigned truncated, weak;
};

static void wycheproof_group(const char *file, const struct json *group, const struct jws_alg *alg,
                             struct signature_count *c)
{
    const struct json *test;
    for (size_t j = 0; (test = json_at(json_get(group, "tests"), j)) != NULL; j++) {
        struct jwk *k = key_of(group, test, alg->name);
        struct str sig = hex_member(test, alg->family == JWS_HMAC ? "tag" : "sig");
        bool valid = k && jws_verify_bytes(k, alg, hex_member(test, "msg"), sig);
        if (k == NULL) {
            c->weak++; /* a secret shorter than the digest */
        } else if (is_truncated(group, alg)) {
            c->truncated++;
            c->n.wrong += valid;
        } else {
            compare(file, test, valid, &c->n);
        }
        jwk_unref(k);
    }
}

static void wycheproof_signatures(const char *file, const char *alg)
{
    char path[256];
    struct signature_count c = {.weak = 0};
    snprintf(path, sizeof path, "wycheproof/%s.json", file);
    const struct json *groups = json_get(load(path), "testGroups"), *group;
    if (groups == NULL) {
        skip(file);
        return;
    }
    for (size_t i = 0; (group = json_at(groups, i)) != NULL; i++)
        wycheproof_group(file, group, jws_alg_named(str_c(alg)), &c);
    printf(
        "# %s: %u agree, %u otherwise; %u truncated and refused, %u with a key that is refused\n",
        file, c.n.agree, c.n.wrong, c.truncated, c.weak);
    result(c.n.wrong == 0 && c.n.agree > 0, file);
}

/* ---- RFC 7520, 7797, 8037 ---- */

/* What must come of each cookbook file; NULL: refused, in whatever form it is offered. */
static const struct {
    const char *file;
    bool valid;
} cookbook[] = {
    {"jws/4_1.rsa_v15_signature.json", true},
    {"jws/4_2.rsa-pss_signature.json", true},
    {"jws/4_3.ecdsa_signature.json", true},
    {"jws/4_4.hmac-sha2_integrity_protection.json", true},
    {"jws/4_5.signature_with_detached_content.json", false},
    {"jws/4_6.protecting_specific_header_fields.json", false},
    {"jws/4_7.protecting_content_only.json", false},
    {"jws/4_8.multiple_signatures.json", false},
    {"curve25519/jws.json", true},
    {"rfc7797/hmac-sha2_b64_false.json", false},
    {"rfc7797/4.2.hmac-sha2_b64_false.json", false},
    {"jwe/5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json", false},
    {"jwe/5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json", false},
    {"jwe/5_6.direct_encryption_using_aes-gcm.json", false},
    {"jwe/5_9.compressed_content.json", false},
    {"6.nesting_signatures_and_encryption.json", false},
};

/* Every form of the file's output that is text, or whose text an attacker could send. */
static unsigned accepted_forms(const struct json *output, const struct jwks *keys)
{
    static const char *const forms[] = {"compact", "json", "json_flat"};
    unsigned accepted = 0;
    for (size_t i = 0; i < COUNTOF(forms); i++) {
        const struct json *form = json_get(output, forms[i]);
        AUTO_BUF text = BUF_INIT(MIB(1));
        if (form == NULL)
            continue;
        if (form->type == JSON_STRING)
            buf_add(&text, form->s);
        else
            json_write(&text, form);
        accepted += verify_jws(buf_str(&text), keys) == JWT_OK;
    }
    return accepted;
}

/* Keys of the cookbook have private members; we are told of their public part. */
static struct jwks *cookbook_keys(const struct json *key)
{
    struct jwks *keys = NULL;
    const struct json *one = json_is(key, JSON_ARRAY) ? json_at(key, 0) : key;
    (void)!jwks_from_json(one, JWK_OWN, &keys, NULL);
    return keys;
}

static void cookbook_files(void)
{
    for (size_t i = 0; i < COUNTOF(cookbook); i++) {
        char path[256];
        snprintf(path, sizeof path, "jose-cookbook/%s", cookbook[i].file);
        const struct json *v = load(path);
        if (v == NULL) {
            skip(cookbook[i].file);
            continue;
        }
        struct jwks *keys = cookbook_keys(json_get(json_get(v, "input"), "key"));
        unsigned accepted = keys ? accepted_forms(json_get(v, "output"), keys) : 0;
        result(cookbook[i].valid ? accepted == 1 : accepted == 0, cookbook[i].file);
        jwks_unref(keys);
    }
}

/* ---- JSONTestSuite as header and as claims ---- */

static bool accepted_as_json(struct str text)
{
    const struct json *v;
    return json_parse_object(memory, text, &v) == ERR_OK;
}

/* The document itself, and as the value of a claim. */
static bool accepted_in_token(struct str text)
{
    AUTO_BUF claim = BUF_INIT(MIB(1));
    buf_addz(&claim, "{\"iss\":\"a\",\"x\":");
    buf_add(&claim, text);
    buf_addc(&claim, '}');
    return accepted_as_json(text) || accepted_as_json(buf_str(&claim));
}

static void json_suite(void)
{
    char path[4096];
    unsigned must = 0, may = 0, wrong = 0;
    snprintf(path, sizeof path, "%s/JSONTestSuite/test_parsing", folder);
    DIR *dir = opendir(path);
    if (!dir) {
        skip("JSONTestSuite inside tokens");
        return;
    }
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        AUTO_BUF text = BUF_INIT(MIB(1));
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/JSONTestSuite/test_parsing/%s", folder, d->d_name);
        arena_reset(memory);
        if (!whole_file(path, &text))
            continue;
        bool accepted = accepted_in_token(buf_str(&text));
        if (d->d_name[0] == 'n')
            must++;
        else
            may++;
        if (d->d_name[0] == 'n' && accepted) {
            printf("# %s is accepted\n", d->d_name);
            wrong++;
        }
    }
    closedir(dir);
    printf("# %u documents that are no JSON, %u others\n", must, may);
    result(wrong == 0 && must > 180, "JSONTestSuite: what is no JSON is refused in tokens");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *file, *alg;
    } signatures[] = {
        {"rsa_signature_2048_sha256_test", "RS256"},
        {"rsa_signature_2048_sha384_test", "RS384"},
        {"rsa_signature_2048_sha512_test", "RS512"},
        {"rsa_signature_3072_sha256_test", "RS256"},
        {"rsa_signature_4096_sha256_test", "RS256"},
        {"rsa_signature_4096_sha512_test", "RS512"},
        {"rsa_pss_2048_sha256_mgf1_32_test", "PS256"},
        {"rsa_pss_2048_sha384_mgf1_48_test", "PS384"},
        {"rsa_pss_3072_sha256_mgf1_32_test", "PS256"},
        {"rsa_pss_4096_sha256_mgf1_32_test", "PS256"},
        {"rsa_pss_4096_sha384_mgf1_48_test", "PS384"},
        {"rsa_pss_4096_sha512_mgf1_64_test", "PS512"},
        {"ecdsa_secp256r1_sha256_p1363_test", "ES256"},
        {"ecdsa_secp384r1_sha384_p1363_test", "ES384"},
        {"ecdsa_secp521r1_sha512_p1363_test", "ES512"},
        {"ecdsa_secp256k1_sha256_p1363_test", "ES256K"},
        {"ed25519_test", "EdDSA"},
        {"ed448_test", "Ed448"},
        {"hmac_sha256_test", "HS256"},
        {"hmac_sha384_test", "HS384"},
        {"hmac_sha512_test", "HS512"},
    };
    if (argc != 2) {
        fprintf(stderr, "usage: jose_vectors FOLDER\n");
        return 2;
    }
    folder = argv[1];
    memory = arena_new(MIB(4), MIB(256));
    if (!memory)
        return 1;
    wycheproof_tokens("json_web_signature_test");
    wycheproof_tokens("json_web_key_test");
    for (size_t i = 0; i < COUNTOF(signatures); i++)
        wycheproof_signatures(signatures[i].file, signatures[i].alg);
    cookbook_files();
    json_suite();
    printf("1..%u\n", tests);
    arena_free(memory);
    return failed ? 1 : 0;
}
