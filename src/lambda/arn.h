/* SPDX-License-Identifier: Apache-2.0
 *
 * How documents name functions: by ARN, and inside the URI that API Gateway invokes. */
#ifndef ROPELINE_LAMBDA_ARN_H
#define ROPELINE_LAMBDA_ARN_H

#include "base/str.h"

/* The function ARN in arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations,
 * borrowed from `uri`; STR_NONE when it is not of that form. */
struct str arn_of_uri(struct str uri);

/* arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER], borrowed from it. */
struct arn_parts {
    struct str base;      /* without the qualifier */
    struct str name;      /* of the function */
    struct str qualifier; /* "" = none */
};
bool arn_parse(struct str arn, struct arn_parts *out);

#endif
