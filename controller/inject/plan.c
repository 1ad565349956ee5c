#include "controller/inject/plan.h"

#include <string.h>

#include "controller/inject/names.h"
#include "controller/inject/warnings.h"
#include "controller/objects/quantity.h"

/* The endpoints' other readers hear of a pod's end a little after its kubelet does. */
#define PAUSE_MS 5000

/* More seconds than this a pod cannot wait for in our arithmetic; it is 31 years. */
#define GRACE_MAX_SEC 1000000000

static void plan_ports(struct plan *plan, json_t *warnings)
{
    plan->admin_port = wishes_uint(plan->wishes, WISH_ADMIN_PORT, INJECT_ADMIN_PORT);
    if (plan->admin_port != INJECT_INBOUND_PORT && plan->admin_port != INJECT_OUTBOUND_PORT)
        return;
    warnings_add(warnings,
                 "metadata.annotations[\"outrigger.dev/admin-port\"]: connections are redirected "
                 "to %u; the admin port stays %u",
                 (unsigned)plan->admin_port, INJECT_ADMIN_PORT);
    plan->admin_port = INJECT_ADMIN_PORT;
}

/* A request above the limit would be refused by the API server, and the pod with it. */
static void plan_resource(struct plan_resource *resource, json_t *warnings)
{
    uint64_t wanted, most;
    if (!resource->request || !resource->limit ||
        !quantity_parse(slice_str(resource->request), &wanted) ||
        !quantity_parse(slice_str(resource->limit), &most) || wanted <= most)
        return;
    warnings_add(warnings, "the proxy's %s request %s is more than its limit; it is lowered to %s",
                 resource->name, resource->request, resource->limit);
    resource->request = resource->limit;
}

static void plan_resources(struct plan *plan, json_t *warnings)
{
    const struct inject_settings *settings = plan->settings;
    const struct wishes *wishes = plan->wishes;
    plan->cpu =
        (struct plan_resource){"cpu", wishes_text(wishes, WISH_CPU_REQUEST, settings->cpu_request),
                               wishes_text(wishes, WISH_CPU_LIMIT, settings->cpu_limit)};
    plan->memory = (struct plan_resource){
        "memory", wishes_text(wishes, WISH_MEMORY_REQUEST, settings->memory_request),
        wishes_text(wishes, WISH_MEMORY_LIMIT, settings->memory_limit)};
    plan_resource(&plan->cpu, warnings);
    plan_resource(&plan->memory, warnings);
}

static uint64_t grace_ms(const json_t *spec)
{
    const json_t *seconds = json_object_get(spec, "terminationGracePeriodSeconds");
    json_int_t value = json_is_integer(seconds) ? json_integer_value(seconds) : INJECT_GRACE_SEC;
    if (value < 0)
        value = 0;
    return (uint64_t)(value < GRACE_MAX_SEC ? value : GRACE_MAX_SEC) * 1000;
}

/* Whatever is not done when the pod's grace has run out is killed: so it is to be done before. */
static void plan_end(struct plan *plan, const json_t *spec, json_t *warnings)
{
    const char *text = plan->wishes->text[WISH_DRAIN_TIMEOUT];
    uint64_t grace = grace_ms(spec);
    struct err ignored;
    if (!text || !option_parse_duration(slice_str(text), 0, UINT64_MAX, &plan->drain_ms, &ignored))
        plan->drain_ms = INJECT_DRAIN_TIMEOUT_MS;
    plan->pause_ms = plan->is_native ? 0 : PAUSE_MS;
    if (plan->pause_ms > grace / 3)
        plan->pause_ms = grace / 3 / 1000 * 1000;
    if (plan->drain_ms <= grace - plan->pause_ms)
        return;
    plan->drain_ms = grace - plan->pause_ms;
    char drain[OPTION_DURATION_BYTES];
    if (text)
        warnings_add(warnings,
                     "metadata.annotations[\"outrigger.dev/drain-timeout\"]: %s is more than "
                     "terminationGracePeriodSeconds leaves; the proxy drains for %s",
                     text, option_format_duration(plan->drain_ms, drain));
}

static void warn_of_ports(const struct plan *plan, const json_t *container, json_t *warnings)
{
    const json_t *ports = json_object_get(container, "ports");
    for (size_t i = 0; i < json_array_size(ports); i++) {
        json_int_t port =
            json_integer_value(json_object_get(json_array_get(ports, i), "containerPort"));
        if (port == INJECT_INBOUND_PORT || port == INJECT_OUTBOUND_PORT ||
            port == (json_int_t)plan->admin_port)
            warnings_add(warnings, "container %s listens on port %d, which is the proxy's",
                         json_string_value(json_object_get(container, "name")), (int)port);
    }
}

static json_int_t user_of(const json_t *with_context)
{
    const json_t *context = json_object_get(with_context, "securityContext");
    const json_t *user = json_object_get(context, "runAsUser");
    return json_is_integer(user) ? json_integer_value(user) : -1;
}

/* The redirect knows the proxy by its user: who shares it goes round the mesh. */
static void warn_of_user(const struct plan *plan, const json_t *spec, const json_t *container,
                         json_t *warnings)
{
    json_int_t user = user_of(container);
    if (user < 0)
        user = user_of(spec);
    if (user == (json_int_t)plan->user)
        warnings_add(warnings,
                     "container %s runs as user %d, as the proxy does: what it calls is not in the "
                     "mesh",
                     json_string_value(json_object_get(container, "name")), (int)user);
}

static void warn_of_containers(const struct plan *plan, const json_t *spec, const char *list,
                               json_t *warnings)
{
    const json_t *containers = json_object_get(spec, list);
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        if (!json_is_string(json_object_get(container, "name")))
            continue;
        warn_of_ports(plan, container, warnings);
        warn_of_user(plan, spec, container, warnings);
    }
}

/* What only a native sidecar does right. */
static void warn_of_ordinary(const json_t *spec, json_t *warnings)
{
    const char *policy = json_string_value(json_object_get(spec, "restartPolicy"));
    if (policy && strcmp(policy, "Always") != 0)
        warnings_add(warnings, "the pod does not end with its application, as the proxy is an "
                               "ordinary container: use native sidecars, or POST /quit to the "
                               "proxy's admin port");
    if (json_array_size(json_object_get(spec, "initContainers")) > 0)
        warnings_add(warnings, "init containers run before the proxy, as it is an ordinary "
                               "container: what they call does not answer");
}

/* Has it CPU and memory with a limit, and requests that are the same, or not said? */
static bool is_guaranteed(const json_t *container)
{
    static const char *const names[] = {"cpu", "memory"};
    const json_t *resources = json_object_get(container, "resources");
    const json_t *limits = json_object_get(resources, "limits");
    const json_t *requests = json_object_get(resources, "requests");
    for (size_t i = 0; i < 2; i++) {
        const json_t *limit = json_object_get(limits, names[i]);
        const json_t *request = json_object_get(requests, names[i]);
        if (!limit || (request && !json_equal(limit, request)))
            return false;
    }
    return true;
}

static bool is_pinned(const struct plan_resource *resource)
{
    return resource->request && resource->limit && strcmp(resource->request, resource->limit) == 0;
}

/* One container without limits takes the whole pod out of the class that is evicted last. */
static void warn_of_class(const struct plan *plan, const json_t *spec, json_t *warnings)
{
    const json_t *containers = json_object_get(spec, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++)
        if (!is_guaranteed(json_array_get(containers, i)))
            return;
    if (!is_pinned(&plan->cpu) || !is_pinned(&plan->memory))
        warnings_add(warnings, "the pod's QoS class becomes Burstable; it stays Guaranteed with "
                               "outrigger.dev/proxy-cpu-limit and proxy-memory-limit that are as "
                               "the proxy's requests");
}

/* The pod's own resolver may not know the cluster's names. */
static void warn_of_dns(const struct plan *plan, const json_t *spec, json_t *warnings)
{
    const char *policy = json_string_value(json_object_get(spec, "dnsPolicy"));
    if (policy && (strcmp(policy, "Default") == 0 || strcmp(policy, "None") == 0))
        warnings_add(warnings, "dnsPolicy is \"%s\": the proxy must find %s with it", policy,
                     plan->settings->controller);
}

void plan_make(const struct inject_settings *settings, const struct wishes *wishes,
               const json_t *spec, struct plan *plan, json_t *warnings)
{
    *plan = (struct plan){.settings = settings, .wishes = wishes};
    plan->is_native = wishes_bool(wishes, WISH_NATIVE_SIDECAR, settings->sidecars == INJECT_NATIVE);
    plan->is_held = wishes_bool(wishes, WISH_HOLD_APPLICATION, true);
    plan->user = wishes_uint(wishes, WISH_RUN_AS_USER, INJECT_USER);
    plan_ports(plan, warnings);
    plan_resources(plan, warnings);
    plan_end(plan, spec, warnings);
    warn_of_containers(plan, spec, "initContainers", warnings);
    warn_of_containers(plan, spec, "containers", warnings);
    warn_of_class(plan, spec, warnings);
    warn_of_dns(plan, spec, warnings);
    if (!plan->is_native)
        warn_of_ordinary(spec, warnings);
}
