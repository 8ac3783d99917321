/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions: what each operator says of a value, of several, and of none; and what is refused. In
 * the tables '|' parts the values of one key. */
#include "policy_test.h"

#include "lib/fault.h"

#define MET(op, wanted)                                                                   \
    "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':'*','Resource':'*','" \
    "Condition':"                                                                         \
    "{'" op "':{'aws:Key':" wanted "}}}}"

/* One key, aws:key, and aws:other. */
struct served {
    struct str values[8];
    size_t n;
    struct str other;
    int asked;
};

static size_t serve(void *arg, struct str key, const struct str **values)
{
    struct served *s = arg;

    s->asked++;
    if (str_ieq(key, STR("aws:KEY"))) {
        *values = s->values;
        return s->n;
    }
    *values = &s->other;
    return str_ieq(key, STR("aws:other")) && s->other.p ? 1 : 0;
}

static struct served with(const char *values)
{
    struct served s = {.n = 0};
    struct str rest = str_c(values);

    while (rest.p)
        s.values[s.n++] = str_cut(rest, '|', &rest);
    return s;
}

static enum decision decide(const char *text, struct served *s, struct policy_trace *trace)
{
    struct policy *p = compiled(text);
    struct policy_context context = {serve, s};
    struct policy_request rq = {
        .action = STR("x:y"), .resource = STR(METHOD_ARN("GET/a")), .context = &context};
    enum decision d = policy_evaluate(p, &rq, NULL);
    struct policy_trace t;

    assert_int_equal(policy_evaluate(p, &rq, trace ? trace : &t), d);
    policy_free(p);
    return d;
}

/* Does `op` with `wanted` (JSON, ' for ") hold for the values (NULL: the key is missing)? */
static bool holds(const char *op, const char *wanted, const char *values)
{
    char text[1024];
    struct served s = with(values);

    (void)snprintf(text, sizeof text, MET("%s", "%s"), op, wanted);
    return decide(text, &s, NULL) == DECISION_ALLOW;
}

struct row {
    const char *op, *wanted, *values;
    bool holds;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (holds(rows[i].op, rows[i].wanted, rows[i].values) != rows[i].holds)
            fail_msg("%s %s on %s %s hold", rows[i].op, rows[i].wanted,
                     rows[i].values ? rows[i].values : "(missing)",
                     rows[i].holds ? "must" : "must not");
}
#define ASSERT_ROWS(rows) assert_rows((rows), COUNTOF(rows))

static void strings(void **state)
{
    static const struct row rows[] = {
        {"StringEquals", "'a'", "a", true},
        {"StringEquals", "'a'", "A", false},
        {"StringEquals", "'a'", "ab", false},
        {"StringEquals", "'ab'", "a", false},
        {"StringEquals", "''", "", true},
        {"StringEquals", "'a*'", "ab", false}, /* no wildcard here */
        {"StringEquals", "'a*'", "a*", true},
        {"StringEquals", "'a${*}'", "a*", true},
        {"StringEquals", "'${$}{x}'", "${x}", true},
        {"StringEquals", "['x','a']", "a", true},
        {"StringEquals", "['x','y']", "a", false},
        {"StringEquals", "true", "true", true},
        {"StringEquals", "7", "7", true},
        {"StringEquals", "1.5", "1.5", true},
        {"StringNotEquals", "'a'", "a", false},
        {"StringNotEquals", "'a'", "b", true},
        {"StringNotEquals", "['b','a']", "a", false}, /* NOR */
        {"StringEqualsIgnoreCase", "'aBc'", "AbC", true},
        {"StringEqualsIgnoreCase", "'aBc'", "AbD", false},
        {"StringNotEqualsIgnoreCase", "'aBc'", "AbC", false},
        {"StringNotEqualsIgnoreCase", "'aBc'", "x", true},
        {"StringLike", "'a*c'", "a/b:c", true},
        {"StringLike", "'a?c'",
         "a\xc3\xa9"
         "c",
         true},
        {"StringLike", "'a?c'", "ac", false},
        {"StringLike", "'a*C'", "abc", false},
        {"StringLike", "'a${*}c'", "abc", false},
        {"StringLike", "'a${*}c*'", "a*cd", true},
        {"StringNotLike", "'a*'", "abc", false},
        {"StringNotLike", "['b*','c*']", "abc", true},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void numbers(void **state)
{
    static const struct row rows[] = {
        {"NumericEquals", "'10'", "10.0", true},
        {"NumericEquals", "10", "1e1", true},
        {"NumericEquals", "'0'", "-0", true},
        {"NumericEquals", "'9007199254740993'", "9007199254740992", false}, /* more than a double */
        {"NumericNotEquals", "'10'", "11", true},
        {"NumericNotEquals", "'10'", "10", false},
        {"NumericNotEquals", "'10'", "ten", true}, /* NOR: nothing equals it */
        {"NumericLessThan", "'10'", "9.99", true},
        {"NumericLessThan", "'10'", "10", false},
        {"NumericLessThan", "'-1'", "-2", true},
        {"NumericLessThan", "'1'", "-2", true},
        {"NumericLessThanEquals", "'10'", "10", true},
        {"NumericLessThanEquals", "'10'", "10.000001", false},
        {"NumericGreaterThan", "'10'", "10.5", true},
        {"NumericGreaterThan", "'10'", "10", false},
        {"NumericGreaterThanEquals", "'10'", "10", true},
        {"NumericGreaterThanEquals", "'10'", "9", false},
        {"NumericGreaterThan", "'1'", "x", false},
        {"NumericEquals", "'1'", "", false},
        {"NumericEquals", "'1'", " 1", false},
        {"NumericEquals", "'1'", "0x1", false},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void dates(void **state)
{
    static const struct row rows[] = {
        {"DateEquals", "'2026-11-22T07:00:00Z'", "2026-11-22T07:00:00Z", true},
        {"DateEquals", "'2026-11-22T07:00:00Z'", "2026-11-22T08:00:00+01:00", true},
        {"DateEquals", "'2026-11-22T07:00:00Z'", "1795330800", true},
        {"DateEquals", "1795330800", "2026-11-22T07:00:00.000Z", true},
        {"DateEquals", "'2026'", "2026-01-01T00:00Z", true}, /* a year, not 1970 */
        {"DateNotEquals", "'2026-11-22'", "2026-11-22T00:00:00Z", false},
        {"DateNotEquals", "'2026-11-22'", "2026-11-22T00:00:00.1Z", true},
        {"DateLessThan", "'2026-12-01'", "2026-11-30T23:59:59Z", true},
        {"DateLessThan", "'2026-12-01'", "2026-12-01T00:00:00Z", false},
        {"DateLessThanEquals", "'2026-12-01'", "2026-12-01T00:00:00Z", true},
        {"DateGreaterThan", "'2026-12-01'", "2026-12-01T00:00:00.000000001Z", true},
        {"DateGreaterThan", "'2026-12-01'", "yesterday", false},
        {"DateGreaterThanEquals", "'2026-12-01'", "2026-12-01T00:00:00Z", true},
        {"DateGreaterThanEquals", "'2026-12-01'", "2026-11-30T23:59:59.999Z", false},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void flags_and_bytes(void **state)
{
    static const struct row rows[] = {
        {"Bool", "'true'", "true", true},
        {"Bool", "true", "true", true},
        {"Bool", "'False'", "false", true},
        {"Bool", "'true'", "True", true},
        {"Bool", "'true'", "false", false},
        {"Bool", "'false'", "no", false},
        {"Bool", "'true'", "1", false},
        {"BinaryEquals", "'AQI='", "AQI=", true},
        {"BinaryEquals", "'AQI='", "AQM=", false},
        {"BinaryEquals", "'AQI='", "AQI", false},
        {"BinaryEquals", "['AQM=','AQI=']", "AQI=", true},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void addresses(void **state)
{
    static const struct row rows[] = {
        {"IpAddress", "'10.0.0.0/8'", "10.255.1.2", true},
        {"IpAddress", "'10.0.0.0/8'", "11.0.0.1", false},
        {"IpAddress", "'10.1.2.3/8'", "10.9.9.9", true}, /* bits of the host do not count */
        {"IpAddress", "'10.0.0.1'", "10.0.0.1", true},
        {"IpAddress", "'10.0.0.1'", "10.0.0.2", false},
        {"IpAddress", "'10.0.0.1/32'", "10.0.0.1", true},
        {"IpAddress", "'0.0.0.0/0'", "255.255.255.255", true},
        {"IpAddress", "'0.0.0.0/0'", "::1", false},
        {"IpAddress", "'::/0'", "::1", true},
        {"IpAddress", "'::/0'", "10.0.0.1", false},
        {"IpAddress", "'2001:db8::/32'", "2001:db8:1::1", true},
        {"IpAddress", "'2001:db8::/32'", "2001:db9::1", false},
        {"IpAddress", "'2001:db8::/33'", "2001:db8:8000::1", false},
        {"IpAddress", "'2001:db8::1'", "2001:DB8:0:0::1", true},
        {"IpAddress", "'10.0.0.0/8'", "::ffff:10.0.0.1", true},
        {"IpAddress", "'::ffff:10.0.0.0/104'", "10.0.0.1", true},
        {"IpAddress", "'::ffff:10.0.0.0/104'", "::ffff:11.0.0.1", false},
        {"IpAddress", "['192.0.2.0/24','10.0.0.0/8']", "10.0.0.1", true},
        {"NotIpAddress", "['192.0.2.0/24','10.0.0.0/8']", "10.0.0.1", false},
        {"NotIpAddress", "['192.0.2.0/24','10.0.0.0/8']", "203.0.113.9", true},
        {"NotIpAddress", "'10.0.0.0/8'", "::ffff:10.0.0.1", false},
        /* what is no address is neither in a network nor outside */
        {"NotIpAddress", "'10.0.0.0/8'", "garbage", false},
        {"NotIpAddress", "'10.0.0.0/8'", "", false},
        {"NotIpAddress", "'10.0.0.0/8'", "010.0.0.1", false},
        {"NotIpAddress", "'10.0.0.0/8'", "1.2.3.4, 5.6.7.8", false},
        {"NotIpAddress", "'10.0.0.0/8'", "fe80::1%eth0", false},
        {"NotIpAddress", "'10.0.0.0/8'", "1.2.3.4/32", false},
        {"NotIpAddress", "'10.0.0.0/8'", "1.2.3", false},
        {"IpAddress", "'10.0.0.0/8'", "10.1", false},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void arns(void **state)
{
    static const struct row rows[] = {
        {"ArnEquals", "'arn:aws:iam::1:user/a'", "arn:aws:iam::1:user/a", true},
        {"ArnLike", "'arn:aws:iam::*:user/*'", "arn:aws:iam::1:user/a/b:c", true},
        {"ArnEquals", "'arn:aws:iam::*:user/?'", "arn:aws:iam::1:user/a", true}, /* as ArnLike */
        {"ArnLike", "'arn:aws:iam::*:user/?'", "arn:aws:iam::1:user/ab", false},
        {"ArnLike", "'arn:*:iam::1:user/a'", "arn:aws:iam:x:1:user/a", false}, /* stays inside */
        {"ArnLike", "'arn:aws:*::1:*'", "arn:aws:iam::1:", true},
        {"ArnLike", "'*:*:*:*:*:*'", "arn:aws:iam::1", false}, /* no ARN */
        {"ArnLike", "'arn:aws:iam::1:user/a'", "arn:aws:iam::1:user/A", false},
        {"ArnNotEquals", "'arn:aws:iam::1:user/a'", "arn:aws:iam::1:user/a", false},
        {"ArnNotLike", "'arn:aws:iam::1:user/*'", "arn:aws:iam::2:user/a", true},
        {"ArnNotLike", "'arn:aws:iam::1:user/*'", "nonsense", true},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void missing_keys(void **state)
{
    static const struct row rows[] = {
        {"StringEquals", "'a'", NULL, false},
        {"StringNotEquals", "'a'", NULL, true},
        {"StringEqualsIfExists", "'a'", NULL, true},
        {"StringEqualsIfExists", "'a'", "b", false},
        {"StringNotEqualsIfExists", "'a'", NULL, true},
        {"StringNotEqualsIfExists", "'a'", "a", false},
        {"NotIpAddress", "'10.0.0.0/8'", NULL, true},
        {"IpAddressIfExists", "'10.0.0.0/8'", NULL, true},
        {"NumericLessThan", "'1'", NULL, false},
        {"DateGreaterThanIfExists", "'2026'", NULL, true},
        {"Bool", "'false'", NULL, false},
        {"BoolIfExists", "'false'", NULL, true},
        {"ArnNotLike", "'a:b:c:d:e:f'", NULL, true},
        {"BinaryEquals", "''", NULL, false},
        {"Null", "'true'", NULL, true},
        {"Null", "true", NULL, true},
        {"Null", "'false'", NULL, false},
        {"Null", "'true'", "a", false},
        {"Null", "'false'", "", true},
        {"Null", "['true','false']", "a", true},
        {"Null", "['true','false']", NULL, true},
        {"ForAllValues:StringEquals", "'a'", NULL, true}, /* as on AWS: mind it */
        {"ForAllValues:StringNotEquals", "'a'", NULL, true},
        {"ForAnyValue:StringEquals", "'a'", NULL, false},
        {"ForAnyValue:StringNotEquals", "'a'", NULL, false},
        {"ForAnyValue:StringEqualsIfExists", "'a'", NULL, true},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void several_values(void **state)
{
    static const struct row rows[] = {
        {"ForAnyValue:StringEquals", "'a'", "b|a", true},
        {"ForAnyValue:StringEquals", "['a','c']", "b|c", true},
        {"ForAnyValue:StringEquals", "'a'", "b|c", false},
        {"ForAnyValue:StringNotEquals", "'a'", "a|b", true},
        {"ForAnyValue:StringNotEquals", "'a'", "a|a", false},
        {"ForAllValues:StringEquals", "['a','b']", "a|b|a", true},
        {"ForAllValues:StringEquals", "['a','b']", "a|c", false},
        {"ForAllValues:StringLike", "'a*'", "a|ab", true},
        {"ForAllValues:StringNotEquals", "['a','b']", "c|d", true},
        {"ForAllValues:StringNotEquals", "['a','b']", "c|b", false},
        {"ForAnyValue:NotIpAddress", "'10.0.0.0/8'", "10.0.0.1|x", false},
        {"ForAllValues:NotIpAddress", "'10.0.0.0/8'", "1.1.1.1|x", false},
        {"ForAnyValue:StringEquals", "'a'", "a", true},
        {"ForAllValues:StringEquals", "'a'", "a", true},
        /* without a prefix nobody says which of several counts */
        {"StringEquals", "'a'", "a|a", false},
        {"StringNotEquals", "'a'", "b|c", false},
        {"StringEqualsIfExists", "'a'", "a|a", false},
    };

    (void)state;
    ASSERT_ROWS(rows);
}

static void all_operators_and_keys_must_hold(void **state)
{
    static const char text[] =
        "{'Statement':{'Effect':'Deny','Action':'*','Resource':'*','Condition':{'StringEquals':{"
        "'AWS:KEY':'a','aws:other':'b'},'Null':{'aws:none':'true'}}}}";
    struct served s = with("a");

    (void)state;
    assert_int_equal(decide(text, &s, NULL), DECISION_IMPLICIT_DENY);
    s.other = STR("b");
    assert_int_equal(decide(text, &s, NULL), DECISION_EXPLICIT_DENY);
    s.other = STR("c");
    assert_int_equal(decide(text, &s, NULL), DECISION_IMPLICIT_DENY);
}

static void keys_are_asked_for_only_when_a_statement_comes_to_them(void **state)
{
    struct served s = with("a");
    struct policy_context context = {serve, &s};
    struct policy_request rq = {
        .action = STR("x:y"), .resource = STR("other"), .context = &context};
    struct policy *p = compiled(
        POLICY("{'Effect':'Deny','Action':'*','Resource':'r','Condition':{'StringEquals':{'k':'a'}}"
               "},{'Effect':'Deny','Action':'z:*','Resource':'*','Condition':{'StringEquals':{'k':"
               "'a'}}}"));

    (void)state;
    assert_int_equal(policy_evaluate(p, &rq, NULL), DECISION_IMPLICIT_DENY);
    assert_int_equal(s.asked, 0);
    rq.context = NULL;
    rq.resource = STR("r");
    assert_int_equal(policy_evaluate(p, &rq, NULL), DECISION_IMPLICIT_DENY);
    policy_free(p);
}

static void variables_in_values(void **state)
{
    static const struct {
        const char *op, *wanted, *values, *other;
        bool holds;
    } rows[] = {
        {"StringEquals", "'${aws:other}'", "x", "x", true},
        {"StringEquals", "'a-${AWS:Other}-b'", "a-x-b", "x", true},
        {"StringEquals", "'a-${aws:other}-b'", "a-x-c", "x", false},
        {"StringEqualsIgnoreCase", "'A${aws:other}'", "aX", "x", true},
        {"StringLike", "'${aws:other}/*'", "x/y", "x", true},
        {"StringLike", "'${aws:other}'", "xyz", "x*", false}, /* what a value brings is literal */
        {"StringLike", "'${aws:other}'", "x*", "x*", true},
        {"StringLike", "'${aws:other}?'", "a?", "a", true},
        {"StringEquals", "'${aws:other}'", "${aws:key}", "${aws:key}",
         true}, /* and not read again */
        {"ArnLike", "'arn:aws:iam::1:user/${aws:other}'", "arn:aws:iam::1:user/x", "x", true},
        {"ArnLike", "'arn:aws:iam::1:user/${aws:other}'", "arn:aws:iam::1:user/xy", "*", false},
        {"ArnLike", "'arn:aws:iam::${aws:other}'", "arn:aws:iam::1:user/x", "1:user/x", true},
        {"ArnEquals", "'${aws:other}'", "arn:aws:iam::1:x", "arn:aws:iam::1:x", true},
        {"ArnEquals", "'${aws:other}'", "arn:aws:iam::1:x", "arn", false},
        {"ArnNotEquals", "'${aws:other}'", "arn:aws:iam::1:x", "arn", true},
        {"StringEquals", "'${aws:none}'", "", NULL, false},
        {"StringNotEquals", "'${aws:none}'", "", NULL, true},
        {"StringEquals", "'${aws:none, 'd'}'", "d", NULL, true},
        {"StringEquals", "'${aws:other, 'd'}'", "d", "x", false},
        {"StringLike", "'${aws:none, '*'}'", "x", NULL, false},
        {"StringLike", "'${aws:none,'a}b'}'", "a}b", NULL, true},
        {"StringEquals", "'${aws:other}'", "x", "x\xff", false}, /* no text */
        {"StringNotEquals", "'${aws:other}'", "x", "x\xff", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct made m;
        make(&m, rows[i].op, str_of(rows[i].wanted + 1, strlen(rows[i].wanted) - 2));
        struct served s = with(rows[i].values);
        struct policy_context context = {serve, &s};
        struct policy_request rq = {
            .action = STR("x:y"), .resource = STR("r"), .context = &context};
        struct policy *p = NULL;

        s.other = rows[i].other ? str_c(rows[i].other) : STR_NONE;
        assert_int_equal(policy_compile(&m.document, &p, NULL), ERR_OK);
        if ((policy_evaluate(p, &rq, NULL) == DECISION_ALLOW) != rows[i].holds)
            fail_msg("row %zu: %s %s on %s", i, rows[i].op, rows[i].wanted, rows[i].values);
        policy_free(p);
    }
}

static void before_2012_a_variable_is_text(void **state)
{
    struct served s = with("${aws:other}");

    (void)state;
    assert_int_equal(decide("{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition'"
                            ":{'StringEquals':{'aws:key':'${aws:other}'}}}}",
                            &s, NULL),
                     DECISION_ALLOW);
    assert_int_equal(decide("{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition'"
                            ":{'StringLike':{'aws:key':'${aws*'}}}}",
                            &s, NULL),
                     DECISION_ALLOW);
}

static void what_cannot_be_judged_is_refused(void **state)
{
    static const struct {
        const char *op, *wanted, *words;
    } rows[] = {
        {"StringEqual", "'a'", "statement 1: unknown condition operator \"StringEqual\""},
        {"stringEquals", "'a'", "unknown condition operator"},
        {"StringEqualsIfExist", "'a'", "unknown condition operator"},
        {"IfExists", "'a'", "unknown condition operator"},
        {"ForAnyValues:StringEquals", "'a'", "unknown condition operator"},
        {"ForAnyValue:ForAllValues:StringEquals", "'a'", "unknown condition operator"},
        {"StringEqualsIfExistsIfExists", "'a'", "unknown condition operator"},
        {"NullIfExists", "'true'", "unknown condition operator"},
        {"ForAnyValue:Null", "'true'", "unknown condition operator"},
        {"", "'a'", "unknown condition operator"},
        {"StringEquals", "[]", "StringEquals: an empty list of values"},
        {"StringEquals", "null", "a value must be a string, a number or a boolean"},
        {"StringEquals", "{}", "a value must be a string, a number or a boolean"},
        {"StringEquals", "['a',['b']]", "a value must be a string, a number or a boolean"},
        {"StringEquals", "'${'", "StringEquals: \"${\" without \"}\""},
        {"StringLike", "'${}'", "StringLike: a malformed policy variable"},
        {"NumericEquals", "'ten'", "NumericEquals: \"ten\" is no number"},
        {"NumericEqualsIfExists", "''", "is no number"},
        {"NumericEquals", "true", "is no number"},
        {"DateEquals", "'2026-02-30'", "\"2026-02-30\" is neither an ISO 8601 date"},
        {"Bool", "'yes'", "is neither true nor false"},
        {"Null", "'1'", "is neither true nor false"},
        {"BinaryEquals", "'AQI'", "is not base64"},
        {"IpAddress", "'10.0.0.0/33'", "neither an IP address nor a CIDR block"},
        {"NotIpAddress", "['10.0.0.0/8','10.0.0']", "neither an IP address nor a CIDR block"},
        {"IpAddress", "'${aws:SourceIp}'", "neither an IP address nor a CIDR block"},
        {"ArnLike", "'*'", "\"*\" is no ARN of six parts"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        (void)snprintf(text, sizeof text, MET("%s", "%s"), rows[i].op, rows[i].wanted);
        assert_refused(text, ERR_INVALID, rows[i].words);
    }
    assert_refused("{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':{"
                   "'StringEquals':'a'}}}",
                   ERR_INVALID, "StringEquals must be an object of condition keys");
    assert_refused("{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':{"
                   "'StringEquals':{}}}}",
                   ERR_INVALID, "StringEquals must be an object of condition keys");
    assert_refused("{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':{"
                   "'StringEquals':{'':'a'}}}}",
                   ERR_INVALID, "no condition key");
}

static void a_value_must_be_utf8(void **state)
{
    struct made m;
    struct policy *p = NULL;
    struct errinfo e = {0};

    (void)state;
    make(&m, "StringLike", STR("a\xff"));
    assert_int_equal(policy_compile(&m.document, &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "StringLike: a value is not UTF-8"));
    make(&m, "StringLike", STR("a"));
    m.key[0].key = STR("k\xff");
    assert_int_equal(policy_compile(&m.document, &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "no condition key"));
}

static void a_value_of_512_bytes_is_the_longest(void **state)
{
    char text[2048], value[LIMIT_POLICY_VALUE + 2];

    (void)state;
    memset(value, 'a', sizeof value);
    value[LIMIT_POLICY_VALUE] = '\0';
    (void)snprintf(text, sizeof text, MET("StringLike", "'%s'"), value);
    struct served s = with(value);
    assert_int_equal(decide(text, &s, NULL), DECISION_ALLOW);
    value[LIMIT_POLICY_VALUE] = 'a';
    value[LIMIT_POLICY_VALUE + 1] = '\0';
    (void)snprintf(text, sizeof text, MET("StringLike", "'%s'"), value);
    assert_refused(text, ERR_INVALID, "StringLike: a value is longer than 512 bytes");
}

static void the_trace_tells_which_condition_failed(void **state)
{
    static const char text[] =
        "{'Statement':[{'Effect':'Allow','Action':'*','Resource':'*','Condition':{'Null':{'x':"
        "'true'},'NotIpAddress':{'aws:Key':['10.0.0.0/8','192.0.2.0/24']}}},{'Effect':'Allow',"
        "'Action':'*','Resource':'*','Condition':{'StringEquals':{'aws:Other':'a'}}}]}";
    struct policy *p = compiled(text);
    struct served s = with("10.1.2.3");
    struct policy_context context = {serve, &s};
    struct policy_request rq = {.action = STR("x:y"), .resource = STR("r"), .context = &context};
    struct policy_trace t;

    (void)state;
    assert_int_equal(policy_evaluate(p, &rq, &t), DECISION_IMPLICIT_DENY);
    assert_true(t.row[0].action_matched && t.row[0].resource_matched &&
                !t.row[0].condition_matched);
    assert_true(t.row[0].principal_matched);
    assert_true(str_eqz(t.row[0].condition.op, "NotIpAddress"));
    assert_true(str_eqz(t.row[0].condition.key, "aws:Key"));
    assert_true(str_eqz(t.row[0].condition.wanted, "10.0.0.0/8"));
    assert_int_equal(t.row[0].condition.wanted_n, 2);
    assert_true(str_eqz(t.row[0].condition.value, "10.1.2.3"));
    assert_false(t.row[0].condition.missing);
    assert_true(t.row[1].condition.missing);
    assert_int_equal(t.row[1].condition.value.n, 0);
    policy_free(p);
}

static enum err compile_and_free(void *document)
{
    struct policy *p = NULL;
    enum err err = policy_compile(document, &p, NULL);

    assert_int_equal(!p, err != ERR_OK);
    policy_free(p);
    return err;
}

static void running_out_of_memory_is_an_error(void **state)
{
    struct arena *a = arena_new(KIB(16), MIB(1));
    const struct json *parsed;

    (void)state;
    assert_non_null(a);
    assert_int_equal(json_parse(a,
                                STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":"
                                    "\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{"
                                    "\"StringLike\":{\"k\":[\"${a}*\",\"b*${*}\",\"c*\"]}}}}"),
                                KIB(4), &parsed, NULL),
                     ERR_OK);
    struct json document = *parsed;
    fault_each(compile_and_free, &document);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(dates),
        cmocka_unit_test(flags_and_bytes),
        cmocka_unit_test(addresses),
        cmocka_unit_test(arns),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(several_values),
        cmocka_unit_test(all_operators_and_keys_must_hold),
        cmocka_unit_test(keys_are_asked_for_only_when_a_statement_comes_to_them),
        cmocka_unit_test(variables_in_values),
        cmocka_unit_test(before_2012_a_variable_is_text),
        cmocka_unit_test(what_cannot_be_judged_is_refused),
        cmocka_unit_test(a_value_must_be_utf8),
        cmocka_unit_test(a_value_of_512_bytes_is_the_longest),
        cmocka_unit_test(the_trace_tells_which_condition_failed),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
