#include "proxy/options.h"

#include <jansson.h>
#include <string.h>

#include "common/dns_name.h"
#include "common/spiffe.h"
#include "proxy/telemetry/access_log.h"

#define AT(field) offsetof(struct proxy_options, field)

#define SECOND_MS 1000ull
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* Rows by type, so that the table reads as a table. */
#define STRING(n, field, text, value, h)                                                           \
    {                                                                                              \
        .name = n, .type = OPTION_STRING, .offset = AT(field), .default_text = text,               \
        .value_name = value, .help = h                                                             \
    }
#define UINT(n, field, low, high, text, value, h)                                                  \
    {                                                                                              \
        .name = n, .type = OPTION_UINT, .offset = AT(field), .min = low, .max = high,              \
        .default_text = text, .value_name = value, .help = h                                       \
    }
#define DURATION(n, field, low, high, text, h)                                                     \
    {                                                                                              \
        .name = n, .type = OPTION_DURATION, .offset = AT(field), .min = low, .max = high,          \
        .default_text = text, .value_name = "TIME", .help = h                                      \
    }
#define CHOICE(n, field, names, text, h)                                                           \
    {                                                                                              \
        .name = n, .type = OPTION_CHOICE, .offset = AT(field), .choices = names,                   \
        .default_text = text, .help = h                                                            \
    }

static const struct option_row rows[] = {
    {.name = "pod",
     .type = OPTION_STRING,
     .offset = AT(pod),
     .value_name = "NAMESPACE/NAME",
     .is_required = true,
     .help = "the pod that the proxy stands beside"},
    STRING("controller", controller, "outrigger-controller.outrigger-system.svc:15010", "HOST:PORT",
           "where the controller is"),
    STRING("controller-identity", controller_identity, NULL, "SPIFFE-ID",
           "whom the controller must prove to be; without it "
           "spiffe://TRUST-DOMAIN/ns/outrigger-system/sa/outrigger-controller"),
    STRING("trust-domain", trust_domain, "cluster.local", "NAME", "the mesh's trust domain"),
    STRING("token-file", token_file, "/var/run/secrets/outrigger.dev/token", "FILE",
           "the service account's token; read again for every certificate"),
    STRING("trust-anchors", trust_anchors, "/var/run/outrigger.dev/anchors/root.pem", "FILE",
           "PEM certificates to trust at first contact; read again for every certificate"),
    UINT("inbound-port", inbound_port, 1, 65535, "15006", "PORT",
         "where connections to the pod are redirected to"),
    UINT("outbound-port", outbound_port, 1, 65535, "15001", "PORT",
         "where connections of the application are redirected to"),
    STRING("admin-address", admin_address, "*", "ADDRESS",
           "address of the admin port; * is all of them: only /livez, /readyz and /metrics answer "
           "others than loopback"),
    UINT("admin-port", admin_port, 1, 65535, "15000", "PORT", "health, metrics and admin pages"),
    UINT("workers", workers, 1, 256, "1", "N", "threads that carry connections"),
    UINT("socket-mark", socket_mark, 0, UINT32_MAX, "0", "MARK",
         "SO_MARK on the proxy's own connections, where the redirect knows it by that; 0: none"),
    DURATION("discovery-timeout", discovery_timeout_ms, 1, MINUTE_MS, "1s",
             "how long a connection waits for the controller to describe a new destination"),
    DURATION("connect-timeout", connect_timeout_ms, 1, HOUR_MS, "5s",
             "for each attempt to connect, unless the configuration says otherwise"),
    UINT("connect-attempts", connect_attempts, 1, 8, "3", "N",
         "endpoints that are tried for one connection"),
    DURATION("idle-timeout", idle_timeout_ms, SECOND_MS, 30 * DAY_MS, "1h",
             "a connection without a byte in either direction is closed after this"),
    DURATION("handshake-timeout", handshake_timeout_ms, 10, 10 * MINUTE_MS, "10s",
             "from accepting a connection to the end of its TLS handshake"),
    DURATION("detect-timeout", detect_timeout_ms, 1, MINUTE_MS, "50ms",
             "silence after which a connection goes on as opaque"),
    DURATION("head-timeout", head_timeout_ms, 10, 10 * MINUTE_MS, "10s",
             "from the first byte of an HTTP request's head to its end; also how long first bytes "
             "that may become HTTP are waited for"),
    DURATION("stream-idle-timeout", stream_idle_timeout_ms, 100, 30 * DAY_MS, "5m",
             "an HTTP request on which nothing moves is ended after this"),
    DURATION("keepalive-timeout", keepalive_timeout_ms, 100, 30 * DAY_MS, "1h",
             "an HTTP connection of a client without a request is closed after this"),
    DURATION("pool-idle-timeout", pool_idle_timeout_ms, 10, DAY_MS, "1m",
             "an HTTP connection upstream without a request is closed after this; with HTTP/1.1 "
             "after 4s at the latest, because applications close soon as well"),
    DURATION("pool-max-age", pool_max_age_ms, 0, 30 * DAY_MS, "1h",
             "an HTTP connection upstream that is older takes no more requests and is closed when "
             "those on it are answered, give or take 10 %; 0s: never"),
    UINT("pool-max-connections", pool_max_connections, 0, 1000000, "0", "N",
         "HTTP connections that a worker has open to one endpoint, for one protocol and client; "
         "more requests wait for connect-timeout, then 503; 0: no cap"),
    UINT("pool-max-pending", pool_max_pending, 1, 1000000, "16384", "N",
         "HTTP requests that wait for a connection to one endpoint; beyond: 503"),
    UINT("max-line-bytes", max_line_bytes, 256, 1 << 20, "8192", "BYTES",
         "of an HTTP/1 request line; beyond: 414"),
    UINT("max-head-bytes", max_head_bytes, 1024, 1 << 20, "65536", "BYTES",
         "of an HTTP head; beyond: 431"),
    UINT("max-head-fields", max_head_fields, 8, 10000, "128", "N",
         "fields in an HTTP head; beyond: 431"),
    UINT("max-streams", max_streams, 1, 100000, "100", "N",
         "requests that an HTTP/2 connection may have open at once"),
    UINT("max-glitches", max_glitches, 10, 1000000, "200", "N",
         "HTTP/2 frames without effect in a minute, after which a connection is ended"),
    DURATION("drain-timeout", drain_timeout_ms, 0, DAY_MS, "30s",
             "how long connections may go on after SIGTERM"),
    UINT("max-connections", max_connections, 0, 10000000, "0", "N",
         "connections open at once, both directions; 0: as many as descriptors allow"),
    UINT("max-services", max_services, 1, 1000000, "10000", "N",
         "destinations that are remembered; the least recently used is forgotten first"),
    DURATION("service-idle", service_idle_ms, SECOND_MS, 30 * DAY_MS, "10m",
             "a destination that nothing has connected to for so long is forgotten"),
    UINT("max-metric-labels", max_metric_labels, 1, 1000000, "1000", "N",
         "sets of labels that a worker counts separately; the rest is counted as overflow"),
    DURATION("backoff-min", backoff_min_ms, 1, HOUR_MS, "100ms",
             "first wait before the controller is tried again"),
    DURATION("backoff-max", backoff_max_ms, 1, HOUR_MS, "30s",
             "longest wait before the controller is tried again"),
    CHOICE("log-level", log_level, "debug|info|warn|error", "info", "what is logged"),
    CHOICE("log-format", log_format, "text|json", "text", "how it is logged"),
    {.name = "access-log",
     .type = OPTION_FLAG,
     .offset = AT(access_log),
     .help = "one log line for each connection and request at its end, whatever the mesh's setting "
             "is"},
    STRING("access-log-format", access_log_format, NULL, "TEXT",
           "the line of a request, with placeholders: \"{method} {path} {status}\"; without it all "
           "fields, as the log's format is"),
    STRING("access-log-filter", access_log_filter, NULL, "QUERY",
           "which requests are logged, as a query: \"status=5xx&min-duration=250ms&sample=0.1\""),
    STRING("otlp-endpoint", otlp_endpoint, NULL, "HOST:PORT",
           "where spans are sent (OTLP over gRPC); without it none are recorded, and trace context "
           "is passed on as it came"),
    STRING("trace-sampling", trace_sampling, "0.01", "RATIO",
           "share of the traces that begin here of which spans are recorded; traces that came are "
           "recorded as they say"),
    {.name = "app-probe",
     .type = OPTION_CUSTOM,
     .offset = AT(app_probes),
     .value_name = "CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET",
     .parse = probe_specs_add,
     .may_repeat = true,
     .help = "a probe of the application that the admin port answers for as "
             "/app-probe/CONTAINER/PROBE, as strict mode refuses the kubelet; http and https have "
             "a path, grpc may have a service, tcp has nothing"},
    STRING("app-probe-address", app_probe_address, "127.0.0.1", "ADDRESS",
           "where the application is asked: the pod's address"),
};

const struct option_table proxy_option_table = {
    .program = "outrigger-proxy",
    .summary = "The mesh's side of one pod: intercepts, authenticates, balances, measures.",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0]),
};

/* ---- what no single row can say -----------------------------------------------------------------
 */

static bool check_pod(const char *pod, struct err *err)
{
    /* Also so that no other character gets into a line or a name. */
    const char *slash = strchr(pod, '/');
    return (slash && dns_name_is_label(slice_of(pod, (size_t)(slash - pod))) &&
            dns_name_ok(slice_str(slash + 1))) ||
           err_set(err, "--pod: \"%.300s\" is not NAMESPACE/NAME", pod);
}

/* "[fd00::1]:15010", "10.0.0.1:15010" or "name:15010". */
static bool check_host_port(const char *option, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    struct err ignored;
    uint64_t port;
    bool is_bracketed = text[0] == '[';
    size_t host_len = colon ? (size_t)(colon - text) : 0;
    if (host_len == 0 || (is_bracketed && host_len < sizeof("[::]") - 1) ||
        !option_parse_uint(slice_str(colon + 1), 1, 65535, &port, &ignored) ||
        (is_bracketed ? text[host_len - 1] != ']' : memchr(text, ':', host_len) != NULL))
        return err_set(err, "%s: \"%s\" is not HOST:PORT (an IPv6 address in brackets)", option,
                       text);
    return true;
}

static bool check_identity(const struct proxy_options *options, struct err *err)
{
    struct spiffe_id id;
    if (!spiffe_trust_domain_ok(slice_str(options->trust_domain)))
        return err_set(err, "--trust-domain: \"%s\" is not a trust domain ([a-z0-9._-], 1-255)",
                       options->trust_domain);
    if (!options->controller_identity)
        return true;
    if (!spiffe_parse(slice_str(options->controller_identity), &id, err))
        return err_prefix(err, "--controller-identity");
    return true;
}

static bool check_ports(const struct proxy_options *options, struct err *err)
{
    if (options->inbound_port == options->outbound_port)
        return err_set(err, "--inbound-port and --outbound-port are the same port");
    if (options->admin_port == options->inbound_port ||
        options->admin_port == options->outbound_port)
        return err_set(err, "--admin-port is a port that connections are redirected to");
    return true;
}

static bool check_seeing(const struct proxy_options *options, struct err *err)
{
    uint64_t ratio;
    struct access_log *format = access_log_new(options->access_log_format, NULL, err);
    if (!format)
        return err_prefix(err, "--access-log-format");
    access_log_free(format);
    struct access_log *filter = access_log_new(NULL, options->access_log_filter, err);
    if (!filter)
        return err_prefix(err, "--access-log-filter");
    access_log_free(filter);
    if (options->otlp_endpoint && !check_host_port("--otlp-endpoint", options->otlp_endpoint, err))
        return false;
    if (!trace_parse_ratio(slice_str(options->trace_sampling), &ratio))
        return err_set(err, "--trace-sampling: \"%s\" is no share (0-1)", options->trace_sampling);
    return true;
}

bool proxy_options_check(const struct proxy_options *options, struct err *err)
{
    struct ip ip;
    if (!check_pod(options->pod, err) ||
        !check_host_port("--controller", options->controller, err) ||
        !check_identity(options, err) || !check_ports(options, err))
        return false;
    if (strcmp(options->admin_address, "*") != 0 &&
        !ip_parse(slice_str(options->admin_address), &ip))
        return err_set(err, "--admin-address: \"%s\" is no IP address, nor *",
                       options->admin_address);
    if (!ip_parse(slice_str(options->app_probe_address), &ip))
        return err_set(err, "--app-probe-address: \"%s\" is no IP address",
                       options->app_probe_address);
    if (options->backoff_min_ms > options->backoff_max_ms)
        return err_set(err, "--backoff-min is longer than --backoff-max");
    return check_seeing(options, err);
}

struct json_t *proxy_options_custom_json(const struct option_row *row, const void *field)
{
    (void)row; /* there is one */
    const struct probe_specs *specs = field;
    json_t *list = json_array();
    for (size_t i = 0; i < specs->n; i++)
        json_array_append_new(list, json_stringn(specs->list[i].text.ptr, specs->list[i].text.len));
    return list;
}

struct sockaddr_any proxy_options_admin(const struct proxy_options *options,
                                        struct sockaddr_any *fallback)
{
    bool is_any = strcmp(options->admin_address, "*") == 0;
    uint16_t port = (uint16_t)options->admin_port;
    struct ip first = {.family = AF_INET6}, second = {.family = AF_INET};
    if (!is_any && ip_parse(slice_str(options->admin_address), &first))
        second = first;
    *fallback = addr_make(&second, port);
    return addr_make(&first, port);
}
