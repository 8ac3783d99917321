/* SPDX-License-Identifier: Apache-2.0
 *
 * How documents name functions: by ARN, and inside the URI that API Gateway invokes. */
#ifndef ROPELINE_LAMBDA_ARN_H
#define ROPELINE_LAMBDA_ARN_H

#include "base/str.h"

/* The function ARN in arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations,
 * borrowed from `uri`; STR_NONE when it is not of that form. */
struct str arn_of_uri(struct str uri);
/* Whether `arn` names the function whose own ARN is `own`: equal, or with a version or alias. */
bool arn_names(struct str arn, struct str own);

#endif
