#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"

void page_quit(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    /* The answer first: it is written while the workers stop. */
    admin_reply_text(request, HTTP_OK, "ending");
    sources->quit(sources->context);
}
