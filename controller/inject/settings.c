#include "controller/inject/settings.h"

#include <string.h>

#include "controller/objects/quantity.h"

static bool check_quantity(const char *option, const char *text, uint64_t *milli, struct err *err)
{
    return quantity_parse(slice_str(text), milli) ||
           err_set(err, "%s: \"%s\" is no quantity (500m, 2, 64Mi)", option, text);
}

static bool check_pair(const char *resource, const char *request, const char *limit,
                       struct err *err)
{
    char option[64];
    uint64_t wanted = 0, most = UINT64_MAX;
    snprintf(option, sizeof(option), "--proxy-%s-request", resource);
    if (request && !check_quantity(option, request, &wanted, err))
        return false;
    snprintf(option, sizeof(option), "--proxy-%s-limit", resource);
    if (limit && !check_quantity(option, limit, &most, err))
        return false;
    return wanted <= most || err_set(err, "--proxy-%s-request is more than the limit", resource);
}

bool inject_settings_check(const struct inject_settings *settings, struct err *err)
{
    static const char *const policies[] = {"Always", "IfNotPresent", "Never"};
    bool is_known = !settings->pull_policy;
    for (size_t i = 0; !is_known && i < sizeof(policies) / sizeof(policies[0]); i++)
        is_known = strcmp(settings->pull_policy, policies[i]) == 0;
    if (!is_known)
        return err_set(err, "--image-pull-policy: \"%s\" is none of Always, IfNotPresent, Never",
                       settings->pull_policy);
    return check_pair("cpu", settings->cpu_request, settings->cpu_limit, err) &&
           check_pair("memory", settings->memory_request, settings->memory_limit, err);
}
