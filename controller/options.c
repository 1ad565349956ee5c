#include "controller/options.h"

#include <stddef.h>

#include "common/options_json.h"
#include "common/spiffe.h"

#define MINUTE_MS 60000ull
#define DAY_MS    (24 * 60 * MINUTE_MS)
#define YEAR_MS   (365 * DAY_MS)

#define FIELD(name) offsetof(struct settings, name)

/* As addr_parse(), and port 0 for one of the kernel's choice (it is logged). */
static bool parse_listen(void *field, struct slice value, struct err *err)
{
    size_t colon = value.len;
    while (colon > 0 && value.ptr[colon - 1] != ':')
        colon--;
    struct slice host = slice_sub(value, 0, colon ? colon - 1 : 0);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_sub(host, 1, host.len - 2);
    struct ip ip;
    uint64_t port;
    struct err ignored;
    if (!ip_parse(host, &ip) ||
        !option_parse_uint(slice_sub(value, colon, value.len), 0, 65535, &port, &ignored))
        return err_set(err, "\"%.*s\" is not ADDRESS:PORT or [ADDRESS]:PORT", SLICE_ARG(value));
    *(struct sockaddr_any *)field = addr_make(&ip, (uint16_t)port);
    return true;
}

static bool parse_address(void *field, struct slice value, struct err *err)
{
    if (ip_parse(value, field))
        return true;
    return err_set(err, "\"%.*s\" is not an IPv4 or IPv6 address", SLICE_ARG(value));
}

static bool parse_trust_domain(void *field, struct slice value, struct err *err)
{
    if (!spiffe_trust_domain_ok(value))
        return err_set(err, "\"%.*s\" is not a trust domain: 1 to 255 of a-z 0-9 . _ -",
                       SLICE_ARG(value));
    *(const char **)field = value.ptr; /* of argv or of the table: ends with a NUL */
    return true;
}

#define STATE_DIR_HELP "folder of the root key, the root certificate and the token key"
#define ROW_STATE_DIR(text)                                                                        \
    {                                                                                              \
        .name = "state-dir", .type = OPTION_STRING, .offset = FIELD(state_dir),                    \
        .default_text = "/var/lib/outrigger", .value_name = "DIR", .help = text,                   \
    }
#define ROW_TRUST_DOMAIN                                                                           \
    {                                                                                              \
        .name = "trust-domain", .type = OPTION_CUSTOM, .offset = FIELD(trust_domain),              \
        .default_text = "cluster.local", .value_name = "NAME", .parse = parse_trust_domain,        \
        .help = "trust domain of all identities",                                                  \
    }
#define ROW_ROOT_TTL                                                                               \
    {                                                                                              \
        .name = "root-ttl", .type = OPTION_DURATION, .offset = FIELD(root_ttl_ms),                 \
        .min = MINUTE_MS, .max = 30 * YEAR_MS, .default_text = "3650d",                            \
        .help = "lifetime of a root certificate that is made now",                                 \
    }

static const struct option_row serve_rows[] = {
    {.name = "manifests",
     .type = OPTION_STRING,
     .offset = FIELD(manifests),
     .value_name = "DIR",
     .help =
         "folder of Kubernetes manifests, read with its subfolders and followed; or, in its place"},
    {.name = "kubeconfig",
     .type = OPTION_STRING,
     .offset = FIELD(kubeconfig),
     .value_name = "FILE",
     .help = "the API server of this file's current context; or"},
    {.name = "in-cluster",
     .type = OPTION_FLAG,
     .offset = FIELD(is_in_cluster),
     .help = "the API server of the cluster whose pod this is"},
    ROW_STATE_DIR(STATE_DIR_HELP ", made with mode 0700"),
    ROW_TRUST_DOMAIN,
    {.name = "listen",
     .type = OPTION_CUSTOM,
     .offset = FIELD(listen),
     .value_name = "ADDRESS:PORT",
     .parse = parse_listen,
     .help = "where proxies connect; without it every address, port 15010"},
    {.name = "admin-address",
     .type = OPTION_CUSTOM,
     .offset = FIELD(admin_address),
     .value_name = "ADDRESS",
     .parse = parse_address,
     .help = "address of the admin port; without it every address"},
    {.name = "admin-port",
     .type = OPTION_UINT,
     .offset = FIELD(admin_port),
     .max = 65535,
     .default_text = "15014",
     .value_name = "PORT",
     .help = "health and metrics for anyone, pages for this machine; 0 is the kernel's choice"},
    {.name = "leaf-ttl",
     .type = OPTION_DURATION,
     .offset = FIELD(leaf_ttl_ms),
     .min = 5000,
     .max = YEAR_MS,
     .default_text = "24h",
     .help = "lifetime of the proxies' certificates"},
    ROW_ROOT_TTL,
    {.name = "log-level",
     .type = OPTION_CHOICE,
     .offset = FIELD(log_level),
     .choices = "debug|info|warn|error",
     .default_text = "info",
     .help = "least severity that is logged"},
    {.name = "log-format",
     .type = OPTION_CHOICE,
     .offset = FIELD(log_format),
     .choices = "text|json",
     .default_text = "text",
     .help = "form of the log lines"},
    {.name = "max-connection-age",
     .type = OPTION_DURATION,
     .offset = FIELD(max_connection_age_ms),
     .min = 1000,
     .max = 365 * DAY_MS,
     .default_text = "30m",
     .help = "a proxy is asked to connect anew after this, so that replicas share the load"},
    {.name = "max-connections",
     .type = OPTION_UINT,
     .offset = FIELD(max_connections),
     .min = 1,
     .max = 1000000,
     .default_text = "20000",
     .value_name = "N",
     .help = "connections of proxies; more are closed and counted"},
    {.name = "keepalive",
     .type = OPTION_DURATION,
     .offset = FIELD(keepalive_ms),
     .min = 100,
     .max = DAY_MS,
     .default_text = "30s",
     .help = "a connection that is silent for so long is asked whether it lives"},
    {.name = "keepalive-timeout",
     .type = OPTION_DURATION,
     .offset = FIELD(keepalive_timeout_ms),
     .min = 100,
     .max = DAY_MS,
     .default_text = "10s",
     .help = "and closed when it has not answered after this"},
    {.name = "drain-timeout",
     .type = OPTION_DURATION,
     .offset = FIELD(drain_timeout_ms),
     .max = DAY_MS,
     .default_text = "5s",
     .help = "what is under way may finish for so long after SIGTERM"},
    {.name = "webhook-port",
     .type = OPTION_UINT,
     .offset = FIELD(webhook_port),
     .max = 65535,
     .default_text = "0",
     .value_name = "PORT",
     .help = "HTTPS for the API server's admission webhooks, usually 15017; 0: none"},
    {.name = "webhook-service",
     .type = OPTION_STRING,
     .offset = FIELD(webhook_service),
     .default_text = "outrigger-controller",
     .value_name = "NAME",
     .help = "Service of the namespace outrigger-system by which the API server calls: for the "
             "webhook's certificate"},
    {.name = "webhook-cert",
     .type = OPTION_STRING,
     .offset = FIELD(webhook_cert),
     .value_name = "FILE",
     .help = "PEM certificates for the webhook, read again when it changes; without it the CA "
             "signs one"},
    {.name = "webhook-key",
     .type = OPTION_STRING,
     .offset = FIELD(webhook_key),
     .value_name = "FILE",
     .help = "and the PEM key"},
#define INJECT_BASE FIELD(inject)
    INJECT_ROWS,
#undef INJECT_BASE
};

static const struct option_row token_rows[] = {
    ROW_STATE_DIR(STATE_DIR_HELP),
    {.name = "pod",
     .type = OPTION_STRING,
     .offset = FIELD(token_pod),
     .value_name = "NAME",
     .help = "bind the token to a pod"},
    {.name = "ttl",
     .type = OPTION_DURATION,
     .offset = FIELD(token_ttl_ms),
     .min = 1000,
     .max = YEAR_MS,
     .default_text = "24h",
     .help = "how long the token is good"},
};

static const struct option_row anchors_rows[] = {ROW_STATE_DIR(STATE_DIR_HELP), ROW_TRUST_DOMAIN,
                                                 ROW_ROOT_TTL};

#define ROWS(list) .rows = list, .n_rows = sizeof(list) / sizeof(list[0])

const struct option_table options_serve = {
    .program = "outrigger-controller",
    .summary = "Reads Kubernetes manifests, signs identities and tells proxies what to do.\n\n"
               "Commands (each with its own --help):\n"
               "  outrigger-controller token NAMESPACE ACCOUNT   print a service-account token\n"
               "  outrigger-controller anchors                   print the root certificate\n"
               "  outrigger-controller check DIR                 say what is wrong in manifests",
    ROWS(serve_rows)};

const struct option_table options_token = {
    .program = "outrigger-controller token",
    .summary = "Prints a token that proves to the controller of this state folder who its bearer "
               "is; makes\nthe key for tokens if the folder is there and still empty.",
    .arguments = "NAMESPACE ACCOUNT",
    ROWS(token_rows)};

const struct option_table options_anchors = {
    .program = "outrigger-controller anchors",
    .summary = "Prints the root certificate, which proxies need to trust the controller; makes it "
               "if the folder is there and still empty.",
    ROWS(anchors_rows)};

const struct option_table options_check = {
    .program = "outrigger-controller check",
    .summary = "Reads manifests as the controller would and prints each problem on a line of its "
               "own; exits 1 if there is any.\nKinds that it does not read are named on stderr, "
               "with the place of the first.",
    .arguments = "DIR"};

bool settings_check(struct settings *settings, struct err *err)
{
    settings->inject.trust_domain = settings->trust_domain;
    bool serves = settings->inject.proxy_image; /* no other command has images */
    int n_sources = !!settings->manifests + !!settings->kubeconfig + settings->is_in_cluster;
    if (serves && n_sources != 1)
        return err_set(err, "expected one of --manifests=DIR, --kubeconfig=FILE and --in-cluster");
    if (settings->webhook_port && !settings->webhook_cert != !settings->webhook_key)
        return err_set(err, "--webhook-cert and --webhook-key go together");
    return !settings->inject.proxy_image || inject_settings_check(&settings->inject, err);
}

static json_t *custom_json(const struct option_row *row, const void *field)
{
    char text[ADDR_TEXT_BYTES];
    if (row->parse == parse_listen) {
        const struct sockaddr_any *addr = field;
        return addr->len ? json_string(addr_format(addr, text)) : json_null();
    }
    if (row->parse == parse_address) {
        const struct ip *ip = field;
        return ip->family ? json_string(ip_format(ip, text)) : json_null();
    }
    return json_string(*(const char *const *)field);
}

json_t *settings_json(const struct settings *settings)
{
    return options_json(&options_serve, settings, custom_json);
}
