#include "controller/objects/access_policy.h"

#include "common/dns_name.h"
#include "common/spiffe.h"

#define RULES_MAX   1000
#define SOURCES_MAX 1000 /* in a rule; targets likewise */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Is there a whole trust domain, so that the rest of the ID is a path? */
static bool names_trust_domain(struct slice text)
{
    struct slice scheme = SLICE_LITERAL("spiffe://");
    return slice_starts_with(text, scheme) &&
           memchr(text.ptr + scheme.len, '/', text.len - scheme.len);
}

static const char *check_identity(const struct field *item, const void *context)
{
    (void)context;
    struct slice text = field_slice(item);
    char *copy = arena_text(item->reading->arena, text);
    if (item->reading->has_failed || !field_has_memory(item, copy))
        return "";
    char *star = strchr(copy, '*');
    bool is_at_end = star && star == copy + text.len - 1;
    if (star && (!is_at_end || !names_trust_domain(text))) {
        field_fail(item,
                   "\"%s\": a * may stand at the end of a path only, as in "
                   "spiffe://TRUST-DOMAIN/ns/NAMESPACE/*",
                   copy);
        return "";
    }
    struct spiffe_id id;
    struct err err;
    if (star)
        *star = 'x'; /* what it stands for is not known; anything that can end an ID will do */
    if (!spiffe_parse(slice_of(copy, text.len), &id, &err))
        field_fail(item, "%s", err.text);
    if (star)
        *star = '*';
    return copy;
}

/* "account" means the one of the policy's own namespace. */
static const char *check_service_account(const struct field *item, const void *context)
{
    const struct object *policy = context;
    struct slice text = field_slice(item);
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    struct slice account = slash ? slice_sub(text, (size_t)(slash - text.ptr) + 1, text.len) : text;
    struct slice namespace =
        slash ? slice_sub(text, 0, (size_t)(slash - text.ptr)) : slice_str(policy->namespace);
    if (item->reading->has_failed)
        return "";
    if (!dns_name_is_label(namespace) || !dns_name_ok(account)) {
        field_fail(item, "\"%.*s\" is neither ACCOUNT nor NAMESPACE/ACCOUNT", SLICE_ARG(text));
        return "";
    }
    const char *name =
        arena_printf(item->reading->arena, "%.*s/%.*s", SLICE_ARG(namespace), SLICE_ARG(account));
    return field_has_memory(item, name) ? name : "";
}

static const char *check_namespace(const struct field *item, const void *context)
{
    (void)context;
    return field_label_name(item);
}

static const char *check_ip_block(const struct field *item, const void *context)
{
    (void)context;
    struct cidr cidr;
    struct err err;
    const char *text = field_text(item);
    if (!item->reading->has_failed && !cidr_parse(slice_str(text), &cidr, &err))
        field_fail(item, "%s", err.text);
    return text;
}

static void check_unauthenticated(const struct field *field, struct access_source *source)
{
    if (!field_is_set(field))
        return;
    source->is_unauthenticated = field_bool(field, false);
    if (!source->is_unauthenticated)
        field_fail(field, "is false: leave it out, or say true");
    if (source->identities.n || source->service_accounts.n || source->namespaces.n)
        field_fail(field, "can never be together with identities, serviceAccounts or namespaces");
}

static void read_source(const struct field *from, const struct object *policy,
                        struct access_source *source)
{
    static const char *const names[] = {
        "identities",    "serviceAccounts",    "namespaces",    "ipBlocks",    "unauthenticated",
        "notIdentities", "notServiceAccounts", "notNamespaces", "notIpBlocks",
    };
    field_allow_only(from, names, COUNT(names));
    if (from->node->n_children == 0)
        field_fail(from, "is empty: name a source, or leave out `from` to mean everyone");
    struct field field = field_get(from, "identities");
    source->identities = field_texts(&field, check_identity, NULL);
    field = field_get(from, "notIdentities");
    source->not_identities = field_texts(&field, check_identity, NULL);
    field = field_get(from, "serviceAccounts");
    source->service_accounts = field_texts(&field, check_service_account, policy);
    field = field_get(from, "notServiceAccounts");
    source->not_service_accounts = field_texts(&field, check_service_account, policy);
    field = field_get(from, "namespaces");
    source->namespaces = field_texts(&field, check_namespace, NULL);
    field = field_get(from, "notNamespaces");
    source->not_namespaces = field_texts(&field, check_namespace, NULL);
    field = field_get(from, "ipBlocks");
    source->ip_blocks = field_texts(&field, check_ip_block, NULL);
    field = field_get(from, "notIpBlocks");
    source->not_ip_blocks = field_texts(&field, check_ip_block, NULL);
    field = field_get(from, "unauthenticated");
    check_unauthenticated(&field, source);
}

void access_rule_read(const struct field *field, const struct object *object,
                      struct access_rule *rule)
{
    static const char *const names[] = {"from", "to"};
    field_allow_only(field, names, COUNT(names));
    struct field from = field_get(field, "from");
    struct field to = field_get(field, "to");
    struct access_source *sources = field_take_items(&from, SOURCES_MAX, sizeof(*sources));
    struct access_target *targets = field_take_items(&to, SOURCES_MAX, sizeof(*targets));
    struct field item = {0};
    while (sources && field_next_item(&from, &item))
        read_source(&item, object, &sources[rule->n_from++]);
    item = (struct field){0};
    while (targets && field_next_item(&to, &item))
        access_target_read(&item, &targets[rule->n_to++]);
    rule->from = sources;
    rule->to = targets;
}

void access_policy_read(const struct field *root, struct object *object)
{
    struct access_policy *policy = (struct access_policy *)object;
    static const char *const names[] = {"selector", "action", "rules"};
    static const char *const actions[] = {"Allow", "Deny", "Audit"};
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    field_allow_only(&spec, names, COUNT(names));
    struct field selector = field_get(&spec, "selector");
    policy->selector = field_selector(&selector);
    struct field action = field_get(&spec, "action");
    field_require(&action);
    policy->action = (enum access_action)(field_choice(&action, actions, COUNT(actions)) + 1);
    struct field rules = field_get(&spec, "rules");
    if (!field_is_set(&rules) && policy->action != ACCESS_ALLOW)
        field_fail(&rules, "is missing: without rules a policy matches nothing, so that only an "
                           "Allow makes sense, which then allows nothing");
    struct access_rule *list = field_take_items(&rules, RULES_MAX, sizeof(*list));
    struct field item = {0};
    while (list && field_next_item(&rules, &item))
        access_rule_read(&item, object, &list[policy->n_rules++]);
    policy->rules = list;
}
