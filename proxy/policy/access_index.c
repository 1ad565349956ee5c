#include "proxy/policy/access_index.h"

#include <stdlib.h>

/* Kinds of key; they begin their hashes with different numbers. */
enum access_key_kind { KEY_PATH, KEY_IDENTITY, KEY_ACCOUNT, KEY_NAMESPACE, KEY_NOBODY };

/* Keys while they are collected. */
struct access_keys {
    struct access_key *list;
    size_t n, room;
    size_t deepest_bytes;
    bool is_short; /* of memory */
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
        if (paths->n == 0)
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

/* How many rules would be looked at with the keys from `first` on. */
static size_t access_weigh(const struct access_keys *all, const struct access_keys *keys,
                           size_t first, size_t end)
{
    size_t weight = 0;
    for (size_t i = first; i < end; i++) {
        size_t at = access_find_key(all->list, all->n, keys->list[i].hash);
        size_t after = access_find_key(all->list, all->n, keys->list[i].hash + 1);
        weight += after > at ? after - at : 1; /* a hash of UINT32_MAX has none after it */
    }
    return weight;
}

/* Under its path or under its sources, whichever is the rarer. False: neither. */
static bool access_file_rule(struct access_keys *keys, const struct access_keys *all,
                             const struct access_rule *rule, uint32_t ref)
{
    size_t first = keys->n, deepest_bytes = keys->deepest_bytes;
    bool has_paths = access_add_paths(keys, rule, ref);
    if (!has_paths)
        keys->n = first;
    size_t middle = keys->n;
    bool has_sources = access_add_sources(keys, rule, ref);
    if (!has_sources)
        keys->n = middle;
    if (!has_sources || !has_paths)
        return has_sources || has_paths;
    if (access_weigh(all, keys, first, middle) <= access_weigh(all, keys, middle, keys->n)) {
        keys->n = middle;
        return true;
    }
    memmove(keys->list + first, keys->list + middle, (keys->n - middle) * sizeof(*keys->list));
    keys->n -= middle - first;
    keys->deepest_bytes = deepest_bytes;
    return true;
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
    struct access_keys all = {0}, keys = {0};
    if (!access_collect_rules(policies, action, index))
        return false;
    for (uint32_t i = 0; i < index->n_refs; i++) {
        (void)!access_add_paths(&all, index->refs[i].rule, i);
        (void)!access_add_sources(&all, index->refs[i].rule, i);
    }
    access_sort_keys(&all);
    for (uint32_t i = 0; i < index->n_refs; i++)
        if (!access_file_rule(&keys, &all, index->refs[i].rule, i))
            index->unkeyed[index->n_unkeyed++] = i;
    access_sort_keys(&keys);
    free(all.list);
    index->keys = keys.list;
    index->n_keys = keys.n;
    index->deepest_bytes = keys.deepest_bytes;
    return !all.is_short && !keys.is_short;
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
    return search.first;
}
