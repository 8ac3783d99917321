/* SPDX-License-Identifier: Apache-2.0
 *
 * The glob: what `*` and `?` accept, against cases by hand and against a naive recursive matcher.
 */
#include "policy_test.h"

#include "lib/prop.h"

static bool glob(const char *pattern, const char *text)
{
    return policy_glob(str_c(pattern), str_c(text), false, NULL);
}

static size_t agreed(const char *pattern, const char *text)
{
    size_t n = 99;
    (void)policy_glob(str_c(pattern), str_c(text), false, &n);
    return n;
}

static void text_without_wildcards_matches_itself_alone(void **state)
{
    (void)state;
    assert_true(glob("", ""));
    assert_true(glob("abc", "abc"));
    assert_false(glob("abc", "abcd"));
    assert_false(glob("abc", "ab"));
    assert_false(glob("abc", "Abc"));
    assert_false(glob("", "a"));
    assert_true(policy_glob(STR_NONE, STR_NONE, false, NULL));
}

static void a_star_is_any_run_and_none(void **state)
{
    (void)state;
    assert_true(glob("*", ""));
    assert_true(glob("**", "a/b:c"));
    assert_true(glob("a*", "a"));
    assert_true(glob("*a", "a"));
    assert_true(glob("a*b*c", "a//b::c"));
    assert_true(glob("a*b*c", "abbcbc"));
    assert_false(glob("a*b*c", "acb"));
    assert_false(glob("ab*ba", "aba")); /* head and tail may not overlap */
    assert_true(glob("*ab*ab*", "xababx"));
    assert_false(glob("*ab*ab*", "xabxax"));
}

static void trap_12_a_question_mark_is_exactly_one_character(void **state)
{
    (void)state;
    assert_true(glob("x?", "x1"));
    assert_false(glob("x?", "x")); /* not the `?` of regular expressions */
    assert_false(glob("x?", ""));
    assert_false(glob("x?", "x12"));
    assert_true(glob("?", "/"));
    assert_true(glob("*?b?*", "aabcc"));
    assert_true(glob("?*?", "ab"));
    assert_false(glob("?*?", "a"));
}

static void a_character_is_a_whole_utf8_sequence(void **state)
{
    (void)state;
    assert_true(glob("caf?", "caf\xc3\xa9"));
    assert_false(glob("caf??", "caf\xc3\xa9"));
    assert_false(glob("*??", "\xe2\x82\xac")); /* a star does not cut a character in two */
    assert_true(glob("?", "\xf0\x9f\x98\x80"));
    assert_true(glob("????", "\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_true(glob("?\xc3\xa9*", "x\xc3\xa9y"));
    assert_true(glob("*\xc3\xa9?\xe2\x82\xac*", "..\xc3\xa9-\xe2\x82\xac.."));
}

static void a_malformed_byte_is_one_character(void **state)
{
    (void)state;
    assert_true(glob("?", "\xff"));
    assert_true(glob("??", "\xc0\x80"));           /* overlong */
    assert_true(glob("???", "\xed\xa0\x80"));      /* surrogate */
    assert_true(glob("???", "\xe0\x9f\xbf"));      /* overlong */
    assert_true(glob("????", "\xf0\x8f\xbf\xbf")); /* overlong */
    assert_true(glob("????", "\xf4\x90\x80\x80")); /* above U+10FFFF */
    assert_true(glob("?a", "\xe2"
                           "a")); /* cut short */
    assert_true(glob("??", "\xe2\x82"));
    assert_true(glob("a*b", "a\xff\xfe"
                            "b"));
}

static void metacharacters_of_regular_expressions_are_literal(void **state)
{
    (void)state;
    assert_true(glob("a.b+(c)|[d]^$\\{e}", "a.b+(c)|[d]^$\\{e}"));
    assert_false(glob("a.b", "axb"));
    assert_false(glob("[ab]", "a"));
    assert_false(glob("a\\*", "a*b"));
}

static void escapes_of_urls_are_not_decoded(void **state)
{
    (void)state;
    assert_false(glob("a/b", "a%2Fb"));
    assert_true(glob("a%2Fb", "a%2Fb"));
    assert_false(glob("a?b", "a%2Fb"));
}

static void letter_case_is_ignored_on_request_and_in_ascii_only(void **state)
{
    (void)state;
    assert_true(policy_glob(STR("execute-api:INV*"), STR("Execute-API:Invoke"), true, NULL));
    assert_true(policy_glob(STR("*:I?vOKE"), STR("x:iNvoke"), true, NULL));
    assert_true(policy_glob(STR("*b*D*"), STR("aBcd"), true, NULL));
    assert_false(policy_glob(STR("*@*"), STR("`"), true, NULL)); /* 0x40, 0x60: no letters */
    assert_false(policy_glob(STR("\xc3\x89"), STR("\xc3\xa9"), true, NULL));
}

static void a_pattern_that_cannot_be_compiled_matches_nothing(void **state)
{
    char long_pattern[LIMIT_POLICY_RESOURCE + 1];
    size_t n = 99;

    (void)state;
    memset(long_pattern, '*', sizeof long_pattern);
    assert_true(policy_glob(str_of(long_pattern, LIMIT_POLICY_RESOURCE), STR("x"), false, NULL));
    assert_false(policy_glob(str_of(long_pattern, sizeof long_pattern), STR("x"), false, &n));
    assert_int_equal(n, 0);
    assert_false(glob("\xff*", "\xff"));
}

static void a_pattern_as_long_as_allowed_uses_every_bit(void **state)
{
    char pattern[LIMIT_POLICY_RESOURCE], text[LIMIT_POLICY_RESOURCE];

    (void)state;
    memset(pattern, 'a', sizeof pattern);
    memset(text, 'a', sizeof text);
    pattern[0] = '?';
    pattern[sizeof pattern - 1] = '?';
    assert_true(
        policy_glob(str_of(pattern, sizeof pattern), str_of(text, sizeof text), false, NULL));
    assert_false(
        policy_glob(str_of(pattern, sizeof pattern), str_of(text, sizeof text - 1), false, NULL));
    text[300] = 'b';
    assert_false(
        policy_glob(str_of(pattern, sizeof pattern), str_of(text, sizeof text), false, NULL));
}

/* Each would take longer than the age of the universe for a matcher that goes back. */
static void hostile_patterns_take_linear_time(void **state)
{
    static char text[8192];
    static const char *const unit[] = {"a*a*a*a*a*a*", "*a?a", "?*", "a?*a"};

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t u = 0; u < COUNTOF(unit); u++) {
        char pattern[LIMIT_POLICY_RESOURCE];
        size_t n = 0;
        while (n + strlen(unit[u]) + 2 <= sizeof pattern) {
            memcpy(pattern + n, unit[u], strlen(unit[u]));
            n += strlen(unit[u]);
        }
        memcpy(pattern + n, "b*", 2); /* open at the end: no tail to fail early */
        for (int i = 0; i < 20; i++)
            assert_false(
                policy_glob(str_of(pattern, n + 2), str_of(text, sizeof text), false, NULL));
    }
}

static void agreed_says_how_far_a_pattern_came(void **state)
{
    (void)state;
    assert_int_equal(agreed("abc", "abd"), 2);
    assert_int_equal(agreed("abc", "abcd"), 3);
    assert_int_equal(agreed("abc", "ab"), 2);
    assert_int_equal(agreed("abc", "abc"), 3);
    assert_int_equal(agreed("abc", ""), 0);
    assert_int_equal(agreed("a*", "axyz"), 4);
    assert_int_equal(agreed("prod/*/users", "prod/GET/orders"), 9);
    assert_int_equal(agreed("prod/*/users/1", "prod/GET/users/2"), 15);
    assert_int_equal(agreed("prod/?ET/x", "prod/GET/y"), 9);
    assert_int_equal(agreed("a*b*c", "abxxb"), 5);
    assert_int_equal(agreed("\xc3\xa9", "\xc3\xa8"), 0); /* no half characters */
    assert_int_equal(agreed("x\xc3\xa9", "x\xc3"), 1);
}

/* The oracle: the definition of a glob, written down, on characters. */
static size_t naive_char(const char *t)
{
    static const char *const wide[] = {"\xc3\xa9", "\xc3\x82", "\xe2\x82\xac"};

    for (size_t i = 0; i < COUNTOF(wide); i++)
        if (strncmp(t, wide[i], strlen(wide[i])) == 0)
            return strlen(wide[i]);
    return 1;
}

static bool naive_glob(const char *p, const char *p_end, const char *t, const char *t_end)
{
    if (p == p_end)
        return t == t_end;
    if (*p == '*')
        return naive_glob(p + 1, p_end, t, t_end) ||
               (t < t_end && naive_glob(p, p_end, t + naive_char(t), t_end));
    if (t == t_end)
        return false;
    if (*p == '?')
        return naive_glob(p + 1, p_end, t + naive_char(t), t_end);
    return naive_char(p) == naive_char(t) && memcmp(p, t, naive_char(p)) == 0 &&
           naive_glob(p + naive_char(p), p_end, t + naive_char(t), t_end);
}

static size_t naive_agreed(const char *p, const char *t)
{
    size_t best = 0, p_n = strlen(p), t_n = strlen(t);

    if (naive_glob(p, p + p_n, t, t + t_n))
        return t_n;
    for (size_t i = 0; i < p_n; i += naive_char(p + i)) {
        size_t end = i + naive_char(p + i);
        if (p[i] == '*')
            continue;
        for (size_t j = 0; j <= t_n; j += j < t_n ? naive_char(t + j) : 1)
            if (j > best && naive_glob(p, p + end, t, t + j))
                best = j;
    }
    return best;
}

static void draw_word(struct prop *g, const char *const *units, size_t unit_n, size_t max,
                      char *out)
{
    *out = '\0';
    for (size_t n = prop_below(g, (uint32_t)max + 1); n > 0; n--) {
        const char *unit = units[prop_below(g, (uint32_t)unit_n)];
        memcpy(out + strlen(out), unit, strlen(unit) + 1);
    }
}

static bool glob_is_as_the_naive_one(struct prop *g)
{
    static const char *const in_pattern[] = {"a", "*", "?", "b", "*", "\xc3\xa9", "/"};
    static const char *const in_text[] = {"a",    "b",    "\xc3\xa9", "\xe2\x82\xac",
                                          "\xc3", "\x82", "/",        "*"};
    char pattern[64], text[64];
    size_t far;
    bool matched, expected;

    draw_word(g, in_pattern, COUNTOF(in_pattern), 9, pattern);
    draw_word(g, in_text, COUNTOF(in_text), 12, text);
    expected = naive_glob(pattern, pattern + strlen(pattern), text, text + strlen(text));
    matched = policy_glob(str_c(pattern), str_c(text), false, &far);
    prop_note(g, "pattern \"%s\" text \"%s\": matched %d, expected %d; agreed %zu, expected %zu",
              pattern, text, matched, expected, far, naive_agreed(pattern, text));
    return matched == expected && far == naive_agreed(pattern, text);
}

static void property_glob_is_as_the_naive_one(void **state)
{
    (void)state;
    assert_true(prop_holds("glob is as the naive one", glob_is_as_the_naive_one, 20000));
}

static struct str lowered(const char *s, char *out)
{
    for (size_t i = 0; i <= strlen(s); i++)
        out[i] = s[i] == 'A' || s[i] == 'B' ? (char)(s[i] + 32) : s[i];
    return str_c(out);
}

static bool ignoring_case_is_matching_in_lower_case(struct prop *g)
{
    char pattern[16], text[16], low[2][16];
    bool folded, expected;

    prop_text(g, "a*A?bB:@`", 8, pattern);
    prop_text(g, "aAbB:@`", 10, text);
    folded = policy_glob(str_c(pattern), str_c(text), true, NULL);
    expected = policy_glob(lowered(pattern, low[0]), lowered(text, low[1]), false, NULL);
    prop_note(g, "pattern \"%s\" text \"%s\": %d, expected %d", pattern, text, folded, expected);
    return folded == expected;
}

static void property_ignoring_case_is_matching_in_lower_case(void **state)
{
    (void)state;
    assert_true(prop_holds("ignoring case is matching in lower case",
                           ignoring_case_is_matching_in_lower_case, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_wildcards_matches_itself_alone),
        cmocka_unit_test(a_star_is_any_run_and_none),
        cmocka_unit_test(trap_12_a_question_mark_is_exactly_one_character),
        cmocka_unit_test(a_character_is_a_whole_utf8_sequence),
        cmocka_unit_test(a_malformed_byte_is_one_character),
        cmocka_unit_test(metacharacters_of_regular_expressions_are_literal),
        cmocka_unit_test(escapes_of_urls_are_not_decoded),
        cmocka_unit_test(letter_case_is_ignored_on_request_and_in_ascii_only),
        cmocka_unit_test(a_pattern_that_cannot_be_compiled_matches_nothing),
        cmocka_unit_test(a_pattern_as_long_as_allowed_uses_every_bit),
        cmocka_unit_test(hostile_patterns_take_linear_time),
        cmocka_unit_test(agreed_says_how_far_a_pattern_came),
        cmocka_unit_test(property_glob_is_as_the_naive_one),
        cmocka_unit_test(property_ignoring_case_is_matching_in_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
