#include "proxy/flow_labels.h"

#include <stdio.h>

#include "common/spiffe.h"

struct flow_labels flow_labels_of(const struct flow_known *known)
{
    bool is_inbound = known->direction == DIRECTION_INBOUND;
    const char *own = known->workload ? known->workload->workload : "";
    const char *other = known->endpoint ? known->endpoint->workload : "";
    return (struct flow_labels){
        .direction = known->direction,
        .source_identity = known->source_identity,
        .source_workload = is_inbound ? "" : own,
        .source_namespace = "",
        .destination_identity =
            flow_destination_identity(known->direction, known->own_identity, known->endpoint),
        .destination_workload = is_inbound ? own : other,
        .destination_namespace = "",
        .service = known->service && known->service->is_known ? known->service->name : "",
        .route = known->route ? known->route : "",
        .tls = known->tls,
        .policy = known->policy,
    };
}

/* The namespace in a SPIFFE ID, copied; "" when it has none. */
static const char *identity_namespace(const char *identity, char *text, size_t size)
{
    struct spiffe_id id;
    struct err err;
    text[0] = '\0';
    if (identity[0] && spiffe_parse(slice_str(identity), &id, &err))
        snprintf(text, size, "%.*s", SLICE_ARG(id.namespace));
    return text;
}

void flow_labels_add_namespaces(struct flow_labels *labels, const struct flow_known *known,
                                struct flow_namespaces *texts)
{
    labels->source_namespace =
        identity_namespace(labels->source_identity, texts->source, sizeof(texts->source));
    /* A Service says it where its endpoint is not in the mesh, too. */
    labels->destination_namespace =
        labels->service[0] ? known->service->namespace
                           : identity_namespace(labels->destination_identity, texts->destination,
                                                sizeof(texts->destination));
}
