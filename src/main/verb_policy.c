/* SPDX-License-Identifier: Apache-2.0
 *
 * policy eval --jsonl: one request a line in, one verdict a line out, so that other programs can
 * compare themselves with us. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/policy.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"jsonl", 0, OPTION_FLAG, false, NULL, NULL,
     "lines {\"id\",\"policy\",\"request\":{\"methodArn\",\"action\"}}"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

static const char *judge(const struct json *line)
{
    const struct json *request = json_get(line, "request");
    struct policy_request rq = {0};
    struct policy *p = NULL;
    rq.action = json_str_or(json_get(request, "action"), STR("execute-api:Invoke"));
    if (!json_str(json_get(request, "methodArn"), &rq.resource) ||
        policy_compile(json_get(line, "policy"), &p, NULL) != ERR_OK)
        return "INVALID";
    const char *verdict = decision_name(policy_evaluate(p, &rq, NULL));
    policy_free(p);
    return verdict;
}

/* False when the line is no JSON object at all: then there is no id to answer with. */
static bool eval_line(struct arena *a, struct str text)
{
    const struct json *line = NULL;
    AUTO_BUF out = BUF_INIT(MIB(1));
    if (json_parse(a, text, MIB(1), &line, NULL) != ERR_OK || !json_is(line, JSON_OBJECT)) {
        puts("{\"id\":null,\"verdict\":\"INVALID\"}");
        return false;
    }
    const struct json *id = json_get(line, "id");
    buf_addz(&out, "{\"id\":");
    if (id)
        json_write(&out, id);
    else
        buf_addz(&out, "null");
    buf_addf(&out, ",\"verdict\":\"%s\"}", json_get(line, "policy") ? judge(line) : "INVALID");
    puts(buf_cstr(&out));
    return true;
}

static int eval_stdin(void)
{
    struct arena *a = arena_new(KIB(16), MIB(64));
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool good = a != NULL;
    while (a && (n = getline(&line, &room, stdin)) > 0) {
        arena_reset(a);
        if (line[n - 1] == '\n')
            n--;
        if (n > 0)
            good = eval_line(a, str_of(line, (size_t)n)) && good;
    }
    free(line); /* allowed: getline's own */
    arena_free(a);
    return good ? 0 : 1;
}

int verb_policy(int argc, char **argv)
{
    static struct options o;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    bool eval =
        o.positionals == 1 && str_eqz(str_c(o.positional[0]), "eval") && option_is(&o, "jsonl");
    if (option_is(&o, "help") || !eval) {
        fprintf(option_is(&o, "help") ? stdout : stderr,
                "usage: ropeline policy eval --jsonl\n\n"
                "reads {\"id\",\"policy\",\"request\":{\"methodArn\",\"action\",\"context\"}} and "
                "writes\n"
                "{\"id\",\"verdict\"}: ALLOW, EXPLICIT_DENY, IMPLICIT_DENY or INVALID\n");
        return option_is(&o, "help") ? 0 : 2;
    }
    return eval_stdin();
}
