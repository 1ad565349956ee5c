/*
 * What a request is hashed by where its service asks for that: the first of header, cookie, query
 * parameter and source address that it has. A cookie that it does not have is made, and the client
 * is told it with the answer, so that its next request goes to the same endpoint (RFC 6265).
 */
#include "proxy/request_parts.h"

#include "common/http/query.h"
#include "common/jitter.h"
#include "proxy/balance/consistent.h"

/* The value of the first cookie of the name; pairs may be spread over several fields (RFC 9113
 * 8.2.3). */
static bool cookie_find(const struct head *head, struct slice name, struct slice *value)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        struct slice rest = head->fields[i].value;
        if (head->fields[i].id != FIELD_COOKIE)
            continue;
        while (rest.len > 0) {
            const char *end = memchr(rest.ptr, ';', rest.len);
            struct slice pair = slice_sub(rest, 0, end ? (size_t)(end - rest.ptr) : rest.len);
            rest = slice_sub(rest, pair.len + (end ? 1 : 0), rest.len);
            while (pair.len > 0 && pair.ptr[0] == ' ')
                pair = slice_sub(pair, 1, pair.len);
            if (pair.len > name.len && pair.ptr[name.len] == '=' &&
                slice_eq(slice_sub(pair, 0, name.len), name)) {
                *value = slice_sub(pair, name.len + 1, pair.len);
                return true;
            }
        }
    }
    return false;
}

/* Made once, however often an endpoint is chosen. */
static bool cookie_make(struct request *request, const struct hash_on *cookie, struct slice *value)
{
    if (!request->sticky) {
        uint64_t random;
        jitter_bytes(&random, sizeof(random));
        request->sticky_value =
            arena_printf(&request->down->arena, "%016llx", (unsigned long long)random);
        request->sticky = request->sticky_value ? cookie : NULL;
    }
    if (request->sticky)
        *value = slice_str(request->sticky_value);
    return request->sticky != NULL;
}

static bool find_value(struct request *request, const struct hash_on *hash_on, struct slice *value)
{
    struct slice name = slice_str(hash_on->name);
    const struct field *field;
    switch (hash_on->source) {
    case HASH_HEADER:
        field = head_find_name(request->head, name);
        *value = field ? field->value : slice_of(NULL, 0);
        return field;
    case HASH_COOKIE:
        return cookie_find(request->head, name, value) || cookie_make(request, hash_on, value);
    case HASH_QUERY:
        return query_find(request->path.query, name, value);
    case HASH_SOURCE:
        *value = slice_str(request->downstream->source_ip);
        return true;
    }
    return false;
}

bool request_hash(struct request *request, uint64_t *hash)
{
    const struct balance_rules *rules = &request->service->balancing;
    struct slice value;
    for (size_t i = 0; i < rules->n_hash_on; i++)
        if (find_value(request, &rules->hash_on[i], &value)) {
            *hash = consistent_hash(value);
            return true;
        }
    return false;
}

bool request_hash_answer(struct request *request, struct head *head)
{
    const struct hash_on *cookie = request->sticky;
    if (!cookie)
        return true;
    struct arena *arena = &request->down->arena;
    char *text =
        cookie->ttl_sec
            ? arena_printf(arena, "%s=%s; Max-Age=%llu; Path=/; HttpOnly", cookie->name,
                           request->sticky_value, (unsigned long long)cookie->ttl_sec)
            : arena_printf(arena, "%s=%s; Path=/; HttpOnly", cookie->name, request->sticky_value);
    return text && head_add(head, SLICE_LITERAL("set-cookie"), slice_str(text));
}
