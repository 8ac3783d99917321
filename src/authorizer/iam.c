/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS_IAM: methods that want a request signed with an AWS secret key (Signature Version 4). The
 * signatures cannot be checked here, so nobody gets through. */
#include "authorizer_int.h"

static enum err compile(struct arena *a, const struct json *spec, const struct authorizer_env *env,
                        void **conf, struct errinfo *e)
{
    (void)a;
    (void)spec;
    (void)env;
    (void)e;
    *conf = NULL;
    return ERR_OK;
}

static bool decide(const void *conf, struct auth_call *c)
{
    (void)conf;
    decision_note(c->record, "authorize", VERDICT_DENY, "AWS_IAM",
                  STR("signatures of AWS keys cannot be checked here; every request is refused"));
    c->verdict = AUTH_UNSIGNED;
    return true;
}

static struct str token(const void *conf, const struct auth_call *c)
{
    (void)conf;
    (void)c;
    return STR_NONE;
}

static bool reads_header(const void *conf, struct str name)
{
    (void)conf;
    return str_ieq(name, STR("Authorization"));
}

const struct authorizer_kind authorizer__iam = {
    .compile = compile,
    .decide = decide,
    .token = token,
    .reads_header = reads_header,
};
