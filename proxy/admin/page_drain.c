#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"

void page_drain(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    sources->drain(sources->context);
    admin_reply_text(request, HTTP_OK, "draining");
}
