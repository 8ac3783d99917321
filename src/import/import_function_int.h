/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of a document while it is being read: where their code is, who calls them, what is
 * published of them. */
#ifndef ROPELINE_IMPORT_IMPORT_FUNCTION_INT_H
#define ROPELINE_IMPORT_IMPORT_FUNCTION_INT_H

#include "import_int.h"

/* A function of the template, or one that --function alone knows. */
struct declared {
    struct model_function *function;
    struct str logical; /* "" = from --function */
    const char *file;
    struct spot spot;
    const char *missing;   /* why its code is not here; NULL = it is */
    const char *unset_why; /* a variable of its environment could not be resolved */
    struct str unset;      /* its name; "" = none */
    struct spot unset_spot;
    const char *no_layer; /* why one of its layers is not here; NULL = all are */
    struct spot layer_spot;
    bool needed;       /* a route or an authorizer calls it */
    bool guards;       /* an authorizer calls it */
    bool overridden;   /* --function gives its code */
    bool by_uri;       /* called by a URI that a person wrote, so AWS wants a permission */
    bool permitted;    /* and has one */
    bool elsewhere;    /* of a document that was read before */
    struct str routed; /* the alias that SAM's events invoke; "" = none */
    struct model_alias *last_alias;
    struct declared *next;
};

/* --- functions (functions.c) ------------------------------------------------------------------ */
struct str import__function_arn(struct importer *im, struct str name);
/* The first --function that gives code to the function by any of its names: flags stand before the
 * file. */
const struct import_function *import__override(const struct importer *im, struct str arn,
                                               struct str name, struct str logical);
void import__know_functions(struct importer *im);
void import__declare_function(struct importer *im, const struct symbol *s);
/* The function that an ARN (or, with `is_uri`, the invocation URI around one) names; reports and
 * answers NULL when it is none we could run. *arn is as it was written, with version or alias. */
struct declared *import__find_function(struct importer *im, const struct import_api *api,
                                       const struct json *v, bool is_uri, const char *what,
                                       struct spot at, struct str *arn);
struct str import__invocation_uri(struct importer *im, struct str arn);
/* ${stageVariables.x} replaced; false and *missing when one has no value. */
bool import__stage_variables(struct importer *im, const struct import_api *api, struct str text,
                             struct str *out, struct str *missing);
void import__judge_functions(struct importer *im);

/* function_code.c: where the code is, or why it is not here. */
void import__set_code(struct importer *im, struct declared *d, const struct json *properties);
void import__set_dir(struct importer *im, struct declared *d, struct str dir);

/* layers.c */
void import__read_layers(struct importer *im, struct declared *d, const struct json *v);
/* logging.c: LoggingConfig; then RetentionInDays of every AWS::Logs::LogGroup */
void import__read_log_groups(struct importer *im);
void import__read_logging(struct importer *im, struct declared *d, const struct json *v);
void import__judge_layers(struct importer *im, const struct declared *d);

/* versions.c: what SAM's AutoPublishAlias and its settings make of a function; then every
 * AWS::Lambda::Version and Alias. */
void import__publish(struct importer *im, struct declared *d, const struct json *properties,
                     bool serverless);
void import__read_versions(struct importer *im);
/* Whether the function has what the qualifier names, as far as this document says. Reported. */
bool import__check_qualifier(struct importer *im, const struct declared *d, struct str qualifier,
                             const char *what, struct spot at);

#endif
