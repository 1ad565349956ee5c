#include "proxy/admin/pages.h"

void page_livez(struct admin_request *request, void *context)
{
    (void)context;
    admin_reply_text(request, HTTP_OK, "alive");
}
