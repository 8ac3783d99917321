/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at users (specs/identity-core.md 2.5): one by its id, pages of them, by what they sign in
 * with, and how many there are. */
#include "base/crypt.h"
#include "ops_int.h"
#include "user_db_int.h"
#include "users_search_int.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 500

static const struct stmt STMT_page_up =
    SQL("SELECT DISTINCT group_joined, primary_id FROM login_tenant WHERE app_id = $1 AND "
        "tenant_id = $2 AND recipe IN ($3, $4, $5) AND (group_joined, primary_id) >= ($6, $7) "
        "ORDER BY group_joined, primary_id LIMIT $8");
static const struct stmt STMT_page_down =
    SQL("SELECT DISTINCT group_joined, primary_id FROM login_tenant WHERE app_id = $1 AND "
        "tenant_id = $2 AND recipe IN ($3, $4, $5) AND (group_joined, primary_id) <= ($6, $7) "
        "ORDER BY group_joined DESC, primary_id DESC LIMIT $8");
static const struct stmt STMT_count =
    SQL("SELECT count(DISTINCT primary_id) FROM login_tenant WHERE app_id = $1 AND tenant_id = $2 "
        "AND recipe IN ($3, $4, $5)");
static const struct stmt STMT_count_all =
    SQL("SELECT count(DISTINCT primary_id) FROM login_method WHERE app_id = $1 "
        "AND recipe IN ($2, $3, $4)");
static const struct stmt STMT_count_active =
    SQL("SELECT count(*) FROM user_active WHERE app_id = $1 AND last_active >= $2");

/* --- input -------------------------------------------------------------------------------------
 */
#define RECIPES 3
/* includeRecipeIds=a,b: those, and one of them again where there are fewer; all when none is named.
 */
static enum err read_recipes(struct cdi_call *c, struct str out[RECIPES])
{
    static const char *const known[RECIPES] = {"emailpassword", "thirdparty", "passwordless"};
    struct str rest = cdi_str(c, "includeRecipeIds");
    bool wanted[RECIPES] = {false}, any = false, named = rest.n > 0;
    while (rest.n > 0) {
        struct str one = cdi_trim(str_cut(rest, ',', &rest));
        bool found = str_eqz(one, "webauthn"); /* nobody has it here */
        for (size_t i = 0; i < RECIPES; i++) {
            bool is = str_eqz(one, known[i]);
            found |= is;
            wanted[i] |= is;
            any |= is;
        }
        if (!found)
            return cdi_fail(c, 400, "Unknown recipe ID: %.*s", STR_ARG(one));
    }
    struct str last = named && !any ? STR("webauthn") : STR("");
    for (size_t i = 0; i < RECIPES; i++)
        if (wanted[i] || !named)
            last = str_c(known[i]);
    for (size_t i = 0; i < RECIPES; i++)
        out[i] = wanted[i] || !named ? str_c(known[i]) : last;
    return ERR_OK;
}

static enum err read_limit(struct cdi_call *c, int64_t *out)
{
    const struct json *v = cdi_json(c, "limit");
    uint64_t n = PAGE_DEFAULT;
    if (v && (!str_u64(v->s, &n) || n < 1))
        return cdi_fail(c, 400, "limit must a positive integer with min value 1");
    if (n > PAGE_MAX)
        return cdi_fail(c, 400, "max limit allowed is %d", PAGE_MAX);
    *out = (int64_t)n;
    return ERR_OK;
}

/* base64("<userId>;<timeJoined>") of the first user of the page. */
static enum err read_token(struct cdi_call *c, bool up, int64_t *time, struct str *id)
{
    const struct json *v = cdi_json(c, "paginationToken");
    struct str joined;
    uint64_t n;
    *time = up ? 0 : INT64_MAX;
    *id = STR("");
    if (v == NULL)
        return ERR_OK;
    AUTO_BUF text = BUF_INIT(KIB(1));
    if (crypt_base64_decode(&text, v->s) != ERR_OK)
        return cdi_fail(c, 400, "invalid pagination token");
    struct str given = arena_str(c->arena, buf_str(&text));
    if (given.p == NULL)
        return ERR_NOMEM;
    *id = str_cut(given, ';', &joined);
    if (id->n == 0 || !str_is_utf8(*id) || str_chr(*id, '\0', 0) != SIZE_MAX ||
        !str_u64(joined, &n) || n > INT64_MAX)
        return cdi_fail(c, 400, "invalid pagination token");
    *time = (int64_t)n;
    return ERR_OK;
}

static enum err read_order(struct cdi_call *c, bool *up)
{
    const struct json *v = cdi_json(c, "timeJoinedOrder");
    *up = v == NULL || str_eqz(v->s, "ASC");
    if (!*up && !str_eqz(v->s, "DESC"))
        return cdi_fail(c, 400, "timeJoinedOrder can be either ASC OR DESC");
    return ERR_OK;
}

/* --- GET /users ---------------------------------------------------------------------------------
 */
static enum err write_token(struct cdi_call *c, struct json *o, const struct user_place *next)
{
    AUTO_BUF token = BUF_INIT(KIB(2));
    struct str text =
        arena_fmt(c->arena, "%.*s;%lld", STR_ARG(next->id), (long long)next->joined_ms);
    if (text.p == NULL)
        return ERR_NOMEM;
    crypt_base64(&token, text);
    return token.err ? token.err
                     : json_set(c->arena, o, STR("nextPaginationToken"),
                                json_new_str(c->arena, buf_str(&token)));
}

/* The first `n` of the list, and where the next page begins. */
static enum err answer_page(struct cdi_call *c, struct store_tx *tx, const struct user_list *list,
                            size_t n)
{
    struct json *o;
    enum err err = users__reply(c, tx, list, n, &o);
    if (err == ERR_OK && list->n > n)
        err = write_token(c, o, &list->places[n]);
    return err ? err : cdi_ok(c, o);
}

static enum err get_users(struct cdi_call *c, struct store_tx *tx)
{
    struct str recipes[RECIPES], id = STR_NONE;
    struct user_list list = {.arena = c->arena};
    int64_t limit = 0, time = 0;
    bool up;
    enum err err = read_order(c, &up);
    if (err == ERR_OK && users__is_search(c)) {
        err = users__search(c, tx, up, &list);
        return err ? err : answer_page(c, tx, &list, list.n);
    }
    err = err ? err : read_limit(c, &limit);
    err = err ? err : read_token(c, up, &time, &id);
    err = err ? err : read_recipes(c, recipes);
    if (!up && id.n == 0)
        id = STR("~"); /* behind every id of that moment */
    if (err == ERR_OK)
        err = store_run(tx, up ? &STMT_page_up : &STMT_page_down,
                        ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(recipes[0]),
                             STORE_S(recipes[1]), STORE_S(recipes[2]), STORE_I(time), STORE_S(id),
                             STORE_I(limit + 1)),
                        users__take, &list);
    return err ? err : answer_page(c, tx, &list, list.n < (size_t)limit ? list.n : (size_t)limit);
}

/* --- the others ---------------------------------------------------------------------------------
 */
static enum err get_user(struct cdi_call *c, struct store_tx *tx)
{
    struct user *u;
    enum err err = user_load(c, tx, cdi_str(c, "userId"), &u);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    if (err == ERR_OK)
        err = o ? json_set(c->arena, o, STR("user"), user_json(c, u)) : ERR_NOMEM;
    return err ? err : cdi_ok(c, o);
}

static enum err answer_count(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                             const struct store_value *args, size_t n)
{
    struct store_value v;
    enum err err = cdi_row(c, tx, stmt, args, n, &v, 1);
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    if (err == ERR_OK)
        err = o ? json_set(c->arena, o, STR("count"), json_new_int(c->arena, v.i)) : ERR_NOMEM;
    return err ? err : cdi_ok(c, o);
}

static enum err count_users(struct cdi_call *c, struct store_tx *tx)
{
    struct str r[RECIPES];
    bool all = str_ieq(cdi_str(c, "includeAllTenants"), STR("true"));
    enum err err = read_recipes(c, r);
    if (err != ERR_OK)
        return err;
    return all ? answer_count(c, tx, &STMT_count_all,
                              ARGS(STORE_S(c->app), STORE_S(r[0]), STORE_S(r[1]), STORE_S(r[2])))
               : answer_count(c, tx, &STMT_count,
                              ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(r[0]),
                                   STORE_S(r[1]), STORE_S(r[2])));
}

static enum err count_active(struct cdi_call *c, struct store_tx *tx)
{
    uint64_t since;
    if (!str_u64(cdi_str(c, "since"), &since) || since > INT64_MAX)
        return cdi_fail(c, 400, "'since' query parameter must be a positive integer");
    return answer_count(c, tx, &STMT_count_active, ARGS(STORE_S(c->app), STORE_I((int64_t)since)));
}

static enum err by_account_info(struct cdi_call *c, struct store_tx *tx)
{
    struct user_list list = {.arena = c->arena};
    enum err err = users__by_account_info(c, tx, &list);
    return err ? err : answer_page(c, tx, &list, list.n);
}

static const struct cdi_op ops[] = {
    {HTTP_GET, "/user/id", CDI_APP, 0, "userId:s", {{CDI_READ, get_user}}, NULL},
    {HTTP_GET,
     "/users",
     CDI_TENANT,
     0,
     "limit:s? timeJoinedOrder:s? paginationToken:s? includeRecipeIds:s? email:s? phone:s? "
     "provider:s?",
     {{CDI_READ, get_users}},
     NULL},
    {HTTP_GET,
     "/users/count",
     CDI_TENANT,
     0,
     "includeRecipeIds:s? includeAllTenants:s?",
     {{CDI_READ, count_users}},
     NULL},
    {HTTP_GET, "/users/count/active", CDI_APP, 0, "since:s", {{CDI_READ, count_active}}, NULL},
    {HTTP_GET,
     "/users/by-accountinfo",
     CDI_TENANT,
     0,
     "doUnionOfAccountInfo:s email:s? phoneNumber:s? thirdPartyId:s? thirdPartyUserId:s? "
     "webauthnCredentialId:s?",
     {{CDI_READ, by_account_info}},
     NULL},
};
const struct cdi_table users__table = {ops, COUNTOF(ops)};
