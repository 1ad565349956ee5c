#include "proxy/policy/access_index.h"

#include <stdlib.h>

/* Kinds of key; they begin their hashes with different numbers. */
enum access_key_kind {
    KEY_PATH,
    KEY_IDENTITY,
    KEY_ACCOUNT,
    KEY_NAMESPACE,
    KEY_NOBODY,
    KEY_HEADER_NAME,
    KEY_HEADER_VALUE,
};

/* Keys while they are collected. */
struct access_keys {
    struct access_key *list;
    size_t n, room;
    size_t deepest_bytes, longest_bytes; /* as in struct access_index */
    bool is_short;                       /* of memory */
};

/* FNV-1a, whose hash of a text goes on from that of its beginning. Two keys of one hash cost time
 * and nothing else, as each rule that is found is looked at whole. */
static uint32_t access_hash(uint32_t hash, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.ptr[i]) * 16777619u;
    return hash;
}

static uint32_t access_hash_start(enum access_key_kind kind)
{
    return access_hash(2166136261u, slice_of(&(char){(char)kind}, 1));
}

static uint32_t access_hash_account(struct slice namespace, struct slice account)
{
    uint32_t hash = access_hash(access_hash_start(KEY_ACCOUNT), namespace);
    return access_hash(access_hash(hash, SLICE_LITERAL("/")), account);
}

static uint32_t access_hash_header(enum access_key_kind kind, struct slice name)
{
    return access_hash(access_hash(access_hash_start(kind), name), SLICE_LITERAL(":"));
}

/* ---- filing ---- */

static void access_add_key(struct access_keys *keys, uint32_t hash, uint32_t ref)
{
    if (keys->n == keys->room) {
        size_t room = keys->room ? keys->room * 2 : 64;
        struct access_key *list = reallocarray(keys->list, room, sizeof(*list));
        if (!list) {
            keys->is_short = true;
            return;
        }
        keys->list = list;
        keys->room = room;
    }
    keys->list[keys->n++] = (struct access_key){hash, ref};
}

/* The longest beginning of a path that ends where a segment does and that all paths which match
 * have in common. */
static struct slice access_path_key(const struct access_text *path)
{
    struct slice key = path->whole;
    if (path->match == ACCESS_PREFIX) {
        while (key.len > 0 && key.ptr[key.len - 1] != '/')
            key.len--;
        if (key.len > 0)
            key.len--;
    }
    return key;
}

/* False: the rule can match whatever the path is. */
static bool access_add_paths(struct access_keys *keys, const struct access_rule *rule, uint32_t ref)
{
    for (size_t i = 0; i < rule->n_to; i++) {
        const struct access_target *to = &rule->to[i];
        const struct access_texts *paths = to->paths.n ? &to->paths : &to->grpc_methods;
        if (paths->n == 0 || to->path_regexes.n > 0)
            return false;
        for (size_t j = 0; j < paths->n; j++) {
            struct slice key = access_path_key(&paths->list[j]);
            if (key.len > keys->deepest_bytes)
                keys->deepest_bytes = key.len;
            access_add_key(keys, access_hash(access_hash_start(KEY_PATH), key), ref);
        }
    }
    return rule->n_to > 0;
}

static bool access_add_identities(struct access_keys *keys, const struct access_texts *texts,
                                  uint32_t ref)
{
    for (size_t i = 0; i < texts->n; i++) {
        if (texts->list[i].match != ACCESS_EXACT)
            return false;
        access_add_key(keys, access_hash(access_hash_start(KEY_IDENTITY), texts->list[i].whole),
                       ref);
    }
    return texts->n > 0;
}

static bool access_add_source(struct access_keys *keys, const struct access_source *source,
                              uint32_t ref)
{
    if (source->unauthenticated) {
        access_add_key(keys, access_hash_start(KEY_NOBODY), ref);
        return true;
    }
    if (access_add_identities(keys, &source->identities, ref))
        return true;
    for (size_t i = 0; i < source->accounts.n; i++)
        access_add_key(keys,
                       access_hash_account(source->accounts.list[i].namespace,
                                           source->accounts.list[i].account),
                       ref);
    if (source->accounts.n > 0)
        return true;
    for (size_t i = 0; i < source->namespaces.n; i++)
        access_add_key(
            keys, access_hash(access_hash_start(KEY_NAMESPACE), source->namespaces.list[i].whole),
            ref);
    return source->namespaces.n > 0;
}

/* False: the rule can match whoever it is. */
static bool access_add_sources(struct access_keys *keys, const struct access_rule *rule,
                               uint32_t ref)
{
    for (size_t i = 0; i < rule->n_from; i++)
        if (!access_add_source(keys, &rule->from[i], ref))
            return false;
    return rule->n_from > 0;
}

static bool access_is_exact(const struct access_header *header)
{
    const struct access_texts *texts = &header->values;
    for (size_t i = 0; i < texts->n; i++)
        if (texts->list[i].match != ACCESS_EXACT)
            return false;
    return texts->n > 0 && header->regexes.n == 0;
}

static void access_add_header(struct access_keys *keys, const struct access_header *header,
                              uint32_t ref)
{
    struct slice name = slice_str(header->name);
    size_t longest = 0;
    if (!access_is_exact(header)) {
        access_add_key(keys, access_hash_header(KEY_HEADER_NAME, name), ref);
    } else {
        for (size_t i = 0; i < header->values.n; i++) {
            struct slice value = header->values.list[i].whole;
            longest = value.len > longest ? value.len : longest;
            access_add_key(keys, access_hash(access_hash_header(KEY_HEADER_VALUE, name), value),
                           ref);
        }
    }
    if (name.len + longest > keys->longest_bytes)
        keys->longest_bytes = name.len + longest;
}

/* All headers of a target have to match, so that one of them will do: one with whole values, which
 * tell requests apart better than that there is such a field. False: the rule can match whatever
 * the headers are. */
static bool access_add_headers(struct access_keys *keys, const struct access_rule *rule,
                               uint32_t ref)
{
    for (size_t i = 0; i < rule->n_to; i++) {
        const struct access_headers *headers = &rule->to[i].headers;
        if (headers->n == 0)
            return false;
        size_t chosen = 0;
        while (chosen < headers->n && !access_is_exact(&headers->list[chosen]))
            chosen++;
        access_add_header(keys, &headers->list[chosen < headers->n ? chosen : 0], ref);
    }
    return rule->n_to > 0;
}

/* Each adds the keys that the rule has of one kind; false: it has none, or not for all it matches.
 */
typedef bool access_adder(struct access_keys *keys, const struct access_rule *rule, uint32_t ref);
static access_adder *const access_adders[] = {access_add_paths, access_add_sources,
                                              access_add_headers};
#define ACCESS_N_ADDERS (sizeof(access_adders) / sizeof(access_adders[0]))

static int access_compare_keys(const void *a, const void *b)
{
    const struct access_key *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return (left->ref > right->ref) - (left->ref < right->ref);
}

static void access_sort_keys(struct access_keys *keys)
{
    if (keys->n > 1)
        qsort(keys->list, keys->n, sizeof(*keys->list), access_compare_keys);
}

/* Where the keys of that hash begin, if there are any. */
static size_t access_find_key(const struct access_key *keys, size_t n, uint32_t hash)
{
    size_t from = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (keys[from + half].hash < hash) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from;
}

/* How many rules would be looked at with these keys. */
static size_t access_weigh(const struct access_keys *all, const struct access_keys *keys)
{
    size_t weight = 0;
    for (size_t i = 0; i < keys->n; i++) {
        size_t at = access_find_key(all->list, all->n, keys->list[i].hash);
        size_t after = access_find_key(all->list, all->n, keys->list[i].hash + 1);
        weight += after > at ? after - at : 1; /* a hash of UINT32_MAX has none after it */
    }
    return weight;
}

/* Under the kind of key that is the rarest. False: it has none. `one` is for use here only. */
static bool access_file_rule(struct access_keys *keys, struct access_keys *one,
                             const struct access_keys *all, const struct access_rule *rule,
                             uint32_t ref)
{
    access_adder *best = NULL;
    size_t best_weight = 0;
    for (size_t i = 0; i < ACCESS_N_ADDERS; i++) {
        one->n = 0;
        if (!access_adders[i](one, rule, ref))
            continue;
        size_t weight = access_weigh(all, one);
        if (!best || weight < best_weight) {
            best = access_adders[i];
            best_weight = weight;
        }
    }
    return best && best(keys, rule, ref);
}

static bool access_collect_rules(const struct access_policies *policies, enum access_action action,
                                 struct access_index *index)
{
    size_t n = 0;
    for (size_t i = 0; i < policies->n; i++)
        n += policies->list[i].action == action ? policies->list[i].n_rules : 0;
    index->refs = calloc(n ? n : 1, sizeof(*index->refs));
    index->unkeyed = calloc(n ? n : 1, sizeof(*index->unkeyed));
    if (!index->refs || !index->unkeyed)
        return false;
    for (size_t i = 0; i < policies->n; i++)
        for (size_t j = 0; policies->list[i].action == action && j < policies->list[i].n_rules; j++)
            index->refs[index->n_refs++] =
                (struct access_ref){&policies->list[i].rules[j], (uint32_t)i};
    return true;
}

static bool access_index_action(struct access_policies *policies, enum access_action action)
{
    struct access_index *index = &policies->indexes[action];
    struct access_keys all = {0}, keys = {0}, one = {0};
    if (!access_collect_rules(policies, action, index))
        return false;
    for (uint32_t i = 0; i < index->n_refs; i++)
        for (size_t j = 0; j < ACCESS_N_ADDERS; j++)
            (void)!access_adders[j](&all, index->refs[i].rule, i);
    access_sort_keys(&all);
    for (uint32_t i = 0; i < index->n_refs; i++)
        if (!access_file_rule(&keys, &one, &all, index->refs[i].rule, i))
            index->unkeyed[index->n_unkeyed++] = i;
    access_sort_keys(&keys);
    free(all.list);
    free(one.list);
    index->keys = keys.list;
    index->n_keys = keys.n;
    index->deepest_bytes = keys.deepest_bytes;
    index->longest_bytes = keys.longest_bytes;
    return !all.is_short && !one.is_short && !keys.is_short;
}

bool access_index_build(struct access_policies *policies)
{
    for (int action = 0; action < ACCESS_N_ACTIONS; action++)
        if (!access_index_action(policies, (enum access_action)action))
            return false;
    return true;
}

void access_index_free(struct access_policies *policies)
{
    for (int action = 0; action < ACCESS_N_ACTIONS; action++) {
        free(policies->indexes[action].refs);
        free(policies->indexes[action].keys);
        free(policies->indexes[action].unkeyed);
    }
}

/* ---- looking up ---- */

/* What is looked for, and the best that was found. */
struct access_search {
    const struct access_index *index;
    const struct access_peer *peer;
    size_t first; /* policy */
};

/* False when no later rule can be of an earlier policy. */
static bool access_try(struct access_search *search, uint32_t ref)
{
    const struct access_ref *found = &search->index->refs[ref];
    if (found->policy >= search->first)
        return false;
    if (access_rule_matches(found->rule, search->peer, NULL) == ACCESS_NO)
        return true;
    search->first = found->policy;
    return false;
}

static void access_try_hash(struct access_search *search, uint32_t hash)
{
    const struct access_index *index = search->index;
    size_t i = access_find_key(index->keys, index->n_keys, hash);
    while (i < index->n_keys && index->keys[i].hash == hash &&
           access_try(search, index->keys[i].ref))
        i++;
}

static void access_try_sources(struct access_search *search)
{
    const struct spiffe_id *id = &search->peer->id;
    if (id->text.len == 0) {
        access_try_hash(search, access_hash_start(KEY_NOBODY));
        return;
    }
    access_try_hash(search, access_hash(access_hash_start(KEY_IDENTITY), id->text));
    if (id->namespace.len == 0)
        return;
    access_try_hash(search, access_hash_account(id->namespace, id->service_account));
    access_try_hash(search, access_hash(access_hash_start(KEY_NAMESPACE), id->namespace));
}

/* Nothing, which all paths begin with; each beginning that ends before a slash; the whole. */
static void access_try_paths(struct access_search *search)
{
    struct slice path = search->peer->request->path;
    size_t deepest = search->index->deepest_bytes;
    uint32_t hash = access_hash_start(KEY_PATH);
    access_try_hash(search, hash);
    for (size_t i = 0; i < path.len && i <= deepest; i++) {
        if (i > 0 && path.ptr[i] == '/')
            access_try_hash(search, hash);
        hash = access_hash(hash, slice_sub(path, i, 1));
    }
    if (path.len > 0 && path.len <= deepest)
        access_try_hash(search, hash);
}

/* Whether a field before number `at` has its name and, unless that is NULL, the value. */
static bool access_is_repeated(const struct head *head, size_t at, const struct slice *value)
{
    for (size_t i = 0; i < at; i++)
        if (slice_eq(head->fields[i].name, head->fields[at].name) &&
            (!value || slice_eq(head->fields[i].value, *value)))
            return true;
    return false;
}

/* The same field many times over finds the same rules: looking at them once has to do, or a request
 * could make its check cost as many times more as it has fields. */
static void access_try_field(struct access_search *search, uint32_t hash, size_t at,
                             const struct slice *value)
{
    const struct access_index *index = search->index;
    size_t i = access_find_key(index->keys, index->n_keys, hash);
    if (i < index->n_keys && index->keys[i].hash == hash &&
        !access_is_repeated(search->peer->request->head, at, value))
        access_try_hash(search, hash);
}

static void access_try_headers(struct access_search *search)
{
    const struct head *head = search->peer->request->head;
    size_t longest = search->index->longest_bytes;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        if (field->name.len > longest)
            continue;
        access_try_field(search, access_hash_header(KEY_HEADER_NAME, field->name), i, NULL);
        if (field->value.len <= longest - field->name.len)
            access_try_field(
                search,
                access_hash(access_hash_header(KEY_HEADER_VALUE, field->name), field->value), i,
                &field->value);
    }
}

size_t access_index_first(const struct access_index *index, const struct access_peer *peer,
                          size_t before)
{
    struct access_search search = {index, peer, before};
    for (size_t i = 0; i < index->n_unkeyed && access_try(&search, index->unkeyed[i]); i++)
        ;
    if (index->n_keys > 0) {
        access_try_sources(&search);
        access_try_paths(&search);
    }
    if (index->longest_bytes > 0)
        access_try_headers(&search);
    return search.first;
}
