#include "controller/compile/external.h"

#include "controller/compile/access.h"
#include "controller/compile/endpoints.h"
#include "controller/objects/service.h"

static char *text(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const struct service *service_of(struct compile *compile,
                                        const struct external_reference *reference)
{
    return (const struct service *)compile_get(compile, OBJECT_SERVICE, reference->namespace,
                                               reference->name);
}

static bool is_asked_itself(const struct service *service, const struct pod *pod)
{
    return service && service->selector.n > 0 &&
           strcmp(service->object.namespace, pod->object.namespace) == 0 &&
           labels_match(service->selector, pod->object.labels);
}

/* NULL: nobody is asked, or memory is short. */
static Outrigger__V1__ExternalService *reference_make(struct compile *compile,
                                                      const struct pod *pod,
                                                      const struct external_reference *reference)
{
    if (!reference->policy)
        return NULL;
    const struct service *service = service_of(compile, reference);
    Outrigger__V1__ExternalService *message =
        is_asked_itself(service, pod) ? NULL : compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    const struct service_port *port =
        service ? service_port_by_number(service, reference->port) : NULL;
    outrigger__v1__external_service__init(message);
    message->policy = text(reference->policy);
    message->service =
        compile_text(compile, "%s/%s:%u", reference->namespace, reference->name, reference->port);
    message->timeout_ms = reference->timeout_ms;
    if (reference->match)
        message->match = access_compile_rule(compile, reference->match);
    if (!service)
        message->why = compile_text(compile, "there is no Service %s/%s", reference->namespace,
                                    reference->name);
    else if (!port)
        message->why = compile_text(compile, "Service %s/%s has no port %u", reference->namespace,
                                    reference->name, reference->port);
    else
        message->endpoints =
            endpoints_name(compile, service, port,
                           service->addresses.n ? service->addresses.list[0].family : AF_INET);
    return message;
}

static Outrigger__V1__LimitDescriptor *descriptor_make(struct compile *compile,
                                                       const struct external_descriptor *from)
{
    Outrigger__V1__LimitDescriptor *message = compile_take(compile, 1, sizeof(*message));
    Outrigger__V1__LimitEntry *entries = compile_take(compile, from->n, sizeof(*entries));
    Outrigger__V1__LimitEntry **list = compile_take(compile, from->n, sizeof(*list));
    if (!message || !entries || !list)
        return NULL;
    outrigger__v1__limit_descriptor__init(message);
    message->entries = list;
    for (size_t i = 0; i < from->n; i++) {
        outrigger__v1__limit_entry__init(&entries[i]);
        entries[i].key = text(from->entries[i].key);
        entries[i].from = (Outrigger__V1__LimitValue)from->entries[i].from;
        entries[i].value = text(from->entries[i].value);
        list[message->n_entries++] = &entries[i];
    }
    return message;
}

static void fill_limiter(struct compile *compile, const struct pod *pod,
                         const struct traffic_limiter *limiter, Outrigger__V1__Workload *workload)
{
    Outrigger__V1__ExternalService *service = reference_make(compile, pod, &limiter->service);
    Outrigger__V1__GlobalLimits *message =
        service ? compile_take(compile, 1, sizeof(*message)) : NULL;
    if (!message)
        return;
    outrigger__v1__global_limits__init(message);
    message->service = service;
    message->fail_closed = limiter->is_fail_closed;
    message->domain = text(limiter->domain);
    message->descriptors = compile_take(compile, limiter->n, sizeof(*message->descriptors));
    for (size_t i = 0; message->descriptors && i < limiter->n; i++)
        message->descriptors[message->n_descriptors++] =
            descriptor_make(compile, &limiter->descriptors[i]);
    workload->global_limits = message;
}

void external_compile(struct compile *compile, const struct pod *pod,
                      const struct traffic_authorizer *authorizer,
                      const struct traffic_limiter *limiter, Outrigger__V1__Workload *workload)
{
    Outrigger__V1__ExternalService *service = reference_make(compile, pod, &authorizer->service);
    Outrigger__V1__ExternalAuthorization *message =
        service ? compile_take(compile, 1, sizeof(*message)) : NULL;
    if (message) {
        outrigger__v1__external_authorization__init(message);
        message->service = service;
        message->fail_open = authorizer->is_fail_open;
        message->headers = (char **)(uintptr_t)authorizer->headers.list;
        message->n_headers = authorizer->headers.n;
        workload->external_authorization = message;
    }
    fill_limiter(compile, pod, limiter, workload);
}
