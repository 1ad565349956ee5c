/*
 * What outrigger-proxy can be told on its command line: one table, from which parsing, `--help`,
 * the README and the /config page are made.
 */
#ifndef OUTRIGGER_PROXY_OPTIONS_H
#define OUTRIGGER_PROXY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/options.h"
#include "proxy/probe/spec.h"

/* Texts point into argv or are constants. The types are those that common/options.h fills. */
struct proxy_options {
    const char *pod; /* namespace/pod */
    const char *controller;
    const char *controller_identity; /* NULL: the controller's usual account in the trust domain */
    const char *trust_domain;
    const char *token_file;
    const char *trust_anchors;
    uint64_t inbound_port;
    uint64_t outbound_port;
    const char *admin_address; /* an IP address, or "*": every address of both families */
    uint64_t admin_port;
    uint64_t workers;
    uint64_t socket_mark; /* 0: none */
    uint64_t discovery_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t connect_attempts;
    uint64_t idle_timeout_ms;
    uint64_t handshake_timeout_ms;
    uint64_t detect_timeout_ms;
    uint64_t head_timeout_ms;
    uint64_t stream_idle_timeout_ms;
    uint64_t keepalive_timeout_ms;
    uint64_t pool_idle_timeout_ms;
    uint64_t pool_max_age_ms;
    uint64_t pool_max_connections;
    uint64_t pool_max_pending;
    uint64_t max_line_bytes;
    uint64_t max_head_bytes;
    uint64_t max_head_fields;
    uint64_t max_streams;
    uint64_t max_glitches;
    uint64_t drain_timeout_ms;
    uint64_t max_connections; /* 0: no cap */
    uint64_t max_services;
    uint64_t service_idle_ms;
    uint64_t max_metric_labels;
    uint64_t backoff_min_ms;
    uint64_t backoff_max_ms;
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
    bool access_log;
    const char *access_log_format, *access_log_filter; /* NULL: not given */
    const char *otlp_endpoint;                         /* likewise */
    const char *trace_sampling;
    struct probe_specs app_probes;
    const char *app_probe_address;
};

extern const struct option_table proxy_option_table;

/* What no single row can say: forms of names, ports that must differ. `err` names the option. */
bool proxy_options_check(const struct proxy_options *options, struct err *err) MUST_USE;

/* For options_json(): the probes, as they were given. */
struct json_t *proxy_options_custom_json(const struct option_row *row, const void *field);

/*
 * Where the admin port listens. For "*" that is [::], which takes IPv4 as well; `*fallback` is then
 * 0.0.0.0, for kernels without IPv6, else the same. The options have been checked.
 */
struct sockaddr_any proxy_options_admin(const struct proxy_options *options,
                                        struct sockaddr_any *fallback);

#endif
