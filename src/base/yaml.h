/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML (and, as it is a subset in practice, JSON templates) to the tree of json.h with a line and
 * column on each node. YAML 1.2 core schema for plain scalars: null/true/false/numbers, everything
 * else a string; `yes`, `on` and dates stay strings. CloudFormation's short tags become their long
 * form: `!Ref X` {"Ref":"X"}, `!GetAtt A.B` {"Fn::GetAtt":["A","B"]}, `!Sub`, `!Join`, `!If`, ...
 * {"Fn::Sub": ...}, `!Condition X` {"Condition":"X"}. Any other tag is an error by name. Aliases
 * and merge keys (`<<`) work; a key that is a number or a word is taken as it was written. Caps:
 * bytes, depth, and the nodes that aliases expand to (LIMIT_YAML_NODES). */
#ifndef ROPELINE_BASE_YAML_H
#define ROPELINE_BASE_YAML_H

#include "base/json.h"

/* One document exactly. Duplicate keys are refused. ERR_SYNTAX, ERR_UNSUPPORTED (a tag), ERR_LIMIT,
 * ERR_NOMEM. JSON that is not YAML is read as JSON; its nodes then have no place. */
enum err yaml_parse(struct arena *a, struct str text, size_t max, const struct json **out,
                    struct errinfo *e) MUSTCHECK;

#endif
