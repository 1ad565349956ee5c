/*
 * Policies from one line each, so that a test's table reads as what is tested:
 *
 *     "deny shop/p from namespace=web not_ip=10.0.0.0/8 from unauthenticated to port=80-90 rule
 * ..."
 *
 * action, name, then words: `rule` begins another rule, `from` a source, `to` a target. Everything
 * lives in an arena that is never freed before policies_free().
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
        else if (to && strncmp(word, "port=", 5) == 0)
            policies_range(&to->ports, &to->n_ports, word + 5);
        else if (to && strncmp(word, "not_port=", 9) == 0)
            policies_range(&to->not_ports, &to->n_not_ports, word + 9);
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
