#include <jansson.h>

#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"

static json_t *ports_json(const struct workload *workload)
{
    json_t *ports = json_array();
    for (size_t i = 0; ports && i < workload->n_ports; i++) {
        const struct inbound_port *port = &workload->ports[i];
        json_array_append_new(ports, json_pack("{s:i,s:s,s:s}", "port", port->port, "protocol",
                                               protocol_name(port->protocol), "mtls_mode",
                                               mtls_mode_name(port->mtls_mode)));
    }
    return ports;
}

void page_policies(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    const struct workload *workload = control_snapshot(sources->control)->workload;
    if (!workload) {
        admin_reply_text(request, HTTP_SERVUNAVAIL,
                         "the controller has not told the inbound policy yet; all is refused");
        return;
    }
    admin_reply_json(request,
                     json_pack("{s:s,s:o,s:o}", "mtls_mode", mtls_mode_name(workload->mtls_mode),
                               "ports", ports_json(workload), "access",
                               access_describe(workload->access)));
}
