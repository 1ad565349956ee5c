/*
 * The way out of the mesh where only what is known may be gone to: a connection whose destination
 * is no Service's passes if it is for something outside that has a name. TLS says the name in its
 * first message, which is waited for as long as a codec would wait for a head.
 */
#include "proxy/tunnel_parts.h"

#include "common/clock.h"
#include "proxy/detect/client_hello.h"

/* False: more has to come before it can be said. */
static bool read_name(struct tunnel *tunnel, struct slice *name)
{
    struct client_hello hello;
    struct slice bytes = slice_sub(buf_slice(&tunnel->client.early), 0, CLIENT_HELLO_MAX_INPUT);
    *name = slice_of(NULL, 0);
    if (bytes.len == 0)
        return true; /* silent: it has been waited for */
    switch (client_hello_parse(bytes, tunnel->workspace->conns.output.data, &hello)) {
    case CLIENT_HELLO_MORE:
        return bytes.len == CLIENT_HELLO_MAX_INPUT;
    case CLIENT_HELLO_TLS:
        *name = hello.server_name;
        break;
    case CLIENT_HELLO_NOT_TLS:
        break;
    }
    return true;
}

static enum tunnel_step wait_for_more(struct tunnel *tunnel)
{
    if (!tunnel->is_entered)
        tunnel_set_timer(tunnel, tunnel->workspace->codecs.limits->head_timeout_ms);
    conn_resume(&tunnel->client);
    return STEP_WAIT;
}

enum tunnel_step tunnel_egress(struct tunnel *tunnel)
{
    struct slice name;
    if (tunnel->is_entered && tunnel->is_readable &&
        conn_read_early(&tunnel->client) != CONN_GOES_ON)
        return tunnel_end(tunnel, REASON_CLIENT_RESET);
    if (!read_name(tunnel, &name) && !tunnel->is_timed_out)
        return wait_for_more(tunnel);
    conn_pause(&tunnel->client);
    timer_cancel(&tunnel->workspace->timers, &tunnel->timer);
    const struct external_host *host =
        external_hosts_find(&tunnel->workload->external_hosts, &tunnel->destination, name);
    if (!host)
        return tunnel_end(tunnel, REASON_EGRESS_DENIED);
    tunnel->policy = host->object;
    tunnel->policy_why = "external_service";
    return tunnel_pass_through(tunnel);
}
