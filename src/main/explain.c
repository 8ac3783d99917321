/* SPDX-License-Identifier: Apache-2.0
 *
 * A decision record in words: one line while it happens, the whole way when somebody asks, and a
 * hint only where the record itself proves it. Nothing here is guessed. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/time.h"
#include "daemon.h"
#include "observe/decisions.h"

static struct str value_of(const struct decision_record *r, const char *step, const char *key)
{
    const struct decision_row *row = decision_find_row(r, step, key);
    return row ? decision_value(r, row) : STR_NONE;
}

/* The reason in one phrase: the last row that stopped the request, apart from what only describes
 * the token or the answer. */
static struct str reason(const struct decision_record *r)
{
    for (size_t i = r->rows; i-- > 0;) {
        const struct decision_row *row = &r->row[i];
        bool stopped = row->verdict == VERDICT_DENY || row->verdict == VERDICT_ERROR;
        if (stopped && strcmp(row->step, "token") != 0 && strcmp(row->key, "response") != 0 &&
            strcmp(row->key, "statement") != 0)
            return decision_value(r, row);
    }
    return STR_NONE;
}

static bool names_one_method(struct str statement)
{
    return str_find(statement, STR(" Allow arn:")) != SIZE_MAX &&
           str_chr(statement, '*', 0) == SIZE_MAX && str_chr(statement, '?', 0) == SIZE_MAX;
}

/* A cached policy that names a single methodArn refuses every other route until its TTL ends. */
static bool is_narrow_cached_policy(const struct decision_record *r)
{
    struct str cache = value_of(r, "authorize", "cache"),
               verdict = value_of(r, "policy", "verdict");
    bool reused = str_starts(cache, STR("hit")) || value_of(r, "authorize", "shared").n > 0;
    if (!reused || !str_starts(verdict, STR("implicit deny")))
        return false;
    for (size_t i = 0; i < r->rows; i++)
        if (str_eqz(str_c(r->row[i].key), "statement") &&
            names_one_method(decision_value(r, &r->row[i])))
            return true;
    return false;
}

/* What steps say, and the smallest change that would alter it. */
static const struct {
    const char *step, *key, *begins, *hint;
} hints[] = {
    {"api_key", "refused", "no x-api-key", "send the key's value in the header x-api-key"},
    {"api_key", "refused", "more than one", "send one x-api-key header"},
    {"api_key", "refused", "the authorizer returned no",
     "the API's key source is AUTHORIZER: let the function return the key's value as "
     "usageIdentifierKey"},
    {"api_key", "refused", "no key has this value",
     "send a value, not an id or a name: that of a template's key is its Value, one that was made "
     "up "
     "stands in api-keys.json of the state directory"},
    {"api_key", "refused", "the key is disabled", "set Enabled: true on this key"},
    {"api_key", "refused", "the key is in no usage plan",
     "join key and plan by an AWS::ApiGateway::UsagePlanKey, and name this API and stage in the "
     "plan's ApiStages"},
    {"throttle", "bucket", "the plan's for this method",
     "raise Throttle of this method in ApiStages"},
    {"throttle", "bucket", "the plan's for this key", "raise Throttle of the usage plan"},
    {"throttle", "bucket", "the stage's",
     "raise ThrottlingRateLimit or ThrottlingBurstLimit of the stage's settings"},
    {"throttle", "bucket", "the account's", "raise limits in ropeline.yaml"},
    {"throttle", "quota", "cannot be stored",
     "make room for, or give back the right to write, plane.db in the state directory"},
    {"authorize", "session", "neither Authorization",
     "send the access token as Authorization: Bearer TOKEN or in the cookie sAccessToken; a fetch "
     "to another origin needs credentials: include"},
    {"authorize", "session", "there is more than one",
     "two cookies sAccessToken have different Domain or Path: delete one; sIdRefreshToken is of an "
     "SDK before cookies were changed: delete it"},
    {"authorize", "session", "the session was revoked", "sign in again"},
    {"authorize", "session", "the session has ended", "sign in again"},
    {"authorize", "session", "the anti-csrf header",
     "send the header anti-csrf with the value that came with the session, as the web SDK does"},
    {"authorize", "session", "the header rid",
     "send a header rid with any value, as the web SDK does"},
    {"authorize", "session", "expired",
     "refresh the session; the web SDK does so by itself when it sees the 401, for which an answer "
     "to another origin needs CORS headers (gateway response UNAUTHORIZED)"},
};

static void hint_at_rows(const struct decision_record *r, struct buf *out)
{
    for (size_t i = 0; i < COUNTOF(hints); i++)
        if (str_starts(value_of(r, hints[i].step, hints[i].key), str_c(hints[i].begins))) {
            buf_addz(out, hints[i].hint);
            return;
        }
}

void explain_hint(const struct decision_record *r, struct buf *out)
{
    hint_at_rows(r, out);
    if (is_narrow_cached_policy(r))
        buf_addz(
            out,
            "the cached policy names a single methodArn, so every other route is refused until "
            "the TTL ends: let the function return a wildcard Resource (for example .../STAGE/*), "
            "or set the TTL to 0; `ropeline cache purge` drops it now");
}

/* What stands in a record came from clients, functions and documents: none of it steers a terminal.
 */
static void end_line(struct buf *out, size_t from)
{
    buf_printable(out, from);
    buf_addc(out, '\n');
}

/* "GET /dev/orders 403 1.2 ms  implicit deny: ..." */
void explain_line(const struct decision_record *r, struct buf *out)
{
    struct str method = value_of(r, "match", "method"), path = value_of(r, "match", "path");
    struct str cache = value_of(r, "authorize", "cache"), who = value_of(r, "policy", "principal");
    struct str why = reason(r);
    size_t start = out->n;
    buf_addf(out, "%3u  %-6.*s %.*s  %.1f ms", r->status, STR_ARG(method), STR_ARG(path),
             (double)r->duration_us / 1000);
    if (who.n > 0)
        buf_addf(out, "  principal %.*s", STR_ARG(who));
    if (cache.n > 0)
        buf_addf(out, "  cache %.*s", STR_ARG(str_sub(cache, 0, str_chr(cache, ',', 0))));
    if (r->status >= 400 && why.n > 0)
        buf_addf(out, "  %.*s", STR_ARG(why));
    end_line(out, start);
    size_t before = out->n;
    buf_addz(out, "     hint: ");
    size_t mark = out->n;
    explain_hint(r, out);
    if (out->n == mark)
        out->n = before;
    else
        buf_addc(out, '\n');
}

static void add_rows(const struct decision_record *r, struct buf *out)
{
    static const char marks[] = {' ', '+', '-', '!'};
    const char *step = "";
    for (size_t i = 0; i < r->rows; i++) {
        const struct decision_row *row = &r->row[i];
        bool same = str_eqz(str_c(row->step), step);
        size_t start = out->n;
        buf_addf(out, "  %-10s %c %-12s ", same ? "" : row->step, marks[row->verdict], row->key);
        buf_add(out, decision_value(r, row));
        end_line(out, start);
        step = row->step;
    }
}

/* What the function answered and logged for this very invocation. */
static void add_invocation(struct str text, struct buf *out)
{
    struct arena *a = arena_new(KIB(4), MIB(4));
    const struct json *v = NULL;
    if (a && json_parse(a, text, MIB(1), &v, NULL) == ERR_OK) {
        const struct json *log = json_get(v, "log");
        struct str answer = json_str_or(json_get(v, "answer"), STR(""));
        size_t start = out->n;
        if (answer.n > 0) {
            buf_addf(out, "  the function answered: %.*s", STR_ARG(answer));
            end_line(out, start);
        }
        for (size_t i = 0; log && i < log->n; i++) {
            struct str line = json_str_or(json_at(log, i), STR(""));
            while (line.n > 0 && line.p[line.n - 1] == '\n')
                line.n--;
            start = out->n;
            buf_addf(out, "  its log: %.*s", STR_ARG(line));
            end_line(out, start);
        }
    }
    arena_free(a);
}

static bool has_token_rows(const struct decision_record *r)
{
    for (size_t i = 0; i < r->rows; i++)
        if (str_eqz(str_c(r->row[i].step), "token"))
            return true;
    return false;
}

void explain_text(const struct decision_record *r, struct str invocation_json, struct buf *out)
{
    char when[TIME_TEXT];
    time_rfc3339(r->wall_us, when);
    size_t start = out->n;
    buf_addf(out, "%u  %.*s %.*s   %s   %s   %.1f ms", r->status,
             STR_ARG(value_of(r, "match", "method")), STR_ARG(value_of(r, "match", "path")), r->id,
             when, (double)r->duration_us / 1000);
    end_line(out, start);
    add_rows(r, out);
    if (has_token_rows(r))
        buf_addz(out, "  (token: read without its key, not verified)\n");
    if (r->status >= 400 && invocation_json.n > 0)
        add_invocation(invocation_json, out);
    AUTO_BUF hint = BUF_INIT(KIB(2));
    explain_hint(r, &hint);
    if (hint.n > 0)
        buf_addf(out, "  hint: %s\n", buf_cstr(&hint));
}
