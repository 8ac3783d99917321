/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding users by what they sign in with. Each value is a parameter of one of a few statements,
 * which is run once for each combination; lists are short, so that a walk finds doubles. */
#include "users_search_int.h"

#include <stdlib.h>

#include "user_db_int.h"

#define IN_TENANT                                                                               \
    "EXISTS (SELECT 1 FROM login_tenant t WHERE t.app_id = m.app_id AND t.user_id = m.user_id " \
    "AND t.tenant_id = $2)"
#define SELECT_PLACES                                                                       \
    "SELECT DISTINCT m.group_joined, m.primary_id FROM login_method m WHERE m.app_id = $1 " \
    "AND " IN_TENANT
static const struct stmt STMT_search =
    SQL(SELECT_PLACES
        " AND (substr(m.email, 1, length($3)) = $3 OR substr(m.email_domain, 1, length($3)) = $3) "
        "AND substr(m.phone, 1, length($4)) = $4 AND substr(m.third_party_id, 1, length($5)) = $5 "
        "LIMIT $6");
static const struct stmt STMT_email = SQL(SELECT_PLACES " AND m.email = $3 LIMIT $4");
static const struct stmt STMT_phone = SQL(SELECT_PLACES " AND m.phone = $3 LIMIT $4");
static const struct stmt STMT_party =
    SQL(SELECT_PLACES " AND m.third_party_id = $3 AND m.third_party_user_id = $4 LIMIT $5");

/* --- lists --------------------------------------------------------------------------------------
 */
static bool has(const struct user_list *l, struct str id)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->places[i].id, id))
            return true;
    return false;
}

static enum err add(struct user_list *l, int64_t joined_ms, struct str id)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        struct user_place *grown = ARENA_ARRAY(l->arena, cap, struct user_place);
        if (grown == NULL)
            return ERR_NOMEM;
        if (l->n)
            memcpy(grown, l->places, l->n * sizeof *grown);
        l->places = grown;
        l->cap = cap;
    }
    struct str own = arena_str(l->arena, id);
    if (own.p == NULL)
        return ERR_NOMEM;
    l->places[l->n++] = (struct user_place){joined_ms, own};
    return ERR_OK;
}

enum err users__take(void *arg, const struct store_value *v, size_t n)
{
    struct user_list *l = arg;
    ASSERT(n == 2);
    if (l->n >= LIMIT_USERS_FOUND || has(l, v[1].s))
        return ERR_OK;
    return add(l, v[0].i, v[1].s);
}

static int compare_up(const void *a, const void *b)
{
    const struct user_place *x = a, *y = b;
    int by_time = (x->joined_ms > y->joined_ms) - (x->joined_ms < y->joined_ms);
    return by_time ? by_time : str_cmp(x->id, y->id);
}

static int compare_down(const void *a, const void *b)
{
    return compare_up(b, a);
}

static void sort(struct user_list *l, bool up)
{
    if (l->n > 1)
        qsort(l->places, l->n, sizeof l->places[0], up ? compare_up : compare_down);
}

enum err users__reply(struct cdi_call *c, struct store_tx *tx, const struct user_list *list,
                      size_t n, struct json **out)
{
    struct json *o = *out = cdi_reply(c, "OK"), *users = json_new_array(c->arena, n ? n : 1);
    enum err err = o && users ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        struct user *u;
        err = user__load_primary(c, tx, list->places[i].id, &u);
        if (err == ERR_OK)
            err = json_push(c->arena, users, user_json(c, u));
        else if (err == ERR_NOTFOUND)
            err = ERR_OK; /* removed since it was found */
    }
    return err ? err : json_set(c->arena, o, STR("users"), users);
}

/* --- by beginnings ------------------------------------------------------------------------------
 */
struct values { /* of one field; one empty value when the query does not have it */
    struct str of[LIMIT_SEARCH_VALUES];
    size_t n;
};

static enum err read_values(struct cdi_call *c, const char *name, struct values *out)
{
    struct str given = cdi_str(c, name), rest = arena_lower(c->arena, given);
    *out = (struct values){.n = 0};
    if (given.n > 0 && rest.p == NULL)
        return ERR_NOMEM;
    while (rest.n > 0) {
        struct str one = cdi_trim(str_cut(rest, ';', &rest));
        if (one.n == 0)
            continue;
        if (out->n == LIMIT_SEARCH_VALUES)
            return cdi_fail(c, 400, "at most %d values of %s can be searched for",
                            LIMIT_SEARCH_VALUES, name);
        out->of[out->n++] = one;
    }
    if (out->n == 0)
        out->of[out->n++] = STR("");
    return ERR_OK;
}

bool users__is_search(const struct cdi_call *c)
{
    return cdi_str(c, "email").n + cdi_str(c, "phone").n + cdi_str(c, "provider").n > 0;
}

enum err users__search(struct cdi_call *c, struct store_tx *tx, bool up, struct user_list *out)
{
    struct values email, phone, provider;
    enum err err = read_values(c, "email", &email);
    err = err ? err : read_values(c, "phone", &phone);
    err = err ? err : read_values(c, "provider", &provider);
    for (size_t i = 0; err == ERR_OK && i < email.n; i++)
        for (size_t k = 0; err == ERR_OK && k < phone.n; k++)
            for (size_t m = 0; err == ERR_OK && m < provider.n; m++)
                err = store_run(tx, &STMT_search,
                                ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(email.of[i]),
                                     STORE_S(phone.of[k]), STORE_S(provider.of[m]),
                                     STORE_I(LIMIT_USERS_FOUND)),
                                users__take, out);
    sort(out, up);
    return err;
}

/* --- by account info ----------------------------------------------------------------------------
 */
enum { BY_EMAIL, BY_PHONE, BY_PARTY, BY_WEBAUTHN, INFOS };

/* Nobody is known by "": that is what those have who have none. */
static enum err find_normal(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                            struct str normal, struct user_list *out)
{
    return normal.n == 0 ? ERR_OK
                         : store_run(tx, stmt,
                                     ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(normal),
                                          STORE_I(LIMIT_USERS_FOUND)),
                                     users__take, out);
}

static enum err find_by(struct cdi_call *c, struct store_tx *tx, unsigned which,
                        struct user_list *out)
{
    struct str normal, party = cdi_str(c, "thirdPartyId"), id = cdi_str(c, "thirdPartyUserId");
    enum err err;
    switch (which) {
    case BY_EMAIL:
        err = user_normal_email(c->arena, cdi_str(c, "email"), &normal);
        return err ? err : find_normal(c, tx, &STMT_email, normal, out);
    case BY_PHONE:
        err = user_normal_phone(c->arena, cdi_str(c, "phoneNumber"), &normal);
        return err ? err : find_normal(c, tx, &STMT_phone, normal, out);
    case BY_PARTY:
        return party.n == 0 || id.n == 0
                   ? ERR_OK
                   : store_run(tx, &STMT_party,
                               ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(party),
                                    STORE_S(id), STORE_I(LIMIT_USERS_FOUND)),
                               users__take, out);
    }
    return ERR_OK; /* nobody has webauthn credentials here */
}

/* Those of `all` that are in `more` too. */
static void keep_common(struct user_list *all, const struct user_list *more)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        if (has(more, all->places[i].id))
            all->places[n++] = all->places[i];
    all->n = n;
}

enum err users__by_account_info(struct cdi_call *c, struct store_tx *tx, struct user_list *out)
{
    const bool given[INFOS] = {[BY_EMAIL] = cdi_json(c, "email"),
                               [BY_PHONE] = cdi_json(c, "phoneNumber"),
                               [BY_PARTY] = cdi_json(c, "thirdPartyId"),
                               [BY_WEBAUTHN] = cdi_json(c, "webauthnCredentialId")};
    bool unite = str_ieq(cdi_str(c, "doUnionOfAccountInfo"), STR("true")), first = true;
    if (given[BY_PARTY] != (cdi_json(c, "thirdPartyUserId") != NULL))
        return cdi_fail(c, 400,
                        "If thirdPartyId is provided, thirdPartyUserId must also be provided and "
                        "vice versa");
    enum err err = ERR_OK;
    for (unsigned i = 0; i < INFOS && err == ERR_OK; i++) {
        struct user_list more = {.arena = c->arena};
        if (!given[i])
            continue;
        err = find_by(c, tx, i, unite || first ? out : &more);
        if (err == ERR_OK && !unite && !first)
            keep_common(out, &more);
        first = false;
    }
    sort(out, true);
    return err;
}
