/* SPDX-License-Identifier: Apache-2.0
 *
 * Hostile tokens that are signed well, and say what must not be believed. */
#include "hostile.h"

static void m26_crit(struct hostile *h)
{
    static const char *const forms[] = {"[]",        "[\"exp\"]", "[\"alg\"]",  "[\"x\",\"x\"]",
                                        "\"exp\"",   "null",      "{}",         "[7]",
                                        "[\"b64\"]", "true",      "[[\"exp\"]]"};
    signed_header(h, text("{\"alg\":\"HS256\",\"kid\":\"hs\",\"crit\":%s%s}", PICK(forms),
                          below(2) ? ",\"exp\":1" : ""));
}
static void m27_b64(struct hostile *h)
{
    static const char *const forms[] = {"false", "\"false\"", "true", "0", "null", "[]"};
    signed_header(h, text("{\"alg\":\"HS256\",\"kid\":\"hs\",\"b64\":%s%s}", PICK(forms),
                          below(2) ? ",\"crit\":[\"b64\"]" : ""));
}
static void m30_zip(struct hostile *h)
{
    static const char *const forms[] = {"\"DEF\"", "\"def\"", "null", "7"};
    signed_header(h, text("{\"alg\":\"HS256\",\"kid\":\"hs\",\"zip\":%s}", PICK(forms)));
}
static void m34_no_object(struct hostile *h)
{
    static const char *const forms[] = {"[]",        "[" GOOD "]", "\"a\"",
                                        "7",         "null",       "true",
                                        GOOD GOOD,   GOOD "x",     "\xef\xbb\xbf" GOOD,
                                        "",          "{'iss':1}",  "{\"iss\":" ISS ",}",
                                        "/**/" GOOD, GOOD ",",     "{",
                                        "{\"iss\"",  "{" ISS "}",  GOOD "]"};
    const char *form = PICK(forms);
    if (below(2))
        signed_claims(h, form);
    else
        signed_header(h, form); /* as a header none of them has an alg */
}
static void m35_twice(struct hostile *h)
{
    static const char *const more[] = {",\"exp\":1700000700",
                                       ",\"\\u0065xp\":1700000700",
                                       ",\"sub\":\"b\"",
                                       ",\"iss\":" ISS,
                                       ",\"aud\":" AUD,
                                       ",\"x\":{\"a\":1,\"a\":1}",
                                       ",\"x\":[{\"a\":1,\"\\u0061\":2}]"};
    if (below(4))
        signed_claims(h, text("{\"iss\":" ISS ",\"aud\":" AUD ",\"sub\":\"ana\",\"exp\":" EXP "%s}",
                              PICK(more)));
    else
        signed_header(h, below(2) ? "{\"alg\":\"HS256\",\"kid\":\"hs\",\"alg\":\"HS256\"}"
                                  : "{\"alg\":\"HS256\",\"kid\":\"hs\",\"\\u006bid\":\"hs\"}");
}
static void m36_utf8(struct hostile *h)
{
    static const char *const strings[] = {"\\u0000",
                                          "admin\\u0000x",
                                          "\\ud800",
                                          "\\udc00",
                                          "\\ud800\\ud800",
                                          "\\udfff\\udbff",
                                          "\xff",
                                          "\xc0\xaf",
                                          "\xe0\x80\xaf",
                                          "\xed\xa0\x80",
                                          "\xf4\x90\x80\x80",
                                          "\xf8\x88\x80\x80\x80",
                                          "\x80",
                                          "\xc3",
                                          "\\ud83d",
                                          "\\uD83Dx",
                                          "\\u12",
                                          "\\x41",
                                          "\t",
                                          "\x1f",
                                          "\\"};
    const char *s = PICK(strings);
    signed_claims(
        h, below(2) ? text("{\"iss\":" ISS ",\"aud\":" AUD ",\"sub\":\"%s\",\"exp\":" EXP "}", s)
                    : text("{\"iss\":" ISS ",\"aud\":" AUD ",\"%s\":1,\"exp\":" EXP "}", s));
}
static void m37_size(struct hostile *h)
{
    AUTO_BUF out = BUF_INIT(MIB(2));
    bool list = below(2);
    size_t n = below(3) ? 32 + below(4) : 513 + below(600);
    size_t huge = below(512) == 0 ? 100000 : 0;
    buf_addz(&out, "{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":" EXP ",\"x\":");
    if (n < 100) {
        for (size_t i = 0; i < n + huge; i++)
            buf_addz(&out, list ? "[" : "{\"a\":");
        buf_addz(&out, "1");
        for (size_t i = 0; i < n + huge; i++)
            buf_addc(&out, list ? ']' : '}');
    } else {
        buf_addc(&out, '[');
        for (size_t i = 0; i < n + huge; i++)
            buf_addz(&out, i ? ",1" : "1");
        buf_addc(&out, ']');
    }
    buf_addc(&out, '}');
    signed_claims(h, buf_cstr(&out));
}
static void m39_numbers(struct hostile *h)
{
    static const char *const numbers[] = {"\"1700000600\"",
                                          "1e999",
                                          "-1e999",
                                          "NaN",
                                          "Infinity",
                                          "-1",
                                          "-0",
                                          "-0.0",
                                          "9007199254740994",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551616",
                                          "1e400",
                                          "1e300",
                                          "true",
                                          "null",
                                          "[]",
                                          "{}",
                                          "\"\"",
                                          "+1700000600",
                                          "01700000600",
                                          "0x6553f100",
                                          "1700000600.",
                                          ".5",
                                          "1e",
                                          "1_000",
                                          "1,7",
                                          "--1"};
    static const char *const names[] = {"nbf", "iat"};
    const char *number = PICK(numbers);
    if (below(2))
        signed_claims(h, text("{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":%s}", number));
    else /* far off, or none: a time of -0 or 2^63 is no time for these two either */
        signed_claims(h, text("{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":" EXP ",\"%s\":%s}",
                              PICK(names), str_eqz(str_c(number), "-0") ? "-1" : number));
}
static void m40_exp(struct hostile *h)
{
    static const char *const forms[] = {"{\"iss\":" ISS ",\"aud\":" AUD "}",
                                        CLAIMS(ISS, AUD, "1700000000", ""),
                                        CLAIMS(ISS, AUD, "1699999999.9", ""),
                                        CLAIMS(ISS, AUD, "1.7e9", ""), CLAIMS(ISS, AUD, "0", "")};
    signed_claims(h, below(2) ? PICK(forms)
                              : text("{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":%llu}",
                                     (unsigned long long)below(1700000001)));
}
static void m41_not_yet(struct hostile *h)
{
    static const char *const names[] = {"nbf", "iat"};
    signed_claims(h, text("{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":1800000000,\"%s\":%llu}",
                          PICK(names), 1700000001 + (unsigned long long)below(99999999)));
}
static void m42_too_long(struct hostile *h)
{
    signed_claims(h, text("{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":%llu,\"iat\":1699999999}",
                          1700100001 + (unsigned long long)below(1u << 30)));
}
static void m43_audience(struct hostile *h)
{
    static const char *const forms[] = {"\"order\"",
                                        "\"orders2\"",
                                        "\"Orders\"",
                                        "\"orders \"",
                                        "\" orders\"",
                                        "\"\"",
                                        "[]",
                                        "[\"x\"]",
                                        "[\"orders\",1]",
                                        "[[\"orders\"]]",
                                        "{\"orders\":\"orders\"}",
                                        "1",
                                        "null",
                                        "true",
                                        "[null,\"orders\"]",
                                        "\"orders,x\"",
                                        "[\"order\",\"s\"]",
                                        "\"orders/\""};
    signed_claims(h, text("{\"iss\":" ISS ",\"aud\":%s,\"exp\":" EXP "%s}", PICK(forms),
                          below(2) ? ",\"client_id\":\"orders\"" : ""));
}
static void m43_client_id(struct hostile *h)
{
    static const char *const forms[] = {"\"order\"", "[\"orders\"]", "1",
                                        "null",      "\"\"",         "\"ORDERS\""};
    signed_claims(h, text("{\"iss\":" ISS ",\"client_id\":%s,\"exp\":" EXP "}", PICK(forms)));
}
static void m44_issuer(struct hostile *h)
{
    static const char *const forms[] = {"\"https://issuer.example/\"",
                                        "\"https://Issuer.example\"",
                                        "\"https://issuer.example@evil\"",
                                        "\"http://issuer.example\"",
                                        "\"https://issuer.example.evil\"",
                                        "\"https://issuer.exampl\"",
                                        "\" https://issuer.example\"",
                                        "\"https://user@issuer.example\"",
                                        "\"\"",
                                        "null",
                                        "1",
                                        "[" ISS "]",
                                        "{}",
                                        "\"https://issuer.example:443\"",
                                        "\"https://issuer.example#\"",
                                        "\"https://issuer.example/tenant-b\""};
    signed_claims(h, text("{\"iss\":%s,\"aud\":" AUD ",\"exp\":" EXP "}", PICK(forms)));
}
static void m45_confusion(struct hostile *h)
{
    static const char *const typs[] = {"\"JWT\"",        "\"\"",         "\"id+jwt\"",
                                       "\"logout+jwt\"", "\"at+jwt \"",  "7",
                                       "null",           "[\"at+jwt\"]", "\"at+jwt;a=b\""};
    static const char *const uses[] = {"\"id\"", "\"refresh\"",  "\"\"",
                                       "null",   "[\"access\"]", "\"ACCESS\""};
    if (below(2)) {
        h->checker.typ = STR("at+jwt");
        signed_header(h, text("{\"alg\":\"HS256\",\"kid\":\"hs\",\"typ\":%s}", PICK(typs)));
    } else {
        h->checker.token_use = STR("access");
        signed_claims(h, text("{\"iss\":" ISS ",\"aud\":" AUD ",\"exp\":" EXP ",\"token_use\":%s}",
                              PICK(uses)));
    }
}
const struct mutator claim_mutators[] = {
    {"26 crit", m26_crit},
    {"27 b64", m27_b64},
    {"30 zip", m30_zip},
    {"34 no object", m34_no_object},
    {"35 member twice", m35_twice},
    {"36 UTF-8", m36_utf8},
    {"37 size and depth", m37_size},
    {"39 numbers", m39_numbers},
    {"40 exp", m40_exp},
    {"41 nbf, iat", m41_not_yet},
    {"42 life", m42_too_long},
    {"43 aud", m43_audience},
    {"43 client_id", m43_client_id},
    {"44, 46 iss", m44_issuer},
    {"45 typ, token_use", m45_confusion},
};
const size_t claim_mutator_count = COUNTOF(claim_mutators);
