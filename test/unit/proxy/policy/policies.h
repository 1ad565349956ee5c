/*
 * Policies from one line each, so that a test's table reads as what is tested:
 *
 *     "deny shop/p from namespace=web not_ip=10.0.0.0/8 from unauthenticated to port=80-90 rule
 * ..."
 *
 * action, name, then words: `rule` begins another rule, `from` a source, `to` a target. In a target
 * also: method= path= host= grpc= header=NAME or header=NAME:VALUE|VALUE, and not_ forms of each.
 * Everything is freed by policies_free().
 */
#ifndef OUTRIGGER_TEST_PROXY_POLICIES_H
#define OUTRIGGER_TEST_PROXY_POLICIES_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/resources.pb-c.h"
#include "test/unit/proxy/pack.h"

/* A list of pointers that grows by one; `list` and `n` are the fields of a generated struct. */
static inline void *policies_add(void *list_field, size_t *n, void *item)
{
    void ***list = list_field;
    *list = realloc(*list, (*n + 1) * sizeof(void *));
    assert(*list);
    (*list)[(*n)++] = item;
    return item;
}

#define POLICIES_NEW(type, init, list, n)                                                          \
    ({                                                                                             \
        type *new_ = malloc(sizeof(*new_));                                                        \
        assert(new_);                                                                              \
        *new_ = (type)init;                                                                        \
        policies_add(&(list), &(n), new_);                                                         \
        new_;                                                                                      \
    })

static inline void policies_range(Outrigger__V1__PortRange ***list, size_t *n, const char *text)
{
    Outrigger__V1__PortRange *range =
        POLICIES_NEW(Outrigger__V1__PortRange, OUTRIGGER__V1__PORT_RANGE__INIT, *list, *n);
    if (sscanf(text, "%u-%u", &range->first, &range->last) == 1)
        range->last = range->first;
}

static inline void policies_source_word(Outrigger__V1__AccessSource *from, const char *word)
{
    const char *value = strchr(word, '=');
    size_t key_len = value ? (size_t)(value - word) : strlen(word);
    struct slice key = slice_of(word, key_len);
    value = value ? value + 1 : "";
#define X(name, field)                                                                             \
    if (slice_eq_str(key, name)) {                                                                 \
        policies_add(&from->field, &from->n_##field, strdup(value));                               \
        return;                                                                                    \
    }
    X("id", identities)
    X("account", service_accounts)
    X("namespace", namespaces)
    X("ip", ip_blocks)
    X("not_id", not_identities)
    X("not_account", not_service_accounts)
    X("not_namespace", not_namespaces)
    X("not_ip", not_ip_blocks)
#undef X
    assert(slice_eq_str(key, "unauthenticated"));
    from->unauthenticated = 1;
}

static inline void policies_header(Outrigger__V1__HeaderCondition ***list, size_t *n,
                                   const char *text)
{
    Outrigger__V1__HeaderCondition *header = POLICIES_NEW(
        Outrigger__V1__HeaderCondition, OUTRIGGER__V1__HEADER_CONDITION__INIT, *list, *n);
    size_t name_len = strcspn(text, ":");
    header->name = strndup(text, name_len);
    if (!text[name_len])
        return;
    char *copy = strdup(text + name_len + 1), *rest = copy;
    for (char *value; (value = strsep(&rest, "|"));)
        policies_add(&header->values, &header->n_values, strdup(value));
    free(copy);
}

static inline void policies_target_word(Outrigger__V1__AccessTarget *to, const char *word)
{
    const char *value = strchr(word, '=');
    assert(value);
    struct slice key = slice_of(word, (size_t)(value++ - word));
#define X(name, field)                                                                             \
    if (slice_eq_str(key, name)) {                                                                 \
        policies_add(&to->field, &to->n_##field, strdup(value));                                   \
        return;                                                                                    \
    }
    X("method", methods)
    X("not_method", not_methods)
    X("path", paths)
    X("not_path", not_paths)
    X("host", hosts)
    X("not_host", not_hosts)
    X("grpc", grpc_methods)
    X("not_grpc", not_grpc_methods)
#undef X
    if (slice_eq_str(key, "port"))
        policies_range(&to->ports, &to->n_ports, value);
    else if (slice_eq_str(key, "not_port"))
        policies_range(&to->not_ports, &to->n_not_ports, value);
    else if (slice_eq_str(key, "header"))
        policies_header(&to->headers, &to->n_headers, value);
    else if (slice_eq_str(key, "not_header"))
        policies_header(&to->not_headers, &to->n_not_headers, value);
    else
        assert(!"a word of a target");
}

static inline int policies_action(const char *word)
{
    static const char *const names[] = {"unspecified", "allow", "deny", "audit", "newer"};
    int action = 0;
    while (strcmp(word, names[action]) != 0)
        action++;
    return action;
}

static inline Outrigger__V1__AccessPolicy *policies_parse(const char *text)
{
    Outrigger__V1__AccessPolicy *policy = malloc(sizeof(*policy));
    Outrigger__V1__AccessRule *rule = NULL;
    Outrigger__V1__AccessSource *from = NULL;
    Outrigger__V1__AccessTarget *to = NULL;
    char *copy = strdup(text), *rest = copy;
    assert(policy && copy);
    *policy = (Outrigger__V1__AccessPolicy)OUTRIGGER__V1__ACCESS_POLICY__INIT;
    policy->action = policies_action(strsep(&rest, " "));
    policy->name = strdup(strsep(&rest, " "));
    for (char *word; (word = strsep(&rest, " "));) {
        bool is_rule = strcmp(word, "rule") == 0, is_from = strcmp(word, "from") == 0,
             is_to = strcmp(word, "to") == 0;
        if (is_rule || !rule)
            rule = POLICIES_NEW(Outrigger__V1__AccessRule, OUTRIGGER__V1__ACCESS_RULE__INIT,
                                policy->rules, policy->n_rules);
        if (is_rule || is_from || is_to) {
            from = NULL;
            to = NULL;
        }
        if (is_from)
            from = POLICIES_NEW(Outrigger__V1__AccessSource, OUTRIGGER__V1__ACCESS_SOURCE__INIT,
                                rule->from, rule->n_from);
        else if (is_to)
            to = POLICIES_NEW(Outrigger__V1__AccessTarget, OUTRIGGER__V1__ACCESS_TARGET__INIT,
                              rule->to, rule->n_to);
        else if (from)
            policies_source_word(from, word);
        else if (to)
            policies_target_word(to, word);
        else
            assert(is_rule);
    }
    free(copy);
    return policy;
}

/* Everything in a parsed policy was malloc'd, as protobuf-c would have done. */
static inline void policies_free(Outrigger__V1__AccessPolicy *policy)
{
    outrigger__v1__access_policy__free_unpacked(policy, NULL);
}

#endif
