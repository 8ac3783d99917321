/* SPDX-License-Identifier: Apache-2.0
 *
 * Which key a request shows, and which plan covers it: look-ups in what the snapshot has frozen.
 * Until a key is
 * accepted only the authorizer is shown what was sent. Invariant: the time a look-up takes says
 * nothing about how much of a guessed value was right. */
#include "gateway_int.h"

static size_t first_slot(const struct key_table *t, const unsigned char digest[SHA256_BYTES])
{
    uint64_t start;
    memcpy(&start, digest, sizeof start);
    return (size_t)start & t->mask;
}

const struct api_key *key_table__find(const struct key_table *t, struct str value)
{
    unsigned char digest[SHA256_BYTES];
    if (t->count == 0 || value.n < API_KEY_MIN || value.n > API_KEY_MAX ||
        crypt_sha256(value, digest) != ERR_OK)
        return NULL;
    struct str wanted = str_of(digest, sizeof digest);
    for (size_t i = first_slot(t, digest); t->slots[i] != 0; i = (i + 1) & t->mask) {
        const struct api_key *k = &t->keys[t->slots[i] - 1];
        if (crypt_equal(str_of(k->digest, sizeof k->digest), wanted))
            return k;
    }
    return NULL;
}

void key_table__insert(struct key_table *t, size_t key)
{
    size_t i = first_slot(t, t->keys[key].digest);
    while (t->slots[i] != 0)
        i = (i + 1) & t->mask;
    t->slots[i] = (uint32_t)key + 1;
}

const struct grant *api_key__grant(const struct api_key *k, const struct api *api)
{
    for (size_t i = 0; i < k->grant_count; i++)
        if (k->grants[i].api == api)
            return &k->grants[i];
    return NULL;
}

struct str exchange__sent_key(const struct exchange *x)
{
    const struct http_headers *h = &x->rq->headers;
    const struct http_header *sent = NULL;
    if (!x->method->api_key_required || x->api->key_from_authorizer)
        return STR("");
    for (size_t i = 0; i < h->n; i++) {
        if (!str_ieq(h->v[i].name, STR("x-api-key")))
            continue;
        if (sent)
            return STR(""); /* two readers could take two different ones */
        sent = &h->v[i];
    }
    return sent ? sent->value : STR("");
}

struct str exchange__api_key(struct exchange *x)
{
    if (x->usage.key)
        return x->usage.value;
    return x->at == STEP_authorize ? exchange__sent_key(x) : STR("");
}

struct str exchange__api_key_id(struct exchange *x)
{
    const struct api_key *k = x->usage.key;
    if (k == NULL)
        k = key_table__find(&x->snapshot->keys, exchange__api_key(x));
    return k && k->enabled ? k->id : STR("");
}
