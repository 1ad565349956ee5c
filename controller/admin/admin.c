#include "controller/admin/admin.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/admin_http.h"
#include "common/admin_log_level.h"
#include "controller/admin/home.h"
#include "controller/admin/metrics.h"
#include "controller/admin/pages.h"

struct admin {
    struct admin_sources sources;
    struct admin_http *http;
};

static void serve_livez(struct admin_request *request, void *context)
{
    (void)context;
    admin_reply_text(request, 200, "ok");
}

static void serve_readyz(struct admin_request *request, void *context)
{
    const struct admin *admin = context;
    if (*admin->sources.is_draining)
        admin_reply_text(request, 503, "draining");
    else
        admin_reply_text(request, 200, "ok");
}

static void reply_buf(struct admin_request *request, const char *type, struct buf *body)
{
    struct slice bytes = buf_slice(body);
    admin_reply(request, 200, type, bytes.ptr ? bytes.ptr : "", bytes.len);
    buf_fini(body);
}

static void serve_metrics(struct admin_request *request, void *context)
{
    struct buf body;
    const struct admin_http *server = admin_request_server(request);
    metrics_write(&((struct admin *)context)->sources, admin_http_counts(server), &body);
    reply_buf(request, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static void serve_home(struct admin_request *request, void *context)
{
    struct buf body;
    home_write(&((struct admin *)context)->sources, &body);
    admin_reply_html(request, buf_slice(&body));
    buf_fini(&body);
}

static void serve_proxies(struct admin_request *request, void *context)
{
    admin_reply_json(request, proxies_json(&((struct admin *)context)->sources));
}

static void serve_objects(struct admin_request *request, void *context)
{
    admin_reply_json(request, objects_json(&((struct admin *)context)->sources));
}

static void serve_certificates(struct admin_request *request, void *context)
{
    admin_reply_json(request, certificates_json(&((struct admin *)context)->sources));
}

static void serve_config(struct admin_request *request, void *context)
{
    const struct admin *admin = context;
    admin_reply_json(request, settings_json(admin->sources.settings));
}

static const struct admin_page pages[] = {
    {"/", "GET", false, "this overview", serve_home},
    {"/livez", "GET", true, "200 while the process runs", serve_livez},
    {"/readyz", "GET", true, "200 while it serves, 503 while it drains", serve_readyz},
    {"/metrics", "GET", true, "counters for Prometheus", serve_metrics},
    {"/proxies", "GET", false, "each stream: who, since when, what it has been told",
     serve_proxies},
    {"/objects", "GET", false, "what was read, and what is wrong with it", serve_objects},
    {"/certificates", "GET", false, "the root and the controller's own, with the time left",
     serve_certificates},
    {"/config", "GET", false, "the settings in force", serve_config},
    {"/log-level", "GET POST", false, ADMIN_LOG_LEVEL_HELP, admin_serve_log_level},
};

struct admin *admin_start(struct event_base *base, const struct sockaddr_any *listen,
                          const struct admin_sources *sources, struct err *err)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    if (!admin) {
        err_set(err, "admin: out of memory");
        return NULL;
    }
    admin->sources = *sources;
    admin->http = admin_http_new(base, listen, pages, sizeof(pages) / sizeof(pages[0]), admin, err);
    if (admin->http)
        return admin;
    free(admin);
    return NULL;
}

uint16_t admin_port(const struct admin *admin)
{
    return admin_http_port(admin->http);
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    admin_http_free(admin->http);
    free(admin);
}
