#include "proxy/admin/pages.h"

#include "proxy/admin/admin.h"
#include "proxy/probe/probes.h"

void page_app_probe(struct admin_request *request, void *context)
{
    const struct admin_sources *sources = context;
    probes_ask(sources->probes, admin_request_rest(request), request);
}
