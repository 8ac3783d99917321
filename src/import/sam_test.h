/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces of SAM templates that tests are put together from. */
#ifndef ROPELINE_IMPORT_SAM_TEST_H
#define ROPELINE_IMPORT_SAM_TEST_H

#include "import_test.h"

/* The lines of a template: 1 is Resources. */
#define FUNCTION(name, more)                                                                  \
    "  " name ":\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: i.h\n" \
    "      Runtime: nodejs20.x\n      CodeUri: .\n" more
#define EVENT(name, path, verb, more) \
    "        " name ": {Type: Api, Properties: {Path: " path ", Method: " verb more "}}\n"
#define API(more) \
    "  Api:\n    Type: AWS::Serverless::Api\n    Properties:\n      StageName: prod\n" more
#define OF_API ", RestApiId: !Ref Api"
#define AUTH(more)                                                                           \
    "      Auth:\n        Authorizers:\n          Guide:\n            FunctionArn: !GetAtt " \
    "G.Arn\n" more
#define DEFAULT "        DefaultAuthorizer: Guide\n"
#define GUIDE FUNCTION("G", "")

#endif
