#include "proxy/admin/pages.h"

#include "proxy/admin/readiness.h"

void page_readyz(struct admin_request *request, void *context)
{
    struct err why;
    if (readiness_check(context, &why))
        admin_reply_text(request, HTTP_OK, "ready");
    else
        admin_reply_text(request, HTTP_SERVUNAVAIL, "%s", why.text);
}
