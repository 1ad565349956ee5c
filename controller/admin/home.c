#include "controller/admin/home.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/admin_http.h"
#include "common/clock.h"
#include "common/text.h"
#include "common/version.h"
#include "controller/objects/keys.h"

#define HOME_MAX_ROWS 1000 /* of proxies; the rest are on /proxies */

static void put_escaped(struct buf *out, const char *text)
{
    (void)!text_html(out, text ? text : ""); /* what does not fit is left out */
}

static void put_cell(struct buf *out, const char *text)
{
    buf_printf(out, "<td>");
    put_escaped(out, text);
    buf_printf(out, "</td>");
}

static void put_span(struct buf *out, int64_t seconds)
{
    char text[TEXT_SPAN_BYTES];
    buf_printf(out, "%s", text_span(seconds, text));
}

static void put_time_left(struct buf *out, int64_t seconds)
{
    if (seconds < 0)
        buf_printf(out, "expired");
    else
        put_span(out, seconds);
}

static void put_problems(const struct problems *problems, struct buf *out)
{
    buf_printf(out, "<h2>Problems: %zu</h2>\n", problems_count(problems));
    const char **list = problems_list(problems);
    for (size_t i = 0; list && i < problems_count(problems); i++) {
        buf_printf(out, "<p class=bad>");
        put_escaped(out, list[i]);
        buf_printf(out, "</p>\n");
    }
    free(list);
}

static void put_proxy(const struct delta_stream *stream, struct buf *out)
{
    buf_printf(out, "<tr>");
    put_cell(out, stream->node);
    put_cell(out, stream->identity);
    put_cell(out, stream->address);
    buf_printf(out, "<td>");
    put_span(out, clock_wall_sec() - stream->since);
    buf_printf(out, "</td><td>");
    put_time_left(out, stream->not_after - clock_wall_sec());
    buf_printf(out, "</td><td>%zu</td><td>%" PRIu64 "</td>", stream->state.n_subscriptions,
               stream->state.n_nacks);
    put_cell(out, stream->last_nack);
    buf_printf(out, "</tr>\n");
}

static void put_proxies(const struct delta_streams *streams, struct buf *out)
{
    buf_printf(out,
               "<h2>Proxies: %" PRIu64
               "</h2>\n<table><tr><th>pod<th>identity<th>address<th>connected"
               "<th>certificate left<th>subscriptions<th>refusals<th>last refusal</tr>\n",
               streams->n_open);
    int rows = 0;
    LIST_EACH(node, &streams->open) {
        if (rows++ == HOME_MAX_ROWS)
            break;
        put_proxy(LIST_ENTRY(node, struct delta_stream, open_node), out);
    }
    buf_printf(out, "</table>\n");
    if (streams->n_open > HOME_MAX_ROWS)
        buf_printf(out, "<p>The first %d; all of them are on <a href=/proxies>/proxies</a>.</p>\n",
                   HOME_MAX_ROWS);
}

static void put_certificates(const struct admin_sources *sources, struct buf *out)
{
    int64_t now = clock_wall_sec();
    buf_printf(out, "<h2>Certificates</h2>\n<table><tr><th>certificate<th>time left</tr>\n<tr>");
    buf_printf(out, "<td>root of ");
    put_escaped(out, ca_trust_domain(sources->ca));
    buf_printf(out, "</td><td>");
    put_time_left(out, ca_root_not_after(sources->ca) - now);
    buf_printf(out, "</td></tr>\n<tr><td>the controller's own</td><td>");
    put_time_left(out, svid_not_after(server_identity_svid(sources->own_identity)) - now);
    buf_printf(out, "</td></tr></table>\n<p>Signed for proxies since the start: %" PRIu64 "</p>\n",
               identity_service_stats(sources->identity).certified);
}

static void put_objects(const struct store *store, struct buf *out)
{
    buf_printf(out, "<h2>Objects</h2>\n<table><tr>");
    for (int i = 0; i < OBJECT_KINDS; i++)
        buf_printf(out, "<th>%s", object_kind_name((enum object_kind)i));
    buf_printf(out, "</tr>\n<tr>");
    for (int i = 0; i < OBJECT_KINDS; i++) {
        char key[STORE_KEY_BYTES];
        buf_printf(out, "<td>%zu</td>", store_find(store, key_of_kind(key, (enum object_kind)i)).n);
    }
    buf_printf(out, "</tr></table>\n");
}

static void put_head(const struct admin_sources *sources, struct buf *out)
{
    buf_printf(
        out,
        "<!doctype html><meta charset=utf-8><title>Outrigger controller</title>\n"
        "<style>body{font:14px sans-serif;margin:2em;max-width:75em}table{border-collapse:collapse}"
        "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left}.bad{color:#b00}</style>\n"
        "<h1>Outrigger controller</h1>\n<p>Version %s, trust domain ",
        OUTRIGGER_VERSION);
    put_escaped(out, ca_trust_domain(sources->ca));
    buf_printf(out,
               "%s. More: <a href=/proxies>/proxies</a> <a href=/objects>/objects</a> "
               "<a href=/certificates>/certificates</a> <a href=/config>/config</a> "
               "<a href=/metrics>/metrics</a> <a href=/log-level>/log-level</a></p>\n",
               *sources->is_draining ? ", <b>draining</b>" : "");
}

void home_write(const struct admin_sources *sources, struct buf *out)
{
    buf_init(out, ADMIN_HTML_MAX_BYTES);
    put_head(sources, out);
    put_problems(sources->problems, out);
    put_proxies(delta_server_streams(sources->delta), out);
    put_certificates(sources, out);
    put_objects(sources->store, out);
}
