/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents in, the gateway's model out: SAM templates, raw CloudFormation, and OpenAPI 2/3 with
 * API Gateway's extensions. What is unsupported or cannot be resolved and decides
 * access is an error; everything else that is not served here is a note; nothing is skipped
 * silently. Used by dev, serve and check. */
#ifndef ROPELINE_IMPORT_IMPORT_H
#define ROPELINE_IMPORT_IMPORT_H

#include "gateway/model.h"

struct import_parameter { /* --param K=V */
    struct str name, value;
};
struct import_function {                    /* --function NAME-or-ARN=DIR:HANDLER */
    struct str name, dir, handler, runtime; /* runtime "" = as its files tell */
};
struct import_options {
    struct str region, account;
    const struct import_parameter *parameters;
    size_t parameter_count;
    const struct import_function *functions;
    size_t function_count;
    bool require_code; /* dev and serve: missing code is an error; check: a note */
    /* What ropeline.yaml says for the one API of the document, instead of what stands there. */
    struct str id, stage;         /* "" = as the document says */
    const struct json *variables; /* stage variables: an object of scalars, or NULL */
};

enum import_severity { IMPORT_NOTE, IMPORT_WARNING, IMPORT_ERROR };
/* file:line:col: text. What, and what to write instead. */
struct import_finding {
    enum import_severity severity;
    const char *file;
    unsigned line, col;
    struct str text;
    struct import_finding *next;
};
struct import_report {
    struct arena *arena;
    struct import_finding *first, *last;
    size_t errors, warnings, notes;
};

void import_note(struct import_report *r, enum import_severity s, const char *file, unsigned line,
                 unsigned col, const char *fmt, ...) PRINTF(6, 7);

/* Reads `file` (its text is given; only the local files that it names as DefinitionUri or
 * AWS::Include are opened here) and adds its APIs and functions to `model`. `file` must outlive the
 * model. ERR_INVALID when the report has errors (the model is then unusable), ERR_SYNTAX,
 * ERR_NOMEM. Relative CodeUri and DefinitionUri are taken relative to the file's directory. */
enum err import_document(const struct import_options *o, const char *file, struct str text,
                         struct model *model, struct import_report *report) MUSTCHECK;

#endif
