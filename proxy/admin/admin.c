#include "proxy/admin/admin.h"

#include "common/admin_log_level.h"
#include "proxy/admin/pages.h"
#include "proxy/probe/probes.h"

const struct admin_page admin_pages[] = {
    {"/", "GET", false, "this page", page_index},
    {"/livez", "GET", true, "200 while the process answers", page_livez},
    {"/readyz", "GET", true, "200 when traffic may come; else what is missing", page_readyz},
    {"/metrics", "GET", true, "counters, for Prometheus and OpenMetrics", page_metrics},
    {"/config", "GET", false, "options, mesh settings and the state of the controller",
     page_config},
    {"/services", "GET", false, "what was dialled and what the controller said it is",
     page_services},
    {"/endpoints", "GET", false, "where services are, and what the balancers have learned",
     page_endpoints},
    {"/connections", "GET", false, "every connection that is open", page_connections},
    {"/certificates", "GET", false, "the proxy's certificate and whom it trusts",
     page_certificates},
    {"/policies", "GET", false, "inbound TLS modes and access policies, as they are understood",
     page_policies},
    {"/log-level", "GET POST", false, ADMIN_LOG_LEVEL_HELP, admin_serve_log_level},
    {"/memory", "GET POST", false, "memory and descriptors; POST gives back what is free",
     page_memory},
    {"/explain", "GET", false,
     "what would become of a request, and why: ?direction= destination= method= path= host= "
     "header= "
     "identity= source=",
     page_explain},
    {"/tap", "GET", false,
     "live requests as JSON lines: ?direction= method= path= status= reason= identity= service= "
     "min-duration= sample= limit=",
     page_tap},
    {PROBES_PATH, "GET", true,
     "asks a probe of the application in the kubelet's place; alone: which there are",
     page_app_probe},
    {"/drain", "POST", false, "end when the open connections have ended, as on SIGTERM",
     page_drain},
    {"/quit", "POST", false, "end now", page_quit},
};
const size_t admin_n_pages = sizeof(admin_pages) / sizeof(admin_pages[0]);

struct admin_http *admin_start(struct event_base *base, const struct sockaddr_any *address,
                               const struct sockaddr_any *fallback, struct admin_sources *sources,
                               struct err *err)
{
    struct err first;
    struct admin_http *admin =
        admin_http_new(base, address, admin_pages, admin_n_pages, sources, &first);
    if (admin || addr_eq(address, fallback)) {
        if (!admin)
            *err = first;
        return admin;
    }
    return admin_http_new(base, fallback, admin_pages, admin_n_pages, sources, err);
}
