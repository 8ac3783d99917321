/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the flags (config.c) and ropeline.yaml (config_file.c). */
#ifndef ROPELINE_MAIN_CONFIG_INT_H
#define ROPELINE_MAIN_CONFIG_INT_H

#include "config.h"

/* What ropeline.yaml says goes into `c`; `workers` stays text, so that file and flag are judged in
 * one place. 0, or 1 after it said on stderr what is wrong. */
int config__read_file(const char *file, struct config *c, const char **workers);

/* config_functions.c. Of a key below `limits`: false when it is none of its own; `why` says what is
 * wrong with the value, "" = nothing. Flags: 0, or 2 after saying so on stderr. */
void config__functions_default(struct config *c);
bool config__functions_key(struct config *c, struct str key, const struct json *v, char why[96]);
int config__functions_flags(const struct options *o, struct config *c);

/* config_cage.c. False: it is none. */
bool config__isolation(struct str text, enum child_level *out);
bool config__uids(struct str text, struct cage_options *out);
/* The flags, over what the file said; an exit code, after it said on stderr what is wrong. */
int config__take_cage(const struct options *o, struct config *c);

#endif
