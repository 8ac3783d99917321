/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files that judge a model and freeze it. */
#ifndef ROPELINE_GATEWAY_FREEZE_INT_H
#define ROPELINE_GATEWAY_FREEZE_INT_H

#include "gateway_int.h"

struct freezer {
    struct gateway *gateway; /* NULL: judged only */
    const struct model *model;
    struct snapshot *snapshot;
    void (*problem)(void *arg, const struct model_place *at, const char *text);
    void *arg;
    size_t problems;
    bool nomem;
};
/* A problem at `at`, or where `e` was placed. */
void freeze__report(struct freezer *f, const struct model_place *at, const struct errinfo *e);

/* Ends in one place: `err` of a step with what it said in `e`. True when there was a problem. */
bool freeze__failed(struct freezer *f, const struct model_place *at, enum err err,
                    struct errinfo *e);

/* functions.c: each function of the model with its versions and aliases. */
void functions__freeze(struct freezer *f);
/* What an ARN names, for compilers of authorizers and integrations; NULL: nothing here. */
struct function *functions__find(void *freezer, struct str arn);

/* usage_freeze.c: keys, plans and throttles, when all APIs are frozen. */
void usage__freeze(struct freezer *f);
void usage__thaw(struct snapshot *s); /* lets go of its buckets */

#endif
