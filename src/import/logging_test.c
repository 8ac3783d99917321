/* SPDX-License-Identifier: Apache-2.0
 *
 * LoggingConfig as AWS takes it, and groups that say how long they keep what. */
#include "sam_test.h"

#define CONFIG(config) "Resources:\n" FUNCTION("F", "      LoggingConfig: " config "\n")

static struct function_logging of_first(const struct loaded *l)
{
    return l->model.functions->spec.logging;
}

static void what_is_not_said_is_the_default(void **state)
{
    (void)state;
    struct loaded l = accepted("Resources:\n" FUNCTION("F", ""));
    struct function_logging f = of_first(&l);
    assert_false(f.json);
    assert_int_equal(f.group.n, 0);
    assert_int_equal(f.application_level | f.system_level | f.retention_days, 0);
    unload(&l);
}

static void format_levels_and_group_are_read(void **state)
{
    (void)state;
    struct loaded l = accepted(CONFIG("{LogFormat: JSON, ApplicationLogLevel: FATAL, "
                                      "SystemLogLevel: DEBUG, LogGroup: /a-b_c/d.e#f}"));
    struct function_logging f = of_first(&l);
    assert_true(f.json);
    assert_int_equal(f.application_level, DETAIL_FATAL);
    assert_int_equal(f.system_level, DETAIL_DEBUG);
    assert_str(f.group, "/a-b_c/d.e#f");
    unload(&l);
    l = accepted(CONFIG("{LogFormat: Text}"));
    assert_false(of_first(&l).json);
    unload(&l);
    l = accepted("Globals: {Function: {LoggingConfig: {LogFormat: JSON}}}\nResources:\n" FUNCTION(
        "F", "      LoggingConfig: {ApplicationLogLevel: WARN}\n"));
    assert_true(of_first(&l).json);
    assert_int_equal(of_first(&l).application_level, DETAIL_WARN);
    unload(&l);
}

static void what_aws_refuses_is_refused(void **state)
{
    static const char *const bad[][2] = {
        {CONFIG("{LogFormat: json}"), "LogFormat is Text or JSON"},
        {CONFIG("{SystemLogLevel: INFO}"), "SystemLogLevel needs LogFormat: JSON"},
        {CONFIG("{LogFormat: Text, ApplicationLogLevel: INFO}"), "needs LogFormat: JSON"},
        {CONFIG("{LogFormat: JSON, SystemLogLevel: ERROR}"), "DEBUG, INFO or WARN"},
        {CONFIG("{LogFormat: JSON, ApplicationLogLevel: info}"), "TRACE, DEBUG, INFO"},
        {CONFIG("{LogGroup: ''}"), "1 to 512"},
        {CONFIG("{LogGroup: aws/x}"), "1 to 512"},
        {CONFIG("{LogGroup: 'a:b'}"), "1 to 512"},
        {CONFIG("[JSON]"), "LoggingConfig must be an object"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++)
        refuses(bad[i][0], 8, bad[i][1]);
}

static void a_group_gives_its_days_to_who_logs_into_it(void **state)
{
    (void)state;
    struct loaded l = accepted(
        "Resources:\n" FUNCTION("F", "")
            FUNCTION("G", "      LoggingConfig: {LogGroup: !Ref Shared}\n")
                FUNCTION("H", "") "  Own:\n    Type: AWS::Logs::LogGroup\n    Properties: "
                                  "{LogGroupName: !Sub '/aws/lambda/${F}', RetentionInDays: 7}\n"
                                  "  Shared:\n    Type: AWS::Logs::LogGroup\n    Properties: "
                                  "{RetentionInDays: 30}\n");
    const struct model_function *f = l.model.functions;
    assert_int_equal(f->spec.logging.retention_days, 7);
    assert_int_equal(f->next->spec.logging.retention_days, 30);
    assert_str(f->next->spec.logging.group, "Shared");
    assert_int_equal(f->next->next->spec.logging.retention_days, 0);
    unload(&l);
    refuses("Resources:\n" FUNCTION("F", "") "  L:\n    Type: AWS::Logs::LogGroup\n    Properties: "
                                             "{RetentionInDays: 0}\n",
            10, "RetentionInDays must be a whole number from 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_is_the_default),
        cmocka_unit_test(format_levels_and_group_are_read),
        cmocka_unit_test(what_aws_refuses_is_refused),
        cmocka_unit_test(a_group_gives_its_days_to_who_logs_into_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
