/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of users: found by what they sign in with, in the order in which they joined. */
#ifndef ROPELINE_IDENTITY_USERS_SEARCH_INT_H
#define ROPELINE_IDENTITY_USERS_SEARCH_INT_H

#include "user_int.h"

struct user_place {
    int64_t joined_ms;
    struct str id; /* internal, of the user */
};
struct user_list {
    struct arena *arena; /* in */
    struct user_place *places;
    size_t n, cap;
};
/* A row function: (group_joined, primary_id). One that is in the list already is not added again.
 */
enum err users__take(void *arg, const struct store_value *v, size_t n) MUSTCHECK;
/* {"status":"OK","users":[the first n]}. */
enum err users__reply(struct cdi_call *c, struct store_tx *tx, const struct user_list *list,
                      size_t n, struct json **out) MUSTCHECK;
/* Whether the query has email, phone or provider. */
bool users__is_search(const struct cdi_call *c);
/* Those with a login method in the call's tenant that has a wanted beginning of each. At most
 * LIMIT_USERS_FOUND. 400 when too many values are asked for. */
enum err users__search(struct cdi_call *c, struct store_tx *tx, bool up,
                       struct user_list *out) MUSTCHECK;
enum err users__by_account_info(struct cdi_call *c, struct store_tx *tx,
                                struct user_list *out) MUSTCHECK;

#endif
