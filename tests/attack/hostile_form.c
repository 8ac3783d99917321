/* SPDX-License-Identifier: Apache-2.0
 *
 * Hostile tokens whose form, signature, key or algorithm is wrong. */
#include "base/crypt.h"
#include "hostile.h"

static struct str join(struct str head, struct str payload, struct str signature)
{
    const struct str parts[] = {head, STR_INIT("."), payload, STR_INIT("."), signature};
    return arena_cat(memory, parts, COUNTOF(parts));
}

static struct str encode(struct str s)
{
    AUTO_BUF out = BUF_INIT(MIB(2));
    crypt_base64url(&out, s);
    return arena_str(memory, buf_str(&out));
}

static struct str part(struct str token, unsigned i)
{
    struct str rest, head = str_cut(token, '.', &rest);
    for (; i > 0; i--)
        head = str_cut(rest, '.', &rest);
    return head;
}

unsigned char *raw_signature(struct str token, size_t *n)
{
    AUTO_BUF out = BUF_INIT(KIB(4));
    ASSERT(crypt_base64url_decode(&out, part(token, 2)) == ERR_OK);
    *n = out.n;
    unsigned char *raw = arena_alloc(memory, out.n + 64);
    memcpy(raw, out.p, out.n);
    return raw;
}

static void with_header(struct hostile *h, const char *header)
{
    unsigned k = (unsigned)below(KEYS);
    bool stale = below(2);
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = join(encode(str_c(header)), part(good[k], 1), stale ? part(good[k], 2) : STR(""));
}

/* A signature that is right, on a header or claims that are not. */
static void m1_none(struct hostile *h)
{
    static const char *const forms[] = {
        "\"none\"", "\"None\"",      "\"NONE\"", "\"nOnE\"", "\" none\"",  "\"none\\u0000\"",
        "\"\"",     "null",          "0",        "[]",       "[\"none\"]", "{}",
        "true",     "\"no\\u006ee\""};
    with_header(h, below(8) ? text("{\"alg\":%s,\"kid\":\"%s\"}", PICK(forms), PICK(kids))
                            : text("{\"kid\":\"%s\"}", PICK(kids)));
}
static void m2_public_key_as_secret(struct hostile *h)
{
    static const char *const hs[] = {"HS256", "HS384", "HS512"};
    struct jwk *k;
    const char *alg = PICK(hs), *kid = kids[below(K_HS)];
    struct jwk_about about = {.has_kid = true, .kid = str_c(kid)};
    ASSERT(jwk_from_secret(str_sub(PICK(public_forms), 0, LIMIT_JWK_SECRET), &about, &k, NULL) ==
           ERR_OK);
    if (!jwk_fits(k, jws_alg_named(str_c(alg))))
        alg = "HS256";
    h->token = sign(k, alg, text("{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid), GOOD);
    h->keys = public_set;
    jwk_unref(k);
}
static void m4_another_alg(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    const struct jws_alg *alg = &jws_algs[below(JWS_COUNT)];
    while (str_eqz(str_c(alg->name), algs[k]))
        alg = &jws_algs[below(JWS_COUNT)];
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = join(encode(str_c(text("{\"alg\":\"%s\",\"kid\":\"%s\"}", alg->name, kids[k]))),
                    part(good[k], 1), part(good[k], 2));
}
/* r and s from 0, 1, n, n - 1, n + r, p. */
static void m7_ecdsa_edges(struct hostile *h)
{
    static const unsigned char order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                            0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    size_t n;
    unsigned char *raw = raw_signature(good[K_EC], &n);
    unsigned changed = 1 + (unsigned)below(3);
    for (unsigned half = 0; half < 2; half++) {
        unsigned char *to = raw + 32 * half;
        if (!(changed & 1u << half))
            continue;
        switch (below(4)) {
        case 0:
            memset(to, 0, 32);
            break;
        case 1:
            memcpy(to, order, 32);
            to[31] = (unsigned char)(to[31] + below(3) - 1);
            break;
        case 2:
            memset(to, 0xff, 32);
            break;
        default:
            memset(to, 0, 31);
            to[31] = 1;
        }
    }
    h->token = join(part(good[K_EC], 0), part(good[K_EC], 1), encode(str_of(raw, n)));
}
static void m8_signature_length(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    size_t n;
    unsigned char *raw = raw_signature(good[k], &n);
    size_t longer = below(2) ? n + 1 + below(60) : below(n);
    if (longer < n && below(2))
        memmove(raw, raw + (n - longer), longer);
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = join(part(good[k], 0), part(good[k], 1), encode(str_of(raw, longer)));
}
static void m10_ed25519_edges(struct hostile *h)
{
    static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
                                            0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
                                            0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    size_t n;
    unsigned char *raw = raw_signature(good[K_ED], &n);
    unsigned carry = 0;
    if (below(2)) {
        for (int i = 0; i < 32; i++) { /* s + L */
            carry += raw[32 + i] + order[i];
            raw[32 + i] = (unsigned char)carry;
            carry >>= 8;
        }
    } else {
        memset(raw, 0, below(2) ? 64 : 32);
        raw[0] = (unsigned char)below(3);
    }
    h->token = join(part(good[K_ED], 0), part(good[K_ED], 1), encode(str_of(raw, n)));
}
static void m11_signature_bits(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    size_t n;
    unsigned char *raw = raw_signature(good[k], &n);
    switch (below(4)) {
    case 0:
        memset(raw, below(2) ? 0xff : 0, n);
        break;
    case 1:
        raw[0] |= 0x80; /* RSA: perhaps above the modulus */
        raw[1] ^= 0x40;
        break;
    default:
        for (size_t i = 1 + below(4); i > 0; i--)
            raw[below(n)] ^= (unsigned char)(1 + below(255));
    }
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = join(part(good[k], 0), part(good[k], 1), encode(str_of(raw, n)));
    if (str_eq(h->token, good[k]))
        h->token = STR("");
}
static void m18_evil_kid(struct hostile *h)
{
    static const char *const kids_of_evil[] = {"\"../../dev/null\"",
                                               "\"' OR 1=1--\"",
                                               "\"rsa\\u0000\"",
                                               "7",
                                               "[\"rsa\"]",
                                               "{}",
                                               "null",
                                               "\"RSA\"",
                                               "\"rsa \"",
                                               "\"\"",
                                               "\"/etc/passwd\"",
                                               "\"http://127.0.0.1/\"",
                                               "true"};
    if (below(4))
        signed_header(h, text("{\"alg\":\"HS256\",\"kid\":%s}", PICK(kids_of_evil)));
    else
        signed_header(h, text("{\"alg\":\"HS256\",\"kid\":\"%0*d\"}", 1 + (int)below(5000), 0));
}
static void m19_random_kid(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = join(encode(str_c(text("{\"alg\":\"%s\",\"kid\":\"%016llx\"}", algs[k],
                                      (unsigned long long)draw()))),
                    part(good[k], 1), part(good[k], 2));
}
static void m21_key_in_the_header(struct hostile *h)
{
    static const char *const names[] = {"jku", "x5u", "x5t", "x5c"};
    AUTO_BUF jwk = BUF_INIT(KIB(4));
    jwk_write(&jwk, attacker, false);
    const char *header =
        below(2) ? text("{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"jwk\":%s}", buf_cstr(&jwk))
                 : text("{\"alg\":\"EdDSA\",\"%s\":\"http://127.0.0.1:1/\"}", PICK(names));
    h->token = sign(attacker, "EdDSA", header, GOOD);
}
static void m28_json_form(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    struct str t = good[k];
    const char *one = text("\"protected\":\"%.*s\",\"signature\":\"%.*s\"", STR_ARG(part(t, 0)),
                           STR_ARG(part(t, 2)));
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = str_c(below(2) ? text("{\"payload\":\"%.*s\",%s}", STR_ARG(part(t, 1)), one)
                              : text("{\"payload\":\"%.*s\",\"signatures\":[{%s},{%s}]}",
                                     STR_ARG(part(t, 1)), one, one));
}
static void m29_jwe(struct hostile *h)
{
    static const char *const forms[] = {
        "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", "{\"alg\":\"RSA1_5\",\"enc\":\"A128CBC-HS256\"}",
        "{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A128GCM\",\"p2c\":2147483648}",
        "{\"alg\":\"HS256\",\"kid\":\"hs\",\"enc\":\"A128GCM\"}"};
    struct str head = encode(str_c(PICK(forms)));
    h->keys = below(2) ? secret_set : public_set;
    h->token = below(2) ? str_c(text("%.*s.AAAA.AAAA.AAAA.AAAA", STR_ARG(head)))
                        : join(head, part(good[K_HS], 1), part(good[K_HS], 2));
}
static void m31_segments(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    AUTO_BUF out = BUF_INIT(MIB(2));
    unsigned form = (unsigned)below(64);
    if (below(4096) == 0) {
        for (int i = 0; i < 1000000; i++)
            buf_addc(&out, '.');
    } else {
        for (int i = 0; i < 3; i++) { /* each part or nothing, each dot none, one or two */
            buf_add(&out, form & 1u << i ? STR("") : part(good[k], (unsigned)i));
            buf_addz(&out, i == 2 ? (form & 32 ? "." : "") : form & 8u << i ? ".." : ".");
        }
        if (form == 0)
            buf_addz(&out, ".e30");
    }
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = arena_str(memory, buf_str(&out));
}
static void m32_base64(struct hostile *h)
{
    static const char letters[] = "=+/ \t\r\n%?#,;:!\"'\\\x80\xff\xc3\x01";
    unsigned k = (unsigned)below(KEYS);
    struct str t = good[k];
    size_t at = below(t.n + 1);
    char c = letters[below(sizeof letters)]; /* its NUL as well */
    const struct str parts[] = {str_sub(t, 0, at), str_of(&c, 1), str_from(t, at + below(2))};
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = arena_cat(memory, parts, COUNTOF(parts));
    if (below(8) == 0) { /* the last letter with bits that mean nothing: never canonical */
        char *copy = arena_cstr(memory, good[K_HS]);
        static const char order[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const char *was = strchr(order, copy[good[K_HS].n - 1]);
        copy[good[K_HS].n - 1] = order[(was - order) ^ (1 + (long)below(3))];
        h->keys = secret_set;
        h->token = str_of(copy, good[K_HS].n);
    }
}
static void m33_bearer(struct hostile *h)
{
    static const char *const forms[] = {"Bearer %.*s", "%.*s,",    " %.*s",
                                        "%.*s ",       "\"%.*s\"", "%.*s;a"};
    struct str t = good[K_HS];
    AUTO_BUF out = BUF_INIT(KIB(16));
    const char *form = PICK(forms), *hole = strstr(form, "%.*s");
    buf_add(&out, str_of(form, (size_t)(hole - form)));
    buf_add(&out, t);
    buf_addz(&out, hole + 4);
    if (below(4) == 0)
        buf_add(&out, t);
    h->keys = secret_set;
    h->token = arena_str(memory, buf_str(&out));
}
static void m48_not_allowed(struct hostile *h)
{
    unsigned k = (unsigned)below(KEYS);
    h->checker.algs = JWS_ALL & ~JWS_BIT(jws_alg_named(str_c(algs[k]))->id);
    h->checker.algs &= (unsigned)draw();
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = good[k];
}
static void m49_retired(struct hostile *h)
{
    h->keys = retired_set;
    h->token = sign(retired, "EdDSA",
                    below(2) ? "{\"alg\":\"EdDSA\",\"kid\":\"old\"}" : "{\"alg\":\"EdDSA\"}", GOOD);
}
static void m0_bytes(struct hostile *h) /* any bytes changed, dropped, put in, cut off */
{
    unsigned k = (unsigned)below(KEYS);
    char *copy = arena_cstr(memory, good[k]);
    size_t n = good[k].n;
    for (size_t i = 1 + below(3); i > 0 && n > 1; i--) {
        size_t at = below(n);
        if (below(3) == 0) {
            memmove(copy + at, copy + at + 1, n - at - 1);
            n--;
        } else {
            copy[at] = (char)(unsigned char)(copy[at] ^ (1 + below(255)));
        }
    }
    h->keys = k == K_HS ? secret_set : public_set;
    h->token = str_sub(str_of(copy, n), 0, below(4) ? n : below(n));
    if (str_eq(h->token, good[k]))
        h->token = STR("");
}
static void m0_mixed(struct hostile *h) /* parts of different good tokens */
{
    unsigned a = (unsigned)below(KEYS), b = (unsigned)below(KEYS),
             c = (a + 1 + (unsigned)below(KEYS - 1)) % KEYS;
    h->keys = below(2) ? secret_set : public_set;
    h->token = join(part(good[a], 0), part(good[b], 1), part(good[c], 2));
}

const struct mutator form_mutators[] = {
    {"0 bytes", m0_bytes},
    {"0 parts of several tokens", m0_mixed},
    {"1 alg none", m1_none},
    {"2, 3 public key as secret", m2_public_key_as_secret},
    {"4, 5, 6 another alg", m4_another_alg},
    {"7 ECDSA edges", m7_ecdsa_edges},
    {"8, 13 signature length", m8_signature_length},
    {"10 Ed25519 edges", m10_ed25519_edges},
    {"11, 12, 13 signature bits", m11_signature_bits},
    {"18 evil kid", m18_evil_kid},
    {"19 random kid", m19_random_kid},
    {"21 key in the header", m21_key_in_the_header},
    {"28 JSON form", m28_json_form},
    {"29 JWE", m29_jwe},
    {"31 segments", m31_segments},
    {"32 base64", m32_base64},
    {"33 Bearer inside", m33_bearer},
    {"48 alg not allowed", m48_not_allowed},
    {"49 retired key", m49_retired},
};
const size_t form_mutator_count = COUNTOF(form_mutators);
